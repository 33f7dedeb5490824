//! The server under test, without a socket: handlers that note what reached them, and RSA that hides nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{ETAG, HeaderName, HeaderValue, LAST_MODIFIED};
use http::{Request, StatusCode};
use pkcs1::{RsaPublicKey, UintRef};
use sc_core::fuzzing::{Clear, Count, Input};
use sc_core::id::UnixMillis;
use sc_core::provider::KeyUnwrap;
use sc_core::rustcrypto::Aes256GcmKey;
use sc_core::server::BoundPolicy;
use spki::der::asn1::BitStringRef;
use spki::der::{AnyRef, Encode};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use tower_layer::Layer;
use tower_service::Service;

use crate::clock::ManualClock;
use crate::keys::{KeyRing, RemoteKey, ServerKey, UnwrapFuture};
use crate::rate_limit::Limit;
use crate::server::{Channel, Reject, ScRouter, ScServer, Sealed};
use crate::store::{MemoryStore, StoreOptions};

/// In every plaintext, and so in no answer that is plain.
pub(super) const SECRET: &str = "s3cret";
pub(super) const PORTAL_CODE: &str = "portal";
pub(super) const ECHO: &str = "/sealed/echo";
pub(super) const TYPED: &str = "/sealed/typed";
/// In the clear: whoever asks here expects no secrecy.
pub(super) const PLAIN: &str = "/plain";
pub(super) const PATHS: [&str; 8] =
    [ECHO, TYPED, PLAIN, "/wrong/argument", "/wrong/answer", "/healthz", "/sealed/none", "*"];
/// Longest plaintext of a server with narrow bounds, and the length of an answer above it, in bytes.
const NARROW: usize = 320;
const LONG: usize = 400;
/// Time of this process counts for nothing.
const HOUR: Duration = Duration::from_secs(3600);

/// How the server is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// The bare layer in front of a router of axum, instead of [`ScRouter`].
    pub(super) bare: bool,
    pub(super) text: bool,
    pub(super) inline: bool,
    pub(super) portal: bool,
    pub(super) cdn: bool,
    /// So little room that every bound is met.
    pub(super) narrow: bool,
    pub(super) bound: BoundPolicy,
}

impl Setting {
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        let bits = input.byte();
        let bit = |at: u8| bits >> at & 1 == 1;
        let bound = match bits >> 6 {
            0 | 1 => BoundPolicy::Offered,
            2 => BoundPolicy::Off,
            _ => BoundPolicy::Required,
        };
        let (bare, text, inline) = (bit(0), bit(1), !bit(2));
        Self { bare, text, inline, portal: bit(3), cdn: bit(4), narrow: bit(5), bound }
    }

    /// The name under which a message to a path is sealed.
    pub(super) fn name(self, path: &'static str) -> &'static str {
        match path {
            ECHO if !self.bare => "echo",
            TYPED if !self.bare => "typed",
            path => path,
        }
    }
}

/// What reached a handler behind the channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) path: &'static str,
    pub(super) text: Vec<u8>,
}

/// Notes of all handlers.
#[derive(Debug, Clone, Default)]
pub(super) struct Hits(Arc<Mutex<Vec<Hit>>>);

impl Hits {
    fn note(&self, path: &'static str, text: &[u8]) {
        let hit = Hit { path, text: text.to_vec() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(hit);
    }

    pub(super) fn take(&self) -> Vec<Hit> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A service, as one router of axum.
pub(super) fn router(setting: Setting, clock: &Arc<ManualClock>, now: UnixMillis, hits: &Hits) -> Router {
    let key = ServerKey::remote(ClearKey { spki: spki() });
    let keys = KeyRing::from_keys(vec![key], now).expect("a key of 2048 bits");
    let mut options = StoreOptions::default();
    if setting.narrow {
        options = options.with_max_sessions(3).with_max_claims(6).with_max_ledger_hashes(10);
    }
    let mut builder = ScServer::builder(Arc::new(keys), MemoryStore::new(options))
        .with_aead::<Aes256GcmKey>()
        .with_clock(Arc::clone(clock) as _)
        .with_body_timeout(HOUR)
        .with_remote_key_timeout(HOUR)
        .with_bound(setting.bound);
    if setting.text {
        builder = builder.with_text_envelope();
    }
    if !setting.inline {
        builder = builder.without_inline();
    }
    if setting.portal {
        builder = builder.with_portal_access_code(HeaderValue::from_static(PORTAL_CODE));
    }
    if setting.cdn {
        let header = HeaderName::from_static("cf-connecting-ip");
        builder = builder.with_required_cdn_headers().with_client_ip_header(header);
    }
    if setting.narrow {
        builder = builder.with_max_plaintext(NARROW).with_set_up_limit(Limit::new(5, 60_000));
    }
    routes(setting, builder.build(), hits)
}

fn routes(setting: Setting, server: ScServer<MemoryStore, Aes256GcmKey>, hits: &Hits) -> Router {
    let (echoed, typed) = (hits.clone(), hits.clone());
    let echo = post(|_: Channel, body: Bytes| async move {
        echoed.note(ECHO, &body);
        answer(body)
    });
    let typed = post(|Sealed(text): Sealed<String>| async move {
        typed.note(TYPED, text.as_bytes());
        Sealed(text)
    });
    let plain = post(|body: Bytes| async { body });
    // Both registered as plain by mistake.
    let argument = post(never);
    let wrong = post(|| async { Sealed(SECRET) });
    let healthz = get(|| async { "ok" });
    if setting.bare {
        let router = Router::new().route(ECHO, echo).route(TYPED, typed).route(PLAIN, plain);
        let router = router.route("/wrong/argument", argument).route("/wrong/answer", wrong);
        let router = router.route("/healthz", healthz);
        let layer = server.layer().with_protected(|head| head.uri.path().starts_with("/sealed/"));
        return Router::new().fallback_service(layer.layer(router));
    }
    ScRouter::new(server)
        .sealed(ECHO, setting.name(ECHO), echo)
        .sealed(TYPED, setting.name(TYPED), typed)
        .plain(PLAIN, plain)
        .plain("/wrong/argument", argument)
        .plain("/wrong/answer", wrong)
        .exempt("/healthz", healthz)
        .into_router()
}

async fn never(_: Sealed<String>) -> &'static str {
    unreachable!("reached in the clear")
}

/// What the echo handler does is chosen by the text, so that [`expected`] knows it too.
fn wish(text: &[u8]) -> u8 {
    text.get(SECRET.len()).copied().unwrap_or_default() % 8
}

fn answer(text: Bytes) -> Response {
    match wish(&text) {
        1 => StatusCode::NO_CONTENT.into_response(),
        2 => StatusCode::NOT_MODIFIED.into_response(),
        3 => Reject::rate_limited(7).into_response(),
        4 => Reject::invalid("note").into_response(),
        5 => StatusCode::CONTINUE.into_response(),
        6 => vec![b'x'; LONG].into_response(),
        7 => ([(ETAG, SECRET), (LAST_MODIFIED, SECRET)], text).into_response(),
        _ => text.into_response(),
    }
}

/// Status and plaintext of the answer of the echo handler; of an error no plaintext.
pub(super) fn expected(text: &[u8], setting: Setting) -> (u16, Option<Vec<u8>>) {
    match wish(text) {
        1 | 2 => (200, Some(Vec::new())),
        3 => (429, None),
        4 => (400, None),
        5 => (500, None),
        6 if setting.narrow => (500, None),
        6 => (200, Some(vec![b'x'; LONG])),
        _ => (200, Some(text.to_vec())),
    }
}

/// One request through the router.
pub(super) async fn send(router: &Router, request: Request<Body>) -> http::Response<Bytes> {
    let Ok(answer) = router.clone().call(request).await;
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("bodies in memory");
    http::Response::from_parts(head, body)
}

/// The private key of [`Clear`], as one that is waited for: one in this process would be asked on another thread. Its
/// modulus is all ones, so that every block is below it.
struct ClearKey {
    spki: Vec<u8>,
}

impl RemoteKey for ClearKey {
    fn modulus_bits(&self) -> usize {
        KeyUnwrap::modulus_bits(&Clear)
    }

    fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    fn unwrap_key<'a>(&'a self, wrapped: &'a [u8]) -> UnwrapFuture<'a> {
        Box::pin(async move { Ok(Clear.unwrap_key(&mut Count(6), wrapped)) })
    }
}

fn spki() -> Vec<u8> {
    let built = || {
        let modulus = UintRef::new(&[0xff; 256])?;
        let public = RsaPublicKey { modulus, public_exponent: UintRef::new(&[1, 0, 1])? }.to_der()?;
        let algorithm = AlgorithmIdentifierRef { oid: pkcs1::ALGORITHM_OID, parameters: Some(AnyRef::NULL) };
        SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(&public)? }.to_der()
    };
    built().expect("a form without a choice")
}
