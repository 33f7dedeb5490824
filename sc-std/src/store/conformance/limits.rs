//! Rules of rate limits, and of reset tokens.

use std::sync::Arc;
use std::time::Duration;

use rand_core::Rng;

use super::{Violation, now, rule, winners};
use crate::rate_limit::{Limit, LimitKey, LimitRefusal, RateLimiter};
use crate::reset::{AccountId, TokenStore};
use crate::rng::SystemSeeded;
use crate::store::Store;

fn key() -> LimitKey {
    let mut hash = [0; 32];
    SystemSeeded.fill_bytes(&mut hash);
    LimitKey::of_hash(hash)
}

pub(super) async fn check_limits<S: Store>(store: &Arc<S>) -> Result<(), Violation> {
    const WINDOW_MS: u64 = 1_500;
    let limit = Arc::new(store.limiter("conformance", Limit::new(3, WINDOW_MS)));
    let (key, start) = (key(), now());
    for _ in 0..3 {
        rule("a limit admits its count", limit.claim(&key, now()).await, &Ok(()))?;
    }
    match limit.claim(&key, now()).await {
        Err(LimitRefusal::Exceeded(retry)) => {
            rule("a limit says when to come again", (1..=2).contains(&retry.seconds()), &true)?;
        }
        other => rule("a limit refuses beyond its count", other, &Err(LimitRefusal::Unavailable))?,
    }
    rule("a look refuses what a claim would", limit.refusal(&key, now()).await.is_some(), &true)?;
    let stranger = self::key();
    rule("keys are counted apart", limit.refusal(&stranger, now()).await, &None)?;
    rule("a look spends nothing", limit.claim(&stranger, now()).await, &Ok(()))?;
    let left = start.plus(WINDOW_MS + 100).0.saturating_sub(now().0);
    tokio::time::sleep(Duration::from_millis(left)).await;
    rule("a window ends", limit.claim(&key, now()).await, &Ok(()))?;

    let one = store.limiter("conformance-shared", Limit::new(1, 60_000));
    let (key, at) = (self::key(), now());
    rule("a limit admits its count", one.claim(&key, at).await, &Ok(()))?;
    rule("a limit of one is spent", one.claim(&key, at).await.is_err(), &true)?;
    one.give_back(&key, at).await;
    rule("what is given back can be spent again", one.claim(&key, at).await, &Ok(()))?;
    let again = store.limiter("conformance-shared", Limit::new(1, 60_000));
    rule("limiters of one name count together", again.claim(&key, at).await.is_err(), &true)?;
    let other = store.limiter("conformance-other", Limit::new(1, 60_000));
    rule("limiters of other names count apart", other.refusal(&key, at).await, &None)?;
    let none = store.limiter("conformance-none", Limit::new(0, 60_000));
    rule("a limit of nothing refuses everything", none.claim(&key, at).await.is_err(), &true)?;

    let many = Arc::new(store.limiter("conformance-race", Limit::new(5, 60_000)));
    let won = winners(|_| {
        let many = Arc::clone(&many);
        async move { many.claim(&key, at).await.is_ok() }
    });
    rule("of racing requests exactly the count is admitted", won.await, &5)
}

/// Checks a store of reset tokens whose tokens live for at least a second.
///
/// # Errors
/// [`Violation`]: the first rule that is broken.
pub async fn check_tokens<T: TokenStore>(store: &Arc<T>) -> Result<(), Violation> {
    let create = async |account: &AccountId| {
        store
            .create(account, now())
            .await
            .map_err(|error| Violation { rule: "a token is made", found: error.to_string() })
    };
    let (one, other) = (AccountId::new("one"), AccountId::new("other"));
    let (first, second, third) = (create(&one).await?, create(&one).await?, create(&other).await?);
    let consume = async |token| store.consume(token, now()).await;
    rule("a token gives its account", consume(&first).await, &Ok(Some(one.clone())))?;
    rule("a token works once", consume(&first).await, &Ok(None))?;
    rule("an account's other tokens end with it", consume(&second).await, &Ok(None))?;
    rule("those of others do not", consume(&third).await, &Ok(Some(other.clone())))?;

    let (kept, revoked) = (create(&one).await?, create(&one).await?);
    rule("a token is revoked", store.revoke(&revoked).await, &Ok(()))?;
    rule("a revoked token is gone", consume(&revoked).await, &Ok(None))?;
    rule("the account's other tokens are not", consume(&kept).await, &Ok(Some(one.clone())))?;

    let (mine, theirs) = (create(&one).await?, create(&other).await?);
    rule("an account's tokens are revoked", store.revoke_account(&one).await, &Ok(()))?;
    rule("they are gone", consume(&mine).await, &Ok(None))?;
    rule("those of others are not", consume(&theirs).await, &Ok(Some(other)))?;

    let raced = Arc::new(create(&one).await?);
    let won = winners(|_| {
        let (store, raced) = (Arc::clone(store), Arc::clone(&raced));
        async move { matches!(store.consume(&raced, now()).await, Ok(Some(_))) }
    });
    rule("of callers that race with one token one wins", won.await, &1)
}
