"""dayfly run --changes: a patch that git takes, or a tar, in a file."""
import os
import subprocess
import tarfile

from dayfly_client import SCALE
from dayfly_host import read
from dayfly_test import in_modes

from common import start_cli
from edits import CHANGES, Cases, tree


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


@in_modes
class Random(Cases):
    """Whatever a task does: the patch applied to a clean copy is the tree that it saw."""

    def test_random_edits(self):
        def check(script, _):
            # It says itself what it sees: hard links, for one, are not the same in an overlay.
            done = self.run_cli(script + "\ntar -cf - .", "p.patch")
            self.assertEqual(tree(self.patched("p.patch")), tree(self.unpacked(done.stdout)))

        # git knows of no empty directories: as a checkout has none, neither has this.
        self.edit_at_random(check, 5, "%s\nfind . -mindepth 1 -type d -empty -delete")


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
