//! Errors, sorted by whose fault they are, and the one mapping to what a peer may see.

use core::fmt;

/// Why bytes are not an envelope: names the field and the numbers, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// Fewer than the 4 header bytes.
    TooShort {
        /// Bytes there are.
        len: usize,
    },
    /// More bytes than the configured maximum.
    TooLong {
        /// Bytes there are.
        len: usize,
        /// Bytes there may be.
        max: usize,
    },
    /// The first two bytes are not `SC`.
    Magic,
    /// The version byte is not one that is legal here.
    Version(u8),
    /// The type byte is none of 1, 2 and 129.
    Type(u8),
    /// The envelope ends inside a field.
    Truncated {
        /// Which field.
        field: Field,
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// The key id is empty.
    KeyIdLength,
    /// The key id holds a byte that is not visible ASCII (0x21 to 0x7E).
    KeyIdCharacter {
        /// Position in the key id, from 0.
        offset: usize,
    },
    /// A wrapped key is not 256 to 512 bytes long.
    WrappedKeyLength {
        /// Which key.
        field: Field,
        /// Its length, in bytes.
        len: usize,
    },
    /// The two wrapped keys differ in length.
    WrappedKeysDiffer {
        /// Length of the wrapped request key, in bytes.
        request: usize,
        /// Length of the wrapped response key, in bytes.
        response: usize,
    },
    /// The sealed payload has no room for an IV and a tag.
    SealedTooShort {
        /// Bytes there are, of at least 28.
        len: usize,
    },
    /// A text envelope that breaks its JSON form (PROTOCOL 7).
    Text,
}

/// A field of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `keyIdLen`.
    KeyIdLen,
    /// `keyId`.
    KeyId,
    /// `reqKeyLen`.
    ReqKeyLen,
    /// `encryptedReqKey`.
    EncryptedReqKey,
    /// `respKeyLen`.
    RespKeyLen,
    /// `encryptedRespKey`.
    EncryptedRespKey,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyIdLen => "keyIdLen",
            Self::KeyId => "keyId",
            Self::ReqKeyLen => "reqKeyLen",
            Self::EncryptedReqKey => "encryptedReqKey",
            Self::RespKeyLen => "respKeyLen",
            Self::EncryptedRespKey => "encryptedRespKey",
        })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => write!(f, "{len} bytes are too short for an envelope header of 4"),
            Self::TooLong { len, max } => write!(f, "{len} bytes are more than the maximum of {max}"),
            Self::Magic => f.write_str("the first two bytes are not the magic SC"),
            Self::Version(version) => write!(f, "version byte 0x{version:02x} is not supported here"),
            Self::Type(kind) => write!(f, "type byte {kind} is none of 1, 2 and 129"),
            Self::Truncated { field, needed, left } => {
                write!(f, "the envelope ends inside {field}: {needed} bytes needed, {left} left")
            }
            Self::KeyIdLength => f.write_str("keyId is empty"),
            Self::KeyIdCharacter { offset } => {
                write!(f, "keyId has a byte at offset {offset} that is not visible ASCII")
            }
            Self::WrappedKeyLength { field, len } => {
                write!(f, "{field} is {len} bytes long, not 256 to 512")
            }
            Self::WrappedKeysDiffer { request, response } => {
                write!(f, "encryptedReqKey is {request} and encryptedRespKey {response} bytes long")
            }
            Self::SealedTooShort { len } => {
                write!(f, "the sealed payload is {len} bytes long, at least 28 are needed")
            }
            Self::Text => f.write_str("not a text envelope: exactly the members v (2) and p (Base64)"),
        }
    }
}

impl core::error::Error for Malformed {}

/// A mistake of our caller, never caused by the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// The output buffer has another length than the operation needs.
    BufferLength {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The plaintext is longer than the configured maximum.
    PlaintextTooLong {
        /// Bytes given.
        len: usize,
        /// Bytes there may be.
        max: usize,
    },
    /// An identifier does not have the form that the protocol gives it.
    Identifier,
    /// The random source gave the same 32 bytes twice.
    Randomness,
    /// The client has no public key of the server yet.
    NoKey,
    /// The session was closed.
    Closed,
    /// The cryptographic provider refused an operation that does not depend on the peer.
    Provider,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferLength { needed, given } => {
                write!(f, "the buffer has {given} bytes, {needed} are needed")
            }
            Self::PlaintextTooLong { len, max } => {
                write!(f, "the plaintext has {len} bytes, at most {max} are allowed")
            }
            Self::Identifier => f.write_str("the identifier does not have its form"),
            Self::Randomness => f.write_str("the random source repeats itself"),
            Self::NoKey => f.write_str("the client has no public key yet"),
            Self::Closed => f.write_str("the session was closed"),
            Self::Provider => f.write_str("the cryptographic provider refused the operation"),
        }
    }
}

/// Why a client does not take a server's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// The bytes are not the SPKI DER of an RSA key of 2048 to 4096 bits.
    NotRsa,
    /// `keySize` is not the size of the modulus.
    KeySize {
        /// What the document says, in bits.
        said: u32,
        /// What the modulus has, in bits.
        is: usize,
    },
    /// `algorithm` is not `RSA-OAEP-` and the size.
    Algorithm,
    /// No pin fits the key: somebody may have swapped it.
    NotPinned,
    /// The client requires the bound profile, which the server does not offer.
    BoundNotOffered,
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRsa => f.write_str("not the SPKI of an RSA key of 2048 to 4096 bits"),
            Self::KeySize { said, is } => write!(f, "keySize says {said} bits, the modulus has {is}"),
            Self::Algorithm => f.write_str("algorithm is not RSA-OAEP with the size of the key"),
            Self::NotPinned => f.write_str("no pin fits the key"),
            Self::BoundNotOffered => f.write_str("the bound profile is required but not offered"),
        }
    }
}

/// Any failure of this crate, by whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer sent bytes that break the form.
    Malformed(Malformed),
    /// The peer sent a well-formed message that is refused. One value for every cause (PROTOCOL 3).
    Rejected,
    /// The session or key has ended; set up a new one.
    Expired,
    /// A limit is reached: a session's messages (set up a new one), or the pins of a client.
    Exhausted,
    /// The client does not take the server's public key.
    KeyRefused(KeyRefusal),
    /// Our caller made a mistake.
    Misuse(Misuse),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::Rejected => f.write_str("rejected"),
            Self::Expired => f.write_str("the session or key has expired"),
            Self::Exhausted => f.write_str("a limit of the protocol is reached"),
            Self::KeyRefused(reason) => write!(f, "public key refused: {reason}"),
            Self::Misuse(reason) => write!(f, "misuse: {reason}"),
        }
    }
}

impl core::error::Error for Error {}
impl core::error::Error for Misuse {}
impl core::error::Error for KeyRefusal {}

impl From<Malformed> for Error {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<KeyRefusal> for Error {
    fn from(reason: KeyRefusal) -> Self {
        Self::KeyRefused(reason)
    }
}

impl From<Misuse> for Error {
    fn from(reason: Misuse) -> Self {
        Self::Misuse(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_a_thing_of_its_own_and_its_numbers() {
        use std::collections::HashSet;
        use std::string::ToString;

        let malformed = [
            Malformed::TooShort { len: 3 },
            Malformed::TooLong { len: 9, max: 8 },
            Malformed::Magic,
            Malformed::Version(0xab),
            Malformed::Type(7),
            Malformed::Truncated { field: Field::ReqKeyLen, needed: 2, left: 1 },
            Malformed::KeyIdLength,
            Malformed::KeyIdCharacter { offset: 5 },
            Malformed::WrappedKeyLength { field: Field::EncryptedRespKey, len: 255 },
            Malformed::WrappedKeysDiffer { request: 256, response: 257 },
            Malformed::SealedTooShort { len: 27 },
            Malformed::Text,
        ];
        let misuse = [
            Misuse::BufferLength { needed: 35, given: 34 },
            Misuse::PlaintextTooLong { len: 1001, max: 1000 },
            Misuse::Identifier,
            Misuse::Randomness,
            Misuse::NoKey,
            Misuse::Closed,
            Misuse::Provider,
        ];
        let refused = [
            KeyRefusal::NotRsa,
            KeyRefusal::KeySize { said: 4096, is: 2048 },
            KeyRefusal::Algorithm,
            KeyRefusal::NotPinned,
            KeyRefusal::BoundNotOffered,
        ];
        let mut errors = std::vec![Error::Rejected, Error::Expired, Error::Exhausted];
        errors.extend(malformed.map(Error::from));
        errors.extend(misuse.map(Error::from));
        errors.extend(refused.map(Error::from));
        let shown: HashSet<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), errors.len());
        for numbers in [
            "9 bytes are more than the maximum of 8",
            "0xab",
            "reqKeyLen: 2 bytes needed, 1 left",
            "4096 bits",
        ] {
            assert!(shown.iter().any(|text| text.contains(numbers)), "{numbers}: {shown:?}");
        }
        let fields = [
            (Field::KeyIdLen, "keyIdLen"),
            (Field::KeyId, "keyId"),
            (Field::ReqKeyLen, "reqKeyLen"),
            (Field::EncryptedReqKey, "encryptedReqKey"),
            (Field::RespKeyLen, "respKeyLen"),
            (Field::EncryptedRespKey, "encryptedRespKey"),
        ];
        for (field, name) in fields {
            assert_eq!(field.to_string(), name);
        }
    }

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<Error>() <= 32, "{}", size_of::<Error>());
        assert!(size_of::<Result<(), Error>>() <= 32);
    }
}
