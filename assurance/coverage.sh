#!/usr/bin/env bash
# Lines, regions and branches of sc-core that sc-core's own tests reach: builds them instrumented, runs them, prints the table of coverage.md.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTUP_DIST_SERVER=http://127.0.0.1:9 RUSTUP_AUTO_INSTALL=0 CARGO_TERM_COLOR=never
export CARGO_PROFILE_DEV_DEBUG=line-tables-only

need() { # need COMMAND PACKAGE: a missing program is installed by name
    command -v "$1" >/dev/null || { apt-get update -qq && apt-get install -y -qq "$2"; }
}
# Of the LLVM that rustc is built with: another version does not read the counters.
llvm="$(rustc --version --verbose | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"
need "llvm-profdata-$llvm" "llvm-$llvm"
need python3 python3
need jq jq

out="$PWD/target/coverage"
rm -rf "$out/raw"
mkdir -p "$out/raw"
# Counts the workspace's crates only. Branches are an unstable option, so the compiler is told that it may, for measuring alone.
cat >"$out/rustc" <<'WRAPPER'
#!/bin/sh
RUSTC_BOOTSTRAP=1 exec "$@" -C instrument-coverage -Z coverage-options=branch
WRAPPER
chmod +x "$out/rustc"
export RUSTC_WORKSPACE_WRAPPER="$out/rustc"
export LLVM_PROFILE_FILE="$out/raw/%m-%p.profraw"

# Not no_std.rs: it builds programs of their own.
tests=(--package sc-core --locked --lib)
for test in vectors documents tamper splice refusals limits edges properties concurrency guarantees wycheproof wiped; do
    tests+=(--test "$test")
done
cargo test "${tests[@]}" --no-run --message-format=json | jq -r 'select(.executable and .profile.test) | .executable' >"$out/programs"
cargo test "${tests[@]}" --quiet

"llvm-profdata-$llvm" merge --sparse "$out"/raw/*.profraw --output "$out/all.profdata"
objects=()
while read -r program; do objects+=(--object "$program"); done <"$out/programs"
"llvm-cov-$llvm" export --instr-profile "$out/all.profdata" "${objects[@]}" --sources sc-core/src >"$out/coverage.json"
"llvm-cov-$llvm" show --instr-profile "$out/all.profdata" "${objects[@]}" --show-branches=count --format=html \
    --output-dir "$out/html" --sources sc-core/src
python3 assurance/coverage.py "$out/coverage.json"
printf '\nline by line: %s\n' "target/coverage/html/index.html"
