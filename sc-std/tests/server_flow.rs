//! What a well-behaved client sees: key, set-up both ways and in both profiles, answers, their headers, close.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use base64ct::{Base64, Encoding};
use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::document::PublicKeyDocument;
use sc_core::id::{MessageName, SessionId, Ticks, UnixMillis};
use sc_core::server::BoundPolicy;
use sc_core::session::{Lifetime, Session};
use sc_std::keys::KeyRing;
use sc_std::provider::AwsLc;
use sc_std::rng::SystemSeeded;
use sc_std::server::{RouteKind, ScServer};
use sc_std::store::{MemoryStore, StoreOptions};
use server_support::*;

const NO_STORE: &str = "no-store, no-transform";
const NAME: &str = "echo";

fn name() -> MessageName<'static> {
    MessageName::new(NAME).unwrap()
}

/// A client of sc-core that has the server's key.
async fn client(world: &World, profile: ProfileChoice) -> Client<AwsLc> {
    let reply = world.ask("GET", PUBLIC_KEY, &[], vec![]).await;
    let document: PublicKeyDocument = serde_json::from_value(reply.json()["data"].clone()).unwrap();
    let mut client = Client::new(ClientOptions::default().with_profile(profile));
    client.accept_key(&document, Ticks(0), 1_000).unwrap();
    client
}

/// A session by the session endpoint.
async fn session(world: &World, profile: ProfileChoice) -> Session<AwsLc> {
    let (request, awaiting) = client(world, profile).await.begin(&mut SystemSeeded).unwrap();
    let reply = world.post(SESSION, &[HASH], serde_json::to_vec(&request).unwrap()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let (json, answer) = (reply.json(), serde_json::from_value(reply.json()["data"].clone()).unwrap());
    awaiting.accept(&answer, UnixMillis(json["timestamp"].as_u64().unwrap()), Ticks(0)).unwrap()
}

async fn echoed(world: &World, session: &Session<AwsLc>, text: &[u8]) -> Vec<u8> {
    let mut sealed = vec![0; Session::<AwsLc>::sealed_len(text.len())];
    let pending = session.seal_into(&mut SystemSeeded, Ticks(0), name(), text, &mut sealed).unwrap();
    let headers = [HASH, ("x-sc-session-id", session.id().as_str()), ("x-sc-version", "2")];
    let reply = world.post(ECHO, &headers, sealed).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.is_sealed());
    pending.open(&mut reply.body.to_vec()).unwrap().to_vec()
}

#[tokio::test]
async fn the_public_key_document_has_its_fields_and_may_be_cached_for_less_than_the_overlap() {
    let day = 24 * 60 * 60 * 1000;
    let keys = KeyRing::in_memory(2048, day, START).unwrap();
    let info = keys.published(START).unwrap();
    let world = World::on(keys.into(), StoreOptions::default(), |builder| builder);
    let reply = world.ask("GET", PUBLIC_KEY, &[], vec![]).await;
    let json = reply.json();
    assert_eq!((reply.status, &json["success"], &json["code"]), (200, &true.into(), &"2000".into()));
    let data = serde_json::json!({
        "keyId": info.key_id.as_str(), "publicKey": &*info.spki_base64, "algorithm": "RSA-OAEP-2048",
        "keySize": 2048, "createdAt": "2026-11-23T21:00:00.000Z", "expiresAt": "2026-11-24T22:00:00.000Z",
        "profiles": ["plain", "bound"],
    });
    assert_eq!(json["data"], data);
    assert_eq!(json["timestamp"], START.0);
    assert_eq!(reply.header("cache-control"), Some("max-age=1800"), "half of the overlap of one hour");
    assert_eq!(reply.header("content-type"), Some(JSON));
    assert!(reply.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_server_without_bound_offers_no_profiles_and_a_fixed_key_does_not_expire() {
    let world = World::with(StoreOptions::default(), |builder| builder.with_bound(BoundPolicy::Off));
    let data = &world.ask("GET", PUBLIC_KEY, &[], vec![]).await.json()["data"];
    assert!(data["expiresAt"].is_null() && data.as_object().unwrap().contains_key("expiresAt"), "{data}");
    assert!(data.get("profiles").is_none(), "{data}");
}

#[tokio::test]
async fn a_session_by_the_endpoint_carries_many_messages_in_both_profiles() {
    let world = World::new();
    for profile in [ProfileChoice::Plain, ProfileChoice::RequireBound] {
        let session = session(&world, profile).await;
        for text in [&b"{\"a\":1}"[..], b"", &[0xff; 100_000], "\u{1f512}".as_bytes()] {
            assert_eq!(echoed(&world, &session, text).await, text);
        }
    }
    assert_eq!(world.server.store().sessions(), 2);
}

#[tokio::test]
async fn the_session_answer_says_its_end_its_idle_timeout_and_a_profile_that_is_not_plain() {
    let world = World::with(StoreOptions::default(), |builder| builder.with_session_ttl_ms(1_000_000));
    for (choice, profile) in [(ProfileChoice::Plain, None), (ProfileChoice::RequireBound, Some("bound"))] {
        let (request, _) = client(&world, choice).await.begin(&mut SystemSeeded).unwrap();
        let reply = world.post(SESSION, &[HASH], serde_json::to_vec(&request).unwrap()).await;
        let data = &reply.json()["data"];
        assert_eq!(data["expiresAt"], START.0 + 1_000_000);
        assert_eq!(data["idleTimeout"], 1_800);
        assert_eq!(data.get("profile").map(|said| said.as_str().unwrap()), profile);
        assert!(SessionId::parse(data["sessionId"].as_str().unwrap()).is_ok());
        assert_eq!(reply.header("cache-control"), Some(NO_STORE));
    }
}

#[tokio::test]
async fn an_inline_set_up_answers_at_once_and_its_headers_name_the_session() {
    let world = World::with(StoreOptions::default(), |builder| builder.with_session_ttl_ms(1_000_000));
    for profile in [ProfileChoice::Plain, ProfileChoice::RequireBound] {
        let client = client(&world, profile).await;
        let mut sealed = vec![0; client.first_sealed_len(5).unwrap()];
        let awaiting = client.begin_inline(&mut SystemSeeded, name(), b"hello", &mut sealed).unwrap();
        let reply = world.post(ECHO, &[HASH], sealed).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("x-sc-expires-at").unwrap(), (START.0 + 1_000_000).to_string());
        assert_eq!(reply.header("x-sc-idle-timeout"), Some("1800"));
        assert_eq!(reply.header("content-type"), Some(JSON));
        assert_eq!(reply.header("cache-control"), Some(NO_STORE));
        let id = SessionId::parse(reply.header("x-sc-session-id").unwrap()).unwrap();
        let lifetime = Lifetime::new(UnixMillis(START.0 + 1_000_000), START, Some(1_800));
        let mut body = reply.body.to_vec();
        let (session, answer) = awaiting.open(id, lifetime, Ticks(0), &mut body).unwrap();
        assert_eq!(answer, b"hello");
        assert_eq!(echoed(&world, &session, b"again").await, b"again");
    }
}

#[tokio::test]
async fn only_a_first_answer_names_a_session() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let reply = world.echo(&peer, peer.seal(b"x")).await;
    for name in ["x-sc-session-id", "x-sc-expires-at", "x-sc-idle-timeout"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    assert_eq!(reply.header("cache-control"), Some(NO_STORE));
    assert_eq!(reply.header("content-type"), Some(JSON));
}

#[tokio::test]
async fn a_request_id_is_echoed_if_it_is_a_uuid_and_made_otherwise_on_every_answer() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let uuid = "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c11";
    let made = |reply: &Reply| reply.header("x-request-id").map(str::to_owned).unwrap();
    for (method, path) in [
        ("GET", PUBLIC_KEY),
        ("POST", SESSION),
        ("POST", CLOSE),
        ("GET", CLOSE),
        ("POST", ECHO),
        ("GET", ECHO),
        ("GET", "/healthz"),
        ("POST", "/healthz"),
        ("GET", "/nowhere"),
        ("OPTIONS", ECHO),
    ] {
        let echoed = world.ask(method, path, &[HASH, ("x-request-id", uuid)], vec![]).await;
        assert_eq!(made(&echoed), uuid, "{method} {path}");
        for bad in ["<script>", "", "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c1g"] {
            let replaced = made(&world.ask(method, path, &[HASH, ("x-request-id", bad)], vec![]).await);
            assert!(replaced.len() == 36 && replaced != uuid, "{method} {path} {bad}: {replaced}");
        }
        let one = made(&world.ask(method, path, &[HASH], vec![]).await);
        assert_ne!(one, made(&world.ask(method, path, &[HASH], vec![]).await));
    }
    let headers = [HASH, ("x-sc-session-id", &peer.session), ("x-request-id", uuid)];
    let reply = world.post("/head", &headers, peer.seal(b"x")).await;
    assert_eq!(made(&reply), uuid);
    let seen = String::from_utf8(peer.open(&reply)).unwrap();
    assert!(seen.contains(&format!("x-request-id: {uuid}\n")), "{seen}");
}

#[tokio::test]
async fn a_handler_sees_the_head_of_a_plain_json_request() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let headers = [
        HASH,
        ("x-sc-session-id", &*peer.session),
        ("content-type", "application/octet-stream"),
        ("content-encoding", "gzip"),
        ("accept-encoding", "gzip"),
        ("content-length", "36"),
    ];
    let seen =
        String::from_utf8(peer.open(&world.post("/head", &headers, peer.seal(b"1234")).await)).unwrap();
    assert!(seen.contains(&format!("content-type: {JSON}\n")), "{seen}");
    assert!(seen.contains("content-length: 4\n"), "{seen}");
    assert!(!seen.contains("encoding"), "{seen}");
}

#[tokio::test]
async fn close_ends_a_session_by_either_header_and_is_idempotent() {
    let world = World::new();
    for header in ["x-sc-session-id", "x-secure-channel-session-id"] {
        let peer = world.peer_in_session().await;
        assert!(world.is_alive(&peer).await);
        for _ in 0..2 {
            // X-Client-Hash is not asked for here (PROTOCOL 10.9).
            let reply = world.post(CLOSE, &[(header, &peer.session)], vec![]).await;
            assert_eq!((reply.status, &reply.json()["code"]), (200, &"2000".into()));
            assert_eq!(reply.header("cache-control"), Some(NO_STORE));
        }
        assert!(!world.is_alive(&peer).await);
    }
    assert_eq!(world.server.store().sessions(), 0);
    for unknown in ["sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "sess_", "nonsense", ""] {
        assert_eq!(world.post(CLOSE, &[("x-sc-session-id", unknown)], vec![]).await.status, 200, "{unknown}");
    }
    let refused = world.post(CLOSE, &[], vec![]).await;
    assert_eq!(refused.refusal(), (400, "REQUEST.VALIDATION_FAILED".to_owned()));
    assert_eq!(refused.message(), "Session ID header is required");
    let both = [("x-sc-session-id", "a"), ("x-secure-channel-session-id", "b")];
    assert_eq!(world.post(CLOSE, &both, vec![]).await.status, 400, "two that differ");
    let peer = world.peer_in_session().await;
    let both = [("x-sc-session-id", &*peer.session), ("x-secure-channel-session-id", &peer.session)];
    assert_eq!(world.post(CLOSE, &both, vec![]).await.status, 200, "two that say the same");
    assert!(!world.is_alive(&peer).await);
}

#[tokio::test]
async fn a_status_without_a_body_becomes_200_with_an_empty_plaintext() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    for code in ["204", "205", "304"] {
        let headers = [HASH, ("x-sc-session-id", &*peer.session)];
        let reply = world.post(&format!("/empty/{code}"), &headers, peer.seal(b"x")).await;
        assert_eq!(reply.status, 200, "{code}");
        assert_eq!(peer.open(&reply), b"", "{code}");
    }
}

#[tokio::test]
async fn a_handlers_error_is_sealed_with_its_status() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    for code in ["200", "201", "302", "400", "401", "403", "404", "409", "418", "500", "503"] {
        let reply = world.post(&format!("/status/{code}"), &headers, peer.seal(b"x")).await;
        assert_eq!(reply.status.to_string(), code);
        assert_eq!(peer.open(&reply), b"said");
    }
    let limited = world.post("/limited", &headers, peer.seal(b"x")).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("17")));
    for (path, code) in [
        ("/limited", "REQUEST.RATE_LIMITED"),
        ("/broken", "SYSTEM.INTERNAL_ERROR"),
        ("/long", "SYSTEM.INTERNAL_ERROR"),
        ("/cut", "SYSTEM.INTERNAL_ERROR"),
    ] {
        let reply = world.post(path, &headers, peer.seal(b"x")).await;
        let json: serde_json::Value = serde_json::from_slice(&peer.open(&reply)).unwrap();
        assert_eq!(json["code"], code, "{path}");
        assert_eq!(reply.header("content-type"), Some(JSON));
        assert_eq!(reply.status, if path == "/limited" { 429 } else { 500 });
    }
}

#[tokio::test]
async fn a_text_envelope_is_refused_by_default_and_answered_in_kind_when_on() {
    for on in [false, true] {
        let world =
            World::with(
                StoreOptions::default(),
                |builder| {
                    if on { builder.with_text_envelope() } else { builder }
                },
            );
        let peer = world.peer_in_session().await;
        let text = format!("{{\"v\":2,\"p\":\"{}\"}} \n", base64(&peer.seal(b"hello")[4..]));
        let reply = world.echo(&peer, text.into_bytes()).await;
        if on {
            let json = reply.json();
            assert_eq!((reply.status, &json["v"], json.as_object().unwrap().len()), (200, &2.into(), 2));
            let sealed = Base64::decode_vec(json["p"].as_str().unwrap()).unwrap();
            let body = [&[0x53, 0x43, 2, 129][..], &sealed].concat();
            assert_eq!(peer.open(&Reply { body: body.into(), ..reply }), b"hello");
        } else {
            assert_eq!(reply.refusal(), (400, "SECURE_CHANNEL.INVALID_PAYLOAD".to_owned()));
        }
        assert!(world.is_alive(&peer).await, "the binary form works either way");
    }
}

#[test]
fn every_route_is_listed_with_its_kind() {
    let server = ScServer::builder(fixed_keys(1), MemoryStore::default()).build();
    let routes = routes(&server);
    let kind = |path: &str| routes.routes().iter().find(|(listed, _)| listed == path).unwrap().1;
    assert_eq!(kind(PUBLIC_KEY), RouteKind::Channel);
    assert_eq!(kind(ECHO), RouteKind::Sealed);
    assert_eq!(kind("/healthz"), RouteKind::Plain);
}
