//! RSA keys that all servers of a store share, and revocations (PROTOCOL 10.2).
//!
//! Each key is a field of one hash: its name, and its PKCS#8 with its times, sealed under the store key. Whoever finds that
//! a new one is due asks for the right to make it, which ends by itself should that server die; the others find the new
//! key within seconds, long before the old one ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sc_core::id::{KeyId, UnixMillis};
use zeroize::Zeroizing;

use super::Inner;
use crate::keys::{KeyError, KeyRing, PrivateKey};
use crate::provider::AwsLcPrivateKey;
use crate::store::StoreError;

/// How long the right to rotate is held, in milliseconds: longer than any key takes to make.
const RIGHT_MS: u64 = 60_000;
/// Size of a shared key's modulus, in bits.
const BITS: usize = 2048;
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
        Ok(())
    }

    /// Ends an RSA key for all servers, and every session that it has set up.
    pub(super) async fn revoke(&self, key_id: &KeyId) -> Result<(), StoreError> {
        let key = self.layout.shared("revoked");
        let mut command = redis::cmd("SADD");
        command.arg(&key).arg(key_id.as_str());
        self.link.call(&key, command).await?;
        let mut revoked = HashSet::clone(&self.revoked.load());
        revoked.insert(key_id.clone());
        self.revoked.store(Arc::new(revoked));
        let key = self.layout.shared("keys");
        let mut command = redis::cmd("HDEL");
        command.arg(&key).arg(key_id.as_str());
        self.link.call(&key, command).await?;
        self.destroy_sessions_of(key_id).await
    }

    async fn take_revocations(&self, ring: &KeyRing) -> Result<(), StoreError> {
        let key = self.layout.shared("revoked");
        let mut command = redis::cmd("SMEMBERS");
        command.arg(&key);
        let answer = self.link.call(&key, command).await?;
        let names: Vec<String> = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let revoked: HashSet<KeyId> = names.iter().filter_map(|name| KeyId::parse(name).ok()).collect();
        for key_id in &revoked {
            if ring.revoke(key_id.as_str()) {
                tracing::warn!("an RSA key was revoked");
            }
        }
        if **self.revoked.load() != revoked {
            self.revoked.store(Arc::new(revoked));
        }
        Ok(())
    }

    async fn take_keys(&self, ring: &KeyRing, now: UnixMillis) -> Result<(), StoreError> {
        let key = self.layout.shared("keys");
        let mut command = redis::cmd("HGETALL");
        command.arg(&key);
        let answer = self.link.call(&key, command).await?;
        let sealed: HashMap<String, Vec<u8>> =
            redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let known = ring.key_ids(now);
        for (name, sealed) in sealed {
            if known.iter().any(|key_id| key_id.as_str() == name) {
                continue;
            }
            let Some(shared) =
                self.keys.open(&record_id(&name), &sealed).and_then(|bytes| SharedKey::read(&bytes))
            else {
                tracing::error!(
                    "an RSA key in Redis does not open: it was changed, or its store key is gone"
                );
                continue;
            };
            if now < shared.expires_at {
                let SharedKey { private, created_at, expires_at } = shared;
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
        let answer = self.link.run(&self.scripts.keys_add, &keys, &[&keys, &right], &args).await?;
        if redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)? {
            let SharedKey { private, created_at, expires_at } = shared;
            ring.install(Box::new(private), created_at, Some(expires_at), now).map_err(log_key_error)?;
            tracing::info!("a new RSA key was made for all servers");
        }
        Ok(())
    }

    /// Shared keys that nobody accepts any more.
    async fn ended_keys(&self, now: UnixMillis) -> Result<Vec<String>, StoreError> {
        let key = self.layout.shared("keys");
        let mut command = redis::cmd("HGETALL");
        command.arg(&key);
        let answer = self.link.call(&key, command).await?;
        let sealed: HashMap<String, Vec<u8>> =
            redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let ended = |(name, sealed): (String, Vec<u8>)| {
            let bytes = self.keys.open(&record_id(&name), &sealed)?;
            let (_, expires_at, _) = times(&bytes)?;
            (expires_at <= now).then_some(name)
        };
        Ok(sealed.into_iter().filter_map(ended).collect())
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
