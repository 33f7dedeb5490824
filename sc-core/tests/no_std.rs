//! `no_std` for real: two programs without std, one of them without an allocator, are linked and run.
//!
//! A library that builds proves little, since std may hide behind any dependency; only a program that brings its own
//! panic handler cannot be linked with std. Each is a workspace of its own, because in a shared one the features of
//! other crates would be added. That the check bites is checked too.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs cargo on one of the programs, with one target folder for both, so that they share what is built.
fn cargo(program: &str, arguments: &[&str]) -> Output {
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/no_std").join(program).join("Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    // What the caller set for its own build, such as coverage, would need std.
    for variable in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(variable);
    }
    let [command, rest @ ..] = arguments else { panic!("no command") };
    cargo.args([command, "--quiet", "--manifest-path"]).arg(manifest);
    cargo.arg("--target-dir").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std"));
    cargo.args(rest).output().unwrap()
}

fn assert_runs(program: &str) {
    let output = cargo(program, &["run"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} ended with {}: {errors}", output.status);
}

fn assert_fails_with(program: &str, feature: &str, expected: &str) {
    let output = cargo(program, &["build", "--features", feature]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains(expected), "{program} with {feature}: {errors}");
}

#[test]
fn both_machines_run_without_std_and_without_an_allocator() {
    assert_runs("no-alloc");
}

#[test]
fn the_default_provider_runs_without_std() {
    assert_runs("alloc");
}

#[test]
fn a_dependency_on_std_is_noticed() {
    assert_fails_with("no-alloc", "needs-std", "E0152");
    assert_fails_with("alloc", "needs-std", "E0152");
}

#[test]
fn a_dependency_on_an_allocator_is_noticed() {
    assert_fails_with("no-alloc", "needs-alloc", "no global memory allocator");
}
