//! Every length and cap of the protocol, with its unit and its source.

/// Length of an AES-256 key, in bytes (PROTOCOL 3).
pub const KEY_LEN: usize = 32;

/// Length of the AES-GCM nonce, called IV on the wire, in bytes (PROTOCOL 2).
pub const IV_LEN: usize = 12;

/// Length of the AES-GCM authentication tag, in bytes (PROTOCOL 2).
pub const TAG_LEN: usize = 16;

/// Length of magic, version and type, in bytes (PROTOCOL 2).
pub const HEADER_LEN: usize = 4;

/// Bytes in front of the ciphertext of a type 2 or 129 envelope: header and IV.
pub const HEAD_ROOM: usize = HEADER_LEN + IV_LEN;

/// Bytes behind the ciphertext of every envelope: the tag.
pub const TAIL_ROOM: usize = TAG_LEN;

/// What a type 2 or 129 envelope adds to its plaintext, in bytes.
pub const OVERHEAD: usize = HEAD_ROOM + TAIL_ROOM;

/// Shortest sealed payload, in bytes: IV and tag around an empty plaintext (PROTOCOL 2).
pub const MIN_SEALED_LEN: usize = IV_LEN + TAG_LEN;

/// Longest key id, in bytes (PROTOCOL 2).
pub const MAX_KEY_ID_LEN: usize = 255;

/// Shortest wrapped key, in bytes: RSA-2048 (PROTOCOL 2).
pub const MIN_WRAPPED_LEN: usize = 256;

/// Longest wrapped key, in bytes: RSA-4096 (PROTOCOL 2).
pub const MAX_WRAPPED_LEN: usize = 512;

/// Smallest accepted RSA modulus, in bits (PROTOCOL 3).
pub const MIN_RSA_BITS: usize = 2048;

/// Largest accepted RSA modulus, in bits (PROTOCOL 3).
pub const MAX_RSA_BITS: usize = 4096;

/// Longest accepted SPKI DER of an RSA public key, in bytes. RSA-2048 needs 294 and RSA-4096 needs 550 with the
/// usual exponent 65,537; the rest is room for longer exponents.
pub const MAX_SPKI_LEN: usize = 640;

/// Longest key exchange block of a type 1 envelope (between header and IV), in bytes.
pub const MAX_EXCHANGE_LEN: usize = 1 + MAX_KEY_ID_LEN + 2 * (2 + MAX_WRAPPED_LEN);

/// Most that any envelope adds to its plaintext, in bytes: a type 1 with the longest fields
/// (PROTOCOL 10.10).
pub const MAX_OVERHEAD: usize = HEADER_LEN + MAX_EXCHANGE_LEN + MIN_SEALED_LEN;

/// Default for the longest plaintext, in bytes: 1 MiB (PROTOCOL 2).
pub const DEFAULT_MAX_PLAINTEXT: usize = 1_048_576;

/// Longest plaintext that AES-GCM can seal under one IV, in bytes: 2^36 - 32 (NIST SP 800-38D 5.2.1.1).
pub const GCM_MAX_PLAINTEXT: u64 = (1 << 36) - 32;

/// Messages that one key may seal, at most: 2^32 (NIST SP 800-38D 8.3). The counter has 32 bits, so
/// [`Sealer`](crate::channel::Sealer) stops one short of it.
pub const MAX_MESSAGES_PER_KEY: u64 = 1 << 32;

/// Messages of one session, after which it has expired (PROTOCOL 4.3, a constant by 10.3).
pub const MAX_MESSAGES_PER_SESSION: u32 = 65_536;

/// Hashes of wrapped keys that a ledger keeps for one RSA key, at most: 2^24 (PROTOCOL 4.3).
pub const MAX_LEDGER_HASHES: usize = 1 << 24;

/// Longest value of `X-Client-Hash`, in bytes (PROTOCOL 5).
pub const MAX_CLIENT_HASH_LEN: usize = 256;

/// Longest registered message name, in bytes (this crate's choice; PROTOCOL 10.15 sets none).
pub const MAX_MESSAGE_NAME_LEN: usize = 255;

/// Default lifetime of a session, in milliseconds: 24 hours (PROTOCOL 4.3).
pub const DEFAULT_SESSION_TTL_MS: u64 = 24 * 60 * 60 * 1000;

/// How long a session lives that has opened no message, in milliseconds: 5 minutes (PROTOCOL 10.4).
pub const UNUSED_SESSION_MS: u32 = 5 * 60 * 1000;

const _: () = assert!(MAX_OVERHEAD == 1_316, "PROTOCOL 10.10 says 1,316");
const _: () = assert!(OVERHEAD == 32, "PROTOCOL 2 says 32");
