"""The cgroup of a task: fresh, its own from its first moment, told as it is, and gone with it (I2, J13, G19)."""
import os
import signal
import time

from common import MIB, Delegated, slowness, wait_until
from dayfly_host import read
from dayfly_test import in_modes

LIMITS = {
    "memory": ("64MiB", "memory.max", "%d" % (64 * MIB), "memory_limit"),
    "memory_high": ("48MiB", "memory.high", "%d" % (48 * MIB), None),
    "cpus": (0.5, "cpu.max", "50000 100000", "cpu_limit"),
    "cpu_weight": (50, "cpu.weight", "50", None),
    "pids": (50, "pids.max", "51", "pids_limit"),
    "cpu_time": ("60s", None, None, "cpu_time_limit"),
}
UNLIMITED = {"memory.max": "max", "memory.high": "max", "cpu.max": "max 100000", "cpu.weight": "100"}


@in_modes
class Tree(Delegated):
    needs = ("memory", "pids", "cpu")

    def test_every_process_of_a_task_is_in_its_own_cgroup(self):
        started = self.start_task(["sh", "-c", "sleep 300 & sleep 300 & echo up; wait"], ready=b"up")
        own = self.value(started[2], "cgroup.procs").split()
        self.assertEqual(len(own), 4, "jail init, a shell and two children")
        below = {pid for pid, (_, comm, _) in self.daemon.processes().items() if not comm.startswith("dayfly") or comm == "dayfly-init"}
        self.assertEqual({int(pid) for pid in own}, below)
        supervisor = read(self.daemon.cgroup.path + "/supervisor/cgroup.procs").split()
        self.assertEqual(len(supervisor), 3, "dayflyd, its keeper, its warden")
        self.assertEqual(read(self.daemon.cgroup.path + "/cgroup.procs"), "")
        self.end(started)
        self.assert_gone(started[2])

    def test_a_task_sees_no_path_of_it(self):
        run = self.assert_ok(self.shell("cat /proc/self/cgroup; ls /sys/fs/cgroup 2>&1; exit 0"))
        self.assertEqual(run.text().splitlines()[0], "0::/")
        self.assertNotIn("dayfly-test", run.text())

    def test_enforced_says_what_the_files_say(self):
        for asked in (set(), {"memory"}, {"cpus"}, {"pids"}, {"cpu_time"}, {"memory_high", "cpu_weight"}, set(LIMITS)):
            with self.subTest(sorted(asked)):
                started = self.start_task(["sh", "-c", "echo up; exec sleep 300"], ready=b"up",
                                          limits={name: LIMITS[name][0] for name in asked})
                for name, (_, file, value, _) in LIMITS.items():
                    if file and (name in asked or file in UNLIMITED):
                        self.assertEqual(self.value(started[2], file), (value if name in asked else UNLIMITED[file]) + "\n", name)
                self.assertEqual(self.value(started[2], "memory.oom.group"), "1\n")
                result = self.end(started)
                self.assertTrue(result["enforced"]["cgroup"])
                for name, (_, _, _, control) in LIMITS.items():
                    if control and name != "pids":  # it has a default
                        self.assertEqual(bool(result["enforced"].get(control)), name in asked, (name, result["enforced"]))

    def test_it_is_gone_after_every_end(self):
        ends = {
            "exit": (["true"], {}), "signal": (["sh", "-c", "kill -9 $$"], {}), "timeout_wall": (["sleep", "60"], {"wall": "300ms"}),
            "exec": (["/no/such/command"], {}),
        }
        for cause, (argv, limits) in ends.items():
            run = self.run_task(argv, limits=dict(limits, grace="100ms"))
            self.assertEqual(run.cause, cause, str(run))
            self.assert_gone(run.task)
        started = self.start_task(["sleep", "60"])
        self.assertEqual(self.end(started)["cause"], "cancel")
        self.assert_gone(started[2])
        self.assertEqual([n for n in os.listdir(self.tasks_dir) if n.startswith("t")], [])

    def assert_killed_soon(self, started, begun, cause, after):
        client, tag, task_id = started
        result = client.finish(tag, task_id, timeout=60 + 2 * slowness())[1]
        self.assertEqual(result["cause"], cause, result)
        self.assertLess(time.monotonic() - begun, after + 1 * slowness())
        self.assert_gone(task_id)

    def test_I2_a_frozen_task_is_killed(self):
        for cause in ("cancel", "timeout_wall"):
            with self.subTest(cause):
                begun = time.monotonic()
                limits, wall = {"grace": "300ms"}, int(3 + slowness())
                if cause == "timeout_wall":
                    limits["wall"] = "%ds" % wall
                started = self.start_task(["sh", "-c", "echo up; exec sleep 300"], ready=b"up", limits=limits)
                with open("%s/%s/cgroup.freeze" % (self.tasks_dir, started[2]), "w") as f:
                    f.write("1")
                self.assertTrue(wait_until(lambda: "frozen 1" in (self.value(started[2], "cgroup.events") or ""), 5 + slowness()))
                if cause == "cancel":
                    begun = time.monotonic()
                    started[0].call("cancel", task=started[2])
                self.assert_killed_soon(started, begun, cause, wall + 0.3 + 1)

    def test_I2_a_stopped_task_is_killed_and_its_time_counts(self):
        begun = time.monotonic()
        started = self.start_task(["sh", "-c", "echo up; kill -STOP $$"], ready=b"up", limits={"wall": "3s", "grace": "300ms"})
        self.assert_killed_soon(started, begun, "timeout_wall", 3 + 0.3 + 1)

    def test_J13_a_tree_that_is_removed_under_us_is_made_again(self):
        self.assert_ok(self.run_task(["true"]))
        os.rmdir(self.tasks_dir)
        run = self.run_task(["sh", "-c", "exit 3"], limits={"memory": "64MiB"})
        self.assertEqual(run.code, 3, str(run))
        self.assertTrue(run.result["enforced"]["memory_limit"])

    def test_J13_a_strangers_cgroup_in_that_of_a_task_holds_nobody_up(self):
        started = self.start_task(["sh", "-c", "echo up; exec sleep 300"], ready=b"up")
        inner = "%s/%s/inner" % (self.tasks_dir, started[2])
        os.mkdir(inner)
        self.addCleanup(lambda: os.path.exists(inner) and [os.rmdir(inner), os.rmdir(os.path.dirname(inner))])
        begun = time.monotonic()
        self.assertEqual(self.end(started)["cause"], "cancel")
        self.assertLess(time.monotonic() - begun, 4 + slowness())
        self.assert_ok(self.run_task(["true"]))

    def test_J13_the_cgroup_of_a_running_task_cannot_be_taken_from_it(self):
        started = self.start_task(["sh", "-c", "echo up; exec sleep 300"], ready=b"up")
        with self.assertRaises(OSError):
            os.rmdir("%s/%s" % (self.tasks_dir, started[2]))
        self.assertEqual(self.end(started)["cause"], "cancel")


@in_modes
class Sweep(Delegated):
    needs = ("memory", "pids", "cpu")

    def check_leaks(self):
        """Another warden is no leak; what is left in the end, the daemon's cgroup tells."""
        self.daemon.close_client()

    def test_J1_what_a_killed_warden_leaves_is_swept(self):
        started = self.start_task(["sh", "-c", "echo up; exec sleep 300"], ready=b"up")
        path = "%s/%s" % (self.tasks_dir, started[2])
        self.assertTrue(os.path.isdir(path))
        os.kill(self.daemon.wardens()[0], signal.SIGKILL)
        client, tag, task_id = started
        self.assertEqual(client.finish(tag, task_id)[1]["cause"], "warden_lost")
        self.assertTrue(wait_until(lambda: self.run_after() and not os.path.exists(path), 10 + 2 * slowness()))

    def run_after(self):
        try:
            return self.run_task(["true"], client=self.new_client()).outcome == "ok"
        except Exception:
            return False
