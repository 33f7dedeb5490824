//! `scv2 inspect`: the fields of an envelope, without a key.

use std::io::Read;

use sc_core::envelope::{Envelope, ParseOptions};
use serde_json::json;

use crate::args::InspectArgs;
use crate::exit::Exit;
use crate::hex_view::{render, rows, type_name};

/// Most that is read, in bytes: far more than any envelope.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

pub(crate) fn run(args: &InspectArgs) -> Result<(), Exit> {
    let bytes = match &args.file {
        Some(path) => std::fs::File::open(path)
            .and_then(read_all)
            .map_err(|error| Exit::usage(format!("{}: {error}", path.display())))?,
        None => read_all(std::io::stdin().lock())
            .map_err(|error| Exit::usage(format!("standard input: {error}")))?,
    };
    // A tool shows what there is: the server's cap is not its business.
    let options = ParseOptions::default().with_max_plaintext(bytes.len());
    let envelope = Envelope::parse(&bytes, &options)
        .map_err(|reason| Exit::usage(format!("not an envelope: {reason}")))?;
    let rows = rows(&bytes, &envelope);
    if args.json {
        let machine = json!({
            "type": envelope.message_type().to_byte(),
            "bytes": bytes.len(),
            "plaintextBytes": envelope.sealed().ciphertext().len(),
            "fields": rows,
        });
        anstream::println!("{machine:#}");
    } else {
        anstream::println!("{}, {} bytes", type_name(envelope.message_type()), bytes.len());
        anstream::print!("{}", render(&rows));
    }
    Ok(())
}

/// Reads everything, up to a cap.
pub(crate) fn read_all(input: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_INPUT) {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "more than 64 MiB"));
    }
    Ok(bytes)
}
