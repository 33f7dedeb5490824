//! `traces.json`: whole conversations, in which both machines must say every byte.

use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::code::Code;
use sc_core::document::{Answer, PublicKeyDocument, ReceivedAnswer, SessionAnswer, SessionRequest};
use sc_core::envelope::MessageType;
use sc_core::error::{Error, Misuse};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, MessageName, SessionId, Ticks, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::replay::{IvSet, IvSlot, Ledger, LedgerSlot};
use sc_core::rustcrypto::{Aes256GcmKey, RustCrypto};
use sc_core::server::{Grant, NewSession, Opened, Received, Refusal, RequestHead, Server, SessionRecord};
use sc_core::session::{Lifetime, Session};
use sc_core::text;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::common::vector::{Vector, load};
use crate::common::{Rng, RsaKey, forgot, rng, rsa_key};
use crate::provider::ScriptedRng;

const START: u64 = 1_711_929_600_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const IDLE_SECONDS: u32 = 1800;
const SESSION_PATH: &str = "/web/v1/secure-channel/session";

/// What the server keeps of a session.
type Kept = (SessionRecord, IvSet<Vec<IvSlot>>);

/// One conversation: what both sides know of it.
struct Trace {
    v: Vector,
    key: &'static RsaKey,
    id: SessionId,
}

impl Trace {
    fn new(v: &Vector) -> Self {
        let (key, id) = (rsa_key(v.number("bits")), SessionId::parse(v.text("session_id")).unwrap());
        Self { v: v.clone(), key, id }
    }

    fn is_text(&self) -> bool {
        self.v.text("way") == "text"
    }

    /// The bytes on the wire for an envelope.
    fn encode(&self, envelope: Vec<u8>) -> Vec<u8> {
        if !self.is_text() {
            return envelope;
        }
        let mut out = vec![0; text::encoded_len(envelope.len())];
        text::encode(&envelope, &mut out).unwrap().to_vec()
    }

    /// The envelope of a body.
    fn decode(&self, kind: MessageType, body: &[u8]) -> Vec<u8> {
        if !self.is_text() {
            return body.to_vec();
        }
        let mut out = vec![0; text::max_decoded_len(body.len())];
        let mut json = serde_json::Deserializer::from_slice(body);
        let envelope = text::TextEnvelope::new(kind, &mut out).read(&mut json).unwrap().to_vec();
        json.end().unwrap();
        envelope
    }

    /// The randomness of the client's set-up, in the order in which it is drawn.
    fn set_up_draws(&self) -> Vec<Vec<u8>> {
        let fields = ["request_key", "response_key", "request_oaep_seed", "response_oaep_seed"];
        fields.iter().map(|field| self.v.bytes(field)).collect()
    }
}

/// A generator that gives exactly these pieces.
fn drawing(pieces: &[Vec<u8>]) -> ScriptedRng {
    ScriptedRng::new(pieces.iter().map(Vec::as_slice))
}

fn json<T: Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

/// The server of one conversation.
struct Serving<'t> {
    trace: &'t Trace,
    server: Server,
    rng: Rng,
    ledger: Ledger<Vec<LedgerSlot>>,
    session: Option<Kept>,
    now: UnixMillis,
}

impl<'t> Serving<'t> {
    fn new(trace: &'t Trace) -> Self {
        let mut rng = rng(1);
        let ledger = Ledger::new(vec![LedgerSlot::EMPTY; 16], &mut rng);
        Self { trace, server: Server::default(), rng, ledger, session: None, now: UnixMillis(START) }
    }

    /// The status and the body of the answer to the request of `step`.
    fn answer(&mut self, step: &Vector) -> (u16, Vec<u8>) {
        let (request, response) = (step.object("request"), step.object("response"));
        let answered = match (step.text("kind"), request.text("path")) {
            ("key", _) => Ok(self.publish()),
            ("close", _) => {
                self.session = None;
                Ok(json(&Answer::success(self.now.0, serde_json::json!({ "closed": true }))))
            }
            (_, SESSION_PATH) => self.set_up(&request),
            _ => self.protected(&request, &response),
        };
        let refused = |refusal: Refusal| {
            let code = refusal.code();
            (code.http_status(), json(&Answer::error(self.now.0, code, code.message())))
        };
        answered.map_or_else(refused, |body| (status_of(&response), body))
    }

    fn publish(&self) -> Vec<u8> {
        let key = self.trace.key;
        let (bits, until) = (u32::try_from(self.trace.v.number("bits")).unwrap(), "2024-04-02T01:00:00Z");
        let (made, profiles) = ("2024-04-01T00:00:00Z", self.server.profiles());
        let document = PublicKeyDocument::new(key.id.clone(), &key.spki, bits, made, Some(until), profiles);
        json(&Answer::success(self.now.0, document.unwrap()))
    }

    fn create(&mut self, created: NewSession) {
        let mut ivs = IvSet::new(vec![IvSlot::EMPTY; 16], &mut self.rng);
        if let Some(claim) = created.first_claim {
            let _ = ivs.claim(&claim);
        }
        assert!(self.session.replace((created.record, ivs)).is_none(), "one session each");
    }

    fn grant(&self) -> Grant {
        Grant { id: self.trace.id, expires_at: self.now.plus(DAY_MS) }
    }

    fn set_up(&mut self, request: &Vector) -> Result<Vec<u8>, Refusal> {
        let document: SessionRequest = serde_json::from_slice(&request.bytes("body")).unwrap();
        let setup = self.server.set_up(&document)?;
        assert_eq!(setup.key_id(), &self.trace.key.id);
        let wrapped = setup.wrapped(self.trace.v.number("bits"))?;
        let keys = unwrap_keys(&self.trace.key.private, &mut self.rng, wrapped);
        let unclaimed = setup.accept(wrapped, keys, client_hash(request))?;
        let verdict = self.ledger.claim(unclaimed.hashes());
        let created = unclaimed.settle(verdict, self.grant())?;
        let answer = json(&Answer::success(self.now.0, created.answer(Some(IDLE_SECONDS))));
        self.create(created);
        Ok(answer)
    }

    /// Opens the request, which must give its plaintext, and seals the trace's answer to it.
    fn protected(&mut self, request: &Vector, response: &Vector) -> Result<Vec<u8>, Refusal> {
        let mut body = self.trace.decode(MessageType::SessionData, &request.bytes("body"));
        let headers = request.object("headers");
        let session_id = headers.has("X-SC-Session-Id").then(|| headers.text("X-SC-Session-Id"));
        let head = RequestHead { session_id, version: Some(headers.text("X-SC-Version")) };
        let (device, name) = (client_hash(request), message_of(request));
        let Opened { plaintext, responder } = match self.server.receive(&head, &mut body)? {
            Received::Setup(setup) => {
                assert_eq!(setup.key_id(), self.trace.key.id.as_str());
                let wrapped = setup.wrapped(self.trace.v.number("bits"))?;
                let keys = unwrap_keys(&self.trace.key.private, &mut self.rng, wrapped);
                let unclaimed = setup.open::<Aes256GcmKey>(keys, device, name)?;
                let verdict = self.ledger.claim(unclaimed.hashes());
                let (created, opened) = unclaimed.settle(verdict, self.grant())?;
                let headers = response.object("headers");
                assert_eq!(headers.text("X-SC-Session-Id"), created.id.as_str());
                assert_eq!(headers.text("X-SC-Expires-At"), created.record.expires_at().0.to_string());
                self.create(created);
                opened
            }
            Received::Message(message) => {
                let record = self.session.as_ref().map(|(record, _)| record);
                let unclaimed = message.open::<Aes256GcmKey>(record, &device, self.now, name)?;
                let (_, ivs) = self.session.as_mut().unwrap();
                let verdict = ivs.claim(unclaimed.claim());
                unclaimed.settle(verdict)?
            }
        };
        assert_eq!(plaintext, request.object("sealed").bytes("plaintext"));
        let sealed = response.object("sealed");
        let plaintext = sealed.bytes("plaintext");
        let (mut out, mut rng) = (vec![0; plaintext.len() + OVERHEAD], drawing(&[sealed.bytes("iv")]));
        responder.seal_into(&mut rng, &plaintext, &mut out).unwrap();
        rng.finish();
        Ok(self.trace.encode(out))
    }
}

fn status_of(response: &Vector) -> u16 {
    u16::try_from(response.number("status")).unwrap()
}

fn client_hash(request: &Vector) -> ClientHash {
    ClientHash::of(request.object("headers").text("X-Client-Hash").as_bytes()).unwrap()
}

/// The message's name: every protected request of the traces is of one kind.
fn message_of(request: &Vector) -> MessageName<'static> {
    assert!(!request.has("sealed") || request.object("sealed").text("message") == forgot().as_str());
    forgot()
}

/// Reads a JSON answer, and checks its code and status.
fn read<T: serde::de::DeserializeOwned>(step: &Vector, body: &[u8]) -> ReceivedAnswer<T> {
    let answer: ReceivedAnswer<T> = serde_json::from_slice(body).unwrap();
    let response = step.object("response");
    assert_eq!(answer.code.as_str(), response.text("code"), "{}", step.name());
    assert_eq!(answer.code.http_status(), status_of(&response), "{}", step.name());
    assert_eq!(answer.success, answer.code == Code::Success, "{}", step.name());
    answer
}

/// The client of one conversation.
struct Asking<'t> {
    trace: &'t Trace,
    client: Client<RustCrypto>,
    session: Option<Session<RustCrypto>>,
}

impl<'t> Asking<'t> {
    fn new(trace: &'t Trace) -> Self {
        let choice = match trace.v.text("profile") {
            "plain" => ProfileChoice::Plain,
            _ => ProfileChoice::RequireBound,
        };
        Self { trace, client: Client::new(ClientOptions::default().with_profile(choice)), session: None }
    }

    fn accept_key(&mut self, step: &Vector, answer: &[u8]) {
        let document = read::<PublicKeyDocument>(step, answer).data.unwrap();
        self.client.accept_key(&document, Ticks(0), DAY_MS).unwrap();
    }

    /// Makes the request of a set-up, and takes its answer.
    fn set_up(&mut self, step: &Vector, request: &[u8], answer: &[u8]) {
        let mut rng = drawing(&self.trace.set_up_draws());
        let (document, awaiting) = self.client.begin(&mut rng).unwrap();
        rng.finish();
        assert_eq!(json(&document), request, "{}", step.name());
        let answer = read::<SessionAnswer>(step, answer);
        let timestamp = UnixMillis(answer.timestamp.unwrap());
        self.session = Some(awaiting.accept(&answer.data.unwrap(), timestamp, Ticks(0)).unwrap());
    }

    /// Makes the type 1 envelope, and opens its answer.
    fn first(&mut self, step: &Vector, request: &[u8], answer: &mut [u8]) -> Vec<u8> {
        let sealed = step.object("request").object("sealed");
        let (plaintext, iv) = (sealed.bytes("plaintext"), sealed.bytes("iv"));
        let mut rng = drawing(&[self.trace.set_up_draws(), vec![iv]].concat());
        let mut out = vec![0; self.client.first_sealed_len(plaintext.len()).unwrap()];
        let awaiting = self.client.begin_inline(&mut rng, forgot(), &plaintext, &mut out).unwrap();
        rng.finish();
        assert!(out == request, "{}", step.name());
        let until = step.object("response").object("headers").text("X-SC-Expires-At").parse().unwrap();
        let lifetime = Lifetime::new(UnixMillis(until), UnixMillis(START), Some(IDLE_SECONDS));
        let (session, opened) = awaiting.open(self.trace.id, lifetime, Ticks(0), answer).unwrap();
        self.session = Some(session);
        opened.to_vec()
    }

    /// Makes a request of type 2, and opens its answer.
    fn message(&self, step: &Vector, request: &[u8], answer: &mut [u8]) -> Result<Vec<u8>, Error> {
        let sealed = step.object("request").object("sealed");
        let (plaintext, mut rng) = (sealed.bytes("plaintext"), drawing(&[sealed.bytes("iv")]));
        let mut out = vec![0; plaintext.len() + OVERHEAD];
        let session = self.session.as_ref().unwrap();
        let pending = session.seal_into(&mut rng, Ticks(0), forgot(), &plaintext, &mut out).unwrap();
        rng.finish();
        assert!(self.trace.encode(out) == request, "{}", step.name());
        pending.open(answer).map(|plaintext| plaintext.to_vec())
    }

    /// One step of the trace, with the bytes that really went over the wire.
    fn step(&mut self, step: &Vector) {
        let (request, answer) = (step.object("request").bytes("body"), step.object("response").bytes("body"));
        match step.text("kind") {
            "key" => self.accept_key(step, &answer),
            "set-up" => self.set_up(step, &request, &answer),
            "message" => {
                let mut sealed = self.trace.decode(MessageType::ResponseData, &answer);
                let opened = match step.object("request").object("sealed").number("type") {
                    1 => self.first(step, &request, &mut sealed),
                    _ => self.message(step, &request, &mut sealed).unwrap(),
                };
                assert_eq!(opened, step.object("response").object("sealed").bytes("plaintext"));
                read::<IgnoredAny>(step, &opened);
            }
            "late" => {
                let refused = self.message(step, &request, &mut answer.clone());
                assert!(matches!(refused, Err(Error::Malformed(_))), "a plain answer is never data");
                read::<IgnoredAny>(step, &answer);
            }
            _ => {
                read::<IgnoredAny>(step, &answer);
            }
        }
    }
}

#[test]
fn the_client_says_every_byte_of_every_trace_and_opens_every_answer() {
    let traces = load("traces.json").list("traces");
    assert_eq!(traces.len(), 6);
    for v in traces {
        let trace = Trace::new(&v);
        let mut asking = Asking::new(&trace);
        for step in v.list("steps") {
            asking.step(&step);
        }
        let session = asking.session.unwrap();
        session.close();
        let after = session.seal_into(&mut rng(1), Ticks(0), forgot(), b"", &mut [0; OVERHEAD]);
        assert_eq!(after.map(drop), Err(Misuse::Closed.into()), "{}", v.name());
    }
}

#[test]
fn the_server_answers_every_request_of_every_trace_byte_for_byte() {
    let mut kinds = std::collections::BTreeMap::new();
    for v in load("traces.json").list("traces") {
        let trace = Trace::new(&v);
        let mut serving = Serving::new(&trace);
        for step in v.list("steps") {
            let (status, body) = serving.answer(&step);
            let response = step.object("response");
            assert_eq!(status, status_of(&response), "{}: {}", v.name(), step.name());
            assert!(body == response.bytes("body"), "{}: {}", v.name(), step.name());
            serving.now = serving.now.plus(1000);
            *kinds.entry(step.text("kind").to_owned()).or_insert(0) += 1;
        }
    }
    let seen: Vec<_> = kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let expected = [
        ("close", 12),
        ("key", 6),
        ("late", 6),
        ("message", 24),
        ("repeat", 12),
        ("set-up", 4),
        ("tampered", 6),
    ];
    assert_eq!(seen, expected);
}
