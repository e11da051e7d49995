"""What one user of a shared daemon can make it hold, there is as much left for the others."""
import os
import resource

from dayfly_test import DaemonError, in_modes

from common import OwnDaemons

OTHERS = (61301, 61302)
FILES = 1024
BUSY = {"wall": "1h", "queue": "1h"}


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


@in_modes
class Shares(OwnDaemons):
    modes = ("root",)

    def setUp(self):
        super().setUp()
        # One task at a time, and it is running: what comes waits.
        self.new_daemon("--allow-all", "--max-tasks", "1", preexec_fn=few_files)
        self.daemon.connect(0).start({"argv": ["sleep", "1000"], "limits": BUSY}, detach=True)
        self.greedy = self.connect_to(self.daemon, OTHERS[0])
        self.fds = [os.open("/", os.O_PATH) for _ in range(16)]
        self.addCleanup(lambda: [os.close(fd) for fd in self.fds])

    def fill(self, task, fds=()):
        """As many tasks as are taken. Returns their number and the error that ended it."""
        for n in range(600):
            try:
                self.greedy.start(dict(task, limits=BUSY), fds=fds, detach=True)
            except DaemonError as e:
                return n, e
        self.fail("nothing stopped it")

    def assert_room(self):
        client = self.connect_to(self.daemon, OTHERS[1])
        tag, task = client.start({"argv": ["true"], "mounts": [{"fd": 0, "target": "/srv/x"}]}, fds=self.fds[:1], detach=True)
        self.assertEqual(client.call("inspect", task=task)["state"], "queued")
        client.call("cancel", task=task)

    def test_descriptors_of_tasks_that_wait(self):
        sources = [{"fd": i, "target": "/srv/%d" % i} for i in range(11)] + [{"fd": 15, "target": "/srv/15"}]
        n, error = self.fill({"argv": ["true"], "mounts": sources}, self.fds)
        self.assertEqual(error.code, "busy")
        self.assertIn("at most %d may" % (FILES // 4), error.error["message"])
        self.assertIn("descriptors", error.error["message"])
        self.assertGreaterEqual(error.error["retry_after_ms"], 100)
        self.assertEqual(error.error["depth"], n)
        self.assertEqual(n, FILES // 4 // 18)
        self.assertLess(len(os.listdir("/proc/%d/fd" % self.daemon.process.pid)), FILES // 2)
        self.assert_room()

    def test_descriptors_of_requests_that_are_not_complete(self):
        for _ in range(64):
            self.connect_to(self.daemon, OTHERS[0]).send_bytes(b'{"op":', fds=self.fds)
        self.greedy.call("ping")
        self.assertLess(len(os.listdir("/proc/%d/fd" % self.daemon.process.pid)), FILES // 2)
        self.assert_room()

    def test_bytes_of_requests_that_wait(self):
        n, error = self.fill({"argv": ["true"] + ["x" * 100000] * 14})
        self.assertEqual(error.code, "busy")
        self.assertIn("at most %d may" % (16 << 20), error.error["message"])
        self.assertGreaterEqual(error.error["retry_after_ms"], 100)
        self.assertEqual(error.error["depth"], n)
        self.assertGreater(n, 4)
        self.assert_room()
        # Another may have as much.
        other = self.connect_to(self.daemon, OTHERS[1])
        for _ in range(n - 1):
            other.start({"argv": ["true"] + ["x" * 100000] * 14, "limits": BUSY}, detach=True)
