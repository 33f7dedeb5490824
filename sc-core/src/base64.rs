//! Bytes that travel as Base64 in JSON: standard alphabet, padded (PROTOCOL 3), without an allocator.

use base64ct::{Base64, Decoder, Encoding, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quiet::text;

/// Bytes per chunk of streamed decoding: any number is right, this one stays on the stack.
const CHUNK: usize = 96;

/// Up to `N` bytes, or the mark that there were more.
///
/// Valid Base64 of too many bytes is not an error of the JSON: whoever knows the right length refuses it, so
/// that checks keep the order of PROTOCOL 10.16 (an unknown key id before a wrong length).
#[derive(Clone, PartialEq, Eq)]
pub struct Base64Bytes<const N: usize>(Option<heapless::Vec<u8, N>>);

impl<const N: usize> Base64Bytes<N> {
    /// Takes bytes; more than `N` give a value that holds none.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(heapless::Vec::from_slice(bytes).ok())
    }

    /// The bytes; empty if there were more than `N`.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Decodes text; `None` if it is not canonical, padded Base64 of the standard alphabet.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let mut buffer = [0; N];
        match Base64::decode(text, &mut buffer) {
            Ok(bytes) => Some(Self::new(bytes)),
            Err(Error::InvalidLength) if is_base64(text) => Some(Self(None)),
            Err(_) => None,
        }
    }
}

/// Whether text of any length is Base64, in constant space.
fn is_base64(text: &str) -> bool {
    let Ok(mut decoder) = Decoder::<Base64>::new(text.as_bytes()) else { return false };
    let mut chunk = [0; CHUNK];
    while !decoder.is_finished() {
        let part = chunk.get_mut(..decoder.remaining_len().min(CHUNK)).unwrap_or_default();
        if part.is_empty() || decoder.decode(part).is_err() {
            return false;
        }
    }
    true
}

impl<const N: usize> core::fmt::Debug for Base64Bytes<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Base64Bytes({} bytes)", self.as_slice().len())
    }
}

impl<const N: usize> Serialize for Base64Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The longest field of the protocol, an SPKI, needs 856 characters.
        let mut text = [0; 1024];
        let text = Base64::encode(self.as_slice(), &mut text)
            .map_err(|_| serde::ser::Error::custom("too long for Base64 here"))?;
        serializer.serialize_str(text)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Base64Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, Self::decode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_padded_standard_base64_is_read() {
        assert_eq!(Base64Bytes::<4>::decode("+/8="), Some(Base64Bytes::new(&[0xfb, 0xff])));
        assert_eq!(Base64Bytes::<4>::decode(""), Some(Base64Bytes::new(&[])));
        for bad in ["+/8", "-_8=", "+/9=", "+/8=\n", " +/8=", "+/8==", "====", "é", "A", "AA==AA=="] {
            assert_eq!(Base64Bytes::<4>::decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn too_many_bytes_are_told_from_bad_base64() {
        let long = "A".repeat(4000);
        assert_eq!(Base64Bytes::<4>::decode(&long), Some(Base64Bytes(None)));
        assert_eq!(Base64Bytes::<4>::decode(&std::format!("{long}!")), None);
        assert_eq!(Base64Bytes::<4>::decode(&std::format!("{long}!AAA")), None);
        assert_eq!(Base64Bytes::<4>::decode(&std::format!("AAAA!AAA{long}")), None, "in front");
        assert_eq!(Base64Bytes::<4>::decode(&std::format!("{long}AA=A{long}")), None, "in the middle");
        assert_eq!(Base64Bytes::<4>::decode("AAAAAAA="), Some(Base64Bytes(None)));
        assert_eq!(Base64Bytes::<4>::decode("AAAAAAB="), None, "trailing bits");
    }
}
