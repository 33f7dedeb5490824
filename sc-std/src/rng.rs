//! Randomness for services and apps: one generator per thread, seeded by the operating system; and the system's own.

use std::convert::Infallible;

use rand::rngs::SysRng;
use rand_core::{Rng, TryCryptoRng, TryRng};
use sc_core::limits::IV_LEN;

/// The handle of this thread's generator; give it wherever a `CryptoRng` is asked for.
///
/// The generator behind it is `rand`'s `ThreadRng`: ChaCha, seeded from the operating system when a thread first
/// uses it and again after every 64 KiB of output. So a message costs no system call. The handle itself is empty:
/// it may be copied, sent and held across an `await`, each call uses the generator of the thread it runs on.
///
/// # Panics
/// The first use in a thread, and a reseed, panic if the operating system has no randomness to give. There is no
/// safe way to go on then.
///
/// # Security
/// - Forking without exec is unsupported (PROTOCOL 10.12): parent and child would draw the same IVs under the same
///   keys. The same holds for a snapshot of a running process or virtual machine that is started twice.
/// - The state stays in memory unwiped, and so does what it gave last: who reads the memory of the process may draw it
///   again. [`System`] is for what must be gone once it was used.
///
/// # Examples
/// ```
/// use sc_core::secret::SessionKeys;
/// use sc_std::rng::SystemSeeded;
///
/// let keys = SessionKeys::draw(&mut SystemSeeded)?;
/// # Ok::<(), sc_core::error::Error>(())
/// ```
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
        let mut rng = rand::rng();
        // An IV is most of what is drawn: by words it takes two thirds of the time.
        if let Ok(iv) = <&mut [u8; IV_LEN]>::try_from(&mut *out)
            && let Some((first, last)) = iv.split_first_chunk_mut::<8>()
        {
            *first = rng.next_u64().to_le_bytes();
            last.copy_from_slice(&rng.next_u32().to_le_bytes());
        } else {
            rng.fill_bytes(out);
        }
        Ok(())
    }
}

impl TryCryptoRng for SystemSeeded {}

/// The operating system's generator, asked each time: no state in this process, from which a core dump would tell what was
/// drawn. For the few bytes of a token or of a session's keys; a call takes about half a microsecond.
///
/// Should the system refuse, [`SystemSeeded`] takes over.
///
/// # Examples
/// ```
/// use sc_std::reset::ResetToken;
/// use sc_std::rng::System;
///
/// assert_ne!(ResetToken::draw(&mut System).hash(), ResetToken::draw(&mut System).hash());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl TryRng for System {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(SysRng.try_next_u32().unwrap_or_else(|_| SystemSeeded.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(SysRng.try_next_u64().unwrap_or_else(|_| SystemSeeded.next_u64()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        if SysRng.try_fill_bytes(out).is_err() {
            SystemSeeded.fill_bytes(out);
        }
        Ok(())
    }
}

impl TryCryptoRng for System {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand_core::CryptoRng;

    use super::*;

    fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> [u8; 12] {
        let mut out = [0; 12];
        rng.fill_bytes(&mut out);
        out
    }

    #[test]
    fn the_handle_may_move_between_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<SystemSeeded>();
    }

    #[test]
    fn no_two_of_many_draws_are_equal_over_threads_and_reseeds() {
        // 4 threads times 20,000 draws of 12 bytes: each thread reseeds at least 3 times.
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..20_000).map(|_| draw(&mut SystemSeeded)).collect::<Vec<_>>()))
            .collect();
        let mut seen = HashSet::new();
        for thread in threads {
            for drawn in thread.join().unwrap() {
                assert!(seen.insert(drawn), "a draw came twice");
            }
        }
    }

    #[test]
    fn every_byte_of_every_length_is_drawn() {
        for len in 0..=64 {
            let mut seen = vec![0_u8; len];
            for _ in 0..8 {
                let mut out = vec![0; len];
                rand_core::Rng::fill_bytes(&mut SystemSeeded, &mut out);
                seen.iter_mut().zip(out).for_each(|(seen, byte)| *seen |= byte);
            }
            // One byte is zero eight times by chance once in 2^64.
            assert!(seen.iter().all(|&byte| byte != 0), "{len}: {seen:?}");
        }
    }

    #[test]
    fn both_serve_as_trait_objects() {
        let rngs: [&mut dyn CryptoRng; 2] = [&mut SystemSeeded, &mut System];
        for rng in rngs {
            assert_ne!(draw(rng), draw(rng));
            assert_ne!(rng.next_u64(), rng.next_u64());
            assert_ne!([rng.next_u32(), rng.next_u32()], [rng.next_u32(), rng.next_u32()]);
        }
    }
}
