//! Each goal is met by figures that meet it, missed by a planted miss, and not measured where a figure is missing.

use super::*;
use crate::data::tests::points;
use Verdict::{Met, Missed, NotMeasured};

/// One series: group, unit, and case with its value at each parameter.
type Series = (&'static str, &'static str, &'static str, Vec<(&'static str, f64)>);

fn at_all_sizes(value: f64) -> Vec<(&'static str, f64)> {
    SIZES.iter().map(|size| (*size, value)).collect()
}

/// Figures that meet every goal.
fn good() -> Vec<Series> {
    let mut series = Vec::new();
    for direction in ["seal", "open"] {
        for provider in ["aws-lc-rs", "rustcrypto"] {
            let raw = if provider == "aws-lc-rs" { "raw aws-lc-rs" } else { "raw rustcrypto" };
            let ours = if provider == "aws-lc-rs" { "scv2 aws-lc-rs" } else { "scv2 rustcrypto" };
            series.push((direction, "ns", raw, at_all_sizes(1_000.0)));
            series.push((direction, "ns", ours, at_all_sizes(1_010.0)));
        }
        for peer in FOREIGN.into_iter().chain(["snow"]) {
            series.push((direction, "ns", peer, at_all_sizes(1_100.0)));
        }
    }
    series.push(("set-up, server", "ns", "raw aws-lc-rs", vec![("2048", 1_000.0), ("4096", 6_000.0)]));
    series.push(("set-up, server", "ns", "scv2 aws-lc-rs", vec![("2048", 1_010.0), ("4096", 6_000.0)]));
    series.push(("loopback", "requests/s", "plain JSON", vec![("28", 1_000.0), ("4096", 900.0)]));
    series.push(("loopback", "requests/s", "sealed, aws-lc-rs", vec![("28", 900.0), ("4096", 850.0)]));
    series.push(("loopback", "requests/s", "sealed, Redis", vec![("28", 100.0)]));
    series.push(("million", "bytes", "session", vec![("1000", 900.0), ("1000000", 240.0)]));
    series.push(("million", "bytes", "ledger", vec![("1000000", 66_000.0)]));
    series.push(("store", "ns", "create", vec![("1000", 100.0), ("1000000", 190.0)]));
    series.push(("store", "ns", "find", vec![("1000", 100.0), ("1000000", 190.0)]));
    series.push(("cores", "1/s", "sealed requests", vec![("1", 100.0), ("2", 190.0)]));
    series.push(("cores", "1/s", "key exchanges", vec![("1", 100.0), ("2", 190.0)]));
    series
}

fn verdicts(series: &[Series]) -> Vec<(String, Verdict)> {
    let all_points = series.iter().flat_map(|(group, unit, case, values)| {
        let values: Vec<_> = values.iter().map(|(parameter, value)| (*case, *parameter, *value)).collect();
        points(group, unit, &values)
    });
    let workspace = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(workspace.path().join("sc-std/tests")).unwrap();
    let test = "#[test]\nfn sealing_parsing_and_opening_allocate_nothing() {}\n";
    std::fs::write(workspace.path().join("sc-std/tests/allocations.rs"), test).unwrap();
    let goals = all(&Data::new(all_points.collect()), workspace.path());
    goals.into_iter().map(|goal| (goal.text, goal.verdict)).collect()
}

/// The goals that are not met, by the beginning of their text.
fn not_met(series: &[Series]) -> Vec<(String, Verdict)> {
    verdicts(series).into_iter().filter(|(_, verdict)| *verdict != Met).collect()
}

/// One value of the good figures replaced.
fn with(group: &str, case: &str, parameter: &str, value: f64) -> Vec<Series> {
    let mut series = good();
    let values = series.iter_mut().find(|one| one.0 == group && one.2 == case).map(|one| &mut one.3).unwrap();
    values.iter_mut().find(|one| one.0 == parameter).unwrap().1 = value;
    series
}

#[test]
fn good_figures_meet_every_goal() {
    assert_eq!(not_met(&good()), []);
    assert_eq!(verdicts(&good()).len(), 18);
}

#[test]
fn each_planted_miss_shows_as_missed() {
    for (group, case, parameter, value, text) in [
        ("seal", "scv2 aws-lc-rs", "4096", 1_021.0, "seal, aws-lc-rs: at 4 KiB"),
        ("seal", "scv2 aws-lc-rs", "1048576", 1_021.0, "seal, aws-lc-rs: at 4 KiB"),
        ("open", "scv2 rustcrypto", "65536", 1_021.0, "open, rustcrypto: at 4 KiB"),
        ("seal", "scv2 aws-lc-rs", "28", 1_015.1, "seal, aws-lc-rs: at 28 B"),
        ("open", "scv2 rustcrypto", "28", 1_015.1, "open, rustcrypto: at 28 B"),
        ("seal", "snow", "256", 1_009.0, "seal: ahead of every peer"),
        ("open", "Java JCE", "1048576", 1_010.0, "open: ahead of every peer"),
        ("set-up, server", "scv2 aws-lc-rs", "4096", 6_121.0, "server side of a key exchange"),
        ("loopback", "sealed, aws-lc-rs", "4096", 764.0, "layer with axum"),
        ("million", "session", "1000000", 250.1, "1,000,000 live sessions"),
        ("store", "create", "1000000", 200.1, "create at a million"),
        ("store", "find", "1000000", 200.1, "find at a million"),
        ("cores", "sealed requests", "2", 179.9, "two cores at least 1.8 times one core's sealed"),
        ("cores", "key exchanges", "2", 179.9, "two cores at least 1.8 times one core's key"),
    ] {
        match not_met(&with(group, case, parameter, value)).as_slice() {
            [(goal, Missed)] if goal.starts_with(text) => {}
            other => panic!("{group}, {case} at {parameter}: {other:?}"),
        }
    }
}

#[test]
fn whatever_is_missing_leaves_its_goals_not_measured() {
    for (left_out, goals) in [
        ("raw aws-lc-rs", 5),
        ("scv2 rustcrypto", 4),
        ("Java JCE", 2),
        ("plain JSON", 1),
        ("session", 0), // the goal takes what else has bytes in `million`
        ("create", 1),
        ("key exchanges", 1),
    ] {
        let series: Vec<_> = good().into_iter().filter(|one| one.2 != left_out).collect();
        let missing = not_met(&series).into_iter().filter(|(_, verdict)| *verdict == NotMeasured).count();
        assert_eq!(missing, goals, "without {left_out}");
    }
    assert_eq!(verdicts(&[]).iter().filter(|(_, verdict)| *verdict == NotMeasured).count(), 17);
}

#[test]
fn one_missing_size_of_a_foreign_peer_leaves_the_goal_not_measured() {
    let mut series = good();
    for one in series.iter_mut().filter(|one| one.2 == "Node WebCrypto") {
        one.3.pop();
    }
    let texts: Vec<_> = not_met(&series).into_iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(texts, [NotMeasured, NotMeasured]);
}

#[test]
fn without_the_test_the_last_goal_is_not_measured() {
    let workspace = tempfile::tempdir().unwrap();
    assert_eq!(no_allocation(workspace.path()).verdict, NotMeasured);
}

#[test]
fn the_table_names_the_verdict() {
    let goal = |verdict| Goal { text: "a".to_owned(), measured: "b".to_owned(), verdict };
    let text = table(&[goal(Met), goal(Missed), goal(NotMeasured)]);
    assert!(text.ends_with("| a | b | met |\n| a | b | **missed** |\n| a | b | not measured |\n"), "{text}");
}
