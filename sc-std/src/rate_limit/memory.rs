//! A sliding-window rate limit in memory: bounded, sharded, exact.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError};

use sc_core::id::UnixMillis;

use super::{Limit, LimitKey, LimitRefusal, RateLimiter, RetryAfter};
use crate::sync::{Mutex, MutexGuard, RandomState};

const SHARDS: usize = 16;
/// Most keys whose end is looked at by one call.
const PURGE_STEP: usize = 4;
/// Below so many keys, one shard is enough and fills up exactly.
const FEW_KEYS: usize = 1024;

/// One limit over many keys. Clones count together.
///
/// A key costs about 100 bytes and 8 more for each request that its window holds, so `max_keys` and the limit's count
/// bound the memory together. A call looks at a few keys only; there is no full scan.
///
/// # Examples
/// ```
/// use sc_core::id::UnixMillis;
/// use sc_std::rate_limit::{LimitKey, SlidingWindow};
///
/// let limit = SlidingWindow::new("2/10s".parse()?, 1_000_000);
/// let client = LimitKey::of_address([192, 0, 2, 1].into());
/// assert!(limit.claim(&client, UnixMillis(0)).is_ok());
/// assert!(limit.claim(&client, UnixMillis(4_000)).is_ok());
/// let refused = limit.claim(&client, UnixMillis(5_500));
/// assert_eq!(refused.map_err(|retry| retry.seconds()), Err(5));
/// assert!(limit.claim(&client, UnixMillis(10_000)).is_ok());
/// # Ok::<(), sc_std::rate_limit::LimitError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SlidingWindow {
    limit: Limit,
    max_keys: usize,
    shards: Arc<[Mutex<Shard>]>,
    hasher: RandomState,
}

/// Keys of one shard, and when to look at each again.
#[derive(Debug, Default)]
struct Shard {
    accepted: HashMap<LimitKey, VecDeque<u64>>,
    queue: VecDeque<(u64, LimitKey)>,
}

impl SlidingWindow {
    /// A limit that counts at most `max_keys` keys at once. While it is full, keys it does not know are refused: a
    /// limit that forgets is none. Keys spread over 16 parts, each of which fills up for itself, so the first
    /// refusals come a little before `max_keys`; below 1,024 keys there is one part.
    #[must_use]
    pub fn new(limit: Limit, max_keys: usize) -> Self {
        let shards = if max_keys < FEW_KEYS { 1 } else { SHARDS };
        let max_keys = max_keys / shards;
        let shards = (0..shards).map(|_| Mutex::default()).collect();
        Self { limit, max_keys, shards, hasher: RandomState::new() }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// What [`SlidingWindow::claim`] would refuse with; spends nothing.
    #[must_use]
    pub fn refusal(&self, key: &LimitKey, now: UnixMillis) -> Option<RetryAfter> {
        let Some(mut shard) = self.shard(key) else { return Some(self.retry(now.0, now.0)) };
        self.look(&mut shard, key, now.0).err()
    }

    /// Spends one request of a key: checks and records in one step.
    ///
    /// # Errors
    /// [`RetryAfter`] if the key has none left in the window that ends now. The refusal is not counted.
    pub fn claim(&self, key: &LimitKey, now: UnixMillis) -> Result<(), RetryAfter> {
        let Some(mut shard) = self.shard(key) else { return Err(self.retry(now.0, now.0)) };
        self.look(&mut shard, key, now.0)?;
        let Shard { accepted, queue } = &mut *shard;
        let moments = accepted.entry(*key).or_insert_with(|| {
            queue.push_back((now.0.saturating_add(self.limit.window_ms), *key));
            VecDeque::new()
        });
        moments.push_back(now.0);
        Ok(())
    }

    /// The rule itself: fewer than the count in the window, and room for the key.
    fn look(&self, shard: &mut Shard, key: &LimitKey, now: u64) -> Result<(), RetryAfter> {
        shard.purge(now, self.limit.window_ms, self.max_keys);
        let full = shard.accepted.len() >= self.max_keys;
        let count = usize::try_from(self.limit.count).unwrap_or(usize::MAX);
        let Some(accepted) = shard.accepted.get_mut(key) else {
            return if full || count == 0 { Err(self.retry(now, now)) } else { Ok(()) };
        };
        drop_old(accepted, now, self.limit.window_ms);
        match accepted.front() {
            Some(oldest) if accepted.len() >= count => Err(self.retry(*oldest, now)),
            _ => Ok(()),
        }
    }

    /// Gives back what [`SlidingWindow::claim`] spent at `now`: another limit refused the request.
    pub fn give_back(&self, key: &LimitKey, now: UnixMillis) {
        let Some(mut shard) = self.shard(key) else { return };
        if let Some(accepted) = shard.accepted.get_mut(key)
            && let Some(index) = accepted.iter().rposition(|at| *at == now.0)
        {
            accepted.remove(index);
        }
    }

    fn retry(&self, oldest: u64, now: u64) -> RetryAfter {
        RetryAfter::between(now, oldest.saturating_add(self.limit.window_ms))
    }

    fn shard(&self, key: &LimitKey) -> Option<MutexGuard<'_, Shard>> {
        let hash = usize::try_from(self.hasher.hash_one(key) & u64::from(u32::MAX)).unwrap_or_default();
        let index = hash.checked_rem(self.shards.len())?;
        self.shards.get(index).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RateLimiter for SlidingWindow {
    async fn refusal(&self, key: &LimitKey, now: UnixMillis) -> Option<LimitRefusal> {
        Self::refusal(self, key, now).map(LimitRefusal::Exceeded)
    }

    async fn claim(&self, key: &LimitKey, now: UnixMillis) -> Result<(), LimitRefusal> {
        Self::claim(self, key, now).map_err(LimitRefusal::Exceeded)
    }

    async fn give_back(&self, key: &LimitKey, now: UnixMillis) {
        Self::give_back(self, key, now);
    }
}

impl Shard {
    /// Forgets a few keys whose window is over. Keys queue in the order of their ends, since all windows are equally
    /// long; one that was used since is queued again, at most a window late. A full shard looks on until it has room.
    fn purge(&mut self, now: u64, window_ms: u64, max_keys: usize) {
        let mut steps = 0;
        while steps < PURGE_STEP || self.accepted.len() >= max_keys {
            let Some((_, key)) = self.queue.front().copied().filter(|(due, _)| *due <= now) else { return };
            steps += 1;
            self.queue.pop_front();
            let last = self.accepted.get_mut(&key).and_then(|accepted| {
                drop_old(accepted, now, window_ms);
                accepted.back().copied()
            });
            match last {
                Some(last) => self.queue.push_back((last.saturating_add(window_ms), key)),
                None => drop(self.accepted.remove(&key)),
            }
        }
    }
}

/// Drops the moments that are out of the window. A clock that went back makes a moment of the future; it counts, and
/// ends with the clock.
fn drop_old(accepted: &mut VecDeque<u64>, now: u64, window_ms: u64) {
    while accepted.front().is_some_and(|at| at.saturating_add(window_ms) <= now) {
        accepted.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::rate_limit::check_and_claim;

    /// Both limits; what is in memory is ready at once.
    fn together(
        one: (&SlidingWindow, &LimitKey),
        two: (&SlidingWindow, &LimitKey),
        now: UnixMillis,
    ) -> Result<(), RetryAfter> {
        match check_and_claim(one, two, now).now_or_never().unwrap() {
            Ok(()) => Ok(()),
            Err(LimitRefusal::Exceeded(retry)) => Err(retry),
            Err(other) => panic!("{other}"),
        }
    }

    fn key(n: u8) -> LimitKey {
        LimitKey::of_hash([n; 32])
    }

    #[test]
    fn a_window_slides_to_the_millisecond() {
        let limit = SlidingWindow::new(Limit::new(3, 300_000), 100);
        for at in [0, 10, 20] {
            assert_eq!(limit.claim(&key(1), UnixMillis(at)), Ok(()));
        }
        assert_eq!(limit.claim(&key(1), UnixMillis(299_999)), Err(RetryAfter(1)));
        assert_eq!(limit.claim(&key(1), UnixMillis(21)), Err(RetryAfter(300)));
        assert_eq!(limit.claim(&key(1), UnixMillis(300_000)), Ok(()));
        assert_eq!(limit.claim(&key(1), UnixMillis(300_000)), Err(RetryAfter(1)));
        assert_eq!(limit.claim(&key(1), UnixMillis(300_010)), Ok(()));
        assert_eq!(limit.claim(&key(2), UnixMillis(300_010)), Ok(()), "keys are apart");
    }

    #[test]
    fn a_count_of_zero_refuses_everything() {
        let limit = SlidingWindow::new(Limit::new(0, 1000), 100);
        assert_eq!(limit.claim(&key(1), UnixMillis(0)), Err(RetryAfter(1)));
    }

    #[test]
    fn of_two_limits_neither_is_spent_unless_both_admit() {
        let (one, two) =
            (SlidingWindow::new(Limit::new(2, 9_000), 9), SlidingWindow::new(Limit::new(1, 5_000), 9));
        let claim = |k, l, at| together((&one, &key(k)), (&two, &key(l)), UnixMillis(at));
        assert_eq!(claim(1, 8, 0), Ok(()));
        for at in 1..100 {
            assert_eq!(claim(1, 8, at), Err(RetryAfter(5)), "the second is empty");
        }
        assert_eq!(claim(1, 9, 100), Ok(()), "a hundred refusals cost the first nothing");
        assert_eq!(claim(1, 7, 200), Err(RetryAfter(9)), "the first is empty");
        assert_eq!(claim(1, 9, 200), Err(RetryAfter(9)), "both are: the longer wait");
        assert_eq!(claim(2, 7, 200), Ok(()), "so 7 was not spent");
    }

    #[test]
    fn two_limits_raced_by_many_threads_admit_exactly_the_smaller_count() {
        let (one, two) =
            (SlidingWindow::new(Limit::new(1000, 1000), 9), SlidingWindow::new(Limit::new(20, 1000), 9));
        let wins = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let claimed = together((&one, &key(1)), (&two, &key(2)), UnixMillis(1));
                        wins.fetch_add(usize::from(claimed.is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(wins.into_inner(), 20);
        let left = (0..2000).filter(|_| one.claim(&key(1), UnixMillis(1)).is_ok()).count();
        assert_eq!(left, 980, "what the second refused, the first has got back");
    }

    #[test]
    fn what_is_given_back_can_be_spent_again() {
        let limit = SlidingWindow::new(Limit::new(1, 1000), 100);
        assert_eq!(limit.claim(&key(1), UnixMillis(5)), Ok(()));
        limit.give_back(&key(1), UnixMillis(5));
        assert_eq!(limit.claim(&key(1), UnixMillis(6)), Ok(()));
        limit.give_back(&key(1), UnixMillis(5));
        assert!(limit.claim(&key(1), UnixMillis(7)).is_err(), "only what was spent then");
    }

    #[test]
    fn a_full_limit_refuses_strangers_and_recovers_when_windows_end() {
        let limit = SlidingWindow::new(Limit::new(1, 1000), 160);
        let keys: Vec<_> = (0..=255).map(key).collect();
        let accepted = keys.iter().filter(|key| limit.claim(key, UnixMillis(0)).is_ok()).count();
        assert_eq!(accepted, 160);
        let held: usize = limit.shards.iter().map(|shard| shard.lock().unwrap().accepted.len()).sum();
        assert_eq!(held, accepted);
        for round in 1..=100 {
            for key in &keys {
                let _ = limit.claim(key, UnixMillis(1000 * round));
            }
        }
        let late = keys.iter().filter(|key| limit.claim(key, UnixMillis(200_000)).is_ok()).count();
        assert_eq!(late, 160, "all places are free again");
        let queued: usize = limit.shards.iter().map(|shard| shard.lock().unwrap().queue.len()).sum();
        assert!(queued <= 160, "one place in the queue for each key: {queued}");
    }

    #[test]
    fn strangers_take_the_places_of_those_whose_windows_are_over() {
        let limit = SlidingWindow::new(Limit::new(1, 1000), 3);
        for round in 0..50 {
            let start = UnixMillis(1000 * u64::from(round));
            for n in 0..3 {
                assert_eq!(limit.claim(&key(3 * round + n), start), Ok(()), "{round} {n}");
            }
            assert!(limit.claim(&key(255), UnixMillis(start.0 + 999)).is_err(), "{round}: it is full");
        }
        let shard = limit.shards[0].lock().unwrap();
        assert_eq!((shard.accepted.len(), shard.queue.len()), (3, 3));
    }

    #[test]
    fn a_call_forgets_a_few_keys_and_leaves_the_others_to_the_next() {
        let limit = SlidingWindow::new(Limit::new(1, 1000), 100);
        for n in 0..10 {
            assert_eq!(limit.claim(&key(n), UnixMillis(0)), Ok(()));
        }
        assert_eq!(limit.claim(&key(99), UnixMillis(1000)), Ok(()));
        assert_eq!(limit.shards[0].lock().unwrap().accepted.len(), 10 - PURGE_STEP + 1);
    }

    #[test]
    fn a_large_limit_spreads_its_keys_over_all_its_parts() {
        let limit = SlidingWindow::new(Limit::new(1, 1000), 16_000);
        for n in 0..8_000_u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            assert_eq!(limit.claim(&LimitKey::of_hash(hash), UnixMillis(0)), Ok(()), "{n}");
        }
    }

    #[test]
    fn many_threads_win_exactly_the_count() {
        let limit = SlidingWindow::new(Limit::new(50, 1000), 100);
        let wins = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        wins.fetch_add(
                            usize::from(limit.claim(&key(1), UnixMillis(1)).is_ok()),
                            Ordering::Relaxed,
                        );
                    }
                });
            }
        });
        assert_eq!(wins.into_inner(), 50);
    }

    proptest! {
        #[test]
        fn it_decides_as_a_list_of_all_accepted_requests_would(
            steps in prop::collection::vec((0_u8..3, 0_u64..400), 0..200), count in 1_u32..5, window in 1_u64..1000,
        ) {
            let limit = SlidingWindow::new(Limit::new(count, window), 100);
            let (mut now, mut accepted) = (0, Vec::<(u8, u64)>::new());
            for (who, wait) in steps {
                now += wait;
                let recent = accepted.iter().filter(|(other, at)| *other == who && at + window > now).count();
                let expected = u32::try_from(recent).is_ok_and(|recent| recent < count);
                prop_assert_eq!(limit.claim(&key(who), UnixMillis(now)).is_ok(), expected);
                if expected {
                    accepted.push((who, now));
                }
            }
        }
    }
}
