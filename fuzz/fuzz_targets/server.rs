//! The server machine does what a small model of sessions, IVs and wrapped keys says, in any order of operations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sc_core::fuzzing::server(data));
