"""The main job: dayfly builds and tests its own source tree inside dayfly, and the tree outside does not change."""
import os
import shutil
import subprocess

from dayfly_client import SCALE
from dayfly_test import in_modes

from common import ROOT
from test_host import tree_digest

SKIPPED = {".git", "build", "__pycache__", "compile_commands.json"}


def source_files():
    """What belongs to the project: as git knows it, else everything that is no build folder."""
    git = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if git.returncode == 0 and git.stdout:
        return [name for name in git.stdout.decode().split("\0") if name and os.path.lexists(os.path.join(ROOT, name))]
    found = []
    for path, dirs, files in os.walk(ROOT):
        dirs[:] = [d for d in dirs if d not in SKIPPED]
        found += [os.path.relpath(os.path.join(path, name), ROOT) for name in files if name not in SKIPPED]
    return found


@in_modes
class MainJob:
    def copy_tree(self):
        top = self.make_dir()
        made = set()
        for name in source_files():
            target = os.path.join(top, name)
            folder = os.path.dirname(target)
            if folder not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
            shutil.copy2(os.path.join(ROOT, name), target, follow_symlinks=False)
        for path, dirs, files in os.walk(top):
            for entry in [path] + [os.path.join(path, f) for f in files]:
                self.stage.give(entry)
                if not os.path.islink(entry):
                    os.chmod(entry, os.stat(entry).st_mode | 0o444 | (0o111 if os.path.isdir(entry) else 0))
        return top

    def test_make_check_unit_passes_inside_and_leaves_the_tree_alone(self):
        top = self.copy_tree()
        before = tree_digest(top)
        # All of it takes more than a minute, on an emulated machine the better part of an hour: once is enough, and beside the
        # sanitizers, which what is built in there has not, it would be once more.
        script = "make -j2 check-unit"
        if self.mode == "root" or SCALE > 1 or os.environ.get("ASAN_OPTIONS"):
            test = "build/release/tests/unit/base/test_units"
            script = "make -j2 %s && %s && echo 'unit: 1 passed, 0 failed'" % (test, test)
        done = self.cli("run", "--workspace", ".:cow", "--result", "/dev/null", "--", "sh", "-c", script, cwd=top, timeout=540 * SCALE)
        tail = (done.stdout[-1500:] + b"\n" + done.stderr[-1500:]).decode("utf-8", "replace")
        self.assertEqual(done.returncode, 0, tail)
        self.assertRegex(tail, r"unit: [1-9]\d* passed, 0 failed")
        self.assertEqual(tree_digest(top), before)
        self.assertFalse(os.path.exists(os.path.join(top, "build")))
