"""A tar of what a task changed, sent to the client: it holds all of it and nothing else, whatever the task left behind."""
import contextlib
import io
import os
import socket
import subprocess
import tarfile
import threading
import time

from dayfly_client import SCALE
from dayfly_test import PROBE, Run, in_modes

TREE = """mkdir -p old/sub gone/deep; echo 1 > keep; echo 1 > mod; echo 1 > del; echo 1 > mode; echo 1 > old/a; echo 1 > old/sub/b
echo 1 > gone/x; echo 1 > gone/deep/y; ln -s keep link; ln -s keep relink; echo 1 > replaced; echo 1 > touched"""


class Reader(threading.Thread):
    """Reads a pipe or socket to its end."""

    def __init__(self, fd):
        super().__init__()
        self.fd, self.data, self.begin, self.seconds = fd, b"", time.monotonic(), 0
        self.start()

    def run(self):
        parts = []
        while True:
            part = os.read(self.fd, 1 << 20)
            if not part:
                break
            parts.append(part)
        self.data = b"".join(parts)
        self.seconds = time.monotonic() - self.begin

    def result(self, seconds=60):
        self.join(seconds * SCALE)
        if self.is_alive():
            raise TimeoutError("the tar has no end")
        os.close(self.fd)
        return self.data


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: m for m in tar.getmembers()}


def content(data, name):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.extractfile(name).read()


class Cases:
    def setUp(self):
        super().setUp()
        self.work = self.make_dir()
        with self.stage.as_process() as kwargs:
            subprocess.run(["sh", "-ec", TREE], cwd=self.work, check=True, **kwargs)

    def cow(self):
        return {"path": self.work, "mode": "cow", "target": "/srv/work"}

    def start(self, script, fd, changes=None, **task):
        task = self.task(["sh", "-c", "cd /srv/work\n" + script], workspace=self.cow(), changes=dict({"fd": 0}, **(changes or {})), **task)
        return self.client.start(task, fds=[fd])

    def collect(self, script, changes=None, **task):
        """Returns the run and the bytes of the tar."""
        out, into = os.pipe()
        reader = Reader(out)
        try:
            tag, name = self.start(script, into, changes, **task)
        finally:
            os.close(into)
        run = self.client.finish(tag, name, make=Run)
        return run, reader.result()

    def archive(self, run):
        a = run.result["changes"]["archive"]
        self.assertTrue(a["complete"], run)
        return a


@in_modes
class Tar(Cases):
    def test_it_holds_what_changed_and_nothing_else(self):
        run, data = self.collect("""set -e
echo 2 > mod; rm del; chmod 755 mode; rm -r gone; mv old renamed; ln -sfn mod relink; rm replaced; mkdir replaced; echo 1 > replaced/in
head -c 1000 /dev/zero > new; mkdir -m 700 empty; ln -s /etc/passwd newlink; cp -p touched t; rm touched; mv t touched; chmod 4755 new""")
        self.assert_ok(run)
        found = members(data)
        self.assertEqual(sorted(found), sorted([
            "mod", ".wh.del", "mode", "gone/deep/.wh.y", "gone/.wh.deep", "gone/.wh.x", ".wh.gone", "old/.wh.a", "old/sub/.wh.b", "old/.wh.sub",
            ".wh.old", "renamed", "renamed/a", "renamed/sub", "renamed/sub/b", "relink", ".wh.replaced", "replaced", "replaced/in", "new", "empty",
            "newlink"]))
        self.assertEqual((found["mod"].mode, found["mode"].mode, found["new"].mode, found["empty"].mode), (0o644, 0o755, 0o755, 0o700))
        self.assertEqual((found["newlink"].type, found["newlink"].linkname, found["empty"].type), (tarfile.SYMTYPE, "/etc/passwd", tarfile.DIRTYPE))
        self.assertEqual({(m.uid, m.gid, m.uname) for m in found.values()}, {(0, 0, "")})
        self.assertEqual(sorted(n for n, m in found.items() if m.devminor), ["mod", "mode", "relink"])
        self.assertEqual((content(data, "mod"), content(data, "new")), (b"2\n", b"\0" * 1000))
        a = self.archive(run)
        self.assertEqual((a["bytes"], a["left_out"], a["error"]), (len(data), 0, None))
        self.assertEqual(sorted(os.listdir(self.work)), ["del", "gone", "keep", "link", "mod", "mode", "old", "relink", "replaced", "touched"])

    def test_tar_unpacks_it(self):
        name = "n" * 120
        run, data = self.collect("mkdir -p %s/%s; echo long > %s/%s/f; ln -s %s/%s/%s lnk; printf 'x' > 'new\nline'; printf 2 > \"$(printf 'by\\377te')\"" % ((name,) * 7))
        self.assert_ok(run)
        place = self.make_dir()
        done = subprocess.run(["tar", "-x", "-f", "-", "-C", place], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        with open(os.path.join(place, name, name, "f")) as f:
            self.assertEqual(f.read(), "long\n")
        self.assertEqual(os.readlink(os.path.join(place, "lnk")), "/".join([name] * 3))
        self.assertEqual(sorted(os.listdir(place.encode())), sorted([name.encode(), b"lnk", b"new\nline", b"by\xffte"]))

    def test_nothing_changed_is_an_empty_tar(self):
        run, data = self.collect("cat keep >/dev/null")
        self.archive(self.assert_ok(run))
        self.assertEqual((data, members(data)), (b"\0" * 1024, {}))

    def test_it_comes_after_failure_timeout_and_cancel(self):
        run, data = self.collect("echo x > new; exit 3")
        self.assertEqual((run.code, sorted(members(data))), (3, ["new"]))
        run, data = self.collect("trap '' TERM; echo x > new; while :; do sleep 0.1; done", limits={"wall": "%ds" % (2 * SCALE), "grace": "100ms"})
        self.assertEqual((run.cause, sorted(members(data))), ("timeout_wall", ["new"]))
        out, into = os.pipe()
        reader = Reader(out)
        tag, task = self.start("echo x > new; echo made; exec sleep 60", into)
        os.close(into)
        self.client.wait_output(tag, b"made")
        self.client.call("cancel", task=task)
        run = self.client.finish(tag, task, make=Run)
        self.assertEqual((run.cause, sorted(members(reader.result()))), ("cancel", ["new"]))

    def test_a_command_that_is_not_there_changes_nothing(self):
        out, into = os.pipe()
        reader = Reader(out)
        tag, task = self.client.start(self.task(["no-such-command"], workspace=self.cow(), changes={"fd": 0}), fds=[into])
        os.close(into)
        run = self.client.finish(tag, task, make=Run)
        self.assertEqual((run.cause, run.result["changes"]["archive"], reader.result()), ("exec", None, b""))

    def test_A5_links_are_links_and_lead_nowhere(self):
        secret = self.make_file(os.path.join(self.make_dir(), "secret"), "host secret " * 10, mode=0o600)
        run, data = self.collect("""ln -s /etc/shadow a; ln -s ../../../../../../../etc/shadow b; ln -s %s c; ln -s d e; ln -s e d
rm -r gone; ln -s / gone; mkdir x; ln -s ../.. x/up; rm keep; ln -s /proc/1/environ keep; rm -r old; ln -s %s old""" % (secret, os.path.dirname(secret)))
        self.assert_ok(run)
        found = members(data)
        self.assertEqual(sorted(n for n, m in found.items() if m.issym()), ["a", "b", "c", "d", "e", "gone", "keep", "old", "x/up"])
        self.assertFalse([n for n, m in found.items() if m.size], "no contents at all")
        self.assertNotIn(b"host secret", data)

    def test_A6_odd_files_are_left_out_and_told(self):
        run, data = self.collect("""mkfifo fifo; rm keep; mkfifo keep; truncate -s 1T sparse; truncate -s 10M holes; echo x >> holes; echo fine > fine
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'; echo > .wh.fake; mkdir .wh.dir; echo > .wh.dir/in""", changes={"bytes": "16MiB"})
        self.assert_ok(run)
        a = self.archive(run)
        self.assertEqual(sorted(members(data)), ["fine", "holes"])
        self.assertEqual(a["left_out"], 7, "fifo, keep, sparse, sock and the three that look like deletions")
        self.assertEqual(content(data, "holes"), b"\0" * (10 << 20) + b"x\n")

    def test_A7_hard_links_are_copies(self):
        run, data = self.collect("ln keep one; echo more >> one; ln one two")
        self.assertEqual({n: (m.type, content(data, n)) for n, m in members(data).items()},
                         {n: (tarfile.REGTYPE, b"1\nmore\n") for n in ("keep", "one", "two")})

    def test_A8_names_exchanged_until_the_end(self):
        outside = self.make_dir()
        self.make_file(os.path.join(outside, "in"), "outside")
        for _ in range(3):
            run, data = self.collect("mkdir dir; echo inside > dir/in; ln -s %s swap; %s swap dir swap 5 & sleep 0.1; exit 0" % (outside, PROBE))
            self.archive(self.assert_ok(run))
            self.assertNotIn(b"outside\n", data)
            self.assertEqual(data.count(b"inside\n"), 1)

    def test_a_cap_leaves_out_what_has_no_room(self):
        run, data = self.collect("head -c 100000 /dev/zero > big; echo small > small; for i in 1 2 3; do head -c 30000 /dev/zero > part$i; done",
                                 changes={"bytes": "70000"})
        a = self.archive(self.assert_ok(run))
        self.assertIn("small", members(data))
        self.assertNotIn("big", members(data))
        self.assertEqual(a["left_out"], 5 - len(members(data)))
        self.assertLessEqual(len(data), 70000)

    def test_deep_trees_are_told(self):
        run, data = self.collect("""python3 -c '
import os
for i in range(300):
    os.mkdir("d"); os.chdir("d")
open("far", "w").close()'; echo near > near""")
        a = self.archive(self.assert_ok(run))
        self.assertEqual((a["left_out"], run.result["changes"]["left_out"], len(members(data))), (1, 1, 257))

    def test_a_reader_that_stands_still_costs_its_own_slot_for_so_long(self):
        out, into = os.pipe()
        tag, task = self.start("head -c 1000000 /dev/urandom > big", into, {"timeout": "500ms"})
        os.close(into)
        begin = time.monotonic()
        self.assertEqual(self.client.call("ping")["protocol"], 1)
        run = self.client.finish(tag, task, make=Run)
        self.assertLess(time.monotonic() - begin, 15 * SCALE)
        a = run.result["changes"]["archive"]
        self.assertEqual((run.code, a["complete"], a["error"]), (0, False, "it took too long"))
        os.close(out)

    def test_a_pipe_that_is_made_to_wait_holds_nobody_up(self):
        out, into = os.pipe()
        tag, task = self.start("head -c 1000000 /dev/urandom > big; sleep 0.2", into, {"timeout": "1s"})
        end = threading.Event()

        def spoil():
            while not end.is_set():
                os.set_blocking(into, True)
        spoiler = threading.Thread(target=spoil)
        spoiler.start()
        try:
            begin = time.monotonic()
            run = self.client.finish(tag, task, make=Run)
            self.assertLess(time.monotonic() - begin, 15 * SCALE)
        finally:
            end.set()
            spoiler.join()
        self.assertEqual(run.result["changes"]["archive"]["complete"], False)
        self.assertEqual(run.result["changes"]["added"], 1, "what was counted is told all the same")
        os.close(into)
        os.close(out)

    def test_a_reader_that_goes_ends_it_at_once(self):
        out, into = os.pipe()
        tag, task = self.start("head -c 1000000 /dev/urandom > big; sleep 0.2", into)
        os.close(into)
        os.close(out)
        begin = time.monotonic()
        run = self.client.finish(tag, task, make=Run)
        self.assertLess(time.monotonic() - begin, 15 * SCALE)
        self.assertEqual((run.result["changes"]["archive"]["error"], run.result["changes"]["added"]), ("nobody reads it any more", 1))

    def test_a_socket_does_too(self):
        ours, theirs = socket.socketpair()
        reader = Reader(os.dup(ours.fileno()))
        with contextlib.closing(ours), contextlib.closing(theirs):
            tag, task = self.start("head -c 3000000 /dev/zero > big", theirs.fileno())
            theirs.close()
            self.archive(self.client.finish(tag, task, make=Run))
            self.assertEqual(members(reader.result())["big"].size, 3000000)

    def test_what_can_hold_the_daemon_up_is_refused(self):
        place = self.make_file(os.path.join(self.make_dir(), "file"))
        out, into = os.pipe()
        datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with open(place, "r+b") as file, open("/dev/null", "r+b") as null, contextlib.closing(datagrams[0]), contextlib.closing(datagrams[1]):
            for fd in (file.fileno(), null.fileno(), out, datagrams[0].fileno()):
                self.refused("bad_value", field="task.changes.fd", workspace=self.cow(), changes={"fd": 0}, fds=[fd])
            self.refused("bad_value", field="task.changes.fd", workspace=self.cow(), changes={"fd": 1}, fds=[into])
            self.refused("missing_field", field="task.changes.fd", workspace=self.cow(), changes={}, fds=[into])
            self.refused("out_of_range", field="task.changes.timeout", workspace=self.cow(), changes={"fd": 0, "timeout": "11m"}, fds=[into])
            for workspace in ({}, {"workspace": dict(self.cow(), mode="rw")}):
                self.refused("bad_value", field="task.changes", changes={"fd": 0}, fds=[into], **workspace)
        os.close(into)
        self.assertEqual(os.read(out, 1), b"", "nobody has kept it")
        os.close(out)

    def test_the_task_cannot_write_into_it(self):
        out, into = os.pipe()
        reader = Reader(out)
        number = os.fstat(into).st_ino
        tag, task = self.start("ls -l /proc/self/fd /proc/1/fd 2>&1; for i in 3 4 5 6 7 8 9; do (echo bad >&$i) 2>/dev/null; done; true", into)
        os.close(into)
        run = self.assert_ok(self.client.finish(tag, task, make=Run))
        self.assertNotIn("pipe:[%d]" % number, run.text())
        self.assertIn("pipe:[", run.text(), "others are seen")
        self.assertEqual(reader.result(), b"\0" * 1024)

    def test_inspect_tells_what_was_asked_for(self):
        out, into = os.pipe()
        tag, task = self.start("echo up; exec sleep 60", into, {"bytes": "1MiB", "timeout": "5s"})
        os.close(into)
        self.client.wait_output(tag, b"up")
        self.assertEqual(self.client.call("inspect", task=task)["spec"]["changes"], {"bytes": 1 << 20, "timeout_ms": 5000})
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)
        os.close(out)


@in_modes
class TarOnDisk(Tar):
    daemon_args = ("--upper", "disk")
