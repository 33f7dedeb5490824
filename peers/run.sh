#!/usr/bin/env bash
# Runs all SCv2 peers against a server, over the test vectors, and over each other's vectors.
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck disable=SC2015  # in `A && B || fail`, A or B may fail
#
#   ./run.sh http://127.0.0.1:18020
#
# One line per check; stops with exit code 1 at the first failure. A missing runtime is a failure. Each flow sends two
# forgot-password requests from one client address (and one that must be refused): 8 of them for each peer. Start the
# server with limits that leave room for them.
set -uo pipefail

if [[ $# != 1 ]]; then
    echo "usage: $0 BASE_URL" >&2
    exit 2
fi
base_url=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vectors=$here/../sc-core/vectors
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

flows=(python node java shell)
# The browser's flow is that of a page, which browser/test.mjs drives with a server of its own; here it checks and makes vectors.
peers=("${flows[@]}" browser)

peer() {
    case $1 in
        python) python3 "$here/python/scv2.py" "${@:2}" ;;
        node) node "$here/node/scv2.mjs" "${@:2}" ;;
        java) java -cp "$tmp/java-classes" scv2.Main "${@:2}" ;;
        shell) "$here/shell/scv2.sh" "${@:2}" ;;
        browser) node "$here/browser/test.mjs" "${@:2}" ;;
    esac
}

fail() {
    cat "$tmp/out" >&2
    echo "FAILED $1" >&2
    exit 1
}

# check WHAT PEER ARGS...: runs one peer, and shows its output only when it fails.
check() {
    peer "${@:2}" >"$tmp/out" 2>&1 || fail "$1"
    echo "ok $1"
}

# check_vectors WHAT PEER DIR: the exit code alone is not believed. The peer must say that it checked as many cases as the
# lists in the folder have, so that none is lost in silence.
check_vectors() {
    local cases
    cases=$(find "$3" -name '*.json' ! -name keys.json -exec jq '[.[] | arrays | length] | add' {} + | jq -s add)
    [[ $cases -gt 0 ]] && peer "$2" --vectors "$3" >"$tmp/out" 2>&1 && grep -q "^vectors: $cases checked" "$tmp/out" \
        || fail "$1: not $cases cases"
    echo "ok $1: $cases cases"
}

for runtime in python3 node javac java jq curl openssl; do
    command -v "$runtime" >/dev/null || { echo "FAILED: $runtime is not installed" >&2; exit 1; }
done
javac -d "$tmp/java-classes" "$here"/java/*.java || exit 1

for one in "${flows[@]}"; do
    check "$one session plain" "$one" --base-url "$base_url"
    check "$one session bound" "$one" --base-url "$base_url" --bound
    check "$one inline plain" "$one" --base-url "$base_url" --inline
    check "$one inline bound" "$one" --base-url "$base_url" --inline --bound
done
for one in "${peers[@]}"; do
    check_vectors "$one vectors" "$one" "$vectors"
    mkdir "$tmp/$one" && cp "$vectors/keys.json" "$tmp/$one/" || exit 1
    check "$one makes vectors" "$one" --make-vectors "$tmp/$one"
    # 3 sizes of RSA keys, and 2 types in 4 lengths, and text in 2 directions; each in 2 profiles.
    (($(jq -s '[.[].positive | length] | add' "$tmp/$one/envelopes.json" "$tmp/$one/text.json") >= 26)) || fail "$one makes too few"
done
for maker in "${peers[@]}"; do
    for one in "${peers[@]}"; do
        [[ $one == "$maker" ]] || check_vectors "$one reads $maker" "$one" "$tmp/$maker"
    done
done
echo "ok all"
