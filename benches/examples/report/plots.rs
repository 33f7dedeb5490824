//! Which charts there are, and of which figures.

use crate::chart::{Chart, Line, Scale, Weight};
use crate::data::{Data, Point, at};
use crate::format;
use crate::goals::sizes_of_sessions;
use crate::table::per_second;

/// Beyond it the AEAD's own noise is larger than what the channel adds.
const LARGEST_OVERHEAD: f64 = 4_096.0;

/// Name of the file, what it shows, and the picture; of what was measured only.
pub(crate) fn all(data: &Data) -> Vec<(&'static str, String, String)> {
    let charts = [
        ("seal", throughput(data, "seal")),
        ("open", throughput(data, "open")),
        ("overhead", overhead(data)),
        ("session", session(data)),
        ("store", store(data)),
    ];
    let drawn = |(name, chart): (&'static str, Chart)| {
        let picture = chart.render()?;
        Some((name, chart.title, picture))
    };
    charts.into_iter().filter_map(drawn).collect()
}

fn throughput(data: &Data, direction: &'static str) -> Chart {
    // A variant of ours would hide the line that it is compared with.
    let lines = series(data.group(direction).filter(|point| !is_variant(&point.case)), per_second);
    Chart {
        title: format!("{direction}: throughput of one core over the plaintext's size"),
        across: "plaintext".to_owned(),
        up: "throughput".to_owned(),
        scale: Scale::Log,
        show_across: format::size,
        show_up: format::throughput,
        lines,
    }
}

fn is_variant(case: &str) -> bool {
    case.starts_with("scv2") && case.contains(',')
}

/// One line for each case, in the order of the tables; a point without a place on the chart is left out.
fn series<'a>(points: impl Iterator<Item = &'a Point>, value: impl Fn(&Point) -> Option<f64>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for point in points {
        let (across, Some(up)) = (at(&point.parameter), value(point)) else { continue };
        if !across.is_finite() || across <= 0.0 {
            continue;
        }
        match lines.iter_mut().find(|line| line.label == point.case) {
            Some(line) => line.points.push((across, up)),
            None => lines.push(Line {
                label: point.case.clone(),
                weight: weight(&point.case),
                points: vec![(across, up)],
            }),
        }
    }
    lines
}

fn weight(case: &str) -> Weight {
    match case {
        _ if case.starts_with("scv2") => Weight::Ours,
        _ if case.starts_with("raw") => Weight::Reference,
        _ => Weight::Other,
    }
}

/// What each way of the channel takes more than the raw AEAD of the same provider.
fn overhead(data: &Data) -> Chart {
    let mut lines = Vec::new();
    for direction in ["seal", "open"] {
        let above = |point: &Point| {
            // What copies into another buffer grows with the size: another question.
            if point.case.contains("buffer") {
                return None;
            }
            let provider = point.case.strip_prefix("scv2 ")?.split(',').next()?;
            let raw = data.value(direction, &format!("raw {provider}"), &point.parameter)?;
            (at(&point.parameter) <= LARGEST_OVERHEAD).then_some(point.value - raw)
        };
        for mut line in series(data.group(direction), above) {
            line.label = format!("{direction}, {}", line.label.trim_start_matches("scv2 "));
            line.weight = Weight::Other;
            lines.push(line);
        }
    }
    Chart {
        title: "what the channel adds to the raw AEAD of the same provider".to_owned(),
        across: "plaintext; beyond 4 KiB the AEAD's own noise is larger".to_owned(),
        up: "nanoseconds more".to_owned(),
        scale: Scale::Linear,
        show_across: format::size,
        show_up: format::time,
        lines,
    }
}

fn session(data: &Data) -> Chart {
    Chart {
        title: "memory of a live session over their count".to_owned(),
        across: "live sessions".to_owned(),
        up: "bytes a session".to_owned(),
        scale: Scale::Linear,
        show_across: format::count,
        show_up: format::count,
        lines: series(sizes_of_sessions(data), |point| Some(point.value)),
    }
}

fn store(data: &Data) -> Chart {
    Chart {
        title: "time of the store's operations over the count of live sessions".to_owned(),
        across: "live sessions".to_owned(),
        up: "time".to_owned(),
        scale: Scale::Linear,
        show_across: format::count,
        show_up: format::time,
        lines: series(data.group("store").filter(|point| point.unit == "ns"), |point| Some(point.value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::points;

    #[test]
    fn only_what_was_measured_is_drawn() {
        let data = Data::new(points("store", "ns", &[("create", "1000", 90.0), ("find", "1000", 80.0)]));
        let names: Vec<_> = all(&data).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["store"]);
    }

    #[test]
    fn the_overhead_is_that_over_the_same_providers_raw_aead() {
        let data = Data::new(points(
            "seal",
            "ns",
            &[
                ("scv2 aws-lc-rs", "28", 110.0),
                ("scv2 aws-lc-rs, counter IV", "28", 105.0),
                ("scv2 rustcrypto", "28", 500.0),
                ("raw aws-lc-rs", "28", 100.0),
                ("scv2 aws-lc-rs", "65536", 9_000.0),
                ("raw aws-lc-rs", "65536", 8_000.0),
            ],
        ));
        let lines: Vec<_> = overhead(&data).lines.into_iter().map(|line| (line.label, line.points)).collect();
        let expected = [("seal, aws-lc-rs", 10.0), ("seal, aws-lc-rs, counter IV", 5.0)];
        assert_eq!(lines, expected.map(|(label, above)| (label.to_owned(), vec![(28.0, above)])));
    }
}
