//! As much of HTTP/1.1 as a device needs: one request, one answer of a known length, over a link of bytes.

use core::fmt::{self, Write};

use crate::app::Failure;
use crate::board::Board;

/// Most headers of an answer.
const MAX_HEADERS: usize = 24;

/// A request.
pub(crate) struct Request<'r> {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// `X-SC-Session-Id`.
    pub(crate) session: Option<&'r str>,
    pub(crate) body: &'r [u8],
}

/// An answer, inside the caller's buffer.
pub(crate) struct Response<'b> {
    pub(crate) status: u16,
    pub(crate) body: &'b mut [u8],
}

/// Sends a request and reads its answer into `buffer`, which holds head and body. Interim answers (1xx) are passed over.
pub(crate) fn exchange<'b>(
    board: &mut impl Board,
    request: &Request<'_>,
    buffer: &'b mut [u8],
) -> Result<Response<'b>, Failure> {
    send_head(board, request).map_err(|_| Failure::LinkDown)?;
    for byte in request.body {
        board.send(*byte);
    }
    board.flush();
    let (status, head_len, body_len) = loop {
        let head_len = receive_head(board, buffer)?;
        match parse_head(buffer.get(..head_len).ok_or(Failure::AnswerTooLong)?)? {
            (100..200, _) => {}
            (status, Some(body_len)) => break (status, head_len, body_len),
            (_, None) => return Err(Failure::NotHttp),
        }
    };
    let rest = buffer.get_mut(head_len..).ok_or(Failure::AnswerTooLong)?;
    let body = rest.get_mut(..body_len).ok_or(Failure::AnswerTooLong)?;
    for place in body.iter_mut() {
        *place = board.receive().ok_or(Failure::LinkDown)?;
    }
    Ok(Response { status, body })
}

/// Request line and headers (PROTOCOL 5).
fn send_head(board: &mut impl Board, request: &Request<'_>) -> fmt::Result {
    let mut out = Out(board);
    let Request { method, path, session, body } = request;
    write!(out, "{method} {path} HTTP/1.1\r\nHost: server\r\n")?;
    out.write_str("Accept: application/json\r\nAccept-Language: en\r\n")?;
    out.write_str("X-SC-Version: 2\r\nX-Client-Hash: a-device-with-little-memory\r\n")?;
    if let Some(session) = session {
        write!(out, "X-SC-Session-Id: {session}\r\n")?;
    }
    if !body.is_empty() {
        out.write_str("Content-Type: application/json;charset=UTF-8\r\n")?;
    }
    write!(out, "Content-Length: {}\r\n\r\n", body.len())
}

/// Reads up to the empty line; gives the length of it all.
fn receive_head(board: &mut impl Board, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut len = 0;
    loop {
        *buffer.get_mut(len).ok_or(Failure::AnswerTooLong)? = board.receive().ok_or(Failure::LinkDown)?;
        len += 1;
        if buffer.get(..len).is_some_and(|head| head.ends_with(b"\r\n\r\n")) {
            return Ok(len);
        }
    }
}

/// The status, and the length of the body if there is exactly one. Chunks are not for devices; servers of this project say
/// how long an answer is.
fn parse_head(head: &[u8]) -> Result<(u16, Option<usize>), Failure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let status = match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => response.code.ok_or(Failure::NotHttp)?,
        _ => return Err(Failure::NotHttp),
    };
    let named = |name| response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    let mut lengths = named("content-length");
    let length = match (lengths.next(), lengths.next(), named("transfer-encoding").next()) {
        (Some(only), None, None) => core::str::from_utf8(only.value).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    Ok((status, length))
}

/// The link as a place to write text to.
struct Out<'b, B>(&'b mut B);

impl<B: Board> Write for Out<'_, B> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0.send(byte);
        }
        Ok(())
    }
}
