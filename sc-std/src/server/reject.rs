//! Answers that are not sealed: what a refusal looks like on the wire (PROTOCOL 5).

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use sc_core::code::Code;
use sc_core::document::Answer;
use sc_core::id::UnixMillis;
use sc_core::server::Refusal;
use serde::Serialize;

use crate::admission::Busy;
use crate::language::Language;
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
/// Its message is in the request's language, wherever [`ScLayer`](crate::server::ScLayer) or
/// [`ScRouter`](crate::server::ScRouter) is around the handler; the words of [`Reject::with_message`] stay as they are.
///
/// # Examples
/// ```
/// use sc_std::{sc_core::code::Code, server::Reject};
///
/// let refused = Reject::invalid("nickname");
/// assert_eq!(refused.code(), Code::ValidationFailed);
/// assert_eq!(Reject::new(Code::PermissionDenied).code().http_status(), 403);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    code: Code,
    message: Message,
    retry_after: Option<u64>,
    /// Why, for the operator; never on the wire.
    refusal: Option<Refusal>,
}

/// What an error answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    /// The message of the code.
    OfCode,
    /// That this property or header is not valid.
    Invalid(String),
    /// That a session is closed by its id.
    SessionIdRequired,
    /// A service's own words.
    Own(String),
}

impl Reject {
    /// A code with its standard message.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, message: Message::OfCode, retry_after: None, refusal: None }
    }

    /// A validation failure that names the property or header, never its value.
    #[must_use]
    pub fn invalid(property: &str) -> Self {
        Self { message: Message::Invalid(property.to_owned()), ..Self::new(Code::ValidationFailed) }
    }

    /// A close without a session id.
    pub(crate) fn session_id_required() -> Self {
        Self { message: Message::SessionIdRequired, ..Self::new(Code::ValidationFailed) }
    }

    /// A code with another message, which is the same in every language. It must not hold a secret or a value of the
    /// request.
    #[must_use]
    pub fn with_message(code: Code, message: impl Into<String>) -> Self {
        Self { message: Message::Own(message.into()), ..Self::new(code) }
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

    /// What the answer says in a language.
    #[must_use]
    pub fn message(&self, language: Language) -> Cow<'_, str> {
        match &self.message {
            Message::OfCode => Cow::Borrowed(language.message(self.code)),
            Message::Invalid(property) => Cow::Owned(language.invalid(property)),
            Message::SessionIdRequired => Cow::Borrowed(language.session_id_required()),
            Message::Own(words) => Cow::Borrowed(words),
        }
    }

    /// Whether the message differs from language to language.
    pub(crate) const fn is_translated(&self) -> bool {
        !matches!(self.message, Message::Own(_))
    }

    /// The answer's body, as JSON.
    pub(crate) fn to_body(&self, now: UnixMillis, language: Language) -> Bytes {
        to_bytes(&Answer::error(now.0, self.code, &self.message(language)))
    }

    /// The answer in a language, as JSON. `Content-Language` names it, unless the words are a service's own.
    #[must_use]
    pub fn to_response<B: From<Bytes>>(&self, now: UnixMillis, language: Language) -> Response<B> {
        let status = StatusCode::from_u16(self.code.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json_of(status, self.to_body(now, language));
        if self.is_translated() {
            response.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        }
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
    json_of(status, to_bytes(answer))
}

/// A document of this crate as JSON.
fn to_bytes<T: Serialize>(document: &T) -> Bytes {
    // They always serialize; an empty body would be refused by every client.
    Bytes::from(serde_json::to_vec(document).unwrap_or_default())
}

/// A body of JSON with the headers that every answer has.
fn json_of<B: From<Bytes>>(status: StatusCode, body: Bytes) -> Response<B> {
    let mut response = Response::new(B::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_the_same_in_the_language_that_it_names() {
        for language in Language::ALL {
            let reject = Reject::invalid("email");
            let response = reject.to_response::<Bytes>(UnixMillis(7), *language);
            assert_eq!(response.headers()[CONTENT_LANGUAGE], language.tag());
            let json: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(json["code"], "REQUEST.VALIDATION_FAILED", "codes are in no language");
            assert_eq!(json["message"], *language.invalid("email"));
            assert_eq!((&json["timestamp"], &json["success"]), (&7.into(), &false.into()));
        }
    }

    #[test]
    fn words_of_a_service_are_left_alone() {
        let reject = Reject::with_message(Code::NotFound, "No such order");
        for language in Language::ALL {
            assert_eq!(reject.message(*language), "No such order");
            let response = reject.to_response::<Bytes>(UnixMillis(0), *language);
            assert!(!response.headers().contains_key(CONTENT_LANGUAGE));
        }
    }

    #[test]
    fn why_the_server_refused_is_told_to_the_operator_and_not_to_the_peer() {
        for refusal in [Refusal::VersionHeader, Refusal::SessionUnknown, Refusal::KeyUnknown] {
            let reject = Reject::from(refusal);
            assert_eq!(reject.refusal(), Some(&refusal));
            let alike = Reject::new(reject.code()).to_response::<Bytes>(UnixMillis(7), Language::En);
            assert_eq!(reject.to_response::<Bytes>(UnixMillis(7), Language::En).body(), alike.body());
        }
        assert_eq!(Reject::new(Code::NotFound).refusal(), None);
    }
}
