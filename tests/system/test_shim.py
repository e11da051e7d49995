"""What a preloaded library does to dayflyd: no memory at any point of any request (J8), a clock that jumps (I6)."""
import mmap
import os
import struct
import subprocess
import time

from dayfly_host import Stage, count_fds
from dayfly_test import DaemonError, in_modes

from common import HERE, OwnDaemons

LAYOUT = "iiq"
# An allocation further on than this, of one request, is not looked for.
FARTHEST = 3000


def shim_library():
    path = os.path.join(Stage.get().path, "shim.so")
    if not os.path.exists(path):
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-fno-builtin", "-o", path, HERE + "/shims/shim.c"], check=True)
        os.chmod(path, 0o755)
    return path


class Shim:
    """The file through which a test tells the library what to do."""

    def __init__(self, case):
        self.path = os.path.join(case.make_dir(), "control")
        case.make_file(self.path, b"\0" * mmap.PAGESIZE, 0o666)
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        case.addCleanup(self.map.close)

    def env(self):
        return {"LD_PRELOAD": shim_library(), "DAYFLY_SHIM": self.path}

    def set(self, countdown=0, jump_s=0):
        self.map[:struct.calcsize(LAYOUT)] = struct.pack(LAYOUT, countdown, 0, jump_s)

    def failed(self):
        return struct.unpack(LAYOUT, self.map[:struct.calcsize(LAYOUT)])[1]


@in_modes
class Shimmed(OwnDaemons):
    def start(self, *args):
        if os.environ.get("ASAN_OPTIONS"):
            self.skipTest("AddressSanitizer has an allocator of its own, which comes first")
        self.shim = Shim(self)
        return self.new_daemon(*args, env=self.shim.env())

    # ---- no memory ---------------------------------------------------------------------------

    def requests(self, daemon):
        """Each operation, with a task that it can be about."""
        client = self.connect_to(daemon)
        tag = client.send("run", detach=True, task={"argv": ["sh", "-c", "echo up; sleep 300"], "stdin": "stream"})
        task = [e["task"] for e in client.events(tag) if e["event"] == "accepted"][0]
        return task, [
            ("ping", {}), ("info", {}), ("list", {"all": True}), ("inspect", {"task": task}), ("logs", {"task": task}),
            ("signal", {"task": task, "signal": "CONT"}), ("input", {"task": task, "text": "x" * 2000}),
            ("resize", {"task": task, "rows": 5, "cols": 5}), ("attach", {"task": "no-such-task"}), ("wait", {"task": "no-such-task"}),
            ("cancel", {"task": "no-such-task"}), ("nonsense", {}),
            ("run", {"task": {"argv": ["sh", "-c", "echo out; exit 3"], "env": {"A": "b"}, "labels": {"x": "y"}, "name": "n"}}),
        ]

    def ask(self, daemon, op, fields, countdown):
        """One request on a connection of its own. Returns whether an allocation failed meanwhile."""
        self.shim.set(countdown)
        began = time.monotonic()
        client = daemon.connect()
        try:
            for event in client.events(client.send(op, **fields), timeout=20):
                last = event
            self.assertIn(last["event"], ("result", "error"))
        except (OSError, EOFError, DaemonError, ConnectionError, UnboundLocalError):
            pass  # the connection was closed: that is an answer too
        finally:
            failed = self.shim.failed()
            self.shim.set()
            client.close()
        self.assertLess(time.monotonic() - began, 15, "%s, allocation %d: no answer" % (op, countdown))
        return failed

    def test_J8_without_memory_a_request_fails_and_nothing_else(self):
        daemon = self.start()
        task, requests = self.requests(daemon)
        tried = {}
        for op, fields in requests:
            self.ask(daemon, op, fields, 0)
        fds = count_fds(daemon.process.pid)
        for op, fields in requests:
            n = 1
            while n < FARTHEST and self.ask(daemon, op, fields, n):
                self.assertIsNone(daemon.process.poll(), "%s, allocation %d: %s" % (op, n, daemon.log()))
                n += 1
            tried[op] = n - 1
        self.assertTrue(all(0 < n < FARTHEST - 1 for n in tried.values()), "each to its end: %r" % tried)
        client = self.connect_to(daemon)
        self.assertEqual(client.call("inspect", task=task)["state"], "running", tried)
        self.assertEqual(client.run({"argv": ["true"]}, timeout=20)[1]["outcome"], "ok")
        client.call("cancel", task=task)
        client.call("wait", task=task, timeout=20)
        client.close()
        self.assertLessEqual(count_fds(daemon.process.pid), fds + tried["run"] + 2, "each finished task keeps its output's file")

    # ---- the clock ---------------------------------------------------------------------------

    def test_I6_a_clock_that_jumps_changes_no_limit(self):
        daemon = self.start()
        client = self.connect_to(daemon)
        for jump in (86400, -86400):
            began = time.monotonic()
            short = client.start({"argv": ["sleep", "30"], "limits": {"wall": "1200ms"}})
            long = client.start({"argv": ["sleep", "0.8"], "limits": {"wall": "20s", "idle": "15s"}})
            client.wait_state(short[0], "running")
            self.shim.set(jump_s=jump)
            _, result, _, _, _ = client.finish(*long)
            self.assertEqual((result["cause"], result["exit"]["code"]), ("exit", 0), "over before its time: %r" % result)
            self.assertLess(result["time"]["run"], 15000000)
            _, result, _, _, _ = client.finish(*short)
            self.assertEqual(result["cause"], "timeout_wall", result)
            self.assertGreaterEqual(time.monotonic() - began, 1.2)
            self.assertGreaterEqual(result["time"]["run"], 1200000)
            # The stamps are the clock's, as it was: the control that it did jump.
            self.assertNotEqual(result["time"]["finished"][:10], time.strftime("%Y-%m-%d", time.gmtime()))
            self.assertEqual(client.call("inspect", task=short[1])["result"]["cause"], "timeout_wall", "kept for the usual time")
            self.shim.set()

    # ---- threads -----------------------------------------------------------------------------

    def test_J17_no_operation_waits_for_a_thread_pool(self):
        """Nothing of dayflyd uses libuv's: four hung file operations could hold up nothing."""
        done = subprocess.run(["nm", "-D", "--undefined-only", os.path.join(self.stage.bin, "dayflyd")], stdout=subprocess.PIPE, check=True)
        names = done.stdout.decode().split()
        self.assertIn("uv_run", names, "libuv's functions are seen")
        self.assertEqual([n for n in names if n.startswith(("uv_queue_work", "uv_fs_", "uv_getaddrinfo", "uv_random"))], [])
