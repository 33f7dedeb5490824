# A Secure Channel v2 client over HTTP (PROTOCOL 4 to 6): the whole flow of forgot password.
# SPDX-License-Identifier: MIT OR Apache-2.0
import base64
import hashlib
import http.client
import json
import os
import re
import urllib.parse
import uuid

from cryptography.hazmat.primitives import serialization

from channel import OAEP, Refused, associated_data, exchange_bytes, need, open_sealed, parse, seal

MESSAGE = "password.forgot"
PATH = "/web/v1/system/auth/password/forgot"


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
        spki = base64.b64decode(doc["publicKey"], validate=True)
        need(base64.b64encode(spki).decode() == doc["publicKey"], "Base64 not canonical")
        public = serialization.load_der_public_key(spki)
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
