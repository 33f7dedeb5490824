//! The default provider: `aes-gcm` and `rsa` of the RustCrypto project (feature `rustcrypto`).
//!
//! Works without std; `rsa` needs an allocator. The RSA arithmetic of `rsa` 0.10 is constant-time and
//! its private operations here are blinded with the caller's randomness. What comes out is decoded by this crate,
//! strictly and without a branch: `rsa`'s own OAEP decoder takes blocks that RFC 8017 refuses.

use alloc::boxed::Box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use rand_core::CryptoRng;
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey, PrivateKeyInfoRef};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, PrivateKey, PublicKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::limits::{IV_LEN, KEY_LEN, MAX_RSA_BITS, MAX_SPKI_LEN, MIN_RSA_BITS, TAG_LEN};
use crate::oaep::decode_key;
use crate::provider::{Aead, KeyUnwrap, KeyWrap, Provider, ProviderError};
use crate::secret::UnwrappedKey;

/// The RustCrypto provider for [`Client`](crate::client::Client).
#[derive(Debug, Clone, Copy)]
pub struct RustCrypto;

impl Provider for RustCrypto {
    type Aead = Aes256GcmKey;
    type KeyWrap = RsaPublicKey;
}

/// An expanded AES-256-GCM key; wiped on drop by `aes-gcm`'s feature `zeroize`.
pub struct Aes256GcmKey(Aes256Gcm);

impl core::fmt::Debug for Aes256GcmKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Aes256GcmKey(..)")
    }
}

impl Aead for Aes256GcmKey {
    fn expand(key: &[u8; KEY_LEN]) -> Result<Self, ProviderError> {
        Ok(Self(Aes256Gcm::new(key.into())))
    }

    fn seal(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], ProviderError> {
        self.0
            .encrypt_inout_detached(&Nonce::from(*iv), associated_data, buffer.into())
            .map(Into::into)
            .map_err(|_| ProviderError)
    }

    fn open(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), ProviderError> {
        self.0
            .decrypt_inout_detached(&Nonce::from(*iv), associated_data, buffer.into(), &Tag::from(*tag))
            .map_err(|_| ProviderError)
    }
}

/// An RSA public key of 2048 to 4096 bits.
#[derive(Debug, Clone)]
pub struct RsaPublicKey(PublicKey);

impl KeyWrap for RsaPublicKey {
    fn from_spki(der: &[u8]) -> Result<Self, ProviderError> {
        if der.len() > MAX_SPKI_LEN {
            return Err(ProviderError);
        }
        let key = PublicKey::from_public_key_der(der).map_err(|_| ProviderError)?;
        check_size(&key)?;
        Ok(Self(key))
    }

    fn modulus_bits(&self) -> usize {
        bits(&self.0)
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        key: &[u8; KEY_LEN],
        out: &mut [u8],
    ) -> Result<(), ProviderError> {
        let wrapped = self.0.oaep_encrypt_with_rng::<Sha256, _>(rng, key).map_err(|_| ProviderError)?;
        if wrapped.len() != out.len() {
            return Err(ProviderError);
        }
        out.copy_from_slice(&wrapped);
        Ok(())
    }
}

/// An RSA private key of 2048 to 4096 bits; wiped on drop by `rsa`.
pub struct RsaPrivateKey(PrivateKey);

impl RsaPrivateKey {
    /// Reads a private key from its PKCS#8 (RFC 5958) in DER.
    ///
    /// # Errors
    /// [`ProviderError`] if `der` is not exactly one valid RSA key of 2048 to 4096 bits, with all of its numbers right.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, ProviderError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| ProviderError)?;
        let key = PrivateKey::try_from(info.clone()).map_err(|_| ProviderError)?;
        check_size(&key)?;
        // `rsa` computes the numbers of the Chinese remainder theorem anew, and so takes a damaged file for a good one.
        let whole = key.to_pkcs1_der().map_err(|_| ProviderError)?;
        if whole.as_bytes() != info.private_key.as_bytes() {
            return Err(ProviderError);
        }
        Ok(Self(key))
    }

    /// Makes a key of 2048 to 4096 bits with the exponent 65,537.
    ///
    /// # Errors
    /// [`ProviderError`] for another size.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R, bits: usize) -> Result<Self, ProviderError> {
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(ProviderError);
        }
        PrivateKey::new(rng, bits).map(Self).map_err(|_| ProviderError)
    }

    /// The public key, as SPKI DER.
    ///
    /// # Errors
    /// [`ProviderError`] if it cannot be encoded.
    pub fn to_spki(&self) -> Result<alloc::vec::Vec<u8>, ProviderError> {
        let spki = self.0.to_public_key().to_public_key_der().map_err(|_| ProviderError)?;
        Ok(spki.into_vec())
    }
}

impl core::fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RsaPrivateKey(..)")
    }
}

impl KeyUnwrap for RsaPrivateKey {
    fn modulus_bits(&self) -> usize {
        bits(&self.0)
    }

    fn unwrap_key<R: CryptoRng + ?Sized>(&self, rng: &mut R, wrapped: &[u8]) -> UnwrappedKey {
        let block = self.decrypt(rng, wrapped).and_then(|mut block| {
            let excess = block.len().checked_sub(self.0.size())?;
            Some(decode_key(block.get_mut(excess..)?))
        });
        block.unwrap_or_else(|| UnwrappedKey::from_result(None))
    }
}

impl RsaPrivateKey {
    /// The blinded, fault-checked private operation. The result may have zero bytes in front.
    ///
    /// Refuses a number of another length than the modulus or not below it, which anybody can see.
    fn decrypt<R: CryptoRng + ?Sized>(&self, rng: &mut R, wrapped: &[u8]) -> Option<Zeroizing<Box<[u8]>>> {
        if wrapped.len() != self.0.size() {
            return None;
        }
        let number = BoxedUint::from_be_slice(wrapped, self.0.n().bits_precision()).ok()?;
        if number >= *self.0.n().as_ref() {
            return None;
        }
        let block = rsa_decrypt_and_check(&self.0, Some(rng), &number).ok().map(Zeroizing::new)?;
        Some(Zeroizing::new(block.to_be_bytes()))
    }
}

fn bits(key: &impl PublicKeyParts) -> usize {
    usize::try_from(key.n().bit_width()).unwrap_or(usize::MAX)
}

fn check_size(key: &impl PublicKeyParts) -> Result<(), ProviderError> {
    if (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits(key)) { Ok(()) } else { Err(ProviderError) }
}
