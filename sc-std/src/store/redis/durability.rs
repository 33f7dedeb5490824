//! Writes that a fail-over must not lose: acknowledged once replicas have them.
//!
//! Redis replicates after it has answered, so a primary that dies takes its last writes along. Such a write therefore goes
//! out in one pipeline with `WAIT` and `INFO replication`: how many replicas have it, and how many the same primary has.
//!
//! | replicas that confirm | then |
//! |---|---|
//! | as many as are wanted | acknowledged |
//! | fewer, though the primary has more | refused: the client hears BUSY |
//! | fewer, and the primary has no more | acknowledged, if the primary cannot have been replaced meanwhile, else refused |
//!
//! The last row keeps set-ups going after a fail-over, while the new primary has no replica yet. But a primary that stood
//! still while a replica took over has none either, and does not know yet. So it must have answered half a second before, in
//! which no replica takes over (a cluster's `cluster-node-timeout` is longer), or still be the one that serves a second
//! later: it learns that it is not as soon as it goes on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use redis::Value;
use tokio::sync::Semaphore;

use super::layout::Layout;
use super::link::{Link, Script};
use crate::store::StoreError;

/// Writes under way at once. Those that wait block their connection, so more would only queue up in Redis.
const UNDER_WAY: usize = 256;
/// How long a write waits until others are done. With the time that it may take itself, nobody waits for more than 5 seconds.
const TURN: Duration = Duration::from_secs(2);
/// How long nobody takes over from a primary that has just answered.
const FRESH: Duration = Duration::from_millis(500);
/// How long a primary without replicas that was not heard of lately must stay the one that serves.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// How many replicas confirm a write.
pub(super) struct Durability {
    /// Replicas that should confirm.
    wanted: u8,
    patience: Duration,
    /// For each place: how many of them its primary had when last written to.
    expected: Vec<AtomicU8>,
    /// When each primary without replicas was last known to be the one that serves.
    alone: Mutex<HashMap<String, Instant>>,
    under_way: Semaphore,
}

/// Shards looked at together.
const LOOKS: usize = 16;

/// Keys of one slot, and which count of replicas is theirs.
#[derive(Clone, Copy)]
pub(super) struct Place<'k> {
    pub(super) anchor: &'k str,
    pub(super) index: usize,
}

impl Durability {
    /// For so many places; `wanted` replicas, each write at most `patience`.
    pub(super) fn new(wanted: u8, patience: Duration, places: usize) -> Self {
        let expected = (0..places).map(|_| AtomicU8::new(wanted)).collect();
        Self { wanted, patience, expected, alone: Mutex::default(), under_way: Semaphore::new(UNDER_WAY) }
    }

    /// Runs a script whose effect must survive a fail-over.
    pub(super) async fn run<K: AsRef<[u8]>>(
        &self,
        link: &Link,
        place: Place<'_>,
        script: &Script,
        keys: &[K],
        args: &[&[u8]],
    ) -> Result<Value, StoreError> {
        if self.wanted == 0 {
            return link.run(script, place.anchor, keys, args).await;
        }
        let turn = tokio::time::timeout(TURN, self.under_way.acquire()).await;
        let turn = turn.map_err(|_| StoreError::Unavailable)?.map_err(|_| StoreError::Unavailable)?;
        let expected = self.expected.get(place.index).ok_or(StoreError::Unavailable)?;
        let replicas = expected.load(Ordering::Relaxed);
        let (answer, confirmed, info) =
            link.run_and_wait(script, place.anchor, keys, args, replicas, self.patience).await?;
        drop(turn);
        let primary = Primary::read(&info).ok_or(StoreError::Unavailable)?;
        let online = primary.online.min(self.wanted);
        if expected.swap(online, Ordering::Relaxed) > online {
            tracing::warn!(online, wanted = self.wanted, "a primary of Redis lacks replicas");
        }
        if confirmed >= self.wanted {
            return Ok(answer);
        }
        if confirmed < online {
            tracing::warn!(confirmed, online, "a write to Redis was not confirmed by its replicas");
            return Err(StoreError::Unavailable);
        }
        if self.still_serves(&primary.id) {
            return Ok(answer);
        }
        tokio::time::sleep(SECOND_LOOK).await;
        let now = Primary::read(&link.replication(place.anchor).await?);
        if now.is_none_or(|now| now.id != primary.id) {
            return Err(StoreError::Unavailable);
        }
        self.alone().insert(primary.id, Instant::now());
        Ok(answer)
    }

    /// Looks how many replicas there are, so that after a fail-over no write waits in vain, and for a replica that came back
    /// every write does.
    pub(super) async fn refresh(&self, link: &Link, layout: &Layout) {
        let looks = layout.all().filter(|_| self.wanted > 0).map(|shard| async move {
            // A primary that does not answer is asked again next time; its writes find out for themselves.
            let primary = Primary::read(&link.replication(&layout.anchor(shard)).await.ok()?)?;
            self.expected.get(shard.index())?.store(primary.online.min(self.wanted), Ordering::Relaxed);
            Some(())
        });
        stream::iter(looks).buffer_unordered(LOOKS).for_each(|_| std::future::ready(())).await;
    }

    /// Whether a primary that answers now was known to serve just before; if so, it is known to serve now.
    fn still_serves(&self, id: &str) -> bool {
        let mut alone = self.alone();
        alone.retain(|_, last| last.elapsed() < FRESH);
        alone.get_mut(id).map(|last| *last = Instant::now()).is_some()
    }

    fn alone(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a primary says of its replication.
#[derive(Debug, PartialEq, Eq)]
struct Primary {
    /// The name of its history, which a replica that takes over replaces by one of its own.
    id: String,
    /// Replicas that follow it.
    online: u8,
}

impl Primary {
    /// Reads `INFO replication`; `None` if it is no primary's.
    fn read(info: &str) -> Option<Self> {
        let lines = || info.lines().map(str::trim);
        lines().find(|line| *line == "role:master")?;
        let id = lines().find_map(|line| line.strip_prefix("master_replid:"))?.to_owned();
        let online = lines().filter(|line| line.starts_with("slave") && line.contains("state=online"));
        Some(Self { id, online: u8::try_from(online.count()).unwrap_or(u8::MAX) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_is_taken_at_its_word_only_while_it_keeps_answering() {
        let durability = Durability::new(1, Duration::ZERO, 1);
        assert!(!durability.still_serves("a"), "nobody knows it yet");
        assert!(!durability.still_serves("a"), "to have answered is not to be known");
        durability.alone().insert("a".to_owned(), Instant::now());
        assert!(
            durability.still_serves("a") && durability.still_serves("a") && !durability.still_serves("b")
        );
        durability.alone().insert("a".to_owned(), Instant::now().checked_sub(FRESH).unwrap());
        assert!(!durability.still_serves("a"), "a replica may have taken over meanwhile");
    }

    #[test]
    fn only_replicas_that_follow_count_and_a_replica_is_no_primary() {
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:3\r\n\
                    slave0:ip=127.0.0.1,port=1,state=online,offset=1,lag=0\r\n\
                    slave1:ip=127.0.0.1,port=2,state=wait_bgsave,offset=0,lag=0\r\n\
                    slave2:ip=127.0.0.1,port=3,state=online,offset=1,lag=1\r\nmaster_replid:abc\r\n";
        assert_eq!(Primary::read(info), Some(Primary { id: "abc".to_owned(), online: 2 }));
        let alone = "role:master\r\nconnected_slaves:0\r\nmaster_replid:d\r\n";
        assert_eq!(Primary::read(alone), Some(Primary { id: "d".to_owned(), online: 0 }));
        assert_eq!(Primary::read("role:slave\r\nmaster_replid:abc\r\n"), None);
        assert_eq!(Primary::read("role:master\r\n"), None);
    }
}
