//! Inputs that nobody honest sends: the server neither panics nor opens, and lives on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use sc_core::code::Code;
use sc_std::server::ScRouter;
use sc_std::store::StoreOptions;
use server_support::*;
use tower::{Layer, ServiceExt};

/// A body of given frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

fn frames(parts: impl IntoIterator<Item = Frame<Bytes>>) -> Body {
    Body::new(Frames(parts.into_iter().collect()))
}

#[tokio::test]
async fn empty_frames_and_trailers_change_nothing() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    let mut parts = Vec::new();
    for byte in peer.seal(b"hello") {
        parts.push(Frame::data(Bytes::new()));
        parts.push(Frame::data(Bytes::from(vec![byte])));
    }
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-client-hash"),
        HeaderValue::from_static("other"),
    )]);
    parts.push(Frame::trailers(trailers));
    let reply = world.send(request("POST", ECHO, &headers, frames(parts))).await;
    assert_eq!(peer.open(&reply), b"hello");
    let nothing = (0..100_000).map(|_| Frame::data(Bytes::new()));
    let reply = world.send(request("POST", ECHO, &headers, frames(nothing))).await;
    assert_eq!(reply.refusal(), refused(Code::InvalidPayload));
}

#[tokio::test]
async fn trailers_of_a_handler_do_not_leave_the_channel() {
    let mut world = World::new();
    let answer = || async {
        let trailers = HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static("SECRET"))]);
        frames([Frame::data(Bytes::from_static(b"said")), Frame::trailers(trailers)])
    };
    world.app = ScRouter::new(world.server.clone()).sealed(ECHO, "echo", post(answer)).into_router();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    let request = request("POST", ECHO, &headers, peer.seal(b"x"));
    let mut body = world.app.clone().oneshot(request).await.unwrap().into_body();
    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
        assert!(frame.unwrap().is_data());
    }
}

#[tokio::test]
async fn what_a_handler_says_about_the_body_does_not_leave_the_channel() {
    let mut world = World::new();
    let answer = || async {
        let headers = [
            ("content-type", "text/html"),
            ("content-length", "4"),
            ("content-encoding", "gzip"),
            ("cache-control", "public, max-age=9999"),
            ("x-request-id", "made up"),
        ];
        (headers, "said")
    };
    world.app = ScRouter::new(world.server.clone()).sealed(ECHO, "echo", post(answer)).into_router();
    let peer = world.peer_in_session().await;
    let reply = world.echo(&peer, peer.seal(b"x")).await;
    assert_eq!(peer.open(&reply), b"said");
    assert_eq!(reply.header("content-type"), Some(JSON));
    assert_eq!(reply.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(reply.header("content-encoding"), None);
    assert!(reply.header("content-length").is_none_or(|length| length == "36"));
    assert_eq!(reply.header("x-request-id").map(str::len), Some(36));
}

#[tokio::test]
async fn headers_of_any_bytes_are_refused_or_ignored_and_never_come_back() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let values: [&[u8]; 8] = [
        b"",
        b"\xff\xfe",
        b"a\tb",
        &[b'a'; 60_000],
        b"\"",
        b"<script>",
        b"%0d%0aset-cookie: a=b",
        "\u{202e}".as_bytes(),
    ];
    for name in [
        "x-sc-session-id",
        "x-sc-version",
        "x-client-hash",
        "x-request-id",
        "content-length",
        "content-type",
        "accept-language",
        "x-secure-channel-session-id",
        "content-encoding",
        "transfer-encoding",
        "cf-connecting-ip",
    ] {
        for value in values {
            for path in [ECHO, SESSION, CLOSE, PUBLIC_KEY] {
                let headers = [HASH, ("x-sc-session-id", &*peer.session)];
                let mut request =
                    request(if path == PUBLIC_KEY { "GET" } else { "POST" }, path, &headers, peer.seal(b"x"));
                if path == CLOSE {
                    request.headers_mut().remove("x-sc-session-id");
                }
                request.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
                let reply = world.send(request).await;
                assert!(reply.status < 500, "{name} {value:?} {path} {reply:?}");
                let echoed =
                    reply.headers.values().any(|header| header.as_bytes() == value && value.len() > 1);
                assert!(!echoed, "{name} {value:?} {path} {reply:?}");
                let told = reply.body.windows(value.len().max(8)).any(|part| part == value);
                assert!(!told, "{name} {value:?} {path}");
            }
        }
    }
    assert!(world.is_alive(&peer).await);
}

#[tokio::test]
async fn every_prefix_and_every_changed_byte_of_a_first_message_is_refused_without_a_panic() {
    let world = World::with(StoreOptions::default(), |builder| {
        builder.with_set_up_limit(sc_std::rate_limit::Limit::new(1_000_000, 1))
    });
    let good = world.peer().first(b"hello");
    for len in 0..good.len() {
        assert!(world.post(ECHO, &[HASH], good[..len].to_vec()).await.status >= 400, "{len}");
    }
    let head = 5 + usize::from(good[4]);
    for at in (0..head + 4).chain(head + 255..head + 262).chain(good.len() - 35..good.len()) {
        for flip in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            let reply = world.post(ECHO, &[HASH], bad).await;
            assert!(matches!(reply.status, 400 | 404), "{at} {reply:?}");
            assert_ne!(reply.refusal().1, Code::InternalError.as_str(), "{at}");
        }
    }
    assert_eq!(world.server.store().sessions(), 0);
    assert_eq!(world.post(ECHO, &[HASH], good).await.status, 200, "none of them spent the wrapped keys");
}

#[tokio::test]
async fn text_envelopes_of_any_shape_are_refused_without_a_panic() {
    let world = World::with(StoreOptions::default(), |builder| builder.with_text_envelope());
    let peer = world.peer_in_session().await;
    let p = base64(&peer.seal(b"x")[4..]);
    for text in [
        "{".to_owned(),
        "{}".to_owned(),
        "{{".to_owned(),
        "{\"v\":2}".to_owned(),
        format!("{{\"p\":\"{p}\"}}"),
        format!("{{\"v\":1,\"p\":\"{p}\"}}"),
        format!("{{\"v\":\"2\",\"p\":\"{p}\"}}"),
        format!("{{\"v\":2.0,\"p\":\"{p}\"}}"),
        format!("{{\"v\":2,\"p\":\"{p}\",\"x\":1}}"),
        format!("{{\"v\":2,\"v\":2,\"p\":\"{p}\"}}"),
        format!("{{\"v\":2,\"p\":\"{p}\"}}x"),
        format!("{{\"v\":2,\"p\":[\"{p}\"]}}"),
        format!("{{\"v\":2,\"p\":\"{p}=\"}}"),
        format!("{{\"v\":2,\"p\":\"{}\"}}", &p[..8]),
        "{\"v\":2,\"p\":\"\"}".to_owned(),
        "{\"v\":2,\"p\":null}".to_owned(),
        format!("{{\"v\":2,\"p\":\"{}\"}}", "A".repeat(1_000_000)),
        "{".repeat(200_000),
    ] {
        let reply = world.echo(&peer, text.clone().into_bytes()).await;
        assert_eq!(reply.refusal(), refused(Code::InvalidPayload), "{}", &text[..text.len().min(80)]);
    }
    let reply = world.echo(&peer, format!("\n {{ \"p\" : \"{p}\", \"v\" : 2 }} ").into_bytes()).await;
    assert!(
        reply.body.starts_with(b"{\"v\":2,\"p\":"),
        "white space is legal JSON; answered in kind: {reply:?}"
    );
    let large = vec![0x53; (1 << 20) + 1317];
    assert_eq!(
        world.echo(&peer, large).await.refusal(),
        refused(Code::TooLarge),
        "the cap of the binary form"
    );
    assert!(world.is_alive(&peer).await);
}

#[tokio::test]
async fn the_bare_layer_protects_every_path_and_refuses_those_that_no_message_can_name() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let inner = tower::service_fn(|request: http::Request<Body>| async move {
        Ok::<_, Infallible>(http::Response::new(request.into_body()))
    });
    let service = world.server.layer().layer(inner);
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    let call = async |path: &str, body: Vec<u8>| {
        service.clone().oneshot(request("POST", path, &headers, body)).await.unwrap().status()
    };
    for path in ["/a", "/a/", "/%41", "/web/v1/secure-channel/%73ession", "/?x"] {
        assert_eq!(call(path, b"plain".to_vec()).await, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(call("/a", peer.seal(b"x")).await, StatusCode::OK);
    // A path that cannot be a name is no endpoint: told first, as any unknown path.
    assert_eq!(call("/\u{e9}", peer.seal(b"x")).await, StatusCode::NOT_FOUND);
    let long = format!("/{}", "a".repeat(300));
    assert_eq!(call(&long, peer.seal(b"x")).await, StatusCode::NOT_FOUND);
    assert_eq!(call(&long, b"plain".to_vec()).await, StatusCode::NOT_FOUND);
    let bad = service.clone().oneshot(request("POST", &long, &[], vec![0; 2 << 20])).await.unwrap();
    assert_eq!(bad.status(), StatusCode::NOT_FOUND, "before headers and size");
}

#[tokio::test]
async fn an_informational_status_of_a_handler_is_an_internal_error() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let headers = [HASH, ("x-sc-session-id", &*peer.session)];
    for code in ["100", "101", "103"] {
        let reply = world.post(&format!("/status/{code}"), &headers, peer.seal(b"x")).await;
        assert_eq!(reply.status, 500, "{code}");
        assert!(peer.open(&reply).windows(21).any(|part| part == b"SYSTEM.INTERNAL_ERROR"));
    }
}
