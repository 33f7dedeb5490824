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


def layers():
    """For `layer`: how the server is set up, then operations: what is sent, then what is changed on the way, up to a 0."""
    def text(words):
        return bytes([len(words)]) + words

    def set_up(bound, device=0):
        return bytes([0, bound, device, 0])

    def talk(session, words, path=0, change="00", as_text=""):
        typed = b"\1" if path == 1 else b""
        return bytes([3, 0, session, path]) + text(words) + typed + bytes.fromhex(as_text + change)

    def first(bound, words, change="00"):
        return bytes([2, bound, 0]) + text(words) + bytes.fromhex(change)

    def repeat(number, change="00"):
        return bytes([6, 0, number]) + bytes.fromhex(change)

    def clear(path, session=0, change="00"):
        typed = b"\1" if path == 1 else b""
        return bytes([8, path]) + text(b"plain") + typed + bytes([0, session]) + bytes.fromhex(change)

    both = set_up(1) + set_up(0, 1)
    close, wait, ask = bytes.fromhex("0a 0000 00"), bytes.fromhex("0b ffff"), bytes.fromhex("09 00 00 09 01 00")
    every_answer = b"".join(talk(wish % 2, bytes([wish])) for wish in range(8))
    # Another path; another device; no session; GET; a flipped bit; cut; another session; a length that is not so.
    changes = ["02 01 00", "03 02 04 00", "04 0002 00", "01 01 00", "06 01 0014 01 00 00", "06 02 0010 00 00", "03 00 0e 00",
               "03 06 0d 00"]
    changed = b"".join(talk(1, b"x", change=change) + repeat(number) for number, change in enumerate(changes))
    in_the_clear = both + b"".join(clear(path) for path in range(8)) + ask
    for name, setting in ("router", 0), ("layer", 1):
        yield f"{name}-answers", bytes([setting]) + both + every_answer + talk(0, b"typed", 1) + talk(0, b"", 2)
        replays = talk(0, b"one") + repeat(0) * 2 + talk(1, b"two") + repeat(1) + repeat(0)
        yield f"{name}-replay", bytes([setting]) + both + replays
        yield f"{name}-changed", bytes([setting]) + both + changed
        yield f"{name}-first", bytes([setting]) + first(0, b"one") + first(1, b"two") + repeat(0) + repeat(1) + talk(1, b"x")
        yield f"{name}-in-the-clear", bytes([setting]) + in_the_clear
        yield f"{name}-narrow", bytes([setting + 0x20]) + both * 3 + every_answer + first(1, b"x" * 99)
        without_a_header = talk(0, b"x", change="04 0003 00") + repeat(1)
        yield f"{name}-guarded", bytes([setting + 0x18]) + both + talk(0, b"x") + without_a_header
    as_text = talk(0, b"x", as_text="01") + repeat(0, "01 00") + repeat(0, "00 00") + talk(1, b"y", as_text="00")
    yield "text", b"\2" + both + as_text
    again = bytes.fromhex("01 0000 00 01 0001 00 01 0000 06 01 0040 01 00 00")
    yield "repeated-set-up", b"\0" + both + again + talk(1, b"x")
    yield "closed", b"\0" + both + talk(0, b"x") + close + talk(0, b"y") + repeat(0) + talk(1, b"z")
    yield "expired", b"\0" + both + talk(0, b"x") + wait + talk(0, b"y") + repeat(0)
    yield "no-inline", b"\4" + first(0, b"x") + first(1, b"y") + both + talk(0, b"z")
    yield "bound-off", b"\x80" + both + first(0, b"x") + talk(0, b"y")
    yield "bound-required", b"\xc0" + both + first(0, b"x") + first(1, b"y") + talk(0, b"z")


def recordings():
    """For `inspect`: envelopes in every clothing, and the recorded conversations as browsers and curl write them."""
    traces = load("traces.json")["traces"]
    for vector in load("envelopes.json")["positive"]:
        if vector["name"] in ("type1-bound-2048-28", "type2-plain-28", "type129-bound-17"):
            yield vector["name"], bytes.fromhex(vector["envelope"])
    for trace in traces:
        sealed = [step for step in trace["steps"] if step["kind"] in ("message", "tampered")]
        first, last = sealed[0], sealed[-1]
        yield "har-" + trace["name"], compact({"log": {"entries": [har_entry(first), har_entry(sealed[-3])]}})
        yield "trace-" + trace["name"], curl_trace(last)
        yield "answer-" + trace["name"], http_head(last["response"]) + bytes.fromhex(last["response"]["body"])
        if trace["name"] == "endpoint-plain":
            envelope = bytes.fromhex(last["request"]["body"])
            lines = [(at, envelope[at : at + 16]) for at in range(0, len(envelope), 16)]
            yield "hex", envelope.hex().encode()
            yield "hex-0x", ", ".join(f"0x{byte:02x}" for byte in envelope).encode()
            yield "base64", base64(envelope.hex()).encode()
            yield "base64url", base64(envelope.hex()).translate(str.maketrans("+/", "-_")).rstrip("=").encode()
            yield "xxd", "".join(f"{at:08x}: {line.hex(' ', 2):39}  {'.' * len(line)}\n" for at, line in lines).encode()
            yield "hexdump", "".join(f"{at:08x}  {line.hex(' '):48}  |{'.' * len(line)}|\n" for at, line in lines).encode()
            yield "od-repeated", b"000000 53 43 02 02" + b" 00" * 12 + b"\n*\n000040 00\n000041\n"
            yield "utf-16", "\ufeff".encode("utf-16-le") + envelope.hex().encode("utf-16-le")
            yield "verbose", b"> POST / HTTP/1.1\r\n> Host: x\r\n"
        yield "key-log-" + trace["name"], " ".join(
            ["SCV2", *(trace[word] for word in ("session_id", "profile", "ctx", "request_key", "response_key"))]).encode()
    steering = har_entry({"request": {"method": "GET", "path": "/\x1b[2J", "headers": {"X-SC-Session-Id": "\x9b\u202e"}, "body": ""},
                          "response": {"status": 200, "headers": {"X-Request-Id": "\r\u2028"}, "body": "\"\x7f\"".encode().hex()}})
    yield "har-steering", compact({"log": {"entries": [steering]}})
    for vector in load("text.json")["positive"][:1]:
        yield vector["name"], vector["text"].encode()


def har_entry(step):
    def headers(side):
        return [{"name": name, "value": str(value)} for name, value in side["headers"].items()]

    def body(side):
        return {"size": len(side["body"]) // 2, "text": base64(side["body"]), "encoding": "base64"}

    request, response = step["request"], step["response"]
    return {
        "request": {"method": request["method"], "url": "https://x" + request["path"], "headers": headers(request),
                    "postData": body(request)},
        "response": {"status": response["status"], "statusText": "", "headers": headers(response),
                     "content": body(response)},
    }


def http_head(side):
    first = f"HTTP/1.1 {side['status']} -" if "status" in side else f"{side['method']} {side['path']} HTTP/1.1"
    lines = [first, *(f"{name}: {value}" for name, value in side["headers"].items()), "", ""]
    return "\r\n".join(lines).encode()


def curl_trace(step):
    def block(mark, content):
        lines = [content[at : at + 16] for at in range(0, len(content), 16)]
        dump = "".join(f"{16 * number:04x}: {line.hex(' '):48}{'.' * len(line)}\n" for number, line in enumerate(lines))
        return f"{mark}, {len(content)} bytes (0x{len(content):x})\n{dump}".encode()

    request, response = step["request"], step["response"]
    return (block("=> Send header", http_head(request)) + block("=> Send data", bytes.fromhex(request["body"]))
            + block("<= Recv header", http_head(response)) + block("<= Recv data", bytes.fromhex(response["body"])))


def both_providers():
    """For `providers`: an operation, its arguments, and what is changed: messages, wrapped keys, OAEP blocks, keys."""
    key, iv, seed = bytes(range(32)), bytes(range(12)), bytes(range(100, 132))
    message = b"\0" + key + iv + b"\3aad" + b"\0\x14" + b"twenty bytes of text"
    yield "message", message + b"\0\0"
    yield "message-flipped", message + bytes.fromhex("01 0003 01 00 00")
    yield "message-tag-flipped", message + bytes.fromhex("01 0020 80 00 00")
    yield "message-other-aad", message + bytes.fromhex("00 01 0000 01 00")
    yield "message-empty", b"\0" + key + iv + bytes(6)
    for provider in range(2):
        yield f"wrapped-{provider}", b"\1" + key + bytes([provider, 0])
        yield f"wrapped-{provider}-flipped", b"\1" + key + bytes([provider]) + bytes.fromhex("01 00ff 01 00")
        yield f"wrapped-{provider}-cut", b"\1" + key + bytes([provider]) + bytes.fromhex("02 00ff 00")
    for name, more, change in (
        ("good", 1, "00 00"), ("first-byte", 1, "00 01"), ("label", 1, "01 0000 01 00 00"),
        ("label-end", 1, "01 001f 01 00 00"), ("zeroes", 1, "01 0030 01 00 00"), ("no-separator", 1, "01 00be 01 00 00"),
        ("other-separator", 1, "01 00be 03 00 00"), ("short-key", 0, "00 00"), ("long-key", 2, "00 00"),
    ):
        yield "block-" + name, b"\2" + seed + bytes([more]) + bytes(range(31 + more)) + bytes.fromhex(change)
    for vector in load("oaep.json")["failures"][:4]:
        yield "ciphertext-" + vector["why"], b"\3\1" + bytes.fromhex(vector["wrapped"])
    yield "ciphertext-raised", b"\3\0" + bytes(255) + b"\2"
    for name, content in key_documents():
        if name in ("spki", "pkcs8", "pem"):
            yield "load-" + name, (b"\4" if name == "spki" else b"\5") + content
        if name == "pkcs8":
            yield "load-wrong-number", b"\5" + content[:-1] + bytes([content[-1] ^ 2])
        if name == "spki":
            yield "load-even-exponent", b"\4" + content[:-1] + b"\2"


def base64(hexadecimal):
    import base64 as codec

    return codec.b64encode(bytes.fromhex(hexadecimal)).decode()


TARGETS = {
    "envelope": envelopes, "text": texts, "session_request": session_requests, "forgot_password": forgot_passwords,
    "key_documents": key_documents, "open": changes, "server": servers, "client": clients, "layer": layers,
    "inspect": recordings, "providers": both_providers,
}
# What holds a key or a recording is longer.
LONG = ("key_documents", "inspect", "providers")


def seeds():
    for target, make in TARGETS.items():
        seen = set()
        for name, content in make():
            longest = 4 * LONGEST if target in LONG else LONGEST
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
