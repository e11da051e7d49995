"""What one task may use up: disk, inodes, descriptors, file sizes, processes (G5 to G7, G11, G15)."""
import os
import re
import resource

from dayfly_host import read
from dayfly_test import IS_ROOT, PROBE, errno_name, in_modes, parse_rows

MIB = 1 << 20
# CAP_SYS_RESOURCE makes a score the least that a process can have again. Some containers' root lacks it.
CAN_FIX_SCORES = IS_ROOT and bool(int(re.search(r"CapEff:\s+(\w+)", read("/proc/self/status")).group(1), 16) & 1 << 24)


class Hogs:
    def hog(self, make, tasks=2, **task):
        """Tasks that each make as many of something as they can, one after the other, and keep them. Returns how many each got."""
        script = ("import ctypes, os, sys\nl, n = ctypes.CDLL(None), 0\n"
                  "while n < 4000 and (%s) >= 0: n += 1\nprint(n, flush=True)\nsys.stdin.read()" % make)
        task = dict({"stdin": "stream", "limits": {"open_files": 5000}}, **task)
        clients = [self.new_client() for _ in range(tasks)]
        runs, counts = [], []
        for client in clients:
            runs.append(client.start(self.task(["python3", "-c", script], **task)))
            counts.append(int(client.wait_output(runs[-1][0], b"\n")))
        for client, (tag, task_id) in zip(clients, runs):
            client.call("input", task=task_id, eof=True)
            self.assertEqual(client.finish(tag, task_id)[1]["outcome"], "ok")
        return counts


@in_modes
class Limits(Hogs):
    def test_G6_the_disk_limit_holds_everywhere_together(self):
        self.skip_without_disk_cap()
        work = self.make_dir()
        for place in ("/tmp/x", "/dev/shm/x", "/var/tmp/x", "/run/lock/x", "/home/agent/x", "/srv/work/x"):
            rows = self.probe("fill", place, 64 * MIB, limits={"disk": "16MiB"},
                              workspace={"path": work, "mode": "cow", "target": "/srv/work"}).one("fill")
            self.assertEqual(errno_name(rows["errno"]), "ENOSPC", place)
            self.assertLessEqual(rows["bytes"], 16 * MIB, place)
            self.assertGreater(rows["bytes"], 8 * MIB, place)
        # One cap for all of them, not one each.
        script = "for f in /tmp/a /dev/shm/a /var/tmp/a /home/agent/a; do head -c 10M /dev/zero >$f 2>/dev/null; done; cat /tmp/a /dev/shm/a /var/tmp/a /home/agent/a | wc -c"
        run = self.assert_ok(self.shell(script, limits={"disk": "16MiB"}))
        self.assertLessEqual(int(run.text()), 16 * MIB)
        self.assertEqual(self.probe("fill", "/tmp/x", 24 * MIB, limits={"disk": "64MiB"}).one("fill"), {"what": "fill", "bytes": 24 * MIB, "errno": 0})
        self.assertEqual(os.listdir(work), [])

    def test_G6_nothing_else_can_be_filled(self):
        """Places that are not the task's own: none takes a byte, or what it takes counts too (with one id, the skeleton is the task's)."""
        self.skip_without_disk_cap()
        for place in ("/x", "/usr/x", "/etc/x", "/opt/x", "/srv/x", "/mnt/x", "/root/x", "/var/x", "/dev/x", "/proc/x", "/sys/x"):
            for user in ("agent", "root"):
                row = self.probe("fill", place, 64 * MIB, user=user, limits={"disk": "16MiB"}).one("fill")
                self.assertIn(errno_name(row["errno"]), ("EACCES", "ENOENT", "EROFS", "EPERM", "ENOSPC"), place)
                self.assertLessEqual(row["bytes"], 16 * MIB, place)
                if self.mode == "root" and user == "agent":
                    self.assertEqual(row["bytes"], 0, place)
        self.assertFalse(os.path.exists("/x") or os.path.exists("/usr/x") or os.path.exists("/dev/x"))

    def test_G7_the_inode_limit_holds(self):
        self.skip_without_disk_cap()
        for place in ("/tmp", "/dev/shm", "/home/agent"):
            row = self.probe("inodes", place, 5000, limits={"inodes": 1000}).one("inodes")
            self.assertEqual(errno_name(row["errno"]), "ENOSPC", place)
            self.assertLess(row["files"], 1000)
            self.assertGreater(row["files"], 500)
        self.assertEqual(self.probe("inodes", "/tmp", 2000, limits={"inodes": 5000}).one("inodes")["errno"], 0)

    def test_G6_the_limit_of_one_task_is_none_of_anothers(self):
        tag, task_id = self.client.start(self.task(["sh", "-c", "head -c 100M /dev/zero >/tmp/x; echo ready; sleep 20"], limits={"disk": "16MiB"}))
        self.client.wait_output(tag, b"ready")
        row = self.probe("fill", "/tmp/x", 12 * MIB, limits={"disk": "16MiB"}).one("fill")
        self.client.call("cancel", task=task_id)
        self.client.finish(tag, task_id)
        self.assertEqual((row["bytes"], row["errno"]), (12 * MIB, 0))

    def test_G6_the_result_counts_what_was_used(self):
        self.skip_without_disk_cap()
        run = self.assert_ok(self.shell("head -c 5M /dev/zero >/tmp/x; mkdir /tmp/d; cd /tmp/d; touch a b c d", limits={"disk": "16MiB"}))
        disk = run.result["disk"]
        self.assertEqual(disk["limit"], 16 * MIB)
        self.assertGreaterEqual(disk["bytes"], 5 * MIB)
        self.assertLess(disk["bytes"], 8 * MIB)
        self.assertGreaterEqual(disk["inodes"], 6)

    def test_G5_every_tmpfs_has_a_size_and_a_number_of_inodes(self):
        for task in ({}, {"user": "root"}, {"tty": True}):
            mounts = [m for m in self.probe("mounts", **task).all("mount") if m["type"] == "tmpfs"]
            # One is the private layer, unless that is on disk.
            self.assertGreater(len(mounts), 2 if self.daemon.is_upper_on_disk else 3)
            for mount in mounts:
                names = {o.partition("=")[0] for o in mount["super"].split(",")}
                self.assertLessEqual({"size", "nr_inodes"}, names, mount)

    # Makes `depth` directories below each other, each name so long, without ever saying the whole path.
    DEEP = """import os, sys
os.chdir(sys.argv[1])
name = "d" * int(sys.argv[2])
for n in range(int(sys.argv[3])):
    os.mkdir(name); os.chdir(name)
open("deepest", "w").close()
print("made")"""

    def test_G8_paths_beyond_the_longest_are_counted_and_removed(self):
        work = self.make_dir()
        for place, length, depth in (("/tmp", 255, 300), ("/tmp", 1, 5000), ("/srv/work", 200, 500)):
            run = self.run_task(["python3", "-c", self.DEEP, place, str(length), str(depth)], workspace={"path": work, "mode": "cow", "target": "/srv/work"})
            self.assertEqual(self.assert_ok(run).text(), "made\n")
            if not self.daemon.is_upper_on_disk:
                self.assertGreaterEqual(run.result["disk"]["inodes"], depth)
            # It is no lie: what was not looked at is told of.
            changes = run.result["changes"]
            self.assertEqual((changes["added"], changes["left_out"]), (0, 1 if place == "/srv/work" else 0))
        self.assertEqual(os.listdir(work), [])

    def test_G7_masses_of_long_names_go_with_the_task(self):
        script = "import os\nos.chdir('/tmp')\nfor n in range(20000): os.mkdir('%06d' % n + 'x' * 249)\nprint('made')"
        client = self.new_client()
        tag, task = client.start(self.task(["python3", "-c", script]))
        client.wait_output(tag, b"made", 60)
        # Others are not held up by the removal.
        for _ in range(3):
            self.assert_ok(self.run_task(["true"]))
        self.assertEqual(client.finish(tag, task)[1]["outcome"], "ok")

    def test_G11_open_files(self):
        script = "import os\nn=0\ntry:\n while True: os.open('/dev/null', 0); n+=1\nexcept OSError as e: print(n, e.errno)"
        run = self.assert_ok(self.run_task(["python3", "-c", script], limits={"open_files": 100}))
        count, error = run.text().split()
        self.assertLess(int(count), 100)
        self.assertEqual(errno_name(int(error)), "EMFILE")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limits = {r["name"]: r for r in self.probe("rlimits").all("rlimit")}
        self.assertEqual(limits["nofile"]["soft"], limits["nofile"]["hard"])
        self.assertLessEqual(limits["nofile"]["hard"], max(hard, 65536))

    def test_G11_inotify_instances_of_one_task_leave_the_others_theirs(self):
        """They count for the maker of the user namespace too, whose limit is 128 on most hosts."""
        first, second = self.hog("l.inotify_init1(0)")
        self.assertEqual(first, second)
        self.assertGreaterEqual(first, 8)
        self.assertLessEqual(first, 16)

    def test_G11_message_queues_of_one_task_leave_the_others_theirs(self):
        counts = self.hog("l.mq_open(b'/q%d' % n, os.O_CREAT | os.O_RDWR, 0o600, (ctypes.c_long * 8)(0, 10, 8192))", tasks=4)
        self.assertEqual(len(set(counts)), 1, counts)
        self.assertGreater(counts[0], 0)

    def test_G11_descriptors_under_way_of_one_task_leave_dayfly_its_own(self):
        """Descriptors that are sent and not received count for the user, and above the limit of a sender it can send no more: rootless, that
        would be the end of dayflyd, its warden and the command line."""
        script = r"""
import array, errno, os, socket, sys
fd, n, held, error = os.open("/dev/null", 0), 0, [], None
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * 250))]
while not error:
    held.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
    try:
        while True:
            held[-1][0].sendmsg([b"x"], rights)
            n += 250
    except BlockingIOError:
        continue
    except OSError as e:
        error = errno.errorcode[e.errno]
print(n, error, flush=True)
sys.stdin.read()"""
        client = self.new_client()
        tag, task = client.start(self.task(["python3", "-c", script], stdin="stream"))
        count, error = client.wait_output(tag, b"\n", 30).split()
        self.assertEqual(error, b"ETOOMANYREFS")
        self.assertGreater(int(count), 250)
        work = self.make_dir()
        self.assert_ok(self.run_task(["true"], tty=True))
        done = self.cli("run", "--workspace", work, "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        client.call("input", task=task, eof=True)
        self.assertEqual(client.finish(tag, task)[1]["outcome"], "ok")

    def test_G11_terminals_of_one_task_leave_the_others_theirs(self):
        first, second = self.hog("l.open(b'/dev/ptmx', os.O_RDWR | os.O_NOCTTY)")
        self.assertEqual((first, second), (64, 64))
        self.assert_ok(self.run_task(["true"], tty=True))

    def test_G15_file_size(self):
        row = self.run_task(["sh", "-c", "trap '' XFSZ; exec %s fill /tmp/x 8000000" % PROBE], limits={"file_size": "1MiB"})
        got = parse_rows(self.assert_ok(row).stdout).one("fill")
        self.assertEqual((got["bytes"], errno_name(got["errno"])), (MIB, "EFBIG"))

    def test_J10_tasks_go_before_the_daemon_when_memory_runs_out(self):
        for user in ("agent", "root"):
            tag, task = self.client.start(self.task([PROBE, "sleep", "20"], user=user))
            self.client.wait_output(tag, b"ready")
            scores = {comm: int(read("/proc/%d/oom_score_adj" % pid)) for pid, (_, comm, _) in self.daemon.processes().items()}
            self.client.call("cancel", task=task)
            self.client.finish(tag, task)
            for comm in ("probe", "dayfly-init"):
                for other in ("dayflyd", "dayfly-warden", "dayfly-keeper"):
                    self.assertGreater(scores[comm], scores[other], scores)
            # It cannot go back behind that; rootless, behind the daemon at most.
            run = self.shell("for n in -1000 -1 0 499; do echo $n >/proc/self/oom_score_adj; done 2>/dev/null; cat /proc/self/oom_score_adj", user=user)
            self.assertGreaterEqual(int(run.text()), 500 if self.mode == "root" and CAN_FIX_SCORES else scores["dayflyd"], str(run))


@in_modes
class Accounts(Hogs):
    """Rootless, everything is the one user's."""

    modes = ["root"] if IS_ROOT else []

    # As root a task may take one id after the other, and each has a share of its own.
    PER_ID = "(os.setresuid(n // 8 + 1, n // 8 + 1, 0), %s, os.setresuid(0, 0, 0))[1]"

    def test_G1_all_ids_of_a_task_have_one_number_of_processes_together(self):
        """Else root inside would have as many as it has ids, 65536 times the limit."""
        script = """import os, time
total = 0
try:
    for uid in range(1, 7):
        r, w = os.pipe()
        if os.fork() == 0:
            os.setresuid(uid, uid, uid)
            n = 0
            try:
                while n < 30:
                    if os.fork() == 0:
                        time.sleep(30); os._exit(0)
                    n += 1
            except OSError:
                pass
            os.write(w, b"%d" % n); os._exit(0)
        os.close(w)
        total += int(os.read(r, 100))
except OSError:
    pass
print(total)"""
        run = self.assert_ok(self.run_task(["python3", "-c", script], user="root", limits={"pids": 60}, best_effort=["pids"]))
        self.assertLessEqual(int(run.text()), 60)
        self.assertGreater(int(run.text()), 40)
        self.assertEqual(self.run_task(["python3", "-c", script], user="root", limits={"pids": 400}, best_effort=["pids"]).text(), "180\n")

    def test_G11_a_task_takes_nothing_of_what_the_hosts_root_may_have(self):
        """The kernel counts for the maker of a user namespace too: that is an id of the task's own, not root."""
        counts = self.hog(self.PER_ID % "l.inotify_init1(0)", tasks=4, user="root")
        self.assertEqual(len(set(counts)), 1, counts)
        self.assertGreaterEqual(counts[0], 64)


@in_modes
class WithoutCgroup:
    """That they hold with one: tests/limits."""

    delegated = False

    def test_G1_processes_with_best_effort(self):
        run = self.run_task([PROBE, "storm", "400"], limits={"pids": 60}, best_effort=["pids"])
        row = parse_rows(self.assert_ok(run).stdout).one("storm")
        self.assertEqual(errno_name(row["errno"]), "EAGAIN")
        self.assertLessEqual(row["forks"], 60)
        self.assertTrue([d for d in run.result["degraded"] if d["control"] == "pids"], run.result["degraded"])
        self.assertEqual(self.probe("storm", 100).one("storm"), {"what": "storm", "forks": 100, "errno": 0})

    def test_G16_limits_that_cannot_be_held_are_refused(self):
        for name, value in (("memory", "1GiB"), ("cpus", 1.5), ("pids", 100)):
            error = self.refused("limit_unenforceable", limits={name: value})
            self.assertEqual(error.get("field"), "task.limits." + name)
            self.assertTrue(error.get("hint"), error)
