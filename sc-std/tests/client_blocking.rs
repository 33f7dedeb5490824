//! The blocking client: the same behaviour, from any thread, with and without a runtime around it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client_support;

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client_support::{CLOSE, FORGOT, Fake, SESSION, forgot};
use http::{Request, Response};
use sc_core::retry::Repeatable;
use sc_std::client::{BuildError, ClientError, ScClient, SetUpWay, Transport, TransportError};

#[test]
fn messages_go_and_answers_come_both_ways() {
    for way in [SetUpWay::Endpoint, SetUpWay::Inline] {
        let fake = Fake::new();
        let client = fake.client().with_set_up(way).build_blocking().unwrap();
        let answer = client.call(&forgot("a@example.com")).unwrap();
        assert_eq!(answer["echo"]["email"], "a@example.com");
        let opened = client.call_json("/web/v1/other", None, br#"{"x":1}"#, Repeatable::No).unwrap();
        assert!(String::from_utf8(opened).unwrap().contains(r#""echo":{"x":1}"#));
        assert_eq!(fake.session_count(), 1);
        client.close().unwrap();
        assert_eq!((fake.count(CLOSE), fake.session_count()), (1, 0));
    }
}

#[test]
fn a_header_of_one_clone_goes_with_its_messages() {
    let fake = Fake::new();
    let client = fake.client().build_blocking().unwrap();
    let logged_in = client.with_header("Authorization", "Bearer one").unwrap();
    logged_in.call(&forgot("a@example.com")).unwrap();
    assert_eq!(fake.head(FORGOT, "authorization").as_deref(), Some("Bearer one"));
    client.call(&forgot("a@example.com")).unwrap();
    assert_eq!(fake.head(FORGOT, "authorization"), None);
    assert_eq!(fake.session_count(), 1);
    drop(client);
    assert_eq!(fake.count(CLOSE), 0, "one clone is left");
    drop(logged_in);
    assert_eq!(fake.count(CLOSE), 1);
    let error = fake.client().build_blocking().unwrap().with_header("Host", "x").unwrap_err();
    assert!(matches!(error, BuildError::Header(name) if name == "Host"));
}

#[test]
fn errors_are_those_of_the_client() {
    let client = Fake::new().client().build_blocking().unwrap();
    let error = client.call(&forgot("limited@example.com")).unwrap_err();
    assert!(
        matches!(error, ClientError::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 17)
    );
    let error = client.call_json("no-slash", None, b"{}", Repeatable::No).unwrap_err();
    assert!(matches!(error, ClientError::Message(_)));
}

#[test]
fn a_hundred_threads_on_a_cold_client_make_one_session() {
    let fake = Fake::new();
    let client = fake.client().build_blocking().unwrap();
    let start = Arc::new(Barrier::new(100));
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let (client, start) = (client.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                client.call(&forgot("a@example.com")).unwrap();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((fake.count(SESSION), fake.executed().len()), (1, 100));
}

#[test]
fn a_call_inside_a_runtime_is_answered_and_neither_it_nor_dropping_panics() {
    for builder in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        let mut builder = builder;
        let runtime = builder.enable_all().build().unwrap();
        let fake = Fake::new();
        runtime.block_on(async {
            let client = fake.client().build_blocking().unwrap();
            client.call(&forgot("a@example.com")).unwrap();
            drop(client);
        });
        assert_eq!((fake.count(CLOSE), fake.session_count()), (1, 0));
    }
}

#[test]
fn the_last_clone_that_is_dropped_closes_the_session() {
    let fake = Fake::new();
    let client = fake.client().build_blocking().unwrap();
    client.call(&forgot("a@example.com")).unwrap();
    let clone = client.clone();
    drop(client);
    assert_eq!(fake.count(CLOSE), 0);
    clone.call(&forgot("b@example.com")).unwrap();
    drop(clone);
    assert_eq!((fake.count(CLOSE), fake.session_count()), (1, 0));
}

#[test]
fn dropping_does_not_wait_for_a_server_that_hangs() {
    let fake = Fake::new();
    let client = fake.client().with_request_timeout(Duration::from_secs(600)).build_blocking().unwrap();
    client.call(&forgot("a@example.com")).unwrap();
    fake.on(CLOSE, |_, _| None);
    let started = Instant::now();
    drop(client);
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_eq!(fake.count(CLOSE), 1);
}

/// A transport with a fault.
struct Faulty;

impl Transport for Faulty {
    async fn send(&self, _: Request<Bytes>, _: usize) -> Result<Response<Bytes>, TransportError> {
        panic!("a fault in a transport")
    }
}

#[test]
fn a_transport_that_panics_is_an_error_and_not_a_call_that_hangs() {
    let client = ScClient::builder("http://server.test").with_transport(Faulty).build_blocking().unwrap();
    for _ in 0..2 {
        let error = client.call(&forgot("a@example.com")).unwrap_err();
        assert!(matches!(error, ClientError::Transport(_)), "{error}");
    }
}
