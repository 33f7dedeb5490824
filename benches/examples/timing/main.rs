//! Whether secrets show in time: unwrapping by where OAEP fails, tags and keys by where they differ.
//!
//! `cargo run --release --package sc-benches --example timing -- [--samples N] [--filter TEXT]`
//!
//! Each line compares two classes of input that must take the same time. Exit code 1 if one pair differs
//! (|t| > 10), 3 if the control fails: a comparison that stops at the first difference must be found, and two equal
//! classes must not. Where machine code branches on secrets is looked at in `sc-core/tests/ctgrind`. What a server shows over HTTP is measured by `scv2 doctor`; the answer of forgot password by the test
//! `live::timing`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot run should say so at once"
)]

mod cases;
#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../../sc-std/src/bin/scv2/doctor/forge.rs"]
mod forge;
mod welch;

use std::process::ExitCode;

use cases::{Case, Kind};
use welch::{DEFINITELY, MAYBE};

/// Samples of the quick cases by default; RSA takes fewer.
const SAMPLES: usize = 400_000;

fn main() -> ExitCode {
    let Some((samples, filter)) = arguments() else {
        eprintln!("usage: timing [--samples N] [--filter TEXT]");
        return ExitCode::from(2);
    };
    println!("{:<74} {:>9} {:>8} {:>11} {:>13}", "classes", "samples", "|t|", "differ, ns", "of, ns");
    let (mut differing, mut blind) = (0, 0);
    for case in
        cases::all().into_iter().filter(|case| case.kind != Kind::Product || case.name.contains(&filter))
    {
        let Case { name, kind, divisor, run } = case;
        let outcome = run((samples / divisor).max(500));
        let t = outcome.t.abs();
        let differs = t > DEFINITELY;
        let verdict = match (kind, differs) {
            (Kind::Product, true) => "DIFFERS",
            (Kind::Product, false) if t > MAYBE => "maybe",
            (Kind::Same, true) | (Kind::Planted, false) => "CONTROL FAILED",
            (Kind::Planted, true) => "found, as it must be",
            (Kind::Product | Kind::Same, false) => "",
        };
        differing += usize::from(kind == Kind::Product && differs);
        blind += usize::from(verdict == "CONTROL FAILED");
        println!(
            "{name:<74} {:>9} {t:>8.2} {:>+11.1} {:>13.1} {verdict}",
            outcome.samples, outcome.difference, outcome.mean
        );
    }
    match (blind, differing) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(1),
        _ => ExitCode::from(3),
    }
}

fn arguments() -> Option<(usize, String)> {
    let (mut samples, mut filter) = (SAMPLES, String::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--samples" => samples = arguments.next()?.parse().ok()?,
            "--filter" => filter = arguments.next()?,
            _ => return None,
        }
    }
    Some((samples, filter))
}
