"""Subscriptions to the changes of state of tasks."""
import json
import os
import re
import select
import signal
import socket
import time

from dayfly_client import SCALE
from dayfly_host import USER, rss_kib
from dayfly_test import DaemonError, in_modes

from common import OwnDaemons, assert_grown_less, start_cli, wait_until

OTHER = 61301
ORDER = ["queued", "starting", "running", "stopping", "collecting", "done"]


def subscribe(client, **fields):
    """Returns the tag, and the events that came before the subscription had begun."""
    tag, before = client.send("events", **fields), []
    while True:
        event = client.next_for(tag)
        if event["event"] == "error":
            raise DaemonError(event["error"])
        if event["event"] == "subscribed":
            return tag, before, event
        before.append(event)


def until_done(client, tag, task=None):
    events = []
    while True:
        event = client.next_for(tag)
        assert event["event"] == "task", event
        events.append(event)
        if event["state"] == "done" and task in (None, event["task"]):
            return events


@in_modes
class Events:
    def test_every_state_is_told_once_and_in_order(self):
        watcher = self.new_client()
        tag, before, _ = subscribe(watcher)
        self.assertEqual(before, [])
        run = self.client.run({"argv": ["sh", "-c", "exit 3"], "name": "seen", "labels": {"team": "core", "n": "1"}})
        events = until_done(watcher, tag)
        states = [e["state"] for e in events]
        self.assertEqual(states, sorted(states, key=ORDER.index))
        self.assertEqual(states[0], "queued")
        self.assertEqual(len(set(states)), len(states))
        self.assertIn("running", states)
        for event in events:
            self.assertEqual((event["task"], event["name"], event["labels"]), (run[0], "seen", {"team": "core", "n": "1"}))
            self.assertRegex(event["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
            self.assertNotIn("snapshot", event)
        stamps = [e["boot_us"] for e in events]
        self.assertEqual(stamps, sorted(stamps))
        self.assertLess(abs(stamps[-1] / 1e6 - time.clock_gettime(time.CLOCK_BOOTTIME)), 30)
        self.assertEqual((events[-1]["outcome"], events[-1]["cause"], events[-1]["code"]), ("failed", "exit", 3))
        self.assertNotIn("outcome", events[0])

    def test_only_what_was_asked_for(self):
        watcher = self.new_client()
        pair, _, _ = subscribe(watcher, label="kind=a")
        key, _, _ = subscribe(watcher, label="kind")
        self.client.run({"argv": ["true"]})
        b = self.client.run({"argv": ["true"], "labels": {"kind": "b"}})[0]
        a = self.client.run({"argv": ["true"], "labels": {"kind": "a"}})[0]
        self.assertEqual({e["task"] for e in until_done(watcher, pair)}, {a})
        self.assertEqual({e["task"] for e in until_done(watcher, key) + until_done(watcher, key)}, {a, b})

    def test_of_one_task_until_it_is_done(self):
        watcher = self.new_client()
        run, task = self.client.start({"argv": ["sleep", "97531"], "name": "one"})
        self.client.wait_state(run, "running")
        tag, before, _ = subscribe(watcher, task="one", snapshot=True)
        self.assertEqual([(e["task"], e["state"]) for e in before], [(task, "running")])
        self.client.run({"argv": ["true"]})
        self.client.call("cancel", task=task)
        self.client.finish(run, task)
        events = list(watcher.events(tag))
        self.assertEqual({e["task"] for e in events}, {task})
        self.assertEqual((events[-2]["state"], events[-2]["cause"]), ("done", "cancel"))
        self.assertEqual((events[-1]["event"], events[-1]["result"]), ("result", {"missed": 0}))
        # Of one that is done already there is nothing to wait for.
        self.assertEqual(watcher.call("events", task=task), {"missed": 0})

    def test_a_snapshot_comes_before_everything_else(self):
        runs = [self.client.start({"argv": ["sleep", "97531"], "labels": {"n": str(i)}}) for i in range(3)]
        for run, _ in runs:
            self.client.wait_state(run, "running")
        watcher = self.new_client()
        tag, before, begun = subscribe(watcher, snapshot=True)
        self.assertEqual([e["task"] for e in before], [task for _, task in runs])
        self.assertEqual({(e["event"], e["state"], e["snapshot"]) for e in before}, {("task", "running", True)})
        self.assertEqual(begun["tasks"], 3)
        # Since when it has been running, not since when somebody has asked.
        self.assertLess(before[0]["boot_us"], time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
        for run, task in runs:
            self.client.call("cancel", task=task)
            self.client.finish(run, task)
        ends = [until_done(watcher, tag, task)[-1]["cause"] for _, task in runs]
        self.assertEqual(ends, ["cancel"] * 3)

    def test_a_subscription_can_be_ended(self):
        watcher = self.new_client()
        tag, _, _ = subscribe(watcher)
        self.assertEqual(watcher.call("unsubscribe", request=tag), {})
        self.assertEqual(watcher.next_for(tag)["result"], {"missed": 0})
        self.client.run({"argv": ["true"]})
        self.assertTrue(watcher.call("ping"))
        self.assertEqual(watcher.queue, [])
        with self.assertRaises(DaemonError) as caught:
            watcher.call("unsubscribe", request=tag)
        self.assertEqual((caught.exception.code, caught.exception.field), ("not_found", "request"))

    def test_what_is_refused(self):
        watcher = self.new_client()
        for code, field, fields in (("not_found", "task", {"task": "nobody"}), ("unknown_field", "after", {"after": 1})):
            with self.assertRaises(DaemonError) as caught:
                watcher.call("events", **fields)
            self.assertEqual((caught.exception.code, caught.exception.field), (code, field))
        for _ in range(4):
            subscribe(watcher)
        with self.assertRaises(DaemonError) as caught:
            watcher.call("events")
        self.assertEqual(caught.exception.code, "busy")

    def test_a_half_closed_connection_still_hears(self):
        watcher = self.new_client()
        tag, _, _ = subscribe(watcher)
        watcher.sock.shutdown(socket.SHUT_WR)
        task = self.client.run({"argv": ["true"]})[0]
        self.assertEqual(until_done(watcher, tag)[-1]["task"], task)

    def test_the_command_line_prints_a_line_for_each(self):
        process = start_cli(self, "events", "--snapshot", "--label", "evil")
        text = start_cli(self, "events", "--json", "--label", "evil")
        self.assertIn(b'"subscribed"', text.stdout.readline())
        # The other one has no line for it, but for the first task of which it hears.
        self.assertTrue(wait_until(lambda: self.hears_of_a_task(process)))
        self.client.run({"argv": ["false"], "name": "shown", "labels": {"evil": "\x1b[2J\u009b2J\x7f\n"}})
        lines = []
        while not lines or b"exit 1" not in lines[-1]:
            lines.append(process.stdout.readline())
            self.assertTrue(lines[-1])
        lines = [line for line in lines if b"shown" in line]
        self.assertRegex(lines[0].decode(), r"^\d{4}-\S+Z  t-[0-9a-f]{12}  queued      shown  evil=\\x1b\[2J\\xc2\\x9b2J\\x7f\\x0a\n$")
        self.assertRegex(lines[-1].decode(), r"  done        shown  evil=.*  failed, exit 1\n$")
        raw = b""
        while b'"done"' not in raw or b'"shown"' not in raw:
            raw = text.stdout.readline()
            self.assertFalse(re.search(rb"[^\x20-\x7e\n]", raw), raw)
        self.assertEqual(json.loads(raw)["labels"]["evil"], "\x1b[2J\u009b2J\x7f\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20 * SCALE), -signal.SIGINT)

    def hears_of_a_task(self, process):
        self.client.run({"argv": ["true"], "labels": {"evil": "first"}})
        return select.select([process.stdout], [], [], 0.1)[0]

    def test_the_command_line_ends_with_the_task(self):
        run, task = self.client.start({"argv": ["sleep", "97531"], "name": "short"})
        process = start_cli(self, "events", "-s", "short")
        self.assertRegex(process.stdout.readline().decode(), r"(starting|running|queued)    *short\n$")
        self.client.call("cancel", task=task)
        self.client.finish(run, task)
        self.assertEqual(process.wait(20 * SCALE), 0)
        self.assertRegex(process.stdout.read().decode(), r"done        short  cancelled, cancel\n$")
        failed = self.cli("events", "nobody")
        self.assertEqual((failed.returncode, failed.stdout), (1, b""))
        self.assertIn(b"there is no task", failed.stderr)


@in_modes
class Slow(OwnDaemons):
    """A subscriber that does not read."""

    def test_events_are_left_out_and_counted(self):
        daemon = self.new_daemon("--max-tasks", "4")
        slow, fast, client = (self.connect_to(daemon) for _ in range(3))
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        tag, _, _ = subscribe(slow)
        other, _, _ = subscribe(fast)
        labels = {"l%02d" % i: "x" * 256 for i in range(16)}  # some 4 KiB for each event
        last, seen, sent = None, 0, 0

        def batch():
            nonlocal seen, sent, last
            runs = [client.start({"argv": ["true"], "labels": labels}) for _ in range(10)]
            for run in runs:
                last = client.finish(*run)[0]
            sent += 10
            done = 0
            while done < 10:
                event = fast.next_for(other)
                self.assertEqual(event["event"], "task")
                seen += 1
                done += event["state"] == "done"

        for _ in range(6):
            batch()
        before = rss_kib(daemon.process.pid)
        for _ in range(6):
            batch()
        # Some 2 MiB of events meanwhile; what else grows is what is kept of 60 tasks.
        assert_grown_less(self, daemon.process.pid, before, 4096)
        # Now it reads again: all that was left out is told, and with it nothing is missing.
        got = missed = 0
        while got + missed < seen:
            event = slow.next_for(tag)
            got += event["event"] == "task"
            missed += event.get("missed", 0)
        self.assertEqual(got + missed, seen)
        # What was kept for it are 256 KiB and the socket's own buffers.
        self.assertLess(got, seen / 2)
        self.assertGreater(got, 0)
        # And it goes on.
        task = client.run({"argv": ["true"]})[0]
        self.assertEqual(until_done(slow, tag)[-1]["task"], task)
        slow.send("unsubscribe", request=tag)
        self.assertEqual(slow.next_for(tag)["result"], {"missed": missed})

    def test_a_subscription_does_not_hold_up_the_end_of_the_daemon(self):
        daemon = self.new_daemon()
        watcher, client = self.connect_to(daemon), self.connect_to(daemon)
        tag, _, _ = subscribe(watcher)
        run, task = client.start({"argv": ["sleep", "97531"], "limits": {"grace": "100ms"}})
        client.wait_state(run, "running")
        start = time.monotonic()
        daemon.process.terminate()
        self.assertEqual(until_done(watcher, tag)[-1]["cause"], "shutdown")
        self.assertEqual(watcher.next_for(tag)["error"]["code"], "shutting_down")
        self.assertEqual(daemon.process.wait(20 * SCALE), 0)
        self.assertLess(time.monotonic() - start, 6 * SCALE)
        self.assertTrue(task)


@in_modes
class Others(OwnDaemons):
    """Whose tasks somebody hears of."""

    modes = ("root",)

    def test_K2_another_uid_sees_nothing(self):
        daemon = self.new_daemon("--allow-uid", str(OTHER))
        owner, other, root = (self.connect_to(daemon, uid) for uid in (USER, OTHER, 0))
        theirs, _, _ = subscribe(other, snapshot=True)
        plain, _, _ = subscribe(root)
        run, task = owner.start({"argv": ["sleep", "97531"], "name": "private"})
        owner.wait_state(run, "running")
        everything, before, _ = subscribe(root, all=True, snapshot=True)
        self.assertEqual([(e["task"], e["uid"]) for e in before], [(task, USER)])
        again, before, begun = subscribe(other, snapshot=True)
        self.assertEqual((before, begun["tasks"]), ([], 0))
        with self.assertRaises(DaemonError) as caught:
            other.call("events", all=True)
        self.assertEqual(caught.exception.code, "not_allowed")
        with self.assertRaises(DaemonError) as caught:
            other.call("events", task=task)
        self.assertEqual(caught.exception.code, "not_found")
        with self.assertRaises(DaemonError) as caught:
            root.call("events", all=True, task=task)
        self.assertEqual((caught.exception.code, caught.exception.field), ("bad_value", "all"))
        owner.call("cancel", task=task)
        owner.finish(run, task)
        self.assertEqual(until_done(root, everything)[-1]["task"], task)
        # What has not come by the time of a later answer does not come.
        for client in (other, root):
            client.call("ping")
            self.assertEqual([e for e in client.queue if e["id"] in (theirs, again, plain)], [])
        mine = other.run({"argv": ["true"]})[0]
        self.assertEqual({e["task"] for e in until_done(other, theirs)}, {mine})
