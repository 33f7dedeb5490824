//! Whether two classes of input take different time: Welch's t-test over cropped samples, as dudect does it (Reparaz,
//! Balasch and Verbauwhede, "Dude, is my code constant time?").

use std::hint::black_box;
use std::time::Instant;

use rand_core::Rng;
use sc_std::rng::SystemSeeded;

/// Beyond this the classes differ, says dudect: definitely.
pub(crate) const DEFINITELY: f64 = 10.0;
/// Beyond this, maybe: more samples tell.
pub(crate) const MAYBE: f64 = 5.0;
/// Samples that are dropped first, in percent: caches and clocks warm up.
const WARM_UP: usize = 5;
/// Shares of the samples that are kept, the fastest of them, in per mille: the slow ones are those that were interrupted.
const CROPS: [usize; 12] = [1000, 999, 995, 990, 980, 950, 900, 850, 800, 700, 600, 500];

/// Which of the two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Left,
    Right,
}

/// What one comparison says.
pub(crate) struct Outcome {
    pub(crate) samples: usize,
    /// The t of the crop where it is largest; positive if the right class is slower.
    pub(crate) t: f64,
    /// Difference of the means in that crop, in nanoseconds.
    pub(crate) difference: f64,
    /// Mean time in that crop, in nanoseconds.
    pub(crate) mean: f64,
}

/// Measures `samples` runs, each of a class drawn by chance just before.
///
/// `input` must do the same work for both classes; only `work` is timed, what it returns is dropped outside.
pub(crate) fn measure<I, O>(
    samples: usize,
    mut input: impl FnMut(Class) -> I,
    mut work: impl FnMut(&mut I) -> O,
) -> Outcome {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let class = if SystemSeeded.next_u32() & 1 == 0 { Class::Left } else { Class::Right };
        let mut given = black_box(input(class));
        let start = Instant::now();
        let made = black_box(work(black_box(&mut given)));
        let took = start.elapsed();
        drop(made);
        times.push((class, took.as_secs_f64() * 1e9));
    }
    times.drain(..samples * WARM_UP / 100);
    judge(&times)
}

fn judge(times: &[(Class, f64)]) -> Outcome {
    let mut sorted: Vec<f64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let mut worst = Outcome { samples: times.len(), t: 0.0, difference: 0.0, mean: 0.0 };
    for share in CROPS {
        let limit = sorted.get((sorted.len() * share / 1000).saturating_sub(1)).copied().unwrap_or_default();
        let [left, right] = [Class::Left, Class::Right].map(|class| {
            let kept = times.iter().filter(|(of, time)| *of == class && *time <= limit);
            Moments::of(kept.map(|(_, time)| *time))
        });
        let error = (left.variance / left.count + right.variance / right.count).sqrt();
        let t = (right.mean - left.mean) / error;
        // Not a number where a class has no spread or no samples.
        if t.is_finite() && t.abs() >= worst.t.abs() {
            let mean = f64::midpoint(left.mean, right.mean);
            worst = Outcome { t, difference: right.mean - left.mean, mean, ..worst };
        }
    }
    worst
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    /// Welford's method: one pass, no cancellation.
    fn of(times: impl Iterator<Item = f64>) -> Self {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for time in times {
            count += 1.0;
            let off = time - mean;
            mean += off / count;
            squares += off * (time - mean);
        }
        Self { count, mean, variance: squares / (count - 1.0) }
    }
}
