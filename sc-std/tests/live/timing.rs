//! Known and unknown addresses are answered alike: in status, headers, size, and time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand_core::Rng;
use sc_std::rng::SystemSeeded;

use crate::serve::{Files, Http, body};
use crate::server_support::Reply;

/// Requests of each kind.
const EACH: usize = 2_500;
/// Standard deviations that chance does not reach: once in a million runs.
const BEYOND_CHANCE: f64 = 4.9;

/// How far the ranks of two samples are apart, in standard deviations (Mann and Whitney's test, normal approximation).
#[allow(clippy::as_conversions, reason = "samples are few enough to be exact as f64")]
fn apart(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<_> =
        one.iter().map(|time| (*time, 0)).chain(other.iter().map(|time| (*time, 1))).collect();
    all.sort();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let rank_sum: f64 =
        all.iter().enumerate().filter(|(_, (_, kind))| *kind == 0).map(|(rank, _)| rank as f64 + 1.0).sum();
    let u = rank_sum - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// What anybody behind TLS sees of an answer, but for what is random in every one.
fn seen(reply: &Reply) -> (u16, BTreeMap<String, String>, usize) {
    let headers = reply.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (reply.status, headers.collect(), reply.body.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_and_unknown_addresses_are_answered_alike_and_in_the_same_time() {
    let (files, http) = (Files::new(), Http::new());
    // Twice each at most, so that the limit of mails per account makes no known address cheaper.
    let known: String = (0..EACH.div_ceil(2)).map(|n| format!("known{n:06}@example.com\n")).collect();
    std::fs::write(files.path("users"), known).unwrap();
    let server = files.serve_with(&["--rate-limit", "1000000/300s"]);
    let peer = http.session(&server).await;
    let mut times = [Vec::with_capacity(EACH), Vec::with_capacity(EACH)];
    let mut looks = std::collections::BTreeSet::new();
    while times.iter().any(|times| times.len() < EACH) {
        let kind = usize::from(SystemSeeded.next_u32().is_multiple_of(2));
        let Some(n) = Some(times[kind].len()).filter(|n| *n < EACH) else { continue };
        let name = ["known", "other"][kind];
        let envelope = peer.seal(&body(&format!("{name}{:06}@example.com", n / 2)));
        let start = Instant::now();
        let reply = http.forgot(&server, &peer, envelope).await;
        times[kind].push(start.elapsed());
        assert_eq!(reply.status, 200);
        looks.insert(seen(&reply));
    }
    assert_eq!(looks.len(), 1, "answers differ: {looks:?}");
    let [known, unknown] = &times;
    let distance = apart(known, unknown);
    println!(
        "{EACH} requests each: median {:?} known, {:?} unknown, {distance:+.2} standard deviations apart",
        median(known),
        median(unknown)
    );
    assert!(distance.abs() < BEYOND_CHANCE, "known and unknown addresses differ in time: {distance}");
    // The same test over the same data would have noticed a delay of a tenth.
    let slower: Vec<_> = known.iter().map(|time| *time + median(known) / 10).collect();
    assert!(apart(&slower, unknown) > BEYOND_CHANCE, "the test is too weak: {}", apart(&slower, unknown));
}
