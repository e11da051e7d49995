"""Credentials that a request brings for its uploads (M7, M9): only where policy says so, and nowhere but where they are needed."""
import contextlib
import json
import os
import re

from dayfly_hooks import OK, answer
from dayfly_test import DaemonError, in_modes

from common import kill_daemon, wait_until
from test_uploads import Sending

SECRET = "Bearer hush-hush-5d1f"
LINES = "authorization = %s\n" % SECRET


@in_modes
class Brought(Sending):
    def daemon_for(self, receiver, *lines, allowed=True):
        more = ["credential_hosts = 127.0.0.1:%d" % receiver.port] if allowed else []
        return self.sending(receiver, *more, *lines)

    def bring(self, daemon, lines=LINES, client=None, **upload):
        fd = os.memfd_create("credentials")
        os.write(fd, lines.encode())
        self.addCleanup(os.close, fd)
        task = {"argv": ["sh", "-c", "echo content >a.txt"], "cwd": "/tmp",
                "artifacts": {"files": [{"glob": "*.txt"}], "upload": dict(upload or {"target": "web"}, credentials_fd=0)}}
        return (client or daemon.client()).run(task, fds=[fd])[1]

    def files_with(self, folder, text):
        found = []
        for at, _, names in os.walk(folder):
            for name in names:
                if not os.path.isfile(os.path.join(at, name)):
                    continue  # the socket
                # Those of the journal and of the history may go meanwhile.
                with contextlib.suppress(FileNotFoundError), open(os.path.join(at, name), "rb") as f:
                    found += [name] if text.encode() in f.read() else []
        return found

    def assert_refused(self, daemon, field, code, *args, **upload):
        with self.assertRaises(DaemonError) as caught:
            self.bring(daemon, *args, **upload)
        error = caught.exception.error
        self.assertEqual((error["field"], error["code"]), ("task.artifacts.upload." + field, code), error)
        self.assertNotIn("hush", json.dumps(error))
        return error

    def test_M9_they_are_used_and_are_nowhere_else(self):
        receiver = self.receiver()
        daemon = self.daemon_for(receiver, "[daemon]", "log_level = debug")
        receiver.answers["/in/a.txt"] = [answer(503)]
        results = [self.bring(daemon, target="web", prefix=""), self.bring(daemon, url=receiver.url("/put"))]
        for result in results:
            self.assertEqual(self.ended(daemon, result["task"])["a.txt"]["state"], "done")
        self.assertEqual([g.headers.get("authorization") for g in receiver.got], [SECRET] * 3)
        client = daemon.client()
        told = [self.whole_log(daemon), json.dumps(results), json.dumps(client.call("uploads")), json.dumps(client.call("info")),
                json.dumps(client.call("history"))]
        told += [json.dumps(client.call("inspect", task=r["task"])) for r in results]
        for text in told:
            self.assertNotIn("hush-hush", text)
            self.assertNotIn("hush-hush".encode().hex(), text)
        # While one waits, too. With the control that the search would find it.
        receiver.default = "hang"
        waits = self.bring(daemon)
        self.assertTrue(wait_until(lambda: len(receiver.got) == 4, 10))
        state = os.path.join(daemon.place, "state")
        self.assertTrue(self.files_with(state, waits["task"]), "the control")
        self.assertEqual(self.files_with(daemon.place, "hush-hush"), [])
        with open("/proc/%d/cmdline" % daemon.process.pid, "rb") as f:
            self.assertNotIn(b"hush", f.read())

    def test_M7_not_unless_the_host_is_named_for_that(self):
        receiver = self.receiver()
        daemon = self.daemon_for(receiver, allowed=False)
        for upload in ({"target": "web"}, {"url": receiver.url("/put")}):
            error = self.assert_refused(daemon, "credentials_fd", "not_allowed", **upload)
            self.assertIn("credential_hosts in [uploads]", error["hint"])
        self.assertEqual(receiver.n_connections, 0)
        # The control.
        daemon = self.daemon_for(receiver)
        self.assertEqual(self.ended(daemon, self.bring(daemon)["task"])["a.txt"]["state"], "done")

    def test_lines_that_are_none_are_refused_at_once(self):
        daemon = self.daemon_for(self.receiver(), "target = s3 type=s3 endpoint=http://127.0.0.1:1 private=yes bucket=abc credentials=request",
                                 "credential_hosts = 127.0.0.1:1")
        for lines in ("hush", "authorization = \n", "aws_access_key_id = hush\n", LINES + LINES, ""):
            self.assert_refused(daemon, "credentials_fd", "bad_value", lines)
        self.assert_refused(daemon, "credentials_fd", "bad_value", "aws_access_key_id = hush\n", target="s3")
        self.assert_refused(daemon, "credentials_fd", "too_large", LINES + "#" * 5000)
        # A target that has none of its own wants them.
        with self.assertRaises(DaemonError) as caught:
            self.send_files(daemon, upload={"target": "s3"})
        self.assertEqual(caught.exception.error["field"], "task.artifacts.upload.credentials")
        # As text they may come too, but not both.
        with self.assertRaises(DaemonError) as caught:
            self.bring(daemon, target="web", credentials=LINES)
        self.assertIn("as text already", caught.exception.error["message"])

    def test_M3_after_a_restart_they_are_gone_and_that_is_told(self):
        receiver = self.receiver()
        receiver.default = "hang"
        daemon = self.daemon_for(receiver)
        result = self.bring(daemon)
        self.assertTrue(wait_until(lambda: receiver.got, 10))
        receiver.default = OK
        self.restart(daemon)
        self.assert_failed(daemon, result, "its credentials came with the request, .* keep_credentials in .uploads.")
        self.assertEqual(len(receiver.got), 1)
        self.assert_nothing_waits(daemon)

    def test_M3_where_policy_says_so_they_are_kept_until_it_is_sent(self):
        receiver = self.receiver()
        receiver.default = "hang"
        daemon = self.daemon_for(receiver, "keep_credentials = yes")
        result = self.bring(daemon)
        self.assertTrue(wait_until(lambda: receiver.got, 10))
        state = os.path.join(daemon.place, "state")
        self.assertEqual(self.files_with(state, "hush-hush"), [result["task"] + ".credentials"])
        receiver.default = OK
        self.restart(daemon)
        self.assertEqual(self.ended(daemon, result["task"])["a.txt"]["state"], "done")
        self.assertEqual(receiver.got[-1].headers["authorization"], SECRET)
        self.assert_nothing_waits(daemon)
        self.assertEqual(self.files_with(state, "hush-hush"), [])
        # One that the administrator does not want kept any more goes, and is not used.
        receiver.default = "hang"
        n = len(receiver.got)
        result = self.bring(daemon)
        self.assertTrue(wait_until(lambda: len(receiver.got) > n, 10))
        with open(daemon.config) as f:
            text = f.read()
        self.write_config(daemon, text.replace("keep_credentials = yes", "keep_credentials = no"))
        self.restart(daemon)
        self.assert_failed(daemon, result, "its credentials")
        self.assertEqual(self.files_with(state, "hush-hush"), [])

    def test_M9_a_damaged_record_of_them_does_not_stay(self):
        receiver = self.receiver()
        receiver.default = "hang"
        daemon = self.daemon_for(receiver, "keep_credentials = yes")
        result, signed = self.bring(daemon), self.send_files(daemon, upload={"url": receiver.url("/put?sig=hush-hush")})
        self.assertTrue(wait_until(lambda: len(receiver.got) == 2, 10))
        kill_daemon(daemon)
        state = os.path.join(daemon.place, "state")
        names = [result["task"] + ".credentials", signed["task"] + ".0.upload"]
        self.assertEqual(sorted(self.files_with(state, "hush-hush")), sorted(names))
        for folder, _, files in os.walk(state):
            for name in set(files) & set(names):
                with open(os.path.join(folder, name), "r+b") as f:
                    f.seek(-1, os.SEEK_END)
                    f.write(b"#")
        self.assertEqual(sorted(self.files_with(state, "hush-hush")), sorted(names), "the control")
        receiver.default = OK
        daemon.close_client()
        daemon.start()
        self.assert_failed(daemon, result, "the record of its credentials was damaged")
        self.assertEqual(self.files_with(state, "hush-hush"), [])
        for name in names:
            self.assertRegex(self.whole_log(daemon), "/%s was damaged, and is removed" % re.escape(name))
        self.assert_nothing_waits(daemon)

    def test_the_command_line_takes_them_from_a_file(self):
        receiver = self.receiver()
        self.daemon_for(receiver)
        path = os.path.join(self.make_dir(), "token")
        self.make_file(path, LINES, 0o600)
        args = ["run", "--artifact", "*.txt", "--upload", "web/x/", "--upload-credentials", path, "--", "sh", "-c", "echo hi >one.txt"]
        done = self.cli(*args)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual([(g.path, g.headers["authorization"]) for g in receiver.got], [("/in/x/one.txt", SECRET)])
        self.assertEqual(self.cli("run", "--upload-credentials", path, "--", "true").returncode, 125)
        done = self.cli("run", "--artifact", "x", "--upload", "web", "--upload-credentials", "/nowhere", "--", "true")
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (125, 1), done)
        self.assertIn(b"--upload-credentials: open /nowhere: ", done.stderr)
