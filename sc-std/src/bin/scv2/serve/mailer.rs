//! Where `scv2 serve` sends its mails: to a folder, or to a mail server.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use sc_std::reset::{Mail, MailError, Mailer, Outbox, Smtp, SmtpUrlError};
use url::Url;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::input;

/// Longest file with the URL of a mail server, in bytes.
const MAX_URL_FILE: usize = 4096;

/// The options about mails.
#[derive(Debug, Args)]
pub(crate) struct MailOptions {
    /// Where mails are written as .eml files. Default: a temporary folder, named on standard error.
    #[arg(long, value_name = "DIR", group = "mails")]
    outbox: Option<PathBuf>,
    /// The mail server: smtps://USER:PASSWORD@HOST, smtp://HOST?tls=required, or smtp://HOST on the same machine.
    #[arg(long, value_name = "URL", group = "mails", value_parser = secret)]
    smtp: Option<Secret>,
    /// A file with the URL of the mail server, so that its password is not in the list of processes.
    #[arg(long, value_name = "FILE", group = "mails")]
    smtp_file: Option<PathBuf>,
    /// The sender of mails.
    #[arg(long, value_name = "ADDRESS", default_value = "Password reset <no-reply@localhost>")]
    mail_from: String,
}

/// Text that may have a password in it. Debug does not show it.
#[derive(Clone)]
struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Takes any text: what is wrong with it is told later, without repeating it.
#[allow(clippy::unnecessary_wraps, reason = "the form of a value parser")]
fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret(Zeroizing::new(text.to_owned())))
}

/// A folder or a mail server.
pub(crate) enum AnyMailer {
    Folder(Outbox),
    /// One that nobody asked for: it goes at the end unless there are mails in it.
    Temporary(Outbox),
    Server(Box<Smtp>),
}

impl Drop for AnyMailer {
    fn drop(&mut self) {
        if let Self::Temporary(outbox) = self {
            // Fails where there is a mail, and that is the condition.
            let _ = std::fs::remove_dir(outbox.folder());
        }
    }
}

impl Mailer for AnyMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        match self {
            Self::Folder(outbox) | Self::Temporary(outbox) => outbox.send(mail).await,
            Self::Server(smtp) => smtp.send(mail).await,
        }
    }
}

impl MailOptions {
    /// The mailer that the options ask for.
    pub(crate) fn mailer(&self) -> Result<AnyMailer, Failure> {
        if let Some(Secret(url)) = &self.smtp {
            if Url::parse(url).is_ok_and(|url| url.password().is_some()) {
                anstream::eprintln!(
                    "warning: the password in --smtp is visible in the list of processes; use --smtp-file"
                );
            }
            return self.server(url, "--smtp");
        }
        if let Some(file) = &self.smtp_file {
            let bytes = input::file(file, MAX_URL_FILE)?;
            let name = file.display().to_string();
            let url = std::str::from_utf8(&bytes)
                .map_err(|_| Failure::Usage(format!("{name}: {}", SmtpUrlError::Form)))?;
            return self.server(url.trim(), &name);
        }
        if let Some(folder) = &self.outbox {
            return opened(Outbox::create(folder, &self.mail_from), folder).map(AnyMailer::Folder);
        }
        let outbox = opened(Outbox::temporary(&self.mail_from), Path::new("outbox"))?;
        anstream::eprintln!("scv2: mails are written to {}", outbox.folder().display());
        Ok(AnyMailer::Temporary(outbox))
    }

    fn server(&self, url: &str, source: &str) -> Result<AnyMailer, Failure> {
        match Smtp::new(url, &self.mail_from) {
            Ok(smtp) => Ok(AnyMailer::Server(Box::new(smtp))),
            Err(error @ SmtpUrlError::Sender) => Err(Failure::Usage(format!("--mail-from: {error}"))),
            Err(error) => Err(Failure::Usage(format!("{source}: {error}"))),
        }
    }
}

/// An outbox, or what is wrong with its folder or its sender.
fn opened(made: std::io::Result<Outbox>, folder: &Path) -> Result<Outbox, Failure> {
    made.map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => Failure::Usage(format!("--mail-from: {}", SmtpUrlError::Sender)),
        _ => Failure::Usage(format!("{}: {error}", folder.display())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_shows_in_debug_output() {
        let options = MailOptions {
            outbox: None,
            smtp: secret("smtps://u:secret@host").ok(),
            smtp_file: None,
            mail_from: "a@b".to_owned(),
        };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
