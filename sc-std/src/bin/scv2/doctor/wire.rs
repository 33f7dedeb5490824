//! Sends requests made by hand, and says how long each answer took.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use sc_core::code::Code;
use sc_std::client::{ProxyUse, ReqwestTransport, ScClient, Transport};
use sc_std::names::{CLIENT_HASH, PUBLIC_KEY_PATH, SESSION_ID, VERSION};
use serde_json::Value;

use super::ServerOptions;
use crate::exit::{Failure, with_causes};

/// Longest answer read, in bytes.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// Who we say we are.
pub(super) const DEVICE: &str = "scv2-doctor";

/// One request.
pub(super) struct Shot {
    pub(super) path: String,
    /// `X-SC-Session-Id`; none where empty.
    pub(super) session: String,
    /// `X-SC-Version`.
    pub(super) version: &'static str,
    /// `X-Client-Hash`.
    pub(super) device: &'static str,
    pub(super) body: Vec<u8>,
}

impl Shot {
    /// A request without a session.
    pub(super) fn new(path: &str, body: Vec<u8>) -> Self {
        Self { path: path.to_owned(), session: String::new(), version: "2", device: DEVICE, body }
    }

    /// The same request in a session.
    pub(super) fn within(mut self, session: &str) -> Self {
        session.clone_into(&mut self.session);
        self
    }
}

/// Which server, and how to reach it.
pub(super) struct Wire {
    transport: ReqwestTransport,
    base: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
}

impl Wire {
    pub(super) fn new(options: &ServerOptions) -> Result<Self, Failure> {
        let usage = |error: &dyn std::error::Error| Failure::Usage(with_causes(error));
        let mut headers = Vec::new();
        // The client's own rules for base URLs and headers.
        let mut rules = ScClient::builder(options.base_url.as_str());
        for header in &options.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| Failure::Usage("a header must be 'Name: value'".to_owned()))?;
            let (name, value) = (name.trim(), value.trim());
            rules = rules.with_header(name, value);
            headers.push((
                HeaderName::try_from(name).map_err(|error| usage(&error))?,
                HeaderValue::try_from(value).map_err(|error| usage(&error))?,
            ));
        }
        rules.build().map_err(|error| usage(&error))?;
        let transport = ReqwestTransport::new(options.timeout, ProxyUse::None)
            .map_err(|error| Failure::Peer(with_causes(&error)))?;
        let base = options.base_url.trim_end_matches('/').to_owned();
        Ok(Self { transport, base, headers, timeout: options.timeout })
    }

    /// Fetches the public key.
    pub(super) async fn public_key(&self) -> Result<Response<Bytes>, Failure> {
        let request = self.request(Method::GET, PUBLIC_KEY_PATH, Bytes::new())?;
        Ok(self.exchange(request).await?.0)
    }

    /// Sends one request; gives the answer and the microseconds until its last byte.
    pub(super) async fn send(&self, shot: Shot) -> Result<(Response<Bytes>, f64), Failure> {
        let mut request = self.request(Method::POST, &shot.path, shot.body.into())?;
        let value =
            |text: &str| HeaderValue::try_from(text).map_err(|error| Failure::Usage(error.to_string()));
        let headers = request.headers_mut();
        headers.insert(CLIENT_HASH, HeaderValue::from_static(shot.device));
        headers.insert(VERSION, HeaderValue::from_static(shot.version));
        if !shot.session.is_empty() {
            headers.insert(SESSION_ID, value(&shot.session)?);
        }
        self.exchange(request).await
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Bytes>, Failure> {
        let uri = format!("{}{path}", self.base).parse::<Uri>();
        let uri = uri.map_err(|_| Failure::Usage("--path is not a path".to_owned()))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
        headers.extend(self.headers.iter().cloned());
        Ok(request)
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<(Response<Bytes>, f64), Failure> {
        let start = Instant::now();
        let sent = tokio::time::timeout(self.timeout, self.transport.send(request, MAX_BODY)).await;
        let took = start.elapsed().as_secs_f64() * 1e6;
        match sent {
            Ok(Ok(answer)) => Ok((answer, took)),
            Ok(Err(error)) => Err(Failure::Peer(with_causes(&error))),
            Err(_) => Err(Failure::Peer("no answer in time (see --timeout)".to_owned())),
        }
    }
}

/// The code of a plain answer.
pub(super) fn code(answer: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(answer).ok()?;
    json.get("code")?.as_str().map(ToOwned::to_owned)
}

/// Refuses to go on where a limit of the server, and not what is looked at, gave the answer.
pub(super) fn check_limits(answer: &Response<Bytes>, option: &str) -> Result<(), Failure> {
    let busy = code(answer.body()).is_some_and(|code| code == Code::Busy.as_str());
    if answer.status().as_u16() != Code::RateLimited.http_status() && !busy {
        return Ok(());
    }
    Err(Failure::Peer(format!(
        "the server limits how often we may ask (HTTP {}), and a sample that it spoils says nothing: raise the limit for \
         this check, as in scv2 serve {option} 1000000/60s",
        answer.status().as_u16()
    )))
}
