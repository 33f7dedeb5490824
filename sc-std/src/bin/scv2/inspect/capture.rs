//! What somebody hands to `inspect`, told apart by its bytes alone: an envelope in some clothing, or a recording of HTTP.
//!
//! Total: any bytes are one of these forms or one clear error. Nothing in an error is from the input.

use std::fmt;

use sc_core::envelope::MessageType;
use sc_core::limits::HEADER_LEN;
use sc_core::text::{TextEnvelope, max_decoded_len};
use serde::Deserialize;

use super::exchange::Exchange;
use super::{curl, dump, har, http};

/// Longest input that is read, in bytes.
pub(super) const MAX_LEN: usize = 64 * 1024 * 1024;
const BROKEN: &str = "it begins like UTF-16 text, and is none";
const SPOILT: &str = "this is UTF-16 text, as PowerShell's > writes it, and that loses the bytes of an envelope: let the program write \
     the file, as curl does with --output FILE";

/// What the input was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Binary,
    Text,
    Hex,
    HexDump,
    Base64,
    Base64Url,
    Har,
    CurlTrace,
    Http,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary envelope",
            Self::Text => "text envelope",
            Self::Hex => "hex",
            Self::HexDump => "hex dump",
            Self::Base64 => "Base64",
            Self::Base64Url => "base64url",
            Self::Har => "HAR file",
            Self::CurlTrace => "curl trace",
            Self::Http => "HTTP message",
        })
    }
}

/// What was found in the input.
#[derive(Debug)]
pub(super) enum Found {
    /// The bytes of what should be one envelope.
    Envelope(Vec<u8>),
    /// What a text envelope holds: IV, ciphertext, tag. Its direction is not known.
    Payload(Vec<u8>),
    /// Requests and answers.
    Exchanges(Vec<Exchange>),
}

/// Tells what the input is and reads it.
pub(super) fn read(bytes: &[u8]) -> Result<(Form, Found), String> {
    let Some(text) = utf16(bytes) else { return read_bytes(bytes) };
    let text = text.map_err(str::to_owned)?;
    let (form, found) = read_bytes(text.as_bytes())?;
    let is_spoilt = match form {
        Form::Binary => text.starts_with("SC"),
        Form::Http => text.contains("\r\n\r\nSC") || text.contains("\n\nSC"),
        _ => false,
    };
    if is_spoilt { Err(SPOILT.to_owned()) } else { Ok((form, found)) }
}

/// UTF-16 text with its mark, which `>` of Windows PowerShell writes.
fn utf16(bytes: &[u8]) -> Option<Result<String, &'static str>> {
    let (bytes, unit): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        _ => return None,
    };
    let (units, rest) = bytes.as_chunks();
    let text = char::decode_utf16(units.iter().copied().map(unit)).collect::<Result<_, _>>();
    Some(text.ok().filter(|_| rest.is_empty()).ok_or(BROKEN))
}

/// The same, of bytes or UTF-8.
fn read_bytes(bytes: &[u8]) -> Result<(Form, Found), String> {
    if bytes.starts_with(b"SC") {
        return Ok((Form::Binary, Found::Envelope(bytes.to_vec())));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let trimmed = bytes.trim_ascii_start();
    if trimmed.starts_with(b"{") {
        return json(trimmed);
    }
    if curl::is_trace(trimmed) {
        return Ok((Form::CurlTrace, Found::Exchanges(curl::read(trimmed)?)));
    }
    if curl::is_verbose(trimmed) {
        return Err(
            "this is what curl -v shows, which has no bodies: record with curl --trace FILE".to_owned()
        );
    }
    if let Some(exchange) = http::read(trimmed) {
        return Ok((Form::Http, Found::Exchanges(vec![exchange])));
    }
    if let Some((form, bytes)) = std::str::from_utf8(bytes).ok().and_then(encoded) {
        return Ok((form, Found::Envelope(bytes)));
    }
    // The parser says what is wrong with it as an envelope.
    Ok((Form::Binary, Found::Envelope(bytes.to_vec())))
}

/// Bytes written as text.
fn encoded(text: &str) -> Option<(Form, Vec<u8>)> {
    // First, since offsets of six or eight digits could be bytes too. No envelope begins like the offset 0.
    if let Some(bytes) = dump::hex_dump(text) {
        return Some((Form::HexDump, bytes));
    }
    if let Some(bytes) = dump::hex(text) {
        return Some((Form::Hex, bytes));
    }
    dump::base64(text).map(|(bytes, url)| (if url { Form::Base64Url } else { Form::Base64 }, bytes))
}

/// A HAR file or a text envelope.
fn json(text: &[u8]) -> Result<(Form, Found), String> {
    #[derive(Deserialize)]
    struct Members {
        log: Option<serde::de::IgnoredAny>,
        v: Option<serde::de::IgnoredAny>,
        p: Option<serde::de::IgnoredAny>,
    }
    match serde_json::from_slice::<Members>(text) {
        Err(_) => Err("it begins like JSON, and is none".to_owned()),
        Ok(Members { log: Some(_), .. }) => Ok((Form::Har, Found::Exchanges(har::read(text)?))),
        Ok(Members { v: Some(_), p: Some(_), .. }) => match text_payload(text) {
            Some(payload) => Ok((Form::Text, Found::Payload(payload))),
            None => Err("not an envelope: JSON with v and p, but not a text envelope".to_owned()),
        },
        Ok(_) => Err("not an envelope: JSON, but neither a HAR file nor a text envelope".to_owned()),
    }
}

/// What a text envelope holds, if it is one (PROTOCOL 7).
pub(super) fn text_payload(text: &[u8]) -> Option<Vec<u8>> {
    let mut envelope = vec![0; max_decoded_len(text.len())];
    let mut json = serde_json::Deserializer::from_slice(text);
    // Either direction: the header goes again.
    let read = TextEnvelope::new(MessageType::SessionData, &mut envelope).read(&mut json);
    let payload = read.ok()?.get(HEADER_LEN..)?.to_vec();
    json.end().ok().map(|()| payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(input: &[u8]) -> Form {
        read(input).map(|(form, _)| form).unwrap()
    }

    #[test]
    fn every_form_is_told_by_its_bytes() {
        let text = format!(r#"{{"p":"{}","v":2}}"#, "A".repeat(40));
        let cases: [(&[u8], Form); 18] = [
            (b"SC\x02\x02", Form::Binary),
            (b"", Form::Binary),
            (b"\x00\xff", Form::Binary),
            (b"53430202", Form::Hex),
            (b" 0x53 0x43\n02:02 ", Form::Hex),
            (b"00000000: 5343 0202  SC..\n", Form::HexDump),
            (b"00000000  53 43 02 02  |SC..|\n00000004\n", Form::HexDump),
            (b"000000 53 43 02 02\n000004\n", Form::HexDump),
            (b"000000 53 43 02 02  >SC..<\n000004\n", Form::HexDump),
            (b"\xef\xbb\xbf53430202\r\n", Form::Hex),
            (b"\xef\xbb\xbf00000000: 5343 0202  SC..\r\n", Form::HexDump),
            (b"U0MCAg==", Form::Base64),
            (b"U0MC-g", Form::Base64Url),
            (text.as_bytes(), Form::Text),
            (br#"{"log":{"entries":[]}}"#, Form::Har),
            (b"\xef\xbb\xbf {\"log\":{}}", Form::Har),
            (b"== Info:   Trying\n=> Send header, 0 bytes (0x0)\n", Form::CurlTrace),
            (b"HTTP/1.1 200 OK\r\n\r\nSC", Form::Http),
        ];
        for (input, expected) in cases {
            assert_eq!(form(input), expected, "{}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn text_that_power_shell_wrote_is_read() {
        let text = "== Info: x\r\n=> Send header, 18 bytes (0x12)\r\n\
                    0000: 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a GET / HTTP/1.1..\r\n\
                    0010: 0d 0a                                           ..\r\n";
        for (text, expected) in [
            (text, Form::CurlTrace),
            ("53430202\r\n", Form::Hex),
            (r#"{"log":{"entries":[]}}"#, Form::Har),
            ("HTTP/1.1 200 OK\r\n\r\n{\"a\":\"\u{e9}\u{1f642}\"}\r\n", Form::Http),
        ] {
            let units = || text.encode_utf16();
            let little: Vec<u8> =
                [0xff, 0xfe].into_iter().chain(units().flat_map(u16::to_le_bytes)).collect();
            let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(units().flat_map(u16::to_be_bytes)).collect();
            assert_eq!((form(&little), form(&big)), (expected, expected), "{text}");
        }
    }

    #[test]
    fn bytes_that_power_shell_took_for_text_are_said_to_be_spoilt() {
        for text in ["SC\u{2}\u{fffd}", "HTTP/1.1 200 OK\r\n\r\nSC\u{2}\u{81}"] {
            let spoilt: Vec<u8> =
                [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
            let error = read(&spoilt).unwrap_err();
            assert!(error.contains("--output FILE"), "{error}");
        }
        for broken in [&b"\xff\xfe5"[..], b"\xff\xfe\x00\xd8", b"\xfe\xff\xdc\x00\x00\x35"] {
            let error = read(broken).unwrap_err();
            assert!(error.contains("UTF-16"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_with_advice_and_without_its_content() {
        for (input, said) in [
            ("{\"secret\":", "begins like JSON"),
            ("{\"secret\":1}", "neither a HAR file nor a text envelope"),
            (r#"{"v":3,"p":"secret"}"#, "not a text envelope"),
            (r#"{"v":2,"p":"QUJD"}"#, "not a text envelope"),
            (r#"{"log":7,"x":"secret"}"#, "HAR"),
            ("* Trying\n> POST /secret HTTP/1.1\n", "--trace FILE"),
            ("=> Send header, 9 bytes (0x9)\n0000: secret\n", "--trace-ascii"),
        ] {
            let error = read(input.as_bytes()).unwrap_err();
            assert!(error.contains(said) && !error.contains("secret"), "{input}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(input in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&input);
            let _ = read(&[b"\xff\xfe", input.as_slice()].concat());
        }

        #[test]
        fn any_text_is_something(input in r"(0000[0-9a-f]{0,4}:? |\{|=> Send (header|data), |<= Recv (header|data), |HTTP/1.1 |> |SC|[ -~\n\r]|\PC){0,200}") {
            let _ = read(input.as_bytes());
        }

        #[test]
        fn any_har_is_something(body in r#"(\PC|SC|\\u00[0-9a-f]{2}){0,40}"#, encoding in "(base64|)", url in r"\PC{0,20}") {
            let entry = serde_json::json!({
                "request": { "method": "POST", "url": url, "headers": [{ "name": "a", "value": &body }],
                             "postData": { "text": &body, "encoding": &encoding } },
                "response": { "status": 200, "content": { "text": &body, "encoding": &encoding } },
            });
            let har = serde_json::json!({ "log": { "entries": [entry] } });
            prop_assert!(read(har.to_string().as_bytes()).is_ok());
        }
    }
}
