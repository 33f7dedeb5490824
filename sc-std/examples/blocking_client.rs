//! A client without an async runtime: a command-line tool, a desktop app, a thread of a server of the old kind.
//!
//! Start a server with `cargo scv2 serve`, then run
//! `cargo run -p sc-std --example blocking_client --features blocking,reqwest -- user@example.com`.

use sc_std::client::{ClientError, ScClient};
use sc_std::message::{Email, ForgotPassword};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "user@example.com".to_owned());
    let client = ScClient::builder("http://127.0.0.1:18020").build_blocking()?;
    match client.call(&ForgotPassword { email: Email::parse(&address)? }) {
        Ok(answer) => println!("{}", answer.message),
        Err(ClientError::RateLimited { retry_after, .. }) => {
            println!("too many requests, wait {retry_after:?}")
        }
        Err(error) => return Err(error.into()),
    }
    Ok(()) // Dropping the client closes the session.
}
