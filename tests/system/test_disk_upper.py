"""Private layers on disk, for kernels whose tmpfs cannot hold them: the same promises, and nothing stays on disk; J1, J14."""
import contextlib
import os
import signal
import time

from dayfly_client import SCALE
from dayfly_test import DaemonError, in_modes

from common import GONE, OwnDaemons, Traces, kill_daemon, wait_until

MESS = ("mkdir -p a/b/c; head -c 300000 /dev/zero >a/b/c/file; mkdir locked; touch locked/x; chmod 000 locked a/b; "
        "i=0; while [ $i -lt 60 ]; do mkdir -p d; cd d; i=$((i+1)); done; touch deep; ")


@in_modes
class OnDisk(OwnDaemons):
    def new(self):
        daemon = self.new_daemon("--upper", "disk")
        self.assertTrue(daemon.client().call("info")["warden"]["upper_on_disk"])
        return daemon

    def layers(self, daemon):
        """What lies in the wardens' directories; and how many such directories there are."""
        tops = [os.path.join(daemon.state_dir, name) for name in daemon.state_files()]
        found = []
        for top in tops:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                found += [os.path.join(top, name) for name in os.listdir(top)]
        return found, len(tops)

    def running(self, client, n):
        tags = [client.start({"argv": ["sh", "-c", MESS + "echo up; trap '' TERM; while :; do sleep 0.05; done"],
                              "limits": {"grace": "100ms"}}) for _ in range(n)]
        for tag, _ in tags:
            client.wait_output(tag, b"up")
        return tags

    def test_J14_each_task_takes_its_layer_with_it(self):
        daemon = self.new()
        client = daemon.client()
        for script in (MESS + "exit 0", MESS + "exit 4", MESS + "kill -9 $$", "exec no-such-command", "sleep 97531 & " + MESS):
            client.run({"argv": ["sh", "-c", script]}, timeout=60)
            self.assertTrue(wait_until(lambda: self.layers(daemon) == ([], 1), GONE), self.layers(daemon))

    def test_a_limit_that_nothing_holds_here_is_refused_unless_the_best_is_good_enough(self):
        client = self.new().client()
        for limit, value in (("disk", "8MiB"), ("inodes", 1000)):
            with self.assertRaises(DaemonError) as refused:
                client.run({"argv": ["true"], "limits": {limit: value}})
            self.assertEqual((refused.exception.code, refused.exception.field), ("limit_unenforceable", "task.limits." + limit))
            self.assertIn("--best-effort " + limit, refused.exception.error["hint"])
        fill = "head -c 20M /dev/zero >/tmp/one; head -c 6M /dev/zero >/tmp/two && echo both"
        _, result, stdout, stderr, _ = client.run({"argv": ["sh", "-c", fill], "limits": {"disk": "8MiB"}, "best_effort": ["disk"]})
        self.assertEqual((result["outcome"], stdout), ("ok", b"both\n"), stderr)
        self.assertIn(b"File size limit exceeded", stderr)
        self.assertEqual(sorted(d["control"] for d in result["degraded"]), ["disk", "disk_limit"])
        self.assertNotIn("disk_limit", result["enforced"])

    def test_directories_of_the_lower_layer_can_be_removed_and_made_again(self):
        """What fails in a user namespace where the overlay has its marks in the wrong attributes."""
        top = self.make_dir()
        os.makedirs(os.path.join(top, "sub", "deeper"))
        for path in (os.path.join(top, "sub"), os.path.join(top, "sub", "deeper")):
            self.stage.give(path)
        self.make_file(os.path.join(top, "sub", "file"), "x")
        client = self.new().client()
        script = "rm -rf sub && mkdir sub && ls -A sub | wc -l && mv sub other && ls"
        _, result, stdout, stderr, _ = client.run({"argv": ["sh", "-c", script],
                                                   "workspace": {"path": top, "mode": "cow", "target": "/mnt/w"}})
        self.assertEqual((result["outcome"], stdout), ("ok", b"0\nother\n"), stderr)
        self.assertEqual(sorted(os.listdir(os.path.join(top, "sub"))), ["deeper", "file"])

    def test_a_tree_that_is_slow_to_remove_does_not_hold_up_others(self):
        daemon = self.new()
        client = daemon.client()
        big = client.start({"argv": ["sh", "-c",
                                     "cd /tmp && i=0; while [ $i -lt 80 ]; do mkdir $i; (cd $i; touch 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16); i=$((i+1)); done"]})
        for _ in range(10):
            began = time.monotonic()
            client.call("ping")
            self.assertLess(time.monotonic() - began, 5 * SCALE)
            self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
        self.assertEqual(client.finish(*big)[1]["outcome"], "ok")

    def test_J1_kill_9_of_dayflyd_leaves_nothing_on_disk(self):
        daemon = self.new()
        self.running(daemon.client(), 5)
        self.assertTrue(wait_until(lambda: len(self.layers(daemon)[0]) == 5), self.layers(daemon))
        traces = Traces(self.stage)
        kill_daemon(daemon)
        self.assertEqual(traces.wait_gone(), {})
        self.assertTrue(wait_until(lambda: not daemon.state_files(), GONE), daemon.state_files())
        self.assert_nothing_left(daemon, traces)

    def test_J1_kill_9_of_the_warden_its_layers_are_swept_by_the_next(self):
        daemon = self.new()
        client = daemon.client()
        tags = self.running(client, 3)
        os.kill(daemon.wardens()[0], signal.SIGKILL)
        for tag, task in tags:
            self.assertEqual(client.finish(tag, task)[1]["cause"], "warden_lost")
        self.assertEqual(client.run({"argv": ["true"]}, timeout=60)[1]["outcome"], "ok")
        self.assertTrue(wait_until(lambda: self.layers(daemon) == ([], 1), GONE), self.layers(daemon))
        daemon.close_client()
        kill_daemon(daemon, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not daemon.state_files(), GONE))

    def test_J1_kill_9_of_everything_is_swept_at_the_next_start(self):
        daemon = self.new()
        daemon.nobody_was_left = True
        self.running(daemon.client(), 3)
        traces = Traces(self.stage)
        # All at once: the last one must not have the time to remove anything.
        pids = [pid for name in ("dayflyd", "dayfly-keeper", "dayfly-warden") for pid in traces.named(name)]
        for signo in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, signo)
        daemon.process.wait(timeout=20 * SCALE)
        self.assertEqual(traces.wait_gone(), {})
        self.assertEqual(len(self.layers(daemon)[0]), 3, "nobody was left to remove them")
        daemon.close_client()
        daemon.start()
        self.assertTrue(wait_until(lambda: self.layers(daemon) == ([], 1), GONE), self.layers(daemon))
        kill_daemon(daemon, signal.SIGTERM)
        self.remove_runtime_dir(daemon)

    def test_a_clean_end_leaves_nothing_on_disk(self):
        daemon = self.new()
        self.running(daemon.client(), 2)
        daemon.close_client()
        kill_daemon(daemon, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not daemon.state_files(), GONE))

    # Two trees, of long and of many names, each closed at its end; never is a whole path said.
    DEEP = """import os
for length, depth in ((255, 150), (1, 1500)):
    os.chdir("/tmp"); os.mkdir(str(length)); os.chdir(str(length))
    for n in range(depth):
        os.mkdir("d" * length); os.chdir("d" * length)
    open("deepest", "w").close()
    os.chmod("..", 0)
print("made")"""

    def test_G8_a_tree_deeper_than_any_path_is_removed(self):
        daemon = self.new()
        _, result, stdout, stderr, _ = daemon.client().run({"argv": ["python3", "-c", self.DEEP]}, timeout=60)
        self.assertEqual((result["outcome"], stdout), ("ok", b"made\n"), stderr)
        self.assertTrue(wait_until(lambda: self.layers(daemon) == ([], 1), 60, 0.05), self.layers(daemon))
