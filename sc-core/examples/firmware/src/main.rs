//! A device as a client of Secure Channel v2: no operating system, no std, no allocator, fixed buffers, and a link that
//! carries one byte at a time.
//!
//! | file | holds |
//! |---|---|
//! | `app` | what the device does: the client machine of sc-core, driven by hand |
//! | `http` | as much of HTTP/1.1 as it takes, over bytes |
//! | `device` | the provider: the device's AES-GCM, and RSA on an engine that only knows `m^e mod n` |
//! | `board/*` | link, noise and clock: of a host, for trying it out, and of a microcontroller |
//!
//! See the README beside this folder.
#![no_std]
#![no_main]

mod app;
mod board;
mod device;
mod http;

/// The address whose password is forgotten. A real device would take it from its user.
const ADDRESS: &str = "user@example.com";

/// Runs the device once; a failure's number becomes the exit code.
fn run(board: &mut impl board::Board) -> u8 {
    match app::ask_for_a_reset_link(board, ADDRESS) {
        Ok(()) => 0,
        Err(failure) => failure as u8,
    }
}
