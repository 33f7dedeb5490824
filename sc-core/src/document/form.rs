//! Reading the documents: the derived readers, behind [`Object`] and [`quiet`] so that no error shows a value.
//!
//! A form repeats the fields of its document; serde checks that they are the same. `deserialize_with` on a required
//! member keeps "missing field" an error of its own, with the member's name.

use serde::{Deserialize, Deserializer};

use super::{
    NamedKeyId, Profiles, PublicKeyDocument, ReceivedAnswer, SessionAnswer, SessionRequest, ShortText,
};
use crate::base64::Base64Bytes;
use crate::code::Code;
use crate::envelope::Profile;
use crate::id::{KeyId, SessionId};
use crate::limits::{MAX_SPKI_LEN, MAX_WRAPPED_LEN};
use crate::quiet::{Object, quiet, quiet_option};

#[derive(Deserialize)]
#[serde(remote = "PublicKeyDocument", rename_all = "camelCase")]
struct PublicKeyForm {
    #[serde(deserialize_with = "KeyId::deserialize")]
    key_id: KeyId,
    #[serde(deserialize_with = "Base64Bytes::deserialize")]
    public_key: Base64Bytes<MAX_SPKI_LEN>,
    #[serde(deserialize_with = "quiet")]
    algorithm: ShortText<32>,
    #[serde(deserialize_with = "quiet")]
    key_size: u32,
    #[serde(deserialize_with = "quiet")]
    created_at: ShortText<40>,
    #[serde(default, deserialize_with = "quiet_option")]
    expires_at: Option<ShortText<40>>,
    #[serde(default)]
    profiles: Profiles,
}

impl<'de> Deserialize<'de> for PublicKeyDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PublicKeyForm::deserialize(Object(deserializer))
    }
}

#[derive(Deserialize)]
#[serde(remote = "SessionRequest", rename_all = "camelCase", deny_unknown_fields)]
struct SessionRequestForm {
    #[serde(deserialize_with = "NamedKeyId::deserialize")]
    key_id: NamedKeyId,
    #[serde(deserialize_with = "Base64Bytes::deserialize")]
    enc_req_key: Base64Bytes<MAX_WRAPPED_LEN>,
    #[serde(deserialize_with = "Base64Bytes::deserialize")]
    enc_resp_key: Base64Bytes<MAX_WRAPPED_LEN>,
    #[serde(default, deserialize_with = "present")]
    profile: Option<Profile>,
}

/// A member that may be absent, but is not null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for SessionRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SessionRequestForm::deserialize(Object(deserializer))
    }
}

#[derive(Deserialize)]
#[serde(remote = "SessionAnswer", rename_all = "camelCase")]
struct SessionAnswerForm {
    #[serde(deserialize_with = "SessionId::deserialize")]
    session_id: SessionId,
    #[serde(deserialize_with = "quiet")]
    expires_at: u64,
    #[serde(default, deserialize_with = "quiet_option")]
    idle_timeout: Option<u32>,
    #[serde(default)]
    profile: Option<Profile>,
}

impl<'de> Deserialize<'de> for SessionAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SessionAnswerForm::deserialize(Object(deserializer))
    }
}

#[derive(Deserialize)]
#[serde(remote = "ReceivedAnswer")]
struct ReceivedAnswerForm<T> {
    #[serde(default, deserialize_with = "quiet_option")]
    timestamp: Option<u64>,
    #[serde(deserialize_with = "quiet")]
    success: bool,
    #[serde(deserialize_with = "Code::deserialize")]
    code: Code,
    #[serde(default = "Option::default")]
    data: Option<T>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ReceivedAnswer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ReceivedAnswerForm::deserialize(Object(deserializer))
    }
}
