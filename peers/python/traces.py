# Replays the traces of sc-core/vectors/traces.json, as the client and as the server of each conversation.
# SPDX-License-Identifier: MIT OR Apache-2.0
import base64
import hashlib
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channel import Refused, associated_data, exchange_bytes, need, open_sealed, parse, parse_text, unwrap

CHANNEL = "/web/v1/secure-channel"
LINES = {"key": ("GET", f"{CHANNEL}/public-key"), "set-up": ("POST", f"{CHANNEL}/session"),
         "close": ("POST", f"{CHANNEL}/session/close")}
PARTS = ("method", "path", "headers", "body")
PROTECTED = ("POST", "/web/v1/system/auth/password/forgot")


def wrap_with_seed(public, key, seed):
    """RSA-OAEP with the trace's seed (RFC 8017, 7.1.1), which no library lets its caller choose. For tests only."""
    def mask(data, seed):
        blocks = (hashlib.sha256(seed + n.to_bytes(4, "big")).digest() for n in range(len(data) // 32 + 1))
        return bytes(a ^ b for a, b in zip(data, b"".join(blocks)))

    size, numbers = public.key_size // 8, public.public_numbers()
    data = mask(hashlib.sha256(b"").digest() + bytes(size - 66 - len(key)) + b"\x01" + key, seed)
    block = mask(seed, data) + data
    return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(size, "big")


class Replay:
    def __init__(self, private, trace):
        h = bytes.fromhex
        self.private, self.trace, self.bound = private, trace, trace["profile"] == "bound"
        self.keys = {"request": h(trace["request_key"]), "response": h(trace["response_key"])}
        # The client's part of the set-up.
        self.wrapped = [wrap_with_seed(private.public_key(), self.keys[role], h(trace[f"{role}_oaep_seed"]))
                        for role in ("request", "response")]
        need(self.wrapped == [h(trace["enc_req_key"]), h(trace["enc_resp_key"])], "wrapped keys")
        self.exchange = exchange_bytes(trace["key_id"], self.wrapped)
        self.ctx = hashlib.sha256(self.exchange).digest()
        need(self.ctx.hex() == trace["ctx"], "ctx")

    def data(self, head, kind, message, request_iv):
        if kind == 1:
            return associated_data(head, self.bound, message)
        return associated_data(head, self.bound, message, self.ctx, self.trace["session_id"], request_iv)

    def seal(self, s, request_iv=b"", flip=0):
        """The bytes on the wire for the record `s`; `flip` changes the last byte of the tag."""
        kind, iv = s["type"], bytes.fromhex(s["iv"])
        head = b"SC" + bytes([0x82 if self.bound and kind == 1 else 2, kind]) + (self.exchange if kind == 1 else b"")
        data = self.data(head, kind, s["message"], request_iv)
        need(data.hex() == s["associated_data"], "associated data")
        key = self.keys["response" if kind == 129 else "request"]
        sealed = iv + AESGCM(key).encrypt(iv, bytes.fromhex(s["plaintext"]), data)
        sealed = sealed[:-1] + bytes([sealed[-1] ^ flip])
        if self.trace["way"] == "text":
            return json.dumps({"v": 2, "p": base64.b64encode(sealed).decode()}, separators=(",", ":")).encode()
        return head + sealed

    def open(self, body, s, request_iv=b""):
        """What the receiver of `body` reads; of a type 1 envelope it takes the keys too."""
        if self.trace["way"] == "text":
            e = {"type": s["type"], "head": bytes([0x53, 0x43, 2, s["type"]]), "sealed": parse_text(body.decode("utf-8"))}
        else:
            e = parse(body)
        need(e["type"] == s["type"], "type")
        if e["type"] == 1:
            need(e["bound"] == self.bound and e["key_id"] == self.trace["key_id"], "set-up")
            self.unwrap(e["wrapped"])
        key = self.keys["response" if e["type"] == 129 else "request"]
        return open_sealed(key, e["sealed"], self.data(e["head"], e["type"], s["message"], request_iv))

    def unwrap(self, wrapped):
        need([unwrap(self.private, one) for one in wrapped] == list(self.keys.values()), "unwrapped keys")

    def set_up_body(self):
        req, resp = (base64.b64encode(one).decode() for one in self.wrapped)
        doc = {"keyId": self.trace["key_id"], "encReqKey": req, "encRespKey": resp}
        return json.dumps(doc | ({"profile": "bound"} if self.bound else {}), separators=(",", ":")).encode()

    def request(self, step):
        """What this step's client (or attacker) sends, made again from the trace's randomness."""
        kind = step["kind"]
        like = self.trace["steps"][step["of"]]["request"] if "of" in step else step["request"]
        if kind == "repeat":
            return {part: like[part] for part in PARTS}
        method, path = LINES.get(kind, PROTECTED)
        if kind in LINES:
            body = self.set_up_body() if kind == "set-up" else b""
        else:
            body = self.seal(like["sealed"], flip=1 if kind == "tampered" else 0)
        headers = {"X-Client-Hash": self.trace["client_hash"], "X-SC-Version": "2"}
        headers |= {"Content-Type": "application/json;charset=UTF-8"} if body else {}
        if kind == "close" or "sealed" in like and like["sealed"]["type"] == 2:
            headers["X-SC-Session-Id"] = self.trace["session_id"]
        return {"method": method, "path": path, "headers": headers, "body": body.hex()}

    def step(self, step):
        body, answer = (bytes.fromhex(step[side]["body"]) for side in ("request", "response"))
        request, response = step["request"].get("sealed"), step["response"].get("sealed")
        need(self.request(step) == {part: step["request"][part] for part in PARTS}, "request")
        if step["kind"] == "set-up":
            doc = json.loads(body)
            self.unwrap([base64.b64decode(doc[name], validate=True) for name in ("encReqKey", "encRespKey")])
        elif step["kind"] == "message":  # the server's part, then the client's
            request_iv = bytes.fromhex(request["iv"])
            need(self.open(body, request).hex() == request["plaintext"], "request's plaintext")
            need(self.seal(response, request_iv) == answer, "answer")
            answer = self.open(answer, response, request_iv)
            need(answer.hex() == response["plaintext"], "answer's plaintext")
        elif step["kind"] == "tampered":
            try:
                self.open(body, self.trace["steps"][step["of"]]["request"]["sealed"])
            except Refused as error:
                need(str(error) == "does not open", str(error))
            else:
                raise Refused("a tampered request opens")
        doc = json.loads(answer)
        need(doc["code"] == step["response"]["code"] and doc["success"] is (doc["code"] == "2000"), "code")
        if step["kind"] == "key":
            spki = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            need(base64.b64decode(doc["data"]["publicKey"], validate=True) == spki, "public key")
        session_id = doc["data"]["sessionId"] if step["kind"] == "set-up" else step["response"]["headers"].get("X-SC-Session-Id")
        need(session_id in (None, self.trace["session_id"]), "session id")


def replay(private, trace):
    both = Replay(private, trace)
    for step in trace["steps"]:
        try:
            both.step(step)
        except Refused as error:
            raise Refused(f"{step['name']}: {error}") from error
    return bool(trace["steps"])
