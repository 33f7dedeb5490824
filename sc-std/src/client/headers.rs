//! Header values of answers, read with caps; nothing authenticates them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{AGE, AsHeaderName, CACHE_CONTROL, DATE, RETRY_AFTER};
use sc_core::id::{SessionId, UnixMillis};
use sc_core::session::Lifetime;

use crate::names::{EXPIRES_AT, IDLE_TIMEOUT, SESSION_ID};

/// Longest `Retry-After` that is believed: 300 s (PROTOCOL 10.8).
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// How long a public key is fresh when the answer does not say, in seconds.
const DEFAULT_MAX_AGE: u64 = 300;
/// Longest time that a public key is fresh, in seconds: 24 hours.
const LONGEST_MAX_AGE: u64 = 24 * 60 * 60;

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// `Retry-After`, in seconds or as a date; at most 300 s.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?;
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // More digits than a number has are a very long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// How long a public key is fresh, in milliseconds: `max-age` less `Age`, capped at 24 hours; 300 s when absent.
pub(crate) fn fresh_ms(headers: &HeaderMap) -> u64 {
    let mut max_age = DEFAULT_MAX_AGE;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return 0;
            }
            if name.eq_ignore_ascii_case("max-age") {
                max_age = value.trim().trim_matches('"').parse().unwrap_or_default();
            }
        }
    }
    let age = text(headers, AGE).and_then(|age| age.parse::<u64>().ok()).unwrap_or_default();
    max_age.min(LONGEST_MAX_AGE).saturating_sub(age).saturating_mul(1000)
}

/// The server's clock by `Date`, else ours. The difference to `expiresAt` is clamped, so neither can do harm.
pub(crate) fn said_at(headers: &HeaderMap) -> UnixMillis {
    let said = text(headers, DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let since = said.unwrap_or_else(SystemTime::now).duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What the headers of an inline answer say about its new session (PROTOCOL 4.2, 10.16).
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    expires_at: UnixMillis,
    idle_timeout: Option<u32>,
}

impl NewSession {
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let id = SessionId::parse(text(headers, SESSION_ID)?).ok()?;
        let expires_at = UnixMillis(text(headers, EXPIRES_AT)?.parse().ok()?);
        let idle_timeout = text(headers, IDLE_TIMEOUT).and_then(|seconds| seconds.parse().ok());
        Some(Self { id, expires_at, idle_timeout })
    }

    /// The lifetime, by the server's clock as the answer tells it (PROTOCOL 10.8).
    pub(crate) fn lifetime(&self, said_at: UnixMillis) -> Lifetime {
        Lifetime::new(self.expires_at, said_at, self.idle_timeout)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_retry_after_is_a_hint_of_300_s_at_most() {
        for (value, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("301", Some(300)),
            ("999999999999999999999999", Some(300)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(300)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let read = retry_after(&headers(RETRY_AFTER, value)).map(|wait| wait.as_secs());
            assert_eq!(read, expected, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_key_is_fresh_as_long_as_its_answer_says_within_a_day() {
        assert_eq!(fresh_ms(&HeaderMap::new()), 300_000);
        for (value, expected) in [
            ("max-age=60", 60_000),
            ("public, Max-Age=60, immutable", 60_000),
            ("max-age=999999", 86_400_000),
            ("max-age=", 0),
            ("max-age=-1", 0),
            ("no-store", 0),
            ("max-age=60, no-cache", 0),
            ("public", 300_000),
        ] {
            assert_eq!(fresh_ms(&headers(CACHE_CONTROL, value)), expected, "{value}");
        }
        let mut aged = headers(CACHE_CONTROL, "max-age=60");
        aged.insert(AGE, HeaderValue::from_static("45"));
        assert_eq!(fresh_ms(&aged), 15_000);
        aged.insert(AGE, HeaderValue::from_static("61"));
        assert_eq!(fresh_ms(&aged), 0);
    }
}
