//! The network between the parties: late, lossy, doubling, damaging, misleading; and somebody who records it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use sc_core::id::{SessionId, UnixMillis};

use crate::dice::Dice;
use crate::kit::Kit;
use crate::report::Event;
use crate::time::Mail;
use crate::world::World;

/// The endpoints of the simulated service.
pub(crate) const ENDPOINTS: [&str; 2] = ["password.forgot", "/web/v1/pay"];
/// How long a client waits for an answer.
const PATIENCE_MS: u64 = 10_000;
/// Requests and answers that the attacker keeps.
const RECORD: usize = 48;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    PublicKey,
    Session,
    Close,
    Message(&'static str),
}

/// A request on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) to: Target,
    pub(crate) session: Option<SessionId>,
    /// The client that `X-Client-Hash` names.
    pub(crate) device: usize,
    pub(crate) body: Vec<u8>,
}

/// What the headers of an answer to a first request say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Created {
    pub(crate) id: SessionId,
    pub(crate) expires_at: UnixMillis,
    pub(crate) idle_timeout: Option<u32>,
}

/// An answer on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) said_at: UnixMillis,
    pub(crate) max_age_ms: u64,
    pub(crate) created: Option<Created>,
    pub(crate) body: Vec<u8>,
}

/// Calls that wait, and what was recorded.
#[derive(Default)]
pub(crate) struct Net {
    waiting: RefCell<BTreeMap<u64, Rc<Mail<Response>>>>,
    calls: Cell<u64>,
    sent: Cell<u64>,
    arrived: Cell<u64>,
    pub(crate) record: RefCell<Vec<(usize, Request)>>,
    answers: RefCell<Vec<Response>>,
}

/// Keeps something, in the place of something older once there is much.
fn keep<T>(record: &RefCell<Vec<T>>, dice: &RefCell<Dice>, what: T) {
    let mut record = record.borrow_mut();
    if record.len() < RECORD {
        record.push(what);
    } else {
        let at = dice.borrow_mut().index(RECORD);
        record[at] = what;
    }
}

/// Flips a bit, or cuts or lengthens the body; whether it was a flip.
pub(crate) fn damage(body: &mut Vec<u8>, dice: &mut Dice) -> bool {
    let flips = dice.chance(600) && !body.is_empty();
    if flips {
        let at = dice.index(body.len());
        body[at] ^= 1 << dice.below(8);
    } else if dice.chance(800) {
        let len = dice.index(body.len());
        body.truncate(len);
    } else {
        body.push(0);
    }
    flips
}

impl<K: Kit> World<K> {
    /// Sends a request and waits for an answer, which may be anything.
    pub(crate) async fn call(self: &Rc<Self>, host: usize, request: Request) -> Option<Response> {
        let (number, mail) = (self.net.calls.get(), Rc::new(Mail::new()));
        self.net.calls.set(number + 1);
        self.net.waiting.borrow_mut().insert(number, Rc::clone(&mail));
        keep(&self.net.record, &self.dice, (host, request.clone()));
        if self.chance(self.rates().crossed / 8) && !self.net.answers.borrow().is_empty() {
            let answers = self.net.answers.borrow();
            let old = answers[self.dice.borrow_mut().index(answers.len())].clone();
            self.log.count(Event::AnswerOutOfTheRecord);
            self.bring(number, old);
        }
        self.transmit(host, request, Some(number));
        let answer = mail.wait(&self.time, PATIENCE_MS).await;
        self.net.waiting.borrow_mut().remove(&number);
        answer
    }

    /// How long a packet is on its way.
    fn delay(&self) -> u64 {
        let slow = self.chance(self.rates().slow);
        self.dice.borrow_mut().between(1, if slow { 20_000 } else { 150 })
    }

    /// Sends a request as the network does. The answer goes to the call `reply`, or is only recorded.
    pub(crate) fn transmit(self: &Rc<Self>, host: usize, request: Request, reply: Option<u64>) {
        let rates = self.rates();
        let mut copies = 1;
        if self.chance(rates.duplicated) {
            self.log.count(Event::RequestDuplicated);
            copies = 2;
        }
        for _ in 0..copies {
            if self.chance(rates.lost) {
                self.log.count(Event::RequestLost);
                continue;
            }
            let (mut host, mut request, delay) = (host, request.clone(), self.delay());
            self.tamper(&mut host, &mut request);
            let (world, sent) = (Rc::clone(self), self.net.sent.get());
            self.net.sent.set(sent + 1);
            self.time.spawn(async move {
                world.time.sleep(delay).await;
                if world.net.arrived.replace(world.net.arrived.get().max(sent)) > sent {
                    world.log.count(Event::RequestReordered);
                }
                world.note(|| {
                    format!("to {host}: {:?} {:?} {} bytes", request.to, request.session, request.body.len())
                });
                let response = world.handle(host, request).await;
                world.note(|| format!("from {host}: {} {} bytes", response.status, response.body.len()));
                world.reply(reply, response);
            });
        }
    }

    /// Damages a request, or leads it astray.
    fn tamper(&self, host: &mut usize, request: &mut Request) {
        let rates = self.rates();
        if self.chance(rates.damaged) {
            let flipped = damage(&mut request.body, &mut self.dice.borrow_mut());
            self.log.count(if flipped { Event::RequestFlipped } else { Event::RequestCut });
        }
        if !self.chance(rates.misled) {
            return;
        }
        let kind = self.dice.borrow_mut().below(4);
        match (kind, request.to) {
            (0, Target::Message(_)) => {
                let record = self.net.record.borrow();
                let other = record[self.dice.borrow_mut().index(record.len())].1.session;
                request.session = other.or(request.session);
                self.log.count(Event::RequestToOtherSession);
            }
            (1, Target::Message(endpoint)) => {
                let other = ENDPOINTS.into_iter().find(|other| *other != endpoint);
                request.to = Target::Message(other.unwrap_or(endpoint));
                self.log.count(Event::RequestToOtherEndpoint);
            }
            (2, _) => {
                *host = self.dice.borrow_mut().index(self.hosts.len());
                self.log.count(Event::RequestToOtherServer);
            }
            (3, _) => {
                request.device = self.dice.borrow_mut().index(self.devices.len());
                self.log.count(Event::RequestFromOtherDevice);
            }
            _ => {}
        }
    }

    /// Brings an answer back, to the right call or to another.
    fn reply(self: &Rc<Self>, reply: Option<u64>, response: Response) {
        keep(&self.net.answers, &self.dice, response.clone());
        let rates = self.rates();
        let Some(mut call) = reply else { return };
        if self.chance(rates.duplicated) {
            self.log.count(Event::AnswerDuplicated);
            self.bring(call, response.clone());
        }
        if self.chance(rates.lost) {
            self.log.count(Event::AnswerLost);
            return;
        }
        if self.chance(rates.crossed) {
            let waiting = self.net.waiting.borrow();
            let others: Vec<_> = waiting.keys().copied().filter(|other| *other != call).collect();
            // Two calls of one client that run in parallel are neighbours, and mostly of one session.
            let neighbour = others.iter().copied().find(|other| *other == call ^ 1);
            if let Some(first) = others.first().copied() {
                let any = others.get(self.dice.borrow_mut().index(others.len())).copied();
                call = neighbour.or(any).unwrap_or(first);
                self.log.count(Event::AnswerCrossed);
            }
        }
        let mut response = response;
        if self.chance(rates.damaged) {
            let flipped = damage(&mut response.body, &mut self.dice.borrow_mut());
            self.log.count(if flipped { Event::AnswerFlipped } else { Event::AnswerCut });
        }
        self.bring(call, response);
    }

    fn bring(self: &Rc<Self>, call: u64, response: Response) {
        let (world, delay) = (Rc::clone(self), self.delay());
        self.time.spawn(async move {
            world.time.sleep(delay).await;
            let mail = world.net.waiting.borrow().get(&call).cloned();
            let seen = mail.is_some_and(|mail| mail.put(&world.time, response));
            world.note(|| format!("call {call} gets an answer: {seen}"));
        });
    }
}
