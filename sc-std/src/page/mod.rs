//! A page that shows the channel at work in a browser: a form, each step, and the envelopes field by field.
//!
//! The browser's own WebCrypto runs the protocol against the server that the page came from, so the service must have the
//! forgot-password endpoint. Nothing is loaded from elsewhere, and a strict `Content-Security-Policy` keeps it so. The
//! page is for people who want to see what is on the wire; a service does not need it, hence feature `page` is off
//! by default.
//!
//! # Security
//! A page comes through the same edge proxy as everything else. One that alters what passes could alter the script too,
//! so in a browser the channel answers proxies that read and log, not those that attack. An app that carries its own
//! code and pins the server's key has no such gap.
//!
//! `/scv2.mjs` is the protocol alone, a module for apps to copy.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};

/// The page's routes: `/`, and beside it what it loads. Each answers GET and HEAD.
///
/// They are paths and axum handlers, to be registered as exempt: nothing confidential passes, and the page itself
/// uses the channel. Under a prefix the page works too if all of the service is under it.
///
/// # Examples
/// ```
/// use sc_std::keys::KeyRing;
/// use sc_std::page;
/// use sc_std::server::{ScRouter, ScServer};
/// use sc_std::store::MemoryStore;
///
/// # #[cfg(feature = "aws-lc-rs")] {
/// let routes = ScRouter::new(ScServer::builder(KeyRing::daily()?, MemoryStore::default()).build());
/// let routes = page::routes().fold(routes, |routes, (path, methods)| routes.exempt(path, methods));
/// let app: axum::Router = routes.into_router();
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn routes() -> impl Iterator<Item = (&'static str, MethodRouter)> {
    ASSETS.into_iter().map(|asset| (asset.path, get(move || async move { asset.response() })))
}

/// One file of the page.
#[derive(Debug, Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn response(self) -> impl IntoResponse {
        let kind = (CONTENT_TYPE, HeaderValue::from_static(self.kind));
        let guards = GUARDS.map(|(name, value)| (name, HeaderValue::from_static(value)));
        ([kind], guards, self.content)
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 8] = [
    Asset { path: "/", kind: "text/html; charset=utf-8", content: include_str!("index.html") },
    Asset { path: "/page.css", kind: "text/css; charset=utf-8", content: include_str!("page.css") },
    Asset { path: "/icon.svg", kind: "image/svg+xml", content: include_str!("icon.svg") },
    Asset { path: "/page.mjs", kind: SCRIPT, content: include_str!("page.mjs") },
    Asset { path: "/dom.mjs", kind: SCRIPT, content: include_str!("dom.mjs") },
    Asset { path: "/steps.mjs", kind: SCRIPT, content: include_str!("steps.mjs") },
    Asset { path: "/hex.mjs", kind: SCRIPT, content: include_str!("hex.mjs") },
    Asset { path: "/scv2.mjs", kind: SCRIPT, content: include_str!("scv2.mjs") },
];

/// What every answer says beside its content. No caching: the files change with the program and must fit each other.
const GUARDS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    (CACHE_CONTROL, "no-store, no-transform"),
];
