"""What a task inherits: descriptors, environment, signals, limits, terminals, keys. C1 to C9."""
import contextlib
import os
import resource
import signal
import stat
import subprocess

from dayfly_test import Daemon, IS_ROOT, PROBE, errno_name, in_modes, parse_rows

BASE = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR"}


def find_inits(case):
    """Jail init processes of the daemon, as the host sees them: those whose parent is the warden."""
    table = case.daemon.processes()
    wardens = set(case.daemon.wardens())
    return [pid for pid, (ppid, comm, _) in table.items() if ppid in wardens and pid not in wardens]


@in_modes
class Descriptors:
    def check_fds(self, rows, tty=False):
        fds = {r["fd"]: r for r in rows.all("fd")}
        self.assertEqual(sorted(fds), [0, 1, 2], rows)
        for fd, row in fds.items():
            if tty:
                self.assertTrue(row["tty"] and row["target"].startswith("/dev/pts/"), row)
            elif fd == 0:
                self.assertEqual((row["target"], row["rdev_major"], row["rdev_minor"]), ("/dev/null", 1, 3))
            else:
                self.assertEqual(row["type"], stat.S_IFIFO, row)
                self.assertTrue(row["target"].startswith("pipe:["), row)
            # O_NONBLOCK would make every program's output fail now and then.
            self.assertEqual(row["flags"] & os.O_NONBLOCK, 0, row)
        if not tty:
            self.assertNotEqual(fds[1]["ino"], fds[2]["ino"])
            self.assertEqual(fds[1]["flags"] & os.O_ACCMODE, os.O_WRONLY)

    def test_C1_three_descriptors_and_no_more(self):
        self.check_fds(self.probe("fds"))
        self.check_fds(self.probe("fds", profile="strict", user="root"))
        rows = self.probe("fds", stdin="stream")
        self.assertEqual([r["fd"] for r in rows.all("fd")], [0, 1, 2])
        self.assertEqual(rows.one("fd", fd=0)["type"], stat.S_IFIFO)
        given = self.make_dir()
        self.check_fds(self.probe("fds", workspace={"path": given, "mode": "cow", "target": "/srv/x"}))
        with open("/dev/null") as one, open("/dev/null") as two:
            rows = parse_rows(subprocess.run([os.path.join(self.stage.bin, "probe"), "fds"], stdout=subprocess.PIPE,
                                             pass_fds=(one.fileno(), two.fileno())).stdout)
            self.assertGreaterEqual(len(rows.all("fd")), 5, "the probe sees what is passed on")

    def test_C1_a_terminal_is_the_own_one(self):
        self.check_fds(self.probe("fds", tty=True), tty=True)

    def test_C1_init_holds_little(self):
        if self.mode == "rootless" and not IS_ROOT:
            self.skipTest("init is not dumpable: only root can see its descriptors")
        tag, task_id = self.client.start(self.task([PROBE, "sleep", "20"]))
        self.client.wait_output(tag, b"ready")
        inits = find_inits(self)
        self.assertEqual(len(inits), 1, self.daemon.processes())
        folder = "/proc/%d/fd/" % inits[0]
        targets = {fd: os.readlink(folder + fd) for fd in os.listdir(folder)}
        stats = {fd: os.stat(folder + fd) for fd in targets}
        self.client.call("cancel", task=task_id)
        self.client.finish(tag, task_id)
        places = {fd: (st.st_dev, st.st_ino) for fd, st in stats.items()}
        root = os.stat("/")
        self.assertNotIn((root.st_dev, root.st_ino), places.values(), "init holds the host's root: %r" % targets)
        for fd, target in targets.items():
            self.assertNotIn(".sock", target)
            self.assertFalse(stat.S_ISREG(stats[fd].st_mode) and int(fd) > 2, targets)
        self.assertLessEqual(len(targets), 16, targets)

    def test_C2_many_at_once_see_only_their_own(self):
        clients = [self.new_client() for _ in range(5)]
        extra = [self.new_client() for _ in range(20)]
        work = self.make_dir()
        started = [(c, c.start(self.task([PROBE, "fds"], workspace={"path": work, "mode": "cow", "target": "/srv/x"})))
                   for _ in range(20) for c in clients]
        for client, (tag, task_id) in started:
            run = client.finish(tag, task_id, make=lambda *a: a)
            self.assertEqual(run[1]["outcome"], "ok", run[1])
            self.check_fds(parse_rows(run[2]))
        for client in clients + extra:
            client.close()


@in_modes
class StrangeStart:
    """A daemon that was started in a strange way: its tasks do not notice."""

    starts_daemon = False

    def start(self, env=None, **popen):
        self.daemon = Daemon(self.stage, self.mode, env=env)
        self.addCleanup(self.finish)
        self.daemon.start(**popen)
        self.daemon.warm_up()

    def finish(self):
        problems = self.daemon.stop()
        self.daemon = None
        self.assertEqual(problems, [])

    def check_leaks(self):
        """Each test has a daemon of its own, which is gone by now: only what is left without it counts."""
        self.assertEqual(self.leaks.check(), [])

    def test_C3_descriptors_of_the_starter_are_not_passed_on(self):
        opened = [os.open("/", os.O_RDONLY | os.O_DIRECTORY)] + [os.open("/dev/null", os.O_RDWR) for _ in range(17)]
        try:
            self.start(pass_fds=tuple(opened))
        finally:
            for fd in opened:
                os.close(fd)
        self.assertEqual([r["fd"] for r in self.probe("fds").all("fd")], [0, 1, 2])
        for pid in self.daemon.processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # what forks comes and goes, as the pool's
                for fd in os.listdir("/proc/%d/fd" % pid):
                    # And so do their descriptors.
                    with contextlib.suppress(FileNotFoundError):
                        self.assertNotEqual(os.readlink("/proc/%d/fd/%s" % (pid, fd)), "/", "process %d kept the root folder" % pid)
        # And a working directory through one of them is not to be had.
        for fd in range(3, 21):
            run = self.run_task(["sh", "-c", "pwd -P; stat -c %d:%i . .. /"], cwd="/proc/self/fd/%d" % fd)
            if run.outcome == "ok":
                where, here, above, root = run.text().split()
                host = ["%d:%d" % (st.st_dev, st.st_ino) for st in (os.stat("/"), os.stat("/.."))]
                self.assertTrue(where.startswith("/"), run)
                self.assertFalse({here, above, root} & set(host), run)
            else:
                self.assertIn(run.error.get("code"), ("bad_value", "setup_failed"), str(run))

    def test_C3_closed_standard_descriptors(self):
        def close_them():
            for fd in (0, 1, 2):
                os.close(fd)

        self.start(preexec_fn=close_them)
        self.assertEqual([r["fd"] for r in self.probe("fds").all("fd")], [0, 1, 2])
        self.assert_ok(self.run_task(["sh", "-c", "echo out; echo err >&2"]))

    def test_C4_signals_umask_limits_and_a_lost_folder(self):
        gone = os.path.join(self.make_dir(), "gone")
        os.mkdir(gone)
        self.stage.give(gone)

        def strange():
            os.chdir(gone)
            os.rmdir(gone)
            os.umask(0o077)
            for signo in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                signal.signal(signo, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            os.nice(5)

        self.start(preexec_fn=strange)
        row = self.probe("id").one("id")
        self.assertEqual(int(row["SigIgn"], 16), 0)
        self.assertEqual(int(row["SigBlk"], 16), 0)
        self.assertEqual(row["umask"], 0o022)
        limits = {r["name"]: (r["soft"], r["hard"]) for r in self.probe("rlimits").all("rlimit")}
        self.assertEqual(limits["core"], (0, 0))
        self.assertGreater(limits["nofile"][0], 255)
        # A child that ends is noticed, a pipe that closes ends a writer.
        self.assertEqual(self.run_task(["sh", "-c", "sh -c 'exit 3'; exit $?"]).code, 3)
        # The umask of the starter is in nothing that the jail makes.
        places = {"/": 0o755, "/tmp": 0o1777, "/run": 0o755, "/var": 0o755, "/dev": 0o755, "/dev/shm": 0o1777, "/home": 0o755, "/etc/passwd": 0o644,
                  "/etc/resolv.conf": 0o644, "/opt/test": 0o755, "/root": 0o700, "/usr": 0o755, "/mnt": 0o755}
        self.assertEqual({r["path"]: r["mode"] for r in self.probe("stat", *places).all("path")}, places)
        self.assertEqual(self.run_task(["bash", "-c", "yes | head -n 1 >/dev/null; echo ${PIPESTATUS[0]}"]).text().strip(), "141")

    def test_C4_few_and_many_open_files(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))

        self.start(preexec_fn=few)
        self.assert_ok(self.run_task([PROBE, "id"]))

    def test_C5_the_environment_of_the_daemon_stays_there(self):
        secrets = {"NOTIFY_SOCKET": "/nonexistent", "LISTEN_FDS": "0", "LISTEN_PID": "1", "SSH_AUTH_SOCK": "/tmp/agent", "SECRET_TOKEN": "hunter2",
                   "http_proxy": "http://proxy", "HTTPS_PROXY": "http://proxy", "LD_LIBRARY_PATH": "/nonexistent", "XDG_SESSION_ID": "1",
                   "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x", "GLIBC_TUNABLES": "glibc.malloc.check=0", "TZ": "UTC+3", "LC_ALL": "C"}
        self.start(env=secrets)
        env = dict(e.split("=", 1) for e in self.probe("env").one("env")["env"])
        self.assertEqual(set(env), BASE)
        self.assertNotIn("hunter2", str(self.probe("cat", "/proc/self/environ", "/proc/1/environ")))


@in_modes
class Environment:
    def env_of(self, run):
        return [e for e in run.stdout.decode("utf-8", "surrogateescape").split("\0") if e]

    def test_C5_only_the_documented_variables(self):
        env = dict(e.split("=", 1) for e in self.probe("env").one("env")["env"])
        self.assertEqual(set(env), BASE)
        self.assertEqual((env["HOME"], env["USER"], env["TMPDIR"]), ("/home/agent", "agent", "/tmp"))
        root = dict(e.split("=", 1) for e in self.probe("env", user="root").one("env")["env"])
        self.assertEqual((root["HOME"], root["USER"]), ("/root", "root"))

    def test_C6_good_entries_arrive_exactly(self):
        given = {"A": "", "B": "b=c=d", "EMPTY ": " ", "Z": "x" * 100000, "\u00e4": "\u4e16\n\t\"'\\", "PATH": "/usr/bin", "1": "2", "a.b-c": "d"}
        got = dict(e.split("=", 1) for e in self.probe("env", env=given).one("env")["env"])
        for name, value in given.items():
            name, value = (s.encode().decode("latin-1") for s in (name, value))
            self.assertEqual(got.get(name), value, name)
        self.assertEqual(set(got), BASE | {n.encode().decode("latin-1") for n in given})

    def test_C6_bad_entries_are_refused(self):
        for env in ({"": "x"}, {"A=B": "x"}, {"A": "x\x00y"}, {"A\x00": "x"}, {"A": 1}, {"A": None}, {"A": ["x"]}, {"A": "x" * (1 << 20)},
                    {"N%d" % i: "x" for i in range(5000)}, ["A=b"], "A=b"):
            self.refused(("bad_value", "wrong_type", "too_large", "out_of_range", "protocol_error"), env=env)

    def test_C6_a_name_given_twice_is_refused_or_one(self):
        client = self.new_client()
        client.send_bytes(b'{"op":"run","id":"dup","task":{"argv":["env"],"env":{"A":"1","A":"2"}}}\n')
        last = list(client.events("dup"))[-1]
        self.assertEqual(last["event"], "error", last)


@in_modes
class Terminals:
    def test_C7_no_typing_into_a_terminal(self):
        for profile in ("dev", "strict"):
            rows = self.probe("tiocsti", profile=profile)
            for name in ("TIOCSTI", "TIOCLINUX", "TIOCSETD"):
                row = rows.one("ioctl", name=name)
                self.assertEqual((errno_name(row["errno"]), errno_name(row["high_errno"])), ("EPERM", "EPERM"), row)
            for name in ("TCGETS", "TIOCGWINSZ"):
                row = rows.one("ioctl", name=name)
                self.assertEqual((row["errno"], row["high_errno"]), (0, 0), row)
        outside = self.outside("tiocsti")
        self.assertEqual(outside.errno("ioctl", name="TIOCSETD"), "ok", "the probe's own terminal takes it")

    def test_C7_no_terminal_unless_asked_for(self):
        self.assertEqual(self.probe("open", "rw", "/dev/tty").errno("open"), "ENXIO")
        rows = self.probe("open", "rw", "/dev/tty", tty=True)
        self.assertEqual(rows.errno("open"), "ok")
        row = self.probe("id", tty=True).one("id")
        self.assertEqual(row["sid"], row["pid"], "the task leads a session of its own")
        self.assertEqual(self.probe("id").one("id")["sid"], self.probe("id").one("id")["pid"])

    def test_C8_keys_are_out_of_reach(self):
        rows = self.probe("kernel")
        for what in ("add_key", "request_key", "keyctl_read", "keyctl_session"):
            self.assertEqual(rows.errno(what), "EPERM", what)
        self.assertEqual(self.outside("kernel").errno("add_key"), "ok")

    def test_C9_no_core_files(self):
        work = self.make_dir()
        script = "cd /srv/work; ulimit -c; ulimit -c unlimited 2>/dev/null && exit 9; kill -SEGV $$"
        run = self.shell(script, workspace={"path": work, "mode": "rw", "target": "/srv/work"})
        self.assertEqual(run.signal if run.signal else run.code, run.signal or 11, str(run))
        self.assertEqual((run.result["exit"] or {}).get("core"), False)
        self.assertEqual(os.listdir(work), [])

    def test_C9_init_is_not_dumpable(self):
        tag, task_id = self.client.start(self.task([PROBE, "sleep", "20"]))
        self.client.wait_output(tag, b"ready")
        inits = find_inits(self)
        owners = {pid: os.stat("/proc/%d/environ" % pid).st_uid for pid in inits}
        self.client.call("cancel", task=task_id)
        self.client.finish(tag, task_id)
        self.assertTrue(owners)
        # The kernel gives such files to root; of a dumpable process they would be the user's.
        self.assertEqual(set(owners.values()), {0}, owners)
