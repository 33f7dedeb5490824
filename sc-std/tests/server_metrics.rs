//! The figures of a server: a session, requests and refusals are counted, and nothing of them is shown.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod server_support;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sc_core::code::Code;
use sc_std::keys::KeyRing;
use sc_std::message::{EmailHashKey, ForgotPassword, Message};
use sc_std::provider::ProviderError;
use sc_std::rate_limit::Limit;
use sc_std::reset::{Account, ResetConfig, ResetLink, ResetTokens, ResetWorker};
use sc_std::reset::{Accounts, AccountsError, KnownAddresses, Mail, MailError, Mailer};
use sc_std::server::meter::BUCKETS_SECONDS;
use sc_std::server::{ForgotPasswordEndpoint, ScRouter};
use sc_std::store::{Store, StoreOptions};
use server_support::gate::Gate;
use server_support::*;

/// Everything that is made by `make`, counted by a recorder of its own.
fn counted<T>(make: impl FnOnce() -> T) -> (T, PrometheusHandle) {
    let builder = PrometheusBuilder::new();
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let recorder = builder.set_buckets_for_metric(seconds, BUCKETS_SECONDS).unwrap().build_recorder();
    let handle = recorder.handle();
    (metrics::with_local_recorder(&recorder, make), handle)
}

/// One figure, by its name and labels as Prometheus writes them.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// Accepts every mail.
struct Accepts;

impl Mailer for Accepts {
    async fn send(&self, _mail: Mail) -> Result<(), MailError> {
        Ok(())
    }
}

/// Knows one address, and breaks for another.
struct Breaks(KnownAddresses);

impl Accounts for Breaks {
    async fn find(&self, email: &sc_std::message::Email) -> Result<Option<Account>, AccountsError> {
        if email.as_str().starts_with("broken") {
            panic!("as the test wants");
        }
        self.0.find(email).await
    }
}

#[tokio::test]
async fn sessions_requests_answers_and_refusals_are_counted() {
    let (world, figures) = counted(World::new);
    let before = figures.render();
    for code in Code::ALL.iter().filter(|code| **code != Code::Success) {
        let name = format!("scv2_refusals_total{{code=\"{code}\"}}");
        assert!(figure(&before, &name).abs() < f64::EPSILON, "every code is there from the start");
    }

    let mut peer = world.peer_in_session().await;
    let inline = world.peer();
    assert_eq!(world.post(ECHO, &[HASH], inline.first(b"first")).await.status, 200);
    let sealed = peer.seal(b"once");
    assert_eq!(world.echo(&peer, sealed.clone()).await.status, 200);
    assert_eq!(world.echo(&peer, sealed).await.refusal(), refused(Code::Replayed));
    assert_eq!(world.echo(&peer, b"plain".to_vec()).await.refusal(), refused(Code::InvalidPayload));
    assert_eq!(world.post(SESSION, &[HASH], peer.set_up()).await.refusal(), refused(Code::KeyExchangeFailed));
    assert_eq!(world.post("/nowhere", &[], vec![]).await.refusal(), refused(Code::NotFound));
    let limited = [HASH, ("x-sc-session-id", &*peer.session)];
    assert_eq!(world.post("/limited", &limited, peer.seal(b"x")).await.status, 429);
    assert_eq!(world.post(CLOSE, &limited, vec![]).await.status, 200);
    assert_eq!(world.echo(&peer, peer.seal(b"gone")).await.refusal(), refused(Code::SessionNotFound));

    let text = figures.render();
    for (name, value) in [
        ("scv2_sessions_created_total{way=\"endpoint\"}", 1.0),
        ("scv2_sessions_created_total{way=\"inline\"}", 1.0),
        ("scv2_sessions_closed_total{cause=\"client\"}", 1.0),
        ("scv2_sessions_live", 1.0),
        ("scv2_requests_opened_total", 3.0),
        ("scv2_answers_sealed_total", 3.0),
        ("scv2_refusals_total{code=\"SECURE_CHANNEL.REPLAYED\"}", 1.0),
        ("scv2_refusals_total{code=\"SECURE_CHANNEL.INVALID_PAYLOAD\"}", 1.0),
        ("scv2_refusals_total{code=\"SECURE_CHANNEL.KEY_EXCHANGE_FAILED\"}", 1.0),
        ("scv2_refusals_total{code=\"SECURE_CHANNEL.SESSION_NOT_FOUND\"}", 1.0),
        ("scv2_refusals_total{code=\"REQUEST.NOT_FOUND\"}", 1.0),
        ("scv2_refusals_total{code=\"REQUEST.RATE_LIMITED\"}", 1.0),
        ("scv2_private_operation_seconds_count", 2.0),
        ("scv2_admission_wait_seconds_count", 2.0),
        ("scv2_admission_waiting", 0.0),
        ("scv2_admission_running", 0.0),
        ("scv2_store_seconds_count{operation=\"create\"}", 2.0),
        ("scv2_store_seconds_count{operation=\"find\"}", 4.0),
        ("scv2_store_seconds_count{operation=\"claim\"}", 3.0),
        ("scv2_store_seconds_count{operation=\"close\"}", 1.0),
        ("scv2_store_seconds_count{operation=\"knows_wrapped\"}", 3.0),
        ("scv2_store_seconds_count{operation=\"claim_wrapped\"}", 2.0),
        ("scv2_store_failures_total{kind=\"full\"}", 0.0),
    ] {
        assert!((figure(&text, name) - value).abs() < f64::EPSILON, "{name} is not {value} in\n{text}");
    }
    assert!(text.contains("scv2_store_seconds_bucket{operation=\"find\",le=\"0.00001\"}"), "{text}");
    for line in text.lines().filter(|line| line.starts_with("# HELP")) {
        assert!(line.split_whitespace().count() > 3, "described: {line}");
    }

    // What is private, in every form that could slip in.
    peer.session.truncate(12);
    for private in [&*peer.session, &peer.key_id, &inline.key_id, DEVICE, "127.0.0.1", "/echo"] {
        assert!(!text.contains(private), "{private} in\n{text}");
    }
}

#[tokio::test]
async fn the_outcome_of_reset_jobs_is_counted_without_an_address() {
    let ((mut world, worker), figures) = counted(|| {
        let world = World::new();
        let config = ResetConfig::new(ResetLink::parse("https://example.com/reset").unwrap());
        let worker = ResetWorker::spawn(
            config.with_account_limit(Limit::new(1, 1_000_000)),
            Breaks(KnownAddresses::parse("confidential@known.example").unwrap()),
            Accepts,
            Arc::new(ResetTokens::new(900_000, 1000)),
            world.clock.clone(),
        );
        (world, worker)
    });
    let limit = |name| world.server.store().limiter(name, Limit::new(100, 1000));
    let key = EmailHashKey::derive(&[7; 32]);
    let endpoint = ForgotPasswordEndpoint::new(limit("address"), limit("email"), key, worker.queue().clone());
    world.app = ScRouter::new(world.server.clone())
        .sealed(ForgotPassword::PATH, ForgotPassword::NAME, endpoint.into_route())
        .into_router();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    for email in [
        "confidential@known.example",
        "confidential@known.example",
        "confidential@nobody.example",
        "broken@x.example",
    ] {
        let body = peer.seal(format!("{{\"email\":\"{email}\"}}").as_bytes());
        assert_eq!(world.post(FORGOT, &headers, body).await.status, 200, "the same for everybody");
    }
    worker.close().await;
    let text = figures.render();
    for outcome in ["sent", "limited", "unknown", "failed"] {
        let name = format!("scv2_reset_mails_total{{outcome=\"{outcome}\"}}");
        assert!((figure(&text, &name) - 1.0).abs() < f64::EPSILON, "{name}\n{text}");
    }
    assert!(!text.contains("confidential") && !text.contains("example"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_full_shows_while_it_is() {
    let (gate, keys) = Gate::ring();
    let one = NonZeroUsize::MIN;
    let ((world, gate), figures) = counted(|| {
        let change = |builder: sc_std::server::ScServerBuilder<_, _>| builder.with_admission(one, 1);
        (World::on(keys, StoreOptions::default(), change), gate)
    });
    let set_up = || {
        let (world, body) = (world.clone(), world.peer().set_up());
        tokio::spawn(async move { world.post(SESSION, &[HASH], body).await })
    };
    let first = set_up();
    gate.has_begun(1).await;
    let second = set_up();
    let waits = || figure(&figures.render(), "scv2_admission_waiting") > 0.5;
    while !waits() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let refusal = set_up().await.unwrap();
    assert_eq!(refusal.refusal(), refused(Code::Busy));
    let text = figures.render();
    for name in [
        "scv2_admission_running",
        "scv2_admission_waiting",
        "scv2_admission_busy_total",
        "scv2_refusals_total{code=\"SECURE_CHANNEL.BUSY\"}",
    ] {
        assert!((figure(&text, name) - 1.0).abs() < f64::EPSILON, "{name}\n{text}");
    }
    gate.open();
    assert_eq!((first.await.unwrap().status, second.await.unwrap().status), (200, 200));
    let text = figures.render();
    assert!(figure(&text, "scv2_admission_running").abs() < f64::EPSILON, "{text}");
    assert!(figure(&text, "scv2_admission_waiting").abs() < f64::EPSILON, "{text}");
}

#[tokio::test]
async fn a_store_that_is_full_is_counted() {
    let options = StoreOptions::default().with_max_sessions(2);
    let (world, figures) = counted(|| World::with(options, |builder| builder));
    world.peer_in_session().await;
    world.peer_in_session().await;
    assert_eq!(world.post(SESSION, &[HASH], world.peer().set_up()).await.refusal(), refused(Code::Busy));
    assert_eq!(world.server.store().live_sessions(), Some(2));
    let text = figures.render();
    assert!((figure(&text, "scv2_store_failures_total{kind=\"full\"}") - 1.0).abs() < f64::EPSILON, "{text}");
    assert!((figure(&text, "scv2_sessions_live") - 2.0).abs() < f64::EPSILON, "{text}");
}

/// Waits until a figure has this value, and gives all of them.
async fn when(figures: &PrometheusHandle, name: &str, value: f64) -> String {
    let seen = async {
        loop {
            let text = figures.render();
            if (figure(&text, name) - value).abs() < f64::EPSILON {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, seen).await.unwrap_or_else(|_| panic!("{name} is never {value}"))
}

#[tokio::test]
async fn the_age_of_the_key_and_what_became_of_its_rotations_are_told() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let spare = Mutex::new(vector_keys().take(2).collect::<Vec<_>>());
    let make = move || spare.lock().unwrap().pop().ok_or(ProviderError);
    let keys = Arc::new(KeyRing::rotating(make, DAY, START).unwrap());
    let (world, figures) = counted(|| World::on(keys, StoreOptions::default(), |builder| builder));
    for (passes, age, done, fails) in
        [(7_000, 7.0, 0.0, false), (DAY - 7_000, 0.0, 1.0, false), (DAY, 86_400.0, 1.0, true)]
    {
        world.clock.advance(passes);
        let housekeeping = world.server.spawn_housekeeping();
        let text = when(&figures, "scv2_published_key_age_seconds", age).await;
        housekeeping.abort();
        let rotations =
            |result: &str| figure(&text, &format!("scv2_key_rotations_total{{result=\"{result}\"}}"));
        assert!((rotations("done") - done).abs() < f64::EPSILON, "{text}");
        assert_eq!(rotations("failed") > 0.5, fails, "{text}");
    }
}
