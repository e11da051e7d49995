"""What the tests of cgroup limits share. They need a cgroup that was delegated to the tests: DAYFLY_TEST_CGROUP (tests/vm/leg.sh)."""
import os
import subprocess
import time
import unittest

from dayfly_host import can_delegate, read

MIB = 1 << 20

# A process that takes so much memory and keeps it, then waits for a line on its stdin.
HOG = "import sys\nkept = []\nfor _ in range(%d): kept.append(b'x' * (1 << 20))\nprint('full', flush=True)\nsys.stdin.readline()\n"
# So many processes that use a CPU each.
SPIN = "for i in $(seq %d); do while :; do :; done & done; echo spinning; wait"


def slowness():
    """How much slower this machine is than a common one that runs by itself: an emulated one is 5 to 50 times. Measured by what the
    tests wait for, processes that start and end."""
    if not hasattr(slowness, "value"):
        times = []
        for _ in range(5):
            begun = time.monotonic()
            subprocess.run(["/bin/true"], check=True)
            times.append(time.monotonic() - begun)
        slowness.value = max(1.0, sorted(times)[2] / 0.002)
        print("slowness %.1f: seconds and milliseconds are meant times that" % slowness.value, flush=True)
    return slowness.value


def wait_until(condition, seconds=5.0, step=0.02):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


def key(text, name):
    """The number after a word at the start of a line."""
    for line in text.splitlines():
        if line.split()[:1] == [name]:
            return int(line.split()[1])
    raise AssertionError("no %s in %r" % (name, text))


class Delegated:
    """Mix it in before the mode."""

    needs = ()  # controllers

    @classmethod
    def setUpClass(cls):
        if not can_delegate(cls.mode):
            raise unittest.SkipTest("no cgroup is delegated to the tests (DAYFLY_TEST_CGROUP)")
        super().setUpClass()
        there = read(cls.daemon.cgroup.path + "/tasks/cgroup.subtree_control").split()
        lacking = [name for name in cls.needs if name not in there]
        if lacking:
            problems = cls.daemon.stop()
            cls.daemon = None
            raise unittest.SkipTest("not delegated here: " + " ".join(lacking + problems))

    @property
    def tasks_dir(self):
        return self.daemon.cgroup.path + "/tasks"

    def value(self, task_id, name):
        """A file of the task's cgroup; None when that is gone."""
        return read("%s/%s/%s" % (self.tasks_dir, task_id, name), None)

    def cpu_us(self, task_id):
        return key(self.value(task_id, "cpu.stat"), "usage_usec")

    def start_task(self, argv, ready=None, client=None, **task):
        """Started in a connection of its own; waits for a text on its stdout. Returns (client, tag, id)."""
        client = client or self.new_client()
        tag, task_id = client.start(self.task(argv, **task))
        if ready:
            client.wait_output(tag, ready, timeout=60)
        return client, tag, task_id

    def start_hog(self, mib, **task):
        return self.start_task(["python3", "-c", HOG % mib], ready=b"full\n", stdin="stream", **task)

    def end(self, started, signal=None):
        """Its result: it is cancelled."""
        client, tag, task_id = started
        client.call("cancel", task=task_id)
        return client.finish(tag, task_id)[1]

    def let_go(self, started):
        """Its result: its stdin ends."""
        client, tag, task_id = started
        client.call("input", task=task_id, eof=True)
        return client.finish(tag, task_id)[1]

    def assert_gone(self, task_id):
        self.assertFalse(os.path.exists("%s/%s" % (self.tasks_dir, task_id)))
