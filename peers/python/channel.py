# Secure Channel v2 in Python: envelopes and cryptography, from PROTOCOL.md alone. The file to copy from.
# SPDX-License-Identifier: MIT OR Apache-2.0
import base64
import json
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_ENVELOPE = 1_048_576 + 1_316
# Both the hash and MGF1 use SHA-256; the label is empty.
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


class Refused(Exception):
    """Something that this peer does not accept."""


def need(condition, why):
    if not condition:
        raise Refused(why)


# --- Envelope (PROTOCOL 2) -----------------------------------------------------------------------

def parse(raw):
    need(len(raw) <= MAX_ENVELOPE, "too_long")
    need(len(raw) >= 4, "too_short")
    need(raw[:2] == b"SC", "magic")
    version, kind = raw[2], raw[3]
    need(version == 2 or (version == 0x82 and kind == 1), "version")
    need(kind in (1, 2, 129), "type")
    out, rest = {"type": kind, "bound": version == 0x82}, raw[4:]
    if kind == 1:
        need(rest, "truncated")
        size, rest = rest[0], rest[1:]
        need(size, "key_id_length")
        need(len(rest) >= size, "truncated")
        key_id, rest = rest[:size], rest[size:]
        need(all(0x21 <= c <= 0x7E for c in key_id), "key_id_character")
        wrapped = []
        for _ in range(2):
            need(len(rest) >= 2, "truncated")
            size, rest = int.from_bytes(rest[:2], "big"), rest[2:]
            need(256 <= size <= 512, "wrapped_key_length")
            need(not wrapped or len(wrapped[0]) == size, "wrapped_keys_differ")
            need(len(rest) >= size, "truncated")
            wrapped.append(rest[:size])
            rest = rest[size:]
        out |= {"key_id": key_id.decode("ascii"), "wrapped": wrapped}
    need(len(rest) >= 28, "sealed_too_short")
    return out | {"iv": rest[:12], "sealed": rest, "head": raw[:len(raw) - len(rest)]}


def parse_text(text):
    """PROTOCOL 7: exactly v and p, in any order; returns IV, ciphertext and tag."""
    def members(pairs):
        need(sorted(name for name, _ in pairs) == ["p", "v"], "members")
        return dict(pairs)

    try:
        doc = json.loads(text, object_pairs_hook=members)
    except ValueError as error:
        raise Refused(f"not JSON: {error}") from error
    need(isinstance(doc, dict) and type(doc["v"]) is int and doc["v"] == 2 and isinstance(doc["p"], str), "form")
    need(re.fullmatch("[A-Za-z0-9+/]*={0,2}", doc["p"]) and len(doc["p"]) % 4 == 0, "not Base64")
    sealed = base64.b64decode(doc["p"], validate=True)
    need(base64.b64encode(sealed).decode() == doc["p"], "Base64 not canonical")
    need(len(sealed) >= 28, "too short")
    return sealed


# --- Cryptography (PROTOCOL 3 and 8) -------------------------------------------------------------

def exchange_bytes(key_id, wrapped):
    key_id = key_id.encode("ascii")
    out = bytes([len(key_id)]) + key_id
    for one in wrapped:
        out += len(one).to_bytes(2, "big") + one
    return out


def associated_data(head, bound, message, ctx=b"", session_id="", request_iv=b""):
    """`head` is everything before the IV; ctx and session id are empty for type 1."""
    return head + ctx + session_id.encode() + request_iv + message.encode() if bound else b""


def seal(key, head, data, plaintext):
    iv = os.urandom(12)
    return iv, head + iv + AESGCM(key).encrypt(iv, plaintext, data)


def open_sealed(key, sealed, data):
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], data)
    except InvalidTag:
        raise Refused("does not open") from None


def unwrap(private, wrapped):
    """For the vectors only: a client never unwraps."""
    need(len(wrapped) == private.key_size // 8, "wrapped length")
    try:
        key = private.decrypt(wrapped, OAEP)
    except ValueError:
        raise Refused("does not unwrap") from None
    need(len(key) == 32, "unwrapped length")
    return key
