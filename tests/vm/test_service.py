"""The installed service: it serves whom it should, and however it ends nothing is left. Runs in the test machine only, as root."""
import json
import os
import pwd
import signal
import time
import unittest

from services import PLAIN, Manager, read, wait_until

CONFIG = "/etc/dayfly/dayflyd.conf"


class Service:
    user = None

    @classmethod
    def setUpClass(cls):
        cls.manager = Manager(cls.user)
        cls.unit = cls.manager.unit()
        if not cls.unit:
            raise unittest.SkipTest("no unit is installed for this service manager")
        os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
        with open(CONFIG, "w") as f:
            f.write("[access]\nusers = %s\n" % PLAIN)

    def setUp(self):
        self.marker = "600.%d" % os.getpid()
        self.manager.systemctl("start", self.unit)
        self.addCleanup(self.manager.stop)

    def serve(self, user):
        """A task of this user ends as it should. Retried while the service is still coming up."""
        last = []

        def once():
            last[:] = [self.manager.dayfly("run", "--no-autostart", "--", "sh", "-c", "echo up; exit 7", user=user)]
            return last[0].returncode == 7

        wait_until(once)
        self.assertEqual((last[0].returncode, last[0].stdout), (7, "up\n"), last[0].stderr)

    def start_tasks(self, n=3):
        self.serve(self.user)
        for _ in range(n):
            done = self.manager.dayfly("run", "--no-autostart", "-d", "--", "sh", "-c", "sleep %s & exec sleep %s" % ((self.marker,) * 2),
                                       user=self.user)
            self.assertEqual(done.returncode, 0, done.stderr)

        def all_run():
            return self.manager.dayfly("ps", user=self.user).stdout.count("running") == n

        self.assertTrue(wait_until(all_run), self.manager.dayfly("ps", user=self.user))
        self.assertTrue([x for x in self.manager.leftovers(self.marker) if "(sleep)" in x], "the search finds the tasks")

    def assert_clean(self):
        self.manager.stop()
        self.assertEqual(self.manager.wait_clean(self.marker), [])

    def test_serves_its_users(self):
        self.serve(self.user)
        if not self.user:
            self.serve(PLAIN)

    def test_refuses_others(self):
        self.serve(self.user)
        done = self.manager.dayfly("run", "--no-autostart", "--", "true", user="nobody" if self.user is None else "daemon")
        self.assertEqual(done.returncode, 125, done)

    def test_stop_leaves_nothing(self):
        self.start_tasks()
        self.assert_clean()

    def test_restart_leaves_nothing_and_serves(self):
        self.start_tasks()
        self.manager.systemctl("restart", "dayflyd.service")
        self.serve(self.user)
        self.assertEqual([x for x in self.manager.leftovers(self.marker) if "(sleep)" in x], [])
        self.assert_clean()

    def test_kill_of_the_main_process_leaves_nothing(self):
        self.start_tasks()
        os.kill(self.manager.main_pid(), 9)
        self.assertTrue(wait_until(lambda: not [x for x in self.manager.leftovers(self.marker) if "(sleep)" in x]))
        self.serve(self.user)
        self.assert_clean()

    def test_kill_of_all_its_processes_leaves_nothing(self):
        self.start_tasks()
        self.manager.systemctl("kill", "--signal=KILL", "dayflyd.service")
        self.assertTrue(wait_until(lambda: not [x for x in self.manager.leftovers(self.marker) if "(sleep)" in x]))
        # What of it lay on disk, the next start sweeps.
        self.serve(self.user)
        self.assert_clean()

    def test_comes_back_after_a_crash(self):
        self.serve(self.user)
        first = self.manager.main_pid()
        os.kill(first, 11)
        self.serve(self.user)
        self.assertNotEqual(self.manager.main_pid(), first)


    def kill_one(self, comm):
        pids = self.manager.pids(comm)
        self.assertTrue(pids, "the search finds the %s" % comm)
        for pid in pids:
            os.kill(pid, 9)

    def no_task_is_left(self):
        return not [x for x in self.manager.leftovers(self.marker) if "(sleep)" in x]

    def test_kill_of_the_warden_ends_the_tasks_and_the_service_serves_on(self):
        self.start_tasks()
        first = self.manager.main_pid()
        self.kill_one("dayfly-warden")
        self.assertTrue(wait_until(self.no_task_is_left))
        self.serve(self.user)
        self.assertEqual(self.manager.main_pid(), first)
        self.assert_clean()

    def test_kill_of_the_keeper_leaves_nothing_and_the_service_serves_again(self):
        self.start_tasks()
        self.kill_one("dayfly-keeper")
        self.serve(self.user)
        self.assert_clean()

    def test_systemctl_kill_leaves_nothing(self):
        self.start_tasks()
        self.manager.systemctl("kill", "dayflyd.service")
        self.assertTrue(wait_until(self.no_task_is_left))
        self.serve(self.user)
        self.assert_clean()

    def test_stop_gives_every_task_its_result(self):
        self.serve(self.user)
        client = self.manager.start_client("run", "--no-autostart", "--json", "--", "sh", "-c",
                                           "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.1; done", user=self.user)
        self.assertTrue(any('"up' in line for line in iter(client.stdout.readline, "") if '"output"' in line))
        self.manager.systemctl("stop", "dayflyd.service")
        text, errors = client.communicate(timeout=60)
        last = json.loads(text.splitlines()[-1])
        self.assertEqual((last["event"], last["result"]["outcome"], last["result"]["cause"]), ("result", "killed", "shutdown"), errors)
        self.assertIn("saved", text)
        self.assertEqual(self.manager.show("Result"), "success")
        self.assert_clean()

    def test_stop_waits_for_a_grace_time_that_is_longer_than_its_own_limit(self):
        self.manager.override("[Service]\nTimeoutStopSec=5\n")
        self.addCleanup(self.manager.override, "")
        self.serve(self.user)
        client = self.manager.start_client("run", "--no-autostart", "--json", "--grace", "20s", "--", "sh", "-c",
                                           "trap 'sleep 12; echo saved; exit 0' TERM; echo up; while :; do sleep 0.1; done",
                                           user=self.user)
        self.assertTrue(any('"up' in line for line in iter(client.stdout.readline, "") if '"output"' in line))
        self.manager.systemctl("stop", "dayflyd.service")
        text, errors = client.communicate(timeout=60)
        self.assertIn("saved", text, errors)
        self.assertEqual(self.manager.show("Result"), "success")

    def test_restart_under_load_loses_no_client(self):
        self.serve(self.user)
        running, done, restarts = [], [], 0
        while restarts < 3 or running:
            if restarts < 3:
                while len(running) < 4:
                    running.append(self.manager.start_client("run", "--no-autostart", "--", "sh", "-c", "exit 7", user=self.user))
                if len(done) > 6 * restarts:
                    self.manager.systemctl("restart", "dayflyd.service")
                    restarts += 1
            for client in [c for c in running if c.poll() is not None]:
                running.remove(client)
                errors = client.communicate()[1]
                done.append(client.returncode)
                self.assertTrue(client.returncode == 7 or "because the daemon was stopped" in errors, (client.returncode, errors))
            time.sleep(0.02)
        self.assertGreater(done.count(7), 3, done)
        self.assert_clean()

    def test_the_watchdog_restarts_a_daemon_that_hangs(self):
        self.manager.override("[Service]\nWatchdogSec=10\nTimeoutAbortSec=5\n")
        self.addCleanup(self.manager.override, "")
        self.start_tasks()
        first = self.manager.main_pid()
        # The control: one that runs is left alone.
        time.sleep(15)
        self.assertEqual(self.manager.main_pid(), first)
        os.kill(first, signal.SIGSTOP)
        self.assertTrue(wait_until(lambda: self.manager.main_pid() not in (0, first), 60))
        self.assertTrue(wait_until(self.no_task_is_left))
        self.serve(self.user)
        self.assert_clean()

    def test_systemd_knows_its_status(self):
        self.serve(self.user)
        self.assertTrue(wait_until(lambda: self.manager.show("StatusText") == "0 running, 0 waiting"), self.manager.show("StatusText"))
        self.start_tasks(2)
        self.assertTrue(wait_until(lambda: self.manager.show("StatusText") == "2 running, 0 waiting"), self.manager.show("StatusText"))

    def test_reload_keeps_the_daemon_and_its_tasks(self):
        self.start_tasks()
        first = self.manager.main_pid()
        self.manager.systemctl("reload", "dayflyd.service")
        self.assertTrue(wait_until(lambda: self.manager.show("SubState") == "running"))
        self.serve(self.user)
        self.assertEqual(self.manager.main_pid(), first)
        self.assertEqual(self.manager.dayfly("ps", user=self.user).stdout.count("running"), 3)

    def test_idle_it_leaves_and_the_socket_starts_it_again(self):
        self.manager.override("[Service]\nEnvironment=DAYFLYD_OPTIONS=--idle-exit=2s\n")
        self.addCleanup(self.manager.override, "")
        self.serve(self.user)
        self.assertTrue(wait_until(lambda: self.manager.show("ActiveState") == "inactive", 30))
        self.serve(self.user)

    def test_the_journal_tells_of_each_task(self):
        self.serve(self.user)
        task = self.manager.dayfly("run", "--no-autostart", "-d", "--", "sh", "-c", "exit 3", user=self.user).stdout.strip()
        self.assertTrue(task.startswith("t-"), task)
        self.manager.dayfly("wait", task, user=self.user)
        self.assertTrue(wait_until(lambda: len(self.manager.journal("DAYFLY_TASK=" + task)) >= 2))
        lines = self.manager.journal("DAYFLY_TASK=" + task)
        uid = str(pwd.getpwnam(self.user).pw_uid if self.user else 0)
        ids = ("d8093309ba094203ba322d026d7beecb", "3f7e2e84d1d749179ac1b2b271cbb7ba")
        self.assertEqual(tuple(line.get("MESSAGE_ID") for line in lines if "MESSAGE_ID" in line), ids)
        for line in lines:
            self.assertEqual((line["SYSLOG_IDENTIFIER"], line["PRIORITY"], line.get("DAYFLY_UID")), ("dayflyd", "6", uid), line)
            self.assertEqual(line.get("_SYSTEMD_USER_UNIT" if self.user else "_SYSTEMD_UNIT"), "dayflyd.service", line)
        self.assertEqual((lines[-1]["DAYFLY_OUTCOME"], lines[-1]["DAYFLY_CAUSE"]), ("failed", "exit"))

    def test_C5_what_systemd_tells_the_service_stays_there(self):
        self.serve(self.user)
        words = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_USEC")
        of_main = read("/proc/%d/environ" % self.manager.main_pid())
        self.assertEqual([w for w in words if w in of_main], list(words), "the control")
        for comm in ("dayfly-warden", "dayfly-keeper"):
            for pid in self.manager.pids(comm):
                self.assertEqual([w for w in words if w in read("/proc/%d/environ" % pid)], [])
        done = self.manager.dayfly("run", "--no-autostart", "--", "env", user=self.user)
        self.assertEqual((done.returncode, [w for w in words if w in done.stdout]), (0, []))

    def test_its_jails_hold_what_they_hold_elsewhere(self):
        """The unit's hardening takes nothing from a jail: its own /proc, /usr as an overlay, a debugger's personality."""
        self.serve(self.user)
        done = self.manager.dayfly("run", "--no-autostart", "--json", "--", "sh", "-c",
                                   "grep -q ' /usr .* overlay ' /proc/self/mountinfo && ls /proc/1/status && setarch -R true && echo all-good",
                                   user=self.user)
        result = json.loads(done.stdout.splitlines()[-1])["result"]
        self.assertIn("all-good", done.stdout, done.stderr)
        self.assertEqual([d for d in result["degraded"] if "usr" in d or "proc" in d], [], result["degraded"])


class SystemService(Service, unittest.TestCase):
    mode = "root"

    def test_limits_of_a_whole_task_hold(self):
        self.serve(None)
        done = self.manager.dayfly("run", "--no-autostart", "-m", "64m", "--pids", "50", "--cpus", "0.5", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_it_becomes_the_user_dayfly(self):
        self.serve(None)
        uid = read("/proc/%d/status" % self.manager.main_pid()).partition("Uid:")[2].split()[0]
        self.assertEqual(int(uid), pwd.getpwnam("dayfly").pw_uid)


class UserService(Service, unittest.TestCase):
    mode = "rootless"
    user = PLAIN
