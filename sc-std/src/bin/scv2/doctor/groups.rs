//! Requests that fail for different reasons and must look alike: one group for each code (PROTOCOL 3, 5, 9).

mod keys;
mod messages;

use sc_core::code::Code;

use super::checks::FirstMessages;
use super::scene::{Scene, Target};
use super::wire::Shot;

/// What is compared of the answers to one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    /// Status, headers, size and body.
    Content,
    /// Those, and the time: which cause it was must stay hidden.
    Time,
}

type Make = Box<dyn Fn(&Target, &Scene) -> Shot>;

/// One reason to fail.
pub(super) struct Cause {
    pub(super) name: &'static str,
    pub(super) compare: Compare,
    pub(super) make: Make,
}

impl Cause {
    fn new(name: &'static str, compare: Compare, make: impl Fn(&Target, &Scene) -> Shot + 'static) -> Self {
        Self { name, compare, make: Box::new(make) }
    }
}

/// Requests that must look alike.
pub(super) struct Group {
    pub(super) name: &'static str,
    /// The threat of PROTOCOL 9 that it tries.
    pub(super) threat: &'static str,
    /// The code of every answer.
    pub(super) code: Code,
    /// The option of `serve` that limits these requests.
    pub(super) limit: &'static str,
    pub(super) causes: Vec<Cause>,
}

/// What is known of the server.
pub(super) struct Known {
    /// Whether it takes type 1 envelopes.
    pub(super) first_messages: FirstMessages,
    /// A keyId that the server took once and takes no more.
    pub(super) expired_key_id: Option<String>,
    /// An address that the server knows.
    pub(super) email: Option<String>,
}

/// All groups, and why others are left out.
pub(super) fn all(known: Known) -> (Vec<Group>, Vec<&'static str>) {
    let mut skipped = Vec::new();
    if known.expired_key_id.is_none() {
        skipped.push("an expired keyId against an unknown one: name one with --expired-key-id");
    }
    let mut groups = vec![
        keys::at_the_session_endpoint(),
        keys::in_a_first_message(),
        keys::unknown_at_the_session_endpoint(known.expired_key_id.clone()),
        messages::that_do_not_open(),
        messages::in_no_session(),
        messages::replayed(),
        messages::in_the_clear(),
        messages::of_another_version(),
    ];
    match known.first_messages {
        FirstMessages::Taken => groups.push(keys::unknown_in_a_first_message(known.expired_key_id)),
        FirstMessages::Refused => {
            skipped.push("keyIds in first messages: the server takes no first messages")
        }
    }
    match known.email {
        Some(email) => groups.push(messages::known_and_unknown_addresses(email)),
        None => skipped.push("a known e-mail address against an unknown one: name one with --email-known"),
    }
    (groups, skipped)
}
