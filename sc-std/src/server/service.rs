//! The tower service: one request through the channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use sc_core::code::Code;
use sc_core::id::MessageName;
use sc_core::provider::Aead;
use sc_core::text;
use tower_service::Service;
use zeroize::Zeroizing;

use crate::rng::SystemSeeded;
use crate::server::endpoints::{Endpoint, MAX_SET_UP_BODY};
use crate::server::headers::request_id;
use crate::server::layer::{LayerRules, Treatment};
use crate::server::open::{Created, OpenedRequest};
use crate::server::reject::{
    EXPIRES_AT, IDLE_TIMEOUT, JSON, NO_STORE, REQUEST_ID, Reject, SESSION_ID, VERSION,
};
use crate::server::{Channel, ScServer, body};
use crate::store::Store;

/// What [`ScLayer`](crate::server::ScLayer) makes of a service.
pub struct ScService<T, S, A> {
    inner: T,
    server: ScServer<S, A>,
    rules: Arc<LayerRules>,
}

impl<T, S, A> ScService<T, S, A> {
    pub(crate) const fn new(inner: T, server: ScServer<S, A>, rules: Arc<LayerRules>) -> Self {
        Self { inner, server, rules }
    }
}

impl<T: Clone, S, A> Clone for ScService<T, S, A> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), server: self.server.clone(), rules: Arc::clone(&self.rules) }
    }
}

impl<T, S, A> std::fmt::Debug for ScService<T, S, A> {
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
        Box::pin(async move {
            let id = request_id(request.headers());
            let mut response = respond(&mut inner, &server, &rules, request).await?;
            response.headers_mut().insert(REQUEST_ID, id);
            Ok(response)
        })
    }
}

/// Answers one request: by an endpoint, by the inner service as it is, or through the channel.
async fn respond<T, S, A, ReqBody, ResBody>(
    inner: &mut T,
    server: &ScServer<S, A>,
    rules: &LayerRules,
    request: Request<ReqBody>,
) -> Result<Response<ResBody>, T::Error>
where
    T: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S: Store,
    A: Aead + Send + Sync + 'static,
    ReqBody: Body + From<Bytes>,
    ResBody: Body + From<Bytes>,
{
    if let Some(endpoint) = Endpoint::of(request.uri().path()).filter(|_| rules.endpoints) {
        return Ok(server.endpoint(endpoint, request).await);
    }
    let (mut parts, sealed) = request.into_parts();
    if rules.treatment(&parts) == Treatment::Passed {
        return inner.call(Request::from_parts(parts, sealed)).await;
    }
    let path = parts.uri.path().to_owned();
    let name = rules.name.as_deref().unwrap_or(&path);
    let (opened, channel) = match receive(server, &parts, sealed, name).await {
        Ok(received) => received,
        Err(reject) => return Ok(server.refuse(&reject)),
    };
    let OpenedRequest { plaintext, responder, created, as_text } = opened;
    to_plain(&mut parts, plaintext.len());
    parts.extensions.insert(channel);
    let answer = inner.call(Request::from_parts(parts, ReqBody::from(plaintext))).await?;

    let (mut head, answer) = answer.into_parts();
    // An informational status is no answer, and what follows it would not be read as one.
    let frame = match body::read_frame(answer, server.inner.max_plaintext).await {
        Ok(_) if head.status.is_informational() => Err(Reject::new(Code::InternalError)),
        frame => frame,
    };
    let mut frame = match frame {
        Ok(frame) => frame,
        Err(reject) => {
            tracing::error!(status = %head.status, "the handler's answer is no answer, too long, or broke off");
            head = empty_head(&reject);
            error_frame(server, &reject).await
        }
    };
    if responder.seal_in_place(&mut SystemSeeded, &mut frame).is_err() {
        // Never plaintext: a provider that cannot seal leaves nothing to send.
        return Ok(server.refuse(&Reject::new(Code::InternalError)));
    }
    let bytes = if as_text { to_text(&frame) } else { body::into_bytes(frame) };
    let mut response = Response::from_parts(head, ResBody::from(bytes));
    seal_head(server, &mut response, created.as_ref());
    Ok(response)
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
    let sealed = body::read(&parts.headers, sealed, max, server.inner.body_timeout).await?;
    let opened = server.open(&parts.headers, sealed, client, client_address, name).await?;
    let session = *opened.responder.session_id();
    Ok((opened, Channel { session, client_address, client }))
}

/// The request's head as the handler should see it: that of a plain JSON request.
fn to_plain(parts: &mut Parts, length: usize) {
    let headers = &mut parts.headers;
    for name in [TRANSFER_ENCODING, CONTENT_ENCODING, ACCEPT_ENCODING] {
        headers.remove(name);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, JSON);
}

/// The answer's head as the wire should see it.
fn seal_head<S, A, B>(server: &ScServer<S, A>, response: &mut Response<B>, created: Option<&Created>) {
    // These three may carry no body, and a sealed answer is one (PROTOCOL 10.9).
    if matches!(response.status().as_u16(), 204 | 205 | 304) {
        *response.status_mut() = StatusCode::OK;
    }
    let headers = response.headers_mut();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(VERSION, HeaderValue::from_static("2"));
    if let Some(created) = created {
        if let Ok(id) = HeaderValue::from_str(&created.id.to_text()) {
            headers.insert(SESSION_ID, id);
        }
        headers.insert(EXPIRES_AT, HeaderValue::from(created.expires_at.0));
        headers.insert(IDLE_TIMEOUT, HeaderValue::from(server.inner.idle_timeout));
    }
}

/// The head of an error answer, without its body.
fn empty_head(reject: &Reject) -> http::response::Parts {
    let (head, _) = reject.to_response::<Bytes>(sc_core::id::UnixMillis(0)).into_parts();
    head
}

/// An error answer in a frame to be sealed.
async fn error_frame<S: Store, A: Aead + Send + Sync + 'static>(
    server: &ScServer<S, A>,
    reject: &Reject,
) -> Zeroizing<Vec<u8>> {
    let body = reject.to_response::<Bytes>(server.now()).into_body();
    let body = http_body_util::Full::new(body);
    body::read_frame(body, usize::MAX).await.unwrap_or_default()
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
        let answer = async {
            endpoint.check_method(&parts.method)?;
            match endpoint {
                Endpoint::PublicKey => self.public_key(),
                Endpoint::Close => self.close(&parts.headers).await,
                Endpoint::Session => {
                    let client = self.inner.headers.check(&parts.headers)?;
                    let address = self.inner.headers.client_address(&parts);
                    let sent =
                        body::read(&parts.headers, sent, MAX_SET_UP_BODY, self.inner.body_timeout).await?;
                    self.set_up(&sent, client, address).await
                }
            }
        };
        match answer.await {
            Ok(response) => response,
            Err(reject) => self.refuse(&reject),
        }
    }

    /// A plain refusal.
    pub(crate) fn refuse<R: From<Bytes>>(&self, reject: &Reject) -> Response<R> {
        let cause = reject.refusal().map(ToString::to_string);
        tracing::debug!(code = %reject.code(), cause, "refused");
        reject.to_response(self.now())
    }
}
