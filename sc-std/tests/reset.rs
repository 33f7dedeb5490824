//! Forgot password without the wire: from the opened body to the mail in the outbox and the token that works once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]
#![cfg(feature = "mail")]

use std::path::PathBuf;
use std::sync::Arc;

use sc_core::id::UnixMillis;
use sc_std::clock::{Clock, ManualClock};
use sc_std::message::{EmailHashKey, ForgotPassword};
use sc_std::rate_limit::{Limit, LimitKey, LimitRefusal, SlidingWindow, check_and_claim};
use sc_std::reset::{
    AccountId, KnownAddresses, Language, Outbox, ResetConfig, ResetJob, ResetLink, ResetToken, ResetTokens,
    ResetWorker,
};

/// What a handler does with an opened body.
struct Service {
    by_address: SlidingWindow,
    by_email: SlidingWindow,
    hashes: EmailHashKey,
    worker: ResetWorker,
    tokens: Arc<ResetTokens>,
    clock: Arc<ManualClock>,
    outbox: Outbox,
}

impl Service {
    fn new(folder: &std::path::Path) -> Self {
        let limit = Limit::new(3, 300_000);
        let clock = Arc::new(ManualClock::at(UnixMillis(1_795_467_600_000)));
        let tokens = Arc::new(ResetTokens::new(900_000, 1000));
        let outbox = Outbox::create(&folder.join("outbox"), "Service <no-reply@example.com>").unwrap();
        let worker = ResetWorker::spawn(
            ResetConfig::new(ResetLink::parse("https://example.com/reset?from=mail").unwrap()),
            KnownAddresses::parse("user@example.com").unwrap(),
            outbox.clone(),
            Arc::clone(&tokens),
            clock.clone(),
        );
        Self {
            by_address: SlidingWindow::new(limit, 1000),
            by_email: SlidingWindow::new(limit, 1000),
            hashes: EmailHashKey::derive(&[7; 32]),
            worker,
            tokens,
            clock,
            outbox,
        }
    }

    async fn request(&self, client: &str, email: &str) -> Result<(), LimitRefusal> {
        let body = serde_json::json!({ "email": email }).to_string();
        let email = ForgotPassword::parse(body.as_bytes()).unwrap().email;
        check_and_claim(
            (&self.by_address, &LimitKey::of_address(client.parse().unwrap())),
            (&self.by_email, &LimitKey::of_hash(*self.hashes.hash(&email).as_bytes())),
            self.clock.now(),
        )
        .await?;
        self.worker.queue().enqueue(ResetJob::new(email, Language::En)).unwrap();
        Ok(())
    }
}

fn mails(outbox: &Outbox) -> Vec<PathBuf> {
    std::fs::read_dir(outbox.folder()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_known_address_gets_a_working_link_and_an_unknown_one_no_mail() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new(folder.path());
    service.request("192.0.2.1", "USER@example.com").await.unwrap();
    service.request("192.0.2.1", "nobody@example.com").await.unwrap();
    let (outbox, tokens, now) = (service.outbox.clone(), Arc::clone(&service.tokens), service.clock.now());
    let stats = service.worker.close().await;
    assert_eq!((stats.sent, stats.unknown), (1, 1));
    let files = mails(&outbox);
    assert_eq!(files.len(), 1);
    let mail = std::fs::read_to_string(&files[0]).unwrap();
    let link = mail.lines().find(|line| line.starts_with("https://")).unwrap();
    let token = link.strip_prefix("https://example.com/reset?from=mail&token=").unwrap();
    let token = ResetToken::parse(token).unwrap();
    assert_eq!(tokens.consume(&token, now), Some(AccountId::new("user@example.com")));
    assert_eq!(tokens.consume(&token, now), None, "once");
}

#[tokio::test]
async fn the_fourth_request_is_refused_for_known_and_unknown_addresses_alike() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new(folder.path());
    for email in ["user@example.com", "nobody@example.com"] {
        // From many clients, so that only the e-mail address counts.
        for n in 1..=3 {
            assert_eq!(service.request(&format!("192.0.2.{n}"), email).await, Ok(()), "{email}");
        }
        match service.request("192.0.2.4", email).await {
            Err(LimitRefusal::Exceeded(retry)) => assert_eq!(retry.seconds(), 300, "{email}"),
            other => panic!("{email}: {other:?}"),
        }
        service.clock.advance(300_000);
        assert_eq!(service.request("192.0.2.9", email).await, Ok(()), "{email}");
    }
    let stats = service.worker.close().await;
    assert_eq!((stats.sent, stats.limited, stats.unknown), (3, 1, 4), "the account's own limit is silent");
}

#[tokio::test]
async fn one_client_is_refused_over_many_addresses_and_ipv6_counts_by_its_network() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new(folder.path());
    for n in 1..=3 {
        service.request(&format!("2001:db8::{n}"), &format!("user{n}@example.com")).await.unwrap();
    }
    assert!(service.request("2001:db8::4", "user4@example.com").await.is_err());
    assert!(
        service.request("2001:db8:0:1::1", "user4@example.com").await.is_ok(),
        "its refusal cost the address nothing"
    );
}
