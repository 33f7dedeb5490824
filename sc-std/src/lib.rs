//! Secure Channel v2 for services and apps: what sc-core needs around it.
#![forbid(unsafe_code)]

#[cfg(feature = "server")]
pub mod admission;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
#[cfg(feature = "server")]
pub mod keys;
pub mod message;
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
pub mod store;
