"""Time limits, kills and cancels end every task in time: I1 to I3, I5, I7, I8, G1, G2, G12, G13."""
import os
import signal
import time

from dayfly_client import SCALE
from dayfly_test import DaemonError, errno_name, in_modes

from common import start_time, wait_until

# Beyond deadline and grace; the promise is 1 s.
LATE = 3.0 * SCALE
# Milliseconds in which a shell has mostly set its traps: it says so, and where it was too slow for that it gets longer.
WALL = 1000 * SCALE
READY = "echo ready; "
BOMB = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        os.fork()
    except OSError:
        pass
"""


@in_modes
class Deadlines:
    def timed(self, script, wall, grace, **more):
        """Runs into its time limit. Returns the run, and how long it took from its start."""
        run = self.shell(script, limits={"wall": "%dms" % wall, "grace": "%dms" % grace}, **more)
        return run, run.result["time"]["run"] / 1e6

    def timed_ready(self, script, grace, **more):
        """One that says "ready" first, when its traps are set. Returns also the limit, in seconds."""
        for wall in (WALL, 4 * WALL, 16 * WALL):
            run, seconds = self.timed(script, wall, grace, **more)
            if run.stdout.startswith(b"ready\n"):
                break
        self.assertEqual(run.stdout[:6], b"ready\n", str(run))
        run.stdout = run.stdout[6:]
        return run, seconds, wall / 1000

    def assert_timeout(self, run, signo=None):
        self.assertEqual((run.outcome, run.cause, run.result["phase"]), ("killed", "timeout_wall", "run"), str(run))
        if signo:
            self.assertEqual(run.signal, int(signo), str(run))

    def test_I1_sleeping_task_ends_by_SIGTERM_at_its_limit(self):
        run, seconds = self.timed("exec sleep 600", 200, 60000)
        self.assert_timeout(run, signal.SIGTERM)
        self.assertGreaterEqual(seconds, 0.19)
        self.assertLess(seconds, 0.2 + LATE)

    def test_I1_ignored_sigterm_dies_within_grace(self):
        run, seconds, wall = self.timed_ready("trap '' TERM INT HUP QUIT; " + READY + "while :; do :; done", 300)
        self.assert_timeout(run, signal.SIGKILL)
        self.assertGreaterEqual(seconds, wall + 0.29)
        self.assertLess(seconds, wall + 0.3 + LATE)

    def test_I1_a_task_that_cleans_up_on_sigterm_has_its_grace(self):
        run, seconds, wall = self.timed_ready("trap 'echo cleaning; sleep 0.2; echo clean; exit 3' TERM; " + READY + "while :; do sleep 0.02; done", 60000)
        self.assert_timeout(run)
        self.assertEqual((run.stdout, run.code), (b"cleaning\nclean\n", 3))
        self.assertLess(seconds, wall + 0.2 + LATE)

    def test_I1_counting_changes_does_not_delay_the_end(self):
        """A sparse file of any size costs a task nothing and takes for ever to compare."""
        place = self.make_dir()
        with open(os.path.join(place, "sparse"), "wb") as f:
            f.truncate(1 << 40)
        os.chmod(f.name, 0o666)
        self.stage.give(f.name)
        script = "echo x >new; exec 3>>sparse; trap 'sleep 0.2; exit 0' TERM; " + READY + "while :; do sleep 0.01; done"
        # The grace is time that counting could take, but does not.
        grace = 8000 * SCALE

        def run_it():
            return self.timed_ready(script, grace, workspace={"path": place, "mode": "cow"})

        run, seconds, wall = run_it()
        self.assert_timeout(run)
        self.assertLess(seconds + (run.result["time"]["destroy"] + run.result["time"]["collect"]) / 1e6, wall + 0.4 + LATE)
        self.assertIsNone(run.result["changes"]["added"])
        if not self.daemon.is_upper_on_disk:  # there nobody counts it
            self.assertIsNotNone(run.result["disk"]["bytes"], "what else jail init knows is told all the same")
        # Without the big file all is counted.
        os.unlink(f.name)
        self.assertEqual(run_it()[0].result["changes"]["added"], 2)

    def test_I1_sigterm_comes_before_sigkill_and_to_the_whole_group(self):
        # The child says it, when both have their traps.
        run, _, _ = self.timed_ready("trap 'echo parent; wait; exit 0' TERM; "
                                     "sh -c 'trap \"echo child; exit\" TERM; " + READY + "while :; do sleep 0.02; done' & "
                                     "while :; do sleep 0.02; done", 30000)
        self.assert_timeout(run)
        self.assertEqual(sorted(run.text().split()), ["child", "parent"])

    def test_I2_a_stopped_task_is_ended_too(self):
        run, seconds = self.timed("kill -STOP $$; echo continued", 200, 60000)
        self.assert_timeout(run)
        self.assertLess(seconds, 0.2 + LATE, "SIGCONT lets the SIGTERM through: no need to wait for the grace to be over")
        # One that ignores SIGTERM and stops again and again.
        run, seconds, wall = self.timed_ready("trap '' TERM; " + READY + "while :; do kill -STOP $$; done", 300)
        self.assert_timeout(run, signal.SIGKILL)
        self.assertLess(seconds, wall + 0.3 + LATE)

    def test_I3_double_forks_and_new_sessions_die_with_the_task(self):
        script = ("trap '' TERM; setsid sh -c 'trap \"\" TERM HUP; sh -c \"trap \\\"\\\" TERM; sleep 97531; :\" & sleep 97531; :' & "
                  "(setsid setsid sleep 97531 &) ; " + READY + "while :; do sleep 0.05; done")
        run, seconds, wall = self.timed_ready(script, 200)
        self.assert_timeout(run, signal.SIGKILL)
        self.assertLess(seconds, wall + 0.2 + LATE)

    def test_I5_limits_out_of_bounds_are_refused_by_name(self):
        bad = [
            ("wall", 0), ("wall", -1), ("wall", "0"), ("wall", "-5s"), ("wall", 1e308), ("wall", 9223372036854775807), ("wall", "1e9s"),
            ("wall", "99999999999999999999s"), ("wall", "NaN"), ("wall", "inf"), ("wall", 1.5), ("wall", "366d"), ("wall", ""),
            ("wall", "10"+"0" * 400),
            ("grace", 0), ("grace", -1), ("grace", "2y"), ("queue", 0), ("disk", 0), ("disk", -1), ("disk", "1023"), ("disk", 1 << 62),
            ("disk", "16EiB"), ("disk", "18446744073709551616"), ("inodes", 0), ("inodes", 1 << 40), ("output", 0), ("output", -1),
            ("output", 1e30),
            ("open_files", 0), ("open_files", 1 << 31), ("memory", 0), ("memory", "99999999999G"), ("cpus", 0), ("cpus", -1),
            ("cpus", 1e308), ("cpus", "NaN"),
            ("pids", 0), ("pids", -1), ("pids", 1 << 40), ("core", -1), ("file_size", 0), ("file_size", "x"),
        ]
        for name, value in bad:
            error = self.refused(("out_of_range", "bad_value", "wrong_type"), limits={name: value}, field="task.limits." + name)
            self.assertTrue(error["message"], (name, value))
        for text in ("NaN", "Infinity", "-Infinity", "1e400"):
            client = self.new_client()
            client.send_bytes(b'{"op":"run","id":"x","task":{"argv":["true"],"limits":{"wall":%s}}}\n' % text.encode())
            event = client.read_event()
            self.assertEqual(event["event"], "error", text)

    def test_I5_the_largest_and_smallest_limits_work(self):
        self.assert_ok(self.run_task(["true"], limits={"wall": "24h", "grace": "1h", "queue": "24h", "output": "1GiB"}))
        self.assert_ok(self.run_task(["true"], limits={"wall": 86400}))
        run = self.run_task(["sleep", "5"], limits={"wall": "1ms", "grace": "1ms"})
        self.assertEqual(run.cause, "timeout_wall")


@in_modes
class Cancel:
    daemon_args = ("--max-tasks", "2")

    def cancel(self, task):
        return self.client.call("cancel", task=task)["state"]

    def finish(self, tag, task):
        _, result, _, _, events = self.client.finish(tag, task, timeout=20)
        terminal = [e for e in events if e["event"] in ("result", "error")]
        self.assertEqual(len(terminal), 1)
        return result

    def test_I7_cancel_in_the_queue(self):
        blockers = [self.client.start({"argv": ["sleep", "30"]}) for _ in range(2)]
        for tag, _ in blockers:
            self.client.wait_state(tag, "running")
        tag, task = self.client.start({"argv": ["echo", "never"]})
        self.assertEqual(self.client.call("inspect", task=task)["state"], "queued")
        self.assertEqual(self.cancel(task), "done")
        result = self.finish(tag, task)
        self.assertEqual((result["outcome"], result["cause"], result["phase"], result["exit"]), ("cancelled", "cancel", "queue", None))
        for _, task in blockers:
            self.cancel(task)
        for tag, task in blockers:
            self.assertEqual(self.finish(tag, task)["cause"], "cancel")

    def test_I7_cancel_at_any_moment_of_the_start(self):
        """Many tasks, each cancelled a little later than the one before: before, during and after the setup."""
        for i in range(40):
            tag, task = self.client.start({"argv": ["sleep", "30"]})
            time.sleep(i * 0.0004)
            self.assertIn(self.cancel(task), ("stopping", "collecting", "done"))
            self.cancel(task)
            result = self.finish(tag, task)
            self.assertEqual((result["outcome"], result["cause"]), ("cancelled", "cancel"), result)

    def test_I7_cancel_twice_and_cancel_of_a_finished_task(self):
        deaf = {"argv": ["sh", "-c", "trap '' TERM; echo up; read x; exit 5"], "stdin": "stream"}
        tag, task = self.client.start(dict(deaf, limits={"grace": "60s"}))
        self.client.wait_output(tag, b"up")
        for _ in range(5):
            self.assertEqual(self.cancel(task), "stopping")
        self.client.call("input", task=task, text="\n")
        result = self.finish(tag, task)
        self.assertEqual((result["outcome"], result["cause"], result["exit"]["code"]), ("cancelled", "cancel", 5), "no sooner by a second one")
        tag, task = self.client.start(dict(deaf, limits={"grace": "300ms"}))
        self.client.wait_output(tag, b"up")
        self.assertEqual(self.cancel(task), "stopping")
        self.cancel(task)
        result = self.finish(tag, task)
        self.assertEqual((result["outcome"], result["cause"], result["exit"]["signal"]), ("cancelled", "cancel", 9))
        for _ in range(3):
            self.assertEqual(self.cancel(task), "done")
        self.assertEqual(self.client.call("inspect", task=task)["result"], result, "a later cancel changes nothing")
        run = self.run_task(["true"])
        self.assertEqual(self.cancel(run.task), "done")
        self.assertEqual(self.client.call("wait", task=run.task)["cause"], "exit")

    def test_I7_cancel_while_stopping_for_another_reason_keeps_the_first(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"],
                                       "limits": {"wall": "%dms" % WALL, "grace": "2s"}})
        self.client.wait_state(tag, "stopping")
        self.cancel(task)
        self.assertEqual(self.finish(tag, task)["cause"], "timeout_wall")

    def test_I7_queue_limit_rejects(self):
        blockers = [self.client.start({"argv": ["sleep", "30"]}) for _ in range(2)]
        run = self.run_task(["true"], limits={"queue": "200ms"})
        self.assertEqual((run.outcome, run.cause, run.result["phase"]), ("rejected", "timeout_queue", "queue"))
        for tag, task in blockers:
            self.cancel(task)
            self.finish(tag, task)

    def test_I8_signal_after_the_end_is_refused(self):
        run = self.run_task(["true"])
        with self.assertRaises(DaemonError) as caught:
            self.client.call("signal", task=run.task, signal="KILL")
        self.assertEqual(caught.exception.code, "bad_state")

    def test_cancel_of_what_is_not_there(self):
        for name in ("t-00000000000000000000000000000000", "nothing", "t-000000"):
            with self.assertRaises(DaemonError) as caught:
                self.cancel(name)
            self.assertEqual((caught.exception.code, caught.exception.field), ("not_found", "task"))

    def test_cli_kill_and_interrupt(self):
        tag, task = self.client.start({"argv": ["sleep", "30"], "name": "victim"})
        self.client.wait_state(tag, "running")
        self.assertEqual(self.cli("kill", "victim").returncode, 0)
        self.assertEqual(self.finish(tag, task)["cause"], "cancel")
        self.assertNotEqual(self.cli("kill", "victim-of-nobody").returncode, 0)


@in_modes
class Stragglers:
    def test_G12_what_is_left_behind_does_not_delay_the_result(self):
        """The result is that of the main process, although others still hold its stdout."""
        for script in ("sleep 97531 & exit 3", "setsid sleep 97531 & exit 3", "(setsid sleep 97531 &) ; exit 3",
                       "setsid sh -c 'exec >&- 2>&- <&-; trap \"\" TERM HUP; while :; do sleep 1; done' & exit 3"):
            began = time.monotonic()
            run = self.shell(script)
            self.assertLess(time.monotonic() - began, 6 * SCALE, script)
            self.assertEqual((run.outcome, run.cause, run.code), ("failed", "exit", 3), script)

    def test_G12_output_of_the_main_process_is_complete_all_the_same(self):
        run = self.shell("sleep 97531 & seq 1 20000; exit 0")
        self.assert_ok(run)
        self.assertEqual(run.text().split(), [str(n) for n in range(1, 20001)])

    def test_G12_a_straggler_that_floods_ends_with_the_task(self):
        began = time.monotonic()
        run = self.shell("yes & sleep 0.2; exit 4", limits={"output": "1MiB"})
        self.assertEqual((run.cause, run.code), ("exit", 4))
        self.assertLess(time.monotonic() - began, 12 * SCALE)

    def test_G2_fork_storm_that_races_the_kill(self):
        # The first shell has forked what it needs before the others take all that there is.
        script = "f() { while :; do (exit 0) & (setsid sh -c 'exit 0' &) ; done; }; sleep 0.3 & s=$!; (f & f & f & wait) & wait $s; exit 5"
        began = time.monotonic()
        run = self.shell(script, limits={"pids": 200}, best_effort=["pids"])
        self.assertEqual((run.cause, run.code), ("exit", 5), str(run))
        self.assertLess(time.monotonic() - began, 15 * SCALE)

    def test_G1_fork_bomb_is_bounded_and_others_go_on(self):
        tag, task = self.client.start({"argv": ["python3", "-c", BOMB], "limits": {"pids": 100, "grace": "100ms"}, "best_effort": ["pids"]})
        self.assertTrue(wait_until(lambda: len(self.daemon.processes()) > 60, 30), "it was no bomb")
        most = 0
        other = self.new_client()
        for _ in range(8):
            began = time.monotonic()
            other.call("ping")
            self.assertLess(time.monotonic() - began, 5 * SCALE)
            self.assert_ok(self.run_bare({"argv": ["true"]}, client=other))
            most = max(most, len(self.daemon.processes()))
        self.assertLess(most, 100 + 20)
        self.assertGreater(most, 20, "it goes on")
        began = time.monotonic()
        self.client.call("cancel", task=task)
        _, result, _, _, _ = self.client.finish(tag, task, timeout=20)
        self.assertEqual(result["cause"], "cancel", result)
        self.assertLess(time.monotonic() - began, 0.1 + LATE + 2)

    def test_G1_processes_of_one_task_do_not_count_for_another(self):
        """The limit is one jail's own, also where both have the same host user."""
        many = "i=0; while [ $i -lt 60 ]; do sleep 30 & i=$((i+1)); done; echo up; wait"
        tags = [self.client.start({"argv": ["sh", "-c", many], "limits": {"pids": 80}, "best_effort": ["pids"]}) for _ in range(3)]
        for tag, _ in tags:
            self.client.wait_output(tag, b"up", 60)
        for tag, task in tags:
            self.client.call("cancel", task=task)
            self.client.finish(tag, task)

    def test_G13_orphans_are_reaped(self):
        """Children whose parents are gone are init's."""
        run = self.shell("i=0; while [ $i -lt 500 ]; do (exec sh -c : &) ; i=$((i+1)); done; n=0; "
                         "while dead=$(grep -l '^State:.*Z' /proc/[0-9]*/status 2>/dev/null | wc -l); [ $dead -gt 0 ] && [ $n -lt 100 ]; do "
                         "n=$((n+1)); sleep 0.1; done; echo $dead", timeout=60)
        self.assert_ok(run)
        self.assertEqual(run.text().strip(), "0")

    def test_G13_children_that_nobody_waits_for_are_bounded_and_go(self):
        script = """import os, sys, time
n = 0
try:
    while n < 5000:
        if os.fork() == 0: os._exit(0)
        n += 1
except OSError as e:
    print(n, e.errno, flush=True)
else:
    print(n, 0, flush=True)
time.sleep(60)"""
        client = self.new_client()
        tag, task = client.start({"argv": ["python3", "-c", script], "limits": {"pids": 100}, "best_effort": ["pids"]})
        count, number = client.wait_output(tag, b"\n", 30).split()
        self.assertEqual(errno_name(int(number)), "EAGAIN")
        self.assertLessEqual(int(count), 100)
        self.assertGreater(int(count), 50)
        self.assert_ok(self.run_bare({"argv": ["true"]}))
        client.call("cancel", task=task)
        began = time.monotonic()
        self.assertEqual(client.finish(tag, task, timeout=20)[1]["cause"], "cancel")
        self.assertLess(time.monotonic() - began, 15 * SCALE)

    def test_G2_jail_init_killed_from_outside_ends_the_task(self):
        """As the kernel's out-of-memory killer might do it."""
        tag, task = self.client.start({"argv": ["sh", "-c", "setsid sleep 97531 & sleep 97531"]})
        self.client.wait_state(tag, "running")
        init = [pid for pid, (_, comm, _) in self.daemon.processes().items() if comm == "dayfly-init"]
        self.assertEqual(len(init), 1)
        born = start_time(init[0])
        os.kill(init[0], signal.SIGKILL)
        _, result, _, _, _ = self.client.finish(tag, task, timeout=10)
        self.assertEqual((result["outcome"], result["cause"]), ("error", "internal"), result)
        self.assertTrue(wait_until(lambda: start_time(init[0]) != born, 2))
        self.assert_ok(self.run_task(["true"]))
