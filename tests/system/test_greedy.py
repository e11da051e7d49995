"""What a user does with a daemon that others use too costs the others nothing."""
import os

from dayfly_host import rss_kib
from dayfly_test import DaemonError, in_modes

from common import OwnDaemons, wait_until

OTHERS = (61401, 61402)


@in_modes
class Greedy(OwnDaemons):
    modes = ("root",)

    def start_daemon(self, *args):
        self.new_daemon("--allow-all", *args)
        self.greedy = self.connect_to(self.daemon, OTHERS[0])
        self.other = self.connect_to(self.daemon, OTHERS[1])

    def test_K2_results_of_others_are_kept(self):
        self.start_daemon()
        tag, task = self.other.start({"argv": ["sh", "-c", "echo mine; exit 7"]}, detach=True)
        self.other.call("wait", task=task)
        for _ in range(300):
            self.greedy.run({"argv": ["true"]})
        self.assertEqual(self.other.call("wait", task=task)["exit"]["code"], 7)

    def test_K6_finished_tasks_whose_client_does_not_read(self):
        self.start_daemon()
        self.other.run({"argv": ["true"]})
        before = rss_kib(self.daemon.process.pid)
        deaf = self.connect_to(self.daemon, OTHERS[0])
        deaf.start({"argv": ["sh", "-c", "yes | head -c 3000000"]}, framing="raw")
        self.assertTrue(wait_until(lambda: not self.greedy.call("list")["tasks"], 20))
        big = {"argv": ["true"] + ["x" * 100000] * 14}
        for n in range(60):
            deaf.send("run", task=big)
            self.assertTrue(wait_until(lambda: not self.greedy.call("list")["tasks"], 20))
        with self.assertRaises(DaemonError) as caught:
            self.greedy.start(big)
        self.assertEqual(caught.exception.code, "busy", caught.exception.error)
        self.assertLess(rss_kib(self.daemon.process.pid) - before, 50 << 10)
        # Others do not feel it, and it is over when the client reads or goes.
        self.assertEqual(self.other.run(big)[1]["cause"], "exit")
        deaf.close()
        self.assertTrue(wait_until(lambda: self.greedy.call("info")["counts"]["connections"] == 2))
        self.greedy.run(big)

    def memory_task(self, mib, argv=("sleep", "1000")):
        return {"argv": list(argv), "best_effort": ["memory"], "limits": {"memory": "%dMiB" % mib, "wall": "1d", "queue": "1d", "grace": "50ms"}}

    def limited(self, text, *args):
        conf = os.path.join(self.make_dir(owner=0), "conf")
        self.start_daemon("--config", self.make_file(conf, "[daemon]\n" + text, owner=0), *args)

    def test_a_task_that_waits_for_its_own_users_memory_holds_nobody_up(self):
        self.limited("admit_memory = 100MiB\n")
        self.greedy.start(self.memory_task(1), detach=True)
        self.greedy.start(self.memory_task(87), detach=True)
        for _ in range(30):
            self.other.run(self.memory_task(10, ["true"]), timeout=10)

    def test_one_user_never_has_all_of_a_sum_nor_all_places(self):
        self.limited("admit_memory = 80MiB\nadmit_cpus = 8\nmax_tasks = 8\n")
        for field, task in (("task.limits.memory", self.memory_task(80)),
                            ("task.limits.cpus", {"argv": ["true"], "limits": {"cpus": 8}, "best_effort": ["cpus"]})):
            with self.assertRaises(DaemonError) as caught:
                self.greedy.start(task)
            self.assertEqual((caught.exception.code, caught.exception.field), ("not_allowed", field))
        self.greedy.start(self.memory_task(70), detach=True)
        for _ in range(20):
            self.greedy.start(self.memory_task(1), detach=True)
            self.greedy.start({"argv": ["sleep", "1000"], "limits": {"grace": "50ms"}}, detach=True)
        self.other.run(self.memory_task(10, ["true"]), timeout=10)
        self.other.run({"argv": ["true"]}, timeout=10)
