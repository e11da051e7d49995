"""dayfly doctor: each test breaks the environment of a probe in namespaces of its own and looks for the row that says so, with why and
fix; the same row is ok where nothing is broken. J18, J20; the lists of docs/doctor.md."""
import ctypes
import json
import os
import re
import subprocess
import time

from dayfly_client import clock
from dayfly_host import ROOT, read
from dayfly_test import IS_ROOT, MODES, in_modes

# Nobody's: what this user uses up is missed by no other test.
USER = 61777
PASSWD = "root:x:0:0::/:/bin/sh\nme:x:%d:%d::/:/bin/sh\n" % (USER, USER)


class Findings(dict):
    """The rows by name; and the exit status."""

    def __init__(self, done):
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        super().__init__((row["check"], row) for row in rows)
        self.rows, self.status, self.stderr = rows, done.returncode, done.stderr


class Doctor:
    starts_daemon = False

    def probe(self, script="", args=(), unshare="-m", before=None, user=USER):
        """Runs the probe after a shell script, as root or (rootless) as a plain user, in new namespaces."""
        warden = os.path.join(self.stage.bin, "dayfly-warden")
        drop = ""
        if IS_ROOT and self.mode == "rootless" and "U" not in unshare:
            drop = "setpriv --reuid %d --regid %d --clear-groups %s" % (user, user, os.environ.get("DOCTOR_SETPRIV", ""))
        if not IS_ROOT and "U" not in unshare:
            unshare = "-Ur " + unshare
        # The shell stays: in a pid namespace it is process 1, and root's.
        inner = "set -e; %s\nset +e; %s \"$@\"; exit $?" % (script, drop)
        command = ["unshare"] + unshare.split() + ["sh", "-c", inner, "sh", warden, "--probe"] + list(args)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=120,
                              cwd="/", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, preexec_fn=before)
        self.assertIn(done.returncode, (0, 1), "%s\n%s" % (done.stdout, done.stderr))
        found = Findings(done)
        self.assertTrue(found, done.stderr)
        return found

    def assert_row(self, found, name, status, why="", fix="", needed=None):
        row = found[name]
        self.assertEqual(row["status"], status, row)
        for part in (why,) if isinstance(why, str) else why:
            self.assertIn(part, row["why"])
        for part in (fix,) if isinstance(fix, str) else fix:
            self.assertIn(part, row["fix"])
        if needed is not None:
            self.assertEqual(row["needed"], needed, row)
        return row

    def file(self, name, text, mode=0o644, owner=0):
        path = os.path.join(self.make_dir(owner=0), name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        if IS_ROOT:
            os.chown(path, owner, owner)
        return path

    def ids(self, uids, gids):
        """Bind mounts of the files that say which ids a user has."""
        return "".join("mount --bind %s /etc/%s\n" % (self.file(name, text), name)
                       for name, text in (("passwd", PASSWD), ("subuid", uids), ("subgid", gids)))


@in_modes
class Ids(Doctor):
    """What a plain user needs for more than one id. Root puts other files where the system's are."""
    modes = ("rootless",) if IS_ROOT else ()

    def test_ranges_that_are_there_are_mapped(self):
        found = self.probe(self.ids("me:200000:65536\n", "me:300000:65536\n"))
        self.assert_row(found, "subuid", "ok", "65536 ids from 200000")
        self.assert_row(found, "subgid", "ok", "65536 ids from 300000")
        self.assert_row(found, "id-range", "ok", "uids from 200000, gids from 300000")
        self.assertEqual(found.status, 0)

    def test_each_file_of_ranges_is_read_by_itself(self):
        found = self.probe(self.ids("me:200000:65536\n", "you:300000:65536\n"))
        self.assert_row(found, "subuid", "ok")
        self.assert_row(found, "subgid", "degraded", ("/etc/subgid has no range for user me", "tasks have a single id"),
                        "echo 'me:365536:65536' | sudo tee -a /etc/subgid", needed=False)
        self.assert_row(found, "id-range", "degraded", "not tried, as subgid is not well")
        found = self.probe(self.ids("me2:200000:65536\nm:200000:65536\n", "me:300000:65536\n"))
        self.assert_row(found, "subuid", "degraded", "/etc/subuid has no range for user me", "sudo tee -a /etc/subuid")
        self.assert_row(found, "subgid", "ok")
        self.assertEqual(found.status, 0)

    def test_a_fix_for_ranges_mends_it(self):
        uids, gids = "you:100000:65536\n", "me:300000:65536\n"
        fix = self.probe(self.ids(uids, gids))["subuid"]["fix"]
        line = re.match(r"echo '([^']+)' \| sudo tee -a /etc/subuid$", fix).group(1)
        self.assert_row(self.probe(self.ids(uids + line + "\n", gids)), "id-range", "ok")

    def test_ranges_that_are_too_short(self):
        found = self.probe(self.ids("me:200000:1000\n", "me:300000:65536\n"))
        self.assert_row(found, "subuid", "degraded", "/etc/subuid has 1000 ids", "me:")

    def test_helpers_that_are_not_installed(self):
        good = self.ids("me:200000:65536\n", "me:300000:65536\n")
        self.assert_row(self.probe(good), "id-helpers", "ok", "/newuidmap")
        gone = good + ("mount -t tmpfs tmpfs /mnt; mkdir /mnt/u /mnt/w; "
                       "mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/mnt/u,workdir=/mnt/w /usr/bin; rm /usr/bin/newuidmap")
        found = self.probe(gone)
        self.assert_row(found, "id-helpers", "degraded", ("newuidmap is not installed", "tasks have a single id"), "uidmap", needed=False)
        self.assert_row(found, "id-range", "degraded", "not tried, as id-helpers is not well")

    def test_helpers_without_rights_or_of_somebody_else(self):
        for mode, owner, why, fix in ((0o755, 0, "neither the set-user-id bit nor file capabilities", "sudo chmod u+s"),
                                      (0o4755, USER, "is not a file that only root can write", "sudo chown root:root /usr/bin/newuidmap"),
                                      (0o4777, 0, "is not a file that only root can write", "chmod 4755 /usr/bin/newuidmap")):
            with open("/usr/bin/newuidmap", "rb") as f:
                copy = self.file("newuidmap", "")
                with open(copy, "wb") as to:
                    to.write(f.read())
            os.chown(copy, owner, owner)
            os.chmod(copy, mode)
            self.assert_row(self.probe("mount --bind %s /usr/bin/newuidmap" % copy), "id-helpers", "degraded", why, fix)

    def test_helpers_on_a_nosuid_mount(self):
        found = self.probe("mount --bind /usr/bin /usr/bin; mount -o remount,bind,nosuid /usr/bin")
        self.assert_row(found, "id-helpers", "degraded", "mounted nosuid")

    def test_no_new_privs(self):
        ranges = self.ids("me:200000:65536\n", "me:300000:65536\n")
        self.assert_row(self.probe(ranges), "no-new-privs-unset", "ok")
        os.environ["DOCTOR_SETPRIV"] = "--no-new-privs"
        self.addCleanup(os.environ.pop, "DOCTOR_SETPRIV")
        found = self.probe(ranges)
        self.assert_row(found, "no-new-privs-unset", "degraded", "newuidmap cannot gain its rights", "NoNewPrivileges=no")
        self.assert_row(found, "id-range", "degraded", "no_new_privs is set")

    def test_few_processes(self):
        self.assert_row(self.probe(), "user-processes", "ok")
        found = self.probe("prlimit --pid $$ --nproc=40")
        self.assert_row(found, "user-processes", "degraded", ("Resource temporarily unavailable", "RLIMIT_NPROC is 40"))
        self.assertRegex(found["user-processes"]["fix"], "nproc 65536|LimitNPROC=infinity")
        self.assertEqual(found.status, 0)

    def test_keys_that_are_used_up(self):
        control = self.assert_row(self.probe(), "keyring", "ok")
        if "no key calls" in control["why"]:
            self.skipTest("this kernel has no key calls")
        # Another user: the keys of the control go away when the kernel finds time.
        uid = 62000 + os.getpid() % 1000
        found = self.probe(before=lambda: use_up_keys(uid), user=uid)
        self.assert_row(found, "keyring", "degraded", ("Disk quota exceeded", "kernel.keys.maxkeys="), "kernel.keys.maxkeys")


def use_up_keys(uid):
    """Becomes the user for a moment, joins a session keyring and fills it."""
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
    os.setresuid(uid, uid, 0)
    libc.syscall(numbers[0], 1, None)
    for i in range(int(read("/proc/sys/kernel/keys/maxkeys", "200")) + 1):
        libc.syscall(numbers[1], b"user", b"dayfly-test-%d" % i, b"x", ctypes.c_size_t(1), -3)
    os.setresuid(0, 0, 0)


@in_modes
class Both(Doctor):
    def test_the_document_has_every_row_in_its_group(self):
        found = self.probe()
        document = read(os.path.join(ROOT, "docs/doctor.md"))
        listed = {}
        for group, text in re.findall(r"^### (\w+)\n(.*?)(?=^##)", document, re.S | re.M):
            listed.update((name, group) for name in re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.M))
        self.assertGreater(len(listed), 30)
        for row in found.rows:
            self.assertEqual(listed.get(row["check"]), row["group"], row)
        # Root and a plain user together have every row that is listed.
        only = {"rootless": ("capabilities", "id-map", "idmapped-mount", "idmapped-workspaces"),
                "root": ("no-new-privs-unset", "id-helpers", "subuid", "subgid", "id-range", "linger")}
        self.assertEqual(set(listed) - set(found), set(only[self.mode]))
        # A group is in one piece.
        groups = [row["group"] for row in found.rows]
        self.assertEqual([g for i, g in enumerate(groups) if g not in groups[:i]], [g for i, g in enumerate(groups) if groups[i - 1:i] != [g]])

    def test_the_rows_are_whole(self):
        found = self.probe()
        self.assertEqual(found.stderr, "")
        for row in found.rows:
            self.assertEqual(set(row), {"check", "status", "needed", "group", "for", "why", "fix"})
            self.assertIn(row["status"], ("ok", "degraded", "missing"))
            self.assertTrue(row["for"])
            self.assertTrue(row["why"] or row["status"] == "ok", row)
        missing = [row["check"] for row in found.rows if row["needed"] and row["status"] == "missing"]
        self.assertEqual((missing, found.status), ([], 0))

    def test_the_command_prints_what_the_probe_finds(self):
        dayfly = os.path.join(self.stage.bin, "dayfly")
        with self.stage.as_process(self.mode == "root") as kwargs:
            raw = subprocess.run([dayfly, "doctor", "--json"], stdout=subprocess.PIPE, text=True, timeout=60, **kwargs)
            text = subprocess.run([dayfly, "doctor"], stdout=subprocess.PIPE, text=True, timeout=60, **kwargs)
        rows = [json.loads(line) for line in raw.stdout.splitlines()]
        self.assertEqual([r["check"] for r in rows], [r["check"] for r in self.probe().rows])
        self.assertEqual((raw.returncode, text.returncode), (0, 0))
        for row in rows:
            self.assertRegex(text.stdout, r"(?m)^  (ok|degraded|missing) +%s( |$)" % re.escape(row["check"]))
        self.assertNotIn("\x1b", text.stdout)
        self.assertIn("\n\nTasks can run", text.stdout)

    def test_no_user_namespaces(self):
        self.assert_row(self.probe(unshare="-Ur"), "user-namespaces", "ok")
        found = self.probe("echo 0 >/proc/sys/user/max_user_namespaces", unshare="-Ur")
        self.assert_row(found, "max-user-namespaces", "missing", "none may be created", needed=True)
        self.assert_row(found, "user-namespaces", "missing", ("No space left on device", "user.max_user_namespaces=0"),
                        "echo 'user.max_user_namespaces = 15000' | sudo tee", needed=True)
        self.assert_row(found, "proc-mount", "missing", "not tried, as user-namespaces is missing")
        self.assertEqual(found.status, 1)

    def test_few_namespaces_of_a_kind(self):
        found = self.probe("echo 20 >/proc/sys/user/max_net_namespaces", unshare="-Ur")
        self.assert_row(found, "max-user-namespaces", "degraded", "user.max_net_namespaces=20", "user.max_net_namespaces = 15000")
        self.assertEqual(found.status, 0)

    def test_J18_a_part_of_proc_that_is_read_only(self):
        self.assert_row(self.probe(), "proc-mount", "ok")
        found = self.probe("mount --rbind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys")
        row = self.assert_row(found, "proc-mount", "missing", ("Operation not permitted", "complete and writable",
                                                               "mounted over parts of it: /proc/sys"), needed=True)
        self.assertRegex(row["fix"], "systempaths=unconfined|unmask=ALL|ProtectKernelTunables=")
        self.assert_row(found, "user-namespaces", "ok")
        self.assertEqual(found.status, 1)

    def test_J18_files_of_proc_that_are_masked(self):
        names = ("version", "uptime", "loadavg", "stat", "cpuinfo", "meminfo")
        found = self.probe("; ".join("mount --bind /dev/null /proc/" + name for name in names))
        self.assert_row(found, "proc-mount", "missing", ("/proc/version, /proc/uptime", "and 2 more"))

    def test_J18_a_read_only_proc(self):
        self.assert_row(self.probe(), "host-proc", "ok")
        found = self.probe("mount --rbind /proc /proc; mount -o remount,bind,ro /proc")
        self.assert_row(found, "host-proc", "missing", "Read-only file system", "remount,rw,bind /proc", needed=True)
        self.assert_row(found, "user-namespaces", "missing", "Read-only file system")
        self.assertEqual(found.status, 1)

    def test_J18_no_proc(self):
        found = self.probe("mount -t tmpfs tmpfs /proc")
        self.assert_row(found, "host-proc", "missing", "/proc is not mounted", "mount -t proc proc /proc")
        self.assertEqual(found.status, 1)

    def test_few_open_files(self):
        self.assert_row(self.probe(), "open-files", "ok")
        found = self.probe("ulimit -n 64")
        self.assert_row(found, "open-files", "degraded", ("of 2048: Too many open files", "RLIMIT_NOFILE is 64 at most"))
        self.assertRegex(found["open-files"]["fix"], "nofile 65536|LimitNOFILE=1048576")
        self.assertEqual(found.status, 0)

    def test_few_inotify_instances(self):
        self.assert_row(self.probe(unshare="-Ur"), "inotify", "ok")
        found = self.probe("echo 4 >/proc/sys/user/max_inotify_instances", unshare="-Ur")
        self.assert_row(found, "inotify", "degraded", ("of 16: Too many open files", "fs.inotify.max_user_instances="),
                        "fs.inotify.max_user_instances = 1024")

    def test_a_state_directory_that_cannot_be_written(self):
        self.assert_row(self.probe(args=("--state-dir", "/tmp")), "state-dir", "ok", "/tmp")
        found = self.probe(args=("--state-dir", "/proc/self"))
        self.assert_row(found, "state-dir", "degraded", "/proc/self", "state_dir in [daemon]")
        # Where a tmpfs can hold no private layer, there is no place left for one.
        self.assertEqual(found.status, 0 if self.probe()["upper"]["status"] == "ok" else 1)

    def test_a_state_directory_with_little_room(self):
        for options, why in (("size=2m,mode=1777", "2 MiB free"), ("size=1g,nr_inodes=50,mode=1777", "49 inodes")):
            found = self.probe("mount -t tmpfs -o %s tmpfs /mnt" % options, args=("--state-dir", "/mnt"))
            self.assert_row(found, "state-space", "degraded", why, "df -h /mnt")
            self.assert_row(found, "state-dir", "ok")
        wide = self.probe("mount -t tmpfs -o size=1g,nr_inodes=5000,mode=1777 tmpfs /mnt", args=("--state-dir", "/mnt"))
        self.assert_row(wide, "state-space", "ok")

    def test_a_mount_below_usr(self):
        self.assert_row(self.probe(), "overlay-usr", "ok")
        found = self.probe("mount -t tmpfs tmpfs /usr/share/doc")
        if self.mode == "rootless":
            self.assert_row(found, "overlay-usr", "degraded", ("/usr will be read-only", "/usr/share/doc"), "sudo umount /usr/share/doc")
        self.assertEqual(found.status, 0)

    def test_nothing_is_left_of_a_probe(self):
        before = set(os.listdir("/var/tmp")), set(os.listdir("/tmp"))
        self.probe()

        def new():
            return {name for name in (set(os.listdir("/var/tmp")) - before[0]) | (set(os.listdir("/tmp")) - before[1]) if "dayfly-probe" in name}

        # Other tests, which run at the same time, have probes made too: those that stay are ours.
        left, end = new(), clock() + 10
        while left and clock() < end:
            time.sleep(0.05)
            left &= new()
        self.assertEqual(left, set())


@in_modes
class MountsOfRoot(Doctor):
    """What only root can break for others."""
    modes = MODES if IS_ROOT else ()

    def test_J18_hidepid(self):
        control = self.probe("mount -t proc proc /proc", unshare="-m -p -f")
        self.assert_row(control, "hidepid", "ok")
        self.assertEqual(control["hidepid"]["why"], "")
        if self.mode == "root":
            return  # who sees everything
        found = self.probe("mount -t proc -o hidepid=2 proc /proc", unshare="-m -p -f")
        self.assert_row(found, "hidepid", "ok", "processes of other users cannot be seen")
        self.assert_row(found, "proc-mount", "ok")
        self.assertEqual(found.status, 0)

    def test_the_groups_that_may_ping(self):
        found = self.probe(unshare="-m -n")
        self.assert_row(found, "ping", "degraded", "net.ipv4.ping_group_range=1 0", "net.ipv4.ping_group_range = 0 2147483647")
        wide = self.probe("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range", unshare="-m -n")
        self.assert_row(wide, "ping", "ok")

    def test_a_filesystem_that_can_be_no_upper_layer(self):
        found = self.probe("mount -t ramfs -o mode=1777 ramfs /mnt; chmod 1777 /mnt", args=("--state-dir", "/mnt"))
        self.assert_row(found, "overlay-disk", "degraded", "/mnt lies on ramfs", "ext4, xfs or btrfs", needed=False)
        # Where a tmpfs can be none either, there is no place left.
        has_tmpfs = self.probe()["upper"]["status"] == "ok"
        self.assert_row(found, "upper", "ok" if has_tmpfs else "missing")
        self.assert_row(found, "overlay-userxattr", "ok" if has_tmpfs else "missing")
        self.assertEqual(found.status, 0 if has_tmpfs else 1)
