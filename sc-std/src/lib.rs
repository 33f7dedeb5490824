//! Secure Channel v2 for services and apps: what [`sc_core`] needs around it.
//!
//! ```text
//!   your axum service                              your app
//!        │ ScRouter, ScLayer                          │ ScClient
//!        ▼                                            ▼
//!   server ── keys, store, admission, limits       client ── Transport (reqwest, or yours)
//!        └──────────────── sc-core ───────────────────┘
//!                             ▲
//!                  provider: AWS-LC, RustCrypto
//! ```
//!
//! A server with one protected route:
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))] {
//! use axum::routing::post;
//! use sc_std::keys::KeyRing;
//! use sc_std::server::{ScRouter, ScServer, Sealed};
//! use sc_std::store::MemoryStore;
//!
//! # fn app() -> Result<axum::Router, Box<dyn std::error::Error>> {
//! let server = ScServer::builder(KeyRing::daily()?, MemoryStore::default()).build();
//! server.spawn_housekeeping(); // rotates keys, ends what is over
//! let echo = post(|Sealed(body): Sealed<serde_json::Value>| async { Sealed(body) });
//! let app: axum::Router = ScRouter::new(server).sealed("/echo", "echo", echo).into_router();
//! # Ok(app) }
//! # }
//! ```
//!
//! # Guided tour
//!
//! | read | to |
//! |---|---|
//! | [`guide::choosing`] | know which profile, key, store and client are yours |
//! | [`guide::migrating`] | bring a service over from plain JSON or JWE |
//! | [`guide::operating`] | run it: keys, Redis, limits, metrics, capacity, incidents |
//! | [`guide::security`] | know what the channel does not give, and what you must do |
//! | [`guide::comparison`] | see it beside TLS, mTLS, JWE, HPKE, OHTTP and Noise |
//! | [`sc_core::guide::protocol`] | speak it from another language |
//!
//! The examples, in the folder `examples` of the package:
//!
//! | example | shows |
//! |---|---|
//! | `axum_server` | a protected route |
//! | `client`, `blocking_client` | a call, with an async runtime and without one |
//! | `change_password` | a message of your own, on both sides |
//! | `forgot_password` | accounts and mails of your own, reset links, and the message that uses one |
//! | `kms` | an RSA key in a device that the server never holds |
//! | `custom_store` | a store of your own, and the suite that it must pass |
//! | `redis_fleet` | two servers over one Redis |
//!
//! # Architecture
//!
//! | module | holds |
//! |---|---|
//! | `server` | the tower layer, the session endpoints, the queue for RSA, the axum router, the serving loop |
//! | `client` | the HTTP client: one shared session, renewal, recovery |
//! | `keys` | a server's RSA keys: PEM files, keys behind a KMS or an HSM, the ring that rotates them |
//! | `store`, [`rate_limit`] | sessions, IV claims and ledger; the limits |
//! | `names`, [`language`] | paths and headers of the channel; the languages of answers and mails |
//! | [`message`], `reset` | typed messages, forgot password first; tokens, accounts and mails behind it |
//! | `page` | the page for browsers, and the protocol in JavaScript for apps to copy |
//! | [`provider`], [`rng`], [`clock`] | the cryptographic libraries, randomness, time |
//! | `key_log` | keys of sessions for people who debug: read by tools, written by builds for debugging only |
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `aws-lc-rs` | yes | the provider on AWS-LC, for servers |
//! | `server` | yes | key ring, stores, admission, limits, the tower layer, password reset |
//! | `axum` | yes | router, extractors, serving loop and the forgot-password endpoint for axum |
//! | `rustcrypto` | no | the provider in pure Rust |
//! | `client`, `reqwest` | no | the HTTP client, and its transport |
//! | `blocking` | no | the client for programs without an async runtime |
//! | `mail`, `smtp` | no | mails as files, built by lettre; mails to a mail server, with TLS by rustls |
//! | `metrics` | no | counters, gauges and histograms of a server, for any exporter |
//! | `page` | no | a page that shows the channel at work in a browser |
//! | `redis`, `redis-tls` | no | the store of a fleet, in Redis: a server or a cluster; by TLS, on rustls |
//! | `cli` | no | the `scv2` program |
//! | `danger-key-log` | no | session keys in a file, in the clear, for debugging; does not compile without debug assertions |
//!
//! Features only add: none takes anything away or changes what another does. With both providers
//! [`DefaultProvider`](provider::DefaultProvider) is the one on AWS-LC; both do the same to every byte.
//!
//! # What is stable
//!
//! Versions are semantic; before 1.0 a minor version may change the API. Of other crates the API shows [`sc_core`],
//! `rand_core`, `serde`, `zeroize`, `http`, `http-body`, `bytes`, `tokio`, `tower-layer`, `tower-service`, `ipnet`,
//! and with the feature `axum` axum. Needs Rust 1.95 or later; 1.95 is the version that it is built and tested with.
//!
//! # Security notes
//!
//! - The library's buffers for plaintext are wiped when the last handle is dropped; what a handler copies is its own.
//! - Forking a process without exec is not supported: both halves would draw the same randomness.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The protocol, in the version that this crate speaks, for stores, providers and transports of one's own.
pub use sc_core;

#[cfg(feature = "server")]
mod admission;
#[cfg(feature = "server")]
mod buffer;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
#[cfg(all(fuzzing, feature = "aws-lc-rs", feature = "axum", feature = "rustcrypto"))]
pub mod fuzzing;
pub mod guide;
#[cfg(feature = "__key-log")]
pub mod key_log;
mod keyed_hash;
#[cfg(feature = "server")]
pub mod keys;
pub mod language;
pub mod message;
#[cfg(any(feature = "client", feature = "server"))]
pub mod names;
#[cfg(feature = "page")]
pub mod page;
pub mod provider;
pub mod rate_limit;
#[cfg(any(feature = "client", feature = "server"))]
mod request_id;
#[cfg(feature = "server")]
pub mod reset;
pub mod rng;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
mod stack;
#[cfg(feature = "server")]
pub mod store;
mod sync;
