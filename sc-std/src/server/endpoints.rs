//! The endpoints of the channel itself: public key, session, close (PROTOCOL 4).

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use sc_core::code::Code;
use sc_core::document::{Answer, PublicKeyDocument, SessionRequest};
use sc_core::id::{ClientHash, SessionId};
use sc_core::provider::Aead;
use sc_core::server::{Refusal, SetupWay};

use crate::clock::rfc3339;
use crate::names::{CLOSE_PATH, OLD_SESSION_ID, PUBLIC_KEY_PATH, SESSION_ID, SESSION_PATH};
use crate::server::ScServer;
use crate::server::headers::single;
use crate::server::reject::{Reject, json};
use crate::store::Store;

/// Longest body of a session request, in bytes: two keys of 512 bytes in Base64, the longest key id with every
/// character escaped, and white space.
pub(crate) const MAX_SET_UP_BODY: usize = 8 * 1024;

/// One of the channel's own endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    PublicKey,
    Session,
    Close,
}

impl Endpoint {
    /// The endpoint of a path, if it is one.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            PUBLIC_KEY_PATH => Some(Self::PublicKey),
            SESSION_PATH => Some(Self::Session),
            CLOSE_PATH => Some(Self::Close),
            _ => None,
        }
    }

    /// Its name in spans.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "public_key",
            Self::Session => "session",
            Self::Close => "close",
        }
    }

    /// The methods that the endpoint takes, as `Allow` names them.
    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::PublicKey => "GET, HEAD",
            Self::Session | Self::Close => "POST",
        }
    }

    /// Whether the endpoint takes a method.
    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Self::PublicKey => matches!(*method, Method::GET | Method::HEAD),
            Self::Session | Self::Close => *method == Method::POST,
        }
    }
}

impl<S: Store, A: Aead + Send + Sync + 'static> ScServer<S, A> {
    /// The answer with the newest RSA key, which may be kept until half of the overlap of two keys has passed.
    pub(crate) fn public_key<B: From<Bytes>>(&self) -> Result<Response<B>, Reject> {
        let now = self.now();
        // Without a key that is accepted, set-ups wait for the next one.
        let info = self.inner.keys.published(now).ok_or_else(|| Reject::busy(5))?;
        let internal = || Reject::new(Code::InternalError);
        let document = PublicKeyDocument::new(
            info.key_id.clone(),
            &info.spki_der,
            u32::try_from(info.bits).map_err(|_| internal())?,
            &rfc3339(info.created_at),
            info.expires_at.map(rfc3339).as_deref(),
            self.inner.rules.profiles(),
        );
        let document = document.ok_or_else(internal)?;
        let mut response = json(StatusCode::OK, &Answer::success(self.now().0, document));
        let cache = format!("max-age={}", info.max_age(now));
        let cache = HeaderValue::try_from(cache).map_err(|_| internal())?;
        response.headers_mut().insert(CACHE_CONTROL, cache);
        Ok(response)
    }

    /// Sets up a session from the body of a session request.
    pub(crate) async fn set_up<B: From<Bytes>>(
        &self,
        body: &[u8],
        client: ClientHash,
        address: IpAddr,
    ) -> Result<Response<B>, Reject> {
        let request = parse(body)?;
        let setup = self.inner.rules.set_up(&request)?;
        let key = self.find_key(setup.key_id().as_str())?;
        let wrapped = setup.wrapped(key.info().bits)?;
        self.spend_set_up(address).await?;
        if self.knows_wrapped(key.info(), &wrapped.hashes()).await? {
            return Err(Refusal::ExchangeRepeated(SetupWay::Endpoint).into());
        }
        let keys = self.unwrap(&key, wrapped.request(), wrapped.response()).await?;
        let unclaimed = setup.accept(wrapped, keys, client)?;
        let verdict = self.claim_wrapped(key.info(), unclaimed.hashes()).await?;
        let session = unclaimed.settle(verdict, self.grant())?;
        let answer = session.answer(self.inner.idle_timeout);
        self.create(session, key.info().key_id.as_str()).await?;
        self.inner.meter.created_by_endpoint.one();
        Ok(json(StatusCode::OK, &Answer::success(self.now().0, answer)))
    }

    /// Destroys a session's keys. An unknown session is a success too.
    pub(crate) async fn close<B: From<Bytes>>(&self, headers: &HeaderMap) -> Result<Response<B>, Reject> {
        let (new, old) = (single(headers, &SESSION_ID)?, single(headers, &OLD_SESSION_ID)?);
        let id = match (new, old) {
            (Some(new), Some(old)) if new != old => return Err(Reject::invalid("header X-SC-Session-Id")),
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => return Err(Reject::session_id_required()),
        };
        if let Some(id) = id.to_str().ok().and_then(|text| SessionId::parse(text).ok()) {
            self.end(&id).await?;
            self.inner.meter.closed_by_client.one();
            tracing::debug!(session = ?id, "session closed");
        }
        Ok(json(StatusCode::OK, &Answer::success(self.now().0, serde_json::json!({ "closed": true }))))
    }
}

/// Reads a session request; an error names the property that breaks the form, never its value.
fn parse(body: &[u8]) -> Result<SessionRequest, Reject> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let request: SessionRequest = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let known = ["keyId", "encReqKey", "encRespKey", "profile"];
        match known.iter().find(|name| **name == path) {
            Some(name) => Reject::invalid(name),
            None => Reject::invalid(
                "the body must be exactly keyId, encReqKey, encRespKey and, optionally, profile",
            ),
        }
    })?;
    json.end().map_err(|_| Reject::invalid("bytes after the JSON object"))?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        parse(body.as_bytes()).map(|_| "accepted".to_owned()).unwrap_or_else(|reject| format!("{reject:?}"))
    }

    #[test]
    fn every_endpoint_is_found_by_its_whole_path_and_nothing_else_is() {
        for (path, endpoint) in [
            (PUBLIC_KEY_PATH, Endpoint::PublicKey),
            (SESSION_PATH, Endpoint::Session),
            (CLOSE_PATH, Endpoint::Close),
        ] {
            assert_eq!(Endpoint::of(path), Some(endpoint));
            assert_eq!(Endpoint::of(&format!("{path}/")), None);
            assert_eq!(Endpoint::of(&path[1..]), None);
        }
    }

    #[test]
    fn an_endpoint_names_the_methods_that_it_takes() {
        for endpoint in [Endpoint::PublicKey, Endpoint::Session, Endpoint::Close] {
            for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::OPTIONS] {
                let named = endpoint.allowed().split(", ").any(|name| name == method.as_str());
                assert_eq!(endpoint.takes(&method), named, "{endpoint:?} {method}");
            }
        }
        assert_eq!(Endpoint::PublicKey.allowed(), "GET, HEAD");
    }

    #[test]
    fn a_broken_set_up_names_its_property_and_never_its_value() {
        let good = r#"{"keyId":"k","encReqKey":"QQ==","encRespKey":"QQ=="}"#;
        assert_eq!(message(good), "accepted");
        assert_eq!(message(&format!("{good} \n")), "accepted");
        for (body, named) in [
            (r#"{"keyId":7,"encReqKey":"QQ==","encRespKey":"QQ=="}"#, "keyId"),
            (r#"{"keyId":"k","encReqKey":"secret!","encRespKey":"QQ=="}"#, "encReqKey"),
            (r#"{"keyId":"k","encReqKey":"QQ==","encRespKey":null}"#, "encRespKey"),
            (r#"{"keyId":"k","encReqKey":"QQ==","encRespKey":"QQ==","profile":"secret"}"#, "profile"),
            (r#"{"keyId":"k","encReqKey":"QQ=="}"#, "exactly"),
            (r#"{"keyId":"k","keyId":"k","encReqKey":"QQ==","encRespKey":"QQ=="}"#, ""),
            (r#"{"keyId":"k","encReqKey":"QQ==","encRespKey":"QQ==","secret":1}"#, ""),
            (r#"{"keyId":"k","encReqKey":"QQ==","encRespKey":"QQ=="}x"#, "bytes after"),
            ("", "exactly"),
            ("[]", "exactly"),
        ] {
            let said = message(body);
            assert!(said.contains("ValidationFailed") && said.contains(named), "{body}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
