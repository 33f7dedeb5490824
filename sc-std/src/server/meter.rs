//! The figures of a server (feature `metrics`), through the `metrics` facade: any exporter reads them.
//!
//! Every handle is registered once, when the server is built, so a request costs a few atomic additions: no look-up and
//! no allocation. Install the recorder of your exporter **before** [`ScServerBuilder::build`] and
//! [`ResetWorker::spawn`]: handles made without one stay silent. Without the feature all of this is compiled away.
//!
//! | metric | type, unit | labels | tells |
//! |---|---|---|---|
//! | `scv2_sessions_created_total` | counter | `way`: endpoint, inline | sessions created |
//! | `scv2_sessions_closed_total` | counter | `cause`: client, limit | closed on request (of unknown sessions too); ended for a repeated IV or at the message limit |
//! | `scv2_sessions_live` | gauge | | sessions held by the store, where it can tell |
//! | `scv2_requests_opened_total` | counter | | requests whose tag verified and whose IV was new |
//! | `scv2_answers_sealed_total` | counter | | answers sealed, errors among them |
//! | `scv2_refusals_total` | counter | `code` | error answers of the channel and of handlers that return [`Reject`], by their code |
//! | `scv2_admission_waiting` | gauge | | set-ups that wait for a private RSA operation |
//! | `scv2_admission_running` | gauge | | set-ups whose private RSA operations run |
//! | `scv2_admission_wait_seconds` | histogram, seconds | | time from asking to running |
//! | `scv2_admission_busy_total` | counter | | set-ups refused because the queue was full or did not move in time |
//! | `scv2_private_operation_seconds` | histogram, seconds | | duration of the two private operations of one set-up |
//! | `scv2_key_device_failures_total` | counter | `cause`: unavailable, timeout | set-ups given up because the device of a [`RemoteKey`] did not answer |
//! | `scv2_store_seconds` | histogram, seconds | `operation`: create, find, claim, close, knows_wrapped, claim_wrapped | latency of the store |
//! | `scv2_store_failures_total` | counter | `kind`: full, taken, unavailable | calls that the store refused |
//! | `scv2_reset_mails_total` | counter | `outcome`: sent, unknown, limited, failed | what became of reset jobs; for operators only |
//! | `scv2_key_rotations_total` | counter | `result`: done, failed | RSA keys made by housekeeping |
//! | `scv2_published_key_age_seconds` | gauge, seconds | | age of the published RSA key, told by housekeeping |
//!
//! # Security
//! No name and no label holds a secret, a session id, a key id, an address or anything that a client sent. The outcome
//! of reset jobs tells how many addresses have no account: show these figures to operators, not to the world.
//!
//! [`ScServerBuilder::build`]: crate::server::ScServerBuilder::build
//! [`ResetWorker::spawn`]: crate::reset::ResetWorker::spawn
//! [`Reject`]: crate::server::Reject
//! [`RemoteKey`]: crate::keys::RemoteKey

mod handle;

use std::time::Duration;

use sc_core::code::Code;

use crate::store::{Store, StoreError};
pub(crate) use handle::{Count, Held};
use handle::{Level, Stopwatch, Timing};

/// Buckets that fit the histograms of a server, in seconds: from a look into memory to a device that hangs.
pub const BUCKETS_SECONDS: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];

/// The figures of admission.
#[derive(Debug, Clone)]
pub(crate) struct QueueMeter {
    waiting: Level,
    running: Level,
    wait: Timing,
    run: Timing,
    busy: Count,
}

impl QueueMeter {
    /// Figures that nobody sees.
    pub(crate) const fn off() -> Self {
        Self {
            waiting: Level::off(),
            running: Level::off(),
            wait: Timing::off(),
            run: Timing::off(),
            busy: Count::off(),
        }
    }

    fn new() -> Self {
        Self {
            waiting: Level::new("scv2_admission_waiting", &[]),
            running: Level::new("scv2_admission_running", &[]),
            wait: Timing::new("scv2_admission_wait_seconds", &[]),
            run: Timing::new("scv2_private_operation_seconds", &[]),
            busy: Count::new("scv2_admission_busy_total", &[]),
        }
    }

    pub(crate) fn waits(&self) -> Held {
        Held::new(&self.waiting)
    }

    pub(crate) fn runs(&self, waited: Duration) -> Held {
        self.wait.record(waited);
        Held::new(&self.running)
    }

    pub(crate) fn ran(&self, took: Duration) {
        self.run.record(took);
    }

    pub(crate) fn busy(&self) {
        self.busy.one();
    }
}

/// A counter of reset jobs with one outcome.
pub(crate) fn reset_outcome(outcome: &'static str) -> Count {
    let name = "scv2_reset_mails_total";
    #[cfg(feature = "metrics")]
    Count::describe(name, metrics::Unit::Count, "Password reset jobs by what became of them");
    Count::labelled(name, "outcome", outcome)
}

/// A call of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreCall {
    Create,
    Find,
    Claim,
    Close,
    KnowsWrapped,
    ClaimWrapped,
}

impl StoreCall {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Find => "find",
            Self::Claim => "claim",
            Self::Close => "close",
            Self::KnowsWrapped => "knows_wrapped",
            Self::ClaimWrapped => "claim_wrapped",
        }
    }
}

/// The figures of one server.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) created_by_endpoint: Count,
    pub(crate) created_inline: Count,
    pub(crate) closed_by_client: Count,
    pub(crate) closed_at_limit: Count,
    pub(crate) opened: Count,
    pub(crate) sealed: Count,
    pub(crate) queue: QueueMeter,
    pub(crate) device_unavailable: Count,
    pub(crate) device_timeout: Count,
    pub(crate) rotated: Count,
    pub(crate) rotation_failed: Count,
    live: Level,
    key_age: Level,
    refusals: Vec<(Code, Count)>,
    create: Timing,
    find: Timing,
    claim: Timing,
    close: Timing,
    knows_wrapped: Timing,
    claim_wrapped: Timing,
    full: Count,
    taken: Count,
    unavailable: Count,
}

impl Meter {
    /// Registers every figure with the recorder that is installed now.
    pub(crate) fn new() -> Self {
        #[cfg(feature = "metrics")]
        describe();
        let (created, closed) = ("scv2_sessions_created_total", "scv2_sessions_closed_total");
        let (store, failures) = ("scv2_store_seconds", "scv2_store_failures_total");
        let (device, rotations) = ("scv2_key_device_failures_total", "scv2_key_rotations_total");
        Self {
            created_by_endpoint: Count::new(created, &[("way", "endpoint")]),
            created_inline: Count::new(created, &[("way", "inline")]),
            closed_by_client: Count::new(closed, &[("cause", "client")]),
            closed_at_limit: Count::new(closed, &[("cause", "limit")]),
            opened: Count::new("scv2_requests_opened_total", &[]),
            sealed: Count::new("scv2_answers_sealed_total", &[]),
            queue: QueueMeter::new(),
            device_unavailable: Count::new(device, &[("cause", "unavailable")]),
            device_timeout: Count::new(device, &[("cause", "timeout")]),
            rotated: Count::new(rotations, &[("result", "done")]),
            rotation_failed: Count::new(rotations, &[("result", "failed")]),
            live: Level::new("scv2_sessions_live", &[]),
            key_age: Level::new("scv2_published_key_age_seconds", &[]),
            refusals: refusals(),
            create: Timing::new(store, &[("operation", "create")]),
            find: Timing::new(store, &[("operation", "find")]),
            claim: Timing::new(store, &[("operation", "claim")]),
            close: Timing::new(store, &[("operation", "close")]),
            knows_wrapped: Timing::new(store, &[("operation", "knows_wrapped")]),
            claim_wrapped: Timing::new(store, &[("operation", "claim_wrapped")]),
            full: Count::new(failures, &[("kind", "full")]),
            taken: Count::new(failures, &[("kind", "taken")]),
            unavailable: Count::new(failures, &[("kind", "unavailable")]),
        }
    }

    /// An error answer.
    pub(crate) fn refused(&self, code: Code) {
        if let Some((_, count)) = self.refusals.iter().find(|(known, _)| *known == code) {
            count.one();
        }
    }

    /// Sessions that the store holds, where it can tell.
    pub(crate) fn live<S: Store>(&self, store: &S) {
        if cfg!(feature = "metrics")
            && let Some(live) = store.live_sessions()
        {
            self.live.set(live);
        }
    }

    /// The age of the published key, in milliseconds.
    pub(crate) fn key_age(&self, millis: u64) {
        self.key_age.set(millis / 1000);
    }

    /// Waits for a call of the store, and notes how long it took and whether it failed.
    pub(crate) async fn store<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        call: StoreCall,
        work: impl FnOnce() -> F,
    ) -> Result<T, StoreError> {
        let started = Stopwatch::start();
        let result = work().await;
        self.timing(call).record_since(started);
        match &result {
            Ok(_) => {}
            Err(StoreError::Full) => self.full.one(),
            Err(StoreError::Taken) => self.taken.one(),
            Err(StoreError::Unavailable) => self.unavailable.one(),
        }
        result
    }

    const fn timing(&self, call: StoreCall) -> &Timing {
        match call {
            StoreCall::Create => &self.create,
            StoreCall::Find => &self.find,
            StoreCall::Claim => &self.claim,
            StoreCall::Close => &self.close,
            StoreCall::KnowsWrapped => &self.knows_wrapped,
            StoreCall::ClaimWrapped => &self.claim_wrapped,
        }
    }
}

/// A counter for each code of an error; nothing to look through without the feature.
fn refusals() -> Vec<(Code, Count)> {
    let codes = if cfg!(feature = "metrics") { Code::ALL } else { &[] };
    let codes = codes.iter().filter(|code| **code != Code::Success);
    codes.map(|code| (*code, Count::labelled("scv2_refusals_total", "code", code.as_str()))).collect()
}

/// Tells the recorder what each figure is.
#[cfg(feature = "metrics")]
fn describe() {
    use metrics::Unit::{Count as Number, Seconds};
    for (name, about) in [
        ("scv2_sessions_created_total", "Sessions created, by the way of their set-up"),
        ("scv2_sessions_closed_total", "Sessions closed by their client or ended at a limit"),
        ("scv2_requests_opened_total", "Requests that opened"),
        ("scv2_answers_sealed_total", "Answers sealed, errors among them"),
        ("scv2_refusals_total", "Error answers by their code"),
        ("scv2_admission_busy_total", "Set-ups refused because the queue for RSA was full or did not move"),
        (
            "scv2_key_device_failures_total",
            "Set-ups given up because the device of an RSA key did not answer",
        ),
        ("scv2_store_failures_total", "Calls that the store refused"),
        ("scv2_key_rotations_total", "RSA keys made by housekeeping"),
    ] {
        Count::describe(name, Number, about);
    }
    for (name, unit, about) in [
        ("scv2_sessions_live", Number, "Sessions held by the store"),
        ("scv2_admission_waiting", Number, "Set-ups that wait for a private RSA operation"),
        ("scv2_admission_running", Number, "Set-ups whose private RSA operations run"),
        ("scv2_published_key_age_seconds", Seconds, "Age of the published RSA key"),
    ] {
        Level::describe(name, unit, about);
    }
    for (name, about) in [
        ("scv2_admission_wait_seconds", "Time from asking for a private RSA operation to its start"),
        ("scv2_private_operation_seconds", "Duration of the two private RSA operations of one set-up"),
        ("scv2_store_seconds", "Latency of the session store"),
    ] {
        Timing::describe(name, Seconds, about);
    }
}
