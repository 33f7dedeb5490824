//! The order of checks (PROTOCOL 5): with everything from one check on violated at once, that check is the one told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::num::NonZeroUsize;
use std::sync::Arc;

use http::HeaderValue;
use sc_core::code::Code;
use sc_std::keys::KeyRing;
use sc_std::rate_limit::Limit;
use sc_std::store::StoreOptions;
use serde_json::{Value, json};
use server_support::gate::Gate;
use server_support::*;

const ROOM: usize = 100;

/// A request that is still being written.
#[derive(Clone)]
struct Draft {
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Draft {
    fn new(path: &'static str, body: Vec<u8>) -> Self {
        let headers = [
            ("x-portal-access-code", "portal"),
            ("cf-connecting-ip", "192.0.2.1"),
            ("cf-ray", "ray"),
            ("cf-ipcountry", "NZ"),
            ("x-client-hash", DEVICE),
            ("x-sc-version", "2"),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        Self { method: "POST", path, headers, body }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
    }

    async fn send(&self, world: &World) -> Reply {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.ask(self.method, self.path, &headers, self.body.clone()).await
    }
}

/// One violation: what it does, what is told of it, and a word of the message.
type Violation<'w> = (&'static str, Box<dyn Fn(&mut Draft) + 'w>, Code, &'static str);

fn violation<'w>(
    name: &'static str,
    code: Code,
    word: &'static str,
    change: impl Fn(&mut Draft) + 'w,
) -> Violation<'w> {
    (name, Box::new(change), code, word)
}

/// The checks that every protected request and every set-up have in common, in their order.
fn of_the_head() -> Vec<Violation<'static>> {
    vec![
        violation("method", Code::MethodNotAllowed, "", |draft| draft.method = "PUT"),
        violation("portal", Code::PermissionDenied, "", |draft| draft.set("x-portal-access-code", "no")),
        violation("cdn", Code::ValidationFailed, "cf-ray", |draft| draft.set("cf-ray", "")),
        violation("client hash", Code::ValidationFailed, "x-client-hash", |draft| {
            draft.headers.retain(|(name, _)| *name != "x-client-hash");
        }),
        violation("two sessions", Code::ValidationFailed, "x-sc-session-id", |draft| {
            draft.headers.push(("x-sc-session-id", "one".to_owned()));
            draft.headers.push(("x-sc-session-id", "other".to_owned()));
        }),
        violation("size", Code::TooLarge, "", |draft| draft.body.resize(10_000, 0)),
    ]
}

/// Applies every suffix of violations, and every pair; the first of them must be what is told.
async fn earlier_wins(world: &World, good: &Draft, violations: &[Violation<'_>]) {
    let check = |picked: Vec<usize>| async move {
        let mut draft = good.clone();
        // From the last on, so that an earlier one has the last word over a part that both change.
        for at in picked.iter().rev() {
            (violations[*at].1)(&mut draft);
        }
        let (name, _, code, word) = &violations[picked[0]];
        let reply = draft.send(world).await;
        let names: Vec<_> = picked.iter().map(|at| violations[*at].0).collect();
        assert_eq!(reply.refusal(), refused(*code), "{name} of {names:?}");
        assert!(reply.message().to_lowercase().contains(word), "{names:?}: {}", reply.message());
    };
    for first in 0..violations.len() {
        check((first..violations.len()).collect()).await;
        check(vec![first]).await;
        for second in first + 1..violations.len() {
            check(vec![first, second]).await;
        }
    }
}

fn strict(keys: Arc<KeyRing>, limit: Limit) -> World {
    World::on(keys, StoreOptions::default(), |builder| {
        builder
            .with_portal_access_code(HeaderValue::from_static("portal"))
            .with_required_cdn_headers()
            .with_max_plaintext(ROOM)
            .with_set_up_limit(limit)
            .with_admission(NonZeroUsize::MIN, 0)
    })
}

#[tokio::test]
async fn checks_of_a_message_keep_their_order() {
    let world = strict(Arc::new(fixed_keys(1)), Limit::new(60, 60_000));
    let mut peer = world.peer();
    let set_up = Draft::new(SESSION, peer.set_up()).send(&world).await;
    peer.session = set_up.json()["data"]["sessionId"].as_str().unwrap().to_owned();
    let mut good = Draft::new(ECHO, peer.seal(b"x"));
    good.set("x-sc-session-id", &peer.session);
    let old = peer.seal_with_iv(1, b"x");
    let mut first = good.clone();
    first.body = old.clone();
    assert!(first.send(&world).await.is_sealed());

    let mut violations = of_the_head();
    violations.extend([
        violation("version header", Code::UnsupportedVersion, "", |draft| draft.set("x-sc-version", "3")),
        violation("envelope", Code::InvalidPayload, "", |draft| draft.body[0] = b'?'),
        violation("envelope version", Code::UnsupportedVersion, "", |draft| draft.body[2] = 7),
        violation("type", Code::InvalidPayload, "", |draft| draft.body[3] = 129),
        violation("session", Code::SessionNotFound, "", |draft| {
            draft.set("x-sc-session-id", "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        }),
        violation("client", Code::SessionNotFound, "", |draft| draft.set("x-client-hash", "another")),
        violation("tag", Code::InvalidPayload, "", |draft| *draft.body.last_mut().unwrap() ^= 1),
        violation("replay", Code::Replayed, "", |draft| draft.body = old.clone()),
    ]);
    earlier_wins(&world, &good, &violations).await;
    assert!(good.send(&world).await.is_sealed(), "nothing moved");
}

#[tokio::test]
async fn checks_of_a_first_message_keep_their_order() {
    let world = strict(Arc::new(fixed_keys(1)), Limit::new(0, 60_000));
    let good = Draft::new(ECHO, world.peer().first(b"x"));
    let mut violations = of_the_head();
    violations.extend([
        violation("version header", Code::UnsupportedVersion, "", |draft| draft.set("x-sc-version", "")),
        violation("envelope", Code::InvalidPayload, "", |draft| draft.body[1] = b'?'),
        violation("session header", Code::InvalidPayload, "", |draft| {
            draft.set("x-sc-session-id", "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        }),
        violation("key id", Code::InvalidKeyId, "", |draft| draft.body[5] ^= 1),
        // The world refuses every attempt.
        violation("limit", Code::RateLimited, "", |_| ()),
        violation("wrapped key", Code::RateLimited, "", |draft| draft.body[100] ^= 1),
        violation("tag", Code::RateLimited, "", |draft| *draft.body.last_mut().unwrap() ^= 1),
    ]);
    earlier_wins(&world, &good, &violations).await;
}

/// A session request with some properties replaced.
fn altered(body: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut json = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
    change(&mut json);
    json.to_string().into_bytes()
}

#[tokio::test]
async fn checks_of_a_set_up_keep_their_order() {
    let world = strict(Arc::new(fixed_keys(1)), Limit::new(0, 60_000));
    let good = Draft::new(SESSION, world.peer().set_up());
    let mut violations = of_the_head();
    violations.extend([
        violation("version", Code::UnsupportedVersion, "", |draft| draft.set("x-sc-version", "3")),
        violation("form", Code::ValidationFailed, "", |draft| draft.body.insert(0, b'x')),
        violation("property", Code::ValidationFailed, "encreqkey", |draft| {
            draft.body = altered(&draft.body, |json| json["encReqKey"] = json!("not Base64!"));
        }),
        violation("key id", Code::InvalidKeyId, "", |draft| {
            draft.body = altered(&draft.body, |json| json["keyId"] = json!("unknown"));
        }),
        violation("length", Code::ValidationFailed, "encrespkey", |draft| {
            draft.body = altered(&draft.body, |json| json["encRespKey"] = json!("QUJD"));
        }),
        violation("limit", Code::RateLimited, "", |_| ()),
    ]);
    earlier_wins(&world, &good, &violations).await;
}

#[tokio::test]
async fn the_set_up_limit_comes_before_admission_and_admission_before_the_private_operation() {
    let (gate, keys) = Gate::ring();
    let world = strict(keys, Limit::new(2, 60_000));
    let running = tokio::spawn({
        let (world, draft) = (world.clone(), Draft::new(SESSION, world.peer().set_up()));
        async move { draft.send(&world).await }
    });
    gate.has_begun(1).await;
    let mut broken = world.peer().first(b"x");
    broken[100] ^= 1;
    let busy = Draft::new(ECHO, broken.clone()).send(&world).await;
    assert_eq!(busy.refusal(), refused(Code::Busy));
    assert!(busy.header("retry-after").is_some());
    for (path, body) in [(ECHO, broken), (SESSION, world.peer().set_up())] {
        assert_eq!(Draft::new(path, body).send(&world).await.refusal(), refused(Code::RateLimited));
    }
    assert_eq!(gate.begun(), 1, "neither reached the key");
    gate.open();
    assert_eq!(running.await.unwrap().status, 200);
}

#[tokio::test]
async fn inline_off_is_told_before_the_key_id_and_after_the_envelope() {
    let world = World::with(StoreOptions::default(), |builder| builder.without_inline());
    let mut body = world.peer().first(b"x");
    let asked = async |body: &Vec<u8>| world.post(ECHO, &[HASH], body.clone()).await.refusal();
    assert_eq!(asked(&body).await, refused(Code::InvalidPayload));
    body[5] ^= 1;
    assert_eq!(asked(&body).await, refused(Code::InvalidPayload), "not that the key is unknown");
    body[2] = 9;
    assert_eq!(asked(&body).await, refused(Code::UnsupportedVersion));
}

#[tokio::test]
async fn the_portal_code_and_cdn_headers_are_asked_of_protected_requests_and_set_ups_only() {
    let world = strict(Arc::new(fixed_keys(1)), Limit::new(60, 60_000));
    let id = ("x-sc-session-id", "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(world.ask("GET", PUBLIC_KEY, &[], vec![]).await.status, 200);
    assert_eq!(world.ask("GET", "/healthz", &[], vec![]).await.status, 200);
    assert_eq!(world.post(CLOSE, &[id], vec![]).await.status, 200);
    for path in [SESSION, ECHO] {
        for wrong in ["", "Portal", "portal ", "portal2"] {
            let mut draft = Draft::new(path, vec![]);
            draft.headers[0].1 = wrong.trim_end().to_owned();
            if wrong != "portal " {
                assert_eq!(draft.send(&world).await.refusal(), refused(Code::PermissionDenied), "{wrong}");
            }
        }
        for missing in ["x-portal-access-code", "cf-connecting-ip", "cf-ray", "cf-ipcountry", "x-client-hash"]
        {
            let mut draft = Draft::new(path, vec![]);
            draft.headers.retain(|(name, _)| *name != missing);
            let reply = draft.send(&world).await;
            if missing == "x-portal-access-code" {
                assert_eq!(reply.refusal(), refused(Code::PermissionDenied));
            } else {
                assert_eq!(reply.refusal(), refused(Code::ValidationFailed));
                assert!(reply.message().to_lowercase().contains(missing), "{}", reply.message());
            }
        }
        for (name, value) in
            [("cf-connecting-ip", "nonsense"), ("x-client-hash", "a b"), ("x-client-hash", &*"h".repeat(257))]
        {
            let mut draft = Draft::new(path, vec![]);
            draft.set(name, value);
            let reply = draft.send(&world).await;
            assert_eq!(reply.refusal(), refused(Code::ValidationFailed), "{name}: {value}");
            assert!(!reply.message().contains(value), "the value is not told: {}", reply.message());
        }
    }
}
