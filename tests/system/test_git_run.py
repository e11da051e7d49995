"""dayfly run --git: a commit from a real server, and what a task changed in it as a patch."""
import contextlib
import os
import signal
import socket
import struct
import subprocess

from dayfly_client import SCALE, DaemonError
from dayfly_host import read
from dayfly_test import in_modes
from servers import Agent, GitHttp, Sshd

from common import OwnDaemons, wait_until
from edits import tree
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

    def test_M9_the_agent_is_lent_to_the_fetch_and_to_nobody_else(self):
        runtime = self.make_dir()
        with Sshd(self.folder) as server, Agent(self.folder, server.key) as agent:
            with open(server.key + ".pub") as f:
                public = f.read().split()[1].encode()
            url = server.url("r.git")
            env = {"SSH_AUTH_SOCK": agent.socket, "XDG_RUNTIME_DIR": runtime}
            hosts = ["--git-known-hosts", server.known_hosts]
            # Our environment alone lends nothing.
            done = self.cli("run", "--git", url, *hosts, "--", "true", env=env)
            self.assertEqual(done.returncode, 125, done)
            self.assertIn(b"no key is taken", done.stderr)
            look = "cat file; env; ls -la / /tmp ~ /run /run/secrets /agent 2>&1; cat /proc/mounts; find / -xdev -name 'agent.sock' 2>/dev/null; ssh-add -L 2>&1"
            done = self.cli("run", "--git", url, "--git-agent", *hosts, "--changes", self.patch, "--", "sh", "-c", look + "; echo fixed >file", env=env)
            self.assertEqual(done.returncode, 0, done)
            self.assertTrue(done.stdout.startswith(b"broken\n"), done)
            for word in (b"SSH_AUTH_SOCK", b"agent.sock", public, b"dayfly-agent"):
                self.assertNotIn(word, done.stdout)
            # That word would be there if there were one.
            self.assertIn(b"HOME=", done.stdout)
            self.assertEqual(os.listdir(runtime), [])
            self.git(self.repo, "apply", "--check", self.patch)
            # By another name, and what is in the mirror already needs nobody.
            done = self.cli("run", "--git", url, "--git-refresh", "--git-agent=" + agent.socket, *hosts, "--", "cat", "file", env={"XDG_RUNTIME_DIR": runtime})
            self.assertEqual((done.returncode, done.stdout), (0, b"broken\n"), done)
            self.assertEqual(os.listdir(runtime), [])

    def test_where_the_agent_lies_is_no_matter_of_workspaces(self):
        owner = 0 if self.mode == "root" else None
        conf = self.make_file(os.path.join(self.make_dir(owner=owner), "conf"), "[workspaces]\nroots = /srv\n", owner=owner)
        self.new_daemon("--config", conf)
        with Sshd(self.folder) as server, Agent(self.folder, server.key) as agent:
            done = self.cli("run", "--git", server.url("r.git"), "--git-agent", "--git-known-hosts", server.known_hosts, "--", "cat", "file",
                            env={"SSH_AUTH_SOCK": agent.socket})
            self.assertEqual((done.returncode, done.stdout), (0, b"broken\n"), done)

    def test_an_agent_that_is_none_is_refused(self):
        client = self.connect_to(self.daemon)
        file, folder = os.open("/dev/null", os.O_RDONLY), os.open(self.make_dir(), os.O_RDONLY)
        with Sshd(self.folder) as server:
            git = {"url": server.url("r.git"), "agent": 0, "ssh_key": read(server.key), "known_hosts": read(server.known_hosts)}
            task = {"argv": ["true"], "source": {"git": git}}
            for fds, words in (((), "was not sent"), ((file,), "no directory")):
                with self.assertRaises(DaemonError) as caught:
                    client.run(task, fds=fds)
                self.assertEqual((caught.exception.code, caught.exception.field), ("bad_value", "task.source.git.agent"))
                self.assertIn(words, str(caught.exception))
            # Nor is it one of the task's directories.
            for number in range(2):
                task["mounts"] = [{"fd": number, "target": "/x"}]
                fds = (folder, folder)
                run = self.run_bare(dict(task, argv=["ls", "/x/"]), fds=fds, client=client)
                self.assertEqual(run.outcome, ("error", "ok")[number], run)
        os.close(file)
        os.close(folder)

    def test_M9_the_agent_is_lent_until_the_task_runs(self):
        runtime = self.make_dir()
        with Sshd(self.folder) as server, Agent(self.folder, server.key) as agent:
            with self.stage.as_process() as kwargs:
                kwargs["env"] = dict(self.daemon.client_env(), SSH_AUTH_SOCK=agent.socket, XDG_RUNTIME_DIR=runtime)
                run = subprocess.Popen([os.path.join(self.stage.bin, "dayfly"), "run", "-i", "--git", server.url("r.git"), "--git-agent", "--git-known-hosts",
                                        server.known_hosts, "--", "sh", "-c", "echo here; read line; cat file"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
            self.assertEqual(run.stdout.readline(), b"here\n")
            self.assertTrue(wait_until(lambda: not os.listdir(runtime)))
            self.assertEqual(run.communicate(b"\n", timeout=60 * SCALE), (b"broken\n", b""))
            self.assertEqual(run.returncode, 0)

    def test_a_run_that_is_killed_leaves_no_socket_of_the_agent(self):
        runtime = self.make_dir()
        with Sshd(self.folder) as server, Agent(self.folder, server.key) as agent:
            for signo in (signal.SIGTERM, signal.SIGKILL):
                with self.stage.as_process() as kwargs:
                    kwargs["env"] = dict(self.daemon.client_env(), SSH_AUTH_SOCK=agent.socket, XDG_RUNTIME_DIR=runtime)
                    run = subprocess.Popen([os.path.join(self.stage.bin, "dayfly"), "run", "--git", server.url("r.git"), "--git-agent", "--git-known-hosts",
                                            server.known_hosts, "--changes", os.path.join(self.folder, "c.tar"), "--", "sh", "-c",
                                            "echo here; sleep 1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
                self.assertEqual(run.stdout.readline(), b"here\n")
                self.assertEqual(len(os.listdir(runtime)), 1)
                run.send_signal(signo)
                run.communicate(timeout=60 * SCALE)
                self.assertTrue(wait_until(lambda: not os.listdir(runtime)))

    def test_without_an_agent_there_is_no_task(self):
        for env, more, words in (({}, "--git-agent", b"SSH_AUTH_SOCK is not set"), ({"SSH_AUTH_SOCK": "/nowhere"}, "--git-agent", b"/nowhere (SSH_AUTH_SOCK)"),
                                 ({}, "--git-agent=/etc/passwd", b"no ssh agent answers at /etc/passwd")):
            done = self.cli("run", "--git", "git@127.0.0.1:x", more, "--", "true", env=env)
            self.assertEqual(done.returncode, 125, done)
            self.assertIn(words, done.stderr)
        done = self.cli("run", "--git", "git@127.0.0.1:x", "--git-agent", "-d", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"--git-key", done.stderr)

    def test_a_tar_of_what_changed_can_be_applied_to_a_clone(self):
        tar = os.path.join(self.folder, "c.tar")
        self.run_git(self.repo + "@main", "echo fixed >file; echo new >new", "--changes", tar)
        done = self.cli("apply", tar, self.repo)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(b"cannot be told: file", done.stderr)
        done = self.cli("apply", "--unchecked", tar, self.repo)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(self.git(self.repo, "status", "--porcelain"), " M file\n?? new\n")

    def test_what_does_not_go_together_is_named(self):
        for more, word in ((["--workspace", "."], b"--workspace"), (["--apply"], b"--changes FILE"), (["--git-ref", "x"], b"twice")):
            done = self.run_git(self.repo + "@main", "true", *more, code=125)
            self.assertIn(word, done.stderr)
        done = self.cli("run", "--git-ref", "x", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"--git URL", done.stderr)


@in_modes
class Private(OwnDaemons, WithGit):
    """Of root, whose daemon is started for one command: there a place is made before its rights are given up."""

    modes = ["root"]

    def test_root_needs_no_daemon_and_no_place_either(self):
        repo = self.make_repo()
        runtime = self.make_dir(owner=0, mode=0o700)
        script = """set -e
            mount -t tmpfs -o mode=755 none /var/lib
            dayfly run --git "$1" -- cat kept
            dayfly run --git "$1" -- cat kept
            stat -c '%a %U' /var/lib/dayfly; find /var/lib/dayfly -name '*-shallow'"""
        env = {"PATH": self.stage.bin + ":" + os.environ["PATH"], "XDG_RUNTIME_DIR": runtime, "HOME": "/root"}
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", repo], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60 * SCALE)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.connect(os.path.join(runtime, "dayfly/dayfly.sock"))
            pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not os.path.exists("/proc/%d" % pid), 15))
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stdout.split()[:3], [b"kept", b"kept", b"700"], done)
