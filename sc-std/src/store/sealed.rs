//! What leaves the process for a store: sealed under the store key, which the store never sees (PROTOCOL 10.5).
//!
//! ```text
//! offset  size  field
//! 0       1     form: 1
//! 1       4     id of the store key
//! 5       12    IV
//! 17      n     ciphertext (AES-256-GCM)
//! .       16    tag
//! ```
//!
//! The key of a record is HKDF-SHA-256 of the store key with the info `scv2-store` and the record's id; the associated
//! data is the first five bytes and the record's id, so that no record can stand in another's place.

use std::io;
use std::path::Path;

use hkdf::Hkdf;
use rand_core::Rng;
use sc_core::limits::{IV_LEN, KEY_LEN, TAG_LEN};
use sc_core::provider::Aead;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::message::EmailHashKey;
use crate::provider::DefaultAead;
use crate::rng::SystemSeeded;

/// First byte of what is sealed, so that the form can change one day.
const FORM: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEAD_LEN: usize = 1 + KEY_ID_LEN;
/// Longest key file that is read, in bytes.
const MAX_FILE_LEN: u64 = 4096;

/// Why a text is not a list of store keys. Names the line, never its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreKeysError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is longer than 4,096 bytes.
    #[error("longer than {MAX_FILE_LEN} bytes, this is no file of store keys")]
    TooLong,
    /// There is no key.
    #[error("no key: a store key is 32 bytes, written as 64 hex digits; `openssl rand -hex 32` makes one")]
    Empty,
    /// A line is not a key.
    #[error("line {line} is not a key: 64 hex digits")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// The same key stands there twice.
    #[error("line {line} repeats an earlier key")]
    Repeated {
        /// Number of the second, from 1.
        line: usize,
    },
}

/// One store key.
#[derive(Zeroize, ZeroizeOnDrop)]
struct StoreKey {
    id: [u8; KEY_ID_LEN],
    secret: [u8; KEY_LEN],
}

impl StoreKey {
    fn new(secret: &[u8; KEY_LEN]) -> Self {
        let mut id = [0; KEY_ID_LEN];
        expand(secret, &[b"scv2-store-key-id"], &mut id);
        Self { id, secret: *secret }
    }

    fn aead(&self, record_id: &[u8]) -> Option<DefaultAead> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        expand(&self.secret, &[b"scv2-store", record_id], key.as_mut_slice());
        DefaultAead::expand(&key).ok()
    }
}

/// HKDF-SHA-256 (RFC 5869) without a salt.
fn expand(secret: &[u8; KEY_LEN], info: &[&[u8]], out: &mut [u8]) {
    let expanded = Hkdf::<Sha256>::new(None, secret).expand_multi_info(info, out);
    debug_assert!(expanded.is_ok(), "32 bytes are within HKDF's bounds");
}

/// The key-encryption keys of a store: the first one seals, all of them open.
///
/// To replace a key: add the new one as the last line of every server's file, then make it the first, with a restart of each
/// server after each step. Take the old one away once nothing is left that it sealed: after the lifetime of a session, and
/// after the rotation interval of RSA keys and an hour.
///
/// # Examples
/// ```
/// # #[cfg(feature = "aws-lc-rs")] {
/// use sc_std::store::StoreKeys;
///
/// let keys = StoreKeys::parse("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n")?;
/// let row = keys.seal(b"session:1", b"what no database may read").ok_or("the provider failed")?;
/// assert!(keys.open(b"session:2", &row).is_none(), "it cannot stand in another's place");
/// assert_eq!(keys.open(b"session:1", &row).as_deref().map(Vec::as_slice), Some(&b"what no database may read"[..]));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StoreKeys(Vec<StoreKey>);

impl StoreKeys {
    /// Reads one key a line, 64 hex digits each. Empty lines and those that begin with `#` are skipped.
    ///
    /// # Errors
    /// [`StoreKeysError`]: the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, StoreKeysError> {
        let mut keys: Vec<StoreKey> = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let (text, line) = (text.trim(), index.saturating_add(1));
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let mut secret = Zeroizing::new([0; KEY_LEN]);
            let read = base16ct::mixed::decode(text, secret.as_mut_slice()).map(<[u8]>::len);
            if read != Ok(KEY_LEN) {
                return Err(StoreKeysError::Line { line });
            }
            let key = StoreKey::new(&secret);
            if keys.iter().any(|other| other.id == key.id) {
                return Err(StoreKeysError::Repeated { line });
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(StoreKeysError::Empty) } else { Ok(Self(keys)) }
    }

    /// Reads a file of at most 4,096 bytes.
    ///
    /// # Errors
    /// [`StoreKeysError::Io`] if it cannot be read or is not text, [`StoreKeysError::TooLong`], else as [`StoreKeys::parse`].
    pub fn read(path: &Path) -> Result<Self, StoreKeysError> {
        use io::Read;
        let mut text =
            Zeroizing::new(String::with_capacity(usize::try_from(MAX_FILE_LEN).unwrap_or_default()));
        // What is longer is refused and not cut: a key that is missing would open nothing.
        let mut file = std::fs::File::open(path)?.take(MAX_FILE_LEN);
        file.read_to_string(&mut text)?;
        if file.get_mut().read(&mut [0])? != 0 {
            return Err(StoreKeysError::TooLong);
        }
        Self::parse(&text)
    }

    /// The key of e-mail hashes, of the key that seals (PROTOCOL 10.5).
    #[must_use]
    pub fn email_hash_key(&self) -> EmailHashKey {
        EmailHashKey::derive(self.first().map_or(&[0; KEY_LEN], |key| &key.secret))
    }

    /// Keys for hashes of another kind: of the key that seals, then of the others.
    #[cfg(feature = "redis")]
    pub(super) fn derive(&self, purpose: &[u8]) -> Vec<Zeroizing<[u8; 32]>> {
        let derived = self.0.iter().map(|key| {
            let mut derived = Zeroizing::new([0; 32]);
            expand(&key.secret, &[purpose], derived.as_mut_slice());
            derived
        });
        derived.collect()
    }

    fn first(&self) -> Option<&StoreKey> {
        // There is always one: `parse` sees to it.
        self.0.first()
    }

    /// Seals one record, which opens under the same `record_id` only: name what it is and whose, such as `session:sess_...`.
    ///
    /// `None` if the provider cannot: there is nothing to send then.
    #[must_use]
    pub fn seal(&self, record_id: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
        let key = self.first()?;
        let mut iv = [0; IV_LEN];
        SystemSeeded.fill_bytes(&mut iv);
        let mut sealed = Vec::with_capacity(HEAD_LEN + IV_LEN + plaintext.len().saturating_add(TAG_LEN));
        sealed.push(FORM);
        sealed.extend_from_slice(&key.id);
        let associated = [sealed.as_slice(), record_id].concat();
        sealed.extend_from_slice(&iv);
        sealed.extend_from_slice(plaintext);
        let body = sealed.get_mut(HEAD_LEN + IV_LEN..)?;
        // On failure the buffer may hold plaintext.
        let Ok(tag) = key.aead(record_id)?.seal(&iv, &associated, body) else {
            sealed.zeroize();
            return None;
        };
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }

    /// Opens what [`StoreKeys::seal`] sealed under the same record id; `None` if it does not open, for whatever reason.
    #[must_use]
    pub fn open(&self, record_id: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (head, rest) = sealed.split_first_chunk::<HEAD_LEN>()?;
        let (iv, rest) = rest.split_first_chunk::<IV_LEN>()?;
        let (body, tag) = rest.split_last_chunk::<TAG_LEN>()?;
        let [FORM, id @ ..] = head else { return None };
        let key = self.0.iter().find(|key| key.id == *id)?;
        let mut plaintext = Zeroizing::new(body.to_vec());
        let associated = [head.as_slice(), record_id].concat();
        key.aead(record_id)?.open(iv, &associated, &mut plaintext, tag).ok()?;
        Some(plaintext)
    }
}

impl std::fmt::Debug for StoreKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoreKeys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(firsts: &[u8]) -> StoreKeys {
        let lines: String = firsts.iter().map(|byte| format!("{byte:02x}").repeat(32) + "\n").collect();
        StoreKeys::parse(&lines).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_own_id_only() {
        let keys = keys(&[1]);
        let sealed = keys.seal(b"session:a", b"secret").unwrap();
        assert_eq!(sealed.len(), HEAD_LEN + IV_LEN + 6 + TAG_LEN);
        assert_eq!(**keys.open(b"session:a", &sealed).unwrap(), *b"secret");
        assert!(keys.open(b"session:b", &sealed).is_none());
        assert_ne!(keys.seal(b"session:a", b"secret").unwrap(), sealed, "a fresh IV each time");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let keys = keys(&[1]);
        let sealed = keys.seal(b"a", b"secret").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.open(b"a", &other).is_none(), "{bit}");
        }
        for len in 0..sealed.len() {
            assert!(keys.open(b"a", &sealed[..len]).is_none(), "{len}");
        }
    }

    #[test]
    fn a_key_is_replaced_without_losing_a_record() {
        let old = keys(&[1]);
        let sealed = old.seal(b"a", b"secret").unwrap();
        let both = keys(&[2, 1]);
        assert!(both.open(b"a", &sealed).is_some());
        let newer = both.seal(b"a", b"secret").unwrap();
        assert!(old.open(b"a", &newer).is_none());
        assert!(keys(&[2]).open(b"a", &newer).is_some() && keys(&[2]).open(b"a", &sealed).is_none());
        assert!(keys(&[1, 2]).open(b"a", &newer).is_some(), "before it seals, it opens");
    }

    #[test]
    fn a_record_reads_the_same_for_ever() {
        // Python's cryptography, with the store key bytes([1] * 32) and the IV bytes(range(12)).
        let sealed = "019e8a79a1000102030405060708090a0b0a2d7c897d9646e3f5dba3a2ee4a7723801c16078189";
        let mut bytes = [0; 39];
        base16ct::lower::decode(sealed, &mut bytes).unwrap();
        assert_eq!(**keys(&[1]).open(b"a", &bytes).unwrap(), *b"secret");
    }

    #[test]
    fn only_lists_of_keys_are_read_and_errors_name_the_line() {
        let key = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert!(StoreKeys::parse(&format!("# ours\n\n  {key}  \n")).is_ok());
        let said = |text: &str| StoreKeys::parse(text).unwrap_err().to_string();
        assert!(said("").contains("no key") && said("# x\n").contains("no key"));
        for bad in [&key[1..], &format!("{key}0"), &format!("{key}00"), &key.replace('0', "g")] {
            assert!(said(&format!("\n{bad}")).starts_with("line 2 is not a key"), "{bad}");
        }
        assert!(said(&format!("{key}\n{}", key.to_lowercase())).starts_with("line 2 repeats"));
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        assert_eq!(format!("{:?}", keys(&[1, 2])), "StoreKeys(2)");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn each_store_key_derives_the_same_key_for_a_purpose_for_ever() {
        // Python's hmac: HKDF-SHA-256 of bytes([1] * 32) and of bytes([2] * 32).
        let expected = [
            "328124524ef80c3d55619ba192cbedcd81bc4269de2f795cc0f467124f4e8daf",
            "f65309b30fa361b07c3eb299d1bd04e66efe5f9f357e4487fe5c599074c93aa5",
        ];
        let expected = expected.map(|text| {
            let mut bytes = [0; 32];
            base16ct::lower::decode(text, &mut bytes).unwrap();
            Zeroizing::new(bytes)
        });
        assert_eq!(keys(&[1, 2]).derive(b"purpose"), expected);
        assert_ne!(keys(&[1]).derive(b"another").first(), expected.first());
    }
}
