//! A server over HTTP under any sequence of requests: those of real clients, changed, repeated, and any others.
//!
//! The clients' AES-GCM is real. RSA is replaced by [`Clear`], so that set-ups cost nothing, and what lies behind the tag
//! is reached by clients that seal what the input says. `check` holds every answer against what must always be true;
//! this file knows besides what a request that nobody changed must be answered.

mod app;
mod check;
mod draft;

use std::cell::OnceCell;
use std::sync::Arc;

use axum::Router;
use sc_core::client::{AwaitingFirst, AwaitingSession, Client, ClientOptions, ProfileChoice};
use sc_core::code::Code;
use sc_core::document::{PublicKeyDocument, ReceivedAnswer, SessionRequest};
use sc_core::envelope::{MessageType, Profile};
use sc_core::fuzzing::{Clear, Count, Input};
use sc_core::id::{MessageName, Ticks, UnixMillis};
use sc_core::server::BoundPolicy;
use sc_core::session::{Pending, Session};
use sc_core::text;
use tokio::runtime::{Builder, Runtime};

use self::app::{ECHO, Hits, PATHS, PLAIN, SECRET, Setting, TYPED};
use self::check::Seen;
use self::draft::Draft;
use crate::clock::{Clock, ManualClock, Monotonic};
use crate::names::{CLOSE_PATH, PUBLIC_KEY_PATH, SESSION_PATH};

const OPERATIONS: usize = 40;
const SESSIONS: usize = 16;
const START: UnixMillis = UnixMillis(1_795_467_600_000);
const DEVICES: [&str; 2] = ["a", "b"];
/// A session that was used since then is alive, in milliseconds: below the times of every store.
const FRESH_MS: u64 = 5 * 60 * 1000;
const TTL_MS: u64 = 24 * 60 * 60 * 1000;

type Slots = [OnceCell<Session<Clear>>; SESSIONS];

/// One server, and all that is sent to it.
///
/// # Panics
/// If an answer is not what the model says.
pub fn layer(data: &[u8]) {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    let (mut input, slots) = (Input(data), Slots::default());
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let mut world = World::new(Setting::read(&mut input), Count::of(data), &slots).await;
            for _ in 0..OPERATIONS {
                if input.is_empty() {
                    break;
                }
                world.step(&mut input).await;
            }
        });
    });
}

/// A session, as its client holds it.
struct Held<'a> {
    session: &'a Session<Clear>,
    device: String,
    created: UnixMillis,
    used: UnixMillis,
    closed: bool,
}

/// The right to open one answer.
enum Waiting<'a> {
    Answer(Pending<'a, Clear>),
    First(AwaitingFirst<'static, Clear>),
}

/// An envelope that a client has sealed; an attacker has a copy of it.
struct Sent<'a> {
    envelope: Vec<u8>,
    text: Vec<u8>,
    path: &'static str,
    /// The session, but of a first request.
    session: Option<usize>,
    bound: bool,
    /// Until it was answered sealed: once.
    waiting: Option<Waiting<'a>>,
}

/// A session request that a client has made.
struct SetUp {
    request: SessionRequest,
    device: &'static str,
    /// Until it was accepted: once.
    waiting: Option<AwaitingSession<Clear>>,
}

struct World<'a> {
    setting: Setting,
    router: Router,
    clock: Arc<ManualClock>,
    rng: Count,
    hits: Hits,
    key: PublicKeyDocument,
    slots: &'a Slots,
    held: Vec<Held<'a>>,
    sent: Vec<Sent<'a>>,
    set_ups: Vec<SetUp>,
}

impl<'a> World<'a> {
    async fn new(setting: Setting, rng: Count, slots: &'a Slots) -> Self {
        let (clock, hits) = (Arc::new(ManualClock::at(START)), Hits::default());
        let router = app::router(setting, &clock, START, &hits);
        let ask = Draft::new("GET", PUBLIC_KEY_PATH, Vec::new()).request().expect("a request");
        let answer = app::send(&router, ask).await;
        let answer: ReceivedAnswer<PublicKeyDocument> = serde_json::from_slice(answer.body()).expect("ours");
        let key = answer.data.expect("a key");
        let (held, sent, set_ups) = (Vec::new(), Vec::new(), Vec::new());
        Self { setting, router, clock, rng, hits, key, slots, held, sent, set_ups }
    }

    async fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 12 {
            0 => self.set_up(input).await,
            1 => self.repeat_set_up(input).await,
            2 => self.first(input).await,
            3..6 => self.talk(input).await,
            6 | 7 => self.repeat(input).await,
            8 => self.in_the_clear(input).await,
            9 => self.ask(input).await,
            10 => self.close(input).await,
            _ => self.clock.advance(u64::try_from(input.short()).unwrap_or_default() * 1000),
        }
    }

    fn ticks(&self) -> Ticks {
        self.clock.ticks()
    }

    /// Whether the server must know a session.
    fn is_alive(&self, at: usize) -> bool {
        let (now, held) = (self.clock.now().0, &self.held[at]);
        !self.setting.narrow && !held.closed && now - held.used.0 < FRESH_MS && now - held.created.0 < TTL_MS
    }

    /// Whether the server must take a set-up in a profile.
    fn takes(&self, bound: bool) -> bool {
        let refused = if bound { BoundPolicy::Off } else { BoundPolicy::Required };
        !self.setting.narrow && self.setting.bound != refused
    }

    fn client(&self, bound: bool) -> Client<Clear> {
        let profile = if bound { ProfileChoice::RequireBound } else { ProfileChoice::Plain };
        let mut client = Client::new(ClientOptions::default().with_profile(profile));
        client.accept_key(&self.key, self.ticks(), u64::MAX).expect("offered");
        client
    }

    /// A profile that the server offers.
    fn profile(&self, input: &mut Input<'_>) -> bool {
        input.flag() && self.setting.bound != BoundPolicy::Off
    }

    /// A request, changed as the input wants; what was seen, if nothing was changed.
    async fn deliver(&mut self, draft: Draft, input: &mut Input<'_>) -> Option<Seen> {
        let ids: Vec<String> = self.held.iter().map(|held| held.session.id().to_string()).collect();
        let mut changed = draft.clone();
        changed.change(&ids, input);
        let request = changed.request()?;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = app::send(&self.router, request).await;
        let seen = self.judge(&changed, &method, &path, answer);
        (changed == draft).then_some(seen)
    }

    async fn set_up(&mut self, input: &mut Input<'_>) {
        let (bound, device) = (self.profile(input), DEVICES[usize::from(input.flag())]);
        let (request, waiting) = self.client(bound).begin(&mut self.rng).expect("has a key");
        self.set_ups.push(SetUp { request, device, waiting: Some(waiting) });
        let seen = self.send_set_up(self.set_ups.len() - 1, input).await;
        assert!(!self.takes(bound) || seen.is_none_or(|seen| seen.status == 200), "a new set-up is refused");
    }

    async fn repeat_set_up(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.set_ups.len());
        let Some(known) = self.set_ups.get(at).map(|set_up| set_up.waiting.is_none()) else { return };
        let seen = self.send_set_up(at, input).await;
        if known && !self.setting.narrow {
            assert!(seen.is_none_or(|seen| seen.code == Some(Code::KeyExchangeFailed)), "accepted twice");
        }
    }

    async fn send_set_up(&mut self, at: usize, input: &mut Input<'_>) -> Option<Seen> {
        let SetUp { request, device, .. } = &self.set_ups[at];
        let body = serde_json::to_vec(request).expect("a document");
        self.deliver(Draft::of_client(self.setting, SESSION_PATH, device, body), input).await
    }

    /// A plaintext for a path, as the input says.
    fn text(path: &str, input: &mut Input<'_>) -> Vec<u8> {
        let len = usize::from(input.byte() % 100);
        let text = [SECRET.as_bytes(), input.take(len)].concat();
        // A string of JSON, unless the input wants a body that breaks the form.
        if path == TYPED && input.flag() {
            serde_json::to_vec(&String::from_utf8_lossy(&text)).expect("a string")
        } else {
            text
        }
    }

    fn name(&self, path: &'static str) -> MessageName<'static> {
        MessageName::new(self.setting.name(path)).expect("visible")
    }

    async fn first(&mut self, input: &mut Input<'_>) {
        let (bound, path) = (self.profile(input), [ECHO, TYPED][usize::from(input.flag())]);
        let (client, text, name) = (self.client(bound), Self::text(path, input), self.name(path));
        let mut envelope = vec![0; client.first_sealed_len(text.len()).expect("has a key")];
        let waiting = client.begin_inline(&mut self.rng, name, &text, &mut envelope).expect("fits");
        let waiting = Some(Waiting::First(waiting));
        self.sent.push(Sent { envelope, text, path, session: None, bound, waiting });
        self.send_first(self.sent.len() - 1, input).await;
    }

    /// A first request, new or not: what the model has to say of it is the same.
    async fn send_first(&mut self, at: usize, input: &mut Input<'_>) {
        let Sent { envelope, path, bound, waiting, .. } = &self.sent[at];
        let (is_new, bound) = (waiting.is_some(), *bound);
        let draft = Draft::of_client(self.setting, path, DEVICES[0], envelope.clone());
        let Some(seen) = self.deliver(draft, input).await else { return };
        let is_taken = self.setting.inline && is_new && self.takes(bound);
        assert!(!is_taken || seen.plaintext.is_some(), "a first request is refused");
        assert!(is_new || self.setting.narrow || seen.code == Some(Code::InvalidPayload), "taken twice");
    }

    async fn talk(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.held.len());
        let Some(session) = self.held.get(at).map(|held| held.session) else { return };
        let path = [ECHO, TYPED, "/sealed/none"][usize::from(input.byte() % 3)];
        let (text, name, now) = (Self::text(path, input), self.name(path), self.ticks());
        let mut envelope = vec![0; text.len() + 32];
        // The client's own end of a session comes before the server's.
        let Ok(waiting) = session.seal_into(&mut self.rng, now, name, &text, &mut envelope) else { return };
        let (waiting, bound) = (Some(Waiting::Answer(waiting)), session.profile() == Profile::Bound);
        self.sent.push(Sent { envelope, text, path, session: Some(at), bound, waiting });
        self.send_message(self.sent.len() - 1, at, input).await;
    }

    /// A message of a session, new or not.
    async fn send_message(&mut self, at: usize, session: usize, input: &mut Input<'_>) {
        let (sent, held) = (&self.sent[at], &self.held[session]);
        let (is_new, path) = (sent.waiting.is_some(), sent.path);
        let body =
            if self.setting.text && input.flag() { to_text(&sent.envelope) } else { sent.envelope.clone() };
        let draft = Draft::of_client(self.setting, path, &held.device, body);
        let draft = draft.in_session(held.session.id().as_str());
        let is_due = self.is_alive(session) && (self.setting.bare || path != "/sealed/none");
        let Some(seen) = self.deliver(draft, input).await.filter(|_| is_due) else { return };
        if is_new {
            assert!(seen.plaintext.is_some(), "a message is refused: {seen:?}");
        } else {
            assert_eq!((seen.status, seen.code), (409, Some(Code::Replayed)));
        }
    }

    /// A recorded envelope, as it was or changed.
    async fn repeat(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.sent.len());
        match self.sent.get(at).map(|sent| sent.session) {
            Some(Some(session)) => self.send_message(at, session, input).await,
            Some(None) => self.send_first(at, input).await,
            None => {}
        }
    }

    /// A body that no client has sealed.
    async fn in_the_clear(&mut self, input: &mut Input<'_>) {
        let path = PATHS[usize::from(input.byte()) % PATHS.len()];
        let mut draft = Draft::of_client(self.setting, path, DEVICES[0], Self::text(path, input));
        if let Some(held) = self.held.get(input.below(self.held.len())) {
            draft = draft.in_session(held.session.id().as_str());
        }
        let seen = self.deliver(draft, input).await;
        assert!(path != PLAIN || seen.is_none_or(|seen| seen.status == 200));
    }

    /// A request without a body.
    async fn ask(&mut self, input: &mut Input<'_>) {
        let path = [PUBLIC_KEY_PATH, "/healthz"][usize::from(input.flag())];
        let seen = self.deliver(Draft::new("GET", path, Vec::new()), input).await;
        assert!(seen.is_none_or(|seen| seen.status == 200));
    }

    async fn close(&mut self, input: &mut Input<'_>) {
        let Some(held) = self.held.get(input.below(self.held.len())) else { return };
        let id = held.session.id().to_string();
        let seen = self.deliver(Draft::new("POST", CLOSE_PATH, Vec::new()).in_session(&id), input).await;
        assert!(seen.is_none_or(|seen| seen.status == 200));
    }
}

/// The text form of an envelope.
fn to_text(envelope: &[u8]) -> Vec<u8> {
    let mut out = vec![0; text::encoded_len(envelope.len())];
    text::encode(envelope, &mut out).expect("type 2").to_vec()
}

/// The envelope of a text envelope that travels in one direction.
fn from_text(json: &[u8], direction: MessageType) -> Option<Vec<u8>> {
    let mut out = vec![0; text::max_decoded_len(json.len())];
    let mut json = serde_json::Deserializer::from_slice(json);
    let envelope = text::TextEnvelope::new(direction, &mut out).read(&mut json).ok()?.to_vec();
    json.end().ok().map(|()| envelope)
}
