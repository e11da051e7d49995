"""Limits of all tasks together are refused where no cgroup can hold them (G16). That they hold: tests/limits/test_memory.py."""
from dayfly_host import Daemon
from dayfly_test import in_modes


@in_modes
class Total:
    starts_daemon = False

    def assert_refused(self, setting, *args):
        daemon = Daemon(self.stage, self.mode, args, delegated=False)
        with self.assertRaises(AssertionError) as caught:
            daemon.start()
        self.assertEqual([p for p in daemon.stop() if not p.startswith("dayflyd ended with 1:")], [])
        self.assertIn("total.%s: this host cannot hold the limit: " % setting, str(caught.exception))
        self.assertIn("set it to none", str(caught.exception), "the way out")

    def test_G16_each_limit_is_refused_by_name(self):
        for setting, value in (("memory", "1GiB"), ("swap", "1GiB"), ("cpus", "1.5"), ("pids", "1000")):
            with self.subTest(setting):
                self.assert_refused(setting, "--total-" + setting, value)
