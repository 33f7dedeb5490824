//! Private operations: on a blocking thread or over a wire, behind one admission, with one verdict.

use std::sync::Arc;

use sc_core::secret::CandidateKeys;

use crate::admission::{Busy, NotDone};
use crate::keys::{RingKey, ServerKey};
use crate::rng::SystemSeeded;
use crate::server::ScServer;
use crate::server::reject::Reject;
use crate::stack::{Wiped, wiped};
use crate::store::Store;

/// After how many seconds a client comes back when the device of a key cannot be asked, at least.
const DEVICE_RETRY: u64 = 5;

impl<S: Store, A> ScServer<S, A> {
    /// Two private operations, once admission lets them.
    ///
    /// # Errors
    /// BUSY if the queue is full or does not move, or if the device of the key cannot be asked; never for what the
    /// client sent.
    pub(crate) async fn unwrap(
        &self,
        key: &Arc<RingKey>,
        request: &[u8],
        response: &[u8],
    ) -> Result<CandidateKeys, Reject> {
        let inner = &self.inner;
        let (key, request, response) = (Arc::clone(key), request.to_vec(), response.to_vec());
        match key.server_key() {
            ServerKey::Local(_) => {
                let work = move || key.unwrap_pair(&mut SystemSeeded, &request, &response).map(Box::new);
                // A key in this process always answers.
                let keys = inner.admission.run(|| wiped(work)).await?;
                keys.map(|keys| *keys).ok_or_else(|| Reject::busy(DEVICE_RETRY))
            }
            ServerKey::Remote(_) => {
                let job = Wiped::new(async move {
                    key.unwrap_pair_remote(&mut SystemSeeded, &request, &response).await.map(Box::new)
                });
                match inner.admission.run_async(inner.remote_key_timeout, job).await {
                    Ok(keys) => return Ok(*keys),
                    Err(NotDone::Busy(busy)) => return Err(busy.into()),
                    Err(NotDone::Failed(error)) => {
                        inner.meter.device_unavailable.one();
                        tracing::warn!(%error, "a session could not be set up");
                    }
                    Err(NotDone::TimedOut) => {
                        inner.meter.device_timeout.one();
                        let error = "the device of the private key did not answer in time";
                        tracing::warn!(error, "a session could not be set up");
                    }
                }
                Err(Busy { retry_after: inner.admission.retry_after().max(DEVICE_RETRY) }.into())
            }
        }
    }
}
