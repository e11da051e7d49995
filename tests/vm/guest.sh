#!/bin/sh
# Inside the test machine, as root, at the end of its boot: installs dayfly from the payload in /srv/vm and runs the tests. What it
# prints goes out over the serial line; lines that begin with "@@" are for tests/vm/run.py. Exit status 100 asks for a reboot.
set -u
cd /srv/vm/tree || exit 1
# LEGS, WORDS, ROOT_SUITES, PLAIN_SUITES, ROOT_MODES, LEG_SECONDS, DAYFLY_TEST_SECONDS, DAYFLY_TEST_SCALE
# shellcheck source=/dev/null
. /srv/vm/settings
export LC_ALL=C.UTF-8 HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DAYFLY_TEST_SECONDS DAYFLY_TEST_SCALE
out=/srv/vm/out
mkdir -p "$out"
boot=$(($(cat "$out/boots" 2>/dev/null || echo 0) + 1))
echo "$boot" >"$out/boots"

# counts NAME: the last sum in the leg's log, as a line for the host. A leg that was cut off has none: one failure.
counts() {
  sum=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$out/$1.log" | tail -n 1)
  echo "@@ counts $1 ${sum:-0 1 0}"
}

# leg NAME COMMAND...: its output goes to the serial line and to a log of its own.
leg() {
  name=$1
  shift
  case " $LEGS " in *" $name "*) ;; *) return 0 ;; esac
  echo "@@ leg $name"
  "$@" 2>&1 </dev/null | tee "$out/$name.log"
  counts "$name"
}

# A unit of its own for the tests, with a cgroup that is theirs to divide.
unit_options="--wait --pipe --collect --quiet -p Delegate=yes -p TasksMax=infinity -p LimitNOFILE=524288 -p RuntimeMaxSec=$LEG_SECONDS"

as_root() {
  # shellcheck disable=SC2086
  systemd-run $unit_options --unit=vm-root sh /srv/vm/tree/tests/vm/leg.sh "$@"
}

# A command as the plain user, in the session that lingers.
plainly() {
  runtime=/run/user/$(id -u plain)
  runuser -u plain -- env -i PATH="$PATH" HOME=/home/plain USER=plain LC_ALL="$LC_ALL" XDG_RUNTIME_DIR="$runtime" \
    DBUS_SESSION_BUS_ADDRESS="unix:path=$runtime/bus" "$@"
}

as_plain() {
  # shellcheck disable=SC2086
  plainly systemd-run --user $unit_options --unit=vm-plain sh /srv/vm/tree/tests/vm/leg.sh "$@"
}

install_dayfly() {
  make="make"
  if [ ! -x build/release/dayflyd ]; then
    make -j"$(nproc)" all build/release/tests/probe build/release/tests/fault/dayfly-warden || return 1
  else
    make="make -o all"
  fi
  $make install >"$out/install.log" || return 1
  # What a package would do.
  systemd-sysusers && systemd-tmpfiles --create || return 1
  systemctl daemon-reload
  # The tests take the programs from where they were installed.
  mkdir -p /srv/vm/installed
  ln -sf /usr/local/bin/dayfly /usr/local/sbin/dayflyd /usr/local/libexec/dayfly/dayfly-* "$PWD/build/release/tests" \
    /srv/vm/installed/
}

# What is there of the suites asked for.
suites() {
  for suite; do
    for file in tests/"$suite"/test_*.py tests/*/test_"$suite".py; do
      [ -e "$file" ] && echo "$suite" && break
    done
  done
}

# What an administrator would do: the socket if there is one, for both service managers.
enable_units() {
  for unit in dayflyd.socket dayflyd.service; do
    if systemctl cat "$unit" >/dev/null 2>&1; then systemctl enable "$unit" && break; fi
  done
  for unit in dayflyd.socket dayflyd.service; do
    if plainly systemctl --user cat "$unit" >/dev/null 2>&1; then plainly systemctl --user enable "$unit" && break; fi
  done
}

collect() {
  journalctl --no-pager -o short-monotonic >"$out/journal.txt" 2>&1
  tar -c -f /dev/vdc -C "$out" .
}

# For the tests of swap limits.
if fallocate -l 512M /srv/swap && chmod 600 /srv/swap && mkswap -q /srv/swap; then swapon /srv/swap; fi

echo "@@ begin boot=$boot kernel=$(uname -r) systemd=$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p') up=$(cut -d. -f1 /proc/uptime)"
if [ "$boot" = 1 ]; then
  if ! install_dayfly; then
    echo "@@ counts install 0 1 0"
    collect
    echo "@@ end"
    exit 1
  fi
  if [ -e /srv/vm/script ]; then
    sh /srv/vm/script 2>&1
    collect
    echo "@@ end"
    exit 0
  fi
  # shellcheck disable=SC2046,SC2086
  leg root as_root $ROOT_MODES $(suites $ROOT_SUITES)
  # shellcheck disable=SC2046,SC2086
  leg plain as_plain $(suites $PLAIN_SUITES)
  # shellcheck disable=SC2086
  leg service python3 tests/run.py $WORDS vm
  case " $LEGS " in *" reboot "*)
    enable_units
    echo "@@ reboot"
    exit 100
    ;;
  esac
else
  # shellcheck disable=SC2086
  leg reboot python3 tests/run.py $WORDS tests/vm/reboot/test_*.py
fi
collect
echo "@@ end"
