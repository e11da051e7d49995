#!/bin/sh
# `make install` into an empty folder puts every file where it belongs, the installed command line runs from there, a program builds
# against the installed library, systemd finds no fault in the units, and `make uninstall` leaves no file behind.
set -u
: "${BUILD:?}"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() {
  echo "$1"
  [ -e "$root/log" ] && tail -n 20 "$root/log"
  echo "install: 0 passed, 1 failed, 0 skipped"
  exit 1
}
tree=$root/tree
# MAKEFLAGS of the calling make (its job server, its -s) are not for this one; the variables that chose the build are.
run_make() { ${MAKE:-make} BUILD="$BUILD" CC="${CC:-cc}" DESTDIR="$tree" PREFIX=/opt/dayfly "$@" >"$root/log" 2>&1; }
# The build folder was made for another PREFIX, so the programs are copied as they are, not built again.
run_make -o all install || fail "make install failed"
for file in bin/dayfly sbin/dayflyd libexec/dayfly/dayfly-warden libexec/dayfly/dayfly-unpack lib/libdayfly.a lib/libdayfly.so lib/pkgconfig/libdayfly.pc \
  include/dayfly/client.h share/doc/dayfly/README.md lib/systemd/system/dayflyd.socket lib/systemd/system/dayflyd.service \
  lib/systemd/user/dayflyd.socket lib/systemd/user/dayflyd.service lib/sysusers.d/dayfly.conf lib/tmpfiles.d/dayfly.conf \
  share/man/man1/dayfly.1 share/man/man8/dayflyd.8 share/man/man5/dayflyd.conf.5 share/bash-completion/completions/dayfly \
  share/zsh/site-functions/_dayfly share/fish/vendor_completions.d/dayfly.fish; do
  [ -e "$tree/opt/dayfly/$file" ] || fail "not installed: $file"
done
# A link in an installed page leads to an installed page or picture.
doc=$tree/opt/dayfly/share/doc/dayfly
for page in "$doc"/*.md "$doc"/docs/*.md; do
  for link in $(grep -o '](\.*[a-zA-Z/._-]*\.\(md\|svg\|conf\)[)#]' "$page" | tr -d '()#]' | sort -u); do
    [ -e "${page%/*}/$link" ] || fail "${page#"$doc/"} links to $link, which is not installed"
  done
done
profile=$tree/opt/dayfly/share/doc/dayfly/apparmor/dayfly
grep -q '^profile dayfly-warden "/opt/dayfly/libexec/dayfly/dayfly-warden" ' "$profile" || fail "the AppArmor profile is not for the installed path"
"$tree/opt/dayfly/bin/dayfly" version >"$root/log" 2>&1 || fail "the installed dayfly does not run"
PKG_CONFIG_PATH=$tree/opt/dayfly/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tree
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
flags=$(${PKG_CONFIG:-pkg-config} --cflags --libs libdayfly 2>"$root/log") || fail "pkg-config does not find libdayfly"
for example in contrib/examples/*.c; do
  # shellcheck disable=SC2086
  ${CC:-cc} -std=c99 -D_POSIX_C_SOURCE=200809L -o "$root/example" "$example" $flags ${SAN:+-fsanitize=$SAN} >"$root/log" 2>&1 ||
    fail "$example does not build against the installed library"
done
# The units as they would be if / were the tree; without systemd on this machine only their being there is checked.
if command -v systemd-analyze >/dev/null 2>&1; then
  for manager in system user; do
    mkdir -p "$root/units/$manager"
    for unit in dayflyd.socket dayflyd.service; do
      sed "s|/opt/dayfly|$tree/opt/dayfly|" "$tree/opt/dayfly/lib/systemd/$manager/$unit" >"$root/units/$manager/$unit"
    done
    XDG_RUNTIME_DIR=$root systemd-analyze "--$manager" verify --man=no "$root/units/$manager/dayflyd.socket" \
      "$root/units/$manager/dayflyd.service" >"$root/log" 2>&1 || fail "systemd finds a fault in the units of the $manager manager"
    [ -s "$root/log" ] && fail "systemd has something to say about the units of the $manager manager"
  done
fi
run_make uninstall || fail "make uninstall failed"
rest=$(find "$tree" ! -type d)
[ -z "$rest" ] || fail "left behind: $rest"
echo "install: 1 passed, 0 failed, 0 skipped"
