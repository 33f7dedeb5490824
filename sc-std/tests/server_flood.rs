//! A flood of set-ups that fills the queue for RSA: sealed requests of those who hold a session are still answered.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::num::NonZeroUsize;

use sc_core::code::Code;
use sc_std::rate_limit::Limit;
use sc_std::store::StoreOptions;
use server_support::gate::Gate;
use server_support::*;
use tokio::task::JoinSet;

const WAITING: usize = 20;
const FLOOD: usize = 100;
const SEALED: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealed_requests_are_answered_while_a_flood_of_set_ups_fills_the_queue() {
    let (gate, keys) = Gate::ring();
    let world = World::on(keys, StoreOptions::default(), |builder| {
        builder.with_admission(NonZeroUsize::MIN, WAITING).with_set_up_limit(Limit::new(100_000, 1))
    });
    gate.open();
    let peer = world.peer_in_session().await;
    let before = gate.begun();
    gate.close();

    let mut flood = JoinSet::new();
    for _ in 0..FLOOD {
        let (world, body) = (world.clone(), world.peer().set_up());
        flood.spawn(async move { world.post(SESSION, &[HASH], body).await });
    }
    // What finds no place hears so at once; the others wait for a private operation that does not end.
    gate.has_begun(before + 1).await;
    let mut refused_set_ups = 0;
    while refused_set_ups < FLOOD - WAITING - 1 {
        let reply = tokio::time::timeout(SOON, flood.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(reply.refusal(), refused(Code::Busy));
        assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        refused_set_ups += 1;
    }

    let mut answered = 0;
    for _ in 0..SEALED {
        let alive = tokio::time::timeout(SOON, world.is_alive(&peer)).await.unwrap();
        answered += usize::from(alive);
    }
    println!(
        "{FLOOD} set-ups: {refused_set_ups} refused, {} in the queue; meanwhile {answered} of {SEALED} sealed requests answered",
        flood.len()
    );
    assert_eq!((answered, flood.len(), gate.begun()), (SEALED, WAITING + 1, before + 1));

    gate.open();
    while let Some(reply) = flood.join_next().await {
        assert_eq!(reply.unwrap().status, 200, "who waited is served");
    }
}
