"""The installed service: it serves whom it should, and however it ends nothing is left. Runs in the test machine only, as root."""
import os
import unittest

from services import PLAIN, Manager, wait_until

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
        self.assert_clean()

    def test_kill_of_all_its_processes_leaves_nothing(self):
        self.start_tasks()
        self.manager.systemctl("kill", "--signal=KILL", "dayflyd.service")
        self.assertTrue(wait_until(lambda: not [x for x in self.manager.leftovers(self.marker) if "(sleep)" in x]))
        self.assert_clean()

    def test_comes_back_after_a_crash(self):
        self.serve(self.user)
        first = self.manager.main_pid()
        os.kill(first, 11)
        self.serve(self.user)
        self.assertNotEqual(self.manager.main_pid(), first)


class SystemService(Service, unittest.TestCase):
    mode = "root"


class UserService(Service, unittest.TestCase):
    mode = "rootless"
    user = PLAIN
