//! TLS to Redis (feature `redis-tls`): whom to trust, and who we are. By rustls on AWS-LC.

use redis::{ClientTlsConfig, TlsCertificates};
use zeroize::Zeroizing;

use super::RedisStoreError;

/// Certificates for an address that begins with `rediss://` or `rediss-cluster://`. Without any, the system's roots are trusted and
/// no certificate of ours is shown.
///
/// Each server's certificate must name the address by which it is reached; in a cluster that is the one that its nodes announce
/// (`cluster-announce-ip`, or `cluster-announce-hostname` with `cluster-preferred-endpoint-type hostname`).
///
/// # Examples
/// ```no_run
/// use sc_std::store::{RedisOptions, RedisStore, RedisTls, StoreKeys};
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = RedisTls::default().with_root_certificates(std::fs::read("ca.pem")?);
/// let keys = StoreKeys::read("store.key".as_ref())?;
/// let store = RedisStore::open("rediss://redis.example:6380", keys, RedisOptions::default().with_tls(tls)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct RedisTls {
    roots: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl RedisTls {
    /// Trusts these certificates, in PEM (RFC 7468), in the place of the system's.
    #[must_use]
    pub fn with_root_certificates(mut self, pem: Vec<u8>) -> Self {
        self.roots = Some(pem);
        self
    }

    /// Shows this certificate, with those that lead to a root, and proves it by its private key, both in PEM: for a Redis with
    /// `tls-auth-clients yes`, which is Redis's default.
    ///
    /// # Security
    /// The client library keeps copies of the key as long as the store lives, and does not wipe them.
    #[must_use]
    pub fn with_client_certificate(mut self, chain: Vec<u8>, key: Zeroizing<Vec<u8>>) -> Self {
        self.client = Some((chain, key));
        self
    }

    /// For the client library.
    pub(super) fn certificates(&self) -> Result<TlsCertificates, RedisStoreError> {
        for pem in self.roots.iter().chain(self.client.as_ref().map(|(chain, _)| chain)) {
            // The library takes a file without any for one whose certificates nobody needs.
            if !pem.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE) {
                return Err(RedisStoreError::Tls("a file of certificates has none in PEM"));
            }
        }
        let client_tls = self
            .client
            .as_ref()
            .map(|(chain, key)| ClientTlsConfig { client_cert: chain.clone(), client_key: key.to_vec() });
        Ok(TlsCertificates { client_tls, root_cert: self.roots.clone() })
    }
}

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Makes sure that rustls knows its cryptography: where several are compiled in, it would choose none and panic.
pub(super) fn choose_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been first, and then its choice counts.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

impl std::fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisTls")
            .field("roots", &self.roots.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_and_no_key_shows() {
        let pem = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_vec();
        let key = || Zeroizing::new(b"secret".to_vec());
        assert!(RedisTls::default().certificates().is_ok_and(|none| none.root_cert.is_none()));
        for bad in [
            RedisTls::default().with_root_certificates(b"AA==".to_vec()),
            RedisTls::default().with_client_certificate(Vec::new(), key()),
            RedisTls::default()
                .with_root_certificates(pem.clone())
                .with_client_certificate(b"x".to_vec(), key()),
        ] {
            assert!(matches!(bad.certificates(), Err(RedisStoreError::Tls(_))), "{bad:?}");
        }
        let good =
            RedisTls::default().with_root_certificates(pem.clone()).with_client_certificate(pem, key());
        assert!(good.certificates().is_ok_and(|both| both.root_cert.is_some() && both.client_tls.is_some()));
        assert!(!format!("{good:?}").contains("secret"));
    }
}
