//! Conversations kept byte by byte, and written down as browsers and curl do.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use sc_std::client::{Transport, TransportError};
use serde_json::{Value, json};

/// One request and its answer.
pub(crate) type Exchange = (Request<Bytes>, Response<Bytes>);

/// A transport that keeps what passes through another.
pub(crate) struct Recorder<T> {
    inner: T,
    kept: Arc<Mutex<Vec<Exchange>>>,
}

impl<T> Clone for Recorder<Arc<T>> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), kept: Arc::clone(&self.kept) }
    }
}

impl<T> Recorder<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, kept: Arc::default() }
    }

    pub(crate) fn kept(&self) -> Vec<Exchange> {
        self.kept.lock().unwrap().clone()
    }
}

impl<T: Transport> Transport for Recorder<T> {
    async fn send(&self, request: Request<Bytes>, max: usize) -> Result<Response<Bytes>, TransportError> {
        let response = self.inner.send(request.clone(), max).await?;
        self.kept.lock().unwrap().push((request, response.clone()));
        Ok(response)
    }
}

/// How a HAR file holds bytes.
#[derive(Clone, Copy)]
pub(crate) enum Bodies {
    Base64,
    /// Each byte a character.
    Characters,
    /// As UTF-8, whatever is lost.
    Lossy,
}

impl Bodies {
    fn write(self, body: &[u8]) -> Value {
        match self {
            Self::Base64 => {
                json!({ "text": Base64::encode_string(body), "encoding": "base64", "size": body.len() })
            }
            Self::Characters => {
                json!({ "text": body.iter().map(|byte| char::from(*byte)).collect::<String>(), "size": body.len() })
            }
            Self::Lossy => json!({ "text": String::from_utf8_lossy(body), "size": body.len() }),
        }
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

/// A HAR file.
pub(crate) fn har(exchanges: &[Exchange], bodies: Bodies) -> Vec<u8> {
    let headers = |headers: &HeaderMap| -> Vec<Value> {
        pairs(headers).iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
    };
    let entries = exchanges.iter().map(|(request, response)| {
        let mut entry = json!({
            "startedDateTime": "2026-01-01T00:00:00.000Z",
            "time": 1.5,
            "request": {
                "method": request.method().as_str(), "url": request.uri().to_string(), "httpVersion": "HTTP/1.1",
                "headers": headers(request.headers()), "bodySize": request.body().len(),
            },
            "response": {
                "status": response.status().as_u16(), "statusText": "", "httpVersion": "HTTP/1.1",
                "headers": headers(response.headers()), "content": bodies.write(response.body()),
            },
        });
        if !request.body().is_empty() {
            entry["request"]["postData"] = bodies.write(request.body());
        }
        entry
    });
    let har = json!({ "log": { "version": "1.2", "entries": entries.collect::<Vec<_>>() } });
    serde_json::to_vec(&har).unwrap()
}

fn answer_head(response: &Response<Bytes>) -> Vec<String> {
    let mut lines = vec![format!("HTTP/1.1 {}\r\n", response.status())];
    lines.extend(pairs(response.headers()).iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    lines.push(format!("content-length: {}\r\n\r\n", response.body().len()));
    lines
}

/// What `curl -i` writes.
pub(crate) fn curl_i(response: &Response<Bytes>) -> Vec<u8> {
    [answer_head(response).concat().as_bytes(), response.body()].concat()
}

/// What `curl --trace` writes.
pub(crate) fn trace(exchanges: &[Exchange]) -> Vec<u8> {
    let mut text = "== Info:   Trying 127.0.0.1:18020...\n".to_owned();
    let mut block = |mark: &str, bytes: &[u8]| {
        text += &format!("{mark}, {} bytes (0x{:x})\n", bytes.len(), bytes.len());
        for (at, line) in bytes.chunks(16).enumerate() {
            let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
            let is_shown = |byte: &u8| (0x20..0x7f).contains(byte);
            let shown: String =
                line.iter().map(|byte| if is_shown(byte) { char::from(*byte) } else { '.' }).collect();
            text += &format!("{:04x}: {hex:<48}{shown}\n", at * 16);
        }
    };
    for (request, response) in exchanges {
        let path = request.uri().path();
        let lines = pairs(request.headers())
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect::<String>();
        block("=> Send header", format!("{} {path} HTTP/1.1\r\n{lines}\r\n", request.method()).as_bytes());
        if !request.body().is_empty() {
            block("=> Send data", request.body());
        }
        for line in answer_head(response) {
            block("<= Recv header", line.as_bytes());
        }
        for part in response.body().chunks(100) {
            block("<= Recv data", part);
        }
    }
    text.into_bytes()
}

/// Digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines of a width.
pub(crate) fn lines(text: &str, width: usize) -> String {
    text.as_bytes().chunks(width).map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap())).collect()
}

/// What `xxd`, `hexdump -C` and `od -A x -t x1` write.
pub(crate) fn dumps(bytes: &[u8]) -> [String; 3] {
    let [mut xxd, mut hexdump, mut od] = [const { String::new() }; 3];
    for (at, line) in bytes.chunks(16).enumerate() {
        let groups: String = line.chunks(2).map(|pair| format!("{} ", hex(pair))).collect();
        let shown: String = line
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        xxd += &format!("{:08x}: {groups:<40} {shown}\n", at * 16);
        let half = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
        let (left, right) = line.split_at(line.len().min(8));
        hexdump += &format!("{:08x}  {:<24} {:<24} |{shown}|\n", at * 16, half(left), half(right));
        od += &format!("{:06x} {}\n", at * 16, half(line).trim_end());
    }
    hexdump += &format!("{:08x}\n", bytes.len());
    od += &format!("{:06x}\n", bytes.len());
    [xxd, hexdump, od]
}
