//! The headers of a request: read once, checked in the order of PROTOCOL 5.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Once;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use ipnet::IpNet;
use sc_core::code::Code;
use sc_core::id::ClientHash;

use crate::names::{CLIENT_HASH, REQUEST_ID, SESSION_ID, VERSION};
use crate::request_id::{is_request_id, random_request_id};
use crate::server::reject::Reject;

/// The portal access code, from the proxy.
const PORTAL_ACCESS_CODE: HeaderName = HeaderName::from_static("x-portal-access-code");
/// What the CDN adds in front of the service.
const CDN_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("cf-ray"),
    HeaderName::from_static("cf-ipcountry"),
];

/// The address of the socket's other end, as an extension of the request.
///
/// Under axum, `into_make_service_with_connect_info::<SocketAddr>()` is understood too. Without either, all clients
/// count as one address: limits then hold for all of them together.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// What a server demands of headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeaderRules {
    pub(crate) portal_access_code: Option<HeaderValue>,
    pub(crate) require_cdn: bool,
    pub(crate) client_ip_header: Option<HeaderName>,
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl HeaderRules {
    /// The checks of a protected request and of a set-up, first failure wins.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<ClientHash, Reject> {
        if let Some(code) = &self.portal_access_code {
            let mut values = headers.get_all(PORTAL_ACCESS_CODE).iter();
            let right = values.next().is_some_and(|value| same(value, code)) && values.next().is_none();
            if !right {
                return Err(Reject::new(Code::PermissionDenied));
            }
        }
        if self.require_cdn {
            for name in &CDN_HEADERS {
                let value = single(headers, name)?.ok_or_else(|| invalid_header(name))?;
                if value.is_empty() {
                    return Err(invalid_header(name));
                }
            }
            let address = single(headers, &CDN_HEADERS[0])?.and_then(|value| value.to_str().ok());
            if address.is_none_or(|text| text.trim().parse::<IpAddr>().is_err()) {
                return Err(invalid_header(&CDN_HEADERS[0]));
            }
        }
        let hash = single(headers, &CLIENT_HASH)?.ok_or_else(|| invalid_header(&CLIENT_HASH))?;
        single(headers, &SESSION_ID)?;
        single(headers, &VERSION)?;
        ClientHash::of(hash.as_bytes()).map_err(|_| invalid_header(&CLIENT_HASH))
    }

    /// The client's address: the peer's, or what a trusted proxy says of it (PROTOCOL 10.7).
    pub(crate) fn client_address(&self, parts: &Parts) -> IpAddr {
        let peer = peer_address(parts);
        let Some(name) = &self.client_ip_header else { return peer };
        if !self.trusted_proxies.iter().any(|net| net.contains(&peer.to_canonical())) {
            return peer;
        }
        let mut values = parts.headers.get_all(name).iter();
        match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
            (Some(text), None) => text.trim().parse().unwrap_or(peer),
            _ => peer,
        }
    }
}

/// The other end of the socket.
fn peer_address(parts: &Parts) -> IpAddr {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(address)) =
        parts.extensions.get::<axum::extract::ConnectInfo<SocketAddr>>()
    {
        return address.ip();
    }
    let address = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.ip());
    address.unwrap_or_else(|| {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            tracing::error!(
                "requests carry no peer address: all clients share one set of limits; see PeerAddress"
            );
        });
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    })
}

/// One header, or none. Equal repetitions count as one; two that differ are refused.
pub(crate) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Reject> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.any(|other| Some(other) != first) {
        return Err(invalid_header(name));
    }
    Ok(first)
}

/// A header as text. Text that is not visible ASCII cannot be right, so it reads as an impossible value.
pub(crate) fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.map(|value| value.to_str().unwrap_or_default())
}

pub(crate) fn invalid_header(name: &HeaderName) -> Reject {
    Reject::invalid(&format!("header {}", canonical(name)))
}

/// The name as the documents write it.
fn canonical(name: &HeaderName) -> String {
    let mut upper = true;
    let text = name.as_str().chars().map(|c| {
        let c = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        c
    });
    text.collect::<String>().replace("X-Sc-", "X-SC-")
}

/// The request's id: the caller's if it is a UUID, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|value| is_request_id(value.as_bytes()));
    given.cloned().unwrap_or_else(|| {
        HeaderValue::try_from(random_request_id()).unwrap_or_else(|_| HeaderValue::from_static(""))
    })
}

/// Compares without saying where two values differ.
fn same(given: &HeaderValue, wanted: &HeaderValue) -> bool {
    use subtle::ConstantTimeEq;
    given.as_bytes().ct_eq(wanted.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pairs: &[(&str, &str)], peer: &str) -> Parts {
        let mut request = http::Request::builder();
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(PeerAddress(SocketAddr::new(peer.parse().unwrap(), 1)));
        parts
    }

    #[test]
    fn a_client_address_header_counts_only_from_a_trusted_proxy() {
        let rules = HeaderRules {
            client_ip_header: Some(HeaderName::from_static("cf-connecting-ip")),
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            ..HeaderRules::default()
        };
        let said = [("cf-connecting-ip", "203.0.113.9")];
        let address = |pairs: &[(&str, &str)], peer| rules.client_address(&parts(pairs, peer)).to_string();
        assert_eq!(address(&said, "127.0.0.1"), "203.0.113.9");
        assert_eq!(address(&said, "::ffff:127.0.0.1"), "203.0.113.9");
        assert_eq!(address(&said, "198.51.100.1"), "198.51.100.1");
        assert_eq!(address(&[("cf-connecting-ip", "nonsense")], "127.0.0.1"), "127.0.0.1");
        let twice = [said[0], ("cf-connecting-ip", "203.0.113.10")];
        assert_eq!(address(&twice, "127.0.0.1"), "127.0.0.1");
    }

    #[test]
    fn two_values_that_differ_are_refused_and_the_header_is_named() {
        let headers = parts(&[("x-sc-session-id", "a"), ("x-sc-session-id", "b")], "127.0.0.1").headers;
        let refused = single(&headers, &SESSION_ID);
        assert_eq!(refused, Err(Reject::invalid("header X-SC-Session-Id")));
        let headers = parts(&[("x-sc-session-id", "a"), ("x-sc-session-id", "a")], "127.0.0.1").headers;
        assert!(single(&headers, &SESSION_ID).is_ok_and(|value| value.is_some()));
    }

    #[test]
    fn a_request_id_that_is_not_a_uuid_is_replaced() {
        let uuid = "0b0e7a3c-1f3d-4b52-9a3e-0f5f0a8f1c11";
        let kept = request_id(&parts(&[("x-request-id", uuid)], "127.0.0.1").headers);
        assert_eq!(kept, uuid);
        let made = request_id(&parts(&[("x-request-id", "<script>")], "127.0.0.1").headers);
        assert!(is_request_id(made.as_bytes()) && made != "<script>");
    }
}
