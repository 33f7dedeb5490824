//! Other ways to protect a message, each as its documentation shows it: a Noise transport, TLS 1.3 records, HPKE contexts,
//! JWE with a direct key, and Oblivious HTTP, which makes a key for each message (and has AES-128-GCM only).

use std::hint::black_box;

use hpke::aead::{AeadCtxR, AeadCtxS, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Kem, OpModeR, OpModeS};
use josekit::jwe::{self, Dir, JweHeader};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks,
    OutboundOpaqueMessage, OutboundPlainMessage,
};
use rustls::{ContentType, ProtocolVersion};

use crate::At;

const KEY: [u8; 32] = [7; 32];
/// Most plaintext of one TLS record and of one Noise message, in bytes.
const TLS_RECORD: usize = 16_384;
const NOISE_MESSAGE: usize = 65_535 - 16;

pub(crate) fn seal_all(at: &mut At) {
    let text = vec![0; at.size];

    let (mut client, _) = noise();
    let mut out = vec![0; at.size + 16 * (at.size / NOISE_MESSAGE + 1)];
    at.seal("snow", || noise_seal(&mut client, black_box(&text), black_box(&mut out)));

    let (mut encrypter, _) = tls();
    let mut sequence = 0;
    at.seal("rustls records", || {
        tls_seal(&mut *encrypter, &mut sequence, black_box(&text), |record| drop(black_box(record)));
    });

    let (mut sender, _) = hpke_pair();
    let mut text = text;
    at.seal("hpke", || {
        black_box(sender.seal_inout_detached(black_box(text.as_mut_slice()).into(), b"").unwrap());
    });

    at.seal("josekit dir", || {
        black_box(jwe_seal(black_box(&text)));
    });

    let config = ohttp_config().encode().unwrap();
    at.seal("ohttp, a key for each", || {
        let request = ohttp::ClientRequest::from_encoded_config(&config).unwrap();
        black_box(request.encapsulate(black_box(&text)).unwrap());
    });
}

pub(crate) fn open_all(at: &mut At) {
    let text = vec![0; at.size];

    let (mut client, mut server) = noise();
    let mut plain = vec![0; at.size];
    at.open(
        "snow",
        || {
            let mut out = vec![0; at_least_noise(text.len())];
            noise_seal(&mut client, &text, &mut out);
            out
        },
        |sealed| noise_open(&mut server, black_box(sealed), black_box(&mut plain)),
    );

    let (mut encrypter, mut decrypter) = tls();
    let (mut sent, mut received) = (0, 0);
    at.open(
        "rustls records",
        || {
            let mut records = Vec::new();
            let keep = |record: OutboundOpaqueMessage| records.push(record.payload.as_ref().to_vec());
            tls_seal(&mut *encrypter, &mut sent, &text, keep);
            records
        },
        |records| tls_open(&mut *decrypter, &mut received, black_box(records)),
    );

    let (mut sender, mut receiver) = hpke_pair();
    at.open(
        "hpke",
        || {
            let mut sealed = text.clone();
            let tag = sender.seal_inout_detached(sealed.as_mut_slice().into(), b"").unwrap();
            (sealed, tag)
        },
        |(sealed, tag)| {
            receiver.open_inout_detached(black_box(sealed.as_mut_slice()).into(), b"", tag).unwrap()
        },
    );

    let decrypter = Dir.decrypter_from_bytes(KEY).unwrap();
    at.open(
        "josekit dir",
        || jwe_seal(&text),
        |token| {
            black_box(jwe::deserialize_compact(black_box(token), &decrypter).unwrap());
        },
    );

    let config = ohttp_config();
    let encoded = config.encode().unwrap();
    let server = ohttp::Server::new(config).unwrap();
    at.open(
        "ohttp, a key for each",
        || ohttp::ClientRequest::from_encoded_config(&encoded).unwrap().encapsulate(&text).unwrap().0,
        |request| {
            black_box(server.decapsulate(black_box(request)).unwrap());
        },
    );
}

/// Both ends of Noise_NN_25519_AESGCM_SHA256 after the handshake, on ring.
pub(crate) fn noise() -> (snow::TransportState, snow::TransportState) {
    let builder = || snow::Builder::new("Noise_NN_25519_AESGCM_SHA256".parse().unwrap());
    let (mut client, mut server) =
        (builder().build_initiator().unwrap(), builder().build_responder().unwrap());
    let (mut message, mut nothing) = ([0; 128], [0; 128]);
    let len = client.write_message(b"", &mut message).unwrap();
    server.read_message(message.get(..len).unwrap(), &mut nothing).unwrap();
    let len = server.write_message(b"", &mut message).unwrap();
    client.read_message(message.get(..len).unwrap(), &mut nothing).unwrap();
    (client.into_transport_mode().unwrap(), server.into_transport_mode().unwrap())
}

const fn at_least_noise(len: usize) -> usize {
    len + 16 * len.div_ceil(NOISE_MESSAGE)
}

fn noise_seal(from: &mut snow::TransportState, text: &[u8], out: &mut [u8]) {
    for (text, out) in text.chunks(NOISE_MESSAGE).zip(out.chunks_mut(NOISE_MESSAGE + 16)) {
        from.write_message(text, out).unwrap();
    }
}

fn noise_open(at: &mut snow::TransportState, sealed: &[u8], out: &mut [u8]) {
    for (sealed, out) in sealed.chunks(NOISE_MESSAGE + 16).zip(out.chunks_mut(NOISE_MESSAGE)) {
        at.read_message(sealed, out).unwrap();
    }
}

/// Both ends of a TLS 1.3 record layer, on AWS-LC.
fn tls() -> (Box<dyn MessageEncrypter>, Box<dyn MessageDecrypter>) {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
    let suite = suite.tls13().unwrap();
    let (aead, iv) = (suite.aead_alg, || Iv::from([9; 12]));
    (aead.encrypter(AeadKey::from(KEY), iv()), aead.decrypter(AeadKey::from(KEY), iv()))
}

fn tls_seal(
    encrypter: &mut dyn MessageEncrypter,
    sequence: &mut u64,
    text: &[u8],
    mut record: impl FnMut(OutboundOpaqueMessage),
) {
    for part in text.chunks(TLS_RECORD) {
        let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
        let message = OutboundPlainMessage { typ, version, payload: OutboundChunks::Single(part) };
        record(encrypter.encrypt(message, *sequence).unwrap());
        *sequence += 1;
    }
}

fn tls_open(decrypter: &mut dyn MessageDecrypter, sequence: &mut u64, records: &mut [Vec<u8>]) {
    for record in records {
        let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
        let message = InboundOpaqueMessage::new(typ, version, record);
        black_box(decrypter.decrypt(message, *sequence).unwrap());
        *sequence += 1;
    }
}

type Sender = AeadCtxS<AesGcm256, HkdfSha256, X25519HkdfSha256>;
type Receiver = AeadCtxR<AesGcm256, HkdfSha256, X25519HkdfSha256>;

/// Both ends of an HPKE context in base mode.
fn hpke_pair() -> (Sender, Receiver) {
    let (secret, public) = X25519HkdfSha256::gen_keypair();
    let (encapsulated, sender) = hpke::setup_sender(&OpModeS::Base, &public, b"").unwrap();
    let receiver = hpke::setup_receiver(&OpModeR::Base, &secret, &encapsulated, b"").unwrap();
    (sender, receiver)
}

fn jwe_seal(text: &[u8]) -> String {
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    jwe::serialize_compact(text, &header, &Dir.encrypter_from_bytes(KEY).unwrap()).unwrap()
}

fn ohttp_config() -> ohttp::KeyConfig {
    let suite = ohttp::SymmetricSuite::new(ohttp::hpke::Kdf::HkdfSha256, ohttp::hpke::Aead::Aes128Gcm);
    ohttp::KeyConfig::new(1, ohttp::hpke::Kem::X25519Sha256, vec![suite]).unwrap()
}
