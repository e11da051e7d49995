#!/bin/sh
# Runs suites inside a unit with a delegated cgroup: leg.sh SUITE...
# The runner goes to a leaf, so that the cgroup above it, which DAYFLY_TEST_CGROUP names, holds no process and can be divided.
set -u
cd /srv/vm/tree || exit 1
# shellcheck source=/dev/null
. /srv/vm/settings
DAYFLY_TEST_CGROUP=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
if ! mkdir "$DAYFLY_TEST_CGROUP/runner" || ! echo $$ >"$DAYFLY_TEST_CGROUP/runner/cgroup.procs"; then
  echo "no cgroup was delegated to the tests"
  exit 1
fi
for controller in $(cat "$DAYFLY_TEST_CGROUP/cgroup.controllers"); do
  echo "+$controller" >"$DAYFLY_TEST_CGROUP/cgroup.subtree_control"
done
echo "delegated to the tests: $(cat "$DAYFLY_TEST_CGROUP/cgroup.subtree_control")"
DAYFLY_BUILD=/srv/vm/installed PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export DAYFLY_TEST_CGROUP DAYFLY_BUILD DAYFLY_TEST_SECONDS DAYFLY_TEST_SCALE PATH LC_ALL
# shellcheck disable=SC2086
exec python3 tests/run.py $WORDS "$@"
