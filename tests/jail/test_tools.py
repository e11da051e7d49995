"""Real tools under the filter and without capabilities: what is on the host must work inside. Prints what ran."""
import os
import shutil

from dayfly_test import in_modes

HELLO_C = """#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *work(void *arg) { *(int *)arg = 42; return 0; }
int main(void)
{
    int got = 0;
    pthread_t t;
    if (pthread_create(&t, 0, work, &got)) return 1;
    pthread_join(t, 0);
    char *p = malloc(10);
    p[0] = 'x';
    printf("got %d%c\\n", got, p[0]);
    free(p);
    return 0;
}
"""

# name, program that must be there, shell script, what its output must hold
TOOLS = (
    ("gcc", "gcc", "gcc -O2 -g -pthread hello.c -o hello && ./hello", "got 42x"),
    ("clang", "clang", "clang -O2 -g -pthread hello.c -o hello && ./hello", "got 42x"),
    ("make", "make", "printf 'all: one two\\none two:\\n\\techo made $@\\n' >Makefile; make -j4", "made two"),
    ("address-sanitizer", "gcc", "gcc -g -fsanitize=address,undefined -pthread hello.c -o hello && ./hello", "got 42x"),
    ("thread-sanitizer", "gcc", "gcc -g -fsanitize=thread -pthread hello.c -o hello && ./hello", "got 42x"),
    ("python3", "python3", "python3 -c 'import ssl, ctypes, subprocess, multiprocessing as m; print(sum(m.Pool(2).map(abs, [-1, -2])))'", "3"),
    ("node", "node", "node -e 'require(\"fs\").readFile(\"hello.c\", (e, d) => console.log(e || \"read \" + d.length)); new (require(\"worker_threads\").Worker)(\"1\", {eval: true})'", "read "),
    ("npm", "npm", "npm init -y >/dev/null && npm pkg set scripts.x='node -p 6*7' && npm run -s x", "42"),
    ("git", "git", "git init -q . && git add . && git -c user.name=x -c user.email=x@y commit -q -m one && git log --oneline && git fsck --no-progress && git gc -q && git status -s | wc -l", "one"),
    ("gdb", "gdb", "gcc -g -pthread hello.c -o hello && gdb -q -batch -ex 'break work' -ex run -ex bt -ex continue ./hello 2>&1", "got 42x"),
    ("strace", "strace", "gcc -pthread hello.c -o hello && strace -f -o trace ./hello && grep -c write trace", "1"),
    ("valgrind", "valgrind", "gcc -g -pthread hello.c -o hello && valgrind -q --error-exitcode=9 ./hello", "got 42x"),
    ("go", "go", "printf 'package main\\nfunc main() { c := make(chan int); go func() { c <- 42 }(); println(<-c) }\\n' >x.go; go run x.go 2>&1", "42"),
    ("rustc", "rustc", "printf 'fn main() { println!(\"{}\", std::thread::spawn(|| 42).join().unwrap()) }' >x.rs && rustc x.rs && ./x", "42"),
    ("perl", "perl", "perl -e 'print fork() ? (wait(), \"perl ok\") : exit'", "perl ok"),
    ("bash", "bash", "bash -c 'coproc cat; echo hi >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x; diff <(echo 1) <(echo 1) && echo same'", "same"),
    ("tar", "tar", "tar czf x.tgz hello.c && mkdir out && tar xzf x.tgz -C out && cmp hello.c out/hello.c && echo unpacked", "unpacked"),
    ("curl", "curl", "curl -sS file://$PWD/hello.c | wc -l; curl -sS --max-time 5 http://1.1.1.1/ 2>&1; exit 0", "16"),
    ("setpriv", "setpriv", "setpriv --no-new-privs --landlock-access fs --help >/dev/null; setpriv --nnp true && echo narrowed", "narrowed"),
)
# In strict there is no tracing (which the leak sanitizer needs too), and address randomisation stays on.
NOT_STRICT = {"gdb", "strace", "address-sanitizer", "thread-sanitizer"}


@in_modes
class Tools:
    def setUp(self):
        super().setUp()
        self.work = self.make_dir()
        self.make_file(os.path.join(self.work, "hello.c"), HELLO_C)

    def run_tools(self, profile, leave_out=()):
        ran, missing = [], []
        for name, program, script, expected in TOOLS:
            # The jail shows /usr only: a tool in somebody's home is not there.
            where = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin")
            if not where or name in leave_out:
                missing.append(name)
                continue
            with self.subTest(tool=name):
                run = self.shell(script, workspace={"path": self.work, "mode": "cow", "target": "/srv/work"}, profile=profile, timeout=120,
                                 env={"HOME": "/home/agent"})
                self.assert_ok(run)
                self.assertIn(expected, run.text(), str(run))
                ran.append(name)
        print("     %s %s ran: %s; not here: %s" % (self.mode, profile, " ".join(ran), " ".join(missing) or "-"), flush=True)
        self.assertIn("python3", ran)
        self.assertEqual(os.listdir(self.work), ["hello.c"])

    def test_tools_work_in_dev(self):
        self.run_tools("dev")

    def test_tools_work_in_strict_but_for_tracers(self):
        self.run_tools("strict", NOT_STRICT)

    def test_E10_tracers_do_not_work_in_strict(self):
        if not shutil.which("strace", path="/usr/bin"):
            self.skipTest("no strace on this host")
        self.assertNotEqual(self.shell("strace -o /dev/null true", profile="strict").code, 0)
        self.assert_ok(self.shell("strace -o /dev/null true"))
