//! The provider of a build without one: refuses every key, so that nothing can be sealed or opened with it.

use rand_core::CryptoRng;
use sc_core::limits::{IV_LEN, KEY_LEN, TAG_LEN};
use sc_core::provider::{Aead, KeyWrap, Provider, ProviderError};

/// Stands where a default would stand in a build without the features `aws-lc-rs` and `rustcrypto`. Has no value.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "has no value")]
pub enum NoProvider {}

impl Provider for NoProvider {
    type Aead = Self;
    type KeyWrap = Self;
}

impl Aead for NoProvider {
    fn expand(_: &[u8; KEY_LEN]) -> Result<Self, ProviderError> {
        Err(ProviderError)
    }

    fn seal(&self, _: &[u8; IV_LEN], _: &[u8], _: &mut [u8]) -> Result<[u8; TAG_LEN], ProviderError> {
        match *self {}
    }

    fn open(&self, _: &[u8; IV_LEN], _: &[u8], _: &mut [u8], _: &[u8; TAG_LEN]) -> Result<(), ProviderError> {
        match *self {}
    }
}

impl KeyWrap for NoProvider {
    fn from_spki(_: &[u8]) -> Result<Self, ProviderError> {
        Err(ProviderError)
    }

    fn modulus_bits(&self) -> usize {
        match *self {}
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        _: &mut R,
        _: &[u8; KEY_LEN],
        _: &mut [u8],
    ) -> Result<(), ProviderError> {
        match *self {}
    }
}
