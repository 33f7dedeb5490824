//! Sessions and the IVs they have opened, in Redis.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt, TryStreamExt};
use redis::Value;
use sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_core::limits::MAX_MESSAGES_PER_SESSION;
use sc_core::replay::{ClaimVerdict, IvClaim};
use sc_core::server::{NewSession, SessionRecord};

use super::Inner;
use super::durability::Place;
use super::layout::SessionKeys;
use crate::store::StoreError;
use crate::store::claims::MODEST_CLAIMS;

/// Digits of the end in front of a record.
const END_LEN: usize = 16;
/// Sessions, or shards, looked at together where all are.
const AT_ONCE: usize = 64;
/// The field of a session whose messages are only counted.
const COUNTER: &[u8] = b"#";

impl Inner {
    pub(super) async fn create(&self, session: NewSession, now: UnixMillis) -> Result<(), StoreError> {
        let NewSession { id, record, first_claim } = session;
        let (ends, keys) = (record.expires_at(), self.layout.session(&id));
        let opened = first_claim.is_some();
        let idle = if opened { self.bounds.idle_ms } else { self.bounds.unused_ms };
        let left = now.plus(idle).min(ends).0.saturating_sub(now.0).max(1);
        let sealed =
            self.keys.seal(&record_id(&id), record.encode().as_ref()).ok_or(StoreError::Unavailable)?;
        let value = [format!("{:0END_LEN$}", ends.0).as_bytes(), &sealed].concat();
        let (field, tag) = self.field(first_claim.as_ref());
        let answer = self
            .run_over(
                &keys,
                now,
                &self.scripts.create,
                &[
                    &value,
                    left.to_string().as_bytes(),
                    self.layout.share(self.bounds.max_sessions).to_string().as_bytes(),
                    self.layout.share(self.bounds.max_claims).to_string().as_bytes(),
                    field,
                    tag,
                ],
                true,
            )
            .await?;
        match word(answer)?.as_str() {
            "ok" => Ok(()),
            "taken" => Err(StoreError::Taken),
            "full" => Err(StoreError::Full),
            _ => Err(StoreError::Unavailable),
        }
    }

    pub(super) async fn find(
        &self,
        id: &SessionId,
        now: UnixMillis,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let keys = self.layout.session(id);
        let mut command = redis::cmd("GET");
        command.arg(keys.record());
        let answer = self.link.call(&keys.index, command).await?;
        let value: Option<Vec<u8>> = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let Some(value) = value else { return Ok(None) };
        let sealed = value.get(END_LEN..).unwrap_or_default();
        let Some(encoded) = self.keys.open(&record_id(id), sealed) else {
            tracing::error!(
                "a session record in Redis does not open: it was changed, or its store key is gone"
            );
            return Ok(None);
        };
        let record = SessionRecord::decode(&encoded).map_err(|_| StoreError::Unavailable)?;
        let live = now < record.expires_at() && !self.revoked.load().contains(record.key_id());
        Ok(live.then_some(record))
    }

    pub(super) async fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        let keys = self.layout.session(id);
        let (field, tag) = self.field(Some(claim));
        let answer = self
            .run_over(
                &keys,
                now,
                &self.scripts.claim,
                &[
                    self.bounds.idle_ms.to_string().as_bytes(),
                    self.layout.share(self.bounds.max_claims).to_string().as_bytes(),
                    MAX_MESSAGES_PER_SESSION.to_string().as_bytes(),
                    MODEST_CLAIMS.to_string().as_bytes(),
                    field,
                    tag,
                ],
                self.waiting_claims,
            )
            .await?;
        match word(answer)?.as_str() {
            "new" => Ok(Some(ClaimVerdict::New)),
            "replayed" => Ok(Some(ClaimVerdict::Replayed)),
            "reused" => Ok(Some(ClaimVerdict::IvReused)),
            "exhausted" => Ok(Some(ClaimVerdict::Exhausted)),
            "full" => Err(StoreError::Full),
            "gone" => Ok(None),
            _ => Err(StoreError::Unavailable),
        }
    }

    pub(super) async fn close(&self, id: &SessionId) -> Result<(), StoreError> {
        let keys = self.layout.session(id);
        self.run_over(&keys, UnixMillis(0), &self.scripts.close, &[], true).await.map(drop)
    }

    /// Counts ended sessions out, a thousand a shard at most; gives how many are left. A shard that does not answer keeps no
    /// other waiting.
    pub(super) async fn sweep(&self, now: UnixMillis) -> Result<u64, StoreError> {
        let sweeps = self.layout.all().map(|shard| async move {
            let keys = self.layout.sessions(shard);
            let answer = self.run_over(&keys, now, &self.scripts.sweep, &[], false).await?;
            let (_, left): (u64, u64) =
                redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
            Ok(left)
        });
        let swept: Vec<Result<u64, StoreError>> =
            futures_util::stream::iter(sweeps).buffer_unordered(AT_ONCE).collect().await;
        let live: u64 = swept.into_iter().sum::<Result<u64, StoreError>>()?;
        self.live.store(live, Ordering::Relaxed);
        Ok(live)
    }

    /// Destroys the records of every session that an RSA key has set up. They count for nothing already: this makes their keys
    /// unreadable for good.
    pub(super) async fn destroy_sessions_of(&self, key_id: &KeyId) -> Result<(), StoreError> {
        for shard in self.layout.all() {
            let keys = self.layout.sessions(shard);
            let mut cursor = 0_u64;
            loop {
                let mut command = redis::cmd("ZSCAN");
                command.arg(&keys.index).arg(cursor).arg("COUNT").arg(500);
                let answer = self.link.call(&keys.index, command).await?;
                let (next, found): (u64, Vec<(String, f64)>) =
                    redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
                let looks = found.into_iter().filter_map(|(id, _)| SessionId::parse(&id).ok());
                let looks = looks.map(|id| async move {
                    if self.is_of(&id, key_id).await? { self.close(&id).await } else { Ok(()) }
                });
                futures_util::stream::iter(looks).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn is_of(&self, id: &SessionId, key_id: &KeyId) -> Result<bool, StoreError> {
        let keys = self.layout.session(id);
        let mut command = redis::cmd("GET");
        command.arg(keys.record());
        let answer = self.link.call(&keys.index, command).await?;
        let value: Option<Vec<u8>> = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let encoded = value.and_then(|value| self.keys.open(&record_id(id), value.get(END_LEN..)?));
        let record = encoded.and_then(|encoded| SessionRecord::decode(&encoded).ok());
        Ok(record.is_some_and(|record| record.key_id() == key_id))
    }

    /// What a script keeps of a claim: field and value.
    fn field<'c>(&self, claim: Option<&'c IvClaim>) -> (&'c [u8], &'c [u8]) {
        match claim {
            None => (b"", b""),
            Some(_) if !self.bounds.replay_check => (COUNTER, b"1"),
            Some(claim) => claim.as_bytes().split_at_checked(sc_core::limits::IV_LEN).unwrap_or_default(),
        }
    }

    /// Runs a script over one session.
    async fn run_over(
        &self,
        keys: &SessionKeys,
        now: UnixMillis,
        script: &super::Script,
        more: &[&[u8]],
        durable: bool,
    ) -> Result<Value, StoreError> {
        let now = now.0.to_string();
        let mut args = vec![
            now.as_bytes(),
            keys.record_prefix.as_bytes(),
            keys.claims_prefix.as_bytes(),
            keys.id.as_bytes(),
        ];
        args.extend_from_slice(more);
        let (record, claims) = (keys.record(), keys.claims());
        let named = [&record, &claims, &keys.index, &keys.total];
        if durable {
            let place = Place { anchor: &keys.index, index: keys.shard.index() };
            self.durability.run(&self.link, place, script, &named, &args).await
        } else {
            self.link.run(script, &keys.index, &named, &args).await
        }
    }
}

/// What a session's record is sealed to.
fn record_id(id: &SessionId) -> Vec<u8> {
    [b"session:".as_slice(), id.as_str().as_bytes()].concat()
}

fn word(answer: Value) -> Result<String, StoreError> {
    redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)
}
