#!/bin/sh
# What each program links, read from its dynamic section. The warden holds the privileges: libseccomp and libc, nothing else. The
# command line's start-up time is part of every task: libc and libjansson. libdayfly shows the public names only.
set -u
: "${BUILD:?}"
passed=0 failed=0 skipped=0
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(lib[a-z0-9_+-]*\)\.so.*/\1/p'; }
check() {
  program=$1
  shift
  [ -e "$BUILD/$program" ] || { echo "$program is not built"; failed=$((failed + 1)); return; }
  list=$(needed "$BUILD/$program")
  for library in $list; do
    case " libc libgcc_s libasan libubsan libtsan ld-linux-x86-64 libm libpthread libdl librt $* " in
    *" $library "*) ;;
    *)
      echo "$program must not need $library"
      failed=$((failed + 1))
      return
      ;;
    esac
  done
  passed=$((passed + 1))
}
if command -v readelf >/dev/null 2>&1; then
  check dayfly-warden libseccomp
  # Static where it can be: then nothing.
  check dayfly-unpack libarchive
  check dayfly libjansson
  check dayflyd libuv libjansson libinih libsqlite3 libnettle libsystemd
  check libdayfly.so libjansson
  names=$(nm -D --defined-only "$BUILD/libdayfly.so" 2>/dev/null | awk '$2 != "A" { print $3 }' |
    grep -v '^dayfly_\|^__asan\|^__ubsan\|^_init$\|^_fini$')
  if [ -n "$names" ]; then
    echo "libdayfly.so shows names that are not public:" $names
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
  # And all of those: what the header declares can be linked.
  missing=
  for name in $(sed -n 's/^DAYFLY_API .*[ *]\(dayfly_[a-z0-9_]*\)(.*/\1/p' include/dayfly/client.h); do
    nm -D --defined-only "$BUILD/libdayfly.so" | grep -q " $name\(@\|\$\)" || missing="$missing $name"
  done
  if [ -n "$missing" ]; then
    echo "libdayfly.so lacks functions of its header:$missing"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
else
  echo "skip: no readelf (package binutils)"
  skipped=1
fi
echo "needed: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
