//! A store that fails on its way there or back, and keeps a record of what it did; and one that lies.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_core::server::{NewSession, SessionRecord};
use sc_std::rate_limit::Limit;
use sc_std::store::{MemoryStore, Store, StoreError};

use crate::dice::Dice;

/// Something that took effect in a store, in the order in which it did.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    Created {
        id: SessionId,
        key_id: KeyId,
        expires_at: UnixMillis,
        first: Option<IvClaim>,
        now: UnixMillis,
        result: Result<(), StoreError>,
    },
    Found {
        id: SessionId,
        now: UnixMillis,
        found: bool,
    },
    Claimed {
        id: SessionId,
        claim: IvClaim,
        now: UnixMillis,
        result: Result<Option<ClaimVerdict>, StoreError>,
    },
    Closed {
        id: SessionId,
    },
    ClosedAllOf {
        key_id: KeyId,
    },
    Purged {
        now: UnixMillis,
    },
    Wrapped {
        key_id: KeyId,
        hashes: [WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
        verdict: LedgerVerdict,
    },
    FailedBefore,
    FailedAfter,
}

/// A store behind a wire that breaks.
pub(crate) struct FaultyStore<S> {
    inner: S,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    /// How often the wire breaks before and after the effect, in a thousandth.
    rates: (u64, u64),
    effects: Vec<Effect>,
}

impl<S: Store> FaultyStore<S> {
    pub(crate) const fn new(inner: S, dice: Dice, rates: (u64, u64)) -> Self {
        Self { inner, state: Mutex::new(State { dice, rates, effects: Vec::new() }) }
    }

    pub(crate) const fn inner(&self) -> &S {
        &self.inner
    }

    pub(crate) fn set_rates(&self, rates: (u64, u64)) {
        self.lock().rates = rates;
    }

    /// What happened since the last call.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        std::mem::take(&mut self.lock().effects)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, effect: Effect) {
        self.lock().effects.push(effect);
    }

    fn breaks_before(&self) -> Result<(), StoreError> {
        let mut state = self.lock();
        let rate = state.rates.0;
        if state.dice.chance(rate) {
            state.effects.push(Effect::FailedBefore);
            return Err(StoreError::Unavailable);
        }
        Ok(())
    }

    fn breaks_after<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut state = self.lock();
        let rate = state.rates.1;
        if state.dice.chance(rate) {
            state.effects.push(Effect::FailedAfter);
            return Err(StoreError::Unavailable);
        }
        result
    }
}

impl<S: Store> Store for FaultyStore<S> {
    type Limiter = S::Limiter;

    fn limiter(&self, name: &'static str, limit: Limit) -> S::Limiter {
        self.inner.limiter(name, limit)
    }

    /// Sweeps before, since the little that the memory store sweeps as it goes depends on chance.
    async fn create(&self, session: NewSession, now: UnixMillis) -> Result<(), StoreError> {
        self.breaks_before()?;
        self.purge(now).await;
        let (id, key_id) = (session.id, session.record.key_id().clone());
        let (expires_at, first) = (session.record.expires_at(), session.first_claim);
        let result = self.inner.create(session, now).await;
        self.keep(Effect::Created { id, key_id, expires_at, first, now, result });
        self.breaks_after(result)
    }

    async fn find(&self, id: &SessionId, now: UnixMillis) -> Result<Option<SessionRecord>, StoreError> {
        self.breaks_before()?;
        let result = self.inner.find(id, now).await;
        if let Ok(found) = &result {
            self.keep(Effect::Found { id: *id, now, found: found.is_some() });
        }
        self.breaks_after(result)
    }

    async fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        self.breaks_before()?;
        let result = self.inner.claim(id, claim, now).await;
        self.keep(Effect::Claimed { id: *id, claim: *claim, now, result });
        self.breaks_after(result)
    }

    async fn close(&self, id: &SessionId) -> Result<(), StoreError> {
        self.breaks_before()?;
        let result = self.inner.close(id).await;
        self.keep(Effect::Closed { id: *id });
        self.breaks_after(result)
    }

    async fn close_all_of(&self, key_id: &KeyId) -> Result<(), StoreError> {
        self.breaks_before()?;
        let result = self.inner.close_all_of(key_id).await;
        self.keep(Effect::ClosedAllOf { key_id: key_id.clone() });
        self.breaks_after(result)
    }

    fn idle_timeout(&self) -> Option<u32> {
        self.inner.idle_timeout()
    }

    fn live_sessions(&self) -> Option<u64> {
        self.inner.live_sessions()
    }

    async fn purge(&self, now: UnixMillis) {
        self.inner.purge(now).await;
        self.keep(Effect::Purged { now });
    }

    async fn knows_wrapped(&self, key_id: &KeyId, hashes: &[WrappedKeyHash; 2]) -> Result<bool, StoreError> {
        self.breaks_before()?;
        self.breaks_after(self.inner.knows_wrapped(key_id, hashes).await)
    }

    async fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        self.breaks_before()?;
        let result = self.inner.claim_wrapped(key_id, hashes, keep_until).await;
        if let Ok(verdict) = result {
            self.keep(Effect::Wrapped { key_id: key_id.clone(), hashes: *hashes, keep_until, verdict });
        }
        self.breaks_after(result)
    }
}

/// How a store lies. The checker must find each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The honest truth.
    None,
    /// Every IV is new.
    ForgetsClaims,
    /// Every wrapped key is new.
    ForgetsWrapped,
    /// Idle sessions go on.
    IgnoresIdleEnds,
    /// Closed sessions go on.
    IgnoresCloses,
    /// Sessions of a revoked key go on.
    IgnoresRevocations,
    /// Live sessions are lost.
    LosesSessions,
    /// There is room for more than there may be.
    IgnoresBounds,
    /// It never comes back.
    StaysAway,
}

/// The memory store, or a lie of it.
pub(crate) struct Lying {
    truth: MemoryStore,
    lie: Lie,
}

impl Lying {
    pub(crate) const fn new(truth: MemoryStore, lie: Lie) -> Self {
        Self { truth, lie }
    }

    pub(crate) const fn truth(&self) -> &MemoryStore {
        &self.truth
    }

    const fn reach(&self) -> Result<(), StoreError> {
        if matches!(self.lie, Lie::StaysAway) { Err(StoreError::Unavailable) } else { Ok(()) }
    }
}

impl Store for Lying {
    type Limiter = <MemoryStore as Store>::Limiter;

    fn limiter(&self, name: &'static str, limit: Limit) -> Self::Limiter {
        self.truth.limiter(name, limit)
    }

    async fn create(&self, session: NewSession, now: UnixMillis) -> Result<(), StoreError> {
        self.reach()?;
        let id = session.id;
        self.truth.create(session, now).await?;
        if self.lie == Lie::LosesSessions && id.to_raw()[0] < 64 {
            self.truth.close(&id).await?;
        }
        Ok(())
    }

    async fn find(&self, id: &SessionId, now: UnixMillis) -> Result<Option<SessionRecord>, StoreError> {
        self.reach()?;
        self.truth.find(id, now).await
    }

    async fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        self.reach()?;
        let verdict = self.truth.claim(id, claim, now).await?;
        Ok(if self.lie == Lie::ForgetsClaims { verdict.map(|_| ClaimVerdict::New) } else { verdict })
    }

    async fn close(&self, id: &SessionId) -> Result<(), StoreError> {
        self.reach()?;
        if self.lie == Lie::IgnoresCloses { Ok(()) } else { self.truth.close(id).await }
    }

    async fn close_all_of(&self, key_id: &KeyId) -> Result<(), StoreError> {
        self.reach()?;
        if self.lie == Lie::IgnoresRevocations { Ok(()) } else { self.truth.close_all_of(key_id).await }
    }

    fn idle_timeout(&self) -> Option<u32> {
        self.truth.idle_timeout()
    }

    async fn purge(&self, now: UnixMillis) {
        Store::purge(&self.truth, now).await;
    }

    async fn knows_wrapped(&self, key_id: &KeyId, hashes: &[WrappedKeyHash; 2]) -> Result<bool, StoreError> {
        self.reach()?;
        Ok(self.lie != Lie::ForgetsWrapped && self.truth.knows_wrapped(key_id, hashes).await?)
    }

    async fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        self.reach()?;
        let verdict = self.truth.claim_wrapped(key_id, hashes, keep_until).await?;
        Ok(if self.lie == Lie::ForgetsWrapped { LedgerVerdict::New } else { verdict })
    }
}
