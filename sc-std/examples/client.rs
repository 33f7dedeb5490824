//! A client that asks for a reset link: one object, one call.
//!
//! Start a server with `cargo scv2 serve`, then run
//! `cargo run -p sc-std --example client --features client,reqwest`. In a package of your own it needs `sc-std` with these
//! features, and `tokio` with `full`.

use sc_std::client::{ClientError, ScClient};
use sc_std::message::{Email, ForgotPassword};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:18020".to_owned());
    let client = ScClient::builder(server).with_client_hash("my-device-fingerprint").build()?;
    match client.call(&ForgotPassword { email: Email::parse("user@example.com")? }).await {
        Ok(answer) => println!("{}", answer.message),
        Err(ClientError::RateLimited { retry_after, .. }) => {
            println!("too many requests, wait {retry_after:?}")
        }
        Err(error) => return Err(error.into()),
    }
    client.close().await?;
    Ok(())
}
