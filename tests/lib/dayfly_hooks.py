"""A receiver of webhooks on loopback that does as it is told, and a check of what it got by our own reading of the specifications."""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

SECRET_BYTES = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(SECRET_BYTES).decode()
OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def answer(status, *headers, body=b""):
    lines = ["HTTP/1.1 %d Test" % status, "Content-Length: %d" % len(body), "Connection: close"] + list(headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Got:
    """One request."""

    def __init__(self, head, body):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        self.body = body
        self.at = time.monotonic()
        self.raw = head + b"\r\n\r\n" + body

    @property
    def id(self):
        return self.headers.get("webhook-id")

    @property
    def event(self):
        return json.loads(self.body)

    def is_signed(self, key=SECRET_BYTES):
        signed = ("%s.%s." % (self.id, self.headers["webhook-timestamp"])).encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


class Receiver:
    """answers[path]: a list of what the next requests for it get: bytes, "reset", "close", "drip", "hang"; without one `default`."""

    def __init__(self, tls=None, port=0):
        self.answers, self.default, self.got, self.n_connections = {}, OK, [], 0
        self.tls, self.lock, self.is_over = tls, threading.Lock(), threading.Event()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def url(self, path="/hook", host="127.0.0.1"):
        return "%s://%s:%d%s" % ("https" if self.tls else "http", host, self.port, path)

    def accept(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            with self.lock:
                self.n_connections += 1
            thread = threading.Thread(target=self.serve, args=(conn,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, conn):
        with contextlib.suppress(OSError), contextlib.closing(conn):
            conn.settimeout(20)
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
            got = self.read(conn)
            if not got:
                return
            with self.lock:
                todo = self.answers.get(got.path)
                what = todo.pop(0) if todo else self.default
                self.got.append(got)
            self.reply(conn, what)
            if isinstance(what, bytes):
                conn.close()

    @staticmethod
    def read(conn):
        data = b""
        while b"\r\n\r\n" not in data:
            part = conn.recv(65536)
            if not part:
                return None
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        got = Got(head, body)
        while len(got.body) < int(got.headers.get("content-length", 0)):
            part = conn.recv(65536)
            if not part:
                return None
            got.body += part
        return got

    def reply(self, conn, what):
        if isinstance(what, bytes):
            conn.sendall(what)
        elif what == "reset":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif what == "drip":
            for byte in b"HTTP/1.1 200 " + b"x" * 100000:
                if self.is_over.wait(0.05):
                    break
                conn.sendall(bytes([byte]))
        elif what == "hang":
            self.is_over.wait(60)

    def events(self, kind=None, task=None):
        with self.lock:
            got = list(self.got)
        return [g for g in got if (kind is None or g.event["type"] == "dayfly.task." + kind) and (task is None or g.event["subject"] == task)]

    def stop(self):
        self.is_over.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join(5)


def make_tls(folder, host="localhost"):
    """A CA of its own and a certificate for that host. Returns the server's context and the CA's file."""
    def openssl(*args):
        subprocess.run(["openssl"] + list(args), cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=test CA")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=" + host)
    with open(os.path.join(folder, "ext"), "w") as f:
        f.write("subjectAltName=DNS:%s\n" % host)
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext",
            "-out", "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    ca = os.path.join(folder, "ca.pem")
    os.chmod(ca, 0o644)
    return context, ca
