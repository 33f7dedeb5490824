//! Instructions of the hot path, counted by callgrind, each with a limit that fails the run: wall time on a shared machine
//! proves nothing, a count does. A limit is a twentieth above what was counted when it was set.
//!
//! Needs `valgrind` and `gungraun-runner` of the same version as the crate: `cargo bench -p sc-benches --bench counts`.
//! Valgrind knows neither AVX-512 nor the SHA instructions, so counts of the cipher are higher than on such a processor.
#![allow(missing_docs, reason = "gungraun's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use http::Request;
use rand_core::Rng;
use sc_benches::pair::{Text, body, call, connect, plain, request, sealed};
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::client::ProfileChoice;
use sc_core::envelope::{Envelope, ParseOptions};
use sc_core::limits::OVERHEAD;
use sc_core::secret::RequestKey;
use sc_std::provider::AwsLcAead;
use sc_std::rng::SystemSeeded;
use tokio::runtime::Runtime;

/// At most so many instructions.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, instructions)]));
    config
}

fn sealer(len: usize) -> (Sealer<AwsLcAead>, Vec<u8>) {
    let key = RequestKey::from_bytes([7; 32]);
    let sealer = Sealer::for_requests(&key, IvMode::Random, &mut SystemSeeded).unwrap();
    // The generator of this thread is seeded when it is first used.
    SystemSeeded.next_u64();
    (sealer, vec![0; len + OVERHEAD])
}

fn message(len: usize) -> (Opener<AwsLcAead>, Vec<u8>) {
    let (sealer, mut frame) = sealer(len);
    sealer.seal_in_place(&mut SystemSeeded, &mut frame).unwrap();
    (Opener::for_requests(&RequestKey::from_bytes([7; 32])).unwrap(), frame)
}

#[library_benchmark]
#[bench::bytes_28(args = (28), setup = sealer, config = at_most(1_225))]
#[bench::bytes_4096(args = (4_096), setup = sealer, config = at_most(12_070))]
fn seal((sealer, mut frame): (Sealer<AwsLcAead>, Vec<u8>)) -> (Sealer<AwsLcAead>, Vec<u8>) {
    black_box(sealer.seal_in_place(&mut SystemSeeded, black_box(&mut frame)).unwrap());
    (sealer, frame)
}

#[library_benchmark]
#[bench::bytes_28(args = (28), setup = message, config = at_most(1_190))]
#[bench::bytes_4096(args = (4_096), setup = message, config = at_most(12_050))]
fn open((opener, mut frame): (Opener<AwsLcAead>, Vec<u8>)) -> (Opener<AwsLcAead>, Vec<u8>) {
    black_box(opener.open(black_box(&mut frame)).unwrap());
    (opener, frame)
}

#[library_benchmark]
#[bench::bytes_4096(args = (4_096), setup = message, config = at_most(143))]
fn parse((opener, frame): (Opener<AwsLcAead>, Vec<u8>)) -> (Opener<AwsLcAead>, Vec<u8>) {
    black_box(Envelope::parse(black_box(&frame), &ParseOptions::default()).unwrap().message_type());
    (opener, frame)
}

/// A service and sealed requests for it, after one that has warmed it up.
struct Ready {
    runtime: Runtime,
    app: Router,
    requests: Vec<Request<Body>>,
}

/// A hundred requests: what one of them does by chance, such as to draw new randomness, is shared by all.
fn service(len: usize) -> Ready {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let app = sealed();
    let session = runtime.block_on(connect(&app, ProfileChoice::RequireBound));
    let json = Text::json(len);
    let seal = || request(Some(&session), sc_benches::pair::seal(&session, &json).0);
    let first = seal();
    let requests = (0..100).map(|_| seal()).collect();
    runtime.block_on(async { body(call(&app, first).await).await });
    Ready { runtime, app, requests }
}

#[library_benchmark]
#[bench::bytes_28(args = (28), setup = service, config = at_most(4_400_000))]
#[bench::bytes_4096(args = (4_096), setup = service, config = at_most(12_560_000))]
fn hundred_requests(ready: Ready) -> (Runtime, Router) {
    answer_all(ready)
}

fn answer_all(ready: Ready) -> (Runtime, Router) {
    let Ready { runtime, app, requests } = ready;
    runtime.block_on(async {
        for request in requests {
            black_box(body(call(&app, request).await).await);
        }
    });
    (runtime, app)
}

/// The same handler in plain JSON: what of a sealed request is axum's.
fn plain_service(len: usize) -> Ready {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (app, json) = (plain(), Text::json(len));
    let requests = (0..100).map(|_| request(None, json.clone())).collect();
    runtime.block_on(async { body(call(&app, request(None, json.clone())).await).await });
    Ready { runtime, app, requests }
}

#[library_benchmark]
#[bench::bytes_28(args = (28), setup = plain_service)]
#[bench::bytes_4096(args = (4_096), setup = plain_service)]
fn hundred_plain_requests(ready: Ready) -> (Runtime, Router) {
    answer_all(ready)
}

library_benchmark_group!(
    name = hot_path,
    benchmarks = [parse, seal, open, hundred_requests, hundred_plain_requests]
);
main!(library_benchmark_groups = hot_path);
