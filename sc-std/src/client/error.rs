//! Errors of the client, by what was going on: the set-up, the message on its way, or the server's own answer.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sc_core::code::Code;
use sc_core::error::{Error, KeyRefusal};

use crate::language::Language;

/// Why a call failed.
///
/// [`ClientError::may_have_executed`] says whether the server may have acted on the message. All variants are cheap
/// to clone, since one failed set-up is the answer to everybody who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No session could be set up. The message was not sent.
    #[error("no session: {0}")]
    SetUp(#[source] SetUpError),
    /// The message was sent once and refused by a plain answer, which proves nothing; then no new session could be set up to repeat
    /// it in, or it did not get through.
    #[error("the session was lost, and the message not repeated: {0}")]
    NotRepeated(#[source] SetUpError),
    /// The message or its answer did not get through.
    #[error("the message did not get through: {0}")]
    Transport(#[source] TransportError),
    /// The server answered, sealed, that there were too many requests.
    #[error("the server limits requests: {answer}")]
    RateLimited {
        /// When to try again; at most 300 s.
        retry_after: Option<Duration>,
        /// The answer.
        answer: Arc<ErrorAnswer>,
    },
    /// The server answered, sealed, that the message breaks its rules: [`ErrorAnswer::property`] says where.
    #[error("the server does not accept the message: {answer}")]
    Validation {
        /// The answer.
        answer: Arc<ErrorAnswer>,
    },
    /// The server answered, sealed, with another error.
    #[error("the server answered with an error: {answer}")]
    Server {
        /// The answer.
        answer: Arc<ErrorAnswer>,
    },
    /// A plain error answer. Nothing proves that it is the server's: whoever sits behind TLS can write one.
    #[error("refused by a plain answer: {answer}")]
    Refused {
        /// The answer.
        answer: Arc<ErrorAnswer>,
    },
    /// A plain answer that is not even an error answer. It is never data, whatever its status (PROTOCOL 5).
    #[error("a plain answer with status {status} to a sealed request")]
    Unprotected {
        /// The HTTP status.
        status: u16,
        /// When to try again, as a hint; at most 300 s.
        retry_after: Option<Duration>,
    },
    /// The session is gone, and the message must not be sent twice: it may have been executed (PROTOCOL 4.3).
    #[error("the session is gone ({answer}); the request may have been executed")]
    MaybeExecuted {
        /// The plain answer.
        answer: Arc<ErrorAnswer>,
    },
    /// A sealed answer that does not open, or that is of the wrong type.
    #[error("the answer does not open")]
    NotOpened,
    /// A sealed answer that opens, but that this client cannot read. Mostly its member `data` is missing or is not what the
    /// message's `Answer` says: [`ScClient::call_json`](super::ScClient::call_json) gives answers of another form. Else an
    /// error answer is not in the form of PROTOCOL 5, or a first answer does not name its session.
    #[error(
        "the answer, with status {status}, opens but cannot be read: its `data` is not what the message expects, or it is incomplete"
    )]
    Unreadable {
        /// The HTTP status.
        status: u16,
    },
    /// The message cannot be sent as it is: too long, not representable as JSON, or its path or name is none.
    #[error("the message cannot be sent: {0}")]
    Message(#[source] MessageError),
}

/// What is wrong with a message of ours.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It cannot be written as JSON.
    #[error("it cannot be written as JSON")]
    Json,
    /// Its path is not one: `/`, then what a URL may hold.
    #[error("its path is not a path")]
    Path,
    /// sc-core refuses it, for example because it is too long.
    #[error(transparent)]
    Core(Error),
}

/// Why no session could be set up.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// The request or its answer did not get through.
    #[error(transparent)]
    Transport(TransportError),
    /// The server refused.
    #[error("refused: {0}")]
    Refused(Arc<ErrorAnswer>),
    /// The server's public key is not taken: [`KeyRefusal`] says why, for example that it is not pinned.
    #[error("{0}")]
    KeyRefused(KeyRefusal),
    /// The answer is not what the protocol says.
    #[error("an answer with status {status} that is not the protocol's")]
    Answer {
        /// The HTTP status.
        status: u16,
        /// When to try again, as a hint; at most 300 s.
        retry_after: Option<Duration>,
    },
    /// sc-core refuses: a provider or a random source that fails, a profile that the server changed, sessions that
    /// end faster than they can be used.
    #[error(transparent)]
    Core(Error),
}

impl ClientError {
    /// Whether the server may have executed the message, so that sending it again could do it twice.
    ///
    /// A sealed refusal of the kinds rate limit and validation says for sure that it did not; so does a set-up that
    /// failed or a connection that was never there. A plain refusal proves nothing.
    #[must_use]
    pub const fn may_have_executed(&self) -> bool {
        match self {
            Self::SetUp(_) | Self::RateLimited { .. } | Self::Validation { .. } | Self::Message(_) => false,
            Self::Transport(error) => !matches!(error.kind, TransportErrorKind::Connect),
            Self::Server { .. }
            | Self::Refused { .. }
            | Self::Unprotected { .. }
            | Self::MaybeExecuted { .. }
            | Self::NotRepeated(_)
            | Self::NotOpened
            | Self::Unreadable { .. } => true,
        }
    }

    /// The server's error answer, if there is one.
    #[must_use]
    pub const fn answer(&self) -> Option<&Arc<ErrorAnswer>> {
        match self {
            Self::RateLimited { answer, .. }
            | Self::Validation { answer, .. }
            | Self::Server { answer }
            | Self::Refused { answer }
            | Self::MaybeExecuted { answer }
            | Self::SetUp(SetUpError::Refused(answer))
            | Self::NotRepeated(SetUpError::Refused(answer)) => Some(answer),
            _ => None,
        }
    }

    /// When to try again, if the server said so; at most 300 s, since nothing authenticates the header.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unprotected { retry_after, .. }
            | Self::SetUp(SetUpError::Answer { retry_after, .. })
            | Self::NotRepeated(SetUpError::Answer { retry_after, .. }) => *retry_after,
            other => other.answer().and_then(|answer| answer.retry_after),
        }
    }
}

/// An error answer, as a rule JSON of the form of PROTOCOL 5.
///
/// `Debug` and `Display` show status and code only: the text may hold what the user entered.
#[derive(Clone)]
pub struct ErrorAnswer {
    pub(crate) status: u16,
    pub(crate) sealed: bool,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) json: Vec<u8>,
}

impl ErrorAnswer {
    /// The HTTP status. Not authenticated.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether the answer came sealed; a plain one may be anybody's.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// The code as text; empty if the answer has another form than that of PROTOCOL 5, as handlers that exist may write it.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code, if this version knows it.
    #[must_use]
    pub fn known_code(&self) -> Option<Code> {
        Code::parse(&self.code)
    }

    /// The message for people; empty like the code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The property or header that is not valid, as a server of this project names it at the end of its message in any
    /// language. `None` if the answer is of another kind or in other words; the message itself may still say.
    #[must_use]
    pub fn property(&self) -> Option<&str> {
        let is_validation = self.known_code() == Some(Code::ValidationFailed);
        Language::named_in(&self.message).filter(|_| is_validation)
    }

    /// When to try again; at most 300 s.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The whole answer: JSON in the form of PROTOCOL 5, or whatever else a handler wrote.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known_code() {
            Some(code) => write!(f, "{} {code}", self.status),
            None if self.code.is_empty() => write!(f, "{} without a code", self.status),
            None => write!(f, "{} and a code of the service's own", self.status),
        }
    }
}

impl fmt::Debug for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorAnswer({self}, {})", if self.sealed { "sealed" } else { "plain" })
    }
}

/// What went wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection: nothing was sent.
    Connect,
    /// The time was over; the request may have arrived.
    Timeout,
    /// The answer is longer than the cap.
    TooLarge,
    /// Anything else; the request may have arrived.
    Other,
}

/// A request that did not get through, or an answer that did not come back.
#[derive(Debug, Clone)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// An error without a cause.
    #[must_use]
    pub const fn new(kind: TransportErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Adds the cause, which must not show payloads or header values.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Connect => "no connection to the server",
            TransportErrorKind::Timeout => "no answer in time",
            TransportErrorKind::TooLarge => "the answer is longer than the cap",
            TransportErrorKind::Other => "the connection failed",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| -> &(dyn StdError + 'static) { source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<ClientError>() <= 56, "{}", size_of::<ClientError>());
    }

    #[test]
    fn an_error_of_the_transport_leads_to_its_cause() {
        let bare = TransportError::new(TransportErrorKind::Connect);
        assert!(bare.source().is_none());
        let caused = bare.with_source(std::io::Error::other("as the test wants"));
        let error = ClientError::Transport(caused);
        let cause = error.source().and_then(StdError::source).unwrap();
        assert_eq!(cause.to_string(), "as the test wants");
    }

    fn answer(code: &str, message: &str) -> ErrorAnswer {
        ErrorAnswer {
            status: 400,
            sealed: true,
            code: code.into(),
            message: message.into(),
            retry_after: None,
            json: message.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_property_that_is_not_valid_is_found_in_every_language() {
        let property = |code: &str, message: &str| answer(code, message).property().map(str::to_owned);
        for language in Language::ALL {
            let said = |what: &str| property("REQUEST.VALIDATION_FAILED", &language.invalid(what));
            assert_eq!(said("email"), Some("email".to_owned()), "{language:?}");
            assert_eq!(said("X-Client-Hash"), Some("X-Client-Hash".to_owned()), "{language:?}");
            assert_eq!((said("the body is not UTF-8"), said("")), (None, None), "{language:?}");
            assert_eq!(property("REQUEST.RATE_LIMITED", &language.invalid("email")), None);
        }
        assert_eq!(property("REQUEST.VALIDATION_FAILED", "other words: email"), None);
    }

    #[test]
    fn the_text_of_an_answer_shows_nowhere_by_itself() {
        let answer = answer("a@b.example", "a@b.example");
        let error = ClientError::Server { answer: Arc::new(answer) };
        assert!(!format!("{error} {error:?}").contains("a@b"), "{error} {error:?}");
    }
}
