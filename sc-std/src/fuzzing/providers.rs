//! The two providers on the same input: the same bytes, the same verdict, the same key.

use std::sync::OnceLock;

use sc_core::fuzzing::{Count, Input, mutate, raise, unhidden};
use sc_core::limits::{KEY_LEN, TAG_LEN};
use sc_core::provider::{Aead, KeyUnwrap, KeyWrap};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};

use crate::keys::Pkcs8;
use crate::provider::{AwsLcAead, AwsLcPrivateKey, AwsLcPublicKey};

/// Length of SHA-256's output, in bytes.
const HASH_LEN: usize = 32;
/// As long as the modulus of the fixed key.
const BLOCK_LEN: usize = 256;

/// One operation, by both providers.
///
/// # Panics
/// If they disagree, or both disagree with what RFC 8017 says of an OAEP block.
pub fn providers(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() % 6 {
        0 => aead(&mut input),
        1 => wrapped(&mut input),
        2 => block(&mut input),
        3 => ciphertext(&mut input),
        4 => public(input.0),
        _ => private(input.0),
    }
}

/// Both seal to the same bytes, and of what was changed on the way both open the same.
fn aead(input: &mut Input<'_>) {
    // Another key for each input, as `Count::of` says; where one might stand in the input, nothing is read.
    let key: [u8; KEY_LEN] = Sha256::digest(input.0).into();
    input.take(KEY_LEN);
    let iv = input.array();
    let aad_len = usize::from(input.byte());
    let (aad, text_len) = (input.take(aad_len), input.below(600));
    let text = input.take(text_len);
    let aws = AwsLcAead::expand(&key).expect("any key");
    let rust = Aes256GcmKey::expand(&key).expect("any key");
    let (mut one, mut two) = (text.to_vec(), text.to_vec());
    let (mut three, mut four) = (vec![0; text.len()], vec![0; text.len()]);
    let tag = aws.seal(&iv, aad, &mut one).expect("short");
    for other in [
        rust.seal(&iv, aad, &mut two),
        aws.seal_into(&iv, aad, text, &mut three),
        rust.seal_into(&iv, aad, text, &mut four),
    ] {
        assert_eq!(other, Ok(tag));
    }
    assert!(one == two && one == three && one == four, "another ciphertext");

    let sealed = [one.as_slice(), &tag].concat();
    let (mut changed, mut changed_aad) = (sealed.clone(), aad.to_vec());
    mutate(&mut changed, input);
    mutate(&mut changed_aad, input);
    let Some((body, tag)) = changed.split_last_chunk::<TAG_LEN>() else { return };
    let (mut one, mut two) = (body.to_vec(), body.to_vec());
    let opened = aws.open(&iv, &changed_aad, &mut one, tag);
    assert_eq!(rust.open(&iv, &changed_aad, &mut two, tag), opened, "another verdict");
    assert_eq!(
        opened.is_ok(),
        changed == sealed && changed_aad == aad,
        "what was changed opens, or the original does not"
    );
    assert!(opened.is_err() || (one == text && two == text), "another plaintext");
}

/// The key of the vectors, in both providers.
struct Fixed {
    aws: AwsLcPrivateKey,
    rust: RsaPrivateKey,
    spki: Vec<u8>,
    public_aws: AwsLcPublicKey,
    public_rust: RsaPublicKey,
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let pem = include_str!("../../../fuzz/seeds/key_documents/pem");
        let key = Pkcs8::from_pem(pem.as_bytes()).expect("a key file");
        let (aws, rust) = (AwsLcPrivateKey::from_pkcs8(key.der()), RsaPrivateKey::from_pkcs8(key.der()));
        let (spki, loads) = (key.spki_der().to_vec(), "a key that both providers take");
        Fixed {
            public_aws: AwsLcPublicKey::from_spki(&spki).expect(loads),
            public_rust: RsaPublicKey::from_spki(&spki).expect(loads),
            aws: aws.expect(loads),
            rust: rust.expect(loads),
            spki,
        }
    })
}

/// What both providers make of a ciphertext, which must be the same.
fn unwrap(ciphertext: &[u8]) -> Option<[u8; KEY_LEN]> {
    let key = fixed();
    let aws = unhidden(&key.aws.unwrap_key(&mut Count(1), ciphertext));
    let rust = unhidden(&key.rust.unwrap_key(&mut Count(1), ciphertext));
    assert_eq!(aws, rust, "the providers unwrap differently");
    aws
}

/// A key that one of them wrapped, perhaps changed on the way.
fn wrapped(input: &mut Input<'_>) {
    let (key, by_aws) = (input.array(), input.flag());
    let (mut rng, mut out) = (Count(2), vec![0; BLOCK_LEN]);
    let done = match by_aws {
        true => fixed().public_aws.wrap(&mut rng, &key, &mut out),
        false => fixed().public_rust.wrap(&mut rng, &key, &mut out),
    };
    done.expect("as long as the modulus");
    let original = out.clone();
    mutate(&mut out, input);
    assert_eq!(unwrap(&out), (out == original).then_some(key));
}

/// An OAEP block that is put together, and perhaps damaged, before it is masked (RFC 8017, section 7.1.1).
fn block(input: &mut Input<'_>) {
    let mut seed: [u8; HASH_LEN] = input.array();
    let key_len = KEY_LEN.saturating_add(usize::from(input.byte() % 4)).saturating_sub(1);
    let key: Vec<u8> = (0..key_len).map(|_| input.byte()).collect();
    let zeroes = BLOCK_LEN.saturating_sub(2 * HASH_LEN + 2 + key_len);
    let mut data = [Sha256::digest(b"").as_slice(), &vec![0; zeroes], &[1], &key].concat();
    let len = data.len();
    mutate(&mut data, input);
    data.resize(len, 0);
    let first = input.byte();
    let expected = decode(first, &data);
    mask(&mut data, &seed);
    mask(&mut seed, &data);
    let block = [&[first], seed.as_slice(), &data].concat();
    // A first byte that is too large makes a number above the modulus, which nobody can wrap.
    let Some(ciphertext) = raise(&fixed().spki, &block) else { return };
    assert_eq!(unwrap(&ciphertext), expected);
}

/// What step 3.g of section 7.1.2 says of an unmasked block, taken byte by byte.
fn decode(first: u8, data: &[u8]) -> Option<[u8; KEY_LEN]> {
    let rest = data.strip_prefix(Sha256::digest(b"").as_slice()).filter(|_| first == 0)?;
    let one = rest.iter().position(|byte| *byte != 0)?;
    rest.get(one..)?.strip_prefix(&[1])?.try_into().ok()
}

/// MGF1 with SHA-256 (RFC 8017, appendix B.2.1).
fn mask(out: &mut [u8], seed: &[u8]) {
    for (part, counter) in out.chunks_mut(HASH_LEN).zip(0_u32..) {
        let hash = Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize();
        part.iter_mut().zip(hash).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Any ciphertext, and any block under the public operation: of random ones none unwraps.
fn ciphertext(input: &mut Input<'_>) {
    if input.flag() {
        unwrap(input.0);
    } else if let Some(ciphertext) = raise(&fixed().spki, input.0) {
        unwrap(&ciphertext);
    }
}

/// Both take the same public keys.
fn public(der: &[u8]) {
    let (aws, rust) = (AwsLcPublicKey::from_spki(der), RsaPublicKey::from_spki(der));
    assert_eq!(aws.is_ok(), rust.is_ok(), "one provider takes a public key that the other refuses");
    if let (Ok(aws), Ok(rust)) = (aws, rust) {
        assert_eq!(aws.modulus_bits(), rust.modulus_bits());
    }
}

/// Both take the same private keys, as DER or as a PEM file, and they have the same public key.
fn private(bytes: &[u8]) {
    let from_pem = Pkcs8::from_pem(bytes).ok();
    let der = from_pem.as_ref().map_or(bytes, Pkcs8::der);
    let (aws, rust) = (AwsLcPrivateKey::from_pkcs8(der), RsaPrivateKey::from_pkcs8(der));
    assert_eq!(aws.is_ok(), rust.is_ok(), "one provider takes a private key that the other refuses");
    if let (Ok(aws), Ok(rust)) = (aws, rust) {
        assert_eq!(Ok(aws.spki_der()), rust.to_spki().as_deref());
        assert_eq!(KeyUnwrap::modulus_bits(&aws), rust.modulus_bits());
    }
}
