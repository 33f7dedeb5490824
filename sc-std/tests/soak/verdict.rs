//! How much a figure grew, whatever single looks say: the median of the slopes between all pairs (Theil and Sen).

/// Figures over time, in seconds.
pub type Series = Vec<(f64, f64)>;

/// Growth from the first to the last look. Up to 29 % of the looks may say anything at all without moving it far.
pub fn growth(series: &[(f64, f64)]) -> f64 {
    let mut slopes: Vec<f64> = Vec::new();
    for (index, (at, value)) in series.iter().enumerate() {
        let later = series.iter().skip(index + 1).filter(|(later, _)| later > at);
        slopes.extend(later.map(|(later, other)| (other - value) / (later - at)));
    }
    slopes.sort_by(f64::total_cmp);
    let slope = slopes.get(slopes.len() / 2).copied().unwrap_or_default();
    let time = series.first().zip(series.last()).map_or(0.0, |((first, _), (last, _))| last - first);
    slope * time
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;
    use sc_std::rng::SystemSeeded;

    use super::*;

    /// An hour of looks: a level with noise, peaks in every tenth, and a leak.
    fn hour(leak: f64) -> Series {
        let noise = || f64::from(SystemSeeded.next_u32() % 2_000) - 1_000.0;
        let look = |n: u32| {
            let peak = if n.is_multiple_of(10) { 30_000.0 } else { 0.0 };
            (f64::from(n) * 5.0, 20_000.0 + noise() + peak + leak * f64::from(n) / 540.0)
        };
        (0..540).map(look).collect()
    }

    #[test]
    fn noise_and_peaks_are_no_growth_and_a_leak_below_them_is() {
        for _ in 0..3 {
            assert!(growth(&hour(0.0)).abs() < 500.0);
            let grew = growth(&hour(5_000.0));
            assert!((4_500.0..5_500.0).contains(&grew), "{grew}");
        }
    }

    #[test]
    fn a_series_of_nothing_or_one_has_not_grown() {
        assert!(growth(&[]).abs() < f64::EPSILON && growth(&[(1.0, 7.0)]).abs() < f64::EPSILON);
    }
}
