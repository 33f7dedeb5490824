//! EME-OAEP around one 32-byte key, for providers whose RSA is a bare modular exponentiation (RFC 8017, section 7.1).
//!
//! Accelerators and secure elements often know `m^e mod n` and no padding; so does the RustCrypto provider's strict
//! decoding, since `rsa` 0.10 ignores the first byte of the block, which the RFC wants to be zero and other
//! implementations refuse, and says by an early return whether the padding was right. A key of fixed length needs
//! neither: every field has one place, so all checks become one hidden verdict.
//!
//! SHA-256 is the hash and in MGF1, the label is empty (PROTOCOL 3).

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits::KEY_LEN;
use crate::provider::ProviderError;
use crate::secret::UnwrappedKey;

/// Length of SHA-256's output, in bytes.
const HASH_LEN: usize = 32;
/// The zero byte, seed, hash of the label, the 1 and the key: what OAEP needs at least, in bytes.
const SHORTEST_BLOCK: usize = 1 + HASH_LEN + HASH_LEN + 1 + KEY_LEN;

/// Encodes a key into `block`, which is as long as the modulus: 256 bytes for RSA-2048. What is left to do is the public
/// operation on it, as a big-endian number: it is below the modulus, since its first byte is zero.
///
/// # Errors
/// [`ProviderError`] if the block is shorter than the 98 bytes that OAEP needs around a key; it is then untouched.
///
/// # Security
/// Whoever sees the block has the key: wipe it unless the public operation takes its place.
///
/// # Examples
/// ```
/// # use rand_core::CryptoRng;
/// # use sc_core::provider::ProviderError;
/// /// Wraps a key for RSA-2048 with a device that raises numbers to the public exponent.
/// fn wrap(rng: &mut impl CryptoRng, key: &[u8; 32], device: impl Fn(&mut [u8; 256])) -> Result<[u8; 256], ProviderError> {
///     let mut block = [0; 256];
///     sc_core::oaep::encode_key(rng, key, &mut block)?;
///     device(&mut block);
///     Ok(block)
/// }
/// ```
pub fn encode_key<R: CryptoRng + ?Sized>(
    rng: &mut R,
    key: &[u8; KEY_LEN],
    block: &mut [u8],
) -> Result<(), ProviderError> {
    if block.len() < SHORTEST_BLOCK {
        return Err(ProviderError);
    }
    let (first, masked) = block.split_first_mut().ok_or(ProviderError)?;
    let (seed, data) = masked.split_first_chunk_mut::<HASH_LEN>().ok_or(ProviderError)?;
    *first = 0;
    rng.fill_bytes(seed);
    let (rest, place) = data.split_last_chunk_mut().ok_or(ProviderError)?;
    *place = *key;
    let (label_hash, rest) = rest.split_first_chunk_mut::<HASH_LEN>().ok_or(ProviderError)?;
    *label_hash = Sha256::digest(b"").into();
    let (one, zeroes) = rest.split_last_mut().ok_or(ProviderError)?;
    *one = 1;
    zeroes.fill(0);
    xor_mask(data, seed);
    xor_mask(seed, data);
    Ok(())
}

/// Decodes a block, which is overwritten: one zero byte, the masked seed, and the masked `lHash, zeroes, 1, key`. It is
/// what the private operation gives, as long as the modulus.
///
/// # Security
/// Whether it was right stays inside the result. Only the length of the block decides how long this takes.
pub fn decode_key(block: &mut [u8]) -> UnwrappedKey {
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
    use rand_core::Rng;

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
    fn what_was_encoded_is_decoded_whatever_the_length_of_the_block() {
        for len in [SHORTEST_BLOCK, SHORTEST_BLOCK + 1, 256, 384, 512] {
            let mut block = [0xee; 512];
            let block = &mut block[..len];
            encode_key(&mut SeededRng::new(9), &[0xaa; 32], block).unwrap();
            assert!(block[0] == 0 && !block.windows(8).any(|run| run == [0xaa; 8]), "{len}");
            let same = UnwrappedKey::from_result(Some(&[0xaa; 32]));
            let keys = CandidateKeys::combine(&mut SeededRng::new(1), decode_key(block), same).into_keys();
            assert!(keys.is_err(), "two equal keys are refused, so it was this key");
        }
    }

    #[test]
    fn an_encoded_block_is_the_one_that_was_put_together_by_hand() {
        let mut seed = [0; HASH_LEN];
        SeededRng::new(3).fill_bytes(&mut seed);
        let mut data = good_data();
        xor_mask(&mut data, &seed);
        xor_mask(&mut seed, &data);
        let mut block = [1; 256];
        encode_key(&mut SeededRng::new(3), &[0xaa; 32], &mut block).unwrap();
        assert_eq!((block[0], &block[1..33], &block[33..]), (0, seed.as_slice(), data.as_slice()));
    }

    #[test]
    fn no_block_is_begun_that_has_no_room() {
        for len in 0..SHORTEST_BLOCK {
            let mut block = [0xee; SHORTEST_BLOCK];
            let refused = encode_key(&mut SeededRng::new(9), &[0xaa; 32], &mut block[..len]);
            assert!(refused.is_err() && block == [0xee; SHORTEST_BLOCK], "{len}");
        }
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
        for len in 0..SHORTEST_BLOCK {
            let other = UnwrappedKey::from_result(Some(&[7; 32]));
            let decoded = decode_key(&mut [0; SHORTEST_BLOCK][..len]);
            assert!(CandidateKeys::combine(&mut SeededRng::new(1), decoded, other).into_keys().is_err());
        }
    }
}
