"""What the next daemon tells of the tasks of one that died, and the journal that is made anew: J3, J5, J6, J12, J15."""
import collections
import errno
import glob
import os
import signal
import subprocess

from dayfly_host import Daemon, rss_kib
from dayfly_test import DaemonError, USER, in_modes

from common import OwnDaemons, Traces, forget_service_dir, kill_daemon, status_field, wait_until
from test_shim import Shim


class Journaled(OwnDaemons):
    def journal_of(self, daemon):
        return daemon.client().call("info")["journal"]

    def restart(self, daemon, signo=signal.SIGKILL):
        traces = Traces(self.stage)
        kill_daemon(daemon, signo)
        daemon.close_client()
        self.assertEqual(traces.wait_gone(), {})
        daemon.start()
        return daemon.client()

    def detached(self, client, argv, **more):
        tag = client.send("run", detach=True, task=dict(argv=argv, **more))
        events = list(client.events(tag))
        self.assertEqual([e["event"] for e in events], ["accepted", "result"], events)
        return events[0]["task"]

    def wait_inspect(self, client, task, state):
        self.assertTrue(wait_until(lambda: client.call("inspect", task=task)["state"] == state, 10))

    def assert_lost(self, result, phase):
        self.assertEqual((result["outcome"], result["cause"], result["phase"], result["exit"]), ("lost", "daemon_crash", phase, None))
        self.assertEqual(result["error"]["code"], "daemon_crash")
        self.assertTrue(result["error"]["hint"])
        self.assertIsNone(result["enforced"])


@in_modes
class AfterACrash(Journaled):
    def test_J3_tasks_that_were_not_done_are_lost_and_those_that_were_keep_their_results(self):
        daemon = self.new_daemon("--max-tasks", "1")
        client = daemon.client()
        done = client.run({"argv": ["sh", "-c", "exit 3"], "name": "early"})[1]
        running = self.detached(client, ["sleep", "97531"], name="nap", labels={"job": "ci"})
        self.wait_inspect(client, running, "running")
        waiting = self.detached(client, ["true"])
        client = self.restart(daemon)
        self.assert_lost(client.call("wait", task=running), "run")
        self.assert_lost(client.call("wait", task=waiting), "queue")
        self.assertEqual(client.call("wait", task="early"), done)
        self.assertEqual(client.call("wait", task="nap")["task"], running)
        # Every way to ask.
        shown = client.call("inspect", task=running)
        self.assertEqual((shown["state"], shown["recovered"], shown["uid"]), ("done", True, USER))
        wanted = {"argv": ["sleep", "97531"], "labels": {"job": "ci"}, "name": "nap"}
        self.assertEqual({k: shown["spec"][k] for k in wanted}, wanted)
        self.assertTrue(shown["created"] <= shown["started"])
        for op in ("attach", "logs"):
            *_, last = client.events(client.send(op, task=running))
            self.assert_lost(last["result"], "run")
        listed = {t["task"]: t for t in client.call("list", all=True)["tasks"]}
        self.assertEqual({k: v["cause"] for k, v in listed.items()}, {done["task"]: "exit", running: "daemon_crash", waiting: "daemon_crash"})
        self.assertEqual(listed[done["task"]]["code"], 3)
        self.assertEqual(client.call("list", all=True, label="job=ci")["tasks"], [listed[running]])
        self.assertEqual(client.call("list")["tasks"], [])
        self.assertEqual(client.call("cancel", task=running)["state"], "done")
        with self.assertRaises(DaemonError) as caught:
            client.call("signal", task=running, signal="TERM")
        self.assertEqual(caught.exception.code, "bad_state")

    def test_J3_the_command_line_tells_it(self):
        daemon = self.new_daemon()
        task = self.detached(daemon.client(), ["sleep", "97531"], name="nap")
        self.wait_inspect(daemon.client(), task, "running")
        self.restart(daemon)
        shown = self.cli("ps", "-a")
        self.assertIn(b"nap", shown.stdout)
        self.assertIn(b"daemon_crash", shown.stdout)
        for verb in ("wait", "attach"):
            done = self.cli(verb, "nap")
            self.assertIn(b"the daemon died while the task was running", done.stderr, (verb, done))
        self.assertEqual(self.cli("wait", "nap").returncode, 125)
        self.assertEqual(self.cli("inspect", "nap").returncode, 0)

    def test_J3_it_is_told_again_by_the_one_after_the_next(self):
        daemon = self.new_daemon()
        task = self.detached(daemon.client(), ["sleep", "97531"])
        first = self.restart(daemon).call("wait", task=task)
        self.assertEqual(self.restart(daemon).call("wait", task=task), first)

    def test_J4_a_stop_is_no_crash(self):
        daemon = self.new_daemon()
        task = self.detached(daemon.client(), ["sleep", "97531"], limits={"grace": "100ms"})
        self.wait_inspect(daemon.client(), task, "running")
        client = self.restart(daemon, signal.SIGTERM)
        result = client.call("wait", task=task)
        self.assertEqual((result["outcome"], result["cause"]), ("killed", "shutdown"))

    def test_J3_no_secret_is_in_the_file(self):
        daemon = self.new_daemon()
        self.detached(daemon.client(), ["sleep", "97531"], env={"TOKEN": "hush-hush-hush"})
        self.detached(daemon.client(), ["sh", "-c", "sleep 97531; : " + "x" * 600 + "hush-hush-hush"])
        path = self.journal_of(daemon)
        with open(path, "rb") as f:
            self.assertNotIn(b"hush-hush-hush", f.read())
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)

    def test_J3_many_accepted_at_the_moment_of_the_kill(self):
        """Whoever was told `accepted` is known afterwards, with one result."""
        daemon = self.new_daemon("--max-tasks", "4")
        client = daemon.client()
        tags = [client.send("run", detach=True, task={"argv": ["sleep", "97531"]}) for _ in range(200)]
        accepted = set()
        while not accepted:
            event = client.read_event()
            if event["event"] == "accepted":
                accepted.add(event["task"])
        kill_daemon(daemon)
        try:
            while True:
                event = client.read_event(5)
                if event["event"] == "accepted":
                    accepted.add(event["task"])
        except (EOFError, ConnectionResetError):
            pass
        daemon.close_client()
        daemon.start()
        listed = {t["task"]: t["cause"] for t in daemon.client().call("list", all=True)["tasks"]}
        self.assertLessEqual(accepted, set(listed))
        self.assertLessEqual(len(listed), len(tags))
        self.assertEqual(set(listed.values()), {"daemon_crash"})


@in_modes
class OtherUsers(Journaled):
    modes = ["root"]  # a rootless daemon has one user

    def test_J3_others_do_not_see_it(self):
        daemon = self.new_daemon("--allow-all")
        task = self.detached(daemon.client(), ["sleep", "97531"], name="nap")
        self.restart(daemon)
        other = self.connect_to(daemon, uid=USER + 1)
        for word in (task, task[:10], "nap"):
            with self.assertRaises(DaemonError) as caught:
                other.call("inspect", task=word)
            self.assertEqual(caught.exception.code, "not_found")
        self.assertEqual(other.call("list", all=True)["tasks"], [])


@in_modes
class StateFile(Journaled):
    def damaged(self, change):
        """A daemon with a lost task whose file is then changed; returns the next daemon and the task."""
        for earlier in self.daemons:
            self.assertEqual(earlier.stop(), [])
        daemon = self.new_daemon()
        task = self.detached(daemon.client(), ["sleep", "97531"])
        path = self.journal_of(daemon)
        traces = Traces(self.stage)
        kill_daemon(daemon)
        daemon.close_client()
        self.assertEqual(traces.wait_gone(), {})
        change(path)
        daemon.start()
        self.assertEqual(daemon.client().run({"argv": ["true"]})[1]["outcome"], "ok")
        return daemon, task, path

    def known(self, daemon, task):
        return task in [t["task"] for t in daemon.client().call("list", all=True)["tasks"]]

    def test_J12_a_torn_tail_is_cut_off(self):
        def tear(path):
            with open(path, "ab") as f:
                f.write(b"\x40\0\0\0abcd half a record")

        daemon, task, path = self.damaged(tear)
        self.assertTrue(self.known(daemon, task))
        self.assertIn("cut off", daemon.log())
        self.assertEqual(glob.glob(path + ".bad*"), [])

    def test_J12_random_zero_empty_and_old_files_are_never_in_the_way(self):
        def write(data):
            def change(path):
                with open(path, "r+b") as f:
                    f.truncate(0)
                    f.write(data)
            return change

        for what, data, aside in (("random", os.urandom(5000), True), ("zeros", bytes(5000), True), ("empty", b"", False),
                                  ("other version", b"dayflyj\n\x07\0\0\0\0\0\0\0", True)):
            daemon, task, path = self.damaged(write(data))
            self.assertFalse(self.known(daemon, task), what)
            self.assertEqual(len(glob.glob(path + ".bad*")), aside, what)
            if aside:
                self.assertIn("set aside as", daemon.log(), what)

    def test_J12_damage_in_the_middle_keeps_what_is_before_it(self):
        def hit(path):
            with open(path, "r+b") as f:
                size = f.seek(0, 2)
                f.write(b"\x10\0\0\0" + b"damage in the middle of the file" * 2)
                self.assertGreater(f.tell(), size)

        daemon, task, path = self.damaged(hit)
        self.assertTrue(self.known(daemon, task))
        self.assertEqual(len(glob.glob(path + ".bad*")), 1)

    def test_J12_a_link_and_a_foreign_file_are_set_aside(self):
        victim = self.make_file(os.path.join(self.make_dir(), "victim"), "precious", 0o666)

        def link(path):
            os.rename(path, path + ".kept")
            os.symlink(victim, path)

        daemon, _, path = self.damaged(link)
        self.assertTrue(os.path.islink(path + ".bad1"))
        with open(victim) as f:
            self.assertEqual(f.read(), "precious")
        if os.geteuid() != 0:
            return
        daemon, task, path = self.damaged(lambda path: os.chown(path, 4321, 4321))
        self.assertFalse(self.known(daemon, task))
        self.assertEqual(os.stat(path + ".bad1").st_uid, 4321)

    def test_J5_a_second_daemon_on_the_same_state_directory_is_refused(self):
        daemon = self.new_daemon()
        task = self.detached(daemon.client(), ["sleep", "97531"])
        other = self.new_daemon(start=False)
        own, other.state_dir = other.state_dir, daemon.state_dir
        try:
            with self.assertRaises(AssertionError) as caught:
                other.start()
        finally:
            other.state_dir = own
        self.assertIn("another dayflyd has this state directory", str(caught.exception))
        self.assertEqual(other.process.wait(10), 1)
        other.process = None
        self.assertEqual(daemon.client().call("inspect", task=task)["uid"], USER)
        self.assertEqual(daemon.client().run({"argv": ["true"]})[1]["outcome"], "ok")

    def test_a_daemon_without_a_journal_writes_none(self):
        conf = self.make_file(os.path.join(self.make_dir(owner=0 if self.mode == "root" else None), "conf"), "[daemon]\njournal = no\n[history]\nrecord = no\n",
                              owner=0 if self.mode == "root" else None)
        daemon = self.new_daemon("--config", conf)
        self.assertIsNone(self.journal_of(daemon))
        task = self.detached(daemon.client(), ["sleep", "97531"])
        self.assertEqual([name for name in os.listdir(daemon.state_dir) if not name.startswith("dayfly-upper-")], [])
        with self.assertRaises(DaemonError) as caught:
            self.restart(daemon).call("inspect", task=task)
        self.assertEqual(caught.exception.code, "not_found")


@in_modes
class MadeAnew(Journaled):
    """The file when it has grown to 4 MiB. Labels make that some 600 tasks, all of which are kept."""

    TASK = {"argv": ["true"], "labels": {"label%d" % i: "x" * 256 for i in range(16)}}
    BYTES = 4 << 20

    def setUp(self):
        super().setUp()
        self.shim = None

    def tearDown(self):
        if self.shim:
            self.shim.set_sync()
        super().tearDown()

    def grow(self, daemon, is_enough):
        """Tasks, some at once, until there are enough."""
        client, running, n = daemon.client(), collections.deque(), 0
        while not is_enough() and n < 3000:
            running.append(client.start(self.TASK))
            n += 1
            if len(running) == 12:
                client.finish(*running.popleft())
        while running:
            client.finish(*running.popleft())
        self.assertTrue(is_enough(), "%d tasks" % n)

    def grow_to(self, daemon, path, size):
        self.grow(daemon, lambda: os.stat(path).st_size > size)

    def shimmed_daemon(self):
        if os.environ.get("ASAN_OPTIONS"):
            self.skipTest("AddressSanitizer has an allocator of its own, which comes first")
        self.shim = Shim(self)
        daemon = self.new_daemon(env=self.shim.env())
        if subprocess.check_output(["stat", "-f", "-c", "%T", daemon.state_dir]) == b"tmpfs\n":
            self.skipTest("nothing is synced in %s, which is in memory" % daemon.state_dir)
        return daemon

    def listed(self, daemon):
        return {t["task"]: tuple(t.get(k) for k in ("state", "cause", "code", "created", "finished")) for t in daemon.client().call("list", all=True)["tasks"]}

    def assert_all_known_after_a_kill(self, daemon, path, nap):
        before, traces = self.listed(daemon), Traces(self.stage)
        kill_daemon(daemon)
        self.shim.set_sync()
        daemon.close_client()
        self.assertEqual(traces.wait_gone(), {})
        daemon.start()
        after = self.listed(daemon)
        self.assertEqual(before.pop(nap)[0], "running")
        self.assertEqual(after.pop(nap)[:2], ("done", "daemon_crash"))
        self.assertGreater(len(before), 100)
        self.assertEqual({task: after.get(task) for task in before}, before)
        self.assertEqual(glob.glob(path + ".*"), [])
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        self.assertNotIn("cut off", daemon.log())

    def test_J15_a_file_that_is_made_anew_is_never_in_memory_as_a_whole(self):
        daemon = self.new_daemon()
        path, pid = self.journal_of(daemon), daemon.process.pid
        first = os.stat(path).st_ino
        self.grow_to(daemon, path, self.BYTES * 7 // 8)
        self.assertEqual(os.stat(path).st_ino, first)
        before = rss_kib(pid)
        self.grow(daemon, lambda: os.stat(path).st_ino != first)
        self.assertGreater(os.stat(path).st_size, self.BYTES // 2)
        if not os.environ.get("ASAN_OPTIONS"):  # whose own memory says nothing
            self.assertLess(int(status_field(pid, "VmHWM")[0]) - before, self.BYTES // 2 >> 10)

    def test_J15_results_of_an_earlier_daemon_are_kept_as_their_text(self):
        """Their text is kept, and not what a parser makes of it."""
        daemon, n, each_kib = self.new_daemon(), 500, 22
        client = daemon.client()
        before = rss_kib(daemon.process.pid)
        for _ in range(n):
            client.run({"argv": ["true"]})
        client = self.restart(daemon)
        self.assertEqual(len(client.call("list", all=True)["tasks"]), n)
        if not os.environ.get("ASAN_OPTIONS"):
            self.assertLess(rss_kib(daemon.process.pid) - before, n * each_kib)

    def test_J3_a_kill_while_it_is_made_anew_loses_nothing(self):
        daemon = self.shimmed_daemon()
        client, path = daemon.client(), self.journal_of(daemon)
        nap = self.detached(client, ["sleep", "97531"])
        self.wait_inspect(client, nap, "running")
        self.shim.set_sync(".journal.new", hangs=True)
        self.grow(daemon, lambda: self.shim.syncs() > 0)
        self.assertGreater(os.stat(path + ".new").st_size, self.BYTES // 2)
        # Nobody waits for it.
        self.assertEqual(client.run({"argv": ["sh", "-c", "exit 3"]})[1]["exit"]["code"], 3)
        self.assertTrue(os.path.exists(path + ".new"))
        self.assert_all_known_after_a_kill(daemon, path, nap)

    def test_J6_one_that_cannot_be_made_for_want_of_space_leaves_the_old_one(self):
        daemon = self.shimmed_daemon()
        client, path = daemon.client(), self.journal_of(daemon)
        first = os.stat(path).st_ino
        nap = self.detached(client, ["sleep", "97531"])
        self.wait_inspect(client, nap, "running")
        self.shim.set_sync(".journal.new", errno=errno.ENOSPC)
        self.grow(daemon, lambda: "cannot be made anew: No space left" in daemon.log())
        self.assertEqual(client.run({"argv": ["sh", "-c", "exit 3"]})[1]["exit"]["code"], 3)
        self.assertEqual(os.stat(path).st_ino, first)
        self.assertEqual(glob.glob(path + ".*"), [])
        self.assert_all_known_after_a_kill(daemon, path, nap)


class PrivateDaemon(Daemon):
    """As autostart makes it: its journal is beside its socket."""

    def command(self):
        command = super().command()
        at = command.index("--state-dir")
        return command[:at] + command[at + 2:]


@in_modes
class WithoutAStateDirectory(Journaled):
    modes = ["rootless"]

    def private_daemon(self):
        daemon = PrivateDaemon(self.stage, self.mode)
        self.daemons.append(daemon)
        self.daemon = daemon
        daemon.start()
        return daemon

    def test_J3_a_users_own_daemon_has_it_beside_the_socket_and_takes_it_along(self):
        daemon = self.private_daemon()
        self.assertEqual(os.path.dirname(self.journal_of(daemon)), os.path.dirname(daemon.socket))
        task = self.detached(daemon.client(), ["sleep", "97531"])
        client = self.restart(daemon)
        self.assert_lost(client.call("wait", task=task), client.call("wait", task=task)["phase"])
        self.remove_runtime_dir(daemon)


@in_modes
class ServiceDirectory(Journaled):
    modes = ["root"]

    def test_a_root_daemon_on_a_socket_of_its_own_has_none(self):
        forget_service_dir(self)
        daemon = PrivateDaemon(self.stage, self.mode)
        self.daemons.append(daemon)
        self.daemon = daemon
        daemon.start()
        self.assertIsNone(self.journal_of(daemon))
        self.assertIn("no journal", daemon.log())


@in_modes
class NoSpace(Journaled):
    """J6: the state directory is a small tmpfs. Rootless it is mounted in a mount namespace of the daemon's own; a helper in there fills
    and empties it."""

    def setUp(self):
        super().setUp()
        self.has_filler = False
        self.filler = os.path.join(self.make_dir(mode=0o777), "gate")
        os.mkfifo(self.filler)
        os.chmod(self.filler, 0o666)
        self.done = self.filler + ".done"
        os.mkfifo(self.done)
        os.chmod(self.done, 0o666)

    def new_small_daemon(self, full=False):
        daemon = Daemon(self.stage, self.mode)
        self.daemons.append(daemon)
        self.daemon = daemon
        command = daemon.command()
        owner = os.stat(daemon.state_dir).st_uid if self.mode == "root" else 0
        fill = "dd if=/dev/zero of=%s/ballast bs=4k 2>/dev/null" % daemon.state_dir
        script = """
            mount -t tmpfs -o size=256k,mode=700,uid=%d tmpfs %s || exit 9
            %s
            (while read what <%s; do
                case $what in fill) %s;; empty) rm -f %s/ballast;; end) echo >%s; exit;; esac
                echo >%s
            done) <&- 2>&- &
            exec "$@" """ % (owner, daemon.state_dir, fill if full else ":", self.filler, fill, daemon.state_dir, self.done, self.done)
        unshare = ["unshare", "-m"] if self.mode == "root" else ["unshare", "-Urm"]
        # As uid 0 of its own user namespace dayflyd would think itself the system's daemon: it gets its id back.
        inner = command if self.mode == "root" else ["unshare", "-U", "--map-user=%d" % USER, "--map-group=%d" % USER] + command
        daemon.command = lambda: unshare + ["sh", "-c", script, "sh"] + inner
        daemon.start()
        self.has_filler = True
        return daemon

    def tearDown(self):
        if self.has_filler:  # it is in the daemon's cgroup, which has to be empty in the end
            self.tell("end")
        super().tearDown()

    def tell(self, what):
        with open(self.filler, "w") as f:
            f.write(what + "\n")
        with open(self.done) as f:
            f.read()

    def refused_for_space(self, client):
        with self.assertRaises(DaemonError) as caught:
            client.run({"argv": ["true"]})
        self.assertEqual(caught.exception.code, "no_space", caught.exception.error)
        self.assertIn(self.daemon.state_dir, caught.exception.error["message"])
        self.assertTrue(caught.exception.error["hint"])

    def test_J6_a_full_state_directory_refuses_tasks_until_there_is_space(self):
        daemon = self.new_small_daemon()
        client = daemon.client()
        running = self.detached(client, ["sh", "-c", "read x; exit 7"], stdin="stream")
        self.wait_inspect(client, running, "running")
        self.tell("fill")
        # A page may still have room for a few records.
        self.assertTrue(wait_until(lambda: self.is_refused(client), 10))
        self.refused_for_space(client)
        self.assertEqual(client.call("ping")["protocol"], 1)
        # What runs goes on and has its result.
        client.call("input", task=running, text="\n")
        self.assertEqual(client.call("wait", task=running)["exit"]["code"], 7)
        self.tell("empty")
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
        self.assertIn("can be written again", daemon.log())

    def is_refused(self, client):
        try:
            client.run({"argv": ["true"]})
        except DaemonError:
            return True
        return False

    def test_J6_full_before_the_start(self):
        daemon = self.new_small_daemon(full=True)
        client = daemon.client()
        self.refused_for_space(client)
        self.tell("empty")
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
        self.assertEqual(client.run({"argv": ["echo", "x"]})[2], b"x\n")

    def test_J6_output_that_finds_no_space_is_counted_and_the_task_goes_on(self):
        daemon = self.new_small_daemon()
        client = daemon.client()
        client.run({"argv": ["true"]})
        result = client.run({"argv": ["sh", "-c", "head -c 1000000 /dev/zero; exit 4"]})[1]
        self.assertEqual(result["exit"]["code"], 4)
        self.assertTrue(result["output"]["stdout"]["truncated"], result["output"])
        self.assertEqual(result["output"]["stdout"]["bytes"], 1000000)
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
