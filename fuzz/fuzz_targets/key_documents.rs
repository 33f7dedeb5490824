//! Two readers of the same key agree, and no key is taken that should not be.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sc_std::fuzzing::key_documents(data));
