//! Providers: the cryptographic libraries behind the protocol, each behind a Cargo feature.
//!
//! | feature | provider | use it for |
//! |---|---|---|
//! | `aws-lc-rs` | [`AwsLc`] | servers (the default): private RSA operations in constant-time C and assembly |
//! | `rustcrypto` | [`RustCrypto`] | clients that want pure Rust, targets without a C compiler |
//!
//! The features exclude nothing: a program may use both. An HSM or a KMS implements
//! [`RemoteKey`](crate::keys::RemoteKey), or [`PrivateKey`](crate::keys::PrivateKey) if it answers at once.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(any(feature = "aws-lc-rs", feature = "server"))]
pub(crate) mod der;

#[cfg(feature = "aws-lc-rs")]
pub use self::aws_lc::{AwsLc, AwsLcAead, AwsLcPrivateKey, AwsLcPublicKey};
pub use sc_core::provider::{Aead, KeyUnwrap, KeyWrap, Provider, ProviderError};
#[cfg(feature = "rustcrypto")]
pub use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RsaPublicKey, RustCrypto};

/// The provider of this build: AWS-LC where the feature `aws-lc-rs` is on, else RustCrypto. Both do the same to
/// every byte; the shared provider suite holds them to it.
#[cfg(feature = "aws-lc-rs")]
pub type DefaultProvider = AwsLc;
/// The provider of this build: AWS-LC where the feature `aws-lc-rs` is on, else RustCrypto. Both do the same to
/// every byte; the shared provider suite holds them to it.
#[cfg(all(feature = "rustcrypto", not(feature = "aws-lc-rs")))]
pub type DefaultProvider = RustCrypto;

/// The AEAD of [`DefaultProvider`].
#[cfg(any(feature = "aws-lc-rs", feature = "rustcrypto"))]
pub type DefaultAead = <DefaultProvider as Provider>::Aead;

#[cfg(not(any(feature = "aws-lc-rs", feature = "rustcrypto")))]
mod none;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rustcrypto")))]
pub use self::none::NoProvider;
/// No provider is in this build: name one of your own.
#[cfg(not(any(feature = "aws-lc-rs", feature = "rustcrypto")))]
pub type DefaultProvider = NoProvider;
/// No provider is in this build: name an AEAD of your own.
#[cfg(not(any(feature = "aws-lc-rs", feature = "rustcrypto")))]
pub type DefaultAead = NoProvider;
