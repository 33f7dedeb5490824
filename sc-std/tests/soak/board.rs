//! What the load has come to so far, shared by everybody who takes part.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A tick that took longer means that the machine, or one of the processes, stood still.
const STILL: Duration = Duration::from_secs(5);
/// A connection may break within this time of a standstill: deadlines of the server have passed meanwhile.
const AFTER_STILL: Duration = Duration::from_secs(20);
/// Faults that are kept word for word.
const MAX_FAULTS: usize = 20;

/// Counters and faults.
#[derive(Debug, Default)]
pub struct Board {
    pub honest: AtomicU64,
    /// Refusals that an honest client has asked for: limits, and a body that breaks the rules.
    pub refused: AtomicU64,
    pub sessions: AtomicU64,
    pub hostile: AtomicU64,
    pub unused: AtomicU64,
    pub half_open: AtomicU64,
    pub full: AtomicU64,
    pub squeezed_in: AtomicU64,
    /// Honest calls that broke off because the machine stood still.
    pub excused: AtomicU64,
    slowest_ms: AtomicU64,
    faults: Mutex<Vec<String>>,
    still: Mutex<Option<Instant>>,
    stopped: AtomicBool,
}

pub fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Board {
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Waits, but not beyond the end of the load.
    pub async fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_stopped() && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            tokio::time::sleep(left.min(Duration::from_millis(500))).await;
        }
    }

    pub fn fault(&self, what: String) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < MAX_FAULTS {
            println!("fault: {what}");
            faults.push(what);
        }
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long an honest call took.
    pub fn took(&self, time: Duration) {
        self.slowest_ms.fetch_max(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Notes how long a tick of the watch took that should take a second.
    pub fn tick(&self, time: Duration) {
        if time > STILL {
            println!("everything stood still for {time:.0?}");
            *self.still.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Whether a connection that broke just now may have done so because everything stood still. Waits until that is
    /// known.
    pub async fn excuses(&self) -> bool {
        let broke = Instant::now();
        tokio::time::sleep(STILL * 2).await;
        let still = *self.still.lock().unwrap_or_else(PoisonError::into_inner);
        let excused = still.is_some_and(|end| broke < end + AFTER_STILL);
        if excused {
            one(&self.excused);
        }
        excused
    }

    /// One line; the slowest call is that since the line before.
    pub fn line(&self) -> String {
        let slowest = self.slowest_ms.swap(0, Ordering::Relaxed);
        format!(
            "honest {} in {} sessions, slowest {slowest} ms, {} refused as wanted, {} broken by a standstill; hostile {}, \
             unused set-ups {}, half-open {}; full {} refused, {} let in",
            read(&self.honest),
            read(&self.sessions),
            read(&self.refused),
            read(&self.excused),
            read(&self.hostile),
            read(&self.unused),
            read(&self.half_open),
            read(&self.full),
            read(&self.squeezed_in),
        )
    }

    /// What the load has not done often enough to show anything.
    pub fn too_little(&self, seconds: u64) -> Vec<String> {
        let least = [
            ("honest calls", &self.honest, seconds * 20),
            ("wanted refusals", &self.refused, seconds / 30),
            ("honest sessions", &self.sessions, seconds / 4),
            ("hostile requests", &self.hostile, seconds * 20),
            ("unused set-ups", &self.unused, seconds / 2),
            ("half-open connections", &self.half_open, seconds / 2),
            ("set-ups refused by a full store", &self.full, seconds / 4),
            ("set-ups let into a full store", &self.squeezed_in, seconds / 4),
        ];
        let missing = least.into_iter().filter(|(_, count, least)| read(count) < *least);
        missing.map(|(what, count, least)| format!("only {} {what}, not {least}", read(count))).collect()
    }
}
