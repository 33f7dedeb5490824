//! What a request becomes once it has opened: its plaintext, and the right to seal one answer.

use core::marker::PhantomData;

use rand_core::CryptoRng;
use zeroize::Zeroize;

use crate::associated::{Binding, Context};
use crate::channel::Sealer;
use crate::envelope::Profile;
use crate::error::Error;
use crate::id::{Iv, MessageName, SessionId};
use crate::limits::OVERHEAD;
use crate::provider::Aead;
use crate::secret::ResponseKey;
use crate::server::SessionRecord;

/// Plaintext that nobody may read yet; wiped unless it is released.
pub(crate) struct Withheld<'b>(Option<&'b mut [u8]>);

impl<'b> Withheld<'b> {
    pub(crate) const fn new(plaintext: &'b mut [u8]) -> Self {
        Self(Some(plaintext))
    }

    pub(crate) fn release(mut self) -> &'b mut [u8] {
        self.0.take().unwrap_or_default()
    }
}

impl core::fmt::Debug for Withheld<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Withheld(..)")
    }
}

impl Drop for Withheld<'_> {
    fn drop(&mut self) {
        if let Some(plaintext) = self.0.as_mut() {
            plaintext.zeroize();
        }
    }
}

/// A request that has opened: the tag verified and the IV was claimed.
#[must_use = "an opened request is owed an answer"]
pub struct Opened<'b, 'n, A> {
    /// The plaintext, inside the body that was received.
    pub plaintext: &'b mut [u8],
    /// Seals the answer.
    pub responder: Responder<'n, A>,
}

impl<A> core::fmt::Debug for Opened<'_, '_, A> {
    /// Shows how long the plaintext is, and not a byte of it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Opened({} bytes, {:?})", self.plaintext.len(), self.responder)
    }
}

/// The right to seal one answer, error or not. Not Clone: one request, one answer.
///
/// Small: the key is expanded when the answer is sealed, so a responder costs little to move, and nothing if the message is
/// refused after all.
#[must_use = "once a request has opened, its answer is sealed, error or not"]
pub struct Responder<'n, A> {
    key: ResponseKey,
    profile: Profile,
    context: Context,
    session: SessionId,
    request: Iv,
    name: MessageName<'n>,
    aead: PhantomData<fn() -> A>,
}

impl<'n, A: Aead> Responder<'n, A> {
    pub(crate) const fn new(
        record: &SessionRecord,
        session: SessionId,
        request: Iv,
        name: MessageName<'n>,
    ) -> Self {
        let key = ResponseKey::from_bytes(*record.keys.response().bytes());
        let (profile, context) = (record.profile, record.context);
        Self { key, profile, context, session, request, name, aead: PhantomData }
    }

    /// The session that the answer belongs to.
    #[must_use]
    pub const fn session_id(&self) -> &SessionId {
        &self.session
    }

    /// Length of the envelope for a plaintext, in bytes.
    #[must_use]
    pub const fn sealed_len(plaintext_len: usize) -> usize {
        plaintext_len.saturating_add(OVERHEAD)
    }

    /// Seals the answer (type 129) into `out`, which is 32 bytes longer than `plaintext`.
    ///
    /// # Errors
    /// [`Misuse`](crate::error::Misuse) of the buffer's length; of a provider that cannot expand the key or seal, and no
    /// plaintext is in `out` then.
    pub fn seal_into<R: CryptoRng + ?Sized>(
        self,
        rng: &mut R,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        self.seal(rng, Some(plaintext), out)
    }

    /// Seals the answer in place: `frame` has 16 bytes of head room, the plaintext, 16 bytes of tail room.
    ///
    /// # Errors
    /// As [`Responder::seal_into`].
    pub fn seal_in_place<R: CryptoRng + ?Sized>(self, rng: &mut R, frame: &mut [u8]) -> Result<(), Error> {
        self.seal(rng, None, frame)
    }

    fn seal<R: CryptoRng + ?Sized>(
        self,
        rng: &mut R,
        plaintext: Option<&[u8]>,
        frame: &mut [u8],
    ) -> Result<(), Error> {
        let Self { key, profile, context, session, request, name, .. } = &self;
        let binding = match profile {
            Profile::Plain => Binding::Plain,
            Profile::Bound => Binding::Response { context, session, request: *request, name: *name },
        };
        let sealer = Sealer::<A>::for_responses(key).inspect_err(|_| frame.zeroize())?;
        sealer.seal_frame(rng, &binding, plaintext, frame).map(drop)
    }
}

impl<A> core::fmt::Debug for Responder<'_, A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Responder")
            .field("session", &self.session)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Failing, SeededRng};

    #[test]
    fn a_provider_that_cannot_expand_or_seal_leaves_no_plaintext_in_the_frame() {
        for key in [[0; 32], [7; 32]] {
            let responder = Responder::<Failing> {
                key: ResponseKey::from_bytes(key),
                profile: Profile::Plain,
                context: Context::from_bytes([0; 32]),
                session: SessionId::from_raw([1; 24]),
                request: Iv([0; 12]),
                name: MessageName::new("name").unwrap(),
                aead: PhantomData,
            };
            let mut frame = [b'p'; 64];
            assert!(responder.seal_in_place(&mut SeededRng::new(1), &mut frame).is_err());
            assert!(frame[4..].iter().all(|byte| *byte == 0), "{frame:?}");
        }
    }

    #[test]
    fn withheld_plaintext_is_wiped_unless_it_is_released() {
        let mut text = *b"password";
        drop(Withheld::new(&mut text));
        assert_eq!(text, [0; 8]);
        let mut text = *b"password";
        assert_eq!(Withheld::new(&mut text).release(), b"password");
        assert_eq!(&text, b"password");
    }

    #[test]
    fn withheld_plaintext_is_wiped_when_its_owner_panics() {
        let mut text = *b"password";
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _withheld = Withheld::new(&mut text);
            std::panic::resume_unwind(std::boxed::Box::new(()));
        }));
        assert!(caught.is_err());
        assert_eq!(text, [0; 8]);
    }
}
