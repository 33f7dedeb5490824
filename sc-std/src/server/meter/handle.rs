//! Handles of single figures: counters, gauges and histograms, or nothing at all without the feature `metrics`.

use std::time::Duration;

/// Names and values, known when the program is built: nothing of a request can become one.
pub(super) type Labels = &'static [(&'static str, &'static str)];

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident of $kind:ident by $register:ident and $describe:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            #[cfg(feature = "metrics")]
            handle: metrics::$kind,
        }

        #[cfg(feature = "metrics")]
        impl $name {
            pub(crate) fn new(name: &'static str, labels: Labels) -> Self {
                Self { handle: metrics::$register!(name, labels) }
            }

            pub(crate) fn describe(name: &'static str, unit: metrics::Unit, about: &'static str) {
                metrics::$describe!(name, unit, about);
            }

            pub(crate) const fn off() -> Self {
                Self { handle: metrics::$kind::noop() }
            }
        }

        #[cfg(not(feature = "metrics"))]
        impl $name {
            pub(crate) const fn new(_name: &'static str, _labels: Labels) -> Self {
                Self {}
            }

            pub(crate) const fn off() -> Self {
                Self {}
            }
        }
    )*};
}

handles! {
    /// A figure that only grows.
    Count of Counter by counter and describe_counter;
    /// A figure that goes up and down.
    Level of Gauge by gauge and describe_gauge;
    /// Durations.
    Timing of Histogram by histogram and describe_histogram;
}

#[cfg_attr(
    not(feature = "metrics"),
    allow(clippy::unused_self, clippy::missing_const_for_fn, reason = "nothing to do without the feature")
)]
impl Count {
    /// A counter whose label is a name of this crate's own.
    #[cfg(feature = "metrics")]
    pub(crate) fn labelled(name: &'static str, label: &'static str, value: &'static str) -> Self {
        Self { handle: metrics::counter!(name, label => value) }
    }

    #[cfg(not(feature = "metrics"))]
    pub(crate) const fn labelled(_name: &'static str, _label: &'static str, _value: &'static str) -> Self {
        Self {}
    }

    pub(crate) fn one(&self) {
        #[cfg(feature = "metrics")]
        self.handle.increment(1);
    }
}

#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, clippy::unused_self, clippy::missing_const_for_fn, reason = "as above")
)]
impl Level {
    fn up(&self) {
        #[cfg(feature = "metrics")]
        self.handle.increment(1);
    }

    fn down(&self) {
        #[cfg(feature = "metrics")]
        self.handle.decrement(1);
    }

    /// Sets whole numbers; what is beyond 32 bits shows as the most of them.
    pub(crate) fn set(&self, value: u64) {
        #[cfg(feature = "metrics")]
        self.handle.set(u32::try_from(value).unwrap_or(u32::MAX));
    }
}

#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, clippy::unused_self, clippy::missing_const_for_fn, reason = "as above")
)]
impl Timing {
    pub(crate) fn record(&self, took: Duration) {
        #[cfg(feature = "metrics")]
        self.handle.record(took);
    }

    pub(crate) fn record_since(&self, start: Stopwatch) {
        #[cfg(feature = "metrics")]
        self.handle.record(start.started.elapsed());
    }
}

/// The beginning of something that is timed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    #[cfg(feature = "metrics")]
    started: std::time::Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            started: std::time::Instant::now(),
        }
    }
}

/// A place that counts in a gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(Level);

impl Held {
    pub(crate) fn new(level: &Level) -> Self {
        level.up();
        Self(level.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.down();
    }
}
