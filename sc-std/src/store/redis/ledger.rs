//! The ledger of wrapped keys in Redis: one set for each RSA key and shard.

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, UnixMillis};
use sc_core::replay::LedgerVerdict;

use super::Inner;
use super::durability::Place;
use super::layout::Shard;
use crate::store::StoreError;
use crate::store::ledger::{GRACE_MS, warn_if_nearly_full};

impl Inner {
    pub(super) async fn knows_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
    ) -> Result<bool, StoreError> {
        for hash in hashes {
            let key = self.layout.ledger(self.layout.ledger_shard(hash), key_id);
            let mut command = redis::cmd("SISMEMBER");
            command.arg(&key).arg(hash.as_bytes().as_slice());
            let answer = self.link.call(&key, command).await?;
            if redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Claims the request key's hash, which decides, and then the response key's: in one step where both lie in one shard.
    pub(super) async fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        // Who has not heard of revocations for long cannot know that the key is still good.
        if self.synced.is_stale() {
            return Err(StoreError::Unavailable);
        }
        let [request, response] = hashes.each_ref().map(|hash| self.layout.ledger_shard(hash));
        if request == response {
            return self.record(request, key_id, hashes, keep_until).await;
        }
        let [first, second] = hashes;
        match self.record(request, key_id, std::slice::from_ref(first), keep_until).await? {
            LedgerVerdict::New => {
                self.record(response, key_id, std::slice::from_ref(second), keep_until).await
            }
            verdict => Ok(verdict),
        }
    }

    async fn record(
        &self,
        shard: Shard,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        let key = self.layout.ledger(shard, key_id);
        let most = self.layout.share(self.bounds.max_ledger_hashes);
        let most_text = most.to_string();
        let until = keep_until.map(|until| until.plus(GRACE_MS).0.to_string()).unwrap_or_default();
        let mut args = vec![most_text.as_bytes(), until.as_bytes()];
        args.extend(hashes.iter().map(|hash| hash.as_bytes().as_slice()));
        let script = &self.scripts.ledger;
        let place = Place { anchor: &key, index: shard.index() };
        let answer = self.durability.run(&self.link, place, script, &[&key], &args).await?;
        let (verdict, held): (String, usize) =
            redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        if keep_until.is_none() {
            warn_if_nearly_full(held, hashes.len(), most);
        }
        match verdict.as_str() {
            "new" => Ok(LedgerVerdict::New),
            "repeated" => Ok(LedgerVerdict::Repeated),
            "full" => Ok(LedgerVerdict::Full),
            _ => Err(StoreError::Unavailable),
        }
    }
}
