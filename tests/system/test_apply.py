"""dayfly run --apply: what the task changed is written back to the workspace."""
import fcntl
import glob
import os
import pty
import re
import select
import signal
import stat
import subprocess
import tarfile
import termios

from dayfly_client import SCALE, clock
from dayfly_test import in_modes

from common import Gate, read, start_cli
from edits import CHANGES, Cases, whole


class Applying(Cases):
    def apply(self, script, *options, code=0, when="", **more):
        done = self.cli("run", "--workspace", self.work, "--apply" + when, *options, "--", "sh", "-c", script, **more)
        self.assertEqual(done.returncode, code, done)
        return done

    def in_work(self, name):
        return os.path.join(self.work, name)

    def put(self, name, text, mode=0o644):
        return self.make_file(self.in_work(name), text, mode)

    def whole_as_seen(self, script):
        return whole(self.seen("umask 022\n" + script))

    def kept(self, stderr):
        """The tar that a message names."""
        [path] = re.findall(r"kept as a tar: (\S+)", stderr.decode())
        self.assertTrue(path.startswith(self.temporary), path)
        with tarfile.open(path) as tar:
            names = sorted(tar.getnames())
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        os.unlink(path)
        return names

    def start(self, script, *options, before=":", **more):
        """A task that says when it has begun and waits for a line."""
        env = dict(self.daemon.client_env(), TMPDIR=self.temporary)
        process = start_cli(self, "run", "-i", "--workspace", self.work, "--apply", *options, "--", "sh", "-c", before + "; echo up; read line\n" + script,
                            stdin=subprocess.PIPE, env=env, **more)
        self.assertEqual(process.stdout.readline(), b"up\n")
        return process

    def goes_on(self, process, code):
        out, err = process.communicate(b"\n", timeout=60 * SCALE)
        self.assertEqual(process.returncode, code, (out, err))
        return err

    def in_tree(self, script):
        return self.sh(script, self.work)


@in_modes
class Apply(Applying):
    def test_the_tree_becomes_what_the_task_saw(self):
        script = CHANGES.replace("head -c 100000 /dev/urandom", "seq 30000 | gzip -n") + "\nmkdir -m 700 d; chmod 500 d; mkdir -p e/f; chmod 751 e"
        want = self.whole_as_seen(script)
        done = self.apply(script)
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual(whole(self.work), want)
        # Also with what was written so.
        want = self.whole_as_seen("echo 2 > n.x; rm -r file2dir renamed")
        self.apply("echo 2 > n.x; rm -r file2dir renamed")
        self.assertEqual(whole(self.work), want)
        self.assert_nothing_left()

    def test_nothing_changed_is_nothing_written(self):
        before = os.stat(self.work).st_mtime_ns, whole(self.work)
        self.assertEqual(self.apply("cat text > /dev/null; touch text").stderr, b"")
        self.assertEqual((os.stat(self.work).st_mtime_ns, whole(self.work)), before)
        self.assert_nothing_left()

    def test_what_a_failed_task_changed_is_kept_beside_the_tree(self):
        before = whole(self.work)
        for script, options, code, why in (("exit 3", (), 3, b"(exit)"), ("kill -9 $$", (), 137, b"(signal)"),
                                           ("exec sleep 60", ("--timeout", "%ds" % (2 * SCALE)), 124, b"(timeout_wall)")):
            done = self.apply("echo 2 > del; rm mode; " + script, *options, code=code)
            self.assertIn(b"did not succeed " + why, done.stderr)
            self.assertEqual(whole(self.work), before)
            self.assertEqual(self.kept(done.stderr), [".wh.mode", "del"])
            # Nothing to keep, nothing to say.
            self.assertNotIn(b"--apply", self.apply(script, *options, code=code).stderr)
        self.apply("echo 3 > del; exit 3", when="=always", code=3)
        self.assertEqual(read(self.in_work("del")), "3\n")
        self.apply("echo 4 > del; exec sleep 60", "--timeout", "%ds" % (2 * SCALE), when="=always", code=124)
        self.assertEqual(read(self.in_work("del")), "4\n")
        self.assert_nothing_left()

    def test_a_cancelled_task_is_one_that_failed(self):
        process = self.start("", "--grace", "100ms")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30 * SCALE), 143)
        self.assert_nothing_left()
        process = self.start("echo 2 > del; echo done; exec sleep 60", "--grace", "100ms")
        process.stdin.write(b"\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"done\n")
        process.send_signal(signal.SIGTERM)
        err = self.goes_on(process, 143)
        self.assertEqual(self.kept(err), ["del"])
        self.assertEqual(read(self.in_work("del")), "1\n")

    def test_what_changed_meanwhile_is_refused_and_nothing_is_written(self):
        script = "echo task > del; echo task > mode; echo task > new; rm -r gone; rm text; ln -s / text"
        outside = self.make_dir()
        self.sh("mkdir old; echo old > old/in", outside)
        for change, names in (("echo own > mode", ["mode"]), ("chmod 600 del", ["del"]), ("echo own > new", ["new"]), ("ln -s /etc new", ["new"]),
                              ("mkdir new", ["new"]), ("mv %s/old new" % outside, ["new"]), ("echo own > gone/deep/own", ["gone/deep", "gone/deep/own"]),
                              ("echo own > gone/x; chmod 755 text", ["gone/x", "text"]), ("mv mode m; cp -p m mode", ["mode"])):
            with self.subTest(change):
                self.new_work("printf 'one\\n' > text; echo 1 > del; echo 1 > mode; mkdir -p gone/deep; echo 1 > gone/x; echo 1 > gone/deep/y")
                process = self.start("", before=script)
                self.in_tree(change)
                before = whole(self.work)
                err = self.goes_on(process, 125).decode()
                self.assertEqual(sorted(re.findall("why: (.*)", err)), ["it was changed after the task saw it: " + name for name in names])
                self.assertIn("nothing was written", err)
                self.assertEqual(whole(self.work), before)
                self.assertIn("new", self.kept(err.encode()))
        # The control: what happens elsewhere is in nobody's way, and what is deleted meanwhile comes back.
        process = self.start("", before=script.replace("rm -r gone", "rm gone/x"))
        self.in_tree("rm m del; echo own > other; echo own > gone/own; echo own > gone/deep/y")
        self.goes_on(process, 0)
        self.assertEqual([read(self.in_work(n)) for n in ("del", "new", "other", "gone/own", "gone/deep/y")], ["task\n", "task\n", "own\n", "own\n", "own\n"])
        self.assertFalse(os.path.exists(self.in_work("gone/x")))
        self.assert_nothing_left()

    def test_a_name_with_a_line_break_is_told_in_one_line(self):
        process = self.start("", before="echo task > 'x\nfix: rm -rf ~'")
        self.in_tree("echo own > 'x\nfix: rm -rf ~'")
        err = self.goes_on(process, 125).decode()
        self.assertEqual([line[:7] for line in err.splitlines()], ["dayfly:", "  why: ", "  fix: "])
        self.assertIn("kept as a tar", err.splitlines()[2])

    def test_A5_links_are_written_as_links_and_none_is_followed(self):
        outside = self.make_dir()
        secret = self.make_file(os.path.join(outside, "secret"), "host secret")
        self.sh("ln -s %s out; ln -s %s/secret file" % (outside, outside), self.work)
        # In the jail the link leads nowhere: what the task writes there is its own.
        self.apply("rm out; mkdir out; echo evil > out/secret; rm file; echo evil > file; ln -s %s again; rm -r gone; ln -s / gone" % outside)
        self.assertEqual(read(secret), "host secret")
        self.assertEqual(os.listdir(outside), ["secret"])
        self.assertEqual((read(self.in_work("out/secret")), read(self.in_work("file"))), ("evil\n", "evil\n"))
        self.assertEqual(os.readlink(self.in_work("again")), outside)
        self.assertFalse(os.path.islink(self.in_work("file")))
        # A directory that becomes a link under way leads nobody out either.
        process = self.start("", before="echo evil > dir/sub/secret; echo evil > dir/sub/b")
        self.in_tree("mv dir/sub aside; ln -s %s dir/sub" % outside)
        err = self.goes_on(process, 125)
        self.assertIn(b"it was changed after the task saw it: dir/sub", err)
        self.assertEqual((os.listdir(outside), read(secret)), (["secret"], "host secret"))

    def test_A6_special_files_are_left_out_and_told(self):
        done = self.apply("mkfifo fifo; echo x > new")
        self.assertIn(b"1 of the changes left out", done.stderr)
        self.assertEqual(read(self.in_work("new")), "x\n")
        self.assertFalse(os.path.exists(self.in_work("fifo")))

    def test_A7_names_of_one_file_become_files_of_their_own(self):
        outside = os.path.join(self.make_dir(), "name")
        self.sh("ln text other; ln text %s" % outside, self.work)
        self.apply("echo a > text; echo b > other; ln binary binary2")
        self.assertEqual([read(p) for p in (self.in_work("text"), self.in_work("other"), outside)], ["a\n", "b\n", "one\ntwo\nthree\n"])
        self.assertEqual(os.stat(self.in_work("binary2")).st_nlink, 1)

    def test_A7_names_of_one_link_are_not_taken_for_changed_meanwhile(self):
        """To take one away changes the times of the others."""
        self.sh("ln -s text l1; ln -P l1 l2; ln -P l1 l3", self.work)
        self.apply("rm l1; ln -sfn binary l2; rm l3; echo file > l3")
        self.assertEqual((os.path.lexists(self.in_work("l1")), os.readlink(self.in_work("l2")), read(self.in_work("l3"))),
                         (False, "binary", "file\n"))

    def test_set_user_id_bits_do_not_come_back(self):
        self.apply("echo x > new; chmod 4755 new 2>/dev/null; chmod 2755 dir 2>/dev/null; chmod 755 new")
        self.assertEqual(stat.S_IMODE(os.stat(self.in_work("new")).st_mode), 0o755)

    def test_git_s_own_files_are_left_out_and_told(self):
        git = "git -c user.name=a -c user.email=a@b "
        self.sh("git init -q . && git add -A && %s commit -qm x" % git, self.work)
        head = subprocess.run(["find", ".git", "-type", "f", "-exec", "sha256sum", "{}", "+"], cwd=self.work, stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(self.apply("git status > /dev/null; echo x > new; git add new").stderr, b"")
        done = self.apply("echo y > newer; git add -A; %s commit -qm y; echo evil > .git/hooks/pre-commit; git config core.fsmonitor ./evil" % git)
        self.assertIn(b"below .git", done.stderr)
        self.assertEqual(subprocess.run(["find", ".git", "-type", "f", "-exec", "sha256sum", "{}", "+"], cwd=self.work, stdout=subprocess.PIPE).stdout, head)
        self.assertEqual(self.in_tree("git status --porcelain").stdout, b"?? new\n?? newer\n")

    def test_what_was_hidden_is_left_alone_and_told(self):
        self.sh("git init -q .; mkdir -p dir/build build; echo .env > .gitignore; echo build/ >> .gitignore", self.work)
        for name in (".env", "dir/.env", "build/own"):
            self.put(name, "secret")
        before = whole(self.work)
        done = self.apply("cat .env; echo evil > .env; mkdir -p build; echo evil > build/own; echo evil > build/new; echo x > new", "--hide-ignored")
        self.assertEqual((done.stdout, done.stderr.count(b"\n")), (b"", 2), "and what cat says")
        self.assertIn(b"3 changes left out", done.stderr)
        self.assertEqual(whole(self.work), {**before, b"new": ("file", "0o644", b"x\n")})
        # A directory goes but for what the task did not see in it.
        done = self.apply("rm -r dir", "--hide-ignored")
        self.assertIn(b"left out", done.stderr)
        self.assertEqual(sorted(os.listdir(self.in_work("dir"))), [".env", "build"] if os.path.exists(self.in_work("dir/build")) else [".env"])
        self.assertEqual(read(self.in_work("dir/.env")), "secret")
        # The control: without it they are files as others.
        self.apply("echo own > .env")
        self.assertEqual(read(self.in_work(".env")), "own\n")

    def test_what_came_by_file_is_no_change_of_the_task_s(self):
        fake = self.make_file(os.path.join(self.make_dir(), "fake"), "fake")
        self.put("settings", "real")
        done = self.apply("cat settings dir/settings > new", "--file", self.in_work("settings") + "=" + fake, "--file", self.in_work("dir/settings") + "=" + fake)
        self.assertEqual(read(self.in_work("new")), "fakefake")
        self.assertEqual(read(self.in_work("settings")), "real")
        self.assertFalse(os.path.exists(self.in_work("dir/settings")))
        self.assertIn(b"2 files left out that came by --file", done.stderr)

    def test_what_came_as_a_tar_is(self):
        folder = self.make_dir()
        self.make_file(os.path.join(folder, "unpacked"), "x")
        subprocess.run(["tar", "-cf", os.path.join(folder, "t.tar"), "-C", folder, "unpacked"], check=True)
        self.apply("true", "--tar", os.path.join(folder, "t.tar"))
        self.assertEqual(read(self.in_work("unpacked")), "x")

    def test_a_tree_that_must_not_be_written_to_is_as_it_was(self):
        os.chmod(self.work, 0o555)
        self.addCleanup(os.chmod, self.work, 0o755)
        before = whole(self.work)
        done = self.apply("chmod 755 .; echo x > new; echo x > dir/new", code=125)
        self.assertIn(b"its directory cannot be written to: new", done.stderr)
        self.assertEqual(whole(self.work), before)
        self.assertEqual(self.kept(done.stderr), ["dir/new", "new"])
        self.apply("echo x > dir/new")
        self.assertEqual(read(self.in_work("dir/new")), "x\n")

    def test_who_owns_the_files_still_does(self):
        self.apply("echo x > text; mkdir new; echo x > new/file")
        owner = os.stat(self.work)
        for name in ("text", "new", "new/file"):
            st = os.stat(self.in_work(name))
            self.assertEqual((st.st_uid, st.st_gid), (owner.st_uid, owner.st_gid), name)

    def test_with_a_file_too(self):
        before = self.seen("true")
        self.apply("echo 2 > del; rm mode", "--changes", self.path("p.patch"))
        self.sh("git apply %s" % self.path("p.patch"), before)
        self.assertEqual(whole(before), whole(self.work))
        done = self.apply("echo 3 > del; exit 1", "--changes", self.path("c.tar"), code=1)
        self.assertIn(self.path("c.tar").encode(), done.stderr)
        self.assertTrue(tarfile.is_tarfile(self.path("c.tar")))
        self.assert_nothing_left()

    def test_what_cannot_be_is_known_before_the_task_runs(self):
        for options in (["--workspace", self.work + ":rw"], ["--workspace", self.work + ":ro"], [], ["--workspace", self.work, "-d"],
                        ["--workspace", self.work, "--keep"], ["--workspace", self.work, "--apply=yes"], ["--workspace", self.work, "--apply="]):
            done = self.cli("run", "--apply", *options, "--", "echo", "ran")
            self.assertEqual((done.returncode, done.stdout), (125, b""), (options, done))
            self.assertIn(b"--apply", done.stderr)
        self.assert_nothing_left()

    def test_a_task_that_never_ran_writes_nothing(self):
        done = self.cli("run", "--workspace", self.work, "--apply", "--", "no-such-command")
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (127, 1), done)
        self.assert_nothing_left()

    def test_it_takes_no_word_of_the_command(self):
        done = self.cli("run", "--workspace", self.work, "--apply", "always", "ask")
        self.assertEqual(done.returncode, 127)
        self.assertIn(b"always", done.stderr)


@in_modes
class Random(Applying):
    """Whatever a task does: the tree is then what it saw."""

    def test_random_edits(self):
        def check(script, _):
            done = self.apply(script + "\ntar -cf - .")
            self.assertEqual(whole(self.work), whole(self.unpacked(done.stdout, "-p")))

        self.edit_at_random(check, 5)


@in_modes
class Root(Applying):
    """root's command line in another's tree."""
    modes = ("root",)

    def test_A7_what_is_new_goes_to_the_owner_of_its_directory(self):
        os.chmod(self.work, 0o777)
        done = self.cli("run", "--workspace", self.work, "--apply", "--", "sh", "-c", "mkdir new; echo x > new/file; ln -s a new/link", root=True)
        self.assertEqual(done.returncode, 0, done)
        owner = os.stat(self.work)
        self.assertNotEqual(owner.st_uid, 0)
        for name in ("new", "new/file", "new/link"):
            st = os.lstat(self.in_work(name))
            self.assertEqual((st.st_uid, st.st_gid), (owner.st_uid, owner.st_gid), name)


class Terminal:
    """`dayfly run --apply=ask` with a terminal of its own."""

    def __init__(self, case, script, *options):
        self.case, self.seen, self.is_shut = case, b"", False
        self.master, slave = pty.openpty()
        os.fchmod(slave, 0o666)  # another user's program opens it as /dev/tty
        case.addCleanup(os.close, self.master)

        def lead():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        env = dict(case.daemon.client_env(), TMPDIR=case.temporary)
        self.process = start_cli(case, "run", "--workspace", case.work, "--apply=ask", *options, "--", "sh", "-c", script, stdin=slave, stdout=slave,
                                 stderr=slave, env=env, preexec_fn=lead)
        os.close(slave)

    def fill(self):
        if not select.select([self.master], [], [], 0.05)[0]:
            return False
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:
            self.is_shut = True
            return False
        return True

    def wait(self, text):
        deadline = clock() + 30
        while text not in self.seen:
            self.case.assertLess(clock(), deadline, self.seen)
            self.fill()

    def answer(self, data):
        self.wait(b"[y/N] ")
        os.write(self.master, data)

    def ended(self, code):
        deadline = clock() + 30
        # What it has written last may come when it is gone, and then the end.
        while self.process.poll() is None or not self.is_shut:
            self.case.assertLess(clock(), deadline, self.seen)
            self.fill()
        self.case.assertEqual(self.process.returncode, code, self.seen)
        return self.seen


@in_modes
class Ask(Applying):
    SCRIPT = "echo 2 > del; rm mode; mkdir new; printf x > new/'a\033[2Jb'; chmod 755 new/a*; ln -s /etc/passwd new/l"

    def test_the_list_comes_first_and_yes_writes(self):
        before = whole(self.work)
        terminal = Terminal(self, self.SCRIPT)
        terminal.wait(b"[y/N] ")
        self.assertEqual(whole(self.work), before)
        terminal.answer(b"y\n")
        seen = terminal.ended(0).replace(b"\r\n", b"\n")
        self.assertIn(b"  modified  del\n  deleted   mode\n  added     new/\n  added     new/a\\x1b[2Jb (executable)\n  added     new/l -> /etc/passwd\n"
                      b"Write these 5 changes to %s? " % self.work.encode(), seen)
        self.assertEqual(read(self.in_work("del")), "2\n")
        self.assertFalse(os.path.exists(self.in_work("mode")))
        self.assert_nothing_left()

    def test_anything_else_does_not(self):
        before = whole(self.work)
        for answer in (b"n\n", b"\n", b"yeah\n"):
            terminal = Terminal(self, self.SCRIPT)
            terminal.answer(answer)
            self.assertIn(b"nothing was written", terminal.ended(0))
            self.assertEqual(whole(self.work), before)
        self.assert_nothing_left()

    def test_no_answer_keeps_the_changes(self):
        for answer in (b"\x03", b"\x04"):
            terminal = Terminal(self, self.SCRIPT)
            terminal.answer(answer)
            seen = terminal.ended(125).replace(b"\r\n", b"\n")
            self.assertIn(b"nothing was written", seen)
            self.assertIn("del", self.kept(seen))
        self.assertEqual(read(self.in_work("del")), "1\n")

    def test_what_changes_while_it_asks_is_refused(self):
        terminal = Terminal(self, self.SCRIPT)
        terminal.wait(b"[y/N] ")
        self.in_tree("echo own > mode")
        before = whole(self.work)
        terminal.answer(b"y\n")
        seen = terminal.ended(125).replace(b"\r\n", b"\n")
        self.assertIn(b"it was changed after the task saw it: mode\n", seen)
        self.assertEqual(whole(self.work), before)
        self.kept(seen)

    def test_what_was_typed_before_is_no_answer(self):
        place = self.make_dir()
        gate = Gate(place)
        terminal = Terminal(self, "echo up; %s; %s" % (gate.wait, self.SCRIPT), "--mount", place + ":/mnt/w")
        terminal.wait(b"up")
        os.write(terminal.master, b"y\ny\n")
        with gate.opened(1):
            terminal.wait(b"[y/N] ")
        terminal.answer(b"n\n")
        self.assertIn(b"nothing was written", terminal.ended(0))
        self.assertEqual(read(self.in_work("del")), "1\n")

    def test_it_asks_after_a_failure_too_and_says_so(self):
        terminal = Terminal(self, self.SCRIPT + "; exit 7")
        terminal.answer(b"yes\n")
        self.assertIn(b"The task did not succeed (exit)", terminal.ended(7))
        self.assertEqual(read(self.in_work("del")), "2\n")

    def test_nothing_to_ask(self):
        self.assertNotIn(b"[y/N]", Terminal(self, "true").ended(0))

    def test_with_a_terminal_of_the_task_s(self):
        terminal = Terminal(self, self.SCRIPT, "-i", "-t")
        terminal.answer(b"y\n")
        terminal.ended(0)
        self.assertEqual(read(self.in_work("del")), "2\n")

    def test_without_a_terminal_the_task_does_not_run(self):
        process = start_cli(self, "run", "--workspace", self.work, "--apply=ask", "--", "echo", "ran", start_new_session=True,
                            env=dict(self.daemon.client_env(), TMPDIR=self.temporary))
        out, err = process.communicate(timeout=30 * SCALE)
        self.assertEqual((process.returncode, out), (125, b""))
        self.assertIn(b"no terminal", err)
        self.assertIn(b"fix:", err)
        self.assertEqual(glob.glob(os.path.join(self.temporary, "*")), [])


@in_modes
class ApplyOnDisk(Apply):
    daemon_args = ("--upper", "disk")
