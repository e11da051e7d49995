#!/bin/sh
# Runs the named checks one after the other, each to its end, and prints one line with the sum of their counts. Every check prints a
# line "N passed, N failed, N skipped" (a word with a colon may stand before it); the last such line of its output is its count.
# RUN_ARGS: more arguments of tests/run.py. A check that fails without counting a failure, or prints no such line, counts as one failure.
set -u
: "${BUILD:?}"
mkdir -p "$BUILD/tests"
log=$BUILD/tests/check.log
status_file=$BUILD/tests/check.status
passed=0 failed=0 skipped=0 bad=

for check in "$@"; do
  echo "== $check"
  case $check in
  # shellcheck disable=SC2086
  jail | system) set -- "${PYTHON:-python3}" tests/run.py --jobs 0 ${RUN_ARGS:-} "$check" ;;
  *) if [ -e "tests/check-$check.py" ]; then
      set -- "${PYTHON:-python3}" "tests/check-$check.py"
    else
      set -- sh "tests/check-$check.sh"
    fi ;;
  esac
  {
    "$@" 2>&1 </dev/null
    echo $? >"$status_file"
  } | tee "$log"
  status=$(cat "$status_file")
  counts=$(sed -n 's/^\([a-z]*: \)\{0,1\}\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\2 \3 \5/p' "$log" | tail -n 1)
  # shellcheck disable=SC2086
  set -- ${counts:-0 0 0}
  f=$2
  if [ "$f" -eq 0 ] && { [ "$status" -ne 0 ] || [ -z "$counts" ]; }; then
    f=1
    echo "$check: ended with status $status and without a count of failures"
  fi
  [ "$f" -ne 0 ] && bad="$bad $check"
  passed=$((passed + $1)) failed=$((failed + f)) skipped=$((skipped + ${3:-0}))
done
rm -f "$log" "$status_file"
[ -n "$bad" ] && echo "failed in:$bad"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
