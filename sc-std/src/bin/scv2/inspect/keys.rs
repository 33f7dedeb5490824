//! Opening what was recorded, with a key log.

use std::path::Path;

use sc_core::envelope::{Envelope, MessageType, ParseOptions, Profile};
use sc_core::id::MessageName;
use sc_core::limits::{HEADER_LEN, IV_LEN};
use sc_core::recorded::RecordedSession;
use sc_std::key_log::{self, MAX_KEY_LOG_LEN};
use sc_std::message::{ForgotPassword, Message};
use sc_std::provider::DefaultAead;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::{hex, input};

/// Messages with a registered name, by their paths.
const REGISTERED: [(&str, &str); 1] = [(ForgotPassword::PATH, ForgotPassword::NAME)];

/// A key log, and what else the command line tells.
pub(super) struct Keys {
    sessions: Vec<RecordedSession>,
    name: Option<String>,
    request_iv: Option<[u8; IV_LEN]>,
}

/// What the recording tells of an envelope besides its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clues<'c> {
    /// `X-SC-Session-Id`.
    pub(super) session: Option<&'c str>,
    /// The path that the request went to.
    pub(super) path: Option<&'c str>,
    /// The IV of the request, if the envelope is its answer.
    pub(super) request_iv: Option<[u8; IV_LEN]>,
}

/// An envelope that opened.
pub(super) struct Opened<'k> {
    session: &'k RecordedSession,
    kind: MessageType,
    /// The message's name, which only the bound profile tells.
    name: Option<String>,
    pub(super) plaintext: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// Reads a key log. No error shows what is in it.
    pub(super) fn read(
        log: &Path,
        name: Option<String>,
        request_iv: Option<[u8; IV_LEN]>,
    ) -> Result<Self, Failure> {
        let bytes = input::file(log, MAX_KEY_LOG_LEN)?;
        let sessions = key_log::read(&bytes);
        let sessions = sessions.map_err(|error| Failure::Usage(format!("{}: {error}", log.display())))?;
        Ok(Self::new(sessions, name, request_iv))
    }

    pub(super) const fn new(
        sessions: Vec<RecordedSession>,
        name: Option<String>,
        request_iv: Option<[u8; IV_LEN]>,
    ) -> Self {
        Self { sessions, name, request_iv }
    }

    /// Opens one envelope, or tells why not.
    pub(super) fn open(&self, envelope: &[u8], clues: &Clues<'_>) -> Result<Opened<'_>, &'static str> {
        let options = ParseOptions::default().with_max_plaintext(envelope.len());
        let kind = Envelope::parse(envelope, &options).map_err(|_| "not an envelope")?.message_type();
        let of_session =
            |session: &&RecordedSession| clues.session.is_none_or(|told| session.id().as_str() == told);
        let mut sessions = self.sessions.iter().filter(of_session).peekable();
        if sessions.peek().is_none() {
            return Err("its session is not in the key log");
        }
        let request_iv = clues.request_iv.or(self.request_iv);
        let mut iv_is_missing = false;
        for session in sessions {
            let is_bound = session.profile() == Profile::Bound;
            iv_is_missing |= is_bound && kind == MessageType::ResponseData && request_iv.is_none();
            let names = if is_bound { self.names(clues.path) } else { vec!["any"] };
            for name in names {
                let Ok(message) = MessageName::new(name) else { continue };
                let mut copy = Zeroizing::new(envelope.to_vec());
                if let Ok(plaintext) = session.open::<DefaultAead>(message, request_iv, &mut copy) {
                    let plaintext = Zeroizing::new(plaintext.to_vec());
                    return Ok(Opened { session, kind, name: is_bound.then(|| name.to_owned()), plaintext });
                }
            }
        }
        Err(match (iv_is_missing, kind) {
            (true, _) => "an answer of the bound profile opens only with the IV of its request: --request-iv",
            (false, MessageType::KeyExchange) => {
                "no session of the key log began with it, or its bytes were changed"
            }
            (false, _) => {
                "other keys, changed bytes or, in the bound profile, a message of another name (--name) or an answer \
                 to another request"
            }
        })
    }

    /// Opens what a text envelope holds, as either direction.
    pub(super) fn open_payload(&self, payload: &[u8]) -> Result<Opened<'_>, &'static str> {
        let as_type = |kind: MessageType| {
            let envelope = [kind.header(Profile::Plain).as_slice(), payload].concat();
            self.open(&envelope, &Clues::default())
        };
        as_type(MessageType::SessionData).or_else(|_| as_type(MessageType::ResponseData))
    }

    /// The names that a message may have: the one told; else that registered for its path, its path, and what is left
    /// of that below a prefix; else all that are registered.
    fn names<'n>(&'n self, path: Option<&'n str>) -> Vec<&'n str> {
        match (&self.name, path) {
            (Some(name), _) => vec![name],
            (None, None) => REGISTERED.iter().map(|(_, name)| *name).collect(),
            (None, Some(path)) => {
                let registered = REGISTERED.iter().filter(|(known, _)| path.ends_with(known));
                let below = path.match_indices('/').filter_map(|(at, _)| path.get(at..));
                registered.map(|(_, name)| *name).chain(below).take(32).collect()
            }
        }
    }
}

impl Opened<'_> {
    /// One line about how it opened.
    pub(super) fn told(&self) -> String {
        let profile = profile(self.session.profile());
        let name = self.name.as_ref().map(|name| format!(", message {name}")).unwrap_or_default();
        let kind = match self.kind {
            MessageType::KeyExchange => "first request",
            MessageType::SessionData => "request",
            MessageType::ResponseData => "answer",
        };
        format!("{kind} of {}, {profile} profile{name}", self.session.id())
    }

    /// The same, and the plaintext, for machines.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "session": self.session.id().to_string(),
            "type": self.kind.to_byte(),
            "profile": profile(self.session.profile()),
            "message": self.name,
            "plaintextHex": hex::encode(&self.plaintext),
            "plaintext": std::str::from_utf8(&self.plaintext).ok(),
        })
    }
}

const fn profile(profile: Profile) -> &'static str {
    match profile {
        Profile::Plain => "plain",
        Profile::Bound => "bound",
    }
}

/// The IV of an envelope.
pub(super) fn iv(envelope: &[u8]) -> Option<[u8; IV_LEN]> {
    let options = ParseOptions::default().with_max_plaintext(envelope.len());
    Some(*Envelope::parse(envelope, &options).ok()?.sealed().iv().as_bytes())
}

const _: () = assert!(HEADER_LEN == 4, "a text envelope leaves out four bytes");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_command_line_or_the_path_or_the_registry() {
        let keys = |name: Option<&str>| Keys {
            sessions: Vec::new(),
            name: name.map(str::to_owned),
            request_iv: None,
        };
        assert_eq!(keys(Some("n")).names(Some("/a")), ["n"]);
        assert_eq!(keys(None).names(None), ["password.forgot"]);
        assert_eq!(keys(None).names(Some("/api/a/b")), ["/api/a/b", "/a/b", "/b"]);
        let path = format!("/api{}", ForgotPassword::PATH);
        assert_eq!(keys(None).names(Some(&path)).first(), Some(&"password.forgot"));
        assert_eq!(keys(None).names(Some(&"/".repeat(1000))).len(), 32);
        assert_eq!(keys(None).open(b"SC\x02\x02", &Clues::default()).err(), Some("not an envelope"));
    }
}
