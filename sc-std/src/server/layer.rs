//! The tower layer: what to protect, and under which message name.

use std::sync::Arc;

use http::request::Parts;
use tower_layer::Layer;

use crate::provider::DefaultAead;
use crate::server::{ScServer, ScService};
use crate::store::Store;

/// What the layer does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Opened, and its answer sealed.
    Sealed,
    /// Passed on as it is.
    Passed,
}

/// A predicate over requests.
type Protects = dyn Fn(&Parts) -> bool + Send + Sync;

/// Opens sealed requests and seals their answers.
///
/// By default everything behind the layer is protected; a plain request to it is refused. The session endpoints are
/// answered by the layer itself, unless [`ScLayer::without_endpoints`].
///
/// # Examples
/// A service that exists, of which a part is protected:
/// ```
/// # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))] {
/// use sc_std::{server::ScServer, store::MemoryStore};
///
/// fn protect(server: &ScServer<MemoryStore>, existing: axum::Router) -> axum::Router {
///     existing.layer(server.layer().with_protected(|request| request.uri.path().starts_with("/v2/")))
/// }
/// # }
/// ```
pub struct ScLayer<S: Store, A = DefaultAead> {
    server: ScServer<S, A>,
    rules: Arc<LayerRules>,
}

/// What one layer protects.
#[derive(Clone)]
pub(crate) struct LayerRules {
    pub(crate) endpoints: bool,
    pub(crate) name: Option<Arc<str>>,
    /// The channel caps bodies itself, so axum's default of 2 MB is lifted; a limit of the route's own stays.
    #[cfg(feature = "axum")]
    pub(crate) lifts_body_limit: bool,
    protects: Option<Arc<Protects>>,
}

impl LayerRules {
    pub(crate) fn treatment(&self, parts: &Parts) -> Treatment {
        match &self.protects {
            Some(protects) if !protects(parts) => Treatment::Passed,
            _ => Treatment::Sealed,
        }
    }
}

impl<S: Store, A> ScLayer<S, A> {
    pub(crate) fn new(server: ScServer<S, A>) -> Self {
        let rules = LayerRules {
            endpoints: true,
            name: None,
            #[cfg(feature = "axum")]
            lifts_body_limit: false,
            protects: None,
        };
        Self { server, rules: Arc::new(rules) }
    }

    /// Leaves the session endpoints to others. Default: the layer answers them.
    #[must_use]
    pub fn without_endpoints(mut self) -> Self {
        Arc::make_mut(&mut self.rules).endpoints = false;
        self
    }

    /// Sets the registered name of the one message behind this layer, which the bound profile authenticates: 1 to 255 bytes of
    /// visible ASCII, or every request is NOT_FOUND. Default: the request's path.
    #[must_use]
    pub fn with_message_name(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.rules).name = Some(Arc::from(name));
        self
    }

    /// Directly around the handlers of one route of axum.
    #[cfg(feature = "axum")]
    pub(crate) fn of_axum_route(mut self) -> Self {
        Arc::make_mut(&mut self.rules).lifts_body_limit = true;
        self
    }

    /// Protects only what the predicate says; the rest passes as it is, but for its `X-Request-Id`. Default: everything.
    ///
    /// # Security
    /// What the predicate leaves out is reached in the clear. A handler that takes [`Sealed`](crate::server::Sealed) or
    /// [`Channel`](crate::server::Channel) is not, whatever the predicate says.
    #[must_use]
    pub fn with_protected(mut self, protects: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.rules).protects = Some(Arc::new(protects));
        self
    }
}

impl<S: Store, A> Clone for ScLayer<S, A> {
    fn clone(&self) -> Self {
        Self { server: self.server.clone(), rules: Arc::clone(&self.rules) }
    }
}

impl<S: Store, A> std::fmt::Debug for ScLayer<S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScLayer").field("server", &self.server).finish_non_exhaustive()
    }
}

impl<T, S: Store, A> Layer<T> for ScLayer<S, A> {
    type Service = ScService<T, S, A>;

    fn layer(&self, inner: T) -> Self::Service {
        ScService::new(inner, self.server.clone(), Arc::clone(&self.rules))
    }
}
