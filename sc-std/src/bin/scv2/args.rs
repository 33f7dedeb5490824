//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use http::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use sc_std::rate_limit::Limit;

/// Secure Channel v2: a server, a client, and tools for envelopes.
#[derive(Debug, Parser)]
#[command(name = "scv2", version, about, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the whole protocol at work: a server and a client over a real loopback socket.
    Demo,
    /// Makes an RSA key for a server.
    Keygen(KeygenArgs),
    /// Serves the session endpoints and forgot-password.
    Serve(Box<ServeArgs>),
    /// Asks a server for a password reset, through the channel.
    ForgotPassword(ForgotPasswordArgs),
    /// Calls any protected endpoint through the channel.
    Call(CallArgs),
    /// Shows the fields of an envelope. Never needs a key.
    Inspect(InspectArgs),
    /// Seals standard input into an envelope on standard output.
    Seal(SealArgs),
    /// Opens an envelope on standard input; nothing is written unless it opens.
    Open(OpenArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct KeygenArgs {
    /// Size of the modulus: 2048, 3072 or 4096.
    #[arg(long, default_value_t = 2048)]
    pub(crate) bits: usize,
    /// The file to create, PKCS#8 PEM with mode 0600. An existing file is not overwritten.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:18020")]
    pub(crate) listen: SocketAddr,
    /// An RSA key, PKCS#8 PEM; repeatable, the last one is published. Without it a key is made in memory.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// How often a key that was made in memory is replaced.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration, conflicts_with = "key")]
    pub(crate) key_rotation: Duration,
    /// Where sessions live.
    #[arg(long, value_enum, default_value_t = StoreKind::Memory)]
    pub(crate) store: StoreKind,
    /// The absolute lifetime of a session.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub(crate) session_ttl: Duration,
    /// After how long without a message a session ends.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration)]
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
    #[arg(long, value_name = "COUNT/SECONDSs", default_value = "3/300s")]
    pub(crate) rate_limit: Limit,
    /// Forgot-password requests for one e-mail address.
    #[arg(long, value_name = "COUNT/SECONDSs")]
    pub(crate) rate_limit_email: Option<Limit>,
    /// Session set-ups attempted from one client address.
    #[arg(long, value_name = "COUNT/SECONDSs", default_value = "60/60s")]
    pub(crate) setup_limit: Limit,
    /// Takes the client's address from this header, when a trusted proxy sends it.
    #[arg(long, value_name = "NAME")]
    pub(crate) client_ip_header: Option<HeaderName>,
    /// Who may name the client's address; repeatable.
    #[arg(long, value_name = "CIDR", default_values = ["127.0.0.0/8", "::1/128"])]
    pub(crate) trusted_proxy: Vec<IpNet>,
    /// Requires X-PORTAL-ACCESS-CODE with this value.
    #[arg(long, value_name = "CODE", value_parser = header_value)]
    pub(crate) portal_access_code: Option<HeaderValue>,
    /// Requires CF-Connecting-IP, Cf-Ray and cf-ipcountry.
    #[arg(long)]
    pub(crate) require_cdn_headers: bool,
    /// The known e-mail addresses, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Where mails are written as .eml files. Default: a temporary folder, named on standard error.
    #[arg(long, value_name = "DIR")]
    pub(crate) outbox: Option<PathBuf>,
    /// The base of the reset link.
    #[arg(long, value_name = "URL", default_value = "https://localhost/reset-password")]
    pub(crate) reset_url: String,
    /// How logs are written to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// Where sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// In this process.
    Memory,
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

/// What every client command takes.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServerArgs {
    /// The server, for example http://127.0.0.1:18020
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: String,
    /// Sets the session up by the first request itself.
    #[arg(long)]
    pub(crate) inline: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ForgotPasswordArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The address that the reset link is for.
    #[arg(long)]
    pub(crate) email: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The path of the endpoint.
    #[arg(long)]
    pub(crate) path: String,
    /// The request, as JSON.
    #[arg(long)]
    pub(crate) json: String,
    /// A header more; repeatable.
    #[arg(long, value_name = "N: V", value_parser = header)]
    pub(crate) header: Vec<(HeaderName, HeaderValue)>,
    /// The profile. Default: bound where offered if the message has a registered name, else plain.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<ProfileArg>,
    /// The message's registered name, which the bound profile authenticates. Default: that of a known path, else the
    /// path.
    #[arg(long, value_name = "NAME")]
    pub(crate) message: Option<String>,
}

/// Which profile a client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    /// Always plain.
    Plain,
    /// Bound, or an error.
    Bound,
    /// Bound where the server offers it.
    Auto,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    /// The envelope. Default: standard input.
    pub(crate) file: Option<PathBuf>,
    /// Prints JSON for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct KeyArgs {
    /// The AES-256 key, 64 hex digits. Everybody who lists this machine's processes can read it: prefer --key-file.
    #[arg(long, value_name = "HEX")]
    pub(crate) key: Option<String>,
    /// A file with the key in hex; - reads the first line of standard input.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SealArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The type of the envelope: 2 (request) or 129 (answer).
    #[arg(long = "type", value_name = "2|129", default_value_t = 2)]
    pub(crate) kind: u8,
    /// A fixed IV, 24 hex digits, to reproduce test vectors. Never for anything else.
    #[arg(long, value_name = "HEX")]
    pub(crate) iv: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The type of the envelope: 2 (request) or 129 (answer).
    #[arg(long = "type", value_name = "2|129", default_value_t = 2)]
    pub(crate) kind: u8,
}

/// A duration like 90s, 30m, 24h; not zero.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(1) { Err("at least one second".to_owned()) } else { Ok(duration) }
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "not the value of a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written 'Name: value'")?;
    let name = name.trim().parse().map_err(|_| "not the name of a header".to_owned())?;
    Ok((name, header_value(value.trim())?))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_and_headers_are_read() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert!(duration("0s").is_err() && duration("soon").is_err());
        assert!(header("X-A: b: c").is_ok_and(|(name, value)| name == "x-a" && value == "b: c"));
        assert!(header("no colon").is_err() && header("a b: c").is_err());
    }
}
