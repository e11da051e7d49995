#!/bin/sh
# Runs every fuzz target over its saved corpus, tests/fuzz/corpus/<name>/. One target is one test; a target without a corpus fails.
set -u
: "${BUILD:?}"
passed=0 failed=0
for source in tests/fuzz/fuzz_*.c; do
  [ -e "$source" ] || continue
  name=${source#tests/fuzz/fuzz_} name=${name%.c}
  corpus=tests/fuzz/corpus/$name
  if [ -z "$(ls -A "$corpus" 2>/dev/null)" ]; then
    echo "fuzz_$name: no corpus in $corpus"
    failed=$((failed + 1))
    continue
  fi
  if out=$(timeout -k 5 300 "$BUILD/tests/fuzz/fuzz_$name" "$corpus"/* 2>&1 </dev/null); then
    passed=$((passed + 1))
  else
    echo "--- fuzz_$name: exit status $?"
    printf '%s\n' "$out" | tail -n 40
    failed=$((failed + 1))
  fi
done
echo "fuzz: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
