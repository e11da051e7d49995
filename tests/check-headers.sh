#!/bin/sh
# Each header compiles alone: an internal one as the sources are compiled, a public one as strict C99 without our flags, and as C++
# where there is a C++ compiler.
set -u
: "${BUILD:?}"
CC=${CC:-cc}
mkdir -p "$BUILD/tests"
unit=$BUILD/tests/header.c
bad=0 n=0
try() {
  what=$1
  shift
  if ! "$@" -fsyntax-only "$unit" 2>"$BUILD/tests/header.log"; then
    echo "$what does not compile alone:"
    head -n 12 "$BUILD/tests/header.log"
    bad=$((bad + 1))
  fi
  n=$((n + 1))
}
for header in src/*/*.h; do
  printf '#include "%s"\n#include "%s"\n' "${header#src/}" "${header#src/}" >"$unit"
  eval "try '$header' $CC $CPPFLAGS -std=gnu17 -Wall -Wextra -Wno-unused-parameter -Werror"
done
for header in include/dayfly/*.h; do
  [ -e "$header" ] || continue
  printf '#include <%s>\nint used(void);\nint used(void) { return 0; }\n' "${header#include/}" >"$unit"
  # shellcheck disable=SC2086
  try "$header" $CC -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude
  if command -v c++ >/dev/null 2>&1; then
    try "$header (C++)" c++ -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -Iinclude
  fi
done
rm -f "$unit" "$BUILD/tests/header.log"
echo "checked $n headers"
if [ "$bad" -eq 0 ]; then
  echo "headers: 1 passed, 0 failed, 0 skipped"
else
  echo "headers: 0 passed, 1 failed, 0 skipped"
  exit 1
fi
