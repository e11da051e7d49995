"""task.source.git: the workspace is checked out of a repository. Here of a directory of the host, and of servers that lie or say
nothing; test_git_servers.py has the real ones."""
import glob
import os
import re
import signal
import socket
import subprocess

from dayfly_client import SCALE, DaemonError
from dayfly_host import read
from dayfly_test import in_modes

from common import OwnDaemons, kill_daemon, start_cli, wait_until
from test_workspaces import WithGit

TREES = "dayfly-*.git/*/*/*-shallow"


class Repos(OwnDaemons, WithGit):
    def setUp(self):
        super().setUp()
        self.new_daemon(*self.options)
        self.repo = self.make_repo()

    options = ()

    def source(self, url=None, **more):
        return {"git": dict(url=url or self.repo, **more)}

    def from_git(self, script, url=None, client=None, **more):
        return self.run_bare({"argv": ["sh", "-c", script], "source": self.source(url, **more)}, client=client or self.connect_to(self.daemon))

    def head(self):
        return self.git(self.repo, "rev-parse", "HEAD").strip()

    def commit(self, name, text):
        self.put(self.repo, name, text)
        self.git(self.repo, "add", ".")
        self.git(self.repo, "commit", "-qm", name)
        return self.head()

    def trees(self):
        return sorted(glob.glob(os.path.join(self.daemon.state_dir, TREES)))

    def trash(self):
        return glob.glob(os.path.join(self.daemon.state_dir, "dayfly-*.git/trash/*"))


def command_line(pid):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as f:
            return f.read()
    except OSError:  # it has just ended
        return b""


@in_modes
class Source(Repos):
    def test_the_workspace_is_the_commit_and_the_second_time_it_is_there(self):
        script = "pwd; cat kept; git status --porcelain; git log --format=%s; git rev-parse HEAD; echo more >>kept; git diff --stat"
        run = self.from_git(script, ref="main")
        self.assert_ok(run)
        self.assertEqual(run.text().splitlines()[:4], ["/workspace", "kept", "one", self.head()], run)
        self.assertIn("kept | 1 +", run.text())
        self.assertEqual([c["path"] for c in run.result["changes"]["list"]], ["kept"])
        source = run.result["source"]
        self.assertEqual((source["url"], source["ref"], source["commit"], source["fetched"]), ("file://" + self.repo, "main", self.head(), True))
        self.assertTrue(source["fetch_us"] and source["checkout_us"], source)
        again = self.from_git("cat kept", ref="main")
        self.assertEqual(again.text(), "kept\n")
        self.assertEqual((again.result["source"]["fetched"], again.result["source"]["fetch_us"]), (False, None))
        # What a branch stands for is believed for a while, if nobody says otherwise.
        new = self.commit("later", "l\n")
        self.assertNotEqual(self.from_git("true", ref="main").result["source"]["commit"], new)
        fresh = self.from_git("cat later", ref="main", refresh=True)
        self.assertEqual((fresh.text(), fresh.result["source"]["commit"]), ("l\n", new))

    def test_every_kind_of_ref(self):
        first = self.head()
        self.git(self.repo, "tag", "light")
        self.git(self.repo, "tag", "-am", "x", "heavy")
        self.git(self.repo, "update-ref", "refs/pull/7/head", "HEAD")
        second = self.commit("two", "2\n")
        client = self.connect_to(self.daemon)
        for ref, commit in (("light", first), ("heavy", first), ("refs/pull/7/head", first), ("HEAD", second), (first.upper(), first), (None, second)):
            run = self.from_git("git rev-parse HEAD", client=client, **({"ref": ref} if ref else {}))
            self.assertEqual(run.text().strip(), commit, (ref, run))
        for ref in ("nope", "f" * 40, first[:12]):
            run = self.from_git("true", client=client, ref=ref)
            self.assertEqual((run.outcome, run.cause, run.error["code"]), ("error", "setup", "source_failed"), run)
            self.assertTrue(run.error["hint"], run)
        tree = self.git(self.repo, "rev-parse", "HEAD^{tree}").strip()
        self.git(self.repo, "tag", "tree", tree)
        self.assertIn("is no commit", self.from_git("true", client=client, ref="tree").error["message"])

    def test_a_repository_of_SHA_256_is_refused_by_name(self):
        other = os.path.join(os.path.dirname(self.repo), "other")
        self.git(os.path.dirname(self.repo), "init", "-q", "--object-format=sha256", other)
        self.git(other, "commit", "-qm", "one", "--allow-empty")
        run = self.from_git("true", url=other)
        self.assertEqual(run.error.get("code"), "source_failed", run)
        self.assertIn("SHA-256", run.error["hint"])
        with self.assertRaises(DaemonError) as caught:
            self.from_git("true", url=other, ref=self.git(other, "rev-parse", "HEAD").strip())
        self.assertEqual((caught.exception.code, caught.exception.field), ("bad_value", "task.source.git.ref"))

    def test_history_is_shallow_or_full(self):
        self.commit("two", "2\n")
        for history, log in (("shallow", ["two"]), ("full", ["two", "one"])):
            run = self.from_git("git log --format=%s; git fsck 2>&1", history=history)
            self.assertEqual(run.text().splitlines(), log, run)

    def test_every_file_is_as_the_commit_has_it(self):
        self.put(self.repo, ".gitattributes", "*.txt text eol=crlf\n*.id ident\n*.f filter=evil\n*.u working-tree-encoding=ISO-8859-1\n")
        for name in ("a.txt", "b.id", "c.f", "d.u"):
            self.put(self.repo, name, "$Id$\n")
        self.put(self.repo, "run.sh", "#!/bin/sh\necho ran\n", mode=0o755)
        self.put(self.repo, "strange \"\t\\ name", "s\n")
        os.symlink("kept", os.path.join(self.repo, "link"))
        self.git(self.repo, "add", ".")
        self.git(self.repo, "commit", "-qm", "two")
        run = self.from_git("cat a.txt b.id c.f link; ./run.sh; git status --porcelain; git ls-files -s | wc -l")
        self.assertEqual(run.text().split(), ["$Id$"] * 3 + ["kept", "ran", "12"], run)

    def test_no_task_changes_what_the_next_one_sees(self):
        poison = ("echo evil >kept; rm changed; chmod 777 .; echo x >.git/HEAD; echo evil >evil; touch -d @0 staged; mount -o remount,rw . 2>&1;"
                  "cat kept")
        run = self.from_git(poison)
        self.assertEqual(run.text().split()[-1], "evil", run)  # it did see its own changes
        before = self.trees()
        clean = self.from_git("cat kept changed; git status --porcelain; git rev-parse HEAD; ls evil 2>/dev/null; stat -c %a .")
        self.assertEqual(clean.text().split(), ["kept", "changed", self.head(), "755"], clean)
        self.assertEqual((clean.result["source"]["fetched"], self.trees()), (False, before))
        # As root of its own jail, too, where there are capabilities.
        if self.mode == "root":
            task = {"argv": ["sh", "-c", poison], "user": "root", "source": self.source()}
            self.assertEqual(self.run_bare(task, client=self.connect_to(self.daemon)).text().split()[-1], "evil")
            self.assertEqual(self.from_git("cat kept changed").text(), "kept\nchanged\n")

    def test_a_tree_that_was_changed_from_outside_is_made_again(self):
        self.from_git("true")
        [tree] = self.trees()
        os.utime(os.path.join(tree, ".git/HEAD"))
        self.put(tree, "kept", "evil\n")
        self.assertEqual(self.from_git("cat kept").text(), "kept\n")
        self.assertIn("is made again", read(self.daemon.log_path))

    def test_tasks_that_want_the_same_share_one_fetch(self):
        client = self.connect_to(self.daemon)
        tags = [client.start({"argv": ["cat", "kept"], "source": self.source()}) for _ in range(6)]
        results = [client.finish(*tag)[1] for tag in tags]
        spans = {(r["source"]["commit"], r["source"]["fetch_us"]) for r in results}
        self.assertEqual(len(spans), 1, spans)
        self.assertEqual(len(self.trees()), 1)

    def test_K15_a_path_is_opened_with_the_clients_rights(self):
        if self.mode != "root":
            os.chmod(self.repo, 0)
        else:
            os.chown(self.repo, 0, 0)
            os.chmod(self.repo, 0o700)
        run = self.from_git("cat kept")
        self.assertEqual(run.outcome, "error", run)
        self.assertTrue(run.error["code"] in ("source_unavailable", "source_failed"), run)
        os.chmod(self.repo, 0o755)
        self.stage.give(self.repo)
        self.assertEqual(self.from_git("cat kept").text(), "kept\n")

    def test_what_is_given_beside_it_is_refused_by_name(self):
        for more, field in (({"workspace": {"path": "/tmp"}}, "task.workspace.path"), ({"workspace": {"mode": "rw"}}, "task.workspace.mode")):
            with self.assertRaises(DaemonError) as caught:
                self.connect_to(self.daemon).run(dict(argv=["true"], source=self.source(), **more))
            self.assertEqual((caught.exception.code, caught.exception.field), ("bad_value", field))
        for url in ("ext::sh -c id", "https://u:pw@127.0.0.1/x", "-x"):
            with self.assertRaises(DaemonError) as caught:
                self.connect_to(self.daemon).run({"argv": ["true"], "source": self.source(url)})
            self.assertEqual((caught.exception.code, caught.exception.field), ("bad_value", "task.source.git.url"))
        with self.assertRaises(DaemonError) as caught:
            self.connect_to(self.daemon).run({"argv": ["true"], "source": self.source("https://127.0.0.1/x", ssh_key="k")})
        self.assertEqual((caught.exception.code, caught.exception.field), ("bad_value", "task.source.git.ssh_key"))
        self.assertIn("ssh://", caught.exception.error["hint"])

    def test_the_target_is_where_it_is_seen(self):
        run = self.run_bare({"argv": ["sh", "-c", "pwd; cat kept"], "workspace": {"target": "/home/agent/app"}, "source": self.source()},
                            client=self.connect_to(self.daemon))
        self.assertEqual(run.text(), "/home/agent/app\nkept\n")

    def test_M9_no_secret_is_told_on(self):
        client = self.connect_to(self.daemon)
        for url, more in (("https://n0user@127.0.0.1:1/x", {"credentials": "https://n0user:s3cr3t@127.0.0.1\n"}), ("ssh://127.0.0.1:1/x", {"ssh_key": "s3cr3t\n"})):
            task = {"argv": ["sh", "-c", "env; cat .git/config; cat /run/secrets/* 2>/dev/null; ls -a ~"], "source": self.source(url, **more)}
            run = self.run_bare(task, client=client)
            self.assertEqual(run.error["code"], "source_failed", run)
            told = str(run) + str(client.call("inspect", task=run.task)) + str(client.call("history", task=run.task)) + read(self.daemon.log_path)
            self.assertNotIn("s3cr3t", told)
            self.assertNotIn("n0user", told)
        state = subprocess.run(["grep", "-rl", "s3cr3t", self.daemon.state_dir], stdout=subprocess.PIPE).stdout
        self.assertEqual(state, b"")


@in_modes
class Silent(Repos):
    """A server that takes the connection and says nothing."""

    def setUp(self):
        super().setUp()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.url = "git://127.0.0.1:%d/x" % self.listener.getsockname()[1]

    def begin(self, client, **more):
        got = client.start({"argv": ["true"], "source": self.source(self.url, **more)})
        self.listener.settimeout(20 * SCALE)
        peer, _ = self.listener.accept()
        self.addCleanup(peer.close)
        return got

    def test_a_task_that_waits_for_it_is_cancelled_and_git_with_it(self):
        client = self.connect_to(self.daemon)
        tag, task = self.begin(client)
        client.call("cancel", task=task)
        result = client.finish(tag, task)[1]
        self.assertEqual((result["outcome"], result["cause"]), ("cancelled", "cancel"), result)
        self.assertTrue(wait_until(lambda: not self.git_processes()), self.git_processes())

    def test_who_follows_it_hears_what_it_waits_for(self):
        client = self.connect_to(self.daemon)
        tag, task = self.begin(client)
        event = {}
        while "reason" not in event:
            event = client.next_for(tag)
        self.assertEqual((event["state"], event["reason"], event["source"]), ("queued", "source", self.url))
        self.assertEqual(client.call("inspect", task=task)["reason"], "source")
        client.call("cancel", task=task)
        client.finish(tag, task)
        self.assertNotIn("reason", client.call("inspect", task=task))

    def test_a_person_hears_of_it_after_a_while(self):
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        start_cli(self, "run", "--git", self.url, "--", "true", stderr=slave)
        os.close(slave)
        self.listener.settimeout(20 * SCALE)
        self.addCleanup(self.listener.accept()[0].close)
        said = b""
        while b"\n" not in said:
            said += os.read(master, 1000)
        self.assertIn(b"fetching " + self.url.encode(), said)

    def git_processes(self):
        return [pid for pid in os.listdir("/proc") if pid.isdigit() and self.url.encode() in command_line(pid)]

    def test_so_it_is_when_the_client_goes_or_the_time_to_wait_is_over(self):
        client = self.connect_to(self.daemon)
        self.begin(client)
        client.close()
        self.assertTrue(wait_until(lambda: not self.git_processes()), self.git_processes())
        run = self.run_bare({"argv": ["true"], "limits": {"queue": "1s"}, "source": self.source(self.url)}, client=self.connect_to(self.daemon))
        self.assertEqual(run.cause, "timeout_queue", run)
        self.assertRegex(run.error["message"], "^it waited .+ for its repository, which was not there yet$")
        self.assertIn("server answers", run.error["hint"])
        self.assertTrue(wait_until(lambda: not self.git_processes()), self.git_processes())

    def test_others_go_on_meanwhile(self):
        client = self.connect_to(self.daemon)
        self.begin(client)
        self.assertEqual(self.from_git("cat kept").text(), "kept\n")

    def test_a_daemon_that_dies_leaves_nothing_that_is_in_the_way(self):
        client = self.connect_to(self.daemon)
        self.begin(client)
        self.from_git("true")
        [tree] = self.trees()
        # As if it had died in the midst of a checkout, and of the last step of one.
        with self.stage.as_process(root=self.mode == "root") as kwargs:
            subprocess.run(["cp", "-a", tree, os.path.dirname(tree) + "/new"], check=True, **kwargs)
            subprocess.run(["cp", "-a", tree, os.path.dirname(tree) + "/" + "0" * 40 + "-shallow"], check=True, **kwargs)
        kill_daemon(self.daemon, signal.SIGKILL)
        self.assertTrue(wait_until(lambda: not self.git_processes()), self.git_processes())
        self.daemon.close_client()
        self.daemon.start()
        run = self.from_git("cat kept", ref=self.head())
        self.assertEqual((run.text(), run.result["source"]["fetched"]), ("kept\n", False), run)
        self.assertEqual(self.trees(), [tree])
        self.assertTrue(wait_until(lambda: not self.trash()), self.trash())


@in_modes
class Bounded(Repos):
    @property
    def options(self):
        path = os.path.join(self.make_dir(owner=0 if self.mode == "root" else None), "dayflyd.conf")
        self.make_file(path, "[git]\ncache_per_user = 4MiB\ntimeout = 60s\n", owner=0 if self.mode == "root" else None)
        return ("--config", path)

    def test_what_was_not_used_for_longest_goes_and_what_is_in_use_stays(self):
        self.git(self.repo, "config", "core.compression", "0")
        commits = [self.commit("big", os.urandom(450000).hex()) for _ in range(4)]
        client = self.connect_to(self.daemon)
        tag, task = client.start({"argv": ["sh", "-c", "echo up; read x; wc -c <big"], "stdin": "stream", "source": self.source(ref=commits[0])})
        client.wait_output(tag, b"up")
        for commit in commits[1:]:
            self.assertEqual(self.from_git("wc -c <big", ref=commit).text().strip(), "900000")
        client.call("input", task=task, text="\n", eof=True)
        result = client.finish(tag, task)[1]
        self.assertEqual(result["outcome"], "ok", result)
        self.assertTrue(wait_until(lambda: len(self.trees()) < 4), self.trees())
        self.assertTrue(wait_until(lambda: not self.trash()), self.trash())

    def test_a_commit_that_is_more_than_that_is_refused(self):
        # Few bytes for git, and a hundred thousand files of 1 KiB for the disk.
        script = """set -e
            blob=$(head -c 100000 /dev/zero | git hash-object -w --stdin)
            tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '100644 blob %s\\tf%s\\n' $blob $i; done | git mktree)
            for level in 1 2 3; do
                tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\\td%s\\n' $tree $i; done | git mktree)
            done
            git update-ref refs/heads/bomb $(git -c user.name=n -c user.email=n@e commit-tree -m bomb $tree)"""
        with self.stage.as_process() as kwargs:
            subprocess.run(["sh", "-c", script], cwd=self.repo, check=True, **kwargs)
        run = self.from_git("true", ref="bomb")
        self.assertEqual(run.error.get("code"), "source_failed", run)
        self.assertIn("more than this daemon keeps", run.error["message"])
        self.assertEqual(self.from_git("cat kept", ref="main").text(), "kept\n")


@in_modes
class Logged(Repos):
    options = ("--log-level", "debug")

    def test_what_git_does_is_in_the_log_as_of_the_users_task(self):
        run = self.from_git("true")
        log = read(self.daemon.log_path)
        self.assertEqual(set(re.findall("t-[0-9a-f]{32}", log)), {run.task})
        self.assertIn("task %s: git: queued -> starting" % run.task, log)
        self.assertEqual(len(re.findall("task %s: done: " % run.task, log)), 1)


@in_modes
class Policy(Repos):
    @property
    def options(self):
        path = os.path.join(self.make_dir(owner=0 if self.mode == "root" else None), "dayflyd.conf")
        self.make_file(path, "[git]\nhosts = git.example.org\nlocal = no\n", owner=0 if self.mode == "root" else None)
        return ("--config", path)

    def test_M7_only_hosts_that_the_policy_names_are_asked(self):
        for url in (self.repo, "https://other.example.org/x", "git@evilgit.example.org:x", "git://127.0.0.1/x", "http://git.example.org/x"):
            with self.assertRaises(DaemonError) as caught:
                self.connect_to(self.daemon).run({"argv": ["true"], "source": self.source(url)})
            self.assertEqual((caught.exception.code, caught.exception.field), ("not_allowed", "task.source.git.url"), url)


@in_modes
class Users(Repos):
    modes = ["root"]

    def test_what_one_user_fetched_no_other_is_given(self):
        self.from_git("true")
        own = self.from_git("true")
        self.assertFalse(own.result["source"]["fetched"])
        other = self.from_git("cat kept", client=self.connect_to(self.daemon, uid=0))
        self.assertEqual((other.text(), other.result["source"]["fetched"]), ("kept\n", True), other)
        self.assertEqual(len(self.trees()), 2)
