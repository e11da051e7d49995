"""dayfly run --changes x.bundle: a commit on top of the one that the task saw."""
import os
import subprocess

from dayfly_client import SCALE
from dayfly_host import read
from dayfly_test import in_modes

from common import OwnDaemons, start_cli
from edits import CHANGES, Cases, tree
from test_config import Configured

GIT = "git -c user.name=a -c user.email=a@b -c init.defaultBranch=main "
COMMIT = GIT + "init -q . && " + GIT + "add -A && " + GIT + "commit -qm one"


class Bundles(OwnDaemons, Cases):
    def setUp(self):
        super().setUp()
        self.new_daemon()
        self.sh(COMMIT, self.work)

    def bundle(self, script, *options, name="c.bundle", code=0, source=None, **more):
        source = source or ("--workspace", self.work)
        done = self.cli("run", *source, "--changes", self.path(name), *options, "--", "sh", "-c", script, **more)
        self.assertEqual(done.returncode, code, done)
        return done

    def fetched(self, name="c.bundle"):
        """A clone of the repository, with what the bundle brings."""
        clone = self.make_dir()
        # Every file as it is in there, whatever attributes the task has left.
        self.sh("git clone -q -n %s . && echo '* -text -ident !filter !working-tree-encoding' > .git/info/attributes && git fetch -q %s && git checkout -q FETCH_HEAD"
                % (self.work, self.path(name)), clone)
        return clone

    def said(self, script, cwd):
        return self.sh(script, cwd).stdout.decode(errors="replace").strip()


@in_modes
class Bundle(Bundles):
    def test_a_clone_that_fetches_it_has_the_tree_that_the_task_saw(self):
        script = CHANGES.replace("head -c 100000 /dev/urandom", "seq 30000 | gzip -n")
        want = tree(self.seen(script))
        for source in (("--workspace", self.work), ("--git", self.work)):
            before = self.said("git rev-parse HEAD; git for-each-ref; git count-objects; find . | sort | sha256sum", self.work)
            done = self.bundle(script, source=source)
            self.assertEqual((done.stdout, done.stderr), (b"", b""))
            clone = self.fetched()
            self.assertEqual(tree(clone), want)
            self.assertEqual(self.said("git rev-parse HEAD~1 && git status --porcelain && git fsck --strict", clone), self.said("git rev-parse HEAD", self.work))
            self.assertEqual(self.said("git rev-parse HEAD; git for-each-ref; git count-objects; find . | sort | sha256sum", self.work), before)
            self.assertEqual(os.listdir(self.temporary), [])

    def test_what_it_says(self):
        self.bundle("echo 2 > del", "--result", self.path("result"))
        task = read(self.path("result")).partition('"task":')[2].split('"')[1]
        clone = self.fetched()
        self.assertEqual(self.said("git log -1 --format='%an <%ae> %cn <%ce>%n%s'", clone),
                         "dayfly <dayfly@localhost> dayfly <dayfly@localhost>\nWhat the dayfly task %s changed" % task)
        self.assertIn("refs/heads/dayfly/" + task, self.said("git bundle list-heads %s" % self.path("c.bundle"), clone))
        self.sh("git config user.name 'Jöe Doe'; git config user.email joe@example.org", self.work)
        self.bundle("echo 2 > del; chmod 755 mode")
        clone = self.fetched()
        self.assertEqual(self.said("git log -1 --format='%an <%ae> %cn <%ce>'", clone),
                         "Jöe Doe <joe@example.org> Jöe Doe <joe@example.org>")
        self.assertEqual(self.said("git show --format= --raw --abbrev=1 | cut -d' ' -f1,2,5-", clone), ":100644 100644 M\tdel\n:100644 100755 M\tmode")

    def test_it_comes_after_a_failure_and_without_a_change(self):
        self.bundle("echo 2 > del; exit 3", code=3)
        self.assertEqual(read(os.path.join(self.fetched(), "del")), "2\n")
        self.bundle("true")
        clone = self.fetched()
        self.assertEqual(self.said("git rev-parse HEAD^{tree}", clone), self.said("git rev-parse HEAD~1^{tree}", clone))
        self.bundle("echo 2 > del", "--changes-format", "bundle", name="x")
        self.assertEqual(read(os.path.join(self.fetched("x"), "del")), "2\n")

    def test_only_what_the_task_changed_is_in_it(self):
        """Not what was changed and never committed, nor what git does not know."""
        self.sh("echo own > text; echo own > secret; echo own > staged; git add staged; rm noend", self.work)
        self.bundle("cat secret; echo 2 > del")
        clone = self.fetched()
        self.assertEqual(self.said("git diff --stat=200 HEAD~1 | cat", clone).splitlines()[0].split()[0], "del")
        self.assertFalse(os.path.exists(os.path.join(clone, "secret")))
        self.assertEqual(self.said("git rev-list --objects HEAD ^HEAD~1 | cut -s -d' ' -f2", clone).split(), ["del"])

    def test_A5_nothing_of_the_task_s_is_run_or_followed(self):
        marker = os.path.join(self.make_dir(), "marker")
        secret = self.make_file(os.path.join(self.make_dir(), "secret"), "host secret")
        evil = "touch %s; cat" % marker
        # The repository's own configuration and hooks are the user's, and have no part in it either.
        self.sh("git config filter.evil.clean '%s' && git config filter.evil.smudge '%s' && git config core.fsmonitor 'touch %s' && git config core.autocrlf input"
                % (evil, evil, marker), self.work)
        for hook in ("pre-commit", "post-commit", "reference-transaction", "post-index-change", "post-checkout"):
            self.make_file(os.path.join(self.work, ".git/hooks", hook), "#!/bin/sh\ntouch %s\n" % marker, mode=0o755)
        # What git runs outside, of its own: git status.
        script = """printf '* filter=evil diff=evil merge=evil text eol=crlf ident working-tree-encoding=UTF-16\\n[attr]binary -diff\\n' > .gitattributes
            printf 'a\\r\\n$Id$\\n' > text; cp .gitattributes dir/; git config --global x.y z; printf '[core]\\n\\tfsmonitor = touch %s\\n' > .git/config
            mkdir -p sub/.git/hooks; echo x > sub/.git/config; echo x > sub/file; ln -s %s link2; rm -r gone; ln -s / gone; printf x > "$(printf 'a\\nb')"; printf x > '"; touch x'
            printf x > './--all'; printf '* -text\\n' > .git/info/attributes; printf x > "$(printf '$(touch x)')"
            """ % (marker, secret)
        done = self.bundle(script)
        self.assertIn(b"a bundle cannot", done.stderr)
        self.assertFalse(os.path.exists(marker))
        clone = self.fetched()
        got = tree(clone)
        self.assertEqual(got[b"text"], ("-", b"a\r\n$Id$\n"))
        self.assertEqual((got[b"link2"], got[b"gone"]), (("link", secret.encode()), ("link", b"/")))
        for name in (b"a\nb", b'"; touch x', b"--all", b"$(touch x)", b"sub/file"):
            self.assertIn(name, got)
        self.assertNotIn("sub/.git", self.said("git ls-tree -r --name-only HEAD", clone))
        self.assertNotIn("host secret", self.said("git cat-file --batch-all-objects --batch | tr -d '\\000'", clone))
        # The control: it is the task's own doing, outside, that would have run it.
        self.sh("cd %s && git status && git add -A" % self.work, self.work)
        self.assertTrue(os.path.exists(marker))

    def test_of_a_linked_worktree_and_a_shallow_clone(self):
        linked, shallow = os.path.join(self.make_dir(), "w"), self.make_dir()
        self.sh("git worktree add -q %s -b side && cd %s && echo 3 > del && %s commit -qam two" % (linked, linked, GIT), self.work)
        self.bundle("echo 4 > mode", source=("--workspace", linked))
        clone = self.fetched()
        self.assertEqual(self.said("git log --format=%s", clone).splitlines()[1:], ["two", "one"])
        self.sh("git clone -q --depth 1 -b side file://%s ." % self.work, shallow)
        self.bundle("echo 5 > mode", source=("--workspace", shallow))
        self.assertEqual(self.said("cat mode; git log --format=%s | tail -n 2", self.fetched()), "5\ntwo\none")

    def test_where_there_is_no_commit_it_is_refused_before_the_task(self):
        plain, empty = self.make_dir(), self.make_dir()
        self.sh("git init -q", empty)
        for folder in (plain, empty, os.path.join(self.work, "dir")):
            done = self.bundle("echo ran", source=("--workspace", folder), code=125)
            self.assertEqual(done.stdout, b"")
            self.assertIn(b"a bundle needs a commit", done.stderr)
            self.assertIn(b".patch", done.stderr)
        self.assertEqual(os.listdir(os.path.dirname(self.path("x"))), [])

    def test_a_branch_is_made_in_the_repository_and_nothing_else_happens(self):
        marker = os.path.join(self.make_dir(), "marker")
        for hook in ("reference-transaction", "post-checkout", "pre-auto-gc"):
            self.make_file(os.path.join(self.work, ".git/hooks", hook), "#!/bin/sh\ntouch %s\n" % marker, mode=0o755)
        look = "git rev-parse HEAD; git symbolic-ref HEAD; cat del; cat .git/config"
        before = self.said(look, self.work)
        done = self.bundle("printf '* filter=evil\\n' > .gitattributes; echo 2 > del", "--changes-branch", "fix/one")
        self.assertEqual(done.stderr, b"")
        self.assertFalse(os.path.exists(marker))
        self.assertEqual(self.said(look, self.work), before)
        self.assertEqual(self.said("git log --format=%s fix/one | tail -n 1; git show fix/one:del; git rev-parse fix/one~1; git for-each-ref --format='%(refname)'", self.work),
                         "one\n2\n%s\nrefs/heads/fix/one\nrefs/heads/main" % self.said("git rev-parse HEAD", self.work))
        # The control: that hook is one that runs.
        self.sh("git update-ref refs/heads/control HEAD", self.work)
        self.assertTrue(os.path.exists(marker))

    def test_no_branch_is_moved(self):
        tip = self.said("git branch there; git rev-parse there", self.work)
        for name in ("there", "main", "bad..name", "-x", "@{-1}", "a b", ""):
            done = self.bundle("echo ran", "--changes-branch=" + name, code=125)
            self.assertEqual(done.stdout, b"", done)
            self.assertIn(b"--changes-branch", done.stderr)
        # One that comes meanwhile: the bundle is there all the same.
        run = start_cli(self, "run", "-i", "--workspace", self.work, "--changes", self.path("m.bundle"), "--changes-branch", "late", "--", "sh", "-c",
                        "echo 2 > del; echo up; read line", stdin=subprocess.PIPE, env=dict(self.daemon.client_env(), TMPDIR=self.temporary))
        self.assertEqual(run.stdout.readline(), b"up\n")
        self.sh("git branch late", self.work)
        err = run.communicate(b"\n", timeout=120 * SCALE)[1]
        self.assertEqual(run.returncode, 125)
        self.assertIn(b"--changes-branch late", err)
        self.assertEqual(self.said("git rev-parse there late | uniq", self.work), tip)
        self.assertEqual(read(os.path.join(self.fetched("m.bundle"), "del")), "2\n")
        for options in (("--changes", self.path("c.tar")), ()):
            done = self.cli("run", "--workspace", self.work, *options, "--changes-branch", "x", "--", "echo", "ran")
            self.assertEqual((done.returncode, done.stdout), (125, b""))
        done = self.bundle("echo ran", "--changes-branch", "x", source=("--git", self.work), code=125)
        self.assertIn(b"git fetch", done.stderr)

    def test_what_lies_in_a_submodule_is_refused(self):
        """A commit of this repository holds only which commit of it belongs here."""
        inner = self.make_dir()
        self.sh("echo 1 > x && " + COMMIT, inner)
        self.sh("for name in 'a sub' empty; do git -c protocol.file.allow=always submodule -q add %s \"dir/$name\"; done && %s commit -qm two && git submodule -q deinit -f dir/empty" % (inner, GIT), self.work)
        for script, name in (("echo 2 > 'dir/a sub/x'", "dir/a sub"), ("rm 'dir/a sub/x'", "dir/a sub"), ("echo 2 > 'dir/a sub/new'; echo 2 > del", "dir/a sub"),
                             ("echo 2 > dir/empty/new", "dir/empty")):
            with self.subTest(script):
                done = self.bundle(script, code=125)
                self.assertIn(("the task changed files of the submodule %s, which a commit of this repository cannot hold\n" % name).encode(), done.stderr)
                self.assertIn(b"fix: take the changes as a .tar or a .patch\n", done.stderr)
                self.assertFalse(os.path.exists(self.path("c.bundle")))
        for name in os.listdir(self.temporary):
            os.unlink(os.path.join(self.temporary, name))
        # The control: beside it all is as ever, and one may go as a whole.
        self.bundle("echo 2 > del; echo 2 > 'dir/a sub2'; rm -r dir/empty")
        self.assertEqual(self.said("git diff --name-status HEAD~1", self.fetched()), "M\tdel\nA\tdir/a sub2\nD\tdir/empty")
        self.bundle("rm -r 'dir/a sub'")
        self.assertEqual(self.said("git diff --name-status HEAD~1", self.fetched()), "D\tdir/a sub")

    def test_git_apply_and_dayfly_apply_are_for_others(self):
        self.bundle("echo 2 > del")
        done = self.cli("apply", self.path("c.bundle"), self.work)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"git fetch", done.stderr)


@in_modes
class Random(Bundles):
    """Whatever a task does: a clone with the bundle is the tree that it saw."""

    def test_random_edits(self):
        def check(script, n):
            source = ("--git" if n % 2 else "--workspace", self.work)
            done = self.bundle(script + "\ntar --exclude=./.git -cf - .", source=source)
            self.assertEqual(tree(self.fetched()), tree(self.unpacked(done.stdout)))

        self.edit_at_random(check, prepare="%s\nfind . -mindepth 1 -type d -empty -delete\necho x > always\n" + COMMIT)


@in_modes
class Rooted(Configured, Bundles):
    def test_A18_changes_are_taken_where_only_the_workspace_is_allowed(self):
        self.configured("[workspaces]\nroots = %s\n" % self.work)
        self.sh("git config user.name a && git config user.email a@b", self.work)
        want = tree(self.seen("echo 2 > del"))
        for source in (("--workspace", self.work), ("--git", self.work)):
            for name in ("c.tar", "c.patch", "c.bundle"):
                done = self.bundle("echo 2 > del", name=name, source=source)
                self.assertEqual((name, done.stderr), (name, b""))
            self.assertEqual(tree(self.patched("c.patch")), want)
            self.assertEqual(tree(self.fetched()), want)
        # The control: nothing is shown of the directory for temporary files.
        done = self.cli("run", "--mount", self.temporary + ":/t", "--", "true")
        self.assertEqual((done.returncode, b"allows" in done.stderr), (125, True), done)
        done = self.bundle("echo 2 > del", "--apply", name="c.patch")
        self.assertEqual(done.stderr, b"")
        self.assertEqual(tree(self.work), want)
        self.assertEqual(os.listdir(self.temporary), [])
