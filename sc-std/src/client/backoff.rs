//! How long to wait between two attempts at a set-up: exponential, with jitter.

use std::time::Duration;

use rand_core::Rng;

use crate::rng::SystemSeeded;

/// The rule: how many attempts, and the waits between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackoffRule {
    /// Attempts in all, the first included.
    pub(crate) attempts: u8,
    /// The first wait; each later one is twice as long.
    pub(crate) first: Duration,
    /// The longest wait.
    pub(crate) longest: Duration,
}

impl BackoffRule {
    /// One attempt and no wait.
    pub(crate) const ONCE: Self = Self { attempts: 1, first: Duration::ZERO, longest: Duration::ZERO };
}

/// The attempts of one set-up.
#[derive(Debug)]
pub(crate) struct Backoff {
    rule: BackoffRule,
    left: u8,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(rule: BackoffRule) -> Self {
        Self { rule, left: rule.attempts.saturating_sub(1), next: rule.first.min(rule.longest) }
    }

    /// Takes one attempt; gives the wait before it. `None` if none is left, or if the server asks for more patience
    /// than the rule has.
    pub(crate) fn next(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let hint = retry_after.unwrap_or_default();
        if hint > self.rule.longest {
            return None;
        }
        let wait = jittered(self.next);
        self.next = self.next.saturating_mul(2).min(self.rule.longest);
        Some(wait.max(hint))
    }
}

/// Between half of `wait` and all of it, so that many clients do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
    half.saturating_add(Duration::from_micros(SystemSeeded.next_u64() % span))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: BackoffRule =
        BackoffRule { attempts: 5, first: Duration::from_millis(200), longest: Duration::from_millis(500) };

    #[test]
    fn waits_double_up_to_the_longest_and_then_end() {
        let mut backoff = Backoff::new(RULE);
        for expected in [200, 400, 500, 500] {
            let wait = backoff.next(None).unwrap();
            let most = Duration::from_millis(expected);
            assert!((most / 2..=most).contains(&wait), "{wait:?} of {most:?}");
        }
        assert_eq!(backoff.next(None), None);
        assert_eq!(Backoff::new(BackoffRule::ONCE).next(None), None);
    }

    #[test]
    fn a_server_that_asks_for_more_patience_is_not_waited_for() {
        let mut backoff = Backoff::new(RULE);
        for asked in [450, 500].map(Duration::from_millis) {
            assert_eq!(backoff.next(Some(asked)), Some(asked));
        }
        assert_eq!(backoff.next(Some(Duration::from_millis(501))), None);
    }
}
