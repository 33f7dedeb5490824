//! One set-up by the session endpoint: public key, wrapped keys, session (PROTOCOL 4.1).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use sc_core::client::Client;
use sc_core::code::Code;
use sc_core::document::{PublicKeyDocument, ReceivedAnswer, SessionAnswer};
use sc_core::error::Error;
use sc_core::id::UnixMillis;
use sc_core::retry::{Attempts, Recovery, Refused};
use sc_core::session::Session;
use serde::de::DeserializeOwned;
use tracing::debug;

use super::backoff::{Backoff, BackoffRule};
use super::error::{ErrorAnswer, SetUpError, TransportError, TransportErrorKind};
use super::headers::{fresh_ms, retry_after, said_at};
use super::sessions::{ClientProvider, Sessions};
use super::wire::{PlainAnswer, Wire};
use crate::rng::System;

/// Sets up a session; tries again as far as the rule and the protocol allow. Each attempt draws and wraps new keys.
pub(crate) async fn set_up<P: ClientProvider>(
    wire: &Wire,
    machine: &mut Client<P>,
    sessions: &Sessions<P>,
    attempts: &mut Attempts,
    rule: BackoffRule,
) -> Result<Session<P>, SetUpError> {
    let mut backoff = Backoff::new(rule);
    loop {
        let error = match try_set_up(wire, machine, sessions).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        if let SetUpError::Refused(answer) = &error {
            let code = code_of(answer);
            if doubts_the_key(code) {
                machine.forget_key();
            }
            if attempts.after(Refused::SetUp, code) == Recovery::NewKey {
                debug!(reason = "unknown key id", "fetching the public key again");
                continue;
            }
        }
        pause(&mut backoff, error).await?;
    }
}

/// Fetches the public key unless the one at hand is fresh; tries again as far as the rule allows.
pub(crate) async fn ensure_key<P: ClientProvider>(
    wire: &Wire,
    machine: &mut Client<P>,
    sessions: &Sessions<P>,
    rule: BackoffRule,
) -> Result<(), SetUpError> {
    let mut backoff = Backoff::new(rule);
    while let Err(error) = try_key(wire, machine, sessions).await {
        pause(&mut backoff, error).await?;
    }
    Ok(())
}

/// Waits before the next attempt, or gives the error back if there is none.
async fn pause(backoff: &mut Backoff, error: SetUpError) -> Result<(), SetUpError> {
    let wait = if is_passing(&error) { backoff.next(retry_hint(&error)) } else { None };
    let wait = wait.ok_or(error.clone())?;
    debug!(%error, wait_ms = wait.as_millis(), "another attempt at the set-up");
    tokio::time::sleep(wait).await;
    Ok(())
}

async fn try_key<P: ClientProvider>(
    wire: &Wire,
    machine: &mut Client<P>,
    sessions: &Sessions<P>,
) -> Result<(), SetUpError> {
    if machine.has_fresh_key(sessions.now()) {
        return Ok(());
    }
    debug!("fetching the public key");
    let asked_at = sessions.now();
    let response = wire.public_key().await.map_err(SetUpError::Transport)?;
    let answer: ReceivedAnswer<PublicKeyDocument> = read(&response)?;
    let document = answer.data.ok_or_else(|| not_ours(&response))?;
    let fresh_ms = fresh_ms(response.headers());
    machine.accept_key(&document, asked_at, fresh_ms).map_err(|error| match error {
        Error::KeyRefused(reason) => SetUpError::KeyRefused(reason),
        other => SetUpError::Core(other),
    })
}

async fn try_set_up<P: ClientProvider>(
    wire: &Wire,
    machine: &mut Client<P>,
    sessions: &Sessions<P>,
) -> Result<Session<P>, SetUpError> {
    try_key(wire, machine, sessions).await?;
    let (request, awaiting) = machine.begin(&mut System).map_err(SetUpError::Core)?;
    let body = serde_json::to_vec(&request).map_err(|error| {
        SetUpError::Transport(TransportError::new(TransportErrorKind::Other).with_source(error))
    })?;
    // The session is at least as old as the request for it.
    let asked_at = sessions.now();
    let response = wire.session(body).await.map_err(SetUpError::Transport)?;
    let answer: ReceivedAnswer<SessionAnswer> = read(&response)?;
    let said_at = answer.timestamp.map_or_else(|| said_at(response.headers()), UnixMillis);
    let session = answer.data.ok_or_else(|| not_ours(&response))?;
    let session = awaiting.accept(&session, said_at, asked_at).map_err(SetUpError::Core)?;
    #[cfg(feature = "danger-key-log")]
    sessions.log_keys(session.id(), &session.keys_for_log());
    Ok(session)
}

/// Reads a plain document: a success with the status of one, or an error.
fn read<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<ReceivedAnswer<T>, SetUpError> {
    if response.status().is_success() {
        return serde_json::from_slice(response.body())
            .ok()
            .filter(|answer: &ReceivedAnswer<T>| answer.success)
            .ok_or_else(|| not_ours(response));
    }
    Err(match PlainAnswer::read(response.status(), response.headers(), response.body()) {
        PlainAnswer::Error(answer) => SetUpError::Refused(answer),
        PlainAnswer::Other { .. } => not_ours(response),
    })
}

fn not_ours(response: &Response<Bytes>) -> SetUpError {
    SetUpError::Answer { status: response.status().as_u16(), retry_after: retry_after(response.headers()) }
}

/// Whether the public key at hand may be why a set-up was refused: gone by now, or damaged when it was fetched. The next
/// set-up then fetches it anew, instead of failing until the key is stale. Keys that do not unwrap are KEY_EXCHANGE_FAILED at
/// the endpoint and INVALID_PAYLOAD inline, keys of another length VALIDATION_FAILED.
pub(crate) const fn doubts_the_key(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidKeyId | Code::KeyExchangeFailed | Code::InvalidPayload | Code::ValidationFailed
    )
}

/// The code of an answer; one that we do not know is an error without more to it.
pub(crate) fn code_of(answer: &Arc<ErrorAnswer>) -> Code {
    answer.known_code().unwrap_or(Code::InternalError)
}

/// Whether the same may succeed a little later.
fn is_passing(error: &SetUpError) -> bool {
    match error {
        SetUpError::Transport(error) => error.kind() != TransportErrorKind::TooLarge,
        SetUpError::Refused(answer) => {
            matches!(answer.known_code(), Some(Code::Busy | Code::RateLimited | Code::InternalError))
        }
        SetUpError::Answer { status, .. } => matches!(status, 429 | 500 | 502..=504),
        SetUpError::KeyRefused(_) | SetUpError::Core(_) => false,
    }
}

fn retry_hint(error: &SetUpError) -> Option<Duration> {
    match error {
        SetUpError::Refused(answer) => answer.retry_after(),
        SetUpError::Answer { retry_after, .. } => *retry_after,
        SetUpError::Transport(_) | SetUpError::KeyRefused(_) | SetUpError::Core(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_doubted_only_after_what_a_wrong_key_causes() {
        let doubted: Vec<_> = Code::ALL.iter().copied().filter(|code| doubts_the_key(*code)).collect();
        let causes =
            [Code::ValidationFailed, Code::InvalidPayload, Code::InvalidKeyId, Code::KeyExchangeFailed];
        assert_eq!(doubted, causes);
    }

    #[test]
    fn an_answer_that_is_too_large_is_not_asked_for_again() {
        let passes = |kind| is_passing(&SetUpError::Transport(TransportError::new(kind)));
        assert!(passes(TransportErrorKind::Timeout) && !passes(TransportErrorKind::TooLarge));
    }
}
