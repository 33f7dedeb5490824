//! The commands, and what several of them read from the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::{call, doctor, hex, input, inspect, keygen, open, revoke, seal, serve};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the peer answered with an error (its JSON is on standard output), an envelope does not open, or doctor found
     something
  2  wrong usage, or an input that is malformed
  3  the peer could not be reached or understood";

/// Secure Channel v2: requests and answers that only the application can read, inside of TLS
#[derive(Parser)]
#[command(name = "scv2", version, styles = STYLES, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows the whole protocol at work: a server and a client over a real loopback socket
    Demo,
    Doctor(Box<doctor::Options>),
    Keygen(keygen::Options),
    Serve(Box<serve::Options>),
    RevokeKey(revoke::Options),
    ForgotPassword(call::ForgotPasswordOptions),
    Call(call::CallOptions),
    Inspect(inspect::Options),
    Seal(seal::Options),
    Open(open::Options),
}

/// Where a session key comes from.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct KeyOptions {
    /// The session key: 64 hex digits. Anybody on this machine can read it in the list of processes; prefer
    /// --key-file
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
    /// A file with the session key as 64 hex digits; "-": the first line of standard input, before the rest
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// A session key, and what came by standard input.
type KeyAndInput = (Zeroizing<[u8; 32]>, Zeroizing<Vec<u8>>);

impl KeyOptions {
    /// Reads the key, and all of standard input behind it, at most `max` bytes.
    pub(crate) fn read_with_input(self, max: usize) -> Result<KeyAndInput, Failure> {
        // The longest first line that is a key, with a carriage return.
        const LINE: usize = 66;
        if let Some(text) = self.key.map(Zeroizing::new) {
            anstream::eprintln!("warning: --key is visible in the list of processes; use --key-file");
            return Ok((hex::key(&text)?, input::stdin(max)?));
        }
        match self.key_file {
            Some(file) if file.as_os_str() != "-" => {
                let text = input::file(&file, 4096)?;
                Ok((hex::key(&String::from_utf8_lossy(&text))?, input::stdin(max)?))
            }
            _ => {
                let mut all = input::stdin(max.saturating_add(LINE))?;
                let end = all.iter().position(|byte| *byte == b'\n').unwrap_or(all.len());
                let key = hex::key(&String::from_utf8_lossy(all.get(..end).unwrap_or_default()))?;
                // Without a line end, the key was all there is.
                let rest = end.saturating_add(1).min(all.len());
                all.drain(..rest);
                Ok((key, all))
            }
        }
    }
}

/// The two types that one session key seals or opens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Type 2, under the request key.
    Request,
    /// Type 129, under the response key.
    Response,
}

impl Direction {
    /// Reads `--type`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "2" => Ok(Self::Request),
            "129" => Ok(Self::Response),
            "1" => {
                Err("type 1 carries wrapped keys: only a client with the server's public key makes one (see \
                        call --inline), and only the server's private key opens one"
                    .to_owned())
            }
            _ => Err("2 (request) or 129 (answer)".to_owned()),
        }
    }
}

/// Reads a duration like `500ms`, `90s`, `30m` or `24h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return Err("a number and a unit: ms, s, m or h, as in 90s".to_owned()),
    };
    let duration = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
    duration.map(Duration::from_millis).ok_or_else(|| "a number and a unit, as in 90s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for bad in ["", "90", "s", "-1s", "1.5s", "90 s", "99999999999999999999h", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
