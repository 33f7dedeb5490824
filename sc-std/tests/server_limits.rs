//! What a flood or a slow stranger can do: nothing to the others. Over loopback sockets where the socket matters.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod server_support;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use sc_core::code::Code;
use sc_std::rate_limit::Limit;
use sc_std::server::ScRouter;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::store::StoreOptions;
use server_support::gate::Gate;
use server_support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A world on a socket.
struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn new(world: &World, options: ServeOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, world.app.clone(), options, stopped));
        Self { address, stop: Some(stop), task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and gives all that comes until the server closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may close before all was sent.
        let _ = stream.write_all(bytes).await;
        rest(&mut stream).await
    }

    async fn is_healthy(&self) -> bool {
        self.raw(b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 200")
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is a way to close, too.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(peer: &Peer, path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nx-client-hash: {DEVICE}\r\nx-sc-session-id: {}\r\n{more}\r\n",
        peer.session
    )
}

#[tokio::test]
async fn slow_headers_are_cut_and_half_open_connections_block_nobody() {
    let world = World::new();
    let options = ServeOptions::default().with_header_timeout(Duration::from_millis(300));
    let served = Served::new(&world, options).await;
    let mut open = Vec::new();
    for bytes in [&b""[..], b"POST", b"POST /echo HTTP/1.1\r\nhost: h\r\nx-client-hash: ", b"\r\n"] {
        for _ in 0..10 {
            let mut stream = served.connect().await;
            stream.write_all(bytes).await.unwrap();
            open.push(stream);
        }
    }
    assert!(served.is_healthy().await, "while forty others are half open");
    let cut = async {
        for stream in &mut open {
            rest(stream).await;
        }
    };
    timeout(Duration::from_secs(8), cut).await.expect("sooner than without the option");
}

#[tokio::test]
async fn a_connection_more_than_the_server_takes_waits_until_another_has_ended() {
    let world = World::new();
    let served = Served::new(&world, ServeOptions::default().with_max_connections(2)).await;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut taken = Vec::new();
    for _ in 0..2 {
        let mut stream = served.connect().await;
        stream.write_all(ask).await.unwrap();
        assert!(stream.read(&mut [0; 16]).await.unwrap() > 0, "two are taken");
        taken.push(stream);
    }
    let mut third = served.connect().await;
    third.write_all(ask).await.unwrap();
    let early = timeout(Duration::from_millis(300), third.read(&mut [0; 16])).await;
    assert!(early.is_err(), "a third is answered beside them");
    taken.pop();
    assert!(timeout(SOON, third.read(&mut [0; 16])).await.unwrap().unwrap() > 0, "there is a place");
}

#[tokio::test]
async fn a_slow_body_is_cut_and_refused() {
    let world =
        World::with(StoreOptions::default(), |builder| builder.with_body_timeout(Duration::from_millis(200)));
    let peer = world.peer_in_session().await;
    let served = Served::new(&world, ServeOptions::default()).await;
    for more in ["content-length: 100\r\n", "transfer-encoding: chunked\r\n"] {
        let mut stream = served.connect().await;
        stream.write_all(head(&peer, ECHO, more).as_bytes()).await.unwrap();
        stream.write_all(b"5\r\nSC\x02").await.unwrap();
        assert!(served.is_healthy().await);
        let answer = rest(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains(Code::InvalidPayload.as_str()),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_oversized_body_is_refused_before_it_was_sent() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let served = Served::new(&world, ServeOptions::default()).await;
    for length in ["1049893", "9223372036854775807"] {
        let answer = served.raw(head(&peer, ECHO, &format!("content-length: {length}\r\n")).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains(Code::TooLarge.as_str()), "{answer}");
    }
    // Without a length, reading stops at the cap, although the sender never ends.
    let mut stream = served.connect().await;
    stream.write_all(head(&peer, ECHO, "transfer-encoding: chunked\r\n").as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[7; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1000 && stream.write_all(&chunk).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 1000, "the server stops reading long before 62 MiB");
}

#[tokio::test]
async fn a_shutdown_finishes_the_request_under_way_and_takes_no_other() {
    let mut world = World::new();
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = post(move || async move {
        begins.notify_one();
        goes.notified().await;
        "done"
    });
    world.app = ScRouter::new(world.server.clone()).sealed("/slow", "slow", slow).into_router();
    let peer = world.peer_in_session().await;
    let mut served = Served::new(&world, ServeOptions::default()).await;
    let body = peer.seal(b"x");
    let mut stream = served.connect().await;
    let head = head(&peer, "/slow", &format!("content-length: {}\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    begun.notified().await;
    let _idle = served.connect().await;
    served.stop.take().unwrap().send(()).unwrap();
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!served.task.is_finished());
    go.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    timeout(SOON, served.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_waits_for_a_request_under_way_no_longer_than_the_drain_timeout() {
    let mut world = World::new();
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let endless = post(move || async move {
        begins.notify_one();
        std::future::pending::<()>().await;
    });
    world.app = ScRouter::new(world.server.clone()).sealed("/slow", "slow", endless).into_router();
    let peer = world.peer_in_session().await;
    let options = ServeOptions::default().with_drain_timeout(Duration::from_millis(200));
    let mut served = Served::new(&world, options).await;
    let body = peer.seal(b"x");
    let mut stream = served.connect().await;
    let head = head(&peer, "/slow", &format!("content-length: {}\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    begun.notified().await;
    served.stop.take().unwrap().send(()).unwrap();
    timeout(SOON, served.task).await.expect("the request is cut off").unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_reads_no_answer_loses_its_place() {
    let mut world = World::new();
    let large = get(|| async { vec![b'x'; 32 << 20] });
    world.app = routes(&world.server).plain("/large", large).into_router();
    let options =
        ServeOptions::default().with_write_timeout(Duration::from_millis(200)).with_max_connections(1);
    let served = Served::new(&world, options).await;
    let mut stuck = served.connect().await;
    stuck.write_all(b"GET /large HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(served.is_healthy().await, "the only place is free again");
}

#[tokio::test]
async fn inputs_that_smuggle_are_refused_or_end_the_connection() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let served = Served::new(&world, ServeOptions::default()).await;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n";
    for more in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 6\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "x: a\r\n folded\r\ncontent-length: 0\r\n",
        "x-sc-session-id: sess_\0\r\n",
        "x: \u{7f}\r\n",
    ] {
        let bytes =
            format!("{}0\r\n\r\n{hidden}", head(&peer, ECHO, &format!("connection: close\r\n{more}")));
        let answer = served.raw(bytes.as_bytes()).await;
        assert!(!answer.contains("HTTP/1.1 200"), "{more:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{more:?}: {answer}");
    }
    assert!(served.is_healthy().await);
    assert!(world.is_alive(&peer).await);
}

#[tokio::test]
async fn chunks_of_any_size_and_trailers_make_one_body() {
    let world = World::new();
    let peer = world.peer_in_session().await;
    let served = Served::new(&world, ServeOptions::default()).await;
    let mut bytes =
        head(&peer, ECHO, "transfer-encoding: chunked\r\ntrailer: x-sc-session-id\r\nconnection: close\r\n")
            .into_bytes();
    for byte in peer.seal(b"hello") {
        bytes.extend([b"01;ext=1\r\n".as_slice(), &[byte], b"\r\n"].concat());
    }
    bytes.extend(b"0\r\nx-sc-session-id: sess_of_a_trailer\r\n\r\n");
    let answer = served.raw(&bytes).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn one_at_a_time(waiting: usize) -> (Arc<Gate>, World) {
    let (gate, keys) = Gate::ring();
    let world = World::on(keys, StoreOptions::default(), |builder| {
        let limit = Limit::new(10_000, 1);
        builder.with_admission(NonZeroUsize::MIN, waiting).with_set_up_limit(limit)
    });
    (gate, world)
}

#[tokio::test]
async fn while_fifty_set_ups_wait_for_the_rsa_key_sealed_requests_are_answered() {
    let (gate, world) = one_at_a_time(50);
    let mut peer = world.peer();
    let (first, body) = (world.clone(), peer.set_up());
    let first = tokio::spawn(async move { first.post(SESSION, &[HASH], body).await });
    gate.open();
    let reply = first.await.unwrap();
    peer.session = reply.json()["data"]["sessionId"].as_str().unwrap().to_owned();
    let begun = gate.begun();
    gate.close();
    let flood: Vec<_> = (0..50)
        .map(|_| {
            let (world, body) = (world.clone(), world.peer().set_up());
            tokio::spawn(async move { world.post(SESSION, &[HASH], body).await.status })
        })
        .collect();
    gate.has_begun(begun + 1).await;
    for _ in 0..100 {
        assert!(world.is_alive(&peer).await);
    }
    assert!(flood.iter().all(|set_up| !set_up.is_finished()), "all of them still wait");
    gate.open();
    for set_up in flood {
        assert_eq!(timeout(SOON, set_up).await.unwrap().unwrap(), 200);
    }
}

#[tokio::test]
async fn set_ups_beyond_the_queue_are_busy_and_requests_given_up_lose_no_place() {
    let (gate, world) = one_at_a_time(2);
    let set_up = || {
        let (world, body) = (world.clone(), world.peer().set_up());
        tokio::spawn(async move { world.post(SESSION, &[HASH], body).await })
    };
    for _ in 0..5 {
        let begun = gate.begun();
        let given_up = [set_up(), set_up(), set_up()];
        gate.has_begun(begun + 1).await;
        // One runs, two wait; the fourth is refused.
        let busy = timeout(SOON, set_up()).await.unwrap().unwrap();
        assert_eq!(busy.refusal(), refused(Code::Busy));
        assert!(busy.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        for request in &given_up {
            request.abort();
        }
        for request in given_up {
            assert!(request.await.unwrap_err().is_cancelled());
        }
        gate.open();
        let reply = timeout(SOON, set_up()).await.unwrap().unwrap();
        assert_eq!(reply.status, 200, "the places came back");
        gate.close();
    }
    assert_eq!(world.server.store().sessions(), 5, "what was given up made no session");
}
