//! `oaep.json` and `keys.json`: wrapped keys and key ids.

use sc_core::id::KeyId;
use sc_core::provider::{KeyUnwrap, KeyWrap};
use sc_core::rustcrypto::{RsaPrivateKey, RsaPublicKey};
use sc_core::secret::{CandidateKeys, UnwrappedKey};

use crate::common::vector::load;
use crate::common::{rng, rsa_key};

/// Whether `wrapped` unwraps, as far as anybody can see: paired with this other key, both are accepted.
fn pairs_with(bits: usize, wrapped: &[u8], other: &[u8; 32]) -> bool {
    let rng = &mut rng(1);
    let unwrapped = rsa_key(bits).private.unwrap_key(rng, wrapped);
    CandidateKeys::combine(rng, unwrapped, UnwrappedKey::from_result(Some(other))).into_keys().is_ok()
}

#[test]
fn every_good_wrap_unwraps_to_its_key() {
    let ok = load("oaep.json").list("ok");
    assert_eq!(ok.len(), 12);
    for v in ok {
        let (bits, wrapped, key) = (v.number("bits"), v.bytes("wrapped"), v.array::<32>("key"));
        let mut near = key;
        near[31] ^= 1;
        assert!(pairs_with(bits, &wrapped, &near), "unwraps");
        assert!(!pairs_with(bits, &wrapped, &key), "unwraps to exactly this key: two equal ones are refused");
    }
}

#[test]
fn no_bad_wrap_unwraps() {
    let failures = load("oaep.json").list("failures");
    assert_eq!(failures.len(), 72);
    for v in failures {
        let (bits, wrapped) = (v.number("bits"), v.bytes("wrapped"));
        // Two other keys, so that it cannot be refused for being equal to both.
        for other in [[7; 32], [8; 32]] {
            assert!(!pairs_with(bits, &wrapped, &other), "{bits}: {}", v.name());
        }
    }
}

#[test]
fn key_ids_are_the_hash_of_the_public_key() {
    let keys = load("keys.json").list("keys");
    assert_eq!(keys.len(), 3);
    for v in keys {
        let spki = v.bytes("spki_der");
        assert_eq!(KeyId::of_spki(&spki).as_str(), v.text("key_id"));
        let private = RsaPrivateKey::from_pkcs8(&v.bytes("pkcs8_der")).unwrap();
        assert_eq!(private.to_spki().unwrap(), spki);
        assert_eq!(private.modulus_bits(), v.number("bits"));
        let base64 = sc_core::base64::Base64Bytes::<640>::decode(v.text("spki_base64")).unwrap();
        assert_eq!(base64.as_slice(), spki);
    }
}

#[test]
fn a_key_wrapped_here_unwraps_here_and_never_looks_the_same_twice() {
    for bits in [2048, 3072, 4096] {
        let public = RsaPublicKey::from_spki(&rsa_key(bits).spki).unwrap();
        let (key, rng) = ([0x5a; 32], &mut rng(3));
        let mut wraps = [vec![0; bits / 8], vec![0; bits / 8]];
        for wrapped in &mut wraps {
            public.wrap(rng, &key, wrapped).unwrap();
            assert!(pairs_with(bits, wrapped, &[1; 32]) && !pairs_with(bits, wrapped, &key));
        }
        assert_ne!(wraps[0], wraps[1]);
        assert!(public.wrap(rng, &key, &mut vec![0; bits / 8 - 1]).is_err());
        assert!(public.wrap(rng, &key, &mut vec![0; bits / 8 + 1]).is_err());
    }
}
