//! Answers in the language of the request: plain and sealed, the channel's own and those of handlers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::post;
use http::{HeaderValue, StatusCode};
use sc_core::code::Code;
use sc_std::language::Language;
use sc_std::message::{EmailHashKey, ForgotPassword};
use sc_std::reset::{KnownAddresses, Outbox, ResetConfig, ResetLink, ResetTokens, ResetWorker};
use sc_std::server::{ForgotPasswordEndpoint, Reject, ScRouter};
use sc_std::store::Store;
use serde_json::{Value, json};
use server_support::*;
use tower::{Layer, ServiceExt};

fn saying(tag: &'static str) -> (&'static str, &'static str) {
    ("accept-language", tag)
}

/// Code, message and `Content-Language` of a plain error answer.
fn said(reply: &Reply) -> (String, String, Option<&str>) {
    let (_, code) = reply.refusal();
    (code, reply.message(), reply.header("content-language"))
}

fn expected(code: Code, language: Language) -> (String, String, Option<&'static str>) {
    (code.as_str().to_owned(), language.message(code).to_owned(), Some(language.tag()))
}

/// An opened answer.
fn opened(peer: &Peer, reply: &Reply) -> Value {
    serde_json::from_slice(&peer.open(reply)).unwrap()
}

#[tokio::test]
async fn plain_refusals_are_in_the_language_of_the_request_and_codes_in_none() {
    let world = World::new();
    for language in Language::ALL {
        let tag = saying(language.tag());
        for (method, path, headers, code) in [
            ("POST", "/nowhere", vec![], Code::NotFound),
            ("PUT", ECHO, vec![], Code::MethodNotAllowed),
            ("GET", SESSION, vec![], Code::MethodNotAllowed),
            ("POST", ECHO, vec![HASH], Code::InvalidPayload),
            ("POST", ECHO, vec![HASH, ("x-sc-version", "7")], Code::UnsupportedVersion),
            ("POST", ECHO, vec![HASH, ("content-length", "99999999")], Code::TooLarge),
        ] {
            let headers: Vec<_> = headers.into_iter().chain([tag]).collect();
            let reply = world.ask(method, path, &headers, vec![]).await;
            assert_eq!(said(&reply), expected(code, *language), "{method} {path}");
        }
        let lost = world.peer().seal(b"x");
        let reply = world.post(ECHO, &[HASH, tag], lost).await;
        assert_eq!(said(&reply), expected(Code::SessionNotFound, *language));
        let unknown = br#"{"keyId":"unknown","encReqKey":"QQ==","encRespKey":"QQ=="}"#;
        let reply = world.post(SESSION, &[HASH, tag], unknown.to_vec()).await;
        assert_eq!(said(&reply), expected(Code::InvalidKeyId, *language));
    }
}

#[tokio::test]
async fn a_validation_failure_names_the_header_untranslated_and_a_close_wants_its_id() {
    let world = World::new();
    for language in Language::ALL {
        let tag = saying(language.tag());
        let reply = world.post(ECHO, &[tag], vec![]).await;
        assert_eq!(reply.message(), language.invalid("header X-Client-Hash"));
        let reply = world.post(CLOSE, &[tag], vec![]).await;
        assert_eq!(reply.refusal(), refused(Code::ValidationFailed));
        assert_eq!(reply.header("content-language"), Some(language.tag()));
        let english = reply.message() == "Session ID header is required";
        assert_eq!(english, *language == Language::En, "{}", reply.message());
    }
}

#[tokio::test]
async fn english_answers_anybody_who_asks_for_nothing_or_for_nothing_there_is() {
    let world = World::new();
    for tag in ["*", "fr", "", "ja;q=7", "ja, v!"] {
        let reply = world.post("/nowhere", &[saying(tag)], vec![]).await;
        assert_eq!(said(&reply), expected(Code::NotFound, Language::En), "{tag}");
    }
    let reply = world.post("/nowhere", &[], vec![]).await;
    assert_eq!(said(&reply), expected(Code::NotFound, Language::En));
    let mut bytes = request("POST", "/nowhere", &[], vec![]);
    bytes.headers_mut().insert("accept-language", HeaderValue::from_bytes(b"ja\xff").unwrap());
    assert_eq!(said(&world.send(bytes).await), expected(Code::NotFound, Language::En));
    let two = [saying("vi;q=0.3"), saying("zh-TW;q=0.9")];
    assert_eq!(said(&world.post("/nowhere", &two, vec![]).await), expected(Code::NotFound, Language::ZhHant));
}

#[tokio::test]
async fn a_handlers_errors_are_sealed_in_the_language_of_the_request() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    for language in Language::ALL {
        let headers = [HASH, ("x-sc-session-id", &*peer.session), saying(language.tag())];
        for (path, code) in [("/limited", Code::RateLimited), ("/long", Code::InternalError)] {
            let reply = world.post(path, &headers, peer.seal(b"x")).await;
            assert_eq!(reply.status, code.http_status());
            assert_eq!(reply.header("content-language"), Some(language.tag()));
            let json = opened(&peer, &reply);
            assert_eq!((&json["code"], &json["message"]), (&json!(code), &json!(language.message(code))));
            assert_eq!(json["version"], "2.0.0");
        }
        let limited = world.post("/limited", &headers, peer.seal(b"x")).await;
        assert_eq!(limited.header("retry-after"), Some("17"), "the handler's headers stay");
    }
    let headers = [HASH, ("x-sc-session-id", &*peer.session), saying("ja")];
    let reply = world.post(ECHO, &headers, peer.seal(b"x")).await;
    assert_eq!((reply.header("content-language"), &*peer.open(&reply)), (None, &b"x"[..]), "not ours to say");
}

/// Handlers whose errors are dressed up, or in words of their own.
fn dressed(world: &World) -> ScRouter<sc_std::store::MemoryStore> {
    let dressed = || async {
        (StatusCode::IM_A_TEAPOT, [("x-mine", "kept")], Reject::new(Code::PermissionDenied)).into_response()
    };
    let own = || async { Reject::with_message(Code::NotFound, "No such order") };
    ScRouter::new(world.server.clone())
        .sealed("/dressed", "dressed", post(dressed))
        .sealed("/own", "own", post(own))
        .plain("/plain/dressed", post(dressed))
        .plain("/plain/own", post(own))
}

#[tokio::test]
async fn status_and_headers_that_a_handler_chose_stay_and_so_do_its_own_words() {
    let mut world = World::new();
    world.app = dressed(&world).into_router();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session), saying("vi")];
    let reply = world.post("/dressed", &headers, peer.seal(b"x")).await;
    assert_eq!((reply.status, reply.header("x-mine")), (418, Some("kept")));
    assert_eq!(opened(&peer, &reply)["message"], Language::Vi.message(Code::PermissionDenied));
    let reply = world.post("/own", &headers, peer.seal(b"x")).await;
    assert_eq!((reply.status, reply.header("content-language")), (404, None));
    assert_eq!(opened(&peer, &reply)["message"], "No such order");
}

#[tokio::test]
async fn plain_routes_speak_the_language_too_and_lengths_are_right() {
    let mut world = World::new();
    world.app = dressed(&world).into_router();
    let reply = world.post("/plain/dressed", &[saying("zh")], vec![]).await;
    assert_eq!((reply.status, reply.header("x-mine")), (418, Some("kept")));
    assert_eq!(reply.message(), Language::Zh.message(Code::PermissionDenied));
    let length = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
    assert!(length.is_none_or(|length| length == reply.body.len()), "{reply:?}");
    assert_eq!(world.post("/plain/own", &[saying("zh")], vec![]).await.message(), "No such order");
}

#[tokio::test]
async fn the_bare_layer_speaks_the_language_where_it_passes_requests_on() {
    let world = World::new();
    let layer = world.server.layer().with_protected(|parts| parts.uri.path() != "/open");
    let inner = tower::service_fn(|_: http::Request<Body>| async {
        Ok::<_, std::convert::Infallible>(Reject::new(Code::PermissionDenied).into_response())
    });
    let service = layer.layer(inner);
    for (path, code) in [("/open", Code::PermissionDenied), ("/closed", Code::InvalidPayload)] {
        let request = request("POST", path, &[HASH, saying("zh-Hant")], vec![]);
        let response = service.clone().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["message"], Language::ZhHant.message(code), "{path}");
    }
}

#[tokio::test]
async fn a_handler_can_ask_for_the_language() {
    let mut world = World::new();
    let tell = |language: Language| async move { Json(language.tag()) };
    world.app = ScRouter::new(world.server.clone()).plain("/tell", post(tell)).into_router();
    assert_eq!(world.post("/tell", &[saying("zh-HK")], vec![]).await.json(), "zh-Hant");
}

#[tokio::test]
async fn forgot_password_answers_known_and_unknown_alike_in_every_language() {
    let mut world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let worker = ResetWorker::spawn(
        ResetConfig::new(ResetLink::parse("https://example.com/reset").unwrap()),
        KnownAddresses::parse("known00@example.com").unwrap(),
        Outbox::create(folder.path(), "Service <no-reply@example.com>").unwrap(),
        Arc::new(ResetTokens::new(900_000, 1000)),
        world.clock.clone(),
    );
    let limit = |name| world.server.store().limiter(name, sc_std::rate_limit::Limit::new(2, 100_000));
    let endpoint = ForgotPasswordEndpoint::new(
        limit("address"),
        limit("email"),
        EmailHashKey::derive(&[7; 32]),
        worker.queue().clone(),
    );
    world.app = ScRouter::new(world.server.clone())
        .message::<ForgotPassword>(endpoint.with_clock(world.clock.clone()).into_route())
        .into_router();
    let peer = world.peer_in_session().await;
    let mut told = Vec::new();
    for language in Language::ALL {
        world.clock.advance(100_000);
        let ask = async |body: Value| {
            let headers = [HASH, ("x-sc-session-id", &*peer.session), saying(language.tag())];
            world.post(FORGOT, &headers, peer.seal(body.to_string().as_bytes())).await
        };
        let invalid = ask(json!({"email": 7})).await;
        assert_eq!(opened(&peer, &invalid)["message"], *language.invalid("email"));
        let known = ask(json!({"email": "known00@example.com"})).await;
        let unknown = ask(json!({"email": "unknown@example.com"})).await;
        assert_eq!((known.status, known.body.len()), (200, unknown.body.len()));
        assert_eq!(known.header("content-language"), Some(language.tag()));
        assert_eq!(peer.open(&known), peer.open(&unknown));
        let json = opened(&peer, &known);
        assert_eq!((&json["message"], &json["data"]["success"]), (&json!("SUCCESS"), &json!(true)));
        told.push(json["data"]["message"].as_str().unwrap().to_owned());
        let limited = ask(json!({"email": "another@example.com"})).await;
        assert_eq!(opened(&peer, &limited)["message"], language.message(Code::RateLimited));
    }
    assert_eq!(told[0], "If the email exists, a reset link will be sent");
    told.sort();
    told.dedup();
    assert_eq!(told.len(), Language::ALL.len());
}
