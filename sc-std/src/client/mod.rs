//! The HTTP client: give it a base URL, then send messages (feature `client`).
//!
//! ```text
//! call ─▶ session at hand? ──yes──────────────────────▶ seal ─▶ POST ─▶ open ─▶ answer
//!              │ no                                       ▲                │ plain refusal
//!              └─▶ the one set-up that all callers share ─┘                └─▶ recover once, or an error
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `builder` | options and their defaults |
//! | `sessions`, `set_up`, `backoff` | the one shared session: found, set up, renewed, dropped |
//! | `call` | one call, and its recovery |
//! | `wire`, `headers`, `own_headers`, `base_url` | HTTP requests and what came back |
//! | `transport`, `reqwest_transport` | who carries them |
//! | `error` | errors, by what was going on |
//! | `blocking` | the same client for programs without an async runtime |
//!
//! # Runtime
//! Any executor that runs tokio's timers. Calls may be dropped at any point: a set-up that loses its caller is begun
//! anew by the next in line. Programs without one take `BlockingClient` (feature `blocking`).
//!
//! # Logs
//! `tracing` events of level DEBUG tell set-up, renewal and recovery with their reasons; never a key, an address, a
//! payload or a header's value.

mod backoff;
mod base_url;
#[cfg(feature = "blocking")]
mod blocking;
mod builder;
mod call;
mod error;
mod headers;
mod own_headers;
#[cfg(feature = "reqwest")]
mod reqwest_transport;
mod sessions;
mod set_up;
mod transport;
mod wire;

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use sc_core::error::Error;
use sc_core::id::MessageName;
use sc_core::retry::Repeatable;
use sc_core::session::Session;
use tracing::debug;
use zeroize::Zeroizing;

#[cfg(feature = "blocking")]
pub use self::blocking::BlockingClient;
pub use self::builder::{BuildError, ScClientBuilder};
pub use self::error::{
    ClientError, ErrorAnswer, MessageError, SetUpError, TransportError, TransportErrorKind,
};
#[cfg(feature = "reqwest")]
pub use self::reqwest_transport::{ProxyUse, ReqwestTransport};
pub use self::sessions::ClientProvider;
pub use self::transport::Transport;
pub use sc_core::channel::IvMode;
pub use sc_core::client::ProfileChoice;

use self::call::{Outgoing, exchange};
use self::sessions::Sessions;
use self::set_up::code_of;
use self::wire::{PlainAnswer, Wire};
use crate::message::Message;
use crate::provider::DefaultProvider;

/// How a session is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SetUpWay {
    /// By a request to the session endpoint, before the first message (PROTOCOL 4.1). Attempts are repeated, since
    /// no message hangs on them.
    #[default]
    Endpoint,
    /// Together with the first message, in one envelope (PROTOCOL 4.2): a round trip less. That message is sent
    /// again only after INVALID_KEY_ID, and only if it is repeatable. Renewal ahead of time goes by the endpoint.
    Inline,
}

/// A client of one server. Cheap to clone; all clones share one session.
///
/// # Security
/// - A plain answer to a sealed request is an error whatever its status, and never data.
/// - Set pins and [`ProfileChoice::RequireBound`] where the server allows it: without pins, whoever can swap the
///   public-key answer behind TLS owns the channel (PROTOCOL 4.3, 9).
///
/// # Examples
/// ```no_run
/// use sc_std::client::ScClient;
/// # use sc_std::message::Message;
/// # #[derive(serde::Serialize)]
/// # struct ForgotPassword { email: String }
/// # impl Message for ForgotPassword {
/// #     const NAME: &'static str = "password.forgot";
/// #     const PATH: &'static str = "/web/v1/system/auth/password/forgot";
/// #     const REPEATABLE: sc_core::retry::Repeatable = sc_core::retry::Repeatable::Yes;
/// #     type Answer = serde_json::Value;
/// # }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ScClient::builder("https://api.example").with_client_hash("fingerprint-of-a-phone").build()?;
/// let answer = client.call(&ForgotPassword { email: "user@example.com".into() }).await?;
/// client.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct ScClient<P: ClientProvider = DefaultProvider> {
    inner: Arc<Inner<P>>,
    /// Those of this clone's messages.
    headers: HeaderMap,
}

struct Inner<P: ClientProvider> {
    wire: Arc<Wire>,
    sessions: Sessions<P>,
}

impl ScClient {
    /// Begins a client with the default provider; [`ScClientBuilder::with_provider`] changes it.
    ///
    /// `base_url` is `http://` or `https://`, a host, perhaps a port and a path prefix, which is kept.
    pub fn builder(base_url: impl Into<String>) -> ScClientBuilder {
        ScClientBuilder::new(base_url.into())
    }
}

impl<P: ClientProvider> ScClient<P> {
    pub(crate) fn new(wire: Wire, sessions: Sessions<P>) -> Self {
        Self { inner: Arc::new(Inner { wire: Arc::new(wire), sessions }), headers: HeaderMap::new() }
    }

    /// A clone whose messages carry one more header, for example the login token of the moment. It shares the session, whose
    /// set-up and end do not carry the header; one of the same name, of the builder's or of this clone, is replaced.
    ///
    /// # Errors
    /// [`BuildError::Header`] if it is none, or is the channel's own.
    ///
    /// # Security
    /// The channel protects bodies. A header is readable behind TLS: a password or a reset token belongs in the message.
    ///
    /// # Examples
    /// ```no_run
    /// # use sc_std::client::ScClient;
    /// # use sc_std::message::{Email, ForgotPassword};
    /// # async fn example(client: &ScClient, token: &str, message: ForgotPassword) -> Result<(), Box<dyn std::error::Error>> {
    /// client.with_header("authorization", format!("Bearer {token}"))?.call(&message).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_header(&self, name: impl AsRef<str>, value: impl Into<String>) -> Result<Self, BuildError> {
        let (name, value) = own_headers::check(name.as_ref(), value.into())?;
        let mut clone = self.clone();
        clone.headers.insert(name, value);
        Ok(clone)
    }

    /// Sends a message and gives `data` of the answer.
    ///
    /// The answer has the form of PROTOCOL 5, as `server::Sealed` gives it: `M::Answer` is read from its member `data`. Answers
    /// of another form are for [`ScClient::call_json`].
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::may_have_executed`] says whether the server may have acted on the message.
    pub async fn call<M: Message>(&self, message: &M) -> Result<M::Answer, ClientError> {
        opened_data(&self.send(M::PATH, M::NAME, &plaintext_of(message)?, M::REPEATABLE).await?)
    }

    /// Sends JSON, or any bytes, to any protected endpoint, and gives the opened answer, a success, as it is.
    ///
    /// An answer of another form than that of PROTOCOL 5, without a member `success`, counts as one if the HTTP status does.
    /// Nothing authenticates the status: such an answer must say in its own JSON what it is, and the caller must look.
    ///
    /// `name` is the message's registered name; without one it is the path (PROTOCOL 10.15, 10.16).
    ///
    /// # Errors
    /// As [`ScClient::call`]. The JSON of an error answer is in [`ClientError::answer`].
    pub async fn call_json(
        &self,
        path: &str,
        name: Option<&str>,
        json: &[u8],
        repeatable: Repeatable,
    ) -> Result<Vec<u8>, ClientError> {
        let mut opened = self.send(path, name.unwrap_or(path), json, repeatable).await?;
        Ok(std::mem::take(&mut *opened))
    }

    async fn send(
        &self,
        path: &str,
        name: &str,
        plaintext: &[u8],
        repeatable: Repeatable,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let Inner { wire, sessions } = &*self.inner;
        let uri = wire.base.join(path).ok_or(ClientError::Message(MessageError::Path))?;
        let name = MessageName::new(name)
            .map_err(|reason| ClientError::Message(MessageError::Core(Error::Misuse(reason))))?;
        let headers = &self.headers;
        exchange(wire, sessions, Outgoing { uri, name, headers, plaintext }, repeatable).await
    }

    /// Ends the session, if there is one, here and at the server. A later call sets up a new one.
    ///
    /// Waits for a set-up that is under way. Calls that are under way still read their answers.
    ///
    /// # Errors
    /// [`ClientError::Transport`], [`ClientError::Refused`] or [`ClientError::Unprotected`] if the server could not be
    /// told; the session is gone here all the same, and ends there when it has been idle.
    pub async fn close(&self) -> Result<(), ClientError> {
        match self.inner.sessions.take().await {
            Some(session) => close(&self.inner.wire, &session).await,
            None => Ok(()),
        }
    }
}

/// The JSON of a message.
fn plaintext_of<M: Message>(message: &M) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let mut plaintext = WipingVec::default();
    serde_json::to_writer(&mut plaintext, message).map_err(|_| ClientError::Message(MessageError::Json))?;
    Ok(plaintext.0)
}

/// `data` of an opened success.
fn opened_data<T: serde::de::DeserializeOwned>(opened: &[u8]) -> Result<T, ClientError> {
    // Success says 200; the number is only for the error's text.
    call::data(opened).ok_or(ClientError::Unreadable { status: 200 })
}

/// Tells the server that a session is over.
async fn close<P: ClientProvider>(wire: &Wire, session: &Session<P>) -> Result<(), ClientError> {
    session.close();
    debug!("closing the session");
    let response = wire.close(session.id()).await.map_err(ClientError::Transport)?;
    if response.status().is_success() {
        return Ok(());
    }
    match PlainAnswer::read(response.status(), response.headers(), response.body()) {
        // What it was to bring about.
        PlainAnswer::Error(answer) if code_of(&answer) == sc_core::code::Code::SessionNotFound => Ok(()),
        PlainAnswer::Error(answer) => Err(ClientError::Refused { answer }),
        PlainAnswer::Other { status, retry_after } => Err(ClientError::Unprotected { status, retry_after }),
    }
}

impl<P: ClientProvider> Drop for Inner<P> {
    /// Tells the server, if a runtime is there to do it; else the session ends by being idle.
    fn drop(&mut self) {
        let Some(session) = self.sessions.take_last() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let wire = Arc::clone(&self.wire);
            runtime.spawn(async move {
                if let Err(error) = close(&wire, &session).await {
                    debug!(%error, "the session could not be closed");
                }
            });
        }
    }
}

impl<P: ClientProvider> Clone for ScClient<P> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), headers: self.headers.clone() }
    }
}

impl<P: ClientProvider> fmt::Debug for ScClient<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScClient").field("base_url", &self.inner.wire.base).finish_non_exhaustive()
    }
}

/// A vector that leaves nothing behind when it grows or goes.
#[derive(Default)]
struct WipingVec(Zeroizing<Vec<u8>>);

impl std::io::Write for WipingVec {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut grown = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2).max(256)));
            grown.extend_from_slice(&self.0);
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_plaintext_that_grows_is_moved_here_and_never_by_its_vector() {
        let mut out = WipingVec::default();
        for (bytes, capacity) in [(1, 256), (255, 256), (1, 514)] {
            out.write_all(&vec![b'x'; bytes]).unwrap();
            assert_eq!(out.0.capacity(), capacity, "after {bytes} more");
        }
        assert_eq!(**out.0, [b'x'; 257]);
    }
}
