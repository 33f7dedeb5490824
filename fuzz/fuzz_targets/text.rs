//! A text envelope that is read is an envelope, and writes back to one that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_core::envelope::MessageType;
use sc_core::text::{TextEnvelope, encode, encoded_len, max_decoded_len};

fn read(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; max_decoded_len(text.len())];
    let mut json = serde_json::Deserializer::from_slice(text);
    let envelope = TextEnvelope::new(MessageType::SessionData, &mut out).read(&mut json).ok()?.to_vec();
    json.end().ok().map(|()| envelope)
}

fuzz_target!(|text: &[u8]| {
    if let Some(envelope) = read(text) {
        let mut out = vec![0; encoded_len(envelope.len())];
        let written = encode(&envelope, &mut out).expect("an envelope has a text form");
        assert_eq!(read(written), Some(envelope));
    }
});
