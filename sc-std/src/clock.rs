//! Clocks: the time of day for servers, a monotonic clock for clients, and one that tests move by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use sc_core::id::{Ticks, UnixMillis};

/// The time of day, in milliseconds since 1970-01-01T00:00:00Z.
pub trait Clock: Send + Sync {
    /// The moment now.
    fn now(&self) -> UnixMillis;
}

/// A clock that never goes backwards, in milliseconds since a start of its own (PROTOCOL 10.8).
pub trait Monotonic: Send + Sync {
    /// The moment now.
    fn ticks(&self) -> Ticks;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> UnixMillis {
        (**self).now()
    }
}

impl<C: Monotonic + ?Sized> Monotonic for Arc<C> {
    fn ticks(&self) -> Ticks {
        (**self).ticks()
    }
}

/// The clocks of the operating system.
///
/// The monotonic one starts when the value is made. On Linux it stands still while the machine sleeps, so after a
/// suspension a client may believe in a session that the server has ended; the server's answer then tells it.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Takes the present moment as the start of [`Monotonic::ticks`].
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    /// A clock set before 1970 reads 0.
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Monotonic for SystemClock {
    fn ticks(&self) -> Ticks {
        Ticks(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock for tests: stands still until it is moved. Share it in an [`Arc`].
///
/// # Examples
/// ```
/// use sc_core::id::UnixMillis;
/// use sc_std::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at(UnixMillis(1_000));
/// clock.advance(500);
/// assert_eq!(clock.now(), UnixMillis(1_500));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    ticks: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`; its monotonic side shows 0.
    #[must_use]
    pub const fn at(now: UnixMillis) -> Self {
        Self { now: AtomicU64::new(now.0), ticks: AtomicU64::new(0) }
    }

    /// Moves both sides forward by `millis`; they stay at the end of time instead of wrapping.
    pub fn advance(&self, millis: u64) {
        for side in [&self.now, &self.ticks] {
            // The closure always gives a value, so there is no error to see.
            let _ =
                side.fetch_update(Ordering::AcqRel, Ordering::Acquire, |at| Some(at.saturating_add(millis)));
        }
    }

    /// Sets the time of day, in either direction, as an operator or NTP does. The monotonic side stays.
    pub fn set(&self, now: UnixMillis) {
        self.now.store(now.0, Ordering::Release);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.now.load(Ordering::Acquire))
    }
}

impl Monotonic for ManualClock {
    fn ticks(&self) -> Ticks {
        Ticks(self.ticks.load(Ordering::Acquire))
    }
}

/// Writes a moment as RFC 3339 in UTC with milliseconds, for example `2026-11-23T21:00:00.000Z`.
///
/// Moments after the year 9999, which that format cannot express, are written as its last one.
#[must_use]
pub fn rfc3339(moment: UnixMillis) -> String {
    let stamp = i64::try_from(moment.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    format!("{:.3}", stamp.unwrap_or(Timestamp::MAX))
}

/// Reads a moment from RFC 3339, with any offset; what is finer than a millisecond is cut off.
///
/// `None` if `text` has another form, names no offset, or lies before 1970.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<UnixMillis> {
    let stamp: Timestamp = text.parse().ok()?;
    u64::try_from(stamp.as_millisecond()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_three_digits_and_z() {
        assert_eq!(rfc3339(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(UnixMillis(1_795_467_600_000)), "2026-11-23T21:00:00.000Z");
        assert_eq!(rfc3339(UnixMillis(1_795_467_600_070)), "2026-11-23T21:00:00.070Z");
    }

    #[test]
    fn the_end_of_time_is_written_as_the_last_moment_of_the_format() {
        assert!(rfc3339(UnixMillis(u64::MAX)).starts_with("9999-12-30T"));
        assert_eq!(rfc3339(UnixMillis(u64::MAX)), rfc3339(UnixMillis(i64::MAX.unsigned_abs())));
    }

    #[test]
    fn reading_undoes_writing_and_takes_offsets() {
        for millis in [0, 1, 999, 1_795_467_600_123] {
            assert_eq!(parse_rfc3339(&rfc3339(UnixMillis(millis))), Some(UnixMillis(millis)));
        }
        assert_eq!(parse_rfc3339("2026-11-24T05:00:00+08:00"), Some(UnixMillis(1_795_467_600_000)));
        for bad in ["", "2026-11-23", "2026-11-23T21:00:00", "1969-12-31T23:59:59Z", "now"] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_system_clock_is_past_2025_and_its_ticks_never_go_back() {
        let clock = SystemClock::new();
        assert!(clock.now() > UnixMillis(1_735_689_600_000));
        let first = clock.ticks();
        assert!(clock.ticks() >= first);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_setting_it_moves_no_tick() {
        let clock = ManualClock::at(UnixMillis(10));
        clock.advance(5);
        assert_eq!((clock.now(), clock.ticks()), (UnixMillis(15), Ticks(5)));
        clock.set(UnixMillis(3));
        assert_eq!((clock.now(), clock.ticks()), (UnixMillis(3), Ticks(5)));
        clock.advance(u64::MAX);
        assert_eq!((clock.now(), clock.ticks()), (UnixMillis(u64::MAX), Ticks(u64::MAX)));
    }
}
