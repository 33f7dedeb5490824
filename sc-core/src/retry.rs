//! What a client does when the server refuses: which refusals are worth another try, each once (PROTOCOL 4.3).

use crate::code::Code;

/// Whether a message may be sent again although the server may have executed it.
///
/// SESSION_NOT_FOUND is a plain answer, which an attacker behind TLS can forge after the request was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a message is repeatable or it is not")]
pub enum Repeatable {
    /// Twice is as good as once (forgot password).
    Yes,
    /// Twice may be worse than once (a payment).
    No,
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the protocol knows these three requests")]
pub enum Refused {
    /// A request to the session endpoint; it executes nothing.
    SetUp,
    /// A type 1 envelope: a set-up and a message at once.
    First,
    /// A type 2 envelope.
    Message,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a caller must handle every way")]
pub enum Recovery {
    /// Drop the session, set up a new one, send the message again in it.
    NewSession,
    /// Fetch the public key again, then set up anew.
    NewKey,
    /// Drop the session and report that the request may have been executed.
    MaybeExecuted,
    /// Report the refusal.
    GiveUp,
}

/// The tries of one call: each way of recovery is open once.
///
/// # Examples
/// ```
/// use sc_core::code::Code;
/// use sc_core::retry::{Attempts, Recovery, Refused, Repeatable};
///
/// let mut attempts = Attempts::new(Repeatable::Yes);
/// assert_eq!(attempts.after(Refused::Message, Code::SessionNotFound), Recovery::NewSession);
/// assert_eq!(attempts.after(Refused::Message, Code::SessionNotFound), Recovery::GiveUp);
/// let mut payment = Attempts::new(Repeatable::No);
/// assert_eq!(payment.after(Refused::Message, Code::SessionNotFound), Recovery::MaybeExecuted);
/// ```
#[derive(Debug)]
pub struct Attempts {
    repeatable: Repeatable,
    sessions: u8,
    keys: u8,
}

impl Attempts {
    /// The first try of a call.
    #[must_use]
    pub const fn new(repeatable: Repeatable) -> Self {
        Self { repeatable, sessions: 1, keys: 1 }
    }

    /// Decides what follows a plain refusal.
    #[must_use]
    pub const fn after(&mut self, refused: Refused, code: Code) -> Recovery {
        match (refused, code) {
            (Refused::Message, Code::SessionNotFound) => match self.repeatable {
                Repeatable::Yes if take(&mut self.sessions) => Recovery::NewSession,
                Repeatable::Yes => Recovery::GiveUp,
                Repeatable::No => Recovery::MaybeExecuted,
            },
            (Refused::SetUp, Code::InvalidKeyId) if take(&mut self.keys) => Recovery::NewKey,
            (Refused::First, Code::InvalidKeyId) => match self.repeatable {
                Repeatable::Yes if take(&mut self.keys) => Recovery::NewKey,
                Repeatable::Yes => Recovery::GiveUp,
                Repeatable::No => Recovery::MaybeExecuted,
            },
            _ => Recovery::GiveUp,
        }
    }
}

/// Takes one of what is left.
const fn take(left: &mut u8) -> bool {
    match left.checked_sub(1) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_recovery_is_open_once() {
        let mut attempts = Attempts::new(Repeatable::Yes);
        assert_eq!(attempts.after(Refused::SetUp, Code::InvalidKeyId), Recovery::NewKey);
        assert_eq!(attempts.after(Refused::Message, Code::SessionNotFound), Recovery::NewSession);
        assert_eq!(attempts.after(Refused::SetUp, Code::InvalidKeyId), Recovery::GiveUp);
        assert_eq!(attempts.after(Refused::First, Code::InvalidKeyId), Recovery::GiveUp);
        assert_eq!(attempts.after(Refused::Message, Code::SessionNotFound), Recovery::GiveUp);
    }

    #[test]
    fn a_message_that_is_not_repeatable_is_never_sent_twice() {
        for (refused, code) in
            [(Refused::Message, Code::SessionNotFound), (Refused::First, Code::InvalidKeyId)]
        {
            let mut attempts = Attempts::new(Repeatable::No);
            assert_eq!(attempts.after(refused, code), Recovery::MaybeExecuted);
        }
    }

    #[test]
    fn every_other_refusal_is_final() {
        for code in Code::ALL {
            for refused in [Refused::SetUp, Refused::First, Refused::Message] {
                let recovery = Attempts::new(Repeatable::Yes).after(refused, *code);
                let open = matches!(
                    (refused, code),
                    (Refused::Message, Code::SessionNotFound)
                        | (Refused::SetUp | Refused::First, Code::InvalidKeyId)
                );
                assert_eq!(recovery != Recovery::GiveUp, open, "{refused:?} {code:?}");
            }
        }
    }
}
