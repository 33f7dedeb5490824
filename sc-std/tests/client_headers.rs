//! What the client's requests carry besides their bodies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client_support;

use std::sync::Arc;

use client_support::{CLOSE, FORGOT, Fake, PUBLIC_KEY, SESSION, forgot};
use sc_std::client::{BuildError, SetUpWay};

#[tokio::test]
async fn requests_carry_the_headers_of_the_protocol() {
    let fake = Fake::new();
    let client = fake
        .client()
        .with_language("zh-Hant")
        .with_header("CF-Connecting-IP", "203.0.113.7")
        .build()
        .unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    let head = |path, name| fake.head(path, name);
    for (name, value) in [
        ("x-sc-version", "2"),
        ("content-type", "application/json;charset=UTF-8"),
        ("accept", "application/json"),
        ("accept-language", "zh-Hant"),
        ("x-client-hash", "fingerprint-of-a-phone"),
        ("cf-connecting-ip", "203.0.113.7"),
    ] {
        assert_eq!(head(FORGOT, name).as_deref(), Some(value), "{name}");
    }
    assert!(head(FORGOT, "x-sc-session-id").is_some_and(|id| id.starts_with("sess_")));
    assert!(head(FORGOT, "x-request-id").is_some_and(|id| id.len() == 36));
    assert_ne!(head(FORGOT, "x-request-id"), head(SESSION, "x-request-id"));
    assert_eq!(head(SESSION, "x-client-hash").as_deref(), Some("fingerprint-of-a-phone"));
    assert_eq!(head(SESSION, "x-sc-session-id"), None);
    assert_eq!(head(PUBLIC_KEY, "x-client-hash"), None, "nothing about the client is needed there");
}

#[tokio::test]
async fn a_client_without_a_fingerprint_keeps_the_one_it_drew() {
    let fake = Fake::new();
    let build = || {
        sc_std::client::ScClient::builder("http://server.test/prefix")
            .with_transport(Arc::clone(&fake))
            .build()
    };
    let client = build().unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    let drawn = fake.head(SESSION, "x-client-hash");
    client.close().await.unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    assert_eq!(fake.head(SESSION, "x-client-hash"), drawn);
    build().unwrap().call(&forgot("a@example.com")).await.unwrap();
    assert_ne!(fake.head(SESSION, "x-client-hash"), drawn);
}

#[tokio::test]
async fn a_header_of_one_clone_goes_with_its_messages_and_nothing_else() {
    for way in [SetUpWay::Endpoint, SetUpWay::Inline] {
        let fake = Fake::new();
        let client =
            fake.client().with_set_up(way).with_header("X-Tenant", "of-the-builder").build().unwrap();
        let logged_in = client.with_header("Authorization", "Bearer one").unwrap();
        let head = |path, name| fake.head(path, name);

        logged_in.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(head(FORGOT, "authorization").as_deref(), Some("Bearer one"), "{way:?}");
        assert_eq!(head(FORGOT, "x-tenant").as_deref(), Some("of-the-builder"));
        let later = logged_in.with_header("authorization", "Bearer two").unwrap();
        later.with_header("x-tenant", "another").unwrap().call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(head(FORGOT, "authorization").as_deref(), Some("Bearer two"), "a later one replaces it");
        assert_eq!(head(FORGOT, "x-tenant").as_deref(), Some("another"), "the builder's too");
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(head(FORGOT, "authorization"), None, "a clone's headers are its own");
        assert_eq!(head(FORGOT, "x-tenant").as_deref(), Some("of-the-builder"));
        assert_eq!(fake.session_count(), 1, "clones share the session");

        logged_in.close().await.unwrap();
        for path in [PUBLIC_KEY, SESSION, CLOSE] {
            assert_eq!(head(path, "authorization"), None, "{path}");
        }
        assert_eq!(head(CLOSE, "x-tenant").as_deref(), Some("of-the-builder"));
    }
}

#[tokio::test]
async fn a_header_that_is_none_or_the_channels_own_is_refused_and_its_value_told_nowhere() {
    let client = Fake::new().client().build().unwrap();
    for (name, value) in [("X-SC-Session-Id", "secret"), ("Content-Type", "secret"), ("X-Good", "a\nsecret")]
    {
        let error = client.with_header(name, value).unwrap_err();
        assert!(matches!(&error, BuildError::Header(said) if said == name), "{name}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    let client = client.with_header("Authorization", "Bearer secret").unwrap();
    assert!(!format!("{client:?}").contains("secret"));
}
