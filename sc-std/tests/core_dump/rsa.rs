//! Private RSA keys in memory, of which only the public key is known: whatever divides the modulus is one.

use base64ct::{Base64, Encoding};
use crypto_bigint::{NonZero, U1024, U2048};
use serde_json::Value;

use crate::image::{Image, pieces};

/// Bytes of a prime.
const LEN: usize = 128;

/// The modulus of a public-key document. It is followed by the exponent 65537, five bytes of DER.
pub fn modulus(document: &Value) -> U2048 {
    let spki = Base64::decode_vec(document["publicKey"].as_str().unwrap()).unwrap();
    let rest = spki.strip_suffix(&[2, 3, 1, 0, 1]).unwrap();
    U2048::from_be_slice(&rest[rest.len() - 2 * LEN..])
}

/// What is secret of a key: both primes and the exponents modulo them, as numbers lie in memory and as they stand in DER.
pub struct Private(Vec<Vec<u8>>);

impl Private {
    /// Looks for a prime of a modulus in some memory.
    pub fn find(modulus: &U2048, image: &Image) -> Option<Self> {
        let p = image.aligned(LEN).find_map(|bytes| {
            // A prime of 1,024 bits whose product with another has 2,048, and which is odd.
            if bytes[LEN - 1] < 0xb5 || bytes[0] & 1 == 0 {
                return None;
            }
            let candidate = wide(&U1024::from_le_slice(bytes));
            let divisor = NonZero::new(candidate).into_option()?;
            (modulus.rem_vartime(&divisor) == U2048::ZERO).then_some(candidate)
        })?;
        let q = modulus.wrapping_div_vartime(&NonZero::new(p).unwrap());
        let numbers = [p, q, exponent(&p), exponent(&q)];
        Some(Self(numbers.iter().flat_map(both_ways).collect()))
    }

    /// What is left of any of it, and where.
    pub fn remains(&self, image: &Image) -> Vec<String> {
        self.0.iter().flat_map(|number| image.report("a rotated RSA key", &pieces(number))).collect()
    }
}

fn wide(number: &U1024) -> U2048 {
    number.resize()
}

/// The private exponent modulo a prime less one: the inverse of 65537.
fn exponent(prime: &U2048) -> U2048 {
    const E: u64 = 65_537;
    let order = prime.wrapping_sub(&U2048::ONE);
    let e = NonZero::new(U2048::from(E)).unwrap();
    let rest = order.rem_vartime(&e);
    let is_inverse = |k: &u64| {
        (rest.wrapping_mul(&U2048::from(*k)).wrapping_add(&U2048::ONE)).rem_vartime(&e) == U2048::ZERO
    };
    let k = (1..E).find(is_inverse).unwrap();
    order.wrapping_mul(&U2048::from(k)).wrapping_add(&U2048::ONE).wrapping_div_vartime(&e)
}

fn both_ways(number: &U2048) -> [Vec<u8>; 2] {
    let big = number.to_be_bytes();
    let big = big.as_ref()[LEN..].to_vec();
    let little = big.iter().rev().copied().collect();
    [big, little]
}
