//! What the client logs: reasons, and nothing that anybody entered, sent or holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod client_support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client_support::{Fake, Pay, SESSION, forgot, refuse_with};
use sc_core::code::Code;
use sc_std::client::SetUpWay;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps every event of this crate as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sc_std")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        assert_eq!(*event.metadata().level(), Level::DEBUG);
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push_str(&(line.0 + "\n"));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn logs_tell_what_happened_and_why_and_nothing_private() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut private = vec!["private".to_owned(), "fingerprint".to_owned(), "sess_".to_owned()];
    for way in [SetUpWay::Endpoint, SetUpWay::Inline] {
        let fake = Fake::new();
        fake.set(|state| state.ttl_ms = 10 * 60 * 1000);
        let client = fake.client().with_set_up(way).with_header("X-Gateway", "private").build().unwrap();
        client.call(&forgot("private@private.example")).await.unwrap();
        private.push(fake.head(client_support::FORGOT, "x-request-id").unwrap());
        for email in ["limited@private.example", "invalid@private.example", "text@private.example"] {
            client.call(&forgot(email)).await.unwrap_err();
        }
        fake.forget_sessions();
        fake.set(|state| state.published = 1);
        client.call(&forgot("private@private.example")).await.unwrap();
        tokio::time::advance(Duration::from_secs(9 * 60 + 10)).await;
        fake.on(SESSION, |_, _| Some(refuse_with(Code::Busy)));
        client.call(&forgot("private@private.example")).await.unwrap();
        fake.forget_sessions();
        client.call(&Pay { amount: 424_242 }).await.unwrap_err();
        let _ = client.close().await;
    }
    let log = log.0.lock().unwrap().clone();
    for told in [
        "setting up a session way=\"endpoint\"",
        "setting up a session way=\"inline\"",
        "fetching the public key again reason=\"unknown key id\"",
        "renewing the session reason=\"about to expire\"",
        "the renewal failed, the old session goes on",
        "recovery=NewSession",
        "recovery=MaybeExecuted",
        "a session is set up profile=Bound",
    ] {
        assert!(log.contains(told), "{told}\n{log}");
    }
    for private in &private {
        assert!(!log.contains(private.as_str()), "{private}\n{log}");
    }
    assert!(!log.contains("424242"), "{log}");
}
