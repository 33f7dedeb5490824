//! How a client behaves: every option, its default and its unit.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use rand_core::Rng;
use sc_core::channel::IvMode;
use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::id::ClientHash;
use sc_core::limits::DEFAULT_MAX_PLAINTEXT;

use super::backoff::BackoffRule;
use super::base_url::BaseUrl;
use super::sessions::{ClientProvider, Sessions};
use super::transport::AnyTransport;
use super::wire::Wire;
use super::{ScClient, SetUpWay, Transport, TransportError, own_headers};
use crate::provider::DefaultProvider;
use crate::rng::SystemSeeded;

/// Why no client could be built.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The base URL is not `http` or `https`, has no host, or has a user name, a query or a fragment.
    #[error("the base URL must be http:// or https://, a host, perhaps a port and a path, and nothing else")]
    BaseUrl,
    /// The client hash is not 1 to 256 bytes of visible ASCII.
    #[error("the client hash must be 1 to 256 visible ASCII characters")]
    ClientHash,
    /// The language is not a header value.
    #[error("the language is not a value of Accept-Language")]
    Language,
    /// A header that is not one, or that the channel sets itself.
    #[error("the header {0:?} is not one, has an impossible value, or is set by the channel itself")]
    Header(String),
    /// More than 8 pins.
    #[error("at most 8 pins")]
    Pins,
    /// No transport was given, and the feature `reqwest` is off.
    #[error("no transport: turn on the feature reqwest of sc-std, or give one with with_transport")]
    NoTransport,
    /// No provider was named, and the features `aws-lc-rs` and `rustcrypto` are off.
    #[error(
        "no provider: turn on the feature aws-lc-rs or rustcrypto of sc-std, or name one with with_provider"
    )]
    NoProvider,
    /// The default transport could not be made.
    #[error("the transport could not be made: {0}")]
    Transport(#[source] TransportError),
    /// The blocking client's thread could not be started.
    #[error("the client's thread could not be started: {0}")]
    Runtime(#[source] Arc<std::io::Error>),
}

/// Builds a [`ScClient`].
///
/// # Examples
/// ```no_run
/// # #[cfg(feature = "reqwest")] {
/// use std::time::Duration;
/// use sc_std::client::{ProfileChoice, ScClient};
///
/// let client = ScClient::builder("https://api.example")
///     .with_client_hash("fingerprint-of-a-phone")
///     .with_profile(ProfileChoice::RequireBound)
///     .with_request_timeout(Duration::from_secs(5))
///     .build()?;
/// # let _ = client;
/// # }
/// # Ok::<(), sc_std::client::BuildError>(())
/// ```
#[must_use = "a builder does nothing until build"]
pub struct ScClientBuilder<P: ClientProvider = DefaultProvider> {
    base_url: String,
    client_hash: Option<String>,
    language: String,
    headers: Vec<(String, String)>,
    profile: ProfileChoice,
    pins: Vec<[u8; 32]>,
    way: SetUpWay,
    ivs: IvMode,
    connect_timeout: Duration,
    request_timeout: Duration,
    max_answer: usize,
    backoff: BackoffRule,
    transport: Option<Arc<dyn AnyTransport>>,
    provider: PhantomData<fn() -> P>,
    #[cfg(feature = "danger-key-log")]
    key_log: Option<crate::key_log::KeyLog>,
}

impl ScClientBuilder {
    pub(crate) fn new(base_url: String) -> Self {
        Self {
            base_url,
            client_hash: None,
            language: "en".to_owned(),
            headers: Vec::new(),
            profile: ProfileChoice::default(),
            pins: Vec::new(),
            way: SetUpWay::default(),
            ivs: IvMode::default(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            max_answer: DEFAULT_MAX_PLAINTEXT,
            backoff: BackoffRule {
                attempts: 3,
                first: Duration::from_millis(200),
                longest: Duration::from_secs(5),
            },
            transport: None,
            provider: PhantomData,
            #[cfg(feature = "danger-key-log")]
            key_log: None,
        }
    }
}

impl<P: ClientProvider> ScClientBuilder<P> {
    /// Sets the cryptographic provider. Default: AWS-LC if the feature `aws-lc-rs` is on, else RustCrypto.
    pub fn with_provider<Q: ClientProvider>(self) -> ScClientBuilder<Q> {
        ScClientBuilder {
            base_url: self.base_url,
            client_hash: self.client_hash,
            language: self.language,
            headers: self.headers,
            profile: self.profile,
            pins: self.pins,
            way: self.way,
            ivs: self.ivs,
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            max_answer: self.max_answer,
            backoff: self.backoff,
            transport: self.transport,
            provider: PhantomData,
            #[cfg(feature = "danger-key-log")]
            key_log: self.key_log,
        }
    }

    /// Sets `X-Client-Hash`, the device's fingerprint: 1 to 256 visible ASCII characters. Sessions are bound to it,
    /// so it stays the same for the client's life. Default: 32 random hex digits, drawn for this client.
    pub fn with_client_hash(mut self, fingerprint: impl Into<String>) -> Self {
        self.client_hash = Some(fingerprint.into());
        self
    }

    /// Sets `Accept-Language`: `en`, `zh`, `zh-Hant`, `ja` or `vi`. Default: `en`.
    pub fn with_language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// Adds a header to every request, for example one that a gateway requires. Default: none. One that changes, or goes
    /// with some messages only, is [`ScClient::with_header`]'s. Headers of the channel (`X-SC-...`, `X-Client-Hash`,
    /// `X-Request-Id`, `Accept`, `Content-...` and the like) are refused when building.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the profile. Default: `bound` where the server offers it.
    pub fn with_profile(mut self, profile: ProfileChoice) -> Self {
        self.profile = profile;
        self
    }

    /// Adds the SHA-256 of an SPKI DER that the server's key may have, 8 at most. Default: none, any key is taken.
    ///
    /// # Security
    /// Pin the next key too, or a rotation locks the client out. A server that rotates by itself cannot be pinned.
    pub fn with_pin(mut self, spki_sha256: [u8; 32]) -> Self {
        self.pins.push(spki_sha256);
        self
    }

    /// Sets how sessions are set up. Default: [`SetUpWay::Endpoint`].
    pub fn with_set_up(mut self, way: SetUpWay) -> Self {
        self.way = way;
        self
    }

    /// Sets how IVs are made. Default: [`IvMode::Random`].
    ///
    /// # Security
    /// A client may use [`IvMode::Counter`]: it is the one sealer under its request key. But only while nothing copies
    /// the process's memory, be it a fork or a snapshot of the machine (PROTOCOL 3, 10.8).
    pub fn with_ivs(mut self, ivs: IvMode) -> Self {
        self.ivs = ivs;
        self
    }

    /// Sets how long the default transport waits for a connection. Default: 5 s. A transport of your own has its own.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long one request with its answer may take, over any transport. Default: 10 s. A call may need three of
    /// them: public key, session, message.
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets the longest plaintext of a success, in bytes. Default: 1 MiB. A longer one is
    /// [`TooLarge`](super::TransportErrorKind::TooLarge), and what cannot be shorter is not read to the end.
    /// Refusals, and documents of the set-up, may have 64 KiB whatever this says. More than 1 MiB lets messages be as
    /// long, too.
    pub fn with_max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }

    /// Sets how often a set-up is attempted (default: 3 times; 0 is 1), how long it waits before the second attempt (200 ms;
    /// twice as long before each later one, less up to a half by chance), and at most (5 s). A server that asks for more than the
    /// longest wait, by `Retry-After`, ends the set-up at once. Each attempt draws new keys. Messages are never repeated for
    /// this.
    pub fn with_set_up_attempts(
        mut self,
        attempts: u8,
        first_wait: Duration,
        longest_wait: Duration,
    ) -> Self {
        self.backoff = BackoffRule { attempts, first: first_wait, longest: longest_wait };
        self
    }

    /// Writes the keys of every session to a file, in the clear. Default: no.
    ///
    /// # Security
    /// For debugging only. Whoever reads the file reads every message.
    #[cfg(feature = "danger-key-log")]
    pub fn with_key_log(mut self, log: crate::key_log::KeyLog) -> Self {
        self.key_log = Some(log);
        self
    }

    /// Sets the transport. Default: `ReqwestTransport` without a proxy, by the feature `reqwest`.
    pub fn with_transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Checks everything and makes the client. Nothing is sent.
    ///
    /// # Errors
    /// [`BuildError`], for the first option that is not right.
    pub fn build(self) -> Result<ScClient<P>, BuildError> {
        #[cfg(not(any(feature = "aws-lc-rs", feature = "rustcrypto")))]
        if std::any::TypeId::of::<P>() == std::any::TypeId::of::<crate::provider::NoProvider>() {
            return Err(BuildError::NoProvider);
        }
        let base = BaseUrl::parse(&self.base_url).ok_or(BuildError::BaseUrl)?;
        let client_hash = self.client_hash.unwrap_or_else(random_client_hash);
        ClientHash::of(client_hash.as_bytes()).map_err(|_| BuildError::ClientHash)?;
        let client_hash = HeaderValue::try_from(client_hash).map_err(|_| BuildError::ClientHash)?;
        let language = HeaderValue::try_from(self.language).map_err(|_| BuildError::Language)?;
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            let (name, value) = own_headers::check(&name, value)?;
            headers.append(name, value);
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(self.connect_timeout)?,
        };
        // sc-core has one cap for both directions; answers are held to theirs when they are read.
        let mut options = ClientOptions::default()
            .with_profile(self.profile)
            .with_ivs(self.ivs)
            .with_max_plaintext(self.max_answer.max(DEFAULT_MAX_PLAINTEXT));
        for pin in self.pins {
            options = options.with_pin(pin).map_err(|_| BuildError::Pins)?;
        }
        let wire = Wire {
            base,
            client_hash,
            language,
            headers,
            max_answer: self.max_answer,
            timeout: self.request_timeout,
            transport,
        };
        let sessions = Sessions::new(Client::new(options), self.way, self.backoff);
        #[cfg(feature = "danger-key-log")]
        let sessions = sessions.with_key_log(self.key_log);
        Ok(ScClient::new(wire, sessions))
    }

    /// Makes a client whose calls wait for their answer (feature `blocking`). Starts a thread; nothing is sent.
    ///
    /// # Errors
    /// As [`ScClientBuilder::build`], and [`BuildError::Runtime`].
    #[cfg(feature = "blocking")]
    pub fn build_blocking(self) -> Result<super::BlockingClient<P>, BuildError> {
        super::BlockingClient::new(self.build()?)
    }
}

impl<P: ClientProvider> std::fmt::Debug for ScClientBuilder<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScClientBuilder").finish_non_exhaustive()
    }
}

fn random_client_hash() -> String {
    format!("{:016x}{:016x}", SystemSeeded.next_u64(), SystemSeeded.next_u64())
}

#[cfg(feature = "reqwest")]
fn default_transport(connect_timeout: Duration) -> Result<Arc<dyn AnyTransport>, BuildError> {
    let transport = super::ReqwestTransport::new(connect_timeout, super::ProxyUse::None);
    Ok(Arc::new(transport.map_err(BuildError::Transport)?))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport(_connect_timeout: Duration) -> Result<Arc<dyn AnyTransport>, BuildError> {
    Err(BuildError::NoTransport)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transport that nothing is sent over.
    struct Nowhere;

    impl Transport for Nowhere {
        async fn send(
            &self,
            _: http::Request<bytes::Bytes>,
            _: usize,
        ) -> Result<http::Response<bytes::Bytes>, TransportError> {
            Err(TransportError::new(super::super::TransportErrorKind::Connect))
        }
    }

    fn builder() -> ScClientBuilder {
        ScClient::builder("http://127.0.0.1:1").with_transport(Nowhere)
    }

    #[test]
    fn what_is_not_right_is_told_when_building() {
        assert!(builder().build().is_ok());
        let bad = |builder: ScClientBuilder| builder.build().unwrap_err();
        assert!(matches!(bad(ScClient::builder("ftp://x").with_transport(Nowhere)), BuildError::BaseUrl));
        for hash in ["", "a b", "é", &"x".repeat(257)] {
            assert!(matches!(bad(builder().with_client_hash(hash)), BuildError::ClientHash), "{hash}");
        }
        assert!(matches!(bad(builder().with_language("en\r\nX: y")), BuildError::Language));
        let nine = (0..9).fold(builder(), |builder, pin| builder.with_pin([pin; 32]));
        assert!(matches!(bad(nine), BuildError::Pins));
    }

    #[test]
    fn headers_of_the_channel_cannot_be_set_from_outside() {
        let error = builder().with_header("X-SC-Session-Id", "x").build().unwrap_err();
        assert!(matches!(error, BuildError::Header(said) if said == "X-SC-Session-Id"));
        assert!(builder().with_header("CF-Connecting-IP", "203.0.113.7").build().is_ok());
    }
}
