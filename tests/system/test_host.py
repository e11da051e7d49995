"""The host stays as it was: many tasks leave no process, mount, cgroup, file or namespace, and the daemon does not grow; D7, C2, and
what becomes of workspaces."""
import hashlib
import os
import re
import stat

from dayfly_host import count_fds, read, rss_kib
from dayfly_test import IS_ROOT, PROBE, in_modes, parse_rows

from common import Gate, assert_grown_less, namespaces_of, start_time, wait_until

SLOT_BASE = 1879048192 + 65536
SLOT_SIZE = 65536


def tree_digest(top):
    """Names, kinds, modes, owners, times and contents of everything below."""
    total = hashlib.sha256()
    for path, dirs, files in os.walk(top):
        dirs.sort()
        for name in sorted(dirs + files):
            full = os.path.join(path, name)
            st = os.lstat(full)
            total.update(repr((os.path.relpath(full, top), st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns,
                               st.st_ino)).encode())
            if stat.S_ISLNK(st.st_mode):
                total.update(os.readlink(full).encode())
            elif stat.S_ISREG(st.st_mode):
                with open(full, "rb") as f:
                    total.update(f.read())
    return total.hexdigest()


def host_namespaces():
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            found |= namespaces_of(int(name))
    return found


@in_modes
class Unchanged:
    def test_200_tasks_in_a_row_leave_nothing(self):
        """The leak check of the harness compares the rest; here it is the daemon's own size, and the warden's."""
        client = self.client
        warden, = self.daemon.wardens()

        def run(n):
            for i in range(n):
                script = ("exit 3", "echo text; mkdir -p a/b/c; touch a/b/c/d", "setsid sleep 97531 & exit 0", "head -c 100000 /dev/zero",
                          "kill -9 $$")[i % 5]
                client.run({"argv": ["sh", "-c", script]}, timeout=20)

        run(70)  # what is made at first use and kept is there now
        self.daemon.settle()
        before = {pid: (rss_kib(pid), count_fds(pid)) for pid in (self.daemon.process.pid, warden)}
        run(200)
        self.daemon.settle()
        for pid, (rss, fds) in before.items():
            self.assertTrue(wait_until(lambda: count_fds(pid) <= fds), (count_fds(pid), fds))
            assert_grown_less(self, pid, rss, 2048)
        self.assertEqual(self.daemon.wardens(), [warden])

    def test_50_tasks_at_once_leave_nothing(self):
        client = self.client
        place = self.make_dir(mode=0o777)
        for round_ in range(2):
            gate = Gate(place)
            script = "echo up; " + gate.wait + "; setsid sleep 97531 & exit 0"
            started = [client.start({"argv": ["sh", "-c", script],
                                     "workspace": {"path": place, "mode": "ro", "target": "/mnt/w"}}) for _ in range(50)]
            for tag, _ in started:
                client.wait_output(tag, b"up", 30)
            self.assertEqual(len([t for t in client.call("list")["tasks"] if t["state"] == "running"]), 50)
            with gate.opened(len(started)):
                for tag, task in started:
                    self.assertEqual(client.finish(tag, task)[1]["outcome"], "ok")
            self.daemon.settle()
            if round_ == 0:
                before = count_fds(self.daemon.process.pid), rss_kib(self.daemon.process.pid)
        self.assertTrue(wait_until(lambda: count_fds(self.daemon.process.pid) <= before[0] + 1))
        assert_grown_less(self, self.daemon.process.pid, before[1], 4096)

    def test_D1_namespaces_are_new_and_go(self):
        client = self.client
        # The tasks say it themselves: of a process of another id they could not always be read.
        script = "readlink /proc/self/ns/*; echo over; sleep 30"
        started = [client.start({"argv": ["sh", "-c", script]}) for _ in range(5)]
        told = [client.wait_output(tag, b"over").decode().split() for tag, _ in started]
        inits = {pid: start_time(pid) for pid, (_, comm, _) in self.daemon.processes().items() if comm == "dayfly-init"}
        mine = namespaces_of(os.getpid())
        seen = {}
        for links in told:
            spaces = {s.split(":")[0]: s for s in links if ":[" in s}
            for kind in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup"):
                self.assertNotIn(spaces[kind], mine)
                self.assertNotIn(spaces[kind], seen.setdefault(kind, set()))
                seen[kind].add(spaces[kind])
        for tag, task in started:
            client.call("cancel", task=task)
            client.finish(tag, task)
        self.daemon.settle()
        self.assertTrue(wait_until(lambda: not [pid for pid, born in inits.items() if born and start_time(pid) == born], 2))

    def test_C2_descriptors_of_many_concurrent_tasks(self):
        """With connections, attachments and logs open, each task has its own three and no more."""
        clients = [self.new_client() for _ in range(20)]
        for client in clients:
            client.call("ping")
        started = []
        for i in range(60):
            client = clients[i % len(clients)]
            started.append((client,) + client.start(self.task([PROBE, "fds"], stdin=("none", "stream")[i % 2])))
        for client, tag, task in started:
            _, result, stdout, _, _ = client.finish(tag, task)
            self.assertEqual(result["outcome"], "ok")
            rows = parse_rows(stdout).all("fd")
            self.assertEqual(sorted(row["fd"] for row in rows), [0, 1, 2], rows)


@in_modes
class Workspaces:
    def make_tree(self):
        top = self.make_dir()
        self.make_file(os.path.join(top, "file"), "content\n")
        self.make_file(os.path.join(top, "script"), "#!/bin/sh\necho script\n", 0o755)
        os.mkdir(os.path.join(top, "sub"))
        self.stage.give(os.path.join(top, "sub"))
        self.make_file(os.path.join(top, "sub", "deep"), os.urandom(100000))
        os.symlink("file", os.path.join(top, "link"))
        os.link(os.path.join(top, "file"), os.path.join(top, "hard"))
        self.make_file(os.path.join(top, "readonly"), "x", 0o444)
        self.stage.give(os.path.join(top, "link"))
        return top

    WRECK = ("echo more >>file; rm -rf sub; mkdir sub; touch sub/new; mv script renamed; ln -sf /etc/passwd link; chmod 777 readonly; rm -f readonly hard; "
             "mkdir -p x/y/z; head -c 100000 /dev/zero >big; ls | sort | tr '\\n' ' '")

    def test_a_cow_workspace_is_byte_for_byte_unchanged(self):
        top = self.make_tree()
        before = tree_digest(top)
        run = self.assert_ok(self.shell(self.WRECK, workspace={"path": top, "mode": "cow", "target": "/mnt/w"}))
        self.assertEqual(run.text().split(), ["big", "file", "link", "renamed", "sub", "x"])
        self.assertEqual(run.stderr, b"")
        self.assertEqual(tree_digest(top), before)
        changes = run.result["changes"]
        self.assertTrue(all(isinstance(changes[k], int) and changes[k] > 0 for k in ("added", "modified", "deleted")), changes)
        # The positive control: the same by rw does change it.
        self.assert_ok(self.shell(self.WRECK, workspace={"path": top, "mode": "rw", "target": "/mnt/w"}))
        self.assertNotEqual(tree_digest(top), before)

    def test_a_ro_workspace_cannot_be_written(self):
        top = self.make_tree()
        before = tree_digest(top)
        run = self.shell("echo x >file; rm file; touch new; chmod 600 file; mv file other; echo x >>sub/deep; cat file",
                         workspace={"path": top, "mode": "ro", "target": "/mnt/w"})
        self.assertEqual(run.stdout, b"content\n")
        self.assertEqual(len(re.findall(rb"Read-only file system", run.stderr)), 6, run.stderr)
        self.assertEqual(tree_digest(top), before)

    def test_D7_what_a_task_makes_in_a_rw_workspace_belongs_to_the_client(self):
        top = self.make_tree()
        client_st = os.stat(top)
        run = self.assert_ok(self.shell("stat -c '%u %g %n' file; id -u; umask; touch made; mkdir dir; echo x >>file; ln -s a soft; mkfifo pipe; chmod 755 made; touch -d @1000000000 made",
                                        workspace={"path": top, "mode": "rw", "target": "/mnt/w"}))
        self.assertEqual(run.text().split()[:4], ["1000", "1000", "file", "1000"], "the client's files are the task's own")
        for name, mode in (("made", 0o100755), ("dir", 0o40755), ("file", 0o100644), ("soft", 0o120777), ("pipe", 0o10644)):
            st = os.lstat(os.path.join(top, name))
            self.assertEqual((st.st_uid, st.st_gid, st.st_mode), (client_st.st_uid, client_st.st_gid, mode), name)
        self.assertEqual(os.stat(os.path.join(top, "made")).st_mtime, 1000000000)

    def test_D7_root_inside_makes_files_of_the_client_too(self):
        top = self.make_tree()
        client_st = os.stat(top)
        run = self.assert_ok(self.shell("id -u; stat -c %u file; touch made; chown 0:0 made",
                                        workspace={"path": top, "mode": "rw", "target": "/mnt/w"}, user="root"))
        self.assertEqual(run.text().split(), ["0", "0"])
        st = os.stat(os.path.join(top, "made"))
        self.assertEqual((st.st_uid, st.st_gid), (client_st.st_uid, client_st.st_gid))
        run = self.shell("chown 1234:1234 file", workspace={"path": top, "mode": "rw", "target": "/mnt/w"}, user="root")
        st = os.stat(os.path.join(top, "file"))
        if self.client.call("info")["warden"]["mode"] == "rootless-subuid":
            # The ids of the user's own range are his to give.
            self.assertEqual(run.code, 0, str(run))
            self.assertNotIn(st.st_uid, (0, 1234))
            return
        self.assertNotEqual(run.code, 0, "no other owner can be given")
        self.assertEqual((st.st_uid, st.st_gid), (client_st.st_uid, client_st.st_gid))

    def test_workspace_defaults_to_its_own_path_and_is_the_directory(self):
        top = self.make_tree()
        run = self.assert_ok(self.shell("pwd; cat file", workspace={"path": top}))
        self.assertEqual(run.text(), "%s\ncontent\n" % top)
        done = self.cli("run", "--workspace", ".", "--", "sh", "-c", "pwd; cat file; touch new", cwd=top)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, "%s\ncontent\n" % top), done.stderr)
        self.assertFalse(os.path.exists(os.path.join(top, "new")))
        done = self.cli("run", "--workspace", top + ":rw", "--mount", "/etc/hostname:/opt/name", "--", "sh", "-c", "cat /opt/name >new",
                        cwd="/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(read(os.path.join(top, "new")), read("/etc/hostname"))

    def test_A15_odd_names_of_workspaces(self):
        for name in ("a,b", "a:b", "a\\b", 'a"b', "a b", "a\nb", "-rf", "\u00e9\u4e2d", "a=b,lowerdir=x", "%s%n", "'", "$HOME", "x" * 200):
            parent = self.make_dir()
            top = os.path.join(parent, name)
            os.mkdir(top)
            self.stage.give(top)
            self.make_file(os.path.join(top, "inside"), name)
            for mode in ("cow", "ro"):
                run = self.assert_ok(self.shell("cat inside", workspace={"path": top, "mode": mode}))
                self.assertEqual(run.text(), name)
                run = self.assert_ok(self.shell("cat /mnt/w/inside", workspace={"path": top, "mode": mode, "target": "/mnt/w"}))
                self.assertEqual(run.text(), name)


@in_modes
class Ids:
    modes = ["root"] if IS_ROOT else []

    def test_D7_uid_ranges_are_disjoint_and_never_the_hosts(self):
        client = self.client
        started = [client.start({"argv": ["sh", "-c", "echo up; cat /proc/self/uid_map /proc/self/gid_map; sleep 30"]}) for _ in range(30)]
        bases = []
        for tag, task in started:
            client.wait_output(tag, b"up")
        processes = self.daemon.processes()
        for pid, (_, comm, _) in processes.items():
            if comm != "dayfly-init":
                continue
            for kind in ("uid_map", "gid_map"):
                inside, outside, count = map(int, read("/proc/%d/%s" % (pid, kind)).split())
                self.assertEqual((inside, count), (0, SLOT_SIZE))
                self.assertGreaterEqual(outside, SLOT_BASE)
                self.assertEqual((outside - SLOT_BASE) % SLOT_SIZE, 0)
                if kind == "uid_map":
                    bases.append(outside)
        self.assertEqual(len(bases), 30)
        self.assertEqual(len(set(bases)), 30)
        sleepers = [pid for pid, (_, comm, _) in processes.items() if comm in ("sleep", "sh")]
        for pid in sleepers:
            uid = re.search(r"Uid:\s+(\d+)", read("/proc/%d/status" % pid))
            if uid:  # a shell's child may be gone again
                self.assertEqual((int(uid.group(1)) - SLOT_BASE) % SLOT_SIZE, 1000)
        for tag, task in started:
            client.call("cancel", task=task)
            client.finish(tag, task)

    def test_D7_a_range_rests_before_it_is_used_again(self):
        bases = []
        for _ in range(10):
            run = self.assert_ok(self.shell("cat /proc/self/uid_map"))
            bases.append(run.text().split()[1])
        self.assertEqual(len(set(bases)), 10)
