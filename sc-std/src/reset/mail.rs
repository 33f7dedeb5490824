//! The reset mail: its link, its words, and what sends it.

use std::future::Future;

use url::{Position, Url};
use zeroize::Zeroizing;

use super::ResetToken;
use super::words::{Words, minutes};
use crate::language::Language;
use crate::message::Email;

/// Text that cannot be the base of a reset link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reset URL begins with https:// or http://, names a host and no user")]
#[non_exhaustive]
pub struct LinkError;

/// The page that a reset link leads to.
///
/// # Examples
/// ```
/// use sc_std::reset::{ResetLink, ResetToken};
/// use sc_std::rng::SystemSeeded;
///
/// let link = ResetLink::parse("https://example.com/reset?lang=en")?;
/// let token = ResetToken::draw(&mut SystemSeeded);
/// assert_eq!(*link.with(&token), format!("https://example.com/reset?lang=en&token={}", *token.to_text()));
/// # Ok::<(), sc_std::reset::LinkError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ResetLink {
    before: String,
    after: String,
}

impl ResetLink {
    /// Checks a base URL, to which each link adds the query parameter `token`.
    ///
    /// # Errors
    /// [`LinkError`] if it is not an absolute URL of http or https, or holds a user or password.
    pub fn parse(base: &str) -> Result<Self, LinkError> {
        let mut url = Url::parse(base).map_err(|_| LinkError)?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if web && url.username().is_empty() && url.password().is_none() {
            url.query_pairs_mut().append_pair("token", "");
            let (before, fragment) = url[..].split_at(url[..Position::AfterQuery].len());
            Ok(Self { before: before.to_owned(), after: fragment.to_owned() })
        } else {
            Err(LinkError)
        }
    }

    /// The link with a token, wiped on drop.
    #[must_use]
    pub fn with(&self, token: &ResetToken) -> Zeroizing<String> {
        // A token needs no escape in a URL.
        in_one_piece(&[&self.before, &token.to_text(), &self.after])
    }
}

/// One mail to one address. Debug shows neither the address nor the words.
#[non_exhaustive]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// The subject.
    pub subject: &'static str,
    /// The words as plain text.
    pub text: Zeroizing<String>,
    /// The words as HTML.
    pub html: Zeroizing<String>,
    /// Their language.
    pub language: Language,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("language", &self.language).finish_non_exhaustive()
    }
}

/// Why a mail was not sent. Carries no text of a mail server: it repeats addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The address has the shape of one, but no mail can be addressed to it.
    #[error("the address cannot be written to")]
    Address,
    /// The mail could not be put together.
    #[error("the mail could not be built")]
    Build,
    /// The mail could not be handed over.
    #[error("the mail could not be handed over")]
    Delivery,
    /// The mail server refused the mail, its sender or its recipient for good.
    #[error("the mail server refused the mail")]
    Refused,
    /// The mail server took too long.
    #[error("the mail server took too long")]
    TimedOut,
}

/// Sends mails: an API, an SMTP client such as `Smtp` (feature `smtp`), or `Outbox` (feature `mail`), which writes files.
///
/// # Examples
/// `examples/forgot_password.rs` has one of its own.
pub trait Mailer: Send + Sync + 'static {
    /// Hands one mail over. Called after the answer, so its time shows nowhere.
    ///
    /// # Errors
    /// [`MailError`]; the worker then revokes the mail's token.
    fn send(&self, mail: Mail) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Writes the mail with a reset link that is valid for `valid_ms` milliseconds, in a language.
#[must_use]
pub fn reset_mail(to: Email, link: &str, valid_ms: u64, language: Language) -> Mail {
    let Words { subject, greeting, request: [before, after], otherwise } = Words::of(language);
    let valid = minutes(valid_ms, language);
    let text =
        in_one_piece(&[greeting, "\n\n", before, &valid, after, "\n\n", link, "\n\n", otherwise, "\n"]);
    let href = Zeroizing::new(escape(link));
    let head = format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
         <body>\n<p>{greeting}</p>\n<p>{before}{valid}{after}</p>\n<p><a href=\""
    );
    let foot = format!("</a></p>\n<p>{otherwise}</p>\n</body>\n</html>\n");
    let html = in_one_piece(&[&head, &href, "\">", &href, &foot]);
    Mail { to, subject, text, html, language }
}

/// Puts text together without growing: a string that moves leaves a copy behind that nobody wipes.
fn in_one_piece(parts: &[&str]) -> Zeroizing<String> {
    Zeroizing::new(parts.concat())
}

/// Escapes what means something in HTML text and attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len().saturating_mul(6));
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SystemSeeded;

    #[test]
    fn only_web_addresses_without_a_user_are_taken() {
        for good in ["https://example.com", "http://127.0.0.1:8080/reset", "https://example.com/a?b=c#d"] {
            assert!(ResetLink::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/reset",
            "example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://u:p@x",
            "https://",
        ] {
            assert_eq!(ResetLink::parse(bad).err(), Some(LinkError), "{bad}");
        }
    }

    #[test]
    fn the_token_joins_the_query_before_the_fragment() {
        let token = ResetToken::draw(&mut SystemSeeded);
        let link = ResetLink::parse("https://example.com/a?b=c#d").unwrap().with(&token);
        assert_eq!(*link, format!("https://example.com/a?b=c&token={}#d", *token.to_text()));
    }

    #[test]
    fn the_words_hold_the_link_and_the_time_in_both_forms() {
        let link = "https://example.com/?a='1'&token=x";
        let mail = reset_mail(Email::parse("a@b").unwrap(), link, 900_000, Language::En);
        assert!(mail.text.contains(link) && mail.text.contains("within 15 minutes"));
        let escaped = "https://example.com/?a=&#39;1&#39;&amp;token=x";
        assert!(mail.html.contains(&format!("<a href=\"{escaped}\">{escaped}</a>")));
        assert!(mail.html.contains("within 15 minutes"));
        let short = reset_mail(Email::parse("a@b").unwrap(), link, 5_000, Language::En);
        assert!(short.text.contains("within 1 minute;"));
    }

    #[test]
    fn every_language_says_the_same_facts_in_both_forms() {
        let link = "https://example.com/?token=x";
        let mut subjects = std::collections::HashSet::new();
        for language in Language::ALL {
            let mail = reset_mail(Email::parse("a@b").unwrap(), link, 900_000, *language);
            assert!(subjects.insert(mail.subject), "{language}");
            let valid = minutes(900_000, *language);
            for form in [&mail.text, &mail.html] {
                assert!(form.contains(link) && form.contains(&valid), "{language}");
                assert!(form.contains(Words::of(*language).otherwise), "{language}");
            }
            assert!(mail.html.contains(&format!("<html lang=\"{language}\">")));
        }
    }

    #[test]
    fn nothing_of_a_mail_shows_in_debug_output() {
        let mail =
            reset_mail(Email::parse("user@example.com").unwrap(), "https://x/?token=t", 1, Language::En);
        assert_eq!(format!("{mail:?}"), "Mail { language: En, .. }");
    }
}
