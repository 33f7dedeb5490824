//! Secure Channel v2, the protocol.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "rustcrypto")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod associated;
pub mod channel;
pub mod envelope;
pub mod error;
pub mod id;
pub mod limits;
pub mod provider;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;
pub mod secret;
#[cfg(test)]
mod testing;
