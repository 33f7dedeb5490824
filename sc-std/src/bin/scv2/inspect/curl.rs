//! The recording that `curl --trace FILE` writes: a hex dump of every header and body, in the order of the wire.

use std::collections::HashMap;

use super::dump::pairs;
use super::exchange::Exchange;
use super::http;

/// Bytes on one line of a dump.
const WIDTH: usize = 16;
const OVERLAP: &str = "the requests of the curl trace overlap, and nothing tells whose an answer is: record with \
     --trace-ids, or without -Z";

/// What a block of a trace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SentHead,
    SentBody,
    ReceivedHead,
    ReceivedBody,
    /// TLS records and remarks.
    Other,
}

const MARKS: [(&str, Kind); 7] = [
    ("=> Send header, ", Kind::SentHead),
    ("=> Send data, ", Kind::SentBody),
    ("<= Recv header, ", Kind::ReceivedHead),
    ("<= Recv data, ", Kind::ReceivedBody),
    ("=> Send SSL data, ", Kind::Other),
    ("<= Recv SSL data, ", Kind::Other),
    ("== Info:", Kind::Other),
];

/// Whether this is a trace: one of its first lines begins a block.
pub(super) fn is_trace(bytes: &[u8]) -> bool {
    first_lines(bytes).any(|line| mark(line).is_some())
}

/// Whether this is what `curl -v` shows.
pub(super) fn is_verbose(bytes: &[u8]) -> bool {
    let is_head = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        (text.starts_with("> ") && text.contains(" HTTP/")) || text.starts_with("< HTTP/")
    };
    first_lines(bytes).any(is_head)
}

fn first_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').take(200)
}

/// What a line begins.
#[derive(Debug, Clone, Copy)]
struct Mark {
    kind: Kind,
    /// How many bytes it announces.
    len: usize,
    /// Whose block it is, where `--trace-ids` tells.
    transfer: Option<u64>,
}

/// What a line begins. The time and the numbers of `--trace-ids` may stand before the mark.
fn mark(line: &[u8]) -> Option<Mark> {
    let text = std::str::from_utf8(line).ok()?;
    // A time and the numbers are shorter than this; the text of a dump comes later in its line.
    // The first of them: a remark may quote another.
    let found = MARKS.into_iter().filter_map(|(words, kind)| {
        let at = text.find(words).filter(|at| *at < 40)?;
        Some((at, words, kind))
    });
    let (at, words, kind) = found.min_by_key(|(at, ..)| *at)?;
    if is_dump(text) {
        return None;
    }
    let rest = text.get(at.saturating_add(words.len())..).unwrap_or_default();
    let len = rest.split(' ').next().and_then(|count| count.parse().ok());
    let len = match kind {
        Kind::Other => len.unwrap_or(0),
        _ => len?,
    };
    Some(Mark { kind, len, transfer: text.get(..at).and_then(transfer) })
}

/// The first number of `[TRANSFER-CONNECTION] `, with or without a time before it.
fn transfer(before: &str) -> Option<u64> {
    let (_, numbers) = before.trim_end().strip_suffix(']')?.rsplit_once('[')?;
    numbers.split_once('-')?.0.parse().ok()
}

/// Whether a line is one of a dump: `0000: ...`.
fn is_dump(line: &str) -> bool {
    let offset = line.split_once(": ").map_or("", |(offset, _)| offset);
    offset.len() >= 4 && offset.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads a trace.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Exchange>, String> {
    let mut turns = Turns::default();
    let mut block = Vec::new();
    let Mark { mut kind, len: mut left, mut transfer } = Mark { kind: Kind::Other, len: 0, transfer: None };
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(next) = mark(line) {
            if left > 0 && kind != Kind::Other {
                return Err(format!("the curl trace is cut short before line {}", at.saturating_add(1)));
            }
            turns.put(transfer, kind, &block)?;
            Mark { kind, len: left, transfer } = next;
            block.clear();
        } else if kind != Kind::Other && left > 0 {
            let taken = left.min(WIDTH);
            dump_line(line, taken, &mut block).ok_or_else(|| {
                format!(
                    "line {} of the curl trace is not a hex dump: --trace-ascii has no bytes, record with --trace FILE",
                    at.saturating_add(1)
                )
            })?;
            left = left.saturating_sub(taken);
        }
    }
    if left > 0 && kind != Kind::Other {
        return Err("the curl trace is cut short at its end".to_owned());
    }
    turns.put(transfer, kind, &block)?;
    turns
        .all
        .into_iter()
        .map(Turn::read)
        .collect::<Option<_>>()
        .ok_or_else(|| "the curl trace has headers that are not HTTP".to_owned())
}

/// Reads `len` bytes out of one line.
fn dump_line(line: &[u8], len: usize, block: &mut Vec<u8>) -> Option<()> {
    let text = line.iter().position(|byte| *byte == b':').and_then(|at| line.get(at.saturating_add(2)..))?;
    for at in 0..len {
        let at = at.saturating_mul(3);
        pairs(text.get(at..at.saturating_add(2))?, block)?;
    }
    Some(())
}

/// One request and its answer, as they grow.
#[derive(Default)]
struct Turn {
    sent: [Vec<u8>; 2],
    received: [Vec<u8>; 2],
}

/// All of them, in the order of their beginnings.
#[derive(Default)]
struct Turns {
    all: Vec<Turn>,
    /// Where the newest of each transfer is.
    newest: HashMap<Option<u64>, usize>,
}

impl Turns {
    /// Adds a block to the turn that it belongs to.
    fn put(&mut self, transfer: Option<u64>, kind: Kind, block: &[u8]) -> Result<(), &'static str> {
        let begins = match self.newest.get(&transfer).and_then(|at| self.all.get(*at)) {
            None => kind != Kind::Other,
            Some(turn) => {
                let [head, _] = &turn.sent;
                kind == Kind::SentHead && (head.ends_with(b"\r\n\r\n") || turn.has_answer())
            }
        };
        if begins {
            self.newest.insert(transfer, self.all.len());
            self.all.push(Turn::default());
        }
        match self.newest.get(&transfer).and_then(|at| self.all.get_mut(*at)) {
            Some(turn) => turn.put(kind, block),
            None => Ok(()),
        }
    }
}

impl Turn {
    fn put(&mut self, kind: Kind, block: &[u8]) -> Result<(), &'static str> {
        let has_answer = self.has_answer();
        let ([sent_head, sent_body], [received_head, received_body]) = (&mut self.sent, &mut self.received);
        match kind {
            Kind::SentHead => sent_head.extend_from_slice(block),
            Kind::SentBody => sent_body.extend_from_slice(block),
            Kind::ReceivedHead if block.starts_with(b"HTTP/") => {
                if has_answer {
                    return Err(OVERLAP);
                }
                // Of an interim answer curl traces the first line and no empty one.
                received_head.clear();
                received_head.extend_from_slice(block);
            }
            // Behind a body come trailers.
            Kind::ReceivedHead if received_body.is_empty() => received_head.extend_from_slice(block),
            Kind::ReceivedBody => received_body.extend_from_slice(block),
            Kind::ReceivedHead | Kind::Other => {}
        }
        Ok(())
    }

    /// Whether an answer has begun that is not an interim one.
    fn has_answer(&self) -> bool {
        let [head, body] = &self.received;
        let is_interim =
            || head.split(|byte| *byte == b' ').nth(1).is_some_and(|status| status.starts_with(b"1"));
        !body.is_empty() || (!head.is_empty() && !is_interim())
    }

    fn read(self) -> Option<Exchange> {
        let ([sent_head, sent_body], [received_head, received_body]) = (self.sent, self.received);
        let mut exchange = Exchange::default();
        if !sent_head.is_empty() {
            exchange.request = Some(http::request(http::last_head(&sent_head)?.0, &sent_body)?);
        }
        if !received_head.is_empty() {
            let (head, _) = http::last_head(&received_head)?;
            let method = exchange.request.as_ref().map(|request| request.method.as_str());
            exchange.response = Some(http::response(head, &received_body, method).ok()?);
        }
        Some(exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Body;
    use super::*;

    /// What `curl --trace` writes for a block.
    fn block(mark: &str, bytes: &[u8]) -> String {
        let mut text = format!("{mark}, {} bytes (0x{:x})\n", bytes.len(), bytes.len());
        for (at, line) in bytes.chunks(16).enumerate() {
            let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
            let shown: String = line
                .iter()
                .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
                .collect();
            text += &format!("{:04x}: {hex:<48}{shown}\n", at * 16);
        }
        text
    }

    fn trace() -> String {
        let body: Vec<u8> = b"SC\x02\x02".iter().copied().chain(0..=255).collect();
        [
            "12:00:00.000001 == Info:   Trying 127.0.0.1:18020...\n== Info: => Send data, 7 bytes\n"
                .to_owned(),
            block(
                "12:00:00.000002 => Send header",
                b"POST /a HTTP/1.1\r\nHost: x\r\nX-SC-Version: 2\r\n\r\n",
            ),
            // curl never traces the empty line of an interim answer.
            block("<= Recv header", b"HTTP/1.1 100 Continue\r\n"),
            block("=> Send data", &body[..100]),
            block("=> Send data", &body[100..]),
            block("<= Recv SSL data", b"12345"),
            block("<= Recv header", b"HTTP/1.1 404 Not Found\r\n"),
            block("<= Recv header", b"Retry-After: 7\r\n"),
            block("<= Recv header", b"\r\n"),
            block("<= Recv data", b"=> Send data, 99 bytes {}"),
            "== Info: Connection #0 to host x left intact\n".to_owned(),
            block("[0-1] => Send header", b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"),
            block("[0-1] <= Recv header", b"HTTP/1.1 200 OK\r\n"),
            block("[0-1] <= Recv header", b"\r\n"),
        ]
        .concat()
    }

    #[test]
    fn a_trace_gives_every_exchange_byte_by_byte() {
        let exchanges = read(trace().as_bytes()).unwrap();
        let [first, second] = &exchanges[..] else { panic!("{exchanges:?}") };
        let request = first.request.as_ref().unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "/a"));
        assert_eq!(request.message.header("x-sc-version"), Some("2"));
        let sent = request.message.bytes();
        assert_eq!((sent.len(), &sent[..5], sent[259]), (260, &b"SC\x02\x02\x00"[..], 255));
        let response = first.response.as_ref().unwrap();
        assert_eq!((response.status, response.message.header("retry-after")), (404, Some("7")));
        assert_eq!(response.message.bytes(), b"=> Send data, 99 bytes {}");
        assert_eq!(second.request.as_ref().unwrap().url, "/b");
        assert_eq!(second.response.as_ref().unwrap().status, 200);
    }

    /// Two requests at a time, as `curl -Z` writes them: both are out before either is answered.
    fn parallel(a: &str, b: &str) -> String {
        [
            block(&format!("{a}=> Send header"), b"POST /a HTTP/1.1\r\n\r\n"),
            block(&format!("{b}=> Send header"), b"POST /b HTTP/1.1\r\n\r\n"),
            block(&format!("{a}=> Send data"), b"SC-a"),
            block(&format!("{b}<= Recv header"), b"HTTP/1.1 100 Continue\r\n"),
            block(&format!("{b}=> Send data"), b"SC-b"),
            block(&format!("{a}<= Recv header"), b"HTTP/1.1 201 Created\r\n"),
            block(&format!("{b}<= Recv header"), b"HTTP/1.1 202 Accepted\r\n"),
            block(&format!("{b}<= Recv header"), b"\r\n"),
            block(&format!("{a}<= Recv header"), b"\r\n"),
            block(&format!("{b}<= Recv data"), b"to b"),
            block(&format!("{a}<= Recv data"), b"to a"),
            // The same transfer, once more: a redirect.
            block(&format!("{a}=> Send header"), b"GET /c HTTP/1.1\r\n\r\n"),
            block(&format!("{a}<= Recv header"), b"HTTP/1.1 204 No Content\r\n"),
            block(&format!("{a}<= Recv header"), b"\r\n"),
        ]
        .concat()
    }

    #[test]
    fn requests_in_parallel_are_told_apart_by_their_numbers() {
        for (a, b) in [("[0-0] ", "[1-1] "), ("12:00:00.000001 [7-x] ", "12:00:00.000002 [8-7] ")] {
            let exchanges = read(parallel(a, b).as_bytes()).unwrap();
            let told: Vec<_> = exchanges
                .iter()
                .map(|exchange| {
                    let (sent, got) =
                        (exchange.request.as_ref().unwrap(), exchange.response.as_ref().unwrap());
                    (sent.url.as_str(), sent.message.bytes(), got.status, got.message.bytes())
                })
                .collect();
            let expected = [
                ("/a", &b"SC-a"[..], 201, &b"to a"[..]),
                ("/b", &b"SC-b"[..], 202, &b"to b"[..]),
                ("/c", &b""[..], 204, &b""[..]),
            ];
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn requests_in_parallel_without_numbers_are_an_error_and_no_guess() {
        let error = read(parallel("", "").as_bytes()).unwrap_err();
        assert!(error.contains("--trace-ids") && error.contains("-Z"), "{error}");
        let answers = [
            block("=> Send header", b"GET /a HTTP/1.1\r\n\r\n"),
            block("=> Send header", b"GET /b HTTP/1.1\r\n\r\n"),
            block("<= Recv header", b"HTTP/2 200 \r\n"),
            block("<= Recv header", b"\r\n"),
            block("<= Recv data", b"to a"),
            block("<= Recv header", b"HTTP/2 200 \r\n"),
            block("<= Recv header", b"\r\n"),
        ];
        assert!(read(answers.concat().as_bytes()).unwrap_err().contains("overlap"));
        let one = [&answers[1..5], &[block("<= Recv header", b"Checksum: 7\r\n")]].concat().concat();
        assert_eq!(read(one.as_bytes()).unwrap().len(), 1, "a trailer is no answer");
    }

    #[test]
    fn an_answer_to_head_has_no_body_and_loses_none() {
        let head = [
            block("=> Send header", b"HEAD /a HTTP/1.1\r\n\r\n"),
            block("<= Recv header", b"HTTP/1.1 200 OK\r\n"),
            block("<= Recv header", b"Content-Length: 7\r\n"),
            block("<= Recv header", b"\r\n"),
        ];
        let body = |trace: String| read(trace.as_bytes()).unwrap().remove(0).response.unwrap().message.body;
        assert!(matches!(body(head.concat()), Body::Bytes(bytes) if bytes.is_empty()));
        assert!(matches!(body(head.concat().replace("48 45 41 44", "47 45 54 20")), Body::Lost(_)));
    }

    #[test]
    fn line_ends_of_either_kind_do() {
        assert_eq!(read(trace().replace('\n', "\r\n").as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn a_cut_trace_is_an_error_or_less_and_never_a_panic() {
        let trace = trace();
        for len in 0..trace.len() {
            if let Ok(exchanges) = read(&trace.as_bytes()[..len]) {
                assert!(exchanges.len() <= 2);
            }
        }
        let error = read(b"=> Send data, 20 bytes (0x14)\n0000: 00 01 02").unwrap_err();
        assert!(error.contains("--trace FILE"), "{error}");
        let error = read(b"=> Send data, 5 bytes (0x5)\n== Info: x\n").unwrap_err();
        assert!(error.contains("cut short"), "{error}");
    }
}
