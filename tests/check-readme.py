#!/usr/bin/env python3
"""Every command that README.md shows under "Using it" is run as it stands, and the quick start with it.

A line whose comment begins with a number and a colon ("# 124: ...") must print that number last; every other must end with 0. The
daemon is the one that `dayfly run` starts by itself, in a runtime directory of this test's own.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build/release"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
TIMEOUT = 120
BUILD_TIMEOUT = 900


def examples():
    text = (ROOT / "README.md").read_text()
    section = re.search(r"^## Using it\n(.*?)^## ", text, re.S | re.M).group(1)
    for block in re.findall(r"^```sh\n(.*?)^```", section, re.S | re.M):
        yield from (line for line in block.splitlines() if line.strip())


def run(command, cwd, env, text=None, timeout=TIMEOUT):
    return subprocess.run(command, cwd=cwd, env=env, text=True, input=text, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def run_example(line, cwd, env):
    command, _, comment = line.partition("  #")
    wanted = re.match(r"\s*(\d+):", comment)
    if re.search(r"(?<=\s)-t\b", command):
        out = run(["script", "-qec", command, "/dev/null"], cwd, env, "exit\n")
    else:
        out = run(["bash", "-c", command], cwd, env, "")
    printed = out.stdout.strip().splitlines()
    good = out.returncode == 0 and (not wanted or (printed and printed[-1] == wanted.group(1)))
    if not good:
        print(f"README.md: {command.strip()}\n  exit status {out.returncode}, printed:\n  " + "\n  ".join(printed[-10:]))
    return good


def run_quickstart(env):
    # What make adds to the flags for the checks is no wish of a user's: with it everything would be built anew.
    env = {k: v for k, v in dict(env, BUILD=str(BUILD)).items() if k != "CPPFLAGS"}
    out = run(["sh", str(ROOT / "contrib/quickstart.sh")], ROOT, env, "", BUILD_TIMEOUT)
    good = out.returncode == 0 and "still has 1 line" in out.stdout and "now has 2 lines" in out.stdout
    if not good:
        print(f"contrib/quickstart.sh: exit status {out.returncode}, printed:\n{out.stdout[-3000:]}")
    return good


def stop_daemon(env, cwd):
    """Ends the daemon that the first command started; it would leave by itself after a minute."""
    out = run(["dayfly", "info", "--json", "--no-autostart"], cwd, env, "")
    try:
        pid = int(json.loads(out.stdout)["pid"])
    except (ValueError, KeyError, TypeError):
        return
    if pid <= 1:
        return
    os.kill(pid, signal.SIGTERM)
    for _ in range(100):
        if not os.path.exists(f"/proc/{pid}"):
            return
        time.sleep(0.05)


def main():
    passed = failed = 0
    home = tempfile.mkdtemp(prefix="dayfly-readme-")
    try:
        runtime = pathlib.Path(home, "run")
        runtime.mkdir(mode=0o700)
        project = pathlib.Path(home, "project")
        project.mkdir()
        (project / "Makefile").write_text("all:\n\techo built >out\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith("DAYFLY")}
        env.update(PATH=f"{BUILD}:{env['PATH']}", XDG_RUNTIME_DIR=str(runtime))
        out = run(["dayfly", "run", "--", "true"], project, env, "")
        if out.returncode == 125:
            print(f"skip: no task can run here: {out.stdout.strip()}")
            print("readme: 0 passed, 0 failed, 1 skipped")
            return 0
        try:
            results = [run_example(line, project, env) for line in examples()] + [run_quickstart(env)]
        finally:
            stop_daemon(env, project)
        if (project / "out").exists():
            print("README.md: the cow workspace was changed outside")
            results.append(False)
        passed, failed = results.count(True), results.count(False)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"readme: {passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
