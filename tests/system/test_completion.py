"""The completions of the shells offer what the command line takes."""
import os
import re
import shutil
import subprocess

from dayfly_test import in_modes

from common import ROOT

FOLDER = os.path.join(ROOT, "contrib", "completions")


@in_modes
class Completion:
    modes = ("rootless",)

    def bash(self, *words):
        """What is offered for the last word."""
        script = "COMP_WORDS=(%s); COMP_CWORD=%d; _dayfly; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
            " ".join("'%s'" % word for word in words), len(words) - 1)
        with open(os.path.join(FOLDER, "dayfly.bash")) as f:
            script = f.read() + script
        with self.stage.as_process() as kwargs:
            kwargs["env"] = dict(self.daemon.client_env(), PATH=self.stage.bin + ":/usr/bin:/bin")
            done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=True, text=True, cwd="/", **kwargs)
        return done.stdout.split()

    def verbs(self):
        return re.findall(r"^  (\w+) +", self.cli("--help").stdout.decode().partition("Verbs:\n")[2], re.M)

    def test_verbs(self):
        self.assertEqual(self.bash("dayfly", ""), self.verbs())
        self.assertEqual(self.bash("dayfly", "ins"), ["inspect"])

    def test_every_option_of_every_verb(self):
        for verb in self.verbs():
            text = self.cli(verb, "--help").stdout.decode()
            wanted = set(re.findall(r"^  (?:-\w, |    )(--[\w-]+)", text, re.M))
            self.assertTrue(wanted, verb)
            self.assertEqual(set(self.bash("dayfly", verb, "--")), wanted, verb)

    def test_words_folders_and_tasks(self):
        self.assertEqual(self.bash("dayfly", "run", "--network", ""), ["none", "host"])
        self.assertEqual(self.bash("dayfly", "run", "--workspace", "/us"), ["/usr"])
        self.assertEqual(self.bash("dayfly", "run", "--timeout", ""), [])
        self.assertIn("true", self.bash("dayfly", "run", "tru"))
        _, result, _, _, _ = self.client.run({"argv": ["true"]})
        found = self.bash("dayfly", "logs", "t-")
        self.assertEqual(len([name for name in found if result["task"].startswith(name)]), 1, found)

    def test_the_other_shells_read_theirs(self):
        """As far as they are here; bash always is."""
        for shell, argv in (("bash", ["-n", "dayfly.bash"]), ("zsh", ["-n", "_dayfly"]), ("fish", ["-n", "dayfly.fish"])):
            if shutil.which(shell):
                subprocess.run([shell] + argv, check=True, cwd=FOLDER)
        for name in ("_dayfly", "dayfly.fish"):
            with open(os.path.join(FOLDER, name)) as f:
                text = f.read()
            for option in re.findall(r"--([\w-]+)", self.cli("run", "--help").stdout.decode()):
                self.assertIn(option, text, name)
