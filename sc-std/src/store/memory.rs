//! The store of a single server: everything in this process's memory, bounded, gone with the process.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_core::server::{NewSession, SessionRecord};

use crate::rate_limit::{Limit, SlidingWindow};
use crate::store::claims::ClaimBudget;
use crate::store::ledger::Ledgers;
use crate::store::ledger_file::LedgerFileError;
use crate::store::shard::{HashedId, Shard};
use crate::store::{Store, StoreError, StoreOptions};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, RandomState};

/// Shards: more than any machine has cores, so that two requests seldom meet at one lock. Two where every order of threads
/// is tried.
pub(super) const SHARDS: usize = if cfg!(all(test, scv2_loom)) { 2 } else { 64 };

/// Most keys that each limit counts at once.
const MAX_LIMITED_KEYS: usize = 1_000_000;

/// Sessions, claims and ledgers in memory.
///
/// # Examples
/// See [`StoreOptions`].
///
/// # Security
/// Session keys lie in this process's memory in the clear, as they do while a request is served. What is lost with
/// the process: sessions (clients set up new ones) and the ledger. So RSA keys that outlive the process need a ledger
/// that outlives it too (PROTOCOL 4.3).
#[derive(Debug)]
pub struct MemoryStore {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    live: AtomicUsize,
    claims: ClaimBudget,
    ledgers: Arc<Ledgers>,
    /// Those that were asked for, by name.
    limiters: Mutex<Vec<(&'static str, SlidingWindow)>>,
    options: StoreOptions,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(StoreOptions::default())
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(options: StoreOptions) -> Self {
        let hasher = RandomState::new();
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new(hasher.clone()))).collect(),
            hasher,
            live: AtomicUsize::new(0),
            claims: ClaimBudget::new(options.max_claims),
            ledgers: Arc::new(Ledgers::new(options.max_ledger_hashes)),
            limiters: Mutex::default(),
            options,
        }
    }

    /// An empty store whose ledger is kept in a file, so that an RSA key may outlive the process (PROTOCOL 4.3). The
    /// file is created if it is not there, and locked to this process.
    ///
    /// # Errors
    /// [`LedgerFileError`] if another process holds the file, it is not a ledger, or it cannot be read or written.
    pub fn with_ledger_file(options: StoreOptions, path: &Path) -> Result<Self, LedgerFileError> {
        let ledgers = Arc::new(Ledgers::new(options.max_ledger_hashes).with_file(path)?);
        Ok(Self { ledgers, ..Self::new(options) })
    }

    /// Sessions held, the ended ones that were not yet swept among them.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// IV claims held.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.claims.held()
    }

    /// Destroys the keys of every session that is over, and the ledgers of RSA keys that are. Calls sweep a little as
    /// they go; a server's housekeeping does the rest, so that keys do not wait for traffic.
    pub fn purge(&self, now: UnixMillis) {
        for shard in &self.shards {
            let ended = lock(shard).purge(now, &self.options, &self.claims, true);
            self.ended(ended);
        }
        self.ledgers.purge(now);
    }

    /// The shard of an id, locked. Its number comes from bits that the table within a shard does not use.
    fn shard(&self, id: &SessionId) -> Option<(MutexGuard<'_, Shard>, HashedId)> {
        let id = HashedId::new(&self.hasher, id);
        let index = usize::try_from(id.hash >> 32).unwrap_or_default() % SHARDS;
        self.shards.get(index).map(|shard| (lock(shard), id))
    }

    /// Reserves a place for one more session, so that the bound holds at every moment.
    fn reserve(&self) -> Result<(), StoreError> {
        let next = |live: usize| if live < self.options.max_sessions { live.checked_add(1) } else { None };
        self.live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .map(drop)
            .map_err(|_| StoreError::Full)
    }

    fn ended(&self, sessions: usize) {
        self.live.fetch_sub(sessions, Ordering::Relaxed);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    type Limiter = SlidingWindow;

    fn limiter(&self, name: &'static str, limit: Limit) -> SlidingWindow {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = limiters.iter().find(|(of, known)| *of == name && known.limit() == limit) {
            return known.clone();
        }
        let new = SlidingWindow::new(limit, MAX_LIMITED_KEYS);
        limiters.push((name, new.clone()));
        new
    }

    async fn create(&self, session: NewSession, now: UnixMillis) -> Result<(), StoreError> {
        if self.reserve().is_err() {
            self.purge(now);
            self.reserve()?;
        }
        let Some((mut shard, id)) = self.shard(&session.id) else { return Err(StoreError::Unavailable) };
        let ended = shard.purge(now, &self.options, &self.claims, false);
        let created = shard.create(&id, &session, now, &self.options, &self.claims);
        drop(shard);
        self.ended(ended.saturating_add(usize::from(created.is_err())));
        created
    }

    async fn find(&self, id: &SessionId, now: UnixMillis) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.shard(id).and_then(|(shard, id)| shard.find(&id, now, &self.options)))
    }

    async fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        let Some((mut shard, id)) = self.shard(id) else { return Ok(None) };
        shard.claim(&id, claim, now, &self.options, &self.claims)
    }

    async fn close(&self, id: &SessionId) -> Result<(), StoreError> {
        let ended = self.shard(id).is_some_and(|(mut shard, id)| shard.close(&id, &self.claims));
        self.ended(usize::from(ended));
        Ok(())
    }

    async fn close_all_of(&self, key_id: &KeyId) -> Result<(), StoreError> {
        for shard in &self.shards {
            let ended = lock(shard).close_all_of(key_id, &self.claims);
            self.ended(ended);
        }
        Ok(())
    }

    fn idle_timeout(&self) -> Option<u32> {
        Some(u32::try_from(self.options.idle_ms / 1000).unwrap_or(u32::MAX))
    }

    fn live_sessions(&self) -> Option<u64> {
        u64::try_from(self.sessions()).ok()
    }

    async fn purge(&self, now: UnixMillis) {
        Self::purge(self, now);
    }

    async fn knows_wrapped(&self, key_id: &KeyId, hashes: &[WrappedKeyHash; 2]) -> Result<bool, StoreError> {
        Ok(self.ledgers.knows(key_id, hashes))
    }

    async fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        if !self.ledgers.has_file() {
            return self.ledgers.claim(key_id, hashes, keep_until);
        }
        // The disk is waited for, but not on a thread that serves.
        let (ledgers, key_id, hashes) = (Arc::clone(&self.ledgers), key_id.clone(), *hashes);
        let claim = tokio::task::spawn_blocking(move || ledgers.claim(&key_id, &hashes, keep_until));
        claim.await.unwrap_or(Err(StoreError::Unavailable))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::rng::SystemSeeded;

    #[test]
    fn a_ledger_in_memory_answers_at_once_and_one_in_a_file_from_a_thread_that_serves_nobody() {
        let (key, hashes) =
            (KeyId::parse("k").unwrap(), [1, 2].map(|byte| WrappedKeyHash::from_bytes([byte; 32])));
        let claim = |store: &MemoryStore| store.claim_wrapped(&key, &hashes, None).now_or_never();
        assert_eq!(claim(&MemoryStore::default()), Some(Ok(LedgerVerdict::New)), "without any runtime");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let store = MemoryStore::with_ledger_file(StoreOptions::default(), &path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || wait.recv());
        let inside = runtime.enter();
        assert_eq!(claim(&store), None, "the only such thread is busy");
        drop((go, inside));
        assert!(runtime.block_on(store.claim_wrapped(&key, &hashes, None)).is_ok());
    }

    #[test]
    fn sessions_spread_over_all_parts_of_the_store() {
        let store = MemoryStore::default();
        let part = || {
            let (part, _) = store.shard(&SessionId::draw(&mut SystemSeeded)).unwrap();
            std::ptr::from_ref(&*part).addr()
        };
        let parts: std::collections::HashSet<_> = (0..100 * SHARDS).map(|_| part()).collect();
        assert_eq!(parts.len(), SHARDS);
    }
}
