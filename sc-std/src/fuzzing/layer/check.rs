//! What is true of every answer, whatever was sent.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER};
use http::{HeaderMap, Method, Response};
use sc_core::code::Code;
use sc_core::document::{ReceivedAnswer, SessionAnswer, SessionRequest};
use sc_core::envelope::MessageType;
use sc_core::fuzzing::Clear;
use sc_core::id::{SessionId, UnixMillis};
use sc_core::session::{Lifetime, Session};
use serde_json::Value;

use super::app::{self, ECHO, Hit, PLAIN, SECRET, TYPED};
use super::draft::Draft;
use super::{Held, Waiting, World, from_text};
use crate::names::{
    CLIENT_HASH, CLOSE_PATH, EXPIRES_AT, IDLE_TIMEOUT, OLD_SESSION_ID, PUBLIC_KEY_PATH, REQUEST_ID,
    SESSION_ID, SESSION_PATH, VERSION,
};
use crate::request_id::is_request_id;

/// Of every answer of ours (PROTOCOL 5, 10.9).
const JSON: &str = "application/json;charset=UTF-8";
const NO_STORE: &str = "no-store, no-transform";

/// An answer.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    /// Of an error, sealed or not.
    pub(super) code: Option<Code>,
    /// What was sealed, if it was.
    pub(super) plaintext: Option<Vec<u8>>,
}

impl World<'_> {
    /// Holds one answer against what must be true of it.
    pub(super) fn judge(
        &mut self,
        draft: &Draft,
        method: &Method,
        path: &str,
        answer: Response<Bytes>,
    ) -> Seen {
        let (head, body) = answer.into_parts();
        let (status, headers) = (head.status.as_u16(), head.headers);
        let id = headers.get(REQUEST_ID).expect("every answer names its request");
        assert!(is_request_id(id.as_bytes()));
        let given = draft.values(REQUEST_ID).next().filter(|given| is_request_id(given));
        assert!(given.is_none_or(|given| id.as_bytes() == given), "another request id");
        let hits = self.hits.take();
        let mut seen = Seen { status, code: None, plaintext: None };
        if path == PLAIN && status == 200 {
            assert!(hits.is_empty() && (body == draft.body || method == Method::HEAD));
            return seen;
        }
        let is_secret = |(_, value): (_, &http::HeaderValue)| holds_secret(value.as_bytes());
        assert!(!headers.iter().any(is_secret), "a header tells: {headers:?}");
        match sealed(&body) {
            Some(envelope) => {
                let (at, plaintext) = self.open(draft, &headers, envelope);
                seen.code = self.judge_opened(at, path, status, &headers, &plaintext, &hits);
                seen.plaintext = Some(plaintext);
            }
            None => {
                assert!(hits.is_empty(), "a handler was reached, and its answer is not sealed");
                assert!(!holds_secret(&body), "plaintext leaves");
                seen.code = self.judge_plain(method, path, status, &headers, &body);
                if status == 200 && method == Method::POST {
                    self.note(draft, path, &body);
                }
            }
        }
        seen
    }

    /// Opens a sealed answer: it must be that to an envelope of a client which was not answered before. Tells which.
    fn open(&mut self, draft: &Draft, headers: &HeaderMap, mut envelope: Vec<u8>) -> (usize, Vec<u8>) {
        let sent = as_sent(&draft.body);
        let at = self.sent.iter().position(|known| Some(&known.envelope) == sent.as_ref());
        let at = at.expect("what nobody has sealed is answered sealed");
        let device = draft.values(CLIENT_HASH).next().expect("asked for").to_vec();
        let opened = match self.sent[at].waiting.take().expect("an envelope is answered twice") {
            Waiting::Answer(waiting) => {
                let session = self.sent[at].session.expect("a message");
                let opened = waiting.open(&mut envelope).expect("its own answer").to_vec();
                self.held[session].used = self.now();
                let held = &self.held[session];
                assert!(!held.closed && held.device.as_bytes() == device, "closed, or another device");
                let id = held.session.id().as_str();
                assert!(draft.values(SESSION_ID).all(|value| value == id.as_bytes()));
                opened
            }
            Waiting::First(waiting) => {
                let number =
                    |name| headers.get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
                let id = headers.get(SESSION_ID).and_then(|id| SessionId::parse(id.to_str().ok()?).ok());
                let idle = number(IDLE_TIMEOUT).and_then(|idle| u32::try_from(idle).ok());
                let ends = UnixMillis(number(EXPIRES_AT).expect("when it ends"));
                let lifetime = Lifetime::new(ends, self.now(), idle);
                let (id, now) = (id.expect("a session"), self.ticks());
                let (session, opened) =
                    waiting.open(id, lifetime, now, &mut envelope).expect("its own answer");
                let opened = opened.to_vec();
                self.hold(session, String::from_utf8(device).expect("visible"));
                opened
            }
        };
        (at, opened)
    }

    fn now(&self) -> UnixMillis {
        crate::clock::Clock::now(&self.clock)
    }

    fn hold(&mut self, session: Session<Clear>, device: String) {
        let Some(slot) = self.slots.get(self.held.len()) else { return };
        let (session, now) = (slot.get_or_init(|| session), self.now());
        assert!(self.held.iter().all(|held| held.session.id() != session.id()), "an id comes twice");
        self.held.push(Held { session, device, created: now, used: now, closed: false });
    }

    /// What was sealed is what the handler said of this plaintext and no other, or an error.
    fn judge_opened(
        &self,
        at: usize,
        path: &str,
        status: u16,
        headers: &HeaderMap,
        plaintext: &[u8],
        hits: &[Hit],
    ) -> Option<Code> {
        assert!(headers[CONTENT_TYPE] == JSON && headers[CACHE_CONTROL] == NO_STORE, "{headers:?}");
        assert!(
            headers[VERSION] == "2" && !headers.contains_key(ETAG) && !headers.contains_key(LAST_MODIFIED)
        );
        let sent = &self.sent[at];
        match hits {
            [] if self.setting.bare && matches!(status, 404 | 405) && plaintext.is_empty() => None,
            [] => Some(error(status, headers, plaintext)),
            [hit] => {
                assert!(hit.path == path && is_of(hit, &sent.text), "another plaintext reaches the handler");
                assert!(!sent.bound || sent.path == hit.path, "moved, in the bound profile");
                if hit.path == TYPED {
                    let answer: Value = serde_json::from_slice(plaintext).expect("a success");
                    assert!(status == 200 && answer["data"].as_str().map(str::as_bytes) == Some(&hit.text));
                    return None;
                }
                let (expected, text) = app::expected(&hit.text, self.setting);
                assert_eq!(status, expected);
                match text {
                    Some(text) => assert_eq!(plaintext, text),
                    None => return Some(error(status, headers, plaintext)),
                }
                None
            }
            _ => panic!("one request reaches a handler twice"),
        }
    }

    /// A plain answer is a refusal of the known form, or that of an endpoint in the clear.
    fn judge_plain(
        &self,
        method: &Method,
        path: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Code> {
        let is_ours = [PUBLIC_KEY_PATH, SESSION_PATH, CLOSE_PATH, "/healthz"].contains(&path);
        if status == 200 {
            assert!(is_ours, "a plain success at {path}");
            return None;
        }
        // A body that HEAD leaves out, and the answers of axum alone.
        if body.is_empty() && (method == Method::HEAD || (self.setting.bare && matches!(status, 404 | 405))) {
            return None;
        }
        assert!(headers[CONTENT_TYPE] == JSON && headers[CACHE_CONTROL] == NO_STORE, "{headers:?}");
        Some(error(status, headers, body))
    }

    /// What a success in the clear changes: a session is there, or is gone.
    fn note(&mut self, draft: &Draft, path: &str, body: &[u8]) {
        if path == CLOSE_PATH {
            for held in &mut self.held {
                let id = held.session.id().as_str();
                let mut named = draft.values(SESSION_ID).chain(draft.values(OLD_SESSION_ID));
                held.closed |= named.any(|value| value == id.as_bytes());
            }
        } else if path == SESSION_PATH {
            let request: SessionRequest = serde_json::from_slice(&draft.body).expect("it was accepted");
            let asked = request.enc_req_key.as_slice();
            let known = |known: &&mut super::SetUp| known.request.enc_req_key.as_slice() == asked;
            let set_up = self.set_ups.iter_mut().find(known).expect("what nobody has wrapped is accepted");
            let waiting = set_up.waiting.take().expect("a set-up is accepted twice");
            let answer: ReceivedAnswer<SessionAnswer> = serde_json::from_slice(body).expect("ours");
            let device = draft.values(CLIENT_HASH).next().expect("asked for").to_vec();
            let (now, ticks) = (self.now(), self.ticks());
            // It refuses if somebody has changed the profile on the way.
            if let Ok(session) = waiting.accept(&answer.data.expect("a session"), now, ticks) {
                self.hold(session, String::from_utf8(device).expect("visible"));
            }
        }
    }
}

/// Whether it is this plaintext that reached a handler.
fn is_of(hit: &Hit, text: &[u8]) -> bool {
    let read = || serde_json::from_slice::<String>(text).is_ok_and(|text| text.as_bytes() == hit.text);
    if hit.path == ECHO { hit.text == text } else { read() }
}

fn holds_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
}

/// The envelope that a client may have sent, in either form.
fn as_sent(body: &[u8]) -> Option<Vec<u8>> {
    if body.starts_with(b"SC") { Some(body.to_vec()) } else { from_text(body, MessageType::SessionData) }
}

/// The envelope of a sealed answer, in either form.
fn sealed(body: &[u8]) -> Option<Vec<u8>> {
    if body.starts_with(b"SC\x02\x81") {
        Some(body.to_vec())
    } else {
        from_text(body, MessageType::ResponseData)
    }
}

/// Reads an error in the form that all have: a known code, its status, and when to come back if that helps.
fn error(status: u16, headers: &HeaderMap, body: &[u8]) -> Code {
    let json: Value =
        serde_json::from_slice(body).unwrap_or_else(|_| panic!("{status}, and no JSON: {body:?}"));
    let code = json["code"].as_str().and_then(Code::parse).expect("a known code");
    assert!(json["success"] == false && json["data"].is_null() && json["version"] == "2.0.0", "{json}");
    assert!(
        json["timestamp"].is_u64() && json["message"].as_str().is_some_and(|text| !text.is_empty()),
        "{json}"
    );
    assert_eq!(code.http_status(), status, "{json}");
    let may_come_back = matches!(code, Code::Busy | Code::RateLimited);
    assert_eq!(headers.contains_key(RETRY_AFTER), may_come_back, "{json}");
    code
}
