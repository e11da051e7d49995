#!/bin/sh
# From a clean copy of the sources to a first task: installs what the build needs, builds, runs one task and says what happened.
# As root or as a plain user. Nothing is installed but the build's libraries; dayfly itself stays in the build folder.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }

sh contrib/install-deps.sh build

build=${BUILD:-build/release}
log=$(mktemp)
demo=$(mktemp -d)
trap 'rm -rf "$log" "$demo"' EXIT
trap 'exit 130' INT TERM
say "building ..."
if ! make -j"$(nproc 2>/dev/null || echo 1)" BUILD="$build" all >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  say "quickstart: the build failed; the compiler's words stand above" >&2
  exit 1
fi

cat >"$demo/notes.txt" <<'TEXT'
milk, bread
TEXT
cat >"$demo/task.sh" <<'TASK'
echo "I am user $(id -un), and I see $(ls -d /proc/[0-9]* | wc -l) processes."
echo "eggs" >>notes.txt
echo "notes.txt now has $(wc -l <notes.txt) lines; in /tmp I see $(ls -A /tmp | wc -l) files."
sleep 1000 &
echo "I leave a process behind. Bye."
TASK

say "The first task: a small script in a folder of its own, $demo."
say
say "  \$ $build/dayfly run --workspace $demo:cow -- sh task.sh"
set +e
"$build/dayfly" run --workspace "$demo:cow" -- sh task.sh >"$log" 2>&1
status=$?
set -e
sed 's/^/  | /' "$log"
say
if [ "$status" -ne 0 ]; then
  say "The build is complete, but this host did not let the task run (exit status $status; the reason stands above)."
  say "What this host can and cannot do:  $build/dayfly doctor"
  [ "$(id -u)" = 0 ] || say "Run as root, dayfly does not depend on unprivileged user namespaces:  sudo sh contrib/quickstart.sh"
  exit 1
fi
say "What happened: the task ran in a jail made for it alone, with its own processes, network, /tmp and a copy-on-write"
say "view of the folder. Out here notes.txt still has $(wc -l <"$demo/notes.txt" | tr -d ' ') line, and the process it left behind died with the jail."
say
say "Next:"
say "  $build/dayfly run --workspace .:cow -- make -j2      build this project inside a jail"
say "  $build/dayfly run -i -t -- bash                      look around inside one"
say "  $build/dayfly doctor                                 what this host can enforce"
say "  sudo make install && make check                     install it; run every test"
