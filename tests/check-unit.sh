#!/bin/sh
# Runs every unit test program of the build folder and counts the cmocka tests in them. Needs no more than a POSIX shell and awk, so
# that it also runs inside a jail. UNIT_WRAPPER: a command put before each program (valgrind). UNIT_TIMEOUT: seconds for each.
set -u
: "${BUILD:?}"
out=$BUILD/tests/unit.log
passed=0 failed=0 skipped=0
CMOCKA_MESSAGE_OUTPUT=STDOUT
export CMOCKA_MESSAGE_OUTPUT

programs=
for source in tests/unit/*/test_*.c; do
  [ -e "$source" ] && programs="$programs $BUILD/${source%.c}"
done

for program in $programs; do
  # shellcheck disable=SC2086
  timeout -k 5 "${UNIT_TIMEOUT:-300}" ${UNIT_WRAPPER:-} "$program" >"$out" 2>&1 </dev/null
  status=$?
  counts=$(awk '
    /^\[  PASSED  \] [0-9]+ test/ { p += $4 }
    /^\[  FAILED  \] [0-9]+ test/ { f += $4 }
    /^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
    END { printf "%d %d %d", p, f, s }' "$out")
  # shellcheck disable=SC2086
  set -- $counts
  if [ "$status" -ne 0 ] && [ "$2" -eq 0 ]; then
    # It crashed, hung or was stopped by a sanitizer before it could count.
    set -- "$1" 1 "$3"
  fi
  if [ "$1" -eq 0 ] && [ "$2" -eq 0 ] && [ "$3" -eq 0 ]; then
    echo "$program: ran no test"
    set -- 0 1 0
  fi
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
  [ "$3" -ne 0 ] && sed -n "s|^\[  SKIPPED \] \([^0-9]\)|${program#"$BUILD"/}: skipped \1|p" "$out" | sort -u
  if [ "$2" -ne 0 ]; then
    echo "--- ${program#"$BUILD"/}: exit status $status"
    grep -v '^\[ RUN  \|^\[       OK' "$out" | tail -n 60
  fi
done
rm -f "$out"
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
