//! A whole server without a socket, and a peer that builds every byte it sends by hand.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

pub mod gate;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use axum::{Router, body};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::code::Code;
use sc_core::id::UnixMillis;
use sc_core::secret::{RequestKey, ResponseKey};
use sc_std::clock::{Clock, ManualClock};
use sc_std::keys::{KeyRing, Pkcs8, PrivateKey};
use sc_std::provider::{AwsLcAead, AwsLcPublicKey, KeyWrap};
use sc_std::rng::SystemSeeded;
use sc_std::server::{PeerAddress, Reject, ScRouter, ScServer, ScServerBuilder};
use sc_std::store::{MemoryStore, StoreOptions};
use serde_json::{Value, json};
use tower::ServiceExt;

pub const PUBLIC_KEY: &str = "/web/v1/secure-channel/public-key";
pub const SESSION: &str = "/web/v1/secure-channel/session";
pub const CLOSE: &str = "/web/v1/secure-channel/session/close";
pub const FORGOT: &str = "/web/v1/system/auth/password/forgot";
pub const ECHO: &str = "/echo";
pub const DEVICE: &str = "fingerprint-of-a-phone";
pub const HASH: (&str, &str) = ("x-client-hash", DEVICE);
pub const START: UnixMillis = UnixMillis(1_795_467_600_000);
pub const JSON: &str = "application/json;charset=UTF-8";

type Builder = ScServerBuilder<MemoryStore, AwsLcAead>;

/// A server on a clock that stands still.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<ManualClock>,
    pub server: ScServer<MemoryStore>,
    pub app: Router,
}

impl World {
    pub fn new() -> Self {
        Self::with(StoreOptions::default(), |builder| builder)
    }

    pub fn with(options: StoreOptions, change: impl FnOnce(Builder) -> Builder) -> Self {
        Self::on(Arc::new(fixed_keys(1)), options, change)
    }

    pub fn on(keys: Arc<KeyRing>, options: StoreOptions, change: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let builder = ScServer::builder(keys, MemoryStore::new(options)).with_clock(clock.clone());
        let server = change(builder).build();
        let app = routes(&server).into_router();
        Self { clock, server, app }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        Reply::of(self.app.clone().oneshot(request).await.unwrap()).await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        self.send(request(method, path, headers, body)).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        self.ask("POST", path, headers, body).await
    }

    /// A peer with two new keys, wrapped under the published RSA key.
    pub fn peer(&self) -> Peer {
        Peer::new(&self.server.keys().published(self.clock.now()).unwrap())
    }

    /// A peer with a session in the plain profile.
    pub async fn peer_in_session(&self) -> Peer {
        let mut peer = self.peer();
        let reply = self.post(SESSION, &[HASH], peer.set_up()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        peer.session = reply.json()["data"]["sessionId"].as_str().unwrap().to_owned();
        peer
    }

    /// Sends sealed bytes in a session to the echo route.
    pub async fn echo(&self, peer: &Peer, sealed: Vec<u8>) -> Reply {
        self.post(ECHO, &[HASH, ("x-sc-session-id", &peer.session), ("x-sc-version", "2")], sealed).await
    }

    /// Whether a new message of this peer is answered.
    pub async fn is_alive(&self, peer: &Peer) -> bool {
        let reply = self.echo(peer, peer.seal(b"alive?")).await;
        reply.status == 200 && peer.open(&reply) == b"alive?"
    }
}

/// Routes that show what the channel does to answers.
pub fn routes(server: &ScServer<MemoryStore>) -> ScRouter<MemoryStore> {
    ScRouter::new(server.clone())
        .sealed(ECHO, "echo", post(|body: Bytes| async { body }))
        .sealed("/any", "any", any(|body: Bytes| async { body }))
        .sealed(
            "/status/{code}",
            "status",
            post(|Path(code): Path<u16>| async move { (StatusCode::from_u16(code).unwrap(), "said") }),
        )
        .sealed(
            "/empty/{code}",
            "empty",
            post(|Path(code): Path<u16>| async move { StatusCode::from_u16(code).unwrap() }),
        )
        .sealed("/limited", "limited", post(|| async { Reject::rate_limited(17) }))
        .sealed("/broken", "broken", post(|| async { Reject::new(Code::InternalError) }))
        .sealed("/long", "long", post(|| async { vec![b'x'; 2 << 20] }))
        .sealed("/cut", "cut", post(|| async { Body::new(BrokenOff) }))
        .sealed(
            "/head",
            "head",
            post(|headers: HeaderMap| async move {
                let shown =
                    headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
                shown.collect::<String>().into_response()
            }),
        )
        .plain("/healthz", get(|| async { "ok\n" }))
}

/// A body that fails.
struct BrokenOff;

impl body::HttpBody for BrokenOff {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(Err(std::io::Error::other("as the test wants"))))
    }
}

/// The first keys of the vectors, as keys that do not expire.
pub fn fixed_keys(count: usize) -> KeyRing {
    KeyRing::from_keys(vector_keys().take(count).collect(), START).unwrap()
}

pub fn fixed_key() -> Box<dyn PrivateKey> {
    vector_keys().next().unwrap()
}

pub fn vector_keys() -> impl Iterator<Item = Box<dyn PrivateKey>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../sc-core/vectors/keys.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let keys = vectors["keys"].as_array().unwrap().clone();
    keys.into_iter().map(|key| {
        let hex = key["pkcs8_der"].as_str().unwrap();
        let der: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        Pkcs8::from_der(&der).unwrap().into_aws_lc().unwrap()
    })
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// The same request from another address.
pub fn from_address(mut request: Request<Body>, address: &str) -> Request<Body> {
    request.extensions_mut().insert(PeerAddress(SocketAddr::new(address.parse().unwrap(), 1)));
    request
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    async fn of(response: http::Response<Body>) -> Self {
        let (head, sent) = response.into_parts();
        let body = body::to_bytes(sent, usize::MAX).await.unwrap();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not plain JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn is_sealed(&self) -> bool {
        self.body.starts_with(&[0x53, 0x43, 2, 129])
    }

    /// Status and code of a plain refusal, whose form is checked.
    pub fn refusal(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["version"], "2.0.0", "{json}");
        assert_eq!(json["success"], false, "{json}");
        assert_eq!(json["data"], Value::Null, "{json}");
        assert!(json["timestamp"].is_u64() && json["message"].is_string(), "{json}");
        assert_eq!(self.header("content-type"), Some(JSON), "{json}");
        assert_eq!(self.header("cache-control"), Some("no-store, no-transform"), "{json}");
        assert!(self.header("x-request-id").is_some_and(|id| id.len() == 36), "{json}");
        (self.status, json["code"].as_str().unwrap().to_owned())
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }
}

/// A code with its status, as [`Reply::refusal`] gives it.
pub fn refused(code: Code) -> (u16, String) {
    (code.http_status(), code.as_str().to_owned())
}

/// A client that knows its own keys, so that it can do what an honest one never does.
pub struct Peer {
    pub request_key: [u8; 32],
    pub response_key: [u8; 32],
    pub key_id: String,
    pub wrapped: [Vec<u8>; 2],
    pub session: String,
}

impl Peer {
    pub fn new(info: &sc_std::keys::PublicKeyInfo) -> Self {
        Self::of_key(info.key_id.as_str(), &info.spki_der)
    }

    pub fn of_key(key_id: &str, spki_der: &[u8]) -> Self {
        let (mut request_key, mut response_key) = ([0; 32], [0; 32]);
        rand_core::Rng::fill_bytes(&mut SystemSeeded, &mut request_key);
        rand_core::Rng::fill_bytes(&mut SystemSeeded, &mut response_key);
        let wrapped = [request_key, response_key].map(|key| wrap(spki_der, &key));
        Self { request_key, response_key, key_id: key_id.to_owned(), wrapped, session: String::new() }
    }

    /// A peer with these bytes where wrapped keys should be.
    pub fn of_wrapped(key_id: &str, wrapped: [Vec<u8>; 2]) -> Self {
        let [request_key, response_key] = [[1; 32], [2; 32]];
        Self { request_key, response_key, key_id: key_id.to_owned(), wrapped, session: String::new() }
    }

    /// The body of the session request.
    pub fn set_up(&self) -> Vec<u8> {
        let [request, response] = self.wrapped.each_ref().map(|key| base64(key));
        json!({"keyId": self.key_id, "encReqKey": request, "encRespKey": response}).to_string().into_bytes()
    }

    /// A type 1 envelope in the plain profile.
    pub fn first(&self, plaintext: &[u8]) -> Vec<u8> {
        let mut out = vec![0x53, 0x43, 2, 1, u8::try_from(self.key_id.len()).unwrap()];
        out.extend(self.key_id.as_bytes());
        for key in &self.wrapped {
            out.extend(u16::try_from(key.len()).unwrap().to_be_bytes());
            out.extend(key);
        }
        out.extend(&self.seal(plaintext)[4..]);
        out
    }

    fn sealer(&self) -> Sealer<AwsLcAead> {
        let key = RequestKey::from_bytes(self.request_key);
        Sealer::for_requests(&key, IvMode::Random, &mut SystemSeeded).unwrap()
    }

    pub fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let mut out = vec![0; plaintext.len() + 32];
        self.sealer().seal_into(&mut SystemSeeded, plaintext, &mut out).unwrap();
        out
    }

    pub fn seal_with_iv(&self, iv: u64, plaintext: &[u8]) -> Vec<u8> {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&iv.to_be_bytes());
        let mut out = vec![0; plaintext.len() + 32];
        self.sealer().seal_with_iv(bytes, plaintext, &mut out).unwrap();
        out
    }

    /// Opens a sealed answer in the plain profile.
    pub fn open(&self, reply: &Reply) -> Vec<u8> {
        assert!(reply.is_sealed(), "{reply:?}");
        let opener = Opener::<AwsLcAead>::for_responses(&ResponseKey::from_bytes(self.response_key)).unwrap();
        opener.open(&mut reply.body.to_vec()).unwrap().to_vec()
    }
}

pub fn wrap(spki: &[u8], key: &[u8]) -> Vec<u8> {
    let public = AwsLcPublicKey::from_spki(spki).unwrap();
    let mut out = vec![0; public.modulus_bits() / 8];
    public.wrap(&mut SystemSeeded, key.try_into().unwrap(), &mut out).unwrap();
    out
}

pub fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Long enough for anything that does happen, short enough to see that something does not.
pub const SOON: Duration = Duration::from_secs(20);
