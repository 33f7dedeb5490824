//! A sliding-window rate limit in memory: bounded, sharded, exact.
//!
//! A key keeps the moments of its accepted requests within the window, so "3 in any 300 seconds" means any. Requests
//! that are refused do not count (PROTOCOL 10.16).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_core::id::UnixMillis;

const SHARDS: usize = 16;
/// Most keys whose end is looked at by one call.
const PURGE_STEP: usize = 4;

/// A number of requests in a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    count: u32,
    window_ms: u64,
}

/// Text that is not a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit is written as a count and a window in seconds, for example 3/300s; both at least 1")]
pub struct LimitError;

impl Limit {
    /// `count` requests in any `window_ms` milliseconds.
    #[must_use]
    pub const fn new(count: u32, window_ms: u64) -> Self {
        Self { count, window_ms }
    }

    /// Requests in one window.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (count, window) = text.split_once('/').ok_or(LimitError)?;
        let seconds: u64 = window.strip_suffix('s').unwrap_or(window).parse().map_err(|_| LimitError)?;
        let count = count.parse().map_err(|_| LimitError)?;
        let window_ms = seconds.checked_mul(1000).ok_or(LimitError)?;
        if count == 0 || window_ms == 0 { Err(LimitError) } else { Ok(Self { count, window_ms }) }
    }
}

/// When a refused request may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(u64);

impl RetryAfter {
    /// Seconds, rounded up, at least 1: the value of `Retry-After`.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

/// Whom a limit counts: an address or a keyed hash, never an e-mail address itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitKey([u8; 32]);

impl LimitKey {
    /// The key of a client address: an IPv6 address counts by its /64, an IPv4-mapped one as IPv4.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        let mut key = [0; 32];
        let (family, octets) = match address.to_canonical() {
            IpAddr::V4(v4) => (4, v4.octets().to_vec()),
            IpAddr::V6(v6) => (6, v6.octets().iter().take(8).copied().collect()),
        };
        for (place, byte) in key.iter_mut().zip(std::iter::once(family).chain(octets)) {
            *place = byte;
        }
        Self(key)
    }

    /// The key of a keyed hash.
    #[must_use]
    pub const fn of_hash(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

/// One limit over many keys.
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
#[derive(Debug)]
pub struct SlidingWindow {
    limit: Limit,
    max_keys: usize,
    shards: Vec<Mutex<Shard>>,
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
    /// limit that forgets is none.
    #[must_use]
    pub fn new(limit: Limit, max_keys: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { limit, max_keys: max_keys.div_ceil(SHARDS), shards, hasher: RandomState::new() }
    }

    /// Spends one request of a key: checks and records in one step.
    ///
    /// # Errors
    /// [`RetryAfter`] if the key has none left in the window that ends now. The refusal is not counted.
    pub fn claim(&self, key: &LimitKey, now: UnixMillis) -> Result<(), RetryAfter> {
        let Some(mut shard) = self.shard(key) else { return Err(self.retry(now.0, now.0)) };
        shard.purge(now.0, self.limit.window_ms);
        let full = shard.accepted.len() >= self.max_keys;
        let count = usize::try_from(self.limit.count).unwrap_or(usize::MAX);
        match shard.accepted.get_mut(key) {
            None if full => return Err(self.retry(now.0, now.0)),
            None => {
                shard.accepted.insert(*key, VecDeque::from([now.0]));
                shard.queue.push_back((now.0.saturating_add(self.limit.window_ms), *key));
            }
            Some(accepted) => {
                drop_old(accepted, now.0, self.limit.window_ms);
                match accepted.front() {
                    Some(oldest) if accepted.len() >= count => return Err(self.retry(*oldest, now.0)),
                    _ => accepted.push_back(now.0),
                }
            }
        }
        Ok(())
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
        let free_at = oldest.saturating_add(self.limit.window_ms);
        RetryAfter(free_at.saturating_sub(now).div_ceil(1000).max(1))
    }

    fn shard(&self, key: &LimitKey) -> Option<MutexGuard<'_, Shard>> {
        let index = usize::try_from(self.hasher.hash_one(key) % 16).unwrap_or_default();
        self.shards.get(index).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    /// Forgets a few keys whose window is over. Keys queue in the order of their ends, since all windows are equally
    /// long; one that was used since is queued again.
    fn purge(&mut self, now: u64, window_ms: u64) {
        for _ in 0..PURGE_STEP {
            let Some((_, key)) = self.queue.front().copied().filter(|(due, _)| *due <= now) else { return };
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

    use proptest::prelude::*;

    use super::*;

    fn key(n: u8) -> LimitKey {
        LimitKey::of_hash([n; 32])
    }

    #[test]
    fn limits_are_read_from_text() {
        assert_eq!("3/300s".parse(), Ok(Limit::new(3, 300_000)));
        assert_eq!("60/60".parse(), Ok(Limit::new(60, 60_000)));
        for bad in ["", "3", "3/", "/3s", "0/3s", "3/0s", "3/5m", "-1/3s", "3/99999999999999999999s"] {
            assert_eq!(bad.parse::<Limit>(), Err(LimitError), "{bad}");
        }
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
        assert!((1..=160).contains(&accepted), "{accepted}");
        let held: usize = limit.shards.iter().map(|shard| shard.lock().unwrap().accepted.len()).sum();
        assert_eq!(held, accepted);
        for round in 1..=100 {
            for key in &keys {
                let _ = limit.claim(key, UnixMillis(1000 * round));
            }
        }
        let queued: usize = limit.shards.iter().map(|shard| shard.lock().unwrap().queue.len()).sum();
        assert!(queued <= 160, "one place in the queue for each key: {queued}");
    }

    #[test]
    fn addresses_count_by_host_or_by_64_bits() {
        let of = |text: &str| LimitKey::of_address(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
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
