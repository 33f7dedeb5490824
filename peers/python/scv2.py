# A Secure Channel v2 client in Python, from PROTOCOL.md alone; proves that other languages interoperate.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   python3 scv2.py --base-url URL [--email E] [--inline] [--bound]
#   python3 scv2.py --vectors DIR
import argparse
import base64
import hashlib
import http.client
import json
import os
import re
import sys
import urllib.parse
import uuid
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_ENVELOPE = 1_048_576 + 1_316
MESSAGE = "password.forgot"
PATH = "/web/v1/system/auth/password/forgot"
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


# --- Client (PROTOCOL 4 to 6) --------------------------------------------------------------------

class Client:
    def __init__(self, base_url, bound):
        url = urllib.parse.urlsplit(base_url)
        need(url.scheme in ("http", "https") and url.hostname, "base URL")
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self.connection, self.prefix = kind(url.netloc, timeout=30), url.path.rstrip("/")
        self.bound, self.hash = bound, "peer-python-" + os.urandom(8).hex()
        self.session_id = None
        self.request_key, self.response_key = os.urandom(32), os.urandom(32)

    def http(self, method, path, body=None, session=None):
        request_id = str(uuid.uuid4())
        headers = {"X-Client-Hash": self.hash, "X-SC-Version": "2", "Accept": "application/json",
                   "Accept-Language": "en", "X-Request-Id": request_id}
        if body is not None:
            headers["Content-Type"] = "application/json;charset=UTF-8"
        if session:
            headers["X-SC-Session-Id"] = session
        self.connection.request(method, self.prefix + path, body, headers)
        answer = self.connection.getresponse()
        raw = answer.read()
        need(answer.headers.get("X-Request-Id") == request_id, f"{path}: X-Request-Id is not echoed")
        return answer.status, answer.headers, raw

    def plain(self, method, path, body=None, session=None):
        """A plain JSON answer of the success form; returns its `data`."""
        status, _, raw = self.http(method, path, body, session)
        return success(path, status, raw).get("data")

    def fetch_key(self):
        doc = self.plain("GET", "/web/v1/secure-channel/public-key")
        need(not self.bound or "bound" in doc.get("profiles", []), "the server does not offer the profile bound")
        public = serialization.load_der_public_key(base64.b64decode(doc["publicKey"], validate=True))
        need(public.key_size == doc["keySize"] and 2048 <= public.key_size <= 4096, "key size")
        need(doc["algorithm"] == f"RSA-OAEP-{public.key_size}", "algorithm")
        self.key_id = doc["keyId"]
        self.wrapped = [public.encrypt(key, OAEP) for key in (self.request_key, self.response_key)]
        self.exchange = exchange_bytes(self.key_id, self.wrapped)
        self.ctx = hashlib.sha256(self.exchange).digest()

    def create_session(self):
        req, resp = (base64.b64encode(w).decode() for w in self.wrapped)
        body = {"keyId": self.key_id, "encReqKey": req, "encRespKey": resp}
        if self.bound:
            body["profile"] = "bound"
        data = self.plain("POST", "/web/v1/secure-channel/session", json.dumps(body).encode())
        need(data.get("profile", "plain") == ("bound" if self.bound else "plain"), "profile of the session")
        need(isinstance(data["expiresAt"], int), "expiresAt")
        self.take_session(data["sessionId"])

    def take_session(self, session_id):
        need(re.fullmatch("sess_[A-Za-z0-9_-]{32}", session_id or ""), f"session id {session_id!r}")
        self.session_id = session_id

    def request(self, path, message, plaintext):
        """Sends one sealed request (type 1 while there is no session) and opens its answer."""
        inline = self.session_id is None
        if inline:
            head = b"SC" + (b"\x82" if self.bound else b"\x02") + b"\x01" + self.exchange
            data = associated_data(head, self.bound, message)
        else:
            head = b"SC\x02\x02"
            data = associated_data(head, self.bound, message, self.ctx, self.session_id)
        iv, envelope = seal(self.request_key, head, data, plaintext)
        status, headers, raw = self.http("POST", path, envelope, self.session_id)
        need(raw[:2] == b"SC", f"plain answer to a sealed request: HTTP {status} {raw[:300]!r}")
        answer = parse(raw)
        need(answer["type"] == 129, f"answer of type {answer['type']}")
        if inline:
            self.take_session(headers.get("X-SC-Session-Id"))
            need(re.fullmatch("[0-9]+", headers.get("X-SC-Expires-At", "")), "X-SC-Expires-At")
        data = associated_data(answer["head"], self.bound, message, self.ctx, self.session_id, iv)
        return status, open_sealed(self.response_key, answer["sealed"], data)

    def close(self):
        self.plain("POST", "/web/v1/secure-channel/session/close", session=self.session_id)

    def request_is_refused(self, path, plaintext):
        """After close: plain JSON, 404, SESSION_NOT_FOUND."""
        data = associated_data(b"SC\x02\x02", self.bound, MESSAGE, self.ctx, self.session_id)
        envelope = seal(self.request_key, b"SC\x02\x02", data, plaintext)[1]
        status, _, raw = self.http("POST", path, envelope, self.session_id)
        need(status == 404 and raw[:1] == b"{", f"after close: HTTP {status}")
        doc = json.loads(raw)
        need(doc["success"] is False and doc["code"] == "SECURE_CHANNEL.SESSION_NOT_FOUND", f"after close: {doc}")


def success(what, status, raw):
    """Checks the JSON form that every successful answer has, sealed or plain."""
    try:
        doc = json.loads(raw.decode("utf-8"))
    except ValueError:
        raise Refused(f"{what}: HTTP {status}, not JSON") from None
    need(status == 200 and doc.get("success") is True and doc.get("code") == "2000", f"{what}: HTTP {status} {doc}")
    need(doc.get("version") == "2.0.0" and isinstance(doc.get("timestamp"), int), f"{what}: form of {doc}")
    return doc


def run(args):
    client = Client(args.base_url, args.bound)
    payload = json.dumps({"email": args.email or f"peer-{os.urandom(6).hex()}@example.com"}).encode()
    client.fetch_key()
    if not args.inline:
        client.create_session()
    for _ in range(2):  # with --inline the first is type 1; the second is always type 2
        status, opened = client.request(PATH, MESSAGE, payload)
        print(opened.decode("utf-8"))
        need(success("sealed answer", status, opened)["data"]["success"] is True, "data.success")
    client.close()
    client.close()
    client.request_is_refused(PATH, payload)


# --- Vectors -------------------------------------------------------------------------------------

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


def vectors(folder):
    load = {n: json.loads((Path(folder) / f"{n}.json").read_text("utf-8")) for n in ("keys", "envelopes", "oaep", "text")}
    private = {k["bits"]: serialization.load_der_private_key(bytes.fromhex(k["pkcs8_der"]), None)
               for k in load["keys"]["keys"]}
    counts = {}

    def each(file, part, check):
        for v in load[file][part]:
            try:
                good = check(v)
            except Refused as error:
                raise Refused(f"{file}.{part}: {v.get('name', v.get('why'))}: {error}") from error
            need(good, f"{file}.{part}: {v.get('name', v.get('why'))}")
        counts[f"{file}.{part}"] = len(load[file][part])

    each("envelopes", "positive", lambda v: open_vector(private, v) == bytes.fromhex(v["plaintext"]))
    each("envelopes", "parses", lambda v: parse(spread(v))["type"] == v["type"])
    each("envelopes", "negative", lambda v: refused(v["name"], parse, spread(v)) == v["error"])
    each("envelopes", "open_failures", lambda v: refused(v["why"], open_vector, private, v) not in OWN_MISTAKES)
    each("oaep", "ok", lambda v: unwrap(private[v["bits"]], bytes.fromhex(v["wrapped"])) == bytes.fromhex(v["key"]))
    each("oaep", "failures", lambda v: refused(v["why"], unwrap, private[v["bits"]], bytes.fromhex(v["wrapped"])))
    each("text", "positive", lambda v: open_text_vector(v) == bytes.fromhex(v["plaintext"]))
    each("text", "negative", lambda v: refused(v["why"], parse_text, v["text"]))
    each("text", "open_failures", lambda v: refused(v["why"], open_text_vector, v) not in OWN_MISTAKES)
    need(all(counts.values()), "an empty list of vectors")
    print(f"vectors: {sum(counts.values())} checked (" + ", ".join(f"{n} {c}" for n, c in counts.items()) + ")")


def main():
    parser = argparse.ArgumentParser(description="SCv2 peer: forgot password end to end, or the test vectors.")
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--base-url")
    one.add_argument("--vectors", metavar="DIR")
    parser.add_argument("--email", help="default: a random one")
    parser.add_argument("--inline", action="store_true", help="set up by a type 1 envelope")
    parser.add_argument("--bound", action="store_true", help="use the bound profile")
    args = parser.parse_args()
    try:
        vectors(args.vectors) if args.vectors else run(args)
    except (Refused, OSError, http.client.HTTPException, KeyError, ValueError, TypeError, AttributeError) as error:
        sys.exit(f"scv2.py: {type(error).__name__}: {error}")  # exit code 1


if __name__ == "__main__":
    main()
