//! Bounds and times that every store keeps.

use sc_core::limits::MAX_LEDGER_HASHES;

/// Bounds and times of a store, in memory or shared by a fleet. Every `with_*` states its default.
///
/// # Examples
/// ```
/// use sc_std::store::{MemoryStore, StoreOptions};
///
/// let store = MemoryStore::new(StoreOptions::default().with_max_sessions(10_000).with_idle_ms(10 * 60 * 1000));
/// assert_eq!(store.sessions(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct StoreOptions {
    pub(super) max_sessions: usize,
    pub(super) max_claims: usize,
    pub(super) max_ledger_hashes: usize,
    pub(super) unused_ms: u64,
    pub(super) idle_ms: u64,
    pub(super) replay_check: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_sessions: 1_000_000,
            max_claims: 1 << 24,
            max_ledger_hashes: MAX_LEDGER_HASHES,
            unused_ms: 5 * 60 * 1000,
            idle_ms: 30 * 60 * 1000,
            replay_check: true,
        }
    }
}

impl StoreOptions {
    /// Sets how many sessions live at once, at most; beyond it set-ups hear BUSY. Default: 1,000,000.
    #[must_use]
    pub const fn with_max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// Sets how many IV claims all sessions hold together, at most; beyond it a session with more than 1,024 of them
    /// ends, and others hear BUSY. Default: 2^24.
    #[must_use]
    pub const fn with_max_claims(mut self, claims: usize) -> Self {
        self.max_claims = claims;
        self
    }

    /// Sets how many hashes of wrapped keys one RSA key may collect, at most. Default and most: 2^24.
    #[must_use]
    pub const fn with_max_ledger_hashes(mut self, hashes: usize) -> Self {
        self.max_ledger_hashes = if hashes < MAX_LEDGER_HASHES { hashes } else { MAX_LEDGER_HASHES };
        self
    }

    /// Sets after how many milliseconds an idle session ends. Default: 30 minutes.
    #[must_use]
    pub const fn with_idle_ms(mut self, millis: u64) -> Self {
        self.idle_ms = millis;
        self
    }

    /// Sets after how many milliseconds a session that has opened no message ends. Default: 5 minutes.
    #[must_use]
    pub const fn with_unused_ms(mut self, millis: u64) -> Self {
        self.unused_ms = millis;
        self
    }

    /// Does not keep IVs: replays are not noticed. Messages are still counted. Default: kept.
    #[must_use]
    pub const fn without_replay_check(mut self) -> Self {
        self.replay_check = false;
        self
    }
}
