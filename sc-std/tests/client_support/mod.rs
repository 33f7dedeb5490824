//! A server without a network: sc-core's server machine behind the client's transport, with switches for hostility.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use sc_core::code::Code;
use sc_core::document::{Answer, PublicKeyDocument, SessionRequest};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, KeyId, MessageName, SessionId, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::replay::{IvSet, IvSlot, LedgerVerdict};
use sc_core::retry::Repeatable;
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey};
use sc_core::server::{Grant, NewSession, Opened, Received, Refusal, RequestHead, Server, SessionRecord};
use sc_std::client::{ScClient, ScClientBuilder, Transport, TransportError, TransportErrorKind};
use sc_std::message::Message;
use sc_std::rng::SystemSeeded;
use serde_json::{Value, json};

pub(crate) const FORGOT: &str = "/web/v1/system/auth/password/forgot";
pub(crate) const PAY: &str = "/web/v1/pay";
pub(crate) const PUBLIC_KEY: &str = "/web/v1/secure-channel/public-key";
pub(crate) const SESSION: &str = "/web/v1/secure-channel/session";
pub(crate) const CLOSE: &str = "/web/v1/secure-channel/session/close";
const START: u64 = 1_711_929_600_000;

/// A message that may be repeated.
#[derive(serde::Serialize)]
pub(crate) struct Forgot {
    pub(crate) email: String,
}

impl Message for Forgot {
    const NAME: &'static str = "password.forgot";
    const PATH: &'static str = FORGOT;
    const REPEATABLE: Repeatable = Repeatable::Yes;
    type Answer = Value;
}

pub(crate) fn forgot(email: &str) -> Forgot {
    Forgot { email: email.to_owned() }
}

/// A message that must not be repeated.
#[derive(serde::Serialize)]
pub(crate) struct Pay {
    pub(crate) amount: u32,
}

impl Message for Pay {
    const NAME: &'static str = PAY;
    const PATH: &'static str = PAY;
    const REPEATABLE: Repeatable = Repeatable::No;
    type Answer = Value;
}

/// What a test does to an answer on its way; `None` hangs for ever.
type Hook = Box<dyn FnMut(&Request<Bytes>, Response<Bytes>) -> Option<Response<Bytes>> + Send>;

pub(crate) struct Fake {
    server: Server,
    started: tokio::time::Instant,
    state: Mutex<State>,
    hooks: Mutex<HashMap<&'static str, Hook>>,
}

pub(crate) struct State {
    keys: Vec<(KeyId, RsaPrivateKey)>,
    /// Which key is published; only that one unwraps.
    pub(crate) published: usize,
    sessions: HashMap<SessionId, (SessionRecord, IvSet<Vec<IvSlot>>)>,
    ledger: HashSet<[u8; 32]>,
    /// Requests by path.
    pub(crate) counts: HashMap<String, usize>,
    /// Headers of the last request by path.
    pub(crate) heads: HashMap<String, http::HeaderMap>,
    /// Type byte, path and plaintext of each message that was executed.
    pub(crate) executed: Vec<(u8, String, Vec<u8>)>,
    pub(crate) cache_control: Option<&'static str>,
    pub(crate) ttl_ms: u64,
    pub(crate) idle_s: Option<u32>,
    /// How long each request takes.
    pub(crate) delay: Duration,
    /// Whether messages do not reach the server; set-ups do.
    pub(crate) cut: bool,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(Server::default())
    }

    pub(crate) fn with(server: Server) -> Arc<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../sc-core/vectors/keys.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let keys = vectors["keys"].as_array().unwrap().iter().take(2).map(|key| {
            let pkcs8 = unhex(key["pkcs8_der"].as_str().unwrap());
            (
                KeyId::parse(key["key_id"].as_str().unwrap()).unwrap(),
                RsaPrivateKey::from_pkcs8(&pkcs8).unwrap(),
            )
        });
        let state = State {
            keys: keys.collect(),
            published: 0,
            sessions: HashMap::new(),
            ledger: HashSet::new(),
            counts: HashMap::new(),
            heads: HashMap::new(),
            executed: Vec::new(),
            cache_control: Some("max-age=1800"),
            ttl_ms: 24 * 60 * 60 * 1000,
            idle_s: None,
            delay: Duration::ZERO,
            cut: false,
        };
        Arc::new(Self {
            server,
            started: tokio::time::Instant::now(),
            state: Mutex::new(state),
            hooks: Mutex::new(HashMap::new()),
        })
    }

    /// A client of this server, with waits that suit a test.
    pub(crate) fn client(self: &Arc<Self>) -> ScClientBuilder {
        ScClient::builder("http://server.test/prefix")
            .with_transport(Arc::clone(self))
            .with_client_hash("fingerprint-of-a-phone")
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// How often a path was asked.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.state.lock().unwrap().counts.get(path).copied().unwrap_or_default()
    }

    pub(crate) fn executed(&self) -> Vec<(u8, String, Vec<u8>)> {
        self.state.lock().unwrap().executed.clone()
    }

    pub(crate) fn head(&self, path: &str, name: &str) -> Option<String> {
        let state = self.state.lock().unwrap();
        state.heads.get(path)?.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub(crate) fn forget_sessions(&self) {
        self.state.lock().unwrap().sessions.clear();
    }

    pub(crate) fn session_count(&self) -> usize {
        self.state.lock().unwrap().sessions.len()
    }

    /// The live sessions as a key log tells them.
    pub(crate) fn key_log(&self) -> String {
        let state = self.state.lock().unwrap();
        let line = |(id, (record, _)): (&SessionId, &(SessionRecord, _))| {
            let record = record.encode();
            // The form of a record: profile at 1, request key at 10, response key at 42, ctx at 74.
            let bytes = record.as_ref();
            let hex = |from: usize| {
                bytes[from..from + 32].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            };
            let profile = ["plain", "bound"][usize::from(bytes[1])];
            format!("SCV2 {id} {profile} {} {} {}\n", hex(74), hex(10), hex(42))
        };
        state.sessions.iter().map(line).collect()
    }

    /// Changes the answers of a path from now on; `None` hangs.
    pub(crate) fn on(
        &self,
        path: &'static str,
        hook: impl FnMut(&Request<Bytes>, Response<Bytes>) -> Option<Response<Bytes>> + Send + 'static,
    ) {
        self.hooks.lock().unwrap().insert(path, Box::new(hook));
    }

    pub(crate) fn spki_sha256(&self) -> [u8; 32] {
        use sha2::Digest;
        let state = self.state.lock().unwrap();
        sha2::Sha256::digest(state.keys[state.published].1.to_spki().unwrap()).into()
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(START + u64::try_from(self.started.elapsed().as_millis()).unwrap())
    }

    /// Answers a request; `None` if a hook lets it hang.
    pub(crate) fn respond(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let response = self.handle(request);
        let path = request.uri().path().strip_prefix("/prefix").unwrap();
        match self.hooks.lock().unwrap().get_mut(path) {
            Some(hook) => hook(request, response),
            None => Some(response),
        }
    }

    fn handle(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path().strip_prefix("/prefix").unwrap_or(request.uri().path()).to_owned();
        let mut state = self.state.lock().unwrap();
        *state.counts.entry(path.clone()).or_default() += 1;
        state.heads.insert(path.clone(), request.headers().clone());
        let now = self.now();
        match path.as_str() {
            PUBLIC_KEY => self.public_key(&state, now),
            SESSION => self.session(&mut state, request, now).unwrap_or_else(|refusal| refuse(&refusal)),
            CLOSE => {
                let id = request.headers().get("x-sc-session-id").unwrap().to_str().unwrap();
                state.sessions.remove(&SessionId::parse(id).unwrap());
                plain(200, &Answer::success(now.0, json!({})))
            }
            _ => self.message(&mut state, request, &path, now).unwrap_or_else(|refusal| refuse(&refusal)),
        }
    }

    fn public_key(&self, state: &State, now: UnixMillis) -> Response<Bytes> {
        use sc_core::provider::KeyUnwrap;
        let (id, key) = &state.keys[state.published];
        let bits = u32::try_from(key.modulus_bits()).unwrap();
        let spki = key.to_spki().unwrap();
        let created = "2024-04-01T00:00:00Z";
        let document =
            PublicKeyDocument::new(id.clone(), &spki, bits, created, None, self.server.profiles()).unwrap();
        let mut response = plain(200, &Answer::success(now.0, document));
        if let Some(value) = state.cache_control {
            response.headers_mut().insert("cache-control", value.parse().unwrap());
        }
        response
    }

    fn session(
        &self,
        state: &mut State,
        request: &Request<Bytes>,
        now: UnixMillis,
    ) -> Result<Response<Bytes>, Refusal> {
        use sc_core::provider::KeyUnwrap;
        let body: SessionRequest = serde_json::from_slice(request.body()).unwrap();
        let setup = self.server.set_up(&body)?;
        let (id, key) = &state.keys[state.published];
        if setup.key_id() != id {
            return Err(Refusal::KeyUnknown);
        }
        let wrapped = setup.wrapped(key.modulus_bits())?;
        let keys = unwrap_keys(key, &mut SystemSeeded, wrapped);
        let unclaimed = setup.accept(wrapped, keys, client_hash(request))?;
        let new = unclaimed.hashes().iter().all(|hash| state.ledger.insert(*hash.as_bytes()));
        let grant = Grant { id: SessionId::draw(&mut SystemSeeded), expires_at: now.plus(state.ttl_ms) };
        let created =
            unclaimed.settle(if new { LedgerVerdict::New } else { LedgerVerdict::Repeated }, grant)?;
        let answer = created.answer(state.idle_s);
        state.create(created);
        Ok(plain(200, &Answer::success(now.0, answer)))
    }

    fn message(
        &self,
        state: &mut State,
        request: &Request<Bytes>,
        path: &str,
        now: UnixMillis,
    ) -> Result<Response<Bytes>, Refusal> {
        use sc_core::provider::KeyUnwrap;
        let mut body = request.body().to_vec();
        let kind = body.get(3).copied().unwrap_or_default();
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        let head = RequestHead { session_id: header("x-sc-session-id"), version: header("x-sc-version") };
        let client = client_hash(request);
        let name = MessageName::new(if path == FORGOT { "password.forgot" } else { path }).unwrap();
        let (opened, created): (Opened<'_, '_, Aes256GcmKey>, _) =
            match self.server.receive(&head, &mut body)? {
                Received::Message(message) => {
                    let (record, ivs) =
                        state.sessions.get_mut(message.session_id()).ok_or(Refusal::SessionUnknown)?;
                    let unclaimed = message.open(Some(record), &client, now, name)?;
                    let verdict = ivs.claim(unclaimed.claim());
                    (unclaimed.settle(verdict)?, None)
                }
                Received::Setup(setup) => {
                    let (id, key) = &state.keys[state.published];
                    if setup.key_id() != id.as_str() {
                        return Err(Refusal::KeyUnknown);
                    }
                    let wrapped = setup.wrapped(key.modulus_bits())?;
                    let keys = unwrap_keys(key, &mut SystemSeeded, wrapped);
                    let unclaimed = setup.open(keys, client, name)?;
                    let grant =
                        Grant { id: SessionId::draw(&mut SystemSeeded), expires_at: now.plus(state.ttl_ms) };
                    let (created, opened) = unclaimed.settle(LedgerVerdict::New, grant)?;
                    (opened, Some(created))
                }
            };
        state.executed.push((kind, path.to_owned(), opened.plaintext.to_vec()));
        let (status, answer, retry_after) = answer(opened.plaintext, now);
        let mut sealed = vec![0; answer.len() + OVERHEAD];
        opened.responder.seal_into(&mut SystemSeeded, &answer, &mut sealed).unwrap();
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header("retry-after", seconds);
        }
        if let Some(created) = created {
            response = response
                .header("x-sc-session-id", created.id.as_str())
                .header("x-sc-expires-at", created.record.expires_at().0)
                .header(
                    "date",
                    httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_millis(now.0)),
                );
            if let Some(seconds) = state.idle_s {
                response = response.header("x-sc-idle-timeout", seconds);
            }
            state.create(created);
        }
        Ok(response.body(sealed.into()).unwrap())
    }
}

impl State {
    fn create(&mut self, created: NewSession) {
        let mut ivs = IvSet::new(vec![IvSlot::EMPTY; 4096], &mut SystemSeeded);
        if let Some(claim) = &created.first_claim {
            ivs.claim(claim);
        }
        self.sessions.insert(created.id, (created.record, ivs));
    }
}

/// What the service behind the channel says: it depends on the address.
fn answer(plaintext: &[u8], now: UnixMillis) -> (u16, Vec<u8>, Option<u32>) {
    let message: Value = serde_json::from_slice(plaintext).unwrap();
    let email = message["email"].as_str().unwrap_or_default();
    let error = |code: Code, text: &str| serde_json::to_vec(&Answer::error(now.0, code, text)).unwrap();
    match email.split('@').next().unwrap_or_default() {
        "limited" => (429, error(Code::RateLimited, Code::RateLimited.message()), Some(17)),
        "limited-for-ever" => (429, error(Code::RateLimited, Code::RateLimited.message()), Some(86_400)),
        "invalid" => (400, error(Code::ValidationFailed, "email: must be an address"), None),
        "broken" => (500, error(Code::InternalError, Code::InternalError.message()), None),
        "new-code" => (402, br#"{"success":false,"code":"ACCOUNT.LOCKED","message":"m"}"#.to_vec(), None),
        "gone" => (404, error(Code::SessionNotFound, "sealed, so it is about another session"), None),
        "empty" => (200, Vec::new(), None),
        "text" => (200, b"not JSON".to_vec(), None),
        _ => (200, serde_json::to_vec(&Answer::success(now.0, json!({"echo": message}))).unwrap(), None),
    }
}

fn client_hash(request: &Request<Bytes>) -> ClientHash {
    ClientHash::of(request.headers().get("x-client-hash").unwrap().as_bytes()).unwrap()
}

fn refuse(refusal: &Refusal) -> Response<Bytes> {
    refuse_with(refusal.code())
}

/// A plain error answer.
pub(crate) fn refuse_with(code: Code) -> Response<Bytes> {
    plain(code.http_status(), &Answer::error(START, code, code.message()))
}

fn plain(status: u16, answer: &impl serde::Serialize) -> Response<Bytes> {
    let json = serde_json::to_vec(answer).unwrap();
    Response::builder().status(status).body(json.into()).unwrap()
}

impl Transport for Fake {
    async fn send(
        &self,
        request: Request<Bytes>,
        _max_body: usize,
    ) -> Result<Response<Bytes>, TransportError> {
        let (delay, cut) = {
            let state = self.state.lock().unwrap();
            (state.delay, state.cut)
        };
        if cut && !request.uri().path().contains("secure-channel") {
            return Err(TransportError::new(TransportErrorKind::Connect));
        }
        tokio::time::sleep(delay).await;
        tokio::task::yield_now().await;
        match self.respond(&request) {
            Some(response) => Ok(response),
            None => std::future::pending().await,
        }
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
