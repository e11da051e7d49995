"""Uploads to servers that no one here wrote: nginx with WebDAV and TLS. And to those that misbehave."""
import base64
import hashlib
import os
import time

from dayfly_client import SCALE
from dayfly_hooks import make_tls
from dayfly_test import in_modes

from common import kill_daemon, wait_until
from servers import Dav, HalfWay, Hostile, Tarpit, redirect, response, too_long, too_short
from test_uploads import Sending

BASIC = "Basic " + base64.b64encode(b"joe:secret").decode()
# Names that an address has to be careful with.
NAMES = ["a b", "c:d=e+f@g!h", "ü%20&?#", "sub/m;n,o$p", "sub/deeper/i'j~k"]


@in_modes
class Counterparts(Sending):
    def setUp(self):
        super().setUp()
        self.folder = self.make_dir()

    def dav(self, **more):
        server = Dav(self.folder, **more)
        self.addCleanup(server.stop)
        return server

    def hostile(self, server):
        self.addCleanup(server.stop)
        return server

    def ca_of(self, path):
        """A copy where the daemon may read it."""
        copy = os.path.join(self.make_dir(owner=0 if self.mode == "root" else None), "ca.pem")
        with open(path) as f:
            self.make_file(copy, f.read(), 0o644, owner=0 if self.mode == "root" else None)
        return copy

    def sending_to(self, url, *lines, ca=None, secret=BASIC):
        more = ["target = web ca_file=" + self.ca_of(ca)] if ca else []
        return self.sending(None, "target = web endpoint=%s private=yes" % url, *more, *lines, secret=secret)

    def stored(self, server):
        """{path: SHA-256} of what it has taken."""
        found = {}
        for folder, _, files in os.walk(server.files):
            for name in files:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, server.files)] = hashlib.sha256(f.read()).hexdigest()
        return found

    def assert_done(self, daemon, result, seconds=30):
        self.assertEqual({u["state"] for u in self.ended(daemon, result["task"], seconds).values()}, {"done"}, self.uploads(daemon))

    # ---- nginx -------------------------------------------------------------------------------

    def test_files_are_whole_at_a_WebDAV_server_with_a_CA_of_its_own(self):
        server = self.dav(tls=True, users={"joe": "secret"})
        daemon = self.sending_to(server.url("in"), ca=server.ca)
        script = "mkdir -p w/sub/deeper; cd w; head -c 9000000 /dev/urandom >big; : >empty; "
        script += "; ".join("""printf %%s "%s" >"%s" """ % (n.replace("$", "\\$"), n.replace("$", "\\$")) for n in NAMES)
        result = self.send_files(daemon, script, ["w"], {"target": "web", "prefix": "x/"})
        self.assert_done(daemon, result)
        wanted = {"in/x/" + i["path"]: i["sha256"] for i in result["artifacts"]["list"]}
        self.assertEqual(set(wanted), {"in/x/w/" + n for n in NAMES + ["big", "empty"]})
        self.assertEqual(self.stored(server), wanted)
        self.assertEqual({(status, method, who) for status, method, _, who in server.requests()}, {(201, "PUT", BASIC)})
        self.assert_nothing_waits(daemon)

    def test_M8_who_vouches_for_another_does_not_vouch_for_this_server(self):
        server = self.dav(tls=True, users={"joe": "secret"})
        _, other = make_tls(self.make_dir(owner=0 if os.geteuid() == 0 else None))
        for ca in (other, None):
            daemon = self.sending_to(server.url("in"), ca=ca)
            self.assert_tried(daemon, self.send_files(daemon), "certificate|SSL")
        self.assertEqual((server.requests(), self.stored(server)), ([], {}))
        daemon = self.sending_to(server.url("in"), ca=server.ca)
        self.assert_done(daemon, self.send_files(daemon))

    def test_a_wrong_password_ends_it_at_once(self):
        server = self.dav(users={"joe": "secret"})
        daemon = self.sending_to(server.url("in"), secret="Basic " + base64.b64encode(b"joe:wrong").decode())
        self.assert_failed(daemon, self.send_files(daemon), "HTTP status 401$")
        self.assertEqual([status for status, *_ in server.requests()], [401])
        self.assertEqual(self.stored(server), {})

    def test_M1_it_comes_back_when_a_server_that_was_shut_asked_it_to(self):
        server = self.dav(retry_after=3)
        daemon = self.sending_to(server.url("in"))
        start = time.monotonic()
        result = self.send_files(daemon)
        self.assertTrue(wait_until(lambda: self.uploads(daemon, result["task"])[0].get("cause") == "HTTP status 503", 10))
        server.open()
        self.assert_done(daemon, result)
        took = time.monotonic() - start
        # Its own first pauses would have been one second and two at most. We may have opened it too late for the second attempt.
        *shut, last = [status for status, *_ in server.requests()]
        self.assertEqual((set(shut), last), ({503}, 201))
        self.assertGreater(took, 3 * len(shut) - 0.5)

    def test_M3_a_server_and_a_daemon_that_both_die_do_not_lose_it(self):
        server = self.dav(tls=True)
        daemon = self.sending_to(server.url("in"), ca=server.ca, secret=None)
        server.end_processes()
        result = self.send_files(daemon, "head -c 3000000 /dev/urandom >a.txt")
        self.assertTrue(wait_until(lambda: self.uploads(daemon, result["task"])[0].get("cause"), 10))
        kill_daemon(daemon)
        daemon.close_client()
        server.start_on(server.port)
        self.assertTrue(server.wait_ready(), server.log())
        daemon.start()
        self.assert_done(daemon, result)
        [item] = result["artifacts"]["list"]
        self.assertEqual(list(self.stored(server).values()), [item["sha256"]])
        self.assert_nothing_waits(daemon)

    # ---- those that misbehave ----------------------------------------------------------------

    def test_M1_a_connection_that_is_reset_half_way_begins_again(self):
        server = self.hostile(HalfWay(2))
        daemon = self.sending_to(server.url("/in"))
        result = self.send_files(daemon, "head -c 5000000 /dev/urandom >a.txt")
        self.assert_done(daemon, result)
        self.assertEqual(len(server.cut), 2)
        self.assertGreaterEqual(min(server.cut), 2500000)
        [got] = server.requests()
        self.assertEqual(hashlib.sha256(got.body).hexdigest(), result["artifacts"]["list"][0]["sha256"])
        self.assert_nothing_waits(daemon)

    def test_M1_an_answer_of_the_wrong_length(self):
        server = self.hostile(Hostile(too_short()))
        daemon = self.sending_to(server.url("/in"))
        self.assert_tried(daemon, self.send_files(daemon), ".")
        # What is beyond the length is nobody's: the server has said that it has the file.
        server.default = too_long()
        self.assert_done(daemon, self.send_files(daemon))
        server.default = response(503, "Retry-After: -1", "Content-Length: x")
        self.assert_tried(daemon, self.send_files(daemon), ".")

    def test_M4_a_redirect_to_a_good_server_is_not_followed(self):
        good = self.dav()
        server = self.hostile(Hostile(redirect(good.url("in/a.txt"), 307)))
        daemon = self.sending_to(server.url("/in"))
        for status in (301, 302, 303, 307, 308):
            server.default = redirect(good.url("in/a.txt"), status)
            self.assert_failed(daemon, self.send_files(daemon), "redirected")
        self.assertEqual(len(server.requests()), 5)
        self.assertEqual((good.requests(), self.stored(good)), ([], {}))
        daemon = self.sending_to(good.url("in"))
        self.assert_done(daemon, self.send_files(daemon))
        self.assertEqual(len(self.stored(good)), 1, "the control")

    def test_M5_who_takes_a_connection_and_says_nothing_keeps_nobody_waiting(self):
        good, tarpit = self.dav(), self.hostile(Tarpit())
        daemon = self.sending_to("http://127.0.0.1:%d" % tarpit.port, "target = tls endpoint=https://localhost:%d private=yes" % tarpit.port,
                                 "target = good endpoint=%s private=yes" % good.url("in"), "stall = 2s", "deadline = %ds" % (8 * SCALE))
        stuck = [self.send_files(daemon, upload={"target": name}) for name in ("web", "tls")]
        fine = self.send_files(daemon, upload={"target": "good"})
        self.assert_done(daemon, fine)
        for result in stuck:
            self.assert_failed(daemon, result, ".")
        self.assertGreaterEqual(len(tarpit.connections), 2)
        self.assertEqual(len(self.stored(good)), 1)
        self.assert_nothing_waits(daemon)
