"""Namespaces, identifiers and process 1: D1 to D9, and the network of a task without one."""
import os
import socket

from dayfly_host import read
from dayfly_test import IS_ROOT, PROBE, USER, errno_name, in_modes, parse_rows

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


@in_modes
class Namespaces:
    def test_D1_all_seven_are_the_tasks_own(self):
        host = {kind: os.readlink("/proc/self/ns/" + kind) for kind in KINDS}
        tags = [self.client.start(self.task(["sh", "-c", "%s ns; echo ready; sleep 20" % PROBE])) for _ in range(2)]
        seen = [parse_rows(self.client.wait_output(tag, b"ready")).one("ns") for tag, _ in tags]
        for tag, task_id in tags:
            self.client.call("cancel", task=task_id)
            self.client.finish(tag, task_id)
        for kind in KINDS:
            self.assertNotEqual(seen[0][kind], host[kind], kind)
            self.assertNotEqual(seen[1][kind], host[kind], kind)
            self.assertNotEqual(seen[0][kind], seen[1][kind], kind)
        self.assertEqual({k: self.outside("ns").one("ns")[k] for k in KINDS}, host)

    def test_D1_the_result_says_so(self):
        run = self.assert_ok(self.run_task(["true"]))
        enforced = run.result["enforced"]
        for control in ("user_namespace", "mount_namespace", "pid_namespace", "network_namespace", "ipc_namespace", "uts_namespace",
                        "cgroup_namespace", "overlay_root", "proc_masked", "no_capabilities", "no_new_privs", "no_nested_namespaces", "seccomp",
                        "rlimits", "lifeline"):
            self.assertTrue(enforced.get(control), "%s in %r" % (control, enforced))

    def test_D2_no_new_user_namespace(self):
        for profile in ("dev", "strict"):
            for user in ("agent", "root"):
                rows = self.probe("userns", profile=profile, user=user)
                self.assertEqual([errno_name(r["errno"]) for r in rows.all("unshare")], ["EPERM"] * 8, (profile, user))
                self.assertEqual(rows.errno("clone"), "EPERM")
                self.assertEqual(rows.errno("clone3"), "ENOSYS")
                self.assertEqual(rows.errno("clone3_plain"), "ENOSYS")
                self.assertEqual(rows.errno("fork"), "ok")
        outside = self.outside("userns")
        self.assertEqual({errno_name(r["errno"]) for r in outside.all("unshare")}, {"ok"})
        self.assertEqual((outside.errno("clone"), outside.errno("clone3")), ("ok", "ok"))

    def test_D2_the_second_lock_is_shut(self):
        self.assertEqual(self.probe("cat", "/proc/sys/user/max_user_namespaces").one("cat")["text"].strip(), "0")

    def test_D3_no_namespace_can_be_entered(self):
        for user in ("agent", "root"):
            rows = self.probe("setns", 1, user=user)
            for row in rows.all("setns") + rows.all("setns_pidfd"):
                self.assertEqual(errno_name(row["errno"]), "EPERM", (user, row))
        own = self.outside("setns", os.getpid(), root=True) if IS_ROOT else None
        if own is not None:
            self.assertEqual(own.errno("setns", path="/proc/%d/ns/uts" % os.getpid()), "ok")

    def test_D4_the_mount_calls_are_not_there(self):
        for user in ("agent", "root"):
            rows = self.probe("mount", user=user)
            for call in ("fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "move_mount", "mount_setattr", "open_tree_attr", "statmount",
                         "listmount"):
                self.assertEqual(rows.errno(call), "ENOSYS", (user, call))
        outside = self.outside("mount", root=True)
        self.assertEqual(outside.errno("fsopen"), "ok")
        # In a user namespace of its own the control may meet locked mounts.
        self.assertIn(outside.errno("open_tree"), ("ok", "EINVAL"))

    def test_D5_no_mount_no_umount_no_pivot(self):
        for profile in ("dev", "strict"):
            for user in ("agent", "root"):
                rows = self.probe("mount", user=user, profile=profile)
                for call in ("own_namespace", "mount_tmpfs", "mount_proc", "mount_bind", "umount_kcore", "umount_sys", "umount_root", "pivot_root",
                             "make_shared"):
                    self.assertEqual(rows.errno(call), "EPERM", (user, call))
        outside = self.outside("mount", root=True)
        self.assertEqual((outside.errno("mount_tmpfs"), outside.errno("mount_bind")), ("ok", "ok"))

    def test_G14_no_flood_of_mounts_or_namespaces(self):
        script = """import collections, ctypes, errno
l = ctypes.CDLL(None, use_errno=True)
seen = collections.Counter()
def note(what, r): seen[what, "ok" if r >= 0 else errno.errorcode[ctypes.get_errno()]] += 1
for n in range(500):
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x80):
        note("unshare", l.unshare(flag))
    note("mount", l.mount(b"none", b"/tmp", b"tmpfs", 0, None))
    note("bind", l.mount(b"/usr", b"/tmp", None, 4096, None))
for (what, how), n in sorted(seen.items()): print(what, how, n)"""
        for user in ("agent", "root"):
            run = self.assert_ok(self.run_task(["python3", "-c", script], user=user))
            self.assertEqual(run.text().splitlines(), ["bind EPERM 500", "mount EPERM 500", "unshare EPERM 4000"])
            # And should the filter fail: the kernel's own counts are at 0 for what all the others need.
            self.assertEqual(self.probe("cat", "/proc/sys/user/max_user_namespaces", user=user).one("cat")["text"].strip(), "0")

    def test_D6_host_name_and_ipc_are_private(self):
        self.assertEqual(self.probe("id").one("id")["hostname"], "dayfly")
        before = os.uname().nodename
        self.assertNotEqual(self.shell("hostname intruder", user="root").code, 0)
        self.assertEqual(os.uname().nodename, before)

        key = 0x6461
        tag, task_id = self.client.start(self.task(["sh", "-c", "%s ipc create %d; echo ready; sleep 20" % (PROBE, key)]))
        made = parse_rows(self.client.wait_output(tag, b"ready"))
        self.assertEqual(set(made.errnos().values()), {"ok"}, made)
        other = self.probe("ipc", "look", key)
        host = self.outside("ipc", "look", key)
        self.client.call("cancel", task=task_id)
        self.client.finish(tag, task_id)
        for what in ("shm", "sem", "msg", "mq", "posix_shm"):
            self.assertEqual(other.errno(what), "ENOENT", what)
            self.assertEqual(host.errno(what), "ENOENT", what)
        # The control: in one and the same task they are found.
        same = parse_rows(self.assert_ok(self.shell("%s ipc create %d >/dev/null; %s ipc look %d" % (PROBE, key, PROBE, key))).stdout)
        self.assertEqual(set(same.errnos().values()), {"ok"}, same)

    def test_D7_files_belong_to_the_client_outside(self):
        work = self.make_dir()
        for user in ("agent", "root"):
            self.assert_ok(self.shell("cd /srv/work; touch %s; mkdir %s.d; ln -s x %s.l" % (user, user, user), user=user,
                                      workspace={"path": work, "mode": "rw", "target": "/srv/work"}))
        for name in os.listdir(work):
            self.assertEqual(os.lstat(os.path.join(work, name)).st_uid, USER, name)
        # And what is the client's is the task's own inside.
        rows = self.probe("stat", "/srv/work", "/srv/work/agent", workspace={"path": work, "mode": "rw", "target": "/srv/work"})
        self.assertEqual([r["uid"] for r in rows.all("path")], [1000, 1000])

    def test_D7_running_tasks_have_ids_of_their_own(self):
        tags = [self.client.start(self.task(["sh", "-c", "echo ready; sleep 20"])) for _ in range(2)]
        for tag, _ in tags:
            self.client.wait_output(tag, b"ready")
        # As they are seen from here: inside, the numbers are those of the namespace around.
        maps = [read("/proc/%d/uid_map" % pid).splitlines() for pid, (_, comm, _) in self.daemon.processes().items() if comm == "dayfly-init"]
        self.assertEqual(len(maps), 2)
        for tag, task_id in tags:
            self.client.call("cancel", task=task_id)
            self.client.finish(tag, task_id)
        for lines in maps:
            for line in lines:
                inside, outside, count = (int(n) for n in line.split())
                self.assertNotEqual(outside, 0, "the host's root is in the map: %s" % line)
                if self.mode == "root":
                    self.assertGreaterEqual(outside, 1879048192 + 65536)
        if self.mode == "root":
            first, second = (int(lines[0].split()[1]) for lines in maps)
            self.assertGreaterEqual(abs(first - second), 65536)
            self.assertEqual(sum(int(line.split()[2]) for line in maps[0]), 65536)

    def test_D8_init_cannot_be_killed_from_inside(self):
        for user in ("agent", "root"):
            signals = [9, 19, 15, 2, 1, 3, 6, 10, 11, 12, 14, 18, 20, 31, 34, 64]
            run = self.shell("%s kill 1 %s; sleep 0.3; %s procs" % (PROBE, " ".join(map(str, signals)), PROBE), user=user)
            rows = parse_rows(self.assert_ok(run).stdout)
            inits = [r for r in rows.all("process") if r["pid"] == 1]
            self.assertEqual([r["state"] in "SR" for r in inits], [True], inits)
            self.assertEqual(run.cause, "exit")

    def test_D8_everything_below_can_be(self):
        run = self.shell("sleep 100 & kill -9 $!; wait $!; echo $?")
        self.assertEqual(self.assert_ok(run).text().strip(), "137")

    def test_D9_orphans_are_reaped(self):
        row = self.probe("orphans", 2000, timeout=60).one("orphans")
        self.assertEqual((row["failures"], row["zombies"]), (0, 0), row)
        self.assertLessEqual(row["processes"], 3, row)

    def test_D9_what_is_left_behind_dies_with_the_task(self):
        run = self.shell("for i in 1 2 3 4 5 6 7 8 9 10; do %s daemonize 3600; done >/dev/null" % PROBE)
        self.assert_ok(run)
        self.assertLess(run.result["time"]["run"], 5000000)


@in_modes
class Network:
    def test_D1_loopback_only_and_up(self):
        rows = self.probe("net").all("interface")
        self.assertEqual([(r["name"], r["up"], r["loopback"]) for r in rows], [("lo", True, True)])

    def test_D1_nothing_outside_is_reachable(self):
        for kind, address, port in (("tcp", "1.1.1.1", 80), ("udp", "8.8.8.8", 53), ("tcp", "169.254.169.254", 80), ("tcp", "10.0.0.1", 22),
                                    ("tcp", "2606:4700::1111", 443), ("udp", "224.0.0.1", 5353)):
            rows = self.probe("connect", kind, address, port)
            self.assertIn(rows.errno("connect"), ("ENETUNREACH", "EADDRNOTAVAIL"), (kind, address))

    def test_D1_services_of_the_host_are_not_reachable(self):
        listeners = []
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                server = socket.create_server((address, 0), family=family)
            except OSError:
                continue  # this host has no IPv6
            listeners.append((address, server))
            self.addCleanup(server.close)
        name = "dayfly-test-%d" % os.getpid()
        abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(abstract.close)
        abstract.bind("\0" + name)
        abstract.listen(8)
        self.leaks.renew()
        for address, server in listeners:
            port = server.getsockname()[1]
            self.assertEqual(self.outside("connect", "tcp", address, port).errno("connect"), "ok")
            self.assertIn(self.probe("connect", "tcp", address, port).errno("connect"), ("ECONNREFUSED", "EADDRNOTAVAIL"), address)
        self.assertIn(self.probe("connect", "abstract", name).errno("connect"), ("ECONNREFUSED", "EPERM"))
        for path in (self.daemon.socket, "/run/dbus/system_bus_socket", "/var/run/docker.sock"):
            self.assertEqual(self.probe("connect", "unix", path).errno("connect"), "ENOENT")

    def test_D1_loopback_of_the_task_works(self):
        script = """import socket, threading
s = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: s.accept()[0].sendall(b"hello"), daemon=True).start()
print(socket.create_connection(s.getsockname()).recv(5).decode())"""
        self.assertEqual(self.assert_ok(self.run_task(["python3", "-c", script])).text(), "hello\n")

    def test_D1_the_hosts_network_needs_permission(self):
        error = self.refused("not_allowed", network="host")
        self.assertEqual(error.get("field"), "task.network")


@in_modes
class HostNetwork:
    daemon_args = ("--allow-host-network",)

    def test_D1_host_network_is_the_hosts_and_nothing_else_is(self):
        rows = self.probe("ns", network="host").one("ns")
        for kind in KINDS:
            self.assertEqual(rows[kind] == os.readlink("/proc/self/ns/" + kind), kind == "net", kind)
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        port = server.getsockname()[1]
        self.assertEqual(self.probe("connect", "tcp", "127.0.0.1", port, network="host").errno("connect"), "ok")
        run = self.assert_ok(self.run_task(["true"], network="host"))
        self.assertFalse(run.result["enforced"].get("network_namespace"))

    def test_D1_abstract_sockets_stay_out_of_reach_even_then(self):
        name = "dayfly-test-host-%d" % os.getpid()
        abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(abstract.close)
        abstract.bind("\0" + name)
        abstract.listen(8)
        run = self.assert_ok(self.run_task([PROBE, "connect", "abstract", name], network="host"))
        if not run.result["enforced"].get("landlock_scope"):
            self.skipTest("this kernel has no Landlock scopes")
        self.assertEqual(parse_rows(run.stdout).errno("connect"), "EPERM")
        self.assertEqual(self.outside("connect", "abstract", name).errno("connect"), "ok")

    def test_D5_no_more_rights_over_the_network(self):
        rows = self.probe("sockets", network="host")
        for name in ("inet-raw", "packet", "netlink-netfilter", "netlink-xfrm", "vsock"):
            self.assertNotEqual(rows.errno("socket", name=name, how="plain"), "ok", name)
        self.assertNotEqual(self.shell("ip link set lo down", network="host", user="root").code, 0)
        self.assertEqual([r["up"] for r in self.outside("net").all("interface") if r["name"] == "lo"], [True])
