"""A service manager's part, played by the test: it passes a listening socket, hears what dayflyd notifies, kills it and starts it again.
C5: what the manager says to dayflyd reaches neither keeper, warden nor tasks."""
import contextlib
import fcntl
import os
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from common import OwnDaemons, Traces, kill_daemon, plain_socket, start_cli, status_field, wait_until
from dayfly_client import SCALE
from dayfly_host import Daemon, build_dir, read
from dayfly_test import in_modes

HAS_LIBSYSTEMD = "\nwith libsystemd" in subprocess.run([os.path.join(build_dir(), "dayflyd"), "--version"], capture_output=True,
                                                       text=True).stdout

# Becomes dayflyd. The ids of the process that the variables are for: $0, or its own.
LAUNCH = """
self=$$
export LISTEN_PID=${0:-$self} SYSTEMD_EXEC_PID=$self
[ -z "${WATCHDOG_USEC-}" ] || export WATCHDOG_PID=$self
exec "$@"
"""


@contextlib.contextmanager
def passed(sockets):
    """The sockets as descriptors 3 and up, where sd_listen_fds(3) has them; whatever is there comes back afterwards."""
    copies = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 50) for s in sockets]
    places, saved = range(3, 3 + len(copies)), {}
    for fd, copy in zip(places, copies):
        with contextlib.suppress(OSError):
            saved[fd] = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 50), os.get_inheritable(fd))
        os.dup2(copy, fd)
        os.close(copy)
    try:
        yield tuple(places)
    finally:
        for fd in places:
            if fd in saved:
                os.dup2(saved[fd][0], fd, inheritable=saved[fd][1])
                os.close(saved[fd][0])
            else:
                os.close(fd)


class Activated(Daemon):
    """A daemon that is given sockets, and a manager that hears it."""

    def __init__(self, stage, mode, args=(), env=None, sockets=(), pid=0, notify=None):
        super().__init__(stage, mode, args, env)
        self.sockets, self.listen_pid = sockets, pid
        self.env.update(LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(["dayflyd.socket"] * len(sockets)))
        if notify:
            self.env["NOTIFY_SOCKET"] = notify

    def command(self):
        return ["/bin/sh", "-c", LAUNCH, str(self.listen_pid or "")] + super().command()


class Manager:
    """The listening socket and the notify socket."""

    def __init__(self, case):
        self.case, self.stage = case, case.stage
        self.place = self.stage.make_dir(owner=0 if case.mode == "root" else None)
        self.path = os.path.join(self.place, "run", "s")
        os.mkdir(os.path.dirname(self.path), 0o755)
        self.stage.give(os.path.dirname(self.path), 0 if case.mode == "root" else None)
        self.listener = self.bind(socket.SOCK_STREAM)
        self.listener.listen(64)
        self.notify_path = os.path.join(tempfile.mkdtemp(dir=self.stage.places), "notify")
        os.chmod(os.path.dirname(self.notify_path), 0o755)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        os.chmod(self.notify_path, 0o666)
        self.heard = []
        # The queue of such a socket is short: a manager reads at once.
        self.incoming = queue.SimpleQueue()
        self.is_over = False
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()
        case.addCleanup(self.close)

    def listen(self):
        while not self.is_over:
            if select.select([self.notify], [], [], 0.05)[0]:
                self.incoming.put(self.notify.recv(4096).decode())

    def bind(self, kind):
        s = socket.socket(socket.AF_UNIX, kind)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        s.bind(self.path)
        os.chmod(self.path, 0o666)
        self.stage.give(self.path, 0 if self.case.mode == "root" else None)
        return s

    def stop_reading(self):
        self.is_over = True
        self.thread.join()

    def stop_hearing(self):
        self.stop_reading()
        self.notify.close()

    def close(self):
        self.stop_hearing()
        self.listener.close()
        for path in (self.path, self.notify_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def new_daemon(self, *args, start=True, sockets=None, pid=0, **env):
        sockets = [self.listener] if sockets is None else sockets
        daemon = Activated(self.stage, self.case.mode, args, env, sockets, pid, self.notify_path)
        if sockets:
            daemon.socket = self.path
        self.case.daemons.append(daemon)
        self.case.daemon = daemon
        if start:
            self.start(daemon)
        return daemon

    def start(self, daemon):
        if not isinstance(daemon, Activated):
            return daemon.start()
        with passed(daemon.sockets) as fds:
            daemon.start(pass_fds=fds)

    def hear(self, seconds=0.0):
        """What has been notified up to now, or until something comes."""
        with contextlib.suppress(queue.Empty):
            self.heard.append(self.incoming.get(timeout=max(seconds, 0.001)))
            while True:
                self.heard.append(self.incoming.get_nowait())
        return self.heard

    def hear_all(self):
        """What was sent before now, however late the thread reads it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"now", self.notify_path)
        self.case.assertTrue(self.hears("^now$"))

    def hears(self, pattern, seconds=20):
        """Whether a message of this kind comes; those up to it are forgotten."""
        deadline = time.monotonic() + seconds * SCALE
        while True:
            for i, text in enumerate(self.hear(0.05)):
                if re.search(pattern, text, re.M):
                    del self.heard[:i + 1]
                    return text
            if time.monotonic() > deadline:
                return None


@unittest.skipUnless(HAS_LIBSYSTEMD, "dayflyd is built without libsystemd")
class Base(OwnDaemons):
    def setUp(self):
        super().setUp()
        self.manager = Manager(self)

    def run_one(self, daemon, *argv, **more):
        client = self.connect_to(daemon)
        result = client.run(dict({"argv": list(argv)}, **more), timeout=30)
        client.close()
        return result

    def end(self, daemon, signo=signal.SIGTERM):
        """The manager ends it, and nothing of it is left but the socket."""
        daemon.close_client()
        traces = Traces(self.stage)
        kill_daemon(daemon, signo)
        self.assertEqual(traces.wait_gone(), {})
        self.forget(daemon)

    def assert_served(self, daemon):
        self.assertEqual(self.run_one(daemon, "sh", "-c", "exit 7")[1]["exit"]["code"], 7)

    def assert_refused(self, daemon, text):
        with self.assertRaisesRegex(AssertionError, text):
            self.manager.start(daemon)
        self.forget(daemon)

    def forget(self, daemon):
        """One that has ended. Returns what it has logged."""
        daemon.process.wait(timeout=20 * SCALE)
        log = daemon.log()
        self.daemons.remove(daemon)
        self.assertTrue(wait_until(lambda: all("populated 0" in read(c.path + "/cgroup.events") for c in daemon.cgroups)))
        self.assertEqual(daemon.remove_cgroups(), [])
        # Its keeper and warden may still be removing what is theirs.
        shutil.rmtree(daemon.place, ignore_errors=True)
        return log


@in_modes
class Socket(Base):
    def test_a_passed_socket_is_served_and_outlives_the_daemon(self):
        daemon = self.manager.new_daemon()
        inode = os.stat(self.manager.path).st_ino
        self.assert_served(daemon)
        for signo in (signal.SIGTERM, signal.SIGKILL):
            self.end(daemon, signo)
            self.assertEqual(os.stat(self.manager.path).st_ino, inode, "a service manager's socket is not ours to remove")
            # Who comes now waits, and the next daemon serves it.
            waiting = plain_socket(self.manager.path)
            self.addCleanup(waiting.close)
            waiting.send(b'{"op":"ping","id":"p"}\n')
            daemon = self.manager.new_daemon()
            self.assertIn(b'"id":"p"', waiting.recv(4096))
            self.assert_served(daemon)

    def test_a_removed_or_replaced_socket_is_noticed(self):
        client = plain_socket(self.manager.path)  # so that it is not idle
        self.addCleanup(client.close)
        daemon = self.manager.new_daemon("--idle-exit", "400ms")
        os.unlink(self.manager.path)
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)
        self.assertIn("the socket was removed or replaced", daemon.log())

    def test_idle_it_leaves_and_the_socket_starts_it_again(self):
        first = plain_socket(self.manager.path)  # it is not idle before we have come
        daemon = self.manager.new_daemon("--idle-exit", "200ms")
        self.assert_served(daemon)
        first.close()
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)
        self.assertIn("stopping: nothing to do", self.forget(daemon))
        client = plain_socket(self.manager.path)
        self.addCleanup(client.close)
        client.send(b'{"op":"ping","id":"p"}\n')
        self.manager.new_daemon("--idle-exit", "200ms")
        self.assertIn(b'"id":"p"', client.recv(4096))

    def test_J5_a_second_daemon_at_the_same_socket_is_refused(self):
        first = self.manager.new_daemon()
        second = self.manager.new_daemon(start=False)
        self.assert_refused(second, "another dayflyd runs here")
        third = self.new_daemon(start=False)
        third.socket = self.manager.path
        self.assert_refused(third, "another dayflyd runs here")
        self.assert_served(first)

    def test_sockets_for_another_process_are_left_alone(self):
        daemon = self.manager.new_daemon(start=False, pid=os.getpid())
        daemon.socket = os.path.join(daemon.run_dir, "dayfly", "dayfly.sock")
        self.manager.start(daemon)
        self.assert_served(daemon)
        self.assertEqual(sorted(self.descriptors(daemon.process.pid) & self.descriptors(os.getpid())), [],
                         "C3: what was inherited is closed")

    @staticmethod
    def descriptors(pid):
        found = set()
        for name in os.listdir("/proc/%d/fd" % pid):
            with contextlib.suppress(OSError):
                found.add(os.readlink("/proc/%d/fd/%s" % (pid, name)))
        return {x for x in found if x.startswith("socket:")}

    def test_what_cannot_be_served_is_refused_with_the_fix(self):
        self.manager.listener.close()
        kinds = {
            "does not listen": self.manager.bind(socket.SOCK_STREAM),
            "no Unix stream socket": self.manager.bind(socket.SOCK_DGRAM),
            "no absolute path": socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        }
        kinds["no absolute path"].bind("\0dayfly-test-%d" % os.getpid())
        kinds["no absolute path"].listen(1)
        for text, kind in kinds.items():
            self.addCleanup(kind.close)
            daemon = self.manager.new_daemon(start=False, sockets=[kind])
            self.assert_refused(daemon, text + "[^\\0]*ListenStream=")
        daemon = self.manager.new_daemon(start=False, sockets=list(kinds.values())[:2])
        self.assert_refused(daemon, "2 sockets were passed, and dayflyd serves one: dayflyd.socket, dayflyd.socket")

    def test_a_restart_under_load_loses_no_client(self):
        """Each client ends as its task did, or with the daemon's stop: none is turned away, whatever the moment at which it came."""
        daemon = self.manager.new_daemon()
        begin, codes = time.monotonic(), []
        running, restarts = [], 0

        def goes_on():
            seconds = (time.monotonic() - begin) / SCALE
            return seconds < 4 or (restarts < 3 and seconds < 120)

        while goes_on() or running:
            if goes_on() and len(running) < 4:
                running.append(start_cli(self, "run", "--socket", self.manager.path, "--no-autostart", "--", "sh", "-c", "exit 7"))
            # Of the four that there are it may stop each: between two there are more that run to their end.
            if restarts < 8 and codes.count(7) > 5 * restarts:
                daemon.process.terminate()
                self.forget(daemon)
                restarts += 1
                daemon = self.manager.new_daemon()
            for process in [p for p in running if p.poll() is not None]:
                running.remove(process)
                text = process.stderr.read().decode()
                codes.append(process.returncode)
                # 7: it ran; 125 and the cause: it ran when the daemon was stopped.
                self.assertTrue(process.returncode == 7 or "because the daemon was stopped" in text, (process.returncode, text))
            time.sleep(0.002)
        self.assertGreater(restarts, 2)
        self.assertGreater(codes.count(7), len(codes) // 2, codes)

    def test_a_connection_at_rest_is_told_that_the_daemon_stops(self):
        daemon = self.manager.new_daemon()
        client = plain_socket(self.manager.path)
        self.addCleanup(client.close)
        client.send(b'{"op":"ping","id":"p"}\n')
        self.assertIn(b'"id":"p"', client.recv(4096))
        daemon.process.terminate()
        daemon.process.wait(timeout=20 * SCALE)
        said = client.recv(4096)
        self.assertIn(b'"id":null', said)
        self.assertIn(b'"shutting_down"', said)
        self.assertEqual(client.recv(4096), b"")


@in_modes
class Notify(Base):
    def test_info_tells_what_is_in_use(self):
        daemon = self.manager.new_daemon(WATCHDOG_USEC="60000000")
        self.assertEqual(self.connect_to(daemon).call("info")["service"],
                         {"libsystemd": True, "socket_passed": True, "notified": True, "watchdog_ms": 60000})
        self.end(daemon)
        plain = self.new_daemon()
        self.assertEqual(self.connect_to(plain).call("info")["service"],
                         {"libsystemd": True, "socket_passed": False, "notified": False, "watchdog_ms": None})

    def test_ready_comes_when_it_serves_and_from_the_main_process(self):
        daemon = self.manager.new_daemon()
        self.assertEqual(self.manager.hear(20 * SCALE), ["READY=1\nSTATUS=0 running, 0 waiting"])
        self.assert_served(daemon)

    def test_the_status_follows_the_tasks(self):
        daemon = self.manager.new_daemon("--max-tasks", "2")
        client = self.connect_to(daemon)
        tasks = [client.start({"argv": ["sleep", "60"]}) for _ in range(3)]
        self.assertTrue(self.manager.hears("^STATUS=2 running, 1 waiting$"), self.manager.heard)
        for tag, task in tasks:
            client.call("cancel", task=task)
        self.assertTrue(self.manager.hears("^STATUS=0 running, 0 waiting$"), self.manager.heard)

    def test_the_status_is_not_told_more_than_once_a_second(self):
        daemon = self.manager.new_daemon()
        self.assertTrue(self.manager.hears("READY=1"))
        begin = time.monotonic()
        for _ in range(30):
            self.run_one(daemon, "true")
        seconds = time.monotonic() - begin
        self.assertLessEqual(len(self.manager.hear(0.1)), 2 + seconds, self.manager.heard)

    def test_J11_a_reload_is_announced(self):
        daemon = self.manager.new_daemon()
        self.assertTrue(self.manager.hears("READY=1"))
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.process.send_signal(signal.SIGHUP)
        text = self.manager.hears("^RELOADING=1$")
        self.assertTrue(text, self.manager.heard)
        stamp = int(re.search(r"^MONOTONIC_USEC=(\d+)$", text, re.M).group(1))
        self.assertGreaterEqual(stamp, before)
        self.assertTrue(self.manager.hears("^READY=1$"), self.manager.heard)
        self.assert_served(daemon)

    def test_J11_stopping_is_told_and_more_time_asked_for_while_it_drains(self):
        daemon = self.manager.new_daemon()
        client = self.connect_to(daemon)
        tag, task = client.start({"argv": ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"], "limits": {"grace": "5s"}})
        client.wait_output(tag, b"up")
        daemon.process.terminate()
        self.assertTrue(self.manager.hears("^STOPPING=1$"), self.manager.heard)
        for _ in range(2):
            text = self.manager.hears("^EXTEND_TIMEOUT_USEC=")
            self.assertTrue(text, self.manager.heard)
            self.assertGreater(int(text.partition("=")[2]), 5000000)
        self.assertEqual(client.finish(tag, task)[1]["cause"], "shutdown")
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)

    def test_the_watchdog_is_fed_by_the_loop_and_a_stopped_one_is_silent(self):
        daemon = self.manager.new_daemon(WATCHDOG_USEC="400000")
        for _ in range(3):
            self.assertTrue(self.manager.hears("^WATCHDOG=1$"), self.manager.heard)
        daemon.process.send_signal(signal.SIGSTOP)
        self.assertTrue(wait_until(lambda: status_field(daemon.process.pid, "State")[0] == "T"))
        self.manager.hear_all()
        time.sleep(1)
        self.assertEqual(self.manager.hear(), [])
        daemon.process.send_signal(signal.SIGCONT)
        self.assertTrue(self.manager.hears("^WATCHDOG=1$"), self.manager.heard)

    def test_a_manager_that_is_gone_harms_nobody(self):
        daemon = self.manager.new_daemon(WATCHDOG_USEC="200000")
        self.manager.stop_hearing()
        time.sleep(0.3)
        self.assert_served(daemon)

    def test_a_manager_that_does_not_read_harms_nobody(self):
        """Its socket takes as many words as net.unix.max_dgram_qlen; who waited for it then would not serve anybody."""
        daemon = self.manager.new_daemon(WATCHDOG_USEC="40000")
        self.assertTrue(self.manager.hears("READY=1"))
        self.manager.stop_reading()
        full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(full.close)

        def is_full():
            try:
                full.sendto(b"x", self.manager.notify_path)
            except BlockingIOError:
                return True
            return False

        self.assertTrue(wait_until(is_full, step=0))
        for _ in range(5):
            time.sleep(0.05)
            self.assert_served(daemon)
        self.end(daemon)

    def test_C5_the_managers_words_reach_nobody_else(self):
        daemon = self.manager.new_daemon(WATCHDOG_USEC="60000000", CREDENTIALS_DIRECTORY="/nowhere", LISTEN_EXTRA="x")
        words = ("NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "CREDENTIALS_DIRECTORY")
        client = self.connect_to(daemon)
        tag, _ = client.start({"argv": ["sh", "-c", "cat /proc/self/environ; echo; echo up; exec sleep 60"]})
        output = client.wait_output(tag, b"up")
        others = [pid for pid in daemon.processes() if pid != daemon.process.pid]
        self.assertGreater(len(others), 2)
        for pid in others:
            text = read("/proc/%d/environ" % pid)
            self.assertEqual([w for w in words if w in text], [], (pid, text))
        self.assertEqual([w for w in words if w.encode() in output], [])
        # The control: they were there.
        self.assertTrue(all(w in daemon.env or w in ("LISTEN_", "WATCHDOG_") for w in words))
        self.assertTrue(self.manager.hears("READY=1"))

    def test_C5_a_service_that_is_not_ours_is_not_spoken_for(self):
        """dayflyd as a grandchild of some service inherits its NOTIFY_SOCKET."""
        daemon = self.new_daemon(env={"NOTIFY_SOCKET": self.manager.notify_path, "SYSTEMD_EXEC_PID": "1"})
        self.assertEqual(self.run_one(daemon, "true")[1]["exit"]["code"], 0)
        kill_daemon(daemon, signal.SIGTERM)
        self.assertEqual(self.manager.hear(0.2), [])
