//! The tower service: one request through the channel.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderName, HeaderValue, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use sc_core::code::Code;
use sc_core::id::{MessageName, SessionId};
use sc_core::provider::Aead;
use sc_core::server::Refusal;
use sc_core::text;
use tower_service::Service;
use tracing::{Instrument, Span};

use crate::buffer::Buffer;
use crate::language::Language;
use crate::names::{EXPIRES_AT, IDLE_TIMEOUT, REQUEST_ID, SESSION_ID, VERSION};
use crate::rng::SystemSeeded;
use crate::server::endpoints::{Endpoint, MAX_SET_UP_BODY};
use crate::server::headers::{request_id, single};
use crate::server::layer::{LayerRules, Treatment};
use crate::server::localize::{OnlySealed, finish_plain, localize};
use crate::server::open::{Created, OpenedRequest};
use crate::server::reject::{JSON, NO_STORE, Reject};
use crate::server::span::Outcome;
use crate::server::{Channel, ScServer, body, span};
use crate::stack::Wiped;
use crate::store::Store;

/// What tells about the plaintext of an answer, or holds for it only.
const OF_THE_PLAINTEXT: [HeaderName; 10] = [
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    ETAG,
    LAST_MODIFIED,
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-md5"),
];

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
        let known = span.clone();
        let answer = async move {
            let mut response = respond(&mut inner, &server, &rules, request, &known).await?;
            response.headers_mut().insert(REQUEST_ID, id);
            span::ended(&known, &response);
            Ok(response)
        };
        Box::pin(answer.instrument(span))
    }
}

/// Answers one request: by an endpoint, by the inner service as it is, or through the channel.
async fn respond<T, S, A, ReqBody, ResBody>(
    inner: &mut T,
    server: &ScServer<S, A>,
    rules: &LayerRules,
    request: Request<ReqBody>,
    span: &Span,
) -> Result<Response<ResBody>, T::Error>
where
    T: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S: Store,
    A: Aead + Send + Sync + 'static,
    ReqBody: Body + From<Bytes>,
    ResBody: Body + From<Bytes>,
{
    if rules.endpoints
        && let Some(endpoint) = Endpoint::of(original_path(&request))
    {
        span::is(span, endpoint.name());
        // Boxed, as all that is rare: an ordinary request would carry room for it.
        return Ok(Box::pin(server.endpoint(endpoint, request)).await);
    }
    let path = if rules.name.is_none() { original_path(&request).to_owned() } else { String::new() };
    let language = Language::of_headers(request.headers());
    let (mut parts, sealed) = request.into_parts();
    if rules.treatment(&parts) == Treatment::Passed {
        span::is(span, "passed");
        let answer = inner.call(Request::from_parts(parts, sealed)).await?;
        return Ok(finish_plain(answer, language, || server.now()).await);
    }
    let name = rules.name.as_deref().unwrap_or(&path);
    let (opened, channel) = match receive(server, &parts, sealed, name).await {
        Ok(received) => received,
        Err(reject) => {
            span::is(span, "sealed");
            return Ok(server.refuse(&reject, language));
        }
    };
    let OpenedRequest { plaintext, responder, created, as_text } = opened;
    span::is(span, if created.is_some() { "inline" } else { "sealed" });
    server.inner.meter.opened.one();
    let session = channel.session;
    to_plain(&mut parts, plaintext.len());
    parts.extensions.insert(channel);
    let request = Request::from_parts(parts, ReqBody::from(plaintext));
    #[cfg(feature = "axum")]
    let request = lift_body_limit(rules, request);
    let (head, mut frame) = match handle(inner, request, language, server.inner.max_plaintext).await {
        Ok(answer) => answer,
        Err(reject) => Box::pin(error_frame(server, &reject, language)).await,
    };
    if responder.seal_in_place(&mut SystemSeeded, &mut frame).is_err() {
        // Never plaintext: a provider that cannot seal leaves nothing to send.
        return Ok(server.refuse(&Reject::new(Code::InternalError), language));
    }
    server.inner.meter.sealed.one();
    if let Some(Outcome(code)) = head.extensions.get() {
        server.inner.meter.refused(*code);
    }
    let bytes = if as_text { to_text(&frame) } else { frame.into_public() };
    let mut response = Response::from_parts(head, ResBody::from(bytes));
    seal_head(server, &mut response, &session, created.as_ref());
    Ok(response)
}

/// The inner service's answer in a frame to be sealed. A request that has opened is owed a sealed answer, so a handler
/// that panics, fails, or answers too much becomes an error like any other (PROTOCOL 5).
async fn handle<T, ReqBody, ResBody>(
    inner: &mut T,
    request: Request<ReqBody>,
    language: Language,
    max_plaintext: usize,
) -> Result<(http::response::Parts, Buffer), Reject>
where
    T: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body + From<Bytes>,
{
    let internal = || Reject::new(Code::InternalError);
    let answer = async {
        let answer = inner.call(request).await.map_err(|_| "the handler's service failed")?;
        let (head, answer) = localize(answer, language).await.into_parts();
        if head.status.is_informational() {
            // What follows it would not be read as an answer.
            return Err("the handler answered with an informational status");
        }
        let frame = body::read_frame(answer, max_plaintext).await;
        frame.map(|frame| (head, frame)).map_err(|_| "the handler's answer is too long or broke off")
    };
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(cause)) => {
            tracing::error!(cause, "no answer from the handler");
            Err(internal())
        }
        Err(_) => {
            tracing::error!(cause = "the handler panicked", "no answer from the handler");
            Err(internal())
        }
    }
}

/// As a route of axum wants it.
#[cfg(feature = "axum")]
fn lift_body_limit<B>(rules: &LayerRules, mut request: Request<B>) -> Request<B> {
    if rules.lifts_body_limit {
        axum::extract::DefaultBodyLimit::disable().apply(&mut request);
    }
    request
}

/// The path as the client sent it, also where a router has stripped a prefix.
fn original_path<B>(request: &Request<B>) -> &str {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(uri)) = request.extensions().get() {
        return uri.path();
    }
    request.uri().path()
}

/// Everything up to the moment when the request has opened.
async fn receive<'n, S: Store, A: Aead + Send + Sync + 'static, B: Body>(
    server: &ScServer<S, A>,
    parts: &Parts,
    sealed: B,
    name: &'n str,
) -> Result<(OpenedRequest<'n, A>, Channel), Reject> {
    // First, as 404 and 405 are everywhere (PROTOCOL 5).
    let name = MessageName::new(name).map_err(|_| Reject::new(Code::NotFound))?;
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Err(Reject::new(Code::MethodNotAllowed));
    }
    let client = server.inner.headers.check(&parts.headers)?;
    let client_address = server.inner.headers.client_address(parts);
    let max = if server.inner.text_envelope {
        text::encoded_len(server.inner.max_body)
    } else {
        server.inner.max_body
    };
    let inner = &server.inner;
    let (sealed, large) =
        body::read(&parts.headers, sealed, max, inner.body_timeout, &inner.large_bodies).await?;
    let opened = server.open(&parts.headers, sealed, client, client_address, name).await?;
    // The body has opened: from here on its sender is a client that holds a session.
    drop(large);
    let session = *opened.responder.session_id();
    Ok((opened, Channel { session, client_address, client }))
}

/// The request's head as the handler should see it: that of a plain JSON request.
fn to_plain(parts: &mut Parts, length: usize) {
    let headers = &mut parts.headers;
    remove(headers, &[TRANSFER_ENCODING, CONTENT_ENCODING, ACCEPT_ENCODING]);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, JSON);
}

/// Removes headers. Most messages have none or one of them: a walk over what is there is cheaper than a look-up for each.
fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    while let Some(name) = headers.keys().find(|name| names.contains(name)).cloned() {
        headers.remove(name);
    }
}

/// The answer's head as the wire should see it.
fn seal_head<S: Store, A, B>(
    server: &ScServer<S, A>,
    response: &mut Response<B>,
    session: &SessionId,
    created: Option<&Created>,
) {
    // These three may carry no body, and a sealed answer is one (PROTOCOL 10.9).
    if matches!(response.status().as_u16(), 204 | 205 | 304) {
        *response.status_mut() = StatusCode::OK;
    }
    response.extensions_mut().remove::<OnlySealed>();
    let headers = response.headers_mut();
    remove(headers, &OF_THE_PLAINTEXT);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(VERSION, HeaderValue::from_static("2"));
    if let Some(created) = created {
        if let Ok(id) = HeaderValue::from_str(session.as_str()) {
            headers.insert(SESSION_ID, id);
        }
        headers.insert(EXPIRES_AT, HeaderValue::from(created.expires_at.0));
        if let Some(seconds) = server.inner.idle_timeout {
            headers.insert(IDLE_TIMEOUT, HeaderValue::from(seconds));
        }
    }
}

/// An error answer: its head, and its body in a frame to be sealed.
async fn error_frame<S: Store, A: Aead + Send + Sync + 'static>(
    server: &ScServer<S, A>,
    reject: &Reject,
    language: Language,
) -> (http::response::Parts, Buffer) {
    let (head, body) = reject.to_response::<Bytes>(server.now(), language).into_parts();
    let body = http_body_util::Full::new(body);
    (head, body::read_frame(body, usize::MAX).await.unwrap_or_default())
}

/// The text form of a sealed envelope.
fn to_text(envelope: &[u8]) -> Bytes {
    let mut out = vec![0; text::encoded_len(envelope.len())];
    let written = text::encode(envelope, &mut out).map_or(0, <[u8]>::len);
    out.truncate(written);
    Bytes::from(out)
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
