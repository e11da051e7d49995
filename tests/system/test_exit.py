"""How a task ended is told exactly: I9, and the exit codes of `dayfly run`."""
import json
import os
import signal

from dayfly_test import in_modes


@in_modes
class ExitCodes:
    def test_I9_every_exit_code_0_to_255(self):
        client = self.client
        for first in range(0, 256, 32):
            tags = [(code,) + client.start({"argv": ["sh", "-c", "exit %d" % code]}) for code in range(first, first + 32)]
            for code, tag, task in tags:
                _, result, _, _, _ = client.finish(tag, task)
                self.assertEqual(result["exit"], {"code": code, "signal": None, "core": False})
                self.assertEqual((result["outcome"], result["cause"], result["phase"]), ("failed" if code else "ok", "exit", "run"), result)

    def test_I9_every_way_to_die_of_a_signal(self):
        """What the task does to itself is `signal`, whatever the number; a shell that tells 128+n has exited."""
        for signo in (signal.SIGHUP, signal.SIGINT, signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGUSR1, 34, 64):
            run = self.shell("kill -%d $$; sleep 5" % signo)
            self.assertEqual((run.outcome, run.cause, run.code, run.signal), ("failed", "signal", None, int(signo)), str(run))
        run = self.shell("sh -c 'kill -9 $$'; exit $?")
        self.assertEqual((run.outcome, run.cause, run.code, run.signal), ("failed", "exit", 137, None), str(run))

    def test_I9_death_by_SIGSYS_is_told_as_seccomp(self):
        run = self.shell("kill -SYS $$")
        self.assertEqual((run.outcome, run.cause, run.signal), ("killed", "seccomp", int(signal.SIGSYS)), str(run))

    def test_I9_exec_failures_are_told_with_their_errno(self):
        cases = [
            (["no-such-command"], 2), (["/no/such/file"], 2), (["/etc"], 13), (["/etc/passwd"], 13), (["/usr"], 13),
        ]
        for argv, errnum in cases:
            run = self.run_task(argv)
            self.assertEqual((run.outcome, run.cause, run.result["phase"]), ("failed", "exec", "exec"), str(run))
            self.assertEqual((run.error["code"], run.error["errno"]), ("exec_failed", errnum), str(run))
            self.assertIsNone(run.code, str(run))
        place = self.make_dir()
        self.make_file(os.path.join(place, "lost"), "#!/no/such/interpreter\n", 0o755)
        run = self.run_task(["/mnt/w/lost"], workspace={"path": place, "mode": "ro", "target": "/mnt/w"})
        self.assertEqual((run.cause, run.error["errno"]), ("exec", 2), str(run))

    def test_I9_a_script_without_a_first_line_gets_as_many_arguments_as_a_request_may_have(self):
        """For such a script the way to its execution copies all of argv, in memory that the task shares with jail init until then."""
        place = self.make_dir()
        self.make_file(os.path.join(place, "script"), "echo $# arguments\n", 0o755)
        for count in (100, 40000, 65535):
            run = self.assert_ok(self.run_task(["/mnt/w/script"] + ["a"] * count, workspace={"path": place, "mode": "ro", "target": "/mnt/w"}))
            self.assertEqual(run.text(), "%d arguments\n" % count)

    def test_I9_timeout_and_exit_at_the_same_moment_are_one_of_the_two(self):
        client = self.client
        started = [client.start({"argv": ["sleep", "0.3"], "limits": {"wall": "300ms"}}) for _ in range(12)]
        for tag, task in started:
            _, result, _, _, _ = client.finish(tag, task)
            if result["cause"] == "exit":
                self.assertEqual(result["exit"]["code"], 0)
            else:
                self.assertEqual((result["outcome"], result["cause"]), ("killed", "timeout_wall"))

    def test_I9_a_task_cannot_forge_its_result(self):
        """No descriptor of the status channel is there to write to, and what stdout says is only output."""
        forged = json.dumps({"id": "r1", "event": "result", "result": {"outcome": "ok"}})
        run = self.shell("echo '%s'; for fd in 3 4 5 6 7 8 9; do echo x >&$fd; done 2>/dev/null; exit 9" % forged)
        self.assertEqual((run.cause, run.code), ("exit", 9))
        self.assertEqual(json.loads(run.text()), json.loads(forged))

    # What it does after it has asked its parent, jail init, to trace it; how it then ends.
    TRACED = (("os.kill(os.getpid(), signal.SIGUSR1); print('caught', caught, flush=True); os._exit(3)", (3, None), "caught [10]"),
              ("os.execv('/bin/sh', ['sh', '-c', 'echo executed; exit 4'])", (4, None), "executed"),
              ("os.kill(os.getpid(), signal.SIGSEGV)", (None, 11), ""),
              ("threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGCONT)).start(); time.sleep(0.4); os._exit(5)", (5, None), ""),
              ("os._exit(6)", (6, None), ""))

    def test_I9_a_task_that_has_its_parent_trace_it_ends_as_it_would(self):
        """Each signal then stops it and is told to jail init: no end, and nothing that jail init has to keep it waiting for."""
        start = ("import ctypes, os, signal, threading, time\ncaught = []\nsignal.signal(signal.SIGUSR1, lambda n, _: caught.append(n))\n"
                 "assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0\n")
        for script, how, text in self.TRACED:
            run = self.run_task(["python3", "-c", start + script], limits={"wall": "1m"})
            self.assertEqual(((run.code, run.signal), run.text().strip()), (how, text), "%s: %s" % (script, run))
        # And one that is killed while it is stopped so.
        tag, task = self.client.start({"argv": ["python3", "-c", start + "print('up', flush=True)\nwhile True: os.kill(os.getpid(), signal.SIGUSR1)"],
                                       "limits": {"grace": "100ms"}})
        self.client.wait_output(tag, b"up")
        self.client.call("cancel", task=task)
        self.assertEqual(self.client.finish(tag, task)[1]["cause"], "cancel")

    def test_I9_times_and_stamps_are_whole_numbers_in_order(self):
        result = self.assert_ok(self.shell("sleep 0.2")).result
        for key in ("queued", "setup", "run", "collect", "destroy"):
            self.assertIsInstance(result["time"][key], int)
        self.assertGreaterEqual(result["time"]["run"], 190000)
        self.assertLess(result["time"]["run"], 60000000)
        stamps = [result["time"][key] for key in ("created", "started", "finished")]
        self.assertEqual(stamps, sorted(stamps))
        self.assertEqual(result["memory"]["oom_kills"], 0 if self.daemon.cgroup else None, "unknown is null, not 0")

    def test_events_come_in_order_and_the_result_is_last(self):
        run = self.shell("echo one; echo two >&2; echo three")
        kinds = [e["event"] for e in run.events]
        states = [e["state"] for e in run.events if e["event"] == "state"]
        order = ["queued", "starting", "running", "stopping", "collecting", "done"]
        self.assertEqual(kinds[-1], "result")
        self.assertEqual(states, sorted(states, key=order.index))
        self.assertEqual(states[-1], "done")
        seqs = [e["seq"] for e in run.events if e["event"] == "output"]
        self.assertEqual(seqs, sorted(set(seqs)))
        self.assertEqual((run.stdout, run.stderr), (b"one\nthree\n", b"two\n"))
        self.assertEqual(run.result["output"]["stdout"], {"bytes": 10, "dropped": 0, "truncated": False})


@in_modes
class CommandLine:
    def expect(self, status, *args, **more):
        done = self.cli("run", *args, **more)
        self.assertEqual(done.returncode, status, done)
        return done

    def test_I9_run_exits_as_the_task_did(self):
        for code in (0, 1, 7, 100, 124, 125, 126, 127, 128, 200, 255):
            done = self.expect(code, "--", "sh", "-c", "echo out; echo err >&2; exit %d" % code)
            self.assertEqual((done.stdout, done.stderr), (b"out\n", b"err\n"))

    def test_I9_run_exits_with_128_and_the_signal(self):
        for signo in (1, 2, 9, 11, 15, 10):
            self.expect(128 + signo, "--", "sh", "-c", "kill -%d $$" % signo)

    def test_I9_run_exits_124_on_its_time_limit(self):
        done = self.expect(124, "--timeout", "300ms", "--", "sleep", "60")
        self.assertIn(b"time limit", done.stderr)
        self.assertEqual(done.stdout, b"")

    def test_I9_run_exits_126_and_127_when_there_is_nothing_to_run(self):
        self.assertIn(b"no-such-command", self.expect(127, "--", "no-such-command").stderr)
        self.expect(127, "--", "/no/such/file")
        self.expect(126, "--", "/etc/passwd")
        self.expect(126, "--", "/etc")

    def test_I9_run_exits_125_when_dayfly_fails(self):
        done = self.expect(125, "--workspace", "/no/such/place", "--", "true")
        self.assertIn(b"/no/such/place", done.stderr)
        if not self.daemon.cgroup:
            done = self.expect(125, "-m", "1GiB", "--", "true")
            self.assertIn(b"memory", done.stderr)
        self.expect(125, "--no-such-option", "--", "true")
        self.expect(125, "--socket", "/no/such/dir/socket", "--no-autostart", "--", "true")
        self.expect(125)

    def test_result_file_and_json(self):
        place = self.make_dir(mode=0o777)
        path = os.path.join(place, "result.json")
        done = self.expect(3, "--result", path, "--", "sh", "-c", "echo hello; exit 3")
        with open(path) as f:
            result = json.load(f)
        self.assertEqual((result["outcome"], result["cause"], result["exit"]["code"]), ("failed", "exit", 3))
        self.assertEqual(done.stdout, b"hello\n")
        done = self.expect(3, "--json", "--", "sh", "-c", "echo hello; exit 3")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(events[-1]["event"], "result")
        self.assertEqual("".join(e.get("text", "") for e in events if e["event"] == "output"), "hello\n")

    def test_stdin_and_environment_through_the_command_line(self):
        done = self.expect(0, "-i", "-e", "COLOR=blue green", "-e", "FROM_HERE", "-e", "NOT_THERE", "--", "sh", "-c",
                           'cat; echo "$COLOR|$FROM_HERE|${NOT_THERE-unset}"',
                           input=b"line\n", env={"FROM_HERE": "yes"})
        self.assertEqual(done.stdout, b"line\nblue green|yes|unset\n")
        done = self.expect(0, "--", "cat", input=b"not passed on without -i\n")
        self.assertEqual(done.stdout, b"")

    def test_I9_high_exit_codes_are_not_cut(self):
        for code in range(240, 256):
            self.expect(code, "--", "sh", "-c", "exit %d" % code)
