"""After a reboot of the test machine: what was enabled before it serves again, without a login."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from services import PLAIN, Manager, wait_until  # noqa: E402


class AfterReboot:
    user = None

    def test_serves_after_a_reboot(self):
        manager = Manager(self.user)
        unit = manager.unit()
        if not unit:
            self.skipTest("no unit is installed for this service manager")
        self.assertTrue(wait_until(lambda: manager.systemctl("is-active", unit, check=False).returncode == 0),
                        manager.systemctl("status", unit, check=False))
        done = manager.dayfly("run", "--no-autostart", "--", "sh", "-c", "exit 7", user=self.user)
        self.assertEqual(done.returncode, 7, done)


class System(AfterReboot, unittest.TestCase):
    mode = "root"


class User(AfterReboot, unittest.TestCase):
    mode = "rootless"
    user = PLAIN
