//! Why the server machine refuses, and the one mapping to what the peer may see (PROTOCOL 5).

use core::fmt;

use crate::code::Code;
use crate::error::{Field, Malformed};

/// The two ways of setting up a session; failures of one look alike, but the two have different codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two ways")]
pub enum SetupWay {
    /// The session endpoint.
    Endpoint,
    /// A type 1 envelope.
    Inline,
}

/// Why a request is refused, for the operator. The peer sees [`Refusal::code`] and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The body is not an envelope of this server's.
    Malformed(Malformed),
    /// `X-SC-Version` is not 2.
    VersionHeader,
    /// A type 129 envelope.
    UnexpectedType,
    /// A type 1 envelope with a session header.
    SetupInSession,
    /// A type 1 envelope where inline set-up is off.
    InlineOff,
    /// A profile that is off, or none where one is required.
    ProfileNotAccepted(SetupWay),
    /// The session header is missing.
    SessionMissing,
    /// The session is unknown, closed, or its id impossible.
    SessionUnknown,
    /// The session is past its end.
    SessionExpired,
    /// The session belongs to another client hash.
    OtherClient,
    /// The key id is impossible, unknown or expired.
    KeyUnknown,
    /// A wrapped key is not as long as the modulus.
    WrappedLength(SetupWay, Field),
    /// The session keys do not unwrap, are equal, or, inline, the payload does not open.
    Exchange(SetupWay),
    /// A wrapped key was accepted before.
    ExchangeRepeated(SetupWay),
    /// The ledger of wrapped keys is full.
    LedgerFull,
    /// The envelope does not open.
    NotOpened,
    /// The IV was opened before, with the same tag.
    Replayed,
    /// The IV was opened before, with another tag: the session must be destroyed.
    IvReused,
    /// The session has opened as many messages as it may.
    MessageLimit,
    /// The provider failed on our side.
    Provider,
}

impl Refusal {
    /// What the peer may see. Causes that an attacker could learn from share one code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(reason) => match reason {
                Malformed::TooLong { .. } => Code::TooLarge,
                Malformed::Version(_) => Code::UnsupportedVersion,
                Malformed::TooShort { .. }
                | Malformed::Magic
                | Malformed::Type(_)
                | Malformed::Truncated { .. }
                | Malformed::KeyIdLength
                | Malformed::KeyIdCharacter { .. }
                | Malformed::WrappedKeyLength { .. }
                | Malformed::WrappedKeysDiffer { .. }
                | Malformed::SealedTooShort { .. }
                | Malformed::Text => Code::InvalidPayload,
            },
            Self::VersionHeader | Self::ProfileNotAccepted(SetupWay::Inline) => Code::UnsupportedVersion,
            Self::UnexpectedType
            | Self::SetupInSession
            | Self::InlineOff
            | Self::WrappedLength(SetupWay::Inline, _)
            | Self::Exchange(SetupWay::Inline)
            | Self::ExchangeRepeated(SetupWay::Inline)
            | Self::NotOpened => Code::InvalidPayload,
            Self::ProfileNotAccepted(SetupWay::Endpoint) | Self::WrappedLength(SetupWay::Endpoint, _) => {
                Code::ValidationFailed
            }
            Self::Exchange(SetupWay::Endpoint) | Self::ExchangeRepeated(SetupWay::Endpoint) => {
                Code::KeyExchangeFailed
            }
            Self::SessionMissing
            | Self::SessionUnknown
            | Self::SessionExpired
            | Self::OtherClient
            | Self::IvReused
            | Self::MessageLimit => Code::SessionNotFound,
            Self::KeyUnknown => Code::InvalidKeyId,
            Self::LedgerFull => Code::Busy,
            Self::Replayed => Code::Replayed,
            Self::Provider => Code::InternalError,
        }
    }

    /// The JSON property that [`Code::ValidationFailed`] is about.
    #[must_use]
    pub const fn property(&self) -> Option<&'static str> {
        match self {
            Self::ProfileNotAccepted(SetupWay::Endpoint) => Some("profile"),
            Self::WrappedLength(SetupWay::Endpoint, Field::EncryptedRespKey) => Some("encRespKey"),
            Self::WrappedLength(SetupWay::Endpoint, _) => Some("encReqKey"),
            _ => None,
        }
    }

    /// Whether the session must be destroyed: its client repeats IVs, or its messages are over.
    #[must_use]
    pub const fn ends_session(&self) -> bool {
        matches!(self, Self::IvReused | Self::MessageLimit)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(reason) => return write!(f, "{reason}"),
            Self::VersionHeader => "X-SC-Version is not 2",
            Self::UnexpectedType => "a client sent an answer",
            Self::SetupInSession => "a type 1 envelope with a session header",
            Self::InlineOff => "inline set-up is off",
            Self::ProfileNotAccepted(_) => "the profile is not accepted",
            Self::SessionMissing => "no session header",
            Self::SessionUnknown => "the session is unknown or closed",
            Self::SessionExpired => "the session has expired",
            Self::OtherClient => "the session belongs to another client hash",
            Self::KeyUnknown => "the RSA key is unknown or expired",
            Self::WrappedLength(..) => "a wrapped key is not as long as the modulus",
            Self::Exchange(_) => "the key exchange failed",
            Self::ExchangeRepeated(_) => "a wrapped key was accepted before",
            Self::LedgerFull => "the ledger of wrapped keys is full",
            Self::NotOpened => "the envelope does not open",
            Self::Replayed => "the message was received before",
            Self::IvReused => "the client repeats IVs: its random generator failed",
            Self::MessageLimit => "the session has reached its message limit",
            Self::Provider => "the cryptographic provider failed",
        })
    }
}

impl core::error::Error for Refusal {}
