/* What a task uses now: of plain files in place of a cgroup, and of real processes. */
#include "harness.h"

#include "base/clock.h"
#include "jail/tree.h"
#include "jail/warden.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(a_cgroup_tells_all)
{
	struct warden_jail j = { .pid = 1 };
	struct wire_now now;
	j.cgroup.fd = tree_start();
	tree_file(j.cgroup.fd, "cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
	tree_file(j.cgroup.fd, "memory.current", "4096\n");
	tree_file(j.cgroup.fd, "pids.current", "3\n");
	now_read(&j, &now);
	assert_int_equal(now.source, WIRE_NOW_CGROUP);
	assert_int_equal(now.known, WIRE_NOW_CPU | WIRE_NOW_MEMORY | WIRE_NOW_PIDS);
	assert_int_equal(now.cpu_us, 1234);
	assert_int_equal(now.memory_bytes, 4096);
	assert_int_equal(now.pids, 2);
	close(j.cgroup.fd);
	tree_finish();
}

TEST(what_a_cgroup_does_not_count_is_unknown)
{
	struct warden_jail j = { .pid = 1 };
	struct wire_now now;
	j.cgroup.fd = tree_start();
	tree_file(j.cgroup.fd, "cpu.stat", "usage_usec 1234\n");
	now_read(&j, &now);
	assert_int_equal(now.known, WIRE_NOW_CPU);
	assert_int_equal(now.memory_bytes, 0);
	close(j.cgroup.fd);
	tree_finish();
}

/* A child with one child of its own; it has said so. */
static pid_t start(int *ret_fd)
{
	int p[2];
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)!write(p[1], "x", 1);
			pause();
		}
		pause();
		_exit(0);
	}
	char byte;
	assert_int_equal(read(p[0], &byte, 1), 1);
	close(p[1]);
	*ret_fd = p[0];
	return pid;
}

TEST(without_a_cgroup_the_processes_are_counted)
{
	int fd;
	struct warden_jail j = { .pid = start(&fd), .cgroup = { .fd = -1 } };
	struct wire_now now;
	now_read(&j, &now);
	kill(j.pid, SIGKILL);
	assert_int_equal(now.source, WIRE_NOW_PROCESSES);
	assert_int_equal(now.known, WIRE_NOW_CPU | WIRE_NOW_MEMORY | WIRE_NOW_PIDS);
	assert_int_equal(now.pids, 1);
	assert_true(now.memory_bytes > 0);
	waitpid(j.pid, NULL, 0);
	close(fd);
}

TEST(of_a_process_that_is_not_there_nothing_is_known)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	struct warden_jail j = { .pid = pid, .cgroup = { .fd = -1 } };
	struct wire_now now;
	now_read(&j, &now);
	assert_int_equal(now.known, 0);
	assert_int_equal(now.source, WIRE_NOW_NOTHING);
	j.pid = 0;
	now_read(&j, &now);
	assert_int_equal(now.known, 0);
}

TEST(every_question_has_an_answer)
{
	struct wire_event ev;
	struct warden_jail j = { .pid = getpid(), .cgroup = { .fd = -1 } };
	now_answer(NULL, 7, &ev);
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), 0);
	assert_int_equal(ev.type, WIRE_NOW);
	assert_int_equal(ev.jail, 7);
	assert_int_equal(ev.now.known, 0);
	j.state = WARDEN_JAIL_OPENING;
	now_answer(&j, 7, &ev);
	assert_int_equal(ev.now.known, 0);
	j.state = WARDEN_JAIL_LIVE;
	now_answer(&j, 7, &ev);
	assert_int_not_equal(ev.now.known, 0);
	assert_true(ev.now.at_ns && ev.now.at_ns <= clock_boot_ns());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cgroup_tells_all),
		cmocka_unit_test(what_a_cgroup_does_not_count_is_unknown),
		cmocka_unit_test(without_a_cgroup_the_processes_are_counted),
		cmocka_unit_test(every_question_has_an_answer),
		cmocka_unit_test(of_a_process_that_is_not_there_nothing_is_known),
	};
	return RUN_TESTS(tests);
}
