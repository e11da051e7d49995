#!/usr/bin/env python3
"""Runs the jail and system tests: each file in a process of its own with a time limit, each test in every mode that this user can have.

    tests/run.py [jail] [system] [FILE...] [-k WORDS] [--mode rootless|root] [--ids] [--jobs N] [--list] [-x] [-v]

With --jobs, as root, so many files run at a time, each in a lane: in namespaces of its own (mounts, processes, network, IPC), where it
sees no process, mount or socket of another file. Those of ALONE run afterwards, one after the other and on the machine itself.
"""
import argparse
import glob
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
sys.dont_write_bytecode = True

from dayfly_client import SCALE  # noqa: E402
from dayfly_host import GROUP, USER  # noqa: E402
from dayfly_test import IS_ROOT  # noqa: E402
from lane import LANE, OWN_MOUNTS, can_make_lanes, enter_lane, give_ids  # noqa: E402

# In the environment of what runs with --ids.
HAS_IDS = "DAYFLY_TEST_HAS_IDS"
# Files that another beside them would disturb, or that would disturb it, each with the reason.
ALONE = {
    "system/test_faults.py": "looks for what the whole machine has left after each fault",
    "system/test_greedy.py": "compares what two users are given of the CPU",
    "system/test_host_changes.py": "changes the machine's own root directory and /etc, which all jails show",
    "system/test_load.py": "compares times of an idle and of a busy daemon",
    "system/test_main_job.py": "builds with as many compilers as there are CPUs",
    "system/test_shares.py": "counts all open files of a user",
    "system/test_soak.py": "compares the daemon's lag with the machine's",
    "system/test_stuck.py": "holds up the kernel in a file system of its own",
}


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
    if options.lane:
        enter_lane()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that temporary folders go
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us in the background has it ignored, also for what we start
    tests = load(path, options)
    result = Lines(options.verbose)
    result.failfast = options.x
    if options.list:
        for test in tests:
            print("%-8s %s" % (getattr(test, "mode", None) or "-", test._testMethodName))
    else:
        unittest.TestSuite(tests).run(result)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with os.fdopen(options.report, "w") as report:
        json.dump(dict(result.counts, cpu=sum(u.ru_utime + u.ru_stime for u in used)), report)
    return 1 if result.counts["failed"] else 0


class Run:
    """One file in its process. Without a lane its lines are printed as they come, else all at once when it has ended. A file that ends
    badly or hangs is one failure more."""

    def __init__(self, path, options, in_lane):
        self.path, self.name = path, name_of(path)
        self.output = tempfile.TemporaryFile() if in_lane else None
        report_fd, write_fd = os.pipe()
        self.report = os.fdopen(report_fd)
        command = (LANE if in_lane else []) + [sys.executable, os.path.abspath(__file__), "--file", path, "--report", str(write_fd)]
        for word in options.k:
            command += ["-k", word]
        command += ["--mode", options.mode] if options.mode else []
        command += [flag for flag, on in (("--list", options.list), ("-x", options.x), ("-v", options.verbose), ("--lane", in_lane)) if on]
        if not in_lane:
            print("-- %s" % self.name, flush=True)
        self.process = subprocess.Popen(command, pass_fds=(write_fd,), start_new_session=True, stdout=self.output,
                                        stderr=subprocess.STDOUT if in_lane else None)
        os.close(write_fd)
        self.pidfd = os.pidfd_open(self.process.pid)
        self.began, self.time_limit = time.monotonic(), options.time_limit

    def left(self):
        """Seconds of its time."""
        return max(0, self.began + self.time_limit - time.monotonic())

    def is_over(self):
        return self.process.poll() is not None or not self.left()

    def end(self, why=None):
        """Ends it if it still runs, prints what there is and returns the counts."""
        status = why or self.process.poll()
        if status is None:
            status = "over %d s" % self.time_limit
        end_group(self.process)
        os.close(self.pidfd)
        if self.output:
            print("-- %s" % self.name, flush=True)
            self.output.seek(0)
            text = self.output.read()
            sys.stdout.buffer.write(text + (b"\n" if text and not text.endswith(b"\n") else b""))
            self.output.close()
        with self.report:
            text = self.report.read()
        counts = json.loads(text) if text else {"passed": 0, "failed": 0, "skipped": 0, "cpu": 0}
        if not text or (status != 0 and not counts["failed"]):
            print("FAIL -        %s: ended with %s" % (self.name, status), flush=True)
            counts["failed"] += 1
        print("-- %s took %.1f s, %.1f s of CPU" % (self.name, time.monotonic() - self.began, counts.pop("cpu")), flush=True)
        return counts


def run_files(paths, options, jobs, in_lane):
    """So many at a time. Returns the sums of their counts; whatever ends this, ends them all."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    waiting, running = list(paths), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(Run(waiting.pop(0), options, in_lane))
            select.select([run.pidfd for run in running], [], [], min(run.left() for run in running))
            for run in [r for r in running if r.is_over()]:
                running.remove(run)
                for word, n in run.end().items():
                    total[word] += n
    finally:
        for run in running:
            run.end("the end of all")
    return total


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


def name_of(path):
    return os.path.relpath(path, HERE)


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
    parser.add_argument("--ids", action="store_true", help="where root runs it: the plain user of mode rootless has a range in /etc/subuid")
    parser.add_argument("--list", action="store_true", help="print the tests, run none")
    parser.add_argument("-x", action="store_true", help="stop a file at its first failure")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--time-limit", type=int, default=int(os.environ.get("DAYFLY_TEST_SECONDS") or 1800 * SCALE),
                        help="seconds for one file (default 1800, times DAYFLY_TEST_SCALE)")
    parser.add_argument("--jobs", type=int, default=1, help="so many files at a time (default 1; 0: as many as CPUs, at most 4)")
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lane", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        return run_file(options.file, options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the files' processes end too
    if options.ids and IS_ROOT and not os.environ.get(HAS_IDS):
        os.execvp(OWN_MOUNTS[0], OWN_MOUNTS + ["env", HAS_IDS + "=1", sys.executable, os.path.abspath(__file__)] + sys.argv[1:])
    if options.ids and IS_ROOT:
        give_ids(USER, GROUP)
    files = find_files(options.names)
    jobs = options.jobs or min(4, len(os.sched_getaffinity(0)))
    if jobs > 1 and not can_make_lanes():
        print("one file at a time: only root can make lanes, and where the kernel lets it")
        jobs = 1
    together = [] if jobs == 1 else [path for path in files if name_of(path) not in ALONE]
    # What takes long should not begin last; a long file is the best guess.
    total = run_files(sorted(together, key=os.path.getsize, reverse=True), options, jobs, True)
    for word, n in run_files([path for path in files if path not in together], options, 1, False).items():
        total[word] += n
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % total)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
