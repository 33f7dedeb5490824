//! An envelope laid out as a table: offset, size, field, hex, meaning. Needs no key.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use sc_core::envelope::{Envelope, Exchange, ParseOptions, Profile, Sealed, VERSION_BOUND};
use sc_core::error::Malformed;
use sc_core::limits::{HEADER_LEN, IV_LEN, TAG_LEN};
use serde_json::{Value, json};

use crate::hex;

/// Longest run of bytes that the table shows whole.
const WHOLE: usize = 16;

/// What a field is for; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Length,
    KeyId,
    WrappedKey,
    Iv,
    Ciphertext,
    Tag,
}

impl Part {
    const fn style(self) -> Style {
        match self {
            Self::Header => AnsiColor::Cyan.on_default(),
            Self::Length => Style::new().dimmed(),
            Self::KeyId => AnsiColor::Yellow.on_default(),
            Self::WrappedKey => AnsiColor::Magenta.on_default(),
            Self::Iv => AnsiColor::Blue.on_default(),
            Self::Ciphertext => AnsiColor::Red.on_default(),
            Self::Tag => AnsiColor::Green.on_default(),
        }
    }
}

/// One field.
#[derive(Debug)]
struct Row<'a> {
    offset: usize,
    field: &'static str,
    bytes: &'a [u8],
    meaning: String,
    part: Part,
}

/// One envelope, field by field.
#[derive(Debug)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
    kind: Option<u8>,
    name: &'static str,
    profile: Option<Profile>,
    rows: Vec<Row<'a>>,
}

impl<'a> View<'a> {
    /// Lays an envelope out.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let envelope = Envelope::parse(bytes, &ParseOptions::default())?;
        let kind = envelope.message_type().to_byte();
        let (name, what) = match envelope {
            Envelope::KeyExchange(..) => ("KEY_EXCHANGE", "both session keys, and the first request"),
            Envelope::SessionData(_) => ("SESSION_DATA", "a request"),
            Envelope::ResponseData(_) => ("RESPONSE_DATA", "an answer"),
        };
        let mut view = Self { bytes, kind: Some(kind), name, profile: None, rows: Vec::new() };
        view.put("magic", 2, Part::Header, "\"SC\"".to_owned());
        let version = match bytes.get(2) {
            Some(&VERSION_BOUND) => "2, in the bound profile",
            _ => "2",
        };
        view.put("version", 1, Part::Header, version.to_owned());
        view.put("type", 1, Part::Header, format!("{kind} {name}: {what}"));
        if let Envelope::KeyExchange(exchange, _) = &envelope {
            view.profile = Some(exchange.profile());
            view.put_exchange(exchange);
        }
        view.put_sealed(envelope.sealed());
        Ok(view)
    }

    /// Lays out what a text envelope holds, whose direction and so type only its carrier knows.
    pub(crate) fn of_payload(payload: &'a [u8]) -> Self {
        let mut view = Self { bytes: payload, kind: None, name: "TEXT", profile: None, rows: Vec::new() };
        view.put_payload(payload.len().saturating_sub(IV_LEN).saturating_sub(TAG_LEN));
        view
    }

    fn put_exchange(&mut self, exchange: &Exchange<'_>) {
        let id_len = exchange.key_id().len();
        self.put("keyIdLen", 1, Part::Length, format!("{id_len} bytes follow"));
        self.put("keyId", id_len, Part::KeyId, format!("RSA key \"{}\"", exchange.key_id()));
        for (len_field, field, key, whose) in [
            ("reqKeyLen", "encryptedReqKey", exchange.encrypted_request_key(), "request"),
            ("respKeyLen", "encryptedRespKey", exchange.encrypted_response_key(), "response"),
        ] {
            let (len, bits) = (key.len(), key.len().saturating_mul(8));
            self.put(len_field, 2, Part::Length, format!("{len} bytes follow"));
            self.put(field, len, Part::WrappedKey, format!("the {whose} key under RSA-OAEP-{bits}"));
        }
    }

    fn put_sealed(&mut self, sealed: &Sealed<'_>) {
        self.put_payload(sealed.ciphertext().len());
    }

    fn put_payload(&mut self, len: usize) {
        self.put("IV", IV_LEN, Part::Iv, "the nonce of AES-256-GCM".to_owned());
        self.put("ciphertext", len, Part::Ciphertext, format!("{len} bytes of plaintext, sealed"));
        self.put("tag", TAG_LEN, Part::Tag, "authenticates the plaintext".to_owned());
    }

    /// Adds the next field.
    fn put(&mut self, field: &'static str, size: usize, part: Part, meaning: String) {
        let offset = self.rows.last().map_or(0, |row| row.offset.saturating_add(row.bytes.len()));
        let bytes = self.bytes.get(offset..offset.saturating_add(size)).unwrap_or_default();
        self.rows.push(Row { offset, field, bytes, meaning, part });
    }

    /// Writes the table, coloured by field; a stream of `anstream` leaves the colours out where they do not belong.
    pub(crate) fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let bold = Style::new().bold();
        let (offset, size, field, hex) = ("offset", "size", "field", "hex");
        writeln!(out, "{bold}{offset:>7}  {size:>7}  {field:<16}  {hex:<34}  meaning{bold:#}")?;
        for Row { offset, field, bytes, meaning, part } in &self.rows {
            let (style, size, hex) = (part.style(), bytes.len(), shortened(bytes));
            writeln!(out, "{offset:>7}  {size:>7}  {style}{field:<16}  {hex:<34}{style:#}  {meaning}")?;
        }
        let overhead = self.bytes.len().saturating_sub(self.plaintext_len());
        writeln!(out, "{} bytes, {overhead} of them overhead", self.bytes.len())
    }

    /// The same for machines, every field in full.
    pub(crate) fn to_json(&self) -> Value {
        let fields = self.rows.iter().map(|row| {
            json!({
                "offset": row.offset,
                "size": row.bytes.len(),
                "field": row.field,
                "hex": hex::encode(row.bytes),
                "meaning": row.meaning,
            })
        });
        json!({
            "type": self.kind,
            "typeName": self.name,
            "version": self.kind.and_then(|_| self.bytes.get(2)),
            // Only a type 1 shows its profile (PROTOCOL 8).
            "profile": self.profile,
            "length": self.bytes.len(),
            "plaintextLength": self.plaintext_len(),
            "fields": fields.collect::<Vec<_>>(),
        })
    }

    fn plaintext_len(&self) -> usize {
        self.rows.iter().find(|row| row.part == Part::Ciphertext).map_or(0, |row| row.bytes.len())
    }
}

const _: () = assert!(HEADER_LEN == 4, "magic, version and type");

/// All of a short field, both ends of a long one.
fn shortened(bytes: &[u8]) -> String {
    match (bytes.first_chunk::<10>(), bytes.last_chunk::<6>()) {
        (Some(head), Some(tail)) if bytes.len() > WHOLE => {
            format!("{}..{}", hex::encode(head), hex::encode(tail))
        }
        _ => hex::encode(bytes),
    }
}
