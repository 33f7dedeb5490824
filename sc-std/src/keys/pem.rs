//! Private keys as PKCS#8 PEM files: read with errors that help, written once and for the owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use pem_rfc7468::LineEnding;
use sc_core::id::KeyId;
use zeroize::Zeroizing;

use super::KeyError;
#[cfg(any(feature = "aws-lc-rs", feature = "rustcrypto"))]
use super::PrivateKey;
use crate::provider::der::{DerError, Modulus, spki_of_pkcs8};

/// The PEM label of an unencrypted PKCS#8 private key (RFC 7468, section 10).
const LABEL: &str = "PRIVATE KEY";

/// Longest PEM file that is read, in bytes. RSA-4096 needs 3,272.
pub const MAX_PEM_LEN: usize = 16_384;

/// Why a file is not a usable private key, or was not written. Carries nothing of the content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// The file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file to write exists; keys are never overwritten.
    #[error("the file exists, keys are never overwritten")]
    Exists,
    /// More than 16 KiB: not a key file.
    #[error("longer than {MAX_PEM_LEN} bytes, this is not a key file")]
    TooLong,
    /// No `-----BEGIN ...-----` line, or what follows it is not PEM.
    #[error("not PEM: a key file begins with -----BEGIN PRIVATE KEY-----")]
    NotPem,
    /// More than one PEM block.
    #[error("more than one PEM block, a key file holds exactly one private key")]
    Several,
    /// The older PKCS#1 form.
    #[error(
        "an RSA PRIVATE KEY (PKCS#1); convert it: openssl pkcs8 -topk8 -nocrypt -in OLD.pem -out NEW.pem"
    )]
    Pkcs1,
    /// A private key under a pass phrase.
    #[error("the private key is encrypted; decrypt it: openssl pkcs8 -in OLD.pem -out NEW.pem")]
    Encrypted,
    /// PEM, but of a public key, a certificate, a key in a form of its own.
    #[error("not a PKCS#8 private key: the PEM block is not labelled PRIVATE KEY")]
    OtherLabel,
    /// The PEM block does not hold one PKCS#8 structure.
    #[error("the PEM block does not hold one PKCS#8 private key")]
    NotPkcs8,
    /// A private key of another algorithm, or a size outside of 2048 to 4096 bits.
    #[error(transparent)]
    Key(KeyError),
}

/// A private key in PKCS#8 form, checked to be RSA of 2048 to 4096 bits; wiped on drop.
///
/// # Examples
/// ```
/// # #[cfg(feature = "aws-lc-rs")] {
/// use sc_std::keys::Pkcs8;
/// use sc_std::provider::AwsLcPrivateKey;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("key.pem");
/// let made = Pkcs8::from_der(&AwsLcPrivateKey::generate(2048)?.to_pkcs8()?)?;
/// made.write_new(&path)?;
/// assert_eq!(Pkcs8::read(&path)?.key_id(), made.key_id());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pkcs8 {
    der: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
    bits: usize,
}

impl Pkcs8 {
    /// Checks and copies the DER form.
    ///
    /// # Errors
    /// [`PemError::NotPkcs8`], or [`PemError::Key`] for another algorithm or size.
    pub fn from_der(der: &[u8]) -> Result<Self, PemError> {
        let checked = spki_of_pkcs8(der).and_then(|spki| Ok((Modulus::of_spki(&spki)?.bits(), spki)));
        match checked {
            Ok((bits, spki)) => Ok(Self { der: Zeroizing::new(der.to_vec()), spki, bits }),
            Err(DerError::Form) => Err(PemError::NotPkcs8),
            Err(other) => Err(PemError::Key(other.into())),
        }
    }

    /// Reads the PEM form. Text in front of the block is passed over, as RFC 7468 allows.
    ///
    /// # Errors
    /// [`PemError`]: the first rule that the text breaks.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PemError> {
        if pem.len() > MAX_PEM_LEN {
            return Err(PemError::TooLong);
        }
        check_label(pem)?;
        let mut buffer = Zeroizing::new(vec![0; MAX_PEM_LEN]);
        let (_, der) = pem_rfc7468::decode(pem, &mut buffer).map_err(|_| PemError::NotPem)?;
        Self::from_der(der)
    }

    /// Reads a PEM file.
    ///
    /// # Errors
    /// [`PemError::Io`] if it cannot be read, else as [`Pkcs8::from_pem`].
    pub fn read(path: &Path) -> Result<Self, PemError> {
        // Room for all that is read from the start: a buffer that grows leaves unwiped copies behind.
        let mut pem = Zeroizing::new(Vec::with_capacity(MAX_PEM_LEN + 2));
        let most = u64::try_from(MAX_PEM_LEN + 1).unwrap_or(u64::MAX);
        File::open(path)?.take(most).read_to_end(&mut pem)?;
        Self::from_pem(&pem)
    }

    /// Writes the PEM form to a new file, on Unix with mode 0600 from the moment it exists.
    ///
    /// # Errors
    /// [`PemError::Exists`] if there is such a file, or a link of that name; [`PemError::Io`] if it cannot be
    /// written, in which case no part of it is left.
    pub fn write_new(&self, path: &Path) -> Result<(), PemError> {
        let pem = self.to_pem()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => PemError::Exists,
            _ => PemError::Io(error),
        })?;
        file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
            // The first error is the one to tell.
            let _ = fs::remove_file(path);
            PemError::Io(error)
        })
    }

    /// The PEM form, wiped on drop.
    ///
    /// # Errors
    /// [`PemError::NotPkcs8`], which does not happen: every checked key has a PEM form.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, PemError> {
        pem_rfc7468::encode_string(LABEL, LineEnding::LF, &self.der)
            .map(Zeroizing::new)
            .map_err(|_| PemError::NotPkcs8)
    }

    /// The DER form.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The public key, as SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Size of the modulus, in bits.
    #[must_use]
    pub const fn modulus_bits(&self) -> usize {
        self.bits
    }

    /// The name of the key (PROTOCOL 10.2).
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId::of_spki(&self.spki)
    }

    /// The key, ready for a ring, in AWS-LC.
    ///
    /// # Errors
    /// [`PemError::Key`] if its numbers do not make a valid RSA key.
    #[cfg(feature = "aws-lc-rs")]
    pub fn into_aws_lc(self) -> Result<Box<dyn PrivateKey>, PemError> {
        let key = crate::provider::AwsLcPrivateKey::from_pkcs8(&self.der);
        Ok(Box::new(key.map_err(|error| PemError::Key(error.into()))?))
    }

    /// The key, ready for a ring, in RustCrypto.
    ///
    /// # Errors
    /// [`PemError::Key`] if its numbers do not make a valid RSA key.
    #[cfg(feature = "rustcrypto")]
    pub fn into_rustcrypto(self) -> Result<Box<dyn PrivateKey>, PemError> {
        Ok(Box::new(super::RustCryptoPrivateKey::from_pkcs8(&self.der).map_err(PemError::Key)?))
    }
}

impl std::fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pkcs8").field("bits", &self.bits).finish_non_exhaustive()
    }
}

/// Tells the usual wrong files apart by their BEGIN lines.
fn check_label(pem: &[u8]) -> Result<(), PemError> {
    let mut labels = pem.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(|line| {
        line.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.trim_ascii_end().strip_suffix(b"-----"))
    });
    let label = labels.next().ok_or(PemError::NotPem)?;
    if labels.next().is_some() {
        return Err(PemError::Several);
    }
    match label {
        b"PRIVATE KEY" => Ok(()),
        b"RSA PRIVATE KEY" => Err(PemError::Pkcs1),
        b"ENCRYPTED PRIVATE KEY" => Err(PemError::Encrypted),
        _ => Err(PemError::OtherLabel),
    }
}

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use super::*;
    use crate::provider::AwsLcPrivateKey;

    fn sample() -> Pkcs8 {
        Pkcs8::from_der(&AwsLcPrivateKey::generate(2048).unwrap().to_pkcs8().unwrap()).unwrap()
    }

    fn relabelled(pem: &str, label: &str) -> String {
        pem.replace("PRIVATE KEY", label)
    }

    #[test]
    fn a_key_survives_its_file_and_the_file_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let der = AwsLcPrivateKey::generate(2048).unwrap().to_pkcs8().unwrap();
        let key = Pkcs8::from_der(&der).unwrap();
        assert_eq!((key.der(), key.modulus_bits()), (&**der, 2048));
        key.write_new(&path).unwrap();
        let again = Pkcs8::read(&path).unwrap();
        assert_eq!((again.der(), again.spki_der()), (key.der(), key.spki_der()));
        assert_eq!(again.into_aws_lc().unwrap().spki_der(), key.spki_der());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_existing_file_is_never_overwritten_even_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(sample().write_new(&path), Err(PemError::Exists)));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        #[cfg(unix)]
        {
            let link = folder.path().join("link.pem");
            std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
            assert!(matches!(sample().write_new(&link), Err(PemError::Exists)));
        }
    }

    #[test]
    fn a_file_that_is_a_byte_too_long_is_refused_as_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "x".repeat(MAX_PEM_LEN)).unwrap();
        assert!(matches!(Pkcs8::read(&path), Err(PemError::NotPem)));
        fs::write(&path, "x".repeat(MAX_PEM_LEN + 1)).unwrap();
        assert!(matches!(Pkcs8::read(&path), Err(PemError::TooLong)));
    }

    #[test]
    fn every_wrong_file_is_told_apart() {
        let pem = sample().to_pem().unwrap();
        let error = |text: &str| Pkcs8::from_pem(text.as_bytes()).unwrap_err();
        assert!(matches!(error(""), PemError::NotPem));
        assert!(matches!(error("hello"), PemError::NotPem));
        assert!(matches!(error(&"x".repeat(MAX_PEM_LEN + 1)), PemError::TooLong));
        assert!(matches!(error(&relabelled(&pem, "RSA PRIVATE KEY")), PemError::Pkcs1));
        assert!(error(&relabelled(&pem, "RSA PRIVATE KEY")).to_string().contains("openssl pkcs8 -topk8"));
        assert!(matches!(error(&relabelled(&pem, "ENCRYPTED PRIVATE KEY")), PemError::Encrypted));
        assert!(matches!(error(&relabelled(&pem, "CERTIFICATE")), PemError::OtherLabel));
        assert!(matches!(error(&relabelled(&pem, "EC PRIVATE KEY")), PemError::OtherLabel));
        assert!(matches!(error(&format!("{}{}", &*pem, &*pem)), PemError::Several));
        assert!(matches!(error(&pem.replace("-----END", "----END")), PemError::NotPem));
        assert!(matches!(error(&pem[..pem.len() / 2]), PemError::NotPem));
        let junk = pem_rfc7468::encode_string(LABEL, LineEnding::LF, &[7; 90]).unwrap();
        assert!(matches!(error(&junk), PemError::NotPkcs8));
    }

    #[test]
    fn a_key_of_another_algorithm_or_size_is_refused() {
        // PKCS#8 of an Ed25519 key: RFC 8410, section 10.3.
        let ed25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        assert!(matches!(Pkcs8::from_pem(ed25519.as_bytes()), Err(PemError::Key(KeyError::NotRsa))));
        for (file, bits) in [("rsa1024.pem", 1024), ("rsa8192.pem", 8192)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
            let error = Pkcs8::read(&path).unwrap_err();
            assert!(
                matches!(error, PemError::Key(KeyError::Bits { bits: found }) if found == bits),
                "{file}: {error}"
            );
        }
    }

    #[test]
    fn text_in_front_and_windows_line_ends_are_taken() {
        let pem = sample().to_pem().unwrap();
        assert!(Pkcs8::from_pem(format!("Bag Attributes\n{}", &*pem).as_bytes()).is_ok());
        assert!(Pkcs8::from_pem(pem.replace('\n', "\r\n").as_bytes()).is_ok());
    }

    #[test]
    fn neither_errors_nor_debug_show_the_content() {
        let key = sample();
        let pem = key.to_pem().unwrap();
        let line = pem.lines().nth(3).unwrap();
        assert_eq!(format!("{key:?}"), "Pkcs8 { bits: 2048, .. }");
        let broken = pem.replace(line, &format!("{line}*"));
        let error = Pkcs8::from_pem(broken.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&line[..8]));
    }
}
