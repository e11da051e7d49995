#!/bin/sh
# Every src/<layer>/<file>.c has tests/unit/<layer>/test_<file>.c, or a line in tests/unit/untested.txt that says what tests it.
set -u
list=tests/unit/untested.txt
bad=0 n=0
for source in src/*/*.c; do
  name=${source#src/}
  case $name in */main.c) continue ;; esac
  n=$((n + 1))
  if [ -e "tests/unit/${name%/*}/test_${name##*/}" ]; then
    if grep -q "^$name " "$list" 2>/dev/null; then
      echo "note: $list: $name has a test now; its line can go"
    fi
  elif ! grep -q "^$name ." "$list" 2>/dev/null; then
    echo "$source has no tests/unit/${name%/*}/test_${name##*/} and no line in $list"
    bad=$((bad + 1))
  fi
done
while read -r name _; do
  case $name in '' | '#'*) continue ;; esac
  [ -e "src/$name" ] || { echo "$list: there is no src/$name"; bad=$((bad + 1)); }
done <"$list"
echo "checked $n sources"
if [ "$bad" -eq 0 ]; then
  echo "tested: 1 passed, 0 failed, 0 skipped"
else
  echo "tested: 0 passed, 1 failed, 0 skipped"
  exit 1
fi
