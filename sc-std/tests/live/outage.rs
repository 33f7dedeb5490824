//! Redis stops, dies, fails over: clear answers meanwhile, nothing acknowledged is lost, service resumes by itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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
async fn a_redis_that_forgot_everything_ends_sessions_and_keys_and_the_next_ones_work() {
    let (redis, files, http) = (Redis::start(&[]), Files::new(), Http::new());
    let server = files.serve(&redis.url(), &[]);
    let (peer, inline) = (http.session(&server).await, http.peer(&server).await);
    let recorded = inline.first(b"{}");
    assert!(http.post(&server, FORGOT, &[], recorded.clone()).await.is_sealed());
    assert_eq!(redis.cli(&["flushall"]).trim(), "OK");
    assert_eq!(redis.cli(&["script", "flush"]).trim(), "OK");
    let reply = http.forgot(&server, &peer, peer.seal(b"{}")).await;
    assert_eq!(reply.refusal(), refused(Code::SessionNotFound));
    // The ledger is gone, so the RSA key goes too: what was recorded under it must not be accepted again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for (path, envelope) in [(SESSION, peer.set_up()), (FORGOT, recorded)] {
        assert_eq!(http.post(&server, path, &[], envelope).await.refusal(), refused(Code::InvalidKeyId));
    }
    let next = http.session(&server).await;
    assert!(http.works(&server, &next).await);
}

/// What happens to a primary while eight clients set sessions up.
#[derive(Clone, Copy, PartialEq)]
enum Blow {
    Killed,
    /// It stands still until a replica has taken over, then goes on as if it were the primary.
    Paused,
}

async fn no_acknowledged_session_is_lost(blow: Blow) {
    let (mut cluster, files, http) = (Cluster::start_hasty(), Files::new(), Http::new());
    let more = ["--setup-limit", "100000/60s", "--store-wait-claims"];
    let servers = Arc::new([files.serve(&cluster.url(), &more), files.serve(&cluster.url(), &more)]);
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let refusals = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let (servers, stop, http) = (Arc::clone(&servers), Arc::clone(&stop), http.clone());
            let (acknowledged, refusals) = (Arc::clone(&acknowledged), Arc::clone(&refusals));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let server = &servers[n % 2];
                    let mut peer = http.peer(server).await;
                    let reply = http.post(server, SESSION, &[], peer.set_up()).await;
                    if reply.status != 200 {
                        assert_eq!(reply.status, 503, "{reply:?}");
                        refusals.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    reply.json()["data"]["sessionId"].as_str().unwrap().clone_into(&mut peer.session);
                    let envelope = peer.seal(b"{}");
                    let opened = http.forgot(server, &peer, envelope.clone()).await.is_sealed();
                    acknowledged.lock().unwrap().push((peer, opened.then_some(envelope)));
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let primary = cluster.a_primary();
    if blow == Blow::Killed {
        primary.kill();
    } else {
        primary.signal("STOP");
        tokio::time::sleep(Duration::from_secs(5)).await;
        primary.signal("CONT");
    }
    let (before, start) = (acknowledged.lock().unwrap().len(), Instant::now());
    // Well past the fail-over, with set-ups in every part of the cluster.
    while start.elapsed() < Duration::from_secs(8) || acknowledged.lock().unwrap().len() < before + 100 {
        assert!(start.elapsed() < Duration::from_secs(60), "set-ups did not resume");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    println!(
        "{} sessions acknowledged, {before} before; {refusals:?} set-ups refused within {:?}",
        acknowledged.len(),
        start.elapsed()
    );
    for server in &*servers {
        resumes(&http, server, &acknowledged.last().unwrap().0).await;
    }
    for (n, (peer, envelope)) in acknowledged.iter().enumerate() {
        let reply = http.forgot(&servers[n % 2], peer, peer.seal(b"{}")).await;
        assert!(reply.is_sealed(), "session {n} is lost: {:?}", reply.refusal());
        if let Some(envelope) = envelope {
            let reply = http.forgot(&servers[n % 2], peer, envelope.clone()).await;
            assert_eq!(reply.refusal(), refused(Code::Replayed), "claim {n} is lost");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_takes_no_acknowledged_session_along() {
    no_acknowledged_session_is_lost(Blow::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_stood_still_while_a_replica_took_over_acknowledges_nothing_that_is_lost() {
    no_acknowledged_session_is_lost(Blow::Paused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cluster_that_stands_still_is_busy_and_service_resumes() {
    let (cluster, files, http) = (Cluster::start_hasty(), Files::new(), Http::new());
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
