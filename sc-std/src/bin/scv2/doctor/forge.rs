//! Wrapped keys that are wrong in one chosen way: OAEP blocks put together by hand, under the bare public operation.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use pkcs1::RsaPublicKeyRef;
use rand_core::Rng;
use sc_core::limits::{KEY_LEN, MAX_RSA_BITS, MIN_RSA_BITS};
use sc_std::rng::SystemSeeded;
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;

/// Length of SHA-256's output, in bytes.
const HASH_LEN: usize = 32;
/// The zero byte, the seed, the hash of the label, the separator and the longest key forged here, in bytes.
const FRAME: usize = 1 + HASH_LEN + HASH_LEN + 1 + KEY_LEN + 1;

/// What is wrong with one OAEP block (RFC 8017, section 7.1.2, step 3.g).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nothing.
    None,
    /// The first byte is not zero: what Manger's attack asks for.
    FirstByte,
    /// The first byte of the label's hash.
    LabelStart,
    /// The last byte of the label's hash.
    LabelEnd,
    /// Only zeroes behind the label's hash.
    NoSeparator,
    /// The first byte behind the zeroes is not 1.
    OtherSeparator,
    /// A good block around 31 bytes.
    ShortKey,
    /// A good block around 33 bytes.
    LongKey,
}

/// A public key, for the operation without padding.
pub(super) struct Forge {
    params: BoxedMontyParams,
    exponent: BoxedUint,
    modulus: Vec<u8>,
}

impl Forge {
    /// Reads an SPKI DER; `None` if it is no RSA key of 2048 to 4096 bits.
    pub(super) fn of_spki(der: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        let key = RsaPublicKeyRef::from_der(info.subject_public_key.as_bytes()?).ok()?;
        let (modulus, exponent) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
        let number = BoxedUint::from_be_slice_vartime(modulus);
        let bits = usize::try_from(number.bit_width_vartime()).ok()?;
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return None;
        }
        let params = BoxedMontyParams::new_vartime(Odd::new(number).into_option()?);
        let exponent = BoxedUint::from_be_slice_vartime(exponent);
        Some(Self { params, exponent, modulus: modulus.to_vec() })
    }

    /// Size of the modulus, in bits.
    pub(super) fn bits(&self) -> usize {
        let unused = self.modulus.first().map_or(0, |first| first.leading_zeros());
        self.modulus.len() * 8 - usize::try_from(unused).unwrap_or_default()
    }

    /// Wraps a key, with a flaw.
    pub(super) fn wrap(&self, key: &[u8; KEY_LEN], flaw: Flaw) -> Vec<u8> {
        self.raise(&self.block(key, flaw))
    }

    /// The block around a key, with a flaw: as long as the modulus.
    pub(super) fn block(&self, key: &[u8; KEY_LEN], flaw: Flaw) -> Vec<u8> {
        let mut text = key.to_vec();
        match flaw {
            Flaw::ShortKey => text.truncate(KEY_LEN - 1),
            Flaw::LongKey => text.push(7),
            Flaw::NoSeparator => text.fill(0),
            _ => {}
        }
        let separator = match flaw {
            Flaw::NoSeparator => 0,
            Flaw::OtherSeparator => 2,
            _ => 1,
        };
        let zeroes = (self.modulus.len() + KEY_LEN + 1).saturating_sub(FRAME + text.len());
        let mut label_hash: [u8; HASH_LEN] = Sha256::digest(b"").into();
        let [first, .., last] = &mut label_hash;
        match flaw {
            Flaw::LabelStart => *first ^= 1,
            Flaw::LabelEnd => *last ^= 1,
            _ => {}
        }
        let mut data = [&label_hash[..], &vec![0; zeroes], &[separator], &text].concat();
        let mut seed = [0; HASH_LEN];
        SystemSeeded.fill_bytes(&mut seed);
        mask(&mut data, &seed);
        mask(&mut seed, &data);
        let first = u8::from(flaw == Flaw::FirstByte);
        [&[first], &seed[..], &data].concat()
    }

    /// A number below the modulus and nothing else.
    pub(super) fn random(&self) -> Vec<u8> {
        let mut number = vec![0; self.modulus.len()];
        loop {
            SystemSeeded.fill_bytes(&mut number);
            if number < self.modulus {
                return number;
            }
        }
    }

    /// The modulus itself: the smallest number that is no ciphertext.
    pub(super) fn modulus(&self) -> Vec<u8> {
        self.modulus.clone()
    }

    /// `block^e mod n`, as long as the modulus.
    fn raise(&self, block: &[u8]) -> Vec<u8> {
        let precision = self.params.modulus().as_ref().bits_precision();
        let number = BoxedUint::from_be_slice_truncated(block, precision);
        let bits = self.exponent.bit_width_vartime();
        let raised = BoxedMontyForm::new(number, &self.params).pow_bounded_exp(&self.exponent, bits);
        let bytes = raised.retrieve().to_be_bytes();
        let excess = bytes.len().saturating_sub(self.modulus.len());
        bytes.get(excess..).unwrap_or_default().to_vec()
    }
}

/// `out ^= MGF1(seed)`, with SHA-256 (RFC 8017, appendix B.2.1).
fn mask(out: &mut [u8], seed: &[u8]) {
    for (counter, part) in (0_u32..).zip(out.chunks_mut(HASH_LEN)) {
        let hash = Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize();
        for (byte, mask) in part.iter_mut().zip(hash.iter()) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use pkcs1::RsaPrivateKeyRef;
    use pkcs8::PrivateKeyInfoRef;

    use super::*;

    const KEY: [u8; KEY_LEN] = [0xaa; KEY_LEN];

    /// The block behind a ciphertext, unmasked: first byte, then hash of the label and what follows.
    fn unmasked(forge: &Forge, pkcs8: &[u8], wrapped: &[u8]) -> (u8, Vec<u8>) {
        let info = PrivateKeyInfoRef::try_from(pkcs8).unwrap();
        let private = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).unwrap();
        let d = BoxedUint::from_be_slice_vartime(private.private_exponent.as_bytes());
        let c = BoxedUint::from_be_slice(wrapped, forge.params.modulus().as_ref().bits_precision()).unwrap();
        let block = BoxedMontyForm::new(c, &forge.params).pow(&d).retrieve().to_be_bytes();
        let (mut seed, mut data) = (block[1..33].to_vec(), block[33..].to_vec());
        mask(&mut seed, &data);
        mask(&mut data, &seed);
        (block[0], data)
    }

    #[test]
    fn each_flaw_is_where_it_says_and_nowhere_else() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::as_der(&private).unwrap();
        let spki = private.public_key().as_der().unwrap().as_ref().to_vec();
        let forge = Forge::of_spki(&spki).unwrap();
        assert_eq!(forge.bits(), 2048);
        let seen = |flaw| unmasked(&forge, pkcs8.as_ref(), &forge.wrap(&KEY, flaw));
        let (first, good) = seen(Flaw::None);
        assert_eq!((first, good.len(), good[190], &good[191..]), (0, 223, 1, &KEY[..]));
        assert_eq!(seen(Flaw::FirstByte), (1, good.clone()));
        let differ = |flaw| {
            let (first, data) = seen(flaw);
            assert_eq!(first, 0);
            (0..data.len()).filter(|at| data[*at] != good[*at]).collect::<Vec<_>>()
        };
        assert_eq!(differ(Flaw::LabelStart), [0]);
        assert_eq!(differ(Flaw::LabelEnd), [31]);
        assert_eq!(differ(Flaw::OtherSeparator), [190]);
        assert_eq!(seen(Flaw::NoSeparator).1[32..], [0; 191]);
        assert_eq!(seen(Flaw::ShortKey).1[190..], [&[0, 1], &KEY[1..]].concat());
        assert_eq!(seen(Flaw::LongKey).1[188..], [&[0, 1], &KEY[..], &[7]].concat());
    }

    #[test]
    fn another_decoder_takes_what_is_right_and_refuses_the_rest() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let forge = Forge::of_spki(private.public_key().as_der().unwrap().as_ref()).unwrap();
        let decoder = OaepPrivateDecryptingKey::new(private).unwrap();
        let len = |wrapped: &[u8]| {
            let mut out = [0; 256];
            decoder.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut out, None).ok().map(|text| text.len())
        };
        for (flaw, expected) in [
            (Flaw::None, Some(32)),
            (Flaw::ShortKey, Some(31)),
            (Flaw::LongKey, Some(33)),
            (Flaw::FirstByte, None),
            (Flaw::LabelStart, None),
            (Flaw::LabelEnd, None),
            (Flaw::NoSeparator, None),
            (Flaw::OtherSeparator, None),
        ] {
            assert_eq!(len(&forge.wrap(&KEY, flaw)), expected, "{flaw:?}");
        }
        assert_eq!((len(&forge.random()), len(&forge.modulus())), (None, None));
    }
}
