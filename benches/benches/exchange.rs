//! The key exchange: both sides, beside two raw private operations.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sc_core::exchange::{WrappedKeys, unwrap_keys};
use sc_core::provider::{KeyUnwrap, KeyWrap};
use sc_std::provider::{AwsLcPrivateKey, AwsLcPublicKey};
use sc_std::rng::SystemSeeded;

fn exchange(c: &mut Criterion) {
    let mut group = c.benchmark_group("exchange/aws-lc-rs");
    for bits in [2_048, 3_072, 4_096] {
        let private = AwsLcPrivateKey::generate(bits).unwrap();
        let public = AwsLcPublicKey::from_spki(private.spki_der()).unwrap();
        let (mut request, mut response) = (vec![0; bits / 8], vec![0; bits / 8]);
        public.wrap(&mut SystemSeeded, &[1; 32], &mut request).unwrap();
        public.wrap(&mut SystemSeeded, &[2; 32], &mut response).unwrap();

        group.bench_function(BenchmarkId::new("wrap both", bits), |b| {
            let mut out = vec![0; bits / 8];
            b.iter(|| {
                public.wrap(&mut SystemSeeded, black_box(&[1; 32]), &mut out).unwrap();
                public.wrap(&mut SystemSeeded, black_box(&[2; 32]), &mut out).unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("two raw private operations", bits), |b| {
            b.iter(|| {
                let first = private.unwrap_key(&mut SystemSeeded, black_box(&request));
                (first, private.unwrap_key(&mut SystemSeeded, black_box(&response)))
            });
        });
        group.bench_function(BenchmarkId::new("unwrap both", bits), |b| {
            let wrapped = WrappedKeys::new(&request, &response).unwrap();
            b.iter(|| unwrap_keys(&private, &mut SystemSeeded, black_box(wrapped)).into_keys().unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
