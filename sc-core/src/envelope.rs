//! The binary envelope: a total, borrowed parse and a writer (PROTOCOL 2).
//!
//! ```text
//! offset  size  field
//! 0       2     magic: 0x53 0x43 ("SC")
//! 2       1     version: 0x02, or 0x82 for a type 1 of the bound profile
//! 3       1     type: 1 KEY_EXCHANGE, 2 SESSION_DATA, 129 RESPONSE_DATA
//!
//! type 1 only, the exchange block:
//! 4       1     keyIdLen
//! 5       n     keyId
//! .       2     reqKeyLen, big-endian
//! .       n     encryptedReqKey
//! .       2     respKeyLen, big-endian
//! .       n     encryptedRespKey
//!
//! all types, the sealed payload, to the end:
//! .       12    IV
//! .       n     ciphertext
//! .       16    tag
//! ```
//!
//! Every byte string is either one envelope or exactly one [`Malformed`]; nothing is copied or allocated.

use core::ops::Range;

use crate::error::{Field, Malformed};
use crate::id::{Iv, check_key_id};
use crate::limits::{
    DEFAULT_MAX_PLAINTEXT, HEADER_LEN, IV_LEN, MAX_OVERHEAD, MAX_WRAPPED_LEN, MIN_SEALED_LEN,
    MIN_WRAPPED_LEN, TAG_LEN,
};

mod write;

pub(crate) use write::{check_wrapped, exchange_block, length_byte, length_bytes};
pub use write::{encode_exchange_head, exchange_head_len};

/// The first two bytes of every envelope.
pub const MAGIC: [u8; 2] = *b"SC";
/// The version byte.
pub const VERSION: u8 = 0x02;
/// The version byte of a type 1 envelope of the bound profile (PROTOCOL 8).
pub const VERSION_BOUND: u8 = VERSION | 0x80;

/// What an envelope carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol version fixes the three types")]
pub enum MessageType {
    /// 1: both wrapped keys and a sealed request.
    KeyExchange,
    /// 2: a sealed request.
    SessionData,
    /// 129: a sealed answer.
    ResponseData,
}

impl MessageType {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::KeyExchange => 1,
            Self::SessionData => 2,
            Self::ResponseData => 129,
        }
    }

    /// The type of a byte, if it is one.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::KeyExchange),
            2 => Some(Self::SessionData),
            129 => Some(Self::ResponseData),
            _ => None,
        }
    }

    /// The four header bytes. Only a type 1 shows its profile (PROTOCOL 8).
    #[must_use]
    pub const fn header(self, profile: Profile) -> [u8; HEADER_LEN] {
        let version = match (self, profile) {
            (Self::KeyExchange, Profile::Bound) => VERSION_BOUND,
            _ => VERSION,
        };
        let [s, c] = MAGIC;
        [s, c, version, self.to_byte()]
    }
}

/// Which associated data a session authenticates. Fixed when the session is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::exhaustive_enums, reason = "the protocol version fixes the two profiles")]
pub enum Profile {
    /// None: interoperable with every peer (PROTOCOL 3).
    #[default]
    Plain,
    /// Header, key exchange, session, message name and, in answers, the request's IV (PROTOCOL 8).
    Bound,
}

/// What a parser accepts beyond the fixed rules.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions {
    max_len: usize,
    bound: bool,
}

impl ParseOptions {
    /// Sets the longest envelope by its plaintext, in bytes. Default: 1 MiB. The same cap of plaintext
    /// plus 1,316 bytes of overhead holds for all types (PROTOCOL 10.10).
    #[must_use]
    pub const fn with_max_plaintext(mut self, bytes: usize) -> Self {
        self.max_len = bytes.saturating_add(MAX_OVERHEAD);
        self
    }

    /// Refuses the version byte 0x82, as a server without the bound profile does. Default: accepted.
    #[must_use]
    pub const fn without_bound(mut self) -> Self {
        self.bound = false;
        self
    }

    /// The check that comes before all others.
    pub(crate) const fn check_len(&self, len: usize) -> Result<(), Malformed> {
        if len > self.max_len { Err(Malformed::TooLong { len, max: self.max_len }) } else { Ok(()) }
    }
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { max_len: DEFAULT_MAX_PLAINTEXT + MAX_OVERHEAD, bound: true }
    }
}

/// The sealed payload of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    iv: &'a [u8; IV_LEN],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> Sealed<'a> {
    fn split(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let short = Malformed::SealedTooShort { len: bytes.len() };
        let (iv, rest) = bytes.split_first_chunk::<IV_LEN>().ok_or(short)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(short)?;
        Ok(Self { iv, ciphertext, tag })
    }

    /// The IV.
    #[must_use]
    pub const fn iv(&self) -> Iv {
        Iv(*self.iv)
    }

    /// The ciphertext, as long as the plaintext.
    #[must_use]
    pub const fn ciphertext(&self) -> &'a [u8] {
        self.ciphertext
    }

    /// The authentication tag.
    #[must_use]
    pub const fn tag(&self) -> &'a [u8; TAG_LEN] {
        self.tag
    }
}

/// The head of a type 1 envelope: header and exchange block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange<'a> {
    head: &'a [u8],
    profile: Profile,
    key_id: &'a str,
    request: &'a [u8],
    response: &'a [u8],
}

impl<'a> Exchange<'a> {
    /// The profile that the client chose.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The name of the RSA key that wraps both keys.
    #[must_use]
    pub const fn key_id(&self) -> &'a str {
        self.key_id
    }

    /// The wrapped request key.
    #[must_use]
    pub const fn encrypted_request_key(&self) -> &'a [u8] {
        self.request
    }

    /// The wrapped response key, as long as the wrapped request key.
    #[must_use]
    pub const fn encrypted_response_key(&self) -> &'a [u8] {
        self.response
    }

    /// All bytes of the envelope before the IV.
    #[must_use]
    pub const fn head(&self) -> &'a [u8] {
        self.head
    }
}

/// One parsed envelope, borrowed from its bytes.
///
/// # Examples
/// ```
/// use sc_core::envelope::{Envelope, ParseOptions};
///
/// let bytes = [b"SC\x02\x02".as_slice(), &[7; 12], b"ciphertext", &[9; 16]].concat();
/// let Envelope::SessionData(sealed) = Envelope::parse(&bytes, &ParseOptions::default())? else {
///     panic!("not type 2");
/// };
/// assert_eq!(sealed.ciphertext(), b"ciphertext");
/// # Ok::<(), sc_core::error::Malformed>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the protocol version fixes the three types")]
pub enum Envelope<'a> {
    /// Type 1.
    KeyExchange(Exchange<'a>, Sealed<'a>),
    /// Type 2.
    SessionData(Sealed<'a>),
    /// Type 129.
    ResponseData(Sealed<'a>),
}

impl<'a> Envelope<'a> {
    /// Parses one whole envelope.
    ///
    /// Takes time linear in the length of the key id, and constant otherwise.
    ///
    /// # Errors
    /// Exactly one [`Malformed`], that of the first check that fails, in the order of PROTOCOL 2: maximum
    /// length, four bytes, magic, version, type, then the fields from front to back.
    pub fn parse(bytes: &'a [u8], options: &ParseOptions) -> Result<Self, Malformed> {
        let layout = Layout::parse(bytes, options)?;
        let (head, sealed) = bytes.split_at_checked(layout.iv_at).unwrap_or_default();
        let sealed = Sealed::split(sealed)?;
        Ok(match layout.kind {
            MessageType::KeyExchange => Self::KeyExchange(layout.exchange(head), sealed),
            MessageType::SessionData => Self::SessionData(sealed),
            MessageType::ResponseData => Self::ResponseData(sealed),
        })
    }

    /// What the envelope carries.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::KeyExchange(..) => MessageType::KeyExchange,
            Self::SessionData(_) => MessageType::SessionData,
            Self::ResponseData(_) => MessageType::ResponseData,
        }
    }

    /// The sealed payload.
    #[must_use]
    pub const fn sealed(&self) -> &Sealed<'a> {
        match self {
            Self::KeyExchange(_, sealed) | Self::SessionData(sealed) | Self::ResponseData(sealed) => sealed,
        }
    }
}

/// Where the fields of a parsed envelope lie, for those who need the bytes mutable.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) kind: MessageType,
    pub(crate) profile: Profile,
    /// Offset of the IV: the length of everything before the sealed payload.
    pub(crate) iv_at: usize,
    key_id: Range<usize>,
    request: Range<usize>,
    response: Range<usize>,
}

impl Layout {
    #[inline]
    pub(crate) fn parse(bytes: &[u8], options: &ParseOptions) -> Result<Self, Malformed> {
        options.check_len(bytes.len())?;
        let Some(([s, c, version, kind], body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(Malformed::TooShort { len: bytes.len() });
        };
        if [*s, *c] != MAGIC {
            return Err(Malformed::Magic);
        }
        let profile = match *version {
            VERSION => Profile::Plain,
            VERSION_BOUND if options.bound && *kind == MessageType::KeyExchange.to_byte() => Profile::Bound,
            version => return Err(Malformed::Version(version)),
        };
        let kind = MessageType::from_byte(*kind).ok_or(Malformed::Type(*kind))?;
        let mut layout =
            Self { kind, profile, iv_at: HEADER_LEN, key_id: 0..0, request: 0..0, response: 0..0 };
        if kind == MessageType::KeyExchange {
            layout.read_exchange(body)?;
        }
        let sealed = bytes.len().saturating_sub(layout.iv_at);
        if sealed < MIN_SEALED_LEN {
            return Err(Malformed::SealedTooShort { len: sealed });
        }
        Ok(layout)
    }

    // Apart, so that the parse of the other types is small enough to be inlined, and writes no ranges.
    #[inline(never)]
    fn read_exchange(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields { rest: body, at: HEADER_LEN };
        let [key_id_len] = fields.array(Field::KeyIdLen)?;
        if key_id_len == 0 {
            return Err(Malformed::KeyIdLength);
        }
        let (key_id, range) = fields.take(Field::KeyId, usize::from(key_id_len))?;
        check_key_id(key_id)?;
        self.key_id = range;

        let request_len = fields.wrapped_len(Field::ReqKeyLen, Field::EncryptedReqKey)?;
        (_, self.request) = fields.take(Field::EncryptedReqKey, request_len)?;
        let response_len = fields.wrapped_len(Field::RespKeyLen, Field::EncryptedRespKey)?;
        if request_len != response_len {
            return Err(Malformed::WrappedKeysDiffer { request: request_len, response: response_len });
        }
        (_, self.response) = fields.take(Field::EncryptedRespKey, response_len)?;
        self.iv_at = fields.at;
        Ok(())
    }

    /// The exchange block of a type 1 envelope, given the bytes before its IV.
    pub(crate) fn exchange<'a>(&self, head: &'a [u8]) -> Exchange<'a> {
        let field = |range: &Range<usize>| head.get(range.clone()).unwrap_or_default();
        Exchange {
            head,
            profile: self.profile,
            // Checked to be ASCII when the layout was made.
            key_id: core::str::from_utf8(field(&self.key_id)).unwrap_or_default(),
            request: field(&self.request),
            response: field(&self.response),
        }
    }
}

/// What is left of an exchange block, and where it starts in the envelope.
struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, field: Field, needed: usize) -> Result<(&'a [u8], Range<usize>), Malformed> {
        let left = self.rest.len();
        let (taken, rest) =
            self.rest.split_at_checked(needed).ok_or(Malformed::Truncated { field, needed, left })?;
        let start = self.at;
        self.rest = rest;
        self.at = start.saturating_add(needed);
        Ok((taken, start..self.at))
    }

    fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], Malformed> {
        let (taken, _) = self.take(field, N)?;
        taken.try_into().map_err(|_| Malformed::Truncated { field, needed: N, left: taken.len() })
    }

    /// Reads a length field and checks it before anybody takes that many bytes.
    fn wrapped_len(&mut self, len_field: Field, field: Field) -> Result<usize, Malformed> {
        let len = usize::from(u16::from_be_bytes(self.array(len_field)?));
        if (MIN_WRAPPED_LEN..=MAX_WRAPPED_LEN).contains(&len) {
            Ok(len)
        } else {
            Err(Malformed::WrappedKeyLength { field, len })
        }
    }
}
