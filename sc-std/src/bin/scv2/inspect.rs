//! `scv2 inspect`: the fields of envelopes, out of whatever they were recorded in; with a key log, what they hold.

mod capture;
mod content;
mod curl;
mod dump;
mod exchange;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod har;
mod http;
mod keys;
mod show;
mod to_json;

use std::path::PathBuf;

use clap::Args;
use sc_core::limits::IV_LEN;
use serde_json::Value;

use crate::exit::Failure;
use crate::hex_view::View;
use crate::{hex, input, json_view};
use capture::{Form, Found};
use exchange::Exchange;
use keys::{Clues, Keys};
use show::Tally;

/// Shows the fields of envelopes; needs no key, and with a key log opens them
#[derive(Args)]
#[command(after_help = "Takes, told apart by their bytes:
  one envelope   binary, a text envelope, hex, a hex dump (xxd, hexdump -C), Base64, base64url
  a recording    a HAR file, the trace of curl --trace FILE, the output of curl -i

Examples:
  scv2 inspect request.bin
  echo 53430202... | scv2 inspect
  scv2 inspect --json page.har
  curl --trace trace.txt --data-binary @request.bin ... ; scv2 inspect trace.txt
  scv2 inspect --key-log keys.log page.har
  scv2 inspect --key-log keys.log --request-iv 00112233445566778899aabb answer.bin

A key log holds session keys in the clear. Servers and clients write one only in builds with
the feature danger-key-log, which release builds cannot have:
  cargo run -p sc-std --features cli,danger-key-log --bin scv2 -- serve --key-log keys.log

Exit code 2 if the input, or an envelope in it, is malformed, 1 if an envelope does not open.")]
pub(crate) struct Options {
    /// The envelope or the recording, at most 64 MiB; standard input if absent or "-"
    file: Option<PathBuf>,
    /// Writes JSON, with every field in full
    #[arg(long)]
    json: bool,
    /// Opens envelopes with the keys in this file
    #[arg(long, value_name = "FILE")]
    key_log: Option<PathBuf>,
    /// The name of the message, in the bound profile. By default that of forgot password at its path, else the path
    #[arg(long, value_name = "NAME", requires = "key_log")]
    name: Option<String>,
    /// The IV of the request that an answer belongs to, in the bound profile: 24 hex digits. A recording has it itself
    #[arg(long, value_name = "HEX", requires = "key_log", value_parser = parse_iv)]
    request_iv: Option<[u8; IV_LEN]>,
}

fn parse_iv(text: &str) -> Result<[u8; IV_LEN], String> {
    hex::decode(text).ok_or_else(|| "12 bytes: 24 hex digits".to_owned())
}

/// Runs the command.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    let bytes = match &options.file {
        Some(file) if file.as_os_str() != "-" => input::file(file, capture::MAX_LEN)?,
        _ => input::stdin(capture::MAX_LEN)?,
    };
    let keys = match &options.key_log {
        Some(log) => Some(Keys::read(log, options.name, options.request_iv)?),
        None => None,
    };
    let (form, found) = capture::read(&bytes).map_err(Failure::Usage)?;
    if form != Form::Binary {
        anstream::eprintln!("read as: {form}");
    }
    match found {
        Found::Envelope(bytes) => {
            let view = View::of(&bytes).map_err(|reason| not_an_envelope(form, &reason))?;
            one(&view, options.json, keys.as_ref().map(|keys| keys.open(&bytes, &Clues::default())))
        }
        Found::Payload(payload) => {
            let opened = keys.as_ref().map(|keys| keys.open_payload(&payload));
            one(&View::of_payload(&payload), options.json, opened)
        }
        Found::Exchanges(exchanges) => recording(&exchanges, options.json, keys.as_ref()),
    }
}

fn not_an_envelope(form: Form, reason: &sc_core::error::Malformed) -> Failure {
    Failure::Usage(match form {
        Form::Binary => format!("not an envelope: {reason} (nor hex, Base64, a HAR file or a curl trace)"),
        Form::HexDump => format!(
            "read as {form}, it is not an envelope: {reason} (hexdump without -C swaps bytes: use hexdump -C or xxd)"
        ),
        _ => format!("read as {form}, it is not an envelope: {reason}"),
    })
}

/// Shows one envelope.
fn one(
    view: &View<'_>,
    json: bool,
    opened: Option<Result<keys::Opened<'_>, &'static str>>,
) -> Result<(), Failure> {
    if json {
        let mut fields = view.to_json();
        if let Some(opened) = &opened {
            to_json::add_opened(&mut fields, opened.as_ref());
        }
        input::write_raw(json_view::pretty(&fields.to_string()).as_bytes())?;
    } else {
        let out = &mut anstream::stdout().lock();
        view.write_table(out).map_err(|error| Failure::of_output(&error))?;
        if let Some(Ok(opened)) = &opened {
            show::plaintext(out, Ok(opened)).map_err(|error| Failure::of_output(&error))?;
        }
    }
    match opened {
        Some(Err(why)) => Err(Failure::Refused(format!("the envelope does not open: {why}"))),
        _ => Ok(()),
    }
}

/// Shows all exchanges.
fn recording(exchanges: &[Exchange], json: bool, keys: Option<&Keys>) -> Result<(), Failure> {
    let mut tally = Tally::default();
    if json {
        let all = exchanges.iter().map(|exchange| to_json::exchange(exchange, keys, &mut tally));
        let all = Value::Array(all.collect());
        input::write_raw(json_view::pretty(&all.to_string()).as_bytes())?;
    } else {
        let out = &mut anstream::stdout().lock();
        for (exchange, number) in exchanges.iter().zip(1..) {
            let shown = show::exchange(out, number, exchange, keys, &mut tally);
            shown.map_err(|error| Failure::of_output(&error))?;
        }
        let told = tally.told(exchanges.len(), keys.is_some());
        std::io::Write::write_all(out, told.as_bytes()).map_err(|error| Failure::of_output(&error))?;
    }
    match tally {
        Tally { malformed: 1.., .. } => {
            Err(Failure::Usage(format!("malformed: {}", of_envelopes(tally.malformed))))
        }
        Tally { unopened: 1.., .. } => {
            Err(Failure::Refused(format!("does not open: {}", of_envelopes(tally.unopened))))
        }
        _ => Ok(()),
    }
}

fn of_envelopes(count: usize) -> String {
    if count == 1 { "1 envelope".to_owned() } else { format!("{count} envelopes") }
}
