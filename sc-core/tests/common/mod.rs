//! What the integration tests share: a seeded generator, the published test keys, and a [`Pair`] that drives both
//! machines without sockets, on clocks that only a test moves.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

pub(crate) mod pair;
pub(crate) mod vector;

use std::sync::LazyLock;

use rand_core::SeedableRng;
use sc_core::id::{ClientHash, KeyId, MessageName};
use sc_core::provider::KeyUnwrap;
use sc_core::rustcrypto::RsaPrivateKey;

/// The generator of every test: seeded, so that a failure repeats.
pub(crate) type Rng = chacha20::ChaCha20Rng;

pub(crate) fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// The message that most tests send.
pub(crate) fn forgot() -> MessageName<'static> {
    MessageName::new("password.forgot").unwrap()
}

pub(crate) fn phone() -> ClientHash {
    ClientHash::of(b"fingerprint-of-a-phone").unwrap()
}

/// An RSA key pair of the vectors; making new ones would take seconds each.
pub(crate) struct RsaKey {
    pub(crate) private: RsaPrivateKey,
    pub(crate) spki: Vec<u8>,
    pub(crate) id: KeyId,
}

static RSA_KEYS: LazyLock<Vec<RsaKey>> = LazyLock::new(|| {
    let keys = vector::load("keys.json");
    let read = |key: &vector::Vector| RsaKey {
        private: RsaPrivateKey::from_pkcs8(&key.bytes("pkcs8_der")).unwrap(),
        spki: key.bytes("spki_der"),
        id: KeyId::parse(key.text("key_id")).unwrap(),
    };
    keys.list("keys").iter().map(read).collect()
});

/// The published test key of 2048, 3072 or 4096 bits.
pub(crate) fn rsa_key(bits: usize) -> &'static RsaKey {
    RSA_KEYS.iter().find(|key| key.private.modulus_bits() == bits).unwrap()
}
