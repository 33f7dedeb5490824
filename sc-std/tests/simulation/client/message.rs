//! One message of a client: sealed in a session or with the keys, and what comes of its answer.

use std::rc::Rc;

use sc_core::code::Code;
use sc_core::envelope::{Envelope, MAGIC, ParseOptions, Profile};
use sc_core::error::{Error, Misuse};
use sc_core::exchange::WrappedKeys;
use sc_core::id::MessageName;
use sc_core::retry::{Attempts, Recovery, Refused};
use sc_core::session::{Lifetime, Session};
use serde::de::IgnoredAny;

use super::{Held, Party, SET_UP_TRIES, Turn, read};
use crate::kit::Kit;
use crate::network::{Response, Target};
use crate::report::{Event, Invariant};
use crate::world::World;

impl<K: Kit> World<K> {
    /// Sends in a session.
    pub(super) async fn within(
        self: &Rc<Self>,
        party: &Party<K>,
        held: &Rc<Held<K>>,
        endpoint: &'static str,
        attempts: &mut Attempts,
    ) -> Turn {
        let (number, text) = self.model.borrow_mut().request(endpoint, &mut self.dice.borrow_mut());
        let (now, name) = (self.ticks(party), MessageName::new(endpoint).unwrap());
        let mut sealed = vec![0; Session::<K::Client>::sealed_len(text.len())];
        self.disturb(party);
        let pending = held.session.seal_into(&mut *party.rng.borrow_mut(), now, name, &text, &mut sealed);
        let pending = match pending {
            Ok(pending) => pending,
            Err(Error::Expired | Error::Exhausted | Error::Misuse(Misuse::Closed)) => {
                party.drop_session(held);
                return Turn::Again;
            }
            Err(error) => unreachable!("{error}"),
        };
        if now.since(held.started) >= held.total_ms {
            self.log.violate(Invariant::Ended, format!("client {} seals after the end", party.number));
        }
        let iv = *sealed[4..].first_chunk().unwrap();
        self.model.borrow_mut().sealed(number, held.set_up, iv);
        self.note(|| format!("client {} sends {number}", party.number));
        let id = Some(*held.session.id());
        let Some(response) = self.send(party, Target::Message(endpoint), id, sealed).await else {
            return Turn::Failed;
        };
        let mut body = response.body.clone();
        if !body.starts_with(&MAGIC) {
            let turn = self.refused(party, Refused::Message, &response, attempts);
            if read::<IgnoredAny>(&response).err() == Some(Code::SessionNotFound) {
                party.drop_session(held);
            }
            return turn;
        }
        let bound = held.session.profile() == Profile::Bound;
        let opened = pending.open(&mut body).map(|opened| opened.to_vec());
        self.opened(number, bound, opened, &body)
    }

    /// Sends with the keys.
    pub(super) async fn first(
        self: &Rc<Self>,
        party: &Party<K>,
        endpoint: &'static str,
        attempts: &mut Attempts,
    ) -> Turn {
        for tries in 0.. {
            if self.ensure_key(party).await.is_some() {
                break;
            }
            if tries == SET_UP_TRIES {
                self.log.count(Event::SetUpFailed);
                return Turn::Failed;
            }
            self.time.sleep(2_000).await;
        }
        let (number, text) = self.model.borrow_mut().request(endpoint, &mut self.dice.borrow_mut());
        let name = MessageName::new(endpoint).unwrap();
        let len = party.machine.borrow().first_sealed_len(text.len()).unwrap_or_default();
        let mut sealed = vec![0; len];
        self.disturb(party);
        let begun =
            party.machine.borrow().begin_inline(&mut *party.rng.borrow_mut(), name, &text, &mut sealed);
        let Ok(awaiting) = begun else { return Turn::Again };
        let asked_at = self.ticks(party);
        let Ok(Envelope::KeyExchange(exchange, payload)) = Envelope::parse(&sealed, &ParseOptions::default())
        else {
            unreachable!("a first request is type 1")
        };
        let wrapped = WrappedKeys::new(exchange.encrypted_request_key(), exchange.encrypted_response_key());
        let set_up = self.model.borrow_mut().set_up(&wrapped.unwrap().hashes());
        self.model.borrow_mut().sealed(number, set_up, *payload.iv().as_bytes());
        self.note(|| format!("client {} sends {number} first", party.number));
        let Some(response) = self.send(party, Target::Message(endpoint), None, sealed).await else {
            return Turn::Failed;
        };
        let mut body = response.body.clone();
        let Some(created) = response.created.filter(|_| body.starts_with(&MAGIC)) else {
            return self.refused(party, Refused::First, &response, attempts);
        };
        let lifetime = Lifetime::new(created.expires_at, response.said_at, created.idle_timeout);
        let opened = match awaiting.open(created.id, lifetime, asked_at, &mut body) {
            Ok((session, text)) => {
                let text = text.to_vec();
                let (expires_at, said_at) = (created.expires_at.0, response.said_at);
                let held = self.keep(party, session, set_up, asked_at, expires_at, said_at);
                self.log.count(Event::AnsweredFirst);
                Ok((held.session.profile() == Profile::Bound, text))
            }
            Err(error) => Err(error),
        };
        let bound = matches!(opened, Ok((true, _)));
        self.opened(number, bound, opened.map(|(_, text)| text), &body)
    }

    /// What came of an envelope.
    fn opened(&self, number: usize, bound: bool, opened: Result<Vec<u8>, Error>, body: &[u8]) -> Turn {
        match opened {
            Ok(text) => {
                self.model.borrow_mut().answered(&self.log, number, bound, &text);
                self.log.count(if bound { Event::AnsweredInBound } else { Event::Answered });
                Turn::Done
            }
            Err(error) => {
                if error == Error::Rejected && body.iter().skip(16).any(|byte| *byte != 0) {
                    self.log.violate(Invariant::Wiped, format!("the answer to {number} is left behind"));
                }
                self.log.count(Event::NotOpened);
                Turn::Failed
            }
        }
    }

    /// What follows a plain answer to a message.
    fn refused(&self, party: &Party<K>, what: Refused, response: &Response, attempts: &mut Attempts) -> Turn {
        self.log.count(Event::Refused);
        let code = read::<IgnoredAny>(response).err().unwrap_or(Code::InternalError);
        if what == Refused::First && code == Code::InvalidKeyId {
            party.machine.borrow_mut().forget_key();
        }
        match attempts.after(what, code) {
            Recovery::NewSession => {
                self.log.count(Event::NewSessionTried);
                Turn::Again
            }
            Recovery::NewKey => {
                self.log.count(Event::NewKeyTried);
                Turn::Again
            }
            Recovery::MaybeExecuted => {
                self.log.count(Event::MaybeExecuted);
                Turn::Failed
            }
            Recovery::GiveUp => Turn::Failed,
        }
    }
}
