//! A client: sc-core's machine, and the order of steps of `ScClient`, with set-ups that any caller may begin.

mod message;
mod set_up;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::join;
use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::code::Code;
use sc_core::document::ReceivedAnswer;
use sc_core::id::{SessionId, Ticks};
use sc_core::retry::{Attempts, Repeatable};
use sc_core::server::BoundPolicy;
use sc_core::session::Session;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::dice::Dice;
use crate::kit::Kit;
use crate::network::{ENDPOINTS, Request, Response, Target};
use crate::plan::Plan;
use crate::report::{Event, Invariant};
use crate::world::World;

/// Turns of one call, as in `ScClient`.
const MAX_TURNS: u8 = 6;
/// Attempts at one set-up.
const SET_UP_TRIES: u32 = 3;
/// Calls within which a client must have recovered, and how far apart they are, in milliseconds.
const RECOVERY_CALLS: u32 = 20;
const RECOVERY_STEP_MS: u64 = 5 * 60 * 1000;

/// A session of a client, and what the model knows of it.
pub(crate) struct Held<K: Kit> {
    session: Session<K::Client>,
    set_up: usize,
    started: Ticks,
    total_ms: u64,
}

/// One client.
pub(crate) struct Party<K: Kit> {
    number: usize,
    fleet: usize,
    inline: bool,
    machine: RefCell<Client<K::Client>>,
    session: RefCell<Option<Rc<Held<K>>>>,
    rng: RefCell<Dice>,
    snapshot: RefCell<Option<Dice>>,
    jumped_ms: Cell<u64>,
    renew_from: Cell<u64>,
}

/// What a turn of a call came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Done,
    Again,
    Failed,
}

impl<K: Kit> Party<K> {
    pub(crate) fn draw(number: usize, plan: &Plan, dice: &mut Dice) -> Self {
        let choices: &[ProfileChoice] = match plan.bound {
            BoundPolicy::Off => &[ProfileChoice::Plain, ProfileChoice::BoundIfOffered],
            BoundPolicy::Required => &[ProfileChoice::RequireBound, ProfileChoice::BoundIfOffered],
            _ => &[ProfileChoice::Plain, ProfileChoice::RequireBound, ProfileChoice::BoundIfOffered],
        };
        let options = ClientOptions::default().with_profile(dice.pick(choices));
        Self {
            number,
            fleet: usize::from(dice.chance(250)),
            inline: dice.chance(500),
            machine: RefCell::new(Client::new(options)),
            session: RefCell::default(),
            rng: RefCell::new(dice.fork()),
            snapshot: RefCell::default(),
            jumped_ms: Cell::new(dice.below(1 << 40)),
            renew_from: Cell::new(0),
        }
    }

    pub(crate) fn jump(&self, millis: u64) {
        self.jumped_ms.set(self.jumped_ms.get() + millis);
    }

    /// Forgets a session, unless another has taken its place.
    fn drop_session(&self, gone: &Rc<Held<K>>) {
        let mut session = self.session.borrow_mut();
        if session.as_ref().is_some_and(|current| Rc::ptr_eq(current, gone)) {
            *session = None;
        }
    }
}

impl<K: Kit> World<K> {
    fn ticks(&self, party: &Party<K>) -> Ticks {
        Ticks(self.time.now() + party.jumped_ms.get())
    }

    /// Before a client draws anything: perhaps its machine is saved, or set back to what was saved earlier.
    fn disturb(&self, party: &Party<K>) {
        if !K::WRAPS_REPEAT {
            return;
        }
        let mut snapshot = party.snapshot.borrow_mut();
        if snapshot.is_some() && self.chance(self.rates().machine) {
            *party.rng.borrow_mut() = snapshot.take().unwrap_or(Dice::new(0));
            self.note(|| format!("client {} is set back", party.number));
            self.log.count(Event::GeneratorSetBack);
        } else if snapshot.is_none() && self.chance(self.rates().machine / 2) {
            *snapshot = Some(party.rng.borrow().clone());
        }
    }

    /// The first act of a client: some messages, then an end.
    pub(crate) async fn converse(self: Rc<Self>, number: usize) {
        let party = &self.parties[number];
        let messages = self.dice.borrow_mut().between(1, self.plan.most_messages);
        for _ in 0..messages {
            let think = self.dice.borrow_mut().below(self.plan.think_ms);
            self.time.sleep(think).await;
            // Some requests run in parallel, in one session if there is one.
            if self.chance(300) {
                let answered = join(self.ask_once(party), self.ask_once(party)).await;
                self.expect(answered.0 && answered.1);
            } else {
                let answered = self.ask_once(party).await;
                self.expect(answered);
            }
        }
        if self.chance(700) {
            self.close(party).await;
        } else {
            self.log.count(Event::SessionLeftOpen);
        }
        self.log.count(if self.plan.calm { Event::ConversationCalm } else { Event::ConversationFaulty });
    }

    /// The second act: the faults are over, so a call succeeds before long.
    pub(crate) async fn recover(self: Rc<Self>, number: usize) {
        let party = &self.parties[number];
        for tries in 1..=RECOVERY_CALLS {
            if self.ask_once(party).await {
                self.log.count(Event::Recovered);
                self.log.tries(tries);
                self.close(party).await;
                return;
            }
            self.time.sleep(RECOVERY_STEP_MS).await;
        }
        self.log.violate(Invariant::Live, format!("client {number} does not recover"));
    }

    fn expect(&self, answered: bool) {
        if self.plan.calm && !answered {
            self.log.violate(Invariant::Live, "a call failed without any fault".to_owned());
        }
    }

    async fn send(
        self: &Rc<Self>,
        party: &Party<K>,
        to: Target,
        session: Option<SessionId>,
        body: Vec<u8>,
    ) -> Option<Response> {
        let host = self.host_of(party.fleet);
        let request = Request { to, session, device: party.number, body };
        let response = self.call(host, request).await;
        if response.is_none() {
            self.log.count(Event::TimedOut);
        }
        response
    }

    /// Ends the session here and, as far as the network lets it, there.
    async fn close(self: &Rc<Self>, party: &Party<K>) {
        let Some(held) = party.session.take() else { return };
        held.session.close();
        self.send(party, Target::Close, Some(*held.session.id()), Vec::new()).await;
    }

    /// One call; whether its answer came.
    async fn ask_once(self: &Rc<Self>, party: &Party<K>) -> bool {
        let (endpoint, repeatable) =
            if self.chance(500) { (ENDPOINTS[0], Repeatable::Yes) } else { (ENDPOINTS[1], Repeatable::No) };
        let mut attempts = Attempts::new(repeatable);
        for _ in 0..MAX_TURNS {
            let session = self.obtain(party, &mut attempts).await;
            let turn = match session {
                Some(held) => self.within(party, &held, endpoint, &mut attempts).await,
                None if party.inline => self.first(party, endpoint, &mut attempts).await,
                None => Turn::Failed,
            };
            if turn != Turn::Again {
                return turn == Turn::Done;
            }
        }
        false
    }
}

/// Reads a plain answer: a success with its data, or the code of an error.
fn read<T: DeserializeOwned>(response: &Response) -> Result<ReceivedAnswer<T>, Code> {
    if (200..300).contains(&response.status) {
        let answer = serde_json::from_slice::<ReceivedAnswer<T>>(&response.body).ok();
        return answer.filter(|answer| answer.success).ok_or(Code::InternalError);
    }
    let answer = serde_json::from_slice::<ReceivedAnswer<IgnoredAny>>(&response.body);
    Err(answer.map_or(Code::InternalError, |answer| answer.code))
}
