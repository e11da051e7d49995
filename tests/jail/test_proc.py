"""/proc, /sys and /dev inside the jail: B1 to B12."""
import os
import stat

from dayfly_test import IS_ROOT, PROBE, errno_name, in_modes, parse_rows

SECRET = ["kcore", "keys", "key-users", "timer_list", "sched_debug", "latency_stats", "kallsyms", "kmsg", "iomem", "ioports",
          "vmallocinfo", "slabinfo", "kpagecount", "kpagecgroup", "kpageflags", "config.gz", "modules", "pagetypeinfo"]
WRITABLE_BY_ROOT = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug",
                    "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches",
                    "/proc/sys/vm/panic_on_oom", "/proc/sys/fs/binfmt_misc/register", "/proc/irq/default_smp_affinity",
                    "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/ns_last_pid", "/proc/sys/user/max_user_namespaces",
                    "/proc/sys/kernel/yama/ptrace_scope", "/proc/mtrr", "/proc/scsi/scsi", "/proc/fs/nfsd", "/proc/bus/pci/00/00.0"]


@in_modes
class Proc:
    def test_B1_kernel_files_tell_nothing(self):
        paths = ["/proc/" + name for name in SECRET]
        for user in ("agent", "root"):
            for row in self.probe("cat", *paths, user=user).all("cat"):
                if row["errno"]:
                    self.assertIn(errno_name(row["errno"]), ("ENOENT", "EACCES", "EPERM"), row)
                else:
                    self.assertEqual(row["text"], "", row["path"])
        if IS_ROOT:
            readable = [r for r in self.outside("cat", *paths, root=True).all("cat") if r.get("text")]
            self.assertGreater(len(readable), 3, "some of these exist on the host")

    def test_B1_folders_of_the_kernel_are_empty(self):
        for name in ("acpi", "scsi", "asound", "driver"):
            rows = self.probe("ls", "/proc/" + name)
            self.assertEqual(rows.all("path"), [], name)

    def test_B2_kernel_settings_cannot_be_written(self):
        def values():
            found = {}
            for path in WRITABLE_BY_ROOT:
                try:
                    if not path.endswith(("sysrq-trigger", "drop_caches", "register", "ns_last_pid")):
                        with open(path, "rb") as f:
                            found[path] = f.read()
                except OSError:
                    pass
            return found

        before = values()
        trigger = self.probe("stat", "/proc/sysrq-trigger").one("path")
        is_masked = not trigger["errno"] and trigger["type"] != "file"
        if is_masked:
            self.assertEqual((trigger["type"], trigger["major"], trigger["minor"]), ("char", 1, 3))
        for user in ("agent", "root"):
            for row in self.probe("open", "w", *WRITABLE_BY_ROOT, user=user).all("open"):
                if row["path"] == "/proc/sysrq-trigger" and is_masked:
                    # It is the null device, and may be written as that.
                    continue
                self.assertIn(errno_name(row["errno"]), ("EROFS", "EACCES", "EPERM", "ENOENT", "EISDIR"), (user, row))
        self.assertEqual(values(), before)
        if IS_ROOT:
            control = self.outside("open", "w", "/proc/sys/kernel/core_pattern", root=True)
            self.assertEqual(control.one("open")["errno"], 0)

    def test_B3_masks_are_what_they_should_be_and_stay(self):
        script = """for f in %s; do
  [ -e /proc/$f ] || continue
  rm -f /proc/$f; mv /proc/$f /tmp/x; umount /proc/$f; chmod 644 /proc/$f; ln -sf /etc/passwd /proc/$f
done 2>/dev/null
rm -f /dev/null; mv /dev/null /tmp/null; chmod 600 /dev/null 2>/dev/null
ln -sf /etc/passwd /dev/null; %s stat %s /dev/null; exec %s open r %s""" % (
            " ".join(SECRET), PROBE, " ".join("/proc/" + n for n in SECRET), PROBE, " ".join("/proc/" + n for n in SECRET))
        for user in ("agent", "root"):
            rows = parse_rows(self.assert_ok(self.shell(script, user=user)).stdout)
            opened = {r["path"]: errno_name(r["errno"]) for r in rows.all("open")}
            self.assertEqual(len(rows.all("path")), len(SECRET) + 1)
            for row in rows.all("path"):
                # The null device; or, without a mask, a file of the host's root for nobody else: it cannot be opened.
                if row["errno"] != 2 and (row["type"], row["major"], row["minor"]) != ("char", 1, 3):
                    self.assertEqual((row["mode"] & 0o077, row["uid"], opened[row["path"]]), (0, 65534, "EACCES"), (user, row))
        self.assertEqual(stat.S_IMODE(os.stat("/dev/null").st_mode), 0o666)

    def test_B4_only_the_own_processes_show(self):
        rows = self.probe("procs").all("process")
        self.assertLessEqual(len(rows), 3, rows)
        self.assertEqual(min(r["pid"] for r in rows), 1)
        self.assertGreater(len(self.outside("procs").all("process")), 3)

    def test_B4_init_cannot_be_looked_into(self):
        for user in ("agent", "root"):
            for row in self.probe("mem", 1, user=user).all("mem"):
                if row["path"].endswith(("/cmdline",)):
                    continue
                self.assertIn(errno_name(row["errno"]), ("EACCES", "EPERM"), (user, row))
            run = self.run_bare({"argv": ["sh", "-c", "cat /proc/1/cmdline /proc/1/comm /proc/1/mountinfo /proc/1/cgroup; exit 0"], "user": user})
            self.assertNotIn(os.path.basename(self.stage.path), self.without_store(run.text()), "init tells about the host")
            self.assertIn("/proc", run.text())
        own = self.probe("mem", "self").all("mem")
        self.assertEqual([r for r in own if r["errno"] and "/stack" not in r["path"]], [], "the probe can look into itself")

    def test_B4_a_given_root_directory_shows_no_more_than_its_client_sees(self):
        """`/` comes with the host's /proc: as the client, not as the daemon, and read-only."""
        secret = self.make_dir(owner=0 if IS_ROOT else None, mode=0o700)
        workspace = {"path": "/", "mode": "ro", "target": "/srv/host"}
        daemon = self.daemon.process.pid
        for user in ("agent", "root"):
            paths = ["/srv/host/proc/%d/%s" % (pid, name) for pid in (daemon, 1) for name in ("mem", "environ", "root/etc", "cwd/.", "fd/0", "maps")]
            for row in self.probe("open", "r", *paths, workspace=workspace, user=user).all("open"):
                self.assertIn(errno_name(row["errno"]), ("EACCES", "EPERM", "ENOENT"), row)
            paths = ["/srv/host/proc/sys/kernel/core_pattern", "/srv/host/proc/sysrq-trigger", "/srv/host/proc/%d/oom_score_adj" % daemon,
                     "/srv/host/dev/null", "/srv/host/tmp/dayfly-test-%d" % os.getpid()]
            for row in self.probe("open", "w", *paths, workspace=workspace, user=user).all("open"):
                self.assertIn(errno_name(row["errno"]), ("EROFS", "EACCES", "EPERM", "ENOENT"), row)
            if IS_ROOT:
                row = self.probe("ls", "/srv/host" + secret, workspace=workspace, user=user).all("path")
                self.assertEqual([r for r in row if not r.get("errno")], [])
        self.assertGreater(len(self.probe("ls", "/srv/host/usr", workspace=workspace).all("path")), 3, "it is there")

    def without_store(self, text):
        """A private layer on disk shows in mountinfo where it lies: the kernel has no way to hide that."""
        return text.replace(self.daemon.state_dir, "") if self.daemon.is_upper_on_disk else text

    def test_B5_no_path_of_the_daemon_shows(self):
        files = ["/proc/self/mountinfo", "/proc/self/mounts", "/proc/self/mountstats", "/proc/self/cgroup", "/proc/self/uid_map",
                 "/proc/self/maps", "/proc/self/environ", "/proc/mounts", "/proc/self/status", "/proc/self/limits", "/proc/cmdline"]
        run = self.assert_ok(self.run_bare({"argv": ["cat"] + files}))
        self.assertIn("overlay", run.text())
        for place in (self.stage.path, self.daemon.place, os.path.basename(self.stage.path), "dayfly-test"):
            self.assertNotIn(place, self.without_store(run.text()))
        for mount in self.probe("mounts").all("mount"):
            if mount["type"] == "overlay":
                for option in mount["super"].split(","):
                    key, _, value = option.partition("=")
                    if key.endswith("dir"):
                        self.assertFalse(value.startswith(("/tmp", "/var", "/run", "/home")), mount)

    def test_B6_there_is_no_sysfs(self):
        self.assertEqual([m for m in self.probe("mounts").all("mount") if m["type"] in ("sysfs", "debugfs", "tracefs", "securityfs", "bpf", "configfs")], [])
        self.assertEqual(self.probe("ls", "/sys").all("path"), [])
        paths = ["/sys/firmware", "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/cgroup",
                 "/sys/class/powercap", "/sys/devices/virtual/powercap", "/sys/kernel/uevent_helper"]
        for row in self.probe("stat", *paths).all("path"):
            self.assertEqual(errno_name(row["errno"]), "ENOENT", row)
        self.assertTrue(self.outside("ls", "/sys").all("path"), "the host has one")

    def test_B7_no_cgroup_can_be_seen_or_changed(self):
        self.assertEqual([m for m in self.probe("mounts").all("mount") if m["type"].startswith("cgroup")], [])
        text = self.probe("cat", "/proc/self/cgroup").one("cat")["text"]
        for line in text.splitlines():
            self.assertTrue(line.endswith(":/"), "the task sees where it is in the host's tree: %s" % line)
        rows = self.probe("open", "w", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory.max", "/proc/self/cgroup").all("open")
        for row in rows:
            self.assertIn(errno_name(row["errno"]), ("ENOENT", "EACCES", "EPERM", "EROFS"), row)

    def test_B8_dev_is_exactly_this(self):
        rows = {r["path"]: r for r in self.probe("ls", "/dev").all("path")}
        devices = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
        links = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
                 "ptmx": "pts/ptmx"}
        self.assertEqual(set(rows), set(devices) | set(links) | {"pts", "shm"})
        for name, (major, minor) in devices.items():
            self.assertEqual((rows[name]["type"], rows[name]["major"], rows[name]["minor"]), ("char", major, minor), name)
        for name, target in links.items():
            self.assertEqual((rows[name]["type"], rows[name]["link"]), ("link", target), name)
        self.assertEqual((rows["shm"]["type"], rows["shm"]["mode"]), ("dir", 0o1777))
        # A devpts of its own: empty but for ptmx.
        self.assertEqual([r["path"] for r in self.probe("ls", "/dev/pts").all("path")], ["ptmx"])
        self.assert_ok(self.shell("echo x >/dev/null; head -c4 /dev/zero >/dev/null; head -c16 /dev/urandom >/dev/null; "
                                  "! echo x >/dev/full 2>/dev/null"))

    def test_B9_shared_memory_is_private(self):
        for place in ("/dev/shm", "/tmp", "/var/tmp", "/run/lock"):
            marker = place + "/marker-of-one-task"
            tag, task_id = self.client.start(self.task(["sh", "-c", "echo x >%s; echo ready; sleep 60" % marker]))
            self.client.wait_output(tag, b"ready")
            other = self.probe("stat", marker, client=self.new_client()).one("path")
            self.assertEqual(errno_name(other["errno"]), "ENOENT", place)
            self.client.call("cancel", task=task_id)
            self.client.finish(tag, task_id)
            self.assertEqual(errno_name(self.probe("stat", marker).one("path")["errno"]), "ENOENT")
            self.assertFalse(os.path.exists(marker))

    def test_B10_namespaces_stay_off(self):
        path = "/proc/sys/user/max_user_namespaces"
        self.assertEqual(self.probe("cat", path).one("cat")["text"].strip(), "0")
        for user in ("agent", "root"):
            self.assertIn(self.probe("open", "w", path, user=user).errno("open"), ("EACCES", "EPERM", "EROFS"))
            run = self.shell("echo 1000 >%s; unshare -U true && exit 1; unshare -m true && exit 2; exit 0" % path, user=user)
            self.assert_ok(run)
        self.assertEqual(self.outside("userns").all("unshare")[0]["errno"], 0, "the host allows them")

    def test_B11_memory_of_the_own_child_only(self):
        script = "%s sleep 60 >/dev/null & p=$!; sleep 0.1; %s mem $p 1; kill $p" % (PROBE, PROBE)
        rows = parse_rows(self.assert_ok(self.shell(script)).stdout).all("mem")
        by_path = {r["path"]: errno_name(r["errno"]) for r in rows if r["path"].endswith("/mem")}
        self.assertEqual(by_path.pop("/proc/1/mem"), "EACCES")
        self.assertEqual(list(by_path.values()), ["ok"])

    def test_B12_masks_cannot_be_unmounted(self):
        for user in ("agent", "root"):
            rows = self.probe("mount", user=user)
            for what in ("umount_kcore", "umount_sys", "umount_root", "move"):
                self.assertEqual(rows.errno(what), "EPERM", (user, what))
        self.assertEqual(self.outside("mount", root=True).errno("umount_sys"), "EINVAL", "a privileged process gets further")
