"""Hosts that lack something or are set up strangely, and what gets into the log: J4, J18, J19, J20."""
import ctypes
import json
import os
import platform
import re
import signal
import struct
import subprocess

from dayfly_host import GROUP, USER, read
from dayfly_test import DaemonError, IS_ROOT, MODES, Run, in_modes

from common import OwnDaemons, kill_daemon

# In a mount namespace of its own: what becomes of /proc, then the program as the mode's user.
PROCS = {
    "hidden processes": "mount -t proc -o hidepid=2 proc /proc",
    "only processes": "mount -t proc -o subset=pid proc /proc",
    "read-only": "mount -o remount,bind,ro /proc",
    "covered in part": "mount -t tmpfs none /proc/sys/fs",
    "none": "mount -t tmpfs none /proc",
}


def with_proc(change, mode, command):
    drop = "" if mode == "root" else "setpriv --reuid=%d --regid=%d --clear-groups " % (USER, GROUP)
    return ["unshare", "-m", "sh", "-c", "mount --make-rprivate / && %s && exec %s\"$@\"" % (change, drop), "sh"] + command


@in_modes
class StrangeProc(OwnDaemons):
    """To mount takes root."""

    modes = MODES if IS_ROOT else []

    def start_with(self, change):
        daemon = self.new_daemon(start=False)
        plain = daemon.command()
        daemon.command = lambda: with_proc(change, self.mode, plain)
        daemon.start(user=0, group=0, extra_groups=[])
        return daemon

    def doctor(self, change):
        """The findings of `dayfly doctor` there that are not ok: {check: text}."""
        command = with_proc(change, self.mode, [os.path.join(self.stage.bin, "dayfly"), "doctor", "--json"])
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60,
                              env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/"})
        text = done.stdout.decode()
        return done.returncode, text, done.stderr.decode()

    def test_J18_a_proc_that_hides_processes_is_enough(self):
        for name in ("hidden processes", "only processes"):
            daemon = self.start_with(PROCS[name])
            run = self.connect_to(daemon).run({"argv": ["sh", "-c", "ls /proc/sys >/dev/null && echo $$"]}, make=Run)
            self.assertEqual((run.outcome, run.result["enforced"]["proc_masked"]), ("ok", True), "%s: %s" % (name, run))
            self.assertEqual(daemon.stop(), [])

    def test_J18_with_a_proc_that_does_not_do_no_task_runs_and_doctor_says_why(self):
        for name, step in (("read-only", None), ("covered in part", "proc")):
            daemon = self.start_with(PROCS[name])
            place = self.make_dir(mode=0o777)
            run = self.connect_to(daemon).run({"argv": ["touch", "/srv/w/ran"], "workspace": {"path": place, "mode": "rw", "target": "/srv/w"}},
                                              make=Run)
            self.assertEqual((run.outcome, run.cause, run.code), ("error", "setup", None), "%s: %s" % (name, run))
            if step:
                self.assertEqual(run.error["step"], step)
            self.assertEqual(os.listdir(place), [])
            self.assertEqual(daemon.stop(), [])
            status, text, _ = self.doctor(PROCS[name])
            self.assertEqual(status, 1, text)
            self.assertRegex(text, r"/proc")
            self.assertIn("missing", text)
        self.assertNotEqual(self.doctor("true")[1], text, "without the change doctor says something else")

    def test_J18_without_proc_the_daemon_says_so(self):
        if os.environ.get("ASAN_OPTIONS"):
            self.skipTest("AddressSanitizer itself needs /proc")
        try:
            # Where it was built to be installed it finds the warden without /proc; tasks do not run then.
            run = self.connect_to(self.start_with(PROCS["none"])).run({"argv": ["true"]}, make=Run)
            self.assertEqual((run.outcome, run.cause), ("error", "setup"), str(run))
            self.assertEqual(self.daemon.stop(), [])
        except AssertionError as e:
            self.daemon.process.wait(timeout=5)
            self.daemon.process.returncode = 0
            self.assertIn("mount /proc", str(e))
        status, text, stderr = self.doctor(PROCS["none"])
        self.assertNotEqual(status, 0)
        self.assertRegex(text + stderr, "mount (-t proc proc )?/proc")


def refuse_calls(*numbers, errno=38):
    """As preexec_fn: those system calls are what they are on a kernel without them."""
    load, jump, ret = 0x20, 0x15, 0x06
    program = [(load, 0, 0, 0)]
    for number in numbers:
        program += [(jump, 0, 1, number), (ret, 0, 0, 0x50000 | errno)]
    program.append((ret, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("<HBBI", *insn) for insn in program)

    def install():
        libc = ctypes.CDLL(None, use_errno=True)
        insns = ctypes.create_string_buffer(code)
        prog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(insns)))
        if libc.prctl(38, 1, 0, 0, 0) < 0 or libc.prctl(22, 2, prog, 0, 0) < 0:
            raise OSError(ctypes.get_errno(), "seccomp")

    return install


SECCOMP, LANDLOCK_CREATE, OPENAT2, CLOSE_RANGE, CLONE3, MOUNT_SETATTR = 317, 444, 437, 436, 435, 442


@in_modes
class OldKernel(OwnDaemons):
    """A kernel that lacks a call. The filter that pretends so is the daemon's, its warden's and every jail's. x86_64 only."""

    modes = MODES if platform.machine() == "x86_64" else []

    def start_without(self, *numbers, errno=38):
        daemon = self.new_daemon(start=False)
        daemon.start(preexec_fn=refuse_calls(*numbers, errno=errno))
        return daemon

    def doctor_without(self, *numbers, errno=38):
        with self.stage.as_process(root=self.mode == "root") as kwargs:
            done = subprocess.run([os.path.join(self.stage.bin, "dayfly"), "doctor"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                  stderr=subprocess.STDOUT, timeout=60, preexec_fn=refuse_calls(*numbers, errno=errno), **kwargs)
        return done.returncode, done.stdout.decode()

    def test_J20_without_seccomp_no_task_runs(self):
        with self.assertRaises(AssertionError) as caught:
            self.start_without(SECCOMP)
        self.daemon.process.wait(timeout=5)
        self.daemon.process.returncode = 0
        self.assertIn("cannot make jails: seccomp", str(caught.exception))
        self.assertIn("dayfly doctor", str(caught.exception))
        status, text = self.doctor_without(SECCOMP)
        self.assertEqual(status, 1, text)
        self.assertRegex(text, r"missing +seccomp")

    def test_J20_without_landlock_tasks_run_and_the_result_does_not_claim_it(self):
        daemon = self.start_without(LANDLOCK_CREATE)
        run = self.connect_to(daemon).run({"argv": ["echo", "ran"]}, make=Run)
        self.assertEqual((run.outcome, run.stdout), ("ok", b"ran\n"), str(run))
        self.assertFalse(run.result["enforced"].get("landlock_scope"))
        self.assertTrue(run.result["enforced"]["seccomp"])
        _, text = self.doctor_without(LANDLOCK_CREATE)
        self.assertRegex(text, r"(degraded|missing) +landlock")

    def test_J20_without_what_a_jail_is_made_of_no_task_runs(self):
        for number in (OPENAT2, CLOSE_RANGE, CLONE3, MOUNT_SETATTR):
            try:
                daemon = self.start_without(number)
            except AssertionError as e:
                self.assertIn("did not start", str(e))
                self.daemon.process.wait(timeout=5)
                self.daemon.process.returncode = 0
                continue
            try:
                run = self.connect_to(daemon).run({"argv": ["echo", "ran"], "workspace": {"path": "/usr", "mode": "ro"}}, make=Run)
            except DaemonError as e:
                self.assertTrue(e.error["message"])
            else:
                self.assertEqual((run.outcome, run.cause, run.stdout), ("error", "setup", b""), "call %d: %s" % (number, run))
                self.assertIn("not implemented", run.error["message"], "call %d" % number)
            self.assertEqual(daemon.stop(), [], "call %d" % number)

    def test_J20_the_same_without_a_missing_call_runs(self):
        """The control: the filter as such is harmless."""
        daemon = self.start_without(999)
        run = self.connect_to(daemon).run({"argv": ["echo", "ran"]}, make=Run)
        self.assertEqual((run.outcome, run.stdout, self.degraded(run.result)), ("ok", b"ran\n", []), str(run))


@in_modes
class Restart(OwnDaemons):
    def test_J4_tasks_alive_at_a_restart_end_once_and_are_told(self):
        """Neither lost nor run twice: stopped, each with a result, and a new daemon on the same socket starts with none."""
        daemon = self.new_daemon("--max-tasks", "2")
        place = self.make_dir(mode=0o777)
        task = {"argv": ["sh", "-c", "echo x >>/srv/w/$DAYFLY_N; echo up; sleep 60"], "workspace": {"path": place, "mode": "rw", "target": "/srv/w"}}
        clients = [self.connect_to(daemon) for _ in range(4)]
        started = [client.start(dict(task, env={"DAYFLY_N": str(n)})) for n, client in enumerate(clients)]
        for client, (tag, _) in list(zip(clients, started))[:2]:
            client.wait_output(tag, b"up")
        # One whose client has left it alone.
        detached = clients[0].call("run", task={"argv": ["sleep", "60"]}, detach=True)
        kill_daemon(daemon, signal.SIGTERM)
        for client, (tag, task_id) in zip(clients, started):
            _, result, _, _, _ = client.finish(tag, task_id)
            self.assertEqual(result["cause"], "shutdown", result)
        daemon.start()
        client = self.connect_to(daemon)
        self.assertEqual(client.call("list")["tasks"], [])
        for task_id in [t for _, t in started] + ([detached["task"]] if detached and "task" in detached else []):
            try:
                found = client.call("inspect", task=task_id)
            except DaemonError as e:
                self.assertEqual(e.code, "not_found")
            else:
                self.assertEqual((found["state"], found["result"]["cause"]), ("done", "shutdown"), found)
        self.assertEqual(sorted(os.listdir(place)), ["0", "1"], "only those two had a slot")
        for name in ("0", "1"):
            self.assertEqual(read(os.path.join(place, name)), "x\n", "it ran once")
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")


@in_modes
class Log(OwnDaemons):
    LINE = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z dayflyd\[\d+\] (debug|info|notice|warning|error): ")

    def test_J19_nothing_that_a_client_sends_forges_a_line_of_the_log(self):
        daemon = self.new_daemon(start=False)
        client = None
        evil = "x\n<0>emergency\n2026-01-01T00:00:00.000000Z dayflyd[1] error: forged\r\x1b[2J\x1b]0;title\x07\u009b31m"
        daemon.start()
        client = self.connect_to(daemon)
        place = os.path.join(self.make_dir(), evil.replace("/", "_"))
        os.mkdir(place)
        self.stage.give(place)
        tasks = [{"argv": [evil]}, {"argv": ["sh", "-c", "echo '%s' >&2; printf '<0>x\\n'; exit 3" % evil]}, {"argv": ["true"], "env": {evil: evil}},
                 {"argv": ["true"], "name": evil}, {"argv": ["true"], "labels": {"a": evil}}, {"argv": ["true"], "labels": {evil: "a"}},
                 {"argv": ["true"], "cwd": "/" + evil}, {"argv": ["true"], "workspace": {"path": "/nonexistent/" + evil, "mode": "ro"}},
                 {"argv": ["true"], "workspace": {"path": place, "mode": "cow"}}, {"argv": ["true"], "image": "/nonexistent/" + evil},
                 {"argv": ["true"], "image": evil}, {"argv": ["true"], "user": evil}, {"argv": ["true"], "limits": {evil: 1}}, {evil: 1},
                 {"argv": ["true"], "mounts": [{"path": place, "target": "/srv/" + evil, "mode": "ro"}]}]
        answered = 0
        for task in tasks:
            try:
                client.run(task)
            except DaemonError as e:
                self.assertNotIn("\n", json.dumps(e.error))
            answered += 1
        for op in (evil, "inspect"):
            try:
                client.call(op, task=evil)
            except DaemonError:
                answered += 1
        self.assertEqual(answered, len(tasks) + 2)
        client.send_bytes(evil.encode() + b"\n")
        kill_daemon(daemon, signal.SIGTERM)
        with open(daemon.log_path, "rb") as f:
            log = f.read().decode("utf-8")
        self.assertGreater(log.count("\n"), 10, "the log has the tasks")
        for line in log.splitlines():
            self.assertRegex(line, self.LINE)
            self.assertNotRegex(line, r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
            self.assertFalse(line.endswith("error: forged"), line)
