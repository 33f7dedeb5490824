//! Many worlds, on a few threads; and one of them again, from its seed.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::dice::Dice;
use crate::kit::{Fast, Real};
use crate::plan::Plan;
use crate::report::Report;
use crate::world::{Plant, live};

/// What a world follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seed {
    /// On the quick kit: the same steps every time.
    Fast(u64),
    /// On AWS-LC, whose own randomness is not ours: the same plan and faults, other bytes.
    Rsa(u64),
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fast(number) => write!(f, "{number}"),
            Self::Rsa(number) => write!(f, "rsa-{number}"),
        }
    }
}

impl Seed {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("rsa-") {
            Some(number) => number.parse().ok().map(Self::Rsa),
            None => text.parse().ok().map(Self::Fast),
        }
    }

    /// The world of this seed.
    pub(crate) fn live(self, traced: bool) -> Report {
        match self {
            Self::Fast(number) => live::<Fast>(number, &plan_of(number), Plant::NONE, traced),
            Self::Rsa(number) => live::<Real>(number, &plan_of(number).with_few_keys(), Plant::NONE, traced),
        }
    }

    /// The world once more, as a failure shows it.
    fn explain(self) -> String {
        let report = self.live(true);
        let what: Vec<_> =
            report.violations.iter().map(|found| format!("{:?}: {}", found.of, found.what)).collect();
        format!(
            "{}\nseed {self} violates:\n{}\nreplay: SCV2_SIM_SEED={self} cargo test --package sc-std --test simulation \
             one_seed -- --nocapture",
            report.trace.join("\n"),
            what.join("\n"),
        )
    }
}

pub(crate) fn plan_of(seed: u64) -> Plan {
    // Other dice than the world's own.
    Plan::draw(&mut Dice::new(!seed))
}

/// Lives through worlds until so many conversations are over. Stops at the first that violates something.
///
/// # Panics
/// Then, with its seed and what it did.
pub(crate) fn run(seed: impl Fn(u64) -> Seed + Sync, conversations: u64, threads: u64) -> Report {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sum, failed) = (Mutex::new(Report::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Report::default();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number * Plan::CLIENTS >= conversations {
                        break;
                    }
                    let seed = seed(number);
                    // A panic in a world is a failure of that seed too.
                    let report = std::panic::catch_unwind(|| seed.live(false));
                    match report {
                        Ok(report) if report.violations.is_empty() => own.merge(&report),
                        _ => {
                            stop.store(true, Ordering::Relaxed);
                            *failed.lock().unwrap() = Some(seed);
                        }
                    }
                }
                sum.lock().unwrap().merge(&own);
            });
        }
    });
    if let Some(seed) = failed.into_inner().unwrap() {
        eprintln!("seed {seed} fails; replay: SCV2_SIM_SEED={seed}");
        panic!("{}", seed.explain());
    }
    sum.into_inner().unwrap()
}
