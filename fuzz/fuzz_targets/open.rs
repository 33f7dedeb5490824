//! Of a sealed envelope only the original opens, and a failed open leaves zeroes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sc_core::fuzzing::open(data));
