//! A hundred thousand hostile requests: memory stays bounded, honest requests are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand_core::Rng;
use sc_std::rng::SystemSeeded;

use crate::hostile::{KINDS, half_open, hostile};
use crate::serve::{Files, Http};
use crate::server_support::{CLOSE, SESSION};

/// Hostile requests, all kinds together.
const REQUESTS: usize = 100_000;
/// Callers at once.
const CALLERS: usize = 48;
/// Connections that send half a head, or a head without its body, and stay.
const HALF_OPEN: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_hostile_requests_leave_memory_bounded_and_honest_requests_answered() {
    let (files, http) = (Files::new(), Http::new());
    let server = Arc::new(files.serve_with(&[
        "--client-ip-header",
        "CF-Connecting-IP",
        "--rate-limit",
        "1000000/300s",
        "--setup-limit",
        "100/1s",
    ]));
    let honest = http.session(&server).await;
    let victim = http.session(&server).await;
    let recorded = Arc::new(victim.seal(b"{}"));
    assert!(http.forgot(&server, &victim, recorded.to_vec()).await.is_sealed());
    let (victim, set_up) = (Arc::new(victim), Arc::new(http.peer(&server).await));
    let (sent, opened, stop) =
        (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());

    // Honest requests all the while, one after the other.
    let (stopping, asked, asking) = (Arc::clone(&stop), Http::new(), Arc::clone(&server));
    let honest = tokio::spawn(async move {
        let (mut answered, mut slowest) = (0_usize, Duration::ZERO);
        while !stopping.load(Ordering::Relaxed) {
            let start = Instant::now();
            assert_eq!(asked.ask(&asking, &honest, "nobody@example.com").await, 200);
            (answered, slowest) = (answered + 1, slowest.max(start.elapsed()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (answered, slowest)
    });
    let strangers: Vec<_> = (0..HALF_OPEN).map(|n| half_open(&server.url, n).unwrap()).collect();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (server, victim, set_up) = (Arc::clone(&server), Arc::clone(&victim), Arc::clone(&set_up));
            let (recorded, sent, opened) = (Arc::clone(&recorded), Arc::clone(&sent), Arc::clone(&opened));
            let http = http.clone();
            tokio::spawn(async move {
                while sent.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                    let kind = SystemSeeded.next_u32() % KINDS;
                    let (path, session, body) = hostile(kind, &victim, &recorded, &set_up);
                    let address = format!("198.51.{caller}.{}", SystemSeeded.next_u32() % 250);
                    let headers = [("x-sc-session-id", &*session), ("cf-connecting-ip", &*address)];
                    let headers = if session.is_empty() { &headers[1..] } else { &headers };
                    let reply = http.post(&server, path, headers, body).await;
                    opened.fetch_add(usize::from(reply.is_sealed()), Ordering::Relaxed);
                    // One set-up may win the race with its own copies; a close of nothing is a success.
                    let fine = reply.status >= 400 || path == CLOSE || path == SESSION;
                    assert!(fine, "kind {kind}: {reply:?}");
                }
            })
        })
        .collect();
    let mut early = 0;
    while sent.load(Ordering::Relaxed) < REQUESTS {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if early == 0 && sent.load(Ordering::Relaxed) > REQUESTS / 5 {
            early = server.resident_kib();
        }
    }
    for caller in callers {
        caller.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let (answered, slowest) = honest.await.unwrap();
    let late = server.resident_kib();
    println!(
        "{REQUESTS} hostile requests and {HALF_OPEN} half-open connections: resident {early} KiB after a fifth, {late} KiB at the \
         end; {answered} honest requests answered, the slowest in {slowest:?}"
    );
    assert_eq!(opened.load(Ordering::Relaxed), 0, "nothing hostile was opened");
    assert!(answered > 100, "{answered}");
    assert!(late < early + 65_536, "memory grows: {early} KiB, then {late} KiB");
    assert!(late < 400_000, "{late} KiB");
    drop(strangers);
}
