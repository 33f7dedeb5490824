//! Sends one group: each round every cause once, in random order; then says in what the answers differ.

use std::collections::BTreeMap;

use http::HeaderName;
use http::header::CACHE_CONTROL;
use rand_core::Rng;
use sc_core::code::Code;
use sc_std::rng::SystemSeeded;

use super::groups::{Compare, Group};
use super::look::Look;
use super::scene::{HARMLESS, Scene, Target};
use super::stats::{self, Timing};
use super::wire::{Wire, check_limits};
use crate::exit::Failure;

/// Rounds in which only content is looked at; they also warm the connection and the server up.
const WARM_UP: usize = 3;

/// How much is measured, and what counts.
pub(super) struct Rules {
    /// Timed rounds.
    pub(super) samples: usize,
    /// Smallest difference in time that counts, in microseconds.
    pub(super) min_effect: f64,
    /// Headers that are not compared.
    pub(super) ignored: Vec<HeaderName>,
}

/// What was seen of one cause.
pub(super) struct Seen {
    pub(super) name: &'static str,
    /// In what it differs from the usual answer; empty if in nothing.
    pub(super) differences: Vec<String>,
    pub(super) timing: Option<Timing>,
}

/// What was seen of one group.
pub(super) struct Examined {
    pub(super) name: &'static str,
    pub(super) threat: &'static str,
    /// Status and code of the usual answer.
    pub(super) usual: String,
    /// What is wrong with all of its answers.
    pub(super) wrong: Option<String>,
    pub(super) causes: Vec<Seen>,
    /// Requests sent.
    pub(super) requests: usize,
    /// The smallest difference in time that would have been found, in microseconds; none if no time was compared.
    pub(super) sees: Option<f64>,
    /// Whether an answer lacked `Cache-Control: no-store`.
    pub(super) storable: bool,
    /// Whether the session that was tried is as good as before.
    pub(super) alive: bool,
}

/// What comes in while a group is sent.
struct Tally {
    /// For each cause: every look, and how often.
    looks: Vec<BTreeMap<Look, usize>>,
    requests: usize,
    storable: bool,
}

/// Sends a group and compares.
pub(super) async fn examine(
    wire: &Wire,
    target: &Target,
    group: &Group,
    rules: &Rules,
) -> Result<Examined, Failure> {
    let scene = Scene::set(wire, target).await?;
    let mut tally =
        Tally { looks: group.causes.iter().map(|_| BTreeMap::new()).collect(), requests: 0, storable: false };
    let timed: Vec<usize> = (0..group.causes.len())
        .filter(|at| group.causes.get(*at).is_some_and(|cause| cause.compare == Compare::Time))
        .collect();
    let everything: Vec<usize> = (0..group.causes.len()).collect();
    for _ in 0..WARM_UP {
        round(wire, target, &scene, group, rules, &everything, &mut tally).await?;
    }
    let mut rounds = Vec::new();
    if timed.len() > 1 {
        for _ in 0..rules.samples {
            rounds.push(round(wire, target, &scene, group, rules, &timed, &mut tally).await?);
        }
    }
    let (timings, sees) = stats::compare(&rounds, rules.min_effect);
    let sees = (!rounds.is_empty()).then_some(sees);
    let timings: BTreeMap<usize, Timing> = timed.into_iter().zip(timings).collect();
    let after = target.message(wire, &scene.live.session, scene.live.seal(HARMLESS)).await?;
    let alive = scene.live.open(after.body()).is_some();
    Ok(Examined { alive, ..judge(group, tally, &timings, sees) })
}

/// Sends some causes once each, in random order; gives their times in the order asked for.
///
/// All requests are made before the first is sent, and all answers are looked at after the last: between two requests
/// there must be nothing that depends on the cause, or the server sleeps longer before some.
async fn round(
    wire: &Wire,
    target: &Target,
    scene: &Scene,
    group: &Group,
    rules: &Rules,
    causes: &[usize],
    tally: &mut Tally,
) -> Result<Vec<f64>, Failure> {
    let mut shots: Vec<_> =
        causes.iter().filter_map(|at| Some((*at, (group.causes.get(*at)?.make)(target, scene)))).collect();
    shuffle(&mut shots);
    // Wakes both sides up after the pause, so that the first cause has no worse a time than the rest.
    wire.public_key().await?;
    let mut answers = Vec::with_capacity(shots.len());
    for (at, shot) in shots {
        let (answer, took) = wire.send(shot).await?;
        answers.push((at, answer, took));
    }
    answers.sort_by_key(|(at, ..)| *at);
    for (at, answer, _) in &answers {
        check_limits(answer, group.limit)?;
        tally.requests += 1;
        let mut said = answer.headers().get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        tally.storable |= !said.any(|value| value.contains("no-store"));
        if let Some(looks) = tally.looks.get_mut(*at) {
            *looks.entry(Look::of(answer, &scene.live, &rules.ignored)).or_default() += 1;
        }
    }
    Ok(answers.into_iter().map(|(.., took)| took).collect())
}

fn judge(group: &Group, tally: Tally, timings: &BTreeMap<usize, Timing>, sees: Option<f64>) -> Examined {
    // The usual answer is the one that most causes gave first of all; numbers of requests would favour timed ones.
    let mut votes: BTreeMap<&Look, usize> = BTreeMap::new();
    for look in tally.looks.iter().filter_map(|looks| looks.iter().max_by_key(|(_, count)| **count)) {
        *votes.entry(look.0).or_default() += 1;
    }
    let usual = votes.into_iter().max_by_key(|(_, count)| *count).map(|(look, _)| look.clone());
    let code = usual.as_ref().and_then(Look::code);
    let expected = (group.code.http_status(), group.code.as_str());
    let asked = format!("the protocol asks for {} {}", expected.0, expected.1);
    let wrong = match (&usual, &code) {
        (Some(usual), Some(code)) if code == expected.1 && usual.status() == expected.0 => None,
        (Some(usual), _) if usual.is_sealed() && group.code == Code::Replayed => {
            Some(format!("the request was taken: {asked} (does it run with --no-replay-check?)"))
        }
        (Some(usual), _) if usual.is_sealed() => Some(format!("the request was taken: {asked}")),
        _ => Some(asked),
    };
    let causes = group.causes.iter().zip(&tally.looks).enumerate().map(|(at, (cause, looks))| {
        let mut differences: Vec<String> =
            usual.iter().flat_map(|usual| looks.keys().flat_map(|look| look.differences(usual))).collect();
        differences.sort();
        differences.dedup();
        Seen { name: cause.name, differences, timing: timings.get(&at).copied() }
    });
    Examined {
        name: group.name,
        threat: group.threat,
        usual: usual.as_ref().map_or_else(String::new, Look::summary),
        wrong,
        causes: causes.collect(),
        requests: tally.requests,
        sees,
        storable: tally.storable,
        alive: true,
    }
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last).unwrap_or_default().saturating_add(1);
        let with = usize::try_from(SystemSeeded.next_u64() % bound).unwrap_or_default();
        items.swap(last, with);
    }
}
