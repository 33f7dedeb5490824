//! Admission of private RSA operations: a bounded number at once, off the async threads, a bounded queue, then BUSY.
//!
//! One set-up costs two private operations and the attacker 600 bytes (PROTOCOL 9). With this in front, a flood of
//! set-ups waits or is refused, while sealed requests of existing sessions, which need no RSA, keep flowing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;

/// A queue that was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Seconds after which the queue should have drained, at least 1.
    pub retry_after: u64,
}

/// Lets a bounded number of jobs run at once on blocking threads, and a bounded number wait.
#[derive(Debug)]
pub struct Admission {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    parallel: usize,
    max_waiting: usize,
    /// Smoothed duration of one job, in microseconds.
    typical_us: AtomicU64,
}

/// One place in the queue, left on drop, also when the request is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Admission {
    /// As many jobs at once as there are cores, and 256 waiting.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::new(cores, 256)
    }
}

impl Admission {
    /// `parallel` jobs at once, `max_waiting` behind them.
    #[must_use]
    pub fn new(parallel: NonZeroUsize, max_waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(parallel.get())),
            waiting: AtomicUsize::new(0),
            parallel: parallel.get(),
            max_waiting,
            typical_us: AtomicU64::new(1_000),
        }
    }

    /// Runs a job on a blocking thread, once it is its turn. The place is held until the job has ended, even if the
    /// caller no longer waits for it.
    ///
    /// # Errors
    /// [`Busy`] if too many are waiting already, or if the job panicked or the runtime is shutting down.
    pub async fn run<T, F>(&self, job: F) -> Result<T, Busy>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let job = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let result = job();
            drop(permit);
            (result, started.elapsed())
        });
        let (result, took) = job.await.map_err(|_| Busy { retry_after: 1 })?;
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let smooth = |typical: u64| Some(typical - typical / 8 + took / 8);
        // Never refuses: the closure always gives a value.
        let _ = self.typical_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, smooth);
        Ok(result)
    }

    async fn wait(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Busy> {
        let next = |waiting: usize| if waiting < self.max_waiting { waiting.checked_add(1) } else { None };
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .map_err(|_| Busy { retry_after: self.retry_after() })?;
        let _waiting = Waiting(&self.waiting);
        let permit = Arc::clone(&self.running).acquire_owned().await;
        permit.map_err(|_| Busy { retry_after: 1 })
    }

    /// How long the queue needs to drain, in seconds, rounded up.
    fn retry_after(&self) -> u64 {
        let jobs = u64::try_from(self.waiting().saturating_add(self.parallel)).unwrap_or(u64::MAX);
        let parallel = u64::try_from(self.parallel).unwrap_or(1).max(1);
        let micros = jobs.saturating_mul(self.typical_us.load(Ordering::Relaxed)) / parallel;
        micros.div_ceil(1_000_000).clamp(1, 60)
    }

    /// Jobs waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn at_most_n_jobs_run_and_a_full_queue_is_busy() {
        let admission = Arc::new(Admission::new(TWO, 1));
        let (started, starts) = mpsc::channel();
        let gate = Arc::new(Semaphore::new(0));
        let mut jobs = Vec::new();
        for _ in 0..3 {
            let (admission, started, gate) = (Arc::clone(&admission), started.clone(), Arc::clone(&gate));
            jobs.push(tokio::spawn(async move {
                let handle = tokio::runtime::Handle::current();
                let job = move || {
                    started.send(()).unwrap();
                    handle.block_on(gate.acquire()).unwrap().forget();
                };
                admission.run(job).await
            }));
        }
        starts.recv().unwrap();
        starts.recv().unwrap();
        while admission.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(starts.try_recv().is_err(), "a third job must not run");
        assert!(admission.run(|| ()).await.is_err_and(|busy| busy.retry_after >= 1));
        gate.add_permits(3);
        for job in jobs {
            assert!(job.await.unwrap().is_ok());
        }
        assert_eq!(admission.waiting(), 0);
        assert_eq!(admission.run(|| 5).await, Ok(5));
    }

    #[tokio::test]
    async fn a_job_that_panics_gives_its_place_back() {
        let admission = Admission::new(NonZeroUsize::MIN, 0);
        assert!(admission.run(|| panic!("as the test wants")).await.is_err());
        assert_eq!(admission.run(|| 5).await, Ok(5));
    }
}
