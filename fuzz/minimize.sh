#!/usr/bin/env bash
# Makes the committed corpus anew: of all that is known, the fewest and shortest inputs that reach as much. For after hours of fuzzing.
#
#   fuzz/minimize.sh [TARGET...]
#
# Known are fuzz/corpus (what a fuzzer has found here), fuzz/corpus-min (what is committed) and the seeds, which are not taken twice.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# = 0 ]; then
    for target in fuzz/fuzz_targets/*.rs; do set -- "$@" "$(basename "$target" .rs)"; done
fi
all=$(mktemp -d)
trap 'rm -rf "$all"' EXIT
for target in "$@"; do
    rm -rf "${all:?}/$target" && mkdir -p "$all/$target" "fuzz/corpus/$target" "fuzz/corpus-min/$target"
    # By content: names of seeds are words.
    find "fuzz/corpus/$target" "fuzz/corpus-min/$target" "fuzz/seeds/$target" -type f -print0 |
        while IFS= read -r -d '' input; do cp "$input" "$all/$target/$(sha1sum <"$input" | cut -d ' ' -f 1)"; done
    # Edges only: how often one is taken would keep ten times as many.
    RUSTC_BOOTSTRAP=1 cargo fuzz cmin --sanitizer none "$target" "$all/$target" -- -use_counters=0 -verbosity=0
    for seed in "fuzz/seeds/$target"/*; do rm -f "$all/$target/$(sha1sum <"$seed" | cut -d ' ' -f 1)"; done
    rm -rf "fuzz/corpus-min/$target" && cp -r "$all/$target" "fuzz/corpus-min/$target"
    echo "$target: $(find "fuzz/corpus-min/$target" -type f | wc -l) inputs, $(cat "fuzz/corpus-min/$target"/* | wc -c) bytes beside the seeds"
done
