//! Against a real Redis and a real cluster, which these tests start themselves from `redis-server` and `redis-cli`: the
//! conformance of the store, and fleets of the real program over it.
//!
//! `cargo test --package sc-std --test live`, with `SCV2_PROGRAM` naming an optimized program for tests under load. Without
//! `redis-server` they fail, they never skip.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "modules that test programs share")]

mod attack;
mod example;
#[path = "../example_support/mod.rs"]
mod example_support;
mod fleet;
mod hostile;
mod outage;
mod redis;
mod secrecy;
mod serve;
#[path = "../server_support/mod.rs"]
mod server_support;
mod store;
mod timing;
mod tls;
