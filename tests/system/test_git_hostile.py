"""task.source.git from repositories and servers that mean ill, or break down: each is told, and harms nobody. What plain git does with the same
is the control."""
import contextlib
import glob
import os
import socket
import subprocess
import threading

from dayfly_test import in_modes
from servers import GitDaemon, GitHttp, Hostile, Peer, Tarpit, pump, redirect, response, too_long, too_short

from common import wait_until
from test_git_servers import Remote


class Configured(Remote):
    settings = ""

    @property
    def options(self):
        owner = 0 if self.mode == "root" else None
        path = os.path.join(self.make_dir(owner=owner), "dayflyd.conf")
        self.make_file(path, "[git]\n" + self.settings, owner=owner)
        return ("--config", path)

    def in_repo(self, script, input=b""):
        with self.stage.as_process() as kwargs:
            kwargs["env"] = {"PATH": os.environ["PATH"], "HOME": self.folder, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "n",
                             "GIT_AUTHOR_EMAIL": "n@e", "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "n@e"}
            done = subprocess.run(["sh", "-ec", script], cwd=self.repo, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.decode().strip()

    def kib(self):
        """What the daemon has on its disk. What goes while du looks is an error for du, and counts for nothing."""
        return int(subprocess.run(["du", "-sk", self.daemon.state_dir], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split()[-2])


def line(text):
    return b"%04x" % (len(text) + 4) + text


def endless_refs(conn):
    conn.recv(1000)
    conn.sendall(line(b"1" * 40 + b" HEAD\0side-band-64k\n"))
    n = 0
    while True:
        conn.sendall(b"".join(line(b"1" * 40 + b" refs/heads/%060d\n" % i) for i in range(n, n + 1000)))
        n += 1000


@in_modes
class Servers(Configured):
    settings = "timeout = 5m\nmemory = 64MiB\n"

    def test_M4_nobody_is_led_elsewhere(self):
        with GitHttp(self.folder) as good:
            there = good.url("main/info/refs?service=git-upload-pack")
            for to in (there, "file://" + self.repo, "ext::touch /mirror/evil", "git://127.0.0.1:1/x"):
                for status in (301, 302, 307):
                    with Hostile(redirect(to, status)) as server:
                        self.assert_refused(server.url("/main"), "redirect")
                        self.assertEqual(len(server.requests()), 1)
            self.assertEqual(good.requests(), [])
            with Hostile(redirect(there)) as server:
                self.assertIn(self.head(), self.git(self.folder, "ls-remote", server.url("/main")))

    def test_M5_an_answer_that_is_none(self):
        for how in ("reset", "close", too_short(), too_long(), response(429, "Retry-After: 1"), response(503), response(200, body=b"<html>login</html>")):
            with Hostile(how) as server:
                self.assert_refused(server.url("/main"))
                self.assertTrue(server.requests())

    def test_M5_an_answer_without_end(self):
        """More and more branches: git keeps them all in memory."""
        with Peer(endless_refs) as peer:
            self.assert_refused("git://127.0.0.1:%d/x" % peer.port, "memory in [git]")
        with Hostile("drip") as server:
            client = self.connect_to(self.daemon)
            tag, task = client.start({"argv": ["true"], "source": self.source(server.url("/main"))})
            self.assertTrue(wait_until(server.requests))
            client.call("cancel", task=task)
            self.assertEqual(client.finish(tag, task)[1]["cause"], "cancel")
        self.assertEqual(self.from_git("cat kept").text(), "kept\n")

    def test_a_branch_that_moves_between_question_and_answer(self):
        """The task has the commit that was told, whole, or none; never something between."""
        moved = threading.Event()

        def between(conn):
            with contextlib.closing(socket.create_connection(("127.0.0.1", server.port))) as to:
                threading.Thread(target=pump, args=(conn, to), daemon=True).start()
                pump(to, conn, move)

        def move(data):
            if b"refs/heads/main" in data and not moved.is_set():
                moved.set()
                self.put(self.repo, "kept", "moved\n")
                self.git(self.repo, "commit", "-qam", "moved", "--amend")

        old = self.head()
        with GitDaemon(self.folder) as server, Peer(between) as peer:
            url = "git://127.0.0.1:%d/main" % peer.port
            run = self.from_git("cat kept; git rev-parse HEAD; git status --porcelain", url=url, ref="main")
            self.assertTrue(moved.is_set())
            self.assertNotEqual(self.head(), old)
            self.assertEqual((run.text().split(), run.result["source"]["commit"]), (["kept", old], old), run)
            again = self.from_git("cat kept; git rev-parse HEAD", url=url, ref="main", refresh=True)
            self.assertEqual(again.text().split(), ["moved", self.head()])


BLOB = "b=$(echo evil | git hash-object -w --stdin); t=$(printf '100644 blob %s\\tx\\n' $b | git mktree)\n"


@in_modes
class Repositories(Configured):
    def assert_plain_git_takes(self, ref):
        self.git(self.folder, "init", "-q", "--bare", "control")
        self.git(os.path.join(self.folder, "control"), "fetch", "-q", self.repo, "+refs/heads/%s:refs/heads/x" % ref)

    def test_names_that_git_or_another_system_would_take_for_its_own(self):
        blob, tree = self.in_repo(BLOB + "echo $b $t").split()
        for name in (".git", ".GIT", "git~1", ".g\u200cit", "..", ".", "a/b", ".gitmodules"):
            entry = ("120000", blob) if name == ".gitmodules" else ("40000", tree)
            raw = ("%s %s" % (entry[0], name)).encode() + b"\0" + bytes.fromhex(entry[1])
            self.in_repo("git update-ref refs/heads/evil $(git commit-tree -m evil $(git hash-object -w --literally -t tree --stdin))", input=raw)
            self.assert_plain_git_takes("evil")
            run = self.from_git("ls -a", ref="evil", refresh=True)
            self.assertEqual(run.error.get("code"), "source_failed", (name, run))
            self.assertRegex(run.error["message"], "[Ff]sck|fully checked out", name)
        self.assertEqual(self.from_git("cat kept", ref="main").text(), "kept\n")

    def test_names_that_differ_in_case_are_different_files(self):
        self.in_repo(BLOB + """git update-ref refs/heads/case $(git commit-tree -m case $(
            printf '100644 blob %s\\tA\\n100644 blob %s\\ta\\n' $b $(git hash-object kept) | git mktree))""")
        self.assertEqual(self.from_git("cat A a; git status --porcelain", ref="case").text(), "evil\nkept\n")

    def test_what_a_gitmodules_may_not_say(self):
        for url, path in (("-u./evil", "m"), ("--upload-pack=evil", "m"), ("ssh://-oProxyCommand=evil/x", "m"), ("https://x/%0ahost=evil", "m"), ("https://x/y", "-m")):
            self.put(self.repo, ".gitmodules", '[submodule "m"]\n\tpath = "%s"\n\turl = "%s"\n' % (path, url))
            self.git(self.repo, "add", ".gitmodules")
            self.git(self.repo, "commit", "-qm", "modules")
            self.assert_plain_git_takes("main")
            run = self.from_git("true", refresh=True)
            if url.startswith("ssh:"):  # git looks at it where it is used, and here it is not
                self.assert_ok(run)
            else:
                self.assertEqual(run.error.get("code"), "source_failed", (url, run))

    def test_programs_that_the_repository_names_are_not_run(self):
        evil = self.put(self.repo, "evil", "#!/bin/sh\ntouch /mirror/evil /tree/evil %s/ran 2>/dev/null\nexit 0\n" % self.folder, mode=0o755)
        for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc", "post-merge", "pre-receive"):
            os.symlink(evil, os.path.join(self.repo, ".git/hooks", name))
        for key in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.sshCommand", "core.gitProxy", "diff.external", "filter.evil.smudge", "credential.helper"):
            self.git(self.repo, "config", key, evil)
        self.put(self.repo, ".gitattributes", "* filter=evil\n")
        self.git(self.repo, "add", ".gitattributes")
        self.git(self.repo, "commit", "-qm", "evil")
        os.unlink(os.path.join(self.folder, "ran"))  # the control: it was run by now
        run = self.from_git("cat kept; ls evil; git status --porcelain", refresh=True)
        self.assertEqual(run.text().split(), ["kept"], run)
        found = subprocess.run(["find", self.daemon.state_dir, "-name", "evil*"], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(found, b"")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "ran")))


@in_modes
class Large(Configured):
    settings = "cache_per_user = 4MiB\ntimeout = 10m\n"

    def test_more_than_the_cache_may_have_is_not_kept(self):
        small = self.head()
        self.put(self.repo, "big", os.urandom(20 << 20))
        self.git(self.repo, "add", ".")
        self.git(self.repo, "-c", "core.bigFileThreshold=1", "commit", "-qm", "big")
        before = self.kib()
        with GitDaemon(self.folder) as server:
            for url in (self.repo, server.url("main")):
                self.assert_refused(url, "cache_per_user in [git]")
                self.assertTrue(wait_until(lambda: self.kib() < before + 4096), self.kib())
                self.assertEqual(self.from_git("cat kept", url=url, ref=small).text(), "kept\n")

    def test_all_that_git_writes_is_bound_not_each_file_alone(self):
        """Git is told how large a file may be. A git that heeds nothing: here others write where it is at work."""
        with Tarpit() as pit:
            client = self.connect_to(self.daemon)
            tag, task = client.start({"argv": ["true"], "source": self.source("git://127.0.0.1:%d/x" % pit.port)})
            self.assertTrue(wait_until(lambda: pit.connections))
            [mirror] = glob.glob(os.path.join(self.daemon.state_dir, "dayfly-*.git/*/*/shallow.git"))
            for i in range(3):
                self.put(mirror, "file%d" % i, os.urandom(1 << 20))
            with self.assertRaises(TimeoutError):  # less than it may
                client.finish(tag, task, timeout=2.5)
            with contextlib.suppress(FileNotFoundError):  # it may go as soon as it is too much
                for i in range(3, 8):
                    self.put(mirror, "file%d" % i, os.urandom(1 << 20))
            result = client.finish(tag, task)[1]
            self.assertIn("wrote more than this daemon keeps", result["error"]["message"])
            self.assertIn("cache_per_user", result["error"]["hint"])
        self.assertEqual(self.from_git("cat kept").text(), "kept\n")
