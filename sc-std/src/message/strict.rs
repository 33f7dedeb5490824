//! Strict readers of message bodies: one flat JSON object of strings, exactly the properties that are asked for; and,
//! by [`json`], any type that serde reads.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::ValidationError;
pub use super::strict_json::json;

/// Longest name of an unknown property that an error repeats, in bytes.
const MAX_SHOWN_NAME: usize = 32;

/// Reads the strings of one JSON object, in the order of `names`, each wiped on drop.
///
/// White space before and after the object is legal, and so are escapes in names and values (RFC 8259).
///
/// # Errors
/// [`ValidationError`] for the first of these: bytes that are not UTF-8, or not one JSON object and nothing else; a
/// property that is unknown, comes twice, is null or not a string; one that is missing. It names the property, never
/// a value, and an unknown name only if it is short and plain (PROTOCOL 6, 10.16).
///
/// # Examples
/// ```
/// use sc_std::message::strict;
///
/// let [old, new] = strict::strings(br#"{"new":"b","old":"a"}"#, ["old", "new"])?;
/// assert_eq!((old.as_str(), new.as_str()), ("a", "b"));
///
/// let missing = strict::strings(br#"{"new":"b"}"#, ["old", "new"]);
/// assert!(missing.is_err_and(|error| error.property() == "old"));
/// # Ok::<(), sc_std::message::ValidationError>(())
/// ```
pub fn strings<const N: usize>(
    body: &[u8],
    names: [&str; N],
) -> Result<[Zeroizing<String>; N], ValidationError> {
    // Here, once for all: serde_json does not look into strings that it skips.
    let text = std::str::from_utf8(body).map_err(|_| ValidationError::of("the body is not UTF-8"))?;
    let mut fields = Fields { names, values: names.map(|_| None), refused: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(&mut fields);
    if let Some(refused) = fields.refused {
        return Err(refused);
    }
    read.map_err(|_| ValidationError::of("the body is not a JSON object"))?;
    json.end().map_err(|_| ValidationError::of("bytes after the JSON object"))?;
    if let Some((name, _)) = names.iter().zip(&fields.values).find(|(_, value)| value.is_none()) {
        return Err(ValidationError::of(*name));
    }
    Ok(fields.values.map(Option::unwrap_or_default))
}

/// What was read so far, and the first rule that was broken: serde's own errors cannot carry it.
struct Fields<'n, const N: usize> {
    names: [&'n str; N],
    values: [Option<Zeroizing<String>>; N],
    refused: Option<ValidationError>,
}

impl<const N: usize> Fields<'_, N> {
    fn refuse<E: de::Error>(&mut self, what: impl Into<String>) -> E {
        self.refused = Some(ValidationError::of(what));
        E::custom("refused")
    }
}

impl<'de, const N: usize> Visitor<'de> for &mut Fields<'_, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Text)? {
            let name = name.unwrap_or_default();
            let known =
                self.names.iter().copied().zip(&mut self.values).find(|(known, _)| *known == name.as_str());
            let Some((known, place)) = known else {
                return Err(self.refuse(unknown(&name)));
            };
            if place.is_some() {
                return Err(self.refuse(known));
            }
            match map.next_value_seed(Text)? {
                Some(text) => *place = Some(text),
                None => return Err(self.refuse(known)),
            }
        }
        Ok(())
    }
}

/// What is said about a property that the message does not have.
fn unknown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !name.is_empty() && name.len() <= MAX_SHOWN_NAME && name.bytes().all(plain) {
        format!("unknown property {name}")
    } else {
        "unknown property".to_owned()
    }
}

/// Reads a string; gives `None` for any other value, of which nothing is kept.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Zeroizing<String>>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<Zeroizing<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(body: &[u8]) -> String {
        strings(body, ["one", "two"]).unwrap_err().property().to_owned()
    }

    #[test]
    fn names_come_in_any_order_and_with_escapes() {
        for body in [r#"{"one":"1","two":"2"}"#, "\t{ \"two\" : \"2\"\r\n, \"\\u006fne\":\"\\u0031\"} \n"] {
            let [one, two] = strings(body.as_bytes(), ["one", "two"]).unwrap();
            assert_eq!((one.as_str(), two.as_str()), ("1", "2"));
        }
        assert_eq!(strings(b"{}", []).unwrap(), []);
    }

    #[test]
    fn the_first_broken_rule_is_named() {
        for (body, named) in [
            (r#"{"one":"1"}"#, "two"),
            (r#"{"two":"2"}"#, "one"),
            (r#"{"one":"1","two":"2","one":"1"}"#, "one"),
            (r#"{"one":"1","\u006fne":"1","two":"2"}"#, "one"),
            (r#"{"one":"1","two":"2","three":"3"}"#, "unknown property three"),
            (r#"{"one":null,"two":"2"}"#, "one"),
            (r#"{"one":"1","two":false}"#, "two"),
            (r#"{"one":"1","two":-1}"#, "two"),
            (r#"{"one":"1","two":1e400}"#, "the body is not a JSON object"),
            (r#"{"one":"1","two":[["2"]]}"#, "two"),
            (r#"{"one":"1","two":{"two":"2"}}"#, "two"),
            (r#"{"one":"1","two":"2"}}"#, "bytes after the JSON object"),
            (r#"{"one":"1","two":"2"}{}"#, "bytes after the JSON object"),
            (r#"{"one":"1","two":"2",}"#, "the body is not a JSON object"),
            (r#"{"one":"1","two":"\ud800"}"#, "the body is not a JSON object"),
            ("{\"one\":\"1\",\"two\":\"a\nb\"}", "the body is not a JSON object"),
            (r#"["1","2"]"#, "the body is not a JSON object"),
            (r#"[["one","1"],["two","2"]]"#, "the body is not a JSON object"),
            ("null", "the body is not a JSON object"),
            ("", "the body is not a JSON object"),
            ("\u{feff}{}", "the body is not a JSON object"),
        ] {
            assert_eq!(said(body.as_bytes()), named, "{body}");
        }
        assert_eq!(said(b"{\"one\":\"1\",\"two\":\"\xff\"}"), "the body is not UTF-8");
        assert_eq!(said(b"{\"one\":[\"\xff\"]}"), "the body is not UTF-8", "also where nothing is kept");
    }

    #[test]
    fn an_unknown_name_is_repeated_only_if_it_is_short_and_plain() {
        let of = |name: &str| said(format!("{{{}:1}}", serde_json::Value::from(name)).as_bytes());
        assert_eq!(of("an_other-1.x"), "unknown property an_other-1.x");
        for name in ["", "a b", "a\"b", "a'b", "a`b", "<b>", "a\r\nb", "é", &"x".repeat(33)] {
            assert_eq!(of(name), "unknown property", "{name:?}");
        }
        assert_eq!(of(&"x".repeat(32)), format!("unknown property {}", "x".repeat(32)));
    }

    #[test]
    fn a_deep_body_is_refused_and_breaks_nothing() {
        assert_eq!(
            said(format!("{{\"one\":{}", "[".repeat(100_000)).as_bytes()),
            "the body is not a JSON object"
        );
    }

    proptest! {
        #[test]
        fn any_strings_come_back_as_they_went(one: String, two: String) {
            let body = serde_json::json!({ "one": one, "two": two }).to_string();
            let [read_one, read_two] = strings(body.as_bytes(), ["one", "two"]).unwrap();
            prop_assert!(*read_one == one && *read_two == two);
        }

        #[test]
        fn any_bytes_give_one_answer_and_every_cut_is_refused(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = strings(&body, ["one"]);
            let whole = br#"{"one":"1","two":"2"}"#;
            for cut in 0..whole.len() {
                prop_assert!(strings(&whole[..cut], ["one", "two"]).is_err());
            }
        }
    }
}
