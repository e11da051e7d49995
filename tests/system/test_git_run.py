"""dayfly run --git: a commit from a real server, and what a task changed in it as a patch."""
import os
import subprocess

from dayfly_test import in_modes
from servers import GitHttp

from common import OwnDaemons
from test_patch import tree
from test_workspaces import WithGit

MAKEFILE = "test:\n\tgrep -q fixed file\n"


@in_modes
class Run(OwnDaemons, WithGit):
    def setUp(self):
        super().setUp()
        self.new_daemon()
        self.repo = self.make_repo()
        self.put(self.repo, "Makefile", MAKEFILE)
        self.put(self.repo, "file", "broken\n")
        self.git(self.repo, "add", ".")
        self.git(self.repo, "commit", "-qm", "two")
        self.folder = self.make_dir()
        self.git(self.folder, "clone", "-q", "--bare", self.repo, "r.git")
        self.patch = os.path.join(self.folder, "fix.patch")

    def run_git(self, url, script, *more, code=0):
        done = self.cli("run", "--git", url, *more, "--", "sh", "-c", script)
        self.assertEqual(done.returncode, code, done)
        return done

    def test_the_fix_of_a_task_on_a_commit_is_a_patch(self):
        with GitHttp(self.folder, tls=True, users={"joe": "s3cr3t"}) as server:
            url = server.url("r.git", "joe:s3cr3t") + "@main"
            done = self.run_git(url, "sed -i s/broken/fixed/ file && make -s test", "--git-ca", server.ca, "--changes", self.patch)
            self.assertEqual((done.stdout, done.stderr), (b"", b""))
            n = len(server.requests())
            self.run_git(url, "cat file", "--git-ca", server.ca)
            self.assertEqual(len(server.requests()), n, "the same commit again: nobody was asked")
        self.git(self.repo, "apply", "--check", self.patch)
        self.git(self.repo, "apply", self.patch)
        with open(os.path.join(self.repo, "file")) as f:
            self.assertEqual(f.read(), "fixed\n")

    def test_M9_a_wrong_password_is_told_and_not_shown(self):
        with GitHttp(self.folder, tls=True, users={"joe": "s3cr3t"}) as server:
            done = self.run_git(server.url("r.git", "joe:wr0ng"), "true", "--git-ca", server.ca, code=125)
            self.assertIn(b"credentials", done.stderr)
            self.assertNotIn(b"wr0ng", done.stderr + self.daemon.log().encode())
            self.run_git(server.url("r.git", "joe:s3cr3t"), "true", "--git-ca", server.ca)
            self.assertNotIn("s3cr3t", self.daemon.log())
            self.assertNotEqual(self.run_git(server.url("r.git", "joe:s3cr3t"), "true", "--git-refresh", code=125).stderr, b"", "without its CA")

    def test_the_patch_of_anything_gives_the_tree_that_the_task_saw(self):
        def script(folder):
            return "cd %s && " % folder + "rm changed && mkdir -p deep/er && echo x > 'deep/er/a b' && printf 'a\\r\\n\\0b' > bin && chmod +x kept && ln -s kept link && mv staged moved"

        self.run_git(self.repo, script("."), "--changes", self.patch)
        seen, patched = (self.make_dir() for _ in range(2))
        for folder in (seen, patched):
            self.git(folder, "clone", "-q", self.repo, ".")
        with self.stage.as_process() as kwargs:
            subprocess.run(["sh", "-ec", script(seen)], check=True, **kwargs)
        self.git(patched, "apply", self.patch)
        for folder in (seen, patched):
            subprocess.run(["rm", "-rf", os.path.join(folder, ".git")], check=True)
        self.assertEqual(tree(patched), tree(seen))

    def test_what_does_not_go_together_is_named(self):
        for more, word in ((["--workspace", "."], b"--workspace"), (["--apply"], b"--changes FILE"), (["--git-ref", "x"], b"twice")):
            done = self.run_git(self.repo + "@main", "true", *more, code=125)
            self.assertIn(word, done.stderr)
        done = self.cli("run", "--git-ref", "x", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"--git URL", done.stderr)
