#!/usr/bin/env python3
"""What the size of a workspace costs: tasks on a copy-on-write tree of many files beside those on an empty one, by turns.

    tests/bench/files.py [--files N] [--tasks N] [--build DIR]

Prints the medians and their ratio: of the whole task as its client sees it, and of the making of its jail. The daemon is a private one,
of the caller.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
sys.dont_write_bytecode = True

from dayfly_client import Client  # noqa: E402

PER_FOLDER = 100


def make_tree(path, n):
    os.mkdir(path)
    for i in range(n):
        folder = os.path.join(path, str(i // PER_FOLDER // 10), str(i // PER_FOLDER))
        if i % PER_FOLDER == 0:
            os.makedirs(folder)
        with open(os.path.join(folder, str(i)), "w") as f:
            f.write("x")
    return path


def run_task(client, path):
    start = time.monotonic()
    result = client.run({"argv": ["true"], "workspace": {"path": path, "mode": "cow", "target": "/w"}}, timeout=60)[1]
    if result["outcome"] != "ok":
        raise SystemExit("a task failed: %s" % result)
    return (time.monotonic() - start) * 1e6, result["time"]["setup"]


def measure(client, trees, n):
    rows = {name: [] for name in trees}
    for i in range(n + 5):
        for name, path in trees.items():
            row = run_task(client, path)
            if i >= 5:
                rows[name].append(row)
    for k, what in enumerate(("whole task", "making its jail")):
        median = {name: statistics.median(row[k] for row in rows[name]) for name in trees}
        print("%-16s empty %8.0f us   %s files %8.0f us   ratio %.2f" % (what, median["0"], max(trees, key=int), median[max(trees, key=int)],
                                                                     median[max(trees, key=int)] / median["0"]))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=100000)
    options.add_argument("--tasks", type=int, default=200)
    options.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    o = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="dayfly-files-") as place:
        trees = {str(n): make_tree(os.path.join(place, "tree-%d" % n), n) for n in (0, o.files)}
        path = os.path.join(place, "socket")
        daemon = subprocess.Popen([os.path.join(o.build, "dayflyd"), "--socket", path, "--log-level", "error"])
        try:
            deadline = time.monotonic() + 30
            while not os.path.exists(path) and time.monotonic() < deadline:
                time.sleep(0.05)
            client = Client(path, timeout=30)
            measure(client, trees, o.tasks)
            client.close()
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
