//! What happened in a world: how often each fault fired and each outcome came, what was violated, and a trace.

use std::cell::{Cell, RefCell};
use std::fmt::Write;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Something that is counted. Every one must happen in a run, or the simulation has gone dead in part.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Event { $($(#[$doc])* $name,)* }

        impl Event {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            #[allow(clippy::as_conversions, reason = "the place of a variant among its like")]
            const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

events! {
    // Faults of the network.
    RequestLost, RequestDuplicated, RequestReordered, RequestFlipped, RequestCut,
    RequestToOtherSession, RequestToOtherServer, RequestToOtherEndpoint, RequestFromOtherDevice,
    AnswerLost, AnswerDuplicated, AnswerFlipped, AnswerCut, AnswerCrossed, AnswerOutOfTheRecord,
    // Faults of an attacker who records.
    Redelivered, RedeliveredAfterAll, SetUpSpliced,
    // Faults of machines.
    StoreFailedBefore, StoreFailedAfter, ServerStalled, ClockSteppedForward, ClockSteppedBack, TicksJumped, GeneratorSetBack,
    // What operators do.
    KeyRotated, KeyRevoked, Purged,
    // What servers did.
    SessionCreated, SessionCreatedInline, MessageAccepted, FirstAccepted, SessionClosed, SetUpOverRevoked,
    // Why servers refused.
    RefusedMalformed, RefusedDocument, RefusedKeyUnknown, RefusedExchange, RefusedRepeated, RefusedLedgerFull,
    RefusedInline, RefusedInlineRepeated, RefusedSessionUnknown, RefusedSessionExpired, RefusedOtherClient,
    RefusedNotOpened, RefusedReplayed, RefusedIvReused, RefusedSessionsFull, RefusedClaimsFull, RefusedStore,
    RefusedNoKey,
    // What became of a client's calls.
    Answered, AnsweredFirst, AnsweredByAnother, AnsweredInBound, NotOpened, TimedOut, Refused, MaybeExecuted,
    NewSessionTried, NewKeyTried, SetUpFailed, Renewed, SessionOver, KeyRefused, SessionLeftOpen, Recovered,
    // Whole lives.
    ConversationCalm, ConversationFaulty, ConversationBound, ConversationPlain,
}

/// How often each event happened.
#[derive(Debug, Clone)]
pub(crate) struct Counts(Vec<u64>);

impl Default for Counts {
    fn default() -> Self {
        Self(vec![0; Event::ALL.len()])
    }
}

impl Counts {
    pub(crate) fn of(&self, event: Event) -> u64 {
        self.0[event.index()]
    }

    pub(crate) fn add(&mut self, event: Event) {
        self.0[event.index()] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, count)| *sum += count);
    }

    /// Events that never happened.
    pub(crate) fn missing(&self) -> Vec<Event> {
        Event::ALL.iter().zip(&self.0).filter(|(_, count)| **count == 0).map(|(event, _)| *event).collect()
    }

    /// One line for each event.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for (event, count) in Event::ALL.iter().zip(&self.0) {
            let name = format!("{event:?}");
            writeln!(table, "{name:<24}{count:>12}").unwrap();
        }
        table
    }
}

/// What must hold, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// A released plaintext was sealed by the peer, in this session and direction.
    Authentic,
    /// No message is accepted twice.
    Once,
    /// No wrapped key is accepted twice.
    WrappedOnce,
    /// No session is used after its end, whatever ended it.
    Ended,
    /// In `bound`, no answer opens for another request, and no request at another endpoint.
    Bound,
    /// Refusals that must look alike are the same bytes.
    Alike,
    /// A refused body holds no plaintext.
    Wiped,
    /// A store holds no more than it may, and drops nothing that lives.
    Store,
    /// What is not disturbed succeeds, and what was disturbed recovers.
    Live,
}

/// An invariant that did not hold.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) of: Invariant,
    pub(crate) what: String,
}

/// The log of one world.
#[derive(Default)]
pub(crate) struct Log {
    counts: RefCell<Counts>,
    violations: RefCell<Vec<Violation>>,
    trace: Option<RefCell<Vec<String>>>,
    most_tries: Cell<u32>,
}

impl Log {
    pub(crate) fn new(traced: bool) -> Self {
        Self { trace: traced.then(RefCell::default), ..Self::default() }
    }

    pub(crate) fn count(&self, event: Event) {
        self.counts.borrow_mut().add(event);
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(format!("         {event:?}"));
        }
    }

    /// Adds a line to the trace, if there is one.
    pub(crate) fn note(&self, now: u64, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(format!("{now:>8} {}", line()));
        }
    }

    pub(crate) fn violate(&self, of: Invariant, what: String) {
        self.note(0, || format!("VIOLATED {of:?}: {what}"));
        self.violations.borrow_mut().push(Violation { of, what });
    }

    /// How many attempts a client needed to recover.
    pub(crate) fn tries(&self, tries: u32) {
        self.most_tries.set(self.most_tries.get().max(tries));
    }

    pub(crate) fn finish(self) -> Report {
        Report {
            counts: self.counts.into_inner(),
            violations: self.violations.into_inner(),
            trace: self.trace.map(RefCell::into_inner).unwrap_or_default(),
            most_tries: self.most_tries.get(),
            conversations: 0,
        }
    }
}

/// What is left of a world, or of many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) counts: Counts,
    pub(crate) violations: Vec<Violation>,
    pub(crate) trace: Vec<String>,
    /// The most attempts that a client needed once the faults had stopped.
    pub(crate) most_tries: u32,
    pub(crate) conversations: u64,
}

impl Report {
    pub(crate) fn violates(&self, of: Invariant) -> bool {
        self.violations.iter().any(|violation| violation.of == of)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.violations.extend(other.violations.iter().cloned());
        self.most_tries = self.most_tries.max(other.most_tries);
        self.conversations += other.conversations;
    }
}
