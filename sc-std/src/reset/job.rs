//! What the reset worker is given and what it tells: jobs, settings, refusals, counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Language, ResetLink};
use crate::message::Email;
use crate::rate_limit::Limit;
use crate::server::meter::{Count, reset_outcome};

/// One request for a reset link.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResetJob {
    /// The address as it was sent.
    pub email: Email,
    /// The language of the request.
    pub language: Language,
}

impl ResetJob {
    /// A request for a link to `email`, made in `language`.
    #[must_use]
    pub const fn new(email: Email, language: Language) -> Self {
        Self { email, language }
    }
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct ResetConfig {
    pub(super) link: ResetLink,
    pub(super) queue: usize,
    pub(super) parallel: usize,
    pub(super) account_limit: Limit,
    pub(super) max_accounts: usize,
    pub(super) job_timeout: Duration,
    pub(super) delay: Duration,
}

impl ResetConfig {
    /// How many mails an account gets by default: 3 in 24 hours (PROTOCOL 10.16).
    pub const DEFAULT_ACCOUNT_LIMIT: Limit = Limit::new(3, 24 * 60 * 60 * 1000);

    /// The defaults, with links to `link`.
    #[must_use]
    pub const fn new(link: ResetLink) -> Self {
        Self {
            link,
            queue: 10_000,
            parallel: 4,
            account_limit: Self::DEFAULT_ACCOUNT_LIMIT,
            max_accounts: 1_000_000,
            job_timeout: Duration::from_secs(60),
            delay: Duration::from_millis(250),
        }
    }

    /// Sets how many jobs may wait, at least 1. Default: 10,000.
    #[must_use]
    pub fn with_queue(mut self, jobs: usize) -> Self {
        self.queue = jobs.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how many jobs are worked on at once, at least 1. Default: 4.
    #[must_use]
    pub fn with_parallel(mut self, jobs: usize) -> Self {
        self.parallel = jobs.max(1);
        self
    }

    /// Sets how many mails an account gets. Default: 3 in 24 hours (PROTOCOL 10.16).
    #[must_use]
    pub const fn with_account_limit(mut self, limit: Limit) -> Self {
        self.account_limit = limit;
        self
    }

    /// Sets how many accounts that limit counts at once; others get no mail while it is full. Default: 1,000,000.
    #[must_use]
    pub const fn with_max_accounts(mut self, accounts: usize) -> Self {
        self.max_accounts = accounts;
        self
    }

    /// Sets how long a job waits before it begins, at most; each waits a random time of at least a fifth of that. Default: 250
    /// milliseconds.
    ///
    /// # Security
    /// Looking up and writing a mail take the processor, and more of it for an address that somebody has. Were it done at
    /// once, it would slow down the very answer that must not tell (PROTOCOL 6).
    #[must_use]
    pub const fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets how long one job may take before it is given up. Default: 60 seconds.
    #[must_use]
    pub const fn with_job_timeout(mut self, timeout: Duration) -> Self {
        self.job_timeout = timeout;
        self
    }
}

/// Why a job was not taken. Neither reason depends on the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// As many jobs wait as may.
    #[error("too many reset requests wait")]
    Full,
    /// The worker was closed.
    #[error("the reset worker is closed")]
    Closed,
}

/// What became of the jobs so far, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ResetStats {
    /// Mails handed over.
    pub sent: u64,
    /// Jobs for addresses that nobody has.
    pub unknown: u64,
    /// Jobs for accounts that have had their mails.
    pub limited: u64,
    /// Jobs that failed, were given up or refused by a full store of tokens.
    pub failed: u64,
}

/// The same, while they are counted.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) sent: Tally,
    pub(super) unknown: Tally,
    pub(super) limited: Tally,
    pub(super) failed: Tally,
}

/// One of them, for the worker's own statistics and for metrics.
#[derive(Debug)]
pub(super) struct Tally {
    count: AtomicU64,
    seen: Count,
}

impl Tally {
    fn new(outcome: &'static str) -> Self {
        Self { count: AtomicU64::new(0), seen: reset_outcome(outcome) }
    }

    pub(super) fn one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.seen.one();
    }
}

impl Default for Counters {
    fn default() -> Self {
        let [sent, unknown, limited, failed] = ["sent", "unknown", "limited", "failed"].map(Tally::new);
        Self { sent, unknown, limited, failed }
    }
}

impl Counters {
    pub(super) fn read(&self) -> ResetStats {
        let read = |tally: &Tally| tally.count.load(Ordering::Relaxed);
        ResetStats {
            sent: read(&self.sent),
            unknown: read(&self.unknown),
            limited: read(&self.limited),
            failed: read(&self.failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_shows_no_address() {
        let job = ResetJob { email: Email::parse("user@example.com").unwrap(), language: Language::En };
        assert_eq!(format!("{job:?}"), "ResetJob { email: Email(..), language: En }");
    }

    #[test]
    fn sizes_that_no_queue_can_have_are_brought_into_range() {
        let config = ResetConfig::new(ResetLink::parse("https://x").unwrap());
        let least = config.clone().with_queue(0).with_parallel(0);
        assert_eq!((least.queue, least.parallel), (1, 1));
        assert_eq!(config.with_queue(usize::MAX).queue, Semaphore::MAX_PERMITS);
    }
}
