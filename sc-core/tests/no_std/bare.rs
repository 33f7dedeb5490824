//! What a program without std brings along: a handler of panics, a symbol that the linker asks for, and a generator.

use rand_core::{TryCryptoRng, TryRng};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Declared here because there is no std to ask for it.
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}

// The core library that comes with the compiler has unwind tables, which name this symbol; with panic = "abort" nobody
// calls it. Unsafe, as every symbol is that a linker sees by its name.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// NOT CRYPTOGRAPHY: a counter (splitmix64). A device has a generator of its own.
pub struct ToyRng(pub u64);

impl TryRng for ToyRng {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(word ^ (word >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        for part in out.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for ToyRng {}
