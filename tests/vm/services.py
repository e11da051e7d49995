"""dayfly as it was installed in the test machine, under systemd: the system's service manager and that of a plain user."""
import json
import os
import pwd
import subprocess
import time

PLAIN = "plain"


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


class Manager:
    """One service manager, its dayflyd units and the clients that they serve."""

    def __init__(self, user=None):
        self.user = user
        self.runtime = "/run/user/%d" % pwd.getpwnam(user).pw_uid if user else "/run"
        self.socket = self.runtime + "/dayfly/dayfly.sock"

    def run(self, *command, user=None, start=False, **more):
        """A command with the rights of a user (None: root), with that user's session around it. Returns the CompletedProcess,
        or with start the Popen."""
        env = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", "HOME": "/root", "LANG": "C.UTF-8"}
        if user:
            entry = pwd.getpwnam(user)
            runtime = "/run/user/%d" % entry.pw_uid
            env.update(HOME=entry.pw_dir, XDG_RUNTIME_DIR=runtime, DBUS_SESSION_BUS_ADDRESS="unix:path=%s/bus" % runtime)
            more.update(user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])
        if start:
            return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                                    text=True, **more)
        return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=90, cwd="/", text=True, **more)

    def systemctl(self, *args, check=True):
        done = self.run("systemctl", *(["--user"] if self.user else []), *args, user=self.user)
        if check and done.returncode != 0:
            raise AssertionError("systemctl %s: %s%s" % (" ".join(args), done.stdout, done.stderr))
        return done

    def unit(self):
        """What an administrator starts: the socket if there is one. None: nothing is installed for this manager."""
        for name in ("dayflyd.socket", "dayflyd.service"):
            if self.systemctl("cat", name, check=False).returncode == 0:
                return name
        return None

    def dayfly(self, *args, user=None):
        """The command line as this user, against this manager's daemon and no other."""
        return self.run("dayfly", args[0], "--socket", self.socket, *args[1:], user=user)

    def start_client(self, *args, user=None):
        """The same as a running process with pipes."""
        return self.run("dayfly", args[0], "--socket", self.socket, *args[1:], user=user, start=True)

    def show(self, name):
        return self.systemctl("show", "--value", "-p", name, "dayflyd.service").stdout.strip()

    def main_pid(self):
        return int(self.show("MainPID"))

    def pids(self, comm):
        """The service's own processes with this name."""
        group = read("/sys/fs/cgroup%s/supervisor/cgroup.procs" % self.show("ControlGroup")).split()
        group += read("/sys/fs/cgroup%s/cgroup.procs" % self.show("ControlGroup")).split()
        return [int(pid) for pid in group if read("/proc/%s/comm" % pid).strip() == comm]

    def override(self, text):
        """A drop-in of the service until the next boot, or until it is taken back with an empty text."""
        place = (self.runtime + "/systemd/user" if self.user else "/run/systemd/system") + "/dayflyd.service.d"
        os.makedirs(place, exist_ok=True)
        with open(place + "/test.conf", "w") as f:
            f.write(text)
        if not text:
            os.unlink(place + "/test.conf")
        self.systemctl("daemon-reload")

    def journal(self, *matches):
        """The lines of the journal that match, as dictionaries."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "-o", "json", "--no-pager", *matches).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def stop(self):
        self.systemctl("stop", *[u for u in ("dayflyd.socket", "dayflyd.service")
                                 if self.systemctl("cat", u, check=False).returncode == 0])
        self.systemctl("reset-failed", check=False)

    def leftovers(self, marker):
        """What the service and the tasks (their command lines hold the marker) have left: a list of texts."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            comm, line = read("/proc/%s/comm" % pid).strip(), read("/proc/%s/cmdline" % pid)
            if comm.startswith("dayfly") or (marker in line and int(pid) != os.getpid()):
                found.append("process %s (%s)" % (pid, comm))
        for path, _, _ in os.walk("/sys/fs/cgroup"):
            if "dayflyd.service" in path:
                found.append("cgroup " + path)
        found += ["mount " + line for line in read("/proc/self/mountinfo").splitlines() if "dayfly" in line]
        for top in (self.runtime, "/var/tmp", "/tmp"):
            found += ["file %s/%s" % (top, name) for name in os.listdir(top) if "dayfly" in name and "-test-" not in name]
        return found

    def wait_clean(self, marker, seconds=10):
        deadline = time.monotonic() + seconds
        while True:
            found = self.leftovers(marker)
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


def wait_until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
