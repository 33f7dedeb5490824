//! Every refusal at a protected endpoint: status, code, plain JSON form, and what it leaves behind (PROTOCOL 5).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::sync::Arc;

use http::HeaderValue;
use sc_core::code::Code;
use sc_core::id::KeyId;
use sc_core::server::BoundPolicy;
use sc_std::keys::KeyRing;
use sc_std::rate_limit::Limit;
use sc_std::store::{Store, StoreOptions};
use server_support::*;

const MINUTE: u64 = 60_000;

fn in_session(peer: &Peer) -> [(&'static str, &str); 2] {
    [HASH, ("x-sc-session-id", &peer.session)]
}

#[tokio::test]
async fn a_body_that_is_no_envelope_is_an_invalid_payload() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let good = peer.seal(b"x");
    let bodies: [&[u8]; 9] = [
        b"",
        b"S",
        b"SC\x02",
        b"{\"email\":\"user@example.com\"}",
        b"SC\x02\x02",
        &good[..31],
        b"\x53\x43\x02\x03and more than thirty-two bytes of it",
        b"CS\x02\x02and more than thirty-two bytes of it",
        &[0x53, 0x43, 2, 0, 0],
    ];
    for body in bodies {
        let reply = world.post(ECHO, &in_session(&peer), body.to_vec()).await;
        assert_eq!(reply.refusal(), refused(Code::InvalidPayload), "{body:?}");
        assert_eq!(reply.message(), Code::InvalidPayload.message());
        // The same before the session is looked at.
        assert_eq!(world.post(ECHO, &[HASH], body.to_vec()).await.refusal(), refused(Code::InvalidPayload));
    }
    for at in 4..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let reply = world.post(ECHO, &in_session(&peer), bad).await;
        assert_eq!(reply.refusal(), refused(Code::InvalidPayload), "byte {at}");
    }
    assert_eq!(peer.open(&world.echo(&peer, good).await), b"x", "none of them claimed its IV");
}

#[tokio::test]
async fn another_version_is_unsupported_in_the_header_and_in_the_envelope() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    for version in ["1", "3", "2.0", "", "two", "02", "2 2"] {
        let headers = [HASH, ("x-sc-session-id", &*peer.session), ("x-sc-version", version)];
        let reply = world.post(ECHO, &headers, peer.seal(b"x")).await;
        assert_eq!(reply.refusal(), refused(Code::UnsupportedVersion), "{version}");
    }
    for version in [0, 1, 3, 0x82, 0xff] {
        let mut body = peer.seal(b"x");
        body[2] = version;
        let reply = world.post(ECHO, &in_session(&peer), body).await;
        assert_eq!(reply.refusal(), refused(Code::UnsupportedVersion), "{version:#x}");
    }
    assert!(world.post(ECHO, &in_session(&peer), peer.seal(b"x")).await.is_sealed(), "absent is accepted");
    let off = World::with(StoreOptions::default(), |builder| builder.with_bound(BoundPolicy::Off));
    let mut first = off.peer().first(b"x");
    first[2] = 0x82;
    assert_eq!(off.post(ECHO, &[HASH], first).await.refusal(), refused(Code::UnsupportedVersion));
}

#[tokio::test]
async fn too_large_is_told_by_the_announced_and_by_the_real_length() {
    let world = World::with(StoreOptions::default(), |builder| builder.with_max_plaintext(1000));
    let peer = world.peer_in_session().await;
    let max = 1000 + 1316;
    let real = world.post(ECHO, &in_session(&peer), vec![0; max + 1]).await;
    assert_eq!(real.refusal(), refused(Code::TooLarge));
    for length in [(max + 1).to_string(), u64::MAX.to_string()] {
        let headers = [HASH, ("x-sc-session-id", &*peer.session), ("content-length", &length)];
        assert_eq!(world.post(ECHO, &headers, vec![]).await.refusal(), refused(Code::TooLarge));
    }
    let headers = [HASH, ("x-sc-session-id", &*peer.session), ("content-length", "1")];
    assert_eq!(world.post(ECHO, &headers, vec![0; max + 1]).await.refusal(), refused(Code::TooLarge));
    assert!(world.post(ECHO, &in_session(&peer), peer.seal(&[7; 1000])).await.is_sealed());
    assert_eq!(world.post(SESSION, &[HASH], vec![b' '; 8193]).await.refusal(), refused(Code::TooLarge));
}

#[tokio::test]
async fn the_default_cap_is_a_mebibyte_of_plaintext_for_every_handler() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let text = vec![7; 1 << 20];
    let reply = world.echo(&peer, peer.seal(&text)).await;
    assert_eq!((reply.status, peer.open(&reply) == text), (200, true));
    let large = World::with(StoreOptions::default(), |builder| builder.with_max_plaintext(3 << 20));
    let peer = large.peer_in_session().await;
    let text = vec![7; 3 << 20];
    let reply = large.echo(&peer, peer.seal(&text)).await;
    assert_eq!(
        (reply.status, peer.open(&reply).len()),
        (200, text.len()),
        "axum's own limit is not in the way"
    );
}

#[tokio::test]
async fn a_session_that_is_missing_impossible_unknown_closed_or_anothers_is_not_found() {
    let world = World::new();
    let (peer, closed) = (world.peer_in_session().await, world.peer_in_session().await);
    world.post(CLOSE, &[("x-sc-session-id", &closed.session)], vec![]).await;
    let mut seen = Vec::new();
    for id in ["", "sess_", "nonsense", "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &closed.session] {
        let headers =
            [HASH, ("x-sc-session-id", id), ("x-request-id", "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c11")];
        seen.push(world.post(ECHO, &headers, closed.seal(b"x")).await);
    }
    let id = ("x-request-id", "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c11");
    seen.push(world.post(ECHO, &[HASH, id], peer.seal(b"x")).await);
    let other = [("x-client-hash", "another"), ("x-sc-session-id", &*peer.session), id];
    seen.push(world.post(ECHO, &other, peer.seal(b"x")).await);
    for reply in &seen {
        assert_eq!(reply.refusal(), refused(Code::SessionNotFound));
        assert_eq!(reply, &seen[0], "one and the same answer");
    }
    assert!(world.is_alive(&peer).await, "another's attempt ends nothing");
}

#[tokio::test]
async fn a_message_that_was_opened_before_is_replayed_and_the_session_lives_on() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let body = peer.seal(b"once");
    assert!(world.echo(&peer, body.clone()).await.is_sealed());
    for _ in 0..3 {
        assert_eq!(world.echo(&peer, body.clone()).await.refusal(), refused(Code::Replayed));
    }
    let headers = in_session(&peer);
    let elsewhere = world.post("/any", &headers, body).await;
    assert_eq!(elsewhere.refusal(), refused(Code::Replayed), "at another endpoint too");
    assert!(world.is_alive(&peer).await);
    // The IV of a first envelope is its session's first claim.
    let mut inline = world.peer();
    let first = inline.first(b"first");
    let reply = world.post(ECHO, &[HASH], first.clone()).await;
    inline.session = reply.header("x-sc-session-id").unwrap().to_owned();
    let payload = &first[first.len() - 33..];
    let again = [&[0x53, 0x43, 2, 2][..], payload].concat();
    assert_eq!(world.echo(&inline, again).await.refusal(), refused(Code::Replayed));
    assert!(world.is_alive(&inline).await);
}

#[tokio::test]
async fn a_replay_after_a_plain_refusal_of_the_handler_is_still_a_replay() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let body = peer.seal(b"x");
    assert_eq!(world.post("/broken", &in_session(&peer), body.clone()).await.status, 500);
    assert_eq!(world.post("/broken", &in_session(&peer), body).await.refusal(), refused(Code::Replayed));
}

#[tokio::test]
async fn an_iv_that_comes_again_with_another_tag_destroys_the_session() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    assert!(world.echo(&peer, peer.seal_with_iv(7, b"one")).await.is_sealed());
    let mut forged = peer.seal_with_iv(7, b"two");
    forged[20] ^= 1;
    assert_eq!(world.echo(&peer, forged).await.refusal(), refused(Code::InvalidPayload));
    assert!(world.is_alive(&peer).await, "a tag that does not verify destroys nothing");
    let reused = world.echo(&peer, peer.seal_with_iv(7, b"two")).await;
    assert_eq!(reused.refusal(), refused(Code::SessionNotFound));
    let later = world.echo(&peer, peer.seal_with_iv(8, b"three")).await;
    assert_eq!(later.refusal(), refused(Code::SessionNotFound));
    assert_eq!(world.server.store().sessions(), 0, "its keys are gone");
}

#[tokio::test]
async fn without_the_replay_check_a_message_opens_twice_but_its_count_goes_on() {
    let world = World::with(StoreOptions::default().without_replay_check(), |builder| builder);
    let peer = world.peer_in_session().await;
    let body = peer.seal(b"x");
    for _ in 0..3 {
        assert!(world.echo(&peer, body.clone()).await.is_sealed());
    }
}

#[tokio::test]
async fn a_session_ends_at_its_message_limit() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    for iv in 0..65_536 {
        let reply = world.echo(&peer, peer.seal_with_iv(iv, b"")).await;
        assert!(reply.is_sealed(), "{iv} {reply:?}");
    }
    for iv in [65_536, 65_537, 0] {
        let reply = world.echo(&peer, peer.seal_with_iv(iv, b"")).await;
        assert_eq!(reply.refusal(), refused(Code::SessionNotFound), "{iv}");
    }
    assert_eq!((world.server.store().sessions(), world.server.store().claims()), (0, 0));
}

#[tokio::test]
async fn a_session_ends_unused_idle_and_at_its_absolute_end() {
    let ttl = 100 * MINUTE;
    let world = World::with(StoreOptions::default(), |builder| builder.with_session_ttl_ms(ttl));
    let (unused, idle, used) =
        (world.peer_in_session().await, world.peer_in_session().await, world.peer_in_session().await);
    assert!(world.is_alive(&idle).await && world.is_alive(&used).await);
    world.clock.advance(5 * MINUTE - 1);
    assert!(world.is_alive(&used).await);
    world.clock.advance(1);
    let gone = refused(Code::SessionNotFound);
    assert_eq!(world.echo(&unused, unused.seal(b"x")).await.refusal(), gone);
    world.clock.advance(25 * MINUTE - 1);
    assert!(world.is_alive(&used).await);
    // A message that does not open is no use.
    assert_eq!(world.echo(&idle, used.seal(b"x")).await.refusal(), refused(Code::InvalidPayload));
    world.clock.advance(1);
    assert_eq!(world.echo(&idle, idle.seal(b"x")).await.refusal(), gone);
    for _ in 0..3 {
        world.clock.advance(20 * MINUTE);
        assert!(world.is_alive(&used).await);
    }
    world.clock.advance(10 * MINUTE - 1);
    assert!(world.is_alive(&used).await, "a millisecond before its end");
    world.clock.advance(1);
    assert_eq!(world.echo(&used, used.seal(b"x")).await.refusal(), gone);
    world.server.store().purge(sc_std::clock::Clock::now(&world.clock));
    assert_eq!((world.server.store().sessions(), world.server.store().claims()), (0, 0));
}

#[tokio::test]
async fn revoking_an_rsa_key_ends_its_sessions_and_no_others() {
    let hour = 60 * MINUTE;
    let keys = Arc::new(KeyRing::in_memory(2048, 24 * hour, START).unwrap());
    let world = World::on(Arc::clone(&keys), StoreOptions::default(), |builder| builder);
    let old = world.peer_in_session().await;
    keys.rotate(START).unwrap();
    let new = world.peer_in_session().await;
    assert_ne!(old.key_id, new.key_id);
    assert!(keys.revoke(&old.key_id));
    world.server.store().close_all_of(&KeyId::parse(&old.key_id).unwrap()).await.unwrap();
    assert_eq!(world.echo(&old, old.seal(b"x")).await.refusal(), refused(Code::SessionNotFound));
    assert!(world.is_alive(&new).await);
    assert_eq!(world.post(SESSION, &[HASH], old.set_up()).await.refusal(), refused(Code::InvalidKeyId));
    assert_eq!(world.post(ECHO, &[HASH], old.first(b"x")).await.refusal(), refused(Code::InvalidKeyId));
}

#[tokio::test]
async fn sessions_survive_a_rotation_and_the_old_key_is_accepted_within_the_overlap() {
    let hour = 60 * MINUTE;
    let keys = Arc::new(KeyRing::in_memory(2048, 2 * hour, START).unwrap());
    let world = World::on(Arc::clone(&keys), StoreOptions::default(), |builder| builder);
    let peer = world.peer_in_session().await;
    let old = keys.published(START).unwrap();
    assert!(world.is_alive(&peer).await);
    for _ in 0..6 {
        world.clock.advance(20 * MINUTE);
        assert!(world.is_alive(&peer).await);
    }
    assert!(keys.rotate_if_due(sc_std::clock::Clock::now(&world.clock)).unwrap());
    assert!(world.is_alive(&peer).await, "over the rotation");
    let new = world.ask("GET", PUBLIC_KEY, &[], vec![]).await.json()["data"]["keyId"].clone();
    assert_ne!(new, old.key_id.as_str());
    assert_eq!(world.post(SESSION, &[HASH], Peer::new(&old).set_up()).await.status, 200);
    world.clock.advance(hour - 1);
    assert_eq!(world.post(ECHO, &[HASH], Peer::new(&old).first(b"x")).await.status, 200);
    world.clock.advance(1);
    for (path, body) in [(SESSION, Peer::new(&old).set_up()), (ECHO, Peer::new(&old).first(b"x"))] {
        let reply = world.post(path, &[HASH], body).await;
        assert_eq!(reply.refusal(), refused(Code::InvalidKeyId));
        assert_eq!(reply.message(), "Invalid or expired RSA key ID");
    }
}

#[tokio::test]
async fn set_up_attempts_are_limited_for_each_address_and_failed_ones_count() {
    let world = World::with(StoreOptions::default(), |builder| {
        builder
            .with_set_up_limit(Limit::new(2, 10_000))
            .with_portal_access_code(HeaderValue::from_static("p"))
    });
    let headers = [HASH, ("x-portal-access-code", "p")];
    let ask = |path: &'static str, body: Vec<u8>, address: &'static str| {
        let request = from_address(request("POST", path, &headers, body), address);
        world.send(request)
    };
    let broken = |mut body: Vec<u8>| {
        body[100] ^= 1;
        body
    };
    let failed = ask(ECHO, broken(world.peer().first(b"x")), "2001:db8::1").await;
    assert_eq!(failed.refusal(), refused(Code::InvalidPayload));
    assert_eq!(ask(SESSION, world.peer().set_up(), "2001:db8::2").await.status, 200);
    for (path, body) in [(SESSION, world.peer().set_up()), (ECHO, world.peer().first(b"x"))] {
        let reply = ask(path, body, "2001:db8::3").await;
        assert_eq!(reply.refusal(), refused(Code::RateLimited), "one /64, both ways");
        assert_eq!(reply.header("retry-after"), Some("10"));
    }
    assert_eq!(ask(SESSION, world.peer().set_up(), "2001:db8:0:1::1").await.status, 200, "another /64");
    world.clock.advance(10_000);
    assert_eq!(ask(SESSION, world.peer().set_up(), "2001:db8::3").await.status, 200);
}

#[tokio::test]
async fn a_full_store_is_busy_and_drops_no_live_session() {
    let world = World::with(StoreOptions::default().with_max_sessions(2), |builder| builder);
    let (one, two) = (world.peer_in_session().await, world.peer_in_session().await);
    for (path, body) in [(SESSION, world.peer().set_up()), (ECHO, world.peer().first(b"x"))] {
        let reply = world.post(path, &[HASH], body).await;
        assert_eq!(reply.refusal(), refused(Code::Busy));
        assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
    assert!(world.is_alive(&one).await && world.is_alive(&two).await);
    world.post(CLOSE, &[("x-sc-session-id", &one.session)], vec![]).await;
    world.peer_in_session().await;
    world.clock.advance(30 * MINUTE);
    world.peer_in_session().await;
    assert!(!world.is_alive(&two).await, "ended by itself, and only then made room");
}

#[tokio::test]
async fn full_claims_and_a_full_ledger_are_busy() {
    let world = World::with(StoreOptions::default().with_max_claims(1), |builder| builder);
    let peer = world.peer_in_session().await;
    assert!(world.is_alive(&peer).await);
    let reply = world.echo(&peer, peer.seal(b"x")).await;
    assert_eq!(reply.refusal(), refused(Code::Busy));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(world.post(ECHO, &[HASH], world.peer().first(b"x")).await.refusal(), refused(Code::Busy));

    let world = World::with(StoreOptions::default().with_max_ledger_hashes(2), |builder| builder);
    let first = world.peer();
    assert_eq!(world.post(SESSION, &[HASH], first.set_up()).await.status, 200);
    for (path, body) in [(SESSION, world.peer().set_up()), (ECHO, world.peer().first(b"x"))] {
        let reply = world.post(path, &[HASH], body).await;
        assert_eq!(reply.refusal(), refused(Code::Busy));
        assert!(reply.header("retry-after").is_some());
    }
    assert_eq!(
        world.post(SESSION, &[HASH], first.set_up()).await.refusal(),
        refused(Code::KeyExchangeFailed)
    );
}
