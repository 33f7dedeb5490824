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
/// A server asks both keys of a set-up at once, behind [`Admission`](crate::admission::Admission) and under a timeout
/// ([`with_remote_key_timeout`](crate::server::ScServerBuilder::with_remote_key_timeout)). A call that is given up is
/// dropped.
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
