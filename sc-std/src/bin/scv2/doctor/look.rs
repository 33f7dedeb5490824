//! What an answer looks like to everybody behind TLS, less what changes in every one.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_LENGTH, DATE, HeaderName};
use sc_std::names::REQUEST_ID;

use super::peer::Peer;
use super::wire::code;
use crate::terminal::printable;

/// The member of a JSON answer that holds its time.
const TIMESTAMP: &str = "\"timestamp\":";

/// One answer, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    status: u16,
    headers: BTreeMap<String, Vec<Vec<u8>>>,
    size: usize,
    body: Body,
}

/// The bytes of an answer. A sealed one is as good as its length, unless we can open it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Body {
    Plain(String),
    Sealed(Option<String>),
}

impl Look {
    /// Looks at an answer, through the keys of whoever asked.
    pub(super) fn of(answer: &Response<Bytes>, asker: &Peer, ignored: &[HeaderName]) -> Self {
        let mut headers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for (name, value) in answer.headers() {
            // The length is compared as the size.
            if ![DATE, REQUEST_ID, CONTENT_LENGTH].contains(name) && !ignored.contains(name) {
                headers.entry(name.to_string()).or_default().push(value.as_bytes().to_vec());
            }
        }
        let bytes = answer.body();
        let body = if is_sealed(bytes) {
            Body::Sealed(asker.open(bytes).map(|text| timeless(&String::from_utf8_lossy(&text))))
        } else {
            Body::Plain(timeless(&String::from_utf8_lossy(bytes)))
        };
        Self { status: answer.status().as_u16(), headers, size: bytes.len(), body }
    }

    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    pub(super) const fn is_sealed(&self) -> bool {
        matches!(self.body, Body::Sealed(_))
    }

    /// The code that the answer gives.
    pub(super) fn code(&self) -> Option<String> {
        match &self.body {
            Body::Plain(text) | Body::Sealed(Some(text)) => code(text.as_bytes()),
            Body::Sealed(None) => None,
        }
    }

    /// Status and code, for a line.
    pub(super) fn summary(&self) -> String {
        let code = self.code().map_or_else(|| "no code".to_owned(), |code| printable(&code));
        let sealed = if self.is_sealed() { ", sealed" } else { "" };
        format!("{} {code}{sealed}", self.status)
    }

    /// Everything in which this look is not the usual one.
    pub(super) fn differences(&self, usual: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.status != usual.status {
            found.push(format!("status {} instead of {}", self.status, usual.status));
        }
        for (name, values) in &self.headers {
            match usual.headers.get(name) {
                None => found.push(format!("header {name}, which others do not have: {}", shown(values))),
                Some(others) if others != values => {
                    found.push(format!("header {name}: {} instead of {}", shown(values), shown(others)));
                }
                Some(_) => {}
            }
        }
        for name in usual.headers.keys().filter(|name| !self.headers.contains_key(*name)) {
            found.push(format!("no header {name}, which others have"));
        }
        if self.size != usual.size {
            found.push(format!("size {} instead of {} bytes", self.size, usual.size));
        }
        match (&self.body, &usual.body) {
            (Body::Plain(this), Body::Plain(usual))
            | (Body::Sealed(Some(this)), Body::Sealed(Some(usual))) => {
                if this != usual {
                    found.push(format!("body {} instead of {}", printable(this), printable(usual)));
                }
            }
            (Body::Sealed(_), Body::Plain(_)) => found.push("sealed instead of plain".to_owned()),
            (Body::Plain(_), Body::Sealed(_)) => found.push("plain instead of sealed".to_owned()),
            (Body::Sealed(this), Body::Sealed(usual)) => {
                if this.is_some() != usual.is_some() {
                    found.push("sealed under another key".to_owned());
                }
            }
        }
        found
    }
}

/// Whether bytes are an answer's envelope.
pub(super) fn is_sealed(body: &[u8]) -> bool {
    body.starts_with(b"SC\x02\x81")
}

fn shown(values: &[Vec<u8>]) -> String {
    let values: Vec<_> = values.iter().map(|value| printable(&String::from_utf8_lossy(value))).collect();
    values.join(", ")
}

/// The text of an answer, with its time set to 0.
fn timeless(text: &str) -> String {
    let Some((before, after)) = text.split_once(TIMESTAMP) else { return text.to_owned() };
    format!("{before}{TIMESTAMP}0{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_of_an_answer_is_left_out() {
        assert_eq!(
            timeless(r#"{"version":"2","timestamp":17954,"x":17}"#),
            r#"{"version":"2","timestamp":0,"x":17}"#
        );
        assert_eq!(timeless("<html>"), "<html>");
    }
}
