"""For tests of what a task changes: a workspace, edits of it, and how trees are compared."""
import base64
import os
import random
import shlex
import shutil
import stat
import subprocess

TREE = """printf 'one\\ntwo\\nthree\\n' > text; printf '\\0\\1\\2' > binary; echo 1 > del; echo 1 > mode; echo tool > tool; chmod 755 tool
mkdir -p dir/sub gone/deep; echo 1 > dir/a; echo 1 > dir/sub/b; echo 1 > gone/x; echo 1 > gone/deep/y; ln -s text link; ln -s text relink
echo 1 > file2dir; mkdir dir2file; echo 1 > dir2file/in; echo 1 > file2link; printf 'no end' > noend; printf 'a\\r\\nb\\r\\n' > crlf; : > empty"""

CHANGES = """printf 'one\\nTWO\\nthree\\n' > text; printf '\\0\\1\\3' > binary; rm del; chmod 755 mode; chmod 644 tool; rm -r gone; mv dir renamed
ln -sfn binary relink; rm file2dir; mkdir file2dir; echo 1 > file2dir/in; rm -r dir2file; echo 1 > dir2file; rm file2link; ln -s nowhere file2link
printf 'no end at all' > noend; printf 'a\\r\\nB\\r\\n' > crlf; echo x > empty; : > newempty; head -c 100000 /dev/urandom > random; ln -s / out
printf '* text eol=crlf\\n*.x diff=evil\\n' > .gitattributes; printf 'a\\r\\n' > n.x; printf x > 'new
line'; printf x > 'with "quotes" and \\ and 	tab'; printf x > "$(printf 'by\\377te')"; printf x > -dash; mkdir -p 'sp ace'; echo 1 > 'sp ace/ü'"""


def whole(top):
    """All of a tree but .git: names, permissions, contents, targets."""
    found = {}
    top = os.fsencode(top)
    for path, dirs, files in os.walk(top):
        if b".git" in dirs:
            dirs.remove(b".git")
        for name in files + dirs:
            full = os.path.join(path, name)
            st = os.lstat(full)
            mode = oct(stat.S_IMODE(st.st_mode))
            if stat.S_ISLNK(st.st_mode):
                found[os.path.relpath(full, top)] = ("link", os.readlink(full))
            elif stat.S_ISDIR(st.st_mode):
                found[os.path.relpath(full, top)] = ("dir", mode)
            elif stat.S_ISREG(st.st_mode):
                with open(full, "rb") as f:
                    found[os.path.relpath(full, top)] = ("file", mode, f.read())
            else:
                found[os.path.relpath(full, top)] = ("special",)
    return found


def tree(top):
    """What git keeps of a tree: names, contents or targets, whether executable."""
    found = {}
    for name, (kind, *rest) in whole(top).items():
        if kind == "link":
            found[name] = (kind, rest[0])
        elif kind == "file":
            found[name] = ("x" if int(rest[0], 8) & 0o100 else "-", rest[1])
    return found


class Edits:
    """Random edits of a tree as a shell script."""

    NAMES = ["a", "b c", "ü", "-x", "n\nl", "q'q", "d.txt", "\\t", ".hidden", "tab\there"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def path(self):
        depth = self.random.choice((1, 1, 1, 2, 2, 3))
        return "/".join(self.random.choice(self.NAMES) for _ in range(depth))

    def content(self):
        kind = self.random.randrange(5)
        if kind == 0:
            return self.random.randbytes(self.random.choice((0, 1, 100, 9000)))
        if kind == 1:
            return b""
        lines = [b"line %d" % self.random.randrange(30) for _ in range(self.random.choice((1, 5, 40)))]
        end = self.random.choice((b"\n", b"\r\n"))
        return end.join(lines) + self.random.choice((end, b""))

    def step(self):
        r, p, q = self.random, shlex.quote("./" + self.path()), shlex.quote("./" + self.path())
        data = base64.b64encode(self.content()).decode()
        write = 'mkdir -p "$(dirname -- %s)" && { [ -d %s ] || { rm -f %s; echo %s | base64 -d > %s; }; }' % (p, p, p, data, p)
        return r.choice((
            write, write, write,
            "[ ! -f %s ] || echo %s | base64 -d >> %s" % (p, data, p),
            "rm -rf %s" % p,
            "mv -T -- %s %s" % (p, q),
            "cp -a -T -- %s %s" % (p, q),
            # To nowhere: git takes no path behind a link that leads in circles, not even when the patch removes it.
            'mkdir -p "$(dirname -- %s)" && { rm -rf %s; ln -s nowhere/%s %s; }' % (p, p, q, p),
            "[ -L %s ] || [ -d %s ] || chmod %s %s" % (p, p, r.choice(("644", "755", "600", "700")), p),
            "mkdir -p %s" % p,
            "ln -f -T -- %s %s" % (p, q))) + " || :"

    def script(self, n):
        return "\n".join("{ %s; } 2>/dev/null" % self.step() for _ in range(n))


class Cases:
    def setUp(self):
        super().setUp()
        self.work, self.out, self.temporary = self.make_dir(), self.make_dir(), self.make_dir()
        self.sh(TREE, self.work)

    def sh(self, script, cwd, check=True):
        with self.stage.as_process() as kwargs:
            # A git from 2.47 on has its upkeep done behind our back, with files that come and go.
            kwargs["env"] = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null", HOME="/nonexistent", GIT_CONFIG_COUNT="1",
                                 GIT_CONFIG_KEY_0="maintenance.auto", GIT_CONFIG_VALUE_0="false")
            done = subprocess.run(["sh", "-ec", script], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        if check:
            self.assertEqual(done.returncode, 0, done)
        return done

    def path(self, name):
        return os.path.join(self.out, name)

    def run_cli(self, script, name, *options, code=0, **more):
        done = self.cli("run", "--workspace", self.work, "--changes", self.path(name), *options, "--", "sh", "-c", script, **more)
        self.assertEqual(done.returncode, code, done)
        return done

    def seen(self, script):
        """A tree as the task saw it: the same script in a copy."""
        copy = self.make_dir()
        self.sh("cp -a %s/. ." % self.work, copy)
        self.sh(script, copy)
        return copy

    def patched(self, name, git=False):
        copy = self.make_dir()
        self.sh("cp -a %s/. ." % self.work, copy)
        if git:
            self.sh("git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm x", copy)
        self.sh("git apply --check %s && git apply %s %s" % (self.path(name), "--index" if git else "", self.path(name)), copy)
        return copy

    def cli(self, *args, **more):
        more["env"] = dict(more.get("env") or {}, TMPDIR=self.temporary)
        return super().cli(*args, **more)

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(self.temporary), [])
        self.assertEqual([n for n in os.listdir(self.out) if n.count(".") > 1], [])

    def new_work(self, script):
        """Another workspace in place of the one that was."""
        shutil.rmtree(self.work)
        os.mkdir(self.work, 0o755)
        self.stage.give(self.work)
        self.sh(script, self.work)

    def unpacked(self, data, *options):
        folder = self.make_dir()
        subprocess.run(["tar", "-x", *options, "-C", folder], input=data, check=True)
        return folder

    def edit_at_random(self, check, rounds=3, prepare="umask 022\n%s"):
        """check(script, n) of edits in a workspace that others have made; the seed is told of what fails."""
        seed = int(os.environ.get("DAYFLY_TEST_SEED", "0")) or random.randrange(1 << 30)
        for n in range(rounds):
            edits = Edits(seed + n)
            self.new_work(prepare % edits.script(60))
            try:
                check(edits.script(40), n)
            except AssertionError as e:
                raise AssertionError("DAYFLY_TEST_SEED=%d (round %d)" % (seed, n)) from e
