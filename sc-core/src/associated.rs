//! The associated data of every envelope: one function that both seal and open call (PROTOCOL 3, 8).

use sha2::{Digest, Sha256};

use crate::envelope::{Exchange, MessageType, Profile, exchange_block, length_byte, length_bytes};
use crate::id::{Iv, MessageName, SessionId};
use crate::limits::{HEADER_LEN, IV_LEN, MAX_EXCHANGE_LEN, MAX_MESSAGE_NAME_LEN};

/// Longest associated data, in bytes: that of a type 1 envelope.
const MAX_LEN: usize = HEADER_LEN + MAX_EXCHANGE_LEN + MAX_MESSAGE_NAME_LEN;

const _: () = assert!(HEADER_LEN + 32 + SessionId::LEN + IV_LEN + MAX_MESSAGE_NAME_LEN <= MAX_LEN);

/// The hash that ties a session to the key exchange that made it, `ctx` in PROTOCOL 8:
/// SHA-256(keyIdLen, keyId, reqKeyLen, encryptedReqKey, respKeyLen, encryptedRespKey).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context([u8; 32]);

impl Context {
    /// Hashes the fields of an exchange, in the form in which a type 1 envelope carries them.
    pub(crate) fn of(key_id: &str, request: &[u8], response: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in exchange_block(
            &[length_byte(key_id)],
            key_id.as_bytes(),
            &length_bytes(request),
            request,
            &length_bytes(response),
            response,
        ) {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The context of a type 1 envelope.
    pub(crate) fn of_exchange(exchange: &Exchange<'_>) -> Self {
        Self::of(exchange.key_id(), exchange.encrypted_request_key(), exchange.encrypted_response_key())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// What an envelope stands for besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Binding<'a> {
    /// Nothing is bound: the plain profile.
    Plain,
    /// Type 1: all bytes of the envelope before the IV.
    Exchange { head: &'a [u8], name: MessageName<'a> },
    /// Type 2: a request in a session.
    Request { context: &'a Context, session: &'a SessionId, name: MessageName<'a> },
    /// Type 129: the answer to one request of a session.
    Response { context: &'a Context, session: &'a SessionId, request: Iv, name: MessageName<'a> },
}

/// Room for the longest associated data, on the caller's stack; not initialized before it is used.
pub(crate) struct Buffer(heapless::Vec<u8, MAX_LEN>);

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self(heapless::Vec::new())
    }
}

/// Builds the associated data of one envelope. Everything fits by the assertion above and the types'
/// own limits.
pub(crate) fn associated_data<'b>(buffer: &'b mut Buffer, binding: &Binding<'_>) -> &'b [u8] {
    let out = &mut buffer.0;
    out.clear();
    let mut put = |part: &[u8]| {
        let fitted = out.extend_from_slice(part);
        debug_assert!(fitted.is_ok(), "MAX_LEN is too small");
    };
    match binding {
        Binding::Plain => {}
        Binding::Exchange { head, name } => {
            put(head);
            put(name.as_str().as_bytes());
        }
        Binding::Request { context, session, name } => {
            put(&MessageType::SessionData.header(Profile::Bound));
            put(context.as_bytes());
            put(session.to_text().as_bytes());
            put(name.as_str().as_bytes());
        }
        Binding::Response { context, session, request, name } => {
            put(&MessageType::ResponseData.header(Profile::Bound));
            put(context.as_bytes());
            put(session.to_text().as_bytes());
            put(request.as_bytes());
            put(name.as_str().as_bytes());
        }
    }
    &buffer.0
}
