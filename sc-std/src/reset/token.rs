//! Reset tokens: 256 random bits, stored only as their SHA-256, used once, short-lived (PROTOCOL 6).

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::CryptoRng;
use sc_core::id::UnixMillis;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::AccountId;
use crate::rng::System;

/// A token, as it stands in a reset link. Wiped on drop; Debug shows nothing of it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ResetToken([u8; Self::LEN]);

impl ResetToken {
    /// Length, in bytes.
    pub const LEN: usize = 32;
    /// Length of the text form, in characters of base64url without padding.
    pub const TEXT_LEN: usize = 43;

    /// Draws a new token.
    pub fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut token = Self([0; Self::LEN]);
        rng.fill_bytes(&mut token.0);
        token
    }

    /// Reads the text form; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut token = Self([0; Self::LEN]);
        let decoded = Base64UrlUnpadded::decode(text, &mut token.0).ok()?;
        (decoded.len() == Self::LEN).then_some(token)
    }

    /// The text form, wiped on drop.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(Base64UrlUnpadded::encode_string(&self.0))
    }

    /// SHA-256 of the token: what a store keeps of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl std::fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResetToken(..)")
    }
}

/// The store holds as many tokens as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store of reset tokens is full")]
pub struct TokensFull;

/// Why a store of tokens did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The store holds as many tokens as it may.
    #[error("the store of reset tokens is full")]
    Full,
    /// The store cannot be reached.
    #[error("the store of reset tokens cannot be reached")]
    Unavailable,
}

/// Reset tokens, in this process or shared by a fleet.
///
/// # Examples
/// A whole service is `examples/forgot_password.rs`.
///
/// # Security
/// An implementation keeps the [hash](ResetToken::hash) of a token, never the token; it is bounded, refuses new tokens
/// when full, and of callers that race with one token lets one win.
pub trait TokenStore: Send + Sync + 'static {
    /// How long a token lives, in milliseconds.
    fn ttl_ms(&self) -> u64;

    /// Makes a token for an account.
    ///
    /// # Errors
    /// [`TokenError::Full`], [`TokenError::Unavailable`].
    fn create(
        &self,
        account: &AccountId,
        now: UnixMillis,
    ) -> impl Future<Output = Result<ResetToken, TokenError>> + Send;

    /// Uses a token, and gives the account it was made for; `None` if it is unknown, used or has ended. The account's
    /// other tokens end with it.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`]; the token may have been used then.
    fn consume(
        &self,
        token: &ResetToken,
        now: UnixMillis,
    ) -> impl Future<Output = Result<Option<AccountId>, TokenError>> + Send;

    /// Ends one token, for example because its mail could not be sent.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`].
    fn revoke(&self, token: &ResetToken) -> impl Future<Output = Result<(), TokenError>> + Send;

    /// Ends all tokens of an account, for example when its password was changed in another way.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`].
    fn revoke_account(&self, account: &AccountId) -> impl Future<Output = Result<(), TokenError>> + Send;
}

impl TokenStore for ResetTokens {
    fn ttl_ms(&self) -> u64 {
        Self::ttl_ms(self)
    }

    async fn create(&self, account: &AccountId, now: UnixMillis) -> Result<ResetToken, TokenError> {
        Self::create(self, &mut System, account, now).map_err(|TokensFull| TokenError::Full)
    }

    async fn consume(&self, token: &ResetToken, now: UnixMillis) -> Result<Option<AccountId>, TokenError> {
        Ok(Self::consume(self, token, now))
    }

    async fn revoke(&self, token: &ResetToken) -> Result<(), TokenError> {
        Self::revoke(self, token);
        Ok(())
    }

    async fn revoke_account(&self, account: &AccountId) -> Result<(), TokenError> {
        Self::revoke_account(self, account);
        Ok(())
    }
}

/// The tokens that may still be used, in memory.
///
/// # Security
/// Keeps hashes only: who reads the store cannot use what is in it. When full it refuses new tokens and never drops
/// a live one.
///
/// # Examples
/// ```
/// use sc_core::id::UnixMillis;
/// use sc_std::reset::{AccountId, ResetTokens};
/// use sc_std::rng::SystemSeeded;
///
/// let tokens = ResetTokens::new(15 * 60 * 1000, 100_000);
/// let token = tokens.create(&mut SystemSeeded, &AccountId::new("7"), UnixMillis(0))?;
/// assert_eq!(tokens.consume(&token, UnixMillis(1)), Some(AccountId::new("7")));
/// assert_eq!(tokens.consume(&token, UnixMillis(1)), None, "once");
/// # Ok::<(), sc_std::reset::TokensFull>(())
/// ```
pub struct ResetTokens {
    ttl_ms: u64,
    max_tokens: usize,
    live: Mutex<Live>,
}

/// The hashes with what they stand for, and the same in the order of their ends.
#[derive(Default)]
struct Live {
    by_hash: HashMap<[u8; 32], (AccountId, u64)>,
    by_end: BTreeSet<(u64, [u8; 32])>,
}

impl ResetTokens {
    /// A store whose tokens live for `ttl_ms` milliseconds, and which holds at most `max_tokens`, about 200 bytes
    /// each.
    #[must_use]
    pub fn new(ttl_ms: u64, max_tokens: usize) -> Self {
        Self { ttl_ms, max_tokens, live: Mutex::default() }
    }

    /// How long a token lives, in milliseconds.
    #[must_use]
    pub const fn ttl_ms(&self) -> u64 {
        self.ttl_ms
    }

    /// Makes a token for an account.
    ///
    /// # Errors
    /// [`TokensFull`] if the store holds as many live ones as it may.
    pub fn create<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        account: &AccountId,
        now: UnixMillis,
    ) -> Result<ResetToken, TokensFull> {
        let token = ResetToken::draw(rng);
        let end = now.plus(self.ttl_ms).0;
        let mut live = self.lock();
        live.drop_ended(now.0);
        if live.by_hash.len() >= self.max_tokens {
            return Err(TokensFull);
        }
        live.by_end.insert((end, token.hash()));
        live.by_hash.insert(token.hash(), (account.clone(), end));
        Ok(token)
    }

    /// Uses a token, and gives the account it was made for; `None` if it is unknown, used or has ended.
    ///
    /// # Security
    /// Of callers that race with one token, one wins. The account's other tokens end with it: whoever has just set a
    /// new password should not leave older links to it behind.
    #[must_use]
    pub fn consume(&self, token: &ResetToken, now: UnixMillis) -> Option<AccountId> {
        let mut live = self.lock();
        live.drop_ended(now.0);
        let (account, _) = live.by_hash.get(&token.hash())?;
        let account = account.clone();
        live.drop_account(&account);
        Some(account)
    }

    /// Ends one token, for example because its mail could not be sent.
    pub fn revoke(&self, token: &ResetToken) {
        let mut live = self.lock();
        if let Some((_, end)) = live.by_hash.remove(&token.hash()) {
            live.by_end.remove(&(end, token.hash()));
        }
    }

    /// Ends all tokens of an account, for example when its password was changed in another way. Looks at all tokens.
    pub fn revoke_account(&self, account: &AccountId) {
        self.lock().drop_account(account);
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn drop_ended(&mut self, now: u64) {
        while let Some((end, hash)) = self.by_end.first().copied().filter(|(end, _)| *end <= now) {
            self.by_end.remove(&(end, hash));
            self.by_hash.remove(&hash);
        }
    }

    fn drop_account(&mut self, account: &AccountId) {
        let by_end = &mut self.by_end;
        self.by_hash.retain(|hash, (owner, end)| {
            let keep = owner != account;
            if !keep {
                by_end.remove(&(*end, *hash));
            }
            keep
        });
    }
}

impl std::fmt::Debug for ResetTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResetTokens").field("live", &self.lock().by_hash.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::rng::SystemSeeded;

    fn create(tokens: &ResetTokens, account: &str, now: u64) -> ResetToken {
        tokens.create(&mut SystemSeeded, &AccountId::new(account), UnixMillis(now)).unwrap()
    }

    #[test]
    fn a_token_has_one_text_form() {
        let token = ResetToken([0xfb; 32]);
        let text = token.to_text();
        assert_eq!(text.len(), ResetToken::TEXT_LEN);
        assert_eq!(ResetToken::parse(&text).unwrap().0, token.0);
        for bad in
            ["", "+", &text[1..], &format!("{}A", *text), &format!("{}=", *text), &text.replace('-', "+")]
        {
            assert!(ResetToken::parse(bad).is_none(), "{bad}");
        }
        let trailing_bits = format!("{}9", &text[..42]);
        assert!(ResetToken::parse(&trailing_bits).is_none(), "bits that no byte takes");
    }

    #[test]
    fn a_store_says_how_long_its_tokens_live() {
        let tokens = ResetTokens::new(61_000, 9);
        assert_eq!((tokens.ttl_ms(), TokenStore::ttl_ms(&tokens)), (61_000, 61_000));
    }

    #[test]
    fn a_token_works_to_the_last_millisecond_and_once() {
        let tokens = ResetTokens::new(1000, 10);
        let token = create(&tokens, "a", 5);
        assert_eq!(tokens.consume(&token, UnixMillis(1004)), Some(AccountId::new("a")));
        assert_eq!(tokens.consume(&token, UnixMillis(1004)), None);
        let token = create(&tokens, "a", 5);
        assert_eq!(tokens.consume(&token, UnixMillis(1005)), None);
        assert_eq!(tokens.consume(&ResetToken([1; 32]), UnixMillis(5)), None, "a guess");
    }

    #[test]
    fn using_one_token_ends_the_others_of_its_account_only() {
        let tokens = ResetTokens::new(1000, 10);
        let (one, two, other) = (create(&tokens, "a", 0), create(&tokens, "a", 1), create(&tokens, "b", 2));
        assert!(tokens.consume(&one, UnixMillis(3)).is_some());
        assert!(tokens.consume(&two, UnixMillis(3)).is_none());
        assert!(tokens.consume(&other, UnixMillis(3)).is_some());
        assert_eq!(tokens.lock().by_end.len(), 0);
    }

    #[test]
    fn a_full_store_refuses_and_never_drops_a_live_token() {
        let tokens = ResetTokens::new(1000, 2);
        let (one, two) = (create(&tokens, "a", 0), create(&tokens, "b", 500));
        let third = tokens.create(&mut SystemSeeded, &AccountId::new("c"), UnixMillis(999));
        assert_eq!(third.err(), Some(TokensFull));
        create(&tokens, "c", 1000);
        assert!(tokens.consume(&one, UnixMillis(1000)).is_none(), "the one that has ended made room");
        assert!(tokens.consume(&two, UnixMillis(1000)).is_some());
    }

    #[test]
    fn a_revoked_token_is_gone_from_both_orders() {
        let tokens = ResetTokens::new(1000, 10);
        let (one, two) = (create(&tokens, "a", 0), create(&tokens, "b", 0));
        tokens.revoke(&one);
        tokens.revoke_account(&AccountId::new("b"));
        for token in [&one, &two] {
            assert!(tokens.consume(token, UnixMillis(0)).is_none());
        }
        let live = tokens.lock();
        assert!(live.by_end.is_empty() && live.by_hash.is_empty());
    }

    #[test]
    fn of_racing_callers_one_wins() {
        let tokens = ResetTokens::new(1000, 10);
        let token = create(&tokens, "a", 0);
        let wins = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    wins.fetch_add(
                        usize::from(tokens.consume(&token, UnixMillis(1)).is_some()),
                        Ordering::Relaxed,
                    )
                });
            }
        });
        assert_eq!(wins.into_inner(), 1);
    }

    #[test]
    fn no_token_shows_in_debug_output() {
        let tokens = ResetTokens::new(1000, 10);
        let token = create(&tokens, "account", 0);
        assert_eq!(format!("{token:?} {tokens:?}"), "ResetToken(..) ResetTokens { live: 1, .. }");
    }
}
