//! The text envelope, for carriers that cannot take binary bodies (PROTOCOL 7).
//!
//! `{"v":2,"p":"<Base64 of IV, ciphertext and tag>"}` stands for a type 2 or type 129 envelope; the direction
//! decides which. Exactly the members `v` and `p`, in any order.

use base64ct::{Base64, Encoding};
use serde::{Deserializer, de};

use crate::envelope::{Layout, MessageType, ParseOptions, Profile};
use crate::error::{Error, Malformed, Misuse};
use crate::limits::{HEADER_LEN, MIN_SEALED_LEN};
use crate::quiet::{Quiet, object, text};

const PREFIX: &[u8] = br#"{"v":2,"p":""#;
const SUFFIX: &[u8] = br#""}"#;

/// Length of the text envelope for a binary envelope of type 2 or 129, in bytes.
#[must_use]
pub const fn encoded_len(envelope_len: usize) -> usize {
    let payload = envelope_len.saturating_sub(HEADER_LEN);
    payload.div_ceil(3).saturating_mul(4).saturating_add(PREFIX.len() + SUFFIX.len())
}

/// Room for the binary envelope of a text of `len` bytes: no such envelope is longer, in bytes.
#[must_use]
pub const fn max_decoded_len(len: usize) -> usize {
    (len / 4).saturating_mul(3).saturating_add(HEADER_LEN)
}

/// Writes the text form of a binary envelope of type 2 or 129 and returns it, inside `out`.
///
/// # Errors
/// - [`Error::Malformed`] if `envelope` is not one envelope, or if it is of type 1, which has no text form.
/// - [`Misuse::BufferLength`] if `out` is shorter than [`encoded_len`].
pub fn encode<'o>(envelope: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Error> {
    let layout = Layout::parse(envelope, &ParseOptions::default().with_max_plaintext(envelope.len()))?;
    if layout.kind == MessageType::KeyExchange {
        return Err(Malformed::Type(layout.kind.to_byte()).into());
    }
    let (needed, given) = (encoded_len(envelope.len()), out.len());
    let short = Misuse::BufferLength { needed, given };
    let out = out.get_mut(..needed).ok_or(short)?;
    let (prefix, rest) = out.split_at_mut_checked(PREFIX.len()).ok_or(short)?;
    let (body, suffix) = rest.split_at_mut_checked(rest.len().saturating_sub(SUFFIX.len())).ok_or(short)?;
    prefix.copy_from_slice(PREFIX);
    suffix.copy_from_slice(SUFFIX);
    Base64::encode(envelope.get(HEADER_LEN..).unwrap_or_default(), body).map_err(|_| short)?;
    Ok(out)
}

/// Reads a text envelope through any serde format, straight into the caller's buffer as a binary envelope.
///
/// # Examples
/// ```
/// use sc_core::envelope::MessageType;
/// use sc_core::text::TextEnvelope;
///
/// let text = br#"{"v":2,"p":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}"#;
/// let mut out = [0; 64];
/// let mut json = serde_json::Deserializer::from_slice(text);
/// let envelope = TextEnvelope::new(MessageType::SessionData, &mut out).read(&mut json)?;
/// json.end()?;
/// assert_eq!(envelope.len(), 32);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub struct TextEnvelope<'o> {
    kind: MessageType,
    out: &'o mut [u8],
}

impl<'o> TextEnvelope<'o> {
    /// Reads into `out`, as an envelope of type `kind`: 2 at a server, 129 at a client. There is no text form of
    /// type 1: reading as one fails.
    #[must_use]
    pub const fn new(kind: MessageType, out: &'o mut [u8]) -> Self {
        Self { kind, out }
    }

    /// Reads the object and returns the binary envelope, inside the buffer. The caller checks that nothing
    /// follows the object.
    ///
    /// # Errors
    /// The format's own error, without a byte of the payload, if the object breaks its form, if the payload is
    /// not Base64 of at least 28 bytes, or if it does not fit into the buffer.
    pub fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<&'o mut [u8], D::Error> {
        object(deserializer, Members(self))
    }

    /// Decodes `p` behind the header and gives the length of the envelope.
    fn decode(out: &mut [u8], kind: MessageType, text: &str) -> Option<usize> {
        if kind == MessageType::KeyExchange {
            return None;
        }
        let (header, payload) = out.split_first_chunk_mut::<HEADER_LEN>()?;
        *header = kind.header(Profile::Plain);
        let payload = Base64::decode(text, payload).ok()?;
        (payload.len() >= MIN_SEALED_LEN).then(|| payload.len().saturating_add(HEADER_LEN))
    }
}

impl core::fmt::Debug for TextEnvelope<'_> {
    /// Shows how long the buffer is, not what is in it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TextEnvelope({:?}, {} bytes)", self.kind, self.out.len())
    }
}

struct Members<'o>(TextEnvelope<'o>);

impl<'de, 'o> de::Visitor<'de> for Members<'o> {
    type Value = &'o mut [u8];

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a text envelope")
    }

    fn visit_map<M: de::MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let TextEnvelope { kind, out } = self.0;
        let malformed = || de::Error::custom(Malformed::Text);
        let (mut version, mut length) = (None::<u8>, None::<usize>);
        while let Some(name) = members.next_key_seed(Seed(Member::parse))? {
            match name {
                Member::Version if version.is_none() => version = Some(members.next_value::<Quiet<u8>>()?.0),
                Member::Payload if length.is_none() => {
                    let decode = |text: &str| TextEnvelope::decode(out, kind, text);
                    length = Some(members.next_value_seed(Seed(decode))?);
                }
                Member::Version | Member::Payload => return Err(malformed()),
            }
        }
        match (version, length) {
            (Some(2), Some(length)) => out.get_mut(..length).ok_or_else(malformed),
            _ => Err(malformed()),
        }
    }
}

/// The two members.
enum Member {
    Version,
    Payload,
}

impl Member {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "v" => Some(Self::Version),
            "p" => Some(Self::Payload),
            _ => None,
        }
    }
}

/// Reads one string through a function.
struct Seed<F>(F);

impl<'de, T, F: FnMut(&str) -> Option<T>> de::DeserializeSeed<'de> for Seed<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        text(deserializer, self.0)
    }
}
