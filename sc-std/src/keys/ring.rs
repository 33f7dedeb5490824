//! The key ring: the newest RSA key is published, older ones still unwrap until they expire (PROTOCOL 4.3).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use sc_core::id::{KeyId, UnixMillis};
use sc_core::provider::ProviderError;

pub use super::ring_key::{PublicKeyInfo, RingKey};
use super::{KeyError, PrivateKey, ServerKey};

/// Longest time that a key is accepted after its successor was published, in milliseconds: one hour.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// How long a shared key takes to reach every server, in milliseconds; they look every 2 seconds.
const SPREADING_MS: u64 = 10_000;

/// How long a key is accepted after its successor was published, in milliseconds: one hour, or the rotation
/// interval if that is shorter (PROTOCOL 10.16).
const fn max_overlap(rotation_ms: u64) -> u64 {
    if rotation_ms < HOUR_MS { rotation_ms } else { HOUR_MS }
}

/// Makes a new private key.
type Generate = Box<dyn Fn() -> Result<Box<dyn PrivateKey>, ProviderError> + Send + Sync>;

/// A server's RSA keys. Shared by reference; reading takes no lock. `KeyRing::daily` and `KeyRing::in_memory`, which make their own
/// keys, need the feature `aws-lc-rs`.
///
/// The ring has no timer: a server's housekeeping ([`ScServer::spawn_housekeeping`](crate::server::ScServer::spawn_housekeeping))
/// calls [`KeyRing::rotate_if_due`] every 2 seconds; without a server call it yourself, once a minute, say. Should that fail,
/// the newest key stays published until its acceptance ends.
///
/// # Examples
/// ```
/// # #[cfg(feature = "aws-lc-rs")] {
/// use sc_core::id::UnixMillis;
/// use sc_std::keys::KeyRing;
///
/// let day = 24 * 60 * 60 * 1000;
/// let ring = KeyRing::in_memory(2048, day, UnixMillis(0))?;
/// let first = ring.published(UnixMillis(0)).ok_or("no key")?;
/// assert!(ring.rotate_if_due(UnixMillis(day))?);
/// assert!(ring.find(first.key_id.as_str(), UnixMillis(day)).is_some(), "accepted one hour longer");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyRing {
    /// Oldest first, newest last. Replaced as a whole.
    keys: ArcSwap<Vec<Arc<RingKey>>>,
    /// Held by whoever replaces the list, also while a key is being made.
    writer: Mutex<()>,
    generate: Option<Generate>,
    rotation_ms: u64,
}

impl KeyRing {
    /// A ring that makes its keys with `generate`, the first one at once, and replaces them every `rotation_ms`
    /// milliseconds.
    ///
    /// # Errors
    /// [`KeyError`] if `generate` fails or makes a key that the protocol does not take.
    pub fn rotating<G>(generate: G, rotation_ms: u64, now: UnixMillis) -> Result<Self, KeyError>
    where
        G: Fn() -> Result<Box<dyn PrivateKey>, ProviderError> + Send + Sync + 'static,
    {
        let ring = Self::with(Some(Box::new(generate)), rotation_ms, Vec::new());
        ring.rotate(now)?;
        Ok(ring)
    }

    /// A ring of fixed keys that do not expire; the last one is the newest (PROTOCOL 10.16).
    ///
    /// Takes boxes of [`PrivateKey`], and [`ServerKey`]s where some or all live behind a device.
    ///
    /// # Errors
    /// - [`KeyError::Empty`] for no key, [`KeyError::Duplicate`] for the same key twice.
    /// - [`KeyError::NotRsa`] or [`KeyError::Bits`] for a key that the protocol does not take.
    ///
    /// # Security
    /// A fixed key outlives the process, so its ledger of wrapped keys must too (PROTOCOL 4.3).
    pub fn from_keys<K: Into<ServerKey>>(keys: Vec<K>, now: UnixMillis) -> Result<Self, KeyError> {
        let mut ring: Vec<Arc<RingKey>> = Vec::with_capacity(keys.len());
        for key in keys {
            let key = RingKey::new(key.into(), now, None, HOUR_MS)?;
            if ring.iter().any(|other| other.info().key_id == key.info().key_id) {
                return Err(KeyError::Duplicate);
            }
            ring.push(Arc::new(key));
        }
        if ring.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self::with(None, u64::MAX, ring))
    }

    /// A ring without a key yet, whose keys come from elsewhere through [`KeyRing::install`]: servers that share
    /// them in a store. `rotation_ms` is the interval at which a new one is due, in milliseconds.
    #[must_use]
    pub fn shared(rotation_ms: u64) -> Self {
        Self::with(None, rotation_ms, Vec::new())
    }

    fn with(generate: Option<Generate>, rotation_ms: u64, keys: Vec<Arc<RingKey>>) -> Self {
        Self { keys: ArcSwap::from_pointee(keys), writer: Mutex::new(()), generate, rotation_ms }
    }

    /// Whether the ring makes its keys itself, so that [`KeyRing::rotate`] can work.
    #[must_use]
    pub fn makes_its_own(&self) -> bool {
        self.generate.is_some()
    }

    /// Whether its keys come from a store, which all servers of the store share.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.generate.is_none() && self.rotation_ms != u64::MAX
    }

    /// The newest key, to be told to clients; `None` if every key has expired or was revoked.
    ///
    /// A shared key is told 10 seconds after it was made, if there is another until then: all servers know it by then.
    #[must_use]
    pub fn published(&self, now: UnixMillis) -> Option<Arc<PublicKeyInfo>> {
        let keys = self.keys.load();
        let newest_first = || keys.iter().rev().filter(|key| key.is_accepted(now));
        let wait = if self.is_shared() { SPREADING_MS.min(max_overlap(self.rotation_ms) / 4) } else { 0 };
        let known = newest_first().find(|key| key.info().created_at.plus(wait) <= now);
        known.or_else(|| newest_first().next()).map(|key| Arc::clone(key.info()))
    }

    /// The key of that name, if it is still accepted.
    #[must_use]
    pub fn find(&self, key_id: &str, now: UnixMillis) -> Option<Arc<RingKey>> {
        let keys = self.keys.load();
        keys.iter().find(|key| key.info().key_id.as_str() == key_id && key.is_accepted(now)).map(Arc::clone)
    }

    /// Whether a new key is due: the newest is as old as the rotation interval, or there is none.
    ///
    /// Never so for fixed keys.
    #[must_use]
    pub fn due(&self, now: UnixMillis) -> bool {
        self.rotation_ms != u64::MAX
            && self
                .keys
                .load()
                .last()
                .is_none_or(|newest| newest.info().created_at.plus(self.rotation_ms) <= now)
    }

    /// Makes a new key if one is due, and says whether it did. Callers that race make one key, not two.
    ///
    /// Takes as long as making a key when it is due: call it from a thread that may be busy.
    ///
    /// # Errors
    /// As [`KeyRing::rotate`].
    pub fn rotate_if_due(&self, now: UnixMillis) -> Result<bool, KeyError> {
        if !self.due(now) {
            return Ok(false);
        }
        let writer = self.lock();
        if !self.due(now) {
            return Ok(false);
        }
        self.make(&writer, now)?;
        Ok(true)
    }

    /// Makes a new key now and publishes it; drops keys that have expired.
    ///
    /// # Errors
    /// [`KeyError::Fixed`] if the ring does not make its keys; [`KeyError`] if making one fails. The ring is then
    /// as before.
    pub fn rotate(&self, now: UnixMillis) -> Result<Arc<RingKey>, KeyError> {
        self.make(&self.lock(), now)
    }

    /// Takes a key that was made elsewhere, with the times it was given there; drops keys that have expired.
    ///
    /// A key that the ring has already is left as it is.
    ///
    /// # Errors
    /// [`KeyError::NotRsa`] or [`KeyError::Bits`] for a key that the protocol does not take.
    pub fn install(
        &self,
        key: impl Into<ServerKey>,
        created_at: UnixMillis,
        expires_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Result<(), KeyError> {
        let key = RingKey::new(key.into(), created_at, expires_at, max_overlap(self.rotation_ms))?;
        self.insert(&self.lock(), Arc::new(key), now);
        Ok(())
    }

    /// The end of acceptance of a key that is made at `created_at`: one rotation interval and the overlap later.
    #[must_use]
    pub const fn expiry(&self, created_at: UnixMillis) -> UnixMillis {
        created_at.plus(self.rotation_ms).plus(max_overlap(self.rotation_ms))
    }

    /// Drops a key at once, and says whether there was one. An older key, if any, is published again until
    /// [`KeyRing::rotate`]. The sessions that the key set up are the caller's to end (PROTOCOL 4.3).
    pub fn revoke(&self, key_id: &str) -> bool {
        let _writer = self.lock();
        let before = self.keys.load();
        let left: Vec<_> =
            before.iter().filter(|key| key.info().key_id.as_str() != key_id).map(Arc::clone).collect();
        let found = left.len() < before.len();
        self.keys.store(Arc::new(left));
        found
    }

    /// The names of all keys that are accepted, oldest first.
    #[must_use]
    pub fn key_ids(&self, now: UnixMillis) -> Vec<KeyId> {
        let keys = self.keys.load();
        keys.iter().filter(|key| key.is_accepted(now)).map(|key| key.info().key_id.clone()).collect()
    }

    fn make(&self, writer: &MutexGuard<'_, ()>, now: UnixMillis) -> Result<Arc<RingKey>, KeyError> {
        let generate = self.generate.as_ref().ok_or(KeyError::Fixed)?;
        let overlap = max_overlap(self.rotation_ms);
        let key = Arc::new(RingKey::new(generate()?.into(), now, Some(self.expiry(now)), overlap)?);
        self.insert(writer, Arc::clone(&key), now);
        Ok(key)
    }

    /// The guard proves that nobody else replaces the list meanwhile.
    fn insert(&self, _writer: &MutexGuard<'_, ()>, key: Arc<RingKey>, now: UnixMillis) {
        let before = self.keys.load();
        let mut keys: Vec<_> = before.iter().filter(|key| key.is_accepted(now)).map(Arc::clone).collect();
        if keys.iter().all(|other| other.info().key_id != key.info().key_id) {
            let at = keys.partition_point(|other| other.info().created_at <= key.info().created_at);
            keys.insert(at, key);
        }
        self.keys.store(Arc::new(keys));
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data of its own, so a panic while it was held broke nothing.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.keys.load()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use super::*;
    use crate::provider::AwsLcPrivateKey;

    const DAY: u64 = 24 * HOUR_MS;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(ms)
    }

    fn made() -> Box<dyn PrivateKey> {
        Box::new(AwsLcPrivateKey::generate(2048).unwrap())
    }

    #[test]
    fn an_old_key_is_accepted_to_the_end_of_the_overlap_and_not_one_millisecond_longer() {
        let ring = KeyRing::in_memory(2048, DAY, at(0)).unwrap();
        let first = ring.published(at(0)).unwrap();
        assert_eq!((first.created_at, first.expires_at), (at(0), Some(at(DAY + HOUR_MS))));
        assert!(!ring.due(at(DAY - 1)) && ring.due(at(DAY)));
        assert!(!ring.rotate_if_due(at(DAY - 1)).unwrap());
        assert!(ring.rotate_if_due(at(DAY)).unwrap());
        assert!(!ring.rotate_if_due(at(DAY)).unwrap(), "only once");
        let second = ring.published(at(DAY)).unwrap();
        assert_ne!(second.key_id, first.key_id);
        let end = DAY + HOUR_MS;
        assert!(ring.find(first.key_id.as_str(), at(end - 1)).is_some());
        assert!(ring.find(first.key_id.as_str(), at(end)).is_none());
        assert_eq!(ring.key_ids(at(end)), std::slice::from_ref(&second.key_id));
    }

    #[test]
    fn the_overlap_is_never_longer_than_the_rotation_interval() {
        assert_eq!(max_overlap(DAY), HOUR_MS);
        assert_eq!(max_overlap(60_000), 60_000);
        let ring = KeyRing::in_memory(2048, 60_000, at(0)).unwrap();
        let info = ring.published(at(0)).unwrap();
        assert_eq!(info.expires_at, Some(at(120_000)));
        assert_eq!(info.max_age(at(0)), 30);
    }

    #[test]
    fn a_cached_answer_never_outlives_the_key() {
        let ring = KeyRing::in_memory(2048, DAY, at(0)).unwrap();
        let info = ring.published(at(0)).unwrap();
        let end = DAY + HOUR_MS;
        assert_eq!(info.max_age(at(0)), 1800);
        assert_eq!(info.max_age(at(DAY)), 1800, "published at the last moment, still half an hour to spare");
        assert_eq!(info.max_age(at(end - 5_000)), 5, "not rotated in time");
        assert_eq!(info.max_age(at(end)), 0);
        assert!(ring.published(at(end)).is_none(), "an expired key is not published");
    }

    #[test]
    fn fixed_keys_do_not_expire_and_the_last_one_is_published() {
        let (first, second) = (made(), made());
        let newest = KeyId::of_spki(second.spki_der());
        let oldest = KeyId::of_spki(first.spki_der());
        let ring = KeyRing::from_keys(vec![first, second], at(7)).unwrap();
        let info = ring.published(at(u64::MAX)).unwrap();
        assert_eq!((&info.key_id, info.created_at, info.expires_at), (&newest, at(7), None));
        assert_eq!(info.max_age(at(8)), 1800);
        assert!(ring.find(oldest.as_str(), at(u64::MAX)).is_some());
        assert!(!ring.due(at(u64::MAX)) && !ring.makes_its_own());
        assert_eq!(ring.rotate(at(9)).err(), Some(KeyError::Fixed));
    }

    #[test]
    fn no_key_and_the_same_key_twice_are_refused() {
        assert_eq!(KeyRing::from_keys(Vec::<ServerKey>::new(), at(0)).err(), Some(KeyError::Empty));
        let der = AwsLcPrivateKey::generate(2048).unwrap().to_pkcs8().unwrap();
        let copy = || -> Box<dyn PrivateKey> { Box::new(AwsLcPrivateKey::from_pkcs8(&der).unwrap()) };
        assert_eq!(KeyRing::from_keys(vec![copy(), copy()], at(0)).err(), Some(KeyError::Duplicate));
    }

    #[test]
    fn a_revoked_key_is_gone_at_once() {
        let ring = KeyRing::in_memory(2048, DAY, at(0)).unwrap();
        let first = ring.published(at(0)).unwrap();
        ring.rotate(at(10)).unwrap();
        let second = ring.published(at(10)).unwrap();
        assert!(ring.revoke(second.key_id.as_str()));
        assert!(!ring.revoke(second.key_id.as_str()), "there is nothing left to revoke");
        assert!(ring.find(second.key_id.as_str(), at(10)).is_none());
        assert_eq!(ring.published(at(10)).unwrap().key_id, first.key_id);
        assert!(ring.revoke(first.key_id.as_str()));
        assert!(ring.published(at(10)).is_none() && ring.due(at(10)));
        assert!(ring.rotate_if_due(at(10)).unwrap() && ring.published(at(10)).is_some());
    }

    #[test]
    fn racing_callers_make_one_key() {
        let ring = KeyRing::in_memory(2048, DAY, at(0)).unwrap();
        let made: usize = std::thread::scope(|scope| {
            let racers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| ring.rotate_if_due(at(DAY)).unwrap())).collect();
            racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum()
        });
        assert_eq!((made, ring.key_ids(at(DAY)).len()), (1, 2));
    }

    #[test]
    fn keys_from_elsewhere_are_ordered_by_their_age_and_taken_once() {
        let ring = KeyRing::shared(DAY);
        assert!(ring.due(at(0)) && ring.published(at(0)).is_none());
        let (old, new) = (made(), made());
        let newest = KeyId::of_spki(new.spki_der());
        ring.install(new, at(2_000), Some(ring.expiry(at(2_000))), at(2_000)).unwrap();
        let der = old.to_pkcs8().unwrap();
        for _ in 0..2 {
            let copy = Box::new(AwsLcPrivateKey::from_pkcs8(&der).unwrap());
            ring.install(copy, at(1_000), Some(ring.expiry(at(1_000))), at(2_000)).unwrap();
        }
        assert_ne!(ring.published(at(11_999)).unwrap().key_id, newest, "not every server knows it yet");
        assert_eq!(ring.published(at(12_000)).unwrap().key_id, newest);
        assert_eq!(ring.key_ids(at(2_000)).len(), 2);
        assert_eq!(ring.rotate(at(3_000)).err(), Some(KeyError::Fixed), "somebody else makes its keys");
    }

    #[test]
    fn a_key_that_lives_briefly_is_published_after_a_quarter_of_its_overlap() {
        let ring = KeyRing::shared(4_000);
        let (old, new) = (made(), made());
        let newest = KeyId::of_spki(new.spki_der());
        for (key, created) in [(old, 1_000), (new, 2_000)] {
            ring.install(key, at(created), Some(ring.expiry(at(created))), at(2_000)).unwrap();
        }
        assert_ne!(ring.published(at(2_999)).unwrap().key_id, newest);
        assert_eq!(ring.published(at(3_000)).unwrap().key_id, newest);
    }

    #[test]
    fn debug_output_shows_names_only() {
        let ring = KeyRing::in_memory(2048, DAY, at(0)).unwrap();
        let shown = format!("{ring:?}");
        assert!(
            shown.starts_with("KeyRing { keys: [RingKey { key_id: KeyId(") && shown.len() < 120,
            "{shown}"
        );
    }
}
