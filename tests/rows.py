#!/usr/bin/env python3
"""Which tests hold which row of tests/rows.txt, by their names (test_B4_..., and B4_... in the unit tests).

  tests/rows.py            prints the table of docs/testing.md
  tests/rows.py B4 ...     prints the names of the tests of these rows
  tests/rows.py --check    compares the table in the document; exit status 1 when it is not current, or a name has an unknown row
  tests/rows.py --write    writes it there
"""
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "..", "docs", "testing.md")
BEGIN, END = "<!-- rows:begin -->\n", "<!-- rows:end -->"
NAMES = {".py": re.compile(r"^\s+def test_((?:[A-K]\d+_)+)(\w+)\(", re.M),
         ".c": re.compile(r"^(?:static void |TEST\()((?:[A-K]\d+_)+)(\w+)\(?", re.M)}


def read_rows():
    """[(id, what, note)]; a kind has a letter alone for its id."""
    rows = []
    with open(os.path.join(HERE, "rows.txt")) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, _, rest = line.strip().partition(" ")
                what, _, note = rest.partition(" | ")
                rows.append((name, what, note))
    return rows


def read_tests():
    """{row: {file: [test, ...]}}"""
    found = {}
    files = sorted(glob.glob(os.path.join(HERE, "*", "test_*.py")) + glob.glob(os.path.join(HERE, "unit", "*", "test_*.c")))
    for path in files:
        with open(path) as f:
            text = f.read()
        for ids, rest in NAMES[os.path.splitext(path)[1]].findall(text):
            for row in ids.strip("_").split("_"):
                found.setdefault(row, {}).setdefault(os.path.relpath(path, HERE), []).append(ids + rest)
    return found


def short(path):
    return path.replace("/test_", "/").rpartition(".")[0]


def table(rows, tests):
    lines = ["| row | what is tried | tested in |", "| --- | --- | --- |"]
    for name, what, note in rows:
        if len(name) == 1:
            lines.append("| **%s** | **%s** | |" % (name, what))
            continue
        places = ", ".join("`%s`" % short(path) for path in tests.get(name, ()))
        lines.append("| %s | %s | %s |" % (name, what, places or note))
    return "\n".join(lines) + "\n"


def faults():
    """What is wrong with the table in the document and with the names."""
    rows, tests = read_rows(), read_tests()
    known = {name: note for name, _, note in rows}
    found = ["%s in %s is no row of tests/rows.txt" % (row, ", ".join(tests[row])) for row in sorted(set(tests) - set(known))]
    if printed_table()[1] != table(rows, tests):
        found.append("its table of rows is not current: run python3 tests/rows.py --write")
    return found


def untested():
    tests = read_tests()
    return ["row %s has no test, and tests/rows.txt does not say why" % name for name, _, note in read_rows()
            if len(name) > 1 and name not in tests and not note]


def printed_table():
    """The document before, in and after the table."""
    with open(DOCUMENT) as f:
        head, _, rest = f.read().partition(BEGIN)
    text, _, tail = rest.partition(END)
    return head, text, tail


def main(arguments):
    if arguments and not arguments[0].startswith("-"):
        for row in arguments:
            for path, names in sorted(read_tests().get(row, {}).items()):
                print("\n".join("%s %s" % (path, name) for name in names))
        return 0
    if arguments and arguments[0] == "--check":
        problems = faults() + untested()
        print("\n".join(problems), end="\n" if problems else "")
        return 1 if problems else 0
    text = table(read_rows(), read_tests())
    if arguments and arguments[0] == "--write":
        head, _, tail = printed_table()
        with open(DOCUMENT, "w") as f:
            f.write(head + BEGIN + text + END + tail)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
