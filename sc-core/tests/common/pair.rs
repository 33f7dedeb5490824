//! One client and one server, driven without sockets.

use std::collections::HashMap;

use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::document::{PublicKeyDocument, SessionRequest};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, MessageName, SessionId, Ticks, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::provider::KeyUnwrap;
use sc_core::replay::{IvSet, IvSlot, Ledger, LedgerSlot};
use sc_core::rustcrypto::{Aes256GcmKey, RustCrypto};
use sc_core::server::{EndpointSetup, SessionRecord};
use sc_core::server::{Grant, NewSession, Opened, Received, Refusal, RequestHead, Responder, Server};
use sc_core::session::{Lifetime, Pending, Session};

use super::{Rng, RsaKey, forgot, phone, rng, rsa_key};

/// The two profiles, as a client asks for them.
pub(crate) const PROFILES: [ProfileChoice; 2] = [ProfileChoice::Plain, ProfileChoice::RequireBound];

/// How long sessions of a [`Pair`] last, in milliseconds.
pub(crate) const TTL_MS: u64 = 60 * 60 * 1000;

/// A session as the server keeps it.
pub(crate) struct Kept {
    pub(crate) record: SessionRecord,
    pub(crate) ivs: IvSet<Vec<IvSlot>>,
}

/// A client and a server with a store, a ledger and manual clocks.
pub(crate) struct Pair {
    pub(crate) rng: Rng,
    pub(crate) key: &'static RsaKey,
    pub(crate) client: Client<RustCrypto>,
    pub(crate) server: Server,
    pub(crate) ledger: Ledger<Vec<LedgerSlot>>,
    pub(crate) store: HashMap<SessionId, Kept>,
    /// The client's clock.
    pub(crate) ticks: Ticks,
    /// The server's clock.
    pub(crate) now: UnixMillis,
    pub(crate) device: ClientHash,
}

/// What a server did with a request: its plaintext, and the right to answer.
pub(crate) type Served<'n> = (Vec<u8>, Responder<'n, Aes256GcmKey>);

impl Pair {
    pub(crate) fn new(seed: u64, profile: ProfileChoice) -> Self {
        Self::with(seed, ClientOptions::default().with_profile(profile), Server::default())
    }

    pub(crate) fn with(seed: u64, options: ClientOptions, server: Server) -> Self {
        let mut rng = rng(seed);
        let ledger = Ledger::new(vec![LedgerSlot::EMPTY; 4096], &mut rng);
        let mut pair = Self {
            rng,
            key: rsa_key(2048),
            client: Client::new(options),
            server,
            ledger,
            store: HashMap::new(),
            ticks: Ticks(1_000_000),
            now: UnixMillis(1_711_929_600_000),
            device: phone(),
        };
        pair.client.accept_key(&pair.document(), pair.ticks, TTL_MS).unwrap();
        pair
    }

    pub(crate) fn document(&self) -> PublicKeyDocument {
        let bits = u32::try_from(self.key.private.modulus_bits()).unwrap();
        let (id, profiles) = (self.key.id.clone(), self.server.profiles());
        PublicKeyDocument::new(id, &self.key.spki, bits, "2024-04-01T00:00:00Z", None, profiles).unwrap()
    }

    /// Moves both clocks.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.ticks = Ticks(self.ticks.0 + ms);
        self.now = self.now.plus(ms);
    }

    fn grant(&mut self) -> Grant {
        Grant { id: SessionId::draw(&mut self.rng), expires_at: self.now.plus(TTL_MS) }
    }

    /// Puts a new session into the store.
    pub(crate) fn create(&mut self, created: NewSession) -> SessionId {
        let mut ivs = IvSet::new(vec![IvSlot::EMPTY; 1024], &mut self.rng);
        if let Some(claim) = created.first_claim {
            let _ = ivs.claim(&claim);
        }
        let kept = Kept { record: created.record, ivs };
        assert!(self.store.insert(created.id, kept).is_none(), "ids do not repeat");
        created.id
    }

    /// The server's part of the session endpoint.
    pub(crate) fn serve_endpoint(&mut self, request: &SessionRequest) -> Result<NewSession, Refusal> {
        let setup: EndpointSetup<'_> = self.server.set_up(request)?;
        if setup.key_id() != &self.key.id {
            return Err(Refusal::KeyUnknown);
        }
        let wrapped = setup.wrapped(self.key.private.modulus_bits())?;
        let keys = unwrap_keys(&self.key.private, &mut self.rng, wrapped);
        let unclaimed = setup.accept(wrapped, keys, self.device)?;
        let verdict = self.ledger.claim(unclaimed.hashes());
        let grant = self.grant();
        unclaimed.settle(verdict, grant)
    }

    /// Sets up a session by the session endpoint.
    pub(crate) fn set_up(&mut self) -> Session<RustCrypto> {
        let (request, awaiting) = self.client.begin(&mut self.rng).unwrap();
        let created = self.serve_endpoint(&request).unwrap();
        let answer = created.answer(None);
        self.create(created);
        awaiting.accept(&answer, self.now, self.ticks).unwrap()
    }

    /// The server's part of a type 1 envelope.
    pub(crate) fn serve_first<'n>(
        &mut self,
        name: MessageName<'n>,
        body: &mut [u8],
    ) -> Result<Served<'n>, Refusal> {
        let Received::Setup(setup) = self.server.receive(&RequestHead::default(), body)? else {
            return Err(Refusal::UnexpectedType);
        };
        if setup.key_id() != self.key.id.as_str() {
            return Err(Refusal::KeyUnknown);
        }
        let wrapped = setup.wrapped(self.key.private.modulus_bits())?;
        let keys = unwrap_keys(&self.key.private, &mut self.rng, wrapped);
        let unclaimed = setup.open::<Aes256GcmKey>(keys, self.device, name)?;
        let verdict = self.ledger.claim(unclaimed.hashes());
        let grant = self.grant();
        let (created, Opened { plaintext, responder }) = unclaimed.settle(verdict, grant)?;
        let plaintext = plaintext.to_vec();
        self.create(created);
        Ok((plaintext, responder))
    }

    /// The bytes of a first request, for tests that only attack it.
    pub(crate) fn first_envelope(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut body = vec![0; self.client.first_sealed_len(plaintext.len()).unwrap()];
        let _ = self.client.begin_inline(&mut self.rng, forgot(), plaintext, &mut body).unwrap();
        body
    }

    /// Sets up a session by a type 1 envelope, whose question is answered by `answer`.
    pub(crate) fn set_up_inline(&mut self, question: &[u8], answer: &[u8]) -> Session<RustCrypto> {
        let mut body = vec![0; self.client.first_sealed_len(question.len()).unwrap()];
        let awaiting = self.client.begin_inline(&mut self.rng, forgot(), question, &mut body).unwrap();
        let (opened, responder) = self.serve_first(forgot(), &mut body).unwrap();
        assert_eq!(opened, question);
        let id = *responder.session_id();
        let mut sealed = answer_with(&mut self.rng, responder, answer);
        let lifetime = Lifetime::new(self.store[&id].record.expires_at(), self.now, None);
        let (session, plaintext) = awaiting.open(id, lifetime, self.ticks, &mut sealed).unwrap();
        assert_eq!(plaintext, answer);
        session
    }

    /// The client's part of one request.
    pub(crate) fn ask<'s>(
        &mut self,
        session: &'s Session<RustCrypto>,
        name: MessageName<'s>,
        plaintext: &[u8],
    ) -> (Vec<u8>, Pending<'s, RustCrypto>) {
        let mut body = vec![0; plaintext.len() + OVERHEAD];
        let pending = session.seal_into(&mut self.rng, self.ticks, name, plaintext, &mut body).unwrap();
        (body, pending)
    }

    /// The server's part of one request. A refusal that ends the session ends it.
    pub(crate) fn serve<'n>(
        &mut self,
        id: &SessionId,
        name: MessageName<'n>,
        body: &mut [u8],
    ) -> Result<Served<'n>, Refusal> {
        let head = RequestHead { session_id: Some(id.as_str()), version: Some("2") };
        let Received::Message(message) = self.server.receive(&head, body)? else {
            return Err(Refusal::UnexpectedType);
        };
        let kept = self.store.get_mut(message.session_id());
        let record = kept.as_ref().map(|kept| &kept.record);
        let unclaimed = message.open::<Aes256GcmKey>(record, &self.device, self.now, name)?;
        let verdict = kept.unwrap().ivs.claim(unclaimed.claim());
        let settled = unclaimed.settle(verdict);
        if settled.as_ref().is_err_and(Refusal::ends_session) {
            self.store.remove(id);
        }
        settled.map(|opened| (opened.plaintext.to_vec(), opened.responder))
    }

    /// One whole request and its answer.
    pub(crate) fn talk(&mut self, session: &Session<RustCrypto>, question: &[u8], answer: &[u8]) {
        let (mut body, pending) = self.ask(session, forgot(), question);
        let (opened, responder) = self.serve(session.id(), forgot(), &mut body).unwrap();
        assert_eq!(opened, question);
        let mut sealed = answer_with(&mut self.rng, responder, answer);
        assert_eq!(pending.open(&mut sealed).unwrap(), answer);
    }
}

/// Seals one answer.
pub(crate) fn answer_with(
    rng: &mut Rng,
    responder: Responder<'_, Aes256GcmKey>,
    plaintext: &[u8],
) -> Vec<u8> {
    let mut body = vec![0; plaintext.len() + OVERHEAD];
    responder.seal_into(rng, plaintext, &mut body).unwrap();
    body
}
