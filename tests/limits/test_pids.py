"""Processes of a whole task, and a daemon that answers meanwhile (G1, G2, G13)."""
import time

from common import Delegated, slowness, wait_until
from dayfly_host import read
from dayfly_test import PROBE, errno_name, in_modes, parse_rows

# Every process makes more for ever; none ends by itself.
BOMB = "import os\nprint('boom', flush=True)\nwhile True:\n try: os.fork()\n except OSError: pass\n"
# Each makes two more and ends.
STORM = ("import os\nprint('boom', flush=True)\nif os.fork() == 0:\n while True:\n"
         "  try:\n   if os.fork() and os.fork(): os._exit(0)\n  except OSError: pass\nos.wait()\nimport time\ntime.sleep(600)\n")


@in_modes
class Pids(Delegated):
    needs = ("pids", "cpu")

    def test_G1_the_limit_holds(self):
        run = self.run_task([PROBE, "storm", "400"], limits={"pids": 60})
        row = parse_rows(self.assert_ok(run).stdout).one("storm")
        self.assertEqual(errno_name(row["errno"]), "EAGAIN")
        self.assertLessEqual(row["forks"], 60)
        self.assertTrue(run.result["enforced"]["pids_limit"])
        self.assertEqual(run.result["degraded"], [d for d in run.result["degraded"] if d["control"] != "pids"])

    def test_G1_a_fork_bomb_is_stopped_and_killed_in_time_and_others_are_served(self):
        self.assert_ok(self.run_task(["true"]))
        begun = time.monotonic()
        # Longer than we ask, also where the last answer takes its time.
        wall = int(10 + slowness())
        started = self.start_task(["python3", "-c", BOMB], ready=b"boom", limits={"pids": 64, "wall": "%ds" % wall, "grace": "1s"})
        task_id = started[2]
        self.assertTrue(wait_until(lambda: int(self.value(task_id, "pids.current")) >= 60, 6), "it fills its limit")
        answers = []
        while time.monotonic() - begun < 8:
            asked = time.monotonic()
            done = self.cli("ps")
            answers.append(time.monotonic() - asked)
            self.assertIn(task_id[:13], done.stdout.decode())
            self.assertLessEqual(int(self.value(task_id, "pids.current")), 65)
        # A neighbour is served too.
        self.assert_ok(self.run_task(["true"]))
        client, tag, _ = started
        result = client.finish(tag, task_id)[1]
        self.assertEqual((result["outcome"], result["cause"]), ("killed", "timeout_wall"), result)
        late = result["time"]["run"] / 1e6 - wall
        print("ps: %d answers, median %.0f ms, most %.0f ms; killed %.2f s after its deadline" % (
            len(answers), sorted(answers)[len(answers) // 2] * 1000, max(answers) * 1000, late), flush=True)
        # With the grace time, which nothing in it makes use of.
        self.assertLess(late, 1 + 1 * slowness())
        self.assertLess(sorted(answers)[len(answers) // 2], 0.1 * slowness())
        if result["pids"]["peak"] is not None:
            self.assertLessEqual(result["pids"]["peak"], 64)
        self.assert_gone(task_id)

    def test_G2_a_storm_of_forks_and_ends_does_not_outrun_the_kill(self):
        started = self.start_task(["python3", "-c", STORM], ready=b"boom", limits={"pids": 200, "grace": "100ms"})
        self.assertTrue(wait_until(lambda: int(self.value(started[2], "pids.current") or 0) > 20, 10 + slowness()))
        begun = time.monotonic()
        result = self.end(started)
        self.assertEqual(result["cause"], "cancel", result)
        self.assertLess(time.monotonic() - begun, 0.1 + 2 * slowness())
        self.assert_gone(started[2])

    def test_G13_zombies_count(self):
        script = "import os\nn = 0\ntry:\n while n < 500:\n  if os.fork() == 0: os._exit(0)\n  n += 1\nexcept OSError: pass\nprint(n)"
        run = self.assert_ok(self.run_task(["python3", "-c", script], limits={"pids": 60}))
        self.assertLess(int(run.text()), 60)

    def test_G19_the_next_task_has_more(self):
        self.assertEqual(self.probe("storm", 50, limits={"pids": 20}).one("storm")["errno"], 11)
        self.assertEqual(self.probe("storm", 100).one("storm"), {"what": "storm", "forks": 100, "errno": 0})
        self.assertEqual(read(self.tasks_dir + "/pids.max"), "max\n")
