#!/usr/bin/env bash
# Measures everything and writes the report: benches/README.md, benches/plots and benches/SCALE.md.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   benches/run.sh                   all parts, from nothing: figures of earlier runs are dropped
#   benches/run.sh message cores     these parts anew, the others as they were; then the report
#
# Parts: message side_by_side exchange server peers loopback million cores. What a part needs says benches/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
all=(message side_by_side exchange server peers loopback million cores)
# In full, since cargo starts benchmarks in a folder of theirs.
CARGO_TARGET_DIR=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR

if [[ $# == 0 ]]; then
    set -- "${all[@]}"
    # A figure of a benchmark that no longer exists would stay in the tables.
    rm -rf "$CARGO_TARGET_DIR/criterion" "$CARGO_TARGET_DIR/figures"
fi
for part in "$@"; do
    [[ " ${all[*]} " == *" $part "* ]] || { echo "no part $part: ${all[*]}" >&2; exit 2; }
done

# Built before the first measurement, so that no compiler runs beside one.
cargo build --release --locked --package sc-benches --examples --features peers
cargo bench --locked --package sc-benches --features peers --bench '*' --no-run
for part in "$@"; do
    printf '\n== %s (%ss)\n' "$part" "$SECONDS"
    case $part in
        message | exchange | server) cargo bench --locked --package sc-benches --features peers --bench "$part" ;;
        side_by_side | loopback | million | cores) cargo run --release --locked --package sc-benches --features peers --example "$part" ;;
        peers) benches/peers.sh ;;
    esac
done
printf '\n== report (%ss)\n' "$SECONDS"
cargo run --release --locked --package sc-benches --features peers --example report
