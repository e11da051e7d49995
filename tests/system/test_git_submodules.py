"""task.source.git.submodules: what a commit records of other repositories is fetched and checked out too, by the same rules; and what a
.gitmodules that means ill comes to."""
import glob
import os
import subprocess
import threading

from dayfly_client import SCALE
from dayfly_host import read
from dayfly_test import in_modes
from servers import GitDaemon, GitHttp, Sshd

from test_git_hostile import Configured

LOOK = "cat kept lib/f lib/deep/er/f; git status --porcelain; git submodule status --recursive; git -C lib rev-parse HEAD; git -C lib remote get-url origin"


class WithModules(Configured):
    """main has lib, which has deep/er; all in one folder, named relative to each other."""

    def setUp(self):
        super().setUp()
        for name in ("lib", "deep"):
            path = os.path.join(self.folder, name)
            os.mkdir(path)
            self.stage.give(path)
            self.git(path, "init", "-q")
            self.put(path, "f", name + "\n")
            self.git(path, "add", ".")
            self.git(path, "commit", "-qm", name)
        self.deep = self.link("lib", "deep/er", "../deep")
        self.lib = self.link("main", "lib", "../lib")

    def link(self, repo, path, url, to=None, name="m"):
        """A submodule in the commit of `repo`, as it is recorded; nothing is cloned for it."""
        folder = os.path.join(self.folder, repo)
        commit = to or self.git(os.path.join(self.folder, os.path.basename(url)), "rev-parse", "HEAD").strip()
        self.put(folder, ".gitmodules", '[submodule "%s"]\n\tpath = "%s"\n\turl = "%s"\n' % (name, path, url))
        self.git(folder, "add", ".gitmodules")
        self.git(folder, "update-index", "--add", "--cacheinfo", "160000,%s,%s" % (commit, path))
        self.git(folder, "commit", "-qm", "link " + path)
        return commit

    def with_modules(self, script, **more):
        return self.from_git(script, submodules=True, refresh=True, **more)

    def assert_whole(self, run):
        lines = run.text().splitlines()
        self.assertEqual(lines[:3], ["kept", "lib", "deep"], (run, read(self.daemon.log_path)))
        self.assertEqual([line.split()[:2] for line in lines[3:5]], [[self.lib, "lib"], [self.deep, "lib/deep/er"]], run)
        self.assertEqual({line[0] for line in lines[3:5]}, {" "}, "as git has it that has checked them out: " + run.text())
        self.assertEqual((lines[5], run.result["source"]["submodules"]), (self.lib, 2), run)

    def assert_refused_for(self, *words, **more):
        run = self.with_modules("true", **more)
        self.assertIn(run.error.get("code"), ("source_failed", "source_unavailable", "not_allowed"), (words, run))
        for word in words:
            self.assertIn(word, run.error["message"])
        self.assertTrue(run.error["hint"])
        return run


@in_modes
class There(WithModules):
    def test_they_are_there_with_theirs(self):
        run = self.with_modules(LOOK)
        self.assert_whole(run)
        self.assertEqual(run.text().splitlines()[6], "file://" + os.path.join(self.folder, "lib"))
        [mirror] = glob.glob(os.path.join(self.daemon.state_dir, "dayfly-*.git/*/*/shallow.git"))
        parts = [os.stat(path) for path in glob.glob(mirror + "/modules/*")]
        self.assertEqual([(st.st_uid, st.st_mode & 0o700) for st in parts], [(os.stat(mirror).st_uid, 0o700)] * 2, "the daemon can move them")
        again = self.from_git("cat lib/deep/er/f; echo x >lib/f; git -C lib status --porcelain", submodules=True)
        self.assertEqual((again.text(), again.result["source"]["fetched"], again.result["source"]["submodules"]), ("deep\n M f\n", False, 2))
        self.assertEqual(self.from_git("cat lib/f", submodules=True).text(), "lib\n", "no task changes what the next one sees")

    def test_without_being_asked_for_they_are_told(self):
        run = self.from_git("ls -A lib")
        self.assertEqual((run.text(), run.result["source"]["submodules"]), ("", 1), run)
        self.assert_whole(self.with_modules(LOOK))
        self.assertEqual(self.from_git("ls -A lib").text(), "")

    def test_history_is_as_asked_for(self):
        for history, n in (("shallow", 1), ("full", 2)):
            self.assertEqual(self.with_modules("git -C lib log --format=%s | wc -l", history=history).text().strip(), str(n))

    def test_the_command_line(self):
        done = self.cli("run", "--git", self.repo, "--git-submodules", "--", "cat", "lib/deep/er/f")
        self.assertEqual((done.returncode, done.stdout), (0, b"deep\n"), done)
        done = self.cli("run", "--git", self.repo, "--", "ls", "lib")
        self.assertEqual((done.returncode, done.stdout), (0, b""), done)
        self.assertEqual(done.stderr, b"1 submodule is not there (--git-submodules fetches them)\n")
        done = self.cli("run", "--git-submodules", "--", "true")
        self.assertIn(b"--git URL", done.stderr)

    def test_a_patch_has_what_changed_in_them_by_paths_from_the_top(self):
        patch = os.path.join(self.folder, "fix.patch")
        script = "echo new >kept; echo new >lib/f; echo x >lib/deep/er/g"
        done = self.cli("run", "--git", self.repo, "--git-submodules", "--changes", patch, "--", "sh", "-c", script)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)
        whole = self.make_dir()
        self.git(whole, "clone", "-q", "--recurse-submodules", self.repo, ".")
        with self.stage.as_process() as kwargs:
            subprocess.run(["patch", "-s", "-p1", "-i", patch], cwd=whole, check=True, **kwargs)
        self.assertEqual([read(os.path.join(whole, name)) for name in ("kept", "lib/f", "lib/deep/er/g")], ["new\n", "new\n", "x\n"])

    def test_a_tree_of_a_daemon_before_this_one_is_taken(self):
        self.assert_whole(self.with_modules(LOOK))
        self.daemon.close_client()
        self.daemon.process.terminate()
        self.daemon.process.wait(timeout=60 * SCALE)
        self.daemon.start()
        run = self.from_git(LOOK, submodules=True, ref=self.head())
        self.assert_whole(run)
        self.assertFalse(run.result["source"]["fetched"])

    def test_from_servers(self):
        with GitDaemon(self.folder) as server:
            self.assert_whole(self.with_modules(LOOK, url=server.url("main")))
        with Sshd(self.folder) as server:
            self.assert_whole(self.with_modules(LOOK, url=server.url("main"), ssh_key=read(server.key), known_hosts=read(server.known_hosts)))

    def test_M4_credentials_are_for_the_host_of_the_repository_only(self):
        with GitHttp(self.folder, tls=True, users={"joe": "s3cr3t"}) as server, GitHttp(self.folder, tls=True, users={"joe": "s3cr3t"}) as other:
            words = dict(url=server.url("main"), ca=read(server.ca) + read(other.ca))
            words["credentials"] = "".join(s.url("", "joe:s3cr3t").rstrip("/") + "\n" for s in (server, other))
            self.assert_whole(self.with_modules(LOOK, **words))
            self.link("main", "lib", other.url("lib"), to=self.lib)
            run = self.assert_refused_for("cannot be had", **words)
            self.assertIn("credentials", run.error["hint"])
            self.assertTrue(other.requests())
            self.assertEqual({authorization for *_, authorization in other.requests()}, {""})
            self.assertEqual(self.from_git("cat f", **dict(words, url=other.url("lib"))).text(), "lib\n", "the control: there they are good")


@in_modes
class Wrong(WithModules):
    def test_M4_where_they_may_not_lead(self):
        with GitDaemon(self.folder) as server:
            for url, word in (("file://" + self.folder + "/lib", "directory of this host"), (self.folder + "/lib", "directory of this host"),
                              ("../../127.0.0.2/lib", "leads out of the host"), ("ext::touch /mirror/evil", "no address"),
                              ("git://evil.example.org/lib", "anybody in between")):
                self.link("main", "lib", url, to=self.lib)
                self.assert_refused_for("the submodule lib", word, url=server.url("main"))
            self.link("main", "lib", "../lib")
            self.assert_whole(self.with_modules(LOOK, url=server.url("main")))

    def test_M4_no_link_of_a_commit_leads_from_a_local_repository_to_another(self):
        private = self.make_dir()
        self.git(private, "init", "-q")
        self.put(private, "f", "private\n")
        self.git(private, "add", ".")
        self.git(private, "commit", "-qm", "private")
        commit = self.git(private, "rev-parse", "HEAD").strip()
        os.symlink(private, os.path.join(self.repo, "way"))
        self.git(self.repo, "add", "way")
        for url, word in (("./way", "/main/way"), (private, "lib"), ("file://" + private, "lib"), ("../../" + private.lstrip("/"), "lib")):
            self.link("main", "lib", url, to=commit)
            self.assert_refused_for(word)
        self.assertEqual(self.from_git("cat f", url=private).text(), "private\n", "the control: the user may have it")
        inner = os.path.join(self.repo, "inner")
        os.rename(os.path.join(self.folder, "deep"), inner)
        self.link("main", "lib", "./inner", to=self.git(inner, "rev-parse", "HEAD").strip())
        self.assertEqual(self.with_modules("cat lib/f").text(), "deep\n", "the control: what lies in it is taken")

    def test_what_is_not_there_is_named(self):
        self.link("main", "lib", "../lib", to="f" * 40)
        self.assert_refused_for("f" * 40)
        self.link("main", "lib", "../gone", to=self.lib)
        self.assert_refused_for("gone")
        self.git(self.repo, "rm", "-q", "--cached", ".gitmodules")
        self.git(self.repo, "commit", "-qm", "no list")
        self.assert_refused_for("the submodule lib has no address")

    def test_a_repository_that_is_its_own_submodule_ends_somewhere(self):
        first = self.head()
        self.link("main", "lib", "../main", to=first)
        self.assert_whole_of_two()
        # An endless one has to be made backwards, and so has an end; a long one is made here.
        for _ in range(8):
            self.link("main", "lib", "../main", to=self.head())
        self.assert_refused_for("lies in too many others")

    def assert_whole_of_two(self):
        run = self.with_modules("cat lib/kept lib/lib/f lib/lib/deep/er/f")
        self.assertEqual(run.text(), "kept\nlib\ndeep\n", run)

    def test_no_link_leads_a_submodule_elsewhere(self):
        """CVE-2024-32002 and its like: what is a directory in one place of the tree and a link in another."""
        blob = self.in_repo("printf .git | git hash-object -w --stdin")
        raw_link, raw_sub = bytes.fromhex(blob), bytes.fromhex(self.lib)
        modules = self.in_repo("printf '[submodule \"x\"]\\n\\tpath = a/hooks\\n\\turl = ../lib\\n' | git hash-object -w --stdin")

        def commit(raw):
            self.in_repo("git update-ref refs/heads/evil $(git commit-tree -m evil $(git hash-object -w --literally -t tree --stdin))", input=raw)

        sub = self.in_repo("git hash-object -w --literally -t tree --stdin", input=b"160000 hooks\0" + raw_sub)
        entry = b"100644 .gitmodules\0" + bytes.fromhex(modules)
        # The link and the directory by the same name: no tree that git takes.
        commit(entry + b"120000 a\0" + raw_link + b"40000 a\0" + bytes.fromhex(sub))
        self.assertEqual(self.with_modules("true", ref="evil").error.get("code"), "source_failed")
        # By names that differ in case: two things here, and nothing meets the other.
        commit(entry + b"120000 A\0" + raw_link + b"40000 a\0" + bytes.fromhex(sub))
        run = self.with_modules("readlink A; cat a/hooks/f; ls .git/hooks 2>/dev/null", ref="evil")
        self.assertEqual(run.text().split(), [".git", "lib"], run)

    def test_programs_that_a_submodule_names_are_not_run(self):
        evil = self.put(self.folder + "/lib", "evil", "#!/bin/sh\ntouch /mirror/evil /tree/evil 2>/dev/null\ntouch %s/ran\nexit 0\n" % self.folder, mode=0o755)
        os.symlink(evil, os.path.join(self.folder, "lib/.git/hooks/post-checkout"))
        self.git(self.folder + "/lib", "config", "core.fsmonitor", evil)
        self.put(self.repo, ".gitmodules", '[submodule "../../hooks"]\n\tpath = lib\n\turl = ../lib\n\tupdate = !touch /tree/evil\n')
        self.git(self.repo, "add", ".gitmodules")
        self.git(self.repo, "commit", "-qm", "evil")
        self.git(self.folder + "/lib", "status")
        os.unlink(os.path.join(self.folder, "ran"))
        self.assertRegex(self.with_modules("true").error.get("message", ""), "fsck|ubmodule")
        self.put(self.repo, ".gitmodules", '[submodule "x"]\n\tpath = lib\n\turl = ../lib\n')
        self.git(self.repo, "add", ".gitmodules")
        self.git(self.repo, "commit", "-qm", "good")
        self.assertEqual(self.with_modules("cat lib/f; find . -name evil").text(), "lib\n")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "ran")))
        found = subprocess.run(["find", self.daemon.state_dir, "-name", "evil*"], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(found, b"")


@in_modes
class Large(WithModules):
    settings = "cache_per_user = 4MiB\n"

    def test_all_together_are_not_more_than_one_may_be(self):
        self.git(os.path.join(self.folder, "lib"), "config", "core.compression", "0")
        self.put(os.path.join(self.folder, "lib"), "big", "x" * (5 << 20))
        self.git(os.path.join(self.folder, "lib"), "add", ".")
        self.git(os.path.join(self.folder, "lib"), "commit", "-qm", "big")
        self.link("main", "lib", "../lib")
        run = self.with_modules("true")
        self.assertEqual(run.error.get("code"), "source_failed", run)
        self.assertIn("cache_per_user", run.error["hint"])
        self.assertEqual(self.from_git("cat kept").text(), "kept\n")


@in_modes
class Many(WithModules):
    settings = "cache_per_user = 8MiB\n"

    def add_random(self, name, size):
        path, modules = os.path.join(self.folder, name), os.path.join(self.repo, ".gitmodules")
        os.mkdir(path)
        self.stage.give(path)
        self.git(path, "init", "-q")
        self.make_file(os.path.join(path, "big"), os.urandom(size))
        self.git(path, "add", ".")
        self.git(path, "commit", "-qm", name)
        others = read(modules)
        self.link("main", name, "../" + name, name=name)
        self.put(self.repo, ".gitmodules", others + read(modules))
        self.git(self.repo, "add", ".gitmodules")
        self.git(self.repo, "commit", "-qm", "beside the others")

    def test_M4_what_all_of_them_bring_is_bound_not_what_each_does(self):
        most, done = [], threading.Event()

        def look():
            while not done.wait(0.05):
                most.append(self.kib())

        names = ["r%d" % i for i in range(6)]
        self.add_random(names[0], 3 << 20)
        one = self.head()
        for name in names[1:]:
            self.add_random(name, 3 << 20)
        with GitHttp(self.folder, tls=True) as server:
            words = dict(url=server.url("main"), ca=read(server.ca))
            thread = threading.Thread(target=look)
            thread.start()
            try:
                run = self.with_modules("true", **words)
            finally:
                done.set()
                thread.join()
            asked = {name for name in names for _, _, uri, _ in server.requests() if "/%s/" % name in uri}
            self.assertEqual((run.error.get("code"), run.error.get("message")), ("source_failed", "git wrote more than this daemon keeps"), run)
            self.assertIn("cache_per_user", run.error["hint"])
            self.assertTrue(asked)
            self.assertLess(len(asked), len(names), "what is beyond the bound is not even asked for")
            self.assertLess(max(most), 2 * 8 << 10)
            self.assertEqual(self.with_modules("wc -c <r0/big", ref=one, **words).text().strip(), str(3 << 20), "the control: one of them fits")
