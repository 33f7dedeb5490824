//! Which key holds what. Everything of one session lies in one slot of a cluster, so that a script sees all of it.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{scv2:7}:s:sess_...` | string | the end of a session and its sealed record |
//! | `{scv2:7}:c:sess_...` | hash | the IVs that the session has opened |
//! | `{scv2:7}:x` | sorted set | the sessions of the shard, by when to look at them again |
//! | `{scv2:7}:t` | string | how many IVs the shard holds |
//! | `{scv2:7}:l:KEYID` | set | the hashes of wrapped keys that an RSA key has accepted, this shard's part |
//! | `{scv2:w:HASH}` | list | the moments of one key's requests under one limit |
//! | `{scv2:k}:...` | | RSA keys, the right to rotate, revocations, a proof of the store key |
//! | `{scv2:r}:...` | | reset tokens, by their SHA-256 |
//!
//! A single server has one shard, so every bound is exact. In a cluster there are 64, each of which fills for itself: the
//! first refusals come a little before a bound is reached.

use sc_core::exchange::WrappedKeyHash;
use sc_core::id::{KeyId, SessionId};

/// Shards of a cluster: they spread over its primaries.
const CLUSTER_SHARDS: usize = 64;

/// One shard: a hash tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard(usize);

impl Shard {
    /// Its number, from 0.
    pub(super) const fn index(self) -> usize {
        self.0
    }
}

/// The keys of one namespace.
#[derive(Debug)]
pub(super) struct Layout {
    namespace: String,
    shards: usize,
}

/// The keys that a script over sessions takes.
pub(super) struct SessionKeys {
    pub(super) shard: Shard,
    pub(super) id: String,
    pub(super) record_prefix: String,
    pub(super) claims_prefix: String,
    pub(super) index: String,
    pub(super) total: String,
}

impl SessionKeys {
    pub(super) fn record(&self) -> String {
        format!("{}{}", self.record_prefix, self.id)
    }

    pub(super) fn claims(&self) -> String {
        format!("{}{}", self.claims_prefix, self.id)
    }
}

impl Layout {
    pub(super) fn new(namespace: &str, cluster: bool) -> Self {
        Self { namespace: namespace.to_owned(), shards: if cluster { CLUSTER_SHARDS } else { 1 } }
    }

    /// Places whose replicas are counted apart: every shard, and what concerns no shard.
    pub(super) const fn places(&self) -> usize {
        self.shards.saturating_add(1)
    }

    /// The place of what concerns no shard.
    pub(super) const fn shared_place(&self) -> usize {
        self.shards
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.shards).map(Shard)
    }

    /// One shard's part of a bound over all of them.
    pub(super) const fn share(&self, bound: usize) -> usize {
        bound.div_ceil(self.shards)
    }

    fn pick(&self, bytes: &[u8]) -> Shard {
        let number = bytes.iter().take(2).fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
        Shard(number.checked_rem(self.shards).unwrap_or_default())
    }

    /// A key of a shard, for whatever concerns all of the shard.
    pub(super) fn anchor(&self, shard: Shard) -> String {
        format!("{{{}:{}}}:x", self.namespace, shard.0)
    }

    pub(super) fn session(&self, id: &SessionId) -> SessionKeys {
        SessionKeys { id: id.to_string(), ..self.sessions(self.pick(&id.to_raw())) }
    }

    /// The keys of a shard, for no session in particular.
    pub(super) fn sessions(&self, shard: Shard) -> SessionKeys {
        let tag = format!("{{{}:{}}}", self.namespace, shard.0);
        SessionKeys {
            shard,
            id: String::new(),
            record_prefix: format!("{tag}:s:"),
            claims_prefix: format!("{tag}:c:"),
            index: format!("{tag}:x"),
            total: format!("{tag}:t"),
        }
    }

    pub(super) fn ledger_shard(&self, hash: &WrappedKeyHash) -> Shard {
        self.pick(hash.as_bytes())
    }

    pub(super) fn ledger(&self, shard: Shard, key_id: &KeyId) -> String {
        format!("{{{}:{}}}:l:{}", self.namespace, shard.0, key_id.as_str())
    }

    /// A limit's key, in a slot of its own.
    pub(super) fn limit(&self, hash: &str) -> String {
        format!("{{{}:w:{hash}}}", self.namespace)
    }

    pub(super) fn shared(&self, what: &str) -> String {
        format!("{{{}:k}}:{what}", self.namespace)
    }

    pub(super) fn reset(&self, what: &str) -> String {
        format!("{{{}:r}}:{what}", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::*;
    use crate::rng::SystemSeeded;

    #[test]
    fn all_keys_of_a_session_lie_in_one_slot_and_sessions_spread_over_all_shards() {
        let layout = Layout::new("scv2", true);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2_000 {
            let keys = layout.session(&SessionId::draw(&mut SystemSeeded));
            let slot = Slot::for_key(keys.record());
            for key in [&keys.claims(), &keys.index, &keys.total, &layout.anchor(keys.shard)] {
                assert_eq!(Slot::for_key(key), slot, "{key}");
            }
            seen.insert(keys.shard.index());
        }
        assert_eq!(seen.len(), layout.shards);
    }

    #[test]
    fn a_single_server_has_one_shard_and_exact_bounds() {
        let layout = Layout::new("scv2", false);
        assert_eq!((layout.shards, layout.share(10)), (1, 10));
        let id = SessionId::draw(&mut SystemSeeded);
        assert_eq!(layout.session(&id).record(), format!("{{scv2:0}}:s:{}", id));
        assert_eq!(Layout::new("scv2", true).share(1_000_000), 15_625);
    }

    #[test]
    fn a_key_id_with_braces_moves_no_ledger_to_another_slot() {
        let layout = Layout::new("scv2", true);
        let shard = Shard(3);
        let keys = ["a", "}{other}", "{x}"].map(|text| layout.ledger(shard, &KeyId::parse(text).unwrap()));
        for key in &keys {
            assert_eq!(Slot::for_key(key), Slot::for_key(layout.anchor(shard)), "{key}");
        }
    }
}
