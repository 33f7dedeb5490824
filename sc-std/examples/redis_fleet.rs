//! Two servers over one Redis are one: a session made at the first works at the second, and a request that the first has opened
//! is refused at the second when it comes again.
//!
//! Needs a Redis that you may write to, with `maxmemory-policy noeviction` (its default), and starts none by itself:
//! `redis-server --port 6379 --save ''`, say. Then
//! `cargo run -p sc-std --example redis_fleet --features client,redis,reqwest -- redis://127.0.0.1:6379`.
//! What it writes is under names that begin with `redis-fleet-example`. In a package of your own it needs `sc-std` with these
//! features, `axum`, `bytes`, `http`, `serde_json`, and `tokio` with `full`.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::routing::post;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use sc_std::client::{ProxyUse, ReqwestTransport, ScClient, Transport, TransportError};
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::KeyRing;
use sc_std::message::Repeatable;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ScRouter, ScServer};
use sc_std::store::{RedisOptions, RedisStore, Store, StoreKeys};
use tokio::task::JoinHandle;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest answer that the balancer takes by itself, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let Some(redis) = std::env::args().nth(1) else {
        return Err("say where Redis is, for example redis://127.0.0.1:6379".into());
    };
    // The same for every server, and never in Redis. A service keeps it in a file that an operator has made.
    let store_key = std::env::temp_dir().join("redis-fleet-example.key");
    std::fs::write(&store_key, "5c".repeat(32))?;
    let (first, first_task) = server(&redis, &store_key).await?;
    let (second, _) = server(&redis, &store_key).await?;

    let balancer = Arc::new(Balancer::new([first, second])?);
    let client = ScClient::builder("http://127.0.0.1")
        .with_client_hash("my-device-fingerprint")
        .with_transport(Arc::clone(&balancer))
        .build()?;
    for text in ["one session", "at both servers"] {
        println!("{}", ask(&client, text).await?);
    }

    println!("the last request once more, at the other server:");
    let again = balancer.again().await?;
    println!("{}", String::from_utf8_lossy(again.body()));

    first_task.abort();
    balancer.without_first();
    println!("the first server is gone:");
    println!("{}", ask(&client, "the session is not").await?);
    client.close().await?;
    Ok(())
}

/// One server of the fleet, with a connection of its own to Redis. In a service this is `main`.
async fn server(redis: &str, store_key: &Path) -> Result<(Authority, JoinHandle<std::io::Result<()>>)> {
    let options = RedisOptions::default().with_namespace("redis-fleet-example");
    let store = RedisStore::open(redis, StoreKeys::read(store_key)?, options).await?;
    // Whoever comes first makes the RSA key, the others take it from the store.
    let keys = KeyRing::shared(DAY_MS);
    store.sync(&keys, SystemClock::new().now()).await?;
    let server = ScServer::builder(keys, store).build();
    server.spawn_housekeeping();
    let echo = post(|Json(body): Json<serde_json::Value>| async { Json(body) });
    let app = ScRouter::new(server).sealed("/echo", "echo", echo).into_router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string().parse()?;
    let task = tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));
    Ok((address, task))
}

async fn ask(client: &ScClient, text: &str) -> Result<String> {
    let json = serde_json::json!({ "text": text }).to_string();
    let answer = client.call_json("/echo", Some("echo"), json.as_bytes(), Repeatable::Yes).await?;
    Ok(String::from_utf8(answer.to_vec())?)
}

/// A load balancer that sends each request to another server than the one before.
struct Balancer {
    http: ReqwestTransport,
    servers: Mutex<Vec<Authority>>,
    turn: AtomicUsize,
    last: Mutex<Option<Request<Bytes>>>,
}

impl Balancer {
    fn new(servers: [Authority; 2]) -> Result<Self> {
        let http = ReqwestTransport::new(Duration::from_secs(5), ProxyUse::None)?;
        Ok(Self {
            http,
            servers: Mutex::new(servers.into()),
            turn: AtomicUsize::new(0),
            last: Mutex::default(),
        })
    }

    fn without_first(&self) {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).remove(0);
    }

    /// What an attacker does who has recorded a request.
    async fn again(&self) -> Result<Response<Bytes>> {
        let recorded = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(self.send(recorded.ok_or("nothing was sent")?, MAX_ANSWER).await?)
    }

    fn next(&self) -> Option<Authority> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        servers.get(turn.checked_rem(servers.len())?).cloned()
    }
}

impl Transport for Balancer {
    async fn send(
        &self,
        mut request: Request<Bytes>,
        max_body: usize,
    ) -> Result<Response<Bytes>, TransportError> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
        let mut to = request.uri().clone().into_parts();
        to.scheme = Some(Scheme::HTTP);
        to.authority = self.next();
        if let Ok(uri) = Uri::from_parts(to) {
            *request.uri_mut() = uri;
        }
        let line = format!("{} {}", request.method(), request.uri());
        let answer = self.http.send(request, max_body).await?;
        println!("  {line}: {}", answer.status());
        Ok(answer)
    }
}
