//! Clients, servers, a network, stores and clocks that all fail, in virtual time: whole conversations by the million,
//! each from a seed that replays.
//!
//! The machines are sc-core's, keys and stores sc-std's; everything between them is simulated, so that delay, loss,
//! damage, duplication, clocks that step, stores that fail before or after they did something, generators that are set
//! back, and an attacker who records can be had in any order. An all-knowing model judges what each side releases, and a
//! mirror what each store says.
//!
//! | variable | default | |
//! |---|---|---|
//! | `SCV2_SIM_CONVERSATIONS` | 3,000 | how many conversations on the quick kit |
//! | `SCV2_SIM_RSA_CONVERSATIONS` | 80 | how many with AWS-LC and real RSA |
//! | `SCV2_SIM_STACKS` | 24 | how many worlds of the whole stack, see `whole.rs` |
//! | `SCV2_SIM_START` | 0 | the first seed |
//! | `SCV2_SIM_THREADS` | 2 | |
//! | `SCV2_SIM_SEED` | 1 | the seed that `one_seed` replays, with its trace |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a simulation fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "an index that is out of bounds is a bug of the simulation")]

mod client;
mod dice;
mod kit;
mod model;
mod network;
mod operator;
mod plan;
mod plants;
mod report;
mod run;
mod server;
mod store;
mod time;
mod whole;
mod world;

use crate::run::{Seed, run};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn simulated_conversations_keep_every_promise_and_every_fault_fires() {
    let start = setting("SCV2_SIM_START", 0);
    let conversations = setting("SCV2_SIM_CONVERSATIONS", 3_000);
    let begun = std::time::Instant::now();
    let report = run(|number| Seed::Fast(start + number), conversations, setting("SCV2_SIM_THREADS", 2));
    println!("{}", report.counts.table());
    println!("{} conversations in {:?}", report.conversations, begun.elapsed());
    println!("recovered within {} calls", report.most_tries);
    assert!(report.conversations >= conversations);
    assert_eq!(report.counts.missing(), [], "part of the simulation is dead");
}

#[test]
fn conversations_over_real_rsa_keep_every_promise() {
    let start = setting("SCV2_SIM_START", 0);
    let conversations = setting("SCV2_SIM_RSA_CONVERSATIONS", 80);
    let begun = std::time::Instant::now();
    let report = run(|number| Seed::Rsa(start + number), conversations, setting("SCV2_SIM_THREADS", 2));
    println!("{} conversations over RSA in {:?}", report.conversations, begun.elapsed());
    assert!(report.conversations >= conversations);
}

#[test]
fn the_same_seed_takes_the_same_steps() {
    for seed in [3, 4, 5] {
        let (one, two) = (Seed::Fast(seed).live(true), Seed::Fast(seed).live(true));
        assert!(one.trace.len() > 100, "a trace says what happened");
        assert!(
            one.trace == two.trace,
            "{:?}",
            one.trace.iter().zip(&two.trace).find(|(one, two)| one != two)
        );
        assert_ne!(one.trace, Seed::Fast(seed + 100).live(true).trace);
    }
}

/// Replays the seed in `SCV2_SIM_SEED` and shows all that happened.
#[test]
fn one_seed() {
    let text = std::env::var("SCV2_SIM_SEED").unwrap_or_else(|_| "1".to_owned());
    let seed = Seed::parse(&text).expect("a number, or rsa- and a number");
    assert_eq!(seed.to_string(), text);
    let report = seed.live(true);
    println!("{}", report.trace.join("\n"));
    assert!(report.violations.is_empty(), "{:?}", report.violations);
}
