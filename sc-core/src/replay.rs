//! The rules for IVs and wrapped keys, as pure data structures over the caller's memory (PROTOCOL 4.3).
//!
//! Both live in a slice of slots: an array on a device, a vector that grows on a server.

use rand_core::CryptoRng;

use crate::exchange::WrappedKeyHash;
use crate::id::Iv;
use crate::limits::{IV_LEN, MAX_LEDGER_HASHES, MAX_MESSAGES_PER_SESSION, TAG_LEN};
pub use crate::table::Slot;
use crate::table::{Place, Table};

/// What a store keeps of one opened message: the IV and 4 bytes of the tag (PROTOCOL 10.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IvClaim([u8; Self::LEN]);

impl IvClaim {
    /// Length of a claim, in bytes.
    pub const LEN: usize = IV_LEN + 4;

    pub(crate) fn new(iv: &Iv, tag: &[u8; TAG_LEN]) -> Self {
        let mut bytes = [0; Self::LEN];
        for (place, byte) in bytes.iter_mut().zip(iv.as_bytes().iter().chain(tag)) {
            *place = *byte;
        }
        Self(bytes)
    }

    /// The 16 bytes: the IV, then 4 bytes of the tag.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Takes 16 bytes that a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The IV.
    #[must_use]
    pub const fn iv(&self) -> &[u8; IV_LEN] {
        let [iv @ .., _, _, _, _] = &self.0;
        iv
    }

    /// What it means that `earlier` holds the same IV.
    #[must_use]
    pub fn verdict_against(&self, earlier: &Self) -> ClaimVerdict {
        if self.0 == earlier.0 { ClaimVerdict::Replayed } else { ClaimVerdict::IvReused }
    }
}

/// The answer to "is this IV new?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a server must handle every verdict")]
pub enum ClaimVerdict {
    /// New, and now claimed.
    New,
    /// The same IV with the same tag: a replay; the session lives on.
    Replayed,
    /// The same IV with another tag: the client's random generator failed. The session must end at once, since
    /// GCM gives up its authentication key then.
    IvReused,
    /// The session has opened as many messages as it may, or there is no room: it has expired.
    Exhausted,
}

/// The answer to "are these wrapped keys new?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a server must handle every verdict")]
pub enum LedgerVerdict {
    /// Both are new, and now recorded.
    New,
    /// One was recorded before.
    Repeated,
    /// There is no room: nothing is accepted under this RSA key until it is rotated.
    Full,
}

/// One place of an [`IvSet`].
pub type IvSlot = Slot<{ IvClaim::LEN }>;

/// The IVs that one session has opened.
///
/// # Examples
/// ```
/// use sc_core::replay::{ClaimVerdict, IvClaim, IvSet, IvSlot};
/// # let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
///
/// let mut set = IvSet::new([IvSlot::EMPTY; 64], &mut rng);
/// let claim = IvClaim::from_bytes([7; 16]);
/// assert_eq!(set.claim(&claim), ClaimVerdict::New);
/// assert_eq!(set.claim(&claim), ClaimVerdict::Replayed);
/// ```
#[derive(Debug)]
pub struct IvSet<S>(Table<S, { IvClaim::LEN }, IV_LEN>);

impl<S: AsRef<[IvSlot]> + AsMut<[IvSlot]>> IvSet<S> {
    /// An empty set in `slots`, whatever stood there. Holds as many claims as there are slots, and at most 65,536.
    pub fn new<R: CryptoRng + ?Sized>(slots: S, rng: &mut R) -> Self {
        Self(Table::new(slots, rng))
    }

    /// Claims an IV: checks and inserts in one step. Call it only after the tag verified.
    pub fn claim(&mut self, claim: &IvClaim) -> ClaimVerdict {
        match self.0.find(&claim.0) {
            Place::Taken(earlier) => claim.verdict_against(&IvClaim(earlier)),
            Place::Free(index) if self.len() < MAX_MESSAGES_PER_SESSION => {
                self.0.put(index, &claim.0);
                ClaimVerdict::New
            }
            Place::Free(_) | Place::None => ClaimVerdict::Exhausted,
        }
    }

    /// What [`IvSet::claim`] would say, without claiming.
    #[must_use]
    pub fn look(&self, claim: &IvClaim) -> ClaimVerdict {
        match self.0.find(&claim.0) {
            Place::Taken(earlier) => claim.verdict_against(&IvClaim(earlier)),
            Place::Free(_) if self.len() < MAX_MESSAGES_PER_SESSION => ClaimVerdict::New,
            Place::Free(_) | Place::None => ClaimVerdict::Exhausted,
        }
    }

    /// Claims held.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Whether no claim is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Whether three quarters of the slots are taken, so that more slots would be faster.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.0.is_crowded()
    }

    /// Moves every claim into other slots, which should be more.
    ///
    /// # Errors
    /// Gives the set back unchanged if the new slots are fewer than the claims.
    pub fn move_to<T: AsRef<[IvSlot]> + AsMut<[IvSlot]>>(self, slots: T) -> Result<IvSet<T>, Self> {
        self.0.move_to(slots).map(IvSet).map_err(Self)
    }
}

/// One place of a [`Ledger`].
pub type LedgerSlot = Slot<32>;

/// The hashes of the wrapped keys that one RSA key has accepted. Entries are never dropped.
///
/// # Examples
/// ```
/// use sc_core::{exchange::WrappedKeyHash, replay::{Ledger, LedgerSlot, LedgerVerdict}};
/// # let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
/// let mut ledger = Ledger::new([LedgerSlot::EMPTY; 64], &mut rng);
/// let keys = [[1; 32], [2; 32]].map(WrappedKeyHash::from_bytes);
/// assert_eq!(ledger.claim(&keys), LedgerVerdict::New);
/// assert_eq!(ledger.claim(&keys), LedgerVerdict::Repeated);
/// ```
#[derive(Debug)]
pub struct Ledger<S> {
    table: Table<S, 32, 32>,
    /// Most hashes, however many slots there are.
    most: usize,
}

impl<S: AsRef<[LedgerSlot]> + AsMut<[LedgerSlot]>> Ledger<S> {
    /// An empty ledger in `slots`, whatever stood there. Holds as many hashes as there are slots, and at most 2^24.
    pub fn new<R: CryptoRng + ?Sized>(slots: S, rng: &mut R) -> Self {
        Self { table: Table::new(slots, rng), most: MAX_LEDGER_HASHES }
    }

    /// How many hashes may still be recorded.
    fn room(&self) -> usize {
        self.table.room().min(self.most.saturating_sub(self.table.len()))
    }

    /// Claims both wrapped keys of one set-up, the request key first: it decides, and who loses it claims nothing
    /// else; a half-recorded pair stays recorded (PROTOCOL 4.3, 10.16).
    pub fn claim(&mut self, [request, response]: &[WrappedKeyHash; 2]) -> LedgerVerdict {
        let index = match self.table.find(&request.0) {
            Place::Taken(_) => return LedgerVerdict::Repeated,
            Place::None => return LedgerVerdict::Full,
            Place::Free(index) => index,
        };
        if self.room() < 2 {
            return LedgerVerdict::Full;
        }
        self.table.put(index, &request.0);
        self.record(response)
    }

    /// Records one hash, as when a ledger is read back from a file.
    pub fn record(&mut self, hash: &WrappedKeyHash) -> LedgerVerdict {
        match self.table.find(&hash.0) {
            Place::Taken(_) => LedgerVerdict::Repeated,
            Place::Free(index) if self.room() > 0 => {
                self.table.put(index, &hash.0);
                LedgerVerdict::New
            }
            Place::Free(_) | Place::None => LedgerVerdict::Full,
        }
    }

    /// Whether any of these hashes is recorded: a cheap look before the private operation, which decides nothing.
    #[must_use]
    pub fn contains_any(&self, hashes: &[WrappedKeyHash]) -> bool {
        hashes.iter().any(|hash| matches!(self.table.find(&hash.0), Place::Taken(_)))
    }

    /// Hashes recorded.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Whether three quarters of the slots are taken, so that more slots would be faster.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.table.is_crowded()
    }

    /// Moves every hash into other slots, which should be more.
    ///
    /// # Errors
    /// Gives the ledger back unchanged if the new slots are fewer than the hashes.
    pub fn move_to<T: AsRef<[LedgerSlot]> + AsMut<[LedgerSlot]>>(self, slots: T) -> Result<Ledger<T>, Self> {
        let most = self.most;
        let moved = self.table.move_to(slots);
        moved.map(|table| Ledger { table, most }).map_err(|table| Self { table, most })
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::testing::SeededRng;

    fn claim(iv: u64, tag: u8) -> IvClaim {
        let mut bytes = [tag; IvClaim::LEN];
        bytes[..8].copy_from_slice(&iv.to_be_bytes());
        bytes[8..12].fill(0);
        IvClaim(bytes)
    }

    #[test]
    fn an_iv_is_new_once_then_a_replay_or_a_reuse() {
        let mut set = IvSet::new([IvSlot::EMPTY; 8], &mut SeededRng::new(1));
        assert_eq!(set.claim(&claim(0, 0)), ClaimVerdict::New);
        assert_eq!(set.claim(&claim(0, 0)), ClaimVerdict::Replayed);
        assert_eq!(set.claim(&claim(0, 1)), ClaimVerdict::IvReused);
        assert_eq!(set.claim(&claim(1, 0)), ClaimVerdict::New);
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn a_set_without_room_is_exhausted_but_still_knows_its_ivs() {
        let mut set = IvSet::new([IvSlot::EMPTY; 3], &mut SeededRng::new(1));
        for iv in 0..3 {
            assert_eq!(set.claim(&claim(iv, 0)), ClaimVerdict::New);
        }
        assert_eq!(set.claim(&claim(3, 0)), ClaimVerdict::Exhausted);
        assert_eq!(set.claim(&claim(2, 0)), ClaimVerdict::Replayed);
        assert_eq!(IvSet::new([], &mut SeededRng::new(1)).claim(&claim(0, 0)), ClaimVerdict::Exhausted);
    }

    #[test]
    fn a_session_ends_after_65536_messages_however_much_room_there_is() {
        let mut set = IvSet::new(vec![IvSlot::EMPTY; 100_000], &mut SeededRng::new(1));
        for iv in 0..u64::from(MAX_MESSAGES_PER_SESSION) {
            assert_eq!(set.claim(&claim(iv, 0)), ClaimVerdict::New);
        }
        assert_eq!(set.claim(&claim(u64::MAX, 0)), ClaimVerdict::Exhausted);
        assert_eq!(set.claim(&claim(5, 0)), ClaimVerdict::Replayed);
        assert_eq!(set.claim(&claim(5, 9)), ClaimVerdict::IvReused);
    }

    #[test]
    fn growing_forgets_nothing() -> Result<(), IvSet<vec::Vec<IvSlot>>> {
        let mut set = IvSet::new(vec![IvSlot::EMPTY; 2], &mut SeededRng::new(1));
        let mut slots = 2;
        for iv in 0..1000 {
            if set.is_crowded() {
                slots *= 2;
                set = set.move_to(vec![IvSlot::EMPTY; slots])?;
            }
            assert_eq!(set.claim(&claim(iv, 0)), ClaimVerdict::New);
        }
        for iv in 0..1000 {
            assert_eq!(set.claim(&claim(iv, 0)), ClaimVerdict::Replayed);
        }
        let refused = set.move_to(vec![IvSlot::EMPTY; 999]);
        assert!(refused.is_err_and(|mut set| set.claim(&claim(999, 0)) == ClaimVerdict::Replayed));
        Ok(())
    }

    #[test]
    fn slots_that_were_used_before_are_emptied() {
        let mut slots = [IvSlot::EMPTY; 4];
        for _ in 0..3 {
            let mut set = IvSet::new(&mut slots[..], &mut SeededRng::new(1));
            assert!(set.is_empty());
            assert_eq!(set.claim(&claim(0, 0)), ClaimVerdict::New);
        }
    }

    #[test]
    fn a_wrapped_key_is_accepted_once_in_either_role() {
        let hash = |byte| WrappedKeyHash([byte; 32]);
        let mut ledger = Ledger::new([LedgerSlot::EMPTY; 16], &mut SeededRng::new(1));
        assert_eq!(ledger.claim(&[hash(1), hash(2)]), LedgerVerdict::New);
        assert_eq!(ledger.claim(&[hash(1), hash(2)]), LedgerVerdict::Repeated, "the whole request");
        assert_eq!(ledger.claim(&[hash(1), hash(3)]), LedgerVerdict::Repeated, "attack (a)");
        assert!(!ledger.contains_any(&[hash(3)]), "the loser claims nothing else");
        assert_eq!(
            ledger.claim(&[hash(2), hash(4)]),
            LedgerVerdict::Repeated,
            "one namespace for both roles"
        );
        assert_eq!(ledger.claim(&[hash(5), hash(2)]), LedgerVerdict::Repeated);
        assert!(ledger.contains_any(&[hash(5)]), "half-recorded stays recorded");
        assert_eq!(ledger.claim(&[hash(6), hash(6)]), LedgerVerdict::Repeated, "twice the same");
    }

    #[test]
    fn a_full_ledger_accepts_nothing_and_forgets_nothing() {
        let hash = |byte| WrappedKeyHash([byte; 32]);
        let mut ledger = Ledger::new([LedgerSlot::EMPTY; 3], &mut SeededRng::new(1));
        assert_eq!(ledger.claim(&[hash(1), hash(2)]), LedgerVerdict::New);
        assert_eq!(ledger.claim(&[hash(3), hash(4)]), LedgerVerdict::Full, "one place is not enough");
        assert_eq!(ledger.claim(&[hash(1), hash(4)]), LedgerVerdict::Repeated);
        assert_eq!(ledger.record(&hash(9)), LedgerVerdict::New);
        assert_eq!(ledger.claim(&[hash(3), hash(4)]), LedgerVerdict::Full);
        assert_eq!(ledger.claim(&[hash(9), hash(4)]), LedgerVerdict::Repeated);
    }

    #[test]
    fn a_ledger_has_a_limit_of_its_own_however_many_slots_there_are() {
        let hash = |byte| WrappedKeyHash([byte; 32]);
        let mut ledger = Ledger::new([LedgerSlot::EMPTY; 64], &mut SeededRng::new(1));
        assert_eq!(ledger.most, 1 << 24);
        ledger.most = 5;
        assert_eq!(ledger.claim(&[hash(1), hash(2)]), LedgerVerdict::New);
        assert_eq!(ledger.claim(&[hash(3), hash(4)]), LedgerVerdict::New);
        assert_eq!(ledger.claim(&[hash(5), hash(6)]), LedgerVerdict::Full, "room for one is not enough");
        assert_eq!(ledger.record(&hash(7)), LedgerVerdict::New);
        assert_eq!(ledger.record(&hash(8)), LedgerVerdict::Full);
        assert_eq!(ledger.claim(&[hash(1), hash(9)]), LedgerVerdict::Repeated, "what is known stays known");
        let mut moved = ledger.move_to([LedgerSlot::EMPTY; 128]).unwrap();
        assert_eq!(moved.claim(&[hash(5), hash(6)]), LedgerVerdict::Full, "the limit moves along");
        let mut kept = moved.move_to([LedgerSlot::EMPTY; 4]).unwrap_err();
        assert_eq!(kept.len(), 5, "five do not go into four");
        assert_eq!(kept.claim(&[hash(7), hash(6)]), LedgerVerdict::Repeated, "nothing is forgotten");
        assert_eq!(kept.record(&hash(8)), LedgerVerdict::Full, "and the limit stays");
    }

    #[test]
    fn a_table_is_crowded_once_three_quarters_are_taken() {
        let hash = |byte| WrappedKeyHash([byte; 32]);
        let mut ledger = Ledger::new([LedgerSlot::EMPTY; 16], &mut SeededRng::new(1));
        let mut set = IvSet::new([IvSlot::EMPTY; 16], &mut SeededRng::new(1));
        assert!(ledger.is_empty() && set.is_empty());
        for taken in 1..=16 {
            assert_eq!(ledger.record(&hash(taken)), LedgerVerdict::New);
            assert_eq!(set.claim(&claim(taken.into(), 0)), ClaimVerdict::New);
            assert_eq!((ledger.is_crowded(), set.is_crowded()), (taken >= 12, taken >= 12), "{taken}");
            assert!(!ledger.is_empty() && !set.is_empty());
        }
        assert!(Ledger::new([], &mut SeededRng::new(1)).is_crowded(), "no slots are too few");
    }

    #[test]
    fn every_slot_can_be_moved_into_exactly_as_many() {
        let mut set = IvSet::new([IvSlot::EMPTY; 8], &mut SeededRng::new(1));
        for iv in 0..8 {
            assert_eq!(set.claim(&claim(iv, 0)), ClaimVerdict::New);
        }
        let mut moved = set.move_to([IvSlot::EMPTY; 8]).unwrap();
        for iv in 0..8 {
            assert_eq!(moved.claim(&claim(iv, 0)), ClaimVerdict::Replayed);
        }
    }
}
