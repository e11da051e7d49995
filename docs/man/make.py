#!/usr/bin/env python3
"""Writes the manual pages and the completions of the shells from what the programs print about themselves.

    docs/man/make.py [--check]

The texts of --help come from the tables of options, so these files do too. --check compares and changes nothing. The build folder is
$BUILD, else build/release. `make update-docs` runs it, `make check-docs` checks.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build/release"))

# What the shells offer for an option's argument. Others that take one get nothing.
WORDS = {"network": "none host", "user": "agent root", "profile": "dev strict", "image": "host", "signal": "TERM KILL INT HUP QUIT USR1 USR2",
         "apply": "ask always", "changes-format": "tar patch bundle",
         "best-effort": "memory cpus pids cpu_time memory_high swap cpu_weight io_read io_write disk inodes"}
FOLDERS = {"workspace", "mount", "workdir"}
FILES = {"result", "socket", "config", "git-agent", "git-credentials", "git-key", "git-known-hosts", "git-ca"}
TASKS = {"logs", "attach", "wait", "kill", "inspect", "events", "history", "uploads"}


class Option:
    def __init__(self, short, name, optional, argument, text):
        self.short, self.name, self.argument, self.text = short, name, optional or argument, text
        self.is_optional = optional is not None  # --name or --name=ARGUMENT


class Help:
    """The parts of a --help text."""

    LINE = re.compile(r"^  (?:-(\w), |    |)--([\w-]+)(?:\[=(\w+)\]| (\S+))?(?:  +(.*))?$")

    def __init__(self, argv):
        text = subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout
        paragraphs = text.rstrip("\n").split("\n\n")
        self.usage = paragraphs[0].partition("Usage: ")[2]
        self.about, self.sections, self.rest = [], [], []
        for part in paragraphs[1:]:
            lines = part.split("\n")
            if lines[0].endswith(":") and len(lines) > 1 and re.match(r"^  (-|    --|  )", lines[1]):
                self.sections.append((lines[0][:-1], self.options(lines[1:])))
            elif self.LINE.match(lines[0]):
                self.sections.append(("Options", self.options(lines)))
            elif self.sections:
                self.rest.append(part)
            else:
                self.about.append(part)

    def options(self, lines):
        found = []
        for line in lines:
            match = self.LINE.match(line)
            if match:
                found.append(Option(*match.groups()))
            elif found:
                found[-1].text = ("%s %s" % (found[-1].text or "", line.strip())).strip()
        return found

    def all(self):
        return [option for _, options in self.sections for option in options]


def verbs():
    """[(name, summary)] in the order of `dayfly --help`."""
    text = subprocess.run([os.path.join(BUILD, "dayfly"), "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return re.findall(r"^  (\w+) +(.*)$", text.partition("Verbs:\n")[2].partition("\n\n")[0], re.M)


# ---- manual pages -------------------------------------------------------------------------------

def roff(text):
    """Text for a page: hyphens of options and lines that begin like a request are taken as they are."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.split("\n"))


def title(name, section, about):
    with open(os.path.join(ROOT, "Makefile")) as f:
        version = re.search(r"^VERSION\s*[:?]?=\s*(\S+)", f.read(), re.M)
    return '.\\" Written by docs/man/make.py from what the programs print: do not edit.\n.TH %s %s "" "dayfly %s" ""\n.SH NAME\n%s \\- %s\n' % (
        name.upper(), section, version.group(1) if version else "", name, roff(about))


def option_list(options):
    lines = []
    for o in options:
        names = ["\\fB\\-%s\\fR" % o.short] if o.short else []
        form = "[=\\fI%s\\fR]" if o.is_optional else " \\fI%s\\fR"
        names.append("\\fB\\-\\-%s\\fR%s" % (roff(o.name), form % roff(o.argument) if o.argument else ""))
        lines.append(".TP\n%s\n%s" % (", ".join(names), roff(o.text or "")))
    return "\n".join(lines) + "\n"


def paragraphs(parts):
    out = []
    for part in parts:
        if all(line.startswith("  ") for line in part.split("\n")):
            out.append(".PP\n.nf\n%s\n.fi\n" % roff(part))
        else:
            out.append(".PP\n%s\n" % roff(part))
    return "".join(out)


def page_dayfly(helps):
    text = title("dayfly", 1, "runs each task in a jail that is made for it and gone after it")
    text += ".SH SYNOPSIS\n" + "\n.br\n".join(roff(h.usage) for _, _, h in helps) + "\n"
    text += ".SH DESCRIPTION\nA client of\n.BR dayflyd (8).\nWithout a daemon, \\fBdayfly run\\fR starts one for its user, which leaves after an idle minute.\n"
    text += "Errors come with their cause and, where one is known, the fix.\n"
    for name, summary, h in helps:
        text += ".SH \"DAYFLY %s\"\n%s\n" % (name.upper(), roff(summary[0].upper() + summary[1:] + ".")) + paragraphs(h.about)
        for heading, options in h.sections:
            text += ".SS \"%s\"\n" % roff(heading) + option_list(options)
        text += paragraphs(h.rest)
    text += ".SH ENVIRONMENT\n.TP\n\\fBDAYFLY_SOCKET\\fR\nwhere the daemon listens, unless \\fB\\-\\-socket\\fR says so\n.TP\n\\fBXDG_RUNTIME_DIR\\fR\n"
    text += "where a user's own daemon has its socket: \\fIdayfly/dayfly.sock\\fR in it; else \\fI/run/dayfly/dayfly.sock\\fR is tried\n"
    text += ".TP\n\\fBNO_COLOR\\fR\nno colours\n.SH \"SEE ALSO\"\n.BR dayflyd (8),\n.BR dayflyd.conf (5)\n"
    return text


def page_dayflyd():
    h = Help([os.path.join(BUILD, "dayflyd"), "--help"])
    text = title("dayflyd", 8, "makes a jail for each task, and destroys it when the task ends")
    text += ".SH SYNOPSIS\n" + roff(h.usage) + "\n.SH DESCRIPTION\n" + paragraphs(h.about)
    for heading, options in h.sections:
        text += ".SS \"%s\"\n" % roff(heading) + option_list(options)
    text += paragraphs(h.rest)
    text += ".SH SIGNALS\n.TP\n\\fBSIGTERM\\fR, \\fBSIGINT\\fR\nends every task in order, then itself; a second one ends it at once\n"
    text += ".TP\n\\fBSIGHUP\\fR\nreads the configuration again; what is wrong in it leaves the old one in force\n"
    text += ".SH \"SEE ALSO\"\n.BR dayfly (1),\n.BR dayflyd.conf (5)\n"
    return text


def page_conf():
    """From the sample, whose comments are the same table."""
    with open(os.path.join(ROOT, "etc", "dayflyd.conf")) as f:
        sample = f.read()
    text = title("dayflyd.conf", 5, "the settings of dayflyd")
    text += ".SH SYNOPSIS\n.I /etc/dayfly/dayflyd.conf\n.br\n.I $XDG_CONFIG_HOME/dayfly/dayflyd.conf\n"
    text += ".SH DESCRIPTION\nSections, and in them lines of the form \\fIkey = value\\fR. \\fBdayflyd \\-\\-check\\fR prints every mistake;\n"
    text += "\\fBdayfly config show\\fR prints what is in force and where it is from. Below are all settings, each with its default.\n.PP\n.nf\n"
    return text + roff(sample.rstrip("\n")) + "\n.fi\n.SH \"SEE ALSO\"\n.BR dayfly (1),\n.BR dayflyd (8)\n"


# ---- completion ---------------------------------------------------------------------------------

def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def bash(helps):
    arms, options = [], []
    for name, _, h in helps:
        words = " ".join("--" + o.name for o in h.all()) + "".join(" -" + o.short for o in h.all() if o.short)
        arms.append("    %s) options=%s ;;" % (name, quoted(words)))
        options += [o for o in h.all() if o.argument and not o.is_optional]
    cases, seen = [], set()
    for o in options:
        if o.name in seen:
            continue
        seen.add(o.name)
        names = "--%s%s" % (o.name, "|-" + o.short if o.short else "")
        if o.name in WORDS:
            cases.append("    %s) COMPREPLY=($(compgen -W %s -- \"$word\")); return ;;" % (names, quoted(WORDS[o.name])))
        elif o.name in FOLDERS:
            cases.append("    %s) COMPREPLY=($(compgen -d -- \"$word\")); return ;;" % names)
        elif o.name in FILES:
            cases.append("    %s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;" % names)
        else:
            cases.append("    %s) return ;;" % names)
    return """# Completion of dayfly for bash. Written by docs/man/make.py: do not edit.
_dayfly() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} options=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W %s -- "$word"))
    return
  fi
  case $before in
%s
  esac
  case $verb in
%s
  esac
  if [ "${word#-}" != "$word" ]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [ "$verb" = run ]; then
    COMPREPLY=($(compgen -c -- "$word"))
  elif [[ " %s " = *" $verb "* ]]; then
    COMPREPLY=($(compgen -W "$(dayfly ps -q -a 2>/dev/null)" -- "$word"))
  elif [ "$verb" = config ]; then
    COMPREPLY=($(compgen -W show -- "$word"))
  fi
}
complete -o bashdefault -F _dayfly dayfly
""" % (quoted(" ".join(name for name, _, _ in helps)), "\n".join(cases), "\n".join(arms), " ".join(sorted(TASKS)))


def zsh_text(text):
    return re.sub(r"([\[\]:\\'])", lambda m: {"'": "'\\''"}.get(m.group(1), "\\" + m.group(1)), text or "")


def zsh(helps):
    arms = []
    for name, _, h in helps:
        specs = []
        for o in h.all():
            action = ""
            if o.argument:
                what = ("(%s)" % WORDS[o.name] if o.name in WORDS else "_directories" if o.name in FOLDERS else
                        "_files" if o.name in FILES else " ")
                action = ":%s:%s" % (zsh_text(o.argument), what)
            if o.is_optional:
                specs.append("      '*--%s=-[%s]:%s'" % (o.name, zsh_text(o.text), action))
                continue
            for flag in ["--" + o.name] + (["-" + o.short] if o.short else []):
                specs.append("      '*%s[%s]%s'" % (flag, zsh_text(o.text), action))
        last = {"run": "      '*::command:_normal'", "config": "      '1:what:(show)'", "apply": "      '*:file:_files'"}.get(name)
        if name in TASKS:
            last = "      '*:task:_dayfly_tasks'"
        arms.append("    %s)\n      _arguments -S \\\n%s ;;" % (name, " \\\n".join(specs + ([last] if last else []))))
    listed = "\n".join("    '%s:%s'" % (name, zsh_text(summary)) for name, summary, _ in helps)
    return """#compdef dayfly
# Completion of dayfly for zsh. Written by docs/man/make.py: do not edit.
_dayfly_tasks() {
  local -a tasks
  tasks=(${(f)"$(dayfly ps -q -a 2>/dev/null)"})
  compadd -a tasks
}

_dayfly() {
  local -a verbs
  verbs=(
%s
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
%s
  esac
}

_dayfly "$@"
""" % (listed, "\n".join(arms))


def fish(helps):
    out = ["# Completion of dayfly for fish. Written by docs/man/make.py: do not edit.", "complete -c dayfly -f"]
    for name, summary, h in helps:
        out.append("complete -c dayfly -n __fish_use_subcommand -a %s -d %s" % (name, fish_quoted(summary)))
        for o in h.all():
            line = "complete -c dayfly -n '__fish_seen_subcommand_from %s' -l %s" % (name, o.name)
            line += " -s %s" % o.short if o.short else ""
            if o.is_optional:
                line += " -a %s" % fish_quoted(WORDS[o.name]) if o.name in WORDS else ""
            elif o.argument:
                line += (" -x -a %s" % fish_quoted(WORDS[o.name]) if o.name in WORDS else " -x -a '(__fish_complete_directories)'"
                         if o.name in FOLDERS else " -r -F" if o.name in FILES else " -x")
            out.append(line + " -d %s" % fish_quoted(o.text or ""))
    out.append("complete -c dayfly -n '__fish_seen_subcommand_from %s' -a '(dayfly ps -q -a 2>/dev/null)'" % " ".join(sorted(TASKS)))
    out.append("complete -c dayfly -n '__fish_seen_subcommand_from config' -a show")
    out.append("complete -c dayfly -n '__fish_seen_subcommand_from apply' -F")
    out.append("complete -c dayfly -n '__fish_seen_subcommand_from run' -a '(__fish_complete_subcommand)'")
    return "\n".join(out) + "\n"


def fish_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main():
    helps = [(name, summary, Help([os.path.join(BUILD, "dayfly"), name, "--help"])) for name, summary in verbs()]
    files = {"docs/man/dayfly.1": page_dayfly(helps), "docs/man/dayflyd.8": page_dayflyd(), "docs/man/dayflyd.conf.5": page_conf(),
             "contrib/completions/dayfly.bash": bash(helps), "contrib/completions/_dayfly": zsh(helps),
             "contrib/completions/dayfly.fish": fish(helps)}
    stale = []
    for name, text in files.items():
        path = os.path.join(ROOT, name)
        old = None
        if os.path.exists(path):
            with open(path) as f:
                old = f.read()
        if old != text:
            stale.append(name)
            if "--check" not in sys.argv:
                with open(path, "w") as f:
                    f.write(text)
    if stale and "--check" in sys.argv:
        print("%s: not what docs/man/make.py writes; run make update-docs" % ", ".join(stale))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
