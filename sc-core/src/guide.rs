//! Guides: documents to read, without code.
//!
//! Those about running a server and about choosing are in `sc_std::guide`.

/// The protocol as one document, for implementers in any language: bytes, headers, codes, order of checks, traps.
///
/// Wherever the crates cite "PROTOCOL 4.3", section 4.3 of this is meant.
///
/// [vectors]: crate::guide::vectors
#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}

/// The test vectors: every file and every field, and how to replay the conversations.
///
#[doc = include_str!("../vectors/README.md")]
pub mod vectors {}
