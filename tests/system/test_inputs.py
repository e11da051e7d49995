"""Files and secrets that come with a request: where they are made, for whom, and where nothing of them is found."""
import base64
import contextlib
import glob
import io
import json
import os
import re

from dayfly_host import processes_of, read
from dayfly_test import in_modes

from common import OwnDaemons, Traces, start_cli, wait_until

SECRET = "hunter2-in-the-haystack"
LATER = "that-nobody-has-seen-yet"


def b64(data):
    return base64.b64encode(data).decode()


@in_modes
class Files:
    def test_a_file_has_its_content_mode_and_owner(self):
        run = self.assert_ok(self.shell(
            "stat -c '%n %a %u %g %s' /opt/a/b/f /home/agent/run.sh /etc/app.conf; stat -c '%a %u' /opt/a /opt/a/b; cat /opt/a/b/f; "
            "od -An -tx1 /etc/app.conf; /home/agent/run.sh; echo more >> /opt/a/b/f && touch /opt/a/new",
            files=[{"path": "/opt/a/b/f", "text": "first\n"},
                   {"path": "/home/agent/run.sh", "text": "#!/bin/sh\necho ran\n", "mode": "0755"},
                   {"path": "/etc//app.conf", "base64": b64(b"\0\xff"), "mode": "600"}]))
        self.assertEqual(run.text().split("\n")[:8], [
            "/opt/a/b/f 644 1000 1000 6", "/home/agent/run.sh 755 1000 1000 19", "/etc/app.conf 600 1000 1000 2", "755 1000", "755 1000",
            "first", " 00 ff", "ran"])
        for path in ("/opt/a", "/etc/app.conf"):
            self.assertFalse(os.path.lexists(path), path)

    def test_for_root_inside_it_is_root_s(self):
        run = self.assert_ok(self.shell("stat -c '%u %g %a' /srv/f /run/secrets/s", user="root", files=[{"path": "/srv/f", "text": ""}],
                                        secrets=[{"name": "s", "text": "x"}]))
        self.assertEqual(run.text(), "0 0 644\n0 0 400\n")

    def test_an_empty_file_and_the_largest_one(self):
        text = "x" * (1 << 20)
        run = self.assert_ok(self.shell("stat -c %s /tmp/empty /tmp/full; md5sum < /tmp/full | cut -c1-8; wc -c < /tmp/full", files=[
            {"path": "/tmp/empty", "text": ""}, {"path": "/tmp/full", "text": text}]))
        self.assertEqual(run.text().split()[:2], ["0", str(1 << 20)])

    def test_a_file_of_the_image_is_replaced(self):
        run = self.assert_ok(self.shell("cat /etc/hosts; stat -c %u /etc/hosts", files=[{"path": "/etc/hosts", "text": "mine\n"}]))
        self.assertEqual(run.text(), "mine\n1000\n")
        self.assertNotEqual(read("/etc/hosts"), "mine\n")

    def test_in_a_private_workspace_it_lies_in_the_private_layer(self):
        work = self.make_dir()
        self.make_file(os.path.join(work, "old"), "outside")
        run = self.assert_ok(self.shell("cat old sub/new", workspace={"path": work, "mode": "cow", "target": "/w"}, files=[
            {"path": "/w/old", "text": "inside "}, {"path": "/w/sub/new", "text": "new"}]))
        self.assertEqual(run.text(), "inside new")
        self.assertEqual(os.listdir(work), ["old"])
        self.assertEqual(read(os.path.join(work, "old")), "outside")

    def test_A10_no_file_goes_into_what_is_shared(self):
        work = self.make_dir()
        for mode in ("ro", "rw"):
            place = {"path": work, "mode": mode, "target": "/w"}
            for path in ("/w/f", "/w", "/w/a/b"):
                files = [{"path": "/tmp/fine", "text": ""}, {"path": path, "text": "x"}]
                self.refused("bad_value", field="task.files[1].path", files=files, workspace=place)
                self.refused("bad_value", field="task.files[1].path", files=files, mounts=[place])
        self.assertEqual(os.listdir(work), [])
        self.assert_ok(self.shell("cat /w2/f", files=[{"path": "/w2/f", "text": "x"}], mounts=[{"path": work, "mode": "rw", "target": "/w"}]))

    def test_no_file_goes_where_the_jail_is_the_maker(self):
        for path in ("/proc/x", "/dev/shm/x", "/sys/x", "/run/secrets/x", "/run/secrets", "/", "/a/../b"):
            self.refused("bad_value", field="task.files[0].path", files=[{"path": path, "text": "x"}])
        self.refused("bad_value", field="task.files[0].path", files=[{"path": "relative", "text": "x"}])

    def test_A4_a_link_in_the_image_is_a_trap_that_does_not_work(self):
        host = self.make_dir(mode=0o777)
        for link, to, path in (("etc/x", host + "/made", "/etc/x"), ("etc/dir", host, "/etc/dir/made"), ("data", host, "/data/a/made"),
                               ("etc/up", "../../../.." + host, "/etc/up/made")):
            image = self.make_image()
            os.symlink(to, os.path.join(image, link))
            error = self.refused("setup_failed", ["/bin/probe", "ids"], field="task.files[0]", image=image,
                                 files=[{"path": path, "text": "x"}])
            self.assertEqual(error["step"], "inputs", error)
            self.assertEqual(os.listdir(host), [], (link, path))
            self.assertTrue(os.path.islink(os.path.join(image, link)))
        # The control: without a link it is made, and not in the image.
        image = self.make_image()
        self.assert_ok(self.run_task(["/bin/probe", "ids"], image=image, files=[{"path": "/etc/x", "text": "x"}]))
        self.assertEqual(os.listdir(os.path.join(image, "etc")), [])

    def test_a_directory_in_the_way_is_an_error(self):
        self.refused("setup_failed", field="task.files[0]", files=[{"path": "/usr/bin", "text": "x"}])
        self.refused("setup_failed", field="task.files[1]", files=[{"path": "/tmp/f", "text": "x"}, {"path": "/tmp/f/g", "text": "x"}])

    def test_caps_are_told_by_name(self):
        big, many = "x" * (900 << 10), [{"path": "/tmp/%d" % i, "text": ""} for i in range(65)]
        self.refused("too_large", field="task.files[0].text", files=[{"path": "/tmp/f", "text": "x" * ((1 << 20) + 1)}])
        self.refused("too_large", field="task.files[0].base64", files=[{"path": "/tmp/f", "base64": b64(b"x" * ((1 << 20) + 1))}])
        self.refused("too_large", field="task.files", files=[{"path": "/tmp/%d" % i, "text": big} for i in range(2)])
        self.refused("too_large", field="task.files", files=many)
        self.assert_ok(self.shell("test $(ls /tmp | wc -l) = 64", files=many[:64]))
        self.refused("too_large", field="task.secrets[0].text", secrets=[{"name": "s", "text": "x" * ((64 << 10) + 1)}])
        self.refused("too_large", field="task.secrets", secrets=[{"name": "s%d" % i, "text": "x" * (60 << 10)} for i in range(5)])
        self.refused("too_large", field="task.secrets", secrets=[{"name": "s%d" % i, "text": ""} for i in range(17)])
        self.refused("bad_value", field="task.files[1].path", files=[{"path": p, "text": ""} for p in ("/tmp/f", "/tmp//f")])
        self.refused("bad_value", field="task.secrets[1].name", secrets=[{"name": "s", "text": ""}] * 2)
        self.refused("missing_field", field="task.files[0]", files=[{"path": "/tmp/f"}])
        self.refused("bad_value", field="task.files[0].base64", files=[{"path": "/tmp/f", "text": "x", "base64": "eA=="}])
        self.refused("out_of_range", field="task.files[0].mode", files=[{"path": "/tmp/f", "text": "x", "mode": "4755"}])
        self.refused("bad_value", field="task.files[0].mode", files=[{"path": "/tmp/f", "text": "x", "mode": "rwx"}])
        self.refused("wrong_type", field="task.files[0].mode", files=[{"path": "/tmp/f", "text": "x", "mode": 644}])

    def test_they_count_as_what_the_task_writes(self):
        self.skip_without_disk_cap()
        files = [{"path": "/tmp/%d" % i, "text": "x" * (700 << 10)} for i in range(2)]
        error = self.refused("setup_failed", field="task.files[1]", files=files, limits={"disk": "1MiB"})
        self.assertIn("limits.disk", error["hint"])
        run = self.assert_ok(self.shell("true", files=files, limits={"disk": "8MiB"}))
        self.assertGreater(run.result["disk"]["bytes"], 1 << 20)


@in_modes
class Secrets:
    def test_only_the_task_reads_it(self):
        run = self.assert_ok(self.shell(
            "cat /run/secrets/token; stat -c '%a %u %g' /run/secrets/token; grep ' /run/secrets ' /proc/self/mountinfo; "
            "od -An -tx1 /run/secrets/raw; (echo x > /run/secrets/new) 2>/dev/null || echo full; "
            "(chmod 644 /run/secrets/token) 2>/dev/null || echo fixed; env; cat /proc/self/cmdline /proc/self/environ",
            secrets=[{"name": "token", "text": SECRET + "\n"}, {"name": "raw", "base64": b64(b"\0\1")}]))
        lines = run.text().split("\n")
        self.assertEqual(lines[:2], [SECRET, "400 1000 1000"])
        self.assertEqual(lines[3:6], [" 00 01", "full", "fixed"])
        options = lines[2].split()
        self.assertLessEqual({"ro", "nosuid", "nodev", "noexec"}, set(options[5].split(",")), lines[2])
        self.assertIn(" tmpfs ", lines[2])
        self.assertEqual(run.text().count(SECRET), 1)

    def test_nobody_else_inside_reads_it(self):
        run = self.assert_ok(self.shell("stat -c %a /run/secrets/s; ls -ld /run/secrets | cut -c1-10", secrets=[{"name": "s", "text": "x"}]))
        self.assertEqual(run.text(), "400\ndrwxr-xr-x\n")

    def test_it_may_come_as_a_descriptor_of_memory(self):
        fds = [os.memfd_create("a"), os.memfd_create("b"), os.open("/proc/version", os.O_RDONLY)]
        self.addCleanup(lambda: [os.close(fd) for fd in fds])
        os.write(fds[1], SECRET.encode())
        run = self.assert_ok(self.shell("cat /run/secrets/s; stat -c ' %a %s' /run/secrets/*; ls /proc/self/fd | wc -w", fds=fds, secrets=[
            {"name": "s", "fd": 1}, {"name": "t", "fd": 0}]))
        self.assertEqual(run.text().split(), [SECRET, "400", str(len(SECRET)), "400", "0", "4"])
        self.refused("bad_value", field="task.secrets[0].fd", fds=fds, secrets=[{"name": "s", "fd": 2}])
        self.refused("bad_value", field="task.secrets[0].fd", fds=fds, secrets=[{"name": "s", "fd": 3}])
        self.refused("bad_value", field="task.secrets", fds=fds, secrets=[{"name": "s", "fd": 1, "text": "x"}])
        os.ftruncate(fds[0], (64 << 10) + 1)
        self.refused("too_large", field="task.secrets[0].fd", fds=fds, secrets=[{"name": "s", "fd": 0}])

    def test_without_one_there_is_no_such_place(self):
        self.assert_ok(self.shell("test ! -e /run/secrets"))

    def test_nothing_is_mounted_over_them(self):
        work = self.make_dir()
        for target in ("/run", "/run/secrets", "/run/secrets/s"):
            self.refused("bad_value", field="task.mounts[0]", secrets=[{"name": "s", "text": "x"}],
                         mounts=[{"path": work, "mode": "rw", "target": target}])
            self.refused("bad_value", field="task.workspace", secrets=[{"name": "s", "text": "x"}],
                         workspace={"path": work, "target": target})
        self.assertEqual(os.listdir(work), [])

    def test_A4_a_link_where_they_are_mounted_is_refused(self):
        host, image = self.make_dir(mode=0o777), self.make_image()
        os.symlink(host, os.path.join(image, "run"))
        self.refused("setup_failed", ["/bin/probe", "ids"], image=image, secrets=[{"name": "s", "text": SECRET}])
        self.assertEqual(os.listdir(host), [])


class Watched(OwnDaemons):
    """What is looked through for the secret."""

    pool = None

    def begin(self, *args):
        args = ("--pool-size", self.pool) + args if self.pool else args
        daemon = self.new_daemon("--log-level", "debug", *args)
        self.conn = self.connect_to(daemon)
        if self.pool:
            self.conn.run({"argv": ["true"]}, timeout=30)
            self.assertTrue(wait_until(lambda: Traces(self.stage).named("dayfly-parked")))
        return daemon

    def task_with(self, script, **more):
        return dict({"argv": ["sh", "-c", script], "secrets": [{"name": "token", "text": SECRET}],
                     "files": [{"path": "/tmp/f", "text": LATER}]}, **more)


def of_process(pid, name):
    """A file of /proc, empty when the process is gone. What a plain user may not read is closed to every other plain user too."""
    try:
        return open("/proc/%d/%s" % (pid, name), "rb", 0)
    except (FileNotFoundError, ProcessLookupError):
        return io.BytesIO()
    except PermissionError:
        if os.geteuid() == 0:
            raise
        return io.BytesIO()


def text_of_process(pid, name):
    """All of such a file: the process may go while it is read."""
    with of_process(pid, name) as f, contextlib.suppress(ProcessLookupError):
        return f.read()
    return b""


@in_modes
class Nowhere(Watched):
    def files_of_daemon(self, daemon):
        found = []
        for folder in {os.path.dirname(daemon.socket), getattr(daemon, "state_dir", None), daemon.run_dir} - {None}:
            for path in glob.glob(os.path.join(folder, "**"), recursive=True):
                if os.path.isfile(path):
                    found.append(path)
        return found

    def assert_clean(self, text, what):
        for secret in (SECRET, LATER, b64(SECRET.encode())[:-4]):
            self.assertNotIn(secret, text, what)

    def look_everywhere(self, daemon, tag, layer=False):
        """layer: whether the task's own layer, which may be on disk, is to be gone."""
        self.assert_clean(json.dumps(self.conn.call("inspect", task=tag)), "inspect")
        self.assert_clean(json.dumps(self.conn.call("list", all=True)), "list")
        for pid in processes_of(self.stage.bin):
            for name in ("cmdline", "environ"):
                self.assert_clean(text_of_process(pid, name).decode("latin-1"), (pid, name))
        for path in self.files_of_daemon(daemon):
            if not layer and "/dayfly-upper-" in path:
                continue
            # Those of the journal and of the history may go meanwhile.
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as f:
                self.assert_clean(f.read().decode("latin-1"), path)
        self.assert_clean(daemon.log(), "log")

    def test_it_is_in_no_answer_log_journal_or_process(self):
        daemon = self.begin()
        tag = self.conn.send("run", task=self.task_with("echo up; read x; cat /run/secrets/token | wc -c", name="t", stdin="stream",
                                                        on_disconnect="keep"))
        self.assertEqual(self.conn.next_for(tag)["event"], "accepted")
        self.assertTrue(wait_until(lambda: self.conn.call("inspect", task="t")["state"] == "running"))
        spec = self.conn.call("inspect", task="t")["spec"]
        self.assertEqual(spec["secret_names"], ["token"])
        self.assertEqual(spec["files"], [{"path": "/tmp/f", "mode": "0644", "bytes": len(LATER)}])
        self.look_everywhere(daemon, "t")
        self.conn.call("input", task="t", text="\n", eof=True)
        result = self.conn.call("wait", task="t")
        self.assertEqual(result["outcome"], "ok", result)
        self.assert_clean(json.dumps(result), "result")
        self.look_everywhere(daemon, result["task"], layer=True)

    def test_the_daemon_keeps_no_copy_in_its_memory(self):
        if os.environ.get("ASAN_OPTIONS"):
            return  # a sanitizer keeps what was freed
        self.begin()
        self.conn.run(self.task_with("true"), timeout=30)
        self.conn.call("ping")
        for pid in processes_of(self.stage.bin):
            self.assertFalse(in_memory(pid, SECRET.encode()), read("/proc/%d/comm" % pid))
        self.assertTrue(in_memory(os.getpid(), SECRET.encode()), "the control: ours has it")

    def test_a_repeated_request_is_known_by_its_key_whatever_is_in_it(self):
        self.begin()
        first = self.conn.run(self.task_with("true", idempotency_key="k"), timeout=30)
        again = self.conn.run(self.task_with("true", idempotency_key="k"), timeout=30)
        self.assertEqual(first[1]["task"], again[1]["task"])

    def test_what_waits_is_given_when_it_starts_and_goes_when_it_does_not(self):
        self.begin("--max-tasks", 1)
        first = self.conn.send("run", task={"argv": ["sleep", "60"], "name": "first"})
        waits = self.conn.send("run", task=self.task_with("cat /run/secrets/token /tmp/f", name="waits"))
        gone = self.conn.send("run", task=self.task_with("true", name="gone"))
        self.assertTrue(wait_until(lambda: self.conn.call("list")["tasks"][-1]["state"] == "queued"))
        self.conn.call("cancel", task="gone")
        self.conn.call("cancel", task="first")
        output = b""
        while True:
            event = self.conn.next_for(waits)
            output += event.get("data", b"")
            if event["event"] in ("result", "error"):
                break
        self.assertEqual(output.decode(), SECRET + LATER, event)
        self.assertEqual([self.conn.finish(tag, "")[1]["cause"] for tag in (first, gone)], ["cancel", "cancel"])


def in_memory(pid, needle):
    """Whether a process has these bytes in what it may write."""
    with of_process(pid, "mem") as mem:
        for line in text_of_process(pid, "maps").splitlines():
            found = re.match(rb"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not found or b"[v" in line:
                continue
            start, end = (int(x, 16) for x in found.groups())
            try:
                mem.seek(start)
                if needle in mem.read(end - start):
                    return True
            except (OSError, ValueError):
                continue
    return False


@in_modes
class FromThePool(Watched):
    pool = 2

    def test_a_parked_jail_gets_them_too(self):
        self.begin()
        for _ in range(2):
            _, result, output, errors, _ = self.conn.run(self.task_with(
                "cat /run/secrets/token /tmp/f; stat -c ' %a %u' /run/secrets/token /tmp/f"), timeout=30)
            self.assertEqual(output.decode(), SECRET + LATER + " 400 1000\n 644 1000\n", (result, errors))
            self.assertEqual(result["pool"], "hit", result)
            self.assertTrue(wait_until(lambda: Traces(self.stage).named("dayfly-parked")))
        self.assertEqual(self.conn.run({"argv": ["test", "!", "-e", "/run/secrets"]}, timeout=30)[1]["outcome"], "ok")

    def test_a_private_workspace_too(self):
        self.begin()
        work = self.make_dir()
        _, result, output, _, _ = self.conn.run(self.task_with("cat f", workspace={"path": work, "mode": "cow", "target": "/w"},
                                                               files=[{"path": "/w/f", "text": "in"}]), timeout=30)
        self.assertEqual((output, os.listdir(work)), (b"in", []), result)


@in_modes
class CommandLine:
    def test_files_and_secrets_are_read_here(self):
        folder = self.make_dir()
        script = self.make_file(os.path.join(folder, "s.sh"), "#!/bin/sh\ncat /run/secrets/a /run/secrets/B\n", mode=0o755)
        secret = self.make_file(os.path.join(folder, "secret"), b"of a file\n\xff", mode=0o600)
        done = self.cli("run", "--file", "/opt/s.sh=" + script, "--secret", "a=" + secret, "--secret", "B", "--", "/opt/s.sh",
                        env={"B": "of a variable"})
        self.assertEqual((done.returncode, done.stdout), (0, b"of a file\n\xffof a variable"), done)

    def test_a_secret_is_not_in_the_command_line_or_the_error(self):
        done = self.cli("run", "--secret", "=" + SECRET, "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertNotIn(SECRET.encode(), done.stderr)
        done = self.cli("run", "--secret", "NOT_SET", "--", "true")
        self.assertEqual((done.returncode, b"NOT_SET" in done.stderr), (125, True), done)

    def test_what_is_wrong_is_told_by_the_option(self):
        folder = self.make_dir()
        big = self.make_file(os.path.join(folder, "big"), "x" * ((1 << 20) + 1))
        small = self.make_file(os.path.join(folder, "small"), "x")
        for args, text in ((("--file", "x=" + small), b"PATH=FILE"), (("--file", "/x=" + big), b"1048576"),
                           (("--file", "/x=/nonexistent"), b"No such file"), (("--file", "/proc/x=" + small), b"--file"),
                           (("--secret", "a b=" + small), b"--secret")):
            done = self.cli("run", *args, "--", "true")
            self.assertEqual((done.returncode, text in done.stderr), (125, True), (args, done))

    def test_a_pipe_will_do(self):
        folder = self.make_dir()
        path = os.path.join(folder, "fifo")
        os.mkfifo(path, 0o666)
        os.chmod(path, 0o666)
        process = start_cli(self, "run", "--secret", "s=" + path, "--", "cat", "/run/secrets/s")
        with open(path, "w") as f:
            f.write("piped")
        self.assertEqual(process.communicate(timeout=60)[0], b"piped")
