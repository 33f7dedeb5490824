//! Reading files and standard input, never more than a cap.

use std::fs::File;
use std::io::{Read, Write, stdin as std_stdin, stdout};
use std::path::Path;

use zeroize::Zeroizing;

use crate::exit::Failure;

/// Reads standard input to its end.
pub(crate) fn stdin(max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read(std_stdin().lock(), "standard input", max)
}

/// Reads a file.
pub(crate) fn file(path: &Path, max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::Usage(format!("cannot open {name}: {error}")))?;
    read(file, &name, max)
}

fn read(source: impl Read, name: &str, max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    source
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Usage(format!("cannot read {name}: {error}")))?;
    if bytes.len() > max {
        return Err(Failure::Usage(format!("{name} is longer than {max} bytes")));
    }
    Ok(bytes)
}

/// Writes bytes to standard output as they are.
pub(crate) fn write_raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
}
