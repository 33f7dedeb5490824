//! What loads keys, held against a second reader of the same bytes.

use sc_core::document::PublicKeyDocument;
use sc_core::id::KeyId;
use sc_core::limits::{MAX_RSA_BITS, MIN_RSA_BITS};
use sc_core::provider::KeyWrap;
use sc_core::rustcrypto::{RsaPrivateKey, RsaPublicKey};

use crate::keys::{Pkcs8, PrivateKey, RustCryptoPrivateKey};
use crate::provider::der::Modulus;

/// The same bytes as a PEM file, as PKCS#8, as SPKI, and as a public-key document.
///
/// # Panics
/// If two readers of one key disagree, or a key is taken that no provider should take.
pub fn key_documents(data: &[u8]) {
    if let Ok(key) = Pkcs8::from_pem(data) {
        let pem = key.to_pem().expect("a checked key has a PEM form");
        let again = Pkcs8::from_pem(pem.as_bytes()).expect("what was written is read");
        assert_eq!((again.der(), again.spki_der()), (key.der(), key.spki_der()));
        private(key.der());
    }
    private(data);
    public(data);
    if let Ok(document) = serde_json::from_slice::<PublicKeyDocument>(data) {
        public(document.public_key.as_slice());
        let written = serde_json::to_vec(&document).expect("a document is written");
        let again = serde_json::from_slice::<PublicKeyDocument>(&written).expect("and read again");
        assert_eq!(serde_json::to_vec(&again).expect("as before"), written);
    }
}

/// What the key ring reads out of PKCS#8 is what the provider computes.
fn private(der: &[u8]) {
    let Ok(key) = Pkcs8::from_der(der) else {
        assert!(RustCryptoPrivateKey::from_pkcs8(der).is_err(), "a key that no file may hold");
        return;
    };
    assert_eq!((key.key_id(), key.der()), (KeyId::of_spki(key.spki_der()), der));
    if let Ok(provider) = RsaPrivateKey::from_pkcs8(der) {
        let spki = provider.to_spki().expect("a key has its public key");
        assert_eq!(spki, key.spki_der());
        let key = RustCryptoPrivateKey::from_pkcs8(der).expect("the same two checks");
        assert_eq!(key.spki_der(), spki);
        public(&spki);
    }
}

/// A public key that the provider takes has a modulus that the ring reads, of the same size.
fn public(der: &[u8]) {
    let Ok(key) = RsaPublicKey::from_spki(der) else { return };
    let bits = key.modulus_bits();
    assert!((MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits));
    let modulus = Modulus::of_spki(der).ok().expect("the ring reads what the provider takes");
    assert_eq!(modulus.bits(), bits);
    assert!(!modulus.admits(&vec![0xff; bits.div_ceil(8)]) && modulus.admits(&vec![0; bits.div_ceil(8)]));
}
