//! Body of the fuzz target `inspect` (builds for fuzzing only): any bytes are shown or refused, and steer no terminal.
#![allow(clippy::expect_used, reason = "a target fails by panicking")]

use std::fmt::Write;
use std::sync::OnceLock;

use base64ct::{Base64, Encoding};
use sc_std::key_log;
use serde_json::Value;

use super::capture::{self, Form, Found};
use super::exchange::Exchange;
use super::keys::{Clues, Keys};
use super::show::{self, Tally};
use super::to_json;
use crate::hex_view::View;
use crate::terminal::steers;
use crate::{hex, json_view};

/// A recording or an envelope in some clothing, as `inspect` reads and shows it, with a key log and without.
///
/// # Panics
/// If text and JSON disagree, something is shown that steers a terminal, or one clothing changes what is in it.
pub(crate) fn inspect(data: &[u8]) {
    if let Err(error) = key_log::read(data) {
        let lines = data.split(|byte| *byte == b'\n').count();
        assert!((1..=lines).contains(&error.line()));
    }
    clothed(data);
    let found = match capture::read(data) {
        Ok((form, found)) => {
            is_harmless(&form.to_string());
            found
        }
        Err(why) => {
            assert!(why.len() < 300, "an error repeats its input");
            return is_harmless(&why);
        }
    };
    match found {
        Found::Envelope(bytes) => match View::of(&bytes) {
            Ok(view) => {
                one(&view, &bytes);
                let mut out = Vec::new();
                let opened = keys().open(&bytes, &Clues::default());
                show::plaintext(&mut out, opened.as_ref()).expect("memory");
                is_harmless(&shown(&out));
            }
            Err(reason) => is_harmless(&reason.to_string()),
        },
        Found::Payload(payload) => {
            one(&View::of_payload(&payload), &payload);
            let mut fields = View::of_payload(&payload).to_json();
            to_json::add_opened(&mut fields, keys().open_payload(&payload).as_ref());
            is_json(&fields);
        }
        Found::Exchanges(exchanges) => {
            let without = recording(&exchanges, None);
            let with = recording(&exchanges, Some(keys()));
            assert_eq!((with.envelopes, with.malformed), (without.envelopes, without.malformed));
            assert_eq!(without.unopened, 0, "nothing was tried");
        }
    }
}

/// The fields of an envelope are all of its bytes, in both views.
fn one(view: &View<'_>, bytes: &[u8]) {
    let mut out = Vec::new();
    view.write_table(&mut out).expect("memory");
    is_harmless(&shown(&out));
    let json = view.to_json();
    is_json(&json);
    let fields = json["fields"].as_array().expect("fields");
    let all: String = fields.iter().filter_map(|field| field["hex"].as_str()).collect();
    assert_eq!(all, hex::encode(bytes));
}

/// Shows a recording in both views, which count the same.
fn recording(exchanges: &[Exchange], keys: Option<&Keys>) -> Tally {
    let (mut tally, mut by_json, mut out) = (Tally::default(), Tally::default(), Vec::new());
    for (exchange, number) in exchanges.iter().zip(1..) {
        show::exchange(&mut out, number, exchange, keys, &mut tally).expect("memory");
        is_json(&to_json::exchange(exchange, keys, &mut by_json));
    }
    assert_eq!(tally, by_json);
    assert!(tally.envelopes.saturating_add(tally.malformed) <= exchanges.len().saturating_mul(2));
    is_harmless(&shown(&out));
    tally
}

/// The keys of the recorded conversations in the vectors.
fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let vectors: Value = serde_json::from_str(TRACES).expect("the vectors");
        let traces = vectors["traces"].as_array().expect("a list").iter();
        let log = traces.fold(String::new(), |mut log, trace| {
            let words = ["session_id", "profile", "ctx", "request_key", "response_key"];
            let [id, profile, ctx, request, response] = words.map(|word| trace[word].as_str().expect("text"));
            writeln!(log, "SCV2 {id} {profile} {ctx} {request} {response}").expect("memory");
            log
        });
        Keys::new(key_log::read(log.as_bytes()).expect("a key log"), None, None)
    })
}

const TRACES: &str = include_str!("../../../../../sc-core/vectors/traces.json");

/// What was written, without our own colours.
fn shown(out: &[u8]) -> String {
    let text = std::str::from_utf8(out).expect("text is shown");
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (colour, rest) = part.split_once('m').expect("a colour ends");
        assert!(colour.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "no colour: {colour:?}");
        plain.push_str(rest);
    }
    plain
}

fn is_harmless(text: &str) {
    let steering = text.chars().find(|c| steers(*c) && *c != '\n');
    assert_eq!(steering, None, "{text:?}");
}

/// What `--json` writes is the same value, readable.
fn is_json(value: &Value) {
    let text = json_view::pretty(&value.to_string());
    is_harmless(&text);
    assert_eq!(serde_json::from_str::<Value>(&text).ok().as_ref(), Some(value));
}

/// The same bytes, written down as people have them.
fn clothed(data: &[u8]) {
    if !data.starts_with(b"SC") {
        return;
    }
    let (plain, base64) = (hex::encode(data), Base64::encode_string(data));
    let dump = data.chunks(16).enumerate().fold(String::new(), |mut dump, (at, line)| {
        let text: String =
            line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        writeln!(dump, "{:08x}: {}  {text}", at.saturating_mul(16), hex::encode(line)).expect("memory");
        dump
    });
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(plain.bytes().flat_map(|byte| [byte, 0])).collect();
    for (text, form) in [
        (plain.as_bytes(), Form::Hex),
        (base64.as_bytes(), Form::Base64),
        (dump.as_bytes(), Form::HexDump),
        (&wide, Form::Hex),
    ] {
        match capture::read(text) {
            Ok((read, Found::Envelope(bytes))) => {
                assert!(read == form && bytes == data, "{read:?} for {form:?}")
            }
            other => unreachable!("{form:?} is read as {other:?}"),
        }
    }
}
