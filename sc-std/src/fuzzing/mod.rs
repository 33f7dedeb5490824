//! Bodies of fuzz targets (builds for fuzzing only): a whole server without a socket, the providers held against each
//! other, and what loads keys. What `scv2 inspect` reads is fuzzed in the program's own folder.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target fails by panicking"
)]

mod key_documents;
mod layer;
mod providers;

pub use self::key_documents::key_documents;
pub use self::layer::layer;
pub use self::providers::providers;
