//! Answers that are not sealed: what a refusal looks like on the wire (PROTOCOL 5).

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use sc_core::code::Code;
use sc_core::document::Answer;
use sc_core::id::UnixMillis;
use sc_core::server::Refusal;
use serde::Serialize;

use crate::admission::Busy;
use crate::rate_limit::LimitRefusal;
use crate::server::span::Outcome;
use crate::store::StoreError;

/// The content type of every body, sealed or not (PROTOCOL 5).
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
/// No answer but the public key may be kept or changed on the way (PROTOCOL 10.9).
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// An error answer: a code, and for some codes what the client should know.
///
/// In a handler of an axum service this is the error type to return: inside the channel it is sealed like any answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    code: Code,
    message: Option<String>,
    retry_after: Option<u64>,
    /// Why, for the operator; never on the wire.
    refusal: Option<Refusal>,
}

impl Reject {
    /// A code with its standard message.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, message: None, retry_after: None, refusal: None }
    }

    /// A validation failure that names the property or header, never its value.
    #[must_use]
    pub fn invalid(property: &str) -> Self {
        Self::with_message(Code::ValidationFailed, format!("The request is not valid: {property}"))
    }

    /// A code with another message. The message must not hold a secret or a value of the request.
    #[must_use]
    pub fn with_message(code: Code, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::new(code) }
    }

    /// Too many requests: try again after that many seconds.
    #[must_use]
    pub fn rate_limited(retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::RateLimited) }
    }

    /// Busy: try again after that many seconds.
    #[must_use]
    pub fn busy(retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::Busy) }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Why the server machine refused, for logs and metrics. The peer does not see it.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The answer, as JSON.
    #[must_use]
    pub fn to_response<B: From<Bytes>>(&self, now: UnixMillis) -> Response<B> {
        let message = self.message.as_deref().unwrap_or_else(|| self.code.message());
        let status = StatusCode::from_u16(self.code.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &Answer::error(now.0, self.code, message));
        response.extensions_mut().insert(Outcome(self.code));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        let reject = match (refusal.property(), refusal.code()) {
            (Some(property), _) => Self::invalid(property),
            (None, Code::Busy) => Self::busy(60),
            (None, code) => Self::new(code),
        };
        Self { refusal: Some(refusal), ..reject }
    }
}

impl From<Busy> for Reject {
    fn from(busy: Busy) -> Self {
        Self::busy(busy.retry_after)
    }
}

impl From<LimitRefusal> for Reject {
    fn from(refusal: LimitRefusal) -> Self {
        match refusal {
            LimitRefusal::Exceeded(retry) => Self::rate_limited(retry.seconds()),
            LimitRefusal::Unavailable => Self::busy(5),
        }
    }
}

impl From<StoreError> for Reject {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full | StoreError::Unavailable => Self::busy(5),
            StoreError::Taken => Self::new(Code::InternalError),
        }
    }
}

/// A JSON answer with the headers that every answer has.
pub(crate) fn json<T: Serialize, B: From<Bytes>>(status: StatusCode, answer: &T) -> Response<B> {
    // The documents of this crate always serialize; an empty body would be refused by every client.
    let body = serde_json::to_vec(answer).unwrap_or_default();
    let mut response = Response::new(B::from(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}
