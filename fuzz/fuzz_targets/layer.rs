//! A server without a socket: whatever is sent, plaintext neither gets in nor out, and nothing is done twice.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sc_std::fuzzing::layer(data));
