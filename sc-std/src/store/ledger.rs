//! The ledgers of wrapped keys of a single server: one for each RSA key, dropped when that key is no longer accepted.

use std::collections::HashMap;
use std::path::Path;
use std::sync::PoisonError;

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, UnixMillis};
use sc_core::limits::MAX_LEDGER_HASHES;
use sc_core::replay::{Ledger, LedgerSlot, LedgerVerdict};

use crate::rng::SystemSeeded;
use crate::store::StoreError;
use crate::store::ledger_file::{KeyIdHash, LedgerFile, LedgerFileError, key_id_hash};
use crate::sync::{Mutex, MutexGuard};

/// How long a ledger outlives its RSA key, in milliseconds: whoever found the key in its last moment, or by a clock
/// that was set back, still meets the ledger.
pub(super) const GRACE_MS: u64 = 60 * 60 * 1000;
/// Slots of a new ledger.
const FIRST_SLOTS: usize = 1_024;

/// One RSA key's ledger.
#[derive(Debug)]
struct KeyLedger {
    hashes: Option<Ledger<Vec<LedgerSlot>>>,
    keep_until: Option<UnixMillis>,
}

impl KeyLedger {
    /// The ledger, with room for two more.
    fn roomy(&mut self) -> Ledger<Vec<LedgerSlot>> {
        let ledger = self
            .hashes
            .take()
            .unwrap_or_else(|| Ledger::new(vec![LedgerSlot::EMPTY; FIRST_SLOTS], &mut SystemSeeded));
        if ledger.is_crowded() { grown(ledger) } else { ledger }
    }
}

/// The ledgers of all accepted RSA keys, and their file if there is one.
#[derive(Debug)]
pub(super) struct Ledgers {
    state: Mutex<State>,
    max_hashes: usize,
}

#[derive(Debug, Default)]
struct State {
    of_key: HashMap<KeyIdHash, KeyLedger>,
    file: Option<LedgerFile>,
}

impl Ledgers {
    /// Ledgers in memory only.
    pub(super) fn new(max_hashes: usize) -> Self {
        Self { state: Mutex::default(), max_hashes: max_hashes.min(MAX_LEDGER_HASHES) }
    }

    /// Reads what the file holds, and keeps it up to date from now on.
    pub(super) fn with_file(self, path: &Path) -> Result<Self, LedgerFileError> {
        let mut state = State::default();
        let file = LedgerFile::open(path, |key_id, hash| {
            let entry = state.of_key.entry(key_id).or_insert(KeyLedger { hashes: None, keep_until: None });
            let mut ledger = entry.roomy();
            // A hash that stands there twice is as good as once.
            let _ = ledger.record(&hash);
            entry.hashes = Some(ledger);
        })?;
        state.file = Some(file);
        Ok(Self { state: Mutex::new(state), max_hashes: self.max_hashes })
    }

    /// Whether a claim waits for a disk.
    pub(super) fn has_file(&self) -> bool {
        self.lock().file.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn knows(&self, key_id: &KeyId, hashes: &[WrappedKeyHash]) -> bool {
        let state = self.lock();
        let ledger = state.of_key.get(&key_id_hash(key_id)).and_then(|ledger| ledger.hashes.as_ref());
        ledger.is_some_and(|ledger| ledger.contains_any(hashes))
    }

    /// Claims both hashes; with a file, they are on the disk when this returns.
    pub(super) fn claim(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        let mut state = self.lock();
        let State { of_key, file } = &mut *state;
        let entry = of_key.entry(key_id_hash(key_id)).or_insert(KeyLedger { hashes: None, keep_until });
        entry.keep_until = keep_until;
        let mut ledger = entry.roomy();
        let known = hashes.map(|hash| ledger.contains_any(&[hash]));
        let verdict = if ledger.len().saturating_add(2) > self.max_hashes {
            if known.contains(&true) { LedgerVerdict::Repeated } else { LedgerVerdict::Full }
        } else {
            ledger.claim(hashes)
        };
        // The half of a pair that was recorded before the other half was refused stays recorded.
        let recorded: Vec<_> = hashes
            .iter()
            .zip(known)
            .filter(|(hash, known)| !known && ledger.contains_any(&[**hash]))
            .map(|(hash, _)| *hash)
            .collect();
        if keep_until.is_none() {
            warn_if_nearly_full(ledger.len(), recorded.len(), self.max_hashes);
        }
        entry.hashes = Some(ledger);
        match file {
            Some(file) if !recorded.is_empty() => {
                file.append(key_id, &recorded).map(|()| verdict).map_err(|error| {
                    tracing::error!(%error, "the ledger file cannot be written: set-ups are refused");
                    StoreError::Unavailable
                })
            }
            _ => Ok(verdict),
        }
    }

    /// Drops the ledgers of RSA keys that are no longer accepted.
    pub(super) fn purge(&self, now: UnixMillis) {
        self.lock()
            .of_key
            .retain(|_, ledger| ledger.keep_until.is_none_or(|until| now < until.plus(GRACE_MS)));
    }
}

/// Tells the operator once that a key which does not rotate by itself needs a successor (PROTOCOL 10.16).
pub(super) fn warn_if_nearly_full(held: usize, added: usize, max: usize) {
    let threshold = max / 10 * 9;
    if held >= threshold && held.saturating_sub(added) < threshold {
        tracing::warn!(
            held,
            max,
            "the ledger of an RSA key that does not expire is 90 % full: replace the key"
        );
    }
}

/// The same ledger with twice the room.
fn grown(ledger: Ledger<Vec<LedgerSlot>>) -> Ledger<Vec<LedgerSlot>> {
    let slots = ledger.len().saturating_mul(2).max(FIRST_SLOTS);
    // Cannot refuse: there are more slots than hashes.
    ledger.move_to(vec![LedgerSlot::EMPTY; slots]).unwrap_or_else(|ledger| ledger)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    fn hashes(n: u32) -> [WrappedKeyHash; 2] {
        let hash = |role: u8| {
            let mut bytes = [role; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            WrappedKeyHash::from_bytes(bytes)
        };
        [hash(1), hash(2)]
    }

    #[test]
    fn a_ledger_grows_refuses_repeats_and_is_full_at_its_bound() {
        let ledgers = Ledgers::new(5_000);
        let key = KeyId::parse("k").unwrap();
        for n in 0..2_500 {
            assert_eq!(ledgers.claim(&key, &hashes(n), None), Ok(LedgerVerdict::New), "{n}");
        }
        assert_eq!(ledgers.claim(&key, &hashes(2_500), None), Ok(LedgerVerdict::Full));
        assert_eq!(ledgers.claim(&key, &hashes(7), None), Ok(LedgerVerdict::Repeated));
        assert!(ledgers.knows(&key, &hashes(2_499)) && !ledgers.knows(&key, &hashes(2_500)));
    }

    #[test]
    fn a_ledger_lives_as_long_as_its_rsa_key() {
        let ledgers = Ledgers::new(100);
        let (brief, lasting) = (KeyId::parse("a").unwrap(), KeyId::parse("b").unwrap());
        assert!(ledgers.claim(&brief, &hashes(1), Some(UnixMillis(10))).is_ok());
        assert!(ledgers.claim(&lasting, &hashes(1), None).is_ok());
        ledgers.purge(UnixMillis(9));
        assert!(ledgers.knows(&brief, &hashes(1)));
        ledgers.purge(UnixMillis(10));
        assert!(ledgers.knows(&brief, &hashes(1)), "the last to find the key still meets the ledger");
        ledgers.purge(UnixMillis(10 + GRACE_MS));
        assert!(!ledgers.knows(&brief, &hashes(1)) && ledgers.knows(&lasting, &hashes(1)));
    }

    #[test]
    fn with_a_file_a_set_up_is_refused_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let key = KeyId::parse("k").unwrap();
        let half = [hashes(9)[0], hashes(1)[1]];
        let before = Ledgers::new(10_000).with_file(&path).unwrap();
        assert_eq!(before.claim(&key, &hashes(1), None), Ok(LedgerVerdict::New));
        assert_eq!(before.claim(&key, &half, None), Ok(LedgerVerdict::Repeated));
        for n in 100..1_000 {
            assert_eq!(before.claim(&key, &hashes(n), None), Ok(LedgerVerdict::New));
        }
        drop(before);

        let after = Ledgers::new(10_000).with_file(&path).unwrap();
        for n in (100..1_000).chain([1]) {
            assert_eq!(after.claim(&key, &hashes(n), None), Ok(LedgerVerdict::Repeated), "{n}");
        }
        assert!(after.knows(&key, &half[..1]), "the half-recorded pair stays recorded");
        assert_eq!(after.claim(&KeyId::parse("other").unwrap(), &hashes(1), None), Ok(LedgerVerdict::New));
        assert_eq!(after.claim(&key, &hashes(2), None), Ok(LedgerVerdict::New));
        let records = 2 * 903 + 1;
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 16 + 64 * records, "each hash is there once");
    }

    /// Counts the warnings.
    #[derive(Clone, Default)]
    struct Warnings(Arc<AtomicUsize>);

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::WARN
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_operator_hears_once_that_a_key_which_does_not_expire_needs_a_successor() {
        let warnings = Warnings::default();
        let _guard = tracing::subscriber::set_default(warnings.clone());
        let ledgers = Ledgers::new(100);
        let (lasting, brief) = (KeyId::parse("a").unwrap(), KeyId::parse("b").unwrap());
        for n in 1..=50 {
            assert_eq!(ledgers.claim(&brief, &hashes(n), Some(UnixMillis(10))), Ok(LedgerVerdict::New));
            assert_eq!(ledgers.claim(&lasting, &hashes(n), None), Ok(LedgerVerdict::New));
            assert_eq!(warnings.0.load(Ordering::Relaxed), usize::from(n >= 45), "{} hashes", 2 * n);
        }
    }
}
