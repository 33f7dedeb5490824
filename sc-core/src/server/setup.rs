//! Both ways of setting up a session, from wrapped keys to a record (PROTOCOL 4.1, 4.2).

use crate::associated::{Binding, Context};
use crate::channel::Opener;
use crate::document::{SessionAnswer, SessionRequest};
use crate::envelope::{Layout, Profile};
use crate::error::Field;
use crate::exchange::{WrappedKeyHash, WrappedKeys};
use crate::id::{ClientHash, Iv, KeyId, MessageName, SessionId, UnixMillis};
use crate::provider::Aead;
use crate::replay::{IvClaim, LedgerVerdict};
use crate::secret::{CandidateKeys, SessionKeys};
use crate::server::message::claim_of;
use crate::server::opened::{Opened, Responder, Withheld};
use crate::server::{Refusal, SessionRecord, SetupWay};

/// A session to be created: what the server decides about it.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// The id, drawn by [`SessionId::draw`].
    pub id: SessionId,
    /// The absolute end.
    pub expires_at: UnixMillis,
}

/// A session that the store must create, if the id is absent.
#[derive(Debug)]
#[must_use = "the session exists only once the store has created it"]
pub struct NewSession {
    /// The id.
    pub id: SessionId,
    /// The record.
    pub record: SessionRecord,
    /// The session's first claim: the IV of the type 1 envelope that made it.
    pub first_claim: Option<IvClaim>,
}

impl NewSession {
    /// The answer of the session endpoint. `idle_timeout` is in seconds.
    #[must_use]
    pub fn answer(&self, idle_timeout: Option<u32>) -> SessionAnswer {
        SessionAnswer::new(self.id, self.record.expires_at.0, idle_timeout, self.record.profile)
    }
}

/// A wrapped key must be exactly as long as the modulus.
fn check_lengths(wrapped: &WrappedKeys<'_>, modulus_bits: usize, way: SetupWay) -> Result<(), Refusal> {
    let len = modulus_bits.div_ceil(8);
    for (field, key) in
        [(Field::EncryptedReqKey, wrapped.request()), (Field::EncryptedRespKey, wrapped.response())]
    {
        if key.len() != len {
            return Err(Refusal::WrappedLength(way, field));
        }
    }
    Ok(())
}

/// A request to the session endpoint. The server must find the RSA key.
#[derive(Debug)]
#[must_use = "a set-up is accepted or refused"]
pub struct EndpointSetup<'r> {
    request: &'r SessionRequest,
    key_id: &'r KeyId,
    profile: Profile,
}

impl<'r> EndpointSetup<'r> {
    pub(crate) const fn new(request: &'r SessionRequest, key_id: &'r KeyId, profile: Profile) -> Self {
        Self { request, key_id, profile }
    }

    /// The RSA key that is needed. Unknown or expired: [`Refusal::KeyUnknown`].
    #[must_use]
    pub const fn key_id(&self) -> &'r KeyId {
        self.key_id
    }

    /// The keys to unwrap, once the RSA key was found.
    ///
    /// # Errors
    /// [`Refusal::WrappedLength`] if one is not as long as the modulus.
    pub fn wrapped(&self, modulus_bits: usize) -> Result<WrappedKeys<'r>, Refusal> {
        let (request, response) = (self.request.enc_req_key.as_slice(), self.request.enc_resp_key.as_slice());
        let len = modulus_bits.div_ceil(8);
        let field = if request.len() == len { Field::EncryptedRespKey } else { Field::EncryptedReqKey };
        let refused = Refusal::WrappedLength(SetupWay::Endpoint, field);
        let wrapped = WrappedKeys::new(request, response).map_err(|_| refused)?;
        check_lengths(&wrapped, modulus_bits, SetupWay::Endpoint)?;
        Ok(wrapped)
    }

    /// Takes the unwrapped keys of `wrapped` and judges them, once.
    ///
    /// # Errors
    /// [`Refusal::Exchange`] if one did not unwrap or both are equal; [`Refusal::Provider`] if `wrapped` is not of this
    /// request, which is a mistake on our side: the ledger would record other keys than those in use.
    pub fn accept(
        self,
        wrapped: WrappedKeys<'_>,
        keys: CandidateKeys,
        client: ClientHash,
    ) -> Result<UnclaimedKeys, Refusal> {
        let own = [self.request.enc_req_key.as_slice(), self.request.enc_resp_key.as_slice()];
        if own != [wrapped.request(), wrapped.response()] {
            return Err(Refusal::Provider);
        }
        let keys = keys.into_keys().map_err(|_| Refusal::Exchange(SetupWay::Endpoint))?;
        Ok(UnclaimedKeys {
            hashes: wrapped.hashes(),
            keys,
            profile: self.profile,
            context: wrapped.context(self.key_id.as_str()),
            client,
            key_id: self.key_id.clone(),
            way: SetupWay::Endpoint,
        })
    }
}

/// Session keys that unwrapped. The server must claim both wrapped keys in the ledger.
#[derive(Debug)]
#[must_use = "verified keys are claimed or refused"]
pub struct UnclaimedKeys {
    hashes: [WrappedKeyHash; 2],
    keys: SessionKeys,
    profile: Profile,
    context: Context,
    client: ClientHash,
    key_id: KeyId,
    way: SetupWay,
}

impl UnclaimedKeys {
    /// The RSA key whose ledger is asked.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// What to claim, the request key's hash first.
    #[must_use]
    pub const fn hashes(&self) -> &[WrappedKeyHash; 2] {
        &self.hashes
    }

    /// Takes the verdict and gives the session to create.
    ///
    /// # Errors
    /// [`Refusal::ExchangeRepeated`], [`Refusal::LedgerFull`].
    pub fn settle(self, verdict: LedgerVerdict, grant: Grant) -> Result<NewSession, Refusal> {
        match verdict {
            LedgerVerdict::Repeated => return Err(Refusal::ExchangeRepeated(self.way)),
            LedgerVerdict::Full => return Err(Refusal::LedgerFull),
            LedgerVerdict::New => {}
        }
        let Self { keys, profile, context, client, key_id, .. } = self;
        let record = SessionRecord { keys, profile, context, client, key_id, expires_at: grant.expires_at };
        Ok(NewSession { id: grant.id, record, first_claim: None })
    }
}

/// A type 1 envelope. The server must find the RSA key.
#[derive(Debug)]
#[must_use = "a set-up is opened or refused"]
pub struct InlineSetup<'b> {
    body: &'b mut [u8],
    layout: Layout,
}

impl<'b> InlineSetup<'b> {
    pub(crate) const fn new(body: &'b mut [u8], layout: Layout) -> Self {
        Self { body, layout }
    }

    /// The RSA key that is needed. Unknown or expired: [`Refusal::KeyUnknown`].
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.layout.exchange(self.body).key_id()
    }

    /// The keys to unwrap, once the RSA key was found.
    ///
    /// # Errors
    /// [`Refusal::WrappedLength`] if one is not as long as the modulus.
    pub fn wrapped(&self, modulus_bits: usize) -> Result<WrappedKeys<'_>, Refusal> {
        let wrapped = WrappedKeys::of_exchange(&self.layout.exchange(self.body));
        check_lengths(&wrapped, modulus_bits, SetupWay::Inline)?;
        Ok(wrapped)
    }

    /// Opens the payload in place under the unwrapped keys and judges both at once.
    ///
    /// # Errors
    /// [`Refusal::Exchange`] if a key did not unwrap, both are equal, or the tag does not verify: one cause, after
    /// the same steps. The sealed part of the body is then all zeroes. [`Refusal::Provider`] if the provider does not take the
    /// key.
    pub fn open<'n, A: Aead>(
        self,
        keys: CandidateKeys,
        client: ClientHash,
        name: MessageName<'n>,
    ) -> Result<UnclaimedFirst<'b, 'n, A>, Refusal> {
        let refused = Refusal::Exchange(SetupWay::Inline);
        let Self { body, layout } = self;
        let (head, payload) = body.split_at_mut_checked(layout.iv_at).ok_or(refused)?;
        let exchange = layout.exchange(head);
        let binding = match layout.profile {
            Profile::Plain => Binding::Plain,
            Profile::Bound => Binding::Exchange { head, name },
        };
        let (iv, claim) = claim_of(payload).ok_or(refused)?;
        let opener = Opener::<A>::for_requests(keys.request()).map_err(|_| Refusal::Provider)?;
        // Opened before the keys are judged: without real ones this fails like a bad tag, after the same work.
        let plaintext = Withheld::new(opener.open_payload(&binding, payload).map_err(|_| refused)?);
        let keys = keys.into_keys().map_err(|_| refused)?;
        let unclaimed = UnclaimedKeys {
            hashes: WrappedKeys::of_exchange(&exchange).hashes(),
            keys,
            profile: layout.profile,
            context: Context::of_exchange(&exchange),
            client,
            key_id: KeyId::parse(exchange.key_id()).map_err(Refusal::Malformed)?,
            way: SetupWay::Inline,
        };
        Ok(UnclaimedFirst { keys: unclaimed, plaintext, iv, claim, name, aead: core::marker::PhantomData })
    }
}

/// A first request whose tag verified. The server must claim both wrapped keys in the ledger.
#[derive(Debug)]
#[must_use = "a verified request is claimed or refused"]
pub struct UnclaimedFirst<'b, 'n, A> {
    keys: UnclaimedKeys,
    plaintext: Withheld<'b>,
    iv: Iv,
    claim: IvClaim,
    name: MessageName<'n>,
    aead: core::marker::PhantomData<fn() -> A>,
}

impl<'b, 'n, A: Aead> UnclaimedFirst<'b, 'n, A> {
    /// The RSA key whose ledger is asked.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        self.keys.key_id()
    }

    /// What to claim, the request key's hash first.
    #[must_use]
    pub const fn hashes(&self) -> &[WrappedKeyHash; 2] {
        self.keys.hashes()
    }

    /// Takes the verdict; gives the session to create and the opened request.
    ///
    /// The plaintext counts only once the store has created the session: if it refuses, drop it.
    ///
    /// # Errors
    /// As [`UnclaimedKeys::settle`]; the plaintext is then wiped.
    pub fn settle(
        self,
        verdict: LedgerVerdict,
        grant: Grant,
    ) -> Result<(NewSession, Opened<'b, 'n, A>), Refusal> {
        let Self { keys, plaintext, iv, claim, name, .. } = self;
        let mut session = keys.settle(verdict, grant)?;
        session.first_claim = Some(claim);
        let responder = Responder::new(&session.record, session.id, iv, name);
        Ok((session, Opened { plaintext: plaintext.release(), responder }))
    }
}
