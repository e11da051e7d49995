"""Memory and swap of a whole task (G3, G4, G5, G19)."""
import os
import re

from common import HOG, MIB, Delegated, key, wait_until
from dayfly_host import read
from dayfly_test import in_modes

# By each of these a task takes memory without a single page of its own.
TAKERS = {
    "memfd": "f = os.memfd_create('x')\nfor _ in range(%d): os.write(f, b'x' * (1 << 20))\n",
    "shared": "import mmap\nm = mmap.mmap(-1, %d << 20)\nfor i in range(0, len(m), 4096): m[i] = 1\n",
    "sysv": ("import ctypes\nl = ctypes.CDLL(None)\nl.shmat.restype = ctypes.c_void_p\nn = %d << 20\ni = l.shmget(0, n, 0o1600)\n"
             "ctypes.memset(l.shmat(i, None, 0), 1, n)\n"),
}


def has_swap():
    return int(re.search(r"SwapTotal:\s+(\d+)", read("/proc/meminfo")).group(1)) > 0


@in_modes
class Memory(Delegated):
    needs = ("memory",)

    def assert_oom(self, run, limit):
        self.assertEqual((run.outcome, run.cause), ("killed", "oom"), str(run))
        memory = run.result["memory"]
        self.assertEqual(memory["source"], "cgroup")
        self.assertGreaterEqual(memory["oom_kills"], 1)
        if memory["peak"] is not None:
            self.assertLessEqual(memory["peak"], limit)
            self.assertGreater(memory["peak"], limit * 9 // 10)
        self.assertTrue(run.result["enforced"]["memory_limit"])
        self.assert_gone(run.task)

    def test_G3_over_its_limit_a_task_ends_oom_and_its_neighbour_lives(self):
        neighbour = self.start_hog(20, limits={"memory": "64MiB"})
        run = self.run_task(["python3", "-c", HOG % 300], limits={"memory": "64MiB"})
        self.assert_oom(run, 64 * MIB)
        self.assertNotIn(b"full", run.stdout)
        self.assertIsNotNone(run.result["memory"]["peak"], "memory.peak is there from Linux 5.19 on")
        result = self.let_go(neighbour)
        self.assertEqual((result["outcome"], result["memory"]["oom_kills"]), ("ok", 0), result)
        # The control: with more it is enough.
        run = self.assert_ok(self.run_task(["python3", "-c", HOG % 40], limits={"memory": "128MiB"}))
        self.assertGreater(run.result["memory"]["peak"], 40 * MIB)

    def test_G3_the_whole_task_goes_not_one_process_of_it(self):
        script = "sleep 300 & python3 -c \"$1\"; echo the shell lives"
        run = self.run_task(["sh", "-c", script, "sh", HOG % 300], limits={"memory": "64MiB"})
        self.assert_oom(run, 64 * MIB)
        self.assertNotIn("lives", run.text())

    def test_G3_several_processes_share_one_limit(self):
        script = "for i in 1 2 3 4; do python3 -c \"$1\" & done; wait"
        self.assert_oom(self.run_task(["sh", "-c", script, "sh", HOG % 30 + "import time; time.sleep(60)"], limits={"memory": "96MiB"}),
                        96 * MIB)

    def test_G3_a_kill_of_its_own_is_not_taken_for_oom(self):
        run = self.run_task(["sh", "-c", "kill -9 $$"], limits={"memory": "64MiB"})
        self.assertEqual((run.cause, run.signal, run.result["memory"]["oom_kills"]), ("signal", 9, 0), str(run))

    def test_G4_no_swap_unless_it_is_asked_for(self):
        if not has_swap():
            self.skipTest("this machine has no swap")
        run = self.run_task(["python3", "-c", HOG % 150], limits={"memory": "64MiB"})
        self.assert_oom(run, 64 * MIB)
        self.assertIn(run.result["memory"]["swap_peak"], (0, None))
        started = self.start_hog(100, limits={"memory": "64MiB", "swap": "256MiB"})
        self.assertGreater(int(self.value(started[2], "memory.swap.current")), 16 * MIB)
        result = self.let_go(started)
        self.assertEqual(result["outcome"], "ok", result)
        if result["memory"]["swap_peak"] is not None:
            self.assertGreater(result["memory"]["swap_peak"], 16 * MIB)

    def test_G5_memory_that_belongs_to_no_process_counts(self):
        for name, script in TAKERS.items():
            with self.subTest(name):
                run = self.run_task(["python3", "-c", "import os\n" + script % 200], limits={"memory": "64MiB"})
                self.assert_oom(run, 64 * MIB)
                self.assert_ok(self.run_task(["python3", "-c", "import os\n" + script % 20], limits={"memory": "64MiB"}))

    def test_G5_files_in_the_jail_count(self):
        self.skip_without_disk_cap()
        for place in ("/tmp/x", "/dev/shm/x", "/run/lock/x", "/home/agent/x"):
            with self.subTest(place):
                run = self.shell("head -c 200M /dev/zero >%s; echo filled" % place, limits={"memory": "64MiB", "disk": "1GiB"})
                self.assert_oom(run, 64 * MIB)
        self.assert_ok(self.shell("head -c 20M /dev/zero >/tmp/x", limits={"memory": "64MiB", "disk": "1GiB"}))

    def test_memory_high_slows_down_and_does_not_kill(self):
        started = self.start_task(["python3", "-c", "print('up', flush=True)\n" + HOG % 100], ready=b"up", stdin="stream",
                                  limits={"memory_high": "32MiB"})
        task_id = started[2]
        self.assertEqual(self.value(task_id, "memory.high"), "%d\n" % (32 * MIB))
        self.assertTrue(wait_until(lambda: key(self.value(task_id, "memory.events"), "high") > 0, 60))
        result = self.end(started)
        self.assertEqual((result["cause"], result["memory"]["oom_kills"]), ("cancel", 0), result)

    def test_G19_the_limit_of_one_task_is_none_of_the_next(self):
        run = self.run_task(["python3", "-c", HOG % 100], limits={"memory": "64MiB"})
        self.assert_oom(run, 64 * MIB)
        run = self.assert_ok(self.run_task(["python3", "-c", HOG % 100]))
        self.assertFalse(run.result["enforced"].get("memory_limit"))


@in_modes
class Total(Delegated):
    """One limit for all tasks together."""

    needs = ("memory", "pids", "cpu")
    daemon_args = ("--total-memory", "128MiB", "--total-swap", "4KiB", "--total-pids", "100", "--total-cpus", "1.5")

    def test_all_tasks_together_have_no_more(self):
        self.assertEqual(read(self.tasks_dir + "/memory.max"), "%d\n" % (128 * MIB))
        self.assertEqual(read(self.tasks_dir + "/pids.max"), "100\n")
        self.assertEqual(read(self.tasks_dir + "/cpu.max"), "150000 100000\n")
        first = self.start_hog(70)
        run = self.run_task(["python3", "-c", HOG % 70])
        client, tag, task_id = first
        # One of them had to go, as a whole; the other did not notice.
        if run.outcome == "ok":
            result = client.finish(tag, task_id)[1]
            self.assertEqual(result["cause"], "oom", result)
        else:
            self.assertEqual(run.cause, "oom", str(run))
            self.assertEqual(self.let_go(first)["outcome"], "ok")
        self.assert_ok(self.run_task(["true"]))

    def test_processes_of_all_tasks_are_counted_together(self):
        first = self.start_task(["sh", "-c", "for i in $(seq 60); do sleep 60 & done; echo full; wait"], ready=b"full")
        run = self.shell("for i in $(seq 60); do sleep 60 & done; echo all")
        self.assertNotIn("all", run.text(), str(run))
        self.assertLessEqual(int(read(self.tasks_dir + "/pids.current")), 100)
        self.end(first)
        self.assertIn("all", self.shell("for i in $(seq 60); do sleep 60 & done; echo all").text())
