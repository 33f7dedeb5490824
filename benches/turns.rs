//! Two ways of one thing, side by side: they take turns, and what counts is the median of the ratios of all turns.
//!
//! On a shared machine the same work takes half as long again a minute later. Neighbouring turns see the same machine.

/// What came of two ways that took turns.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// Median of the first way's values.
    pub first: f64,
    /// Median, over all turns, of the second way's value over the first's.
    pub ratio: f64,
}

impl Compared {
    /// The second way's value, as the ratio gives it.
    #[must_use]
    pub fn second(&self) -> f64 {
        self.first * self.ratio
    }
}

/// Takes so many turns. Who goes first takes turns too.
///
/// # Panics
/// If there is no turn.
pub fn compare(turns: usize, mut first: impl FnMut() -> f64, mut second: impl FnMut() -> f64) -> Compared {
    let (mut firsts, mut ratios) = (Vec::with_capacity(turns), Vec::with_capacity(turns));
    for turn in 0..turns {
        let (one, two) = if turn % 2 == 0 {
            let one = first();
            (one, second())
        } else {
            let two = second();
            (first(), two)
        };
        firsts.push(one);
        ratios.push(two / one);
    }
    Compared { first: median(&mut firsts), ratio: median(&mut ratios) }
}

/// The value in the middle.
///
/// # Panics
/// If there is none.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    *values.get(values.len() / 2).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_slows_down_changes_the_values_and_not_the_ratio() {
        // Every measurement takes a tenth longer than the one before.
        let clock = std::cell::Cell::new(1.0);
        let slower = |factor: f64| {
            clock.set(clock.get() * 1.1);
            clock.get() * factor
        };
        let compared = compare(101, || slower(1.0), || slower(2.0));
        assert!((compared.ratio / 2.0).ln().abs() < 0.1_f64.ln_1p() + 1e-9, "{compared:?}");
        assert!(compared.first > 100.0);
    }
}
