//! Writing the key log (feature `danger-key-log`).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use sc_core::envelope::Profile;
use sc_core::id::SessionId;
use sc_core::key_log::KeysForLog;
use zeroize::Zeroizing;

use super::LABEL;

#[cfg(not(debug_assertions))]
compile_error!(
    "the feature `danger-key-log` writes session keys in the clear: builds without debug assertions, so release \
     builds, cannot have it"
);

/// Why a file cannot be a key log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenKeyLogError {
    /// The file cannot be opened or created.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not a regular file.
    #[error("not a regular file")]
    NotAFile,
    /// Somebody besides the owner may read or write the file.
    #[error("others than its owner may read or write it: chmod 600")]
    OpenToOthers,
}

/// A file that session keys are written to, in the clear. Cheap to clone; clones write to the same file.
///
/// Give it to [`ScClientBuilder::with_key_log`](crate::client::ScClientBuilder) or
/// [`ScServerBuilder::with_key_log`](crate::server::ScServerBuilder). Several processes may share one file: each line is
/// appended by one write. A line that cannot be written is an error in the log of the program, and nothing else: the
/// conversation goes on.
///
/// # Security
/// For debugging only. The file holds what the channel is there to keep secret.
#[derive(Clone)]
pub struct KeyLog(Arc<File>);

impl KeyLog {
    /// Opens a file to append to, or creates it, readable by its owner only. Says so with a `tracing` warning.
    ///
    /// # Errors
    /// [`OpenKeyLogError`] if the file cannot be opened, is not a regular file, or if anybody but its owner has a
    /// right to it (on Unix).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenKeyLogError> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(OpenKeyLogError::NotAFile);
        }
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0 {
            return Err(OpenKeyLogError::OpenToOthers);
        }
        tracing::warn!(path = %path.display(), "session keys are written to a file, in the clear");
        Ok(Self(Arc::new(file)))
    }

    /// Appends the line of one session. Clients and servers of this crate do so by themselves; who drives the machines of
    /// [`sc_core`] calls it.
    pub fn write(&self, id: &SessionId, keys: &KeysForLog<'_>) {
        let line = line(id, keys);
        if let Err(error) = (&*self.0).write_all(line.as_bytes()) {
            tracing::error!(%error, "the key log cannot be written");
        }
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLog(..)")
    }
}

fn line(id: &SessionId, keys: &KeysForLog<'_>) -> Zeroizing<String> {
    // The longest line, so that no half of a key is left behind when the text grows.
    let mut line = Zeroizing::new(String::with_capacity(256));
    let profile = match keys.profile() {
        Profile::Plain => "plain",
        Profile::Bound => "bound",
    };
    for word in [LABEL, &id.to_text(), profile] {
        line.push_str(word);
        line.push(' ');
    }
    let (context, request, response) = (keys.context().as_bytes(), keys.request(), keys.response());
    for (bytes, end) in [(context, ' '), (request, ' '), (response, '\n')] {
        let mut digits = Zeroizing::new([0; 64]);
        line.push_str(base16ct::lower::encode_str(bytes, digits.as_mut_slice()).unwrap_or_default());
        line.push(end);
    }
    line
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_its_owners_and_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        assert_eq!(format!("{:?}", KeyLog::open(&path).unwrap()), "KeyLog(..)");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "# before\n").unwrap();
        drop(KeyLog::open(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "# before\n");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        fs::write(&path, "").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(KeyLog::open(&path), Err(OpenKeyLogError::OpenToOthers)), "{mode:o}");
        }
        assert!(matches!(KeyLog::open(folder.path()), Err(OpenKeyLogError::Io(_))), "a folder");
        assert!(matches!(KeyLog::open("/dev/null"), Err(OpenKeyLogError::NotAFile)));
    }
}
