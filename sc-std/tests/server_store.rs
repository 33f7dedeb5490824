//! What any store must do, tried on the one in memory with many threads at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::sync::{Arc, Barrier};

use sc_core::exchange::{WrappedKeyHash, WrappedKeys};
use sc_core::id::{ClientHash, KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_core::secret::{CandidateKeys, UnwrappedKey};
use sc_core::server::{Grant, NewSession, Server};
use sc_std::rng::SystemSeeded;
use sc_std::store::{MemoryStore, Store, StoreError, StoreOptions};
use serde_json::json;
use server_support::base64;

const T0: UnixMillis = UnixMillis(1_000_000);
const THREADS: usize = 8;
const HOUR: u64 = 3_600_000;

/// A session of the key `key_id`, as the server machine makes it.
fn session(id: SessionId, key_id: &str, expires_at: UnixMillis) -> NewSession {
    let json = json!({"keyId": key_id, "encReqKey": base64(&[1; 256]), "encRespKey": base64(&[2; 256])});
    let request = serde_json::from_value(json).unwrap();
    let server = Server::default();
    let setup = server.set_up(&request).unwrap();
    let wrapped = setup.wrapped(2048).unwrap();
    let keys = [[3; 32], [4; 32]].map(|key| UnwrappedKey::from_result(Some(&key)));
    let [one, other] = keys;
    let keys = CandidateKeys::combine(&mut SystemSeeded, one, other);
    let unclaimed = setup.accept(wrapped, keys, ClientHash::of(b"device").unwrap()).unwrap();
    unclaimed.settle(LedgerVerdict::New, Grant { id, expires_at }).unwrap()
}

fn new_session() -> (SessionId, NewSession) {
    let id = SessionId::draw(&mut SystemSeeded);
    (id, session(id, "key", T0.plus(24 * HOUR)))
}

fn claim(iv: u64, tag: u8) -> IvClaim {
    let mut bytes = [tag; IvClaim::LEN];
    bytes[..12].fill(0);
    bytes[..8].copy_from_slice(&iv.to_be_bytes());
    IvClaim::from_bytes(bytes)
}

fn hashes(n: u64, role: u8) -> [WrappedKeyHash; 2] {
    let long = |role: u8| [n.to_be_bytes().as_slice(), &[role; 248]].concat();
    WrappedKeys::new(&long(role), &long(role + 1)).unwrap().hashes()
}

/// Runs the same on many threads at once, and gives what each said.
fn together<T: Send + 'static>(each: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
    let (each, start) = (Arc::new(each), Arc::new(Barrier::new(THREADS)));
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (each, start) = (Arc::clone(&each), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                each(n)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn of_many_claims_of_one_iv_at_once_exactly_one_is_new() {
    let store = Arc::new(MemoryStore::default());
    let (id, session) = new_session();
    now(store.create(session, T0)).unwrap();
    let shared = Arc::clone(&store);
    let verdicts =
        together(move |_| (0..2_000).map(|iv| now_quick(&shared, &id, &claim(iv, 9))).collect::<Vec<_>>());
    for iv in 0..2_000 {
        let new = verdicts.iter().filter(|all| all[iv] == ClaimVerdict::New).count();
        assert_eq!(new, 1, "{iv}");
        assert!(verdicts.iter().all(|all| matches!(all[iv], ClaimVerdict::New | ClaimVerdict::Replayed)));
    }
    assert_eq!(store.claims(), 2_000);
}

fn now_quick(store: &MemoryStore, id: &SessionId, claim: &IvClaim) -> ClaimVerdict {
    now(store.claim(id, claim, T0)).unwrap().unwrap()
}

#[test]
fn an_iv_with_another_tag_is_told_apart_from_a_replay() {
    let store = MemoryStore::default();
    let (id, session) = new_session();
    now(store.create(session, T0)).unwrap();
    assert_eq!(now_quick(&store, &id, &claim(1, 1)), ClaimVerdict::New);
    assert_eq!(now_quick(&store, &id, &claim(1, 1)), ClaimVerdict::Replayed);
    assert_eq!(now_quick(&store, &id, &claim(1, 2)), claim(1, 2).verdict_against(&claim(1, 1)));
    assert_ne!(now_quick(&store, &id, &claim(1, 2)), ClaimVerdict::Replayed);
    assert_eq!(store.claims(), 1);
}

#[test]
fn of_many_creations_with_one_id_exactly_one_wins_and_the_count_is_right() {
    for _ in 0..50 {
        let store = Arc::new(MemoryStore::default());
        let id = SessionId::draw(&mut SystemSeeded);
        let shared = Arc::clone(&store);
        let results = together(move |_| now(shared.create(session(id, "key", T0.plus(HOUR)), T0)));
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert_eq!(results.iter().filter(|result| **result == Err(StoreError::Taken)).count(), THREADS - 1);
        assert_eq!(store.sessions(), 1);
    }
}

#[test]
fn many_threads_never_exceed_the_bound_on_sessions() {
    let store = Arc::new(MemoryStore::new(StoreOptions::default().with_max_sessions(100)));
    let shared = Arc::clone(&store);
    let created = together(move |_| {
        let mut live = Vec::new();
        for _ in 0..50 {
            let (id, session) = new_session();
            match now(shared.create(session, T0)) {
                Ok(()) => live.push(id),
                Err(error) => assert_eq!(error, StoreError::Full),
            }
            assert!(shared.sessions() <= 100);
        }
        live
    });
    let live: Vec<_> = created.into_iter().flatten().collect();
    assert_eq!((live.len(), store.sessions()), (100, 100));
    for id in &live {
        assert!(now(store.find(id, T0)).unwrap().is_some(), "no live session was dropped");
    }
}

#[test]
fn many_threads_never_exceed_the_bound_on_claims_and_all_come_back() {
    let store = Arc::new(MemoryStore::new(StoreOptions::default().with_max_claims(500)));
    let shared = Arc::clone(&store);
    let ids = together(move |_| {
        let (id, session) = new_session();
        now(shared.create(session, T0)).unwrap();
        for iv in 0..200 {
            let verdict = now(shared.claim(&id, &claim(iv, 1), T0));
            assert!(matches!(verdict, Ok(Some(ClaimVerdict::New)) | Err(StoreError::Full)), "{verdict:?}");
            assert!(shared.claims() <= 500);
        }
        id
    });
    assert_eq!(store.claims(), 500);
    for id in ids {
        now(store.close(&id)).unwrap();
    }
    assert_eq!((store.claims(), store.sessions()), (0, 0));
}

#[test]
fn of_many_claims_of_one_pair_of_wrapped_keys_exactly_one_is_new() {
    let store = Arc::new(MemoryStore::default());
    let shared = Arc::clone(&store);
    let key = KeyId::parse("key").unwrap();
    let verdicts = together(move |_| {
        (0..1_000).map(|n| now(shared.claim_wrapped(&key, &hashes(n, 1), None)).unwrap()).collect::<Vec<_>>()
    });
    for n in 0..1_000 {
        assert_eq!(verdicts.iter().filter(|all| all[n] == LedgerVerdict::New).count(), 1, "{n}");
    }
    let key = KeyId::parse("key").unwrap();
    let [request, response] = hashes(5, 1);
    let swapped = [response, request];
    assert_eq!(now(store.claim_wrapped(&key, &swapped, None)), Ok(LedgerVerdict::Repeated), "one namespace");
    assert_eq!(now(store.knows_wrapped(&key, &[hashes(7_000, 1)[0], request])), Ok(true));
    assert_eq!(now(store.knows_wrapped(&KeyId::parse("other").unwrap(), &swapped)), Ok(false));
}

#[test]
fn a_ledger_outlives_its_key_by_an_hour_so_that_a_clock_set_back_does_not_reopen_it() {
    let store = MemoryStore::default();
    let key = KeyId::parse("key").unwrap();
    let until = Some(T0.plus(HOUR));
    assert_eq!(now(store.claim_wrapped(&key, &hashes(1, 1), until)), Ok(LedgerVerdict::New));
    store.purge(T0.plus(HOUR - 1));
    assert_eq!(now(store.claim_wrapped(&key, &hashes(1, 1), until)), Ok(LedgerVerdict::Repeated));
    store.purge(T0.plus(2 * HOUR - 1));
    assert_eq!(now(store.claim_wrapped(&key, &hashes(1, 1), until)), Ok(LedgerVerdict::Repeated));
    store.purge(T0.plus(2 * HOUR));
    assert_eq!(now(store.knows_wrapped(&key, &hashes(1, 1))), Ok(false));
}

#[test]
fn purging_ends_what_is_over_and_nothing_else() {
    let store = MemoryStore::default();
    let mut ids = Vec::new();
    for minute in 1..=200 {
        let id = SessionId::draw(&mut SystemSeeded);
        now(store.create(session(id, "key", T0.plus(minute * 60_000)), T0)).unwrap();
        assert_eq!(now(store.claim(&id, &claim(1, 1), T0)), Ok(Some(ClaimVerdict::New)));
        ids.push((minute, id));
    }
    for at in [1, 10, 29, 30, 31, 200] {
        store.purge(T0.plus(at * 60_000));
        let live = ids.iter().filter(|(minute, _)| *minute > at && at < 30).count();
        assert_eq!((store.sessions(), store.claims()), (live, live), "after {at} minutes");
        for (minute, id) in &ids {
            let found = now(store.find(id, T0.plus(at * 60_000))).unwrap().is_some();
            assert_eq!(found, *minute > at && at < 30);
        }
    }
}

#[test]
fn an_idle_time_shorter_than_the_unused_time_is_kept_as_well() {
    let options = StoreOptions::default().with_idle_ms(60_000).with_max_sessions(1);
    let store = MemoryStore::new(options);
    let (id, session) = new_session();
    now(store.create(session, T0)).unwrap();
    assert_eq!(now(store.claim(&id, &claim(1, 1), T0)), Ok(Some(ClaimVerdict::New)));
    let later = T0.plus(60_000);
    assert!(now(store.find(&id, later)).unwrap().is_none());
    store.purge(later);
    assert_eq!(store.sessions(), 0, "its keys are destroyed, and its place is free");
    let (_, session) = new_session();
    assert_eq!(now(store.create(session, later)), Ok(()));
}

#[test]
fn a_new_message_keeps_an_idle_session_alive_and_a_replay_does_not() {
    let store = MemoryStore::new(StoreOptions::default().with_idle_ms(60_000));
    let (id, session) = new_session();
    now(store.create(session, T0)).unwrap();
    let claim_at = |iv, ms| now(store.claim(&id, &claim(iv, 1), T0.plus(ms))).unwrap();
    assert_eq!(claim_at(1, 0), Some(ClaimVerdict::New));
    assert_eq!(claim_at(2, 50_000), Some(ClaimVerdict::New));
    assert_eq!(claim_at(2, 100_000), Some(ClaimVerdict::Replayed));
    assert!(now(store.find(&id, T0.plus(109_999))).unwrap().is_some());
    assert!(now(store.find(&id, T0.plus(110_000))).unwrap().is_none());
}

#[test]
fn a_session_ends_in_time_although_a_clock_that_was_ahead_has_looked_at_it() {
    let (unused, idle) = (300_000, 60_000);
    let store = MemoryStore::new(StoreOptions::default().with_unused_ms(unused).with_idle_ms(idle));
    let (id, session) = new_session();
    now(store.create(session, T0)).unwrap();
    // Not over by that clock either; but then the clock is set back, and the first message brings the end nearer.
    store.purge(T0.plus(unused - 1));
    assert_eq!(now_quick(&store, &id, &claim(1, 1)), ClaimVerdict::New);
    store.purge(T0.plus(idle - 1));
    assert_eq!((store.sessions(), store.claims()), (1, 1));
    store.purge(T0.plus(idle));
    assert_eq!((store.sessions(), store.claims()), (0, 0), "its keys lie in memory after its end");
}

#[test]
fn closing_while_others_claim_leaves_no_claim_behind() {
    for _ in 0..20 {
        let store = Arc::new(MemoryStore::default());
        let (id, session) = new_session();
        now(store.create(session, T0)).unwrap();
        let shared = Arc::clone(&store);
        together(move |n| {
            if n == 0 {
                now(shared.close(&id)).unwrap();
            } else {
                for iv in 0..50 {
                    now(shared.claim(&id, &claim(iv, 1), T0)).unwrap();
                }
            }
        });
        assert_eq!((store.sessions(), store.claims()), (0, 0));
    }
}
