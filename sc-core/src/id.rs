//! A newtype for each identifier and each kind of time.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

use crate::error::{Malformed, Misuse};
use crate::limits::{IV_LEN, MAX_CLIENT_HASH_LEN, MAX_KEY_ID_LEN, MAX_MESSAGE_NAME_LEN};

/// Whether every byte is visible ASCII, 0x21 to 0x7E.
fn is_visible_ascii(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// The name of a server's RSA key: 1 to 255 bytes of visible ASCII (PROTOCOL 2).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(heapless::String<MAX_KEY_ID_LEN, u8>);

impl KeyId {
    /// Checks and takes a key id.
    ///
    /// # Errors
    /// [`Malformed`] if it is empty, longer than 255 bytes, or has a byte that is not visible ASCII.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        check_key_id(text.as_bytes())?;
        heapless::String::try_from(text)
            .map(Self)
            .map_err(|_| Malformed::TooLong { len: text.len(), max: MAX_KEY_ID_LEN })
    }

    /// The key id of a public key made by this project: the first 16 bytes of SHA-256 of its SPKI DER, in
    /// lower-case hex, so that servers that share a key agree on its name (PROTOCOL 10.2).
    #[must_use]
    pub fn of_spki(spki_der: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digest = Sha256::digest(spki_der);
        let mut text = heapless::String::new();
        for byte in digest.iter().take(16) {
            for nibble in [byte >> 4, byte & 0x0f] {
                let digit = HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                // 32 characters always fit into 255.
                let _ = text.push(char::from(digit));
            }
        }
        Self(text)
    }

    /// The key id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule for key ids, shared by [`KeyId`] and the envelope parser.
pub(crate) fn check_key_id(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes.is_empty() {
        return Err(Malformed::KeyIdLength);
    }
    if bytes.len() > MAX_KEY_ID_LEN {
        return Err(Malformed::TooLong { len: bytes.len(), max: MAX_KEY_ID_LEN });
    }
    match bytes.iter().position(|byte| !byte.is_ascii_graphic()) {
        Some(offset) => Err(Malformed::KeyIdCharacter { offset }),
        None => Ok(()),
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The name of a session: `sess_` and 32 characters of base64url, which are 192 bits (PROTOCOL 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    raw: [u8; Self::RAW_LEN],
    /// The text form. Kept, since the `bound` profile authenticates it with every message.
    text: [u8; Self::LEN],
}

impl SessionId {
    /// Length of the text form, in bytes.
    pub const LEN: usize = 37;
    /// Length of the raw form, in bytes.
    pub const RAW_LEN: usize = 24;
    const PREFIX: &'static [u8; 5] = b"sess_";

    /// Draws a new id.
    pub fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut raw = [0; Self::RAW_LEN];
        rng.fill_bytes(&mut raw);
        Self::from_raw(raw)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`Misuse::Identifier`] if the text does not have the form of a session id.
    pub fn parse(text: &str) -> Result<Self, Misuse> {
        let text: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| Misuse::Identifier)?;
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(Misuse::Identifier)?;
        let mut raw = [0; Self::RAW_LEN];
        match Base64UrlUnpadded::decode(encoded, &mut raw) {
            Ok(decoded) if decoded.len() == Self::RAW_LEN => Ok(Self { raw, text }),
            _ => Err(Misuse::Identifier),
        }
    }

    /// Takes the raw form, as [`SessionId::to_raw`] gives it.
    #[must_use]
    pub fn from_raw(raw: [u8; Self::RAW_LEN]) -> Self {
        let mut text = [0; Self::LEN];
        let (prefix, encoded) = text.split_at_mut(Self::PREFIX.len());
        prefix.copy_from_slice(Self::PREFIX);
        // 24 bytes always fill 32 characters.
        let filled = Base64UrlUnpadded::encode(&raw, encoded).is_ok();
        debug_assert!(filled, "24 bytes are 32 characters");
        Self { raw, text }
    }

    /// The 24 raw bytes, a compact key for stores.
    #[must_use]
    pub const fn to_raw(self) -> [u8; Self::RAW_LEN] {
        self.raw
    }

    /// The text form, as it stands in `X-SC-Session-Id`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Always ASCII.
        core::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The text form, as bytes.
    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.text
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    /// Shows the first characters only: enough to tell sessions apart, too little to close one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}..)", self.as_str().get(..11).unwrap_or_default())
    }
}

/// An AES-GCM nonce as seen on the wire. Only this crate makes one, at random or from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Iv(pub(crate) [u8; IV_LEN]);

impl Iv {
    /// The 12 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; IV_LEN] {
        &self.0
    }
}

/// SHA-256 of a client's `X-Client-Hash`; a session is bound to the value that created it (PROTOCOL 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientHash(pub(crate) [u8; 32]);

impl ClientHash {
    /// Checks and hashes the value of the header: 1 to 256 bytes of visible ASCII.
    ///
    /// # Errors
    /// [`Misuse::Identifier`] if the value does not have that form.
    pub fn of(value: &[u8]) -> Result<Self, Misuse> {
        if value.is_empty() || value.len() > MAX_CLIENT_HASH_LEN || !is_visible_ascii(value) {
            return Err(Misuse::Identifier);
        }
        Ok(Self(Sha256::digest(value).into()))
    }
}

impl fmt::Debug for ClientHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientHash(..)")
    }
}

/// The registered name of a message, for example `password.forgot` (PROTOCOL 10.15).
///
/// In the `bound` profile it ends the associated data, so that a body cannot be moved to another
/// endpoint. A message without a registered name uses its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageName<'m>(&'m str);

impl<'m> MessageName<'m> {
    /// Checks a name: 1 to 255 bytes of visible ASCII.
    ///
    /// # Errors
    /// [`Misuse::Identifier`] if the name does not have that form.
    pub fn new(name: &'m str) -> Result<Self, Misuse> {
        if name.is_empty() || name.len() > MAX_MESSAGE_NAME_LEN || !is_visible_ascii(name.as_bytes()) {
            return Err(Misuse::Identifier);
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub const fn as_str(&self) -> &'m str {
        self.0
    }
}

/// A moment on the server's clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The moment `millis` later; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// A moment on the client's monotonic clock: milliseconds since any fixed start, for example boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticks(pub u64);

impl Ticks {
    /// Milliseconds from `earlier` to this moment; 0 if the clock went backwards.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_has_one_text_form() -> Result<(), Misuse> {
        let id = SessionId::from_raw([0xfb; 24]);
        let text = id.as_str();
        assert_eq!(text.len(), SessionId::LEN);
        assert_eq!(SessionId::parse(text)?, id);
        for bad in ["", "sess_", "SESS_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &text[..36]] {
            assert_eq!(SessionId::parse(bad), Err(Misuse::Identifier), "{bad}");
        }
        for bad in ["+", "/", "=", " ", "é"] {
            let mut other = heapless::String::<64>::new();
            let _ = other.push_str(&text[..36]);
            let _ = other.push_str(bad);
            assert_eq!(SessionId::parse(&other), Err(Misuse::Identifier), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn a_session_id_is_cut_in_debug_output() {
        let id = SessionId::from_raw([7; 24]);
        let shown = std::format!("{id:?}");
        assert!(!shown.contains(id.as_str()) && shown.len() < 30, "{shown}");
    }

    #[test]
    fn a_key_id_is_visible_ascii_of_1_to_255_bytes() {
        assert_eq!(KeyId::parse(""), Err(Malformed::KeyIdLength));
        assert!(KeyId::parse(&"k".repeat(255)).is_ok());
        assert!(KeyId::parse(&"k".repeat(256)).is_err());
        assert_eq!(KeyId::parse("a b"), Err(Malformed::KeyIdCharacter { offset: 1 }));
        assert!(KeyId::parse("\u{7f}").is_err() && KeyId::parse("é").is_err());
    }

    #[test]
    fn a_client_hash_takes_256_visible_bytes_at_most() {
        assert!(ClientHash::of(&[b'x'; 256]).is_ok());
        for bad in [&b""[..], &[b'x'; 257], b"a b", b"\xff"] {
            assert_eq!(ClientHash::of(bad), Err(Misuse::Identifier));
        }
    }
}
