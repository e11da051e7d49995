"""dayfly run --changes: a patch that git takes, or a tar, in a file."""
import base64
import os
import random
import shlex
import shutil
import subprocess
import tarfile

from dayfly_client import SCALE
from dayfly_host import read
from dayfly_test import in_modes

from common import start_cli

TREE = """printf 'one\\ntwo\\nthree\\n' > text; printf '\\0\\1\\2' > binary; echo 1 > del; echo 1 > mode; echo tool > tool; chmod 755 tool
mkdir -p dir/sub gone/deep; echo 1 > dir/a; echo 1 > dir/sub/b; echo 1 > gone/x; echo 1 > gone/deep/y; ln -s text link; ln -s text relink
echo 1 > file2dir; mkdir dir2file; echo 1 > dir2file/in; echo 1 > file2link; printf 'no end' > noend; printf 'a\\r\\nb\\r\\n' > crlf; : > empty"""

CHANGES = """printf 'one\\nTWO\\nthree\\n' > text; printf '\\0\\1\\3' > binary; rm del; chmod 755 mode; chmod 644 tool; rm -r gone; mv dir renamed
ln -sfn binary relink; rm file2dir; mkdir file2dir; echo 1 > file2dir/in; rm -r dir2file; echo 1 > dir2file; rm file2link; ln -s nowhere file2link
printf 'no end at all' > noend; printf 'a\\r\\nB\\r\\n' > crlf; echo x > empty; : > newempty; head -c 100000 /dev/urandom > random; ln -s / out
printf '* text eol=crlf\\n*.x diff=evil\\n' > .gitattributes; printf 'a\\r\\n' > n.x; printf x > 'new
line'; printf x > 'with "quotes" and \\ and 	tab'; printf x > "$(printf 'by\\377te')"; printf x > -dash; mkdir -p 'sp ace'; echo 1 > 'sp ace/ü'"""


def tree(top):
    """What git keeps of a tree: names, contents or targets, whether executable."""
    found = {}
    top = os.fsencode(top)
    for path, dirs, files in os.walk(top):
        if b".git" in dirs:
            dirs.remove(b".git")
        for name in files + [d for d in dirs if os.path.islink(os.path.join(path, d))]:
            full = os.path.join(path, name)
            st = os.lstat(full)
            if os.path.islink(full):
                found[os.path.relpath(full, top)] = ("link", os.readlink(full))
            else:
                with open(full, "rb") as f:
                    found[os.path.relpath(full, top)] = ("x" if st.st_mode & 0o100 else "-", f.read())
    return found


class Cases:
    def setUp(self):
        super().setUp()
        self.work, self.out, self.temporary = self.make_dir(), self.make_dir(), self.make_dir()
        self.sh(TREE, self.work)

    def sh(self, script, cwd, check=True):
        with self.stage.as_process() as kwargs:
            kwargs["env"] = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null", HOME="/nonexistent")
            done = subprocess.run(["sh", "-ec", script], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        if check:
            self.assertEqual(done.returncode, 0, done)
        return done

    def path(self, name):
        return os.path.join(self.out, name)

    def run_cli(self, script, name, *options, code=0, **more):
        done = self.cli("run", "--workspace", self.work, "--changes", self.path(name), *options, "--", "sh", "-c", script, **more)
        self.assertEqual(done.returncode, code, done)
        return done

    def seen(self, script):
        """A tree as the task saw it: the same script in a copy."""
        copy = self.make_dir()
        self.sh("cp -a %s/. ." % self.work, copy)
        self.sh(script, copy)
        return copy

    def patched(self, name, git=False):
        copy = self.make_dir()
        self.sh("cp -a %s/. ." % self.work, copy)
        if git:
            self.sh("git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm x", copy)
        self.sh("git apply --check %s && git apply %s %s" % (self.path(name), "--index" if git else "", self.path(name)), copy)
        return copy

    def cli(self, *args, **more):
        more["env"] = dict(more.get("env") or {}, TMPDIR=self.temporary)
        return super().cli(*args, **more)

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(self.temporary), [])
        self.assertEqual([n for n in os.listdir(self.out) if n.count(".") > 1], [])


@in_modes
class Patch(Cases):
    def test_git_takes_it_and_the_tree_is_what_the_task_saw(self):
        before = tree(self.work)
        script = "rm -f random; " + CHANGES.replace("head -c 100000 /dev/urandom", "seq 30000 | gzip -n")
        done = self.run_cli(script, "p.patch")
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual(tree(self.work), before, "the workspace is as it was")
        want = tree(self.seen(script))
        self.assertEqual(tree(self.patched("p.patch")), want)
        self.assertEqual(tree(self.patched("p.patch", git=True)), want)
        self.assert_nothing_left()

    def test_a_change_of_one_line_is_one_line(self):
        self.run_cli("sed -i s/two/TWO/ text", "p.diff")
        with open(self.path("p.diff")) as f:
            lines = f.read().split("\n")
        self.assertEqual(lines[0], "diff --git a/text b/text")
        self.assertEqual([line for line in lines if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")], ["-two", "+TWO"])

    def test_nothing_changed_is_an_empty_patch(self):
        self.run_cli("true", "p.patch")
        self.assertEqual(os.path.getsize(self.path("p.patch")), 0)

    def test_it_comes_after_a_failure_and_a_timeout(self):
        self.run_cli("echo 2 > del; exit 3", "p.patch", code=3)
        self.assertEqual(tree(self.patched("p.patch"))[b"del"], ("-", b"2\n"))
        self.run_cli("echo 3 > del; exec sleep 60", "p.patch", "--timeout", "%ds" % (2 * SCALE), code=124)
        self.assertEqual(tree(self.patched("p.patch"))[b"del"], ("-", b"3\n"))

    def test_git_s_own_files_stay_out_and_that_is_told(self):
        self.sh("git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm x", self.work)
        done = self.run_cli("git status >/dev/null; echo x > new; git add new", "p.patch")
        self.assertEqual(done.stderr, b"", "an index is nothing to speak of")
        done = self.run_cli("echo x > new; git add new; git -c user.name=a -c user.email=a@b commit -qm y; echo evil > .git/hooks/pre-commit", "p.patch")
        self.assertIn(b"below .git", done.stderr)
        with open(self.path("p.patch")) as f:
            self.assertNotIn(".git", f.read())
        self.assertIn(b"new", tree(self.patched("p.patch")))

    def test_A6_what_no_patch_can_hold_is_told(self):
        done = self.run_cli("mkfifo fifo; echo x > new", "p.patch")
        self.assertIn(b"1 of the changes left out", done.stderr)
        self.assertIn(b"new", tree(self.patched("p.patch")))

    def test_A5_links_do_not_lead_git_out(self):
        secret = self.make_file(os.path.join(self.make_dir(), "secret"), "host secret")
        self.run_cli("rm text; ln -s %s text; ln -s %s d; rm -r gone; ln -s / gone" % (secret, os.path.dirname(secret)), "p.patch")
        with open(self.path("p.patch"), "rb") as f:
            self.assertNotIn(b"host secret", f.read())
        self.assertEqual(tree(self.patched("p.patch"))[b"text"], ("link", secret.encode()))

    def test_an_image_s_files_need_no_git(self):
        """git runs in a jail of its own with the host's programs, not in the task's."""
        image = self.make_image()
        done = self.cli("run", "--image", image, "--workspace", self.work, "--changes", self.path("p.patch"), "-w", "/", "--", "/bin/probe", "ids")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(os.path.getsize(self.path("p.patch")), 0)

    def test_many_files(self):
        self.run_cli("i=0; while [ $i -lt 3000 ]; do echo $i > f$i; i=$((i+1)); done", "p.patch")
        self.assertEqual(len(tree(self.patched("p.patch"))), 3000 + len(tree(self.work)))


class Edits:
    """Random edits of a tree as a shell script."""

    NAMES = ["a", "b c", "ü", "-x", "n\nl", "q'q", "d.txt", "\\t", ".hidden", "tab\there"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def path(self):
        depth = self.random.choice((1, 1, 1, 2, 2, 3))
        return "/".join(self.random.choice(self.NAMES) for _ in range(depth))

    def content(self):
        kind = self.random.randrange(5)
        if kind == 0:
            return self.random.randbytes(self.random.choice((0, 1, 100, 9000)))
        if kind == 1:
            return b""
        lines = [b"line %d" % self.random.randrange(30) for _ in range(self.random.choice((1, 5, 40)))]
        end = self.random.choice((b"\n", b"\r\n"))
        return end.join(lines) + self.random.choice((end, b""))

    def step(self):
        r, p, q = self.random, shlex.quote("./" + self.path()), shlex.quote("./" + self.path())
        data = base64.b64encode(self.content()).decode()
        write = 'mkdir -p "$(dirname -- %s)" && { [ -d %s ] || { rm -f %s; echo %s | base64 -d > %s; }; }' % (p, p, p, data, p)
        return r.choice((
            write, write, write,
            "[ ! -f %s ] || echo %s | base64 -d >> %s" % (p, data, p),
            "rm -rf %s" % p,
            "mv -T -- %s %s" % (p, q),
            "cp -a -T -- %s %s" % (p, q),
            # To nowhere: git takes no path behind a link that leads in circles, not even when the patch removes it.
            'mkdir -p "$(dirname -- %s)" && { rm -rf %s; ln -s nowhere/%s %s; }' % (p, p, q, p),
            "[ -L %s ] || [ -d %s ] || chmod %s %s" % (p, p, r.choice(("644", "755", "600", "700")), p),
            "mkdir -p %s" % p,
            "ln -f -T -- %s %s" % (p, q))) + " || :"

    def script(self, n):
        return "\n".join("{ %s; } 2>/dev/null" % self.step() for _ in range(n))


@in_modes
class Random(Cases):
    """Whatever a task does: the patch applied to a clean copy is the tree that it saw."""

    def test_random_edits(self):
        seed = int(os.environ.get("DAYFLY_TEST_SEED", "0")) or random.randrange(1 << 30)
        for n in range(5):
            edits = Edits(seed + n)
            shutil.rmtree(self.work)
            os.mkdir(self.work, 0o755)
            self.stage.give(self.work)
            # git knows of no empty directories: as a checkout has none, neither has this.
            self.sh(edits.script(60) + "\nfind . -mindepth 1 -type d -empty -delete", self.work)
            script = edits.script(40)
            # It says itself what it sees: hard links, for one, are not the same in an overlay.
            done = self.run_cli(script + "\ntar -cf - .", "p.patch")
            seen = self.make_dir()
            subprocess.run(["tar", "-x", "-C", seen], input=done.stdout, check=True)
            want = tree(seen)
            try:
                self.assertEqual(tree(self.patched("p.patch")), want)
            except AssertionError as e:
                raise AssertionError("DAYFLY_TEST_SEED=%d (round %d)" % (seed, n)) from e


@in_modes
class File(Cases):
    def test_a_tar(self):
        done = self.run_cli("echo 2 > del; rm mode", "c.tar")
        self.assertEqual(done.stderr, b"")
        with tarfile.open(self.path("c.tar")) as tar:
            self.assertEqual(sorted(tar.getnames()), [".wh.mode", "del"])
        self.assertEqual(os.stat(self.path("c.tar")).st_mode & 0o777, 0o644)

    def test_the_format_can_be_said(self):
        self.run_cli("echo 2 > del", "c", "--changes-format", "tar")
        self.assertTrue(tarfile.is_tarfile(self.path("c")))
        self.run_cli("echo 2 > del", "c.tar", "--changes-format", "patch")
        self.assertFalse(tarfile.is_tarfile(self.path("c.tar")))

    def test_a_link_is_followed_and_a_fifo_written_to(self):
        self.make_file(self.path("real.tar"))
        os.symlink("real.tar", self.path("link.tar"))
        self.stage.give(self.path("link.tar"))
        self.run_cli("echo 2 > del", "link.tar")
        self.assertTrue(os.path.islink(self.path("link.tar")))
        self.assertTrue(tarfile.is_tarfile(self.path("real.tar")))
        self.assertEqual(self.run_cli("echo 2 > del", "../../../../../../../dev/null", "--changes-format", "patch").stderr, b"")

    def test_A9_a_link_that_comes_while_the_task_runs_leads_nowhere(self):
        """Who can write in the folder must not choose which of the user's files becomes the patch."""
        precious = self.make_file(self.path("precious"), "mine")
        run = start_cli(self, "run", "-i", "--workspace", self.work, "--changes", self.path("c.patch"), "--", "sh", "-c",
                        "echo 2 > del; echo up; read x", stdin=subprocess.PIPE)
        self.assertEqual(run.stdout.readline(), b"up\n")
        os.symlink("precious", self.path("c.patch"))
        _, err = run.communicate(b"\n", timeout=60)
        self.assertEqual(run.returncode, 0, err)
        self.assertEqual(read(precious), "mine")
        self.assertFalse(os.path.islink(self.path("c.patch")))
        self.assertIn("diff --git", read(self.path("c.patch")))

    def test_what_cannot_be_written_is_known_before_the_task_runs(self):
        for name in ("none/c.tar", "."):
            done = self.run_cli("echo ran", name, "--changes-format", "tar", code=125)
            self.assertEqual(done.stdout, b"")
            self.assertIn(b"--changes", done.stderr)
        done = self.cli("run", "--workspace", self.work, "--changes", self.path("c.zip"), "--", "echo", "ran")
        self.assertEqual((done.returncode, done.stdout), (125, b""))
        self.assertIn(b"--changes-format", done.stderr)
        for options in (["--workspace", self.work + ":rw"], ["--workspace", self.work + ":ro"], []):
            done = self.cli("run", *options, "--changes", self.path("c.tar"), "--", "echo", "ran")
            self.assertEqual((done.returncode, done.stdout), (125, b""))
        done = self.cli("run", "-d", "--workspace", self.work, "--changes", self.path("c.tar"), "--", "echo", "ran")
        self.assertEqual((done.returncode, done.stdout), (125, b""))

    def test_a_task_that_never_ran_leaves_no_file(self):
        done = self.cli("run", "--workspace", self.work, "--changes", self.path("c.tar"), "--", "no-such-command")
        self.assertEqual(done.returncode, 127)
        self.assertEqual(done.stderr.count(b"\n"), 1, done)
        self.assertEqual(os.listdir(self.out), [])
        self.assert_nothing_left()

    def test_the_file_is_whole_or_as_it_was(self):
        self.make_file(self.path("c.tar"), "before")
        done = self.cli("run", "--workspace", self.work, "--changes", self.path("c.tar"), "--idempotency-key", "k", "--", "sh", "-c", "echo 2 > del; sleep 0.1")
        self.assertEqual(done.returncode, 0)
        again = self.cli("run", "--workspace", self.work, "--changes", self.path("d.tar"), "--idempotency-key", "k", "--", "sh", "-c", "echo 2 > del; sleep 0.1")
        self.assertEqual(again.returncode, 125)
        self.assertIn(b"earlier request", again.stderr)
        self.assertEqual(os.listdir(self.out), ["c.tar"])
        self.assert_nothing_left()

    def test_with_json_the_result_tells_it_too(self):
        done = self.run_cli("echo 2 > del", "c.tar", "--json")
        self.assertIn(b'"complete":true', done.stdout)


@in_modes
class PatchOnDisk(Patch):
    daemon_args = ("--upper", "disk")
