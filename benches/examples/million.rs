//! What a live session costs in the memory store: resident bytes at a thousand to a million, unused and with one message.
//!
//! Each count runs in a process of its own, so that no run finds memory that another has freed.
//!
//! `cargo run --release -p sc-benches --example million`
#![allow(clippy::unwrap_used, reason = "a measurement that cannot run should say so at once")]

use std::process::Command;

use futures_util::FutureExt;
use sc_benches::figures::Figures;
use sc_benches::sessions::{NOW, new_claim, new_session};
use sc_core::replay::ClaimVerdict;
use sc_std::rng::SystemSeeded;
use sc_std::store::{MemoryStore, Store};

const COUNTS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// What a memory store answers, it answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

/// Resident memory of this process, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

/// Bytes of each of `count` sessions: unused, and after one message of each.
fn measure(count: u32) -> [f64; 2] {
    let mut ids = vec![[1; 24]; usize::try_from(count).unwrap()];
    let store = MemoryStore::default();
    let before = resident();
    for place in &mut ids {
        let session = new_session(&mut SystemSeeded);
        *place = session.id.to_raw();
        now(store.create(session, NOW)).unwrap();
    }
    let unused = resident();
    for id in &ids {
        let id = sc_core::id::SessionId::from_raw(*id);
        let claim = new_claim(&mut SystemSeeded);
        assert_eq!(now(store.claim(&id, &claim, NOW)), Ok(Some(ClaimVerdict::New)));
    }
    assert_eq!(store.sessions(), ids.len());
    [unused, resident()].map(|after| (after - before) / f64::from(count))
}

fn main() {
    if let Some(count) = std::env::args().nth(1) {
        let [unused, used] = measure(count.parse().unwrap());
        println!("{unused} {used}");
        return;
    }
    let mut figures = Figures::create("million").unwrap();
    for count in COUNTS {
        let own = Command::new(std::env::current_exe().unwrap()).arg(count.to_string()).output().unwrap();
        assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
        let printed = String::from_utf8(own.stdout).unwrap();
        for (case, bytes) in ["unused", "with one message"].into_iter().zip(printed.split_whitespace()) {
            let bytes: f64 = bytes.parse().unwrap();
            println!("{count:8} sessions, {case}: {bytes:.0} bytes each");
            figures.add(case, &count.to_string(), bytes, "bytes").unwrap();
        }
    }
}
