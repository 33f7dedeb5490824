//! What a server is made of, every option with its default.

use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use sc_core::limits::{DEFAULT_MAX_PLAINTEXT, DEFAULT_SESSION_TTL_MS, MAX_OVERHEAD};
use sc_core::server::{BoundPolicy, Server};
use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::clock::{Clock, SystemClock};
use crate::keys::ring::KeyRing;
use crate::rate_limit::Limit;
use crate::server::headers::HeaderRules;
use crate::server::meter::Meter;
use crate::server::{Inner, ScServer};
use crate::store::Store;

/// Most bodies of more than 64 KiB that are held at once.
const MAX_LARGE_BODIES: usize = 256;

/// Builds a [`ScServer`]. Every `with_*` states its default and unit.
///
/// # Examples
/// ```
/// # #[cfg(feature = "aws-lc-rs")] {
/// use sc_std::{keys::KeyRing, server::ScServer, store::MemoryStore};
///
/// let server = ScServer::builder(KeyRing::daily()?, MemoryStore::default())
///     .with_set_up_limit("120/60s".parse()?)
///     .with_session_ttl_ms(60 * 60 * 1000)
///     .build();
/// # let _ = server;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ScServerBuilder<S, A> {
    keys: Arc<KeyRing>,
    store: S,
    rules: Server,
    headers: HeaderRules,
    admission: Admission,
    set_up_limit: Limit,
    clock: Arc<dyn Clock>,
    session_ttl_ms: u64,
    max_plaintext: usize,
    text_envelope: bool,
    body_timeout: Duration,
    remote_key_timeout: Duration,
    aead: PhantomData<fn() -> A>,
    #[cfg(feature = "danger-key-log")]
    key_log: Option<crate::key_log::KeyLog>,
}

impl<S: Store, A> ScServerBuilder<S, A> {
    pub(crate) fn new(keys: Arc<KeyRing>, store: S) -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse().ok()).collect();
        Self {
            keys,
            store,
            rules: Server::default(),
            headers: HeaderRules { trusted_proxies: loopback, ..HeaderRules::default() },
            admission: Admission::default(),
            set_up_limit: Limit::new(60, 60_000),
            clock: Arc::new(SystemClock::new()),
            session_ttl_ms: DEFAULT_SESSION_TTL_MS,
            max_plaintext: DEFAULT_MAX_PLAINTEXT,
            text_envelope: false,
            body_timeout: Duration::from_secs(30),
            remote_key_timeout: Duration::from_secs(5),
            aead: PhantomData,
            #[cfg(feature = "danger-key-log")]
            key_log: None,
        }
    }

    /// Sets the AEAD. Default: that of [`DefaultProvider`](crate::provider::DefaultProvider).
    #[must_use]
    pub fn with_aead<B>(self) -> ScServerBuilder<S, B> {
        ScServerBuilder {
            keys: self.keys,
            store: self.store,
            rules: self.rules,
            headers: self.headers,
            admission: self.admission,
            set_up_limit: self.set_up_limit,
            clock: self.clock,
            session_ttl_ms: self.session_ttl_ms,
            max_plaintext: self.max_plaintext,
            text_envelope: self.text_envelope,
            body_timeout: self.body_timeout,
            remote_key_timeout: self.remote_key_timeout,
            aead: PhantomData,
            #[cfg(feature = "danger-key-log")]
            key_log: self.key_log,
        }
    }

    /// Sets the lifetime of a session, in milliseconds. Default: 24 hours, and clients believe in no more.
    #[must_use]
    pub const fn with_session_ttl_ms(mut self, millis: u64) -> Self {
        self.session_ttl_ms = millis;
        self
    }

    /// Sets the longest plaintext of a request or an answer, in bytes. Default: 1 MiB.
    #[must_use]
    pub fn with_max_plaintext(mut self, bytes: usize) -> Self {
        self.max_plaintext = bytes;
        self.rules = self.rules.with_max_plaintext(bytes);
        self
    }

    /// Refuses type 1 envelopes. Default: accepted.
    #[must_use]
    pub const fn without_inline(mut self) -> Self {
        self.rules = self.rules.without_inline();
        self
    }

    /// Sets what the server says about the bound profile. Default: offered.
    #[must_use]
    pub const fn with_bound(mut self, policy: BoundPolicy) -> Self {
        self.rules = self.rules.with_bound(policy);
        self
    }

    /// Takes text envelopes too (PROTOCOL 7). Default: off.
    #[must_use]
    pub const fn with_text_envelope(mut self) -> Self {
        self.text_envelope = true;
        self
    }

    /// Sets how long the body of a request may take to arrive. Default: 30 seconds.
    #[must_use]
    pub const fn with_body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Sets how many set-ups a client address may attempt. Default: 60 in 60 seconds.
    #[must_use]
    pub const fn with_set_up_limit(mut self, limit: Limit) -> Self {
        self.set_up_limit = limit;
        self
    }

    /// Sets how many set-ups have their private RSA operations running at once, and how many wait. Default: one for
    /// each core, 256. For keys behind a device ([`RemoteKey`](crate::keys::RemoteKey)), whose set-ups wait more than
    /// they compute, choose what the device bears.
    #[must_use]
    pub fn with_admission(mut self, parallel: NonZeroUsize, waiting: usize) -> Self {
        self.admission = Admission::new(parallel, waiting);
        self
    }

    /// Sets how long a set-up may take from asking to the answers of a [`RemoteKey`](crate::keys::RemoteKey), the time in
    /// the queue included; beyond it the client hears BUSY. Default: 5 seconds.
    #[must_use]
    pub const fn with_remote_key_timeout(mut self, timeout: Duration) -> Self {
        self.remote_key_timeout = timeout;
        self
    }

    /// Requires `X-PORTAL-ACCESS-CODE` with this value. Default: not asked for.
    #[must_use]
    pub fn with_portal_access_code(mut self, code: HeaderValue) -> Self {
        let mut code = code;
        code.set_sensitive(true);
        self.headers.portal_access_code = Some(code);
        self
    }

    /// Requires `CF-Connecting-IP`, `Cf-Ray` and `cf-ipcountry`. Default: not asked for.
    #[must_use]
    pub const fn with_required_cdn_headers(mut self) -> Self {
        self.headers.require_cdn = true;
        self
    }

    /// Takes the client's address from this header, if the peer is a trusted proxy. Default: the peer's address,
    /// which also counts where the header is missing, comes twice, or is not one address.
    #[must_use]
    pub fn with_client_ip_header(mut self, name: HeaderName) -> Self {
        self.headers.client_ip_header = Some(name);
        self
    }

    /// Sets who may name the client's address, in the place of loopback, which is the default.
    #[must_use]
    pub fn with_trusted_proxies(mut self, nets: Vec<IpNet>) -> Self {
        self.headers.trusted_proxies = nets;
        self
    }

    /// Writes the keys of every session to a file, in the clear. Default: no.
    ///
    /// # Security
    /// For debugging only. Whoever reads the file reads every message.
    #[cfg(feature = "danger-key-log")]
    #[must_use]
    pub fn with_key_log(mut self, log: crate::key_log::KeyLog) -> Self {
        self.key_log = Some(log);
        self
    }

    /// Sets the clock, for tests. Default: the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The server. Its figures go to the metrics recorder that is installed now (see [`meter`](crate::server::meter)).
    #[must_use]
    pub fn build(self) -> ScServer<S, A> {
        let meter = Meter::new();
        let inner = Inner {
            rules: self.rules,
            headers: self.headers,
            keys: self.keys,
            admission: self.admission.with_meter(meter.queue.clone()),
            meter,
            set_ups: self.store.limiter("set-up", self.set_up_limit),
            clock: self.clock,
            session_ttl_ms: self.session_ttl_ms,
            idle_timeout: self.store.idle_timeout(),
            store: self.store,
            max_body: self.max_plaintext.saturating_add(MAX_OVERHEAD),
            max_plaintext: self.max_plaintext,
            text_envelope: self.text_envelope,
            body_timeout: self.body_timeout,
            remote_key_timeout: self.remote_key_timeout,
            large_bodies: Semaphore::new(MAX_LARGE_BODIES),
            #[cfg(feature = "danger-key-log")]
            key_log: self.key_log,
        };
        ScServer { inner: Arc::new(inner), aead: PhantomData }
    }
}

impl<S, A> std::fmt::Debug for ScServerBuilder<S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScServerBuilder").field("rules", &self.rules).finish_non_exhaustive()
    }
}
