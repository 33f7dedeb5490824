//! Batches of calls, timed, and the raw AEAD, which every way to protect a message is held against.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sc_core::provider::Aead;

const IV: [u8; 12] = [9; 12];

/// Nanoseconds of one call, out of so many.
pub fn timed(times: u32, work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    nanoseconds(start.elapsed(), times)
}

/// As [`timed`], each call with a value of its own of about `size` bytes, which is made before: as many at a time as a
/// second-level cache holds.
pub fn timed_over<M>(
    times: u32,
    size: usize,
    mut make: impl FnMut() -> M,
    work: &mut impl FnMut(&mut M),
) -> f64 {
    let at_once = u32::try_from((512 * 1024 / size.max(1)).clamp(1, 64)).unwrap();
    let (mut spent, mut left) = (Duration::ZERO, times);
    while left > 0 {
        let some = left.min(at_once);
        let mut values: Vec<_> = (0..some).map(|_| make()).collect();
        let start = Instant::now();
        values.iter_mut().for_each(&mut *work);
        spent += start.elapsed();
        left -= some;
    }
    nanoseconds(spent, times)
}

fn nanoseconds(spent: Duration, times: u32) -> f64 {
    spent.as_secs_f64() * 1e9 / f64::from(times)
}

/// How many calls fill a batch; at most 4,096.
pub fn times_of(batch: Duration, work: &mut impl FnMut(u32) -> f64) -> u32 {
    let mut times = 1_u32;
    while times < 4_096 && work(times) * f64::from(times) < batch.as_secs_f64() * 1e9 {
        times *= 2;
    }
    times
}

/// The raw AEAD at one size of plaintext, with an IV that costs nothing.
#[derive(Debug)]
pub struct Raw<A> {
    key: A,
    text: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; 16],
}

impl<A: Aead> Raw<A> {
    /// For so many bytes of plaintext.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let key = A::expand(&[7; 32]).unwrap();
        let mut sealed = vec![0; size];
        let tag = key.seal(&IV, b"", &mut sealed).unwrap();
        Self { key, text: vec![0; size], sealed, tag }
    }

    /// Nanoseconds of sealing, out of so many times.
    pub fn seal(&mut self, times: u32) -> f64 {
        timed(times, &mut || {
            black_box(self.key.seal(&IV, b"", black_box(&mut self.text)).unwrap());
        })
    }

    /// Nanoseconds of opening, out of so many times.
    #[must_use]
    pub fn open(&self, times: u32) -> f64 {
        let open = |text: &mut Vec<u8>| self.key.open(&IV, b"", black_box(text), &self.tag).unwrap();
        timed_over(times, self.sealed.len(), || self.sealed.clone(), &mut { open })
    }
}
