//! `scv2 inspect`: the fields of an envelope.

use std::path::PathBuf;

use clap::Args;
use sc_core::limits::{DEFAULT_MAX_PLAINTEXT, MAX_OVERHEAD};

use crate::exit::Failure;
use crate::hex_view::View;
use crate::input;

/// Shows the fields of an envelope; never needs a key
#[derive(Args)]
#[command(after_help = "Reads one binary envelope of type 1, 2 or 129:
  scv2 inspect request.bin
  curl ... | scv2 inspect --json

Exit code 2 if the bytes are not an envelope; the first check that fails is on standard error.")]
pub(crate) struct Options {
    /// The envelope; standard input if absent or "-"
    file: Option<PathBuf>,
    /// Writes JSON, with every field in full
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    // One byte more than any envelope has, so that the parser is the one who says that it is too long.
    const MAX: usize = DEFAULT_MAX_PLAINTEXT + MAX_OVERHEAD + 1;
    let bytes = match &options.file {
        Some(file) if file.as_os_str() != "-" => input::file(file, MAX)?,
        _ => input::stdin(MAX)?,
    };
    let view = View::of(&bytes).map_err(|reason| Failure::Usage(format!("not an envelope: {reason}")))?;
    if options.json {
        return input::write_raw(format!("{:#}\n", view.to_json()).as_bytes());
    }
    view.write_table(&mut anstream::stdout().lock()).map_err(|error| Failure::of_output(&error))
}
