#!/bin/sh
# Runs all SCv2 peers against a server (both ways to set up, both profiles) and over the test vectors.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   ./run.sh http://127.0.0.1:18020
#
# One line per run; stops with exit code 1 at the first failure. A missing runtime is a failure.
# Each run sends two forgot-password requests from one client address (and one that must be refused), 24
# in all: start the server with a rate limit that leaves room for them.
set -u

if [ $# -ne 1 ]; then
    echo "usage: $0 BASE_URL" >&2
    exit 2
fi
base_url=$1
here=$(cd "$(dirname "$0")" && pwd)
vectors=$here/../sc-core/vectors
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

for runtime in python3 node java; do
    if ! command -v "$runtime" >/dev/null; then
        echo "FAILED: $runtime is not installed" >&2
        exit 1
    fi
done

peer() {
    case $1 in
        python) shift; python3 "$here/python/scv2.py" "$@" ;;
        node) shift; node "$here/node/scv2.mjs" "$@" ;;
        java) shift; java "$here/java/Scv2.java" "$@" ;;
    esac
}

# check WHAT LANGUAGE ARGS...: runs one peer, shows its output only when it fails.
check() {
    what=$1
    shift
    if peer "$@" >"$out" 2>&1; then
        echo "ok $what"
    else
        cat "$out" >&2
        echo "FAILED $what" >&2
        exit 1
    fi
}

for language in python node java; do
    check "$language vectors" "$language" --vectors "$vectors"
    # The exit code alone is not believed: the count must be there, and not be 0.
    grep -q '^vectors: [1-9][0-9]* checked' "$out" || { echo "FAILED $language vectors: no count" >&2; exit 1; }
    check "$language session plain" "$language" --base-url "$base_url"
    check "$language session bound" "$language" --base-url "$base_url" --bound
    check "$language inline plain" "$language" --base-url "$base_url" --inline
    check "$language inline bound" "$language" --base-url "$base_url" --inline --bound
done
echo "ok all"
