//! One shard of the memory store: sessions in places that stand still, found by id, looked at when their time comes.
//!
//! A deadline in the queue may be older than the session's, never later: using a session only moves a number. Whoever
//! pops it looks at the session and queues it again. So expiry costs no scan, and a use costs no heap operation, but for
//! a first message that brings the end nearer.
//!
//! A session takes 216 bytes here, and 14 to 27 in the index and the queue, as full as they are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;

use hashbrown::HashTable;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim};
use sc_core::server::{NewSession, PackedRecord, SessionRecord};

use crate::store::claims::{ClaimBudget, Claims};
use crate::store::key_names::KeyNames;
use crate::store::slots::Slots;
use crate::store::{StoreError, StoreOptions};
use crate::sync::RandomState;

/// Most deadlines looked at by one call that has something else to do.
const PURGE_STEP: usize = 8;

type RawId = [u8; SessionId::RAW_LEN];

/// One session.
#[derive(Debug)]
struct Entry {
    id: RawId,
    record: PackedRecord,
    key: u32,
    expires_at: UnixMillis,
    last_used: UnixMillis,
    next_look: Look,
    claims: Claims,
}

impl Entry {
    /// When the session ends if it is not used again (PROTOCOL 10.4).
    fn deadline(&self, options: &StoreOptions) -> UnixMillis {
        let idle = if self.claims.opened() == 0 { options.unused_ms } else { options.idle_ms };
        self.last_used.plus(idle).min(self.expires_at)
    }

    /// Plans to look at the session when it will be over.
    fn plan(&mut self, place: u32, options: &StoreOptions) -> Look {
        self.next_look = Look::new(self.deadline(options), place);
        self.next_look
    }
}

/// When to look at a place: 42 bits of milliseconds, which last until 2109, and 22 of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Look(u64);

impl Look {
    const PLACE_BITS: u32 = 22;

    fn new(due: UnixMillis, place: u32) -> Self {
        Self(due.0.min(u64::MAX >> Self::PLACE_BITS) << Self::PLACE_BITS | u64::from(place))
    }

    const fn due(self) -> UnixMillis {
        UnixMillis(self.0 >> Self::PLACE_BITS)
    }

    fn place(self) -> u32 {
        let place = self.0 & ((1 << Self::PLACE_BITS) - 1);
        u32::try_from(place).unwrap_or(u32::MAX)
    }
}

/// An id with its hash, which says its shard too.
#[derive(Debug, Clone, Copy)]
pub(super) struct HashedId {
    id: RawId,
    pub(super) hash: u64,
}

impl HashedId {
    pub(super) fn new(hasher: &RandomState, id: &SessionId) -> Self {
        let id = id.to_raw();
        Self { id, hash: hasher.hash_one(id) }
    }
}

/// Sessions whose ids fall into one shard.
#[derive(Debug)]
pub(super) struct Shard {
    places: Slots<Entry>,
    by_id: HashTable<u32>,
    hasher: RandomState,
    deadlines: BinaryHeap<Reverse<Look>>,
    keys: KeyNames,
}

impl Shard {
    /// An empty shard. `hasher` is the one that makes every [`HashedId`].
    pub(super) fn new(hasher: RandomState) -> Self {
        let (places, keys) = (Slots::default(), KeyNames::default());
        Self { places, by_id: HashTable::new(), hasher, deadlines: BinaryHeap::new(), keys }
    }

    pub(super) fn create(
        &mut self,
        id: &HashedId,
        session: &NewSession,
        now: UnixMillis,
        options: &StoreOptions,
        budget: &ClaimBudget,
    ) -> Result<(), StoreError> {
        if self.place(id).is_some() {
            return Err(StoreError::Taken);
        }
        let mut claims = Claims::new(options.replay_check);
        if let Some(first) = &session.first_claim {
            claims.claim(first, budget)?;
        }
        let Some((place, vacant)) = self.places.vacant() else {
            claims.release(budget);
            return Err(StoreError::Full);
        };
        let entry = vacant.insert(Entry {
            id: id.id,
            record: PackedRecord::EMPTY,
            key: self.keys.take(session.record.key_id()),
            expires_at: session.record.expires_at(),
            last_used: now,
            next_look: Look::new(now, place),
            claims,
        });
        session.record.pack_into(&mut entry.record);
        self.deadlines.push(Reverse(entry.plan(place, options)));
        let (places, hasher) = (&self.places, &self.hasher);
        let hash = |place: &u32| places.find(*place).map_or(0, |entry| hasher.hash_one(entry.id));
        self.by_id.insert_unique(id.hash, place, hash);
        Ok(())
    }

    fn place(&self, id: &HashedId) -> Option<u32> {
        let is = |place: &u32| self.places.find(*place).is_some_and(|entry| entry.id == id.id);
        self.by_id.find(id.hash, is).copied()
    }

    pub(super) fn find(
        &self,
        id: &HashedId,
        now: UnixMillis,
        options: &StoreOptions,
    ) -> Option<SessionRecord> {
        let entry = self.places.find(self.place(id)?).filter(|entry| now < entry.deadline(options))?;
        SessionRecord::unpack(&entry.record, self.keys.name(entry.key)?.clone()).ok()
    }

    pub(super) fn claim(
        &mut self,
        id: &HashedId,
        claim: &IvClaim,
        now: UnixMillis,
        options: &StoreOptions,
        budget: &ClaimBudget,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        let Some(place) = self.place(id) else { return Ok(None) };
        let entry = self.places.find_mut(place).filter(|entry| now < entry.deadline(options));
        let Some(entry) = entry else { return Ok(None) };
        let before = entry.deadline(options);
        let verdict = entry.claims.claim(claim, budget)?;
        if verdict == ClaimVerdict::New {
            entry.last_used = entry.last_used.max(now);
        }
        // The first message brings the end of an unused session nearer, if the idle time is the shorter one: what is
        // queued would be too late. It is left over then.
        if entry.deadline(options) < before {
            let sooner = entry.plan(place, options);
            self.deadlines.push(Reverse(sooner));
        }
        Ok(Some(verdict))
    }

    /// Ends a session; whether there was one.
    pub(super) fn close(&mut self, id: &HashedId, budget: &ClaimBudget) -> bool {
        let place = self.place(id);
        place.inspect(|place| self.end(*place, budget)).is_some()
    }

    /// Ends the session in a place.
    fn end(&mut self, place: u32, budget: &ClaimBudget) {
        let Some(entry) = self.places.find(place) else { return };
        entry.claims.release(budget);
        self.keys.give_back(entry.key);
        if let Ok(found) = self.by_id.find_entry(self.hasher.hash_one(entry.id), |held| *held == place) {
            found.remove();
        }
        self.places.remove(place);
    }

    /// Ends every session of an RSA key; how many.
    pub(super) fn close_all_of(&mut self, key_id: &KeyId, budget: &ClaimBudget) -> usize {
        let Some(key) = self.keys.find(key_id) else { return 0 };
        let of_key = self.places.iter().filter(|(_, entry)| entry.key == key).map(|(place, _)| place);
        let places: Vec<_> = of_key.collect();
        for place in &places {
            self.end(*place, budget);
        }
        places.len()
    }

    /// Ends a few sessions that are over; how many. `all`: every one that is over.
    pub(super) fn purge(
        &mut self,
        now: UnixMillis,
        options: &StoreOptions,
        budget: &ClaimBudget,
        all: bool,
    ) -> usize {
        let mut ended = 0_usize;
        // Each is looked at once, whatever the clock says.
        let looks = if all { self.deadlines.len() } else { PURGE_STEP };
        for _ in 0..looks {
            let due = self.deadlines.peek().copied().filter(|Reverse(look)| look.due() <= now);
            let Some(Reverse(look)) = due else { break };
            self.deadlines.pop();
            let place = look.place();
            // A look is left over of a session that was closed, whose place may be another's by now, and of one whose end
            // came nearer.
            let entry = self.places.find_mut(place).filter(|entry| entry.next_look == look);
            match entry {
                Some(entry) if now < entry.deadline(options) => {
                    let again = entry.plan(place, options);
                    self.deadlines.push(Reverse(again));
                }
                Some(_) => {
                    self.end(place, budget);
                    ended = ended.saturating_add(1);
                }
                None => {}
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use sc_core::document::SessionRequest;
    use sc_core::envelope::Profile;
    use sc_core::id::ClientHash;
    use sc_core::replay::LedgerVerdict;
    use sc_core::secret::{CandidateKeys, UnwrappedKey};
    use sc_core::server::{Grant, Server};

    use super::*;
    use crate::rng::SystemSeeded;

    /// A new session that lasts so long.
    fn session(id: u8, expires_at: UnixMillis) -> NewSession {
        let request = SessionRequest::new(KeyId::parse("key").unwrap(), &[1; 256], &[2; 256], Profile::Plain);
        let server = Server::default();
        let setup = server.set_up(&request).unwrap();
        let [one, two] = [[3; 32], [4; 32]].map(|key| UnwrappedKey::from_result(Some(&key)));
        let keys = CandidateKeys::combine(&mut SystemSeeded, one, two);
        let wrapped = setup.wrapped(2048).unwrap();
        let unclaimed = setup.accept(wrapped, keys, ClientHash::of(b"device").unwrap()).unwrap();
        let grant = Grant { id: SessionId::from_raw([id; 24]), expires_at };
        unclaimed.settle(LedgerVerdict::New, grant).unwrap()
    }

    #[test]
    fn a_look_that_is_left_over_in_a_place_that_is_used_again_is_dropped() {
        let (hasher, budget) = (RandomState::new(), ClaimBudget::new(10));
        let options = StoreOptions::default().with_unused_ms(1_000_000).with_idle_ms(1_000_000);
        let mut shard = Shard::new(hasher.clone());
        let create = |shard: &mut Shard, id: u8, expires_at: u64| {
            let session = session(id, UnixMillis(expires_at));
            let hashed = HashedId::new(&hasher, &session.id);
            shard.create(&hashed, &session, UnixMillis(0), &options, &budget).unwrap();
            hashed
        };
        for round in 0..100 {
            let closed = create(&mut shard, 1, 100 + round);
            assert!(shard.close(&closed, &budget));
        }
        let second = create(&mut shard, 2, 1_000);
        assert_eq!(
            (shard.places.iter().count(), shard.deadlines.len()),
            (1, 101),
            "one place, a look for each"
        );
        assert_eq!(shard.purge(UnixMillis(500), &options, &budget, true), 0);
        assert!(shard.find(&second, UnixMillis(500), &options).is_some());
        assert_eq!(shard.deadlines.len(), 1, "only that of the session which lives");
        assert_eq!(shard.purge(UnixMillis(1_000), &options, &budget, true), 1);
        assert_eq!((shard.places.iter().count(), shard.deadlines.len(), shard.by_id.len()), (0, 0, 0));
        assert_eq!(shard.keys.find(&KeyId::parse("key").unwrap()), None, "and its key's name is forgotten");
    }

    #[test]
    fn a_message_queues_a_look_only_if_the_end_comes_nearer() {
        let (hasher, budget) = (RandomState::new(), ClaimBudget::new(10));
        let options = StoreOptions::default().with_unused_ms(300).with_idle_ms(100);
        let mut shard = Shard::new(hasher.clone());
        let session = session(1, UnixMillis(1_000));
        let id = HashedId::new(&hasher, &session.id);
        shard.create(&id, &session, UnixMillis(0), &options, &budget).unwrap();
        assert_eq!(shard.deadlines.len(), 1);
        let lives = |at| shard.find(&id, UnixMillis(at), &options).is_some();
        assert_eq!((lives(299), lives(300)), (true, false), "unused");
        // The first brings the end from 300 to 150; a second in the same instant, a later one, and one at the last moment do not.
        for (iv, now, looks) in [(1, 50, 2), (2, 50, 2), (3, 120, 2), (4, 219, 2)] {
            let claim = IvClaim::from_bytes([iv; IvClaim::LEN]);
            let verdict = shard.claim(&id, &claim, UnixMillis(now), &options, &budget).unwrap();
            assert_eq!((verdict, shard.deadlines.len()), (Some(ClaimVerdict::New), looks), "at {now}");
        }
        let late = IvClaim::from_bytes([5; IvClaim::LEN]);
        assert_eq!(shard.claim(&id, &late, UnixMillis(319), &options, &budget), Ok(None), "it is over");
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_session_is_as_small_as_the_documents_say() {
        assert_eq!(size_of::<Option<Entry>>(), 216);
    }

    #[test]
    fn a_look_keeps_order_time_and_place_and_clamps_what_is_later_than_it_can_say() {
        let look = |ms, place| Look::new(UnixMillis(ms), place);
        assert!(look(1, u32::MAX >> 10) < look(2, 0));
        for (ms, place) in [(0, 0), (1_790_000_000_000, 12_345), ((1 << 42) - 1, (1 << 22) - 1)] {
            assert_eq!((look(ms, place).due(), look(ms, place).place()), (UnixMillis(ms), place));
        }
        assert_eq!(look(u64::MAX, 7), look((1 << 42) - 1, 7));
    }
}
