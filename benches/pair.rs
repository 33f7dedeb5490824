//! A service with one handler, plain and behind the channel, and clients of it without a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::routing::post;
use axum::{Json, Router};
use http::{Request, Response, StatusCode};
use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::document::{PublicKeyDocument, ReceivedAnswer, SessionAnswer};
use sc_core::id::{MessageName, Ticks, UnixMillis};
use sc_core::session::{Pending, Session};
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::KeyRing;
use sc_std::names::{CLIENT_HASH, PUBLIC_KEY_PATH, SESSION_ID, SESSION_PATH, VERSION};
use sc_std::provider::AwsLc;
use sc_std::rate_limit::Limit;
use sc_std::rng::SystemSeeded;
use sc_std::server::{PeerAddress, ScRouter, ScServer};
use sc_std::store::MemoryStore;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

/// Where the handler is, also the name of its message.
pub const PATH: &str = "/echo";
/// What every client says it is.
pub const DEVICE: &str = "0123456789abcdef0123456789abcdef";
/// The client's clock stands still: no session grows old within a measurement.
const START: Ticks = Ticks(0);

/// What the handler reads and writes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Text {
    /// As long as it takes.
    pub text: String,
}

impl Text {
    /// JSON of exactly `len` bytes, at least 11.
    #[must_use]
    pub fn json(len: usize) -> Vec<u8> {
        let text = Self { text: "x".repeat(len.saturating_sub(br#"{"text":""}"#.len())) };
        serde_json::to_vec(&text).unwrap()
    }
}

async fn echo(Json(text): Json<Text>) -> Json<Text> {
    Json(text)
}

/// The handler in plain JSON, as axum has it.
pub fn plain() -> Router {
    Router::new().route(PATH, post(echo))
}

/// The same handler behind the channel, over a memory store.
pub fn sealed() -> Router {
    let keys = KeyRing::in_memory(2048, 24 * 60 * 60 * 1000, SystemClock::new().now()).unwrap();
    // Every client has one address here.
    let limit = Limit::new(u32::MAX, 60_000);
    let server = ScServer::builder(Arc::new(keys), MemoryStore::default()).with_set_up_limit(limit).build();
    ScRouter::new(server).sealed(PATH, PATH, post(echo)).into_router()
}

/// Sets up a session in the plain or the bound profile.
pub async fn connect(app: &Router, profile: ProfileChoice) -> Session<AwsLc> {
    let mut client = Client::<AwsLc>::new(ClientOptions::default().with_profile(profile));
    let key: ReceivedAnswer<PublicKeyDocument> =
        ask(app, Request::get(PUBLIC_KEY_PATH).body(Body::empty()).unwrap()).await;
    client.accept_key(&key.data.unwrap(), START, u64::MAX).unwrap();
    let (request, awaiting) = client.begin(&mut SystemSeeded).unwrap();
    let request = Request::post(SESSION_PATH)
        .header(CLIENT_HASH, DEVICE)
        .header("content-type", "application/json")
        .body(Body::from(serde_json::to_vec(&request).unwrap()))
        .unwrap();
    let answer: ReceivedAnswer<SessionAnswer> = ask(app, request).await;
    let said_at = UnixMillis(answer.timestamp.unwrap());
    awaiting.accept(&answer.data.unwrap(), said_at, START).unwrap()
}

async fn ask<T: DeserializeOwned>(app: &Router, request: Request<Body>) -> ReceivedAnswer<T> {
    let response = call(app, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_slice(&body(response).await).unwrap()
}

/// Gives the service one request, as from an address of its own.
pub async fn call(app: &Router, mut request: Request<Body>) -> Response<Body> {
    request.extensions_mut().insert(PeerAddress(SocketAddr::from(([127, 0, 0, 1], 1))));
    app.clone().oneshot(request).await.unwrap()
}

/// Reads an answer's body.
pub async fn body(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), usize::MAX).await.unwrap().into()
}

/// Seals `json` and gives the envelope, with what opens the answer.
pub fn seal<'s>(session: &'s Session<AwsLc>, json: &[u8]) -> (Vec<u8>, Pending<'s, AwsLc>) {
    let mut envelope = vec![0; Session::<AwsLc>::sealed_len(json.len())];
    let name = MessageName::new(PATH).unwrap();
    let pending = session.seal_into(&mut SystemSeeded, START, name, json, &mut envelope).unwrap();
    (envelope, pending)
}

/// A request with this body: sealed, of this session, or plain.
pub fn request(session: Option<&Session<AwsLc>>, body: Vec<u8>) -> Request<Body> {
    let mut request = Request::post(PATH);
    request = match session {
        None => request.header("content-type", "application/json"),
        Some(session) => request
            .header("content-type", "application/octet-stream")
            .header(CLIENT_HASH, DEVICE)
            .header(VERSION, "2")
            .header(SESSION_ID, session.id().as_str()),
    };
    request.header("content-length", body.len()).body(Body::from(body)).unwrap()
}
