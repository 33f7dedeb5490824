//! Both providers seal, open, unwrap and load the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sc_std::fuzzing::providers(data));
