//! Side by side: every way of the benchmark `message` takes turns, batch by batch, with the raw AEAD of AWS-LC, a channel on
//! RustCrypto with RustCrypto's, and a server's part of a set-up with two raw private operations.
//!
//! Criterion measures one after another, and on a shared machine minutes lie between two values that are compared. Here
//! both sides of a comparison lie within a fifth of a millisecond, or, for a set-up, some milliseconds; what counts is
//! the median of the ratios of all turns. A time is that ratio, times the median of all turns of the raw operation.
//!
//! `cargo run --release -p sc-benches --features peers --example side_by_side`
#![allow(clippy::unwrap_used, reason = "a measurement that cannot run should say so at once")]

#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../../benches/exchange/ours.rs"]
mod exchange;
#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../../benches/message/ours.rs"]
mod ours;
#[cfg(feature = "peers")]
#[path = "../../benches/message/peers.rs"]
mod peers;
#[cfg(feature = "peers")]
#[path = "../../benches/message/raw.rs"]
mod raw;

use std::time::Duration;

use sc_benches::figures::Figures;
use sc_benches::timed::{Raw, timed, timed_over, times_of};
use sc_benches::turns::{compare, median};
use sc_core::rustcrypto::Aes256GcmKey;
use sc_std::provider::{AwsLcAead, AwsLcPrivateKey};

use exchange::ServerSide;

const SIZES: [usize; 7] = [28, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576];
/// How long one side works before it is the other's turn.
const BATCH: Duration = Duration::from_micros(100);
/// Turns of each way.
const TURNS: usize = 601;
/// Turns of a set-up, one at a time.
const SET_UPS: usize = 301;

/// As the ways call it.
const RAW_RUSTCRYPTO: &str = "raw rustcrypto";

/// One size and one direction, as the ways of the benchmark see it.
struct At {
    size: usize,
    /// Of each way: its name, whether it was beside RustCrypto, and the median ratio of its time to the raw AEAD's.
    ratios: Vec<(String, bool, f64)>,
    /// Nanoseconds of the raw AEAD of AWS-LC, beside each way.
    raw: Vec<f64>,
}

impl At {
    const fn new(size: usize) -> Self {
        Self { size, ratios: Vec::new(), raw: Vec::new() }
    }

    fn seal(&mut self, who: &str, mut seal: impl FnMut()) {
        let seal = |times| timed(times, &mut seal);
        if is_beside_rustcrypto(who) {
            let mut raw = Raw::<Aes256GcmKey>::new(self.size);
            self.compare(who, |times| raw.seal(times), seal);
        } else {
            let mut raw = Raw::<AwsLcAead>::new(self.size);
            self.compare(who, |times| raw.seal(times), seal);
        }
    }

    fn open<M>(&mut self, who: &str, mut sealed: impl FnMut() -> M, mut open: impl FnMut(&mut M)) {
        let size = self.size;
        let open = |times| timed_over(times, size, &mut sealed, &mut open);
        if is_beside_rustcrypto(who) {
            let raw = Raw::<Aes256GcmKey>::new(size);
            self.compare(who, |times| raw.open(times), open);
        } else {
            let raw = Raw::<AwsLcAead>::new(size);
            self.compare(who, |times| raw.open(times), open);
        }
    }

    fn compare(&mut self, who: &str, mut raw: impl FnMut(u32) -> f64, mut other: impl FnMut(u32) -> f64) {
        let (raw_times, other_times) = (times_of(BATCH, &mut raw), times_of(BATCH, &mut other));
        let compared = compare(TURNS, || raw(raw_times), || other(other_times));
        let rustcrypto = is_beside_rustcrypto(who);
        if !rustcrypto {
            self.raw.push(compared.first);
        }
        self.ratios.push((who.to_owned(), rustcrypto, compared.ratio));
    }

    fn write(mut self, figures: &mut Figures) {
        let aws = median(&mut self.raw);
        let raw_rust =
            self.ratios.iter().find(|(who, ..)| who == RAW_RUSTCRYPTO).map(|(.., ratio)| aws * ratio);
        let size = self.size.to_string();
        for (who, rustcrypto, ratio) in &self.ratios {
            let value = ratio * if *rustcrypto { raw_rust.unwrap() } else { aws };
            println!("{size:>8} {who:<42} {value:>12.1} ns {ratio:>9.3}");
            figures.add(who, &size, value, "ns").unwrap();
        }
    }
}

/// A channel is held against the raw AEAD of its own provider, all else against AWS-LC's.
fn is_beside_rustcrypto(who: &str) -> bool {
    who.starts_with("scv2 rustcrypto")
}

/// A server's part of a set-up, beside the two private operations in it.
fn set_ups(figures: &mut Figures) {
    for bits in [2_048, 3_072, 4_096] {
        let private = AwsLcPrivateKey::generate(bits).unwrap();
        let side = ServerSide::new(&private, private.spki_der());
        let raw = || timed(1, &mut || side.two_raw_operations());
        let compared = compare(SET_UPS, raw, || timed(1, &mut || side.set_up()));
        let ratio = compared.ratio;
        println!("{bits:>8} set-up {:>12.1} ns {ratio:>9.3}", compared.second());
        figures.add("two raw aws-lc-rs operations", &bits.to_string(), compared.first, "ns").unwrap();
        figures.add("scv2 aws-lc-rs", &bits.to_string(), compared.second(), "ns").unwrap();
    }
}

fn main() {
    let mut figures = Figures::create("seal").unwrap();
    for size in SIZES {
        let mut at = At::new(size);
        ours::seal_all(&mut at);
        #[cfg(feature = "peers")]
        {
            raw::seal_all(&mut at);
            peers::seal_all(&mut at);
        }
        at.write(&mut figures);
    }
    let mut figures = Figures::create("open").unwrap();
    for size in SIZES {
        let mut at = At::new(size);
        ours::open_all(&mut at);
        #[cfg(feature = "peers")]
        {
            raw::open_all(&mut at);
            peers::open_all(&mut at);
        }
        at.write(&mut figures);
    }
    set_ups(&mut Figures::create("set-up, server").unwrap());
}
