# Makes traces.json for make_vectors.py: whole conversations, byte for byte, from fixed randomness.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Nothing here is random: OAEP wraps are made from a given seed (RFC 8017, section 7.1.1), which no library lets a
# caller choose, so the encoding is written out below; the check unwraps with `cryptography`.
import base64
import hashlib
import json

import vector_cases as cases
from vector_bytes import MESSAGE, associated_data, exchange, head, load_keys, open_sealed, seal, sealing_key, seeded, unwraps

START = 1_711_929_600_000  # 2024-04-01T00:00:00Z; every step is a second later
DAY = 86_400_000
KEY_PATH = "/web/v1/secure-channel/public-key"
SESSION_PATH = "/web/v1/secure-channel/session"
CLOSE_PATH = "/web/v1/secure-channel/session/close"
FORGOT_PATH = "/web/v1/system/auth/password/forgot"
JSON_TYPE = {"Content-Type": "application/json;charset=UTF-8"}

# (way, profile, bits)
TRACES = (("endpoint", "plain", 2048), ("endpoint", "bound", 3072), ("inline", "plain", 2048), ("inline", "bound", 4096),
          ("text", "plain", 2048), ("text", "bound", 2048))

# code -> (HTTP status, message); the protocol fixes the codes and the status, messages are for people
ERRORS = {
    "REQUEST.RATE_LIMITED": (429, "Too many requests, please try again later"),
    "SECURE_CHANNEL.INVALID_PAYLOAD": (400, "Invalid secure channel payload"),
    "SECURE_CHANNEL.KEY_EXCHANGE_FAILED": (400, "Failed to decrypt session keys"),
    "SECURE_CHANNEL.REPLAYED": (409, "The request was received before"),
    "SECURE_CHANNEL.SESSION_NOT_FOUND": (404, "Secure channel session not found"),
}


# --- RSA-OAEP with a given seed ------------------------------------------------------------------

def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def mgf1(seed, size):
    blocks = range((size + 31) // 32)
    return b"".join(hashlib.sha256(seed + n.to_bytes(4, "big")).digest() for n in blocks)[:size]


def wrap_with_seed(private, key, seed):
    """EME-OAEP (SHA-256 twice, empty label), then the public operation."""
    numbers = private.public_key().public_numbers()
    size = private.key_size // 8
    data = hashlib.sha256(b"").digest() + bytes(size - 66 - len(key)) + b"\x01" + key
    data = xor(data, mgf1(seed, len(data)))
    block = b"\0" + xor(seed, mgf1(data, 32)) + data
    return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(size, "big")


# --- One conversation ----------------------------------------------------------------------------

def compact(doc):
    return json.dumps(doc, separators=(",", ":")).encode()


def base64_of(raw):
    return base64.b64encode(raw).decode()


class Conversation:
    """Plays both sides, and writes down every step."""

    def __init__(self, key, private, way, profile, bits):
        name = self.name = f"{way}-{profile}"
        self.key, self.way, self.now = key, way, START
        self.trace = {
            "name": name, "way": way, "profile": profile, "bits": bits, "key_id": key["key_id"],
            "client_hash": f"trace-{name}", "session_id": "sess_" + base64.urlsafe_b64encode(self.seeded("session", 24)).decode()}
        for role in ("request", "response"):
            self.trace |= {f"{role}_key": self.seeded(f"{role} key", 32).hex(),
                           f"{role}_oaep_seed": self.seeded(f"{role} oaep seed", 32).hex()}
        for role, field in (("request", "enc_req_key"), ("response", "enc_resp_key")):
            key, seed = (bytes.fromhex(self.trace[f"{role}_{part}"]) for part in ("key", "oaep_seed"))
            self.trace[field] = wrap_with_seed(private, key, seed).hex()
        self.trace["ctx"] = hashlib.sha256(exchange(self.trace)).hexdigest()
        self.steps = self.trace["steps"] = []

    def seeded(self, what, size):
        return seeded(f"trace {self.name} {what}", size)

    def json(self, code, data):
        """The body of a JSON answer, and its status."""
        status, message = ERRORS.get(code, (200, "SUCCESS"))
        return status, compact({"version": "2.0.0", "timestamp": self.now, "success": code == "2000", "code": code,
                                "message": message, "data": data})

    def sealed(self, kind, what, plaintext, request_iv=""):
        """A sealed body, and what it is made of."""
        v = self.trace | {"type": kind, "message": MESSAGE, "iv": self.seeded(what + " iv", 12).hex(),
                          "plaintext": plaintext.hex(), "request_iv": request_iv}
        v["associated_data"] = associated_data(v).hex()
        body = head(v) + seal(v)
        if self.way == "text":
            body = compact({"v": 2, "p": base64_of(body[4:])})
        return body, {field: v[field] for field in ("type", "message", "iv", "plaintext", "associated_data")}

    def add(self, name, kind, request, response, **more):
        self.steps.append({"name": name, "kind": kind} | more | {"request": request, "response": response})
        self.now += 1000

    def request(self, path, body=b"", method="POST", session=False, sealed=None):
        headers = {"X-Client-Hash": self.trace["client_hash"], "X-SC-Version": "2"}
        headers |= JSON_TYPE if body else {}
        headers |= {"X-SC-Session-Id": self.trace["session_id"]} if session else {}
        out = {"method": method, "path": path, "headers": headers, "body": body.hex()}
        return out | ({"sealed": sealed} if sealed else {})

    def response(self, code, body, status, headers=None, sealed=None):
        out = {"status": status, "code": code, "headers": JSON_TYPE | (headers or {}), "body": body.hex()}
        return out | ({"sealed": sealed} if sealed else {})

    def plain(self, code, data=None, headers=None):
        status, body = self.json(code, data)
        return self.response(code, body, status, headers)

    # --- Steps ---

    def fetch_key(self):
        doc = {"keyId": self.key["key_id"], "publicKey": self.key["spki_base64"], "algorithm": f"RSA-OAEP-{self.key['bits']}",
               "keySize": self.key["bits"], "createdAt": "2024-04-01T00:00:00Z", "expiresAt": "2024-04-02T01:00:00Z",
               "profiles": ["plain", "bound"]}
        self.add("fetch the public key", "key", self.request(KEY_PATH, method="GET"),
                 self.plain("2000", doc, {"Cache-Control": "max-age=1800"}))

    def set_up(self):
        doc = {"keyId": self.trace["key_id"], "encReqKey": base64_of(bytes.fromhex(self.trace["enc_req_key"])),
               "encRespKey": base64_of(bytes.fromhex(self.trace["enc_resp_key"]))}
        answer = {"sessionId": self.trace["session_id"], "expiresAt": self.now + DAY, "idleTimeout": 1800}
        if self.trace["profile"] == "bound":
            doc, answer = doc | {"profile": "bound"}, answer | {"profile": "bound"}
        self.add("set up a session", "set-up", self.request(SESSION_PATH, compact(doc)), self.plain("2000", answer))

    def message(self, name, kind=2, code="2000", headers=None):
        plaintext = compact({"email": "user@example.com"})
        body, sealed = self.sealed(kind, name + " request", plaintext)
        request = self.request(FORGOT_PATH, body, session=kind == 2, sealed=sealed)
        data = {"success": True, "message": "If the email exists, a reset link will be sent"} if code == "2000" else None
        status, plain = self.json(code, data)
        answer, sealed = self.sealed(129, name + " answer", plain, request_iv=sealed["iv"])
        self.add(name, "message", request, self.response(code, answer, status, headers, sealed))

    def first(self):
        headers = {"X-SC-Session-Id": self.trace["session_id"], "X-SC-Expires-At": str(self.now + DAY), "X-SC-Idle-Timeout": "1800"}
        self.message("first message, which sets up the session", kind=1, headers=headers)

    def repeat(self, name, of, code):
        request = {field: self.steps[of]["request"][field] for field in ("method", "path", "headers", "body")}
        self.add(name, "repeat", request, self.plain(code), of=of)

    def tampered(self, name, of, of_name):
        """The last bit of the tag of step `of`, which comes later, is flipped."""
        body, sealed = self.sealed(2, of_name + " request", compact({"email": "user@example.com"}))
        if self.way == "text":
            raw = cases.parse_text(body.decode())
            body = compact({"v": 2, "p": base64_of(raw[:-1] + bytes([raw[-1] ^ 1]))})
        else:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.add(name, "tampered", self.request(FORGOT_PATH, body, session=True),
                 self.plain("SECURE_CHANNEL.INVALID_PAYLOAD"), of=of)

    def close(self, name):
        self.add(name, "close", self.request(CLOSE_PATH, session=True), self.plain("2000", {"closed": True}))

    def late(self):
        body, sealed = self.sealed(2, "late request", compact({"email": "user@example.com"}))
        self.add("a message after close", "late", self.request(FORGOT_PATH, body, session=True, sealed=sealed),
                 self.plain("SECURE_CHANNEL.SESSION_NOT_FOUND"))


def make_trace(key, private, way, profile, bits):
    talk = Conversation(key, private, way, profile, bits)
    talk.fetch_key()
    if way == "inline":
        talk.first()
        talk.repeat("the same type 1 envelope again: its keys were accepted once", 1, "SECURE_CHANNEL.INVALID_PAYLOAD")
    else:
        talk.set_up()
        talk.repeat("the same wrapped keys again: they were accepted once", 1, "SECURE_CHANNEL.KEY_EXCHANGE_FAILED")
        talk.message("first message")
    talk.message("second message")
    second = len(talk.steps) - 1
    talk.repeat("the second message again: its IV was seen", second, "SECURE_CHANNEL.REPLAYED")
    talk.tampered("the third message, one bit changed on its way", second + 3, "third message")
    talk.message("third message")
    talk.message("fourth message, over the rate limit", code="REQUEST.RATE_LIMITED", headers={"Retry-After": "294"})
    talk.close("close")
    talk.close("close again")
    talk.late()
    return talk.trace


def make_traces(keys_doc):
    private, records = load_keys(keys_doc), {k["bits"]: k for k in keys_doc["keys"]}
    return {"comment": "SCv2 conversations (PROTOCOL.md sections 4 to 8). See README.md.",
            "traces": [make_trace(records[bits], private[bits], way, profile, bits) for way, profile, bits in TRACES]}


# --- --check: reads every step as its receiver does ----------------------------------------------

def open_body(trace, body, sealed, request_iv=""):
    """Opens a request or an answer; None if it does not open."""
    like = trace | sealed | {"request_iv": request_iv}
    if trace["way"] == "text":
        raw = cases.parse_text(body.decode())
    else:
        parsed = cases.parse(body)
        assert parsed["type"] == sealed["type"], trace["name"]
        raw = parsed["sealed"]
    assert raw[:12].hex() == sealed["iv"] and associated_data(like).hex() == sealed["associated_data"], trace["name"]
    return open_sealed(sealing_key(like), raw, associated_data(like))


def check_trace(private, trace):
    """The wraps by `cryptography`, every sealed body, and every answer's code; claims and ledger as a server keeps them."""
    for role, field in (("request", "enc_req_key"), ("response", "enc_resp_key")):
        assert unwraps(private, bytes.fromhex(trace[field])) == bytes.fromhex(trace[f"{role}_key"]), trace["name"]
    assert hashlib.sha256(exchange(trace)).hexdigest() == trace["ctx"], trace["name"]
    ivs = set()
    for step in trace["steps"]:
        name, request, response = f"{trace['name']}: {step['name']}", step["request"], step["response"]
        body, answer = bytes.fromhex(request["body"]), bytes.fromhex(response["body"])
        if step["kind"] == "message":
            assert request["sealed"]["iv"] not in ivs, name
            ivs.add(request["sealed"]["iv"])
            assert open_body(trace, body, request["sealed"]).hex() == request["sealed"]["plaintext"], name
            answer = open_body(trace, answer, response["sealed"], request["sealed"]["iv"])
            assert answer.hex() == response["sealed"]["plaintext"], name
        elif step["kind"] == "repeat":
            assert body.hex() == trace["steps"][step["of"]]["request"]["body"], name
        elif step["kind"] == "tampered":
            like = trace["steps"][step["of"]]["request"]
            assert body.hex() != like["body"] and open_body(trace, body, like["sealed"]) is None, name
        elif step["kind"] == "late":
            assert request["sealed"]["iv"] not in ivs and open_body(trace, body, request["sealed"]), name
        assert json.loads(answer)["code"] == response["code"], name
        assert response["status"] == ERRORS.get(response["code"], (200,))[0], name
    kinds = [step["kind"] for step in trace["steps"]]
    assert kinds.count("message") == 4 and {"key", "repeat", "tampered", "close", "late"} <= set(kinds), trace["name"]
