//! A store of your own: four tables behind one lock, as a database would have them, and the suite that every store must pass.
//!
//! Run it with `cargo run -p sc-std --example custom_store --features client,reqwest`. It holds the store against
//! `store::conformance`, then serves a request over it and shows that the tables hold no key. In a package of your own it needs
//! `sc-std` with these features, `axum`, `rand_core`, `serde_json`, and `tokio` with `full`.
//!
//! Beside each step stands what it would be in SQL. A lock makes a step atomic here; there it is one statement, or one
//! transaction at the level `serializable`. A database that cannot be reached is `StoreError::Unavailable`, never "new".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::routing::post;
use rand_core::Rng;
use sc_std::client::ScClient;
use sc_std::keys::KeyRing;
use sc_std::message::Repeatable;
use sc_std::rate_limit::{Limit, LimitKey, LimitRefusal, RateLimiter, RetryAfter};
use sc_std::rng::SystemSeeded;
use sc_std::sc_core::exchange::WrappedKeyHash;
use sc_std::sc_core::id::{KeyId, SessionId, UnixMillis};
use sc_std::sc_core::limits::{IV_LEN, MAX_LEDGER_HASHES, MAX_MESSAGES_PER_SESSION};
use sc_std::sc_core::replay::{ClaimVerdict, IvClaim, LedgerVerdict};
use sc_std::sc_core::server::{NewSession, SessionRecord};
use sc_std::server::serve::{ServeOptions, serve};
use sc_std::server::{ScRouter, ScServer};
use sc_std::store::{Store, StoreError, StoreKeys, conformance};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// How long a ledger outlives its RSA key, in milliseconds, should a clock be set back.
const GRACE_MS: u64 = 60 * 60 * 1000;

/// `sessions (id PRIMARY KEY, sealed, key_id, expires_at, opened)`, with indexes on `key_id` and `expires_at`.
struct SessionRow {
    /// The record, sealed: whoever reads the table reads no key of a session.
    sealed: Vec<u8>,
    key_id: KeyId,
    expires_at: UnixMillis,
    /// How many messages it has opened: its rows in `claims`.
    opened: u32,
}

#[derive(Default)]
struct Tables {
    sessions: BTreeMap<SessionId, SessionRow>,
    /// `claims (session_id, iv, claim, PRIMARY KEY (session_id, iv))`, deleted with the session.
    claims: BTreeMap<(SessionId, [u8; IV_LEN]), IvClaim>,
    /// `ledger (key_id, hash, PRIMARY KEY (key_id, hash))`, and until when the rows of a key are kept.
    ledger: BTreeMap<KeyId, (BTreeSet<[u8; 32]>, Option<UnixMillis>)>,
    /// `requests (limit_name, key, counts_until)`: the accepted ones, oldest first.
    requests: BTreeMap<(&'static str, [u8; 32]), Vec<UnixMillis>>,
}

impl Tables {
    /// `DELETE FROM sessions WHERE id = ?`, which takes the claims along.
    fn end(&mut self, id: &SessionId) {
        self.sessions.remove(id);
        let of_session = (*id, [0; IV_LEN])..=(*id, [u8::MAX; IV_LEN]);
        self.claims.extract_if(of_session, |_, _| true).for_each(drop);
    }

    fn end_all(&mut self, over: impl Fn(&SessionRow) -> bool) {
        let ended: Vec<_> = self.sessions.iter().filter(|(_, row)| over(row)).map(|(id, _)| *id).collect();
        ended.iter().for_each(|id| self.end(id));
    }

    /// `... WHERE id = ? AND expires_at > ?`: an ended session is gone, whether somebody swept it or not.
    fn live(&self, id: &SessionId, now: UnixMillis) -> Option<&SessionRow> {
        self.sessions.get(id).filter(|row| now < row.expires_at)
    }

    /// `DELETE FROM sessions WHERE expires_at <= ?`.
    fn sweep(&mut self, now: UnixMillis) {
        self.end_all(|row| row.expires_at <= now);
        self.requests.retain(|_, ends| ends.last().is_some_and(|until| now < *until));
        self.ledger.retain(|_, (_, until)| until.is_none_or(|until| now < until.plus(GRACE_MS)));
    }

    /// `INSERT INTO claims ... ON CONFLICT DO NOTHING` and `UPDATE sessions SET opened = opened + 1`: one transaction.
    fn claim(&mut self, id: &SessionId, claim: &IvClaim, now: UnixMillis) -> Option<ClaimVerdict> {
        let row = self.sessions.get_mut(id).filter(|row| now < row.expires_at)?;
        let place = (*id, *claim.iv());
        if let Some(earlier) = self.claims.get(&place) {
            let verdict = claim.verdict_against(earlier);
            // In the same step, so that no failure in between lets such a session live on.
            if verdict == ClaimVerdict::IvReused {
                self.end(id);
            }
            return Some(verdict);
        }
        // The protocol's own bound, for every session.
        if row.opened >= MAX_MESSAGES_PER_SESSION {
            return Some(ClaimVerdict::Exhausted);
        }
        row.opened = row.opened.saturating_add(1);
        self.claims.insert(place, *claim);
        Some(ClaimVerdict::New)
    }

    /// `INSERT ... ON CONFLICT DO NOTHING`, one for each hash, in one transaction that is committed whatever they say.
    fn claim_wrapped(
        &mut self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        until: Option<UnixMillis>,
    ) -> LedgerVerdict {
        let (known, kept) = self.ledger.entry(key_id.clone()).or_default();
        // A later end wins; none is the latest.
        *kept = if known.is_empty() { until } else { kept.zip(until).map(|(one, other)| one.max(other)) };
        let [request, response] = hashes.map(|hash| *hash.as_bytes());
        // The request key decides: who loses it records nothing else.
        if known.contains(&request) {
            return LedgerVerdict::Repeated;
        }
        // Full means no more set-ups under this key. Entries are never dropped to make room.
        if known.len().saturating_add(2) > MAX_LEDGER_HASHES {
            return LedgerVerdict::Full;
        }
        known.insert(request);
        // The request key stays recorded even if the response key was known.
        if known.insert(response) { LedgerVerdict::New } else { LedgerVerdict::Repeated }
    }
}

/// The store. Every server of a fleet would open the same database with the same store key.
struct TableStore {
    tables: Arc<Mutex<Tables>>,
    keys: StoreKeys,
    max_sessions: usize,
}

impl TableStore {
    fn new(keys: StoreKeys, max_sessions: usize) -> Self {
        Self { tables: Arc::default(), keys, max_sessions }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }
}

fn lock(tables: &Mutex<Tables>) -> MutexGuard<'_, Tables> {
    tables.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a record is called when it is sealed, so that no row opens in another's place.
fn record_name(id: &SessionId) -> Vec<u8> {
    [b"session:", id.to_raw().as_slice()].concat()
}

impl Store for TableStore {
    type Limiter = TableLimiter;

    fn limiter(&self, name: &'static str, limit: Limit) -> TableLimiter {
        TableLimiter { tables: Arc::clone(&self.tables), name, limit }
    }

    /// `INSERT` and nothing else: an id that is there stays as it is.
    async fn create(&self, session: NewSession, now: UnixMillis) -> Result<(), StoreError> {
        let NewSession { id, record, first_claim } = session;
        let sealed = self.keys.seal(&record_name(&id), record.encode().as_ref());
        let sealed = sealed.ok_or(StoreError::Unavailable)?;
        let mut tables = self.tables();
        if tables.sessions.contains_key(&id) {
            return Err(StoreError::Taken);
        }
        if tables.sessions.len() >= self.max_sessions {
            tables.sweep(now);
        }
        // Whoever comes late hears BUSY. No live session is dropped for a new one.
        if tables.sessions.len() >= self.max_sessions {
            return Err(StoreError::Full);
        }
        let (key_id, expires_at) = (record.key_id().clone(), record.expires_at());
        let opened = u32::from(first_claim.is_some());
        let row = SessionRow { sealed, key_id, expires_at, opened };
        tables.sessions.insert(id, row);
        // An inline set-up has opened its first message already.
        if let Some(claim) = first_claim {
            tables.claims.insert((id, *claim.iv()), claim);
        }
        Ok(())
    }

    async fn find(&self, id: &SessionId, now: UnixMillis) -> Result<Option<SessionRecord>, StoreError> {
        let tables = self.tables();
        let Some(row) = tables.live(id, now) else { return Ok(None) };
        // A row that does not open was changed, or its store key is gone: not an unknown session.
        let record = self.keys.open(&record_name(id), &row.sealed).ok_or(StoreError::Unavailable)?;
        SessionRecord::decode(&record).map(Some).map_err(|_| StoreError::Unavailable)
    }

    async fn claim(
        &self,
        id: &SessionId,
        claim: &IvClaim,
        now: UnixMillis,
    ) -> Result<Option<ClaimVerdict>, StoreError> {
        Ok(self.tables().claim(id, claim, now))
    }

    async fn close(&self, id: &SessionId) -> Result<(), StoreError> {
        self.tables().end(id);
        Ok(())
    }

    /// `DELETE FROM sessions WHERE key_id = ?`.
    async fn close_all_of(&self, key_id: &KeyId) -> Result<(), StoreError> {
        self.tables().end_all(|row| row.key_id == *key_id);
        Ok(())
    }

    async fn purge(&self, now: UnixMillis) {
        self.tables().sweep(now);
    }

    async fn knows_wrapped(&self, key_id: &KeyId, hashes: &[WrappedKeyHash; 2]) -> Result<bool, StoreError> {
        let tables = self.tables();
        let known = tables.ledger.get(key_id).map(|(known, _)| known);
        Ok(known.is_some_and(|known| hashes.iter().any(|hash| known.contains(hash.as_bytes()))))
    }

    async fn claim_wrapped(
        &self,
        key_id: &KeyId,
        hashes: &[WrappedKeyHash; 2],
        keep_until: Option<UnixMillis>,
    ) -> Result<LedgerVerdict, StoreError> {
        Ok(self.tables().claim_wrapped(key_id, hashes, keep_until))
    }
}

/// A limit whose counts stand in the table, so that all servers count together.
struct TableLimiter {
    tables: Arc<Mutex<Tables>>,
    name: &'static str,
    limit: Limit,
}

impl TableLimiter {
    /// What a request that is accepted at `now` leaves in the table.
    fn counts_until(&self, now: UnixMillis) -> UnixMillis {
        now.plus(self.limit.window_ms())
    }

    /// One step on the rows of a key, which are those that still count: `DELETE ... WHERE counts_until <= ?`, `SELECT`, and
    /// what `then` does. It hears why a request must be refused, if it must.
    fn step<T>(
        &self,
        key: &LimitKey,
        now: UnixMillis,
        then: impl FnOnce(&mut Vec<UnixMillis>, Option<LimitRefusal>) -> T,
    ) -> T {
        let mut tables = lock(&self.tables);
        let ends = tables.requests.entry((self.name, *key.as_bytes())).or_default();
        ends.retain(|until| now < *until);
        let room = usize::try_from(self.limit.count()).unwrap_or(usize::MAX);
        let refusal = (ends.len() >= room).then(|| {
            let free_at = ends.first().copied().unwrap_or(self.counts_until(now));
            LimitRefusal::Exceeded(RetryAfter::between(now.0, free_at.0))
        });
        then(ends, refusal)
    }
}

impl RateLimiter for TableLimiter {
    async fn refusal(&self, key: &LimitKey, now: UnixMillis) -> Option<LimitRefusal> {
        self.step(key, now, |_, refusal| refusal)
    }

    async fn claim(&self, key: &LimitKey, now: UnixMillis) -> Result<(), LimitRefusal> {
        self.step(key, now, |ends, refusal| match refusal {
            // What is refused is not counted.
            Some(refusal) => Err(refusal),
            None => {
                ends.push(self.counts_until(now));
                Ok(())
            }
        })
    }

    async fn give_back(&self, key: &LimitKey, now: UnixMillis) {
        self.step(key, now, |ends, _| {
            if let Some(place) = ends.iter().rposition(|until| *until == self.counts_until(now)) {
                ends.remove(place);
            }
        });
    }
}

/// A store key for this run. A service reads its own from a file: `StoreKeys::read`.
fn store_keys() -> Result<StoreKeys> {
    let mut key = [0; 32];
    SystemSeeded.fill_bytes(&mut key);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(StoreKeys::parse(&hex)?)
}

#[tokio::main]
async fn main() -> Result<()> {
    conformance::check(&Arc::new(TableStore::new(store_keys()?, 1_000))).await?;
    conformance::check_full(&Arc::new(TableStore::new(store_keys()?, 10)), 10).await?;
    conformance::check_message_limit(&Arc::new(TableStore::new(store_keys()?, 10))).await?;
    println!("the store keeps every rule of the suite");

    let store = TableStore::new(store_keys()?, 1_000_000);
    let tables = Arc::clone(&store.tables);
    let server = ScServer::builder(KeyRing::daily()?, store).build();
    server.spawn_housekeeping();
    let echo = post(|Json(body): Json<serde_json::Value>| async { Json(body) });
    let app = ScRouter::new(server).sealed("/echo", "echo", echo).into_router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));

    let client = ScClient::builder(&url).with_client_hash("my-device-fingerprint").build()?;
    let answer = client.call_json("/echo", Some("echo"), br#"{"text":"hello"}"#, Repeatable::No).await?;
    println!("over it: {}", String::from_utf8_lossy(&answer));
    let show = |when: &str| {
        let tables = lock(&tables);
        println!(
            "{when}: {} session, {} claim, {} hashes in the ledger",
            tables.sessions.len(),
            tables.claims.len(),
            tables.ledger.values().map(|(known, _)| known.len()).sum::<usize>()
        );
    };
    show("in the tables");
    client.close().await?;
    show("after the close");
    Ok(())
}
