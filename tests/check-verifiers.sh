#!/bin/sh
# Webhooks against the libraries that receivers use, standardwebhooks and cloudevents, and uploads against s3rver, read back with the SDK of
# AWS: installed from npm into a folder that is removed again. Needs node, npm and a registry that answers, so it is no part of `make check`.
set -u
none() {
  echo "skip: $1"
  echo "verifiers: 0 passed, 0 failed, 1 skipped"
  exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || none "no node or npm (sh contrib/install-deps.sh verifiers)"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp tests/verifiers/package.json tests/verifiers/verify.mjs tests/verifiers/s3.mjs "$folder"
(cd "$folder" && npm install --no-audit --no-fund --ignore-scripts) >"$folder/npm.log" 2>&1 || {
  tail -n 5 "$folder/npm.log"
  none "the registry of npm gives nothing"
}
DAYFLY_VERIFIERS=$folder "${PYTHON:-python3}" tests/run.py tests/verifiers/test_verifiers.py tests/verifiers/test_s3.py
