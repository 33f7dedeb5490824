//! What hostile requests are made from: the server's key, a live session, a closed one, messages already spent.

use bytes::Bytes;
use http::Response;
use sc_core::base64::Base64Bytes;
use sc_core::limits::MAX_SPKI_LEN;
use sc_std::names::{CLOSE_PATH, SESSION_PATH};
use serde_json::Value;

use super::forge::Forge;
use super::look::is_sealed;
use super::peer::Peer;
use super::wire::{Shot, Wire, check_limits, code};
use crate::exit::Failure;
use crate::terminal::printable;

/// A harmless message: it opens, and no endpoint with required properties executes it.
pub(super) const HARMLESS: &[u8] = b"{}";
/// The option of `serve` that limits set-ups.
pub(super) const SETUP_LIMIT: &str = "--setup-limit";

/// The server under test.
pub(super) struct Target {
    pub(super) forge: Forge,
    pub(super) key_id: String,
    /// `data` of the public-key answer.
    pub(super) document: Value,
    /// The protected endpoint.
    pub(super) path: String,
}

impl Target {
    /// Fetches the public key.
    pub(super) async fn fetch(wire: &Wire, path: &str) -> Result<Self, Failure> {
        let answer = wire.public_key().await?;
        let document = document(&answer).ok_or_else(|| not_understood("public-key", &answer))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let spki = text("publicKey").and_then(Base64Bytes::<MAX_SPKI_LEN>::decode);
        let forge = spki.and_then(|spki| Forge::of_spki(spki.as_slice()));
        match (forge, text("keyId")) {
            (Some(forge), Some(key_id)) => {
                let key_id = key_id.to_owned();
                Ok(Self { forge, key_id, document, path: path.to_owned() })
            }
            _ => Err(Failure::Peer("the public-key answer holds no RSA key of 2048 to 4096 bits".to_owned())),
        }
    }

    /// Sets a session up as an honest client does.
    pub(super) async fn session(&self, wire: &Wire) -> Result<Peer, Failure> {
        let mut peer = Peer::new(&self.forge);
        let (answer, _) = wire.send(Shot::new(SESSION_PATH, peer.set_up(&self.key_id))).await?;
        check_limits(&answer, SETUP_LIMIT)?;
        let id = document(&answer).and_then(|data| data.get("sessionId")?.as_str().map(ToOwned::to_owned));
        peer.session = id.ok_or_else(|| not_understood("session", &answer))?;
        Ok(peer)
    }

    /// Sends sealed bytes in a session.
    pub(super) async fn message(
        &self,
        wire: &Wire,
        session: &str,
        sealed: Vec<u8>,
    ) -> Result<Response<Bytes>, Failure> {
        Ok(wire.send(Shot::new(&self.path, sealed).within(session)).await?.0)
    }
}

/// Sessions and messages as they are at the start of one group.
pub(super) struct Scene {
    /// Its session is alive.
    pub(super) live: Peer,
    /// Its session was closed.
    pub(super) closed: Peer,
    /// Two messages that the live session has opened.
    pub(super) spent: [Vec<u8>; 2],
    /// A type 1 envelope that was sent before; a used one where the server takes such.
    pub(super) spent_first: Vec<u8>,
}

impl Scene {
    pub(super) async fn set(wire: &Wire, target: &Target) -> Result<Self, Failure> {
        let (live, closed) = (target.session(wire).await?, target.session(wire).await?);
        wire.send(Shot::new(CLOSE_PATH, Vec::new()).within(&closed.session)).await?;
        let spent = [live.seal(HARMLESS), live.seal(HARMLESS)];
        for message in &spent {
            let answer = target.message(wire, &live.session, message.clone()).await?;
            if !is_sealed(answer.body()) {
                return Err(not_understood("protected", &answer));
            }
        }
        let spent_first = Peer::new(&target.forge).first(&target.key_id, HARMLESS);
        let (answer, _) = wire.send(Shot::new(&target.path, spent_first.clone())).await?;
        check_limits(&answer, SETUP_LIMIT)?;
        Ok(Self { live, closed, spent, spent_first })
    }
}

/// `data` of a successful answer.
pub(super) fn document(answer: &Response<Bytes>) -> Option<Value> {
    let mut json: Value = serde_json::from_slice(answer.body()).ok()?;
    if json.get("success")? != true {
        return None;
    }
    json.get_mut("data").map(Value::take)
}

fn not_understood(endpoint: &str, answer: &Response<Bytes>) -> Failure {
    let code = code(answer.body()).map_or_else(String::new, |code| format!(" {}", printable(&code)));
    Failure::Peer(format!(
        "the {endpoint} endpoint does not answer an honest request in the plain profile as the protocol says: HTTP {}{code} \
         (see --path and --header; a server that requires the bound profile takes none)",
        answer.status().as_u16()
    ))
}
