#include "harness.h"

#include "base/fd.h"
#include "client/canned.h"
#include "client/client_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static size_t count_fds(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST(descriptors_come_with_the_request_that_names_them)
{
	int peer, fds[FD_PASS_MAX];
	size_t n_fds = 0;
	char heard[4096];
	struct stat want, got;
	struct dayfly_error e;
	size_t before = count_fds();
	struct dayfly_client *c = canned_client(&peer);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_workspace(t, "/usr", NULL, DAYFLY_MODE_COW, &e), 0);
	assert_int_equal(dayfly_task_add_mount(t, "/etc", NULL, DAYFLY_MODE_RO, &e), 0);
	assert_int_equal(dayfly_run(c, t, 0, NULL, &e), 0);
	dayfly_task_free(t);
	canned_hear(peer, heard, sizeof(heard), fds, &n_fds);
	assert_int_equal(n_fds, 2);
	static const char *const paths[] = { "/usr", "/etc" };
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(stat(paths[i], &want), 0);
		assert_int_equal(fstat(fds[i], &got), 0);
		assert_int_equal(want.st_ino, got.st_ino);
	}
	fd_close_many(fds, n_fds);
	dayfly_client_free(c);
	fd_close(&peer);
	assert_int_equal(count_fds(), before);
}

TEST(a_request_over_the_bound_is_not_sent)
{
	int peer;
	char heard[256];
	struct dayfly_error e;
	auto_free char *big = malloc(LIMIT_REQUEST_BYTES);
	struct dayfly_client *c = canned_client(&peer);
	memset(big, 'x', LIMIT_REQUEST_BYTES - 1);
	big[LIMIT_REQUEST_BYTES - 1] = '\0';
	assert_int_equal(dayfly_inspect(c, big, NULL, &e), -E2BIG);
	assert_string_equal(e.code, "too_large");
	assert_int_equal(dayfly_ping(c, NULL, &e), 0);
	canned_hear(peer, heard, sizeof(heard), NULL, NULL);
	assert_non_null(strstr(heard, "\"ping\""));
	dayfly_client_free(c);
	fd_close(&peer);
}

TEST(what_waits_is_thrown_away_with_the_client)
{
	int peer;
	struct dayfly_error e;
	static char data[DAYFLY_INPUT_MAX];
	size_t before = count_fds();
	struct dayfly_client *c = canned_client(&peer);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_workspace(t, "/usr", NULL, DAYFLY_MODE_COW, &e), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(dayfly_input(c, "x", data, sizeof(data), 0, NULL, &e), 0);
	assert_int_equal(dayfly_run(c, t, 0, NULL, &e), 0);
	assert_false(list_empty(&c->out));
	dayfly_task_free(t);
	dayfly_client_free(c);
	fd_close(&peer);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_come_with_the_request_that_names_them),
		cmocka_unit_test(a_request_over_the_bound_is_not_sent),
		cmocka_unit_test(what_waits_is_thrown_away_with_the_client),
	};
	return RUN_TESTS(tests);
}
