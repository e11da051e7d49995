"""The host's side of a test: where the programs stand, the daemon's life, and what must not be left."""
import atexit
import contextlib
import glob
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

from dayfly_client import SCALE, Client, DaemonError

# A plain user for when the tests run as root: an id that nobody has.
USER = 61234 if os.geteuid() == 0 else os.geteuid()
GROUP = 61234 if os.geteuid() == 0 else os.getegid()
PROGRAMS = ("dayfly", "dayflyd", "dayfly-warden", "dayfly-unpack")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def build_dir():
    path = os.environ.get("DAYFLY_BUILD") or os.environ.get("BUILD") or "build/release"
    return os.path.join(ROOT, path)


@contextlib.contextmanager
def as_user(uid=USER, gid=GROUP):
    """What this process opens and connects is done with the rights of that user."""
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def remove_tree(path):
    """With the directories that tests have closed to their own user: only root can remove those as they are."""
    for top, dirs, _ in os.walk(path) if os.geteuid() else ():
        for name in dirs:
            with contextlib.suppress(OSError):
                if not os.path.islink(os.path.join(top, name)):
                    os.chmod(os.path.join(top, name), 0o700)
    shutil.rmtree(path, True)


class Stage:
    """A temporary folder with copies of the programs: readable by every user, its path in no other process."""

    instance = None

    @classmethod
    def get(cls):
        if cls.instance is None:
            cls.instance = cls()
        return cls.instance

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="dayfly-test-")
        atexit.register(remove_tree, self.path)
        os.chmod(self.path, 0o755)
        self.bin = os.path.join(self.path, "bin")
        os.mkdir(self.bin, 0o755)
        self.places = os.path.join(self.path, "places")
        os.mkdir(self.places, 0o755)
        for name in PROGRAMS + ("tests/probe",):
            source = os.path.join(build_dir(), name)
            target = os.path.join(self.bin, os.path.basename(name))
            if not os.path.exists(source):
                raise SystemExit("there is no %s; build first (make tests), or set DAYFLY_BUILD to the build folder" % source)
            shutil.copy(source, target)
            os.chmod(target, 0o755)
        os.chmod(self.bin, 0o755)

    def give(self, path, owner=None):
        if os.geteuid() == 0:
            uid = USER if owner is None else owner
            os.chown(path, uid, GROUP if uid == USER else 0, follow_symlinks=False)

    def make_dir(self, owner=None, mode=0o755):
        path = tempfile.mkdtemp(dir=self.places)
        os.chmod(path, mode)
        self.give(path, owner)
        return path

    @contextlib.contextmanager
    def as_process(self, root=False):
        """Keyword arguments of subprocess for a child that is the client (or root)."""
        kwargs = {"env": {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/"}}
        if os.geteuid() == 0 and not root:
            kwargs.update(user=USER, group=GROUP, extra_groups=[])
        yield kwargs


def read(path, default=""):
    try:
        with open(path, errors="surrogateescape") as f:  # a process may have any name
            return f.read()
    except OSError:
        return default


def process_table():
    """{pid: (ppid, comm, state)}"""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        text = read("/proc/%s/stat" % name)
        if not text:
            continue
        head, _, tail = text.rpartition(")")
        fields = tail.split()
        if fields[0] == "Z" and fields[1] == "1":
            continue  # dead, and the host's init takes its time
        table[int(name)] = (int(fields[1]), head.partition("(")[2], fields[0])
    return table


def descendants(table, roots):
    """All below these processes, themselves included."""
    children = {}
    for pid, (ppid, _, _) in table.items():
        children.setdefault(ppid, []).append(pid)
    found, queue = set(), [p for p in roots if p in table]
    while queue:
        pid = queue.pop()
        if pid not in found:
            found.add(pid)
            queue += children.get(pid, [])
    return found


def start_time(pid):
    """What tells a process from a later one with the same id."""
    return read("/proc/%d/stat" % pid).rpartition(")")[2].split()[19:20]


def is_ours(folder, pid, comm):
    """A process that executes a program of this folder, or a copy of one (the warden runs from a sealed copy in memory)."""
    try:
        exe = os.readlink("/proc/%d/exe" % pid)
        if exe.startswith(folder + "/") and os.path.basename(exe).split()[0] in PROGRAMS:
            return True
    except OSError:
        pass
    return comm.startswith("dayfly") and folder + "/" in read("/proc/%d/cmdline" % pid)


# Processes that were seen below one of our daemons: they are found again when it is gone.
seen_before = {}


def processes_of(folder, table=None):
    """dayfly's processes that were started from this folder, and everything below them."""
    table = table or process_table()
    folder = folder[:-len("/bin")] if folder.endswith("/bin") else folder
    roots = [pid for pid, (_, comm, _) in table.items() if is_ours(folder, pid, comm)]
    for pid, when in list(seen_before.items()):
        if pid in table and start_time(pid) == when:
            roots.append(pid)
        else:
            del seen_before[pid]
    found = descendants(table, roots)
    for pid in found:
        seen_before.setdefault(pid, start_time(pid))
    return found


def patiently(seconds):
    """Tries again: yields until the time is over and once more after that, however long a look takes. The last one counts."""
    deadline = time.monotonic() + seconds * SCALE
    while time.monotonic() <= deadline:
        yield
        time.sleep(0.02)
    yield


# Seconds after an end in which everything is gone: what the contract says of a kill.
GONE = 2.0

# The size of each daemon's pool: the same tests then run in jails that were made before their task.
POOL = os.environ.get("DAYFLY_TEST_POOL")


def without_parked(pids, table):
    """Jails that wait for a task come and go by themselves. One that has just been forked still has its warden's name."""
    def is_made(pid):
        ppid, comm, _ = table[pid]
        return POOL and comm == "dayfly-warden" and ppid in table and table[ppid][1] == "dayfly-warden"
    return {pid for pid in pids if table[pid][1] not in ("dayfly-making", "dayfly-parked") and not is_made(pid)}


# What a journal that is made anew is called until it is whole.
NEXT_JOURNAL = ".journal.new"
# So many id maps for images the warden makes at first use and keeps.
KEPT_ID_MAPS = 64


def count_fds(pid):
    """Open descriptors, without the nameless files that keep the output of finished tasks: those are bounded by number and age; and
    without the warden's id maps, up to their bound."""
    count = maps = 0
    try:
        names = os.listdir("/proc/%d/fd" % pid)
    except OSError:
        return None
    for name in names:
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            continue
        is_map = target.startswith("user:[")
        maps += is_map
        count += not is_map and not ("/state/#" in target and target.endswith("(deleted)"))
    return count + max(0, maps - KEPT_ID_MAPS)


def daemon_owner():
    """Whom dayflyd becomes in root mode."""
    try:
        return pwd.getpwnam("dayfly").pw_uid
    except KeyError:
        return 1879048192


def rss_kib(pid):
    found = re.search(r"VmRSS:\s+(\d+)", read("/proc/%d/status" % pid))
    return int(found.group(1)) if found else 0


class Cgroup:
    """A cgroup that is delegated to one daemon, below the one that DAYFLY_TEST_CGROUP names (tests/vm/leg.sh makes that)."""

    def __init__(self, top):
        self.path = tempfile.mkdtemp(prefix="dayfly-test-", dir=top)
        os.setxattr(self.path, "user.delegate", b"1")  # as systemd marks it

    @contextlib.contextmanager
    def entered(self):
        """This process is in it meanwhile: its children are born there."""
        home = "/sys/fs/cgroup" + re.search(r"^0::(.*)$", read("/proc/self/cgroup"), re.M).group(1)
        self.move(self.path)
        try:
            yield
        finally:
            self.move(home)

    @staticmethod
    def move(path):
        with open(path + "/cgroup.procs", "w") as f:
            f.write("%d\n" % os.getpid())

    def remove(self, may_hold_cgroups=False):
        """Returns what is wrong: a daemon takes away all that it has made in it."""
        left = [name for name in os.listdir(self.path) if os.path.isdir(os.path.join(self.path, name))]
        controllers = read(self.path + "/cgroup.subtree_control").strip()
        for path, _, _ in os.walk(self.path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        problems = ["left in the daemon's cgroup: %r, controllers %r" % (left, controllers)] if (left or controllers) and not may_hold_cgroups else []
        return problems + (["its cgroup cannot be removed"] if os.path.exists(self.path) else [])


def can_delegate(mode):
    """Whether a daemon of this mode gets a cgroup. Tests that run as root have none for another user's daemon."""
    return bool(os.environ.get("DAYFLY_TEST_CGROUP")) and (mode == "root" or os.geteuid() != 0)


class Daemon:
    """delegated: with a cgroup of its own, on a machine where the tests were given one to divide."""

    def __init__(self, stage, mode, args=(), env=None, delegated=True):
        self.stage, self.mode = stage, mode
        self.is_delegated = delegated and can_delegate(mode)
        self.cgroup, self.cgroups = None, []  # the last one, and those of earlier starts too
        self.nobody_was_left = False  # a test has killed those who would have cleaned up
        self.args, self.env = [str(a) for a in args], dict(env or {})
        self.place = stage.make_dir(owner=0 if mode == "root" else None)
        self.run_dir = os.path.join(self.place, "run")
        self.home = os.path.join(self.place, "home")
        self.state_dir = os.path.join(self.place, "state")
        owner = 0 if mode == "root" else None
        for path, perm in ((self.run_dir, 0o755 if mode == "root" else 0o700), (self.home, 0o755), (self.state_dir, 0o700)):
            os.mkdir(path)
            os.chmod(path, perm)
            stage.give(path, owner)
        if mode == "root":
            os.chown(self.state_dir, daemon_owner(), -1)
        self.socket = os.path.join(self.run_dir, "dayfly", "dayfly.sock")
        self.log_path = os.path.join(self.place, "log")
        self.process = None
        self._client = None
        self.baseline_rss = 0

    # ---- life --------------------------------------------------------------------------------

    def environ(self):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.home,
               "XDG_RUNTIME_DIR": self.run_dir}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(self.env)
        return env

    def command(self):
        command = [os.path.join(self.stage.bin, "dayflyd"), "--socket", self.socket, "--state-dir", self.state_dir]
        if self.mode == "root":
            command += ["--allow-uid", str(USER), "--allow-root-user"]
        if POOL:
            command += ["--pool-size", POOL]
        return command + self.args

    def start(self, timeout=60, **popen):
        ready_read, ready_write = os.pipe()
        os.set_inheritable(ready_write, True)
        kwargs = {"env": self.environ(), "cwd": "/"}
        if os.geteuid() == 0 and self.mode == "rootless":
            kwargs.update(user=USER, group=GROUP, extra_groups=[])
        kwargs.update(popen)
        kwargs["pass_fds"] = tuple(kwargs.get("pass_fds", ())) + (ready_write,)
        with open(self.log_path, "ab") as log:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
            kwargs.setdefault("stdout", log)
            kwargs.setdefault("stderr", log)
            with self.new_cgroup():
                self.process = subprocess.Popen(self.command() + ["--ready-fd", str(ready_write)], **kwargs)
        os.close(ready_write)
        try:
            if not select.select([ready_read], [], [], timeout * SCALE)[0]:
                raise AssertionError("dayflyd was not ready in %d s: %s" % (timeout, self.log()))
            answer = os.read(ready_read, 4096).decode()
            if answer != "1\n":
                self.process.wait(timeout=20 * SCALE)
                raise AssertionError("dayflyd did not start: %s" % (answer or self.log()))
        except AssertionError:
            self.remove_cgroups()
            raise
        finally:
            os.close(ready_read)

    def state_files(self):
        """What lies in the state directory, but for the journal, the history and repositories, which have to stay."""
        return [name for name in os.listdir(self.state_dir) if not name.endswith((".journal", NEXT_JOURNAL, ".history", ".git"))]

    def warm_up(self):
        """The first task and the first connection make what stays: buffers, caches, the files of the history, which opens when it is asked."""
        for _ in range(3):
            self.client().run({"argv": ["true"]}, timeout=30)
        with contextlib.suppress(DaemonError):  # there may be none
            self.client().call("history", limit=1)
        self.wait_probed()
        self.close_client()
        self.baseline_rss = rss_kib(self.process.pid)

    def wait_probed(self):
        """Until the probes after the start are over. Each has its processes and descriptors, and between two of them everything looks settled."""
        for _ in patiently(60):
            if self.client().call("info").get("probes_made", True):
                break
        self.settle()

    def settle(self):
        """Until nothing but the programs themselves is there; the probes after a start take a while."""
        deadline = time.monotonic() + 60 * SCALE
        while len(self.processes()) > 3 and time.monotonic() < deadline:
            time.sleep(0.01)

    def wait_parked(self):
        """Until the pool has a jail, should it come to have one: the next task is a hit then, if it is of the usual kind."""
        begin = time.monotonic()
        for _ in patiently(5):
            table = process_table()
            if any(table[pid][1] == "dayfly-parked" for pid in processes_of(self.stage.path, table)):
                return
            # What it wants is told a moment late.
            if time.monotonic() - begin > 0.2 and not any(kind["wanted"] for kind in self.client().call("info")["pool"]["kinds"]):
                return

    def log(self):
        return read(self.log_path)[-4000:]

    @property
    def is_upper_on_disk(self):
        """Private layers are directories on disk, without a cap: so it is before Linux 6.6."""
        return "private layers on disk" in read(self.log_path)

    def processes(self):
        """dayflyd, its keeper, its warden and whatever tasks there are."""
        table = process_table()
        return {pid: table[pid] for pid in without_parked(processes_of(self.stage.path, table), table)}

    def wardens(self):
        """Without the short-lived children that they fork."""
        found = {pid: ppid for pid, (ppid, comm, _) in self.processes().items() if comm == "dayfly-warden"}
        return [pid for pid, ppid in found.items() if ppid not in found]

    def stop(self):
        """Ends it as a service manager would. Returns what is wrong."""
        self.close_client()
        problems = []
        if self.process is None:
            return problems + self.remove_cgroups()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60 * SCALE)
            if code not in (0, -signal.SIGKILL):
                problems.append("dayflyd ended with %s: %s" % (code, self.log()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            problems.append("dayflyd did not end on SIGTERM: %s" % self.log())
        if "Sanitizer" in read(self.log_path):
            problems.append("a sanitizer complained: %s" % self.log())
        for _ in patiently(GONE):
            processes = self.processes()
            if not processes:
                break
        else:
            problems.append("processes are left: %r" % processes)
        left = glob.glob(os.path.join(self.run_dir, "**"), recursive=True)[1:]
        if left:
            problems.append("left in the runtime folder: %r" % left)
        shutil.rmtree(self.place, ignore_errors=True)
        self.process = None
        return problems + self.remove_cgroups()

    def new_cgroup(self):
        """A fresh one for each start, as a service manager gives it, with this process in it."""
        if not self.is_delegated:
            return contextlib.nullcontext()
        self.cgroup = Cgroup(os.environ["DAYFLY_TEST_CGROUP"])
        self.cgroups.append(self.cgroup)
        return self.cgroup.entered()

    def remove_cgroups(self):
        problems = []
        for cgroup in self.cgroups:
            problems += cgroup.remove(self.nobody_was_left)
        self.cgroup, self.cgroups = None, []
        return problems

    def check_memory(self):
        """The daemon's memory after all tests of a class, against before: no drift."""
        if self.process is None or self.process.poll() is not None or os.environ.get("ASAN_OPTIONS"):
            return []
        grown = rss_kib(self.process.pid) - self.baseline_rss
        return ["dayflyd grew by %d KiB" % grown] if grown > 16384 else []

    # ---- clients -----------------------------------------------------------------------------

    def connect(self, uid=None):
        """A new connection by the plain user, or by another (when the tests run as root)."""
        with as_user(USER if uid is None else uid, GROUP if uid is None else uid):
            return Client(self.socket)

    @property
    def client_is_open(self):
        return self._client is not None

    def client(self):
        if self._client is None:
            self._client = self.connect()
        return self._client

    def close_client(self):
        if self._client is not None:
            self._client.close()
            self._client = None

    def client_env(self):
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.home if self.mode == "rootless" else "/",
                "DAYFLY_SOCKET": self.socket, "XDG_RUNTIME_DIR": self.run_dir, "LANG": "C.UTF-8"}


# The probes that a daemon makes after its start, and what they start, come and go by themselves.
PROBES = ("dayfly-probe", "newuidmap", "newgidmap")


class Leaks:
    """The host before a test, to be compared with the host after it."""

    def __init__(self, stage, daemon):
        self.stage, self.daemon = stage, daemon
        if daemon and daemon.process:
            daemon.settle()
        self.before = self.look()

    def look(self):
        state = {"mounts": self.mounts(), "sockets": self.sockets(), "cgroups": self.cgroups(), "ipc": self.ipc(),
                 "files": self.files()}
        table = process_table()
        ours = {pid for pid in without_parked(processes_of(self.stage.path, table), table) if table[pid][1] not in PROBES}
        state["processes"] = {pid: table[pid][1] for pid in ours}
        # Of a pool the warden holds what is parked.
        state["fds"] = {pid: count_fds(pid) for pid in ours if not (POOL and table[pid][1] == "dayfly-warden")}
        state["namespaces"] = self.namespaces(ours)
        return state

    @staticmethod
    def mounts():
        """All but those of other test programs that run at the same time, in places of their own."""
        lines = [" ".join(line.split()[2:6]) for line in read("/proc/self/mountinfo").splitlines()]
        own = Stage.instance.path + "/" if Stage.instance else None
        return sorted(line for line in lines if "/dayfly-test-" not in line or (own and own in line))

    def sockets(self):
        return sorted({line.split()[-1] for line in read("/proc/net/unix").splitlines()[1:] if self.stage.path in line})

    @staticmethod
    def cgroups():
        """Every cgroup of version 2, by path; those that daemons were given count as one, whatever their names."""
        root = "/sys/fs/cgroup" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "/sys/fs/cgroup/unified"
        return sorted({re.sub(r"/dayfly-test-[^/]*", "/dayfly-test", path) for path, _, _ in os.walk(root) if "dayfly" in path})

    @staticmethod
    def ipc():
        """System V objects of the host that belong to the test user, by key and id."""
        found = []
        for kind in ("shm", "sem", "msg"):
            for line in read("/proc/sysvipc/" + kind).splitlines()[1:]:
                found.append("%s %s" % (kind, " ".join(line.split()[:2])))
        return sorted(found)

    def files(self):
        """Names in the daemon's places."""
        if not self.daemon:
            return []
        found = []
        for top in (self.daemon.run_dir, self.daemon.home, self.daemon.state_dir):
            for path, dirs, files in os.walk(top):
                # What the history has beside its file comes and goes as SQLite likes, and the journal is made anew when it is long.
                if not path.endswith(".history"):
                    found += [os.path.join(path, name) for name in dirs + files if not name.endswith(NEXT_JOURNAL)]
        return sorted(found)

    @staticmethod
    def namespaces(pids):
        found = set()
        for pid in pids:
            for link in glob.glob("/proc/%d/ns/*" % pid):
                with contextlib.suppress(OSError):
                    found.add(os.readlink(link))
        return sorted(found)

    def differences(self):
        now = self.look()
        problems = []
        for name, before in self.before.items():
            after = now[name]
            if before == after:
                continue
            # Fewer descriptors: at the first look the end of the test before was not over.
            if name == "fds" and set(before) == set(after) and all((after[p] or 0) <= (before[p] or 0) for p in after):
                continue
            if isinstance(before, dict):
                problems.append("%s: %r, before %r" % (name, after, before))
            else:
                more = [x for x in after if x not in before]
                gone = [x for x in before if x not in after]
                problems.append("%s: new %r, gone %r" % (name, more, gone))
        return problems

    def check(self, seconds=GONE):
        """In time everything is as it was. Returns what is not."""
        for _ in patiently(seconds):
            problems = self.differences()
            if not problems:
                break
        return problems

    def renew(self):
        """For tests that change the daemon itself on purpose."""
        self.before = self.look()


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
