//! Reading `sc-core/vectors/*.json`.

use serde_json::Value;

/// One JSON object of a vector file.
#[derive(Debug, Clone)]
pub(crate) struct Vector(Value);

/// Reads a whole file.
pub(crate) fn load(file: &str) -> Vector {
    let path = format!("{}/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    Vector(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

impl Vector {
    pub(crate) fn list(&self, field: &str) -> Vec<Self> {
        self.0[field].as_array().unwrap().iter().cloned().map(Self).collect()
    }

    pub(crate) fn object(&self, field: &str) -> Self {
        assert!(self.0[field].is_object(), "no object {field} in {}", self.0);
        Self(self.0[field].clone())
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        !self.0[field].is_null()
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_else(|| panic!("no text {field} in {}", self.0))
    }

    pub(crate) fn number(&self, field: &str) -> usize {
        usize::try_from(self.0[field].as_u64().unwrap()).unwrap()
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        unhex(self.text(field))
    }

    pub(crate) fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    /// The bytes of a record that has either `bytes` or `repeat`.
    pub(crate) fn spread(&self) -> Vec<u8> {
        if self.has("bytes") {
            return self.bytes("bytes");
        }
        let repeat = Self(self.0["repeat"].clone());
        let mut bytes = repeat.bytes("prefix");
        let [byte] = repeat.array("byte");
        bytes.resize(bytes.len() + repeat.number("count"), byte);
        bytes
    }

    /// The name, for the message of a failing test.
    pub(crate) fn name(&self) -> &str {
        if self.has("name") { self.text("name") } else { self.text("why") }
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.is_ascii() && text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
