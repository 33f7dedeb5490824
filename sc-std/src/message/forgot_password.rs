//! Forgot password: the first protected message (PROTOCOL 6).

use sc_core::retry::Repeatable;
use serde::{Deserialize, Serialize};

use crate::message::{Email, Message, ValidationError};

/// Asks for a reset link to be sent to an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// The address. Whether it is known does not show in the answer.
    pub email: Email,
}

impl Message for ForgotPassword {
    const NAME: &'static str = "password.forgot";
    const PATH: &'static str = "/web/v1/system/auth/password/forgot";
    const REPEATABLE: Repeatable = Repeatable::Yes;
    type Answer = ForgotPasswordAnswer;
}

impl ForgotPassword {
    /// Reads a request, strictly: exactly the property `email`, once, a string of the right shape; nothing after the
    /// object but white space.
    ///
    /// # Errors
    /// [`ValidationError`], which names the property and never its value.
    pub fn parse(body: &[u8]) -> Result<Self, ValidationError> {
        let text = std::str::from_utf8(body).map_err(|_| ValidationError::of("the body is not UTF-8"))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let request = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            match error.path().to_string().as_str() {
                "email" => ValidationError::of("email"),
                "." if error.inner().is_data() => ValidationError::of(member(error.inner())),
                "." => ValidationError::of("the body is not a JSON object"),
                other => ValidationError::of(format!("unknown property {}", printable(other))),
            }
        })?;
        json.end().map_err(|_| ValidationError::of("bytes after the JSON object"))?;
        Ok(request)
    }
}

/// Which member serde found missing, twice or unknown: it says so only in words.
fn member(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let named = said.split('`').nth(1).unwrap_or_default();
    for (words, what) in [("missing field", ""), ("duplicate field", ""), ("unknown field", "unknown property ")] {
        if said.starts_with(words) {
            return format!("{what}{}", printable(named));
        }
    }
    "the body is not a JSON object with the property email".to_owned()
}

/// A name from the request, if it is short and cannot be mistaken for anything else.
fn printable(name: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 32 && name.chars().all(plain) { name } else { "(name not shown)" }
}

/// The answer, the same whether or not the address is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ForgotPasswordAnswer {
    /// Always true.
    pub success: bool,
    /// A constant text.
    pub message: String,
}

impl ForgotPasswordAnswer {
    /// The text of the answer.
    pub const MESSAGE: &'static str = "If the email exists, a reset link will be sent";
}

impl Default for ForgotPasswordAnswer {
    fn default() -> Self {
        Self { success: true, message: Self::MESSAGE.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(body: &[u8]) -> String {
        ForgotPassword::parse(body).unwrap_err().property().to_owned()
    }

    #[test]
    fn exactly_one_email_is_read() {
        for good in [
            r#"{"email":"user@example.com"}"#,
            " {\n\"email\" : \"user@example.com\" }\t\n",
            r#"{"\u0065mail":"user\u0040example.com"}"#,
        ] {
            let read = ForgotPassword::parse(good.as_bytes()).unwrap();
            assert_eq!(read.email.as_str(), "user@example.com");
        }
    }

    #[test]
    fn anything_else_is_refused_by_the_name_of_what_is_wrong() {
        for (body, named) in [
            (r#"{"email":"a@b","other":1}"#, "unknown property other"),
            (r#"{"email":"a@b","email":"a@b"}"#, "email"),
            ("{}", "email"),
            (r#"{"email":null}"#, "email"),
            (r#"{"email":7}"#, "email"),
            (r#"{"email":["a@b"]}"#, "email"),
            (r#"{"email":"no address"}"#, "email"),
            (r#"{"email":"a@b"}{"#, "bytes after the JSON object"),
            (r#"{"email":"a@b"} x"#, "bytes after the JSON object"),
            (r#"{"email":"a@b\ud800"}"#, "email"),
            ("", "the body is not a JSON object"),
            ("[]", "email"),
            (r#""a@b""#, "the body is not a JSON object with the property email"),
            ("nonsense", "the body is not a JSON object"),
        ] {
            assert_eq!(property(body.as_bytes()), named, "{body}");
        }
        assert_eq!(property(b"{\"email\":\"\xff@b\"}"), "the body is not UTF-8");
    }

    #[test]
    fn no_value_and_no_strange_name_comes_back() {
        for body in [
            r#"{"email":"secret value"}"#,
            r#"{"email":{"secret":1}}"#,
            r#"{"<script>secret</script>":1}"#,
            "{\"secret\\r\\nSet-Cookie: x\":1}",
            r#""secret""#,
        ] {
            let said = property(body.as_bytes());
            assert!(!said.contains("secret"), "{body}: {said}");
        }
    }

    #[test]
    fn the_answer_is_the_one_of_the_document() {
        let json = serde_json::to_string(&ForgotPasswordAnswer::default()).unwrap();
        assert_eq!(json, r#"{"success":true,"message":"If the email exists, a reset link will be sent"}"#);
    }
}
