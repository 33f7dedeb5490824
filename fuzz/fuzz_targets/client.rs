//! The client machine does what a small model says, whatever the server answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sc_core::fuzzing::client(data));
