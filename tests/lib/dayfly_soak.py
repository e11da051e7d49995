"""The parts of the soak (tests/soak.py; its short form is in tests/system/test_soak.py): short tasks under load, noisy neighbours, and
kill -9 of the daemon and of the warden at random. Each takes a running daemon, prints its figures, and returns what is wrong."""
import collections
import os
import random
import re
import signal
import socket
import subprocess
import time

from dayfly_client import SCALE, DaemonError
from dayfly_host import GROUP, USER, Leaks, as_user, count_fds, process_table, read, rss_kib
from dayfly_load import Idle, count, metric, percentile, say

from common import Traces, kill_daemon, status_field, wait_until

# Ways to live and end, a little of everything.
LIVES = (
    {"argv": ["true"]},
    {"argv": ["sh", "-c", "echo text; echo more >&2; exit 3"]},
    {"argv": ["sh", "-c", "setsid sleep 97531 & exit 0"]},
    {"argv": ["sh", "-c", "mkdir -p /tmp/a/b/c; head -c 100000 /dev/zero | tee /tmp/a/b/c/d; kill -9 $$"]},
    {"argv": ["no-such-command"]},
    {"argv": ["sleep", "60"], "limits": {"wall": "20ms", "grace": "10ms"}},
    {"argv": ["cat"], "stdin": "stream"},
    {"argv": ["sh", "-c", "tty"], "tty": True},
    {"argv": ["true"], "workspace": {"path": "/usr/share", "mode": "cow"}},
    {"argv": ["true"], "user": "root", "mounts": [{"path": "/etc/hostname", "target": "/srv/name", "mode": "ro"}]},
)
AT_ONCE = 12
WARM_UP = 600  # tasks: twice as many as the daemon keeps of finished ones, and the warden keeps id maps


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


# ---- what has to stay as it was ----------------------------------------------------------------


class Health:
    """The numbers of the daemon's processes at one moment, when nothing runs."""

    def __init__(self, daemon):
        daemon.settle()
        table = process_table()
        pids = sorted(daemon.processes())
        self.exact = {"mounts": len(Leaks.mounts()), "cgroups": len(Leaks.cgroups()), "state files": len(daemon.state_files())}
        self.rss = {}
        for pid in pids:
            threads, fds = status_field(pid, "Threads"), count_fds(pid)
            if not threads or fds is None:
                continue  # it has just ended
            name = "%s %d" % (table[pid][1], pid) if pid in table else str(pid)
            self.rss[name] = rss_kib(pid)
            self.exact[name] = {"fds": fds, "threads": int(threads[0]),
                                "mounts": read("/proc/%d/mountinfo" % pid).count("\n"),
                                "zombies": sum(ppid == pid and state == "Z" for ppid, _, state in table.values())}

    def text(self):
        parts = ["mounts %d, cgroups %d" % (self.exact["mounts"], self.exact["cgroups"])]
        for name, kib in self.rss.items():
            numbers = self.exact[name]
            parts.append("%s: fds %s, zombies %d, mounts %d, %d KiB" %
                         (name.split()[0], numbers["fds"], numbers["zombies"], numbers["mounts"], kib))
        return "; ".join(parts)

    def is_flat(self, name, old):
        """A descriptor may have been on its way out at the earlier look."""
        now = self.exact.get(name)
        if isinstance(now, dict) and isinstance(old, dict):
            now = dict(now, fds=max(now["fds"], old["fds"]))
        return now == old

    def changes(self, before, grown_kib):
        """What is not flat, against an earlier look."""
        found = ["%s: %r, after the warm-up %r" % (name, self.exact.get(name), old) for name, old in before.exact.items()
                 if not self.is_flat(name, old)]
        if not os.environ.get("ASAN_OPTIONS"):
            found += ["%s grew by %d KiB" % (name, kib - before.rss[name]) for name, kib in self.rss.items()
                      if kib - before.rss.get(name, 0) > grown_kib]
        return found


def steady_health(daemon, wanted=None, grown_kib=1 << 30):
    """
    What is on its way out is given a moment: without an earlier look, until two looks agree. The index of a journal that is made
    anew is in memory for so long.
    """
    looks = [wanted or Health(daemon)]

    def is_steady():
        looks.append(Health(daemon))
        return not looks[-1].changes(looks[0] if wanted else looks[-2], grown_kib)
    wait_until(is_steady, step=0.2)
    return looks[-1]


# ---- short tasks under load --------------------------------------------------------------------


def run_some(client, tasks, deadline):
    """Runs at most so many until the deadline, some at once. Returns how many; each had one result, or this raises."""
    done, running = 0, collections.deque()
    while running or (done < tasks and time.monotonic() < deadline):
        while len(running) < AT_ONCE and done < tasks and time.monotonic() < deadline:
            life = LIVES[done % len(LIVES)]
            tag, task = client.start(life)
            running.append((tag, task))
            done += 1
            if life.get("stdin"):
                client.send("input", task=task, eof=True)
        tag, task = running.popleft()
        client.finish(tag, task, timeout=60)
        # Answers to what was sent beside the tasks.
        if len(client.queue) > 4 * AT_ONCE:
            client.queue = [e for e in client.queue if e.get("task")]
    client.queue.clear()
    return done


class Background:
    """Something for the daemon to do meanwhile: idle clients, and tasks that write to one who does not read."""

    def __init__(self, daemon, idle=50):
        self.idle = Idle(daemon, idle)
        self.deaf = [daemon.connect() for _ in range(2)]
        for client in self.deaf:
            client.send("run", id="b", task={"argv": ["sh", "-c", "while :; do head -c 300000 /dev/zero; sleep 0.2; done"],
                                             "limits": {"output": "4MiB", "wall": "1h"}})

    def end(self):
        self.idle.close()
        for client in self.deaf:
            client.close()


def log_errors(daemon):
    """Lines of the daemon's log of the level error."""
    return [line for line in read(daemon.log_path).split("\n") if re.search(r"\] error: ", line)]


def soak_tasks(daemon, seconds, tasks=None, grown_kib=2048):
    """For so long, or until there were so many."""
    most = tasks or 1 << 40

    def under_load(n, limit):
        background, client = Background(daemon), daemon.connect()
        try:
            return run_some(client, n, time.monotonic() + limit)
        finally:
            client.close()
            background.end()
            wait_until(lambda: count(daemon, "tasks_running") == 0 and count(daemon, "connections") == 1, 20)

    under_load(min(WARM_UP, most), seconds * SCALE)
    before, turns = steady_health(daemon), metric(daemon, "loop_turn_seconds")
    began, done = time.monotonic(), 0
    # Ten looks on the way, so that what grows is seen growing.
    share = max(1, most // 10) if tasks else most
    while done < most and (tasks or time.monotonic() - began < seconds):
        done += under_load(min(share, most - done), 1 << 20 if tasks else seconds / 10)
        if seconds >= 60 or tasks:
            say("%7d tasks: %s" % (done, Health(daemon).text()))
    took = time.monotonic() - began
    after = steady_health(daemon, before, grown_kib)
    p99, n = percentile(turns, metric(daemon, "loop_turn_seconds"))
    say("%d tasks, %.0f a second; loop_turn_seconds p99 <= %.3f ms of %d turns" % (done, done / took, p99, n))
    say("after the warm-up: " + before.text())
    say("at the end:        " + after.text())
    problems = after.changes(before, grown_kib)
    problems += ["the daemon's log tells of an error: " + line for line in log_errors(daemon)]
    return done, problems


# ---- noisy neighbours --------------------------------------------------------------------------

BOMB = """
import os, time
while True:
    try:
        if os.fork() and os.getpid() % 8 == 0:
            os._exit(0)  # some go, so that there is always room for more
    except OSError:
        time.sleep(0.001)
"""
NEIGHBOURS = {
    "fork bomb": {"argv": ["python3", "-c", BOMB], "limits": {"pids": 64}},
    "memory eater": {"argv": ["sh", "-c", "while :; do head -c 100000000 /dev/zero | tail -c 99000000 >/dev/null; done"],
                     "limits": {"memory": "160MiB"}},
    "output flood": {"argv": ["yes"], "limits": {"output": "16MiB"}},
    "disk filler": {"argv": ["sh", "-c", "while :; do head -c 200000000 /dev/zero >/tmp/x; rm -f /tmp/x; done"], "limits": {"disk": "64MiB"}},
    "connection flood": None,
}


def start_neighbour(daemon, name):
    """Returns a function that ends it."""
    if name == "connection flood":
        pid = os.fork()
        if pid == 0:
            flood_connections(daemon)
        return pid_ends(pid)
    task = dict(NEIGHBOURS[name])
    task["limits"] = dict(task["limits"], wall="1h", grace="100ms")
    task["best_effort"] = sorted(set(task["limits"]) & {"pids", "memory", "disk"})
    # What it writes is read by a process of its own, so that our clock is not held up.
    client = daemon.connect()
    client.start(task)
    client.sock.setblocking(True)
    reader = subprocess.Popen(["cat"], stdin=client.sock, stdout=subprocess.DEVNULL)
    client.close()
    return pid_ends(reader.pid, reader)


def pid_ends(pid, process=None):
    def end():
        os.kill(pid, signal.SIGKILL)
        if process:
            process.wait()
        else:
            os.waitpid(pid, 0)
    return end


def flood_connections(daemon):
    """In a child that is killed: comes, says half a request, or nothing, and goes."""
    try:
        with as_user(USER, GROUP):
            held = []
            while True:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                s.connect(daemon.socket)
                s.send(b'{"op":')
                held.append(s)
                if len(held) > 50:
                    held.pop(0).close()
    finally:
        os._exit(0)


def measure(daemon, seconds, least=15):
    """How long a trivial task takes, and the start of a process on the host, which is what the machine's load alone costs:
    medians. And how long it took to connect."""
    began = time.monotonic()
    client, own, host = daemon.connect(), [], []
    client.call("ping")
    came = time.monotonic() - began
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end or len(own) < least:
            began = time.monotonic()
            result = client.run({"argv": ["true"]}, timeout=60)[1]
            own.append(time.monotonic() - began)
            if result["outcome"] != "ok":
                raise AssertionError("beside its neighbour the task ended so: %r" % result)
            began = time.monotonic()
            subprocess.run(["true"], check=True)
            host.append(time.monotonic() - began)
    finally:
        client.close()
    return median(own), median(host), came


def beside_neighbour(daemon, name, seconds, problems):
    """Returns how many times as long a trivial task takes beside it, and a process on the host."""
    # Each beside its own measurement without it: machines have moods.
    alone, host_alone, _ = measure(daemon, seconds)
    end = start_neighbour(daemon, name)
    try:
        time.sleep(0.2)
        beside, host_beside, came = measure(daemon, seconds)
    finally:
        end()
    ratio, machine = beside / alone, host_beside / host_alone
    say("beside a %-17s %5.2f times as long (%.1f ms, alone %.1f ms); a process on the host %.2f times; a new client waited %.1f ms" %
        (name + ":", ratio, beside * 1000, alone * 1000, machine, came * 1000))
    if not wait_until(lambda: count(daemon, "tasks_running") == 0 and count(daemon, "connections") == 1, 20):
        problems.append("the %s did not go" % name)
    return ratio, machine


def soak_neighbours(daemon, seconds, most=None):
    """most: how much slower the median may become, where the machine's load does not explain it, in one of three tries; None: it is only
    printed."""
    problems, share = [], seconds / (2 * len(NEIGHBOURS))
    measure(daemon, 0)
    for name in NEIGHBOURS:
        for attempt in range(3):
            ratio, machine = beside_neighbour(daemon, name, share, problems)
            if not most or ratio <= most * max(1, machine):
                break
        else:
            problems.append("beside a %s a task takes %.2f times as long" % (name, ratio))
    return problems


# ---- kill -9 -----------------------------------------------------------------------------------


class Killer:
    """Kills the daemon or its warden at random moments under load. Each time nothing may be left, the next one works, and every task that
    was accepted has one result."""

    CAUSES = {"dayflyd": "daemon_crash", "dayfly-warden": "warden_lost"}

    def __init__(self, daemon, seed):
        self.daemon, self.random = daemon, random.Random(seed)
        self.mounts, self.cgroups = Leaks.mounts(), Leaks.cgroups()
        self.times = collections.defaultdict(list)
        self.n_tasks = 0
        self.problems = []

    def submit(self, client, n):
        tasks = []
        for _ in range(n):
            life = self.random.choice(LIVES + ({"argv": ["sleep", "97531"]},) * 4)
            if life.get("stdin"):
                continue
            tag = client.send("run", detach=True, task=life)
            tasks += [e["task"] for e in client.events(tag) if e["event"] == "accepted"]
        return tasks

    def expect_results(self, tasks, cause, may_run_on):
        client = self.daemon.connect()
        for task in tasks:
            state = client.call("inspect", task=task)["state"]
            if state != "done" and may_run_on:  # it was started by the next warden, or is on its way
                client.call("cancel", task=task)
            result = client.call("wait", task=task, timeout=30)
            if result["cause"] == "internal" or (result["outcome"] == "lost") != (result["cause"] in self.CAUSES.values()):
                self.problems.append("%s: told as %s, %s" % (cause, result["outcome"], result["cause"]))
        client.close()

    def round(self, victim):
        client = self.daemon.connect()
        tasks = self.submit(client, self.random.randint(3, 15))
        self.n_tasks += len(tasks)
        time.sleep(self.random.random() * 0.1)
        traces = Traces(self.daemon.stage)
        keep = set()
        if victim == "dayflyd":
            kill_daemon(self.daemon)
        else:
            keep = {self.daemon.process.pid} | set(traces.named("dayfly-keeper"))
            for pid in traces.named("dayfly-warden"):
                os.kill(pid, signal.SIGKILL)
        client.close()
        began = time.monotonic()

        def left():
            return {p: n for p, n in traces.left().items() if p in traces.processes and p not in keep}

        wait_until(lambda: not left(), 5, 0.005)
        self.times[victim].append(time.monotonic() - began)
        if left():
            self.problems.append("%s: processes are left: %r" % (victim, left()))
        if victim == "dayflyd":
            if Leaks.mounts() != self.mounts:
                self.problems.append("%s: mounts are left" % victim)
            if self.daemon.state_files() and not self.daemon.is_upper_on_disk:
                self.problems.append("%s: files are left: %r" % (victim, self.daemon.state_files()))
            self.daemon.close_client()
            self.daemon.start()
        self.expect_results(tasks, victim, victim != "dayflyd")
        if self.daemon.client().run({"argv": ["true"]}, timeout=30)[1]["outcome"] != "ok":
            self.problems.append("%s: the next task does not run" % victim)
        self.daemon.close_client()

    def end(self):
        if not wait_until(lambda: Leaks.mounts() == self.mounts):
            self.problems.append("mounts are left")
        if not self.daemon.is_delegated and Leaks.cgroups() != self.cgroups:
            self.problems.append("cgroups are left: %r, before %r" % (Leaks.cgroups(), self.cgroups))
        for victim, times in sorted(self.times.items()):
            say("kill -9 of %-14s %d times, gone within %.0f ms at most" % (victim + ":", len(times), max(times) * 1000))
        say("%d tasks had one result each; %d problems" % (self.n_tasks, len(self.problems)))
        return self.problems


def soak_kills(daemon, seconds, seed):
    """Leaves a daemon that runs."""
    killer = Killer(daemon, seed)
    end = time.monotonic() + seconds
    say("seed %d" % seed)
    while time.monotonic() < end or len(killer.times) < 2:
        victims = ["dayflyd", "dayfly-warden"]
        victim = killer.random.choice([v for v in victims if v not in killer.times] or victims)
        try:
            killer.round(victim)
        except (DaemonError, OSError, EOFError, TimeoutError) as e:
            killer.problems.append("%s: %r" % (victim, e))
            break
    return killer.end()
