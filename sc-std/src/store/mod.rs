//! What a server must remember: sessions, the IVs they have opened, the wrapped keys ever accepted.
//!
//! | operation | rule |
//! |---|---|
//! | [`Store::create`] | inserts only if the id is absent; refuses when full and never drops a live session |
//! | [`Store::find`] | gives no session that has ended, whatever the reason |
//! | [`Store::claim`] | checks and inserts in one atomic step, across all servers that share the store |
//! | [`Store::close`] | destroys the keys; idempotent |
//! | [`Store::claim_wrapped`] | atomic for each hash; the request key's hash decides |
//!
//! Every failure is safe: a store that cannot answer makes the server answer BUSY, never "new" (PROTOCOL 10.5).

mod claims;
pub mod conformance;
mod key_names;
mod ledger;
mod ledger_file;
mod memory;
mod options;
#[cfg(all(test, scv2_loom))]
mod races;
#[cfg(feature = "redis")]
mod redis;
mod sealed;
mod shard;
mod slots;

use std::future::Future;

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_core::server::{NewSession, SessionRecord};

use crate::keys::KeyRing;
use crate::rate_limit::{Limit, RateLimiter};

pub use ledger_file::LedgerFileError;
pub use memory::MemoryStore;
pub use options::StoreOptions;
#[cfg(feature = "redis-tls")]
pub use redis::RedisTls;
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisStore, RedisStoreError, RedisTokens, RedisWindow};
pub use sealed::{StoreKeys, StoreKeysError};

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store holds as much as it may.
    #[error("the store is full")]
    Full,
    /// A session with this id exists already.
    #[error("the session id is taken")]
    Taken,
    /// The store cannot be reached.
    #[error("the store cannot be reached")]
    Unavailable,
}

/// Sessions, IV claims and the ledger of wrapped keys.
///
/// Implementations are shared by all requests; every method may be called at once from many threads. One of your own passes
/// [`conformance`].
///
/// # Examples
/// `examples/custom_store.rs` is one, with the SQL that each step would be.
pub trait Store: Send + Sync + 'static {
    /// Counts requests for all servers that share the store.
    type Limiter: RateLimiter;

    /// A limit whose counts live in the store. Limiters of the same `name`, which have the same limit, count
    /// together, on whatever server.
    fn limiter(&self, name: &'static str, limit: Limit) -> Self::Limiter;

    /// Creates a session, together with its first claim if it has one.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Taken`], [`StoreError::Unavailable`].
    fn create(
        &self,
        session: NewSession,
        now: UnixMillis,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Finds a live session.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn find(
        &self,
        id: &SessionId,
        now: UnixMillis,
    ) -> impl Future<Output = Result<Option<SessionRecord>, StoreError>> + Send;

    /// Claims the IV of a message whose tag verified, and notes that the session was used. `None`: the session has
    /// ended meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`] if all sets together hold as many claims as they may, [`StoreError::Unavailable`].
    fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> impl Future<Output = Result<Option<ClaimVerdict>, StoreError>> + Send;

    /// Ends a session and destroys its keys. An unknown session is a success too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn close(&self, id: &SessionId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends every session that an RSA key has set up: the key was revoked.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn close_all_of(&self, key_id: &KeyId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// After how long without a message the store ends a session, in seconds; clients are told. `None`: it does not.
    fn idle_timeout(&self) -> Option<u32> {
        None
    }

    /// Sessions that live now, where the store can tell without looking for long; for metrics. `None`: it cannot.
    fn live_sessions(&self) -> Option<u64> {
        None
    }

    /// Destroys what is over, where no database does that by itself. A server calls it every few seconds.
    fn purge(&self, now: UnixMillis) -> impl Future<Output = ()> + Send {
        let _ = now;
        std::future::ready(())
    }

    /// Whether either wrapped key was accepted before: a cheap look before the private operation, which decides
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn knows_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Brings what servers share into this one: RSA keys of a [shared](KeyRing::shared) ring and revocations. A server
    /// calls it every few seconds, and once before it serves.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the ring is then as before.
    fn sync(&self, keys: &KeyRing, now: UnixMillis) -> impl Future<Output = Result<(), StoreError>> + Send {
        let _ = (keys, now);
        std::future::ready(Ok(()))
    }

    /// Claims both wrapped keys of a set-up in the ledger of one RSA key. The ledger is kept until `keep_until`, when
    /// the key is no longer accepted (`None`: for ever).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> impl Future<Output = Result<LedgerVerdict, StoreError>> + Send;
}
