"""A lane: namespaces in which one test file runs beside others, so that neither sees processes, mounts, sockets or IPC objects of the other.

What the machine has but once stays shared: CPUs, memory, file systems, cgroups, users' limits.
"""
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile

OWN_MOUNTS = ["unshare", "--mount", "--"]
LANE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc", "--"]
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def can_make_lanes():
    if os.geteuid() != 0:
        return False
    try:
        return subprocess.run(LANE + ["true"], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def enter_lane():
    """In the first process of new namespaces: returns in a child of it, and stays behind as the init that orphans need."""
    raise_loopback()
    child = os.fork()
    if child == 0:
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    pid, status = 0, 0
    while pid != child:
        pid, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)


def give_ids(uid, gid):
    """In a mount namespace of its own: an /etc that is a copy, where that user has a name and a range of ids."""
    place = tempfile.mkdtemp(prefix="dayfly-test-etc-")
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "dayfly-test", place], check=True)
        subprocess.run(["cp", "-a", "/etc/.", place], check=True)
        for name, line in (("passwd", "dayfly-test:x:%d:%d::/nonexistent:/bin/sh" % (uid, gid)), ("group", "dayfly-test:x:%d:" % gid),
                           ("subuid", "dayfly-test:2000000:65536"), ("subgid", "dayfly-test:2000000:65536")):
            with open(os.path.join(place, name), "a") as f:
                f.write(line + "\n")
        subprocess.run(["mount", "--move", place, "/etc"], check=True)
    finally:
        os.rmdir(place)


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        name, flags = struct.unpack("16sh", fcntl.ioctl(s, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh", name, flags | IFF_UP))
