"""What a task changed in a copy-on-write workspace, as its result tells it."""
import base64
import os
import stat
import subprocess

from dayfly_client import SCALE
from dayfly_test import PROBE, in_modes

TREE = """mkdir -p old/sub gone/deep; echo 1 > keep; echo 1 > mod; echo 1 > del; echo 1 > mode; echo 1 > old/a; echo 1 > old/sub/b
echo 1 > gone/x; echo 1 > gone/deep/y; ln -s keep link; ln -s keep relink; echo 1 > replaced; echo 1 > touched"""


def names(result, kind=None):
    return sorted(e["path"] for e in result["changes"]["list"] if (kind is None or e["change"] == kind))


def entry(result, path):
    return next(e for e in result["changes"]["list"] if e.get("path") == path)


@in_modes
class Summary:
    def setUp(self):
        super().setUp()
        self.work = self.make_dir()
        with self.stage.as_process() as kwargs:
            subprocess.run(["sh", "-ec", TREE], cwd=self.work, check=True, **kwargs)

    def cow(self):
        return {"path": self.work, "mode": "cow", "target": "/srv/work"}

    def change(self, script, **task):
        return self.shell("cd /srv/work\n" + script, workspace=self.cow(), **task)

    def counts(self, result):
        c = result["changes"]
        return c["added"], c["modified"], c["deleted"]

    def test_every_kind_of_change_is_told(self):
        run = self.assert_ok(self.change("""set -e
echo 2 > mod; rm del; chmod 755 mode; rm -r gone; mv old renamed; ln -sfn mod relink; rm replaced; mkdir replaced; echo 1 > replaced/in
head -c 1000 /dev/zero > new; mkdir empty; ln -s /etc/passwd newlink; cp -p touched t; rm touched; mv t touched"""))
        c = run.result["changes"]
        self.assertEqual(names(run.result, "modified"), ["mod", "mode", "relink"], c)
        self.assertEqual(names(run.result, "added"), ["empty", "new", "newlink", "renamed", "renamed/a", "renamed/sub", "renamed/sub/b",
                                                      "replaced", "replaced/in"])
        self.assertEqual(names(run.result, "deleted"), ["del", "gone", "gone/deep", "gone/deep/y", "gone/x", "old", "old/a", "old/sub",
                                                        "old/sub/b", "replaced"])
        self.assertEqual(self.counts(run.result), (5, 3, 6), "files and links, no directories")
        self.assertEqual(entry(run.result, "new"), {"change": "added", "type": "file", "mode": "0644", "bytes": 1000, "path": "new"})
        self.assertEqual(entry(run.result, "newlink")["type"], "symlink")
        self.assertEqual(entry(run.result, "empty")["type"], "directory")
        self.assertEqual(entry(run.result, "mode")["mode"], "0755")
        self.assertEqual((c["truncated"], c["error"], c["left_out"]), (False, None, 0))
        self.assertGreaterEqual(c["bytes"], 1000)

    def test_a_directory_made_anew_shows_only_what_is_other(self):
        run = self.assert_ok(self.change("rm -r old gone; mkdir -p old/sub gone; echo 1 > old/a; echo 2 > old/sub/b; echo 1 > gone/new"))
        self.assertEqual((names(run.result, "modified"), names(run.result, "added"), names(run.result, "deleted")),
                         (["old/sub/b"], ["gone/new"], ["gone/deep", "gone/deep/y", "gone/x"]))

    def test_it_comes_after_failure_timeout_and_cancel(self):
        run = self.change("echo x > new; exit 3")
        self.assertEqual((run.code, names(run.result)), (3, ["new"]))
        run = self.change("echo x > new; exec sleep 60", limits={"wall": "%ds" % (2 * SCALE), "grace": "100ms"})
        self.assertEqual((run.cause, names(run.result)), ("timeout_wall", ["new"]))
        run = self.change("trap '' TERM; echo x > new; while :; do sleep 0.1; done", limits={"wall": "%ds" % (2 * SCALE), "grace": "100ms"})
        self.assertEqual((run.cause, names(run.result)), ("timeout_wall", ["new"]))
        tag, task = self.client.start({"argv": ["sh", "-c", "echo x > /srv/work/new; echo made; exec sleep 60"], "workspace": self.cow()})
        self.client.wait_output(tag, b"made")
        self.client.call("cancel", task=task)
        result = self.client.finish(tag, task)[1]
        self.assertEqual((result["cause"], names(result)), ("cancel", ["new"]))
        self.assertEqual(self.client.call("inspect", task=task)["result"]["changes"], result["changes"])

    def test_A6_odd_names_and_odd_files_are_told(self):
        run = self.assert_ok(self.change("""mkfifo fifo; rm keep; mkfifo keep; printf x > 'new
line'; printf x > "$(printf 'by\\377te')"; printf x > "$(printf 'esc\\033[31m')"; truncate -s 1T sparse; ln mod hard
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'"""))
        c = run.result["changes"]
        self.assertEqual(names_or_bytes(c), sorted([b"fifo", b"keep", b"new\nline", b"by\xffte", b"esc\x1b[31m", b"sparse", b"hard", b"sock"]))
        self.assertEqual(c["left_out"], 3, "fifo, keep and sock")
        self.assertEqual(entry(run.result, "sparse")["bytes"], 1 << 40)
        self.assertEqual(entry(run.result, "keep")["type"], "special")

    def test_A8_names_exchanged_until_the_end(self):
        outside = self.make_dir()
        self.make_file(os.path.join(outside, "file"), "outside")
        for _ in range(3):
            run = self.assert_ok(self.change("mkdir dir; echo x > dir/in; ln -s %s swap; %s swap dir swap 5 & sleep 0.1; exit 0" % (outside, PROBE)))
            self.assertFalse([n for n in names(run.result) if n.endswith("/file")], "nothing of the outside is looked at")
            self.assertEqual(self.counts(run.result)[0], 2)

    def test_the_list_ends_and_says_so(self):
        run = self.assert_ok(self.change("i=0; while [ $i -lt 300 ]; do echo > f$i; i=$((i+1)); done"))
        c = run.result["changes"]
        self.assertEqual((c["added"], c["truncated"], len(c["list"])), (300, True, 100))
        # Few names, but long ones: the list has a bound in bytes too.
        run = self.assert_ok(self.change("n=$(printf %0200d 0); mkdir -p $n/$n/$n/$n; cd $n/$n/$n/$n; for i in 1 2 3 4 5 6 7 8 9 a b c; do echo > $n$i; done"))
        c = run.result["changes"]
        self.assertEqual((c["added"], c["truncated"]), (12, True))
        self.assertLess(len(c["list"]), 16)

    def test_without_a_private_workspace_nothing_is_known(self):
        for workspace in (None, {"path": self.work, "mode": "rw", "target": "/srv/work"}):
            run = self.assert_ok(self.shell("true", **({"workspace": workspace} if workspace else {})))
            c = run.result["changes"]
            self.assertEqual([c[k] for k in ("added", "bytes", "left_out", "list", "truncated", "error")], [None] * 6)

    def test_A7_hard_links_are_files_like_others(self):
        before = os.stat(os.path.join(self.work, "keep"))
        run = self.assert_ok(self.change("ln keep one; ln one two; ln mod three; echo more >> three"))
        self.assertEqual((names(run.result, "added"), names(run.result, "modified")), (["one", "three", "two"], ["mod"]))
        after = os.stat(os.path.join(self.work, "keep"))
        self.assertEqual((after.st_nlink, after.st_ino, stat.S_IMODE(after.st_mode)), (before.st_nlink, before.st_ino, stat.S_IMODE(before.st_mode)))


@in_modes
class SummaryOnDisk(Summary):
    daemon_args = ("--upper", "disk")


def names_or_bytes(changes):
    return sorted(base64.b64decode(e["path_base64"]) if "path_base64" in e else e["path"].encode() for e in changes["list"])
