//! Every flipped bit, every cut and every added byte is refused, leaves no plaintext behind, and moves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use common::pair::{PROFILES, Pair, answer_with};
use common::{forgot, phone, rng};
use rand_core::{CryptoRng, Rng as _};
use sc_core::client::ProfileChoice;
use sc_core::envelope::{Envelope, ParseOptions};
use sc_core::error::{Error, Malformed};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{SessionId, UnixMillis};
use sc_core::provider::KeyUnwrap;
use sc_core::replay::LedgerVerdict;
use sc_core::rustcrypto::{Aes256GcmKey, RustCrypto};
use sc_core::secret::UnwrappedKey;
use sc_core::server::{Grant, Received, Refusal, RequestHead, SetupWay};
use sc_core::session::Session;

const QUESTION: &[u8] = br#"{"email":"user@example.com"}"#;

/// An unwrapping that knows two wrapped keys and refuses all others, as RSA-OAEP does, in no time: a sweep over
/// every bit with real RSA would take minutes. A sample of it runs with the real one below.
struct KnownKeys([(Vec<u8>, [u8; 32]); 2]);

impl KeyUnwrap for KnownKeys {
    fn modulus_bits(&self) -> usize {
        2048
    }

    fn unwrap_key<R: CryptoRng + ?Sized>(&self, _: &mut R, wrapped: &[u8]) -> UnwrappedKey {
        let known = self.0.iter().find(|(known, _)| known == wrapped);
        UnwrappedKey::from_result(known.map(|(_, key)| key.as_slice()))
    }
}

/// A first request, and the keys in it.
fn first_request(pair: &mut Pair) -> (Vec<u8>, KnownKeys) {
    // The client draws both keys before all else.
    pair.rng = rng(77);
    let mut replay = rng(77);
    let mut keys = [[0; 32]; 2];
    keys.iter_mut().for_each(|key| replay.fill_bytes(key));
    let body = pair.first_envelope(QUESTION);
    let Ok(Envelope::KeyExchange(exchange, _)) = Envelope::parse(&body, &ParseOptions::default()) else {
        panic!("not type 1")
    };
    let wrapped = [exchange.encrypted_request_key().to_vec(), exchange.encrypted_response_key().to_vec()];
    let [request, response] = wrapped;
    let known = KnownKeys([(request, keys[0]), (response, keys[1])]);
    (body, known)
}

fn serve_first<U: KeyUnwrap>(pair: &mut Pair, key: &U, body: &mut [u8]) -> Result<Vec<u8>, Refusal> {
    let Received::Setup(setup) = pair.server.receive(&RequestHead::default(), body)? else {
        panic!("type 2 without a session header is refused before")
    };
    if setup.key_id() != pair.key.id.as_str() {
        return Err(Refusal::KeyUnknown);
    }
    let keys = unwrap_keys(key, &mut pair.rng, setup.wrapped(2048)?);
    let unclaimed = setup.open::<Aes256GcmKey>(keys, phone(), forgot())?;
    let grant = Grant { id: SessionId::draw(&mut pair.rng), expires_at: UnixMillis(1) };
    let (_, opened) = unclaimed.settle(LedgerVerdict::New, grant)?;
    Ok(opened.plaintext.to_vec())
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn is_wiped(body: &[u8], sealed_at: usize) -> bool {
    body[sealed_at..].iter().all(|byte| *byte == 0)
}

/// Sealed payloads of these tests are this long.
const SEALED: usize = 12 + QUESTION.len() + 16;

fn assert_first_refused(refused: &Refusal, before: &[u8], after: &[u8], what: &str) {
    match refused {
        Refusal::Exchange(SetupWay::Inline) => {
            let Ok(Envelope::KeyExchange(exchange, _)) = Envelope::parse(before, &ParseOptions::default())
            else {
                panic!("{what} opened something else")
            };
            assert!(is_wiped(after, exchange.head().len()), "{what}: not wiped");
        }
        Refusal::Malformed(_) | Refusal::UnexpectedType | Refusal::KeyUnknown => {
            assert!(before == after, "{what}: a body that is not opened is not touched");
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// What a flipped bit of a type 1 envelope must lead to, by where it is.
fn expected_of_first(byte: usize, refused: &Refusal) -> bool {
    match byte {
        0 | 1 => *refused == Refusal::Malformed(Malformed::Magic),
        // Another profile, or an unknown version.
        2 => {
            matches!(refused, Refusal::Malformed(Malformed::Version(_)) | Refusal::Exchange(SetupWay::Inline))
        }
        3 => matches!(
            refused,
            Refusal::Malformed(Malformed::Type(_) | Malformed::Version(_)) | Refusal::UnexpectedType
        ),
        4 | 37 | 38 | 295 | 296 => matches!(refused, Refusal::Malformed(_)),
        5..37 => {
            matches!(refused, Refusal::KeyUnknown | Refusal::Malformed(Malformed::KeyIdCharacter { .. }))
        }
        _ => *refused == Refusal::Exchange(SetupWay::Inline),
    }
}

#[test]
fn every_flipped_bit_of_a_first_request_is_refused_and_moves_nothing() {
    for profile in PROFILES {
        let mut pair = Pair::new(1, profile);
        let (body, keys) = first_request(&mut pair);
        assert_eq!(body.len(), 553 + SEALED);
        for bit in 0..body.len() * 8 {
            let (before, what) =
                (flipped(&body, bit), format!("{profile:?}, bit {} of byte {}", bit % 8, bit / 8));
            let mut after = before.clone();
            let refused = serve_first(&mut pair, &keys, &mut after).expect_err(&what);
            assert!(expected_of_first(bit / 8, &refused), "{what}: {refused:?}");
            assert_first_refused(&refused, &before, &after, &what);
        }
        assert_eq!(serve_first(&mut pair, &keys, &mut body.clone()).unwrap(), QUESTION);
        assert!(pair.ledger.is_empty() && pair.store.is_empty());
    }
}

#[test]
fn with_real_rsa_a_flipped_bit_in_each_eighth_byte_is_refused_and_the_ledger_stays_empty() {
    for profile in PROFILES {
        let mut pair = Pair::new(2, profile);
        let body = pair.first_envelope(QUESTION);
        for byte in (39..body.len()).step_by(8) {
            let mut bad = flipped(&body, byte * 8 + byte % 7);
            // A high bit of a wrapped key may carry it over the modulus, which the same error covers.
            let refused = pair.serve_first(forgot(), &mut bad).map(drop);
            let lengths = [295, 296].contains(&byte);
            assert!(lengths || refused == Err(Refusal::Exchange(SetupWay::Inline)), "{byte}: {refused:?}");
        }
        assert!(pair.ledger.is_empty() && pair.store.is_empty(), "strangers do not fill the ledger");
        assert_eq!(pair.serve_first(forgot(), &mut body.clone()).unwrap().0, QUESTION);
        assert_eq!((pair.ledger.len(), pair.store.len()), (2, 1));
    }
}

#[test]
fn a_first_request_is_refused_at_every_other_length() {
    for profile in PROFILES {
        let mut pair = Pair::new(3, profile);
        let (body, keys) = first_request(&mut pair);
        let mut longer = body.clone();
        longer.push(0);
        let cuts = (0..body.len()).map(|len| body[..len].to_vec());
        for before in cuts.chain([longer]) {
            let (len, mut after) = (before.len(), before.clone());
            let refused = serve_first(&mut pair, &keys, &mut after).unwrap_err();
            assert_first_refused(&refused, &before, &after, &format!("{len} bytes"));
            let malformed = matches!(refused, Refusal::Malformed(_));
            assert_eq!(malformed, len < 553 + 28, "{len} bytes: {refused:?}");
        }
        assert_eq!(serve_first(&mut pair, &keys, &mut body.clone()).unwrap(), QUESTION);
    }
}

fn claims(pair: &Pair, session: &Session<RustCrypto>) -> u32 {
    pair.store[session.id()].ivs.len()
}

fn assert_request_refused(pair: &mut Pair, session: &Session<RustCrypto>, before: &[u8], what: &str) -> bool {
    let mut after = before.to_vec();
    let refused = pair.serve(session.id(), forgot(), &mut after).map(drop);
    match refused.unwrap_err() {
        Refusal::NotOpened => assert!(is_wiped(&after, 4) && after[..4] == before[..4], "{what}: not wiped"),
        Refusal::Malformed(_) => {
            assert!(before == after, "{what}: touched");
            return true;
        }
        other => panic!("{what}: {other:?}"),
    }
    false
}

#[test]
fn every_flipped_bit_of_a_request_is_refused_and_moves_nothing() {
    for profile in PROFILES {
        let mut pair = Pair::new(4, profile);
        let session = pair.set_up();
        let (body, pending) = pair.ask(&session, forgot(), QUESTION);
        for bit in 0..body.len() * 8 {
            let what = format!("{profile:?}, bit {} of byte {}", bit % 8, bit / 8);
            let malformed = assert_request_refused(&mut pair, &session, &flipped(&body, bit), &what);
            assert_eq!(malformed, bit / 8 < 4, "{what}");
        }
        assert_eq!(claims(&pair, &session), 0, "nothing was claimed");
        let (opened, responder) = pair.serve(session.id(), forgot(), &mut body.clone()).unwrap();
        assert_eq!(opened, QUESTION);
        let mut answer = answer_with(&mut pair.rng, responder, b"done");
        assert_eq!(pending.open(&mut answer).unwrap(), b"done");
    }
}

#[test]
fn a_request_is_refused_at_every_other_length() {
    for profile in PROFILES {
        let mut pair = Pair::new(5, profile);
        let session = pair.set_up();
        let (body, _) = pair.ask(&session, forgot(), QUESTION);
        for len in 0..body.len() {
            let malformed =
                assert_request_refused(&mut pair, &session, &body[..len], &format!("{len} bytes"));
            assert_eq!(malformed, len < 32, "{len} bytes");
        }
        for more in 0..=255 {
            let longer = [body.as_slice(), &[more]].concat();
            assert!(!assert_request_refused(&mut pair, &session, &longer, "a byte more"));
        }
        assert_eq!(claims(&pair, &session), 0);
        assert_eq!(pair.serve(session.id(), forgot(), &mut body.clone()).unwrap().0, QUESTION);
    }
}

/// One request, and its answer as the server sends it, changed by `change`, at the client.
fn open_changed(
    pair: &mut Pair,
    session: &Session<RustCrypto>,
    change: impl FnOnce(&[u8]) -> Vec<u8>,
) -> (Result<(), Error>, Vec<u8>, Vec<u8>) {
    let (mut body, pending) = pair.ask(session, forgot(), b"question");
    let (_, responder) = pair.serve(session.id(), forgot(), &mut body).unwrap();
    let before = change(&answer_with(&mut pair.rng, responder, QUESTION));
    let mut after = before.clone();
    let opened = pending.open(&mut after).map(drop);
    (opened, before, after)
}

#[test]
fn every_flipped_bit_of_an_answer_is_refused_and_the_session_lives_on() {
    for profile in PROFILES {
        let mut pair = Pair::new(6, profile);
        let session = pair.set_up();
        for bit in 0..(4 + SEALED) * 8 {
            let what = format!("{profile:?}, bit {} of byte {}", bit % 8, bit / 8);
            let (opened, before, after) = open_changed(&mut pair, &session, |answer| flipped(answer, bit));
            match opened {
                Err(Error::Malformed(_)) => assert!(bit / 8 < 4 && before == after, "{what}"),
                Err(Error::Rejected) => assert!(bit / 8 >= 4 && is_wiped(&after, 4), "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        }
        pair.talk(&session, QUESTION, b"done");
    }
}

#[test]
fn an_answer_is_refused_at_every_other_length() {
    for profile in PROFILES {
        let mut pair = Pair::new(7, profile);
        let session = pair.set_up();
        for len in 0..=4 + SEALED + 1 {
            let change = |answer: &[u8]| {
                let mut answer = answer.to_vec();
                answer.resize(len, 0);
                answer
            };
            let (opened, before, after) = open_changed(&mut pair, &session, change);
            match opened {
                Err(Error::Malformed(_)) => assert!(len < 32 && before == after, "{len}"),
                Err(Error::Rejected) => assert!(len >= 32 && is_wiped(&after, 4), "{len}"),
                Ok(()) => assert_eq!(len, 4 + SEALED, "only the whole answer opens"),
                other => panic!("{len}: {other:?}"),
            }
        }
        pair.talk(&session, QUESTION, b"done");
    }
}

#[test]
fn an_answer_that_is_no_envelope_is_an_error_whatever_it_says() {
    let mut pair = Pair::new(8, ProfileChoice::BoundIfOffered);
    let session = pair.set_up();
    for plain in
        [&br#"{"success":true,"code":"2000","data":{"success":true}}"#[..], b"", b"SC", b"SC\x02\x81"]
    {
        let (opened, before, after) = open_changed(&mut pair, &session, |_| plain.to_vec());
        assert!(matches!(opened, Err(Error::Malformed(_))) && before == after);
    }
    pair.talk(&session, QUESTION, b"done");
}

#[test]
fn random_bodies_are_refused_by_both_sides() {
    let (mut pair, mut noise) = (Pair::new(9, ProfileChoice::Plain), rng(99));
    let session = pair.set_up();
    for len in 28..300_usize {
        let mut body = b"SC\x02\x02".to_vec();
        body.resize(4 + len, 0);
        noise.fill_bytes(&mut body[4..]);
        assert!(!assert_request_refused(&mut pair, &session, &body, "noise"));
        body[3] = 129;
        let (opened, _, after) = open_changed(&mut pair, &session, |_| body.clone());
        assert!(opened == Err(Error::Rejected) && is_wiped(&after, 4));
    }
}
