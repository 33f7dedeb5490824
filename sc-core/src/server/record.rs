//! What a server keeps of a session.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::associated::Context;
use crate::envelope::Profile;
use crate::error::Error;
use crate::id::{ClientHash, KeyId, UnixMillis};
use crate::limits::{KEY_LEN, MAX_KEY_ID_LEN};
use crate::secret::{RequestKey, ResponseKey, SessionKeys};

/// First byte of an encoded record, so that the form can change one day.
const FORM: u8 = 1;
/// Form, profile, end, two keys, context, client hash.
const FIXED_LEN: usize = 1 + 1 + 8 + 2 * KEY_LEN + 32 + 32;

/// The record of one session: keys, end, profile, RSA key, context, client hash (PROTOCOL 10.5).
///
/// # Security
/// Holds the session keys. [`SessionRecord::encode`] writes them in the clear: seal the bytes before they leave
/// the process.
#[derive(Debug)]
pub struct SessionRecord {
    pub(crate) keys: SessionKeys,
    pub(crate) profile: Profile,
    pub(crate) context: Context,
    pub(crate) client: ClientHash,
    pub(crate) key_id: KeyId,
    pub(crate) expires_at: UnixMillis,
}

impl SessionRecord {
    /// Longest encoded record, in bytes.
    pub const MAX_LEN: usize = FIXED_LEN + MAX_KEY_ID_LEN;

    /// The absolute end of the session.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// The RSA key that set the session up; the session ends when that key is revoked.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The profile of the session.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether the session was created by this client.
    #[must_use]
    pub fn belongs_to(&self, client: &ClientHash) -> bool {
        self.client.0.ct_eq(&client.0).into()
    }

    /// The session's keys, for a key log.
    #[cfg(feature = "danger-key-log")]
    #[must_use]
    pub const fn keys_for_log(&self) -> crate::key_log::KeysForLog<'_> {
        crate::key_log::KeysForLog::new(self.profile, &self.context, &self.keys)
    }

    /// Writes the record, keys in the clear.
    #[must_use]
    pub fn encode(&self) -> EncodedRecord {
        let mut out = EncodedRecord(heapless::Vec::new());
        let fitted = out.0.resize_default(FIXED_LEN);
        if let Some(fixed) = out.0.first_chunk_mut() {
            self.write_fixed(fixed);
        }
        let fitted = fitted.and_then(|()| {
            let key_id = self.key_id.as_str().as_bytes();
            out.0.extend_from_slice(key_id).map_err(Into::into)
        });
        debug_assert!(fitted.is_ok(), "MAX_LEN is too small");
        out
    }

    /// Reads a record that [`SessionRecord::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Rejected`] if the bytes are not such a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (fixed, key_id) = bytes.split_first_chunk::<FIXED_LEN>().ok_or(Error::Rejected)?;
        let key_id = core::str::from_utf8(key_id).ok().and_then(|text| KeyId::parse(text).ok());
        Self::read_fixed(fixed, key_id.ok_or(Error::Rejected)?)
    }

    /// Writes the record, keys in the clear, without the name of the RSA key, for a store that keeps a name once for
    /// all of its sessions. Where `place` stands, so that no copy is left on the way.
    pub fn pack_into(&self, place: &mut PackedRecord) {
        self.write_fixed(&mut place.0);
    }

    /// Reads a record that [`SessionRecord::pack_into`] wrote, of the RSA key `key_id`.
    ///
    /// # Errors
    /// [`Error::Rejected`] if nothing was packed.
    pub fn unpack(packed: &PackedRecord, key_id: KeyId) -> Result<Self, Error> {
        Self::read_fixed(&packed.0, key_id)
    }

    fn write_fixed(&self, out: &mut [u8; FIXED_LEN]) {
        let profile = match self.profile {
            Profile::Plain => 0,
            Profile::Bound => 1,
        };
        let mut rest = out.as_mut_slice();
        for part in [
            [FORM, profile].as_slice(),
            &self.expires_at.0.to_be_bytes(),
            self.keys.request().bytes(),
            self.keys.response().bytes(),
            self.context.as_bytes(),
            &self.client.0,
        ] {
            let Some((place, left)) = rest.split_at_mut_checked(part.len()) else { return };
            place.copy_from_slice(part);
            rest = left;
        }
    }

    fn read_fixed(mut rest: &[u8], key_id: KeyId) -> Result<Self, Error> {
        let rest = &mut rest;
        let [form, profile] = take(rest)?;
        let profile = match (form, profile) {
            (FORM, 0) => Profile::Plain,
            (FORM, 1) => Profile::Bound,
            _ => return Err(Error::Rejected),
        };
        let expires_at = UnixMillis(u64::from_be_bytes(take(rest)?));
        let request = RequestKey::from_bytes(take(rest)?);
        let response = ResponseKey::from_bytes(take(rest)?);
        let keys = SessionKeys::new(request, response)?;
        let context = Context::from_bytes(take(rest)?);
        let client = ClientHash(take(rest)?);
        Ok(Self { keys, profile, context, client, key_id, expires_at })
    }
}

/// A record in 138 bytes, without the name of its RSA key; wiped on drop.
#[derive(ZeroizeOnDrop)]
pub struct PackedRecord([u8; FIXED_LEN]);

impl PackedRecord {
    /// A place for a record, with none in it.
    pub const EMPTY: Self = Self([0; FIXED_LEN]);
}

impl core::fmt::Debug for PackedRecord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PackedRecord(..)")
    }
}

/// The bytes of a record; wiped on drop.
pub struct EncodedRecord(heapless::Vec<u8, { SessionRecord::MAX_LEN }>);

impl AsRef<[u8]> for EncodedRecord {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for EncodedRecord {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl core::fmt::Debug for EncodedRecord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "EncodedRecord({} bytes)", self.0.len())
    }
}

/// Takes the next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (taken, left) = rest.split_first_chunk::<N>().ok_or(Error::Rejected)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key_id: &str) -> SessionRecord {
        SessionRecord {
            keys: SessionKeys::new(RequestKey::from_bytes([1; 32]), ResponseKey::from_bytes([2; 32]))
                .unwrap(),
            profile: Profile::Bound,
            context: Context::from_bytes([3; 32]),
            client: ClientHash([4; 32]),
            key_id: KeyId::parse(key_id).unwrap(),
            expires_at: UnixMillis(5),
        }
    }

    #[test]
    fn a_record_reads_back() {
        for key_id in ["k", &"k".repeat(255)] {
            let encoded = record(key_id).encode();
            assert_eq!(encoded.as_ref().len(), FIXED_LEN + key_id.len());
            let read = SessionRecord::decode(encoded.as_ref()).unwrap();
            assert_eq!(read.encode().as_ref(), encoded.as_ref());
        }
    }

    #[test]
    fn a_packed_record_reads_back_and_an_empty_place_does_not() {
        let mut place = PackedRecord::EMPTY;
        assert!(SessionRecord::unpack(&place, KeyId::parse("k").unwrap()).is_err());
        record("k").pack_into(&mut place);
        let read = SessionRecord::unpack(&place, KeyId::parse("k").unwrap()).unwrap();
        assert_eq!(read.encode().as_ref(), record("k").encode().as_ref());
        assert_eq!(std::format!("{place:?}"), "PackedRecord(..)");
    }

    #[test]
    fn a_cut_or_foreign_record_is_refused() {
        let encoded = record("k").encode();
        let encoded = encoded.as_ref();
        for len in 0..encoded.len() {
            assert!(SessionRecord::decode(&encoded[..len]).is_err(), "{len}");
        }
        for (at, byte) in [(0, 2), (1, 2)] {
            let mut other = encoded.to_vec();
            other[at] = byte;
            assert!(SessionRecord::decode(&other).is_err());
        }
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let shown = std::format!("{:?}", record("k"));
        assert!(!shown.contains("1, 1") && !shown.contains("2, 2") && !shown.contains("4, 4"), "{shown}");
    }
}
