"""Who is told of a task over HTTP, by signed events that outlive the daemon: M1 to M9, M12, K14."""
import contextlib
import json
import os
import re
import signal
import time

from dayfly_client import SCALE
from dayfly_hooks import OK, SECRET, SECRET_BYTES, Receiver, answer, make_tls
from dayfly_host import daemon_owner
from dayfly_test import DaemonError, in_modes

from common import kill_daemon, wait_until
from test_config import Configured

ALL = ["accepted", "started", "finished"]


class Hooked(Configured):
    def receiver(self, **more):
        receiver = Receiver(**more)
        self.addCleanup(receiver.stop)
        return receiver

    def hooked(self, receiver=None, *lines, secret=SECRET, start=True, args=()):
        """A daemon that may tell this receiver."""
        daemon = self.configured("", *args, start=False)
        text = ["[webhooks]"]
        if receiver:
            text.append("private_hosts = 127.0.0.1:%d" % receiver.port)
        if secret:
            path = os.path.join(daemon.place, "secret")
            self.make_file(path, secret + "\n", 0o600, owner=0 if self.mode == "root" else None)
            text.append("secret_file = %s" % path)
        self.write_config(daemon, "\n".join(text + list(lines)) + "\n")
        if start:
            daemon.start()
        return daemon

    def count(self, daemon, name, **labels):
        with contextlib.closing(daemon.connect(0 if self.mode == "root" else None)) as client:
            found = [m for m in client.call("stats")["metrics"] if m["name"] == name and m.get("labels", {}) == labels]
        self.assertEqual(len(found), 1, (name, labels))
        return found[0]["value"]

    def waiting(self, daemon):
        return daemon.client().call("info")["webhooks"]["waiting"]

    def assert_told(self, receiver, kind, task, n=1):
        self.assertTrue(wait_until(lambda: len(receiver.events(kind, task)) >= n, 20), [g.raw for g in receiver.got])
        got = receiver.events(kind, task)
        self.assertEqual(len(got), n, [g.raw for g in got])
        return got[-1]

    def run_hooked(self, daemon, url, events=None, argv=("true",), **more):
        hook = {"url": url} if events is None else {"url": url, "events": events}
        return daemon.client().run(dict(argv=list(argv), webhooks=[hook], **more))[1]

    @staticmethod
    def wait_over(receiver):
        """Until what a daemon that was killed had begun to say is heard to its end."""
        wait_until(lambda: not any(thread.is_alive() for thread in receiver.threads[1:]))

    def wait_empty(self, daemon):
        self.assertTrue(wait_until(lambda: self.waiting(daemon) == 0, 20), self.whole_log(daemon))

    def assert_attempts_fail(self, daemon, n):
        self.assertTrue(wait_until(lambda: self.count(daemon, "webhook_attempts_failed") >= n, 20), self.whole_log(daemon))

    def refused_url(self, daemon, url, code="not_allowed"):
        with self.assertRaises(DaemonError) as caught:
            self.run_hooked(daemon, url)
        self.assertEqual((caught.exception.code, caught.exception.error["field"]), (code, "task.webhooks[0].url"))
        self.assertTrue(caught.exception.error["hint"])
        return caught.exception.error


@in_modes
class Told(Hooked):
    def test_M12_each_event_is_a_signed_CloudEvent(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        result = self.run_hooked(daemon, receiver.url("/a?b=c"), ALL, ["sh", "-c", "exit 3"], name="early", labels={"job": "ci"})
        for kind in ALL:
            got = self.assert_told(receiver, kind, result["task"])
            self.assertEqual((got.method, got.path), ("POST", "/a?b=c"))
            self.assertTrue(got.is_signed())
            self.assertEqual(got.headers["content-type"], "application/cloudevents+json; charset=utf-8")
            event = got.event
            self.assertEqual((event["specversion"], event["id"], event["subject"]), ("1.0", got.id, result["task"]))
            self.assertEqual(event["datacontenttype"], "application/json")
            self.assertRegex(event["source"], r"^dayfly://[A-Za-z0-9][A-Za-z0-9_.-]*$")
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
            self.assertNotIn(".", got.id)
            self.assertEqual((event["data"]["name"], event["data"]["labels"]), ("early", {"job": "ci"}))
            self.assertEqual("result" in event["data"], kind == "finished")
        told = receiver.events("finished")[0].event["data"]["result"]
        self.assertEqual({k: told[k] for k in ("outcome", "cause", "exit", "time")}, {k: result[k] for k in ("outcome", "cause", "exit", "time")})
        self.assertEqual(len({g.id for g in receiver.got}), 3)
        self.wait_empty(daemon)
        self.assertEqual(self.count(daemon, "webhooks_delivered"), 3)

    def test_M12_two_secrets_sign_while_one_is_replaced(self):
        receiver = self.receiver()
        other = b"x" * 24
        daemon = self.hooked(receiver, secret="# the old one\n%s\nwhsec_eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4" % SECRET)
        got = self.assert_told(receiver, "finished", self.run_hooked(daemon, receiver.url())["task"])
        self.assertTrue(got.is_signed(SECRET_BYTES) and got.is_signed(other))
        self.assertFalse(got.is_signed(b"y" * 24))

    def test_without_events_only_the_end_is_told(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        task = self.run_hooked(daemon, receiver.url())["task"]
        self.assert_told(receiver, "finished", task)
        self.assertEqual(len(receiver.got), 1)
        shown = daemon.client().call("inspect", task=task)
        self.assertEqual(shown["spec"]["webhooks"], [{"url": receiver.url(""), "events": ["finished"]}])

    def test_a_task_that_is_killed_or_cancelled_is_told_of_too(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        client = daemon.client()
        tag, task = client.start({"argv": ["sleep", "97531"], "webhooks": [{"url": receiver.url()}]})
        client.wait_state(tag, "running")
        client.call("cancel", task=task)
        client.finish(tag, task)
        self.assertEqual(self.assert_told(receiver, "finished", task).event["data"]["result"]["outcome"], "cancelled")
        late = self.run_hooked(daemon, receiver.url(), argv=["sleep", "97531"], limits={"wall": "200ms"})
        self.assertEqual(self.assert_told(receiver, "finished", late["task"]).event["data"]["result"]["cause"], "timeout_wall")

    def test_the_administrator_is_told_of_every_task(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver, "endpoints = " + receiver.url("/all"), "events = accepted", "events = finished")
        task = daemon.client().run({"argv": ["true"]})[1]["task"]
        both = self.run_hooked(daemon, receiver.url("/own"))["task"]
        for t in (task, both):
            self.assertEqual(self.assert_told(receiver, "accepted", t).path, "/all")
        self.assertEqual(self.assert_told(receiver, "finished", task).path, "/all")
        self.assert_told(receiver, "finished", both, 2)
        ids = {g.path: g.id for g in receiver.events("finished", both)}
        self.assertEqual((set(ids), len(set(ids.values()))), ({"/all", "/own"}, 2))

    def test_the_command_line_has_it(self):
        receiver = self.receiver()
        self.hooked(receiver)
        done = self.cli("run", "--webhook", receiver.url("/cli"), "--webhook-on", "started,finished", "--name", "c", "--", "true")
        self.assertEqual(done.returncode, 0, done)
        self.assertTrue(wait_until(lambda: len(receiver.got) == 2, 10))
        self.assertEqual({g.event["type"] for g in receiver.got}, {"dayfly.task.started", "dayfly.task.finished"})
        bad = self.cli("run", "--webhook", "https://evil.example/x", "--", "true")
        self.assertEqual(bad.returncode, 125)
        self.assertIn(b"private_hosts", bad.stderr)
        bad = self.cli("run", "--webhook", receiver.url(), "--webhook-on", "finnished", "--", "true")
        self.assertIn(b'did you mean "finished"?', bad.stderr)

    def test_M9_no_secret_is_told_or_written(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver, "endpoints = " + receiver.url("/hush-hush-endpoint"))
        receiver.default = answer(503)
        result = self.run_hooked(daemon, receiver.url("/hush-hush-path?hush-hush-query"), ALL, ["sh", "-c", ": hush-hush-argv; echo hush-hush-out"],
                                 env={"TOKEN": "hush-hush-env"}, secrets=[{"name": "s", "text": "hush-hush-secret"}])
        self.assertTrue(wait_until(lambda: len(receiver.got) >= 4, 10))
        for got in receiver.got:
            self.assertNotIn(b"hush-hush", got.body)
        client = daemon.client()
        for text in (self.whole_log(daemon), json.dumps(client.call("inspect", task=result["task"])["spec"]["webhooks"]),
                     json.dumps(client.call("info")), self.cli("config", "show").stdout.decode()):
            self.assertNotRegex(text, "hush-hush|%s" % SECRET)
        self.assertTrue(wait_until(lambda: "127.0.0.1:%d" % receiver.port in self.whole_log(daemon)), self.whole_log(daemon))
        # The journal knows nothing of them; the outbox has to, and nobody else reads it.
        with open(client.call("info")["journal"], "rb") as f:
            self.assertNotIn(b"hush-hush-path", f.read())
        outbox = client.call("info")["webhooks"]["outbox"]
        self.assertEqual(os.stat(outbox).st_mode & 0o7777, 0o700)
        for name in os.listdir(outbox):
            self.assertEqual(os.stat(os.path.join(outbox, name)).st_mode & 0o7777, 0o600)
        receiver.default = OK
        self.wait_empty(daemon)


@in_modes
class Failing(Hooked):
    def test_M1_what_fails_is_tried_again_with_the_same_id_and_body(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        for what in (answer(503), answer(429, "Retry-After: 1"), "reset", "close", b"garbage\r\n\r\n"):
            receiver.answers["/hook"] = [what]
            task = self.run_hooked(daemon, receiver.url())["task"]
            self.assert_told(receiver, "finished", task, 2)
            first, second = receiver.events("finished", task)
            self.assertEqual((first.id, first.body), (second.id, second.body), what)
            self.assertTrue(second.is_signed())
            self.wait_empty(daemon)
        self.assertEqual((self.count(daemon, "webhooks_delivered"), self.count(daemon, "webhook_attempts_failed")), (5, 5))

    def test_M1_Retry_After_is_honoured(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        receiver.answers["/hook"] = [answer(429, "Retry-After: 3")]
        task = self.run_hooked(daemon, receiver.url())["task"]
        self.assert_told(receiver, "finished", task, 2)
        first, second = receiver.events("finished", task)
        self.assertGreaterEqual(second.at - first.at, 2.9)  # without it: at most one

    def test_M1_after_the_deadline_it_is_given_up_and_the_task_is_as_it_was(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver, "deadline = %ds" % (4 * SCALE))
        receiver.default = answer(500)
        result = self.run_hooked(daemon, receiver.url())
        self.assertEqual(result["outcome"], "ok")
        self.wait_empty(daemon)
        self.assertEqual(self.count(daemon, "webhooks_given_up", why="deadline"), 1)
        self.assertGreaterEqual(len(receiver.got), 2)
        self.assertIn("HTTP status 500", self.whole_log(daemon))

    def test_M2_a_length_that_lies_is_an_answer_all_the_same(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        for what in (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + b"x" * 1000000):
            receiver.answers["/hook"] = [what]
            task = self.run_hooked(daemon, receiver.url())["task"]
            self.wait_empty(daemon)
            self.assert_told(receiver, "finished", task)

    def test_M4_redirects_are_not_followed(self):
        receiver, target = self.receiver(), self.receiver()
        daemon = self.hooked(receiver, "private_hosts = 127.0.0.1:%d" % target.port)
        places = [target.url("/stolen"), "http://169.254.169.254/latest/", "file:///etc/passwd", "gopher://127.0.0.1:%d/x" % target.port,
                  "https://user@127.0.0.1:%d/" % target.port]
        for place in places:
            receiver.answers["/hook"] = [answer(307, "Location: " + place)]
            task = self.run_hooked(daemon, receiver.url())["task"]
            self.wait_empty(daemon)
            self.assert_told(receiver, "finished", task)
        self.assertEqual(target.n_connections, 0)
        self.assertEqual(self.count(daemon, "webhooks_given_up", why="refused"), len(places))
        self.assertIn("never followed", self.whole_log(daemon))
        # The control: asked for by its own address, the target answers.
        self.assert_told(target, "finished", self.run_hooked(daemon, target.url())["task"])

    def test_M5_a_tarpit_harms_nobody(self):
        receiver, good = self.receiver(), self.receiver()
        daemon = self.hooked(receiver, "private_hosts = 127.0.0.1:%d" % good.port, "timeout = 5s", "deadline = %ds" % (6 * SCALE))
        receiver.default = "drip"
        client = daemon.client()
        # All at once: each has its time from its end on.
        for i in range(12):
            client.send("run", id="t%d" % i, detach=True, task={"argv": ["true"], "webhooks": [{"url": receiver.url("/tarpit")}]})
        for i in range(12):
            list(client.events("t%d" % i))
        self.assertTrue(wait_until(lambda: receiver.n_connections >= 4, 10))
        begun = time.monotonic()
        task = self.run_hooked(daemon, good.url())["task"]
        for _ in range(20):
            client.call("ping")
        self.assert_told(good, "finished", task)
        # While the tarpit still drips: it has not had its time yet, or only the first of several.
        self.assertGreater(self.waiting(daemon), 0, time.monotonic() - begun)
        self.assertLessEqual(receiver.n_connections, 4 * 2)
        self.wait_empty(daemon)
        self.assertEqual(self.count(daemon, "webhooks_given_up", why="deadline"), 12)

    def test_M5_endless_headers_and_bodies_end(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        receiver.answers["/hook"] = [b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=b\r\n" * 100000]
        task = self.run_hooked(daemon, receiver.url())["task"]
        self.assert_told(receiver, "finished", task, 2)
        receiver.answers["/hook"] = [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + b"\x1f\x8b" * 4000000]
        self.assert_told(receiver, "finished", self.run_hooked(daemon, receiver.url())["task"])
        self.wait_empty(daemon)

    def test_M6_a_name_that_leads_to_loopback_is_not_connected_to(self):
        receiver = self.receiver()
        daemon = self.hooked(None, "hosts = localhost:%d" % receiver.port, "hosts = 127.0.0.1:%d" % receiver.port,
                             "hosts = [::ffff:10.0.0.1]:%d" % receiver.port, "hosts = 0.0.0.0:%d" % receiver.port)
        for host in ("localhost", "127.0.0.1", "[::ffff:10.0.0.1]", "0.0.0.0", "0x7f.1"):
            self.run_hooked(daemon, "https://%s:%d/" % (host, receiver.port))

        def told():
            return set(re.findall(r"event (\S+) for .*not of the public Internet", self.whole_log(daemon)))
        self.assertTrue(wait_until(lambda: len(told()) == 5, 20), self.whole_log(daemon))
        self.assertEqual(receiver.n_connections, 0)
        # The control: allowed as private, the same name is connected to.
        daemon = self.hooked(None, "private_hosts = localhost:%d" % receiver.port)
        self.run_hooked(daemon, "http://localhost:%d/" % receiver.port)
        self.assertTrue(wait_until(lambda: receiver.n_connections, 10))

    def test_M8_TLS_is_verified(self):
        context, ca = make_tls(self.make_dir(owner=0 if os.geteuid() == 0 else None))
        receiver = self.receiver(tls=context)
        rules = ["private_hosts = localhost:%d" % receiver.port, "private_hosts = 127.0.0.1:%d" % receiver.port]
        daemon = self.hooked(None, *rules)
        self.run_hooked(daemon, receiver.url(host="localhost"))
        self.assert_attempts_fail(daemon, 2)
        self.assertGreater(receiver.n_connections, 0)
        self.assertEqual(receiver.got, [])
        daemon = self.hooked(None, *rules, "ca_file = " + ca)
        self.run_hooked(daemon, receiver.url())  # the certificate is for another host
        self.assert_attempts_fail(daemon, 2)
        self.assertEqual(receiver.got, [])
        self.assert_told(receiver, "finished", self.run_hooked(daemon, receiver.url(host="localhost"))["task"])


@in_modes
class Policy(Hooked):
    def test_M7_only_hosts_that_the_administrator_names(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver, "hosts = hooks.example.com", "hosts = *.example.net:8443")
        for url in ("https://evil.example/", "https://example.com/", "https://hooks.example.com:444/", "https://example.net:8443/",
                    "https://x.example.net/", "http://127.0.0.1:%d/" % (receiver.port ^ 1), "https://hooks.example.com.evil.example/",
                    "http://169.254.169.254/latest/meta-data/", "http://hooks.example.com/"):
            self.refused_url(daemon, url)
        for url in ("file:///etc/passwd", "gopher://127.0.0.1:%d/" % receiver.port, "https://user:pw@hooks.example.com/", "ftp://hooks.example.com/",
                    "https://hooks.example.com\\@evil.example/", "https://hooks.example.com /", "unix:///run/x"):
            self.refused_url(daemon, url, "bad_value")
        self.assertEqual(receiver.n_connections, 0)
        self.assertEqual(self.count(daemon, "tasks_accepted"), 0)
        # The control.
        self.assert_told(receiver, "finished", self.run_hooked(daemon, receiver.url())["task"])

    def test_M7_by_default_nobody_is_told(self):
        receiver = self.receiver()
        daemon = self.hooked(None, secret=None)
        self.refused_url(daemon, receiver.url())
        self.assertFalse(os.path.exists(os.path.join(daemon.state_dir, "dayfly-%d.outbox" % daemon_owner())))

    def test_K14_without_a_secret_nothing_is_sent(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver, secret=None)
        with self.assertRaises(DaemonError) as caught:
            self.run_hooked(daemon, receiver.url())
        self.assertEqual((caught.exception.code, caught.exception.error["field"]), ("not_allowed", "task.webhooks"))
        self.assertIn("secret_file", caught.exception.error["hint"])

    def test_mistakes_are_told_at_the_start(self):
        for lines, text in ((["endpoints = https://h.example/"], "in neither hosts nor private_hosts"),
                            (["hosts = h.example", "endpoints = http://h.example/"], "without TLS"),
                            (["hosts = *"], "is not HOST"), (["endpoints = ftp://h.example/"], "neither https nor http"),
                            (["hosts = h.example", "events = finnished"], "is none of accepted, started, finished")):
            daemon = self.hooked(None, *lines, start=False)
            self.assertIn(text, self.dayflyd(daemon, "--check", "--config", daemon.config).stderr, lines)
        for text, daemon in (("no secret", self.hooked(None, "hosts = h.example", "endpoints = https://h.example/", secret=None, start=False)),
                             ("whsec_", self.hooked(None, secret="hush-hush", start=False)),
                             ("others may read", self.hooked(None, start=False))):
            if text == "others may read":
                os.chmod(os.path.join(daemon.place, "secret"), 0o644)
            with self.assertRaises(AssertionError) as caught:
                daemon.start()
            daemon.process.returncode = 0  # for the harness: as expected
            self.assertIn(text, str(caught.exception))
            self.assertNotIn("hush-hush", str(caught.exception))

    def test_what_is_taken_back_meanwhile_is_not_sent(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        receiver.default = answer(503)
        self.run_hooked(daemon, receiver.url())
        self.assertTrue(wait_until(lambda: receiver.got, 10))
        self.write_config(daemon, "[webhooks]\n")
        self.reload(daemon, "configuration: read again")
        self.wait_empty(daemon)
        self.assertEqual(self.count(daemon, "webhooks_given_up", why="refused"), 1)


@in_modes
class Kept(Hooked):
    """M3: the outbox."""

    def restart(self, daemon, signo=signal.SIGKILL):
        kill_daemon(daemon, signo)
        daemon.close_client()
        daemon.start()

    def outbox(self, daemon):
        path = daemon.client().call("info")["webhooks"]["outbox"]
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def assert_kept(self, daemon, n):
        """So many files: a thread writes and removes them, and what it has not removed yet is told again by the next daemon."""
        self.assertTrue(wait_until(lambda: len(self.outbox(daemon)) == n, 10), self.outbox(daemon))

    def test_M3_killed_before_the_delivery_it_is_delivered_by_the_next_with_the_same_id(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        receiver.default = "hang"
        tag = daemon.client().send("run", detach=True, task={"argv": ["true"], "webhooks": [{"url": receiver.url(), "events": ["accepted", "finished"]}]})
        task = [e for e in daemon.client().events(tag) if e["event"] == "accepted"][0]["task"]
        self.assertTrue(wait_until(lambda: len(receiver.got) == 2, 10))
        before = {g.id: g.body for g in receiver.got}
        self.assert_kept(daemon, 2)
        receiver.default = OK
        self.restart(daemon)
        self.assert_told(receiver, "accepted", task, 2)
        self.assert_told(receiver, "finished", task, 2)
        self.assertEqual({g.id: g.body for g in receiver.got[2:]}, before)
        self.assertTrue(all(g.is_signed() for g in receiver.got))
        self.wait_empty(daemon)
        self.assert_kept(daemon, 0)

    def test_M3_nobody_listens_until_after_the_restart(self):
        receiver = self.receiver()
        port = receiver.port
        daemon = self.hooked(receiver)
        receiver.stop()
        task = self.run_hooked(daemon, receiver.url())["task"]
        self.assertTrue(wait_until(lambda: self.waiting(daemon) == 1, 10))
        self.restart(daemon)
        self.assertEqual(self.waiting(daemon), 1)
        self.restart(daemon, signal.SIGTERM)
        again = self.receiver(port=port)
        self.assert_told(again, "finished", task)
        self.wait_empty(daemon)

    def test_M3_a_task_that_dies_with_the_daemon_is_told_as_lost(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        client = daemon.client()
        tag = client.send("run", detach=True, task={"argv": ["sleep", "97531"], "name": "nap", "labels": {"job": "ci"},
                                                    "webhooks": [{"url": receiver.url(), "events": ["started", "finished"]}]})
        task = [e for e in client.events(tag) if e["event"] == "accepted"][0]["task"]
        self.assert_told(receiver, "started", task)
        self.assertTrue(wait_until(lambda: self.outbox(daemon) == [task + ".promise"], 10), self.outbox(daemon))
        self.restart(daemon)
        got = self.assert_told(receiver, "finished", task)
        data = got.event["data"]
        self.assertEqual((data["result"]["outcome"], data["result"]["cause"]), ("lost", "daemon_crash"))
        self.assertEqual((data["name"], data["labels"]), ("nap", {"job": "ci"}))
        self.assertEqual(got.id, "evt_%s_finished_0" % task[2:])
        self.wait_empty(daemon)
        self.assert_kept(daemon, 0)
        self.restart(daemon)
        time.sleep(0.5)
        self.assertEqual(len(receiver.events("finished")), 1)

    def test_M3_many_killed_in_their_midst(self):
        """Each task that was accepted is told of at least once, always with one id."""
        receiver = self.receiver()
        daemon = self.hooked(receiver, args=("--max-tasks", "8"))
        client = daemon.client()
        for _ in range(60):
            client.send("run", detach=True, task={"argv": ["true"], "webhooks": [{"url": receiver.url()}]})
        accepted = set()
        while not accepted:
            event = client.read_event(20)
            if event["event"] == "accepted":
                accepted.add(event["task"])
        kill_daemon(daemon)
        try:
            while True:
                event = client.read_event(5)
                if event["event"] == "accepted":
                    accepted.add(event["task"])
        except (EOFError, ConnectionResetError):
            pass
        daemon.close_client()
        daemon.start()
        known = {t["task"] for t in daemon.client().call("list", all=True)["tasks"]}
        self.assertLessEqual(accepted, known)
        self.wait_empty(daemon)
        told = {}
        for got in receiver.events("finished"):
            told.setdefault(got.event["subject"], set()).add((got.id, got.body))
        # What it had written down but not yet told anybody of may have no promise.
        self.assertLessEqual(accepted, set(told))
        self.assertLessEqual(set(told), known)
        self.assertEqual({task for task, ids in told.items() if len({i for i, _ in ids}) != 1}, set())

    def test_J12_what_is_damaged_is_set_aside(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        receiver.default = answer(503)
        task = self.run_hooked(daemon, receiver.url())["task"]
        self.assertTrue(wait_until(lambda: len(self.outbox(daemon)) == 1, 10))
        path = daemon.client().call("info")["webhooks"]["outbox"]
        name = self.outbox(daemon)[0]
        kill_daemon(daemon)
        daemon.close_client()
        self.wait_over(receiver)
        with open(os.path.join(path, name), "rb") as f:
            good = f.read()
        for other, data in (("cut.event", good[:-5]), ("flipped.event", good[:-5] + b"XXXXX"), ("empty.event", b""), ("random.event", os.urandom(500)),
                            ("cut.promise", b"dayfly-outbox 1 0 0 0\n"), (".new-half.event", good[:20])):
            with open(os.path.join(path, other), "wb") as f:
                f.write(data)
            os.chown(os.path.join(path, other), os.stat(path).st_uid, -1)
        os.symlink("/etc/passwd", os.path.join(path, "link.event"))
        os.mkfifo(os.path.join(path, "fifo.event"))
        receiver.default = OK
        before = len(receiver.events("finished", task))
        daemon.start()
        self.assert_told(receiver, "finished", task, before + 1)
        self.wait_empty(daemon)
        self.assertEqual(len([n for n in self.outbox(daemon) if n.endswith(".bad")]), 7, self.outbox(daemon))
        self.assertRegex(self.whole_log(daemon), "damaged records were set aside")
        for left in self.outbox(daemon):
            os.unlink(os.path.join(path, left))

    def test_a_user_has_room_for_so_many(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver, "max_waiting_per_user = 2")
        receiver.default = answer(503)
        for _ in range(4):
            self.assertEqual(self.run_hooked(daemon, receiver.url())["outcome"], "ok")
        self.assertEqual(self.waiting(daemon), 2)
        self.assertEqual(self.count(daemon, "webhooks_given_up", why="full"), 2)
        self.assertEqual(len(re.findall("more are given up", self.whole_log(daemon))), 1)
        receiver.default = OK
        self.wait_empty(daemon)

    def test_J6_where_nothing_can_be_written_it_is_kept_in_memory(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        receiver.default = answer(503)
        os.mkdir(os.path.join(daemon.state_dir, "dayfly-%d.outbox" % os.stat(daemon.state_dir).st_uid))  # not its own mode
        task = self.run_hooked(daemon, receiver.url())["task"]
        self.assertTrue(wait_until(lambda: receiver.got, 10))
        told = daemon.client().call("info")["webhooks"]
        self.assertEqual((told["waiting"], told["fault"]), (1, "Operation not permitted"))
        self.assertIn("in memory only", self.whole_log(daemon))
        # When it can be again, it is.
        os.rmdir(told["outbox"])
        self.assertTrue(wait_until(lambda: self.outbox(daemon), 15))
        self.assertIsNone(daemon.client().call("info")["webhooks"]["fault"])
        receiver.default = OK
        self.wait_empty(daemon)
        self.assertEqual(self.count(daemon, "webhooks_delivered"), 1)
        self.assertEqual({g.event["subject"] for g in receiver.events("finished")}, {task})

    def test_M3_what_is_in_memory_only_is_told_by_its_promise(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        client = daemon.client()
        receiver.default = answer(503)

        def start():
            tag = client.send("run", detach=True, task={"argv": ["sleep", "97531"], "webhooks": [{"url": receiver.url()}]})
            task = [e for e in client.events(tag) if e["event"] == "accepted"][0]["task"]
            self.assertTrue(wait_until(lambda: task + ".promise" in self.outbox(daemon), 10))
            return task

        def end(task):
            client.call("cancel", task=task)
            self.assertTrue(wait_until(lambda: receiver.events("finished", task), 10))

        first, second = start(), start()
        path = client.call("info")["webhooks"]["outbox"]
        events = {task: os.path.join(path, "evt_%s_finished_0.event" % task[2:]) for task in (first, second)}
        # A folder in the place of its file: it cannot be written.
        os.mkdir(events[first])
        end(first)
        self.assertTrue(client.call("info")["webhooks"]["fault"])
        self.assertIn(first + ".promise", self.outbox(daemon))
        # When it can be, the event takes the promise's place.
        os.rmdir(events[first])
        self.assertTrue(wait_until(lambda: os.path.isfile(events[first]) and first + ".promise" not in self.outbox(daemon), 15), self.outbox(daemon))
        self.assertIn(second + ".promise", self.outbox(daemon))
        # And where this daemon dies before that, the next one tells.
        os.mkdir(events[second])
        end(second)
        kill_daemon(daemon, signal.SIGKILL)
        daemon.close_client()
        self.wait_over(receiver)
        os.rmdir(events[second])
        receiver.default = OK
        before = len(receiver.events("finished", second))
        daemon.start()
        self.assert_told(receiver, "finished", second, before + 1)
        self.wait_empty(daemon)
        self.assert_kept(daemon, 0)

    def test_who_has_nothing_else_to_do_stays_until_it_is_told(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver, args=("--idle-exit", "1s"))
        receiver.default = answer(503)
        task = self.run_hooked(daemon, receiver.url())["task"]
        self.assertTrue(wait_until(lambda: len(receiver.got) >= 3, 20))
        daemon.close_client()
        time.sleep(2.5)
        self.assertIsNone(daemon.process.poll())
        receiver.default = OK
        self.assertTrue(wait_until(lambda: daemon.process.poll() is not None, 30))
        self.assertEqual(receiver.got[-1].event["subject"], task)
        self.assertEqual(daemon.state_files(), [])
