//! The key exchange: wrapping two keys, unwrapping both, one verdict (PROTOCOL 3, 4).

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

use crate::associated::Context;
use crate::envelope::{Exchange, check_wrapped};
use crate::error::{Error, Malformed, Misuse};
use crate::limits::MAX_WRAPPED_LEN;
use crate::provider::{KeyUnwrap, KeyWrap};
use crate::secret::{CandidateKeys, SessionKeys};

/// SHA-256 of one wrapped key: what the ledger keeps (PROTOCOL 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WrappedKeyHash(pub(crate) [u8; 32]);

impl WrappedKeyHash {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Takes 32 bytes that a ledger stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The two wrapped keys of one set-up: 256 to 512 bytes each, of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrappedKeys<'a> {
    request: &'a [u8],
    response: &'a [u8],
}

impl<'a> WrappedKeys<'a> {
    /// Pairs two wrapped keys.
    ///
    /// # Errors
    /// [`Malformed`] if a length is outside 256 to 512 bytes, or if the two differ.
    pub fn new(request: &'a [u8], response: &'a [u8]) -> Result<Self, Malformed> {
        check_wrapped(request, response)?;
        Ok(Self { request, response })
    }

    pub(crate) const fn of_exchange(exchange: &Exchange<'a>) -> Self {
        Self { request: exchange.encrypted_request_key(), response: exchange.encrypted_response_key() }
    }

    /// The wrapped request key.
    #[must_use]
    pub const fn request(&self) -> &'a [u8] {
        self.request
    }

    /// The wrapped response key.
    #[must_use]
    pub const fn response(&self) -> &'a [u8] {
        self.response
    }

    /// The ledger's hashes: that of the request key, which decides races, then that of the response key.
    #[must_use]
    pub fn hashes(&self) -> [WrappedKeyHash; 2] {
        [self.request, self.response].map(|key| WrappedKeyHash(Sha256::digest(key).into()))
    }

    pub(crate) fn context(&self, key_id: &str) -> Context {
        Context::of(key_id, self.request, self.response)
    }
}

/// Two wrapped keys in buffers of their own, for the client.
pub(crate) struct WrappedBuffer {
    bytes: [[u8; MAX_WRAPPED_LEN]; 2],
    len: usize,
}

impl WrappedBuffer {
    pub(crate) fn keys(&self) -> WrappedKeys<'_> {
        let [request, response] = &self.bytes;
        WrappedKeys {
            request: request.get(..self.len).unwrap_or_default(),
            response: response.get(..self.len).unwrap_or_default(),
        }
    }
}

/// Wraps both keys of a session, each with fresh randomness.
pub(crate) fn wrap_keys<W: KeyWrap, R: CryptoRng + ?Sized>(
    key: &W,
    rng: &mut R,
    keys: &SessionKeys,
) -> Result<WrappedBuffer, Error> {
    let len = key.modulus_bits().div_ceil(8);
    let mut wrapped = WrappedBuffer { bytes: [[0; MAX_WRAPPED_LEN]; 2], len };
    let [request, response] = &mut wrapped.bytes;
    for (out, secret) in [(request, keys.request().bytes()), (response, keys.response().bytes())] {
        let out = out.get_mut(..len).ok_or(Misuse::Provider)?;
        key.wrap(rng, secret, out).map_err(|_| Misuse::Provider)?;
    }
    Ok(wrapped)
}

/// Unwraps both keys, always both, and joins the results without a branch on either.
///
/// This is the private operation that the server machine asks for; call it where blocking for a millisecond is
/// fine. A KMS that answers asynchronously uses [`CandidateKeys::combine`] on its two results instead.
///
/// # Examples
/// See [`Server`](crate::server::Server).
pub fn unwrap_keys<U: KeyUnwrap + ?Sized, R: CryptoRng + ?Sized>(
    key: &U,
    rng: &mut R,
    wrapped: WrappedKeys<'_>,
) -> CandidateKeys {
    let request = key.unwrap_key(rng, wrapped.request);
    let response = key.unwrap_key(rng, wrapped.response);
    CandidateKeys::combine(rng, request, response)
}
