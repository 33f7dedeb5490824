//! For unit tests: seeded randomness, so that a failure repeats, and a provider without security.

use rand_core::{CryptoRng, SeedableRng, TryCryptoRng, TryRng};

use crate::provider::{Aead, KeyWrap, Provider, ProviderError};

/// A seeded generator, or one that is stuck.
pub(crate) struct SeededRng(Option<chacha20::ChaCha20Rng>);

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Some(chacha20::ChaCha20Rng::seed_from_u64(seed)))
    }

    pub(crate) const fn stuck() -> Self {
        Self(None)
    }
}

impl TryRng for SeededRng {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.0.as_mut().map_or(Ok(7), TryRng::try_next_u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0.as_mut().map_or(Ok(7), TryRng::try_next_u64)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        match self.0.as_mut() {
            Some(rng) => rng.try_fill_bytes(out),
            None => {
                out.fill(7);
                Ok(())
            }
        }
    }
}

impl TryCryptoRng for SeededRng {}

/// A provider that does nothing: counting needs no cryptography.
pub(crate) struct Nothing;

impl Provider for Nothing {
    type Aead = Self;
    type KeyWrap = Self;
}

impl Aead for Nothing {
    fn expand(_: &[u8; 32]) -> Result<Self, ProviderError> {
        Ok(Self)
    }

    fn seal(&self, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        Ok([0; 16])
    }

    fn open(&self, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &[u8; 16]) -> Result<(), ProviderError> {
        Ok(())
    }
}

impl KeyWrap for Nothing {
    fn from_spki(_: &[u8]) -> Result<Self, ProviderError> {
        Ok(Self)
    }

    fn modulus_bits(&self) -> usize {
        2048
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        _: &mut R,
        _: &[u8; 32],
        _: &mut [u8],
    ) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// A provider that takes no key of zeroes, and fails after it has done the worst it may: left text in the buffer.
pub(crate) struct Failing;

impl Aead for Failing {
    fn expand(key: &[u8; 32]) -> Result<Self, ProviderError> {
        if *key == [0; 32] { Err(ProviderError) } else { Ok(Self) }
    }

    fn seal(&self, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        Err(ProviderError)
    }

    fn open(&self, _: &[u8; 12], _: &[u8], buffer: &mut [u8], _: &[u8; 16]) -> Result<(), ProviderError> {
        buffer.fill(b'x');
        Err(ProviderError)
    }
}
