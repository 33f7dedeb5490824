//! What the layer does when a handler fails it, and when strangers try to fill the memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod server_support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use sc_core::code::Code;
use sc_std::clock::Clock;
use sc_std::server::ScRouter;
use server_support::*;
use tower::{Layer, Service, ServiceExt, service_fn};

#[tokio::test]
async fn a_handler_that_panics_is_a_sealed_error_like_any_other() {
    let mut world = World::new();
    let broken = || async {
        if std::hint::black_box(true) {
            panic!("as the test wants");
        }
    };
    world.app = ScRouter::new(world.server.clone()).sealed(ECHO, "echo", post(broken)).into_router();
    let peer = world.peer_in_session().await;
    let reply = world.echo(&peer, peer.seal(b"{}")).await;
    assert_eq!(reply.status, 500);
    let opened: serde_json::Value = serde_json::from_slice(&peer.open(&reply)).unwrap();
    assert_eq!(opened["code"], Code::InternalError.as_str());
    assert!(!opened.to_string().contains("as the test wants"));
}

#[tokio::test]
async fn an_inner_service_that_fails_is_a_sealed_error_too() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let broken = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>("out of order") });
    let service = world.server.layer().with_message_name("echo").layer(broken);
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    let answer = service.oneshot(request("POST", ECHO, &headers, peer.seal(b"{}"))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    assert!(body.starts_with(b"SC\x02\x81"), "sealed");
}

/// A service that is ready, or not, or has failed.
#[derive(Clone)]
struct Inner(Poll<Result<(), &'static str>>);

impl Service<Request<Body>> for Inner {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = Ready<Result<Response<Body>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.0
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Err("not called"))
    }
}

#[test]
fn the_layer_is_as_ready_as_the_service_behind_it() {
    let layer = World::new().server.layer();
    for state in [Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Err("out of order"))] {
        let polled = layer.layer(Inner(state)).poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
        assert_eq!(polled, state);
    }
}

#[tokio::test]
async fn answers_do_not_carry_digests_of_their_plaintext() {
    let mut world = World::new();
    let tagged =
        || async { ([("etag", "\"x\""), ("digest", "x"), ("content-md5", "x")], "x").into_response() };
    world.app = ScRouter::new(world.server.clone()).sealed(ECHO, "echo", post(tagged)).into_router();
    let peer = world.peer_in_session().await;
    let reply = world.echo(&peer, peer.seal(b"{}")).await;
    assert_eq!(peer.open(&reply), b"x");
    for name in ["etag", "digest", "content-md5"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
}

/// A body that sends 100 KiB and then nothing more, for ever.
fn endless() -> Body {
    let mut first = Some(Bytes::from(vec![b'S'; 100 * 1024]));
    let stream = futures_util::stream::poll_fn(move |_| match first.take() {
        Some(bytes) => Poll::Ready(Some(Ok::<_, Infallible>(Frame::data(bytes)))),
        None => Poll::Pending,
    });
    Body::new(StreamBody::new(stream))
}

#[tokio::test]
async fn large_bodies_that_open_nothing_run_out_of_places_and_small_ones_do_not() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let mut held = Vec::new();
    for _ in 0..256 {
        let sent = world.app.clone().oneshot(request("POST", ECHO, &[HASH], endless()));
        held.push(tokio::spawn(sent));
    }
    // One turn of the runtime polls only some of the tasks.
    for _ in 0..256 {
        tokio::task::yield_now().await;
    }
    let reply = world.post(ECHO, &[HASH], vec![b'S'; 100 * 1024]).await;
    assert_eq!(reply.refusal(), refused(Code::Busy));
    assert!(reply.header("retry-after").is_some());
    assert!(world.is_alive(&peer).await, "small messages of sessions pass");

    for task in held {
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
    }
    let reply = world.post(ECHO, &[HASH], vec![b'S'; 100 * 1024]).await;
    assert_eq!(reply.refusal(), refused(Code::InvalidPayload), "places come back");
}

#[tokio::test]
async fn a_revoked_key_takes_its_sessions_with_it_and_sets_up_no_more() {
    let world = World::new();
    let (peer, late) = (world.peer_in_session().await, world.peer());
    let published = world.server.keys().published(world.clock.now()).unwrap();
    world.server.revoke_key(&published.key_id).await.unwrap();
    let reply = world.echo(&peer, peer.seal(b"{}")).await;
    assert_eq!(reply.refusal(), refused(Code::SessionNotFound));
    let reply = world.post(SESSION, &[HASH], late.set_up()).await;
    assert_eq!(reply.refusal(), refused(Code::InvalidKeyId));
}

#[tokio::test]
async fn housekeeping_destroys_sessions_that_are_over_without_any_traffic() {
    let world = World::new();
    let _peer = world.peer_in_session().await;
    assert_eq!(world.server.store().sessions(), 1);
    world.clock.advance(5 * 60 * 1000);
    let housekeeping = world.server.spawn_housekeeping();
    // A timer of the runtime wakes the task; the limit is only there so that a failure does not hang.
    let swept = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while world.server.store().sessions() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    assert!(swept.await.is_ok(), "an unused session ends after five minutes");
    housekeeping.abort();
}
