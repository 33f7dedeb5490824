//! Writing the head of a type 1 envelope; all other envelopes have a head of four bytes.

use super::{MessageType, Profile};
use crate::error::{Error, Field, Malformed, Misuse};
use crate::id::check_key_id;
use crate::limits::{HEADER_LEN, MAX_WRAPPED_LEN, MIN_WRAPPED_LEN};

/// Length of the head (header and exchange block) of a type 1 envelope, in bytes.
#[must_use]
pub const fn exchange_head_len(key_id_len: usize, wrapped_len: usize) -> usize {
    // Saturates: these may be any numbers, of fields that no envelope can have.
    let wrapped = wrapped_len.saturating_add(2).saturating_mul(2);
    wrapped.saturating_add(key_id_len).saturating_add(HEADER_LEN + 1)
}

/// Writes the head of a type 1 envelope, which is exactly as long as `out`.
///
/// # Errors
/// - [`Error::Malformed`] if the key id or a wrapped key breaks its rule.
/// - [`Misuse::BufferLength`] if `out` is not [`exchange_head_len`] bytes long.
pub fn encode_exchange_head(
    profile: Profile,
    key_id: &str,
    request: &[u8],
    response: &[u8],
    out: &mut [u8],
) -> Result<(), Error> {
    check_key_id(key_id.as_bytes())?;
    check_wrapped(request, response)?;
    let needed = exchange_head_len(key_id.len(), request.len());
    if out.len() != needed {
        return Err(Misuse::BufferLength { needed, given: out.len() }.into());
    }
    let header = MessageType::KeyExchange.header(profile);
    let mut rest = out;
    for part in core::iter::once(header.as_slice()).chain(exchange_block(
        &[length_byte(key_id)],
        key_id.as_bytes(),
        &length_bytes(request),
        request,
        &length_bytes(response),
        response,
    )) {
        let (place, left) = core::mem::take(&mut rest)
            .split_at_mut_checked(part.len())
            .ok_or(Misuse::BufferLength { needed, given: 0 })?;
        place.copy_from_slice(part);
        rest = left;
    }
    Ok(())
}

/// The rule for the two wrapped keys.
pub(crate) fn check_wrapped(request: &[u8], response: &[u8]) -> Result<(), Malformed> {
    for (field, key) in [(Field::EncryptedReqKey, request), (Field::EncryptedRespKey, response)] {
        if !(MIN_WRAPPED_LEN..=MAX_WRAPPED_LEN).contains(&key.len()) {
            return Err(Malformed::WrappedKeyLength { field, len: key.len() });
        }
    }
    if request.len() != response.len() {
        return Err(Malformed::WrappedKeysDiffer { request: request.len(), response: response.len() });
    }
    Ok(())
}

/// The fields of the exchange block, in the order of the wire.
pub(crate) fn exchange_block<'p>(
    key_id_len: &'p [u8; 1],
    key_id: &'p [u8],
    request_len: &'p [u8; 2],
    request: &'p [u8],
    response_len: &'p [u8; 2],
    response: &'p [u8],
) -> [&'p [u8]; 6] {
    [key_id_len, key_id, request_len, request, response_len, response]
}

/// `keyIdLen` of a checked key id.
pub(crate) fn length_byte(key_id: &str) -> u8 {
    u8::try_from(key_id.len()).unwrap_or(u8::MAX)
}

/// `reqKeyLen` or `respKeyLen` of a checked wrapped key.
pub(crate) fn length_bytes(wrapped: &[u8]) -> [u8; 2] {
    u16::try_from(wrapped.len()).unwrap_or(u16::MAX).to_be_bytes()
}
