"""Makes the table of coverage.md out of llvm-cov's export, and names every branch that was never taken.

Code of unit tests, which stands in the same files behind `#[cfg(test)]`, is left out: it would flatter the figures.
"""

import json
import pathlib
import sys

LEFT_OUT = ("fuzzing", "testing.rs", "tests.rs", "guarantees.rs")


def code_lines(path):
    """How many lines of a file come before its unit tests."""
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if line == "#[cfg(test)]" and any(next_line.startswith("mod ") for next_line in lines[number + 1 : number + 3]):
            return number
    return len(lines)


def summed(rows, key, counts):
    """One entry for each place, since a generic function is counted once for each type."""
    places = {}
    for row in rows:
        place = tuple(row[:key])
        places[place] = [a + b for a, b in zip(places.get(place, [0] * len(counts)), (row[at] for at in counts))]
    return places


def main():
    export = json.load(open(sys.argv[1]))["data"][0]
    root = pathlib.Path("sc-core/src").resolve()
    regions_of = {}
    for function in export["functions"]:
        for region in function["regions"]:
            if region[7] == 0:  # code, not a gap or a branch
                regions_of.setdefault(function["filenames"][region[5]], []).append(region)
    table, missed_branches, missed_regions = [], [], []
    for file in sorted(export["files"], key=lambda file: file["filename"]):
        path = pathlib.Path(file["filename"])
        name = str(path.relative_to(root))
        if name.startswith(LEFT_OUT) or name.endswith(LEFT_OUT):
            continue
        end = code_lines(path)
        regions = {p: c[0] for p, c in summed(regions_of.get(file["filename"], []), 4, [4]).items() if p[2] <= end}
        branches = {p: c for p, c in summed(file["branches"], 4, [4, 5]).items() if p[2] <= end}
        lines = {}
        for (first, _, last, _), count in sorted(regions.items(), key=lambda item: item[0][2] - item[0][0], reverse=True):
            # Smaller regions lie within larger ones and come later.
            for line in range(first, last + 1):
                lines.setdefault(line, []).append((first, last, count))
        reached = 0
        for spans in lines.values():
            # A line counts by the smallest regions that begin on it, else by the one around it.
            reached += max(count for first, last, count in spans if last - first == min(b - a for a, b, _ in spans)) > 0
        outcomes = [(place, way, count) for place, both in branches.items() for way, count in zip((True, False), both)]
        table.append((name, reached, len(lines), sum(count > 0 for count in regions.values()), len(regions),
                      sum(count > 0 for _, _, count in outcomes), len(outcomes)))
        text = path.read_text().splitlines()
        for place, way, count in outcomes:
            if count == 0:
                shown = text[place[0] - 1][place[1] - 1 : place[3] - 1] if place[0] == place[2] else text[place[0] - 1].strip()
                missed_branches.append(f"{name}:{place[0]}: never {str(way).lower()}: {shown}")
        missed_regions += [f"{name}:{p[0]}:{p[1]}: never run: {text[p[0] - 1].strip()}" for p, c in regions.items() if c == 0]
    table.append(("all", *(sum(column) for column in list(zip(*table))[1:])))
    print("| file | lines | regions | branches |\n|---|---|---|---|")
    for name, *numbers in table:
        cells = [f"{a}/{b}" + (f" ({100 * a / b:.1f} %)" if name == "all" else "") for a, b in zip(numbers[::2], numbers[1::2])]
        print(f"| {name} | {' | '.join(cells)} |")
    print("\nBranches that no test takes:", *sorted(missed_branches), sep="\n")
    print("\nRegions that no test enters:", *sorted(missed_regions), sep="\n")


main()
