//! Typed messages: what a protected endpoint takes and gives.

use sc_core::retry::Repeatable;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message to a protected endpoint.
pub trait Message: Serialize {
    /// The registered name, authenticated in the bound profile (PROTOCOL 10.15).
    const NAME: &'static str;
    /// The path that the message is posted to.
    const PATH: &'static str;
    /// Whether the message may be sent again although the server may have executed it (PROTOCOL 4.3).
    const REPEATABLE: Repeatable;
    /// `data` of a successful answer.
    type Answer: DeserializeOwned;
}
