//! A provider that does real AES-GCM and plays the client's part of a vector.
//!
//! It shows which associated data a machine built, hands out the vector's wrapped keys instead of fresh ones, and
//! puts the vector's `ctx` in the place of the true one: vectors of types 2 and 129 have a `ctx` that is the hash
//! of no key exchange. That the true one is what PROTOCOL 8 says is checked before it is replaced.

use std::cell::RefCell;
use std::collections::VecDeque;

use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use sc_core::limits::{IV_LEN, KEY_LEN, TAG_LEN};
use sc_core::provider::{Aead, KeyWrap, Provider, ProviderError};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPublicKey};

/// Where `ctx` stands in the associated data of types 2 and 129.
const CONTEXT: std::ops::Range<usize> = 4..36;

#[derive(Default)]
struct Script {
    wrapped: VecDeque<([u8; KEY_LEN], Vec<u8>)>,
    context: Option<([u8; 32], [u8; 32])>,
    seen: Vec<Vec<u8>>,
}

thread_local! {
    static SCRIPT: RefCell<Script> = RefCell::default();
}

/// Starts a new script, in which these keys wrap to these bytes, in this order.
pub(crate) fn script(wrapped: impl IntoIterator<Item = ([u8; KEY_LEN], Vec<u8>)>) {
    let wrapped = wrapped.into_iter().collect();
    SCRIPT.set(Script { wrapped, ..Script::default() });
}

/// From now on the associated data must hold `from` where `ctx` stands, and gets `to` instead.
pub(crate) fn replace_context(from: [u8; 32], to: [u8; 32]) {
    SCRIPT.with_borrow_mut(|script| script.context = Some((from, to)));
}

/// The associated data of the last operation.
pub(crate) fn last_associated_data() -> Vec<u8> {
    SCRIPT.with_borrow(|script| script.seen.last().cloned().unwrap())
}

fn record(associated_data: &[u8]) -> Vec<u8> {
    SCRIPT.with_borrow_mut(|script| {
        let mut data = associated_data.to_vec();
        if let Some((from, to)) = script.context.filter(|_| !data.is_empty()) {
            assert_eq!(data[CONTEXT], from, "ctx is the hash of the key exchange");
            data[CONTEXT].copy_from_slice(&to);
        }
        script.seen.push(data.clone());
        data
    })
}

/// The provider of a vector's client.
pub(crate) struct Scripted;

impl Provider for Scripted {
    type Aead = ScriptedAead;
    type KeyWrap = ScriptedWrap;
}

pub(crate) struct ScriptedAead(Aes256GcmKey);

impl Aead for ScriptedAead {
    fn expand(key: &[u8; KEY_LEN]) -> Result<Self, ProviderError> {
        Aes256GcmKey::expand(key).map(Self)
    }

    fn seal(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], ProviderError> {
        self.0.seal(iv, &record(associated_data), buffer)
    }

    fn open(
        &self,
        iv: &[u8; IV_LEN],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), ProviderError> {
        self.0.open(iv, &record(associated_data), buffer, tag)
    }
}

pub(crate) struct ScriptedWrap(RsaPublicKey);

impl KeyWrap for ScriptedWrap {
    fn from_spki(der: &[u8]) -> Result<Self, ProviderError> {
        RsaPublicKey::from_spki(der).map(Self)
    }

    fn modulus_bits(&self) -> usize {
        self.0.modulus_bits()
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        _: &mut R,
        key: &[u8; KEY_LEN],
        out: &mut [u8],
    ) -> Result<(), ProviderError> {
        let (expected, wrapped) =
            SCRIPT.with_borrow_mut(|script| script.wrapped.pop_front()).ok_or(ProviderError)?;
        assert_eq!(*key, expected, "the request key is wrapped first, then the response key");
        out.copy_from_slice(&wrapped);
        Ok(())
    }
}

/// A generator that gives exactly these pieces, one per call.
pub(crate) struct ScriptedRng(VecDeque<Vec<u8>>);

impl ScriptedRng {
    pub(crate) fn new<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Self {
        Self(pieces.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// That everything was drawn, and nothing more.
    pub(crate) fn finish(self) {
        assert!(self.0.is_empty(), "{} pieces of randomness were not drawn", self.0.len());
    }
}

impl TryRng for ScriptedRng {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("the machines draw whole fields")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("the machines draw whole fields")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.copy_from_slice(&self.0.pop_front().unwrap());
        Ok(())
    }
}

impl TryCryptoRng for ScriptedRng {}
