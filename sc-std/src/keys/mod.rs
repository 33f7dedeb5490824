//! A server's RSA keys: what a private key is, how it is read and written, and the ring that rotates them.

#[cfg(feature = "aws-lc-rs")]
mod in_memory;
mod pem;
pub(crate) mod ring;
mod ring_key;
#[cfg(feature = "rustcrypto")]
mod rustcrypto;
mod server_key;

use rand_core::CryptoRng;
use sc_core::provider::ProviderError;
use sc_core::secret::UnwrappedKey;
use zeroize::Zeroizing;

pub use self::pem::{MAX_PEM_LEN, PemError, Pkcs8};
pub use self::ring::{KeyRing, PublicKeyInfo, RingKey};
#[cfg(feature = "rustcrypto")]
pub use self::rustcrypto::RustCryptoPrivateKey;
pub use self::server_key::{KeyUnavailable, RemoteKey, ServerKey, UnwrapFuture};
#[cfg(feature = "aws-lc-rs")]
use crate::provider::AwsLcPrivateKey;

/// An RSA private key of a server, in memory or behind a library that answers at once.
///
/// The same contract as [`KeyUnwrap`](sc_core::provider::KeyUnwrap), as a trait object, called from a thread that may
/// be busy. A key behind a device or a service that is waited for is a [`RemoteKey`].
pub trait PrivateKey: Send + Sync {
    /// Size of the modulus, in bits.
    fn modulus_bits(&self) -> usize;

    /// The public key, as SubjectPublicKeyInfo (RFC 5280) in DER.
    fn spki_der(&self) -> &[u8];

    /// Unwraps one key; whether that worked stays inside the result.
    ///
    /// # Security
    /// As for [`KeyUnwrap::unwrap_key`](sc_core::provider::KeyUnwrap::unwrap_key): blinded, and a ciphertext that is
    /// not as long as the modulus and below it is refused (PROTOCOL 10.12).
    fn unwrap_key(&self, rng: &mut dyn CryptoRng, wrapped: &[u8]) -> UnwrappedKey;

    /// The key as PKCS#8 in DER, for servers that share their keys in a store; `None` if it cannot leave its device.
    fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}

#[cfg(feature = "aws-lc-rs")]
impl PrivateKey for AwsLcPrivateKey {
    fn modulus_bits(&self) -> usize {
        sc_core::provider::KeyUnwrap::modulus_bits(self)
    }

    fn spki_der(&self) -> &[u8] {
        Self::spki_der(self)
    }

    fn unwrap_key(&self, rng: &mut dyn CryptoRng, wrapped: &[u8]) -> UnwrappedKey {
        sc_core::provider::KeyUnwrap::unwrap_key(self, rng, wrapped)
    }

    fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        Self::to_pkcs8(self).ok()
    }
}

/// What goes wrong with a key or a ring of keys. Carries nothing of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The public key is not an RSA key in SubjectPublicKeyInfo form.
    #[error("the key is not an RSA key")]
    NotRsa,
    /// The modulus is smaller than 2048 or larger than 4096 bits.
    #[error("the RSA key has {bits} bits, not 2048 to 4096")]
    Bits {
        /// Size of its modulus, in bits.
        bits: usize,
    },
    /// A ring was to be made of no key.
    #[error("a key ring needs at least one key")]
    Empty,
    /// The same key was given twice.
    #[error("the same key was given twice")]
    Duplicate,
    /// A ring of fixed keys was asked to rotate.
    #[error("the keys of this ring are fixed, it does not rotate")]
    Fixed,
    /// The cryptographic provider failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl From<crate::provider::der::DerError> for KeyError {
    fn from(error: crate::provider::der::DerError) -> Self {
        use crate::provider::der::DerError;
        match error {
            DerError::Form | DerError::Algorithm => Self::NotRsa,
            DerError::Bits(bits) => Self::Bits { bits },
        }
    }
}

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use super::*;

    /// A key that stays where it is.
    struct InDevice(AwsLcPrivateKey);

    impl PrivateKey for InDevice {
        fn modulus_bits(&self) -> usize {
            PrivateKey::modulus_bits(&self.0)
        }

        fn spki_der(&self) -> &[u8] {
            self.0.spki_der()
        }

        fn unwrap_key(&self, rng: &mut dyn CryptoRng, wrapped: &[u8]) -> UnwrappedKey {
            PrivateKey::unwrap_key(&self.0, rng, wrapped)
        }
    }

    #[test]
    fn a_key_in_memory_can_be_shared_and_one_in_a_device_only_if_it_says_so() {
        let key = AwsLcPrivateKey::generate(3072).unwrap();
        let shared = PrivateKey::to_pkcs8(&key).unwrap();
        assert_eq!(AwsLcPrivateKey::from_pkcs8(&shared).unwrap().spki_der(), PrivateKey::spki_der(&key));
        let device: &dyn PrivateKey = &InDevice(key);
        assert_eq!((device.modulus_bits(), device.to_pkcs8().is_some()), (3072, false));
    }
}
