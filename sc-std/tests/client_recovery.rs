//! The client after a refusal: which messages are sent again, and how often.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use client_support::{CLOSE, FORGOT, Fake, PAY, PUBLIC_KEY, Pay, SESSION, forgot, refuse_with};
use http::{Request, Response};
use sc_core::code::Code;
use sc_std::client::{ClientError, ScClient, SetUpWay, Transport, TransportError, TransportErrorKind};

const BOTH_WAYS: [SetUpWay; 2] = [SetUpWay::Endpoint, SetUpWay::Inline];

#[tokio::test]
async fn a_repeatable_message_survives_the_loss_of_its_session() {
    for way in BOTH_WAYS {
        let fake = Fake::new();
        let client = fake.client().with_set_up(way).build().unwrap();
        for round in 1..=5 {
            client.call(&forgot("a@example.com")).await.unwrap();
            assert_eq!(fake.executed().len(), round);
            fake.forget_sessions();
        }
        assert_eq!(fake.count(PUBLIC_KEY), 1, "the key is still fresh");
    }
}

#[tokio::test]
async fn a_session_that_is_lost_again_and_again_ends_in_an_error() {
    let fake = Fake::new();
    fake.on(FORGOT, |_, _| Some(refuse_with(Code::SessionNotFound)));
    let client = fake.client().build().unwrap();
    let error = client.call(&forgot("a@example.com")).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { .. }) && error.may_have_executed(), "{error:?}");
    assert_eq!((fake.count(FORGOT), fake.count(SESSION)), (2, 2), "once more, in a new session");
}

/// Somebody behind TLS: lets the first message be executed, answers in the server's place that its session is gone, and then
/// lets nothing through.
struct Behind(Arc<Fake>, AtomicUsize);

impl Transport for Behind {
    async fn send(&self, request: Request<Bytes>, max: usize) -> Result<Response<Bytes>, TransportError> {
        let is_message = request.uri().path().ends_with(FORGOT);
        match self.1.fetch_add(usize::from(is_message), Ordering::Relaxed) {
            0 if is_message => {
                Transport::send(&self.0, request, max).await?;
                Ok(refuse_with(Code::SessionNotFound))
            }
            1 if is_message => Err(TransportError::new(TransportErrorKind::Connect)),
            _ => Transport::send(&self.0, request, max).await,
        }
    }
}

#[tokio::test]
async fn a_message_that_was_sent_once_may_have_been_executed_even_if_its_repetition_finds_no_connection() {
    let fake = Fake::new();
    let client = ScClient::builder("http://server.test/prefix")
        .with_transport(Behind(Arc::clone(&fake), AtomicUsize::new(0)))
        .build()
        .unwrap();
    let error = client.call(&forgot("a@example.com")).await.unwrap_err();
    assert_eq!(fake.executed().len(), 1);
    assert!(matches!(error, ClientError::NotRepeated(_)) && error.may_have_executed(), "{error:?}");
}

#[tokio::test]
async fn a_message_that_is_not_repeatable_is_never_sent_twice() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    client.call(&Pay { amount: 1 }).await.unwrap();
    fake.forget_sessions();
    let error = client.call(&Pay { amount: 2 }).await.unwrap_err();
    assert!(matches!(error, ClientError::MaybeExecuted { .. }) && error.may_have_executed(), "{error:?}");
    assert_eq!(fake.count(PAY), 2);
    assert!(client.call(&Pay { amount: 3 }).await.is_ok(), "the next one finds a new session");

    let fake = Fake::new();
    let client = fake.client().with_set_up(SetUpWay::Inline).build().unwrap();
    fake.on(PAY, |_, _| Some(refuse_with(Code::InvalidKeyId)));
    let error = client.call(&Pay { amount: 1 }).await.unwrap_err();
    assert!(matches!(error, ClientError::MaybeExecuted { .. }), "{error:?}");
    assert_eq!(fake.count(PAY), 1);
}

#[tokio::test]
async fn no_new_session_after_a_lost_one_says_that_the_message_may_have_been_executed() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    fake.forget_sessions();
    fake.on(SESSION, |_, _| Some(refuse_with(Code::PermissionDenied)));
    let error = client.call(&forgot("a@example.com")).await.unwrap_err();
    assert!(matches!(error, ClientError::NotRepeated(_)) && error.may_have_executed(), "{error:?}");
}

#[tokio::test]
async fn a_key_that_was_damaged_on_its_way_fails_one_call_and_is_fetched_again_by_the_next() {
    for (way, path, code) in [
        (SetUpWay::Endpoint, SESSION, Code::KeyExchangeFailed),
        (SetUpWay::Endpoint, SESSION, Code::ValidationFailed),
        (SetUpWay::Inline, FORGOT, Code::InvalidPayload),
    ] {
        let fake = Fake::new();
        fake.on(path, move |_, _| Some(refuse_with(code)));
        let client = fake.client().with_set_up(way).build().unwrap();
        assert!(client.call(&forgot("a@example.com")).await.is_err(), "{way:?}");
        fake.on(path, |_, response| Some(response));
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(fake.count(PUBLIC_KEY), 2, "{way:?}");
    }
}

#[tokio::test]
async fn after_invalid_key_id_the_key_is_fetched_again_once() {
    for way in BOTH_WAYS {
        let fake = Fake::new();
        let client = fake.client().with_set_up(way).build().unwrap();
        client.call(&forgot("a@example.com")).await.unwrap();
        fake.set(|state| state.published = 1);
        fake.forget_sessions();
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(fake.count(PUBLIC_KEY), 2, "{way:?}");

        let fake = Fake::new();
        let refusing = if way == SetUpWay::Inline { FORGOT } else { SESSION };
        fake.on(refusing, |_, _| Some(refuse_with(Code::InvalidKeyId)));
        let client = fake.client().with_set_up(way).build().unwrap();
        assert!(client.call(&forgot("a@example.com")).await.is_err());
        assert_eq!((fake.count(PUBLIC_KEY), fake.count(refusing)), (2, 2), "{way:?}");
    }
}

#[tokio::test]
async fn a_refused_first_message_is_shared_by_those_who_wait_if_it_is_about_the_set_up() {
    for (code, sent) in [(Code::Busy, 1), (Code::PermissionDenied, 1), (Code::TooLarge, 2)] {
        let fake = Fake::new();
        fake.on(FORGOT, move |_, _| Some(refuse_with(code)));
        let client = fake.client().with_set_up(SetUpWay::Inline).build().unwrap();
        let (one, two) = (forgot("a@example.com"), forgot("b@example.com"));
        let (one, two) = tokio::join!(client.call(&one), client.call(&two));
        assert!(one.is_err() && two.is_err(), "{code}");
        assert_eq!(fake.count(FORGOT), sent, "{code}");
    }
}

#[tokio::test]
async fn to_close_a_session_that_the_server_has_lost_is_no_error_and_a_refused_close_is() {
    for (code, closed) in [(Code::SessionNotFound, true), (Code::PermissionDenied, false)] {
        let fake = Fake::new();
        let client = fake.client().build().unwrap();
        client.call(&forgot("a@example.com")).await.unwrap();
        fake.on(CLOSE, move |_, _| Some(refuse_with(code)));
        let closing = client.close().await;
        assert_eq!(closing.is_ok(), closed, "{code}");
        assert!(matches!(closing, Ok(()) | Err(ClientError::Refused { .. })), "{closing:?}");
    }
}
