//! What only the inside can see: counters at their ends, providers that misbehave.

use std::collections::HashSet;
use std::vec;

use rand_core::Rng;

use super::*;
use crate::provider::ProviderError;
use crate::testing::{Failing, Nothing, SeededRng};

fn sealer<A: Aead>(ivs: IvMode) -> Sealer<A> {
    Sealer::for_requests(&RequestKey::from_bytes([7; 32]), ivs, &mut SeededRng::new(1)).unwrap()
}

fn seal<A: Aead>(sealer: &Sealer<A>) -> Result<Iv, Error> {
    sealer.seal_into(&mut SeededRng::new(2), b"", &mut [0; OVERHEAD])
}

#[test]
fn a_sealer_refuses_at_the_end_of_its_counter_and_never_wraps() {
    for ivs in [IvMode::Random, IvMode::Counter] {
        let mut sealer = sealer::<Nothing>(ivs);
        sealer.sent = AtomicU32::new(u32::MAX - 2);
        assert!(seal(&sealer).is_ok() && seal(&sealer).is_ok());
        for _ in 0..5 {
            assert_eq!(seal(&sealer), Err(Error::Exhausted));
            assert_eq!(sealer.sent(), u32::MAX);
        }
    }
}

#[test]
fn a_lowered_limit_holds_and_a_limit_below_the_count_too() {
    let limited = sealer::<Nothing>(IvMode::Random).with_limit(2);
    assert!(seal(&limited).is_ok() && seal(&limited).is_ok());
    assert_eq!(seal(&limited), Err(Error::Exhausted));
    let below = limited.with_limit(1);
    assert_eq!((seal(&below), below.sent()), (Err(Error::Exhausted), 2));
}

#[test]
fn counter_ivs_are_one_random_prefix_and_a_big_endian_count() {
    let mut counting = sealer::<Nothing>(IvMode::Counter);
    let first = *seal(&counting).unwrap().as_bytes();
    assert_eq!(first[8..], [0; 4]);
    assert_eq!(seal(&counting).unwrap().as_bytes(), &[&first[..8], &[0, 0, 0, 1]].concat()[..]);
    counting.sent = AtomicU32::new(0x0102_0304);
    assert_eq!(seal(&counting).unwrap().as_bytes(), &[&first[..8], &[1, 2, 3, 4]].concat()[..]);
    let other = Sealer::<Nothing>::for_requests(
        &RequestKey::from_bytes([7; 32]),
        IvMode::Counter,
        &mut SeededRng::new(9),
    );
    assert_ne!(seal(&other.unwrap()).unwrap().as_bytes()[..8], first[..8]);
}

#[test]
fn random_ivs_come_whole_from_the_generator() {
    let sealer = sealer::<Nothing>(IvMode::Random);
    let (rng, expected) = (&mut SeededRng::new(3), &mut SeededRng::new(3));
    let mut seen = HashSet::new();
    for _ in 0..1000 {
        let mut drawn = [0; 12];
        expected.fill_bytes(&mut drawn);
        let iv = sealer.seal_into(rng, b"", &mut [0; OVERHEAD]).unwrap();
        assert_eq!(iv.as_bytes(), &drawn);
        assert!(seen.insert(drawn));
    }
}

#[test]
fn answers_never_have_counter_ivs() {
    let sealer = Sealer::<Nothing>::for_responses(&ResponseKey::from_bytes([7; 32])).unwrap();
    assert!(sealer.prefix.is_none());
}

#[test]
fn every_frame_begins_with_its_header_and_its_iv() {
    let (rng, mut frame) = (&mut SeededRng::new(4), [0; OVERHEAD + 3]);
    let iv = sealer::<Nothing>(IvMode::Random).seal_into(rng, b"abc", &mut frame).unwrap();
    assert_eq!(frame[..16], [b"SC\x02\x02".as_slice(), iv.as_bytes()].concat());
    let answers = Sealer::<Nothing>::for_responses(&ResponseKey::from_bytes([7; 32])).unwrap();
    let iv = answers.seal_in_place(rng, &mut frame).unwrap();
    assert_eq!(frame[..16], [b"SC\x02\x81".as_slice(), iv.as_bytes()].concat());
    assert_eq!(&frame[16..19], b"abc", "this provider does not encrypt");
}

#[test]
fn a_seal_that_fails_leaves_no_plaintext_and_its_message_counts() {
    let sealer = sealer::<Failing>(IvMode::Random);
    let mut frame = vec![b'p'; 64];
    let failed = sealer.seal_in_place(&mut SeededRng::new(5), &mut frame);
    assert_eq!(failed, Err(Error::Misuse(Misuse::Provider)));
    assert!(frame[4..].iter().all(|byte| *byte == 0), "{frame:?}");
    let failed = sealer.seal_into(&mut SeededRng::new(5), &[b'p'; 32], &mut frame);
    assert_eq!(failed, Err(Error::Misuse(Misuse::Provider)));
    assert!(frame[4..].iter().all(|byte| *byte == 0), "{frame:?}");
    assert_eq!(sealer.sent(), 2, "a reservation is not given back");
}

#[test]
fn an_open_that_fails_leaves_nothing_of_what_the_provider_wrote() {
    let opener = Opener::<Failing>::for_requests(&RequestKey::from_bytes([7; 32])).unwrap();
    let mut body = [b"SC\x02\x02".as_slice(), &[9; 60]].concat();
    assert_eq!(opener.open(&mut body), Err(Error::Rejected));
    assert!(body.starts_with(b"SC\x02\x02") && body[4..].iter().all(|byte| *byte == 0));
}

#[test]
fn an_envelope_of_another_type_is_wiped_unopened() {
    let opener = Opener::<Nothing>::for_responses(&ResponseKey::from_bytes([7; 32])).unwrap();
    let mut body = [b"SC\x02\x02".as_slice(), &[9; 60]].concat();
    assert_eq!(opener.open(&mut body), Err(Error::Rejected));
    assert!(body[4..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_key_that_the_provider_does_not_take_is_an_error() {
    let provider = Some(Error::Misuse(Misuse::Provider));
    let (request, response) = (RequestKey::from_bytes([0; 32]), ResponseKey::from_bytes([0; 32]));
    let rng = &mut SeededRng::new(1);
    assert_eq!(Sealer::<Failing>::for_requests(&request, IvMode::Random, rng).err(), provider);
    assert_eq!(Sealer::<Failing>::for_responses(&response).err(), provider);
    assert_eq!(Opener::<Failing>::for_requests(&request).err(), provider);
    assert_eq!(Opener::<Failing>::for_responses(&response).err(), provider);
}

#[test]
fn a_provider_that_copies_first_needs_equal_lengths() {
    for (plaintext, out) in [(3, 2), (2, 3), (0, 1)] {
        let sealed = Nothing.seal_into(&[0; 12], b"", &vec![1; plaintext], &mut vec![0; out]);
        assert_eq!(sealed, Err(ProviderError));
    }
}
