//! A recorded conversation, laid out for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use sc_core::envelope::MessageType;

use super::content::{self, Content};
use super::exchange::{Body, Exchange, Message, Response};
use super::keys::{Clues, Keys, Opened, iv};
use crate::hex_view::View;
use crate::json_view;
use crate::terminal::printable;

const INDENT: &str = "    ";
const BOLD: Style = Style::new().bold();
const FAILED: Style = AnsiColor::Red.on_default().bold();
const OPENED: Style = AnsiColor::Green.on_default().bold();
/// Most bytes of a plaintext that is not JSON.
const MAX_DUMP: usize = 4096;

/// What there was to see.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) envelopes: usize,
    pub(super) malformed: usize,
    pub(super) unopened: usize,
}

impl Tally {
    /// Counts a body. One that is lost cannot open.
    pub(super) fn count(&mut self, content: &Content<'_>, has_keys: bool) {
        let (envelope, malformed, lost) = match content {
            Content::Envelope { .. } => (1, 0, 0),
            Content::Malformed(_) => (0, 1, 0),
            Content::Lost(_) => (0, 0, usize::from(has_keys)),
            Content::Empty | Content::Json(_) | Content::Other { .. } => (0, 0, 0),
        };
        self.envelopes = self.envelopes.saturating_add(envelope);
        self.malformed = self.malformed.saturating_add(malformed);
        self.unopened = self.unopened.saturating_add(lost);
    }

    /// Counts an attempt to open.
    pub(super) fn opened(&mut self, opened: bool) {
        self.unopened = self.unopened.saturating_add(usize::from(!opened));
    }

    /// One line about all.
    pub(super) fn told(&self, exchanges: usize, has_keys: bool) -> String {
        let Self { envelopes, malformed, unopened } = self;
        let opened = if has_keys { format!(", {unopened} not opened") } else { String::new() };
        format!("exchanges: {exchanges}, envelopes: {envelopes}, {malformed} malformed{opened}\n")
    }
}

/// Whether an exchange has anything to do with the channel.
pub(super) fn concerns_the_channel(exchange: &Exchange) -> bool {
    let request = exchange.request.as_ref();
    let response = exchange.response.as_ref();
    let sides = [
        (request.map(|request| &request.message), MessageType::SessionData),
        (response.map(|response| &response.message), MessageType::ResponseData),
    ];
    request.is_some_and(|request| request.path().contains("/secure-channel/"))
        || sides.into_iter().filter_map(|(message, direction)| Some((message?, direction))).any(
            |(message, direction)| {
                let of_channel = |(name, _): &(String, String)| is_of_the_channel(&name.to_ascii_lowercase());
                message.headers.iter().any(of_channel)
                    || matches!(message.body, Body::LostEnvelope(_))
                    || matches!(
                        Content::of(message, direction),
                        Content::Envelope { .. } | Content::Malformed(_)
                    )
            },
        )
}

fn is_of_the_channel(name: &str) -> bool {
    name.starts_with("x-sc-") || name == "x-secure-channel-session-id"
}

/// Headers worth showing; those that are secrets of a client or a portal are not.
pub(super) fn is_shown(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    is_of_the_channel(&name) || matches!(name.as_str(), "x-client-hash" | "x-request-id" | "retry-after")
}

/// The value of a header as it is shown.
pub(super) fn shown_value(name: &str, value: &str) -> String {
    if !name.eq_ignore_ascii_case("x-client-hash") {
        return printable(value);
    }
    let head: String = value.chars().take(8).collect();
    format!("{}.. ({} characters)", printable(&head), value.chars().count())
}

/// What the recording tells of the two envelopes of an exchange.
pub(super) fn clues(exchange: &Exchange) -> [Clues<'_>; 2] {
    let (request, response) = (exchange.request.as_ref(), exchange.response.as_ref());
    let session = request
        .and_then(|request| request.message.header("x-sc-session-id"))
        .or_else(|| response.and_then(|response| response.message.header("x-sc-session-id")));
    let path = request.map(super::exchange::Request::path);
    let request_iv =
        request.and_then(|request| match Content::of(&request.message, MessageType::SessionData) {
            Content::Envelope { bytes, .. } => iv(&bytes),
            _ => None,
        });
    [Clues { session, path, request_iv: None }, Clues { session, path, request_iv }]
}

/// Shows one exchange.
pub(super) fn exchange(
    out: &mut impl Write,
    number: usize,
    exchange: &Exchange,
    keys: Option<&Keys>,
    tally: &mut Tally,
) -> io::Result<()> {
    let [request_clues, response_clues] = clues(exchange);
    if !concerns_the_channel(exchange) {
        return not_of_the_channel(out, number, exchange);
    }
    write!(out, "{BOLD}[{number}]{BOLD:#} ")?;
    if let Some(request) = &exchange.request {
        let (method, url) = (printable(&request.method), printable(&request.url));
        writeln!(out, "{BOLD}──▶ {method} {url}{BOLD:#}")?;
        message(
            out,
            &request.message,
            MessageType::SessionData,
            keys.map(|keys| (keys, request_clues)),
            tally,
        )?;
    }
    if let Some(response) = &exchange.response {
        let indent = if exchange.request.is_some() { INDENT } else { "" };
        writeln!(out, "{indent}{BOLD}◀── {} {}{BOLD:#}", response.status, printable(&response.reason))?;
        let keys = keys.map(|keys| (keys, response_clues));
        message(out, &response.message, MessageType::ResponseData, keys, tally)?;
    } else {
        writeln!(out, "{INDENT}no answer in the recording")?;
    }
    writeln!(out)
}

/// One line about an exchange that is none of ours.
fn not_of_the_channel(out: &mut impl Write, number: usize, exchange: &Exchange) -> io::Result<()> {
    write!(out, "[{number}] ")?;
    if let Some(request) = &exchange.request {
        write!(out, "{} {}, ", printable(&request.method), printable(&request.url))?;
    }
    match &exchange.response {
        // Whose it was nobody can tell.
        Some(Response { status, message: Message { body: Body::Lost(why), .. }, .. }) => {
            write!(out, "{status}, {why}")?;
        }
        Some(response) => {
            let (kind, len) = (response.message.kind(), response.message.bytes().len());
            write!(out, "{}, not of the channel: {len} bytes of {}", response.status, printable(kind))?;
        }
        None => write!(out, "no answer, not of the channel")?,
    }
    writeln!(out, "\n")
}

fn message(
    out: &mut impl Write,
    message: &Message,
    direction: MessageType,
    keys: Option<(&Keys, Clues<'_>)>,
    tally: &mut Tally,
) -> io::Result<()> {
    for (name, value) in message.headers.iter().filter(|(name, _)| is_shown(name)) {
        writeln!(out, "{INDENT}{}: {}", printable(name), shown_value(name, value))?;
    }
    let content = Content::of(message, direction);
    tally.count(&content, keys.is_some());
    match content {
        Content::Empty => Ok(()),
        Content::Lost(why) => writeln!(out, "{INDENT}{FAILED}{why}{FAILED:#}"),
        Content::Malformed(reason) => {
            writeln!(out, "{INDENT}{FAILED}not an envelope: {reason}{FAILED:#}")
        }
        Content::Json(text) => indented(out, json_view::pretty(text).as_bytes()),
        Content::Other { len, kind } => {
            writeln!(out, "{INDENT}not of the channel: {len} bytes of {}", printable(kind))
        }
        Content::Envelope { bytes, is_text } => {
            if is_text {
                writeln!(out, "{INDENT}text envelope, shown as the binary one that it stands for")?;
            }
            let mut block = Vec::new();
            if let Ok(view) = View::of(&bytes) {
                view.write_table(&mut block)?;
            }
            if let Some((keys, clues)) = keys {
                let opened = keys.open(&bytes, &clues);
                tally.opened(opened.is_ok());
                plaintext(&mut block, opened.as_ref())?;
            }
            indented(out, &block)
        }
    }
}

/// What an envelope held, or why nobody can say.
pub(super) fn plaintext(out: &mut impl Write, opened: Result<&Opened<'_>, &&'static str>) -> io::Result<()> {
    match opened {
        Err(why) => writeln!(out, "{FAILED}does not open{FAILED:#}: {why}"),
        Ok(opened) => {
            writeln!(out, "{OPENED}opened{OPENED:#}: {}", opened.told())?;
            match (opened.plaintext.as_slice(), content::json(&opened.plaintext)) {
                ([], _) => writeln!(out, "an empty plaintext"),
                (_, Some(text)) => out.write_all(json_view::pretty(text).as_bytes()),
                (bytes, None) => dump(out, bytes),
            }
        }
    }
}

/// Bytes in hexadecimal and, where they are such, as characters.
fn dump(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let shown = bytes.get(..MAX_DUMP).unwrap_or(bytes);
    for (at, line) in shown.chunks(16).enumerate() {
        let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let is_shown = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let text: String =
            line.iter().map(|byte| if is_shown(byte) { char::from(*byte) } else { '.' }).collect();
        writeln!(out, "{:08x}  {hex:<48} |{text}|", at.saturating_mul(16))?;
    }
    match bytes.len().saturating_sub(shown.len()) {
        0 => Ok(()),
        more => writeln!(out, "{more} more bytes, all with --json"),
    }
}

fn indented(out: &mut impl Write, block: &[u8]) -> io::Result<()> {
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        out.write_all(INDENT.as_bytes())?;
        out.write_all(line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_secrets_are_not_shown() {
        for name in ["X-SC-Session-Id", "x-sc-version", "Retry-After", "X-Request-Id"] {
            assert!(is_shown(name), "{name}");
        }
        for name in ["Authorization", "Cookie", "X-PORTAL-ACCESS-CODE", "Content-Type"] {
            assert!(!is_shown(name), "{name}");
        }
        assert_eq!(shown_value("X-Client-Hash", "0123456789abcdef"), "01234567.. (16 characters)");
    }

    #[test]
    fn a_long_plaintext_is_cut_for_people() {
        let mut out = Vec::new();
        dump(&mut out, &[0x41; MAX_DUMP + 7]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("00000000  41 41") && text.ends_with("\n7 more bytes, all with --json\n"),
            "{text}"
        );
    }

    #[test]
    fn an_exchange_of_something_else_is_one_line() {
        let body = Body::Bytes(b"body { }".to_vec());
        let message = Message { headers: vec![("content-type".to_owned(), "text/css".to_owned())], body };
        let response = Response { status: 200, reason: String::new(), message };
        let other = Exchange { request: None, response: Some(response) };
        let (mut out, mut tally) = (Vec::new(), Tally::default());
        exchange(&mut out, 1, &other, None, &mut tally).unwrap();
        assert_eq!(out, b"[1] 200, not of the channel: 8 bytes of text/css\n\n");
        assert_eq!(tally, Tally::default());

        let message = Message { headers: Vec::new(), body: Body::Lost("no body") };
        let lost = Response { status: 200, reason: String::new(), message };
        let (lost, mut out) = (Exchange { request: None, response: Some(lost) }, Vec::new());
        exchange(&mut out, 1, &lost, None, &mut tally).unwrap();
        assert_eq!(out, b"[1] 200, no body\n\n", "and not that it has 0 bytes");
    }
}
