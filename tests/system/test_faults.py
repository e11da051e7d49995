"""A control that cannot be set up means that the task does not run: D10, J3. The warden here is the same program with one more
object: each setup step can be made to fail, or to kill the process that does it."""
import errno
import os
import re
import subprocess

from dayfly_host import Leaks, Stage, read
from dayfly_test import Run, in_modes

from common import fault_warden, wait_until


def setup_steps(stage):
    done = subprocess.run([os.path.join(stage.bin, "dayfly-warden"), "--print-steps"], stdout=subprocess.PIPE, check=True)
    return ["ids"] + done.stdout.decode().split()


@in_modes
class Faults:
    @classmethod
    def setUpClass(cls):
        stage = Stage.get()
        cls.fault_dir = stage.make_dir()
        cls.fault_file = os.path.join(cls.fault_dir, "fault")
        cls.set_fault("")
        cls.daemon_args = ("--warden", fault_warden(stage))
        cls.daemon_env = {"DAYFLY_FAULT": cls.fault_file}
        super().setUpClass()

    @classmethod
    def set_fault(cls, text):
        with open(cls.fault_file, "w") as f:
            f.write(text)
        os.chmod(cls.fault_file, 0o644)

    def tearDown(self):
        self.set_fault("")
        super().tearDown()

    def setUp(self):
        super().setUp()
        self.place = self.make_dir()
        self.mark = os.path.join(self.place, "ran")
        self.client.call("ping")
        self.inner = Leaks(self.stage, self.daemon)  # with the connection

    def task_for(self, step):
        """A task that needs the step, and that leaves a mark outside if it runs."""
        task = {"argv": ["touch", "/mnt/w/ran"], "workspace": {"path": self.place, "mode": "rw", "target": "/mnt/w"},
                "mounts": [{"path": self.stage.bin, "target": "/opt/test", "mode": "ro"}], "tty": step == "tty",
                "files": [{"path": "/tmp/f", "text": "x"}], "secrets": [{"name": "s", "text": "x"}]}
        if step == "dir-image":
            task["argv"] = ["/bin/probe", "create", "/mnt/w/ran", "yes"]
            task["image"] = self.image
        if step == "tars":
            task["tars"] = [{"fd": 0, "target": "/tmp/t"}]
        return task

    def attempt(self, step, how):
        self.set_fault("%s %s" % (step, how))
        try:
            with open(os.path.join(self.stage.bin, "probe"), "rb") as f:
                return self.run_bare(self.task_for(step), fds=[f.fileno()] if step == "tars" else [], timeout=60)
        finally:
            self.set_fault("")

    def assert_did_not_run(self, run, what):
        self.assertEqual((run.outcome, run.cause, run.result["phase"], run.result["exit"]), ("error", "setup", "setup", None),
                         (what, str(run)))
        self.assertIsNone(run.result["enforced"], what)
        self.assertEqual(run.error.get("code"), "setup_failed", (what, str(run)))
        self.assertTrue(run.error.get("message"), what)
        self.assertFalse(os.path.exists(self.mark), "it ran: " + what)
        self.assertEqual(self.inner.check(), [], what)

    def test_D10_every_step_that_fails_stops_the_task_and_is_named(self):
        self.image = self.make_image()
        for step in setup_steps(self.stage):
            with self.subTest(step):
                run = self.attempt(step, "fail")
                self.assert_did_not_run(run, step)
                self.assertEqual((run.error["step"], run.error["errno"]), (step, errno.EIO), str(run))

    def test_D10_a_jail_that_ends_before_its_ids_are_written_says_why_itself(self):
        """Its end may come at any moment of what the warden does to it."""
        for how, told in (("fail", ("ids", errno.EIO)), ("kill", (None, None))):
            for _ in range(60):
                run = self.attempt("ids", how)
                self.assert_did_not_run(run, how)
                self.assertEqual((run.error.get("step"), run.error.get("errno")), told, str(run))

    def test_D10_J3_death_at_every_step_stops_the_task(self):
        self.image = self.make_image()
        for step in setup_steps(self.stage):
            with self.subTest(step):
                self.assert_did_not_run(self.attempt(step, "kill"), step)

    def test_D10_the_same_tasks_run_without_a_fault(self):
        """The positive control."""
        self.image = self.make_image()
        for step in ("host-image", "tty"):
            self.assert_ok(self.run_bare(self.task_for(step)))
            self.assertTrue(os.path.exists(self.mark), step)
            os.unlink(self.mark)

    def test_D10_a_step_that_stalls_can_be_cancelled(self):
        for step in ("private-mounts", "proc", "pivot-root", "credentials", "close-fds"):
            self.set_fault(step + " stall")
            tag, task = self.client.start(self.task_for(step))
            self.assertTrue(wait_until(lambda: any(name == "dayfly-init" for _, name, _ in self.daemon.processes().values())))
            self.client.call("cancel", task=task)
            run = self.client.finish(tag, task, timeout=60, make=Run)
            self.assertEqual((run.outcome, run.cause), ("cancelled", "cancel"), (step, str(run)))
            self.assertFalse(os.path.exists(self.mark))
            self.assertEqual(self.inner.check(), [], step)

    def test_D10_the_command_line_names_the_step(self):
        self.set_fault("loopback fail")
        done = self.cli("run", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"loopback", done.stderr)

    def test_D10_the_daemon_goes_on_after_all_that(self):
        for _ in range(5):
            self.attempt("mounts", "fail")
            self.attempt("session", "kill")
            self.assert_ok(self.run_task(["true"]))


@in_modes
class Clone:
    modes = ["rootless"]  # root's clone is not limited

    def set_processes(self, pid, soft):
        """As the warden's own user, who may change its limits."""
        with self.stage.as_process() as kwargs:
            subprocess.run(["prlimit", "--pid", str(pid), "--nproc=%s:" % soft], check=True, **kwargs)

    def test_D10_J9_a_clone_that_fails_is_named(self):
        warden, = self.daemon.wardens()
        before = re.search(r"Max processes +(\w+)", read("/proc/%d/limits" % warden)).group(1)
        self.set_processes(warden, "1")
        try:
            run = self.run_bare({"argv": ["true"]})
        finally:
            self.set_processes(warden, before)
        self.assertEqual((run.outcome, run.cause, run.result["exit"]), ("error", "setup", None), str(run))
        self.assertEqual((run.error["step"], run.error["errno"]), ("namespaces", errno.EAGAIN), str(run))
        self.assertIn("doctor", run.error["hint"])
        self.assert_ok(self.run_task(["true"]))
