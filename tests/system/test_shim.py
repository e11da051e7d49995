"""What a preloaded library does to dayflyd: no memory at any point of any request (J8), a clock that jumps (I6)."""
import glob
import mmap
import os
import re
import struct
import subprocess
import time

from dayfly_host import Stage, count_fds
from dayfly_test import in_modes

from common import HERE, OwnDaemons, kill_daemon, wait_until

LAYOUT = "iiqi"
SYNCS = "=iii32s"  # behind that
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

    def set(self, countdown=0, jump_s=0, stays=False):
        self.map[:struct.calcsize(LAYOUT)] = struct.pack(LAYOUT, countdown, 0, jump_s, stays)

    def set_sync(self, path="", hangs=False, errno=0):
        """What becomes of syncs of files with this in their path, from now on."""
        struct.pack_into(SYNCS, self.map, struct.calcsize(LAYOUT), hangs, errno, 0, path.encode())

    def syncs(self):
        return struct.unpack_from(SYNCS, self.map, struct.calcsize(LAYOUT))[2]

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

    def requests(self, client):
        """Each operation, with a task that it can be about: (name, operation, what gives its fields)."""
        _, kept, _, _, _ = client.finish(*client.start({"argv": ["sh", "-c", "echo out; echo err >&2; exit 3"], "name": "kept",
                                                        "labels": {"x": "y"}, "limits": {"wall": "60s"}}))
        kept = kept["task"]
        reader = self.detach(client, {"argv": ["sh", "-c", "echo up; exec cat"], "stdin": "stream", "limits": {"wall": "6h"}})
        screen = self.detach(client, {"argv": ["sleep", "97531"], "tty": True, "limits": {"wall": "6h"}})
        task = {"argv": ["sh", "-c", "echo out; exit 3"], "env": {"A": "b"}, "labels": {"x": "y"}, "limits": {"wall": "20s"}}
        return {reader, screen}, [
            ("ping", "ping", dict),
            ("info", "info", dict),
            ("list", "list", lambda: {"all": True}),
            ("inspect, running", "inspect", lambda: {"task": reader}),
            ("inspect, done", "inspect", lambda: {"task": kept}),
            ("logs", "logs", lambda: {"task": kept}),
            ("logs, running", "logs", lambda: {"task": reader}),
            ("attach", "attach", lambda: {"task": kept}),
            ("wait", "wait", lambda: {"task": kept}),
            ("signal", "signal", lambda: {"task": reader, "signal": "CONT"}),
            ("input", "input", lambda: {"task": reader, "text": "x" * 2000}),
            ("input, base64", "input", lambda: {"task": reader, "base64": "eHg="}),
            ("resize", "resize", lambda: {"task": screen, "rows": 5, "cols": 5}),
            ("cancel", "cancel", lambda: {"task": self.detach(client, {"argv": ["sleep", "97531"], "limits": {"grace": "20ms"}})}),
            ("no task", "inspect", lambda: {"task": "no-such-task"}),
            ("nonsense", "nonsense", dict),
            ("run", "run", lambda: {"task": task}),
            ("run, tty", "run", lambda: {"task": dict(task, tty=True)}),
            ("run, detached", "run", lambda: {"task": task, "detach": True}),
        ]

    @staticmethod
    def detach(client, task):
        tag = client.send("run", detach=True, task=task)
        return [e["task"] for e in client.events(tag) if e["event"] == "accepted"][0]

    def ask(self, daemon, op, fields, countdown, stays=False):
        """One request on a connection of its own. Returns whether an allocation failed meanwhile, and the events of the answer; None:
        the connection was closed, which is an answer too."""
        events, client = [], None
        self.shim.set(countdown, stays=stays)
        try:
            client = daemon.connect()
            for event in client.events(client.send(op, **fields), timeout=15):
                events.append(event)
        except TimeoutError:
            self.fail("%s, allocation %d: no answer: %r" % (op, countdown, events))
        except (OSError, EOFError):
            events = None
        finally:
            failed = self.shim.failed()
            self.shim.set()
            if client:
                client.close()
        return failed, events

    def whole(self, value):
        """An answer without what is different each time."""
        if isinstance(value, dict):
            # The history may have had no memory to write, which is told truly.
            return {k: self.whole(v) for k, v in value.items() if k not in ("id", "task", "seq", "created", "started", "finished", "history")}
        if isinstance(value, list):
            return [self.whole(v) for v in value]
        return 0 if isinstance(value, int) and not isinstance(value, bool) else value

    def check_answer(self, events, expected, what):
        """An error, or nothing, or all of it: no answer lacks a part that there was no memory for."""
        last = events[-1]
        if last["event"] == "error":
            # no_history: the data base says itself that it had no memory.
            self.assertIn(last["error"]["code"], ("internal", "busy", "no_history", expected[-1].get("error", {}).get("code")),
                          "%s: %r" % (what, last["error"]))
        elif expected[-1]["event"] != "result" or "outcome" not in last["result"]:
            self.assertEqual(self.whole(last), self.whole(expected[-1]), what)
        elif last["result"]["cause"] == "exit":
            output = b"".join(e["data"] for e in events if e["event"] == "output")
            wanted = b"".join(e["data"] for e in expected if e["event"] == "output")
            self.assertEqual(last["result"]["exit"]["code"], 3, what)
            is_cut = any("truncated" in e for e in events)
            self.assertTrue(output == wanted or is_cut, "%s: %r, and it does not say that something is missing" % (what, output))
        else:
            self.assertIn((last["result"]["cause"], last["result"]["error"]["code"]), [("setup", "internal")], what)

    def starve(self, stays):
        daemon = self.start()
        daemon.warm_up()
        client = self.connect_to(daemon)
        wait_until(lambda: client.call("info")["probes_made"])
        tasks, requests = self.requests(client)
        wait_until(lambda: all(client.call("inspect", task=t)["state"] == "running" for t in tasks))
        for _, op, fields in requests:
            self.ask(daemon, op, fields(), 0)

        def is_quiet():
            return {t["task"] for t in client.call("list")["tasks"]} == tasks

        wait_until(is_quiet)
        processes, fds = len(daemon.processes()), count_fds(daemon.process.pid)
        tried = {}
        for name, op, fields in requests:
            expected = self.ask(daemon, op, fields(), 0)[1]
            for n in range(1, FARTHEST):
                what = "%s, allocation %d" % (name, n)
                given = fields()
                failed, events = self.ask(daemon, op, given, n, stays)
                self.assertIsNone(daemon.process.poll(), "%s: %s" % (what, daemon.log()))
                self.assertEqual(client.call("ping")["protocol"], 1, what)
                if op == "cancel":
                    client.call("cancel", **given)
                if events:
                    self.check_answer(events, expected, what)
                self.assertTrue(wait_until(is_quiet), "%s: it left %r" % (what, client.call("list")))
                if not failed:
                    break
            tried[name] = n - 1
        self.assertTrue(all(0 < n < FARTHEST - 2 for n in tried.values()), "each to its end: %r" % tried)
        self.assertEqual({client.call("inspect", task=t)["state"] for t in tasks}, {"running"}, tried)
        self.assertEqual(client.run({"argv": ["true"]}, timeout=20)[1]["outcome"], "ok")
        self.assertTrue(wait_until(lambda: len(daemon.processes()) == processes), daemon.processes())
        self.assertTrue(wait_until(lambda: count_fds(daemon.process.pid) <= fds), "descriptors: %r, before %r" % (
            count_fds(daemon.process.pid), fds))
        for task in tasks:
            client.call("cancel", task=task)
            client.call("wait", task=task, timeout=20)
        client.close()
        return tried

    def test_J8_without_memory_a_request_fails_and_nothing_else(self):
        self.starve(stays=False)

    def test_J8_while_memory_stays_short_requests_fail_and_nothing_else(self):
        self.starve(stays=True)

    def test_J8_many_connections_while_memory_is_short(self):
        """The loop's table of descriptors grows with them, and libuv ends a process in which that fails."""
        daemon = self.start()
        kept = []
        for i in range(250):
            for n in range(1, 6):
                self.ask(daemon, "ping", {}, n)
                self.assertIsNone(daemon.process.poll(), "with %d connections, allocation %d: %s" % (i, n, daemon.log()))
            kept.append(self.connect_to(daemon))
            self.assertEqual(kept[-1].call("ping")["protocol"], 1)

    def test_J8_an_end_without_memory_is_written_down_later(self):
        """The next daemon would take the task for lost."""
        daemon = self.start("--idle-exit", "2s")  # what is left over is looked at four times in that time
        client = self.connect_to(daemon)
        ended = {}
        for n in (1, 2, 4, 8, 16, 32):
            place = self.make_dir()
            task = self.detach(client, {"argv": ["sh", "-c", "until [ -e go ]; do sleep 0.02; done; exit 3"], "cwd": "/mnt/w",
                                        "workspace": {"path": place, "mode": "ro", "target": "/mnt/w"}})
            self.assertTrue(wait_until(lambda: client.call("inspect", task=task)["state"] == "running"))
            self.shim.set(n, stays=True)
            self.make_file(os.path.join(place, "go"), "")
            self.assertTrue(wait_until(lambda: self.shim.failed() > 0, 5), "it did not end")
            time.sleep(0.2)
            self.shim.set()
            ended[task] = client.call("wait", task=task)["cause"]
        self.assertEqual(set(ended.values()), {"exit"})
        journal = client.call("info")["journal"]

        def not_written():
            with open(journal, "rb") as f:
                text = f.read()
            return [task for task in ended if b'"task":"%s"' % task.encode() not in text]

        self.assertTrue(wait_until(lambda: not not_written(), 10), not_written())
        client.close()
        kill_daemon(daemon)
        daemon.close_client()
        daemon.env = {}
        daemon.start()
        client = self.connect_to(daemon)
        self.assertEqual({task: client.call("wait", task=task)["cause"] for task in ended}, ended)

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
            control = client.run({"argv": ["true"]})[1]
            self.assertNotEqual(control["time"]["finished"][:10], time.strftime("%Y-%m-%d", time.gmtime()))
            self.assertEqual(client.call("inspect", task=short[1])["result"]["cause"], "timeout_wall", "kept for the usual time")
            self.shim.set()

    # ---- threads -----------------------------------------------------------------------------

    def test_J17_the_thread_pool_is_for_files_of_the_daemon_alone(self):
        """Four file operations that hang would hold up all that wait for libuv's threads. Who uses them has only nameless files and
        directories that the daemon made in its own directories: what a task left (artifact_out, upload_hash), and what git writes there and its cache (git_meter, git_store)."""
        done = subprocess.run(["nm", "-D", "--undefined-only", os.path.join(self.stage.bin, "dayflyd")], stdout=subprocess.PIPE, check=True)
        names = done.stdout.decode().split()
        self.assertIn("uv_run", names, "libuv's functions are seen")
        of_pool = ("uv_queue_work", "uv_fs_", "uv_getaddrinfo", "uv_getnameinfo", "uv_random")
        self.assertEqual(sorted(n for n in names if n.startswith(of_pool)), ["uv_fs_read", "uv_fs_req_cleanup", "uv_queue_work"])
        users = []
        for path in glob.glob(os.path.join(os.path.dirname(os.path.dirname(HERE)), "src", "*", "*.c")):
            with open(path) as f:
                users += [os.path.basename(path)] if re.search(r"\b(%s)" % "|".join(of_pool), f.read()) else []
        self.assertEqual(sorted(users), ["artifact_out.c", "git_meter.c", "git_store.c", "upload_hash.c"])
