//! An axum service with one protected route: ten lines, then your own.
//!
//! Run it with `cargo run -p sc-std --example axum_server`, and call it with
//! `cargo scv2 call --base-url http://127.0.0.1:18021 --path /greet --message greet --json '{"name":"Ada"}'`.
//! In a package of your own it needs `sc-std`, `axum`, `serde` with `derive`, and `tokio` with `full`.

use axum::routing::post;
use sc_std::keys::KeyRing;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ScRouter, ScServer, Sealed};
use sc_std::store::MemoryStore;
use serde::{Deserialize, Serialize};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ScServer::builder(KeyRing::daily()?, MemoryStore::default()).build();
    server.spawn_housekeeping(); // rotates keys, ends what is over
    let app = ScRouter::new(server).sealed("/greet", "greet", post(greet)).into_router();

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:18021".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // Ctrl-C ends it, after the requests under way.
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    serve(listener, app, ServeOptions::default(), stop).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Greet {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    hello: String,
}

/// What it reads was opened, what it returns is sealed: `data` of a success, which is what `ScClient::call` reads.
async fn greet(Sealed(request): Sealed<Greet>) -> Sealed<Greeting> {
    Sealed(Greeting { hello: request.name })
}
