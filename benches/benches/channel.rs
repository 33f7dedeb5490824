//! One message under an established key: parse, seal and open, beside the raw AEAD of the same provider.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::envelope::{Envelope, ParseOptions};
use sc_core::limits::{HEAD_ROOM, OVERHEAD};
use sc_core::provider::Aead;
use sc_core::rustcrypto::Aes256GcmKey;
use sc_core::secret::RequestKey;
use sc_std::provider::AwsLcAead;
use sc_std::rng::SystemSeeded;

const SIZES: [usize; 7] = [28, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576];

fn provider<A: Aead>(c: &mut Criterion, name: &str) {
    let key = RequestKey::from_bytes([7; 32]);
    let raw = A::expand(&[7; 32]).unwrap();
    let random = Sealer::<A>::for_requests(&key, IvMode::Random, &mut SystemSeeded).unwrap();
    let opener = Opener::<A>::for_requests(&key).unwrap();

    let mut group = c.benchmark_group(format!("seal/{name}"));
    for size in SIZES {
        group.throughput(Throughput::Bytes(u64::try_from(size).unwrap()));
        let mut frame = vec![0; size + OVERHEAD];
        group.bench_function(BenchmarkId::new("raw", size), |b| {
            let text = frame.get_mut(HEAD_ROOM..HEAD_ROOM + size).unwrap();
            b.iter(|| raw.seal(&[9; 12], b"", black_box(text)).unwrap());
        });
        group.bench_function(BenchmarkId::new("channel, random IV", size), |b| {
            b.iter(|| random.seal_in_place(&mut SystemSeeded, black_box(&mut frame)).unwrap());
        });
        group.bench_function(BenchmarkId::new("channel, counter IV", size), |b| {
            // A key may seal 2^32 messages: a new sealer for each measurement.
            let counter = Sealer::<A>::for_requests(&key, IvMode::Counter, &mut SystemSeeded).unwrap();
            b.iter(|| counter.seal_in_place(&mut SystemSeeded, black_box(&mut frame)).unwrap());
        });
    }
    group.finish();

    let mut group = c.benchmark_group(format!("open/{name}"));
    for size in SIZES {
        group.throughput(Throughput::Bytes(u64::try_from(size).unwrap()));
        let mut sealed = vec![0; size + OVERHEAD];
        random.seal_in_place(&mut SystemSeeded, &mut sealed).unwrap();
        group.bench_function(BenchmarkId::new("channel", size), |b| {
            b.iter_batched_ref(
                || sealed.clone(),
                |body| opener.open(black_box(body)).unwrap().len(),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("raw", size), |b| {
            let iv = *sealed.get(4..16).and_then(<[u8]>::first_chunk::<12>).unwrap();
            let tag = *sealed.last_chunk::<16>().unwrap();
            b.iter_batched_ref(
                || sealed.get(HEAD_ROOM..HEAD_ROOM + size).unwrap().to_vec(),
                |text| raw.open(&iv, b"", black_box(text), &tag).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn channel(c: &mut Criterion) {
    provider::<AwsLcAead>(c, "aws-lc-rs");
    provider::<Aes256GcmKey>(c, "rustcrypto");
}

fn parse(c: &mut Criterion) {
    let body = [b"SC\x02\x02".as_slice(), &[0; 1_024]].concat();
    c.bench_function("parse/type 2", |b| {
        b.iter(|| Envelope::parse(black_box(&body), &ParseOptions::default()).unwrap().message_type());
    });
}

criterion_group!(benches, channel, parse);
criterion_main!(benches);
