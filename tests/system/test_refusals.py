"""Each way in which a task is refused a place: its code, the field, the reason with the cap that was met, how deep the queue is, and when to
come again."""
import itertools
import signal

from dayfly_test import DaemonError, in_modes

from common import wait_until
from test_queue import OTHERS, Queue

SHORT = {"argv": ["true"], "limits": {"queue": "1h"}}
DEAF = {"argv": ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"], "limits": {"grace": "2s"}}


def asks(**limits):
    return {"limits": dict(limits, queue="1h"), "best_effort": list(limits)}


class Refusal:
    """What is configured, how many run and wait before, what is asked for, and the answer: code, field, words of the message and of the
    hint, depth, the least retry_after_ms."""

    def __init__(self, what, config, before, task, code, field, message, hint, depth=None, retry_ms=None, modes=("rootless", "root")):
        self.what, self.config, self.before, self.task, self.modes = what, config, before, task, modes
        self.code, self.field, self.message, self.hint, self.depth, self.retry_ms = code, field, message, hint, depth, retry_ms


REFUSALS = (
    Refusal("the queue is full", "max_tasks = 1\nmax_queue = 2\nmax_queue_per_user = 2\n", 3, {},
            "busy", None, "2 tasks wait already; at most 2 may", "max-queue", 2, 100),
    Refusal("a user's part of it is full", "max_tasks = 1\nmax_queue = 9\nmax_queue_per_user = 1\n", 2, {},
            "busy", None, "1 tasks of this user wait already; at most 1 may", "max_queue_per_user", 1, 100),
    Refusal("it is not to wait", "max_tasks = 1\n", 3, {"queue": False},
            "busy", "task.queue", "it cannot start at once: 1 tasks run and 2 wait", "leave \"queue\" out", 2, 100),
    Refusal("too much memory", "admit_memory = 100MiB\nadmit_memory_per_user = 100MiB\n", 0, asks(memory="101MiB"),
            "not_allowed", "task.limits.memory", "101 MiB is more than all tasks may have together: 100 MiB", "admit_memory in"),
    Refusal("too many CPUs", "admit_cpus = 2\nadmit_cpus_per_user = 2\n", 0, asks(cpus=2.5),
            "not_allowed", "task.limits.cpus", "2.5 CPUs is more than all tasks may have together: 2", "admit_cpus in"),
    Refusal("more memory than one user may have", "admit_memory = 100MiB\nadmit_memory_per_user = 50MiB\n", 0, asks(memory="51MiB"),
            "not_allowed", "task.limits.memory", "51.0 MiB is more than the tasks of one user may have together: 50.0 MiB", "admit_memory_per_user"),
    Refusal("more CPUs than one user may have", "admit_cpus = 4\nadmit_cpus_per_user = 1.5\n", 0, asks(cpus=2),
            "not_allowed", "task.limits.cpus", "2 CPUs is more than the tasks of one user may have together: 1.5", "admit_cpus_per_user"),
    Refusal("more than a user has where others are", "admit_memory = 80MiB\n[access]\nall = yes\n", 0, asks(memory="71MiB"),
            "not_allowed", "task.limits.memory", "71.0 MiB is more than the tasks of one user may have together: 70.0 MiB", "admit_memory_per_user",
            modes=("root",)),
    Refusal("the priority is too high", "[policy]\nmax_priority = 2\n[access]\nall = yes\n", 0, {"priority": 3},
            "not_allowed", "task.priority", "before others", "max_priority", modes=("root",)),
    Refusal("a name that is taken", "", 1, {"name": "taken"}, "duplicate", "task.name", '"taken"', ""),
)


@in_modes
class Refusals(Queue):
    def client_of(self, daemon):
        return self.connect_to(daemon, OTHERS[0] if self.mode == "root" else None)

    def configured_for(self, refusal):
        text = refusal.config if refusal.config.startswith("[") else "[daemon]\n" + refusal.config
        if self.mode == "root" and "[access]" not in text:
            text += "[access]\nall = yes\n"
        return self.configured(text)

    def check(self, r):
        client = self.client_of(self.configured_for(r))
        names = itertools.chain(["taken"], itertools.repeat(None))
        before = [self.start(client, **({"name": n} if n else {})) for n in itertools.islice(names, r.before)]
        if before:
            self.in_state(client, before[0], "running")
        with self.assertRaises(DaemonError) as caught:
            client.start(dict(SHORT, **r.task), detach=True)
        error = caught.exception.error
        self.assertEqual((error["code"], error.get("field"), error.get("depth")), (r.code, r.field, r.depth), error)
        self.assertIn(r.message, error["message"])
        self.assertIn(r.hint, error.get("hint") or "")
        if r.retry_ms is None:
            self.assertIsNone(error.get("retry_after_ms"), error)
        else:
            self.assertGreaterEqual(error["retry_after_ms"], r.retry_ms)
            self.assertLessEqual(error["retry_after_ms"], 60000)
        # Nothing of it is left, and what was there goes on.
        self.assertEqual({t["task"] for t in client.call("list", all=True)["tasks"]}, set(before))
        self.end(client, *before)

    def test_each_is_told_why_and_when_to_come_again(self):
        for refusal in REFUSALS:
            if self.mode in refusal.modes:
                with self.subTest(refusal.what):
                    try:
                        self.check(refusal)
                    finally:
                        self.assertEqual(self.daemon.stop(), [])

    def test_while_draining(self):
        daemon = self.new_daemon()
        client = self.connect_to(daemon)
        self.connect_to(daemon, 0 if self.mode == "root" else None).call("drain")
        error = self.refused(client, "draining")
        self.assertIn("takes no new tasks", error["message"])
        self.assertIn("drain --off", error["hint"])
        self.assertEqual((error.get("field"), error.get("depth"), error["retry_after_ms"]), (None, None, 10000))

    def test_what_waits_when_the_daemon_stops_is_told_so(self):
        daemon = self.new_daemon("--max-tasks", "1")
        client = self.connect_to(daemon)
        first, deaf = client.start(DEAF)
        client.wait_output(first, b"deaf")
        second, waits = client.start(SHORT)
        daemon.process.send_signal(signal.SIGTERM)
        result = client.finish(second, waits)[1]
        self.assertEqual((result["cause"], result["phase"]), ("shutdown", "queue"), result)
        self.assertNotEqual(result["outcome"], "ok")
        # It takes no more on this connection, and new ones are not let in.
        with self.assertRaises((OSError, EOFError, DaemonError)) as caught:
            self.connect_to(daemon).start(SHORT)
        if isinstance(caught.exception, DaemonError):
            self.assertEqual(caught.exception.code, "shutdown")
        self.assertEqual(client.finish(first, deaf)[1]["cause"], "shutdown")
        self.assertTrue(wait_until(lambda: daemon.process.poll() is not None, 10))
