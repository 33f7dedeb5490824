# Makes test vectors from fresh randomness, for the other peers to check: writes envelopes.json and text.json.
# SPDX-License-Identifier: MIT OR Apache-2.0
import base64
import hashlib
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from channel import OAEP, associated_data, exchange_bytes, seal

MESSAGE = "password.forgot"


def record(kind, profile, plaintext, rsa=None):
    """One envelope, in the fields of sc-core/vectors/README.md."""
    name = f"python-type{kind}-{profile}-{len(plaintext)}" + (f"-{rsa['bits']}" if rsa else "")
    keys, bound = [os.urandom(32), os.urandom(32)], profile == "bound"
    v = {"name": name, "type": kind, "profile": profile, "request_key": keys[0].hex(), "response_key": keys[1].hex(),
         "plaintext": plaintext.hex()}
    head, more = bytes([0x53, 0x43, 0x82 if bound and kind == 1 else 2, kind]), {}
    if kind == 1:
        public = serialization.load_der_public_key(bytes.fromhex(rsa["spki_der"]))
        wrapped = [public.encrypt(key, OAEP) for key in keys]
        exchange = exchange_bytes(rsa["key_id"], wrapped)
        head += exchange
        v |= {"bits": rsa["bits"], "key_id": rsa["key_id"], "enc_req_key": wrapped[0].hex(), "enc_resp_key": wrapped[1].hex(),
              "ctx": hashlib.sha256(exchange).hexdigest(), "message": MESSAGE}
    elif bound:
        more = {"ctx": os.urandom(32), "session_id": "sess_" + base64.urlsafe_b64encode(os.urandom(24)).decode()}
        v |= {"ctx": more["ctx"].hex(), "session_id": more["session_id"], "message": MESSAGE}
        if kind == 129:
            more["request_iv"] = os.urandom(12)
            v["request_iv"] = more["request_iv"].hex()
    data = associated_data(head, bound, MESSAGE, **more)
    iv, envelope = seal(keys[1 if kind == 129 else 0], head, data, plaintext)
    return v | {"iv": iv.hex(), "associated_data": data.hex(), "envelope": envelope.hex()}


def text_record(kind, profile, plaintext):
    """One text envelope: the binary one of type 2 or 129, without its header, in Base64."""
    v = record(kind, profile, plaintext)
    p = base64.b64encode(bytes.fromhex(v.pop("envelope"))[4:]).decode()
    keys = {2: v.pop("request_key"), 129: v.pop("response_key")}
    v.pop("type")
    return v | {"name": v["name"].replace("-type", "-text"), "text": json.dumps({"v": 2, "p": p}), "key": keys[kind],
                "direction": "request" if kind == 2 else "response"}


def make_vectors(folder):
    keys = json.loads((Path(folder) / "keys.json").read_text("utf-8"))["keys"]
    envelopes, texts = [], []
    for profile in ("plain", "bound"):
        envelopes += [record(1, profile, os.urandom(28), rsa) for rsa in keys]
        for kind in (2, 129):
            envelopes += [record(kind, profile, os.urandom(size)) for size in (0, 1, 28, 1000)]
            texts.append(text_record(kind, profile, os.urandom(28)))
    for name, positive in (("envelopes", envelopes), ("text", texts)):
        (Path(folder) / f"{name}.json").write_text(json.dumps({"positive": positive}, indent=1) + "\n")
    print(f"made: {len(envelopes)} envelopes, {len(texts)} text envelopes")
