//! The JSON documents: strict where a server reads, lenient where a client reads, with std and without, and silent
//! about what stood there when they refuse.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

use std::fmt::Debug;

use sc_core::base64::Base64Bytes;
use sc_core::code::Code;
use sc_core::document::{Answer, Profiles, PublicKeyDocument, ReceivedAnswer, SessionAnswer, SessionRequest};
use sc_core::envelope::{MessageType, Profile};
use sc_core::id::{KeyId, SessionId};
use sc_core::limits::{MAX_SPKI_LEN, MAX_WRAPPED_LEN};
use sc_core::text::TextEnvelope;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ID: &str = "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn key_document() -> Value {
    json!({"keyId": "k1", "publicKey": "AAAA", "algorithm": "RSA-OAEP-2048", "keySize": 2048,
           "createdAt": "2024-04-01T00:00:00Z", "expiresAt": null, "profiles": ["plain", "bound"]})
}

fn session_request() -> Value {
    json!({"keyId": "k1", "encReqKey": "AAAA", "encRespKey": "AAAA", "profile": "bound"})
}

fn session_answer() -> Value {
    json!({"sessionId": ID, "expiresAt": 1_711_929_600_000_u64, "idleTimeout": 1800, "profile": "bound"})
}

fn whole_answer() -> Value {
    json!({"version": "2.0.0", "timestamp": 5, "success": true, "code": "2000", "message": "SUCCESS",
           "data": session_answer()})
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
}

/// Reads `good` with each member, and the whole, replaced by values that must not be repeated.
fn assert_silent<T: DeserializeOwned + Debug>(good: &Value) {
    assert!(read::<T>(good).is_ok(), "{good}");
    let canaries = [
        json!("sekrit31337"),
        json!(31337.31337),
        json!(-31337),
        json!(313_373_133_731_337_u64),
        json!(["sekrit31337", 31337]),
        json!({"sekrit": 31337}),
        json!("sekrit31337".repeat(500)),
    ];
    for canary in &canaries {
        for name in good.as_object().unwrap().keys() {
            let mut bad = good.clone();
            bad[name] = canary.clone();
            assert_hidden::<T>(&bad);
        }
        assert_hidden::<T>(canary);
        assert_hidden::<T>(&json!([canary]));
    }
}

fn assert_hidden<T: DeserializeOwned + Debug>(bad: &Value) {
    if let Err(error) = read::<T>(bad) {
        assert!(!error.contains("31337"), "{bad}: {error}");
    }
}

#[test]
fn no_error_repeats_a_value() {
    assert_silent::<PublicKeyDocument>(&key_document());
    assert_silent::<SessionRequest>(&session_request());
    assert_silent::<SessionAnswer>(&session_answer());
    assert_silent::<ReceivedAnswer<SessionAnswer>>(&whole_answer());
}

#[test]
fn no_error_of_a_text_envelope_repeats_a_value() {
    for text in [
        r#""sekrit31337""#,
        r"31337",
        r#"["sekrit31337"]"#,
        r#"{"v":"sekrit31337","p":""}"#,
        r#"{"v":31337,"p":""}"#,
        r#"{"v":-31337,"p":""}"#,
        r#"{"v":2,"p":31337}"#,
        r#"{"v":2,"p":"sekrit31337"}"#,
        r#"{"v":2,"p":true31337}"#,
        r#"{"v":2,"sekrit31337":1}"#,
    ] {
        let mut json = serde_json::Deserializer::from_str(text);
        let mut out = [0; 64];
        let error = TextEnvelope::new(MessageType::SessionData, &mut out).read(&mut json).unwrap_err();
        assert!(!error.to_string().contains("31337"), "{text}: {error}");
    }
}

#[test]
fn a_server_takes_no_other_session_request() {
    assert!(read::<SessionRequest>(&session_request()).is_ok());
    let mut plain = session_request();
    plain.as_object_mut().unwrap().remove("profile");
    assert_eq!(read::<SessionRequest>(&plain).unwrap().profile, None);

    for name in ["keyId", "encReqKey", "encRespKey"] {
        let mut missing = session_request();
        missing.as_object_mut().unwrap().remove(name);
        assert!(read::<SessionRequest>(&missing).unwrap_err().contains(name), "the error names {name}");
        let twice = session_request().to_string().replacen('{', &format!("{{\"{name}\":\"AAAA\","), 1);
        let error = serde_json::from_str::<SessionRequest>(&twice).unwrap_err().to_string();
        assert!(error.contains("duplicate") && error.contains(name), "{error}");
    }
    let mut more = session_request();
    more["more"] = json!(1);
    assert!(read::<SessionRequest>(&more).unwrap_err().contains("unknown field"));
    for (name, bad) in [
        ("encReqKey", json!("AAA")),
        ("encReqKey", json!("AA-A")),
        ("encRespKey", json!("AAB=")),
        ("encRespKey", json!("AAAA\n")),
        ("profile", json!("Bound")),
        ("profile", json!("none")),
        ("keyId", Value::Null),
    ] {
        let mut request = session_request();
        request[name] = bad;
        assert!(read::<SessionRequest>(&request).is_err(), "{request}");
    }
}

#[test]
fn an_absent_profile_is_plain_and_a_null_one_is_refused() {
    let mut request = session_request();
    request["profile"] = json!(null);
    assert!(read::<SessionRequest>(&request).is_err());
    request.as_object_mut().unwrap().remove("profile");
    assert!(read::<SessionRequest>(&request).is_ok_and(|request| request.profile.is_none()));
}

#[test]
fn plain_may_be_said_aloud() {
    let (mut request, mut answer) = (session_request(), session_answer());
    request["profile"] = json!("plain");
    assert_eq!(read::<SessionRequest>(&request).unwrap().profile, Some(Profile::Plain));
    answer["profile"] = json!("plain");
    assert_eq!(read::<SessionAnswer>(&answer).unwrap().profile, Some(Profile::Plain));
}

#[test]
fn a_document_is_an_object_and_never_an_array() {
    let array = json!(["k1", "AAAA", "AAAA", "bound"]);
    assert!(read::<SessionRequest>(&array).is_err());
    assert!(read::<SessionAnswer>(&json!([ID, 1, 2, "bound"])).is_err());
    assert!(read::<ReceivedAnswer<SessionAnswer>>(&json!([1, true, "2000", null])).is_err());
    assert!(read::<PublicKeyDocument>(&json!(["k", "AAAA", "", 1, "", null, []])).is_err());
}

#[test]
fn an_impossible_key_id_is_read_and_left_to_the_server_machine() {
    for key_id in ["", "a b", "é", &"k".repeat(256), "\u{7f}"] {
        let mut request = session_request();
        request["keyId"] = json!(key_id);
        assert_eq!(read::<SessionRequest>(&request).unwrap().key_id.key_id(), None, "{key_id}");
    }
}

#[test]
fn a_client_ignores_what_it_does_not_know() {
    let mut key = key_document();
    key["more"] = json!({"nested": [1]});
    key["profiles"] = json!(["plain", "bound", "future"]);
    assert_eq!(read::<PublicKeyDocument>(&key).unwrap().profiles, Profiles::BOUND);
    for offered in [json!(["plain"]), json!(["plain", "future"]), json!(["future"]), json!([])] {
        key["profiles"] = offered;
        assert_eq!(read::<PublicKeyDocument>(&key).unwrap().profiles, Profiles::PLAIN, "{key}");
    }
    key.as_object_mut().unwrap().remove("profiles");
    assert_eq!(read::<PublicKeyDocument>(&key).unwrap().profiles, Profiles::PLAIN);

    let mut answer = whole_answer();
    answer["more"] = json!(1);
    answer["data"]["more"] = json!(1);
    let read: ReceivedAnswer<SessionAnswer> = read(&answer).unwrap();
    assert_eq!((read.success, read.code, read.timestamp), (true, Code::Success, Some(5)));
    assert_eq!(read.data.unwrap().session_id.as_str(), ID);
}

#[test]
fn an_error_answer_needs_only_success_code_and_message() {
    let answer = json!({"success": false, "code": "SECURE_CHANNEL.BUSY", "message": "busy"});
    let answer: ReceivedAnswer<SessionAnswer> = read(&answer).unwrap();
    assert_eq!((answer.success, answer.code), (false, Code::Busy));
    assert!(answer.timestamp.is_none() && answer.data.is_none());
    let foreign = json!({"success": false, "code": "VENDOR.NEW", "message": "", "data": null});
    assert_eq!(read::<ReceivedAnswer<SessionAnswer>>(&foreign).unwrap().code, Code::InternalError);
}

#[test]
fn a_server_writes_what_the_protocol_shows() {
    let (key, id) = (KeyId::parse("k1").unwrap(), SessionId::parse(ID).unwrap());
    let request = SessionRequest::new(key.clone(), &[0; 3], &[0; 3], Profile::Plain);
    let written = serde_json::to_value(&request).unwrap();
    assert_eq!(written, json!({"keyId": "k1", "encReqKey": "AAAA", "encRespKey": "AAAA"}));

    let answer = Answer::success(5, SessionAnswer::new(id, 7, Some(9), Profile::Plain));
    assert_eq!(
        serde_json::to_value(&answer).unwrap(),
        json!({"version": "2.0.0", "timestamp": 5, "success": true, "code": "2000", "message": "SUCCESS",
               "data": {"sessionId": ID, "expiresAt": 7, "idleTimeout": 9}})
    );
    assert_eq!(
        serde_json::to_value(Answer::error(5, Code::Replayed, "seen")).unwrap(),
        json!({"version": "2.0.0", "timestamp": 5, "success": false, "code": "SECURE_CHANNEL.REPLAYED",
               "message": "seen", "data": null})
    );
    let document = PublicKeyDocument::new(key, &[0; 3], 2048, "now", None, Profiles::PLAIN).unwrap();
    assert_eq!(
        serde_json::to_value(document).unwrap(),
        json!({"keyId": "k1", "publicKey": "AAAA", "algorithm": "RSA-OAEP-2048", "keySize": 2048,
               "createdAt": "now", "expiresAt": null})
    );
}

#[test]
fn a_key_document_is_not_made_from_parts_that_do_not_fit() {
    let make = |spki: &[u8], created: &str, expires: Option<&str>| {
        let key = KeyId::parse("k1").unwrap();
        PublicKeyDocument::new(key, spki, 2048, created, expires, Profiles::PLAIN)
    };
    let long = "x".repeat(41);
    assert!(make(&[0; MAX_SPKI_LEN], &long[1..], Some(&long[1..])).is_some());
    assert!(make(&[0; MAX_SPKI_LEN + 1], "", None).is_none(), "an empty public key would be published");
    assert!(make(&[], &long, None).is_none());
    assert!(make(&[], "", Some(&long)).is_none());
}

/// Writes and reads with `serde-json-core`, which has neither std nor an allocator.
#[test]
fn every_document_goes_through_a_format_without_std() {
    fn pass<T: serde::Serialize + DeserializeOwned>(value: &T) -> T {
        let mut text = [0; 4096];
        let len = serde_json_core::to_slice(value, &mut text).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&text[..len]).unwrap(),
            serde_json::to_value(value).unwrap(),
            "both formats write the same"
        );
        let (read, used) = serde_json_core::from_slice(&text[..len]).unwrap();
        assert_eq!(used, len);
        read
    }
    let (key, id) = (KeyId::parse("k1").unwrap(), SessionId::parse(ID).unwrap());
    let spki = [0xab; MAX_SPKI_LEN];
    for profiles in [Profiles::PLAIN, Profiles::BOUND] {
        let document =
            PublicKeyDocument::new(key.clone(), &spki, 4096, "now", Some("then"), profiles).unwrap();
        let read = pass(&document);
        assert_eq!((read.public_key.as_slice(), read.profiles), (spki.as_slice(), profiles));
        assert_eq!((&read.key_id, read.expires_at.unwrap().as_str()), (&key, "then"));
    }
    let wrapped = [[1; MAX_WRAPPED_LEN], [2; MAX_WRAPPED_LEN]];
    for profile in [Profile::Plain, Profile::Bound] {
        let request = pass(&SessionRequest::new(key.clone(), &wrapped[0], &wrapped[1], profile));
        assert_eq!(request.key_id.key_id(), Some(&key));
        assert_eq!([request.enc_req_key, request.enc_resp_key], wrapped.map(|key| Base64Bytes::new(&key)));
        assert_eq!(request.profile.unwrap_or_default(), profile);

        let answer = SessionAnswer::new(id, u64::MAX, Some(u32::MAX), profile);
        assert_eq!(pass(&answer), answer);
        let mut text = [0; 512];
        let len = serde_json_core::to_slice(&Answer::success(1, answer.clone()), &mut text).unwrap();
        let (read, _) = serde_json_core::from_slice::<ReceivedAnswer<SessionAnswer>>(&text[..len]).unwrap();
        assert_eq!(read.data, Some(answer));
    }
    for code in Code::ALL {
        assert_eq!(pass(code), *code);
    }
}

#[test]
fn a_text_envelope_goes_through_a_format_without_std() {
    let envelope = [b"SC\x02\x81".as_slice(), &[0x5c; 40]].concat();
    let mut text = vec![0; sc_core::text::encoded_len(envelope.len())];
    let text = sc_core::text::encode(&envelope, &mut text).unwrap();
    let mut out = [0; 64];
    let mut json = serde_json_core::de::Deserializer::new(text, None);
    let read = TextEnvelope::new(MessageType::ResponseData, &mut out).read(&mut json).unwrap();
    assert_eq!(read, envelope);
    json.end().unwrap();
}

#[test]
fn a_text_envelope_is_never_a_key_exchange() {
    let text = format!(r#"{{"v":2,"p":"{}"}}"#, "A".repeat(1024));
    let mut out = [0; 1024];
    let mut json = serde_json::Deserializer::from_str(&text);
    assert!(TextEnvelope::new(MessageType::KeyExchange, &mut out).read(&mut json).is_err());
}
