//! What every store must do, as a suite that any store can run: yours too.
//!
//! Each function takes a store that is empty, or at least as good as empty, and gives the first rule that it breaks. The suite
//! needs real time and a multi-threaded tokio runtime with its timer.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//!
//! use sc_std::store::{MemoryStore, conformance};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! runtime.block_on(conformance::check(&Arc::new(MemoryStore::default())))?;
//! # Ok(())
//! # }
//! ```

mod ledger;
mod limits;
mod sessions;

use std::fmt::Debug;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use sc_core::document::SessionRequest;
use sc_core::exchange::{WrappedKeyHash, WrappedKeys};
use sc_core::id::{ClientHash, KeyId, SessionId, UnixMillis};
use sc_core::replay::{IvClaim, LedgerVerdict};
use sc_core::secret::{CandidateKeys, UnwrappedKey};
use sc_core::server::{Grant, NewSession, Server};

pub use self::limits::check_tokens;
pub use self::sessions::{check_full, check_message_limit};
use crate::clock::{Clock, SystemClock};
use crate::rng::SystemSeeded;
use crate::store::Store;

/// How many callers race where a rule says that one wins.
const RACERS: usize = 16;
const HOUR_MS: u64 = 60 * 60 * 1000;

/// A rule that a store broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}; the store said {found}")]
pub struct Violation {
    rule: &'static str,
    found: String,
}

/// Checks everything that does not depend on how much the store may hold: creation, finding, claims, ends, the ledger,
/// the limits.
///
/// # Errors
/// [`Violation`]: the first rule that is broken.
pub async fn check<S: Store>(store: &Arc<S>) -> Result<(), Violation> {
    sessions::check_sessions(store).await?;
    sessions::check_claims(store).await?;
    sessions::check_ends(store).await?;
    ledger::check_ledger(store).await?;
    limits::check_limits(store).await
}

/// Holds a rule against what the store said.
fn rule<T: Debug + PartialEq>(rule: &'static str, found: T, expected: &T) -> Result<(), Violation> {
    if found == *expected { Ok(()) } else { Err(Violation { rule, found: format!("{found:?}") }) }
}

fn now() -> UnixMillis {
    SystemClock::new().now()
}

/// Runs the same at once in many tasks, and counts those that say yes.
async fn winners<F, R>(race: F) -> usize
where
    F: Fn(usize) -> R,
    R: Future<Output = bool> + Send + 'static,
{
    let tasks: Vec<_> = (0..RACERS).map(|n| tokio::spawn(race(n))).collect();
    let mut won = 0_usize;
    for task in tasks {
        won = won.saturating_add(usize::from(task.await.unwrap_or(false)));
    }
    won
}

/// An RSA key's name of this run only.
pub(super) fn key_id() -> Result<KeyId, Violation> {
    KeyId::parse(SessionId::draw(&mut SystemSeeded).as_str()).map_err(|_| broken("a key id"))
}

/// A session as the server machine makes it.
pub(super) fn session(
    id: SessionId,
    key_id: &KeyId,
    expires_at: UnixMillis,
) -> Result<NewSession, Violation> {
    let made = || -> Option<NewSession> {
        let [request, response] = [1, 2].map(|byte| Base64::encode_string(&[byte; 256]));
        let json = serde_json::json!({
            "keyId": key_id.as_str(), "encReqKey": request, "encRespKey": response
        });
        let request: SessionRequest = serde_json::from_value(json).ok()?;
        let server = Server::default();
        let setup = server.set_up(&request).ok()?;
        let wrapped = setup.wrapped(2048).ok()?;
        let [one, other] = [[3; 32], [4; 32]].map(|key| UnwrappedKey::from_result(Some(&key)));
        let keys = CandidateKeys::combine(&mut SystemSeeded, one, other);
        let unclaimed = setup.accept(wrapped, keys, ClientHash::of(b"conformance").ok()?).ok()?;
        unclaimed.settle(LedgerVerdict::New, Grant { id, expires_at }).ok()
    };
    made().ok_or_else(|| broken("a session"))
}

/// A session of an hour, and its name.
fn any_session() -> Result<(SessionId, NewSession), Violation> {
    let id = SessionId::draw(&mut SystemSeeded);
    Ok((id, session(id, &key_id()?, now().plus(HOUR_MS))?))
}

/// The claim of the `n`th IV with a tag of that byte.
pub(super) fn claim(n: u64, tag: u8) -> IvClaim {
    let mut bytes = [tag; IvClaim::LEN];
    let number = n.to_be_bytes().into_iter().chain([0; 4]);
    for (place, byte) in bytes.iter_mut().zip(number) {
        *place = byte;
    }
    IvClaim::from_bytes(bytes)
}

/// Hashes of wrapped keys of this run only.
pub(super) fn hashes() -> Result<[WrappedKeyHash; 2], Violation> {
    let long = || {
        let mut bytes = [0_u8; 256];
        rand_core::Rng::fill_bytes(&mut SystemSeeded, &mut bytes);
        bytes
    };
    let (request, response) = (long(), long());
    let wrapped = WrappedKeys::new(&request, &response).map_err(|_| broken("wrapped keys"))?;
    Ok(wrapped.hashes())
}

fn broken(what: &'static str) -> Violation {
    Violation { rule: "the suite itself can make what it needs", found: what.to_owned() }
}
