//! The options of `scv2 serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use sc_std::rate_limit::Limit;

use super::mailer::MailOptions;
use crate::args::duration;
use crate::exit::Failure;
use crate::input;

/// Serves the session endpoints and forgot-password
#[derive(Debug, Args)]
#[command(after_help = "The first line on standard output is: listening on http://ADDRESS:PORT
Logs go to standard error; RUST_LOG chooses (default: warn,scv2=info). SIGTERM and ctrl-c finish the requests under way.

Examples:
  scv2 serve --users known.txt --outbox mails
  scv2 serve --store redis://127.0.0.1:6379 --store-key-file store.key --users known.txt --outbox mails")]
pub(crate) struct Options {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:18020")]
    pub(crate) listen: SocketAddr,
    /// An RSA key, PKCS#8 PEM; repeatable, the last one is published. Without it a key is made in memory, or in Redis for all
    /// servers.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// Where the ledger of wrapped keys is kept, so that a key from a file may outlive the process. Locked to one
    /// process; created if it is not there.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) ledger_file: Option<PathBuf>,
    /// How often a key that was not read from a file is replaced.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = lifetime, conflicts_with = "key")]
    pub(crate) key_rotation: Duration,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// How many replicas of Redis confirm a new session, a close, a ledger entry, a shared RSA key and a revocation. Default: 1
    /// in a cluster, else 0.
    #[arg(long, value_name = "N")]
    pub(crate) store_replicas: Option<u8>,
    /// Waits for those replicas with every message too: a fail-over of Redis then lets no recorded request be replayed.
    #[arg(long)]
    pub(crate) store_wait_claims: bool,
    /// The absolute lifetime of a session.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = lifetime)]
    pub(crate) session_ttl: Duration,
    /// After how long without a message a session ends.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = lifetime)]
    pub(crate) session_idle: Duration,
    /// Sessions alive at once; beyond it set-ups are refused with BUSY.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) max_sessions: usize,
    /// IVs remembered for all sessions together.
    #[arg(long, value_name = "N", default_value_t = 1 << 24)]
    pub(crate) max_claims: usize,
    /// Does not notice replayed requests.
    #[arg(long)]
    pub(crate) no_replay_check: bool,
    /// Refuses set-ups by a type 1 envelope.
    #[arg(long)]
    pub(crate) no_inline: bool,
    /// What is said of the bound profile.
    #[arg(long, value_enum, default_value_t = BoundArg::Offered)]
    pub(crate) bound: BoundArg,
    /// Takes text envelopes too.
    #[arg(long)]
    pub(crate) text_envelope: bool,
    /// Forgot-password requests of one client address, and of one e-mail address unless --rate-limit-email.
    #[arg(long, value_name = "COUNT/DURATION", default_value = "3/300s")]
    pub(crate) rate_limit: Limit,
    /// Forgot-password requests for one e-mail address.
    #[arg(long, value_name = "COUNT/DURATION")]
    pub(crate) rate_limit_email: Option<Limit>,
    /// Session set-ups attempted from one client address.
    #[arg(long, value_name = "COUNT/DURATION", default_value = "60/60s")]
    pub(crate) setup_limit: Limit,
    /// Takes the client's address from this header, when a trusted proxy sends it.
    #[arg(long, value_name = "NAME")]
    pub(crate) client_ip_header: Option<HeaderName>,
    /// Who may name the client's address; repeatable.
    #[arg(long, value_name = "CIDR", default_values = ["127.0.0.0/8", "::1/128"])]
    pub(crate) trusted_proxy: Vec<IpNet>,
    /// Requires X-PORTAL-ACCESS-CODE with this value.
    #[arg(long, value_name = "CODE", value_parser = header_value, conflicts_with = "portal_access_code_file")]
    pub(crate) portal_access_code: Option<HeaderValue>,
    /// The same from a file, so that the code stays out of the list of processes.
    #[arg(long, value_name = "FILE")]
    pub(crate) portal_access_code_file: Option<PathBuf>,
    /// Requires CF-Connecting-IP, Cf-Ray and cf-ipcountry.
    #[arg(long)]
    pub(crate) require_cdn_headers: bool,
    /// The known e-mail addresses, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Where mails go.
    #[command(flatten)]
    pub(crate) mail: MailOptions,
    /// The base of the reset link.
    #[arg(long, value_name = "URL", default_value = "https://localhost/reset-password")]
    pub(crate) reset_url: String,
    /// Writes the keys of every session to this file, in the clear. For debugging only.
    #[cfg(feature = "danger-key-log")]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_log: Option<PathBuf>,
    /// How logs are written to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Lets the system write a core dump, and debuggers of the same user attach. Either shows RSA keys and the keys of live
    /// sessions, so by default the server forbids both.
    #[arg(long)]
    pub(crate) core_dumps: bool,
    /// Does not serve the page at /, which runs the protocol in a browser and shows every byte on the wire.
    #[arg(long)]
    pub(crate) no_page: bool,
    /// Shows the server's figures as Prometheus text at GET /metrics.
    #[arg(long)]
    pub(crate) metrics: bool,
}

/// Where a store is, and what opens it.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Where sessions, claims, limits and reset tokens live: memory, redis://HOST:PORT[/DB] or
    /// redis-cluster://HOST:PORT[,HOST:PORT...]; rediss in the place of redis is TLS.
    #[arg(long, value_name = "STORE", default_value = "memory")]
    pub(crate) store: String,
    /// The same from a file, so that a password stays out of the list of processes.
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub(crate) store_file: Option<PathBuf>,
    /// The key that seals what is stored in Redis: 64 hex digits; more lines are older keys that still open. All servers
    /// take the same.
    #[arg(long, value_name = "FILE")]
    pub(crate) store_key_file: Option<PathBuf>,
    /// Certificates that TLS to Redis trusts, in PEM. Default: the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) store_ca: Option<PathBuf>,
    /// A certificate for TLS to Redis, in PEM, where Redis asks for one.
    #[arg(long, value_name = "FILE", requires = "store_client_key")]
    pub(crate) store_client_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", requires = "store_client_cert")]
    pub(crate) store_client_key: Option<PathBuf>,
    /// The first part of every key in Redis, so that several services share one.
    #[arg(long, value_name = "NAME", default_value = "scv2")]
    pub(crate) store_namespace: String,
}

/// What a server says of the bound profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BoundArg {
    /// Not offered.
    Off,
    /// Offered beside plain.
    Offered,
    /// Required.
    Required,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads the duration of something that lives at least a second.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = duration(text)?;
    if lifetime < Duration::from_secs(1) { Err("at least one second".to_owned()) } else { Ok(lifetime) }
}

/// Reads a secret header value, which is not shown in logs.
impl Options {
    /// The code in `--portal-access-code` or its file.
    pub(crate) fn portal_code(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(path) = &self.portal_access_code_file else { return Ok(self.portal_access_code.clone()) };
        let bytes = input::file(path, 4096)?;
        let code = std::str::from_utf8(&bytes).map_err(|_| NO_HEADER.to_owned());
        let code = code
            .and_then(|text| header_value(text.trim()))
            .and_then(|code| if code.is_empty() { Err("it is empty".to_owned()) } else { Ok(code) });
        code.map(Some).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
    }
}

/// Why text is no header's value.
const NO_HEADER: &str = "not the value of a header";

/// A header's value that no Debug shows.
fn header_value(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| NO_HEADER.to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
