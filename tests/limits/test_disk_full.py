"""What a task writes into its jail has an end, and the result says that it was reached (G6, G7)."""
from common import MIB, Delegated
from dayfly_test import in_modes


@in_modes
class DiskFull(Delegated):
    needs = ("memory",)

    def test_G6_a_disk_fill_gets_enospc_and_is_told(self):
        self.skip_without_disk_cap()
        run = self.shell("head -c 100M /dev/zero >/tmp/x", limits={"disk": "32MiB", "memory": "128MiB"})
        self.assertIn("No space left", run.stderr.decode())
        self.assertEqual((run.code, run.result["disk"]["hit"], run.result["disk"]["limit"]), (1, True, 32 * MIB), str(run))
        self.assertLessEqual(run.result["disk"]["bytes"], 32 * MIB)
        run = self.assert_ok(self.shell("head -c 10M /dev/zero >/tmp/x", limits={"disk": "32MiB", "memory": "128MiB"}))
        self.assertIs(run.result["disk"]["hit"], False)

    def test_G7_an_inode_fill_gets_enospc_and_is_told(self):
        self.skip_without_disk_cap()
        row = self.probe("inodes", "/tmp", 5000, limits={"inodes": 1000, "memory": "128MiB"}).one("inodes")
        self.assertEqual(row["errno"], 28)
        run = self.shell("i=0; while touch /tmp/$i; do i=$((i+1)); done; echo $i", limits={"inodes": 300, "memory": "128MiB"})
        self.assertIs(run.result["disk"]["hit"], True, str(run))

    def test_where_nothing_caps_it_the_result_says_so(self):
        run = self.assert_ok(self.run_task(["true"]))
        told = [d for d in run.result["degraded"] if d["control"] == "disk_limit"]
        self.assertEqual(bool(told), self.daemon.is_upper_on_disk)
        self.assertEqual(bool(run.result["enforced"].get("disk_limit")), not self.daemon.is_upper_on_disk)
