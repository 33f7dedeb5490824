//! A client that knows its own keys, and so can send what an honest one never does. In the plain profile.

use base64ct::{Base64, Encoding};
use rand_core::Rng;
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::envelope::{Profile, encode_exchange_head, exchange_head_len};
use sc_core::limits::{HEADER_LEN, KEY_LEN, OVERHEAD};
use sc_core::secret::{RequestKey, ResponseKey};
use sc_std::provider::AwsLcAead;
use sc_std::rng::SystemSeeded;
use serde_json::json;
use zeroize::Zeroizing;

use super::forge::{Flaw, Forge};

/// Two keys and their wrapped form, right or not.
pub(super) struct Peer {
    request_key: Zeroizing<[u8; KEY_LEN]>,
    response_key: Zeroizing<[u8; KEY_LEN]>,
    /// The wrapped request key, then the wrapped response key.
    pub(super) wrapped: [Vec<u8>; 2],
    /// The session, once there is one.
    pub(super) session: String,
}

impl Peer {
    /// Two new keys, rightly wrapped.
    pub(super) fn new(forge: &Forge) -> Self {
        Self::flawed(forge, [Flaw::None; 2])
    }

    /// Two new keys, each wrapped with a flaw.
    pub(super) fn flawed(forge: &Forge, [request, response]: [Flaw; 2]) -> Self {
        let (request_key, response_key) = (drawn(), drawn());
        let wrapped = [forge.wrap(&request_key, request), forge.wrap(&response_key, response)];
        Self { request_key, response_key, wrapped, session: String::new() }
    }

    /// One key in both places, wrapped twice.
    pub(super) fn equal(forge: &Forge) -> Self {
        let mut peer = Self::new(forge);
        peer.response_key = peer.request_key.clone();
        peer.wrapped[1] = forge.wrap(&peer.response_key, Flaw::None);
        peer
    }

    /// These bytes where the wrapped keys should be.
    pub(super) fn with_wrapped(forge: &Forge, change: impl FnOnce(&mut [Vec<u8>; 2])) -> Self {
        let mut peer = Self::new(forge);
        change(&mut peer.wrapped);
        peer
    }

    /// The body of a session request.
    pub(super) fn set_up(&self, key_id: &str) -> Vec<u8> {
        let [request, response] = self.wrapped.each_ref().map(|key| Base64::encode_string(key));
        let json = json!({ "keyId": key_id, "encReqKey": request, "encRespKey": response });
        json.to_string().into_bytes()
    }

    /// A type 1 envelope; empty if the fields are impossible.
    pub(super) fn first(&self, key_id: &str, plaintext: &[u8]) -> Vec<u8> {
        let [request, response] = &self.wrapped;
        let mut out = vec![0; exchange_head_len(key_id.len(), request.len())];
        match encode_exchange_head(Profile::Plain, key_id, request, response, &mut out) {
            Ok(()) => out.extend(self.seal(plaintext).iter().skip(HEADER_LEN)),
            Err(_) => out.clear(),
        }
        out
    }

    /// A type 2 envelope.
    pub(super) fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        seal_under(&self.request_key, plaintext)
    }

    /// A type 2 envelope under the key of answers: what a reflected answer looks like.
    pub(super) fn seal_as_answer(&self, plaintext: &[u8]) -> Vec<u8> {
        seal_under(&self.response_key, plaintext)
    }

    /// The plaintext of an answer, if it opens.
    pub(super) fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        let key = ResponseKey::from_bytes(*self.response_key);
        let opener = Opener::<AwsLcAead>::for_responses(&key).ok()?;
        opener.open(&mut body.to_vec()).ok().map(|text| text.to_vec())
    }
}

/// A type 2 envelope under any key.
fn seal_under(key: &[u8; KEY_LEN], plaintext: &[u8]) -> Vec<u8> {
    let mut out = vec![0; plaintext.len() + OVERHEAD];
    let sealer =
        Sealer::<AwsLcAead>::for_requests(&RequestKey::from_bytes(*key), IvMode::Random, &mut SystemSeeded);
    // A new key has sealed nothing, and the length is right.
    let _ = sealer.and_then(|sealer| sealer.seal_into(&mut SystemSeeded, plaintext, &mut out));
    out
}

fn drawn() -> Zeroizing<[u8; KEY_LEN]> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    SystemSeeded.fill_bytes(key.as_mut_slice());
    key
}
