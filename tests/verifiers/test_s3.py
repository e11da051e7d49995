"""M3: what dayflyd uploads is in the bucket of s3rver, which checks signatures, as the SDK of AWS reads it; also through `kill -9` half-way. Run by
`make check-verifiers`. UPLOAD_MIB=1024 takes a file of that size and prints what it cost."""
import hashlib
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from dayfly_test import in_modes  # noqa: E402

from common import kill_daemon, wait_until  # noqa: E402
from test_uploads import Sending  # noqa: E402

MIB = 1 << 20
SIZE = int(os.environ.get("UPLOAD_MIB", "64")) * MIB
MEMORY_MIB = 30  # of dayflyd, at the most


def peak_mib(daemon):
    with open("/proc/%d/status" % daemon.process.pid) as f:
        return [int(line.split()[1]) for line in f if line.startswith("VmHWM")][0] / 1024


@in_modes
class Bucket(Sending):
    def setUp(self):
        super().setUp()
        self.node = subprocess.Popen(["node", "s3.mjs", self.make_dir()], cwd=os.environ["DAYFLY_VERIFIERS"], stdout=subprocess.PIPE,
                                     stdin=subprocess.PIPE, text=True)
        for end in (self.node.stdout.close, self.node.stdin.close, self.node.wait, self.node.kill):
            self.addCleanup(end)
        self.port = int(self.node.stdout.readline())

    def found(self):
        self.node.stdin.write("\n")
        self.node.stdin.flush()
        return json.loads(self.node.stdout.readline())

    def bucket_daemon(self, key="S3RVER", *lines):
        path = os.path.join(self.make_dir(), "credentials")
        self.make_file(path, "[default]\naws_access_key_id = S3RVER\naws_secret_access_key = %s\n" % key, 0o600, owner=0 if self.mode == "root" else None)
        return self.sending(None, "target = s3 type=s3 endpoint=http://127.0.0.1:%d private=yes bucket=results" % self.port,
                            "target = s3 part_size=5MiB multipart_above=8MiB credentials=" + path, "max_bytes_per_user = 64GiB", *lines)

    def test_M3_a_large_file_gets_there_through_kill_9(self):
        daemon = self.bucket_daemon()
        work, digest = self.make_dir(), hashlib.sha256()
        with open(os.path.join(work, "big"), "wb") as f:
            block = os.urandom(MIB)
            for i in range(SIZE // MIB):
                block = hashlib.sha256(block).digest() + block[32:]
                f.write(block)
                digest.update(block)
            f.write(b"end")
            digest.update(b"end")
        os.chmod(os.path.join(work, "big"), 0o644)
        result = self.send_files(daemon, "true", ["big"], {"target": "s3"}, cwd="/", workspace={"path": work, "mode": "ro"},
                                 limits={"wall": "10m"})
        start = time.monotonic()
        self.assertEqual(result["artifacts"]["list"][0]["sha256"], digest.hexdigest(), result)
        self.assertTrue(wait_until(lambda: self.uploads(daemon)[0]["sent"] > SIZE / 2, 600), self.uploads(daemon))
        first = peak_mib(daemon)
        kill_daemon(daemon)
        daemon.close_client()
        daemon.start()
        self.assertGreater(self.uploads(daemon)[0]["sent"], SIZE / 2 - 2 * 5 * MIB)
        self.assertEqual(self.ended(daemon, result["task"], 600)["big"]["state"], "done")
        seconds, second = time.monotonic() - start, peak_mib(daemon)
        self.assertEqual(self.found(), {result["task"] + "/big": [SIZE + 3, digest.hexdigest()]})
        self.assert_nothing_waits(daemon)
        print("%s: %d MiB in %.1f s; most memory of dayflyd %.1f MiB, after kill -9 %.1f MiB" % (self.mode, SIZE // MIB, seconds, first, second))
        if "san-" not in os.environ.get("BUILD", ""):
            self.assertLess(max(first, second), MEMORY_MIB)

    def test_keys_with_all_that_signatures_stumble_over(self):
        daemon = self.bucket_daemon()
        names = ["a b", "c:d=e+f@g!h", "(i)*j'k~l", "ü%20&?#", "sub/m;n,o$p", "empty"]
        script = "mkdir sub; " + "; ".join("printf %%s '%s' >'%s'" % (n.replace("'", ""), n.replace("'", "'\\''")) for n in names[:-1]) + "; : >empty"
        result = self.send_files(daemon, "mkdir w; cd w; " + script, ["w"], {"target": "s3", "prefix": "x+y/"})
        self.assertEqual({u["state"] for u in self.ended(daemon, result["task"]).values()}, {"done"}, self.uploads(daemon))
        contents = {n: n.replace("'", "").encode() if n != "empty" else b"" for n in names}
        self.assertEqual(self.found(), {"x+y/w/" + n: [len(c), hashlib.sha256(c).hexdigest()] for n, c in contents.items()})

    def test_a_wrong_key_is_refused(self):
        daemon = self.bucket_daemon("WRONG")
        self.assert_failed(daemon, self.send_files(daemon, upload={"target": "s3"}), "403 .SignatureDoesNotMatch")
        self.assertEqual(self.found(), {})
