"""The examples of docs/protocol.md, played to a real daemon: every answer that is shown comes, with at least the members that are shown."""
import json
import re

from common import ROOT
from dayfly_test import in_modes


def sessions():
    """[[(request, [answers])]] of the document's session blocks."""
    with open(ROOT + "/docs/protocol.md", encoding="utf-8") as f:
        blocks = re.findall(r"^```session\n(.*?)^```", f.read(), re.S | re.M)
    found = []
    for block in blocks:
        steps = []
        for line in block.splitlines():
            if line.startswith("> "):
                steps.append((json.loads(line[2:]), []))
            else:
                steps[-1][1].append(json.loads(line[2:]))
        found.append(steps)
    return found


def shows(shown, real):
    """Whether `real` has all that `shown` has. Ids and times differ from run to run; two streams may come in either order."""
    if isinstance(shown, dict):
        return isinstance(real, dict) and all(
            key in ("task", "seq", "uid", "at", "boot_us") or (key in real and shows(value, real[key])) for key, value in shown.items())
    return shown == real


@in_modes
class Document:
    def play(self, steps):
        client, real = self.new_client(), []

        def missing():
            return [answer for answer in shown if not any(shows(answer, event) for event in real)]

        for request, shown in steps:
            client.send_bytes(json.dumps(request).encode() + b"\n")
            if request["op"] != "events":  # which goes on
                real += client.events(request["id"])
            # Answers to an earlier request may be shown here.
            while any(answer["id"] != request["id"] or request["op"] == "events" for answer in missing()):
                real.append(client.queue.pop(0) if client.queue else client.read_event())
            self.assertEqual(missing(), [], real)
        for event in real:
            if event["event"] == "output":
                self.assertTrue({"seq", "stream", "task"} <= set(event), event)

    def test_the_sessions_of_the_document_go_as_shown(self):
        found = sessions()
        self.assertGreaterEqual(len(found), 4)
        for steps in found:
            # Two writes of a task may come as one output: where an example sleeps between them, a busy machine may need another try.
            tries = 5 if any("sleep" in json.dumps(request) for request, _ in steps) else 1
            for left in reversed(range(tries)):
                try:
                    self.play(steps)
                    break
                except AssertionError:
                    if not left:
                        raise

    def test_the_result_record_has_the_members_of_the_document(self):
        with open(ROOT + "/docs/protocol.md", encoding="utf-8") as f:
            section = re.split(r"^\| `\w+` \| Meaning \|", f.read().split("## The result record", 1)[1], 1, re.M)[0]
        documented = set()
        for cell in re.findall(r"^\| (`.*?`(?:, `.*?`)*) \|", section, re.M):
            documented |= set(re.findall(r"`(\w+)`", cell))
        result = self.run_bare({"argv": ["true"]}).result
        self.assertEqual(set(result), documented)
