//! The IVs that one session in memory has opened, in a set that grows; and the bound on all sets together.

use sc_core::limits::MAX_MESSAGES_PER_SESSION;
use sc_core::replay::{ClaimVerdict, IvClaim, IvSet, IvSlot};

use crate::rng::SystemSeeded;
use crate::store::StoreError;
use crate::sync::{AtomicUsize, Ordering};

/// Slots of the first set; most sessions send a handful of messages.
const FIRST_SLOTS: usize = 8;
/// With all sets full, a session that holds more claims than this must end; others hear BUSY (PROTOCOL 10.3).
pub(super) const MODEST_CLAIMS: u32 = 1_024;

/// How many claims all sessions hold together, and how many they may.
#[derive(Debug)]
pub(super) struct ClaimBudget {
    held: AtomicUsize,
    max: usize,
}

impl ClaimBudget {
    pub(super) fn new(max: usize) -> Self {
        Self { held: AtomicUsize::new(0), max }
    }

    fn take(&self) -> bool {
        let next = |held: usize| if held < self.max { held.checked_add(1) } else { None };
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    fn give_back(&self, claims: usize) {
        let next = |held: usize| Some(held.saturating_sub(claims));
        // Never refuses: the closure always gives a value.
        let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// The claims of one session. Small until its second message, since most sessions send one.
#[derive(Debug)]
pub(super) enum Claims {
    /// No message yet.
    None,
    /// One message.
    One(IvClaim),
    /// Every IV is kept.
    Many(Box<IvSet<Vec<IvSlot>>>),
    /// Messages are only counted, without the replay check.
    Counted(u32),
}

impl Claims {
    pub(super) const fn new(replay_check: bool) -> Self {
        if replay_check { Self::None } else { Self::Counted(0) }
    }

    /// Messages opened.
    pub(super) fn opened(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(set) => set.len(),
            Self::Counted(count) => *count,
        }
    }

    /// Claims one IV, within the budget of all sessions.
    pub(super) fn claim(
        &mut self,
        claim: &IvClaim,
        budget: &ClaimBudget,
    ) -> Result<ClaimVerdict, StoreError> {
        if let Self::Counted(count) = self {
            if *count >= MAX_MESSAGES_PER_SESSION {
                return Ok(ClaimVerdict::Exhausted);
            }
            *count = count.saturating_add(1);
            return Ok(ClaimVerdict::New);
        }
        // Reserved before, given back if nothing was inserted: the bound holds at every moment.
        let reserved = budget.take();
        let verdict = if reserved { self.insert(claim) } else { self.look(claim) };
        if reserved && verdict != ClaimVerdict::New {
            budget.give_back(1);
        }
        match (reserved, verdict) {
            (false, ClaimVerdict::New) if self.opened() <= MODEST_CLAIMS => Err(StoreError::Full),
            (false, ClaimVerdict::New) => Ok(ClaimVerdict::Exhausted),
            (_, verdict) => Ok(verdict),
        }
    }

    fn look(&self, claim: &IvClaim) -> ClaimVerdict {
        match self {
            Self::One(earlier) if earlier.iv() == claim.iv() => claim.verdict_against(earlier),
            Self::Many(set) => set.look(claim),
            Self::None | Self::One(_) | Self::Counted(_) => ClaimVerdict::New,
        }
    }

    fn insert(&mut self, claim: &IvClaim) -> ClaimVerdict {
        match std::mem::replace(self, Self::None) {
            Self::None => *self = Self::One(*claim),
            Self::One(earlier) if earlier.iv() == claim.iv() => {
                *self = Self::One(earlier);
                return claim.verdict_against(&earlier);
            }
            Self::One(earlier) => {
                let mut set = IvSet::new(vec![IvSlot::EMPTY; FIRST_SLOTS], &mut SystemSeeded);
                set.claim(&earlier);
                set.claim(claim);
                *self = Self::Many(Box::new(set));
            }
            Self::Many(set) => {
                let mut set = if set.is_crowded() { Box::new(grown(*set)) } else { set };
                let verdict = set.claim(claim);
                *self = Self::Many(set);
                return verdict;
            }
            counted @ Self::Counted(_) => *self = counted,
        }
        ClaimVerdict::New
    }

    /// Gives the claims of an ended session back to the budget.
    pub(super) fn release(&self, budget: &ClaimBudget) {
        if !matches!(self, Self::Counted(_)) {
            budget.give_back(usize::try_from(self.opened()).unwrap_or(usize::MAX));
        }
    }
}

/// The same set with twice the room.
fn grown(set: IvSet<Vec<IvSlot>>) -> IvSet<Vec<IvSlot>> {
    let slots = usize::try_from(set.len()).unwrap_or(usize::MAX).saturating_mul(2).max(FIRST_SLOTS * 2);
    // Cannot refuse: there are more slots than claims.
    set.move_to(vec![IvSlot::EMPTY; slots]).unwrap_or_else(|set| set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(iv: u64) -> IvClaim {
        let mut bytes = [0; IvClaim::LEN];
        bytes[..8].copy_from_slice(&iv.to_be_bytes());
        IvClaim::from_bytes(bytes)
    }

    #[test]
    fn with_all_sets_full_a_modest_session_hears_busy_and_a_greedy_one_ends() {
        let budget = ClaimBudget::new(1_500);
        let (mut greedy, mut modest) = (Claims::new(true), Claims::new(true));
        for iv in 0..1_400 {
            assert_eq!(greedy.claim(&claim(iv), &budget), Ok(ClaimVerdict::New));
        }
        for iv in 0..100 {
            assert_eq!(modest.claim(&claim(iv), &budget), Ok(ClaimVerdict::New));
        }
        assert_eq!(modest.claim(&claim(100), &budget), Err(StoreError::Full));
        assert_eq!(modest.claim(&claim(99), &budget), Ok(ClaimVerdict::Replayed), "still known");
        assert_eq!(greedy.claim(&claim(1_400), &budget), Ok(ClaimVerdict::Exhausted));
        greedy.release(&budget);
        assert_eq!(budget.held(), 100);
        assert_eq!(modest.claim(&claim(100), &budget), Ok(ClaimVerdict::New));
    }

    #[test]
    fn the_first_claim_is_told_from_its_replay_its_reuse_and_the_second() {
        let budget = ClaimBudget::new(2);
        let mut claims = Claims::new(true);
        let mut reused = *claim(1).as_bytes();
        reused[15] ^= 1;
        let reused = IvClaim::from_bytes(reused);
        assert_eq!((claims.opened(), claims.claim(&claim(1), &budget)), (0, Ok(ClaimVerdict::New)));
        for (iv, opened) in [(2, 1), (3, 2)] {
            assert_eq!(claims.claim(&claim(1), &budget), Ok(ClaimVerdict::Replayed));
            assert_eq!(claims.claim(&reused, &budget), Ok(ClaimVerdict::IvReused));
            assert_eq!((claims.opened(), budget.held()), (opened, usize::try_from(opened).unwrap()));
            let room = opened < 2;
            let expected = if room { Ok(ClaimVerdict::New) } else { Err(StoreError::Full) };
            assert_eq!(claims.claim(&claim(iv), &budget), expected);
        }
        claims.release(&budget);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn the_only_message_is_known_again_when_there_is_no_room_for_another() {
        let budget = ClaimBudget::new(1);
        let mut claims = Claims::new(true);
        for verdict in [ClaimVerdict::New, ClaimVerdict::Replayed] {
            assert_eq!(claims.claim(&claim(1), &budget), Ok(verdict));
        }
        assert_eq!(claims.claim(&claim(2), &budget), Err(StoreError::Full));
    }

    #[test]
    fn without_the_replay_check_messages_are_still_counted() {
        let budget = ClaimBudget::new(0);
        let mut claims = Claims::new(false);
        for _ in 0..MAX_MESSAGES_PER_SESSION {
            assert_eq!(claims.claim(&claim(1), &budget), Ok(ClaimVerdict::New));
        }
        assert_eq!(claims.claim(&claim(1), &budget), Ok(ClaimVerdict::Exhausted));
    }

    #[test]
    fn a_set_grows_to_the_message_limit() {
        let budget = ClaimBudget::new(1 << 24);
        let mut claims = Claims::new(true);
        for iv in 0..u64::from(MAX_MESSAGES_PER_SESSION) {
            assert_eq!(claims.claim(&claim(iv), &budget), Ok(ClaimVerdict::New), "{iv}");
        }
        assert_eq!(claims.claim(&claim(u64::MAX), &budget), Ok(ClaimVerdict::Exhausted));
        assert_eq!(claims.claim(&claim(7), &budget), Ok(ClaimVerdict::Replayed));
        assert_eq!(budget.held(), 65_536);
    }
}
