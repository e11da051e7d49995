#!/bin/sh
# The code is laid out as clang-format would lay it out. Versions differ, so this is a tool for authors and no part of `make check`.
set -u
if ! command -v clang-format >/dev/null 2>&1; then
  echo "skip: no clang-format"
  echo "format: 0 passed, 0 failed, 1 skipped"
  exit 0
fi
bad=0
for file in $(git ls-files "*.c" "*.h"); do
  [ -e "$file" ] || continue
  clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || { echo "$file: run make format"; bad=$((bad + 1)); }
done
if [ "$bad" -eq 0 ]; then
  echo "format: 1 passed, 0 failed, 0 skipped"
else
  echo "format: 0 passed, 1 failed, 0 skipped"
  exit 1
fi
