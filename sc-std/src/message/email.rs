//! E-mail addresses: checked once, never shown, compared only in folded form or as a keyed hash.

use hkdf::Hkdf;
use rand_core::CryptoRng;
use serde::Serialize;
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keyed_hash::keyed_hash;

/// Longest address, in Unicode scalar values, before folding (PROTOCOL 10.10).
const MAX_CHARS: usize = 255;

/// An address of the shape `local@domain`. Debug does not show it; wiped on drop.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Email(String);

/// Text that is not an e-mail address. Does not hold the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address of the shape local@domain with at most 255 characters")]
pub struct EmailError;

impl Email {
    /// Checks an address: 1 to 255 Unicode scalar values, exactly one `@` with something on both sides, no white
    /// space and no control character (PROTOCOL 6, 10.10).
    ///
    /// # Errors
    /// [`EmailError`].
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let forbidden = |c: char| c.is_control() || c.is_whitespace();
        let (local, domain) = text.split_once('@').ok_or(EmailError)?;
        let shaped = !local.is_empty() && !domain.is_empty() && !domain.contains('@');
        if shaped && text.chars().count() <= MAX_CHARS && !text.contains(forbidden) {
            Ok(Self(text.to_owned()))
        } else {
            Err(EmailError)
        }
    }

    /// The address as it was given, for the mail's envelope.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as limits and look-ups compare it: NFC, then lower case (PROTOCOL 10.16).
    #[must_use]
    pub fn folded(&self) -> Zeroizing<String> {
        // Room from the start, NFC at most triples: a string that grows leaves unwiped copies behind.
        let mut composed = Zeroizing::new(String::with_capacity(self.0.len().saturating_mul(3)));
        composed.extend(self.0.nfc());
        Zeroizing::new(composed.to_lowercase())
    }
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(..)")
    }
}

impl Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The key of e-mail hashes: HKDF-SHA-256 of the store key with the info `scv2-email` (PROTOCOL 10.5).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EmailHashKey([u8; 32]);

impl EmailHashKey {
    /// Derives the key from the 32 bytes of the store key.
    #[must_use]
    pub fn derive(store_key: &[u8; 32]) -> Self {
        let mut key = [0; 32];
        let expanded = Hkdf::<Sha256>::new(None, store_key).expand(b"scv2-email", &mut key);
        debug_assert!(expanded.is_ok(), "32 bytes are within HKDF's bounds");
        Self(key)
    }

    /// A random key, for one server without a store key: hashes under it mean nothing to another process.
    #[must_use]
    pub fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        Self::derive(&secret)
    }

    /// The keyed hash of an address: HMAC-SHA-256 of its folded form.
    #[must_use]
    pub fn hash(&self, email: &Email) -> EmailHash {
        EmailHash(keyed_hash(&self.0, &[email.folded().as_bytes()]))
    }
}

impl std::fmt::Debug for EmailHashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmailHashKey(..)")
    }
}

/// A keyed hash of an address: what limits may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EmailHash([u8; 32]);

impl EmailHash {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_local_at_domain() {
        let longest = format!("{}@example.com", "é".repeat(255 - 12));
        for good in ["user@example.com", "a@b", "Ünïcode@exämple.com", "a+b@[192.0.2.1]", &longest] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let longer = format!("{}@example.com", "é".repeat(255 - 11));
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a@b@c",
            "a b@c",
            "a@b\r\n",
            "a\n@b",
            "a@b\u{0}",
            "a@b\u{85}",
            "a\u{a0}@b",
            "a@\u{2028}b",
            &longer,
        ] {
            assert_eq!(Email::parse(bad), Err(EmailError), "{bad:?}");
        }
    }

    #[test]
    fn addresses_that_look_alike_fold_alike_and_hash_alike() {
        let key = EmailHashKey::derive(&[1; 32]);
        let hash = |text: &str| key.hash(&Email::parse(text).unwrap());
        assert_eq!(hash("USER@Example.COM"), hash("user@example.com"));
        assert_eq!(hash("e\u{301}@x"), hash("\u{c9}@x"), "NFC before lower case");
        assert_ne!(hash("a@b"), hash("a@c"));
        assert_ne!(hash("a@b"), EmailHashKey::derive(&[2; 32]).hash(&Email::parse("a@b").unwrap()));
    }

    #[test]
    fn a_hash_stays_the_same_for_ever() {
        // Python: hmac(hkdf(bytes(range(32)), b"scv2-email"), b"user@example.com"), both with SHA-256.
        let key = EmailHashKey::derive(&std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let hash = key.hash(&Email::parse("User@example.com").unwrap());
        let hex: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "1f28b5c3a5c7f4b714ace4b4d875e4876756a53e7f1d1967b51ab640ab8fdcb6");
    }

    #[test]
    fn no_address_shows_in_debug_output() {
        let email = Email::parse("user@example.com").unwrap();
        assert_eq!(format!("{email:?} {:?}", EmailHashKey::derive(&[1; 32])), "Email(..) EmailHashKey(..)");
    }
}
