//! Properties over arbitrary input: the parser is total, what is sealed opens, what is written reads back, and the
//! replay rules agree with a naive model.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use std::collections::HashMap;

use common::pair::{Pair, answer_with};
use common::{forgot, rng};
use proptest::collection::vec;
use proptest::prelude::*;
use sc_core::base64::Base64Bytes;
use sc_core::client::ProfileChoice;
use sc_core::document::SessionRequest;
use sc_core::envelope::{
    Envelope, MessageType, ParseOptions, Profile, encode_exchange_head, exchange_head_len,
};
use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{ClientHash, KeyId, MessageName, SessionId};
use sc_core::replay::{ClaimVerdict, IvClaim, IvSet, IvSlot, Ledger, LedgerSlot, LedgerVerdict};
use sc_core::server::{Received, RequestHead, Server, SessionRecord};
use sc_core::text::{TextEnvelope, encode, encoded_len, max_decoded_len};

/// A type 1 envelope with these fields.
fn exchange(profile: Profile, key_id: &str, wrapped: usize, sealed: &[u8]) -> Vec<u8> {
    let mut body = vec![0; exchange_head_len(key_id.len(), wrapped)];
    encode_exchange_head(profile, key_id, &vec![1; wrapped], &vec![2; wrapped], &mut body).unwrap();
    body.extend_from_slice(sealed);
    body
}

fn profile() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::Plain), Just(Profile::Bound)]
}

fn valid_envelope() -> impl Strategy<Value = Vec<u8>> {
    let sealed = || vec(any::<u8>(), 28..200);
    prop_oneof![
        (profile(), "[!-~]{1,255}", 256..=512_usize, sealed())
            .prop_map(|(profile, key_id, wrapped, sealed)| exchange(profile, &key_id, wrapped, &sealed)),
        (prop_oneof![Just(2), Just(129)], sealed()).prop_map(|(kind, sealed)| [
            b"SC\x02".as_slice(),
            &[kind],
            &sealed
        ]
        .concat()),
    ]
}

/// Valid envelopes with bytes changed, removed, inserted and cut.
fn mutated_envelope() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..4, any::<u8>());
    (valid_envelope(), vec(change, 0..6)).prop_map(|(mut body, changes)| {
        for (index, how, byte) in changes {
            if body.is_empty() {
                break;
            }
            // Most fields that matter stand in front.
            let at = if byte % 2 == 0 { index.index(body.len()) } else { index.index(body.len().min(48)) };
            match how {
                0 => body[at] = byte,
                1 => drop(body.remove(at)),
                2 => body.insert(at, byte),
                _ => body.truncate(at),
            }
        }
        body
    })
}

/// What must hold of any byte string: it is refused, or its fields are the string, with no byte left over.
fn assert_total(bytes: &[u8]) {
    for options in [ParseOptions::default(), ParseOptions::default().with_max_plaintext(0).without_bound()] {
        let Ok(envelope) = Envelope::parse(bytes, &options) else { continue };
        let mut written = match envelope {
            Envelope::KeyExchange(exchange, _) => {
                let mut head = vec![0; exchange.head().len()];
                let (request, response) =
                    (exchange.encrypted_request_key(), exchange.encrypted_response_key());
                let key_id = exchange.key_id();
                encode_exchange_head(exchange.profile(), key_id, request, response, &mut head).unwrap();
                head
            }
            Envelope::SessionData(_) | Envelope::ResponseData(_) => {
                envelope.message_type().header(Profile::Plain).to_vec()
            }
        };
        let sealed = envelope.sealed();
        written.extend_from_slice(sealed.iv().as_bytes());
        written.extend_from_slice(sealed.ciphertext());
        written.extend_from_slice(sealed.tag());
        assert_eq!(written, bytes);
    }
}

/// The server's classification is total too, and asks for nothing that is not there.
fn assert_received(bytes: &[u8]) {
    let id = SessionId::from_raw([1; 24]);
    for session_id in [None, Some(id.as_str()), Some("nonsense")] {
        let mut body = bytes.to_vec();
        let head = RequestHead { session_id, version: Some("2") };
        match Server::default().receive(&head, &mut body) {
            Ok(Received::Setup(setup)) => {
                assert!(KeyId::parse(setup.key_id()).is_ok());
                assert!((0..=600).any(|bytes| setup.wrapped(bytes * 8).is_ok()));
            }
            Ok(Received::Message(message)) => assert_eq!(*message.session_id(), id),
            Err(refusal) => assert_ne!(refusal.code().http_status(), 200),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_one_envelope_or_one_error(bytes in vec(any::<u8>(), 0..700)) {
        assert_total(&bytes);
        assert_received(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_good_header_are_one_envelope_or_one_error(
        kind in prop_oneof![Just(1_u8), Just(2), Just(129)],
        bytes in vec(any::<u8>(), 0..700),
    ) {
        let bytes = [b"SC\x02".as_slice(), &[kind], &bytes].concat();
        assert_total(&bytes);
        assert_received(&bytes);
    }

    #[test]
    fn a_changed_envelope_is_one_envelope_or_one_error(bytes in mutated_envelope()) {
        assert_total(&bytes);
        assert_received(&bytes);
    }

    #[test]
    fn a_valid_envelope_parses(bytes in valid_envelope()) {
        prop_assert!(Envelope::parse(&bytes, &ParseOptions::default()).is_ok());
        assert_total(&bytes);
    }

    #[test]
    fn a_text_envelope_reads_back(sealed in vec(any::<u8>(), 28..300), answer in any::<bool>()) {
        let kind = if answer { MessageType::ResponseData } else { MessageType::SessionData };
        let envelope = [kind.header(Profile::Plain).as_slice(), &sealed].concat();
        let mut text = vec![0; encoded_len(envelope.len())];
        let text = encode(&envelope, &mut text).unwrap();
        prop_assert!(max_decoded_len(text.len()) >= envelope.len());
        let mut out = vec![0; max_decoded_len(text.len())];
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = TextEnvelope::new(kind, &mut out).read(&mut json).unwrap();
        prop_assert_eq!(&*read, envelope.as_slice());
        json.end().unwrap();
        // A buffer that is a byte too short takes nothing.
        let mut short = vec![0; envelope.len() - 1];
        let mut json = serde_json::Deserializer::from_slice(text);
        prop_assert!(TextEnvelope::new(kind, &mut short).read(&mut json).is_err());
    }

    #[test]
    fn any_text_is_a_text_envelope_or_an_error(text in r#"\PC{0,60}|\{"v":2,"p":"[A-Za-z0-9+/=]{0,80}"\}"#) {
        let mut out = [0; 128];
        let mut json = serde_json::Deserializer::from_str(&text);
        if let Ok(read) = TextEnvelope::new(MessageType::SessionData, &mut out).read(&mut json) {
            prop_assert!(Envelope::parse(read, &ParseOptions::default()).is_ok());
        }
    }

    #[test]
    fn base64_reads_back_and_only_one_text_gives_a_value(bytes in vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), with in "[A-Za-z0-9+/=_ -]") {
        let written = serde_json::to_value(Base64Bytes::<100>::new(&bytes)).unwrap();
        let text = written.as_str().unwrap();
        prop_assert_eq!(Base64Bytes::<100>::decode(text), Some(Base64Bytes::new(&bytes)));
        if !text.is_empty() {
            let mut other = text.to_owned();
            let at = at.index(text.len());
            other.replace_range(at..=at, &with);
            if other != text {
                prop_assert_ne!(Base64Bytes::<100>::decode(&other), Some(Base64Bytes::new(&bytes)));
            }
        }
    }

    #[test]
    fn a_session_request_reads_back(key_id in "[!-~]{1,255}", one in vec(any::<u8>(), 0..=512), two in vec(any::<u8>(), 0..=512), profile in profile()) {
        let request = SessionRequest::new(KeyId::parse(&key_id).unwrap(), &one, &two, profile);
        let text = serde_json::to_string(&request).unwrap();
        let read: SessionRequest = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.key_id.key_id().unwrap().as_str(), key_id);
        prop_assert_eq!(read.enc_req_key.as_slice(), one);
        prop_assert_eq!(read.enc_resp_key.as_slice(), two);
        prop_assert_eq!(read.profile.unwrap_or_default(), profile);
        prop_assert_eq!(serde_json::to_string(&serde_json::from_str::<SessionRequest>(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn a_session_record_reads_back_and_any_other_bytes_are_refused_or_read_back(bytes in vec(any::<u8>(), 0..200), key_id in "[!-~]{1,40}", bound in any::<bool>()) {
        let check = |bytes: &[u8]| match SessionRecord::decode(bytes) {
            Ok(record) => assert_eq!(record.encode().as_ref(), bytes),
            Err(error) => assert_eq!(error, sc_core::error::Error::Rejected),
        };
        check(&bytes);
        let mut record = [&[1, u8::from(bound)], vec![7; 8 + 128].as_slice(), key_id.as_bytes()].concat();
        // Both keys are sevens, and equal ones are refused.
        prop_assert!(SessionRecord::decode(&record).is_err());
        record[10] ^= 1;
        prop_assert!(SessionRecord::decode(&record).unwrap().key_id().as_str() == key_id);
        check(&record);
    }

    #[test]
    fn identifiers_are_total(text in r"\PC{0,50}|sess_[A-Za-z0-9_-]{32}|[!-~]{1,300}") {
        if let Ok(id) = SessionId::parse(&text) {
            prop_assert!(id.as_str() == text);
            prop_assert_eq!(SessionId::from_raw(id.to_raw()), id);
        }
        let visible = !text.is_empty() && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        prop_assert_eq!(KeyId::parse(&text).is_ok(), visible && text.len() <= 255);
        prop_assert_eq!(MessageName::new(&text).is_ok(), visible && text.len() <= 255);
        prop_assert_eq!(ClientHash::of(text.as_bytes()).is_ok(), visible && text.len() <= 256);
    }

    /// A small set of IVs and tags, so that they meet; a small table, so that it fills; moves in between.
    #[test]
    fn an_iv_set_is_a_map_of_ivs(operations in vec((0..40_u8, 0..3_u8, 0..20_u8), 0..200), slots in 0..50_usize) {
        let mut model = HashMap::new();
        let mut room = slots;
        let mut set = IvSet::new(vec![IvSlot::EMPTY; slots], &mut rng(1));
        for (iv, tag, grow) in operations {
            if grow == 0 {
                room += 3;
                set = set.move_to(vec![IvSlot::EMPTY; room]).unwrap();
            }
            let bytes = [[iv; 12].as_slice(), &[tag; 4]].concat();
            let expected = match model.get(&iv) {
                Some(known) if *known == tag => ClaimVerdict::Replayed,
                Some(_) => ClaimVerdict::IvReused,
                None if model.len() == room => ClaimVerdict::Exhausted,
                None => {
                    model.insert(iv, tag);
                    ClaimVerdict::New
                }
            };
            prop_assert_eq!(set.claim(&IvClaim::from_bytes(bytes.try_into().unwrap())), expected);
            prop_assert_eq!(usize::try_from(set.len()).unwrap(), model.len());
            prop_assert_eq!(set.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn a_ledger_is_a_set_of_hashes(operations in vec((0..60_u8, 0..60_u8, 0..20_u8), 0..200), slots in 0..50_usize) {
        let mut model = std::collections::HashSet::new();
        let mut room = slots;
        let mut ledger = Ledger::new(vec![LedgerSlot::EMPTY; slots], &mut rng(1));
        for (request, response, grow) in operations {
            if grow == 0 {
                room += 3;
                ledger = ledger.move_to(vec![LedgerSlot::EMPTY; room]).unwrap();
            }
            let hashes = [request, response].map(|byte| WrappedKeyHash::from_bytes([byte; 32]));
            prop_assert_eq!(ledger.contains_any(&hashes), model.contains(&request) || model.contains(&response));
            let expected = if model.contains(&request) {
                LedgerVerdict::Repeated
            } else if room - model.len() < 2 {
                LedgerVerdict::Full
            } else {
                model.insert(request);
                if model.insert(response) { LedgerVerdict::New } else { LedgerVerdict::Repeated }
            };
            prop_assert_eq!(ledger.claim(&hashes), expected);
            prop_assert_eq!(ledger.len(), model.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sealed_opens_in_every_profile_and_way(
        bound in any::<bool>(),
        inline in any::<bool>(),
        name in "[!-~]{1,255}",
        question in vec(any::<u8>(), 0..2000),
        answer in vec(any::<u8>(), 0..2000),
        seed in any::<u64>(),
    ) {
        let choice = if bound { ProfileChoice::RequireBound } else { ProfileChoice::Plain };
        let mut pair = Pair::new(seed, choice);
        let session = if inline { pair.set_up_inline(&question, &answer) } else { pair.set_up() };
        let name = MessageName::new(&name).unwrap();
        for _ in 0..3 {
            let (mut body, pending) = pair.ask(&session, name, &question);
            prop_assert!(question.len() < 8 || !body.windows(question.len()).any(|part| part == question));
            let (opened, responder) = pair.serve(session.id(), name, &mut body).unwrap();
            prop_assert_eq!(&opened, &question);
            let mut sealed = answer_with(&mut pair.rng, responder, &answer);
            prop_assert_eq!(&*pending.open(&mut sealed).unwrap(), answer.as_slice());
        }
        pair.talk(&session, &answer, &question);
        let _ = pair.ask(&session, forgot(), b"");
    }
}
