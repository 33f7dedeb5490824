//! A session as the client holds it: seals requests, opens their answers, knows when it ends (PROTOCOL 4.3).

use rand_core::CryptoRng;

use crate::associated::{Binding, Context};
use crate::channel::{Opener, Sealer};
use crate::envelope::{ParseOptions, Profile};
use crate::error::{Error, Misuse};
use crate::id::{Iv, MessageName, SessionId, Ticks, UnixMillis};
use crate::limits::{DEFAULT_SESSION_TTL_MS, MAX_MESSAGES_PER_SESSION, OVERHEAD, UNUSED_SESSION_MS};
use crate::provider::Provider;
use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// Shortest lifetime that a client believes, in milliseconds: 1 minute (PROTOCOL 10.8).
const MIN_LIFETIME_MS: u64 = 60 * 1000;
/// Longest lifetime that a client believes, in milliseconds: 24 hours (PROTOCOL 10.8).
const MAX_LIFETIME_MS: u64 = DEFAULT_SESSION_TTL_MS;
/// A session is about to expire in the last tenth of its time, but at most this long before, in milliseconds.
const MAX_RENEWAL_MARGIN_MS: u64 = 60 * 1000;
/// A session is about to expire when it has sent this many messages: 80 % of what it may.
const RENEWAL_MESSAGES: u32 = MAX_MESSAGES_PER_SESSION / 5 * 4;

/// How long a session may live, by the client's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    total_ms: u32,
    idle_ms: Option<u32>,
}

impl Lifetime {
    /// From the server's words: the end, and the server's own clock when it said so. Only the difference
    /// counts, so the two clocks need not agree; it is clamped to 1 minute to 24 hours (PROTOCOL 10.8).
    ///
    /// `idle_timeout` is in seconds; 0 counts as 1, or a session would be over before its first request.
    #[must_use]
    pub fn new(expires_at: UnixMillis, said_at: UnixMillis, idle_timeout: Option<u32>) -> Self {
        let total = expires_at.0.saturating_sub(said_at.0).clamp(MIN_LIFETIME_MS, MAX_LIFETIME_MS);
        Self {
            total_ms: u32::try_from(total).unwrap_or(u32::MAX),
            idle_ms: idle_timeout.map(|seconds| seconds.max(1).saturating_mul(1000)),
        }
    }
}

/// Where a session stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a client must handle every phase")]
pub enum Phase {
    /// Seals and opens.
    Ready,
    /// Still works; set up the next one: the last tenth of its life or of its idle time has begun, 60 s at most, or 80 % of its
    /// messages are sent.
    AboutToExpire,
    /// Its time or its messages are over.
    Expired,
    /// It was closed.
    Closed,
}

/// An established session. Shared by reference: its requests run in parallel.
pub struct Session<P: Provider> {
    id: SessionId,
    profile: Profile,
    context: Context,
    sealer: Sealer<P::Aead>,
    opener: Opener<P::Aead>,
    options: ParseOptions,
    max_plaintext: usize,
    lifetime: Lifetime,
    started: Ticks,
    /// Milliseconds from `started` to the last sealed request.
    last_used_ms: AtomicU32,
    closed: AtomicBool,
    #[cfg(feature = "danger-key-log")]
    keys: crate::secret::SessionKeys,
}

/// What a session is made of, once the server has answered.
pub(crate) struct Parts<P: Provider> {
    pub(crate) profile: Profile,
    pub(crate) context: Context,
    pub(crate) sealer: Sealer<P::Aead>,
    pub(crate) opener: Opener<P::Aead>,
    pub(crate) max_plaintext: usize,
    #[cfg(feature = "danger-key-log")]
    pub(crate) keys: crate::secret::SessionKeys,
}

impl<P: Provider> Parts<P> {
    pub(crate) fn into_session(self, id: SessionId, lifetime: Lifetime, now: Ticks) -> Session<P> {
        let Self { profile, context, sealer, opener, max_plaintext, .. } = self;
        Session {
            id,
            profile,
            context,
            sealer: sealer.with_limit(MAX_MESSAGES_PER_SESSION),
            opener,
            options: ParseOptions::default().with_max_plaintext(max_plaintext),
            max_plaintext,
            lifetime,
            started: now,
            last_used_ms: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            #[cfg(feature = "danger-key-log")]
            keys: self.keys,
        }
    }

    /// The associated data of the answer to the request with IV `request`.
    pub(crate) const fn response_binding<'a>(
        &'a self,
        session: &'a SessionId,
        request: Iv,
        name: MessageName<'a>,
    ) -> Binding<'a> {
        response_binding(self.profile, &self.context, session, request, name)
    }
}

const fn response_binding<'a>(
    profile: Profile,
    context: &'a Context,
    session: &'a SessionId,
    request: Iv,
    name: MessageName<'a>,
) -> Binding<'a> {
    match profile {
        Profile::Plain => Binding::Plain,
        Profile::Bound => Binding::Response { context, session, request, name },
    }
}

impl<P: Provider> Session<P> {
    /// The session's id, for `X-SC-Session-Id`.
    #[must_use]
    pub const fn id(&self) -> &SessionId {
        &self.id
    }

    /// The session's profile.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The session's keys, for a key log.
    #[cfg(feature = "danger-key-log")]
    #[must_use]
    pub const fn keys_for_log(&self) -> crate::key_log::KeysForLog<'_> {
        crate::key_log::KeysForLog::new(self.profile, &self.context, &self.keys)
    }

    /// Length of the envelope for a plaintext, in bytes.
    #[must_use]
    pub const fn sealed_len(plaintext_len: usize) -> usize {
        plaintext_len.saturating_add(OVERHEAD)
    }

    /// Seals one request (type 2) into `out`, which is 32 bytes longer than `plaintext`.
    ///
    /// The [`Pending`] token opens the answer. `name` is authenticated in the bound profile.
    ///
    /// # Errors
    /// - [`Error::Expired`] or [`Error::Exhausted`] if the session is over, [`Misuse::Closed`] if it was closed.
    /// - [`Misuse::PlaintextTooLong`], [`Misuse::BufferLength`], [`Misuse::Provider`] if the provider fails.
    ///
    /// # Examples
    /// See [`Client`](crate::client::Client).
    pub fn seal_into<'s, R: CryptoRng + ?Sized>(
        &'s self,
        rng: &mut R,
        now: Ticks,
        name: MessageName<'s>,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<Pending<'s, P>, Error> {
        self.seal(rng, now, name, Some(plaintext), out)
    }

    /// Seals one request in place: `frame` has 16 bytes of head room, the plaintext, 16 bytes of tail room.
    ///
    /// # Errors
    /// As [`Session::seal_into`]; [`Misuse::BufferLength`] if `frame` is shorter than 32 bytes.
    ///
    /// # Security
    /// Where the session is over or closed, `frame` still holds the plaintext, to be sealed in the next session or
    /// wiped. A provider that fails leaves none.
    pub fn seal_in_place<'s, R: CryptoRng + ?Sized>(
        &'s self,
        rng: &mut R,
        now: Ticks,
        name: MessageName<'s>,
        frame: &mut [u8],
    ) -> Result<Pending<'s, P>, Error> {
        self.seal(rng, now, name, None, frame)
    }

    fn seal<'s, R: CryptoRng + ?Sized>(
        &'s self,
        rng: &mut R,
        now: Ticks,
        name: MessageName<'s>,
        plaintext: Option<&[u8]>,
        frame: &mut [u8],
    ) -> Result<Pending<'s, P>, Error> {
        let len = plaintext.map_or_else(|| frame.len().saturating_sub(OVERHEAD), <[u8]>::len);
        check_plaintext(len, self.max_plaintext)?;
        match self.phase(now) {
            Phase::Ready | Phase::AboutToExpire => {}
            Phase::Expired if self.sealer.sent() >= MAX_MESSAGES_PER_SESSION => return Err(Error::Exhausted),
            Phase::Expired => return Err(Error::Expired),
            Phase::Closed => return Err(Misuse::Closed.into()),
        }
        let binding = match self.profile {
            Profile::Plain => Binding::Plain,
            Profile::Bound => Binding::Request { context: &self.context, session: &self.id, name },
        };
        let request = self.sealer.seal_frame(rng, &binding, plaintext, frame)?;
        let used = u32::try_from(now.since(self.started)).unwrap_or(u32::MAX);
        self.last_used_ms.fetch_max(used, Ordering::Relaxed);
        Ok(Pending { session: self, request, name })
    }

    /// Replaces the lifetime, counted from the same start.
    ///
    /// For an inline set-up: the headers give the end of the session before the first answer opens, the answer's own
    /// `timestamp` is known only afterwards, and authentic.
    #[must_use]
    pub const fn with_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Where the session stands at `now`.
    ///
    /// It is over at its end, after its idle timeout, after 65,536 messages, and, as long as it has sent nothing,
    /// after 5 minutes, when the server gives it up too (PROTOCOL 10.4).
    #[must_use]
    pub fn phase(&self, now: Ticks) -> Phase {
        if self.closed.load(Ordering::Relaxed) {
            return Phase::Closed;
        }
        let age = now.since(self.started);
        let idle = age.saturating_sub(u64::from(self.last_used_ms.load(Ordering::Relaxed)));
        let left = |limit: u32, used: u64| u64::from(limit).saturating_sub(used);
        let near = |limit: u32, left: u64| left <= MAX_RENEWAL_MARGIN_MS.min(u64::from(limit) / 10);

        let life_left = left(self.lifetime.total_ms, age);
        let sent = self.sealer.sent();
        let idle_limit = match (sent, self.lifetime.idle_ms) {
            (0, limit) => Some(limit.map_or(UNUSED_SESSION_MS, |limit| limit.min(UNUSED_SESSION_MS))),
            (_, limit) => limit,
        };
        let idle_left = idle_limit.map(|limit| (limit, left(limit, idle)));
        if life_left == 0 || idle_left.is_some_and(|(_, left)| left == 0) || sent >= MAX_MESSAGES_PER_SESSION
        {
            Phase::Expired
        } else if near(self.lifetime.total_ms, life_left)
            || idle_left.is_some_and(|(limit, left)| near(limit, left))
            || sent >= RENEWAL_MESSAGES
        {
            Phase::AboutToExpire
        } else {
            Phase::Ready
        }
    }

    /// Closes the session: it seals nothing more. Answers that are under way still open.
    ///
    /// Tell the server by `POST /web/v1/secure-channel/session/close` too.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl<P: Provider> core::fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("profile", &self.profile)
            .field("sent", &self.sealer.sent())
            .finish_non_exhaustive()
    }
}

/// The right to open the answer to one request. Not Clone: one request, one answer.
#[must_use = "the answer to the request can be opened only with this"]
pub struct Pending<'s, P: Provider> {
    session: &'s Session<P>,
    request: Iv,
    name: MessageName<'s>,
}

impl<P: Provider> Pending<'_, P> {
    /// Opens the answer in place and returns its plaintext, inside `body`.
    ///
    /// # Errors
    /// - [`Error::Malformed`] if `body` is not an envelope: a plain answer is an error whatever its HTTP status, and
    ///   never data (PROTOCOL 5, downgrade rule). `body` is then left as it was.
    /// - [`Error::Rejected`] if it is of another type, or does not open. The sealed part of `body` is then all zeroes.
    pub fn open(self, body: &mut [u8]) -> Result<&mut [u8], Error> {
        let Self { session, request, name } = self;
        let binding = response_binding(session.profile, &session.context, &session.id, request, name);
        session.opener.open_frame(&binding, &session.options, body)
    }
}

impl<P: Provider> core::fmt::Debug for Pending<'_, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pending").field("session", &self.session.id).finish_non_exhaustive()
    }
}

/// Refuses a plaintext that the other side would refuse.
pub(crate) const fn check_plaintext(len: usize, max: usize) -> Result<(), Misuse> {
    if len > max { Err(Misuse::PlaintextTooLong { len, max }) } else { Ok(()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::channel::IvMode;
    use crate::secret::{RequestKey, ResponseKey};
    use crate::testing::{Nothing, SeededRng};

    /// A session of a minute that has sent nothing.
    pub(crate) fn session() -> Session<Nothing> {
        let rng = &mut SeededRng::new(1);
        let sealer = Sealer::for_requests(&RequestKey::from_bytes([1; 32]), IvMode::Random, rng).unwrap();
        let parts = Parts::<Nothing> {
            profile: Profile::Plain,
            context: Context::from_bytes([0; 32]),
            sealer,
            opener: Opener::for_responses(&ResponseKey::from_bytes([2; 32])).unwrap(),
            max_plaintext: 0,
            #[cfg(feature = "danger-key-log")]
            keys: crate::secret::SessionKeys::draw(rng).unwrap(),
        };
        let lifetime = Lifetime::new(UnixMillis(0), UnixMillis(0), None);
        parts.into_session(SessionId::from_raw([3; 24]), lifetime, Ticks(0))
    }

    /// The phase is looked at before a message is reserved, so threads that race pass it together: the sealer itself
    /// must hold the limit.
    #[test]
    fn the_sealer_of_a_session_holds_the_limit_without_its_phase() {
        let rng = &mut SeededRng::new(1);
        let session = session();
        let mut seal = || session.sealer.seal_frame(rng, &Binding::Plain, Some(b""), &mut [0; OVERHEAD]);
        for _ in 0..MAX_MESSAGES_PER_SESSION {
            assert!(seal().is_ok());
        }
        assert_eq!(seal(), Err(Error::Exhausted));
    }
}
