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
    /// Not a regular file, or a symbolic link.
    #[error("not a regular file (nor may it be a symbolic link)")]
    NotAFile,
    /// The file belongs to another user (on Unix).
    #[error("it belongs to another user")]
    NotOurs,
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
    /// On Unix the file must belong to the user that the process acts as, and a path that ends in a symbolic link is
    /// not followed: nobody who may write to the folder beforehand chooses where the keys go. Links among the folders
    /// of the path are followed; so choose a folder that is yours.
    ///
    /// # Errors
    /// [`OpenKeyLogError`] if the file cannot be opened or is not a regular file and, on Unix, if it is a symbolic
    /// link, belongs to another user, or if anybody but its owner has a right to it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenKeyLogError> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        open_nothing_else(&mut options);
        let file = options.open(path).map_err(of_opening)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(OpenKeyLogError::NotAFile);
        }
        #[cfg(unix)]
        is_private(&metadata, rustix::process::geteuid().as_raw())?;
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

/// No link is followed, no pipe waited for, and others get no right to a new file.
#[cfg(unix)]
fn open_nothing_else(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
}

/// Judges an error of opening: a link and a pipe that nobody reads have errors of their own.
fn of_opening(error: io::Error) -> OpenKeyLogError {
    #[cfg(unix)]
    if let Some(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) = rustix::io::Errno::from_io_error(&error)
    {
        return OpenKeyLogError::NotAFile;
    }
    OpenKeyLogError::Io(error)
}

/// Whether a file is its owner's alone, and `own` is that owner.
#[cfg(unix)]
fn is_private(metadata: &std::fs::Metadata, own: u32) -> Result<(), OpenKeyLogError> {
    use std::os::unix::fs::MetadataExt;

    if metadata.uid() != own {
        return Err(OpenKeyLogError::NotOurs);
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(OpenKeyLogError::OpenToOthers);
    }
    Ok(())
}

fn line(id: &SessionId, keys: &KeysForLog<'_>) -> Zeroizing<String> {
    // The longest line, so that no half of a key is left behind when the text grows.
    let mut line = Zeroizing::new(String::with_capacity(256));
    let profile = match keys.profile() {
        Profile::Plain => "plain",
        Profile::Bound => "bound",
    };
    for word in [LABEL, id.as_str(), profile] {
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
    fn a_file_of_somebody_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        drop(KeyLog::open(&path).unwrap());
        let metadata = fs::metadata(&path).unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert!(is_private(&metadata, own).is_ok());
        assert!(matches!(is_private(&metadata, own ^ 1), Err(OpenKeyLogError::NotOurs)));
    }

    #[test]
    fn what_is_no_plain_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, dangling, fifo] =
            ["file", "link", "dangling", "fifo"].map(|name| folder.path().join(name));
        drop(KeyLog::open(&file).unwrap());
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nothing"), &dangling).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [&link, &dangling, &fifo] {
            assert!(matches!(KeyLog::open(path), Err(OpenKeyLogError::NotAFile)), "{}", path.display());
        }
        assert!(!folder.path().join("nothing").exists());
        // Somebody reads: opening it to write would work.
        let reader = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        assert!(matches!(KeyLog::open(&fifo), Err(OpenKeyLogError::NotAFile)));
        drop(reader);
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
