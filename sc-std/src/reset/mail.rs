//! The reset mail: its link, its words, and what sends it.

use std::future::Future;

use url::Url;
use zeroize::Zeroizing;

use super::ResetToken;
use crate::message::Email;

/// The languages of the service (PROTOCOL 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Language {
    /// English, the default.
    #[default]
    En,
    /// Chinese, simplified.
    Zh,
    /// Chinese, traditional.
    ZhHant,
    /// Japanese.
    Ja,
    /// Vietnamese.
    Vi,
}

impl Language {
    /// The language tag (RFC 5646).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
            Self::ZhHant => "zh-Hant",
            Self::Ja => "ja",
            Self::Vi => "vi",
        }
    }

    /// The language that suits an `Accept-Language` best, by its weights (RFC 9110, section 12.5.4). English if none
    /// does, for `*`, and for a value that breaks the form (PROTOCOL 5).
    #[must_use]
    pub fn negotiate(accept_language: &str) -> Self {
        let mut best = (0, Self::En);
        for range in accept_language.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let (tag, weight) = (parts.next().unwrap_or_default(), parts.next());
            let Some(weight) = weight.map_or(Some(1000), weight_of) else { return Self::En };
            match Self::of_tag(tag) {
                Some(language) if weight > best.0 => best = (weight, language),
                _ => {}
            }
        }
        best.1
    }

    /// The language of one tag: zh-TW, zh-HK and zh-Hant are traditional, any other zh simplified (PROTOCOL 5).
    fn of_tag(tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        let mut subtags = tag.split('-');
        match subtags.next()? {
            "en" => Some(Self::En),
            "ja" => Some(Self::Ja),
            "vi" => Some(Self::Vi),
            "zh" if subtags.any(|subtag| matches!(subtag, "hant" | "tw" | "hk")) => Some(Self::ZhHant),
            "zh" => Some(Self::Zh),
            _ => None,
        }
    }
}

/// A weight like `q=0.8`, in thousandths.
fn weight_of(parameter: &str) -> Option<u32> {
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole = match whole {
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u32 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole + thousandths).filter(|weight| *weight <= 1000)
}

/// Text that cannot be the base of a reset link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reset URL begins with https:// or http://, names a host and no user")]
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
pub struct ResetLink(Url);

impl ResetLink {
    /// Checks a base URL, to which each link adds the query parameter `token`.
    ///
    /// # Errors
    /// [`LinkError`] if it is not an absolute URL of http or https, or holds a user or password.
    pub fn parse(base: &str) -> Result<Self, LinkError> {
        let url = Url::parse(base).map_err(|_| LinkError)?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if web && url.username().is_empty() && url.password().is_none() {
            Ok(Self(url))
        } else {
            Err(LinkError)
        }
    }

    /// The link with a token, wiped on drop.
    #[must_use]
    pub fn with(&self, token: &ResetToken) -> Zeroizing<String> {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair("token", &token.to_text());
        Zeroizing::new(url.into())
    }
}

/// One mail to one address. Debug shows neither the address nor the words.
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
}

/// Sends mails: an SMTP client, an API, the [`Outbox`](crate::reset::Outbox).
pub trait Mailer: Send + Sync + 'static {
    /// Hands one mail over. Called after the answer, so its time shows nowhere.
    fn send(&self, mail: Mail) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Writes the mail with a reset link that is valid for `valid_ms` milliseconds.
///
/// The words are English in every language for now; `language` chooses among them once there are more.
#[must_use]
pub fn reset_mail(to: Email, link: &str, valid_ms: u64, language: Language) -> Mail {
    let minutes = (valid_ms / 60_000).max(1);
    let valid = if minutes == 1 { "1 minute".to_owned() } else { format!("{minutes} minutes") };
    // Short lines but for the link, so that the text travels as it is.
    let text = format!(
        "Hello,\n\nsomebody asked for a new password for your account. To choose one,\nopen this link within \
         {valid}; it works once:\n\n{link}\n\nIf it was not you, there is nothing to do: your password stays\nas \
         it is.\n"
    );
    let href = Zeroizing::new(escape(link));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<body>\n<p>Hello,</p>\n<p>somebody asked for a new password for your \
         account. To choose one, open this link within {valid}; it works once:</p>\n<p><a href=\"{0}\">{0}</a></p>\n\
         <p>If it was not you, there is nothing to do: your password stays as it is.</p>\n</body>\n</html>\n",
        *href
    );
    Mail {
        to,
        subject: "Choose a new password",
        text: Zeroizing::new(text),
        html: Zeroizing::new(html),
        language,
    }
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
    fn the_language_with_the_greatest_weight_wins_and_english_is_the_default() {
        for (said, expected) in [
            ("ja", Language::Ja),
            ("fr, vi;q=0.5, ja;q=0.8", Language::Ja),
            ("zh-TW", Language::ZhHant),
            ("zh-HK,en;q=0.9", Language::ZhHant),
            ("ZH-Hant-MO", Language::ZhHant),
            ("zh-CN", Language::Zh),
            ("en;q=0.1, vi;q=0.1", Language::En),
            ("vi;q=0", Language::En),
            ("*", Language::En),
            ("", Language::En),
            ("ja;q=2", Language::En),
            ("ja;level=1", Language::En),
            ("fr", Language::En),
        ] {
            assert_eq!(Language::negotiate(said), expected, "{said}");
        }
    }

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
        let mail = reset_mail(Email::parse("a@b").unwrap(), link, 900_000, Language::Vi);
        assert!(mail.text.contains(link) && mail.text.contains("within 15 minutes"));
        let escaped = "https://example.com/?a=&#39;1&#39;&amp;token=x";
        assert!(mail.html.contains(&format!("<a href=\"{escaped}\">{escaped}</a>")));
        assert!(mail.html.contains("within 15 minutes"));
        let short = reset_mail(Email::parse("a@b").unwrap(), link, 5_000, Language::En);
        assert!(short.text.contains("within 1 minute;"));
    }

    #[test]
    fn nothing_of_a_mail_shows_in_debug_output() {
        let mail =
            reset_mail(Email::parse("user@example.com").unwrap(), "https://x/?token=t", 1, Language::En);
        assert_eq!(format!("{mail:?}"), "Mail { language: En, .. }");
    }
}
