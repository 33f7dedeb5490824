//! `scv2 revoke-key`: ends an RSA key of a fleet, and every session that it has set up.

use clap::Args;
use sc_core::id::KeyId;
use sc_std::store::{RedisOptions, Store};

use crate::exit::Failure;
use crate::input;
use crate::serve::StoreArgs;

/// Revokes an RSA key for every server of a store, and ends the sessions that it has set up
#[derive(Debug, Args)]
#[command(
    after_help = "Servers refuse the key and its sessions within 5 seconds, and make a new one if it was shared.

Example:
  scv2 revoke-key 43f83cf979a2a8537c06d90deb848761 --store redis://127.0.0.1:6379 --store-key-file store.key"
)]
pub(crate) struct Options {
    /// The name of the key, as the public-key answer and keygen tell it.
    key_id: String,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let key_id = KeyId::parse(&options.key_id)
        .map_err(|_| Failure::Usage("a key id is 1 to 255 visible ASCII characters".to_owned()))?;
    let Some(url) = options.store.redis_url()? else {
        return Err(Failure::Usage("--store: only a store in Redis is shared with a server".to_owned()));
    };
    let store = options.store.open(&url, RedisOptions::default().with_existing_only()).await?;
    let again = |error| Failure::Peer(format!("--store: {error}; revoke the key again"));
    let shared = store.shares_key(&key_id).await.map_err(again)?;
    store.close_all_of(&key_id).await.map_err(again)?;
    if !shared {
        anstream::eprintln!(
            "scv2: the servers do not share this key: if one of them reads it with --key, take it away there too"
        );
    }
    input::write_raw(format!("revoked {}\n", key_id.as_str()).as_bytes())
}
