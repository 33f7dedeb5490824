//! A strict reader of message bodies for any type that serde reads: stricter than serde, and it tells less.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor};

use super::ValidationError;

/// Reads one JSON object as a `T`.
///
/// Beyond what serde checks, a property of the object that `T` does not have is refused even without
/// `#[serde(deny_unknown_fields)]`, and so are one that comes twice, an array in place of the object, bytes after it, and
/// text that is not UTF-8 (PROTOCOL 6). Inside of properties serde's own rules hold.
///
/// # Errors
/// [`ValidationError`] that names the property of the object, if `T` has it; never a value, and never a name that the
/// sender chose.
///
/// # Examples
/// ```
/// use sc_std::message::strict;
///
/// #[derive(serde::Deserialize)]
/// struct Rename { nickname: String, times: u8 }
///
/// let rename: Rename = strict::json(br#"{"nickname":"Ada","times":1}"#)?;
/// assert_eq!(rename.nickname, "Ada");
///
/// let refused = |body: &str| strict::json::<Rename>(body.as_bytes()).err().map(|error| error.to_string());
/// assert_eq!(refused(r#"{"nickname":"Ada","times":"often"}"#).as_deref(), Some("times"));
/// assert_eq!(refused(r#"{"nickname":"Ada"}"#).as_deref(), Some("times"));
/// assert_eq!(refused(r#"{"nickname":"Ada","times":1,"more":1}"#).as_deref(), Some("unknown property"));
/// # Ok::<(), sc_std::message::ValidationError>(())
/// ```
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ValidationError> {
    let text = std::str::from_utf8(body).map_err(|_| ValidationError::of("the body is not UTF-8"))?;
    let known = properties::<T>();
    let mut names = Names { known, refused: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(&mut names);
    if let Some(refused) = names.refused {
        return Err(refused);
    }
    read.map_err(|_| ValidationError::of("the body is not a JSON object"))?;
    json.end().map_err(|_| ValidationError::of("bytes after the JSON object"))?;

    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let known = known.unwrap_or_default();
        let path = error.path().iter().next().map(ToString::to_string).unwrap_or_default();
        let named = |name: &&&str| **name == path || is_missing(error.inner(), name);
        ValidationError::of(
            known.iter().find(named).copied().unwrap_or("the body does not have the form of the message"),
        )
    })
}

/// Whether this is serde's error for a property that is not there.
fn is_missing(error: &serde_json::Error, name: &str) -> bool {
    error.to_string().starts_with(&format!("missing field `{name}`"))
}

/// Looks at the names of one object, and skips its values.
struct Names {
    known: Option<&'static [&'static str]>,
    refused: Option<ValidationError>,
}

impl<'de> Visitor<'de> for &mut Names {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: Vec<&'static str> = Vec::new();
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if let Some(known) = self.known {
                let refused = match known.iter().find(|known| **known == name) {
                    None => Some("unknown property"),
                    Some(known) if seen.contains(known) => Some(*known),
                    Some(known) => {
                        seen.push(known);
                        None
                    }
                };
                if let Some(what) = refused {
                    self.refused = Some(ValidationError::of(what));
                    return Err(A::Error::custom("refused"));
                }
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// The names that a type asks for when it is read as a struct; `None` if it asks for anything else.
fn properties<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut known = None;
    // It fails by design: nothing but the question is wanted.
    let _ = T::deserialize(Question(&mut known));
    known
}

/// Hears what a type asks for, and has nothing to give.
struct Question<'k>(&'k mut Option<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Question<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("nothing to give"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = Some(fields);
        Err(Self::Error::custom("nothing to give"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Order {
        name: String,
        count: u32,
        note: Option<String>,
        #[serde(default)]
        place: Place,
        #[serde(default, rename = "labels")]
        tags: HashMap<String, u8>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Place {
        street: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(Order);

    fn property<T: DeserializeOwned + fmt::Debug>(body: &str) -> String {
        json::<T>(body.as_bytes()).unwrap_err().property().to_owned()
    }

    #[test]
    fn a_body_of_the_right_form_is_read() {
        let order: Order = json(b" {\"count\":2,\"n\\u0061me\":\"x\"}\r\n\t ").unwrap();
        assert_eq!((order.name.as_str(), order.count, order.note), ("x", 2, None));
        assert_eq!(json::<Wrapped>(br#"{"name":"x","count":1}"#).unwrap().0.count, 1);
        assert!(json::<HashMap<String, u8>>(br#"{"any":1}"#).is_ok());
    }

    #[test]
    fn anything_else_is_refused_by_the_name_of_what_is_wrong() {
        for (body, named) in [
            (r#"{"name":"x"}"#, "count"),
            (r#"{"count":1}"#, "name"),
            (r#"{"name":null,"count":1}"#, "name"),
            (r#"{"name":"x","count":-1}"#, "count"),
            (r#"{"name":"x","count":"SECRET"}"#, "count"),
            (r#"{"name":"x","count":1,"count":1}"#, "count"),
            (r#"{"name":"x","count":1,"note":7}"#, "note"),
            (r#"{"name":"x","count":1,"note":"a","note":"a"}"#, "note"),
            (r#"{"name":"x","count":1,"place":{"street":7}}"#, "place"),
            (r#"{"name":"x","count":1,"place":{"SECRET":7}}"#, "place"),
            (r#"{"name":"x","count":1,"labels":{"SECRET":"SECRET"}}"#, "labels"),
            (r#"{"name":"x","count":1,"tags":{}}"#, "unknown property"),
            (r#"{"name":"x","count":1,"SECRET":1}"#, "unknown property"),
            (r#"{"name":"x","count":1,"missing field `count`":1}"#, "unknown property"),
            (r#"{"name":"x","count":1} SECRET"#, "bytes after the JSON object"),
            (r#"{"name":"x","count":1}{}"#, "bytes after the JSON object"),
            (r#"{"name":"x","count":1"#, "the body is not a JSON object"),
            (r#"["x",1,null]"#, "the body is not a JSON object"),
            ("null", "the body is not a JSON object"),
            ("", "the body is not a JSON object"),
            ("\u{feff}{}", "the body is not a JSON object"),
        ] {
            assert_eq!(property::<Order>(body), named, "{body}");
            assert_eq!(property::<Wrapped>(body), named, "{body}");
        }
        let error = json::<Order>(b"{\"name\":\"\xff\",\"count\":1}").unwrap_err();
        assert_eq!(error.property(), "the body is not UTF-8");
    }

    #[test]
    fn a_type_without_properties_of_its_own_is_told_no_name() {
        let said = property::<HashMap<String, u8>>(r#"{"SECRET":"SECRET"}"#);
        assert_eq!(said, "the body does not have the form of the message");
    }

    proptest! {
        #[test]
        fn no_part_of_a_body_comes_back(key in "[A-Z]{12}", value in "[A-Z]{12}", at in 0..6_usize) {
            let quoted = serde_json::to_string(&value).unwrap();
            let body = match at {
                0 => format!("{{\"{key}\":{quoted}}}"),
                1 => format!("{{\"name\":{{\"{key}\":{quoted}}}}}"),
                2 => format!("{{\"name\":\"x\",\"count\":{quoted}}}"),
                3 => format!("{{\"name\":\"x\",\"count\":1,\"labels\":{{\"{key}\":{quoted}}}}}"),
                4 => format!("{quoted}{key}"),
                _ => format!("{{\"name\":\"x\",\"count\":1}}{key}"),
            };
            let said = property::<Order>(&body);
            prop_assert!(!said.contains(&key) && !said.contains(&value), "{body}: {said}");
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = json::<Order>(&body);
        }
    }
}
