"""task.source.git from servers that no one here wrote, by every way in: https, http, ssh with a key and with an agent, git://."""
import os
import socket
import threading

from dayfly_client import SCALE
from dayfly_host import as_user, read
from dayfly_test import in_modes
from servers import Agent, GitDaemon, GitHttp, Listener, Sshd, Tarpit, make_key, pump

from test_git_source import Repos


class Forwarder(Listener):
    """A folder with an agent.sock that whoever sees it may use, in front of the user's own agent: that one speaks to nobody but its own
    user, and a jail of root's daemon is somebody else."""

    def __init__(self, folder, agent):
        self.agent, self.n = agent, 0
        with as_user():
            os.mkdir(folder, 0o755)
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(os.path.join(folder, "agent.sock"))
            os.chmod(os.path.join(folder, "agent.sock"), 0o666)
            listening.listen(8)
            self.fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        super().__init__(listening)

    def take(self, conn):
        self.n += 1
        with as_user():
            to = socket.socket(socket.AF_UNIX)
            to.connect(self.agent.socket)
        for pair in ((conn, to), (to, conn)):
            threading.Thread(target=pump, args=pair, daemon=True).start()

    def stop(self):
        super().stop()
        os.close(self.fd)


class Remote(Repos):
    """The repository is at `self.folder`/main."""

    def setUp(self):
        super().setUp()
        self.folder = os.path.dirname(self.repo)

    def assert_fetched(self, url, **more):
        run = self.from_git("cat kept; git rev-parse HEAD; git remote get-url origin", url=url, refresh=True, **more)
        self.assertEqual(run.text().splitlines()[:2], ["kept", self.head()], (run, read(self.daemon.log_path)))
        self.assertEqual((run.result["source"]["commit"], run.result["source"]["url"]), (self.head(), run.text().splitlines()[2]))
        return run

    def assert_refused(self, url, *words, **more):
        """Says why and what helps."""
        run = self.from_git("true", url=url, refresh=True, **more)
        self.assertEqual((run.outcome, run.cause, run.error["code"]), ("error", "setup", "source_failed"), run)
        for word in words:
            self.assertIn(word, run.error["message"] + "; " + run.error.get("hint", ""))
        return run


@in_modes
class Http(Remote):
    def test_plain_on_loopback(self):
        with GitHttp(self.folder) as server:
            self.assert_fetched(server.url("main"))
            self.assertIn("/main/git-upload-pack", [uri for _, _, uri, _ in server.requests()])
            self.assert_refused(server.url("nothing"), "is it the address of a repository")

    def test_with_a_CA_and_a_password(self):
        with GitHttp(self.folder, tls=True, users={"joe": "s3cr3t"}) as server:
            ca = read(server.ca)
            good, bad = (server.url("", "joe:" + word).rstrip("/") + "\n" for word in ("s3cr3t", "wr0ng"))
            self.assert_fetched(server.url("main"), credentials=good, ca=ca)
            self.assertIn("Basic am9lOnMzY3IzdA==", [authorization for *_, authorization in server.requests()])
            self.assert_refused(server.url("main"), "give credentials", ca=ca)
            self.assert_refused(server.url("main"), "the credentials are not taken", credentials=bad, ca=ca)
            self.assert_refused(server.url("main"), "give its ca", credentials=good)
            self.assert_refused("https://127.0.0.1:%d/main" % server.port, "give its ca", credentials=good, ca=ca)
            told = read(self.daemon.log_path)
            self.assertNotIn("s3cr3t", told)
            self.assertNotIn("wr0ng", told)

    def test_M4_a_password_is_for_its_host_only(self):
        with GitHttp(self.folder, tls=True, users={"joe": "s3cr3t"}) as server:
            self.assert_refused(server.url("main"), "give credentials", credentials="https://joe:s3cr3t@other.example.org\n", ca=read(server.ca))
            self.assertEqual({authorization for *_, authorization in server.requests()}, {""})

    def test_every_commit_as_the_server_gives_it(self):
        first = self.head()
        with GitHttp(self.folder) as server:
            self.commit("two", "2\n")
            self.assertEqual(self.from_git("git rev-parse HEAD", url=server.url("main"), ref=first).text().strip(), first)
            self.assertEqual(self.from_git("git log --format=%s", url=server.url("main"), history="full").text(), "two\none\n")
            self.assert_refused(server.url("main"), "the server has no such commit", ref="f" * 40)
            self.assert_refused(server.url("main"), "there is no such branch or tag", ref="nope")


@in_modes
class GitProtocol(Remote):
    def test_git_daemon(self):
        with GitDaemon(self.folder) as server:
            self.assert_fetched(server.url("main"))
            self.assert_refused(server.url("nothing"))


@in_modes
class Ssh(Remote):
    def setUp(self):
        super().setUp()
        self.server = Sshd(self.folder)
        self.addCleanup(self.server.stop)
        self.url = self.server.url("main")
        self.key, self.known_hosts = read(self.server.key), read(self.server.known_hosts)

    def test_with_a_key(self):
        run = self.assert_fetched(self.url, ssh_key=self.key, known_hosts=self.known_hosts)
        self.assertNotIn("PRIVATE KEY", str(run) + read(self.daemon.log_path))
        self.assertIn("Accepted publickey", self.server.log())

    def test_with_another_key_or_none(self):
        other = read(make_key(os.path.join(self.folder, "other")))
        self.assert_refused(self.url, "give an ssh_key", ssh_key=other, known_hosts=self.known_hosts)
        self.assert_refused(self.url, "give an ssh_key", known_hosts=self.known_hosts)
        self.assertNotIn("Accepted publickey", self.server.log())
        self.assert_refused(self.server.url("nothing"), "is it the path of a repository", ssh_key=self.key, known_hosts=self.known_hosts)

    def test_M8_a_host_key_that_is_not_known_or_not_the_right_one_ends_it(self):
        wrong = read(make_key(os.path.join(self.folder, "other")) + ".pub").split()[:2]
        lines = "[127.0.0.1]:%d %s\n" % (self.server.port, " ".join(wrong))
        self.assert_refused(self.url, "known_hosts", ssh_key=self.key, known_hosts=lines)
        self.assert_refused(self.url, "known_hosts", ssh_key=self.key, known_hosts="")
        self.assert_refused(self.url, "known_hosts", ssh_key=self.key)
        self.assertNotIn("Accepted publickey", self.server.log())
        self.assert_fetched(self.url, ssh_key=self.key, known_hosts=self.known_hosts)

    def test_with_the_clients_agent(self):
        with Agent(self.folder, self.server.key) as agent, Forwarder(os.path.join(self.folder, "forward"), agent) as forward:
            def ask(script):
                task = {"argv": ["sh", "-c", script], "source": self.source(self.url, agent=0, known_hosts=self.known_hosts, refresh=True)}
                return self.run_bare(task, fds=[forward.fd], client=self.connect_to(self.daemon))

            run = ask("cat kept; ls /agent; echo $SSH_AUTH_SOCK")
            self.assertEqual(run.text().split(), ["kept"], (run, self.server.log()))
            self.assertGreater(forward.n, 0)
            n = forward.n
            self.assert_refused(self.url, "give an ssh_key", known_hosts=self.known_hosts)
            self.assertEqual(forward.n, n, "a request without an agent has none")
            agent.process.kill()
            agent.process.wait()
            self.assertIn("give an ssh_key or an agent that has one", ask("true").error["hint"])

    def test_the_form_of_scp(self):
        """It has no port; the usual one has nobody, or not us."""
        run = self.from_git("true", url="%s@127.0.0.1:%s" % (self.server.user, self.repo), ssh_key=self.key, known_hosts="x\n")
        self.assertEqual(run.error["code"], "source_failed", run)


@in_modes
class Impatient(Remote):
    """Servers that never end."""

    @property
    def options(self):
        owner = 0 if self.mode == "root" else None
        path = os.path.join(self.make_dir(owner=owner), "dayflyd.conf")
        self.make_file(path, "[git]\ntimeout = %ds\n" % max(2, 2 * SCALE), owner=owner)
        return ("--config", path)

    def test_M5_one_that_says_nothing_costs_the_time_it_may(self):
        with Tarpit() as pit:
            for url in ("git://127.0.0.1:%d/x", "http://127.0.0.1:%d/x", "ssh://git@127.0.0.1:%d/x"):
                self.assert_refused(url % pit.port, "timeout in [git]")
                self.assertTrue(pit.connections, url)
