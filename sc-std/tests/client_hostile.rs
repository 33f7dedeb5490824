//! The client and a server, or somebody between the two, that breaks the protocol.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod client_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client_support::{FORGOT, Fake, PUBLIC_KEY, Pay, SESSION, forgot, refuse_with};
use http::Response;
use sc_core::code::Code;
use sc_core::retry::Repeatable;
use sc_std::client::{
    ClientError, ProfileChoice, ScClient, SetUpError, SetUpWay, Transport, TransportError, TransportErrorKind,
};

const BOTH_WAYS: [SetUpWay; 2] = [SetUpWay::Endpoint, SetUpWay::Inline];
const SUCCESS: &[u8] =
    br#"{"version":"2.0.0","timestamp":1,"success":true,"code":"2000","message":"SUCCESS","data":{"x":1}}"#;

fn respond(status: u16, body: &[u8]) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::copy_from_slice(body)).unwrap()
}

/// What a call comes to when every answer to a message is changed like this.
async fn with_answers(
    way: SetUpWay,
    mut change: impl FnMut(Response<Bytes>) -> Response<Bytes> + Send + 'static,
) -> ClientError {
    let fake = Fake::new();
    fake.on(FORGOT, move |_, answer| Some(change(answer)));
    let client = fake.client().with_set_up(way).build().unwrap();
    client.call(&forgot("a@example.com")).await.unwrap_err()
}

#[tokio::test]
async fn a_plain_answer_to_a_sealed_request_is_never_data_whatever_its_status() {
    for way in BOTH_WAYS {
        for (status, body) in [
            (200, SUCCESS),
            (200, b""),
            (201, SUCCESS),
            (200, br#"{"success":false,"code":"SECURE_CHANNEL.SESSION_NOT_FOUND","message":"m"}"#),
            (400, SUCCESS),
            (404, b"not found"),
            (302, b""),
            (307, SUCCESS),
            (500, b"SC"),
            (503, b"<html>busy</html>"),
        ] {
            let error = with_answers(way, move |_| respond(status, body)).await;
            let expected = match (&error, body) {
                (ClientError::Unprotected { status: said, .. }, _) => *said == status,
                // The magic alone makes it an envelope, which then does not open.
                (ClientError::NotOpened | ClientError::Unreadable { .. }, b"SC") => true,
                _ => false,
            };
            assert!(expected, "{way:?} {status} {error:?}");
            assert!(error.may_have_executed());
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = Fake::new();
    fake.on(FORGOT, |_, _| {
        let location = "http://server.test/prefix/web/v1/other";
        Some(Response::builder().status(307).header("location", location).body(Bytes::new()).unwrap())
    });
    let client = fake.client().build().unwrap();
    let error = client.call(&forgot("a@example.com")).await.unwrap_err();
    assert!(matches!(error, ClientError::Unprotected { status: 307, .. }), "{error:?}");
    assert_eq!((fake.count(FORGOT), fake.count("/web/v1/other")), (1, 0));
}

#[tokio::test]
async fn every_changed_byte_of_an_answer_is_refused() {
    for profile in [ProfileChoice::Plain, ProfileChoice::RequireBound] {
        let fake = Fake::new();
        let client = fake.client().with_profile(profile).build().unwrap();
        client.call(&forgot("a@example.com")).await.unwrap();
        let at = Arc::new(Mutex::new(Some(0)));
        fake.on(FORGOT, {
            let at = Arc::clone(&at);
            move |_, answer| {
                let (head, body) = answer.into_parts();
                let mut body = body.to_vec();
                let position = at.lock().unwrap().unwrap();
                body[position] ^= 1;
                // Every 7th position, the whole head, and the end.
                let next = if position < 20 { position + 1 } else { position + 7 };
                *at.lock().unwrap() = (next < body.len()).then_some(next);
                Some(Response::from_parts(head, body.into()))
            }
        });
        while let Some(position) = { *at.lock().unwrap() } {
            let error = client.call(&forgot("a@example.com")).await.unwrap_err();
            let refused = match position {
                0 | 1 => matches!(error, ClientError::Unprotected { .. }),
                _ => matches!(error, ClientError::NotOpened),
            };
            assert!(refused, "{position} {error:?}");
        }
        fake.on(FORGOT, |_, answer| Some(answer));
        assert!(client.call(&forgot("a@example.com")).await.is_ok(), "the session is none the worse");
        assert_eq!(fake.session_count(), 1);
    }
}

#[tokio::test]
async fn a_request_reflected_as_its_answer_is_refused() {
    for way in BOTH_WAYS {
        let fake = Fake::new();
        fake.on(FORGOT, |request, mut answer| {
            *answer.body_mut() = request.body().clone();
            Some(answer)
        });
        let client = fake.client().with_set_up(way).build().unwrap();
        let error = client.call(&forgot("a@example.com")).await.unwrap_err();
        assert!(matches!(error, ClientError::NotOpened), "{error:?}");

        let fake = Fake::new();
        fake.on(FORGOT, |request, mut answer| {
            let mut body = request.body().to_vec();
            body[3] = 129;
            *answer.body_mut() = body.into();
            Some(answer)
        });
        let client = fake.client().with_set_up(way).build().unwrap();
        let error = client.call(&forgot("a@example.com")).await.unwrap_err();
        assert!(matches!(error, ClientError::NotOpened), "{error:?}");
    }
}

#[tokio::test]
async fn the_answer_of_another_request_is_refused_in_bound() {
    for (profile, swapped_is_taken) in [(ProfileChoice::RequireBound, false), (ProfileChoice::Plain, true)] {
        let fake = Fake::new();
        let client = fake.client().with_profile(profile).build().unwrap();
        let earlier = Arc::new(Mutex::new(None::<Bytes>));
        fake.on(FORGOT, {
            let earlier = Arc::clone(&earlier);
            move |_, mut answer| {
                let this = answer.body().clone();
                if let Some(earlier) = earlier.lock().unwrap().replace(this) {
                    *answer.body_mut() = earlier;
                }
                Some(answer)
            }
        });
        client.call(&forgot("first@example.com")).await.unwrap();
        let second = client.call(&forgot("second@example.com")).await;
        match second {
            // What the plain profile cannot see (PROTOCOL 9): the reason for `bound`.
            Ok(data) => assert!(swapped_is_taken && data["echo"]["email"] == "first@example.com"),
            Err(error) => assert!(!swapped_is_taken && matches!(error, ClientError::NotOpened), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn sealed_error_answers_become_typed_errors() {
    for way in BOTH_WAYS {
        let call = async |email: &str| {
            let fake = Fake::new();
            let client = fake.client().with_set_up(way).build().unwrap();
            let result = client.call(&forgot(email)).await;
            (result, fake)
        };
        let (limited, _) = call("limited@example.com").await;
        let limited = limited.unwrap_err();
        assert!(
            matches!(limited, ClientError::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 17)
        );
        assert!(!limited.may_have_executed() && limited.answer().unwrap().is_sealed());
        let (limited, _) = call("limited-for-ever@example.com").await;
        assert_eq!(limited.unwrap_err().retry_after(), Some(Duration::from_secs(300)));

        let (invalid, _) = call("invalid@example.com").await;
        let invalid = invalid.unwrap_err();
        assert!(
            matches!(&invalid, ClientError::Validation { answer } if answer.message() == "email: must be an address"),
            "{invalid:?}"
        );
        let (broken, _) = call("broken@example.com").await;
        assert!(
            matches!(&broken, Err(ClientError::Server { answer }) if answer.known_code() == Some(Code::InternalError))
        );
        let (new_code, _) = call("new-code@example.com").await;
        let new_code = new_code.unwrap_err();
        let answer = new_code.answer().unwrap();
        assert_eq!((answer.code(), answer.known_code(), answer.status()), ("ACCOUNT.LOCKED", None, 402));
        assert!(answer.json().starts_with(b"{"));

        let (gone, fake) = call("gone@example.com").await;
        assert!(matches!(gone, Err(ClientError::Server { .. })));
        assert_eq!((fake.count(FORGOT), fake.session_count()), (1, 1), "a sealed answer loses no session");

        let (text, _) = call("text@example.com").await;
        assert!(matches!(text, Err(ClientError::Unreadable { status: 200 })));
        let (empty, _) = call("empty@example.com").await;
        assert_eq!(empty.unwrap(), serde_json::Value::Null);
    }
}

#[tokio::test]
async fn an_answer_of_another_form_is_for_callers_who_know_it() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    let call = async || {
        let json = br#"{"email":"text@example.com"}"#;
        client.call_json(FORGOT, Some("password.forgot"), json, Repeatable::Yes).await
    };
    assert_eq!(call().await.unwrap(), b"not JSON");
    let typed = client.call(&forgot("text@example.com")).await;
    assert!(matches!(typed, Err(ClientError::Unreadable { status: 200 })), "{typed:?}");
    fake.on(FORGOT, |_, mut answer| {
        *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        Some(answer)
    });
    let failed = call().await.unwrap_err();
    assert!(matches!(failed, ClientError::Server { .. }) && failed.may_have_executed(), "{failed:?}");
    let answer = failed.answer().unwrap();
    assert_eq!((answer.status(), answer.code(), answer.json()), (500, "", &b"not JSON"[..]));
    assert_eq!(failed.to_string(), "the server answered with an error: 500 without a code");
}

#[tokio::test]
async fn a_success_status_does_not_make_a_sealed_error_a_success_nor_the_other_way() {
    let fake = Fake::new();
    fake.on(FORGOT, |_, mut answer| {
        let turned = if answer.status().is_success() { 500 } else { 200 };
        *answer.status_mut() = http::StatusCode::from_u16(turned).unwrap();
        Some(answer)
    });
    let client = fake.client().build().unwrap();
    assert!(client.call(&forgot("a@example.com")).await.is_ok());
    assert!(client.call(&forgot("broken@example.com")).await.is_err());
}

#[tokio::test]
async fn a_plain_retry_after_is_a_hint_of_300_s_at_most_and_nobody_waits_for_it() {
    let refusal = |code: Code, seconds: &'static str| {
        let mut answer = refuse_with(code);
        answer.headers_mut().insert("retry-after", seconds.parse().unwrap());
        answer
    };
    let started = std::time::Instant::now();
    let error = with_answers(SetUpWay::Endpoint, move |_| refusal(Code::RateLimited, "31536000")).await;
    assert!(matches!(&error, ClientError::Refused { answer } if !answer.is_sealed()), "{error:?}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));

    for path in [SESSION, PUBLIC_KEY] {
        let fake = Fake::new();
        fake.on(path, move |_, _| Some(refusal(Code::Busy, "99999999999999999999999999")));
        let error = fake.client().build().unwrap().call(&forgot("a@example.com")).await.unwrap_err();
        assert!(matches!(error, ClientError::SetUp(_)), "{error:?}");
        assert_eq!((error.retry_after(), fake.count(path)), (Some(Duration::from_secs(300)), 1));
    }
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_set_up_answer_that_is_not_the_protocols_is_refused() {
    for path in [PUBLIC_KEY, SESSION] {
        for (status, body) in [
            (200, &b""[..]),
            (200, b"{}"),
            (200, SUCCESS),
            (200, br#"{"success":true,"code":"2000","message":"m","data":null}"#),
            (200, br#"{"success":false,"code":"2000","message":"m"}"#),
            (200, br#"{"success":true,"code":"2000","data":{"sessionId":"sess_short","expiresAt":1}}"#),
            (302, b""),
            (404, b"not found"),
        ] {
            let fake = Fake::new();
            fake.on(path, move |_, _| Some(respond(status, body)));
            let error = fake.client().build().unwrap().call(&forgot("a@example.com")).await.unwrap_err();
            let expected = matches!(error, ClientError::SetUp(SetUpError::Answer { status: said, .. }) if said == status);
            assert!(expected, "{path} {status} {error:?}");
            assert_eq!((fake.count(path), fake.count(FORGOT)), (1, 0), "{path}");
        }
    }
}

#[tokio::test]
async fn a_server_that_turns_bound_into_plain_is_refused() {
    let fake = Fake::new();
    fake.on(SESSION, |_, answer| {
        let text = String::from_utf8(answer.body().to_vec()).unwrap().replace(r#","profile":"bound""#, "");
        Some(respond(200, text.as_bytes()))
    });
    let client = fake.client().with_profile(ProfileChoice::RequireBound).build().unwrap();
    let error = client.call(&forgot("a@example.com")).await.unwrap_err();
    assert!(matches!(error, ClientError::SetUp(SetUpError::Core(_))), "{error:?}");
    assert_eq!(fake.count(FORGOT), 0);
}

#[tokio::test]
async fn an_inline_answer_that_names_no_session_is_refused() {
    for name in ["x-sc-session-id", "x-sc-expires-at"] {
        let error = with_answers(SetUpWay::Inline, move |mut answer| {
            answer.headers_mut().remove(name);
            answer
        })
        .await;
        assert!(matches!(error, ClientError::Unreadable { .. }), "{error:?}");
    }
    let error = with_answers(SetUpWay::Inline, |mut answer| {
        let other = "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        answer.headers_mut().insert("x-sc-session-id", other.parse().unwrap());
        answer
    })
    .await;
    assert!(matches!(error, ClientError::NotOpened), "bound to the session: {error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_that_makes_no_sense_is_clamped() {
    for way in BOTH_WAYS {
        // Over already, says the server; a client that believed it would set up a session for each message.
        let fake = Fake::new();
        fake.set(|state| state.ttl_ms = 0);
        fake.on(FORGOT, |_, answer| Some(answer));
        let client = fake.client().with_set_up(way).build().unwrap();
        let _ = client.call(&forgot("a@example.com")).await;
        assert!(fake.count(SESSION) <= 2 && fake.count(FORGOT) <= 2);

        // For ever, says the server: 24 hours.
        let fake = Fake::new();
        fake.set(|state| {
            state.ttl_ms = 1 << 62;
            state.cache_control = Some("max-age=999999999");
        });
        let client = fake.client().with_set_up(way).build().unwrap();
        client.call(&forgot("a@example.com")).await.unwrap();
        tokio::time::advance(Duration::from_secs(24 * 60 * 60 + 1)).await;
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!((fake.session_count(), fake.count(PUBLIC_KEY)), (2, 2), "{way:?}");
    }
}

/// A transport that ignores the cap.
struct Careless(Arc<Fake>, usize);

impl Transport for Careless {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        max: usize,
    ) -> Result<Response<Bytes>, TransportError> {
        let message = request.uri().path().ends_with("/forgot");
        let mut answer = self.0.send(request, max).await?;
        if message {
            let mut body = answer.body().to_vec();
            body.resize(self.1, 0);
            *answer.body_mut() = body.into();
        }
        Ok(answer)
    }
}

#[tokio::test]
async fn an_answer_longer_than_the_cap_is_refused_even_if_the_transport_lets_it_through() {
    let fake = Fake::new();
    for (len, too_large) in [(200_000 + 1_316, false), (200_000 + 1_317, true)] {
        let client = ScClient::builder("http://server.test/prefix")
            .with_transport(Careless(Arc::clone(&fake), len))
            .with_max_answer(200_000)
            .build()
            .unwrap();
        let error = client.call(&forgot("a@example.com")).await.unwrap_err();
        match error {
            ClientError::Transport(error) => {
                assert!(too_large && error.kind() == TransportErrorKind::TooLarge, "{error:?}");
            }
            error => assert!(!too_large && matches!(error, ClientError::NotOpened), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn no_error_shows_what_was_sent_or_what_came_back() {
    let fake = Fake::new();
    fake.on(FORGOT, |_, answer| Some(answer));
    let client = fake.client().build().unwrap();
    for email in ["invalid@private.example", "broken@private.example", "text@private.example"] {
        let error = client.call(&forgot(email)).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("private"), "{shown}");
    }
    let shown = format!("{client:?}");
    assert!(!shown.contains("fingerprint"), "{shown}");
    let _ = client.call(&Pay { amount: 1 }).await.unwrap();
}
