//! A sliding-window rate limit that all servers of a store share.

use std::sync::Arc;

use sc_core::id::UnixMillis;

use super::{Inner, hex};
use crate::keyed_hash::keyed_hash;
use crate::rate_limit::{Limit, LimitKey, LimitRefusal, RateLimiter, RetryAfter, SlidingWindow};

/// Most keys that a server remembers of those it has counted itself.
const MAX_REMEMBERED_KEYS: usize = 1_000_000;

/// One limit over many keys, counted in Redis.
///
/// Whom a limit counts is in Redis only as a keyed hash. A key that has spent everything at this server alone is refused
/// without asking, so a flood from one address costs Redis nothing. Keys end with their window; how many there are at once
/// is bounded by Redis's `maxmemory`, beyond which the limit refuses.
pub struct RedisWindow {
    inner: Arc<Inner>,
    name: &'static str,
    limit: Limit,
    own: SlidingWindow,
}

impl RedisWindow {
    pub(super) fn new(inner: Arc<Inner>, name: &'static str, limit: Limit) -> Self {
        Self { inner, name, limit, own: SlidingWindow::new(limit, MAX_REMEMBERED_KEYS) }
    }

    fn key(&self, key: &LimitKey) -> String {
        let hash = hex(&keyed_hash(&self.inner.limit_key, &[self.name.as_bytes(), b"\0", key.as_bytes()]));
        // 128 bits tell keys apart.
        self.inner.layout.limit(hash.get(..32).unwrap_or_default())
    }

    async fn ask(&self, key: &LimitKey, now: UnixMillis, verb: &str) -> Result<(), LimitRefusal> {
        let key = self.key(key);
        let args = [now.0, self.limit.window_ms(), u64::from(self.limit.count())].map(|n| n.to_string());
        let [now_text, window, most] = args.each_ref().map(String::as_bytes);
        let answer = self
            .inner
            .link
            .run(&self.inner.scripts.limit, &key, &[&key], &[now_text, window, most, verb.as_bytes()])
            .await;
        let unavailable = LimitRefusal::Unavailable;
        let free_at: String =
            redis::from_redis_value(answer.map_err(|_| unavailable)?).map_err(|_| unavailable)?;
        match free_at.parse::<u64>() {
            Ok(0) => Ok(()),
            Ok(free_at) => Err(LimitRefusal::Exceeded(RetryAfter::between(now.0, free_at))),
            Err(_) => Err(unavailable),
        }
    }
}

impl RateLimiter for RedisWindow {
    async fn refusal(&self, key: &LimitKey, now: UnixMillis) -> Option<LimitRefusal> {
        match self.own.refusal(key, now) {
            Some(retry) => Some(LimitRefusal::Exceeded(retry)),
            None => self.ask(key, now, "look").await.err(),
        }
    }

    async fn claim(&self, key: &LimitKey, now: UnixMillis) -> Result<(), LimitRefusal> {
        self.own.claim(key, now).map_err(LimitRefusal::Exceeded)?;
        let claimed = self.ask(key, now, "claim").await;
        if claimed.is_err() {
            self.own.give_back(key, now);
        }
        claimed
    }

    async fn give_back(&self, key: &LimitKey, now: UnixMillis) {
        self.own.give_back(key, now);
        let key = self.key(key);
        let mut command = redis::cmd("LREM");
        command.arg(&key).arg(-1).arg(now.0);
        if self.inner.link.call(&key, command).await.is_err() {
            tracing::warn!(limit = self.name, "a request that another limit refused stays counted");
        }
    }
}

impl std::fmt::Debug for RedisWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisWindow")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
