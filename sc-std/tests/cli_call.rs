//! The program against a server on the loopback interface: forgot-password and call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod cli_support;
mod client_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use cli_support::{Serving, scv2};
use client_support::{CLOSE, FORGOT, Fake, PUBLIC_KEY, SESSION};
use http::{Request, Response};
use sc_core::server::{BoundPolicy, Server};
use serde_json::json;

/// Serves over HTTP/1.1, one request a connection; gives the base URL.
fn serve(fake: &Arc<Fake>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/prefix", listener.local_addr().unwrap());
    let fake = Arc::clone(fake);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&fake, stream.unwrap());
        }
    });
    url
}

fn answer(fake: &Fake, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut parts = line.split_whitespace();
    let (Some(method), Some(path)) = (parts.next(), parts.next()) else { return };
    let mut request = Request::builder().method(method).uri(path);
    let mut len = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            len = value.parse().unwrap();
        }
        request = request.header(name, value);
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).unwrap();
    let response: Response<Bytes> = fake.respond(&request.body(body.into()).unwrap()).unwrap();
    let mut head = format!("HTTP/1.1 {}\r\n", response.status());
    for (name, value) in response.headers() {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", response.body().len());
    stream.write_all(&[head.as_bytes(), response.body()].concat()).unwrap();
}

#[test]
fn forgot_password_shows_the_opened_answer_both_ways() {
    for inline in [false, true] {
        let fake = Fake::new();
        let url = serve(&fake);
        let mut arguments = vec!["forgot-password", "--base-url", &url, "--email", "user@example.com"];
        arguments.extend(inline.then_some("--inline"));
        let ran = scv2(&arguments, b"");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert_eq!(ran.json()["data"]["echo"], json!({"email": "user@example.com"}));
        assert!(ran.text().starts_with("{\n  \"version\": \"2.0.0\",\n  \"timestamp\": "), "{}", ran.text());
        assert_eq!(
            fake.executed(),
            [(if inline { 1 } else { 2 }, FORGOT.to_owned(), br#"{"email":"user@example.com"}"#.to_vec())]
        );
        assert_eq!((fake.count(SESSION), fake.count(CLOSE)), (usize::from(!inline), 1));
    }
}

#[test]
fn an_error_of_the_server_is_shown_and_is_exit_code_1() {
    let fake = Fake::new();
    let url = serve(&fake);
    for (email, code) in [
        ("limited@example.com", "REQUEST.RATE_LIMITED"),
        ("invalid@example.com", "REQUEST.VALIDATION_FAILED"),
        ("broken@example.com", "SYSTEM.INTERNAL_ERROR"),
        ("new-code@example.com", "ACCOUNT.LOCKED"),
    ] {
        let ran = scv2(&["forgot-password", "--base-url", &url, "--email", email], b"");
        assert_eq!((ran.code, &ran.json()["code"]), (1, &json!(code)), "{}", ran.err);
        assert!(!ran.err.contains(email), "{}", ran.err);
    }
    fake.on(SESSION, |_, _| Some(client_support::refuse_with(sc_core::code::Code::PermissionDenied)));
    let ran = scv2(&["forgot-password", "--base-url", &url, "--email", "a@b.example"], b"");
    assert_eq!(
        (ran.code, &ran.json()["code"]),
        (1, &json!("ACCESS.PERMISSION_DENIED")),
        "plain, from the set-up"
    );
}

#[test]
fn a_peer_that_cannot_be_reached_or_understood_is_exit_code_3() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let ran = scv2(&["forgot-password", "--base-url", &nobody, "--email", "a@b.example"], b"");
    assert!(ran.code == 3 && ran.out.is_empty() && ran.err.contains("no connection"), "{}", ran.err);

    for path in [PUBLIC_KEY, SESSION, FORGOT] {
        let fake = Fake::new();
        fake.on(path, |_, _| Some(Response::new(Bytes::from_static(b"<html>"))));
        let ran = scv2(&["forgot-password", "--base-url", &serve(&fake), "--email", "a@b.example"], b"");
        assert!(ran.code == 3 && ran.out.is_empty() && !ran.err.is_empty(), "{path} {}", ran.err);
    }
    let fake = Fake::new();
    fake.on(FORGOT, |_, mut answer| {
        let mut body = answer.body().to_vec();
        body[17] ^= 1;
        *answer.body_mut() = body.into();
        Some(answer)
    });
    let ran = scv2(&["forgot-password", "--base-url", &serve(&fake), "--email", "a@b.example"], b"");
    assert!(ran.code == 3 && ran.out.is_empty() && ran.err.contains("does not open"), "{}", ran.err);
}

#[test]
fn call_reaches_any_endpoint_with_headers_and_a_message_from_either_place() {
    let fake = Fake::new();
    let url = serve(&fake);
    let call = ["call", "--base-url", &url, "--path", "/web/v1/other", "--json"];
    let ran = scv2(
        &[&call[..], &[r#"{"x":1}"#, "--header", "CF-Ray: test", "--header", "X-Client-Hash:phone"]].concat(),
        b"",
    );
    assert_eq!((ran.code, &ran.json()["data"]["echo"]), (0, &json!({"x": 1})), "{}", ran.err);
    let head = |name| fake.head("/web/v1/other", name);
    assert_eq!((head("cf-ray").as_deref(), head("x-client-hash").as_deref()), (Some("test"), Some("phone")));

    let ran = scv2(&[&call[..], &["-", "--inline"]].concat(), br#"{"x":2}"#);
    assert_eq!((ran.code, &ran.json()["data"]["echo"]), (0, &json!({"x": 2})), "{}", ran.err);
    for bad in ["", "{", "{} {}", "x"] {
        assert_eq!(scv2(&[&call[..], &[bad]].concat(), b"").code, 2, "{bad}");
    }
}

#[test]
fn call_takes_the_profile_that_it_is_told_and_guesses_none_for_a_name_it_does_not_know() {
    let fake = Fake::new();
    let url = serve(&fake);
    let version = |arguments: &[&str]| {
        let seen = Arc::new(std::sync::Mutex::new(0));
        for path in ["/web/v1/other", FORGOT] {
            let seen = Arc::clone(&seen);
            fake.on(path, move |request, answer| {
                *seen.lock().unwrap() = request.body()[2];
                Some(answer)
            });
        }
        let call = ["call", "--base-url", &url, "--json", "{}", "--inline"];
        let ran = scv2(&[&call[..], arguments].concat(), b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
        *seen.lock().unwrap()
    };
    let other = "/web/v1/other";
    assert_eq!(version(&["--path", other]), 0x02);
    assert_eq!(version(&["--path", other, "--message", other]), 0x82);
    assert_eq!(version(&["--path", other, "--profile", "auto"]), 0x82);
    assert_eq!(version(&["--path", FORGOT]), 0x82);
    assert_eq!(version(&["--path", FORGOT, "--profile", "plain"]), 0x02);

    let plain = Fake::with(Server::default().with_bound(BoundPolicy::Off));
    let url = serve(&plain);
    let call = ["call", "--base-url", &url, "--path", FORGOT, "--json", "{}"];
    assert_eq!(scv2(&call, b"").code, 0);
    let ran = scv2(&[&call[..], &["--profile", "bound"]].concat(), b"");
    assert!(ran.code == 3 && ran.err.contains("bound profile is required"), "{}", ran.err);
}

#[test]
fn a_pin_that_does_not_fit_is_exit_code_3_and_one_that_does_is_taken() {
    let fake = Fake::new();
    let url = serve(&fake);
    let call = ["forgot-password", "--base-url", &url, "--email", "a@b.example", "--pin"];
    let fitting: String = fake.spki_sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    let ran = scv2(&[&call[..], &[&fitting]].concat(), b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = scv2(&[&call[..], &["00".repeat(32).as_str()]].concat(), b"");
    assert!(ran.code == 3 && ran.err.contains("no pin fits"), "{}", ran.err);
    assert_eq!(scv2(&[&call[..], &["zz"]].concat(), b"").code, 2);
}

#[test]
fn an_impossible_option_is_exit_code_2_before_anything_is_sent() {
    let fake = Fake::new();
    let url = serve(&fake);
    let call = ["call", "--path", FORGOT, "--json", "{}"];
    for wrong in [
        &["--base-url", "ftp://x"][..],
        &["--base-url", "https://user:password@x"],
        &["--base-url", &url, "--header", "no colon"],
        &["--base-url", &url, "--header", "X-SC-Session-Id: x"],
        &["--base-url", &url, "--header", "X-Client-Hash: a b"],
        &["--base-url", &url, "--timeout", "10"],
        &["--base-url", &url, "--profile", "best"],
    ] {
        let ran = scv2(&[&call[..], wrong].concat(), b"");
        assert!(ran.code == 2 && ran.out.is_empty() && !ran.err.is_empty(), "{wrong:?} {}", ran.err);
        assert!(!ran.err.contains("password@"), "{}", ran.err);
    }
    let ran = scv2(&["call", "--base-url", &url, "--path", "no-slash", "--json", "{}"], b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(fake.count(PUBLIC_KEY), 0);
}

#[test]
fn a_portal_code_comes_from_a_file_and_is_asked_of_every_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("code");
    std::fs::write(&file, "portal-7\n").unwrap();
    let file = file.to_str().unwrap();
    let serving = Serving::new(&["--portal-access-code-file", file]);
    let url = format!("http://{}", serving.address);
    let ask = ["forgot-password", "--base-url", &url, "--email", "a@b.example"];
    let ran = scv2(&[&ask[..], &["--header", "X-Portal-Access-Code: portal-7"]].concat(), b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = scv2(&ask, b"");
    assert!(ran.code != 0 && ran.err.contains("ACCESS.PERMISSION_DENIED"), "{}", ran.err);
    for (text, told) in [("", "it is empty"), ("a\nsecret", "not the value of a header")] {
        std::fs::write(file, text).unwrap();
        let ran = scv2(&["serve", "--listen", "127.0.0.1:0", "--portal-access-code-file", file], b"");
        assert!(ran.code == 2 && ran.err.contains(told) && !ran.err.contains("secret"), "{}", ran.err);
    }
    let both = ["serve", "--portal-access-code", "x", "--portal-access-code-file", file];
    assert_eq!(scv2(&both, b"").code, 2);
}
