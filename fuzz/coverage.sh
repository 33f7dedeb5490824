#!/usr/bin/env bash
# Prints what the committed corpus and the seeds reach of the code that each target is about, and of all code of ours in it.
#
#   fuzz/coverage.sh [TARGET...]
#
# Needs cargo-fuzz and Debian's llvm-22: its version must be that of the compiler's LLVM (`rustc -vV`). SCV2_LLVM is another folder.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
llvm=${SCV2_LLVM:-/usr/lib/llvm-22/bin}
[ -x "$llvm/llvm-profdata" ] || { echo "no llvm-profdata in $llvm: apt-get install llvm-22" >&2; exit 1; }
if [ $# = 0 ]; then
    for target in fuzz/fuzz_targets/*.rs; do set -- "$@" "$(basename "$target" .rs)"; done
fi

# The code that a target is about, as a pattern of paths.
about() {
    case $1 in
        envelope) echo 'sc-core/src/envelope' ;;
        text) echo 'sc-core/src/(text|base64|quiet)\.rs' ;;
        session_request) echo 'sc-core/src/document' ;;
        forgot_password) echo 'sc-std/src/message/(email|forgot_password|strict)\.rs' ;;
        open) echo 'sc-core/src/(associated|channel)' ;;
        server) echo 'sc-core/src/(server|replay|table)' ;;
        client) echo 'sc-core/src/(client|session)\.rs' ;;
        key_documents) echo 'sc-std/src/(keys/pem|provider/der)' ;;
        layer) echo 'sc-std/src/(buffer|store/(claims|ledger|memory|shard|slots)|server/(body|endpoints|headers|layer|open|reject|router|sealed|service))\.rs' ;;
        inspect) echo 'sc-std/src/(key_log|bin/scv2/(inspect/|hex_view|json_view|terminal))' ;;
        providers) echo 'sc-std/src/provider/|sc-core/src/(rustcrypto|oaep)' ;;
        *) echo "no such target: $1" >&2; exit 1 ;;
    esac
}

# One build for all, apart from that which fuzzes.
out=fuzz/target/coverage
mkdir -p "$out"

# row NAME INPUTS PATTERN PROFILE PROGRAM...
row() {
    local objects=()
    for program in "${@:6}"; do objects+=(-object "$program"); done
    "$llvm/llvm-cov" export --summary-only --instr-profile "$4" "$5" "${objects[@]}" >"$out/report.json"
    python3 - "$out/report.json" "${@:1:3}" <<'EOF'
import json, re, sys

report, name, inputs, pattern = sys.argv[1:]
files = json.load(open(report))["data"][0]["files"]
ours = [file for file in files if re.search("/sc-(core|std)/src/", file["filename"]) and "/fuzzing" not in file["filename"]]
about = [file for file in ours if re.search(pattern, file["filename"])]

def part(files, what):
    covered, count = (sum(file["summary"][what][word] for file in files) for word in ("covered", "count"))
    return f"{covered} of {count}, {100 * covered // max(count, 1)} %"

print(f"| {name} | {inputs} | {part(about, 'lines')} | {part(about, 'regions')} | {part(ours, 'lines')} |")
EOF
}

echo '| target | inputs | lines of what it is about | regions of it | lines of all of ours in it |'
echo '|---|---:|---:|---:|---:|'
profiles=() programs=() all=0
for target in "$@"; do
    corpus=("fuzz/corpus-min/$target" "fuzz/seeds/$target")
    inputs=$(find "${corpus[@]}" -type f | wc -l)
    cargo fuzz coverage --sanitizer none --target-dir "$out" --llvm-path "$llvm" "$target" "${corpus[@]}" >"$out/log" 2>&1 ||
        { cat "$out/log" >&2; exit 1; }
    profiles+=("fuzz/coverage/$target/coverage.profdata")
    programs+=("$(find "$out" -path '*/release/*' -name "$target" -type f -perm -u+x | head -n 1)")
    row "\`$target\`" "$inputs" "$(about "$target")" "${profiles[-1]}" "${programs[-1]}"
    all=$((all + inputs))
done
"$llvm/llvm-profdata" merge -sparse "${profiles[@]}" -o "$out/all.profdata"
row "together" "$all" . "$out/all.profdata" "${programs[@]}"
