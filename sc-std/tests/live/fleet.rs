//! Two and three servers over one Redis, or over a cluster, behave as one.

use std::time::Duration;

use sc_core::code::Code;
use serde_json::Value;

use crate::redis::{Cluster, Redis, until};
use crate::serve::{Files, Http, KNOWN, Server};
use crate::server_support::{FORGOT, Peer, SESSION, refused};

/// The whole of what servers must know together, among any number of them.
async fn they_are_one(files: &Files, fleet: &mut Vec<Server>) {
    let http = Http::new();
    let keys = futures_util::future::join_all(fleet.iter().map(|server| http.public_key(server))).await;
    assert!(keys.iter().all(|key| key["keyId"] == keys[0]["keyId"]), "one RSA key: {keys:?}");
    let last = fleet.len() - 1;

    // A session made at one works at all.
    let peer = http.session(&fleet[0]).await;
    for server in &*fleet {
        assert!(http.works(server, &peer).await);
    }

    // A replay is refused, whoever opened the message first.
    let envelope = peer.seal(b"{}");
    assert!(http.forgot(&fleet[0], &peer, envelope.clone()).await.is_sealed());
    for server in &*fleet {
        assert_eq!(http.forgot(server, &peer, envelope.clone()).await.refusal(), refused(Code::Replayed));
    }

    // Of many copies at once, at all servers, exactly one is opened.
    for _ in 0..20 {
        let envelope = peer.seal(b"{}");
        let copies = (0..12).map(|n| http.forgot(&fleet[n % fleet.len()], &peer, envelope.clone()));
        let opened = futures_util::future::join_all(copies).await;
        assert_eq!(opened.iter().filter(|reply| reply.is_sealed()).count(), 1);
    }

    // A recorded set-up is refused everywhere, by both ways; so is a wrapped key in another pair.
    let first = http.session(&fleet[0]).await;
    let reply = http.post(&fleet[last], SESSION, &[], first.set_up()).await;
    assert_eq!(reply.refusal(), refused(Code::KeyExchangeFailed));
    let inline = http.peer(&fleet[0]).await;
    let envelope = inline.first(b"{}");
    assert!(http.post(&fleet[0], FORGOT, &[], envelope.clone()).await.is_sealed());
    let reply = http.post(&fleet[last], FORGOT, &[], envelope).await;
    assert_eq!(reply.refusal(), refused(Code::InvalidPayload));
    let mut spliced = http.peer(&fleet[0]).await;
    spliced.wrapped[0] = inline.wrapped[0].clone();
    let reply = http.post(&fleet[last], SESSION, &[], spliced.set_up()).await;
    assert_eq!(reply.refusal(), refused(Code::KeyExchangeFailed));

    // An IV that comes twice with another tag ends the session at once, at all.
    let careless = http.session(&fleet[last]).await;
    assert!(http.forgot(&fleet[0], &careless, careless.seal_with_iv(1, b"{}")).await.is_sealed());
    let reply = http.forgot(&fleet[last], &careless, careless.seal_with_iv(1, b"{ }")).await;
    assert_eq!(reply.refusal(), refused(Code::SessionNotFound));
    assert_eq!(
        http.forgot(&fleet[0], &careless, careless.seal(b"{}")).await.refusal(),
        refused(Code::SessionNotFound)
    );

    // A close counts everywhere.
    assert_eq!(http.close(&fleet[0], &first).await, 200);
    for server in &*fleet {
        assert_eq!(
            http.forgot(server, &first, first.seal(b"{}")).await.refusal(),
            refused(Code::SessionNotFound)
        );
    }

    // Limits are shared: three requests for an address, wherever they arrive; and three mails leave.
    let mut statuses = Vec::new();
    for n in 0..4 {
        statuses.push(http.ask(&fleet[n % fleet.len()], &peer, KNOWN).await);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    until("three mails", || files.mails() == 3);

    // One server dies: its sessions live on.
    let survivor = http.session(&fleet[last]).await;
    let mut dead = fleet.remove(last);
    dead.kill();
    for server in &*fleet {
        assert!(http.works(server, &survivor).await);
        assert!(http.works(server, &peer).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_over_one_redis_are_one() {
    let (redis, files) = (Redis::start(&[]), Files::new());
    let mut fleet: Vec<_> = (0..2).map(|_| files.serve(&redis.url(), &[])).collect();
    they_are_one(&files, &mut fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_over_a_cluster_are_one() {
    let (cluster, files) = (Cluster::start(), Files::new());
    let mut fleet: Vec<_> = (0..3).map(|_| files.serve(&cluster.url(), &["--store-wait-claims"])).collect();
    they_are_one(&files, &mut fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_rsa_key_rotates_for_all_servers_and_sessions_live_on() {
    let (redis, files, http) = (Redis::start(&[]), Files::new(), Http::new());
    let fleet: Vec<_> = (0..2).map(|_| files.serve(&redis.url(), &["--key-rotation", "6s"])).collect();
    let peer = http.session(&fleet[0]).await;
    let before = http.public_key(&fleet[0]).await["keyId"].clone();
    let old: Peer = http.peer(&fleet[0]).await;
    let start = std::time::Instant::now();
    let mut after: Vec<Value>;
    loop {
        after = vec![];
        for server in &fleet {
            after.push(http.public_key(server).await["keyId"].clone());
        }
        if after.iter().all(|key_id| *key_id != before) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "no rotation: {after:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(after[0], after[1]);
    for server in &fleet {
        assert!(http.works(server, &peer).await, "the session outlives the rotation");
    }
    assert_eq!(
        http.post(&fleet[1], SESSION, &[], old.set_up()).await.status,
        200,
        "the old key still unwraps"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_up_limit_counts_for_all_servers() {
    let (redis, files, http) = (Redis::start(&[]), Files::new(), Http::new());
    let fleet: Vec<_> = (0..2).map(|_| files.serve(&redis.url(), &["--setup-limit", "5/300s"])).collect();
    let mut statuses = Vec::new();
    for n in 0..8 {
        let peer = http.peer(&fleet[n % 2]).await;
        statuses.push(http.post(&fleet[n % 2], SESSION, &[], peer.set_up()).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_another_store_key_does_not_start() {
    let (redis, files, other) = (Redis::start(&[]), Files::new(), Files::new());
    let server = files.serve(&redis.url(), &[]);
    std::fs::write(other.path("store.key"), "80".repeat(32)).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_scv2"))
        .args(["serve", "--listen", "127.0.0.1:0", "--store", &redis.url(), "--store-key-file"])
        .arg(other.path("store.key"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("store key"), "{said}");
    // Both keys in one file, the new one first: it opens what is there, and seals with the new one.
    std::fs::write(other.path("store.key"), format!("{}\n{}\n", "80".repeat(32), "7f".repeat(32))).unwrap();
    let (http, new) = (Http::new(), other.serve(&redis.url(), &[]));
    let peer = http.session(&server).await;
    assert!(http.works(&new, &peer).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_ends_at_every_server_within_five_seconds_and_its_sessions_with_it() {
    let (redis, files, http) = (Redis::start(&[]), Files::new(), Http::new());
    let fleet: Vec<_> = (0..2).map(|_| files.serve(&redis.url(), &[])).collect();
    let (peer, late) = (http.session(&fleet[0]).await, http.peer(&fleet[0]).await);
    let revoked = std::process::Command::new(env!("CARGO_BIN_EXE_scv2"))
        .args(["revoke-key", &peer.key_id, "--store", &redis.url(), "--store-key-file"])
        .arg(files.path("store.key"))
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut published = Vec::new();
    for server in &fleet {
        assert_eq!(
            http.forgot(server, &peer, peer.seal(b"{}")).await.refusal(),
            refused(Code::SessionNotFound)
        );
        let reply = http.post(server, SESSION, &[], late.set_up()).await;
        assert_eq!(reply.refusal(), refused(Code::InvalidKeyId));
        published.push(http.public_key(server).await["keyId"].clone());
    }
    assert_eq!(published[0], published[1]);
    assert_ne!(published[0], peer.key_id);
    let next = http.session(&fleet[1]).await;
    assert!(http.works(&fleet[0], &next).await);
}
