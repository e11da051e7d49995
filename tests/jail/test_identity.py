"""Ids, capabilities, no_new_privs, setuid files: F1 to F7."""
import os
import shutil
import stat
import subprocess

from dayfly_test import Daemon, IS_ROOT, PROBE, USER, errno_name, in_modes, parse_rows

# chown dac_override fowner fsetid kill setgid setuid setfcap
ROOT_CAPABILITIES = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 31
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@in_modes
class Identity:
    def test_F1_no_capability_in_any_set(self):
        for profile in ("dev", "strict"):
            row = self.probe("id", profile=profile).one("id")
            for name in SETS:
                self.assertEqual(int(row[name], 16), 0, name)
        self.assertNotEqual(int(self.outside("id").one("id")["CapBnd"], 16), 0, "outside the bounding set is not empty")

    def test_F1_root_has_the_documented_ones_only(self):
        row = self.probe("id", user="root").one("id")
        for name in ("CapInh", "CapAmb"):
            self.assertEqual(int(row[name], 16), 0, name)
        for name in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(row[name], 16), ROOT_CAPABILITIES, name)

    def test_F2_no_new_privileges_and_a_filter(self):
        for user in ("agent", "root"):
            row = self.probe("id", user=user).one("id")
            self.assertEqual((row["NoNewPrivs"], row["Seccomp"]), ("1", "2"))
        self.assertEqual(self.outside("id").one("id")["NoNewPrivs"], "0")

    def test_F2_ids_are_the_agents(self):
        row = self.probe("id").one("id")
        self.assertEqual([row[k] for k in ("uid", "euid", "suid", "gid", "egid", "sgid")], [1000] * 6)
        self.assertLessEqual(set(row["groups"]), {1000, 65534})
        self.assertEqual((row["umask"], row["cwd"]), (0o022, "/home/agent"))
        row = self.probe("id", user="root").one("id")
        self.assertEqual([row[k] for k in ("uid", "euid", "suid", "gid", "egid", "sgid")], [0] * 6)

    def test_F3_setuid_programs_stay_what_they_are(self):
        root = self.make_image()
        tool = os.path.join(root, "bin", "suid")
        shutil.copy(os.path.join(self.stage.bin, "probe"), tool)
        os.chown(tool, 0 if IS_ROOT else -1, 0 if IS_ROOT else -1)
        os.chmod(tool, 0o6755)
        run = self.assert_ok(self.run_bare({"argv": ["/bin/suid", "id"], "image": root}))
        row = parse_rows(run.stdout).one("id")
        self.assertEqual([row[k] for k in ("uid", "euid", "suid", "gid", "egid", "sgid")], [1000] * 6)
        self.assertEqual(int(row["CapEff"], 16), 0)
        if IS_ROOT:
            with self.stage.as_process() as kwargs:
                done = subprocess.run([tool, "id"], stdout=subprocess.PIPE, **kwargs)
            self.assertEqual(parse_rows(done.stdout).one("id")["euid"], 0, "outside the bit counts")

    def test_F3_programs_of_the_host_image_too(self):
        run = self.shell("cp %s /tmp/own; chmod 6755 /tmp/own; exec /tmp/own id" % PROBE, user="agent")
        self.assertEqual(parse_rows(self.assert_ok(run).stdout).one("id")["euid"], 1000)
        # As root inside, handed to the agent: in the end still no change of ids.
        run = self.shell("for f in /usr/bin/su /usr/bin/passwd /usr/bin/mount /usr/bin/newuidmap; do [ -u $f ] && echo $f; done; su -c id 2>&1; exit 0")
        self.assertNotIn("uid=0", run.text())

    def test_F3_file_capabilities_mean_nothing(self):
        if not IS_ROOT:
            self.skipTest("file capabilities are set by root")
        root = self.make_image()
        tool = os.path.join(root, "bin", "capable")
        shutil.copy(os.path.join(self.stage.bin, "probe"), tool)
        # cap_net_raw,cap_sys_admin=ep
        os.setxattr(tool, "security.capability", bytes.fromhex("0100000200202000000000000000000000000000"))
        run = self.run_bare({"argv": ["/bin/capable", "id"], "image": root})
        if run.outcome == "ok":
            row = parse_rows(run.stdout).one("id")
            for name in SETS:
                self.assertEqual(int(row[name], 16), 0, name)
        with self.stage.as_process() as kwargs:
            done = subprocess.run([tool, "id"], stdout=subprocess.PIPE, **kwargs)
        self.assertNotEqual(int(parse_rows(done.stdout).one("id")["CapEff"], 16), 0, "outside they count")

    def test_F3_every_mount_is_nosuid(self):
        given, work = self.make_dir(), self.make_dir()
        rows = self.probe("mounts", mounts=[{"path": given, "target": "/srv/given", "mode": "rw"}],
                          workspace={"path": work, "mode": "rw", "target": "/srv/work"})
        for mount in rows.all("mount"):
            row = None
            if "nosuid" not in mount["options"].split(","):
                # Only single device files may lack it: nothing can be executed from them.
                row = self.probe("stat", mount["point"]).one("path")
                self.assertEqual(row["type"], "char", mount)

    # Every way to a set-user-id file: how, and the errno of each.
    MAKE_SETUID = r"""
import ctypes, os
l = ctypes.CDLL(None, use_errno=True)
os.umask(0)
def call(name, *args):
    l.syscall.restype = ctypes.c_long
    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    print(name, ctypes.get_errno() if l.syscall(*args) < 0 else 0)
os.chdir("%s")
open("plain", "w").close()
fd = os.open("plain", os.O_RDWR)
how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0)
for high in (0, 1 << 32):
    mode = high | 0o4755
    tail = b".high" if high else b""
    call("chmod", 90, b"plain", mode)
    call("fchmod", 91, fd, mode)
    call("fchmodat", 268, -100, b"plain", mode)
    call("fchmodat2", 452, -100, b"plain", mode, 0)
    call("open", 2, b"opened" + tail, os.O_CREAT | os.O_WRONLY, mode)
    call("openat", 257, -100, b"opened-at" + tail, os.O_CREAT | os.O_WRONLY, mode)
    call("tmpfile", 257, -100, b".", os.O_TMPFILE | os.O_WRONLY, mode)
    call("creat", 85, b"created" + tail, mode)
    call("mknod", 133, b"node" + tail, 0o100000 | mode, 0)
    call("mknodat", 259, -100, b"node-at" + tail, 0o100000 | mode, 0)
call("openat2", 437, -100, b"opened-at2", how, 24)
"""

    def make_setuid(self, place, **task):
        """{way: errno} of each attempt in that place."""
        run = self.assert_ok(self.run_task(["python3", "-c", self.MAKE_SETUID % place], **task))
        found = {}
        for line in run.text().splitlines():
            found.setdefault(line.split()[0], set()).add(errno_name(int(line.split()[1])))
        return found

    def test_F4_no_setuid_file_is_made_in_a_directory_of_the_client(self):
        """It would be the client's own: whoever else can reach it would run it as the client."""
        if os.uname().machine != "x86_64":
            self.skipTest("numbers are for x86_64")
        work, other = self.make_dir(), self.make_dir()
        places = ({"workspace": {"path": work, "mode": "rw", "target": "/srv/work"}},
                  {"mounts": [{"path": other, "target": "/srv/work", "mode": "rw"}]})
        for task in places:
            for profile in ("dev", "strict"):
                for where in ("/srv/work", "/tmp"):
                    got = self.make_setuid(where, profile=profile, **task)
                    self.assertEqual(got.pop("openat2"), {"ENOSYS"})
                    self.assertEqual(set(got), {"chmod", "fchmod", "fchmodat", "fchmodat2", "open", "openat", "tmpfile", "creat", "mknod", "mknodat"})
                    for way, errnos in got.items():
                        self.assertLessEqual(errnos, {"EPERM", "ENOSYS"} if way == "fchmodat2" else {"EPERM"}, way)
        for place in (work, other):
            for path, _, names in os.walk(place):
                for name in names:
                    self.assertEqual(os.stat(os.path.join(path, name)).st_mode & 0o4000, 0, name)
        # What is common goes on: modes without the bit, set-group-id directories.
        self.assert_ok(self.shell("cd /srv/work && umask 022 && mkdir d && chmod 2775 d && install -m 755 /bin/true t && chmod u+rwx,go= t && "
                                  "stat -c %a d t | tr '\\n' ' ' | grep '2775 700'", **places[0]))
        # The control: where nothing of the client's is in reach the bit can be set, and has no effect.
        for task in ({"workspace": {"path": work, "mode": "cow", "target": "/srv/work"}}, {}):
            got = self.make_setuid("/tmp", **task)
            self.assertIn("ok", set.union(*got.values()))
            self.assertEqual(got["chmod"] | got["openat"] | got["openat2"] | got["mknod"], {"ok"})

    def test_F4_what_is_made_belongs_to_the_client_whatever_its_bits(self):
        """Root inside may set the bit, since packages need it: also then it is the client's own file, never root's or another user's."""
        work = self.make_dir()
        workspace = {"path": work, "mode": "rw", "target": "/srv/work"}
        self.assert_ok(self.shell("cd /srv/work; cp %s tool; chmod 6755 tool" % PROBE, workspace=workspace, user="root"))
        for name in os.listdir(work):
            self.assertEqual(os.stat(os.path.join(work, name)).st_uid, USER, name)
        run = self.run_task(["/srv/work/tool", "id"], workspace={"path": work, "mode": "ro", "target": "/srv/work"})
        row = parse_rows(self.assert_ok(run).stdout).one("id")
        self.assertEqual([row[k] for k in ("euid", "egid", "suid")], [1000] * 3)
        # Writing to it takes the bits away, as outside.
        self.assert_ok(self.shell("echo >>/srv/work/tool", workspace=workspace))
        self.assertEqual(os.stat(os.path.join(work, "tool")).st_mode & 0o6000, 0)

    def test_F5_no_other_id_can_be_taken(self):
        rows = self.probe("ids")
        for what in ("setuid_0", "setgid_0", "setresuid_1", "setresgid_1", "setgroups", "setfsuid_0"):
            self.assertIn(rows.errno(what), ("EPERM", "EINVAL"), what)
        self.assertIn(rows.errno("setuid_unmapped"), ("EPERM", "EINVAL"))
        as_root = self.probe("ids", user="root")
        self.assertEqual(as_root.errno("setuid_unmapped"), "EINVAL")
        outside = self.outside("ids", root=True)
        self.assertEqual(outside.errno("setuid_0"), "ok")

    def test_F6_users_are_words_not_numbers(self):
        for user in ("1", "01", "-1", "0", "4294967295", "4294967296", "0x0", " 0", "1:", "1000 ", "1000", "nobody", "Root", "ROOT", "root ", "",
                     "agent\n", "agent:agent", 0, 1000, -1, None, True, ["root"], {"uid": 0}, 0.0):
            self.refused(("bad_value", "wrong_type", "out_of_range", "too_large"), argv=[PROBE, "id"], user=user)

    def test_F6_the_images_passwd_is_not_believed(self):
        victim = self.make_file(os.path.join(self.make_dir(), "victim"), "root::0:0::/:/bin/sh\n")
        for kind in ("link", "fifo", "huge", "dir", "evil"):
            root = self.make_image()
            path = os.path.join(root, "etc", "passwd")
            if kind == "link":
                os.symlink(victim, path)
            elif kind == "fifo":
                os.mkfifo(path)
                self.stage.give(path)
            elif kind == "huge":
                with open(path, "wb") as f:
                    f.truncate(1 << 30)
                self.stage.give(path)
            elif kind == "dir":
                os.mkdir(path)
                self.stage.give(path)
            else:
                self.make_file(path, "agent::0:0:root:/:/bin/sh\nroot::1000:1000::/:/bin/sh\n")
            try:
                run = self.run_bare({"argv": ["/bin/probe", "id"], "image": root}, timeout=20)
            except Exception as e:
                self.assertTrue(hasattr(e, "code"), repr(e))
                continue
            if run.outcome == "ok":
                row = parse_rows(run.stdout).one("id")
                self.assertEqual((row["uid"], row["gid"]), (1000, 1000), kind)
            else:
                self.assertEqual(run.error.get("code"), "setup_failed", "%s: %s" % (kind, run))
        with open(victim) as f:
            self.assertEqual(f.read(), "root::0:0::/:/bin/sh\n")

    def test_F7_the_hosts_null_device_stays_as_it_is(self):
        before = os.stat("/dev/null")
        for user in ("agent", "root"):
            self.assert_ok(self.shell("chown 1000:1000 /dev/null /dev/stdin; chmod 600 /dev/null /dev/stdin /dev/zero; exit 0 2>/dev/null", user=user))
        self.probe("fds")
        after = os.stat("/dev/null")
        self.assertEqual((after.st_uid, after.st_gid, after.st_mode), (before.st_uid, before.st_gid, before.st_mode))
        self.assertEqual(stat.S_IMODE(after.st_mode), 0o666)

    def test_F8_root_inside_is_not_root_over_mounts_and_networks(self):
        rows = self.probe("mount", user="root")
        self.assertEqual(rows.errno("mount_tmpfs"), "EPERM")
        for command in ("ip link add x type dummy", "ip addr add 10.1.1.1/8 dev lo", "hostname x", "mount -t tmpfs none /mnt", "chroot / true"):
            self.assertNotEqual(self.shell(command, user="root").code, 0, command)

    def test_F9_who_outside_can_look_into_a_task(self):
        """Never into jail init. Into the task itself: rootless, the user whose process it is; with a root daemon, not the client either."""
        tag, task_id = self.client.start(self.task([PROBE, "sleep", "20"]))
        self.client.wait_output(tag, b"ready")
        processes = self.daemon.processes()
        task = [pid for pid, (_, comm, _) in processes.items() if comm == "probe"]
        init = [pid for pid, (_, comm, _) in processes.items() if comm == "dayfly-init"]
        self.assertEqual((len(task), len(init)), (1, 1), processes)
        rows = self.outside("mem", task[0], init[0], check=False).all("mem")
        self.client.call("cancel", task=task_id)
        self.client.finish(tag, task_id)
        found = {row["path"]: errno_name(row["errno"]) for row in rows}
        for name in ("mem", "environ", "fd", "root", "cwd", "maps"):
            self.assertIn(found["/proc/%d/%s" % (init[0], name)], ("EACCES", "EPERM"), name)
            mine = found["/proc/%d/%s" % (task[0], name)]
            if self.mode == "root":
                self.assertIn(mine, ("EACCES", "EPERM"), name)
            elif name == "mem":
                self.assertEqual(mine, "ok", "it is the user's own process")

    def test_G15_hard_limits_cannot_be_raised(self):
        rows = {r["name"]: r for r in self.probe("rlimits").all("rlimit")}
        self.assertEqual((rows["core"]["soft"], rows["core"]["hard"]), (0, 0))
        self.assertEqual((rows["rtprio"]["hard"]), 0)
        for row in rows.values():
            if row["hard"] >= 0:
                self.assertEqual(errno_name(row["raise_errno"]), "EPERM", row)


@in_modes
class Groups:
    """A daemon whose starter had more groups than it should pass on."""

    starts_daemon = False
    GROUPS = [4242, 4243]

    def test_F5_no_group_of_the_daemon_is_left(self):
        place = self.make_dir(owner=0 if IS_ROOT else None, mode=0o755)
        self.daemon = Daemon(self.stage, self.mode)
        self.daemon.start(**({"extra_groups": self.GROUPS} if IS_ROOT else {}))
        self.addCleanup(lambda: self.daemon and self.daemon.stop())
        for user in ("agent", "root"):
            run = self.assert_ok(self.shell("id -G; id -u; id -g; grep Groups /proc/self/status", user=user))
            groups, uid, gid, _ = run.text().splitlines()
            self.assertEqual(uid, gid)
            self.assertLessEqual(set(groups.split()), {uid, "65534"}, run.text())
        if not IS_ROOT:
            return
        # What only the group may read.
        secret = self.make_file(os.path.join(place, "secret"), "of the group", 0o640, owner=0)
        os.chown(secret, 0, self.GROUPS[0])
        mounts = [{"path": place, "target": "/srv/x", "mode": "ro"}]
        row = self.probe("open", "r", "/srv/x/secret", mounts=mounts).one("open")
        # Rootless nothing but the starter's own rights are in play, its groups among them: the kernel lets nobody drop a group without a
        # range of ids.
        has_one_id = self.daemon.client().call("info")["warden"]["mode"] == "rootless"
        self.assertEqual(errno_name(row["errno"]), "ok" if has_one_id else "EACCES")
        self.assertEqual(self.daemon.stop(), [])
        self.daemon = None
