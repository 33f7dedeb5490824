//! Randomness for unit tests: seeded, so that a failure repeats.

use rand_core::{SeedableRng, TryCryptoRng, TryRng};

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
