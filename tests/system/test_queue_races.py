"""The queue where things meet: shares of the CPU, a key's next task while the last one starts, stops or is collected, the same request from two
sides at once, draining while tasks wait, the time to wait beside priorities."""
import json
import os
import signal
import time

from dayfly_client import SCALE
from dayfly_test import in_modes

from common import fault_warden, wait_until
from test_queue import LONG, OTHERS, Queue

DEAF = {"argv": ["sh", "-c", "trap '' TERM; echo deaf; read x"], "stdin": "stream", "limits": {"grace": "60s"}}
# A large layer on disk, which is removed after the task's end.
LAYER = {"argv": ["sh", "-c", "mkdir /tmp/d && cd /tmp/d && seq 20000 | xargs touch; echo made; read x"], "stdin": "stream"}


def busy(rounds):
    return {"argv": ["sh", "-c", "i=0; while [ $i -lt %d ]; do i=$((i+1)); done" % rounds], "limits": {"queue": "1h", "grace": "50ms"}}


@in_modes
class CpuShares(Queue):
    modes = ("root",)  # a rootless daemon has one user

    def test_long_and_short_tasks_of_two_users_get_the_same_CPU_time(self):
        daemon = self.new_daemon("--allow-all", "--max-tasks", "1")
        clients = [self.connect_to(daemon, uid) for uid in OTHERS]
        tasks = ([], [])
        for i in range(180):
            if i < 15:
                tasks[0].append(self.start(clients[0], busy(600000)))
            tasks[1].append(self.start(clients[1], busy(30000)))
        waiting = {"running", "starting", "queued"}

        def n_done(who):
            return len(tasks[who]) - sum(t["state"] in waiting for t in clients[who].call("list")["tasks"])

        # Enough to compare, and both still have tasks that wait.
        self.assertTrue(wait_until(lambda: n_done(0) >= 6, 120, 0.05), "%d and %d are done" % (n_done(0), n_done(1)))
        self.assertLess(n_done(1), len(tasks[1]))
        for client, own in zip(clients, tasks):
            for task in own:
                client.call("cancel", task=task)
        used = []
        for client, own in zip(clients, tasks):
            results = [client.call("wait", task=task, timeout=30) for task in own]
            used.append(sum(r["cpu"]["user"] + r["cpu"]["sys"] for r in results if r["cpu"]["user"] is not None))
        # One long task more or less.
        self.assertTrue(0.6 < used[0] / used[1] < 1.7, "CPU time in us: %r" % used)


@in_modes
class Superseded(Queue):
    KEY = {"key": "deploy"}
    NEWEST = {"key": "deploy", "mode": "supersede"}

    def assert_one_after_the_other(self, client, old, new):
        """The new one began when the old one was gone. Returns the result of the old one."""
        self.in_state(client, new, "running")
        self.assertEqual(self.state(client, old), "done")
        result = client.call("wait", task=old)
        started = client.call("inspect", task=new)["started"]
        self.assertLessEqual(result["time"]["finished"], started)
        self.end(client, new)
        return result

    def test_one_that_is_starting(self):
        path = os.path.join(self.make_dir(), "fault")
        self.make_file(path, "hostname stall", mode=0o666)
        client = self.connect_to(self.new_daemon("--warden", fault_warden(self.stage), env={"DAYFLY_FAULT": path}))

        def is_there():
            with open(path) as f:
                return "stalled" in f.read()

        old = self.start(client, concurrency=self.KEY)
        self.assertTrue(wait_until(is_there, 20))
        self.assertEqual(self.state(client, old), "starting")
        with open(path, "w"):
            pass  # what comes does not stall
        new = self.start(client, concurrency=self.NEWEST)
        result = self.assert_one_after_the_other(client, old, new)
        self.assertEqual((result["outcome"], result["cause"], result["error"]["code"]), ("cancelled", "cancel", "superseded"), result)
        self.assertIn(new, result["error"]["message"])

    def test_one_that_is_stopping(self):
        client = self.connect_to(self.new_daemon())
        tag, old = client.start(dict(DEAF, concurrency=self.KEY))
        client.wait_output(tag, b"deaf")
        client.call("cancel", task=old)
        self.in_state(client, old, "stopping")
        new = self.start(client, concurrency=self.NEWEST)
        self.assertEqual((self.state(client, old), self.state(client, new)), ("stopping", "queued"))
        client.call("input", task=old, text="\n")
        # It was cancelled before it was superseded, and that is what it is told.
        result = self.assert_one_after_the_other(client, old, new)
        self.assertEqual((result["outcome"], result["cause"], result["error"]), ("cancelled", "cancel", None), result)

    def catch_collecting(self, client, other):
        """A task in that state, the newest with its key, and the state in which the newest found it."""
        tag, old = client.start(dict(LAYER, concurrency=self.KEY))
        client.wait_output(tag, b"made", timeout=30)
        client.send("input", task=old, eof=True)
        wait_until(lambda: self.state(other, old) in ("collecting", "done"), 10, 0)
        new = self.start(other, concurrency=self.NEWEST)
        state = self.state(other, old)
        return old, new, state

    def test_one_that_is_collected(self):
        daemon = self.new_daemon("--upper", "disk")
        client, other = self.connect_to(daemon), self.connect_to(daemon)
        seen = set()
        for _ in range(10):
            old, new, state = self.catch_collecting(client, other)
            seen.add(state)
            # It had ended by itself, and its result says so.
            result = self.assert_one_after_the_other(other, old, new)
            self.assertEqual((result["cause"], result["error"]), ("exit", None), result)
            if state == "collecting":
                break
        self.assertIn("collecting", seen)

    def test_a_row_of_them_ends_with_the_last(self):
        client = self.connect_to(self.new_daemon())
        tasks = [self.start(client, concurrency=self.NEWEST) for _ in range(20)]
        for task in tasks[:-1]:
            self.assertEqual(client.call("wait", task=task, timeout=20)["error"]["code"], "superseded")
        self.in_state(client, tasks[-1], "running")
        self.end(client, tasks[-1])


@in_modes
class TwoAtOnce(Queue):
    def test_the_same_request_from_two_connections_is_one_task(self):
        daemon = self.new_daemon()
        clients = [self.connect_to(daemon) for _ in range(2)]
        for i in range(30):
            task = {"argv": ["true"], "idempotency_key": "both-%d" % i}
            tags = [c.send("run", task=task, detach=i % 2 == 0) for c in clients]
            accepted = [next(e for e in iter(lambda: c.next_for(t), None) if e["event"] == "accepted") for c, t in zip(clients, tags)]
            self.assertEqual(accepted[0]["task"], accepted[1]["task"])
            self.assertEqual(sorted(a.get("duplicate", False) for a in accepted), [False, True])
            results = [c.call("wait", task=a["task"], timeout=20) for c, a in zip(clients, accepted)]
            self.assertEqual(results[0], results[1])
            self.assertEqual(results[0]["outcome"], "ok")
        self.assertEqual(len(clients[0].call("list", all=True)["tasks"]), 30)

    def test_many_of_the_same_in_one_write(self):
        client = self.connect_to(self.new_daemon())
        line = b'{"op":"run","id":"x%d","detach":true,"task":{"argv":["sleep","97531"],"limits":{"grace":"50ms"},"idempotency_key":"k"}}\n'
        client.send_bytes(b"".join(line % i for i in range(50)))
        accepted = [client.next_for("x%d" % i) for i in range(50)]
        self.assertEqual({a["event"] for a in accepted}, {"accepted"})
        self.assertEqual(len({a["task"] for a in accepted}), 1)
        self.assertEqual(sum(a.get("duplicate", False) for a in accepted), 49)
        self.end(client, accepted[0]["task"])


@in_modes
class Drained(Queue):
    def test_what_waits_runs_in_its_order_and_nothing_else_changes(self):
        daemon = self.new_daemon("--max-tasks", "1")
        client = self.connect_to(daemon, 0 if self.mode == "root" else None)
        key = {"key": "deploy"}
        first = self.start(client, concurrency=key, idempotency_key="first")
        self.in_state(client, first, "running")
        waiting = {p: self.start(client, {"argv": ["true"]}, priority=p) for p in (0, 5, -5)}
        for _ in range(2):
            self.assertEqual(client.call("drain"), {"draining": True, "running": 1, "waiting": 3})
        # What is refused supersedes nobody; what is known is no new task.
        self.refused(client, "draining", concurrency=dict(key, mode="supersede"))
        self.assertEqual(self.state(client, first), "running")
        self.assertEqual(self.run_twice(client, "first", concurrency=key), [(first, True)] * 2)
        self.end(client, first)
        times = {p: client.call("wait", task=t, timeout=20)["time"]["started"] for p, t in waiting.items()}
        self.assertEqual(sorted(times, key=times.get), [5, 0, -5])
        self.refused(client, "draining")
        self.assertEqual(client.call("drain", on=False), {"draining": False, "running": 0, "waiting": 0})
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")


@in_modes
class TimeToWait(Queue):
    @staticmethod
    def start_all(client, tasks):
        client.send_bytes(b"".join(json.dumps({"op": "run", "id": "all%d" % i, "detach": True, "task": task}).encode() + b"\n"
                                   for i, task in enumerate(tasks)))
        return [next(client.events("all%d" % i))["task"] for i in range(len(tasks))]

    def counts_while(self, daemon, client, act):
        """How many wait, as it is told in one turn of the loop after the other while act() has its effect. The questions are there before
        the daemon looks, since it may be done before we are heard: of one connection it reads 32 lines in a turn."""
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            client.send_bytes(b"".join(b'{"op":"ping","id":"p"}\n' * 31 + b'{"op":"info","id":"n%d"}\n' % i for i in range(40)))
            act()
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        seen = {client.next_for("n%d" % i)["result"]["counts"]["queued"] for i in range(40)}
        client.queue = [e for e in client.queue if e["id"] != "p"]
        wait_until(lambda: seen.add(client.call("info")["counts"]["queued"]) or 0 in seen, 20, 0)
        return seen

    def test_who_is_pushed_back_ends_at_its_time_and_is_told_how_many_were_before_it(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1"), 0 if self.mode == "root" else None)
        first = self.start(client)
        self.in_state(client, first, "running")
        patient = self.start(client, {"argv": ["true"]}, priority=-9)
        # In one piece: all of them are there long before its time is over.
        low, *above = self.start_all(client, [dict(LONG, priority=-10, limits={"queue": "%dms" % (800 * SCALE)})] +
                                     [{"argv": ["true"], "priority": p} for p in (0, 10, 10)])
        result = client.call("wait", task=low, timeout=20)
        self.assertEqual((result["cause"], result["phase"], result["error"]["code"]), ("timeout_queue", "queue", "busy"), result)
        self.assertIn("4 tasks were before it", result["error"]["message"])
        self.assertEqual(result["error"]["depth"], 5)
        self.assertGreaterEqual(result["error"]["retry_after_ms"], 100)
        self.end(client, first)
        for task in [patient] + above:
            self.assertEqual(client.call("wait", task=task, timeout=20)["outcome"], "ok")

    def test_a_thousand_whose_time_is_over_at_once_leave_others_their_turn(self):
        daemon = self.new_daemon("--max-tasks", "1", "--max-queue", "4000")
        client, other = self.connect_to(daemon), self.connect_to(daemon)
        first = self.start(client)
        self.in_state(client, first, "running")

        def wait_for_all(seconds):
            """A thousand that wait until one moment. Returns it; None: it came before all of them were there."""
            end = time.monotonic() + seconds
            for _ in range(1000):
                client.send("run", detach=True, task=dict(LONG, limits={"queue": "%dms" % max(1, 1000 * (end - time.monotonic()))}))
            self.assertTrue(wait_until(lambda: other.call("info")["counts"]["queued"] == 1000 or time.monotonic() > end, seconds))
            return end if other.call("info")["counts"]["queued"] == 1000 else None

        for seconds in (4 * SCALE, 16 * SCALE, 64 * SCALE):
            end = wait_for_all(seconds)
            if end:
                break
            self.assertTrue(wait_until(lambda: other.call("info")["counts"]["queued"] == 0, 60))
        self.assertTrue(end)
        # It is over for all of them while the daemon does not look.
        seen = self.counts_while(daemon, other, lambda: time.sleep(max(0, end - time.monotonic()) + 0.1))
        self.assertIn(0, seen)
        # Not all in one turn of the loop.
        self.assertGreater(len(seen), 6, sorted(seen))
        self.end(other, first)

    def test_a_thousand_whose_client_goes_leave_others_their_turn(self):
        daemon = self.new_daemon("--max-tasks", "1", "--max-queue", "4000")
        client, other = self.connect_to(daemon), self.connect_to(daemon)
        first = self.start(other)
        self.in_state(other, first, "running")
        for _ in range(1000):
            client.send("run", task=LONG)
        self.assertTrue(wait_until(lambda: other.call("info")["counts"]["queued"] == 1000, 10))
        seen = self.counts_while(daemon, other, client.close)
        self.assertIn(0, seen)
        self.assertGreater(len(seen - {1000}), 6, sorted(seen))
        self.assertEqual([t["task"] for t in other.call("list")["tasks"]], [first])
        self.end(other, first)

    def test_who_goes_first_has_its_turn_in_its_time(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1"), 0 if self.mode == "root" else None)
        first = self.start(client)
        self.in_state(client, first, "running")
        rest = [self.start(client) for _ in range(5)]
        urgent = self.start(client, priority=10, limits={"queue": "%ds" % (10 * SCALE), "grace": "50ms"})
        self.end(client, first)
        self.in_state(client, urgent, "running")
        # Its time to wait does not count while it runs.
        self.assertEqual({self.state(client, t) for t in rest}, {"queued"})
        self.end(client, urgent, *rest)
