//! One sealed request: opened, handled, and answered sealed.

use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::Either;
use futures_util::{FutureExt, TryFutureExt};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use sc_core::code::Code;
use sc_core::id::{MessageName, SessionId};
use sc_core::provider::Aead;
use sc_core::server::{Refusal, Responder};
use sc_core::text;
use tower_service::Service;
use tracing::Span;

use crate::buffer::Buffer;
use crate::language::Language;
use crate::names::{EXPIRES_AT, IDLE_TIMEOUT, SESSION_ID, VERSION};
use crate::rng::SystemSeeded;
use crate::server::layer::LayerRules;
use crate::server::localize::{OnlySealed, localize};
use crate::server::open::{Created, OpenedRequest};
use crate::server::reject::{JSON, NO_STORE, Reject};
use crate::server::service::ended;
use crate::server::span::{self, Outcome};
use crate::server::{Channel, ScServer, body};
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

/// One request for the channel, and all that its answer takes.
pub(crate) struct Exchange<T, S: Store, A, ReqBody> {
    pub(crate) inner: T,
    pub(crate) server: ScServer<S, A>,
    pub(crate) rules: Arc<LayerRules>,
    /// The message's name, if the rules have none: the request's path.
    pub(crate) path: Option<String>,
    pub(crate) parts: Parts,
    pub(crate) sent: ReqBody,
    pub(crate) id: HeaderValue,
    pub(crate) span: Span,
}

impl<T, S, A, ReqBody, ResBody> Exchange<T, S, A, ReqBody>
where
    T: Service<Request<ReqBody>, Response = Response<ResBody>> + Send,
    T::Future: Send,
    S: Store,
    A: Aead + Send + Sync + 'static,
    ReqBody: Body + From<Bytes> + Send,
    ReqBody::Data: Send,
    ResBody: Body + From<Bytes> + Send,
    ResBody::Data: Send,
{
    /// Opens the request, has it handled, and seals the answer.
    ///
    /// The future of every request lives on the heap, and beyond 1,032 bytes glibc does not keep a place for the next
    /// one at hand. So: arguments of an `async fn` would be kept twice, and so is what is matched on or taken apart while
    /// something is waited for; and what comes before the handler is in a box of its own.
    pub(crate) fn run(self) -> impl Future<Output = Response<ResBody>> + Send {
        let Self { mut inner, server, rules, path, parts, sent, id, span } = self;
        async move {
            let language = Language::of_headers(&parts.headers);
            let name = path.as_deref().or(rules.name.as_deref()).unwrap_or_default();
            let (call, owed) = match Box::pin(receive(&server, &parts, sent, name)).await {
                Ok(received) => begin(&mut inner, &server, &rules, parts, received, language, &span),
                Err(reject) => {
                    span::is(&span, "sealed");
                    // The registered name only: a path may tell something about the client.
                    if let (Some(Refusal::NotOpened), Some(name)) = (reject.refusal(), &rules.name) {
                        let cause = "the body was changed on its way, or the client calls the message by another name";
                        tracing::debug!(%name, cause, "a message did not open");
                    }
                    return ended(server.refuse(&reject, language), id, &span);
                }
            };
            let fail = |cause| {
                tracing::error!(cause, "no answer from the handler");
                error_frame(&server, &Reject::new(Code::InternalError), language)
            };
            let (head, body) = match call.await {
                Ok(answer) => answer,
                Err(cause) => return ended(owed.seal(&server, language, fail(cause)), id, &span),
            };
            // The body of an answer is the handler's too.
            let frame = AssertUnwindSafe(body::read_frame(body, server.inner.max_plaintext)).catch_unwind();
            let framed = match frame.await {
                Ok(Ok(frame)) => (head, frame),
                Ok(Err(_)) => fail("the handler's answer is too long or broke off"),
                Err(_) => fail(PANICKED),
            };
            ended(owed.seal(&server, language, framed), id, &span)
        }
    }
}

/// Why a handler gave no answer. A request that has opened is owed a sealed one all the same (PROTOCOL 5).
type NoAnswer = &'static str;
const PANICKED: NoAnswer = "the handler panicked";

/// Hands an opened request to the service behind the layer.
fn begin<'n, T, S, A, ReqBody, ResBody>(
    inner: &mut T,
    server: &ScServer<S, A>,
    rules: &LayerRules,
    mut parts: Parts,
    (opened, channel): (OpenedRequest<'n, A>, Channel),
    language: Language,
    span: &Span,
) -> (impl Future<Output = Result<Answer<ResBody>, NoAnswer>> + use<'n, T, S, A, ReqBody, ResBody>, Owed<'n, A>)
where
    T: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S: Store,
    ReqBody: From<Bytes>,
    ResBody: Body + From<Bytes>,
{
    let OpenedRequest { plaintext, responder, created, as_text } = opened;
    span::is(span, if created.is_some() { "inline" } else { "sealed" });
    server.inner.meter.opened.one();
    to_plain(&mut parts, plaintext.len());
    parts.extensions.insert(channel);
    let request = Request::from_parts(parts, ReqBody::from(plaintext));
    #[cfg(feature = "axum")]
    let request = lift_body_limit(rules, request);
    #[cfg(not(feature = "axum"))]
    let _ = rules;
    let call = match catch_unwind(AssertUnwindSafe(|| inner.call(request))) {
        Ok(call) => {
            let call = call.map_err(|_| "the handler's service failed");
            let answer = call.and_then(move |answer| localize(answer, language).map(final_answer));
            let answer = AssertUnwindSafe(answer).catch_unwind();
            Either::Left(answer.map(|answer| answer.unwrap_or(Err(PANICKED))))
        }
        Err(_) => Either::Right(ready(Err(PANICKED))),
    };
    (call, Owed { responder, created, as_text })
}

/// Head and body of a handler's answer.
type Answer<B> = (http::response::Parts, B);

fn final_answer<B>(answer: Response<B>) -> Result<Answer<B>, NoAnswer> {
    if answer.status().is_informational() {
        // What follows it would not be read as an answer.
        return Err("the handler answered with an informational status");
    }
    Ok(answer.into_parts())
}

/// What is owed to a request that has opened: one sealed answer.
struct Owed<'n, A> {
    responder: Responder<'n, A>,
    created: Option<Created>,
    as_text: bool,
}

impl<A: Aead + Send + Sync + 'static> Owed<'_, A> {
    fn seal<S: Store, B: From<Bytes>>(
        self,
        server: &ScServer<S, A>,
        language: Language,
        (head, mut frame): (http::response::Parts, Buffer),
    ) -> Response<B> {
        let Self { responder, created, as_text } = self;
        let session = *responder.session_id();
        if responder.seal_in_place(&mut SystemSeeded, &mut frame).is_err() {
            // Never plaintext: a provider that cannot seal leaves nothing to send.
            return server.refuse(&Reject::new(Code::InternalError), language);
        }
        server.inner.meter.sealed.one();
        if let Some(Outcome(code)) = head.extensions.get() {
            server.inner.meter.refused(*code);
        }
        let bytes = if as_text { to_text(&frame) } else { frame.into_public() };
        let mut response = Response::from_parts(head, B::from(bytes));
        seal_head(server, &mut response, &session, created.as_ref());
        response
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

/// Everything up to the moment when the request has opened.
#[allow(clippy::manual_async_fn, reason = "it would keep room for its arguments twice")]
fn receive<'n, S: Store, A: Aead + Send + Sync + 'static, B: Body + Send>(
    server: &ScServer<S, A>,
    parts: &Parts,
    sent: B,
    name: &'n str,
) -> impl Future<Output = Result<(OpenedRequest<'n, A>, Channel), Reject>> + Send
where
    B::Data: Send,
{
    async move {
        // First, as 404 and 405 are everywhere (PROTOCOL 5).
        let name = MessageName::new(name).map_err(|_| Reject::new(Code::NotFound))?;
        if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Err(Reject::new(Code::MethodNotAllowed));
        }
        let inner = &server.inner;
        let client = inner.headers.check(&parts.headers)?;
        let address = inner.headers.client_address(parts);
        let max = if inner.text_envelope { text::encoded_len(inner.max_body) } else { inner.max_body };
        let (sealed, large) =
            body::read(&parts.headers, sent, max, inner.body_timeout, &inner.large_bodies).await?;
        let opened = server.open(&parts.headers, sealed, client, address, name).await?;
        // The body has opened: from here on its sender is a client that holds a session.
        drop(large);
        let session = *opened.responder.session_id();
        Ok((opened, Channel { session, client_address: address, client }))
    }
}

/// The request's head as the handler should see it: that of a plain JSON request.
fn to_plain(parts: &mut Parts, length: usize) {
    let headers = &mut parts.headers;
    remove(headers, &[TRANSFER_ENCODING, CONTENT_ENCODING, ACCEPT_ENCODING]);
    set(headers, CONTENT_LENGTH, HeaderValue::from(length));
    set(headers, CONTENT_TYPE, JSON);
}

/// As `insert`, which makes room for one more first even where it replaces: a map that is just full would grow.
fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let several = headers.get_all(&name).iter().nth(1).is_some();
    match headers.get_mut(&name) {
        Some(held) if !several => *held = value,
        _ => drop(headers.insert(name, value)),
    }
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
fn error_frame<S: Store, A: Aead + Send + Sync + 'static>(
    server: &ScServer<S, A>,
    reject: &Reject,
    language: Language,
) -> (http::response::Parts, Buffer) {
    let (head, body) = reject.to_response::<Bytes>(server.now(), language).into_parts();
    (head, body::frame(&body))
}

/// The text form of a sealed envelope.
fn to_text(envelope: &[u8]) -> Bytes {
    let mut out = vec![0; text::encoded_len(envelope.len())];
    let written = text::encode(envelope, &mut out).map_or(0, <[u8]>::len);
    out.truncate(written);
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_replaced_whole_and_a_full_map_does_not_grow() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.append(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        set(&mut headers, CONTENT_TYPE, JSON);
        assert_eq!(headers.get_all(CONTENT_TYPE).iter().collect::<Vec<_>>(), [&JSON]);
        set(&mut headers, ETAG, HeaderValue::from_static("new"));
        assert_eq!((headers.len(), &headers[ETAG]), (2, &HeaderValue::from_static("new")));
        for number in headers.len()..headers.capacity() {
            headers.insert(HeaderName::try_from(format!("x-{number}")).unwrap(), JSON);
        }
        let full = headers.capacity();
        set(&mut headers, ETAG, HeaderValue::from_static("newer"));
        assert_eq!((headers.capacity(), &headers[ETAG]), (full, &HeaderValue::from_static("newer")));
    }
}
