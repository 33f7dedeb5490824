//! Secure Channel v2 (SCv2), the protocol: application-layer encryption over HTTP, sans-IO and `no_std`.
//!
//! TLS ends at the edge proxy; behind it, passwords and reset links must stay unreadable. A client wraps two
//! AES-256 keys under the server's RSA key, gets a session id, and from then on both sides exchange sealed envelopes.
//! This crate is that protocol and nothing else: it asks for no clock, no randomness, no socket, no allocator. Bytes,
//! time and randomness come in as arguments; bytes, and what to do next, come out.
//!
//! ```text
//!               bytes, now, rng                    bytes, next step
//! your program ────────────────▶     sc-core     ────────────────▶ your program
//!                                       ▲
//!                  Aead, KeyWrap, KeyUnwrap: rustcrypto, or your secure element
//! ```
//!
//! # A whole conversation
//!
#![cfg_attr(feature = "rustcrypto", doc = "```")]
#![cfg_attr(not(feature = "rustcrypto"), doc = "```ignore")]
#![doc = include_str!("../examples/in_memory.rs")]
//! ```
//!
//! # Guided tour
//!
//! - [`guide::protocol`]: the protocol as one document, for readers and for implementers in other languages.
//! - [`guide::vectors`]: the test vectors, and how to replay whole conversations.
//! - `sc_std::guide`: running a server, migrating, choosing, security, comparison with TLS, JWE, HPKE and Noise.
//!
//! # What it is not
//!
//! It replaces neither TLS, nor the login token, nor permission checks. It does not authenticate the client, and
//! whoever steals the server's RSA key can read sessions recorded before (no forward secrecy). Method, path, status and
//! lengths are not authenticated by the `plain` profile.
//!
//! # Architecture
//!
//! | module | holds |
//! |---|---|
//! | [`envelope`], [`text`], [`document`], [`base64`] | the wire: binary envelope, text envelope, JSON documents |
//! | [`limits`], [`id`], [`code`], [`error`] | lengths and caps, identifiers and times, what a peer may see, errors by fault |
//! | [`secret`], [`provider`], [`oaep`], `rustcrypto` | keys, the three primitives, padding for bare RSA, the default provider |
//! | [`exchange`], [`associated`], [`channel`] | wrapping and unwrapping, associated data, sealing and opening |
//! | [`client`], [`session`], [`retry`] | the client machine: key, session, what to do after a refusal |
//! | [`server`], [`replay`] | the server machine: receive, open, settle, answer; IV sets and the ledger |
//! | [`recorded`], `key_log` | for debugging: opening what was recorded; keys for a key log |
//! | [`guide`] | documents to read: the protocol, the vectors |
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `rustcrypto` | yes | the provider of the RustCrypto project; needs an allocator for RSA |
//! | `danger-fixed-iv` | no | sealing with a given IV, to make test vectors |
//! | `danger-key-log` | no | session keys in the clear, for a key log; does not compile without debug assertions |
//!
//! Features only add: none takes anything away or changes what another does.
//!
//! # What is stable
//!
//! Versions are semantic; before 1.0 a minor version may change the API. Of other crates the API shows `rand_core` and
//! traits of `serde` and `zeroize`, nothing else. Needs Rust 1.95, the only version that it is built and tested with.
//!
//! # Security notes
//!
//! - A failed open leaves the sealed part of the buffer all zeroes, and changes nothing of the session.
//! - All causes for which a key exchange or an envelope does not open are one error.
//! - Keys are wiped on drop, cannot be cloned, compared or printed. A plaintext in a buffer of yours is yours to wipe.
//! - Forking a process without exec is not supported: both halves would draw the same randomness.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "rustcrypto")]
extern crate alloc;
#[cfg(any(test, fuzzing))]
extern crate std;

pub mod associated;
pub mod base64;
pub mod channel;
pub mod client;
pub mod code;
pub mod document;
pub mod envelope;
pub mod error;
pub mod exchange;
#[cfg(all(fuzzing, feature = "rustcrypto"))]
pub mod fuzzing;
#[cfg(doctest)]
mod guarantees;
pub mod guide;
pub mod id;
#[cfg(feature = "danger-key-log")]
pub mod key_log;
pub mod limits;
pub mod oaep;
pub mod provider;
mod quiet;
pub mod recorded;
pub mod replay;
pub mod retry;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;
pub mod secret;
pub mod server;
pub mod session;
mod sync;
mod table;
#[cfg(test)]
mod testing;
pub mod text;
