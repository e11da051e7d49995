"""The servers of tests/lib/servers.py do what the tests rely on: a plain git, curl's library behind it, gets through each."""
import base64
import os
import ssl
import subprocess
import urllib.error
import urllib.request

from dayfly_test import Case
from servers import Agent, Dav, GitDaemon, GitHttp, Hostile, Sshd, Tarpit, environment, named_user, redirect, response, too_long, too_short


class Servers(Case):
    mode = "rootless"
    starts_daemon = False

    def setUp(self):
        super().setUp()
        self.folder = self.make_dir()
        self.sh("git init -q -b main r && cd r && echo hello > file && git add . && git -c user.name=a -c user.email=a@b commit -qm x "
                "&& cd .. && git clone -q --bare r r.git")

    def sh(self, script, check=True, **env):
        with self.stage.as_process() as kwargs:
            for name in ("user", "group", "extra_groups"):
                kwargs.pop(name, None)
            kwargs["env"] = dict(environment(), **env)
            done = subprocess.run(named_user(self.folder, ["sh", "-ec", script]), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=60, **kwargs)
        if check:
            self.assertEqual(done.returncode, 0, done)
        return done

    def clone(self, url, check=True, **env):
        return self.sh("rm -rf c; git clone -q '%s' c && cat c/file" % url, check, **env)

    def assert_clones(self, url, **env):
        self.assertEqual(self.clone(url, **env).stdout, b"hello\n")

    def test_http(self):
        with GitHttp(self.folder) as server:
            self.assert_clones(server.url("r.git"))
            self.assertIn((200, "GET", "/r.git/info/refs?service=git-upload-pack", ""), server.requests())

    def test_https_with_a_CA_of_its_own_and_a_password(self):
        with GitHttp(self.folder, tls=True, users={"joe": "secret"}) as server:
            url = server.url("r.git", "joe:secret")
            self.assert_clones(url, GIT_SSL_CAINFO=server.ca)
            self.assertNotEqual(self.clone(url, check=False).returncode, 0, "without its CA")
            wrong = self.clone(server.url("r.git", "joe:wrong"), check=False, GIT_SSL_CAINFO=server.ca, GIT_TERMINAL_PROMPT="0")
            self.assertNotEqual(wrong.returncode, 0)

    def test_git_daemon(self):
        with GitDaemon(self.folder) as server:
            self.assert_clones(server.url("r.git"))

    def test_sshd_by_key_and_by_agent(self):
        with Sshd(self.folder) as server:
            options = "-F none -o UserKnownHostsFile=%s -o StrictHostKeyChecking=yes" % server.known_hosts
            self.assert_clones(server.url("r.git"), GIT_SSH_COMMAND="ssh %s -i %s -o IdentitiesOnly=yes" % (options, server.key))
            refused = self.clone(server.url("r.git"), check=False, GIT_SSH_COMMAND="ssh %s -o IdentityFile=none" % options)
            self.assertNotEqual(refused.returncode, 0, "without a key")
            with Agent(self.folder, server.key) as agent:
                self.assert_clones(server.url("r.git"), GIT_SSH_COMMAND="ssh %s -o IdentityFile=none" % options, SSH_AUTH_SOCK=agent.socket)

    def test_dav(self):
        with Dav(self.folder, tls=True, users={"joe": "secret"}) as server:
            context = ssl.create_default_context(cafile=server.ca)
            authorization = {"Authorization": "Basic " + base64.b64encode(b"joe:secret").decode()}
            data = os.urandom(3 << 20)

            def put(headers):
                request = urllib.request.Request(server.url("a/b"), data=data, method="PUT", headers=headers)
                with urllib.request.urlopen(request, context=context, timeout=30) as got:
                    return got.status

            self.assertEqual(put(authorization), 201)
            with open(os.path.join(server.files, "a/b"), "rb") as f:
                self.assertEqual(f.read(), data)
            with self.assertRaises(urllib.error.HTTPError) as caught:
                put({})
            self.assertEqual(caught.exception.code, 401)

    def test_a_hostile_one(self):
        with GitHttp(self.folder) as good:
            with Hostile(redirect(good.url("r.git/info/refs?service=git-upload-pack"))) as server:
                self.assert_clones(server.url("/r.git"))
                self.assertEqual(server.requests()[0].method, "GET")
        for how in ("reset", "close", too_short(), too_long(), response(429, "Retry-After: 1"), response(503)):
            with Hostile(how) as server:
                self.assertNotEqual(self.clone(server.url("/r.git"), check=False).returncode, 0, how)
                self.assertTrue(server.requests())
        for how in ("hang", "drip"):
            with Hostile(how) as server:
                self.assertEqual(self.sh("timeout 0.5 git ls-remote %s" % server.url("/r.git"), check=False).returncode, 124, how)
        with Tarpit() as server:
            self.assertEqual(self.sh("timeout 0.5 git ls-remote git://127.0.0.1:%d/r.git" % server.port, check=False).returncode, 124)
