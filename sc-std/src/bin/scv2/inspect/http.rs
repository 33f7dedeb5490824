//! An HTTP/1 message out of its bytes, as `curl -i`, `curl -D -` and curl's traces have it.

use super::exchange::{Body, Exchange, Message, Request, Response};

const CUT_SHORT: &str = "the body is cut short: its Content-Length announces more";
const NO_BODY: &str =
    "Content-Length announces a body, and the recording has none: curl -I and -D save only heads";

/// The lines before a body.
#[derive(Debug)]
pub(super) struct Head {
    first: String,
    headers: Vec<(String, String)>,
}

/// Reads one message: an answer, or a request, with all that follows as its body.
pub(super) fn read(bytes: &[u8]) -> Option<Exchange> {
    let (head, body) = last_head(bytes)?;
    match response(head, body, None) {
        Ok(response) => Some(Exchange { request: None, response: Some(response) }),
        Err(head) => Some(Exchange { request: Some(request(head, body)?), response: None }),
    }
}

/// The head of a message and what follows it. Of several heads in a row (100 Continue, a proxy's answer) the last
/// counts.
pub(super) fn last_head(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let (mut head, mut rest) = split_head(bytes)?;
    while head.first.starts_with("HTTP/")
        && let Some(next) = split_head(rest).filter(|(next, _)| next.first.starts_with("HTTP/"))
    {
        (head, rest) = next;
    }
    Some((head, rest))
}

/// Lines up to an empty one.
fn split_head(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let (first, mut rest) = line(bytes)?;
    let first = text(first)?;
    if !(first.starts_with("HTTP/") || first.rsplit(' ').next().is_some_and(|word| word.starts_with("HTTP/")))
    {
        return None;
    }
    let mut headers = Vec::new();
    while let Some((next, after)) = line(rest) {
        rest = after;
        if next.is_empty() {
            break;
        }
        let (name, value) =
            text(next)?.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()))?;
        headers.push((name, value.trim().to_owned()));
    }
    Some((Head { first: first.to_owned(), headers }, rest))
}

/// The next line, without its end. Without an end it is no line.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}

/// Header lines are text; what is not is no head.
fn text(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()
}

/// Reads a head as that of an answer, to a request of this method where that is known, or gives it back.
pub(super) fn response(head: Head, body: &[u8], method: Option<&str>) -> Result<Response, Head> {
    let Some(line) = head.first.strip_prefix("HTTP/").and_then(|line| line.split_once(' ')) else {
        return Err(head);
    };
    let (status, reason) = line.1.trim().split_once(' ').unwrap_or((line.1.trim(), ""));
    let Ok(status) = status.parse() else { return Err(head) };
    let reason = reason.to_owned();
    // These have no body, whatever length they announce (RFC 9110, 6.4.1).
    let has_none = method == Some("HEAD") || matches!(status, 100..200 | 204 | 304);
    let body = if has_none { Body::Bytes(body.to_vec()) } else { whole(&head.headers, body) };
    Ok(Response { status, reason, message: Message { headers: head.headers, body } })
}

/// Reads a head as that of a request.
pub(super) fn request(head: Head, body: &[u8]) -> Option<Request> {
    let mut words = head.first.split(' ');
    let (method, url) = (words.next()?, words.next()?);
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let (method, url) = (method.to_owned(), url.to_owned());
    let body = whole(&head.headers, body);
    is_method.then_some(Request { method, url, message: Message { headers: head.headers, body } })
}

/// The body, as long as the headers say.
fn whole(headers: &[(String, String)], body: &[u8]) -> Body {
    let value = |name: &str| {
        let found = headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_ascii_lowercase())
    };
    if value("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        return Body::Bytes(join_chunks(body).unwrap_or_else(|| body.to_vec()));
    }
    // Of a compressed body it is the length on the wire, and programs save what they unpacked.
    let is_plain = value("content-encoding").is_none_or(|coding| coding == "identity");
    let announced = value("content-length").filter(|_| is_plain).and_then(|len| len.parse().ok());
    match announced.map(|len: usize| body.get(..len)) {
        None => Body::Bytes(body.to_vec()),
        Some(Some(whole)) => Body::Bytes(whole.to_vec()),
        Some(None) if body.is_empty() => Body::Lost(NO_BODY),
        Some(None) if body.starts_with(b"SC") => Body::LostEnvelope(CUT_SHORT),
        Some(None) => Body::Lost(CUT_SHORT),
    }
}

/// Takes the chunks out of a body that still has them; most programs have done that already.
fn join_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut joined = Vec::with_capacity(body.len());
    loop {
        let (size, rest) = line(body)?;
        let size = text(size)?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(joined);
        }
        let (chunk, rest) = rest.split_at_checked(size)?;
        joined.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_curl_with_its_head_is_read() {
        let bytes =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 404 \r\nx-sc-session-id: s\r\n\r\nSC\x02\x81\r\n\r\n\xff";
        let response = read(bytes).unwrap().response.unwrap();
        assert_eq!((response.status, response.reason.as_str()), (404, ""));
        assert_eq!(response.message.header("x-sc-session-id"), Some("s"));
        assert_eq!(response.message.bytes(), b"SC\x02\x81\r\n\r\n\xff");
        let response =
            read(b"HTTP/1.1 503 Service Unavailable\nRetry-After: 5\n\n{}").unwrap().response.unwrap();
        assert_eq!((response.status, response.reason.as_str()), (503, "Service Unavailable"));
    }

    #[test]
    fn a_request_is_read_too() {
        let request = read(b"POST /a?b HTTP/1.1\r\nHost: x\r\n\r\nSC").unwrap().request.unwrap();
        assert_eq!(
            (request.method.as_str(), request.path(), request.message.bytes()),
            ("POST", "/a", &b"SC"[..])
        );
    }

    #[test]
    fn chunks_are_joined_where_they_are_still_there() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (body, expected) in [
            ("3\r\nSC1\r\n2;x=y\r\n23\r\n0\r\n\r\n", "SC123"),
            ("SC12", "SC12"),
            ("3\r\nSC", "3\r\nSC"),
            ("", ""),
            ("ffffffffffffffff\r\n", "ffffffffffffffff\r\n"),
        ] {
            let response = read(format!("{head}{body}").as_bytes()).unwrap().response.unwrap();
            assert_eq!(response.message.bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn a_body_is_as_long_as_its_head_says_or_it_is_lost() {
        let body = |head: &str, body: &str| {
            read(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap().response.unwrap().message.body
        };
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 5";
        assert!(matches!(body(short, "SC123"), Body::Bytes(bytes) if bytes == b"SC123"));
        // `curl -i -w '\n'` and editors add to it.
        assert!(matches!(body(short, "SC123\n"), Body::Bytes(bytes) if bytes == b"SC123"));
        assert!(matches!(body(short, "SC12"), Body::LostEnvelope(CUT_SHORT)));
        assert!(matches!(body(short, "{\"a\""), Body::Lost(CUT_SHORT)));
        assert!(matches!(body(short, ""), Body::Lost(NO_BODY)));
        for status in ["204 No Content", "304 Not Modified"] {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 5");
            assert!(matches!(body(&head, ""), Body::Bytes(bytes) if bytes.is_empty()), "{status}");
        }
        // The length of something else: of the body in chunks, or compressed.
        for more in ["Transfer-Encoding: chunked", "Content-Encoding: gzip"] {
            assert!(
                matches!(body(&format!("{short}\r\n{more}"), "SC1"), Body::Bytes(bytes) if bytes == b"SC1")
            );
        }
        let request = read(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nSC1").unwrap().request.unwrap();
        assert!(matches!(request.message.body, Body::LostEnvelope(CUT_SHORT)));
    }

    #[test]
    fn what_is_not_http_is_nothing() {
        for bytes in [
            &b""[..],
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 OK\r\n\r\n",
            b"get / HTTP/1.1\r\n\r\n",
            b"hello\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\xff: x\r\n\r\n",
        ] {
            assert!(read(bytes).is_none(), "{bytes:?}");
        }
    }
}
