"""The split of privileges is real: what each process may do and what it links."""
import os
import re
import struct
import subprocess

from dayfly_host import daemon_owner, read
from dayfly_test import IS_ROOT, USER, in_modes

from common import status_field

CAPS = {name: n for n, name in enumerate(
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner "
    "sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease "
    "audit_write audit_control setfcap".split())}


def capabilities(pid):
    return {name: int(status_field(pid, name)[0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def needed(path):
    done = subprocess.run(["readelf", "-d", path], stdout=subprocess.PIPE, check=True)
    return set(re.findall(r"\(NEEDED\).*\[(.*?)\.so", done.stdout.decode()))


@in_modes
class Split:
    def pid_of(self, comm):
        """Without the short-lived children that it forks of itself."""
        found = {pid: ppid for pid, (ppid, name, _) in self.daemon.processes().items() if name == comm}
        pid, = (pid for pid, ppid in found.items() if ppid not in found)
        return pid

    def test_dayflyd_is_not_root_and_has_no_capability(self):
        pid = self.pid_of("dayflyd")
        uids = {int(u) for u in status_field(pid, "Uid") + status_field(pid, "Gid")}
        self.assertNotIn(0, uids)
        self.assertEqual(uids, {daemon_owner() if self.mode == "root" else USER})
        caps = capabilities(pid)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(caps[name], 0, name)
        if self.mode == "root":
            self.assertEqual(caps["CapBnd"], 0)
            self.assertEqual(status_field(pid, "NoNewPrivs"), ["1"])
            self.assertEqual(status_field(pid, "Groups"), [])
        threads = os.listdir("/proc/%d/task" % pid)
        for tid in threads:
            self.assertEqual(int(re.search(r"CapEff:\s*(\w+)", read("/proc/%d/task/%s/status" % (pid, tid))).group(1), 16), 0)

    def test_the_warden_has_the_few_capabilities_that_are_documented(self):
        caps = capabilities(self.pid_of("dayfly-warden"))
        # docs/security.md. With a range of ids they count in the warden's own user namespace only.
        warden = self.client.call("info")["warden"]
        names = {"root": ("sys_admin", "setuid", "setgid", "kill", "sys_resource"), "rootless-subuid": ("setuid", "setgid", "kill", "setfcap"),
                 "rootless": ()}[warden["mode"]]
        if warden["upper_on_disk"] and names:
            names += ("dac_override", "fowner", "chown")
        allowed = sum(1 << CAPS[name] for name in names)
        # Some containers' root does not have them all.
        if self.mode == "root":
            allowed &= capabilities(os.getpid())["CapPrm"]
        for name in ("CapPrm", "CapEff"):
            self.assertEqual(caps[name], allowed, name)
        for name in ("CapInh", "CapAmb"):
            self.assertEqual(caps[name], 0, name)
        if self.mode == "root":
            self.assertEqual(caps["CapBnd"] & ~allowed, 0)

    def test_the_warden_is_single_threaded_and_so_is_the_keeper(self):
        for comm in ("dayfly-warden", "dayfly-keeper"):
            self.assertEqual(len(os.listdir("/proc/%d/task" % self.pid_of(comm))), 1, comm)

    def test_libraries_of_each_program(self):
        heavy = {"libuv", "libjansson", "libcurl", "libssl", "libcrypto"}
        warden = needed(os.path.join(self.stage.bin, "dayfly-warden"))
        self.assertFalse({name for name in warden if name in heavy}, warden)
        self.assertIn("libseccomp", warden)
        daemon = needed(os.path.join(self.stage.bin, "dayflyd"))
        self.assertNotIn("libseccomp", daemon)
        self.assertIn("libuv", daemon, "the positive control")
        self.assertFalse(needed(os.path.join(self.stage.bin, "dayfly")) & {"libuv", "libseccomp", "libcurl"})
        maps = read("/proc/%d/maps" % self.pid_of("dayfly-warden"))
        self.assertFalse([name for name in heavy if name in maps])

    def test_the_warden_runs_from_a_copy_that_no_task_can_write(self):
        exe = os.readlink("/proc/%d/exe" % self.pid_of("dayfly-warden"))
        self.assertIn("memfd:", exe)

    def test_programs_are_hardened(self):
        for name in ("dayfly", "dayflyd", "dayfly-warden"):
            path = os.path.join(self.stage.bin, name)
            with open(path, "rb") as f:
                kind, = struct.unpack("<H", f.read(18)[16:18])
            self.assertEqual(kind, 3, "position independent")
            text = subprocess.run(["readelf", "-ldW", path], stdout=subprocess.PIPE, check=True).stdout.decode()
            self.assertIn("GNU_RELRO", text)
            self.assertRegex(text, r"BIND_NOW|FLAGS_1.*NOW")
            self.assertNotRegex(text, r"GNU_STACK.*RWE")

    def test_tasks_have_nothing_of_it(self):
        run = self.assert_ok(self.shell("grep -E '^(Uid|Cap|NoNewPrivs|Seccomp:)' /proc/self/status"))
        rows = dict(line.split(":", 1) for line in run.text().splitlines())
        self.assertEqual(rows["Uid"].split(), ["1000"] * 4)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(rows[name], 16), 0)
        self.assertEqual((rows["NoNewPrivs"].strip(), rows["Seccomp"].strip()), ("1", "2"))

    def test_the_mode_is_the_one_that_is_tested(self):
        self.assertEqual(self.client.call("info")["mode"], self.mode)
        if self.mode == "root":
            self.assertTrue(IS_ROOT)
