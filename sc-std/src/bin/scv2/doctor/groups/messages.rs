//! Messages that do not open, have no session, come twice, in the clear, or in a version that nobody speaks.

use sc_core::code::Code;
use sc_core::id::SessionId;
use sc_core::limits::{HEADER_LEN, IV_LEN, TAG_LEN};
use sc_std::message::{ForgotPassword, Message};
use sc_std::rng::SystemSeeded;
use serde_json::json;

use super::{Cause, Compare, Group};
use crate::doctor::scene::{HARMLESS, SETUP_LIMIT, Scene, Target};
use crate::doctor::wire::Shot;

/// A message of some length, so that its ciphertext has a first and a last byte.
const LONGER: &[u8] = br#"{"email":7,"padding":"0123456789abcdef0123456789abcdef"}"#;

/// Flips one bit of the byte that many from the end, counted from 1.
pub(super) fn flipped(mut body: Vec<u8>, from_end: usize) -> Vec<u8> {
    let at = body.len().checked_sub(from_end);
    if let Some(byte) = at.and_then(|at| body.get_mut(at)) {
        *byte ^= 1;
    }
    body
}

/// A request in the live session.
fn live(target: &Target, scene: &Scene, body: Vec<u8>) -> Shot {
    Shot::new(&target.path, body).within(&scene.live.session)
}

pub(super) fn that_do_not_open() -> Group {
    let whole = HEADER_LEN + IV_LEN + LONGER.len() + TAG_LEN;
    let flips = [
        ("tag, first byte", TAG_LEN),
        ("tag, last byte", 1),
        ("ciphertext, first byte", TAG_LEN + LONGER.len()),
        ("ciphertext, last byte", TAG_LEN + 1),
        ("IV", whole - HEADER_LEN),
    ];
    let mut causes: Vec<_> = flips
        .map(|(name, from_end)| {
            Cause::new(name, Compare::Time, move |target, scene| {
                live(target, scene, flipped(scene.live.seal(LONGER), from_end))
            })
        })
        .into();
    causes.push(Cause::new("sealed under another key", Compare::Time, |target, scene| {
        live(target, scene, scene.closed.seal(LONGER))
    }));
    causes.push(Cause::new("sealed under the key of answers", Compare::Time, |target, scene| {
        live(target, scene, scene.live.seal_as_answer(LONGER))
    }));
    Group {
        name: "messages (type 2) that do not open",
        threat: "padding or tag oracles; reflection",
        code: Code::InvalidPayload,
        limit: SETUP_LIMIT,
        causes,
    }
}

pub(super) fn in_no_session() -> Group {
    let causes = vec![
        Cause::new("unknown session", Compare::Time, |target, scene| {
            let unknown = SessionId::draw(&mut SystemSeeded);
            Shot::new(&target.path, scene.live.seal(HARMLESS)).within(unknown.as_str())
        }),
        Cause::new("closed session", Compare::Time, |target, scene| {
            Shot::new(&target.path, scene.closed.seal(HARMLESS)).within(&scene.closed.session)
        }),
        Cause::new("session of another device", Compare::Content, |target, scene| {
            let mut shot = live(target, scene, scene.live.seal(HARMLESS));
            shot.device = "another-device";
            shot
        }),
        Cause::new("impossible session id", Compare::Content, |target, scene| {
            Shot::new(&target.path, scene.live.seal(HARMLESS)).within("sess_")
        }),
        Cause::new("no session id", Compare::Content, |target, scene| {
            Shot::new(&target.path, scene.live.seal(HARMLESS))
        }),
    ];
    Group {
        name: "messages (type 2) without a session",
        threat: "closed sessions stay closed; sessions stay on their device",
        code: Code::SessionNotFound,
        limit: SETUP_LIMIT,
        causes,
    }
}

pub(super) fn replayed() -> Group {
    let spent = |name, which: usize| {
        Cause::new(name, Compare::Content, move |target, scene| {
            live(target, scene, scene.spent.get(which).cloned().unwrap_or_default())
        })
    };
    Group {
        name: "messages (type 2) that come again",
        threat: "replay of a captured request",
        code: Code::Replayed,
        limit: SETUP_LIMIT,
        causes: vec![spent("the last message", 1), spent("an older message", 0)],
    }
}

pub(super) fn in_the_clear() -> Group {
    const PLAIN: &[u8] = br#"{"email":"nobody@example.invalid"}"#;
    let body = |name, body: &'static [u8]| {
        Cause::new(name, Compare::Content, move |target, scene| live(target, scene, body.to_vec()))
    };
    let causes = vec![
        Cause::new("JSON in a live session", Compare::Time, |target, scene| {
            live(target, scene, PLAIN.to_vec())
        }),
        Cause::new("JSON in a closed session", Compare::Time, |target, scene| {
            Shot::new(&target.path, PLAIN.to_vec()).within(&scene.closed.session)
        }),
        Cause::new("JSON in an unknown session", Compare::Time, |target, _| {
            let unknown = SessionId::draw(&mut SystemSeeded);
            Shot::new(&target.path, PLAIN.to_vec()).within(unknown.as_str())
        }),
        Cause::new("JSON without a session", Compare::Content, |target, _| {
            Shot::new(&target.path, PLAIN.to_vec())
        }),
        body("empty body", b""),
        body("not JSON", b"<html>"),
        body("the magic alone", b"SC"),
        body("a header alone", b"SC\x02\x02"),
        body("an unknown type", b"SC\x02\x03 and more than twenty-eight bytes behind it"),
        Cause::new("an answer's envelope", Compare::Content, |target, scene| {
            let mut body = scene.live.seal_as_answer(HARMLESS);
            if let Some(kind) = body.get_mut(3) {
                *kind = 129;
            }
            live(target, scene, body)
        }),
        Cause::new("a cut envelope", Compare::Content, |target, scene| {
            let mut body = scene.live.seal(b"");
            body.pop();
            live(target, scene, body)
        }),
    ];
    Group {
        name: "requests in the clear, and malformed envelopes",
        threat: "downgrade to plaintext",
        code: Code::InvalidPayload,
        limit: SETUP_LIMIT,
        causes,
    }
}

pub(super) fn of_another_version() -> Group {
    let mut causes = Vec::new();
    for (name, version) in [("X-SC-Version: 1", "1"), ("X-SC-Version: 3", "3"), ("X-SC-Version: two", "two")]
    {
        causes.push(Cause::new(name, Compare::Content, move |target, scene| {
            let mut shot = live(target, scene, scene.live.seal(HARMLESS));
            shot.version = version;
            shot
        }));
    }
    for (name, version) in
        [("version byte 1", 1), ("version byte 3", 3), ("version byte 0x82 in type 2", 0x82)]
    {
        causes.push(Cause::new(name, Compare::Content, move |target, scene| {
            let mut body = scene.live.seal(HARMLESS);
            if let Some(byte) = body.get_mut(2) {
                *byte = version;
            }
            live(target, scene, body)
        }));
    }
    Group {
        name: "versions that nobody speaks",
        threat: "downgrade to another version",
        code: Code::UnsupportedVersion,
        limit: SETUP_LIMIT,
        causes,
    }
}

pub(super) fn known_and_unknown_addresses(known: String) -> Group {
    // As long, and at the same domain.
    let (local, domain) = known.split_once('@').unwrap_or((&known, "example.invalid"));
    let unknown = format!("{}@{domain}", "q".repeat(local.len()));
    let ask = |name, email: String| {
        Cause::new(name, Compare::Time, move |_, scene| {
            let message = json!({ "email": email }).to_string();
            Shot::new(ForgotPassword::PATH, scene.live.seal(message.as_bytes())).within(&scene.live.session)
        })
    };
    Group {
        name: "forgot password, for known and unknown addresses",
        threat: "learning which addresses exist",
        code: Code::Success,
        limit: "--rate-limit",
        causes: vec![ask("known address", known.clone()), ask("unknown address", unknown)],
    }
}
