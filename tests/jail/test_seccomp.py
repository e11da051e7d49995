"""The system call filter on the running kernel, against the golden tables: E1 to E7, E13 to E16, E18, E19, E21, E23."""
import os
import re
import struct
import subprocess
import time

from dayfly_test import errno_name, in_modes

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "unit", "jail")
SIGSYS = 31
X86_64 = os.uname().machine == "x86_64"

# From an attempt to what it must give in profile dev; None: allowed.
SOCKETS = {
    "unix-stream": None, "unix-dgram": None, "unix-seqpacket": None, "inet-tcp": None, "inet-udp": None, "inet6-tcp": None,
    "inet6-udp": None, "netlink-route": None, "netlink-xfrm": "EPROTONOSUPPORT", "netlink-netfilter": "EPROTONOSUPPORT",
    "netlink-generic": "EPROTONOSUPPORT", "netlink-audit": "EPROTONOSUPPORT", "netlink-crypto": "EPROTONOSUPPORT",
    "netlink-uevent": "EPROTONOSUPPORT", "inet-raw": "EPERM", "inet6-raw": "EPERM", "inet-packet": "EPROTONOSUPPORT", "sctp": "EPROTONOSUPPORT",
    "sctp-seqpacket": "EPROTONOSUPPORT", "dccp": "EPROTONOSUPPORT", "mptcp": "EPROTONOSUPPORT", "udplite": "EPROTONOSUPPORT",
    "l2tp": "EPROTONOSUPPORT",
}
FAMILIES = ["alg", "vsock", "rds", "tipc", "key", "can", "bluetooth", "xdp", "packet", "smc", "kcm", "qipcrtr", "iucv", "phonet", "llc", "x25",
            "ax25", "nfc", "mctp"]


def read_golden(profile):
    """{number: verdict} of the native ABI."""
    table = {}
    with open(os.path.join(GOLDEN, "seccomp_%s.golden" % profile)) as f:
        for line in f:
            found = re.match(r"x86_64 (\d+) (\w+)", line)
            if found:
                table[int(found.group(1))] = found.group(2)
    return table


def tiny_i386_program():
    """A 32-bit ELF that exits with 42 through int 0x80."""
    code = b"\xb8\x01\x00\x00\x00\xbb\x2a\x00\x00\x00\xcd\x80"
    base, head = 0x08048000, 52 + 32
    elf = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + head, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, base, base, head + len(code), head + len(code), 5, 0x1000)
    return elf + segment + code


@in_modes
class Filter:
    def check_sweep(self, profile):
        if not X86_64:
            self.skipTest("the tables are for x86_64")
        golden = read_golden(profile)
        inside = self.probe("sweep", 0, 600, profile=profile, timeout=120)
        outside = {r["nr"]: r for r in self.outside("sweep", 0, 600).all("call")}
        skipped = {r["nr"] for r in inside.all("skip")}
        self.assertLess(len(skipped), 15)
        checked = 0
        for row in inside.all("call"):
            verdict, got = golden[row["nr"]], errno_name(row["errno"]) if "errno" in row else "signal %d" % row["signal"]
            control = outside[row["nr"]]
            control_got = errno_name(control["errno"]) if "errno" in control else "signal %d" % control["signal"]
            if verdict == "allow":
                # What the kernel itself says comes through. A call that it does not have is ENOSYS outside too.
                self.assertNotEqual(got, "signal %d" % SIGSYS, row)
                if got == "ENOSYS":
                    self.assertEqual(control_got, "ENOSYS", row)
                if control_got in ("EFAULT", "EBADF"):
                    self.assertEqual(got, control_got, "call %d with bad arguments" % row["nr"])
            else:
                self.assertEqual(got, verdict, row)
            checked += 1
        self.assertEqual(checked + len(skipped), 601)
        return outside

    def test_E1_every_call_is_as_the_dev_table_says(self):
        outside = self.check_sweep("dev")
        # The control: outside, calls that the table refuses get as far as their bad arguments.
        reached = [nr for nr, verdict in read_golden("dev").items()
                   if verdict in ("EPERM", "ENOSYS") and outside.get(nr, {}).get("errno") in (14, 22, 9)]
        self.assertGreater(len(reached), 10)

    def test_E1_every_call_is_as_the_strict_table_says(self):
        self.check_sweep("strict")

    def test_E2_x32_calls_kill(self):
        if not X86_64:
            self.skipTest("x86_64 only")
        for number in (39, 59, 165, 0, 512, 544):
            for profile in ("dev", "strict"):
                row = self.probe("foreign", "x32", number, profile=profile).one("call")
                self.assertEqual((row["signal"], "ret" in row), (SIGSYS, False), row)
        self.assertNotEqual(self.outside("foreign", "x32", 39).one("call")["signal"], SIGSYS)

    def test_E3_i386_calls_kill(self):
        if not X86_64:
            self.skipTest("x86_64 only")
        for number in (20, 21, 102, 11, 1):
            row = self.probe("foreign", "i386", number).one("call")
            self.assertEqual((row["signal"], "ret" in row), (SIGSYS, False), row)
        control = self.outside("foreign", "i386", 20).one("call")
        self.assertNotEqual(control["signal"], SIGSYS, control)

    def test_E3_a_32_bit_program_does_not_run(self):
        if not X86_64:
            self.skipTest("x86_64 only")
        place = self.make_dir()
        program = self.make_file(os.path.join(place, "program"), tiny_i386_program(), 0o755)
        run = self.run_task(["/srv/x/program"], workspace={"path": place, "mode": "ro", "target": "/srv/x"})
        self.assertNotEqual(run.code, 42, str(run))
        try:
            control = subprocess.run([program]).returncode
        except OSError:
            control = None  # this kernel has no 32-bit programs at all
        if control is not None:
            self.assertEqual(control, 42)
            self.assertEqual(run.cause, "seccomp", str(run))
            if self.mode == "root":
                self.check_call_is_named(place)

    def check_call_is_named(self, place):
        """The kernel writes ten such records in five seconds: this may not be the first today."""
        for _ in range(20):
            run = self.run_task(["/srv/x/program"], workspace={"path": place, "mode": "ro", "target": "/srv/x"})
            if run.error:
                break
            time.sleep(1)
        else:
            return self.skipTest("the kernel log has no record of killed processes (an audit daemon, or none may read it)")
        self.assertEqual(run.error["code"], "forbidden_call")
        self.assertIn("exit (i386)", run.error["message"])

    def test_E4_high_bits_change_nothing(self):
        high = 1 << 32
        if not X86_64:
            self.skipTest("numbers are for x86_64")
        for number, args in ((41, (high | 40, 1, 0)), (41, (high | 38, 5, 0)), (41, (high | 2, 3, 1)), (41, (2, high | 3, 1)),
                             (41, (2, 1, high | 262)), (53, (high | 40, 1, 0)), (16, (0, high | 0x5412, 0)), (16, (0, high | 0x541C, 0)),
                             (16, (0, high | 0x5423, 0)), (135, (high | 0x400000,)), (56, (high | 0x10000011,)), (56, (high << 8 | 0x20011,))):
            for profile in ("dev", "strict"):
                row = self.probe("call", number, *args, profile=profile).one("call")
                self.assertIn(errno_name(row["errno"]), ("EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT"), (number, [hex(a) for a in args]))
        rows = self.probe("sockets")
        for name in ("vsock", "netlink-xfrm", "mptcp"):
            self.assertEqual(rows.errno("socket", name=name, how="high"), rows.errno("socket", name=name, how="plain"))
        self.assertEqual(self.outside("sockets").errno("socket", name="netlink-xfrm", how="high"), "ok", "the kernel ignores the high bits")

    def test_E5_threads_and_children_work_without_clone3(self):
        self.assertEqual(self.probe("userns").errno("clone3_plain"), "ENOSYS")
        self.assertGreaterEqual(len(self.probe("threads", 8).all("thread")), 9)
        script = """import subprocess, threading, os, concurrent.futures as f
print(sum(f.ThreadPoolExecutor(8).map(lambda n: n, range(100))))
print(subprocess.check_output(["echo", "child"]).decode().strip())
pid = os.posix_spawn("/bin/echo", ["echo", "spawned"], {})
os.waitpid(pid, 0)"""
        for profile in ("dev", "strict"):
            run = self.assert_ok(self.run_task(["python3", "-u", "-c", script], profile=profile))
            self.assertEqual(run.text().split(), ["4950", "child", "spawned"])

    def test_E6_io_uring_is_not_there(self):
        for profile in ("dev", "strict"):
            rows = self.probe("kernel", profile=profile)
            for call in ("io_uring_setup", "io_uring_enter", "io_uring_register"):
                self.assertEqual(rows.errno(call), "ENOSYS", call)

    def test_E7_userfaultfd_is_refused(self):
        rows = self.probe("kernel")
        self.assertEqual((rows.errno("userfaultfd"), rows.errno("userfaultfd_user_mode")), ("EPERM", "EPERM"))
        self.assertEqual(self.outside("kernel").errno("userfaultfd_user_mode"), "ok")

    def test_E8_E9_rare_parts_of_the_kernel_are_refused(self):
        rows = self.probe("kernel")
        for call, answer in (("bpf", "EPERM"), ("perf_event_open", "EPERM"), ("memfd_secret", "ENOSYS"), ("kcmp", "EPERM"), ("add_key", "EPERM"),
                             ("keyctl_session", "EPERM"), ("unknown_call", "ENOSYS"), ("memfd_create", "ok")):
            self.assertEqual(rows.errno(call), answer, call)
        self.assertEqual(self.outside("kernel").errno("kcmp"), "ok")

    def test_E10_tracing_of_own_children(self):
        rows = self.probe("ptrace")
        self.assertEqual((rows.errno("ptrace_peek"), rows.errno("process_vm_readv")), ("ok", "ok"))
        self.assertEqual(rows.errno("suspend_seccomp"), "EPERM")
        strict = self.probe("ptrace", profile="strict")
        self.assertEqual((strict.errno("ptrace_peek"), strict.errno("process_vm_readv")), ("EPERM", "EPERM"))

    def test_E11_no_process_outside_can_be_named(self):
        mine = os.getpid()
        rows = self.probe("ptrace", mine, 1)
        self.assertEqual(rows.errno("ptrace_other", pid=mine), "ESRCH")
        self.assertEqual(rows.errno("ptrace_other", pid=1), "EPERM")
        self.assertEqual(self.probe("kill", mine, 0).errno("kill"), "ESRCH")

    def test_E11_the_limits_of_jail_init_are_not_the_tasks(self):
        """With one id, and as root, the task has jail init's uid: enough for prlimit, but for the filter. What init cannot open it cannot
        count."""
        work = self.make_dir()
        script = "prlimit --pid 1 --nofile=0:0; prlimit --pid 1 --cpu=1:1; echo x >new; prlimit --pid $$ --nofile=32:32 && ulimit -n"
        for user in ("agent", "root"):
            run = self.assert_ok(self.shell(script, user=user, workspace={"path": work, "mode": "cow"}))
            self.assertEqual(run.stderr.count(b"Operation not permitted"), 2, str(run))
            self.assertEqual(run.text().split()[-1], "32")
            self.assertEqual(run.result["changes"]["added"], 1, str(run))

    def test_E13_personalities(self):
        good = {"PER_LINUX", "PER_LINUX32", "UNAME26", "UNAME26_LINUX32", "query"}
        for profile, allowed in (("dev", good | {"ADDR_NO_RANDOMIZE"}), ("strict", good)):
            for row in self.probe("kernel", profile=profile).all("personality"):
                self.assertEqual(errno_name(row["errno"]), "ok" if row["name"] in allowed else "EPERM", (profile, row))
        self.assertEqual({r["errno"] for r in self.outside("kernel").all("personality")}, {0})

    def test_E14_socket_families_and_protocols(self):
        rows = self.probe("sockets")
        for row in rows.all("socket"):
            expected = SOCKETS.get(row["name"], "EAFNOSUPPORT" if row["name"] in FAMILIES else "?") or "ok"
            if row["name"].startswith("inet6") and expected == "ok":
                self.assertIn(errno_name(row["errno"]), ("ok", "EAFNOSUPPORT"), row)  # a kernel without IPv6
            else:
                self.assertEqual(errno_name(row["errno"]), expected, row)
        open_outside = [r["name"] for r in self.outside("sockets").all("socket") if r["how"] == "plain" and not r["errno"]]
        self.assertTrue([n for n in open_outside if SOCKETS.get(n, "x") is not None], "the host's kernel has more: %r" % open_outside)

    def test_E14_strict_without_a_network_has_unix_sockets_only(self):
        for row in self.probe("sockets", profile="strict").all("socket"):
            expected = "ok" if row["name"].startswith("unix") else "EAFNOSUPPORT"
            self.assertEqual(errno_name(row["errno"]), expected, row)

    def test_E15_socketpair_is_for_unix_only(self):
        for row in self.probe("sockets").all("socket"):
            expected = "ok" if row["name"].startswith("unix") else "EAFNOSUPPORT"
            self.assertEqual(errno_name(row["pair_errno"]), expected, row)

    def test_E16_a_task_may_narrow_itself_further(self):
        for profile in ("dev", "strict"):
            rows = self.probe("self-filter", profile=profile)
            for what in ("no_new_privs", "listener", "filter", "prctl_filter"):
                self.assertEqual(rows.errno(what), "ok", what)
            self.assertEqual(rows.errno("filtered_call"), "EACCES")
            self.assertEqual(rows.errno("mount_after"), "EPERM", "a filter of its own widened the jail's")
            if rows.errno("landlock_abi") == "ok":
                self.assertEqual((rows.errno("landlock_restrict"), rows.errno("landlocked_write")), ("ok", "EACCES"))
        self.assertEqual(self.outside("self-filter").errno("mount_after"), "EFAULT")

    def test_E18_calls_are_not_slow(self):
        # The least of each: what else the machine does makes both slower.
        inside, outside = [], []
        for _ in range(15):
            inside.append(self.probe("bench", 300000).one("bench")["ps_per_call"])
            outside.append(self.outside("bench", 300000).one("bench")["ps_per_call"])
            ratio = min(inside) / min(outside)
            if ratio < 1.5:
                return
        self.assertLess(ratio, 1.5, "a call inside costs %.2f of one outside" % ratio)

    def test_E19_every_thread_is_filtered(self):
        for profile in ("dev", "strict"):
            threads = self.probe("threads", 6, profile=profile).all("thread")
            self.assertEqual(len(threads), 7)
            for thread in threads:
                self.assertEqual((thread["Seccomp"], thread["NoNewPrivs"]), ("2", "1"), thread)
        self.assertEqual({t["Seccomp"] for t in self.outside("threads", 2).all("thread")} & {"2"}, set())

    def test_E21_calls_of_the_future_are_not_implemented(self):
        rows = self.probe("sweep", 463, 999)
        self.assertEqual({errno_name(r["errno"]) for r in rows.all("call")}, {"ENOSYS"})

    def test_E23_other_ioctls_work(self):
        rows = self.probe("tiocsti")
        self.assertEqual(rows.errno("ioctl", name="TCGETS"), "ok")
        self.assertEqual(rows.errno("ioctl", name="TIOCSTI"), "EPERM")
        run = self.assert_ok(self.run_task(["sh", "-c", "stty size; stty -a >/dev/null; tty"], tty=True, rows=33, cols=77))
        self.assertEqual(run.text().split(), ["33", "77", "/dev/pts/0"])
