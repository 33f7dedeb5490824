//! The bare AES-256-GCM of two backends that we do not use, as a floor for whoever does.

use std::hint::black_box;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::At;

const KEY: [u8; 32] = [7; 32];
const IV: [u8; 12] = [9; 12];

fn ring_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY).unwrap())
}

pub(crate) fn seal_all(at: &mut At) {
    let mut text = vec![0; at.size];
    let key = ring_key();
    at.seal("raw ring", || {
        let nonce = Nonce::assume_unique_for_key(IV);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), black_box(&mut text)).unwrap();
        let _ = black_box(tag);
    });
    let key = graviola::aead::AesGcm::new(&KEY);
    let mut tag = [0; 16];
    at.seal("raw graviola", || key.encrypt(&IV, b"", black_box(&mut text), black_box(&mut tag)));
}

pub(crate) fn open_all(at: &mut At) {
    let key = ring_key();
    let mut sealed = vec![0; at.size];
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(IV), Aad::empty(), &mut sealed).unwrap();
    at.open(
        "raw ring",
        || sealed.clone(),
        |sealed| {
            let nonce = Nonce::assume_unique_for_key(IV);
            black_box(key.open_in_place(nonce, Aad::empty(), black_box(sealed)).unwrap());
        },
    );
    let key = graviola::aead::AesGcm::new(&KEY);
    let mut text = vec![0; at.size];
    let mut tag = [0; 16];
    key.encrypt(&IV, b"", &mut text, &mut tag);
    at.open("raw graviola", || text.clone(), |text| key.decrypt(&IV, b"", black_box(text), &tag).unwrap());
}
