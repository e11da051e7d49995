"""Whoever dies, nothing stays: J1, J2. kill -9 of each of our processes with tasks running."""
import contextlib
import os
import signal
import time

from dayfly_client import SCALE
from dayfly_test import in_modes

from common import GONE, OwnDaemons, Traces, fault_warden, kill_daemon, status_field, wait_until

STUBBORN = "trap '' TERM INT HUP; setsid sh -c 'trap \"\" HUP TERM; sleep 97531; :' & (setsid sleep 97531 &); echo up; while :; do sleep 0.05; done"


class Running(OwnDaemons):
    def running_tasks(self, client, n=6, **more):
        tags = [client.start({"argv": ["sh", "-c", STUBBORN], "on_disconnect": "keep", "limits": {"grace": "100ms"},
                              **more}) for _ in range(n)]
        for tag, _ in tags:
            client.wait_output(tag, b"up")
        # The double forks need a moment to be where they are going.
        time.sleep(0.05)
        return tags

    def assert_works(self, daemon):
        client = self.connect_to(daemon)
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
        client.close()


@in_modes
class DaemonDeath(Running):
    def test_J1_kill_9_of_dayflyd_with_20_tasks_running(self):
        daemon = self.new_daemon()
        self.running_tasks(daemon.client(), 20)
        traces = Traces(self.stage)
        self.assertGreater(len(traces.processes), 20 * 4)
        self.assertEqual(len(traces.named("dayfly-init")), 20)
        kill_daemon(daemon)
        self.assert_nothing_left(daemon, traces)

    def test_J1_kill_9_of_dayflyd_then_a_new_one_at_once(self):
        """Without waiting for the rest to be gone: the new one starts in the same place, and the old tasks go all the same."""
        daemon = self.new_daemon()
        self.running_tasks(daemon.client(), 5)
        traces = Traces(self.stage)
        kill_daemon(daemon)
        daemon.close_client()
        daemon.start()
        self.assertEqual(traces.wait_gone(successor=daemon.process.pid), {})
        self.assert_works(daemon)
        time.sleep(1.2)  # as long as the old keeper may wait for its turn
        self.assert_works(daemon)
        self.remove_runtime_dir(daemon)

    def test_J1_kill_9_of_dayflyd_in_the_middle_of_many_starts(self):
        for delay in (0.0, 0.004, 0.012, 0.03, 0.08):
            daemon = self.new_daemon()
            client = daemon.client()
            for i in range(30):
                client.send("run", task={"argv": ["sleep", "97531"]})
            time.sleep(delay)
            traces = Traces(self.stage)
            kill_daemon(daemon)
            self.assert_nothing_left(daemon, traces)
            daemon.stop()

    def test_J1_kill_9_of_dayflyd_with_floods_and_terminals(self):
        daemon = self.new_daemon()
        client = daemon.client()
        tags = [client.start({"argv": ["sh", "-c", "trap '' PIPE HUP TERM; while :; do echo flood; done"],
                              "tty": i % 2 == 0}) for i in range(4)]
        for tag, _ in tags:
            client.wait_output(tag, b"flood")
        traces = Traces(self.stage)
        kill_daemon(daemon)
        self.assert_nothing_left(daemon, traces)

    def test_J1_kill_9_of_dayflyd_while_a_step_of_the_setup_stalls(self):
        for step in ("private-mounts", "proc", "pivot-root", "session", "workdir"):
            fault = os.path.join(self.make_dir(mode=0o755), "fault")
            self.make_file(fault, step + " stall", 0o644)
            daemon = self.new_daemon("--warden", fault_warden(self.stage), env={"DAYFLY_FAULT": fault})
            client = daemon.client()
            for _ in range(3):
                client.send("run", task={"argv": ["true"]})
            self.assertTrue(wait_until(lambda: len(Traces(self.stage).named("dayfly-init")) >= 3), step)
            traces = Traces(self.stage)
            kill_daemon(daemon)
            self.assert_nothing_left(daemon, traces)

    def test_J1_kill_9_of_dayflyd_without_any_task(self):
        daemon = self.new_daemon()
        daemon.wait_probed()
        daemon.close_client()
        traces = Traces(self.stage)
        self.assertEqual(len(traces.processes), 3)
        kill_daemon(daemon)
        self.assert_nothing_left(daemon, traces)

    def test_J1_a_stopped_daemon_that_is_killed(self):
        daemon = self.new_daemon()
        self.running_tasks(daemon.client(), 3)
        traces = Traces(self.stage)
        daemon.process.send_signal(signal.SIGSTOP)
        kill_daemon(daemon)
        self.assert_nothing_left(daemon, traces)

    def test_J1_abort_of_dayflyd_is_no_different(self):
        daemon = self.new_daemon()
        self.running_tasks(daemon.client(), 3)
        traces = Traces(self.stage)
        kill_daemon(daemon, signal.SIGABRT)
        self.assert_nothing_left(daemon, traces)
        daemon.process.returncode = 0  # as asked for


@in_modes
class WardenDeath(Running):
    def test_J2_kill_9_of_the_warden_tasks_are_lost_and_the_daemon_goes_on(self):
        daemon = self.new_daemon()
        client = daemon.client()
        for round_ in range(3):
            tags = self.running_tasks(client, 4)
            traces = Traces(self.stage)
            warden, = daemon.wardens()
            os.kill(warden, signal.SIGKILL)
            for tag, task in tags:
                _, result, _, _, _ = client.finish(tag, task, timeout=60)
                self.assertEqual((result["outcome"], result["cause"], result["error"]["code"]), ("lost", "warden_lost", "warden_lost"),
                                 result)
            keep = {daemon.process.pid} | set(traces.named("dayfly-keeper"))
            self.assertTrue(wait_until(lambda: not {p: n for p, n in traces.left().items() if p in traces.processes and p not in keep}, GONE),
                            traces.left())
            self.assertEqual(client.run({"argv": ["true"]}, timeout=60)[1]["outcome"], "ok")
            self.assertNotEqual(daemon.wardens(), [warden])

    def test_J2_kill_9_of_the_warden_with_tasks_in_the_queue_and_in_setup(self):
        daemon = self.new_daemon("--max-tasks", "4")
        client = daemon.client()
        tags = [client.start({"argv": ["sleep", seconds]}) for seconds in ["97531"] * 2 + ["0.2"] * 28]
        for tag, _ in tags[:2]:  # of the other two places nobody knows what is in them
            client.wait_state(tag, "running")
        os.kill(daemon.wardens()[0], signal.SIGKILL)
        causes = [client.finish(tag, task, timeout=30)[1]["cause"] for tag, task in tags]
        self.assertEqual(set(causes), {"exit", "warden_lost"}, causes)
        self.assertLessEqual(causes.count("warden_lost"), 4, "only those that it had")

    def test_J2_a_stopped_warden_that_is_killed(self):
        daemon = self.new_daemon()
        client = daemon.client()
        tags = self.running_tasks(client, 2)
        warden, = daemon.wardens()
        os.kill(warden, signal.SIGSTOP)
        late = client.start({"argv": ["echo", "late"]})
        os.kill(warden, signal.SIGKILL)
        for tag, task in tags:
            self.assertEqual(client.finish(tag, task)[1]["cause"], "warden_lost")
        self.assertIn(client.finish(*late)[1]["cause"], ("warden_lost", "exit"))
        self.assert_works(daemon)

    def test_J2_dayflyd_dies_right_after_its_warden(self):
        daemon = self.new_daemon()
        self.running_tasks(daemon.client(), 4)
        traces = Traces(self.stage)
        os.kill(daemon.wardens()[0], signal.SIGKILL)
        kill_daemon(daemon)
        self.assert_nothing_left(daemon, traces)

    def test_J2_jail_inits_are_bound_to_the_warden(self):
        """Not by one way only: the lifeline is seen even where the death signal was lost."""
        daemon = self.new_daemon()
        self.running_tasks(daemon.client(), 2)
        inits = Traces(self.stage).named("dayfly-init")
        for pid in inits:
            self.assertEqual(status_field(pid, "NSpid")[-1], "1")


@in_modes
class OtherDeaths(Running):
    def test_J2_kill_9_of_the_keeper(self):
        """Rootless the daemon makes a new one and its tasks go on; in root mode, where the rights for that are gone, it ends them and leaves."""
        daemon = self.new_daemon()
        client = daemon.client()
        seconds = "0.5" if self.mode == "rootless" else "97531"
        tag, task = client.start({"argv": ["sh", "-c", "echo up; sleep %s; exit 3" % seconds]})
        client.wait_output(tag, b"up")
        traces = Traces(self.stage)
        keeper, = traces.named("dayfly-keeper")
        os.kill(keeper, signal.SIGKILL)
        _, result, _, _, _ = client.finish(tag, task)
        if self.mode == "rootless":
            self.assertEqual((result["cause"], result["exit"]["code"]), ("exit", 3))
            self.assert_works(daemon)
            self.assertTrue(wait_until(lambda: len(Traces(self.stage).named("dayfly-keeper")) == 1))
            traces = Traces(self.stage)
            kill_daemon(daemon)
            self.assert_nothing_left(daemon, traces)
        else:
            self.assertEqual(result["cause"], "shutdown")
            daemon.nobody_was_left = True
            daemon.close_client()
            daemon.process.wait(timeout=20 * SCALE)
            self.assertEqual(daemon.process.returncode, 1)
            self.assertEqual(traces.wait_gone(), {})
            daemon.start()
            self.assert_works(daemon)
            self.remove_runtime_dir(daemon)

    def test_J1_kill_9_of_everything_at_once(self):
        """Nobody is left to clean up, so what is left must be nothing but the name of the socket; the next daemon takes that over."""
        for order in ("dayflyd dayfly-keeper dayfly-warden", "dayfly-warden dayfly-keeper dayflyd", "dayfly-keeper dayflyd dayfly-warden"):
            daemon = self.new_daemon()
            daemon.nobody_was_left = True
            self.running_tasks(daemon.client(), 4)
            traces = Traces(self.stage)
            for name in order.split():
                for pid in traces.named(name):
                    with contextlib.suppress(ProcessLookupError):  # the death of the one before was its own
                        os.kill(pid, signal.SIGKILL)
            daemon.process.wait(timeout=20 * SCALE)
            self.assert_nothing_left(daemon, traces, socket_may_stay=True)
            self.assertLessEqual({os.path.relpath(p, daemon.run_dir) for p in self.runtime_files(daemon)}, {"dayfly", "dayfly/dayfly.sock"})
            daemon.close_client()
            daemon.start()
            self.assert_works(daemon)
            self.remove_runtime_dir(daemon)

    def test_J1_kill_9_of_all_jail_inits(self):
        daemon = self.new_daemon()
        client = daemon.client()
        tags = self.running_tasks(client, 5)
        traces = Traces(self.stage)
        for pid in traces.named("dayfly-init"):
            os.kill(pid, signal.SIGKILL)
        for tag, task in tags:
            result = client.finish(tag, task)[1]
            self.assertEqual((result["outcome"], result["cause"]), ("error", "internal"), result)
        self.assertTrue(wait_until(lambda: len(traces.left()) == 3, GONE), traces.left())
        self.assert_works(daemon)

    def test_J1_kill_9_of_the_tasks_main_process_from_outside(self):
        daemon = self.new_daemon()
        client = daemon.client()
        tag, task = client.start({"argv": ["sleep", "97531"]})
        client.wait_state(tag, "running")
        sleeper, = (pid for pid, name in Traces(self.stage).names.items() if name == "sleep")
        os.kill(sleeper, signal.SIGKILL)
        result = client.finish(tag, task)[1]
        self.assertEqual((result["outcome"], result["cause"], result["exit"]["signal"]), ("failed", "signal", 9))
