#!/usr/bin/env python3
"""Runs the jail and system tests: each file in a process of its own with a time limit, each test in every mode that this user can have.

    tests/run.py [jail] [system] [FILE...] [-k WORDS] [--mode rootless|root] [--list] [-x] [-v]
"""
import argparse
import glob
import json
import os
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
sys.dont_write_bytecode = True


class Lines(unittest.TestResult):
    """One line per test, and the sums."""

    def __init__(self, verbose):
        super().__init__()
        self.verbose = verbose
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.started = 0
        self.is_done = False

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.is_done = False

    def line(self, word, test, note=""):
        if self.is_done and word == "ok":
            return
        self.counts[{"ok": "passed", "FAIL": "failed", "skip": "skipped"}[word]] += 1
        mode = getattr(test, "mode", None) or "-"
        name = getattr(test, "_testMethodName", None) or str(test)
        print("%-4s %-8s %s (%.2f s)%s" % (word, mode, name, time.monotonic() - self.started, note), flush=True)
        self.is_done = True

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line("ok", test)

    def trouble(self, test, err):
        if self.is_done:
            # A second fault of the same test (its leak check): told, but one failure.
            print(self._exc_info_to_string(err, test), flush=True)
            return
        self.line("FAIL", test)
        print(self._exc_info_to_string(err, test), flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.trouble(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        if not self.started:
            self.started = time.monotonic()
        if not hasattr(test, "_testMethodName"):
            self.is_done = False  # setUpClass or tearDownClass
        self.trouble(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.trouble(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("skip", test, ": " + reason)


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load(path, options):
    sys.path.insert(0, os.path.dirname(path))
    loader = unittest.TestLoader()
    module = __import__(os.path.splitext(os.path.basename(path))[0])
    tests = list(flatten(loader.loadTestsFromModule(module)))
    if loader.errors:
        raise SystemExit("\n".join(loader.errors))

    def wanted(test):
        name = "%s.%s" % (type(test).__name__, test._testMethodName)
        return all(word in name for word in options.k) and options.mode in (None, getattr(test, "mode", None))

    return [t for t in tests if wanted(t)]


def run_file(path, options):
    """In the file's own process: runs its tests, then writes the counts to descriptor options.report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that temporary folders go
    tests = load(path, options)
    result = Lines(options.verbose)
    result.failfast = options.x
    if options.list:
        for test in tests:
            print("%-8s %s" % (getattr(test, "mode", None) or "-", test._testMethodName))
    else:
        unittest.TestSuite(tests).run(result)
    with os.fdopen(options.report, "w") as report:
        json.dump(result.counts, report)
    return 1 if result.counts["failed"] else 0


def spawn_file(path, options):
    """Runs one file; returns its counts. A file that ends badly or hangs is one failure more."""
    read_fd, write_fd = os.pipe()
    command = [sys.executable, os.path.abspath(__file__), "--file", path, "--report", str(write_fd)]
    for word in options.k:
        command += ["-k", word]
    command += ["--mode", options.mode] if options.mode else []
    command += [flag for flag, on in (("--list", options.list), ("-x", options.x), ("-v", options.verbose)) if on]
    process = subprocess.Popen(command, pass_fds=(write_fd,), start_new_session=True)
    os.close(write_fd)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        status = process.wait(timeout=options.time_limit)
    except subprocess.TimeoutExpired:
        status = "over %d s" % options.time_limit
    except KeyboardInterrupt:
        end_group(process)
        raise
    end_group(process)
    with os.fdopen(read_fd) as report:
        text = report.read()
    if text:
        counts = json.loads(text)
    if not text or (status != 0 and not counts["failed"]):
        print("FAIL -        %s: ended with %s" % (os.path.relpath(path, HERE), status), flush=True)
        counts["failed"] += 1
    return counts


def end_group(process):
    """The file's process and whatever it has left in its session."""
    for signo, wait in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
        try:
            os.killpg(process.pid, signo)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def find_files(names):
    files = []
    for name in names or ["jail", "system"]:
        if os.path.isdir(os.path.join(HERE, name)):
            files += sorted(glob.glob(os.path.join(HERE, name, "test_*.py")))
        elif os.path.exists(name):
            files.append(os.path.abspath(name))
        else:
            found = sorted(glob.glob(os.path.join(HERE, "*", "test_%s.py" % name)))
            if not found:
                raise SystemExit("run.py: there is no suite or file %s" % name)
            files += found
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="jail, system, a file, or the x of test_x.py")
    parser.add_argument("-k", action="append", default=[], help="only tests with this in their name; several: all of them")
    parser.add_argument("--mode", choices=("rootless", "root"), help="only this mode")
    parser.add_argument("--list", action="store_true", help="print the tests, run none")
    parser.add_argument("-x", action="store_true", help="stop a file at its first failure")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--time-limit", type=int, default=int(os.environ.get("DAYFLY_TEST_SECONDS", "300")),
                        help="seconds for one file (default 300)")
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        return run_file(options.file, options)
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for path in find_files(options.names):
        print("-- %s" % os.path.relpath(path, HERE), flush=True)
        for word, n in spawn_file(path, options).items():
            total[word] += n
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % total)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
