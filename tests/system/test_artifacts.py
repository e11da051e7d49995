"""Artifacts: files that a task leaves are kept, each with its digest, whatever else the task leaves; and nothing of the host is."""
import base64
import collections
import contextlib
import hashlib
import io
import os
import random
import socket
import subprocess
import tarfile
import threading
import time

from dayfly_client import SCALE
from dayfly_host import as_user, rss_kib
from dayfly_test import Run, in_modes

from common import assert_grown_less

class Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, fd):
        super().__init__()
        self.fd, self.data = fd, b""
        self.start()

    def run(self):
        parts = []
        while True:
            part = os.read(self.fd, 1 << 20)
            if not part:
                break
            parts.append(part)
        self.data = b"".join(parts)

    def result(self, seconds=60):
        self.join(seconds * SCALE)
        if self.is_alive():
            raise TimeoutError("the tar has no end")
        os.close(self.fd)
        return self.data


def files_of(data):
    """{name as bytes: content}"""
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        return {os.fsencode(m.name): tar.extractfile(m).read() for m in tar.getmembers()}


def name_of(item):
    return base64.b64decode(item["path_base64"]) if "path_base64" in item else item["path"].encode()


class Cases:
    def setUp(self):
        super().setUp()
        self.work = self.make_dir()

    def workspace(self, mode="cow"):
        return {"path": self.work, "mode": mode, "target": "/srv/work"}

    def keep(self, argv, globs, artifacts=None, mode="cow", **task):
        """Runs it. Returns the run and the files that came, after having compared the two."""
        if isinstance(argv, str):
            argv = ["sh", "-c", argv]
        files = [{"glob": g} if isinstance(g, str) else g for g in globs]
        if mode:
            task.update(workspace=self.workspace(mode))
        out, into = os.pipe()
        reader = Reader(out)
        try:
            tag, name = self.client.start(self.task(argv, artifacts=dict({"fd": 0, "files": files}, **(artifacts or {})), **task), fds=[into])
        finally:
            os.close(into)
        run = self.client.finish(tag, name, make=Run)
        data = reader.result()
        self.check(run.result["artifacts"], data)
        return run, files_of(data) if data and not run.result["artifacts"]["error"] else {}

    def check(self, a, data):
        """What the result says is what came."""
        if a["error"]:
            return
        self.assertEqual(a["archive_bytes"], len(data))
        found = files_of(data)
        taken = {name_of(i).lstrip(b"/"): i for i in a["list"] if i["error"] is None}
        self.assertEqual(a["count"], len(taken))
        for name, item in taken.items():
            self.assertEqual((len(found[name]), hashlib.sha256(found[name]).hexdigest()), (item["bytes"], item["sha256"]))
        self.assertEqual(a["bytes"], sum(len(found[n]) for n in taken))

    def errors(self, run):
        return {name_of(i): i["error"] for i in run.result["artifacts"]["list"] if i["error"]}


@in_modes
class Artifacts(Cases):
    def test_what_matches_is_kept_with_its_digest(self):
        run, found = self.keep("""mkdir -p dist/sub out/deep/er .hid; echo one > dist/a.whl; echo two > dist/b.txt; echo three > dist/sub/c.whl
printf x > out/deep/er/x; echo h > out/.hidden; echo no > .hid/n; chmod 751 dist/a.whl; mkdir -p /tmp/o; echo t > /tmp/o/t""",
                               ["dist/*.whl", "out", "**/c.whl", "/tmp/o/*"])
        self.assert_ok(run)
        self.assertEqual(found, {b"dist/a.whl": b"one\n", b"dist/sub/c.whl": b"three\n", b"out/deep/er/x": b"x", b"out/.hidden": b"h\n", b"tmp/o/t": b"t\n"})
        a = run.result["artifacts"]
        self.assertEqual((a["missing"], a["truncated"], a["error"]), ([], False, None))
        self.assertEqual([(i["path"], i["mode"]) for i in a["list"]][:2], [("/tmp/o/t", "0644"), ("dist/a.whl", "0751")])
        self.assertEqual(os.listdir(self.work), [])

    def test_without_a_workspace_they_lie_where_it_starts(self):
        run, found = self.keep("echo x > r1; mkdir d; echo y > d/r2", ["r*", "d/*"], mode=None)
        self.assertEqual(found, {b"r1": b"x\n", b"d/r2": b"y\n"}, run)
        run, found = self.keep("echo x > r1", ["r*"], mode=None, cwd="/tmp")
        self.assertEqual(found, {b"r1": b"x\n"}, run)

    def test_every_mode_of_a_workspace(self):
        self.make_file(os.path.join(self.work, "there"), b"old")
        for mode in ("cow", "ro", "rw"):
            run, found = self.keep("echo x > new; true", ["there", {"glob": "new", "required": False}], mode=mode)
            self.assert_ok(run)
            self.assertEqual(found, {b"there": b"old"} if mode == "ro" else {b"there": b"old", b"new": b"x\n"}, mode)

    def test_a_required_one_that_is_missing_fails_the_task(self):
        run, found = self.keep("true", ["none/*", {"glob": "nor", "required": False}])
        self.assertEqual((run.result["outcome"], run.cause, run.result["phase"], run.code, found), ("failed", "artifacts", "collect", 0, {}))
        self.assertEqual(run.result["artifacts"]["missing"], ["none/*"])
        run, found = self.keep("true", [{"glob": "nor", "required": False}])
        self.assert_ok(run)
        run, found = self.keep("exit 3", ["none"])
        self.assertEqual((run.result["outcome"], run.cause, run.code), ("failed", "exit", 3), "the task's own end says more")

    def test_they_come_after_failure_timeout_and_cancel(self):
        run, found = self.keep("echo x > f; exit 3", ["f"])
        self.assertEqual((run.code, found), (3, {b"f": b"x\n"}))
        run, found = self.keep("trap '' TERM; echo x > f; while :; do sleep 0.1; done", ["f"], limits={"wall": "%ds" % (2 * SCALE), "grace": "100ms"})
        self.assertEqual((run.cause, found), ("timeout_wall", {b"f": b"x\n"}))
        run, found = self.keep("exec no-such-command-at-all", ["f"])
        self.assertEqual((run.code, found), (127, {}))
        run, found = self.keep(["no-such-command"], ["f"])
        self.assertEqual((run.cause, run.result["artifacts"]["count"]), ("exec", None))

    def test_caps_hold(self):
        script = "for i in 1 2 3 4; do head -c 1000 /dev/zero > f$i; done"
        run, found = self.keep(script, [{"glob": "f*", "count": 2}])
        self.assertEqual((len(found), run.cause, run.result["artifacts"]["truncated"]), (2, "artifacts", True))
        run, found = self.keep(script, [{"glob": "f*", "bytes": 999}])
        self.assertEqual((found, set(self.errors(run).values())), ({}, {"too large"}))
        run, found = self.keep(script, ["f*"], limits={"artifacts": 2500})
        self.assertEqual((len(found), len(self.errors(run))), (2, 2))
        run, found = self.keep(script, [{"glob": "f*", "required": False}], limits={"artifact_files": 3})
        self.assertEqual((len(found), run.result["outcome"]), (3, "ok"))
        files = {"files": [{"glob": "f*"}], "to": "events"}
        self.refused("not_allowed", field="task.limits.artifacts", limits={"artifacts": "65GiB"}, artifacts=files)
        # Caps of nothing.
        for name, value in (("artifacts", "1GiB"), ("artifact_files", 1)):
            self.refused("bad_value", field="task.limits." + name, limits={name: value})
            self.assert_ok(self.run_task(["true"], limits={name: value}, artifacts={"files": [{"glob": "f*", "required": False}], "to": "events"}))

    def test_what_makes_no_sense_is_refused(self):
        out, into = os.pipe()
        file = {"glob": "x"}
        for field, artifacts in (("task.artifacts.files[0].glob", {"fd": 0, "files": [{"glob": "../x"}]}),
                                 ("task.artifacts.files[0].glob", {"fd": 0, "files": [{"glob": "/proc/1/*"}]}),
                                 ("task.artifacts.files[1].glob", {"fd": 0, "files": [file, {"glob": "a[b"}]}),
                                 ("task.artifacts.files", {"fd": 0, "files": []}),
                                 ("task.artifacts.fd", {"fd": 1, "files": [file]}),
                                 ("task.artifacts.fd", {"fd": 0, "to": "events", "files": [file]})):
            self.refused("bad_value", field=field, artifacts=artifacts, fds=[into])
        self.refused("missing_field", field="task.artifacts.fd", artifacts={"files": [file]}, fds=[into])
        self.refused("bad_value", field="task.artifacts.fd", artifacts={"fd": 0, "files": [file]}, fds=[out])
        self.refused("bad_value", field="task.artifacts.fd", artifacts={"fd": 0, "files": [file]}, changes={"fd": 0}, workspace=self.workspace(), fds=[into])
        os.close(into)
        self.assertEqual(os.read(out, 1), b"", "nobody has kept it")
        os.close(out)

    def test_A5_links_lead_nowhere(self):
        run, found = self.keep("""ln -s /etc/shadow abs; ln -s ../../../../etc/passwd rel; ln -s /etc dir; ln -s abs chain; ln -s nowhere dangling
echo x > good; mkdir real; ln -s ../good real/inside; ln -s / real/root""", ["*", "dir/passwd", "dir/**", "real/**/passwd"])
        self.assertEqual(found, {b"good": b"x\n"})
        self.assertEqual(set(self.errors(run).values()), {"not a regular file"})
        self.assertEqual(set(self.errors(run)), {b"abs", b"rel", b"dir", b"chain", b"dangling", b"real/inside", b"real/root"})
        self.assertEqual(run.result["artifacts"]["missing"], ["*", "dir/passwd", "dir/**", "real/**/passwd"])

    def test_A6_what_is_no_file_is_an_error_and_holds_nobody_up(self):
        begin = time.monotonic()
        run, found = self.keep("""mkfifo fifo; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'; truncate -s 1T sparse
echo x > good; (while :; do echo more >> grows; done) & until [ -s grows ]; do sleep 0.01; done""", ["*"])
        self.assertLess(time.monotonic() - begin, 20 * SCALE)
        self.assertEqual(self.errors(run), {b"fifo": "not a regular file", b"sock": "not a regular file", b"sparse": "too large"})
        self.assertEqual(sorted(found), [b"good", b"grows"])

    def test_A6_time_ends_a_sparse_file(self):
        run, found = self.keep("truncate -s 3G sparse", ["*"], artifacts={"timeout": "50ms"})
        self.assertEqual((run.result["artifacts"]["error"], run.cause), ("it took too long", "artifacts"))

    def test_A6_the_kernels_own_files_and_secrets_stay(self):
        run, found = self.keep("ln -s /proc/self/environ e; echo x > /tmp/y", ["/pr*/**", "/s[y]*/**", "/run/**", "/tmp/*", {"glob": "e", "required": False}],
                               secrets=[{"name": "token", "text": "S3CRET"}])
        self.assertEqual((run.result["artifacts"]["error"], found[b"tmp/y"]), (None, b"x\n"))
        self.assertFalse([n for n in found if n.startswith((b"proc/", b"sys/", b"run/secrets"))])
        run, found = self.keep("true", [{"glob": "/run/secrets/*", "required": False}], secrets=[{"name": "token", "text": "S3CRET"}])
        self.assertEqual(found, {})
        run, found = self.keep("cat /run/secrets/token > mine", ["mine"], secrets=[{"name": "token", "text": "S3CRET"}])
        self.assertEqual(found, {b"mine": b"S3CRET"}, "what the task copies is its own affair")

    def test_A7_a_file_with_two_names_is_its_content(self):
        run, found = self.keep("echo x > a; ln a b", ["*"])
        self.assertEqual(found, {b"a": b"x\n", b"b": b"x\n"})

    def test_A8_nothing_is_read_that_the_task_could_not_read(self):
        run, found = self.keep("echo x > mine; echo y > closed; chmod 0 closed; ls -l /etc > /dev/null", ["*", {"glob": "/etc/**", "required": False}])
        self.assertEqual(self.errors(run)[b"closed"], "the task may not read it")
        names = [n for n in found if n.startswith(b"etc/")]
        self.assertTrue(names)
        for name in names:
            self.assertTrue(os.path.exists(b"/" + name) is False or os.stat(b"/" + name).st_mode & 0o004, name)

    def test_names_of_all_kinds(self):
        long = "n" * 200
        run, found = self.keep("mkdir -p %s/%s; echo l > %s/%s/f; echo n > 'new\nline'; echo b > \"$(printf 'by\\377te')\"; echo w > .wh.x" % ((long,) * 4),
                               ["**", ".wh.*"])
        self.assert_ok(run)
        self.assertEqual(set(found), {b"new\nline", b"by\xffte", b".wh.x", ("%s/%s/f" % (long, long)).encode()})

    def test_a_reader_that_goes_is_told(self):
        out, into = os.pipe()
        tag, task = self.client.start(self.task(["sh", "-c", "head -c 1000000 /dev/zero > f; sleep 0.2"], workspace=self.workspace(),
                                                artifacts={"fd": 0, "files": [{"glob": "f"}]}), fds=[into])
        os.close(into)
        os.close(out)
        run = self.client.finish(tag, task, make=Run)
        self.assertEqual((run.result["artifacts"]["error"], run.cause), ("nobody reads it any more", "artifacts"))


class Events(Cases):
    """To the client over its own connection."""

    def receive(self, script, files, framing="json", **task):
        tag, name = self.client.start(self.task(["sh", "-c", script], workspace=self.workspace(),
                                                artifacts={"to": "events", "files": files}, **task), framing=framing)
        found, order, current = {}, [], None
        while True:
            event = self.client.next_for(tag)
            order.append(event["event"])
            if event["event"] == "artifact":
                current = name_of(event)
                found[current] = (event, b"")
            elif event["event"] == "artifact_data":
                head, data = found[current]
                self.assertEqual(event["offset"], len(data))
                found[current] = (head, data + (event["data"]))
            elif event["event"] in ("result", "error"):
                return event, found, order


@in_modes
class ArtifactEvents(Events):
    def test_they_come_before_the_result(self):
        for framing in ("json", "raw"):
            last, found, order = self.receive("head -c 300000 /dev/urandom > big; : > empty; echo out; ln -s big link",
                                              [{"glob": "*", "required": False}], framing)
            self.assertEqual(last["event"], "result", last)
            self.assertEqual({n: len(d) for n, (_, d) in found.items()}, {b"big": 300000, b"empty": 0})
            for head, data in found.values():
                self.assertEqual((head["sha256"], head["bytes"]), (hashlib.sha256(data).hexdigest(), len(data)))
            self.assertEqual(last["result"]["artifacts"]["count"], 2)
            self.assertLess(order.index("output"), order.index("artifact"))
            self.assertEqual(order[-1], "result")

    def test_who_does_not_read_takes_no_memory(self):
        with contextlib.closing(self.daemon.connect()) as other:
            before = rss_kib(self.daemon.process.pid)
            tag, task = other.start(self.task(["sh", "-c", "head -c 60000000 /dev/zero > big"], workspace=self.workspace(),
                                              artifacts={"to": "events", "files": [{"glob": "big"}]}))
            self.client.call("wait", task=task)
            time.sleep(0.5 * SCALE)
            assert_grown_less(self, self.daemon.process.pid, before, 20 << 10)
        self.assert_ok(self.run_task(["true"]))


CANARY = b"canary of the host 5f3c"


class Tree:
    """A hostile tree, by its seed. Notes what it is made of."""

    def __init__(self, root, outside, seed):
        self.random, self.outside, self.kinds = random.Random(seed), outside.encode(), collections.Counter()
        self.dirs = [root.encode()]
        for i in range(25):
            kind = self.random.choice(("file", "link", "dirlink", "loop", "fifo", "socket", "sparse", "newline", "bytes", "deep", "hardlink", "whiteout",
                                       "closed", "dir"))
            with contextlib.suppress(OSError):
                getattr(self, kind)(os.path.join(self.random.choice(self.dirs), b"%d-%s" % (i, kind.encode())))
                self.kinds[kind] += 1

    def write(self, path, data=b"good\n"):
        with open(path, "xb") as f:
            f.write(data)

    file = write

    def link(self, path):
        os.symlink(self.random.choice((self.outside + b"/secret", b"/etc/shadow", b"../" * 12 + self.outside[1:] + b"/secret", b"/proc/1/environ", b"gone/")), path)

    def dirlink(self, path):
        os.symlink(self.random.choice((self.outside, b"/etc", b"/", b"../" * 12 + self.outside[1:])), path)

    def loop(self, path):
        os.symlink(os.path.basename(path), path)

    def fifo(self, path):
        os.mkfifo(path)

    def socket(self, path):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.bind(path)

    def sparse(self, path):
        self.write(path)
        os.truncate(path, 1 << 40)

    def newline(self, path):
        self.write(path + b"\n\x1b[2Jevil\n..")

    def bytes(self, path):
        self.write(path + b"\xff\xfe\\*?[")

    def deep(self, path):
        here = os.open(os.path.dirname(path), os.O_RDONLY)
        for _ in range(self.random.choice((20, 300))):
            os.mkdir(b"d" * 20, dir_fd=here)
            down = os.open(b"d" * 20, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = down
        os.close(os.open(b"bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here))
        os.close(here)

    def hardlink(self, path):
        self.write(path)
        os.link(path, path + b"2")

    def whiteout(self, path):
        self.write(os.path.join(os.path.dirname(path), b".wh." + os.path.basename(path)))

    def closed(self, path):
        os.mkdir(path, 0o700)
        self.write(path + b"/in")
        os.chmod(path, self.random.choice((0, 0o100, 0o400)))

    def dir(self, path):
        os.mkdir(path)
        self.dirs.append(path)


class Swapper(threading.Thread):
    """Makes a directory a link to the outside and back, as fast as it can."""

    def __init__(self, root, outside):
        super().__init__()
        self.place, self.outside, self.is_over, self.count = os.path.join(root, "swapped"), outside, False, 0
        os.mkdir(self.place)
        with open(os.path.join(self.place, "secret"), "wb") as f:
            f.write(b"good\n")
        os.chmod(self.place, 0o755)
        self.start()

    def run(self):
        while not self.is_over:
            os.rename(self.place, self.place + ".dir")
            os.symlink(self.outside, self.place)
            os.unlink(self.place)
            os.rename(self.place + ".dir", self.place)
            self.count += 1

    def end(self):
        self.is_over = True
        self.join()


@in_modes
class HostileTrees(Cases):
    TREES = 200

    def one(self, seed, outside):
        """Returns kinds, errors, files kept."""
        self.work = self.make_dir()
        mode = ("cow", "ro", "rw")[seed % 3]
        with as_user():
            tree = Tree(self.work, outside, seed)
        swapper = Swapper(self.work, outside) if mode == "rw" else None
        try:
            run, found = self.keep("true", [{"glob": g, "required": False} for g in ("*", "**/*", "*-whiteout/.*", "swapped/*")], mode=mode,
                                   limits={"artifacts": "10MiB"})
        finally:
            if swapper:
                swapper.end()
        self.assert_ok(run)
        self.assertIsNone(run.result["artifacts"]["error"])
        for name, data in found.items():
            self.assertNotIn(CANARY, data, name)
            self.assertIn(data, (b"good\n", b""), "%r of tree %d is none of its files" % (name, seed))
            self.assertFalse(name.startswith(b"/") or b".." in name.split(b"/"), name)
        return tree.kinds, collections.Counter(self.errors(run).values()), len(found), swapper.count if swapper else 0

    def test_A5_A6_A7_A8_200_hostile_trees_give_up_nothing(self):
        outside = self.make_dir()
        with open(os.path.join(outside, "secret"), "wb") as f:
            f.write(CANARY)
        os.chmod(outside, 0o755)
        kinds, errors, kept, swaps, slowest = collections.Counter(), collections.Counter(), 0, 0, 0.0
        with contextlib.closing(self.daemon.connect()) as other:
            for seed in range(self.TREES):
                k, e, n, s = self.one(seed, outside)
                kinds, errors, kept, swaps = kinds + k, errors + e, kept + n, swaps + s
                begin = time.monotonic()
                other.call("ping")
                slowest = max(slowest, time.monotonic() - begin)
        print("     %-12s %6s" % ("in trees", "count"))
        for name, n in sorted(kinds.items()) + [("swaps", swaps)]:
            print("     %-12s %6d" % (name, n))
        print("     kept %d files; %s; files of the host: 0; slowest ping %.1f ms" % (
            kept, ", ".join("%s: %d" % i for i in sorted(errors.items())), slowest * 1000))
        self.assertEqual(len(kinds), 14)
        self.assertGreater(kept, 1000)
        self.assertGreater(swaps, 100)


@in_modes
class CommandLine(Cases):
    def dayfly(self, *args, **kwargs):
        with self.stage.as_process() as child:
            return subprocess.run([os.path.join(self.stage.bin, "dayfly"), "run", "--socket", self.daemon.socket, *args], cwd=self.work,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SCALE, **child, **kwargs)

    def read(self, *names):
        with open(os.path.join(self.work, *names), "rb") as f:
            return f.read()

    def test_they_land_in_a_directory(self):
        done = self.dayfly("--artifact", "dist/*", "--artifact", "/tmp/r", "--artifact", "none:optional", "--workspace", ".", "--", "sh", "-c",
                           "mkdir dist; echo a > dist/a; chmod 755 dist/a; echo r > /tmp/r")
        self.assertEqual((done.returncode, done.stderr), (0, b"dayfly: 2 artifacts, 4 B, in artifacts\n"))
        self.assertEqual((self.read("artifacts", "dist", "a"), self.read("artifacts", "tmp", "r")), (b"a\n", b"r\n"))
        self.assertEqual(os.stat(os.path.join(self.work, "artifacts", "dist", "a")).st_mode & 0o777, 0o755)
        done = self.dayfly("--artifact", "a", "--artifacts-to", "there", "--", "sh", "-c", "echo new > a")
        self.assertEqual((done.returncode, self.read("there", "a")), (0, b"new\n"), done)
        done = self.dayfly("--artifact", "a", "--artifacts-to", "there", "--", "sh", "-c", "echo newer > a")
        self.assertEqual((done.returncode, self.read("there", "a")), (0, b"newer\n"), done)

    def test_what_is_missing_is_told(self):
        done = self.dayfly("--artifact", "none/*", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"an artifact that is required could not be taken", done.stderr)
        self.assertIn(b"--artifact none/*: nothing is there", done.stderr)
        done = self.dayfly("--artifact", "none", "--", "sh", "-c", "exit 3")
        self.assertEqual(done.returncode, 3)
        for args in (["--artifact", "../x"], ["--artifact", "x", "-d"], ["--artifacts-to", "x"]):
            self.assertEqual(self.dayfly(*args, "--", "true").returncode, 125, args)

    def test_A18_nothing_is_written_through_a_link(self):
        outside = self.make_dir()
        self.make_file(os.path.join(outside, "kept"), "kept")
        os.mkdir(os.path.join(self.work, "artifacts"))
        self.stage.give(os.path.join(self.work, "artifacts"))
        os.symlink(outside, os.path.join(self.work, "artifacts", "dir"))
        os.symlink(os.path.join(outside, "kept"), os.path.join(self.work, "artifacts", "link"))
        done = self.dayfly("--artifact", "*", "--", "sh", "-c", "mkdir dir .git; echo evil > dir/kept; echo evil > link; echo good > good; echo evil > .git/x")
        self.assertEqual((done.returncode, self.read("artifacts", "good")), (125, b"good\n"), done)
        self.assertEqual(self.read(outside, "kept"), b"kept")
        done = self.dayfly("--artifact", ".git", "--", "sh", "-c", "mkdir .git; echo evil > .git/config")
        self.assertEqual((done.returncode, os.path.exists(os.path.join(self.work, "artifacts", ".git"))), (125, False), done)
