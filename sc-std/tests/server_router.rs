//! Routes: what is registered as sealed is reached in no other way, whatever the method or the spelling of the path.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use axum::routing::{any, get, post};
use sc_core::code::Code;
use sc_std::server::ScRouter;
use server_support::*;

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"];

#[tokio::test]
async fn no_handler_of_a_sealed_route_is_reached_in_the_clear_by_any_method() {
    let mut world = World::new();
    let open = || async { "in the clear" };
    world.app = ScRouter::new(world.server.clone())
        .sealed("/any", "a", any(open))
        .sealed("/fallback", "b", post(open).fallback(open))
        .sealed("/get", "c", get(open))
        .sealed("/post", "d", post(open))
        .sealed("/both", "e", post(open))
        .sealed("/both", "e", get(open))
        .into_router();
    for path in ["/any", "/fallback", "/get", "/post", "/both"] {
        for method in METHODS {
            let reply = world.ask(method, path, &[HASH], b"{\"email\":\"a@b\"}".to_vec()).await;
            assert!(matches!(reply.status, 400 | 405), "{method} {path} {reply:?}");
            assert!(!reply.body.windows(9).any(|part| part == b"the clear"), "{method} {path} {reply:?}");
            if method != "HEAD" {
                reply.refusal();
            }
        }
    }
}

#[tokio::test]
async fn a_fallback_of_the_callers_own_is_reached_through_the_channel() {
    let mut world = World::new();
    world.app = ScRouter::new(world.server.clone())
        .sealed(ECHO, "echo", post(|| async { "post" }).fallback(|| async { "other" }))
        .into_router();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    for (method, said) in [("POST", "post"), ("PUT", "other")] {
        let reply = world.ask(method, ECHO, &headers, peer.seal(b"x")).await;
        assert_eq!(peer.open(&reply), said.as_bytes());
    }
}

#[tokio::test]
async fn get_head_and_options_cannot_be_sealed_even_where_every_method_is_routed() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    for method in METHODS {
        let reply = world.ask(method, "/any", &headers, peer.seal(b"x")).await;
        match method {
            "GET" | "OPTIONS" => assert_eq!(reply.refusal(), refused(Code::MethodNotAllowed), "{method}"),
            "HEAD" => assert_eq!((reply.status, reply.body.len()), (405, 0)),
            // axum answers CONNECT by itself where no handler names it.
            "CONNECT" => assert!(!reply.is_sealed() || reply.status == 200),
            _ => assert_eq!(peer.open(&reply), b"x", "{method}"),
        }
    }
    assert!(world.is_alive(&peer).await);
}

#[tokio::test]
async fn a_path_that_is_spelled_otherwise_is_another_path() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    for path in [
        "/%65cho",
        "/echo/",
        "//echo",
        "/ECHO",
        "/./echo",
        "/x/../echo",
        "/echo;a=b",
        "/echo%00",
        "/echo%2f",
        "/%2fecho",
        "/",
        "*",
        "/echo%20",
        "/\u{e9}cho",
    ] {
        let Ok(uri) = path.parse::<http::Uri>() else { continue };
        let mut request = request("POST", "/", &headers, peer.seal(b"x"));
        *request.uri_mut() = uri;
        assert_eq!(world.send(request).await.refusal(), refused(Code::NotFound), "{path}");
    }
    for path in ["/echo?query=1", "http://other.host/echo", "/echo?"] {
        assert!(world.post(path, &headers, peer.seal(b"x")).await.is_sealed(), "{path}");
    }
    for path in
        ["/web/v1/secure-channel/%73ession", "/web/v1/secure-channel/session/", "/web/v1/secure-channel"]
    {
        assert_eq!(
            world.post(path, &[HASH], peer.set_up()).await.refusal(),
            refused(Code::NotFound),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_before_anything_else_is_looked_at() {
    let world = World::new();
    // No client hash, no session, no envelope, two session headers that differ.
    let bad = [("x-sc-session-id", "a"), ("x-sc-session-id", "b"), ("x-sc-version", "7")];
    assert_eq!(world.post("/nowhere", &bad, vec![0; 2 << 20]).await.refusal(), refused(Code::NotFound));
    for (method, path) in [
        ("GET", ECHO),
        ("PUT", ECHO),
        ("OPTIONS", ECHO),
        ("GET", SESSION),
        ("GET", CLOSE),
        ("OPTIONS", SESSION),
        ("POST", PUBLIC_KEY),
        ("DELETE", PUBLIC_KEY),
        ("POST", "/healthz"),
    ] {
        let reply = world.ask(method, path, &bad, vec![0; 2 << 20]).await;
        assert_eq!(reply.refusal(), refused(Code::MethodNotAllowed), "{method} {path}");
    }
}
