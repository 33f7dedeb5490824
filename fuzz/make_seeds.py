#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets from the test vectors: the same files each time. With --check, compares only."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "sc-core" / "vectors"
# A fuzzer learns more from short inputs; all seeds together stay well below 200 KB.
LONGEST = 1200


def load(name):
    return json.loads((VECTORS / name).read_text())


def compact(document):
    return json.dumps(document, separators=(",", ":")).encode()


def envelopes():
    """Envelopes that parse, and the longest malformed one for each error: the one that is read furthest."""
    vectors = load("envelopes.json")
    for vector in vectors["positive"]:
        yield vector["name"], bytes.fromhex(vector["envelope"])
    errors = {}
    written = [vector for vector in vectors["negative"] if "bytes" in vector]
    for vector in sorted(written, key=lambda vector: (len(vector["bytes"]), vector["name"])):
        if len(vector["bytes"]) <= 2 * LONGEST:
            errors[vector["error"]] = bytes.fromhex(vector["bytes"])
    for error, content in errors.items():
        yield "bad-" + error, content


def texts():
    """Every way to write one, and every fifth malformed one."""
    vectors = load("text.json")
    for vector in vectors["positive"]:
        if vector["name"].startswith(("text-request-plain-", "text-response-bound-plain")):
            yield vector["name"], vector["text"].encode()
    for number, vector in enumerate(vectors["negative"][::5]):
        yield f"bad-{number:02}", vector["text"].encode()


def session_requests():
    for trace in load("traces.json")["traces"]:
        if trace["way"] == "endpoint":
            keys = {name: base64(trace[key]) for name, key in (("encReqKey", "enc_req_key"), ("encRespKey", "enc_resp_key"))}
            request = {"keyId": trace["key_id"]} | keys
            if trace["profile"] != "plain":
                request["profile"] = trace["profile"]
            yield trace["name"], compact(request)


def forgot_passwords():
    yield "short", b'{"email":"user@example.com"}'
    yield "escaped", b'{"email":"us\\u0065r@ex\\u00e4mple.com"}'
    yield "duplicate", b'{"email":"a@b","email":"a@b"}'
    yield "unknown", b'{"email":"a@b","name":"x"}'
    yield "not-a-string", b'{"email":null}'


def key_documents():
    for key in load("keys.json")["keys"]:
        if key["bits"] == 2048:
            der = bytes.fromhex(key["pkcs8_der"])
            yield "pkcs8", der
            yield "spki", bytes.fromhex(key["spki_der"])
            lines = base64(key["pkcs8_der"])
            lines = [lines[at : at + 64] for at in range(0, len(lines), 64)]
            pem = ["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""]
            yield "pem", "\n".join(pem).encode()
            yield "document", compact({
                "keyId": key["key_id"], "publicKey": key["spki_base64"], "algorithm": "RSA-OAEP-2048",
                "keySize": 2048, "createdAt": "2024-04-01T00:00:00Z", "expiresAt": None,
                "profiles": ["plain", "bound"],
            })


def changes():
    """For `open`: profile, type, length, then a change: none, a flip, a cut, more, a move."""
    for bound in range(2):
        for kind in range(3):
            for name, change in (("none", "00"), ("flip", "01 0014 80"), ("cut", "02 0020"), ("more", "03 0102030405060708"),
                                 ("move", "04 0004 0014 0008")):
                yield f"{bound}-{kind}-{name}", bytes([bound, kind, 9]) + bytes.fromhex(change)


def servers():
    """For `server`: session, operation, its arguments. Two set-ups, messages, repeats, reuse of an IV, the end."""
    set_up = bytes.fromhex("0000 00 01 00")
    first = bytes.fromhex("0000 01 01 00") + b"question"
    talk = bytes.fromhex("0000 05") + b"question" + b"\0"
    repeat = bytes.fromhex("0000 07 0000 01 00 00")
    tag = bytes.fromhex("0000 08 03 00") + b"text"
    other_tag = bytes.fromhex("0000 08 03 01") + b"text"
    wait = bytes.fromhex("0000 0a ffff")
    again = bytes.fromhex("0000 02 0000 0000 00 01 00")
    first_again = bytes.fromhex("0000 04 0000 00")
    yield "talk", set_up + talk * 3
    yield "replay", set_up + talk + repeat + talk
    yield "reuse", set_up + talk + tag + tag + other_tag + talk
    yield "limit", set_up + talk * 10
    yield "expired", set_up + talk + wait + talk + repeat
    yield "set-up-again", set_up + again + talk
    yield "first", first + talk + first_again
    yield "full-ledger", set_up * 14 + again


def clients():
    """For `client`: choice, IVs; session, operation, its arguments. Keys, set-ups, messages, time, close."""
    start = bytes.fromhex("01 00")
    key = bytes.fromhex("0000 00 01 0000 ffff") + b"spki"
    set_up = bytes.fromhex("0000 01 01 1000 00 0000")
    talk = bytes.fromhex("0000 05") + b"question" + b"\2"
    other = bytes.fromhex("0000 05") + b"question" + b"\1"
    wait = bytes.fromhex("0000 03 0002 04")
    yield "talk", start + key + set_up + talk * 3 + other
    yield "expired", start + key + set_up + talk + wait * 8 + talk
    yield "closed", start + key + set_up + talk + bytes.fromhex("0000 04") + talk
    yield "no-key", start + set_up + key + bytes.fromhex("0000 02") + set_up
    yield "counter", bytes.fromhex("02 01") + key + set_up + talk * 4


def base64(hexadecimal):
    import base64 as codec

    return codec.b64encode(bytes.fromhex(hexadecimal)).decode()


TARGETS = {
    "envelope": envelopes, "text": texts, "session_request": session_requests, "forgot_password": forgot_passwords,
    "key_documents": key_documents, "open": changes, "server": servers, "client": clients,
}


def seeds():
    for target, make in TARGETS.items():
        seen = set()
        for name, content in make():
            longest = 4 * LONGEST if target == "key_documents" else LONGEST
            if len(content) <= longest and content not in seen:
                seen.add(content)
                words = "".join(letter if letter.isalnum() else "-" for letter in name)
                yield HERE / "seeds" / target / words, content


def main():
    wanted = dict(seeds())
    assert sum(map(len, wanted.values())) < 200_000, "seeds are to be small"
    there = {path: path.read_bytes() for path in HERE.glob("seeds/*/*")}
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if there == wanted else "the seeds are not those of the vectors: run fuzz/make_seeds.py")
    for path in there.keys() - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"{len(wanted)} seeds, {sum(map(len, wanted.values()))} bytes")


if __name__ == "__main__":
    main()
