/* What /proc says about this very process. */
#include "harness.h"

#include "jail/cgroup.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TEST(the_place_of_this_process_is_read)
{
	struct cgroup_place p;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(cgroup_place_read(&p, pair[0]), 0);
	assert_non_null(strchr(p.self, ':'));
	assert_non_null(strstr(p.mountinfo, " / "));
	/* This process made the socket pair, and is in the list once. */
	assert_in_range(p.n_pids, 1, 2);
	assert_int_equal(p.pids[0], getpid());
	if (p.n_pids == 2)
		assert_int_equal(p.pids[1], getppid());
	assert_int_equal(p.is_privileged, geteuid() == 0);
	assert_false(p.is_fake);
	cgroup_place_finish(&p);
	cgroup_place_finish(&p);
	assert_int_equal(cgroup_place_read(&p, -1), 0);
	cgroup_place_finish(&p);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_place_of_this_process_is_read) };
	return RUN_TESTS(tests);
}
