"""Limits that the daemon and the jail hold themselves, and what is said of those that this host cannot hold."""
import json
import os
import tempfile

from dayfly_test import in_modes

MIB = 1 << 20


@in_modes
class Limits:
    delegated = False  # what a cgroup holds: tests/limits
    def has_controllers(self):
        return "no cgroups" not in self.client.call("info")["warden"]["info"]

    # ---- idle --------------------------------------------------------------------------------

    def test_a_silent_task_is_stopped_and_the_cause_is_timeout_idle(self):
        run = self.shell("echo begun; sleep 30", limits={"idle": "1s", "grace": "2s"})
        self.assertEqual((run.outcome, run.cause, run.text()), ("killed", "timeout_idle", "begun\n"), str(run))
        self.assertGreaterEqual(run.result["time"]["run"], 1000000)

    def test_output_keeps_a_task_from_being_idle(self):
        run = self.shell("for i in 1 2 3 4 5 6; do echo $i >&2; sleep 0.5; done", limits={"idle": "2s"})
        self.assert_ok(run)
        self.assertGreater(run.result["time"]["run"], 2500000, "longer than the limit in all")

    def test_the_wall_limit_counts_beside_the_idle_limit(self):
        run = self.shell("while :; do echo x; sleep 0.05; done", limits={"idle": "5s", "wall": "500ms"})
        self.assertEqual((run.outcome, run.cause), ("killed", "timeout_wall"), str(run))

    def test_the_command_line_exits_as_for_a_timeout(self):
        done = self.cli("run", "--idle-timeout", "200ms", "--", "sleep", "30")
        self.assertEqual(done.returncode, 124, done)
        self.assertIn(b"wrote nothing", done.stderr)

    # ---- disk --------------------------------------------------------------------------------

    def test_G6_a_task_that_failed_on_a_full_disk_is_told_so(self):
        self.skip_without_disk_cap()
        run = self.shell("head -c 20M /dev/zero >/tmp/fill", limits={"disk": "8MiB"})
        self.assertEqual((run.outcome, run.cause, run.code), ("failed", "disk_limit", 1), str(run))
        self.assertEqual((run.result["disk"]["hit"], run.result["disk"]["limit"]), (True, 8 * MIB))
        self.assertIn(b"No space left", run.stderr)

    def test_G7_so_is_one_that_ran_out_of_inodes(self):
        self.skip_without_disk_cap()
        run = self.shell("i=0; while [ $i -lt 5000 ]; do : >/tmp/f$i || exit 3; i=$((i + 1)); done", limits={"inodes": 1000})
        self.assertEqual((run.outcome, run.cause), ("failed", "disk_limit"), str(run))
        self.assertTrue(run.result["disk"]["hit"])

    def test_a_task_that_lives_with_a_full_disk_is_ok(self):
        self.skip_without_disk_cap()
        run = self.shell("head -c 20M /dev/zero >/tmp/fill; exit 0", limits={"disk": "8MiB"})
        self.assertEqual((run.outcome, run.cause, run.result["disk"]["hit"]), ("ok", "exit", True), str(run))

    def test_a_failure_with_room_left_is_no_disk_limit(self):
        self.skip_without_disk_cap()
        run = self.shell("head -c 1M /dev/zero >/tmp/some; exit 4", limits={"disk": "8MiB"})
        self.assertEqual((run.outcome, run.cause, run.result["disk"]["hit"]), ("failed", "exit", False), str(run))

    # ---- what a cgroup would hold --------------------------------------------------------------

    def test_G16_without_delegation_a_limit_is_refused_with_the_reason_and_the_fix(self):
        if self.has_controllers():
            self.skipTest("cgroups are delegated to this daemon")
        for limit, value in (("memory", "64MiB"), ("memory_high", "64MiB"), ("cpus", "0.5"), ("cpu_weight", 50), ("cpu_time", "10s"),
                             ("pids", 100), ("io_read", "1MiB"), ("io_write", "1MiB")):
            error = self.refused("limit_unenforceable", field="task.limits." + limit, limits={limit: value})
            self.assertIn("this host cannot hold the limit: ", error["message"])
            self.assertIn("--best-effort " + limit, error["hint"])

    def test_G16_with_best_effort_it_runs_and_says_what_was_not_held(self):
        if self.has_controllers():
            self.skipTest("cgroups are delegated to this daemon")
        done = self.cli("run", "-m", "64m", "--", "true")
        self.assertEqual(done.returncode, 125, done)
        self.assertIn(b"--memory: this host cannot hold", done.stderr)
        self.assertIn(b"--best-effort memory", done.stderr)
        with tempfile.TemporaryDirectory() as place:
            os.chmod(place, 0o777)
            path = os.path.join(place, "result")
            done = self.cli("run", "-m", "64m", "--best-effort", "memory", "--result", path, "--", "true")
            self.assertEqual(done.returncode, 0, done)
            with open(path) as f:
                result = json.load(f)
        self.assertNotIn("memory_limit", result["enforced"])
        self.assertEqual(self.degraded(result), ["memory"])

    def test_best_effort_CPU_time_is_held_for_each_process(self):
        if self.has_controllers():
            self.skipTest("cgroups are delegated to this daemon")
        run = self.shell("while :; do :; done", limits={"cpu_time": "1s", "wall": "60s"}, best_effort=["cpu_time"])
        self.assertEqual((run.outcome, run.cause), ("killed", "timeout_cpu"), str(run))
        self.assertEqual(self.degraded(run.result), ["cpu_time"])

    def test_best_effort_CPU_time_is_the_cause_also_where_the_first_signal_is_ignored(self):
        if self.has_controllers():
            self.skipTest("cgroups are delegated to this daemon")
        run = self.shell("trap '' XCPU; while :; do :; done", limits={"cpu_time": "1s", "wall": "120s"}, best_effort=["cpu_time"])
        self.assertEqual((run.outcome, run.cause, run.result["exit"]["signal"]), ("killed", "timeout_cpu", 9), str(run))

    def test_CPU_time_is_no_cause_where_it_was_not_used(self):
        for signal in ("XCPU", "KILL"):
            run = self.shell("kill -%s $$" % signal, limits={"cpu_time": "1m"}, best_effort=["cpu_time"])
            self.assertEqual((run.outcome, run.cause), ("failed", "signal"), str(run))

    def test_swap_without_memory_is_refused(self):
        self.refused("bad_value", field="task.limits.swap", limits={"swap": "64MiB"})

    def test_the_command_line_exits_as_the_task_did_on_a_full_disk(self):
        self.skip_without_disk_cap()
        done = self.cli("run", "--disk", "8MiB", "--", "sh", "-c", "head -c 20M /dev/zero >/tmp/x || exit 5")
        self.assertEqual(done.returncode, 5, done)
        self.assertIn(b"disk space", done.stderr)
