//! Secure Channel v2 for services and apps: what sc-core needs around it.
#![forbid(unsafe_code)]

pub mod clock;
pub mod keys;
pub mod message;
pub mod provider;
pub mod rate_limit;
#[cfg(feature = "server")]
pub mod reset;
pub mod rng;
