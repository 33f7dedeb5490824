//! Rings that make their keys with AWS-LC and keep them in this process's memory.

use sc_core::id::UnixMillis;

use super::{KeyError, KeyRing};
use crate::clock::{Clock, SystemClock};
use crate::provider::AwsLcPrivateKey;

/// Size of the modulus, in bits, and interval of rotation, in milliseconds, where nobody asks for others (PROTOCOL 3, 4.3).
const BITS: usize = 2048;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl KeyRing {
    /// A ring that makes an RSA-2048 key now and a new one every 24 hours, by the system's clock: what a single server takes.
    ///
    /// # Errors
    /// [`KeyError::Provider`] if no key can be made.
    ///
    /// # Examples
    /// ```
    /// use sc_std::{keys::KeyRing, server::ScServer, store::MemoryStore};
    ///
    /// let server = ScServer::builder(KeyRing::daily()?, MemoryStore::default()).build();
    /// # Ok::<(), sc_std::keys::KeyError>(())
    /// ```
    pub fn daily() -> Result<Self, KeyError> {
        Self::in_memory(BITS, DAY_MS, SystemClock::new().now())
    }

    /// As [`KeyRing::daily`], with keys of `bits` bits (2048, 3072 or 4096), the first one made at `now`, and replaced every
    /// `rotation_ms` milliseconds.
    ///
    /// # Errors
    /// [`KeyError::Provider`] if no key can be made, for example of another size.
    pub fn in_memory(bits: usize, rotation_ms: u64, now: UnixMillis) -> Result<Self, KeyError> {
        Self::rotating(move || Ok(Box::new(AwsLcPrivateKey::generate(bits)?)), rotation_ms, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_ring_has_a_key_at_once_and_makes_the_next_a_day_later() {
        let ring = KeyRing::daily().unwrap();
        let key = ring.published(SystemClock::new().now()).unwrap();
        let a_day_later = key.created_at.plus(24 * 60 * 60 * 1000);
        assert_eq!(key.expires_at, Some(a_day_later.plus(60 * 60 * 1000)), "accepted one hour longer");
        assert!(!ring.due(key.created_at) && ring.due(a_day_later));
    }
}
