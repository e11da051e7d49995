"""Artifacts that dayflyd sends on: M1 to M9, against a server on loopback that does as it is told."""
import json
import os
import signal
import ssl
import subprocess
import time

from dayfly_client import SCALE
from dayfly_hooks import OK, Receiver, answer, make_tls
from dayfly_test import DaemonError, in_modes

from common import kill_daemon, wait_until
from test_config import Configured


class Sending(Configured):
    def receiver(self, **more):
        receiver = Receiver(**more)
        self.addCleanup(receiver.stop)
        return receiver

    def sending(self, receiver=None, *lines, host="127.0.0.1", secret=None, private="yes"):
        """A daemon with a target `web` that leads to this receiver."""
        daemon = self.configured("", start=False)
        text = ["[uploads]"]
        if receiver:
            text += ["target = web endpoint=%s private=%s" % (receiver.url("/in", host), private),
                     "private_hosts = 127.0.0.1:%d" % receiver.port]
        if secret:
            path = os.path.join(daemon.place, "credentials")
            self.make_file(path, "authorization = %s\n" % secret, 0o600, owner=0 if self.mode == "root" else None)
            text.append("target = web credentials=" + path)
        self.write_config(daemon, "\n".join(text + list(lines)) + "\n")
        daemon.start()
        return daemon

    def send_files(self, daemon, script="echo content >a.txt", globs=("*.txt",), upload=None, **more):
        """Runs it. Returns its result."""
        task = {"argv": ["sh", "-c", script], "cwd": "/tmp", "artifacts": {"files": [{"glob": g} for g in globs], "upload": upload or {"target": "web"}}}
        task.update(more)
        return daemon.client().run(task)[1]

    def uploads(self, daemon, task=None):
        more = {"task": task} if task else {}
        return daemon.client().call("uploads", **more)["uploads"]

    def ended(self, daemon, task, seconds=20):
        """What became of its uploads, by path."""
        self.assertTrue(wait_until(lambda: all(u["state"] in ("done", "failed") for u in self.uploads(daemon, task)), seconds),
                        (self.uploads(daemon, task), self.whole_log(daemon)))
        return {u["path"]: u for u in self.uploads(daemon, task)}

    def assert_failed(self, daemon, result, cause):
        [upload] = self.ended(daemon, result["task"]).values()
        self.assertEqual(upload["state"], "failed", upload)
        self.assertRegex(upload["cause"], cause)

    def assert_tried(self, daemon, result, cause):
        """An attempt failed for this cause. Where it may work later, it is tried again until its deadline."""
        def causes():
            return [u.get("cause") for u in self.uploads(daemon, result["task"])]
        self.assertTrue(wait_until(lambda: all(causes()), 20), (causes(), self.whole_log(daemon)))
        for told in causes():
            self.assertRegex(told, cause)

    def assert_nothing_waits(self, daemon):
        self.assertTrue(wait_until(lambda: daemon.client().call("info")["uploads"]["waiting"] == 0, 10))
        state = os.path.join(daemon.place, "state")
        left = [f for _, _, files in os.walk(state) for f in files if f.endswith((".spool", ".upload"))]
        self.assertEqual(left, [])

    def restart(self, daemon, signo=signal.SIGKILL):
        kill_daemon(daemon, signo)
        daemon.close_client()
        daemon.start()


@in_modes
class Sent(Sending):
    def test_each_file_gets_to_its_key_byte_for_byte(self):
        receiver = self.receiver()
        daemon = self.sending(receiver, secret="Bearer letmein")
        result = self.send_files(daemon, "mkdir d; head -c 300000 /dev/zero | tr '\\0' x >d/big; printf 'a b' >'d/ü+:=@!.txt'; : >empty",
                                 ["d", "empty"], {"target": "web", "prefix": "builds/{task}/{uid}-"})
        items = {i["path"]: i for i in result["artifacts"]["list"]}
        self.assertEqual(len(items), 3, result["artifacts"])
        uid = self.uploads(daemon, result["task"]) and os.geteuid()
        for path, item in items.items():
            self.assertEqual((item["upload"]["state"], item["upload"]["target"]), ("queued", "web"))
            self.assertRegex(item["upload"]["key"], "^builds/%s/[0-9]+-%s$" % (result["task"], path.replace("+", "[+]")))
        self.assertEqual({u["state"] for u in self.ended(daemon, result["task"]).values()}, {"done"})
        got = {g.path: g for g in receiver.got}
        self.assertEqual({len(g.body) for g in got.values()}, {300000, 3, 0})
        self.assertTrue(all(g.method == "PUT" and g.headers["authorization"] == "Bearer letmein" for g in got.values()), uid)
        self.assertTrue([p for p in got if p.startswith("/in/builds/") and p.endswith("d/%C3%BC%2B%3A%3D%40%21.txt")], list(got))
        self.assert_nothing_waits(daemon)

    def test_the_command_line_waits_and_says_what_failed(self):
        receiver = self.receiver()
        self.sending(receiver)
        args = ["run", "--artifact", "*.txt", "--upload", "web/x/", "--", "sh", "-c", "echo hi >one.txt"]
        done = self.cli(*args)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual([(g.path, g.body) for g in receiver.got], [("/in/x/one.txt", b"hi\n")])
        listed = self.cli("uploads")
        self.assertRegex(listed.stdout.decode(), "done +.* one.txt +web:x/one.txt")
        receiver.default = answer(403)
        done = self.cli(*args)
        self.assertEqual(done.returncode, 125, done)
        self.assertIn("one.txt was not uploaded: HTTP status 403", done.stderr.decode())
        task = json.loads(self.cli("uploads", "--json").stdout.decode().splitlines()[-1])["task"]
        self.assertEqual(self.cli("uploads", "--wait", task).returncode, 1)
        nameless = self.cli("uploads", "--wait")
        self.assertEqual(nameless.returncode, 2)
        self.assertIn(b"\n  fix: write dayfly uploads --wait TASK", nameless.stderr)
        receiver.default = "hang"
        done = self.cli("run", "--no-wait-upload", *args[1:])
        self.assertEqual(done.returncode, 0, done)

    def test_an_address_of_the_request_and_another_for_each_file(self):
        receiver = self.receiver()
        daemon = self.sending(receiver)
        one = self.send_files(daemon, upload={"url": receiver.url("/put?sig=hush-hush")})
        self.ended(daemon, one["task"])
        self.assertEqual([(g.method, g.path, g.body) for g in receiver.got], [("PUT", "/put?sig=hush-hush", b"content\n")])
        self.assertEqual(one["artifacts"]["list"][0]["upload"], {"state": "queued", "url": "http://127.0.0.1:%d" % receiver.port})
        many = self.send_files(daemon, "echo a >a.txt; echo b >b.txt", upload={"url": receiver.url("/d/{path}?sig=hush-hush")})
        self.ended(daemon, many["task"])
        self.assertEqual({g.path for g in receiver.got[1:]}, {"/d/a.txt?sig=hush-hush", "/d/b.txt?sig=hush-hush"})
        both = self.send_files(daemon, "echo a >a.txt; echo b >b.txt", upload={"url": receiver.url("/put")})
        self.assertEqual({i["upload"]["error"]["code"] for i in both["artifacts"]["list"]}, {"bad_value"})
        self.assert_nothing_waits(daemon)
        # M9: of the address only for whom it is.
        client = daemon.client()
        for text in (self.whole_log(daemon), json.dumps(one), json.dumps(client.call("inspect", task=one["task"])),
                     json.dumps(client.call("history", task=one["task"])), json.dumps(client.call("uploads"))):
            self.assertNotIn("hush-hush", text)

    def test_of_a_long_list_the_first_and_the_sums_are_kept(self):
        daemon = self.sending(self.receiver())
        script = "i=100; while [ $i -lt 400 ]; do echo $i >$i-%s.txt; i=$((i+1)); done" % ("x" * 100)
        result = self.send_files(daemon, "mkdir d; cd d; " + script, ["d"])
        whole = result["artifacts"]
        self.assertEqual((whole["count"], whole["bytes"], len(whole["list"])), (300, 1200, 300))
        self.assertNotIn("list_dropped", whole)
        self.ended(daemon, result["task"], 60)
        self.restart(daemon)
        for kept in (daemon.client().call("inspect", task=result["task"])["result"]["artifacts"],
                     daemon.client().call("wait", task=result["task"])["artifacts"]):
            n = len(kept["list"])
            self.assertEqual((kept["count"], kept["bytes"], kept["truncated"], kept["list_dropped"]), (300, 1200, False, 300 - n))
            self.assertGreater(n, 10)
            self.assertEqual(kept["list"], whole["list"][:n])
        [row] = daemon.client().call("history", limit=10)["tasks"]
        self.assertEqual(row["task"], result["task"])

    def test_a_task_that_leaves_nothing_leaves_no_spool(self):
        daemon = self.sending(self.receiver())
        result = self.send_files(daemon, "true")
        self.assertEqual((result["outcome"], result["cause"]), ("failed", "artifacts"))
        self.assertEqual(self.uploads(daemon, result["task"]), [])
        self.assert_nothing_waits(daemon)


@in_modes
class Failing(Sending):
    def test_M1_M2_what_may_work_later_is_tried_again(self):
        receiver = self.receiver()
        daemon = self.sending(receiver)
        receiver.answers["/in/a.txt"] = ["reset", answer(429, "Retry-After: 2"),
                                         b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"]
        result = self.send_files(daemon, upload={"target": "web", "prefix": ""})
        self.assertEqual(self.ended(daemon, result["task"], 40)["a.txt"]["state"], "done")
        self.assertEqual([g.body for g in receiver.got], [b"content\n"] * 4)
        self.assertGreaterEqual(receiver.got[2].at - receiver.got[1].at, 2)
        self.assert_nothing_waits(daemon)

    def test_M1_at_the_deadline_it_is_given_up(self):
        receiver = self.receiver()
        daemon = self.sending(receiver, "deadline = %ds" % (3 * SCALE))
        receiver.default = answer(500)
        self.assert_failed(daemon, self.send_files(daemon), "HTTP status 500")
        self.assert_nothing_waits(daemon)

    def test_M4_a_redirect_is_not_followed(self):
        receiver = self.receiver()
        other = self.receiver()
        daemon = self.sending(receiver)
        for where in ("http://169.254.169.254/", "file:///etc/passwd", "gopher://127.0.0.1:%d/" % other.port, other.url("/x")):
            receiver.default = answer(307, "Location: " + where)
            n = len(receiver.got)
            self.assert_failed(daemon, self.send_files(daemon), "redirected")
            self.assertEqual(len(receiver.got), n + 1)
        self.assertEqual(other.n_connections, 0)
        self.assert_nothing_waits(daemon)

    def test_M5_a_server_that_hangs_or_drips_holds_up_nobody(self):
        tarpit, good = self.receiver(), self.receiver()
        daemon = self.sending(tarpit, "target = good endpoint=%s private=yes" % good.url("/in"), "stall = 1s")
        for tarpit.default in ("hang", "drip"):
            stuck = self.send_files(daemon)
            fine = self.send_files(daemon, upload={"target": "good"})
            self.assertEqual([u["state"] for u in self.ended(daemon, fine["task"]).values()], ["done"])
            self.assert_tried(daemon, stuck, ".")
            self.assertIn(self.uploads(daemon, stuck["task"])[0]["state"], ("queued", "sending"))
        tarpit.default = OK
        for stuck in self.uploads(daemon):
            self.assertEqual(self.ended(daemon, stuck["task"], 60)["a.txt"]["state"], "done")
        self.assert_nothing_waits(daemon)

    def test_M3_killed_half_way_the_next_daemon_goes_on(self):
        receiver = self.receiver()
        daemon = self.sending(receiver)
        receiver.default = "hang"
        result = self.send_files(daemon, "head -c 3000000 /dev/zero | tr '\\0' y >a.txt")
        self.assertTrue(wait_until(lambda: len(receiver.got) == 1, 10))
        receiver.default = OK
        self.restart(daemon)
        self.assertEqual(self.ended(daemon, result["task"])["a.txt"]["state"], "done")
        self.assertEqual(receiver.got[-1].body, b"y" * 3000000)
        self.assert_nothing_waits(daemon)

    def test_M7_only_targets_and_hosts_that_the_administrator_names(self):
        daemon = self.sending(self.receiver(), "hosts = up.example.com")
        for upload, field in (({"target": "other"}, "target"), ({"url": "https://evil.example/x"}, "url"), ({"url": "http://up.example.com/x"}, "url"),
                              ({"url": "http://169.254.169.254/x"}, "url"), ({"url": "https://u:p@up.example.com/"}, "url"),
                              ({"url": "https://{path}.example.com/"}, "url"), ({"target": "web", "prefix": "../x"}, "prefix")):
            with self.assertRaises(DaemonError) as caught:
                self.send_files(daemon, upload=upload)
            self.assertEqual(caught.exception.error["field"], "task.artifacts.upload." + field)

    def test_M6_a_public_name_that_leads_here_is_not_connected_to(self):
        receiver = self.receiver()
        daemon = self.sending(None, "target = web endpoint=https://localhost:%d" % receiver.port)
        self.assert_tried(daemon, self.send_files(daemon), "not of the public Internet")
        self.assertEqual(receiver.n_connections, 0)

    def test_M8_TLS_is_verified(self):
        folder = self.make_dir(owner=0 if os.geteuid() == 0 else None)
        context, ca = make_tls(folder)
        receiver = self.receiver(tls=context)
        daemon = self.sending(receiver, host="localhost")
        self.assert_tried(daemon, self.send_files(daemon), "certificate|SSL")
        daemon = self.sending(receiver, "ca_file = " + ca)  # for another host
        self.assert_tried(daemon, self.send_files(daemon), "certificate|SSL|name")
        self.assertEqual(receiver.got, [])
        daemon = self.sending(receiver, "ca_file = " + ca, host="localhost")
        self.assertEqual([u["state"] for u in self.ended(daemon, self.send_files(daemon)["task"]).values()], ["done"])
        # One that has expired, and a protocol that is too old.
        subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "-1",
                        "-extfile", "ext", "-out", "old.pem"], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        context.load_cert_chain(os.path.join(folder, "old.pem"), os.path.join(folder, "server.key"))
        self.assert_tried(daemon, self.send_files(daemon), "expired|certificate|SSL")
        weak = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        weak.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
        weak.set_ciphers("ALL:@SECLEVEL=0")
        weak.minimum_version, weak.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        receiver.tls, n = weak, len(receiver.got)
        self.assert_tried(daemon, self.send_files(daemon), "SSL|TLS|protocol")
        self.assertEqual(len(receiver.got), n)

    def test_M9_no_credential_is_told(self):
        receiver = self.receiver()
        daemon = self.sending(receiver, secret="Bearer hush-hush")
        receiver.default = answer(403, body=b"hush-hush body")
        self.assert_failed(daemon, self.send_files(daemon), "HTTP status 403$")
        self.assertIn("hush-hush", receiver.got[0].headers["authorization"])
        for pid in os.listdir("/proc"):
            if pid.isdigit() and int(pid) == daemon.process.pid:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    self.assertNotIn(b"hush-hush", f.read())
        for text in (self.whole_log(daemon), json.dumps(daemon.client().call("info")), self.cli("config", "show").stdout.decode()):
            self.assertNotIn("hush-hush", text)

    def test_beyond_the_bounds_it_is_refused_and_the_task_is_not_harmed(self):
        receiver = self.receiver()
        daemon = self.sending(receiver, "max_waiting_per_user = 1")
        result = self.send_files(daemon, "echo a >a.txt; echo b >b.txt")
        self.assertEqual(result["outcome"], "ok")
        self.assertEqual({i["upload"]["error"]["code"] for i in result["artifacts"]["list"]}, {"busy"})
        self.assert_nothing_waits(daemon)
