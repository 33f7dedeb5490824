//! An axum service with one protected route: ten lines, then your own.
//!
//! Run it with `cargo run --example axum_server`, and call it with
//! `cargo scv2 call --base-url http://127.0.0.1:18021 --path /greet --message greet --json '{"name":"Ada"}'`.

use std::sync::Arc;

use axum::Json;
use axum::routing::post;
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::KeyRing;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ScRouter, ScServer};
use sc_std::store::MemoryStore;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = Arc::new(KeyRing::in_memory(2048, DAY_MS, SystemClock::new().now())?);
    let server = ScServer::builder(keys, MemoryStore::default()).build();
    server.spawn_housekeeping(); // rotates keys, ends what is over
    let app = ScRouter::new(server).sealed("/greet", "greet", post(greet)).into_router();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:18021").await?;
    serve(listener, app, ServeOptions::default(), std::future::pending()).await?;
    Ok(())
}

/// An ordinary handler: what it reads was opened, what it returns is sealed.
async fn greet(Json(request): Json<serde_json::Value>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "hello": request.get("name") }))
}
