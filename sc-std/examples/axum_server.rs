//! An axum service with one protected route: ten lines, then your own.
//!
//! Run it with `cargo run -p sc-std --example axum_server`, and call it with
//! `cargo scv2 call --base-url http://127.0.0.1:18021 --path /greet --message greet --json '{"name":"Ada"}'`.

use axum::Json;
use axum::routing::post;
use sc_std::keys::KeyRing;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ScRouter, ScServer};
use sc_std::store::MemoryStore;

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

/// An ordinary handler: what it reads was opened, what it returns is sealed.
async fn greet(Json(request): Json<serde_json::Value>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "hello": request.get("name") }))
}
