"""The kinds of jails that the warm pool holds: by image, user, network and limit of processes; whose they are, and for how long."""
import os
import shutil
import signal
import subprocess
import time

from dayfly_host import USER, read
from hanging_fs import HangingFs, is_possible
from dayfly_test import INSIDE, in_modes, parse_rows

from common import start_time, wait_until
from pooled import Pooled
from test_pool import without_dying

PROBE = "/bin/probe"


@in_modes
class Kinds(Pooled):
    def setUp(self):
        super().setUp()
        self.image = self.make_image()

    def all_kinds(self):
        image = self.image
        return [{}, {"user": "root"}, {"network": "host"}, {"user": "root", "network": "host"}, {"image": image},
                {"image": image, "user": "root", "cwd": "/"}, {"image": image, "network": "host"}]

    def test_each_kind_has_its_own_and_is_what_was_asked_for(self):
        self.pool("--allow-host-network", size=16)
        kinds = self.all_kinds()
        for kind in kinds:
            argv = [PROBE, "id"] if "image" in kind else ["true"]
            self.warm_kind(*argv, **kind)
        for kind in kinds:
            with self.subTest(kind=kind):
                if "image" in kind:
                    _, result, output, _, _ = self.run_kind(PROBE, "id", **kind)
                    self.assertEqual(parse_rows(output).one("id")["uid"], 0 if kind.get("user") == "root" else 1000)
                else:
                    _, result, output, _, _ = self.run_kind("sh", "-c", "id -u; readlink /proc/self/ns/net; ls -d /usr/bin", **kind)
                    uid, net, usr = output.decode().split()
                    self.assertEqual((uid, usr), ("0" if kind.get("user") == "root" else "1000", "/usr/bin"))
                    self.assertEqual(net == os.readlink("/proc/self/ns/net"), kind.get("network") == "host")
                self.assertEqual((result["outcome"], result["pool"], result["pool_miss"]), ("ok", "hit", None), result)
                self.assertEqual("network_namespace" in result["enforced"], kind.get("network") != "host")

    def test_hit_and_miss_are_under_the_same_control(self):
        """For each kind: what is in force, and all that the task can see of its mounts and ids."""
        for kind in self.all_kinds():
            with self.subTest(kind=kind):
                self.conn = None
                daemon = self.pool("--allow-host-network")
                probe = [PROBE, "mounts"] if "image" in kind else ["sh", "-c", "cut -d' ' -f5,6,9 /proc/self/mountinfo | sort; id; cat /etc/resolv.conf; ls /; stat -c '%a %u %g' /* /etc/passwd"]
                self.warm_kind(*probe, **kind)
                _, hit, hit_output, _, _ = self.run_kind(*probe, **kind)
                self.conn.close()
                self.daemons.remove(daemon)
                self.assertEqual(daemon.stop(), [])
                daemon = self.pool("--allow-host-network", size="none")
                _, cold, cold_output, _, _ = self.run_one(*probe, **kind)
                self.conn.close()
                self.daemons.remove(daemon)
                self.assertEqual(daemon.stop(), [])
                self.assertEqual((hit["pool"], hit["pool_miss"], cold["pool"]), ("hit", None, "off"))
                self.assertEqual((hit["enforced"], hit["degraded"]), (cold["enforced"], cold["degraded"]))
                if "image" in kind:
                    hit_output, cold_output = ([(m["point"], m["type"], m["options"]) for m in parse_rows(o).all("mount")] for o in (hit_output, cold_output))
                self.assertTrue(hit_output)
                self.assertEqual(hit_output, cold_output)

    def test_a_hit_of_an_image_takes_workspace_files_and_limits(self):
        self.pool()
        self.warm_kind(PROBE, "id", image=self.image)
        work = self.make_dir()
        self.make_file(os.path.join(work, "in"), "text")
        for mode in ("cow", "ro", "rw"):
            _, result, output, _, _ = self.run_kind(
                PROBE, "ls", "/w", image=self.image, workspace={"path": work, "mode": mode, "target": "/w"}, files=[{"path": "/srv/x", "text": "y"}],
                env={"A": "b"}, limits={"disk": "8MiB"}, best_effort=["disk"])
            self.assertEqual((result["outcome"], result["pool"]), ("ok", "hit"), result)
            self.assertIn(b'"in"', output)
            self.assertTrue(self.wait_ready(image=self.image))

    def test_reasons_of_a_miss(self):
        self.pool("--allow-host-network", size=1)
        seen = [self.run_kind(user="root")[1]["pool_miss"]]
        seen.append(self.run_kind(network="host")[1]["pool_miss"])
        self.assertEqual(seen, ["new", "new"])
        kinds = self.kinds()
        self.assertEqual(sorted(k["misses"]["new"] for k in kinds.values()), [1, 1])

    def test_info_and_stats_tell_of_the_kinds(self):
        self.pool()
        for _ in range(3):
            self.run_kind(user="root")
            self.assertTrue(self.wait_ready(user="root"))
        k = self.kind(user="root")
        self.assertEqual((k["parked"], k["wanted"], k["hits"], k["misses"]["new"], k["unreachable"]), (1, 1, 2, 1, False))
        text = self.cli("info").stdout.decode()
        self.assertIn("\npool:\n  size: 3\n", text)
        self.assertRegex(text, r"\n  kind: host root none, processes [0-9]+: 1 of 1 parked, 2 hits, misses: 1 new\n")
        root = self.connect_to(self.daemon, uid=0) if self.mode == "root" else self.conn
        metrics = {(m["name"],) + tuple(sorted(m.get("labels", {}).items())): m.get("value") for m in root.call("stats")["metrics"]}
        self.assertEqual(metrics["pool_parked", ("image", "host"), ("network", "none"), ("user", "root")], 1)
        self.assertEqual((metrics["pool_misses", ("reason", "new")], metrics["pool_misses", ("reason", "taken")]), (1, 0))
        text = self.cli("stats", "--format", "prometheus", root=self.mode == "root").stdout.decode()
        self.assertIn('dayfly_pool_parked{image="host",user="root",network="none"} 1\n', text)

    def test_no_two_tasks_share_a_jail_of_any_kind(self):
        self.pool("--allow-host-network", size=16)
        script = "for n in mnt pid ipc uts user cgroup; do readlink /proc/self/ns/$n; done; cat /proc/1/stat | cut -d' ' -f22"
        image = self.make_shell_image()
        kinds = [{}, {"user": "root"}, {"network": "host"}] + [{"image": image}, {"image": image, "user": "root", "cwd": "/"}]
        seen, hits = set(), [0] * len(kinds)
        n = int(os.environ.get("DAYFLY_POOL_TASKS", 300)) // 3
        # On a busy machine it takes longer until each kind had a hit.
        for i in range(10 * n):
            if i >= n and all(hits):
                break
            kind = kinds[i * 7 // 3 % len(kinds)]
            _, result, output, errors, _ = self.run_one("sh", "-c", "[ -e /tmp/left ] && echo LEFT; echo x >/tmp/left; " + script, **kind)
            self.assertEqual(result["outcome"], "ok", (result, errors))
            self.assertNotIn(b"LEFT", output)
            self.assertNotIn(output, seen)
            seen.add(output)
            hits[kinds.index(kind)] += result["pool"] == "hit"
            if i % 5 == 0:
                time.sleep(0.02)
        self.assertGreaterEqual(len(seen), n)
        self.assertTrue(all(hits), hits)

    def make_shell_image(self):
        """The host's shell and a few tools, with what they need."""
        for name in ("cut", "cat", "readlink"):
            done = subprocess.run("ldd $(command -v %s sh) | grep -o '/[^ ]*' | grep -v ':$' | sort -u; command -v %s; command -v sh" % (name, name), shell=True, stdout=subprocess.PIPE)
            for path in done.stdout.decode().split():
                target = self.image + path
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy(path, target)
        for top, dirs, files in os.walk(self.image):
            for name in dirs + files:
                self.stage.give(os.path.join(top, name))
        return self.image

    def test_odd_requests_take_nothing_from_the_usual_ones(self):
        self.pool(size=3)
        self.warm_kind()
        (usual,) = self.kinds()
        hits = 0
        for i in range(12):
            self.run_one(limits={"pids": 100 + i % 6}, best_effort=["pids"])
            self.assertTrue(wait_until(lambda: self.kinds()[usual]["parked"]), self.kinds())
            before = self.uses(self.kinds()[usual])
            hits += self.run_one()[1]["pool"] == "hit"
            self.assertTrue(wait_until(lambda: self.uses(self.kinds()[usual]) == before + 1), self.kinds())
        self.assertGreaterEqual(hits, 10)

    def test_there_are_never_more_than_the_size_allows(self):
        self.pool("--allow-host-network", size=2)
        most = 0
        for i in range(30):
            kind = self.all_kinds()[i % 7]
            self.run_one(*([PROBE, "id"] if "image" in kind else ["true"]), **kind)
            deadline = time.monotonic() + 0.03
            while time.monotonic() < deadline:
                most = max(most, len(without_dying(self.parked_at_once())))
                time.sleep(0.002)
        self.assertLessEqual(most, 2)
        self.assertGreater(most, 0)

    def test_kinds_are_bounded(self):
        self.pool(size=4)
        for i in range(20):
            self.run_one(limits={"pids": 100 + i}, best_effort=["pids"])
        self.assertTrue(wait_until(lambda: len(self.kinds()) == 8), len(self.kinds()))


@in_modes
class Drained(Pooled):
    def configured(self, text, *args, size=3):
        owner = 0 if self.mode == "root" else None
        self.conf = self.make_file(os.path.join(self.make_dir(owner=owner), "conf"), text, owner=owner)
        return self.pool("--config", self.conf, *args, size=size)

    def test_a_kind_that_nobody_asks_for_goes(self):
        self.configured("[pool]\nmax_age = 1s\n")
        # As a user's first kind it is made from its first request on. It may have come and gone before we look.
        self.assertTrue(wait_until(lambda: self.run_one(user="root") and wait_until(self.parked, 1)), "the control")
        self.assertTrue(wait_until(lambda: not self.parked() and not self.kinds(), 5), self.kinds())
        time.sleep(0.1)
        self.assertEqual(self.parked(), set(), "and is not made anew")
        self.assertEqual(self.run_one(user="root")[1]["pool_miss"], "new")

    def test_one_that_is_asked_for_stays_while_another_goes(self):
        self.configured("[pool]\nmax_age = 1s\n")
        self.assertTrue(wait_until(lambda: self.run_one(user="root") and wait_until(lambda: self.kind(user="root"), 0.5)), "the control")

        def is_alone():
            """Asked for once more, the one is ready again, and the other is not known any more."""
            self.run_one()
            return wait_until(lambda: (self.kind() or {"parked": 0})["parked"], 0.5) and not self.kind(user="root")

        self.assertTrue(wait_until(is_alone, 10, 0.05), self.kinds())

    def test_a_reload_drains_what_is_not_allowed_any_more(self):
        image = self.make_image()
        daemon = self.configured("[images]\ndirectories = %s\n" % image)
        self.warm_kind(PROBE, "id", image=image)
        born = {pid: start_time(pid) for pid in self.parked()}
        self.assertTrue(born, "the control")
        with open(self.conf, "w") as f:
            f.write("[images]\ndirectories =\n")
        daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: not [p for p in born if start_time(p) == born[p]], 5))
        self.assertTrue(wait_until(lambda: not self.kinds()))
        self.assertEqual(self.run_one(PROBE, "id", image=image)[1]["error"]["code"], "not_allowed")
        time.sleep(0.05)
        self.assertEqual(self.parked(), set())


class OfImage(Pooled):
    def setUp(self):
        super().setUp()
        self.pool(*(["--allow-uid", USER + 1] if self.mode == "root" else []))
        self.image = self.make_image()
        self.make_file(os.path.join(self.image, "etc", "passwd"), "one:x:7:7::/:/bin/sh\n")
        self.make_file(os.path.join(self.image, "mark"), "old")
        self.warm_kind(PROBE, "cat", "/mark", image=self.image)

    def read_in(self, path, use, why=None):
        _, result, output, _, _ = self.run_kind(PROBE, "cat", path, image=self.image)
        self.assertEqual((result["outcome"], result["pool"], result["pool_miss"]), ("ok", use, why), result)
        return output.decode()


@in_modes
class Changed(OfImage):
    """An image that is another one than when the jail was made is never served as it was."""

    def test_A18_unchanged_it_is_a_hit(self):
        """The control."""
        self.assertIn("old", self.read_in("/mark", "hit"))

    def test_A18_another_directory_in_its_place(self):
        other = self.make_image()
        self.make_file(os.path.join(other, "mark"), "new")
        os.rename(self.image, self.image + ".old")
        self.addCleanup(shutil.rmtree, self.image + ".old", True)
        os.rename(other, self.image)
        _, result, output, _, _ = self.run_one(PROBE, "cat", "/mark", image=self.image)
        self.assertEqual((result["pool"], result["pool_miss"]), ("miss", "new"))
        self.assertIn(b"new", output)

    def test_A18_its_users_are_others(self):
        self.assertIn("one:", self.read_in("/etc/passwd", "hit"))
        self.assertTrue(self.wait_ready(image=self.image))
        self.make_file(os.path.join(self.image, "etc", "passwd"), "two:x:7:7::/:/bin/sh\n")
        text = self.read_in("/etc/passwd", "miss", "changed")
        self.assertTrue("two:" in text and "one:" not in text, text)
        self.assertTrue(self.wait_ready(image=self.image))
        self.assertIn("two:", self.read_in("/etc/passwd", "hit"))

    def test_A18_a_directory_of_its_root_is_another(self):
        other = self.make_dir()
        self.make_file(os.path.join(other, "passwd"), "two:x:7:7::/:/bin/sh\n")
        os.rename(os.path.join(self.image, "etc"), os.path.join(self.image, "etc.old"))
        os.rename(other, os.path.join(self.image, "etc"))
        self.assertIn("two:", self.read_in("/etc/passwd", "miss", "changed"))

    def test_A18_what_no_step_has_looked_at_shows_as_it_is(self):
        """Not a new root, so a hit: a new mount of it would show the same."""
        os.mkdir(os.path.join(self.image, "usr", "deep"))
        time.sleep(0.3)
        self.make_file(os.path.join(self.image, "usr", "deep", "file"), "deep")
        self.assertIn("deep", self.read_in("/usr/deep/file", "hit"))

    def test_A18_it_has_vanished(self):
        shutil.rmtree(self.image)
        _, result, _, _, _ = self.run_one(PROBE, "id", image=self.image)
        self.assertEqual((result["outcome"], result["error"]["code"]), ("error", "source_unavailable"), result)


@in_modes
class Closed(OfImage):
    modes = ("root",)  # a rootless daemon's clients have one id

    def test_A18_one_who_may_not_see_it_gets_none(self):
        os.chmod(self.image, 0o700)
        time.sleep(0.3)
        self.warm_kind(PROBE, "cat", "/mark", image=self.image)
        self.assertIn("old", self.read_in("/mark", "hit"))
        self.assertTrue(self.wait_ready(image=self.image))
        stranger = self.connect_to(self.daemon, uid=USER + 1)
        closed = self.make_dir(mode=0o700)
        moved = os.path.join(closed, "image")
        os.rename(self.image, moved)
        self.addCleanup(os.rename, moved, self.image)
        _, result, _, _, _ = stranger.run({"argv": [PROBE, "cat", "/mark"], "image": moved})
        self.assertEqual((result["outcome"], result["error"]["code"]), ("error", "source_unavailable"), result)


@in_modes
class Owners(Pooled):
    modes = ("root",)

    def test_one_user_cannot_push_out_another(self):
        self.pool("--allow-uid", USER + 1, size=4)
        image = self.make_image()
        calm = self.conn
        greedy = self.connect_to(self.daemon, uid=USER + 1)
        self.warm_kind(PROBE, "id", conn=calm, image=image)
        for turn in range(3):
            tags = [greedy.start({"argv": ["true"], "user": ("root", "agent")[i % 2], "limits": {"pids": 100 + i % 9}, "best_effort": ["pids"]}) for i in range(60)]
            for tag, task in tags:
                greedy.finish(tag, task)
            self.assertTrue(self.wait_ready(conn=calm, image=image))
            self.assertEqual(self.run_kind(PROBE, "id", conn=calm, image=image)[1]["pool"], "hit", turn)

    def test_a_burst_leaves_the_last_to_whose_it_is(self):
        self.pool("--allow-uid", USER + 1, size=4)
        greedy = self.connect_to(self.daemon, uid=USER + 1)
        self.warm_kind()
        self.warm_kind(conn=greedy)
        # All at once: there is no pause in which one is made.
        tags = [greedy.start({"argv": ["true"]}) for _ in range(20)]
        for tag, task in tags:
            greedy.finish(tag, task)
        self.assertEqual(self.run_one()[1]["pool"], "hit")

    def test_a_kind_of_an_image_is_its_owners_alone(self):
        image = self.make_image()
        self.pool("--allow-uid", USER + 1)
        self.warm_kind(PROBE, "id", image=image)
        other = self.connect_to(self.daemon, uid=USER + 1)
        self.assertNotEqual(self.run_one(PROBE, "id", conn=other, image=image)[1]["pool"], "hit")
        self.assertTrue(self.kind(image=image))

    def test_K2_others_kinds_are_not_told(self):
        image = self.make_image()
        self.pool("--allow-uid", USER + 1)
        self.warm_kind(PROBE, "id", image=image)
        other, root = (self.connect_to(self.daemon, uid=uid) for uid in (USER + 1, 0))
        self.assertEqual(self.kinds(other), {})
        self.assertEqual([k["image"] for k in self.kinds(root).values()], [image])


@in_modes
class Unmount(Pooled):
    modes = ("root",)

    def test_a_parked_jail_of_an_image_keeps_no_file_system_from_being_unmounted(self):
        place = self.make_dir(owner=0)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "dayfly-test", place], check=True)
        self.addCleanup(subprocess.run, ["umount", place], stderr=subprocess.DEVNULL)
        image = os.path.join(place, "image")
        source = self.make_image()
        shutil.copytree(source, image, symlinks=True)
        for top, dirs, files in os.walk(image):
            for name in [top] + [os.path.join(top, f) for f in dirs + files]:
                self.stage.give(name)
        self.pool()
        if not (self.run_one(PROBE, "id", image=image)[1]["enforced"] or {}).get("idmapped_image"):
            self.skipTest("this kernel has no idmapped tmpfs")
        self.warm_kind(PROBE, "id", image=image)

        def holders():
            return [pid for pid in self.parked() if "dayfly-test" in read("/proc/%d/mountinfo" % pid)]

        self.assertTrue(wait_until(holders), "the control: what is parked has it")
        done = subprocess.run(["umount", place], stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(wait_until(lambda: not holders(), 5))


if is_possible():
    @in_modes
    class Hanging(Pooled):
        """An image on a file system that stops to answer: its client's affair alone."""

        def setUp(self):
            super().setUp()
            self.place = self.make_dir()
            # The jail's steps ask for /run, the warden and the task do not.
            self.fs = HangingFs(self.place, USER, ["etc", "home", "var", "proc", "dev", "tmp", "run", "opt"], never_kept=["run", "opt"])
            self.addCleanup(self.fs.end)

        def run_there(self, image):
            return self.run_kind(INSIDE + "/probe", "id", image=image, mounts=[{"path": self.stage.bin, "target": INSIDE, "mode": "ro"}])

        def warm_there(self, image):
            self.daemon = self.pool(size=4)
            self.other = self.connect_to(self.daemon)
            for _ in range(2):
                result = self.run_there(image)[1]
                if self.mode == "root" and (result["degraded"] or result["error"]):
                    self.skipTest("this kernel has no idmapped FUSE")
                self.assertEqual(result["outcome"], "ok", result)
            self.assertTrue(self.wait_ready(image=image), self.kinds())

        def test_none_is_made_of_what_must_be_asked_for_each_time(self):
            self.fs.never_kept.append(b"etc")
            self.pool(size=4)
            seen = [self.run_there(self.place)[1]["pool_miss"]]
            if seen == [None]:
                self.skipTest("this kernel has no idmapped FUSE")
            self.assertTrue(wait_until(lambda: self.kind(image=self.place)["unreachable"]), self.kinds())
            seen += [self.run_there(self.place)[1]["pool_miss"] for _ in range(2)]
            self.assertEqual(seen, ["new", "unreachable", "unreachable"])
            self.assertEqual(self.parked(), set())

        def check_others(self):
            """While it hangs, and when what hangs is to go."""
            self.assertTrue(wait_until(lambda: self.fs.hung), "the control: one hangs")
            self.assertEqual(self.run_one(conn=self.other)[1]["outcome"], "ok")
            self.daemon.process.send_signal(signal.SIGHUP)
            for _ in range(5):
                self.assertEqual(self.run_one(conn=self.other)[1]["outcome"], "ok")
            self.fs.end()

        def test_J17_a_parked_jail_that_hangs_holds_nobody_up(self):
            self.warm_there(self.place)
            self.fs.hanging.add("run")
            # A hit, since its steps were done before: what is made in its place hangs.
            tag, task = self.conn.start({"argv": [INSIDE + "/probe", "id"], "image": self.place, "mounts": [{"path": self.stage.bin, "target": INSIDE, "mode": "ro"}]})
            self.check_others()
            self.conn.finish(tag, task)

        def test_J17_nor_does_an_image_that_cannot_be_opened(self):
            image = os.path.join(self.place, "opt")
            self.warm_there(image)
            self.fs.hanging.add("opt")
            # What is parked goes with a change of the mounts, and is made anew.
            place = self.make_dir(owner=0)
            subprocess.run(["mount", "-t", "tmpfs", "dayfly-test", place], check=True)
            subprocess.run(["umount", place], check=True)
            self.check_others()
