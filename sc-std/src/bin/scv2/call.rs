//! `scv2 forgot-password` and `scv2 call`: the client flow against a server.

#[cfg(feature = "danger-key-log")]
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sc_core::retry::Repeatable;
use sc_std::client::{
    BlockingClient, BuildError, ClientError, ProfileChoice, ScClient, SetUpError, SetUpWay,
};
use sc_std::message::{ForgotPassword, Message};
use serde::de::IgnoredAny;
use serde_json::json;

use crate::args::duration;
use crate::exit::{Failure, with_causes};
use crate::{hex, input, json_view};
/// Longest JSON that is read from standard input, in bytes.
const MAX_JSON: usize = 1_048_576;

/// Asks for a password reset link, and shows the opened answer
#[derive(Args)]
#[command(after_help = "Example:
  scv2 forgot-password --base-url http://127.0.0.1:18020 --email user@example.com")]
pub(crate) struct ForgotPasswordOptions {
    /// The address whose password is to be reset
    #[arg(long, value_name = "EMAIL")]
    email: String,
    #[command(flatten)]
    server: ServerOptions,
}

/// Sends JSON to any protected endpoint, and shows the opened answer
#[derive(Args)]
#[command(after_help = "Example:
  scv2 call --base-url https://api.example --path /web/v1/echo --json '{\"x\":1}' --header 'CF-Ray: test'")]
pub(crate) struct CallOptions {
    /// The path of the endpoint, below the base URL
    #[arg(long, value_name = "PATH")]
    path: String,
    /// The message; "-" reads it from standard input, out of sight of the list of processes
    #[arg(long, value_name = "JSON")]
    json: String,
    /// The message's registered name, authenticated in the bound profile; by default the path
    #[arg(long, value_name = "NAME")]
    message: Option<String>,
    #[command(flatten)]
    server: ServerOptions,
}

/// Which server, and how.
#[derive(Args)]
struct ServerOptions {
    /// http:// or https://, a host, perhaps a port and a path prefix
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// Adds a header; repeatable. X-Client-Hash and Accept-Language may be set this way too
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Sets the session up together with the message, in one type 1 envelope
    #[arg(long)]
    inline: bool,
    /// plain; bound, or an error; auto: bound where the server offers it. By default auto where the message's name is
    /// known (forgot password, or --message), else plain
    #[arg(long, value_enum)]
    profile: Option<ProfileArg>,
    /// The SHA-256 of the server's public key (SPKI DER), as 64 hex digits; repeatable. Any other key is refused
    #[arg(long = "pin", value_name = "HEX")]
    pins: Vec<String>,
    /// Writes the keys of every session to this file, in the clear. For debugging only
    #[cfg(feature = "danger-key-log")]
    #[arg(long, value_name = "FILE")]
    key_log: Option<PathBuf>,
    /// How long one HTTP request may take, as in 10s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileArg {
    Plain,
    Bound,
    Auto,
}

/// What is sent.
struct Order<'a> {
    path: &'a str,
    name: Option<&'a str>,
    json: &'a [u8],
    repeatable: Repeatable,
}

/// Runs `forgot-password`.
pub(crate) fn forgot_password(options: ForgotPasswordOptions) -> Result<(), Failure> {
    let (path, name) = (ForgotPassword::PATH, ForgotPassword::NAME);
    let json = json!({ "email": options.email }).to_string();
    let order = Order { path, name: Some(name), json: json.as_bytes(), repeatable: Repeatable::Yes };
    run(options.server, &order)
}

/// Runs `call`.
pub(crate) fn call(options: CallOptions) -> Result<(), Failure> {
    let json = match options.json.as_str() {
        "-" => input::stdin(MAX_JSON)?,
        text => text.as_bytes().to_vec().into(),
    };
    if serde_json::from_slice::<IgnoredAny>(&json).is_err() {
        return Err(Failure::Usage("--json is not JSON".to_owned()));
    }
    let (forgot_path, forgot_name) = (ForgotPassword::PATH, ForgotPassword::NAME);
    let known = (options.path == forgot_path).then_some(forgot_name);
    let name = options.message.as_deref().or(known);
    // Of all other messages nobody knows here whether twice is as good as once.
    let repeatable = if known.is_some() { Repeatable::Yes } else { Repeatable::No };
    run(options.server, &Order { path: &options.path, name, json: &json, repeatable })
}

fn run(server: ServerOptions, order: &Order<'_>) -> Result<(), Failure> {
    let client = build(server, order.name.is_some())?;
    let answer = client.call_json(order.path, order.name, order.json, order.repeatable);
    // The answer is what counts; a session that is not closed ends by itself.
    let _ = client.close();
    let error = match answer {
        Ok(opened) => return show(&opened),
        Err(error) => error,
    };
    let told = with_causes(&error);
    match (error.answer(), &error) {
        (Some(answer), _) => {
            show(answer.json())?;
            Err(Failure::Refused(told))
        }
        (None, ClientError::Message(_)) => Err(Failure::Usage(told)),
        (None, ClientError::SetUp(SetUpError::KeyRefused(_))) => {
            Err(Failure::Peer(format!("{told} (see --pin and --profile)")))
        }
        (None, _) => Err(Failure::Peer(told)),
    }
}

fn build(options: ServerOptions, name_is_known: bool) -> Result<BlockingClient, Failure> {
    let profile = match (options.profile, name_is_known) {
        (Some(ProfileArg::Bound), _) => ProfileChoice::RequireBound,
        (Some(ProfileArg::Auto), _) | (None, true) => ProfileChoice::BoundIfOffered,
        (Some(ProfileArg::Plain), _) | (None, false) => ProfileChoice::Plain,
    };
    let way = if options.inline { SetUpWay::Inline } else { SetUpWay::Endpoint };
    let mut builder = ScClient::builder(options.base_url)
        .with_profile(profile)
        .with_set_up(way)
        .with_connect_timeout(options.timeout)
        .with_request_timeout(options.timeout);
    #[cfg(feature = "danger-key-log")]
    if let Some(path) = &options.key_log {
        builder = builder.with_key_log(crate::key_log::open(path)?);
    }
    for pin in options.pins {
        let pin = hex::decode(&pin);
        let pin = pin.ok_or_else(|| Failure::Usage("a pin must be 32 bytes: 64 hex digits".to_owned()))?;
        builder = builder.with_pin(pin);
    }
    for header in options.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| Failure::Usage("a header must be 'Name: value'".to_owned()))?;
        let (name, value) = (name.trim(), value.trim());
        builder = if name.eq_ignore_ascii_case("x-client-hash") {
            builder.with_client_hash(value)
        } else if name.eq_ignore_ascii_case("accept-language") {
            builder.with_language(value)
        } else {
            builder.with_header(name, value)
        };
    }
    builder.build_blocking().map_err(|error| match error {
        BuildError::Transport(_) | BuildError::Runtime(_) => Failure::Peer(with_causes(&error)),
        _ => Failure::Usage(error.to_string()),
    })
}

/// Shows an answer, which is JSON unless it is empty.
fn show(json: &[u8]) -> Result<(), Failure> {
    match std::str::from_utf8(json) {
        Ok("") => Ok(()),
        Ok(text) => input::write_raw(json_view::pretty(text).as_bytes()),
        Err(_) => Err(Failure::Peer("the answer is not text".to_owned())),
    }
}
