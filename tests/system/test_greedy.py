"""What a user does with a daemon that others use too costs the others nothing."""
import contextlib
import json
import os
import select
import signal
import time

from dayfly_client import SCALE
from dayfly_host import process_table, processes_of, rss_kib
from dayfly_test import DaemonError, in_modes

from common import OwnDaemons, assert_grown_less, cpu_seconds, wait_until

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
        assert_grown_less(self, self.daemon.process.pid, before, 50 << 10)
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
            self.other.run(self.memory_task(10, ["true"]), timeout=60)

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
        self.other.run(self.memory_task(10, ["true"]), timeout=60)
        self.other.run({"argv": ["true"]}, timeout=60)

    def fill_queue(self, n):
        """So that its list is long."""
        labels = {"k%02d" % i + "x" * 55: "\u00e9" * 128 for i in range(16)}
        for _ in range(n):
            self.greedy.start({"argv": ["sleep", "1000"], "labels": labels, "limits": {"queue": "1h", "grace": "50ms"}}, detach=True)

    @contextlib.contextmanager
    def flood(self, n, request):
        """Meanwhile a process sends this over n connections as fast as it can, and reads the answers."""
        clients = [self.connect_to(self.daemon, OTHERS[0]) for _ in range(n)]
        pid = os.fork()
        if pid == 0:
            try:
                lines, at = request * max(1, 300000 // len(request)), {c.sock: 0 for c in clients}
                for s in at:
                    s.setblocking(False)
                while True:
                    readable, writable, _ = select.select(at, at, [])
                    for s in readable:
                        s.recv(1 << 20)
                    for s in writable:
                        at[s] = (at[s] + s.send(memoryview(lines)[at[s]:])) % len(lines)
            finally:
                os._exit(1)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            for client in clients:
                client.close()

    def assert_served(self, request):
        """While the flood lasts others have their answers: between two of them the daemon does little else, however long that takes here."""
        with self.flood(160, request):
            time.sleep(2)
            start = cpu_seconds(self.daemon.process.pid)
            for _ in range(10):
                self.other.call("ping", timeout=60)
            self.assertLess(cpu_seconds(self.daemon.process.pid) - start, 3 * SCALE)
            self.other.run({"argv": ["true"]}, timeout=60)

    def test_K8_a_flood_of_long_answers_leaves_time_for_others(self):
        self.start_daemon("--max-tasks", "8")
        self.fill_queue(200)
        self.assert_served(b'{"op":"list","id":"a","all":true}\n')

    def test_K8_a_flood_of_lists_with_usage_leaves_time_for_others(self):
        """They wait for the warden, and are then answered in their user's part of a turn."""
        self.start_daemon("--max-tasks", "8")
        self.fill_queue(200)
        self.assert_served(b'{"op":"list","id":"a","all":true,"usage":true}\n')

    def test_K8_a_flood_of_snapshots_leaves_time_for_others(self):
        self.start_daemon("--max-tasks", "8")
        self.fill_queue(200)
        self.assert_served(b'{"op":"events","id":"a","snapshot":true}\n{"op":"unsubscribe","id":"b","request":"a"}\n')

    def test_K8_a_flood_of_long_requests_leaves_time_for_others(self):
        self.start_daemon()
        self.assert_served(json.dumps({"op": "run", "id": "a", "task": {"argv": ["x"] * 60000, "naem": 1}}).encode() + b"\n")

    def follow(self, n_connections, n_requests, task):
        clients = [self.connect_to(self.daemon, OTHERS[0]) for _ in range(n_connections)]
        for client in clients:
            client.send_bytes(b"".join(b'{"op":"wait","id":"%d","task":"%s"}\n' % (n, task.encode()) for n in range(n_requests)))
            client.call("ping", timeout=60)
        return clients

    def test_K8_the_end_of_a_task_that_thousands_wait_for_leaves_time_for_others(self):
        self.start_daemon()
        tag, task = self.greedy.start({"argv": ["sleep", "1000"], "limits": {"wall": "1h", "grace": "1s"}}, detach=True)
        clients = self.follow(64, 60, task)
        told = select.poll()
        for client in clients:
            told.register(client.sock, select.POLLIN)
        self.greedy.send("cancel", task=task)
        n_meanwhile = n_told = 0
        while n_told < len(clients):
            self.other.call("ping", timeout=60)
            n_told = len(told.poll(0))
            n_meanwhile += 0 < n_told < len(clients)
        # One may have been answered just before all of them were told, and one just after the first.
        self.assertGreater(n_meanwhile, 2)
        for client in clients:
            for n in range(60):
                self.assertEqual(client.next_for("%d" % n)["result"]["cause"], "cancel")

    def test_K8_requests_that_follow_tasks_are_bounded(self):
        self.start_daemon()
        tag, task = self.greedy.start({"argv": ["sleep", "1000"], "idempotency_key": "k"}, detach=True)
        clients = self.follow(8, 512, task)
        for op in ("wait", "attach", "logs"):
            with self.assertRaises(DaemonError) as caught:
                self.greedy.call(op, task=task)
            self.assertEqual(caught.exception.code, "busy", caught.exception.error)
            self.assertIn("at most 4096 may", caught.exception.error["message"])
        # Also those that ask for a task that is there already. New ones it does not concern.
        with self.assertRaises(DaemonError) as caught:
            self.greedy.start({"argv": ["sleep", "1000"], "idempotency_key": "k"})
        self.assertEqual(caught.exception.code, "busy", caught.exception.error)
        self.greedy.run({"argv": ["true"]})
        tag, own = self.other.start({"argv": ["true"]}, detach=True)
        self.assertEqual(self.other.call("wait", task=own)["cause"], "exit")
        clients.pop().close()
        self.assertTrue(wait_until(lambda: self.greedy.call("info")["counts"]["connections"] == 9))
        tag = self.greedy.send("wait", task=task)
        self.greedy.call("cancel", task=task)
        self.assertEqual(self.greedy.next_for(tag)["result"]["cause"], "cancel")

    def assert_time_for_others(self, pings_meanwhile):
        """In one of three tries. Who does not get the CPU, as on a busy machine, asks less often; and where there was no time, it is none or one each time."""
        self.assertTrue(any(pings_meanwhile() > 2 for _ in range(3)))

    def pings_between_ends(self, tasks, end):
        """How often another user is answered after the first of them has ended and before the last has."""
        told = select.poll()
        clients = [self.follow(1, 1, t)[0] for t in (tasks[0], tasks[-1])]
        for client in clients:
            told.register(client.sock, select.POLLIN)
        end()
        n_meanwhile = n_told = 0
        while n_told < 2:
            self.other.call("ping", timeout=60)
            n_told = len(told.poll(0))
            n_meanwhile += n_told == 1
        return n_meanwhile

    def test_many_tasks_that_one_supersedes_leave_time_for_others(self):
        self.start_daemon("--max-tasks", "1")
        self.daemon.connect(0).start({"argv": ["sleep", "1000"], "limits": {"wall": "1h", "grace": "50ms"}}, detach=True)
        task = {"argv": ["sleep", "1000"], "concurrency": {"key": "k"}, "limits": {"queue": "1h", "grace": "50ms"}}
        last = dict(task, concurrency={"key": "k", "mode": "supersede"})

        def supersede():
            tasks = [self.greedy.start(task, detach=True)[1] for _ in range(500)]
            meanwhile = self.pings_between_ends(tasks, lambda: self.greedy.send("run", task=last, detach=True))
            for n in (0, 250, -1):
                result = self.greedy.call("wait", task=tasks[n])
                self.assertEqual((result["outcome"], result["cause"], result["phase"], result["error"]["code"]), ("cancelled", "cancel", "queue", "superseded"))
            self.greedy.call("cancel", task=self.greedy.call("list")["tasks"][0]["task"])
            return meanwhile

        self.assert_time_for_others(supersede)

    def test_tasks_that_were_superseded_say_so_where_the_daemon_stops(self):
        self.start_daemon("--max-tasks", "1")
        self.daemon.connect(0).start({"argv": ["sleep", "1000"], "limits": {"wall": "1h", "grace": "50ms"}}, detach=True)
        task = {"argv": ["true"], "concurrency": {"key": "k"}, "limits": {"queue": "1h"}}
        tasks = [self.greedy.start(task, detach=True)[1] for _ in range(500)]
        last, = self.follow(1, 1, tasks[-1])
        # Both come in one turn of its loop, which looks at signals last.
        self.daemon.process.send_signal(signal.SIGSTOP)
        self.greedy.send("run", task=dict(task, concurrency={"key": "k", "mode": "supersede"}), detach=True)
        self.daemon.process.send_signal(signal.SIGTERM)
        self.daemon.process.send_signal(signal.SIGCONT)
        result = last.next_for("0")["result"]
        self.assertEqual((result["outcome"], result["cause"], result["error"]["code"]), ("cancelled", "cancel", "superseded"))

    def test_many_tasks_that_a_reload_leaves_no_room_for_leave_time_for_others(self):
        room = "admit_memory = 100MiB\nadmit_memory_per_user = 100MiB\n"
        self.limited(room, "--max-tasks", "1")
        self.daemon.connect(0).start({"argv": ["sleep", "1000"], "limits": {"wall": "1h", "grace": "50ms"}}, detach=True)

        def reload(text):
            args = self.daemon.args
            with open(args[args.index("--config") + 1], "w") as f:
                f.write("[daemon]\n" + text)
            self.daemon.process.send_signal(signal.SIGHUP)

        def is_taken():
            with contextlib.suppress(DaemonError):
                return self.greedy.start(self.memory_task(60), detach=True)[1]

        def take_room():
            reload(room)
            tasks = [wait_until(is_taken)] + [self.greedy.start(self.memory_task(60), detach=True)[1] for _ in range(500)]
            meanwhile = self.pings_between_ends(tasks, lambda: reload("admit_memory = 50MiB\n"))
            for n in (0, 250, -1):
                result = self.greedy.call("wait", task=tasks[n])
                self.assertEqual((result["outcome"], result["error"]["code"]), ("cancelled", "not_allowed"))
            return meanwhile

        self.assert_time_for_others(take_room)

    def test_where_the_daemon_stops_those_that_run_are_told_before_those_that_wait_end(self):
        self.start_daemon("--max-tasks", "2")
        root = self.daemon.connect(0)
        one = {"argv": ["sleep", "1000"], "concurrency": {"key": "k"}, "limits": {"wall": "1h", "queue": "1h"}}
        tasks = [self.greedy.start(one, detach=True)[1] for _ in range(100)][1:]
        last, = self.follow(1, 1, tasks[-1])
        tag, late = self.other.start({"argv": ["sleep", "1000"], "limits": {"wall": "1h"}})
        self.other.wait_state(tag, "running")
        events = root.send("events", all=True)
        self.assertEqual(root.next_for(events)["event"], "subscribed")
        self.daemon.process.send_signal(signal.SIGTERM)
        ended = []
        while (event := root.next_for(events))["task"] != late or event["state"] != "stopping":
            ended += [event["task"]] if event["state"] == "done" else []
        self.assertEqual(set(ended) & set(tasks), set())
        result = last.next_for("0")["result"]
        self.assertEqual((result["outcome"], result["cause"], result["phase"]), ("rejected", "shutdown", "queue"))
        while (event := root.next_for(events))["event"] == "task":
            ended += [event["task"]] if event["state"] == "done" else []
        self.assertEqual((event["error"]["code"], set(tasks) - set(ended)), ("shutting_down", set()))
        self.assertEqual(self.daemon.process.wait(60), 0)

    def jail_inits(self):
        table = process_table()
        return [pid for pid in processes_of(self.daemon.stage.bin, table) if table[pid][1] == "dayfly-init"]

    def one_runs_and_others_wait(self):
        """
        One place, in which the first of two tasks of the greedy user runs for two seconds; ten of the other user's wait. Returns the tasks
        of both.
        """
        self.start_daemon("--max-tasks", "1")
        root = self.daemon.connect(0)
        first = root.start({"argv": ["sleep", "1000"], "limits": {"wall": "1h", "grace": "50ms"}}, detach=True)[1]
        long = {"argv": ["sleep", "1000"], "limits": {"wall": "1h", "queue": "1h", "grace": "50ms"}}
        mine = [self.greedy.start(long, detach=True)[1] for _ in range(2)]
        others = [self.other.start({"argv": ["true"], "limits": {"queue": "1h"}}, detach=True)[1] for _ in range(10)]
        root.call("cancel", task=first)
        self.assertTrue(wait_until(lambda: self.greedy.call("inspect", task=mine[0])["state"] == "running", 20))
        time.sleep(2)
        return mine, others

    def test_a_task_whose_CPU_time_nobody_knows_is_not_for_nothing(self):
        """Its jail died before it had counted: its user's turn comes as late as if it had used the CPU all the time."""
        mine, others = self.one_runs_and_others_wait()
        for pid in self.jail_inits():
            os.kill(pid, signal.SIGKILL)
        self.assertIsNone(self.greedy.call("wait", task=mine[0])["cpu"]["user"])
        for task in others:
            self.assertEqual(self.other.call("wait", task=task, timeout=60)["cause"], "exit")
        self.greedy.call("cancel", task=mine[1])

    def test_tasks_that_die_with_the_warden_cost_what_they_are_known_to_have_used(self):
        """That they were lost is not their user's doing: those that wait are not passed over for as long as these have slept."""
        mine, others = self.one_runs_and_others_wait()
        os.kill(self.daemon.wardens()[0], signal.SIGKILL)
        self.assertEqual(self.greedy.call("wait", task=mine[0])["outcome"], "lost")
        self.assertTrue(wait_until(lambda: self.greedy.call("inspect", task=mine[1])["state"] == "running", 60))
        self.assertEqual(self.other.call("inspect", task=others[-1])["state"], "queued")
        self.greedy.call("cancel", task=mine[1])

    def test_K8_a_detached_run_that_repeats_a_key_is_answered_however_many_follow(self):
        self.start_daemon()
        again = {"argv": ["sleep", "1000"], "idempotency_key": "k"}
        tag, task = self.greedy.start(again, detach=True)
        clients = self.follow(8, 512, task)
        with self.assertRaises(DaemonError) as caught:
            self.greedy.start(again)
        self.assertEqual(caught.exception.code, "busy", caught.exception.error)
        for _ in range(2):
            self.assertEqual(self.greedy.start(again, detach=True)[1], task)
        self.greedy.call("cancel", task=task)
        for client in clients:
            self.assertEqual(client.next_for("0")["result"]["cause"], "cancel")

    def test_K8_requests_that_are_not_complete_take_bounded_room(self):
        self.start_daemon()
        before = rss_kib(self.daemon.process.pid)
        clients = [self.connect_to(self.daemon, OTHERS[0]) for _ in range(200)]
        for client in clients:
            try:
                client.send_bytes(b'{"op":"ping","id":"' + b"x" * 1500000)
            except OSError:  # it was closed meanwhile
                pass
        assert_grown_less(self, self.daemon.process.pid, before, 160 << 10)
        error = clients[-1].read_event()["error"]
        self.assertEqual(error["code"], "busy", error)
        self.other.run({"argv": ["true", "x" * 100000]})
        for client in clients:
            client.close()
        self.assertTrue(wait_until(lambda: self.greedy.call("info")["counts"]["connections"] == 2))
        self.greedy.run({"argv": ["true", "x" * 100000]})

    def test_K6_answers_that_nobody_reads_take_bounded_room(self):
        self.start_daemon("--max-tasks", "8")
        self.fill_queue(300)
        before = rss_kib(self.daemon.process.pid)
        clients = [self.connect_to(self.daemon, OTHERS[0]) for _ in range(100)]
        tags = [client.send("list") for client in clients]
        end = time.monotonic() + 6 * SCALE
        while time.monotonic() < end:
            self.other.call("ping")
            time.sleep(0.05)
        assert_grown_less(self, self.daemon.process.pid, before, 110 << 10)
        self.other.run({"argv": ["true"]})
        # Who reads gets all of them.
        for client, tag in zip(clients, tags):
            self.assertEqual(len(client.next_for(tag, 60)["result"]["tasks"]), 300)
