//! One key of the ring: the private key, and what may be told about it.

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use rand_core::CryptoRng;
use sc_core::id::{KeyId, UnixMillis};
use sc_core::secret::CandidateKeys;

use super::server_key::unwrap_pair_remote;
use super::{KeyError, KeyUnavailable, PrivateKey, ServerKey};
use crate::provider::der::Modulus;

/// What a server tells about its RSA key (PROTOCOL 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublicKeyInfo {
    /// The name of the key.
    pub key_id: KeyId,
    /// The public key, as SubjectPublicKeyInfo in DER.
    pub spki_der: Box<[u8]>,
    /// The same in Base64, standard alphabet, padded.
    pub spki_base64: Box<str>,
    /// Size of the modulus, in bits.
    pub bits: usize,
    /// When the key was made; of a fixed key, when the ring was made.
    pub created_at: UnixMillis,
    /// The end of its acceptance; `None`: does not expire.
    pub expires_at: Option<UnixMillis>,
    overlap_ms: u64,
}

impl PublicKeyInfo {
    /// How long a cache may keep this answer, in seconds, for `Cache-Control: max-age`.
    ///
    /// Half of the overlap (PROTOCOL 10.16), and never beyond the end of acceptance: a key that was not rotated in
    /// time must not outlive itself in a cache.
    #[must_use]
    pub fn max_age(&self, now: UnixMillis) -> u64 {
        let left = self.expires_at.map_or(u64::MAX, |end| end.0.saturating_sub(now.0));
        (self.overlap_ms / 2).min(left) / 1000
    }
}

/// One private key of a ring.
pub struct RingKey {
    key: ServerKey,
    modulus: Modulus,
    info: Arc<PublicKeyInfo>,
}

impl RingKey {
    pub(super) fn new(
        key: ServerKey,
        created_at: UnixMillis,
        expires_at: Option<UnixMillis>,
        overlap_ms: u64,
    ) -> Result<Self, KeyError> {
        let spki = key.spki_der();
        let modulus = Modulus::of_spki(spki)?;
        let info = PublicKeyInfo {
            key_id: KeyId::of_spki(spki),
            spki_der: spki.into(),
            spki_base64: Base64::encode_string(spki).into(),
            bits: modulus.bits(),
            created_at,
            expires_at,
            overlap_ms,
        };
        Ok(Self { key, modulus, info: Arc::new(info) })
    }

    /// What may be told about the key.
    #[must_use]
    pub fn info(&self) -> &Arc<PublicKeyInfo> {
        &self.info
    }

    /// The private key, wherever it lives.
    #[must_use]
    pub const fn server_key(&self) -> &ServerKey {
        &self.key
    }

    /// The private key, for servers that share it in a store; `None` if it lives behind a device.
    #[must_use]
    pub fn private_key(&self) -> Option<&dyn PrivateKey> {
        match &self.key {
            ServerKey::Local(key) => Some(key.as_ref()),
            ServerKey::Remote(_) => None,
        }
    }

    /// Unwraps both keys of a session and gives one verdict over them; `None` if the key lives behind a device, which
    /// [`RingKey::unwrap_pair_remote`] asks.
    ///
    /// Takes two private RSA operations, about 1 ms at 2048 bits: call it behind admission control, from a thread
    /// that may be busy.
    ///
    /// # Security
    /// Both are always unwrapped, so that time does not tell which one failed.
    pub fn unwrap_pair(
        &self,
        rng: &mut dyn CryptoRng,
        request: &[u8],
        response: &[u8],
    ) -> Option<CandidateKeys> {
        let key = self.private_key()?;
        let request = key.unwrap_key(rng, request);
        let response = key.unwrap_key(rng, response);
        Some(CandidateKeys::combine(rng, request, response))
    }

    /// Asks the device of the key for both keys of a session, at once, and gives one verdict over them.
    ///
    /// # Errors
    /// [`KeyUnavailable`] if the device could not be asked, or if there is none: then [`RingKey::unwrap_pair`] is the
    /// one to call.
    ///
    /// # Security
    /// Both are always asked for and both answers awaited, so that time does not tell which one failed. A ciphertext
    /// that is not below the modulus counts as one that does not unwrap, whatever the device says (PROTOCOL 10.12).
    pub async fn unwrap_pair_remote(
        &self,
        rng: &mut (dyn CryptoRng + Send),
        request: &[u8],
        response: &[u8],
    ) -> Result<CandidateKeys, KeyUnavailable> {
        match &self.key {
            ServerKey::Remote(key) => {
                unwrap_pair_remote(key.as_ref(), &self.modulus, rng, request, response).await
            }
            ServerKey::Local(_) => Err(KeyUnavailable::new("the key lives in this process")),
        }
    }

    pub(super) fn is_accepted(&self, now: UnixMillis) -> bool {
        self.info.expires_at.is_none_or(|end| now < end)
    }
}

impl std::fmt::Debug for RingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingKey").field("key_id", &self.info.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use sc_core::provider::KeyWrap;

    use super::*;
    use crate::provider::{AwsLcPrivateKey, AwsLcPublicKey};
    use crate::rng::SystemSeeded;

    fn wrap(info: &PublicKeyInfo, key: u8) -> Vec<u8> {
        let public = AwsLcPublicKey::from_spki(&info.spki_der).unwrap();
        let mut out = vec![0; info.bits / 8];
        public.wrap(&mut SystemSeeded, &[key; 32], &mut out).unwrap();
        out
    }

    #[test]
    fn a_pair_unwraps_only_if_both_do_and_differ() {
        let private = Box::new(AwsLcPrivateKey::generate(2048).unwrap());
        let key = RingKey::new(private.into(), UnixMillis(0), None, 0).unwrap();
        let info = key.info();
        let (one, two) = (wrap(info, 1), wrap(info, 2));
        let mut bad = two.clone();
        bad[100] ^= 1;
        let verdict =
            |a: &[u8], b: &[u8]| key.unwrap_pair(&mut SystemSeeded, a, b).unwrap().into_keys().is_ok();
        assert!(verdict(&one, &two));
        for (a, b) in [(&one, &bad), (&bad, &one), (&bad, &bad), (&one, &one), (&one, &wrap(info, 1))] {
            assert!(!verdict(a, b));
        }
    }

    #[test]
    fn what_is_told_fits_the_key() {
        let private = AwsLcPrivateKey::generate(2048).unwrap();
        let spki = private.spki_der().to_vec();
        let key = RingKey::new(Box::new(private).into(), UnixMillis(5), None, 0).unwrap();
        let info = key.info();
        assert_eq!((info.bits, info.created_at, &*info.spki_der), (2048, UnixMillis(5), &*spki));
        assert_eq!(info.key_id, KeyId::of_spki(&spki));
        assert_eq!(Base64::decode_vec(&info.spki_base64).unwrap(), spki);
    }
}
