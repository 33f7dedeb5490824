//! Where a server keeps what it must remember: this process, or Redis.

use std::time::Duration;

use sc_core::id::UnixMillis;
use sc_std::clock::{Clock, SystemClock};
use sc_std::keys::{KeyRing, Pkcs8};
use sc_std::message::EmailHashKey;
use sc_std::rng::SystemSeeded;
use sc_std::store::{
    MemoryStore, RedisOptions, RedisStore, RedisStoreError, RedisTls, Store, StoreKeys, StoreOptions,
};
use zeroize::Zeroizing;

use super::options::{Options, StoreArgs};
use crate::exit::{Failure, with_causes};
use crate::input;

/// How long a server waits for the first RSA key that it shares with others: longer than the right to make it is held.
const FIRST_KEY: Duration = Duration::from_secs(75);

/// Longest file of certificates: the roots of a whole system have less.
const MAX_PEM: usize = 1024 * 1024;

/// The store in this process, and the key of e-mail hashes, which lives as long.
pub(super) fn memory(args: &Options) -> Result<(MemoryStore, EmailHashKey), Failure> {
    let store = match &args.ledger_file {
        Some(path) => MemoryStore::with_ledger_file(bounds(args), path)
            .map_err(|error| Failure::Usage(format!("{}: {}", path.display(), with_causes(&error))))?,
        None => MemoryStore::new(bounds(args)),
    };
    Ok((store, EmailHashKey::draw(&mut SystemSeeded)))
}

/// The store in Redis.
pub(super) async fn redis(args: &Options, url: &str) -> Result<RedisStore, Failure> {
    if args.ledger_file.is_some() {
        return Err(Failure::Usage("--ledger-file: the ledger is in Redis already".to_owned()));
    }
    let mut options = RedisOptions::default().with_bounds(bounds(args));
    if let Some(replicas) = args.store_replicas {
        options = options.with_replicas(replicas);
    }
    if args.store_wait_claims {
        options = options.with_waiting_claims();
    }
    args.store.open(url, options).await
}

impl StoreArgs {
    /// The address in `--store` or `--store-file`; `None` for the store in memory.
    pub(crate) fn redis_url(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let url = match &self.store_file {
            Some(path) => {
                let text = input::file(path, 4096)?;
                Zeroizing::new(String::from_utf8_lossy(&text).trim().to_owned())
            }
            None => Zeroizing::new(self.store.clone()),
        };
        if *url == "memory" {
            return match self.store_ca.is_some() || self.store_client_cert.is_some() {
                true => Err(Failure::Usage("certificates are for a store in Redis, see --store".to_owned())),
                false => Ok(None),
            };
        }
        if self.store_file.is_none() && url.contains('@') {
            anstream::eprintln!(
                "warning: a password in --store is visible in the list of processes; use --store-file"
            );
        }
        Ok(Some(url))
    }

    /// What is said of certificates.
    fn tls(&self) -> Result<Option<RedisTls>, Failure> {
        let mut tls = None;
        if let Some(path) = &self.store_ca {
            tls = Some(RedisTls::default().with_root_certificates(input::file(path, MAX_PEM)?.to_vec()));
        }
        if let (Some(chain), Some(key)) = (&self.store_client_cert, &self.store_client_key) {
            let (chain, key) = (input::file(chain, MAX_PEM)?.to_vec(), input::file(key, MAX_PEM)?);
            tls = Some(tls.unwrap_or_default().with_client_certificate(chain, key));
        }
        Ok(tls)
    }

    /// Opens the store at that address.
    pub(crate) async fn open(&self, url: &str, options: RedisOptions) -> Result<RedisStore, Failure> {
        let Some(path) = &self.store_key_file else {
            return Err(Failure::Usage(
                "--store-key-file is required with Redis: session keys are stored only sealed; \
                 `openssl rand -hex 32` makes one"
                    .to_owned(),
            ));
        };
        let keys = StoreKeys::read(path)
            .map_err(|error| Failure::Usage(format!("{}: {}", path.display(), with_causes(&error))))?;
        let options = self.tls()?.into_iter().fold(options, RedisOptions::with_tls);
        let options = options.with_namespace(&self.store_namespace);
        RedisStore::open(url, keys, options).await.map_err(|error| match error {
            RedisStoreError::Unreachable(_) => Failure::Peer(format!("--store: {error}")),
            _ => Failure::Usage(format!("--store: {error}")),
        })
    }
}

/// The RSA keys: from files, made here, or shared by all servers of the store.
pub(super) async fn key_ring<S: Store>(args: &Options, store: &S, shared: bool) -> Result<KeyRing, Failure> {
    let now = SystemClock::new().now();
    let ring = if !args.key.is_empty() {
        from_files(args, now, shared)?
    } else if shared {
        KeyRing::shared(millis(args.key_rotation))
    } else {
        KeyRing::in_memory(2048, millis(args.key_rotation), now)
            .map_err(|error| Failure::Usage(with_causes(&error)))?
    };
    let started = tokio::time::Instant::now();
    loop {
        let now = SystemClock::new().now();
        let synced = store.sync(&ring, now).await;
        synced.map_err(|error| Failure::Peer(format!("--store: {error}")))?;
        if ring.published(now).is_some() {
            return Ok(ring);
        }
        if !ring.is_shared() {
            return Err(Failure::Usage("every --key was revoked".to_owned()));
        }
        if started.elapsed() > FIRST_KEY {
            return Err(Failure::Peer("--store: no server has made an RSA key".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn from_files(args: &Options, now: UnixMillis, durable_ledger: bool) -> Result<KeyRing, Failure> {
    if args.ledger_file.is_none() && !durable_ledger {
        anstream::eprintln!(
            "warning: --key without --ledger-file: the key outlives this process, the ledger of wrapped keys does not. \
             After a restart, recorded session set-ups can be replayed once."
        );
    }
    let mut keys = Vec::with_capacity(args.key.len());
    for path in &args.key {
        let read = Pkcs8::read(path).and_then(Pkcs8::into_aws_lc);
        keys.push(read.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?);
    }
    KeyRing::from_keys(keys, now).map_err(|error| Failure::Usage(with_causes(&error)))
}

fn bounds(args: &Options) -> StoreOptions {
    let options = StoreOptions::default()
        .with_max_sessions(args.max_sessions)
        .with_max_claims(args.max_claims)
        .with_idle_ms(millis(args.session_idle));
    if args.no_replay_check {
        tracing::warn!("the replay check is off: a recorded request can be sent again");
        return options.without_replay_check();
    }
    options
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
