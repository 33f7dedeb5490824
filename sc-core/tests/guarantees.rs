//! What holds whatever a caller does: types that may be shared, errors that stay small, output that shows nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use std::fmt::Debug;

use common::pair::{PROFILES, Pair, answer_with};
use common::{forgot, phone, rng};
use sc_core::channel::{Opener, Sealer};
use sc_core::client::{AwaitingFirst, AwaitingSession, Client, ProfileChoice, State};
use sc_core::error::{Error, KeyRefusal, Malformed, Misuse};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{SessionId, UnixMillis};
use sc_core::provider::{Aead, ProviderError};
use sc_core::replay::{ClaimVerdict, IvSet, IvSlot, Ledger, LedgerSlot, LedgerVerdict};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RustCrypto};
use sc_core::secret::{CandidateKeys, RequestKey, ResponseKey, SessionKeys, UnwrappedKey};
use sc_core::server::{Grant, InlineSetup, Opened, Received, Refusal, RequestHead, Responder, Server};
use sc_core::server::{SessionMessage, SessionRecord, SetupWay, UnclaimedFirst, UnclaimedMessage};
use sc_core::session::{Pending, Session};

const QUESTION: &[u8] = br#"{"email":"user@example.com"}"#;

#[test]
fn what_is_kept_may_be_shared_between_threads_and_what_is_under_way_may_move() {
    fn shared<T: Send + Sync>() {}
    shared::<Client<RustCrypto>>();
    shared::<Session<RustCrypto>>();
    shared::<Pending<'_, RustCrypto>>();
    shared::<AwaitingSession<RustCrypto>>();
    shared::<AwaitingFirst<'_, RustCrypto>>();
    shared::<Sealer<Aes256GcmKey>>();
    shared::<Opener<Aes256GcmKey>>();
    shared::<Server>();
    shared::<SessionRecord>();
    shared::<SessionKeys>();
    shared::<SessionMessage<'_>>();
    shared::<InlineSetup<'_>>();
    shared::<UnclaimedMessage<'_, '_, Aes256GcmKey>>();
    shared::<UnclaimedFirst<'_, '_, Aes256GcmKey>>();
    shared::<Opened<'_, '_, Aes256GcmKey>>();
    shared::<Responder<'_, Aes256GcmKey>>();
    shared::<IvSet<Vec<IvSlot>>>();
    shared::<Ledger<Vec<LedgerSlot>>>();
    shared::<RsaPrivateKey>();
    shared::<Error>();
    shared::<Refusal>();
}

#[test]
fn every_error_is_small_and_is_an_error() {
    fn check<E: std::error::Error + Copy + Send + Sync + 'static>(most: usize) {
        assert!(size_of::<E>() <= most, "{} bytes", size_of::<E>());
    }
    check::<Error>(32);
    check::<Malformed>(24);
    check::<Misuse>(24);
    check::<KeyRefusal>(24);
    check::<Refusal>(32);
    check::<sc_core::provider::ProviderError>(0);
}

#[test]
fn a_million_idle_sessions_stay_small() {
    // PROTOCOL 10.3: 250 bytes a session before its first message, as stored.
    let mut pair = Pair::new(1, ProfileChoice::RequireBound);
    let (request, _) = pair.client.begin(&mut pair.rng).unwrap();
    let created = pair.serve_endpoint(&request).unwrap();
    assert!(created.record.encode().as_ref().len() <= 250);
}

/// A plaintext in any form that Debug gives it.
fn assert_hides_the_question(shown: &str) {
    let list = format!("{QUESTION:?}");
    let list = list.trim_matches(['[', ']']);
    assert!(!shown.contains(list) && !shown.contains("user@example.com"), "{shown}");
    assert!(!shown.contains(&list[..20]), "{shown}");
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

#[test]
fn no_debug_output_of_a_server_shows_a_plaintext() {
    for profile in PROFILES {
        let mut pair = Pair::new(2, profile);
        let session = pair.set_up();
        let (mut body, _) = pair.ask(&session, forgot(), QUESTION);
        let id = *session.id();
        let head = RequestHead { session_id: Some(id.as_str()), version: None };
        let Ok(Received::Message(message)) = pair.server.receive(&head, &mut body) else { panic!("type 2") };
        let record = &pair.store[session.id()].record;
        let unclaimed = message.open::<Aes256GcmKey>(Some(record), &phone(), pair.now, forgot()).unwrap();
        assert_hides_the_question(&shown(&unclaimed));
        assert_hides_the_question(&shown(&unclaimed.settle(ClaimVerdict::New).unwrap()));

        let mut body = pair.first_envelope(QUESTION);
        let Ok(Received::Setup(setup)) = pair.server.receive(&RequestHead::default(), &mut body) else {
            panic!("type 1")
        };
        let keys = unwrap_keys(&pair.key.private, &mut rng(1), setup.wrapped(2048).unwrap());
        let unclaimed = setup.open::<Aes256GcmKey>(keys, phone(), forgot()).unwrap();
        assert_hides_the_question(&shown(&unclaimed));
        let grant = Grant { id: SessionId::draw(&mut rng(2)), expires_at: UnixMillis(1) };
        let (created, opened) = unclaimed.settle(LedgerVerdict::New, grant).unwrap();
        assert_hides_the_question(&shown(&opened));
        let keys = created.record.encode();
        let key = format!("{:?}", &keys.as_ref()[10..20]);
        assert!(!shown(&created).contains(key.trim_matches(['[', ']'])), "{created:?}");
    }
}

#[test]
fn no_debug_output_shows_a_key() {
    let (request, response) = (RequestKey::from_bytes([0xd7; 32]), ResponseKey::from_bytes([0xd8; 32]));
    let sealer = Sealer::<Aes256GcmKey>::for_responses(&response).unwrap();
    let opener = Opener::<Aes256GcmKey>::for_requests(&request).unwrap();
    let all = [shown(&request), shown(&response), shown(&sealer), shown(&opener)].concat()
        + &shown(&SessionKeys::new(request, response).unwrap())
        + &shown(&common::rsa_key(2048).private);
    assert!(!all.contains("215") && !all.contains("216") && !all.contains("d7"), "{all}");
}

#[test]
fn no_debug_output_of_a_client_shows_a_key_or_a_whole_session_id() {
    let mut pair = Pair::new(3, ProfileChoice::RequireBound);
    let mut replay = rng(99);
    pair.rng = rng(99);
    let keys: Vec<String> = (0..2)
        .map(|_| {
            let mut key = [0; 32];
            rand_core::Rng::fill_bytes(&mut replay, &mut key);
            format!("{:?}", &key[..4]).trim_matches(['[', ']']).to_owned()
        })
        .collect();
    let (request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
    let mut all = shown(&awaiting) + &shown(&request) + &shown(&pair.client);
    let created = pair.serve_endpoint(&request).unwrap();
    let answer = created.answer(None);
    let session = awaiting.accept(&answer, pair.now, pair.ticks).unwrap();
    let (_, pending) = pair.ask(&session, forgot(), QUESTION);
    all += &(shown(&session) + &shown(&pending) + &shown(&answer));
    assert!(!all.contains(session.id().as_str()), "{all}");
    assert!(keys.iter().all(|key| !all.contains(key.as_str())), "{all}");
}

#[test]
fn the_state_of_a_client_leads_through_its_life() {
    let mut pair = Pair::new(4, ProfileChoice::Plain);
    let mut fresh = Client::<RustCrypto>::new(sc_core::client::ClientOptions::default());
    assert_eq!(fresh.state(None, pair.ticks), State::NeedsKey);
    fresh.accept_key(&pair.document(), pair.ticks, 10_000_000).unwrap();
    assert_eq!(fresh.state(None, pair.ticks), State::NeedsSession);
    let session = pair.set_up();
    assert_eq!(fresh.state(Some(&session), pair.ticks), State::Ready);
    pair.talk(&session, QUESTION, b"done");
    pair.wait(common::pair::TTL_MS - 60_000);
    assert_eq!(fresh.state(Some(&session), pair.ticks), State::AboutToExpire);
    pair.talk(&session, QUESTION, b"still works");
    pair.wait(60_000);
    assert_eq!(fresh.state(Some(&session), pair.ticks), State::NeedsSession);
    let (mut body, _) = {
        // The server agrees, whatever a client thinks: this one's clock stands still.
        pair.ticks = sc_core::id::Ticks(pair.ticks.0 - 1);
        pair.ask(&session, forgot(), QUESTION)
    };
    assert_eq!(pair.serve(session.id(), forgot(), &mut body).map(drop), Err(Refusal::SessionExpired));
}

#[test]
fn sealing_in_place_gives_what_sealing_into_gives() {
    for profile in PROFILES {
        let mut pair = Pair::new(5, profile);
        let session = pair.set_up();
        let mut frame = [&[0; 16], QUESTION, &[0; 16]].concat();
        let pending = session.seal_in_place(&mut pair.rng, pair.ticks, forgot(), &mut frame).unwrap();
        let (opened, responder) = pair.serve(session.id(), forgot(), &mut frame).unwrap();
        assert_eq!(opened, QUESTION);
        let mut answer = [&[0xff; 16], b"done".as_slice(), &[0xff; 16]].concat();
        responder.seal_in_place(&mut pair.rng, &mut answer).unwrap();
        assert_eq!(pending.open(&mut answer).unwrap(), b"done");

        let (mut body, _) = pair.ask(&session, forgot(), QUESTION);
        let (_, responder) = pair.serve(session.id(), forgot(), &mut body).unwrap();
        assert_eq!(answer_with(&mut pair.rng, responder, b"").len(), 32, "an empty answer is legal");
    }
}

/// A provider that takes every tag: what a bug in one would be.
struct Lax;

impl Aead for Lax {
    fn expand(_: &[u8; 32]) -> Result<Self, ProviderError> {
        Ok(Self)
    }

    fn seal(&self, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        Ok([0; 16])
    }

    fn open(&self, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &[u8; 16]) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[test]
fn keys_that_did_not_unwrap_make_no_session_even_if_the_payload_seems_to_open() {
    let mut pair = Pair::new(6, ProfileChoice::Plain);
    let mut body = pair.first_envelope(QUESTION);
    let good = |byte| UnwrappedKey::from_result(Some(&[byte; 32]));
    for (one, two) in [
        (UnwrappedKey::from_result(None), good(1)),
        (good(1), UnwrappedKey::from_result(None)),
        (good(1), good(1)),
    ] {
        body[553..].fill(b'x');
        let Ok(Received::Setup(setup)) = pair.server.receive(&RequestHead::default(), &mut body) else {
            panic!("type 1")
        };
        let keys = CandidateKeys::combine(&mut rng(1), one, two);
        let refused = setup.open::<Lax>(keys, phone(), forgot()).map(drop);
        assert_eq!(refused, Err(Refusal::Exchange(SetupWay::Inline)));
        assert!(body[553 + 12..body.len() - 16].iter().all(|byte| *byte == 0), "wiped");
    }
}
