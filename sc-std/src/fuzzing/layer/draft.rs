//! A request as it is written, before it is sent: what an attacker changes on the way.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use sc_core::fuzzing::{Input, mutate};

use super::app::{PATHS, PORTAL_CODE, Setting};
use crate::names::{CLIENT_HASH, CLOSE_PATH, PUBLIC_KEY_PATH, SESSION_ID, SESSION_PATH, VERSION};

const METHODS: [&str; 8] = ["POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "CONNECT", "BREW"];
const HEADERS: [&str; 16] = [
    "x-sc-session-id",
    "x-sc-version",
    "x-client-hash",
    "x-request-id",
    "accept-language",
    "content-type",
    "content-length",
    "x-portal-access-code",
    "cf-connecting-ip",
    "cf-ray",
    "cf-ipcountry",
    "x-secure-channel-session-id",
    "transfer-encoding",
    "accept-encoding",
    "content-encoding",
    "expect",
];
const VALUES: [&str; 14] = [
    "2",
    "",
    "1",
    "a",
    "b",
    PORTAL_CODE,
    "198.51.100.7",
    "zh-TW",
    "ja;q=0.5, *",
    "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c11",
    "0",
    "99999999999999999999",
    "chunked",
    "65536",
];

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) method: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Draft {
    pub(super) fn new(method: &str, path: &str, body: Vec<u8>) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name.as_str().into(), value.into()));
        self
    }

    /// A request of a client that does everything right.
    pub(super) fn of_client(setting: Setting, path: &str, device: &str, body: Vec<u8>) -> Self {
        let mut draft = Self::new("POST", path, body).with(CLIENT_HASH, device).with(VERSION, "2");
        if setting.portal {
            draft = draft.with(HeaderName::from_static("x-portal-access-code"), PORTAL_CODE);
        }
        if setting.cdn {
            for (name, value) in
                [("cf-connecting-ip", "198.51.100.7"), ("cf-ray", "r"), ("cf-ipcountry", "X")]
            {
                draft = draft.with(HeaderName::from_static(name), value);
            }
        }
        draft
    }

    pub(super) fn in_session(self, id: &str) -> Self {
        self.with(SESSION_ID, id)
    }

    /// All values of a header.
    pub(super) fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let is_named = move |known: &[u8]| known.eq_ignore_ascii_case(name.as_str().as_bytes());
        self.headers.iter().filter(move |(known, _)| is_named(known)).map(|(_, value)| value.as_slice())
    }

    /// Changes what the input wants to be changed. `ids` are of live sessions.
    pub(super) fn change(&mut self, ids: &[String], input: &mut Input<'_>) {
        for _ in 0..8 {
            match input.byte() % 7 {
                0 => break,
                1 => self.method = pick(&METHODS, input),
                2 => {
                    let known = [PUBLIC_KEY_PATH, SESSION_PATH, CLOSE_PATH];
                    self.path = pick(&[PATHS.as_slice(), &known].concat(), input);
                }
                3 => {
                    let header = header(ids, input);
                    self.headers.retain(|(name, _)| *name != header.0);
                    self.headers.push(header);
                }
                4 => {
                    let at = input.below(self.headers.len());
                    if at < self.headers.len() {
                        self.headers.remove(at);
                    }
                }
                5 => self.headers.push(header(ids, input)),
                _ => mutate(&mut self.body, input),
            }
        }
    }

    /// The request, if an HTTP server would have made one of these bytes.
    pub(super) fn request(&self) -> Option<Request<Body>> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = Method::from_bytes(&self.method).ok()?;
        *request.uri_mut() = Uri::try_from(self.path.as_slice()).ok()?;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name).ok()?;
            request.headers_mut().append(name, HeaderValue::from_bytes(value).ok()?);
        }
        Some(request)
    }
}

fn header(ids: &[String], input: &mut Input<'_>) -> (Vec<u8>, Vec<u8>) {
    let name = pick(&HEADERS, input);
    let known: Vec<&str> = VALUES.into_iter().chain(ids.iter().map(String::as_str)).collect();
    (name, pick(&known, input))
}

/// One of the known, or what the input says.
fn pick(known: &[&str], input: &mut Input<'_>) -> Vec<u8> {
    let at = usize::from(input.byte());
    match known.get(at) {
        Some(known) => known.as_bytes().to_vec(),
        None => input.take(at % 40).to_vec(),
    }
}
