//! Side by side with a peer in another language: each of its batches takes turns with one of the raw AEAD of AWS-LC.
//!
//! Given a command, it starts the peer. For each line on its standard input the peer measures one batch, in an order of its
//! own, and prints a [`Figure`]. What counts is the median of the ratios to the raw AEAD beside each batch; what is
//! printed is that ratio times the raw AEAD's time in `target/figures`, where `side_by_side` has left it.
//!
//! `cargo run --release -p sc-benches --example foreign -- node benches/peers/webcrypto.mjs`, or all by `benches/peers.sh`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot run should say so at once"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use sc_benches::figures::{Figure, Figures, target};
use sc_benches::timed::{Raw, times_of};
use sc_benches::turns::median;
use sc_std::provider::AwsLcAead;

/// The raw AEAD's part of a turn. A peer's is as long.
const BATCH: Duration = Duration::from_millis(20);

/// One size and direction of the peer.
struct Series {
    /// The peer's last figure.
    figure: Figure,
    raw: Raw<AwsLcAead>,
    /// How many messages of the raw AEAD fill a batch.
    times: u32,
    /// Of each turn: the raw AEAD's time, in nanoseconds, and the peer's over it.
    raw_times: Vec<f64>,
    ratios: Vec<f64>,
}

impl Series {
    fn new(figure: Figure) -> Self {
        let raw = Raw::new(figure.parameter.parse().expect("a size"));
        let mut series = Self { figure, raw, times: 0, raw_times: Vec::new(), ratios: Vec::new() };
        series.times = times_of(BATCH, &mut |times| series.raw_ns(times));
        series
    }

    fn raw_ns(&mut self, times: u32) -> f64 {
        match self.figure.name.as_str() {
            "seal" => self.raw.seal(times),
            "open" => self.raw.open(times),
            other => panic!("the peer measures {other}"),
        }
    }

    fn turn(&mut self, peer: f64) {
        let raw = self.raw_ns(self.times);
        self.raw_times.push(raw);
        self.ratios.push(peer / raw);
    }

    /// Prints what came of it, as a figure.
    fn end(mut self, known: &[Figure]) {
        let is_raw = |known: &&Figure| {
            (&known.name, &known.parameter, known.case.as_str())
                == (&self.figure.name, &self.figure.parameter, "raw aws-lc-rs")
        };
        let raw = known.iter().find(is_raw).map_or_else(|| median(&mut self.raw_times), |known| known.value);
        let figure = Figure { value: median(&mut self.ratios) * raw, ..self.figure };
        println!("{}", serde_json::to_string(&figure).unwrap());
    }
}

fn main() {
    let mut command = std::env::args_os().skip(1);
    let program = command.next().expect("a peer's command");
    let mut peer =
        Command::new(program).args(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut turn, mut answers) = (peer.stdin.take().unwrap(), BufReader::new(peer.stdout.take().unwrap()));
    let known = Figures::read_all(&target().join("figures")).unwrap();
    let mut series: Option<Series> = None;
    loop {
        // A peer that has ended reads no more.
        let _ = turn.write_all(b"\n");
        let mut line = String::new();
        if answers.read_line(&mut line).unwrap() == 0 {
            break;
        }
        let figure: Figure = serde_json::from_str(&line).unwrap();
        let value = figure.value;
        let same = |one: &Figure| {
            (&one.name, &one.case, &one.parameter) == (&figure.name, &figure.case, &figure.parameter)
        };
        let mut current = match series.take() {
            Some(current) if same(&current.figure) => current,
            other => {
                other.into_iter().for_each(|ended| ended.end(&known));
                Series::new(figure)
            }
        };
        current.turn(value);
        series = Some(current);
    }
    series.into_iter().for_each(|ended| ended.end(&known));
    assert!(peer.wait().unwrap().success(), "the peer failed");
}
