"""Finding tasks again: names, labels, list, inspect, wait, logs, attach; many tasks and many readers at once; I11."""
import json
import os

from dayfly_client import SCALE
from dayfly_test import DaemonError, IS_ROOT, in_modes

from common import start_cli


@in_modes
class Find:
    def refusal(self, op, **fields):
        with self.assertRaises(DaemonError) as caught:
            self.client.call(op, **fields)
        return caught.exception

    def end(self, tag, task):
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)

    def test_names_stand_for_tasks_and_are_free_again(self):
        tag, task = self.client.start({"argv": ["sleep", "30"], "name": "build-1"})
        self.assertEqual(self.client.call("inspect", task="build-1")["task"], task)
        error = self.refused("duplicate", name="build-1", field="task.name")
        self.assertIn("build-1", error["message"])
        self.client.call("cancel", task="build-1")
        self.client.finish(tag, task)
        self.assertEqual(self.client.call("inspect", task="build-1")["state"], "done", "a finished task still has its name")
        run = self.run_task(["true"], name="build-1")
        self.assertEqual(self.client.call("inspect", task="build-1")["task"], run.task, "the newest that had the name")

    def test_prefixes_stand_for_tasks(self):
        others = True
        while others:  # four digits may be those of two tasks
            run = self.run_task(["true"])
            others = [t for t in self.client.call("list", all=True)["tasks"] if t["task"][:6] == run.task[:6] and t["task"] != run.task]
        for length in (6, 10, len(run.task)):
            self.assertEqual(self.client.call("inspect", task=run.task[:length])["task"], run.task)
        for word in (run.task[:5], run.task + "0", run.task.upper(), run.task[2:]):
            self.assertEqual(self.refusal("inspect", task=word).code, "not_found", word)

    def test_a_name_that_looks_like_an_id_is_refused(self):
        first = self.run_task(["true"])
        for name in (first.task, first.task[:8]):
            self.refused("bad_value", name=name, field="task.name")

    def test_A16_names_are_checked(self):
        for name in ("..", ".", "", "a/b", "-rf", "x" * 65, "x\n", "A b", "\u00e9", "_x", ".hidden"):
            self.refused(("bad_value", "too_large", "out_of_range"), name=name, field="task.name")
        for name in ("a", "0", "x" * 64, "a-b_c.d"):
            self.assert_ok(self.run_task(["true"], name=name))

    def test_labels_select(self):
        a = self.run_task(["true"], labels={"project": "x", "kind": "test"})
        b = self.run_task(["true"], labels={"project": "y"})
        for label, expected in (("project", {a.task, b.task}), ("project=x", {a.task}), ("kind", {a.task}), ("kind=other", set()),
                                ("proj", set()), ("project=", set())):
            found = {t["task"] for t in self.client.call("list", all=True, label=label)["tasks"]} & {a.task, b.task}
            self.assertEqual(found, expected, label)

    def test_list_shows_what_runs_and_with_all_what_ran(self):
        done = self.run_task(["sh", "-c", "exit 3"], name="earlier", labels={"k": "v"})
        tag, task = self.client.start({"argv": ["sleep", "30"]})
        self.client.wait_state(tag, "running")
        active = {t["task"]: t for t in self.client.call("list")["tasks"]}
        self.assertIn(task, active)
        self.assertNotIn(done.task, active)
        self.assertEqual(active[task]["state"], "running")
        everything = {t["task"]: t for t in self.client.call("list", all=True)["tasks"]}
        shown = everything[done.task]
        self.assertEqual((shown["state"], shown["outcome"], shown["cause"], shown["code"]), ("done", "failed", "exit", 3))
        self.assertEqual((shown["name"], shown["labels"], shown["argv"]), ("earlier", {"k": "v"}, ["sh", "-c", "exit 3"]))
        self.end(tag, task)

    def test_inspect_keeps_environment_values_to_itself(self):
        run = self.run_task(["true"], env={"API_KEY": "very-secret-value"}, labels={"a": "b"}, cwd="/tmp")
        shown = self.client.call("inspect", task=run.task)
        self.assertNotIn("very-secret-value", json.dumps(shown))
        self.assertEqual(shown["spec"]["env_names"], ["API_KEY"])
        self.assertEqual((shown["spec"]["argv"], shown["spec"]["cwd"], shown["spec"]["labels"]), (["true"], "/tmp", {"a": "b"}))
        self.assertEqual(shown["result"], run.result)

    def test_inspect_shows_limits_and_best_effort(self):
        run = self.run_task(["true"], limits={"wall": "90s", "memory": "1GiB"}, best_effort=["io_read", "memory"])
        spec = self.client.call("inspect", task=run.task)["spec"]
        self.assertEqual(spec["limits"], {"wall": "90000ms", "memory": 1 << 30})
        self.assertEqual(sorted(spec["best_effort"]), ["io_read", "memory"])
        run = self.run_task(["true"])
        self.assertEqual(self.client.call("inspect", task=run.task)["spec"]["best_effort"], [])

    def test_wait_before_and_after_the_end(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "sleep 0.3; exit 4"]})
        waits = [self.client.send("wait", task=task) for _ in range(3)]
        _, result, _, _, _ = self.client.finish(tag, task)
        for wait in waits:
            events = list(self.client.events(wait))
            self.assertEqual([e["event"] for e in events], ["result"])
            self.assertEqual(events[0]["result"], result)
        self.assertEqual(self.client.call("wait", task=task), result)

    def test_not_found_for_every_operation(self):
        for op, more in (("attach", {}), ("input", {"text": "x"}), ("resize", {"rows": 1, "cols": 1}), ("signal", {"signal": "TERM"}),
                         ("cancel", {}),
                         ("inspect", {}), ("wait", {}), ("logs", {})):
            error = self.refusal(op, task="t-ffffffffffffffffffffffffffffffff", **more)
            self.assertEqual((error.code, error.field), ("not_found", "task"), op)

    def test_info_and_ping(self):
        info = self.client.call("info")
        self.assertEqual((info["protocol"], info["mode"], info["pid"]), (1, self.mode, self.daemon.process.pid))
        self.assertEqual(self.client.call("ping")["protocol"], 1)
        self.assertEqual(info["warden"]["pid"], self.daemon.wardens()[0])


@in_modes
class Replay:
    SCRIPT = "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; sleep 0.02; done"

    def output(self, events):
        out = {"stdout": b"", "stderr": b""}
        for e in events:
            if e["event"] == "output":
                out[e["stream"]] += e["data"]
        return out["stdout"], out["stderr"]

    def test_logs_and_attach_replay_a_finished_task(self):
        run = self.shell(self.SCRIPT)
        for op in ("logs", "attach"):
            events = list(self.client.events(self.client.send(op, task=run.task)))
            self.assertEqual(self.output(events), (run.stdout, run.stderr), op)
            self.assertEqual(events[-1]["result"], run.result, op)
            self.assertEqual([e["seq"] for e in events if e["event"] == "output"], [e["seq"] for e in run.events if e["event"] == "output"])

    def test_after_skips_what_is_known(self):
        run = self.shell(self.SCRIPT)
        seqs = [e["seq"] for e in run.events if e["event"] == "output"]
        for after in (seqs[0], seqs[len(seqs) // 2], seqs[-1], seqs[-1] + 100):
            events = list(self.client.events(self.client.send("attach", task=run.task, after=after)))
            self.assertEqual([e["seq"] for e in events if e["event"] == "output"], [s for s in seqs if s > after])

    def test_logs_of_a_running_task_end_at_once_or_follow(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "echo first; read x; echo second"], "stdin": "stream"})
        self.client.wait_output(tag, b"first\n")
        events = list(self.client.events(self.client.send("logs", task=task)))
        self.assertEqual(self.output(events)[0], b"first\n")
        self.assertEqual(events[-1]["result"]["state"], "running")
        follow = self.client.send("logs", task=task, follow=True)
        self.client.call("input", task=task, text="\n")
        events = list(self.client.events(follow))
        self.assertEqual(self.output(events)[0], b"first\nsecond\n")
        self.assertEqual(events[-1]["result"]["outcome"], "ok")
        self.client.finish(tag, task)

    def test_many_readers_of_one_task_on_several_connections_see_the_same(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "seq 1 3000; sleep 0.3; seq 3001 9000"]})
        clients = [self.new_client() for _ in range(5)]
        readers = []
        for client in clients:
            readers += [(client, client.send("attach", task=task, framing=framing)) for framing in ("json", "raw")]
            readers += [(client, client.send("logs", task=task, follow=True))]
        expected = "".join("%d\n" % n for n in range(1, 9001)).encode()
        _, result, stdout, _, _ = self.client.finish(tag, task)
        self.assertEqual(stdout, expected)
        for client, reader in readers:
            events = list(client.events(reader))
            self.assertEqual(self.output(events)[0], expected)
            self.assertEqual(events[-1]["result"], result)

    def test_a_reader_that_leaves_does_not_end_the_task(self):
        tag, task = self.client.start({"argv": ["sh", "-c", "echo up; sleep 0.5; echo end"]})
        reader = self.new_client()
        reader.wait_output(reader.send("attach", task=task), b"up")
        reader.close()
        _, result, stdout, _, _ = self.client.finish(tag, task)
        self.assertEqual((result["outcome"], stdout), ("ok", b"up\nend\n"))

    def test_an_old_task_goes_when_too_many_are_kept(self):
        first = self.run_task(["true"])
        tags = [self.client.start({"argv": ["true"]}) for _ in range(260)]
        for tag, task in tags:
            self.client.finish(tag, task)
        self.assertLessEqual(len(self.client.call("list", all=True)["tasks"]), 256)
        with self.assertRaises(DaemonError) as caught:
            self.client.call("cancel", task=first.task)
        self.assertEqual(caught.exception.code, "not_found")
        # It is remembered all the same.
        self.assertEqual(self.client.call("inspect", task=first.task)["kept"], "history")


@in_modes
class Many:
    def test_many_tasks_on_one_connection(self):
        client = self.client
        started = [client.start({"argv": ["sh", "-c", "echo task %d; sleep 0.1; exit %d" % (i, i)]}) for i in range(40)]
        for i, (tag, task) in reversed(list(enumerate(started))):
            _, result, stdout, _, _ = client.finish(tag, task)
            self.assertEqual((stdout, result["exit"]["code"], result["task"]), (b"task %d\n" % i, i, task))

    def test_floods_of_several_tasks_share_one_connection(self):
        client = self.client
        started = [client.start({"argv": ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' %s" % c]}, framing="raw") for c in "abcd"]
        for c, (tag, task) in zip("abcd", started):
            _, result, stdout, _, _ = client.finish(tag, task)
            self.assertEqual(stdout, c.encode() * 3000000)

    def test_input_for_several_tasks_on_one_connection(self):
        client = self.client
        started = [client.start({"argv": ["cat"], "stdin": "stream"}) for _ in range(8)]
        for _ in range(3):
            for i, (_, task) in enumerate(started):
                client.call("input", task=task, text="line of %d\n" % i)
        for _, task in started:
            client.call("input", task=task, eof=True)
        for i, (tag, task) in enumerate(started):
            self.assertEqual(client.finish(tag, task)[2], b"line of %d\n" % i * 3)


@in_modes
class Detached:
    def test_I11_a_detached_task_outlives_its_client_and_is_found_later(self):
        first = self.new_client()
        tag = first.send("run", task={"argv": ["sh", "-c", "echo begun; read x; echo done; exit 6"], "name": "later", "stdin": "stream"}, detach=True)
        events = list(first.events(tag))
        self.assertEqual([e["event"] for e in events], ["accepted", "result"])
        self.assertIn(events[-1]["result"]["state"], ("queued", "starting", "running"))
        first.close()
        second = self.new_client()
        self.assertNotEqual(second.call("inspect", task="later")["state"], "done")
        second.call("input", task="later", text="\n")
        result = second.call("wait", task="later")
        self.assertEqual((result["outcome"], result["exit"]["code"]), ("failed", 6))
        second.close()
        third = self.new_client()
        events = list(third.events(third.send("logs", task="later")))
        self.assertEqual(b"".join(e["data"] for e in events if e["event"] == "output"), b"begun\ndone\n")

    def test_I11_on_disconnect_keep(self):
        client = self.new_client()
        _, task = client.start({"argv": ["sh", "-c", "sleep 0.3; echo kept"], "on_disconnect": "keep"})
        client.close()
        self.assertEqual(self.client.call("wait", task=task)["outcome"], "ok")

    def test_command_line_detach_ps_logs_attach_wait_inspect(self):
        place = self.make_dir()
        done = self.cli("run", "-d", "--name", "job", "-l", "team=red", "--mount", place + ":/mnt/w", "--", "sh", "-c",
                        "echo one; until [ -e /mnt/w/go ]; do sleep 0.05; done; echo two >&2; exit 5")
        self.assertEqual(done.returncode, 0, done)
        task = done.stdout.decode().strip()
        self.assertRegex(task, r"^t-[0-9a-f]+$")
        self.assertIn(b"job", self.cli("ps").stdout)
        self.assertEqual(self.cli("ps", "-q", "--no-trunc", "-l", "team=red").stdout.decode().split(), [task])
        self.assertEqual(self.cli("ps", "-q", "-l", "team=blue").stdout, b"")
        odd = self.cli("ps", "-l", "a b")
        self.assertEqual((odd.returncode, odd.stdout), (1, b""))
        self.assertTrue(odd.stderr.startswith(b'dayfly: --label: the key "a b" is not a name\n  fix: a key has at most '), odd)
        attach = start_cli(self, "attach", "job")
        self.assertEqual(attach.stdout.readline(), b"one\n")
        self.make_file(os.path.join(place, "go"))
        self.assertEqual(self.cli("wait", "job").returncode, 5)
        out, err = attach.communicate(timeout=10 * SCALE)
        self.assertEqual((out, attach.returncode), (b"", 5), err)
        self.assertIn(b"two\n", err)
        logs = self.cli("logs", "job")
        self.assertEqual((logs.returncode, logs.stdout, logs.stderr), (0, b"one\n", b"two\n"))
        shown = json.loads(self.cli("inspect", "job").stdout)
        self.assertEqual((shown["task"], shown["result"]["exit"]["code"]), (task, 5))
        self.assertNotIn(task[:14].encode(), self.cli("ps").stdout)
        self.assertIn(task[:14].encode(), self.cli("ps", "--all").stdout)
        self.assertNotEqual(self.cli("logs", "no-such-task").returncode, 0)

    def test_command_line_ids_are_the_tasks_own_only(self):
        info = json.loads(self.cli("info", "--json").stdout)
        self.assertEqual(info["mode"], self.mode)


@in_modes
class OtherUsers:
    """K2: somebody else's task is not there."""

    modes = ["root"]
    daemon_args = ("--allow-uid", "61299")

    def test_K2_other_uid_sees_not_found_and_an_empty_list(self):
        self.assertTrue(IS_ROOT)
        tag, task = self.client.start({"argv": ["sh", "-c", "echo secret; sleep 30"], "name": "mine", "stdin": "stream"})
        self.client.wait_output(tag, b"secret")
        other = self.new_client(61299)
        self.assertEqual(other.call("list", all=True)["tasks"], [])
        unknown = None
        for word in (task, task[:8], "mine", "t-ffffffffffffffffffffffffffffffff"):
            for op, more in (("attach", {}), ("input", {"text": "x"}), ("resize", {"rows": 1, "cols": 1}), ("signal", {"signal": "KILL"}),
                             ("cancel", {}),
                             ("inspect", {}), ("wait", {}), ("logs", {})):
                with self.assertRaises(DaemonError) as caught:
                    other.call(op, task=word, **more)
                error = dict(caught.exception.error)
                error["message"] = error["message"].replace(word, "X")
                unknown = unknown or error
                self.assertEqual(error, unknown, "the same answer, whether it is there or not")
        self.assertEqual(unknown["code"], "not_found")
        # The name is free for the other, and stays apart.
        mine_too = other.run({"argv": ["true"], "name": "mine"})
        self.assertNotEqual(mine_too[0], task)
        self.assertEqual(self.client.call("inspect", task="mine")["task"], task)
        self.assertEqual(self.client.call("inspect", task="mine")["state"], "running")
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)

    def test_K2_root_is_no_exception(self):
        run = self.run_task(["true"])
        root = self.new_client(0)
        with self.assertRaises(DaemonError) as caught:
            root.call("inspect", task=run.task)
        self.assertEqual(caught.exception.code, "not_found")
