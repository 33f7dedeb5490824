//! What `scv2 inspect` reads is shown or refused, and steers no terminal.
#![no_main]
#![allow(dead_code, reason = "of the program, what reads and shows")]

/// The program's own files: no library has them.
#[path = "../../sc-std/src/bin/scv2"]
mod scv2 {
    pub(crate) mod exit;
    pub(crate) mod hex;
    pub(crate) mod hex_view;
    pub(crate) mod input;
    pub(crate) mod inspect;
    pub(crate) mod json_view;
    pub(crate) mod terminal;
}
use scv2::{exit, hex, hex_view, input, inspect, json_view, terminal};

libfuzzer_sys::fuzz_target!(|data: &[u8]| inspect::fuzzing::inspect(data));
