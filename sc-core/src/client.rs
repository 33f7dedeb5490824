//! The client machine: needs a key, needs a session, ready, about to expire, expired, closed (PROTOCOL 4).
//!
//! ```text
//!            accept_key            begin ─▶ AwaitingSession::accept
//! NeedsKey ──────────────▶ NeedsSession ─┤                            ├─▶ Session: Ready ─▶ AboutToExpire ─▶ Expired
//!    ▲                        ▲          begin_inline ─▶ AwaitingFirst::open                     │
//!    └── INVALID_KEY_ID       └── SESSION_NOT_FOUND, or the session ended ◀──────────────────────┘
//! ```
//!
//! [`Client`] holds what outlives a session (options, the server's key). Set-ups under way and sessions are
//! values of their own, so a caller shares a session as it likes, and a set-up cannot be used twice.

use core::marker::PhantomData;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::associated::{Binding, Context};
use crate::channel::{IvMode, Opener, Sealer};
use crate::document::{Profiles, PublicKeyDocument, SessionAnswer, SessionRequest, algorithm_name};
use crate::envelope::{ParseOptions, Profile, encode_exchange_head, exchange_head_len};
use crate::error::{Error, KeyRefusal, Misuse};
use crate::exchange::wrap_keys;
use crate::id::{Iv, KeyId, MessageName, SessionId, Ticks, UnixMillis};
use crate::limits::{DEFAULT_MAX_PLAINTEXT, MAX_RSA_BITS, MIN_RSA_BITS, MIN_SEALED_LEN};
use crate::provider::{KeyWrap, Provider};
use crate::secret::SessionKeys;
use crate::session::{Lifetime, Parts, Phase, Session, check_plaintext};

/// Most pins that a client holds.
pub const MAX_PINS: usize = 8;

/// Which profile a client uses (PROTOCOL 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProfileChoice {
    /// Always `plain`.
    Plain,
    /// `bound` where the server offers it. An attacker who can change the server's key document can take the
    /// offer away; [`ProfileChoice::RequireBound`] together with pins answers that (PROTOCOL 9).
    #[default]
    BoundIfOffered,
    /// `bound`, or an error.
    RequireBound,
}

/// How a client behaves. Every `with_*` states its default.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    profile: ProfileChoice,
    pins: heapless::Vec<[u8; 32], MAX_PINS>,
    ivs: IvMode,
    max_plaintext: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            profile: ProfileChoice::default(),
            pins: heapless::Vec::new(),
            ivs: IvMode::default(),
            max_plaintext: DEFAULT_MAX_PLAINTEXT,
        }
    }
}

impl ClientOptions {
    /// Sets the profile. Default: `bound` where offered.
    #[must_use]
    pub const fn with_profile(mut self, profile: ProfileChoice) -> Self {
        self.profile = profile;
        self
    }

    /// Sets how IVs are made. Default: at random.
    #[must_use]
    pub const fn with_ivs(mut self, ivs: IvMode) -> Self {
        self.ivs = ivs;
        self
    }

    /// Sets the longest plaintext sent and accepted, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn with_max_plaintext(mut self, bytes: usize) -> Self {
        self.max_plaintext = bytes;
        self
    }

    /// Adds the SHA-256 of an SPKI DER that the server's key may have. Default: none, any key is taken.
    ///
    /// # Errors
    /// [`Error::Exhausted`] if there are 8 already.
    pub fn with_pin(mut self, spki_sha256: [u8; 32]) -> Result<Self, Error> {
        self.pins.push(spki_sha256).map_err(|_| Error::Exhausted)?;
        Ok(self)
    }
}

/// What a client has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a caller must handle every state")]
pub enum State {
    /// Fetch the public key and give it to [`Client::accept_key`].
    NeedsKey,
    /// Set up a session: [`Client::begin`] or [`Client::begin_inline`].
    NeedsSession,
    /// Seal requests.
    Ready,
    /// Seal requests, and set up the next session.
    AboutToExpire,
}

/// The server's public key, checked against its document and the pins.
struct ServerKey<W> {
    id: KeyId,
    wrap: W,
    profile: Profile,
    accepted_at: Ticks,
    fresh_ms: u64,
}

/// What a client keeps from session to session.
///
/// # Examples
/// The whole conversation of one client and one server, without a network in between, is `examples/in_memory.rs`
/// and the first example of [the crate](crate).
pub struct Client<P: Provider> {
    options: ClientOptions,
    key: Option<ServerKey<P::KeyWrap>>,
    provider: PhantomData<fn() -> P>,
}

impl<P: Provider> Client<P> {
    /// A client that has no key yet.
    #[must_use]
    pub const fn new(options: ClientOptions) -> Self {
        Self { options, key: None, provider: PhantomData }
    }

    /// What to do next, given the session at hand, if any.
    #[must_use]
    pub fn state(&self, session: Option<&Session<P>>, now: Ticks) -> State {
        match session.map(|session| session.phase(now)) {
            Some(Phase::Ready) => State::Ready,
            Some(Phase::AboutToExpire) => State::AboutToExpire,
            Some(Phase::Expired | Phase::Closed) | None if self.has_fresh_key(now) => State::NeedsSession,
            Some(Phase::Expired | Phase::Closed) | None => State::NeedsKey,
        }
    }

    /// Whether there is a key that need not be fetched again.
    #[must_use]
    pub fn has_fresh_key(&self, now: Ticks) -> bool {
        self.key.as_ref().is_some_and(|key| now.since(key.accepted_at) < key.fresh_ms)
    }

    /// Takes the server's public key. `fresh_ms` is how long it may be used without fetching it again, in
    /// milliseconds: the `max-age` of the answer.
    ///
    /// # Errors
    /// [`Error::KeyRefused`] if the document contradicts itself, the key is not an RSA key of 2048 to 4096 bits, no
    /// pin fits, or the client requires a profile that is not offered. The key from before is then kept.
    pub fn accept_key(
        &mut self,
        document: &PublicKeyDocument,
        now: Ticks,
        fresh_ms: u64,
    ) -> Result<(), Error> {
        let spki = document.public_key.as_slice();
        let digest: [u8; 32] = Sha256::digest(spki).into();
        let pinned = self.options.pins.iter().any(|pin| bool::from(pin.ct_eq(&digest)));
        if !(self.options.pins.is_empty() || pinned) {
            return Err(KeyRefusal::NotPinned.into());
        }
        let wrap = P::KeyWrap::from_spki(spki).map_err(|_| KeyRefusal::NotRsa)?;
        let bits = wrap.modulus_bits();
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || usize::try_from(document.key_size) != Ok(bits) {
            return Err(KeyRefusal::KeySize { said: document.key_size, is: bits }.into());
        }
        if Some(&document.algorithm) != algorithm_name(document.key_size).as_ref() {
            return Err(KeyRefusal::Algorithm.into());
        }
        let profile = self.choose_profile(document.profiles)?;
        let id = document.key_id.clone();
        self.key = Some(ServerKey { id, wrap, profile, accepted_at: now, fresh_ms });
        Ok(())
    }

    fn choose_profile(&self, offered: Profiles) -> Result<Profile, Error> {
        match (self.options.profile, offered.bound) {
            (ProfileChoice::Plain, _) | (ProfileChoice::BoundIfOffered, false) => Ok(Profile::Plain),
            (ProfileChoice::BoundIfOffered | ProfileChoice::RequireBound, true) => Ok(Profile::Bound),
            (ProfileChoice::RequireBound, false) => Err(KeyRefusal::BoundNotOffered.into()),
        }
    }

    /// Drops the key, so that the next state is [`State::NeedsKey`]: the server answered INVALID_KEY_ID.
    pub fn forget_key(&mut self) {
        self.key = None;
    }

    /// Begins a set-up by the session endpoint: draws and wraps two new keys. Nothing of it is ever sent twice:
    /// another attempt is another call (PROTOCOL 10.8).
    ///
    /// # Errors
    /// [`Misuse::NoKey`] without a key, [`Misuse::Provider`] if wrapping fails, [`Misuse::Randomness`] if `rng` gave both keys
    /// alike.
    pub fn begin<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
    ) -> Result<(SessionRequest, AwaitingSession<P>), Error> {
        let key = self.key.as_ref().ok_or(Misuse::NoKey)?;
        let keys = SessionKeys::draw(rng)?;
        let buffer = wrap_keys(&key.wrap, rng, &keys)?;
        let wrapped = buffer.keys();
        let request = SessionRequest::new(key.id.clone(), wrapped.request(), wrapped.response(), key.profile);
        let parts = self.parts(rng, keys, key.profile, wrapped.context(key.id.as_str()))?;
        Ok((request, AwaitingSession { parts }))
    }

    /// Length of the type 1 envelope for a plaintext, in bytes.
    ///
    /// # Errors
    /// [`Misuse::NoKey`] without a key.
    pub fn first_sealed_len(&self, plaintext_len: usize) -> Result<usize, Error> {
        let key = self.key.as_ref().ok_or(Misuse::NoKey)?;
        let wrapped_len = key.wrap.modulus_bits().div_ceil(8);
        let head = exchange_head_len(key.id.as_str().len(), wrapped_len);
        Ok(head.saturating_add(MIN_SEALED_LEN).saturating_add(plaintext_len))
    }

    /// Begins an inline set-up: seals the first request into a type 1 envelope, which fills `out`.
    ///
    /// # Errors
    /// As [`Client::begin`]; [`Misuse::BufferLength`] if `out` is not [`Client::first_sealed_len`] bytes long,
    /// [`Misuse::PlaintextTooLong`].
    pub fn begin_inline<'n, R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        name: MessageName<'n>,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<AwaitingFirst<'n, P>, Error> {
        check_plaintext(plaintext.len(), self.options.max_plaintext)?;
        let (needed, given) = (self.first_sealed_len(plaintext.len())?, out.len());
        let key = self.key.as_ref().ok_or(Misuse::NoKey)?;
        let keys = SessionKeys::draw(rng)?;
        let buffer = wrap_keys(&key.wrap, rng, &keys)?;
        let wrapped = buffer.keys();
        let head_len = exchange_head_len(key.id.as_str().len(), wrapped.request().len());
        let (head, payload) = out
            .split_at_mut_checked(head_len)
            .filter(|_| needed == given)
            .ok_or(Misuse::BufferLength { needed, given })?;
        encode_exchange_head(key.profile, key.id.as_str(), wrapped.request(), wrapped.response(), head)?;
        let parts = self.parts(rng, keys, key.profile, wrapped.context(key.id.as_str()))?;
        let binding = match key.profile {
            Profile::Plain => Binding::Plain,
            Profile::Bound => Binding::Exchange { head, name },
        };
        let request = parts.sealer.next_iv(rng)?;
        parts.sealer.seal_payload(request, &binding, Some(plaintext), payload)?;
        Ok(AwaitingFirst { parts, request, name })
    }

    fn parts<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        keys: SessionKeys,
        profile: Profile,
        context: Context,
    ) -> Result<Parts<P>, Error> {
        Ok(Parts {
            profile,
            context,
            sealer: Sealer::for_requests(keys.request(), self.options.ivs, rng)?,
            opener: Opener::for_responses(keys.response())?,
            max_plaintext: self.options.max_plaintext,
            #[cfg(feature = "danger-key-log")]
            keys,
        })
    }
}

impl<P: Provider> core::fmt::Debug for Client<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let key = self.key.as_ref().map(|key| &key.id);
        f.debug_struct("Client").field("options", &self.options).field("key", &key).finish()
    }
}

/// A set-up by the session endpoint that waits for its answer. Not Clone: one set-up, one session.
#[must_use = "the session is made from this and the server's answer"]
pub struct AwaitingSession<P: Provider> {
    parts: Parts<P>,
}

impl<P: Provider> AwaitingSession<P> {
    /// Takes the server's answer, with the `timestamp` it carried.
    ///
    /// # Errors
    /// [`Error::Rejected`] if the server chose another profile than the client asked for.
    pub fn accept(
        self,
        answer: &SessionAnswer,
        timestamp: UnixMillis,
        now: Ticks,
    ) -> Result<Session<P>, Error> {
        if answer.profile.unwrap_or_default() != self.parts.profile {
            return Err(Error::Rejected);
        }
        let lifetime = Lifetime::new(UnixMillis(answer.expires_at), timestamp, answer.idle_timeout);
        Ok(self.parts.into_session(answer.session_id, lifetime, now))
    }
}

impl<P: Provider> core::fmt::Debug for AwaitingSession<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AwaitingSession").finish_non_exhaustive()
    }
}

/// An inline set-up that waits for the answer to its first request. Not Clone: one request, one answer.
#[must_use = "the session and the answer are opened only with this"]
pub struct AwaitingFirst<'n, P: Provider> {
    parts: Parts<P>,
    request: Iv,
    name: MessageName<'n>,
}

impl<P: Provider> AwaitingFirst<'_, P> {
    /// Opens the first answer in place; gives the session and the plaintext, inside `body`.
    ///
    /// `id` and `lifetime` come from the headers `X-SC-Session-Id`, `X-SC-Expires-At`, `X-SC-Idle-Timeout`; they count
    /// only because the answer opens.
    ///
    /// # Errors
    /// As [`Pending::open`](crate::session::Pending::open).
    pub fn open(
        self,
        id: SessionId,
        lifetime: Lifetime,
        now: Ticks,
        body: &mut [u8],
    ) -> Result<(Session<P>, &mut [u8]), Error> {
        let options = ParseOptions::default().with_max_plaintext(self.parts.max_plaintext);
        let binding = self.parts.response_binding(&id, self.request, self.name);
        let plaintext = self.parts.opener.open_frame(&binding, &options, body)?;
        Ok((self.parts.into_session(id, lifetime, now), plaintext))
    }

    /// The keys of the session to be, for a key log.
    #[cfg(feature = "danger-key-log")]
    #[must_use]
    pub const fn keys_for_log(&self) -> crate::key_log::KeysForLog<'_> {
        crate::key_log::KeysForLog::new(self.parts.profile, &self.parts.context, &self.parts.keys)
    }
}

impl<P: Provider> core::fmt::Debug for AwaitingFirst<'_, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AwaitingFirst").finish_non_exhaustive()
    }
}
