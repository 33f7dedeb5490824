//! What a core dump of a server tells: the keys of its live sessions and its RSA keys, by necessity, and nothing of what
//! is over. And that a server writes none unless it is told to.
//!
//! ```sh
//! SCV2_PROGRAM="$PWD/target/release/scv2" cargo test --package sc-std --test core_dump -- --test-threads=1
//! ```
//!
//! For an optimized program: without optimization every move of a value is a copy of it, and some are found.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "modules that test programs share")]

mod image;
mod past;
mod rsa;
#[path = "../live/serve.rs"]
mod serve;
#[path = "../server_support/mod.rs"]
mod server_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::Image;
use past::Past;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serve::{Files, Http, KNOWN, Server};

/// Options under which everything is over soon.
const BRIEF: [&str; 8] =
    ["--core-dumps", "--metrics", "--key-rotation", "5s", "--session-idle", "6s", "--rate-limit", "1000/1s"];

async fn live_sessions(http: &Http, server: &Server) -> String {
    let reply = http.send("GET", &format!("{}/metrics", server.url), &[], Vec::new()).await;
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("scv2_sessions_live ")).unwrap().to_owned()
}

/// Waits until all sessions but one are over, while that one is used.
async fn until_over(http: &Http, server: &Server, live: &server_support::Peer) {
    while live_sessions(http, server).await != "1" {
        assert!(http.works(server, live).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_of_a_server_holds_live_keys_and_nothing_of_what_is_over() {
    let (files, http) = (Files::new(), Http::new());
    let server = files.serve_with(&BRIEF);

    // What must be there, or the search finds nothing at all: the RSA key, for as long as it is accepted.
    let mut found = None;
    for _ in 0..5 {
        let document = http.public_key(&server).await;
        let image = Image::of_process(&server.proc());
        found = rsa::Private::find(&rsa::modulus(&document), &image).map(|key| (document, key));
        if found.is_some() {
            break;
        }
    }
    let (document, private) = found.expect("a prime of the RSA key");

    let past = Past::live_through(&server, &http, &files).await;
    let live = http.session(&server).await;
    let image = Image::of_process(&server.proc());
    for key in [&live.request_key, &live.response_key] {
        assert!(image.holds(key), "the keys of a live session are there, by necessity");
    }
    assert!(image.holds(KNOWN.as_bytes()), "and the list of users");

    until_over(&http, &server, &live).await;
    let mut rotated = 0;
    let mut last = document["keyId"].clone();
    while rotated < 3 {
        assert!(http.works(&server, &live).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = http.public_key(&server).await["keyId"].clone();
        rotated += u32::from(now != last);
        last = now;
    }
    // The housekeeping comes by every two seconds.
    for _ in 0..3 {
        assert!(http.works(&server, &live).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(http.works(&server, &live).await);
    let image = Image::of_process(&server.proc());
    println!("{} MiB of memory, {} secrets", image.len() >> 20, past.len());
    for key in [&live.request_key, &live.response_key] {
        assert!(image.holds(key), "a live session, or the search below shows nothing");
    }
    let mut left = past.remains(&image);
    left.extend(private.remains(&image));
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
}

/// The core file of a process that has ended, if the kernel writes it where the process was.
fn core_file(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    let is_core =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"));
    files.map(|file| file.unwrap().path()).find(is_core)
}

/// Lets this process's children write core files, if it may.
fn allow_core_files() {
    let most = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(Resource::Core, Rlimit { current: most, maximum: most });
    // For a privileged process.
    let _ = setrlimit(Resource::Core, Rlimit { current: None, maximum: None });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_writes_no_core_file_unless_it_is_told_to_and_then_one_without_the_past() {
    use std::os::unix::process::ExitStatusExt;

    allow_core_files();
    let (files, http) = (Files::new(), Http::new());
    let mut server = files.serve_with(&[]);
    let limits = std::fs::read_to_string(server.proc().join("limits")).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
    http.session(&server).await;
    let ended = server.signal("ABRT");
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    assert_eq!(core_file(files.folder.path()), None);

    let files = Files::new();
    let mut server = files.serve_with(&BRIEF);
    let past = Past::live_through(&server, &http, &files).await;
    let live = http.session(&server).await;
    until_over(&http, &server, &live).await;
    let ended = server.signal("ABRT");
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), true), "where core files are allowed at all");
    // Elsewhere the kernel hands dumps to a program.
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.starts_with('|') || pattern.contains('/') {
        println!("the core went to {}", pattern.trim());
        return;
    }
    let (core, registers) = Image::of_core(&core_file(files.folder.path()).unwrap());
    println!("a core file of {} MiB", core.len() >> 20);
    assert!(core.holds(&live.request_key) && core.holds(&live.response_key));
    // Nothing but work clears the registers of a thread that waits: whatever it moved last may be in one.
    println!("in registers of threads that wait: {:?}", past.remains(&registers));
    let left = past.remains(&core);
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
}
