//! The one session that all callers share: found, set up, renewed, dropped (PROTOCOL 4.3).
//!
//! Two locks. The short one ([`Sessions::shared`]) guards the session at hand and is never held across an `await`.
//! The long one ([`Sessions::machine`]) is the right to set up: whoever holds it sets up, all others wait for it,
//! and find the session, or the failure that they share. A caller that is dropped gives it back, and the next in
//! line begins anew.

use std::sync::{Arc, Mutex as ShortMutex, MutexGuard as ShortGuard, PoisonError};
use std::time::Duration;

use sc_core::client::Client;
use sc_core::id::Ticks;
use sc_core::provider::Provider;
use sc_core::retry::Attempts;
use sc_core::session::{Phase, Session};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::debug;

use super::SetUpWay;
use super::backoff::BackoffRule;
use super::error::SetUpError;
use super::set_up::set_up;
use super::wire::Wire;

/// After a renewal that failed, how long the old session is used without another attempt.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// A session with less time than this may be over before a message arrives, in milliseconds.
const LAST_MOMENTS_MS: u64 = 2_000;

/// A provider whose keys may be shared by threads. Every provider of this crate is one; the trait implements itself.
pub trait ClientProvider:
    Provider<Aead: Send + Sync + 'static, KeyWrap: Send + Sync + 'static> + 'static
{
}

impl<P> ClientProvider for P where
    P: Provider<Aead: Send + Sync + 'static, KeyWrap: Send + Sync + 'static> + 'static
{
}

/// The session of one client object, and all that is needed to get another.
pub(crate) struct Sessions<P: ClientProvider> {
    machine: Mutex<Client<P>>,
    shared: ShortMutex<Shared<P>>,
    started: Instant,
    way: SetUpWay,
    backoff: BackoffRule,
    #[cfg(feature = "danger-key-log")]
    key_log: Option<crate::key_log::KeyLog>,
}

struct Shared<P: ClientProvider> {
    session: Option<Arc<Session<P>>>,
    /// Set-ups that came to an end, so that whoever waited knows that one did meanwhile.
    finished: u64,
    /// Why the last of them failed, if it did.
    failure: Option<SetUpError>,
    /// No renewal before this moment.
    renew_from: Ticks,
}

/// What a caller gets.
pub(crate) enum Obtained<'s, P: ClientProvider> {
    /// A session to send in.
    Session(Arc<Session<P>>),
    /// The right to set one up with the message at hand.
    First(SetUpRight<'s, P>),
}

impl<P: ClientProvider> Sessions<P> {
    pub(crate) fn new(machine: Client<P>, way: SetUpWay, backoff: BackoffRule) -> Self {
        let shared = Shared { session: None, finished: 0, failure: None, renew_from: Ticks(0) };
        Self {
            machine: Mutex::new(machine),
            shared: ShortMutex::new(shared),
            started: Instant::now(),
            way,
            backoff,
            #[cfg(feature = "danger-key-log")]
            key_log: None,
        }
    }

    #[cfg(feature = "danger-key-log")]
    pub(crate) fn with_key_log(mut self, log: Option<crate::key_log::KeyLog>) -> Self {
        self.key_log = log;
        self
    }

    /// Writes a session's keys to the key log, if there is one.
    #[cfg(feature = "danger-key-log")]
    pub(crate) fn log_keys(&self, id: &sc_core::id::SessionId, keys: &sc_core::key_log::KeysForLog<'_>) {
        if let Some(log) = &self.key_log {
            log.write(id, keys);
        }
    }

    /// The client's clock.
    pub(crate) fn now(&self) -> Ticks {
        Ticks(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Gives a session, after setting one up if need be.
    pub(crate) async fn obtain(
        &self,
        wire: &Wire,
        attempts: &mut Attempts,
    ) -> Result<Obtained<'_, P>, SetUpError> {
        let (found, seen) = {
            let shared = self.lock();
            (self.usable(&shared), shared.finished)
        };
        match found {
            Some((session, Phase::Ready)) => return Ok(Obtained::Session(session)),
            Some((session, _)) => return Ok(Obtained::Session(self.renewed(wire, session).await)),
            None => {}
        }
        let machine = self.machine.lock().await;
        {
            let shared = self.lock();
            if let Some((session, _)) = self.usable(&shared) {
                return Ok(Obtained::Session(session));
            }
            if let (true, Some(failure)) = (shared.finished != seen, &shared.failure) {
                return Err(failure.clone());
            }
        }
        let mut right = SetUpRight { sessions: self, machine };
        if self.way == SetUpWay::Inline {
            return Ok(Obtained::First(right));
        }
        debug!(way = "endpoint", "setting up a session");
        match set_up(wire, &mut right.machine, self, attempts, self.backoff).await {
            Ok(session) => Ok(Obtained::Session(right.succeed(session))),
            Err(error) => {
                right.fail(error.clone());
                Err(error)
            }
        }
    }

    /// Renews ahead of time if nobody else is at it; else, or if that fails, the old session still serves. In its last
    /// moments a renewal under way is waited for.
    ///
    /// Goes by the session endpoint whatever the way of set-up, so that no message hangs on it.
    async fn renewed(&self, wire: &Wire, old: Arc<Session<P>>) -> Arc<Session<P>> {
        let machine = match self.machine.try_lock() {
            Ok(machine) => machine,
            Err(_) if self.outlasts_a_message(&old) => return old,
            Err(_) => self.machine.lock().await,
        };
        {
            let shared = self.lock();
            match &shared.session {
                Some(current) if !Arc::ptr_eq(current, &old) => return Arc::clone(current),
                _ if self.now() < shared.renew_from => return old,
                _ => {}
            }
        }
        debug!(reason = "about to expire", "renewing the session");
        let mut right = SetUpRight { sessions: self, machine };
        let mut attempts = Attempts::new(sc_core::retry::Repeatable::No);
        match set_up(wire, &mut right.machine, self, &mut attempts, BackoffRule::ONCE).await {
            Ok(session) => right.succeed(session),
            Err(error) => {
                debug!(%error, "the renewal failed, the old session goes on");
                let pause = u64::try_from(RENEWAL_PAUSE.as_millis()).unwrap_or(u64::MAX);
                self.lock().renew_from = Ticks(self.now().0.saturating_add(pause));
                old
            }
        }
    }

    /// Whether a message that is sent now finds the session still alive.
    fn outlasts_a_message(&self, session: &Session<P>) -> bool {
        let later = Ticks(self.now().0.saturating_add(LAST_MOMENTS_MS));
        !matches!(session.phase(later), Phase::Expired | Phase::Closed)
    }

    /// Forgets a session that the server does not know any more, unless another has taken its place.
    pub(crate) fn drop_session(&self, gone: &Arc<Session<P>>) {
        let mut shared = self.lock();
        if shared.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, gone)) {
            shared.session = None;
        }
    }

    /// Takes the session away, once no set-up is under way.
    pub(crate) async fn take(&self) -> Option<Arc<Session<P>>> {
        let _machine = self.machine.lock().await;
        self.lock().session.take()
    }

    /// Takes the session away from a client that is being dropped.
    pub(crate) fn take_last(&mut self) -> Option<Arc<Session<P>>> {
        self.shared.get_mut().unwrap_or_else(PoisonError::into_inner).session.take()
    }

    fn usable(&self, shared: &Shared<P>) -> Option<(Arc<Session<P>>, Phase)> {
        let session = shared.session.as_ref()?;
        match session.phase(self.now()) {
            phase @ (Phase::Ready | Phase::AboutToExpire) => Some((Arc::clone(session), phase)),
            Phase::Expired | Phase::Closed => None,
        }
    }

    /// The guarded values are whole after each statement, so a panic elsewhere spoils nothing.
    fn lock(&self) -> ShortGuard<'_, Shared<P>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to set up a session; given back on drop.
pub(crate) struct SetUpRight<'s, P: ClientProvider> {
    pub(crate) sessions: &'s Sessions<P>,
    pub(crate) machine: MutexGuard<'s, Client<P>>,
}

impl<P: ClientProvider> SetUpRight<'_, P> {
    /// The rule for waiting between attempts.
    pub(crate) const fn backoff(&self) -> BackoffRule {
        self.sessions.backoff
    }

    /// Shows everybody the new session.
    pub(crate) fn succeed(self, session: Session<P>) -> Arc<Session<P>> {
        debug!(profile = ?session.profile(), "a session is set up");
        let session = Arc::new(session);
        let mut shared = self.sessions.lock();
        shared.session = Some(Arc::clone(&session));
        shared.finished = shared.finished.wrapping_add(1);
        shared.failure = None;
        session
    }

    /// Tells everybody who waits for this set-up that it failed. Who comes later tries again.
    pub(crate) fn fail(self, error: SetUpError) {
        debug!(%error, "no session could be set up");
        let mut shared = self.sessions.lock();
        shared.finished = shared.finished.wrapping_add(1);
        shared.failure = Some(error);
    }
}
