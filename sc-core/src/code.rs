//! The codes that a peer may see, and their HTTP status (PROTOCOL 5).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quiet::text;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $message:literal;)*) => {
        /// A code of an answer. Codes never change; messages are for people and may.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that goes with the code.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The message in English.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// Reads a code; `None` for one that this version does not know.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// Success.
    Success = "2000", 200, "SUCCESS";
    /// Too many requests; comes with `Retry-After`.
    RateLimited = "REQUEST.RATE_LIMITED", 429, "Too many requests, please try again later";
    /// A body that breaks the message's rules, or a header its form.
    ValidationFailed = "REQUEST.VALIDATION_FAILED", 400, "The request is not valid";
    /// An envelope over the maximum.
    TooLarge = "REQUEST.TOO_LARGE", 413, "The request is too large";
    /// No such path.
    NotFound = "REQUEST.NOT_FOUND", 404, "No such endpoint";
    /// The path has no such method.
    MethodNotAllowed = "REQUEST.METHOD_NOT_ALLOWED", 405, "The endpoint does not take this method";
    /// A missing or wrong portal access code.
    PermissionDenied = "ACCESS.PERMISSION_DENIED", 403, "Access denied";
    /// Plaintext or a malformed envelope at a protected endpoint, or an envelope that does not open.
    InvalidPayload = "SECURE_CHANNEL.INVALID_PAYLOAD", 400, "Invalid secure channel payload";
    /// The session is missing, unknown, expired, closed, or bound to another client hash.
    SessionNotFound = "SECURE_CHANNEL.SESSION_NOT_FOUND", 404, "Secure channel session not found";
    /// An unknown or expired RSA key.
    InvalidKeyId = "SECURE_CHANNEL.INVALID_KEY_ID", 400, "Invalid or expired RSA key ID";
    /// Session keys that do not unwrap.
    KeyExchangeFailed = "SECURE_CHANNEL.KEY_EXCHANGE_FAILED", 400, "Failed to decrypt session keys";
    /// An IV that this session has opened before.
    Replayed = "SECURE_CHANNEL.REPLAYED", 409, "The request was received before";
    /// A version byte or header that is not 2.
    UnsupportedVersion = "SECURE_CHANNEL.UNSUPPORTED_VERSION", 400, "Unsupported secure channel version";
    /// Admission control refused an RSA operation, or a store is full or out of reach.
    Busy = "SECURE_CHANNEL.BUSY", 503, "The server is busy, please try again later";
    /// Anything else; no detail leaves the server.
    InternalError = "SYSTEM.INTERNAL_ERROR", 500, "Internal error";
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    /// An unknown code reads as [`Code::InternalError`]: an error that carries no more than that.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| Some(Self::parse(text).unwrap_or(Self::InternalError)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        assert_eq!(Code::ALL.len(), 15);
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
        }
        assert_eq!(Code::parse("2001"), None);
    }
}
