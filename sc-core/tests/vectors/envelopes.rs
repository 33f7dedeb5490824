//! `envelopes.json`: what opens, what parses, what does not.

use sc_core::envelope::{Envelope, MessageType, ParseOptions, encode_exchange_head};
use sc_core::error::{Error, Malformed};
use sc_core::id::{MessageName, SessionId};
use sc_core::server::{Refusal, RequestHead, Server, SetupWay};

use crate::case::Case;
use crate::common::vector::{Vector, load};
use crate::provider::{last_associated_data, script};

fn parse(bytes: &[u8]) -> Result<Envelope<'_>, Malformed> {
    Envelope::parse(bytes, &ParseOptions::default())
}

/// The names of the errors in the vectors.
fn error_name(error: Malformed) -> &'static str {
    match error {
        Malformed::TooShort { .. } => "too_short",
        Malformed::TooLong { .. } => "too_long",
        Malformed::Magic => "magic",
        Malformed::Version(_) => "version",
        Malformed::Type(_) => "type",
        Malformed::Truncated { .. } => "truncated",
        Malformed::KeyIdLength => "key_id_length",
        Malformed::KeyIdCharacter { .. } => "key_id_character",
        Malformed::WrappedKeyLength { .. } => "wrapped_key_length",
        Malformed::WrappedKeysDiffer { .. } => "wrapped_keys_differ",
        Malformed::SealedTooShort { .. } => "sealed_too_short",
        other => panic!("{other:?} is no error of a binary envelope"),
    }
}

/// Where the sealed payload of an envelope that parses begins.
fn sealed_at(envelope: &[u8]) -> usize {
    match parse(envelope).unwrap() {
        Envelope::KeyExchange(exchange, _) => exchange.head().len(),
        Envelope::SessionData(_) | Envelope::ResponseData(_) => 4,
    }
}

#[test]
fn every_positive_parses_to_its_fields() {
    let positive = load("envelopes.json").list("positive");
    assert_eq!(positive.len(), 47);
    for v in positive {
        let bytes = v.bytes("envelope");
        let envelope = parse(&bytes).unwrap();
        assert_eq!(usize::from(envelope.message_type().to_byte()), v.number("type"), "{}", v.name());
        let sealed = envelope.sealed();
        assert_eq!(sealed.iv().as_bytes(), &v.array::<12>("iv"), "{}", v.name());
        assert_eq!(sealed.ciphertext().len(), v.bytes("plaintext").len(), "{}", v.name());
        assert_eq!(sealed.tag(), bytes.last_chunk().unwrap(), "{}", v.name());
        if let Envelope::KeyExchange(exchange, _) = envelope {
            assert_eq!(exchange.key_id(), v.text("key_id"), "{}", v.name());
            assert_eq!(exchange.encrypted_request_key(), v.bytes("enc_req_key"), "{}", v.name());
            assert_eq!(exchange.encrypted_response_key(), v.bytes("enc_resp_key"), "{}", v.name());
        }
    }
}

#[test]
fn every_positive_opens_and_is_sealed_again_to_the_same_bytes() {
    let mut opened = 0;
    for v in load("envelopes.json").list("positive") {
        let case = Case::binary(&v);
        let mut body = case.envelope.clone();
        let (plaintext, sealed) = match case.kind {
            1 => {
                let sealed = case.client_seals_first(&v).0;
                assert_eq!(last_associated_data(), case.associated_data, "{}", case.name);
                (case.server_opens_first(v.number("bits"), &mut body).unwrap(), sealed)
            }
            2 => {
                let sealed = case.client_seals();
                assert_eq!(last_associated_data(), case.associated_data, "{}", case.name);
                script([]);
                (case.server_opens(&mut body).unwrap().plaintext.to_vec(), sealed)
            }
            129 => {
                let sealed = case.server_seals();
                assert_eq!(last_associated_data(), case.associated_data, "{}", case.name);
                (case.client_opens(&mut body).unwrap(), sealed)
            }
            other => panic!("type {other}"),
        };
        assert_eq!(last_associated_data(), case.associated_data, "{}", case.name);
        assert_eq!(plaintext, case.plaintext, "{}", case.name);
        assert!(sealed == case.envelope, "{} is sealed to other bytes", case.name);
        opened += 1;
    }
    assert_eq!(opened, 47);
}

#[test]
fn the_longest_and_shortest_legal_forms_parse() {
    let parses = load("envelopes.json").list("parses");
    assert_eq!(parses.len(), 15);
    for v in parses {
        let bytes = v.spread();
        let envelope = parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", v.name()));
        assert_eq!(usize::from(envelope.message_type().to_byte()), v.number("type"), "{}", v.name());
        if let Envelope::KeyExchange(exchange, _) = envelope {
            let mut head = vec![0; exchange.head().len()];
            let (request, response) = (exchange.encrypted_request_key(), exchange.encrypted_response_key());
            encode_exchange_head(exchange.profile(), exchange.key_id(), request, response, &mut head)
                .unwrap();
            assert_eq!(head, exchange.head(), "{}", v.name());
        }
    }
}

#[test]
fn every_malformed_envelope_gives_its_one_error_to_the_parser_and_to_the_server() {
    let negative = load("envelopes.json").list("negative");
    assert_eq!(negative.len(), 147);
    for v in negative {
        let mut bytes = v.spread();
        let error = parse(&bytes).expect_err(v.name());
        assert_eq!(error_name(error), v.text("error"), "{}", v.name());

        let before = bytes.clone();
        let head = RequestHead { session_id: None, version: Some("2") };
        let refused = Server::default().receive(&head, &mut bytes).map(drop);
        assert_eq!(refused, Err(Refusal::Malformed(error)), "{}", v.name());
        assert!(bytes == before, "{}: a body that does not parse is not touched", v.name());
    }
}

#[test]
fn nothing_that_must_not_open_opens_and_its_sealed_part_is_wiped() {
    let failures = load("envelopes.json").list("open_failures");
    assert_eq!(failures.len(), 79);
    let mut unnamed = 0;
    for v in failures {
        let case = Case::binary(&v);
        assert!(parse(&case.envelope).is_ok(), "{}", case.name);
        // Two beliefs that the types do not let a receiver have.
        let impossible = SessionId::parse(&case.session).is_err() || MessageName::new(&case.message).is_err();
        if impossible {
            unnamed += 1;
            continue;
        }
        assert_refused(&v, &case);
    }
    // The message name with a NUL (types 1, 2, 129) and the session id in upper case (types 2, 129).
    assert_eq!(unnamed, 5);
}

fn assert_refused(v: &Vector, case: &Case) {
    let mut body = case.envelope.clone();
    match case.kind {
        1 => {
            let refused = case.server_opens_first(v.number("bits"), &mut body).map(drop);
            assert_eq!(refused, Err(Refusal::Exchange(SetupWay::Inline)), "{}", case.name);
        }
        2 => {
            script([]);
            let refused = case.server_opens(&mut body).map(drop);
            assert_eq!(refused, Err(Refusal::NotOpened), "{}", case.name);
        }
        _ => assert_eq!(case.client_opens(&mut body), Err(Error::Rejected), "{}", case.name),
    }
    assert_eq!(last_associated_data(), case.associated_data, "{}: refused for another reason", case.name);
    let at = sealed_at(&case.envelope);
    assert_eq!(body[..at], case.envelope[..at], "{}", case.name);
    assert!(body[at..].iter().all(|byte| *byte == 0), "{}: the sealed part is wiped", case.name);
}

#[test]
fn the_type_byte_of_every_vector_is_one_of_three() {
    for (byte, kind) in
        [(1, MessageType::KeyExchange), (2, MessageType::SessionData), (129, MessageType::ResponseData)]
    {
        assert_eq!((MessageType::from_byte(byte), kind.to_byte()), (Some(kind), byte));
    }
    assert_eq!((0..=255).filter_map(MessageType::from_byte).count(), 3);
}

/// Sealing with a given IV reproduces the plain vectors without a scripted generator.
#[cfg(feature = "danger-fixed-iv")]
#[test]
fn plain_vectors_are_reproduced_with_their_iv() {
    use sc_core::channel::{IvMode, Sealer};
    use sc_core::rustcrypto::Aes256GcmKey;
    use sc_core::secret::{RequestKey, ResponseKey};

    let cases = load("envelopes.json").list("positive");
    let plain = cases.iter().filter(|v| v.text("profile") == "plain" && v.number("type") != 1);
    let mut sealed = 0;
    for case in plain.map(Case::binary) {
        let sealer = match case.kind {
            2 => {
                let key = RequestKey::from_bytes(case.request_key);
                Sealer::<Aes256GcmKey>::for_requests(&key, IvMode::Random, &mut crate::common::rng(1))
            }
            _ => Sealer::for_responses(&ResponseKey::from_bytes(case.response_key)),
        };
        let mut out = vec![0; case.plaintext.len() + 32];
        sealer.unwrap().seal_with_iv(case.iv, &case.plaintext, &mut out).unwrap();
        assert_eq!(out, case.envelope, "{}", case.name);
        sealed += 1;
    }
    assert_eq!(sealed, 16);
}
