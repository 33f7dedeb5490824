//! Nothing is allocated for a message: neither to seal, nor to open, nor to parse it, with either provider.
//!
//! What AWS-LC allocates in C is not counted: it takes its memory from the C library.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::hint::black_box;

use allocation_counter::measure;
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::envelope::{Envelope, ParseOptions};
use sc_core::limits::OVERHEAD;
use sc_core::provider::Aead;
use sc_core::rustcrypto::Aes256GcmKey;
use sc_core::secret::RequestKey;
use sc_std::provider::AwsLcAead;
use sc_std::rng::SystemSeeded;

const SIZES: [usize; 3] = [28, 4_096, 1_048_576];

/// Allocations of sealing, parsing and opening one message of each size.
fn allocations<A: Aead>(mode: IvMode) -> u64 {
    let key = RequestKey::from_bytes([7; 32]);
    let sealer = Sealer::<A>::for_requests(&key, mode, &mut SystemSeeded).unwrap();
    let opener = Opener::<A>::for_requests(&key).unwrap();
    // The generator of this thread is made when it is first asked.
    sealer.seal_in_place(&mut SystemSeeded, &mut [0; OVERHEAD]).unwrap();
    let mut frames = SIZES.map(|size| vec![0; size + OVERHEAD]);
    let counted = measure(|| {
        for frame in &mut frames {
            sealer.seal_in_place(&mut SystemSeeded, frame).unwrap();
            black_box(Envelope::parse(frame, &ParseOptions::default()).unwrap().message_type());
            black_box(opener.open(frame).unwrap());
        }
    });
    counted.count_total
}

#[test]
fn sealing_opening_and_parsing_allocate_nothing() {
    for mode in [IvMode::Random, IvMode::Counter] {
        assert_eq!(allocations::<AwsLcAead>(mode), 0, "aws-lc-rs");
        assert_eq!(allocations::<Aes256GcmKey>(mode), 0, "rustcrypto");
    }
}

#[test]
fn one_allocation_is_counted() {
    assert_eq!(measure(|| drop(black_box(vec![1_u8]))).count_total, 1);
}
