"""What the daemon has counted."""
import re

from dayfly_host import USER
from dayfly_test import DaemonError, in_modes


@in_modes
class Stats:
    def owner(self):
        return self.new_client(0) if self.mode == "root" else self.client

    def count(self, name, **labels):
        found = [m for m in self.owner().call("stats")["metrics"] if m["name"] == name and m.get("labels", {}) == labels]
        self.assertEqual(len(found), 1, (name, labels))
        return found[0].get("value", found[0].get("count"))

    def test_tasks_are_counted_by_how_they_end(self):
        before = {key: self.count(key) for key in ("tasks_accepted", "tasks_refused", "output_bytes")}
        ok, failed = (self.count("tasks_finished", outcome=o) for o in ("ok", "failed"))
        ran = self.count("task_run_seconds")
        self.client.run({"argv": ["echo", "seven!"]})
        self.client.run({"argv": ["false"]})
        with self.assertRaises(DaemonError):
            self.client.run({"argv": ["true"], "network": "host"})
        self.assertEqual(self.count("tasks_accepted"), before["tasks_accepted"] + 2)
        self.assertEqual(self.count("tasks_refused"), before["tasks_refused"] + 1)
        self.assertEqual(self.count("output_bytes"), before["output_bytes"] + 7)
        self.assertEqual([self.count("tasks_finished", outcome=o) for o in ("ok", "failed")], [ok + 1, failed + 1])
        self.assertEqual(self.count("task_run_seconds"), ran + 2)

    def test_what_is_there_now(self):
        tag, task = self.client.start({"argv": ["sleep", "97531"]})
        self.client.wait_state(tag, "running")
        self.assertEqual((self.count("tasks_running"), self.count("tasks_waiting")), (1, 0))
        self.assertGreaterEqual(self.count("connections"), 1)
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)
        self.assertEqual(self.count("tasks_running"), 0)

    def test_turns_of_the_loop_are_timed(self):
        """Each request is at least one."""
        before = self.count("loop_turn_seconds")
        for _ in range(10):
            self.client.call("ping")
        self.assertGreaterEqual(self.count("loop_turn_seconds"), before + 10)

    def test_the_command_line_has_three_formats(self):
        root = self.mode == "root"
        self.client.run({"argv": ["true"]})
        text = self.cli("stats", root=root).stdout.decode()
        self.assertRegex(text, r"(?m)^tasks_finished ok: \d+$")
        self.assertRegex(text, r"(?m)^task_run_seconds: \d+ times, \d+\.\d\d ms on average$")
        self.assertRegex(text, r"(?m)^loop_turn_seconds: \d+ times, \d+\.\d\d ms on average$")
        self.assertIn(b'"metrics"', self.cli("stats", "--format", "json", root=root).stdout)
        self.assertEqual(self.cli("stats", "--format", "xml", root=root).returncode, 2)
        self.check_prometheus(self.cli("stats", "--format", "prometheus", root=root).stdout.decode())

    def check_prometheus(self, text):
        """Each line is of the text format; each name has its type before its first sample, and histograms rise."""
        types, values = {}, {}
        for line in text.splitlines():
            head = re.fullmatch(r"# (HELP|TYPE) (dayfly_[a-z_]+) (.+)", line)
            if head:
                if head.group(1) == "TYPE":
                    self.assertNotIn(head.group(2), types)
                    types[head.group(2)] = head.group(3)
                continue
            sample = re.fullmatch(r'(dayfly_[a-z_]+)(\{[a-z]+="[^"]+"\})? ([0-9.]+)', line)
            self.assertTrue(sample, line)
            name = sample.group(1)
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name) if name not in types else name, types, line)
            self.assertNotIn((name, sample.group(2)), values)
            values[name, sample.group(2)] = float(sample.group(3))
        self.assertEqual(types["dayfly_tasks_accepted_total"], "counter")
        self.assertEqual(types["dayfly_tasks_running"], "gauge")
        self.assertEqual(types["dayfly_task_run_seconds"], "histogram")
        self.assertEqual(types["dayfly_loop_turn_seconds"], "histogram")
        buckets = [v for (name, _), v in values.items() if name == "dayfly_task_run_seconds_bucket"]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(buckets[-1], values["dayfly_task_run_seconds_count", None])
        self.assertGreater(values["dayfly_task_run_seconds_sum", None], 0)


@in_modes
class Others:
    modes = ("root",)

    def test_they_are_not_for_everybody(self):
        with self.assertRaises(DaemonError) as caught:
            self.new_client(USER).call("stats")
        self.assertEqual(caught.exception.code, "not_allowed")
        self.assertTrue(self.new_client(0).call("stats")["metrics"])
