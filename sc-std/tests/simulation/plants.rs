//! The checker can fail: each broken part is found, and is found as what it is.

use crate::kit::{Fast, GullibleClient, GullibleServer, Kit};
use crate::plan::{Plan, Rates};
use crate::report::{Invariant, Report};
use crate::run::plan_of;
use crate::store::Lie;
use crate::world::{Plant, live};

/// Worlds until one violates this; `None` if none does.
fn found<K: Kit>(plant: Plant, of: Invariant, plan: impl Fn(u64) -> Plan) -> Option<Report> {
    (0..300).map(|seed| live::<K>(seed, &plan(seed), plant, false)).find(|report| report.violates(of))
}

fn lying(lie: Lie) -> Plant {
    Plant { lie, ..Plant::NONE }
}

/// Every world is calm: only what is planted goes wrong.
fn calm(seed: u64) -> Plan {
    Plan { calm: true, rates: Rates::CALM, ..plan_of(seed) }
}

/// Much of everything.
fn stormy(seed: u64) -> Plan {
    let rates = Rates {
        duplicated: 300,
        damaged: 100,
        crossed: 300,
        machine: 400,
        revoked: 200,
        replayed: 900,
        slow: 200,
        ..Rates::CALM
    };
    Plan { calm: false, rates, ..plan_of(seed) }
}

#[test]
fn a_store_that_forgets_claims_is_found() {
    assert!(found::<Fast>(lying(Lie::ForgetsClaims), Invariant::Once, stormy).is_some());
}

#[test]
fn a_store_that_forgets_wrapped_keys_is_found() {
    assert!(found::<Fast>(lying(Lie::ForgetsWrapped), Invariant::WrappedOnce, stormy).is_some());
}

#[test]
fn a_store_that_ignores_ends_is_found() {
    for lie in [Lie::IgnoresIdleEnds, Lie::IgnoresCloses, Lie::IgnoresRevocations] {
        assert!(found::<Fast>(lying(lie), Invariant::Ended, stormy).is_some(), "{lie:?}");
    }
}

#[test]
fn a_store_that_loses_sessions_or_takes_too_many_is_found() {
    for lie in [Lie::LosesSessions, Lie::IgnoresBounds] {
        let narrow = |seed| {
            let mut plan = stormy(seed);
            plan.bounds.sessions = 3;
            plan
        };
        assert!(found::<Fast>(lying(lie), Invariant::Store, narrow).is_some(), "{lie:?}");
    }
}

#[test]
fn a_store_that_does_not_come_back_is_found() {
    for plan in [calm, stormy] {
        assert!(found::<Fast>(lying(Lie::StaysAway), Invariant::Live, plan).is_some());
    }
}

#[test]
fn a_server_or_a_client_that_skips_the_tag_is_found() {
    assert!(found::<GullibleServer>(Plant::NONE, Invariant::Authentic, stormy).is_some());
    assert!(found::<GullibleClient>(Plant::NONE, Invariant::Authentic, stormy).is_some());
}

#[test]
fn plain_does_not_keep_the_promises_of_bound() {
    let strict = Plant { strict: true, ..Plant::NONE };
    assert!(found::<Fast>(strict, Invariant::Bound, stormy).is_some());
}

#[test]
fn a_refusal_that_tells_its_cause_is_found() {
    let talks = Plant { talks: true, ..Plant::NONE };
    assert!(found::<Fast>(talks, Invariant::Alike, stormy).is_some());
}

#[test]
fn a_plaintext_that_is_left_in_a_refused_body_is_found() {
    let keeps = Plant { keeps: true, ..Plant::NONE };
    assert!(found::<Fast>(keeps, Invariant::Wiped, plan_of).is_some());
}
