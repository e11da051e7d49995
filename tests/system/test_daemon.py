"""The daemon's own life: its start in odd surroundings, its place, its end; J5, J7, J11, K12, C3, C4, C5."""
import contextlib
import ctypes
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import time

from dayfly_client import SCALE
from dayfly_host import GONE, Daemon, read
from dayfly_test import DaemonError, IS_ROOT, in_modes

from common import Gate, OwnDaemons, Traces, cpu_seconds, kill_daemon, plain_socket, raise_open_files, read_all, wait_until


class Own(OwnDaemons):
    def run_one(self, daemon, *argv, **task):
        client = self.connect_to(daemon)
        try:
            _, result, stdout, _, _ = client.run(dict({"argv": list(argv)}, **task))
        finally:
            client.close()
        return result, stdout

    def assert_works(self, daemon):
        self.assertEqual(self.run_one(daemon, "true")[0]["outcome"], "ok")

    def start_and_fail(self, daemon):
        """Starts it; returns what it said, and its status."""
        with self.assertRaises(AssertionError) as caught:
            daemon.start()
        daemon.process.wait(timeout=20 * SCALE)
        code, daemon.process.returncode = daemon.process.returncode, 0  # for the harness: as expected
        return str(caught.exception), code


@in_modes
class Place(Own):
    def test_J5_a_second_daemon_on_the_same_socket_is_refused(self):
        first = self.new_daemon()
        second = Daemon(self.stage, self.mode)
        second.run_dir, second.socket = first.run_dir, first.socket
        text, code = self.start_and_fail(second)
        self.assertIn("another dayflyd runs here", text)
        self.assertEqual(code, 1)
        self.assert_works(first)
        self.assertTrue(wait_until(lambda: len(first.processes()) == 3, GONE), "nothing of the second is left")
        self.assertEqual(second.remove_cgroups(), [])

    def test_K12_a_stale_socket_is_taken_over_and_anything_else_is_not(self):
        daemon = self.new_daemon(start=False)
        folder = os.path.dirname(daemon.socket)
        os.mkdir(folder, 0o700)
        self.stage.give(folder, 0 if self.mode == "root" else None)
        os.chmod(folder, 0o755)
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(daemon.socket)
        self.stage.give(daemon.socket, 0 if self.mode == "root" else None)
        stale.close()
        daemon.start()
        self.assert_works(daemon)
        kill_daemon(daemon, signal.SIGTERM)
        # Where dayflyd may not remove the name, its keeper does, a moment later.
        self.assertTrue(wait_until(lambda: not daemon.processes(), GONE))
        self.assertEqual(os.listdir(folder), [])
        for make in (lambda: open(daemon.socket, "w").close(), lambda: os.mkdir(daemon.socket),
                     lambda: os.symlink("/tmp/elsewhere", daemon.socket)):
            make()
            before = os.lstat(daemon.socket)
            text, _ = self.start_and_fail(daemon)
            self.assertIn(daemon.socket, text)
            self.assertEqual(os.lstat(daemon.socket).st_ino, before.st_ino)
            os.rmdir(daemon.socket) if stat.S_ISDIR(before.st_mode) else os.unlink(daemon.socket)
        os.rmdir(folder)

    def test_K12_somebody_who_listens_there_is_left_alone(self):
        daemon = self.new_daemon(start=False)
        folder = os.path.dirname(daemon.socket)
        os.mkdir(folder, 0o755)
        self.stage.give(folder, 0 if self.mode == "root" else None)
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(daemon.socket)
        os.chmod(daemon.socket, 0o777)
        other.listen(1)
        text, _ = self.start_and_fail(daemon)
        self.assertIn("somebody listens", text)
        self.assertTrue(os.path.exists(daemon.socket))
        os.unlink(daemon.socket)
        os.rmdir(folder)

    def test_K12_an_unsafe_directory_is_refused(self):
        daemon = self.new_daemon(start=False)
        folder = os.path.dirname(daemon.socket)
        os.mkdir(folder)
        self.stage.give(folder, 0 if self.mode == "root" else None)
        for mode in (0o777, 0o770, 0o1777, 0o702):
            os.chmod(folder, mode)
            text, _ = self.start_and_fail(daemon)
            self.assertIn("not safe", text)
        os.rmdir(folder)
        if IS_ROOT:
            os.mkdir(folder, 0o755)
            self.stage.give(folder, None if self.mode == "root" else 0)
            os.chmod(folder, 0o755)
            text, _ = self.start_and_fail(daemon)
            self.assertIn("belongs to another user", text)
            os.rmdir(folder)
        real = self.make_dir(owner=0 if self.mode == "root" else None)
        os.symlink(real, folder)
        text, _ = self.start_and_fail(daemon)
        self.assertEqual(os.listdir(real), [])
        os.unlink(folder)

    def test_K12_modes_of_the_socket_and_its_directory(self):
        daemon = self.new_daemon()
        modes = [stat.S_IMODE(os.stat(p).st_mode) for p in (os.path.dirname(daemon.socket), daemon.socket)]
        self.assertEqual(modes, [0o1755, 0o666] if self.mode == "root" else [0o1700, 0o600])

    def test_K12_a_socket_that_is_removed_or_replaced_is_noticed(self):
        """Nobody can reach the daemon any more: it ends, and leaves what is not its own."""
        daemon = self.new_daemon("--idle-exit", "4s")
        client = self.connect_to(daemon)
        client.call("ping")
        os.unlink(daemon.socket)
        usurper = socket.socket(socket.AF_UNIX)
        self.addCleanup(usurper.close)
        usurper.bind(daemon.socket)
        self.assertEqual(client.read_event(15)["error"]["code"], "shutting_down")
        with self.assertRaises(EOFError):
            client.read_event(15)
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)
        self.assertIn("removed or replaced", daemon.log())
        self.assertTrue(os.path.exists(daemon.socket))
        os.unlink(daemon.socket)
        os.rmdir(os.path.dirname(daemon.socket))

    def test_a_path_that_is_too_long_is_told_so(self):
        daemon = self.new_daemon(start=False)
        daemon.socket = os.path.join(daemon.run_dir, "x" * 120, "sock")
        text, _ = self.start_and_fail(daemon)
        self.assertIn("--runtime-dir", text)


@in_modes
class Ending(Own):
    def test_J11_sigterm_drains_and_tasks_end_with_shutdown(self):
        daemon = self.new_daemon("--max-tasks", "2")
        client = self.connect_to(daemon)
        polite = client.start({"argv": ["sh", "-c", "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.02; done"]})
        stubborn = client.start({"argv": ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"], "limits": {"grace": "300ms"}})
        queued = client.start({"argv": ["true"]})
        for tag, _ in (polite, stubborn):
            client.wait_output(tag, b"up")
        daemon.process.send_signal(signal.SIGTERM)
        _, result, stdout, _, _ = client.finish(*polite)
        self.assertEqual((result["outcome"], result["cause"], stdout), ("killed", "shutdown", b"saved\n"))
        _, result, _, _, _ = client.finish(*stubborn)
        self.assertEqual((result["outcome"], result["cause"], result["exit"]["signal"]), ("killed", "shutdown", 9))
        _, result, _, _, _ = client.finish(*queued)
        self.assertEqual((result["outcome"], result["cause"], result["phase"]), ("rejected", "shutdown", "queue"))
        with self.assertRaises(EOFError):
            client.read_event(10)
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)

    def test_J11_no_new_task_while_it_drains(self):
        daemon = self.new_daemon()
        client = self.connect_to(daemon)
        tag, task = client.start({"argv": ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"], "limits": {"grace": "1s"}})
        client.wait_output(tag, b"up")
        late = plain_socket(daemon.socket)
        self.addCleanup(late.close)
        daemon.process.send_signal(signal.SIGTERM)
        client.wait_state(tag, "stopping")
        # A daemon that drains listens no more, and what is connected already is told so.
        with self.assertRaises((ConnectionRefusedError, FileNotFoundError)):
            plain_socket(daemon.socket)
        with contextlib.suppress(BrokenPipeError):
            late.send(b'{"op":"run","id":"late","task":{"argv":["true"]}}\n')
        self.assertEqual(client.finish(tag, task)[1]["cause"], "shutdown")
        self.assertNotIn(b"accepted", read_all(late))
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)

    def test_J11_sigterm_twice_ends_at_once(self):
        daemon = self.new_daemon()
        client = self.connect_to(daemon)
        tag, _ = client.start({"argv": ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"], "limits": {"grace": "10m"}})
        client.wait_output(tag, b"up")
        traces = Traces(self.stage)
        daemon.process.send_signal(signal.SIGTERM)
        client.wait_state(tag, "stopping")
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)
        self.assert_nothing_left(daemon, traces)

    def test_J11_sighup_and_sigpipe_are_ignored_and_sigint_is_sigterm(self):
        daemon = self.new_daemon()
        for signo in (signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            daemon.process.send_signal(signo)
            self.assert_works(daemon)
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)

    def test_J11_a_flood_of_ends_at_once_loses_none(self):
        daemon = self.new_daemon("--max-tasks", "100")
        client = self.connect_to(daemon)
        place = self.make_dir(mode=0o777)
        gate = Gate(place)
        tags = [client.start({"argv": ["sh", "-c", gate.wait + "; exit %d" % (i % 7)],
                              "workspace": {"path": place, "mode": "ro", "target": "/mnt/w"}}) for i in range(60)]
        for tag, _ in tags:
            client.wait_state(tag, "running", 30)
        with gate.opened(len(tags)):
            for i, (tag, task) in enumerate(tags):
                self.assertEqual(client.finish(tag, task)[1]["exit"]["code"], i % 7)

    def test_idle_exit_waits_for_tasks_and_connections(self):
        daemon = self.new_daemon("--idle-exit", "3s")
        client = self.connect_to(daemon)
        tag = client.send("run", task={"argv": ["sleep", "97531"], "name": "nap"}, detach=True)
        list(client.events(tag))
        client.close()
        time.sleep(4)
        self.assertIsNone(daemon.process.poll(), "a task runs")
        client = self.connect_to(daemon)
        client.call("cancel", task="nap")
        client.call("wait", task="nap")
        time.sleep(4)
        self.assertIsNone(daemon.process.poll(), "somebody is connected")
        traces = Traces(self.stage)
        client.close()
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0)
        self.assert_nothing_left(daemon, traces)


@in_modes
class FewDescriptors(Own):
    def test_J7_too_few_descriptors_pause_the_accepting_and_nothing_else(self):
        raise_open_files()
        daemon = self.new_daemon(start=False)
        daemon.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        worker = self.connect_to(daemon)
        worker.call("ping")
        sockets = []
        for _ in range(150):
            s = plain_socket(daemon.socket)
            s.setblocking(False)
            sockets.append(s)
        self.assertTrue(wait_until(lambda: self.is_at_rest(daemon)), "it spins")
        self.assertEqual(worker.call("ping")["protocol"], 1)
        try:
            worker.run({"argv": ["true"]})
        except DaemonError as e:
            self.assertIn(e.code, ("busy", "internal"))
        refusals = 0
        for s in sockets:
            try:
                refusals += b'"busy"' in s.recv(4096)
            except BlockingIOError:
                pass
            s.close()
        self.assertGreater(refusals, 0, "those who cannot be served are told")
        # Those who had hung up while they waited are met first.
        self.assertTrue(wait_until(lambda: self.works(daemon), step=0.1))

    def works(self, daemon):
        try:
            return self.run_one(daemon, "true")[0]["outcome"] == "ok"
        except (DaemonError, ConnectionError):  # told so, perhaps before it has asked
            return False

    def test_J7_finished_tasks_do_not_use_the_descriptors_up(self):
        daemon = self.new_daemon(start=False)
        daemon.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        client = self.connect_to(daemon)
        for _ in range(100):
            self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")

    def is_at_rest(self, daemon):
        """It may still be turning some away, but not for ever."""
        before = cpu_seconds(daemon.process.pid)
        time.sleep(0.5)
        return cpu_seconds(daemon.process.pid) - before < 0.25

    def test_J7_a_daemon_with_very_few_says_so_or_works(self):
        for limit in (8, 16, 24, 32):
            daemon = self.new_daemon(start=False)
            try:
                daemon.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
            except AssertionError as e:
                self.assertIn("did not start", str(e))
                daemon.process.wait(timeout=20 * SCALE)
                daemon.process.returncode = 0
                self.assertEqual(daemon.stop(), [])
                continue
            client = self.connect_to(daemon)
            try:
                self.assertEqual(client.call("ping")["protocol"], 1)
                client.run({"argv": ["true"]})
            except (DaemonError, EOFError, ConnectionError):
                pass
            client.close()
            self.assertEqual(daemon.stop(), [])


@in_modes
class Surroundings(Own):
    def test_C3_inherited_descriptors_reach_nobody(self):
        """With descriptors of the caller open, a directory of root among them, and standard streams closed."""
        place = self.make_dir()
        fds = [os.open("/", os.O_RDONLY | os.O_DIRECTORY), os.open(place, os.O_RDONLY), os.memfd_create("secret"),
               os.open("/etc/passwd", os.O_RDONLY)]
        self.addCleanup(lambda: [os.close(fd) for fd in fds])

        def close_standard_streams():
            for fd in (0, 1, 2):
                os.close(fd)
            for i in range(20, 40):
                os.dup2(fds[0], i, inheritable=True)

        ready_read, ready_write = os.pipe()
        daemon = self.new_daemon(start=False)
        os.set_inheritable(ready_write, True)
        with self.stage.as_process(root=self.mode == "root") as kwargs:
            kwargs["env"] = daemon.environ()
            daemon.process = subprocess.Popen(daemon.command() + ["--ready-fd", str(ready_write)], close_fds=False,
                                              preexec_fn=close_standard_streams, **kwargs)
        os.close(ready_write)
        self.assertEqual(os.read(ready_read, 100), b"1\n")
        os.close(ready_read)
        daemon.wait_probed()
        daemon.close_client()
        self.assertEqual(len(daemon.processes()), 3)
        for pid in daemon.processes():
            links = {}
            for fd in os.listdir("/proc/%d/fd" % pid):
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    links[int(fd)] = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            for fd in (0, 1, 2):
                self.assertEqual(links[fd], "/dev/null", (pid, links))
            self.assertFalse({"/", place, "/etc/passwd"} & set(links.values()), links)
            self.assertFalse([target for target in links.values() if "secret" in target], links)
        result, stdout = self.run_one(daemon, "ls", "-l", "/proc/self/fd")
        self.assertEqual(result["outcome"], "ok")
        self.assertNotIn(b"secret", stdout)
        self.assertNotIn(place.encode(), stdout)
        self.assertEqual(len(stdout.splitlines()), 1 + 3 + 1, "a heading, three streams, and what ls itself opens: %r" % stdout)

    def test_C4_odd_signals_umask_limits_and_directory(self):
        gone = os.path.join(self.make_dir(owner=0 if self.mode == "root" else None), "gone")

        def odd():
            os.mkdir(gone)
            os.chdir(gone)
            os.rmdir(gone)
            os.umask(0o7)
            for signo in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(signo, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
            ctypes.CDLL(None).prctl(36, 1)  # a child subreaper, as some supervisors are

        daemon = self.new_daemon(start=False)
        daemon.start(preexec_fn=odd, cwd=None)
        result, stdout = self.run_one(daemon, "sh", "-c",
                                      "umask; grep -E '^Sig(Blk|Ign|Pnd)|^ShdPnd' /proc/self/status; pwd; trap 'echo usr1' USR1; kill -USR1 $$; "
                                      "sh -c 'kill -PIPE $$' ; echo $?")
        self.assertEqual(result["outcome"], "ok", result)
        words = stdout.decode().split()
        self.assertEqual(words[0], "0022")
        self.assertEqual([words[i] for i in (2, 4, 6, 8)], ["0" * 16] * 4, words)
        self.assertEqual(words[9:], ["/home/agent", "usr1", "141"])
        for i in range(5):
            self.assert_works(daemon)
        self.assertEqual(os.readlink("/proc/%d/cwd" % daemon.process.pid), "/")
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 0, "SIGTERM is not ignored, although it was inherited so")

    def test_C4_low_limits_of_the_daemon_are_not_the_tasks(self):
        """What the daemon may not open, its tasks may not either; everything else is as documented."""
        daemon = self.new_daemon(start=False)
        daemon.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512)))
        # Rootless, a part is for the daemon alone.
        files = b"512" if self.mode == "root" else b"384"
        self.assertEqual(self.run_one(daemon, "sh", "-c", "ulimit -Sn; ulimit -Hn")[1].split(), [files, files])
        client = self.connect_to(daemon)
        with self.assertRaises(DaemonError) as caught:
            client.start({"argv": ["true"], "limits": {"open_files": 1000}})
        self.assertEqual((caught.exception.code, caught.exception.field), ("limit_unenforceable", "task.limits.open_files"))

    def test_C4_no_environment_at_all(self):
        daemon = self.new_daemon(start=False)
        daemon.start(env={})
        result, stdout = self.run_one(daemon, "env")
        self.assertEqual(result["outcome"], "ok")
        self.assertIn(b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n", stdout)

    def test_C5_the_daemons_environment_does_not_reach_tasks(self):
        secrets = {"NOTIFY_SOCKET": "/run/x", "LISTEN_FDS": "1", "LISTEN_PID": "1", "SSH_AUTH_SOCK": "/tmp/agent", "XDG_SESSION_ID": "3",
                   "http_proxy": "http://secret",
                   "AWS_SECRET_ACCESS_KEY": "secret", "LD_BIND_NOW": "1", "DBUS_SESSION_BUS_ADDRESS": "unix:x", "PYTHONPATH": "/secret",
                   "MAIL": "x", "BASH_ENV": "/x", "ENV": "/x"}
        daemon = self.new_daemon(env=secrets)
        result, stdout = self.run_one(daemon, "env")
        got = dict(line.split("=", 1) for line in stdout.decode().splitlines())
        self.assertEqual(set(got), {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR"}, got)
        result, stdout = self.run_one(daemon, "sh", "-c", "cat /proc/1/environ /proc/*/environ 2>/dev/null")
        self.assertNotIn(b"secret", stdout)
        self.assertNotIn(b"NOTIFY_SOCKET", stdout)
        # The positive control: they were there.
        self.assertIn("NOTIFY_SOCKET", read("/proc/%d/environ" % daemon.process.pid))

    def test_C5_the_command_lines_environment_does_not_reach_tasks(self):
        self.new_daemon()
        done = self.cli("run", "--", "env", env={"SECRET_TOKEN": "x", "http_proxy": "y", "LANG": "de_DE.UTF-8", "TERM": "odd"})
        got = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
        self.assertEqual(set(got), {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR"}, got)
        self.assertEqual((got["LANG"], got["TERM"]), ("C.UTF-8", "dumb"))


@in_modes
class Options(Own):
    def test_bad_options_are_named(self):
        for args, word in ((["--no-such"], "--no-such"), (["--max-tasks", "0"], "--max-tasks"), (["--upper", "cloud"], "--upper"),
                           (["--allow-uid", "nobody-at-all"], "--allow-uid"),
                           (["--max-wall", "soon"], "max-wall"), (["extra"], "extra"), (["--idle-exit", "x"], "--idle-exit"),
                           (["--log-level", "loud"], "--log-level")):
            done = subprocess.run([os.path.join(self.stage.bin, "dayflyd")] + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=60 * SCALE)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(word, done.stderr.decode())

    def test_help_and_version(self):
        for arg in ("--help", "--version"):
            done = subprocess.run([os.path.join(self.stage.bin, "dayflyd"), arg], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SCALE)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertIn(b"dayflyd", done.stdout)

    def test_every_help_fits_100_columns(self):
        def print_help(*words):
            return subprocess.run([os.path.join(self.stage.bin, words[0]), *words[1:], "--help"], stdout=subprocess.PIPE, check=True,
                                  timeout=60 * SCALE).stdout.decode()

        verbs = re.findall(r"^  ([a-z]+) +\S", print_help("dayfly"), re.M)
        self.assertIn("run", verbs)
        for words in [("dayflyd",), ("dayfly-warden",), ("dayfly",)] + [("dayfly", verb) for verb in verbs]:
            self.assertEqual([line for line in print_help(*words).splitlines() if len(line) > 100], [], words)

    def test_a_warden_that_is_none_is_reported(self):
        for path, word in (("/no/such/warden", "/no/such/warden"), ("/bin/true", "/bin/true"), ("/etc/passwd", "/etc/passwd")):
            daemon = self.new_daemon("--warden", path, start=False)
            text, code = self.start_and_fail(daemon)
            self.assertIn(word, text)
            self.assertEqual(code, 1)
            self.assertEqual(self.runtime_files(daemon), [])

    def test_a_state_directory_that_cannot_be_used_is_reported(self):
        daemon = self.new_daemon(start=False)
        daemon.state_dir_was, daemon.state_dir = daemon.state_dir, "/no/such/dir"
        text, _ = self.start_and_fail(daemon)
        daemon.state_dir = daemon.state_dir_was
        self.assertIn("/no/such/dir", text)
        self.assertTrue(wait_until(lambda: not daemon.processes(), GONE))


@in_modes
class Autostart(Own):
    """No daemon? `dayfly run` starts a private one."""

    modes = ["rootless"]

    def daemon_of(self, run_dir):
        return [pid for pid, (_, comm, _) in self.place.processes().items() if comm == "dayflyd"]

    def test_run_starts_a_daemon_and_finds_it_again(self):
        self.place = self.new_daemon(start=False)
        env = {"DAYFLY_SOCKET": "", "XDG_RUNTIME_DIR": self.place.run_dir}
        done = self.cli("run", "--no-autostart", "--", "true", env=env)
        self.assertEqual(done.returncode, 125)
        self.assertEqual(self.runtime_files(self.place), [])
        done = self.cli("run", "--", "sh", "-c", "echo first; exit 3", env=env)
        self.assertEqual((done.returncode, done.stdout), (3, b"first\n"), done)
        first = self.daemon_of(self.place)
        self.assertEqual(len(first), 1)
        self.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in self.daemon_of(self.place)])
        done = self.cli("run", "--", "sh", "-c", "echo second", env=env)
        self.assertEqual((done.returncode, done.stdout), (0, b"second\n"))
        self.assertEqual(self.daemon_of(self.place), first)
        # Its own session, no terminal, nothing of ours.
        fields = read("/proc/%d/stat" % first[0]).rpartition(")")[2].split()
        self.assertNotEqual(int(fields[3]), os.getsid(0))
        self.assertEqual(fields[4], "0")
        os.kill(first[0], signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not self.place.processes() and not self.runtime_files(self.place)))

    def test_many_at_once_share_one(self):
        self.place = self.new_daemon(start=False)
        self.daemon = self.place
        env = dict(self.place.client_env(), DAYFLY_SOCKET="")
        with self.stage.as_process() as kwargs:
            kwargs["env"] = env
            runs = [subprocess.Popen([os.path.join(self.stage.bin, "dayfly"), "run", "--", "echo", str(i)], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, cwd="/", **kwargs)
                    for i in range(8)]
        for i, run in enumerate(runs):
            out, err = run.communicate(timeout=60 * SCALE)
            self.assertEqual((run.returncode, out), (0, b"%d\n" % i), err)
        # Those that came second may still be leaving.
        self.assertTrue(wait_until(lambda: len(self.daemon_of(self.place)) == 1), self.daemon_of(self.place))
        os.kill(self.daemon_of(self.place)[0], signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not self.place.processes() and not self.runtime_files(self.place)))
