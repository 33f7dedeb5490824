//! The ledger of wrapped keys in a file, for RSA keys that outlive the process (PROTOCOL 4.3).
//!
//! ```text
//! offset  size  field
//! 0       16    "SCv2 ledger 001\n"
//! 16      64    record: SHA-256 of the key id, hash of the wrapped key
//! 80      64    ...
//! ```
//!
//! Records are only ever appended, and are on the disk before a set-up is answered. A last record that a crash has cut
//! short was never answered for, and is cut off.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::KeyId;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 16] = b"SCv2 ledger 001\n";
const RECORD_LEN: usize = 64;

/// Why a ledger file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFileError {
    /// Another process holds the file: two servers would not see each other's set-ups.
    #[error("another process uses the ledger file")]
    InUse,
    /// The file is not a ledger.
    #[error("the file is not a ledger of wrapped keys")]
    NotALedger,
    /// Reading or writing failed.
    #[error("the ledger file cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

/// A key id, as the file keeps it.
pub(super) type KeyIdHash = [u8; 32];

/// How the file names a key.
pub(super) fn key_id_hash(key_id: &KeyId) -> KeyIdHash {
    Sha256::digest(key_id.as_str()).into()
}

/// An open ledger file, locked to this process.
#[derive(Debug)]
pub(super) struct LedgerFile(File);

impl LedgerFile {
    /// Opens or creates the file, locks it, and gives every record to `take`.
    pub(super) fn open(
        path: &Path,
        take: impl FnMut(KeyIdHash, WrappedKeyHash),
    ) -> Result<Self, LedgerFileError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LedgerFileError::InUse,
            TryLockError::Error(error) => LedgerFileError::Io(error),
        })?;
        if file.metadata()?.len() == 0 {
            file.write_all(MAGIC)?;
            file.sync_all()?;
            return Ok(Self(file));
        }
        let mut reader = BufReader::new(&file);
        let mut magic = [0; MAGIC.len()];
        let read = reader.read_exact(&mut magic);
        if read.is_err() || magic != *MAGIC {
            return Err(LedgerFileError::NotALedger);
        }
        let end = read_records(reader, take)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Self(file))
    }

    /// Appends records; they are on the disk when this returns.
    pub(super) fn append(&mut self, key_id: &KeyId, hashes: &[WrappedKeyHash]) -> io::Result<()> {
        let key_id = key_id_hash(key_id);
        let mut records = Vec::with_capacity(hashes.len().saturating_mul(RECORD_LEN));
        for hash in hashes {
            records.extend_from_slice(&key_id);
            records.extend_from_slice(hash.as_bytes());
        }
        self.0.write_all(&records)?;
        self.0.sync_data()
    }
}

/// Gives every record behind the magic to `take`, and tells where the last whole one ends. Any error but the end is the disk's:
/// it says nothing of what comes after.
fn read_records(mut reader: impl Read, mut take: impl FnMut(KeyIdHash, WrappedKeyHash)) -> io::Result<u64> {
    let mut end = u64::try_from(MAGIC.len()).unwrap_or(0);
    let (mut key_id, mut hash) = ([0; 32], [0; 32]);
    loop {
        match reader.read_exact(&mut key_id).and_then(|()| reader.read_exact(&mut hash)) {
            Ok(()) => take(key_id, WrappedKeyHash::from_bytes(hash)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(end),
            Err(error) => return Err(error),
        }
        end = end.saturating_add(u64::try_from(RECORD_LEN).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Result<Vec<(KeyIdHash, WrappedKeyHash)>, LedgerFileError> {
        let mut records = Vec::new();
        LedgerFile::open(path, |key_id, hash| records.push((key_id, hash))).map(|_| records)
    }

    #[test]
    fn records_survive_and_a_torn_one_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (key, other) = (KeyId::parse("a").unwrap(), KeyId::parse("b").unwrap());
        let hash = |byte| WrappedKeyHash::from_bytes([byte; 32]);
        let mut file = LedgerFile::open(&path, |_, _| panic!("a new file is empty")).unwrap();
        file.append(&key, &[hash(1), hash(2)]).unwrap();
        file.append(&other, &[hash(3)]).unwrap();
        drop(file);
        let all =
            [(key_id_hash(&key), hash(1)), (key_id_hash(&key), hash(2)), (key_id_hash(&other), hash(3))];
        assert_eq!(read(&path).unwrap(), all);

        let whole = std::fs::read(&path).unwrap();
        for cut in 1..RECORD_LEN {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(read(&path).unwrap(), all[..2], "{cut} bytes lost");
            let mut file = LedgerFile::open(&path, |_, _| ()).unwrap();
            file.append(&other, &[hash(3)]).unwrap();
            drop(file);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "appended where the torn record was");
        }
    }

    #[test]
    fn one_process_at_a_time_and_only_a_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let held = LedgerFile::open(&path, |_, _| ()).unwrap();
        assert!(matches!(read(&path), Err(LedgerFileError::InUse)));
        drop(held);
        assert!(read(&path).is_ok());
        for wrong in [&b"short"[..], b"some other file of more than sixteen bytes"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(read(&path), Err(LedgerFileError::NotALedger)));
            assert_eq!(std::fs::read(&path).unwrap(), wrong, "left as it was");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        drop(LedgerFile::open(&path, |_, _| ()).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_disk_that_fails_is_no_end_of_the_file_which_would_be_cut_there() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("as the test wants"))
            }
        }
        for whole in [&[7; 2 * RECORD_LEN][..], &[7; RECORD_LEN + 40], &[]] {
            let torn = read_records(whole, |_, _| {});
            let expected = MAGIC.len() + whole.len() / RECORD_LEN * RECORD_LEN;
            assert_eq!(torn.unwrap(), u64::try_from(expected).unwrap());
            let failed = read_records(whole.chain(Failing), |_, _| {});
            assert_eq!(failed.unwrap_err().to_string(), "as the test wants");
        }
    }
}
