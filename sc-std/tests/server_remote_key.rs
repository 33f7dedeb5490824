//! RSA keys behind a device: the same answers as a local key, BUSY when the device is gone, bounded, rotated.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use sc_core::code::Code;
use sc_std::keys::{KeyRing, KeyUnavailable, PrivateKey, RemoteKey, ServerKey, UnwrapFuture};
use sc_std::rate_limit::Limit;
use sc_std::rng::SystemSeeded;
use sc_std::store::StoreOptions;
use server_support::*;
use tokio::sync::watch;

/// How the device behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Works,
    Refuses,
    Hangs,
}

/// A device: what it is like, and what it was asked.
struct Device {
    mood: watch::Sender<Mood>,
    asked: AtomicUsize,
    inside: AtomicUsize,
    most: AtomicUsize,
    /// The one thread of the test's runtime.
    thread: ThreadId,
}

/// A key that the device holds.
struct DeviceKey {
    key: Box<dyn PrivateKey>,
    device: Arc<Device>,
}

/// One call under way, also when it is given up.
struct Inside<'d>(&'d Device);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, SeqCst);
    }
}

impl Device {
    fn new() -> Arc<Self> {
        let count = AtomicUsize::default;
        let (asked, inside, most, thread) = (count(), count(), count(), std::thread::current().id());
        Arc::new(Self { mood: watch::Sender::new(Mood::Works), asked, inside, most, thread })
    }

    fn holds(self: &Arc<Self>, key: Box<dyn PrivateKey>) -> ServerKey {
        ServerKey::remote(DeviceKey { key, device: Arc::clone(self) })
    }

    fn enter(&self) -> Inside<'_> {
        self.asked.fetch_add(1, SeqCst);
        self.most.fetch_max(self.inside.fetch_add(1, SeqCst) + 1, SeqCst);
        Inside(self)
    }
}

impl RemoteKey for DeviceKey {
    fn modulus_bits(&self) -> usize {
        self.key.modulus_bits()
    }
    fn spki_der(&self) -> &[u8] {
        self.key.spki_der()
    }
    fn unwrap_key<'a>(&'a self, wrapped: &'a [u8]) -> UnwrapFuture<'a> {
        Box::pin(async move {
            assert_eq!(std::thread::current().id(), self.device.thread, "never on a blocking thread");
            let _inside = self.device.enter();
            let mut mood = self.device.mood.subscribe();
            // Both calls of a set-up are under way before either is answered.
            tokio::time::sleep(Duration::from_millis(2)).await;
            match *mood.wait_for(|mood| *mood != Mood::Hangs).await.unwrap() {
                Mood::Refuses => Err(KeyUnavailable::new("the test says so")),
                _ => Ok(self.key.unwrap_key(&mut SystemSeeded, wrapped)),
            }
        })
    }
}

fn world(keys: KeyRing, parallel: usize, waiting: usize, timeout: Duration) -> World {
    let day = 24 * 60 * 60 * 1000;
    let options = StoreOptions::default().with_idle_ms(day).with_unused_ms(day);
    World::on(Arc::new(keys), options, |builder| {
        builder
            .with_admission(NonZeroUsize::new(parallel).unwrap(), waiting)
            .with_set_up_limit(Limit::new(100_000, 1))
            .with_remote_key_timeout(timeout)
    })
}

fn ring(device: &Arc<Device>) -> KeyRing {
    KeyRing::from_keys(vec![device.holds(fixed_key())], START).unwrap()
}

#[tokio::test]
async fn a_key_behind_a_device_sets_up_sessions_both_ways_and_is_asked_for_both_keys_at_once() {
    let device = Device::new();
    let world = world(ring(&device), 4, 8, SOON);
    let peer = world.peer_in_session().await;
    assert!(world.is_alive(&peer).await);
    let inline = world.peer();
    let reply = world.post(ECHO, &[HASH], inline.first(b"first")).await;
    assert_eq!(inline.open(&reply), b"first");
    assert_eq!((device.asked.load(SeqCst), device.most.load(SeqCst)), (4, 2));
}

/// What an attacker sees of an answer, but for the time and the request's id.
fn seen(mut reply: Reply) -> (u16, String, Vec<(String, String)>) {
    reply.headers.remove("x-request-id");
    let mut json = reply.json();
    json["timestamp"] = 0.into();
    let shown = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    (reply.status, json.to_string(), reply.headers.iter().map(shown).collect())
}

#[tokio::test]
async fn what_does_not_unwrap_is_refused_exactly_as_by_a_local_key() {
    let device = Device::new();
    let remote = world(ring(&device), 4, 8, SOON);
    let local = world(fixed_keys(1), 4, 8, SOON);
    let broken: [fn(&mut Peer); 6] = [
        |peer| peer.wrapped[0][100] ^= 1,
        |peer| peer.wrapped[1][100] ^= 1,
        |peer| peer.wrapped.iter_mut().for_each(|key| key[7] ^= 1),
        |peer| peer.wrapped[0].fill(0xff),
        |peer| peer.wrapped[1].fill(0),
        |peer| peer.wrapped[1] = peer.wrapped[0].clone(),
    ];
    for (case, break_it) in broken.iter().enumerate() {
        let mut answers = Vec::new();
        for world in [&remote, &local] {
            let mut peer = world.peer();
            break_it(&mut peer);
            let endpoint = world.post(SESSION, &[HASH], peer.set_up()).await;
            let inline = world.post(ECHO, &[HASH], peer.first(b"x")).await;
            answers.push((seen(endpoint), seen(inline)));
        }
        assert_eq!(answers[0], answers[1], "{case}");
        let (endpoint, inline) = &answers[0];
        assert!(
            endpoint.0 == 400 && endpoint.1.contains(Code::KeyExchangeFailed.as_str()),
            "{case}: {endpoint:?}"
        );
        assert!(inline.0 == 400 && inline.1.contains(Code::InvalidPayload.as_str()), "{case}: {inline:?}");
    }
    assert_eq!(device.asked.load(SeqCst), 24, "both keys are always asked for");
    assert_eq!(remote.server.store().sessions(), 0);
}

#[tokio::test]
async fn a_device_that_refuses_or_hangs_gives_busy_in_time_and_sessions_go_on() {
    let device = Device::new();
    let limit = Duration::from_millis(300);
    let world = world(ring(&device), 2, 8, limit);
    let peer = world.peer_in_session().await;
    for mood in [Mood::Refuses, Mood::Hangs] {
        device.mood.send_replace(mood);
        for body in [world.peer().set_up(), {
            let mut peer = world.peer();
            peer.wrapped[0][9] ^= 1;
            peer.set_up()
        }] {
            let started = Instant::now();
            let reply = world.post(SESSION, &[HASH], body).await;
            assert_eq!(reply.refusal(), refused(Code::Busy), "{mood:?}");
            assert_eq!(reply.header("retry-after"), Some("5"), "{mood:?}");
            assert!(started.elapsed() < limit + Duration::from_secs(2), "{mood:?}");
        }
        let reply = world.post(ECHO, &[HASH], world.peer().first(b"x")).await;
        assert_eq!(reply.refusal(), refused(Code::Busy), "{mood:?}");
        assert!(world.is_alive(&peer).await, "sealed requests need no device");
    }
    device.mood.send_replace(Mood::Works);
    world.peer_in_session().await;
    assert_eq!(device.inside.load(SeqCst), 0, "calls that were given up are over");
}

#[tokio::test]
async fn set_ups_at_a_device_are_bounded_and_those_that_wait_in_vain_hear_so_in_time() {
    let device = Device::new();
    let limit = Duration::from_millis(400);
    let world = world(ring(&device), 3, 5, limit);
    device.mood.send_replace(Mood::Hangs);
    let mut flood = tokio::task::JoinSet::new();
    let started = Instant::now();
    for _ in 0..20 {
        let (world, body) = (world.clone(), world.peer().set_up());
        flood.spawn(async move { (world.post(SESSION, &[HASH], body).await, started.elapsed()) });
    }
    let mut times = Vec::new();
    while let Some(reply) = flood.join_next().await {
        let (reply, took) = reply.unwrap();
        assert_eq!(reply.refusal(), refused(Code::Busy));
        times.push(took);
    }
    assert!(times[11] < limit, "12 found no place and heard so at once: {times:?}");
    assert!(times[19] < limit * 2 + Duration::from_secs(2), "{times:?}");
    assert!(device.most.load(SeqCst) <= 6, "three set-ups, two calls each");
    device.mood.send_replace(Mood::Works);
    let mut served = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (world, body) = (world.clone(), world.peer().set_up());
        served.spawn(async move { world.post(SESSION, &[HASH], body).await.status });
    }
    while let Some(status) = served.join_next().await {
        assert_eq!(status.unwrap(), 200, "three at once, five waiting");
    }
    assert!(device.most.load(SeqCst) <= 6);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_free_the_place_at_the_device() {
    let device = Device::new();
    let world = world(ring(&device), 1, 0, Duration::from_secs(2));
    device.mood.send_replace(Mood::Hangs);
    let body = world.peer().set_up();
    let left = tokio::time::timeout(Duration::from_millis(50), world.post(SESSION, &[HASH], body)).await;
    assert!(left.is_err() && device.inside.load(SeqCst) == 2);
    assert_eq!(world.post(SESSION, &[HASH], world.peer().set_up()).await.refusal(), refused(Code::Busy));
    assert_eq!(device.most.load(SeqCst), 2);
    device.mood.send_replace(Mood::Works);
    while device.inside.load(SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.peer_in_session().await;
}

#[tokio::test]
async fn keys_of_both_kinds_share_a_ring_and_sessions_survive_a_rotation_by_install() {
    let device = Device::new();
    let hour = 60 * 60 * 1000;
    let keys = KeyRing::shared(hour);
    keys.install(fixed_key(), START, Some(keys.expiry(START)), START).unwrap();
    let world = world(keys, 4, 8, SOON);
    let (local, late) = (world.peer_in_session().await, world.peer());
    assert_eq!(device.asked.load(SeqCst), 0);

    world.clock.advance(hour);
    let now = sc_std::clock::Clock::now(&*world.clock);
    let keys = world.server.keys();
    let second = sc_std::provider::AwsLcPrivateKey::generate(2048).unwrap();
    keys.install(device.holds(Box::new(second)), now, Some(keys.expiry(now)), now).unwrap();
    assert_eq!(keys.key_ids(now).len(), 2);
    // A shared key is told once all servers have had the time to take it.
    assert_eq!(keys.published(now).unwrap().key_id.as_str(), late.key_id);
    world.clock.advance(10_000);
    let remote = world.peer_in_session().await;
    assert_eq!(device.asked.load(SeqCst), 2);
    assert_ne!(remote.key_id, late.key_id);
    assert_eq!(
        world.post(SESSION, &[HASH], late.set_up()).await.status,
        200,
        "still accepted, and not by the device"
    );
    assert_eq!(device.asked.load(SeqCst), 2);
    assert!(world.is_alive(&remote).await);

    let third = sc_std::provider::AwsLcPrivateKey::generate(2048).unwrap();
    keys.install(Box::new(third), now, Some(keys.expiry(now)), now).unwrap();
    assert!(world.is_alive(&remote).await && world.is_alive(&local).await);
}
