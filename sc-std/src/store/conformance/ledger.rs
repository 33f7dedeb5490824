//! Rules of the ledger of wrapped keys.

use std::sync::Arc;

use sc_core::replay::LedgerVerdict;

use super::{HOUR_MS, Violation, hashes, key_id, now, rule, winners};
use crate::store::Store;

pub(super) async fn check_ledger<S: Store>(store: &Arc<S>) -> Result<(), Violation> {
    let key = key_id()?;
    let keep_until = Some(now().plus(HOUR_MS));
    let claim = async |hashes| store.claim_wrapped(&key, &hashes, keep_until).await;
    let [first, second, third] = [hashes()?, hashes()?, hashes()?];
    rule("unknown wrapped keys are not known", store.knows_wrapped(&key, &first).await, &Ok(false))?;
    rule("new wrapped keys are new", claim(first).await, &Ok(LedgerVerdict::New))?;
    rule("recorded wrapped keys are known", store.knows_wrapped(&key, &first).await, &Ok(true))?;
    rule("a pair is accepted once", claim(first).await, &Ok(LedgerVerdict::Repeated))?;
    rule("roles share one namespace", claim([first[1], first[0]]).await, &Ok(LedgerVerdict::Repeated))?;

    rule("a known request key decides", claim([first[0], second[1]]).await, &Ok(LedgerVerdict::Repeated))?;
    let half = store.knows_wrapped(&key, &[second[1], second[1]]).await;
    rule("and who loses claims nothing else", half, &Ok(false))?;
    rule("a known response key refuses", claim([second[0], first[1]]).await, &Ok(LedgerVerdict::Repeated))?;
    let half = store.knows_wrapped(&key, &[second[0], second[0]]).await;
    rule("the half that was recorded before stays recorded", half, &Ok(true))?;
    rule(
        "either half makes a pair known",
        store.knows_wrapped(&key, &[third[0], first[1]]).await,
        &Ok(true),
    )?;

    let other = key_id()?;
    let apart = store.claim_wrapped(&other, &first, None).await;
    rule("each RSA key has a ledger of its own", apart, &Ok(LedgerVerdict::New))?;

    for _ in 0..20 {
        let pair = hashes()?;
        let won = winners(|_| {
            let (store, key) = (Arc::clone(store), key.clone());
            async move { store.claim_wrapped(&key, &pair, keep_until).await == Ok(LedgerVerdict::New) }
        });
        rule("of racing claims of one pair exactly one is new", won.await, &1)?;
    }
    Ok(())
}
