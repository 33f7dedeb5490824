//! What a body is to the channel: an envelope, in either form, JSON, or none of its business.

use std::borrow::Cow;

use sc_core::envelope::{Envelope, MessageType, ParseOptions, Profile};
use sc_core::error::Malformed;
use serde::de::IgnoredAny;

use super::capture::text_payload;
use super::exchange::{Body, Message};

/// A body, looked at.
#[derive(Debug)]
pub(super) enum Content<'m> {
    Empty,
    /// It is not in the recording.
    Lost(&'static str),
    /// An envelope; `is_text` if it came in the text form (PROTOCOL 7).
    Envelope {
        bytes: Cow<'m, [u8]>,
        is_text: bool,
    },
    /// It has the magic bytes and breaks the form.
    Malformed(Malformed),
    Json(&'m str),
    Other {
        len: usize,
        kind: &'m str,
    },
}

impl<'m> Content<'m> {
    /// Looks at the body of a message that travels in one direction.
    pub(super) fn of(message: &'m Message, direction: MessageType) -> Self {
        let bytes = match &message.body {
            Body::Lost(why) | Body::LostEnvelope(why) => return Self::Lost(why),
            Body::Bytes(bytes) => bytes.as_slice(),
        };
        if bytes.is_empty() {
            return Self::Empty;
        }
        if bytes.starts_with(b"SC") {
            return match Envelope::parse(bytes, &ParseOptions::default()) {
                Ok(_) => Self::Envelope { bytes: Cow::Borrowed(bytes), is_text: false },
                Err(reason) => Self::Malformed(reason),
            };
        }
        if let Some(payload) = text_payload(bytes) {
            let bytes = [direction.header(Profile::Plain).as_slice(), &payload].concat();
            return Self::Envelope { bytes: Cow::Owned(bytes), is_text: true };
        }
        match json(bytes) {
            Some(text) => Self::Json(text),
            None => Self::Other { len: bytes.len(), kind: message.kind() },
        }
    }
}

/// Bytes that are JSON.
pub(super) fn json(bytes: &[u8]) -> Option<&str> {
    serde_json::from_slice::<IgnoredAny>(bytes).ok()?;
    std::str::from_utf8(bytes).ok()
}
