//! One shard of the memory store: sessions by id, and their deadlines in order.
//!
//! A deadline in the queue may be older than the session's, never later: using a session only moves a number. Whoever
//! pops it looks at the session and queues it again. So expiry costs no scan, and a use costs no heap operation, but for
//! a first message that brings the end nearer.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim};
use sc_core::server::{NewSession, SessionRecord};
use zeroize::Zeroizing;

use crate::store::claims::{ClaimBudget, Claims};
use crate::store::{StoreError, StoreOptions};

/// Most deadlines looked at by one call that has something else to do.
const PURGE_STEP: usize = 8;

type RawId = [u8; SessionId::RAW_LEN];

/// One session. The record is kept encoded, at its true length, and wiped on drop.
#[derive(Debug)]
struct Entry {
    record: Zeroizing<Box<[u8]>>,
    expires_at: UnixMillis,
    last_used: UnixMillis,
    claims: Claims,
}

impl Entry {
    /// When the session ends if it is not used again (PROTOCOL 10.4).
    fn deadline(&self, options: &StoreOptions) -> UnixMillis {
        let idle = if self.claims.opened() == 0 { options.unused_ms } else { options.idle_ms };
        self.last_used.plus(idle).min(self.expires_at)
    }
}

/// Sessions whose ids fall into one shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    sessions: HashMap<RawId, Entry>,
    deadlines: BinaryHeap<Reverse<(UnixMillis, RawId)>>,
}

impl Shard {
    pub(super) fn create(
        &mut self,
        session: NewSession,
        now: UnixMillis,
        options: &StoreOptions,
        budget: &ClaimBudget,
    ) -> Result<(), StoreError> {
        let id = session.id.to_raw();
        if self.sessions.contains_key(&id) {
            return Err(StoreError::Taken);
        }
        let mut claims = Claims::new(options.replay_check);
        if let Some(first) = &session.first_claim {
            claims.claim(first, budget)?;
        }
        let record = Zeroizing::new(Box::from(session.record.encode().as_ref()));
        let entry = Entry { record, expires_at: session.record.expires_at(), last_used: now, claims };
        self.deadlines.push(Reverse((entry.deadline(options), id)));
        self.sessions.insert(id, entry);
        Ok(())
    }

    pub(super) fn find(
        &self,
        id: &SessionId,
        now: UnixMillis,
        options: &StoreOptions,
    ) -> Option<SessionRecord> {
        let entry = self.sessions.get(&id.to_raw()).filter(|entry| now < entry.deadline(options))?;
        SessionRecord::decode(&entry.record).ok()
    }

    pub(super) fn claim(
        &mut self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
        options: &StoreOptions,
        budget: &ClaimBudget,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        let entry = self.sessions.get_mut(&id.to_raw()).filter(|entry| now < entry.deadline(options));
        let Some(entry) = entry else { return Ok(None) };
        let before = entry.deadline(options);
        let verdict = entry.claims.claim(claim, budget)?;
        if verdict == ClaimVerdict::New {
            entry.last_used = entry.last_used.max(now);
        }
        // The first message brings the end of an unused session nearer, if the idle time is the shorter one: no entry of
        // the queue would be early enough.
        let deadline = entry.deadline(options);
        if deadline < before {
            self.deadlines.push(Reverse((deadline, id.to_raw())));
        }
        Ok(Some(verdict))
    }

    /// Ends a session; whether there was one.
    pub(super) fn close(&mut self, id: &RawId, budget: &ClaimBudget) -> bool {
        let ended = self.sessions.remove(id);
        ended.inspect(|entry| entry.claims.release(budget)).is_some()
    }

    /// Ends every session of an RSA key; how many.
    pub(super) fn close_all_of(&mut self, key_id: &KeyId, budget: &ClaimBudget) -> usize {
        let before = self.sessions.len();
        self.sessions.retain(|_, entry| {
            let of_key = SessionRecord::decode(&entry.record).is_ok_and(|record| record.key_id() == key_id);
            if of_key {
                entry.claims.release(budget);
            }
            !of_key
        });
        before.saturating_sub(self.sessions.len())
    }

    /// Ends a few sessions that are over; how many. `all`: every one that is over.
    pub(super) fn purge(
        &mut self,
        now: UnixMillis,
        options: &StoreOptions,
        budget: &ClaimBudget,
        all: bool,
    ) -> usize {
        let (mut ended, mut looked_at) = (0_usize, 0);
        while all || looked_at < PURGE_STEP {
            looked_at += 1;
            let Some(Reverse((_, id))) =
                self.deadlines.peek().copied().filter(|Reverse((due, _))| *due <= now)
            else {
                break;
            };
            self.deadlines.pop();
            match self.sessions.get(&id) {
                Some(entry) if now < entry.deadline(options) => {
                    self.deadlines.push(Reverse((entry.deadline(options), id)));
                }
                Some(_) => ended = ended.saturating_add(usize::from(self.close(&id, budget))),
                None => {}
            }
        }
        ended
    }
}
