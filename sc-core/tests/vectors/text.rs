//! `text.json`: text envelopes.

use sc_core::envelope::MessageType;
use sc_core::error::Error;
use sc_core::server::Refusal;
use sc_core::text::{TextEnvelope, encode, encoded_len, max_decoded_len};

use crate::case::Case;
use crate::common::vector::{Vector, load};
use crate::provider::{last_associated_data, script};

/// What a receiver does: one JSON object and nothing behind it, in a buffer as long as the text can need.
fn read(kind: MessageType, text: &str) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = vec![0; max_decoded_len(text.len())];
    let mut json = serde_json::Deserializer::from_str(text);
    let envelope = TextEnvelope::new(kind, &mut out).read(&mut json)?.to_vec();
    json.end()?;
    Ok(envelope)
}

fn kind(v: &Vector) -> MessageType {
    if v.text("direction") == "request" { MessageType::SessionData } else { MessageType::ResponseData }
}

#[test]
fn every_text_envelope_reads_as_its_binary_form_and_opens() {
    let positive = load("text.json").list("positive");
    assert_eq!(positive.len(), 44);
    for v in positive {
        let envelope = read(kind(&v), v.text("text")).unwrap_or_else(|error| panic!("{}: {error}", v.name()));
        let case = Case::text(&v, envelope.clone());
        let mut body = envelope.clone();
        let (plaintext, sealed) = if case.kind == 2 {
            let sealed = case.client_seals();
            script([]);
            (case.server_opens(&mut body).unwrap().plaintext.to_vec(), sealed)
        } else {
            let sealed = case.server_seals();
            (case.client_opens(&mut body).unwrap(), sealed)
        };
        assert_eq!(last_associated_data(), case.associated_data, "{}", case.name);
        assert_eq!(plaintext, case.plaintext, "{}", case.name);
        assert_eq!(sealed, envelope, "{}", case.name);
    }
}

#[test]
fn the_plain_form_is_written_again_to_the_same_text() {
    let positive = load("text.json").list("positive");
    let mut written = 0;
    for v in positive.iter().filter(|v| v.text("text").starts_with("{\"v\":2,\"p\":\"")) {
        let envelope = read(kind(v), v.text("text")).unwrap();
        let mut out = vec![0; encoded_len(envelope.len())];
        let text = encode(&envelope, &mut out).unwrap();
        if !v.text("text").contains('\\') {
            assert_eq!(std::str::from_utf8(text).unwrap(), v.text("text"), "{}", v.name());
            written += 1;
        }
    }
    assert_eq!(written, 20, "five forms, two directions, two profiles");
}

#[test]
fn every_malformed_text_is_refused_without_a_word_of_its_content() {
    let negative = load("text.json").list("negative");
    assert_eq!(negative.len(), 99);
    for v in negative {
        for kind in [MessageType::SessionData, MessageType::ResponseData] {
            let error = read(kind, v.text("text")).expect_err(v.name()).to_string();
            let words = v.text("text").split(['"', ':', ',', '{', '}']);
            for long in words.filter(|word| word.len() > 20) {
                assert!(!error.contains(long), "{}: {error}", v.name());
            }
        }
    }
}

#[test]
fn a_well_formed_text_that_must_not_open_does_not() {
    let failures = load("text.json").list("open_failures");
    assert_eq!(failures.len(), 8);
    for v in failures {
        let envelope = read(kind(&v), v.text("text")).unwrap();
        let case = Case::text(&v, envelope);
        let mut body = case.envelope.clone();
        if case.kind == 2 {
            script([]);
            let refused = case.server_opens(&mut body).map(drop);
            assert_eq!(refused, Err(Refusal::NotOpened), "{}", case.name);
        } else {
            assert_eq!(case.client_opens(&mut body), Err(Error::Rejected), "{}", case.name);
        }
        assert_eq!(last_associated_data(), case.associated_data, "{}", case.name);
        assert!(body[4..].iter().all(|byte| *byte == 0), "{}", case.name);
    }
}
