//! Many threads, one session: no IV twice, no message lost or counted twice, every answer opened by its own token.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;

use common::pair::{PROFILES, Pair, answer_with};
use common::{forgot, phone, rng};
use sc_core::channel::IvMode;
use sc_core::client::{ClientOptions, ProfileChoice};
use sc_core::error::Error;
use sc_core::limits::{MAX_MESSAGES_PER_SESSION, OVERHEAD};
use sc_core::replay::{IvSet, IvSlot};
use sc_core::rustcrypto::Aes256GcmKey;
use sc_core::server::{Received, RequestHead, Server};
use sc_core::session::Phase;

const THREADS: u64 = 8;

fn iv_of(body: &[u8]) -> [u8; 12] {
    body[4..16].try_into().unwrap()
}

#[test]
fn many_threads_seal_exactly_65536_messages_under_as_many_ivs() {
    for ivs in [IvMode::Random, IvMode::Counter] {
        let mut pair = Pair::with(1, ClientOptions::default().with_ivs(ivs), Server::default());
        let session = pair.set_up();
        let (seen, ticks) = (Mutex::new(HashSet::new()), pair.ticks);
        let sealed: u64 = thread::scope(|scope| {
            let work = |thread: u64| {
                let (session, seen) = (&session, &seen);
                scope.spawn(move || {
                    let (mut rng, mut mine, mut body) = (rng(thread + 10), Vec::new(), [0; OVERHEAD]);
                    loop {
                        match session.seal_into(&mut rng, ticks, forgot(), b"", &mut body) {
                            Ok(_) => mine.push(iv_of(&body)),
                            Err(error) => break assert_eq!(error, Error::Exhausted),
                        }
                    }
                    let count = u64::try_from(mine.len()).unwrap();
                    seen.lock().unwrap().extend(mine);
                    count
                })
            };
            let threads: Vec<_> = (0..THREADS).map(work).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(sealed, u64::from(MAX_MESSAGES_PER_SESSION), "{ivs:?}");
        assert_eq!(seen.into_inner().unwrap().len(), 65_536, "{ivs:?}: no IV twice");
        assert_eq!(session.phase(ticks), Phase::Expired);
    }
}

#[test]
fn counter_ivs_of_many_threads_are_one_unbroken_count() {
    let options = ClientOptions::default().with_ivs(IvMode::Counter);
    let mut pair = Pair::with(2, options, Server::default());
    let session = pair.set_up();
    let ticks = pair.ticks;
    let mut ivs: Vec<[u8; 12]> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let session = &session;
                scope.spawn(move || {
                    let (mut rng, mut body) = (rng(thread), [0; OVERHEAD]);
                    let mut seal = || {
                        let _ = session.seal_into(&mut rng, ticks, forgot(), b"", &mut body).unwrap();
                        iv_of(&body)
                    };
                    (0..500).map(|_| seal()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    ivs.sort_unstable();
    for (count, iv) in (0_u32..).zip(&ivs) {
        assert_eq!(iv[..8], ivs[0][..8], "one prefix");
        assert_eq!(iv[8..], count.to_be_bytes());
    }
    assert_eq!(ivs.len(), 4000);
}

#[test]
fn requests_in_parallel_are_each_answered_by_their_own_answer() {
    for profile in PROFILES {
        let mut pair = Pair::new(3, profile);
        let session = pair.set_up();
        let record = &pair.store[session.id()].record;
        let ivs = Mutex::new(IvSet::new(vec![IvSlot::EMPTY; 8192], &mut rng(1)));
        let (server, ticks, now) = (pair.server, pair.ticks, pair.now);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (session, ivs) = (&session, &ivs);
                scope.spawn(move || {
                    let mut rng = rng(thread + 100);
                    for round in 0..200_u64 {
                        let question = [thread.to_be_bytes(), round.to_be_bytes()].concat();
                        let mut body = vec![0; question.len() + OVERHEAD];
                        let pending =
                            session.seal_into(&mut rng, ticks, forgot(), &question, &mut body).unwrap();
                        let id = *session.id();
                        let head = RequestHead { session_id: Some(id.as_str()), version: Some("2") };
                        let Received::Message(message) = server.receive(&head, &mut body).unwrap() else {
                            panic!("type 2")
                        };
                        let unclaimed =
                            message.open::<Aes256GcmKey>(Some(record), &phone(), now, forgot()).unwrap();
                        let verdict = ivs.lock().unwrap().claim(unclaimed.claim());
                        let opened = unclaimed.settle(verdict).unwrap();
                        let echo = opened.plaintext.to_vec();
                        let mut answer = answer_with(&mut rng, opened.responder, &echo);
                        assert_eq!(pending.open(&mut answer).unwrap(), question);
                    }
                });
            }
        });
        assert_eq!(ivs.into_inner().unwrap().len(), 1600);
    }
}

#[test]
fn of_many_copies_of_one_message_exactly_one_is_new() {
    let mut pair = Pair::new(4, ProfileChoice::RequireBound);
    let session = pair.set_up();
    let (body, _) = pair.ask(&session, forgot(), b"once");
    let record = &pair.store[session.id()].record;
    let ivs = Mutex::new(IvSet::new(vec![IvSlot::EMPTY; 64], &mut rng(1)));
    let (server, now, id) = (pair.server, pair.now, *session.id());
    let opened: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (mut body, id, ivs) = (body.clone(), id, &ivs);
                scope.spawn(move || {
                    let head = RequestHead { session_id: Some(id.as_str()), version: None };
                    let Ok(Received::Message(message)) = server.receive(&head, &mut body) else {
                        panic!("type 2")
                    };
                    let unclaimed =
                        message.open::<Aes256GcmKey>(Some(record), &phone(), now, forgot()).unwrap();
                    let verdict = ivs.lock().unwrap().claim(unclaimed.claim());
                    usize::from(unclaimed.settle(verdict).is_ok())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(opened, 1);
}
