//! What a server refuses, in which order, under which code; and that causes which an attacker could learn from look
//! the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use common::pair::{PROFILES, Pair};
use common::vector::load;
use common::{forgot, phone, rng, rsa_key};
use sc_core::client::{ClientOptions, ProfileChoice};
use sc_core::code::Code;
use sc_core::document::SessionRequest;
use sc_core::envelope::{Profile, encode_exchange_head, exchange_head_len};
use sc_core::error::{Field, Malformed};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, MessageName, SessionId, UnixMillis};
use sc_core::provider::{Aead, KeyWrap};
use sc_core::replay::{ClaimVerdict, LedgerVerdict};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPublicKey};
use sc_core::server::{BoundPolicy, Grant, Received, Refusal, RequestHead, Server, SetupWay};

const QUESTION: &[u8] = br#"{"email":"user@example.com"}"#;
const HEAD: usize = 4 + 1 + 32 + 2 * (2 + 256);

fn wrap(pair: &mut Pair, key: &[u8; 32]) -> Vec<u8> {
    let mut wrapped = vec![0; 256];
    let public = RsaPublicKey::from_spki(&pair.key.spki).unwrap();
    public.wrap(&mut pair.rng, key, &mut wrapped).unwrap();
    wrapped
}

/// A type 1 envelope from its parts, sealed under `key` as a client would.
fn first(pair: &Pair, profile: Profile, wrapped: [&[u8]; 2], key: &[u8; 32]) -> Vec<u8> {
    let id = pair.key.id.as_str();
    let mut body = vec![0; exchange_head_len(id.len(), wrapped[0].len())];
    encode_exchange_head(profile, id, wrapped[0], wrapped[1], &mut body).unwrap();
    let name = forgot();
    let data =
        if profile == Profile::Bound { [&body, name.as_str().as_bytes()].concat() } else { Vec::new() };
    let mut text = QUESTION.to_vec();
    let tag = Aes256GcmKey::expand(key).unwrap().seal(&[9; 12], &data, &mut text).unwrap();
    [body.as_slice(), &[9; 12], &text, &tag].concat()
}

/// Every way in which a first request can fail to open: two real failures of OAEP in either place, keys that are
/// equal, and a payload that does not verify.
fn failing_first_requests(pair: &mut Pair, profile: Profile) -> Vec<(String, Vec<u8>)> {
    let (one, two) = ([1; 32], [2; 32]);
    let (wrap_one, wrap_two) = (wrap(pair, &one), wrap(pair, &two));
    let mut all = Vec::new();
    for v in load("oaep.json").list("failures") {
        let bad = v.bytes("wrapped");
        if v.number("bits") == 2048 && bad.len() == 256 {
            all.push((format!("request key: {}", v.name()), first(pair, profile, [&bad, &wrap_two], &one)));
            all.push((format!("response key: {}", v.name()), first(pair, profile, [&wrap_one, &bad], &one)));
            all.push((format!("both keys: {}", v.name()), first(pair, profile, [&bad, &bad], &one)));
        }
    }
    let again = wrap(pair, &one);
    all.push(("two equal keys".into(), first(pair, profile, [&wrap_one, &again], &one)));
    all.push(("one wrapped key twice".into(), first(pair, profile, [&wrap_one, &wrap_one], &one)));
    all.push(("another key".into(), first(pair, profile, [&wrap_one, &wrap_two], &two)));
    // What an attacker could guess of keys that did not unwrap.
    for guess in [[0; 32], [0xff; 32]] {
        all.push(("a guessed key".into(), first(pair, profile, [&[0; 256], &wrap_two], &guess)));
    }
    let mut flipped = first(pair, profile, [&wrap_one, &wrap_two], &one);
    *flipped.last_mut().unwrap() ^= 1;
    all.push(("a flipped tag".into(), flipped));
    let mut moved = first(pair, profile, [&wrap_one, &wrap_two], &one);
    moved[2] ^= 0x80;
    all.push(("the other profile".into(), moved));
    all
}

#[test]
fn every_first_request_that_does_not_open_fails_alike() {
    for profile in [Profile::Plain, Profile::Bound] {
        let mut pair = Pair::new(1, ProfileChoice::BoundIfOffered);
        let failing = failing_first_requests(&mut pair, profile);
        assert!(failing.len() > 60, "{}", failing.len());
        for (why, body) in failing {
            let mut after = body.clone();
            let refused = pair.serve_first(forgot(), &mut after).map(drop);
            let refused = refused.expect_err(&why);
            assert_eq!(refused, Refusal::Exchange(SetupWay::Inline), "{why}");
            assert_eq!(refused.code(), Code::InvalidPayload, "{why}");
            assert_eq!(after[..HEAD], body[..HEAD], "{why}");
            assert_eq!(after[HEAD..], vec![0; body.len() - HEAD], "{why}: the same buffer for all");
        }
        assert!(pair.ledger.is_empty() && pair.store.is_empty());
        let (one, two) = (wrap(&mut pair, &[1; 32]), wrap(&mut pair, &[2; 32]));
        let mut good = first(&pair, profile, [&one, &two], &[1; 32]);
        assert_eq!(pair.serve_first(forgot(), &mut good).unwrap().0, QUESTION, "and a good one opens");
    }
}

#[test]
fn every_later_cause_of_a_first_request_has_the_code_of_the_earlier_ones() {
    let way = SetupWay::Inline;
    for refusal in [
        Refusal::Exchange(way),
        Refusal::ExchangeRepeated(way),
        Refusal::WrappedLength(way, Field::EncryptedReqKey),
        Refusal::WrappedLength(way, Field::EncryptedRespKey),
        Refusal::SetupInSession,
        Refusal::InlineOff,
        Refusal::UnexpectedType,
    ] {
        assert_eq!((refusal.code(), refusal.property()), (Code::InvalidPayload, None), "{refusal:?}");
    }
}

#[test]
fn every_cause_at_the_session_endpoint_after_the_form_fails_alike() {
    let mut pair = Pair::new(2, ProfileChoice::Plain);
    let (good, other) = (wrap(&mut pair, &[1; 32]), wrap(&mut pair, &[2; 32]));
    let equal = wrap(&mut pair, &[1; 32]);
    let id = pair.key.id.clone();
    let mut tried = 0;
    let mut refuse = |pair: &mut Pair, one: &[u8], two: &[u8], why: &str| {
        let request = SessionRequest::new(id.clone(), one, two, Profile::Plain);
        let refused = pair.serve_endpoint(&request).map(drop).expect_err(why);
        assert_eq!(refused.code(), Code::KeyExchangeFailed, "{why}");
        tried += 1;
        refused
    };
    for v in load("oaep.json").list("failures") {
        let bad = v.bytes("wrapped");
        if v.number("bits") == 2048 && bad.len() == 256 {
            for (one, two) in [(&bad, &good), (&good, &bad), (&bad, &bad)] {
                let refused = refuse(&mut pair, one, two, v.name());
                assert_eq!(refused, Refusal::Exchange(SetupWay::Endpoint), "{}", v.name());
            }
        }
    }
    assert_eq!(refuse(&mut pair, &good, &equal, "equal"), Refusal::Exchange(SetupWay::Endpoint));
    assert!(pair.ledger.is_empty());
    let request = SessionRequest::new(pair.key.id.clone(), &good, &other, Profile::Plain);
    let _ = pair.serve_endpoint(&request).unwrap();
    refuse(&mut pair, &good, &other, "repeated");
    assert!(tried > 55, "{tried}");
}

#[test]
fn a_wrapped_key_of_another_length_than_the_modulus_is_a_broken_form() {
    let pair = &mut Pair::new(3, ProfileChoice::Plain);
    let id = pair.key.id.clone();
    for (one, two, property) in [
        (0, 256, "encReqKey"),
        (255, 256, "encReqKey"),
        (257, 257, "encReqKey"),
        (512, 512, "encReqKey"),
        (600, 256, "encReqKey"),
        (256, 0, "encRespKey"),
        (256, 255, "encRespKey"),
        (256, 384, "encRespKey"),
        (256, 600, "encRespKey"),
    ] {
        let request = SessionRequest::new(id.clone(), &vec![0; one], &vec![0; two], Profile::Plain);
        let refused = pair.serve_endpoint(&request).map(drop).unwrap_err();
        assert_eq!(refused.code(), Code::ValidationFailed, "{one} {two}");
        assert_eq!(refused.property(), Some(property), "{one} {two}");
    }
    let mut body = first(pair, Profile::Plain, [&[0; 384], &[0; 384]], &[1; 32]);
    let refused = pair.serve_first(forgot(), &mut body).map(drop);
    assert_eq!(refused, Err(Refusal::WrappedLength(SetupWay::Inline, Field::EncryptedReqKey)));
}

#[test]
fn wrapped_keys_of_another_request_are_not_accepted_by_mistake() {
    let mut pair = Pair::new(10, ProfileChoice::Plain);
    let (one, _) = pair.client.begin(&mut pair.rng).unwrap();
    let (two, _) = pair.client.begin(&mut pair.rng).unwrap();
    let (setup, other) = (pair.server.set_up(&one).unwrap(), pair.server.set_up(&two).unwrap());
    let wrapped = other.wrapped(2048).unwrap();
    let keys = unwrap_keys(&pair.key.private, &mut pair.rng, wrapped);
    assert_eq!(setup.accept(wrapped, keys, phone()).map(drop), Err(Refusal::Provider));
}

#[test]
fn a_key_id_that_is_impossible_or_unknown_comes_before_the_lengths() {
    let mut pair = Pair::new(4, ProfileChoice::Plain);
    let json = r#"{"keyId":"a b","encReqKey":"","encRespKey":""}"#;
    let impossible: SessionRequest = serde_json::from_str(json).unwrap();
    let refused = pair.serve_endpoint(&impossible).map(drop).unwrap_err();
    assert_eq!((refused, refused.code()), (Refusal::KeyUnknown, Code::InvalidKeyId));
    let id = rsa_key(4096).id.clone();
    let unknown = SessionRequest::new(id, &[], &[], Profile::Plain);
    assert_eq!(pair.serve_endpoint(&unknown).map(drop), Err(Refusal::KeyUnknown));
}

#[test]
fn the_profile_that_a_server_does_not_take_is_refused_in_both_ways() {
    for (policy, profile) in [(BoundPolicy::Off, Profile::Bound), (BoundPolicy::Required, Profile::Plain)] {
        let mut pair = Pair::with(5, ClientOptions::default(), Server::default().with_bound(policy));
        let request = SessionRequest::new(pair.key.id.clone(), &[0; 256], &[0; 256], profile);
        let refused = pair.serve_endpoint(&request).map(drop).unwrap_err();
        assert_eq!(refused, Refusal::ProfileNotAccepted(SetupWay::Endpoint));
        assert_eq!((refused.code(), refused.property()), (Code::ValidationFailed, Some("profile")));
        let mut body = first(&pair, profile, [&[0; 256], &[0; 256]], &[1; 32]);
        let refused = pair.serve_first(forgot(), &mut body).map(drop).unwrap_err();
        assert_eq!(refused.code(), Code::UnsupportedVersion);
    }
}

/// One request that breaks every rule of `Server::receive` at once, mended one rule at a time.
#[test]
fn the_first_check_of_the_protocol_that_fails_wins() {
    let server = Server::default().with_max_plaintext(100).without_inline().with_bound(BoundPolicy::Required);
    let max = 100 + 1316;
    let receive = |server: &Server, id: Option<&str>, version: Option<&str>, body: &[u8]| {
        let head = RequestHead { session_id: id, version };
        server.receive(&head, &mut body.to_vec()).map(drop).unwrap_err()
    };
    let all = vec![0; max + 1];
    assert_eq!(
        receive(&server, None, Some("3"), &all),
        Refusal::Malformed(Malformed::TooLong { len: max + 1, max }),
        "size"
    );
    for version in ["3", "", " 2", "02", "2.0", "2 "] {
        assert_eq!(receive(&server, None, Some(version), b"{}"), Refusal::VersionHeader, "{version}");
    }
    let malformed = receive(&server, Some("x"), Some("2"), b"{\"plain\":1}");
    assert_eq!(malformed, Refusal::Malformed(Malformed::Magic), "envelope before session");
    let answer = [b"SC\x02\x81".as_slice(), &[0; 28]].concat();
    assert_eq!(receive(&server, Some("x"), None, &answer), Refusal::UnexpectedType);

    let pair = Pair::new(6, ProfileChoice::Plain);
    let body = first(&pair, Profile::Plain, [&[0; 256], &[0; 256]], &[1; 32]);
    assert_eq!(receive(&server, Some("x"), None, &body), Refusal::SetupInSession);
    assert_eq!(receive(&server, Some(""), None, &body), Refusal::SetupInSession);
    assert_eq!(receive(&server, None, None, &body), Refusal::InlineOff);
    let inline = Server::default().with_bound(BoundPolicy::Required);
    assert_eq!(receive(&inline, None, None, &body), Refusal::ProfileNotAccepted(SetupWay::Inline));

    let request = [b"SC\x02\x02".as_slice(), &[0; 28]].concat();
    assert_eq!(receive(&server, None, None, &request), Refusal::SessionMissing);
    for impossible in ["", "x", "sess_", "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!", "SESS_"] {
        assert_eq!(receive(&server, Some(impossible), Some("2"), &request), Refusal::SessionUnknown);
    }
}

#[test]
fn a_session_is_looked_at_before_the_envelope_is_opened() {
    let mut pair = Pair::new(7, ProfileChoice::Plain);
    let session = pair.set_up();
    let (mut body, _) = pair.ask(&session, forgot(), QUESTION);
    *body.last_mut().unwrap() ^= 1;
    let (kept, id) = (&pair.store[session.id()], *session.id());
    let stranger = ClientHash::of(b"somebody-else").unwrap();
    let open = |known: bool, client: &ClientHash, now: UnixMillis| {
        let (mut body, head) = (body.clone(), RequestHead { session_id: Some(id.as_str()), version: None });
        let Ok(Received::Message(message)) = pair.server.receive(&head, &mut body) else { panic!("type 2") };
        let record = known.then_some(&kept.record);
        message.open::<Aes256GcmKey>(record, client, now, forgot()).map(drop).unwrap_err()
    };
    let end = kept.record.expires_at();
    assert_eq!(open(false, &stranger, end), Refusal::SessionUnknown);
    assert_eq!(open(true, &stranger, end), Refusal::SessionExpired, "ends at its end, not after");
    assert_eq!(open(true, &phone(), UnixMillis(u64::MAX)), Refusal::SessionExpired);
    assert_eq!(open(true, &stranger, UnixMillis(end.0 - 1)), Refusal::OtherClient);
    assert_eq!(open(true, &phone(), UnixMillis(end.0 - 1)), Refusal::NotOpened);
}

#[test]
fn a_verdict_other_than_new_releases_nothing() {
    for profile in PROFILES {
        let mut pair = Pair::new(8, profile);
        let session = pair.set_up();
        let (body, _) = pair.ask(&session, forgot(), QUESTION);
        let (kept, id) = (&pair.store[session.id()], *session.id());
        for (verdict, expected) in [
            (Some(ClaimVerdict::Replayed), Refusal::Replayed),
            (Some(ClaimVerdict::IvReused), Refusal::IvReused),
            (Some(ClaimVerdict::Exhausted), Refusal::MessageLimit),
            (None, Refusal::Replayed),
        ] {
            let mut body = body.clone();
            let head = RequestHead { session_id: Some(id.as_str()), version: None };
            let Ok(Received::Message(message)) = pair.server.receive(&head, &mut body) else {
                panic!("type 2")
            };
            let unclaimed =
                message.open::<Aes256GcmKey>(Some(&kept.record), &phone(), pair.now, forgot()).unwrap();
            match verdict {
                Some(verdict) => assert_eq!(unclaimed.settle(verdict).map(drop), Err(expected)),
                // The store cannot be reached: the message is dropped.
                None => drop(unclaimed),
            }
            assert!(body[16..16 + QUESTION.len()].iter().all(|byte| *byte == 0), "{verdict:?}: wiped");
        }
    }
}

#[test]
fn a_ledger_that_refuses_releases_nothing() {
    for profile in PROFILES {
        let mut pair = Pair::new(9, profile);
        let body = pair.first_envelope(QUESTION);
        for (verdict, expected) in [
            (Some(LedgerVerdict::Repeated), Refusal::ExchangeRepeated(SetupWay::Inline)),
            (Some(LedgerVerdict::Full), Refusal::LedgerFull),
            (None, Refusal::LedgerFull),
        ] {
            let mut body = body.clone();
            let head = RequestHead::default();
            let Ok(Received::Setup(setup)) = pair.server.receive(&head, &mut body) else { panic!("type 1") };
            let keys = unwrap_keys(&pair.key.private, &mut rng(1), setup.wrapped(2048).unwrap());
            let unclaimed = setup.open::<Aes256GcmKey>(keys, phone(), forgot()).unwrap();
            let grant = Grant { id: SessionId::draw(&mut rng(2)), expires_at: UnixMillis(1) };
            match verdict {
                Some(verdict) => assert_eq!(unclaimed.settle(verdict, grant).map(drop), Err(expected)),
                None => drop(unclaimed),
            }
            assert!(!body.windows(QUESTION.len()).any(|part| part == QUESTION), "{verdict:?}: wiped");
        }
    }
}

#[test]
fn a_message_name_is_visible_ascii_of_1_to_255_bytes() {
    assert!(MessageName::new(&"n".repeat(255)).is_ok() && MessageName::new("/web/v1/x").is_ok());
    for bad in ["", "a b", "é", "a\0", "a\n", &"n".repeat(256)] {
        assert!(MessageName::new(bad).is_err(), "{bad}");
    }
}

/// PROTOCOL 5, written out by hand.
#[test]
fn every_refusal_has_the_code_and_status_of_the_protocol() {
    use SetupWay::{Endpoint, Inline};
    let field = Field::EncryptedReqKey;
    let table = [
        (Refusal::Malformed(Malformed::TooShort { len: 0 }), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::Malformed(Malformed::TooLong { len: 2, max: 1 }), "REQUEST.TOO_LARGE", 413),
        (Refusal::Malformed(Malformed::Magic), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::Malformed(Malformed::Version(3)), "SECURE_CHANNEL.UNSUPPORTED_VERSION", 400),
        (Refusal::Malformed(Malformed::Type(3)), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (
            Refusal::Malformed(Malformed::Truncated { field, needed: 2, left: 1 }),
            "SECURE_CHANNEL.INVALID_PAYLOAD",
            400,
        ),
        (Refusal::Malformed(Malformed::KeyIdLength), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::Malformed(Malformed::KeyIdCharacter { offset: 0 }), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (
            Refusal::Malformed(Malformed::WrappedKeyLength { field, len: 1 }),
            "SECURE_CHANNEL.INVALID_PAYLOAD",
            400,
        ),
        (
            Refusal::Malformed(Malformed::WrappedKeysDiffer { request: 256, response: 257 }),
            "SECURE_CHANNEL.INVALID_PAYLOAD",
            400,
        ),
        (Refusal::Malformed(Malformed::SealedTooShort { len: 0 }), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::Malformed(Malformed::Text), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::VersionHeader, "SECURE_CHANNEL.UNSUPPORTED_VERSION", 400),
        (Refusal::UnexpectedType, "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::SetupInSession, "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::InlineOff, "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::ProfileNotAccepted(Inline), "SECURE_CHANNEL.UNSUPPORTED_VERSION", 400),
        (Refusal::ProfileNotAccepted(Endpoint), "REQUEST.VALIDATION_FAILED", 400),
        (Refusal::SessionMissing, "SECURE_CHANNEL.SESSION_NOT_FOUND", 404),
        (Refusal::SessionUnknown, "SECURE_CHANNEL.SESSION_NOT_FOUND", 404),
        (Refusal::SessionExpired, "SECURE_CHANNEL.SESSION_NOT_FOUND", 404),
        (Refusal::OtherClient, "SECURE_CHANNEL.SESSION_NOT_FOUND", 404),
        (Refusal::KeyUnknown, "SECURE_CHANNEL.INVALID_KEY_ID", 400),
        (Refusal::WrappedLength(Inline, field), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::WrappedLength(Endpoint, field), "REQUEST.VALIDATION_FAILED", 400),
        (Refusal::Exchange(Inline), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::Exchange(Endpoint), "SECURE_CHANNEL.KEY_EXCHANGE_FAILED", 400),
        (Refusal::ExchangeRepeated(Inline), "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::ExchangeRepeated(Endpoint), "SECURE_CHANNEL.KEY_EXCHANGE_FAILED", 400),
        (Refusal::LedgerFull, "SECURE_CHANNEL.BUSY", 503),
        (Refusal::NotOpened, "SECURE_CHANNEL.INVALID_PAYLOAD", 400),
        (Refusal::Replayed, "SECURE_CHANNEL.REPLAYED", 409),
        (Refusal::IvReused, "SECURE_CHANNEL.SESSION_NOT_FOUND", 404),
        (Refusal::MessageLimit, "SECURE_CHANNEL.SESSION_NOT_FOUND", 404),
        (Refusal::Provider, "SYSTEM.INTERNAL_ERROR", 500),
    ];
    for (refusal, code, status) in table {
        assert_eq!((refusal.code().as_str(), refusal.code().http_status()), (code, status), "{refusal:?}");
        assert!(!refusal.to_string().is_empty());
        let ends = [Refusal::IvReused, Refusal::MessageLimit].contains(&refusal);
        assert_eq!(refusal.ends_session(), ends, "{refusal:?}");
    }
}
