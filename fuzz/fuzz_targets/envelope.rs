//! Any bytes are one envelope or one error, and an envelope says the same whatever the cap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_core::envelope::{Envelope, ParseOptions, encode_exchange_head};

fuzz_target!(|bytes: &[u8]| {
    let options = ParseOptions::default();
    let parsed = Envelope::parse(bytes, &options);
    let wide = Envelope::parse(bytes, &options.with_max_plaintext(usize::MAX));
    match parsed {
        Ok(envelope) => assert_eq!(wide, Ok(envelope)),
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
    if let Ok(Envelope::KeyExchange(exchange, sealed)) = parsed {
        // What was read is what a writer writes.
        let mut head = vec![0; exchange.head().len()];
        encode_exchange_head(
            exchange.profile(),
            exchange.key_id(),
            exchange.encrypted_request_key(),
            exchange.encrypted_response_key(),
            &mut head,
        )
        .expect("a parsed head can be written");
        assert_eq!(head, exchange.head());
        assert_eq!(head.len() + 28 + sealed.ciphertext().len(), bytes.len());
    }
});
