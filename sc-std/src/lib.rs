//! Secure Channel v2 for services and apps: what sc-core needs around it.
#![forbid(unsafe_code)]

#[cfg(feature = "server")]
pub mod admission;
pub mod clock;
#[cfg(feature = "server")]
pub mod keys;
pub mod message;
pub mod provider;
pub mod rate_limit;
pub mod rng;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod store;
