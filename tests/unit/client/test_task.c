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
		cmocka_unit_test(files_and_secrets_go_as_text_or_base64),
		cmocka_unit_test(changes_go_to_a_descriptor),
	};
	return RUN_TESTS(tests);
}
