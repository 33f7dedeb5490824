//! Randomness for services and apps: one generator per thread, seeded by the operating system.

use std::convert::Infallible;

use rand_core::{Rng, TryCryptoRng, TryRng};

/// The handle of this thread's generator; give it wherever a `CryptoRng` is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSeeded;

impl TryRng for SystemSeeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(rand::rng().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(rand::rng().next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        rand::rng().fill_bytes(out);
        Ok(())
    }
}

impl TryCryptoRng for SystemSeeded {}
