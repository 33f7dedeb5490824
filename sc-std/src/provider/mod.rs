//! Providers: the cryptographic libraries behind the protocol, each behind a Cargo feature.
//!
//! | feature | provider | use it for |
//! |---|---|---|
//! | `aws-lc-rs` | [`AwsLc`] | servers (the default): private RSA operations in constant-time C and assembly |
//! | `rustcrypto` | [`RustCrypto`] | clients that want pure Rust, targets without a C compiler |
//!
//! The features exclude nothing: a program may use both. An HSM or a KMS implements the
//! traits here itself.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
pub(crate) mod der;

#[cfg(feature = "aws-lc-rs")]
pub use self::aws_lc::{AwsLc, AwsLcAead, AwsLcPrivateKey, AwsLcPublicKey};
pub use sc_core::provider::{Aead, KeyUnwrap, KeyWrap, Provider, ProviderError};
#[cfg(feature = "rustcrypto")]
pub use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RsaPublicKey, RustCrypto};
