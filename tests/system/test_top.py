"""dayfly top: on a terminal, and without one."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from dayfly_client import SCALE, clock
from dayfly_test import in_modes

from common import OwnDaemons, kill_daemon, start_cli, wait_until

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
BUSY = {"argv": ["sh", "-c", "while :; do :; done"], "name": "busy", "limits": {"grace": "50ms"}}
IDLE = {"argv": ["sleep", "97531"], "name": "idle", "labels": {"kind": "idle"}}


class Terminal:
    """A pty with `dayfly top` on it."""

    def __init__(self, case, *args, rows=24, cols=100):
        self.case = case
        self.master, slave = pty.openpty()
        self.size(rows, cols, slave)
        os.fchmod(slave, 0o666)  # another user's program opens it a second time
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.seen = b""
        self.process = start_cli(case, "top", *args, stdin=slave, stdout=slave, stderr=slave)
        case.addCleanup(self.close)

    def close(self):
        for fd in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(fd)

    def size(self, rows, cols, fd=None):
        fcntl.ioctl(self.master if fd is None else fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def fill(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 65536)

    def wait(self, pattern, seconds=10):
        deadline = clock() + seconds
        while not re.search(pattern, self.seen, re.S):
            self.case.assertLess(clock(), deadline, "%r is not in %r" % (pattern, self.seen[-3000:]))
            self.fill(0.1)

    def forget(self):
        self.seen = b""

    def frames(self):
        return [f for f in self.seen.split(b"\x1b[H")[1:] if f.endswith(b"\x1b[J") or b"\x1b[J" in f]

    def ended(self, status):
        """It has ended so, and the terminal is as it was."""
        deadline = clock() + 10
        while self.process.poll() is None:
            self.case.assertLess(clock(), deadline, "it does not end")
            self.fill(0.05)
        self.fill(0.05)
        self.case.assertEqual(self.process.returncode, status)
        self.case.assertEqual(termios.tcgetattr(self.slave), self.before)
        self.case.assertEqual(self.seen.count(ENTER), self.seen.count(LEAVE))
        self.case.assertGreater(self.seen.rfind(LEAVE), self.seen.rfind(ENTER))
        for on, off in ((b"\x1b[?25h", b"\x1b[?25l"), (b"\x1b[?7h", b"\x1b[?7l")):
            self.case.assertGreater(self.seen.rfind(on), self.seen.rfind(off))


class Tasks:
    def start(self, task, client=None):
        client = client or self.client
        run, name = client.start(task)
        client.wait_state(run, "running")
        return run, name

    def end(self, *runs, client=None):
        client = client or self.client
        for _, task in runs:
            client.call("cancel", task=task)
        for run, task in runs:
            client.finish(run, task)


@in_modes
class Top(Tasks):
    def test_it_shows_tasks_until_q_is_pressed(self):
        idle, busy = self.start(IDLE), self.start(BUSY)
        top = Terminal(self, "-d", "200ms")
        top.wait(rb"\x1b\[H.*?2 running, 0 waiting.*busy: sh -c.*\x1b\[J")
        self.assertTrue(top.seen.startswith(ENTER), top.seen)
        # The busy one comes first, with what it has used since the last look.
        top.forget()
        top.wait(rb"(?s)\x1b\[H[^J]*?\x1b\[K\r\nt-[0-9a-f]{12}  running .* [1-9]\d*\.\d .*busy: sh.*t-[0-9a-f]{12}  running .* 0\.0 .*idle: sleep")
        count = len(top.frames())
        top.wait(rb"(\x1b\[H.*){%d}" % (count + 4))
        self.assertIsNone(top.process.poll())
        os.write(top.master, b"xq")
        top.seen = ENTER + top.seen
        top.ended(0)
        self.end(idle, busy)

    def test_ctrl_c_and_signals_leave_the_terminal_as_it_was(self):
        for act, status in (("key", 130), (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)):
            top = Terminal(self)
            top.wait(rb"0 running.*\x1b\[J")
            if act == "key":
                os.write(top.master, b"\x03")
            else:
                top.process.send_signal(act)
            top.ended(status)

    def test_a_terminal_that_takes_nothing_does_not_keep_it(self):
        runs = [self.start({"argv": ["sleep", "97531"]}) for _ in range(4)]
        top = Terminal(self, "-d", "100ms", rows=200, cols=2000)
        top.wait(rb"4 running")
        time.sleep(2 * SCALE)  # nobody reads what it draws
        start = time.monotonic()
        top.process.send_signal(signal.SIGTERM)
        self.assertEqual(top.process.wait(10 * SCALE), 143)
        self.assertLess(time.monotonic() - start, 3 * SCALE)
        self.assertEqual(termios.tcgetattr(top.slave), top.before)
        self.end(*runs)

    def test_it_fits_the_terminal_and_follows_its_size(self):
        runs = [self.start({"argv": ["sh", "-c", "sleep 97531; true", "x" * 200], "limits": {"grace": "50ms"}}) for _ in range(5)]
        top = Terminal(self, "-d", "60s", rows=5, cols=60)
        top.wait(rb"\x1b\[H.*?3 more\x1b\[K\x1b\[J")
        self.check_fits(top.frames()[-1], 5, 60)
        for rows, cols in ((24, 132), (3, 20), (1, 1), (10, 80)):
            top.forget()
            top.size(rows, cols)
            top.process.send_signal(signal.SIGWINCH)
            top.wait(rb"\x1b\[H.*\x1b\[J")
            self.check_fits(top.frames()[-1], rows, cols)
        top.seen = ENTER + b"\x1b[?25l\x1b[?7l"
        os.write(top.master, b"q")
        top.ended(0)
        self.end(*runs)

    def check_fits(self, frame, rows, cols):
        lines = frame.split(b"\x1b[J")[0].replace(b"\x1b[K", b"").split(b"\r\n")
        self.assertLessEqual(len(lines), rows, lines)
        for line in lines:
            self.assertLessEqual(len(line.decode()), cols, line)

    def test_after_a_stop_it_draws_anew(self):
        top = Terminal(self, "-d", "60s")
        top.wait(rb"0 running.*\x1b\[J")
        top.process.send_signal(signal.SIGSTOP)
        termios.tcsetattr(top.slave, termios.TCSANOW, top.before)
        top.forget()
        top.process.send_signal(signal.SIGCONT)
        top.wait(re.escape(ENTER) + rb".*0 running.*\x1b\[J")
        os.write(top.master, b"q")
        top.ended(0)

    def test_nothing_of_a_task_is_taken_for_a_command(self):
        run = self.start({"argv": ["sh", "-c", "sleep 97531; true", "\x1b]0;evil\x07\u009b2J\r\n"], "limits": {"grace": "50ms"}})
        top = Terminal(self, cols=200)
        top.wait(rb"sleep 97531; true [^\r]*\x1b\[J")
        self.assertIn(rb"sleep 97531; true \x1b]0;evil\x07\xc2\x9b2J\x0d\x0a", top.seen)
        self.assertFalse(re.search(rb"\x1b\]|\x07|\xc2\x9b", top.seen))
        os.write(top.master, b"q")
        top.ended(0)
        self.end(run)

    def test_without_a_terminal_it_prints_plain_tables(self):
        idle, busy = self.start(IDLE), self.start(BUSY)
        for args, n in ((("--once",), 1), ((), 1), (("-n", "3", "-d", "200ms"), 3)):
            done = self.cli("top", *args)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            text = done.stdout.decode()
            self.assertNotIn("\x1b", text)
            self.assertEqual(len(re.findall(r"(?m)^\d\d:\d\d:\d\d  2 running, 0 waiting; CPU ", text)), n)
            self.assertEqual(len(re.findall(r"(?m)^TASK +STATE +AGE +CPU% +MEMORY +OUTPUT/S +PIDS +POS  COMMAND$", text)), n)
        wanted = (r"^%s  running +\S+ m?s +[1-9]\d*\.\d +\S+ [KM]iB +0 B +1 +busy: sh -c while :; do :; done$" % busy[1][:14],
                  r"^%s  running .* 0\.\d .*idle: sleep 97531$" % idle[1][:14])

        def rows():
            text = self.cli("top", "-n", "3", "-d", "200ms").stdout.decode()
            return text.strip().split("\n\n")[-1].splitlines()[2:]

        # What the warden does not say in time is left empty.
        self.assertTrue(wait_until(lambda: all(re.search(p, row) for p, row in zip(wanted, rows())), 20), rows())
        self.assertNotIn(b"busy", self.cli("top", "--once", "--label", "kind=idle").stdout)
        by_age = self.cli("top", "--once", "--sort", "age").stdout
        self.assertLess(by_age.find(b"idle"), by_age.find(b"busy"))
        self.end(idle, busy)

    def test_json_has_an_object_for_each_look(self):
        run = self.start({"argv": ["sh", "-c", "while :; do echo 0123456789; done"], "name": "loud", "limits": {"grace": "50ms"}})

        def looks():
            return [json.loads(line) for line in self.cli("top", "--json", "-n", "2", "-d", "500ms").stdout.splitlines()]

        first, second = looks()
        deadline = clock() + 20
        while None in [look["tasks"][0]["cpu_percent"] for look in (first, second)] and clock() < deadline:
            first, second = looks()  # what the warden does not say in time is not known
        self.assertLess(first["at"], second["at"])
        for look in first, second:
            (task,) = look["tasks"]
            self.assertEqual((task["task"], task["name"], task["state"]), (run[1], "loud", "running"))
            self.assertGreaterEqual(task["cpu_percent"], 0)
            self.assertGreaterEqual(task["output_rate"], 0)
            self.assertIn("usage", task)
        self.assertGreater(second["tasks"][0]["cpu_percent"], 1)
        self.assertGreater(second["tasks"][0]["output_rate"], 1000)
        endless = start_cli(self, "top", "--json", "-d", "100ms")
        for _ in range(4):
            self.assertIn(b'"loud"', endless.stdout.readline())
        endless.stdout.close()
        self.assertEqual(endless.wait(10), 141)
        self.end(run)

    def test_wrong_words_are_told(self):
        for args in (("-d", "1ms"), ("-d", "x"), ("-n", "x"), ("--sort", "luck"), ("operand",)):
            done = self.cli("top", *args)
            self.assertEqual((done.returncode, done.stdout), (2, b""), args)

    def test_a_place_in_the_queue_is_shown(self):
        waiting = [self.client.start({"argv": ["sleep", "97531"], "concurrency": {"key": "one"}, "limits": {"grace": "50ms"}})
                   for _ in range(2)]
        self.client.wait_state(waiting[0][0], "running")
        text = self.cli("top", "--once").stdout.decode()
        self.assertIn("1 running, 1 waiting", text)
        self.assertRegex(text, r"(?m)^%s  queued .* 0  sleep 97531$" % waiting[1][1][:14])
        self.end(*reversed(waiting))


@in_modes
class Lost(OwnDaemons, Tasks):
    def test_the_end_of_the_daemon_leaves_the_terminal_as_it_was(self):
        daemon = self.new_daemon()
        top = Terminal(self, "-d", "100ms")
        top.wait(rb"0 running.*\x1b\[J")
        kill_daemon(daemon, signal.SIGTERM)
        top.wait(rb"dayfly: ")
        top.ended(1)
        self.assertGreater(top.seen.rfind(b"dayfly: "), top.seen.rfind(LEAVE))
        self.assertRegex(top.seen.split(LEAVE)[-1], rb"the daemon is stopping|closed the connection")
