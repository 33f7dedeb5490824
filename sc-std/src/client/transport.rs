//! What carries the client's requests: any HTTP library, behind one small trait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::error::TransportError;

/// Sends one HTTP request and gives its answer.
///
/// # What an implementation must do
/// - Follow no redirect: a redirect is an answer like any other, and the client refuses it.
/// - Stop reading when the body is longer than `max_body` bytes and fail with
///   [`TransportErrorKind::TooLarge`](super::TransportErrorKind::TooLarge), without collecting more than that.
/// - Not repeat a request by itself.
///
/// Time-outs for whole requests are the client's; dropping the future ends the request.
///
/// # Examples
/// `Balancer` in `examples/redis_fleet.rs` sends requests to two servers in turn.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, whose URI is absolute, and collects an answer of at most `max_body` bytes.
    ///
    /// # Errors
    /// [`TransportError`]; `Connect` only if nothing was sent.
    fn send(
        &self,
        request: Request<Bytes>,
        max_body: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>> + Send;
}

impl<T: Transport> Transport for Arc<T> {
    fn send(
        &self,
        request: Request<Bytes>,
        max_body: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>> + Send {
        (**self).send(request, max_body)
    }
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

/// [`Transport`] as a trait object, so that the client's type does not name it.
pub(crate) trait AnyTransport: Send + Sync {
    fn send_boxed(&self, request: Request<Bytes>, max_body: usize) -> Sent<'_>;
}

impl<T: Transport> AnyTransport for T {
    fn send_boxed(&self, request: Request<Bytes>, max_body: usize) -> Sent<'_> {
        Box::pin(self.send(request, max_body))
    }
}
