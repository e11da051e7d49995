#!/bin/sh
# From a clean copy of the sources to a first task: installs what the build needs, builds, runs one task and says what happened.
# As root or as a plain user. Nothing is installed but the build's libraries; dayfly itself stays in the build folder.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }

sh contrib/install-deps.sh build

build=${BUILD:-build/release}
mkdir -p "$build"
log=$(mktemp)
demo=$(mktemp -d "$(cd "$build" && pwd)/first-task.XXXXXX")
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
echo "I am user $(id -un) on host $(uname -n). The network devices that I see: $(sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' /proc/net/dev)."
echo "eggs" >>notes.txt
echo "notes.txt now has $(wc -l <notes.txt) lines."
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
say "What happened: the task ran in a jail made for it alone, with its own processes, users, network and /tmp, and saw the"
say "folder through a copy-on-write view (:cow). Out here notes.txt still has $(wc -l <"$demo/notes.txt" | tr -d ' ') line. The process that it left"
say "behind, its files and the jail itself were gone when the command returned."
say
say "Next:"
next() { printf '  %-52s %s\n' "$1" "$2"; }
next "$build/dayfly run -i -t -- bash" "look around inside a jail"
next "$build/dayfly run --workspace .:cow -- make" "build this project inside one"
next "$build/dayfly doctor" "what this host can enforce"
next "sh contrib/install-deps.sh all && make check" "run every test"
next "sudo make install" "install it under /usr/local"
