"""Links, odd files, odd names and paths of others: A5 to A9, A14 to A18."""
import hashlib
import errno
import os

from dayfly_client import SCALE
from dayfly_test import errno_name, IS_ROOT, PROBE, in_modes, open_dir


def digest(top):
    """Everything below a directory: names, kinds, modes, owners, contents, link targets."""
    lines = []
    for path, dirs, files in os.walk(top):
        for name in sorted(dirs + files):
            full = os.path.join(path, name)
            st = os.lstat(full)
            content = ""
            if os.path.islink(full):
                content = os.readlink(full)
            elif os.path.isfile(full):
                with open(full, "rb") as f:
                    content = hashlib.sha256(f.read()).hexdigest()
            lines.append((os.path.relpath(full, top), st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_mtime_ns, content))
    return sorted(lines)


@in_modes
class Workspace:
    def setUp(self):
        super().setUp()
        self.work = self.make_dir()
        for name in ("dir", "other"):
            os.mkdir(os.path.join(self.work, name))
            self.stage.give(os.path.join(self.work, name))
            self.make_file(os.path.join(self.work, name, "file"), name)
        self.make_file(os.path.join(self.work, "file"), "content")

    def cow(self):
        return {"path": self.work, "mode": "cow", "target": "/srv/work"}

    def rw(self):
        return {"path": self.work, "mode": "rw", "target": "/srv/work"}

    def test_A5_links_left_in_a_workspace_lead_nowhere(self):
        """The daemon looks at what a task has left (it counts changes): no link of it is followed."""
        secret = self.make_file(os.path.join(self.make_dir(), "secret"), "secret")
        before = digest(self.work)
        script = """cd /srv/work
ln -s /etc/shadow a; ln -s ../../../../../../../etc/shadow b; ln -s %s c; ln -s d e; ln -s e d; ln -s nowhere f
rm -r dir; ln -s / dir; ln -s /proc/self/root g; ln -s /proc/1/root h; mkdir x; ln -s ../.. x/up; ln -s /srv/work loop""" % secret
        run = self.assert_ok(self.shell(script, workspace=self.cow()))
        changes = run.result["changes"]
        self.assertGreaterEqual(changes["added"] + changes["modified"] + changes["deleted"], 10)
        self.assertLess(changes["added"] + changes["modified"] + changes["deleted"], 40)
        self.assertEqual(digest(self.work), before)

    def test_A6_odd_files_in_a_workspace_hold_nobody_up(self):
        before = digest(self.work)
        script = """cd /srv/work
mkfifo fifo; truncate -s 1T sparse; rm file; mkfifo file
i=0; while [ $i -lt 200 ]; do mkdir -p deep/$i && cd deep/$i || exit 1; i=$((i+1)); done"""
        run = self.shell(script, workspace=self.cow(), timeout=20)
        self.assert_ok(run)
        self.assertLess(run.result["time"]["destroy"] + run.result["time"]["collect"], 2000000 * SCALE)
        self.assertEqual(digest(self.work), before)

    def test_A7_no_hard_link_leaves_a_mount(self):
        given = self.make_dir()
        self.make_file(os.path.join(given, "file"), "given")
        mounts = [{"path": given, "target": "/srv/given", "mode": "rw"}]
        script = """cd /srv/work
ln /srv/given/file one 2>/dev/null && exit 1
ln /usr/bin/env two 2>/dev/null && exit 2
ln /srv/work/file /srv/given/three 2>/dev/null && exit 3
ln /etc/passwd four 2>/dev/null && exit 4
ln -f file five"""
        for workspace in (self.rw(), self.cow()):
            self.assert_ok(self.shell(script, workspace=workspace, mounts=mounts))
        self.assertEqual(sorted(os.listdir(given)), ["file"])
        self.assertEqual(os.stat(os.path.join(self.work, "five")).st_nlink, 2)

    def test_A8_swapping_while_the_jail_is_looked_at(self):
        """A directory and a link to the host exchanged as fast as it goes, until the task is killed in the middle."""
        outside = self.make_dir()
        self.make_file(os.path.join(outside, "file"), "outside")
        before, outside_before = digest(self.work), digest(outside)
        for _ in range(3):
            script = "cd /srv/work && ln -s %s link && %s swap dir link 5 & sleep 0.2; exit 0" % (outside, PROBE)
            self.assert_ok(self.shell(script, workspace=self.cow()))
        self.assertEqual(digest(self.work), before)
        self.assertEqual(digest(outside), outside_before)

    def test_A9_what_a_task_left_misleads_no_later_one(self):
        outside = self.make_dir()
        victim = self.make_file(os.path.join(outside, "victim"), "untouched")
        self.assert_ok(self.shell("cd /srv/work; ln -s %s mountpoint; ln -s %s filepoint; ln -s / rootlink" % (outside, victim),
                                  workspace=self.rw()))
        given = self.make_dir()
        self.make_file(os.path.join(given, "file"), "given")
        for target in ("/srv/work/mountpoint", "/srv/work/mountpoint/below", "/srv/work/filepoint", "/srv/work/rootlink/etc/x"):
            for source in (given, os.path.join(given, "file")):
                error = self.refused(("setup_failed", "bad_value", "source_unavailable"), argv=[PROBE, "id"], workspace=self.rw(),
                                     mounts=[{"path": source, "target": target, "mode": "ro"}])
                self.assertTrue(error.get("message"))
        self.assertEqual(sorted(os.listdir(outside)), ["victim"])
        with open(victim) as f:
            self.assertEqual(f.read(), "untouched")

    def test_A14_overlay_attributes_set_by_a_task_mean_nothing_later(self):
        self.make_file(os.path.join(self.work, "meta"), "meta")
        attributes = (("dir", "user.overlay.opaque", "y"), ("dir", "user.overlay.redirect", "/../../etc"), ("file", "user.overlay.redirect", "/etc/passwd"),
                      ("file", "user.overlay.whiteout", "y"), ("dir", "trusted.overlay.opaque", "y"), ("file", "trusted.overlay.redirect", "/etc/passwd"),
                      ("file", "security.capability", "x"), ("meta", "user.overlay.redirect", "/etc/passwd"), ("meta", "user.overlay.metacopy", ""))
        for path, name, value in attributes:
            for user in ("agent", "root"):
                rows = self.probe("xattr", "/srv/work/" + path, name, value, workspace=self.rw(), user=user)
                if not name.startswith("user."):
                    self.assertIn(rows.errno("setxattr"), ("EPERM", "EINVAL", "EOPNOTSUPP"), name)
        # As a lower layer of a later task the folder still is what its files say.
        run = self.assert_ok(self.shell("cd /srv/work; ls; cat file dir/file other/file; ls dir", workspace=self.cow()))
        self.assertEqual(run.text().split(), ["dir", "file", "meta", "other", "contentdirother" + "file"])
        # A file that says that its content is elsewhere is itself or an error, never that other content.
        run = self.shell("cat /srv/work/meta", workspace=self.cow())
        self.assertIn(run.text(), ("meta", ""))

    def test_A15_names_with_every_odd_byte(self):
        parent = self.make_dir()
        odd = ["a,b", "a:b", "a\\b", 'a"b', "a b", "a\nb", "a%sb", "-rf", "a'b", "a=b", "\\,x:y", "upperdir=x,lowerdir=y", "\u00e4\u4e16", "$(id)",
               "a;b", " ", "\t"]
        for name in odd:
            path = os.path.join(parent, name)
            os.mkdir(path)
            self.stage.give(path)
            self.make_file(os.path.join(path, "marker"), name)
            for mode in ("cow", "ro", "rw"):
                for by_fd in (False, True):
                    with open_dir(path) as fd:
                        workspace = {"mode": mode, "target": "/srv/odd"}
                        workspace.update({"fd": 0} if by_fd else {"path": path})
                        run = self.run_bare({"argv": ["cat", "/srv/odd/marker"], "workspace": workspace}, fds=[fd] if by_fd else [])
                    self.assert_ok(run)
                    self.assertEqual(run.stdout.decode(), name, (name, mode, by_fd))

    def test_A15_odd_names_as_targets_and_images(self):
        given = self.make_dir()
        self.make_file(os.path.join(given, "marker"), "here")
        for name in ("a,b", "a:b", "a\\b", 'a"b', "a b", "a\nb", "-rf"):
            run = self.assert_ok(self.run_task(["cat", "/srv/%s/marker" % name],
                                               mounts=[{"path": given, "target": "/srv/" + name, "mode": "ro"}]))
            self.assertEqual(run.text(), "here")
            image = os.path.join(self.make_dir(), name)
            os.rename(self.make_image(), image)
            self.assert_ok(self.run_bare({"argv": ["/bin/probe", "id"], "image": image}))

    def test_A16_bad_names_are_refused(self):
        for name in ("..", ".", "", "a/b", "/", "-rf", "a b", "x\n", "\n", "a\x00b", "x" * 65, "x" * 4097, "\u00e4", "*", "$x", "_x"):
            self.refused(("bad_value", "out_of_range", "too_large", "wrong_type", "protocol_error"), name=name)
        for task in ("..", "../../etc", "a/b", "", "x" * 4097, "\x00", "-rf", "t-nope"):
            for op in ("inspect", "wait", "logs", "cancel", "attach", "signal"):
                more = {"signal": "TERM"} if op == "signal" else {}
                with self.assertRaises(Exception) as caught:
                    self.new_client().call(op, task=task, **more)
                self.assertIn(getattr(caught.exception, "code", None),
                              ("not_found", "bad_value", "too_large", "out_of_range", "protocol_error"), (op, task))
        self.assert_ok(self.run_task(["true"], name="good-name.1"))


@in_modes
class Rights:
    def test_A17_no_oracle_of_what_exists(self):
        """A client learns nothing about a directory that it may not enter."""
        closed = self.make_dir(owner=0 if IS_ROOT else None, mode=0o700)
        self.make_file(os.path.join(closed, "there"), "x", owner=0 if IS_ROOT else None)
        os.mkdir(os.path.join(closed, "dir"))
        if not IS_ROOT:
            os.chmod(closed, 0)
            self.addCleanup(os.chmod, closed, 0o700)
        told = set()
        for name in ("there", "dir", "nope", "nope/deeper", "there/x"):
            path = os.path.join(closed, name)
            for field in ({"workspace": {"path": path, "mode": "ro", "target": "/srv/x"}},
                          {"mounts": [{"path": path, "target": "/srv/x", "mode": "ro"}]}, {"image": path}):
                error = self.refused("source_unavailable", argv=["true"], **field)
                told.add((error["code"], error.get("errno"), str(error["message"]).replace(path, "PATH")))
        self.assertEqual(len({t[1] for t in told}), 1, told)
        self.assertLessEqual(len({t[2] for t in told}), 3, told)

    def test_A17_the_same_directory_opened_up_is_no_secret(self):
        place = self.make_dir(mode=0o755)
        self.make_file(os.path.join(place, "there"), "x")
        self.assert_ok(self.run_task(["cat", "/srv/x/there"], workspace={"path": place, "mode": "ro", "target": "/srv/x"}))
        error = self.refused("source_unavailable", workspace={"path": place + "/nope", "mode": "ro", "target": "/srv/x"})
        self.assertEqual(error.get("errno"), 2, error)

    def test_A18_a_link_does_not_add_rights(self):
        """What the client may not open itself it does not get through a link, a detour or another name either."""
        closed = self.make_dir(owner=0 if IS_ROOT else None, mode=0o700)
        os.mkdir(os.path.join(closed, "inner"))
        if not IS_ROOT:
            os.chmod(closed, 0)
            self.addCleanup(os.chmod, closed, 0o700)
        mine = self.make_dir()
        os.symlink(os.path.join(closed, "inner"), os.path.join(mine, "link"))
        os.symlink(closed, os.path.join(mine, "up"))
        for path in (mine + "/link", mine + "/up/inner", mine + "/../" + os.path.basename(closed) + "/inner",
                     "/proc/self/root" + closed + "/inner", "/proc/1/root" + closed + "/inner", "/proc/self/cwd/../../" + closed + "/inner",
                     "/proc/self/fd/0", "/proc/self/fd/3"):
            self.refused(("source_unavailable", "bad_value"), workspace={"path": path, "mode": "ro", "target": "/srv/x"})

    def test_A18_a_path_is_not_a_way_to_what_the_warden_has_open(self):
        """Paths are opened in a child of the warden: its own descriptors, root and directory, and other requests' sources, are not the
        client's."""
        mine = self.make_dir()
        self.make_file(os.path.join(mine, "x"), "mine")
        for base in ("/proc/self", "/proc/thread-self"):
            for name in ["cwd", "root", "root/usr"] + ["fd/%d" % n for n in range(40)]:
                path = "%s/%s" % (base, name)
                error = self.refused("source_unavailable", workspace={"path": path, "mode": "ro", "target": "/srv/x"})
                self.assertIn(error["errno"], (errno.ELOOP, errno.ENOENT), error)
        # What it has open are its socket and the standard ones.
        reached = [self.refused("source_unavailable", workspace={"path": "/proc/self/fd/%d" % n, "mode": "ro", "target": "/srv/x"})["errno"]
                   for n in range(3, 40)]
        self.assertEqual(reached.count(errno.ELOOP), 1)
        # Plain links on the way are followed, in /proc too.
        os.symlink(mine, os.path.join(mine, "link"))
        for path in (os.path.join(mine, "link"), "/proc/self/../.." + mine):
            rows = self.probe("cat", "/srv/x/x", workspace={"path": path, "mode": "ro", "target": "/srv/x"})
            self.assertEqual(rows.one("cat")["text"], "mine", path)

    def test_A18_files_of_other_users_in_the_image_are_nobodys(self):
        """/usr is the host's: what only some user of it may look into is neither for the agent, who may have the same number, nor for root."""
        closed = [d for d in ("/usr/share/polkit-1/rules.d", "/usr/local/private") if os.path.isdir(d) and os.stat(d).st_uid and
                  os.stat(d).st_mode & 0o007 == 0]
        for user in ("agent", "root"):
            for path in closed:
                row = self.probe("open", "r", path, user=user).one("open")
                self.assertEqual(errno_name(row["errno"]), "EACCES", path)
            # Root's files are root's, so that root can add to them.
            run = self.assert_ok(self.shell("stat -c %u /usr /usr/bin/env /etc", user=user))
            if self.mode == "root":
                self.assertEqual(run.text().split(), ["0"] * 3)
                if user == "root":
                    self.assert_ok(self.shell("touch /usr/lib/new /usr/local/lib/new && rm /usr/bin/env", user=user))

    def test_A18_a_cow_view_shows_nothing_that_a_mount_hides(self):
        error = self.refused(("source_unavailable", "setup_failed"), workspace={"path": "/", "mode": "cow", "target": "/srv/x"})
        self.assertIn("mounts below", error["hint"])
        error = self.refused(("source_unavailable", "setup_failed"), image="/")
        self.assertIn("mount", error["message"])
        # The same place with its mounts.
        self.assert_ok(self.shell("test -d /srv/x/usr", workspace={"path": "/", "mode": "ro", "target": "/srv/x"}))

    def test_A18_read_only_files_are_not_writable_through_rw(self):
        """rw gives the client's own rights, not more: a file of root stays root's."""
        if not IS_ROOT:
            self.skipTest("needs a file of another user: run as root")
        place = self.make_dir()
        self.make_file(os.path.join(place, "roots"), "root's", mode=0o644, owner=0)
        os.mkdir(os.path.join(place, "rootdir"), 0o755)
        for user in ("agent", "root"):
            workspace = {"path": place, "mode": "rw", "target": "/srv/x"}
            self.assertEqual(self.probe("write", "/srv/x/roots", "changed", workspace=workspace, user=user).errno("open"), "EACCES")
            self.assertEqual(self.probe("create", "/srv/x/rootdir/new", "x", workspace=workspace, user=user).errno("open"), "EACCES")
            run = self.shell("chmod 666 /srv/x/roots; chown 1000 /srv/x/roots; exit 0", workspace=workspace, user=user)
            self.assert_ok(run)
        st = os.stat(os.path.join(place, "roots"))
        self.assertEqual((st.st_uid, st.st_mode & 0o777), (0, 0o644))

    def test_A17_descriptors_are_the_rights(self):
        """What a client could open it may pass, whatever the path says beside it."""
        place = self.make_dir(mode=0o700)
        self.make_file(os.path.join(place, "marker"), "by fd")
        with open_dir(place) as fd:
            run = self.run_bare({"argv": ["cat", "/srv/x/marker"], "workspace": {"fd": 0, "path": "/nonexistent", "mode": "ro", "target": "/srv/x"}},
                                fds=[fd])
        self.assert_ok(run)
        self.assertEqual(run.text(), "by fd")
