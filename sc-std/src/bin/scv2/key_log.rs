//! `--key-log`: opens the file, and says loudly what it is.

use std::path::Path;

use sc_std::key_log::KeyLog;

use crate::exit::Failure;

/// Opens a key log to write to.
pub(crate) fn open(path: &Path) -> Result<KeyLog, Failure> {
    let log = KeyLog::open(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    let style = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!(
        "{style}WARNING: session keys are written to {}, in the clear. Whoever reads that file reads every message. Never with \
         real users.{style:#}",
        path.display()
    );
    Ok(log)
}
