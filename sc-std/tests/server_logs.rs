//! What the server logs: causes, and nothing that anybody entered, sent or holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use sc_std::message::{EmailHashKey, ForgotPassword, Message};
use sc_std::reset::{KnownAddresses, Outbox, ResetConfig, ResetLink, ResetTokens, ResetWorker};
use sc_std::server::{ForgotPasswordEndpoint, ScRouter};
use sc_std::store::{Store, StoreOptions};
use server_support::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps every event and span of every crate, at every level, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Log {
    fn keep(&self, line: Line) {
        self.0.lock().unwrap().push_str(&(line.0 + "\n"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {} ", span.metadata().name()));
        span.record(&mut line);
        self.keep(line);
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.keep(line);
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.keep(line);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn nothing_private_reaches_a_log_in_a_whole_flow_and_its_failures() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut world = World::with(StoreOptions::default(), |builder| builder.with_text_envelope());
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::create(folder.path(), "Service <no-reply@example.com>").unwrap();
    let worker = ResetWorker::spawn(
        ResetConfig::new(ResetLink::parse("https://example.com/reset").unwrap()),
        KnownAddresses::parse("private@known.example").unwrap(),
        outbox.clone(),
        Arc::new(ResetTokens::new(900_000, 1000)),
        world.clock.clone(),
    );
    let limit = |name| world.server.store().limiter(name, ForgotPasswordEndpoint::DEFAULT_LIMIT);
    let (by_address, by_email) = (limit("address"), limit("email"));
    let email_key = EmailHashKey::derive(&[7; 32]);
    let endpoint = ForgotPasswordEndpoint::new(by_address, by_email, email_key, worker.queue().clone());
    world.app = ScRouter::new(world.server.clone())
        .sealed(ForgotPassword::PATH, ForgotPassword::NAME, endpoint.into_route())
        .into_router();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    let inline = world.peer();
    let mut bodies = vec![
        inline.first(br#"{"email":"private@known.example"}"#),
        inline.first(br#"{"email":"private@known.example"}"#),
    ];
    for body in bodies.drain(..) {
        world.post(FORGOT, &[HASH], body).await;
    }
    let one = peer.seal(br#"{"email":"private@unknown.example"}"#);
    let mut broken = one.clone();
    broken[40] ^= 1;
    let text = format!("{{\"v\":2,\"p\":\"{}\"}}", base64(&peer.seal(br#"{"email":"private@text"}"#)[4..]));
    for body in [
        broken,
        one.clone(),
        one,
        peer.seal(br#"{"email":"private"}"#),
        peer.seal(br#"{"private":"private@known.example"}"#),
        peer.seal(br#"{"email":"private@known.example"}"#),
        peer.seal(br#"{"email":"private@known.example"}"#),
        text.into_bytes(),
        br#"{"email":"private@known.example"}"#.to_vec(),
        peer.seal_with_iv(1, b"private"),
        peer.seal_with_iv(1, b"privacy"),
        peer.seal(b"private"),
    ] {
        world.post(FORGOT, &headers, body).await;
    }
    for body in [peer.set_up(), b"{\"keyId\":\"private\"}".to_vec(), b"private".to_vec()] {
        world.post(SESSION, &[HASH], body).await;
    }
    world.post(SESSION, &[("x-client-hash", "private fingerprint")], peer.set_up()).await;
    world.post("/private@known.example", &[("x-request-id", "private")], vec![]).await;
    world.post(CLOSE, &headers, vec![]).await;
    assert!(worker.close().await.sent >= 1);

    let mut private = vec!["private".to_owned(), "privacy".to_owned(), "fingerprint".to_owned()];
    private.push(peer.session.clone());
    for keys in [&peer, &inline] {
        for key in [&keys.request_key[..], &keys.response_key, &keys.wrapped[0], &keys.wrapped[1]] {
            private.extend([hex(&key[..8]), format!("{:?}", &key[..8]).replace(']', ""), base64(&key[..9])]);
        }
    }
    for mail in std::fs::read_dir(outbox.folder()).unwrap() {
        let mail = std::fs::read_to_string(mail.unwrap().path()).unwrap();
        let (_, token) = mail.split_once("?token=").unwrap();
        private.push(token[..20].to_owned());
    }
    let log = log.0.lock().unwrap().clone();
    for seen in [
        "span scv2.request request_id=\"",
        "kind=\"sealed\"",
        "kind=\"inline\"",
        "kind=\"session\"",
        "kind=\"close\"",
        "code=\"2000\"",
        "code=\"SECURE_CHANNEL.REPLAYED\"",
        "status=409",
        "span scv2.store operation=\"claim_wrapped\"",
        "run_us=",
    ] {
        assert!(log.contains(seen), "{seen}\n{log}");
    }
    assert!(
        log.contains("refused") && log.contains("session created") && log.contains("session ended"),
        "{log}"
    );
    for private in &private {
        assert!(!log.contains(private.as_str()), "{private}\n{log}");
    }
}

#[tokio::test]
async fn each_request_has_one_span_with_a_uuid_a_kind_a_code_and_a_status() {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    let world = World::new();
    let uuid = "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c11";
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session), ("x-request-id", uuid)];
    assert_eq!(world.post(ECHO, &headers, peer.seal(b"x")).await.status, 200);
    assert_eq!(world.post("/limited", &headers, peer.seal(b"x")).await.status, 429);
    world.ask("GET", PUBLIC_KEY, &[("x-request-id", "sess_confidential")], vec![]).await;
    world.ask("GET", CLOSE, &[], vec![]).await;
    // The layer by itself answers the endpoints too.
    let mut bare = world.clone();
    bare.app = axum::Router::new().fallback(|| async { "bare" }).layer(world.server.layer());
    bare.ask("GET", PUBLIC_KEY, &[], vec![]).await;
    drop(guard);

    let log = log.0.lock().unwrap().clone();
    let spans: Vec<_> = log.split("span scv2.request request_id=\"").skip(1).collect();
    assert_eq!(spans.len(), 6, "{log}");
    let told = [
        ("session", "2000", 200),
        ("sealed", "2000", 200),
        ("sealed", "REQUEST.RATE_LIMITED", 429),
        ("public_key", "2000", 200),
        ("close", "REQUEST.METHOD_NOT_ALLOWED", 405),
        ("public_key", "2000", 200),
    ];
    for (span, (kind, code, status)) in spans.iter().zip(told) {
        let (id, _) = span.split_once('"').unwrap();
        assert!(id.len() == 36 && !id.contains('_'), "{span}");
        for field in [format!("kind=\"{kind}\""), format!("code=\"{code}\""), format!("status={status}")] {
            assert_eq!(span.matches(&field).count(), 1, "{field} in {span}");
        }
    }
    assert!(spans[1].starts_with(uuid) && !log.contains("confidential"), "{log}");
}
