#!/usr/bin/env python3
"""How long `dayfly run -- /bin/true` takes as a whole process, beside bwrap and a plain process, measured in turn in one run.

    tests/bench/true.py [--runs N] [--mode rootless|root]

The build folder is $DAYFLY_BUILD, else build/release. bwrap gets all namespaces and a read-only bind of /, which is less than a jail.
"""
import argparse
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from dayfly_test import IS_ROOT, Daemon, Stage  # noqa: E402


def measure(argv, kwargs):
    start = time.monotonic()
    code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **kwargs)
    if code.returncode != 0:
        sys.exit("%s: %s" % (argv[0], code.stderr.decode("utf-8", "replace")))
    return (time.monotonic() - start) * 1000


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--mode", choices=("rootless", "root"), default="root" if IS_ROOT else "rootless")
    options = parser.parse_args()
    stage = Stage.get()
    daemon = Daemon(stage, options.mode, (), {})
    daemon.start()
    try:
        with stage.as_process() as kwargs:
            commands = {
                "process": (["/bin/true"], dict(kwargs)),
                "dayfly run": ([os.path.join(stage.bin, "dayfly"), "run", "--", "/bin/true"], dict(kwargs, env=daemon.client_env())),
            }
            if shutil.which("bwrap"):
                commands["bwrap"] = (["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
                                      "/bin/true"], dict(kwargs))
            times = {name: [] for name in commands}
            for i in range(options.runs + 10):
                for name, (argv, more) in commands.items():
                    taken = measure(argv, more)
                    if i >= 10:
                        times[name].append(taken)
    finally:
        daemon.stop()
    print("%s mode, %d runs of each in turn" % (options.mode, options.runs))
    for name, values in times.items():
        print("%-12s p50 %6.2f ms   p99 %6.2f ms" % (name, percentile(values, 0.5), percentile(values, 0.99)))
    if "bwrap" in times:
        ours, theirs = times["dayfly run"], times["bwrap"]
        print("dayfly run / bwrap: p50 %.2f   p99 %.2f" % (
            percentile(ours, 0.5) / percentile(theirs, 0.5), percentile(ours, 0.99) / percentile(theirs, 0.99)))


if __name__ == "__main__":
    main()
