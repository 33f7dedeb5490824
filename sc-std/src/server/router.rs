//! Routes for axum: each is registered as sealed, plain or exempt, and listed as such.
//!
//! An axum `Router` cannot be enumerated, so a forgotten route would go unnoticed. [`ScRouter`] registers and lists
//! them, puts the channel around the sealed ones, adds the session endpoints, and answers 404 and 405 in JSON before
//! the channel is looked at (PROTOCOL 5, 10.13).

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use sc_core::code::Code;
use sc_core::provider::Aead;
use tracing::Instrument;

use crate::clock::{Clock, SystemClock};
use crate::language::Language;
use crate::message::Message;
use crate::names::{CLOSE_PATH, PUBLIC_KEY_PATH, REQUEST_ID, SESSION_PATH};
use crate::provider::DefaultAead;
use crate::server::endpoints::Endpoint;
use crate::server::headers::request_id;
use crate::server::localize::finish_plain;
use crate::server::reject::NO_STORE;
use crate::server::{Reject, ScServer, localize, span};
use crate::store::Store;

/// How a route is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteKind {
    /// Only through the channel.
    Sealed,
    /// In the clear, on purpose: nothing confidential passes.
    Plain,
    /// No part of the service that the channel is about: health checks, metrics.
    Exempt,
    /// The channel's own endpoints.
    Channel,
}

/// Routes of one service.
///
/// # Examples
/// ```
/// use axum::routing::{get, post};
/// use sc_std::keys::KeyRing;
/// use sc_std::server::{ScRouter, ScServer, Sealed};
/// use sc_std::store::MemoryStore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = ScServer::builder(KeyRing::daily()?, MemoryStore::default()).build();
/// let app: axum::Router = ScRouter::new(server)
///     .sealed("/echo", "echo", post(|Sealed(body): Sealed<serde_json::Value>| async { Sealed(body) }))
///     .exempt("/healthz", get(|| async { "ok" }))
///     .into_router();
/// # Ok(())
/// # }
/// ```
pub struct ScRouter<S: Store, A = DefaultAead> {
    server: ScServer<S, A>,
    router: Router,
    listed: Vec<(String, RouteKind)>,
}

impl<S: Store, A: Aead + Send + Sync + 'static> ScRouter<S, A> {
    /// A router with the session endpoints and nothing else.
    #[must_use]
    pub fn new(server: ScServer<S, A>) -> Self {
        let mut router = Router::new();
        let mut listed = Vec::new();
        for (path, endpoint) in [
            (PUBLIC_KEY_PATH, Endpoint::PublicKey),
            (SESSION_PATH, Endpoint::Session),
            (CLOSE_PATH, Endpoint::Close),
        ] {
            let server = server.clone();
            let handler = move |request: Request| {
                let server = server.clone();
                let span = span::of_request(&request_id(request.headers()));
                span::is(&span, endpoint.name());
                let known = span.clone();
                let answer = async move {
                    let response = server.endpoint::<_, axum::body::Body>(endpoint, request).await;
                    span::ended(&known, &response);
                    response
                };
                answer.instrument(span)
            };
            router = router.route(path, finished(any(handler)));
            listed.push((path.to_owned(), RouteKind::Channel));
        }
        Self { server, router, listed }
    }

    /// Adds a route that is reached only through the channel. `name` is the message's registered name, which the bound
    /// profile authenticates: 1 to 255 bytes of visible ASCII, or every request is NOT_FOUND. A request has a body, so GET, HEAD
    /// and OPTIONS are METHOD_NOT_ALLOWED whatever `methods` says (PROTOCOL 5).
    ///
    /// # Panics
    /// As axum's `Router::route` does: if the path does not begin with `/`, or there is a route for it already, the
    /// channel's own three among them.
    #[must_use]
    pub fn sealed(mut self, path: &str, name: &str, methods: MethodRouter) -> Self {
        let layer = self.server.layer().without_endpoints().with_message_name(name).of_axum_route();
        // Around everything, `any` handlers and a fallback of the caller's own among it: nothing of the route is
        // reached in the clear. The default fallback is replaced by `into_router`, so 405 still comes first.
        self.router = self.router.route(path, methods.layer(layer));
        self.listed.push((path.to_owned(), RouteKind::Sealed));
        self
    }

    /// Adds a message: a route that is reached only through the channel, under the message's own path and name.
    ///
    /// # Panics
    /// As [`ScRouter::sealed`].
    ///
    /// # Examples
    /// See `examples/change_password.rs`.
    #[must_use]
    pub fn message<M: Message>(self, methods: MethodRouter) -> Self {
        self.sealed(M::PATH, M::NAME, methods)
    }

    /// Adds a route in the clear, on purpose.
    ///
    /// # Panics
    /// As [`ScRouter::sealed`].
    #[must_use]
    pub fn plain(mut self, path: &str, methods: MethodRouter) -> Self {
        self.router = self.router.route(path, finished(methods));
        self.listed.push((path.to_owned(), RouteKind::Plain));
        self
    }

    /// Adds a route that is no part of the service that the channel is about, such as a health check.
    ///
    /// # Panics
    /// As [`ScRouter::sealed`].
    #[must_use]
    pub fn exempt(mut self, path: &str, methods: MethodRouter) -> Self {
        self.router = self.router.route(path, finished(methods));
        self.listed.push((path.to_owned(), RouteKind::Exempt));
        self
    }

    /// Every route and how it is reached, in the order of registration: log it at start.
    #[must_use]
    pub fn routes(&self) -> &[(String, RouteKind)] {
        &self.listed
    }

    /// The routes as one axum router, with a fallback that answers 404 in the protocol's form.
    ///
    /// It merges with a router that has no fallback of its own. One that has is wrapped by
    /// [`ScServer::layer`](crate::server::ScServer::layer) instead: two fallbacks make axum's `merge` panic.
    pub fn into_router(self) -> Router {
        let Self { server, router, .. } = self;
        let (missing, method) = (server.clone(), server);
        router
            .fallback(move |request: Request| async move { refuse(&missing, request, Code::NotFound) })
            .method_not_allowed_fallback(move |request: Request| async move {
                refuse(&method, request, Code::MethodNotAllowed)
            })
    }
}

/// What is refused before any route: 404 and 405.
fn refuse<S: Store, A: Aead + Send + Sync + 'static>(
    server: &ScServer<S, A>,
    request: Request,
    code: Code,
) -> Response {
    let headers = request.headers();
    let mut response = server.refuse::<axum::body::Body>(&Reject::new(code), Language::of_headers(headers));
    response.headers_mut().insert(REQUEST_ID, request_id(headers));
    response
}

/// Puts what holds for every answer around routes in the clear. A sealed route has it from its layer.
fn finished(methods: MethodRouter) -> MethodRouter {
    methods.layer(from_fn_with_state((), finish))
}

/// What holds for every answer: `X-Request-Id` is echoed (PROTOCOL 10.16), and handlers see the same one; a [`Reject`]
/// of a plain route is in the request's language; nothing but what says so itself is kept on the way (PROTOCOL 10.9).
async fn finish(State(()): State<()>, mut request: Request, next: Next) -> Response {
    let language = Language::of_headers(request.headers());
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let response = next.run(request).await;
    let mut response = finish_plain(response, language, || SystemClock::new().now()).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
    response
}

impl<S: Store, A> std::fmt::Debug for ScRouter<S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScRouter").field("routes", &self.listed).finish_non_exhaustive()
    }
}

impl IntoResponse for Reject {
    /// In English; a layer or router of this crate around the handler puts it in the request's language.
    fn into_response(self) -> Response {
        localize::first(self, SystemClock::new().now())
    }
}
