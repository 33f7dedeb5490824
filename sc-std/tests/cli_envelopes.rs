//! The program without a network: help, inspect, seal, open.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod cli_support;

use std::io::Write;

use cli_support::{bytes, scv2, text, vectors};
use serde_json::Value;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_KEY: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn positive(name: &str) -> Value {
    let vectors = vectors();
    let all = vectors["positive"].as_array().unwrap();
    all.iter().find(|vector| text(vector, "name") == name).unwrap().clone()
}

fn key_file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{KEY}").unwrap();
    file
}

#[test]
fn every_command_has_help_and_wrong_usage_is_exit_code_2() {
    for command in ["forgot-password", "call", "inspect", "seal", "open"] {
        let help = scv2(&[command, "--help"], b"");
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{command}");
        assert!(help.text().contains("Usage: scv2") && help.text().contains("--help"), "{command}");
        assert_eq!(scv2(&[command, "--no-such-flag"], b"").code, 2, "{command}");
    }
    let help = scv2(&["--help"], b"");
    assert_eq!(help.code, 0);
    for told in ["forgot-password", "call", "inspect", "seal", "open", "Exit codes"] {
        assert!(help.text().contains(told), "{told}");
    }
    assert!(!help.text().contains('\u{1b}'), "no colours into a pipe");
    for wrong in [&[][..], &["no-such-command"], &["call"], &["seal"], &["open", "--type", "2"]] {
        let ran = scv2(wrong, b"");
        assert!(ran.code == 2 && ran.out.is_empty() && !ran.err.is_empty(), "{wrong:?}");
    }
    assert_eq!(scv2(&["--version"], b"").code, 0);
}

#[test]
fn inspect_shows_every_field() {
    for (name, expected) in [
        ("type1-bound-2048-28", include_str!("golden/inspect-type1.txt")),
        ("type2-plain-28", include_str!("golden/inspect-type2.txt")),
        ("type129-plain-0", include_str!("golden/inspect-type129.txt")),
    ] {
        let envelope = bytes(&positive(name), "envelope");
        let ran = scv2(&["inspect"], &envelope);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert_eq!(ran.text(), expected, "{name}\n{}", ran.text());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&envelope).unwrap();
        assert_eq!(scv2(&["inspect", file.path().to_str().unwrap()], b"").out, ran.out);
        assert_eq!(scv2(&["inspect", "-"], &envelope).out, ran.out);
    }
}

#[test]
fn inspect_writes_json_that_holds_every_byte_of_every_vector() {
    for vector in vectors()["positive"].as_array().unwrap() {
        let ran = scv2(&["inspect", "--json"], &bytes(vector, "envelope"));
        let json = ran.json();
        assert_eq!((ran.code, &json["type"]), (0, &vector["type"]));
        let fields = json["fields"].as_array().unwrap();
        let all: String = fields.iter().map(|field| field["hex"].as_str().unwrap()).collect();
        assert_eq!(all, text(vector, "envelope"), "{}", text(vector, "name"));
        let mut end = 0;
        for field in fields {
            assert_eq!(field["offset"], end);
            end += field["size"].as_u64().unwrap();
        }
        assert_eq!(json["length"], end);
        if vector["type"] == 1 {
            assert_eq!(json["profile"], vector["profile"]);
        }
    }
}

#[test]
fn whatever_is_not_an_envelope_is_exit_code_2_for_inspect_and_open() {
    let vectors = vectors();
    for vector in vectors["negative"].as_array().unwrap() {
        let envelope = match vector.get("repeat") {
            None => bytes(vector, "bytes"),
            Some(repeat) => {
                let byte = u8::from_str_radix(text(repeat, "byte"), 16).unwrap();
                let count = usize::try_from(repeat["count"].as_u64().unwrap()).unwrap();
                [bytes(repeat, "prefix"), vec![byte; count]].concat()
            }
        };
        for command in [&["inspect"][..], &["open", "--key", KEY]] {
            let ran = scv2(command, &envelope);
            let name = text(vector, "name");
            let why = if ran.err.contains("not an envelope") { "" } else { "is longer than" };
            assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(why), "{name} {}", ran.err);
        }
    }
    assert_eq!(scv2(&["inspect", "/no/such/file"], b"").code, 2);
}

#[test]
fn what_is_sealed_opens_again() {
    let file = key_file();
    let file = file.path().to_str().unwrap();
    for direction in ["2", "129"] {
        for plaintext in [&b""[..], b"{\"email\":\"user@example.com\"}", &[0xff; 1_048_576]] {
            let sealed = scv2(&["seal", "--key-file", file, "--type", direction], plaintext);
            assert_eq!((sealed.code, sealed.err.as_str()), (0, ""));
            assert_eq!(sealed.out.len(), plaintext.len() + 32);
            let again = scv2(&["seal", "--key-file", file, "--type", direction], plaintext);
            assert_ne!(sealed.out, again.out, "a new IV each time");
            let opened = scv2(&["open", "--key-file", file, "--type", direction], &sealed.out);
            assert_eq!((opened.code, opened.err.as_str()), (0, ""));
            assert_eq!(opened.out, plaintext);

            let piped = [KEY.as_bytes(), b"\n", &sealed.out].concat();
            let opened = scv2(&["open", "--key-file", "-", "--type", direction], &piped);
            assert_eq!(
                (opened.code, opened.out.as_slice()),
                (0, plaintext),
                "key and envelope in one stream"
            );
        }
    }
    let piped = scv2(&["seal", "--key-file", "-"], format!("{KEY}\r\nhello").as_bytes());
    let opened = scv2(&["open", "--key", KEY], &piped.out);
    assert_eq!(opened.text(), "hello");
    assert!(opened.err.contains("list of processes"), "{}", opened.err);
}

#[test]
fn an_envelope_that_does_not_open_is_exit_code_1_and_writes_nothing() {
    let sealed = scv2(&["seal", "--key", KEY], b"secret").out;
    let mut changed = sealed.clone();
    changed[20] ^= 1;
    for (key, envelope) in [(OTHER_KEY, &sealed), (KEY, &changed)] {
        let ran = scv2(&["open", "--key", key], envelope);
        assert_eq!((ran.code, ran.out.len()), (1, 0));
        assert!(ran.err.contains("does not open"), "{}", ran.err);
    }
}

#[test]
fn an_envelope_of_another_type_is_exit_code_2() {
    let request = scv2(&["seal", "--key", KEY], b"x").out;
    let answer = scv2(&["seal", "--key", KEY, "--type", "129"], b"x").out;
    let exchange = bytes(&positive("type1-plain-2048-0"), "envelope");
    for (direction, envelope, hint) in [
        ("129", &request, "--type 2"),
        ("2", &answer, "--type 129"),
        ("2", &exchange, "key exchange"),
        ("129", &exchange, "key exchange"),
    ] {
        let ran = scv2(&["open", "--key", KEY, "--type", direction], envelope);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(hint), "{}", ran.err);
    }
    for command in ["seal", "open"] {
        let ran = scv2(&[command, "--key", KEY, "--type", "1"], b"x");
        assert!(ran.code == 2 && ran.err.contains("type 1 carries wrapped keys"), "{}", ran.err);
        assert_eq!(scv2(&[command, "--key", KEY, "--type", "3"], b"x").code, 2);
    }
}

#[test]
fn a_bad_key_is_exit_code_2_and_is_not_repeated() {
    let bad = &KEY[..62];
    for arguments in
        [&["--key", bad][..], &["--key-file", "/no/such/file"], &["--key", KEY, "--key-file", "-"]]
    {
        for command in ["seal", "open"] {
            let ran = scv2(&[&[command][..], arguments].concat(), b"x");
            assert!(ran.code == 2 && ran.out.is_empty(), "{}", ran.err);
            assert!(!ran.err.contains(bad), "{}", ran.err);
        }
    }
    let ran = scv2(&["seal", "--key-file", "-"], bad.as_bytes());
    assert!(ran.code == 2 && !ran.err.contains(bad), "{}", ran.err);
    let long = vec![0; 1_048_577];
    assert_eq!(scv2(&["seal", "--key", KEY], &long).code, 2, "longer than anybody takes");
}

#[test]
fn a_given_iv_reproduces_the_plain_vectors_and_warns() {
    let vectors = vectors();
    let plain = |vector: &&Value| vector["profile"] == "plain" && vector["type"] != 1;
    let mut tried = 0;
    for vector in vectors["positive"].as_array().unwrap().iter().filter(plain) {
        let (direction, key) =
            if vector["type"] == 2 { ("2", "request_key") } else { ("129", "response_key") };
        let (key, iv) = (text(vector, key), text(vector, "iv"));
        let plaintext = bytes(vector, "plaintext");
        let sealed = scv2(&["seal", "--key", key, "--type", direction, "--iv", iv], &plaintext);
        assert_eq!(sealed.code, 0);
        assert_eq!(sealed.out, bytes(vector, "envelope"), "{}", text(vector, "name"));
        assert!(sealed.err.contains("--iv is for test vectors"), "{}", sealed.err);
        let opened = scv2(&["open", "--key", key, "--type", direction], &sealed.out);
        assert_eq!((opened.code, opened.out), (0, plaintext));
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");
    for bad in ["", "00", &"0".repeat(26), &"g".repeat(24)] {
        let ran = scv2(&["seal", "--key", KEY, "--iv", bad], b"x");
        assert!(ran.code == 2 && ran.out.is_empty(), "{bad}");
    }
}
