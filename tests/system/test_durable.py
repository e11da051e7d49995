"""What is kept over the machine's death is on the disk before anybody is told that it is kept: uploads and webhooks, on a disk that hangs or fails."""
import errno
import os
import time

from dayfly_client import SCALE
from dayfly_test import in_modes

from common import wait_until
from test_shim import Shim
from test_uploads import Sending
from test_webhooks import Hooked


class Disk:
    """Mixed in: a daemon whose syncs do as the test says."""

    def new_daemon(self, *args, **more):
        if os.environ.get("ASAN_OPTIONS"):
            self.skipTest("AddressSanitizer has an allocator of its own, which comes first")
        self.shim = Shim(self)
        return super().new_daemon(*args, env=self.shim.env(), **more)

    def tearDown(self):
        self.shim.set_sync()
        super().tearDown()

    def assert_hangs(self):
        self.assertTrue(wait_until(lambda: self.shim.syncs() > 0), "it has begun")
        time.sleep(0.3)


@in_modes
class Uploads(Disk, Sending):
    TASK = {"argv": ["sh", "-c", "echo content >a.txt"], "cwd": "/tmp", "artifacts": {"files": [{"glob": "*.txt"}], "upload": {"target": "web"}}}

    def test_J12_a_result_waits_for_its_files_and_nobody_else_does(self):
        receiver = self.receiver()
        daemon = self.sending(receiver)
        for what in (".spool", ".upload"):
            receiver.got.clear()
            self.shim.set_sync(what, hangs=True)
            client = daemon.connect()
            self.addCleanup(client.close)
            tag, task = client.start(self.TASK)[:2]
            self.assert_hangs()
            other = daemon.client()
            self.assertEqual(other.run({"argv": ["true"]})[1]["outcome"], "ok")
            self.assertEqual(other.call("inspect", task=task)["result"], None)
            self.assertEqual(self.uploads(daemon, task), [])
            self.assertEqual(receiver.got, [])
            self.shim.set_sync()
            result = client.finish(tag, task)[1]
            self.assertEqual(result["artifacts"]["list"][0]["upload"]["state"], "queued")
            self.assertEqual(self.ended(daemon, task)["a.txt"]["state"], "done")
            self.assertEqual([g.body for g in receiver.got], [b"content\n"])

    def test_J12_what_cannot_be_brought_to_the_disk_is_not_said_to_be_kept(self):
        receiver = self.receiver()
        daemon = self.sending(receiver)
        for what, number, code in ((".spool", errno.ENOSPC, "no_space"), (".upload", errno.EIO, "internal")):
            self.shim.set_sync(what, errno=number)
            result = self.send_files(daemon)
            self.assertEqual(result["outcome"], "ok")
            upload = result["artifacts"]["list"][0]["upload"]
            self.assertEqual((upload["state"], upload["error"]["code"]), ("failed", code), upload)
            self.assertIn("bring the files to the disk", upload["error"]["message"])
            self.assert_nothing_waits(daemon)
        self.assertEqual(receiver.n_connections, 0)
        self.shim.set_sync()
        self.assertEqual(self.ended(daemon, self.send_files(daemon)["task"])["a.txt"]["state"], "done", "the control")

    def test_a_daemon_that_stops_meanwhile_still_tells_the_result(self):
        receiver = self.receiver()
        daemon = self.sending(receiver)
        self.shim.set_sync(".spool", hangs=True)
        client = daemon.connect()
        self.addCleanup(client.close)
        tag, task = client.start(self.TASK)[:2]
        self.assert_hangs()
        daemon.process.terminate()
        time.sleep(0.2)
        self.shim.set_sync()
        self.assertEqual(client.finish(tag, task)[1]["artifacts"]["list"][0]["upload"]["state"], "queued")
        self.assertEqual(daemon.process.wait(20 * SCALE), 0)
        daemon.close_client()
        daemon.start()
        self.assertEqual(self.ended(daemon, task)["a.txt"]["state"], "done")


@in_modes
class Webhooks(Disk, Hooked):
    def test_J12_a_task_is_accepted_when_who_is_to_be_told_of_its_end_is_on_the_disk(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        self.shim.set_sync(".promise", hangs=True)
        client = daemon.connect()
        self.addCleanup(client.close)
        tag = client.send("run", detach=True, task={"argv": ["sleep", "0.1"], "webhooks": [{"url": receiver.url()}]})
        self.assert_hangs()
        client.call("ping")
        self.assertEqual(client.call("info")["webhooks"]["waiting"], 0)
        self.assertEqual([e for e in client.queue if e.get("id") == tag], [], "not accepted yet")
        self.shim.set_sync()
        self.assertEqual(client.next_for(tag)["event"], "accepted")
        self.assertTrue(wait_until(lambda: receiver.events("finished")))

    def test_J12_a_promise_that_fails_is_told_in_the_log_and_the_task_runs(self):
        receiver = self.receiver()
        daemon = self.hooked(receiver)
        self.shim.set_sync(".promise", errno=errno.EIO)
        result = self.detached(daemon, receiver)
        self.assertEqual(result["outcome"], "ok")
        self.assertIn("if the machine dies before its end, nobody is told of that: Input/output error", self.whole_log(daemon))
        self.assertTrue(wait_until(lambda: receiver.events("finished")))

    def detached(self, daemon, receiver):
        client = daemon.client()
        task = client.call("run", detach=True, task={"argv": ["true"], "webhooks": [{"url": receiver.url()}]})["task"]
        return client.call("wait", task=task)

    def test_J12_the_promise_stays_until_the_event_in_its_place_is_on_the_disk(self):
        receiver = self.receiver()
        receiver.default = "hang"
        daemon = self.hooked(receiver, "timeout = 30s")
        self.shim.set_sync(".event", hangs=True)
        self.detached(daemon, receiver)
        self.assert_hangs()
        state = os.path.join(daemon.place, "state")

        def left(ending):
            return [f for _, _, files in os.walk(state) for f in files if f.endswith(ending)]

        self.assertEqual((len(left(".promise")), len(left(".event"))), (1, 1))
        self.shim.set_sync()
        self.assertTrue(wait_until(lambda: not left(".promise")))
        self.assertEqual(len(left(".event")), 1)
