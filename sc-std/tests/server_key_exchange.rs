//! Key exchange over HTTP: the attacks of PROTOCOL 4.3, races, uniform failures, strict JSON.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::sync::Arc;

use sc_core::code::Code;
use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_core::server::{NewSession, SessionRecord};
use sc_std::keys::KeyRing;
use sc_std::rate_limit::Limit;
use sc_std::server::ScServer;
use sc_std::store::{MemoryStore, Store, StoreError, StoreOptions};
use serde_json::{Value, json};
use server_support::*;

const ID: (&str, &str) = ("x-request-id", "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c11");

/// A world that lets a test try as often as it wants.
fn patient() -> World {
    World::with(StoreOptions::default(), |builder| builder.with_set_up_limit(Limit::new(100_000, 1)))
}

/// A victim's set-up and first message, as an attacker behind TLS records them.
async fn recorded(world: &World) -> Peer {
    let victim = world.peer_in_session().await;
    assert!(world.is_alive(&victim).await);
    victim
}

#[tokio::test]
async fn a_victims_wrapped_request_key_with_an_attackers_response_key_is_refused_both_ways() {
    let world = patient();
    let victim = recorded(&world).await;
    let mut attacker = world.peer();
    attacker.wrapped[0] = victim.wrapped[0].clone();
    attacker.request_key = victim.request_key;
    let endpoint = world.post(SESSION, &[HASH], attacker.set_up()).await;
    assert_eq!(endpoint.refusal(), refused(Code::KeyExchangeFailed));
    assert_eq!(endpoint.message(), "Failed to decrypt session keys");
    let inline = world.post(ECHO, &[HASH], attacker.first(b"x")).await;
    assert_eq!(inline.refusal(), refused(Code::InvalidPayload));
    // One namespace for both roles: a wrapped key in the other place is known too.
    let mut swapped = world.peer();
    swapped.wrapped[1] = victim.wrapped[0].clone();
    assert_eq!(
        world.post(SESSION, &[HASH], swapped.set_up()).await.refusal(),
        refused(Code::KeyExchangeFailed)
    );
    let mut swapped = world.peer();
    swapped.wrapped[0] = victim.wrapped[1].clone();
    assert_eq!(
        world.post(SESSION, &[HASH], swapped.set_up()).await.refusal(),
        refused(Code::KeyExchangeFailed)
    );
    assert_eq!(world.server.store().sessions(), 1);
    assert!(world.is_alive(&victim).await);
}

#[tokio::test]
async fn a_whole_set_up_that_is_repeated_is_refused_also_after_its_session_ended() {
    let world = patient();
    let victim = recorded(&world).await;
    let first = world.peer();
    let envelope = first.first(b"x");
    assert_eq!(world.post(ECHO, &[HASH], envelope.clone()).await.status, 200);
    for _ in 0..2 {
        for body in [victim.set_up(), first.set_up()] {
            assert_eq!(world.post(SESSION, &[HASH], body).await.refusal(), refused(Code::KeyExchangeFailed));
        }
        for body in [victim.first(b"x"), envelope.clone()] {
            assert_eq!(world.post(ECHO, &[HASH], body).await.refusal(), refused(Code::InvalidPayload));
        }
        world.post(CLOSE, &[("x-sc-session-id", &victim.session)], vec![]).await;
        world.clock.advance(48 * 60 * 60 * 1000);
        world.server.store().purge(sc_std::clock::Clock::now(&world.clock));
    }
    assert_eq!(world.server.store().sessions(), 0);
}

#[tokio::test]
async fn a_refused_splice_spends_nothing_of_the_one_who_is_spliced() {
    // The attacker is faster, but cannot make the payload's tag: the ledger stays as it was.
    let world = patient();
    let victim = world.peer();
    let mut forged = victim.first(b"x");
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(world.post(ECHO, &[HASH], forged).await.refusal(), refused(Code::InvalidPayload));
    let mut equal = world.peer();
    equal.wrapped = [victim.wrapped[0].clone(), victim.wrapped[0].clone()];
    assert_eq!(
        world.post(SESSION, &[HASH], equal.set_up()).await.refusal(),
        refused(Code::KeyExchangeFailed)
    );
    assert_eq!(world.post(ECHO, &[HASH], victim.first(b"x")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_copies_at_once_exactly_one_wins() {
    let world = patient();
    for _ in 0..5 {
        for (path, lost) in [(SESSION, Code::KeyExchangeFailed), (ECHO, Code::InvalidPayload)] {
            let peer = world.peer();
            let body = if path == SESSION { peer.set_up() } else { peer.first(b"x") };
            let copies: Vec<_> = (0..20)
                .map(|_| {
                    let (world, body) = (world.clone(), body.clone());
                    tokio::spawn(async move { world.post(path, &[HASH], body).await })
                })
                .collect();
            let mut won = 0;
            for copy in copies {
                let reply = copy.await.unwrap();
                if reply.status == 200 {
                    won += 1;
                } else {
                    assert_eq!(reply.refusal(), refused(lost));
                }
            }
            assert_eq!(won, 1);
        }
    }
    assert_eq!(world.server.store().sessions(), 10);
}

/// Pairs of wrapped keys that fail, each for its own reason.
async fn failing(world: &World) -> Vec<(&'static str, [Vec<u8>; 2])> {
    let used = recorded(world).await.wrapped;
    let spki = &world.server.keys().published(START).unwrap().spki_der;
    let fresh = || world.peer().wrapped;
    let [good, other] = fresh();
    let mut broken = good.clone();
    broken[17] ^= 1;
    let equal = [7; 32];
    let oaep = |text: &[u8]| wrap_any(spki, text);
    vec![
        ("request does not unwrap", [broken.clone(), other.clone()]),
        ("response does not unwrap", [other.clone(), broken.clone()]),
        ("neither unwraps", [broken.clone(), broken]),
        ("all zeroes", [vec![0; 256], other.clone()]),
        ("one", [[vec![0; 255], vec![1]].concat(), other.clone()]),
        ("not below the modulus", [vec![0xff; 256], other.clone()]),
        ("31 bytes", [oaep(&[1; 31]), other.clone()]),
        ("33 bytes", [oaep(&[1; 33]), other.clone()]),
        ("no bytes", [oaep(&[]), other.clone()]),
        ("equal keys", [wrap(spki, &equal), wrap(spki, &equal)]),
        ("the same wrapped key twice", [good.clone(), good]),
        ("request repeated", [used[0].clone(), fresh()[1].clone()]),
        ("response repeated", [fresh()[0].clone(), used[1].clone()]),
        ("both repeated", used),
    ]
}

/// OAEP over a text of any length.
fn wrap_any(spki: &[u8], text: &[u8]) -> Vec<u8> {
    use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(spki).unwrap()).unwrap();
    let mut out = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, text, &mut out, None).unwrap();
    out
}

#[tokio::test]
async fn every_failure_at_the_session_endpoint_is_one_and_the_same_answer() {
    let world = patient();
    let mut seen: Vec<Reply> = Vec::new();
    for (cause, wrapped) in failing(&world).await {
        let mut peer = world.peer();
        peer.wrapped = wrapped;
        let reply = world.post(SESSION, &[HASH, ID], peer.set_up()).await;
        assert_eq!(reply.refusal(), refused(Code::KeyExchangeFailed), "{cause}");
        assert_eq!(&reply, seen.first().unwrap_or(&reply), "{cause}");
        seen.push(reply);
    }
    assert_eq!((seen.len(), world.server.store().sessions()), (14, 1));
}

#[tokio::test]
async fn every_failure_of_a_first_message_is_one_and_the_same_answer() {
    let world = patient();
    let mut causes: Vec<(&str, Vec<u8>)> = Vec::new();
    for (cause, wrapped) in failing(&world).await {
        let mut peer = world.peer();
        peer.wrapped = wrapped;
        causes.push((cause, peer.first(b"hello")));
    }
    let peer = world.peer();
    let mut tag = peer.first(b"hello");
    *tag.last_mut().unwrap() ^= 1;
    let mut wrong_key = world.peer();
    wrong_key.request_key = [9; 32];
    let mut short = world.peer();
    short.wrapped = [vec![1; 300], vec![1; 300]];
    let mut differ = world.peer();
    differ.wrapped[0].push(0);
    let mut bound = world.peer().first(b"hello");
    bound[2] = 0x82;
    causes.extend([
        ("tag", tag),
        ("payload under another key", wrong_key.first(b"hello")),
        ("not the modulus's length", short.first(b"hello")),
        ("lengths differ", differ.first(b"hello")),
        ("sealed as plain, sent as bound", bound),
    ]);
    let mut answers = causes.into_iter();
    let (_, body) = answers.next().unwrap();
    let first = world.post(ECHO, &[HASH, ID], body).await;
    assert_eq!(first.refusal(), refused(Code::InvalidPayload));
    for (cause, body) in answers {
        assert_eq!(world.post(ECHO, &[HASH, ID], body).await, first, "{cause}");
    }
    assert_eq!(world.server.store().sessions(), 1);
}

#[tokio::test]
async fn a_session_request_is_strict_json_and_a_refusal_names_the_property_but_never_its_value() {
    let world = patient();
    let good: Value = serde_json::from_slice(&world.peer().set_up()).unwrap();
    let with = |name: &str, value: Value| {
        let mut json = good.clone();
        json[name] = value;
        json.to_string()
    };
    let without = |name: &str| {
        let mut json = good.clone();
        json.as_object_mut().unwrap().remove(name);
        json.to_string()
    };
    let text = good.to_string();
    let mut cases = vec![
        (String::new(), ""),
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
        ("\"SECRET\"".to_owned(), ""),
        (format!("[{text}]"), ""),
        (format!("{text}SECRET"), ""),
        (format!("{text}{text}"), ""),
        (format!("\u{feff}{text}"), ""),
        (text.replacen('{', "{\"keyId\":\"SECRET\",", 1), "keyId"),
        (text[..text.len() - 1].to_owned(), ""),
        (json!([good["keyId"], good["encReqKey"], good["encRespKey"]]).to_string(), ""),
        (with("SECRET", json!("SECRET")), ""),
        (with("profile", json!("SECRET")), "profile"),
        (with("profile", json!("Bound")), "profile"),
        (with("keyId", json!(["SECRET"])), "keyId"),
    ];
    for name in ["encReqKey", "encRespKey"] {
        let value = good[name].as_str().unwrap();
        for bad in [
            json!(null),
            json!(7),
            json!(["SECRET"]),
            json!({"SECRET": 1}),
            json!(true),
            json!("SECRET!"),
            json!(value.trim_end_matches('=')),
            json!(format!("{value} ")),
            json!(format!("SECR\n{value}")),
            json!(value.replacen(&value[..4], "-_-_", 1)),
            json!(""),
            json!(base64(&[1; 255])),
            json!(base64(&[1; 257])),
            json!(base64(&[1; 512])),
            json!(base64(&[1; 600])),
        ] {
            cases.push((with(name, bad), name));
        }
        cases.push((without(name), ""));
    }
    cases.push((without("keyId"), ""));
    for (body, named) in cases {
        let reply = world.post(SESSION, &[HASH], body.clone().into_bytes()).await;
        assert_eq!(reply.refusal(), refused(Code::ValidationFailed), "{body}");
        let message = reply.message();
        assert!(message.contains(named) && !message.contains("SECR"), "{body}: {message}");
    }
    for key_id in ["", "SECRET", "a b", "\u{e9}", &"k".repeat(256), &"k".repeat(255)] {
        let reply = world.post(SESSION, &[HASH], with("keyId", json!(key_id)).into_bytes()).await;
        assert_eq!(reply.refusal(), refused(Code::InvalidKeyId), "{key_id}");
        assert_eq!(reply.message(), "Invalid or expired RSA key ID");
    }
    let not_utf8 = [b"{\"keyId\":\"".as_slice(), &[0xff], b"\"}"].concat();
    assert_eq!(world.post(SESSION, &[HASH], not_utf8).await.refusal(), refused(Code::ValidationFailed));
    assert_eq!(world.post(SESSION, &[HASH], format!("{good} \n\t").into_bytes()).await.status, 200);
}

/// A store in which the RSA key is revoked while a set-up is under way.
struct Revoking {
    store: MemoryStore,
    keys: Arc<KeyRing>,
}

impl Store for Revoking {
    type Limiter = <MemoryStore as Store>::Limiter;

    fn limiter(&self, name: &'static str, limit: Limit) -> Self::Limiter {
        self.store.limiter(name, limit)
    }
    async fn create(&self, session: NewSession, now: UnixMillis) -> Result<(), StoreError> {
        self.store.create(session, now).await
    }
    async fn find(&self, id: &SessionId, now: UnixMillis) -> Result<Option<SessionRecord>, StoreError> {
        self.store.find(id, now).await
    }
    async fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        self.store.claim(id, claim, now).await
    }
    async fn close(&self, id: &SessionId) -> Result<(), StoreError> {
        self.store.close(id).await
    }
    async fn close_all_of(&self, key_id: &KeyId) -> Result<(), StoreError> {
        self.store.close_all_of(key_id).await
    }
    async fn knows_wrapped(&self, key_id: &KeyId, hashes: &[WrappedKeyHash; 2]) -> Result<bool, StoreError> {
        self.store.knows_wrapped(key_id, hashes).await
    }
    async fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        assert!(self.keys.revoke(key_id.as_str()));
        self.store.close_all_of(key_id).await?;
        self.store.claim_wrapped(key_id, hashes, keep_until).await
    }
    async fn sync(&self, keys: &KeyRing, now: UnixMillis) -> Result<(), StoreError> {
        keys.revoke(keys.published(now).ok_or(StoreError::Unavailable)?.key_id.as_str());
        Ok(())
    }
}

#[tokio::test]
async fn a_set_up_under_way_while_its_rsa_key_is_revoked_leaves_no_session() {
    use axum::routing::post;
    use tower::ServiceExt;
    for path in [SESSION, ECHO] {
        let keys = Arc::new(fixed_keys(2));
        let peer = Peer::new(&keys.published(START).unwrap());
        let store = Revoking { store: MemoryStore::default(), keys: Arc::clone(&keys) };
        let server: ScServer<Revoking> = ScServer::builder(keys, store).build();
        let app = sc_std::server::ScRouter::new(server.clone()).sealed(ECHO, "echo", post(|| async {}));
        let body = if path == SESSION { peer.set_up() } else { peer.first(b"x") };
        let reply = app.into_router().oneshot(request("POST", path, &[HASH], body)).await.unwrap();
        assert_eq!(reply.status().as_u16(), 400, "{path}");
        assert_eq!(server.store().store.sessions(), 0, "{path}");
    }
}

#[tokio::test]
async fn housekeeping_brings_what_the_store_knows_of_revoked_keys() {
    let keys = Arc::new(fixed_keys(1));
    let store = Revoking { store: MemoryStore::default(), keys: Arc::clone(&keys) };
    let server: ScServer<Revoking> = ScServer::builder(Arc::clone(&keys), store).build();
    let housekeeping = server.spawn_housekeeping();
    let revoked = tokio::time::timeout(SOON, async {
        while keys.published(START).is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    assert!(revoked.await.is_ok());
    housekeeping.abort();
}

#[test]
fn a_store_that_says_nothing_about_it_tells_no_idle_timeout_and_no_count() {
    let store = Revoking { store: MemoryStore::default(), keys: Arc::new(fixed_keys(1)) };
    assert_eq!((store.idle_timeout(), store.live_sessions()), (None, None));
}
