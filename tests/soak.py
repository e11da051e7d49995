#!/usr/bin/env python3
"""Long runs, each part on a daemon of its own: short tasks under load, noisy neighbours, kill -9 at random. `make soak`

    tests/soak.py [--seconds N] [--tasks N] [--mode rootless|root] [--part tasks|neighbours|kills] [--seed N]

Prints figures as it goes, and what is wrong. Exit status 1 where a number was not flat, a trivial task beside a neighbour took more than
twice as long and the machine's load does not explain it, or something was left.
"""
import argparse
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "system"), os.path.join(HERE, "lib")]
sys.dont_write_bytecode = True

from common import raise_open_files  # noqa: E402
from dayfly_host import Leaks, Stage  # noqa: E402
from dayfly_load import configured_daemon  # noqa: E402
from dayfly_soak import soak_kills, soak_neighbours, soak_tasks  # noqa: E402
from dayfly_test import IS_ROOT, MODES  # noqa: E402

SETTINGS = "[daemon]\nmax_connections = 2000\nmax_connections_per_user = 2000\n"
# What part of the time each has.
PARTS = {"tasks": 0.5, "neighbours": 0.25, "kills": 0.25}


def run_part(part, mode, options):
    stage = Stage.get()
    daemon = configured_daemon(stage, mode, SETTINGS)
    seconds = options.seconds * (PARTS[part] if not options.part else 1) / (1 if options.mode else len(MODES))
    leaks = Leaks(stage, None)
    daemon.start()
    daemon.warm_up()
    problems = []
    print("-- %s, %s: %d s" % (part, mode, seconds), flush=True)
    try:
        if part == "tasks":
            problems += soak_tasks(daemon, seconds, options.tasks)[1]
        elif part == "neighbours":
            problems += soak_neighbours(daemon, seconds, most=2)
        else:
            problems += soak_kills(daemon, seconds, options.seed)
    except Exception as e:
        problems.append("%s: %r" % (part, e))
    problems += daemon.stop()
    problems += ["left on the host: " + text for text in leaks.check(5)]
    for problem in problems:
        print("FAIL %s, %s: %s" % (part, mode, problem), flush=True)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="in all (default 600)")
    parser.add_argument("--tasks", type=int, help="short tasks: so many in each mode, however long that takes")
    parser.add_argument("--mode", choices=MODES, help="only this mode")
    parser.add_argument("--part", choices=PARTS, help="only this part, for all of the time")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="of the kills; the one of a run is printed")
    options = parser.parse_args()
    raise_open_files()
    runs = [run_part(part, mode, options) for part in PARTS if options.part in (None, part)
            for mode in ([options.mode] if options.mode else MODES)]
    if not IS_ROOT:
        print("root mode was not tried: this needs root")
    failed = sum(1 for problems in runs if problems)
    print("soak: %d passed, %d failed, 0 skipped" % (len(runs) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
