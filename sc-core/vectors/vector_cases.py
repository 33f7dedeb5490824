# The cases of the SCv2 vectors that need no key, and the strict parsers that --check holds them to.
# SPDX-License-Identifier: MIT OR Apache-2.0
import base64
import json
import re

MAX_ENVELOPE = 1_048_576 + 1_316  # PROTOCOL 10, 10
ERRORS = ("too_short", "too_long", "magic", "version", "type", "key_id_length", "key_id_character", "truncated",
          "wrapped_key_length", "wrapped_keys_differ", "sealed_too_short")


class Malformed(Exception):
    """Names what is wrong, in the words of ERRORS."""


def parse(raw):
    """PROTOCOL 2: one envelope, or exactly one error; checks in the document's order."""
    if len(raw) > MAX_ENVELOPE:
        raise Malformed("too_long")
    if len(raw) < 4:
        raise Malformed("too_short")
    if raw[:2] != b"SC":
        raise Malformed("magic")
    if raw[2] != 0x02 and not (raw[2] == 0x82 and raw[3] == 1):
        raise Malformed("version")
    if raw[3] not in (1, 2, 129):
        raise Malformed("type")
    out, at = {"type": raw[3], "profile": "bound" if raw[2] == 0x82 else "plain"}, 4

    def take(size):
        nonlocal at
        if len(raw) - at < size:
            raise Malformed("truncated")
        at += size
        return raw[at - size:at]

    if raw[3] == 1:
        size = take(1)[0]
        if size == 0:
            raise Malformed("key_id_length")
        out["key_id"] = take(size)
        if any(not 0x21 <= byte <= 0x7E for byte in out["key_id"]):
            raise Malformed("key_id_character")
        first = None
        for field in ("enc_req_key", "enc_resp_key"):
            size = int.from_bytes(take(2), "big")
            if not 256 <= size <= 512:
                raise Malformed("wrapped_key_length")
            if first not in (None, size):
                raise Malformed("wrapped_keys_differ")
            first = size
            out[field] = take(size)
    if len(raw) - at < 28:
        raise Malformed("sealed_too_short")
    return out | {"iv": raw[at:at + 12], "sealed": raw[at:]}


def parse_text(text):
    """PROTOCOL 7: exactly the members v and p; returns IV, ciphertext and tag."""
    def members(pairs):
        if sorted(name for name, _ in pairs) != ["p", "v"]:
            raise Malformed("members")
        return dict(pairs)

    try:
        doc = json.loads(text, object_pairs_hook=members)
    except ValueError:
        raise Malformed("not JSON") from None
    if type(doc) is not dict or type(doc["v"]) is not int or doc["v"] != 2 or type(doc["p"]) is not str:
        raise Malformed("form")
    if not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", doc["p"]) or len(doc["p"]) % 4:
        raise Malformed("not Base64")
    sealed = base64.b64decode(doc["p"], validate=True)
    if base64.b64encode(sealed).decode() != doc["p"] or len(sealed) < 28:
        raise Malformed("not canonical, or too short")
    return sealed


def error_of(parser, value):
    try:
        parser(value)
    except Malformed as error:
        return str(error)
    return None


def spread(v):
    """The bytes of a record that has either `bytes` or `repeat`."""
    if "bytes" in v:
        return bytes.fromhex(v["bytes"])
    r = v["repeat"]
    return bytes.fromhex(r["prefix"]) + bytes.fromhex(r["byte"]) * r["count"]


# --- envelopes.json: negative and parses ---------------------------------------------------------

HEAD1, HEAD1_BOUND, HEAD2, HEAD129 = b"SC\x02\x01", b"SC\x82\x01", b"SC\x02\x02", b"SC\x02\x81"


def type1(seeded, key_id=b"k", req=256, resp=256, sealed=28, head=HEAD1):
    """A type 1 envelope that parses (nothing in it opens)."""
    return (head + bytes([len(key_id)]) + key_id + req.to_bytes(2, "big") + seeded("req", req)
            + resp.to_bytes(2, "big") + seeded("resp", resp) + seeded("sealed", sealed))


def giant(prefix, total):
    return {"repeat": {"prefix": prefix.hex(), "byte": "00", "count": total - len(prefix)}}


def parses(seeded):
    out = []

    def add(name, raw, kind):
        out.append({"name": name, "type": kind} | (raw if isinstance(raw, dict) else {"bytes": raw.hex()}))

    for kind, head in ((2, HEAD2), (129, HEAD129)):
        add(f"type {kind}, sealed part of 28 bytes", head + bytes(28), kind)
        add(f"type {kind}, exactly the maximum", giant(head, MAX_ENVELOPE), kind)
    for char in (0x21, 0x7E):
        add(f"keyId of one byte {char:02x}", type1(seeded, bytes([char])), 1)
    add("keyId with 21 first and 7e last", type1(seeded, b"\x21key\x7e"), 1)
    add("keyId of 255 bytes", type1(seeded, b"k" * 255), 1)
    for size in (256, 257, 384, 511, 512):
        add(f"wrapped keys of {size} bytes", type1(seeded, req=size, resp=size), 1)
    add("version 82, type 1", type1(seeded, head=HEAD1_BOUND), 1)
    add("type 1, exactly the maximum", giant(type1(seeded, b"k" * 255, 512, 512, 28), MAX_ENVELOPE), 1)
    return out


def negative(seeded):
    out = []

    def add(error, name, raw):
        out.append({"name": name} | (raw if isinstance(raw, dict) else {"bytes": raw.hex()}) | {"error": error})

    for raw in (b"", b"S", b"SC", b"SC\x02", b"\0\0\0", b"SC\x03"):
        add("too_short", f"{len(raw)} bytes {raw.hex()}", raw)

    add("too_long", "type 2, one byte over the maximum", giant(HEAD2, MAX_ENVELOPE + 1))
    add("too_long", "type 129, one byte over the maximum", giant(HEAD129, MAX_ENVELOPE + 1))
    add("too_long", "type 1, one byte over the maximum", giant(type1(seeded), MAX_ENVELOPE + 1))
    add("too_long", "wrong magic, one byte over the maximum: the size comes first", giant(b"", MAX_ENVELOPE + 1))
    add("too_long", "wrong version, twice the maximum", giant(b"SC\x03\x02", 2 * MAX_ENVELOPE))
    add("magic", "wrong magic, exactly the maximum", giant(b"", MAX_ENVELOPE))

    for magic in (b"\0\0", b"SD", b"TC", b"CS", b"sc", b"\xd3\x43", b"\x53\xc3"):
        add("magic", f"magic {magic.hex()}", magic + b"\x02\x02" + bytes(28))
    add("magic", "magic comes before version and type", b"SD\x03\x07")
    add("magic", "plain JSON", b'{"email":"user@example.com"}')

    for version in (0x00, 0x01, 0x03, 0x20, 0x80, 0x83, 0xFF):
        for kind in (1, 2, 129):
            add("version", f"version {version:02x}, type {kind}", b"SC" + bytes([version, kind]) + bytes(28))
    for kind in (0, 2, 3, 0x81, 0x82, 0xFF):
        add("version", f"version 82, type {kind}: legal with type 1 only", b"SC\x82" + bytes([kind]) + bytes(28))
    add("version", "version comes before type", b"SC\x03\x07")
    for kind in (0, 3, 4, 0x7F, 0x80, 0x82, 0xFF):
        add("type", f"type {kind}", b"SC\x02" + bytes([kind]) + bytes(28))
    add("type", "type comes before the fields", b"SC\x02\x00")

    whole = type1(seeded, b"key")
    add("key_id_length", "keyIdLen 0, nothing behind", HEAD1 + b"\0")
    add("key_id_length", "keyIdLen 0, fields behind", type1(seeded, b""))
    add("key_id_length", "keyIdLen 0, version 82", type1(seeded, b"", head=HEAD1_BOUND))
    for char in (0x00, 0x0A, 0x1F, 0x20, 0x7F, 0x80, 0xC3, 0xFF):
        add("key_id_character", f"keyId of one byte {char:02x}", type1(seeded, bytes([char])))
    for char in (0x20, 0x7F, 0x80):
        for where, key_id in (("first", b"%ckey"), ("in the middle", b"ke%cy"), ("last", b"key%c")):
            add("key_id_character", f"keyId with {char:02x} {where}, nothing behind",
                HEAD1 + b"\x04" + key_id % char)
    add("key_id_character", "keyId of 255 bytes, 7f last", type1(seeded, b"k" * 254 + b"\x7f"))

    # Cut at every field boundary, and one byte on each side. keyId is 3 bytes, wrapped keys 256;
    # the ends of: header, keyIdLen, keyId, reqKeyLen, encryptedReqKey, respKeyLen, encryptedRespKey, IV.
    ends = (4, 5, 8, 10, 266, 268, 524, 536)
    for cut in sorted({end + step for end in ends for step in (-1, 0, 1)} | {len(whole) - 1}):
        error = "too_short" if cut < 4 else "truncated" if cut < 524 else "sealed_too_short"
        add(error, f"type 1 of {len(whole)} bytes, cut to {cut}", whole[:cut])
    add("truncated", "keyIdLen 255, 254 bytes behind", HEAD1 + b"\xff" + b"k" * 254)
    add("truncated", "version 82, header only", HEAD1_BOUND)
    for size in (256, 512):
        add("truncated", f"reqKeyLen {size}, nothing behind", HEAD1 + b"\x01k" + size.to_bytes(2, "big"))
        one = type1(seeded, b"k", size, size, 0)
        add("truncated", f"respKeyLen {size}, nothing behind", one[:-size])
        add("truncated", f"respKeyLen {size}, a byte missing", one[:-1])

    for size in (0, 1, 255, 513, 0x0800, 0xFFFF):
        field = size.to_bytes(2, "big")
        add("wrapped_key_length", f"reqKeyLen {size}, nothing behind", HEAD1 + b"\x01k" + field)
        add("wrapped_key_length", f"respKeyLen {size}, nothing behind", type1(seeded, sealed=0)[:-258] + field)
    for size in (255, 513):
        add("wrapped_key_length", f"both lengths {size}, fields behind", type1(seeded, req=size, resp=size))
    add("wrapped_key_length", "lengths 256 little-endian", HEAD1 + b"\x01k\0\x01" + bytes(256))

    for first, second in ((256, 257), (257, 256), (256, 512), (512, 256), (511, 512), (384, 383)):
        both = type1(seeded, req=first, resp=second)
        add("wrapped_keys_differ", f"lengths {first} and {second}", both)
        add("wrapped_keys_differ", f"lengths {first} and {second}, nothing behind", both[:-second - 28])

    for head, kind in ((HEAD2, 2), (HEAD129, 129)):
        for size in (0, 1, 11, 12, 13, 27):
            add("sealed_too_short", f"type {kind}, sealed part of {size} bytes", head + bytes(size))
    add("sealed_too_short", "type 1, wrapped keys of 512, sealed part of 27 bytes", type1(seeded, b"k", 512, 512, 27))
    return out


# --- oaep.json -----------------------------------------------------------------------------------

def wrong_oaep(oaep, hashes):
    """Ways to wrap a good key wrongly."""
    yield "MGF1 with SHA-1", oaep(mgf=hashes.SHA1)
    yield "SHA-1 as hash and in MGF1", oaep(mgf=hashes.SHA1, hash_=hashes.SHA1)
    yield "SHA-1 as hash, MGF1 with SHA-256", oaep(hash_=hashes.SHA1)
    yield "SHA-512 as hash and in MGF1", oaep(mgf=hashes.SHA512, hash_=hashes.SHA512)
    yield "label SC", oaep(label=b"SC")
    yield "label of one zero byte", oaep(label=b"\0")


# --- text.json -----------------------------------------------------------------------------------

def escaped(p, chars, form="\\u{:04x}"):
    return "".join(form.format(ord(c)) if c in chars else c for c in p)


# How a correct text envelope may look: form -> (plaintext length, writer). 255 bytes surely hold + and /.
TEXT_FORMS = {
    "plain": (28, lambda p: f'{{"v":2,"p":"{p}"}}'),
    "empty-plaintext": (0, lambda p: f'{{"v":2,"p":"{p}"}}'),
    "padding-0": (2, lambda p: f'{{"v":2,"p":"{p}"}}'),
    "padding-1": (1, lambda p: f'{{"v":2,"p":"{p}"}}'),
    "padding-2": (3, lambda p: f'{{"v":2,"p":"{p}"}}'),
    "p-first": (28, lambda p: f'{{"p":"{p}","v":2}}'),
    "white-space": (28, lambda p: f' \t\r\n{{ "v"\n:\t2 ,\r\n"p" : "{p}"\n}}\n\n'),
    "escaped-slash": (255, lambda p: f'{{"v":2,"p":"{p}"}}'.replace("/", "\\/")),
    "escaped-plus-lower": (255, lambda p: f'{{"v":2,"p":"{escaped(p, "+/=")}"}}'),
    "escaped-plus-upper": (255, lambda p: f'{{"v":2,"p":"{escaped(p, "+/=kJ", chr(92) + "u{:04X}")}"}}'),
    "escaped-all": (17, lambda p: f'{{"p":"{escaped(p, p)}","v":2}}'),
}


def text_negative(good):
    """(why, text); `good` is the Base64 of 55 bytes, so it ends in '=='."""
    def doc(p):
        return '{"v":2,"p":"' + p + '"}'

    assert good.endswith("==")
    fine, bare = doc(good), good[:-2]
    for v in ("1", "3", "0", "-2", "2.5", "20", "258", "4294967298", "18446744073709551618", "null", "true", "false",
              "[2]", "{}"):
        yield f"v is {v}", f'{{"v":{v},"p":"{good}"}}'
    for v in ('"2"', '""', '"v2"'):
        yield f"v is the string {v}", f'{{"v":{v},"p":"{good}"}}'
    for why, text in (("missing v", f'{{"p":"{good}"}}'), ("missing p", '{"v":2}'), ("empty object", "{}"),
                      ("extra member", fine[:-1] + ',"x":1}'), ("extra member null", '{"t":null,' + fine[1:]),
                      ("members in upper case", f'{{"V":2,"P":"{good}"}}'),
                      ("member with empty name", '{"":0,' + fine[1:]),
                      ("duplicate v", '{"v":2,' + fine[1:]), ("duplicate v, last one good", '{"v":1,' + fine[1:]),
                      ("duplicate p", fine[:-1] + f',"p":"{good}"}}'),
                      ("duplicate p, first one empty", '{"p":"",' + fine[1:]),
                      ("duplicate p, written with an escape", fine[:-1] + f',"\\u0070":"{good}"}}')):
        yield why, text
    for p in ("1", "null", "true", "[]", "{}", f'["{good}"]'):
        yield f"p is not a string: {p[:6]}", f'{{"v":2,"p":{p}}}'
    twin = chr(ord(bare[-1]) + 1)  # same bytes, but unused bits that are not zero
    for why, p in (("not Base64: a letter outside", "!" + good[1:]), ("not Base64: space inside", good[:8] + " " + good[8:]),
                   ("not Base64: space behind", good + " "), ("not Base64: escaped new line inside", good[:8] + "\\n" + good[8:]),
                   ("not Base64: NUL behind", good + "\\u0000"), ("not Base64: full-width letter", "\uff21" + good[1:]),
                   ("not Base64: lone surrogate", "\\ud800" + good[6:]), ("not Base64: hexadecimal", "0" * 57),
                   ("not Base64: padding inside", good + good), ("not Base64: padding only", "===="),
                   ("not Base64: one letter left over", good[:-4] + "A"), ("not Base64: three padding signs", good + "="),
                   ("not Base64: six padding signs", good + "===="), ("not canonical: unused bits not zero", bare[:-1] + twin + "=="),
                   ("unpadded", bare), ("unpadded by one", good[:-1]),
                   ("URL-safe alphabet: -", "-" + good[1:]), ("URL-safe alphabet: _", good[:20] + "_" + good[21:]),
                   ("p is empty", ""), ("p of 12 bytes", base64.b64encode(bytes(12)).decode()),
                   ("p of 27 bytes", base64.b64encode(bytes(27)).decode())):
        yield why, doc(p)
    for tail in ("x", ",", "}", "\0", "null", "\ufeff", "// comment", fine):
        yield f"trailing bytes {tail[:2]!r}", fine + tail
    for lead in ("\ufeff", "x", ",", "\0", "\u00a0", "\f"):
        yield f"leading bytes {lead!r}", lead + fine
    for text in ("", " ", "null", "2", "true", f'"{good}"', "[]", f"[{fine}]", f'["v",2,"p","{good}"]'):
        yield f"not an object: {text[:6]}", text
    for why, text in (("no closing brace", fine[:-1]), ("no closing quote", fine[:-2]), ("cut in p", fine[:30]),
                      ("single quotes", fine.replace('"', "'")), ("names without quotes", f'{{v:2,p:"{good}"}}'),
                      ("comma at the end", fine[:-1] + ",}"), ("comma missing", fine.replace(",", " ")),
                      ("colon missing", fine.replace(":", " ", 1)), ("comment inside", fine.replace(",", ",/**/")),
                      ("v is 02", fine.replace("2", "02", 1)), ("v is +2", fine.replace("2", "+2", 1)),
                      ("v is 2.", fine.replace("2", "2.", 1)), ("v is 0x2", fine.replace("2", "0x2", 1)),
                      ("v is NaN", fine.replace("2", "NaN", 1)), ("unknown escape", doc("\\x41" + good[1:])),
                      ("escape not hexadecimal", doc("\\u00g1" + good[1:])), ("escape cut", doc(good[:-1] + "\\u00")),
                      ("raw new line in p", doc(good[:8] + "\n" + good[8:])), ("form feed as white space", fine.replace(",", ",\f")),
                      ("no-break space as white space", fine.replace(",", ",\u00a0"))):
        yield f"not JSON: {why}", text
