//! The device's provider: AES-256-GCM from `aes-gcm`, and RSA on an engine that knows a bare modular exponentiation, as
//! the public-key accelerators of microcontrollers do. Here `crypto-bigint` plays that engine.
//!
//! Takes RSA-2048, so every buffer has a fixed size.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U2048};
use pkcs1::RsaPublicKeyRef;
use rand_core::CryptoRng;
use sc_core::oaep;
use sc_core::provider::{Aead, KeyWrap, Provider, ProviderError};
use spki::SubjectPublicKeyInfoRef;
use spki::der::{Decode, asn1::UintRef};
use zeroize::Zeroizing;

/// Length of an RSA-2048 modulus, in bytes.
const MODULUS_LEN: usize = 256;

/// What sc-core's client machine runs on.
pub(crate) struct Device;

impl Provider for Device {
    type Aead = DeviceAead;
    type KeyWrap = DeviceRsa;
}

/// An expanded AES-256-GCM key.
pub(crate) struct DeviceAead(Aes256Gcm);

impl Aead for DeviceAead {
    fn expand(key: &[u8; 32]) -> Result<Self, ProviderError> {
        Ok(Self(Aes256Gcm::new(key.into())))
    }

    fn seal(&self, iv: &[u8; 12], data: &[u8], buffer: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        let sealed = self.0.encrypt_inout_detached(&Nonce::from(*iv), data, buffer.into());
        sealed.map(Into::into).map_err(|_| ProviderError)
    }

    fn open(
        &self,
        iv: &[u8; 12],
        data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), ProviderError> {
        let opened = self.0.decrypt_inout_detached(&Nonce::from(*iv), data, buffer.into(), &Tag::from(*tag));
        opened.map_err(|_| ProviderError)
    }
}

/// An RSA-2048 public key, ready for the engine.
pub(crate) struct DeviceRsa {
    modulus: FixedMontyParams<{ U2048::LIMBS }>,
    exponent: u32,
}

impl KeyWrap for DeviceRsa {
    fn from_spki(der: &[u8]) -> Result<Self, ProviderError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| ProviderError)?;
        // No null parameters is legal to read and never written.
        if spki.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(ProviderError);
        }
        let key = spki.subject_public_key.as_bytes().ok_or(ProviderError)?;
        let key = RsaPublicKeyRef::from_der(key).map_err(|_| ProviderError)?;
        let modulus: &[u8; MODULUS_LEN] = key.modulus.as_bytes().try_into().map_err(|_| ProviderError)?;
        let modulus = U2048::from_be_slice(modulus);
        if modulus.bit_width_vartime() != U2048::BITS {
            return Err(ProviderError);
        }
        let modulus = Odd::new(modulus).into_option().ok_or(ProviderError)?;
        // All of this is public, so time may depend on it.
        Ok(Self {
            modulus: FixedMontyParams::new_vartime(modulus),
            exponent: exponent(&key.public_exponent)?,
        })
    }

    fn modulus_bits(&self) -> usize {
        8 * MODULUS_LEN
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        key: &[u8; 32],
        out: &mut [u8],
    ) -> Result<(), ProviderError> {
        let out: &mut [u8; MODULUS_LEN] = out.try_into().map_err(|_| ProviderError)?;
        oaep::encode_key(rng, key, out)?;
        self.raise(out);
        Ok(())
    }
}

impl DeviceRsa {
    /// The engine: `block^e mod n`, in constant time as far as the block goes. Copies of the block are wiped, since whoever
    /// has it has the key.
    fn raise(&self, block: &mut [u8; MODULUS_LEN]) {
        let number = Zeroizing::new(U2048::from_be_slice(block));
        let base = Zeroizing::new(FixedMontyForm::new(&number, &self.modulus));
        let mut power = *base;
        // From the second bit of the exponent on, which begins with a 1.
        for bit in (0..self.exponent.ilog2()).rev() {
            power = power.square();
            if self.exponent >> bit & 1 == 1 {
                power = power.mul(&base);
            }
        }
        // What is wrapped by now is public.
        block.copy_from_slice(power.retrieve().to_be_bytes().as_ref());
    }
}

/// A public exponent of up to 32 bits, odd and at least 3; everybody's is 65,537.
fn exponent(number: &UintRef<'_>) -> Result<u32, ProviderError> {
    let bytes = number.as_bytes();
    if bytes.len() > 4 {
        return Err(ProviderError);
    }
    let exponent = bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    if exponent >= 3 && exponent & 1 == 1 { Ok(exponent) } else { Err(ProviderError) }
}
