"""Configuration and policy: what a file may say, who it binds, SIGHUP, --check, `dayfly config show`; K14, A18, I5."""
import json
import os
import signal
import subprocess

from dayfly_client import SCALE
from dayfly_host import as_user, daemon_owner
from dayfly_test import DaemonError, IS_ROOT, in_modes, open_dir

from common import OwnDaemons, wait_until


class Configured(OwnDaemons):
    """Daemons with a configuration of their own. The client is bound by it in both modes."""

    def write_config(self, daemon, text, name=None, mode=0o644):
        folder = daemon.config + ".d"
        if name:
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o755)
            self.stage.give(folder, 0 if self.mode == "root" else None)
        path = os.path.join(folder, name) if name else daemon.config
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        self.stage.give(path, 0 if self.mode == "root" else None)
        return path

    def configured(self, text, *args, start=True):
        """A daemon with this configuration; the other users' access comes from there too."""
        daemon = self.new_daemon(*args, start=False)
        daemon.config = os.path.join(daemon.place, "dayflyd.conf")
        daemon.args += ["--config", daemon.config]
        self.write_config(daemon, text)
        if start:
            daemon.start()
        return daemon

    def reload(self, daemon, wanted):
        """SIGHUP; returns the log when it says `wanted` once more."""
        before = self.whole_log(daemon).count(wanted)
        daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: self.whole_log(daemon).count(wanted) > before), self.whole_log(daemon))
        return self.whole_log(daemon)

    @staticmethod
    def whole_log(daemon):
        with open(daemon.log_path) as f:
            return f.read()

    def dayflyd(self, daemon, *args):
        """The program itself, to its end, as whoever runs this daemon."""
        with self.stage.as_process(root=self.mode == "root") as kwargs:
            kwargs["env"] = daemon.environ()
            return subprocess.run([os.path.join(self.stage.bin, "dayflyd")] + list(args), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60 * SCALE, stdin=subprocess.DEVNULL, **kwargs)

    def assert_start_fails(self, daemon):
        with self.assertRaises(AssertionError) as caught:
            daemon.start()
        self.assertEqual(daemon.process.wait(timeout=20 * SCALE), 2)
        daemon.process.returncode = 0  # for the harness: as expected
        return str(caught.exception)

    def shown(self, daemon):
        """{key: (value, origin)}"""
        out = self.cli("config", "show", "--json")
        self.assertEqual(out.returncode, 0, out)
        return {s["key"]: (s["value"], s["origin"]) for s in json.loads(out.stdout)}

    def try_run(self, client, **task):
        """The error of a task that is refused, at once or in its setup; None if it ran."""
        try:
            _, result, _, _, _ = client.run(dict({"argv": ["true"]}, **task))
        except DaemonError as e:
            return e.error
        return result.get("error")

    def assert_allowed(self, client, **task):
        self.assertIsNone(self.try_run(client, **task))

    def assert_not_allowed(self, client, field, **task):
        error = self.try_run(client, **task)
        self.assertEqual((error or {}).get("code"), "not_allowed", error)
        self.assertEqual(error["field"], field)
        return error


@in_modes
class Limits(Configured):
    def test_K14_what_is_above_a_ceiling_is_refused_by_its_name(self):
        daemon = self.configured("[ceilings]\nwall = 1m\ndisk = 64MiB\nopen_files = 100\n")
        client = self.connect_to(daemon)
        # Where nothing holds it, a disk limit is refused for that; one above the ceiling for the ceiling.
        best_effort = ["disk"] if daemon.is_upper_on_disk else []
        self.assert_allowed(client, limits={"wall": "1m", "disk": "64MiB", "open_files": 100}, best_effort=best_effort)
        for name, value in (("wall", "61s"), ("disk", "65MiB"), ("open_files", 101)):
            error = self.assert_not_allowed(client, "task.limits." + name, limits={name: value})
            self.assertIn(name + " in [ceilings]", error["hint"])

    def test_defaults_are_what_a_task_gets_that_asks_for_nothing(self):
        daemon = self.configured("[defaults]\nwall = 1s\ngrace = 1s\nopen_files = 77\nfile_size = 1MiB\n")
        client = self.connect_to(daemon)
        _, _, out, _, _ = client.run({"argv": ["sh", "-c", "ulimit -n; ulimit -f"], "limits": {"wall": "1m"}})
        self.assertEqual(out.split(), [b"77", b"2048"])
        _, result, _, _, _ = client.run({"argv": ["sleep", "30"]})
        self.assertEqual(result["cause"], "timeout_wall")
        _, _, out, _, _ = client.run({"argv": ["sh", "-c", "ulimit -n"], "limits": {"open_files": 99, "wall": "1m"}})
        self.assertEqual(out.split(), [b"99"])
        self.assertEqual(client.call("info")["defaults"]["wall"], "1000ms")

    def test_connections_are_bounded_as_configured(self):
        daemon = self.configured("[daemon]\nmax_connections_per_user = 2\n")
        first, second, third = (self.connect_to(daemon) for _ in range(3))
        first.call("ping")
        second.call("ping")
        event = third.read_event(5)
        self.assertEqual(event["error"]["code"], "busy")


@in_modes
class Policy(Configured):
    def test_the_host_image_and_the_host_network(self):
        daemon = self.configured("[images]\nhost = no\n")
        client = self.connect_to(daemon)
        self.assert_not_allowed(client, "task.image")
        self.assert_not_allowed(client, "task.image", image="host")
        self.assert_not_allowed(client, "task.network", network="host", image=self.make_image())
        self.assert_allowed(client, argv=["/bin/probe", "id"], image=self.make_image())

    def test_A18_images_lie_in_the_allowed_directories(self):
        allowed = self.make_dir()
        daemon = self.configured("[images]\ndirectories = %s\n" % allowed)
        client = self.connect_to(daemon)
        image = self.make_image()
        command = ["/bin/probe", "id"]
        self.assert_not_allowed(client, "task.image", argv=command, image=image)
        inside = os.path.join(allowed, "image")
        os.rename(image, inside)
        self.assert_allowed(client, argv=command, image=inside)
        os.rename(inside, image)
        os.symlink(image, inside)
        self.assert_not_allowed(client, "task.image", argv=command, image=inside)

    def test_A18_a_workspace_lies_below_a_root_by_whole_names(self):
        top = self.make_dir()
        for name in ("a", "ab", "b", "a/deep"):
            os.mkdir(os.path.join(top, name))
            os.chmod(os.path.join(top, name), 0o755)
            self.stage.give(os.path.join(top, name))
        root = os.path.join(top, "a")
        os.symlink(os.path.join(top, "b"), os.path.join(root, "link"))
        os.symlink(os.path.join(root, "deep"), os.path.join(top, "into"))
        daemon = self.configured("[workspaces]\nroots = %s\n" % root)
        client = self.connect_to(daemon)
        good = [root, root + "/", root + "/deep", root + "/./deep/../deep", top + "/ab/../a", top + "/into"]
        bad = [top + "/ab", top + "/b", root + "/../b", root + "/link", root + "/link/../b", top, "/", "/tmp"]
        for mode in ("cow", "ro", "rw"):
            for path in good:
                with self.subTest(path=path, mode=mode):
                    self.assert_allowed(client, workspace={"path": path, "mode": mode, "target": "/w"})
            for path in bad:
                with self.subTest(path=path, mode=mode):
                    error = self.assert_not_allowed(client, "task.workspace", workspace={"path": path, "mode": mode, "target": "/w"})
                    self.assertIn(root, error["hint"])
        # A descriptor says where it leads itself, whatever path stands beside it.
        with as_user(), open_dir(top + "/b") as fd:
            self.assert_fd(client, fd, False, path=root)
        with as_user(), open_dir(root + "/deep") as fd:
            self.assert_fd(client, fd, True)
        # Mounts are bound too: otherwise they would be the way around.
        mount = {"path": top + "/b", "target": "/m", "mode": "ro"}
        self.assert_not_allowed(client, "task.mounts[0]", mounts=[mount])
        self.assert_allowed(client, mounts=[dict(mount, path=root)])

    def assert_fd(self, client, fd, is_good, **more):
        tag, _ = client.start({"argv": ["true"], "workspace": dict({"fd": 0, "mode": "ro", "target": "/w"}, **more)}, fds=[fd])
        *_, last = client.events(tag)
        error = last["result"].get("error") or {}
        self.assertEqual(error.get("code"), None if is_good else "not_allowed", last)

    def test_A18_a_mount_namespace_of_the_clients_own_makes_no_path_good(self):
        """There the forbidden directory lies at an allowed path; the descriptor that comes from there is refused all the same."""
        top = self.make_dir()
        for name in ("a", "b"):
            os.mkdir(os.path.join(top, name))
            os.chmod(os.path.join(top, name), 0o755)
            self.stage.give(os.path.join(top, name))
        daemon = self.configured("[workspaces]\nroots = %s/a\n" % top)
        script = ("mount --bind {0}/b {0}/a && exec {1} -c 'import sys; sys.path.insert(0, \"{2}\"); from dayfly_client import *\n"
                  "import os\nc = Client(\"{3}\")\nfd = os.open(\"{0}/a\", os.O_RDONLY)\n"
                  "tag, _ = c.start({{\"argv\": [\"true\"], \"workspace\": {{\"fd\": 0, \"mode\": \"ro\", \"target\": \"/w\"}}}}, fds=[fd])\n"
                  "print([*c.events(tag)][-1][\"result\"][\"outcome\"])'")
        lib = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib"
        script = script.format(top, "/usr/bin/python3", lib, daemon.socket)
        with self.stage.as_process() as kwargs:
            out = subprocess.run(["unshare", "-Urm", "--", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, timeout=60 * SCALE, stdin=subprocess.DEVNULL, **kwargs)
        if "unshare" in out.stderr:
            self.skipTest("no user namespaces here: " + out.stderr.strip())
        self.assertEqual(out.stdout.strip(), "error", out)

    def test_an_empty_list_allows_nothing(self):
        daemon = self.configured("[workspaces]\nroots =\n[images]\ndirectories =\n")
        client = self.connect_to(daemon)
        self.assert_not_allowed(client, "task.workspace", workspace={"path": "/usr", "mode": "ro", "target": "/w"})
        self.assert_not_allowed(client, "task.image", argv=["/bin/probe", "id"], image=self.make_image())
        self.assert_allowed(client)


@in_modes
class Root(Configured):
    modes = ("root",)

    def test_only_root_is_root_inside_unless_policy_says_otherwise(self):
        daemon = self.new_daemon(start=False)
        base = daemon.command
        daemon.command = lambda: [word for word in base() if word != "--allow-root-user"]
        daemon.start()
        client, root = self.connect_to(daemon), self.connect_to(daemon, uid=0)
        self.assert_not_allowed(client, "task.user", user="root")
        self.assert_allowed(root, user="root")

    def test_others_are_root_inside_where_the_configuration_says_so(self):
        daemon = self.configured("[policy]\nroot_user = yes\n", start=False)
        base = daemon.command
        daemon.command = lambda: [word for word in base() if word != "--allow-root-user"]
        daemon.start()
        self.assert_allowed(self.connect_to(daemon), user="root")

    def test_roots_and_images_do_not_bind_root(self):
        daemon = self.configured("[workspaces]\nroots =\n[images]\nhost = no\ndirectories =\n")
        root = self.connect_to(daemon, uid=0)
        self.assert_allowed(root, workspace={"path": self.make_dir(), "mode": "ro", "target": "/w"})

    def test_ranges_of_ids_are_where_the_configuration_says(self):
        daemon = self.configured("[ids]\nbase = 1000013824\ncount = 2\n", start=False)
        if daemon_owner() == 1879048192:  # no user "dayfly": it becomes the first id
            os.chown(daemon.state_dir, 1000013824, -1)
        daemon.start()
        client = self.connect_to(daemon)
        tag, _ = client.start({"argv": ["sh", "-c", "echo up; sleep 30"]})
        client.wait_output(tag, b"up")
        uids = {os.stat("/proc/%d" % pid).st_uid for pid, (_, comm, _) in daemon.processes().items()
                if comm in ("sh", "sleep")}
        self.assertTrue(uids)
        self.assertEqual({(uid - 1000013824) // 65536 for uid in uids} - {1, 2}, set(), uids)
        client.close()

    def test_access_is_given_and_taken_by_a_reload(self):
        daemon = self.configured("[daemon]\nmax_tasks = 3\n")
        with self.subTest("before"):
            stranger = self.connect_to(daemon, uid=61299)
            self.assertEqual(stranger.read_event(5)["error"]["code"], "not_allowed")
        self.write_config(daemon, "[access]\ngroups = 61299\n")
        self.reload(daemon, "configuration: read again")
        self.connect_to(daemon, uid=61299).call("ping")
        self.write_config(daemon, "")
        self.reload(daemon, "configuration: read again")
        stranger = self.connect_to(daemon, uid=61299)
        self.assertEqual(stranger.read_event(5)["error"]["code"], "not_allowed")


@in_modes
class Reload(Configured):
    def test_a_reload_takes_what_may_change_and_running_tasks_keep_theirs(self):
        daemon = self.configured("[ceilings]\nwall = 1m\n[defaults]\nwall = 30s\n")
        client = self.connect_to(daemon)
        tag, task = client.start({"argv": ["sh", "-c", "echo up; sleep 3; echo saved"]})
        client.wait_output(tag, b"up")
        self.write_config(daemon, "[ceilings]\nwall = 2h\n[defaults]\nwall = 1s\n[daemon]\nupper = disk\n")
        log = self.reload(daemon, "configuration: read again")
        self.assertIn("ceilings.wall is 2h now", log)
        self.assertIn("daemon.upper (%s:6) changes only when dayflyd is started again" % daemon.config, log)
        self.assert_allowed(client, limits={"wall": "90m"})
        shown = self.shown(daemon)
        self.assertEqual(shown["ceilings.wall"], ("2h", daemon.config + ":2"))
        self.assertEqual(shown["daemon.upper"], ("auto", "default"))
        _, result, _, _, _ = client.finish(tag, task)
        self.assertEqual((result["outcome"], result["cause"]), ("ok", "exit"))
        _, result, _, _, _ = client.run({"argv": ["sleep", "30"], "limits": {"grace": "100ms"}})
        self.assertEqual(result["cause"], "timeout_wall")

    def test_a_bad_reload_keeps_everything_as_it_was(self):
        daemon = self.configured("[ceilings]\nwall = 1m\n")
        client = self.connect_to(daemon)
        before = self.shown(daemon)
        for text, word in (("[ceilings]\nwall = 2h\ndisk = 3 parsecs\n", ":3: ceilings.disk"), ("[ceilngs]\nwall = 2h\n", "did you mean [ceilings]?"),
                           ("\0", "NUL byte")):
            self.write_config(daemon, text)
            log = self.reload(daemon, "not taken over")
            self.assertIn(word, log)
            self.assertEqual(self.shown(daemon), before)
        self.write_config(daemon, "[ceilings]\nwall = 2h\n", mode=0o666)
        self.assertIn("chmod go-w", self.reload(daemon, "not taken over"))
        os.unlink(daemon.config)
        self.reload(daemon, "not taken over")
        self.assert_not_allowed(client, "task.limits.wall", limits={"wall": "2h"})
        self.assert_allowed(client)

    def test_more_tasks_at_one_time_after_a_reload(self):
        daemon = self.configured("[daemon]\nmax_tasks = 1\n")
        client = self.connect_to(daemon)
        first, _ = client.start({"argv": ["sh", "-c", "echo up; sleep 30"]})
        client.wait_output(first, b"up")
        second, _ = client.start({"argv": ["sh", "-c", "echo up; sleep 30"]})
        self.assertEqual(client.call("info")["counts"]["queued"], 1)
        self.write_config(daemon, "[daemon]\nmax_tasks = 2\n")
        daemon.process.send_signal(signal.SIGHUP)
        client.wait_output(second, b"up")
        client.close()

    def test_making_a_jail_may_take_so_long_after_a_reload(self):
        daemon = self.configured("[daemon]\nsetup_timeout = 1h\n")
        self.write_config(daemon, "[daemon]\nsetup_timeout = 1s\n")
        self.reload(daemon, "configuration: read again")
        client = self.connect_to(daemon)
        r, w = os.pipe()
        self.addCleanup(os.close, w)
        # A tar that never comes.
        tag, task = client.start({"argv": ["true"], "tars": [{"fd": 0}], "limits": {"wall": "1s"}}, fds=[r])
        os.close(r)
        result = client.finish(tag, task)[1]
        self.assertEqual((result["outcome"], result["cause"], result["phase"]), ("error", "setup", "setup"))
        self.assertIn("within 1.0 s and the time limit", result["error"]["message"])
        self.assertIn("setup_timeout in [daemon]", result["error"]["hint"])

    def test_an_option_stays_above_the_file(self):
        daemon = self.configured("[ceilings]\nwall = 1m\n", "--max-wall", "5m")
        self.write_config(daemon, "[ceilings]\nwall = 2m\n")
        self.reload(daemon, "configuration: read again")
        self.assertEqual(self.shown(daemon)["ceilings.wall"], ("5m", "option --max-wall"))


@in_modes
class Files(Configured):
    def test_config_show_tells_each_value_and_its_origin(self):
        daemon = self.configured("[ceilings]\nwall = 2h\n[workspaces]\nroots = /srv\nroots = /home\n", "--max-tasks", "5", start=False)
        path = self.write_config(daemon, "# more\n[defaults]\ndisk = 1GiB\n", name="10-disk.conf")
        daemon.start()
        shown = self.shown(daemon)
        self.assertEqual(shown["ceilings.wall"], ("2h", daemon.config + ":2"))
        self.assertEqual(shown["workspaces.roots"], (["/srv", "/home"], daemon.config + ":5"))
        self.assertEqual(shown["defaults.disk"], ("1GiB", path + ":3"))
        self.assertEqual(shown["daemon.max_tasks"], ("5", "option --max-tasks"))
        self.assertEqual(shown["daemon.max_queue"], ("1024", "default"))
        text = self.cli("config", "show").stdout.decode()
        self.assertRegex(text, r"(?m)^ceilings\.wall +2h +%s:2$" % daemon.config)
        self.assertNotIn("config", self.cli("info").stdout.decode())

    def test_check_prints_every_fault(self):
        daemon = self.configured("[ceilings]\nwal = 1h\n[daemon]\nmax_tasks = lots\n", start=False)
        other = self.write_config(daemon, "[access]\nusers = nobody-has-this-name\n", name="a.conf")
        out = self.dayflyd(daemon, "--check", "--config", daemon.config)
        self.assertEqual(out.returncode, 1)
        self.assertEqual(out.stderr.splitlines()[:4], [
            '%s:2: there is no key "wal" in [ceilings]' % daemon.config, "  fix: did you mean wall?",
            '%s:4: daemon.max_tasks: "lots" is not a whole number' % daemon.config, "  fix: write it as 100"])
        self.assertIn('%s:2: access.users: there is no user "nobody-has-this-name"' % other, out.stderr)
        text = self.assert_start_fails(daemon)
        self.assertIn(daemon.config + ":2", text)
        self.write_config(daemon, "[ceilings]\nwall = 1h\n")
        os.unlink(other)
        out = self.dayflyd(daemon, "--check", "--config", daemon.config)
        self.assertEqual((out.returncode, out.stdout), (0, daemon.config + ": good\n"), out)

    def test_print_config_is_a_configuration(self):
        daemon = self.configured("[ceilings]\nwall = 2h\n", start=False)
        out = self.dayflyd(daemon, "--print-config", "--config", daemon.config, "--max-tasks", "9")
        self.assertEqual(out.returncode, 0)
        self.assertIn("# %s:2\nwall = 2h\n" % daemon.config, out.stdout)
        self.assertIn("# option --max-tasks\nmax_tasks = 9\n", out.stdout)
        self.write_config(daemon, out.stdout)
        self.assertEqual(self.dayflyd(daemon, "--check", "--config", daemon.config).returncode, 0)

    def test_a_file_that_others_could_have_written_stops_the_start(self):
        daemon = self.configured("[daemon]\nmax_tasks = 2\n", start=False)
        os.chmod(daemon.config, 0o666)
        self.assertIn("can be written by others", self.assert_start_fails(daemon))
        if IS_ROOT:
            os.chmod(daemon.config, 0o644)
            os.chown(daemon.config, 4711, 4711)
            self.assertIn("belongs to user id 4711", self.assert_start_fails(daemon))

    def test_a_users_own_place_is_read(self):
        """And root's daemon does not read it."""
        daemon = self.new_daemon(start=False)
        folder = os.path.join(daemon.home, ".config", "dayfly")
        os.makedirs(folder)
        path = os.path.join(folder, "dayflyd.conf")
        with open(path, "w") as f:
            f.write("[daemon]\nmax_tasks = 3\n")
        os.chmod(path, 0o644)
        daemon.start()
        wanted = ("3", path + ":2") if self.mode == "rootless" else ("64", "default")
        self.assertEqual(self.shown(daemon)["daemon.max_tasks"], wanted)
