//! Forgot password: the first protected message (PROTOCOL 6).

use sc_core::retry::Repeatable;
use serde::{Deserialize, Serialize};

use super::{Email, Message, ValidationError, strict};
use crate::language::Language;

/// Asks for a reset link to be sent to an address.
///
/// Read with [`ForgotPassword::parse`] only: serde's own rules are laxer, it takes `["user@example.com"]` for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
        let [email] = strict::strings(body, ["email"])?;
        Ok(Self { email: Email::parse(&email).map_err(|_| ValidationError::of("email"))? })
    }
}

/// The answer, the same whether or not the address is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ForgotPasswordAnswer {
    /// Always true.
    pub success: bool,
    /// A constant text in the request's language.
    pub message: String,
}

impl ForgotPasswordAnswer {
    /// The text of the answer in English.
    pub const MESSAGE: &'static str = "If the email exists, a reset link will be sent";

    /// The answer in a language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self { success: true, message: language.reset_link_will_be_sent().to_owned() }
    }
}

impl Default for ForgotPasswordAnswer {
    /// The answer in English.
    fn default() -> Self {
        Self::new(Language::En)
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
            (r#"{"email":"a@b\ud800"}"#, "the body is not a JSON object"),
            (r#"["a@b"]"#, "the body is not a JSON object"),
            ("", "the body is not a JSON object"),
            ("[]", "the body is not a JSON object"),
            (r#""a@b""#, "the body is not a JSON object"),
            ("nonsense", "the body is not a JSON object"),
        ] {
            assert_eq!(property(body.as_bytes()), named, "{body}");
        }
        assert_eq!(property(b"{\"email\":\"\xff@b\"}"), "the body is not UTF-8");
    }

    #[test]
    fn the_derived_reader_would_take_a_body_that_is_no_object() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Derived {
            email: String,
        }
        let body = br#"["a@b"]"#;
        assert_eq!(serde_json::from_slice::<Derived>(body).unwrap().email, "a@b");
        assert!(ForgotPassword::parse(body).is_err());
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
    fn what_a_client_writes_the_server_reads() {
        let message = ForgotPassword { email: Email::parse("\u{e9}\\\"@example.com").unwrap() };
        let body = serde_json::to_vec(&message).unwrap();
        assert_eq!(ForgotPassword::parse(&body), Ok(message));
    }

    #[test]
    fn the_answer_is_the_one_of_the_document() {
        let json = serde_json::to_string(&ForgotPasswordAnswer::default()).unwrap();
        assert_eq!(json, r#"{"success":true,"message":"If the email exists, a reset link will be sent"}"#);
    }
}
