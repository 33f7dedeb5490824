//! The queue in front of the worker: bounded, and each job begins a random while after its request (PROTOCOL 6).

use std::time::Duration;

use rand_core::Rng;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{EnqueueError, ResetJob};
use crate::rng::SystemSeeded;

/// Takes jobs; cheap to clone, one for each handler.
#[derive(Debug, Clone)]
pub struct ResetQueue {
    pub(super) jobs: mpsc::Sender<Waiting>,
    pub(super) delay: Duration,
}

/// A job and when it may begin.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) job: ResetJob,
    pub(super) not_before: Instant,
}

impl ResetQueue {
    /// Takes a job. Never waits, and does the same for every address.
    ///
    /// # Errors
    /// [`EnqueueError`] if the queue is full or closed.
    pub fn enqueue(&self, job: ResetJob) -> Result<(), EnqueueError> {
        self.try_reserve().map(|place| place.send(job))
    }

    /// Takes a place in the queue before anything is spent on a request. A place that is dropped is given back.
    ///
    /// # Errors
    /// As [`ResetQueue::enqueue`].
    pub fn try_reserve(&self) -> Result<Place<'_>, EnqueueError> {
        let place = self.jobs.try_reserve().map(|permit| Place { permit, delay: self.delay });
        place.map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => EnqueueError::Full,
            mpsc::error::TrySendError::Closed(()) => EnqueueError::Closed,
        })
    }
}

/// A place in the queue.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub struct Place<'q> {
    permit: mpsc::Permit<'q, Waiting>,
    delay: Duration,
}

impl Place<'_> {
    /// Takes the job. Cannot fail, and does the same for every address.
    pub fn send(self, job: ResetJob) {
        // A random part of the delay: nothing that happens later points back at this request.
        let part = SystemSeeded.next_u32() % 256;
        let wait = self.delay / 5 + self.delay * 4 / 5 * part / 256;
        self.permit.send(Waiting { job, not_before: Instant::now() + wait });
    }
}
