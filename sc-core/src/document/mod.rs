//! The JSON documents of the session endpoints, for any serde format crate, with or without std (PROTOCOL 4.1, 5).
//!
//! What a server reads is strict: unknown, duplicate and missing properties are errors. What a client reads
//! ignores properties that it does not know, so that a server may say more one day. An error names the property and
//! never repeats a value.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base64::Base64Bytes;
use crate::code::Code;
use crate::envelope::Profile;
use crate::id::{KeyId, SessionId};
use crate::limits::{MAX_SPKI_LEN, MAX_WRAPPED_LEN};
use crate::quiet::text;

mod form;
mod short_text;

pub use short_text::ShortText;

/// The version in every JSON answer.
pub const ANSWER_VERSION: &str = "2.0.0";

/// `data` of the answer to `GET /web/v1/secure-channel/public-key`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PublicKeyDocument {
    /// The name of the key.
    pub key_id: KeyId,
    /// The SPKI DER.
    pub public_key: Base64Bytes<MAX_SPKI_LEN>,
    /// `RSA-OAEP-2048`, and so for other sizes.
    pub algorithm: ShortText<32>,
    /// Size of the modulus, in bits.
    pub key_size: u32,
    /// When the key was made, ISO 8601.
    pub created_at: ShortText<40>,
    /// Until when the key unwraps, ISO 8601; `None`: it does not expire.
    pub expires_at: Option<ShortText<40>>,
    /// The profiles on offer.
    #[serde(skip_serializing_if = "Profiles::is_plain_only")]
    pub profiles: Profiles,
}

impl PublicKeyDocument {
    /// Describes a public key of `bits` bits. `None` if a part is longer than the document takes.
    #[must_use]
    pub fn new(
        key_id: KeyId,
        spki_der: &[u8],
        bits: u32,
        created_at: &str,
        expires_at: Option<&str>,
        profiles: Profiles,
    ) -> Option<Self> {
        if spki_der.len() > MAX_SPKI_LEN {
            return None;
        }
        Some(Self {
            key_id,
            public_key: Base64Bytes::new(spki_der),
            algorithm: algorithm_name(bits)?,
            key_size: bits,
            created_at: ShortText::new(created_at)?,
            expires_at: match expires_at {
                Some(expires_at) => Some(ShortText::new(expires_at)?),
                None => None,
            },
            profiles,
        })
    }
}

/// `algorithm` of a key of this many bits.
pub(crate) fn algorithm_name(bits: u32) -> Option<ShortText<32>> {
    ShortText::format(format_args!("RSA-OAEP-{bits}"))
}

/// The profiles that a server offers: always `plain`, perhaps `bound` (PROTOCOL 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Profiles {
    /// Whether `bound` is among them.
    pub bound: bool,
}

impl Profiles {
    /// Only `plain`.
    pub const PLAIN: Self = Self { bound: false };
    /// Both.
    pub const BOUND: Self = Self { bound: true };

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    const fn is_plain_only(&self) -> bool {
        !self.bound
    }
}

impl Serialize for Profiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(if self.bound { 2 } else { 1 }))?;
        list.serialize_element(&Profile::Plain)?;
        if self.bound {
            list.serialize_element(&Profile::Bound)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Profiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Profiles;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a list of profile names")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Profiles, A::Error> {
                let mut profiles = Profiles::PLAIN;
                while let Some(ProfileName(profile)) = list.next_element()? {
                    profiles.bound |= profile == Some(Profile::Bound);
                }
                Ok(profiles)
            }
        }
        deserializer
            .deserialize_seq(Visitor)
            .map_err(|_| de::Error::custom("expected a list of profile names"))
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Plain => "plain",
            Self::Bound => "bound",
        })
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ProfileName(profile) = ProfileName::deserialize(deserializer)?;
        profile.ok_or_else(|| de::Error::custom("not a profile"))
    }
}

/// A profile, or a name that this version does not know.
struct ProfileName(Option<Profile>);

impl<'de> Deserialize<'de> for ProfileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |name| match name {
            "plain" => Some(Some(Profile::Plain)),
            "bound" => Some(Some(Profile::Bound)),
            _ => Some(None),
        })
        .map(Self)
    }
}

/// The body of `POST /web/v1/secure-channel/session`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionRequest {
    /// The RSA key that wraps both keys.
    pub key_id: NamedKeyId,
    /// The wrapped request key.
    pub enc_req_key: Base64Bytes<MAX_WRAPPED_LEN>,
    /// The wrapped response key.
    pub enc_resp_key: Base64Bytes<MAX_WRAPPED_LEN>,
    /// The profile that the client wants; absent means `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

impl SessionRequest {
    /// Names a key and carries two wrapped keys.
    #[must_use]
    pub fn new(key_id: KeyId, request: &[u8], response: &[u8], profile: Profile) -> Self {
        Self {
            key_id: NamedKeyId(Some(key_id)),
            enc_req_key: Base64Bytes::new(request),
            enc_resp_key: Base64Bytes::new(response),
            profile: (profile == Profile::Bound).then_some(profile),
        }
    }
}

/// The key id in a request: a key id, or text that cannot be one.
///
/// The latter is not an error of the JSON but `INVALID_KEY_ID` (PROTOCOL 5), so it must parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKeyId(pub(crate) Option<KeyId>);

impl NamedKeyId {
    /// The key id, if the text can be one.
    #[must_use]
    pub const fn key_id(&self) -> Option<&KeyId> {
        self.0.as_ref()
    }
}

impl Serialize for NamedKeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_ref().map_or("", KeyId::as_str))
    }
}

impl<'de> Deserialize<'de> for NamedKeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| Some(KeyId::parse(text).ok())).map(Self)
    }
}

/// `data` of the answer to the session request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionAnswer {
    /// The session.
    pub session_id: SessionId,
    /// The absolute end of the session, in milliseconds since 1970.
    pub expires_at: u64,
    /// Seconds without a message after which the session ends (PROTOCOL 10.16).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u32>,
    /// The profile, when it is not `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

impl SessionAnswer {
    /// Describes a new session, which ends at `expires_at`, in milliseconds since 1970, or after `idle_timeout` seconds without a
    /// message.
    #[must_use]
    pub fn new(session_id: SessionId, expires_at: u64, idle_timeout: Option<u32>, profile: Profile) -> Self {
        let profile = (profile == Profile::Bound).then_some(profile);
        Self { session_id, expires_at, idle_timeout, profile }
    }
}

/// Any JSON answer, as a server writes it.
#[derive(Debug, Clone, Serialize)]
pub struct Answer<'m, T> {
    version: &'static str,
    timestamp: u64,
    success: bool,
    code: Code,
    message: &'m str,
    data: Option<T>,
}

impl<T> Answer<'_, T> {
    /// A success at `timestamp` (milliseconds since 1970).
    #[must_use]
    pub const fn success(timestamp: u64, data: T) -> Self {
        let code = Code::Success;
        Self {
            version: ANSWER_VERSION,
            timestamp,
            success: true,
            code,
            message: code.message(),
            data: Some(data),
        }
    }
}

impl<'m> Answer<'m, ()> {
    /// An error at `timestamp` (milliseconds since 1970).
    #[must_use]
    pub const fn error(timestamp: u64, code: Code, message: &'m str) -> Self {
        Self { version: ANSWER_VERSION, timestamp, success: false, code, message, data: None }
    }
}

/// Any JSON answer, as a client reads it. An error needs only `success`, `code` and `message`.
///
/// An answer whose `data` is no `T` does not read at all. Where an error may carry data of another form, read it as
/// `ReceivedAnswer<serde::de::IgnoredAny>` first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReceivedAnswer<T> {
    /// The server's clock, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// Whether the request succeeded.
    pub success: bool,
    /// Why, or `2000`.
    pub code: Code,
    /// What came back.
    pub data: Option<T>,
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| Self::parse(text).ok())
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| Self::parse(text).ok())
    }
}
