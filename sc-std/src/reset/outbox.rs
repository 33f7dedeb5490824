//! An outbox: each mail becomes an .eml file, for trying things out and for other programs to send (feature `mail`).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use rand_core::Rng;
use zeroize::Zeroizing;

use super::{Mail, MailError, Mailer};
use crate::clock::{Clock, SystemClock};
use crate::rng::SystemSeeded;

/// Puts a mail together: headers, and the words in both forms.
///
/// Marked as made by a machine (RFC 3834), so that no holiday notice answers it.
///
/// # Errors
/// [`MailError::Address`] if mail cannot be addressed like this, [`MailError::Build`] if anything else is missing.
pub(super) fn render(mail: &Mail, from: &Mailbox) -> Result<Message, MailError> {
    const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
    const CONTENT_LANGUAGE: HeaderName = HeaderName::new_from_ascii_str("Content-Language");
    let to = mail.to.as_str().parse().map_err(|_| MailError::Address)?;
    let id =
        format!("<{:016x}{:016x}@{}>", SystemSeeded.next_u64(), SystemSeeded.next_u64(), from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(mail.subject)
        .message_id(Some(id))
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
        .raw_header(HeaderValue::new(CONTENT_LANGUAGE, mail.language.tag().to_owned()))
        .multipart(
            MultiPart::alternative()
                .singlepart(
                    SinglePart::builder().content_type(ContentType::TEXT_PLAIN).body(plain(&mail.text)),
                )
                .singlepart(SinglePart::html(mail.html.to_string())),
        )
        .map_err(|_| MailError::Build)
}

/// Longest line of a mail, in bytes (RFC 5322, section 2.1.1).
const MAX_LINE: usize = 998;

/// The plain text, unencoded where that is possible: a person who opens the file finds the link in one piece.
fn plain(text: &str) -> Body {
    let as_it_is = text.is_ascii() && !text.contains('\r') && text.lines().all(|line| line.len() <= MAX_LINE);
    if as_it_is {
        let lines = text.replace('\n', "\r\n").into_bytes();
        Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text.to_owned())
    }
}

/// A folder that mails are written to, on Unix for its owner only: folder 0700, files 0600.
///
/// # Security
/// The files hold working reset links. A folder that exists keeps its mode.
#[derive(Debug, Clone)]
pub struct Outbox {
    folder: PathBuf,
    from: Mailbox,
}

impl Outbox {
    /// Uses `folder`, which is made if need be. `from` is the sender, as in `Service <no-reply@example.com>`.
    ///
    /// # Errors
    /// [`io::Error`] if the folder cannot be made, or of the kind `InvalidInput` if `from` is not a sender.
    pub fn create(folder: &Path, from: &str) -> io::Result<Self> {
        private_folder(true).create(folder)?;
        Self::over(folder.to_owned(), from)
    }

    /// Makes a new folder of a random name among the system's temporary files.
    ///
    /// # Errors
    /// As [`Outbox::create`].
    pub fn temporary(from: &str) -> io::Result<Self> {
        let name = format!("scv2-outbox-{:016x}", SystemSeeded.next_u64());
        let folder = std::env::temp_dir().join(name);
        // Not recursive: it fails if somebody else has made the folder first.
        private_folder(false).create(&folder)?;
        Self::over(folder, from)
    }

    fn over(folder: PathBuf, from: &str) -> io::Result<Self> {
        let from = from.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a sender"))?;
        Ok(Self { folder, from })
    }

    /// Where the mails are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes one mail. A reader of the folder sees whole .eml files only.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{:013}-{:016x}", SystemClock::new().now().0, SystemSeeded.next_u64());
        let part = self.folder.join(format!("{name}.part"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&part, self.folder.join(format!("{name}.eml"))))
            .inspect_err(|_| {
                // The first error is the one to tell.
                let _ = fs::remove_file(&part);
            })
    }
}

impl Mailer for Outbox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let bytes = Zeroizing::new(render(&mail, &self.from)?.formatted());
        let outbox = self.clone();
        let written = tokio::task::spawn_blocking(move || outbox.write(&bytes)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(MailError::Delivery),
        }
    }
}

fn private_folder(recursive: bool) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(recursive);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Email;
    use crate::reset::{Language, reset_mail};

    const FROM: &str = "Service <no-reply@example.com>";
    const LINK: &str = "https://example.com/reset?token=0123456789012345678901234567890123456789012";

    fn mail(to: &str) -> Mail {
        reset_mail(Email::parse(to).unwrap(), LINK, 900_000, Language::En)
    }

    fn files(outbox: &Outbox) -> Vec<PathBuf> {
        fs::read_dir(outbox.folder()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn a_mail_becomes_one_whole_file_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::create(&folder.path().join("a/b"), FROM).unwrap();
        outbox.send(mail("user@example.com")).await.unwrap();
        let files = files(&outbox);
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].extension().unwrap(), "eml");
        let text = fs::read_to_string(&files[0]).unwrap();
        for part in [
            "To: user@example.com\r\n",
            "From: Service <no-reply@example.com>\r\n",
            "Subject: Choose a new password\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Language: en\r\n",
            "text/plain",
            "text/html",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.contains(LINK), "a person finds the link in the file\n{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(outbox.folder()), mode(&files[0])), (0o700, 0o600));
        }
    }

    #[test]
    fn text_that_cannot_travel_as_it_is_is_encoded() {
        let long = format!("{}\n", "x".repeat(MAX_LINE + 1));
        for (text, as_it_is) in [("a\nb\n", true), (long.as_str(), false), ("\u{e9}\n", false)] {
            let encoding = plain(text).encoding();
            assert_eq!(
                matches!(encoding, ContentTransferEncoding::SevenBit),
                as_it_is,
                "{text:?} {encoding:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_that_mail_cannot_take_is_refused_and_leaves_no_file() {
        let outbox = Outbox::temporary(FROM).unwrap();
        for bad in ["a@b,c", "<a>@b", "a@\u{202e}b"] {
            assert_eq!(outbox.send(mail(bad)).await, Err(MailError::Address), "{bad}");
        }
        assert!(files(&outbox).is_empty());
        fs::remove_dir(outbox.folder()).unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_an_error_without_its_path() {
        let outbox = Outbox::temporary(FROM).unwrap();
        fs::remove_dir(outbox.folder()).unwrap();
        assert_eq!(outbox.send(mail("a@example.com")).await, Err(MailError::Delivery));
    }

    #[test]
    fn a_bad_sender_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Outbox::create(folder.path(), "nobody").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
