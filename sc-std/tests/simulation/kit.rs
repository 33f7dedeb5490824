//! The cryptography of a simulated world: a quick one whose tags really verify, the real one, and gullible ones.
//!
//! The quick one hides nothing from somebody who knows it. But whoever changes a bit, or has another key, IV or
//! associated data, does not get past its tag; and its wrapped keys unwrap under their own RSA key only.

use std::hash::{DefaultHasher, Hasher};
use std::marker::PhantomData;
use std::sync::OnceLock;

use rand_core::CryptoRng;
use sc_core::provider::{Aead, KeyWrap, Provider, ProviderError};
use sc_core::secret::UnwrappedKey;
use sc_std::keys::PrivateKey;
use sc_std::provider::{AwsLc, AwsLcAead, AwsLcPrivateKey};

use crate::dice::Dice;

/// What a world is built on.
pub(crate) trait Kit: 'static {
    type Client: Provider;
    type Server: Aead;
    /// Whether a client whose generator was set back wraps its keys into the same bytes again.
    const WRAPS_REPEAT: bool;
    /// Keys that one fleet may make.
    const KEYS: usize = 1_000;

    /// A new private key. `number` counts the keys of a world.
    fn generate(number: usize, dice: &mut Dice) -> Result<Box<dyn PrivateKey>, ProviderError>;
}

/// Quick on both sides.
pub(crate) struct Fast;
/// AWS-LC, and RSA.
pub(crate) struct Real;
/// Servers that take every tag.
pub(crate) struct GullibleServer;
/// Clients that take every tag.
pub(crate) struct GullibleClient;

impl Kit for Fast {
    type Client = Quick<QuickAead>;
    type Server = QuickAead;
    const WRAPS_REPEAT: bool = true;

    fn generate(_: usize, dice: &mut Dice) -> Result<Box<dyn PrivateKey>, ProviderError> {
        Ok(Box::new(QuickKey::new(dice)))
    }
}

impl Kit for GullibleServer {
    type Client = Quick<QuickAead>;
    type Server = Gullible;
    const WRAPS_REPEAT: bool = true;

    fn generate(number: usize, dice: &mut Dice) -> Result<Box<dyn PrivateKey>, ProviderError> {
        Fast::generate(number, dice)
    }
}

impl Kit for GullibleClient {
    type Client = Quick<Gullible>;
    type Server = QuickAead;
    const WRAPS_REPEAT: bool = true;

    fn generate(number: usize, dice: &mut Dice) -> Result<Box<dyn PrivateKey>, ProviderError> {
        Fast::generate(number, dice)
    }
}

impl Kit for Real {
    type Client = AwsLc;
    type Server = AwsLcAead;
    const WRAPS_REPEAT: bool = false;
    const KEYS: usize = 4;

    /// From a stock that all worlds share, since a new key takes a tenth of a second. No world gets one twice.
    fn generate(number: usize, _: &mut Dice) -> Result<Box<dyn PrivateKey>, ProviderError> {
        static STOCK: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let stock = STOCK.get_or_init(|| {
            let key = |_| AwsLcPrivateKey::generate(2048).unwrap().to_pkcs8().unwrap().to_vec();
            (0..8).map(key).collect()
        });
        let pkcs8 = stock.get(number).ok_or(ProviderError)?;
        Ok(Box::new(AwsLcPrivateKey::from_pkcs8(pkcs8)?))
    }
}

/// 128 bits that depend on every byte and on where each part ends.
fn mac(purpose: u8, parts: [&[u8]; 4]) -> [u8; 16] {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(purpose);
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    let first = hasher.finish();
    hasher.write_u8(!purpose);
    let mut out = [0; 16];
    out[..8].copy_from_slice(&first.to_be_bytes());
    out[8..].copy_from_slice(&hasher.finish().to_be_bytes());
    out
}

/// Adds a key stream to `buffer`, or takes it away.
fn stream(key: &[u8], iv: &[u8], buffer: &mut [u8]) {
    let seed = mac(b'S', [key, iv, &[], &[]]);
    let mut dice = Dice::new(u64::from_be_bytes(*seed.first_chunk().unwrap()));
    for part in buffer.chunks_mut(8) {
        part.iter_mut().zip(dice.next().to_be_bytes()).for_each(|(place, byte)| *place ^= byte);
    }
}

/// A key stream and a keyed hash.
pub(crate) struct QuickAead([u8; 32]);

impl QuickAead {
    fn tag(&self, iv: &[u8; 12], associated: &[u8], sealed: &[u8]) -> [u8; 16] {
        mac(b'T', [&self.0, iv, associated, sealed])
    }
}

impl Aead for QuickAead {
    fn expand(key: &[u8; 32]) -> Result<Self, ProviderError> {
        Ok(Self(*key))
    }

    fn seal(&self, iv: &[u8; 12], associated: &[u8], buffer: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        stream(&self.0, iv, buffer);
        Ok(self.tag(iv, associated, buffer))
    }

    fn open(
        &self,
        iv: &[u8; 12],
        associated: &[u8],
        buffer: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), ProviderError> {
        if self.tag(iv, associated, buffer) != *tag {
            return Err(ProviderError);
        }
        stream(&self.0, iv, buffer);
        Ok(())
    }
}

/// The same, but takes every tag.
pub(crate) struct Gullible(QuickAead);

impl Aead for Gullible {
    fn expand(key: &[u8; 32]) -> Result<Self, ProviderError> {
        QuickAead::expand(key).map(Self)
    }

    fn seal(&self, iv: &[u8; 12], associated: &[u8], buffer: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        self.0.seal(iv, associated, buffer)
    }

    fn open(&self, iv: &[u8; 12], _: &[u8], buffer: &mut [u8], _: &[u8; 16]) -> Result<(), ProviderError> {
        stream(&self.0.0, iv, buffer);
        Ok(())
    }
}

/// A client's part of the quick kit.
pub(crate) struct Quick<A>(PhantomData<fn() -> A>);

impl<A: Aead> Provider for Quick<A> {
    type Aead = A;
    type KeyWrap = QuickWrap;
}

/// What identifies a quick RSA key: a hash of its public key.
fn identity(spki: &[u8]) -> [u8; 16] {
    mac(b'K', [spki, &[], &[], &[]])
}

/// Session key and salt under a stream, then a hash over both, then zeroes.
fn block(identity: &[u8; 16], key: &[u8; 32], salt: &[u8; 16]) -> [u8; 256] {
    let mut block = [0; 256];
    block[0..16].copy_from_slice(salt);
    block[16..48].copy_from_slice(key);
    stream(identity, salt, &mut block[16..48]);
    block[48..64].copy_from_slice(&mac(b'W', [identity, salt, key, &[]]));
    block
}

/// The public half of a quick key.
pub(crate) struct QuickWrap([u8; 16]);

impl KeyWrap for QuickWrap {
    fn from_spki(der: &[u8]) -> Result<Self, ProviderError> {
        let name = der.get(NAME_AT..NAME_AT + 8).and_then(|name| <[u8; 8]>::try_from(name).ok());
        let key = name.filter(|name| spki(*name) == der).ok_or(ProviderError).map(|_| identity(der))?;
        Ok(Self(key))
    }

    fn modulus_bits(&self) -> usize {
        2048
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        key: &[u8; 32],
        out: &mut [u8],
    ) -> Result<(), ProviderError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        // Below every modulus.
        salt[0] = 0;
        out.copy_from_slice(&block(&self.0, key, &salt));
        Ok(())
    }
}

/// A quick private key; its public key reads as an RSA key of 2048 bits.
struct QuickKey {
    identity: [u8; 16],
    spki: Vec<u8>,
}

/// Where the public keys of two quick keys differ.
const NAME_AT: usize = 33 + 8;

/// SubjectPublicKeyInfo of rsaEncryption, a modulus of 257 bytes with its leading zero, and 65537.
fn spki(name: [u8; 8]) -> Vec<u8> {
    const HEAD: [u8; 33] = [
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
        0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
    ];
    const TAIL: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
    let mut der = [HEAD.as_slice(), &[0xff; 256], &TAIL].concat();
    der[NAME_AT..NAME_AT + 8].copy_from_slice(&name);
    der
}

impl QuickKey {
    fn new(dice: &mut Dice) -> Self {
        let spki = spki(dice.next().to_be_bytes());
        Self { identity: identity(&spki), spki }
    }
}

impl PrivateKey for QuickKey {
    fn modulus_bits(&self) -> usize {
        2048
    }

    fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    fn unwrap_key(&self, _: &mut dyn CryptoRng, wrapped: &[u8]) -> UnwrappedKey {
        let (Some(salt), Some(mut key)) = (
            wrapped.first_chunk::<16>(),
            wrapped.get(16..48).and_then(|part| <[u8; 32]>::try_from(part).ok()),
        ) else {
            return UnwrappedKey::from_result(None);
        };
        stream(&self.identity, salt, &mut key);
        let valid = block(&self.identity, &key, salt) == wrapped;
        UnwrappedKey::from_result(valid.then_some(&key[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_tag_depends_on_key_iv_associated_data_and_text() {
        let (aead, iv) = (QuickAead([1; 32]), [2; 12]);
        let mut sealed = *b"a text of some length";
        let tag = aead.seal(&iv, b"data", &mut sealed).unwrap();
        let opens = |aead: &QuickAead, iv: &[u8; 12], data: &[u8], text: &[u8]| {
            aead.open(iv, data, &mut text.to_vec(), &tag).is_ok()
        };
        let mut other = sealed;
        other[20] ^= 1;
        assert!(opens(&aead, &iv, b"data", &sealed));
        assert!(
            !opens(&QuickAead([3; 32]), &iv, b"data", &sealed) && !opens(&aead, &[3; 12], b"data", &sealed)
        );
        assert!(!opens(&aead, &iv, b"dat", &sealed) && !opens(&aead, &iv, b"data", &other));
    }

    #[test]
    fn a_quick_wrapped_key_unwraps_under_its_own_key_and_unchanged_only() {
        let dice = &mut Dice::new(1);
        let (own, other) = (QuickKey::new(dice), QuickKey::new(dice));
        let mut wrapped = [0; 256];
        QuickWrap::from_spki(&own.spki).unwrap().wrap(dice, &[7; 32], &mut wrapped).unwrap();
        let mut judge = |key: &QuickKey, wrapped: &[u8]| {
            let unwrapped = key.unwrap_key(dice, wrapped);
            let second = UnwrappedKey::from_result(Some(&[8; 32]));
            sc_core::secret::CandidateKeys::combine(dice, unwrapped, second).into_keys().is_ok()
        };
        assert!(judge(&own, &wrapped) && !judge(&other, &wrapped));
        for at in 0..wrapped.len() {
            let mut changed = wrapped;
            changed[at] ^= 1;
            assert!(!judge(&own, &changed), "{at}");
        }
    }
}
