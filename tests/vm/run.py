#!/usr/bin/env python3
"""Runs the tests in a throw-away virtual machine: Debian 12 with systemd, Debian's cloud kernel and cgroup v2.

    tests/vm/run.py [--kernel stable|backports|both] [--legs WORDS] [--suites WORDS] [-k WORD] [--short] [--worktree]
    tests/vm/run.py --image | --script FILE

The disk image is made once per content of its recipe and kept in DAYFLY_VM_CACHE (~/.cache/dayfly-vm). The machine gets the commit
HEAD and programs built from it, writes to a scratch copy of the disk, and has no network. Results are left in build/vm/out/<kernel>.
"""
import argparse
import contextlib
import fcntl
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(ROOT, "build", "vm")
CACHE = os.environ.get("DAYFLY_VM_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dayfly-vm")
RECIPE = os.path.join(HERE, "image.sh")
PACKAGES = os.path.join(ROOT, "contrib", "install-deps.sh")
LEGS = ("root", "plain", "service", "reboot")
SUITES = ("jail", "system", "limits")

# What --short leaves: where a real cgroup tree, systemd and another kernel make a difference that the host cannot show.
SHORT = (("stable", {"root": ("limits", "enforced", "namespaces", "proc"), "plain": ("limits",), "service": (), "reboot": ()}),
         ("backports", {"root": ("limits",)}))

# Seconds. The machine is emulated where KVM does not work, some ten times slower than the host.
KVM_PROBE = 8
BOOT = 400
POWEROFF = 90
# More than a test file may take, which says nothing while one test lasts.
SILENCE_BEYOND_FILE = 100
# How much longer than on a common machine a test waits in an emulated one before it gives up.
EMULATED_SCALE = 6
PANIC, CRASH = "the kernel panicked", "QEMU ended with status"


class Trouble(Exception):
    pass


def say(text):
    print("vm: " + text, flush=True)


def run(command, log=None, **more):
    """A command on the host; its output is shown only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    if log:
        with open(log, "wb") as f:
            f.write(done.stdout)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:].decode("utf-8", "replace"))
        raise Trouble("failed (%d): %s" % (done.returncode, " ".join(command)))
    return done.stdout


# ---- the image -------------------------------------------------------------------------------------

def image_folder():
    """The cached image of today's recipe, made if it is not there."""
    digest = hashlib.sha256()
    with open(RECIPE, "rb") as f:
        digest.update(f.read() + b"\0")
    digest.update(run(["sh", PACKAGES, "all", "--names"]) + b"\0")
    for name in ("DAYFLY_VM_MIRROR", "DAYFLY_VM_SECURITY_MIRROR"):
        digest.update(os.environ.get(name, "").encode() + b"\0")
    folder = os.path.join(CACHE, digest.hexdigest()[:16])
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(folder):
            started = time.monotonic()
            say("making the image (once; %s)" % folder)
            new = tempfile.mkdtemp(dir=CACHE, prefix="new.")
            try:
                run(["nice", "-n", "15", "sh", RECIPE, new], log=os.path.join(CACHE, "image.log"))
                os.rename(new, folder)
            finally:
                shutil.rmtree(new, ignore_errors=True)
            say("the image took %d s" % (time.monotonic() - started))
    return folder


# ---- the payload -----------------------------------------------------------------------------------

def source_tar(worktree):
    """The sources as a tar: of the commit, or of the files that git knows as they stand."""
    if not worktree:
        changed = run(["git", "-C", ROOT, "status", "--porcelain", "-uno"]).decode().splitlines()
        if changed:
            say("%d changed files are not tested: the machine gets HEAD (--worktree takes them)" % len(changed))
        return run(["git", "-C", ROOT, "archive", "--format=tar", "HEAD"])
    names = run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).decode().split("\0")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in filter(None, names):
            path = os.path.join(ROOT, name)
            if os.path.lexists(path):
                tar.add(path, name, recursive=False)
    return out.getvalue()


def unpack_changes(data, folder):
    """Makes the folder hold these files, and touches only what differs: make then builds no more than it must."""
    kept = {os.path.join(folder, "build")}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            path = os.path.join(folder, member.name)
            kept.add(path)
            if not member.isfile():
                continue
            text = tar.extractfile(member).read()
            with contextlib.suppress(OSError), open(path, "rb") as f:
                if f.read() == text:
                    continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(text)
            os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)
    for path, dirs, files in os.walk(folder):
        if path == folder and "build" in dirs:
            dirs.remove("build")
        for name in files:
            if os.path.join(path, name) not in kept:
                os.unlink(os.path.join(path, name))


def is_same_release():
    with contextlib.suppress(OSError), open("/etc/os-release") as f:
        text = f.read()
        return bool(re.search(r"^ID=debian$", text, re.M) and re.search(r'^VERSION_ID="?12"?$', text, re.M)) \
            and os.uname().machine == "x86_64"
    return False


def add_text(tar, name, text):
    info = tarfile.TarInfo(name)
    info.size = len(text.encode())
    tar.addfile(info, io.BytesIO(text.encode()))


BUILT = ("dayfly", "dayflyd", "dayfly-warden", "dayfly-unpack", "libdayfly.a", "libdayfly.so.0", "tests/probe",
         "tests/fault/dayfly-warden")


def make_payload(options, wanted, scale, path):
    """wanted: {leg: suites}."""
    data = source_tar(options.worktree)
    tree = os.path.join(WORK, "tree")
    os.makedirs(tree, exist_ok=True)
    unpack_changes(data, tree)
    built = []
    if is_same_release():
        started = time.monotonic()
        environ = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD", "DESTDIR", "PREFIX")}
        targets = ["build/release/" + name for name in BUILT if name.startswith("tests/")]
        run(["nice", "-n", "15", "make", "-C", tree, "-j%d" % (os.cpu_count() or 1), "all"] + targets, env=environ)
        built = BUILT
        say("the programs are built (%d s)" % (time.monotonic() - started))
    else:
        say("this host is not Debian 12 on x86-64: the machine builds the programs itself, which takes minutes")
    settings = {
        "LEGS": " ".join(wanted), "WORDS": " ".join("-k " + word for word in options.k),
        "ROOT_SUITES": " ".join(wanted.get("root", ())), "PLAIN_SUITES": " ".join(wanted.get("plain", ())),
        "ROOT_MODES": "" if options.all_modes else "--mode root", "LEG_SECONDS": options.leg_limit,
        "DAYFLY_TEST_SECONDS": options.file_limit, "DAYFLY_TEST_SCALE": scale}
    with tarfile.open(path, "w") as out:
        with tarfile.open(fileobj=io.BytesIO(data)) as source:
            for member in source:
                content = source.extractfile(member) if member.isfile() else None
                member.name = "tree/" + member.name
                out.addfile(member, content)
        for name in built:
            out.add(os.path.join(tree, "build", "release", name), "tree/build/release/" + name)
        add_text(out, "settings", "".join("%s='%s'\n" % pair for pair in settings.items()))
        if options.script:
            with open(options.script) as f:
                add_text(out, "script", f.read())


# ---- the machine -----------------------------------------------------------------------------------

QEMU = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-machine", "q35"]
# Without cx16: QEMU 7.2 emulates cmpxchg16b wrongly now and then, and newer kernels, whose allocator uses it, die of that.
EMULATED = ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off,cx16=off"]
VIRTUAL = ["-accel", "kvm", "-cpu", "host"]


def kvm_works(image):
    """A kernel without a disk must get as far as its panic. A /dev/kvm that opens proves nothing: guests can hang all the same."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    command = QEMU + VIRTUAL + ["-m", "256", "-no-reboot", "-serial", "stdio", "-kernel", os.path.join(image, "stable.vmlinuz"),
                                "-append", "console=ttyS0 panic=-1 quiet"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=KVM_PROBE)
    except subprocess.TimeoutExpired:
        return False
    return b"Kernel panic" in done.stdout


def qemu_command(image, kernel, accel, out):
    def disk(path, more):
        return ["-drive", "if=virtio,format=raw,discard=unmap,cache=unsafe,file=%s,%s" % (path, more)]
    return QEMU + accel + ["-smp", "2", "-m", "3072", "-device", "virtio-rng-pci"] \
        + disk(os.path.join(image, "root.img"), "snapshot=on") + disk(os.path.join(out, "payload.tar"), "readonly=on") \
        + disk(os.path.join(out, "results.img"), "snapshot=off") \
        + ["-serial", "file:" + os.path.join(out, "console.log"), "-serial", "file:" + os.path.join(out, "tests.log"),
           "-kernel", os.path.join(image, kernel + ".vmlinuz"), "-initrd", os.path.join(image, kernel + ".initrd"),
           "-append", "console=ttyS0 root=/dev/vda rw panic=0 systemd.show_status=no net.ifnames=0 quiet loglevel=4 mitigations=off"]


class Machine:
    """One run of a machine: follows what it prints until it ends, or ends it."""

    def __init__(self, command, out, time_limit, silence):
        self.out, self.time_limit, self.silence = out, time_limit, silence
        self.console, self.tests = os.path.join(out, "console.log"), os.path.join(out, "tests.log")
        for path in (self.console, self.tests):
            open(path, "wb").close()
        self.started = self.heard = time.monotonic()
        self.is_up = self.is_done = False
        self.boots_wanted = 1
        self.counts = {}
        self.leg = "boot"
        # Should this process die, the machine goes with it.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "nice", "-n", "10"] + command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def take_line(self, line):
        self.heard = time.monotonic()
        print(line, flush=True)
        words = line.split()
        if not line.startswith("@@ ") or len(words) < 2:
            return
        if words[1] == "begin":
            self.is_up = True
            say("it was up after %d s" % (self.heard - self.started))
        elif words[1] == "leg":
            self.leg = words[2]
        elif words[1] == "counts":
            self.counts[words[2]] = [int(n) for n in words[3:6]]
        elif words[1] == "reboot":
            self.is_up, self.started = False, self.heard
        elif words[1] == "end":
            self.is_done = True

    def overdue(self, begun):
        now = time.monotonic()
        if not self.is_up and now - self.started > BOOT:
            return "no sign of life from the tests %d s after its start" % BOOT
        if self.is_done and now - self.heard > POWEROFF:
            return "it did not power off within %d s" % POWEROFF
        if now - self.heard > self.silence:
            return "nothing was heard for %d s" % self.silence
        if now - begun > self.time_limit:
            return "it was not done after %d s" % self.time_limit
        with open(self.console, "rb") as f:
            if b"Kernel panic" in f.read():
                time.sleep(2)
                return PANIC
        return None

    def follow(self):
        """Until the machine is off. Returns what went wrong, or None."""
        begun, rest = time.monotonic(), b""
        with open(self.tests, "rb") as log:
            while True:
                ended = self.process.poll() is not None
                rest += log.read()
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    self.take_line(line.rstrip(b"\r").decode("utf-8", "replace"))
                if ended:
                    break
                problem = self.overdue(begun)
                if problem:
                    return problem
                time.sleep(0.2)
        if self.process.returncode != 0:
            return "%s %d: %s" % (CRASH, self.process.returncode, self.process.stderr.read().decode("utf-8", "replace").strip()[-500:])
        return None if self.is_done else "it went off before its tests were done"

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def unpack_results(out):
    with contextlib.suppress(tarfile.TarError, OSError), tarfile.open(os.path.join(out, "results.img")) as tar:
        for member in tar:
            if member.isfile():
                with open(os.path.join(out, os.path.basename(member.name)), "wb") as f:
                    shutil.copyfileobj(tar.extractfile(member), f)


TEST_LINE = re.compile(r"^(ok|FAIL|skip) +(\S+) +(\S+) \(([0-9.]+) s\)(?:: (.*))?$")


def write_table(out):
    """results.tsv: leg, file, mode, test, result, seconds, reason of a skip."""
    leg = name = "-"
    with open(os.path.join(out, "tests.log"), errors="replace") as log, open(os.path.join(out, "results.tsv"), "w") as table:
        for line in log:
            line = line.rstrip("\r\n")
            if line.startswith("@@ leg "):
                leg = line.split()[2]
            elif line.startswith("-- "):
                name = line[3:]
            found = TEST_LINE.match(line)
            if found:
                word, mode, test, seconds, reason = found.groups()
                table.write("\t".join((leg, name, mode, test, word, seconds, reason or "")) + "\n")





def test_kernel(options, image, kernel, accel, payload):
    """One machine. Returns its counts. An emulated one whose kernel panics, or whose emulator crashes, is run once more: that is the
    emulator's fault mostly, and what a test does to a kernel it does again."""
    counts, problem = run_machine(options, image, kernel, accel, payload)
    if accel is EMULATED and problem and problem.startswith((PANIC, CRASH)):
        say("once more, as this may be the emulator's fault")
        counts, _ = run_machine(options, image, kernel, accel, payload)
    return counts


def run_machine(options, image, kernel, accel, payload):
    """Returns its counts and what went wrong with the machine, or None."""
    out = os.path.join(WORK, "out", kernel)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    os.link(payload, os.path.join(out, "payload.tar"))
    with open(os.path.join(out, "results.img"), "wb") as f:
        f.truncate(256 << 20)
    with open(os.path.join(image, kernel + ".version")) as f:
        say("starting Debian 12 with Linux %s" % f.read().strip())
    begun = time.monotonic()
    machine = Machine(qemu_command(image, kernel, accel, out), out, options.time_limit,
                      options.file_limit + SILENCE_BEYOND_FILE)
    try:
        problem = machine.follow()
    finally:
        machine.end()
    unpack_results(out)
    write_table(out)
    for name in ("results.img", "payload.tar"):
        os.unlink(os.path.join(out, name))
    counts = [sum(column) for column in zip((0, 0, 0), *machine.counts.values())]
    if problem:
        counts[1] += 1
        say("FAIL in %s: %s; the end of its console:" % (machine.leg, problem))
        with open(machine.console, errors="replace") as f:
            print("".join(f.readlines()[-15:]), flush=True)
    elif not sum(counts) and not options.script:
        counts[1] += 1
        say("FAIL: no test was run")
    say("%s: %d passed, %d failed, %d skipped in %d s; logs in %s" % (
        (kernel,) + tuple(counts) + (time.monotonic() - begun, os.path.relpath(out, ROOT))))
    return counts, problem


def words(text):
    return text.replace(",", " ").split()


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="what CI has time for: of the suites limits and a few of jail, the "
                        "legs service and reboot, and limits once more on the kernel of backports")
    parser.add_argument("--kernel", choices=("stable", "backports", "both"), default="stable")
    parser.add_argument("--legs", type=words, default=list(LEGS), help="of: " + " ".join(LEGS))
    parser.add_argument("--suites", type=words, default=list(SUITES), help="for the legs root and plain, of: " + " ".join(SUITES)
                        + ", or a file (the x of test_x.py)")
    parser.add_argument("-k", action="append", default=[], help="only tests with this in their name")
    parser.add_argument("--all-modes", action="store_true", help="leg root: the rootless mode too (the leg plain has it in any case)")
    parser.add_argument("--worktree", action="store_true", help="test the files as they stand, not HEAD")
    parser.add_argument("--image", action="store_true", help="only make the image")
    parser.add_argument("--script", metavar="FILE", help="run this shell script as root in the machine, and no tests: to look around")
    parser.add_argument("--file-limit", type=int, default=900, help="seconds for one test file (900)")
    parser.add_argument("--leg-limit", type=int, default=5000, help="seconds for one leg (5000)")
    parser.add_argument("--time-limit", type=int, default=12000, help="seconds for one machine (12000)")
    return parser.parse_args()


def machines(options):
    """What is run: [(kernel, {leg: suites})]."""
    if options.short:
        return SHORT
    wanted = {leg: options.suites for leg in options.legs}
    return [(kernel, wanted) for kernel in (("stable", "backports") if options.kernel == "both" else (options.kernel,))]


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run(["sh", PACKAGES, "vm"])
    image = image_folder()
    if options.image:
        return 0
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(WORK, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_virtual = kvm_works(image)
        say("KVM works" if is_virtual else "no working KVM here: emulated, which is slower")
        total = [0, 0, 0]
        for kernel, wanted in machines(options):
            if not os.path.exists(os.path.join(image, kernel + ".vmlinuz")):
                say("skip %s: Debian's archive had no such kernel when the image was made" % kernel)
                counts = [0, 0, 1]
            else:
                payload = os.path.join(WORK, "payload.tar")
                make_payload(options, wanted, 1 if is_virtual else EMULATED_SCALE, payload)
                counts = test_kernel(options, image, kernel, VIRTUAL if is_virtual else EMULATED, payload)
                os.unlink(payload)
            total = [a + b for a, b in zip(total, counts)]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as e:
        say(str(e))
        print("0 passed, 1 failed, 0 skipped")
        sys.exit(1)
