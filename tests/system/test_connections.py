"""Who may connect, what a connection may cost, descriptors that come along: K1, K3, K7 to K9, K12, K15."""
import contextlib
import errno
import json
import os
import signal
import socket
import struct
import threading
import time

from dayfly_client import SCALE
from dayfly_host import USER, count_fds
from dayfly_test import DaemonError, IS_ROOT, MODES, in_modes, open_dir

from common import OwnDaemons, plain_socket, raise_open_files, start_cli, wait_until


@in_modes
class Strangers:
    modes = MODES if IS_ROOT else []  # connects as another user

    def test_K1_a_uid_that_is_not_allowed_is_refused(self):
        if self.mode == "rootless":
            # Not even the directory lets others in; root passes that, and is refused by its uid.
            with self.assertRaises(PermissionError):
                self.daemon.connect(61298)
            stranger = self.daemon.connect(0)
        else:
            stranger = self.daemon.connect(61298)
        self.addCleanup(stranger.close)
        event = stranger.read_event()
        self.assertEqual((event["event"], event["error"]["code"]), ("error", "not_allowed"))
        self.assertIn("[access]", event["error"]["hint"])
        with self.assertRaises(EOFError):
            stranger.read_event()
        self.client.call("ping")


@in_modes
class Access:
    def test_K1_the_peer_that_connected_counts_not_who_holds_the_socket(self):
        """A socket that was connected by an allowed user stays his, whoever uses it."""
        client = self.new_client()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if IS_ROOT:
                    os.setgroups([])
                    os.setresgid(61298, 61298, 61298)
                    os.setresuid(61298, 61298, 61298)
                client.send_bytes(b'{"op":"run","id":"x","task":{"argv":["true"]}}\n')
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        task = client.next_for("x")["task"]
        self.assertEqual(client.call("inspect", task=task)["uid"], USER)
        client.finish("x", task)

    def test_K1_a_peer_that_leaves_right_after_connecting(self):
        for _ in range(100):
            plain_socket(self.daemon.socket).close()
        self.client.call("ping")


@in_modes
class Groups:
    modes = ["root"]
    daemon_args = ("--allow-gid", "61277")

    def test_K1_members_of_an_allowed_group_may_connect(self):
        """By main or by supplementary group; others not."""
        for gid, groups, ok in ((61277, [], True), (61296, [61200, 61277], True), (61296, [61200], False)):
            read_fd, write_fd = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.setgroups(groups)
                    os.setresgid(gid, gid, gid)
                    os.setresuid(61296, 61296, 61296)
                    s = socket.socket(socket.AF_UNIX)
                    s.connect(self.daemon.socket)
                    s.settimeout(20 * SCALE)
                    with contextlib.suppress(BrokenPipeError):  # who is not allowed may be told so before
                        s.sendall(b'{"op":"ping","id":"x"}\n')
                    os.write(write_fd, s.recv(4096))
                finally:
                    os._exit(0)
            os.close(write_fd)
            os.waitpid(child, 0)
            event = json.loads(os.read(read_fd, 4096))
            os.close(read_fd)
            self.assertEqual(event["event"], "result" if ok else "error", (gid, groups, event))


@in_modes
class Slow:
    modes = ["rootless"]

    def test_K3_half_a_request_and_then_silence_or_one_byte_a_second(self):
        """Each is closed after ten seconds with a reason; idle connections without a request stay."""
        idle = self.new_client()
        silent = self.new_client()
        silent.send_bytes(b'{"op":"pi')
        slow = self.new_client()
        raw = self.new_client()
        raw.send_bytes(b'{"op":"input","id":"x","task":"t-00000000000000000000000000000000","bytes":1000}\nabc')
        began = time.monotonic()
        closed = {}
        clients = {"silent": silent, "slow": slow, "raw": raw}
        while len(closed) < 3 and time.monotonic() - began < 60 * SCALE:
            if "slow" not in closed:
                try:
                    slow.send_bytes(b" ")
                except (BrokenPipeError, ConnectionResetError):
                    closed["slow"] = {}
            for name, client in clients.items():
                if name in closed:
                    continue
                try:
                    closed[name] = client.read_event(0.1)
                except TimeoutError:
                    pass
                except (EOFError, ConnectionResetError):
                    closed[name] = {}
            time.sleep(0.2)
        self.assertEqual(set(closed), {"silent", "slow", "raw"})
        self.assertGreater(time.monotonic() - began, 8)
        self.assertEqual(closed["silent"]["error"]["code"], "protocol_error")
        self.assertEqual(idle.call("ping")["protocol"], 1)


@in_modes
class Disconnect:
    def test_K7_closing_the_connection_kills_its_tasks(self):
        client = self.new_client()
        tag, task = client.start({"argv": ["sh", "-c", "trap 'sleep 0.1; exit 9' TERM; echo up; while :; do sleep 0.02; done"]})
        client.wait_output(tag, b"up")
        queued = client.start({"argv": ["sleep", "30"]})[1]
        client.close()
        for name in (task, queued):
            result = self.client.call("wait", task=name, timeout=60)
            self.assertEqual((result["outcome"], result["cause"]), ("cancelled", "client_gone"))

    def test_K7_keep_and_detach_survive(self):
        client = self.new_client()
        kept = client.start({"argv": ["sleep", "0.4"], "on_disconnect": "keep"})[1]
        tag = client.send("run", task={"argv": ["sleep", "0.4"]}, detach=True)
        detached = list(client.events(tag))[-1]["result"]["task"]
        client.close()
        for name in (kept, detached):
            self.assertEqual(self.client.call("wait", task=name)["outcome"], "ok")

    def test_K7_half_close_still_gets_the_answers(self):
        client = self.new_client()
        client.send_bytes(b'{"op":"run","id":"x","task":{"argv":["sh","-c","sleep 0.3; echo late; exit 3"]}}\n')
        client.sock.shutdown(socket.SHUT_WR)
        events = list(client.events("x"))
        self.assertEqual(events[-1]["result"]["exit"]["code"], 3)
        self.assertEqual(b"".join(e.get("data", b"") for e in events), b"late\n")
        with self.assertRaises(EOFError):
            client.read_event(5)

    def test_K7_reset_in_the_middle_of_a_flood(self):
        client = self.new_client()
        _, task = client.start({"argv": ["yes"]})
        time.sleep(0.2)
        client.close()
        self.assertEqual(self.client.call("wait", task=task, timeout=60)["cause"], "client_gone")

    def test_K7_the_command_line_killed_kills_its_task(self):
        process = start_cli(self, "run", "--name", "orphan", "--", "sleep", "60")
        self.assertTrue(wait_until(lambda: any(t["state"] == "running" for t in self.client.call("list")["tasks"])))
        process.kill()
        self.assertEqual(self.client.call("wait", task="orphan", timeout=60)["cause"], "client_gone")

    def test_out_of_band_data_ends_the_connection_only(self):
        client = self.new_client()
        try:
            client.sock.send(b"x", socket.MSG_OOB)
        except OSError as e:
            self.assertEqual(e.errno, errno.EOPNOTSUPP)
        self.client.call("ping")


@in_modes
class Storm:
    def test_K8_connections_above_the_cap_are_refused_and_room_comes_back(self):
        raise_open_files()
        clients, refused = [], 0
        self.client.call("ping")
        for _ in range(300):
            sock = plain_socket(self.daemon.socket)
            clients.append(sock)
        for sock in clients:
            try:
                sock.sendall(b'{"op":"ping","id":"x"}\n')
                event = json.loads(sock.recv(4096).splitlines()[0])
            except (ConnectionResetError, BrokenPipeError):
                refused += 1
                continue
            if event["event"] == "error":
                self.assertEqual(event["error"]["code"], "busy")
                refused += 1
        self.assertGreaterEqual(refused, 300 - 256)
        self.client.call("ping")
        for sock in clients:
            sock.close()
        self.assertTrue(wait_until(lambda: self.client.call("info")["counts"]["connections"] == 1))
        self.new_client().call("ping")

    def test_K8_connect_and_close_in_a_storm(self):
        self.client.call("ping")
        before = count_fds(self.daemon.process.pid)
        for i in range(3000):
            sock = plain_socket(self.daemon.socket)
            with contextlib.suppress(BrokenPipeError):  # where those before have not been looked at yet there may be too many
                if i % 3 == 0:
                    sock.send(b'{"op":"ping","id":"x"}\n')
                elif i % 3 == 1:
                    sock.send(b'{"op":')
            sock.close()
        self.client.call("ping")
        self.assertTrue(wait_until(lambda: count_fds(self.daemon.process.pid) <= before))

    def test_K13_a_queue_that_is_full_says_busy(self):
        client = self.client
        tags = [client.send("run", task={"argv": ["sleep", "97531"], "limits": {"grace": "100ms"}}) for _ in range(300)]
        tasks = [client.next_for(tag)["task"] for tag in tags]
        self.assertLessEqual(len([1 for t in client.call("list")["tasks"] if t["state"] != "queued"]), 64)
        for task in tasks:
            client.call("cancel", task=task)
        for tag, task in zip(tags, tasks):
            self.assertEqual(client.finish(tag, task)[1]["cause"], "cancel")


@in_modes
class SmallQueue:
    daemon_args = ("--max-tasks", "2", "--max-queue", "6")

    def test_K13_submits_beyond_the_queue_are_busy(self):
        client = self.client
        tags, busy = [], 0
        for _ in range(20):
            try:
                tags.append(client.start({"argv": ["sleep", "97531"]}))
            except DaemonError as e:
                self.assertEqual(e.code, "busy")
                busy += 1
        self.assertGreaterEqual(busy, 20 - 2 - 6)
        self.assertGreaterEqual(len(tags), 2)
        for _, task in tags:
            client.call("cancel", task=task)
        for tag, task in tags:
            client.finish(tag, task)
        self.assert_ok(self.run_task(["true"]))


@in_modes
class Descriptors:
    def run_with(self, fds, task):
        client = self.new_client()
        client.send_bytes(json.dumps({"op": "run", "id": "x", "task": task}).encode() + b"\n", fds)
        event = client.next_for("x")
        if event["event"] == "error":
            raise DaemonError(event["error"])
        _, result, stdout, _, _ = client.finish("x", event["task"])
        client.close()
        return result, stdout

    def workspace(self, **more):
        return {"argv": ["ls", "/mnt/w"], "workspace": dict({"fd": 0, "mode": "ro", "target": "/mnt/w"}, **more)}

    def test_K9_a_directory_descriptor_is_the_workspace(self):
        place = self.make_dir()
        self.make_file(os.path.join(place, "inside"), "x")
        with open_dir(place) as fd:
            result, stdout = self.run_with([fd], self.workspace())
        self.assertEqual((result["outcome"], stdout), ("ok", b"inside\n"))
        fd = os.open(place, os.O_PATH | os.O_DIRECTORY)
        result, stdout = self.run_with([fd], self.workspace())
        os.close(fd)
        self.assertEqual((result["outcome"], stdout), ("ok", b"inside\n"), "O_PATH is enough")

    def test_K9_descriptors_of_other_kinds_are_refused(self):
        place = self.make_dir()
        self.make_file(os.path.join(place, "file"), "x")
        os.mkfifo(os.path.join(place, "fifo"))
        left, right = socket.socketpair()
        listening = socket.socket(socket.AF_UNIX)
        read_fd, write_fd = os.pipe()
        to_daemon = plain_socket(self.daemon.socket)
        opened = {"file": os.open(os.path.join(place, "file"), os.O_RDONLY),
                  "fifo": os.open(os.path.join(place, "fifo"), os.O_RDONLY | os.O_NONBLOCK),
                  "fifo O_PATH": os.open(os.path.join(place, "fifo"), os.O_PATH), "null": os.open("/dev/null", os.O_RDWR), "pipe": read_fd,
                  "socket": left.fileno(),
                  "unbound": listening.fileno(), "daemon": to_daemon.fileno(), "pipe for writing": write_fd,
                  "memfd": os.memfd_create("x"), "proc": os.open("/proc/self/maps", os.O_RDONLY), "symlink": None}
        os.symlink("/etc", os.path.join(place, "link"))
        opened["symlink"] = os.open(os.path.join(place, "link"), os.O_PATH | os.O_NOFOLLOW)
        for name, fd in opened.items():
            with self.subTest(name):
                result, stdout = self.run_with([fd], self.workspace())
                self.assertEqual((result["outcome"], result["cause"]), ("error", "setup"), (name, result))
                self.assertEqual(result["error"]["code"], "source_unavailable", (name, result))
                self.assertEqual(result["error"]["field"], "task.workspace", (name, result))
                self.assertEqual(stdout, b"")
        for name, fd in opened.items():
            if name not in ("socket", "unbound", "daemon"):
                os.close(fd)
        for sock in (left, right, listening, to_daemon):
            sock.close()

    def test_K9_wrong_counts(self):
        place = self.make_dir()
        with open_dir(place) as fd:
            for fds, task, codes in (([], self.workspace(), ("bad_value",)), ([fd], self.workspace(fd=1), ("bad_value",)),
                                     ([fd] * 17, self.workspace(), ("too_large",)),
                                     ([fd] * 250, self.workspace(), ("too_large",))):
                with self.assertRaises(DaemonError) as caught:
                    self.run_with(fds, task)
                self.assertIn(caught.exception.code, codes)
            self.assertTrue(wait_until(lambda: not self.client.call("list")["tasks"]))
            before = count_fds(self.daemon.process.pid)
            result, _ = self.run_with([fd] * 16, self.workspace(fd=15))
            self.assertEqual(result["outcome"], "ok", "more than needed are closed")
            self.assertTrue(wait_until(lambda: count_fds(self.daemon.process.pid) <= before))

    def test_K9_descriptors_with_requests_that_want_none_are_closed(self):
        client = self.client
        client.call("ping")
        before = count_fds(self.daemon.process.pid)
        with open_dir("/") as fd:
            for i in range(50):
                client.send_bytes(b'{"op":"ping","id":"p%d"}\n' % i, [fd] * 10)
                self.assertEqual(client.next_for("p%d" % i)["event"], "result")
            tag, task = client.start({"argv": ["cat"], "stdin": "stream"})
            line = b'{"op":"input","id":"in","task":"%s","bytes":3}\n' % task.encode()
            client.send_bytes(line, [fd])
            client.send_bytes(b"abc", [fd] * 5)
            self.assertEqual(client.next_for("in")["event"], "result")
            client.call("input", task=task, eof=True)
            self.assertEqual(client.finish(tag, task)[2], b"abc")
        self.assertTrue(wait_until(lambda: count_fds(self.daemon.process.pid) <= before), (count_fds(self.daemon.process.pid), before))

    def test_K9_descriptors_belong_to_the_request_they_came_with(self):
        one, two = self.make_dir(), self.make_dir()
        self.make_file(os.path.join(one, "first"), "")
        self.make_file(os.path.join(two, "second"), "")
        client = self.new_client()
        with open_dir(one) as a, open_dir(two) as b:
            line = json.dumps({"op": "run", "id": "ID", "task": self.workspace()}).encode() + b"\n"
            client.send_bytes(line.replace(b"ID", b"a"), [a])
            client.send_bytes(b'{"op":"ping","id":"between"}\n')
            client.send_bytes(line.replace(b"ID", b"b"), [b])
            client.send_bytes(line.replace(b"ID", b"c"))
        outputs = {}
        for tag in "ab":
            task = client.next_for(tag)["task"]
            outputs[tag] = client.finish(tag, task)[2]
        self.assertEqual(outputs, {"a": b"first\n", "b": b"second\n"})
        self.assertEqual(client.next_for("c")["error"]["code"], "bad_value", "none came with this one")

    def test_K9_a_flood_of_descriptors_does_not_leak(self):
        before = count_fds(self.daemon.process.pid)
        with open_dir("/") as fd:
            client = self.new_client()
            for _ in range(25):
                # A plain user may have no more on their way than he may have open, which often are 1024.
                for _ in range(4):
                    client.send_bytes(b"nonsense\n", [fd] * 200)
                for _ in range(4):
                    self.assertEqual(client.read_event()["event"], "error")
            half = self.new_client()
            half.send_bytes(b'{"op":', [fd] * 16)
            half.close()
            client.close()
        self.client.call("ping")
        self.assertTrue(wait_until(lambda: count_fds(self.daemon.process.pid) <= before + 1), count_fds(self.daemon.process.pid))


class LingeringSockets:
    """Descriptors whose close sleeps until the peer resets them: whoever closes one last waits, and that must be nobody whom others need."""

    def setUp(self):
        super().setUp()
        self.peers = []
        self.addCleanup(self.reset_peers)

    def reset_peers(self):
        for peer in self.peers:
            peer.close()
        self.peers.clear()

    def lingering(self):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
        listening.close()
        self.peers.append(far)
        near.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                near.send(bytes(65536))
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
        return near

    def parcel(self):
        """A Unix socket in which such a one lies, where nobody can switch that off."""
        near, (left, right) = self.lingering(), socket.socketpair()
        socket.send_fds(left, [b"x"], [near.fileno()])
        near.close()
        left.close()
        return right

    @contextlib.contextmanager
    def stopped(self):
        """While nothing is read: else it might be this process that closes last. (Signals also end what hangs already.)"""
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.daemon.process.pid, signal.SIGCONT)


@in_modes
class SlowCloses(LingeringSockets):
    def kinds(self):
        return (("plain", self.lingering), ("in another", self.parcel))

    def assert_answers(self):
        for _ in range(3):
            self.assertEqual(self.client.call("ping", timeout=60)["protocol"], 1)

    def waiting(self):
        owner = self.new_client(0) if self.mode == "root" else self.new_client()
        found = [m["value"] for m in owner.call("stats", timeout=60)["metrics"] if m["name"] == "closes_waiting"]
        owner.close()
        return found[0]

    def assert_all_close(self):
        self.reset_peers()
        self.assertTrue(wait_until(lambda: self.waiting() == 0, seconds=20), self.waiting())

    def test_K9_the_control_such_a_close_sleeps(self):
        for name, make in self.kinds():
            with self.subTest(name):
                closing = threading.Thread(target=make().close)
                closing.start()
                closing.join(1)
                self.assertTrue(closing.is_alive())
                self.reset_peers()
                closing.join(20)
                self.assertFalse(closing.is_alive())

    def test_K9_a_descriptor_that_does_not_close_holds_up_nobody(self):
        for name, make in self.kinds():
            with self.subTest(name):
                client = self.new_client()
                for i in range(4):
                    # The daemon has it until the line is whole: it is the one that closes last.
                    with make() as sock:
                        client.send_bytes(b'{"op":"ping",', [sock.fileno()])
                    client.send_bytes(b'"id":"p%d"}\n' % i)
                    self.assertEqual(client.next_for("p%d" % i)["event"], "result")
                    self.assert_answers()
                if name != "plain":
                    self.assertTrue(wait_until(lambda: self.waiting() == 4), self.waiting())
                # Those who do not send such ones have theirs closed.
                with open_dir("/") as fd:
                    self.client.call("ping", fds=[fd], timeout=60)
                self.assert_all_close()
                client.close()

    def test_K9_nor_does_it_as_a_tar(self):
        wrong = {"argv": ["true"], "tars": [{"fd": 0}], "workspace": {"path": "/nonexistent/place", "target": "/w"}}
        for name, make in self.kinds():
            with self.subTest(name):
                client = self.new_client()
                with self.stopped(), make() as sock:
                    tag = client.send("run", fds=[sock.fileno()], task=wrong)
                event = client.next_for(tag)
                if name == "plain":
                    self.assertEqual((event["error"]["code"], event["error"]["field"]), ("bad_value", "task.tars[0].fd"))
                else:
                    result = client.finish(tag, event["task"])[1]
                    self.assertEqual(result["error"]["code"], "source_unavailable", result)
                client.close()
                self.assert_answers()
                self.assert_ok(self.run_task(["true"]))
                self.assert_all_close()

    def test_K9_nor_where_it_was_not_read(self):
        for name, make in self.kinds():
            with self.subTest(name):
                client = self.new_client()
                with self.stopped():
                    with make() as sock:
                        client.send_bytes(b"".join(b'{"op":"ping","id":"p%d"}\n' % i for i in range(100)))
                        client.send_bytes(b'{"op":"ping","id":"last"}\n', [sock.fileno()])
                    client.close()
                self.assert_answers()
                self.assert_ok(self.run_task(["true"]))
                self.assert_all_close()


@in_modes
class SlowEnd(OwnDaemons, LingeringSockets):
    def test_K9_the_end_of_the_daemon_waits_for_no_close(self):
        daemon = self.new_daemon()
        client = self.connect_to(daemon)
        with self.stopped(), self.parcel() as sock:
            tag = client.send("ping", fds=[sock.fileno()])
        self.assertEqual(client.next_for(tag)["event"], "result")
        daemon.process.terminate()
        self.assertEqual(daemon.process.wait(20 * SCALE), 0)


@in_modes
class Sources:
    """K15: what a client names is opened with the client's rights."""

    modes = MODES if IS_ROOT else []  # needs what belongs to another user

    def secret_dir(self):
        path = self.make_dir(owner=0, mode=0o700)
        self.make_file(os.path.join(path, "secret"), "top secret", 0o600, owner=0)
        return path

    def test_K15_paths_are_opened_with_the_clients_rights(self):
        secret = self.secret_dir()
        own = self.make_dir()
        os.symlink(secret, os.path.join(own, "link"))
        os.symlink(os.path.join(secret, "secret"), os.path.join(own, "file-link"))
        for path in (os.path.join(secret, "sub"), os.path.join(own, "link", "secret")):
            error = self.refused("source_unavailable", workspace={"path": path, "mode": "ro", "target": "/mnt/w"},
                                 field="task.workspace.path")
            self.assertEqual(error["errno"], errno.EACCES)
        for path in (os.path.join(own, "file-link"), os.path.join(secret, "secret"), os.path.join(secret, "nope")):
            run = self.run_bare({"argv": ["cat", "/mnt/f"], "mounts": [{"path": path, "target": "/mnt/f", "mode": "ro"}]})
            self.assertEqual((run.outcome, run.error["code"], run.error["errno"]), ("error", "source_unavailable", errno.EACCES))
        # The directory itself can be named (its parent may be passed through), but what is in it cannot be read.
        run = self.shell("ls /mnt/w; cat /mnt/w/secret", workspace={"path": secret, "mode": "ro", "target": "/mnt/w"})
        self.assertNotIn("secret\n", run.text())
        self.assertNotIn(b"top secret", run.stdout)
        # The positive control: root, who may, sees it.
        if self.mode == "root":
            root = self.new_client(0)
            run = self.run_bare({"argv": ["cat", "/mnt/w/secret"], "workspace": {"path": secret, "mode": "ro", "target": "/mnt/w"}},
                                client=root)
            self.assertEqual(run.stdout, b"top secret")

    def test_K15_a_path_swapped_under_way_leads_to_one_of_the_two(self):
        secret, own = self.secret_dir(), self.make_dir()
        public = os.path.join(own, "public")
        os.mkdir(public)
        self.make_file(os.path.join(public, "note"), "public")
        link = os.path.join(own, "w")
        os.symlink(public, link)
        stop = threading.Event()

        def swap():
            n = 0
            while not stop.is_set():
                n += 1
                temporary = os.path.join(own, "t%d" % (n % 2))
                with contextlib.suppress(OSError):
                    os.symlink((secret, public)[n % 2], temporary)
                    os.rename(temporary, link)

        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for _ in range(25):
                run = self.shell("cat /mnt/w/secret /mnt/w/note 2>/dev/null; true",
                                 workspace={"path": link, "mode": "ro", "target": "/mnt/w"})
                self.assertNotIn("top secret", run.text())
        finally:
            stop.set()
            swapper.join()

    def test_K15_the_error_is_the_same_for_what_is_there_and_what_is_not(self):
        secret = self.secret_dir()
        errors = []
        for name in ("secret", "nope"):
            error = dict(self.refused("source_unavailable", workspace={"path": os.path.join(secret, name), "mode": "ro",
                    "target": "/mnt/w"}))
            error["message"] = error["message"].replace(name, "X")
            errors.append(error)
        self.assertEqual(errors[0], errors[1])
