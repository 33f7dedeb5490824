//! What the protocol asks of a cryptographic library, a secure element or a KMS.
//!
//! A provider implements three primitives and nothing of the protocol. Errors are unit values: why a
//! primitive failed must not be visible to anybody (PROTOCOL 3, "Failure is uniform").

use rand_core::CryptoRng;

use crate::limits::{IV_LEN, KEY_LEN, TAG_LEN};
use crate::secret::UnwrappedKey;

/// A primitive failed. Carries no reason on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderError;

impl core::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the cryptographic provider refused the operation")
    }
}

impl core::error::Error for ProviderError {}

/// AES-256-GCM under one expanded key, with a 96-bit nonce and a 128-bit tag (RFC 5116, section 5.2).
///
/// # Examples
/// [`rustcrypto`](crate::rustcrypto) implements all of these traits; in the repository, `sc-core/examples/firmware` does so for
/// a device.
pub trait Aead: Sized {
    /// Expands a 32-byte key.
    ///
    /// # Errors
    /// [`ProviderError`] if the provider cannot take the key (out of memory, a device that is gone).
    fn expand(key: &[u8; KEY_LEN]) -> Result<Self, ProviderError>;

    /// Encrypts `buffer` in place and returns the tag.
    ///
    /// # Errors
    /// [`ProviderError`] if the buffer or the associated data is longer than the cipher allows.
    fn seal(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], ProviderError>;

    /// Encrypts `plaintext` into `out`, which has the same length, and returns the tag.
    ///
    /// A provider that can read and write apart overrides this; the default copies first.
    ///
    /// # Errors
    /// As [`Aead::seal`], and if the two lengths differ.
    fn seal_into(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], ProviderError> {
        if plaintext.len() != out.len() {
            return Err(ProviderError);
        }
        out.copy_from_slice(plaintext);
        self.seal(iv, associated_data, out)
    }

    /// Verifies `tag` and decrypts `buffer` in place.
    ///
    /// On failure the content of `buffer` is unspecified: this crate wipes it, whatever the provider left.
    ///
    /// # Errors
    /// [`ProviderError`] if the tag does not verify.
    ///
    /// # Security
    /// The tag is compared in constant time. A provider that decrypts before it knows the tag wipes `buffer` itself when that
    /// fails.
    fn open(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), ProviderError>;
}

/// The public RSA operation: RSAES-OAEP with SHA-256 as the hash and in MGF1, and an empty label
/// (RFC 8017, section 7.1.1; PROTOCOL 3).
pub trait KeyWrap: Sized {
    /// Reads a public key from its SubjectPublicKeyInfo (RFC 5280) in DER.
    ///
    /// # Errors
    /// [`ProviderError`] if `der` is not exactly one RSA key of 2048 to 4096 bits.
    fn from_spki(der: &[u8]) -> Result<Self, ProviderError>;

    /// Size of the modulus, in bits.
    fn modulus_bits(&self) -> usize;

    /// Wraps one key into `out`, which is as long as the modulus.
    ///
    /// # Errors
    /// [`ProviderError`] if `out` has another length or the operation fails.
    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        key: &[u8; KEY_LEN],
        out: &mut [u8],
    ) -> Result<(), ProviderError>;
}

/// The private RSA operation: RSAES-OAEP decryption (RFC 8017, section 7.1.2).
pub trait KeyUnwrap {
    /// Size of the modulus, in bits.
    fn modulus_bits(&self) -> usize;

    /// Unwraps one key.
    ///
    /// Always returns a value: whether it is valid stays inside [`UnwrappedKey`], so that two of them can be
    /// judged together without a branch in between. Build it with [`UnwrappedKey::from_result`].
    ///
    /// # Security
    /// Blinded, constant-time as far as the backend goes. Refuses a ciphertext that is not exactly as long as the
    /// modulus or not below it: `c + n` would pass the ledger of wrapped keys as a new one (PROTOCOL 10.12).
    fn unwrap_key<R: CryptoRng + ?Sized>(&self, rng: &mut R, wrapped: &[u8]) -> UnwrappedKey;
}

/// What a client needs: an AEAD and the public RSA operation, chosen at compile time.
pub trait Provider {
    /// The AEAD.
    type Aead: Aead;
    /// The public RSA operation.
    type KeyWrap: KeyWrap;
}
