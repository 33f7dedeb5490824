//! Taking one 32-byte key out of an EME-OAEP block without a branch (RFC 8017, section 7.1.2, step 3).
//!
//! `rsa` 0.10 ignores the first byte of the block, which the RFC wants to be zero and other implementations refuse. Its
//! decoder also says by an early return whether the padding was right. A key of fixed length needs neither: every
//! field has one place, so all checks become one hidden verdict.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits::KEY_LEN;
use crate::secret::UnwrappedKey;

/// Length of SHA-256's output, in bytes.
const HASH_LEN: usize = 32;

/// Decodes a block, which is overwritten: one zero byte, the masked seed, and the masked `lHash, zeroes, 1, key`.
///
/// Whether it was right stays inside the result. Only the length of the block decides how long this takes.
pub(crate) fn decode_key(block: &mut [u8]) -> UnwrappedKey {
    let Some(fields) = Fields::unmask(block) else { return UnwrappedKey::from_result(None) };
    let empty_label: [u8; HASH_LEN] = Sha256::digest(b"").into();
    let mut valid = fields.first.ct_eq(&0) & fields.label_hash.ct_eq(&empty_label) & fields.one.ct_eq(&1);
    for zero in fields.zeroes {
        valid &= zero.ct_eq(&0);
    }
    UnwrappedKey::from_parts(*fields.key, valid)
}

/// The fields of a block around a 32-byte key.
struct Fields<'b> {
    first: u8,
    label_hash: &'b [u8; HASH_LEN],
    zeroes: &'b [u8],
    one: u8,
    key: &'b [u8; KEY_LEN],
}

impl<'b> Fields<'b> {
    /// Removes both masks; nothing if the block is too short, which none of an RSA key of 2048 bits is.
    fn unmask(block: &'b mut [u8]) -> Option<Self> {
        let (first, masked) = block.split_first_mut()?;
        let (seed, data) = masked.split_first_chunk_mut::<HASH_LEN>()?;
        xor_mask(seed, data);
        xor_mask(data, seed);
        let (label_hash, rest) = data.split_first_chunk()?;
        let (rest, key) = rest.split_last_chunk()?;
        let (one, zeroes) = rest.split_last()?;
        Some(Self { first: *first, label_hash, zeroes, one: *one, key })
    }
}

/// `out ^= MGF1(seed)`, with SHA-256 (RFC 8017, appendix B.2.1).
fn xor_mask(out: &mut [u8], seed: &[u8]) {
    for (counter, part) in (0_u32..).zip(out.chunks_mut(HASH_LEN)) {
        let hash = Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes());
        let mask: Zeroizing<[u8; HASH_LEN]> = Zeroizing::new(hash.finalize().into());
        for (byte, mask) in part.iter_mut().zip(mask.iter()) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::CandidateKeys;
    use crate::testing::SeededRng;

    /// A block of 256 bytes around `data`, which is everything behind the masks.
    fn block(first: u8, data: &[u8; 223]) -> [u8; 256] {
        let (mut seed, mut data) = ([0x5e; HASH_LEN], *data);
        xor_mask(&mut data, &seed);
        xor_mask(&mut seed, &data);
        let mut block = [first; 256];
        block[1..33].copy_from_slice(&seed);
        block[33..].copy_from_slice(&data);
        block
    }

    fn good_data() -> [u8; 223] {
        let mut data = [0; 223];
        data[..32].copy_from_slice(&Sha256::digest(b""));
        data[190] = 1;
        data[191..].fill(0xaa);
        data
    }

    /// Whether a block is taken, as far as anybody can see.
    fn is_taken(mut block: [u8; 256]) -> bool {
        let other = UnwrappedKey::from_result(Some(&[7; 32]));
        CandidateKeys::combine(&mut SeededRng::new(1), decode_key(&mut block), other).into_keys().is_ok()
    }

    #[test]
    fn the_key_comes_out_of_a_good_block() {
        assert!(is_taken(block(0, &good_data())));
        let same = UnwrappedKey::from_result(Some(&[0xaa; 32]));
        let decoded = decode_key(&mut block(0, &good_data()));
        let keys = CandidateKeys::combine(&mut SeededRng::new(1), decoded, same).into_keys();
        assert!(keys.is_err(), "two equal keys are refused, so it was this key");
    }

    #[test]
    fn every_wrong_byte_in_front_of_the_key_is_refused() {
        for first in 1..=255 {
            assert!(!is_taken(block(first, &good_data())), "first byte {first}");
        }
        for at in 0..191 {
            for bit in 0..8 {
                let mut data = good_data();
                data[at] ^= 1 << bit;
                assert!(!is_taken(block(0, &data)), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for one in [189, 191] {
            let mut data = good_data();
            data[190] = 0;
            data[one] = 1;
            assert!(!is_taken(block(0, &data)), "the 1 at {one}");
        }
    }

    #[test]
    fn a_block_without_room_is_refused() {
        for len in 0..98 {
            let other = UnwrappedKey::from_result(Some(&[7; 32]));
            let decoded = decode_key(&mut [0; 98][..len]);
            assert!(CandidateKeys::combine(&mut SeededRng::new(1), decoded, other).into_keys().is_err());
        }
    }
}
