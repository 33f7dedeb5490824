//! The default transport against servers of a few lines each.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use sc_core::retry::Repeatable;
use sc_std::client::{
    ClientError, ProxyUse, ReqwestTransport, ScClient, SetUpError, Transport, TransportErrorKind,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CAP: usize = 100_000;

fn transport() -> ReqwestTransport {
    ReqwestTransport::new(Duration::from_secs(5), ProxyUse::None).unwrap()
}

/// A server that reads one request head and lets `answer` write; gives its address and counts requests and bytes.
async fn server<F, R>(answer: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, String, Arc<AtomicUsize>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counter = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&counter);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8(head).unwrap();
            tokio::spawn(answer(stream, head, Arc::clone(&shared)));
        }
    });
    (format!("http://{address}/prefix/x"), counter)
}

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn an_endless_body_is_not_read_beyond_the_cap() {
    let (uri, sent) = server(|mut stream, _, sent| async move {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        if stream.write_all(head).await.is_err() {
            return;
        }
        let chunk = [b"1000\r\n".as_slice(), &[b'S'; 0x1000], b"\r\n"].concat();
        while stream.write_all(&chunk).await.is_ok() {
            sent.fetch_add(0x1000, Ordering::Relaxed);
        }
    })
    .await;
    let error = transport().send(get(&uri), CAP).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::TooLarge);
    // What the sockets buffer is beyond the cap, but the server is stopped.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let after = sent.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(sent.load(Ordering::Relaxed), after);
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_long_is_not_read_at_all() {
    let (uri, _) = server(|mut stream, _, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n").await;
        // Never a byte of it: a client that reads would wait.
        tokio::time::sleep(Duration::from_secs(30)).await;
    })
    .await;
    let sent = tokio::time::timeout(Duration::from_secs(10), transport().send(get(&uri), CAP)).await.unwrap();
    assert_eq!(sent.unwrap_err().kind(), TransportErrorKind::TooLarge);
}

#[tokio::test]
async fn a_body_as_long_as_the_cap_is_taken_announced_or_in_chunks() {
    for (framing, before, after) in
        [("Content-Length: 100000", "", ""), ("Transfer-Encoding: chunked", "186a0\r\n", "\r\n0\r\n\r\n")]
    {
        let (uri, _) = server(move |mut stream, _, _| async move {
            let body = "S".repeat(CAP);
            let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{before}{body}{after}");
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await;
        assert_eq!(transport().send(get(&uri), CAP).await.unwrap().body().len(), CAP, "{framing}");
    }
}

#[tokio::test]
async fn a_redirect_comes_back_as_it_is_and_nothing_is_added_to_a_request() {
    let (uri, asked) = server(|mut stream, head, asked| async move {
        asked.fetch_add(1, Ordering::Relaxed);
        assert!(head.starts_with("GET /prefix/x HTTP/1.1\r\n"), "{head}");
        let lower = head.to_ascii_lowercase();
        for unasked in ["accept-encoding", "cookie", "referer", "authorization"] {
            assert!(!lower.contains(unasked), "{head}");
        }
        let _ = stream
            .write_all(b"HTTP/1.1 302 Found\r\nLocation: /prefix/y\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nno")
            .await;
    })
    .await;
    let transport = transport();
    for round in 1..=2 {
        let response = transport.send(get(&uri), CAP).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (302, &b"no"[..]));
        assert_eq!(response.headers()["location"], "/prefix/y");
        assert_eq!(asked.load(Ordering::Relaxed), round);
    }
}

/// Servers close a connection that was not used for some seconds, and a request that crosses that is lost, without anybody
/// knowing whether it was executed.
#[tokio::test]
async fn a_connection_that_was_not_used_for_seconds_is_not_used_again() {
    let (uri, connections) = server(|mut stream, _, connections| async move {
        connections.fetch_add(1, Ordering::Relaxed);
        let mut request = [0; 1024];
        loop {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_err() || stream.read(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
    })
    .await;
    let transport = transport();
    for (pause, expected) in [(0, 1), (0, 1), (5, 2)] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        assert!(transport.send(get(&uri), CAP).await.is_ok());
        assert_eq!(connections.load(Ordering::Relaxed), expected, "after {pause} s");
    }
}

#[tokio::test]
async fn no_connection_is_told_from_one_that_breaks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = transport().send(get(&nobody), CAP).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Connect);
    assert!(!error.to_string().contains("127.0.0.1"), "what is logged names no address: {error}");

    let (uri, _) = server(|mut stream, _, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    })
    .await;
    let error = transport().send(get(&uri), CAP).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Other);
}

/// A byte at a time, so that no timer between two bytes ever fires: only one for the whole request helps.
async fn drip(mut stream: TcpStream, start: &[u8]) {
    let _ = stream.write_all(start).await;
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn headers_or_a_body_that_never_end_are_given_up_by_the_time_out() {
    for start in [&b"HTTP/1.1 200 OK\r\nX-Slow: "[..], b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"] {
        let (uri, _) = server(move |stream, _, _| drip(stream, start)).await;
        let client = ScClient::builder(uri)
            .with_request_timeout(Duration::from_millis(200))
            .with_set_up_attempts(2, Duration::from_millis(1), Duration::from_millis(1))
            .build()
            .unwrap();
        let call = client.call_json("/x", None, b"{}", Repeatable::Yes);
        let error = tokio::time::timeout(Duration::from_secs(30), call).await.unwrap().unwrap_err();
        let ClientError::SetUp(SetUpError::Transport(cause)) = &error else { unreachable!("{error}") };
        assert_eq!(cause.kind(), TransportErrorKind::Timeout);
        assert!(!error.may_have_executed());
    }
}

#[tokio::test]
async fn headers_without_end_are_not_collected() {
    let (uri, sent) = server(|mut stream, _, sent| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        let header = [b"X-More: ".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
        while stream.write_all(&header).await.is_ok() {
            sent.fetch_add(header.len(), Ordering::Relaxed);
        }
    })
    .await;
    let transport = transport();
    let sending = tokio::time::timeout(Duration::from_secs(30), transport.send(get(&uri), CAP));
    assert_eq!(sending.await.unwrap().unwrap_err().kind(), TransportErrorKind::Other);
    // What the client reads at most, and what the sockets buffer.
    assert!(sent.load(Ordering::Relaxed) < 16 << 20);
}
