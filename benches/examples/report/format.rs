//! Numbers as people read them: three digits, a unit, separators.

/// Three significant digits, and separators from a thousand on.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    match () {
        () if size >= 999.5 => count(round_to_three(value)),
        () if size >= 99.95 => format!("{value:.0}"),
        () if size >= 9.995 => format!("{value:.1}"),
        () if size >= 0.9995 || size == 0.0 => format!("{value:.2}"),
        () => format!("{value:.3}"),
    }
}

fn round_to_three(value: f64) -> f64 {
    let unit = 10_f64.powf(value.abs().log10().floor() - 2.0);
    (value / unit).round() * unit
}

/// A whole number with separators.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

/// Nanoseconds in the unit that fits.
pub(crate) fn time(ns: f64) -> String {
    scaled(ns, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")])
}

/// Bytes a second in the unit that fits, of powers of ten as networks count.
pub(crate) fn throughput(bytes: f64) -> String {
    scaled(bytes, &[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")])
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // 999.6 would print as "1,000" of the smaller unit.
    let fits = units.iter().find(|(unit, _)| value.abs() >= unit * 0.9995).or(units.last());
    fits.map_or_else(|| number(value), |(unit, name)| format!("{} {name}", number(value / unit)))
}

/// A size of plaintext: `28 B`, `4 KiB`, `1 MiB`.
pub(crate) fn size(bytes: f64) -> String {
    let whole = |unit: f64| bytes >= unit && (bytes % unit).abs() < f64::EPSILON;
    match () {
        () if whole(1_048_576.0) => format!("{} MiB", count(bytes / 1_048_576.0)),
        () if whole(1_024.0) => format!("{} KiB", count(bytes / 1_024.0)),
        () => format!("{} B", count(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_separators() {
        for (value, text) in [
            (0.0, "0.00"),
            (0.012_34, "0.012"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (123.4, "123"),
            (9.999, "10.0"),
            (999.9, "1,000"),
            (1_234_567.0, "1,230,000"),
            (-1_234.0, "-1,230"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(-0.2), "0");
    }

    #[test]
    fn units_fit() {
        assert_eq!(time(12.34), "12.3 ns");
        assert_eq!(time(1_234_000.0), "1.23 ms");
        assert_eq!(time(999.9), "1.00 µs");
        assert_eq!(throughput(2.5e9), "2.50 GB/s");
        assert_eq!(
            [size(28.0), size(4_096.0), size(1_048_576.0), size(1_500.0)].join(" "),
            "28 B 4 KiB 1 MiB 1,500 B"
        );
    }
}
