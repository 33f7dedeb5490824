//! RSA keys that all servers of a store share, and revocations (PROTOCOL 10.2).
//!
//! Each key is a field of one hash: its name, and its PKCS#8 with its times, sealed under the store key. Whoever finds that
//! a new one is due asks for the right to make it, which ends by itself should that server die; the others find the new
//! key within seconds, long before the old one ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use sc_core::id::{KeyId, UnixMillis};
use zeroize::Zeroizing;

use super::Inner;
use super::durability::Place;
use crate::keys::{KeyError, KeyRing, PrivateKey};
use crate::provider::AwsLcPrivateKey;
use crate::store::StoreError;

/// How long the right to rotate is held, in milliseconds: longer than any key takes to make.
const RIGHT_MS: u64 = 60_000;
/// Size of a shared key's modulus, in bits.
const BITS: usize = 2048;
/// How far apart the clocks of a server that makes keys and of Redis may be, in milliseconds.
const MAX_CLOCK_OFF_MS: u64 = 5 * 60 * 1000;
/// Created and expires, in front of the PKCS#8.
const TIMES_LEN: usize = 16;

impl Inner {
    /// Takes keys and revocations that others have left, and makes a key if one is due.
    pub(super) async fn sync(&self, ring: &KeyRing, now: UnixMillis) -> Result<(), StoreError> {
        self.take_revocations(ring).await?;
        if ring.is_shared() {
            self.take_keys(ring, now).await?;
            if ring.due(now) && self.win_right().await? {
                // Somebody else may have made one between the look and the right.
                self.take_keys(ring, now).await?;
                if ring.due(now) {
                    self.make_key(ring, now).await?;
                }
            }
        }
        self.synced.now();
        Ok(())
    }

    /// Ends an RSA key for all servers, and every session that it has set up.
    pub(super) async fn revoke(&self, key_id: &KeyId) -> Result<(), StoreError> {
        let (revoked, keys) = (self.layout.shared("revoked"), self.layout.shared("keys"));
        let place = Place { anchor: &revoked, index: self.layout.shared_place() };
        let script = &self.scripts.revoke;
        let args = [key_id.as_str().as_bytes()];
        self.durability.run(&self.link, place, script, &[&revoked, &keys], &args).await?;
        self.note_revoked(std::iter::once(key_id.clone()));
        self.destroy_sessions_of(key_id).await
    }

    /// Whether the RSA key is one that the servers of this store share, and not read from a file.
    pub(super) async fn shares_key(&self, key_id: &KeyId) -> Result<bool, StoreError> {
        let key = self.layout.shared("keys");
        let mut command = redis::cmd("HEXISTS");
        command.arg(&key).arg(key_id.as_str());
        let answer = self.link.call(&key, command).await?;
        redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)
    }

    /// Never forgets one that it has heard of: a fail-over must not bring a key back.
    fn note_revoked(&self, more: impl Iterator<Item = KeyId>) {
        let before = self.revoked.load();
        let new: Vec<_> = more.filter(|key_id| !before.contains(key_id)).collect();
        if !new.is_empty() {
            let mut revoked = HashSet::clone(&before);
            revoked.extend(new);
            self.revoked.store(Arc::new(revoked));
        }
    }

    async fn take_revocations(&self, ring: &KeyRing) -> Result<(), StoreError> {
        let key = self.layout.shared("revoked");
        let mut command = redis::cmd("SMEMBERS");
        command.arg(&key);
        let answer = self.link.call(&key, command).await?;
        let names: Vec<String> = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        self.note_revoked(names.iter().filter_map(|name| KeyId::parse(name).ok()));
        for key_id in self.revoked.load().iter() {
            if ring.revoke(key_id.as_str()) {
                tracing::warn!("an RSA key was revoked");
            }
        }
        Ok(())
    }

    /// The shared keys, sealed, by name.
    async fn shared_keys(&self) -> Result<HashMap<String, Vec<u8>>, StoreError> {
        let key = self.layout.shared("keys");
        let mut command = redis::cmd("HGETALL");
        command.arg(&key);
        let answer = self.link.call(&key, command).await?;
        redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)
    }

    async fn take_keys(&self, ring: &KeyRing, now: UnixMillis) -> Result<(), StoreError> {
        let sealed = self.shared_keys().await?;
        let known = ring.key_ids(now);
        // A key that Redis has lost has lost its ledger too: it must not unwrap again what was recorded under it.
        for key_id in known.iter().filter(|key_id| !sealed.contains_key(key_id.as_str())) {
            ring.revoke(key_id.as_str());
            tracing::warn!("an RSA key is no longer shared");
        }
        let revoked = self.revoked.load();
        for (name, sealed) in sealed {
            let known = known.iter().any(|key_id| key_id.as_str() == name);
            if known || revoked.iter().any(|key_id| key_id.as_str() == name) {
                continue;
            }
            let shared = self.keys.open(&record_id(&name), &sealed).and_then(|bytes| SharedKey::read(&bytes));
            let Some(SharedKey { private, created_at, expires_at }) = shared else {
                let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
                if complained.insert(name) {
                    tracing::error!(
                        "an RSA key in Redis does not open: it was changed, or its store key is gone"
                    );
                }
                continue;
            };
            if now < expires_at {
                ring.install(Box::new(private), created_at, Some(expires_at), now).map_err(log_key_error)?;
            }
        }
        Ok(())
    }

    async fn win_right(&self) -> Result<bool, StoreError> {
        let key = self.layout.shared("rotating");
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&self.name).arg("NX").arg("PX").arg(RIGHT_MS);
        let answer = self.link.call(&key, command).await?;
        let won: Option<String> = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        Ok(won.is_some())
    }

    async fn make_key(&self, ring: &KeyRing, now: UnixMillis) -> Result<(), StoreError> {
        self.refuse_odd_clock(now).await?;
        // Takes a while: not on a thread that serves.
        let made = tokio::task::spawn_blocking(|| AwsLcPrivateKey::generate(BITS)).await;
        let private =
            made.map_err(|_| StoreError::Unavailable)?.map_err(|error| log_key_error(error.into()))?;
        let shared = SharedKey { private, created_at: now, expires_at: ring.expiry(now) };
        let key_id = KeyId::of_spki(shared.private.spki_der());
        let bytes = shared.write().ok_or(StoreError::Unavailable)?;
        let sealed = self.keys.seal(&record_id(key_id.as_str()), &bytes).ok_or(StoreError::Unavailable)?;
        let ended = self.ended_keys(now).await?;
        let (keys, right) = (self.layout.shared("keys"), self.layout.shared("rotating"));
        let mut args = vec![self.name.as_bytes(), key_id.as_str().as_bytes(), &sealed];
        args.extend(ended.iter().map(String::as_bytes));
        let place = Place { anchor: &keys, index: self.layout.shared_place() };
        let script = &self.scripts.keys_add;
        let answer = self.durability.run(&self.link, place, script, &[&keys, &right], &args).await?;
        if redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)? {
            let SharedKey { private, created_at, expires_at } = shared;
            ring.install(Box::new(private), created_at, Some(expires_at), now).map_err(log_key_error)?;
            tracing::info!("a new RSA key was made for all servers");
        }
        Ok(())
    }

    /// A server whose clock is far off would end everybody's keys, or make one that nobody replaces.
    async fn refuse_odd_clock(&self, now: UnixMillis) -> Result<(), StoreError> {
        let key = self.layout.shared("keys");
        let answer = self.link.call(&key, redis::cmd("TIME")).await?;
        let (seconds, _): (u64, u64) =
            redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let off_ms = now.0.abs_diff(seconds.saturating_mul(1000));
        if off_ms > MAX_CLOCK_OFF_MS {
            tracing::error!(off_ms, "this server's clock and Redis's are too far apart: it makes no RSA key");
            return Err(StoreError::Unavailable);
        }
        Ok(())
    }

    /// Shared keys that nobody accepts any more, and those that do not open: whoever makes keys has every store key in use.
    async fn ended_keys(&self, now: UnixMillis) -> Result<Vec<String>, StoreError> {
        let sealed = self.shared_keys().await?;
        let is_live = |name: &str, sealed: &[u8]| {
            let bytes = self.keys.open(&record_id(name), sealed)?;
            times(&bytes).map(|(_, expires_at, _)| now < expires_at)
        };
        let ended = sealed.into_iter().filter(|(name, sealed)| is_live(name, sealed) != Some(true));
        Ok(ended.map(|(name, _)| name).collect())
    }
}

/// A key as it travels through the store.
struct SharedKey {
    private: AwsLcPrivateKey,
    created_at: UnixMillis,
    expires_at: UnixMillis,
}

impl SharedKey {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (created_at, expires_at, der) = times(bytes)?;
        Some(Self { private: AwsLcPrivateKey::from_pkcs8(der).ok()?, created_at, expires_at })
    }

    fn write(&self) -> Option<Zeroizing<Vec<u8>>> {
        let der = PrivateKey::to_pkcs8(&self.private)?;
        // Room for all of it from the start: a buffer that grows leaves unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(TIMES_LEN.saturating_add(der.len())));
        bytes.extend_from_slice(&self.created_at.0.to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.0.to_be_bytes());
        bytes.extend_from_slice(&der);
        Some(bytes)
    }
}

/// When a key was made, when it ends, and its PKCS#8.
fn times(bytes: &[u8]) -> Option<(UnixMillis, UnixMillis, &[u8])> {
    let (created_at, rest) = bytes.split_first_chunk::<8>()?;
    let (expires_at, der) = rest.split_first_chunk::<8>()?;
    Some((UnixMillis(u64::from_be_bytes(*created_at)), UnixMillis(u64::from_be_bytes(*expires_at)), der))
}

/// What a shared key is sealed to.
fn record_id(key_id: &str) -> Vec<u8> {
    [b"rsa:", key_id.as_bytes()].concat()
}

fn log_key_error(error: KeyError) -> StoreError {
    tracing::error!(%error, "an RSA key of the store cannot be used");
    StoreError::Unavailable
}
