"""What running tasks use: `list` with `usage`."""
import os
import signal
import time

from dayfly_client import SCALE
from dayfly_host import USER
from dayfly_test import in_modes

from common import OwnDaemons, wait_until

OTHER = 61302
BUSY = {"argv": ["sh", "-c", "while :; do :; done"], "limits": {"grace": "50ms"}}
IDLE = {"argv": ["sleep", "97531"]}


def listed(client, **fields):
    return {t["task"]: t for t in client.call("list", usage=True, **fields)["tasks"]}


@in_modes
class Usage:
    def start(self, task, client=None):
        client = client or self.client
        run, name = client.start(task)
        client.wait_state(run, "running")
        return run, name

    def known(self):
        """The list, with what is used of each task: what the warden does not say in time is not waited for."""
        tasks = {}

        def look():
            self.asked_at = time.clock_gettime(time.CLOCK_BOOTTIME)
            tasks.update(listed(self.client))
            return all(t["usage"]["cpu"] is not None for t in tasks.values())
        self.assertTrue(wait_until(look), tasks)
        return tasks

    def end(self, *runs):
        for _, task in runs:
            self.client.call("cancel", task=task)
        for run, task in runs:
            self.client.finish(run, task)

    def test_cpu_memory_processes_and_output_of_a_running_task(self):
        busy = self.start(dict(BUSY, argv=["sh", "-c", "echo 12345; echo 123 >&2; sh -c 'while :; do :; done'; true"]))
        idle = self.start(IDLE)
        self.client.wait_output(busy[0], b"12345\n")
        self.assertTrue(wait_until(lambda: (listed(self.client)[busy[1]]["usage"]["cpu"] or 0) > 200000, 20))
        tasks = self.known()
        for _, task in busy, idle:
            usage = tasks[task]["usage"]
            self.assertEqual(set(usage), {"cpu", "memory", "pids", "source", "boot_us", "run", "output"})
            self.assertIn(usage["source"], ("cgroup", "processes"))
            self.assertLess(self.asked_at - usage["boot_us"] / 1e6, 1 * SCALE)
            self.assertGreater(usage["run"], 0)
        usage = tasks[busy[1]]["usage"]
        self.assertEqual(usage["pids"], 2)
        self.assertGreater(usage["memory"], 100 << 10)
        self.assertEqual(usage["output"], {"stdout": 6, "stderr": 4})
        self.assertLess(tasks[idle[1]]["usage"]["cpu"], 200000 * SCALE)
        self.assertEqual(tasks[idle[1]]["usage"]["pids"], 1)
        # It grows by what passes.
        first = self.known()[busy[1]]["usage"]
        time.sleep(0.5)
        looks = []
        self.assertTrue(wait_until(lambda: looks.append(self.known()[busy[1]]["usage"]) or looks[-1]["cpu"] > first["cpu"], 20), looks)
        second = looks[-1]
        self.assertLessEqual(second["cpu"] - first["cpu"], (second["boot_us"] - first["boot_us"]) * 1.2 + 50000)
        self.end(busy, idle)

    def test_what_children_have_used_stays_when_they_end(self):
        # Three while the loop runs, and two afterwards: the first shell and sleep.
        run = self.start({"argv": ["sh", "-c", "sh -c 'sh -c \"$LOOP\"; :'; sleep 97531"], "limits": {"grace": "50ms"},
                          "env": {"LOOP": "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"}})
        self.assertTrue(wait_until(lambda: (listed(self.client)[run[1]]["usage"]["cpu"] or 0) > 100000, 60))
        self.assertTrue(wait_until(lambda: listed(self.client)[run[1]]["usage"]["pids"] == 2, 60))
        time.sleep(0.6)
        self.assertGreater(self.known()[run[1]]["usage"]["cpu"], 100000)
        self.end(run)

    def test_it_is_only_there_where_it_is_asked_for_and_known(self):
        run = self.start(dict(IDLE, labels={"a": "1"}))
        self.client.run({"argv": ["true"]})
        self.assertNotIn("usage", self.client.call("list", all=True)["tasks"][0])
        tasks = listed(self.client, all=True)
        self.assertEqual({t["usage"] is None for t in tasks.values() if t["state"] == "done"}, {True})
        self.assertEqual(set(listed(self.client, label="a")), {run[1]})
        self.assertEqual(listed(self.client, label="b"), {})
        self.end(run)

    def test_many_lists_at_once_are_all_answered(self):
        runs = [self.start(IDLE) for _ in range(4)]
        client = self.new_client()
        tags = [client.send("list", usage=True) for _ in range(200)]
        for tag in tags:
            self.assertGreaterEqual(len(client.next_for(tag)["result"]["tasks"]), 4)
        gone = self.new_client()
        for _ in range(50):
            gone.send("list", usage=True)
        gone.close()
        self.end(*runs)


@in_modes
class Limits(OwnDaemons):
    def test_of_a_task_with_very_many_processes_it_is_known_only_with_a_cgroup(self):
        client = self.connect_to(self.new_daemon())
        run, task = client.start({"argv": ["sh", "-c", "for i in $(seq 300); do sleep 97531 & done; echo all; wait"],
                                  "limits": {"grace": "50ms"}})
        client.wait_output(run, b"all\n", timeout=30)
        usage = listed(client)[task]["usage"]
        if usage["source"] == "cgroup":
            self.assertEqual(usage["pids"], 301)
        else:
            self.assertEqual([usage[k] for k in ("cpu", "memory", "pids", "source", "boot_us")], [None] * 5)
        self.assertEqual(usage["output"]["stdout"], 4)
        client.call("cancel", task=task)
        client.finish(run, task)

    def test_a_warden_that_does_not_answer_is_not_waited_for(self):
        daemon = self.new_daemon()
        client, second = self.connect_to(daemon), self.connect_to(daemon)
        run, task = client.start(IDLE)
        client.wait_state(run, "running")
        warden = client.call("info")["warden"]["pid"]
        time.sleep(0.6)  # what may have been known is too old by then
        os.kill(warden, signal.SIGSTOP)
        try:
            for _ in range(3):
                start = time.monotonic()
                usage = listed(second)[task]["usage"]
                self.assertLess(time.monotonic() - start, 2 * SCALE)
                self.assertEqual((usage["cpu"], usage["memory"], usage["pids"]), (None, None, None))
            self.assertTrue(second.call("ping"))
        finally:
            os.kill(warden, signal.SIGCONT)
        self.assertTrue(wait_until(lambda: listed(second)[task]["usage"]["cpu"] is not None))
        client.call("cancel", task=task)
        client.finish(run, task)

    def test_lists_survive_the_death_of_the_warden(self):
        daemon = self.new_daemon()
        client, second = self.connect_to(daemon), self.connect_to(daemon)
        run, task = client.start(IDLE)
        client.wait_state(run, "running")
        warden = client.call("info")["warden"]["pid"]
        os.kill(warden, signal.SIGSTOP)
        tag = second.send("list", usage=True)
        os.kill(warden, signal.SIGKILL)
        self.assertIn("tasks", second.next_for(tag)["result"])
        self.assertEqual(client.finish(run, task)[1]["outcome"], "lost")


@in_modes
class Others(OwnDaemons):
    modes = ("root",)

    def test_K2_it_is_of_the_own_tasks_only(self):
        daemon = self.new_daemon("--allow-uid", str(OTHER))
        owner, other = self.connect_to(daemon, USER), self.connect_to(daemon, OTHER)
        run, task = owner.start(IDLE)
        owner.wait_state(run, "running")
        self.assertEqual(listed(other), {})
        self.assertEqual(set(listed(owner)), {task})
        owner.call("cancel", task=task)
        owner.finish(run, task)
