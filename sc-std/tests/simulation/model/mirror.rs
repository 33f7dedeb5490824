//! What a store must hold, from the record of its effects: exact, so that every other answer is a violation.

use std::collections::{HashMap, HashSet};

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_std::store::StoreError;

use crate::plan::Bounds;
use crate::report::{Event, Invariant, Log};
use crate::store::Effect;

/// How long a ledger outlives its RSA key.
const GRACE_MS: u64 = 60 * 60 * 1000;

struct Known {
    key_id: KeyId,
    expires_at: UnixMillis,
    last_used: UnixMillis,
    claims: HashMap<[u8; 12], IvClaim>,
    /// Made after its RSA key had been revoked: to be ended before anybody uses it.
    unwanted: bool,
}

impl Known {
    fn deadline(&self, bounds: &Bounds) -> UnixMillis {
        let idle = if self.claims.is_empty() { bounds.unused_ms } else { bounds.idle_ms };
        self.last_used.plus(idle).min(self.expires_at)
    }
}

#[derive(Default)]
struct Ledger {
    hashes: HashSet<WrappedKeyHash>,
    until: Option<UnixMillis>,
}

/// One store as it must be.
pub(crate) struct Mirror {
    bounds: Bounds,
    sessions: HashMap<SessionId, Known>,
    claims: usize,
    ledgers: HashMap<KeyId, Ledger>,
    revoked: HashSet<KeyId>,
}

impl Mirror {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, sessions: HashMap::new(), claims: 0, ledgers: HashMap::new(), revoked: HashSet::new() }
    }

    /// Takes an effect and judges it.
    pub(crate) fn apply(&mut self, log: &Log, effect: &Effect) {
        match effect {
            Effect::Created { id, key_id, expires_at, first, now, result } => {
                let full = self.sessions.len() >= self.bounds.sessions
                    || first.is_some() && self.claims >= self.bounds.claims;
                if *result != if full { Err(StoreError::Full) } else { Ok(()) } {
                    log.violate(Invariant::Store, format!("creating {id:?}: {result:?}, full: {full}"));
                }
                if result.is_ok() {
                    let claims: HashMap<_, _> = first.iter().map(|claim| (iv(claim), *claim)).collect();
                    self.claims += claims.len();
                    let unwanted = self.revoked.contains(key_id);
                    let (key_id, expires_at, last_used) = (key_id.clone(), *expires_at, *now);
                    self.sessions.insert(*id, Known { key_id, expires_at, last_used, claims, unwanted });
                }
            }
            Effect::Found { id, now, found } => {
                let live = self.sessions.get(id).is_some_and(|known| *now < known.deadline(&self.bounds));
                match (live, found) {
                    (true, false) => log.violate(Invariant::Store, format!("{id:?} is lost")),
                    (false, true) => log.violate(Invariant::Ended, format!("{id:?} is found after its end")),
                    _ => {}
                }
            }
            Effect::Claimed { id, claim, now, result } => self.claimed(log, id, claim, *now, *result),
            Effect::Closed { id } => self.end(|other, _| other == id),
            Effect::ClosedAllOf { key_id } => {
                self.revoked.insert(key_id.clone());
                self.end(|_, known| known.key_id == *key_id);
            }
            Effect::Purged { now } => {
                let bounds = self.bounds;
                self.end(|_, known| known.deadline(&bounds) <= *now);
                self.ledgers.retain(|_, ledger| ledger.until.is_none_or(|until| *now < until.plus(GRACE_MS)));
            }
            Effect::Wrapped { key_id, hashes, keep_until, verdict } => {
                let ledger = self.ledgers.entry(key_id.clone()).or_default();
                ledger.until = *keep_until;
                let expected = record(&mut ledger.hashes, hashes, self.bounds.ledger);
                if *verdict != expected {
                    let of = if expected == LedgerVerdict::Repeated {
                        Invariant::WrappedOnce
                    } else {
                        Invariant::Store
                    };
                    log.violate(of, format!("the ledger says {verdict:?}, not {expected:?}"));
                }
            }
            Effect::FailedBefore => log.count(Event::StoreFailedBefore),
            Effect::FailedAfter => log.count(Event::StoreFailedAfter),
        }
    }

    fn claimed(
        &mut self,
        log: &Log,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
        result: Result<Option<ClaimVerdict>, StoreError>,
    ) {
        let bounds = self.bounds;
        let known = self.sessions.get_mut(id).filter(|known| now < known.deadline(&bounds));
        let Some(known) = known else {
            if result != Ok(None) {
                log.violate(Invariant::Ended, format!("{id:?} takes a claim after its end: {result:?}"));
            }
            return;
        };
        if known.unwanted {
            log.violate(Invariant::Ended, format!("{id:?} of a revoked key is used"));
        }
        let expected = match known.claims.get(&iv(claim)) {
            Some(earlier) => Ok(Some(claim.verdict_against(earlier))),
            None if self.claims < bounds.claims => Ok(Some(ClaimVerdict::New)),
            None => Err(StoreError::Full),
        };
        if result != expected {
            let repeated = matches!(expected, Ok(Some(ClaimVerdict::Replayed | ClaimVerdict::IvReused)));
            let of = if repeated { Invariant::Once } else { Invariant::Store };
            log.violate(of, format!("{id:?}: the claim is {result:?}, not {expected:?}"));
        }
        if result == Ok(Some(ClaimVerdict::New)) && known.claims.insert(iv(claim), *claim).is_none() {
            self.claims += 1;
            known.last_used = known.last_used.max(now);
        }
    }

    fn end(&mut self, over: impl Fn(&SessionId, &Known) -> bool) {
        let claims = &mut self.claims;
        self.sessions.retain(|id, known| {
            let over = over(id, known);
            if over {
                *claims -= known.claims.len();
            }
            !over
        });
    }

    /// Whether a session was made after its RSA key had been revoked, and was not ended yet.
    pub(crate) fn is_unwanted(&self, id: &SessionId) -> bool {
        self.sessions.get(id).is_some_and(|known| known.unwanted)
    }

    /// Sessions that live by the reckoning of this model.
    pub(crate) fn live(&self) -> usize {
        self.sessions.len()
    }

    /// Holds what a store says that it holds against this model and the bounds.
    pub(crate) fn check(&self, log: &Log, sessions: usize, claims: usize) {
        if (sessions, claims) != (self.sessions.len(), self.claims) {
            let own = (self.sessions.len(), self.claims);
            log.violate(Invariant::Store, format!("{sessions} sessions and {claims} claims, not {own:?}"));
        }
        if sessions > self.bounds.sessions || claims > self.bounds.claims {
            log.violate(Invariant::Store, format!("{sessions} sessions and {claims} claims are too many"));
        }
    }
}

pub(crate) fn iv(claim: &IvClaim) -> [u8; 12] {
    *claim.as_bytes().first_chunk().unwrap()
}

/// The rule of the ledger: the request key decides, and half of a pair that was recorded stays recorded.
fn record(held: &mut HashSet<WrappedKeyHash>, hashes: &[WrappedKeyHash; 2], most: usize) -> LedgerVerdict {
    let [request, response] = hashes;
    if held.len() + 2 > most {
        let known = held.contains(request) || held.contains(response);
        return if known { LedgerVerdict::Repeated } else { LedgerVerdict::Full };
    }
    if held.insert(*request) && held.insert(*response) { LedgerVerdict::New } else { LedgerVerdict::Repeated }
}
