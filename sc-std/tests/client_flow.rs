//! The client and a server that keeps the protocol: set-up, reuse, renewal, one session for all callers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod client_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client_support::{CLOSE, FORGOT, Fake, PAY, PUBLIC_KEY, Pay, SESSION, forgot, refuse_with};
use sc_core::code::Code;
use sc_core::retry::Repeatable;
use sc_core::server::{BoundPolicy, Server};
use sc_std::client::{ClientError, IvMode, ProfileChoice, SetUpError, SetUpWay, TransportErrorKind};

const BOTH_WAYS: [SetUpWay; 2] = [SetUpWay::Endpoint, SetUpWay::Inline];

/// The types of the envelopes that were executed.
fn kinds(fake: &Fake) -> Vec<u8> {
    fake.executed().iter().map(|(kind, ..)| *kind).collect()
}

#[tokio::test]
async fn messages_go_and_answers_come_both_ways_and_in_both_profiles() {
    for way in BOTH_WAYS {
        for profile in [ProfileChoice::Plain, ProfileChoice::BoundIfOffered, ProfileChoice::RequireBound] {
            for ivs in [IvMode::Random, IvMode::Counter] {
                let fake = Fake::new();
                let builder = fake.client().with_set_up(way).with_profile(profile).with_ivs(ivs);
                let client = builder.build().unwrap();
                for email in ["a@example.com", "b@example.com"] {
                    let data = client.call(&forgot(email)).await.unwrap();
                    assert_eq!(data["echo"]["email"], email);
                }
                let first = if way == SetUpWay::Inline { 1 } else { 2 };
                assert_eq!(kinds(&fake), [first, 2]);
                assert_eq!((fake.count(PUBLIC_KEY), fake.session_count()), (1, 1));
                assert_eq!(fake.count(SESSION), usize::from(way == SetUpWay::Endpoint));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_calls_on_a_cold_client_make_one_session() {
    for way in BOTH_WAYS {
        let fake = Fake::new();
        fake.set(|state| state.delay = Duration::from_millis(20));
        let client = fake.client().with_set_up(way).build().unwrap();
        let calls: Vec<_> = (0..1000)
            .map(|number| {
                let client = client.clone();
                tokio::spawn(async move {
                    let email = format!("{number}@example.com");
                    assert_eq!(client.call(&forgot(&email)).await.unwrap()["echo"]["email"], email);
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!((fake.session_count(), fake.count(PUBLIC_KEY)), (1, 1));
        assert_eq!(fake.executed().len(), 1000);
        let inline = usize::from(way == SetUpWay::Inline);
        assert_eq!(kinds(&fake).iter().filter(|kind| **kind == 1).count(), inline);
        assert_eq!(fake.count(SESSION), 1 - inline);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_dropped_in_the_middle_of_a_set_up_holds_nobody_up() {
    for (way, hanging) in
        [(SetUpWay::Endpoint, SESSION), (SetUpWay::Endpoint, PUBLIC_KEY), (SetUpWay::Inline, FORGOT)]
    {
        let fake = Fake::new();
        let asked = AtomicUsize::new(0);
        fake.on(hanging, move |_, answer| (asked.fetch_add(1, Ordering::Relaxed) > 0).then_some(answer));
        let client = fake.client().with_set_up(way).build().unwrap();
        let dropped = tokio::spawn({
            let client = client.clone();
            async move { client.call(&forgot("dropped@example.com")).await }
        });
        while fake.count(hanging) == 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { client.call(&forgot("waiting@example.com")).await }
        });
        tokio::task::yield_now().await;
        dropped.abort();
        assert!(waiting.await.unwrap().is_ok(), "{hanging}");
        assert!(client.call(&forgot("later@example.com")).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_set_up_is_shared_by_those_who_waited_and_tried_again_by_those_who_come_later() {
    let fake = Fake::new();
    fake.set(|state| state.delay = Duration::from_millis(5));
    fake.on(SESSION, |_, _| Some(refuse_with(Code::KeyExchangeFailed)));
    let client = fake.client().build().unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call(&forgot("a@example.com")).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, ClientError::SetUp(SetUpError::Refused(_))), "{error:?}");
        assert!(!error.may_have_executed());
    }
    assert_eq!(fake.count(SESSION), 1);
    fake.on(SESSION, |_, answer| Some(answer));
    assert!(client.call(&forgot("a@example.com")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_set_up_is_attempted_again_with_other_keys_and_a_message_is_not() {
    let fake = Fake::new();
    let bodies = Arc::new(std::sync::Mutex::new(Vec::new()));
    fake.on(SESSION, {
        let bodies = Arc::clone(&bodies);
        move |request, answer| {
            let mut bodies = bodies.lock().unwrap();
            bodies.push(request.body().clone());
            Some(if bodies.len() < 3 { refuse_with(Code::Busy) } else { answer })
        }
    });
    let client = fake.client().build().unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    let sent = bodies.lock().unwrap().clone();
    assert_eq!(sent.len(), 3);
    assert!(sent[0] != sent[1] && sent[1] != sent[2], "set-up bytes are never sent twice");

    fake.on(FORGOT, |_, _| Some(refuse_with(Code::Busy)));
    let error = client.call(&forgot("b@example.com")).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { .. }), "{error:?}");
    assert_eq!(fake.count(FORGOT), 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_ends_by_the_time_out() {
    let fake = Fake::new();
    fake.on(PAY, |_, _| None);
    let client = fake.client().with_request_timeout(Duration::from_secs(7)).build().unwrap();
    let started = tokio::time::Instant::now();
    let error = client.call(&Pay { amount: 1 }).await.unwrap_err();
    assert!(matches!(error, ClientError::Transport(_)) && error.may_have_executed(), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_before_its_end_and_before_it_has_been_idle_too_long() {
    for way in BOTH_WAYS {
        let fake = Fake::new();
        fake.set(|state| state.ttl_ms = 10 * 60 * 1000);
        let client = fake.client().with_set_up(way).build().unwrap();
        client.call(&forgot("a@example.com")).await.unwrap();
        tokio::time::advance(Duration::from_secs(8 * 60)).await;
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(fake.session_count(), 1);
        tokio::time::advance(Duration::from_secs(90)).await;
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(fake.session_count(), 2, "renewed in its last minute");
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(fake.session_count(), 2);

        let fake = Fake::new();
        fake.set(|state| state.idle_s = Some(300));
        let client = fake.client().with_set_up(way).build().unwrap();
        for _ in 0..3 {
            client.call(&forgot("a@example.com")).await.unwrap();
            tokio::time::advance(Duration::from_secs(200)).await;
        }
        assert_eq!(fake.session_count(), 1, "not idle");
        tokio::time::advance(Duration::from_secs(75)).await;
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(fake.session_count(), 2, "nearly idle");
        tokio::time::advance(Duration::from_secs(301)).await;
        client.call(&forgot("a@example.com")).await.unwrap();
        assert_eq!(fake.session_count(), 3, "idle");
        assert!(fake.executed().len() >= 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_or_hangs_leaves_the_old_session_in_use() {
    let fake = Fake::new();
    fake.set(|state| state.ttl_ms = 10 * 60 * 1000);
    let client = fake.client().build().unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    tokio::time::advance(Duration::from_secs(9 * 60 + 10)).await;
    fake.on(SESSION, |_, _| Some(refuse_with(Code::Busy)));
    for _ in 0..10 {
        client.call(&forgot("a@example.com")).await.unwrap();
    }
    assert_eq!(fake.count(SESSION), 2, "one attempt in five seconds");

    tokio::time::advance(Duration::from_secs(6)).await;
    fake.on(SESSION, |_, _| None);
    let renewing = tokio::spawn({
        let client = client.clone();
        async move { client.call(&forgot("renewing@example.com")).await }
    });
    while fake.count(SESSION) == 2 {
        tokio::task::yield_now().await;
    }
    client.call(&forgot("others@example.com")).await.unwrap();
    assert!(!renewing.is_finished(), "the others did not wait for the one that renews");
    assert!(renewing.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn in_the_last_moments_of_a_session_everybody_waits_for_its_renewal() {
    let fake = Fake::new();
    fake.set(|state| (state.ttl_ms, state.delay) = (10 * 60 * 1000, Duration::from_millis(200)));
    let client = fake.client().build().unwrap();
    client.call(&Pay { amount: 1 }).await.unwrap();
    // Not over yet, but before a message can arrive.
    tokio::time::advance(Duration::from_millis(599_500)).await;
    fake.set(|state| state.delay = Duration::from_millis(500));
    let (pay, other) = (Pay { amount: 2 }, Pay { amount: 3 });
    let (one, other) = tokio::join!(client.call(&pay), client.call(&other));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert_eq!(fake.count(SESSION), 2);
}

#[tokio::test]
async fn a_session_is_renewed_at_80_percent_of_its_messages() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    // A message counts when it is sealed, whether or not it arrives.
    fake.set(|state| state.cut = true);
    let mut used = 1;
    while fake.count(SESSION) < 2 {
        let error = client.call(&forgot("a@example.com")).await.unwrap_err();
        assert!(matches!(error, ClientError::Transport(_)), "{error:?} after {used}");
        used += 1;
    }
    assert_eq!(used, 65_536 / 5 * 4 + 1);
}

#[tokio::test(start_paused = true)]
async fn the_public_key_is_kept_as_long_as_its_answer_says() {
    for (cache_control, seconds) in [(Some("max-age=60"), 60), (None, 300)] {
        let fake = Fake::new();
        fake.set(|state| state.cache_control = cache_control);
        let client = fake.client().build().unwrap();
        let mut expected = 1;
        for (wait, fetched) in [(0, false), (seconds - 1, false), (2, true)] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            client.call(&forgot("a@example.com")).await.unwrap();
            client.close().await.unwrap();
            expected += usize::from(fetched);
            assert_eq!(fake.count(PUBLIC_KEY), expected, "{cache_control:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_is_said_and_not_a_byte_longer() {
    for way in BOTH_WAYS {
        let fake = Fake::new();
        let ask = |longest| {
            let client = fake.client().with_set_up(way).with_max_answer(longest).build().unwrap();
            async move { client.call_json("/web/v1/other", None, br#"{"x":1}"#, Repeatable::No).await }
        };
        let len = ask(10_000).await.unwrap().len();
        assert_eq!(ask(len).await.unwrap().len(), len);
        let error = ask(len - 1).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Transport(error) if error.kind() == TransportErrorKind::TooLarge)
        );
        let client = fake.client().with_set_up(way).with_max_answer(1).build().unwrap();
        let error = client.call(&forgot("limited@example.com")).await.unwrap_err();
        assert!(matches!(error, ClientError::RateLimited { .. }), "a refusal is understood all the same");
    }
}

#[tokio::test]
async fn closing_ends_the_session_here_and_there() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    client.close().await.unwrap();
    assert_eq!(fake.count(CLOSE), 0, "nothing to close");
    client.call(&forgot("a@example.com")).await.unwrap();
    client.clone().close().await.unwrap();
    assert_eq!((fake.count(CLOSE), fake.session_count()), (1, 0));
    client.call(&forgot("a@example.com")).await.unwrap();
    assert_eq!(fake.count(SESSION), 2, "a later call sets up a new one");
}

#[tokio::test]
async fn the_last_clone_that_is_dropped_closes_the_session() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    client.call(&forgot("a@example.com")).await.unwrap();
    let clone = client.clone();
    drop(client);
    tokio::task::yield_now().await;
    assert_eq!(fake.count(CLOSE), 0);
    drop(clone);
    while fake.session_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.count(CLOSE), 1);
}

#[test]
fn dropping_a_client_outside_of_a_runtime_is_no_panic() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.call(&forgot("a@example.com"))).unwrap();
    drop(runtime);
    drop(client);
    assert_eq!(fake.count(CLOSE), 0);
}

#[tokio::test]
async fn any_endpoint_can_be_called_with_plain_json() {
    let fake = Fake::new();
    let client = fake.client().build().unwrap();
    let opened = client.call_json("/web/v1/other", None, br#"{"x":1}"#, Repeatable::No).await.unwrap();
    let opened: serde_json::Value = serde_json::from_slice(&opened).unwrap();
    assert_eq!((&opened["code"], &opened["data"]["echo"]["x"]), (&"2000".into(), &1.into()));
    let named = client.call_json(FORGOT, Some("password.forgot"), br#"{"email":"a"}"#, Repeatable::Yes).await;
    assert!(named.is_ok());
    for bad in ["", "no-slash", "/a b"] {
        let error = client.call_json(bad, None, b"{}", Repeatable::No).await.unwrap_err();
        assert!(matches!(error, ClientError::Message(_)), "{bad}");
    }
}

#[tokio::test]
async fn a_message_longer_than_the_channel_takes_is_not_sent() {
    for way in BOTH_WAYS {
        let fake = Fake::new();
        let client = fake.client().with_set_up(way).build().unwrap();
        let error = client.call(&forgot(&"x".repeat(1_048_576))).await.unwrap_err();
        assert!(matches!(error, ClientError::Message(_)) && !error.may_have_executed(), "{error:?}");
        assert_eq!(fake.count(FORGOT), 0);
    }
}

#[tokio::test]
async fn a_server_that_does_not_offer_bound_is_used_plain_unless_bound_is_required() {
    let fake = Fake::with(Server::default().with_bound(BoundPolicy::Off));
    assert!(fake.client().build().unwrap().call(&forgot("a@example.com")).await.is_ok());
    let strict = fake.client().with_profile(ProfileChoice::RequireBound).build().unwrap();
    let error = strict.call(&forgot("a@example.com")).await.unwrap_err();
    assert!(matches!(error, ClientError::SetUp(SetUpError::KeyRefused(_))), "{error:?}");
    assert_eq!(fake.executed().len(), 1);
}

#[tokio::test]
async fn only_a_pinned_key_is_taken() {
    let fake = Fake::new();
    let pinned = fake.client().with_pin([7; 32]).with_pin(fake.spki_sha256()).build().unwrap();
    assert!(pinned.call(&forgot("a@example.com")).await.is_ok());
    let other = fake.client().with_pin([7; 32]).build().unwrap();
    let error = other.call(&forgot("a@example.com")).await.unwrap_err();
    assert!(matches!(error, ClientError::SetUp(SetUpError::KeyRefused(_))), "{error:?}");
    assert_eq!((fake.count(SESSION), fake.count(PUBLIC_KEY)), (1, 2), "and nothing is sent under it");
}
