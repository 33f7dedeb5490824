//! `scv2 inspect`: every form of input gives the same fields, and with a key log whole conversations open.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod cli_support;
mod client_support;
mod recording;

use std::io::Write;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use cli_support::{Ran, bytes, scv2, text, vectors};
use client_support::{FORGOT, Fake, Pay, forgot};
use recording::{Bodies, Exchange, Recorder, curl_i, dumps, har, hex, lines, trace};
use sc_core::client::ProfileChoice;
use sc_std::client::SetUpWay;
use serde_json::Value;

/// What the client of the conversations must not find in any output.
const FINGERPRINT: &str = "fingerprint-of-a-phone";
const EMAIL: &str = "confidential@example.com";

fn positives() -> Vec<Value> {
    vectors()["positive"].as_array().unwrap().clone()
}

fn positive(name: &str) -> Value {
    positives().into_iter().find(|vector| text(vector, "name") == name).unwrap()
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

#[test]
fn every_form_of_one_envelope_gives_the_same_fields() {
    for name in ["type1-bound-2048-28", "type2-plain-28", "type129-plain-0", "type2-plain-4096"] {
        let envelope = bytes(&positive(name), "envelope");
        let digits = hex(&envelope);
        let colons: Vec<_> = envelope.iter().map(|byte| format!("{byte:02X}")).collect();
        let [xxd, hexdump, od] = dumps(&envelope);
        let base64 = Base64::encode_string(&envelope);
        let base64url = Base64UrlUnpadded::encode_string(&envelope);
        let url = if base64url.contains(['-', '_']) { "base64url" } else { "Base64" };
        let forms = [
            (digits.clone(), "hex"),
            (digits.to_uppercase(), "hex"),
            (format!("0x{digits}\n"), "hex"),
            (lines(&digits, 60), "hex"),
            (colons.join(":"), "hex"),
            (xxd, "hex dump"),
            (hexdump, "hex dump"),
            (od, "hex dump"),
            (base64.clone(), "Base64"),
            (lines(&base64, 76), "Base64"),
            (base64.trim_end_matches('=').to_owned(), "Base64"),
            (base64url, url),
        ];
        for json in [false, true] {
            let arguments = [&["inspect"][..], if json { &["--json"] } else { &[] }].concat();
            let expected = scv2(&arguments, &envelope);
            assert_eq!((expected.code, expected.err.as_str()), (0, ""));
            for (form, read_as) in &forms {
                let ran = scv2(&arguments, form.as_bytes());
                assert_eq!((ran.code, ran.err), (0, format!("read as: {read_as}\n")), "{name} {form:.80}");
                assert_eq!(ran.out, expected.out, "{name} {read_as}");
            }
        }
    }
}

#[test]
fn a_text_envelope_shows_its_fields_without_a_type() {
    let envelope = bytes(&positive("type2-plain-28"), "envelope");
    let text = format!(r#" {{"v": 2, "p": "{}"}}"#, Base64::encode_string(&envelope[4..]));
    let ran = scv2(&["inspect"], text.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (0, "read as: text envelope\n"));
    assert!(ran.text().contains("      0       12  IV ") && !ran.text().contains("magic"), "{}", ran.text());
    let json = scv2(&["inspect", "--json"], text.as_bytes()).json();
    assert_eq!((&json["type"], &json["length"]), (&Value::Null, &Value::from(envelope.len() - 4)));

    let line = key_log_line(&positive("type2-plain-28"));
    let log = file(line.as_bytes());
    let ran = scv2(&["inspect", "--key-log", log.path().to_str().unwrap()], text.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.text().contains("opened: request of sess_"), "{}", ran.text());
}

#[test]
fn what_is_nothing_of_all_this_is_exit_code_2() {
    for (input, said) in [
        (&b""[..], "not an envelope"),
        (b"hello, world", "nor hex, Base64, a HAR file or a curl trace"),
        (b"deadbeef", "read as hex, it is not an envelope"),
        (b"> GET / HTTP/1.1\n> Host: x\n", "--trace FILE"),
        (b"=> Send header, 20 bytes (0x14)\n0000: GET / HTTP/1.1\n", "--trace-ascii"),
        (b"{\"email\":\"x\"}", "neither a HAR file nor a text envelope"),
    ] {
        let ran = scv2(&["inspect"], input);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(said), "{}", ran.err);
    }
    let option = scv2(&["inspect", "--request-iv", &"0".repeat(24)], b"");
    assert_eq!(option.code, 2, "of no use without a key log");
}

/// The session of a vector as a key log tells it. The plain profile uses neither id nor ctx, but for a type 1.
fn key_log_line(vector: &Value) -> String {
    let field = |name: &str, otherwise: &str| vector[name].as_str().unwrap_or(otherwise).to_owned();
    let id = field("session_id", "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let mut ctx = field("ctx", &"0".repeat(64));
    if vector["type"] == 1 {
        use sha2::Digest;
        let envelope = bytes(vector, "envelope");
        let sealed = 28 + bytes(vector, "plaintext").len();
        ctx = hex(&sha2::Sha256::digest(&envelope[4..envelope.len() - sealed]));
    }
    let [profile, request, response] =
        ["profile", "request_key", "response_key"].map(|name| text(vector, name));
    format!("SCV2 {id} {profile} {ctx} {request} {response}\n")
}

#[test]
fn every_vector_opens_with_a_key_log_and_no_changed_one_does() {
    let all = positives();
    let log = file(all.iter().map(key_log_line).collect::<String>().as_bytes());
    let log = log.path().to_str().unwrap();
    for vector in &all {
        let name = text(vector, "name");
        let mut arguments = vec!["inspect", "--json", "--key-log", log];
        if let Some(message) = vector["message"].as_str() {
            arguments.extend(["--name", message]);
        }
        if let Some(iv) = vector["request_iv"].as_str() {
            arguments.extend(["--request-iv", iv]);
        }
        let mut envelope = bytes(vector, "envelope");
        let ran = scv2(&arguments, &envelope);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
        assert_eq!(ran.json()["opened"]["plaintextHex"], vector["plaintext"], "{name}");
        assert_eq!(ran.json()["opened"]["profile"], vector["profile"], "{name}");
        *envelope.last_mut().unwrap() ^= 1;
        let ran = scv2(&arguments, &envelope);
        assert_eq!((ran.code, &ran.json()["opened"]), (1, &Value::Null), "{name}");
    }
}

/// A conversation, its key log, and how it was held.
struct Conversation {
    exchanges: Vec<Exchange>,
    key_log: String,
}

/// Set-up, two messages that succeed, one that the service refuses.
fn conversation(profile: ProfileChoice, way: SetUpWay) -> Conversation {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fake = Fake::new();
        let recorder = Recorder::new(std::sync::Arc::clone(&fake));
        let client = fake.client().with_transport(recorder.clone()).with_profile(profile).with_set_up(way);
        let client = client.build().unwrap();
        client.call(&forgot(EMAIL)).await.unwrap();
        client.call(&Pay { amount: 41_718 }).await.unwrap();
        client.call(&forgot("limited@example.com")).await.unwrap_err();
        Conversation { exchanges: recorder.kept(), key_log: fake.key_log() }
    })
}

fn conversations() -> Vec<Conversation> {
    let profiles = [ProfileChoice::Plain, ProfileChoice::RequireBound];
    let ways = [SetUpWay::Endpoint, SetUpWay::Inline];
    profiles.into_iter().flat_map(|profile| ways.map(|way| conversation(profile, way))).collect()
}

fn recordings(exchanges: &[Exchange]) -> [(Vec<u8>, &'static str); 3] {
    [
        (har(exchanges, Bodies::Base64), "HAR file"),
        (har(exchanges, Bodies::Characters), "HAR file"),
        (trace(exchanges), "curl trace"),
    ]
}

/// No key, and nothing of the client's fingerprint, in any output.
fn nothing_secret(ran: &Ran, key_log: &str) {
    let out = ran.text().to_lowercase() + &ran.err.to_lowercase();
    for line in key_log.lines() {
        for key in line.split(' ').skip(4) {
            assert!(!out.contains(&key[..32]) && !out.contains(&key[32..]), "a key is shown:\n{out}");
        }
    }
    assert!(!out.contains(FINGERPRINT), "{out}");
}

#[test]
fn a_recording_shows_its_exchanges_without_a_key() {
    for Conversation { exchanges, key_log } in conversations() {
        for (recording, read_as) in recordings(&exchanges) {
            let ran = scv2(&["inspect"], &recording);
            assert_eq!(
                (ran.code, ran.err.as_str()),
                (0, format!("read as: {read_as}\n").as_str()),
                "{}",
                ran.text()
            );
            let text = ran.text();
            for shown in [
                "[1] ──▶ GET ",
                "/prefix/web/v1/secure-channel/public-key\n",
                "\"keyId\": ",
                "X-SC-Session-Id: sess_",
                "SESSION_DATA: a request",
                "RESPONSE_DATA: an answer",
                "◀── 429",
                "retry-after: 17",
            ] {
                assert!(text.to_lowercase().contains(&shown.to_lowercase()), "{shown}\n{text}");
            }
            assert!(!text.contains(EMAIL) && !text.contains("41718"), "{text}");
            nothing_secret(&ran, &key_log);
            let json = scv2(&["inspect", "--json"], &recording).json();
            assert_eq!(json.as_array().unwrap().len(), exchanges.len());
        }
    }
}

#[test]
fn a_whole_conversation_opens_with_its_key_log() {
    for Conversation { exchanges, key_log } in conversations() {
        let log = file(key_log.as_bytes());
        let log = log.path().to_str().unwrap();
        for (recording, _) in recordings(&exchanges) {
            let ran = scv2(&["inspect", "--key-log", log], &recording);
            assert_eq!(ran.code, 0, "{}\n{}", ran.err, ran.text());
            let text = ran.text();
            assert_eq!(text.matches(EMAIL).count(), 2, "in the request and its answer: {text}");
            assert_eq!(text.matches("\"amount\": 41718").count(), 2, "{text}");
            assert!(text.contains("\"code\": \"REQUEST.RATE_LIMITED\""), "{text}");
            assert_eq!(text.matches("opened: ").count(), 6, "{text}");
            assert!(text.ends_with(", envelopes: 6, 0 malformed, 0 not opened\n"), "{text}");
            nothing_secret(&ran, &key_log);

            let ran = scv2(&["inspect", "--json", "--key-log", log], &recording);
            nothing_secret(&ran, &key_log);
            let json = ran.json();
            let bodies = json
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|one| [&one["request"]["body"], &one["response"]["body"]]);
            let opened =
                bodies.filter(|body| body["kind"] == "envelope").map(|body| &body["envelope"]["opened"]);
            assert_eq!(opened.filter(|opened| opened["plaintext"].is_string()).count(), 6);
        }
    }
}

#[test]
fn a_changed_envelope_and_a_foreign_key_log_are_exit_code_1_and_show_no_plaintext() {
    let mut all = conversations();
    let foreign = all.pop().unwrap().key_log;
    for Conversation { mut exchanges, key_log } in all {
        let other = scv2(
            &["inspect", "--key-log", file(foreign.as_bytes()).path().to_str().unwrap()],
            &trace(&exchanges),
        );
        assert_eq!(other.code, 1, "{}", other.err);
        assert!(
            !other.text().contains(EMAIL) && other.text().contains("not in the key log"),
            "{}",
            other.text()
        );

        // The request and the answer of forgot password, one byte each.
        exchanges.retain(|(request, _)| request.uri().path().ends_with(FORGOT));
        exchanges.truncate(1);
        let flip = |body: &Bytes| {
            let mut body = body.to_vec();
            *body.last_mut().unwrap() ^= 1;
            Bytes::from(body)
        };
        let (request, response) = &mut exchanges[0];
        *request.body_mut() = flip(request.body());
        *response.body_mut() = flip(response.body());
        let log = file(key_log.as_bytes());
        for json in [&[][..], &["--json"]] {
            let arguments = [&["inspect", "--key-log", log.path().to_str().unwrap()][..], json].concat();
            let ran = scv2(&arguments, &trace(&exchanges));
            assert_eq!((ran.code, ran.err.contains("2 envelopes")), (1, true), "{}", ran.err);
            assert!(!ran.text().contains("confidential"), "{}", ran.text());
            nothing_secret(&ran, &key_log);
        }
        let ran = scv2(&["inspect", "--key-log", log.path().to_str().unwrap()], request_of(&exchanges));
        assert!(ran.code == 1 && ran.err.contains("does not open"), "{}", ran.err);
        assert!(ran.text().contains("ciphertext") && !ran.text().contains("confidential"), "{}", ran.text());
    }
}

fn request_of(exchanges: &[Exchange]) -> &[u8] {
    exchanges[0].0.body()
}

#[test]
fn one_answer_opens_with_the_iv_of_its_request() {
    let Conversation { exchanges, key_log } = conversation(ProfileChoice::RequireBound, SetUpWay::Endpoint);
    let log = file(key_log.as_bytes());
    let log = log.path().to_str().unwrap();
    let (request, response) =
        exchanges.iter().find(|(request, _)| request.uri().path().ends_with(FORGOT)).unwrap();
    let iv = hex(&request.body()[4..16]);
    for answer in [curl_i(response), response.body().to_vec()] {
        let ran =
            scv2(&["inspect", "--key-log", log, "--name", "password.forgot", "--request-iv", &iv], &answer);
        assert!(ran.code == 0 && ran.text().contains(EMAIL), "{} {}", ran.err, ran.text());
        let ran = scv2(&["inspect", "--key-log", log, "--name", "password.forgot"], &answer);
        assert!(ran.code == 1 && !ran.text().contains(EMAIL), "{}", ran.text());
        assert!((ran.err.clone() + ran.text()).contains("--request-iv"), "{}", ran.err);
    }
    let answer = curl_i(response);
    let ran = scv2(&["inspect", "--json", "--key-log", log], &answer[..answer.len() - 1]);
    assert_eq!(
        (ran.code, &ran.json()[0]["response"]["body"]["kind"]),
        (1, &Value::from("lost")),
        "cut short"
    );
    let ran = scv2(&["inspect", "--key-log", log], request.body());
    assert!(ran.code == 0 && ran.text().contains(EMAIL), "the registered name is known: {}", ran.err);
    let ran = scv2(&["inspect", "--key-log", log, "--name", "other"], request.body());
    assert!(ran.code == 1 && ran.err.contains("--name"), "{}", ran.err);
}

#[test]
fn a_har_file_that_has_lost_bytes_says_so() {
    let Conversation { exchanges, key_log } = conversation(ProfileChoice::Plain, SetUpWay::Endpoint);
    let lossy = har(&exchanges, Bodies::Lossy);
    let ran = scv2(&["inspect"], &lossy);
    assert!(ran.code == 0 && ran.text().contains("this HAR has lost bytes of the body"), "{}", ran.text());
    let log = file(key_log.as_bytes());
    let ran = scv2(&["inspect", "--key-log", log.path().to_str().unwrap()], &lossy);
    assert_eq!(ran.code, 1, "what is lost cannot open");
}

#[test]
fn exchanges_that_do_not_concern_the_channel_are_neither_counted_nor_told() {
    let text = "{\"password\":\"hunter2\"}";
    let har = serde_json::json!({ "log": { "entries": [
        { "request": { "method": "POST", "url": "https://x/login", "postData": { "text": text } },
          "response": { "status": 200, "headers": [{ "name": "Content-Type", "value": "text/\u{202e}json" }],
                        "content": { "text": text } } },
        { "request": { "method": "GET", "url": "https://x/logo.png" },
          "response": { "status": 200, "content": { "size": 100 } } },
    ] } });
    let log = file(key_log_line(&positive("type2-plain-28")).as_bytes());
    for json in [&[][..], &["--json"]] {
        let arguments = [&["inspect", "--key-log", log.path().to_str().unwrap()][..], json].concat();
        let ran = scv2(&arguments, har.to_string().as_bytes());
        assert_eq!(ran.code, 0, "{} {}", ran.err, ran.text());
        assert!(!ran.text().contains("hunter2") && !ran.text().contains('\u{202e}'), "{}", ran.text());
    }
    let json = scv2(&["inspect", "--json"], har.to_string().as_bytes()).json();
    let body = serde_json::json!({ "kind": "other", "length": text.len(), "type": "text/\u{202e}json" });
    assert_eq!(json[0]["response"]["body"], body);
}

#[test]
fn a_malformed_envelope_in_a_recording_is_shown_and_is_exit_code_2() {
    let mut exchanges = conversation(ProfileChoice::Plain, SetUpWay::Endpoint).exchanges;
    let (request, _) = exchanges.iter_mut().find(|(request, _)| request.body().starts_with(b"SC")).unwrap();
    *request.body_mut() = request.body().slice(..9);
    let ran = scv2(&["inspect"], &trace(&exchanges));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(
        ran.text().contains("not an envelope: ") && ran.text().contains("RESPONSE_DATA"),
        "{}",
        ran.text()
    );
}

#[test]
fn a_bad_key_log_is_exit_code_2_and_is_not_repeated() {
    let good = key_log_line(&positive("type2-plain-28"));
    let bad = format!("# comment\n{good}{}", good.replace("SCV2", "SCV3"));
    let log = file(bad.as_bytes());
    let ran = scv2(&["inspect", "--key-log", log.path().to_str().unwrap()], b"53430202");
    assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains("line 3"), "{}", ran.err);
    nothing_secret(&ran, &good);
    assert_eq!(scv2(&["inspect", "--key-log", "/no/such/file"], b"").code, 2);
}
