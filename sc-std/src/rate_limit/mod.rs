//! Rate limits: what a limit is, whom it counts, and when to come again. [`SlidingWindow`] keeps it in memory.
//!
//! A key keeps the moments of its accepted requests within the window, so "3 in any 300 seconds" means any. Requests
//! that are refused do not count (PROTOCOL 10.16).

mod memory;

use std::net::IpAddr;
use std::str::FromStr;

pub use self::memory::SlidingWindow;

/// A number of requests in a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    count: u32,
    window_ms: u64,
}

/// Text that is not a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit is written as a count and a window in s, m or h, for example 3/300s; both at least 1")]
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
}

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
            None => (window, 1_000),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_text() {
        assert_eq!("3/300s".parse(), Ok(Limit::new(3, 300_000)));
        assert_eq!("60/60".parse(), Ok(Limit::new(60, 60_000)));
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
    fn addresses_count_by_host_or_by_64_bits() {
        let of = |text: &str| LimitKey::of_address(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
