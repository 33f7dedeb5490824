//! The store of a fleet: everything that servers must know together, in Redis (feature `redis`).
//!
//! | file | holds |
//! |---|---|
//! | `url` | where Redis is |
//! | `link` | connections: pooled, multiplexed, reconnecting, each call with a deadline |
//! | `layout` | which key holds what |
//! | `durability` | writes that a fail-over must not lose |
//! | `synced` | whether this server still hears of revocations |
//! | `lua/` | what is one atomic step, as scripts |
//! | `session`, `ledger`, `limit`, `keys`, `token` | sessions, wrapped keys, rate limits, RSA keys, reset tokens |
//!
//! # What a fail-over can lose
//! Not a session that was acknowledged, nor its end by a close, nor the hashes of its wrapped keys, nor a revocation: those
//! writes wait for a replica ([`RedisOptions::with_replicas`]; by default in a cluster). IV claims, rate limits and reset
//! tokens are replicated a moment after the answer, so a primary that dies may take its last few along: within that moment
//! a request that was recorded could be replayed once. [`RedisOptions::with_waiting_claims`] closes that gap too, for one replication round trip a message.
//!
//! # What a restart can lose
//! Whatever Redis has not on its disk. A Redis that lost everything costs the sessions, and the shared RSA keys with their
//! ledgers: servers drop those keys within seconds and make a new one. One that comes back older than it was has forgotten
//! claims and ledger entries, so what was recorded in between could be replayed: run it with `appendonly yes`, and with
//! `appendfsync always` where that second matters. RSA keys from files outlive any such loss: with them it is a must.

mod durability;
mod keys;
mod layout;
mod ledger;
mod limit;
mod link;
mod options;
mod session;
mod synced;
#[cfg(feature = "redis-tls")]
mod tls;
mod token;
mod url;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_core::server::{NewSession, SessionRecord};
use zeroize::Zeroizing;

pub use self::limit::RedisWindow;
pub use self::options::RedisOptions;
#[cfg(feature = "redis-tls")]
pub use self::tls::RedisTls;
pub use self::token::RedisTokens;
use crate::keys::KeyRing;
use crate::rate_limit::Limit;
use crate::store::{Store, StoreError, StoreKeys, StoreOptions};
use durability::Durability;
use layout::Layout;
use link::{Link, Script};
use synced::Synced;
use url::RedisUrl;

/// Why a store over Redis was not opened. Never repeats a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// Not an address of Redis.
    #[error("not an address of Redis: {0}")]
    Url(&'static str),
    /// Certificates for TLS that are none, or that the address has no use for.
    #[error("TLS to Redis: {0}")]
    Tls(&'static str),
    /// Nobody answers there, or not as Redis does.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// Redis would drop live sessions and claims when its memory is full.
    #[error("Redis would evict live sessions: its maxmemory-policy is {0}, it must be noeviction")]
    Eviction(String),
    /// No server has ever used the namespace.
    #[error("no server has used this namespace of Redis")]
    Nothing,
    /// The records there were sealed under another store key.
    #[error("the store key does not open what is in Redis: it is another service's, or the key was replaced")]
    WrongStoreKey,
}

impl RedisStoreError {
    fn unreachable(error: &redis::RedisError) -> Self {
        // What the system or TLS says names addresses and certificates; what Redis says might repeat what we sent.
        let text = if error.is_io_error() { error.to_string() } else { error.category().to_owned() };
        Self::Unreachable(text)
    }
}

impl From<StoreError> for RedisStoreError {
    fn from(error: StoreError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// Sessions, IV claims, ledger, limits, RSA keys and reset tokens in Redis, shared by every server that opens the same
/// address with the same store key. Clones are the same store.
///
/// # Security
/// Session keys, RSA keys and account names are in Redis only sealed under the store key, limits only as keyed hashes. Whoever
/// can write to Redis can delete and replay records: keep it to yourselves.
///
/// # Examples
/// ```no_run
/// use sc_std::store::{RedisOptions, RedisStore, StoreKeys};
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = StoreKeys::read("store.key".as_ref())?;
/// let store = RedisStore::open("redis://127.0.0.1:6379", keys, RedisOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

/// What all clones share.
struct Inner {
    link: Link,
    layout: Layout,
    keys: StoreKeys,
    limit_key: Zeroizing<[u8; 32]>,
    /// The one in use, then those of older store keys.
    account_keys: Vec<Zeroizing<[u8; 32]>>,
    bounds: StoreOptions,
    durability: Durability,
    waiting_claims: bool,
    scripts: Scripts,
    /// RSA keys whose sessions have ended, as last seen.
    revoked: ArcSwap<HashSet<KeyId>>,
    /// When keys and revocations were last brought up to date.
    synced: Synced,
    /// Shared keys that did not open, so that each is told of once.
    complained: Mutex<HashSet<String>>,
    /// Live sessions of all servers, as last counted; more than there can be before the first count.
    live: AtomicU64,
    /// Who this server is when it asks for the right to rotate.
    name: String,
}

/// Every script, ready to be called.
struct Scripts {
    create: Script,
    claim: Script,
    close: Script,
    sweep: Script,
    ledger: Script,
    limit: Script,
    token_create: Script,
    token_use: Script,
    keys_add: Script,
    revoke: Script,
}

impl Scripts {
    fn new() -> Self {
        macro_rules! over_sessions {
            ($file:literal) => {
                Script::new(concat!(include_str!("lua/sessions.lua"), include_str!($file)))
            };
        }
        Self {
            create: over_sessions!("lua/create.lua"),
            claim: over_sessions!("lua/claim.lua"),
            close: over_sessions!("lua/close.lua"),
            sweep: over_sessions!("lua/sweep.lua"),
            ledger: Script::new(include_str!("lua/ledger.lua")),
            limit: Script::new(include_str!("lua/limit.lua")),
            token_create: Script::new(include_str!("lua/token_create.lua")),
            token_use: Script::new(include_str!("lua/token_use.lua")),
            keys_add: Script::new(include_str!("lua/keys_add.lua")),
            revoke: Script::new(include_str!("lua/revoke.lua")),
        }
    }
}

impl RedisStore {
    /// Opens the store at `url`: `redis://HOST:PORT[/DB]` or `redis-cluster://HOST:PORT[,HOST:PORT...]`, with
    /// `USER:PASSWORD@` before the first host where Redis asks for it. `rediss://` and `rediss-cluster://` are TLS (feature
    /// `redis-tls`).
    ///
    /// # Errors
    /// [`RedisStoreError`] if the address is not one, nobody answers within a few seconds, Redis is set to evict, or `keys` does not
    /// open what is there.
    pub async fn open(url: &str, keys: StoreKeys, options: RedisOptions) -> Result<Self, RedisStoreError> {
        let url = RedisUrl::parse(url)?;
        let tls = options.tls(&url)?;
        let layout = Layout::new(&options.namespace, url.is_cluster());
        // A single server has nobody to take over, unless the caller says so.
        let replicas = options.replicas.unwrap_or(u8::from(url.is_cluster()));
        let inner = Inner {
            link: Link::open(&url, &tls).await?,
            limit_key: keys.derive(b"scv2-limit").into_iter().next().unwrap_or_default(),
            account_keys: keys.derive(b"scv2-account"),
            keys,
            bounds: options.bounds,
            durability: Durability::new(replicas, options.patience, layout.places()),
            waiting_claims: options.waiting_claims,
            scripts: Scripts::new(),
            revoked: ArcSwap::default(),
            live: AtomicU64::new(u64::MAX),
            synced: Synced::default(),
            complained: Mutex::default(),
            name: SessionId::draw(&mut crate::rng::SystemSeeded).to_string(),
            layout,
        };
        inner.refuse_eviction().await?;
        inner.prove_store_key(options.existing).await?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reset tokens in the same Redis, which live for `ttl_ms` milliseconds; at most `max_tokens` at once.
    #[must_use]
    pub fn tokens(&self, ttl_ms: u64, max_tokens: usize) -> RedisTokens {
        RedisTokens::new(Arc::clone(&self.inner), ttl_ms, max_tokens)
    }

    /// The key under which e-mail addresses are hashed for limits.
    #[must_use]
    pub fn email_hash_key(&self) -> crate::message::EmailHashKey {
        self.inner.keys.email_hash_key()
    }

    /// Whether an RSA key is one that the servers of this store share, and not read from a file.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn shares_key(&self, key_id: &KeyId) -> Result<bool, StoreError> {
        self.inner.shares_key(key_id).await
    }

    /// Sessions held by all servers together, the ended ones that were not yet swept among them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn sessions(&self, now: UnixMillis) -> Result<u64, StoreError> {
        self.inner.sweep(now).await
    }
}

impl Inner {
    /// A full Redis must refuse: one that evicts drops live sessions, and claims with them.
    async fn refuse_eviction(&self) -> Result<(), RedisStoreError> {
        for shard in self.layout.all() {
            let mut command = redis::cmd("INFO");
            command.arg("memory");
            let answer = self.link.call(&self.layout.anchor(shard), command).await?;
            let text: String = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
            let policy = text.lines().find_map(|line| line.trim().strip_prefix("maxmemory_policy:"));
            match policy {
                Some("noeviction") => {}
                other => return Err(RedisStoreError::Eviction(other.unwrap_or("unknown").to_owned())),
            }
        }
        Ok(())
    }

    /// Two services with different store keys in one namespace would refuse each other's sessions one by one: better at once.
    async fn prove_store_key(&self, existing: bool) -> Result<(), RedisStoreError> {
        const PROOF: &[u8] = b"proof";
        let key = self.layout.shared("proof");
        let proof = self.keys.seal(PROOF, PROOF).ok_or(StoreError::Unavailable)?;
        if !existing {
            let mut command = redis::cmd("SET");
            command.arg(&key).arg(&proof).arg("NX");
            self.link.call(&key, command).await?;
        }
        let mut command = redis::cmd("GET");
        command.arg(&key);
        let answer = self.link.call(&key, command).await?;
        let there: Option<Vec<u8>> = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let there = there.ok_or(RedisStoreError::Nothing)?;
        if self.keys.open(PROOF, &there).is_none() {
            return Err(RedisStoreError::WrongStoreKey);
        }
        if existing {
            return Ok(());
        }
        // Under the key that seals now, so that an old one may go one day.
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&proof);
        self.link.call(&key, command).await?;
        Ok(())
    }
}

impl Store for RedisStore {
    type Limiter = RedisWindow;

    fn limiter(&self, name: &'static str, limit: Limit) -> RedisWindow {
        RedisWindow::new(Arc::clone(&self.inner), name, limit)
    }

    async fn create(&self, session: NewSession, now: UnixMillis) -> Result<(), StoreError> {
        self.inner.create(session, now).await
    }

    async fn find(&self, id: &SessionId, now: UnixMillis) -> Result<Option<SessionRecord>, StoreError> {
        self.inner.find(id, now).await
    }

    async fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        self.inner.claim(id, claim, now).await
    }

    async fn close(&self, id: &SessionId) -> Result<(), StoreError> {
        self.inner.close(id).await
    }

    async fn close_all_of(&self, key_id: &KeyId) -> Result<(), StoreError> {
        self.inner.revoke(key_id).await
    }

    fn idle_timeout(&self) -> Option<u32> {
        Some(u32::try_from(self.inner.bounds.idle_ms / 1000).unwrap_or(u32::MAX))
    }

    /// Those of all servers together, as this one last counted them.
    fn live_sessions(&self) -> Option<u64> {
        Some(self.inner.live.load(Ordering::Relaxed)).filter(|live| *live != u64::MAX)
    }

    async fn purge(&self, now: UnixMillis) {
        if let Err(error) = self.inner.sweep(now).await {
            tracing::warn!(%error, "ended sessions could not be counted out");
        }
        self.inner.durability.refresh(&self.inner.link, &self.inner.layout).await;
    }

    async fn sync(&self, keys: &KeyRing, now: UnixMillis) -> Result<(), StoreError> {
        self.inner.sync(keys, now).await
    }

    async fn knows_wrapped(&self, key_id: &KeyId, hashes: &[WrappedKeyHash; 2]) -> Result<bool, StoreError> {
        self.inner.knows_wrapped(key_id, hashes).await
    }

    async fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        self.inner.claim_wrapped(key_id, hashes, keep_until).await
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("layout", &self.inner.layout).finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    let mut text = [0; 64];
    base16ct::lower::encode_str(bytes, &mut text).map(str::to_owned).unwrap_or_default()
}
