"""How much of the state directory artifacts of one user may take (G6): max_spool_per_user."""
from dayfly_host import USER
from dayfly_test import in_modes

from common import wait_until
from test_uploads import Sending

MIB = 1 << 20


@in_modes
class Bounded(Sending):
    def task(self, n, to=None):
        artifacts = {"files": [{"glob": "big"}]}
        artifacts.update(to or {"to": "events"})
        return {"argv": ["sh", "-c", "head -c %d /dev/zero >big" % n], "cwd": "/tmp", "artifacts": artifacts}

    def hold(self, daemon, n):
        """Artifacts of that size that nobody reads. Returns the connection and the request."""
        client = daemon.connect()
        self.addCleanup(client.close)
        tag, task = client.start(self.task(n))[:2]
        self.assertTrue(wait_until(lambda: daemon.client().call("inspect", task=task)["result"], 20))
        return client, tag, task

    def test_G6_one_user_fills_no_more_than_his_share(self):
        daemon = self.configured("[daemon]\nmax_spool_per_user = 8MiB\n" + ("[access]\nall = yes\n" if self.mode == "root" else ""))
        client = daemon.client()
        _, result = client.run(self.task(5 * MIB))[:2]
        self.assertEqual(result["artifacts"]["list"][0]["error"], "too large", "half of what is left is the most")
        held = [self.hold(daemon, 3 * MIB), self.hold(daemon, 2 * MIB), self.hold(daemon, MIB + 65536)]
        _, result = client.run(self.task(10))[:2]
        error = result["error"]
        self.assertEqual((error["code"], error["field"]), ("no_space", "task.artifacts"), result)
        self.assertRegex(error["message"], "6.* MiB of artifacts of this user .*, of 8.* MiB that he may have")
        self.assertIn("max_spool_per_user in [daemon]", error["hint"])
        _, result = client.run({"argv": ["true"]})[:2]
        self.assertEqual(result["outcome"], "ok", "others do not need room")
        if self.mode == "root":
            other = self.connect_to(daemon, USER + 1)
            self.assertEqual(other.run(self.task(MIB))[1]["outcome"], "ok", "another user has his own")
        # What is fetched, or given up, makes room again.
        self.assertEqual(held[0][0].finish(*held[0][1:])[1]["outcome"], "ok")
        held[1][0].close()
        self.assertTrue(wait_until(lambda: client.run(self.task(3 * MIB))[1]["artifacts"]["count"] == 1, 10))
        for connection, _, _ in held:
            connection.close()

    def test_G6_what_waits_to_be_sent_counts_too(self):
        receiver = self.receiver()
        receiver.default = "hang"
        daemon = self.sending(receiver, "[daemon]", "max_spool_per_user = 4MiB")
        web = {"upload": {"target": "web"}}
        for n in (2 * MIB - 65536, MIB - 65536):
            self.assertEqual(daemon.client().run(self.task(n, web))[1]["outcome"], "ok")
        for to in (web, None):
            error = daemon.client().run(self.task(10, to))[1]["error"]
            self.assertEqual((error["code"], error["field"]), ("no_space", "task.artifacts"))
        # Nothing is left of what was refused.
        self.assertEqual(len(self.uploads(daemon)), 2)
