# Makes the SCv2 test vectors of this folder; with --check, verifies the ones that are there.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Written from PROTOCOL.md alone, on Python's `cryptography` package: shares no code with the Rust crates.
# Everything follows from labels (see `seeded`) except RSA keys and OAEP wraps, which are random by
# nature: those are kept when the JSON is already there, so that a second run changes nothing.
import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

sys.dont_write_bytecode = True
import make_traces as traces  # noqa: E402
import vector_cases as cases  # noqa: E402
from vector_bytes import (  # noqa: E402
    MESSAGE, associated_data, exchange, head, load_keys, oaep, open_sealed, seal, sealing_key, seeded, unhex, unwraps)

HERE = Path(__file__).resolve().parent
FILES = ("keys", "envelopes", "oaep", "text", "traces")


# --- RSA -----------------------------------------------------------------------------------------

def wrap(kept, private, payload, pad=None, fits=lambda c: True):
    """Wraps `payload`; keeps the old wrap (hex) if it is still one of this payload."""
    old = bytes.fromhex(kept or "")
    if old and unwraps(private, old, pad) == payload and fits(old):
        return old
    while True:
        wrapped = private.public_key().encrypt(payload, pad or oaep())
        if fits(wrapped):
            return wrapped


def make_keys(old):
    keys = load_keys(old) if old else {b: rsa.generate_private_key(65537, b) for b in (2048, 3072, 4096)}
    records = []
    for bits, key in keys.items():
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        records.append({
            "bits": bits, "key_id": hashlib.sha256(spki).digest()[:16].hex(),
            "pkcs8_der": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex(),
            "spki_der": spki.hex(), "spki_base64": base64.b64encode(spki).decode()})
    return {"comment": "TEST KEYS ONLY, published on purpose: never use them for anything but these SCv2 "
                       "vectors. See README.md.", "keys": records}


# --- envelopes.json ------------------------------------------------------------------------------

def make_envelope(kept, keys, name, kind, profile, size, bits=2048, key_id=None, message=MESSAGE):
    v = {"name": name, "type": kind, "profile": profile,
         "request_key": seeded(name + " request key", 32).hex(),
         "response_key": seeded(name + " response key", 32).hex(), "iv": seeded(name + " iv", 12).hex(),
         "plaintext": (b'{"email":"user@example.com"}' if size == 28 else seeded(name, size)).hex(),
         "associated_data": "", "envelope": ""}
    if kind == 1:
        old = kept.get(name, {})
        v |= {"bits": bits, "key_id": key_id or keys[bits][0]}
        for field, source in (("enc_req_key", "request_key"), ("enc_resp_key", "response_key")):
            v[field] = wrap(old.get(field), keys[bits][1], unhex(v, source)).hex()
        v |= {"ctx": hashlib.sha256(exchange(v)).hexdigest(), "message": message}
    elif profile == "bound":
        session = base64.urlsafe_b64encode(seeded(name + " session", 24)).decode()
        v |= {"ctx": seeded(name + " ctx", 32).hex(), "session_id": "sess_" + session, "message": message}
        if kind == 129:
            v["request_iv"] = seeded(name + " request iv", 12).hex()
    v["associated_data"] = associated_data(v).hex()
    v["envelope"] = (head(v) + seal(v)).hex()
    return v


def make_positive(kept, keys):
    out = []

    def add(name, *args, **more):
        out.append(make_envelope(kept, keys, name, *args, **more))

    for profile in ("plain", "bound"):
        for size in (0, 28, 255):
            add(f"type1-{profile}-2048-{size}", 1, profile, size)
        for bits in (3072, 4096):
            add(f"type1-{profile}-{bits}-28", 1, profile, 28, bits=bits)
        for kind in (2, 129):
            for size in (0, 1, 15, 16, 17, 28, 255, 4096):
                add(f"type{kind}-{profile}-{size}", kind, profile, size)
    every = "".join(chr(0x21 + n % 94) for n in range(255))
    add("type1-bound-2048-keyid-255", 1, "bound", 17, key_id=every)
    add("type1-plain-2048-keyid-1", 1, "plain", 17, key_id="~")
    for kind in (1, 2, 129):  # a message without a registered name uses its path
        add(f"type{kind}-bound-path", kind, "bound", 17, message="/web/v1/example/settings")
    return out


def altered(base, why, flip=None, mask=1, envelope=None, **fields):
    """A copy of `base` that must not open. All fields say what a receiver of it would believe."""
    v = base | {"name": f"{base['name']}: {why}"} | fields
    raw = bytearray(envelope or unhex(base, "envelope"))
    if flip is not None:
        raw[flip] ^= mask
    parsed = cases.parse(bytes(raw))
    v |= {"envelope": raw.hex(), "iv": parsed["iv"].hex()}
    if v["type"] == 1:
        v |= {f: parsed[f].hex() for f in ("enc_req_key", "enc_resp_key")} | {"key_id": parsed["key_id"].decode()}
        v["ctx"] = hashlib.sha256(exchange(v)).hexdigest()
    v["associated_data"] = associated_data(v).hex()
    return v | {"why": why}


def make_open_failures(kept, keys, positive):
    by_name, out = {v["name"]: v for v in positive}, []

    def add(base, why, **change):
        out.append(altered(base, why, **change))

    for kind, middle in ((1, "-2048"), (2, ""), (129, "")):
        for profile in ("plain", "bound"):
            base = by_name[f"type{kind}-{profile}{middle}-28"]
            start = len(unhex(base, "envelope")) - 56
            for part, at in (("IV", 0), ("IV", 11), ("ciphertext", 12), ("ciphertext", 39), ("tag", 40), ("tag", 55)):
                add(base, f"flipped bit in {part}, sealed byte {at}", flip=start + at, mask=0x80 >> at % 8)
            other = unhex(base, "request_key" if kind == 129 else "response_key")
            add(base, "sealed under the other direction's key", envelope=head(base) + seal(base, key=other))
            swapped = "plain" if profile == "bound" else "bound"
            like = by_name[f"type{kind}-bound{middle}-28"]
            more = {f: like[f] for f in ("ctx", "session_id", "message", "request_iv") if f in like}
            turned = base | more | {"profile": swapped}
            add(turned, f"sealed in the profile {profile}", envelope=head(turned) + unhex(base, "envelope")[start:])
        bound = by_name[f"type{kind}-bound{middle}-28"]
        add(bound, "other message name", message="password.change")
        add(bound, "message name with a byte more", message=bound["message"] + "\0")
        add(bound, "sealed without the message name",
            envelope=head(bound) + seal(bound, data=associated_data(bound)[:-len(MESSAGE)]))
        if kind != 1:
            data = associated_data(bound)
            for at, value in ((2, 0x82), (3, kind ^ 0x83)):
                wrong = data[:at] + bytes([value]) + data[at + 1:]
                add(bound, f"sealed with header byte {at} as {value:02x}", envelope=head(bound) + seal(bound, data=wrong))
            add(bound, "other session's ctx", ctx=seeded("other ctx", 32).hex())
            add(bound, "other session id", session_id="sess_" + "A" * 32)
            add(bound, "session id in upper case", session_id=bound["session_id"].upper())
        if kind == 129:
            add(bound, "other request IV", request_iv=seeded("other request iv", 12).hex())
            add(bound, "the answer's own IV as request IV", request_iv=bound["iv"])
            add(bound, "sealed without the request IV",
                envelope=head(bound) + seal(bound, data=data.replace(unhex(bound, "request_iv"), b"")))
    for profile in ("plain", "bound"):
        base = by_name[f"type1-{profile}-2048-28"]
        for part, at in (("request", 39), ("response", 297)):
            add(base, f"flipped bit in the wrapped {part} key", flip=at + 255)
        if profile == "bound":
            add(base, "flipped bit in the keyId", flip=36)
        for why, pad in (("the two keys are equal", None), ("keys wrapped with MGF1-SHA-1", oaep(mgf=hashes.SHA1))):
            name = f"{base['name']}: {why}"
            v, old = base | {}, kept.get(name, {})
            if pad is None:
                v["response_key"] = v["request_key"]
            for field, source in (("enc_req_key", "request_key"), ("enc_resp_key", "response_key")):
                v[field] = wrap(old.get(field), keys[2048][1], unhex(v, source), pad).hex()
            add(v, why, envelope=head(v) + seal(v))
    return out


# --- oaep.json and text.json ---------------------------------------------------------------------

def make_oaep(old, keys):
    kept = {(v["bits"], v.get("why", v.get("key"))): v["wrapped"] for v in old.get("ok", []) + old.get("failures", [])}
    ok, failures = [], []
    for bits, (_, private) in keys.items():
        numbers = private.private_numbers()
        n, e, size = numbers.public_numbers.n, numbers.public_numbers.e, bits // 8

        def record(why, payload, pad=None, **more):
            return wrap(kept.get((bits, why)), private, payload, pad, **more)

        def fail(why, wrapped):
            wrapped = wrapped.to_bytes(size, "big") if isinstance(wrapped, int) else wrapped
            failures.append({"bits": bits, "wrapped": wrapped.hex(), "why": why})

        key, zero_first = seeded(f"oaep {bits}", 32), seeded(f"oaep zero {bits}", 32)
        plain = record(key.hex(), key)
        zero = record(zero_first.hex(), zero_first, fits=lambda c: c[0] == 0)  # so that dropping it matters
        for payload, wrapped in ((key, plain), (zero_first, zero), (bytes(32), record("00" * 32, bytes(32))),
                                 (b"\xff" * 32, record("ff" * 32, b"\xff" * 32))):
            ok.append({"bits": bits, "wrapped": wrapped.hex(), "key": payload.hex()})

        for length in (0, 1, 16, 31, 33, 64):
            why = f"payload of {length} bytes"
            fail(why, record(why, seeded(why, length)))
        for why, pad in cases.wrong_oaep(oaep, hashes):
            fail(why, record(why, key, pad))
        fail("one bit flipped", plain[:-1] + bytes([plain[-1] ^ 1]))
        fail("the modulus itself", n)
        small = int.from_bytes(zero, "big")
        if small + n < 1 << bits:
            fail("a good wrap plus the modulus", small + n)
        for why, value in (("all zero", 0), ("one", 1), ("modulus less one", n - 1), ("all ff", (1 << bits) - 1)):
            fail(why, value)
        message = pow(int.from_bytes(plain, "big"), numbers.d, n)
        fail("first byte of the padded message is 01 (Manger)", pow(message + (1 << bits - 8), e, n))
        fail("one byte short: leading zero dropped", zero[1:])
        fail("one byte short: last byte dropped", plain[:-1])
        fail("one byte long: zero in front", b"\0" + plain)
        fail("one byte long: zero behind", plain + b"\0")
    return {"comment": "SCv2 key wrapping: RSA-OAEP, SHA-256 as hash and in MGF1, empty label, exactly 32 bytes. "
                       "See README.md.", "ok": ok, "failures": failures}


def make_text(_, __):
    positive, failures = [], []
    for direction, kind in (("request", 2), ("response", 129)):
        for profile in ("plain", "bound"):
            for form, (size, write) in cases.TEXT_FORMS.items():
                v = make_envelope({}, {}, f"text-{direction}-{profile}-{form}", kind, profile, size)
                record = {"name": v["name"], "text": write(base64.b64encode(seal(v)).decode()),
                          "key": sealing_key(v).hex(), "direction": direction}
                copied = ("profile", "iv", "plaintext", "associated_data", "ctx", "session_id", "message", "request_iv")
                positive.append(record | {f: v[f] for f in copied if f in v})
                if form == "plain":
                    for why, sealed in (("flipped bit in the tag", seal(v)[:-1] + bytes([seal(v)[-1] ^ 1])),
                                        ("whole binary envelope in p", unhex(v, "envelope"))):
                        p = base64.b64encode(sealed).decode()
                        name = f"{v['name']}: {why}"
                        failures.append(positive[-1] | {"name": name, "iv": sealed[:12].hex(),
                                                        "text": f'{{"v":2,"p":"{p}"}}', "why": why})
    good = base64.b64encode(seeded("text sealed", 55)).decode()
    return {"comment": "SCv2 text envelopes (PROTOCOL.md section 7). See README.md.", "positive": positive,
            "negative": [{"text": text, "why": why} for why, text in cases.text_negative(good)],
            "open_failures": failures}


def build(old):
    """All documents; `old` are the present ones, for what is kept."""
    keys_doc = make_keys(old["keys"])
    private = load_keys(keys_doc)
    keys = {k["bits"]: (k["key_id"], private[k["bits"]]) for k in keys_doc["keys"]}
    kept = {v["name"]: v for part in ("positive", "open_failures") for v in old["envelopes"].get(part, [])}
    positive = make_positive(kept, keys)
    envelopes = {"comment": "SCv2 binary envelopes (PROTOCOL.md sections 2, 3 and 8). See README.md.",
                 "positive": positive, "parses": cases.parses(seeded), "negative": cases.negative(seeded),
                 "open_failures": make_open_failures(kept, keys, positive)}
    return {"keys": keys_doc, "envelopes": envelopes, "oaep": make_oaep(old["oaep"], keys),
            "text": make_text(old["text"], keys), "traces": traces.make_traces(keys_doc)}


# --- --check -------------------------------------------------------------------------------------

def open_envelope(keys, v):
    """What a receiver does, from the envelope and its own knowledge; None if it does not open."""
    parsed = cases.parse(unhex(v, "envelope"))
    assert parsed["type"] == v["type"] and parsed["iv"] == unhex(v, "iv"), v["name"]
    assert associated_data(v) == unhex(v, "associated_data"), v["name"]
    if v["type"] == 1:
        assert parsed["profile"] == v["profile"] and parsed["key_id"] == v["key_id"].encode(), v["name"]
        assert hashlib.sha256(exchange(v)).hexdigest() == v["ctx"], v["name"]
        assert unhex(v, "envelope").startswith(head(v)), v["name"]
        pair = [unwraps(keys[v["bits"]], parsed[f]) for f in ("enc_req_key", "enc_resp_key")]
        if None in pair or len(pair[0]) != 32 or len(pair[1]) != 32 or pair[0] == pair[1]:
            return None
        assert pair == [unhex(v, "request_key"), unhex(v, "response_key")], v["name"]
    return open_sealed(sealing_key(v), parsed["sealed"], associated_data(v))


def check(docs):
    keys, envelopes, text, counts = load_keys(docs["keys"]), docs["envelopes"], docs["text"], {}
    for v in envelopes["positive"]:
        assert open_envelope(keys, v) == unhex(v, "plaintext"), v["name"]
        sealed = cases.parse(unhex(v, "envelope"))["sealed"]
        for at in {*range(min(len(sealed), 64)), *range(len(sealed) - 16, len(sealed))}:
            bad = sealed[:at] + bytes([sealed[at] ^ 1 << at % 8]) + sealed[at + 1:]
            assert open_sealed(sealing_key(v), bad, associated_data(v)) is None, v["name"]
    for v in envelopes["open_failures"]:
        assert open_envelope(keys, v) is None, v["name"]
    for v in envelopes["parses"]:
        assert cases.parse(cases.spread(v))["type"] == v["type"], v["name"]
    seen = {cases.error_of(cases.parse, cases.spread(v)): v for v in envelopes["negative"]}
    assert set(seen) == set(cases.ERRORS), set(cases.ERRORS) ^ set(seen)
    for v in envelopes["negative"]:
        assert cases.error_of(cases.parse, cases.spread(v)) == v["error"], v["name"]
    for v in docs["oaep"]["ok"]:
        assert unwraps(keys[v["bits"]], unhex(v, "wrapped")) == unhex(v, "key"), v
    for v in docs["oaep"]["failures"]:
        payload = unwraps(keys[v["bits"]], unhex(v, "wrapped"))
        assert payload is None or len(payload) != 32, v["why"]
    for v in text["positive"] + text["open_failures"]:
        like = v | {"type": 2 if v["direction"] == "request" else 129}
        sealed = cases.parse_text(v["text"])
        assert associated_data(like) == unhex(v, "associated_data") and sealed[:12] == unhex(v, "iv"), v["name"]
        opened = open_sealed(unhex(v, "key"), sealed, associated_data(like))
        assert opened == (None if "why" in v else unhex(v, "plaintext")), v["name"]
    for v in text["negative"]:
        assert cases.error_of(cases.parse_text, v["text"]), v["why"]
    for trace in docs["traces"]["traces"]:
        traces.check_trace(keys[trace["bits"]], trace)
    for name, doc in docs.items():
        counts |= {f"{name}.{part}": len(doc[part]) for part in doc if part != "comment"}
    assert all(counts.values()), "an empty list"
    assert build(docs) == docs, "the files are not what this program makes"
    print("checked:", ", ".join(f"{n} {name}" for name, n in counts.items()))


def main():
    paths = {name: HERE / f"{name}.json" for name in FILES}
    if not __debug__:
        sys.exit("do not run with -O: the checks are assertions")
    if sys.argv[1:] == ["--check"]:
        return check({name: json.loads(path.read_text()) for name, path in paths.items()})
    if sys.argv[1:]:
        sys.exit("usage: make_vectors.py [--check]")
    old = {name: json.loads(path.read_text()) if path.exists() else {} for name, path in paths.items()}
    for name, doc in build(old).items():
        paths[name].write_text(json.dumps(doc, indent=1) + "\n")


if __name__ == "__main__":
    main()
