//! Text of a document that has an upper length, without an allocator.

use core::fmt;

use serde::{Serialize, Serializer};

/// Text of at most `N` bytes.
///
/// # Examples
/// ```
/// use sc_core::document::ShortText;
///
/// let algorithm = ShortText::<32>::new("RSA-OAEP-2048").ok_or("too long")?;
/// assert_eq!(algorithm.as_str(), "RSA-OAEP-2048");
/// assert!(ShortText::<4>::new("RSA-OAEP-2048").is_none());
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortText<const N: usize>(heapless::String<N>);

impl<const N: usize> ShortText<N> {
    /// Takes a text; `None` if it is longer than `N` bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        heapless::String::try_from(text).ok().map(Self)
    }

    /// Writes a text; `None` if it is longer than `N` bytes.
    pub(crate) fn format(text: fmt::Arguments<'_>) -> Option<Self> {
        let mut written = heapless::String::new();
        fmt::write(&mut written, text).ok()?;
        Some(Self(written))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Display for ShortText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> Serialize for ShortText<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
