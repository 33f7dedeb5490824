//! What the application needs of a board: a link that carries bytes, noise, a clock.

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(target_os = "none")]
mod lm3s6965;

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sc_core::id::Ticks;

/// A board.
pub(crate) trait Board {
    /// Sends one byte over the link.
    fn send(&mut self, byte: u8);

    /// Says that a whole request was sent.
    fn flush(&mut self) {}

    /// Receives one byte from the link; `None` if it is down or nothing came for too long.
    fn receive(&mut self) -> Option<u8>;

    /// 32 bits from the board's noise source, which must be fit for keys.
    fn noise(&mut self) -> u32;

    /// Milliseconds since some moment.
    fn now(&self) -> Ticks;
}

/// The noise of a board as sc-core takes it.
pub(crate) struct Noise<'b, B>(pub(crate) &'b mut B);

impl<B: Board> TryRng for Noise<'_, B> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.noise())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.0.noise()) << 32 | u64::from(self.0.noise()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for part in out.chunks_mut(4) {
            for (place, byte) in part.iter_mut().zip(self.0.noise().to_le_bytes()) {
                *place = byte;
            }
        }
        Ok(())
    }
}

impl<B: Board> TryCryptoRng for Noise<'_, B> {}
