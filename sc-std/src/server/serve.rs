//! Serves an axum router over HTTP/1.1 with the guards that a server in front of strangers needs.
//!
//! A plain `axum::serve` waits for ever for the headers of a slow client. This loop does not: heads have a deadline and
//! a cap, answers must be read, connections are bounded, and a shutdown finishes the requests under way.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use crate::server::PeerAddress;
use crate::stack::Wiped;

/// Most bytes that are buffered of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// Guards of the serving loop. Every `with_*` states its default and unit.
///
/// # Examples
/// See [`serve`].
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    header_timeout: Duration,
    write_timeout: Duration,
    drain_timeout: Duration,
    max_connections: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            max_connections: 10_000,
        }
    }
}

impl ServeOptions {
    /// Sets how long the head of a request may take, idle keep-alive included. Default: 10 seconds.
    #[must_use]
    pub const fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// Sets how long a client may leave an answer unread. Default: 30 seconds.
    #[must_use]
    pub const fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Sets how long a shutdown waits for the requests under way. Default: 30 seconds.
    #[must_use]
    pub const fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets how many connections are open at once; more wait in the listener's backlog. Default: 10,000.
    #[must_use]
    pub const fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }
}

/// Serves `router` on `listener` until `shutdown` completes, then finishes the requests under way.
///
/// # Errors
/// The listener's own error, if its address can no longer be told.
///
/// # Examples
/// The crate's README has a whole program; `examples/axum_server.rs` is one too.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.local_addr()?;
    let places = Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS)));
    let connections = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or a connection that was gone at once: neither is a reason to stop.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers leave at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "set_nodelay failed");
        }
        // A client that reads no answers must not keep its place for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(options.write_timeout));
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddress(peer));
            router.clone().call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(options.header_timeout)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = connections.watch(connection);
        // Of what a request has moved over the stack, nothing waits there until the thread has something else to do.
        tokio::spawn(Wiped::new(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(place);
        }));
    }
    drop(listener);
    if tokio::time::timeout(options.drain_timeout, connections.shutdown()).await.is_err() {
        tracing::warn!("requests under way were cut off after the drain timeout");
    }
    Ok(())
}
