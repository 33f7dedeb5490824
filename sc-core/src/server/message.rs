//! A type 2 envelope on its way to being opened.

use crate::associated::Binding;
use crate::channel::Opener;
use crate::envelope::{Layout, Profile};
use crate::id::{ClientHash, Iv, MessageName, SessionId, UnixMillis};
use crate::limits::{IV_LEN, TAG_LEN};
use crate::provider::Aead;
use crate::replay::{ClaimVerdict, IvClaim};
use crate::server::opened::{Opened, Responder, Withheld};
use crate::server::{Refusal, SessionRecord};

/// A type 2 envelope. The server must find the record of its session.
#[derive(Debug)]
#[must_use = "a received message is opened or refused"]
pub struct SessionMessage<'b> {
    body: &'b mut [u8],
    layout: Layout,
    id: SessionId,
}

impl<'b> SessionMessage<'b> {
    pub(crate) const fn new(body: &'b mut [u8], layout: Layout, id: SessionId) -> Self {
        Self { body, layout, id }
    }

    /// The session whose record is needed.
    #[must_use]
    pub const fn session_id(&self) -> &SessionId {
        &self.id
    }

    /// Opens the message in place, under the record that the store found (`None`: it found none).
    ///
    /// # Errors
    /// [`Refusal::SessionUnknown`], [`Refusal::SessionExpired`], [`Refusal::OtherClient`], one code for all;
    /// [`Refusal::NotOpened`], and the sealed part of the body is then all zeroes; [`Refusal::Provider`] if the
    /// provider does not take the key.
    ///
    /// # Security
    /// Nothing of the session changes here. The plaintext stays withheld until the IV is claimed.
    pub fn open<'n, A: Aead>(
        self,
        record: Option<&SessionRecord>,
        client: &ClientHash,
        now: UnixMillis,
        name: MessageName<'n>,
    ) -> Result<UnclaimedMessage<'b, 'n, A>, Refusal> {
        let Self { body, layout, id } = self;
        let record = record.ok_or(Refusal::SessionUnknown)?;
        if record.expires_at <= now {
            return Err(Refusal::SessionExpired);
        }
        if !record.belongs_to(client) {
            return Err(Refusal::OtherClient);
        }
        let binding = match record.profile {
            Profile::Plain => Binding::Plain,
            Profile::Bound => Binding::Request { context: &record.context, session: &id, name },
        };
        let opener = Opener::<A>::for_requests(record.keys.request()).map_err(|_| Refusal::Provider)?;
        let (_, payload) = body.split_at_mut_checked(layout.iv_at).ok_or(Refusal::NotOpened)?;
        let (iv, claim) = claim_of(payload).ok_or(Refusal::NotOpened)?;
        let plaintext = opener.open_payload(&binding, payload).map_err(|_| Refusal::NotOpened)?;
        let plaintext = Withheld::new(plaintext);
        let responder = Responder::new(record, id, iv, name);
        Ok(UnclaimedMessage { plaintext, claim, responder })
    }
}

/// A message whose tag verified. The server must claim its IV, in one atomic step.
#[derive(Debug)]
#[must_use = "a verified message is claimed or refused"]
pub struct UnclaimedMessage<'b, 'n, A> {
    plaintext: Withheld<'b>,
    claim: IvClaim,
    responder: Responder<'n, A>,
}

impl<'b, 'n, A: Aead> UnclaimedMessage<'b, 'n, A> {
    /// The session whose set the IV belongs to.
    #[must_use]
    pub const fn session_id(&self) -> &SessionId {
        self.responder.session_id()
    }

    /// What to claim.
    #[must_use]
    pub const fn claim(&self) -> &IvClaim {
        &self.claim
    }

    /// Takes the verdict and releases the plaintext.
    ///
    /// # Errors
    /// [`Refusal::Replayed`]; [`Refusal::IvReused`] or [`Refusal::MessageLimit`], after which the session must be
    /// destroyed. The plaintext is then wiped.
    pub fn settle(self, verdict: ClaimVerdict) -> Result<Opened<'b, 'n, A>, Refusal> {
        match verdict {
            ClaimVerdict::New => {
                Ok(Opened { plaintext: self.plaintext.release(), responder: self.responder })
            }
            ClaimVerdict::Replayed => Err(Refusal::Replayed),
            ClaimVerdict::IvReused => Err(Refusal::IvReused),
            ClaimVerdict::Exhausted => Err(Refusal::MessageLimit),
        }
    }
}

/// The IV of a payload, and its claim.
pub(crate) fn claim_of(payload: &[u8]) -> Option<(Iv, IvClaim)> {
    let iv = Iv(*payload.first_chunk::<IV_LEN>()?);
    let tag = payload.last_chunk::<TAG_LEN>()?;
    Some((iv, IvClaim::new(&iv, tag)))
}
