//! Hostile traffic: requests of every kind, set-ups that nobody uses, connections that stay open, crawl or vanish.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand_core::Rng;
use sc_std::rng::SystemSeeded;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::board::{Board, one};
use crate::hostile::{KINDS, half_open, hostile};
use crate::serve::Http;
use crate::server_support::{CLOSE, DEVICE, FORGOT, PUBLIC_KEY, Peer, SESSION};

/// Callers of hostile requests, each about ten a second.
const CALLERS: u32 = 10;
/// Set-ups at once from one address, half as many again as it may.
const FLOOD: u64 = 60;

/// Starts all of it.
pub async fn start(url: &str, board: &Arc<Board>) -> Vec<JoinHandle<()>> {
    let run = |task: fn(Arc<str>, Arc<Board>, u32) -> BoxFuture, number: u32| {
        tokio::spawn(task(url.into(), Arc::clone(board), number))
    };
    let mut tasks: Vec<_> =
        (0..CALLERS).map(|number| run(|u, b, n| Box::pin(requests(u, b, n)), number)).collect();
    for number in 0..2 {
        tasks.push(run(|u, b, n| Box::pin(unused(u, b, n)), number));
    }
    tasks.push(run(|u, b, _| Box::pin(flood(u, b)), 0));
    tasks.push(run(|u, b, _| Box::pin(open_and_stay(u, b)), 0));
    tasks.push(run(|u, b, _| Box::pin(crawl(u, b)), 0));
    tasks.push(run(|u, b, _| Box::pin(vanish(u, b)), 0));
    tasks
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sends one request from an address. A connection that breaks is no fault: hostile ones may be cut off.
async fn post(
    http: &Http,
    url: &str,
    path: &str,
    address: &str,
    session: &str,
    body: Vec<u8>,
) -> Option<crate::server_support::Reply> {
    let headers = [("cf-connecting-ip", address), ("x-sc-session-id", session)];
    let headers = if session.is_empty() { &headers[..1] } else { &headers };
    http.try_send("POST", &format!("{url}{path}"), headers, body).await.ok()
}

/// A new peer under the key that is published now.
pub async fn peer(http: &Http, url: &str) -> Option<Peer> {
    let reply = http.try_send("GET", &format!("{url}{PUBLIC_KEY}"), &[], Vec::new()).await.ok()?;
    let json = reply.json();
    let spki =
        <base64ct::Base64 as base64ct::Encoding>::decode_vec(json["data"]["publicKey"].as_str()?).ok()?;
    Some(Peer::of_key(json["data"]["keyId"].as_str()?, &spki))
}

/// A peer whose session is set up, from an address.
pub async fn session(http: &Http, url: &str, address: &str) -> Result<Peer, u16> {
    let mut peer = peer(http, url).await.ok_or(0_u16)?;
    let reply = post(http, url, SESSION, address, "", peer.set_up()).await.ok_or(0_u16)?;
    if reply.status != 200 {
        return Err(reply.status);
    }
    reply.json()["data"]["sessionId"].as_str().unwrap().clone_into(&mut peer.session);
    Ok(peer)
}

/// Hostile requests of every kind; the victim is a session that was real, and is another one after a while.
async fn requests(url: Arc<str>, board: Arc<Board>, caller: u32) {
    let http = Http::new();
    let mine = format!("198.18.{caller}.1");
    while !board.is_stopped() {
        let (Ok(victim), Some(set_up)) = (session(&http, &url, &mine).await, peer(&http, &url).await) else {
            board.pause(Duration::from_secs(5)).await;
            continue;
        };
        let recorded = victim.seal(b"{}");
        let first = post(&http, &url, FORGOT, &mine, &victim.session, recorded.clone()).await;
        if first.is_none_or(|reply| !reply.is_sealed()) && !board.excuses().await {
            board.fault("the victim's own message was not opened".to_owned());
        }
        for _ in 0..200 {
            if board.is_stopped() {
                return;
            }
            let kind = SystemSeeded.next_u32() % KINDS;
            let (path, session, body) = hostile(kind, &victim, &recorded, &set_up);
            let address = format!("198.51.{caller}.{}", SystemSeeded.next_u32() % 250);
            if let Some(reply) = post(&http, &url, path, &address, &session, body).await {
                // One set-up wins against its own copies; a close of nothing is a success.
                let fine = reply.status >= 400 || path == CLOSE || path == SESSION;
                if reply.is_sealed() || !fine {
                    board.fault(format!("hostile request of kind {kind}: {reply:?}"));
                }
            }
            one(&board.hostile);
            board.pause(Duration::from_millis(100)).await;
        }
    }
}

/// Set-ups that nobody uses, some sealed into one envelope with a message whose answer nobody reads.
async fn unused(url: Arc<str>, board: Arc<Board>, number: u32) {
    let http = Http::new();
    while !board.is_stopped() {
        let address = format!("198.19.{number}.{}", SystemSeeded.next_u32() % 250);
        if let Ok(peer) = session(&http, &url, &address).await {
            one(&board.unused);
            // One in four is used once, and then left alone.
            if SystemSeeded.next_u32().is_multiple_of(4) {
                drop(post(&http, &url, FORGOT, &address, &peer.session, peer.seal(b"{}")).await);
            }
        }
        board.pause(Duration::from_millis(500)).await;
    }
}

/// Set-ups far beyond the limit of one address, with keys that do not unwrap.
async fn flood(url: Arc<str>, board: Arc<Board>) {
    let http = Http::new();
    while !board.is_stopped() {
        let Some(peer) = peer(&http, &url).await else { continue };
        let replies = (0..FLOOD).map(|_| {
            let wrapped = [(); 2].map(|()| wrap_nothing(&peer));
            let body = Peer::of_wrapped(&peer.key_id, wrapped).set_up();
            post(&http, &url, SESSION, "198.20.0.1", "", body)
        });
        let replies = futures_util::future::join_all(replies).await;
        let limited = replies.iter().flatten().filter(|reply| reply.status == 429).count();
        board.hostile.fetch_add(FLOOD, Ordering::Relaxed);
        if limited == 0 && !board.excuses().await {
            board.fault(format!(
                "{FLOOD} set-ups at once from one address, and none was refused: {replies:?}"
            ));
        }
        board.pause(Duration::from_secs(5)).await;
    }
}

/// Bytes as long as a wrapped key, below the modulus.
fn wrap_nothing(peer: &Peer) -> Vec<u8> {
    let mut bytes = crate::hostile::random(peer.wrapped[0].len());
    bytes[0] = 0;
    bytes
}

/// Connections that send a part and stay, until the server closes them.
async fn open_and_stay(url: Arc<str>, board: Arc<Board>) {
    let mut open = std::collections::VecDeque::new();
    for number in 0.. {
        if board.is_stopped() {
            return;
        }
        if let Ok(stream) = half_open(&url, number) {
            one(&board.half_open);
            open.push_back(stream);
        }
        // The server has given up on the oldest long ago; keep them from filling this process.
        if open.len() > 100 {
            open.pop_front();
        }
        board.pause(Duration::from_millis(400)).await;
    }
}

fn head(length: usize) -> String {
    format!(
        "POST {FORGOT} HTTP/1.1\r\nhost: x\r\nx-client-hash: {DEVICE}\r\nx-sc-session-id: sess_{}\r\ncontent-length: {length}\r\n\r\n",
        "A".repeat(32)
    )
}

async fn connect(url: &str) -> Option<TcpStream> {
    TcpStream::connect(url.trim_start_matches("http://")).await.ok()
}

/// Bodies of a megabyte at a few bytes a second.
async fn crawl(url: Arc<str>, board: Arc<Board>) {
    while !board.is_stopped() {
        let mut crawling = Vec::new();
        for _ in 0..8 {
            if let Some(mut stream) = connect(&url).await
                && stream.write_all(head(1_000_000).as_bytes()).await.is_ok()
            {
                crawling.push(stream);
                one(&board.half_open);
            }
        }
        for _ in 0..45 {
            for stream in &mut crawling {
                // The server may have given up.
                drop(stream.write_all(b"SC").await);
            }
            board.pause(Duration::from_secs(1)).await;
        }
    }
}

/// Whole requests whose sender is gone before the answer, or in the middle of the body.
async fn vanish(url: Arc<str>, board: Arc<Board>) {
    while !board.is_stopped() {
        if let Some(mut stream) = connect(&url).await {
            let announced = if SystemSeeded.next_u32().is_multiple_of(2) { 60 } else { 50_000 };
            let mut request = head(announced).into_bytes();
            request.extend([b'S'; 60]);
            drop(stream.write_all(&request).await);
            one(&board.half_open);
        }
        board.pause(Duration::from_millis(300)).await;
    }
}
