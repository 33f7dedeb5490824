//! Providers: the cryptographic libraries behind the protocol, each behind a Cargo feature.

#[cfg(feature = "rustcrypto")]
pub use sc_core::rustcrypto::RustCrypto;

/// The provider of clients unless they choose another.
#[cfg(feature = "rustcrypto")]
pub type DefaultProvider = RustCrypto;
