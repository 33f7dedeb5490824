//! Forgot password through the whole server: one answer for everybody, strict requests, two limits, the mail.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod server_support;

use std::sync::Arc;

use http::HeaderName;
use sc_core::code::Code;
use sc_std::message::{EmailHashKey, ForgotPassword, Message};
use sc_std::rate_limit::Limit;
use sc_std::reset::{
    Account, Accounts, AccountsError, KnownAddresses, Outbox, ResetConfig, ResetLink, ResetToken,
    ResetTokens, ResetWorker,
};
use sc_std::server::{ForgotPasswordEndpoint, ScRouter};
use sc_std::store::{Store, StoreOptions};
use serde_json::{Value, json};
use server_support::*;

/// A server with forgot password behind it, and one client in session.
struct Desk {
    world: World,
    peer: Peer,
    worker: ResetWorker,
    outbox: Outbox,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self::with(KnownAddresses::parse("User@example.com").unwrap(), 100, Limit::new(3, 300_000)).await
    }

    async fn with(accounts: impl Accounts, queue: usize, by_email: Limit) -> Self {
        let mut world = World::with(StoreOptions::default(), |builder| {
            builder.with_client_ip_header(HeaderName::from_static("cf-connecting-ip"))
        });
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::create(folder.path(), "Service <no-reply@example.com>").unwrap();
        let link = ResetLink::parse("https://example.com/reset").unwrap();
        let tokens = Arc::new(ResetTokens::new(900_000, 1000));
        let config = ResetConfig::new(link).with_queue(queue).with_account_limit(Limit::new(100, 1));
        let worker = ResetWorker::spawn(config, accounts, outbox.clone(), tokens, world.clock.clone());
        let queue = worker.queue().clone();
        let endpoint = ForgotPasswordEndpoint::new(
            world.server.store().limiter("address", ForgotPasswordEndpoint::DEFAULT_LIMIT),
            world.server.store().limiter("email", by_email),
            EmailHashKey::derive(&[7; 32]),
            queue,
        );
        let endpoint = endpoint.with_clock(world.clock.clone());
        world.app = ScRouter::new(world.server.clone())
            .sealed(ForgotPassword::PATH, ForgotPassword::NAME, endpoint.into_route())
            .into_router();
        let peer = world.peer_in_session().await;
        Self { world, peer, worker, outbox, _folder: folder }
    }

    /// Sends a body from an address of a socket; `said` is what a proxy says of the client.
    async fn send(&self, body: &[u8], from: &str, said: Option<&str>) -> Reply {
        let mut headers = vec![HASH, ("x-sc-session-id", &*self.peer.session)];
        headers.extend(said.map(|said| ("cf-connecting-ip", said)));
        let request = request("POST", FORGOT, &headers, self.peer.seal(body));
        self.world.send(from_address(request, from)).await
    }

    async fn ask(&self, email: &str, from: &str) -> (u16, Value) {
        let reply = self.send(json!({"email": email}).to_string().as_bytes(), from, None).await;
        (reply.status, self.opened(&reply))
    }

    fn opened(&self, reply: &Reply) -> Value {
        serde_json::from_slice(&self.peer.open(reply)).unwrap()
    }

    fn mails(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.outbox.folder()).unwrap();
        entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_known_and_an_unknown_address_get_the_same_bytes_and_only_one_gets_a_mail() {
    let desk = Desk::new().await;
    let mut answers = Vec::new();
    for (email, from) in [("user@example.com", "192.0.2.1"), ("nobody@example.com", "192.0.2.2")] {
        let reply = desk.send(json!({"email": email}).to_string().as_bytes(), from, None).await;
        let mut headers = reply.headers.clone();
        headers.remove("x-request-id");
        answers.push((reply.status, headers, reply.body.len(), desk.peer.open(&reply)));
    }
    assert_eq!(answers[0], answers[1], "the clock stands still, so the timestamps are equal too");
    let answer: Value = serde_json::from_slice(&answers[0].3).unwrap();
    let data = json!({"success": true, "message": "If the email exists, a reset link will be sent"});
    assert_eq!((answers[0].0, &answer["data"], &answer["code"]), (200, &data, &json!("2000")));

    let (outbox, folder) = (desk.outbox.clone(), desk._folder);
    let stats = desk.worker.close().await;
    assert_eq!((stats.sent, stats.unknown), (1, 1), "closing works off what was taken");
    let mails: Vec<_> = std::fs::read_dir(outbox.folder()).unwrap().collect();
    assert_eq!(mails.len(), 1);
    let mail = std::fs::read_to_string(mails[0].as_ref().unwrap().path()).unwrap();
    assert!(mail.contains("To: User@example.com") && !mail.contains("nobody"), "{mail}");
    let link = mail.lines().find_map(|line| line.trim().strip_prefix("https://example.com/reset?token="));
    assert_eq!(link.unwrap().len(), 43, "256 bits in base64url");
    assert!(ResetToken::parse(link.unwrap()).is_some());
    drop(folder);
}

#[tokio::test]
async fn every_validation_error_is_sealed_names_the_property_and_spends_nothing() {
    let desk = Desk::new().await;
    let long = format!("{{\"email\":\"SECRET@{}\"}}", "b".repeat(249));
    let cases: [(&[u8], &str); 22] = [
        (b"", ""),
        (b"null", ""),
        (b"\"SECRET@b\"", ""),
        (b"[\"SECRET@b\"]", ""),
        (b"{}", "email"),
        (b"{\"email\":null}", "email"),
        (b"{\"email\":7}", "email"),
        (b"{\"email\":[\"SECRET@b\"]}", "email"),
        (b"{\"email\":{\"SECRET\":1}}", "email"),
        (b"{\"email\":\"\"}", "email"),
        (b"{\"email\":\"SECRET\"}", "email"),
        (b"{\"email\":\"@SECRET\"}", "email"),
        (b"{\"email\":\"SECRET@\"}", "email"),
        (b"{\"email\":\"SECRET@b@c\"}", "email"),
        (b"{\"email\":\"SECRET @b\"}", "email"),
        (b"{\"email\":\"SECRET@b\\r\\nBcc: x@y\"}", "email"),
        (b"{\"email\":\"SECRET@b\\u0000\"}", "email"),
        (b"{\"email\":\"SECRET@b\",\"email\":\"SECRET@b\"}", "email"),
        (b"{\"email\":\"SECRET@b\"}x", ""),
        (b"{\"email\":\"SECRET@b\"", ""),
        (b"{\"email\":\"SECRET\xff@b\"}", ""),
        (long.as_bytes(), "email"),
    ];
    for (body, named) in cases {
        let reply = desk.send(body, "192.0.2.1", None).await;
        let json = desk.opened(&reply);
        let shown = String::from_utf8_lossy(body);
        assert_eq!((reply.status, &json["code"]), (400, &json!("REQUEST.VALIDATION_FAILED")), "{shown}");
        let message = json["message"].as_str().unwrap();
        assert!(message.contains(named) && !message.contains("SECRET"), "{shown}: {message}");
    }
    let reply = desk.send(b"{\"email\":\"a@b\",\"other\":\"SECRET\"}", "192.0.2.1", None).await;
    let json = desk.opened(&reply);
    assert_eq!((reply.status, &json["code"]), (400, &json!("REQUEST.VALIDATION_FAILED")));
    assert!(!json["message"].as_str().unwrap().contains("SECRET"));
    for _ in 0..3 {
        assert_eq!(desk.ask("a@b", "192.0.2.1").await.0, 200);
    }
}

#[tokio::test]
async fn the_fourth_request_in_300_seconds_is_refused_for_an_address_and_for_an_email_alike() {
    let desk = Desk::new().await;
    let emails = ["user@example.com", "nobody@example.com"];
    let mut refusals = Vec::new();
    for (at, email) in emails.into_iter().enumerate() {
        // Each from another client, so that only the e-mail counts; spelled otherwise, it counts as the same.
        for n in 1..=3 {
            assert_eq!(desk.ask(email, &format!("192.0.{at}.{n}")).await.0, 200);
        }
        let body = json!({"email": email.to_uppercase()}).to_string();
        let reply = desk.send(body.as_bytes(), &format!("192.0.{at}.9"), None).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("300")));
        let mut json = desk.opened(&reply);
        assert_eq!(json["code"], Code::RateLimited.as_str());
        assert_eq!(json["message"], "Too many requests, please try again later");
        json["timestamp"] = json!(0);
        refusals.push(json);
    }
    assert_eq!(refusals[0], refusals[1]);
    for n in 1..=3 {
        assert_eq!(desk.ask(&format!("client{n}@example.com"), "198.51.100.1").await.0, 200);
    }
    assert_eq!(desk.ask("client4@example.com", "198.51.100.1").await.0, 429);
    desk.world.clock.advance(299_999);
    assert_eq!(desk.ask("client4@example.com", "198.51.100.1").await.0, 429);
    desk.world.clock.advance(1);
    assert_eq!(desk.ask("client4@example.com", "198.51.100.1").await.0, 200);
}

#[tokio::test]
async fn both_limits_are_looked_at_before_either_is_spent() {
    let known = KnownAddresses::parse("").unwrap();
    let desk = Desk::with(known, 100, Limit::new(1, 200_000)).await;
    assert_eq!(desk.ask("a@b", "192.0.2.1").await.0, 200);
    for _ in 0..5 {
        assert_eq!(desk.ask("a@b", "192.0.2.2").await.0, 429, "the e-mail has none left");
    }
    for n in 0..3 {
        assert_eq!(desk.ask(&format!("{n}@b"), "192.0.2.2").await.0, 200, "the client lost nothing by it");
    }
    for _ in 0..3 {
        assert_eq!(desk.ask("new@b", "192.0.2.2").await.0, 429, "the client has none left");
    }
    assert_eq!(desk.ask("new@b", "192.0.2.3").await.0, 200, "the e-mail lost nothing by it");
    desk.world.clock.advance(199_999);
    assert_eq!(desk.ask("a@b", "192.0.2.4").await.0, 429);
    desk.world.clock.advance(1);
    assert_eq!(desk.ask("a@b", "192.0.2.4").await.0, 200);
}

#[tokio::test]
async fn an_ipv6_client_counts_by_its_64_bits_and_a_mapped_ipv4_client_as_ipv4() {
    let desk = Desk::new().await;
    for (at, from) in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"].into_iter().enumerate() {
        assert_eq!(desk.ask(&format!("{at}@b"), from).await.0, 200);
    }
    assert_eq!(desk.ask("3@b", "2001:db8::3").await.0, 429);
    assert_eq!(desk.ask("3@b", "2001:db8:0:1::1").await.0, 200);
    for (at, from) in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"].into_iter().enumerate() {
        assert_eq!(desk.ask(&format!("v4-{at}@b"), from).await.0, 200);
    }
    assert_eq!(desk.ask("v4-3@b", "::ffff:192.0.2.1").await.0, 429);
}

#[tokio::test]
async fn the_client_address_header_counts_only_from_a_trusted_proxy() {
    let desk = Desk::new().await;
    let ask = async |n: u32, from: &str, said: &str| {
        let body = json!({"email": format!("{n}@{}.{}", said.replace(':', "-"), from.replace(':', "-"))});
        desk.send(body.to_string().as_bytes(), from, Some(said)).await.status
    };
    for n in 0..3 {
        assert_eq!(ask(n, "127.0.0.1", "192.0.2.1").await, 200);
        assert_eq!(ask(n, "198.51.100.1", &format!("203.0.113.{n}")).await, 200, "a stranger says something");
    }
    assert_eq!(ask(3, "127.0.0.1", "192.0.2.1").await, 429);
    assert_eq!(ask(3, "127.0.0.1", "192.0.2.2").await, 200, "another client of the proxy");
    assert_eq!(ask(3, "198.51.100.1", "203.0.113.9").await, 429, "a stranger cannot rename himself");
}

/// Accounts that never answer, so that the worker's queue stays full.
struct Stuck;

impl Accounts for Stuck {
    async fn find(&self, _: &sc_std::message::Email) -> Result<Option<Account>, AccountsError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_full_queue_is_busy_and_spends_nothing() {
    let desk = Desk::with(Stuck, 1, Limit::new(3, 300_000)).await;
    // Fill what is worked on at once, and then the queue.
    let mut taken = 0;
    loop {
        let (status, json) = desk.ask(&format!("{taken}@b"), &format!("192.0.2.{taken}")).await;
        if status != 200 {
            assert_eq!((status, &json["code"]), (503, &json!(Code::Busy.as_str())));
            break;
        }
        taken += 1;
        assert!(taken < 20, "a queue of one takes so many?");
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        let body = json!({"email": "full@b"}).to_string();
        let reply = desk.send(body.as_bytes(), "198.51.100.1", None).await;
        assert_eq!(reply.status, 503, "never 429: nothing was spent");
        assert!(reply.header("retry-after").is_some() && reply.is_sealed());
    }
    assert_eq!(desk.mails().len(), 0);
}

#[tokio::test]
async fn a_body_of_another_endpoint_does_not_open_here_in_the_bound_profile() {
    use sc_core::client::{Client, ClientOptions, ProfileChoice};
    use sc_core::id::{MessageName, Ticks, UnixMillis};
    let desk = Desk::new().await;
    let document = desk.world.ask("GET", PUBLIC_KEY, &[], vec![]).await.json()["data"].clone();
    let options = ClientOptions::default().with_profile(ProfileChoice::RequireBound);
    let mut client = Client::<sc_std::provider::AwsLc>::new(options);
    client.accept_key(&serde_json::from_value(document).unwrap(), Ticks(0), 1000).unwrap();
    let rng = &mut sc_std::rng::SystemSeeded;
    let (set_up, awaiting) = client.begin(rng).unwrap();
    let reply = desk.world.post(SESSION, &[HASH], serde_json::to_vec(&set_up).unwrap()).await;
    let answer = serde_json::from_value(reply.json()["data"].clone()).unwrap();
    let session = awaiting.accept(&answer, UnixMillis(START.0), Ticks(0)).unwrap();
    for (name, status) in [("password.change", 400), (FORGOT, 400), (ForgotPassword::NAME, 200)] {
        let text = br#"{"email":"a@b"}"#;
        let mut sealed = vec![0; text.len() + 32];
        let name = MessageName::new(name).unwrap();
        let _pending = session.seal_into(rng, Ticks(0), name, text, &mut sealed).unwrap();
        let headers = [HASH, ("x-sc-session-id", session.id().as_str())];
        assert_eq!(desk.world.post(FORGOT, &headers, sealed).await.status, status);
    }
}
