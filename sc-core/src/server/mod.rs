//! The server machine: classifies a body, asks for what it needs, opens, hands over a responder (PROTOCOL 4).
//!
//! It never calls out. Each step returns what the server must find out (the private key for these two blobs, the
//! record of this session, whether this IV is new), and whoever answers may be a table, a database or a KMS:
//!
//! ```text
//! Server::receive ─▶ Received::Message ─▶ session_id()? ─▶ open(record) ─▶ claim()? ─▶ settle ─▶ Opened
//!                 ─▶ Received::Setup ───▶ key_id()? wrapped()? ─▶ open(keys) ─▶ hashes()? ─▶ settle ─▶ NewSession, Opened
//! Server::set_up ──────────────────────▶ key_id()? wrapped()? ─▶ accept(keys) ─▶ hashes()? ─▶ settle ─▶ NewSession
//! ```
//!
//! No plaintext can be reached before the tag verified **and** the claim was answered; whatever is dropped on the
//! way is wiped.

mod message;
mod opened;
mod record;
mod refusal;
mod setup;

pub use message::{SessionMessage, UnclaimedMessage};
pub use opened::{Opened, Responder};
pub use record::{EncodedRecord, PackedRecord, SessionRecord};
pub use refusal::{Refusal, SetupWay};
pub use setup::{EndpointSetup, Grant, InlineSetup, NewSession, UnclaimedFirst, UnclaimedKeys};

use crate::document::{Profiles, SessionRequest};
use crate::envelope::{Layout, MessageType, ParseOptions, Profile};
use crate::id::SessionId;
use crate::limits::DEFAULT_MAX_PLAINTEXT;

/// What a server says about the bound profile (PROTOCOL 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BoundPolicy {
    /// Not offered: 0x82 is an unsupported version.
    Off,
    /// Offered beside `plain`.
    #[default]
    Offered,
    /// Required: set-ups without it are refused.
    Required,
}

/// The rules of one server. Every `with_*` states its default.
///
/// # Examples
/// The crate's documentation begins with a whole conversation; `examples/in_memory.rs` is the same with a store.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    inline: bool,
    bound: BoundPolicy,
    options: ParseOptions,
}

impl Default for Server {
    fn default() -> Self {
        Self { inline: true, bound: BoundPolicy::default(), options: ParseOptions::default() }
    }
}

/// The headers of a request that decide how its body is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestHead<'h> {
    /// `X-SC-Session-Id`, if there is one.
    pub session_id: Option<&'h str>,
    /// `X-SC-Version`, if there is one.
    pub version: Option<&'h str>,
}

/// A body that is worth more work.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a server takes types 1 and 2 only")]
pub enum Received<'b> {
    /// A type 1 envelope.
    Setup(InlineSetup<'b>),
    /// A type 2 envelope.
    Message(SessionMessage<'b>),
}

impl Server {
    /// Refuses type 1 envelopes. Default: accepted.
    #[must_use]
    pub const fn without_inline(mut self) -> Self {
        self.inline = false;
        self
    }

    /// Sets what the server says about the bound profile. Default: offered.
    #[must_use]
    pub const fn with_bound(mut self, policy: BoundPolicy) -> Self {
        self.bound = policy;
        self
    }

    /// Sets the longest plaintext, in bytes. Default: 1 MiB.
    #[must_use]
    pub fn with_max_plaintext(mut self, bytes: usize) -> Self {
        self.options = ParseOptions::default().with_max_plaintext(bytes);
        self
    }

    /// The longest body that this server takes by default, in bytes.
    pub const DEFAULT_MAX_BODY: usize = DEFAULT_MAX_PLAINTEXT + crate::limits::MAX_OVERHEAD;

    /// What the public-key document says of this server.
    #[must_use]
    pub const fn profiles(&self) -> Profiles {
        match self.bound {
            BoundPolicy::Off => Profiles::PLAIN,
            BoundPolicy::Offered | BoundPolicy::Required => Profiles::BOUND,
        }
    }

    /// Classifies the body of a protected request, cheaply: nothing is decrypted yet.
    ///
    /// # Errors
    /// The first [`Refusal`] in the order of PROTOCOL 5: size, `X-SC-Version`, envelope, type for this role.
    pub fn receive<'b>(&self, head: &RequestHead<'_>, body: &'b mut [u8]) -> Result<Received<'b>, Refusal> {
        self.options.check_len(body.len()).map_err(Refusal::Malformed)?;
        if head.version.is_some_and(|version| version != "2") {
            return Err(Refusal::VersionHeader);
        }
        let options = match self.bound {
            BoundPolicy::Off => self.options.without_bound(),
            BoundPolicy::Offered | BoundPolicy::Required => self.options,
        };
        let layout = Layout::parse(body, &options).map_err(Refusal::Malformed)?;
        match layout.kind {
            MessageType::ResponseData => Err(Refusal::UnexpectedType),
            MessageType::KeyExchange if head.session_id.is_some() => Err(Refusal::SetupInSession),
            MessageType::KeyExchange if !self.inline => Err(Refusal::InlineOff),
            MessageType::KeyExchange => {
                self.check_profile(layout.profile, SetupWay::Inline)?;
                Ok(Received::Setup(InlineSetup::new(body, layout)))
            }
            MessageType::SessionData => {
                let id = head.session_id.ok_or(Refusal::SessionMissing)?;
                let id = SessionId::parse(id).map_err(|_| Refusal::SessionUnknown)?;
                Ok(Received::Message(SessionMessage::new(body, layout, id)))
            }
        }
    }

    /// Takes the body of a request to the session endpoint.
    ///
    /// # Errors
    /// [`Refusal::KeyUnknown`] for a key id that is impossible, [`Refusal::ProfileNotAccepted`].
    pub fn set_up<'r>(&self, request: &'r SessionRequest) -> Result<EndpointSetup<'r>, Refusal> {
        let profile = request.profile.unwrap_or_default();
        self.check_profile(profile, SetupWay::Endpoint)?;
        let key_id = request.key_id.key_id().ok_or(Refusal::KeyUnknown)?;
        Ok(EndpointSetup::new(request, key_id, profile))
    }

    const fn check_profile(&self, profile: Profile, way: SetupWay) -> Result<(), Refusal> {
        match (self.bound, profile) {
            (BoundPolicy::Off, Profile::Bound) | (BoundPolicy::Required, Profile::Plain) => {
                Err(Refusal::ProfileNotAccepted(way))
            }
            (BoundPolicy::Off, Profile::Plain)
            | (BoundPolicy::Offered, _)
            | (BoundPolicy::Required, Profile::Bound) => Ok(()),
        }
    }
}
