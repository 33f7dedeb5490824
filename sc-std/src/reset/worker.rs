//! The worker behind the answer: looks up, limits, makes the token and sends the mail (PROTOCOL 6).

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::job::Counters;
use super::queue::{ResetQueue, Waiting};
use super::{AccountId, Accounts, Mailer, ResetConfig, ResetJob, ResetStats, TokenStore, reset_mail};
use crate::clock::Clock;
use crate::rate_limit::{LimitKey, LimitRefusal, RateLimiter, SlidingWindow};
use crate::stack::Wiped;

/// Works through the jobs of its queue in tasks of its own. Dropping it is [`ResetWorker::close`] without waiting.
///
/// # Examples
/// A whole service is `examples/forgot_password.rs`.
#[derive(Debug)]
pub struct ResetWorker {
    queue: ResetQueue,
    counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ResetWorker {
    /// Starts a worker that counts the mails of an account in memory.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer enabled.
    pub fn spawn<A: Accounts, M: Mailer, T: TokenStore>(
        config: ResetConfig,
        accounts: A,
        mailer: M,
        tokens: Arc<T>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mails = SlidingWindow::new(config.account_limit, config.max_accounts);
        Self::spawn_limited(config, accounts, mailer, tokens, mails, clock)
    }

    /// Starts a worker that counts the mails of an account with `mails`, for a fleet a limiter of its store.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer enabled.
    pub fn spawn_limited<A: Accounts, M: Mailer, T: TokenStore, L: RateLimiter>(
        config: ResetConfig,
        accounts: A,
        mailer: M,
        tokens: Arc<T>,
        mails: L,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(config.queue);
        let queue = ResetQueue { jobs: sender, delay: config.delay };
        let (stop, stopped) = oneshot::channel();
        let counters = Arc::new(Counters::default());
        let desk = Desk { accounts, mailer, tokens, clock, mails, counters: Arc::clone(&counters), config };
        let task = tokio::spawn(run(Arc::new(desk), receiver, stopped));
        Self { queue, counters, stop, task }
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
async fn run<A: Accounts, M: Mailer, T: TokenStore, L: RateLimiter>(
    desk: Arc<Desk<A, M, T, L>>,
    mut jobs: mpsc::Receiver<Waiting>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut tasks = JoinSet::new();
    let (mut open, mut next) = (true, None::<Waiting>);
    loop {
        // Whoever closes waits for the work, not for the delay.
        let begin = next.as_ref().filter(|_| open).map_or_else(Instant::now, |next| next.not_before);
        // At least one branch waits: with a job in hand and no room for it, the second.
        tokio::select! {
            // The sender sends or is dropped: both mean stop.
            _ = &mut stopped, if open => {
                open = false;
                jobs.close();
            }
            Some(done) = tasks.join_next(), if !tasks.is_empty() => desk.note(&done),
            () = sleep_until(begin), if next.is_some() && tasks.len() < desk.config.parallel => {
                if let Some(Waiting { job, .. }) = next.take() {
                    let desk = Arc::clone(&desk);
                    tasks.spawn(Wiped::new(async move { desk.work(job).await }));
                }
            }
            waiting = jobs.recv(), if next.is_none() => match waiting {
                Some(waiting) => next = Some(waiting),
                None => break,
            },
        }
    }
    while let Some(done) = tasks.join_next().await {
        desk.note(&done);
    }
}

/// All that a job needs.
struct Desk<A, M, T, L> {
    accounts: A,
    mailer: M,
    tokens: Arc<T>,
    clock: Arc<dyn Clock>,
    mails: L,
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

impl<A: Accounts, M: Mailer, T: TokenStore, L: RateLimiter> Desk<A, M, T, L> {
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
        counter.one();
    }

    async fn handle(&self, job: ResetJob) -> Outcome {
        let account = match self.accounts.find(&job.email).await {
            Ok(Some(account)) => account,
            Ok(None) => return Outcome::Unknown,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        // Silent, and after the look-up: it must not tell who has an account (PROTOCOL 10.6).
        match self.mails.claim(&account_key(&account.id), self.clock.now()).await {
            Ok(()) => {}
            Err(LimitRefusal::Exceeded(_)) => return Outcome::Limited,
            Err(refusal) => return Outcome::Failed(refusal.to_string()),
        }
        let token = match self.tokens.create(&account.id, self.clock.now()).await {
            Ok(token) => token,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let link = self.config.link.with(&token);
        let language = account.language.unwrap_or(job.language);
        let mail = reset_mail(account.email, &link, self.tokens.ttl_ms(), language);
        match self.mailer.send(mail).await {
            Ok(()) => Outcome::Sent,
            Err(error) => {
                // A token that cannot be ended now ends soon by itself; nobody has seen it.
                let _ = self.tokens.revoke(&token).await;
                Outcome::Failed(error.to_string())
            }
        }
    }

    /// Counts a job whose task panicked, in a service's own [`Accounts`] or [`Mailer`].
    fn note(&self, done: &Result<(), tokio::task::JoinError>) {
        if done.is_err() {
            tracing::error!("a password reset job panicked");
            self.counters.failed.one();
        }
    }
}

fn account_key(id: &AccountId) -> LimitKey {
    LimitKey::of_hash(Sha256::digest(id.as_str()).into())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use sc_core::id::UnixMillis;

    use super::*;
    use crate::clock::ManualClock;
    use crate::message::Email;
    use crate::rate_limit::Limit;
    use crate::reset::{
        Account, AccountsError, EnqueueError, KnownAddresses, Language, Mail, MailError, ResetLink,
        ResetToken, ResetTokens,
    };

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
        let worker = ResetWorker::spawn(config, known, mailer, Arc::clone(&tokens), clock.clone());
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
    async fn a_job_begins_a_random_while_after_its_request() {
        let mailer = Kept::default();
        let (worker, ..) = spawn(config().with_account_limit(Limit::new(1000, 1)), mailer.clone());
        for _ in 0..20 {
            let asked = Instant::now();
            let before = mailer.0.lock().unwrap().len();
            worker.queue().enqueue(job("user@example.com")).unwrap();
            while mailer.0.lock().unwrap().len() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let waited = asked.elapsed().as_millis();
            assert!((50..=260).contains(&waited), "{waited}");
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
}
