//! Those who are neither client nor server: operators with their clocks and keys, and an attacker with a record.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use sc_core::document::SessionRequest;
use sc_core::exchange::WrappedKeys;
use sc_std::store::Store;

use crate::kit::Kit;
use crate::network::{Request, Target};
use crate::report::Event;
use crate::world::{World, skew};

/// Recorded requests that come once more when all is over.
const LAST_REPLAYS: usize = 6;
/// Longer than anything in a world lives.
const AFTER_ALL_MS: u64 = 3 * 60 * 60 * 1000;

impl<K: Kit> World<K> {
    /// Keeps house, and lets machines fail, until every client is through.
    pub(crate) async fn operate(self: Rc<Self>) {
        let step = (self.plan.think_ms / 2).max(1_000);
        while self.busy.get() > 0 {
            let millis = self.dice.borrow_mut().between(step / 4, 2 * step).min(120_000);
            self.time.sleep(millis).await;
            for fleet in 0..self.fleets.len() {
                self.keep_house(fleet).await;
            }
            if self.chance(self.rates().machine) {
                self.step_a_clock();
            }
            if self.chance(self.rates().machine / 4) {
                self.jump_ticks();
            }
        }
    }

    async fn keep_house(&self, number: usize) {
        let (fleet, host) = (&self.fleets[number], self.host_of(number));
        let made = || fleet.keys.load(Ordering::Relaxed);
        if made() < K::KEYS && fleet.ring.rotate_if_due(self.clock(host)).unwrap() {
            self.note(|| format!("fleet {number} has a new key"));
            self.log.count(Event::KeyRotated);
        }
        fleet.store.purge(self.clock(host)).await;
        self.log.count(Event::Purged);
        self.reflect(number);
        let store = fleet.store.inner().truth();
        fleet.mirror.borrow().check(&self.log, store.sessions(), store.claims());
        if self.chance(self.rates().revoked) && made() < K::KEYS {
            let keys = fleet.ring.key_ids(self.clock(host));
            let any = keys.get(self.dice.borrow_mut().index(keys.len()));
            if let Some(key_id) = any.filter(|key_id| fleet.ring.revoke(key_id.as_str())) {
                self.note(|| format!("fleet {number} revokes {key_id}"));
                self.log.count(Event::KeyRevoked);
                fleet.unfinished.borrow_mut().push(key_id.clone());
            }
        }
        let unfinished = fleet.unfinished.take();
        for key_id in unfinished {
            if fleet.store.close_all_of(&key_id).await.is_err() {
                fleet.unfinished.borrow_mut().push(key_id);
            }
            self.reflect(number);
        }
    }

    fn step_a_clock(&self) {
        let mut dice = self.dice.borrow_mut();
        let host = &self.hosts[dice.index(self.hosts.len())];
        let (before, after) = (host.skew_ms.get(), skew(&self.plan, &mut dice));
        host.skew_ms.set(after);
        drop(dice);
        let forward = after > before;
        self.log.count(if forward { Event::ClockSteppedForward } else { Event::ClockSteppedBack });
    }

    /// A device that slept: its monotonic clock jumps.
    fn jump_ticks(&self) {
        let mut dice = self.dice.borrow_mut();
        let party = &self.parties[dice.index(self.parties.len())];
        party.jump(dice.between(1_000, 1_000_000));
        drop(dice);
        self.log.count(Event::TicksJumped);
    }

    /// Sends recorded requests again, and makes new ones of them, until every client is through.
    pub(crate) async fn attack(self: Rc<Self>) {
        while self.busy.get() > 0 {
            let millis = self.dice.borrow_mut().between(200, self.plan.think_ms.max(2_000));
            self.time.sleep(millis).await;
            if !self.chance(self.rates().replayed) {
                continue;
            }
            if self.chance(250) {
                self.splice();
            } else if let Some((host, request)) = self.recorded() {
                self.log.count(Event::Redelivered);
                self.transmit(host, request, None);
            }
        }
    }

    fn recorded(&self) -> Option<(usize, Request)> {
        let record = self.net.record.borrow();
        record.get(self.dice.borrow_mut().index(record.len())).cloned()
    }

    /// A set-up out of one client's wrapped request key and another's response key, both accepted before.
    fn splice(self: &Rc<Self>) {
        let model = self.model.borrow();
        let documents: Vec<_> = {
            let record = self.net.record.borrow();
            let set_ups = record.iter().filter(|(_, request)| request.to == Target::Session);
            let read = set_ups.filter_map(|(host, request)| {
                let document: SessionRequest = serde_json::from_slice(&request.body).ok()?;
                let hashes = hashes(&document)?;
                hashes.iter().all(|hash| model.knows_wrapped(hash)).then_some((
                    *host,
                    request.device,
                    document,
                ))
            });
            read.collect()
        };
        drop(model);
        let two = [0, 0].map(|_| documents.get(self.dice.borrow_mut().index(documents.len())));
        let [Some((host, device, one)), Some((_, _, other))] = two else { return };
        let mut spliced = one.clone();
        spliced.enc_resp_key = other.enc_resp_key.clone();
        let body = serde_json::to_vec(&spliced).unwrap();
        self.log.count(Event::SetUpSpliced);
        self.transmit(*host, Request { to: Target::Session, session: None, device: *device, body }, None);
    }

    /// When every session is over by every clock, the record is played once more.
    pub(crate) fn redeliver_after_all(self: &Rc<Self>) {
        let world = Rc::clone(self);
        self.time.spawn(async move {
            world.time.sleep(AFTER_ALL_MS).await;
            world.note(|| "after all".to_owned());
            for _ in 0..LAST_REPLAYS {
                if let Some((host, request)) = world.recorded() {
                    world.log.count(Event::RedeliveredAfterAll);
                    world.transmit(host, request, None);
                }
            }
            world.time.sleep(60_000).await;
            for fleet in 0..world.fleets.len() {
                world.keep_house(fleet).await;
            }
        });
        self.time.run();
    }
}

/// The ledger's hashes of a document, if it holds two wrapped keys.
pub(crate) fn hashes(document: &SessionRequest) -> Option<[sc_core::exchange::WrappedKeyHash; 2]> {
    let wrapped = WrappedKeys::new(document.enc_req_key.as_slice(), document.enc_resp_key.as_slice()).ok()?;
    Some(wrapped.hashes())
}
