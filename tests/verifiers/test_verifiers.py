"""M12: what dayflyd sends is taken by the libraries that receivers use, standardwebhooks and cloudevents from npm. Run by `make
check-verifiers`, which installs them."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from dayfly_hooks import SECRET  # noqa: E402
from dayfly_test import in_modes  # noqa: E402

from test_webhooks import ALL, Hooked  # noqa: E402


class Port:
    def __init__(self, port):
        self.port = port


@in_modes
class Verifiers(Hooked):
    def test_M12_others_libraries_take_what_is_sent(self):
        node = subprocess.Popen(["node", "verify.mjs"], cwd=os.environ["DAYFLY_VERIFIERS"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                env=dict(os.environ, WEBHOOK_SECRET=SECRET), text=True)
        self.addCleanup(node.stdout.close)
        self.addCleanup(node.wait)
        self.addCleanup(node.kill)
        port = int(node.stdout.readline())
        daemon = self.hooked(Port(port))
        url = "http://127.0.0.1:%d/" % port
        labels = {"job": 'ci "\\ ü'}
        for argv in (["true"], ["sh", "-c", "exit 3"], ["/no/such/program"]):
            result = self.run_hooked(daemon, url, ALL, argv, labels=labels, name="n")
            told = [json.loads(node.stdout.readline()) for _ in ALL if argv[0] != "/no/such/program" or _ != "started"]
            self.assertEqual([t.get("error") for t in told], [None] * len(told))
            self.assertEqual({t["type"] for t in told} - {"dayfly.task.started"}, {"dayfly.task.accepted", "dayfly.task.finished"})
            for one in told:
                self.assertTrue(one["same"])
                self.assertEqual((one["subject"], one["data"]["labels"]), (result["task"], labels))
                self.assertEqual(one["refuses"], {"body": True, "id": True, "time": True, "old": True})
            last = [t for t in told if t["type"] == "dayfly.task.finished"][0]
            self.assertEqual(last["data"]["result"]["outcome"], result["outcome"])
        self.wait_empty(daemon)
        self.assertEqual(self.count(daemon, "webhook_attempts_failed"), 0)
