//! Handlers that take and return `Sealed`: out of reach for plaintext however they are routed, strict, and silent about
//! what they were sent.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, post};
use http::StatusCode;
use sc_core::code::Code;
use sc_core::retry::Repeatable;
use sc_std::language::Language;
use sc_std::message::Message;
use sc_std::server::{Channel, Reject, RouteKind, ScRouter, Sealed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use server_support::*;
use tower::ServiceExt;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangePassword {
    old_password: String,
    new_password: String,
    #[serde(default)]
    labels: HashMap<String, u8>,
}

#[derive(Serialize, Deserialize)]
struct Changed {
    success: bool,
}

impl Message for ChangePassword {
    const NAME: &'static str = "password.change";
    const PATH: &'static str = "/web/v1/system/auth/password/change";
    const REPEATABLE: Repeatable = Repeatable::No;
    type Answer = Changed;
}

/// A handler that counts how often it was reached.
fn change(reached: &Arc<AtomicUsize>) -> MethodRouter {
    let reached = Arc::clone(reached);
    any(move |channel: Channel, Sealed(request): Sealed<ChangePassword>| async move {
        reached.fetch_add(1, Ordering::Relaxed);
        assert!(channel.session.as_str().starts_with("sess_"));
        if request.new_password == request.old_password {
            return Err(Reject::invalid("newPassword"));
        }
        Ok(Sealed(Changed { success: request.labels.is_empty() }))
    })
}

const GOOD: &[u8] = br#"{"oldPassword":"a","newPassword":"b"}"#;

#[tokio::test]
async fn a_message_is_served_under_its_own_path_and_name() {
    let mut world = World::new();
    let reached = Arc::default();
    let routes = ScRouter::new(world.server.clone()).message::<ChangePassword>(change(&reached));
    assert_eq!(routes.routes().last(), Some(&(ChangePassword::PATH.to_owned(), RouteKind::Sealed)));
    world.app = routes.into_router();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    let reply = world.post(ChangePassword::PATH, &headers, peer.seal(GOOD)).await;
    let mut answer: Value = serde_json::from_slice(&peer.open(&reply)).unwrap();
    assert!(answer["timestamp"].is_u64());
    answer["timestamp"] = json!(0);
    let expected = json!({"version": "2.0.0", "timestamp": 0, "success": true, "code": "2000", "message": "SUCCESS",
        "data": {"success": true}});
    assert_eq!((reply.status, answer), (200, expected));
    let same = br#"{"oldPassword":"a","newPassword":"a"}"#;
    let reply = world.post(ChangePassword::PATH, &headers, peer.seal(same)).await;
    let answer: Value = serde_json::from_slice(&peer.open(&reply)).unwrap();
    assert_eq!((reply.status, &answer["message"]), (400, &json!("The request is not valid: newPassword")));
}

#[tokio::test]
async fn plaintext_reaches_no_such_handler_however_it_is_routed() {
    let world = World::new();
    let reached: Arc<AtomicUsize> = Arc::default();
    let layer = world.server.layer().with_protected(|_| false);
    let wrong: [Router; 4] = [
        ScRouter::new(world.server.clone()).plain("/change", change(&reached)).into_router(),
        ScRouter::new(world.server.clone()).exempt("/change", change(&reached)).into_router(),
        Router::new().route("/change", change(&reached)),
        Router::new().route("/change", change(&reached)).layer(layer),
    ];
    let peer = world.peer_in_session().await;
    for app in wrong {
        for method in ["POST", "PUT", "GET", "DELETE"] {
            for body in [GOOD.to_vec(), b"nonsense".to_vec(), vec![], peer.seal(GOOD)] {
                let headers =
                    [HASH, ("x-sc-session-id", &*peer.session), ("content-type", "application/json")];
                let response = app.clone().oneshot(request(method, "/change", &headers, body)).await.unwrap();
                assert_eq!(response.status(), 400);
                let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
                let json: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(json["code"], Code::InvalidPayload.as_str());
            }
        }
    }
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_channel_as_an_argument_refuses_plaintext_too() {
    let mut world = World::new();
    let tell = |channel: Channel| async move { channel.session.as_str().len().to_string() };
    world.app = ScRouter::new(world.server.clone())
        .plain("/plain", post(tell))
        .sealed("/sealed", "sealed", post(tell))
        .into_router();
    let reply = world.post("/plain", &[("accept-language", "ja")], vec![]).await;
    assert_eq!(reply.refusal(), refused(Code::InvalidPayload));
    assert_eq!(reply.message(), Language::Ja.message(Code::InvalidPayload));
    let peer = world.peer_in_session().await;
    let reply = world.post("/sealed", &[HASH, ("x-sc-session-id", &*peer.session)], peer.seal(b"")).await;
    assert_eq!(peer.open(&reply), b"37");
}

#[tokio::test]
async fn a_body_that_breaks_the_form_is_refused_by_the_name_of_its_property_and_nothing_else() {
    let mut world = World::new();
    let reached: Arc<AtomicUsize> = Arc::default();
    world.app = ScRouter::new(world.server.clone()).message::<ChangePassword>(change(&reached)).into_router();
    let peer = world.peer_in_session().await;
    let cases: [(&[u8], &str); 16] = [
        (b"", "the body is not a JSON object"),
        (b"[\"SECRET\",\"SECRET\"]", "the body is not a JSON object"),
        (b"\"SECRET\"", "the body is not a JSON object"),
        (b"{}", "oldPassword"),
        (br#"{"oldPassword":"SECRET"}"#, "newPassword"),
        (br#"{"oldPassword":"SECRET","newPassword":null}"#, "newPassword"),
        (br#"{"oldPassword":["SECRET"],"newPassword":"SECRET"}"#, "oldPassword"),
        (br#"{"oldPassword":{"SECRET":1},"newPassword":"SECRET"}"#, "oldPassword"),
        (br#"{"oldPassword":"SECRET","newPassword":7}"#, "newPassword"),
        (br#"{"oldPassword":"a","newPassword":"b","newPassword":"SECRET"}"#, "newPassword"),
        (br#"{"oldPassword":"a","newPassword":"b","labels":{"SECRET":"SECRET"}}"#, "labels"),
        (br#"{"oldPassword":"a","newPassword":"b","SECRET":"SECRET"}"#, "unknown property"),
        (br#"{"old_password":"SECRET","newPassword":"b"}"#, "unknown property"),
        (br#"{"oldPassword":"a","newPassword":"b"}SECRET"#, "bytes after the JSON object"),
        (br#"{"oldPassword":"a","newPassword":"b""#, "the body is not a JSON object"),
        (b"{\"oldPassword\":\"SECRET\xff\",\"newPassword\":\"b\"}", "the body is not UTF-8"),
    ];
    for (body, named) in cases {
        for language in [Language::En, Language::ZhHant] {
            let headers = [HASH, ("x-sc-session-id", &*peer.session), ("accept-language", language.tag())];
            let reply = world.post(ChangePassword::PATH, &headers, peer.seal(body)).await;
            let shown = String::from_utf8_lossy(body);
            let opened = peer.open(&reply);
            let json: Value = serde_json::from_slice(&opened).unwrap();
            assert_eq!((reply.status, &json["code"]), (400, &json!(Code::ValidationFailed)), "{shown}");
            assert_eq!(json["message"], *language.invalid(named), "{shown}");
            assert!(!opened.windows(6).any(|part| part == b"SECRET"), "{shown}");
        }
    }
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_sealed_result_never_leaves_in_the_clear() {
    let mut world = World::new();
    let tell = || async { Sealed("SECRET") };
    let dressed = || async { (StatusCode::CREATED, Sealed("SECRET")).into_response() };
    world.app = ScRouter::new(world.server.clone())
        .plain("/plain", any(tell))
        .exempt("/exempt", any(dressed))
        .sealed("/sealed", "sealed", post(dressed))
        .into_router();
    for path in ["/plain", "/exempt"] {
        for method in ["POST", "GET", "PUT"] {
            let reply = world.ask(method, path, &[], vec![]).await;
            assert_eq!(reply.refusal(), refused(Code::InternalError), "{path}");
            assert!(!reply.body.windows(6).any(|part| part == b"SECRET"));
        }
    }
    let layer = world.server.layer().with_protected(|_| false);
    let app = Router::new().route("/passed", any(tell)).layer(layer);
    let response = app.oneshot(request("POST", "/passed", &[], vec![])).await.unwrap();
    assert_eq!(response.status(), 500);
    let peer = world.peer_in_session().await;
    let reply = world.post("/sealed", &[HASH, ("x-sc-session-id", &*peer.session)], peer.seal(b"")).await;
    let json: Value = serde_json::from_slice(&peer.open(&reply)).unwrap();
    assert_eq!((reply.status, &json["data"]), (201, &json!("SECRET")));
}

#[tokio::test]
async fn a_limit_of_the_services_own_is_told_as_too_large() {
    let mut world = World::new();
    let reached = Arc::default();
    let small = change(&reached).layer(DefaultBodyLimit::max(10));
    world.app = ScRouter::new(world.server.clone()).message::<ChangePassword>(small).into_router();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    let reply = world.post(ChangePassword::PATH, &headers, peer.seal(GOOD)).await;
    let json: Value = serde_json::from_slice(&peer.open(&reply)).unwrap();
    assert_eq!((reply.status, &json["code"]), (413, &json!(Code::TooLarge)));
}

#[test]
fn debug_output_shows_no_content() {
    assert_eq!(format!("{:?}", Sealed("secret")), "Sealed(..)");
}
