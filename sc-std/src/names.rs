//! Paths and headers of the channel, in one place for both sides (PROTOCOL 4, 5).

use http::header::HeaderName;

/// `GET`: the newest RSA key.
pub const PUBLIC_KEY_PATH: &str = "/web/v1/secure-channel/public-key";
/// `POST`: sets up a session.
pub const SESSION_PATH: &str = "/web/v1/secure-channel/session";
/// `POST`: closes a session.
pub const CLOSE_PATH: &str = "/web/v1/secure-channel/session/close";

/// `X-SC-Session-Id`.
pub const SESSION_ID: HeaderName = HeaderName::from_static("x-sc-session-id");
/// `X-Secure-Channel-Session-Id`, the older name, at the close endpoint only.
pub const OLD_SESSION_ID: HeaderName = HeaderName::from_static("x-secure-channel-session-id");
/// `X-SC-Version`.
pub const VERSION: HeaderName = HeaderName::from_static("x-sc-version");
/// `X-SC-Expires-At`, epoch milliseconds.
pub const EXPIRES_AT: HeaderName = HeaderName::from_static("x-sc-expires-at");
/// `X-SC-Idle-Timeout`, seconds.
pub const IDLE_TIMEOUT: HeaderName = HeaderName::from_static("x-sc-idle-timeout");
/// `X-Client-Hash`.
pub const CLIENT_HASH: HeaderName = HeaderName::from_static("x-client-hash");
/// `X-Request-Id`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
