//! Secure Channel v2 for services and apps: what sc-core needs around it.
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod client;
pub mod message;
pub mod provider;
pub mod rng;
