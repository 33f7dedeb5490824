//! Runs the examples.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// An example's program, built beside `scv2`. Where all tests run it is there already, else it is built here; `of` says of
/// which packages, as the caller's own command did, since that decides which features it is built with.
pub(crate) fn example(name: &str, of: &[&str]) -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_scv2")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name]).args(of);
    cargo.arg("--target-dir").arg(programs.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if programs.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "{name} is not built");
    programs.join("examples").join(name)
}

/// What a program printed, which must have ended well.
pub(crate) fn run(program: &mut Command) -> String {
    let output = program.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?} ended with {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
