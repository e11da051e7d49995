"""Real tools work inside: compilers, interpreters, package managers, debuggers. Prints what ran; what the host has not got is a skip."""
import os
import shutil

from dayfly_test import in_modes

HELLO = """
#include <stdio.h>
#include <stdlib.h>
static int twice(int n) { return 2 * n; }
int main(void) { int n = twice(21); printf("answer %d\\n", n); return getenv("FAIL") ? 1 : 0; }
"""
# What a jail shows of the host: a tool elsewhere is not there inside.
SHOWN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@in_modes
class Tools:
    ran = []

    @classmethod
    def tearDownClass(cls):
        print("tools that ran inside (%s): %s" % (cls.mode, " ".join(sorted(set(cls.ran)))), flush=True)
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        type(self).ran = self.ran

    def need(self, *names):
        for name in names:
            if not shutil.which(name, path=SHOWN):
                self.skipTest("this host has no %s in %s" % (name, SHOWN))

    def script(self, text, *tools, timeout=90, **more):
        """Runs a script in a fresh work directory; it must end with 0."""
        self.need(*tools)
        run = self.shell("set -e; mkdir -p /tmp/work; cd /tmp/work\n" + text, timeout=timeout, **more)
        self.assert_ok(run)
        self.ran.extend(tools)
        return run.text()

    def source(self):
        place = self.make_dir()
        self.make_file(os.path.join(place, "hello.c"), HELLO)
        return {"path": place, "mode": "cow", "target": "/mnt/src"}

    def test_gcc_compiles_and_the_program_runs(self):
        out = self.script("gcc -O2 -Wall -o hello /mnt/src/hello.c; ./hello; ldd ./hello", "gcc", workspace=self.source())
        self.assertIn("answer 42", out)

    def test_gcc_with_sanitizers(self):
        out = self.script("gcc -g -fsanitize=address,undefined -o hello /mnt/src/hello.c 2>/dev/null || { echo none; exit 0; }; ./hello",
                          "gcc", workspace=self.source())
        if out.strip() == "none":
            self.skipTest("this host's gcc has no sanitizers")
        self.assertIn("answer 42", out)
        self.ran.append("asan")

    def test_gxx_and_threads(self):
        out = self.script("cat >t.cc <<'X'\n#include <thread>\n#include <iostream>\n#include <vector>\nint main() { std::vector<std::thread> v; int n[8] = {}; "
                          "for (int i = 0; i < 8; i++) v.emplace_back([&n, i] { n[i] = i; }); for (auto &t : v) t.join(); int s = 0; for (int i : n) s += i; "
                          "std::cout << \"sum \" << s << \"\\n\"; }\nX\ng++ -pthread -o t t.cc; ./t", "g++")
        self.assertIn("sum 28", out)

    def test_make_in_parallel(self):
        out = self.script("for i in 1 2 3 4 5 6; do sed \"s/answer/answer$i/\" /mnt/src/hello.c >h$i.c; done\n"
                          "printf 'all: $(patsubst %%.c,%%,$(wildcard h*.c))\\n%%: %%.c\\n\\tgcc -o $@ $<\\n' >Makefile; make -s -j4; ./h1; ./h6", "make", "gcc", workspace=self.source())
        self.assertEqual(out.split("\n")[:2], ["answer1 42", "answer6 42"])

    def test_python(self):
        out = self.script("python3 - <<'X'\nimport os, ssl, sqlite3, subprocess, tempfile, threading, multiprocessing, json, hashlib\n"
                          "assert subprocess.run(['echo', 'child'], capture_output=True).stdout == b'child\\n'\n"
                          "t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
                          "with multiprocessing.Pool(2) as p: print(sum(p.map(abs, range(-10, 10))))\n"
                          "db = sqlite3.connect('x.db'); db.execute('create table t(a)'); db.commit()\n"
                          "print(os.cpu_count() > 0, len(os.urandom(8)), tempfile.gettempdir())\nX", "python3")
        self.assertEqual(out.split(), ["100", "True", "8", "/tmp"])

    def test_python_virtual_environment(self):
        self.need("python3")
        out = self.script("python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix)'", "python3")
        self.assertEqual(out.strip(), "/tmp/work/v")

    def test_node(self):
        out = self.script("node -e 'const fs=require(\"fs\"),cp=require(\"child_process\"),w=require(\"worker_threads\"); fs.writeFileSync(\"a\",\"text\"); "
                          "console.log(cp.execSync(\"cat a\").toString()); new w.Worker(\"console.log(6*7)\",{eval:true}); "
                          "require(\"net\").createServer().listen(0,\"127.0.0.1\",function(){console.log(\"port\",this.address().port>0);this.close()})'", "node")
        for word in ("text", "42", "port true"):
            self.assertIn(word, out)

    def test_npm(self):
        out = self.script("mkdir lib app; (cd lib; npm init -y >/dev/null; echo 'module.exports = 42' >index.js); cd app; npm init -y >/dev/null; "
                          "npm install --offline --no-audit --no-fund ../lib >/dev/null; node -e 'console.log(require(\"lib\"))'; npm --version", "node", "npm")
        self.assertEqual(out.split()[0], "42")

    def test_git(self):
        out = self.script("git init -q r; cd r; git config user.email a@b.c; git config user.name n; echo one >f; git add f; git commit -qm first; echo two >>f; git commit -qam second; "
                          "git log --format=%s; git clone -q . ../copy; git -C ../copy rev-list --count HEAD; git fsck", "git")
        self.assertEqual(out.split(), ["second", "first", "2"])

    def test_git_in_a_workspace_of_the_client(self):
        self.need("git")
        place = self.make_dir()
        out = self.assert_ok(self.shell("git init -q .; git config user.email a@b.c; git config user.name n; echo x >f; git add f; git commit -qm c; git status --short; git log --format=%s",
                                        workspace={"path": place, "mode": "rw", "target": "/mnt/r"})).text()
        self.assertEqual(out.split(), ["c"], "the work tree is the task's own: no complaint of dubious ownership")
        self.assertTrue(os.path.isdir(os.path.join(place, ".git")))

    def test_gdb_breakpoint_and_run(self):
        out = self.script("gcc -g -O0 -o hello /mnt/src/hello.c; gdb -nx -q -batch -ex 'set debuginfod enabled off' -ex 'break twice' -ex run -ex 'print n' -ex backtrace -ex finish "
                          "-ex continue ./hello 2>&1", "gcc", "gdb", workspace=self.source())
        for word in ("Breakpoint 1, twice", "$1 = 21", "main", "answer 42", "exited normally"):
            self.assertIn(word, out)

    def test_gdb_attach(self):
        out = self.script("sleep 30 & gdb -nx -q -batch -p $! -ex 'info proc' 2>&1 | head -50; kill $!", "gdb")
        self.assertIn("process", out)

    def test_strace(self):
        out = self.script("gcc -o hello /mnt/src/hello.c; strace -f -o trace ./hello; grep -c execve trace; grep -q 'answer 42' trace && echo seen", "gcc", "strace", workspace=self.source())
        self.assertEqual(out.split()[-1], "seen")

    if shutil.which("go", path=SHOWN):
        def test_go(self):
            out = self.script("mkdir m; cd m; printf 'package main\\nimport \"fmt\"\\nfunc main() { c := make(chan int); go func() { c <- 42 }(); fmt.Println(<-c) }\\n' >m.go; "
                              "GOFLAGS=-mod=mod GOCACHE=/tmp/work/c go run m.go", "go", timeout=120)
            self.assertEqual(out.split(), ["42"])

    if shutil.which("cargo", path=SHOWN):
        def test_cargo(self):
            out = self.script("cargo new -q --vcs none m; cd m; cargo run -q --offline", "cargo", timeout=120)
            self.assertEqual(out.strip(), "Hello, world!")

    def test_perl_tar_and_compressors(self):
        out = self.script("perl -e 'print 6*7, \"\\n\"'; mkdir d; seq 1 1000 >d/f; tar czf d.tgz d; mkdir e; tar xzf d.tgz -C e; cmp d/f e/d/f && echo same; "
                          "find /tmp/work -name f | wc -l", "perl", "tar", "gzip")
        self.assertEqual(out.split(), ["42", "same", "2"])

    def test_shells_and_pipes(self):
        out = self.script("bash -c 'set -o pipefail; diff <(seq 1 5) <(seq 1 5) && echo \"${BASH_VERSION%%.*}\" >/dev/null; mapfile -t a < <(seq 3); echo ${#a[@]}'", "bash")
        self.assertEqual(out.split(), ["3"])
