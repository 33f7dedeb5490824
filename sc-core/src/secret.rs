//! Keys: zeroized on drop, redacted in Debug, compared in constant time, readable in this crate only.

use core::fmt;

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{Error, Misuse};
use crate::limits::KEY_LEN;

macro_rules! direction_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// # Security
        /// Not Clone, not PartialEq, not Serialize; Debug shows no byte; wiped on drop.
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; KEY_LEN]);

        impl $name {
            /// Takes the 32 bytes of a key that some other party drew, for tools and stores.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
                Self(bytes)
            }

            pub(crate) const fn bytes(&self) -> &[u8; KEY_LEN] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

direction_key! {
    /// The AES-256 key that seals what the client sends (types 1 and 2).
    RequestKey
}
direction_key! {
    /// The AES-256 key that seals what the server sends (type 129).
    ResponseKey
}

/// The two keys of one session, proved to differ (PROTOCOL 3: equal keys would allow reflection).
#[derive(Debug)]
pub struct SessionKeys {
    request: RequestKey,
    response: ResponseKey,
}

impl SessionKeys {
    /// Pairs two keys.
    ///
    /// # Errors
    /// [`Error::Rejected`] if they are equal, compared in constant time.
    pub fn new(request: RequestKey, response: ResponseKey) -> Result<Self, Error> {
        if bool::from(request.0.ct_eq(&response.0)) {
            return Err(Error::Rejected);
        }
        Ok(Self { request, response })
    }

    /// Draws two independent keys.
    ///
    /// # Errors
    /// [`Misuse::Randomness`] if `rng` gives the same 32 bytes twice.
    pub fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        let mut request = RequestKey([0; KEY_LEN]);
        let mut response = ResponseKey([0; KEY_LEN]);
        rng.fill_bytes(&mut request.0);
        rng.fill_bytes(&mut response.0);
        Self::new(request, response).map_err(|_| Misuse::Randomness.into())
    }

    pub(crate) const fn request(&self) -> &RequestKey {
        &self.request
    }

    pub(crate) const fn response(&self) -> &ResponseKey {
        &self.response
    }
}

/// What came out of one private RSA operation: 32 bytes, and, kept inside, whether they are valid.
///
/// There is no way to ask: two of these become a [`CandidateKeys`], which is judged once.
pub struct UnwrappedKey {
    bytes: [u8; KEY_LEN],
    valid: Choice,
}

impl UnwrappedKey {
    /// Takes the result of a decryption: `None` for any failure.
    ///
    /// A plaintext of another length than 32 counts as a failure like any other.
    #[must_use]
    pub fn from_result(plaintext: Option<&[u8]>) -> Self {
        let bytes = plaintext.and_then(|plaintext| <[u8; KEY_LEN]>::try_from(plaintext).ok());
        Self { valid: Choice::from(u8::from(bytes.is_some())), bytes: bytes.unwrap_or_default() }
    }

    /// Takes bytes and whether they count, without a branch.
    pub(crate) const fn from_parts(bytes: [u8; KEY_LEN], valid: Choice) -> Self {
        Self { bytes, valid }
    }

    /// What nothing but a fuzz target may ask.
    #[cfg(fuzzing)]
    pub(crate) fn unhidden(&self) -> Option<[u8; KEY_LEN]> {
        bool::from(self.valid).then_some(self.bytes)
    }
}

impl fmt::Debug for UnwrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnwrappedKey(..)")
    }
}

impl Drop for UnwrappedKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Two unwrapped keys and one hidden verdict over both.
///
/// If either did not unwrap, or both are equal, the keys are random ones that nobody knows: an envelope
/// goes through the same steps, does not open, and fails like one with a bad tag (implicit rejection, as
/// TLS does for RSA key exchange in RFC 5246, section 7.4.7.1).
pub struct CandidateKeys {
    request: RequestKey,
    response: ResponseKey,
    valid: Choice,
}

impl CandidateKeys {
    /// Joins the two results without a branch on either.
    #[must_use]
    pub fn combine<R: CryptoRng + ?Sized>(
        rng: &mut R,
        request: UnwrappedKey,
        response: UnwrappedKey,
    ) -> Self {
        let mut stand_ins = [0; 2 * KEY_LEN];
        rng.fill_bytes(&mut stand_ins);
        let differ = !request.bytes.ct_eq(&response.bytes);
        let valid = request.valid & response.valid & differ;
        let mut keys = Self { request: RequestKey([0; KEY_LEN]), response: ResponseKey([0; KEY_LEN]), valid };
        let (request_stand_in, response_stand_in) = stand_ins.split_at(KEY_LEN);
        select(valid, request_stand_in, &request.bytes, &mut keys.request.0);
        select(valid, response_stand_in, &response.bytes, &mut keys.response.0);
        stand_ins.zeroize();
        keys
    }

    /// The request key, real or a stand-in.
    pub(crate) const fn request(&self) -> &RequestKey {
        &self.request
    }

    /// Gives the keys if they are real.
    ///
    /// # Errors
    /// [`Error::Rejected`], one value for every cause.
    pub fn into_keys(self) -> Result<SessionKeys, Error> {
        if bool::from(self.valid) {
            Ok(SessionKeys { request: self.request, response: self.response })
        } else {
            Err(Error::Rejected)
        }
    }
}

impl fmt::Debug for CandidateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CandidateKeys(..)")
    }
}

/// `out = if valid { yes } else { no }`, in constant time.
fn select(valid: Choice, no: &[u8], yes: &[u8; KEY_LEN], out: &mut [u8; KEY_LEN]) {
    for ((out, no), yes) in out.iter_mut().zip(no).zip(yes) {
        *out = u8::conditional_select(no, yes, valid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRng;

    #[test]
    fn no_key_shows_in_debug_output() {
        let keys = SessionKeys::draw(&mut SeededRng::new(1)).map(|keys| std::format!("{keys:?}"));
        assert_eq!(keys.as_deref(), Ok("SessionKeys { request: RequestKey(..), response: ResponseKey(..) }"));
        let unwrapped = UnwrappedKey::from_result(Some(&[9; 32]));
        assert_eq!(std::format!("{unwrapped:?}"), "UnwrappedKey(..)");
    }

    #[test]
    fn equal_keys_are_refused() {
        let pair = SessionKeys::new(RequestKey::from_bytes([5; 32]), ResponseKey::from_bytes([5; 32]));
        assert_eq!(pair.err(), Some(Error::Rejected));
    }

    #[test]
    fn a_random_source_that_repeats_is_noticed() {
        let drawn = SessionKeys::draw(&mut SeededRng::stuck());
        assert_eq!(drawn.err(), Some(Error::Misuse(Misuse::Randomness)));
    }

    #[test]
    fn every_bad_pair_gives_random_keys_and_one_error() {
        let good = |byte| UnwrappedKey::from_result(Some(&[byte; 32]));
        let cases: [(UnwrappedKey, UnwrappedKey); 6] = [
            (UnwrappedKey::from_result(None), good(2)),
            (good(1), UnwrappedKey::from_result(None)),
            (UnwrappedKey::from_result(None), UnwrappedKey::from_result(None)),
            (UnwrappedKey::from_result(Some(&[1; 31])), good(2)),
            (good(1), UnwrappedKey::from_result(Some(&[2; 33]))),
            (good(3), good(3)),
        ];
        for (request, response) in cases {
            let candidate = CandidateKeys::combine(&mut SeededRng::new(7), request, response);
            for known in [[0; 32], [1; 32], [2; 32], [3; 32]] {
                assert_ne!(candidate.request().bytes(), &known, "an attacker could know the stand-in");
            }
            assert_eq!(candidate.into_keys().err(), Some(Error::Rejected));
        }
        let candidate = CandidateKeys::combine(&mut SeededRng::new(7), good(1), good(2));
        assert_eq!(candidate.request().bytes(), &[1; 32]);
        assert!(candidate.into_keys().is_ok());
    }
}
