#include "harness.h"

#include "base/fd.h"
#include "client/client_priv.h"
#include "client/sent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

TEST(every_setter_fills_its_field)
{
	static const char *const argv[] = { "sh", "-c", "", NULL };
	struct dayfly_task *t = dayfly_task_new();
	expect(t, "{}");
	assert_int_equal(dayfly_task_set_argv(t, argv), 0);
	assert_int_equal(dayfly_task_set_env(t, "A", "1"), 0);
	assert_int_equal(dayfly_task_set_env(t, "A", "2"), 0);
	assert_int_equal(dayfly_task_set_cwd(t, "/x"), 0);
	assert_int_equal(dayfly_task_set_network(t, "host"), 0);
	assert_int_equal(dayfly_task_set_profile(t, "strict"), 0);
	assert_int_equal(dayfly_task_set_user(t, "root"), 0);
	assert_int_equal(dayfly_task_set_image(t, "/img"), 0);
	assert_int_equal(dayfly_task_set_name(t, "n"), 0);
	assert_int_equal(dayfly_task_set_label(t, "k", "v"), 0);
	assert_int_equal(dayfly_task_set_tty(t, 24, 80), 0);
	assert_int_equal(dayfly_task_set_stdin(t, 1), 0);
	assert_int_equal(dayfly_task_set_keep(t, 1), 0);
	assert_int_equal(dayfly_task_set_kill_on_output_limit(t, 1), 0);
	assert_int_equal(dayfly_task_add_best_effort(t, "memory"), 0);
	assert_int_equal(dayfly_task_add_best_effort(t, "pids"), 0);
	assert_int_equal(dayfly_task_set_limit(t, "memory", "2GiB"), 0);
	assert_int_equal(dayfly_task_set_limit(t, "pids", "512"), 0);
	assert_int_equal(dayfly_task_set_limit(t, "cpus", "0.5"), 0);
	expect(t, "{\"argv\":[\"sh\",\"-c\",\"\"],\"env\":{\"A\":\"2\"},\"cwd\":\"/"
		  "x\",\"network\":\"host\",\"profile\":\"strict\","
		  "\"user\":\"root\",\"image\":\"/"
		  "img\",\"name\":\"n\",\"labels\":{\"k\":\"v\"},\"tty\":true,\"rows\":24,\"cols\":"
		  "80,"
		  "\"stdin\":\"stream\",\"on_disconnect\":\"keep\",\"on_output_limit\":\"kill\","
		  "\"best_effort\":[\"memory\",\"pids\"],"
		  "\"limits\":{\"memory\":\"2GiB\",\"pids\":512,\"cpus\":\"0.5\"}}");
	assert_int_equal(n_fds, 0);
	dayfly_task_free(t);
	dayfly_task_free(NULL);
}

TEST(bad_values_leave_the_task_as_it_was)
{
	static const char *const bad[] = { "a", "\xff", NULL };
	static const char *const empty[] = { NULL };
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_argv(t, bad), -EILSEQ);
	assert_int_equal(dayfly_task_set_argv(t, empty), -EINVAL);
	assert_int_equal(dayfly_task_set_argv(t, NULL), -EINVAL);
	assert_int_equal(dayfly_task_set_cwd(t, NULL), -EINVAL);
	assert_int_equal(dayfly_task_set_name(t, "\xc3"), -EILSEQ);
	assert_int_equal(dayfly_task_set_env(t, NULL, "x"), -EINVAL);
	assert_int_equal(dayfly_task_set_limit(t, "wall", NULL), -EINVAL);
	assert_int_equal(dayfly_task_add_best_effort(t, "\xff"), -EILSEQ);
	expect(t, "{}");
	dayfly_task_free(t);
}

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

TEST(files_and_secrets_go_as_text_or_base64)
{
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_add_file(t, "/a", "text", 4, 0600), 0);
	assert_int_equal(dayfly_task_add_file(t, "/b", "\0\377", 2, 0755), 0);
	assert_int_equal(dayfly_task_add_file(t, "/c", NULL, 0, 0644), 0);
	assert_int_equal(dayfly_task_add_secret(t, "s", "text", 4), 0);
	assert_int_equal(dayfly_task_add_file(t, "/d", "", 0, 04755), -EINVAL);
	assert_int_equal(dayfly_task_add_file(t, NULL, "", 0, 0644), -EINVAL);
	assert_int_equal(dayfly_task_add_secret(t, "\377", "", 0), -EILSEQ);
	expect(t, "{\"files\":[{\"path\":\"/a\",\"mode\":\"0600\",\"text\":\"text\"},"
		  "{\"path\":\"/b\",\"mode\":\"0755\",\"base64\":\"AP8=\"},"
		  "{\"path\":\"/c\",\"mode\":\"0644\",\"text\":\"\"}],"
		  "\"secrets\":[{\"name\":\"s\",\"text\":\"text\"}]}");
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

TEST(webhooks_are_listed_with_their_events)
{
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_add_webhook(t, "https://h/x", NULL), 0);
	assert_int_equal(dayfly_task_add_webhook(t, "https://i/", "accepted,finished"), 0);
	assert_int_equal(dayfly_task_add_webhook(t, NULL, NULL), -EINVAL);
	assert_int_equal(dayfly_task_add_webhook(t, "https://\377/", NULL), -EILSEQ);
	assert_int_equal(dayfly_task_add_webhook(t, "https://i/", "\377"), -EILSEQ);
	expect(t, "{\"webhooks\":[{\"url\":\"https://h/x\"},"
		  "{\"url\":\"https://i/\",\"events\":[\"accepted\",\"finished\"]}]}");
	dayfly_task_free(t);
}

static void changes_go_to_a_descriptor(void **state)
{
	struct dayfly_task *t = dayfly_task_new();
	assert_int_equal(dayfly_task_set_changes(t, -1, NULL, NULL), -EBADF);
	assert_int_equal(dayfly_task_set_changes(t, 1, "\377", NULL), -EILSEQ);
	expect(t, "{}");
	assert_int_equal(dayfly_task_set_changes(t, 1, NULL, NULL), 0);
	expect(t, "{\"changes\":{\"fd\":0}}");
	assert_int_equal(dayfly_task_set_changes(t, 1, "1MiB", "5s"), 0);
	expect(t, "{\"changes\":{\"bytes\":\"1MiB\",\"timeout\":\"5s\",\"fd\":0}}");
	dayfly_task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_setter_fills_its_field),
		cmocka_unit_test(webhooks_are_listed_with_their_events),
		cmocka_unit_test(bad_values_leave_the_task_as_it_was),
		cmocka_unit_test(directories_are_opened_and_handed_over),
		cmocka_unit_test(what_cannot_be_opened_is_told),
		cmocka_unit_test(a_fifo_does_not_hold_us_up),
		cmocka_unit_test(files_and_secrets_go_as_text_or_base64),
		cmocka_unit_test(parts_of_a_workspace_are_left_out),
		cmocka_unit_test(a_tar_is_a_descriptor_or_what_comes_on_stdin),
		cmocka_unit_test(changes_go_to_a_descriptor),
	};
	return RUN_TESTS(tests);
}
