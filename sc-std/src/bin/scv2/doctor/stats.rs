//! Whether answers to different causes take different time: a rank test that asks nothing of the noise.
//!
//! Every round sends each cause once, in random order. If causes do not matter, the rank of a cause's time within its
//! round is any of 1 to k with equal chance, whatever else the machine does meanwhile: load makes the test blind, never
//! wrong. The sum of ranks over all rounds is then compared with chance (Friedman's setting, one cause against the rest).

/// Standard deviations that chance does not reach: once in 1.7 million comparisons.
pub(super) const BEYOND_CHANCE: f64 = 5.0;
/// In how many standard deviations a difference is so large that 19 samples of 20 would show it.
const SURE: f64 = BEYOND_CHANCE + 1.65;
/// From the median of absolute deviations to a standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Times of answers are skewed, and medians see less of that than ranks do: found by trying.
const SKEW: f64 = 1.15;

/// What was measured for one cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timing {
    /// Median time, in microseconds.
    pub(super) median: f64,
    /// Median over all rounds of its time less the median of the others, in microseconds.
    pub(super) difference: f64,
    /// How far its ranks are from chance, in standard deviations.
    pub(super) deviations: f64,
    /// Whether that is more than chance and more than the smallest effect asked for.
    pub(super) differs: bool,
}

/// Compares causes; each round holds one time for each, in microseconds. Also gives the smallest difference that would
/// have been found in 19 of 20 such samples.
pub(super) fn compare(rounds: &[Vec<f64>], min_effect: f64) -> (Vec<Timing>, f64) {
    let causes = rounds.first().map_or(0, Vec::len);
    let medians = (0..causes).map(|cause| median(column(rounds, cause).collect()));
    let mut timings: Vec<_> =
        medians.map(|median| Timing { median, difference: 0.0, deviations: 0.0, differs: false }).collect();
    let mut active: Vec<usize> = (0..causes).collect();
    loop {
        let mut widest: Option<(usize, f64)> = None;
        for &cause in &active {
            let (difference, deviations) = against_rest(rounds, cause, &active);
            let differs = deviations.abs() > BEYOND_CHANCE && difference.abs() >= min_effect;
            if let Some(timing) = timings.get_mut(cause) {
                (timing.difference, timing.deviations) = (difference, deviations);
            }
            if differs && widest.is_none_or(|(_, most)| difference.abs() > most) {
                widest = Some((cause, difference.abs()));
            }
        }
        // The widest goes first, so that it does not make the others look different from it.
        let Some((cause, _)) = widest else { break };
        if let Some(timing) = timings.get_mut(cause) {
            timing.differs = true;
        }
        active.retain(|other| *other != cause);
    }
    (timings, smallest_seen(rounds, &active).max(min_effect))
}

/// The median difference of one cause to the others, and how far its ranks are from chance.
fn against_rest(rounds: &[Vec<f64>], cause: usize, active: &[usize]) -> (f64, f64) {
    let k = number(active.len());
    if active.len() < 2 || rounds.is_empty() {
        return (0.0, 0.0);
    }
    let mut rank_sum = 0.0;
    let mut differences = Vec::with_capacity(rounds.len());
    for round in rounds {
        let Some(&own) = round.get(cause) else { continue };
        let others = active.iter().filter(|other| **other != cause);
        let others: Vec<_> = others.filter_map(|other| round.get(*other).copied()).collect();
        let below = others.iter().filter(|time| **time < own).count();
        let same = others.iter().filter(|time| **time == own).count();
        rank_sum += 1.0 + number(below) + number(same) / 2.0;
        differences.push(own - median(others));
    }
    let n = number(rounds.len());
    let expected = n * (k + 1.0) / 2.0;
    let spread = (n * (k * k - 1.0) / 12.0).sqrt();
    (median(differences), (rank_sum - expected) / spread)
}

/// The smallest difference that about 19 of 20 samples like this one show, in microseconds.
fn smallest_seen(rounds: &[Vec<f64>], active: &[usize]) -> f64 {
    let k = number(active.len());
    if active.len() < 2 || rounds.is_empty() {
        return 0.0;
    }
    let deviations = rounds.iter().flat_map(|round| {
        let times: Vec<_> = active.iter().filter_map(|cause| round.get(*cause).copied()).collect();
        let middle = median(times.clone());
        times.into_iter().map(move |time| (time - middle).abs())
    });
    let sigma = MAD_TO_SIGMA * median(deviations.collect());
    let loss = (std::f64::consts::FRAC_PI_3 * (k + 1.0) / (k - 1.0)).sqrt();
    SKEW * SURE * sigma * loss / number(rounds.len()).sqrt()
}

fn column(rounds: &[Vec<f64>], cause: usize) -> impl Iterator<Item = f64> {
    rounds.iter().filter_map(move |round| round.get(cause).copied())
}

/// The median; 0 of nothing.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let half = times.len() / 2;
    let upper = times.get(half).copied().unwrap_or_default();
    if times.len() % 2 == 1 {
        return upper;
    }
    let lower = half.checked_sub(1).and_then(|at| times.get(at)).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

/// A count as a number; no sample has 2^32 of anything.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;

    /// Times like a loaded machine's: a base that wanders, noise that is skewed, now and then a pause of milliseconds.
    /// From a seed, so that what holds nearly always holds every time.
    fn noisy(seed: u64, rounds: usize, causes: usize, extra: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut unit = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let mut base = 1500.0;
        let round = |_| {
            base += 40.0 * (unit() - 0.5);
            let time = |cause| {
                let noise = -30.0 * (1.0 - unit()).max(1e-9).ln();
                let pause = if unit() < 0.02 { 8000.0 * unit() } else { 0.0 };
                base + noise + pause + extra(cause)
            };
            (0..causes).map(time).collect()
        };
        (0..rounds).map(round).collect()
    }

    #[test]
    fn noise_alone_is_no_difference() {
        for causes in [2, 3, 12] {
            for seed in 0..200 {
                let (timings, _) = compare(&noisy(seed, 50, causes, |_| 0.0), 0.0);
                assert!(timings.iter().all(|timing| !timing.differs), "{timings:?}");
            }
        }
    }

    #[test]
    fn a_slow_cause_is_found_and_the_others_are_not_blamed_for_it() {
        for causes in [2, 3, 12] {
            let (timings, _) =
                compare(&noisy(1, 400, causes, |cause| if cause == 1 { 60.0 } else { 0.0 }), 5.0);
            let found: Vec<_> = timings.iter().filter(|timing| timing.differs).collect();
            assert_eq!(found.len(), 1, "{timings:?}");
            // Of two, either is the one that differs.
            assert!(causes == 2 || timings[1].differs && timings[1].difference > 30.0, "{timings:?}");
        }
    }

    #[test]
    fn a_certain_difference_below_the_smallest_effect_is_left_alone() {
        let slow = |cause| if cause == 1 { 60.0 } else { 0.0 };
        let (timings, seen) = compare(&noisy(1, 400, 4, slow), 500.0);
        assert!(timings[1].deviations > BEYOND_CHANCE && !timings[1].differs && seen >= 500.0, "{timings:?}");
    }

    #[test]
    fn what_is_said_to_be_seen_is_seen() {
        for seed in 0..10 {
            let (_, seen) = compare(&noisy(seed, 300, 6, |_| 0.0), 0.0);
            assert!(seen > 1.0 && seen < 100.0, "{seen}");
            let slow = |cause| if cause == 2 { seen } else { 0.0 };
            let hits =
                (0..40).filter(|seed| compare(&noisy(100 + seed, 300, 6, slow), 0.0).0[2].differs).count();
            assert!(hits >= 34, "{hits} of 40 at {seen}");
        }
    }

    #[test]
    fn medians_are_those_of_the_book() {
        assert_eq!((median(vec![]), median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0])), (0.0, 2.0, 2.5));
    }
}
