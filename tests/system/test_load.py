"""Much at once: a burst of tasks, idle connections, floods that nobody reads, readers that stop, vanish and come back: J15, J16, K8, G10.

The short form runs here; DAYFLY_LOAD=long runs 1,000 tasks, 5,000 connections and 100 floods.
"""
import collections
import json
import resource
import time

from dayfly_client import SCALE
from dayfly_load import IS_LONG, Idle, configure, count, metric, percentile, say
from dayfly_test import in_modes

from common import OwnDaemons, assert_grown_less, plain_socket, raise_open_files, rss_kib, wait_until

KIB, MIB = 1024, 1 << 20
# What the daemon may hold for one client that does not read (src/daemon/connection.h): output is added while less than CONNECTION_OUT_LOW
# waits, one record of 64 KiB at a time, which as JSON may be twice that; the buffer grows by doubling.
HELD_PER_CLIENT = 512 * KIB


class Loaded(OwnDaemons):
    def loaded_daemon(self, text="", **popen):
        daemon = configure(self.new_daemon(start=False), "[daemon]\n" + text)
        daemon.start(**popen)
        daemon.warm_up()
        return daemon

    def run_true(self, daemon):
        client = self.connect_to(daemon)
        began = time.monotonic()
        result = client.run({"argv": ["true"]})[1]
        self.assertEqual(result["outcome"], "ok")
        client.close()
        return time.monotonic() - began


@in_modes
class Burst(Loaded):
    TASKS, CLIENTS = (1000, 10) if IS_LONG else (300, 6)

    def test_J15_a_burst_of_tasks_gets_one_result_each(self):
        daemon = self.loaded_daemon("max_queue = %d\n" % (4 * self.TASKS))  # one user may have half
        turns, ended = metric(daemon, "loop_turn_seconds"), count(daemon, "tasks_finished", outcome="ok")
        clients = [self.connect_to(daemon) for _ in range(self.CLIENTS)]
        began = time.monotonic()
        for i in range(self.TASKS):
            clients[i % self.CLIENTS].send("run", id="n%d" % i, task={"argv": ["echo", str(i)]})
        tasks, wrote = set(), {}
        seen = collections.Counter()
        for i in range(self.TASKS):
            tag = "n%d" % i
            for event in clients[i % self.CLIENTS].events(tag, 120):
                seen[event["event"]] += 1
                if event["event"] == "accepted":
                    tasks.add(event["task"])
                elif event["event"] == "output":
                    wrote[i] = wrote.get(i, b"") + event["data"]
                elif event["event"] == "result":
                    self.assertEqual((event["result"]["outcome"], event["result"]["task"]), ("ok", event["task"]))
        took = time.monotonic() - began
        self.assertEqual((seen["accepted"], seen["result"], seen["error"], len(tasks)), (self.TASKS, self.TASKS, 0, self.TASKS))
        self.assertEqual(wrote, {i: b"%d\n" % i for i in range(self.TASKS)})
        # Nothing comes behind a result, on any connection.
        for client in clients:
            client.call("ping")
            self.assertEqual(client.queue, [])
        self.assertEqual(count(daemon, "tasks_finished", outcome="ok") - ended, self.TASKS)
        p99, n = percentile(turns, metric(daemon, "loop_turn_seconds"))
        say("%d tasks at once: %.0f a second; loop_turn_seconds p99 <= %.3f ms of %d turns" % (self.TASKS, self.TASKS / took, p99, n))


@in_modes
class Connections(Loaded):
    IDLE = 5000 if IS_LONG else 300

    def test_K8_beside_many_idle_connections_a_task_runs(self):
        raise_open_files()
        # Half of the daemon's descriptors are for clients.
        n = min(self.IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 8)
        daemon = self.loaded_daemon("max_connections = %d\nmax_connections_per_user = %d\n" % (n + 4, n + 2))
        before, alone = rss_kib(daemon.process.pid), self.run_true(daemon)
        idle = Idle(daemon, n)
        try:
            self.assertTrue(wait_until(lambda: count(daemon, "connections") >= n, 30))
            beside = self.run_true(daemon)
            grown = rss_kib(daemon.process.pid) - before
            for answer in idle.ask(50):
                self.assertEqual(json.loads(answer)["event"], "result")
            say("%d idle connections: %.1f KiB each in dayflyd; a task beside them %.1f ms, alone %.1f ms" %
                (n, grown / n, beside * 1000, alone * 1000))
            assert_grown_less(self, daemon.process.pid, before, 8 * n + 4096)
            more = [plain_socket(daemon.socket) for _ in range(3)]
            refusal = json.loads(more[2].recv(4096))
            self.assertEqual(refusal["error"]["code"], "busy")
            self.assertIn("max_connections_per_user", refusal["error"]["hint"])
            for s in more:
                s.close()
        finally:
            idle.close()
        self.assertTrue(wait_until(lambda: count(daemon, "connections") == 1, 30))

    def test_K8_more_clients_than_descriptors_are_told_and_tasks_still_run(self):
        limit = 256
        daemon = self.loaded_daemon("max_connections = 5000\nmax_connections_per_user = 5000\n",
                                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
        self.assertIn("max_connections is 5000, but 128 clients are the most", daemon.log())
        worker = self.connect_to(daemon)
        worker.call("ping")
        idle = Idle(daemon, limit // 2 - 1)
        try:
            refused = plain_socket(daemon.socket)
            error = json.loads(refused.recv(4096))["error"]
            refused.close()
            self.assertEqual(error["code"], "busy")
            self.assertIn("open files", error["message"])
            self.assertIn("LimitNOFILE=", error["hint"])
            self.assertEqual(worker.run({"argv": ["true"]})[1]["outcome"], "ok")
        finally:
            idle.close()


@in_modes
class Floods(Loaded):
    FLOODS = 100 if IS_LONG else 20
    SECONDS = 10 if IS_LONG else 3

    def test_G10_floods_whose_readers_do_not_read_stay_within_the_buffers(self):
        daemon = self.loaded_daemon("max_tasks = %d\n" % (self.FLOODS + 4))
        before, turns = rss_kib(daemon.process.pid), metric(daemon, "loop_turn_seconds")
        alone = min(self.run_true(daemon) for _ in range(5))
        deaf = [self.connect_to(daemon) for _ in range(self.FLOODS)]
        for client in deaf:
            client.send("run", id="f", task={"argv": ["yes"], "limits": {"output": "4MiB"}})
        self.assertTrue(wait_until(lambda: count(daemon, "tasks_running") == self.FLOODS, 30))
        peak, beside = 0, []
        end = time.monotonic() + self.SECONDS
        while time.monotonic() < end or len(beside) < 3:
            beside.append(self.run_true(daemon))
            peak = max(peak, rss_kib(daemon.process.pid) - before)
            time.sleep(0.05)
        bound = self.FLOODS * HELD_PER_CLIENT // KIB + 8 * KIB
        p99, n = percentile(turns, metric(daemon, "loop_turn_seconds"))
        say("%d floods that nobody reads: dayflyd grew by %d KiB, the bound is %d; loop_turn_seconds p99 <= %.3f ms of %d turns" %
            (self.FLOODS, peak, bound, p99, n))
        say("a task beside them %.1f ms (p50 of %d), alone %.1f ms" % (sorted(beside)[len(beside) // 2] * 1000, len(beside), alone * 1000))
        assert_grown_less(self, daemon.process.pid, before, bound)
        for client in deaf:
            client.close()
        self.assertTrue(wait_until(lambda: count(daemon, "tasks_running") == 0, 30))
        self.run_true(daemon)


class Numbered:
    """Output that says at which byte it belongs: lines of ten bytes, and each is its own number."""

    FIRST = 100000000

    @classmethod
    def argv(cls, size):
        return ["seq", str(cls.FIRST), str(cls.FIRST + size // 10 - 1)]

    @classmethod
    def bytes(cls, start, size):
        first, last = start // 10, (start + size + 9) // 10
        text = b"".join(b"%d\n" % (cls.FIRST + n) for n in range(first, last))
        return text[start - first * 10:][:size]


@in_modes
class Readers(Loaded):
    """What a reader has at the end, from one that read without a pause."""

    def read_on(self, client, tag, seqs, position, until=None):
        """Checks each byte; notes at which position each record ends. Returns (position, missed) at the end, or behind so many records."""
        missed = 0
        for event in client.events(tag, 60):
            if event["event"] != "output":
                continue
            if "truncated" in event:
                self.assertNotIn("at_most", event)
                missed += event["truncated"]
                position += event["truncated"]
                continue
            self.assertEqual(event["data"], Numbered.bytes(position, len(event["data"])), "record %d at %d" % (event["seq"], position))
            position += len(event["data"])
            seqs[event["seq"]] = position
            if until is not None and len(seqs) >= until:
                break
        return position, missed

    def start_kept(self, daemon, size, limit):
        client = self.connect_to(daemon)
        tag, task = client.start({"argv": Numbered.argv(size), "limits": {"output": limit}, "on_disconnect": "keep"}, framing="raw")
        return client, tag, task

    def attach(self, daemon, task, after):
        client = self.connect_to(daemon)
        return client, client.send("attach", task=task, after=after, framing="raw")

    def test_K6_a_reader_that_stops_for_a_while_misses_nothing(self):
        """The task waits for it (for ten seconds at most)."""
        daemon, seqs, size = self.loaded_daemon(), {}, 12000000
        client, tag, task = self.start_kept(daemon, size, "64MiB")
        position, missed = self.read_on(client, tag, seqs, 0, until=3)
        time.sleep(1)
        self.assertEqual(daemon.client().call("inspect", task=task)["state"], "running")
        self.assertEqual(missed, 0)
        self.assertEqual(self.read_on(client, tag, seqs, position), (size, 0))

    def test_I11_a_reader_that_vanishes_and_comes_back_gets_the_rest(self):
        """Again and again while the task writes, then from its kept output: each time exactly what comes behind the record it had last."""
        daemon, seqs, size = self.loaded_daemon(), {}, 8000000
        client, tag, task = self.start_kept(daemon, size, "64MiB")
        position = 0
        for turn in range(1, 9):
            position, missed = self.read_on(client, tag, seqs, position, until=5 * turn)
            self.assertEqual(missed, 0)
            client.close()
            client, tag = self.attach(daemon, task, max(seqs))
        self.assertEqual(self.read_on(client, tag, seqs, position), (size, 0))
        # The task is done: its file is all that is left.
        for after in sorted(seqs)[::max(1, len(seqs) // 6)]:
            client, tag = self.attach(daemon, task, after)
            self.assertEqual(self.read_on(client, tag, {}, seqs[after]), (size, 0), after)
        client, tag = self.attach(daemon, task, 0)
        self.assertEqual(self.read_on(client, tag, {}, 0), (size, 0))

    def test_I11_what_a_late_reader_missed_is_counted_to_the_byte(self):
        """More than the log keeps (64 MiB): the oldest records are gone when it comes back."""
        daemon, seqs, size = self.loaded_daemon(), {}, 110000000
        client, tag, task = self.start_kept(daemon, size, "256MiB")
        self.read_on(client, tag, seqs, 0, until=200)
        client.close()
        result = daemon.client().call("wait", task=task, timeout=120)
        self.assertEqual((result["outcome"], result["output"]["stdout"]["bytes"]), ("ok", size))
        firsts = set()
        for after in sorted(seqs)[::8]:
            client, tag = self.attach(daemon, task, after)
            got = {}
            position, missed = self.read_on(client, tag, got, seqs[after], until=2)
            client.close()
            self.assertGreater(missed, 0, after)
            # Every byte behind the gap was where it belongs, so the count was right.
            firsts.add(seqs[after] + missed)
        self.assertEqual(len(firsts), 1)
        say("%d readers came back for output that was gone: each missed count was exact" % len(sorted(seqs)[::8]))

    def test_K7_a_reader_that_vanishes_takes_its_task_along(self):
        """Unless it said otherwise; and nobody else's."""
        daemon = self.loaded_daemon()
        other = daemon.client()
        kept_tag, kept = other.start({"argv": ["sh", "-c", "echo up; read x; echo over"], "stdin": "stream"})
        other.wait_output(kept_tag, b"up")
        flood = self.connect_to(daemon)
        tag, task = flood.start({"argv": ["yes"], "limits": {"output": "4MiB"}})
        flood.wait_output(tag, b"y")
        flood.close()
        result = other.call("wait", task=task, timeout=30)
        self.assertEqual((result["outcome"], result["cause"]), ("cancelled", "client_gone"))
        other.call("input", task=kept, text="x\n")
        self.assertEqual(other.finish(kept_tag, kept)[1]["outcome"], "ok")
