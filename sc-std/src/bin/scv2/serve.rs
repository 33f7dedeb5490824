//! `scv2 serve`: the server of the protocol, with forgot-password behind it.

mod mailer;
mod options;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rand_core::Rng;
use sc_core::server::BoundPolicy;
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::{KeyRing, Pkcs8};
use sc_std::message::{EmailHashKey, ForgotPassword, Message};
use sc_std::reset::{KnownAddresses, ResetConfig, ResetLink, ResetStats, ResetTokens, ResetWorker};
use sc_std::rng::SystemSeeded;
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ForgotPasswordEndpoint, ScRouter, ScServer};
use sc_std::store::{MemoryStore, MemoryStoreOptions};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use crate::exit::{Failure, with_causes};
use crate::input;
pub(crate) use options::Options;
use options::{BoundArg, LogFormat, StoreKind};

/// How long a stopping server waits for mails that are under way.
const MAIL_DRAIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: Options) -> Result<(), Failure> {
    log_to_stderr(args.log_format);
    // Before anybody knows the address: a signal that comes at once must find somebody who listens.
    let stop = StopSignal::listen()?;
    let running = start(args).await?;
    input::write_raw(format!("listening on http://{}\n", running.address).as_bytes())?;
    running.serve(stop.received()).await.map(drop)
}

/// A server that is bound to its address.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    worker: ResetWorker,
    listener: TcpListener,
    router: Router,
    server: ScServer<MemoryStore>,
}

/// Reads every file, makes every part, and binds the address.
pub(crate) async fn start(args: Options) -> Result<Running, Failure> {
    let now = SystemClock::new().now();
    let keys = Arc::new(key_ring(&args, now)?);
    let server = server(&args, keys)?;
    let worker = worker(&args)?;

    // The memory store has no key of its own: hashes of e-mail addresses live as long as the process.
    let mut store_key = Zeroizing::new([0; 32]);
    SystemSeeded.fill_bytes(store_key.as_mut_slice());
    let endpoint = ForgotPasswordEndpoint::new(
        args.rate_limit,
        args.rate_limit_email.unwrap_or(args.rate_limit),
        EmailHashKey::derive(&store_key),
        worker.queue().clone(),
    );
    let routes = ScRouter::new(server.clone())
        .sealed(ForgotPassword::PATH, ForgotPassword::NAME, endpoint.into_route())
        .exempt("/healthz", get(|| async { "ok\n" }));
    for (path, kind) in routes.routes() {
        tracing::info!(path, ?kind, "route");
    }
    let listener = TcpListener::bind(args.listen).await;
    let listener =
        listener.map_err(|error| Failure::Usage(format!("cannot listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::Usage(with_causes(&error)))?;
    let router = routes.into_router();
    Ok(Running { address, worker, listener, router, server })
}

impl Running {
    /// Serves until `stop` completes, then finishes what is under way, mails included.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) -> Result<ResetStats, Failure> {
        let housekeeping = self.server.spawn_housekeeping();
        let served = serve(self.listener, self.router, ServeOptions::default(), stop).await;
        housekeeping.abort();
        let mails = tokio::time::timeout(MAIL_DRAIN, self.worker.close()).await.unwrap_or_else(|_| {
            tracing::error!("reset mails that were still waiting are lost");
            ResetStats::default()
        });
        served.map_err(|error| Failure::Usage(with_causes(&error)))?;
        Ok(mails)
    }
}

fn key_ring(args: &Options, now: sc_core::id::UnixMillis) -> Result<KeyRing, Failure> {
    if args.key.is_empty() {
        let rotation = u64::try_from(args.key_rotation.as_millis()).unwrap_or(u64::MAX);
        return KeyRing::in_memory(2048, rotation, now).map_err(|error| Failure::Usage(with_causes(&error)));
    }
    if args.ledger_file.is_none() {
        anstream::eprintln!(
            "warning: --key without --ledger-file: the key outlives this process, the ledger of wrapped keys does not. \
             After a restart, recorded session set-ups can be replayed once."
        );
    }
    let mut keys = Vec::with_capacity(args.key.len());
    for path in &args.key {
        let read = Pkcs8::read(path).and_then(Pkcs8::into_aws_lc);
        keys.push(read.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?);
    }
    KeyRing::from_keys(keys, now).map_err(|error| Failure::Usage(with_causes(&error)))
}

fn server(args: &Options, keys: Arc<KeyRing>) -> Result<ScServer<MemoryStore>, Failure> {
    let StoreKind::Memory = args.store;
    let idle_ms = u64::try_from(args.session_idle.as_millis()).unwrap_or(u64::MAX);
    let mut options = MemoryStoreOptions::default()
        .with_max_sessions(args.max_sessions)
        .with_max_claims(args.max_claims)
        .with_idle_ms(idle_ms);
    if args.no_replay_check {
        tracing::warn!("the replay check is off: a recorded request can be sent again");
        options = options.without_replay_check();
    }
    let store = match &args.ledger_file {
        Some(path) => MemoryStore::with_ledger_file(options, path)
            .map_err(|error| Failure::Usage(format!("{}: {}", path.display(), with_causes(&error))))?,
        None => MemoryStore::new(options),
    };
    let bound = match args.bound {
        BoundArg::Off => BoundPolicy::Off,
        BoundArg::Offered => BoundPolicy::Offered,
        BoundArg::Required => BoundPolicy::Required,
    };
    let mut builder = ScServer::builder(keys, store)
        .with_session_ttl_ms(u64::try_from(args.session_ttl.as_millis()).unwrap_or(u64::MAX))
        .with_bound(bound)
        .with_set_up_limit(args.setup_limit)
        .with_trusted_proxies(args.trusted_proxy.clone());
    if args.no_inline {
        builder = builder.without_inline();
    }
    if args.text_envelope {
        builder = builder.with_text_envelope();
    }
    if args.require_cdn_headers {
        builder = builder.with_required_cdn_headers();
    }
    if let Some(code) = &args.portal_access_code {
        builder = builder.with_portal_access_code(code.clone());
    }
    if let Some(name) = &args.client_ip_header {
        builder = builder.with_client_ip_header(name.clone());
    }
    Ok(builder.build())
}

/// How long a reset link works, in milliseconds: half an hour.
const LINK_TTL_MS: u64 = 30 * 60 * 1000;
/// Reset tokens that wait for their users, at most.
const MAX_TOKENS: usize = 1_000_000;

fn worker(args: &Options) -> Result<ResetWorker, Failure> {
    let accounts = match &args.users {
        Some(path) => KnownAddresses::read(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
        None => KnownAddresses::parse("").map_err(|error| Failure::Usage(with_causes(&error)))?,
    };
    let mailer = args.mail.mailer()?;
    let link =
        ResetLink::parse(&args.reset_url).map_err(|error| Failure::Usage(format!("--reset-url: {error}")))?;
    let tokens = Arc::new(ResetTokens::new(LINK_TTL_MS, MAX_TOKENS));
    let clock = Arc::new(SystemClock::new());
    Ok(ResetWorker::spawn(ResetConfig::new(link), accounts, mailer, tokens, clock))
}

/// Logs go to standard error; `RUST_LOG` chooses, warnings by default.
fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}

/// SIGTERM and ctrl-c. The second one ends the process at once.
#[cfg(unix)]
struct StopSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignal {
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| Failure::Usage(format!("signals cannot be caught: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn received(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("stopped at the second signal");
            std::process::exit(1);
        });
    }
}

/// Ctrl-c.
#[cfg(not(unix))]
struct StopSignal;

#[cfg(not(unix))]
impl StopSignal {
    fn listen() -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn received(self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
