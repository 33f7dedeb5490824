//! What a world is like: how big, how its servers are set, and how often what fails. All of it follows from the seed.

use sc_core::server::BoundPolicy;
use sc_std::store::StoreOptions;

use crate::dice::Dice;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// How often things fail, in a thousandth.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) damaged: u64,
    pub(crate) misled: u64,
    pub(crate) crossed: u64,
    pub(crate) store_before: u64,
    pub(crate) store_after: u64,
    /// For each pause of the operator: a clock steps, a client's ticks jump, a generator is set back.
    pub(crate) machine: u64,
    /// For each pause of the operator: a key is revoked.
    pub(crate) revoked: u64,
    /// For each pause of the attacker: something recorded comes again.
    pub(crate) replayed: u64,
    /// A packet takes its time.
    pub(crate) slow: u64,
}

impl Rates {
    /// Nothing fails; packets only take a little while.
    pub(crate) const CALM: Self = Self {
        lost: 0,
        duplicated: 0,
        damaged: 0,
        misled: 0,
        crossed: 0,
        store_before: 0,
        store_after: 0,
        machine: 0,
        revoked: 0,
        replayed: 0,
        slow: 0,
    };

    fn draw(dice: &mut Dice) -> Self {
        // A world has a taste: most faults are rare in it, some are not.
        let mut rate = |most: u64| {
            let ceiling = if dice.chance(300) { most } else { most / 6 };
            dice.below(ceiling + 1)
        };
        Self {
            lost: rate(200),
            duplicated: rate(300),
            damaged: rate(200),
            misled: rate(150),
            crossed: rate(300),
            store_before: rate(120),
            store_after: rate(120),
            machine: rate(400),
            revoked: rate(120),
            replayed: rate(900),
            slow: rate(200),
        }
    }
}

/// How the bounds of a world's stores are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) sessions: usize,
    pub(crate) claims: usize,
    pub(crate) ledger: usize,
    pub(crate) unused_ms: u64,
    pub(crate) idle_ms: u64,
}

impl Bounds {
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions::default()
            .with_max_sessions(self.sessions)
            .with_max_claims(self.claims)
            .with_max_ledger_hashes(self.ledger)
            .with_unused_ms(self.unused_ms)
            .with_idle_ms(self.idle_ms)
    }
}

/// One world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// No fault at all: every call must succeed.
    pub(crate) calm: bool,
    pub(crate) rates: Rates,
    pub(crate) bounds: Bounds,
    pub(crate) clients: usize,
    pub(crate) most_messages: u64,
    pub(crate) ttl_ms: u64,
    pub(crate) rotation_ms: u64,
    pub(crate) bound: BoundPolicy,
    /// How long a client thinks between two messages, at most.
    pub(crate) think_ms: u64,
    /// Servers of the first fleet, which share a store and keys. A last server is alone.
    pub(crate) fleet: usize,
    /// How far two clocks may be apart, in either direction from the true time. Twice this stays below the hour that a
    /// ledger outlives its RSA key.
    pub(crate) skew_ms: u64,
}

impl Plan {
    /// Clients of each world, and so conversations.
    pub(crate) const CLIENTS: u64 = 8;

    /// The same, but with RSA keys that last: making one takes long, so there are few.
    pub(crate) fn with_few_keys(mut self) -> Self {
        self.rotation_ms = 24 * 60 * MINUTE;
        self.bounds.ledger = 10_000;
        self
    }

    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let calm = dice.chance(100);
        let small = |dice: &mut Dice, usual: usize, few: usize| {
            if !calm && dice.chance(120) { 2 + dice.index(few) } else { usual }
        };
        // A ledger that is full waits for the next key, which then must come soon.
        let scarce = !calm && dice.chance(100);
        Self {
            calm,
            rates: if calm { Rates::CALM } else { Rates::draw(dice) },
            bounds: Bounds {
                sessions: small(dice, 1_000, 6),
                claims: small(dice, 100_000, 20),
                ledger: if scarce { 8 + dice.index(16) } else { 10_000 },
                unused_ms: if calm { 5 * MINUTE } else { dice.between(30, 300) * SECOND },
                idle_ms: dice.between(40, 600) * SECOND,
            },
            clients: usize::try_from(Self::CLIENTS).unwrap_or_default(),
            most_messages: 6,
            ttl_ms: match (calm, dice.chance(400)) {
                (true, _) => dice.between(120, 1_200) * SECOND,
                (false, true) => dice.between(60, 75) * SECOND,
                (false, false) => dice.between(60, 1_200) * SECOND,
            },
            rotation_ms: if scarce { 4 * MINUTE } else { dice.between(4, 40) * MINUTE },
            bound: dice.pick(&[
                BoundPolicy::Off,
                BoundPolicy::Offered,
                BoundPolicy::Offered,
                BoundPolicy::Required,
            ]),
            think_ms: dice.pick(&[2 * SECOND, 20 * SECOND, 2 * MINUTE, 8 * MINUTE]),
            fleet: 2,
            skew_ms: if calm { SECOND } else { 25 * MINUTE },
        }
    }
}
