"""A task that not even SIGKILL ends: I4."""
import os
import time

from dayfly_client import SCALE
from dayfly_fuse import HangingFuse
from dayfly_host import GROUP, USER, read
from dayfly_test import IS_ROOT, MODES, in_modes

from common import wait_until

# Such a filesystem takes root and the kernel's help.
CAN_HANG = IS_ROOT and os.path.exists("/dev/fuse")


@in_modes
class Stuck:
    modes = MODES if CAN_HANG else []
    daemon_args = ("--max-tasks", "3")

    def hang(self, place, fuse, **task):
        """A task that waits for an answer of the filesystem's server, and is cancelled and killed meanwhile."""
        client = self.new_client()
        tag, task = client.start({"argv": ["stat", "/srv/w/hang"], "workspace": {"path": place, "mode": "ro", "target": "/srv/w"},
                                  "limits": {"grace": "100ms"}})
        self.assertTrue(fuse.hung.wait(10 * SCALE))
        self.client.call("cancel", task=task)
        client.wait_state(tag, "stopping")
        self.assertTrue(wait_until(lambda: "%s: stuck" % task in read(self.daemon.log_path), 10), self.daemon.log())
        return client, tag, task

    def test_I4_a_task_that_cannot_be_killed_is_told_and_harms_nobody(self):
        place = self.make_dir()
        fuse = HangingFuse(place, USER, GROUP)
        self.addCleanup(fuse.close)
        client, tag, task = self.hang(place, fuse)
        states = {pid: state for pid, (_, comm, state) in self.daemon.processes().items() if comm == "stat"}
        self.assertEqual(list(states.values()), ["D"], "it does not hang: %s" % self.daemon.processes())
        uids = {os.stat("/proc/%d" % pid).st_uid for pid in states}
        # It has no result yet, and what it holds is nobody else's: others run beside it, in ranges of their own.
        self.assertEqual(self.client.call("inspect", task=task)["state"], "stopping")
        for _ in range(8):
            began = time.monotonic()
            run = self.assert_ok(self.run_bare({"argv": ["sh", "-c", "id -u; cat /proc/self/uid_map"]}))
            self.assertLess(time.monotonic() - began, 6 * SCALE)
            if self.mode == "root":
                base = int(run.text().split()[2])
                self.assertFalse([u for u in uids if base <= u < base + 65536], "a range that is still in use was given away")
        # Another cancel neither helps nor harms.
        self.assertEqual(self.client.call("cancel", task=task)["state"], "stopping")
        # With the answer it dies of the kill, and is told as what it was. Nobody saw how its main process ended: jail init went first.
        fuse.release()
        _, result, _, _, _ = client.finish(tag, task, timeout=10)
        self.assertEqual((result["outcome"], result["cause"]), ("cancelled", "cancel"), result)
        self.assert_ok(self.run_task(["true"]))
        fuse.close()

    def test_I4_a_source_that_does_not_answer_holds_up_its_own_task_only(self):
        """The path of the workspace itself leads through the silent server."""
        place = self.make_dir()
        fuse = HangingFuse(place, USER, GROUP)
        self.addCleanup(fuse.close)
        client = self.new_client()
        tag, task = client.start({"argv": ["true"], "workspace": {"path": os.path.join(place, "hang"), "mode": "ro", "target": "/srv/w"}})
        self.assertTrue(fuse.hung.wait(10 * SCALE))
        for _ in range(3):
            self.assert_ok(self.run_task(["true"]))
        self.client.call("cancel", task=task)
        fuse.release()
        _, result, _, _, _ = client.finish(tag, task, timeout=20)
        self.assertEqual(result["cause"], "cancel", result)
        fuse.close()
