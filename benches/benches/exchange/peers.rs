//! How others agree on keys: a Noise handshake, HPKE, JWE with RSA-OAEP-256, Oblivious HTTP. The last two do so for each
//! message, so its protection is in their figures.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Kem, OpModeR, OpModeS};
use josekit::jwe::alg::rsaes::RsaesJweAlgorithm;
use josekit::jwe::{self, JweHeader};
use josekit::jwk::alg::rsa::RsaKeyPair;

use crate::Group;

const MESSAGE: &[u8] = br#"{"email":"ada@example.com"}"#;

fn handshake() -> snow::Builder<'static> {
    snow::Builder::new("Noise_NN_25519_AESGCM_SHA256".parse().unwrap())
}

fn ohttp_config() -> ohttp::KeyConfig {
    let suite = ohttp::SymmetricSuite::new(ohttp::hpke::Kdf::HkdfSha256, ohttp::hpke::Aead::Aes128Gcm);
    ohttp::KeyConfig::new(1, ohttp::hpke::Kem::X25519Sha256, vec![suite]).unwrap()
}

fn jwe_seal(keys: &RsaKeyPair) -> String {
    let encrypter = RsaesJweAlgorithm::RsaOaep256.encrypter_from_der(keys.to_der_public_key()).unwrap();
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    jwe::serialize_compact(MESSAGE, &header, &encrypter).unwrap()
}

pub(crate) fn client(group: &mut Group<'_>) {
    let (_, public) = X25519HkdfSha256::gen_keypair();
    group.bench_function(BenchmarkId::new("hpke, X25519", 0), |b| {
        b.iter(|| {
            hpke::setup_sender::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                black_box(&public),
                b"",
            )
            .unwrap()
        });
    });
    group.bench_function(BenchmarkId::new("snow, NN", 0), |b| {
        b.iter_batched(
            || {
                let mut client = handshake().build_initiator().unwrap();
                let mut server = handshake().build_responder().unwrap();
                let (mut message, mut answer, mut nothing) = ([0; 128], [0; 128], [0; 128]);
                let len = client.write_message(b"", &mut message).unwrap();
                server.read_message(message.get(..len).unwrap(), &mut nothing).unwrap();
                let len = server.write_message(b"", &mut answer).unwrap();
                (client, answer.get(..len).unwrap().to_vec())
            },
            |(mut client, answer)| {
                client.read_message(&answer, &mut [0; 128]).unwrap();
                // The first half, which a measurement needs a state of its own for.
                let mut first = handshake().build_initiator().unwrap();
                first.write_message(b"", &mut [0; 128]).unwrap();
                (client.into_transport_mode().unwrap(), first)
            },
            BatchSize::SmallInput,
        );
    });
    for bits in [2_048, 3_072, 4_096] {
        let keys = RsaKeyPair::generate(bits).unwrap();
        group.bench_function(BenchmarkId::new("josekit, RSA-OAEP-256", bits), |b| b.iter(|| jwe_seal(&keys)));
    }
    let config = ohttp_config().encode().unwrap();
    group.bench_function(BenchmarkId::new("ohttp, X25519", 0), |b| {
        b.iter(|| ohttp::ClientRequest::from_encoded_config(&config).unwrap().encapsulate(MESSAGE).unwrap());
    });
}

pub(crate) fn server(group: &mut Group<'_>) {
    let (secret, public) = X25519HkdfSha256::gen_keypair();
    let (encapsulated, _) =
        hpke::setup_sender::<AesGcm256, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &public, b"").unwrap();
    group.bench_function(BenchmarkId::new("hpke, X25519", 0), |b| {
        b.iter(|| {
            hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                &secret,
                black_box(&encapsulated),
                b"",
            )
            .unwrap()
        });
    });
    let mut message = [0; 128];
    let len = handshake().build_initiator().unwrap().write_message(b"", &mut message).unwrap();
    let message = message.get(..len).unwrap();
    group.bench_function(BenchmarkId::new("snow, NN", 0), |b| {
        b.iter(|| {
            let mut server = handshake().build_responder().unwrap();
            server.read_message(black_box(message), &mut [0; 128]).unwrap();
            server.write_message(b"", &mut [0; 128]).unwrap();
            server.into_transport_mode().unwrap()
        });
    });
    for bits in [2_048, 3_072, 4_096] {
        let keys = RsaKeyPair::generate(bits).unwrap();
        let token = jwe_seal(&keys);
        let decrypter = RsaesJweAlgorithm::RsaOaep256.decrypter_from_der(keys.to_der_private_key()).unwrap();
        group.bench_function(BenchmarkId::new("josekit, RSA-OAEP-256", bits), |b| {
            b.iter(|| jwe::deserialize_compact(black_box(&token), &decrypter).unwrap());
        });
    }
    let config = ohttp_config();
    let encoded = config.encode().unwrap();
    let server = ohttp::Server::new(config).unwrap();
    let (request, _) =
        ohttp::ClientRequest::from_encoded_config(&encoded).unwrap().encapsulate(MESSAGE).unwrap();
    group.bench_function(BenchmarkId::new("ohttp, X25519", 0), |b| {
        b.iter(|| server.decapsulate(black_box(&request)).unwrap());
    });
}
