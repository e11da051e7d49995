"""What is changed of the machine itself while tasks are made: in its /etc and in its root directory."""
import os
import threading

from dayfly_test import IS_ROOT, MODES, in_modes

from common import wait_until
from pooled import Pooled

# One of those in the root that the image `host` shows, and that few machines have.
PLACE = "/libx32"


@in_modes
class Changing(Pooled):
    modes = MODES if IS_ROOT else []  # the machine is root's

    def place(self):
        if os.path.lexists(PLACE):
            self.skipTest("this host has " + PLACE)
        return PLACE

    def test_a_change_below_etc_is_seen_at_once(self):
        self.pool()
        self.warm()
        path = "/etc/dayfly-test-secret"
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        with open(path, "w") as f:
            f.write("hush\n")
        os.chmod(path, 0o644)
        self.assertEqual(self.run_one("cat", path)[2], b"hush\n", "the control: what everybody may read is there")
        self.assertTrue(wait_until(self.parked))
        os.chmod(path, 0o600)
        self.assertEqual(self.run_one("cat", path)[1]["exit"]["code"], 1)

    def test_another_directory_in_the_root_is_seen_at_once(self):
        path = self.place()
        self.pool()
        self.warm()
        self.assertEqual(self.run_one("test", "-d", path)[1]["exit"]["code"], 1)
        self.assertTrue(wait_until(self.parked))
        os.mkdir(path)
        self.addCleanup(os.rmdir, path)
        self.assertEqual(self.run_one("test", "-d", path)[1]["exit"]["code"], 0)

    def test_one_that_goes_while_jails_are_made_fails_none(self):
        path = self.place()
        self.conn = self.connect_to(self.new_daemon("--pool-size", "none"))
        over = threading.Event()
        turns = []

        def come_and_go():
            while not over.is_set():
                os.mkdir(path)
                os.rmdir(path)
                turns.append(1)

        thread = threading.Thread(target=come_and_go)
        thread.start()
        try:
            results = [self.run_one()[1] for _ in range(100)]
            # The control, also where the thread had little time.
            while len(turns) <= 60 and thread.is_alive():
                results.append(self.run_one()[1])
        finally:
            over.set()
            thread.join()
        self.assertGreater(len(turns), 60, "the control")
        self.assertEqual([r["error"] for r in results if r["outcome"] != "ok"], [])
