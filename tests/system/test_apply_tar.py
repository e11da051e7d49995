"""dayfly apply: a tar that dayfly run --changes took, written to a directory later."""
import os
import shutil
import stat
import subprocess
import tarfile

from dayfly_client import SCALE
from dayfly_host import read
from dayfly_test import in_modes

from common import start_cli
from edits import CHANGES, whole
from test_apply import Applying


class Later(Applying):
    def take(self, script, name="c.tar", *options):
        return self.run_cli(script, name, *options)

    def later(self, *args, code=0, name="c.tar", where=None, **more):
        done = self.cli("apply", *args, self.path(name), where or self.work, **more)
        self.assertEqual(done.returncode, code, done)
        return done

    def refuses(self, words, *args, **more):
        """Nothing is written."""
        before = whole(more.get("where") or self.work)
        err = self.later(*args, code=1, **more).stderr.decode()
        self.assertIn(words, err)
        self.assertEqual(whole(more.get("where") or self.work), before)
        return err

    def hostile(self, *members):
        """A tar of (name, type, more...), as no dayfly writes it."""
        with open(self.path("h.tar"), "wb") as f:
            for name, kind, *more in members:
                info = tarfile.TarInfo(name)
                info.type, info.mode = kind, 0o644
                info.size = 4 if kind == tarfile.REGTYPE else 0
                for key, value in dict(*more).items():
                    setattr(info, key, value)
                header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
                # Like jail init: a number in every header, of devices or not.
                header[329:345] = b"%07o\0%07o\0" % (info.devmajor, info.devminor)
                header[148:156] = b" " * 8
                header[148:156] = b"%06o\0 " % sum(header)
                f.write(header + (b"evil" + bytes(508) if info.size else b""))
            f.write(bytes(1024))


@in_modes
class ApplyTar(Later):
    def test_the_tree_becomes_what_the_task_saw(self):
        script = CHANGES.replace("head -c 100000 /dev/urandom", "seq 30000 | gzip -n") + "\nmkdir -m 700 d; chmod 500 d; mkdir -p e/f; chmod 751 e"
        want, before = self.whole_as_seen(script), whole(self.work)
        self.take(script)
        listed = self.later("--dry-run").stdout.decode()
        self.assertEqual(whole(self.work), before)
        for line in ("  modified  text\n", "  added     renamed/\n", "  deleted   del\n", "  added     out -> /\n", "  modified  mode (executable)\n",
                     "  added     new\\x0aline\n"):
            self.assertIn(line, listed)
        done = self.later()
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual(whole(self.work), want)
        self.assert_nothing_left()

    def test_other_programs_read_the_tar(self):
        self.take("echo 2 > del; rm mode")
        listed = subprocess.run(["tar", "-tf", self.path("c.tar")], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(sorted(listed.split()), [b".wh.mode", b"del"])
        folder = self.make_dir()
        done = self.cli("run", "--workspace", folder, "--tar", self.path("c.tar"), "--", "cat", "del")
        self.assertEqual((done.returncode, done.stdout), (0, b"2\n"), done)

    def test_what_changed_since_is_refused(self):
        for change, names in (("echo own > del", ["del"]), ("chmod 600 mode", ["mode"]), ("echo own > new", ["new"]), ("mkdir new", ["new"]),
                              ("echo own > gone/own", ["gone"]), ("cp -p del x; mv x del", ["del"]), ("rm del; ln -s / del", ["del"]), ("rm -r gone; echo own > gone", ["gone"])):
            with self.subTest(change):
                self.new_work("echo 1 > del; echo 1 > mode; mkdir gone; echo 1 > gone/x; echo 1 > other")
                self.take("echo task > del; rm mode; echo task > new; rm -r gone; echo task > dir2")
                self.in_tree(change)
                for more in ((), ("--dry-run",)):
                    err = self.refuses("nothing was written", *more)
                    for name in names:
                        self.assertRegex(err, "why: [^:]*: %s\n" % name)
                    self.assertNotIn(": dir2", err)
        # The control: what happens elsewhere is in nobody's way.
        self.take("echo task > del; rm mode", "d.tar")
        self.in_tree("echo own > other")
        self.later(name="d.tar")
        self.assertEqual((read(self.in_work("del")), os.path.exists(self.in_work("mode")), read(self.in_work("other"))), ("task\n", False, "own\n"))
        err = self.refuses("it was changed after the task saw it: del", name="d.tar")
        self.assertIn("--unchecked", err)
        self.assertNotIn("kept as a tar", err)
        self.in_tree("echo own > del; echo own > mode")
        self.later("--unchecked", name="d.tar")
        self.assertEqual((read(self.in_work("del")), os.path.exists(self.in_work("mode"))), ("task\n", False))

    def test_of_another_directory_nothing_is_known(self):
        self.take("echo task > del; echo task > new")
        copy = self.seen("true")
        self.refuses("whether it is as the task saw it cannot be told: del", where=copy)
        self.later("--unchecked", where=copy)
        self.assertEqual([read(os.path.join(copy, n)) for n in ("del", "new")], ["task\n", "task\n"])
        # What is only new is in nobody's way.
        self.take("echo task > new", "n.tar")
        copy = self.seen("true")
        self.later(name="n.tar", where=copy)
        self.assertEqual(read(os.path.join(copy, "new")), "task\n")

    def test_while_the_task_runs_the_view_is_that_of_its_start(self):
        run = start_cli(self, "run", "-i", "--workspace", self.work, "--changes", self.path("c.tar"), "--", "sh", "-c", "echo task > del; echo up; read line",
                        stdin=subprocess.PIPE, env=dict(self.daemon.client_env(), TMPDIR=self.temporary))
        self.assertEqual(run.stdout.readline(), b"up\n")
        self.in_tree("echo own > del")
        self.assertEqual(run.communicate(b"\n", timeout=60 * SCALE)[1], b"")
        self.refuses("it was changed after the task saw it: del")

    def test_a_moved_directory_is_still_the_one(self):
        self.take("echo task > del")
        moved = self.work + ".moved"
        os.rename(self.work, moved)
        self.addCleanup(shutil.rmtree, moved, ignore_errors=True)
        shutil.copy(self.path("c.tar"), self.path("copy.tar"))
        self.later(name="copy.tar", where=moved)
        self.assertEqual(read(os.path.join(moved, "del")), "task\n")

    def test_A5_a_hostile_tar_leads_nowhere(self):
        outside = self.make_dir()
        secret = self.make_file(os.path.join(outside, "secret"), "mine")
        self.sh("ln -s %s out" % outside, self.work)
        reg, link, folder = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE
        for members in ([("../evil", reg)], [("/tmp/evil", reg)], [("dir/../../evil", reg)], [("a//b", reg)], [("./evil", reg)],
                        [("evil", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3})], [("evil", tarfile.FIFOTYPE)], [("evil", tarfile.LNKTYPE, {"linkname": secret})],
                        [("evil", link, {"linkname": outside}), ("evil/secret", reg)], [("out/secret", reg)], [("out/new", reg)], [("out", folder), ("out/new", reg)],
                        [("x", reg), ("x", link, {"linkname": outside}), ("x/secret", reg)]):
            self.hostile(*members)
            for more in ((), ("--unchecked",)):
                done = self.cli("apply", *more, self.path("h.tar"), self.work)
                self.assertEqual(done.returncode, 1, (members, done))
                self.assertEqual((os.listdir(outside), read(secret)), (["secret"], "mine"), members)
            for name in ("evil", "x"):
                if os.path.lexists(self.in_work(name)):
                    os.unlink(self.in_work(name))
        self.assertFalse(os.path.exists("/tmp/evil"))
        # The control: it is the names that are refused. Bits and owners are nobody's to give.
        self.hostile(("good/", folder, {"mode": 0o6777}), ("good/x", reg, {"mode": 0o6755, "uid": 0}), ("good/l", link, {"linkname": outside}))
        self.later(name="h.tar")
        self.assertEqual(stat.S_IMODE(os.stat(self.in_work("good/x")).st_mode), 0o755)
        self.assertEqual(stat.S_IMODE(os.stat(self.in_work("good")).st_mode), 0o777)
        self.assertEqual(os.stat(self.in_work("good/x")).st_uid, os.stat(self.work).st_uid)

    def test_A6_nothing_below_git_is_written(self):
        self.sh("git init -q .", self.work)
        self.hostile((".git/hooks/pre-commit", tarfile.REGTYPE, {"mode": 0o755}), ("new", tarfile.REGTYPE))
        done = self.later(name="h.tar")
        self.assertIn(b"below .git", done.stderr)
        self.assertEqual(read(self.in_work("new")), "evil")
        self.assertFalse(os.path.exists(self.in_work(".git/hooks/pre-commit")))

    def test_a_stamp_that_lies_gives_nothing(self):
        self.take("echo task > del")
        self.in_tree("echo own > del")
        with open(self.path("c.tar"), "rb") as f:
            data = f.read()
        at = data.index(b"dayfly ") + len(b"dayfly ")
        end = data.index(b".", at)
        for second in (b"9" * (end - at), b"x" * (end - at), b"0" * (end - at)):
            with open(self.path("l.tar"), "wb") as f:
                f.write(data[:at] + second + data[end:])
            self.refuses("whether it is as the task saw it cannot be told: del", name="l.tar")

    def test_the_same_inode_of_another_file_system_is_another_directory(self):
        """The roots of most have the same one."""
        self.take("echo task > del")
        with open(self.path("c.tar"), "rb") as f:
            data = f.read()
        st = os.stat(self.work)
        stamp = b" %d %d\n" % (st.st_ino, st.st_dev)
        self.assertEqual(data.count(stamp), 1)
        with open(self.path("d.tar"), "wb") as f:
            f.write(data.replace(stamp, b" %d %0*d\n" % (st.st_ino, len(str(st.st_dev)), (st.st_dev + 1) % 10 ** len(str(st.st_dev)))))
        for more in ((), ("--dry-run",)):
            self.refuses("whether it is as the task saw it cannot be told: del", *more, name="d.tar")
        # The control: with the right one it is written.
        self.later()
        self.assertEqual(read(self.in_work("del")), "task\n")

    def test_what_is_no_tar_is_named(self):
        self.run_cli("echo 2 > del", "p.patch")
        self.make_file(self.path("x.gz"), b"\x1f\x8b\x08\x00abc")
        self.make_file(self.path("x.bundle"), "# v2 git bundle\nx\n")
        self.make_file(self.path("x.txt"), "hello")
        self.make_file(self.path("x.empty"), "")
        for name, words in (("p.patch", "git apply"), ("x.gz", "gunzip"), ("x.bundle", "git fetch"), ("x.txt", "fix: unpack others with tar -x"),
                            ("x.empty", "x.empty is no tar that dayfly run --changes wrote"), ("none", "No such file"), ("", "regular file")):
            self.assertEqual(self.refuses(words, name=name).count("  fix: "), 1)
        self.run_cli("echo 2 > del", "c.tar")
        done = self.cli("apply", self.path("c.tar"), "/nowhere")
        self.assertEqual((done.returncode, done.stderr), (1, b"dayfly: apply /nowhere: No such file or directory\n"
                                                          b"  fix: name a directory that is there and can be read, or none for this one\n"))
        self.assertEqual(self.cli("apply").returncode, 2)
        done = self.cli("apply", self.path("p.patch"), "/nowhere")
        self.assertEqual(done.returncode, 1)

    def test_here_is_where_it_goes_by_itself(self):
        self.take("echo task > del")
        done = self.cli("apply", self.path("c.tar"), cwd=self.work)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)
        self.assertEqual(read(self.in_work("del")), "task\n")

    def test_who_asks_needs_a_terminal(self):
        self.take("echo task > del")
        with self.stage.as_process() as kwargs:
            kwargs["env"] = self.daemon.client_env()
            done = subprocess.run([os.path.join(self.stage.bin, "dayfly"), "apply", "--ask", self.path("c.tar"), self.work], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True, **kwargs)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no terminal", done.stderr)
        self.assertIn(b"fix: look with --dry-run", done.stderr)


@in_modes
class Random(Later):
    """Whatever a task does: the tree is then what it saw."""

    def test_random_edits(self):
        def check(script, _):
            done = self.take(script + "\ntar -cf - .")
            self.later()
            self.assertEqual(whole(self.work), whole(self.unpacked(done.stdout, "-p")))

        self.edit_at_random(check)
