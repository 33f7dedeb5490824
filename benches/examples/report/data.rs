//! All that was measured: criterion's medians and the figures of the examples and scripts, in one list.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use sc_benches::figures::Figures;
use serde::Deserialize;

/// One measured value.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// What was measured: criterion's group, or a figure's name.
    pub(crate) group: String,
    /// Who or which way: criterion's function, or a figure's case.
    pub(crate) case: String,
    pub(crate) parameter: String,
    pub(crate) value: f64,
    /// `ns` for all of criterion's.
    pub(crate) unit: String,
    /// Bytes of one operation, where criterion was told.
    pub(crate) bytes: Option<f64>,
}

/// All points, in the order of the tables.
#[derive(Debug, Default)]
pub(crate) struct Data {
    points: Vec<Point>,
}

/// Criterion's `benchmark.json`.
#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
struct Throughput {
    #[serde(rename = "Bytes")]
    bytes: Option<f64>,
}

/// Criterion's `estimates.json`.
#[derive(Deserialize)]
struct Estimates {
    median: Median,
}

#[derive(Deserialize)]
struct Median {
    point_estimate: f64,
}

impl Data {
    /// Reads `criterion` and `figures` in the build's folder; what is not there was not measured.
    pub(crate) fn read(target: &Path) -> Result<Self> {
        let mut points = Vec::new();
        criterion(&target.join("criterion"), &mut points)?;
        points.extend(Figures::read_all(&target.join("figures"))?.into_iter().map(|figure| Point {
            group: figure.name,
            case: figure.case,
            parameter: figure.parameter,
            value: figure.value,
            unit: figure.unit,
            bytes: None,
        }));
        Ok(Self::new(points))
    }

    /// Of two values of one thing the later counts.
    pub(crate) fn new(points: Vec<Point>) -> Self {
        let mut kept: Vec<Point> = Vec::new();
        for point in points {
            kept.retain(|other| {
                (&other.group, &other.case, &other.parameter, &other.unit)
                    != (&point.group, &point.case, &point.parameter, &point.unit)
            });
            kept.push(point);
        }
        kept.sort_by(|a, b| {
            (rank_of_group(&a.group), &a.group, rank_of_case(&a.case), &a.case)
                .cmp(&(rank_of_group(&b.group), &b.group, rank_of_case(&b.case), &b.case))
                .then_with(|| at(&a.parameter).total_cmp(&at(&b.parameter)))
                .then_with(|| a.parameter.cmp(&b.parameter))
        });
        Self { points: kept }
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    /// The points of one group.
    pub(crate) fn group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Point> {
        self.points.iter().filter(move |point| point.group == group)
    }

    /// One value, if it was measured.
    pub(crate) fn value(&self, group: &str, case: &str, parameter: &str) -> Option<f64> {
        self.group(group)
            .find(|point| point.case == case && point.parameter == parameter)
            .map(|point| point.value)
    }

    /// The cases of a group, each once, in the order of the tables.
    pub(crate) fn cases<'a>(&'a self, group: &'a str) -> Vec<&'a str> {
        distinct(self.group(group).map(|point| point.case.as_str()))
    }

    /// The first case of a group that `fits`.
    pub(crate) fn case<'a>(&'a self, group: &'a str, fits: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.cases(group).into_iter().find(|case| fits(case))
    }
}

/// Each once, in the order of their first place.
pub(crate) fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

/// A parameter as a number; what is none sorts behind.
pub(crate) fn at(parameter: &str) -> f64 {
    parameter.parse().unwrap_or(f64::INFINITY)
}

/// Messages first, then what is built of them.
fn rank_of_group(group: &str) -> usize {
    const ORDER: [&str; 8] =
        ["seal", "open", "iv", "expand", "parse", "set-up, server", "set-up, client", "layer"];
    ORDER.iter().position(|known| *known == group).unwrap_or(ORDER.len())
}

/// Ours, then what it is held against, then the peers.
fn rank_of_case(case: &str) -> u8 {
    match case {
        _ if case.starts_with("scv2") => 0,
        _ if case.starts_with("raw") => 1,
        _ => 2,
    }
}

/// Walks criterion's folder: its names are shortened, so only the files' content says what a benchmark is.
fn criterion(folder: &Path, points: &mut Vec<Point>) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let new = path.join("new");
        if new.join("benchmark.json").is_file() {
            let benchmark: Benchmark = json(&new.join("benchmark.json"))?;
            let estimates: Estimates = json(&new.join("estimates.json"))?;
            points.push(Point {
                case: benchmark.function_id.unwrap_or_else(|| benchmark.group_id.clone()),
                group: benchmark.group_id,
                parameter: benchmark.value_str.unwrap_or_default(),
                value: estimates.median.point_estimate,
                unit: "ns".to_owned(),
                bytes: benchmark.throughput.and_then(|throughput| throughput.bytes),
            });
        }
        if path.is_dir() {
            criterion(&path, points)?;
        }
    }
    Ok(())
}

fn json<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<T> {
    serde_json::from_slice(&fs::read(file)?)
        .map_err(|error| Error::new(ErrorKind::InvalidData, format!("{}: {error}", file.display())))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Points of one group in nanoseconds, for the tests of the report.
    pub(crate) fn points(group: &str, unit: &str, values: &[(&str, &str, f64)]) -> Vec<Point> {
        let point = |(case, parameter, value): &(&str, &str, f64)| Point {
            group: group.to_owned(),
            case: (*case).to_owned(),
            parameter: (*parameter).to_owned(),
            value: *value,
            unit: unit.to_owned(),
            bytes: None,
        };
        values.iter().map(point).collect()
    }

    fn benchmark(target: &Path, folder: &str, benchmark: &str, median: f64) {
        let new = target.join("criterion").join(folder).join("new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
        let estimates = format!(
            r#"{{"mean":{{"point_estimate":1}},"median":{{"point_estimate":{median},"standard_error":0}}}}"#
        );
        fs::write(new.join("estimates.json"), estimates).unwrap();
    }

    #[test]
    fn criterions_files_and_figures_become_one_list_in_the_order_of_the_tables() {
        let target = tempfile::tempdir().unwrap();
        let id = r#"{"group_id":"seal","function_id":"snow","value_str":"28","throughput":{"Bytes":28},"full_id":"x"}"#;
        benchmark(target.path(), "seal/snow/28", id, 150.5);
        let id = r#"{"group_id":"seal","function_id":"scv2 aws-lc-rs","value_str":"1024","throughput":{"Bytes":1024}}"#;
        benchmark(target.path(), "seal/scv2 aws-lc-rs/1024", id, 300.0);
        let id = r#"{"group_id":"parse","function_id":null,"value_str":null,"throughput":null}"#;
        benchmark(target.path(), "parse", id, 9.0);
        fs::create_dir_all(target.path().join("figures")).unwrap();
        let line = r#"{"name":"seal","case":"Java JCE","parameter":"28","value":900,"unit":"ns"}"#;
        fs::write(target.path().join("figures/peers.jsonl"), line).unwrap();

        let data = Data::read(target.path()).unwrap();
        let read: Vec<_> =
            data.points().iter().map(|p| (p.group.as_str(), p.case.as_str(), p.value, p.bytes)).collect();
        assert_eq!(
            read,
            [
                ("seal", "scv2 aws-lc-rs", 300.0, Some(1_024.0)),
                ("seal", "Java JCE", 900.0, None),
                ("seal", "snow", 150.5, Some(28.0)),
                ("parse", "parse", 9.0, None),
            ]
        );
    }

    #[test]
    fn of_two_values_the_later_counts() {
        let data = Data::new(points("a", "ns", &[("b", "1", 1.0), ("b", "1", 2.0)]));
        assert_eq!((data.points().len(), data.value("a", "b", "1")), (1, Some(2.0)));
    }

    #[test]
    fn nothing_measured_is_no_error() {
        let target = tempfile::tempdir().unwrap();
        assert!(Data::read(target.path()).unwrap().points().is_empty());
    }

    #[test]
    fn a_broken_file_is_named() {
        let target = tempfile::tempdir().unwrap();
        benchmark(target.path(), "seal", "{", 1.0);
        assert!(Data::read(target.path()).unwrap_err().to_string().contains("benchmark.json"));
    }
}
