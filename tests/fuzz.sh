#!/bin/sh
# Runs each fuzz target under libFuzzer for FUZZ_SECONDS, starting from the saved corpus. New inputs stay in the build folder; an
# input that breaks a target is printed by libFuzzer and kept beside them.
set -u
: "${BUILD:?}"
if ! command -v "${CLANG:-clang}" >/dev/null 2>&1; then
  echo "fuzz: there is no clang; the saved corpus runs without it: make check-fuzz" >&2
  exit 1
fi
out=$BUILD/libfuzzer
mkdir -p "$out"
sources=
for layer in $FUZZ_LAYERS; do
  for source in src/"$layer"/*.c; do
    case $source in */main.c | */\*.c) ;; *) sources="$sources $source" ;; esac
  done
done
bad=0
for target in tests/fuzz/fuzz_*.c; do
  name=${target#tests/fuzz/fuzz_} name=${name%.c}
  echo "== $name"
  eval "${CLANG:-clang} $CPPFLAGS -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -Itests -o '$out/$name' $target $sources $LIBS" || exit 1
  mkdir -p "$out/$name.corpus"
  "$out/$name" -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 -artifact_prefix="$out/$name-" \
    "$out/$name.corpus" "tests/fuzz/corpus/$name" || bad=1
done
exit $bad
