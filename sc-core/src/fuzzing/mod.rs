//! Bodies of fuzz targets (builds for fuzzing only): whole machines, driven by the input and held against small models.
//!
//! AES-GCM is the real one where a tag must count. RSA is replaced by [`Clear`], which hides nothing, and where the
//! fuzzer should get behind the tag, AES-GCM by [`Lax`], which takes every tag.
#![allow(missing_docs, clippy::expect_used, reason = "a target fails by panicking")]

mod client;
mod open;
mod server;

use std::vec::Vec;

use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use rsa::BoxedUint;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};

use crate::client::{Client, ClientOptions, ProfileChoice};
use crate::document::{Profiles, PublicKeyDocument};
use crate::id::{ClientHash, KeyId, MessageName, Ticks};
use crate::provider::{Aead, KeyUnwrap, KeyWrap, Provider, ProviderError};
use crate::rustcrypto::Aes256GcmKey;
use crate::secret::UnwrappedKey;

pub use self::client::client;
pub use self::open::open;
pub use self::server::server;

/// The input, read from the front; what is missing is zero.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn short(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// A number below `end`, or 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.short().checked_rem(end).unwrap_or_default()
    }

    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// As many bytes as are wanted.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.byte())
    }
}

/// Numbers that never repeat and are no secret (SplitMix64).
pub struct Count(pub u64);

impl Count {
    /// Others for each input. A fuzzer learns what is compared, and so envelopes that were sealed in another run: under the
    /// same keys they would open here, where nobody has sealed them.
    pub fn of(data: &[u8]) -> Self {
        Self(Sha256::digest(data).iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte)))
    }
}

impl TryRng for Count {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|number| u32::try_from(number >> 32).unwrap_or_default())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        for part in out.chunks_mut(8) {
            let number = self.try_next_u64()?.to_be_bytes();
            part.iter_mut().zip(number).for_each(|(place, byte)| *place = byte);
        }
        Ok(())
    }
}

impl TryCryptoRng for Count {}

/// AES-GCM, and "RSA" that hides nothing: key, salt, checksum over both, zeroes.
pub struct Clear;

impl Clear {
    const LEN: usize = 256;

    fn block(head: &[u8]) -> [u8; Self::LEN] {
        let mut block = [0; Self::LEN];
        let bytes = head.iter().copied().chain(Sha256::digest(head));
        block.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        block
    }
}

impl Provider for Clear {
    type Aead = Aes256GcmKey;
    type KeyWrap = Self;
}

impl KeyWrap for Clear {
    fn from_spki(_: &[u8]) -> Result<Self, ProviderError> {
        Ok(Self)
    }

    fn modulus_bits(&self) -> usize {
        8 * Self::LEN
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        key: &[u8; 32],
        out: &mut [u8],
    ) -> Result<(), ProviderError> {
        let mut head = [0; 64];
        rng.fill_bytes(&mut head);
        head.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
        out.copy_from_slice(&Self::block(&head));
        Ok(())
    }
}

impl KeyUnwrap for Clear {
    fn modulus_bits(&self) -> usize {
        8 * Self::LEN
    }

    fn unwrap_key<R: CryptoRng + ?Sized>(&self, _: &mut R, wrapped: &[u8]) -> UnwrappedKey {
        let head = wrapped.get(..64).filter(|head| Self::block(head) == wrapped);
        UnwrappedKey::from_result(head.and_then(|head| head.get(..32)))
    }
}

/// Takes every tag and encrypts nothing: what lies behind the tag is the fuzzer's.
struct Lax;

impl Aead for Lax {
    fn expand(_: &[u8; 32]) -> Result<Self, ProviderError> {
        Ok(Self)
    }

    fn seal(&self, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        Ok([0; 16])
    }

    fn open(&self, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &[u8; 16]) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// What is hidden in an unwrapped key: 32 bytes, or that it is none.
pub fn unhidden(key: &UnwrappedKey) -> Option<[u8; 32]> {
    key.unhidden()
}

/// The bare public RSA operation on a block as long as the modulus, for blocks that no wrapping would make.
pub fn raise(spki: &[u8], block: &[u8]) -> Option<Vec<u8>> {
    let key = rsa::PublicKey::from_public_key_der(spki).ok()?;
    let number = BoxedUint::from_be_slice(block, key.n().bits_precision()).ok()?;
    let raised = rsa::hazmat::rsa_encrypt(&key, &number).ok()?;
    let bytes = raised.to_be_bytes();
    Some(bytes.get(bytes.len().checked_sub(key.size())?..)?.to_vec())
}

fn key_id() -> KeyId {
    KeyId::parse("key").expect("visible")
}

fn name() -> MessageName<'static> {
    MessageName::new("password.forgot").expect("visible")
}

fn device(number: u8) -> ClientHash {
    ClientHash::of(&[b'a'.saturating_add(number % 2)]).expect("visible")
}

/// A client that has the server's key.
fn client_with(profile: ProfileChoice) -> Client<Clear> {
    let mut client = Client::new(ClientOptions::default().with_profile(profile));
    let document = PublicKeyDocument::new(key_id(), b"spki", 2048, "", None, Profiles::BOUND);
    client.accept_key(&document.expect("short"), Ticks(0), u64::MAX).expect("every key is taken");
    client
}

fn profile(bound: bool) -> ProfileChoice {
    if bound { ProfileChoice::RequireBound } else { ProfileChoice::Plain }
}

/// Changes bytes as the input wants: flips, cuts, additions, moves, or other bytes altogether.
pub fn mutate(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    for _ in 0..16 {
        match input.byte() % 6 {
            0 => break,
            1 => {
                let at = input.below(bytes.len());
                let bits = input.byte();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            2 => bytes.truncate(input.short()),
            3 => bytes.extend_from_slice(input.take(8)),
            4 => {
                let (from, to) = (input.below(bytes.len()), input.below(bytes.len()));
                let len = input.below(bytes.len().saturating_sub(from.max(to)).saturating_add(1));
                bytes.copy_within(from..from.saturating_add(len), to);
            }
            _ => {
                let len = input.short();
                *bytes = input.take(len).to_vec();
            }
        }
    }
}

/// Whether everything from `at` on is zero.
fn is_wiped(body: &[u8], at: usize) -> bool {
    body.get(at..).is_some_and(|sealed| sealed.iter().all(|byte| *byte == 0))
}
