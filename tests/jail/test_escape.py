"""Ways out of the jail's root: A1 to A4, A10 to A13, A19, A20."""
import hashlib
import os
import shutil
import stat
import subprocess

from dayfly_test import Daemon, IS_ROOT, PROBE, errno_name, in_modes, parse_rows


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@in_modes
class Root:
    def test_A1_double_chroot_stays_inside(self):
        inside = self.probe("chroot", "/tmp")
        self.assertEqual(inside.errno("chroot"), "EPERM")
        self.assertEqual(inside.errno("chroot_again"), "EPERM")
        root = inside.one("root")
        for place in ("after_climb", "root_after"):
            self.assertEqual((inside.one(place)["dev"], inside.one(place)["ino"]), (root["dev"], root["ino"]))

        outside = self.outside("chroot", self.make_dir(owner=0), root=True)
        self.assertEqual(outside.errno("chroot"), "ok")
        self.assertEqual(outside.one("after_climb")["ino"], outside.one("root")["ino"], "a privileged process climbs out")

    def test_A1_no_trace_of_the_old_root(self):
        names = {row["path"] for row in self.probe("ls", "/").all("path")}
        expected = {"proc", "sys", "dev", "home", "root", "tmp", "run", "var", "mnt", "opt", "srv", "usr", "etc"}
        allowed = expected | {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}
        self.assertLessEqual(expected, names)
        self.assertLessEqual(names, allowed)
        points = [m["point"] for m in self.probe("mounts").all("mount")]
        self.assertEqual(points.count("/"), 1)
        self.assertFalse([p for p in points if "old" in p])
        # A path of the host that was not given is not there.
        self.assertEqual(self.probe("stat", self.stage.path).one("path")["errno"], 2)
        self.assertEqual(self.outside("stat", self.stage.path).one("path")["errno"], 0)

    def test_A1_climbing_with_dotdot(self):
        run = self.assert_ok(self.shell("cd ../../../../../../../../..; pwd; cd /tmp/../..; pwd; ls -d /../../usr"))
        self.assertEqual(run.text().split(), ["/", "/", "/../../usr"])

    def test_A2_cwd_through_a_descriptor_is_refused(self):
        for base in ("/proc/self/fd/", "/proc/thread-self/fd/", "/proc/1/fd/", "/proc/1/cwd", "/proc/1/root", "/proc/self/cwd/.."):
            for fd in range(3, 24) if base.endswith("fd/") else ("",):
                cwd = base + str(fd)
                try:
                    run = self.run_task([PROBE, "id"], cwd=cwd)
                except Exception as e:  # a refused request
                    self.assertIn(getattr(e, "code", None), ("bad_value", "setup_failed"), "%s: %s" % (cwd, e))
                    continue
                if run.outcome == "ok":
                    # Where it may go it is inside the jail, and named so.
                    where = parse_rows(run.stdout).one("id")["cwd"]
                    self.assertTrue(where and where.startswith("/"), (cwd, where))
                    self.assertNotIn(self.stage.path, where)
                else:
                    self.assertIn(run.error.get("code"), ("bad_value", "setup_failed"), "%s: %s" % (cwd, run))
                    self.assertIsNone(run.code)
        self.assertEqual(self.probe("id", cwd="/usr").one("id")["cwd"], "/usr")

    def test_A3_the_programs_cannot_be_written_by_a_task(self):
        programs = {name: sha256(os.path.join(self.stage.bin, name)) for name in ("dayflyd", "dayfly-warden", "dayfly")}
        for argv in (["/proc/self/exe", "--version"], ["/proc/1/exe", "--version"], ["/proc/thread-self/exe", "--version"]):
            self.run_task(argv)  # refused, or a copy of the program with no more rights than any other
        for user in ("agent", "root"):
            row = self.probe("exe", "/proc/1/exe", user=user).one("exe")
            self.assertIn(errno_name(row["write_errno"]), ("EACCES", "EPERM", "EROFS", "ETXTBSY"))
            self.assertNotEqual(row["reopen_errno"], 0)
        for name, before in programs.items():
            self.assertEqual(sha256(os.path.join(self.stage.bin, name)), before)

    def test_A3_library_code_in_the_first_exec_cannot_write_the_warden(self):
        """CVE-2019-5736: /proc/self/exe as the command, code of the attacker's loaded into it, the file opened again for writing."""
        place = self.make_dir()
        source = self.make_file(os.path.join(place, "evil.c"), r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void start(void)
{
    int fd = open("/proc/self/exe", O_PATH);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    unsetenv("LD_PRELOAD");
    execl("PROBE", "PROBE", "exe", path, (char *)0);
    _exit(9);
}
""".replace("PROBE", PROBE).replace("#include <unistd.h>", "#include <stdlib.h>\n#include <unistd.h>"))
        built = subprocess.run(["cc", "-shared", "-fPIC", "-o", os.path.join(place, "evil.so"), source], stderr=subprocess.PIPE)
        self.assertEqual(built.returncode, 0, built.stderr)
        os.chmod(os.path.join(place, "evil.so"), 0o755)
        # The worst case of rootless mode: the program is the user's own file, which the ids do not protect.
        warden = os.path.join(place, "dayfly-warden")
        shutil.copy(os.path.join(self.stage.bin, "dayfly-warden"), warden)
        os.chmod(warden, 0o755)
        self.stage.give(warden, 0 if self.mode == "root" else None)
        daemon = Daemon(self.stage, self.mode, ["--warden", warden])
        daemon.start()
        self.addCleanup(daemon.stop)
        client = daemon.connect()
        self.addCleanup(client.close)
        before = sha256(warden)
        # The control: preloaded into a program that the task may run, the code does run.
        task = {"env": {"LD_PRELOAD": "/srv/evil/evil.so"}, "mounts": [{"path": place, "target": "/srv/evil", "mode": "ro"}]}
        rows = parse_rows(self.assert_ok(self.run_task(["/bin/true"], client=client, **task)).stdout)
        self.assertEqual(len(rows.all("exe")), 1)
        for argv, user in ((["/proc/self/exe"], "agent"), (["/srv/evil/script"], "agent"), (["/proc/self/exe"], "root")):
            self.make_file(os.path.join(place, "script"), "#!/proc/self/exe\n", 0o755)
            run = self.run_task(argv, client=client, user=user, **task)
            for row in parse_rows(run.stdout).all("exe"):
                self.assertNotEqual(row["write_errno"], 0, "the warden's file was opened for writing: %s" % run)
                self.assertNotEqual(row["reopen_errno"], 0, "the warden's file was opened for writing: %s" % run)
        self.assertEqual(sha256(warden), before)

    def test_A11_file_handles_are_refused(self):
        inside = self.probe("handle", "/tmp")
        self.assertEqual(inside.errno("open_by_handle_at"), "EPERM")
        self.assertEqual(inside.errno("open_by_handle_at_root"), "EPERM")
        if IS_ROOT:
            self.assertEqual(self.outside("handle", self.make_dir(owner=0), root=True).errno("open_by_handle_at"), "ok")

    def test_A12_no_device_can_be_made(self):
        for user in ("agent", "root"):
            for kind, major, minor in (("b", 8, 0), ("b", 7, 0), ("c", 1, 1), ("c", 1, 3), ("c", 10, 232)):
                rows = self.probe("mknod", "/tmp/device", kind, major, minor, user=user)
                self.assertEqual(rows.errno("mknod"), "EPERM", (user, kind, major, minor))
            self.assertEqual(self.probe("mknod", "/tmp/fifo", "p", 0, 0, user=user).errno("mknod"), "ok")
        if IS_ROOT:
            place = self.make_dir(owner=0)
            self.assertEqual(self.outside("mknod", place + "/null", "c", 1, 3, root=True).errno("mknod"), "ok")

    def test_A12_every_mount_is_nodev_or_a_checked_device(self):
        devices = {"/dev/" + name for name in ("null", "zero", "full", "random", "urandom", "tty")}
        for mount in self.probe("mounts").all("mount"):
            options = mount["options"].split(",")
            if mount["point"] in devices or mount["type"] in ("devpts", "devtmpfs"):
                continue
            if "nodev" not in options:
                # Masks in /proc are the null device itself.
                self.assertTrue(mount["point"].startswith("/proc/"), mount)
                row = self.probe("stat", mount["point"]).one("path")
                self.assertEqual((row["type"], row["major"], row["minor"]), ("char", 1, 3), mount)

    def test_A13_the_image_and_read_only_mounts_do_not_change(self):
        shown = self.make_dir()
        self.make_file(os.path.join(shown, "file"), "before")
        target = "/usr/bin/env"
        before = sha256(target)
        for user in ("agent", "root"):
            mounts = [{"path": shown, "target": "/srv/shown", "mode": "ro"}]
            self.assertEqual(self.probe("write", "/srv/shown/file", "after", user=user, mounts=mounts).errno("open"), "EROFS")
            self.assertEqual(self.probe("create", "/srv/shown/new", "after", user=user, mounts=mounts).errno("open"), "EROFS")
            self.shell("echo overwritten >%s; rm -f %s; touch /usr/bin/new; rm -rf /usr/include/linux /usr/bin/[a-c]* /etc" % (target, target), user=user)
        self.assertEqual(sha256(target), before)
        self.assertFalse(os.path.exists("/usr/bin/new"))
        self.assertTrue(os.path.isdir("/etc") and os.path.exists("/usr/bin/cat"))
        with open(os.path.join(shown, "file")) as f:
            self.assertEqual(f.read(), "before")
        # The control: the same in a rw mount arrives.
        mounts = [{"path": shown, "target": "/srv/shown", "mode": "rw"}]
        self.assertEqual(self.probe("write", "/srv/shown/file", "after!", mounts=mounts).errno("write"), "ok")
        with open(os.path.join(shown, "file")) as f:
            self.assertEqual(f.read(), "after!")

    def test_A13_a_file_that_may_only_be_read_is_not_held_up_by_a_lease(self):
        """A lease on a descriptor for reading makes everybody else's open wait for 45 s."""
        shown = self.make_dir()
        self.make_file(os.path.join(shown, "file"), "x")
        script = """import errno, fcntl, os
fd = os.open("%s/file", os.O_RDONLY)
for kind in (fcntl.F_WRLCK, fcntl.F_RDLCK):
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, kind); print("taken")
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as e:
        print(errno.errorcode[e.errno])"""
        for mode in ("ro", "rw", "cow"):
            for profile in ("dev", "strict"):
                run = self.assert_ok(self.run_task(["python3", "-c", script % "/srv/shown"], profile=profile,
                                                   workspace={"path": shown, "mode": mode, "target": "/srv/shown"}))
                self.assertEqual(run.text().split(), ["EPERM", "EPERM"], (mode, profile))
        with self.stage.as_process() as kwargs:
            control = subprocess.run(["python3", "-c", script % shown], stdout=subprocess.PIPE, **kwargs)
        self.assertEqual(control.stdout.split(), [b"taken", b"taken"])
        # Other locks are of use, and stay.
        self.assert_ok(self.shell("flock /srv/shown/file true", workspace={"path": shown, "mode": "ro", "target": "/srv/shown"}))

    def test_A13_nothing_can_be_remounted(self):
        for user in ("agent", "root"):
            rows = self.probe("mount", user=user)
            self.assertEqual(rows.errno("remount_rw"), "EPERM")
            self.assertEqual(rows.errno("remount_root"), "EPERM")
        self.assertEqual(self.outside("mount", root=True).errno("remount_root"), "ok")


@in_modes
class Images:
    """Directory images that were made to lead the setup astray."""

    def attempt(self, root, **task):
        """A hostile image either works inside its own root or is refused cleanly."""
        try:
            run = self.run_bare(dict({"argv": ["/bin/probe", "mounts"], "image": root}, **task))
        except Exception as e:
            self.assertTrue(hasattr(e, "code"), repr(e))
            return None
        if run.outcome != "ok":
            self.assertIn(run.error.get("code"), ("setup_failed", "bad_value", "source_unavailable", "exec_failed"), str(run))
            self.assertIsNone(run.code)
            return None
        return parse_rows(run.stdout)

    def test_A4_a_plain_image_works(self):
        rows = self.attempt(self.make_image())
        self.assertIsNotNone(rows)
        points = {m["point"] for m in rows.all("mount")}
        self.assertLessEqual({"/", "/proc", "/dev", "/tmp"}, points)

    def test_A4_links_in_the_image_lead_nowhere(self):
        host = self.make_dir()
        for name in ("a", "b"):
            os.mkdir(os.path.join(host, name))
            self.stage.give(os.path.join(host, name))
        before = sorted(os.walk(host))
        cases = [("dev", host), ("proc", "/tmp"), ("proc", host), ("sys", ".."), ("tmp", host), ("run", host), ("etc", host),
                 ("etc", "/etc"), ("home", host), ("home", "../../.." + host), ("dev", "proc"), ("var", host), ("usr", "/usr"),
                 ("dev", "nowhere"), ("proc", "/proc/self/root")]
        for name, target in cases:
            root = self.make_image()
            path = os.path.join(root, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            os.symlink(target, path)
            rows = self.attempt(root)
            if rows is not None:
                # Whatever was mounted is where it should be.
                kinds = {m["point"]: m["type"] for m in rows.all("mount")}
                self.assertEqual(kinds.get("/proc"), "proc", (name, target))
                self.assertIn("/dev", kinds, (name, target))
            self.assertEqual(sorted(os.walk(host)), before, (name, target))
            self.assertTrue(os.path.islink(path), "the image itself was changed")

    def test_A4_links_below_dev_and_proc_lead_nowhere(self):
        host = self.make_dir()
        victim = self.make_file(os.path.join(host, "victim"), "untouched", 0o644)
        for place in ("dev/null", "dev/pts", "dev/console", "dev/shm", "dev/ptmx", "proc/sys", "proc/kcore", "etc/passwd",
                      "etc/resolv.conf", "etc/hosts", "etc/machine-id", "home/agent", "var/tmp", "run/lock"):
            root = self.make_image()
            path = os.path.join(root, place)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(victim if place not in ("dev/pts", "dev/shm", "proc/sys", "home/agent", "var/tmp") else host, path)
            self.attempt(root)
            with open(victim) as f:
                self.assertEqual(f.read(), "untouched", place)
            self.assertEqual(os.listdir(host), ["victim"], place)
            self.assertEqual(stat.S_IMODE(os.stat(victim).st_mode), 0o644, place)

    def test_A4_files_in_place_of_directories(self):
        for name in ("dev", "proc", "tmp", "etc", "run", "home"):
            root = self.make_image()
            path = os.path.join(root, name)
            if os.path.isdir(path):
                os.rmdir(path)
            self.make_file(path, "a file")
            self.attempt(root)
            with open(path) as f:
                self.assertEqual(f.read(), "a file")
            shutil.rmtree(root)
        root = self.make_image()
        os.mkfifo(os.path.join(root, "etc", "passwd"))
        self.attempt(root)

    def test_A10_mount_targets_do_not_follow_links(self):
        host, given = self.make_dir(), self.make_dir()
        self.make_file(os.path.join(given, "marker"), "given")
        for link, to, target in (("data", host, "/data"), ("data", host, "/data/below"), ("data", host + "/new/deeper", "/data"),
                                 ("data", "../../../../../.." + host, "/data/x"), ("data", "nowhere", "/data"),
                                 ("data", "nowhere", "/data/x")):
            root = self.make_image()
            os.symlink(to, os.path.join(root, link))
            task = {"mounts": [{"path": given, "target": target, "mode": "ro"}]}
            rows = self.attempt(root, **task)
            if rows is not None:
                points = [m["point"] for m in rows.all("mount")]
                self.assertIn(target, points)
            self.assertEqual(os.listdir(host), [], (link, to, target))
        # The control: without a link the mount is there.
        root = self.make_image()
        rows = self.attempt(root, mounts=[{"path": given, "target": "/data/below", "mode": "ro"}])
        self.assertIn("/data/below", [m["point"] for m in rows.all("mount")])
        self.assertFalse(os.path.exists(os.path.join(root, "data")), "targets are made in the private layer")

    def test_A10_reserved_and_unclean_targets_are_refused(self):
        given = self.make_dir()
        for target in ("/proc", "/proc/self", "/dev", "/dev/shm/x", "/sys", "/sys/fs/cgroup", "/", "/..", "/../x", "/a/../b", "relative", "/a/..",
                       "/a//proc/../../proc", "//proc", "/./proc", "/proc/"):
            with self.subTest(target=target):
                error = self.refused(("bad_value", "out_of_range", "too_large"), argv=[PROBE, "id"],
                                     mounts=[{"path": given, "target": target, "mode": "ro"}])
                self.assertIn("mounts", error.get("field", ""), target)

    def test_A20_modes_are_as_documented(self):
        root = self.make_image()
        os.chmod(root, 0o2775)
        os.mkdir(os.path.join(root, "wide"))
        os.chmod(os.path.join(root, "wide"), 0o3777)
        self.stage.give(os.path.join(root, "wide"))
        rows = self.run_bare({"argv": ["/bin/probe", "stat", "/", "/tmp", "/run", "/dev", "/dev/shm", "/wide", "/home/agent", "/etc/passwd"],
                              "image": root})
        self.assert_ok(rows)
        modes = {r["path"]: r["mode"] for r in parse_rows(rows.stdout).all("path")}
        self.assertEqual(modes["/tmp"], 0o1777)
        self.assertEqual(modes["/run"], 0o755)
        self.assertEqual(modes["/dev"], 0o755)
        self.assertEqual(modes["/dev/shm"], 0o1777)
        self.assertEqual(modes["/wide"], 0o3777)
        self.assertEqual(modes["/etc/passwd"], 0o644)
        self.assertEqual(modes["/"] & 0o002, 0, "the root is not for everybody to write")


@in_modes
class Propagation:
    def test_A19_mounts_do_not_travel(self):
        shared = self.make_dir()
        sub = os.path.join(shared, "sub")
        os.mkdir(sub)
        self.stage.give(sub)
        task = self.task(["sh", "-c", "echo ready; read x; exec %s mounts" % PROBE], stdin="stream",
                         workspace={"path": shared, "mode": "rw", "target": "/srv/shared"})
        tag, task_id = self.client.start(task)
        self.client.wait_output(tag, b"ready")
        inside_only = self.leaks.mounts()
        self.assertEqual(inside_only, self.leaks.before["mounts"], "a mount of the jail is on the host")
        if IS_ROOT:
            subprocess.run(["mount", "-t", "tmpfs", "none", sub], check=True)
        try:
            self.client.call("input", task=task_id, text="\n")
            run = self.client.finish(tag, task_id, make=lambda *a: a)
        finally:
            if IS_ROOT:
                subprocess.run(["umount", sub], check=True)
        points = [m["point"] for m in parse_rows(run[2]).all("mount")]
        self.assertIn("/srv/shared", points)
        self.assertFalse([p for p in points if p.startswith("/srv/shared/")], "a mount of the host came in")

    def test_A19_every_mount_is_private(self):
        for mount in self.probe("mounts").all("mount"):
            self.assertFalse([o for o in mount["optional"] if o.startswith(("shared", "master"))], mount)
