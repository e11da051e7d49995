#!/usr/bin/env python3
"""The documents against the tree: links lead somewhere, and the names that they list are the names that the programs have.

Compared: links and anchors of every .md file; `make TARGET` against the Makefile; the setup steps of docs/jail.md against
`dayfly-warden --print-steps`; the table of rows in docs/testing.md against the names of the tests; dayfly's verbs and options in README.md against what `dayfly` prints as its help; the exit code line
of every option that README.md uses. One document with a fault is one failure.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build/release"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
faults = []
skips = []


def fault(where, text):
    faults.append((where, text))
    print(f"{where}: {text}")


def documents():
    files = list(ROOT.glob("*.md")) + list(ROOT.glob("docs/**/*.md")) + list(ROOT.glob("contrib/**/*.md"))
    return sorted(f for f in files if "build" not in f.relative_to(ROOT).parts)


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def anchor(heading):
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(path):
    text = without_code(path.read_text())
    return {anchor(h) for h in re.findall(r"^#+\s+(.*)$", text, re.M)}


def check_links(path):
    name = path.relative_to(ROOT)
    text = without_code(path.read_text())
    text = re.sub(r"`[^`\n]*`", "", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        other = (path.parent / file).resolve() if file else path
        if not other.exists():
            fault(name, f"link to {target}: there is no such file")
        elif fragment and other.suffix == ".md" and fragment not in anchors(other):
            fault(name, f"link to {target}: there is no such heading")


def make_targets():
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z][a-z_.-]*):", text, re.M))


def code_of(path):
    """What a document shows as something to type or a name: fenced blocks and inline code."""
    text = path.read_text()
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.S | re.M)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)))


def check_make(path, targets):
    for words in re.findall(r"(?:^|[\s`(])make((?: +[\w=,./'-]+)+)", code_of(path)):
        for word in words.split():
            if word.startswith("-") or "=" in word or "/" in word:
                continue
            if word not in targets:
                fault(path.relative_to(ROOT), f"`make {word}`: there is no such target")
            break


def run(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except OSError:
        return None


def check_steps():
    out = run(str(BUILD / "dayfly-warden"), "--print-steps")
    if out is None:
        skips.append("dayfly-warden is not built")
        return
    printed = out.stdout.split()
    text = (ROOT / "docs/jail.md").read_text()
    steps = []
    for section in re.findall(r"^## Steps of .*?(?=^## |\Z)", text, re.S | re.M):
        steps += re.findall(r"^\| `([a-z-]+)` \|", section, re.M)
    if out.returncode != 0 or not printed:
        fault("docs/jail.md", "dayfly-warden --print-steps prints nothing")
    elif steps != printed:
        fault("docs/jail.md", f"its steps {steps} are not those that the warden prints: {printed}")


def check_commands():
    out = run(str(BUILD / "dayfly"), "--help")
    if out is None:
        skips.append("dayfly is not built")
        return
    text = out.stdout + out.stderr
    verbs = set(re.findall(r"^\s+([a-z]+)\b", text, re.M))
    out = run(str(BUILD / "dayfly"), "run", "--help")
    options = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", out.stdout + out.stderr))
    for path in documents():
        name = path.relative_to(ROOT)
        for line in code_of(path).splitlines():
            match = re.search(r"(?:^|[\s(./])dayfly ([a-z]+)\b(.*)", line)
            if not match:
                continue
            verb, rest = match.groups()
            if verb not in verbs:
                fault(name, f"`dayfly {verb}`: there is no such verb")
            elif verb == "run":
                for word in re.split(r"\s--(?:\s|$)", rest)[0].split():
                    option = word.split("=")[0].rstrip(",;:)")
                    if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in options:
                        fault(name, f"`dayfly run {option}`: there is no such option")


def check_rows():
    sys.path.insert(0, str(ROOT / "tests"))
    sys.dont_write_bytecode = True
    import rows

    for text in rows.faults():
        fault("docs/testing.md", text)


def check_generated():
    done = subprocess.run([sys.executable, str(ROOT / "docs/man/make.py"), "--check"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        fault("docs/man/make.py", done.stdout.strip() or "does not run")


def main():
    os.chdir(ROOT)
    targets = make_targets()
    for path in documents():
        check_links(path)
        check_make(path, targets)
    if (ROOT / "docs/jail.md").exists():
        check_steps()
    check_commands()
    check_rows()
    check_generated()
    for reason in skips:
        print(f"skip: {reason}")
    failed = len({where for where, _ in faults})
    print(f"docs: {len(documents()) - failed} passed, {failed} failed, {len(skips)} skipped")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
