//! The base URL: `http` or `https`, a host, perhaps a port, perhaps a path prefix; nothing else.

use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};

/// A checked base URL.
#[derive(Clone)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl BaseUrl {
    /// Checks a base URL. A query, a fragment or a user name is refused: each would be lost or leak.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains(['?', '#', '@']) {
            return None;
        }
        let parts = text.parse::<Uri>().ok()?.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)?;
        let authority = parts.authority.filter(|authority| !authority.host().is_empty())?;
        // A port that is not one reads as none: `http://host:99999`.
        if authority.port().is_none() && authority.as_str() != authority.host() {
            return None;
        }
        let prefix = parts.path_and_query.map_or_else(String::new, |path| path.path().to_owned());
        Some(Self { scheme, authority, prefix: prefix.trim_end_matches('/').to_owned() })
    }

    /// The address of `path`, which begins with `/`, below the prefix.
    pub(crate) fn join(&self, path: &str) -> Option<Uri> {
        if !path.starts_with('/') || path.contains('#') {
            return None;
        }
        let path = format!("{}{path}", self.prefix);
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        uri.path_and_query(path).build().ok()
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_kept() {
        for (base, expected) in [
            ("http://127.0.0.1:18020", "http://127.0.0.1:18020/web/v1/x"),
            ("https://api.example/", "https://api.example/web/v1/x"),
            ("https://[::1]:8443/portal/", "https://[::1]:8443/portal/web/v1/x"),
        ] {
            let joined = BaseUrl::parse(base).and_then(|base| base.join("/web/v1/x"));
            assert_eq!(joined.map(|uri| uri.to_string()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn whatever_is_not_a_plain_web_address_is_refused() {
        for bad in [
            "",
            "api.example",
            "/path",
            "ftp://api.example",
            "file:///etc/passwd",
            "https://user:password@api.example",
            "https://api.example?x=1",
            "https://api.example/#x",
            "https://",
            "https://api.example:99999",
            "https://api example",
        ] {
            assert!(BaseUrl::parse(bad).is_none(), "{bad}");
        }
        let base = BaseUrl::parse("https://api.example").unwrap();
        for bad in ["", "x", "http://other.example/", "/a b", "/a#b"] {
            assert!(base.join(bad).is_none(), "{bad}");
        }
    }
}
