//! What this project does for a message, with each provider.

use std::hint::black_box;

use criterion::Criterion;
use rand_core::{CryptoRng, Rng};
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::envelope::{Envelope, ParseOptions};
use sc_core::limits::{HEAD_ROOM, OVERHEAD};
use sc_core::provider::Aead;
use sc_core::rustcrypto::Aes256GcmKey;
use sc_core::secret::RequestKey;
use sc_std::provider::AwsLcAead;
use sc_std::rng::SystemSeeded;

use crate::At;

const KEY: [u8; 32] = [7; 32];

fn sealer<A: Aead>(ivs: IvMode) -> Sealer<A> {
    Sealer::for_requests(&RequestKey::from_bytes(KEY), ivs, &mut SystemSeeded).unwrap()
}

pub(crate) fn seal_all(at: &mut At) {
    seal::<AwsLcAead>(at, "aws-lc-rs");
    seal::<Aes256GcmKey>(at, "rustcrypto");
}

fn seal<A: Aead>(at: &mut At, provider: &str) {
    let mut frame = vec![0; at.size + OVERHEAD];
    let raw = A::expand(&KEY).unwrap();
    let text = frame.get_mut(HEAD_ROOM..HEAD_ROOM + at.size).unwrap();
    at.seal(&format!("raw {provider}"), || {
        black_box(raw.seal(&[9; 12], b"", black_box(text)).unwrap());
    });
    // A key may seal 2^32 messages, more than a benchmark does.
    let random = sealer::<A>(IvMode::Random);
    at.seal(&format!("scv2 {provider}"), || {
        black_box(random.seal_in_place(&mut SystemSeeded, black_box(&mut frame)).unwrap());
    });
    let counter = sealer::<A>(IvMode::Counter);
    at.seal(&format!("scv2 {provider}, counter IV"), || {
        black_box(counter.seal_in_place(&mut SystemSeeded, black_box(&mut frame)).unwrap());
    });
    let text = vec![0; at.size];
    at.seal(&format!("scv2 {provider}, into another buffer"), || {
        black_box(random.seal_into(&mut SystemSeeded, black_box(&text), black_box(&mut frame)).unwrap());
    });
}

pub(crate) fn open_all(at: &mut At) {
    open::<AwsLcAead>(at, "aws-lc-rs");
    open::<Aes256GcmKey>(at, "rustcrypto");
}

fn open<A: Aead>(at: &mut At, provider: &str) {
    let mut sealed = vec![0; at.size + OVERHEAD];
    sealer::<A>(IvMode::Random).seal_in_place(&mut SystemSeeded, &mut sealed).unwrap();
    let raw = A::expand(&KEY).unwrap();
    let iv = *sealed.get(4..).and_then(<[u8]>::first_chunk::<12>).unwrap();
    let tag = *sealed.last_chunk::<16>().unwrap();
    let text = sealed.get(HEAD_ROOM..HEAD_ROOM + at.size).unwrap();
    at.open(
        &format!("raw {provider}"),
        || text.to_vec(),
        |text| raw.open(&iv, b"", black_box(text), &tag).unwrap(),
    );
    let opener = Opener::<A>::for_requests(&RequestKey::from_bytes(KEY)).unwrap();
    at.open(
        &format!("scv2 {provider}"),
        || sealed.clone(),
        |body| {
            black_box(opener.open(black_box(body)).unwrap());
        },
    );
}

pub(crate) fn parse(c: &mut Criterion) {
    let body = [b"SC\x02\x02".as_slice(), &[0; 1_024]].concat();
    c.benchmark_group("parse").bench_function("type 2", |b| {
        b.iter(|| Envelope::parse(black_box(&body), &ParseOptions::default()).unwrap().message_type());
    });
}

/// A fresh IV: from the generator that services use, from one that its owner holds, and by a system call.
pub(crate) fn iv(c: &mut Criterion) {
    let mut group = c.benchmark_group("iv");
    let mut draw = |how: &str, rng: &mut dyn FnMut(&mut [u8; 12])| {
        let mut iv = [0; 12];
        group.bench_function(how, |b| b.iter(|| rng(black_box(&mut iv))));
    };
    draw("SystemSeeded", &mut |iv| SystemSeeded.fill_bytes(iv));
    let mut owned = <chacha20::ChaCha12Rng as rand_core::SeedableRng>::from_seed(seed(&mut SystemSeeded));
    draw("an owned ChaCha12", &mut |iv| owned.fill_bytes(iv));
    draw("the system's generator", &mut |iv| {
        rand::rand_core::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, iv).unwrap()
    });
}

fn seed<R: CryptoRng>(rng: &mut R) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

/// A server expands both keys of a session for each request.
pub(crate) fn expand(c: &mut Criterion) {
    let mut group = c.benchmark_group("expand");
    group.bench_function("aws-lc-rs", |b| b.iter(|| AwsLcAead::expand(black_box(&KEY)).unwrap()));
    group.bench_function("rustcrypto", |b| b.iter(|| Aes256GcmKey::expand(black_box(&KEY)).unwrap()));
}
