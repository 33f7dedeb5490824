//! From a sealed body to a plaintext and a responder: asks keys, store and admission what the machine asks for.

use std::net::IpAddr;

use bytes::Bytes;
use http::HeaderMap;
use sc_core::envelope::MessageType;
use sc_core::id::{ClientHash, MessageName, SessionId, UnixMillis};
use sc_core::limits::TAIL_ROOM;
use sc_core::provider::Aead;
use sc_core::secret::CandidateKeys;
use sc_core::server::{
    Grant, InlineSetup, NewSession, Received, Refusal, RequestHead, Responder, SessionMessage, SetupWay,
};
use sc_core::text::{self, TextEnvelope};
use zeroize::Zeroizing;

use crate::keys::ring::RingKey;
use crate::names::{SESSION_ID, VERSION};
use crate::rng::SystemSeeded;
use crate::server::headers::{single, text as header_text};
use crate::server::reject::Reject;
use crate::server::{ScServer, body};
use crate::store::Store;

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
    pub(crate) async fn open<'n>(
        &self,
        headers: &HeaderMap,
        mut body: Zeroizing<Vec<u8>>,
        client: ClientHash,
        address: IpAddr,
        name: MessageName<'n>,
    ) -> Result<OpenedRequest<'n, A>, Reject> {
        let session_id = header_text(single(headers, &SESSION_ID)?);
        let version = header_text(single(headers, &VERSION)?);
        let as_text = self.inner.text_envelope && body.trim_ascii_start().first() == Some(&b'{');
        if as_text && version.is_none_or(|version| version == "2") {
            body = from_text(&body)?;
        }
        let head = RequestHead { session_id, version };
        let length = body.len();
        let (plaintext_len, responder, created) = match self.inner.rules.receive(&head, &mut body)? {
            Received::Message(message) => {
                let (len, responder) = self.open_message(message, &client, name).await?;
                (len, responder, None)
            }
            Received::Setup(setup) => {
                let (len, responder, created) = self.open_first(setup, client, address, name).await?;
                (len, responder, Some(created))
            }
        };
        let end = length.saturating_sub(TAIL_ROOM);
        let plaintext = body::into_bytes(body).slice(end.saturating_sub(plaintext_len)..end);
        Ok(OpenedRequest { plaintext, responder, created, as_text })
    }

    async fn open_message<'n>(
        &self,
        message: SessionMessage<'_>,
        client: &ClientHash,
        name: MessageName<'n>,
    ) -> Result<(usize, Responder<'n, A>), Reject> {
        let id = *message.session_id();
        let record = self.inner.store.find(&id, self.now()).await?;
        let unclaimed = message.open::<A>(record.as_ref(), client, self.now(), name)?;
        let verdict = self.inner.store.claim(&id, unclaimed.claim(), self.now()).await?;
        let verdict = verdict.ok_or(Refusal::SessionUnknown)?;
        match unclaimed.settle(verdict) {
            Ok(opened) => Ok((opened.plaintext.len(), opened.responder)),
            Err(refusal) => {
                if refusal.ends_session() {
                    tracing::warn!(session = ?id, cause = %refusal, "session ended");
                    if let Err(error) = self.inner.store.close(&id).await {
                        tracing::error!(session = ?id, %error, "the session could not be ended");
                    }
                }
                Err(refusal.into())
            }
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
        if self.inner.store.knows_wrapped(&key.info().key_id, &wrapped.hashes()).await? {
            return Err(Refusal::ExchangeRepeated(SetupWay::Inline).into());
        }
        let keys = self.unwrap(&key, wrapped.request(), wrapped.response()).await?;
        let unclaimed = setup.open::<A>(keys, client, name)?;
        let verdict = self
            .inner
            .store
            .claim_wrapped(&key.info().key_id, unclaimed.hashes(), key.info().expires_at)
            .await?;
        let (session, opened) = unclaimed.settle(verdict, self.grant())?;
        let created = Created { expires_at: session.record.expires_at() };
        let (len, responder) = (opened.plaintext.len(), opened.responder);
        self.create(session, key.info().key_id.as_str()).await?;
        Ok((len, responder, created))
    }

    /// The RSA key of that name, if it is accepted now.
    pub(crate) fn find_key(&self, key_id: &str) -> Result<std::sync::Arc<RingKey>, Reject> {
        let key = self.inner.keys.find(key_id, self.now());
        key.ok_or_else(|| Refusal::KeyUnknown.into())
    }

    /// Two private operations on a blocking thread, once admission lets them.
    pub(crate) async fn unwrap(
        &self,
        key: &std::sync::Arc<RingKey>,
        request: &[u8],
        response: &[u8],
    ) -> Result<CandidateKeys, Reject> {
        let (key, request, response) = (std::sync::Arc::clone(key), request.to_vec(), response.to_vec());
        let job = move || key.unwrap_pair(&mut SystemSeeded, &request, &response);
        Ok(self.inner.admission.run(job).await?)
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
        self.inner.store.create(session, self.now()).await?;
        if let Err(gone) = self.find_key(key_id) {
            self.inner.store.close(&id).await?;
            return Err(gone);
        }
        tracing::debug!(session = ?id, "session created");
        Ok(())
    }
}

/// The binary form of a text envelope (PROTOCOL 7).
fn from_text(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Reject> {
    let malformed = |_| Refusal::Malformed(sc_core::error::Malformed::Text);
    let mut binary = Zeroizing::new(vec![0; text::max_decoded_len(text.len())]);
    let mut json = serde_json::Deserializer::from_slice(text);
    let envelope = TextEnvelope::new(MessageType::SessionData, &mut binary);
    let len = envelope.read(&mut json).map_err(malformed)?.len();
    json.end().map_err(malformed)?;
    binary.truncate(len);
    Ok(binary)
}
