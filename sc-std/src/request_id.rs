//! Request ids: UUIDs of version 4 (RFC 9562), drawn without a system call.

use rand_core::Rng;
use uuid::Builder;

use crate::rng::SystemSeeded;

/// A new request id, as text.
pub(crate) fn random_request_id() -> String {
    let mut bytes = [0; 16];
    SystemSeeded.fill_bytes(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string()
}

/// Whether a caller's request id is a UUID.
#[cfg(feature = "server")]
pub(crate) fn is_request_id(value: &[u8]) -> bool {
    uuid::Uuid::try_parse_ascii(value).is_ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_request_id_is_a_uuid_of_version_4() {
        let (one, other) = (random_request_id(), random_request_id());
        assert_ne!(one, other);
        for id in [one, other] {
            assert_eq!(id.len(), 36);
            assert_eq!(Uuid::try_parse(&id).map(|uuid| uuid.get_version_num()), Ok(4), "{id}");
        }
    }
}
