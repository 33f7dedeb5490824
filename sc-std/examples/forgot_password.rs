//! Forgotten passwords, from the request for a link to the new password: a service's own accounts and mails, and a message
//! that uses the link's token. Server and client run in one process over loopback.
//!
//! Run it with `cargo run -p sc-std --example forgot_password --features client,reqwest`. In a package of your own it needs
//! `sc-std` with these features, `axum`, `serde` with `derive`, and `tokio` with `full`. Mails in a folder are
//! `reset::Outbox` (feature `mail`), mails to a mail server `reset::Smtp` (feature `smtp`); here an own `Mailer` hands them over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::routing::post;
use sc_std::client::{ClientError, ScClient};
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::KeyRing;
use sc_std::message::{Email, EmailHashKey, ForgotPassword, Message, Repeatable};
use sc_std::reset::{
    Account, AccountId, Accounts, AccountsError, Mail, MailError, Mailer, ResetConfig, ResetLink, ResetToken,
    ResetTokens, ResetWorker,
};
use sc_std::rng::System;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ForgotPasswordEndpoint, Reject, ScRouter, ScServer, Sealed};
use sc_std::store::{MemoryStore, Store};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The service's table of accounts: the address as it is on record, by its folded form.
#[derive(Clone)]
struct Table(Arc<Mutex<HashMap<String, Email>>>);

impl Accounts for Table {
    async fn find(&self, email: &Email) -> Result<Option<Account>, AccountsError> {
        let folded = email.folded();
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let on_record = table.get(folded.as_str()).cloned();
        Ok(on_record.map(|address| Account::new(AccountId::new(folded.as_str()), address)))
    }
}

/// Hands mails over: here to a channel that stands for everybody's mailbox, elsewhere to your provider.
struct Post(mpsc::UnboundedSender<Mail>);

impl Mailer for Post {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        self.0.send(mail).map_err(|_| MailError::Delivery)
    }
}

/// What the page behind the link sends.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResetPassword {
    token: String,
    new_password: String,
}

impl Message for ResetPassword {
    const NAME: &'static str = "password.reset";
    const PATH: &'static str = "/web/v1/system/auth/password/reset";
    // A second try would find its token used.
    const REPEATABLE: Repeatable = Repeatable::No;
    type Answer = bool;
}

async fn reset(
    State(tokens): State<Arc<ResetTokens>>,
    Sealed(request): Sealed<ResetPassword>,
) -> Result<Sealed<bool>, Reject> {
    // Before the token: what is refused for its length must not cost the link.
    if request.new_password.chars().count() < 12 {
        return Err(Reject::invalid("newPassword"));
    }
    // Unknown, used and over sound the same.
    let account = ResetToken::parse(&request.token)
        .and_then(|token| tokens.consume(&token, SystemClock::new().now()))
        .ok_or_else(|| Reject::invalid("token"))?;
    // Here your service stores a hash of the password (Argon2id, say), and ends the account's logins.
    // An id may be an address, so its Debug is "AccountId(..)"; `as_str` has it.
    println!("server: a new password for {account:?}");
    Ok(Sealed(true))
}

#[tokio::main]
async fn main() -> Result<()> {
    let ada = Email::parse("Ada@Example.com")?;
    let table = Table(Arc::new(Mutex::new(HashMap::from([(ada.folded().to_string(), ada)]))));
    let (post_office, mut mailbox) = mpsc::unbounded_channel();

    // Links work for half an hour and once; a million may wait. Over Redis: `RedisStore::tokens`.
    let tokens = Arc::new(ResetTokens::new(30 * 60 * 1000, 1_000_000));
    let server = ScServer::builder(KeyRing::daily()?, MemoryStore::default()).build();
    server.spawn_housekeeping(); // rotates keys, ends what is over
    let store = server.store();
    // Looks accounts up and sends mails after the answer, so that nobody learns from it who has an account.
    let worker = ResetWorker::spawn_limited(
        ResetConfig::new(ResetLink::parse("https://app.example/reset-password")?),
        table,
        Post(post_office),
        Arc::clone(&tokens),
        store.limiter("mails", ResetConfig::DEFAULT_ACCOUNT_LIMIT),
        Arc::new(SystemClock::new()),
    );
    let forgot = ForgotPasswordEndpoint::new(
        store.limiter("address", ForgotPasswordEndpoint::DEFAULT_LIMIT),
        store.limiter("email", ForgotPasswordEndpoint::DEFAULT_LIMIT),
        // Over Redis: `RedisStore::email_hash_key`, so that the whole fleet counts together.
        EmailHashKey::draw(&mut System),
        worker.queue().clone(),
    );
    let app = ScRouter::new(server)
        .message::<ForgotPassword>(forgot.into_route())
        .message::<ResetPassword>(post(reset).with_state(tokens))
        .into_router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));

    let client = ScClient::builder(&url).with_client_hash("my-device-fingerprint").build()?;
    for address in ["nobody@example.com", "ada@example.com"] {
        let answer = client.call(&ForgotPassword { email: Email::parse(address)? }).await?;
        println!("client: {address}: {}", answer.message);
    }
    let mail = mailbox.recv().await.ok_or("no mail")?;
    println!("mailbox: one mail, to the address on record, \"{}\"", mail.subject);
    let link = mail.text.lines().find(|line| line.starts_with("https://")).ok_or("no link")?;
    let (_, token) = link.split_once("token=").ok_or("no token")?;

    for new_password in ["short", "a long new password", "and another one"] {
        let request = ResetPassword { token: token.to_owned(), new_password: new_password.to_owned() };
        match client.call(&request).await {
            Ok(done) => println!("client: reset: {done}"),
            Err(ClientError::Validation { answer }) => {
                println!("client: refused: {}", answer.property().unwrap_or_default())
            }
            Err(error) => return Err(error.into()),
        }
    }
    client.close().await?;
    println!("worker: {:?}", worker.close().await);
    Ok(())
}
