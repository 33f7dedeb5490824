//! A device without an allocator against a real server, through a byte pipe (`sc-core/examples/firmware`).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

/// A server that is stopped in the end.
struct Server(Child, String);

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_scv2"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self(child, address)
    }

    /// Runs the device with a connection to this server as its link; gives its exit code.
    fn serve_device(&self) -> Option<i32> {
        // First, since a server does not wait long for a request.
        let device = device();
        let link = TcpStream::connect(&self.1).unwrap();
        let (input, output) = (OwnedFd::from(link.try_clone().unwrap()), OwnedFd::from(link));
        Command::new(device).stdin(input).stdout(output).status().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_device_without_an_allocator_asks_twice_in_one_session() {
    assert_eq!(Server::start(&[]).serve_device(), Some(0));
}

/// The numbers are those of `app::Failure`.
#[test]
fn a_device_notices_what_goes_wrong() {
    assert_eq!(Server::start(&["--bound", "off"]).serve_device(), Some(16), "bound is not offered");
    assert_eq!(Server::start(&["--rate-limit", "1/300s"]).serve_device(), Some(15), "a sealed refusal");
    let nobody = Server(Command::new("true").spawn().unwrap(), silent());
    assert_eq!(nobody.serve_device(), Some(10), "the link is down");
}

/// The address of a server that hangs up without a word.
fn silent() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || drop(listener.accept()));
    address
}
