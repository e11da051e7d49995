"""What the load and soak tests share: daemons with settings of their own, floods, idle clients, and the daemon's own numbers."""
import os
import socket
import time

from dayfly_client import SCALE, DaemonError
from dayfly_host import GROUP, USER, Daemon, as_user

# The long form: DAYFLY_LOAD=long. The short one is part of `make check`.
IS_LONG = os.environ.get("DAYFLY_LOAD") == "long"


def configure(daemon, text):
    """Before its start."""
    path = os.path.join(daemon.place, "dayflyd.conf")
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o644)
    daemon.stage.give(path, 0 if daemon.mode == "root" else None)
    daemon.args += ["--config", path]
    return daemon


def configured_daemon(stage, mode, text, *args):
    return configure(Daemon(stage, mode, args), text)


def metric(daemon, name, **labels):
    """One row of what the daemon has counted; None: it has no such row. Clients that have just gone may still count for a moment."""
    rows, end = None, time.monotonic() + 10 * SCALE
    while rows is None:
        client = daemon.connect(0 if daemon.mode == "root" else USER)
        try:
            rows = client.call("stats")["metrics"]
        except DaemonError as e:
            if e.code != "busy" or time.monotonic() > end:
                raise
            time.sleep(0.02)
        finally:
            client.close()
    found = [m for m in rows if m["name"] == name and m.get("labels", {}) == labels]
    return found[0] if found else None


def count(daemon, name, **labels):
    row = metric(daemon, name, **labels)
    return row.get("value", row.get("count"))


def percentile(before, after, share=0.99):
    """Of what a histogram has counted between two looks: (the bound below which this share lies, in ms; how many there were)."""
    earlier = [b["count"] for b in before["buckets"]]
    n = after["count"] - before["count"]
    for bucket, old in zip(after["buckets"], earlier):
        if bucket["count"] - old >= share * n:
            return float(bucket["le"].replace("+", "")) * 1000, n
    return float("inf"), n


def say(text):
    """A figure, in the output of the tests."""
    print("     " + text, flush=True)


class Idle:
    """Many connections of one user on which nothing is said."""

    def __init__(self, daemon, n):
        self.sockets = []
        with as_user(USER, GROUP):
            for _ in range(n):
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sockets.append(s)
                s.connect(daemon.socket)
                s.settimeout(30)

    def ask(self, n):
        """A question on each n-th: the answers."""
        chosen = self.sockets[::n]
        for s in chosen:
            s.sendall(b'{"op":"ping","id":"i"}\n')
        return [s.recv(4096) for s in chosen]

    def close(self):
        for s in self.sockets:
            s.close()
        self.sockets = []
