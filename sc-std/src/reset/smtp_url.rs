//! The address of a mail server: `smtps://user:password@host:port`, parsed once, never shown (feature `smtp`).

use percent_encoding::percent_decode_str;
use url::{Host, Url};
use zeroize::Zeroizing;

/// Why text is no address of a mail server. Holds nothing of the text, which may have a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpUrlError {
    /// It is not a URL of the scheme `smtp` or `smtps` with a host.
    #[error("not a URL like smtps://host or smtp://host?tls=required")]
    Form,
    /// It has a parameter other than `tls=required` or `tls=opportunistic`, which `smtp` alone may have.
    #[error("the only parameter is tls=required or tls=opportunistic, with smtp://")]
    Parameter,
    /// It has a user without a password or a password without a user, or one that is no UTF-8.
    #[error("a user and a password come together, percent-encoded where need be")]
    Credentials,
    /// The name in its path, with which the server is greeted, is not a name of a host.
    #[error("the path of the URL is the name to greet the server with, a host name, or nothing")]
    Greeting,
    /// The sender is not a mailbox.
    #[error("the sender is not like Name <name@example.com>")]
    Sender,
    /// There is no TLS here: no certificate of the system's can be read, for example.
    #[error("TLS cannot be set up: are there root certificates on this machine?")]
    Tls,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// Not at all.
    Nothing,
    /// By STARTTLS if the server offers it.
    Opportunistic,
    /// By STARTTLS, or there is no connection.
    StartTls,
    /// By TLS from the first byte.
    Tls,
}

/// A user and a password.
pub(super) struct Login {
    pub(super) user: Zeroizing<String>,
    pub(super) password: Zeroizing<String>,
}

/// The parts of a URL.
pub(super) struct SmtpUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    pub(super) login: Option<Login>,
    pub(super) greeting: Option<String>,
    /// Whether the host is this machine.
    pub(super) is_local: bool,
}

impl SmtpUrl {
    pub(super) fn parse(text: &str) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(text).map_err(|_| SmtpUrlError::Form)?;
        // Hosts of other than web schemes are opaque text to `url`: read them as one of a web address would be.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SmtpUrlError::Form)?;
        let host = Host::parse(host).map_err(|_| SmtpUrlError::Form)?;
        let is_local = match &host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let host = match host {
            Host::Domain(name) => name,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        if url.fragment().is_some() {
            return Err(SmtpUrlError::Form);
        }
        let (protection, port) = protection(&url)?;
        let port = url.port().unwrap_or(port);
        Ok(Self { host, port, protection, login: login(&url)?, greeting: greeting(&url)?, is_local })
    }

    /// Whether a password would be readable on the way.
    pub(super) fn shows_password(&self) -> bool {
        let readable = matches!(self.protection, Protection::Nothing | Protection::Opportunistic);
        readable && self.login.is_some() && !self.is_local
    }
}

/// The protection that a URL asks for, and the port that goes with it.
fn protection(url: &Url) -> Result<(Protection, u16), SmtpUrlError> {
    match (url.scheme(), url.query()) {
        ("smtps", None) => Ok((Protection::Tls, 465)),
        ("smtp", None) => Ok((Protection::Nothing, 25)),
        ("smtp", Some("tls=required")) => Ok((Protection::StartTls, 587)),
        ("smtp", Some("tls=opportunistic")) => Ok((Protection::Opportunistic, 587)),
        ("smtp" | "smtps", Some(_)) => Err(SmtpUrlError::Parameter),
        _ => Err(SmtpUrlError::Form),
    }
}

fn login(url: &Url) -> Result<Option<Login>, SmtpUrlError> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8().map_err(|_| SmtpUrlError::Credentials)?;
        Ok(Zeroizing::new(decoded.into_owned()))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None | Some("")) => Err(SmtpUrlError::Credentials),
        (user, Some(password)) => Ok(Some(Login { user: decode(user)?, password: decode(password)? })),
    }
}

fn greeting(url: &Url) -> Result<Option<String>, SmtpUrlError> {
    let name = url.path().trim_start_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    match name {
        "" => Ok(None),
        name if name.len() <= 253 && name.bytes().all(plain) => Ok(Some(name.to_owned())),
        _ => Err(SmtpUrlError::Greeting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SmtpUrl {
        SmtpUrl::parse(text).unwrap()
    }

    #[test]
    fn scheme_and_parameter_choose_protection_and_port() {
        for (text, protection, port) in [
            ("smtp://mail.example.com", Protection::Nothing, 25),
            ("smtp://mail.example.com?tls=required", Protection::StartTls, 587),
            ("smtp://mail.example.com/?tls=opportunistic", Protection::Opportunistic, 587),
            ("smtps://mail.example.com", Protection::Tls, 465),
            ("SMTPS://Mail.Example.com:2465", Protection::Tls, 2465),
        ] {
            let url = parse(text);
            assert_eq!((url.host.as_str(), url.protection, url.port), ("mail.example.com", protection, port));
            assert!(url.login.is_none() && url.greeting.is_none() && !url.is_local);
        }
        assert_eq!(parse("smtp://[::1]:25").host, "::1");
        assert_eq!(parse("smtps://mail.example.com/mx1.example.com").greeting.unwrap(), "mx1.example.com");
    }

    #[test]
    fn user_and_password_are_decoded() {
        let login = parse("smtps://me%40example.com:p%3Aa%2Fss@host").login.unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("me@example.com", "p:a/ss"));
    }

    #[test]
    fn a_password_is_readable_where_it_travels_without_certain_tls() {
        for (text, shown) in [
            ("smtp://u:p@host", true),
            ("smtp://u:p@host?tls=opportunistic", true),
            ("smtp://u:p@192.0.2.1", true),
            ("smtp://u:p@host?tls=required", false),
            ("smtps://u:p@host", false),
            ("smtp://host", false),
            ("smtp://u:p@localhost", false),
            ("smtp://u:p@127.0.0.2", false),
            ("smtp://u:p@[::1]", false),
        ] {
            assert_eq!(parse(text).shows_password(), shown, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_nothing_of_it_is_told() {
        use SmtpUrlError::{Credentials, Form, Greeting, Parameter};
        for (text, expected) in [
            ("", Form),
            ("secret", Form),
            ("smtp:secret", Form),
            ("smtp://", Form),
            ("https://secret", Form),
            ("smtps://secret host", Form),
            ("smtps://host:99999", Form),
            ("smtps://host#secret", Form),
            ("smtps://host?tls=required", Parameter),
            ("smtp://host?tls=secret", Parameter),
            ("smtp://host?tls=required&secret=1", Parameter),
            ("smtps://secret@host", Credentials),
            ("smtps://secret:@host", Credentials),
            ("smtps://:secret@host", Credentials),
            ("smtps://u:%ff@host", Credentials),
            ("smtps://host/a%0d%0asecret", Greeting),
            ("smtps://host/a/b", Greeting),
        ] {
            let refused = SmtpUrl::parse(text).err();
            assert_eq!(refused, Some(expected), "{text}");
            assert!(!format!("{expected} {expected:?}").contains("secret"));
        }
    }
}
