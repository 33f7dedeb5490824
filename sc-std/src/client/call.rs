//! One call: a session, a sealed request, its answer, and what to do when the server refuses (PROTOCOL 4.3, 5).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, Uri};
use sc_core::code::Code;
use sc_core::error::{Error, Misuse};
use sc_core::id::MessageName;
use sc_core::retry::{Attempts, Recovery, Refused, Repeatable};
use sc_core::session::Session;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tracing::debug;
use zeroize::Zeroizing;

use super::error::{ClientError, ErrorAnswer, MessageError, SetUpError, TransportError, TransportErrorKind};
use super::headers::{NewSession, said_at};
use super::sessions::{ClientProvider, Obtained, Sessions, SetUpRight};
use super::set_up::{code_of, doubts_the_key, ensure_key};
use super::wire::{PlainAnswer, Received, Verdict, Wire, Within};
use crate::rng::{System, SystemSeeded};

/// Most turns of one call: the first, one with a new session, one with a new key, and some for sessions that end
/// between being found and being used.
const MAX_TURNS: u8 = 6;

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Outgoing<'m> {
    pub(crate) uri: Uri,
    pub(crate) name: MessageName<'m>,
    pub(crate) headers: &'m HeaderMap,
    pub(crate) plaintext: &'m [u8],
}

/// What one turn of a call came to.
enum Turn {
    /// The opened answer of a success.
    Done(Zeroizing<Vec<u8>>),
    /// The session ended before the message was sent.
    Unsent,
    /// The message was refused in a way that is worth another try.
    Refused,
}

/// Sends one message and gives the opened answer, which is a success.
pub(crate) async fn exchange<P: ClientProvider>(
    wire: &Wire,
    sessions: &Sessions<P>,
    message: Outgoing<'_>,
    repeatable: Repeatable,
) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let mut attempts = Attempts::new(repeatable);
    // Once the message has been sent, a failure must not say that it was not.
    let mut no_session: fn(SetUpError) -> ClientError = ClientError::SetUp;
    let mut not_through: fn(TransportError) -> ClientError = ClientError::Transport;
    for _ in 0..MAX_TURNS {
        let turn = match sessions.obtain(wire, &mut attempts).await.map_err(no_session)? {
            Obtained::Session(session) => within(wire, sessions, &session, &message, &mut attempts).await,
            Obtained::First(right) => first(wire, right, &message, &mut attempts, no_session).await,
        };
        match turn {
            Ok(Turn::Done(answer)) => return Ok(answer),
            Ok(Turn::Unsent) => {}
            // What is not sent from now on may have been executed before: a plain refusal proves nothing.
            Ok(Turn::Refused) => {
                no_session = ClientError::NotRepeated;
                not_through = |error| ClientError::NotRepeated(SetUpError::Transport(error));
            }
            Err(ClientError::Transport(error)) => return Err(not_through(error)),
            Err(error) => return Err(error),
        }
    }
    // Sessions that end faster than they can be used.
    Err(no_session(SetUpError::Core(Error::Expired)))
}

/// Sends in a session, as a type 2 envelope.
async fn within<P: ClientProvider>(
    wire: &Wire,
    sessions: &Sessions<P>,
    session: &Arc<Session<P>>,
    message: &Outgoing<'_>,
    attempts: &mut Attempts,
) -> Result<Turn, ClientError> {
    let mut sealed = vec![0; Session::<P>::sealed_len(message.plaintext.len())];
    let now = sessions.now();
    let pending =
        match session.seal_into(&mut SystemSeeded, now, message.name, message.plaintext, &mut sealed) {
            Ok(pending) => pending,
            // It ended since it was found; nothing was sent.
            Err(Error::Expired | Error::Exhausted | Error::Misuse(Misuse::Closed)) => {
                sessions.drop_session(session);
                return Ok(Turn::Unsent);
            }
            Err(error) => return Err(ClientError::Message(MessageError::Core(error))),
        };
    let received = wire
        .sealed(message.uri.clone(), Within::Session(session.id()), message.headers, sealed)
        .await
        .map_err(ClientError::Transport)?;
    match received {
        Received::Sealed(parts, mut body) => {
            let opened = pending.open(&mut body).map_err(|_| ClientError::NotOpened)?;
            judge(&parts, opened, wire.max_answer).map(Turn::Done)
        }
        Received::Plain(plain) => {
            let answer = plain_refusal(plain)?;
            let code = code_of(&answer);
            if code == Code::SessionNotFound {
                sessions.drop_session(session);
            }
            let recovery = attempts.after(Refused::Message, code);
            debug!(%code, ?recovery, "a message was refused");
            recover(recovery, answer)
        }
    }
}

/// Sends with the keys, as a type 1 envelope, while everybody else waits for the session (PROTOCOL 4.2).
async fn first<P: ClientProvider>(
    wire: &Wire,
    mut right: SetUpRight<'_, P>,
    message: &Outgoing<'_>,
    attempts: &mut Attempts,
    no_session: fn(SetUpError) -> ClientError,
) -> Result<Turn, ClientError> {
    debug!(way = "inline", "setting up a session");
    let backoff = right.backoff();
    if let Err(error) = ensure_key(wire, &mut right.machine, right.sessions, backoff).await {
        right.fail(error.clone());
        return Err(no_session(error));
    }
    let refused_by_core = |error| ClientError::Message(MessageError::Core(error));
    let len = right.machine.first_sealed_len(message.plaintext.len()).map_err(refused_by_core)?;
    let mut sealed = vec![0; len];
    let awaiting = right
        .machine
        .begin_inline(&mut System, message.name, message.plaintext, &mut sealed)
        .map_err(refused_by_core)?;
    // The session is at least as old as the request for it.
    let asked_at = right.sessions.now();
    let received = match wire.sealed(message.uri.clone(), Within::First, message.headers, sealed).await {
        Ok(received) => received,
        Err(error) => {
            right.fail(SetUpError::Transport(error.clone()));
            return Err(ClientError::Transport(error));
        }
    };
    match received {
        Received::Sealed(parts, mut body) => {
            let status = parts.status.as_u16();
            let new = NewSession::of(&parts.headers).ok_or(ClientError::Unreadable { status })?;
            // Before the answer opens: one that does not is what somebody will want to look into.
            #[cfg(feature = "danger-key-log")]
            right.sessions.log_keys(&new.id, &awaiting.keys_for_log());
            let until_opened = new.lifetime(said_at(&parts.headers));
            let (session, opened) = awaiting
                .open(new.id, until_opened, asked_at, &mut body)
                .map_err(|_| ClientError::NotOpened)?;
            // The answer's own clock is authentic, now that it has opened.
            right.succeed(match Verdict::read(opened).and_then(|verdict| verdict.said_at()) {
                Some(said_at) => session.with_lifetime(new.lifetime(said_at)),
                None => session,
            });
            judge(&parts, opened, wire.max_answer).map(Turn::Done)
        }
        Received::Plain(plain) => {
            let answer = plain_refusal(plain)?;
            let code = code_of(&answer);
            let recovery = attempts.after(Refused::First, code);
            debug!(%code, ?recovery, "the first message was refused");
            if doubts_the_key(code) {
                right.machine.forget_key();
            } else if concerns_everybody(code) {
                right.fail(SetUpError::Refused(Arc::clone(&answer)));
            }
            recover(recovery, answer)
        }
    }
}

/// Whether a refusal of the first message says something about the set-up, not only about this message: then all
/// who wait for the session share it, instead of asking one after the other.
const fn concerns_everybody(code: Code) -> bool {
    matches!(code, Code::Busy | Code::RateLimited | Code::PermissionDenied | Code::InternalError)
}

/// The error answer in a plain answer, or the error that a plain answer is.
fn plain_refusal(plain: PlainAnswer) -> Result<Arc<ErrorAnswer>, ClientError> {
    match plain {
        PlainAnswer::Error(answer) => Ok(answer),
        PlainAnswer::Other { status, retry_after } => Err(ClientError::Unprotected { status, retry_after }),
    }
}

fn recover(recovery: Recovery, answer: Arc<ErrorAnswer>) -> Result<Turn, ClientError> {
    match recovery {
        Recovery::NewSession | Recovery::NewKey => Ok(Turn::Refused),
        Recovery::MaybeExecuted => Err(ClientError::MaybeExecuted { answer }),
        Recovery::GiveUp => Err(ClientError::Refused { answer }),
    }
}

/// Tells success from error in an opened answer. The JSON decides, since nothing authenticates the HTTP status.
fn judge(parts: &Parts, opened: &[u8], longest: usize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let status = parts.status.as_u16();
    // The form in which 204, 205 and 304 arrive (PROTOCOL 10.9).
    if opened.is_empty() && parts.status.is_success() {
        return Ok(Zeroizing::new(Vec::new()));
    }
    let verdict = match Verdict::read(opened) {
        Some(verdict) => verdict,
        // One that has a part of this form is broken.
        None if says_whether_success(opened) => return Err(ClientError::Unreadable { status }),
        // One of another form is for who knows it: of a handler, or of what stands between it and the channel.
        None if parts.status.is_success() => return success(opened, longest),
        None => Verdict::foreign_error(),
    };
    if verdict.success {
        return success(opened, longest);
    }
    let answer = Arc::new(verdict.into_answer(parts.status, &parts.headers, true, opened));
    Err(match answer.known_code() {
        Some(Code::RateLimited) => ClientError::RateLimited { retry_after: answer.retry_after(), answer },
        Some(Code::ValidationFailed) => ClientError::Validation { answer },
        _ => ClientError::Server { answer },
    })
}

/// A success, if it is not too long. A refusal may be longer: it would not be understood otherwise.
fn success(opened: &[u8], longest: usize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    if opened.len() > longest {
        return Err(ClientError::Transport(TransportError::new(TransportErrorKind::TooLarge)));
    }
    Ok(Zeroizing::new(opened.to_vec()))
}

/// Whether an answer has the member that tells success from error, well-formed or not.
fn says_whether_success(opened: &[u8]) -> bool {
    let members: Option<HashMap<Cow<'_, str>, IgnoredAny>> = serde_json::from_slice(opened).ok();
    members.is_some_and(|members| members.contains_key("success"))
}

/// `data` of an opened success in the form of PROTOCOL 5. No body, no `data` and `null` are the same.
pub(crate) fn data<T: DeserializeOwned>(opened: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Opened<T> {
        // Without it the answer is of another form, and what it is no one can tell here.
        #[serde(rename = "success")]
        _success: bool,
        #[serde(default = "Option::default")]
        data: Option<T>,
    }
    let read = match opened {
        [] => Ok(None),
        json => serde_json::from_slice::<Opened<T>>(json).map(|opened| opened.data),
    };
    let read = read.and_then(|data| data.map_or_else(|| serde_json::from_str("null"), Ok));
    // Where, but not what: the error's text repeats values.
    read.inspect_err(|error| {
        let (line, column, expected) = (error.line(), error.column(), std::any::type_name::<T>());
        debug!(line, column, expected, "the answer's data is not of the type that the message expects");
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_data_is_null() {
        for json in ["", r#"{"success":true}"#, r#"{"success":true,"data":null}"#] {
            assert_eq!(data::<()>(json.as_bytes()), Some(()), "{json}");
            assert_eq!(data::<u8>(json.as_bytes()), None, "{json}");
            assert_eq!(data::<Option<u8>>(json.as_bytes()), Some(None), "{json}");
        }
        assert_eq!(data::<u8>(br#"{"success":true,"data":7,"more":1}"#), Some(7));
        assert_eq!(data::<u8>(br#"{"success":true,"data":"7"}"#), None);
    }

    #[test]
    fn an_answer_of_another_form_has_no_data_not_even_null() {
        for json in ["{}", r#"{"data":null}"#, "null", "7", "text"] {
            assert_eq!(data::<()>(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn only_a_member_of_the_object_itself_says_whether_it_is_a_success() {
        for json in [r#"{"success":1}"#, r#"{"\u0073uccess":null}"#, r#"{"success":true,"success":false}"#] {
            assert!(says_whether_success(json.as_bytes()), "{json}");
        }
        for json in ["", "success", r#"["success"]"#, r#"{"hello":{"success":true}}"#, r#"{"success":"#] {
            assert!(!says_whether_success(json.as_bytes()), "{json}");
        }
    }
}
