"""Servers that no one here wrote, on loopback, as the client's user: nginx, git's own, sshd. And one that misbehaves.

    with GitHttp(folder, tls=True, users={"joe": "secret"}) as server:
        server.url("x.git")

Each has a folder that belongs to the client's user, takes a free port, is there when the constructor returns, and is ended by pid.
"""
import contextlib
import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from dayfly_client import SCALE
from dayfly_hooks import OK, Got, Receiver, make_tls
from dayfly_host import GROUP, USER, as_user

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
IS_ROOT = os.geteuid() == 0


def program(name):
    found = shutil.which(name, path=PATH)
    if not found:
        raise AssertionError("there is no %s; run: sh contrib/install-deps.sh test" % name)
    return found


def git_program(name):
    folder = subprocess.run(["git", "--exec-path"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    return os.path.join(folder, name)


def environment():
    return {"PATH": PATH, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C.UTF-8"}


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write(path, text, mode=0o600):
    with as_user():
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
    return path


class Server:
    """Processes of the user's with a port. A subclass has start_on(port), which begins them with spawn()."""

    host = "127.0.0.1"

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        with as_user():
            self.own = tempfile.mkdtemp(prefix=".server-", dir=folder)
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def path(self, name):
        return os.path.join(self.own, name)

    def prepare(self):
        """Files that do not depend on the port."""

    def start(self):
        """Somebody else may take the port before the server does: then another one."""
        for _ in range(5):
            self.port = free_port()
            self.start_on(self.port)
            if self.wait_ready():
                return
            self.end_processes()
        raise AssertionError("%s does not start:\n%s" % (type(self).__name__, self.log()))

    def spawn(self, argv):
        kwargs = dict(user=USER, group=GROUP, extra_groups=[]) if IS_ROOT else {}
        self.spawn_as_we_are(argv, **kwargs)

    def spawn_as_we_are(self, argv, **kwargs):
        with as_user(), open(self.path("log"), "a") as log:
            out = os.dup(log.fileno())
        try:
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", env=environment(),
                                                   start_new_session=True, **kwargs))
        finally:
            os.close(out)

    def wait_ready(self):
        deadline = time.monotonic() + 10 * SCALE
        while time.monotonic() < deadline and all(p.poll() is None for p in self.processes):
            if self.is_listening() and self.is_ready():
                return True
            time.sleep(0.01)
        return False

    def is_listening(self):
        """On the port there may be another's socket too: some servers then try again for a while."""
        with open("/proc/net/tcp") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        ours = {"socket:[%s]" % row[9] for row in rows if row[1].endswith(":%04X" % self.port) and row[3] == "0A"}
        try:
            return any(self.link(fd) in ours for process in self.processes for fd in os.scandir("/proc/%d/fd" % process.pid))
        except FileNotFoundError:
            return False
        except PermissionError:  # a program that hides what it has open
            return bool(ours)

    @staticmethod
    def link(fd):
        with contextlib.suppress(FileNotFoundError):
            return os.readlink(fd.path)
        return ""

    def is_ready(self):
        """What it needs besides."""
        return True

    def log(self):
        with contextlib.suppress(OSError), open(self.path("log"), errors="replace") as f:
            return f.read()
        return ""

    def end_processes(self):
        for process in self.processes:
            # A session of its own: its children with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes = []

    def stop(self):
        self.end_processes()
        shutil.rmtree(self.own, ignore_errors=True)


NGINX = """daemon off; worker_processes 1; pid %(own)s/pid; error_log %(own)s/error.log;
events { worker_connections 256; }
http {
  client_body_temp_path %(own)s/body; proxy_temp_path %(own)s/proxy; fastcgi_temp_path %(own)s/fastcgi;
  uwsgi_temp_path %(own)s/uwsgi; scgi_temp_path %(own)s/scgi;
  log_format line '$status $request_method $request_uri "$http_authorization"'; access_log %(own)s/log line;
  server { listen 127.0.0.1:%(port)d%(ssl)s; server_name localhost; client_max_body_size 0;
    %(tls)s
    location /.mark/ { return 204; }
    location / { %(auth)s %(location)s }
  }
}
"""


def can_connect(path):
    """To the listening socket there: it may be bound already and not listen yet."""
    with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.connect(path)
        return True
    return False


class Nginx(Server):
    """users: {name: password} for basic authentication. tls: with a certificate for "localhost", signed by the CA in self.ca."""

    def __init__(self, folder, tls=False, users=None):
        self.tls, self.users, self.ca = tls, users or {}, None
        super().__init__(folder)

    def prepare(self):
        if self.tls:
            with as_user():
                _, self.ca = make_tls(self.own)
        if self.users:
            write(self.path("users"), "".join("%s:{PLAIN}%s\n" % pair for pair in self.users.items()))

    def location(self):
        raise NotImplementedError

    def start_on(self, port):
        tls = "ssl_certificate %(own)s/server.pem; ssl_certificate_key %(own)s/server.key;" if self.tls else ""
        auth = 'auth_basic "test"; auth_basic_user_file %(own)s/users;' if self.users else ""
        words = {"own": self.own, "port": port, "ssl": " ssl" if self.tls else ""}
        words.update(tls=tls % words, auth=auth % words, location=self.location())
        write(self.path("conf"), NGINX % words)
        # Its own place for what goes wrong before it has read the file.
        self.spawn([program("nginx"), "-e", self.path("error.log"), "-p", self.own, "-c", self.path("conf")])

    def url(self, name="", userinfo=""):
        return "%s://%s%s:%d/%s" % ("https" if self.tls else "http", userinfo and userinfo + "@", "localhost" if self.tls else self.host, self.port,
                                    name)

    def requests(self):
        """[(status, method, uri, authorization)] in their order, of all that were answered by now."""
        # A line is written after the answer, perhaps when the client has it already; one worker writes them in the order of the requests.
        mark = "/.mark/%d" % time.monotonic_ns()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20 * SCALE)
        if self.tls:
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=20 * SCALE, context=ssl._create_unverified_context())
        with contextlib.closing(connection):
            connection.request("GET", mark)
            connection.getresponse().read()
        deadline = time.monotonic() + 10 * SCALE
        while mark not in self.log() and time.monotonic() < deadline:
            time.sleep(0.01)
        found = re.findall(r'^(\d+) (\S+) (\S+) "(.*)"$', self.log(), re.M)
        return [(int(status), method, uri, "" if authorization == "-" else authorization) for status, method, uri, authorization in found
                if not uri.startswith("/.mark/")]


class GitHttp(Nginx):
    """git-http-backend on the repositories in `folder`."""

    def location(self):
        return """fastcgi_pass unix:%(own)s/cgi; fastcgi_param SCRIPT_FILENAME %(backend)s; fastcgi_param GIT_PROJECT_ROOT %(folder)s;
          fastcgi_param GIT_HTTP_EXPORT_ALL 1; fastcgi_param PATH_INFO $uri; fastcgi_param QUERY_STRING $query_string;
          fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_TYPE $content_type;
          fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
          fastcgi_param REMOTE_USER $remote_user; fastcgi_param GIT_PROTOCOL $http_git_protocol;""" % {
              "own": self.own, "backend": git_program("git-http-backend"), "folder": self.folder}

    def start_on(self, port):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("cgi"))
        self.spawn([program("fcgiwrap"), "-c", "2", "-s", "unix:" + self.path("cgi")])
        super().start_on(port)

    def is_ready(self):
        return can_connect(self.path("cgi"))


class Dav(Nginx):
    """Takes files by PUT, into self.files. retry_after: until open() it says 503, and to come back after so many seconds."""

    def __init__(self, folder, retry_after=None, **more):
        self.retry_after = retry_after
        super().__init__(folder, **more)

    def prepare(self):
        super().prepare()
        self.files = self.path("files")
        with as_user():
            os.mkdir(self.files)

    def open(self):
        write(self.path("open"), "")

    def location(self):
        shut = "if (!-f %s) { add_header Retry-After %d always; return 503; }" % (self.path("open"), self.retry_after) if self.retry_after else ""
        return "%s root %s; dav_methods PUT DELETE; create_full_put_path on;" % (shut, self.files)


class GitDaemon(Server):
    def start_on(self, port):
        self.spawn([git_program("git-daemon"), "--reuseaddr", "--listen=" + self.host, "--port=%d" % port, "--export-all", "--base-path=" + self.folder,
                    "--verbose", "--init-timeout=10"])

    def url(self, name=""):
        return "git://%s:%d/%s" % (self.host, self.port, name)


def named_user(folder, argv):
    """ARGV as the client's user, who has a line in /etc/passwd there: ssh asks for one, on both sides."""
    if not IS_ROOT:
        return list(argv)
    passwd = os.path.join(folder, "passwd")
    with open("/etc/passwd") as f:
        lines = f.read()
    write(passwd, lines + "git:x:%d:%d::%s:/bin/sh\n" % (USER, GROUP, folder), 0o644)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', passwd,
            "setpriv", "--reuid=%d" % USER, "--regid=%d" % GROUP, "--clear-groups"] + list(argv)


def has_name(uid):
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    return False


def make_key(path):
    if not IS_ROOT and not has_name(os.getuid()):
        raise unittest.SkipTest("ssh asks for a user whom /etc/passwd names, which uid %d is not" % os.getuid())
    with as_user():
        subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True, stdin=subprocess.DEVNULL)
    return path


class Sshd(Server):
    """self.key may log in as self.user; self.known_hosts names the host."""

    def prepare(self):
        self.key, host_key = make_key(self.path("key")), make_key(self.path("host"))
        shutil.copy(self.key + ".pub", self.path("authorized"))
        os.chmod(self.path("authorized"), 0o644)
        with open(host_key + ".pub") as f:
            self.host_key = " ".join(f.read().split()[:2])
        self.user = "git" if IS_ROOT else subprocess.run(["id", "-un"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()

    def start_on(self, port):
        lines = ["Port %d" % port, "ListenAddress 127.0.0.1", "HostKey " + self.path("host"), "AuthorizedKeysFile " + self.path("authorized"), "PidFile none",
                 "UsePAM no", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxStartups 100", "LogLevel VERBOSE"]
        # From 9.8 on it shuts out for a while whoever comes with wrong keys, and all our clients are one address.
        with open(program("sshd"), "rb") as f:
            if b"persourcepenalties" in f.read():
                lines.append("PerSourcePenalties no")
        write(self.path("conf"), "\n".join(lines) + "\n")
        write(self.path("known_hosts"), "[127.0.0.1]:%d %s\n" % (port, self.host_key), 0o644)
        self.known_hosts = self.path("known_hosts")
        self.spawn_as_we_are(named_user(self.own, [program("sshd"), "-D", "-e", "-f", self.path("conf")]))

    def url(self, name=""):
        """By its whole path: ssh knows no folder of ours."""
        return "ssh://%s@%s:%d%s" % (self.user, self.host, self.port, os.path.join(self.folder, name))


class Agent:
    """An ssh-agent of the client's user that holds a key."""

    def __init__(self, folder, key):
        with as_user():
            self.own = tempfile.mkdtemp(prefix=".agent-", dir=folder)
        self.socket = os.path.join(self.own, "agent")
        kwargs = dict(user=USER, group=GROUP, extra_groups=[]) if IS_ROOT else {}
        self.process = subprocess.Popen([program("ssh-agent"), "-D", "-a", self.socket], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env=environment(), **kwargs)
        try:
            deadline = time.monotonic() + 10 * SCALE
            while not can_connect(self.socket) and time.monotonic() < deadline:
                time.sleep(0.01)
            env = dict(environment(), SSH_AUTH_SOCK=self.socket)
            subprocess.run(named_user(self.own, [program("ssh-add"), "-q", key]), stdin=subprocess.DEVNULL, check=True, env=env)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.own, ignore_errors=True)


class Hostile(Receiver):
    """Answers everything in one bad way: "hang", "reset", "drip" (a byte at a time), "close"; or bytes: see the functions below."""

    def __init__(self, how, tls=None):
        super().__init__(tls)
        self.default = how

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def requests(self):
        with self.lock:
            return list(self.got)


class HalfWay(Hostile):
    """Resets the first `n` connections when half of the request's body is there; self.cut: how much that was. Then it is no longer hostile."""

    def __init__(self, n):
        self.n, self.cut = n, []
        super().__init__(OK)

    def serve(self, conn):
        with self.lock:
            self.n -= 1
            is_good = self.n < 0
        if is_good:
            super().serve(conn)
            return
        with contextlib.suppress(OSError), contextlib.closing(conn):
            conn.settimeout(20)
            data = conn.recv(65536)
            while data:
                head, is_there, body = data.partition(b"\r\n\r\n")
                if is_there and len(body) >= int(Got(head, body).headers.get("content-length", 0)) // 2:
                    self.cut.append(len(body))
                    self.reply(conn, "reset")
                    return
                part = conn.recv(65536)
                data = part and data + part


def response(status, *headers, body=b""):
    """No Content-Length but what is given."""
    return "\r\n".join(("HTTP/1.1 %d Test" % status, "Connection: close") + headers).encode() + b"\r\n\r\n" + body


def redirect(to, status=302):
    return response(status, "Location: " + to, "Content-Length: 0")


def too_short(body=b"0000", promised=1 << 20):
    return response(200, "Content-Length: %d" % promised, body=body)


def too_long(body=b"x" * 65536, promised=1):
    return response(200, "Content-Length: %d" % promised, body=body)


def pump(a, b, look=None):
    """From one connection to the other until its end; look(data) before each part."""
    with contextlib.suppress(OSError):
        while True:
            data = a.recv(65536)
            if not data:
                break
            if look:
                look(data)
            b.sendall(data)
    with contextlib.suppress(OSError):
        b.shutdown(socket.SHUT_WR)


class Listener:
    """Takes the connections of a listening socket, in a thread of its own. A subclass has take(connection), which does not wait."""

    def __init__(self, listening):
        self.socket = listening
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.take(self.socket.accept()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


class Loopback(Listener):
    def __init__(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        super().__init__(listening)


class Peer(Loopback):
    """fn(connection) for each, in a thread of its own."""

    def __init__(self, fn):
        self.fn = fn
        super().__init__()

    def take(self, conn):
        threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with contextlib.suppress(OSError), contextlib.closing(conn):
            self.fn(conn)


class Tarpit(Loopback):
    """Takes connections and never says a word: what is no HTTP at all."""

    def __init__(self):
        self.connections = []
        super().__init__()

    def take(self, conn):
        self.connections.append(conn)

    def stop(self):
        super().stop()
        for connection in self.connections:
            connection.close()
