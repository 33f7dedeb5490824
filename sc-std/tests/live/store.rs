//! The store over Redis keeps every rule that any store must keep, on a server and on a cluster.

use std::sync::Arc;
use std::time::Duration;

use sc_core::id::UnixMillis;
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::KeyRing;
use sc_std::store::{
    RedisOptions, RedisStore, RedisStoreError, Store, StoreError, StoreKeys, StoreOptions, conformance,
};

use crate::redis::{Cluster, Redis};

fn keys(byte: &str) -> StoreKeys {
    StoreKeys::parse(&byte.repeat(32)).unwrap()
}

async fn open(url: &str, options: RedisOptions) -> Arc<RedisStore> {
    Arc::new(RedisStore::open(url, keys("7f"), options).await.unwrap())
}

fn now() -> UnixMillis {
    SystemClock::new().now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_on_one_server_conforms() {
    let redis = Redis::start(&[]);
    let store = open(&redis.url(), RedisOptions::default()).await;
    conformance::check(&store).await.unwrap();
    conformance::check_message_limit(&store).await.unwrap();
    conformance::check_tokens(&Arc::new(store.tokens(60_000, 100))).await.unwrap();
    let bounds = StoreOptions::default().with_max_sessions(10);
    let small = RedisOptions::default().with_bounds(bounds).with_namespace("small");
    conformance::check_full(&open(&redis.url(), small).await, 10).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_on_a_cluster_conforms() {
    let cluster = Cluster::start();
    let store = open(&cluster.url(), RedisOptions::default().with_waiting_claims()).await;
    conformance::check(&store).await.unwrap();
    conformance::check_tokens(&Arc::new(store.tokens(60_000, 100))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_are_counted_for_all_sessions_together_and_come_back_with_their_end() {
    use sc_core::replay::{ClaimVerdict, IvClaim};
    let redis = Redis::start(&[]);
    let bounds = StoreOptions::default().with_max_claims(1_500).with_unused_ms(60_000);
    let store = open(&redis.url(), RedisOptions::default().with_bounds(bounds)).await;
    let claim = |n: u64| {
        let mut bytes = [0; IvClaim::LEN];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        IvClaim::from_bytes(bytes)
    };
    let (greedy, modest) = (crate::secrecy::create(&*store).await, crate::secrecy::create(&*store).await);
    for n in 0..1_400 {
        assert_eq!(store.claim(&greedy, &claim(n), now()).await, Ok(Some(ClaimVerdict::New)));
    }
    for n in 0..100 {
        assert_eq!(store.claim(&modest, &claim(n), now()).await, Ok(Some(ClaimVerdict::New)));
    }
    assert_eq!(store.claim(&modest, &claim(100), now()).await, Err(StoreError::Full));
    assert_eq!(store.claim(&modest, &claim(99), now()).await, Ok(Some(ClaimVerdict::Replayed)));
    assert_eq!(store.claim(&greedy, &claim(1_400), now()).await, Ok(Some(ClaimVerdict::Exhausted)));
    store.close(&greedy).await.unwrap();
    assert_eq!(redis.cli(&["get", "{scv2:0}:t"]).trim(), "100");
    assert_eq!(store.claim(&modest, &claim(100), now()).await, Ok(Some(ClaimVerdict::New)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_idle_session_ends_by_itself_and_is_counted_out() {
    let redis = Redis::start(&[]);
    let bounds = StoreOptions::default().with_unused_ms(500).with_idle_ms(1_000).with_max_sessions(1);
    let store = open(&redis.url(), RedisOptions::default().with_bounds(bounds)).await;
    let id = crate::secrecy::create(&*store).await;
    assert!(store.find(&id, now()).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(store.find(&id, now()).await.unwrap().is_none());
    let next = crate::secrecy::create(&*store).await;
    assert_eq!(store.sessions(now()).await, Ok(1), "the ended one made room");
    let claim = sc_core::replay::IvClaim::from_bytes([1; 16]);
    store.claim(&next, &claim, now()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(store.find(&next, now()).await.unwrap().is_some(), "used, so it lives on");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(store.find(&next, now()).await.unwrap().is_none());
    assert_eq!(store.sessions(now()).await, Ok(0));
    assert_eq!(redis.cli(&["exists", "{scv2:0}:t"]).trim(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_start_together_share_one_rsa_key_and_one_of_them_rotates() {
    let redis = Redis::start(&[]);
    const ROTATION_MS: u64 = 4_000;
    let mut fleet = Vec::new();
    for _ in 0..4 {
        fleet.push((
            open(&redis.url(), RedisOptions::default()).await,
            Arc::new(KeyRing::shared(ROTATION_MS)),
        ));
    }
    let sync_all = async || {
        for _ in 0..2 {
            let syncs = fleet.iter().map(|(store, ring)| store.sync(ring, now()));
            for synced in futures_util::future::join_all(syncs).await {
                synced.unwrap();
            }
        }
        // Once a new one has had its time to spread.
        let told = now().plus(ROTATION_MS / 4);
        fleet.iter().map(|(_, ring)| ring.published(told).unwrap().key_id.clone()).collect::<Vec<_>>()
    };
    let rotation = async || tokio::time::sleep(Duration::from_millis(ROTATION_MS + 100)).await;
    let first = sync_all().await;
    assert!(first.iter().all(|key_id| *key_id == first[0]), "{first:?}");
    rotation().await;
    let second = sync_all().await;
    assert!(second.iter().all(|key_id| *key_id == second[0] && *key_id != first[0]), "{second:?}");
    for (_, ring) in &fleet {
        assert!(ring.find(first[0].as_str(), now()).is_some(), "the old one still unwraps");
        assert_eq!(ring.published(now()).unwrap().key_id, first[0], "and is told until all know the new one");
    }
    fleet[0].0.close_all_of(&second[0]).await.unwrap();
    let third = sync_all().await;
    assert!(third.iter().all(|key_id| *key_id == third[0] && *key_id != second[0]), "{third:?}");
    rotation().await;
    rotation().await;
    sync_all().await;
    let held: usize = redis.cli(&["hlen", "{scv2:k}:keys"]).trim().parse().unwrap();
    assert!(held <= 2, "ended keys are dropped: {held}");
}

#[tokio::test]
async fn a_server_whose_clock_is_far_off_makes_no_key_and_ends_none() {
    let redis = Redis::start(&[]);
    let (store, ring) = (open(&redis.url(), RedisOptions::default()).await, KeyRing::shared(86_400_000));
    assert_eq!(store.sync(&ring, now().plus(86_400_000)).await, Err(StoreError::Unavailable));
    assert_eq!(redis.cli(&["hlen", "{scv2:k}:keys"]).trim(), "0");
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_the_start() {
    let redis = Redis::start(&[]);
    let refused =
        async |url: &str, byte| RedisStore::open(url, keys(byte), RedisOptions::default()).await.unwrap_err();
    assert!(matches!(refused("http://127.0.0.1", "7f").await, RedisStoreError::Url(_)));
    assert!(matches!(refused("redis://127.0.0.1:1", "7f").await, RedisStoreError::Unreachable(_)));
    open(&redis.url(), RedisOptions::default()).await;
    assert!(matches!(refused(&redis.url(), "80").await, RedisStoreError::WrongStoreKey));
    redis.cli(&["config", "set", "maxmemory-policy", "allkeys-lru"]);
    let error = refused(&redis.url(), "7f").await.to_string();
    assert!(error.contains("allkeys-lru") && error.contains("noeviction"), "{error}");
}

#[tokio::test]
async fn a_full_redis_refuses_new_sessions_keeps_the_old_ones_and_still_closes_them() {
    let redis = Redis::start(&["--maxmemory", "8mb"]);
    let store = open(&redis.url(), RedisOptions::default()).await;
    let (id, closed) = (crate::secrecy::create(&*store).await, crate::secrecy::create(&*store).await);
    let claim = |n| sc_core::replay::IvClaim::from_bytes([n; 16]);
    for id in [&id, &closed] {
        store.claim(id, &claim(1), now()).await.unwrap();
    }
    redis.cli(&["config", "set", "maxmemory", "1mb"]);
    let (_, new) = crate::secrecy::session();
    assert_eq!(store.create(new, now()).await, Err(StoreError::Full));
    assert_eq!(
        store.claim(&id, &claim(2), now()).await,
        Err(StoreError::Full),
        "never \"new\" without a record"
    );
    assert!(store.find(&id, now()).await.unwrap().is_some());
    store.close(&closed).await.unwrap();
    assert!(store.find(&closed, now()).await.unwrap().is_none());
    // An IV that comes twice ends its session even now, and what is over is counted out.
    let mut reused = *claim(1).as_bytes();
    reused[15] ^= 1;
    let verdict = store.claim(&id, &sc_core::replay::IvClaim::from_bytes(reused), now()).await;
    assert_eq!(verdict, Ok(Some(sc_core::replay::ClaimVerdict::IvReused)));
    assert!(store.find(&id, now()).await.unwrap().is_none());
    assert_eq!(store.sessions(now()).await, Ok(0));
    redis.cli(&["config", "set", "maxmemory", "0"]);
    crate::secrecy::create(&*store).await;
}

#[tokio::test]
async fn a_write_that_no_replica_has_is_refused_while_there_is_one() {
    let primary = Redis::start(&[]);
    let port = primary.address().rsplit_once(':').unwrap().1.to_owned();
    let mut replica = Redis::start(&["--replicaof", "127.0.0.1", &port]);
    crate::redis::until("a replica", || primary.cli(&["info", "replication"]).contains("state=online"));
    let waits = open(&primary.url(), RedisOptions::default().with_replicas(1)).await;
    let trusts = open(&primary.url(), RedisOptions::default()).await;
    let created = async |store: &RedisStore| store.create(crate::secrecy::session().1, now()).await;
    assert_eq!(created(&waits).await, Ok(()));

    replica.signal("STOP");
    assert_eq!(created(&waits).await, Err(StoreError::Unavailable), "nobody else has it");
    assert_eq!(created(&trusts).await, Ok(()), "who waits for none does not notice");
    replica.signal("CONT");
    crate::redis::until("the replica again", || primary.cli(&["wait", "1", "1000"]).trim() == "1");
    assert_eq!(created(&waits).await, Ok(()));

    // Without any replica there is nobody who could take over.
    replica.kill();
    crate::redis::until("no replica", || !primary.cli(&["info", "replication"]).contains("state=online"));
    assert_eq!(created(&waits).await, Ok(()));
    replica.restart();
    crate::redis::until("a replica", || primary.cli(&["info", "replication"]).contains("state=online"));
    // The first write sees the replica, the next one waits for it.
    let _ = created(&waits).await;
    assert_eq!(created(&waits).await, Ok(()));
    replica.signal("STOP");
    assert_eq!(created(&waits).await, Err(StoreError::Unavailable));
    replica.signal("CONT");
}

#[tokio::test]
async fn a_replica_that_has_just_synced_makes_no_write_fail() {
    let primary = Redis::start(&[]);
    let port = primary.address().rsplit_once(':').unwrap().1.to_owned();
    let store = open(&primary.url(), RedisOptions::default().with_replicas(1)).await;
    for _ in 0..5 {
        let _replica = Redis::start(&["--replicaof", "127.0.0.1", &port]);
        // Without a pause: Redis says so up to a second before the replica confirms anything.
        while !primary.cli(&["info", "replication"]).contains("state=online") {}
        assert_eq!(store.create(crate::secrecy::session().1, now()).await, Ok(()));
    }
}

#[tokio::test]
async fn a_key_that_was_revoked_stays_so_whatever_redis_forgets() {
    let redis = Redis::start(&[]);
    let (store, ring) = (open(&redis.url(), RedisOptions::default()).await, KeyRing::shared(86_400_000));
    store.sync(&ring, now()).await.unwrap();
    let first = ring.published(now()).unwrap().key_id.clone();
    let sealed = redis.cli(&["--raw", "hexists", "{scv2:k}:keys", first.as_str()]);
    assert_eq!(sealed.trim(), "1");
    store.close_all_of(&first).await.unwrap();
    assert_eq!(redis.cli(&["hexists", "{scv2:k}:keys", first.as_str()]).trim(), "0");
    redis.cli(&["del", "{scv2:k}:revoked"]);
    store.sync(&ring, now()).await.unwrap();
    assert!(ring.find(first.as_str(), now()).is_none());
    assert_ne!(ring.published(now()).unwrap().key_id, first);
}
