#!/usr/bin/env bash
# Runs the foreign peers of message protection, each in turns with the raw AEAD of AWS-LC, and leaves their figures in target/figures/peers.jsonl.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   benches/peers.sh            about three minutes; needs Rust, node, javac, java, and python3 with the package cryptography
#
# A missing runtime is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for runtime in node javac java python3; do
    command -v "$runtime" >/dev/null || { echo "$runtime is not installed" >&2; exit 1; }
done
python3 -c 'from cryptography.hazmat.primitives.ciphers.aead import AESGCM; AESGCM.encrypt_into' \
    || { echo "python3 needs the package cryptography, 47 or later" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
figures=${CARGO_TARGET_DIR:-target}/figures
mkdir -p "$figures"

javac -d "$tmp" peers/java/{Channel,Json}.java benches/peers/Jce.java
beside() { cargo run --release --locked --quiet --package sc-benches --features peers --example foreign -- "$@"; }
{
    beside node benches/peers/webcrypto.mjs
    # A megabyte is sealed too seldom to be compiled by the default thresholds: 30 ms instead of 0.4.
    beside java -XX:CompileThresholdScaling=0.02 -cp "$tmp" scv2.Jce
    beside python3 benches/peers/cryptography_aesgcm.py
} | tee "$tmp/peers.jsonl"
# Only whole runs count: a peer that failed leaves the figures of the last run.
mv "$tmp/peers.jsonl" "$figures/peers.jsonl"
