"""Bad requests are refused by name and harm nobody: K4, K5, K10, K11, K14, A16, C6."""
import json
import os
import time

from dayfly_client import SCALE
from dayfly_host import rss_kib
from dayfly_test import in_modes

from common import assert_grown_less, plain_socket, read_all

MIB = 1 << 20
RUN = {"op": "run", "id": "x", "task": {"argv": ["true"]}}


def with_task(**task):
    request = json.loads(json.dumps(RUN))
    request["task"].update(task)
    return request


@in_modes
class BadJson:
    def ask(self, line, client=None):
        """One line; the first event of the answer."""
        client = client or self.new_client()
        client.send_bytes(line + b"\n")
        return client.read_event(10)

    def assert_refused(self, line, codes=("protocol_error",)):
        before = self.client.call("info")["counts"]["accepted"]
        event = self.ask(line)
        self.assertEqual(event["event"], "error", (line[:200], event))
        self.assertIn(event["error"]["code"], codes, (line[:200], event))
        self.assertTrue(event["error"]["message"])
        self.assertEqual(self.client.call("info")["counts"]["accepted"], before, line[:200])
        return event

    def test_K4_what_is_not_json_is_refused(self):
        lines = [
            b"", b" ", b"{", b"}", b"[", b"]", b"nul", b"null", b"true", b"0", b'"x"', b"[]", b"[1,2]", b"{]", b"{,}", b'{"op"}',
            b'{"op":}', b'{"op":"ping",}',
            b"{'op':'ping'}", b'{op:"ping"}', b'{"op":"ping" "id":"x"}', b'{"op":"ping","id":"x"} x',
            b'{"op":"ping","id":"x"}{"op":"ping","id":"y"}',
            b'\xef\xbb\xbf{"op":"ping","id":"x"}', b'{"op":"ping","id":"\xff"}', b'{"op":"ping","id":"\xc0\xaf"}',
            b'{"op":"ping","id":"\xed\xa0\x80"}',
            b'{"op":"ping","id":"\xf4\x90\x80\x80"}', b'{"op":"ping","id":"\\ud800"}', b'{"op":"ping","id":"\\udc00\\ud800"}',
            b'{"op":"ping","id":"a\\u0000b"}',
            b'{"op":"ping","id":"a\x00b"}', b'{"op":"ping","id":"a\tb"}', b'{"op":"ping","id":"\\x41"}',
            b'{"op":"ping","op":"ping","id":"x"}',
            b'{"op":"ping","id":"x","a\\u0000":1}', b'{"op":"ping","id":01}', b'{"op":"ping","id":.5}', b'{"op":"ping","id":+1}',
            b'{"op":"ping","id":0x10}',
            b'{"op":"ping","id":NaN}', b'{"op":"ping","id":Infinity}', b'{"op":"ping","id":-}', b'{"op":"ping","id":"x"', b"GET / HTTP/1.1",
            b"\x16\x03\x01\x02\x00\x01",
            b"{" * 15, b"/* comment */", b'{"op":"ping",/**/"id":"x"}', b"\x00", b"\x00\x00\x00\x10", b"\xff\xff\xff\xff",
        ]
        for line in lines:
            codes = ("protocol_error", "wrong_type", "missing_field") if line in (b"", b" ") else ("protocol_error", "duplicate",
                    "wrong_type")
            event = self.assert_refused(line, codes)
            self.assertNotIn("\x00", json.dumps(event))
        for number in (b"1e400", b"-1e400", b"1E9999", b"99999999999999999999999999", b"-99999999999999999999"):
            self.assert_refused(b'{"op":"run","id":"x","task":{"argv":["true"],"limits":{"wall":%s}}}' % number,
                                ("out_of_range", "protocol_error", "wrong_type"))

    def test_K4_the_connection_goes_on_after_a_bad_line(self):
        client = self.new_client()
        for _ in range(50):
            self.assertEqual(self.ask(b"nonsense", client)["event"], "error")
            self.assertEqual(client.call("ping")["protocol"], 1)

    def test_K4_deep_nesting_is_refused_quickly(self):
        for depth in (17, 100, 3000, 500000):
            for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
                size = len(opening) + len(closing)
                n = min(depth, (2 * MIB - 200) // size)
                began = time.monotonic()
                self.assert_refused(b'{"op":"ping","id":"x","deep":' + opening * n + b"1" + closing * n + b"}",
                                    ("protocol_error", "too_large"))
                self.assertLess(time.monotonic() - began, 5 * SCALE)
        self.assert_refused(b"[" * 1000000, ("protocol_error", "too_large"))

    def test_K4_long_lines_end_the_connection_and_cost_nothing(self):
        before = rss_kib(self.daemon.process.pid)
        for chunk in (b"x" * 65536, b"[" * 65536, b'{"a":"' + b"y" * 65530, b"\\u0041" * 10923):
            sock = plain_socket(self.daemon.socket)
            self.addCleanup(sock.close)
            sent = 0
            try:
                while sent < 64 * MIB:
                    sent += sock.send(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertLess(sent, 8 * MIB)
            data = read_all(sock)
            if data:  # what was still to be read may have been thrown away with the connection
                self.assertEqual(json.loads(data.splitlines()[0])["error"]["code"], "too_large")
        assert_grown_less(self, self.daemon.process.pid, before, 12 * 1024)

    def test_K4_a_line_just_below_the_bound_is_taken_and_one_above_is_not(self):
        base = json.dumps({"op": "ping", "id": "x"}).encode()[:-1]
        for size, ok in ((2 * MIB - 1, True), (2 * MIB + 1, False)):
            line = base + b" " * (size - len(base) - 1) + b"}"
            event = self.ask(line)
            self.assertEqual(event["event"] == "result", ok, (size, event))

    def test_K4_many_and_colliding_keys(self):
        keys = ",".join('"k%d":0' % i for i in range(150000))
        began = time.monotonic()
        event = self.ask(b'{"op":"ping","id":"x",' + keys.encode() + b"}")
        self.assertLess(time.monotonic() - began, 6 * SCALE)
        self.assertIn(event["error"]["code"], ("too_large", "unknown_field"))
        env = {"K%d" % i: "v" for i in range(5000)}
        self.refused("too_large", env=env, field="task.env")


@in_modes
class BadFields:
    def error_of(self, request):
        client = self.new_client()
        client.send_bytes(json.dumps(request).encode() + b"\n")
        event = client.read_event(10)
        if event["event"] == "accepted":
            client.finish("x", event["task"])
        self.assertEqual(event["event"], "error", request)
        self.assertEqual(event.get("id"), request.get("id") if isinstance(request.get("id"),
                str) and request["id"] and len(request["id"]) <= 128 else None)
        return event["error"]

    def test_K5_wrong_types_everywhere(self):
        wrong = {"argv": ["x", {}, 1, None, True, [1], [None], [["a"]], {"0": "a"}],
                 "env": ["x", [], 1, True, {"A": 1}, {"A": None}, {"A": []}], "labels": [[], "x", {"a": 1}], "name": [1, [], {}, True],
                 "cwd": [1, [], {}, False],
                 "image": [1, [], {}], "user": [0, 1, [], True], "network": [True, 1, []], "profile": [1, []], "tty": ["yes", 1, 0, []],
                 "rows": ["x", [], True, 1.5], "cols": ["x", {}, 2.5], "stdin": [True, 1, []], "workspace": ["/tmp", 1, [], True],
                 "mounts": ["/tmp", {}, 1, ["/tmp"], [1], [None]],
                 "limits": ["x", [], 1, True], "best_effort": ["memory", {}, 1, [1], [None]], "on_disconnect": [1, True, []],
                 "on_output_limit": [1, []]}
        for field, values in wrong.items():
            for value in values:
                error = self.error_of(with_task(**{field: value}))
                self.assertIn(error["code"], ("wrong_type", "bad_value"), (field, value, error))
                self.assertTrue(error["field"].startswith("task." + field), (field, value, error))
        for field, value in (("id", 1), ("id", None), ("id", ""), ("id", "x" * 129), ("op", 1), ("op", None), ("op", []), ("detach", "yes"),
                             ("framing", 1), ("framing", "xml"),
                             ("task", "x"), ("task", None), ("task", [])):
            request = with_task()
            request[field] = value
            error = self.error_of(request)
            self.assertEqual(error.get("field"), field, (field, value, error))

    def test_K5_unknown_fields_are_named_with_the_nearest(self):
        cases = [(with_task(newtork="none"), "task.newtork", "network"),
                 (with_task(limits={"memmory": "1GiB"}), "task.limits.memmory", "memory"),
                 (with_task(workspace={"path": "/tmp", "mod": "ro"}), "task.workspace.mod", "mode"),
                 (with_task(mounts=[{"path": "/tmp", "tarjet": "/x"}]), "task.mounts[0].tarjet", "target"),
                 (dict(RUN, detatch=True), "detatch", "detach")]
        for request, field, nearest in cases:
            error = self.error_of(request)
            self.assertEqual((error["code"], error["field"]), ("unknown_field", field))
            self.assertIn(nearest, error["hint"])
        error = self.error_of({"op": "pign", "id": "x"})
        self.assertEqual(error["code"], "unknown_op")
        self.assertIn("ping", error["hint"])
        for request in (dict(RUN, after=1), {"op": "ping", "id": "x", "task": "y"},
                        {"op": "cancel", "id": "x", "task": "y", "signal": "TERM"}):
            self.assertEqual(self.error_of(request)["code"], "unknown_field", "a field of another operation")

    def test_K5_missing_fields(self):
        for request, field in (({"id": "x"}, "op"), ({"op": "ping"}, "id"), ({"op": "run", "id": "x"}, "task"),
                               ({"op": "run", "id": "x", "task": {}}, "task.argv"),
                               ({"op": "cancel", "id": "x"}, "task"), ({"op": "signal", "id": "x", "task": "y"}, "signal"),
                               ({"op": "resize", "id": "x", "task": "y", "rows": 1}, "cols"),
                               (with_task(workspace={}), "task.workspace"), (with_task(mounts=[{"mode": "ro"}]), "task.mounts[0]")):
            error = self.error_of(request)
            self.assertEqual((error["code"], error["field"]), ("missing_field", field), request)

    def test_K5_numbers_beyond_what_json_keeps_exact(self):
        for value in (1 << 53, (1 << 63) - 1, -1, -(1 << 53)):
            error = self.error_of(with_task(limits={"disk": value}))
            self.assertEqual(error["field"], "task.limits.disk")
        error = self.error_of({"op": "logs", "id": "x", "task": "t-000000", "after": (1 << 53) + 2})
        self.assertEqual(error["field"], "after")

    def test_K5_words_are_one_of_their_list(self):
        for field, value in (("user", "Root"), ("user", "0"), ("network", "bridge"), ("profile", "none"), ("stdin", "pipe"),
                             ("on_disconnect", "maybe"), ("on_output_limit", "stop")):
            error = self.error_of(with_task(**{field: value}))
            self.assertEqual((error["code"], error["field"]), ("bad_value", "task." + field))
        error = self.error_of(with_task(workspace={"path": "/tmp", "mode": "rww"}))
        self.assertEqual(error["field"], "task.workspace.mode")
        error = self.error_of(with_task(best_effort=["memory", "core"]))
        self.assertTrue(error["field"].startswith("task.best_effort"), error)

    def test_K11_argv_is_checked(self):
        self.assertEqual(self.error_of(with_task(argv=[]))["field"], "task.argv")
        self.assertEqual(self.error_of(with_task(argv=[""]))["field"], "task.argv[0]")
        self.assertEqual(self.error_of(with_task(argv=["a"] * 65537))["code"], "too_large")
        self.assertEqual(self.error_of(with_task(argv=["true", "x" * (128 * 1024)]))["code"], "too_large")
        self.assertEqual(self.error_of(with_task(argv=["true"] + ["y" * 100000] * 17))["code"], "too_large")
        client = self.new_client()
        client.send_bytes(b'{"op":"run","id":"x","task":{"argv":["true","a\\u0000b"]}}\n')
        self.assertEqual(client.read_event()["error"]["code"], "protocol_error", "a NUL")

    def test_K11_long_and_many_arguments_arrive_whole(self):
        run = self.run_task(["sh", "-c", 'echo $#; echo ${#1}', "sh", "x" * 130000])
        self.assert_ok(run)
        self.assertEqual(run.text().split(), ["1", "130000"])
        run = self.run_task(["sh", "-c", "echo $#", "sh"] + ["a"] * 60000)
        self.assert_ok(run)
        self.assertEqual(run.text().split(), ["60000"])
        odd = ["", " ", "a b", "'", '"', "\\", "$HOME", "*", "\n", "\u00e9\U0001f600", "-n", "--"]
        run = self.run_task(["python3", "-c", "import sys,json; print(json.dumps(sys.argv[1:]))"] + odd)
        self.assertEqual(json.loads(run.stdout), odd)

    def test_K11_too_much_for_the_kernel_is_told_as_such(self):
        """Each bound of ours is below the kernel's; what the stack limit makes smaller is E2BIG."""
        run = self.run_task(["sh", "-c", "ulimit -s 256; exec true $(seq 1 30000)"])
        self.assertIn(b"too long", run.stderr.lower())

    def test_C6_environment_is_exact_or_refused(self):
        for env in ({"": "x"}, {"=x": "1"}, {"A=b": "c"}, {"A": "x" * (128 * 1024)}):
            error = self.error_of(with_task(env=env))
            self.assertTrue(error["field"].startswith("task.env"), error)
        run = self.run_task(["python3", "-c", "import os,json; print(json.dumps(dict(os.environ)))"],
                            env={"A": "b=c", "EMPTY": "", "U": "\u00e9", "NL": "a\nb", "BIG": "z" * 100000, "odd name\n": "x",
                                 "PATH": "/bin:/usr/bin"})
        self.assert_ok(run)
        got = json.loads(run.stdout)
        self.assertEqual((got["A"], got["EMPTY"], got["U"], got["NL"], len(got["BIG"]), got["PATH"], got["odd name\n"]),
                         ("b=c", "", "\u00e9", "a\nb", 100000, "/bin:/usr/bin", "x"))
        client = self.new_client()
        client.send_bytes(b'{"op":"run","id":"x","task":{"argv":["true"],"env":{"A":"1","A":"2"}}}\n')
        self.assertEqual(client.read_event()["error"]["code"], "protocol_error", "one key twice")

    def test_A16_paths_and_images_are_checked(self):
        for task, field in (({"workspace": {"path": "relative"}}, "task.workspace.path"),
                            ({"workspace": {"path": ""}}, "task.workspace.path"),
                            ({"workspace": {"path": "/x" * 2100}}, "task.workspace.path"),
                            ({"workspace": {"path": "/tmp", "target": "relative"}}, "task.workspace.target"),
                            ({"workspace": {"path": "/tmp", "target": "/"}}, "task.workspace.target"), ({"cwd": "relative"}, "task.cwd"),
                            ({"cwd": ""}, "task.cwd"),
                            ({"image": "no-such-image"}, "task.image"), ({"image": "../x"}, "task.image"),
                            ({"mounts": [{"path": "/tmp"}] * 13}, "task.mounts"),
                            ({"workspace": {"fd": 0}}, "task.workspace.fd"), ({"workspace": {"fd": -1}}, "task.workspace.fd"),
                            ({"workspace": {"fd": 16}}, "task.workspace.fd")):
            error = self.error_of(with_task(**task))
            self.assertEqual(error.get("field"), field, (task, error))


@in_modes
class Pipelined:
    def test_K10_many_requests_in_one_piece_are_all_answered_in_order(self):
        client = self.new_client()
        client.send_bytes(b"".join(b'{"op":"ping","id":"p%d"}\n' % i for i in range(3000)))
        self.assertEqual([client.read_event()["id"] for _ in range(3000)], ["p%d" % i for i in range(3000)])

    def test_K10_byte_by_byte(self):
        client = self.new_client()
        for byte in b'{"op":"ping","id":"slow"}\n':
            client.send_bytes(bytes([byte]))
        self.assertEqual(client.read_event()["id"], "slow")

    def test_K10_requests_mixed_with_raw_input(self):
        client = self.new_client()
        tag, task = client.start({"argv": ["cat"], "stdin": "stream"})
        name = task.encode()
        tricky = b'{"op":"cancel","id":"no","task":"%s"}\n' % name
        client.send_bytes(b'{"op":"ping","id":"a"}\n{"op":"input","id":"b","task":"%s","bytes":%d}\n' % (name, len(tricky)) + tricky +
                          b'{"op":"ping","id":"c"}\n{"op":"input","id":"d","task":"%s","text":"end","eof":true}\n' % name)
        for expected in "abcd":
            self.assertEqual(client.next_for(expected)["event"], "result")
        _, result, stdout, _, _ = client.finish(tag, task)
        self.assertEqual((result["outcome"], stdout), ("ok", tricky + b"end"))

    def test_K10_bytes_out_of_bounds(self):
        for count in (b"-1", b"0", b"4294967295", b"1048577", b"18446744073709551616", b'"5"', b"1.5", b"null"):
            client = self.new_client()
            client.send_bytes(b'{"op":"input","id":"x","task":"t-000000","bytes":%s}\n' % count)
            event = client.read_event()
            self.assertEqual(event["event"], "error", count)
            with self.assertRaises(EOFError, msg="what follows cannot be told apart"):
                client.read_event(5)

    def test_K10_raw_bytes_for_no_task_are_skipped(self):
        client = self.new_client()
        client.send_bytes(b'{"op":"input","id":"x","task":"t-00000000000000000000000000000000","bytes":30}\n' + b"\n" * 30 + b'{"op":"ping","id":"after"}\n')
        self.assertEqual(client.next_for("x")["error"]["code"], "not_found")
        self.assertEqual(client.next_for("after")["event"], "result")

    def test_the_same_tag_twice_is_the_clients_affair(self):
        client = self.new_client()
        for _ in range(2):
            client.send("ping", id="same")
        self.assertEqual([client.read_event()["id"] for _ in range(2)], ["same", "same"])

    def test_the_last_request_may_lack_its_newline(self):
        client = self.new_client()
        client.send_bytes(b'{"op":"ping","id":"last"}')
        client.sock.shutdown(1)
        self.assertEqual(client.read_event()["id"], "last")
        with self.assertRaises(EOFError):
            client.read_event(5)


@in_modes
class Policy:
    """K14: what is above a ceiling is refused by name, never lowered."""

    delegated = False  # what a cgroup holds: tests/limits
    daemon_args = ("--max-wall", "5m", "--max-grace", "10s", "--max-disk", "1GiB", "--max-inodes", "1000", "--max-output", "1MiB",
                   "--max-open-files", "1000", "--max-pids", "500",
                   "--max-memory", "1GiB", "--max-cpus", "2")

    def test_K14_above_a_ceiling_is_refused_by_name(self):
        for name, over, at in (("wall", "301s", "300s"), ("grace", "11s", "10s"), ("disk", "1025MiB", "1GiB"), ("inodes", 1001, 1000),
                               ("output", "1048577", "1MiB"),
                               ("open_files", 1001, 1000)):
            error = self.refused("not_allowed", limits={name: over}, field="task.limits." + name)
            self.assertTrue(error["message"])
            self.assert_ok(self.run_task(["true"], limits={name: at}))
        for name, over in (("memory", "2GiB"), ("cpus", 3), ("pids", 501)):
            self.refused("not_allowed", limits={name: over}, best_effort=["memory", "cpus", "pids"], field="task.limits." + name)

    def test_K14_defaults_respect_the_ceilings(self):
        run = self.shell("ulimit -n")
        self.assertLessEqual(int(run.text()), 1000)
        self.assertEqual(run.result["disk"]["limit"], 1 << 30)

    def test_K14_host_network_is_refused_unless_allowed(self):
        self.refused("not_allowed", network="host", field="task.network")

    def test_K14_limits_that_need_a_cgroup_are_refused_with_the_way_out(self):
        for name, value in (("memory", "100MiB"), ("cpus", 1), ("pids", 100)):
            error = self.refused("limit_unenforceable", limits={name: value}, field="task.limits." + name)
            self.assertIn("best-effort " + name, error["hint"])
            run = self.assert_ok(self.run_task(["true"], limits={name: value}, best_effort=[name]))
            self.assertEqual(self.degraded(run.result), [name])
        self.refused("limit_unenforceable", limits={"memory": "100MiB", "pids": 100}, best_effort=["pids"], field="task.limits.memory")


@in_modes
class HostNetwork:
    daemon_args = ("--allow-host-network",)

    def test_K14_host_network_where_it_is_allowed(self):
        run = self.assert_ok(self.run_task(["readlink", "/proc/self/ns/net"], network="host"))
        self.assertEqual(run.text().strip(), os.readlink("/proc/self/ns/net"))
        self.assertNotIn("network_namespace", run.result["enforced"])
