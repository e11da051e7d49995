"""Output, input and terminals: framings, floods, slow readers, limits; G9, G10, K6."""
import base64
import hashlib
import os
import pty
import select
import signal
import subprocess
import time

from dayfly_client import SCALE
from dayfly_host import rss_kib
from dayfly_test import DaemonError, in_modes

from common import assert_grown_less, start_cli, wait_until

MIB = 1 << 20


@in_modes
class Output:
    def random_file(self, size):
        place = self.make_dir()
        data = os.urandom(size)
        self.make_file(os.path.join(place, "data"), data)
        return {"path": place, "mode": "ro", "target": "/mnt/in"}, data

    def test_10_MiB_of_random_bytes_come_unchanged_by_every_way(self):
        place, data = self.random_file(10 * MIB)
        for framing in ("raw", "json"):
            tag, task = self.client.start({"argv": ["cat", "/mnt/in/data"], "workspace": place}, framing=framing)
            _, result, stdout, stderr, events = self.client.finish(tag, task)
            self.assertTrue(stdout == data, framing)
            self.assertEqual(stderr, b"")
            self.assertEqual(result["output"]["stdout"], {"bytes": 10 * MIB, "dropped": 0, "truncated": False})
            keys = {key for e in events if e["event"] == "output" for key in ("text", "base64", "bytes") if key in e}
            if framing == "raw":
                self.assertEqual(keys, {"bytes"})
            else:  # a few bytes at the end of a read may be text by chance
                self.assertIn("base64", keys)
                self.assertNotIn("bytes", keys)
        done = self.cli("run", "--workspace", place["path"] + ":ro", "--", "cat", os.path.join(place["path"], "data"))
        self.assertTrue(done.stdout == data)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_stdin_and_stdout_of_the_command_line_are_transparent(self):
        data = os.urandom(3 * MIB)
        done = self.cli("run", "-i", "--", "cat", input=data)
        self.assertTrue(done.stdout == data, (len(done.stdout), done.stderr[:300]))

    def test_text_never_cuts_a_character(self):
        text = ("a\u00e9\u20ac\U0001f600" * 40000)
        place = self.make_dir()
        self.make_file(os.path.join(place, "text"), text)
        run = self.run_task(["cat", "/mnt/in/text"], workspace={"path": place, "mode": "ro", "target": "/mnt/in"})
        self.assertEqual(run.stdout.decode(), text)
        self.assertTrue(all("text" in e for e in run.events if e["event"] == "output"))
        # The rest of a character is waited for, for a moment: a busy machine may miss it.
        for _ in range(10):
            run = self.run_task(["python3", "-c", "import os, time; os.write(1, b'caf\\303'); time.sleep(0.005); os.write(1, b'\\251\\nend')"])
            self.assertEqual(run.stdout.decode(), "caf\u00e9\nend")
            if all("text" in e for e in run.events if e["event"] == "output"):
                return
        self.fail(run.events)

    def test_what_is_not_text_comes_as_base64(self):
        run = self.shell("printf '\\377\\376\\000\\001'")
        event = [e for e in run.events if e["event"] == "output"][0]
        self.assertEqual(base64.b64decode(event["base64"]), b"\xff\xfe\0\1")
        run = self.shell("printf 'a\\000b\\033[31mc\\r\\n'")
        self.assertEqual(run.stdout, b"a\0b\x1b[31mc\r\n")

    def test_one_line_of_10_MiB(self):
        run = self.shell("head -c %d /dev/zero | tr '\\0' x" % (10 * MIB))
        self.assertEqual(len(run.stdout), 10 * MIB)
        self.assertEqual(run.stdout.strip(b"x"), b"")

    def test_output_over_the_limit_is_counted_and_dropped(self):
        run = self.shell("echo first; head -c 3000000 /dev/zero; echo last; echo end >&2; exit 3", limits={"output": "1MiB"})
        self.assertEqual((run.cause, run.code), ("exit", 3))
        self.assertEqual(len(run.stdout), MIB)
        self.assertEqual((run.stdout[:6], run.stdout[-5:], run.stdout[6:-5].strip(b"\0")), (b"first\n", b"last\n", b""))
        self.assertEqual(run.stderr, b"end\n")
        self.assertEqual(run.result["output"]["stdout"], {"bytes": 3000011, "dropped": 3000011 - MIB, "truncated": True})
        gaps = [e for e in run.events if e["event"] == "output" and "truncated" in e]
        self.assertEqual(sum(e["truncated"] for e in gaps), 3000011 - MIB)

    def test_output_limit_kill(self):
        began = time.monotonic()
        run = self.run_task(["yes"], limits={"output": "1MiB"}, on_output_limit="kill")
        self.assertEqual((run.outcome, run.cause), ("killed", "output_limit"))
        self.assertLess(time.monotonic() - began, 9 * SCALE)
        self.assertEqual(len(run.stdout), MIB)
        done = self.cli("run", "--output-limit", "64KiB", "--", "sh", "-c", "head -c 200000 /dev/zero; exit 2")
        self.assertEqual((done.returncode, len(done.stdout)), (2, 65536))

    def test_yes_into_head_ends(self):
        run = self.shell("yes | head -n 100000 | tail -n 1")
        self.assert_ok(run)
        self.assertEqual(run.stdout, b"y\n")

    def test_command_line_into_a_pipe_that_closes(self):
        """`dayfly run -- yes | head -1` ends, and so does the task."""
        process = start_cli(self, "run", "--", "yes")
        self.assertEqual(process.stdout.read(2), b"y\n")
        process.stdout.close()
        process.wait(timeout=10 * SCALE)
        self.assertTrue(wait_until(lambda: not self.client.call("list")["tasks"], 7))

    def test_stdout_closed_by_the_task_is_no_end(self):
        run = self.shell("exec >&- 2>&-; sleep 0.2; exit 5")
        self.assertEqual((run.cause, run.code), ("exit", 5))


@in_modes
class SlowReaders:
    def test_K6_a_client_that_never_reads_harms_nobody(self):
        """The task waits, the daemon's memory stays bounded, others go on; when the client leaves, its task goes."""
        before = rss_kib(self.daemon.process.pid)
        deaf = [self.new_client() for _ in range(3)]
        for client in deaf:
            client.send("run", id="flood", task={"argv": ["yes"], "limits": {"wall": "60s", "output": "1GiB"}})
        other = self.client
        self.assertTrue(wait_until(lambda: [t["state"] for t in other.call("list")["tasks"]] == ["running"] * 3))
        time.sleep(0.7)
        for _ in range(20):
            began = time.monotonic()
            other.call("ping")
            self.assertLess(time.monotonic() - began, 5 * SCALE)
        self.assert_ok(self.run_task(["true"]))
        self.assertEqual(len(other.call("list")["tasks"]), 3)
        assert_grown_less(self, self.daemon.process.pid, before, 16 * 1024)
        for client in deaf:
            client.close()
        self.assertTrue(wait_until(lambda: not other.call("list")["tasks"], 10))

    def test_K6_requests_whose_answers_are_not_read_are_bounded(self):
        """A client that asks and asks and never reads is not read from either."""
        before = rss_kib(self.daemon.process.pid)
        deaf = self.new_client()
        deaf.sock.setblocking(False)
        line = b'{"op":"info","id":"%s"}\n' % (b"i" * 100)
        sent = 0
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if not select.select([], [deaf.sock], [], 0.3)[1]:
                break
            try:
                sent += deaf.sock.send(line * 100)
            except BlockingIOError:
                pass
        self.assertLess(sent, 64 * MIB, "it took everything")
        assert_grown_less(self, self.daemon.process.pid, before, 32 * 1024)
        self.client.call("ping")

    def test_G10_floods_of_many_tasks_with_slow_clients_are_bounded(self):
        before = rss_kib(self.daemon.process.pid)
        deaf = [self.new_client() for _ in range(10)]
        for client in deaf:
            for i in range(2):
                client.send("run", id="f%d" % i, task={"argv": ["yes", "a rather long line of output"], "limits": {"output": "64MiB"}})
        time.sleep(1.0)
        began = time.monotonic()
        self.client.call("ping")
        self.assertLess(time.monotonic() - began, 5 * SCALE)
        assert_grown_less(self, self.daemon.process.pid, before, 48 * 1024)
        for client in deaf:
            client.close()
        self.assertTrue(wait_until(lambda: not self.client.call("list")["tasks"], 15))

    def test_G9_flood_with_a_reader_that_keeps_up_goes_through_whole(self):
        digest, size = hashlib.sha256(), 0
        tag, task = self.client.start({"argv": ["sh", "-c", "yes 0123456789abcdef | head -c 60000000"]}, framing="raw")
        for event in self.client.events(tag, 60):
            if event["event"] == "output":
                self.assertNotIn("truncated", event)
                digest.update(event["data"])
                size += len(event["data"])
        line = b"0123456789abcdef\n"
        expected = (line * (60000000 // len(line) + 1))[:60000000]
        self.assertEqual(size, len(expected))
        self.assertEqual(digest.hexdigest(), hashlib.sha256(expected).hexdigest())

    def test_K6_a_slow_second_reader_gets_gaps_and_delays_nobody(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "yes | head -c 9000000"], "limits": {"output": "16MiB"}}, framing="raw")
        slow = self.new_client()
        reader = slow.send("attach", task=task, framing="raw")
        _, result, stdout, _, _ = self.client.finish(tag, task)
        self.assertEqual((result["outcome"], len(stdout)), ("ok", 9000000))
        got = missing = 0
        for event in slow.events(reader):
            got += len(event.get("data", b""))
            missing += event.get("truncated", 0)
        self.assertEqual(got + missing, 9000000)


@in_modes
class SlowForever:
    modes = ["rootless"]

    def test_K6_a_task_is_not_held_up_without_end(self):
        """A reader that takes nothing for ten seconds is not waited for: the task ends although nobody reads."""
        deaf = self.new_client()
        deaf.send("run", id="f", task={"argv": ["sh", "-c", "yes | head -c 30000000"], "on_disconnect": "keep", "name": "flood"})
        self.assertTrue(wait_until(lambda: self.client.call("list")["tasks"], 5))
        result = self.client.call("wait", task="flood", timeout=40)
        self.assertEqual((result["outcome"], result["output"]["stdout"]["bytes"]), ("ok", 30000000))


@in_modes
class Input:
    def test_stdin_streams_and_ends(self):
        tag, task = self.client.start({"argv": ["cat"], "stdin": "stream"})
        for part in ("one\n", "two\n"):
            self.client.call("input", task=task, text=part)
            self.client.wait_output(tag, part.encode())
        self.client.call("input", task=task, base64=base64.b64encode(b"\0\xff\n").decode(), eof=True)
        _, result, stdout, _, _ = self.client.finish(tag, task)
        self.assertEqual((result["outcome"], stdout), ("ok", b"\0\xff\n"))

    def test_raw_input_bytes_follow_the_request(self):
        tag, task = self.client.start({"argv": ["sha256sum"], "stdin": "stream"})
        data = os.urandom(3 * MIB)
        for at in range(0, len(data), MIB):
            request = b'{"op":"input","id":"i%d","task":"%s","bytes":%d}\n' % (at, task.encode(), MIB)
            self.client.send_bytes(request + data[at:at + MIB])
        for at in range(0, len(data), MIB):
            self.assertEqual(self.client.next_for("i%d" % at)["event"], "result")
        self.client.call("input", task=task, eof=True)
        _, _, stdout, _, _ = self.client.finish(tag, task)
        self.assertEqual(stdout.split()[0].decode(), hashlib.sha256(data).hexdigest())

    def test_input_waits_for_a_task_that_does_not_read(self):
        """Answers come when there is room: a client that waits for them paces itself, and the daemon holds little."""
        before = rss_kib(self.daemon.process.pid)
        tag, task = self.client.start({"argv": ["sh", "-c", "sleep 1; wc -c"], "stdin": "stream"})
        tags = []
        for i in range(8):
            tags.append("w%d" % i)
            self.client.send_bytes(b'{"op":"input","id":"w%d","task":"%s","bytes":262144}\n' % (i,
                    task.encode()) + b"x" * 262144 if i < 1 else
                                   b'{"op":"input","id":"w%d","task":"%s","bytes":1024}\n' % (i, task.encode()) + b"x" * 1024)
        assert_grown_less(self, self.daemon.process.pid, before, 8 * 1024)
        for t in tags:
            self.assertEqual(self.client.next_for(t)["event"], "result")
        self.client.call("input", task=task, eof=True)
        _, _, stdout, _, _ = self.client.finish(tag, task)
        self.assertEqual(int(stdout), 262144 + 7 * 1024)

    def test_input_without_stdin_after_eof_and_after_the_end_is_refused(self):
        tag, task = self.client.start({"argv": ["sleep", "30"]})
        with self.assertRaises(DaemonError) as caught:
            self.client.call("input", task=task, text="x")
        self.assertEqual(caught.exception.code, "bad_state")
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)
        tag, task = self.client.start({"argv": ["sh", "-c", "cat; sleep 0.5"], "stdin": "stream"})
        self.client.call("input", task=task, text="x", eof=True)
        with self.assertRaises(DaemonError) as caught:
            self.client.call("input", task=task, text="y")
        self.assertEqual(caught.exception.code, "bad_state")
        self.client.finish(tag, task)
        with self.assertRaises(DaemonError) as caught:
            self.client.call("input", task=task, text="y")
        self.assertEqual(caught.exception.code, "bad_state")

    def test_a_task_that_closes_its_stdin_stops_nobody(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "exec <&-; echo closed; sleep 0.5"], "stdin": "stream"})
        self.client.wait_output(tag, b"closed")
        for _ in range(3):
            try:
                self.client.call("input", task=task, text="x" * 100000, timeout=5)
            except DaemonError as e:
                self.assertEqual(e.code, "bad_state")
        _, result, _, _, _ = self.client.finish(tag, task)
        self.assertEqual(result["outcome"], "ok")

    def test_the_default_stdin_is_empty(self):
        self.assertEqual(self.shell("cat | wc -c; readlink /proc/self/fd/0").text().split(), ["0", "/dev/null"])


@in_modes
class Signals:
    def test_signals_reach_the_task(self):
        script = "for s in USR1 USR2 HUP INT WINCH; do trap \"echo got $s\" $s; done; trap 'echo bye; exit 8' TERM; echo up; while :; do sleep 0.02; done"
        tag, task = self.client.start({"argv": ["sh", "-c", script]})
        self.client.wait_output(tag, b"up")
        for name, text in (("USR1", b"got USR1"), ("SIGUSR2", b"got USR2"), (str(int(signal.SIGHUP)), b"got HUP"), ("INT", b"got INT")):
            self.client.call("signal", task=task, signal=name)
            self.client.wait_output(tag, text)
        self.client.call("signal", task=task, signal="TERM")
        _, result, stdout, _, _ = self.client.finish(tag, task)
        self.assertEqual((result["outcome"], result["cause"], result["exit"]["code"]), ("failed", "exit", 8))

    def test_a_kill_by_signal_is_told_as_a_signal(self):
        tag, task = self.client.start({"argv": ["sleep", "30"]})
        self.client.wait_state(tag, "running")
        self.client.call("signal", task=task, signal="KILL")
        _, result, _, _, _ = self.client.finish(tag, task)
        self.assertEqual((result["outcome"], result["cause"], result["exit"]["signal"]), ("failed", "signal", 9))

    def test_unknown_signals_are_refused(self):
        tag, task = self.client.start({"argv": ["sleep", "30"]})
        for name in ("0", "65", "-9", "KILLX", "", "SIG", "9 ", "1e1", "99999999999"):
            with self.assertRaises(DaemonError, msg=name) as caught:
                self.client.call("signal", task=task, signal=name)
            self.assertIn(caught.exception.code, ("bad_value", "out_of_range", "too_large"), name)
            self.assertEqual(caught.exception.field, "signal", name)
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)

    def test_stop_and_continue(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "while :; do echo tick; sleep 0.02; done"]})
        self.client.wait_output(tag, b"tick")
        self.client.call("signal", task=task, signal="STOP")
        # The shell; or a child that has not become sleep yet, and the shell waits for that as after vfork.
        self.assertTrue(wait_until(lambda: "T" in [state for _, comm, state in self.daemon.processes().values() if comm == "sh"]),
                        self.daemon.processes())
        seqs = []

        def is_silent():
            seqs.append(self.client.call("inspect", task=task)["last_seq"])
            return seqs[-1] in seqs[:-1]

        # What it had written before may still be on its way.
        self.assertTrue(wait_until(is_silent, 5, 0.2), seqs)
        seq = seqs[-1]
        self.client.call("signal", task=task, signal="CONT")
        self.assertTrue(wait_until(lambda: self.client.call("inspect", task=task)["last_seq"] > seq, 3))
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)


@in_modes
class Terminal:
    def test_tty_size_resize_and_echo(self):
        tag, task = self.client.start({"argv": ["sh", "-c",
                                                "stty size; trap 'stty size' WINCH; echo up; while :; do read line && echo read $line; [ \"$line\" != again ] || exit 0; done"],
                                       "tty": True, "rows": 33, "cols": 77})
        self.assertIn(b"33 77", self.client.wait_output(tag, b"up"))
        self.client.call("resize", task=task, rows=44, cols=99)
        self.client.call("input", task=task, text="hello\n")
        got = self.client.wait_output(tag, b"read hello")
        self.assertIn(b"44 99", got)
        self.client.call("input", task=task, text="again\n")
        _, result, _, stderr, _ = self.client.finish(tag, task)
        self.assertEqual((result["outcome"], stderr), ("ok", b""))

    def test_tty_is_the_jails_own_and_controlling(self):
        run = self.shell("tty; ls -l /dev/pts /dev/console 2>&1; : </dev/tty && echo controlling; ps -o tty= -p $$ 2>/dev/null", tty=True)
        self.assert_ok(run)
        self.assertIn("/dev/pts/0", run.text())
        self.assertIn("controlling", run.text())
        run = self.shell("tty; (: </dev/tty) 2>/dev/null || echo none")
        self.assertIn("none", run.text())

    def test_tty_interrupt_key_and_end_of_input(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "trap 'echo interrupted' INT; echo up; cat; echo status $?; cat; echo over"],
                                       "tty": True})
        self.client.wait_output(tag, b"up")
        self.assertTrue(wait_until(lambda: "cat" in [comm for _, comm, _ in self.daemon.processes().values()]))
        self.client.call("input", task=task, text="\x03")
        self.client.wait_output(tag, b"status")
        self.client.call("input", task=task, eof=True)
        _, result, stdout, _, _ = self.client.finish(tag, task, timeout=10)
        self.assertEqual(result["outcome"], "ok")

    def test_resize_of_a_task_without_terminal_is_refused(self):
        tag, task = self.client.start({"argv": ["sleep", "30"]})
        with self.assertRaises(DaemonError) as caught:
            self.client.call("resize", task=task, rows=3, cols=3)
        self.assertEqual(caught.exception.code, "bad_state")
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)

    def test_hangup_of_the_terminal_is_no_end(self):
        run = self.shell("exec </dev/null >/dev/null 2>&1; sleep 0.3; exit 6", tty=True)
        self.assertEqual((run.cause, run.code), ("exit", 6))

    def test_tty_flood_is_whole(self):
        run = self.shell("stty -onlcr; seq 1 30000", tty=True)
        self.assert_ok(run)
        self.assertEqual(run.text().split(), [str(n) for n in range(1, 30001)])

    def test_command_line_on_a_terminal(self):
        """dayfly run -it on a pty of its own: size, echo, exit status, and the terminal as it was."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        subprocess.run(["stty", "rows", "31", "cols", "71"], stdin=slave, check=True)
        before = subprocess.run(["stty", "-g"], stdin=slave, stdout=subprocess.PIPE, check=True).stdout
        process = start_cli(self, "run", "-it", "--", "sh", "-c", "stty size; read line; echo got $line; exit 4", stdin=slave, stdout=slave,
                            stderr=slave)
        got = self.read_terminal(master, b"31 71")
        os.write(master, b"word\r")
        got += self.read_terminal(master, b"got word")
        self.assertEqual(process.wait(timeout=10 * SCALE), 4)
        after = subprocess.run(["stty", "-g"], stdin=slave, stdout=subprocess.PIPE, check=True).stdout
        os.close(slave)
        self.assertEqual(after, before)

    def test_command_line_interrupts(self):
        """Ctrl-C once is SIGINT for the task, twice kills it."""
        process = start_cli(self, "run", "--", "sh", "-c", "trap 'echo once' INT; echo up; while :; do sleep 0.02; done")
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), b"once\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=10 * SCALE), 130)

    def read_terminal(self, master, text, seconds=10):
        got = b""
        deadline = time.monotonic() + seconds * SCALE
        while text not in got:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([master], [], [], left)[0]:
                self.fail("no %r on the terminal, but %r" % (text, got))
            got += os.read(master, 65536)
        return got
