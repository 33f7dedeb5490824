//! What is left of a key once its owner is gone: nothing. Looked up in the process's own memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;

use common::pair::{PROFILES, Pair};
use common::{forgot, rng, rsa_key};
use sc_core::exchange::unwrap_keys;
use sc_core::provider::Aead;
use sc_core::rustcrypto::{Aes256GcmKey, RustCrypto};
use sc_core::secret::{CandidateKeys, RequestKey, ResponseKey, SessionKeys, UnwrappedKey};
use sc_core::server::PackedRecord;
use sc_core::session::Session;

/// The request key of these tests, and the response key.
const KEYS: [[u8; 32]; 2] = [*b"a request key of thirty-two byte", *b"THE RESPONSE KEY, AS LONG AS IT."];

/// The memory of a place on the heap, as a core dump would have it.
fn memory(address: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let at = u64::try_from(address).unwrap();
    File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, at).unwrap();
    bytes
}

/// The eight-byte pieces of some memory that say something.
fn pieces(memory: &[u8]) -> Vec<&[u8]> {
    memory.windows(8).filter(|piece| piece.iter().filter(|byte| **byte != 0).count() > 5).collect()
}

/// Puts a value on the heap, drops it in place, and gives the memory before and after.
fn before_and_after<T>(value: T) -> (Vec<u8>, Vec<u8>) {
    let mut place = vec![value];
    let (address, len) = (place.as_ptr().expose_provenance(), size_of::<T>());
    let before = memory(address, len);
    // Dropped where it stands, and nothing is put there; the memory stays allocated, so nobody else writes to it.
    std::hint::black_box(&mut place).clear();
    let after = memory(address, len);
    drop(std::hint::black_box(place));
    (before, after)
}

fn assert_wiped<T>(what: &str, value: T, secrets: &[&[u8]]) {
    let (before, after) = before_and_after(value);
    for secret in secrets {
        assert!(pieces(secret).iter().all(|piece| pieces(&before).contains(piece)), "{what}: was there");
        assert!(pieces(secret).iter().all(|piece| !pieces(&after).contains(piece)), "{what}: is left");
    }
}

fn request() -> RequestKey {
    RequestKey::from_bytes(KEYS[0])
}

fn response() -> ResponseKey {
    ResponseKey::from_bytes(KEYS[1])
}

#[test]
fn the_search_finds_a_key_that_is_not_wiped() {
    let (before, after) = before_and_after(KEYS[0]);
    assert!(before.windows(32).any(|window| window == KEYS[0]));
    assert!(after.windows(32).any(|window| window == KEYS[0]), "or the tests below would show nothing");
}

#[test]
fn keys_are_wiped_on_drop() {
    let [one, two] = &KEYS;
    assert_wiped("RequestKey", request(), &[one]);
    assert_wiped("ResponseKey", response(), &[two]);
    assert_wiped("SessionKeys", SessionKeys::new(request(), response()).unwrap(), &[one, two]);
    assert_wiped("UnwrappedKey", UnwrappedKey::from_result(Some(one)), &[one]);
    let unwrapped = KEYS.each_ref().map(|key| UnwrappedKey::from_result(Some(key)));
    let [first, second] = unwrapped;
    assert_wiped("CandidateKeys", CandidateKeys::combine(&mut rng(1), first, second), &[one, two]);
}

/// How many pieces of a key's schedule are in some memory.
fn of_schedule(schedule: &[u8], memory: &[u8]) -> usize {
    let there = pieces(memory);
    pieces(schedule).iter().filter(|piece| there.contains(piece)).count()
}

fn schedule(key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    before_and_after(Aes256GcmKey::expand(key.try_into().unwrap()).unwrap())
}

#[test]
fn expanded_keys_are_wiped_on_drop() {
    for key in &KEYS {
        let (before, after) = schedule(key);
        assert!(of_schedule(&before, &before) > 200, "the round keys and the key of GHASH were there");
        assert_eq!(of_schedule(&before, &after), 0, "and are left");
    }
}

#[test]
fn a_session_leaves_no_schedule_at_the_client_and_no_keys_at_the_server() {
    for profile in PROFILES {
        let mut pair = Pair::new(1, profile);
        let (request, awaiting) = pair.client.begin(&mut pair.rng).unwrap();
        let created = pair.serve_endpoint(&request).unwrap();
        let answer = created.answer(None);
        let encoded = created.record.encode();
        let keys = encoded.as_ref().get(10..74).unwrap().to_vec();
        assert_wiped("EncodedRecord", encoded, &[&keys]);
        let [one, two] = [keys.get(..32).unwrap(), keys.get(32..).unwrap()];
        let mut packed = PackedRecord::EMPTY;
        created.record.pack_into(&mut packed);
        assert_wiped("PackedRecord", packed, &[one, two]);
        assert_wiped("SessionRecord", created.record, &[one, two]);

        let session: Session<RustCrypto> = awaiting.accept(&answer, pair.now, pair.ticks).unwrap();
        let _ = pair.ask(&session, forgot(), b"question");
        let (before, after) = before_and_after(session);
        for key in [one, two] {
            let schedule = schedule(key).0;
            assert!(of_schedule(&schedule, &before) > 200, "the schedule was there");
            assert_eq!(of_schedule(&schedule, &after), 0, "the schedule is left");
        }
    }
}

#[test]
fn keys_out_of_rsa_are_wiped_on_drop() {
    let mut pair = Pair::new(2, PROFILES[0]);
    let (request, _) = pair.client.begin(&mut pair.rng).unwrap();
    let setup = pair.server.set_up(&request).unwrap();
    let keys = unwrap_keys(&rsa_key(2048).private, &mut pair.rng, setup.wrapped(2048).unwrap());
    let (before, after) = before_and_after(keys);
    assert!(pieces(&before).len() > 40);
    assert!(pieces(&before).iter().all(|piece| !pieces(&after).contains(piece)));
}
