//! Rules of sessions and of the IVs they open.

use std::sync::Arc;
use std::time::Duration;

use sc_core::id::SessionId;
use sc_core::limits::MAX_MESSAGES_PER_SESSION;
use sc_core::replay::ClaimVerdict;

use super::{HOUR_MS, Violation, any_session, claim, key_id, now, rule, session, winners};
use crate::rng::SystemSeeded;
use crate::store::{Store, StoreError};

/// How many claims run at once where there are many.
const LANES: u32 = 64;

pub(super) async fn check_sessions<S: Store>(store: &Arc<S>) -> Result<(), Violation> {
    let (id, new) = any_session()?;
    let encoded = new.record.encode();
    rule(
        "an unknown session is not found",
        store.find(&id, now()).await.map(|found| found.is_some()),
        &Ok(false),
    )?;
    rule("a new session is created", store.create(new, now()).await, &Ok(()))?;
    let found =
        store.find(&id, now()).await.map(|found| found.map(|record| record.encode().as_ref().to_vec()));
    rule("a session is found as it was created", found == Ok(Some(encoded.as_ref().to_vec())), &true)?;
    let again = session(id, &key_id()?, now().plus(HOUR_MS))?;
    rule("an id is taken once", store.create(again, now()).await, &Err(StoreError::Taken))?;
    let found =
        store.find(&id, now()).await.map(|found| found.map(|record| record.encode().as_ref().to_vec()));
    rule("who finds the id taken changes nothing", found == Ok(Some(encoded.as_ref().to_vec())), &true)?;

    let (id, expires_at) = (SessionId::draw(&mut SystemSeeded), now().plus(HOUR_MS));
    let key = key_id()?;
    let created = winners(|_| {
        let (store, new) = (Arc::clone(store), session(id, &key, expires_at));
        async move {
            match new {
                Ok(new) => store.create(new, now()).await.is_ok(),
                Err(_) => false,
            }
        }
    });
    rule("of racing creations with one id exactly one wins", created.await, &1)
}

pub(super) async fn check_claims<S: Store>(store: &Arc<S>) -> Result<(), Violation> {
    let unknown = SessionId::draw(&mut SystemSeeded);
    rule("an unknown session claims nothing", store.claim(&unknown, &claim(1, 1), now()).await, &Ok(None))?;
    let (id, new) = any_session()?;
    rule("a new session is created", store.create(new, now()).await, &Ok(()))?;
    let said = async |n, tag| store.claim(&id, &claim(n, tag), now()).await;
    rule("a new IV is new", said(1, 1).await, &Ok(Some(ClaimVerdict::New)))?;
    rule("the same IV and tag are a replay", said(1, 1).await, &Ok(Some(ClaimVerdict::Replayed)))?;
    rule("the same IV with another tag is told apart", said(1, 2).await, &Ok(Some(ClaimVerdict::IvReused)))?;
    // A store may end the session in the same step; if not, the server does.
    let after = said(1, 1).await;
    rule(
        "an IV that was reused opens nothing",
        matches!(after, Ok(None | Some(ClaimVerdict::Replayed))),
        &true,
    )?;
    let (id, new) = any_session()?;
    rule("a new session is created", store.create(new, now()).await, &Ok(()))?;

    let (other, mut new) = any_session()?;
    new.first_claim = Some(claim(7, 1));
    rule("a session is created with its first claim", store.create(new, now()).await, &Ok(()))?;
    let said = async |n| store.claim(&other, &claim(n, 1), now()).await;
    rule("the first claim was made", said(7).await, &Ok(Some(ClaimVerdict::Replayed)))?;
    rule("sessions share no IVs", said(1).await, &Ok(Some(ClaimVerdict::New)))?;

    for n in 100..150 {
        let won = winners(|_| {
            let store = Arc::clone(store);
            async move { store.claim(&id, &claim(n, 1), now()).await == Ok(Some(ClaimVerdict::New)) }
        });
        rule("of racing claims of one IV exactly one is new", won.await, &1)?;
    }
    Ok(())
}

pub(super) async fn check_ends<S: Store>(store: &Arc<S>) -> Result<(), Violation> {
    let is_there = async |id: &SessionId| store.find(id, now()).await.map(|found| found.is_some());
    let (id, new) = any_session()?;
    rule("a new session is created", store.create(new, now()).await, &Ok(()))?;
    rule("a session is closed", store.close(&id).await, &Ok(()))?;
    rule("a closed session is not found", is_there(&id).await, &Ok(false))?;
    rule("a closed session claims nothing", store.claim(&id, &claim(1, 1), now()).await, &Ok(None))?;
    rule("closing is idempotent", store.close(&id).await, &Ok(()))?;

    let (brief, end) = (SessionId::draw(&mut SystemSeeded), now().plus(400));
    rule("a brief session is created", store.create(session(brief, &key_id()?, end)?, now()).await, &Ok(()))?;
    rule("a session lives before its end", is_there(&brief).await, &Ok(true))?;
    rule(
        "a session is used before its end",
        store.claim(&brief, &claim(1, 1), now()).await,
        &Ok(Some(ClaimVerdict::New)),
    )?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    rule("a session ends at its end, used or not", is_there(&brief).await, &Ok(false))?;
    rule("an ended session claims nothing", store.claim(&brief, &claim(2, 1), now()).await, &Ok(None))?;

    let (revoked, kept) = (key_id()?, key_id()?);
    let [one, two, three] = [(); 3].map(|()| SessionId::draw(&mut SystemSeeded));
    for (id, key) in [(one, &revoked), (two, &kept), (three, &revoked)] {
        let new = session(id, key, now().plus(HOUR_MS))?;
        rule("a new session is created", store.create(new, now()).await, &Ok(()))?;
    }
    rule("an RSA key is revoked", store.close_all_of(&revoked).await, &Ok(()))?;
    rule("the sessions of a revoked RSA key end", is_there(&one).await, &Ok(false))?;
    rule("all of them", is_there(&three).await, &Ok(false))?;
    rule("those of others live on", is_there(&two).await, &Ok(true))
}

/// Checks a store that holds at most `most` sessions, at least 2: it refuses more, drops none, and has room again after a
/// close.
///
/// # Errors
/// [`Violation`]: the first rule that is broken.
pub async fn check_full<S: Store>(store: &Arc<S>, most: usize) -> Result<(), Violation> {
    let mut live = Vec::new();
    for _ in 0..most {
        let (id, new) = any_session()?;
        rule("there is room up to the bound", store.create(new, now()).await, &Ok(()))?;
        live.push(id);
    }
    rule("a full store refuses", store.create(any_session()?.1, now()).await, &Err(StoreError::Full))?;
    for id in &live {
        let found = store.find(id, now()).await.map(|found| found.is_some());
        rule("a full store drops no live session", found, &Ok(true))?;
    }
    let Some(id) = live.first() else { return Ok(()) };
    rule("a session is closed", store.close(id).await, &Ok(()))?;
    rule("a closed session makes room", store.create(any_session()?.1, now()).await, &Ok(()))
}

/// Checks that a session opens exactly as many messages as the protocol allows. Takes that many claims.
///
/// # Errors
/// [`Violation`]: the first rule that is broken.
pub async fn check_message_limit<S: Store>(store: &Arc<S>) -> Result<(), Violation> {
    let (id, new) = any_session()?;
    rule("a new session is created", store.create(new, now()).await, &Ok(()))?;
    let lane = |lane: u32| {
        let store = Arc::clone(store);
        async move {
            let mut opened = 0_u32;
            for n in (lane..MAX_MESSAGES_PER_SESSION.saturating_add(LANES)).step_by(64) {
                let said = store.claim(&id, &claim(n.into(), 1), now()).await;
                opened = opened.saturating_add(u32::from(said == Ok(Some(ClaimVerdict::New))));
            }
            opened
        }
    };
    let lanes: Vec<_> = (0..LANES).map(|n| tokio::spawn(lane(n))).collect();
    let mut opened = 0_u32;
    for lane in lanes {
        opened = opened.saturating_add(lane.await.unwrap_or_default());
    }
    rule("a session opens 65,536 messages and not one more", opened, &MAX_MESSAGES_PER_SESSION)?;
    let said = store.claim(&id, &claim(u64::MAX, 1), now()).await;
    rule("then it is exhausted", said, &Ok(Some(ClaimVerdict::Exhausted)))
}
