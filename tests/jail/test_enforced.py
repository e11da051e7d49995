"""The result's `enforced` and `degraded` against what can be seen from inside: a control is named exactly where it is in force."""
import os

from dayfly_test import in_modes

MIB = 1 << 20
DISK, INODES, FILES = 64 * MIB, 5000, 345
NAMESPACES = {"user": "user_namespace", "mnt": "mount_namespace", "pid": "pid_namespace", "net": "network_namespace",
              "ipc": "ipc_namespace", "uts": "uts_namespace", "cgroup": "cgroup_namespace"}
LOOK = r"""
for ns in user mnt pid net ipc uts cgroup; do echo "ns_$ns=$(readlink /proc/self/ns/$ns)"; done
sed -n 's/^\(CapEff\|CapBnd\|NoNewPrivs\|Seccomp\):[[:space:]]*/\1=/p' /proc/self/status
echo "ids=$(awk '{ n += $3 } END { print n }' /proc/self/uid_map)"
echo "overlays=$(awk '{ for (i = 7; i <= NF; i++) if ($i == "-") print $(i + 1) }' /proc/self/mountinfo | grep -c overlay)"
echo "owner=$(stat -c %u /usr/bin/env)"
echo "disk=$(stat -f -c '%b %S %c' /tmp)"
echo "kcore=$(head -c 1 /proc/kcore 2>/dev/null | wc -c)"
echo "sysctl=$(awk '$5 == "/proc/sys" { print $6 }' /proc/self/mountinfo | cut -d, -f1)"
echo "max_userns=$(cat /proc/sys/user/max_user_namespaces)"
echo "files=$(ulimit -n)"
echo "pids_files=$(ls /sys/fs/cgroup 2>/dev/null | wc -l)"
"""


def parse(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class Looking:
    def look(self, **task):
        limits = dict({"disk": DISK, "inodes": INODES, "open_files": FILES}, **task.pop("limits", {}))
        run = self.assert_ok(self.shell(LOOK, limits=limits, **task))
        return parse(run.text()), run.result

    def facts(self, seen):
        """What is seen, as the controls that it proves."""
        host = {ns: os.readlink("/proc/self/ns/" + ns) for ns in NAMESPACES}
        facts = {control: seen["ns_" + ns] != host[ns] for ns, control in NAMESPACES.items()}
        blocks, size, inodes = map(int, seen["disk"].split())
        facts.update(
            id_range=int(seen["ids"]) >= 65536 and self.mode == "root",
            overlay_root=int(seen["overlays"]) > 0,
            idmapped_image=self.mode == "root" and seen["owner"] == "0",
            disk_limit=blocks * size == DISK and inodes == INODES,
            proc_masked=seen["kcore"] == "0" and seen["sysctl"] == "ro",
            no_capabilities=int(seen["CapEff"], 16) == int(seen["CapBnd"], 16) == 0,
            no_new_privs=seen["NoNewPrivs"] == "1",
            seccomp=seen["Seccomp"] == "2",
            no_nested_namespaces=seen["max_userns"] == "0",
            rlimits=seen["files"] == str(FILES),
        )
        return facts

    def compare(self, seen, result):
        enforced = result["enforced"]
        for control, holds in self.facts(seen).items():
            self.assertEqual(bool(enforced.get(control)), holds, "%s: seen %r, told %r" % (control, seen, enforced))


@in_modes
class Enforced(Looking):
    def test_what_is_told_is_what_is_there(self):
        seen, result = self.look()
        self.compare(seen, result)
        self.assertEqual(result["enforced"]["seccomp"], "dev")

    def test_root_of_the_jail_has_capabilities_and_the_result_says_so(self):
        run = self.assert_ok(self.run_task(["sh", "-c", LOOK], user="root",
                                           limits={"disk": DISK, "inodes": INODES, "open_files": FILES}))
        seen = parse(run.text())
        self.assertNotEqual(int(seen["CapEff"], 16), 0)
        self.compare(seen, run.result)

    def test_landlock_is_told_where_the_kernel_has_scopes(self):
        info = self.client.call("info")
        _, result = self.look()
        self.assertEqual("landlock_scope" in result["enforced"], info["warden"]["landlock_abi"] >= 6)

    def test_a_limit_that_is_not_held_is_told_as_degraded_and_not_as_enforced(self):
        limits = {"memory": 256 * MIB, "cpus": "0.5", "cpu_time": "1m"}
        seen, result = self.look(limits=limits, best_effort=["memory", "cpus", "cpu_time"])
        self.compare(seen, result)
        held = {"memory": "memory_limit", "cpus": "cpu_limit", "cpu_time": "cpu_time_limit"}
        degraded = {d["control"]: d["why"] for d in result["degraded"]}
        for limit, control in held.items():
            self.assertNotEqual(control in result["enforced"], limit in degraded, result)
            if limit in degraded:
                self.assertTrue(degraded[limit])


@in_modes
class WithHostNetwork(Looking):
    daemon_args = ("--allow-host-network",)

    def test_a_task_with_the_host_s_network_is_not_told_to_have_its_own(self):
        seen, result = self.look(network="host")
        self.assertNotIn("network_namespace", result["enforced"])
        self.compare(seen, result)
