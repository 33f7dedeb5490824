//! The key log, written by a real server and real clients (feature `danger-key-log`), opens what they said.
#![cfg(feature = "danger-key-log")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;
mod recording;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cli_support::scv2;
use recording::{Exchange, Recorder, trace};
use sc_core::client::ProfileChoice;
use sc_std::client::{ProxyUse, ReqwestTransport, ScClient, SetUpWay};
use sc_std::key_log::{self, KeyLog};
use sc_std::message::{Email, ForgotPassword};

const EMAIL: &str = "confidential@example.com";

/// The program as a server that writes a key log.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn new(log: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_scv2"))
            .args(["serve", "--listen", "127.0.0.1:0", "--rate-limit", "100/300s", "--key-log"])
            .arg(log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url }
    }

    /// Stops it and gives what it wrote to standard error.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        told
    }
}

/// Two messages in one session.
async fn talk(url: &str, profile: ProfileChoice, way: SetUpWay, log: &KeyLog) -> Vec<Exchange> {
    let transport = ReqwestTransport::new(Duration::from_secs(5), ProxyUse::None).unwrap();
    let recorder = Recorder::new(std::sync::Arc::new(transport));
    let client = ScClient::builder(url)
        .with_transport(recorder.clone())
        .with_profile(profile)
        .with_set_up(way)
        .with_key_log(log.clone())
        .build()
        .unwrap();
    for _ in 0..2 {
        client.call(&ForgotPassword { email: Email::parse(EMAIL).unwrap() }).await.unwrap();
    }
    client.close().await.unwrap();
    recorder.kept()
}

fn lines(log: &Path) -> BTreeSet<String> {
    std::fs::read_to_string(log).unwrap().lines().map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_write_the_same_lines_and_these_open_the_whole_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let [server_log, client_log, recording] =
        ["server.log", "client.log", "trace.txt"].map(|name| folder.path().join(name));
    let serving = Serving::new(&server_log);
    let log = KeyLog::open(&client_log).unwrap();
    let mut exchanges = Vec::new();
    for profile in [ProfileChoice::Plain, ProfileChoice::RequireBound] {
        for way in [SetUpWay::Endpoint, SetUpWay::Inline] {
            exchanges.extend(talk(&serving.url, profile, way, &log).await);
        }
    }
    let told = serving.stop();
    assert!(told.contains("WARNING: session keys are written to"), "{told}");

    let written = lines(&server_log);
    assert_eq!(written.len(), 4, "one line a session");
    assert_eq!(written, lines(&client_log));
    assert_eq!(key_log::read(&std::fs::read(&client_log).unwrap()).unwrap().len(), 4);

    std::fs::write(&recording, trace(&exchanges)).unwrap();
    for log in [&server_log, &client_log] {
        let (log, recording) = (log.to_str().unwrap(), recording.to_str().unwrap());
        let ran = scv2(&["inspect", "--key-log", log, recording], b"");
        assert_eq!(ran.code, 0, "{}\n{}", ran.err, ran.text());
        assert!(ran.text().ends_with(", envelopes: 16, 0 malformed, 0 not opened\n"), "{}", ran.text());
        assert_eq!(ran.text().matches(EMAIL).count(), 8);
        assert_eq!(ran.text().matches("a reset link will be sent").count(), 8);
        for key in written.iter().flat_map(|line| line.split(' ').skip(4)) {
            assert!(!ran.text().contains(key) && !told.contains(key), "a key is shown");
        }
    }
}

#[test]
fn the_programs_clients_write_one_too_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let [server_log, client_log] = ["server.log", "client.log"].map(|name| folder.path().join(name));
    let serving = Serving::new(&server_log);
    let log = client_log.to_str().unwrap();
    for inline in [&[][..], &["--inline"]] {
        let arguments = ["forgot-password", "--base-url", &serving.url, "--email", EMAIL, "--key-log", log];
        let ran = scv2(&[&arguments[..], inline].concat(), b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("WARNING: session keys are written to"), "{}", ran.err);
    }
    serving.stop();
    assert_eq!(lines(&client_log), lines(&server_log));
    let ran =
        scv2(&["forgot-password", "--base-url", "http://x", "--email", EMAIL, "--key-log", "/dev/null"], b"");
    assert!(ran.code == 2 && ran.err.contains("not a regular file"), "{}", ran.err);
}

#[test]
fn nothing_is_written_without_a_key_log() {
    let folder = tempfile::tempdir().unwrap();
    let server_log = folder.path().join("server.log");
    let serving = Serving::new(&server_log);
    let url = serving.url.clone();
    let ran = scv2(&["forgot-password", "--base-url", &url, "--email", EMAIL], b"");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    serving.stop();
    assert_eq!(lines(&server_log).len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
