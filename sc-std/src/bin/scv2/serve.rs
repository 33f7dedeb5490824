//! `scv2 serve`: the server of the protocol, with forgot-password behind it.

mod dumps;
mod mailer;
mod metrics;
mod options;
mod store;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use sc_core::server::BoundPolicy;
use sc_std::clock::SystemClock;
use sc_std::keys::KeyRing;
use sc_std::message::{EmailHashKey, ForgotPassword, Message};
use sc_std::rate_limit::RateLimiter;
use sc_std::reset::{
    KnownAddresses, ResetConfig, ResetLink, ResetStats, ResetTokens, ResetWorker, TokenStore,
};
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ForgotPasswordEndpoint, ScRouter, ScServer};
use sc_std::store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use crate::exit::{Failure, with_causes};
use crate::input;
use options::{BoundArg, LogFormat};
pub(crate) use options::{Options, StoreArgs};

/// How long a stopping server waits for mails that are under way.
const MAIL_DRAIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: Options) -> Result<(), Failure> {
    // Before there is a secret.
    if !args.core_dumps {
        dumps::forbid()?;
    }
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
    /// Starts to rotate keys and to end what is over.
    housekeeping: Box<dyn FnOnce() -> JoinHandle<()> + Send>,
    figures: metrics::Figures,
}

/// Reads every file, makes every part, and binds the address.
pub(crate) async fn start(args: Options) -> Result<Running, Failure> {
    // First: the server registers its figures with the recorder that it finds.
    let figures = metrics::Figures::install(args.metrics)?;
    match args.store.redis_url()? {
        None => {
            let (store, email_key) = store::memory(&args)?;
            let tokens = ResetTokens::new(LINK_TTL_MS, MAX_TOKENS);
            let keys = store::key_ring(&args, &store, false).await?;
            assemble(args, store, keys, tokens, email_key, figures).await
        }
        Some(url) => {
            let store = store::redis(&args, &url).await?;
            let (tokens, email_key) = (store.tokens(LINK_TTL_MS, MAX_TOKENS), store.email_hash_key());
            let keys = store::key_ring(&args, &store, true).await?;
            assemble(args, store, keys, tokens, email_key, figures).await
        }
    }
}

async fn assemble<S: Store, T: TokenStore>(
    args: Options,
    store: S,
    keys: KeyRing,
    tokens: T,
    email_key: EmailHashKey,
    figures: metrics::Figures,
) -> Result<Running, Failure> {
    let server = server(&args, Arc::new(keys), store)?;
    let store = server.store();
    let worker = worker(&args, tokens, store.limiter("mails", ResetConfig::DEFAULT_ACCOUNT_LIMIT))?;
    let endpoint = ForgotPasswordEndpoint::new(
        store.limiter("address", args.rate_limit),
        store.limiter("email", args.rate_limit_email.unwrap_or(args.rate_limit)),
        email_key,
        worker.queue().clone(),
    );
    let routes = ScRouter::new(server.clone())
        .sealed(ForgotPassword::PATH, ForgotPassword::NAME, endpoint.into_route())
        .exempt("/healthz", get(|| async { "ok\n" }));
    let routes = figures.route(with_page(!args.no_page, routes));
    for (path, kind) in routes.routes() {
        tracing::info!(path, ?kind, "route");
    }
    let listener = TcpListener::bind(args.listen).await;
    let listener =
        listener.map_err(|error| Failure::Usage(format!("cannot listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::Usage(with_causes(&error)))?;
    let router = routes.into_router();
    let housekeeping = Box::new(move || server.spawn_housekeeping());
    Ok(Running { address, worker, listener, router, housekeeping, figures })
}

impl Running {
    /// Serves until `stop` completes, then finishes what is under way, mails included.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) -> Result<ResetStats, Failure> {
        let housekeeping = (self.housekeeping)();
        let upkeep = self.figures.spawn_upkeep();
        let served = serve(self.listener, self.router, ServeOptions::default(), stop).await;
        housekeeping.abort();
        if let Some(upkeep) = upkeep {
            upkeep.abort();
        }
        let mails = tokio::time::timeout(MAIL_DRAIN, self.worker.close()).await.unwrap_or_else(|_| {
            tracing::error!("reset mails that were still waiting are lost");
            ResetStats::default()
        });
        served.map_err(|error| Failure::Usage(with_causes(&error)))?;
        Ok(mails)
    }
}

/// Adds the page at `/`, if it is wanted.
fn with_page<S: Store>(wanted: bool, routes: ScRouter<S>) -> ScRouter<S> {
    let pages = wanted.then(sc_std::page::routes).into_iter().flatten();
    pages.fold(routes, |routes, (path, methods)| routes.exempt(path, methods))
}

fn server<S: Store>(args: &Options, keys: Arc<KeyRing>, store: S) -> Result<ScServer<S>, Failure> {
    let bound = match args.bound {
        BoundArg::Off => BoundPolicy::Off,
        BoundArg::Offered => BoundPolicy::Offered,
        BoundArg::Required => BoundPolicy::Required,
    };
    let mut builder = ScServer::builder(keys, store)
        .with_session_ttl_ms(store::millis(args.session_ttl))
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
    if let Some(code) = args.portal_code()? {
        builder = builder.with_portal_access_code(code);
    }
    if let Some(name) = &args.client_ip_header {
        builder = builder.with_client_ip_header(name.clone());
    }
    #[cfg(feature = "danger-key-log")]
    if let Some(path) = &args.key_log {
        builder = builder.with_key_log(crate::key_log::open(path)?);
    }
    Ok(builder.build())
}

/// How long a reset link works, in milliseconds: half an hour.
const LINK_TTL_MS: u64 = 30 * 60 * 1000;
/// Reset tokens that wait for their users, at most.
const MAX_TOKENS: usize = 1_000_000;

fn worker<T: TokenStore, L: RateLimiter>(
    args: &Options,
    tokens: T,
    mails: L,
) -> Result<ResetWorker, Failure> {
    let accounts = match &args.users {
        Some(path) => KnownAddresses::read(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
        None => KnownAddresses::parse("").map_err(|error| Failure::Usage(with_causes(&error)))?,
    };
    let mailer = args.mail.mailer()?;
    let link =
        ResetLink::parse(&args.reset_url).map_err(|error| Failure::Usage(format!("--reset-url: {error}")))?;
    let (tokens, clock) = (Arc::new(tokens), Arc::new(SystemClock::new()));
    Ok(ResetWorker::spawn_limited(ResetConfig::new(link), accounts, mailer, tokens, mails, clock))
}

/// Logs go to standard error; `RUST_LOG` chooses, by default warnings and what the program itself has to say.
fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,scv2=info"));
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
