//! The server side over HTTP: one layer that opens requests and seals answers, and the session endpoints.
//!
//! ```text
//! request ─▶ headers ─▶ body (capped) ─▶ open (sc-core) ─▶ your handler ─▶ seal ─▶ answer
//!               │             │              │  ▲
//!               └─ Reject ◀───┴──────────────┘  └── key ring · store · admission · limits
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `builder` | what a server is made of, every option with its default |
//! | `headers` | the headers of a request, checked in order |
//! | `body` | a body read once, capped, in a buffer that is wiped |
//! | `open` | from a sealed body to a plaintext and a responder |
//! | `endpoints` | public key, session, close |
//! | `layer`, `service` | the tower middleware |
//! | `router` | routes as sealed or plain, for axum |
//! | `serve` | the serving loop, for axum |
//! | `reject` | every answer that is not sealed |

mod body;
mod builder;
mod endpoints;
#[cfg(feature = "axum")]
mod forgot_password;
mod headers;
mod layer;
mod open;
mod reject;
#[cfg(feature = "axum")]
mod router;
#[cfg(feature = "axum")]
pub mod serve;
mod service;

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use sc_core::id::{ClientHash, SessionId, UnixMillis};
use sc_core::provider::Aead;
use sc_core::server::Server;

pub use builder::ScServerBuilder;
pub use endpoints::{CLOSE_PATH, PUBLIC_KEY_PATH, SESSION_PATH};
#[cfg(feature = "axum")]
pub use forgot_password::ForgotPasswordEndpoint;
pub use headers::PeerAddress;
pub use layer::ScLayer;
pub use reject::{CLIENT_HASH, EXPIRES_AT, IDLE_TIMEOUT, REQUEST_ID, Reject, SESSION_ID, VERSION};
#[cfg(feature = "axum")]
pub use router::{RouteKind, ScRouter};
pub use service::ScService;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::keys::ring::KeyRing;
use crate::provider::DefaultAead;
use crate::rate_limit::{LimitKey, SlidingWindow};
use crate::store::Store;
use headers::HeaderRules;

/// One Secure Channel v2 server: keys, store, limits, rules. Cheap to clone; clones are the same server.
///
/// `S` is the store; `A` the AEAD, by default that of [`crate::provider::DefaultProvider`].
pub struct ScServer<S, A = DefaultAead> {
    inner: Arc<Inner<S>>,
    aead: PhantomData<fn() -> A>,
}

/// What all clones share.
struct Inner<S> {
    rules: Server,
    headers: HeaderRules,
    keys: Arc<KeyRing>,
    store: S,
    admission: Admission,
    set_ups: SlidingWindow,
    clock: Arc<dyn Clock>,
    session_ttl_ms: u64,
    idle_timeout: u32,
    max_body: usize,
    max_plaintext: usize,
    text_envelope: bool,
    body_timeout: std::time::Duration,
}

impl<S, A> Clone for ScServer<S, A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), aead: PhantomData }
    }
}

impl<S, A> std::fmt::Debug for ScServer<S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScServer").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}

impl<S: Store> ScServer<S> {
    /// Begins a server over a key ring and a store, with the default AEAD; [`ScServerBuilder::with_aead`] takes
    /// another.
    #[must_use]
    pub fn builder(keys: Arc<KeyRing>, store: S) -> ScServerBuilder<S, DefaultAead> {
        ScServerBuilder::new(keys, store)
    }
}

impl<S: Store, A: Aead + Send + Sync + 'static> ScServer<S, A> {
    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.inner.store
    }

    /// The key ring.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.inner.keys
    }

    /// A layer that protects everything behind it, but for the session endpoints, which it answers itself.
    #[must_use]
    pub fn layer(&self) -> ScLayer<S, A> {
        ScLayer::new(self.clone())
    }

    /// Milliseconds since 1970, by the server's clock.
    pub(crate) fn now(&self) -> UnixMillis {
        self.inner.clock.now()
    }

    /// Spends one set-up attempt of a client address (PROTOCOL 10.1).
    fn spend_set_up(&self, client: IpAddr) -> Result<(), Reject> {
        self.inner
            .set_ups
            .claim(&LimitKey::of_address(client), self.now())
            .map_err(|retry| Reject::rate_limited(retry.seconds()))
    }
}

/// What a handler behind the layer may know of its request; found in the request's extensions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Channel {
    /// The session.
    pub session: SessionId,
    /// The client's address, as the server's rules see it.
    pub client_address: IpAddr,
    /// The hash of `X-Client-Hash`.
    pub client: ClientHash,
}
