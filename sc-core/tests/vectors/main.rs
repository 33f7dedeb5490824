//! The published test vectors, through the public interface only: both machines make and open them byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../common/mod.rs"]
mod common;

mod case;
mod envelopes;
mod provider;
mod text;
mod traces;
mod wrapping;
