//! One tracing span for each request: what came in, what became of it, nothing of what it held.
//!
//! The span is `scv2.request`, at debug level, with the fields `request_id` (always a UUID), `kind`, `code` and
//! `status`; the last three are recorded at its end. Within it, at trace level, lie a span `scv2.store` for each call of
//! the store and an event for each private operation, with its waiting and running time. Where nobody listens, nothing
//! is formatted.

use http::Response;
use http::header::HeaderValue;
use sc_core::code::Code;
use tracing::Span;
use tracing::field::Empty;

/// The code of an error answer, as an extension of the response: for the span and the figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome(pub(crate) Code);

/// The span of a request. `id` is a UUID by now, whatever the client sent.
pub(crate) fn of_request(id: &HeaderValue) -> Span {
    tracing::debug_span!(
        "scv2.request",
        request_id = id.to_str().unwrap_or_default(),
        kind = Empty,
        code = Empty,
        status = Empty,
    )
}

/// Says what kind of request it is: a name of ours, nothing that was sent.
pub(crate) fn is(span: &Span, kind: &'static str) {
    span.record("kind", kind);
}

/// Says what became of the request.
pub(crate) fn ended<B>(span: &Span, response: &Response<B>) {
    if span.is_disabled() {
        return;
    }
    span.record("status", response.status().as_u16());
    if let Some(Outcome(code)) = response.extensions().get() {
        span.record("code", code.as_str());
    } else if response.status().is_success() {
        span.record("code", Code::Success.as_str());
    }
}
