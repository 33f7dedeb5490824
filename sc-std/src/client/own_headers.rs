//! Headers that the user of a client adds: with every request, or with the messages of one clone.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    HOST, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue};

use super::BuildError;
use crate::names::{CLIENT_HASH, REQUEST_ID};

/// A header that may be added. Its value is marked as sensitive, so that no `Debug` shows it: it may be a token.
pub(crate) fn check(name: &str, value: String) -> Result<(HeaderName, HeaderValue), BuildError> {
    let refused = || BuildError::Header(name.to_owned());
    let parsed: HeaderName = name.parse().map_err(|_| refused())?;
    let mut value = HeaderValue::try_from(value).map_err(|_| refused())?;
    if is_of_the_channel(&parsed) {
        return Err(refused());
    }
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// Whether the channel or HTTP itself sets a header.
fn is_of_the_channel(name: &HeaderName) -> bool {
    const OURS: [HeaderName; 11] = [
        CLIENT_HASH,
        REQUEST_ID,
        ACCEPT,
        ACCEPT_LANGUAGE,
        ACCEPT_ENCODING,
        CONTENT_TYPE,
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        TRANSFER_ENCODING,
        CONNECTION,
        HOST,
    ];
    OURS.contains(name)
        || name.as_str().starts_with("x-sc-")
        || name.as_str() == "x-secure-channel-session-id"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_channel_and_what_is_no_header_are_refused_by_name() {
        for name in ["X-SC-Session-Id", "x-sc-anything", "X-Client-Hash", "Content-Length", "Host", "a b", ""]
        {
            let error = check(name, "x".to_owned()).unwrap_err();
            assert!(matches!(error, BuildError::Header(said) if said == name), "{name}");
        }
        let error = check("X-Good", "a\nsecret".to_owned()).unwrap_err();
        assert!(error.to_string().contains("X-Good") && !format!("{error}{error:?}").contains("secret"));
    }

    #[test]
    fn a_value_shows_nowhere() {
        let (name, value) = check("Authorization", "Bearer secret".to_owned()).unwrap();
        assert_eq!((name.as_str(), value.as_bytes()), ("authorization", &b"Bearer secret"[..]));
        assert!(!format!("{value:?}").contains("secret"));
    }
}
