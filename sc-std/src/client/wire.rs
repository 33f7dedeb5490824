//! HTTP requests of the protocol, and what came back: sealed, or plain and therefore an error (PROTOCOL 5).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use sc_core::envelope::MAGIC;
use sc_core::id::{SessionId, UnixMillis};
use sc_core::limits::MAX_OVERHEAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::base_url::BaseUrl;
use super::error::{ErrorAnswer, TransportError, TransportErrorKind};
use super::headers::retry_after;
use super::transport::AnyTransport;
use crate::names::{CLIENT_HASH, CLOSE_PATH, PUBLIC_KEY_PATH, REQUEST_ID, SESSION_ID, SESSION_PATH, VERSION};
use crate::request_id::random_request_id;

/// Longest plain document (public key, session) that is read, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;

/// Everything about requests that stays the same from one to the next.
pub(crate) struct Wire {
    pub(crate) base: BaseUrl,
    pub(crate) client_hash: HeaderValue,
    pub(crate) language: HeaderValue,
    pub(crate) headers: HeaderMap,
    /// Longest plaintext of an answer, in bytes.
    pub(crate) max_answer: usize,
    /// For one request with its answer.
    pub(crate) timeout: Duration,
    pub(crate) transport: Arc<dyn AnyTransport>,
}

/// How a sealed request names its session.
#[derive(Clone, Copy)]
pub(crate) enum Within<'a> {
    /// A type 1 envelope: by none.
    First,
    /// A type 2 envelope.
    Session(&'a SessionId),
}

impl Wire {
    /// Asks for the public key. Nothing about the client goes along.
    pub(crate) async fn public_key(&self) -> Result<Response<Bytes>, TransportError> {
        let request = self.request(Method::GET, self.own_uri(PUBLIC_KEY_PATH)?, Bytes::new());
        self.send(request, MAX_DOCUMENT).await
    }

    /// Asks for a session.
    pub(crate) async fn session(&self, body: Vec<u8>) -> Result<Response<Bytes>, TransportError> {
        let mut request = self.request(Method::POST, self.own_uri(SESSION_PATH)?, body.into());
        request.headers_mut().insert(CLIENT_HASH, self.client_hash.clone());
        self.send(request, MAX_DOCUMENT).await
    }

    /// Tells the server that a session is over.
    pub(crate) async fn close(&self, session: &SessionId) -> Result<Response<Bytes>, TransportError> {
        let mut request = self.request(Method::POST, self.own_uri(CLOSE_PATH)?, Bytes::new());
        request.headers_mut().insert(SESSION_ID, visible(session.as_str()));
        self.send(request, MAX_DOCUMENT).await
    }

    /// Sends an envelope, with headers that go along with this one.
    pub(crate) async fn sealed(
        &self,
        uri: Uri,
        within: Within<'_>,
        more: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<Received, TransportError> {
        let mut request = self.request(Method::POST, uri, body.into());
        let headers = request.headers_mut();
        // None of them is the channel's, so these replace only what the builder was given.
        for (name, value) in more {
            headers.insert(name, value.clone());
        }
        headers.insert(CLIENT_HASH, self.client_hash.clone());
        headers.insert(VERSION, HeaderValue::from_static("2"));
        if let Within::Session(id) = within {
            headers.insert(SESSION_ID, visible(id.as_str()));
        }
        let cap = self.max_answer.saturating_add(MAX_OVERHEAD).max(MAX_DOCUMENT);
        let (parts, body) = self.send(request, cap).await?.into_parts();
        Ok(if body.starts_with(&MAGIC) {
            // The one owner of the bytes, so this copies nothing.
            Received::Sealed(parts, Zeroizing::new(Vec::from(body)))
        } else {
            Received::Plain(PlainAnswer::read(parts.status, &parts.headers, &body))
        })
    }

    fn own_uri(&self, path: &str) -> Result<Uri, TransportError> {
        self.base.join(path).ok_or(TransportError::new(TransportErrorKind::Connect))
    }

    fn request(&self, method: Method, uri: Uri, body: Bytes) -> Request<Bytes> {
        let has_body = !body.is_empty();
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_LANGUAGE, self.language.clone());
        headers.insert(REQUEST_ID, visible(&random_request_id()));
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
        }
        request
    }

    /// Sends within the time-out, and holds any transport to the cap.
    async fn send(&self, request: Request<Bytes>, cap: usize) -> Result<Response<Bytes>, TransportError> {
        let sent = tokio::time::timeout(self.timeout, self.transport.send_boxed(request, cap)).await;
        let response = sent.map_err(|_| TransportError::new(TransportErrorKind::Timeout))??;
        if response.body().len() > cap {
            return Err(TransportError::new(TransportErrorKind::TooLarge));
        }
        Ok(response)
    }
}

/// The answer to a sealed request, told apart by its magic and not by its content type.
pub(crate) enum Received {
    /// An envelope, perhaps.
    Sealed(Parts, Zeroizing<Vec<u8>>),
    /// Anything else.
    Plain(PlainAnswer),
}

/// A plain answer to a request that wanted another.
pub(crate) enum PlainAnswer {
    /// An error answer of the protocol's form.
    Error(Arc<ErrorAnswer>),
    /// Anything else: a success, a redirect, a proxy's page.
    Other { status: u16, retry_after: Option<Duration> },
}

impl PlainAnswer {
    pub(crate) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let is_error = status.is_client_error() || status.is_server_error();
        match Verdict::read(body) {
            Some(verdict) if is_error && !verdict.success => {
                Self::Error(Arc::new(verdict.into_answer(status, headers, false, body)))
            }
            _ => Self::Other { status: status.as_u16(), retry_after: retry_after(headers) },
        }
    }
}

/// What any JSON answer says first. Properties that we do not know are ignored.
#[derive(Deserialize)]
pub(crate) struct Verdict {
    pub(crate) success: bool,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    timestamp: Option<u64>,
    #[serde(default, rename = "data")]
    _data: Option<IgnoredAny>,
}

impl Verdict {
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// What is known of an error in another form: that it is one.
    pub(crate) const fn foreign_error() -> Self {
        Self { success: false, code: String::new(), message: String::new(), timestamp: None, _data: None }
    }

    /// The server's clock.
    pub(crate) fn said_at(&self) -> Option<UnixMillis> {
        self.timestamp.map(UnixMillis)
    }

    pub(crate) fn into_answer(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        sealed: bool,
        json: &[u8],
    ) -> ErrorAnswer {
        ErrorAnswer {
            status: status.as_u16(),
            sealed,
            code: self.code,
            message: self.message,
            retry_after: retry_after(headers),
            json: json.to_vec(),
        }
    }
}

/// A header value of text that this crate made: visible ASCII.
fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_answer_is_an_error_answer_only_with_an_error_status() {
        let json = br#"{"success":false,"code":"SECURE_CHANNEL.SESSION_NOT_FOUND","message":"m"}"#;
        for (status, body, expected) in [
            (404, &json[..], true),
            (200, json, false),
            (302, json, false),
            (404, br#"{"success":true,"code":"2000","message":"SUCCESS"}"#, false),
            (502, b"<html>", false),
            (404, b"", false),
        ] {
            let read = PlainAnswer::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body);
            assert_eq!(matches!(read, PlainAnswer::Error(_)), expected, "{status}");
        }
    }

    #[test]
    fn an_answer_says_its_time_if_it_does() {
        let said_at = |json: &str| Verdict::read(json.as_bytes()).unwrap().said_at();
        assert_eq!(said_at(r#"{"success":true,"timestamp":7}"#), Some(UnixMillis(7)));
        assert_eq!(said_at(r#"{"success":true}"#), None);
    }
}
