//! Every command that the documents print names packages, targets, features and files that exist. Those of the `scv2` program are
//! checked beside it, in `sc-std/tests/cli_documents.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod code;

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use code::code;
use serde_json::Value;

const DOCUMENTS: [&str; 15] = [
    "ASSURANCE.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "assurance/coverage.md",
    "assurance/mutants.md",
    "benches/README.md",
    "fuzz/README.md",
    "peers/README.md",
    "sc-core/README.md",
    "sc-core/docs/protocol.md",
    "sc-core/examples/firmware/README.md",
    "sc-std/README.md",
    "sc-std/docs/migrating.md",
    "sc-std/docs/operating.md",
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What cargo knows: `package NAME`, `example NAME`, `test NAME`, `bench NAME`, `bin NAME`, `features NAME`.
fn known() -> HashSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut known = HashSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        known.insert(format!("package {}", text(&package["name"])));
        for feature in package["features"].as_object().unwrap().keys() {
            known.insert(format!("features {feature}"));
        }
        for target in package["targets"].as_array().unwrap() {
            known.insert(format!("{} {}", text(&target["kind"][0]), text(&target["name"])));
        }
    }
    known
}

/// What a command names that does not exist.
fn missing(command: &str, known: &HashSet<String>) -> Vec<String> {
    let mut missing = Vec::new();
    for part in command.split("&&") {
        let words: Vec<_> = part.split(" -- ").next().unwrap().split_whitespace().collect();
        if let Some(program) = words
            .first()
            .filter(|word| word.contains('/') && word.ends_with(".sh") || word.starts_with(".ci/"))
            && !program.contains("::")
            && !["", "peers"].iter().any(|folder| repository().join(folder).join(program).is_file())
        {
            missing.push(format!("file {program}"));
        }
        if words.first() != Some(&"cargo") {
            continue;
        }
        for pair in words.windows(2) {
            let kind = match pair[0] {
                "-p" | "--package" => "package",
                "--features" => "features",
                "--example" | "--test" | "--bench" | "--bin" => pair[0].trim_start_matches('-'),
                _ => continue,
            };
            let names = pair[1].split(',').map(|name| format!("{kind} {name}"));
            missing.extend(names.filter(|name| !known.contains(name)));
        }
    }
    missing
}

#[test]
fn every_command_names_what_exists() {
    let (known, mut commands) = (known(), 0);
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(repository().join(document)).unwrap();
        for command in code(&text) {
            commands += usize::from(command.starts_with("cargo "));
            let missing = missing(&command, &known);
            assert!(missing.is_empty(), "{document}: `{command}` names no {}", missing.join(", no "));
        }
    }
    assert!(commands > 40, "only {commands} commands of cargo were seen");
}

#[test]
fn a_command_that_names_nothing_is_noticed() {
    let (known, document) = (
        known(),
        "`cargo test -p sc-std --test no` x\n```sh\ncargo run \\\n  --example no # x\n```\n    .ci/no x\n",
    );
    let found: Vec<_> = code(document).iter().flat_map(|command| missing(command, &known)).collect();
    assert_eq!(found, ["test no", "example no", "file .ci/no"]);
    assert_eq!(
        missing("cargo test && cargo build --features cli,no -p no", &known),
        ["features no", "package no"]
    );
    assert!(missing("cargo run -p sc-std --features cli --bin scv2 -- --test no", &known).is_empty());
}
