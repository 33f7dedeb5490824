//! The server of the library behind a layer that gives away what the test wants.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::post;
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};
use sc_core::envelope::{Envelope, ParseOptions};
use sc_std::keys::{KeyRing, PrivateKey};
use sc_std::provider::AwsLcPrivateKey;
use sc_std::rate_limit::Limit;
use sc_std::server::ScRouter;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::store::StoreOptions;
use serde_json::Value;

use crate::cli_support::{Ran, scv2};
use crate::server_support::{FORGOT, START, World};

/// What a leaky server knows of a request.
pub struct Seen {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Lengths of both unwrapped keys, for a set-up of either way.
    pub unwrapped: Option<[Option<usize>; 2]>,
}

/// An answer on its way out.
pub struct Leaving {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Leaving {
    pub fn is(&self, code: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(code)
    }

    pub fn replace(&mut self, old: &str, new: &str) {
        if let Ok(text) = std::str::from_utf8(&self.body) {
            self.body = text.replace(old, new).into_bytes();
        }
    }
}

pub type Leak = fn(&Seen, &mut Leaving, &mut Memory);

/// What a leaky server remembers.
#[derive(Default)]
pub struct Memory {
    pub answers: HashMap<Vec<u8>, (StatusCode, HeaderMap, Vec<u8>)>,
    pub closed: Vec<HeaderValue>,
}

/// The server of the library behind a layer that leaks; gives its URL.
pub async fn leaky(leak: Leak) -> String {
    let key = AwsLcPrivateKey::generate(2048).unwrap();
    let decoder = PrivateDecryptingKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
    let decoder = Arc::new(OaepPrivateDecryptingKey::new(decoder).unwrap());
    let keys: Vec<Box<dyn PrivateKey>> = vec![Box::new(key)];
    let keys = Arc::new(KeyRing::from_keys(keys, START).unwrap());
    let world = World::on(keys, StoreOptions::default(), |builder| {
        builder.with_set_up_limit(Limit::new(1_000_000, 1))
    });
    let forgot = ScRouter::new(world.server.clone()).sealed(FORGOT, "password.forgot", post(answer_forgot));
    let memory = Arc::new(Mutex::new(Memory::default()));
    let layer = from_fn(move |request: Request, next: Next| {
        pass(request, next, Arc::clone(&decoder), leak, Arc::clone(&memory))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = forgot.into_router().layer(layer);
    tokio::spawn(serve(listener, router, ServeOptions::default(), std::future::pending()));
    url
}

/// Refuses everything but an e-mail address, and says of one that it is known.
async fn answer_forgot(body: Bytes) -> (StatusCode, &'static str) {
    let text = String::from_utf8_lossy(&body);
    match (text.contains('@'), text.contains("user@example.com")) {
        (true, true) => (StatusCode::OK, r#"{"code":"2000","message":"A link is on its way"}"#),
        (true, false) => (StatusCode::OK, r#"{"code":"2000","message":"No such address  !"}"#),
        (false, _) => (StatusCode::BAD_REQUEST, r#"{"code":"REQUEST.VALIDATION_FAILED"}"#),
    }
}

async fn pass(
    request: Request,
    next: Next,
    decoder: Arc<OaepPrivateDecryptingKey>,
    leak: Leak,
    memory: Arc<Mutex<Memory>>,
) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let unwrapped = wrapped_keys(&body).map(|keys| keys.map(|key| unwrapped_len(&decoder, &key)));
    let seen = Seen {
        path: head.uri.path().to_owned(),
        headers: head.headers.clone(),
        body: body.clone(),
        unwrapped,
    };
    let answer = next.run(Request::from_parts(head, Body::from(body))).await;
    let (mut head, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let mut leaving = Leaving { status: head.status, headers: head.headers, body };
    leak(&seen, &mut leaving, &mut memory.lock().unwrap());
    leaving.headers.remove("content-length");
    (head.status, head.headers) = (leaving.status, leaving.headers);
    Response::from_parts(head, Body::from(leaving.body))
}

/// Both wrapped keys of a set-up.
fn wrapped_keys(body: &Bytes) -> Option<[Vec<u8>; 2]> {
    if let Ok(Envelope::KeyExchange(exchange, _)) = Envelope::parse(body, &ParseOptions::default()) {
        return Some([exchange.encrypted_request_key().to_vec(), exchange.encrypted_response_key().to_vec()]);
    }
    let json: Value = serde_json::from_slice(body).ok()?;
    let key = |name: &str| Base64::decode_vec(json.get(name)?.as_str()?).ok();
    Some([key("encReqKey")?, key("encRespKey")?])
}

fn unwrapped_len(decoder: &OaepPrivateDecryptingKey, wrapped: &[u8]) -> Option<usize> {
    let mut out = [0; 256];
    decoder.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut out, None).ok().map(|text| text.len())
}

/// Runs the program on a leaky server.
pub async fn examined(leak: Leak, only: &str, samples: &str, more: &[&str]) -> Ran {
    let url = leaky(leak).await;
    let arguments = ["doctor", "--base-url", &url, "--samples", samples, "--only", only];
    let arguments: Vec<String> = arguments.iter().chain(more).map(ToString::to_string).collect();
    let ran = tokio::task::spawn_blocking(move || {
        scv2(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), b"")
    });
    ran.await.unwrap()
}

/// What was found, with the cause: `cause: finding`.
pub fn findings(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let mut found = Vec::new();
    for check in report["checks"].as_array().unwrap() {
        found
            .extend(check["found"].as_str().map(|why| format!("{}: {why}", check["name"].as_str().unwrap())));
    }
    for group in report["groups"].as_array().unwrap() {
        found.extend(
            group["found"].as_array().unwrap().iter().map(|why| format!("all: {}", why.as_str().unwrap())),
        );
        for cause in group["causes"].as_array().unwrap() {
            let name = cause["name"].as_str().unwrap();
            found.extend(
                cause["found"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|why| format!("{name}: {}", why.as_str().unwrap())),
            );
        }
    }
    assert_eq!(report["findings"], found.len(), "{report}");
    found
}
