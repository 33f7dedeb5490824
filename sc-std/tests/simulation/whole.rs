//! The whole stack under faults: `ScClient` over a wire that fails, `ScServer` behind it over a store that fails, in
//! tokio's paused time. Seen from outside only: what a call says, and how often its handler ran.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::post;
use bytes::Bytes;
use futures_util::future::join;
use http::{Request, Response};
use sc_core::document::Answer;
use sc_core::id::UnixMillis;
use sc_core::retry::Repeatable;
use sc_std::client::{
    ClientError, ProfileChoice, ScClient, SetUpWay, Transport, TransportError, TransportErrorKind,
};
use sc_std::clock::Clock;
use sc_std::keys::KeyRing;
use sc_std::rate_limit::Limit;
use sc_std::server::{ScRouter, ScServer};
use sc_std::store::{MemoryStore, Store, StoreOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::dice::Dice;
use crate::kit::{Fast, Kit, Quick, QuickAead};
use crate::network::damage;
use crate::report::{Counts, Event};
use crate::store::FaultyStore;

const CLIENTS: u64 = 6;
const CALLS: u64 = 8;
/// A message that may be sent twice, and one that may not.
const PATHS: [(&str, Repeatable); 2] = [("/forgot", Repeatable::Yes), ("/pay", Repeatable::No)];

/// The server's clock: virtual time, and how far it is off.
struct Skewed(Instant, AtomicI64);

impl Clock for Skewed {
    fn now(&self) -> UnixMillis {
        let since = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        UnixMillis((1_795_467_600_000 + since).saturating_add_signed(self.1.load(Ordering::Relaxed)))
    }
}

/// The wire between clients and server. The faults of a request follow from the seed and its number.
struct Wires {
    app: Router,
    seed: u64,
    sent: AtomicU64,
    /// How often each fault fires, in a thousandth.
    rate: AtomicU64,
    /// An answer that was taken out, to come back as the answer to something else.
    astray: Mutex<Option<Response<Bytes>>>,
    counts: Mutex<Counts>,
}

impl Wires {
    fn fires(&self, dice: &mut Dice, event: Event) -> bool {
        let fires = dice.chance(self.rate.load(Ordering::Relaxed));
        if fires {
            self.counts.lock().unwrap().add(event);
        }
        fires
    }

    async fn deliver(&self, request: Request<Bytes>) -> Response<Bytes> {
        let response = self.app.clone().oneshot(request.map(Body::from)).await.unwrap();
        let (head, body) = response.into_parts();
        Response::from_parts(head, to_bytes(body, usize::MAX).await.unwrap())
    }
}

/// The same with a damaged body.
fn damaged(body: &Bytes, dice: &mut Dice) -> Bytes {
    let mut body = body.to_vec();
    damage(&mut body, dice);
    body.into()
}

#[derive(Clone)]
struct Wire(Arc<Wires>);

impl Transport for Wire {
    async fn send(&self, request: Request<Bytes>, _: usize) -> Result<Response<Bytes>, TransportError> {
        let wires = &self.0;
        let number = wires.sent.fetch_add(1, Ordering::Relaxed);
        let dice = &mut Dice::new(wires.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).fork();
        let mut request = request;
        if wires.fires(dice, Event::RequestDuplicated) {
            let (again, later, wires) = (request.clone(), dice.between(0, 60_000), Arc::clone(wires));
            tokio::spawn(async move {
                sleep(Duration::from_millis(later)).await;
                wires.deliver(again).await
            });
        }
        if wires.fires(dice, Event::RequestFlipped) {
            *request.body_mut() = damaged(request.body(), dice);
        }
        sleep(Duration::from_millis(dice.between(1, 300))).await;
        if wires.fires(dice, Event::RequestLost) {
            return Err(TransportError::new(TransportErrorKind::Connect));
        }
        let mut response = wires.deliver(request).await;
        if wires.fires(dice, Event::AnswerLost) {
            std::future::pending::<()>().await;
        }
        if wires.fires(dice, Event::AnswerCrossed) {
            let other = wires.astray.lock().unwrap().replace(response.clone());
            response = other.unwrap_or(response);
        }
        if wires.fires(dice, Event::AnswerFlipped) {
            *response.body_mut() = damaged(response.body(), dice);
        }
        sleep(Duration::from_millis(dice.between(1, 300))).await;
        Ok(response)
    }
}

/// How often the handler ran for each message.
type Ran = Arc<Mutex<HashMap<u64, u32>>>;

fn routes<S: Store>(server: &ScServer<S, QuickAead>, clock: &Arc<Skewed>, ran: &Ran) -> Router {
    PATHS
        .iter()
        .fold(ScRouter::new(server.clone()), |router, (path, _)| {
            let (ran, clock) = (Arc::clone(ran), Arc::clone(clock));
            let handler = move |body: Bytes| async move {
                let message: Value = serde_json::from_slice(&body).unwrap();
                *ran.lock().unwrap().entry(message["number"].as_u64().unwrap()).or_default() += 1;
                sleep(Duration::from_millis(50)).await;
                serde_json::to_vec(&Answer::success(clock.now().0, message)).unwrap()
            };
            router.sealed(path, path, post(handler))
        })
        .into_router()
}

/// One world: what its faults were, and how its calls ended.
struct Outcome {
    counts: Counts,
    answered: usize,
    failed: usize,
    store_failures: usize,
}

async fn live(seed: u64, options: StoreOptions, profile: ProfileChoice) -> Outcome {
    let mut dice = Dice::new(seed);
    let clock = Arc::new(Skewed(Instant::now(), AtomicI64::new(0)));
    let keys = Mutex::new(dice.fork());
    let ring = KeyRing::rotating(
        move || Fast::generate(0, &mut keys.lock().unwrap()),
        dice.between(60, 600) * 1000,
        clock.now(),
    );
    let rate = dice.pick(&[0, 20, 60, 150]);
    let options = options.with_idle_ms(dice.between(60, 600) * 1000);
    let store = FaultyStore::new(MemoryStore::new(options), dice.fork(), (rate / 3, rate / 3));
    let server = ScServer::builder(Arc::new(ring.unwrap()), store)
        .with_aead::<QuickAead>()
        .with_clock(clock.clone())
        .with_session_ttl_ms(dice.between(60, 600) * 1000)
        .with_set_up_limit(Limit::new(1_000_000, 1_000))
        .build();
    let (house, ran) = (server.spawn_housekeeping(), Ran::default());
    let wires = Arc::new(Wires {
        app: routes(&server, &clock, &ran),
        seed,
        sent: AtomicU64::new(0),
        rate: AtomicU64::new(rate),
        astray: Mutex::default(),
        counts: Mutex::default(),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let way = if number % 2 == 0 { SetUpWay::Endpoint } else { SetUpWay::Inline };
            ScClient::builder("http://server.test")
                .with_provider::<Quick<QuickAead>>()
                .with_transport(Wire(Arc::clone(&wires)))
                .with_client_hash(format!("device-{number}"))
                .with_profile(profile)
                .with_set_up(way)
                .with_request_timeout(Duration::from_secs(10))
                .build()
                .unwrap()
        })
        .collect();

    let (mut answered, mut failed) = (0, Vec::new());
    for round in 0..CALLS {
        sleep(Duration::from_millis(dice.below(90_000))).await;
        if rate > 0 && dice.chance(200) {
            let off = i64::try_from(dice.below(3_000_000)).unwrap() - 1_500_000;
            clock.1.store(off, Ordering::Relaxed);
        }
        // All clients at once, each with two calls in its one session.
        let calls = clients.iter().zip(0..).map(|(client, at): (_, u64)| {
            let number = 2 * (round * CLIENTS + at);
            join(judged(client, number, &ran), judged(client, number + 1, &ran))
        });
        for (one, other) in futures_util::future::join_all(calls).await {
            for result in [one, other] {
                match result {
                    Ok(()) => answered += 1,
                    Err(error) => failed.push(error),
                }
            }
        }
    }
    wires.rate.store(0, Ordering::Relaxed);
    server.store().set_rates((0, 0));
    for (client, at) in clients.iter().zip(0..) {
        recover(client, 1_000_000 + 100 * at, &ran).await;
    }
    // Late copies, and clients that close.
    drop(clients);
    sleep(Duration::from_secs(120)).await;
    house.abort();
    for (number, times) in ran.lock().unwrap().iter() {
        let (path, repeatable) = PATHS[usize::from(number % 2 == 1)];
        let most = if repeatable == Repeatable::Yes { 2 } else { 1 };
        assert!(*times <= most, "seed {seed}: {path} {number} ran {times} times");
    }
    let effects = server.store().effects();
    let store_failures = effects
        .iter()
        .filter(|effect| {
            matches!(effect, crate::store::Effect::FailedBefore | crate::store::Effect::FailedAfter)
        })
        .count();
    assert!(rate > 0 || failed.is_empty(), "seed {seed}: calls failed without any fault: {failed:?}");
    let counts = wires.counts.lock().unwrap().clone();
    Outcome { counts, answered, failed: failed.len(), store_failures }
}

/// One call, whose result is held against what the handler saw.
async fn judged(client: &ScClient<Quick<QuickAead>>, number: u64, ran: &Ran) -> Result<(), String> {
    let (path, repeatable) = PATHS[usize::from(number % 2 == 1)];
    let sent = json!({ "number": number }).to_string();
    let result: Result<Vec<u8>, ClientError> =
        client.call_json(path, None, sent.as_bytes(), repeatable).await;
    let times = ran.lock().unwrap().get(&number).copied().unwrap_or_default();
    match result {
        Ok(answer) => {
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["data"]["number"], number, "the answer to another call");
            assert!(times >= 1, "{number} succeeded, and nobody did it");
            Ok(())
        }
        Err(error) => {
            assert!(times == 0 || error.may_have_executed(), "{number} was executed, but: {error}");
            Err(format!("{number}: {error:?}"))
        }
    }
}

/// Without faults a client is well again before long.
async fn recover(client: &ScClient<Quick<QuickAead>>, first: u64, ran: &Ran) {
    for number in first..first + 20 {
        if judged(client, number, ran).await.is_ok() {
            return;
        }
        sleep(Duration::from_secs(300)).await;
    }
    panic!("a client does not recover");
}

#[tokio::test(start_paused = true)]
async fn the_whole_stack_keeps_every_promise_that_can_be_seen_from_outside() {
    let start = crate::setting("SCV2_SIM_START", 0);
    let (mut counts, mut sums, mut store_failures) = (Counts::default(), (0, 0), 0);
    for seed in start..start + crate::setting("SCV2_SIM_STACKS", 24) {
        let outcome = live(seed, StoreOptions::default(), ProfileChoice::RequireBound).await;
        counts.merge(&outcome.counts);
        sums = (sums.0 + outcome.answered, sums.1 + outcome.failed);
        store_failures += outcome.store_failures;
    }
    println!("{} calls answered, {} failed, {store_failures} failures of stores", sums.0, sums.1);
    assert!(sums.0 > 0 && sums.1 > 0 && store_failures > 0);
    for fault in [
        Event::RequestDuplicated,
        Event::RequestFlipped,
        Event::RequestLost,
        Event::AnswerLost,
        Event::AnswerCrossed,
        Event::AnswerFlipped,
    ] {
        assert!(counts.of(fault) > 0, "{fault:?} never fired");
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "ran 2 times")]
async fn a_server_that_does_not_look_for_replays_is_found_from_outside() {
    for seed in 0..50 {
        live(seed, StoreOptions::default().without_replay_check(), ProfileChoice::RequireBound).await;
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the answer to another call")]
async fn plain_answers_that_are_swapped_are_found_from_outside() {
    for seed in 0..50 {
        live(seed, StoreOptions::default(), ProfileChoice::Plain).await;
    }
}
