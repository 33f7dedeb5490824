//! What two cores do more than one: sealed requests through the layer, key exchanges, and, as the most that the machine
//! allows, the raw cipher and the raw private operation.
//!
//! Threads share the server and the store, as a service's do. One and two threads take turns; what counts is the median of
//! the ratios of neighbours.
//!
//! `cargo run --release -p sc-benches --example cores -- [TURNS]`
#![allow(clippy::unwrap_used, reason = "a measurement that cannot run should say so at once")]

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use axum::Router;
use sc_benches::figures::Figures;
use sc_benches::pair::{Text, body, call, connect, request, seal, sealed};
use sc_benches::turns::{Compared, compare};
use sc_core::client::ProfileChoice;
use sc_core::exchange::{WrappedKeys, unwrap_keys};
use sc_core::provider::{Aead, KeyUnwrap, KeyWrap};
use sc_std::provider::{AwsLcAead, AwsLcPrivateKey, AwsLcPublicKey};
use sc_std::rng::SystemSeeded;

const TURNS: usize = 15;

/// Does `work` on so many threads at once, each with what `prepare` made for it; how many times a second they did it
/// together. `work` says how often it did its thing and how long that took.
fn rate<P>(threads: usize, prepare: impl Fn() -> P + Sync, work: impl Fn(P) -> u32 + Sync) -> f64 {
    let start = Barrier::new(threads);
    let each = || {
        let prepared = prepare();
        start.wait();
        let began = Instant::now();
        let done = work(prepared);
        (f64::from(done), began, Instant::now())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(each)).collect();
        let done: Vec<_> = running.into_iter().map(|thread| thread.join().unwrap()).collect();
        let began = done.iter().map(|(_, began, _)| *began).min().unwrap();
        let ended = done.iter().map(|(_, _, ended)| *ended).max().unwrap();
        done.iter().map(|(times, ..)| times).sum::<f64>()
            / ended.duration_since(began).max(Duration::from_nanos(1)).as_secs_f64()
    })
}

/// Sealed requests a second, of one session for each thread.
fn requests(app: &Router, threads: usize) -> f64 {
    const MESSAGES: u32 = 10_000;
    let json = Text::json(28);
    let prepare = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let session = runtime.block_on(connect(app, ProfileChoice::RequireBound));
        let requests: Vec<_> =
            (0..MESSAGES).map(|_| request(Some(&session), seal(&session, &json).0)).collect();
        (runtime, requests)
    };
    rate(threads, prepare, |(runtime, requests)| {
        runtime.block_on(async {
            for request in requests {
                black_box(body(call(app, request).await).await);
            }
        });
        MESSAGES
    })
}

fn main() {
    let turns = std::env::args().nth(1).map_or(TURNS, |turns| turns.parse().unwrap());
    let app = sealed();
    let private = AwsLcPrivateKey::generate(2048).unwrap();
    let public = AwsLcPublicKey::from_spki(private.spki_der()).unwrap();
    let [request, response] = [1, 2].map(|byte| {
        let mut wrapped = [0; 256];
        public.wrap(&mut SystemSeeded, &[byte; 32], &mut wrapped).unwrap();
        wrapped
    });
    let exchange = |threads| {
        rate(
            threads,
            || (),
            |()| {
                for _ in 0..200 {
                    let wrapped = WrappedKeys::new(&request, &response).unwrap();
                    let keys = unwrap_keys(&private, &mut SystemSeeded, black_box(wrapped));
                    black_box(keys.into_keys().unwrap());
                }
                200
            },
        )
    };
    let private_operation = |threads| {
        rate(
            threads,
            || (),
            |()| {
                for _ in 0..400 {
                    black_box(private.unwrap_key(&mut SystemSeeded, black_box(&request)));
                }
                400
            },
        )
    };
    let cipher = |threads| {
        rate(
            threads,
            || (AwsLcAead::expand(&[7; 32]).unwrap(), vec![0; 4_096]),
            |(key, mut text)| {
                for _ in 0..100_000 {
                    black_box(key.seal(&[9; 12], b"", black_box(&mut text)).unwrap());
                }
                100_000
            },
        )
    };
    let sealed_requests = |threads| requests(&app, threads);
    let cases: [(&str, &dyn Fn(usize) -> f64); 4] = [
        ("sealed requests", &sealed_requests),
        ("key exchanges", &exchange),
        ("raw private operations", &private_operation),
        ("raw cipher, 4 KiB", &cipher),
    ];
    let mut figures = Figures::create("cores").unwrap();
    for (case, measure) in cases {
        let Compared { first: one, ratio } = compare(turns, || measure(1), || measure(2));
        let two = one * ratio;
        println!("{case}: {one:.0}/s on one core, {two:.0}/s on two, {ratio:.2} times");
        figures.add(case, "1", one, "1/s").unwrap();
        figures.add(case, "2", two, "1/s").unwrap();
    }
}
