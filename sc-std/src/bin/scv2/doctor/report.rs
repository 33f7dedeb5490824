//! What the examination found, for people and for machines.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::checks::Check;
use super::examine::{Examined, Seen};
use super::stats::Timing;
use crate::exit::Failure;
use crate::{input, json_view};

/// Threats of PROTOCOL 9 that no request of ours can try.
const NOT_TRIED: [&str; 6] = [
    "splicing by an active attacker (only the bound profile answers it)",
    "swapping two answers of one session (only the bound profile answers it)",
    "swapping the public key behind TLS (clients pin it)",
    "floods, of RSA operations, sessions and mails: limits were raised for this check",
    "theft of the session store",
    "keys in logs and core dumps",
];
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();

/// Everything that was seen.
pub(super) struct Report {
    pub(super) samples: usize,
    pub(super) checks: Vec<Check>,
    pub(super) groups: Vec<Examined>,
    pub(super) skipped: Vec<&'static str>,
}

impl Report {
    /// How many things are wrong.
    pub(super) fn findings(&self) -> usize {
        let checks = self.checks.iter().filter(|check| check.broken.is_some()).count();
        let groups = self.groups.iter().map(|group| {
            of_group(group).len() + group.causes.iter().map(|cause| of_cause(cause).len()).sum::<usize>()
        });
        checks + groups.sum::<usize>()
    }

    pub(super) fn write_table(&self) -> Result<(), Failure> {
        let out = &mut anstream::stdout().lock();
        self.table(out).map_err(|error| Failure::of_output(&error))
    }

    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        for check in &self.checks {
            match (&check.broken, check.note) {
                (Some(why), _) => writeln!(out, "{BAD}found{BAD:#}  {}: {why}", check.name)?,
                (None, Some(note)) => writeln!(out, "{GOOD}ok{GOOD:#}     {} ({note})", check.name)?,
                (None, None) => writeln!(out, "{GOOD}ok{GOOD:#}     {}", check.name)?,
            }
        }
        for group in &self.groups {
            writeln!(
                out,
                "\n{}\n  {} causes, {} requests, answered {}",
                group.name,
                group.causes.len(),
                group.requests,
                group.usual
            )?;
            for finding in of_group(group) {
                writeln!(out, "  {BAD}found{BAD:#}  {finding}")?;
            }
            if let Some(sees) = group.sees {
                writeln!(
                    out,
                    "  time of {} samples each, in µs; a difference of {sees:.0} would have been found",
                    self.samples
                )?;
                writeln!(
                    out,
                    "    {:<38} {:>9} {:>11} {:>11}",
                    "cause", "median", "difference", "deviations"
                )?;
            }
            let (rows, others): (Vec<_>, Vec<_>) =
                group.causes.iter().partition(|cause| cause.timing.is_some() || !of_cause(cause).is_empty());
            for cause in rows {
                row(out, cause)?;
            }
            if !others.is_empty() {
                let names: Vec<_> = others.iter().map(|cause| cause.name).collect();
                writeln!(out, "  alike, their time not compared: {}", names.join("; "))?;
            }
        }
        if !self.skipped.is_empty() {
            writeln!(out, "\nskipped:")?;
        }
        for skipped in &self.skipped {
            writeln!(out, "  {skipped}")?;
        }
        writeln!(out, "\nnot tried, of the threats in PROTOCOL 9:")?;
        for threat in NOT_TRIED {
            writeln!(out, "  {threat}")?;
        }
        match self.findings() {
            0 => writeln!(out, "\n{GOOD}nothing found{GOOD:#}"),
            many => writeln!(out, "\n{BAD}found: {many}{BAD:#}"),
        }
    }

    pub(super) fn write_json(&self) -> Result<(), Failure> {
        let checks = self.checks.iter().map(|check| {
            json!({ "name": check.name, "threat": check.threat, "found": check.broken, "note": check.note })
        });
        let groups = self.groups.iter().map(|group| {
            json!({
                "name": group.name,
                "threat": group.threat,
                "answer": group.usual,
                "requests": group.requests,
                "smallestDifferenceSeenMicros": group.sees,
                "found": of_group(group),
                "causes": group.causes.iter().map(cause_json).collect::<Value>(),
            })
        });
        let report = json!({
            "findings": self.findings(),
            "samples": self.samples,
            "checks": checks.collect::<Value>(),
            "groups": groups.collect::<Value>(),
            "skipped": self.skipped,
            "notTried": NOT_TRIED,
        });
        input::write_raw(json_view::pretty(&report.to_string()).as_bytes())
    }
}

fn row(out: &mut impl Write, cause: &Seen) -> io::Result<()> {
    match cause.timing {
        Some(Timing { median, difference, deviations, .. }) => {
            writeln!(out, "    {:<38} {median:>9.1} {difference:>+11.1} {deviations:>+11.2}", cause.name)?;
        }
        None => writeln!(out, "    {}", cause.name)?,
    }
    for finding in of_cause(cause) {
        writeln!(out, "    {BAD}found{BAD:#}  {finding}")?;
    }
    Ok(())
}

fn cause_json(cause: &Seen) -> Value {
    let time = cause.timing.map(|timing| {
        json!({
            "medianMicros": timing.median,
            "differenceMicros": timing.difference,
            "deviations": timing.deviations,
        })
    });
    json!({ "name": cause.name, "time": time, "found": of_cause(cause) })
}

/// What is wrong with a whole group.
fn of_group(group: &Examined) -> Vec<String> {
    let mut found: Vec<String> =
        group.wrong.iter().map(|wrong| format!("answered {}: {wrong}", group.usual)).collect();
    if group.storable {
        found.push("an answer may be stored: no Cache-Control: no-store".to_owned());
    }
    if !group.alive {
        found.push("the session that was tried answers no more: what failed must change nothing".to_owned());
    }
    found
}

/// In what one cause differs from the others.
fn of_cause(cause: &Seen) -> Vec<String> {
    let mut found = cause.differences.clone();
    if let Some(Timing { difference, deviations, differs: true, .. }) = cause.timing {
        let way = if difference > 0.0 { "slower" } else { "faster" };
        let (by, sure) = (difference.abs(), deviations.abs());
        found.push(format!("time: {by:.1} us {way} than the others ({sure:.1} standard deviations)"));
    }
    found
}
