//! `scv2 doctor` finds nothing in our server, and names each leak that is planted in front of one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod cli_support;
mod leaky_server;
mod server_support;

use cli_support::{Serving, scv2};
use http::StatusCode;
use http::header::HeaderValue;
use leaky_server::{Leak, examined, findings};
use server_support::{CLOSE, FORGOT, SESSION};

/// A leak, where it is looked for, and what must be said of it.
async fn is_found(leak: Leak, only: &str, more: &[&str], expected: &[&str]) {
    let ran = examined(leak, only, "40", &[&["--json"], more].concat()).await;
    let found = findings(&ran);
    for expected in expected {
        assert!(
            found.iter().any(|finding| finding.contains(expected)),
            "no {expected:?} in {found:#?}\n{}",
            ran.err
        );
    }
    assert_eq!(ran.code, i32::from(!expected.is_empty()), "{found:#?}\n{}", ran.err);
    assert!(!expected.is_empty() || found.is_empty(), "{found:#?}");
}

const SET_UPS: &str = "set-ups";
const FIRST: &str = "first messages (type 1) that";
const MESSAGES: &str = "messages (type 2)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_a_layer_that_leaks_nothing_passes() {
    is_found(|_, _, _| {}, "", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_message_for_bad_padding_is_found() {
    let leak: Leak = |seen, leaving, _| {
        if seen.unwrapped.is_some_and(|keys| keys.contains(&None)) {
            leaving.replace("Failed to decrypt session keys", "Decryption error");
        }
    };
    let expected = "key of 31 bytes: body {\"version\":\"2.0.0\"";
    is_found(leak, SET_UPS, &[], &[expected, "key of 33 bytes: size ", "equal keys: size "]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_only_a_bad_tag_gets_is_found() {
    let leak: Leak = |seen, leaving, _| {
        if seen.unwrapped == Some([Some(32), Some(32)]) && leaving.is("INVALID_PAYLOAD") {
            leaving.headers.insert("x-why", HeaderValue::from_static("tag"));
        }
    };
    let expected = ["flipped tag: header x-why, which others do not have: tag", "flipped IV: header x-why"];
    is_found(leak, FIRST, &[], &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_status_of_a_closed_session_and_another_size_are_found() {
    let leak: Leak = |seen, leaving, memory| {
        let session = seen.headers.get("x-sc-session-id");
        if seen.path == CLOSE {
            memory.closed.extend(session.cloned());
        } else if session.is_some_and(|session| memory.closed.contains(session)) {
            leaving.status = StatusCode::GONE;
            leaving.body.push(b' ');
        }
    };
    let expected = ["closed session: status 410 instead of 404", "closed session: size "];
    is_found(leak, MESSAGES, &[], &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_replays_is_found() {
    let leak: Leak = |seen, leaving, memory| {
        let body = seen.body.to_vec();
        match memory.answers.get(&body) {
            Some(kept) => (leaving.status, leaving.headers, leaving.body) = kept.clone(),
            None => {
                let kept = (leaving.status, leaving.headers.clone(), leaving.body.clone());
                memory.answers.insert(body, kept);
            }
        }
    };
    let expected = "sealed: the request was taken: the protocol asks for 409 SECURE_CHANNEL.REPLAYED";
    is_found(leak, "that come again", &[], &[expected]).await;
    is_found(leak, FIRST, &[], &["replayed: sealed instead of plain"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_plaintext_is_found() {
    let leak: Leak = |seen, leaving, _| {
        if seen.path == FORGOT && seen.body.starts_with(b"{\"email\"") {
            leaving.status = StatusCode::OK;
            leaving.body = br#"{"success":true,"code":"2000"}"#.to_vec();
        }
    };
    is_found(leak, "in the clear", &[], &["JSON in a live session: status 200 instead of 400"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_in_the_clear_is_found() {
    let leak: Leak = |_, leaving, _| {
        if leaving.body.starts_with(b"SC") && leaving.status == StatusCode::BAD_REQUEST {
            leaving.body = b"{}".to_vec();
        }
    };
    let ran = examined(leak, "versions", "40", &[]).await;
    assert!(ran.code == 3 && ran.err.contains("the protected endpoint does not answer"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_may_be_stored_are_found() {
    let leak: Leak = |_, leaving, _| drop(leaving.headers.remove("cache-control"));
    is_found(leak, "versions", &[], &["all: an answer may be stored"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_a_forged_message_ends_is_found() {
    let leak: Leak = |seen, leaving, memory| {
        let session = seen.headers.get("x-sc-session-id");
        if leaving.is("UNSUPPORTED_VERSION") {
            memory.closed.extend(session.cloned());
        } else if leaving.body.starts_with(b"SC") && session.is_some_and(|id| memory.closed.contains(id)) {
            leaving.body = br#"{"code":"SECURE_CHANNEL.SESSION_NOT_FOUND"}"#.to_vec();
        }
    };
    is_found(leak, "versions", &[], &["all: the session that was tried answers no more"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_that_lies_about_itself_is_found() {
    let leak: Leak = |_, leaving, _| leaving.replace("\"keySize\":2048", "\"keySize\":3072");
    is_found(
        leak,
        "versions",
        &[],
        &["the public key says of itself what is true: keySize does not say 2048"],
    )
    .await;
    let leak: Leak =
        |_, leaving, _| leaving.replace("\"expiresAt\":null", "\"expiresAt\":\"2020-01-01T00:00:00Z\"");
    is_found(leak, "versions", &[], &["it expired at 2020-01-01"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_tells_an_expired_key_id_or_a_known_address_is_found() {
    let leak: Leak = |seen, leaving, _| {
        if seen.path == SESSION
            && String::from_utf8_lossy(&seen.body).contains("0123456789abcdef0123456789abcdef")
        {
            leaving.replace("Invalid or expired RSA key ID", "Expired RSA key ID");
        }
    };
    let expired = ["--expired-key-id", "0123456789abcdef0123456789abcdef"];
    is_found(leak, "keyIds", &expired, &["expired keyId: body "]).await;
    let known = ["--email-known", "user@example.com"];
    is_found(|_, _, _| {}, "forgot password", &known, &["body {\"code\":\"2000\",\"message\":\""]).await;
}

/// Limits that let the doctor ask.
const LIMITS: [&str; 4] = ["--setup-limit", "1000000/60s", "--rate-limit", "1000000/300s"];

#[test]
fn our_own_server_passes_whole() {
    let files = tempfile::tempdir().unwrap();
    let users = files.path().join("users");
    std::fs::write(&users, "user@example.com\n").unwrap();
    let server = Serving::new(&[&LIMITS[..], &["--users", users.to_str().unwrap()]].concat());
    let url = format!("http://{}", server.address);
    let ran = scv2(
        &["doctor", "--base-url", &url, "--samples", "40", "--email-known", "user@example.com", "--json"],
        b"",
    );
    assert_eq!((ran.code, findings(&ran)), (0, Vec::<String>::new()), "{}", ran.err);
    let report = ran.json();
    assert_eq!(report["groups"].as_array().unwrap().len(), 10);
    assert!(ran.err.contains("10 of 10: "), "{}", ran.err);
    let sees = report["groups"][0]["smallestDifferenceSeenMicros"].as_f64().unwrap();
    assert!(sees >= 5.0, "{sees}");
}

#[test]
fn a_server_without_first_messages_or_replay_check_is_told_apart_from_a_leaky_one() {
    let server = Serving::new(&[&LIMITS[..], &["--no-inline", "--no-replay-check"]].concat());
    let url = format!("http://{}", server.address);
    let ran = scv2(&["doctor", "--base-url", &url, "--samples", "20", "--only", "(type ", "--json"], b"");
    let found = findings(&ran);
    assert_eq!((ran.code, found.len()), (1, 1), "{found:#?}");
    assert!(found[0].contains("--no-replay-check"), "{found:#?}");
    assert!(ran.text().contains("the server takes no first messages"), "{}", ran.text());
}

#[test]
fn a_limit_that_would_spoil_the_sample_is_exit_code_3_and_says_which() {
    let server = Serving::new(&["--rate-limit", "1000000/300s"]);
    let url = format!("http://{}", server.address);
    let ran = scv2(&["doctor", "--base-url", &url, "--samples", "20"], b"");
    assert!(
        ran.code == 3 && ran.out.is_empty() && ran.err.contains("scv2 serve --setup-limit 1000000/60s"),
        "{}",
        ran.err
    );
    let server = Serving::new(&["--setup-limit", "1000000/60s"]);
    let url = format!("http://{}", server.address);
    let ran =
        scv2(&["doctor", "--base-url", &url, "--only", "forgot", "--email-known", "a@example.com"], b"");
    assert!(
        ran.code == 3 && ran.out.is_empty() && ran.err.contains("scv2 serve --rate-limit"),
        "{}",
        ran.err
    );
}

#[test]
fn the_report_for_people_is_the_golden_one() {
    let server = Serving::new(&LIMITS);
    let url = format!("http://{}", server.address);
    let ran = scv2(&["doctor", "--base-url", &url, "--only", "versions"], b"");
    assert_eq!((ran.code, ran.text()), (0, include_str!("golden/doctor-versions.txt")), "{}", ran.err);
    assert_eq!(ran.err, "1 of 1: versions that nobody speaks\n");
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    for (wrong, code) in [
        (&["--base-url", "ftp://x"][..], 2),
        (&["--base-url", "http://127.0.0.1:1", "--header", "no colon"], 2),
        (&["--base-url", "http://127.0.0.1:1", "--header", "X-SC-Session-Id: x"], 2),
        (&["--base-url", "http://127.0.0.1:1", "--samples", "1"], 2),
        (&["--base-url", "http://127.0.0.1:1", "--min-effect", "5"], 2),
        (&["--base-url", "http://127.0.0.1:1"], 3),
    ] {
        let ran = scv2(&[&["doctor"], wrong].concat(), b"");
        assert!(ran.code == code && ran.out.is_empty() && !ran.err.is_empty(), "{wrong:?} {}", ran.err);
    }
}
