//! The languages of the service, and which of them a request asks for (PROTOCOL 5).
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the languages, and their choice by `Accept-Language` |
//! | `messages` | the words of every answer, in every language |
//!
//! Codes are for programs and never change; messages are for people and follow the request's language.

mod messages;

/// A language of the service.
///
/// # Examples
/// ```
/// use sc_std::language::Language;
///
/// assert_eq!(Language::negotiate("fr, zh-TW;q=0.9, en;q=0.5"), Language::ZhHant);
/// assert_eq!(Language::negotiate("fr"), Language::En);
/// ```
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
    /// Every language there is.
    pub const ALL: &'static [Self] = &[Self::En, Self::Zh, Self::ZhHant, Self::Ja, Self::Vi];

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

    /// The language that suits an `Accept-Language` best, by its weights (RFC 9110, section 12.5.4); the first of those
    /// that weigh the same. English if none does, and for a value that breaks the form; `*` stands for English
    /// (PROTOCOL 5).
    #[must_use]
    pub fn negotiate(accept_language: &str) -> Self {
        let mut best = (0, Self::En);
        for range in accept_language.split(',').map(trim) {
            // A list may have empty elements (RFC 9110, section 5.6.1.2).
            if range.is_empty() {
                continue;
            }
            let (tag, weight) = match range.split_once(';') {
                Some((tag, weight)) => (trim(tag), weight_of(trim(weight))),
                None => (range, Some(1000)),
            };
            let Some(weight) = weight.filter(|_| is_range(tag)) else { return Self::En };
            match Self::of_tag(tag) {
                Some(language) if weight > best.0 => best = (weight, language),
                _ => {}
            }
        }
        best.1
    }

    /// The language that the headers of a request ask for. Several `Accept-Language` count as one list.
    #[cfg(feature = "server")]
    #[must_use]
    pub fn of_headers(headers: &http::HeaderMap) -> Self {
        let mut values = headers.get_all(http::header::ACCEPT_LANGUAGE).iter().map(http::HeaderValue::to_str);
        let (first, second) = (values.next(), values.next());
        match (first, second) {
            (None, _) => Self::En,
            (Some(Ok(only)), None) => Self::negotiate(only),
            (Some(Ok(first)), Some(Ok(second))) => {
                let rest: Result<Vec<_>, _> = values.collect();
                rest.map_or(Self::En, |rest| Self::negotiate(&[&[first, second], &*rest].concat().join(",")))
            }
            (Some(Err(_)), _) | (_, Some(Err(_))) => Self::En,
        }
    }

    /// The language of one tag: zh-TW, zh-HK and zh-Hant are traditional, any other zh simplified (PROTOCOL 5). A script
    /// that is named decides over a region.
    fn of_tag(tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        let mut subtags = tag.split('-');
        match subtags.next()? {
            "en" | "*" => Some(Self::En),
            "ja" => Some(Self::Ja),
            "vi" => Some(Self::Vi),
            "zh" => {
                // A subtag of one character begins an extension or a private use.
                let deciding = |subtag: &&str| matches!(*subtag, "hans" | "hant" | "tw" | "hk");
                let decided = subtags.take_while(|subtag| subtag.len() > 1).find(deciding);
                Some(if decided.is_none_or(|subtag| subtag == "hans") { Self::Zh } else { Self::ZhHant })
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.tag())
    }
}

/// Removes the white space that a list may have (RFC 9110, section 5.6.3).
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Whether text is a language range (RFC 4647, section 2.1).
fn is_range(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    let sized = |subtag: &str| (1..=8).contains(&subtag.len());
    text == "*"
        || (sized(first) && first.bytes().all(|byte| byte.is_ascii_alphabetic()))
            && subtags.all(|subtag| sized(subtag) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_language_with_the_greatest_weight_wins_and_english_is_the_default() {
        for (said, expected) in [
            ("ja", Language::Ja),
            ("fr, vi;q=0.5, ja;q=0.8", Language::Ja),
            ("zh-TW", Language::ZhHant),
            ("zh-HK,en;q=0.9", Language::ZhHant),
            ("ZH-Hant-MO", Language::ZhHant),
            ("zh-CN", Language::Zh),
            ("zh-MO", Language::Zh),
            ("zh-Hans-TW", Language::Zh),
            ("zh-Hant-CN", Language::ZhHant),
            ("zh-x-tw", Language::Zh),
            ("en;q=0.1, vi;q=0.1", Language::En),
            ("vi;q=0.1, en;q=0.1", Language::Vi),
            ("vi;q=0", Language::En),
            ("ja ;\tq=1.000 , vi", Language::Ja),
            (", ,ja,", Language::Ja),
            ("fr", Language::En),
            ("jam", Language::En),
        ] {
            assert_eq!(Language::negotiate(said), expected, "{said}");
        }
    }

    #[test]
    fn a_star_stands_for_english() {
        for (said, expected) in [
            ("*", Language::En),
            ("*;q=0.5, ja;q=0.1", Language::En),
            ("ja, *;q=0.5", Language::Ja),
            ("fr, *;q=0.1", Language::En),
        ] {
            assert_eq!(Language::negotiate(said), expected, "{said}");
        }
    }

    #[test]
    fn a_value_that_breaks_the_form_means_english_whatever_else_it_holds() {
        for broken in [
            "ja;q=2",
            "ja;level=1",
            "ja;q=0.5;q=1",
            "ja;q=0.1234",
            "ja;q=",
            "ja;q=-1",
            "ja;q= 1",
            "ja;",
            "ja, v!",
            "ja, zh_TW",
            "ja, -",
            "ja, en--us",
            "ja, abcdefghi",
            "ja, 12",
            "ja vi",
            "ja, *-CH",
            "ja, \u{a0}vi",
            "日本語, ja",
        ] {
            assert_eq!(Language::negotiate(broken), Language::En, "{broken}");
        }
    }

    #[test]
    fn every_language_is_negotiated_by_its_own_tag() {
        for language in Language::ALL {
            assert_eq!(Language::negotiate(language.tag()), *language);
            assert_eq!(language.to_string(), language.tag());
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn several_headers_count_as_one_list() {
        let of = |values: &[&[u8]]| {
            let mut headers = http::HeaderMap::new();
            for value in values {
                let value = http::HeaderValue::from_bytes(value).unwrap();
                headers.append(http::header::ACCEPT_LANGUAGE, value);
            }
            Language::of_headers(&headers)
        };
        assert_eq!(of(&[]), Language::En);
        assert_eq!(of(&[b"fr;q=0.9", b"vi;q=0.5", b"ja;q=0.7"]), Language::Ja);
        assert_eq!(of(&[b"ja", b"broken!"]), Language::En);
        assert_eq!(of(&[b"ja\xff"]), Language::En, "not text");
        assert_eq!(of(&[b"ja", b"vi", b"\xff"]), Language::En, "not text");
    }

    proptest! {
        #[test]
        fn any_text_has_a_language(text in "\\PC{0,40}", list in "[a-zA-Z0-9*;=., q-]{0,40}") {
            let _ = Language::negotiate(&text);
            let _ = Language::negotiate(&list);
        }
    }
}
