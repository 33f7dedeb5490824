//! Session keys that do not unwrap, and RSA keys that nobody has.

use rand_core::Rng;
use sc_core::code::Code;
use sc_std::names::SESSION_PATH;
use sc_std::rng::SystemSeeded;

use super::{Cause, Compare, Group};
use crate::doctor::forge::Flaw;
use crate::doctor::peer::Peer;
use crate::doctor::scene::{HARMLESS, SETUP_LIMIT, Scene, Target};
use crate::doctor::wire::Shot;

const ORACLE: &str = "padding or tag oracles";

type MakeKeys = Box<dyn Fn(&Target, &Scene) -> Peer>;

/// Every way in which two wrapped keys are refused.
fn refused() -> Vec<(&'static str, Compare, MakeKeys)> {
    let mut all: Vec<(&'static str, Compare, MakeKeys)> = Vec::new();
    for (name, flaws) in [
        ("first byte not zero", [Flaw::FirstByte, Flaw::None]),
        ("label hash, first byte", [Flaw::LabelStart, Flaw::None]),
        ("label hash, last byte", [Flaw::LabelEnd, Flaw::None]),
        ("no separator", [Flaw::NoSeparator, Flaw::None]),
        ("another separator", [Flaw::OtherSeparator, Flaw::None]),
        ("key of 31 bytes", [Flaw::ShortKey, Flaw::None]),
        ("key of 33 bytes", [Flaw::LongKey, Flaw::None]),
        ("good request key, bad response key", [Flaw::None, Flaw::FirstByte]),
        ("both keys bad", [Flaw::FirstByte; 2]),
    ] {
        all.push((name, Compare::Time, Box::new(move |target, _| Peer::flawed(&target.forge, flaws))));
    }
    all.push((
        "random number",
        Compare::Time,
        changed(|target, _, [request, _]| *request = target.forge.random()),
    ));
    all.push(("equal keys", Compare::Time, Box::new(|target, _| Peer::equal(&target.forge))));
    // Who sends these knows what they are, so the server may be quick.
    let content: [(&'static str, MakeKeys); 6] = [
        ("the modulus as a number", changed(|target, _, [request, _]| *request = target.forge.modulus())),
        ("zero as a number", changed(|_, _, [request, _]| request.fill(0))),
        ("one wrapped key twice", changed(|_, _, [request, response]| response.clone_from(request))),
        (
            "replayed request key",
            changed(|_, scene, [request, _]| request.clone_from(&scene.live.wrapped[0])),
        ),
        (
            "replayed response key",
            changed(|_, scene, [_, response]| response.clone_from(&scene.live.wrapped[1])),
        ),
        (
            "replayed keys of a closed session",
            changed(|_, scene, both| both.clone_from(&scene.closed.wrapped)),
        ),
    ];
    all.extend(content.map(|(name, make)| (name, Compare::Content, make)));
    all
}

fn changed(change: impl Fn(&Target, &Scene, &mut [Vec<u8>; 2]) + 'static) -> MakeKeys {
    Box::new(move |target, scene| Peer::with_wrapped(&target.forge, |wrapped| change(target, scene, wrapped)))
}

pub(super) fn at_the_session_endpoint() -> Group {
    let causes = refused().into_iter().map(|(name, compare, make)| {
        Cause::new(name, compare, move |target, scene| {
            Shot::new(SESSION_PATH, make(target, scene).set_up(&target.key_id))
        })
    });
    Group {
        name: "set-ups whose keys are refused, at the session endpoint",
        threat: ORACLE,
        code: Code::KeyExchangeFailed,
        limit: SETUP_LIMIT,
        causes: causes.collect(),
    }
}

pub(super) fn in_a_first_message() -> Group {
    let causes = refused().into_iter().map(|(name, compare, make)| {
        Cause::new(name, compare, move |target, scene| {
            Shot::new(&target.path, make(target, scene).first(&target.key_id, HARMLESS))
        })
    });
    let mut causes: Vec<_> = causes.collect();
    let first = |target: &Target| Peer::new(&target.forge).first(&target.key_id, HARMLESS);
    // Counted from the end: the tag has 16 bytes, the ciphertext before it as many as the message, the IV 12.
    for (name, from_end) in
        [("flipped tag", 1), ("flipped ciphertext", 17), ("flipped IV", 17 + HARMLESS.len())]
    {
        causes.push(Cause::new(name, Compare::Time, move |target, _| {
            Shot::new(&target.path, super::messages::flipped(first(target), from_end))
        }));
    }
    causes.push(Cause::new("sealed under another key", Compare::Time, move |target, _| {
        let mut body = first(target);
        let other = Peer::new(&target.forge).seal(HARMLESS);
        let start = body.len().saturating_sub(other.len().saturating_sub(4));
        body.splice(start.., other.into_iter().skip(4));
        Shot::new(&target.path, body)
    }));
    causes.push(Cause::new("replayed", Compare::Content, |target, scene| {
        Shot::new(&target.path, scene.spent_first.clone())
    }));
    causes.push(Cause::new("within a session", Compare::Content, move |target, scene| {
        Shot::new(&target.path, first(target)).within(&scene.live.session)
    }));
    Group {
        name: "first messages (type 1) that are refused",
        threat: ORACLE,
        code: Code::InvalidPayload,
        limit: SETUP_LIMIT,
        causes,
    }
}

pub(super) fn unknown_at_the_session_endpoint(expired: Option<String>) -> Group {
    let set_up =
        |target: &Target, key_id: &str| Shot::new(SESSION_PATH, Peer::new(&target.forge).set_up(key_id));
    let mut causes = unknown(expired, set_up);
    causes.push(Cause::new("impossible keyId", Compare::Content, move |target, _| {
        set_up(target, "not a key id")
    }));
    causes.push(Cause::new("unknown keyId, keys of another length", Compare::Content, |target, _| {
        let peer =
            Peer::with_wrapped(&target.forge, |wrapped| wrapped.iter_mut().for_each(|key| key.push(0)));
        Shot::new(SESSION_PATH, peer.set_up(&unknown_like(&target.key_id)))
    }));
    Group {
        name: "keyIds that are not accepted, at the session endpoint",
        threat: "wrong key ids",
        code: Code::InvalidKeyId,
        limit: SETUP_LIMIT,
        causes,
    }
}

pub(super) fn unknown_in_a_first_message(expired: Option<String>) -> Group {
    let first = |target: &Target, key_id: &str| {
        Shot::new(&target.path, Peer::new(&target.forge).first(key_id, HARMLESS))
    };
    let mut causes = unknown(expired, first);
    causes.push(Cause::new("unknown keyId, keys of another length", Compare::Content, |target, _| {
        let peer =
            Peer::with_wrapped(&target.forge, |wrapped| wrapped.iter_mut().for_each(|key| key.push(0)));
        Shot::new(&target.path, peer.first(&unknown_like(&target.key_id), HARMLESS))
    }));
    Group {
        name: "keyIds that are not accepted, in first messages (type 1)",
        threat: "wrong key ids",
        code: Code::InvalidKeyId,
        limit: SETUP_LIMIT,
        causes,
    }
}

/// Unknown keyIds, and the expired one if there is one.
fn unknown(expired: Option<String>, shot: impl Fn(&Target, &str) -> Shot + Copy + 'static) -> Vec<Cause> {
    let mut causes = vec![
        Cause::new("unknown keyId", Compare::Time, move |target, _| {
            shot(target, &unknown_like(&target.key_id))
        }),
        Cause::new("unknown keyId, almost the real one", Compare::Time, move |target, _| {
            let mut almost = target.key_id.clone();
            almost.pop();
            almost.push(if target.key_id.ends_with('0') { '1' } else { '0' });
            shot(target, &almost)
        }),
    ];
    if let Some(expired) = expired {
        causes.push(Cause::new("expired keyId", Compare::Time, move |target, _| shot(target, &expired)));
    }
    causes
}

/// A keyId that nobody has, as long as another.
fn unknown_like(key_id: &str) -> String {
    key_id.chars().map(|_| char::from(b'a' + (SystemSeeded.next_u32() % 26).to_le_bytes()[0])).collect()
}
