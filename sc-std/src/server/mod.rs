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
//! | `unwrap` | private RSA operations behind admission, here or over a wire |
//! | `endpoints` | public key, session, close |
//! | `layer`, `service` | the tower middleware: what is protected, and which way a request goes |
//! | `exchange` | one sealed request: opened, handled, answered sealed |
//! | `router` | routes as sealed or plain, for axum |
//! | `sealed` | what handlers take and return, for axum |
//! | `serve` | the serving loop, for axum |
//! | `reject`, `localize` | every error answer; a handler's own in the request's language |
//! | `meter`, `span` | figures for the operator, and a tracing span for each request |

mod body;
mod builder;
mod endpoints;
mod exchange;
#[cfg(feature = "axum")]
mod forgot_password;
mod headers;
mod layer;
mod localize;
pub mod meter;
mod open;
mod reject;
#[cfg(feature = "axum")]
mod router;
#[cfg(feature = "axum")]
mod sealed;
#[cfg(feature = "axum")]
pub mod serve;
mod service;
mod span;
mod unwrap;

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sc_core::id::{ClientHash, KeyId, SessionId, UnixMillis};
use sc_core::provider::Aead;
use sc_core::server::Server;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use builder::ScServerBuilder;
#[cfg(feature = "axum")]
pub use forgot_password::ForgotPasswordEndpoint;
pub use headers::PeerAddress;
pub use layer::ScLayer;
pub use reject::Reject;
#[cfg(feature = "axum")]
pub use router::{RouteKind, ScRouter};
#[cfg(feature = "axum")]
pub use sealed::Sealed;
pub use service::ScService;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::keys::ring::KeyRing;
use crate::provider::DefaultAead;
use crate::rate_limit::{LimitKey, RateLimiter};
use crate::store::{Store, StoreError};
use headers::HeaderRules;
use meter::{Meter, StoreCall};

/// How often a server looks for keys and sessions that are over. A revocation reaches every server of a store within
/// 5 seconds (PROTOCOL 10.2): this, and time for the store to answer.
const HOUSEKEEPING: Duration = Duration::from_secs(2);

/// One Secure Channel v2 server: keys, store, limits, rules. Cheap to clone; clones are the same server.
///
/// `S` is the store; `A` the AEAD, by default that of [`crate::provider::DefaultProvider`].
///
/// # Examples
/// See [`ScRouter`], and [`ScLayer`] for services that are not axum.
pub struct ScServer<S: Store, A = DefaultAead> {
    inner: Arc<Inner<S>>,
    aead: PhantomData<fn() -> A>,
}

/// What all clones share.
struct Inner<S: Store> {
    rules: Server,
    headers: HeaderRules,
    keys: Arc<KeyRing>,
    store: S,
    admission: Admission,
    meter: Meter,
    set_ups: S::Limiter,
    clock: Arc<dyn Clock>,
    session_ttl_ms: u64,
    idle_timeout: Option<u32>,
    max_body: usize,
    max_plaintext: usize,
    text_envelope: bool,
    body_timeout: Duration,
    remote_key_timeout: Duration,
    large_bodies: Semaphore,
    #[cfg(feature = "danger-key-log")]
    key_log: Option<crate::key_log::KeyLog>,
}

impl<S: Store, A> Clone for ScServer<S, A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), aead: PhantomData }
    }
}

impl<S: Store, A> std::fmt::Debug for ScServer<S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScServer").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}

impl<S: Store> ScServer<S> {
    /// Begins a server over a key ring and a store, with the default AEAD; [`ScServerBuilder::with_aead`] takes
    /// another.
    #[must_use]
    pub fn builder(keys: impl Into<Arc<KeyRing>>, store: S) -> ScServerBuilder<S, DefaultAead> {
        ScServerBuilder::new(keys.into(), store)
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

    /// Revokes an RSA key: no set-up uses it any more, and every session that it has set up ends (PROTOCOL 4.3).
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached; the key is revoked all the same. Call it again.
    pub async fn revoke_key(&self, key_id: &KeyId) -> Result<(), StoreError> {
        self.inner.keys.revoke(key_id.as_str());
        self.inner.store.close_all_of(key_id).await
    }

    /// Rotates RSA keys when they are due, brings shared keys and revocations up to date and destroys what is over, every
    /// 2 seconds, until the task is aborted. A
    /// server needs this, or a loop of its own that does the same.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer enabled.
    pub fn spawn_housekeeping(&self) -> JoinHandle<()> {
        let server = self.clone();
        // Apart, so that a store that is slow to sweep delays no revocation.
        tokio::spawn(async move {
            tokio::join!(every_tick(|| server.sync()), every_tick(|| server.keep_house()));
        })
    }

    async fn sync(&self) {
        if let Err(error) = self.inner.store.sync(&self.inner.keys, self.now()).await {
            tracing::error!(%error, "keys and revocations could not be brought up to date");
        }
    }

    async fn keep_house(&self) {
        let now = self.now();
        if self.inner.keys.makes_its_own() && self.inner.keys.due(now) {
            // A new RSA key takes a while: not on a thread that serves.
            let keys = Arc::clone(&self.inner.keys);
            match tokio::task::spawn_blocking(move || keys.rotate_if_due(now)).await {
                Ok(Ok(rotated)) => {
                    self.inner.meter.rotated.one();
                    tracing::info!(rotated, "RSA key rotation");
                }
                Ok(Err(error)) => self.rotation_failed(&error),
                Err(error) => self.rotation_failed(&error),
            }
        }
        self.inner.store.purge(now).await;
        self.inner.meter.live(&self.inner.store);
        let published = self.inner.keys.published(now);
        self.inner.meter.key_age(published.map_or(0, |info| now.0.saturating_sub(info.created_at.0)));
    }

    fn rotation_failed(&self, error: &dyn std::error::Error) {
        self.inner.meter.rotation_failed.one();
        tracing::error!(error = %error, "RSA key rotation failed");
    }

    /// Asks the store, in a span of its own, and notes what the operator should see of it.
    ///
    /// Takes what makes the future: a future that is handed on is kept once more at each step.
    async fn ask_store<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        call: StoreCall,
        work: impl FnOnce() -> F,
    ) -> Result<T, StoreError> {
        let span = tracing::trace_span!("scv2.store", operation = call.name());
        tracing::Instrument::instrument(self.inner.meter.store(call, work), span).await
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
    async fn spend_set_up(&self, client: IpAddr) -> Result<(), Reject> {
        Ok(self.inner.set_ups.claim(&LimitKey::of_address(client), self.now()).await?)
    }
}

/// Does something now and at every tick of the housekeeping, until it is dropped.
async fn every_tick<F: Future<Output = ()>>(work: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}

/// What a handler behind the layer may know of its request; found in the request's extensions, and an extractor of axum.
/// Nobody but the layer can make one.
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
