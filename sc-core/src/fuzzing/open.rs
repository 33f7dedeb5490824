//! Envelopes that were sealed under real keys and changed on the way: only the original opens, in all three types.

use std::vec;
use std::vec::Vec;

use super::{Clear, Count, Input, client_with, device, is_wiped, key_id, mutate, name, profile};
use crate::document::SessionRequest;
use crate::envelope::{Layout, ParseOptions, Profile};
use crate::error::Error;
use crate::exchange::unwrap_keys;
use crate::id::{SessionId, Ticks, UnixMillis};
use crate::limits::HEADER_LEN;
use crate::replay::{ClaimVerdict, LedgerVerdict};
use crate::rustcrypto::Aes256GcmKey;
use crate::server::{Grant, NewSession, Received, Refusal, RequestHead, Server, SetupWay};

fn grant() -> Grant {
    Grant { id: SessionId::from_raw([7; 24]), expires_at: UnixMillis(100_000) }
}

/// One envelope, changed as the input says.
///
/// # Panics
/// If anything but the original opens, or a failed open leaves more than zeroes.
pub fn open(data: &[u8]) {
    let (mut input, rng) = (Input(data), &mut Count::of(data));
    let (bound, kind) = (input.flag(), input.byte() % 3);
    let text: Vec<u8> = (1..=input.byte()).collect();
    match kind {
        0 => first_request(rng, bound, &text, &mut input),
        1 => request(rng, bound, &text, &mut input),
        _ => answer(rng, bound, &text, &mut input),
    }
}

fn first_request(rng: &mut Count, bound: bool, text: &[u8], input: &mut Input<'_>) {
    let client = client_with(profile(bound));
    let mut body = vec![0; client.first_sealed_len(text.len()).expect("has a key")];
    let _ = client.begin_inline(rng, name(), text, &mut body).expect("fits");
    let original = body.clone();
    mutate(&mut body, input);
    let before = body.clone();
    match serve_first(rng, &mut body) {
        Ok(opened) => assert!(before == original && opened == text, "another envelope opens"),
        Err(Refusal::Exchange(SetupWay::Inline)) => {
            let layout = Layout::parse(&before, &ParseOptions::default()).expect("was an envelope");
            assert!(before != original, "the original does not open");
            assert!(is_wiped(&body, layout.iv_at) && body.get(..layout.iv_at) == before.get(..layout.iv_at));
        }
        Err(_) => assert!(before != original && before == body, "touched, or the original is refused"),
    }
}

fn serve_first(rng: &mut Count, body: &mut [u8]) -> Result<Vec<u8>, Refusal> {
    let Received::Setup(setup) = Server::default().receive(&RequestHead::default(), body)? else {
        return Err(Refusal::UnexpectedType);
    };
    if setup.key_id() != key_id().as_str() {
        return Err(Refusal::KeyUnknown);
    }
    let keys = unwrap_keys(&Clear, rng, setup.wrapped(2048)?);
    let unclaimed = setup.open::<Aes256GcmKey>(keys, device(0), name())?;
    let (_, opened) = unclaimed.settle(LedgerVerdict::New, grant())?;
    Ok(opened.plaintext.to_vec())
}

fn set_up(rng: &mut Count, request: &SessionRequest) -> NewSession {
    let server = Server::default();
    let setup = server.set_up(request).expect("both profiles are taken");
    let wrapped = setup.wrapped(2048).expect("of the right length");
    let keys = unwrap_keys(&Clear, rng, wrapped);
    let unclaimed = setup.accept(wrapped, keys, device(0)).expect("both unwrap");
    unclaimed.settle(LedgerVerdict::New, grant()).expect("new")
}

fn request(rng: &mut Count, bound: bool, text: &[u8], input: &mut Input<'_>) {
    exchange(rng, bound, text, |original| {
        let mut changed = original.to_vec();
        mutate(&mut changed, input);
        (changed, None)
    });
}

fn answer(rng: &mut Count, bound: bool, text: &[u8], input: &mut Input<'_>) {
    exchange(rng, bound, text, |original| (original.to_vec(), Some(input)));
}

/// A request, changed on its way, and, where there is an input for it, its answer, changed on its way.
fn exchange<'i, 'd: 'i>(
    rng: &mut Count,
    bound: bool,
    text: &[u8],
    change: impl FnOnce(&[u8]) -> (Vec<u8>, Option<&'i mut Input<'d>>),
) {
    let client = client_with(profile(bound));
    let (request, awaiting) = client.begin(rng).expect("has a key");
    let created = set_up(rng, &request);
    assert_eq!(created.record.profile() == Profile::Bound, bound);
    let session = awaiting.accept(&created.answer(None), UnixMillis(0), Ticks(0)).expect("same profile");
    let mut original = vec![0; text.len().saturating_add(32)];
    let pending = session.seal_into(rng, Ticks(0), name(), text, &mut original).expect("fits");
    let (before, for_answer) = change(&original);

    let (mut body, id) = (before.clone(), *session.id());
    let head = RequestHead { session_id: Some(id.as_str()), version: None };
    let message = match Server::default().receive(&head, &mut body) {
        Ok(Received::Message(message)) => message,
        Ok(Received::Setup(_)) => unreachable!("refused with a session header"),
        Err(_) => {
            assert!(before != original && before == body);
            return;
        }
    };
    let opened = message.open::<Aes256GcmKey>(Some(&created.record), &device(0), UnixMillis(1), name());
    let opened = match opened.map(|unclaimed| unclaimed.settle(ClaimVerdict::New)) {
        Ok(opened) => opened.expect("new"),
        Err(refusal) => {
            assert!(before != original && refusal == Refusal::NotOpened && is_wiped(&body, HEADER_LEN));
            return;
        }
    };
    assert!(before == original && opened.plaintext == text, "another request opens");

    let mut answer = vec![0; text.len().saturating_add(32)];
    opened.responder.seal_into(rng, text, &mut answer).expect("fits");
    let (original, before) = (answer.clone(), {
        if let Some(input) = for_answer {
            mutate(&mut answer, input);
        }
        answer.clone()
    });
    match pending.open(&mut answer) {
        Ok(opened) => assert!(before == original && opened == text, "another answer opens"),
        Err(Error::Rejected) => {
            let layout = Layout::parse(&before, &ParseOptions::default()).expect("was an envelope");
            assert!(before != original && is_wiped(&answer, layout.iv_at));
        }
        Err(error) => assert!(before != original && before == answer, "{error:?}"),
    }
}
