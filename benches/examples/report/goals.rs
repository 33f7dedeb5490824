//! The goals of this project's performance, each held against what was measured. What was not measured is not met.

use std::path::Path;

use crate::data::{Data, Point, at};
use crate::format;
use crate::table::markdown;

/// One goal and what became of it.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) text: String,
    /// What was measured, with the place of the worst value; or what is missing.
    pub(crate) measured: String,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    NotMeasured,
}

/// Providers whose goals are counted; the first is the default of servers.
const PROVIDERS: [&str; 2] = ["aws-lc-rs", "rustcrypto"];
const SIZES: [&str; 7] = ["28", "256", "1024", "4096", "16384", "65536", "1048576"];
const FROM_4_KIB: [&str; 4] = ["4096", "16384", "65536", "1048576"];
/// Without these nobody may say that he is ahead of every peer.
const FOREIGN: [&str; 3] = ["Node WebCrypto", "Java JCE", "Python cryptography"];

/// All goals; `workspace` is where the test of the last one is looked up.
pub(crate) fn all(data: &Data, workspace: &Path) -> Vec<Goal> {
    let mut goals = Vec::new();
    for provider in PROVIDERS {
        for direction in ["seal", "open"] {
            goals.push(share_of_raw(data, direction, provider));
            goals.push(above_raw(data, direction, provider));
        }
    }
    goals.extend(["seal", "open"].map(|direction| ahead_of_peers(data, direction)));
    goals.push(set_up(data));
    goals.push(loopback(data));
    goals.push(session_size(data));
    goals.extend(["create", "find"].map(|operation| flat(data, operation)));
    goals.push(two_cores(data, "sealed requests", |case| case.contains("seal")));
    goals.push(two_cores(data, "key exchanges", |case| case.contains("exchange") || case.contains("set-up")));
    goals.push(no_allocation(workspace));
    goals
}

/// The table of them.
pub(crate) fn table(goals: &[Goal]) -> String {
    let head = ["goal", "measured", ""].map(str::to_owned);
    let rows: Vec<Vec<String>> = goals
        .iter()
        .map(|goal| {
            let verdict = match goal.verdict {
                Verdict::Met => "met",
                Verdict::Missed => "**missed**",
                Verdict::NotMeasured => "not measured",
            };
            vec![goal.text.clone(), goal.measured.clone(), verdict.to_owned()]
        })
        .collect();
    markdown(&head, &rows).replace("---:", "---")
}

fn judged(text: String, measured: String, holds: bool) -> Goal {
    Goal { text, measured, verdict: if holds { Verdict::Met } else { Verdict::Missed } }
}

fn not_measured(text: String, missing: impl Into<String>) -> Goal {
    Goal { text, measured: missing.into(), verdict: Verdict::NotMeasured }
}

fn share_of_raw(data: &Data, direction: &str, provider: &str) -> Goal {
    let text =
        format!("{direction}, {provider}: at 4 KiB and more at least 0.98 of the raw AEAD's throughput");
    let (ours, raw) = (format!("scv2 {provider}"), format!("raw {provider}"));
    let mut worst = (f64::INFINITY, "");
    for size in FROM_4_KIB {
        let (Some(ours), Some(raw)) = (data.value(direction, &ours, size), data.value(direction, &raw, size))
        else {
            return not_measured(text, format!("no pair at {}", format::size(at(size))));
        };
        if raw / ours < worst.0 {
            worst = (raw / ours, size);
        }
    }
    judged(text, format!("{:.3} at {}", worst.0, format::size(at(worst.1))), worst.0 >= 0.98)
}

fn above_raw(data: &Data, direction: &str, provider: &str) -> Goal {
    let iv = if direction == "seal" { ", fresh IV included" } else { "" };
    let text = format!("{direction}, {provider}: at 28 B at most 15 ns above the raw AEAD{iv}");
    let value = |who: &str| data.value(direction, &format!("{who} {provider}"), "28");
    let (Some(ours), Some(raw)) = (value("scv2"), value("raw")) else {
        return not_measured(text, "no pair at 28 B");
    };
    let above = ours - raw;
    judged(text, format!("{above:.1} ns ({} - {})", format::time(ours), format::time(raw)), above <= 15.0)
}

/// Others that protect messages; a raw AEAD is none, it leaves the envelope and the IV to its caller.
fn is_peer(case: &str) -> bool {
    !case.starts_with("scv2") && !case.starts_with("raw")
}

fn ahead_of_peers(data: &Data, direction: &str) -> Goal {
    let text = format!("{direction}: ahead of every peer at every size");
    let mut closest: Option<(f64, &Point)> = None;
    let mut ahead_of_us = Vec::new();
    for peer in data.group(direction).filter(|point| is_peer(&point.case)) {
        let Some(ours) = data.value(direction, "scv2 aws-lc-rs", &peer.parameter) else {
            return not_measured(text, format!("no own value at {}", format::size(at(&peer.parameter))));
        };
        let ratio = peer.value / ours;
        if ratio <= 1.0 {
            ahead_of_us.push(format!("{} at {}", peer.case, format::size(at(&peer.parameter))));
        }
        if closest.is_none_or(|(least, _)| ratio < least) {
            closest = Some((ratio, peer));
        }
    }
    let missing =
        FOREIGN.iter().find(|peer| SIZES.iter().any(|size| data.value(direction, peer, size).is_none()));
    match (closest, missing) {
        (Some((ratio, peer)), _) if !ahead_of_us.is_empty() => {
            let measured = format!("{ratio:.2} times ({}); ahead: {}", peer.case, ahead_of_us.join(", "));
            judged(text, measured, false)
        }
        (_, Some(peer)) => not_measured(text, format!("no {peer}")),
        (None, None) => not_measured(text, "no peer"),
        (Some((ratio, peer)), None) => {
            let place = format!("{} at {}", peer.case, format::size(at(&peer.parameter)));
            judged(text, format!("the closest takes {ratio:.2} times as long: {place}"), true)
        }
    }
}

fn set_up(data: &Data) -> Goal {
    const GROUP: &str = "set-up, server";
    let text =
        "server side of a key exchange at most 1.02 of two raw aws-lc-rs private operations".to_owned();
    let ours = data.case(GROUP, |case| case.starts_with("scv2") && case.contains("aws-lc-rs"));
    let raw = data.case(GROUP, |case| case.contains("raw") && case.contains("aws-lc-rs"));
    let (Some(ours), Some(raw)) = (ours, raw) else {
        return not_measured(text, format!("no pair in {GROUP}"));
    };
    worst_ratio(data, GROUP, (ours, raw)).map_or_else(
        || not_measured(text.clone(), "no size of both"),
        |(ratio, bits)| judged(text.clone(), format!("{ratio:.3} at {bits} bits"), ratio <= 1.02),
    )
}

/// The largest of first over second, and where.
fn worst_ratio<'a>(data: &'a Data, group: &'a str, (first, second): (&str, &str)) -> Option<(f64, &'a str)> {
    data.group(group)
        .filter(|point| point.case == first)
        .filter_map(|point| {
            Some((point.value / data.value(group, second, &point.parameter)?, point.parameter.as_str()))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
}

fn loopback(data: &Data) -> Goal {
    const GROUP: &str = "loopback";
    let text =
        "layer with axum and memory store at least 0.85 of plain JSON's requests a second over loopback"
            .to_owned();
    let sealed = |case: &&str| {
        let case = case.to_lowercase();
        case.starts_with("sealed") && !case.contains("rustcrypto") && !case.contains("redis")
    };
    let plain = data.case(GROUP, |case| case.starts_with("plain"));
    // Requests a second: the worst place is where plain is the furthest ahead.
    let worst = data.cases(GROUP).into_iter().filter(sealed).filter_map(|case| {
        let (ratio, bytes) = worst_ratio(data, GROUP, (plain?, case))?;
        Some((ratio.recip(), format!("{case}, {}", format::size(at(bytes)))))
    });
    worst.min_by(|a, b| a.0.total_cmp(&b.0)).map_or_else(
        || not_measured(text.clone(), "no pair in loopback"),
        |(share, place)| judged(text.clone(), format!("{share:.3} ({place})"), share >= 0.85),
    )
}

fn session_size(data: &Data) -> Goal {
    let text = "1,000,000 live sessions in at most 250 bytes each".to_owned();
    let largest = sizes_of_sessions(data).filter(|point| point.parameter == "1000000");
    largest.max_by(|a, b| a.value.total_cmp(&b.value)).map_or_else(
        || not_measured(text.clone(), "no such figure of million"),
        |point| {
            judged(text.clone(), format!("{:.0} bytes ({})", point.value, point.case), point.value <= 250.0)
        },
    )
}

/// Figures of bytes for each session in this process's memory.
pub(crate) fn sizes_of_sessions(data: &Data) -> impl Iterator<Item = &Point> {
    let is_session = |point: &&Point| point.case.contains("session");
    let bytes = || {
        let here =
            |point: &&Point| point.unit.starts_with("bytes") && !point.case.to_lowercase().contains("redis");
        data.group("million").filter(here)
    };
    let any = bytes().any(|point| is_session(&point));
    bytes().filter(move |point| !any || is_session(point))
}

fn flat(data: &Data, operation: &str) -> Goal {
    let text = format!("{operation} at a million sessions at most 2 times as long as at a thousand");
    let case = data.case("store", |case| case.contains(operation) && !case.to_lowercase().contains("redis"));
    let value = |live: &str| data.value("store", case?, live);
    let (Some(thousand), Some(million)) = (value("1000"), value("1000000")) else {
        return not_measured(text, "no such pair in store");
    };
    let ratio = million / thousand;
    let measured = format!("{ratio:.2} times ({} and {})", format::time(million), format::time(thousand));
    judged(text, measured, ratio <= 2.0)
}

fn two_cores(data: &Data, what: &str, fits: impl Fn(&str) -> bool) -> Goal {
    let text = format!("two cores at least 1.8 times one core's {what}");
    let value = |cores: &str| data.value("cores", data.case("cores", &fits)?, cores);
    let (Some(one), Some(two)) = (value("1"), value("2")) else {
        return not_measured(text, "no such pair in cores");
    };
    judged(text, format!("{:.2} times", two / one), two / one >= 1.8)
}

/// A property that a test holds, so the report only looks whether the test is there.
fn no_allocation(workspace: &Path) -> Goal {
    const FILE: &str = "sc-std/tests/allocations.rs";
    const TEST: &str = "sealing_parsing_and_opening_allocate_nothing";
    let text = "no heap allocation for a seal, open or parse".to_owned();
    match std::fs::read_to_string(workspace.join(FILE)) {
        Ok(source) if source.contains(&format!("fn {TEST}(")) => {
            judged(text, format!("held by the test `{TEST}`"), true)
        }
        _ => not_measured(text, format!("no test `{TEST}`")),
    }
}

#[cfg(test)]
mod tests;
