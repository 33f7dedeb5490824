#!/usr/bin/env python3
"""Python as a peer of message protection: AESGCM of the package `cryptography` (47 or later, for its `_into` calls).

    python3 cryptography_aesgcm.py      for each line of input measures one batch and prints
                                        one JSON object: nanoseconds per message
"""
# SPDX-License-Identifier: MIT OR Apache-2.0
import json
import os
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "peers" / "python"))
from channel import need, open_sealed, parse  # noqa: E402

SIZES = [28, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576]
WARM_UP_NS = 300_000_000
BATCH_NS = 20_000_000
BATCHES = 15
HEAD = b"SC\x02\x02"


def measure(name, size, work):
    """After a warm-up that also finds a batch's length: for each line of input the nanoseconds of one call."""
    def batch(calls):
        start = time.perf_counter_ns()
        for _ in range(calls):
            work()
        return time.perf_counter_ns() - start

    start, calls, took = time.perf_counter_ns(), 1, 0
    while time.perf_counter_ns() - start < WARM_UP_NS or took < BATCH_NS:
        took = batch(calls)
        if took < BATCH_NS:
            calls *= 2
    for _ in range(BATCHES):
        sys.stdin.readline()
        value = batch(calls) / calls
        print(json.dumps({"name": name, "case": "Python cryptography", "parameter": str(size), "value": value, "unit": "ns"}), flush=True)


def main():
    raw = os.urandom(32)
    key = AESGCM(raw)
    for size in SIZES:
        plaintext = os.urandom(size)
        frame = bytearray(HEAD + bytes(12 + size + 16))
        sealed, opened = memoryview(frame)[16:], bytearray(size)

        def seal():
            iv = os.urandom(12)
            frame[4:16] = iv
            key.encrypt_into(iv, plaintext, None, sealed)

        seal()
        envelope = bytes(frame)

        def open_envelope():
            fields = parse(memoryview(envelope))  # a view, so that no slice is a copy
            key.decrypt_into(fields["iv"], fields["sealed"][12:], None, opened)

        open_envelope()
        # Opened by the protocol's peer too: a peer that skips work must not count.
        fields = parse(envelope)
        need(fields["type"] == 2 and opened == plaintext == open_sealed(raw, fields["sealed"], b""), "the envelope does not open")
        measure("seal", size, seal)
        measure("open", size, open_envelope)


if __name__ == "__main__":
    main()
