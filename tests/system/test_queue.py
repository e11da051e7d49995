"""Who runs when: priorities, refusal at once, keys, caps by user, label and sum, what waiting tasks are told, draining."""
import os
import time

from dayfly_client import SCALE
from dayfly_host import USER
from dayfly_test import DaemonError, in_modes

from common import OwnDaemons, kill_daemon, wait_until

LONG = {"argv": ["sleep", "97531"], "limits": {"grace": "50ms"}}
OTHERS = (61301, 61302)


class Queue(OwnDaemons):
    def configured(self, text="", *args):
        conf = self.make_file(os.path.join(self.make_dir(owner=0 if self.mode == "root" else None), "conf"), text,
                              owner=0 if self.mode == "root" else None)
        return self.new_daemon("--config", conf, *args)

    def start(self, client, task=LONG, **more):
        return client.start(dict(task, **more), detach=True)[1]

    def refused(self, client, code, **more):
        with self.assertRaises(DaemonError) as caught:
            self.start(client, **more)
        self.assertEqual(caught.exception.code, code, caught.exception.error)
        return caught.exception.error

    def state(self, client, task):
        return client.call("inspect", task=task)["state"]

    def in_state(self, client, task, state):
        self.assertTrue(wait_until(lambda: self.state(client, task) == state), "%s, not %s" % (self.state(client, task), state))

    def end(self, client, *tasks):
        for task in tasks:
            client.call("cancel", task=task)
        return [client.call("wait", task=task, timeout=20) for task in tasks]

    def run_twice(self, client, key, **more):
        """(task, whether it was a duplicate) of each."""
        found = []
        for _ in range(2):
            accepted = next(e for e in client.events(client.send("run", detach=True, task=dict(LONG, idempotency_key=key, **more)))
                            if e["event"] == "accepted")
            found.append((accepted["task"], accepted.get("duplicate", False)))
        return found


@in_modes
class Order(Queue):
    def test_a_higher_priority_goes_first(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1"), 0 if self.mode == "root" else None)
        first = self.start(client)
        self.in_state(client, first, "running")
        tasks = {p: self.start(client, {"argv": ["true"]}, priority=p) for p in (-10, 0, -1, 10, 3)}
        places = {p: client.call("inspect", task=t)["position"] for p, t in tasks.items()}
        self.assertEqual(sorted(places, key=places.get), [10, 3, 0, -1, -10])
        self.end(client, first)
        started = {p: client.call("wait", task=t, timeout=20)["time"]["started"] for p, t in tasks.items()}
        self.assertEqual(sorted(started, key=started.get), [10, 3, 0, -1, -10])

    def test_queue_false_is_refused_where_it_would_wait(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1"))
        first = self.start(client, queue=False)
        error = self.refused(client, "busy", queue=False)
        self.assertEqual(error["field"], "task.queue")
        self.assertGreaterEqual(error["retry_after_ms"], 100)
        self.end(client, first)
        self.end(client, self.start(client, queue=False))
        done = self.cli("run", "--no-queue", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_full_queue_says_how_deep_it_is_and_when_to_come_again(self):
        client = self.connect_to(self.configured("[daemon]\nmax_queue_per_user = 3\n", "--max-tasks", "1", "--max-queue", "4"))
        tasks = [self.start(client) for _ in range(4)]
        error = self.refused(client, "busy")
        self.assertEqual(error["depth"], 3)
        self.assertGreaterEqual(error["retry_after_ms"], 100)
        self.assertIn("3 tasks of this user wait already; at most 3 may", error["message"])
        self.end(client, *tasks)

    def test_those_who_wait_hear_where_they_are(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1"))
        first = self.start(client)
        self.in_state(client, first, "running")
        tags = [client.start({"argv": ["true"]}) for _ in range(3)]

        def told(tag):
            while True:
                event = client.next_for(tag, 10)
                if event["event"] == "state" and "position" in event:
                    return event
                self.assertNotEqual(event["event"], "result")

        self.assertEqual([told(tag)["position"] for tag, _ in tags], [0, 1, 2])
        client.call("cancel", task=tags[0][1])
        self.assertEqual([told(tag)["position"] for tag, _ in tags[1:]], [0, 1])
        listed = {t["task"]: t.get("position") for t in client.call("list")["tasks"]}
        self.assertEqual(listed, {first: None, tags[1][1]: 0, tags[2][1]: 1})
        self.end(client, first)
        for tag, task in tags[1:]:
            self.assertEqual(client.finish(tag, task)[1]["outcome"], "ok")

    def test_who_comes_into_a_busy_queue_hears_it_soon(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1", "--max-queue", "5000"))
        first = self.start(client)
        self.in_state(client, first, "running")
        tag, _ = client.start({"argv": ["true"]})
        others, told = [], []
        end = time.monotonic() + 20 * SCALE
        # A steady stream of others, closer together than the time after which one is told.
        while not told and time.monotonic() < end:
            others.append(client.start(LONG)[0])
            told = [e for e in client.queue if e.get("id") == tag and "position" in e]
            time.sleep(0.01)
        self.assertTrue(told, "not told while %d others came" % len(others))
        client.close()
        self.end(self.connect_to(self.daemon), first)

    def test_one_that_waited_too_long_is_told_where_it_was(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1"))
        first, second = self.start(client), self.start(client)
        third = self.start(client, limits={"queue": "300ms"})
        result = client.call("wait", task=third, timeout=20)
        self.assertEqual((result["outcome"], result["cause"], result["error"]["code"]), ("rejected", "timeout_queue", "busy"), result)
        self.assertRegex(result["error"]["message"], r"it waited .* for its turn; 1 tasks were before it")
        self.end(client, first, second)

    def test_a_thousand_that_wait_are_told_without_a_flood(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1", "--max-queue", "2000"))
        first = self.start(client)
        self.in_state(client, first, "running")
        tags, n = [], 0
        for i in range(1000):
            tags.append(client.send("run", task={"argv": ["true"]}))
            # Who does not read is not told of each.
            try:
                while i % 20 == 0:
                    n += "position" in client.read_event(0.01)
            except TimeoutError:
                pass
        begun = time.monotonic()
        end, last = begun + 3 * SCALE, begun + 60 * SCALE
        while time.monotonic() < (end if n >= 1000 else last):
            try:
                n += "position" in client.read_event(0.2)
            except TimeoutError:
                pass
        self.assertGreaterEqual(n, 1000)
        self.assertLess(n, 1000 * 2 + 4000 / 3 * max(time.monotonic() - begun, 3 * SCALE))
        self.assertEqual(client.call("ping")["protocol"], 1)
        client.close()  # all of them are killed with it
        other = self.connect_to(self.daemon)
        self.end(other, first)
        self.assertTrue(wait_until(lambda: other.call("list")["tasks"] == []))
        self.assertEqual(len(tags), 1000)


@in_modes
class Keys(Queue):
    def key(self, name="deploy", mode="queue"):
        return {"key": name, "mode": mode}

    def test_one_task_with_a_key_at_a_time(self):
        client = self.connect_to(self.new_daemon())
        first = self.start(client, concurrency=self.key())
        self.in_state(client, first, "running")
        second, third = (self.start(client, concurrency=self.key()) for _ in range(2))
        other, free = self.start(client, concurrency=self.key("other")), self.start(client)
        self.in_state(client, other, "running")
        self.in_state(client, free, "running")
        self.assertEqual([self.state(client, t) for t in (second, third)], ["queued", "queued"])
        self.end(client, first)
        self.in_state(client, second, "running")
        self.assertEqual(self.state(client, third), "queued")
        self.end(client, second, third, other, free)

    def test_the_newest_supersedes_those_that_run_and_those_that_wait(self):
        client = self.connect_to(self.new_daemon())
        first = self.start(client, concurrency=self.key())
        self.in_state(client, first, "running")
        second = self.start(client, concurrency=self.key())
        other = self.start(client, concurrency=self.key("other"))
        self.in_state(client, other, "running")
        third = self.start(client, concurrency=self.key(mode="supersede"))
        for task in (first, second):
            result = client.call("wait", task=task, timeout=20)
            self.assertEqual((result["outcome"], result["cause"], result["error"]["code"]), ("cancelled", "cancel", "superseded"), result)
            self.assertIn(third, result["error"]["message"])
        self.in_state(client, third, "running")
        self.assertEqual(self.state(client, other), "running")
        self.end(client, third, other)

    def test_the_newest_takes_a_place_in_a_full_queue(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1", "--max-queue", "1"))
        first = self.start(client)
        self.in_state(client, first, "running")
        second = self.start(client, concurrency=self.key())
        self.refused(client, "busy")
        self.refused(client, "busy", concurrency=self.key("other", "supersede"))
        third = self.start(client, concurrency=self.key(mode="supersede"))
        self.assertEqual(client.call("wait", task=second, timeout=20)["error"]["code"], "superseded")
        self.end(client, first)
        self.in_state(client, third, "running")
        self.end(client, third)

    def test_the_command_line(self):
        self.new_daemon()
        done = self.cli("run", "--concurrency", "k:supersede", "--priority", "-3", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        for bad in (("--concurrency", "k:never"), ("--concurrency", ":queue"), ("--priority", "11"), ("--priority", "x")):
            done = self.cli("run", *bad, "--", "true")
            self.assertEqual(done.returncode, 125)
            self.assertIn(bad[0].encode(), done.stderr)
            self.assertIn(b"fix: ", done.stderr)


@in_modes
class Idempotent(Queue):
    def test_the_same_key_is_the_same_task(self):
        client = self.connect_to(self.new_daemon())
        (first, no), (second, yes) = self.run_twice(client, "k-1")
        self.assertEqual((first, no, yes), (second, False, True))
        self.assertEqual(len(client.call("list")["tasks"]), 1)
        error = self.refused(client, "duplicate", idempotency_key="k-1", argv=["true"])
        self.assertEqual(error["field"], "task.idempotency_key")
        self.end(client, first)
        # Done, and known.
        self.assertEqual(self.run_twice(client, "k-1"), [(first, True), (first, True)])
        other = self.run_twice(client, "k-2")[0][0]
        self.assertNotEqual(other, first)
        self.end(client, other)

    def test_a_repeated_request_is_answered_with_all_of_it(self):
        client = self.connect_to(self.new_daemon())
        task = {"argv": ["sh", "-c", "echo out; exit 3"], "idempotency_key": "all"}
        first, again = client.run(task), client.run(task)
        self.assertEqual(first[1], again[1])
        self.assertEqual((again[2], again[1]["exit"]["code"]), (b"out\n", 3))

    def test_it_is_known_after_a_crash(self):
        daemon = self.new_daemon()
        client = daemon.client()
        task = self.run_twice(client, "k")[0][0]
        self.in_state(client, task, "running")
        kill_daemon(daemon)
        daemon.close_client()
        daemon.start()
        client = daemon.client()
        self.assertEqual(self.run_twice(client, "k"), [(task, True)] * 2)
        self.assertEqual(client.call("wait", task=task)["cause"], "daemon_crash")
        self.refused(client, "duplicate", idempotency_key="k", argv=["true"])



@in_modes
class Caps(Queue):
    def test_of_a_label(self):
        daemon = self.configured("[daemon]\nmax_tasks_per_label = team=ci:2\nmax_tasks_per_label = gpu:1\n")
        client = self.connect_to(daemon)
        tasks = [self.start(client, labels={"team": "ci"}) for _ in range(3)]
        others = [self.start(client, labels={"team": "docs"}) for _ in range(3)] + [self.start(client, labels={"gpu": "a"})]
        gpu = self.start(client, labels={"gpu": "b"})
        for task in tasks[:2] + others:
            self.in_state(client, task, "running")
        self.assertEqual([self.state(client, t) for t in (tasks[2], gpu)], ["queued", "queued"])
        self.end(client, tasks[0], others[3])
        self.in_state(client, tasks[2], "running")
        self.in_state(client, gpu, "running")
        self.end(client, *tasks[1:], *others[:3], gpu)

    def test_of_a_label_after_a_reload(self):
        daemon = self.configured("[daemon]\nmax_tasks_per_label = team=ci:1\n")
        client = self.connect_to(daemon)
        tasks = [self.start(client, labels={"team": "ci", "x": "y"}) for _ in range(2)]
        self.in_state(client, tasks[0], "running")
        self.assertEqual(self.state(client, tasks[1]), "queued")
        conf = daemon.args[daemon.args.index("--config") + 1]
        with open(conf, "w") as f:
            f.write("[daemon]\nmax_tasks_per_label = x:2\n")
        daemon.process.send_signal(1)
        self.in_state(client, tasks[1], "running")
        third = self.start(client, labels={"x": ""})
        self.end(client, tasks[0])
        self.in_state(client, third, "running")
        self.end(client, tasks[1], third)

    def test_the_sum_of_the_memory_limits(self):
        daemon = self.configured("[daemon]\nadmit_memory = 100MiB\nadmit_memory_per_user = 100MiB\n")
        client = self.connect_to(daemon)
        with_memory = {"best_effort": ["memory"]}
        error = self.refused(client, "not_allowed", limits={"memory": "101MiB"}, **with_memory)
        self.assertEqual(error["field"], "task.limits.memory")
        first, second = (self.start(client, limits={"memory": "60MiB", "grace": "50ms"}, **with_memory) for _ in range(2))
        small, without = self.start(client, limits={"memory": "40MiB", "grace": "50ms"}, **with_memory), self.start(client)
        for task in (first, small, without):
            self.in_state(client, task, "running")
        self.assertEqual(self.state(client, second), "queued")
        self.end(client, first)
        self.in_state(client, second, "running")
        self.end(client, second, small, without)

    def reload(self, text):
        daemon = self.daemon
        with open(daemon.args[daemon.args.index("--config") + 1], "w") as f:
            f.write(text)
        daemon.process.send_signal(1)

    def test_one_that_fits_no_more_after_a_reload_ends_and_holds_up_nobody(self):
        client = self.connect_to(self.configured("[daemon]\nadmit_memory = 100MiB\n", "--max-tasks", "1"))
        first = self.start(client)
        self.in_state(client, first, "running")
        big = self.start(client, limits={"memory": "60MiB"}, best_effort=["memory"])
        rest = [self.start(client, argv=["true"]) for _ in range(20)]
        self.reload("[daemon]\nadmit_memory = 50MiB\n")
        result = client.call("wait", task=big, timeout=20)
        self.assertEqual((result["outcome"], result["error"]["code"], result["error"]["field"]),
                         ("cancelled", "not_allowed", "task.limits.memory"), result)
        self.assertIn("60.0 MiB is more than all tasks may have together: 50.0 MiB", result["error"]["message"])
        self.end(client, first)
        for task in rest:
            self.assertEqual(client.call("wait", task=task, timeout=20)["outcome"], "ok")

    def test_limits_that_are_only_defaults_count_in_the_sums(self):
        if self.mode == "root":
            text = "[daemon]\nadmit_memory = 100MiB\n[defaults]\nmemory = 60MiB\n"
        else:
            text = "[daemon]\nadmit_cpus = 1\n[defaults]\ncpus = 0.6\n"
        client = self.connect_to(self.configured(text))
        first, second = (self.start(client, best_effort=["memory", "cpus"]) for _ in range(2))
        self.in_state(client, first, "running")
        time.sleep(0.2)
        self.assertEqual(self.state(client, second), "queued")
        self.end(client, first)
        self.in_state(client, second, "running")
        self.end(client, second)

    def test_queue_false_may_pass_those_who_wait_for_something_else(self):
        client = self.connect_to(self.configured("[daemon]\nmax_tasks_per_label = gpu:1\n"))
        tasks = [self.start(client, labels={"gpu": "a"}) for _ in range(2)]
        self.in_state(client, tasks[0], "running")
        self.refused(client, "busy", queue=False, labels={"gpu": "b"})
        free = self.start(client, queue=False)
        self.in_state(client, free, "running")
        self.assertEqual(self.state(client, tasks[1]), "queued")
        self.end(client, *tasks, free)

    def test_bad_settings_are_named(self):
        for line, why in (("max_tasks_per_label = team", "KEY:N"), ("max_tasks_per_label = :3", "KEY:N"), ("max_tasks_per_label = a:0", "KEY:N"),
                          ("admit_memory = lots", "a size"), ("max_tasks_per_user = -1", "max_tasks_per_user")):
            with self.assertRaises(AssertionError) as caught:
                self.configured("[daemon]\n%s\n" % line)
            self.assertIn(why, str(caught.exception))
            self.daemon.process.wait(10)
            self.daemon.process = None



@in_modes
class Drain(Queue):
    def test_nothing_new_and_what_is_there_goes_on(self):
        client = self.connect_to(self.new_daemon("--max-tasks", "1"))
        first, second = self.start(client), self.start(client)
        self.in_state(client, first, "running")
        shown = self.cli("drain", root=self.mode == "root")
        self.assertEqual((shown.returncode, shown.stdout), (0, b"takes no new tasks; 1 running, 1 waiting\n"), shown.stderr)
        error = self.refused(client, "draining")
        self.assertIn("--off", error["hint"])
        self.assertGreaterEqual(error["retry_after_ms"], 1000)
        self.end(client, first)
        self.in_state(client, second, "running")
        self.assertTrue(client.call("info")["draining"])
        self.assertEqual(self.cli("drain", "--off", root=self.mode == "root").returncode, 0)
        self.end(client, second, self.start(client))


@in_modes
class Users(Queue):
    modes = ("root",)  # a rootless daemon has one user

    def test_the_concurrency_key_of_another_user_is_another_key(self):
        daemon = self.new_daemon("--allow-all")
        ours, theirs = self.connect_to(daemon, OTHERS[0]), self.connect_to(daemon, OTHERS[1])
        first = self.start(ours, concurrency={"key": "deploy"})
        self.in_state(ours, first, "running")
        second = self.start(theirs, concurrency={"key": "deploy", "mode": "supersede"})
        self.in_state(theirs, second, "running")
        self.assertEqual(self.state(ours, first), "running")
        self.end(ours, first)
        self.end(theirs, second)

    def test_the_idempotency_key_of_another_user_is_another_key(self):
        daemon = self.new_daemon("--allow-all")
        ours, theirs = self.connect_to(daemon, OTHERS[0]), self.connect_to(daemon, OTHERS[1])
        mine = self.run_twice(ours, "k")[0][0]
        foreign = self.run_twice(theirs, "k", argv=["sleep", "97532"])
        self.assertEqual([d for _, d in foreign], [False, True])
        self.assertNotEqual(foreign[0][0], mine)
        self.end(ours, mine)
        self.end(theirs, foreign[0][0])

    def test_the_cap_of_a_user(self):
        daemon = self.configured("[daemon]\nmax_tasks_per_user = 1\nmax_queue_per_user = 1\n[access]\nall = yes\n")
        ours, theirs = self.connect_to(daemon, OTHERS[0]), self.connect_to(daemon, OTHERS[1])
        first, second = self.start(ours), self.start(ours)
        error = self.refused(ours, "busy")
        self.assertEqual(error["depth"], 1)
        foreign = self.start(theirs)
        self.in_state(theirs, foreign, "running")
        self.assertEqual(self.state(ours, second), "queued")
        self.end(ours, first, second)
        self.end(theirs, foreign)

    def test_who_may_go_before_others(self):
        daemon = self.configured("[policy]\nmax_priority = 3\n[access]\nall = yes\n")
        client = self.connect_to(daemon, OTHERS[0])
        error = self.refused(client, "not_allowed", priority=4)
        self.assertEqual(error["field"], "task.priority")
        tasks = [self.start(client, priority=p) for p in (3, -10)]
        root = self.connect_to(daemon, 0)
        self.end(root, self.start(root, priority=10))
        self.end(client, *tasks)

    def test_draining_is_not_for_everybody(self):
        daemon = self.new_daemon("--allow-all")
        with self.assertRaises(DaemonError) as caught:
            self.connect_to(daemon, USER).call("drain")
        self.assertEqual(caught.exception.code, "not_allowed")
        self.assertTrue(self.connect_to(daemon, 0).call("drain")["draining"])
