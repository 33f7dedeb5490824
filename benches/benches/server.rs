//! What surrounds the cipher in a server: a request through the layer without a socket, the store at a thousand and at a
//! million sessions, the limiter, the ledger.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use rand_core::Rng;
use sc_benches::pair::{Text, body, call, connect, plain, request, seal, sealed};
use sc_benches::sessions::{NOW, new_claim, new_session};
use sc_core::client::ProfileChoice;
use sc_core::exchange::{WrappedKeyHash, WrappedKeys};
use sc_core::id::{KeyId, SessionId};
use sc_core::replay::ClaimVerdict;
use sc_std::rate_limit::{Limit, LimitKey, SlidingWindow};
use sc_std::rng::SystemSeeded;
use sc_std::store::{MemoryStore, Store, StoreOptions};

/// What a memory store answers, it answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn layer(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (plain, sealed) = (plain(), sealed());
    let mut group = c.benchmark_group("layer");
    for len in [28, 4_096] {
        let json = Text::json(len);
        group.bench_function(BenchmarkId::new("plain JSON", len), |b| {
            b.to_async(&runtime).iter_batched(
                || request(None, json.clone()),
                |request| async { body(call(&plain, request).await).await },
                BatchSize::SmallInput,
            );
        });
        for (case, profile) in
            [("plain profile", ProfileChoice::Plain), ("bound", ProfileChoice::RequireBound)]
        {
            group.bench_function(BenchmarkId::new(format!("sealed, {case}"), len), |b| {
                // A session may send 65,536 messages: each measurement has one of its own.
                b.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    let mut left = iterations;
                    while left > 0 {
                        let some = left.min(10_000);
                        let session = runtime.block_on(connect(&sealed, profile));
                        let seal = |_| request(Some(&session), seal(&session, &json).0);
                        let requests: Vec<_> = (0..some).map(seal).collect();
                        spent += runtime.block_on(async {
                            let start = Instant::now();
                            for request in requests {
                                black_box(body(call(&sealed, request).await).await);
                            }
                            start.elapsed()
                        });
                        left -= some;
                    }
                    spent
                });
            });
        }
    }
    group.finish();
}

/// A store with so many sessions, and their ids in no order.
fn filled(sessions: usize) -> (MemoryStore, Vec<SessionId>) {
    // Sessions that a benchmark adds must fit too.
    let store = MemoryStore::new(StoreOptions::default().with_max_sessions(usize::MAX));
    let mut ids = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        let session = new_session(&mut SystemSeeded);
        ids.push(session.id);
        now(store.create(session, NOW)).unwrap();
    }
    (store, ids)
}

fn store(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    for sessions in [1_000, 1_000_000] {
        let (store, ids) = filled(sessions);
        let any = || {
            let at = SystemSeeded.next_u64() % u64::try_from(ids.len()).unwrap();
            *ids.get(usize::try_from(at).unwrap()).unwrap()
        };
        group.bench_function(BenchmarkId::new("find", sessions), |b| {
            b.iter_batched(any, |id| now(store.find(&id, NOW)).unwrap().unwrap(), BatchSize::SmallInput);
        });
        group.bench_function(BenchmarkId::new("claim", sessions), |b| {
            let claim = || (any(), new_claim(&mut SystemSeeded));
            b.iter_batched(
                claim,
                |(id, claim)| {
                    assert_ne!(now(store.claim(&id, &claim, NOW)), Ok(Some(ClaimVerdict::Replayed)))
                },
                BatchSize::SmallInput,
            );
        });
        // Each is closed again, so that the store stays as full as it was.
        group.bench_function(BenchmarkId::new("create", sessions), |b| {
            b.iter_custom(|iterations| {
                let (mut spent, mut left) = (Duration::ZERO, iterations);
                while left > 0 {
                    let some = left.min(100);
                    let new: Vec<_> = (0..some).map(|_| new_session(&mut SystemSeeded)).collect();
                    let added: Vec<_> = new.iter().map(|session| session.id).collect();
                    let start = Instant::now();
                    for session in new {
                        now(store.create(session, NOW)).unwrap();
                    }
                    spent += start.elapsed();
                    for id in added {
                        now(store.close(&id)).unwrap();
                    }
                    left -= some;
                }
                spent
            });
        });
    }
    group.finish();
}

fn limiter(c: &mut Criterion) {
    let mut group = c.benchmark_group("limiter");
    for keys in [1_000_u64, 1_000_000] {
        let limiter = SlidingWindow::new(Limit::new(1_000, 300_000), usize::MAX);
        let key = |n: u64| {
            let mut hash = [0; 32];
            hash.iter_mut().zip(n.to_be_bytes()).for_each(|(place, byte)| *place = byte);
            LimitKey::of_hash(hash)
        };
        for n in 0..keys {
            limiter.claim(&key(n), NOW).unwrap();
        }
        group.bench_function(BenchmarkId::new("claim", keys), |b| {
            b.iter_batched(
                || key(SystemSeeded.next_u64() % keys),
                |key| limiter.claim(&key, NOW).is_ok(),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn hashes() -> [WrappedKeyHash; 2] {
    let mut wrapped = [0; 512];
    SystemSeeded.fill_bytes(&mut wrapped);
    let (request, response) = wrapped.split_at(256);
    WrappedKeys::new(request, response).unwrap().hashes()
}

fn ledger(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger");
    let key_id = KeyId::parse("k").unwrap();
    for set_ups in [1_000, 1_000_000] {
        let store = MemoryStore::default();
        for _ in 0..set_ups {
            now(store.claim_wrapped(&key_id, &hashes(), None)).unwrap();
        }
        group.bench_function(BenchmarkId::new("look", set_ups), |b| {
            b.iter_batched(
                hashes,
                |hashes| now(store.knows_wrapped(&key_id, &hashes)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("claim", set_ups), |b| {
            b.iter_batched(
                hashes,
                |hashes| now(store.claim_wrapped(&key_id, &hashes, None)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50);
    targets = layer, store, limiter, ledger
}
criterion_main!(benches);
