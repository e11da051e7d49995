#!/bin/sh
# Line coverage of an already run COV=1 build: one line for each file of src/, the total last.
set -u
: "${BUILD:?}"
build=$(cd "$BUILD" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for data in "$build"/obj/*/*.gcno; do
  gcov -n "${data%.gcno}.gcda" 2>/dev/null
done | awk '
/^File / { file = $2; gsub(/\x27/, "", file); next }
/^Lines executed:/ && file ~ /^src\// {
  split($0, part, /[:% ]+/)
  n = $NF; hit = n * part[3] / 100
  if (n > lines[file]) lines[file] = n
  if (hit > hits[file]) hits[file] = hit
  file = ""
}
END {
  for (f in lines) {
    printf "%5.1f %%  %5d  %s\n", 100 * hits[f] / lines[f], lines[f], f
    total += lines[f]; all += hits[f]
  }
  if (total) printf "%5.1f %%  %5d  total\n", 100 * all / total, total
}' | sort -k4
