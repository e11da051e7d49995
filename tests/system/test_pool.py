"""The warm pool: jails that are made before their task, each for one task."""
import os
import signal
import subprocess
import time

from dayfly_host import read
from dayfly_test import IS_ROOT, in_modes

from common import Traces, kill_daemon, start_time, status_field, wait_until
from pooled import Pooled


def without_dying(pids):
    """One that was killed to make way for another has its name until it is gone: a SIGKILL waits for it, or it has no memory any more."""
    def lives(pid):
        pending = [int(field[0], 16) for field in (status_field(pid, "SigPnd"), status_field(pid, "ShdPnd")) if field]
        return pending and not any(p & 1 << signal.SIGKILL - 1 for p in pending) and status_field(pid, "VmSize")
    return {pid for pid in pids if lives(pid)}


@in_modes
class Use(Pooled):
    def test_the_first_is_a_miss_and_the_next_a_hit(self):
        self.pool()
        self.assertEqual(self.run_one()[1]["pool"], "miss")
        self.assertTrue(wait_until(self.parked))
        parked = self.parked()
        _, result, output, _, _ = self.run_one("echo", "ran")
        self.assertEqual((result["pool"], result["outcome"], output), ("hit", "ok", b"ran\n"), result)
        self.assertFalse(parked & self.parked(), "it was used once")

    def test_without_a_pool_it_is_off(self):
        self.conn = self.connect_to(self.new_daemon("--pool-size", "none"))
        self.assertEqual([self.run_one()[1]["pool"] for _ in range(2)], ["off", "off"])
        self.assertEqual(self.parked(), set())

    def test_what_was_not_made_ahead_is_made_when_it_comes(self):
        self.pool()
        self.warm()
        self.assertEqual(self.run_one(user="root")[1]["pool"], "miss")
        self.assertEqual(self.run_one("/bin/probe", "ids", image=self.make_image())[1]["pool"], "miss")
        self.assertEqual(self.run_one()[1]["pool"], "hit")

    def test_a_hit_has_all_that_its_request_asks_for(self):
        self.pool()
        self.warm()
        work = self.make_dir()
        self.make_file(os.path.join(work, "in"), "text")
        _, result, output, errors, _ = self.run_one(
            "sh", "-c", "cat in; pwd; echo $NAME; id -u; ulimit -n; echo err >&2; touch new; df -B1M --output=size / | tail -1; head -c 20M /dev/zero >/tmp/x",
            workspace={"path": work, "mode": "cow", "target": "/srv/w"}, env={"NAME": "value"}, limits={"disk": "8MiB", "open_files": 77},
            best_effort=["disk"])
        self.assertEqual(result["pool"], "hit", result)
        lines = output.decode().split()
        self.assertEqual(lines[:4], ["text/srv/w", "value", "1000", "77"])
        self.assertIn(b"err\n", errors)
        if not self.daemon.is_upper_on_disk:
            self.assertEqual((lines[4], result["disk"]["limit"], result["cause"]), ("8", 8 << 20, "disk_limit"))
            self.assertEqual(result["changes"]["added"], 1)
        self.assertFalse(os.path.exists(os.path.join(work, "new")))
        self.run_one()
        self.assertTrue(wait_until(self.parked))
        _, result, output, _, _ = self.run_one("sh", "-c", "tty", tty=True)
        self.assertEqual(result["exit"]["code"], 0, output)

    def test_hit_and_miss_are_under_the_same_control(self):
        self.pool()
        miss = self.run_one()[1]
        self.assertTrue(wait_until(self.parked))
        hit = self.run_one()[1]
        self.assertEqual((miss["pool"], hit["pool"]), ("miss", "hit"))
        self.assertEqual((hit["enforced"], hit["degraded"]), (miss["enforced"], miss["degraded"]))
        seen = []
        for n in range(2):
            seen.append(sorted(self.run_one("cut", "-d ", "-f5,6,9", "/proc/self/mountinfo")[2].split(b"\n")))
            if n == 0:
                self.assertTrue(wait_until(self.parked))
        self.assertGreater(len(seen[0]), 5)
        self.assertEqual(seen[0], seen[1])

    def get_early(self):
        """No cow workspace for so long that parked jails leave the host's mounts before they are claimed."""
        for _ in range(24):
            self.run_one()
            self.assertTrue(wait_until(self.parked))

    def mounts_of_parked(self):
        with open("/proc/%d/mountinfo" % next(iter(self.parked()))) as f:
            return f.read().split("\n")

    def test_a_parked_jail_leaves_the_hosts_mounts_where_it_can(self):
        self.pool(size=1)
        self.warm()
        late = len(self.mounts_of_parked())
        self.get_early()
        early = len(self.mounts_of_parked())
        self.assertEqual(early < late, self.mode == "root", (early, late))
        cow = {"workspace": {"path": self.make_dir(), "mode": "cow"}}
        self.assertEqual(self.run_one(**cow)[1]["pool"], "miss" if self.mode == "root" else "hit")
        self.assertTrue(wait_until(self.parked))
        self.assertEqual(self.run_one(**cow)[1]["pool"], "hit")

    def same(self, use, is_early=False, **task):
        """All that a task can see of its jail, in a new one and in one that was parked."""
        script = ("grep -E '^(Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups|Umask)' /proc/self/status; ulimit -a; env | sort; "
                  "stat -c '%A %U %G %N' /* /dev/* /dev/pts/* /etc/passwd /etc/hosts /home/*; ls /proc/1; cut -d' ' -f5,6,9 /proc/self/mountinfo | sort; "
                  "df -k --output=size / | tail -1; wc -l </proc/net/dev; cat /proc/1/comm /proc/self/oom_score_adj; pwd; hostname; umask")
        seen = []
        for size in ("none", 3):
            daemon = self.pool(size=size)
            if size != "none":
                self.warm()
                if is_early:
                    self.get_early()
            _, result, output, _, _ = self.run_one("sh", "-c", script, **task)
            seen.append([result["outcome"], result["enforced"], result["degraded"]] + output.decode().split("\n"))
            self.conn.close()
            self.daemons.remove(daemon)
            self.assertEqual(daemon.stop(), [])
        self.assertEqual(result["pool"], use)
        self.assertGreater(len(seen[0]), 80)
        self.assertEqual([line for line in seen[1] if line not in seen[0]], [])
        self.assertEqual(seen[1], seen[0])

    def test_nothing_in_a_jail_tells_whether_it_was_parked(self):
        self.same("hit")
        self.same("hit", profile="strict", env={"A": "b"}, cwd="/usr", limits={"open_files": 77, "disk": "8MiB"}, best_effort=["disk"])

    def test_nor_whether_it_had_left_the_hosts_mounts(self):
        self.same("hit", is_early=True)
        work = self.make_dir()
        self.make_file(os.path.join(work, "in"), "text")
        for mode in ("ro", "rw"):
            self.same("hit", is_early=True, workspace={"path": work, "mode": mode}, mounts=[{"path": work, "mode": "ro", "target": "/data"}])

    def test_nor_does_it_with_a_workspace(self):
        for mode in ("cow", "ro", "rw"):
            with self.subTest(mode):
                work = self.make_dir()
                self.make_file(os.path.join(work, "in"), "text")
                self.same("hit", workspace={"path": work, "mode": mode})

    def test_a_parked_jail_shows_nothing_of_itself(self):
        """Its files in /proc are the host's root's, whoever it runs as: nobody but root may trace it or read its memory."""
        self.pool()
        for pid in self.warm():
            self.assertTrue(wait_until(lambda: os.stat("/proc/%d/mem" % pid).st_uid == 0))

    def test_a_bad_request_takes_only_itself_along(self):
        self.pool()
        self.warm()
        error = self.conn.run({"argv": ["true"], "workspace": {"path": "/no/such/place", "mode": "ro"}})[1]["error"]
        self.assertEqual(error["code"], "source_unavailable")
        self.assertTrue(wait_until(self.parked))
        self.assertEqual(self.run_one()[1]["outcome"], "ok")

    def test_no_two_tasks_share_a_jail(self):
        """Namespaces, the first process and the private layer are each task's own, hit or miss."""
        self.pool(size=4)
        script = "for n in mnt pid net ipc uts user cgroup; do readlink /proc/self/ns/$n; done; stat -c %Y.%Z /; cat /left 2>/dev/null; echo x >/tmp/left; cat /proc/1/stat | cut -d' ' -f22"
        seen, hits, n = {}, 0, int(os.environ.get("DAYFLY_POOL_TASKS", 300))
        for _ in range(n):
            _, result, output, _, _ = self.run_one("sh", "-c", "[ -e /tmp/left ] && echo LEFT; " + script)
            lines = output.decode().split("\n")
            self.assertNotIn("LEFT", lines)
            hits += result["pool"] == "hit"
            # Numbers of namespaces are given again when one is gone: together with the start of process 1 they are a jail's own.
            key = tuple(lines)
            self.assertNotIn(key, seen)
            seen[key] = True
        self.assertGreater(hits, n // 10)
        self.assertEqual(len(seen), n)


@in_modes
class Ends(Pooled):
    def assert_gone(self, pids):
        """Dead; who takes the dead away is the host's init, where the warden went too."""
        self.assertTrue(wait_until(lambda: not [p for p in pids if start_time(p) is not None], 3))

    def test_J1_kill_9_of_dayflyd_leaves_nothing_parked(self):
        daemon = self.pool()
        parked = self.warm()
        traces = Traces(self.stage)
        kill_daemon(daemon)
        self.assert_gone(parked)
        self.assert_nothing_left(daemon, traces)

    def test_J2_kill_9_of_the_warden_leaves_nothing_parked(self):
        self.pool()
        parked = self.warm()
        os.kill(Traces(self.stage).named("dayfly-warden")[0], signal.SIGKILL)
        self.assert_gone(parked)
        self.assertEqual(self.run_one()[1]["outcome"], "ok")

    def test_one_that_is_killed_is_not_given_to_a_task(self):
        self.pool()
        parked = self.warm()
        for pid in parked:
            os.kill(pid, signal.SIGKILL)
        self.assert_gone(parked)
        self.assertEqual([self.run_one()[1]["outcome"] for _ in range(3)], ["ok"] * 3)

    def test_one_that_died_unseen_costs_no_task(self):
        """It is dead when its turn comes, and the warden has not looked yet."""
        self.pool()
        parked = self.warm()
        warden, = Traces(self.stage).named("dayfly-warden")
        os.kill(warden, signal.SIGSTOP)
        try:
            tag, task = self.conn.start({"argv": ["echo", "x"]})
            for pid in parked:
                os.kill(pid, signal.SIGKILL)
                self.assertTrue(wait_until(lambda: start_time(pid) is None))
        finally:
            os.kill(warden, signal.SIGCONT)
        _, result, output, _, _ = self.conn.finish(tag, task)
        self.assertEqual((result["outcome"], result["pool"], output), ("ok", "miss", b"x\n"))

    def test_an_idle_daemon_leaves_and_nothing_stays_parked(self):
        daemon = self.pool("--idle-exit", "1s")
        parked = self.warm()
        self.conn.close()
        self.assertEqual(daemon.process.wait(timeout=15), 0)
        self.assert_gone(parked)

    def test_a_reload_drains_it(self):
        daemon = self.pool()
        parked = self.warm()
        born = {pid: start_time(pid) for pid in parked}
        daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: not [p for p in born if start_time(p) == born[p]], 5))
        self.assertEqual(self.run_one()[1]["outcome"], "ok")

    def test_an_old_one_goes(self):
        conf = self.make_file(os.path.join(self.make_dir(owner=0 if self.mode == "root" else None), "conf"), "[pool]\nmax_age = 1s\n",
                              owner=0 if self.mode == "root" else None)
        self.pool("--config", conf)
        born = {pid: start_time(pid) for pid in self.warm()}
        self.assertTrue(wait_until(lambda: not [p for p in born if start_time(p) == born[p]], 5))

    def test_its_size_follows_the_setting(self):
        self.pool(size=2)
        for _ in range(30):
            self.run_one()
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            self.assertLessEqual(len(without_dying(self.parked_at_once())), 2)
            time.sleep(0.01)


if IS_ROOT:  # the host is root's
    @in_modes
    class Stale(Pooled):
        def test_a_file_system_that_is_unmounted_is_free_at_once(self):
            """What is parked has its own copy of all mounts."""
            place = self.make_dir(owner=0)
            self.pool()
            self.warm()
            subprocess.run(["mount", "-t", "tmpfs", "dayfly-test", place], check=True)
            self.addCleanup(subprocess.run, ["umount", place], stderr=subprocess.DEVNULL)
            self.run_one()

            def holders():
                return [pid for pid in self.parked() if "dayfly-test" in read("/proc/%d/mountinfo" % pid)]

            # It was not there when the first was made.
            self.assertTrue(wait_until(holders), "the control: one that is parked has it")
            subprocess.run(["umount", place], check=True)
            self.assertTrue(wait_until(lambda: not holders(), 5))

        def test_mounts_that_come_and_go_do_not_keep_the_warden_busy(self):
            """Each time the whole pool goes; it is not made anew for each."""
            place = self.make_dir(owner=0)
            self.pool()
            self.warm()
            made = set()
            for _ in range(60):
                subprocess.run(["mount", "-t", "tmpfs", "dayfly-test", place], check=True)
                time.sleep(0.03)
                made |= set(self.parked())
                subprocess.run(["umount", place], check=True)
                time.sleep(0.03)
                made |= set(self.parked())
            self.assertTrue(wait_until(self.parked), "the control: when it is over they are made again")
            self.assertLess(len(made), 60, "less than one a turn")


@in_modes
class Ranges(Pooled):
    modes = ("root",)

    def test_what_is_parked_gives_its_range_to_a_task(self):
        conf = self.make_file(os.path.join(self.make_dir(owner=0), "conf"), "[ids]\ncount = 1\n", owner=0)
        self.pool("--config", conf)
        for _ in range(5):
            self.warm()
            _, result, _, _, _ = self.run_one(user="root")
            self.assertEqual(result["outcome"], "ok", result)
