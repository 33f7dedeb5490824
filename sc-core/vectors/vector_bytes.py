# Bytes from fields, as PROTOCOL.md says: what make_vectors.py and make_traces.py share.
# SPDX-License-Identifier: MIT OR Apache-2.0
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_private_key

MESSAGE = "password.forgot"  # PROTOCOL 10, 15: the registered name ends the bound associated data


def seeded(label, size):
    """`size` bytes that follow from a label: SHA-256 of label and counter."""
    blocks = range((size + 31) // 32)
    return b"".join(hashlib.sha256(f"scv2 {label} {n}".encode()).digest() for n in blocks)[:size]


def unhex(v, field):
    return bytes.fromhex(v[field])


# --- PROTOCOL 2 and 8: bytes from fields ---------------------------------------------------------

def exchange(v):
    """The key exchange as a type 1 envelope carries it, length fields included."""
    req, resp, key_id = unhex(v, "enc_req_key"), unhex(v, "enc_resp_key"), v["key_id"].encode()
    return (bytes([len(key_id)]) + key_id + len(req).to_bytes(2, "big") + req
            + len(resp).to_bytes(2, "big") + resp)


def head(v):
    """All bytes of the envelope before the IV."""
    if v["type"] == 1:
        return b"SC" + (b"\x82" if v["profile"] == "bound" else b"\x02") + b"\x01" + exchange(v)
    return b"SC\x02" + bytes([v["type"]])


def associated_data(v):
    if v["profile"] == "plain":
        return b""
    data = head(v)
    if v["type"] != 1:
        data += unhex(v, "ctx") + v["session_id"].encode()
    if v["type"] == 129:
        data += unhex(v, "request_iv")
    return data + v["message"].encode()


def sealing_key(v):
    return unhex(v, "response_key" if v["type"] == 129 else "request_key")


def seal(v, key=None, data=None):
    """Returns IV, ciphertext and tag; `key` and `data` are for deliberate mistakes."""
    data = associated_data(v) if data is None else data
    return unhex(v, "iv") + AESGCM(key or sealing_key(v)).encrypt(unhex(v, "iv"), unhex(v, "plaintext"), data)


def open_sealed(key, sealed, data):
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], data)
    except InvalidTag:
        return None


# --- RSA -----------------------------------------------------------------------------------------

def oaep(mgf=hashes.SHA256, hash_=hashes.SHA256, label=None):
    return padding.OAEP(mgf=padding.MGF1(mgf()), algorithm=hash_(), label=label)


def unwraps(private, wrapped, pad=None):
    try:
        return private.decrypt(wrapped, pad or oaep())
    except ValueError:
        return None


def load_keys(doc):
    return {k["bits"]: load_der_private_key(unhex(k, "pkcs8_der"), None) for k in doc["keys"]}
