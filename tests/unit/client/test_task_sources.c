#include "harness.h"

#include "client/client_priv.h"
#include "client/sent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(directories_are_opened_and_handed_over)
{
	char dir[] = "/tmp/dayfly-test-XXXXXX", json[512], link[64];
	struct dayfly_error e;
	struct stat want, got;
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink("/etc", link), 0);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_workspace(t, "/", NULL, DAYFLY_MODE_RO, &e), 0);
	assert_int_equal(dayfly_task_set_workspace(t, dir, NULL, DAYFLY_MODE_COW, &e), 0);
	assert_int_equal(dayfly_task_add_mount(t, link, "/data", DAYFLY_MODE_RO, &e), 0);
	assert_int_equal(dayfly_task_add_mount(t, "/dev/null", "/n", DAYFLY_MODE_RW, &e), 0);
	/* Attack K15: the link is followed once, by us; what it leads to later does not matter. */
	assert_int_equal(unlink(link), 0);
	snprintf(json, sizeof(json),
		"{\"workspace\":{\"fd\":0,\"mode\":\"cow\",\"path\":\"%s\"},\"mounts\":["
		"{\"fd\":1,\"mode\":\"ro\",\"path\":\"/etc\",\"target\":\"/data\"},"
		"{\"fd\":2,\"mode\":\"rw\",\"path\":\"/dev/null\",\"target\":\"/n\"}]}",
		dir);
	expect(t, json);
	assert_int_equal(n_fds, 3);
	assert_int_equal(stat("/etc", &want), 0);
	assert_int_equal(fstat(fds[1], &got), 0);
	assert_int_equal(want.st_ino, got.st_ino);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(fds[0], F_GETFL) & O_PATH);
	/* A device is named, never opened. */
	assert_true(fcntl(fds[2], F_GETFL) & O_PATH);
	dayfly_task_free(t);
	assert_int_equal(rmdir(dir), 0);
}

TEST(what_cannot_be_opened_is_told)
{
	struct dayfly_error e;
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(
		dayfly_task_set_workspace(t, "/nonexistent", NULL, DAYFLY_MODE_COW, &e), -ENOENT);
	assert_string_equal(e.code, "source_unavailable");
	assert_int_equal(e.errnum, ENOENT);
	assert_int_equal(
		dayfly_task_set_workspace(t, "/etc/passwd", NULL, DAYFLY_MODE_COW, &e), -ENOTDIR);
	assert_int_equal(dayfly_task_set_workspace(t, "/", NULL, (enum dayfly_mode)9, &e), -EINVAL);
	assert_int_equal(dayfly_task_add_mount(t, NULL, "/x", DAYFLY_MODE_RO, &e), -EINVAL);
	assert_int_equal(dayfly_task_add_mount(t, "/", "\xff", DAYFLY_MODE_RO, &e), -EILSEQ);
	for (int i = 0; i < LIMIT_MOUNTS; i++)
		assert_int_equal(dayfly_task_add_mount(t, "/", "/x", DAYFLY_MODE_RO, &e), 0);
	assert_int_equal(dayfly_task_add_mount(t, "/", "/x", DAYFLY_MODE_RO, &e), -E2BIG);
	dayfly_task_free(t);
}

TEST(a_fifo_does_not_hold_us_up)
{
	char dir[] = "/tmp/dayfly-test-XXXXXX", fifo[64];
	struct dayfly_error e;
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_add_mount(t, fifo, "/f", DAYFLY_MODE_RO, &e), 0);
	assert_int_equal(dayfly_task_set_workspace(t, fifo, NULL, DAYFLY_MODE_RO, &e), -ENOTDIR);
	dayfly_task_free(t);
	unlink(fifo);
	rmdir(dir);
}

TEST(a_later_workspace_takes_the_place_of_the_first)
{
	struct dayfly_error e;
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_workspace(t, "/usr", "/w", DAYFLY_MODE_COW, &e), 0);
	const int first = t->workspace.fd;
	assert_int_equal(dayfly_task_set_workspace(t, "/etc", NULL, DAYFLY_MODE_RO, &e), 0);
	/* One that cannot be opened changes nothing. */
	assert_int_equal(
		dayfly_task_set_workspace(t, "/nonexistent", NULL, DAYFLY_MODE_RW, &e), -ENOENT);
	assert_int_equal(fcntl(first, F_GETFD), -1);
	expect(t, "{\"workspace\":{\"fd\":0,\"mode\":\"ro\",\"path\":\"/etc\"}}");
	const int second = t->workspace.fd;
	dayfly_task_free(t);
	assert_int_equal(fcntl(second, F_GETFD), -1);
}

TEST(what_has_no_path_that_can_be_told_goes_as_a_descriptor)
{
	char dir[] = "/tmp/dayfly-test-XXXXXX", odd[64];
	struct dayfly_error e;
	assert_non_null(mkdtemp(dir));
	snprintf(odd, sizeof(odd), "%s/\377", dir);
	assert_int_equal(mkdir(odd, 0700), 0);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_add_mount(t, odd, "/x", DAYFLY_MODE_RO, &e), 0);
	expect(t, "{\"mounts\":[{\"fd\":0,\"mode\":\"ro\",\"target\":\"/x\"}]}");
	dayfly_task_free(t);
	assert_int_equal(rmdir(odd), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* The kernel tells of them as "NAME (deleted)", which may be a name too. */
TEST(what_was_removed_has_no_path_and_what_only_looks_so_has)
{
	char dir[] = "/tmp/dayfly-test-XXXXXX", odd[64], fd_path[40], json[512];
	struct dayfly_error e;
	assert_non_null(mkdtemp(dir));
	snprintf(odd, sizeof(odd), "%s/a (deleted)", dir);
	assert_int_equal(mkdir(odd, 0700), 0);
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_workspace(t, odd, NULL, DAYFLY_MODE_RO, &e), 0);
	snprintf(json, sizeof(json), "{\"workspace\":{\"fd\":0,\"mode\":\"ro\",\"path\":\"%s\"}}",
		odd);
	expect(t, json);
	/* Another one stands where the path of a removed one seems to lead. */
	char gone[64];
	snprintf(gone, sizeof(gone), "%s/a", dir);
	assert_int_equal(mkdir(gone, 0700), 0);
	const int fd = open(gone, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(rmdir(gone), 0);
	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", fd);
	for (int is_there = 1; is_there >= 0; is_there--) {
		assert_int_equal(
			dayfly_task_set_workspace(t, fd_path, NULL, DAYFLY_MODE_RO, &e), 0);
		expect(t, "{\"workspace\":{\"fd\":0,\"mode\":\"ro\"}}");
		if (is_there)
			assert_int_equal(rmdir(odd), 0);
	}
	close(fd);
	dayfly_task_free(t);
	assert_int_equal(rmdir(dir), 0);
}

TEST(what_is_hidden_is_bounded_in_bytes_too)
{
	char name[4000];
	int n = 0;
	struct dayfly_task *t = dayfly_task_new();
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	while (n < 1000 && dayfly_task_hide(t, name) == 0)
		n++;
	assert_int_equal(n, LIMIT_HIDDEN_BYTES / sizeof(name));
	/* A short one still has room. */
	assert_int_equal(dayfly_task_hide(t, "a"), 0);
	dayfly_task_free(t);
}

TEST(parts_of_a_workspace_are_left_out)
{
	struct dayfly_task *t = dayfly_task_new();
	struct dayfly_error e;
	json_t *got = NULL;
	char name[16];
	assert_int_equal(dayfly_task_hide(t, ".env"), 0);
	assert_int_equal(dayfly_task_hide(t, "a/b"), 0);
	assert_int_equal(dayfly_task_hide(t, "\377"), -EILSEQ);
	assert_int_equal(dayfly_task_hide(t, NULL), -EINVAL);
	assert_int_equal(dayfly_task_set_workspace(t, "/", NULL, DAYFLY_MODE_RO, &e), 0);
	assert_int_equal(task_to_json(t, &got, fds, &n_fds, &e), 0);
	char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "{\"workspace\":{\"fd\":0,\"hide\":[\".env\",\"a/b\"],"
				  "\"mode\":\"ro\",\"path\":\"/\"}}");
	free(text);
	json_decref(got);
	for (int i = 2; i < LIMIT_HIDDEN; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(dayfly_task_hide(t, name), 0);
	}
	assert_int_equal(dayfly_task_hide(t, "more"), -E2BIG);
	dayfly_task_free(t);
}

TEST(a_tar_is_a_descriptor_or_what_comes_on_stdin)
{
	struct dayfly_task *t = dayfly_task_new();
	struct dayfly_error e;
	json_t *got = NULL;
	int p[2];
	assert_int_equal(pipe(p), 0);
	assert_int_equal(dayfly_task_add_tar(t, p[0], "/opt/x", &e), 0);
	assert_int_equal(dayfly_task_add_tar(t, -1, NULL, &e), 0);
	assert_int_equal(dayfly_task_add_tar(t, p[0], "\377", &e), -EILSEQ);
	assert_true(dayfly_task_add_tar(t, 9999, NULL, &e) < 0);
	close(p[0]);
	assert_int_equal(task_to_json(t, &got, fds, &n_fds, &e), 0);
	assert_int_equal(n_fds, 1);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "{\"tars\":[{\"fd\":0,\"target\":\"/opt/x\"},{}]}");
	free(text);
	json_decref(got);
	assert_int_equal(dayfly_task_add_tar(t, -1, NULL, &e), 0);
	assert_int_equal(dayfly_task_add_tar(t, -1, NULL, &e), -E2BIG);
	close(p[1]);
	dayfly_task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directories_are_opened_and_handed_over),
		cmocka_unit_test(what_cannot_be_opened_is_told),
		cmocka_unit_test(a_fifo_does_not_hold_us_up),
		cmocka_unit_test(a_later_workspace_takes_the_place_of_the_first),
		cmocka_unit_test(what_has_no_path_that_can_be_told_goes_as_a_descriptor),
		cmocka_unit_test(what_was_removed_has_no_path_and_what_only_looks_so_has),
		cmocka_unit_test(what_is_hidden_is_bounded_in_bytes_too),
		cmocka_unit_test(parts_of_a_workspace_are_left_out),
		cmocka_unit_test(a_tar_is_a_descriptor_or_what_comes_on_stdin),
	};
	return RUN_TESTS(tests);
}
