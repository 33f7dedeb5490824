//! The DER of RSA keys: what the providers and the key ring need to know of it, with no RSA arithmetic.

use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::PrivateKeyInfoRef;
use sc_core::limits::{MAX_RSA_BITS, MAX_SPKI_LEN, MIN_RSA_BITS};
use spki::der::asn1::BitStringRef;
use spki::der::{AnyRef, Decode, Encode};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// Why bytes are not the DER of an RSA key that the protocol takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DerError {
    /// Not exactly one DER of the expected structure.
    Form,
    /// A key, but of another algorithm than RSA encryption.
    Algorithm,
    /// An RSA key whose modulus has this many bits, fewer than 2048 or more than 4096.
    Bits(usize),
}

/// The modulus of an RSA public key.
pub(crate) struct Modulus {
    bytes: Box<[u8]>,
    bits: usize,
}

impl Modulus {
    /// Reads it from a SubjectPublicKeyInfo (RFC 5280), which must be exactly one DER.
    pub(crate) fn of_spki(der: &[u8]) -> Result<Self, DerError> {
        if der.len() > MAX_SPKI_LEN {
            return Err(DerError::Form);
        }
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| DerError::Form)?;
        check_algorithm(&info.algorithm)?;
        let key = info.subject_public_key.as_bytes().ok_or(DerError::Form)?;
        let key = RsaPublicKeyRef::from_der(key).map_err(|_| DerError::Form)?;
        Self::new(key.modulus.as_bytes())
    }

    fn new(bytes: &[u8]) -> Result<Self, DerError> {
        let bits = bit_len(bytes);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(DerError::Bits(bits));
        }
        Ok(Self { bytes: bytes.into(), bits })
    }

    /// Its length, in bits.
    pub(crate) const fn bits(&self) -> usize {
        self.bits
    }

    /// Whether a ciphertext is as long as the modulus and, as a number, below it (PROTOCOL 10.12).
    ///
    /// Big-endian strings of one length compare like numbers. Both are public, so time does not matter.
    pub(crate) fn admits(&self, ciphertext: &[u8]) -> bool {
        ciphertext.len() == self.bytes.len() && *ciphertext < *self.bytes
    }
}

/// Builds the SubjectPublicKeyInfo of a private key given as PKCS#8 (RFC 5958), which must be exactly one DER.
pub(crate) fn spki_of_pkcs8(der: &[u8]) -> Result<Vec<u8>, DerError> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| DerError::Form)?;
    check_algorithm(&info.algorithm)?;
    let private = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).map_err(|_| DerError::Form)?;
    let public = private.public_key();
    Modulus::new(public.modulus.as_bytes())?;
    let public = public.to_der().map_err(|_| DerError::Form)?;
    let subject_public_key = BitStringRef::from_bytes(&public).map_err(|_| DerError::Form)?;
    let algorithm = AlgorithmIdentifierRef { oid: pkcs1::ALGORITHM_OID, parameters: Some(AnyRef::NULL) };
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(|_| DerError::Form)
}

fn check_algorithm(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), DerError> {
    if algorithm.oid == pkcs1::ALGORITHM_OID { Ok(()) } else { Err(DerError::Algorithm) }
}

/// Length in bits of a big-endian number without leading zero bytes.
fn bit_len(bytes: &[u8]) -> usize {
    let unused = bytes.first().map_or(0, |first| first.leading_zeros());
    bytes.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_the_first_set_bit() {
        assert_eq!(bit_len(&[]), 0);
        assert_eq!(bit_len(&[1]), 1);
        assert_eq!(bit_len(&[0x80, 0]), 16);
        assert_eq!(bit_len(&[0x7f, 0]), 15);
    }

    #[test]
    fn a_ciphertext_is_admitted_only_below_the_modulus_and_at_its_length() {
        let mut bytes = vec![0xc0; 256];
        let modulus = Modulus::new(&bytes).unwrap();
        assert_eq!(modulus.bits(), 2048);
        assert!(!modulus.admits(&bytes), "c = n");
        bytes[255] -= 1;
        assert!(modulus.admits(&bytes), "c = n - 1");
        bytes[255] += 2;
        assert!(!modulus.admits(&bytes), "c = n + 1");
        assert!(modulus.admits(&[0; 256]));
        for len in [0, 255, 257] {
            assert!(!modulus.admits(&vec![0; len]), "{len} bytes");
        }
    }

    #[test]
    fn moduli_of_2048_to_4096_bits_are_taken_and_no_others() {
        for (bytes, first, taken) in [
            (256, 0x80, true),
            (256, 0x7f, false),
            (512, 0xff, true),
            (513, 0x01, false),
            (1024, 0x80, false),
        ] {
            let mut modulus = vec![0; bytes];
            modulus[0] = first;
            assert_eq!(Modulus::new(&modulus).is_ok(), taken, "{bytes} bytes from {first:#x}");
        }
    }

    /// One element of DER: its tag, the length of its length, its length, its content.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, high, low], content].concat()
    }

    #[test]
    fn a_public_key_of_the_greatest_length_is_read_and_none_that_is_longer() {
        let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
        let mut modulus = vec![0xc0; 257];
        modulus[0] = 0;
        let spki = |exponent: usize| {
            let key = [element(2, &modulus), element(2, &vec![3; exponent])].concat();
            let key = [&[0][..], &element(0x30, &key)].concat();
            element(0x30, &[&algorithm[..], &element(3, &key)].concat())
        };
        let longest = 300 + MAX_SPKI_LEN - spki(300).len();
        assert_eq!(spki(longest).len(), MAX_SPKI_LEN);
        assert_eq!(Modulus::of_spki(&spki(longest)).map(|modulus| modulus.bits()), Ok(2048));
        for longer in [1, 2, 300] {
            let refused = Modulus::of_spki(&spki(longest + longer)).map(|modulus| modulus.bits());
            assert_eq!(refused, Err(DerError::Form), "by {longer} bytes");
        }
    }
}
