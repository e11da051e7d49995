#!/usr/bin/env python3
"""Writes what is printed from the program's tables into the documents: run it after a change of such a table (make update-docs).

The unit tests of the same names compare, so that a forgotten run is noticed.
"""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
UNIT = os.path.join(ROOT, os.environ.get("BUILD", "build/release"), "tests", "unit")


def printed(program, option):
    return subprocess.run([os.path.join(UNIT, program), option], stdout=subprocess.PIPE, check=True, text=True).stdout


def write(name, text):
    with open(os.path.join(ROOT, name), "w") as f:
        f.write(text)


def between(name, begin, end, text):
    """Puts the text between the two marks of a document."""
    with open(os.path.join(ROOT, name)) as f:
        head, found, rest = f.read().partition(begin)
    if not found or end not in rest:
        sys.exit("%s lacks its marks %r and %r" % (name, begin, end))
    write(name, head + begin + text + end + rest.partition(end)[2])


between("docs/protocol.md", "<!-- schema:begin -->\n", "<!-- schema:end -->", printed("proto/test_schema_doc", "--print"))
between("docs/configuration.md", "<!-- settings:begin -->\n", "<!-- settings:end -->",
        printed("daemon/test_config_print", "--print-tables"))
write("etc/dayflyd.conf", printed("daemon/test_config_print", "--print-sample"))
subprocess.run([sys.executable, os.path.join(ROOT, "docs/man/make.py")], check=True)
# This one rewrites its document itself.
subprocess.run([os.path.join(UNIT, "task/test_state")], env=dict(os.environ, UPDATE="1"), stdout=subprocess.DEVNULL,
               stderr=subprocess.DEVNULL, check=True)
