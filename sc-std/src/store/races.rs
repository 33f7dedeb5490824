//! The store in memory in every order of threads: `.ci/loom`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;

use futures_util::FutureExt;
use loom::sync::atomic::AtomicBool;
use loom::thread::JoinHandle;
use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::replay::{ClaimVerdict, LedgerVerdict};
use sc_core::server::NewSession;

use super::conformance::{claim, session};
use super::ledger::Ledgers;
use super::memory::SHARDS;
use super::shard::HashedId;
use super::{MemoryStore, Store, StoreError, StoreOptions};
use crate::sync::{self, Ordering, RandomState, explore, explore_within};

const START: UnixMillis = UnixMillis(0);
const END: UnixMillis = UnixMillis(1_000_000);
/// When a session ends that is not used. It has longer once it was.
const UNUSED_MS: u64 = 1_000;
const IDLE_MS: u64 = 5_000;

type Claimed = Result<Option<ClaimVerdict>, StoreError>;
const NEW: Claimed = Ok(Some(ClaimVerdict::New));

fn options() -> StoreOptions {
    StoreOptions::default().with_unused_ms(UNUSED_MS).with_idle_ms(IDLE_MS)
}

fn id(n: u8) -> SessionId {
    SessionId::from_raw([n + 1; 24])
}

fn key() -> KeyId {
    KeyId::parse("key").unwrap()
}

fn new(n: u8) -> NewSession {
    session(id(n), &key(), END).unwrap()
}

/// What is in memory is ready at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn create(store: &MemoryStore, n: u8) -> Result<(), StoreError> {
    ready(store.create(new(n), START))
}

fn claim_at(store: &MemoryStore, n: u8, iv: u64, now: UnixMillis) -> Claimed {
    ready(store.claim(&id(n), &claim(iv, 1), now))
}

fn alive(store: &MemoryStore, n: u8, now: UnixMillis) -> bool {
    ready(store.find(&id(n), now)).unwrap().is_some()
}

/// A store with these sessions.
fn store(options: StoreOptions, sessions: &[u8]) -> Arc<MemoryStore> {
    let store = MemoryStore::new(options);
    for n in sessions {
        create(&store, *n).unwrap();
    }
    Arc::new(store)
}

/// Starts a thread over the store.
fn spawn<T: Send + 'static>(
    store: &Arc<MemoryStore>,
    work: impl FnOnce(&MemoryStore) -> T + Send + 'static,
) -> JoinHandle<T> {
    let store = Arc::clone(store);
    sync::spawn(move || work(&store))
}

#[test]
fn races_of_one_iv_have_one_winner() {
    explore("three claims of one IV", || {
        let store = store(options(), &[1]);
        let others = [(); 2].map(|()| spawn(&store, |store| claim_at(store, 1, 7, START)));
        let mut said = vec![claim_at(&store, 1, 7, START)];
        said.extend(others.map(|other| other.join().unwrap()));
        let new = said.iter().filter(|said| **said == NEW).count();
        let replayed = said.iter().filter(|said| **said == Ok(Some(ClaimVerdict::Replayed))).count();
        assert_eq!((new, replayed, store.claims()), (1, 2, 1));
    });
}

#[test]
fn races_of_one_iv_under_two_tags_have_one_winner_and_tell_the_reuse() {
    explore("one IV under two tags", || {
        let store = store(options(), &[1]);
        let other = spawn(&store, |store| ready(store.claim(&id(1), &claim(7, 2), START)));
        let said = [claim_at(&store, 1, 7, START), other.join().unwrap()];
        assert!(said.contains(&NEW) && said.contains(&Ok(Some(ClaimVerdict::IvReused))), "{said:?}");
    });
}

#[test]
fn races_at_the_bound_of_sessions_never_create_one_more() {
    explore_within(Some(3), "three set-ups, one place", || {
        let store = store(options().with_max_sessions(2), &[1]);
        let others = [2, 3].map(|n| {
            spawn(&store, move |store| {
                let created = create(store, n);
                assert!(store.sessions() <= 2, "the bound holds at every moment");
                created
            })
        });
        let mut said = vec![create(&store, 4)];
        said.extend(others.map(|other| other.join().unwrap()));
        assert_eq!(said.iter().filter(|said| said.is_ok()).count(), 1, "{said:?}");
        assert_eq!(said.iter().filter(|said| **said == Err(StoreError::Full)).count(), 2);
        assert_eq!((store.sessions(), alive(&store, 1, START)), (2, true), "and none that lives is dropped");
    });
}

#[test]
fn races_of_a_close_and_a_set_up_at_the_bound_lose_no_place() {
    explore("a close and a set-up at the bound", || {
        let store = store(options().with_max_sessions(1), &[1]);
        let closer = spawn(&store, |store| ready(store.close(&id(1))));
        let created = create(&store, 2);
        closer.join().unwrap().unwrap();
        assert_eq!(store.sessions(), usize::from(created.is_ok()));
        assert!(created.is_ok() || create(&store, 2).is_ok(), "the place is free again");
        assert_eq!((store.sessions(), create(&store, 3)), (1, Err(StoreError::Full)));
    });
}

#[test]
fn races_for_one_session_id_have_one_winner_and_give_the_other_place_back() {
    explore("one id twice", || {
        let store = store(options().with_max_sessions(2), &[]);
        let other = spawn(&store, |store| create(store, 1));
        let said = [create(&store, 1), other.join().unwrap()];
        assert!(said.contains(&Ok(())) && said.contains(&Err(StoreError::Taken)), "{said:?}");
        assert_eq!((store.sessions(), create(&store, 2)), (1, Ok(())));
    });
}

/// Ends a session while messages claim their IVs; none is accepted after the end was reported, and every count is right
/// afterwards.
fn claims_against(name: &'static str, end: fn(&MemoryStore)) {
    explore(name, move || {
        let (store, ended) = (store(options(), &[1, 2]), Arc::new(AtomicBool::new(false)));
        let tell = Arc::clone(&ended);
        let ender = spawn(&store, move |store| {
            end(store);
            tell.store(true, Ordering::Release);
        });
        let other = spawn(&store, |store| claim_at(store, 1, 8, START));
        let was_ended = ended.load(Ordering::Acquire);
        let said = claim_at(&store, 1, 7, START);
        assert!(if was_ended { said == Ok(None) } else { said == NEW || said == Ok(None) }, "{said:?}");
        assert!([NEW, Ok(None)].contains(&other.join().unwrap()));
        ender.join().unwrap();
        assert_eq!(claim_at(&store, 1, 9, START), Ok(None));
        assert!(!alive(&store, 1, START));
        let left = usize::from(alive(&store, 2, START));
        assert_eq!((store.sessions(), store.claims()), (left, 0), "what it held is given back, once");
    });
}

#[test]
fn races_of_claims_with_a_close_accept_nothing_after_it() {
    claims_against("two claims, a close", |store| ready(store.close(&id(1))).unwrap());
}

#[test]
fn races_of_claims_with_a_revocation_accept_nothing_after_it() {
    claims_against("two claims, a revocation", |store| ready(store.close_all_of(&key())).unwrap());
}

#[test]
fn races_of_claims_with_the_sweep_that_ends_the_session_accept_nothing_after_it() {
    claims_against("two claims, a sweep", |store| store.purge(END));
}

#[test]
fn races_of_two_ends_count_a_session_once() {
    explore_within(Some(3), "a close, a revocation, a sweep", || {
        let store = store(options(), &[1, 2]);
        assert_eq!(claim_at(&store, 1, 7, START), NEW);
        let closer = spawn(&store, |store| ready(store.close(&id(1))));
        let revoker = spawn(&store, |store| ready(store.close_all_of(&key())));
        store.purge(END);
        closer.join().unwrap().unwrap();
        revoker.join().unwrap().unwrap();
        assert_eq!((store.sessions(), store.claims()), (0, 0));
    });
}

#[test]
fn races_of_a_sweep_with_a_first_message_end_no_session_that_was_used() {
    explore("a first message, a sweep", || {
        let store = store(options(), &[1]);
        let just_before = UnixMillis(UNUSED_MS - 1);
        let sweeper = spawn(&store, |store| store.purge(UnixMillis(UNUSED_MS)));
        let said = claim_at(&store, 1, 7, just_before);
        sweeper.join().unwrap();
        let lives = alive(&store, 1, UnixMillis(UNUSED_MS + 1));
        assert_eq!((said, lives, store.claims()), if lives { (NEW, true, 1) } else { (Ok(None), false, 0) });
        store.purge(END);
        assert_eq!((store.sessions(), store.claims()), (0, 0), "and it is still swept in the end");
    });
}

#[test]
fn races_at_the_bound_of_claims_never_hold_one_more() {
    explore("two sessions, one claim left", || {
        let store = store(options().with_max_claims(1), &[1, 2]);
        let others = [1, 2].map(|n| {
            spawn(&store, move |store| {
                let said = claim_at(store, n, 7, START);
                assert!(store.claims() <= 1, "the bound holds at every moment");
                said
            })
        });
        let said = others.map(|other| other.join().unwrap());
        assert!(said.contains(&NEW) && said.contains(&Err(StoreError::Full)), "{said:?}");
        assert_eq!(store.claims(), 1);
    });
}

fn hash(n: u8) -> WrappedKeyHash {
    WrappedKeyHash::from_bytes([n; 32])
}

fn pair(request: u8, response: u8) -> [WrappedKeyHash; 2] {
    [hash(request), hash(response)]
}

/// What rivals hear that claim pairs of wrapped keys at once.
fn rivals(ledgers: Ledgers, pairs: [[WrappedKeyHash; 2]; 3]) -> (Arc<Ledgers>, [LedgerVerdict; 3]) {
    let ledgers = Arc::new(ledgers);
    let [first, others @ ..] = pairs;
    let others = others.map(|pair| {
        let ledgers = Arc::clone(&ledgers);
        sync::spawn(move || ledgers.claim(&key(), &pair, None).unwrap())
    });
    let first = ledgers.claim(&key(), &first, None).unwrap();
    let [second, third] = others.map(|other| other.join().unwrap());
    (ledgers, [first, second, third])
}

fn new_ones(said: [LedgerVerdict; 3]) -> usize {
    said.iter().filter(|said| **said == LedgerVerdict::New).count()
}

#[test]
fn races_of_one_wrapped_set_up_have_one_winner() {
    explore("one set-up three times", || {
        let (_, said) = rivals(Ledgers::new(100), [pair(1, 2); 3]);
        assert_eq!(new_ones(said), 1, "{said:?}");
    });
}

#[test]
fn races_of_set_ups_that_share_a_wrapped_key_in_either_role_have_one_winner() {
    explore("three set-ups around one key", || {
        let (_, said) = rivals(Ledgers::new(100), [pair(1, 2), pair(1, 3), pair(4, 1)]);
        assert_eq!(new_ones(said), 1, "{said:?}");
    });
}

#[test]
fn races_at_the_bound_of_a_ledger_never_record_one_more() {
    explore("three set-ups, room for one", || {
        let (ledgers, said) = rivals(Ledgers::new(3), [pair(1, 2), pair(3, 4), pair(5, 6)]);
        assert_eq!(new_ones(said), 1, "{said:?}");
        let recorded = (1..=6).filter(|n| ledgers.knows(&key(), &[hash(*n)])).count();
        assert_eq!(recorded, 2);
    });
}

#[test]
fn races_of_a_ledger_with_its_sweep_forget_nothing_that_is_accepted() {
    explore("a set-up, a sweep", || {
        let ledgers = Arc::new(Ledgers::new(100));
        let sweeping = Arc::clone(&ledgers);
        let sweeper = sync::spawn(move || sweeping.purge(START));
        let said = ledgers.claim(&key(), &pair(1, 2), Some(UnixMillis(1)));
        sweeper.join().unwrap();
        assert_eq!(said, Ok(LedgerVerdict::New));
        assert_eq!(ledgers.claim(&key(), &pair(1, 2), Some(UnixMillis(1))), Ok(LedgerVerdict::Repeated));
    });
}

#[test]
fn races_use_sessions_of_different_shards() {
    let hasher = RandomState::new();
    let shard = |n| usize::try_from(HashedId::new(&hasher, &id(n)).hash >> 32).unwrap() % SHARDS;
    assert_ne!(shard(1), shard(2), "or nothing here shows what happens between shards");
}
