//! What an all-knowing observer checks: who sealed what for whom, and what each side may release.

pub(crate) mod mirror;

use std::collections::{HashMap, HashSet};

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId};

use crate::dice::Dice;
use crate::report::{Event, Invariant, Log};

/// A request that a client has sealed.
struct Sent {
    set_up: usize,
    endpoint: &'static str,
    iv: [u8; 12],
    text: Vec<u8>,
    accepted: bool,
}

/// An answer that a server has sealed.
struct Answer {
    set_up: usize,
    /// The request.
    to: usize,
    text: Vec<u8>,
}

/// A session as the server that created it told of it.
#[derive(Clone, Copy)]
struct Told {
    set_up: usize,
    bound: bool,
}

/// A request as a server has opened it.
pub(crate) struct Accepted<'a> {
    pub(crate) session: SessionId,
    pub(crate) iv: [u8; 12],
    pub(crate) endpoint: &'static str,
    pub(crate) text: &'a [u8],
}

/// Everything that was ever sealed in one world, and everything that was released.
#[derive(Default)]
pub(crate) struct Model {
    /// The number of each set-up, by the hash of its wrapped request key.
    set_ups: HashMap<WrappedKeyHash, usize>,
    sent: Vec<Sent>,
    answers: Vec<Answer>,
    sessions: HashMap<SessionId, Told>,
    ivs: HashSet<(SessionId, [u8; 12])>,
    wrapped: HashSet<(KeyId, WrappedKeyHash)>,
    refusals: HashMap<&'static str, Vec<u8>>,
    /// Holds `plain` to the rules of `bound`, which it must break: for the test of this checker.
    strict: bool,
}

/// Text that names itself, with some bytes more.
fn text(kind: u8, number: usize, dice: &mut Dice) -> Vec<u8> {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let mut text = vec![kind; 9 + dice.index(48)];
    text[1..9].copy_from_slice(&number.to_be_bytes());
    text
}

/// The number in a text of that kind.
fn number(kind: u8, text: &[u8]) -> Option<usize> {
    let (first, rest) = text.split_first()?;
    let number = u64::from_be_bytes(*rest.first_chunk()?);
    usize::try_from(number).ok().filter(|_| *first == kind)
}

impl Model {
    pub(crate) fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    /// A client has drawn and wrapped keys. The same wrapped key is the same set-up.
    pub(crate) fn set_up(&mut self, hashes: &[WrappedKeyHash; 2]) -> usize {
        let next = self.set_ups.len();
        *self.set_ups.entry(hashes[0]).or_insert(next)
    }

    /// A text for a client to seal, and its number.
    pub(crate) fn request(&mut self, endpoint: &'static str, dice: &mut Dice) -> (usize, Vec<u8>) {
        let number = self.sent.len();
        let text = text(b'Q', number, dice);
        self.sent.push(Sent {
            set_up: usize::MAX,
            endpoint,
            iv: [0; 12],
            text: text.clone(),
            accepted: false,
        });
        (number, text)
    }

    /// The client has sealed it.
    pub(crate) fn sealed(&mut self, number: usize, set_up: usize, iv: [u8; 12]) {
        let sent = &mut self.sent[number];
        (sent.set_up, sent.iv) = (set_up, iv);
    }

    /// A server takes wrapped keys for new ones and makes a session of them.
    pub(crate) fn keys_accepted(
        &mut self,
        log: &Log,
        id: SessionId,
        bound: bool,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
    ) {
        for hash in hashes {
            if !self.wrapped.insert((key_id.clone(), *hash)) {
                log.violate(Invariant::WrappedOnce, format!("{id:?} is made of a wrapped key of before"));
            }
        }
        // Keys that no client drew: a set-up that nobody can use.
        let set_up = self.set_ups.get(&hashes[0]).copied().unwrap_or(usize::MAX - 1);
        if self.sessions.insert(id, Told { set_up, bound }).is_some() {
            log.violate(Invariant::Store, format!("{id:?} was made twice"));
        }
    }

    /// Whether a recorded wrapped key was accepted by somebody.
    pub(crate) fn knows_wrapped(&self, hash: &WrappedKeyHash) -> bool {
        self.wrapped.iter().any(|(_, known)| known == hash)
    }

    /// A server releases a request. Gives the text of the answer.
    pub(crate) fn accepted(&mut self, log: &Log, accepted: &Accepted<'_>, dice: &mut Dice) -> Vec<u8> {
        let Accepted { session, iv, endpoint, text: released } = accepted;
        if !self.ivs.insert((*session, *iv)) {
            log.violate(Invariant::Once, format!("{session:?} accepts the IV {iv:?} twice"));
        }
        let known = self.sessions.get(session).copied();
        let found = number(b'Q', released)
            .filter(|number| self.sent.get(*number).is_some_and(|sent| sent.text == *released));
        let (Some(told), Some(number)) = (known, found) else {
            log.violate(Invariant::Authentic, format!("{session:?} releases what nobody sealed"));
            return Vec::new();
        };
        let sent = &mut self.sent[number];
        if sent.set_up != told.set_up {
            log.violate(Invariant::Authentic, format!("{session:?} releases request {number} of other keys"));
        }
        if sent.endpoint != *endpoint && (told.bound || self.strict) {
            log.violate(Invariant::Bound, format!("request {number} is accepted at {endpoint}"));
        }
        if std::mem::replace(&mut sent.accepted, true) {
            log.violate(Invariant::Once, format!("request {number} is accepted twice"));
        }
        let text = text(b'A', self.answers.len(), dice);
        self.answers.push(Answer { set_up: told.set_up, to: number, text: text.clone() });
        text
    }

    /// A client releases an answer, as that to request `to`.
    pub(crate) fn answered(&mut self, log: &Log, to: usize, bound: bool, released: &[u8]) {
        let answer = number(b'A', released).and_then(|number| self.answers.get(number));
        let Some(answer) = answer.filter(|answer| answer.text == released) else {
            log.violate(Invariant::Authentic, format!("the answer to {to} was sealed by nobody"));
            return;
        };
        let (own, other) = (&self.sent[to], &self.sent[answer.to]);
        // A client whose generator was set back draws the same keys and IVs again. Wrapped under another RSA key they look
        // new to everybody, but `plain` cannot tell two such requests apart.
        let repeated = own.iv == other.iv;
        if answer.set_up != own.set_up && (bound || !repeated) {
            log.violate(Invariant::Authentic, format!("the answer to {to} comes from other keys"));
        }
        if answer.to != to && !repeated {
            if bound || self.strict {
                log.violate(Invariant::Bound, format!("request {to} gets the answer to {}", answer.to));
            } else {
                log.count(Event::AnsweredByAnother);
            }
        }
    }

    /// A server refuses, for a cause of that class, with these bytes.
    pub(crate) fn refused(&mut self, log: &Log, class: &'static str, answer: Vec<u8>) {
        let first = self.refusals.entry(class).or_insert_with(|| answer.clone());
        if *first != answer {
            let texts = [first.as_slice(), &answer].map(|text| String::from_utf8_lossy(text).into_owned());
            log.violate(Invariant::Alike, format!("{class}: {texts:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_itself_and_nothing_else_does() {
        let dice = &mut Dice::new(1);
        let own = text(b'Q', 77, dice);
        assert_eq!((number(b'Q', &own), number(b'A', &own)), (Some(77), None));
        assert_eq!((number(b'Q', b"Q"), number(b'Q', b"")), (None, None));
    }
}
