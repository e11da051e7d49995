"""CPU time: a share per second, a weight, an amount (G17, I10)."""
import time

from common import SPIN, Delegated, slowness
from dayfly_test import in_modes

WINDOW = 6.0


@in_modes
class Cpu(Delegated):
    needs = ("cpu",)

    def shares(self, *started):
        """How many CPUs each of these tasks had in a while."""
        begun = time.monotonic()
        before = [self.cpu_us(task_id) for _, _, task_id in started]
        time.sleep(WINDOW)
        spent = time.monotonic() - begun
        return [(self.cpu_us(task_id) - us) / 1e6 / spent for (_, _, task_id), us in zip(started, before)]

    def spin(self, n=4, **task):
        return self.start_task(["sh", "-c", SPIN % n], ready=b"spinning", **task)

    def test_G17_two_hogs_with_half_a_cpu_have_half_a_cpu_each(self):
        hogs = [self.spin(limits={"cpus": 0.5}), self.spin(limits={"cpus": 0.5})]
        for share in self.shares(*hogs):
            self.assertAlmostEqual(share, 0.5, delta=0.05)
        for hog in hogs:
            result = self.end(hog)
            self.assertTrue(result["enforced"]["cpu_limit"])
            self.assertEqual(result["cpu"]["source"], "cgroup")

    def test_G17_without_a_limit_a_hog_has_more(self):
        hog = self.spin()
        self.assertGreater(self.shares(hog)[0], 0.6)
        self.assertFalse(self.end(hog)["enforced"].get("cpu_limit"))

    def test_G17_real_time_scheduling_is_refused(self):
        script = "import os\ntry: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nexcept PermissionError: print('refused')"
        self.assertEqual(self.assert_ok(self.run_task(["python3", "-c", script])).text(), "refused\n")

    def test_where_tasks_compete_the_weight_decides(self):
        light, heavy = self.spin(8, limits={"cpu_weight": 50}), self.spin(8, limits={"cpu_weight": 400})
        shares = self.shares(light, heavy)
        self.assertGreater(shares[1] / shares[0], 3, shares)
        for hog in (light, heavy):
            self.end(hog)

    def assert_used_up(self, run, seconds, more):
        self.assertEqual((run.outcome, run.cause), ("killed", "timeout_cpu"), str(run))
        used = (run.result["cpu"]["user"] + run.result["cpu"]["sys"]) / 1e6
        self.assertGreaterEqual(used, seconds * 0.99)
        self.assertLessEqual(used, seconds + more)
        self.assertTrue(run.result["enforced"]["cpu_time_limit"])

    def test_I10_the_cpu_time_of_many_processes_is_one_sum(self):
        """No process of it has used much."""
        run = self.run_task(["sh", "-c", SPIN % 50], limits={"cpu_time": "2s", "grace": "100ms", "wall": "60s"})
        self.assert_used_up(run, 2, 0.5 + 0.1 * slowness())

    def test_I10_processes_that_have_ended_count(self):
        run = self.run_task(["sh", "-c", "while :; do /bin/true; done"], limits={"cpu_time": "2s", "grace": "100ms", "wall": "120s"})
        self.assert_used_up(run, 2, 0.5 + 0.1 * slowness())

    def test_I10_who_uses_less_is_left_alone(self):
        run = self.assert_ok(self.shell("sleep 2", limits={"cpu_time": "%ds" % (10 * slowness())}))
        self.assertTrue(run.result["enforced"]["cpu_time_limit"])
