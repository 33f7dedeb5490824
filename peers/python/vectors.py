# Checks the test vectors (sc-core/vectors, or those that another peer made) in Python.
# SPDX-License-Identifier: MIT OR Apache-2.0
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from channel import Refused, associated_data, exchange_bytes, need, open_sealed, parse, parse_text, unwrap
from traces import replay


def refused(why, function, *args):
    try:
        function(*args)
    except Refused as error:
        return str(error)
    raise Refused(f"accepted: {why}")


def open_vector(private, v):
    """Opens a record of envelopes.json as its receiver would."""
    e, h = parse(bytes.fromhex(v["envelope"])), bytes.fromhex
    need(e["type"] == v["type"] and e["iv"] == h(v["iv"]), "fields")
    bound, more = v["profile"] == "bound", {}
    if e["type"] == 1:
        need(e["bound"] == bound and e["key_id"] == v["key_id"], "fields")
        need(e["wrapped"] == [h(v["enc_req_key"]), h(v["enc_resp_key"])], "fields")
        need(hashlib.sha256(exchange_bytes(e["key_id"], e["wrapped"])).hexdigest() == v["ctx"], "ctx")
        keys = [unwrap(private[v["bits"]], w) for w in e["wrapped"]]
        need(keys[0] != keys[1], "the two keys are equal")
        need(keys == [h(v["request_key"]), h(v["response_key"])], "keys")
    elif bound:
        more = {"ctx": h(v["ctx"]), "session_id": v["session_id"], "request_iv": h(v.get("request_iv", ""))}
    data = associated_data(e["head"], bound, v.get("message", ""), **more)
    need(data == h(v["associated_data"]), "associated data")
    return open_sealed(h(v["response_key" if e["type"] == 129 else "request_key"]), e["sealed"], data)


def open_text_vector(v):
    h, sealed = bytes.fromhex, parse_text(v["text"])
    need(sealed[:12] == h(v["iv"]), "iv")
    head = b"SC\x02" + (b"\x02" if v["direction"] == "request" else b"\x81")
    data = associated_data(head, v["profile"] == "bound", v.get("message", ""), h(v.get("ctx", "")),
                           v.get("session_id", ""), h(v.get("request_iv", "")))
    need(data == h(v["associated_data"]), "associated data")
    return open_sealed(h(v["key"]), sealed, data)


def spread(v):
    if "bytes" in v:
        return bytes.fromhex(v["bytes"])
    r = v["repeat"]
    return bytes.fromhex(r["prefix"]) + bytes.fromhex(r["byte"]) * r["count"]


OWN_MISTAKES = ("fields", "ctx", "associated data", "keys", "iv")  # not what a bad vector may fail by


def check_vectors(folder):
    """Checks every list that is there; a folder need not have all of them."""
    def load(name):
        path = Path(folder) / f"{name}.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    files = {name: load(name) for name in ("keys", "envelopes", "oaep", "text", "traces")}
    private = {k["bits"]: serialization.load_der_private_key(bytes.fromhex(k["pkcs8_der"]), None)
               for k in files["keys"]["keys"]}
    counts = {}

    def each(file, part, check):
        if part not in files[file]:
            return
        for v in files[file][part]:
            name = f"{file}.{part}: {v.get('name', v.get('why'))}"
            try:
                good = check(v)
            except Refused as error:
                raise Refused(f"{name}: {error}") from error
            need(good, name)
        counts[f"{file}.{part}"] = len(files[file][part])

    each("envelopes", "positive", lambda v: open_vector(private, v) == bytes.fromhex(v["plaintext"]))
    each("envelopes", "parses", lambda v: parse(spread(v))["type"] == v["type"])
    each("envelopes", "negative", lambda v: refused(v["name"], parse, spread(v)) == v["error"])
    each("envelopes", "open_failures", lambda v: refused(v["why"], open_vector, private, v) not in OWN_MISTAKES)
    each("oaep", "ok", lambda v: unwrap(private[v["bits"]], bytes.fromhex(v["wrapped"])) == bytes.fromhex(v["key"]))
    each("oaep", "failures", lambda v: refused(v["why"], unwrap, private[v["bits"]], bytes.fromhex(v["wrapped"])))
    each("text", "positive", lambda v: open_text_vector(v) == bytes.fromhex(v["plaintext"]))
    each("text", "negative", lambda v: refused(v["why"], parse_text, v["text"]))
    each("text", "open_failures", lambda v: refused(v["why"], open_text_vector, v) not in OWN_MISTAKES)
    each("traces", "traces", lambda v: replay(private[v["bits"]], v))
    need(counts and all(counts.values()), "an empty list of vectors")
    print(f"vectors: {sum(counts.values())} checked (" + ", ".join(f"{n} {c}" for n, c in counts.items()) + ")")
