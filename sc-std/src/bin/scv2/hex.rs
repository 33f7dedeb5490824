//! Hexadecimal text, both ways. Errors never repeat the text: it may be a key.

use std::fmt::Write;

use zeroize::Zeroizing;

use crate::exit::Failure;

/// Reads exactly `N` bytes.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let mut value = 0;
        for digit in pair {
            let digit = char::from(*digit).to_digit(16)?;
            value = value * 16 + u8::try_from(digit).ok()?;
        }
        *byte = value;
    }
    Some(bytes)
}

/// Reads a session key, with white space around it.
pub(crate) fn key(text: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
    decode(text.trim())
        .map(Zeroizing::new)
        .ok_or_else(|| Failure::Usage("the key must be 32 bytes: 64 hex digits".to_owned()))
}

/// Writes bytes in lower case.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back_and_nothing_else_is_hex() {
        assert_eq!(decode::<3>(&encode(&[0, 0x7f, 0xff])), Some([0, 0x7f, 0xff]));
        assert_eq!(decode::<2>("AbCd"), Some([0xab, 0xcd]));
        for bad in ["", "abc", "abcde", "abcg", "+1+2", "é0"] {
            assert_eq!(decode::<2>(bad), None, "{bad}");
        }
        assert!(key(&format!(" {}\n", "0a".repeat(32))).is_ok());
        assert!(key(&"0a".repeat(31)).is_err());
    }
}
