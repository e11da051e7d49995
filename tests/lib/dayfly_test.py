"""The harness of the jail and system tests: a real dayflyd in a temporary place, a client of its protocol, and the host-leak check.

Every test class runs once per mode:
  rootless  dayflyd as a plain user (an unused id when the tests run as root)
  root      dayflyd started as root (only when the tests run as root); clients are the same plain user

    @in_modes
    class Files:
        def test_A1_something(self):
            got = self.probe("ls", "/")
"""
import atexit
import collections
import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from dayfly_client import SCALE, Client, DaemonError  # noqa: E402,F401
from dayfly_host import POOL, Daemon, Leaks, Stage, USER, as_user  # noqa: E402,F401

IS_ROOT = os.geteuid() == 0
MODES = [m for m in ("rootless", "root") if m == "rootless" or IS_ROOT]
# Where the programs under test appear inside a jail.
INSIDE = "/opt/test"
PROBE = INSIDE + "/probe"

# With a pool: how many tasks were given a parked jail. check-pool.sh reads it.
pool_uses = collections.Counter()
if POOL:
    atexit.register(lambda: pool_uses and print("pool: %d hits, %d misses" % (pool_uses["hit"], pool_uses["miss"]), flush=True))


def errno_name(number):
    return errno.errorcode.get(number, str(number)) if number else "ok"


class Run:
    """What came of one task."""

    def __init__(self, task, result, stdout, stderr, events):
        self.task, self.result, self.stdout, self.stderr, self.events = task, result, stdout, stderr, events

    @property
    def code(self):
        return (self.result.get("exit") or {}).get("code")

    @property
    def signal(self):
        return (self.result.get("exit") or {}).get("signal")

    @property
    def cause(self):
        return self.result.get("cause")

    @property
    def outcome(self):
        return self.result.get("outcome")

    @property
    def error(self):
        return self.result.get("error") or {}

    def text(self):
        return self.stdout.decode("utf-8", "replace")

    def __str__(self):
        return "result %s\nstdout: %s\nstderr: %s" % (
            json.dumps(self.result), self.stdout[-2000:].decode("utf-8", "replace"), self.stderr[-2000:].decode("utf-8", "replace"))


class Rows(list):
    """The JSON lines of one probe run."""

    def all(self, what):
        return [row for row in self if row["what"] == what]

    def one(self, what, **match):
        found = [r for r in self.all(what) if all(r.get(k) == v for k, v in match.items())]
        if len(found) != 1:
            raise AssertionError("%d lines %r %r in %s" % (len(found), what, match, list(self)))
        return found[0]

    def errno(self, what, **match):
        return errno_name(self.one(what, **match)["errno"])

    def errnos(self):
        """{"what": "EPERM"} of everything that is a plain result."""
        return {row["what"]: errno_name(row["errno"]) for row in self if "errno" in row}


def parse_rows(data):
    return Rows(json.loads(line) for line in data.decode("latin-1").splitlines() if line.startswith("{"))


class Case(unittest.TestCase):
    mode = None
    daemon_args = ()
    daemon_env = {}
    starts_daemon = True
    delegated = True  # False: without a cgroup of its own even where there could be one
    maxDiff = None
    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage.get()
        cls.daemon = None
        if cls.starts_daemon:
            cls.daemon = Daemon(cls.stage, cls.mode, cls.daemon_args, cls.daemon_env, cls.delegated)
            try:
                cls.daemon.start()
                cls.daemon.warm_up()
            except BaseException:
                cls.daemon.stop()
                raise

    @classmethod
    def tearDownClass(cls):
        if cls.daemon:
            problems = cls.daemon.check_memory()
            problems += cls.daemon.stop()
            if problems:
                raise AssertionError("; ".join(problems))

    def setUp(self):
        self.leaks = Leaks(self.stage, self.daemon)
        self.addCleanup(self.check_leaks)  # first in, last out

    def check_leaks(self):
        if self.daemon:
            self.daemon.close_client()
        problems = self.leaks.check()
        if problems:
            self.fail("left on the host: " + "; ".join(problems))

    # ---- tasks -------------------------------------------------------------------------------

    @property
    def client(self):
        return self.daemon.client()

    def new_client(self, uid=None):
        client = self.daemon.connect(uid)
        self.addCleanup(client.close)
        return client

    def task(self, argv, **more):
        """A task as the protocol has it, with the probe's folder mounted."""
        task = {"argv": list(argv)}
        task.update(more)
        if self.daemon and self.daemon.is_upper_on_disk:
            # Refused there unless that is good enough (test_disk_upper).
            task["best_effort"] = list(task.get("best_effort", ())) + [x for x in ("disk", "inodes") if x in task.get("limits", {})]
        task["mounts"] = list(task.get("mounts", ())) + [{"path": self.stage.bin, "target": INSIDE, "mode": "ro"}]
        return task

    def run_task(self, argv, fds=(), timeout=60, client=None, **task):
        """Runs to the end. Raises DaemonError when the request is refused."""
        return self.run_bare(self.task(argv, **task), fds, timeout, client)

    def run_bare(self, task, fds=(), timeout=60, client=None):
        if POOL and self.daemon:
            self.daemon.wait_parked()
        run = (client or self.client).run(task, fds=fds, timeout=timeout, make=Run)
        pool_uses[run.result["pool"]] += 1
        return run

    def assert_ok(self, run):
        self.assertEqual((run.outcome, run.code), ("ok", 0), str(run))
        return run

    def probe(self, *args, **task):
        """The probe inside a jail: its lines."""
        run = self.run_task([PROBE] + [str(a) for a in args], **task)
        self.assert_ok(run)
        return parse_rows(run.stdout)

    def outside(self, *args, root=False, cwd="/", timeout=60, check=True):
        """The positive control: the same probe on the host, as the plain user, or as root where that is needed (tests that do not run
        as root are it in a user namespace of their own)."""
        command = [os.path.join(self.stage.bin, "probe")] + [str(a) for a in args]
        if root and not IS_ROOT:
            command = ["unshare", "-Ur", "--"] + command
        with self.stage.as_process(root) as kwargs:
            done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=cwd, timeout=timeout * SCALE, **kwargs)
        if check:
            self.assertEqual(done.returncode, 0, "the probe outside: %r" % (done,))
        return parse_rows(done.stdout)

    def shell(self, script, **task):
        return self.run_task(["sh", "-c", script], **task)

    def refused(self, code, argv=("true",), field=None, **task):
        """The request is refused (before or during setup) with this error code; the task never ran."""
        fds = task.pop("fds", ())
        try:
            run = self.run_task(list(argv), fds=fds, **task)
        except DaemonError as e:
            error = e.error
        else:
            self.assertIsNone(run.code, str(run))
            error = run.error
        codes = (code,) if isinstance(code, str) else code
        self.assertIn(error.get("code"), codes, error)
        if field is not None:
            self.assertEqual(error.get("field"), field, error)
        return error

    def skip_without_disk_cap(self):
        """Before Linux 6.6 the private layer lies on disk, where nothing caps it; the result says so (test_where_nothing_caps_it...)."""
        if self.daemon.is_upper_on_disk:
            self.skipTest("the private layer is on disk on this kernel, which caps nothing there")

    def degraded(self, result):
        """The controls that are told as degraded, without what every task on this kernel has so: a private layer that nothing caps."""
        return [d["control"] for d in result["degraded"] if not (d["control"] == "disk_limit" and self.daemon.is_upper_on_disk)]

    # ---- places ------------------------------------------------------------------------------

    def make_dir(self, owner=None, mode=0o755):
        """A directory on the host that belongs to the client (or to `owner`). Removed after the test."""
        path = self.stage.make_dir(owner, mode)
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def make_file(self, path, text="", mode=0o644, owner=None):
        data = text if isinstance(text, bytes) else text.encode()
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        self.stage.give(path, owner)
        return path

    def make_image(self):
        """A directory image: the static probe and little else."""
        root = self.make_dir()
        for name in ("bin", "etc", "usr", "tmp", "home"):
            os.mkdir(os.path.join(root, name), 0o755)
            self.stage.give(os.path.join(root, name))
        shutil.copy(os.path.join(self.stage.bin, "probe"), os.path.join(root, "bin", "probe"))
        os.chmod(os.path.join(root, "bin", "probe"), 0o755)
        self.stage.give(os.path.join(root, "bin", "probe"))
        return root

    # ---- the command line --------------------------------------------------------------------

    def cli(self, *args, timeout=60, input=None, env=None, cwd="/", stdin=None, root=False):
        """Runs `dayfly ARGS` as the client against this daemon. Returns the CompletedProcess with bytes."""
        environ = self.daemon.client_env()
        environ.update(env or {})
        with self.stage.as_process(root) as kwargs:
            kwargs["env"] = environ
            if input is not None:
                kwargs["input"] = input
            else:
                kwargs["stdin"] = stdin if stdin is not None else subprocess.DEVNULL
            return subprocess.run([os.path.join(self.stage.bin, "dayfly")] + [str(a) for a in args], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=timeout * SCALE, cwd=cwd, **kwargs)


def in_modes(cls):
    """Makes one TestCase per mode out of a plain class of tests."""
    module = sys.modules[cls.__module__]
    for mode in MODES:
        wanted = getattr(cls, "modes", MODES)
        if mode not in wanted:
            continue
        name = "%s_%s" % (cls.__name__, mode)
        setattr(module, name, type(name, (cls, Case), {"mode": mode, "__module__": cls.__module__, "__doc__": cls.__doc__}))
    return cls


@contextlib.contextmanager
def open_dir(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
