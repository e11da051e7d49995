"""A client of dayflyd's protocol (JSON lines over a Unix socket, descriptors by SCM_RIGHTS), for tests: it can also say what is wrong."""
import array
import base64
import itertools
import json
import os
import select
import socket
import time


# How much longer everything is waited for: on a machine that is slower than most (DAYFLY_TEST_SCALE).
SCALE = float(os.environ.get("DAYFLY_TEST_SCALE", "1"))


def clock():
    """The time that a test's patience is measured by."""
    return time.monotonic() / SCALE


class DaemonError(Exception):
    """An `error` event: the request was refused or the connection failed."""

    def __init__(self, error, events=()):
        super().__init__(json.dumps(error))
        self.error, self.events = error, list(events)

    @property
    def code(self):
        return self.error.get("code")

    @property
    def field(self):
        return self.error.get("field")


class Client:
    def __init__(self, path, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.setblocking(True)  # with a timeout of Python's it would not wait where many stand before us
        self.sock.connect(path)
        self.sock.settimeout(timeout * SCALE)
        self.buffer = b""
        self.tags = itertools.count(1)
        self.queue = []  # events that nobody has asked for yet
        self.closed = False

    def close(self):
        self.closed = True
        self.sock.close()

    # ---- sending -----------------------------------------------------------------------------

    def send_bytes(self, data, fds=()):
        sent = 0
        if fds:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            sent = self.sock.sendmsg([data], rights)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def send(self, op, fds=(), **fields):
        """Sends one request; returns its tag."""
        tag = fields.pop("id", None) or "r%d" % next(self.tags)
        request = {"op": op, "id": tag}
        request.update(fields)
        self.send_bytes(json.dumps(request).encode() + b"\n", fds)
        return tag

    # ---- receiving ---------------------------------------------------------------------------

    def _fill(self, deadline):
        left = deadline - clock()
        waiting = select.poll()  # select() takes no descriptor above 1023
        waiting.register(self.sock, select.POLLIN)
        if left <= 0 or not waiting.poll(left * SCALE * 1000):
            raise TimeoutError("no answer from dayflyd")
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError("dayflyd closed the connection")
        self.buffer += data

    def _read(self, n, deadline):
        while len(self.buffer) < n:
            self._fill(deadline)
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def read_event(self, timeout=30):
        """The next event on the connection, whoever it is for. Raw output is under "data"."""
        deadline = clock() + timeout
        while b"\n" not in self.buffer:
            self._fill(deadline)
        line, self.buffer = self.buffer.split(b"\n", 1)
        event = json.loads(line)
        if event.get("event") in ("output", "artifact_data"):
            if "bytes" in event:
                event["data"] = self._read(event["bytes"], deadline)
            elif "base64" in event:
                event["data"] = base64.b64decode(event["base64"])
            else:
                event["data"] = event.get("text", "").encode("utf-8")
        return event

    def next_for(self, tag, timeout=30):
        """The next event for this request. An error without a tag (the request could not be read) counts as the answer to it."""
        for i, event in enumerate(self.queue):
            if event.get("id") == tag:
                return self.queue.pop(i)
        deadline = clock() + timeout
        while True:
            event = self.read_event(max(0.001, deadline - clock()))
            if event.get("id") == tag or (event.get("id") is None and event["event"] == "error"):
                return event
            self.queue.append(event)

    def events(self, tag, timeout=30):
        """Every event of a request up to its last one."""
        deadline = clock() + timeout
        while True:
            event = self.next_for(tag, max(0.001, deadline - clock()))
            yield event
            if event["event"] in ("result", "error"):
                return

    def call(self, op, timeout=30, fds=(), **fields):
        """A request with one answer; returns its `result`."""
        last = None
        for last in self.events(self.send(op, fds=fds, **fields), timeout):
            pass
        if last["event"] == "error":
            raise DaemonError(last["error"])
        return last["result"]

    # ---- tasks -------------------------------------------------------------------------------

    def start(self, task, fds=(), **fields):
        """Sends a run request and waits for `accepted`. Returns (tag, task id)."""
        tag = self.send("run", fds=fds, task=task, **fields)
        event = self.next_for(tag)
        if event["event"] == "error":
            raise DaemonError(event["error"], [event])
        return tag, event["task"]

    def wait_state(self, tag, state, timeout=30):
        deadline = clock() + timeout
        while True:
            event = self.next_for(tag, max(0.001, deadline - clock()))
            if event["event"] == "state" and event["state"] == state:
                return event
            if event["event"] in ("result", "error"):
                raise AssertionError("ended before it was %s: %r" % (state, event))

    def wait_output(self, tag, text, timeout=30):
        """Until this text has come on stdout. Returns everything up to then."""
        deadline = clock() + timeout
        got = b""
        while text not in got:
            event = self.next_for(tag, max(0.001, deadline - clock()))
            if event["event"] == "output":
                got += event.get("data", b"")
            elif event["event"] in ("result", "error"):
                raise AssertionError("ended before it printed %r: %r" % (text, event))
        return got

    def finish(self, tag, task_id, timeout=60, make=None):
        """Collects a started task's events to the end."""
        streams, events = {"stdout": b"", "stderr": b""}, []
        for event in self.events(tag, timeout):
            events.append(event)
            if event["event"] == "output":
                streams[event.get("stream", "stdout")] = streams.get(event.get("stream", "stdout"), b"") + event.get("data", b"")
        last = events[-1]
        if last["event"] == "error":
            raise DaemonError(last["error"], events)
        values = (task_id, last["result"], streams["stdout"], streams["stderr"], events)
        return make(*values) if make else values

    def run(self, task, fds=(), timeout=60, make=None, **fields):
        tag, task_id = self.start(task, fds=fds, **fields)
        return self.finish(tag, task_id, timeout, make)
