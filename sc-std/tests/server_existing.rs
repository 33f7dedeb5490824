//! A service that exists takes the channel in, in each of the ways that the guides name, and the crate's own client calls it.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use sc_std::client::{ClientError, ScClient, Transport, TransportError, TransportErrorKind};
use sc_std::keys::KeyRing;
use sc_std::message::{Message, Repeatable};
use sc_std::server::{PeerAddress, ScRouter, ScServer, Sealed};
use sc_std::store::MemoryStore;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

#[derive(Serialize, Deserialize)]
struct SetPin {
    pin: String,
}

impl Message for SetPin {
    const NAME: &'static str = "pin.set";
    const PATH: &'static str = "/pin";
    const REPEATABLE: Repeatable = Repeatable::Yes;
    type Answer = String;
}

/// The same, named by its path.
#[derive(Serialize)]
struct ByPath {
    pin: String,
}

impl Message for ByPath {
    const NAME: &'static str = "/pin";
    const PATH: &'static str = "/pin";
    const REPEATABLE: Repeatable = Repeatable::Yes;
    type Answer = String;
}

async fn set_pin(State(greeting): State<&'static str>, Sealed(request): Sealed<SetPin>) -> Sealed<String> {
    Sealed(format!("{greeting} {}", request.pin.len()))
}

/// What checks tokens in the service, and answers in a form of its own.
async fn check(request: Request, next: Next) -> Response {
    match request.headers().get(AUTHORIZATION) {
        Some(token) if token == "Bearer ada" => next.run(request).await,
        _ => (StatusCode::UNAUTHORIZED, Json(serde_json::json!({ "error": "no token" }))).into_response(),
    }
}

fn existing() -> Router {
    Router::new()
        .route("/old", get(|| async { "as ever" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not here") })
}

fn server() -> ScServer<MemoryStore> {
    ScServer::builder(KeyRing::daily().unwrap(), MemoryStore::default()).build()
}

/// Requests to a router without a socket.
#[derive(Clone)]
struct To(Router);

impl To {
    async fn ask(&self, mut request: http::Request<Bytes>) -> http::Response<Bytes> {
        request.extensions_mut().insert(PeerAddress(SocketAddr::from(([127, 0, 0, 1], 1))));
        let (head, body) = self.0.clone().oneshot(request.map(Body::from)).await.unwrap().into_parts();
        http::Response::from_parts(head, to_bytes(body, usize::MAX).await.unwrap())
    }

    async fn old(&self) -> (StatusCode, Bytes) {
        let answer = self.ask(http::Request::get("/old").body(Bytes::new()).unwrap()).await;
        (answer.status(), answer.into_body())
    }
}

impl Transport for To {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        max_body: usize,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let answer = self.ask(request).await;
        if answer.body().len() > max_body {
            return Err(TransportError::new(TransportErrorKind::TooLarge));
        }
        Ok(answer)
    }
}

/// The service works as before, and its one message with a token, by its name or by its path.
async fn works(app: Router, prefix: &str, by_path: bool) {
    let to = To(app);
    assert_eq!(to.old().await, (StatusCode::OK, Bytes::from("as ever")));
    let client =
        ScClient::builder(format!("http://server.test{prefix}")).with_transport(to.clone()).build().unwrap();
    let ada = client.with_header("authorization", "Bearer ada").unwrap();
    let ask = async |client: &ScClient| match by_path {
        true => client.call(&ByPath { pin: "1234".to_owned() }).await,
        false => client.call(&SetPin { pin: "1234".to_owned() }).await,
    };
    assert_eq!(ask(&ada).await.unwrap(), "hello 4");
    // What stands inside the channel answers as it always did, sealed.
    let refused = ask(&client).await.unwrap_err();
    let ClientError::Server { answer } = &refused else { panic!("{refused:?}") };
    assert_eq!((answer.status(), answer.is_sealed(), answer.code()), (401, true, ""));
    assert_eq!(answer.json(), br#"{"error":"no token"}"#);
    // In the clear nothing of it is reached.
    let plain = http::Request::post(format!("{prefix}/pin")).header("authorization", "Bearer ada");
    let plain = plain.header("x-client-hash", "x").header("content-type", "application/json");
    let answer = to.ask(plain.body(Bytes::from(r#"{"pin":"1234"}"#)).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    client.close().await.unwrap();
}

fn routes() -> ScRouter<MemoryStore> {
    let handler = post(set_pin).layer(from_fn(check)).with_state("hello");
    ScRouter::new(server()).message::<SetPin>(handler)
}

#[tokio::test]
async fn a_router_without_a_fallback_is_merged() {
    let existing = Router::new().route("/old", get(|| async { "as ever" }));
    works(routes().into_router().merge(existing), "", false).await;
}

#[tokio::test]
async fn a_router_with_a_fallback_nests_the_channel_or_falls_back_to_it() {
    works(existing().nest("/sealed", routes().into_router()), "/sealed", false).await;
    let without = Router::new().route("/old", get(|| async { "as ever" }));
    works(without.fallback_service(routes().into_router()), "", false).await;
}

#[tokio::test]
async fn a_whole_router_is_wrapped_and_says_what_is_protected() {
    let app = existing().route("/pin", post(set_pin).layer(from_fn(check)).with_state("hello"));
    works(app.layer(server().layer().with_protected(|request| request.uri.path() == "/pin")), "", true).await;
}

#[tokio::test]
async fn a_single_route_is_wrapped_under_a_registered_name() {
    let server = server();
    let sealed = server.layer().without_endpoints().with_message_name(SetPin::NAME);
    let checked: MethodRouter<&'static str> = post(set_pin).layer(from_fn(check));
    let app = existing().route("/pin", checked.layer(sealed).with_state("hello"));
    works(app.layer(server.layer().with_protected(|_| false)), "", false).await;
}

#[tokio::test]
async fn a_check_of_tokens_outside_of_the_channel_refuses_set_ups() {
    let to = To(routes().into_router().layer(from_fn(check)));
    let client = ScClient::builder("http://server.test").with_transport(to).build().unwrap();
    let ada = client.with_header("authorization", "Bearer ada").unwrap();
    let refused = ada.call(&SetPin { pin: "1234".to_owned() }).await.unwrap_err();
    assert!(matches!(refused, ClientError::SetUp(_)), "{refused:?}");
    assert!(!refused.may_have_executed());
}
