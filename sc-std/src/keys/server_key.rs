//! Where a private key lives: in this process, or behind a device or a service that is asked over some wire.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::join;
use rand_core::CryptoRng;
use sc_core::secret::{CandidateKeys, UnwrappedKey};

use super::PrivateKey;
use crate::provider::der::Modulus;

/// The answer of a device that is under way.
pub type UnwrapFuture<'a> = Pin<Box<dyn Future<Output = Result<UnwrappedKey, KeyUnavailable>> + Send + 'a>>;

/// The device of a private key could not be asked: it is out of reach, refuses to work, or answers nonsense.
///
/// The reason is for the operator's log. It is fixed when the program is built, so that nothing of a request or a
/// credential can slip into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device of the private key is not available: {reason}")]
pub struct KeyUnavailable {
    reason: &'static str,
}

impl KeyUnavailable {
    /// A failure of the device, with its reason in a few words.
    #[must_use]
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

/// An RSA private key that a KMS or an HSM holds, asked without a thread that waits.
///
/// A server asks both keys of a set-up at once, behind [admission](crate::server::ScServerBuilder::with_admission)
/// and under a timeout ([`with_remote_key_timeout`](crate::server::ScServerBuilder::with_remote_key_timeout)). A call
/// that is given up is dropped.
///
/// # Examples
/// `examples/kms.rs` is a whole device in another process. The heart of such a key:
/// ```
/// use sc_core::secret::UnwrappedKey;
/// use sc_std::keys::{KeyUnavailable, RemoteKey, UnwrapFuture};
///
/// /// What the service says: the plaintext, or that the ciphertext does not decrypt, or nothing.
/// enum Said { Plaintext(Vec<u8>), DoesNotDecrypt, Nothing }
/// # struct Kms;
/// # impl Kms { async fn decrypt(&self, _: &[u8]) -> Said { Said::DoesNotDecrypt } }
///
/// struct KmsKey { kms: Kms, spki: Vec<u8> }
///
/// impl RemoteKey for KmsKey {
///     fn spki_der(&self) -> &[u8] { &self.spki }
///     fn modulus_bits(&self) -> usize { 2048 }
///     fn unwrap_key<'a>(&'a self, wrapped: &'a [u8]) -> UnwrapFuture<'a> {
///         Box::pin(async move {
///             match self.kms.decrypt(wrapped).await {
///                 Said::Plaintext(key) => Ok(UnwrappedKey::from_result(Some(&key))),
///                 Said::DoesNotDecrypt => Ok(UnwrappedKey::from_result(None)),
///                 Said::Nothing => Err(KeyUnavailable::new("the service did not answer")),
///             }
///         })
///     }
/// }
/// ```
pub trait RemoteKey: Send + Sync {
    /// Size of the modulus, in bits.
    fn modulus_bits(&self) -> usize;

    /// The public key, as SubjectPublicKeyInfo (RFC 5280) in DER; known without asking the device.
    fn spki_der(&self) -> &[u8];

    /// Asks the device to unwrap one key: RSAES-OAEP with SHA-256 as the hash and in MGF1, and an empty label.
    ///
    /// # Errors
    /// [`KeyUnavailable`] if the device could not be asked. **Never** for a ciphertext that does not unwrap: that is
    /// [`UnwrappedKey::from_result`] with `None`.
    ///
    /// # Security
    /// An error is an operational failure and the client is told to come back; a ciphertext that does not unwrap is
    /// refused. Who mixes the two up gives strangers an oracle over OAEP (PROTOCOL 3). So map the service's own "invalid
    /// ciphertext" to an unwrapped key that is none, and only what cannot depend on the ciphertext to an error. Wipe
    /// plaintexts of your own.
    fn unwrap_key<'a>(&'a self, wrapped: &'a [u8]) -> UnwrapFuture<'a>;
}

/// A private key of a server, wherever it lives.
#[derive(Clone)]
#[non_exhaustive]
pub enum ServerKey {
    /// Computed with in this process, on a thread that may be busy.
    Local(Arc<dyn PrivateKey>),
    /// Asked for over a wire.
    Remote(Arc<dyn RemoteKey>),
}

impl ServerKey {
    /// A key behind a device.
    #[must_use]
    pub fn remote(key: impl RemoteKey + 'static) -> Self {
        Self::Remote(Arc::new(key))
    }

    /// The public key, as SubjectPublicKeyInfo (RFC 5280) in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        match self {
            Self::Local(key) => key.spki_der(),
            Self::Remote(key) => key.spki_der(),
        }
    }
}

impl From<Box<dyn PrivateKey>> for ServerKey {
    fn from(key: Box<dyn PrivateKey>) -> Self {
        Self::Local(key.into())
    }
}

impl<K: PrivateKey + 'static> From<Box<K>> for ServerKey {
    fn from(key: Box<K>) -> Self {
        Self::Local(Arc::<K>::from(key))
    }
}

impl From<Box<dyn RemoteKey>> for ServerKey {
    fn from(key: Box<dyn RemoteKey>) -> Self {
        Self::Remote(key.into())
    }
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Local(_) => "Local(..)",
            Self::Remote(_) => "Remote(..)",
        })
    }
}

/// Asks a device for both keys of a session, at once, and gives one verdict over them.
///
/// # Errors
/// [`KeyUnavailable`] if the device could not be asked for either.
///
/// # Security
/// Both are always asked for and both answers awaited, so that time does not tell which one failed. A ciphertext that
/// is not as long as the modulus or not below it counts as one that does not unwrap, whatever the device says of it: it
/// would pass the ledger as a new one (PROTOCOL 10.12).
pub(super) async fn unwrap_pair_remote(
    key: &dyn RemoteKey,
    modulus: &Modulus,
    rng: &mut (dyn CryptoRng + Send),
    request: &[u8],
    response: &[u8],
) -> Result<CandidateKeys, KeyUnavailable> {
    let ask = |wrapped| async move {
        let unwrapped = key.unwrap_key(wrapped).await?;
        Ok(if modulus.admits(wrapped) { unwrapped } else { UnwrappedKey::from_result(None) })
    };
    let (request, response) = join(ask(request), ask(response)).await;
    Ok(CandidateKeys::combine(rng, request?, response?))
}

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use std::sync::Mutex;

    use sc_core::provider::KeyWrap;

    use super::*;
    use crate::keys::KeyRing;
    use crate::provider::{AwsLcPrivateKey, AwsLcPublicKey};
    use crate::rng::SystemSeeded;
    use sc_core::id::UnixMillis;

    /// A device that believes everything: it reduces a ciphertext before it decrypts, or has its own idea of it.
    struct Gullible {
        spki: Vec<u8>,
        answers: fn(&[u8]) -> Result<UnwrappedKey, KeyUnavailable>,
        asked: Arc<Mutex<usize>>,
    }

    impl RemoteKey for Gullible {
        fn modulus_bits(&self) -> usize {
            2048
        }
        fn spki_der(&self) -> &[u8] {
            &self.spki
        }
        fn unwrap_key<'a>(&'a self, wrapped: &'a [u8]) -> UnwrapFuture<'a> {
            *self.asked.lock().unwrap() += 1;
            Box::pin(async move {
                tokio::task::yield_now().await;
                (self.answers)(wrapped)
            })
        }
    }

    fn ring(answers: fn(&[u8]) -> Result<UnwrappedKey, KeyUnavailable>) -> (KeyRing, Arc<Mutex<usize>>) {
        let spki = AwsLcPrivateKey::generate(2048).unwrap().spki_der().to_vec();
        let asked = Arc::new(Mutex::new(0));
        let key = ServerKey::remote(Gullible { spki, answers, asked: Arc::clone(&asked) });
        (KeyRing::from_keys(vec![key], UnixMillis(0)).unwrap(), asked)
    }

    fn first_byte(wrapped: &[u8]) -> UnwrappedKey {
        UnwrappedKey::from_result(Some(&[wrapped[255]; 32]))
    }

    #[tokio::test]
    async fn a_ciphertext_that_is_not_below_the_modulus_does_not_unwrap_whatever_the_device_says() {
        let (ring, asked) = ring(|wrapped| Ok(first_byte(wrapped)));
        let info = ring.published(UnixMillis(0)).unwrap();
        let key = ring.find(info.key_id.as_str(), UnixMillis(0)).unwrap();
        let (mut one, mut two) = (vec![0; 256], vec![0; 256]);
        (one[255], two[255]) = (1, 2);
        let big = vec![0xff; 256];
        let long = [&[0][..], &one].concat();
        for (request, response, right) in [
            (&one, &two, true),
            (&big, &two, false),
            (&one, &big, false),
            (&one, &one, false),
            (&long, &two, false),
        ] {
            let keys = key.unwrap_pair_remote(&mut SystemSeeded, request, response).await.unwrap();
            assert_eq!(keys.into_keys().is_ok(), right);
        }
        assert_eq!(*asked.lock().unwrap(), 10, "the device is asked all the same");
    }

    #[tokio::test]
    async fn a_device_that_fails_for_one_key_is_asked_for_the_other_too() {
        let unavailable = KeyUnavailable::new("as the test wants");
        let (ring, asked) = ring(|wrapped| {
            if wrapped[255] == 1 {
                Err(KeyUnavailable::new("as the test wants"))
            } else {
                Ok(first_byte(wrapped))
            }
        });
        let info = ring.published(UnixMillis(0)).unwrap();
        let key = ring.find(info.key_id.as_str(), UnixMillis(0)).unwrap();
        let (mut one, two) = (vec![0; 256], vec![0; 256]);
        one[255] = 1;
        for (request, response) in [(&one, &two), (&two, &one)] {
            let keys = key.unwrap_pair_remote(&mut SystemSeeded, request, response).await;
            assert_eq!(keys.err(), Some(unavailable));
        }
        assert_eq!(*asked.lock().unwrap(), 4);
        assert_eq!(
            unavailable.to_string(),
            "the device of the private key is not available: as the test wants"
        );
    }

    #[tokio::test]
    async fn each_kind_of_key_has_its_own_way_to_be_asked() {
        let local = AwsLcPrivateKey::generate(2048).unwrap();
        let public = AwsLcPublicKey::from_spki(local.spki_der()).unwrap();
        let wrap = |key: u8| {
            let mut out = vec![0; 256];
            public.wrap(&mut SystemSeeded, &[key; 32], &mut out).unwrap();
            out
        };
        let (one, two) = (wrap(1), wrap(2));
        let key_id = sc_core::id::KeyId::of_spki(local.spki_der());
        let local = KeyRing::from_keys(vec![Box::new(local)], UnixMillis(0)).unwrap();
        let local = local.find(key_id.as_str(), UnixMillis(0)).unwrap();
        assert!(local.unwrap_pair(&mut SystemSeeded, &one, &two).is_some() && local.private_key().is_some());
        assert!(local.unwrap_pair_remote(&mut SystemSeeded, &one, &two).await.is_err());

        let (ring, _) = ring(|wrapped| Ok(first_byte(wrapped)));
        let info = ring.published(UnixMillis(0)).unwrap();
        let remote = ring.find(info.key_id.as_str(), UnixMillis(0)).unwrap();
        assert!(
            remote.unwrap_pair(&mut SystemSeeded, &one, &two).is_none() && remote.private_key().is_none()
        );
        assert_eq!(format!("{:?} {:?}", local.server_key(), remote.server_key()), "Local(..) Remote(..)");
    }
}
