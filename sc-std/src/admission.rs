//! Admission of private RSA operations: a bounded number at once, a bounded queue, then BUSY.
//!
//! One set-up costs two private operations and the attacker 600 bytes (PROTOCOL 9). With this in front, a flood of
//! set-ups waits or is refused, while sealed requests of existing sessions, which need no RSA, keep flowing.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::server::meter::{Held, QueueMeter};

/// A queue that was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Seconds after which the queue should have drained, at least 1.
    pub(crate) retry_after: u64,
}

/// Why an asynchronous job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDone<E> {
    /// It did not begin: too many wait already, or its turn did not come in time. Also a job that panicked.
    Busy(Busy),
    /// It began, and did not end in time.
    TimedOut,
    /// It failed by itself.
    Failed(E),
}

/// Lets a bounded number of jobs run at once, and a bounded number wait: jobs that compute on blocking threads, jobs
/// that wait for a device on the runtime.
#[derive(Debug)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
    max_waiting: usize,
}

/// What jobs need that outlive their callers.
#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    parallel: usize,
    /// Smoothed duration of one job, in microseconds.
    typical_us: AtomicU64,
    meter: QueueMeter,
}

/// One place in the queue, left on drop, also when the request is given up.
struct Waiting<'a> {
    waiting: &'a AtomicUsize,
    _held: Held,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One place among the jobs that run.
struct Running {
    shared: Arc<Shared>,
    waited: Duration,
    _permit: OwnedSemaphorePermit,
    _held: Held,
}

impl Running {
    /// Notes how long the job took, before its place is given back. Gives how long it waited and took.
    fn ran(self, took: Duration) -> (Duration, Duration) {
        let smooth = |typical: u64| Some(typical - typical / 8 + micros(took) / 8);
        // Never refuses: the closure always gives a value.
        let _ = self.shared.typical_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, smooth);
        self.shared.meter.ran(took);
        (self.waited, took)
    }
}

/// Tells how long a job waited and ran.
fn trace((waited, took): (Duration, Duration)) {
    tracing::trace!(wait_us = micros(waited), run_us = micros(took), "RSA operations");
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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
    pub(crate) fn new(parallel: NonZeroUsize, max_waiting: usize) -> Self {
        Self::make(parallel.get(), max_waiting, QueueMeter::off())
    }

    /// The same, before its first job, with figures that are seen.
    pub(crate) fn with_meter(self, meter: QueueMeter) -> Self {
        Self::make(self.shared.parallel, self.max_waiting, meter)
    }

    fn make(parallel: usize, max_waiting: usize, meter: QueueMeter) -> Self {
        let shared = Shared {
            places: Arc::new(Semaphore::new(parallel.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            parallel,
            typical_us: AtomicU64::new(1_000),
            meter,
        };
        Self { shared: Arc::new(shared), max_waiting }
    }

    /// Runs a job on a blocking thread, once it is its turn. The place is held until the job has ended, even if the
    /// caller no longer waits for it.
    ///
    /// # Errors
    /// [`Busy`] if too many are waiting already, or if the job panicked or the runtime is shutting down.
    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T, Busy>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = self.enter().await?;
        let span = tracing::Span::current();
        let job = tokio::task::spawn_blocking(move || {
            let _in_request = span.entered();
            let started = Instant::now();
            let result = job();
            (result, place.ran(started.elapsed()))
        });
        let (result, times) = job.await.map_err(|_| Busy { retry_after: 1 })?;
        trace(times);
        Ok(result)
    }

    /// Runs a job that waits for somebody else, once it is its turn, in a task of its own: on no blocking thread. The
    /// place is held until the job has ended or its time is over, even if the caller no longer waits for it.
    ///
    /// `limit` bounds the whole of it, the time in the queue included.
    ///
    /// # Errors
    /// [`NotDone`] if its turn did not come, it took too long, or it failed.
    pub(crate) async fn run_async<T, E, F>(&self, limit: Duration, job: F) -> Result<T, NotDone<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let place = match timeout(limit, self.enter()).await {
            Ok(place) => place.map_err(NotDone::Busy)?,
            Err(_) => return Err(NotDone::Busy(self.busy())),
        };
        let left = limit.saturating_sub(place.waited);
        let job = async move {
            let started = Instant::now();
            match timeout(left, job).await {
                Ok(Ok(result)) => {
                    trace(place.ran(started.elapsed()));
                    Ok(result)
                }
                // A failure that comes at once says nothing about how long the next one will take.
                Ok(Err(error)) => Err(NotDone::Failed(error)),
                Err(_) => {
                    trace(place.ran(started.elapsed()));
                    Err(NotDone::TimedOut)
                }
            }
        };
        let job = tokio::spawn(tracing::Instrument::in_current_span(job));
        job.await.unwrap_or(Err(NotDone::Busy(Busy { retry_after: 1 })))
    }

    /// Waits for a place among those that run.
    async fn enter(&self) -> Result<Running, Busy> {
        let asked = Instant::now();
        let permit = match Arc::clone(&self.shared.places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let waited = asked.elapsed();
        let _held = self.shared.meter.runs(waited);
        Ok(Running { shared: Arc::clone(&self.shared), waited, _permit: permit, _held })
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, Busy> {
        let next = |waiting: usize| if waiting < self.max_waiting { waiting.checked_add(1) } else { None };
        let waiting = &self.shared.waiting;
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map_err(|_| self.busy())?;
        let _waiting = Waiting { waiting, _held: self.shared.meter.waits() };
        let permit = Arc::clone(&self.shared.places).acquire_owned().await;
        permit.map_err(|_| Busy { retry_after: 1 })
    }

    fn busy(&self) -> Busy {
        self.shared.meter.busy();
        Busy { retry_after: self.retry_after() }
    }

    /// How long the queue needs to drain, in seconds, rounded up: its length times the measured duration of a job,
    /// divided by the jobs that run at once; 1 to 60.
    #[must_use]
    pub(crate) fn retry_after(&self) -> u64 {
        let parallel = u64::try_from(self.shared.parallel).unwrap_or(1).max(1);
        let jobs = u64::try_from(self.waiting()).unwrap_or(u64::MAX).saturating_add(parallel);
        let micros = jobs.saturating_mul(self.shared.typical_us.load(Ordering::Relaxed)) / parallel;
        micros.div_ceil(1_000_000).clamp(1, 60)
    }

    /// Jobs waiting now.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Jobs running now.
    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        self.shared.parallel.saturating_sub(self.shared.places.available_permits())
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

    /// Longer than any test waits.
    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn an_asynchronous_job_ends_at_its_limit_and_so_does_one_that_waits_behind_it() {
        let admission = Arc::new(Admission::new(NonZeroUsize::MIN, 8));
        let limit = Duration::from_secs(5);
        let run = || {
            let admission = Arc::clone(&admission);
            tokio::spawn(
                async move { admission.run_async(limit, std::future::pending::<Result<(), ()>>()).await },
            )
        };
        let (first, second) = (run(), run());
        assert_eq!(first.await.unwrap(), Err(NotDone::TimedOut));
        assert!(matches!(second.await.unwrap(), Err(NotDone::Busy(_) | NotDone::TimedOut)));
        tokio::time::sleep(limit).await;
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
        assert_eq!(admission.run_async(limit, async { Ok::<_, ()>(5) }).await, Ok(5));
        assert_eq!(admission.run_async(limit, async { Err::<(), _>(7) }).await, Err(NotDone::Failed(7)));
    }

    #[tokio::test]
    async fn an_asynchronous_job_keeps_its_place_when_its_caller_leaves() {
        let admission = Admission::new(NonZeroUsize::MIN, 0);
        let gate = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&gate);
        let job = async move { wait.acquire().await.map(|permit| permit.forget()) };
        let left = timeout(Duration::from_millis(20), admission.run_async(LONG, job)).await;
        assert!(left.is_err() && admission.running() == 1, "the device still works");
        let refused = admission.run_async(LONG, async { Ok::<_, ()>(()) }).await;
        assert!(matches!(refused, Err(NotDone::Busy(busy)) if busy.retry_after >= 1));
        gate.add_permits(1);
        while admission.running() > 0 {
            tokio::task::yield_now().await;
        }
        let panics = admission
            .run_async(LONG, async { if true { panic!("as the test wants") } else { Ok::<_, ()>(()) } });
        assert!(matches!(panics.await, Err(NotDone::Busy(_))));
        assert_eq!(admission.running(), 0);
    }

    #[tokio::test]
    async fn retry_after_follows_the_queue_and_the_measured_time_of_both_kinds_of_job() {
        let admission = Admission::new(TWO, 1_000);
        assert_eq!(admission.retry_after(), 1);
        let measured = |micros| admission.shared.typical_us.store(micros, Ordering::Relaxed);
        measured(500_000);
        admission.shared.waiting.store(38, Ordering::Relaxed);
        assert_eq!(admission.retry_after(), 10, "forty jobs of half a second, two at once");
        admission.shared.waiting.store(1_000_000, Ordering::Relaxed);
        assert_eq!(admission.retry_after(), 60);
        admission.shared.waiting.store(0, Ordering::Relaxed);

        let slow = Duration::from_millis(80);
        let typical = || admission.shared.typical_us.load(Ordering::Relaxed);
        // Seven eighths of what was measured before, and one of what it took: no less than the 80,000 µs, no more than all of it.
        let smoothed = |asked: Instant| {
            (80_000..=70_001 + asked.elapsed().as_micros() / 8).contains(&u128::from(typical()))
        };
        measured(80_000);
        let asked = Instant::now();
        let job = async move {
            tokio::time::sleep(slow).await;
            Ok::<_, ()>(())
        };
        admission.run_async(LONG, job).await.unwrap();
        assert!(smoothed(asked), "{}", typical());
        let before = typical();
        assert!(admission.run_async(LONG, async { Err::<(), _>(()) }).await.is_err());
        assert_eq!(typical(), before, "a device that refuses at once does not look fast");
        measured(80_000);
        let asked = Instant::now();
        admission.run(move || std::thread::sleep(slow)).await.unwrap();
        assert!(smoothed(asked), "{}", typical());
    }

    #[tokio::test]
    async fn a_job_that_ran_tells_how_long_it_waited_and_took() {
        let mut place = Admission::new(TWO, 0).enter().await.unwrap();
        let (waited, took) = (Duration::from_millis(2), Duration::from_millis(3));
        place.waited = waited;
        assert_eq!(place.ran(took), (waited, took));
    }
}
