//! One world: its parties, what they share, and its three acts (the faults, the calm after them, the end).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sc_core::id::{ClientHash, KeyId, UnixMillis};
use sc_core::server::Server;
use sc_std::keys::KeyRing;
use sc_std::store::MemoryStore;

use crate::client::Party;
use crate::dice::Dice;
use crate::kit::Kit;
use crate::model::Model;
use crate::model::mirror::Mirror;
use crate::network::Net;
use crate::plan::{Plan, Rates};
use crate::report::{Invariant, Log, Report};
use crate::store::{FaultyStore, Lie, Lying};
use crate::time::Time;

/// The moment at which every world begins, by a clock that is right.
const START: u64 = 1_795_467_600_000;
/// Fleets: one of several servers, one of a single server.
const FLEETS: usize = 2;

/// What is wrong on purpose, so that the checker must find it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plant {
    pub(crate) lie: Lie,
    /// `plain` is held to the rules of `bound`.
    pub(crate) strict: bool,
    /// An expired session is refused in words of its own.
    pub(crate) talks: bool,
    /// The plaintext of a first request stays in its body although no session came of it.
    pub(crate) keeps: bool,
}

impl Plant {
    pub(crate) const NONE: Self = Self { lie: Lie::None, strict: false, talks: false, keeps: false };
}

/// Servers that share a store and keys.
pub(crate) struct Fleet {
    pub(crate) ring: KeyRing,
    pub(crate) store: FaultyStore<Lying>,
    pub(crate) mirror: RefCell<Mirror>,
    /// Keys made so far.
    pub(crate) keys: Arc<AtomicUsize>,
    /// Revoked keys whose sessions could not be ended yet.
    pub(crate) unfinished: RefCell<Vec<KeyId>>,
}

impl Fleet {
    fn new<K: Kit>(number: usize, plan: &Plan, plant: Plant, dice: &mut Dice) -> Self {
        let bounds = &plan.bounds;
        let mut options = bounds.options();
        match plant.lie {
            Lie::IgnoresIdleEnds => options = options.with_idle_ms(u64::MAX).with_unused_ms(u64::MAX),
            Lie::IgnoresBounds => options = options.with_max_sessions(bounds.sessions + 1),
            _ => {}
        }
        let truth = Lying::new(MemoryStore::new(options), plant.lie);
        let keys = Arc::new(AtomicUsize::new(0));
        let (made, own) = (Arc::clone(&keys), Mutex::new(dice.fork()));
        let generate = move || {
            let nth = made.fetch_add(1, Ordering::Relaxed);
            K::generate(number * K::KEYS + nth.min(K::KEYS), &mut own.lock().unwrap())
        };
        Self {
            ring: KeyRing::rotating(generate, plan.rotation_ms, UnixMillis(START)).unwrap(),
            store: FaultyStore::new(truth, dice.fork(), (plan.rates.store_before, plan.rates.store_after)),
            mirror: RefCell::new(Mirror::new(*bounds)),
            keys,
            unfinished: RefCell::default(),
        }
    }
}

/// One server.
pub(crate) struct Host {
    pub(crate) fleet: usize,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) skew_ms: Cell<i64>,
    pub(crate) rng: RefCell<Dice>,
}

/// Everything there is.
pub(crate) struct World<K: Kit> {
    pub(crate) time: Time,
    pub(crate) log: Log,
    pub(crate) plan: Plan,
    pub(crate) plant: Plant,
    rates: Cell<Rates>,
    pub(crate) dice: RefCell<Dice>,
    pub(crate) model: RefCell<Model>,
    pub(crate) rules: Server,
    pub(crate) fleets: Vec<Fleet>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) parties: Vec<Party<K>>,
    pub(crate) devices: Vec<ClientHash>,
    pub(crate) net: Net,
    /// Clients that are not through yet.
    pub(crate) busy: Cell<usize>,
}

/// Lives through one world.
pub(crate) fn live<K: Kit>(seed: u64, plan: &Plan, plant: Plant, traced: bool) -> Report {
    let world = Rc::new(World::<K>::new(seed, plan, plant, traced));
    world.act(World::converse);
    world.set_rates(Rates::CALM);
    if !plan.calm {
        world.act(World::recover);
    }
    world.redeliver_after_all();
    world.check_what_is_left();
    let conversations = u64::try_from(plan.clients).unwrap_or_default();
    let world = Rc::try_unwrap(world).ok().expect("no task is left");
    Report { conversations, ..world.log.finish() }
}

impl<K: Kit> World<K> {
    fn new(seed: u64, plan: &Plan, plant: Plant, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let fleets: Vec<_> =
            (0..FLEETS).map(|number| Fleet::new::<K>(number, plan, plant, &mut dice)).collect();
        let hosts = (0..=plan.fleet).map(|number| Host {
            fleet: usize::from(number == plan.fleet),
            skew_ms: Cell::new(skew(plan, &mut dice)),
            rng: RefCell::new(dice.fork()),
        });
        let hosts = hosts.collect();
        let parties = (0..plan.clients).map(|number| Party::draw(number, plan, &mut dice)).collect();
        let device = |number: usize| ClientHash::of(format!("device-{number}").as_bytes()).unwrap();
        Self {
            time: Time::default(),
            log: Log::new(traced),
            plan: *plan,
            plant,
            rates: Cell::new(plan.rates),
            dice: RefCell::new(dice),
            model: RefCell::new(Model::new(plant.strict)),
            rules: Server::default().with_bound(plan.bound),
            fleets,
            hosts,
            parties,
            devices: (0..plan.clients).map(device).collect(),
            net: Net::default(),
            busy: Cell::new(0),
        }
    }

    /// Every client does something of some length, with operators and an attacker around.
    fn act<F: Future<Output = ()> + 'static>(self: &Rc<Self>, what: impl Fn(Rc<Self>, usize) -> F) {
        self.busy.set(self.parties.len());
        for number in 0..self.parties.len() {
            let (world, part) = (Rc::clone(self), what(Rc::clone(self), number));
            self.time.spawn(async move {
                part.await;
                world.busy.set(world.busy.get() - 1);
            });
        }
        self.time.spawn(Self::operate(Rc::clone(self)));
        self.time.spawn(Self::attack(Rc::clone(self)));
        self.time.run();
    }

    pub(crate) fn rates(&self) -> Rates {
        self.rates.get()
    }

    fn set_rates(&self, rates: Rates) {
        self.note(|| "calm from here on".to_owned());
        self.rates.set(rates);
        for fleet in &self.fleets {
            fleet.store.set_rates((rates.store_before, rates.store_after));
        }
    }

    pub(crate) fn chance(&self, permille: u64) -> bool {
        permille > 0 && self.dice.borrow_mut().chance(permille)
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        self.log.note(self.time.now(), line);
    }

    /// The clock of a server.
    pub(crate) fn clock(&self, host: usize) -> UnixMillis {
        UnixMillis((START + self.time.now()).saturating_add_signed(self.hosts[host].skew_ms.get()))
    }

    pub(crate) fn fleet(&self, host: usize) -> &Fleet {
        &self.fleets[self.hosts[host].fleet]
    }

    /// A server of a fleet.
    pub(crate) fn host_of(&self, fleet: usize) -> usize {
        if fleet == 0 { self.dice.borrow_mut().index(self.plan.fleet) } else { self.plan.fleet }
    }

    /// Work that takes a while, or none; now and then, where things are slow, a long while.
    pub(crate) async fn pause(&self, most_ms: u64) {
        let slow = self.chance(self.rates().slow / 4);
        if slow || self.chance(500) {
            let millis = self.dice.borrow_mut().between(1, if slow { 8_000 } else { most_ms });
            self.time.sleep(millis).await;
        }
    }

    /// Holds what took effect in a store against its mirror.
    pub(crate) fn reflect(&self, fleet: usize) {
        let fleet = &self.fleets[fleet];
        for effect in fleet.store.effects() {
            self.note(|| format!("store: {effect:?}"));
            fleet.mirror.borrow_mut().apply(&self.log, &effect);
        }
    }

    /// After all: sweeps, and compares what the stores say that they hold with what they must hold.
    fn check_what_is_left(&self) {
        for (number, fleet) in self.fleets.iter().enumerate() {
            self.reflect(number);
            let store = fleet.store.inner().truth();
            fleet.mirror.borrow().check(&self.log, store.sessions(), store.claims());
        }
        if self.busy.get() > 0 {
            self.log.violate(Invariant::Live, format!("{} clients hang", self.busy.get()));
        }
    }
}

/// How far a clock is ahead or behind.
pub(crate) fn skew(plan: &Plan, dice: &mut Dice) -> i64 {
    let far = i64::try_from(plan.skew_ms).unwrap_or_default();
    let range = u64::try_from(2 * far).unwrap_or_default();
    i64::try_from(dice.between(0, range)).unwrap_or_default() - far
}
