"""The probes that the daemon has made after its start: in info, in the log, and with its own limits and mounts."""
import contextlib
import os
import re
import resource
import signal
import subprocess

from dayfly_host import Daemon
from dayfly_test import Run, in_modes

from common import wait_until


def probes_of(daemon):
    """The result of info, once the probes are there."""
    client = daemon.client()
    return wait_until(lambda: (lambda info: info if info["probes_made"] else None)(client.call("info")), seconds=30, step=0.05)


class Masked(Daemon):
    """A daemon in a mount namespace where a part of /proc is mounted over, as by some settings of a service."""

    def command(self):
        script = "mount --bind /dev/null /proc/version; exec \"$@\""
        return ["unshare", "-m", "sh", "-c", script, "sh"] + super().command()


@in_modes
class Probes:
    def test_info_has_what_the_doctor_finds(self):
        info = probes_of(self.daemon)
        self.assertRegex(info["probes_made"], r"^\d{4}-\d\d-\d\dT[0-9:.]+Z$")
        for row in info["probes"]:
            self.assertEqual(set(row), {"check", "status", "needed", "group", "for", "why", "fix"})
        with self.stage.as_process(self.mode == "root") as kwargs:
            done = subprocess.run([os.path.join(self.stage.bin, "dayfly"), "doctor", "--json"], stdout=subprocess.PIPE, timeout=60, **kwargs)
        own = [line.split('"')[3] for line in done.stdout.decode().splitlines()]
        self.assertEqual([row["check"] for row in info["probes"]], own)

    def test_info_says_what_is_not_well(self):
        info = probes_of(self.daemon)
        text = self.cli("info").stdout.decode()
        counts = {s: [row["check"] for row in info["probes"] if row["status"] == s] for s in ("ok", "degraded", "missing")}
        self.assertIn("\nprobes_made: %s\n" % info["probes_made"], text)
        self.assertIn("\n  ok: %d\n" % len(counts["ok"]), text)
        if counts["degraded"]:
            self.assertIn("\n  degraded: %d: %s\n" % (len(counts["degraded"]), ", ".join(counts["degraded"])), text)
        self.assertNotIn('"check"', text)

    def test_the_cgroup_row_is_what_the_warden_has(self):
        info = probes_of(self.daemon)
        row, = [row for row in info["probes"] if row["check"] == "cgroup-delegation"]
        has_all = re.search(r"; cgroup controllers [^:;]+$", info["warden"]["info"]) is not None
        self.assertEqual(row["status"] == "ok", has_all, (row, info["warden"]))

    def test_the_keeper_has_no_dead_child(self):
        probes_of(self.daemon)
        table = self.daemon.processes()
        self.assertTrue(table)
        self.assertTrue(wait_until(lambda: all(state != "Z" for _, _, state in self.daemon.processes().values())))
        self.assertTrue(wait_until(lambda: len(self.daemon.processes()) == 3), self.daemon.processes())


class OwnDaemonsBase:
    starts_daemon = False

    @contextlib.contextmanager
    def running(self, kind=Daemon, **popen):
        daemon = kind(self.stage, self.mode)
        try:
            daemon.start(**popen)
            yield daemon
        finally:
            problems = daemon.stop()
        self.assertEqual(problems, [])


@in_modes
class OwnDaemons(OwnDaemonsBase):
    def test_the_first_task_does_not_wait_for_them(self):
        # They begin a moment after the start: where we are slower than that, another daemon is asked.
        for _ in range(10):
            with self.running() as daemon:
                has_probes = daemon.client().call("info")["probes"] != []
                self.assert_ok(daemon.client().run({"argv": ["true"]}, timeout=30, make=Run))
                self.assertTrue(probes_of(daemon))
            if not has_probes:
                return
        self.fail("they are there before any task")

    def test_they_are_made_with_the_daemons_own_limits(self):
        for limit, status in ((400, "degraded"), (4000, "ok")):
            with self.running(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) as daemon:
                row, = [row for row in probes_of(daemon)["probes"] if row["check"] == "open-files"]
                self.assertEqual(row["status"], status, row)
                self.assertEqual("RLIMIT_NOFILE is 400 " in row["why"], status == "degraded", row)

    def test_a_daemon_that_ends_meanwhile_leaves_no_probe(self):
        for signo in (signal.SIGTERM, signal.SIGKILL):
            for delay in (0.28, 0.32, 0.36, 0.4):
                with self.running() as daemon:
                    wait_until(lambda: False, seconds=delay)
                    daemon.process.send_signal(signo)
                    daemon.process.wait(timeout=15)
                    self.assertTrue(wait_until(lambda: not daemon.processes()), daemon.processes())
                    # Where the overlay on disk is tried.
                    self.assertEqual([name for name in os.listdir(daemon.state_dir) if "probe" in name], [])


@in_modes
class Broken(OwnDaemonsBase):
    modes = ("root",)

    def test_J20_what_tasks_need_is_a_warning_with_the_fix(self):
        for kind, is_masked in ((Masked, True), (Daemon, False)):
            with self.running(kind) as daemon:
                row, = [row for row in probes_of(daemon)["probes"] if row["check"] == "proc-mount"]
                log = daemon.log()
                self.assertEqual(row["status"], "missing" if is_masked else "ok")
                self.assertEqual("this host lacks what tasks need: proc-mount" in log, is_masked, log)
                self.assertEqual("/proc/version" in log, is_masked)
                self.assertEqual("  fix: " in log, is_masked)
