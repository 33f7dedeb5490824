//! The transport on reqwest: rustls on aws-lc-rs, HTTP/1.1 and HTTP/2.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};

use super::error::{TransportError, TransportErrorKind};
use super::transport::Transport;

/// Whether a proxy is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProxyUse {
    /// None, whatever the environment says: no request takes a way that nobody chose.
    #[default]
    None,
    /// That of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    Environment,
}

/// How long a connection may have waited to be used again. Servers close those that wait, Node after 5 s, ours after 10 s, and a
/// request that meets the close on its way is lost without anybody knowing whether it was executed.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// The default transport. Follows no redirect, takes no cookie, decodes no content coding, repeats nothing.
///
/// Certificates are checked by the operating system's rules. For anything else (a private root, a client
/// certificate, SOCKS) write a [`Transport`] of your own: it is one function.
#[derive(Debug, Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl ReqwestTransport {
    /// A transport that gives up on a connection after `connect_timeout`.
    ///
    /// # Errors
    /// [`TransportError`] if TLS cannot be set up, for example because there are no root certificates.
    pub fn new(connect_timeout: Duration, proxies: ProxyUse) -> Result<Self, TransportError> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(MAX_IDLE)
            .tcp_nodelay(true);
        if proxies == ProxyUse::None {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| failed(TransportErrorKind::Other, error))?;
        Ok(Self { client })
    }
}

impl Transport for ReqwestTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        max_body: usize,
    ) -> Result<Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|error| failed(TransportErrorKind::Connect, error))?;
        let mut received = self.client.execute(request).await.map_err(sending_failed)?;
        // First by what the server says, then by what it sends.
        let said = received.content_length().unwrap_or_default();
        if usize::try_from(said).unwrap_or(usize::MAX) > max_body {
            return Err(TransportError::new(TransportErrorKind::TooLarge));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = received.chunk().await.map_err(receiving_failed)? {
            if chunk.len() > max_body.saturating_sub(body.len()) {
                return Err(TransportError::new(TransportErrorKind::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = received.status();
        *response.headers_mut() = std::mem::take(received.headers_mut());
        Ok(response)
    }
}

fn sending_failed(error: reqwest::Error) -> TransportError {
    let kind = if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_timeout() {
        TransportErrorKind::Timeout
    } else {
        TransportErrorKind::Other
    };
    failed(kind, error)
}

fn receiving_failed(error: reqwest::Error) -> TransportError {
    let kind = if error.is_timeout() { TransportErrorKind::Timeout } else { TransportErrorKind::Other };
    failed(kind, error)
}

fn failed(kind: TransportErrorKind, error: reqwest::Error) -> TransportError {
    TransportError::new(kind).with_source(error.without_url())
}
