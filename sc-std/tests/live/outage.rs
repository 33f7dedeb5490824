//! Redis stops, dies, fails over: clear answers meanwhile, nothing acknowledged is lost, service resumes by itself.

use std::time::{Duration, Instant};

use sc_core::code::Code;

use crate::redis::{Cluster, Redis};
use crate::serve::{Files, Http, Server};
use crate::server_support::{FORGOT, Peer, SESSION, refused};

/// An answer while Redis is away, and how long it took.
async fn busy(http: &Http, server: &Server, peer: &Peer) {
    let (start, reply) = (Instant::now(), http.forgot(server, peer, peer.seal(b"{}")).await);
    assert_eq!(reply.refusal(), refused(Code::Busy));
    assert!(reply.header("retry-after").is_some());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let set_up = http.peer(server).await;
    for (path, envelope) in [(SESSION, set_up.set_up()), (FORGOT, set_up.first(b"{}"))] {
        let (start, reply) = (Instant::now(), http.post(server, path, &[], envelope).await);
        assert_eq!(reply.refusal(), refused(Code::Busy), "{path}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
    let start = Instant::now();
    assert_eq!(http.close(server, peer).await, 503, "a close that did not happen is no success");
    assert!(start.elapsed() < Duration::from_secs(5));
}

async fn resumes(http: &Http, server: &Server, peer: &Peer) {
    let start = Instant::now();
    while !http.works(server, peer).await {
        assert!(start.elapsed() < Duration::from_secs(30), "service did not resume");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_is_busy_within_five_seconds_and_service_resumes() {
    let (redis, files, http) = (Redis::start(&[]), Files::new(), Http::new());
    let server = files.serve(&redis.url(), &[]);
    let peer = http.session(&server).await;
    redis.signal("STOP");
    busy(&http, &server, &peer).await;
    redis.signal("CONT");
    resumes(&http, &server, &peer).await;
    http.session(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_gone_is_busy_and_service_resumes_when_it_is_back() {
    let (mut redis, files, http) = (Redis::start(&["--appendonly", "yes"]), Files::new(), Http::new());
    let server = files.serve(&redis.url(), &[]);
    let peer = http.session(&server).await;
    redis.kill();
    busy(&http, &server, &peer).await;
    redis.restart();
    resumes(&http, &server, &peer).await;
    http.session(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgot_everything_ends_sessions_and_the_next_ones_work() {
    let (redis, files, http) = (Redis::start(&[]), Files::new(), Http::new());
    let server = files.serve(&redis.url(), &[]);
    let peer = http.session(&server).await;
    assert_eq!(redis.cli(&["flushall"]).trim(), "OK");
    assert_eq!(redis.cli(&["script", "flush"]).trim(), "OK");
    let reply = http.forgot(&server, &peer, peer.seal(b"{}")).await;
    assert_eq!(reply.refusal(), refused(Code::SessionNotFound));
    let next = http.session(&server).await;
    assert!(http.works(&server, &next).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_primary_fails_over_loses_no_acknowledged_session() {
    let (mut cluster, files, http) = (Cluster::start(), Files::new(), Http::new());
    let server = files.serve(&cluster.url(), &["--setup-limit", "100000/60s", "--store-wait-claims"]);
    let spare = files.serve(&cluster.url(), &["--setup-limit", "100000/60s", "--store-wait-claims"]);
    let mut acknowledged = Vec::new();
    // Until one primary dies in the middle of it.
    let mut claims = Vec::new();
    for n in 0..60 {
        let peer = http.session(&server).await;
        let envelope = peer.seal(b"{}");
        assert!(http.forgot(&server, &peer, envelope.clone()).await.is_sealed());
        claims.push(envelope);
        acknowledged.push(peer);
        if n == 40 {
            break;
        }
    }
    cluster.a_primary().kill();
    let start = Instant::now();
    let (mut made, mut refusals) = (0, 0);
    while made < 30 {
        assert!(start.elapsed() < Duration::from_secs(60), "set-ups did not resume: {made} made");
        let mut peer = http.peer(&server).await;
        let reply = http.post(&server, SESSION, &[], peer.set_up()).await;
        if reply.status == 200 {
            reply.json()["data"]["sessionId"].as_str().unwrap().clone_into(&mut peer.session);
            acknowledged.push(peer);
            made += 1;
        } else {
            assert_eq!(reply.status, 503, "{reply:?}");
            refusals += 1;
        }
    }
    println!(
        "{} sessions acknowledged, {refusals} refused while the cluster failed over",
        acknowledged.len()
    );
    for server in [&server, &spare] {
        resumes(&http, server, acknowledged.last().unwrap()).await;
    }
    for (n, peer) in acknowledged.iter().enumerate() {
        for server in [&server, &spare] {
            let reply = http.forgot(server, peer, peer.seal(b"{}")).await;
            assert!(reply.is_sealed(), "session {n} is lost: {:?}", reply.refusal());
        }
    }
    for (peer, envelope) in acknowledged.iter().zip(claims) {
        assert_eq!(http.forgot(&spare, peer, envelope).await.refusal(), refused(Code::Replayed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cluster_that_stands_still_is_busy_and_service_resumes() {
    let (cluster, files, http) = (Cluster::start(), Files::new(), Http::new());
    let server = files.serve(&cluster.url(), &[]);
    let peer = http.session(&server).await;
    for node in &cluster.nodes {
        node.signal("STOP");
    }
    busy(&http, &server, &peer).await;
    for node in &cluster.nodes {
        node.signal("CONT");
    }
    resumes(&http, &server, &peer).await;
}
