"""Each fault of the table (fault_table.py), once, with what it must leave and tell: J1, J3. And floods of SIGCHLD: J11."""
import os
import signal

from dayfly_host import Stage
from dayfly_test import in_modes

import fault_table


@in_modes
class Crashes:
    starts_daemon = False

    def test_J3_after_each_fault_nothing_is_left_and_every_task_has_its_cause(self):
        for name, runs in fault_table.all_faults(Stage.get()):
            for number, run in enumerate(runs):
                with self.subTest("%s %d" % (name, number)):
                    self.assertEqual(run(self.stage, self.mode)[1], [])


@in_modes
class Floods:
    def test_J11_ten_thousand_exits_inside_a_jail_are_all_reaped(self):
        # A thousand at a time: there are never as many as a task may have.
        script = ("k=0; while [ $k -lt 10 ]; do n=0; while [ $n -lt 10 ]; do (m=0; while [ $m -lt 100 ]; do : & m=$((m+1)); done) & n=$((n+1)); done; "
                  "wait; k=$((k+1)); done; exit 5")
        run = self.run_bare({"argv": ["sh", "-c", script]}, timeout=300)
        self.assertEqual((run.cause, run.code), ("exit", 5), str(run))

    def test_J11_a_flood_of_sigchld_harms_nobody(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "sleep 0.2; exit 6"]})
        for _ in range(20000):
            os.kill(self.daemon.process.pid, signal.SIGCHLD)
        self.assertEqual(self.client.finish(tag, task)[1]["exit"]["code"], 6)
        self.assertEqual(self.client.call("ping")["protocol"], 1)
