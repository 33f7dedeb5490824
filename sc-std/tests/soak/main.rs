//! The real program under honest and hostile load for an hour: memory, descriptors and threads stay flat, and every
//! honest call is answered.
//!
//! ```sh
//! SCV2_SOAK_SECONDS=3600 SCV2_PROGRAM="$PWD/target/release/scv2" \
//!     cargo test --package sc-std --test soak -- --nocapture
//! ```
//!
//! At a few hundred requests a second, so that the machine does other things besides. Sessions, limits and RSA keys are
//! short-lived, so that each is swept, limited and rotated many times within the hour. A line a minute, then a verdict.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "modules that test programs share")]

mod board;
mod full;
mod honest;
#[path = "../live/hostile.rs"]
mod hostile;
#[path = "../live/serve.rs"]
mod serve;
#[path = "../server_support/mod.rs"]
mod server_support;
mod strangers;
mod verdict;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use board::Board;
use serve::{Files, Http};
use watch::Watch;

/// How long the load lasts unless SCV2_SOAK_SECONDS says so: just long enough to see that it runs.
const SECONDS: u64 = 180;
/// How long a session lives: the shortest that a client believes, and a little.
const SESSION_TTL: &str = "75s";
/// Until everything is over that the load has left: sessions, connections, threads that wait for work.
const AFTERWARDS: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_and_hostile_load_leaves_memory_descriptors_and_threads_flat_and_honest_calls_answered() {
    let seconds = std::env::var("SCV2_SOAK_SECONDS").map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let (files, little, board) = (Files::new(), Files::new(), Arc::new(Board::default()));
    std::fs::write(files.path("users"), honest::users()).unwrap();
    let common = ["--metrics", "--client-ip-header", "CF-Connecting-IP", "--key-rotation", "60s"];
    let own = ["--session-ttl", SESSION_TTL, "--session-idle", "25s", "--max-sessions", "5000"];
    let limits = ["--rate-limit", honest::LIMIT, "--setup-limit", "40/10s"];
    let mut server = files.serve_with(&[common.as_slice(), &own, &limits].concat());
    let bounds = ["--max-sessions", "16", "--session-idle", "15s", "--setup-limit", "1000000/1s"];
    let mut full = little.serve_with(&[common.as_slice(), &bounds].concat());

    let http = Http::new();
    let mut watches =
        [Watch::start("server", &server, &http).await, Watch::start("full", &full, &http).await];
    let load = [
        honest::start(&server.url, &board),
        strangers::start(&server.url, &board).await,
        full::start(&full.url, &board).await,
    ];
    watch::until(Duration::from_secs(seconds), &mut watches, &board, &http).await;
    board.stop();
    for task in load.into_iter().flatten() {
        task.await.unwrap();
    }
    let over = watch::settle(AFTERWARDS, &watches, &http).await;

    let mut faults = board.faults();
    for watch in &watches {
        faults.extend(watch.verdict());
    }
    faults.extend(over);
    faults.extend(board.too_little(seconds));
    for (server, files) in [(&mut server, &files), (&mut full, &little)] {
        let status = server.stop();
        if !status.success() {
            faults.push(format!("a server stopped with {status}"));
        }
        let bad = |line: &&str| line.contains("panicked") || line.contains(" ERROR ");
        faults.extend(files.log().lines().filter(bad).map(|line| format!("logged: {line}")));
    }
    println!(
        "verdict: {}",
        if faults.is_empty() { "flat, and every honest call answered" } else { "failed" }
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
