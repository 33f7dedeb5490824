//! Secrets are marked undefined, and valgrind complains of every branch and every address that depends on them
//! (Langley's ctgrind): what is measured elsewhere by time is here looked at in the machine code.
//!
//! `apt-get install valgrind; cargo build --release; valgrind -q target/release/ctgrind`
//!
//! Each line says how often that happened, and how often is right: a verdict that is given to the caller is once (with
//! `aes-gcm` twice, since it gives one to us), all else is never. Exit code 1 if a number is wrong, 2 if this does not run
//! under valgrind. RSA is not among the cases: there is no way to mark the numbers inside of its keys.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::process::ExitCode;

use chacha20::ChaCha20Rng;
use crabgrind::RunMode;
use crabgrind::memcheck::{MemState, mark_mem};
use rand_core::SeedableRng;
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::limits::OVERHEAD;
use sc_core::oaep::{decode_key, encode_key};
use sc_core::rustcrypto::Aes256GcmKey;
use sc_core::secret::{CandidateKeys, RequestKey, ResponseKey, SessionKeys, UnwrappedKey};

const TEXT: usize = 100;

fn main() -> ExitCode {
    if crabgrind::run_mode() == RunMode::Native {
        eprintln!("run this under valgrind");
        return ExitCode::from(2);
    }
    let mut wrong = 0;
    for (name, expected, run) in CASES {
        let before = crabgrind::count_errors();
        run();
        let met = crabgrind::count_errors() - before;
        let right = expected.contains(&met);
        let verdict = if right { "ok" } else { "WRONG" };
        wrong += usize::from(!right);
        println!("{verdict:<6} {name}: {met} of {expected:?}");
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

type Case = (&'static str, RangeInclusive<usize>, fn());

const NEVER: RangeInclusive<usize> = 0..=0;
const ONCE: RangeInclusive<usize> = 1..=1;
const TWICE: RangeInclusive<usize> = 2..=2;

const CASES: [Case; 11] = [
    ("control: a comparison that stops early branches on every byte", 30..=33, || {
        let (one, other) = (secret([7; 32]), [7; 32]);
        black_box(until_they_differ(&one, &other));
    }),
    ("control: a table that is looked up by a secret", ONCE, || {
        let table = black_box([3_u8; 1024]);
        black_box(table.get(usize::from(secret([7])[0])).copied());
    }),
    ("oaep::decode_key, a right block", NEVER, || drop(black_box(decode_key(&mut secret(block()))))),
    ("oaep::decode_key, a wrong first byte", NEVER, || {
        drop(black_box(decode_key(&mut secret(flipped(block(), 0)))))
    }),
    ("oaep::decode_key, a wrong mask", NEVER, || {
        drop(black_box(decode_key(&mut secret(flipped(block(), 100)))))
    }),
    ("CandidateKeys::combine, over both", NEVER, || drop(black_box(combined(block(), flipped(block(), 0))))),
    ("CandidateKeys::into_keys: the verdict", ONCE, || {
        let keys = combined(block(), flipped(block(), 0));
        let _ = black_box(keys.into_keys());
    }),
    ("SessionKeys::new: whether both are equal", ONCE, || {
        let (request, response) =
            (RequestKey::from_bytes(secret([7; 32])), ResponseKey::from_bytes(secret([7; 32])));
        let _ = black_box(SessionKeys::new(request, response));
    }),
    ("Opener::open with RustCrypto, a wrong tag: whether it verifies", TWICE, || {
        open(flipped(sealed(), OVERHEAD + TEXT - 1));
    }),
    ("Opener::open with RustCrypto, a wrong ciphertext: whether it verifies", TWICE, || {
        open(flipped(sealed(), OVERHEAD));
    }),
    ("Opener::open with RustCrypto, a right tag: whether it verifies", TWICE, || open(sealed())),
];

/// The same bytes, which valgrind takes for undefined from here on.
fn secret<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    let mut bytes = black_box(bytes);
    // This version of the crate takes valgrind's answer the wrong way round; the controls show that marks work.
    let _ = mark_mem(bytes.as_mut_ptr().cast(), N, MemState::Undefined);
    black_box(bytes)
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

fn block() -> [u8; 256] {
    let mut block = [0; 256];
    encode_key(&mut rng(), &[0xaa; 32], &mut block).unwrap();
    block
}

fn sealed() -> [u8; TEXT + OVERHEAD] {
    let mut out = [0; TEXT + OVERHEAD];
    let sealer =
        Sealer::<Aes256GcmKey>::for_requests(&RequestKey::from_bytes([7; 32]), IvMode::Random, &mut rng());
    sealer.unwrap().seal_into(&mut rng(), &[1; TEXT], &mut out).unwrap();
    out
}

fn flipped<const N: usize>(mut bytes: [u8; N], at: usize) -> [u8; N] {
    bytes[at] ^= 1;
    bytes
}

fn combined(request: [u8; 256], response: [u8; 256]) -> CandidateKeys {
    let decoded = |block| -> UnwrappedKey { decode_key(&mut secret(block)) };
    CandidateKeys::combine(&mut rng(), decoded(request), decoded(response))
}

/// Opens under a key that is secret.
fn open(mut body: [u8; TEXT + OVERHEAD]) {
    let opener = Opener::<Aes256GcmKey>::for_requests(&RequestKey::from_bytes(secret([7; 32]))).unwrap();
    let _ = black_box(opener.open(&mut body));
}

/// The classic fault.
#[inline(never)]
fn until_they_differ(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).all(|(one, other)| black_box(*one) == *other)
}
