//! `scv2 serve --metrics`: figures of a real run, read over the socket, with nothing private in them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::{Serving, scv2};

fn count(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn the_figures_of_a_run_are_read_back_and_hold_nothing_private() {
    let serving = Serving::new(&["--metrics"]);
    let url = format!("http://{}", serving.address);
    let email = "confidential@figures.example";
    for inline in [false, true] {
        let mut arguments = vec!["forgot-password", "--base-url", &url, "--email", email];
        arguments.extend(inline.then_some("--inline"));
        let ran = scv2(&arguments, b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let key = serving.ask("GET /web/v1/secure-channel/public-key HTTP/1.1", "");
    let (_, key) = key.split_once("\"keyId\":\"").unwrap();
    let key_id = key.split('"').next().unwrap();
    let hash = "X-Client-Hash: confidential-fingerprint";
    let plain = format!("POST /web/v1/system/auth/password/forgot HTTP/1.1\r\n{hash}");
    assert!(serving.ask(&plain, &format!("{{\"email\":\"{email}\"}}")).starts_with("HTTP/1.1 400"));
    let set_up = format!("POST /web/v1/secure-channel/session HTTP/1.1\r\n{hash}");
    assert!(serving.ask(&set_up, "{}").starts_with("HTTP/1.1 400"));
    assert!(serving.ask("GET /confidential-path HTTP/1.1", "").starts_with("HTTP/1.1 404"));

    let text = serving.ask("GET /metrics HTTP/1.1", "");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("text/plain; version=0.0.4"), "{text}");
    for (name, value) in [
        ("scv2_sessions_created_total{way=\"endpoint\"}", 1),
        ("scv2_sessions_created_total{way=\"inline\"}", 1),
        ("scv2_requests_opened_total", 2),
        ("scv2_answers_sealed_total", 2),
        ("scv2_refusals_total{code=\"SECURE_CHANNEL.INVALID_PAYLOAD\"}", 1),
        ("scv2_refusals_total{code=\"REQUEST.VALIDATION_FAILED\"}", 1),
        ("scv2_refusals_total{code=\"REQUEST.NOT_FOUND\"}", 1),
        ("scv2_private_operation_seconds_count", 2),
        ("scv2_key_rotations_total{result=\"done\"}", 0),
    ] {
        assert_eq!(count(&text, name), value, "{name}\n{text}");
    }
    assert!(key_id.len() == 32 && !text.contains(key_id), "{text}");
    for private in ["confidential", "figures.example", "sess_", "127.0.0.1", "fingerprint"] {
        assert!(!text.contains(private), "{private}\n{text}");
    }
}

#[test]
fn without_the_option_there_are_no_figures() {
    let serving = Serving::new(&[]);
    let answer = serving.ask("GET /metrics HTTP/1.1", "");
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("REQUEST.NOT_FOUND"), "{answer}");
}
