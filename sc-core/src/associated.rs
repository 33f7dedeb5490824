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
            put(session.as_bytes());
            put(name.as_str().as_bytes());
        }
        Binding::Response { context, session, request, name } => {
            put(&MessageType::ResponseData.header(Profile::Bound));
            put(context.as_bytes());
            put(session.as_bytes());
            put(request.as_bytes());
            put(name.as_str().as_bytes());
        }
    }
    &buffer.0
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::*;
    use crate::envelope::{Envelope, ParseOptions, encode_exchange_head, exchange_head_len};

    const CONTEXT: Context = Context([0xcc; 32]);
    const SESSION: &str = "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn built(binding: &Binding<'_>) -> Vec<u8> {
        associated_data(&mut Buffer::new(), binding).to_vec()
    }

    fn name(text: &str) -> MessageName<'_> {
        MessageName::new(text).unwrap()
    }

    #[test]
    fn plain_authenticates_nothing_more() {
        assert_eq!(built(&Binding::Plain), b"");
    }

    #[test]
    fn a_first_request_authenticates_all_bytes_before_its_iv_and_its_name() {
        let head = b"SC\x82\x01 and whatever follows";
        let binding = Binding::Exchange { head, name: name("password.forgot") };
        assert_eq!(built(&binding), b"SC\x82\x01 and whatever followspassword.forgot");
    }

    #[test]
    fn a_request_authenticates_header_ctx_session_and_name() {
        let session = SessionId::parse(SESSION).unwrap();
        let binding = Binding::Request { context: &CONTEXT, session: &session, name: name("n") };
        assert_eq!(
            built(&binding),
            [b"SC\x02\x02".as_slice(), &[0xcc; 32], SESSION.as_bytes(), b"n"].concat()
        );
    }

    #[test]
    fn an_answer_authenticates_header_ctx_session_the_requests_iv_and_name() {
        let session = SessionId::parse(SESSION).unwrap();
        let request = Iv([0x1e; 12]);
        let binding = Binding::Response { context: &CONTEXT, session: &session, request, name: name("n") };
        let expected = [b"SC\x02\x81".as_slice(), &[0xcc; 32], SESSION.as_bytes(), &[0x1e; 12], b"n"];
        assert_eq!(built(&binding), expected.concat());
    }

    #[test]
    fn the_longest_of_each_kind_fits() {
        let long = "n".repeat(255);
        let (session, head) = (SessionId::parse(SESSION).unwrap(), [7; HEADER_LEN + MAX_EXCHANGE_LEN]);
        let exchange = Binding::Exchange { head: &head, name: name(&long) };
        assert_eq!(built(&exchange).len(), head.len() + 255);
        let response = Binding::Response {
            context: &CONTEXT,
            session: &session,
            request: Iv([0; 12]),
            name: name(&long),
        };
        assert_eq!(built(&response).len(), 4 + 32 + 37 + 12 + 255);
    }

    #[test]
    fn ctx_is_the_hash_of_the_exchange_as_a_type_1_envelope_carries_it() {
        let (key_id, request, response) = (String::from("k").repeat(255), [1; 300], [2; 300]);
        let mut body = std::vec![0; exchange_head_len(255, 300)];
        encode_exchange_head(Profile::Bound, &key_id, &request, &response, &mut body).unwrap();
        let expected: [u8; 32] = Sha256::digest(&body[HEADER_LEN..]).into();
        assert_eq!(Context::of(&key_id, &request, &response).as_bytes(), &expected);
        body.extend([0; 28]);
        let Ok(Envelope::KeyExchange(exchange, _)) = Envelope::parse(&body, &ParseOptions::default()) else {
            panic!("not type 1")
        };
        assert_eq!(Context::of_exchange(&exchange).as_bytes(), &expected);
    }
}
