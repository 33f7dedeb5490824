//! One message under an established key: seal and open at every size, beside the raw AEAD of the same provider and, with
//! the feature `peers`, beside what others do for a message, all in one run.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

mod ours;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "peers")]
mod raw;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};

/// Lengths of the plaintext, in bytes: a forgot-password request, then up to the largest message.
const SIZES: [usize; 7] = [28, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576];

/// One group of criterion at one size.
struct At<'c> {
    group: BenchmarkGroup<'c, WallTime>,
    size: usize,
}

impl At<'_> {
    fn seal(&mut self, who: &str, mut seal: impl FnMut()) {
        self.group.bench_function(BenchmarkId::new(who, self.size), |b| b.iter(&mut seal));
    }

    /// `sealed` makes a message that has not been opened yet; only `open` is timed.
    fn open<M>(&mut self, who: &str, mut sealed: impl FnMut() -> M, mut open: impl FnMut(&mut M)) {
        // As many as lie in a second-level cache together: a message comes from the socket, so it is warm.
        let batch =
            BatchSize::NumIterations(u64::try_from((512 * 1024 / self.size).clamp(1, 1_000)).unwrap());
        self.group.bench_function(BenchmarkId::new(who, self.size), |b| {
            b.iter_batched_ref(&mut sealed, &mut open, batch);
        });
    }
}

fn each_size(c: &mut Criterion, name: &str, each: impl Fn(&mut At<'_>)) {
    for size in SIZES {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(u64::try_from(size).unwrap()));
        let mut at = At { group, size };
        each(&mut at);
        at.group.finish();
    }
}

fn seal(c: &mut Criterion) {
    each_size(c, "seal", |at| {
        ours::seal_all(at);
        #[cfg(feature = "peers")]
        {
            raw::seal_all(at);
            peers::seal_all(at);
        }
    });
}

fn open(c: &mut Criterion) {
    each_size(c, "open", |at| {
        ours::open_all(at);
        #[cfg(feature = "peers")]
        {
            raw::open_all(at);
            peers::open_all(at);
        }
    });
}

criterion_group! {
    name = benches;
    // Short and many: what is compared lies close together in time, so that a busy machine disturbs both sides.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(60);
    targets = seal, open, ours::parse, ours::iv, ours::expand
}
criterion_main!(benches);
