"""What several system tests share: daemons of a test's own, what must be gone after a death, the CLI as a running process."""
import contextlib
import glob
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import time

from dayfly_client import SCALE
from dayfly_host import GONE, Daemon, Leaks, as_user, build_dir, process_table, processes_of, read, rss_kib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def wait_until(condition, seconds=20.0, step=0.01):
    """Until condition() is true. Returns its last value. It is asked once more when the time is over, however long it takes itself."""
    deadline = time.monotonic() + seconds * SCALE
    while True:
        is_last = time.monotonic() > deadline
        value = condition()
        if value or is_last:
            return value
        time.sleep(step)


def start_time(pid):
    """When a process began, which with its pid names it for good; None: it is gone (a zombie is gone)."""
    text = read("/proc/%d/stat" % pid)
    fields = text.rpartition(")")[2].split()
    return None if not fields or fields[0] in "ZX" else fields[19]


def namespaces_of(pid):
    found = set()
    for link in glob.glob("/proc/%d/ns/*" % pid):
        with contextlib.suppress(OSError):
            found.add(os.readlink(link))
    return found


def ticks_since_boot():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def ancestors_of(pid, table):
    """The pids of a process, its parent and so on, in that table."""
    found = []
    while pid in table and pid not in found:
        found.append(pid)
        pid = table[pid][0]
    return found


class Traces:
    """All processes and namespaces of a daemon and its tasks at one moment, to be looked for after their death: when dayflyd is gone,
    nothing else tells whose the rest were."""

    def __init__(self, stage):
        table = process_table()
        self.processes = {pid: start_time(pid) for pid in processes_of(stage.bin, table)}
        self.names = {pid: table[pid][1] for pid in self.processes}
        self.parents = {pid: table[pid][0] for pid in self.processes}
        ours = namespaces_of(os.getpid())
        self.namespaces = set().union(*(namespaces_of(pid) for pid in self.processes)) - ours
        self.until = None

    def named(self, comm):
        """Without the short-lived children that a program forks of itself."""
        return sorted(pid for pid, name in self.names.items() if name == comm and self.names.get(self.parents[pid]) != comm)

    def left(self, successor=None):
        if self.until is None:
            self.until = ticks_since_boot()
        found = {pid: self.names[pid] for pid, start in self.processes.items() if start and start_time(pid) == start}
        # What was begun after we had looked. Not what begins later: a namespace's number is soon used again, by anybody.
        table = process_table()
        for pid, (_, comm, _) in table.items():
            start = start_time(pid)
            if start and int(start) <= self.until and namespaces_of(pid) & self.namespaces \
                    and successor not in ancestors_of(pid, table):
                found[pid] = comm
        return found

    def wait_gone(self, seconds=GONE, successor=None):
        """Returns what is still there after so long. successor: the pid of a new dayflyd, whose processes may have such numbers too."""
        left = {}

        def is_gone():
            left.clear()
            left.update(self.left(successor))
            return not left

        wait_until(is_gone, seconds)
        return left


class Gate:
    """Holds up tasks that have its folder at /mnt/w until it opens, all at one moment. They wait in the kernel: nobody polls."""

    wait = "read -r line </mnt/w/go"

    def __init__(self, folder):
        self.path = os.path.join(folder, "go")
        os.mkfifo(self.path)
        os.chmod(self.path, 0o666)

    @contextlib.contextmanager
    def opened(self, n_tasks):
        """A line for each. It stays open, as some may come late."""
        with open(self.path, "w") as pipe:
            pipe.write("\n" * n_tasks)
            pipe.flush()
            yield
        os.unlink(self.path)


class OwnDaemons:
    """For tests that start, kill and restart daemons: mix it in before the mode."""

    starts_daemon = False

    def setUp(self):
        self.daemons = []
        super().setUp()

    def tearDown(self):
        problems = []
        for daemon in self.daemons:
            if daemon.process and daemon.process.poll() is None:
                daemon.process.terminate()
        # All of them first: what one leaves is looked for everywhere, and another that has just ended is no trace of it.
        for daemon in self.daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                if daemon.process:
                    daemon.process.wait(timeout=60 * SCALE)
        for daemon in self.daemons:
            problems += daemon.stop()
        try:
            super().tearDown()
        finally:
            if problems:
                self.fail("; ".join(problems))

    def new_daemon(self, *args, env=None, start=True, **popen):
        daemon = Daemon(self.stage, self.mode, args, env)
        self.daemons.append(daemon)
        self.daemon = daemon
        if start:
            daemon.start(**popen)
        return daemon

    def connect_to(self, daemon, uid=None):
        client = daemon.connect(uid)
        self.addCleanup(client.close)
        return client

    def assert_nothing_left(self, daemon, traces, socket_may_stay=False):
        """In time no process, no mount, no file."""
        self.assertEqual(traces.wait_gone(), {})
        if not socket_may_stay:
            self.assertEqual(wait_until(lambda: not self.runtime_files(daemon), GONE) or self.runtime_files(daemon), True)
        if not (daemon.nobody_was_left and daemon.is_upper_on_disk):  # the next start sweeps it
            self.assertEqual(daemon.state_files(), [])
        self.assertEqual(Leaks.mounts(), self.leaks.before["mounts"])

    def remove_runtime_dir(self, daemon):
        """Ends a daemon that may have found its directory there already: whichever dayflyd made it, the last one removes it."""
        daemon.close_client()
        if daemon.process.poll() is None:
            kill_daemon(daemon, signal.SIGTERM)
        self.assertEqual(wait_until(lambda: not self.runtime_files(daemon), GONE) or self.runtime_files(daemon), True)
        self.assertEqual(daemon.stop(), [])

    @staticmethod
    def runtime_files(daemon):
        return glob.glob(os.path.join(daemon.run_dir, "**"), recursive=True)[1:]


def forget_service_dir(case):
    """A daemon of root's on the usual socket makes it, for repositories. A test leaves it only where it was."""
    path = "/var/lib/dayfly"

    def remove():
        with contextlib.suppress(OSError):  # somebody else's is not empty
            os.rmdir(path)

    if not os.path.lexists(path):
        case.addCleanup(remove)


def kill_daemon(daemon, signo=signal.SIGKILL):
    daemon.process.send_signal(signo)
    daemon.process.wait(timeout=20 * SCALE)


def fault_warden(stage):
    """The warden whose setup steps can be made to fail, beside the other programs' folder."""
    folder = os.path.join(stage.path, "fault")
    target = os.path.join(folder, "dayfly-warden")
    if not os.path.exists(target):
        os.mkdir(folder, 0o755)
        os.chmod(folder, 0o755)
        shutil.copy(os.path.join(build_dir(), "tests/fault/dayfly-warden"), target)
        os.chmod(target, 0o755)
    return target


def status_field(pid, name):
    found = re.search(r"^%s:[ \t]*(.*)$" % name, read("/proc/%d/status" % pid), re.M)
    return found.group(1).split() if found else []


def cpu_seconds(pid):
    """What all its threads have used."""
    fields = read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_grown_less(case, pid, before_kib, kib):
    """Resident memory. A sanitizer keeps freed memory for a while, so with one this says nothing."""
    if not os.environ.get("ASAN_OPTIONS"):
        case.assertLess(rss_kib(pid) - before_kib, kib, "process %d grew" % pid)


def raise_open_files():
    """This process's own descriptors: many clients need many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))


def plain_socket(path, timeout=10):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with as_user():
        s.connect(path)  # which waits where many stand before us, but not with a timeout of Python's
    s.settimeout(timeout * SCALE)
    return s


def read_all(sock, seconds=10):
    """Everything until the daemon closes."""
    data = b""
    deadline = time.monotonic() + seconds * SCALE
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([sock], [], [], left)[0]:
            raise TimeoutError("dayflyd keeps the connection open; so far: %r" % data[-500:])
        try:
            part = sock.recv(1 << 16)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


def start_cli(case, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", **more):
    """`dayfly ARGS` as a running process of the client's user."""
    with case.stage.as_process() as kwargs:
        kwargs["env"] = case.daemon.client_env()
        kwargs.update(more)
        process = subprocess.Popen([os.path.join(case.stage.bin, "dayfly")] + [str(a) for a in args], stdin=stdin, stdout=stdout,
                                   stderr=stderr, cwd=cwd, **kwargs)

    def end():
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    case.addCleanup(end)
    return process
