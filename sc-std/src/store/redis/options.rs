//! What a store over Redis is given. Every `with_*` states its default and unit.

use std::time::Duration;

use super::RedisStoreError;
#[cfg(feature = "redis-tls")]
use super::tls::RedisTls;
use super::url::RedisUrl;
use crate::store::StoreOptions;

/// Bounds, times and durability of a [`RedisStore`](crate::store::RedisStore). All servers of a fleet take the same.
///
/// # Examples
/// See [`RedisStore`](crate::store::RedisStore).
#[derive(Debug, Clone)]
pub struct RedisOptions {
    pub(super) namespace: String,
    pub(super) bounds: StoreOptions,
    pub(super) replicas: Option<u8>,
    pub(super) patience: Duration,
    pub(super) waiting_claims: bool,
    pub(super) existing: bool,
    #[cfg(feature = "redis-tls")]
    tls: Option<RedisTls>,
}

/// What a connection needs for TLS.
#[cfg(feature = "redis-tls")]
pub(super) type Tls = Option<redis::TlsCertificates>;
/// Nothing, where it is not compiled in.
#[cfg(not(feature = "redis-tls"))]
pub(super) type Tls = Option<std::convert::Infallible>;

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            namespace: "scv2".to_owned(),
            bounds: StoreOptions::default(),
            replicas: None,
            // A replica that has just synced confirms only after its next acknowledgement, which Redis sends once a second.
            patience: Duration::from_millis(1_500),
            waiting_claims: false,
            existing: false,
            #[cfg(feature = "redis-tls")]
            tls: None,
        }
    }
}

impl RedisOptions {
    /// Sets the first part of every key, so that several services share one Redis. Default: `scv2`. Braces are left out of it.
    #[must_use]
    pub fn with_namespace(mut self, name: &str) -> Self {
        // Braces would move keys of one session into different slots of a cluster.
        self.namespace = name.replace(['{', '}'], "");
        self
    }

    /// Sets bounds and times, for all servers together. Default: those of [`StoreOptions`]. In a cluster, counts are
    /// divided among 64 shards, each of which fills up for itself.
    #[must_use]
    pub fn with_bounds(mut self, bounds: StoreOptions) -> Self {
        self.bounds = bounds;
        self
    }

    /// Sets how many replicas confirm a new session, a close, a ledger entry, a shared RSA key and a revocation. Default: 1 in a
    /// cluster, 0 at a single server.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: u8) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Sets how long a write waits for its replicas. Default: 1,500 milliseconds: a replica that has just synced may take a second to
    /// confirm its first.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits for the replicas with every IV claim too: a fail-over then loses none, and every message takes one
    /// replication round trip longer. Default: off.
    #[must_use]
    pub const fn with_waiting_claims(mut self) -> Self {
        self.waiting_claims = true;
        self
    }

    /// Sets certificates for TLS, for an address that begins with `rediss`. Default: the system's roots.
    #[cfg(feature = "redis-tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: RedisTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What connections to `url` need.
    #[cfg(feature = "redis-tls")]
    pub(super) fn tls(&self, url: &RedisUrl) -> Result<Tls, RedisStoreError> {
        match &self.tls {
            Some(_) if !url.is_tls() => Err(RedisStoreError::Tls(
                "there are certificates, but the address does not begin with rediss",
            )),
            None if !url.is_tls() => Ok(None),
            tls => {
                super::tls::choose_provider();
                tls.clone().unwrap_or_default().certificates().map(Some)
            }
        }
    }

    /// Nothing: an address of TLS is not read without the feature.
    #[cfg(not(feature = "redis-tls"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    pub(super) fn tls(&self, _url: &RedisUrl) -> Result<Tls, RedisStoreError> {
        Ok(None)
    }

    /// Opens only what a server has used before: for tools, which a mistaken namespace should not satisfy. Default: off.
    #[must_use]
    pub const fn with_existing_only(mut self) -> Self {
        self.existing = true;
        self
    }
}
