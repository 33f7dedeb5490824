//! How a client comes by a session: the public key, a set-up, a renewal ahead of time.

use std::rc::Rc;

use sc_core::client::State;
use sc_core::code::Code;
use sc_core::document::{PublicKeyDocument, SessionAnswer};
use sc_core::envelope::Profile;
use sc_core::id::{Ticks, UnixMillis};
use sc_core::retry::{Attempts, Recovery, Refused, Repeatable};
use sc_core::session::{Phase, Session};

use super::{Held, Party, SET_UP_TRIES, read};
use crate::kit::Kit;
use crate::network::Target;
use crate::operator::hashes;
use crate::report::Event;
use crate::world::World;

/// A session with less time than this is not used while another is to be had, as in `ScClient`.
const LAST_MOMENTS_MS: u64 = 2_000;

impl<K: Kit> World<K> {
    /// The session at hand, or another. `None`: there is none, or the first request is to bring one.
    pub(super) async fn obtain(
        self: &Rc<Self>,
        party: &Party<K>,
        attempts: &mut Attempts,
    ) -> Option<Rc<Held<K>>> {
        let held = party.session.borrow().clone();
        let now = self.ticks(party);
        let state = party.machine.borrow().state(held.as_ref().map(|held| &held.session), now);
        match (state, held) {
            (State::Ready, held) => held,
            (State::AboutToExpire, Some(old)) => {
                // In its last moments it may be over before a message arrives.
                let later = old.session.phase(Ticks(now.0 + LAST_MOMENTS_MS));
                let outlasts = !matches!(later, Phase::Expired | Phase::Closed);
                if outlasts && now.0 < party.renew_from.get() {
                    return Some(old);
                }
                party.renew_from.set(now.0 + 5_000);
                let renewed = self.set_up(party, &mut Attempts::new(Repeatable::No), 1).await;
                if renewed.is_some() {
                    self.log.count(Event::Renewed);
                }
                renewed.or(Some(old))
            }
            (State::NeedsKey | State::NeedsSession | State::AboutToExpire, held) => {
                if held.is_some() {
                    self.log.count(Event::SessionOver);
                }
                if party.inline {
                    return None;
                }
                let new = self.set_up(party, attempts, SET_UP_TRIES).await;
                if new.is_none() {
                    self.log.count(Event::SetUpFailed);
                }
                new
            }
        }
    }

    pub(super) async fn ensure_key(self: &Rc<Self>, party: &Party<K>) -> Option<()> {
        let asked_at = self.ticks(party);
        if party.machine.borrow().has_fresh_key(asked_at) {
            return Some(());
        }
        let response = self.send(party, Target::PublicKey, None, Vec::new()).await?;
        let answer = read::<PublicKeyDocument>(&response).ok()?;
        let accepted = party.machine.borrow_mut().accept_key(&answer.data?, asked_at, response.max_age_ms);
        if accepted.is_err() {
            self.log.count(Event::KeyRefused);
        }
        accepted.ok()
    }

    /// Sets up a session by the session endpoint.
    async fn set_up(
        self: &Rc<Self>,
        party: &Party<K>,
        attempts: &mut Attempts,
        tries: u32,
    ) -> Option<Rc<Held<K>>> {
        let mut left = tries;
        while left > 0 {
            left -= 1;
            if self.ensure_key(party).await.is_none() {
                self.time.sleep(2_000).await;
                continue;
            }
            self.disturb(party);
            let begun = party.machine.borrow().begin(&mut *party.rng.borrow_mut());
            let (document, awaiting) = begun.ok()?;
            let set_up = self.model.borrow_mut().set_up(&hashes(&document).unwrap());
            let asked_at = self.ticks(party);
            let body = serde_json::to_vec(&document).unwrap();
            let Some(response) = self.send(party, Target::Session, None, body).await else { continue };
            match read::<SessionAnswer>(&response) {
                Ok(answer) => {
                    let said_at = answer.timestamp.map_or(response.said_at, UnixMillis);
                    let data = answer.data?;
                    let session = awaiting.accept(&data, said_at, asked_at).ok()?;
                    return Some(self.keep(party, session, set_up, asked_at, data.expires_at, said_at));
                }
                Err(Code::InvalidKeyId) => {
                    if attempts.after(Refused::SetUp, Code::InvalidKeyId) != Recovery::NewKey {
                        return None;
                    }
                    self.log.count(Event::NewKeyTried);
                    party.machine.borrow_mut().forget_key();
                    left += 1;
                }
                Err(Code::Busy | Code::InternalError) => self.time.sleep(2_000).await,
                Err(_) => return None,
            }
        }
        None
    }

    pub(super) fn keep(
        &self,
        party: &Party<K>,
        session: Session<K::Client>,
        set_up: usize,
        started: Ticks,
        expires_at: u64,
        said_at: UnixMillis,
    ) -> Rc<Held<K>> {
        let bound = session.profile() == Profile::Bound;
        self.log.count(if bound { Event::ConversationBound } else { Event::ConversationPlain });
        // What a client believes is between a minute and a day.
        let total_ms = expires_at.saturating_sub(said_at.0).clamp(60_000, 86_400_000);
        let held = Rc::new(Held { session, set_up, started, total_ms });
        *party.session.borrow_mut() = Some(Rc::clone(&held));
        held
    }
}
