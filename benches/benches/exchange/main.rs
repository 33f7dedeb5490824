//! The key exchange: both sides, beside two raw operations of the same provider and, with the feature `peers`, beside what
//! others do to agree on keys.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

mod ours;
#[cfg(feature = "peers")]
mod peers;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use sc_core::client::{Client, ClientOptions};
use sc_core::document::PublicKeyDocument;
use sc_core::id::Ticks;
use sc_core::provider::{KeyUnwrap, KeyWrap, Provider};
use sc_core::rustcrypto::{RsaPrivateKey, RustCrypto};
use sc_core::server::Server;
use sc_std::provider::{AwsLc, AwsLcPrivateKey};
use sc_std::rng::SystemSeeded;

use ours::{ServerSide, key_id};

type Group<'c> = BenchmarkGroup<'c, WallTime>;

/// The client's side, from the server's key to a request for a session.
fn client<P: Provider>(group: &mut Group<'_>, provider: &str, spki: &[u8]) {
    let public = P::KeyWrap::from_spki(spki).unwrap();
    let bits = public.modulus_bits();
    let mut out = vec![0; bits / 8];
    group.bench_function(BenchmarkId::new(format!("two raw {provider} operations"), bits), |b| {
        b.iter(|| {
            public.wrap(&mut SystemSeeded, black_box(&[1; 32]), &mut out).unwrap();
            public.wrap(&mut SystemSeeded, black_box(&[2; 32]), &mut out).unwrap();
        });
    });
    let mut client = Client::<P>::new(ClientOptions::default());
    let (size, profiles) = (u32::try_from(bits).unwrap(), Server::default().profiles());
    let document =
        PublicKeyDocument::new(key_id(), spki, size, "2026-01-01T00:00:00Z", None, profiles).unwrap();
    client.accept_key(&document, Ticks(0), u64::MAX).unwrap();
    group.bench_function(BenchmarkId::new(format!("scv2 {provider}"), bits), |b| {
        b.iter(|| client.begin(&mut SystemSeeded).unwrap());
    });
}

/// The server's side. The ledger and the store are measured elsewhere.
fn server<K: KeyUnwrap>(group: &mut Group<'_>, provider: &str, private: &K, spki: &[u8]) {
    let (bits, side) = (private.modulus_bits(), ServerSide::new(private, spki));
    group.bench_function(BenchmarkId::new(format!("two raw {provider} operations"), bits), |b| {
        b.iter(|| side.two_raw_operations());
    });
    group.bench_function(BenchmarkId::new(format!("scv2 {provider}"), bits), |b| b.iter(|| side.set_up()));
}

fn exchange(c: &mut Criterion) {
    let keys = [2_048, 3_072, 4_096].map(|bits| {
        let private = AwsLcPrivateKey::generate(bits).unwrap();
        let other = RsaPrivateKey::from_pkcs8(&private.to_pkcs8().unwrap()).unwrap();
        (private, other)
    });
    let mut group = c.benchmark_group("set-up, client");
    for (private, _) in &keys {
        client::<AwsLc>(&mut group, "aws-lc-rs", private.spki_der());
        client::<RustCrypto>(&mut group, "rustcrypto", private.spki_der());
    }
    #[cfg(feature = "peers")]
    peers::client(&mut group);
    group.finish();
    let mut group = c.benchmark_group("set-up, server");
    for (private, other) in &keys {
        server(&mut group, "aws-lc-rs", private, private.spki_der());
        server(&mut group, "rustcrypto", other, private.spki_der());
    }
    #[cfg(feature = "peers")]
    peers::server(&mut group);
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(40);
    targets = exchange
}
criterion_main!(benches);
