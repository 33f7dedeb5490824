//! Messages that travel through the channel: what a request and its answer look like, and under which name.

mod email;
mod forgot_password;
pub mod strict;
mod strict_json;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use email::{Email, EmailError, EmailHash, EmailHashKey};
pub use forgot_password::{ForgotPassword, ForgotPasswordAnswer};
pub use sc_core::retry::Repeatable;

/// A request that a client seals, and the answer it opens.
///
/// # Examples
/// A message of your own is a request type, an answer type and four lines:
/// ```
/// use sc_std::message::{Message, Repeatable};
///
/// #[derive(serde::Serialize)]
/// struct ChangeNickname { nickname: String }
///
/// #[derive(serde::Deserialize)]
/// struct Changed { success: bool }
///
/// impl Message for ChangeNickname {
///     const NAME: &'static str = "nickname.change";
///     const PATH: &'static str = "/web/v1/system/profile/nickname";
///     const REPEATABLE: Repeatable = Repeatable::Yes;
///     type Answer = Changed;
/// }
/// ```
/// A server reads such a body with [`strict::json`] or [`strict::strings`]: what serde derives is laxer than PROTOCOL 6.
/// An axum handler takes a `Sealed<ChangeNickname>`.
pub trait Message: Serialize {
    /// The registered name, which the bound profile authenticates: 1 to 255 visible ASCII characters.
    const NAME: &'static str;
    /// The path of the endpoint.
    const PATH: &'static str;
    /// Whether a client may send the message again although the server may have executed it.
    const REPEATABLE: Repeatable;
    /// `data` of the answer.
    type Answer: DeserializeOwned;
}

/// A body that breaks its message's rules. Names the property, never its value (PROTOCOL 6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}")]
pub struct ValidationError {
    property: String,
}

impl ValidationError {
    /// An error about a property.
    #[must_use]
    pub fn of(property: impl Into<String>) -> Self {
        Self { property: property.into() }
    }

    /// What is wrong: the name of a property, or a few words about the body.
    #[must_use]
    pub fn property(&self) -> &str {
        &self.property
    }
}
