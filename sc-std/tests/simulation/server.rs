//! A server: sc-core's machine, sc-std's key ring, a store behind a bad wire, and the order of steps of `ScServer`.

use bytes::Bytes;
use sc_core::document::{Answer, PublicKeyDocument, SessionRequest};
use sc_core::envelope::Profile;
use sc_core::exchange::WrappedKeys;
use sc_core::id::{MessageName, SessionId, UnixMillis};
use sc_core::replay::IvClaim;
use sc_core::secret::CandidateKeys;
use sc_core::server::{
    Grant, NewSession, Opened, Received, Refusal, RequestHead, Responder, SessionRecord, SetupWay,
};
use sc_std::keys::RingKey;
use sc_std::language::Language;
use sc_std::server::Reject;
use sc_std::store::{Store, StoreError};
use std::sync::Arc;

use crate::kit::Kit;
use crate::model::{Accepted, mirror};
use crate::network::{Created, Request, Response, Target};
use crate::report::{Event, Invariant};
use crate::world::World;

impl<K: Kit> World<K> {
    /// Answers a request.
    pub(crate) async fn handle(&self, host: usize, mut request: Request) -> Response {
        let before = request.body.clone();
        let result = match request.to {
            Target::PublicKey => self.public_key(host),
            Target::Session => self.set_up_at(host, &request).await,
            Target::Close => self.close_at(host, &request).await,
            Target::Message(endpoint) => self.message_at(host, endpoint, &mut request).await,
        };
        result.unwrap_or_else(|reject| {
            let left = before.iter().zip(&request.body).filter(|(was, is)| was != is && **is != 0).count();
            if left > 0 {
                self.log.violate(Invariant::Wiped, format!("{left} bytes are left in a refused body"));
            }
            self.refuse(host, &reject)
        })
    }

    fn response(&self, host: usize, body: Vec<u8>) -> Response {
        Response { status: 200, said_at: self.clock(host), max_age_ms: 0, created: None, body }
    }

    /// Asks the store, over a wire that takes its time. What took effect goes to the mirror.
    async fn ask<T>(
        &self,
        host: usize,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.pause(20).await;
        let result = work.await;
        self.reflect(self.hosts[host].fleet);
        self.pause(20).await;
        if matches!(result, Err(StoreError::Unavailable)) {
            self.log.count(Event::RefusedStore);
        }
        result
    }

    /// A server that stands still in the middle of a request, perhaps until the session is over.
    async fn stall(&self, host: usize, end: UnixMillis) {
        if self.chance(self.rates().slow / 10) {
            self.log.count(Event::ServerStalled);
            let left = end.0.saturating_sub(self.clock(host).0).min(600_000);
            let millis = self.dice.borrow_mut().between(1, 2 * left + 1);
            self.time.sleep(millis).await;
        }
    }

    fn public_key(&self, host: usize) -> Result<Response, Reject> {
        let (ring, now) = (&self.fleet(host).ring, self.clock(host));
        let Some(info) = ring.published(now) else {
            self.log.count(Event::RefusedNoKey);
            return Err(Reject::busy(5));
        };
        let (bits, profiles) = (u32::try_from(info.bits).unwrap_or_default(), self.rules.profiles());
        let document =
            PublicKeyDocument::new(info.key_id.clone(), &info.spki_der, bits, "", None, profiles).unwrap();
        let body = serde_json::to_vec(&Answer::success(now.0, document)).unwrap();
        Ok(Response { max_age_ms: info.max_age(now) * 1000, ..self.response(host, body) })
    }

    fn find_key(&self, host: usize, key_id: &str) -> Result<Arc<RingKey>, Reject> {
        let key = self.fleet(host).ring.find(key_id, self.clock(host));
        key.ok_or_else(|| Refusal::KeyUnknown.into())
    }

    /// The private operations, which take a while.
    async fn unwrap(&self, host: usize, key: &RingKey, wrapped: WrappedKeys<'_>) -> CandidateKeys {
        self.pause(10).await;
        let rng = &mut *self.hosts[host].rng.borrow_mut();
        key.unwrap_pair(rng, wrapped.request(), wrapped.response()).unwrap()
    }

    fn grant(&self, host: usize) -> Grant {
        let id = SessionId::draw(&mut *self.hosts[host].rng.borrow_mut());
        Grant { id, expires_at: self.clock(host).plus(self.plan.ttl_ms) }
    }

    /// Creates a session, unless its RSA key is gone: then it ends again.
    async fn create(&self, host: usize, session: NewSession, key_id: &str) -> Result<(), Reject> {
        let (id, store) = (session.id, &self.fleet(host).store);
        let created = self.ask(host, store.create(session, self.clock(host))).await;
        if created == Err(StoreError::Full) {
            let sessions = self.fleet(host).mirror.borrow().live() >= self.plan.bounds.sessions;
            self.log.count(if sessions { Event::RefusedSessionsFull } else { Event::RefusedClaimsFull });
        }
        created?;
        if let Err(gone) = self.find_key(host, key_id) {
            self.log.count(Event::SetUpOverRevoked);
            self.ask(host, store.close(&id)).await?;
            return Err(gone);
        }
        if self.fleet(host).mirror.borrow().is_unwanted(&id) {
            self.log.violate(Invariant::Ended, format!("{id:?} is told after its key was revoked"));
        }
        Ok(())
    }

    async fn set_up_at(&self, host: usize, request: &Request) -> Result<Response, Reject> {
        let Ok(document) = serde_json::from_slice::<SessionRequest>(&request.body) else {
            self.log.count(Event::RefusedDocument);
            return Err(Reject::invalid("body"));
        };
        let store = &self.fleet(host).store;
        let setup = self.rules.set_up(&document)?;
        let key = self.find_key(host, setup.key_id().as_str())?;
        let wrapped = setup.wrapped(key.info().bits)?;
        let key_id = &key.info().key_id;
        if self.ask(host, store.knows_wrapped(key_id, &wrapped.hashes())).await? {
            return Err(Refusal::ExchangeRepeated(SetupWay::Endpoint).into());
        }
        let keys = self.unwrap(host, &key, wrapped).await;
        let unclaimed = setup.accept(wrapped, keys, self.devices[request.device])?;
        let hashes = *unclaimed.hashes();
        let claim = store.claim_wrapped(key_id, &hashes, key.info().expires_at);
        let verdict = self.ask(host, claim).await?;
        let session = unclaimed.settle(verdict, self.grant(host))?;
        let bound = session.record.profile() == Profile::Bound;
        self.model.borrow_mut().keys_accepted(&self.log, session.id, bound, key_id, &hashes);
        let answer = session.answer(store.idle_timeout());
        self.create(host, session, key_id.as_str()).await?;
        self.log.count(Event::SessionCreated);
        let body = serde_json::to_vec(&Answer::success(self.clock(host).0, answer)).unwrap();
        Ok(self.response(host, body))
    }

    async fn close_at(&self, host: usize, request: &Request) -> Result<Response, Reject> {
        let Some(id) = request.session else { return Err(Reject::invalid("session")) };
        self.ask(host, self.fleet(host).store.close(&id)).await?;
        self.log.count(Event::SessionClosed);
        let closed = Answer::success(self.clock(host).0, serde_json::json!({ "closed": true }));
        Ok(self.response(host, serde_json::to_vec(&closed).unwrap()))
    }

    async fn message_at(
        &self,
        host: usize,
        endpoint: &'static str,
        request: &mut Request,
    ) -> Result<Response, Reject> {
        let (client, store) = (self.devices[request.device], &self.fleet(host).store);
        let name = MessageName::new(endpoint).unwrap();
        let id = request.session;
        let head = RequestHead { session_id: id.as_ref().map(SessionId::as_str), version: Some("2") };
        match self.rules.receive(&head, &mut request.body)? {
            Received::Message(message) => {
                let id = *message.session_id();
                let record = self.ask(host, store.find(&id, self.clock(host))).await?;
                let end = record.as_ref().map_or(UnixMillis(0), SessionRecord::expires_at);
                self.stall(host, end).await;
                let unclaimed =
                    message.open::<K::Server>(record.as_ref(), &client, self.clock(host), name)?;
                self.stall(host, end).await;
                let claim = *unclaimed.claim();
                let verdict = self.ask(host, store.claim(&id, &claim, self.clock(host))).await;
                if verdict == Err(StoreError::Full) {
                    self.log.count(Event::RefusedClaimsFull);
                }
                match unclaimed.settle(verdict?.ok_or(Refusal::SessionUnknown)?) {
                    Ok(opened) => {
                        self.log.count(Event::MessageAccepted);
                        Ok(self.answer(host, endpoint, &claim, opened).await)
                    }
                    Err(refusal) => {
                        if refusal.ends_session() {
                            // As far as the store can be reached: the client hears the same either way.
                            let _ = self.ask(host, store.close(&id)).await;
                        }
                        Err(refusal.into())
                    }
                }
            }
            Received::Setup(setup) => {
                let key = self.find_key(host, setup.key_id())?;
                let key_id = &key.info().key_id;
                let wrapped = setup.wrapped(key.info().bits)?;
                let hashes = wrapped.hashes();
                if self.ask(host, store.knows_wrapped(key_id, &hashes)).await? {
                    return Err(Refusal::ExchangeRepeated(SetupWay::Inline).into());
                }
                let keys = self.unwrap(host, &key, setup.wrapped(key.info().bits)?).await;
                let unclaimed = setup.open::<K::Server>(keys, client, name)?;
                let claim = store.claim_wrapped(key_id, unclaimed.hashes(), key.info().expires_at);
                let verdict = self.ask(host, claim).await?;
                let (session, opened) = unclaimed.settle(verdict, self.grant(host))?;
                let bound = session.record.profile() == Profile::Bound;
                self.model.borrow_mut().keys_accepted(&self.log, session.id, bound, key_id, &hashes);
                let (id, expires_at) = (session.id, session.record.expires_at());
                let first = session.first_claim.unwrap();
                let created = Created { id, expires_at, idle_timeout: store.idle_timeout() };
                if let Err(reject) = self.create(host, session, key_id.as_str()).await {
                    // It does not count: dropped, as the contract of `settle` says.
                    if !self.plant.keeps {
                        opened.plaintext.fill(0);
                    }
                    return Err(reject);
                }
                self.log.count(Event::SessionCreatedInline);
                self.log.count(Event::FirstAccepted);
                let response = self.answer(host, endpoint, &first, opened).await;
                Ok(Response { created: Some(created), ..response })
            }
        }
    }

    /// The service's own work, and its sealed answer.
    async fn answer(
        &self,
        host: usize,
        endpoint: &'static str,
        claim: &IvClaim,
        opened: Opened<'_, '_, K::Server>,
    ) -> Response {
        let Opened { plaintext, responder } = opened;
        let (session, iv) = (*responder.session_id(), mirror::iv(claim));
        let accepted = Accepted { session, iv, endpoint, text: plaintext };
        let text = {
            let (mut model, mut dice) = (self.model.borrow_mut(), self.dice.borrow_mut());
            model.accepted(&self.log, &accepted, &mut dice)
        };
        self.pause(200).await;
        let mut sealed = vec![0; Responder::<K::Server>::sealed_len(text.len())];
        let rng = &mut *self.hosts[host].rng.borrow_mut();
        responder.seal_into(rng, &text, &mut sealed).unwrap();
        self.response(host, sealed)
    }

    /// The plain answer of a refusal, the same for all causes that must not be told apart.
    fn refuse(&self, host: usize, reject: &Reject) -> Response {
        if let Some(refusal) = reject.refusal() {
            let (event, class) = class_of(refusal);
            self.log.count(event);
            if let Some(class) = class {
                let talks = self.plant.talks && *refusal == Refusal::SessionExpired;
                let said =
                    if talks { Reject::with_message(reject.code(), "Expired") } else { reject.clone() };
                let answer = said.to_response::<Bytes>(UnixMillis(0), Language::En);
                let (parts, body) = answer.into_parts();
                let bytes = [format!("{} {:?} ", parts.status, parts.headers).as_bytes(), &body].concat();
                self.model.borrow_mut().refused(&self.log, class, bytes);
            }
        }
        let answer = reject.to_response::<Bytes>(self.clock(host), Language::En);
        let body = answer.body().to_vec();
        Response { status: answer.status().as_u16(), ..self.response(host, body) }
    }
}

/// What is counted for a refusal, and the class of refusals that must look like it.
fn class_of(refusal: &Refusal) -> (Event, Option<&'static str>) {
    const SESSION: Option<&str> = Some("no such session");
    const ENDPOINT: Option<&str> = Some("key exchange");
    const PAYLOAD: Option<&str> = Some("does not open");
    match refusal {
        Refusal::SessionUnknown | Refusal::SessionMissing => (Event::RefusedSessionUnknown, SESSION),
        Refusal::SessionExpired => (Event::RefusedSessionExpired, SESSION),
        Refusal::OtherClient => (Event::RefusedOtherClient, SESSION),
        Refusal::IvReused | Refusal::MessageLimit => (Event::RefusedIvReused, SESSION),
        Refusal::Exchange(SetupWay::Endpoint) => (Event::RefusedExchange, ENDPOINT),
        Refusal::ExchangeRepeated(SetupWay::Endpoint) => (Event::RefusedRepeated, ENDPOINT),
        Refusal::Exchange(SetupWay::Inline) => (Event::RefusedInline, PAYLOAD),
        Refusal::ExchangeRepeated(SetupWay::Inline) => (Event::RefusedInlineRepeated, PAYLOAD),
        Refusal::NotOpened => (Event::RefusedNotOpened, PAYLOAD),
        Refusal::KeyUnknown => (Event::RefusedKeyUnknown, Some("key")),
        Refusal::LedgerFull => (Event::RefusedLedgerFull, None),
        Refusal::Replayed => (Event::RefusedReplayed, None),
        _ => (Event::RefusedMalformed, None),
    }
}
