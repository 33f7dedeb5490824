//! The worker behind the answer: looks up, limits, makes the token and sends the mail (PROTOCOL 6).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::{AccountId, Accounts, Language, Mailer, ResetLink, ResetTokens, reset_mail};
use crate::clock::Clock;
use crate::message::Email;
use crate::rate_limit::{Limit, LimitKey, SlidingWindow};
use crate::rng::SystemSeeded;

/// One request for a reset link.
#[derive(Debug, Clone)]
pub struct ResetJob {
    /// The address as it was sent.
    pub email: Email,
    /// The language of the request.
    pub language: Language,
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct ResetConfig {
    link: ResetLink,
    queue: usize,
    parallel: usize,
    account_limit: Limit,
    max_accounts: usize,
    job_timeout: Duration,
}

impl ResetConfig {
    /// The defaults, with links to `link`.
    #[must_use]
    pub const fn new(link: ResetLink) -> Self {
        Self {
            link,
            queue: 10_000,
            parallel: 4,
            account_limit: Limit::new(3, 24 * 60 * 60 * 1000),
            max_accounts: 1_000_000,
            job_timeout: Duration::from_secs(60),
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

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    unknown: AtomicU64,
    limited: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    fn read(&self) -> ResetStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ResetStats {
            sent: read(&self.sent),
            unknown: read(&self.unknown),
            limited: read(&self.limited),
            failed: read(&self.failed),
        }
    }
}

/// Takes jobs; cheap to clone, one for each handler.
#[derive(Debug, Clone)]
pub struct ResetQueue(mpsc::Sender<ResetJob>);

impl ResetQueue {
    /// Takes a place in the queue before anything is spent on the request. Dropping the place gives it back.
    ///
    /// # Errors
    /// [`EnqueueError`] if the queue is full or closed.
    pub fn try_reserve(&self) -> Result<Place<'_>, EnqueueError> {
        self.0.try_reserve().map(Place).map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => EnqueueError::Full,
            mpsc::error::TrySendError::Closed(()) => EnqueueError::Closed,
        })
    }

    /// Takes a job. Never waits, and does the same for every address.
    ///
    /// # Errors
    /// [`EnqueueError`] if the queue is full or closed.
    pub fn enqueue(&self, job: ResetJob) -> Result<(), EnqueueError> {
        self.0.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EnqueueError::Full,
            mpsc::error::TrySendError::Closed(_) => EnqueueError::Closed,
        })
    }
}

/// A place in the queue.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub struct Place<'q>(mpsc::Permit<'q, ResetJob>);

impl Place<'_> {
    /// Takes the job. Cannot fail, and does the same for every address.
    pub fn send(self, job: ResetJob) {
        self.0.send(job);
    }
}

/// Works through the jobs of its queue in tasks of its own. Dropping it is [`ResetWorker::close`] without waiting.
#[derive(Debug)]
pub struct ResetWorker {
    queue: ResetQueue,
    counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ResetWorker {
    /// Starts a worker.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer enabled.
    pub fn spawn<A: Accounts, M: Mailer>(
        config: ResetConfig,
        accounts: A,
        mailer: M,
        tokens: Arc<ResetTokens>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(config.queue);
        let (stop, stopped) = oneshot::channel();
        let counters = Arc::new(Counters::default());
        let mails = SlidingWindow::new(config.account_limit, config.max_accounts);
        let desk = Desk { accounts, mailer, tokens, clock, mails, counters: Arc::clone(&counters), config };
        let task = tokio::spawn(run(Arc::new(desk), receiver, stopped));
        Self { queue: ResetQueue(sender), counters, stop, task }
    }

    /// The queue.
    #[must_use]
    pub const fn queue(&self) -> &ResetQueue {
        &self.queue
    }

    /// What became of the jobs so far.
    #[must_use]
    pub fn stats(&self) -> ResetStats {
        self.counters.read()
    }

    /// Takes no more jobs, and returns when those that were taken are done, with what became of them all.
    pub async fn close(self) -> ResetStats {
        let counters = Arc::clone(&self.counters);
        let Self { queue, stop, task, .. } = self;
        drop(queue);
        // It has stopped already if there is nobody to hear.
        let _ = stop.send(());
        if task.await.is_err() {
            tracing::error!("the password reset worker ended early");
        }
        counters.read()
    }
}

/// Takes jobs until it is told to stop, then those that wait, then waits for the last.
async fn run<A: Accounts, M: Mailer>(
    desk: Arc<Desk<A, M>>,
    mut jobs: mpsc::Receiver<ResetJob>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut tasks = JoinSet::new();
    let mut open = true;
    loop {
        // At least one branch waits: the last is off only while there are tasks.
        tokio::select! {
            // The sender sends or is dropped: both mean stop.
            _ = &mut stopped, if open => {
                open = false;
                jobs.close();
            }
            Some(done) = tasks.join_next(), if !tasks.is_empty() => desk.note(&done),
            job = jobs.recv(), if tasks.len() < desk.config.parallel => {
                let Some(job) = job else { break };
                let desk = Arc::clone(&desk);
                tasks.spawn(async move { desk.work(job).await });
            }
        }
    }
    while let Some(done) = tasks.join_next().await {
        desk.note(&done);
    }
}

/// All that a job needs.
struct Desk<A, M> {
    accounts: A,
    mailer: M,
    tokens: Arc<ResetTokens>,
    clock: Arc<dyn Clock>,
    mails: SlidingWindow,
    counters: Arc<Counters>,
    config: ResetConfig,
}

/// What became of one job.
enum Outcome {
    Sent,
    Unknown,
    Limited,
    /// Why, in words that hold nothing of the job.
    Failed(String),
}

impl<A: Accounts, M: Mailer> Desk<A, M> {
    async fn work(&self, job: ResetJob) {
        let outcome = tokio::time::timeout(self.config.job_timeout, self.handle(job)).await;
        let counter = match outcome.unwrap_or_else(|_| Outcome::Failed("it took too long".to_owned())) {
            Outcome::Sent => &self.counters.sent,
            Outcome::Unknown => &self.counters.unknown,
            Outcome::Limited => &self.counters.limited,
            Outcome::Failed(reason) => {
                tracing::warn!(reason, "a password reset mail was not sent");
                &self.counters.failed
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    async fn handle(&self, job: ResetJob) -> Outcome {
        let account = match self.accounts.find(&job.email).await {
            Ok(Some(account)) => account,
            Ok(None) => return Outcome::Unknown,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        // Silent, and after the look-up: it must not tell who has an account (PROTOCOL 10.6).
        if self.mails.claim(&account_key(&account.id), self.clock.now()).is_err() {
            return Outcome::Limited;
        }
        let token = match self.tokens.create(&mut SystemSeeded, &account.id, self.clock.now()) {
            Ok(token) => token,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let link = self.config.link.with(&token);
        let language = account.language.unwrap_or(job.language);
        let mail = reset_mail(account.email, &link, self.tokens.ttl_ms(), language);
        match self.mailer.send(mail).await {
            Ok(()) => Outcome::Sent,
            Err(error) => {
                self.tokens.revoke(&token);
                Outcome::Failed(error.to_string())
            }
        }
    }

    /// Counts a job whose task panicked, in a service's own [`Accounts`] or [`Mailer`].
    fn note(&self, done: &Result<(), tokio::task::JoinError>) {
        if done.is_err() {
            tracing::error!("a password reset job panicked");
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn account_key(id: &AccountId) -> LimitKey {
    LimitKey::of_hash(Sha256::digest(id.as_str()).into())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use sc_core::id::UnixMillis;

    use super::*;
    use crate::clock::ManualClock;
    use crate::reset::{Account, AccountsError, KnownAddresses, Mail, MailError, ResetToken};

    const DAY: u64 = 24 * 60 * 60 * 1000;

    /// Keeps what it is given: address and link.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, String)>>>);

    impl Mailer for Kept {
        async fn send(&self, mail: Mail) -> Result<(), MailError> {
            let link = mail.text.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
            self.0.lock().unwrap().push((mail.to.as_str().to_owned(), link.to_owned()));
            Ok(())
        }
    }

    /// Does as it is told.
    struct Broken(fn() -> Result<(), MailError>);

    impl Mailer for Broken {
        async fn send(&self, _mail: Mail) -> Result<(), MailError> {
            (self.0)()
        }
    }

    /// Never comes to an end.
    struct Stuck;

    impl Mailer for Stuck {
        async fn send(&self, _mail: Mail) -> Result<(), MailError> {
            std::future::pending().await
        }
    }

    struct Down;

    impl Accounts for Down {
        async fn find(&self, _email: &Email) -> Result<Option<Account>, AccountsError> {
            Err(AccountsError)
        }
    }

    fn config() -> ResetConfig {
        ResetConfig::new(ResetLink::parse("https://example.com/reset").unwrap())
    }

    fn job(email: &str) -> ResetJob {
        ResetJob { email: Email::parse(email).unwrap(), language: Language::En }
    }

    fn spawn<M: Mailer>(config: ResetConfig, mailer: M) -> (ResetWorker, Arc<ResetTokens>, Arc<ManualClock>) {
        let tokens = Arc::new(ResetTokens::new(900_000, 100));
        let clock = Arc::new(ManualClock::at(UnixMillis(0)));
        let known = KnownAddresses::parse("User@example.com\nother@example.com").unwrap();
        let worker = ResetWorker::spawn(
            config,
            known,
            mailer,
            Arc::clone(&tokens),
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        (worker, tokens, clock)
    }

    #[tokio::test]
    async fn a_known_address_gets_a_link_that_works_and_an_unknown_one_nothing() {
        let mailer = Kept::default();
        let (worker, tokens, clock) = spawn(config(), mailer.clone());
        worker.queue().enqueue(job("user@EXAMPLE.com")).unwrap();
        worker.queue().enqueue(job("nobody@example.com")).unwrap();
        let stats = worker.close().await;
        assert_eq!((stats.sent, stats.unknown, stats.limited, stats.failed), (1, 1, 0, 0));
        let mails = mailer.0.lock().unwrap();
        let (to, link) = mails.first().unwrap();
        assert_eq!(to, "User@example.com", "the address on record");
        let token = link.strip_prefix("https://example.com/reset?token=").unwrap();
        let token = ResetToken::parse(token).unwrap();
        assert_eq!(tokens.consume(&token, clock.now()), Some(AccountId::new("user@example.com")));
    }

    #[tokio::test]
    async fn an_account_gets_three_mails_in_24_hours_however_its_address_is_spelled() {
        let mailer = Kept::default();
        let (worker, _, clock) = spawn(config().with_parallel(1), mailer.clone());
        for email in ["user@example.com", "USER@example.com", "User@Example.com", "uSer@example.com"] {
            worker.queue().enqueue(job(email)).unwrap();
        }
        worker.queue().enqueue(job("other@example.com")).unwrap();
        while worker.stats().sent + worker.stats().limited < 5 {
            tokio::task::yield_now().await;
        }
        assert_eq!((worker.stats().sent, worker.stats().limited), (4, 1));
        clock.advance(DAY);
        worker.queue().enqueue(job("user@example.com")).unwrap();
        assert_eq!(worker.close().await.sent, 5);
    }

    #[tokio::test]
    async fn closing_works_off_what_was_taken_and_takes_no_more() {
        let mailer = Kept::default();
        let (worker, ..) = spawn(config().with_account_limit(Limit::new(1000, 1)), mailer.clone());
        for _ in 0..100 {
            worker.queue().enqueue(job("user@example.com")).unwrap();
        }
        let queue = worker.queue().clone();
        assert_eq!(worker.close().await.sent, 100, "although another handle is alive");
        assert_eq!(queue.enqueue(job("user@example.com")), Err(EnqueueError::Closed));
    }

    #[tokio::test]
    async fn a_dropped_worker_works_off_its_queue_too() {
        let mailer = Kept::default();
        let (worker, ..) = spawn(config(), mailer.clone());
        worker.queue().enqueue(job("user@example.com")).unwrap();
        drop(worker);
        while mailer.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_known_and_unknown_alike() {
        let (worker, ..) = spawn(config().with_queue(2), Stuck);
        // The worker's task has not run yet, so both wait.
        worker.queue().enqueue(job("user@example.com")).unwrap();
        worker.queue().enqueue(job("nobody@example.com")).unwrap();
        for email in ["user@example.com", "nobody@example.com"] {
            assert_eq!(worker.queue().enqueue(job(email)), Err(EnqueueError::Full));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_hangs_is_given_up_and_closing_still_ends() {
        let (worker, ..) = spawn(config(), Stuck);
        worker.queue().enqueue(job("user@example.com")).unwrap();
        let before = tokio::time::Instant::now();
        assert_eq!(worker.close().await.failed, 1);
        assert_eq!(before.elapsed().as_secs(), 60);
    }

    #[tokio::test]
    async fn a_mail_that_fails_takes_its_token_along() {
        let (worker, tokens, _) = spawn(config(), Broken(|| Err(MailError::Delivery)));
        worker.queue().enqueue(job("user@example.com")).unwrap();
        assert_eq!(worker.close().await.failed, 1);
        assert_eq!(format!("{tokens:?}"), "ResetTokens { live: 0, .. }");
    }

    #[tokio::test]
    async fn a_mailer_that_panics_stops_nobody_else() {
        let (worker, ..) = spawn(config().with_parallel(1), Broken(|| panic!("a test of panics")));
        worker.queue().enqueue(job("user@example.com")).unwrap();
        worker.queue().enqueue(job("nobody@example.com")).unwrap();
        let stats = worker.close().await;
        assert_eq!((stats.failed, stats.unknown), (1, 1));
    }

    #[tokio::test]
    async fn accounts_that_cannot_be_looked_up_are_a_failure_not_an_unknown_address() {
        let tokens = Arc::new(ResetTokens::new(900_000, 100));
        let clock = Arc::new(ManualClock::at(UnixMillis(0)));
        let worker = ResetWorker::spawn(config(), Down, Kept::default(), tokens, clock);
        worker.queue().enqueue(job("user@example.com")).unwrap();
        let stats = worker.close().await;
        assert_eq!((stats.failed, stats.unknown), (1, 0));
    }

    #[test]
    fn a_job_shows_no_address() {
        assert_eq!(format!("{:?}", job("user@example.com")), "ResetJob { email: Email(..), language: En }");
    }
}
