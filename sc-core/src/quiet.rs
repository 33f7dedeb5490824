//! Reading JSON without repeating it: no error of these readers shows a value (PROTOCOL 6, 9).
//!
//! serde's own messages do (`invalid type: string "the value", expected u32`), whether a visitor or the format makes
//! them; so each reader replaces them by what it expected.

use core::cell::Cell;
use core::fmt;

use serde::de::{self, Error};
use serde::{Deserialize, Deserializer};

use crate::document::ShortText;

/// Reads a string that a function turns into a value.
pub(crate) fn text<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    read: impl FnMut(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Text<F>(F);

    impl<T, F: FnMut(&str) -> Option<T>> de::Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(mut self, text: &str) -> Result<T, E> {
            (self.0)(text).ok_or_else(|| E::custom("a string of another form"))
        }
    }

    deserializer.deserialize_str(Text(read)).map_err(|_| Error::custom("expected a string of the right form"))
}

/// Reads a value of `T` quietly.
pub(crate) struct Quiet<T>(pub(crate) T);

/// For `#[serde(deserialize_with)]`.
pub(crate) fn quiet<'de, T, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>
where
    Quiet<T>: Deserialize<'de>,
{
    Quiet::deserialize(deserializer).map(|quiet| quiet.0)
}

/// For `#[serde(deserialize_with)]` on a member that may be null.
pub(crate) fn quiet_option<'de, T, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error>
where
    Quiet<T>: Deserialize<'de>,
{
    Option::<Quiet<T>>::deserialize(deserializer).map(|quiet| quiet.map(|quiet| quiet.0))
}

impl<'de, const N: usize> Deserialize<'de> for Quiet<ShortText<N>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| ShortText::new(text).map(Self))
    }
}

macro_rules! quiet_scalars {
    ($($scalar:ty: $expected:literal),*) => {$(
        impl<'de> Deserialize<'de> for Quiet<$scalar> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$scalar>::deserialize(deserializer).map(Self).map_err(|_| Error::custom($expected))
            }
        }
    )*};
}

quiet_scalars! {
    u8: "expected an integer of 8 bits",
    u32: "expected an integer of 32 bits",
    u64: "expected an integer of 64 bits",
    bool: "expected true or false"
}

/// Reads an object, and nothing else: serde's derived readers of structs also take arrays.
///
/// Errors about its members pass; they name a member, or come from a quiet reader.
pub(crate) fn object<'de, V: de::Visitor<'de>, D: Deserializer<'de>>(
    deserializer: D,
    visitor: V,
) -> Result<V::Value, D::Error> {
    let entered = Cell::new(false);
    let read = deserializer.deserialize_map(Members { visitor, entered: &entered });
    read.map_err(|error| if entered.get() { error } else { Error::custom("expected an object") })
}

struct Members<'c, V> {
    visitor: V,
    entered: &'c Cell<bool>,
}

impl<'de, V: de::Visitor<'de>> de::Visitor<'de> for Members<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.entered.set(true);
        self.visitor.visit_map(members)
    }
}

/// Gives a derived `Deserialize` of a struct nothing but objects.
pub(crate) struct Object<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        object(self.0, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct struct map enum identifier ignored_any
    }
}
