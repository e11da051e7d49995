#include "harness.h"

#include "base/fd.h"
#include "client/client_priv.h"

#include <errno.h>
#include <fcntl.h>

TEST(each_setter_fills_its_field_and_no_other_name_is_taken)
{
	static int fds[LIMIT_REQUEST_FDS];
	size_t n_fds = 0;
	struct dayfly_error e;
	json_t *got = NULL;
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(
		dayfly_task_set_git(t, "h:x", "v1",
			DAYFLY_GIT_FULL_HISTORY | DAYFLY_GIT_REFRESH | DAYFLY_GIT_SUBMODULES),
		0);
	assert_int_equal(dayfly_task_set_git_text(t, "credentials", "c", 1), 0);
	assert_int_equal(dayfly_task_set_git_text(t, "ssh_key", "k", 1), 0);
	assert_int_equal(dayfly_task_set_git_text(t, "known_hosts", "h", 1), 0);
	assert_int_equal(dayfly_task_set_git_text(t, "ca", "p", 1), 0);
	assert_int_equal(dayfly_task_set_git_text(t, "agent", "0", 1), -EINVAL);
	assert_int_equal(dayfly_task_set_git_text(t, "ca", "\377", 1), -EILSEQ);
	assert_int_equal(dayfly_task_set_git_text(t, "ca", "a\0b", 3), -EILSEQ);
	assert_int_equal(dayfly_task_set_git(t, "\377", NULL, 0), -EILSEQ);
	assert_int_equal(dayfly_task_set_git(t, "h:y", NULL, 8), -EINVAL);
	json_t *want = json_loads(
		"{\"source\":{\"git\":{\"url\":\"h:x\",\"ref\":\"v1\",\"history\":\"full\","
		"\"refresh\":true,\"submodules\":true,"
		"\"credentials\":\"c\",\"ssh_key\":\"k\",\"known_hosts\":\"h\",\"ca\":\"p\"}}}",
		0, NULL);
	assert_int_equal(task_to_json(t, &got, fds, &n_fds, &e), 0);
	assert_true(json_equal(want, got));
	json_decref(want);
	json_decref(got);
	dayfly_task_free(t);
}

TEST(an_agent_is_a_copy_of_a_descriptor_that_goes_along)
{
	static int fds[LIMIT_REQUEST_FDS];
	int ends[2];
	size_t n_fds = 0;
	struct dayfly_error e;
	json_t *got = NULL;
	assert_int_equal(fd_pipe(ends), 0);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_git(t, "h:x", NULL, 0), 0);
	assert_int_equal(dayfly_task_set_git_agent(t, -1), -EBADF);
	assert_int_equal(dayfly_task_set_git_agent(t, ends[0]), 0);
	assert_int_equal(dayfly_task_set_git_agent(t, ends[0]), 0);
	assert_int_equal(dayfly_task_set_changes(t, ends[1], NULL, NULL), 0);
	/* More than once: a request may be sent again. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(task_to_json(t, &got, fds, &n_fds, &e), 0);
		json_t *git = json_object_get(json_object_get(got, "source"), "git");
		assert_int_equal(json_integer_value(json_object_get(git, "agent")), 1);
		assert_int_equal(n_fds, 2);
		assert_true(fds[1] != ends[0] && fcntl(fds[1], F_GETFD) == FD_CLOEXEC);
		json_decref(got);
	}
	fd_close_many(ends, 2);
	int copy = fds[1];
	dayfly_task_free(t);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_setter_fills_its_field_and_no_other_name_is_taken),
		cmocka_unit_test(an_agent_is_a_copy_of_a_descriptor_that_goes_along),
	};
	return RUN_TESTS(tests);
}
