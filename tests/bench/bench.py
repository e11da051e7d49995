#!/usr/bin/env python3
"""Measures dayfly beside what the kernel itself takes and beside other tools, all in turn in one run, and prints a table.

    tests/bench/bench.py [--quick] [--runs N] [--json FILE] [--svg DIR]

Needs root: the floors make namespaces as root does. The build folder is $DAYFLY_BUILD or $BUILD, else build/release. Tools that are not
installed are left out, and named. What stands in the table is told in docs/benchmarks.md.
"""
import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

from dayfly_host import Daemon, Stage, build_dir, process_table, processes_of, rss_kib  # noqa: E402
from dayfly_test import IS_ROOT  # noqa: E402

BUNDLE = {
    "ociVersion": "1.0.2", "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/",
                                       "env": ["PATH=/usr/bin:/bin"], "noNewPrivileges": True},
    "root": {"path": "rootfs", "readonly": True}, "hostname": "bench",
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")]}}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def program(name):
    return os.path.join(build_dir(), "tests", "bench", name)


def lines(argv, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(argv), done.stderr.decode("utf-8", "replace").strip()[-300:]))
    return done.stdout.decode().splitlines()


def whole(argv, count, env=None):
    """Milliseconds of whole processes."""
    found = []
    for _ in range(count):
        start = time.monotonic_ns()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
        found.append((time.monotonic_ns() - start) / 1e6)
        if done.returncode != 0:
            raise RuntimeError("%s: %s" % (" ".join(argv), done.stderr.decode("utf-8", "replace").strip()[-300:]))
    return found


class Bench:
    def __init__(self, options):
        self.options, self.stage = options, Stage.get()
        self.left_out, self.results = {}, {"machine": self.machine(), "date": time.strftime("%Y-%m-%d")}
        self.place = tempfile.mkdtemp(prefix="dayfly-bench-")

    @staticmethod
    def machine():
        with open("/proc/cpuinfo") as f:
            cpu = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "?")
        return "%s, %d CPUs, Linux %s" % (cpu, os.cpu_count(), platform.release())

    @contextlib.contextmanager
    def daemon(self, *args):
        daemon = Daemon(self.stage, "root", args)
        daemon.start()
        daemon.warm_up()
        try:
            yield daemon
        finally:
            daemon.close_client()
            # The other one's are not its own.
            problems = [p for p in daemon.stop() if not p.startswith("processes are left")]
            if problems:
                raise RuntimeError("; ".join(problems))

    # ---- one after the other -------------------------------------------------------------------

    def floor(self, kind):
        return lambda n: [int(line) / 1e6 for line in lines([program("floor"), kind, str(n)])]

    def usable(self, kinds):
        """Those that run here; of the others it is noted why not."""
        found = {}
        for name, run in kinds.items():
            try:
                if not shutil.which(name):
                    raise RuntimeError("not installed")
                run(1)
                found[name] = run
            except RuntimeError as e:
                self.left_out[name] = str(e)
        return found

    @staticmethod
    def in_turn(kinds, runs, times):
        """Adds the milliseconds of so many of each to `times`; the first round warms up."""
        per_round = 5
        for i in range(runs // per_round + 1):
            for name, run in kinds.items():
                found = run(per_round)
                if i:
                    times.setdefault(name, []).extend(found)

    def tasks(self, daemon, pause_ms, wanted=None):
        def run(n):
            rows = [line.split() for line in lines([program("tasks"), daemon.socket, str(n), "1", str(pause_ms)])]
            rows = [row for row in rows if row[0] != "all"]
            return [int(ns) / 1e6 for ns, pool in rows if wanted in (None, pool)]
        return run

    def oci(self, tool, *before):
        bundle = os.path.join(self.place, "bundle")
        if not os.path.exists(bundle):
            os.makedirs(os.path.join(bundle, "rootfs", "proc"))
            for name in ("usr", "bin", "lib", "lib64"):
                os.symlink("usr/" + name, os.path.join(bundle, "rootfs", name)) if name != "usr" else os.mkdir(
                    os.path.join(bundle, "rootfs", name))
            config = dict(BUNDLE, mounts=BUNDLE["mounts"] + [
                {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]}])
            with open(os.path.join(bundle, "config.json"), "w") as f:
                json.dump(config, f)
        return lambda n: [ms for i in range(n) for ms in whole(
            [tool, *before, "--root", os.path.join(self.place, "oci"), "run", "--bundle", bundle, "bench-%d" % i], 1)]

    def latency(self):
        times = {}
        dayfly = [os.path.join(self.stage.bin, "dayfly"), "run", "--", "/bin/true"]
        with self.daemon() as cold, self.daemon("--pool-size", "4") as warm:
            kinds = {
                "fork + exec": self.floor("exec"), "bare namespaces (floor)": self.floor("ns"), "parked jail (floor)": self.floor("parked"),
                "dayfly, cold, open socket": self.tasks(cold, 0), "dayfly, warm, open socket": self.tasks(warm, 5, "hit"),
                "dayfly run, cold": lambda n: whole(dayfly, n, cold.client_env()),
                "dayfly run, warm": lambda n: [ms for _ in range(n) for ms in (time.sleep(0.005) or whole(dayfly, 1, warm.client_env()))],
            }
            kinds.update(self.usable({"bwrap": lambda n: whole(
                ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"], n)}))
            self.in_turn(kinds, self.options.runs, times)
            # Each start of theirs mounts something outside of its container, which empties dayfly's pool: not beside the rows above.
            oci = self.usable({"crun": self.oci("crun", "--cgroup-manager=disabled"), "runc": self.oci("runc"),
                               "podman": lambda n: whole(["podman", "run", "--rm", "--rootfs", "/", "/bin/true"], n)})
            self.in_turn(oci, self.options.runs // 3, times)
        rows = {name: {"p50": percentile(v, 0.5), "p99": percentile(v, 0.99), "min": min(v), "n": len(v)} for name, v in times.items() if v}
        self.results["latency_ms"] = rows
        print("\nOne task after the other, /bin/true, in ms (%d each, in turn)" % self.options.runs)
        for name, row in rows.items():
            print("  %-28s p50 %7.2f   p99 %7.2f   least %7.2f" % (name, row["p50"], row["p99"], row["min"]))

        def ratio(a, b, what="p50"):
            if a in rows and b in rows:
                value = rows[a]["p50"] / rows[b]["p50"]
                self.results.setdefault("ratios", {})["%s / %s" % (a, b)] = value
                print("  %-58s %5.2f" % ("%s / %s" % (a, b), value))
        print("Ratios of the p50")
        ratio("dayfly, cold, open socket", "bare namespaces (floor)")
        ratio("dayfly, warm, open socket", "parked jail (floor)")
        ratio("dayfly run, cold", "bwrap")
        ratio("dayfly run, warm", "bwrap")
        for name in ("dayfly, cold, open socket", "dayfly, warm, open socket"):
            if name in rows:
                print("  %-58s %5.2f" % ("p99 / p50 of %s" % name, rows[name]["p99"] / rows[name]["p50"]))

    # ---- many at once --------------------------------------------------------------------------

    @staticmethod
    def at_once(argv, n, each):
        start = time.monotonic()
        running = [subprocess.Popen([a.replace("EACH", str(each)) for a in argv], stdout=subprocess.DEVNULL) for _ in range(n)]
        for process in running:
            if process.wait() != 0:
                raise RuntimeError(" ".join(argv))
        return n * each / (time.monotonic() - start)

    def throughput(self):
        rows = {}
        total = 200 if self.options.quick else 1000
        with self.daemon() as cold:
            for n in (1, 4, 16, 64):
                row = rows[n] = {"floor": self.at_once([program("floor"), "ns", "EACH"], n, total // n)}
                found = lines([program("tasks"), cold.socket, str(total), str(n), "0"])
                row["dayfly"] = total / (int(found[-1].split()[1]) / 1e9)
                if shutil.which("bwrap"):
                    script = "i=0; while [ $i -lt EACH ]; do bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev /bin/true || exit 1; i=$((i+1)); done"
                    row["bwrap"] = self.at_once(["sh", "-c", script], n, total // n // 2 or 1)
        self.results["tasks_per_second"] = rows
        print("\nTasks per second, so many at once")
        for n, row in rows.items():
            print("  %3d   %s   dayfly / floor %.2f" % (n, "   ".join("%s %6.0f" % pair for pair in row.items()), row["dayfly"] / row["floor"]))

    # ---- output --------------------------------------------------------------------------------

    def output(self):
        size = (256 if self.options.quick else 1024) << 20

        def rate(command, env=None):
            start = time.monotonic()
            subprocess.run(["sh", "-c", command + " | cat >/dev/null"], check=True, env=env)
            return (size >> 20) / (time.monotonic() - start)

        with self.daemon() as daemon:
            dayfly = os.path.join(self.stage.bin, "dayfly")
            pairs = [(rate("head -c %d /dev/zero | cat" % size), rate("%s run --output-limit 1GiB -- head -c %d /dev/zero" % (dayfly, size), daemon.client_env()))
                     for _ in range(3)]
        pipe, ours = (percentile(column, 0.5) for column in zip(*pairs))
        self.results["output_mib_per_second"] = {"cat | cat": pipe, "dayfly run": ours}
        print("\nOutput in MiB/s (median of 3)\n  head | cat | cat   %6.0f\n  dayfly run | cat   %6.0f   ratio %.2f" % (pipe, ours, ours / pipe))

    # ---- memory --------------------------------------------------------------------------------

    def memory(self):
        def pss_kib(pid):
            with open("/proc/%d/smaps_rollup" % pid) as f:
                return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))

        rows = {}
        with self.daemon("--pool-size", "1", "--max-tasks", "1200") as daemon:
            client = daemon.client()
            client.run({"argv": ["true"]})
            time.sleep(0.2)
            parked = [pid for pid in processes_of(self.stage.path) if process_table().get(pid, (0, ""))[1] == "dayfly-parked"]
            rows["a parked jail's process"] = pss_kib(parked[0]) if parked else None
            rows["dayflyd, no task"] = rss_kib(daemon.process.pid)
            started = 0
            for n in (100,) if self.options.quick else (100, 1000):
                while started < n:
                    client.start({"argv": ["sleep", "1000"], "limits": {"wall": "1h"}}, detach=True)
                    started += 1
                wait = time.monotonic() + 60
                while time.monotonic() < wait and sum(t["state"] == "running" for t in client.call("list")["tasks"]) < n:
                    time.sleep(0.2)
                rows["dayflyd, %d sleeping tasks" % n] = rss_kib(daemon.process.pid)
            for t in client.call("list")["tasks"]:
                client.call("signal", task=t["task"], signal="KILL")
            while client.call("list")["tasks"]:
                time.sleep(0.1)
        self.results["memory_kib"] = rows
        print("\nMemory in KiB (a process: its share, PSS; dayflyd: RSS)")
        for name, kib in rows.items():
            print("  %-28s %s" % (name, "%7d" % kib if kib is not None else "not measured"))

    # ---- the end -------------------------------------------------------------------------------

    def teardown(self):
        with self.daemon() as daemon:
            client = daemon.client()
            found = [client.run({"argv": ["true"]})[1]["time"]["destroy"] / 1000 for _ in range(100 if self.options.quick else 500)]
        self.results["teardown_ms"] = {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99)}
        print("\nFrom a task's end until nothing of it is left, in ms\n  p50 %.2f   p99 %.2f" % (percentile(found, 0.5), percentile(found, 0.99)))

    def growth(self):
        """What a cold task takes as the host grows: tasks that sleep, mounts, files of an image."""
        print("\nA cold task, p50 in ms, beside so many")
        for what, rows in (("sleeping tasks", self.beside_tasks()), ("mounts", self.beside_mounts()), ("files of an image", self.beside_files())):
            self.results.setdefault("cold_ms_beside", {})[what] = rows
            print("  %-18s %s" % (what, "   ".join("%d: %.2f" % pair for pair in rows.items())))

    def beside_tasks(self):
        rows = {}
        with self.daemon("--max-tasks", "1000") as daemon:
            client = daemon.client()
            started = 0
            for n in (0, 100) if self.options.quick else (0, 100, 500):
                while started < n:
                    client.start({"argv": ["sleep", "1000"], "limits": {"wall": "1h"}}, detach=True)
                    started += 1
                time.sleep(0.5)
                rows[n] = percentile(self.tasks(daemon, 0)(50), 0.5)
            for t in client.call("list")["tasks"]:
                client.call("signal", task=t["task"], signal="KILL")
            while client.call("list")["tasks"]:
                time.sleep(0.1)
        return rows

    def beside_mounts(self):
        rows, points = {}, []
        for n in (0, 100) if self.options.quick else (0, 100, 1000):
            while len(points) < n:
                points.append(os.path.join(self.place, "mounts", str(len(points))))
                os.makedirs(points[-1])
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "bench", points[-1]], check=True)
            with self.daemon() as daemon:
                rows[n] = percentile(self.tasks(daemon, 0)(50), 0.5)
        for point in points:
            subprocess.run(["umount", point], check=True)
        return rows

    def beside_files(self):
        """In turn, as the client sees it: an image that is a directory with a static program."""
        images = {}
        for n in (10, 1000) if self.options.quick else (10, 1000, 100000):
            image = images[n] = os.path.join(self.place, "image-%d" % n)
            for name in ("bin", "etc", "usr", "tmp", "home"):
                os.makedirs(os.path.join(image, name))
                self.stage.give(os.path.join(image, name))
            self.stage.give(image)
            shutil.copy(os.path.join(self.stage.bin, "probe"), os.path.join(image, "bin"))
            for i in range(n):
                folder = os.path.join(image, "usr", str(i // 1000), str(i // 100))
                if i % 100 == 0:
                    os.makedirs(folder)
                with open(os.path.join(folder, str(i)), "w") as f:
                    f.write("x")
        os.chmod(self.place, 0o755)
        times = {}
        with self.daemon() as daemon:
            client = daemon.client()
            for i in range(55):
                for n, image in images.items():
                    start = time.monotonic_ns()
                    result = client.run({"argv": ["/bin/probe", "ids"], "image": image})[1]
                    if result["outcome"] != "ok":
                        raise RuntimeError(str(result))
                    if i >= 5:
                        times.setdefault(n, []).append((time.monotonic_ns() - start) / 1e6)
        return {n: percentile(found, 0.5) for n, found in times.items()}

    # ---- results -------------------------------------------------------------------------------

    def write(self):
        for name, why in self.left_out.items():
            print("\nleft out: %s: %s" % (name, why))
        self.results["left_out"] = self.left_out
        if self.options.json:
            with open(self.options.json, "w") as f:
                json.dump(self.results, f, indent=1)
        if self.options.svg:
            self.plot()
        shutil.rmtree(self.place, ignore_errors=True)

    def plot(self):
        if not shutil.which("gnuplot"):
            print("no plots: gnuplot is not installed")
            return
        data = "\n".join('"%s" %f %f' % (name, row["p50"], row["p99"]) for name, row in self.results["latency_ms"].items())
        script = ("set terminal svg size 900,420; set output '%s'; set style data histogram; set style histogram cluster gap 1; set style fill solid; "
                  "set logscale y; set ylabel 'ms'; set xtics rotate by -25; set grid y; "
                  "plot '-' using 2:xtic(1) title 'p50', '' using 3 title 'p99'\n%s\ne\n%s\ne\n" % (
                      os.path.join(self.options.svg, "latency.svg"), data, data))
        subprocess.run(["gnuplot"], input=script.encode(), check=True)
        data = "\n".join("%d %s" % (n, " ".join("%f" % row.get(k, 0) for k in ("floor", "dayfly", "bwrap")))
                         for n, row in self.results["tasks_per_second"].items())
        script = ("set terminal svg size 600,400; set output '%s'; set logscale x 2; set xlabel 'at once'; set ylabel 'tasks per second'; set grid; "
                  "set style data linespoints; plot '-' using 1:2 title 'floor', '' using 1:3 title 'dayfly', '' using 1:4 title 'bwrap'\n%s" % (
                      os.path.join(self.options.svg, "throughput.svg"), (data + "\ne\n") * 3))
        subprocess.run(["gnuplot"], input=script.encode(), check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute, to see that everything can be measured")
    parser.add_argument("--runs", type=int, help="of each (500; quick: 50)")
    parser.add_argument("--json", help="write the numbers there")
    parser.add_argument("--svg", metavar="DIR", help="draw plots there")
    options = parser.parse_args()
    options.runs = options.runs or (50 if options.quick else 500)
    if not IS_ROOT:
        print("make bench needs root, as the floors make namespaces as root does: sudo make bench")
        return 2
    if not os.environ.get("DAYFLY_BENCH_APART"):
        # What it mounts is nobody else's affair.
        os.environ["DAYFLY_BENCH_APART"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, os.path.abspath(__file__)] + sys.argv[1:])
    bench = Bench(options)
    print(bench.results["machine"])
    for part in (bench.latency, bench.throughput, bench.output, bench.memory, bench.teardown, bench.growth):
        part()
    bench.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
