"""A tar becomes files of the task: what is taken, what a hostile one can do, and how the stream of it ends."""
import base64
import bz2
import gzip
import io
import lzma
import os
import socket
import subprocess
import tarfile
import threading

from dayfly_host import as_user
from dayfly_test import in_modes

from common import OwnDaemons, Traces, start_cli, wait_until


def entry(name, data=b"x", **more):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = 1000000000
    for key, value in more.items():
        setattr(info, key, value)
    return info, io.BytesIO(data)


def link(name, to, kind=tarfile.SYMTYPE):
    return entry(name, b"", type=kind, linkname=to)


def folder(name, mode=0o755):
    return entry(name, b"", type=tarfile.DIRTYPE, mode=mode)


def make_tar(*entries, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, data in entries:
            tar.addfile(info, data)
    return out.getvalue()


class WithTars:
    def opened(self, data):
        """A descriptor of a file with these bytes, as the client has it."""
        path = self.make_file(os.path.join(self.make_dir(), "t"), data)
        with as_user():
            fd = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        return fd

    def unpack(self, data, script, tar=None, **task):
        return self.shell(script, fds=[self.opened(data)], tars=[dict({"fd": 0, "target": "/home/agent/t"}, **(tar or {}))], **task)

    def refuse(self, code, data, field="task.tars[0]", **more):
        error = self.refused(code, field=field, fds=[self.opened(data)], tars=[{"fd": 0, "target": "/home/agent/t"}], **more)
        self.assertEqual(error.get("step"), "tars", error)
        return error


@in_modes
class Tars(WithTars):
    def test_it_has_its_files_modes_times_and_links(self):
        data = make_tar(folder("ro", 0o555), entry("ro/run", b"#!/bin/sh\necho ran\n", mode=0o755), entry("a/b/deep", b"deep"),
                        link("sym", "ro/run"), link("hard", "a/b/deep", tarfile.LNKTYPE), entry("na\u00efve \u65e5", b""),
                        entry("s", mode=0o6777), link("out", "/etc/hostname"))
        run = self.assert_ok(self.unpack(data, "cd t; stat -c '%n %a %u %h %Y' ro ro/run a/b/deep s; ./sym; cat hard; ls; cat out"))
        own = "1000000000"
        self.assertEqual(run.text().split("\n"), [
            "ro 555 1000 2 " + own, "ro/run 755 1000 1 " + own, "a/b/deep 644 1000 2 " + own, "s 777 1000 1 " + own, "ran",
            "deepa", "hard", "na\u00efve \u65e5", "out", "ro", "s", "sym", "dayfly", ""])

    def test_formats_and_compressions(self):
        name = "d" * 90 + "/" + "e" * 90
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            plain = make_tar(entry(name, b"content"), form=form)
            for pack in (bytes, gzip.compress, bz2.compress, lzma.compress):
                run = self.assert_ok(self.unpack(pack(plain), "cat t/*/*"))
                self.assertEqual(run.text(), "content", (form, pack))
        done = subprocess.run(["zstd", "-q"], input=plain, stdout=subprocess.PIPE)
        self.assertEqual(self.assert_ok(self.unpack(done.stdout, "cat t/*/*")).text(), "content")

    def test_it_goes_where_the_task_starts(self):
        work = self.make_dir()
        self.make_file(os.path.join(work, "old"), "outside")
        self.make_file(os.path.join(work, "kept"), "kept ")
        data = make_tar(folder("."), entry("./old", b"inside "), entry("./new", b"new"))
        run = self.assert_ok(self.shell("cat kept old new", fds=[self.opened(data)], tars=[{"fd": 0}],
                                        workspace={"path": work, "target": "/w"}))
        self.assertEqual(run.text(), "kept inside new")
        self.assertEqual(sorted(os.listdir(work)), ["kept", "old"])
        run = self.assert_ok(self.shell("pwd; cat old", fds=[self.opened(data)], tars=[{"fd": 0}]))
        self.assertEqual(run.text(), "/home/agent\ninside ")
        run = self.assert_ok(self.shell("pwd; cat old", fds=[self.opened(data)], tars=[{"fd": 0}], user="root"))
        self.assertEqual(run.text(), "/root\ninside ")

    def test_several_and_over_each_other(self):
        fds = [self.opened(make_tar(entry("f", b"first"), entry("g", b"g"))), self.opened(make_tar(entry("f", b"second")))]
        run = self.assert_ok(self.shell("cat /opt/x/f /opt/x/g /srv/y/f", fds=fds + [self.opened(make_tar(entry("f", b"third")))], tars=[
            {"fd": 0, "target": "/opt/x"}, {"fd": 1, "target": "/opt/x"}, {"fd": 2, "target": "/srv/y"}]))
        self.assertEqual(run.text(), "secondgthird")

    def test_an_image_needs_no_library_for_it(self):
        image = self.make_image()
        run = self.assert_ok(self.run_task(["/bin/probe", "cat", "/home/agent/f"], image=image, fds=[self.opened(make_tar(entry("f", b"in")))],
                                           tars=[{"fd": 0}]))
        self.assertIn(b'"in"', run.stdout, run)

    def test_profile_strict_and_a_shared_directory_beside_it(self):
        work = self.make_dir()
        run = self.assert_ok(self.unpack(make_tar(folder("d"), entry("d/f", b"in")), "cat t/d/f", profile="strict",
                                         mounts=[{"path": work, "target": "/mnt/w", "mode": "rw"}]))
        self.assertEqual(run.text(), "in")

    def test_A10_none_is_unpacked_into_what_is_shared(self):
        work, fd = self.make_dir(), self.opened(make_tar(entry("f")))
        for mode in ("ro", "rw"):
            place = {"path": work, "mode": mode, "target": "/w"}
            self.refused("bad_value", field="task.tars[0].target", fds=[fd], tars=[{"fd": 0}], workspace=place)
            self.refused("bad_value", field="task.tars[0].target", fds=[fd], tars=[{"fd": 0, "target": "/w/a"}], mounts=[place])
        for path in ("/proc/x", "/dev/shm/x", "/sys/x", "/run/secrets/x", "/", "/a/../b"):
            self.refused("bad_value", field="task.tars[0].target", fds=[fd], tars=[{"fd": 0, "target": path}])
        self.assertEqual(os.listdir(work), [])

    def test_what_is_wrong_with_the_request_is_told(self):
        fd = self.opened(make_tar(entry("f")))
        self.refused("bad_value", field="task.tars[0].fd", fds=[fd], tars=[{"fd": 1}])
        self.refused("missing_field", field="task.tars[0].fd", tars=[{}])
        self.refused("too_large", field="task.tars", fds=[fd], tars=[{"fd": 0}] * 4)
        for path, flags in (("/", os.O_RDONLY), ("/dev/null", os.O_RDONLY), ("/dev/zero", os.O_RDONLY)):
            bad = os.open(path, flags)
            self.addCleanup(os.close, bad)
            self.refused("bad_value", field="task.tars[0].fd", fds=[bad], tars=[{"fd": 0}])
        named = os.open("/etc/passwd", os.O_PATH)
        self.addCleanup(os.close, named)
        self.refused("bad_value", field="task.tars[0]", fds=[named], tars=[{"fd": 0}])

    def test_what_was_asked_for_is_shown(self):
        tag, task = self.client.start({"argv": ["sleep", "60"], "tars": [{"fd": 0, "target": "/opt/x"}]}, fds=[self.opened(make_tar())])
        self.assertEqual(self.client.call("inspect", task=task)["spec"]["tars"], [{"target": "/opt/x", "from": "descriptor"}])
        self.client.call("cancel", task=task)
        self.client.finish(tag, task)


@in_modes
class Hostile(WithTars):
    def test_L1_names_that_lead_out(self):
        for name in ("../x", "/abs", "a/../../x", "./..//x", "a/b/..", ".."):
            error = self.refuse("bad_value", make_tar(entry("fine"), entry(name)))
            self.assertIn("name is absolute", error["message"])
        # A name that ends early, and one that is none.
        run = self.assert_ok(self.unpack(make_tar(entry("q", pax_headers={"path": "a\0../x"}), entry("C:\\")), "ls t; ls /home/agent"))
        self.assertEqual(run.text(), "C:\\\na\nt\n")

    def test_L9_devices_and_fifos(self):
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            self.assertIn("device", self.refuse("bad_value", make_tar(entry("d", b"", type=kind)))["message"])
        # Whiteouts are names like others here.
        run = self.assert_ok(self.unpack(make_tar(entry(".wh.a"), entry("a"), entry(".wh..wh..opq")), "ls -A t"))
        self.assertEqual(run.text(), ".wh..wh..opq\n.wh.a\na\n")

    def test_A9_nothing_is_written_through_a_link(self):
        for through in ("/etc", "/home/agent/victim", "../victim", "."):
            data = make_tar(link("l", through), entry("l/made", b"evil"))
            error = self.refuse("bad_value", data)
            self.assertIn("symlink", error["message"])
            self.refuse("bad_value", make_tar(link("l", through), link("h", "l/hostname", tarfile.LNKTYPE)))
            self.refuse("bad_value", make_tar(link("l", through), folder("l/d")))
        # A link that lies in the workspace already.
        work, host = self.make_dir(), self.make_dir(mode=0o777)
        os.symlink(host, os.path.join(work, "l"))
        self.refused("bad_value", field="task.tars[0]", fds=[self.opened(make_tar(entry("l/made")))], tars=[{"fd": 0}],
                     workspace={"path": work, "target": "/w"})
        # In place of a link it is a file of its own.
        os.symlink(os.path.join(host, "f"), os.path.join(work, "f"))
        self.stage.give(os.path.join(work, "f"))
        self.assert_ok(self.shell("test -f f && ! test -L f", fds=[self.opened(make_tar(entry("f")))], tars=[{"fd": 0}],
                                  workspace={"path": work, "target": "/w"}))
        self.assertEqual(os.listdir(host), [])

    def test_A7_hard_links_to_what_is_outside(self):
        self.assertIn("hard link", self.refuse("bad_value", make_tar(link("h", "/etc/passwd", tarfile.LNKTYPE)))["message"])
        self.refuse("bad_value", make_tar(link("h", "../x", tarfile.LNKTYPE)))
        self.refuse("bad_value", make_tar(link("h", "nothing", tarfile.LNKTYPE)))

    def test_A4_a_link_in_the_image_where_it_is_to_go(self):
        host, image = self.make_dir(mode=0o777), self.make_image()
        os.symlink(host, os.path.join(image, "data"))
        for target in ("/data", "/data/a"):
            self.refused("setup_failed", ["/bin/probe", "ids"], field="task.tars[0]", image=image, fds=[self.opened(make_tar(entry("f")))],
                         tars=[{"fd": 0, "target": target}])
        self.assertEqual(os.listdir(host), [])

    def test_it_has_no_more_room_than_the_task(self):
        big = make_tar(entry("big", b"\0" * (3 << 20)))
        many = make_tar(*[entry("same", b"") for i in range(200)])
        if not self.daemon.is_upper_on_disk:
            self.assertIn("limits.disk", self.refuse("bad_value", big, limits={"disk": "2MiB"})["message"])
            self.assertIn("limits.inodes", self.refuse("bad_value", many, limits={"inodes": 150})["message"])
            error = self.refuse("setup_failed", make_tar(*[entry(str(i), b"") for i in range(140)]), limits={"inodes": 150})
            self.assertIn("limits.inodes", error["hint"])
            # A bomb: small outside, large inside.
            bomb = gzip.compress(make_tar(*[entry(str(i), b"\0" * (1 << 20)) for i in range(8)]))
            self.assertLess(len(bomb), 64 << 10)
            self.refuse("bad_value", bomb, limits={"disk": "4MiB"})
        run = self.assert_ok(self.unpack(big, "stat -c %s t/big"))
        self.assertEqual(run.text(), "%d\n" % (3 << 20))

    def test_sparse_and_huge_headers(self):
        info, _ = entry("sp", b"", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sp",
                                                "GNU.sparse.realsize": str(1 << 40)})
        info.size = 512
        self.refuse("bad_value", make_tar((info, io.BytesIO(b"0\n" + b"\0" * 510))))
        info.pax_headers["GNU.sparse.realsize"] = str(1 << 20)
        run = self.assert_ok(self.unpack(make_tar((info, io.BytesIO(b"0\n" + b"\0" * 510))), "stat -c %s t/sp"))
        self.assertEqual(run.text(), "%d\n" % (1 << 20))
        self.refuse("bad_value", make_tar(entry("n" * (3 << 20), b""), form=tarfile.GNU_FORMAT))
        self.refuse("bad_value", make_tar(entry("f", pax_headers={"comment": "c" * (3 << 20)})))

    def test_what_is_no_tar_or_not_a_whole_one(self):
        whole = make_tar(entry("f", b"x" * 100000), entry("g"))
        for data in (b"", b"\n", os.urandom(20000), whole[:50000], gzip.compress(whole)[:60], b"\x1f\x8b" + b"\0" * 100,
                     b"!<arch>\n" + b" " * 200, b"PK\3\4" + b"\0" * 200):
            self.refuse("bad_value", data)
        self.assert_ok(self.unpack(make_tar(), "test -d t"))

    def test_the_task_finds_nothing_of_what_unpacked_it(self):
        run = self.assert_ok(self.unpack(make_tar(entry("f")), "ls /proc | grep -c '^[0-9]'; ls /proc/self/fd | wc -l; cat | wc -c"))
        self.assertEqual(run.text().split(), ["4", "4", "0"])


@in_modes
class Streams(WithTars):
    def through(self, data, make):
        """Writes the bytes into a pipe or socket while the task is made."""
        ours, theirs = make()

        def write():
            with open(ours, "wb") as f:
                try:
                    f.write(data)
                except BrokenPipeError:
                    pass
        thread = threading.Thread(target=write)
        thread.start()
        try:
            return self.shell("cat f; cat | wc -c", fds=[theirs], tars=[{"fd": 0}])
        finally:
            os.close(theirs)
            thread.join()

    def pipe(self):
        r, w = os.pipe()
        return w, r

    def socket(self):
        a, b = socket.socketpair()
        return a.detach(), b.detach()

    def test_pipes_and_sockets(self):
        # Behind its end there may be more: it is read, so that nobody is cut off.
        data = make_tar(entry("f", b"y" * 300000)) + b"\0" * 200000
        for make in (self.pipe, self.socket):
            run = self.assert_ok(self.through(data, make))
            self.assertEqual(run.text(), "y" * 300000 + "0\n")

    def test_a_descriptor_that_does_not_wait(self):
        r, w = os.pipe()
        os.set_blocking(r, False)
        data = make_tar(entry("f", b"late"))
        tag, task = self.client.start({"argv": ["cat", "f"], "tars": [{"fd": 0}]}, fds=[r])
        os.close(r)
        self.assertEqual(self.client.call("inspect", task=task)["state"], "starting")
        os.write(w, data)
        os.close(w)
        self.assertEqual(self.client.finish(tag, task)[2], b"late")

    def test_it_may_come_on_stdin(self):
        data = make_tar(entry("f", b"z" * 3000000))
        tag, task = self.client.start(self.task(["sh", "-c", "wc -c < f; cat | wc -c"], stdin="stream", tars=[{}]))
        for at in range(0, len(data), 500000):
            piece = data[at:at + 500000]
            self.client.call("input", task=task, base64=base64.b64encode(piece).decode(), eof=at + 500000 >= len(data))
        _, result, output, errors, _ = self.client.finish(tag, task)
        self.assertEqual((result["outcome"], output.split()), ("ok", [b"3000000", b"0"]), (result, errors))
        self.refused("missing_field", field="task.tars[0].fd", tars=[{}], tty=True)
        self.refused("bad_value", field="task.tars", tars=[{}, {}], stdin="stream")

    def test_who_never_ends_is_bounded_by_the_task_s_end(self):
        r, w = os.pipe()
        self.addCleanup(os.close, w)
        for end in ("cancel", "gone"):
            client = self.new_client()
            tag, task = client.start(self.task(["true"], tars=[{"fd": 0}]), fds=[r])
            self.assertTrue(wait_until(lambda: Traces(self.stage).named("dayfly-unpack")))
            if end == "cancel":
                client.call("cancel", task=task)
                self.assertEqual(client.finish(tag, task)[1]["cause"], "cancel")
            client.close()
            self.assertTrue(wait_until(lambda: not Traces(self.stage).named("dayfly-unpack")), end)
        os.close(r)

    def test_N_nobody_else_waits_for_it(self):
        r, w = os.pipe()
        client = self.new_client()
        tag, task = client.start(self.task(["true"], tars=[{"fd": 0}]), fds=[r])
        os.close(r)
        self.assert_ok(self.shell("true"))
        os.close(w)
        # What came was nothing at all.
        self.assertEqual(client.finish(tag, task)[1]["error"]["code"], "bad_value")


@in_modes
class FromThePool(WithTars, OwnDaemons):
    def test_a_parked_jail_takes_them_too(self):
        conn = self.connect_to(self.new_daemon("--pool-size", 2))
        conn.run({"argv": ["true"]}, timeout=30)
        for _ in range(2):
            self.assertTrue(wait_until(lambda: Traces(self.stage).named("dayfly-parked")))
            fds = [self.opened(make_tar(entry("f", b"one "))), self.opened(make_tar(entry("f", b"two")))]
            _, result, output, errors, _ = conn.run({"argv": ["sh", "-c", "cat /opt/a/f /opt/b/f"], "tars": [
                {"fd": 0, "target": "/opt/a"}, {"fd": 1, "target": "/opt/b"}]}, fds=fds, timeout=30)
            self.assertEqual((output, result["pool"]), (b"one two", "hit"), (result, errors))


@in_modes
class CommandLine(WithTars):
    def test_of_a_file_and_of_stdin(self):
        folder_path = self.make_dir()
        path = self.make_file(os.path.join(folder_path, "t.tar"), make_tar(entry("f", b"of a file ")))
        process = start_cli(self, "run", "--tar", "/opt/x=" + path, "--tar", "-", "--", "sh", "-c", "cat /opt/x/f f; cat | wc -c",
                            stdin=subprocess.PIPE)
        out, err = process.communicate(make_tar(entry("f", b"of a pipe ")), timeout=60)
        self.assertEqual((process.returncode, out), (0, b"of a file of a pipe 0\n"), err)

    def test_what_is_wrong_is_told(self):
        path = self.make_file(os.path.join(self.make_dir(), "t"), "no tar, but long enough to be one? " * 100)
        for args, text in ((("--tar", path), b"not a tar that can be taken"), (("--tar", "/nonexistent"), b"No such file"),
                           (("--tar", "-", "-i"), b"--tar -"), (("--tar", "-", "--tar", "/x=-"), b"--tar -"),
                           (("--tar", "/x="), b"names no file"), (("--tar", "/proc/x=" + path), b"--tar")):
            done = self.cli("run", *args, "--", "true")
            self.assertEqual((done.returncode, text in done.stderr), (125, True), (args, done))
