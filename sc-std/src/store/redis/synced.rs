//! When this server last heard of keys and revocations.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a server that once heard of revocations may go on without news. It asks every two seconds.
const STALE: Duration = Duration::from_secs(15);

/// The moment of the last news; none before the first.
#[derive(Debug, Default)]
pub(super) struct Synced(Mutex<Option<Instant>>);

impl Synced {
    /// Notes that there was news.
    pub(super) fn now(&self) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the last news is too old: an RSA key may have been revoked meanwhile.
    pub(super) fn is_stale(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() > STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_news_is_stale() {
        let synced = Synced::default();
        assert!(!synced.is_stale(), "who never syncs does not share keys");
        synced.now();
        assert!(!synced.is_stale());
        *synced.0.lock().unwrap() = Instant::now().checked_sub(STALE * 2);
        assert!(synced.is_stale());
    }
}
