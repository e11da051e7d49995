"""Many tasks one after the other, the loop under load, and the short form of the soak (tests/soak.py): J1, J2, J15, J16, G1, G3, G6, K8."""
import os
import threading
import time

from dayfly_client import SCALE
from dayfly_host import count_fds, read
from dayfly_load import configure
from dayfly_soak import log_errors, run_some, soak_kills, soak_neighbours, soak_tasks
from dayfly_test import in_modes

from common import OwnDaemons, assert_grown_less, raise_open_files, rss_kib, status_field, wait_until

@in_modes
class Soak:
    SECONDS = 9
    TASKS = 3000

    def look(self):
        self.daemon.settle()
        pids = sorted(self.daemon.processes())
        return {pid: (count_fds(pid), int(status_field(pid, "Threads")[0])) for pid in pids}

    def steady_look(self):
        """What is on its way out is given a moment: until two looks agree."""
        looks = [self.look()]
        wait_until(lambda: looks.append(self.look()) or looks[-1] == looks[-2], 5, 0.2)
        return looks[-1]

    def is_as_before(self, before):
        """A journal that was being made anew at the first look had a descriptor more."""
        now = self.look()
        return set(now) == set(before) and all(now[pid][0] <= fds and now[pid][1] == threads for pid, (fds, threads) in before.items())

    def test_J15_thousands_of_tasks_leave_every_number_as_it_was(self):
        """The leak check of the harness compares mounts, cgroups, files, namespaces, sockets and IPC objects."""
        client = self.client
        run_some(client, 300, time.monotonic() + self.SECONDS * SCALE)  # caches, kept id maps and results are full now
        before = self.steady_look()
        sizes = {pid: rss_kib(pid) for pid in before}
        done = run_some(client, self.TASKS, time.monotonic() + self.SECONDS * SCALE)
        self.assertGreater(done, 100)
        self.assertTrue(wait_until(lambda: self.is_as_before(before), 5, 0.2), "%d tasks: %s, before %s" % (done, self.look(), before))
        for pid, size in sizes.items():
            assert_grown_less(self, pid, size, 2048)
        left = self.daemon.state_files()
        if self.daemon.is_upper_on_disk:  # the warden's own directory, with no layer in it
            own = [name for name in left if name.startswith("dayfly-upper-")]
            self.assertEqual([os.listdir(os.path.join(self.daemon.state_dir, name)) for name in own], [[]])
            left = [name for name in left if name not in own]
        self.assertEqual(left, [])
        self.assertEqual(log_errors(self.daemon), [])


@in_modes
class Lag:
    def pings(self, seconds, other=None):
        """How long each answer of the daemon took, and of `other` in the same time."""
        client, own, others = self.new_client(), [], []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline or len(own) < 40:
            began = time.monotonic()
            client.call("ping")
            own.append(time.monotonic() - began)
            if other:
                began = time.monotonic()
                other()
                others.append(time.monotonic() - began)
            time.sleep(0.005)
        return own, others

    @staticmethod
    def p95(times):
        return sorted(times)[len(times) * 95 // 100]

    @staticmethod
    def echo():
        """A process that answers a byte with a byte: what the machine's load alone costs."""
        here, there = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(here[1])
            os.close(there[0])
            while os.read(here[0], 1):
                os.write(there[1], b"x")
            os._exit(0)
        os.close(here[0])
        os.close(there[1])

        def ask():
            os.write(here[1], b"x")
            os.read(there[0], 1)

        def end():
            os.close(here[1])
            os.close(there[0])
            os.waitpid(pid, 0)

        return ask, end

    def test_J16_floods_of_output_do_not_hold_up_the_loop(self):
        """Beside a reader that keeps up, one that never reads, a single line without end, and terminals."""
        readers = [self.new_client() for _ in range(3)]
        floods = (["yes"], ["sh", "-c", "tr '\\0' x </dev/zero"], ["cat", "/dev/urandom"])
        started = [c.start({"argv": argv, "limits": {"output": "1GiB"}, "tty": n == 0}) for n, (c, argv) in enumerate(zip(readers, floods))]
        is_over = threading.Event()

        def drain(client):
            client.sock.settimeout(0.2)
            while not is_over.is_set():
                try:
                    client.sock.recv(1 << 20)
                except TimeoutError:
                    pass

        threads = [threading.Thread(target=drain, args=(c,)) for c in readers[:2]]
        for thread in threads:
            thread.start()
        ask, end = self.echo()
        try:
            own, machine = self.pings(2, ask)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
            end()
        for (_, task) in started:
            self.client.call("cancel", task=task)
        for (_, task) in started:
            self.client.call("wait", task=task)
        self.assertLess(self.p95(own), max(0.05 * SCALE, 20 * self.p95(machine)), "the machine alone: %.4f s" % self.p95(machine))


@in_modes
class ShortSoak(OwnDaemons):
    SETTINGS = "[daemon]\nmax_connections = 2000\nmax_connections_per_user = 2000\n"

    def soaked_daemon(self):
        raise_open_files()
        daemon = configure(self.new_daemon(start=False), self.SETTINGS)
        daemon.start()
        daemon.warm_up()
        return daemon

    def test_J15_beside_idle_and_deaf_clients_every_number_stays_flat(self):
        done, problems = soak_tasks(self.soaked_daemon(), 3 * SCALE)
        self.assertEqual(problems, [])
        self.assertGreater(done, 10)

    def test_J16_beside_noisy_neighbours_trivial_tasks_go_on(self):
        """How much slower is printed; `make soak` holds it to a bound."""
        self.assertEqual(soak_neighbours(self.soaked_daemon(), 4), [])

    def test_J1_J2_kills_at_random_under_load_leave_nothing(self):
        self.assertEqual(soak_kills(self.soaked_daemon(), 5, int(os.environ.get("DAYFLY_SEED", time.time()))), [])
