//! A message of your own: its two types, its name, its handler. Server and client run in one process over loopback.
//!
//! Run it with `cargo run -p sc-std --example change_password --features client,reqwest`. In a package of your own it needs
//! `sc-std` with these features, `axum`, `serde` with `derive`, and `tokio` with `full`.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::post;
use sc_std::client::{ClientError, ScClient};
use sc_std::keys::KeyRing;
use sc_std::message::{Message, Repeatable};
use sc_std::sc_core::code::Code;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{Channel, Reject, ScRouter, ScServer, Sealed};
use sc_std::store::MemoryStore;
use serde::{Deserialize, Serialize};

/// What the client sends. A property that is missing, repeated or of another type is refused by its name, an unknown one
/// without it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangePassword {
    old_password: String,
    new_password: String,
}

/// What it gets back.
#[derive(Debug, Serialize, Deserialize)]
struct Changed {
    success: bool,
}

impl Message for ChangePassword {
    const NAME: &'static str = "password.change";
    const PATH: &'static str = "/web/v1/system/auth/password/change";
    // A client must not send it again on its own: the first time may have worked.
    const REPEATABLE: Repeatable = Repeatable::No;
    type Answer = Changed;
}

/// Reached only through the channel. What it returns is sealed, errors included.
async fn change(
    channel: Channel,
    headers: HeaderMap,
    Sealed(request): Sealed<ChangePassword>,
) -> Result<Sealed<Changed>, Reject> {
    // Who is logged in is not the channel's to say: your tokens, and what checks them, stay as they are.
    if headers.get(AUTHORIZATION).is_none_or(|token| token != "Bearer of-ada") {
        return Err(Reject::new(Code::PermissionDenied));
    }
    if request.new_password.chars().count() < 12 || request.new_password == request.old_password {
        return Err(Reject::invalid("newPassword"));
    }
    // Here your service checks her old password, and stores the new one.
    println!("server: a password was changed in session {:?}", channel.session);
    Ok(Sealed(Changed { success: true }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ScServer::builder(KeyRing::daily()?, MemoryStore::default()).build();
    server.spawn_housekeeping(); // rotates keys, ends what is over
    let app = ScRouter::new(server).message::<ChangePassword>(post(change)).into_router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));

    let client =
        ScClient::builder(&url).with_client_hash("my-device-fingerprint").with_language("vi").build()?;
    // A clone for each login; all share one session.
    let ada = client.with_header("authorization", "Bearer of-ada")?;
    for (client, new_password) in [(&ada, "a long new password"), (&ada, "short"), (&client, "another one")] {
        let request =
            ChangePassword { old_password: "the old one".into(), new_password: new_password.into() };
        match client.call(&request).await {
            Ok(answer) => println!("client: {answer:?}"),
            Err(ClientError::Validation { answer }) => println!("client: refused: {}", answer.message()),
            Err(ClientError::Server { answer }) => println!("client: not allowed: {}", answer.code()),
            Err(error) => return Err(error.into()),
        }
    }
    client.close().await?;
    Ok(())
}
