#include "harness.h"

#include "client/client_priv.h"
#include "client/sent.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same_file(int a, int b)
{
	struct stat x, y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

TEST(files_and_where_they_go_are_described_together)
{
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_add_artifact(t, "\377", 1), -EILSEQ);
	assert_int_equal(dayfly_task_add_artifact(t, "*.txt", 1), 0);
	assert_int_equal(dayfly_task_add_artifact(t, "log", 0), 0);
	expect(t, "{\"artifacts\":{\"files\":[{\"glob\":\"*.txt\",\"required\":true},"
		  "{\"glob\":\"log\",\"required\":false}]}}");
	assert_int_equal(dayfly_task_set_artifacts(t, -2, "5s"), -EBADF);
	assert_int_equal(dayfly_task_set_upload(t, "a", NULL, "https://b"), -EINVAL);
	assert_int_equal(dayfly_task_set_upload(t, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(dayfly_task_set_upload(t, NULL, NULL, "https://b"), 0);
	assert_int_equal(dayfly_task_set_upload(t, "a", "p/", NULL), 0);
	expect(t, "{\"artifacts\":{\"files\":[{\"glob\":\"*.txt\",\"required\":true},"
		  "{\"glob\":\"log\",\"required\":false}],"
		  "\"upload\":{\"target\":\"a\",\"prefix\":\"p/\"}}}");
	assert_int_equal(n_fds, 0);
	dayfly_task_free(t);
}

TEST(each_descriptor_is_named_by_its_place)
{
	struct dayfly_error e;
	int changes[2], artifacts[2];
	assert_int_equal(pipe2(changes, O_CLOEXEC), 0);
	assert_int_equal(pipe2(artifacts, O_CLOEXEC), 0);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_changes(t, changes[1], "1MiB", NULL), 0);
	assert_int_equal(dayfly_task_add_artifact(t, "a", 1), 0);
	assert_int_equal(dayfly_task_set_artifacts(t, artifacts[1], "5s"), 0);
	assert_int_equal(dayfly_task_set_upload(t, NULL, NULL, "https://b"), 0);
	assert_int_equal(dayfly_task_set_upload_credentials(t, "hush", 4), 0);
	assert_int_equal(dayfly_task_add_mount(t, "/", "/m", DAYFLY_MODE_RO, &e), 0);
	assert_int_equal(dayfly_task_set_git(t, "h:x", NULL, 0), 0);
	assert_int_equal(dayfly_task_set_git_agent(t, changes[0]), 0);
	expect(t, "{\"mounts\":[{\"fd\":0,\"mode\":\"ro\",\"path\":\"/\",\"target\":\"/m\"}],"
		  "\"changes\":{\"fd\":1,\"bytes\":\"1MiB\"},"
		  "\"artifacts\":{\"files\":[{\"glob\":\"a\",\"required\":true}],"
		  "\"timeout\":\"5s\",\"upload\":{\"url\":\"https://b\",\"credentials_fd\":2},"
		  "\"fd\":3},\"source\":{\"git\":{\"url\":\"h:x\",\"agent\":4}}}");
	assert_int_equal(n_fds, 5);
	assert_true(is_same_file(fds[1], changes[1]));
	assert_true(is_same_file(fds[3], artifacts[1]));
	assert_true(is_same_file(fds[4], changes[0]));
	char text[8];
	assert_int_equal(pread(fds[2], text, sizeof(text), 0), 4);
	assert_memory_equal(text, "hush", 4);
	dayfly_task_free(t);
	for (int i = 0; i < 2; i++) {
		close(changes[i]);
		close(artifacts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_where_they_go_are_described_together),
		cmocka_unit_test(each_descriptor_is_named_by_its_place),
	};
	return RUN_TESTS(tests);
}
