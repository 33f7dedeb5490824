//! The ledgers of wrapped keys in memory: one for each RSA key, dropped when that key is no longer accepted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, UnixMillis};
use sc_core::limits::MAX_LEDGER_HASHES;
use sc_core::replay::{Ledger, LedgerSlot, LedgerVerdict};

use crate::rng::SystemSeeded;

/// Slots of a new ledger.
const FIRST_SLOTS: usize = 1_024;

/// One RSA key's ledger.
#[derive(Debug)]
struct KeyLedger {
    hashes: Option<Ledger<Vec<LedgerSlot>>>,
    keep_until: Option<UnixMillis>,
}

/// The ledgers of all accepted RSA keys.
#[derive(Debug)]
pub(super) struct Ledgers {
    of_key: Mutex<HashMap<KeyId, KeyLedger>>,
    max_hashes: usize,
}

impl Ledgers {
    pub(super) fn new(max_hashes: usize) -> Self {
        Self { of_key: Mutex::default(), max_hashes: max_hashes.min(MAX_LEDGER_HASHES) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, KeyLedger>> {
        self.of_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn knows(&self, key_id: &KeyId, hashes: &[WrappedKeyHash]) -> bool {
        let ledgers = self.lock();
        let ledger = ledgers.get(key_id).and_then(|ledger| ledger.hashes.as_ref());
        ledger.is_some_and(|ledger| ledger.contains_any(hashes))
    }

    pub(super) fn claim(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> LedgerVerdict {
        let mut ledgers = self.lock();
        let entry = ledgers.entry(key_id.clone()).or_insert(KeyLedger { hashes: None, keep_until });
        entry.keep_until = keep_until;
        let ledger = entry
            .hashes
            .take()
            .unwrap_or_else(|| Ledger::new(vec![LedgerSlot::EMPTY; FIRST_SLOTS], &mut SystemSeeded));
        let mut ledger = if ledger.is_crowded() { grown(ledger) } else { ledger };
        let verdict = if ledger.len().saturating_add(2) > self.max_hashes {
            if ledger.contains_any(hashes) { LedgerVerdict::Repeated } else { LedgerVerdict::Full }
        } else {
            ledger.claim(hashes)
        };
        entry.hashes = Some(ledger);
        verdict
    }

    /// Drops the ledgers of RSA keys that are no longer accepted.
    pub(super) fn purge(&self, now: UnixMillis) {
        self.lock().retain(|_, ledger| ledger.keep_until.is_none_or(|until| now < until));
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
            assert_eq!(ledgers.claim(&key, &hashes(n), None), LedgerVerdict::New, "{n}");
        }
        assert_eq!(ledgers.claim(&key, &hashes(2_500), None), LedgerVerdict::Full);
        assert_eq!(ledgers.claim(&key, &hashes(7), None), LedgerVerdict::Repeated);
        assert!(ledgers.knows(&key, &hashes(2_499)) && !ledgers.knows(&key, &hashes(2_500)));
    }

    #[test]
    fn a_ledger_lives_as_long_as_its_rsa_key() {
        let ledgers = Ledgers::new(100);
        let (brief, lasting) = (KeyId::parse("a").unwrap(), KeyId::parse("b").unwrap());
        ledgers.claim(&brief, &hashes(1), Some(UnixMillis(10)));
        ledgers.claim(&lasting, &hashes(1), None);
        ledgers.purge(UnixMillis(9));
        assert!(ledgers.knows(&brief, &hashes(1)));
        ledgers.purge(UnixMillis(10));
        assert!(!ledgers.knows(&brief, &hashes(1)) && ledgers.knows(&lasting, &hashes(1)));
    }
}
