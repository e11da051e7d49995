"""What is remembered of tasks beyond the daemon's life: the history in SQLite, `dayfly history`, and inspect, wait and logs of tasks that
the daemon itself does not know any more."""
import base64
import glob
import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import time

from dayfly_client import SCALE
from dayfly_host import Daemon
from dayfly_test import DaemonError, USER, in_modes

from common import OwnDaemons, Traces, forget_service_dir, kill_daemon, wait_until


def name_of_user(uid):
    """As a table shows it: the number where there is no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Remembering(OwnDaemons):
    def configured(self, history="", daemon="", *args, start=True):
        owner = 0 if self.mode == "root" else None
        text = "[daemon]\n%s\n[history]\n%s\n" % (daemon, history)
        conf = self.make_file(os.path.join(self.make_dir(owner=owner), "conf"), text, owner=owner)
        return self.new_daemon("--config", conf, *args, start=start)

    def info(self, daemon, client=None):
        return (client or daemon.client()).call("info")["history"]

    def path_of(self, daemon):
        return self.info(daemon)["path"]

    def written(self, daemon, n):
        """Until n rows were written since the start."""
        self.assertTrue(wait_until(lambda: self.info(daemon)["written"] >= n), self.info(daemon))

    def assert_logged(self, daemon, text):
        """The loop tells what the thread of the history has done a moment after that."""
        self.assertTrue(wait_until(lambda: text in daemon.log()), (text, daemon.log()))

    def restart(self, daemon, signo=signal.SIGKILL, change=None):
        traces = Traces(self.stage)
        kill_daemon(daemon, signo)
        daemon.close_client()
        self.assertEqual(traces.wait_gone(), {})
        if change:
            change()
        daemon.start()
        return daemon.client()

    def without_journal(self, daemon):
        """So that what is known is known from the history."""
        def remove():
            for path in glob.glob(os.path.join(daemon.state_dir, "*.journal")):
                os.unlink(path)
        return remove

    def tasks(self, client, **filters):
        return client.call("history", **filters)["tasks"]

    def ids(self, client, **filters):
        return [t["task"] for t in self.tasks(client, **filters)]

    def database(self, path, *statements):
        """Opens the file of a daemon that is not there."""
        with sqlite3.connect(path) as db:
            for sql in statements:
                db.execute(sql)
        rows = db.execute("PRAGMA user_version").fetchall()
        db.close()
        return rows[0][0]

    def raw(self, path):
        data = b""
        for name in glob.glob(path + "*"):
            with open(name, "rb") as f:
                data += f.read()
        return data

    def assert_error(self, code, client, op, **fields):
        with self.assertRaises(DaemonError) as caught:
            client.call(op, **fields)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception


@in_modes
class AfterARestart(Remembering):
    def test_tasks_of_an_earlier_daemon_are_found_with_all_about_them(self):
        daemon = self.new_daemon()
        client = daemon.client()
        long = ["sh", "-c", "exit 3"] + ["x" * 100] * 40
        task, result, *_ = client.run({"argv": long, "name": "early", "labels": {"team": "ci"}, "env": {"TOKEN": "hush"},
                                       "limits": {"wall": "1m"}, "cwd": "/tmp"})
        silent, quiet, *_ = client.run({"argv": ["true"]})
        talker, *_ = client.run({"argv": ["sh", "-c", "echo some words"]})
        before = client.call("inspect", task=task)
        for signo in (signal.SIGTERM, signal.SIGKILL):
            self.written(daemon, 0)
            client = self.restart(daemon, signo, self.without_journal(daemon))
            self.assertEqual(client.call("list", all=True)["tasks"], [])
            for word in (task, task[:12], "early"):
                shown = client.call("inspect", task=word)
                self.assertEqual((shown["state"], shown["recovered"], shown["kept"], shown["request_is_cut"]), ("done", True, "history", False))
                self.assertEqual(shown["spec"], before["spec"])
                self.assertEqual(shown["result"], result)
                self.assertEqual((shown["created"], shown["started"], shown["uid"]), (before["created"], before["started"], USER))
            self.assertEqual(client.call("wait", task="early"), result)
            self.assertEqual(client.call("wait", task=silent), quiet)
            # Nothing was said: nothing is missing.
            self.assertEqual([e["event"] for e in client.events(client.send("logs", task=silent))], ["result"])
            for op in ("logs", "attach"):
                gone, last = client.events(client.send(op, task=talker))
                self.assertEqual((gone["event"], gone["error"]["code"], gone["task"]), ("gone", "output_gone", talker))
                self.assertIn("it ended with the daemon that ran the task", gone["error"]["message"])
                self.assertEqual((last["task"], last["result"]["outcome"]), (talker, "ok"))
        self.assert_error("not_found", client, "inspect", task="t-" + "0" * 32)
        self.assert_error("not_found", client, "cancel", task=task)

    def test_it_is_listed_with_filters_and_pages(self):
        daemon = self.new_daemon()
        client = daemon.client()
        wanted = []
        for i in range(12):
            team = "ci" if i % 2 else "ops"
            wanted.insert(0, client.run({"argv": ["sh", "-c", "exit %d" % (i % 3)], "labels": {"team": team, "n": str(i)}, "name": "task-%d" % i})[0])
        client = self.restart(daemon, signal.SIGTERM)
        every = self.tasks(client)
        self.assertEqual([t["task"] for t in every], wanted)
        self.assertEqual((every[0]["argv"], every[0]["code"], every[0]["cause"], every[0]["labels"]),
                         (["sh", "-c", "exit 2"], 2, "exit", {"team": "ci", "n": "11"}))
        self.assertEqual(self.ids(client, outcome="ok"), wanted[2::3])
        self.assertEqual(self.ids(client, cause="oom"), [])
        self.assertEqual(self.ids(client, cause="exit"), wanted)
        self.assertEqual(self.ids(client, label="team=ci"), wanted[::2])
        self.assertEqual(self.ids(client, label="n"), wanted)
        self.assertEqual(self.ids(client, label="team=ci", outcome="ok"), [t for t in wanted[::2] if t in wanted[2::3]])
        self.assertEqual(self.ids(client, name="task-7"), [wanted[4]])
        self.assertEqual(self.ids(client, since=every[4]["created"]), wanted[:5])
        self.assertEqual(self.ids(client, until=every[4]["created"]), wanted[5:])
        self.assertEqual(self.ids(client, state="active"), [])
        self.assertEqual(self.ids(client, uid=USER), wanted)
        # Page by page.
        got, before = [], {}
        while True:
            page = client.call("history", limit=5, **before)
            got += [t["task"] for t in page["tasks"]]
            self.assertLessEqual(len(page["tasks"]), 5)
            if not page["next"]:
                break
            before = {"before": page["next"]}
        self.assertEqual(got, wanted)
        # Text of a client is never more than text.
        for odd in ("' OR 1=1 --", "x'; DROP TABLE task; --", "%", "?1"):
            self.assertEqual(self.ids(client, label="team=" + odd), [])
            self.assert_error("bad_value", client, "history", label=odd)
            self.assertEqual(self.ids(client, outcome=odd[:15]), [])
        for field, value in (("before", "1"), ("before", "x.y"), ("since", "yesterday"), ("until", "2026-02-30T00:00:00Z"), ("state", "odd")):
            self.assert_error("bad_value", client, "history", **{field: value})
        for limit in (0, 1001):
            self.assert_error("out_of_range", client, "history", limit=limit)
        self.assertEqual(self.ids(client), wanted)

    def test_the_command_line_shows_it(self):
        daemon = self.new_daemon()
        client = daemon.client()
        talker = client.run({"argv": ["sh", "-c", "echo words; exit 7"], "name": "talker", "labels": {"team": "ci"}})[0]
        others = [client.run({"argv": ["true"]})[0] for _ in range(3)]
        self.restart(daemon, signal.SIGTERM, self.without_journal(daemon))
        shown = self.cli("history")
        self.assertEqual(shown.returncode, 0, shown)
        lines = shown.stdout.decode().splitlines()
        self.assertEqual(lines[0].split(), ["TASK", "NAME", "STATE", "AGE", "TOOK", "COMMAND"])
        self.assertEqual(len(lines), 5)
        self.assertIn("exit 7", lines[4])
        self.assertIn("talker", lines[4])
        self.assertEqual(self.cli("history", "-q", "-n", "2").stdout.decode().split(), others[:0:-1])
        self.assertEqual(self.cli("history", "-q", "-l", "team=ci", "--since", "1h").stdout.decode().split(), [talker])
        self.assertEqual(self.cli("history", "-q", "--until", "1h").stdout, b"")
        self.assertEqual(self.cli("history", "-q", "--outcome", "failed", "-u", str(USER)).stdout.decode().split(), [talker])
        answer = json.loads(self.cli("history", "--json", "--cause", "exit").stdout)
        self.assertEqual([t["task"] for t in answer["tasks"]], others[::-1] + [talker])
        self.assertIsNone(answer["next"])
        self.assertEqual(json.loads(self.cli("inspect", "talker").stdout)["result"]["exit"]["code"], 7)
        self.assertEqual(self.cli("wait", "talker").returncode, 7)
        logs = self.cli("logs", "talker")
        self.assertEqual((logs.returncode, logs.stdout), (1, b""))
        self.assertIn(b"the output of task %s is gone: it ended with the daemon" % talker.encode(), logs.stderr)
        self.assertEqual(self.cli("logs", others[0]).returncode, 0)
        wrong = self.cli("history", "--since", "soon")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn(b"--since", wrong.stderr)

    def test_logs_of_a_task_that_this_daemon_has_forgotten(self):
        daemon = self.new_daemon()
        client = daemon.client()
        task = client.run({"argv": ["echo", "words"]})[0]
        for _ in range(300):
            client.run({"argv": ["true"]})
        gone, last = client.events(client.send("logs", task=task))
        self.assertEqual(gone["error"]["code"], "output_gone")
        self.assertIn("this daemon keeps that of a finished task for 15 minutes", gone["error"]["message"])
        self.assertEqual(last["result"]["outcome"], "ok")
        self.assertFalse(client.call("inspect", task=task)["recovered"])


@in_modes
class LongRequests(Remembering):
    def test_a_request_with_very_many_names_is_kept_without_details(self):
        daemon = self.configured()
        client = daemon.client()
        tasks = {}
        for n in (10, 700):
            env = {"%03d%s" % (i, "N" * 100): "" for i in range(n)}
            tasks[n] = client.run({"argv": ["true"], "env": env, "cwd": "/tmp"})[0]
        self.written(daemon, 2)
        client = self.restart(daemon, signal.SIGTERM, self.without_journal(daemon))
        few, many = (client.call("inspect", task=tasks[n]) for n in (10, 700))
        self.assertEqual((few["request_is_cut"], len(few["spec"]["env_names"]), few["spec"]["cwd"]), (False, 10, "/tmp"))
        self.assertEqual((many["request_is_cut"], many["spec"]["argv"]), (True, ["true"]))
        self.assertNotIn("env_names", many["spec"])


@in_modes
class AfterACrash(Remembering):
    def detached(self, client, argv, **more):
        return list(client.events(client.send("run", detach=True, task=dict(argv=argv, **more))))[0]["task"]

    def test_J3_tasks_that_were_lost_have_their_row(self):
        """Known from the journal, from both, and from the history alone."""
        for keeps_journal, age in ((True, 0), (True, 2), (False, 2)):
            daemon = self.configured(daemon="" if keeps_journal else "journal = no")
            task = self.detached(daemon.client(), ["sleep", "97531"], name="nap", labels={"team": "ci"}, cwd="/tmp")
            path, has_row = self.path_of(daemon), []
            if age:
                self.assertTrue(wait_until(lambda: self.ids(daemon.client(), state="active") == [task]))
                self.assertEqual(self.tasks(daemon.client())[0]["state"], "active")
            else:
                self.assertTrue(wait_until(lambda: daemon.client().call("inspect", task=task)["state"] == "running"))
            client = self.restart(daemon, change=lambda: has_row.append(task.encode() in self.raw(path)))
            self.assertTrue(wait_until(lambda: self.ids(client, cause="daemon_crash") == [task]), self.tasks(client))
            row = self.tasks(client)[0]
            self.assertEqual((row["state"], row["outcome"], row["name"], row["labels"]), ("done", "lost", "nap", {"team": "ci"}))
            client = self.restart(daemon, signal.SIGTERM, self.without_journal(daemon))
            shown = client.call("inspect", task="nap")
            self.assertEqual((shown["result"]["cause"], shown["result"]["error"]["code"]), ("daemon_crash", "daemon_crash"))
            # On a slow machine one that has just begun may have had a row too.
            self.assertEqual(shown["request_is_cut"], not (age or has_row[0]))
            if age:
                self.assertEqual(shown["spec"]["cwd"], "/tmp")
            gone, last = client.events(client.send("logs", task=task))
            self.assertEqual((gone["event"], last["result"]["outcome"]), ("gone", "lost"))
            self.assertEqual(daemon.stop(), [])

    def test_J3_results_that_were_told_are_there_after_a_kill_at_any_moment(self):
        daemon = self.new_daemon("--max-tasks", "8")
        known = {}
        for _ in range(4):
            client = daemon.client()
            tags = [client.start({"argv": ["sh", "-c", "exit %d" % (i % 5)]}) for i in range(30)]
            for tag, task in tags[:20]:
                known[task] = client.finish(tag, task)[1]["exit"]["code"]
            self.restart(daemon)
        rows = {t["task"]: t for t in self.tasks(daemon.client(), limit=1000)}
        self.assertEqual({t: rows[t]["code"] for t in known}, known)
        # Exactly one row each, and none that is not done.
        self.assertEqual(len(rows), 120)
        self.assertEqual({t["state"] for t in rows.values()}, {"done"})


@in_modes
class Secrets(Remembering):
    def test_no_secret_no_file_and_no_value_of_the_environment_is_in_the_file(self):
        daemon = self.new_daemon()
        client = daemon.client()
        hush = ["hush-secret-%d" % i for i in range(4)]
        spec = {"argv": ["sh", "-c", "cat /run/secrets/token >/dev/null; sleep 1.5"], "env": {"VISIBLE_NAME": hush[0]},
                "secrets": [{"name": "token", "text": hush[1]}], "files": [{"path": "/tmp/visible-file", "text": hush[2]},
                                                                         {"path": "/tmp/b", "base64": base64.b64encode(hush[3].encode()).decode()}]}
        task = client.run(spec)[0]
        client.run({"argv": ["cat", "/visible-word"], "env": {"X": hush[0]}})
        self.assertEqual(len(self.ids(client, state="done")), 2)
        path = self.path_of(daemon)
        for moment in ("open", "killed", "closed"):
            data = self.raw(path)
            for word in hush + [base64.b64encode(h.encode()).decode() for h in hush]:
                self.assertFalse(word.encode() in data, (word, moment))
            # The control: it is the right place to look in.
            for word in (b"VISIBLE_NAME", b"/tmp/visible-file", b"/visible-word", b"token", task.encode()):
                self.assertTrue(word in data, (word, moment))
            if moment == "open":
                self.restart(daemon, signal.SIGKILL)
            elif moment == "killed":
                self.assertEqual(daemon.client().call("inspect", task=task)["spec"]["env_names"], ["VISIBLE_NAME"])
                kill_daemon(daemon, signal.SIGTERM)
                daemon.close_client()
        folder = os.path.dirname(path)
        self.assertEqual(os.stat(folder).st_mode & 0o7777, 0o700)
        for name in glob.glob(folder + "/*"):
            self.assertEqual(os.stat(name).st_mode & 0o7777, 0o600, name)

    def test_what_is_forgotten_is_gone_from_the_file(self):
        daemon = self.configured("max_age = 2s")
        daemon.client().run({"argv": ["true", "word-to-forget"]})
        self.written(daemon, 1)
        path = self.path_of(daemon)
        self.assertTrue(b"word-to-forget" in self.raw(path))
        time.sleep(2.5)
        client = self.restart(daemon, signal.SIGTERM, self.without_journal(daemon))
        self.assertTrue(wait_until(lambda: self.ids(client) == []))
        kill_daemon(daemon, signal.SIGTERM)
        daemon.close_client()
        self.assertFalse(b"word-to-forget" in self.raw(path))


@in_modes
class StateFile(Remembering):
    def prepared(self, change, history=""):
        """A daemon whose history with one task is changed while it is away; returns the next daemon, the task and the path."""
        daemon = self.configured(history)
        task = daemon.client().run({"argv": ["true"], "labels": {"team": "ci"}})[0]
        self.written(daemon, 1)
        path = self.path_of(daemon)
        kill_daemon(daemon, signal.SIGTERM)
        daemon.close_client()
        self.without_journal(daemon)()
        change(path)
        daemon.start()
        self.assertEqual(daemon.client().run({"argv": ["true"]})[1]["outcome"], "ok")
        return daemon, task, path

    def test_a_damaged_file_is_set_aside_and_tasks_run(self):
        def write(data):
            def change(path):
                stat = os.stat(path)
                os.unlink(path)
                with open(path, "wb") as f:
                    f.write(data)
                os.chown(path, stat.st_uid, stat.st_gid)
            return change

        for what, data in (("random", os.urandom(20000)), ("text", b"not a database " * 500), ("head only", b"SQLite format 3\0" + bytes(4080))):
            daemon, task, path = self.prepared(write(data))
            self.written(daemon, 1)
            self.assertEqual(len(glob.glob(path + ".bad1")), 1, what)
            self.assert_logged(daemon, "it is set aside as history.db.bad1, and a new one begins")
            self.assertEqual(self.info(daemon)["state"], "on")
            self.assert_error("not_found", daemon.client(), "inspect", task=task)
            self.assertEqual(len(self.ids(daemon.client())), 1)
            self.assertEqual(daemon.stop(), [])

    def test_damage_that_shows_later_is_dealt_with_where_it_shows(self):
        def hit(path):
            with open(path, "r+b") as f:
                size = f.seek(0, 2)
                for page in range(1, size // 4096):
                    f.seek(page * 4096)
                    f.write(os.urandom(4096))

        daemon, task, path = self.prepared(hit)
        client = daemon.client()
        self.assertTrue(wait_until(lambda: glob.glob(path + ".bad1")), daemon.log())
        client.run({"argv": ["true"]})
        self.assertTrue(wait_until(lambda: self.ids(client)))
        self.assertEqual(self.info(daemon)["state"], "on")

    def test_a_link_is_not_followed(self):
        victim = self.make_file(os.path.join(self.make_dir(), "victim"), "precious", 0o666)

        def link(path):
            os.unlink(path)
            os.symlink(victim, path)

        daemon, _, path = self.prepared(link)
        self.written(daemon, 1)
        self.assertTrue(os.path.islink(path + ".bad1"))
        with open(victim) as f:
            self.assertEqual(f.read(), "precious")

    def test_a_folder_that_others_could_change_is_not_used(self):
        daemon, _, path = self.prepared(lambda path: os.chmod(os.path.dirname(path), 0o777))
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "faulty"), self.info(daemon))
        info = self.info(daemon)
        self.assertIn("can be changed by others", info["fault"])
        error = self.assert_error("no_history", daemon.client(), "history")
        self.assertIn("can be changed by others", error.args[0]["message"] if isinstance(error.args[0], dict) else str(error))

    def test_the_number_of_files_that_were_set_aside_is_bounded(self):
        daemon, _, path = self.prepared(lambda path: None)
        for _ in range(7):
            def spoil():
                with open(path, "r+b") as f:
                    f.write(b"x" * 200)
            self.restart(daemon, signal.SIGTERM, spoil)
            self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "on"))
        self.assertEqual(len(glob.glob(path + ".bad?")), 5)

    def test_an_older_version_is_brought_to_this_one(self):
        def to_version_1(path):
            # As the first version had it: no labels to find by, no sums.
            stat = os.stat(path)
            self.database(path, "DROP TRIGGER task_in", "DROP TRIGGER task_out", "DROP TRIGGER task_grown", "DROP TABLE label",
                          "DROP TABLE owner", "ALTER TABLE task DROP COLUMN bytes", "PRAGMA user_version = 1")
            os.chown(path, stat.st_uid, stat.st_gid)

        daemon, task, path = self.prepared(to_version_1)
        self.written(daemon, 1)
        client = daemon.client()
        self.assertEqual(self.ids(client, label="team=ci"), [task])
        self.assertEqual(self.info(daemon)["tasks"], 2)
        self.assertEqual(client.call("inspect", task=task)["result"]["outcome"], "ok")
        self.assertEqual(glob.glob(path + ".bad*"), [])

    def test_a_newer_version_is_left_alone(self):
        def to_version_99(path):
            stat = os.stat(path)
            self.database(path, "PRAGMA user_version = 99", "CREATE TABLE wonder (x)")
            os.chown(path, stat.st_uid, stat.st_gid)
            self.before = self.raw(path)

        daemon, task, path = self.prepared(to_version_99)
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "refused"), self.info(daemon))
        info = self.info(daemon)
        self.assertIn("version 99, and this dayflyd knows 2", info["fault"])
        self.assert_logged(daemon, "is left as it is: it is of version 99")
        self.assert_error("no_history", daemon.client(), "history")
        self.assert_error("no_history", daemon.client(), "inspect", task=task)
        kill_daemon(daemon, signal.SIGTERM)
        daemon.close_client()
        self.assertTrue(self.raw(path) == self.before)
        self.assertEqual(glob.glob(path + ".bad*"), [])

    def test_two_daemons_do_not_write_one_history(self):
        owner = 0 if self.mode == "root" else None
        place = self.make_dir(mode=0o700, owner=owner)
        daemon = self.configured("dir = " + place, start=False)
        if self.mode == "root":
            os.chown(place, os.stat(daemon.state_dir).st_uid, -1)
        daemon.start()
        task = daemon.client().run({"argv": ["true"]})[0]
        self.written(daemon, 1)
        other = self.configured("dir = " + place)
        self.assertTrue(wait_until(lambda: self.info(other)["state"] == "faulty"))
        self.assertIn("locked", self.info(other)["fault"])
        self.assertEqual(other.client().run({"argv": ["true"]})[1]["outcome"], "ok")
        self.assertEqual(self.ids(daemon.client()), [task])
        other.close_client()
        kill_daemon(other, signal.SIGTERM)
        other.process = None

    def test_without_it_there_is_none(self):
        daemon = self.configured("record = no")
        self.assertIsNone(self.info(daemon))
        task = daemon.client().run({"argv": ["true"]})[0]
        error = self.assert_error("no_history", daemon.client(), "history")
        self.assertEqual(os.path.exists(os.path.join(daemon.state_dir, "history.db")), False)
        self.assertEqual(glob.glob(daemon.state_dir + "/*.history"), [])
        shown = self.cli("history")
        self.assertEqual(shown.returncode, 1)
        self.assertIn(b"record = no", shown.stderr)
        self.assert_error("not_found", self.restart(daemon, change=self.without_journal(daemon)), "inspect", task=task)
        self.assertTrue(error)


@in_modes
class Retention(Remembering):
    def test_beyond_its_bytes_the_oldest_go_and_the_file_stays_small(self):
        daemon = self.configured("max_bytes = 1MiB")
        client = daemon.client()
        task = {"argv": ["true"] + ["x" * 1000] * 30}
        for _ in range(80):
            client.run(task)
        last = client.run({"argv": ["true"]})[0]
        self.written(daemon, 81)
        self.assertTrue(wait_until(lambda: self.info(daemon)["bytes"] <= 1 << 20), self.info(daemon))
        rows = self.tasks(client, limit=1000)
        # About as many as fit, and not far fewer.
        self.assertTrue(20 < len(rows) < 40, len(rows))
        self.assertEqual(rows[0]["task"], last)
        path = self.path_of(daemon)
        kill_daemon(daemon, signal.SIGTERM)
        daemon.close_client()
        self.assertLess(os.stat(path).st_size, 1.2 * (1 << 20))
        self.assertEqual(sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone(), ("ok",))

    def test_a_reload_takes_new_bounds(self):
        daemon = self.configured("max_age = none")
        daemon.client().run({"argv": ["true"]})
        self.written(daemon, 1)
        conf = daemon.args[daemon.args.index("--config") + 1]
        with open(conf, "w") as f:
            f.write("[history]\nmax_age = 1s\n")
        time.sleep(1.1)
        daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: "history.max_age" in daemon.log()), daemon.log())
        daemon.client().run({"argv": ["true"]})
        self.assertTrue(wait_until(lambda: self.info(daemon)["tasks"] <= 1), self.info(daemon))


@in_modes
class OtherUsers(Remembering):
    modes = ["root"]  # a rootless daemon has one user

    def test_K2_others_do_not_see_it_and_root_sees_all(self):
        daemon = self.new_daemon("--allow-all")
        own = daemon.client().run({"argv": ["true"], "name": "nap"})[0]
        theirs = self.connect_to(daemon, uid=USER + 1).run({"argv": ["false"], "name": "nap"})[0]
        self.restart(daemon, signal.SIGTERM, self.without_journal(daemon))
        other = self.connect_to(daemon, uid=USER + 1)
        self.assertEqual(self.ids(other), [theirs])
        self.assertEqual(self.ids(daemon.client()), [own])
        for op in ("inspect", "wait", "logs", "attach"):
            for word in (own, own[:10]):
                self.assert_error("not_found", other, op, task=word)
        self.assertEqual(other.call("wait", task="nap")["task"], theirs)
        self.assert_error("not_allowed", other, "history", all=True)
        self.assert_error("not_allowed", other, "history", uid=USER)
        self.assert_error("not_allowed", other, "history", uid=0)
        root = self.connect_to(daemon, uid=0)
        self.assertEqual(self.ids(root), [])
        self.assertEqual(set(self.ids(root, all=True)), {own, theirs})
        self.assertEqual(self.ids(root, uid=USER + 1), [theirs])
        # What is not asked for by name of all is not there for root either.
        for op in ("inspect", "wait", "logs", "history"):
            self.assert_error("not_found", root, op, task=own)
        self.assertEqual(root.call("history", all=True, task=own)["uid"], USER)
        self.assertEqual(root.call("history", uid=USER, task=own[:12])["result"]["outcome"], "ok")
        self.assert_error("not_found", root, "history", uid=USER + 1, task=own)
        self.assert_error("not_allowed", other, "history", all=True, task=own)
        self.assert_error("not_found", other, "history", task=own)
        self.assertEqual(other.call("history", task="nap")["task"], theirs)
        self.assertEqual(json.loads(self.cli("history", "-a", own, root=True).stdout)["task"], own)
        self.assert_error("bad_value", root, "history", all=True, uid=USER)
        shown = self.cli("history", "-a", root=True).stdout.decode()
        self.assertEqual(shown.split("\n")[0].split()[1], "USER")
        self.assertIn(name_of_user(USER), shown)

    def test_one_user_does_not_push_out_anothers(self):
        daemon = self.configured("max_bytes = 1MiB", "", "--allow-all")
        own = [daemon.client().run({"argv": ["true", "x" * 1000]})[0] for _ in range(5)]
        flood = self.connect_to(daemon, uid=USER + 1)
        for _ in range(120):
            flood.run({"argv": ["true"] + ["x" * 1000] * 30})
        self.written(daemon, 125)
        self.assertTrue(wait_until(lambda: self.info(daemon)["bytes"] <= 1 << 20))
        self.assertEqual(self.ids(daemon.client()), own[::-1])
        self.assertLess(len(self.ids(flood, limit=1000)), 60)

    def test_a_flood_of_questions_of_one_user_is_bounded_and_others_are_answered(self):
        daemon = self.new_daemon("--allow-all")
        own = daemon.client().run({"argv": ["true"]})[0]
        floods = [self.connect_to(daemon, uid=USER + 1) for _ in range(20)]
        tags = [(c, [c.send("history", all=False, limit=1000) for _ in range(20)]) for c in floods]
        self.assertEqual(self.ids(daemon.client()), [own])
        seen = set()
        for client, asked in tags:
            for tag in asked:
                *_, last = client.events(tag)
                seen.add(last["event"] if last["event"] == "result" else last["error"]["code"])
                if last["event"] == "error":
                    self.assertGreater(last["error"]["retry_after_ms"], 0)
        self.assertLessEqual(seen, {"result", "busy"})
        self.assertIn("result", seen)


@in_modes
class Flood(Remembering):
    def test_tasks_run_while_questions_flood_in(self):
        """Of a history of some size, with the slowest questions that there are."""
        daemon = self.new_daemon()
        self.written(daemon, 0)
        path = self.path_of(daemon)
        daemon.client().run({"argv": ["true"]})
        self.written(daemon, 1)
        kill_daemon(daemon, signal.SIGTERM)
        daemon.close_client()
        stat = os.stat(path)
        with sqlite3.connect(path) as db:
            db.execute("INSERT INTO task (id, uid, created, finished, argv, argv_is_cut, labels, request, request_is_cut, outcome, cause, result, bytes) "
                       "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 100000) "
                       "SELECT printf('t-%032x', i), uid, created - i * 1000, finished - i * 1000, argv, 0, '{\"team\":\"ci\"}', request, 0, "
                       "outcome, cause, '{}', 1000 FROM c, task WHERE task.n = 1")
        db.close()
        os.chown(path, stat.st_uid, stat.st_gid)
        daemon.start()
        clients = [self.connect_to(daemon) for _ in range(10)]
        asked = [(c, c.send("history", label="team=nobody")) for c in clients for _ in range(4)]
        asked += [(c, c.send("history", limit=1000, label="team=ci")) for c in clients]
        runner = self.connect_to(daemon)
        slowest = 0
        for _ in range(20):
            began = time.monotonic()
            self.assertEqual(runner.run({"argv": ["true"]})[1]["outcome"], "ok")
            slowest = max(slowest, time.monotonic() - began)
        answers = [list(c.events(tag, timeout=60))[-1] for c, tag in asked]
        codes = {a["error"]["code"] for a in answers if a["event"] == "error"}
        self.assertLessEqual(codes, {"busy"}, codes)
        full = [a["result"] for a in answers if a["event"] == "result" and a["result"]["tasks"]]
        for result in full:
            self.assertLessEqual(len(json.dumps(result)), 400 << 10)
        # Not a time, but an order: a task does not wait for questions of a second each.
        self.assertLess(slowest, 10 * SCALE)
        self.written(daemon, 20)

    def test_who_leaves_before_the_answer_harms_nobody(self):
        daemon = self.new_daemon()
        for _ in range(30):
            client = self.connect_to(daemon)
            for _ in range(5):
                client.send("history")
                client.send("inspect", task="no-such-task")
            client.close()
        self.assertEqual(daemon.client().run({"argv": ["true"]})[1]["outcome"], "ok")

        def is_there():
            try:
                return len(self.ids(daemon.client())) == 1
            except DaemonError as e:
                self.assertEqual(e.code, "busy")

        self.assertTrue(wait_until(is_there, 10))


@in_modes
class NoSpace(Remembering):
    """The history's own directory is a small or a read-only file system; the journal's is not."""

    def on_tmpfs(self, options, before=""):
        owner = 0 if self.mode == "root" else None
        place = self.make_dir(mode=0o777, owner=owner)
        daemon = self.configured("dir = " + place, start=False)
        command = daemon.command()
        uid = os.stat(daemon.state_dir).st_uid if self.mode == "root" else 0
        gate = os.path.join(self.make_dir(mode=0o777), "gate")
        for name in (gate, gate + ".done"):
            os.mkfifo(name)
            os.chmod(name, 0o666)
        self.gate = gate
        # A helper in the daemon's mount namespace does what the gate says.
        script = """
            mount -t tmpfs -o %s,uid=%d tmpfs %s || exit 9
            %s
            (while read what <%s; do
                case $what in
                fill) dd if=/dev/zero of=%s/ballast bs=4k 2>/dev/null;;
                empty) rm -f %s/ballast;;
                rw) mount -o remount,bind,rw %s;;
                end) echo >%s; exit;;
                esac
                echo >%s
            done) <&- 2>&- &
            exec "$@" """ % (options, uid, place, before % {"place": place} if before else "", gate, place, place, place, gate + ".done", gate + ".done")
        unshare = ["unshare", "-m"] if self.mode == "root" else ["unshare", "-Urm"]
        inner = command if self.mode == "root" else ["unshare", "-U", "--map-user=%d" % USER, "--map-group=%d" % USER] + command
        daemon.command = lambda: unshare + ["sh", "-c", script, "sh"] + inner
        daemon.start()
        self.addCleanup(self.tell, "end")
        return daemon

    def tell(self, what):
        if what == "end" and not self.gate:
            return
        with open(self.gate, "w") as f:
            f.write(what + "\n")
        with open(self.gate + ".done") as f:
            f.read()
        if what == "end":
            self.gate = None

    def stop_all(self):
        self.tell("end")

    def check_goes_on(self, daemon, broken, mended, words):
        client = daemon.client()
        first = client.run({"argv": ["true"]})[0]
        self.written(daemon, 1)
        self.tell(broken)
        during = [client.run({"argv": ["true", "x" * 100000]}) for _ in range(6)]
        self.assertEqual({r[1]["outcome"] for r in during}, {"ok"})
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "faulty"), self.info(daemon))
        info = self.info(daemon)
        self.assertTrue(any(w in info["fault"] for w in words), info)
        self.assert_logged(daemon, "cannot be written")
        self.assert_logged(daemon, "tasks run all the same")
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
        # What is there can be read.
        self.assertEqual(self.ids(client), [first])
        self.tell(mended)
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "on", 20), self.info(daemon))
        self.assertTrue(wait_until(lambda: len(self.ids(client)) == 8, 20), self.info(daemon))
        self.assert_logged(daemon, "can be written again")
        self.assertEqual(self.info(daemon)["dropped"], 0)
        self.tell("end")

    def test_J6_a_full_disk_fails_no_task_and_nothing_is_lost(self):
        self.check_goes_on(self.on_tmpfs("size=8m,mode=700"), "fill", "empty", ["no space is left"])

    def test_J6_it_leaves_room_to_others(self):
        """On a small file system no more than half is taken, however many tasks there are."""
        daemon = self.on_tmpfs("size=2m,mode=700")
        client = daemon.client()
        for _ in range(60):
            client.run({"argv": ["true"] + ["x" * 1000] * 30})
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "faulty"), self.info(daemon))
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
        self.tell("end")

    def test_J6_a_smaller_bound_makes_room_on_a_full_disk(self):
        daemon = self.on_tmpfs("size=8m,mode=700")
        client = daemon.client()

        def is_full():
            client.run({"argv": ["true"] + ["x" * 1000] * 30})
            return self.info(daemon)["state"] == "faulty"

        self.assertTrue(wait_until(is_full, 60), self.info(daemon))
        self.assertGreater(self.info(daemon)["bytes"], 1.5 * (1 << 20))
        with open(daemon.args[daemon.args.index("--config") + 1], "a") as f:
            f.write("max_bytes = 1MiB\n")
        daemon.process.send_signal(signal.SIGHUP)
        # Nobody makes room there.
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "on" and self.info(daemon)["waiting"] == 0, 40), self.info(daemon))
        self.assertTrue(wait_until(lambda: self.info(daemon)["bytes"] <= 1 << 20), self.info(daemon))
        last = client.run({"argv": ["true"]})[0]
        self.assertTrue(wait_until(lambda: last in self.ids(client)), self.info(daemon))
        self.tell("end")

    def test_J6_full_from_the_start(self):
        daemon = self.on_tmpfs("size=256k,mode=700", "dd if=/dev/zero of=%(place)s/ballast bs=4k 2>/dev/null")
        client = daemon.client()
        task = client.run({"argv": ["true"]})[0]
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "faulty"), self.info(daemon))
        self.tell("empty")
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "on", 20), self.info(daemon))
        self.assertTrue(wait_until(lambda: self.ids(client) == [task], 20))
        self.tell("end")

    def test_a_read_only_directory_fails_no_task(self):
        daemon = self.on_tmpfs("size=8m,mode=700", "mount -o remount,bind,ro %(place)s")
        client = daemon.client()
        task = client.run({"argv": ["true"]})[0]
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "faulty"), self.info(daemon))
        self.assertIn("Read-only file system", self.info(daemon)["fault"])
        self.assert_error("no_history", client, "history")
        self.assertEqual(client.run({"argv": ["true"]})[1]["outcome"], "ok")
        self.tell("rw")
        self.assertTrue(wait_until(lambda: self.info(daemon)["state"] == "on", 20), self.info(daemon))
        self.assertTrue(wait_until(lambda: task in self.ids(client), 20))
        self.tell("end")


class PrivateDaemon(Daemon):
    """As autostart makes it: without a state directory."""

    def command(self):
        command = super().command()
        at = command.index("--state-dir")
        return command[:at] + command[at + 2:]


@in_modes
class Places(Remembering):
    def private(self, env):
        forget_service_dir(self)
        daemon = PrivateDaemon(self.stage, self.mode, (), env)
        self.daemons.append(daemon)
        self.daemon = daemon
        daemon.start()
        return daemon

    def test_a_users_own_daemon_has_it_in_his_home(self):
        if self.mode != "rootless":
            daemon = self.private({})
            self.assertIsNone(self.info(daemon))
            self.assertIn("no history: a daemon on a socket of its own needs", daemon.log())
            return
        daemon = self.private({})
        place = os.path.join(daemon.home, ".local/state/dayfly")
        self.assertEqual(os.path.dirname(os.path.dirname(self.path_of(daemon))), place)
        task = daemon.client().run({"argv": ["true"]})[0]
        client = self.restart(daemon, signal.SIGTERM)
        self.assertEqual(self.ids(client), [task])
        self.assertEqual(os.stat(place).st_mode & 0o7777, 0o700)
        shutil.rmtree(os.path.join(daemon.home, ".local"))

    def test_XDG_STATE_HOME_is_honoured(self):
        if self.mode != "rootless":
            return
        place = self.make_dir(mode=0o700)
        daemon = self.private({"XDG_STATE_HOME": place})
        self.assertTrue(self.path_of(daemon).startswith(place + "/dayfly/dayfly-"))
