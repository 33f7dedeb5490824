//! The provider on AWS-LC through `aws-lc-rs` (feature `aws-lc-rs`): the default of servers.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use rand_core::CryptoRng;
use sc_core::limits::{IV_LEN, KEY_LEN, MAX_WRAPPED_LEN, TAG_LEN};
use sc_core::provider::{Aead, KeyUnwrap, KeyWrap, Provider, ProviderError};
use sc_core::secret::UnwrappedKey;
use zeroize::Zeroizing;

use super::der::{Modulus, spki_of_pkcs8};

/// The AWS-LC provider, for a client's type parameter.
#[derive(Debug, Clone, Copy)]
pub struct AwsLc;

impl Provider for AwsLc {
    type Aead = AwsLcAead;
    type KeyWrap = AwsLcPublicKey;
}

/// An expanded AES-256-GCM key; AWS-LC wipes it when it is freed.
pub struct AwsLcAead(LessSafeKey);

impl std::fmt::Debug for AwsLcAead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwsLcAead(..)")
    }
}

impl Aead for AwsLcAead {
    fn expand(key: &[u8; KEY_LEN]) -> Result<Self, ProviderError> {
        UnboundKey::new(&AES_256_GCM, key).map(|key| Self(LessSafeKey::new(key))).map_err(|_| ProviderError)
    }

    fn seal(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], ProviderError> {
        let mut tag = [0; TAG_LEN];
        // A tenth faster for short messages than the call that returns a tag.
        self.0
            .seal_in_place_scatter(nonce(iv), Aad::from(associated_data), buffer, &[], &mut tag)
            .map_err(|_| ProviderError)?;
        Ok(tag)
    }

    fn seal_into(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], ProviderError> {
        let mut tag = [0; TAG_LEN];
        self.0
            .seal_out_of_place_scatter(nonce(iv), Aad::from(associated_data), plaintext, out, &[], &mut tag)
            .map_err(|_| ProviderError)?;
        Ok(tag)
    }

    fn open(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), ProviderError> {
        self.0
            .open_in_place_separate_tag(nonce(iv), Aad::from(associated_data), tag, buffer)
            .map(|_| ())
            .map_err(|_| ProviderError)
    }
}

/// Uniqueness is sc-core's: its sealer makes every IV.
fn nonce(iv: &[u8; IV_LEN]) -> Nonce {
    Nonce::assume_unique_for_key(*iv)
}

/// An RSA public key of 2048 to 4096 bits.
#[derive(Debug)]
pub struct AwsLcPublicKey {
    key: OaepPublicEncryptingKey,
    bits: usize,
}

impl KeyWrap for AwsLcPublicKey {
    fn from_spki(der: &[u8]) -> Result<Self, ProviderError> {
        // Size and form are judged here, before AWS-LC sees the bytes.
        let bits = Modulus::of_spki(der).map_err(|_| ProviderError)?.bits();
        let key = PublicEncryptingKey::from_der(der).map_err(|_| ProviderError)?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| ProviderError)?;
        Ok(Self { key, bits })
    }

    fn modulus_bits(&self) -> usize {
        self.bits
    }

    /// The randomness of the padding is AWS-LC's own; `_rng` is not used.
    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        _rng: &mut R,
        key: &[u8; KEY_LEN],
        out: &mut [u8],
    ) -> Result<(), ProviderError> {
        if out.len() != self.key.ciphertext_size() {
            return Err(ProviderError);
        }
        let len = out.len();
        match self.key.encrypt(&OAEP_SHA256_MGF1SHA256, key, out, None) {
            Ok(written) if written.len() == len => Ok(()),
            _ => Err(ProviderError),
        }
    }
}

/// An RSA private key of 2048 to 4096 bits; AWS-LC wipes it when it is freed.
///
/// # Security
/// AWS-LC blinds the private operation with randomness of its own and checks the OAEP padding in constant time.
///
/// # Examples
/// ```
/// use sc_core::provider::{KeyUnwrap, KeyWrap};
/// use sc_std::provider::{AwsLcPrivateKey, AwsLcPublicKey};
/// use sc_std::rng::SystemSeeded;
///
/// let private = AwsLcPrivateKey::generate(2048)?;
/// let public = AwsLcPublicKey::from_spki(private.spki_der())?;
/// let mut wrapped = [0; 256];
/// public.wrap(&mut SystemSeeded, &[7; 32], &mut wrapped)?;
/// let _key = private.unwrap_key(&mut SystemSeeded, &wrapped);
/// # Ok::<(), sc_core::provider::ProviderError>(())
/// ```
pub struct AwsLcPrivateKey {
    source: PrivateDecryptingKey,
    key: OaepPrivateDecryptingKey,
    modulus: Modulus,
    spki: Vec<u8>,
}

impl AwsLcPrivateKey {
    /// Makes a new key of 2048, 3072 or 4096 bits. Takes 0.1 to several seconds of one core.
    ///
    /// # Errors
    /// [`ProviderError`] for any other size, or if AWS-LC fails.
    pub fn generate(bits: usize) -> Result<Self, ProviderError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => return Err(ProviderError),
        };
        Self::new(PrivateDecryptingKey::generate(size).map_err(|_| ProviderError)?)
    }

    /// Reads a private key from its PKCS#8 (RFC 5958) in DER.
    ///
    /// # Errors
    /// [`ProviderError`] if `der` is not exactly one valid RSA key of 2048 to 4096 bits.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, ProviderError> {
        spki_of_pkcs8(der).map_err(|_| ProviderError)?;
        Self::new(PrivateDecryptingKey::from_pkcs8(der).map_err(|_| ProviderError)?)
    }

    fn new(source: PrivateDecryptingKey) -> Result<Self, ProviderError> {
        let spki = source.public_key().as_der().map_err(|_| ProviderError)?.as_ref().to_vec();
        let modulus = Modulus::of_spki(&spki).map_err(|_| ProviderError)?;
        let key = OaepPrivateDecryptingKey::new(source.clone()).map_err(|_| ProviderError)?;
        Ok(Self { source, key, modulus, spki })
    }

    /// The key as PKCS#8 in DER, wiped on drop.
    ///
    /// # Errors
    /// [`ProviderError`] if AWS-LC fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let der = self.source.as_der().map_err(|_| ProviderError)?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }

    /// The public key, as SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }
}

impl std::fmt::Debug for AwsLcPrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwsLcPrivateKey(..)")
    }
}

impl KeyUnwrap for AwsLcPrivateKey {
    fn modulus_bits(&self) -> usize {
        self.modulus.bits()
    }

    /// Blinded with AWS-LC's own randomness; `_rng` is not used.
    fn unwrap_key<R: CryptoRng + ?Sized>(&self, _rng: &mut R, wrapped: &[u8]) -> UnwrappedKey {
        if !self.modulus.admits(wrapped) {
            return UnwrappedKey::from_result(None);
        }
        // The whole buffer is wiped on return: AWS-LC may leave part of a refused plaintext in it (PROTOCOL 10.12).
        let mut buffer = Zeroizing::new([0; MAX_WRAPPED_LEN]);
        let plaintext = self.key.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, buffer.as_mut_slice(), None);
        UnwrappedKey::from_result(plaintext.ok().as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SystemSeeded;

    #[test]
    fn only_the_three_usual_sizes_are_generated() {
        for bits in [0, 1024, 2047, 2049, 8192] {
            assert_eq!(AwsLcPrivateKey::generate(bits).err(), Some(ProviderError), "{bits}");
        }
        for bits in [2048, 3072, 4096] {
            assert_eq!(AwsLcPrivateKey::generate(bits).unwrap().modulus_bits(), bits);
        }
    }

    #[test]
    fn a_private_key_survives_pkcs8_and_both_ways_give_one_spki() {
        let key = AwsLcPrivateKey::generate(2048).unwrap();
        let der = key.to_pkcs8().unwrap();
        let again = AwsLcPrivateKey::from_pkcs8(&der).unwrap();
        assert_eq!(again.spki_der(), key.spki_der());
        assert_eq!(spki_of_pkcs8(&der).unwrap(), key.spki_der(), "built without AWS-LC");
        let mut long = der.to_vec();
        long.push(0);
        assert!(AwsLcPrivateKey::from_pkcs8(&long).is_err(), "a trailing byte");
        assert!(AwsLcPrivateKey::from_pkcs8(&der[..der.len() - 1]).is_err(), "a missing byte");
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let key = AwsLcPrivateKey::generate(2048).unwrap();
        assert_eq!(format!("{key:?}"), "AwsLcPrivateKey(..)");
        assert_eq!(format!("{:?}", AwsLcAead::expand(&[7; 32]).unwrap()), "AwsLcAead(..)");
    }

    #[test]
    fn a_wrap_into_a_buffer_of_another_length_is_refused() {
        let private = AwsLcPrivateKey::generate(2048).unwrap();
        let public = AwsLcPublicKey::from_spki(private.spki_der()).unwrap();
        for len in [0, 255, 257, 512] {
            let mut out = vec![0; len];
            assert_eq!(public.wrap(&mut SystemSeeded, &[7; 32], &mut out), Err(ProviderError), "{len}");
        }
    }
}
