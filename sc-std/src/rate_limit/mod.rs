//! Rate limits: what a limit is, whom it counts, and when to come again. [`SlidingWindow`] keeps it in memory, a store
//! may keep it for a whole fleet.
//!
//! A key keeps the moments of its accepted requests within the window, so "3 in any 300 seconds" means any. Requests
//! that are refused do not count (PROTOCOL 10.16).

mod memory;
#[cfg(all(test, scv2_loom))]
mod races;

use std::future::Future;
use std::net::IpAddr;
use std::str::FromStr;

use sc_core::id::UnixMillis;

pub use self::memory::SlidingWindow;

/// One limit over many keys, in this process or shared by a fleet.
///
/// Every failure is safe: a limiter that cannot answer refuses (PROTOCOL 10.5).
///
/// # Examples
/// See [`SlidingWindow`], which is one, and [`check_and_claim`]. `examples/custom_store.rs` has one of its own.
pub trait RateLimiter: Send + Sync + 'static {
    /// What [`RateLimiter::claim`] would refuse with; spends nothing.
    fn refusal(&self, key: &LimitKey, now: UnixMillis) -> impl Future<Output = Option<LimitRefusal>> + Send;

    /// Spends one request of a key: checks and records in one atomic step.
    ///
    /// # Errors
    /// [`LimitRefusal::Exceeded`] if the key has none left in the window that ends now, which is not counted;
    /// [`LimitRefusal::Unavailable`] if nobody can tell.
    fn claim(&self, key: &LimitKey, now: UnixMillis)
    -> impl Future<Output = Result<(), LimitRefusal>> + Send;

    /// Gives back what [`RateLimiter::claim`] spent at `now`: another limit refused the request.
    fn give_back(&self, key: &LimitKey, now: UnixMillis) -> impl Future<Output = ()> + Send;
}

/// Spends one request of each of two keys under two limits, or of neither: both are looked at before either is spent,
/// and should a rival take the last of the second meanwhile, the first is given back (PROTOCOL 6, 10.6).
///
/// # Errors
/// The later [`RetryAfter`] of those that refuse, which counts in neither; [`LimitRefusal::Unavailable`] if one of the
/// two cannot tell.
///
/// # Examples
/// ```
/// use sc_core::id::UnixMillis;
/// use sc_std::rate_limit::{LimitKey, SlidingWindow, check_and_claim};
///
/// # #[cfg(feature = "server")] {
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let by_address = SlidingWindow::new("3/300s".parse()?, 1_000_000);
/// let by_email = SlidingWindow::new("1/300s".parse()?, 1_000_000);
/// let client = LimitKey::of_address([192, 0, 2, 1].into());
/// let email = LimitKey::of_hash([7; 32]);
/// let claim = |at| check_and_claim((&by_address, &client), (&by_email, &email), UnixMillis(at));
/// assert!(claim(0).await.is_ok());
/// assert!(claim(1).await.is_err(), "the client has two left, the e-mail address none");
/// # Ok::<(), sc_std::rate_limit::LimitError>(())
/// # })?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn check_and_claim<L: RateLimiter>(
    first: (&L, &LimitKey),
    second: (&L, &LimitKey),
    now: UnixMillis,
) -> Result<(), LimitRefusal> {
    if let Some(refusal) = first.0.refusal(first.1, now).await.max(second.0.refusal(second.1, now).await) {
        return Err(refusal);
    }
    first.0.claim(first.1, now).await?;
    let claimed = second.0.claim(second.1, now).await;
    if claimed.is_err() {
        first.0.give_back(first.1, now).await;
    }
    claimed
}

/// Why a limit refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum LimitRefusal {
    /// The key has spent what it has.
    #[error("too many requests, next in {} s", .0.seconds())]
    Exceeded(RetryAfter),
    /// Whoever counts cannot be reached.
    #[error("the limit cannot be looked up")]
    Unavailable,
}

/// A number of requests in a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    count: u32,
    window_ms: u64,
}

/// Text that is not a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit is written as a count and a window in s, m or h, for example 3/300s; both at least 1")]
#[non_exhaustive]
pub struct LimitError;

impl Limit {
    /// `count` requests in any `window_ms` milliseconds. A count of 0 refuses everything.
    #[must_use]
    pub const fn new(count: u32, window_ms: u64) -> Self {
        Self { count, window_ms }
    }

    /// Requests in one window.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Length of the window, in milliseconds.
    #[must_use]
    pub const fn window_ms(&self) -> u64 {
        self.window_ms
    }
}

/// Reads a count and a window, as in `3/300s`, `3/5m` or `3/24h`: both at least 1, the unit is not left away.
impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (count, window) = text.split_once('/').ok_or(LimitError)?;
        // Digits only: `parse` would take a sign.
        if count.starts_with('+') || window.starts_with('+') {
            return Err(LimitError);
        }
        let (window, unit_ms) = match window.strip_suffix(['s', 'm', 'h']) {
            Some(number) if window.ends_with('m') => (number, 60_000),
            Some(number) if window.ends_with('h') => (number, 3_600_000),
            Some(number) => (number, 1_000),
            None => return Err(LimitError),
        };
        let window: u64 = window.parse().map_err(|_| LimitError)?;
        let count = count.parse().map_err(|_| LimitError)?;
        let window_ms = window.checked_mul(unit_ms).ok_or(LimitError)?;
        if count == 0 || window_ms == 0 { Err(LimitError) } else { Ok(Self { count, window_ms }) }
    }
}

/// When a refused request may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAfter(u64);

impl RetryAfter {
    /// The wait of a request at `now` until `free_at`, both in milliseconds.
    #[must_use]
    pub const fn between(now: u64, free_at: u64) -> Self {
        let seconds = free_at.saturating_sub(now).div_ceil(1000);
        Self(if seconds == 0 { 1 } else { seconds })
    }

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

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of a keyed hash.
    #[must_use]
    pub const fn of_hash(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_text() {
        assert_eq!("3/300s".parse(), Ok(Limit::new(3, 300_000)));
        assert_eq!("3/5m".parse(), Ok(Limit::new(3, 300_000)));
        assert_eq!("3/24h".parse(), Ok(Limit::new(3, 86_400_000)));
        for bad in [
            "",
            "3",
            "3/",
            "/3s",
            "0/3s",
            "3/0s",
            "3/5d",
            "3/s",
            "3/300",
            "-1/3s",
            "+1/3s",
            "3/+3s",
            "3/3ss",
            "3 /3s",
            "3/3 s",
            "3/99999999999999999999s",
            "3/18446744073709551615h",
        ] {
            assert_eq!(bad.parse::<Limit>(), Err(LimitError), "{bad}");
        }
    }

    #[test]
    fn a_limit_and_a_key_tell_what_they_were_made_of() {
        let limit = Limit::new(3, 300_000);
        assert_eq!((limit.count(), limit.window_ms()), (3, 300_000));
        assert_eq!(LimitKey::of_hash([7; 32]).as_bytes(), &[7; 32]);
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
    fn a_wait_is_told_in_whole_seconds_and_is_never_none() {
        for (free_at, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (17_000, 17)] {
            assert_eq!(RetryAfter::between(0, free_at).seconds(), seconds, "{free_at}");
        }
        assert_eq!(RetryAfter::between(5_000, 9_000).seconds(), 4);
    }
}
