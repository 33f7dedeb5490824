//! The wire between the demo's client and server: a transport that keeps what passed, and shows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use sc_std::client::{ProxyUse, ReqwestTransport, Transport, TransportError};
use serde_json::Value;

use crate::hex_view::View;

/// Headers worth showing.
const SHOWN: [&str; 6] =
    ["x-sc-session-id", "x-sc-version", "x-sc-expires-at", "x-client-hash", "content-type", "retry-after"];
/// Longest answer read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// One request and its answer.
struct Exchange {
    request: Request<Bytes>,
    answer: Response<Bytes>,
    shown: bool,
}

/// A transport that keeps every request and answer.
#[derive(Clone)]
pub(super) struct Recorder {
    inner: Arc<ReqwestTransport>,
    kept: Arc<Mutex<Vec<Exchange>>>,
}

impl Transport for Recorder {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_body: usize,
    ) -> Result<Response<Bytes>, TransportError> {
        let answer = self.inner.send(request.clone(), max_body).await?;
        self.lock().push(Exchange { request, answer: answer.clone(), shown: false });
        Ok(answer)
    }
}

impl Recorder {
    pub(super) fn new() -> Result<Self, TransportError> {
        let inner = ReqwestTransport::new(Duration::from_secs(5), ProxyUse::None)?;
        Ok(Self { inner: Arc::new(inner), kept: Arc::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what passed since the last call.
    pub(super) fn show(&self) {
        for exchange in self.lock().iter_mut().filter(|exchange| !exchange.shown) {
            exchange.shown = true;
            let (request, answer) = (&exchange.request, &exchange.answer);
            anstream::println!("   ──▶ {} {}", request.method(), request.uri().path());
            show_body(request.headers(), request.body());
            anstream::println!("   ◀── HTTP {}", answer.status());
            show_body(answer.headers(), answer.body());
        }
    }

    /// Sends the last sealed request again, as an attacker behind TLS could; gives the plain answer's code.
    pub(super) async fn replay_last(&self) -> Result<Option<String>, TransportError> {
        let sealed = |exchange: &&Exchange| exchange.request.body().starts_with(b"SC");
        let Some(captured) = self.lock().iter().rev().find(sealed).map(|exchange| exchange.request.clone())
        else {
            return Ok(None);
        };
        let answer = self.send(captured, MAX_BODY).await?;
        self.show();
        let json: Option<Value> = serde_json::from_slice(answer.body()).ok();
        Ok(json.and_then(|json| json.get("code")?.as_str().map(ToOwned::to_owned)))
    }

    /// Whether all sealed answers so far are equally long.
    pub(super) fn equal_answers(&self) -> bool {
        let kept = self.lock();
        let mut sizes =
            kept.iter().map(|exchange| exchange.answer.body()).filter(|body| body.starts_with(b"SC"));
        let first = sizes.next().map(Bytes::len);
        first.is_some() && sizes.all(|body| Some(body.len()) == first)
    }
}

fn show_body(headers: &HeaderMap, body: &Bytes) {
    for name in SHOWN {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            anstream::println!("       {name}: {value}");
        }
    }
    if body.is_empty() {
        return;
    }
    match View::of(body) {
        Ok(view) => {
            let mut table = Vec::new();
            // Writing to a vector does not fail.
            let _ = view.write_table(&mut table);
            for line in String::from_utf8_lossy(&table).lines() {
                anstream::println!("      {line}");
            }
        }
        Err(_) => match serde_json::from_slice::<Value>(body) {
            Ok(json) => anstream::println!("       {}", shortened(&json)),
            Err(_) => anstream::println!("       {} bytes", body.len()),
        },
    }
}

/// JSON on one line, long strings cut in the middle.
fn shortened(json: &Value) -> Value {
    match json {
        Value::String(text) if text.len() > 72 && text.is_ascii() => {
            let (head, tail) =
                (text.get(..32).unwrap_or_default(), text.get(text.len() - 16..).unwrap_or_default());
            Value::String(format!("{head}…{tail} ({} characters)", text.len()))
        }
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), shortened(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(shortened).collect()),
        other => other.clone(),
    }
}
