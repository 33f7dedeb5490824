//! From a sealed body to a plaintext and a responder: asks keys, store and admission what the machine asks for.

use std::future::Future;
use std::net::IpAddr;

use bytes::Bytes;
use http::HeaderMap;
use sc_core::envelope::MessageType;
use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{ClientHash, MessageName, SessionId, UnixMillis};
use sc_core::limits::TAIL_ROOM;
use sc_core::provider::Aead;
use sc_core::replay::LedgerVerdict;
use sc_core::server::{
    Grant, InlineSetup, NewSession, Received, Refusal, RequestHead, Responder, SessionMessage, SetupWay,
};
use sc_core::text::{self, TextEnvelope};

use crate::buffer::Buffer;
use crate::keys::ring::{PublicKeyInfo, RingKey};
use crate::names::{SESSION_ID, VERSION};
use crate::rng::SystemSeeded;
use crate::server::ScServer;
use crate::server::headers::{single, text as header_text};
use crate::server::meter::StoreCall;
use crate::server::reject::Reject;
use crate::stack::Wiped;
use crate::store::{Store, StoreError};

/// A request that has opened.
pub(crate) struct OpenedRequest<'n, A> {
    /// The plaintext; wiped when the last clone is dropped.
    pub(crate) plaintext: Bytes,
    pub(crate) responder: Responder<'n, A>,
    /// The session that this request created, if it did.
    pub(crate) created: Option<Created>,
    /// Whether it came as text, and so is answered as text.
    pub(crate) as_text: bool,
}

/// What the answer says of a new session (PROTOCOL 4.2).
pub(crate) struct Created {
    pub(crate) expires_at: UnixMillis,
}

impl<S: Store, A: Aead + Send + Sync + 'static> ScServer<S, A> {
    /// Opens a protected request. Once this succeeds, the answer is sealed, error or not.
    #[allow(clippy::manual_async_fn, reason = "it would keep room for its arguments twice")]
    pub(crate) fn open<'n>(
        &self,
        headers: &HeaderMap,
        mut body: Buffer,
        client: ClientHash,
        address: IpAddr,
        name: MessageName<'n>,
    ) -> impl Future<Output = Result<OpenedRequest<'n, A>, Reject>> + Send {
        async move {
            let session_id = header_text(single(headers, &SESSION_ID)?);
            let version = header_text(single(headers, &VERSION)?);
            let as_text = self.inner.text_envelope && body.trim_ascii_start().first() == Some(&b'{');
            if as_text && version.is_none_or(|version| version == "2") {
                body = from_text(&body)?;
            }
            let length = body.len();
            let (plaintext_len, responder, created) =
                match self.inner.rules.receive(&RequestHead { session_id, version }, &mut body)? {
                    Received::Message(message) => {
                        let (len, responder) = self.open_message(message, &client, name).await?;
                        (len, responder, None)
                    }
                    Received::Setup(setup) => {
                        // Boxed too, since it is rare and large: an ordinary message would carry room for it.
                        let first = Wiped::new(self.open_first(setup, client, address, name));
                        let (len, responder, created) = first.await?;
                        (len, responder, Some(created))
                    }
                };
            let end = length.saturating_sub(TAIL_ROOM);
            let plaintext = body.into_bytes().slice(end.saturating_sub(plaintext_len)..end);
            Ok(OpenedRequest { plaintext, responder, created, as_text })
        }
    }

    fn open_message<'n>(
        &self,
        message: SessionMessage<'_>,
        client: &ClientHash,
        name: MessageName<'n>,
    ) -> impl Future<Output = Result<(usize, Responder<'n, A>), Reject>> + Send {
        let id = *message.session_id();
        async move {
            let store = &self.inner.store;
            // The keys are gone again before the store is waited for once more.
            let unclaimed = {
                let record = self.ask_store(StoreCall::Find, || store.find(&id, self.now())).await?;
                message.open::<A>(record.as_ref(), client, self.now(), name)?
            };
            let claim = || store.claim(&id, unclaimed.claim(), self.now());
            let verdict = self.ask_store(StoreCall::Claim, claim).await?;
            let refusal = match unclaimed.settle(verdict.ok_or(Refusal::SessionUnknown)?) {
                Ok(opened) => return Ok((opened.plaintext.len(), opened.responder)),
                Err(refusal) => refusal,
            };
            if refusal.ends_session() {
                tracing::warn!(session = ?id, cause = %refusal, "session ended");
                match Box::pin(self.end(&id)).await {
                    Ok(()) => self.inner.meter.closed_at_limit.one(),
                    Err(error) => tracing::error!(session = ?id, %error, "the session could not be ended"),
                }
            }
            Err(refusal.into())
        }
    }

    async fn open_first<'n>(
        &self,
        setup: InlineSetup<'_>,
        client: ClientHash,
        address: IpAddr,
        name: MessageName<'n>,
    ) -> Result<(usize, Responder<'n, A>, Created), Reject> {
        let key = self.find_key(setup.key_id())?;
        self.spend_set_up(address).await?;
        let wrapped = setup.wrapped(key.info().bits)?;
        if self.knows_wrapped(key.info(), &wrapped.hashes()).await? {
            return Err(Refusal::ExchangeRepeated(SetupWay::Inline).into());
        }
        let keys = self.unwrap(&key, wrapped.request(), wrapped.response()).await?;
        let unclaimed = setup.open::<A>(keys, client, name)?;
        let verdict = self.claim_wrapped(key.info(), unclaimed.hashes()).await?;
        let (session, opened) = unclaimed.settle(verdict, self.grant())?;
        let created = Created { expires_at: session.record.expires_at() };
        let (len, responder) = (opened.plaintext.len(), opened.responder);
        self.create(session, key.info().key_id.as_str()).await?;
        self.inner.meter.created_inline.one();
        Ok((len, responder, created))
    }

    /// Whether either wrapped key was accepted before.
    pub(crate) async fn knows_wrapped(
        &self,
        key: &PublicKeyInfo,
        hashes: &[WrappedKeyHash; 2],
    ) -> Result<bool, StoreError> {
        let look = || self.inner.store.knows_wrapped(&key.key_id, hashes);
        self.ask_store(StoreCall::KnowsWrapped, look).await
    }

    /// Claims both wrapped keys in the ledger of their RSA key.
    pub(crate) async fn claim_wrapped(
        &self,
        key: &PublicKeyInfo,
        hashes: &[WrappedKeyHash; 2],
    ) -> Result<LedgerVerdict, StoreError> {
        let claim = || self.inner.store.claim_wrapped(&key.key_id, hashes, key.expires_at);
        self.ask_store(StoreCall::ClaimWrapped, claim).await
    }

    /// Ends a session.
    pub(crate) async fn end(&self, id: &SessionId) -> Result<(), StoreError> {
        let result = self.ask_store(StoreCall::Close, || self.inner.store.close(id)).await;
        self.inner.meter.live(&self.inner.store);
        result
    }

    /// The RSA key of that name, if it is accepted now.
    pub(crate) fn find_key(&self, key_id: &str) -> Result<std::sync::Arc<RingKey>, Reject> {
        let key = self.inner.keys.find(key_id, self.now());
        key.ok_or_else(|| Refusal::KeyUnknown.into())
    }

    pub(crate) fn grant(&self) -> Grant {
        Grant {
            id: SessionId::draw(&mut SystemSeeded),
            expires_at: self.now().plus(self.inner.session_ttl_ms),
        }
    }

    /// Creates a session of the RSA key `key_id`, unless that key is gone: who revokes a key removes it from the ring
    /// and then ends its sessions, so a set-up under way meanwhile must look again once its session is there.
    pub(crate) async fn create(&self, session: NewSession, key_id: &str) -> Result<(), Reject> {
        let id = session.id;
        #[cfg(feature = "danger-key-log")]
        if let Some(log) = &self.inner.key_log {
            log.write(&id, &session.record.keys_for_log());
        }
        self.ask_store(StoreCall::Create, || self.inner.store.create(session, self.now())).await?;
        if let Err(gone) = self.find_key(key_id) {
            self.end(&id).await?;
            return Err(gone);
        }
        self.inner.meter.live(&self.inner.store);
        tracing::debug!(session = ?id, "session created");
        Ok(())
    }
}

/// The binary form of a text envelope (PROTOCOL 7).
fn from_text(text: &[u8]) -> Result<Buffer, Reject> {
    let malformed = |_| Refusal::Malformed(sc_core::error::Malformed::Text);
    let mut binary = Buffer::zeroed(text::max_decoded_len(text.len()));
    let mut json = serde_json::Deserializer::from_slice(text);
    let envelope = TextEnvelope::new(MessageType::SessionData, &mut binary);
    let len = envelope.read(&mut json).map_err(malformed)?.len();
    json.end().map_err(malformed)?;
    binary.truncate(len);
    Ok(binary)
}
