//! Sealing and opening one direction of a session: IV, counting, associated data, wipe on failure.
//!
//! Works on frames: the whole envelope of type 2 or 129 in one buffer, which has 16 bytes of head room (header
//! and IV) in front of the plaintext and 16 bytes of tail room (the tag) behind it.

use rand_core::CryptoRng;
use zeroize::Zeroize;

use crate::associated::{Binding, Buffer, associated_data};
use crate::envelope::{Layout, MessageType, ParseOptions, Profile};
use crate::error::{Error, Misuse};
use crate::id::Iv;
use crate::limits::{HEADER_LEN, IV_LEN, OVERHEAD, TAG_LEN};
use crate::provider::Aead;
use crate::secret::{RequestKey, ResponseKey};
use crate::sync::{AtomicU32, Ordering};

/// How a sealer makes its IVs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum IvMode {
    /// 96 random bits for each message (NIST SP 800-38D, section 8.2.2). Needs nothing but good randomness.
    #[default]
    Random,
    /// 64 random bits for the sealer, then a 32-bit counter (NIST SP 800-38D, section 8.2.1).
    ///
    /// # Security
    /// For a client only, the one sealer under its request key, and only while key and counter live in the memory
    /// of one process that does not fork and is not cloned (PROTOCOL 3, 10.8).
    Counter,
}

/// Seals the messages of one direction under one key, and counts them.
///
/// Shared by reference: any number of threads may seal at once.
///
/// # Examples
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// use sc_core::channel::{IvMode, Opener, Sealer};
/// use sc_core::rustcrypto::Aes256GcmKey;
/// use sc_core::secret::RequestKey;
/// # let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
///
/// let key = RequestKey::from_bytes([7; 32]);
/// let sealer = Sealer::<Aes256GcmKey>::for_requests(&key, IvMode::Random, &mut rng)?;
/// let mut out = [0; 5 + sc_core::limits::OVERHEAD];
/// sealer.seal_into(&mut rng, b"hello", &mut out)?;
///
/// let opener = Opener::<Aes256GcmKey>::for_requests(&key)?;
/// assert_eq!(opener.open(&mut out)?, b"hello");
/// # }
/// # Ok::<(), sc_core::error::Error>(())
/// ```
pub struct Sealer<A> {
    aead: A,
    kind: MessageType,
    prefix: Option<[u8; 8]>,
    sent: AtomicU32,
    limit: u32,
}

impl<A: Aead> Sealer<A> {
    /// A sealer of requests (type 2).
    ///
    /// `rng` gives the fixed part of the IVs in [`IvMode::Counter`].
    ///
    /// # Errors
    /// [`Misuse::Provider`] if the provider cannot expand the key.
    pub fn for_requests<R: CryptoRng + ?Sized>(
        key: &RequestKey,
        ivs: IvMode,
        rng: &mut R,
    ) -> Result<Self, Error> {
        let prefix = match ivs {
            IvMode::Random => None,
            IvMode::Counter => {
                let mut prefix = [0; 8];
                rng.fill_bytes(&mut prefix);
                Some(prefix)
            }
        };
        Self::new(key.bytes(), MessageType::SessionData, prefix)
    }

    /// A sealer of answers (type 129). Always with random IVs: several servers may share the key.
    ///
    /// # Errors
    /// [`Misuse::Provider`] if the provider cannot expand the key.
    pub fn for_responses(key: &ResponseKey) -> Result<Self, Error> {
        Self::new(key.bytes(), MessageType::ResponseData, None)
    }

    fn new(key: &[u8; 32], kind: MessageType, prefix: Option<[u8; 8]>) -> Result<Self, Error> {
        let aead = A::expand(key).map_err(|_| Misuse::Provider)?;
        Ok(Self { aead, kind, prefix, sent: AtomicU32::new(0), limit: u32::MAX })
    }

    /// Lowers the number of messages after which the sealer refuses.
    #[must_use]
    pub(crate) const fn with_limit(mut self, messages: u32) -> Self {
        self.limit = messages;
        self
    }

    /// Seals `frame` in place: 16 bytes of head room, the plaintext, 16 bytes of tail room.
    ///
    /// # Errors
    /// - [`Misuse::BufferLength`] if the frame is shorter than 32 bytes.
    /// - [`Error::Exhausted`] if the key has sealed 2^32 - 1 messages (NIST SP 800-38D 8.3); the frame is left as it was.
    /// - [`Misuse::Provider`] if the provider fails; the frame is then all zeroes.
    ///
    /// # Security
    /// No associated data, as in the plain profile.
    #[inline]
    pub fn seal_in_place<R: CryptoRng + ?Sized>(&self, rng: &mut R, frame: &mut [u8]) -> Result<Iv, Error> {
        self.seal_frame(rng, &Binding::Plain, None, frame)
    }

    /// Seals `plaintext` into `out`, which is 32 bytes longer.
    ///
    /// # Errors
    /// As [`Sealer::seal_in_place`]; [`Misuse::BufferLength`] for any other length of `out`.
    #[inline]
    pub fn seal_into<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<Iv, Error> {
        self.seal_frame(rng, &Binding::Plain, Some(plaintext), out)
    }

    /// Seals with a given IV, to reproduce test vectors.
    ///
    /// # Errors
    /// As [`Sealer::seal_into`].
    ///
    /// # Security
    /// Two messages under one key and IV give the key of the authentication away. Never outside of tests.
    #[cfg(feature = "danger-fixed-iv")]
    pub fn seal_with_iv(&self, iv: [u8; IV_LEN], plaintext: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.reserve()?;
        self.seal_frame_with(Iv(iv), &Binding::Plain, Some(plaintext), out)
    }

    /// Seals one frame, from `plaintext` or in place.
    #[inline]
    pub(crate) fn seal_frame<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        binding: &Binding<'_>,
        plaintext: Option<&[u8]>,
        frame: &mut [u8],
    ) -> Result<Iv, Error> {
        check_frame(plaintext, frame.len(), OVERHEAD)?;
        let iv = self.next_iv(rng)?;
        self.seal_frame_with(iv, binding, plaintext, frame)?;
        Ok(iv)
    }

    #[inline]
    fn seal_frame_with(
        &self,
        iv: Iv,
        binding: &Binding<'_>,
        plaintext: Option<&[u8]>,
        frame: &mut [u8],
    ) -> Result<(), Error> {
        check_frame(plaintext, frame.len(), OVERHEAD)?;
        let given = frame.len();
        let (header, payload) = frame
            .split_first_chunk_mut::<HEADER_LEN>()
            .ok_or(Misuse::BufferLength { needed: OVERHEAD, given })?;
        *header = self.kind.header(Profile::Plain);
        self.seal_payload(iv, binding, plaintext, payload)
    }

    /// Seals one payload: 12 bytes for the IV, the plaintext, 16 bytes for the tag.
    #[inline]
    pub(crate) fn seal_payload(
        &self,
        iv: Iv,
        binding: &Binding<'_>,
        plaintext: Option<&[u8]>,
        payload: &mut [u8],
    ) -> Result<(), Error> {
        check_frame(plaintext, payload.len(), IV_LEN + TAG_LEN)?;
        let mut buffer = Buffer::new();
        let aad = associated_data(&mut buffer, binding);
        let sealed = split_payload(payload).and_then(|(iv_room, text, tag_room)| {
            *iv_room = iv.0;
            let tag = match plaintext {
                Some(plaintext) => self.aead.seal_into(&iv.0, aad, plaintext, text),
                None => self.aead.seal(&iv.0, aad, text),
            };
            tag.ok().map(|tag| *tag_room = tag)
        });
        sealed.ok_or_else(|| {
            // Half-sealed plaintext must not be sent by mistake.
            payload.zeroize();
            Misuse::Provider.into()
        })
    }

    /// Reserves one message and gives its IV. The reservation is never given back.
    #[inline]
    pub(crate) fn next_iv<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> Result<Iv, Error> {
        let count = self.reserve()?;
        let mut iv = [0; IV_LEN];
        match self.prefix {
            Some(prefix) => {
                let (fixed, counter) = iv.split_at_mut(prefix.len());
                fixed.copy_from_slice(&prefix);
                counter.copy_from_slice(&count.to_be_bytes());
            }
            None => rng.fill_bytes(&mut iv),
        }
        Ok(Iv(iv))
    }

    #[inline]
    fn reserve(&self) -> Result<u32, Error> {
        let next = |count: u32| if count < self.limit { count.checked_add(1) } else { None };
        // Relaxed: only the count itself is shared, and each value is given once.
        self.sent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map_err(|_| Error::Exhausted)
    }

    /// Messages sealed so far.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl<A> core::fmt::Debug for Sealer<A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sealer").field("kind", &self.kind).field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Opens the messages of one direction under one key.
///
/// # Examples
/// See [`Sealer`].
pub struct Opener<A> {
    aead: A,
    kind: MessageType,
}

impl<A: Aead> Opener<A> {
    /// An opener of requests (type 2, and the payload of type 1).
    ///
    /// # Errors
    /// [`Misuse::Provider`] if the provider cannot expand the key.
    pub fn for_requests(key: &RequestKey) -> Result<Self, Error> {
        Self::new(key.bytes(), MessageType::SessionData)
    }

    /// An opener of answers (type 129).
    ///
    /// # Errors
    /// [`Misuse::Provider`] if the provider cannot expand the key.
    pub fn for_responses(key: &ResponseKey) -> Result<Self, Error> {
        Self::new(key.bytes(), MessageType::ResponseData)
    }

    fn new(key: &[u8; 32], kind: MessageType) -> Result<Self, Error> {
        let aead = A::expand(key).map_err(|_| Misuse::Provider)?;
        Ok(Self { aead, kind })
    }

    /// Opens one whole envelope of this direction in place and returns its plaintext, inside `body`.
    ///
    /// # Errors
    /// - [`Error::Malformed`] if `body` is not one envelope; it is then left as it was.
    /// - [`Error::Rejected`] if it is of another type than this direction's, or if the tag does not verify; the sealed
    ///   part of `body` is then all zeroes.
    ///
    /// # Security
    /// No associated data, as in the plain profile.
    #[inline]
    pub fn open<'b>(&self, body: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        // One message may be as long as the caller's buffer; a server or client has its own cap before.
        let options = ParseOptions::default().with_max_plaintext(body.len());
        self.open_frame(&Binding::Plain, &options, body)
    }

    /// Opens one frame.
    #[inline]
    pub(crate) fn open_frame<'b>(
        &self,
        binding: &Binding<'_>,
        options: &ParseOptions,
        body: &'b mut [u8],
    ) -> Result<&'b mut [u8], Error> {
        let layout = Layout::parse(body, options)?;
        let (_, payload) = body.split_at_mut_checked(layout.iv_at).ok_or(Error::Rejected)?;
        if layout.kind != self.kind {
            payload.zeroize();
            return Err(Error::Rejected);
        }
        self.open_payload(binding, payload)
    }

    /// Opens one payload: IV, ciphertext, tag. Wipes it if the tag does not verify.
    #[inline]
    pub(crate) fn open_payload<'b>(
        &self,
        binding: &Binding<'_>,
        payload: &'b mut [u8],
    ) -> Result<&'b mut [u8], Error> {
        let mut buffer = Buffer::new();
        let aad = associated_data(&mut buffer, binding);
        let opened =
            split_payload(payload).is_some_and(|(iv, text, tag)| self.aead.open(iv, aad, text, tag).is_ok());
        if !opened {
            payload.zeroize();
            return Err(Error::Rejected);
        }
        split_payload(payload).map(|(_, text, _)| text).ok_or(Error::Rejected)
    }
}

impl<A> core::fmt::Debug for Opener<A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opener").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The three fields of a sealed payload.
type Payload<'b> = (&'b mut [u8; IV_LEN], &'b mut [u8], &'b mut [u8; TAG_LEN]);

/// IV, text and tag of a payload, or nothing if it is too short.
fn split_payload(payload: &mut [u8]) -> Option<Payload<'_>> {
    let (iv, rest) = payload.split_first_chunk_mut::<IV_LEN>()?;
    let (text, tag) = rest.split_last_chunk_mut::<TAG_LEN>()?;
    Some((iv, text, tag))
}

/// A buffer must be `overhead` longer than the plaintext, or, in place, at least as long as `overhead`.
fn check_frame(plaintext: Option<&[u8]>, given: usize, overhead: usize) -> Result<(), Misuse> {
    let needed = plaintext.map_or(0, <[u8]>::len).saturating_add(overhead);
    let fits = if plaintext.is_some() { given == needed } else { given >= needed };
    if fits { Ok(()) } else { Err(Misuse::BufferLength { needed, given }) }
}

#[cfg(all(test, scv2_loom))]
mod races;
#[cfg(test)]
mod tests;
