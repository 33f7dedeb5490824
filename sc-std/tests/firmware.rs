//! A device without an allocator against a real server, through a byte pipe (`sc-core/examples/firmware`).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli_support::Serving;

/// The device's program, built for this host.
fn device() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sc-core/examples/firmware/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let mut cargo = Command::new(env!("CARGO"));
    // What the caller set for its own build, such as coverage, would need std.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(manifest);
    let status = cargo.arg("--target-dir").arg(&target).status().unwrap();
    assert!(status.success(), "the device's program does not build");
    target.join("debug/firmware")
}

/// Runs the device with a connection to a server as its link; gives its exit code.
fn run_device(address: &str) -> Option<i32> {
    // First, since a server does not wait long for a request.
    let device = device();
    let link = TcpStream::connect(address).unwrap();
    let (input, output) = (OwnedFd::from(link.try_clone().unwrap()), OwnedFd::from(link));
    Command::new(device).stdin(input).stdout(output).status().unwrap().code()
}

fn serve_device(options: &[&str]) -> Option<i32> {
    run_device(&Serving::new(options).address)
}

#[test]
fn a_device_without_an_allocator_asks_twice_in_one_session() {
    assert_eq!(serve_device(&[]), Some(0));
}

/// The numbers are those of `app::Failure`.
#[test]
fn a_device_notices_what_goes_wrong() {
    assert_eq!(serve_device(&["--bound", "off"]), Some(16), "bound is not offered");
    assert_eq!(serve_device(&["--rate-limit", "1/300s"]), Some(15), "a sealed refusal");
    assert_eq!(run_device(&silent()), Some(10), "the link is down");
}

/// The address of a server that hangs up without a word.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || drop(listener.accept()));
    address
}
