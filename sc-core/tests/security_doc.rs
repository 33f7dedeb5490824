//! SECURITY.md stays true: every test that it names exists, and every threat of the protocol has its row.
//!
//! Not in the package: it reads a file of the repository, and so would fail without it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::fs;
use std::path::{Path, PathBuf};

/// What must have a row: the threats of PROTOCOL 9, then those that the project adds.
const THREATS: [&str; 35] = [
    "Reading or changing payloads behind TLS",
    "Reflection of a request as a response",
    "Replay of a captured request",
    "Splicing a victim's wrapped key with an attacker's",
    "Swapping two answers of one session",
    "Swapping the RSA public key behind TLS",
    "Downgrade to plaintext",
    "Padding and tag oracles",
    "Flooding the RSA operation",
    "Memory exhaustion by sessions",
    "Theft of the session store",
    "Learning which addresses exist",
    "The time of the forgot-password answer",
    "Mail bombing",
    "Keys in core dumps, logs and panics",
    "Secrets in logs and figures",
    "Secrets in errors and Debug",
    "Keys and plaintext left in memory",
    "Plaintext released before its check",
    "Repeating or racing a whole set-up",
    "Moving a message to another endpoint, or changing its profile",
    "A client whose randomness repeats",
    "Too many messages under one key",
    "Malformed input",
    "Slow and oversized requests",
    "A handler that is reached in the clear by a mistake",
    "A session used by another client",
    "An RSA key that is stolen or outdated",
    "Servers of a fleet that disagree",
    "A client address that is made up",
    "Guessing, stealing or reusing a reset token",
    "Mails that say something else",
    "A server that lies to its client",
    "A key log outside of debugging",
    "Dependencies",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One threat: its name, and what stands behind "Answer", "Code", "Tests" and "Left".
struct Row {
    threat: String,
    parts: [String; 4],
}

/// The rows under "Threats".
fn rows(document: &str) -> Vec<Row> {
    let (_, threats) = document.split_once("\n## Threats\n").unwrap();
    let threats = threats.split("\n## ").next().unwrap();
    let row = |text: &str| {
        let (threat, text) = text.split_once('\n').unwrap();
        let mut rest = text;
        let parts = ["- Answer: ", "\n- Code: ", "\n- Tests: ", "\n- Left: "].map(|label| {
            let (before, after) = rest.split_once(label).unwrap_or_else(|| panic!("{threat}: no {label:?}"));
            rest = after;
            before.to_owned()
        });
        let [empty, answer, code, tests] = parts;
        assert_eq!(empty, "", "{threat}: something stands before its answer");
        Row { threat: threat.to_owned(), parts: [answer, code, tests, rest.trim().to_owned()] }
    };
    threats.split("\n### ").skip(1).map(row).collect()
}

/// What is written as code, separated by commas and nothing else.
fn names(list: &str) -> Vec<&str> {
    let pieces: Vec<_> = list.trim().split('`').collect();
    let between = pieces.iter().step_by(2).map(|piece| piece.trim());
    assert!(between.into_iter().all(|piece| piece.is_empty() || piece == ","), "not a list: {list}");
    pieces.into_iter().skip(1).step_by(2).collect()
}

/// Whether a source holds this function as a test that runs: with an attribute for tests, not ignored.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let declares = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|line| line.strip_prefix(name))
            .is_some_and(|line| line.starts_with('('))
    };
    let at = lines.iter().enumerate().filter(|(_, line)| declares(line)).map(|(at, _)| at);
    at.into_iter().any(|at| {
        let before = lines.iter().take(at).rev().take_while(|line| line.starts_with("#["));
        let attributes: Vec<_> = before.collect();
        let tests = attributes.iter().any(|line| **line == "#[test]" || line.starts_with("#[tokio::test"));
        tests && !attributes.iter().any(|line| line.starts_with("#[ignore"))
    })
}

/// Whether a name of SECURITY.md stands for something: `file::test`, or `.ci/run::step`.
fn exists(name: &str) -> bool {
    let (path, inner) = name.split_once("::").unwrap_or_else(|| panic!("{name}: not a file::test"));
    let source = read(path);
    match path {
        ".ci/run" => source.lines().any(|line| line == format!("step \"{inner}\"")),
        _ => has_test(&source, inner),
    }
}

#[test]
fn every_threat_has_its_row_and_no_row_is_there_twice() {
    let rows = rows(&read("SECURITY.md"));
    assert!(rows.len() >= THREATS.len(), "{}", rows.len());
    for threat in THREATS {
        assert_eq!(rows.iter().filter(|row| row.threat == threat).count(), 1, "{threat}");
    }
    for row in &rows {
        assert_eq!(rows.iter().filter(|other| other.threat == row.threat).count(), 1, "{}", row.threat);
        assert!(row.parts.iter().all(|part| part.len() > 10), "{}: an empty part", row.threat);
    }
}

#[test]
fn every_test_and_every_file_that_is_named_exists() {
    let mut tests = 0;
    for row in rows(&read("SECURITY.md")) {
        let [_, code, named, _] = &row.parts;
        assert!(!names(code).is_empty() && !names(named).is_empty(), "{}", row.threat);
        for path in names(code) {
            assert!(repository().join(path).is_file(), "{}: no file {path}", row.threat);
        }
        for name in names(named) {
            assert!(exists(name), "{}: no test {name}", row.threat);
            tests += 1;
        }
    }
    assert!(tests >= 100, "{tests}");
}

#[test]
fn a_test_that_is_missing_renamed_or_switched_off_is_noticed() {
    let source = "#[test]\nfn one() {\n#[tokio::test(flavor = \"x\")]\n#[cfg(unix)]\nasync fn two() {\nfn three() {\n\
                  #[test]\n#[ignore = \"slow\"]\nfn four() {\n// fn five() {\n";
    let found = ["one", "two", "three", "four", "five", "on", "one_more"].map(|name| has_test(source, name));
    assert_eq!(found, [true, true, false, false, false, false, false]);
    assert!(!exists("sc-core/tests/security_doc.rs::exists") && !exists(".ci/run::a step that is not there"));
    assert!(std::panic::catch_unwind(|| rows("# Security\n\n## Threats\n\n### A\n- Code: `x`\n")).is_err());
    assert!(std::panic::catch_unwind(|| names("`a` and `b`")).is_err());
}
