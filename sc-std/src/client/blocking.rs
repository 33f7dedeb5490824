//! The client for programs without an async runtime (feature `blocking`).

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use sc_core::retry::Repeatable;
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use super::sessions::ClientProvider;
use super::{
    BuildError, ClientError, ScClient, TransportError, TransportErrorKind, opened_data, plaintext_of,
};
use crate::message::Message;
use crate::provider::DefaultProvider;

/// How long dropping the last clone waits until the server was told.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// [`ScClient`] with calls that wait for their answer. Cheap to clone; all clones, in any thread, share one session.
///
/// Requests run on a thread of the client's own, so a call may be made anywhere and never panics. Inside async code
/// it blocks the executor's thread, as all that blocks does: use [`ScClient`] there.
///
/// Dropping the last clone closes the session and waits up to 500 ms for that.
///
/// # Examples
/// ```no_run
/// use sc_std::client::ScClient;
/// use sc_std::message::{Email, ForgotPassword};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ScClient::builder("https://api.example").build_blocking()?;
/// let answer = client.call(&ForgotPassword { email: Email::parse("user@example.com")? })?;
/// println!("{}", answer.message);
/// # Ok(())
/// # }
/// ```
pub struct BlockingClient<P: ClientProvider = DefaultProvider> {
    client: ScClient<P>,
    inner: Arc<Inner<P>>,
}

/// The thread that requests run on.
struct Inner<P: ClientProvider> {
    /// What to close in the end.
    client: ScClient<P>,
    /// Taken away only by drop.
    runtime: Option<Runtime>,
}

impl<P: ClientProvider> BlockingClient<P> {
    /// Starts the client's thread. Clones of `client` that are used elsewhere share the session.
    pub(crate) fn new(client: ScClient<P>) -> Result<Self, BuildError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("scv2-client")
            .enable_all()
            .build()
            .map_err(|error| BuildError::Runtime(Arc::new(error)))?;
        Ok(Self { client: client.clone(), inner: Arc::new(Inner { client, runtime: Some(runtime) }) })
    }

    /// A clone whose messages carry one more header, as [`ScClient::with_header`] has it.
    ///
    /// # Errors
    /// [`BuildError::Header`] if it is none, or is the channel's own.
    pub fn with_header(&self, name: impl AsRef<str>, value: impl Into<String>) -> Result<Self, BuildError> {
        Ok(Self { client: self.client.with_header(name, value)?, inner: Arc::clone(&self.inner) })
    }

    /// Sends a message and gives `data` of the answer, as [`ScClient::call`] does.
    ///
    /// # Errors
    /// As there.
    pub fn call<M: Message>(&self, message: &M) -> Result<M::Answer, ClientError> {
        opened_data(&self.send(M::PATH, M::NAME, plaintext_of(message)?, M::REPEATABLE)?)
    }

    /// Sends JSON, or any bytes, to any protected endpoint, and gives the opened answer, a success, as it is.
    ///
    /// # Errors
    /// As [`ScClient::call_json`].
    pub fn call_json(
        &self,
        path: &str,
        name: Option<&str>,
        json: &[u8],
        repeatable: Repeatable,
    ) -> Result<Vec<u8>, ClientError> {
        let plaintext = Zeroizing::new(json.to_vec());
        let mut opened = self.send(path, name.unwrap_or(path), plaintext, repeatable)?;
        Ok(std::mem::take(&mut *opened))
    }

    /// Ends the session, if there is one, here and at the server. A later call sets up a new one.
    ///
    /// # Errors
    /// As [`ScClient::close`].
    pub fn close(&self) -> Result<(), ClientError> {
        let client = self.client.clone();
        self.inner.wait(async move { client.close().await })
    }

    fn send(
        &self,
        path: &str,
        name: &str,
        plaintext: Zeroizing<Vec<u8>>,
        repeatable: Repeatable,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let client = self.client.clone();
        let (path, name) = (path.to_owned(), name.to_owned());
        self.inner.wait(async move { client.send(&path, &name, &plaintext, repeatable).await })
    }
}

impl<P: ClientProvider> Inner<P> {
    /// Runs `task` on the client's thread and waits for it. Not `block_on`, which panics inside another runtime.
    fn wait<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, ClientError>> + Send + 'static,
    ) -> Result<T, ClientError> {
        // Nobody answers if the task panicked, which would be a fault in a transport.
        let gone = || ClientError::Transport(TransportError::new(TransportErrorKind::Other));
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        begin(runtime, task).recv().map_err(|_| gone())?
    }
}

/// Starts `task`; what it comes to can be received.
fn begin<T: Send + 'static>(
    runtime: &Runtime,
    task: impl Future<Output = T> + Send + 'static,
) -> mpsc::Receiver<T> {
    let (done, result) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // The one who asked may have stopped waiting.
        let _ = done.send(task.await);
    });
    result
}

impl<P: ClientProvider> Drop for Inner<P> {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let client = self.client.clone();
        // What it comes to changes nothing: a session that is not closed ends by being idle.
        let _ = begin(&runtime, async move { client.close().await }).recv_timeout(CLOSE_WAIT);
        // Waiting for the thread would panic inside another runtime.
        runtime.shutdown_background();
    }
}

impl<P: ClientProvider> Clone for BlockingClient<P> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), inner: Arc::clone(&self.inner) }
    }
}

impl<P: ClientProvider> fmt::Debug for BlockingClient<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingClient").field(&self.client).finish()
    }
}
