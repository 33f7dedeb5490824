//! Limits near their ends: messages, time, lengths.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use common::pair::{PROFILES, Pair, TTL_MS, answer_with};
use common::{forgot, rsa_key};
use sc_core::channel::IvMode;
use sc_core::client::{Client, ClientOptions, ProfileChoice, State};
use sc_core::document::{Profiles, PublicKeyDocument, ShortText};
use sc_core::error::{Error, KeyRefusal, Malformed, Misuse};
use sc_core::id::{KeyId, SessionId, Ticks, UnixMillis};
use sc_core::limits::{MAX_MESSAGES_PER_SESSION, OVERHEAD};
use sc_core::replay::{IvClaim, IvSet, IvSlot};
use sc_core::rustcrypto::{Aes256GcmKey, RustCrypto};
use sc_core::server::{Refusal, Server};
use sc_core::session::{Lifetime, Phase, Session};

const MINUTE: u64 = 60 * 1000;
const DAY: u64 = 24 * 60 * MINUTE;
/// 80 % of the messages.
const RENEWAL: u32 = 52_428;

fn seal(pair: &mut Pair, session: &Session<RustCrypto>) -> Result<(), Error> {
    session.seal_into(&mut pair.rng, pair.ticks, forgot(), b"", &mut [0; OVERHEAD]).map(drop)
}

/// A session that lives `end - said_at` milliseconds by the server's words.
fn session_of(
    end: u64,
    said_at: u64,
    idle_seconds: Option<u32>,
    start: Ticks,
) -> (Pair, Session<RustCrypto>) {
    let mut pair = Pair::new(1, ProfileChoice::Plain);
    pair.ticks = start;
    let (request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
    let created = pair.serve_endpoint(&request).unwrap();
    let mut answer = created.answer(idle_seconds);
    answer.expires_at = end;
    let session = awaiting.accept(&answer, UnixMillis(said_at), start).unwrap();
    (pair, session)
}

#[test]
fn a_client_sends_exactly_65536_messages_in_a_session_and_renews_at_80_percent() {
    for ivs in [IvMode::Random, IvMode::Counter] {
        let mut pair = Pair::with(1, ClientOptions::default().with_ivs(ivs), Server::default());
        // The first message of an inline session counts.
        for (session, before) in [(pair.set_up(), 0), (pair.set_up_inline(b"q", b"a"), 1)] {
            for sent in before..MAX_MESSAGES_PER_SESSION {
                let phase = if sent < RENEWAL { Phase::Ready } else { Phase::AboutToExpire };
                assert_eq!(session.phase(pair.ticks), phase, "{sent}");
                seal(&mut pair, &session).unwrap();
            }
            assert_eq!(session.phase(pair.ticks), Phase::Expired);
            for _ in 0..3 {
                assert_eq!(seal(&mut pair, &session), Err(Error::Exhausted));
            }
            assert_eq!(pair.client.state(Some(&session), pair.ticks), State::NeedsSession);
        }
    }
}

#[test]
fn a_server_opens_exactly_65536_messages_of_a_session() {
    let mut pair = Pair::new(2, ProfileChoice::RequireBound);
    let session = pair.set_up();
    let mut ivs = IvSet::new(vec![IvSlot::EMPTY; 80_000], &mut pair.rng);
    for number in 1..MAX_MESSAGES_PER_SESSION {
        let mut bytes = [0; IvClaim::LEN];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let _ = ivs.claim(&IvClaim::from_bytes(bytes));
    }
    pair.store.get_mut(session.id()).unwrap().ivs = ivs;
    let (last, _) = pair.ask(&session, forgot(), b"the last one");
    let (next, _) = pair.ask(&session, forgot(), b"one too many");
    assert_eq!(pair.serve(session.id(), forgot(), &mut last.clone()).unwrap().0, b"the last one");
    assert_eq!(pair.serve(session.id(), forgot(), &mut last.clone()).map(drop), Err(Refusal::Replayed));
    let mut body = next.clone();
    assert_eq!(pair.serve(session.id(), forgot(), &mut body).map(drop), Err(Refusal::MessageLimit));
    assert!(body[16..28].iter().all(|byte| *byte == 0), "the plaintext is wiped");
    let gone = pair.serve(session.id(), forgot(), &mut next.clone()).map(drop);
    assert_eq!(gone, Err(Refusal::SessionUnknown), "the session has ended");
}

#[test]
fn a_lifetime_is_believed_between_one_minute_and_one_day() {
    for (end, said_at, life) in [
        (0, 0, MINUTE),
        (0, u64::MAX, MINUTE),
        (1000, 5000, MINUTE),
        (59 * 1000, 0, MINUTE),
        (2 * MINUTE, 0, 2 * MINUTE),
        (DAY - 1, 0, DAY - 1),
        (DAY + 1, 0, DAY),
        (u64::MAX, 0, DAY),
        (u64::MAX, u64::MAX - 3 * MINUTE, 3 * MINUTE),
    ] {
        let (mut pair, session) = session_of(end, said_at, None, Ticks(500));
        seal(&mut pair, &session).unwrap();
        let margin = MINUTE.min(life / 10);
        for (age, phase) in [
            (0, Phase::Ready),
            (life - margin - 1, Phase::Ready),
            (life - margin, Phase::AboutToExpire),
            (life - 1, Phase::AboutToExpire),
            (life, Phase::Expired),
            (life + DAY, Phase::Expired),
        ] {
            assert_eq!(session.phase(Ticks(500 + age)), phase, "{end} {said_at} at {age}");
        }
        pair.ticks = Ticks(500 + life);
        assert_eq!(seal(&mut pair, &session), Err(Error::Expired));
    }
}

#[test]
fn a_lifetime_that_is_known_later_counts_from_the_start() {
    let (mut pair, session) = session_of(DAY, 0, None, Ticks(500));
    seal(&mut pair, &session).unwrap();
    let session = session.with_lifetime(Lifetime::new(UnixMillis(5 * MINUTE), UnixMillis(MINUTE), None));
    assert_eq!(session.phase(Ticks(500 + 4 * MINUTE - 1)), Phase::AboutToExpire);
    assert_eq!(session.phase(Ticks(500 + 4 * MINUTE)), Phase::Expired);
}

#[test]
fn an_idle_session_ends_and_every_message_keeps_it_alive() {
    let (mut pair, session) = session_of(DAY, 0, Some(120), Ticks(0));
    for _ in 0..50 {
        seal(&mut pair, &session).unwrap();
        assert_eq!(session.phase(Ticks(pair.ticks.0 + 107_999)), Phase::Ready);
        assert_eq!(session.phase(Ticks(pair.ticks.0 + 108_000)), Phase::AboutToExpire);
        assert_eq!(session.phase(Ticks(pair.ticks.0 + 120_000)), Phase::Expired);
        pair.wait(119_999);
    }
    pair.wait(1);
    assert_eq!(seal(&mut pair, &session), Err(Error::Expired));
}

#[test]
fn a_session_without_a_message_ends_after_five_minutes() {
    for idle in [None, Some(1800)] {
        let (mut pair, session) = session_of(DAY, 0, idle, Ticks(7));
        assert_eq!(session.phase(Ticks(7 + 5 * MINUTE - 30_001)), Phase::Ready);
        assert_eq!(session.phase(Ticks(7 + 5 * MINUTE - 30_000)), Phase::AboutToExpire);
        assert_eq!(session.phase(Ticks(7 + 5 * MINUTE)), Phase::Expired);
        seal(&mut pair, &session).unwrap();
        assert_eq!(session.phase(Ticks(7 + 6 * MINUTE)), Phase::Ready, "{idle:?}");
    }
    let (_, session) = session_of(DAY, 0, Some(60), Ticks(7));
    assert_eq!(session.phase(Ticks(7 + MINUTE)), Phase::Expired, "a shorter idle timeout counts too");
}

#[test]
fn an_idle_timeout_of_any_size_leaves_a_session_usable_at_first() {
    for seconds in [0, 1, 5, u32::MAX] {
        let (mut pair, session) = session_of(DAY, 0, Some(seconds), Ticks(0));
        assert_eq!(session.phase(pair.ticks), Phase::Ready, "{seconds}");
        seal(&mut pair, &session).unwrap();
    }
}

#[test]
fn a_clock_that_goes_backwards_ends_nothing_and_revives_nothing_that_was_sent() {
    let (mut pair, session) = session_of(10 * MINUTE, 0, Some(120), Ticks(100 * MINUTE));
    pair.ticks = Ticks(101 * MINUTE);
    seal(&mut pair, &session).unwrap();
    for earlier in [0, 99 * MINUTE, 100 * MINUTE] {
        pair.ticks = Ticks(earlier);
        assert_eq!(session.phase(pair.ticks), Phase::Ready);
        seal(&mut pair, &session).unwrap();
    }
    assert_eq!(session.phase(Ticks(103 * MINUTE - 1)), Phase::AboutToExpire, "the latest use counts");
    assert_eq!(session.phase(Ticks(103 * MINUTE)), Phase::Expired);
}

#[test]
fn the_end_of_time_is_the_end_and_nothing_overflows() {
    let (mut pair, session) = session_of(u64::MAX, 0, Some(u32::MAX), Ticks(u64::MAX - 1));
    pair.ticks = Ticks(u64::MAX);
    seal(&mut pair, &session).unwrap();
    assert_eq!(session.phase(Ticks(u64::MAX)), Phase::Ready);
    let (mut pair, session) = session_of(u64::MAX, 0, None, Ticks(0));
    pair.ticks = Ticks(u64::MAX);
    assert_eq!(seal(&mut pair, &session), Err(Error::Expired));
    assert_eq!(UnixMillis(u64::MAX).plus(1), UnixMillis(u64::MAX));
    assert_eq!(Ticks(1).since(Ticks(2)), 0);
    let lifetime = Lifetime::new(UnixMillis(u64::MAX), UnixMillis(0), Some(u32::MAX));
    assert_eq!(lifetime, Lifetime::new(UnixMillis(DAY), UnixMillis(0), Some(u32::MAX)));
}

#[test]
fn a_closed_session_seals_nothing_but_opens_what_is_under_way() {
    for profile in PROFILES {
        let mut pair = Pair::new(3, profile);
        let session = pair.set_up();
        let (mut body, pending) = pair.ask(&session, forgot(), b"question");
        session.close();
        session.close();
        assert_eq!(session.phase(pair.ticks), Phase::Closed);
        assert_eq!(seal(&mut pair, &session), Err(Error::Misuse(Misuse::Closed)));
        assert_eq!(pair.client.state(Some(&session), pair.ticks), State::NeedsSession);
        let (_, responder) = pair.serve(session.id(), forgot(), &mut body).unwrap();
        let mut answer = answer_with(&mut pair.rng, responder, b"done");
        assert_eq!(pending.open(&mut answer).unwrap(), b"done");
    }
}

#[test]
fn a_key_is_fresh_for_as_long_as_it_was_said() {
    let mut pair = Pair::new(4, ProfileChoice::Plain);
    let document = pair.document();
    for (fresh_ms, now, fresh) in [
        (0, 10, false),
        (5, 10, true),
        (5, 14, true),
        (5, 15, false),
        (5, 3, true),
        (u64::MAX, u64::MAX, true),
    ] {
        pair.client.accept_key(&document, Ticks(10), fresh_ms).unwrap();
        assert_eq!(pair.client.has_fresh_key(Ticks(now)), fresh, "{fresh_ms} {now}");
        let state = if fresh { State::NeedsSession } else { State::NeedsKey };
        assert_eq!(pair.client.state(None, Ticks(now)), state);
    }
    pair.client.forget_key();
    assert_eq!(pair.client.state(None, Ticks(0)), State::NeedsKey);
    assert_eq!(pair.client.begin(&mut pair.rng).map(drop), Err(Error::Misuse(Misuse::NoKey)));
    assert_eq!(pair.client.first_sealed_len(0), Err(Error::Misuse(Misuse::NoKey)));
}

#[test]
fn a_misused_buffer_costs_no_message() {
    let mut pair = Pair::new(5, ProfileChoice::BoundIfOffered);
    let session = pair.set_up();
    for len in [0, 1, 31, 34, 36, 100] {
        let refused =
            session.seal_into(&mut pair.rng, pair.ticks, forgot(), b"abc", &mut vec![0; len]).map(drop);
        assert_eq!(refused, Err(Error::Misuse(Misuse::BufferLength { needed: 35, given: len })));
    }
    for len in 0..32 {
        let refused = session.seal_in_place(&mut pair.rng, pair.ticks, forgot(), &mut vec![0; len]).map(drop);
        assert_eq!(refused, Err(Error::Misuse(Misuse::BufferLength { needed: 32, given: len })));
    }
    assert!(format!("{session:?}").contains("sent: 0"), "{session:?}");
    let needed = pair.client.first_sealed_len(3).unwrap();
    for given in [0, 10, needed - 1, needed + 1] {
        let refused =
            pair.client.begin_inline(&mut pair.rng, forgot(), b"abc", &mut vec![0; given]).map(drop);
        assert_eq!(refused, Err(Error::Misuse(Misuse::BufferLength { needed, given })));
    }
}

#[test]
fn the_longest_plaintext_passes_and_one_byte_more_does_not() {
    let options = ClientOptions::default().with_max_plaintext(1000);
    let mut pair = Pair::with(6, options, Server::default().with_max_plaintext(1000));
    let session = pair.set_up();
    pair.talk(&session, &[1; 1000], &[2; 1000]);
    let too_long = Error::Misuse(Misuse::PlaintextTooLong { len: 1001, max: 1000 });
    let mut frame = vec![0; 1001 + OVERHEAD];
    let refused = session.seal_into(&mut pair.rng, pair.ticks, forgot(), &[1; 1001], &mut frame).map(drop);
    assert_eq!(refused, Err(too_long));
    let refused = session.seal_in_place(&mut pair.rng, pair.ticks, forgot(), &mut frame).map(drop);
    assert_eq!(refused, Err(too_long));
    let refused = pair.client.begin_inline(&mut pair.rng, forgot(), &[1; 1001], &mut [0; 2000]).map(drop);
    assert_eq!(refused, Err(too_long));

    // One cap for all types: that of the plaintext and 1,316 bytes.
    let (len, max) = (2317, 2316);
    let refused = pair.serve(session.id(), forgot(), &mut vec![0; len]).map(drop);
    assert_eq!(refused, Err(Refusal::Malformed(Malformed::TooLong { len, max })));
    let (_, pending) = pair.ask(&session, forgot(), b"");
    assert_eq!(pending.open(&mut vec![0; len]), Err(Error::Malformed(Malformed::TooLong { len, max })));
}

#[test]
fn every_length_saturates() {
    use sc_core::{envelope, server, text};
    assert_eq!(Session::<RustCrypto>::sealed_len(usize::MAX), usize::MAX);
    assert_eq!(server::Responder::<Aes256GcmKey>::sealed_len(usize::MAX), usize::MAX);
    assert_eq!(envelope::exchange_head_len(usize::MAX, usize::MAX), usize::MAX);
    assert_eq!(envelope::exchange_head_len(32, 256), 553);
    assert_eq!(text::encoded_len(usize::MAX), usize::MAX);
    assert!(text::max_decoded_len(usize::MAX) > usize::MAX / 2);
    let pair = Pair::new(9, ProfileChoice::Plain);
    assert_eq!(pair.client.first_sealed_len(usize::MAX), Ok(usize::MAX));
    let unlimited = envelope::ParseOptions::default().with_max_plaintext(usize::MAX);
    assert!(envelope::Envelope::parse(&[b"SC\x02\x02".as_slice(), &[0; 28]].concat(), &unlimited).is_ok());
}

#[test]
fn a_key_document_that_contradicts_itself_is_refused_and_the_old_key_stays() {
    let mut pair = Pair::new(7, ProfileChoice::Plain);
    let good = pair.document();
    let refused = |client: &mut Client<RustCrypto>, change: &dyn Fn(&mut PublicKeyDocument)| {
        let mut document = good.clone();
        change(&mut document);
        client.accept_key(&document, Ticks(0), 1).unwrap_err()
    };
    for algorithm in
        ["RSA-OAEP-3072", "RSA-OAEP", "RSA-OAEP-", "RSA-OAEP-+2048", "RSA-OAEP-02048", "rsa-oaep-2048"]
    {
        let error =
            refused(&mut pair.client, &|document| document.algorithm = ShortText::new(algorithm).unwrap());
        assert_eq!(error, Error::KeyRefused(KeyRefusal::Algorithm), "{algorithm}");
    }
    let error = refused(&mut pair.client, &|document| document.key_size = 4096);
    assert_eq!(error, Error::KeyRefused(KeyRefusal::KeySize { said: 4096, is: 2048 }));
    let spki = &rsa_key(2048).spki;
    let longer = [spki.as_slice(), &[0]].concat();
    // The exponent stands last: 65,537, here made even, and made 1.
    let even = [&spki[..spki.len() - 1], &[0]].concat();
    let one = [&spki[..spki.len() - 5], &[2, 3, 0, 0, 1]].concat();
    // rsaEncryption, here made RSASSA-PSS, whose keys do not wrap.
    let at = spki.windows(9).position(|part| part == b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01").unwrap();
    let pss = [&spki[..at + 8], &[10], &spki[at + 9..]].concat();
    for spki in [&b""[..], b"not DER", &spki[1..], &longer, &even, &one, &pss] {
        let error = refused(&mut pair.client, &|document| {
            document.public_key = sc_core::base64::Base64Bytes::new(spki);
        });
        assert_eq!(error, Error::KeyRefused(KeyRefusal::NotRsa));
    }
    assert!(pair.client.begin(&mut pair.rng).is_ok(), "the key from before is kept");
    let session = pair.set_up();
    pair.talk(&session, b"question", b"answer");
}

#[test]
fn pins_and_a_required_profile_refuse_other_keys() {
    use sha2::{Digest, Sha256};
    let pin = |bits: usize| <[u8; 32]>::from(Sha256::digest(&rsa_key(bits).spki));
    let document = |bits: usize, profiles| {
        let key = rsa_key(bits);
        let size = u32::try_from(bits).unwrap();
        PublicKeyDocument::new(key.id.clone(), &key.spki, size, "", None, profiles).unwrap()
    };
    let options = ClientOptions::default().with_pin(pin(3072)).unwrap().with_pin(pin(4096)).unwrap();
    let mut client = Client::<RustCrypto>::new(options.with_profile(ProfileChoice::RequireBound));
    let mut accept = |document: &PublicKeyDocument| client.accept_key(document, Ticks(0), 1);
    let not_pinned = Err(Error::KeyRefused(KeyRefusal::NotPinned));
    assert_eq!(accept(&document(2048, Profiles::BOUND)), not_pinned);
    assert_eq!(accept(&document(3072, Profiles::BOUND)), Ok(()));
    assert_eq!(accept(&document(4096, Profiles::BOUND)), Ok(()));
    let not_offered = Err(Error::KeyRefused(KeyRefusal::BoundNotOffered));
    assert_eq!(accept(&document(4096, Profiles::PLAIN)), not_offered);
    let mut full = ClientOptions::default();
    for byte in 0..8 {
        full = full.with_pin([byte; 32]).unwrap();
    }
    assert_eq!(full.with_pin([9; 32]).map(drop), Err(Error::Exhausted));
}

#[test]
fn every_size_of_key_sets_up_both_ways() {
    for bits in [2048, 3072, 4096] {
        let mut pair = Pair::new(8, ProfileChoice::RequireBound);
        pair.key = rsa_key(bits);
        pair.client.accept_key(&pair.document(), pair.ticks, TTL_MS).unwrap();
        let session = pair.set_up();
        pair.talk(&session, b"question", b"answer");
        let session = pair.set_up_inline(b"first question", b"first answer");
        pair.talk(&session, b"question", b"answer");
    }
    assert!(KeyId::parse(&"k".repeat(255)).is_ok() && SessionId::parse("sess_").is_err());
}
