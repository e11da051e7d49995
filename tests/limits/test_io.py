"""Bytes per second of block devices (G18), where the controller is delegated; elsewhere the limit is refused with the reason."""
import os

from common import MIB, Delegated
from dayfly_host import read
from dayfly_test import in_modes


@in_modes
class Io(Delegated):
    needs = ("memory",)

    @property
    def is_delegated(self):
        return "io" in read(self.tasks_dir + "/cgroup.subtree_control").split()

    def write_out(self, **task):
        """Four MiB past the page cache, into a workspace on disk. Returns the seconds that it took."""
        work = self.make_dir()
        run = self.assert_ok(self.shell("dd if=/dev/zero of=/srv/work/x bs=256k count=16 oflag=direct 2>&1",
                                        workspace={"path": work, "mode": "rw", "target": "/srv/work"}, **task))
        self.assertEqual(os.path.getsize(os.path.join(work, "x")), 4 * MIB)
        return run.result["time"]["run"] / 1e6, run

    def test_G18_writes_are_held_back(self):
        if not self.is_delegated:
            self.skipTest("the controller io is not delegated here")
        free, _ = self.write_out()
        held, run = self.write_out(limits={"io_write": "1MiB"})
        self.assertTrue(run.result["enforced"]["io_limit"])
        self.assertGreaterEqual(held, 3)
        self.assertGreater(held, free + 1, "without a limit it took %.1f s" % free)
        self.assertGreaterEqual(run.result["io"]["write"], 4 * MIB)

    def test_G16_without_the_controller_the_limit_is_refused(self):
        if self.is_delegated:
            self.skipTest("the controller io is delegated here")
        error = self.refused("limit_unenforceable", field="task.limits.io_write", limits={"io_write": "1MiB"})
        self.assertIn("io", error["message"])
        run = self.assert_ok(self.run_task(["true"], limits={"io_write": "1MiB"}, best_effort=["io_write"]))
        self.assertIn("io_write", [d["control"] for d in run.result["degraded"]])
