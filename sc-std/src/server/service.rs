//! The tower service: which way a request goes, and what holds for every answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ALLOW, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use sc_core::code::Code;
use sc_core::provider::Aead;
use sc_core::server::Refusal;
use tower_service::Service;
use tracing::{Instrument, Span};

use crate::language::Language;
use crate::names::{REQUEST_ID, VERSION};
use crate::server::endpoints::{Endpoint, MAX_SET_UP_BODY};
use crate::server::exchange::Exchange;
use crate::server::headers::{request_id, single};
use crate::server::layer::{LayerRules, Treatment};
use crate::server::localize::finish_plain;
use crate::server::reject::Reject;
use crate::server::{ScServer, body, span};
use crate::stack::Wiped;
use crate::store::Store;

/// What [`ScLayer`](crate::server::ScLayer) makes of a service.
pub struct ScService<T, S: Store, A> {
    inner: T,
    server: ScServer<S, A>,
    rules: Arc<LayerRules>,
}

impl<T, S: Store, A> ScService<T, S, A> {
    pub(crate) const fn new(inner: T, server: ScServer<S, A>, rules: Arc<LayerRules>) -> Self {
        Self { inner, server, rules }
    }
}

impl<T: Clone, S: Store, A> Clone for ScService<T, S, A> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), server: self.server.clone(), rules: Arc::clone(&self.rules) }
    }
}

impl<T, S: Store, A> std::fmt::Debug for ScService<T, S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScService").field("server", &self.server).finish_non_exhaustive()
    }
}

impl<T, S, A, ReqBody, ResBody> Service<Request<ReqBody>> for ScService<T, S, A>
where
    T: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    T::Future: Send,
    S: Store,
    A: Aead + Send + Sync + 'static,
    ReqBody: Body + From<Bytes> + Send + 'static,
    ReqBody::Data: Send,
    ResBody: Body + From<Bytes> + Send + 'static,
    ResBody::Data: Send,
{
    type Response = Response<ResBody>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    /// Each way is a future of its own: together, every request would carry room for the largest of them.
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The service that was polled ready is the one to call; the clone waits for its own turn.
        let waiting = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, waiting);
        let (server, rules) = (self.server.clone(), Arc::clone(&self.rules));
        let id = request_id(request.headers());
        // The handler sees the id that the answer carries.
        let mut request = request;
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let span = span::of_request(&id);
        if rules.endpoints
            && let Some(endpoint) = Endpoint::of(original_path(&request))
        {
            span::is(&span, endpoint.name());
            let known = span.clone();
            let answer = async move { Ok(ended(server.endpoint(endpoint, request).await, id, &known)) };
            return Box::pin(answer.instrument(span));
        }
        let path = if rules.name.is_none() { Some(original_path(&request).to_owned()) } else { None };
        let (parts, sent) = request.into_parts();
        if rules.treatment(&parts) == Treatment::Passed {
            span::is(&span, "passed");
            let known = span.clone();
            let answer = async move {
                let language = Language::of_headers(&parts.headers);
                let answer = inner.call(Request::from_parts(parts, sent)).await?;
                Ok(ended(finish_plain(answer, language, || server.now()).await, id, &known))
            };
            return Box::pin(answer.instrument(span));
        }
        let exchange = Exchange { inner, server, rules, path, parts, sent, id, span: span.clone() };
        Box::pin(exchange.run().map(Ok).instrument(span))
    }
}

/// What holds for every answer.
pub(crate) fn ended<B>(mut response: Response<B>, id: HeaderValue, span: &Span) -> Response<B> {
    response.headers_mut().insert(REQUEST_ID, id);
    span::ended(span, &response);
    response
}

/// The path as the client sent it, also where a router has stripped a prefix.
fn original_path<B>(request: &Request<B>) -> &str {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(uri)) = request.extensions().get() {
        return uri.path();
    }
    request.uri().path()
}

impl<S: Store, A: Aead + Send + Sync + 'static> ScServer<S, A> {
    /// Answers one of the channel's own endpoints.
    pub(crate) async fn endpoint<B: Body, R: From<Bytes>>(
        &self,
        endpoint: Endpoint,
        request: Request<B>,
    ) -> Response<R> {
        let (parts, sent) = request.into_parts();
        let language = Language::of_headers(&parts.headers);
        if !endpoint.takes(&parts.method) {
            let mut refused = self.refuse::<R>(&Reject::new(Code::MethodNotAllowed), language);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static(endpoint.allowed()));
            return refused;
        }
        let answer = async {
            match endpoint {
                Endpoint::PublicKey => self.public_key(),
                Endpoint::Close => self.close(&parts.headers).await,
                Endpoint::Session => {
                    let client = self.inner.headers.check(&parts.headers)?;
                    let address = self.inner.headers.client_address(&parts);
                    let inner = &self.inner;
                    let (timeout, large) = (inner.body_timeout, &inner.large_bodies);
                    let (sent, _) = body::read(&parts.headers, sent, MAX_SET_UP_BODY, timeout, large).await?;
                    let version = single(&parts.headers, &VERSION)?;
                    if version.is_some_and(|version| version != "2") {
                        return Err(Refusal::VersionHeader.into());
                    }
                    Wiped::new(self.set_up(&sent, client, address)).await
                }
            }
        };
        match answer.await {
            Ok(response) => response,
            Err(reject) => self.refuse(&reject, language),
        }
    }

    /// A plain refusal.
    pub(crate) fn refuse<R: From<Bytes>>(&self, reject: &Reject, language: Language) -> Response<R> {
        self.inner.meter.refused(reject.code());
        let cause = reject.refusal().map(tracing::field::display);
        tracing::debug!(code = %reject.code(), cause, "refused");
        reject.to_response(self.now(), language)
    }
}
