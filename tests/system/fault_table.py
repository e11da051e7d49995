#!/usr/bin/env python3
"""Tries each fault in each mode and prints a table: how often, the longest time until nothing was left, and what was left (0).

    tests/system/fault_table.py [--rounds N] [--mode rootless|root]

After each fault: the next daemon (or warden) runs a task, and every task that was accepted has exactly one result with the cause
that the fault calls for. Exit status 1 where something was left or told wrongly.
"""
import argparse
import glob
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]

from common import Traces, fault_warden, kill_daemon, wait_until  # noqa: E402
from dayfly_host import Daemon, Leaks, Stage  # noqa: E402
from dayfly_test import IS_ROOT, MODES  # noqa: E402

PATIENCE = 20.0
STATES = {
    "running": {"argv": ["sleep", "97531"]},
    "stopping": {"argv": ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"], "limits": {"grace": "60s"}},
    # A large layer on disk, which is removed after the task's end.
    "collecting": {"argv": ["sh", "-c", "mkdir /tmp/d && cd /tmp/d && seq 20000 | xargs touch; echo made; read x"], "stdin": "stream"},
}


def steps(stage):
    done = subprocess.run([os.path.join(stage.bin, "dayfly-warden"), "--print-steps"], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split()


class Fault:
    """One fault on a daemon of its own."""

    def __init__(self, stage, mode, step=None, args=()):
        env = {}
        if step:
            path = os.path.join(stage.make_dir(), "fault")
            with open(path, "w") as f:
                f.write(step + " stall")
            os.chmod(path, 0o666)
            args = ("--warden", fault_warden(stage)) + tuple(args)
            env = {"DAYFLY_FAULT": path}
        self.stage, self.daemon = stage, Daemon(stage, mode, args, env)
        self.mounts = Leaks.mounts()
        self.daemon.start()
        self.client = self.daemon.client()
        self.problems = []

    def detach(self, task):
        tag = self.client.send("run", detach=True, task=task)
        return [e["task"] for e in self.client.events(tag) if e["event"] == "accepted"][0]

    def state(self, task):
        return self.client.call("inspect", task=task)["state"]

    def in_state(self, task, state):
        wait_until(lambda: self.state(task) == state)

    def expect(self, client, task, causes):
        cause = client.call("wait", task=task, timeout=60)["cause"]
        if cause not in causes:
            self.problems.append("task told as %s, not %s" % (cause, "/".join(causes)))

    def measure_gone(self, traces, keep=()):
        """Milliseconds until nothing is left of what is not kept; the rest is a problem."""
        begin = time.monotonic()
        left = {}

        def is_gone():
            left.clear()
            left.update({p: n for p, n in traces.left().items() if p in traces.processes and p not in keep})
            return not left

        wait_until(is_gone, PATIENCE, 0.002)
        if left:
            self.problems.append("processes: %r" % left)
        return (time.monotonic() - begin) * 1000

    def after_daemon(self, traces, tasks):
        ms = self.measure_gone(traces)
        if Leaks.mounts() != self.mounts:
            self.problems.append("mounts")
        if self.daemon.state_files():
            self.problems.append("files: %r" % self.daemon.state_files())
        self.daemon.close_client()
        self.daemon.env.pop("DAYFLY_FAULT", None)
        self.daemon.start()
        for task in tasks:
            self.expect(self.daemon.client(), task, ["daemon_crash"])
        return ms

    def works(self):
        if self.daemon.client().run({"argv": ["true"]}, timeout=60)[1]["outcome"] != "ok":
            self.problems.append("the next task does not run")

    def end(self):
        self.problems += self.daemon.stop()
        return self.problems


def kill_dayflyd_in_state(state):
    def run(stage, mode):
        fault = Fault(stage, mode, args=("--max-tasks", "1") if state == "queued" else ())
        first = fault.detach(STATES.get(state, STATES["running"]))
        tasks = [first]
        if state == "queued":
            tasks.append(fault.detach({"argv": ["true"]}))
        fault.in_state(first, "running")
        if state == "stopping":
            wait_until(lambda: fault.client.call("inspect", task=first)["last_seq"] > 0)
            fault.client.call("cancel", task=first)
        traces = Traces(stage)
        kill_daemon(fault.daemon)
        ms = fault.after_daemon(traces, tasks)
        fault.works()
        return ms, fault.end()
    return run


def try_collecting(stage, mode):
    fault = Fault(stage, mode, args=("--upper", "disk"))
    tag, task = fault.client.start(STATES["collecting"])
    fault.client.wait_output(tag, b"made", timeout=30)
    fault.client.send("input", task=task, eof=True)
    other = fault.daemon.connect()
    wait_until(lambda: other.call("inspect", task=task)["state"] in ("collecting", "done"), step=0)
    if other.call("inspect", task=task)["state"] == "done":
        return None, fault.end()  # too quick for us
    other.close()
    # It goes no further while we look around, which takes long on a slow machine.
    fault.daemon.process.send_signal(signal.SIGSTOP)
    if not glob.glob(os.path.join(fault.daemon.state_dir, "dayfly-upper-*", "*")):
        fault.daemon.process.send_signal(signal.SIGCONT)
        return None, fault.end()  # its layer was gone, and it was done
    traces = Traces(stage)
    kill_daemon(fault.daemon)
    ms = fault.after_daemon(traces, [task])
    fault.works()
    return ms, fault.end()


def kill_dayflyd_collecting(stage, mode):
    """A task may be done before it is seen collecting: then again."""
    for _ in range(10):
        ms, problems = try_collecting(stage, mode)
        if ms is not None or problems:
            return ms, problems
    return None, ["no task was caught while it was collecting"]


def stalled_at_step(stage, mode, step):
    """A task whose setup hangs at this step; None in its place if it does not need the step."""
    fault = Fault(stage, mode, step)
    task = fault.detach({"argv": ["true"], "tty": step == "tty"})

    def is_there():
        with open(fault.daemon.env["DAYFLY_FAULT"]) as f:
            return "stalled" in f.read()

    if step == "seccomp":  # behind close-fds it cannot say so; every task comes to it
        wait_until(lambda: Traces(stage).named("dayfly-init"))
        time.sleep(0.2)
    else:
        wait_until(lambda: is_there() or fault.state(task) == "done", 20)
    return fault, None if fault.state(task) == "done" else task


def kill_warden_at_step(step):
    def run(stage, mode):
        fault, task = stalled_at_step(stage, mode, step)
        if not task:
            return None, fault.end()
        traces = Traces(stage)
        for pid in traces.named("dayfly-warden"):
            os.kill(pid, signal.SIGKILL)
        ms = fault.measure_gone(traces, {fault.daemon.process.pid} | set(traces.named("dayfly-keeper")))
        fault.expect(fault.client, task, ["warden_lost"])
        # The next warden reads the same file: nothing is to stall there any more.
        with open(fault.daemon.env["DAYFLY_FAULT"], "w"):
            pass
        fault.works()
        return ms, fault.end()
    return run


def kill_dayflyd_at_step(step):
    def run(stage, mode):
        fault, task = stalled_at_step(stage, mode, step)
        if not task:
            return None, fault.end()
        traces = Traces(stage)
        kill_daemon(fault.daemon)
        ms = fault.after_daemon(traces, [task])
        fault.works()
        return ms, fault.end()
    return run


def kill_part(name, causes):
    """Another of our processes; dayflyd goes on."""
    def run(stage, mode):
        fault = Fault(stage, mode)
        task = fault.detach(STATES["running"])
        fault.in_state(task, "running")
        traces = Traces(stage)
        for pid in traces.named(name):
            os.kill(pid, signal.SIGKILL)
        keep = {fault.daemon.process.pid} | {p for n in ("dayfly-keeper", "dayfly-warden") if n != name for p in traces.named(n)}
        ms = fault.measure_gone(traces, keep)
        fault.expect(fault.client, task, causes)
        fault.works()
        return ms, fault.end()
    return run


def all_faults(stage):
    yield from (("kill -9 dayflyd, a task %s" % state, [kill_dayflyd_in_state(state)]) for state in ("queued", "running", "stopping"))
    yield "kill -9 dayflyd, at each setup step", [kill_dayflyd_at_step(step) for step in steps(stage)]
    yield "kill -9 dayflyd, a task collecting", [kill_dayflyd_collecting]
    yield "kill -9 the warden, at each setup step", [kill_warden_at_step(step) for step in steps(stage)]
    yield "kill -9 the warden, a task running", [kill_part("dayfly-warden", ["warden_lost"])]
    yield "kill -9 jail init, a task running", [kill_part("dayfly-init", ["internal"])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each fault; each setup step is tried once (default 5)")
    parser.add_argument("--mode", choices=MODES, help="only this mode")
    options = parser.parse_args()
    stage, failed = Stage.get(), 0
    print("%-42s %-9s %5s %13s %9s" % ("fault", "mode", "times", "longest in ms", "leftovers"))
    for name, runs in all_faults(stage):
        for mode in [options.mode] if options.mode else MODES:
            results = [run(stage, mode) for run in (runs if len(runs) > 1 else runs * options.rounds)]
            times = [ms for ms, _ in results if ms is not None]
            problems = [p for _, found in results for p in found]
            failed += len(problems)
            print("%-42s %-9s %5d %13.0f %9d" % (name, mode, len(times), max(times, default=0), len(problems)), flush=True)
            for problem in problems:
                print("    " + problem)
    if not IS_ROOT:
        print("root mode was not tried: this needs root")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
