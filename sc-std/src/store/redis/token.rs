//! Reset tokens that all servers of a store share: a link made by one works at any.

use std::sync::Arc;

use redis::Value;
use sc_core::id::UnixMillis;
use zeroize::Zeroizing;

use super::{Inner, hex};
use crate::keyed_hash::keyed_hash;
use crate::reset::{AccountId, ResetToken, TokenError, TokenStore};
use crate::rng::System;
use crate::store::StoreError;

/// Length of an account's name in Redis, in characters.
const NAME_LEN: usize = 64;

/// Reset tokens in Redis, by their SHA-256.
///
/// # Security
/// An account's name may be an address, so it is sealed under the store key, and its tokens are found by a keyed hash.
pub struct RedisTokens {
    inner: Arc<Inner>,
    ttl_ms: u64,
    max_tokens: usize,
}

impl RedisTokens {
    pub(super) const fn new(inner: Arc<Inner>, ttl_ms: u64, max_tokens: usize) -> Self {
        Self { inner, ttl_ms, max_tokens }
    }

    /// The account's names in Redis: the one in use, then those under older store keys.
    fn names(&self, account: &AccountId) -> impl Iterator<Item = String> {
        let name = |key: &Zeroizing<[u8; 32]>| hex(&keyed_hash(key, &[account.as_str().as_bytes()]));
        self.inner.account_keys.iter().map(name)
    }

    fn prefixes(&self) -> [String; 2] {
        ["t:", "a:"].map(|what| self.inner.layout.reset(what))
    }

    fn index(&self) -> String {
        self.inner.layout.reset("x")
    }

    /// Ends a token, an account's tokens, or both; gives the token's entry.
    async fn end(&self, hash: &str, name: &str, all: bool) -> Result<Option<Vec<u8>>, TokenError> {
        let ([tokens, accounts], index) = (self.prefixes(), self.index());
        let all: &[u8] = if all { b"all" } else { b"" };
        let args = [tokens.as_bytes(), accounts.as_bytes(), hash.as_bytes(), name.as_bytes(), all];
        let answer = self.inner.link.run(&self.inner.scripts.token_use, &index, &[&index], &args).await?;
        match answer {
            Value::Nil | Value::Boolean(false) => Ok(None),
            answer => redis::from_redis_value(answer).map_err(|_| TokenError::Unavailable),
        }
    }
}

/// What an entry is sealed to.
fn record_id(hash: &str) -> Vec<u8> {
    [b"token:", hash.as_bytes()].concat()
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::Taken | StoreError::Unavailable => Self::Unavailable,
        }
    }
}

impl TokenStore for RedisTokens {
    fn ttl_ms(&self) -> u64 {
        self.ttl_ms
    }

    async fn create(&self, account: &AccountId, now: UnixMillis) -> Result<ResetToken, TokenError> {
        let token = ResetToken::draw(&mut System);
        let name = self.names(account).next().ok_or(TokenError::Unavailable)?;
        let (hash, [tokens, accounts]) = (hex(&token.hash()), self.prefixes());
        let sealed = self.inner.keys.seal(&record_id(&hash), account.as_str().as_bytes());
        let entry = [name.as_bytes(), &sealed.ok_or(TokenError::Unavailable)?].concat();
        let index = self.index();
        let keys = [format!("{tokens}{hash}"), format!("{accounts}{name}"), index.clone()];
        let [now, ttl, most] = [now.0.to_string(), self.ttl_ms.to_string(), self.max_tokens.to_string()];
        let args = [now.as_bytes(), ttl.as_bytes(), most.as_bytes(), hash.as_bytes(), &entry];
        let answer = self.inner.link.run(&self.inner.scripts.token_create, &index, &keys, &args).await?;
        match redis::from_redis_value::<String>(answer).as_deref() {
            Ok("ok") => Ok(token),
            Ok("full") => Err(TokenError::Full),
            _ => Err(TokenError::Unavailable),
        }
    }

    /// The end of a token is Redis's: `now` does not move it.
    async fn consume(&self, token: &ResetToken, _now: UnixMillis) -> Result<Option<AccountId>, TokenError> {
        let hash = hex(&token.hash());
        let Some(entry) = self.end(&hash, "", true).await? else { return Ok(None) };
        let sealed = entry.get(NAME_LEN..).unwrap_or_default();
        let account = self.inner.keys.open(&record_id(&hash), sealed);
        let account = account.and_then(|account| std::str::from_utf8(&account).ok().map(AccountId::new));
        if account.is_none() {
            tracing::error!("a reset token in Redis does not open: it was changed, or its store key is gone");
        }
        if let Some(account) = account.as_ref().filter(|_| self.inner.account_keys.len() > 1) {
            self.revoke_account(account).await?;
        }
        Ok(account)
    }

    async fn revoke(&self, token: &ResetToken) -> Result<(), TokenError> {
        self.end(&hex(&token.hash()), "", false).await.map(drop)
    }

    async fn revoke_account(&self, account: &AccountId) -> Result<(), TokenError> {
        for name in self.names(account) {
            self.end("", &name, true).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for RedisTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisTokens").field("ttl_ms", &self.ttl_ms).finish_non_exhaustive()
    }
}
