"""Workspaces as they really are: a dirty git tree, linked worktrees, submodules, many files, and a .git that lies."""
import os
import statistics
import subprocess

from dayfly_host import read
from dayfly_test import in_modes

from test_config import Configured

IDENTITY = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always")


class WithGit:
    def git(self, folder, *args, check=True):
        """git on the host, as the client's user."""
        with self.stage.as_process() as kwargs:
            kwargs["env"] = {"PATH": os.environ["PATH"], "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
            done = subprocess.run(("git",) + IDENTITY + args, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        if check:
            self.assertEqual(done.returncode, 0, done)
        return done.stdout.decode()

    def put(self, folder, name, text, **more):
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            os.unlink(path)
        return self.make_file(path, text, **more)

    def make_repo(self, name="main"):
        repo = os.path.join(self.make_dir(), name)
        os.mkdir(repo)
        self.stage.give(repo)
        self.git(repo, "init", "-q")
        for file in ("kept", "changed", "removed", "staged"):
            self.put(repo, file, file + "\n")
        self.git(repo, "add", ".")
        self.git(repo, "commit", "-qm", "one")
        return repo

    def make_worktree(self, repo, *more):
        tree = os.path.join(os.path.dirname(repo), "tree")
        self.git(repo, *more, "worktree", "add", "-q", tree, "-b", "side")
        return tree

    def inside(self, folder, script, mode="cow", status=0):
        done = self.cli("run", "--workspace", folder + ":" + mode, "--", "sh", "-c", script, cwd="/")
        self.assertEqual(done.returncode, status, done)
        return done.stdout.decode(), done.stderr.decode()


COMMIT = "git %s commit -qam inside && git log --format=%%s" % " ".join(IDENTITY[:4])


@in_modes
class Git(WithGit):
    def make_dirty(self, repo):
        self.put(repo, "changed", "changed more\n")
        self.put(repo, "staged", "staged more\n")
        self.git(repo, "add", "staged")
        os.unlink(os.path.join(repo, "removed"))
        self.put(repo, "untracked", "u\n")
        self.put(repo, ".gitignore", "*.log\n")
        self.put(repo, "x.log", "ignored\n")

    def test_a_dirty_tree_is_there_as_it_is(self):
        repo = self.make_repo()
        self.make_dirty(repo)
        script = "git status --porcelain --ignored; git diff; git diff --cached; git log --format=%H; cat untracked x.log"
        outside = "".join(self.git(repo, *args) for args in (
            ("status", "--porcelain", "--ignored"), ("diff",), ("diff", "--cached"), ("log", "--format=%H"))) + "u\nignored\n"
        self.assertIn("?? untracked", outside)
        for mode in ("cow", "ro", "rw"):
            self.assertEqual(self.inside(repo, script, mode)[0], outside, mode)
        self.inside(repo, "git add -A && git stash -q && test ! -e untracked && " + COMMIT.replace("-qam", "--allow-empty -qm"))
        self.assertEqual(self.git(repo, "log", "--format=%s"), "one\n")
        self.assertEqual(read(os.path.join(repo, "untracked")), "u\n")

    def test_a_linked_worktree(self):
        repo = self.make_repo()
        tree = self.make_worktree(repo)
        self.put(tree, "changed", "changed more\n")
        self.put(tree, "untracked", "u\n")
        script = "git status --porcelain; git rev-parse --abbrev-ref HEAD; git log --format=%s; git worktree list | wc -l"
        for mode in ("cow", "ro", "rw"):
            self.assertEqual(self.inside(tree, script, mode), (" M changed\n?? untracked\nside\none\n2\n", ""), mode)
        done = self.cli("run", "--no-git-dir", "--workspace", tree, "--", "ls", repo, cwd="/")
        self.assertEqual((done.returncode, done.stdout), (2, b""), done)
        # The other worktree's files are not shown with it.
        self.assertEqual(self.inside(tree, "ls -A " + repo)[0], ".git\n")

        self.assertEqual(self.inside(tree, COMMIT, "cow")[0], "inside\none\n")
        self.assertEqual(self.git(tree, "log", "--format=%s"), "one\n")
        self.assertIn("Read-only", self.inside(tree, COMMIT, "ro", status=128)[1])
        self.assertEqual(self.git(tree, "log", "--format=%s"), "one\n")
        self.assertEqual(self.inside(tree, COMMIT, "rw")[0], "inside\none\n")
        self.assertEqual(self.git(tree, "log", "--format=%s"), "inside\none\n")
        self.git(repo, "fsck", "--strict")

    def test_a_submodule_in_it_and_as_it(self):
        module, repo = self.make_repo("module"), self.make_repo()
        self.git(repo, "submodule", "--quiet", "add", module, "sub")
        self.git(repo, "commit", "-qm", "with a module")
        sub = os.path.join(repo, "sub")
        self.put(sub, "changed", "changed more\n")
        for mode in ("cow", "ro"):
            self.assertEqual(self.inside(repo, "git status --porcelain; git -C sub status --porcelain; git -C sub log --format=%s", mode),
                             (" M sub\n M changed\none\n", ""), mode)
            self.assertEqual(self.inside(sub, "git status --porcelain; git log --format=%s", mode), (" M changed\none\n", ""), mode)
        self.assertEqual(self.inside(sub, COMMIT)[0], "inside\none\n")
        # Of the repository around it only the module's part is shown.
        self.assertEqual(self.inside(sub, "ls -A ..; ls ../.git ../.git/modules")[0].split(), [
            ".git", "sub", "../.git:", "modules", "../.git/modules:", "sub"])

    def test_K15_a_git_file_that_lies_opens_nothing(self):
        repo, secret = self.make_repo(), self.make_dir()
        self.put(secret, "secret", "s")
        tree = self.make_worktree(repo)
        other = self.make_dir()
        names = os.path.join(repo, ".git", "worktrees", "tree")
        for lie in (secret, "/etc", os.path.join(repo, ".git"), names):
            self.put(other, ".git", "gitdir: %s\n" % lie)
            out, err = self.inside(other, "ls -A %s %s 2>&1; true" % (secret, repo))
            self.assertNotIn("secret\n", out)
            self.assertNotIn("HEAD", out)
            self.assertIn("does not name it in turn", err)
        # A worktree that was given another's name.
        self.put(os.path.join(names), "gitdir", os.path.join(other, ".git") + "\n")
        self.assertIn("in turn", self.inside(tree, "true")[1])
        # The control: then the other one is it.
        self.assertEqual(self.inside(other, "git log --format=%s"), ("one\n", ""))

    def test_K15_no_configuration_of_a_workspace_runs_anything_outside(self):
        repo = self.make_repo()
        tree, mark = self.make_worktree(repo), os.path.join(self.make_dir(), "mark")
        script = self.put(os.path.dirname(mark), "run", "#!/bin/sh\ntouch %s\n" % mark, mode=0o755)
        for name, value in (("core.fsmonitor", script), ("core.hooksPath", os.path.dirname(script)), ("core.sshCommand", script),
                            ("filter.f.clean", script), ("filter.f.smudge", script), ("core.pager", script), ("diff.external", script),
                            ("core.editor", script), ("alias.status", "!" + script)):
            self.git(repo, "config", name, value)
        self.put(tree, ".gitattributes", "* filter=f\n")
        for mode in ("cow", "ro", "rw"):
            self.inside(tree, "true", mode)
        self.assertFalse(os.path.exists(mark))
        self.git(tree, "status")
        self.assertTrue(os.path.exists(mark), "the control: git itself runs it")


@in_modes
class Hidden(WithGit):
    def make_ignoring(self):
        repo = self.make_repo()
        for folder in ("src/deep", "node_modules/x"):
            with self.stage.as_process() as kwargs:
                subprocess.run(["mkdir", "-p", folder], cwd=repo, check=True, **kwargs)
        self.put(repo, ".gitignore", ".env\nnode_modules/\n*.o\n")
        for name in (".env", "src/deep/.env", "src/deep/a.o", "src/deep/a.c", "node_modules/x/y"):
            self.put(repo, name, "secret " + name)
        os.chmod(os.path.join(repo, "src/deep"), 0o750)
        os.utime(os.path.join(repo, "src/deep"), (1000000000, 1000000000))
        return repo

    def hidden_run(self, folder, script, mode="cow", **more):
        done = self.cli("run", "--hide-ignored", "--workspace", folder + ":" + mode, "--", "sh", "-c", script, cwd="/", **more)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.decode()

    def test_what_git_ignores_is_not_there(self):
        repo = self.make_ignoring()
        self.put(repo, "untracked", "u")
        script = "find . -name .git -prune -o -type f -print | sort; stat -c '%n %a %u %Y' src/deep; ls -A | wc -l; git status --porcelain --ignored"
        for mode in ("cow", "ro"):
            self.assertEqual(self.hidden_run(repo, script, mode).split("\n"), [
                "./.gitignore", "./changed", "./kept", "./removed", "./src/deep/a.c", "./staged", "./untracked", "src/deep 750 1000 1000000000",
                "8", "?? .gitignore", "?? src/", "?? untracked", ""], mode)
            # The control.
            self.assertIn("secret .env", self.inside(repo, "cat .env", mode)[0])
        # What it makes there is its own, and gone with it.
        self.assertEqual(self.hidden_run(repo, "echo own > .env; mkdir node_modules; ls -A node_modules; rm -r src; cat .env"), "own\n")
        self.assertEqual(read(os.path.join(repo, ".env")), "secret .env")
        self.assertEqual(read(os.path.join(repo, "node_modules/x/y")), "secret node_modules/x/y")

    def test_what_is_hidden_is_no_change_of_the_task_s(self):
        repo = self.make_ignoring()
        place = {"path": repo, "target": "/w", "hide": [".env", "node_modules/", "src/deep/.env"]}
        run = self.assert_ok(self.shell("true", workspace=place))
        self.assertEqual((run.result["changes"]["added"], run.result["changes"]["modified"], run.result["changes"]["deleted"]), (0, 0, 0))
        run = self.assert_ok(self.shell("echo x > .env; echo y > src/deep/.env; echo z >> kept; rm changed; mkdir node_modules", workspace=place))
        self.assertEqual([(c["change"], c["path"]) for c in run.result["changes"]["list"]], [
            ("added", ".env"), ("deleted", "changed"), ("modified", "kept"), ("added", "node_modules"), ("added", "src/deep/.env")])

    def test_submodules_and_repositories_below(self):
        module, repo = self.make_repo("module"), self.make_ignoring()
        self.git(repo, "submodule", "--quiet", "add", module, "sub")
        nested = os.path.join(repo, "nested")
        os.mkdir(nested)
        self.stage.give(nested)
        self.git(nested, "init", "-q")
        for folder in (os.path.join(repo, "sub"), nested):
            self.put(folder, ".gitignore", "*.key\n")
            self.put(folder, "a.key", "secret")
            self.put(folder, "shown", "s")
        self.assertEqual(self.hidden_run(repo, "ls sub nested"), "nested:\nshown\n\nsub:\nchanged\nkept\nremoved\nshown\nstaged\n")
        self.assertEqual(self.hidden_run(os.path.join(repo, "sub"), "ls"), "changed\nkept\nremoved\nshown\nstaged\n")
        tree = self.make_worktree(repo)
        self.put(tree, ".gitignore", ".env\n")
        self.put(tree, ".env", "secret")
        self.assertEqual(self.hidden_run(tree, "ls -A | grep env; git status --porcelain"), "?? .gitignore\n")

    def test_the_user_s_own_excludes_count(self):
        repo = self.make_repo()
        home = self.make_dir()
        self.put(home, "excludes", "*.private\n")
        self.put(home, ".gitconfig", "[core]\n\texcludesFile = %s/excludes\n" % home)
        self.put(repo, "a.private", "secret")
        self.put(os.path.join(repo, ".git", "info"), "exclude", "b.*\n")
        self.put(repo, "b.local", "secret")
        self.assertEqual(self.hidden_run(repo, "ls | grep '[.]'; true", env={"HOME": home}), "")

    def test_it_fails_closed(self):
        plain, repo = self.make_dir(), self.make_ignoring()
        for args, text in ((("--workspace", plain), b"not a git repository"), ((), b"--workspace"), (("--workspace", repo + ":rw"), b"rw"),
                           (("--workspace", os.path.join(repo, "node_modules")), b"ignores the whole")):
            done = self.cli("run", "--hide-ignored", *args, "--", "true")
            self.assertEqual((done.returncode, text in done.stderr), (125, True), (args, done))
        done = self.cli("run", "--hide-ignored", "--workspace", repo, "--", "true", env={"PATH": plain})
        self.assertEqual((done.returncode, b"git" in done.stderr), (125, True), done)
        # Its names are those of another place, and look like ours.
        other = self.make_ignoring()
        self.git(other, "config", "core.worktree", self.make_dir())
        done = self.cli("run", "--hide-ignored", "--workspace", other, "--", "true")
        self.assertEqual((done.returncode, b"work tree elsewhere" in done.stderr), (125, True), done)
        for hide in (["/etc"], ["../x"], [""], ["."], ["a/../b"]):
            self.refused("bad_value", field="task.workspace.hide", workspace={"path": repo, "target": "/w", "hide": hide})
        self.refused("bad_value", field="task.workspace.hide", workspace={"path": repo, "target": "/w", "mode": "rw", "hide": ["a"]})
        self.refused("too_large", field="task.workspace.hide", workspace={"path": repo, "target": "/w", "hide": ["x" * 200 + "/" + str(i) for i in range(6000)]})

    def test_K15_git_runs_nothing_that_the_workspace_names(self):
        repo, mark = self.make_ignoring(), os.path.join(self.make_dir(), "mark")
        script = self.put(os.path.dirname(mark), "run", "#!/bin/sh\ntouch %s\n" % mark, mode=0o755)
        for name, value in (("core.fsmonitor", script), ("core.hooksPath", os.path.dirname(script)), ("core.sshCommand", script),
                            ("core.pager", script), ("core.askPass", script), ("credential.helper", "!" + script), ("filter.f.clean", script),
                            ("filter.f.process", script), ("alias.ls-files", "!" + script), ("remote.origin.url", "ext::" + script),
                            ("remote.origin.promisor", "true"), ("extensions.partialClone", "origin"), ("core.repositoryFormatVersion", "1")):
            self.git(repo, "config", name, value)
        self.put(repo, ".gitattributes", "* filter=f\n")
        os.unlink(os.path.join(repo, ".git", "index"))
        self.put(os.path.join(repo, ".git", "hooks"), "post-index-change", read(script), mode=0o755)
        self.assertNotIn("secret", self.hidden_run(repo, "cat .env 2>&1; true"))
        self.assertFalse(os.path.exists(mark))
        self.git(repo, "add", "kept", check=False)
        self.assertTrue(os.path.exists(mark), "the control: git itself runs it")

    def test_A5_nothing_is_hidden_through_a_link(self):
        work, host = self.make_dir(), self.make_dir()
        self.make_file(os.path.join(host, "f"), "outside")
        os.symlink(host, os.path.join(work, "l"))
        run = self.assert_ok(self.shell("ls -A; readlink l", workspace={"path": work, "target": "/w", "hide": ["l/f", "none/x"]}))
        self.assertEqual(run.text(), "l\n%s\n" % host)
        run = self.assert_ok(self.shell("ls -A", workspace={"path": work, "target": "/w", "hide": ["l"]}))
        self.assertEqual((run.text(), os.listdir(work), os.listdir(host)), ("", ["l"], ["f"]))

    def test_what_is_shown_is_told(self):
        tag, task = self.client.start({"argv": ["sleep", "60"], "workspace": {"path": self.make_dir(), "hide": ["a", "b"]}})
        self.assertEqual(self.client.call("inspect", task=task)["spec"]["workspace"]["hidden"], 2)
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)


@in_modes
class Rooted(WithGit, Configured):
    def setUp(self):
        super().setUp()
        self.repo = self.make_repo()
        self.tree = self.make_worktree(self.repo)

    def log_with(self, *roots):
        self.configured("[workspaces]\n" + "".join("roots = %s\n" % root for root in roots))
        return self.cli("run", "--workspace", self.tree, "--", "git", "log", "--format=%s", cwd="/")

    def test_A18_a_git_directory_lies_where_the_administrator_allows(self):
        done = self.log_with(self.tree, self.repo + "x")
        self.assertEqual((done.returncode, b"allows" in done.stderr), (125, True), done)
        self.assertEqual(self.cli("run", "--no-git-dir", "--workspace", self.tree, "--", "true", cwd="/").returncode, 0)

    def test_A18_the_control(self):
        done = self.log_with(self.tree, self.repo)
        self.assertEqual((done.returncode, done.stdout), (0, b"one\n"), done)


@in_modes
class Mounts(WithGit):
    def test_a_mount_may_be_cow(self):
        work, data = self.make_dir(), self.make_dir()
        self.make_file(os.path.join(data, "old"), "old")
        for pool in range(2):
            run = self.assert_ok(self.shell("cd /d && rm old && echo new > new && mkdir sub && ls && echo w > /w/w", workspace={
                "path": work, "target": "/w"}, mounts=[{"path": data, "target": "/d", "mode": "cow"}]))
            self.assertEqual(run.text(), "new\nsub\n")
            # What the workspace has become counts, and only that.
            self.assertEqual(run.result["changes"]["added"], 1, run.result["changes"])
            self.assertEqual(run.result["changes"]["deleted"], 0, run.result["changes"])
        self.assertEqual((os.listdir(data), os.listdir(work)), (["old"], []))
        run = self.assert_ok(self.shell("cat /d/f", files=[{"path": "/d/f", "text": "put"}], mounts=[
            {"path": data, "target": "/d", "mode": "cow"}]))
        self.assertEqual(run.text(), "put")
        error = self.refused("source_unavailable", field="task.mounts[0]", mounts=[
            {"path": os.path.join(data, "old"), "target": "/f", "mode": "cow"}])
        self.assertIn("directory", error["message"])


@in_modes
class ManyFiles(WithGit):
    FEW, MANY = 10, 20000

    def make_tree(self, n):
        root = self.make_dir()
        for i in range(n):
            folder = os.path.join(root, "d%d" % (i // 200))
            if i % 200 == 0:
                os.mkdir(folder)
            with open(os.path.join(folder, "f%d" % i), "w"):
                pass
        subprocess.run(["chown", "-R", str(os.stat(root).st_uid), root], check=True)
        return root

    def test_the_start_costs_nothing_for_each_file(self):
        trees = {n: self.make_tree(n) for n in (self.FEW, self.MANY)}
        setup, disk = {n: [] for n in trees}, {n: [] for n in trees}
        for _ in range(15):
            for n, path in trees.items():
                run = self.assert_ok(self.shell("true", workspace={"path": path, "target": "/w"}))
                setup[n].append(run.result["time"]["setup"])
                disk[n].append(run.result["disk"]["inodes"])
        # 2000 times as many: what the jail makes is the same, and the time of it of the same size.
        self.assertEqual(disk[self.FEW], disk[self.MANY])
        self.assertLess(statistics.median(setup[self.MANY]), 3 * statistics.median(setup[self.FEW]), setup)
