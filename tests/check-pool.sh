#!/bin/sh
# The promises of the jail once more, kept in jails that were made before their tasks: most tasks must have had one.
set -u
: "${BUILD:?}"
log=$BUILD/tests/pool.log
DAYFLY_TEST_POOL=3 "${PYTHON:-python3}" tests/run.py tests/jail/test_escape.py tests/jail/test_inherit.py tests/jail/test_proc.py \
  tests/jail/test_namespaces.py tests/jail/test_identity.py tests/jail/test_enforced.py >"$log" 2>&1
status=$?
cat "$log"
awk '
/^pool: [0-9]+ hits, [0-9]+ misses$/ { hits += $2; misses += $4 }
/^[0-9]+ passed, / { passed = $1; failed = $3; skipped = $5 }
END {
  printf "tasks in parked jails: %d of %d\n", hits, hits + misses
  if (hits <= misses) { print "most tasks must be hits"; failed++ }
  printf "pool: %d passed, %d failed, %d skipped\n", passed, failed, skipped
  exit failed > 0
}' "$log" || status=1
rm -f "$log"
exit $status
