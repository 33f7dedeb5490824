//! An envelope as a table: offset, size, field, first bytes in hex, meaning.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use sc_core::envelope::{Envelope, Exchange, MessageType, Profile, Sealed};
use serde::Serialize;

/// Bytes shown of a long field.
const SHOWN: usize = 16;

/// One field of an envelope.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) field: &'static str,
    /// All bytes, in hex.
    pub(crate) hex: String,
    pub(crate) meaning: String,
}

/// The rows of a parsed envelope, front to back.
pub(crate) fn rows(bytes: &[u8], envelope: &Envelope<'_>) -> Vec<Row> {
    let mut table = Table { bytes, at: 0, rows: Vec::new() };
    let version = bytes.get(2).copied().unwrap_or_default();
    table.push("magic", 2, "SC".to_owned());
    table.push("version", 1, if version & 0x80 == 0 { "2".to_owned() } else { "2, bound profile".to_owned() });
    table.push("type", 1, type_name(envelope.message_type()).to_owned());
    match envelope {
        Envelope::KeyExchange(exchange, sealed) => {
            table.push_exchange(exchange);
            table.push_sealed(sealed);
        }
        Envelope::SessionData(sealed) | Envelope::ResponseData(sealed) => table.push_sealed(sealed),
    }
    table.rows
}

/// The name of a type as the protocol writes it.
pub(crate) const fn type_name(kind: MessageType) -> &'static str {
    match kind {
        MessageType::KeyExchange => "1 KEY_EXCHANGE",
        MessageType::SessionData => "2 SESSION_DATA",
        MessageType::ResponseData => "129 RESPONSE_DATA",
    }
}

struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
    rows: Vec<Row>,
}

impl Table<'_> {
    fn push(&mut self, field: &'static str, size: usize, meaning: String) {
        let end = self.at.saturating_add(size);
        let hex = to_hex(self.bytes.get(self.at..end).unwrap_or_default());
        self.rows.push(Row { offset: self.at, size, field, hex, meaning });
        self.at = end;
    }

    fn push_exchange(&mut self, exchange: &Exchange<'_>) {
        let key_id = exchange.key_id();
        let wrapped = exchange.encrypted_request_key().len();
        let rsa = format!("RSA-{} OAEP-SHA-256", wrapped.saturating_mul(8));
        self.push("keyIdLen", 1, key_id.len().to_string());
        self.push("keyId", key_id.len(), key_id.to_owned());
        self.push("reqKeyLen", 2, wrapped.to_string());
        self.push("encryptedReqKey", wrapped, rsa.clone());
        self.push("respKeyLen", 2, wrapped.to_string());
        self.push("encryptedRespKey", wrapped, rsa);
        if exchange.profile() == Profile::Bound {
            // The head is authenticated as a whole: say so where it ends.
            if let Some(row) = self.rows.last_mut() {
                row.meaning.push_str("; all up to here is associated data");
            }
        }
    }

    fn push_sealed(&mut self, sealed: &Sealed<'_>) {
        let len = sealed.ciphertext().len();
        self.push("IV", 12, "AES-256-GCM nonce".to_owned());
        self.push("ciphertext", len, format!("{len} bytes of plaintext, unreadable"));
        self.push("tag", 16, "authenticates everything".to_owned());
    }
}

/// The rows as text, coloured by field; colours are stripped where nobody sees them.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut out = String::new();
    let head = Style::new().bold();
    // Writing to a String does not fail.
    let _ = writeln!(out, "  {head}offset   size  field             bytes                                meaning{head:#}");
    for row in rows {
        let style = style(row.field);
        let shown: String = row.hex.chars().take(SHOWN * 2).collect();
        let more = if shown.len() < row.hex.len() { "…" } else { " " };
        let _ = writeln!(
            out,
            "  {:>6} {:>6}  {style}{:<17} {shown:<32}{more}{style:#}   {}",
            row.offset, row.size, row.field, row.meaning
        );
    }
    out
}

/// A colour for each kind of field.
fn style(field: &str) -> Style {
    let color = match field {
        "magic" | "version" | "type" => AnsiColor::Cyan,
        "IV" => AnsiColor::Yellow,
        "ciphertext" => AnsiColor::Red,
        "tag" => AnsiColor::Magenta,
        _ => AnsiColor::Green,
    };
    color.on_default()
}

/// Bytes as lower-case hex.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}
