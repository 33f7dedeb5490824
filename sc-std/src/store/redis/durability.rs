//! Writes that a fail-over must not lose: acknowledged once replicas have them.
//!
//! Redis replicates after it has answered, so a primary that dies takes its last writes along. `WAIT` closes that gap, for
//! the price of one replication round trip. A write that too few replicas confirm is refused (the client hears BUSY),
//! unless the primary has no more replicas than that: then there is nobody who could take over without it, and refusing
//! would only turn a lost replica into a lost service.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use redis::Value;

use super::layout::{Layout, Shard};
use super::link::{Link, Script};
use crate::store::StoreError;

/// How many replicas confirm a write, and how many there are.
pub(super) struct Durability {
    /// Replicas that should confirm.
    wanted: u8,
    patience: Duration,
    /// For each shard: how many of them its primary had when last looked at.
    expected: Vec<AtomicU8>,
}

impl Durability {
    pub(super) fn new(wanted: u8, patience: Duration, layout: &Layout) -> Self {
        let expected = layout.all().map(|_| AtomicU8::new(wanted)).collect();
        Self { wanted, patience, expected }
    }

    /// Runs a script whose effect must survive a fail-over.
    pub(super) async fn run<K: AsRef<[u8]>>(
        &self,
        link: &Link,
        (layout, shard): (&Layout, Shard),
        script: &Script,
        keys: &[K],
        args: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let anchor = layout.anchor(shard);
        let expected =
            self.expected.get(shard.index()).map_or(0, |replicas| replicas.load(Ordering::Relaxed));
        if expected == 0 {
            return link.run(script, &anchor, keys, args).await;
        }
        let (answer, confirmed) =
            link.run_and_wait(script, &anchor, keys, args, expected, self.patience).await?;
        if confirmed >= expected || confirmed >= self.look(link, layout, shard).await? {
            return Ok(answer);
        }
        tracing::warn!(confirmed, expected, "a write was not confirmed by its replicas");
        Err(StoreError::Unavailable)
    }

    /// Counts the replicas of every shard again, so that one which came back is waited for.
    pub(super) async fn refresh(&self, link: &Link, layout: &Layout) -> Result<(), StoreError> {
        if self.wanted > 0 {
            for shard in layout.all() {
                self.look(link, layout, shard).await?;
            }
        }
        Ok(())
    }

    /// Replicas that follow the primary of a shard now, as many as are wanted at most.
    async fn look(&self, link: &Link, layout: &Layout, shard: Shard) -> Result<u8, StoreError> {
        let mut command = redis::cmd("INFO");
        command.arg("replication");
        let answer = link.call(&layout.anchor(shard), command).await?;
        let text: String = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        let online = online_replicas(&text).ok_or(StoreError::Unavailable)?.min(self.wanted);
        if let Some(expected) = self.expected.get(shard.index()) {
            let before = expected.swap(online, Ordering::Relaxed);
            if online < before {
                tracing::warn!(online, wanted = self.wanted, "a primary of Redis has too few replicas");
            }
        }
        Ok(online)
    }
}

/// Replicas that a primary's `INFO replication` shows online; `None` if it is no primary.
fn online_replicas(info: &str) -> Option<u8> {
    let mut lines = info.lines().map(str::trim);
    lines.clone().find(|line| *line == "role:master")?;
    let online = lines.by_ref().filter(|line| line.starts_with("slave") && line.contains("state=online"));
    Some(u8::try_from(online.count()).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replicas_that_follow_count_and_a_replica_is_no_primary() {
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:3\r\n\
                    slave0:ip=127.0.0.1,port=1,state=online,offset=1,lag=0\r\n\
                    slave1:ip=127.0.0.1,port=2,state=wait_bgsave,offset=0,lag=0\r\n\
                    slave2:ip=127.0.0.1,port=3,state=online,offset=1,lag=1\r\nmaster_repl_offset:1\r\n";
        assert_eq!(online_replicas(info), Some(2));
        assert_eq!(online_replicas("role:master\r\nconnected_slaves:0\r\n"), Some(0));
        assert_eq!(online_replicas("role:slave\r\nmaster_host:x\r\n"), None);
        assert_eq!(online_replicas(""), None);
    }
}
