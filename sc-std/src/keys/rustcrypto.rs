//! RSA private keys of the RustCrypto provider, as keys of a ring (feature `rustcrypto`).

use rand_core::CryptoRng;
use sc_core::provider::KeyUnwrap;
use sc_core::rustcrypto::RsaPrivateKey;
use sc_core::secret::UnwrappedKey;

use super::{KeyError, PrivateKey};
use crate::provider::der::spki_of_pkcs8;

/// A private key of the RustCrypto provider together with its public key.
///
/// # Security
/// Its private operation is blinded and written to be constant-time, but `rsa` carried RUSTSEC-2023-0071 (timing of
/// private operations): look its present state up first. Servers take [`AwsLcPrivateKey`](crate::provider::AwsLcPrivateKey)
/// unless they cannot.
#[derive(Debug)]
pub struct RustCryptoPrivateKey {
    key: RsaPrivateKey,
    spki: Vec<u8>,
}

impl RustCryptoPrivateKey {
    /// Reads a private key from its PKCS#8 (RFC 5958) in DER.
    ///
    /// # Errors
    /// [`KeyError`] if `der` is not exactly one valid RSA key of 2048 to 4096 bits.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let spki = spki_of_pkcs8(der)?;
        Ok(Self { key: RsaPrivateKey::from_pkcs8(der)?, spki })
    }
}

impl PrivateKey for RustCryptoPrivateKey {
    fn modulus_bits(&self) -> usize {
        self.key.modulus_bits()
    }

    fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    fn unwrap_key(&self, rng: &mut dyn CryptoRng, wrapped: &[u8]) -> UnwrappedKey {
        self.key.unwrap_key(rng, wrapped)
    }
}
