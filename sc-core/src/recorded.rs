//! Opens envelopes out of a recording, under keys out of a key log: for tools that debug.
//!
//! A server opens with [`server`](crate::server), a client with [`session`](crate::session). This module takes part in
//! no conversation: it has no replay check, counts nothing and seals nothing.

use core::fmt;

use crate::associated::{Binding, Context};
use crate::channel::Opener;
use crate::envelope::{Layout, MessageType, ParseOptions, Profile};
use crate::error::Error;
use crate::id::{Iv, MessageName, SessionId};
use crate::limits::{IV_LEN, KEY_LEN};
use crate::provider::Aead;
use crate::secret::{RequestKey, ResponseKey, SessionKeys};

/// What must be known of a session to open what was sent in it.
///
/// # Examples
/// The program `scv2 inspect --key-log` opens recordings by it.
pub struct RecordedSession {
    id: SessionId,
    profile: Profile,
    context: Context,
    keys: SessionKeys,
}

impl RecordedSession {
    /// Takes what a key log tells of a session. `context` is `ctx` of PROTOCOL 8.
    ///
    /// # Errors
    /// [`Error::Rejected`] if both keys are equal.
    pub fn new(
        id: SessionId,
        profile: Profile,
        context: [u8; KEY_LEN],
        request: RequestKey,
        response: ResponseKey,
    ) -> Result<Self, Error> {
        let keys = SessionKeys::new(request, response)?;
        Ok(Self { id, profile, context: Context::from_bytes(context), keys })
    }

    /// The session's id.
    #[must_use]
    pub const fn id(&self) -> &SessionId {
        &self.id
    }

    /// The session's profile.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Opens one envelope of any type in place and returns its plaintext, inside `body`.
    ///
    /// In the bound profile `name` must be the message's name, and `request`, for an answer, the IV of the request it
    /// answers; the plain profile looks at neither.
    ///
    /// # Errors
    /// - [`Error::Malformed`] if `body` is not one envelope; it is then left as it was.
    /// - [`Error::Rejected`] if it is a key exchange of another session, an answer without the IV that it needs, or if
    ///   its tag does not verify. The sealed part of `body` is zeroes after a bad tag.
    /// - [`Misuse::Provider`](crate::error::Misuse::Provider) if the provider does not take the key.
    ///
    /// # Security
    /// Says that the envelope was sealed under these keys; not that it is new, or that anybody took it.
    pub fn open<'b, A: Aead>(
        &self,
        name: MessageName<'_>,
        request: Option<[u8; IV_LEN]>,
        body: &'b mut [u8],
    ) -> Result<&'b mut [u8], Error> {
        let options = ParseOptions::default().with_max_plaintext(body.len());
        let layout = Layout::parse(body, &options)?;
        let (head, payload) = body.split_at_mut_checked(layout.iv_at).ok_or(Error::Rejected)?;
        let (context, session) = (&self.context, &self.id);
        if layout.kind == MessageType::KeyExchange
            && (layout.profile != self.profile || Context::of_exchange(&layout.exchange(head)) != *context)
        {
            return Err(Error::Rejected);
        }
        let binding = match (self.profile, layout.kind) {
            (Profile::Plain, _) => Binding::Plain,
            (Profile::Bound, MessageType::KeyExchange) => Binding::Exchange { head, name },
            (Profile::Bound, MessageType::SessionData) => Binding::Request { context, session, name },
            (Profile::Bound, MessageType::ResponseData) => {
                let request = Iv(request.ok_or(Error::Rejected)?);
                Binding::Response { context, session, request, name }
            }
        };
        let opener = match layout.kind {
            MessageType::KeyExchange | MessageType::SessionData => {
                Opener::<A>::for_requests(self.keys.request())
            }
            MessageType::ResponseData => Opener::for_responses(self.keys.response()),
        };
        opener?.open_payload(&binding, payload)
    }
}

impl fmt::Debug for RecordedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedSession")
            .field("id", &self.id)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "rustcrypto")]
mod tests {
    use std::vec::Vec;

    use serde_json::Value;

    use super::*;
    use crate::rustcrypto::Aes256GcmKey;

    fn bytes(vector: &Value, field: &str) -> Vec<u8> {
        let text = vector[field].as_str().unwrap();
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn array<const N: usize>(vector: &Value, field: &str) -> [u8; N] {
        bytes(vector, field).try_into().unwrap()
    }

    fn positives() -> Vec<Value> {
        let vectors: Value = serde_json::from_str(include_str!("../vectors/envelopes.json")).unwrap();
        vectors["positive"].as_array().unwrap().clone()
    }

    /// The session of a vector. The plain vectors have neither id nor context, which the plain profile does not use,
    /// except that a type 1 names its context itself.
    fn session(vector: &Value) -> RecordedSession {
        let profile = if vector["profile"] == "bound" { Profile::Bound } else { Profile::Plain };
        let id = vector["session_id"]
            .as_str()
            .map_or(SessionId::from_raw([9; 24]), |id| SessionId::parse(id).unwrap());
        let envelope = bytes(vector, "envelope");
        let layout = Layout::parse(&envelope, &ParseOptions::default()).unwrap();
        let context = match layout.kind {
            MessageType::KeyExchange => *Context::of_exchange(&layout.exchange(&envelope)).as_bytes(),
            _ if profile == Profile::Bound => array(vector, "ctx"),
            _ => [0; 32],
        };
        let (request, response) = (array(vector, "request_key"), array(vector, "response_key"));
        let keys = (RequestKey::from_bytes(request), ResponseKey::from_bytes(response));
        RecordedSession::new(id, profile, context, keys.0, keys.1).unwrap()
    }

    /// Opens a vector's envelope with what the vector says of it, changed by the caller.
    fn open(vector: &Value, body: &mut [u8], name: Option<&str>, request: bool) -> Result<Vec<u8>, Error> {
        let name = name.or(vector["message"].as_str()).unwrap_or("any");
        let request = vector.get("request_iv").filter(|_| request).map(|_| array(vector, "request_iv"));
        let name = MessageName::new(name).unwrap();
        session(vector).open::<Aes256GcmKey>(name, request, body).map(|text| text.to_vec())
    }

    #[test]
    fn every_vector_opens_and_no_changed_one_does() {
        for vector in positives() {
            let envelope = bytes(&vector, "envelope");
            let opened = open(&vector, &mut envelope.clone(), None, true);
            assert_eq!(opened, Ok(bytes(&vector, "plaintext")), "{}", vector["name"]);
            let mut changed = envelope.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert_eq!(open(&vector, &mut changed, None, true), Err(Error::Rejected));
            let sealed = bytes(&vector, "plaintext").len() + 28;
            assert!(changed[changed.len() - sealed..].iter().all(|byte| *byte == 0), "not wiped");
        }
    }

    #[test]
    fn the_bound_profile_needs_name_and_request() {
        for vector in positives().iter().filter(|vector| vector["profile"] == "bound") {
            let envelope = bytes(vector, "envelope");
            assert_eq!(open(vector, &mut envelope.clone(), Some("other"), true), Err(Error::Rejected));
            if vector["type"] == 129 {
                assert_eq!(open(vector, &mut envelope.clone(), None, false), Err(Error::Rejected));
            }
        }
    }

    #[test]
    fn a_key_exchange_of_another_session_is_left_alone() {
        let all = positives();
        let mut exchanges = all.iter().filter(|vector| vector["type"] == 1);
        let (one, other) = (exchanges.next().unwrap(), exchanges.next().unwrap());
        let mut envelope = bytes(other, "envelope");
        let name = MessageName::new("any").unwrap();
        let opened = session(one).open::<Aes256GcmKey>(name, None, &mut envelope);
        assert_eq!(opened, Err(Error::Rejected));
        assert_eq!(envelope, bytes(other, "envelope"));
        let mut of_other_profile = session(other);
        of_other_profile.profile = match of_other_profile.profile {
            Profile::Plain => Profile::Bound,
            Profile::Bound => Profile::Plain,
        };
        let opened = of_other_profile.open::<Aes256GcmKey>(name, None, &mut envelope);
        assert_eq!(opened, Err(Error::Rejected));
        assert_eq!(envelope, bytes(other, "envelope"));
        assert!(session(one).open::<Aes256GcmKey>(name, None, &mut [0; 3]).is_err());
        assert!(!std::format!("{:?}", session(one)).contains("keys"));
    }
}
