"""For tests of the warm pool."""
from common import OwnDaemons, Traces, wait_until


class Pooled(OwnDaemons):
    def pool(self, *args, size=3):
        daemon = self.new_daemon("--pool-size", size, *args)
        self.conn = self.connect_to(daemon)
        self.asked = {}
        return daemon

    def parked(self):
        return set(Traces(self.stage).named("dayfly-parked"))

    def parked_at_once(self):
        """Those that were parked at one moment: one look at all processes is many, and meanwhile one may have taken another's place."""
        before = self.parked()
        return before & self.parked()

    def run_one(self, *argv, conn=None, **task):
        return (conn or self.conn).run(dict({"argv": list(argv) or ["true"]}, **task), timeout=30)

    def warm(self):
        """One task shows what is asked for; then one is made."""
        self.run_one()
        self.assertTrue(wait_until(self.parked), "nothing is parked")
        return self.parked()

    # ---- by kind -----------------------------------------------------------------------------

    def kinds(self, conn=None):
        """What the daemon knows, a moment late; a kind by what was asked for."""
        return {(k["image"], k["user"], k["network"], k["processes"]): k for k in (conn or self.conn).call("info")["pool"]["kinds"]}

    def kind(self, image="host", user="agent", network="none", conn=None):
        found = [k for k in self.kinds(conn).values() if (k["image"], k["user"], k["network"]) == (image, user, network)]
        return found[0] if len(found) == 1 else None

    @staticmethod
    def uses(kind):
        return kind["hits"] + sum(kind["misses"].values()) if kind else 0

    def run_kind(self, *argv, conn=None, **task):
        """Runs it and waits until the daemon knows of it: what it tells of this kind is as it is after this task."""
        what = {k: task[k] for k in ("image", "user", "network") if k in task}
        before = self.uses(self.kind(conn=conn, **what))
        done = self.run_one(*argv, conn=conn, **task)
        self.assertTrue(wait_until(lambda: self.uses(self.kind(conn=conn, **what)) == before + 1 or None), (what, self.kinds(conn)))
        return done

    def wait_ready(self, conn=None, **what):
        return wait_until(lambda: (self.kind(conn=conn, **what) or {"parked": 0})["parked"])

    def warm_kind(self, *argv, conn=None, **task):
        """Until one of that kind is parked: all but a user's first are made from their second request on."""
        what = {k: task[k] for k in ("image", "user", "network") if k in task}
        for _ in range(2):
            self.run_kind(*argv, conn=conn, **task)
        self.assertTrue(self.wait_ready(conn=conn, **what), (what, self.kinds(conn)))
