//! Mails over SMTP, with a few connections kept open between them (feature `smtp`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpFailure;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::outbox::render;
use super::smtp_url::{Protection, SmtpUrl, SmtpUrlError};
use super::{Mail, MailError, Mailer};

/// Connections that wait for the next mail, at most.
const MAX_IDLE: usize = 4;
/// How long a connection may have waited to be used again.
const MAX_IDLE_TIME: Duration = Duration::from_secs(60);
/// The ways to log in, the first that the server offers. Both send the password as it is.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

/// A mail server that takes mails over SMTP.
///
/// | URL | protection | port |
/// |---|---|---|
/// | `smtps://user:password@host` | TLS from the first byte: the one to prefer | 465 |
/// | `smtp://user:password@host?tls=required` | STARTTLS, or no mail is sent | 587 |
/// | `smtp://host?tls=opportunistic` | STARTTLS if the server offers it: anybody on the way can prevent it | 587 |
/// | `smtp://host` | none: for a server on the same machine | 25 |
///
/// User and password are percent-encoded where need be. A path names the host that the server is greeted as
/// (`smtps://host/app.example.com`); by default it is the sender's domain. Certificates are verified as the system does.
///
/// # Security
/// No error and no log holds an address, a password or a text of the server, which may repeat both. A mail that is given
/// up takes its connection along, so that no connection is used again in the middle of another mail.
pub struct Smtp {
    url: SmtpUrl,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    greeting: ClientId,
    from: Mailbox,
    timeout: Duration,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits.
struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Smtp {
    /// A server by its URL. `from` is the sender, as in `Service <no-reply@example.com>`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`SmtpUrlError`], which holds nothing of either text.
    ///
    /// # Examples
    /// ```
    /// use sc_std::reset::Smtp;
    ///
    /// let mailer = Smtp::new("smtp://127.0.0.1:2525", "Service <no-reply@example.com>")?;
    /// assert!(Smtp::new("mail.example.com", "Service <no-reply@example.com>").is_err());
    /// # Ok::<(), sc_std::reset::SmtpUrlError>(())
    /// ```
    pub fn new(url: &str, from: &str) -> Result<Self, SmtpUrlError> {
        let url = SmtpUrl::parse(url)?;
        let from: Mailbox = from.parse().map_err(|_| SmtpUrlError::Sender)?;
        if url.shows_password() {
            tracing::warn!("the password of the mail server travels without certain TLS: prefer smtps://");
        }
        let tls = match url.protection {
            Protection::Nothing => None,
            Protection::Opportunistic | Protection::StartTls | Protection::Tls => {
                Some(TlsParameters::new(url.host.clone()).map_err(|_| SmtpUrlError::Tls)?)
            }
        };
        let credentials = url
            .login
            .as_ref()
            .map(|login| Credentials::new(login.user.to_string(), login.password.to_string()));
        let domain = from.email.domain();
        let greeting = match &url.greeting {
            Some(name) => ClientId::Domain(name.clone()),
            None if domain.is_ascii() => ClientId::Domain(domain.to_owned()),
            None => ClientId::default(),
        };
        let (timeout, idle) = (Duration::from_secs(30), Mutex::default());
        Ok(Self { url, tls, credentials, greeting, from, timeout, idle })
    }

    /// Sets how long one mail may take, connecting included. Default: 30 seconds.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Hands a mail over, and keeps the connection for the next one if all went well.
    async fn deliver(&self, message: &Message) -> Result<(), SmtpFailure> {
        let mut connection = self.connection().await?;
        connection.send(message.envelope(), &Zeroizing::new(message.formatted())).await?;
        if !connection.has_broken() {
            let idle = Idle { connection, since: Instant::now() };
            let mut waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < MAX_IDLE {
                waiting.push(idle);
            }
        }
        Ok(())
    }

    /// A connection that answers: one that waited, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, SmtpFailure> {
        while let Some(mut idle) = self.next_idle() {
            if idle.since.elapsed() < MAX_IDLE_TIME && idle.connection.test_connected().await {
                return Ok(idle.connection);
            }
        }
        self.connect().await
    }

    fn next_idle(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let server = (self.url.host.as_str(), self.url.port);
        let at_once = self.tls.clone().filter(|_| self.url.protection == Protection::Tls);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.greeting, at_once, None)
                .await?;
        let upgrade = match self.url.protection {
            Protection::Nothing | Protection::Tls => false,
            Protection::Opportunistic => connection.can_starttls(),
            // Where the server does not offer it, this is an error.
            Protection::StartTls => true,
        };
        if let Some(tls) = self.tls.clone().filter(|_| upgrade) {
            connection.starttls(tls, &self.greeting).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

impl Mailer for Smtp {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = render(&mail, &self.from)?;
        // The connection belongs to this future alone: whoever drops it in the middle of a mail closes it.
        match tokio::time::timeout(self.timeout, self.deliver(&message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(judge(&failure)),
            Err(_) => Err(MailError::TimedOut),
        }
    }
}

/// What may be told of a failure: never its text.
fn judge(failure: &SmtpFailure) -> MailError {
    let status = failure.status().map(u16::from);
    tracing::debug!(status, tls = failure.is_tls(), "the mail server took no mail");
    if failure.is_permanent() {
        MailError::Refused
    } else if failure.is_timeout() {
        MailError::TimedOut
    } else {
        MailError::Delivery
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp")
            .field("protection", &self.url.protection)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "Service <no-reply@example.com>";

    #[test]
    fn debug_output_shows_no_host_and_no_login() {
        let smtp = Smtp::new("smtp://secret:secret@secret.example.com", FROM).unwrap();
        assert_eq!(format!("{smtp:?}"), "Smtp { protection: Nothing, timeout: 30s, .. }");
    }

    #[test]
    fn a_bad_sender_is_refused() {
        for bad in ["", "nobody", "a@b\r\nBcc: c@d"] {
            assert_eq!(Smtp::new("smtp://localhost", bad).err(), Some(SmtpUrlError::Sender), "{bad:?}");
        }
    }

    #[test]
    fn a_server_is_greeted_by_the_name_of_the_path_or_of_the_sender() {
        let greeting = |url: &str| Smtp::new(url, FROM).unwrap().greeting.to_string();
        assert_eq!(greeting("smtp://localhost/app.example.com"), "app.example.com");
        assert_eq!(greeting("smtp://localhost"), "example.com");
    }
}
