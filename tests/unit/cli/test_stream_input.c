#include "harness.h"

#include "cli/canned_cli.h"
#include "cli/stream_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACK(tag) "{\"id\":\"" tag "\",\"event\":\"result\",\"result\":{}}\n"

TEST(input_is_sent_with_its_end)
{
	struct canned_cli c = {
		/* Lines: run, input, the input's own line, eof. */
		.replies = { CANNED_ACCEPTED CANNED_RUNNING, NULL, ACK("2"),
			ACK("3") CANNED_EXIT(0) },
		.input = "hello\n",
	};
	canned_cli_run(&c, (const char *const[]){ "run", "-i", "--socket", "SOCKET", "cat", NULL });
	assert_int_equal(c.status, 0);
	assert_non_null(strstr(c.sent, "\"stdin\":\"stream\""));
	assert_non_null(
		strstr(c.sent, "\"task\":\"" CANNED_TASK "\",\"bytes\":6,\"id\":\"2\"}\nhello\n"));
	assert_non_null(
		strstr(c.sent, "\"task\":\"" CANNED_TASK "\",\"eof\":true,\"id\":\"3\"}\n"));
}

TEST(without_the_option_no_input_is_sent)
{
	struct canned_cli c = { .replies = { CANNED_ACCEPTED CANNED_RUNNING CANNED_EXIT(0) },
		.input = "hello\n" };
	canned_cli_run(&c, (const char *const[]){ "run", "--socket", "SOCKET", "cat", NULL });
	assert_int_equal(c.status, 0);
	assert_null(strstr(c.sent, "hello"));
	assert_null(strstr(c.sent, "stdin"));
}

TEST(a_refused_input_is_the_last_one)
{
	struct canned_cli c = {
		.replies = { CANNED_ACCEPTED CANNED_RUNNING, NULL,
			"{\"id\":\"2\",\"event\":\"error\",\"error\":{\"code\":\"bad_state\"}}"
			"\n" CANNED_EXIT(0) },
		.input = "hello\n",
	};
	canned_cli_run(
		&c, (const char *const[]){ "run", "-i", "--socket", "SOCKET", "true", NULL });
	assert_int_equal(c.status, 0);
	assert_string_equal(c.err, "");
}

TEST(one_piece_is_on_its_way)
{
	struct stream s = { .wants_input = true, .is_running = true };
	assert_true(stream_input_is_wanted(&s));
	s.input = 11;
	assert_false(stream_input_is_wanted(&s));
	stream_input_answered(&s, 99, false);
	assert_false(stream_input_is_wanted(&s));
	stream_input_answered(&s, 11, false);
	assert_true(stream_input_is_wanted(&s));
	stream_input_answered(&s, 0, true);
	assert_true(stream_input_is_wanted(&s));
	s.input = 12;
	stream_input_answered(&s, 12, true);
	assert_false(stream_input_is_wanted(&s));
}

/* Types keys in pieces into a task's terminal. Returns whether they detached; the bytes that were
 * sent are in out. */
static bool type_keys(const char *const *pieces, char *out, size_t size)
{
	int keys[2], link[2], saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct stream s = {
		.wants_input = true, .is_running = true, .can_detach = true, .task = "t"
	};
	char text[1024];
	bool is_detached = false;
	assert_int_equal(pipe2(keys, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link), 0);
	assert_int_equal(dup2(keys[0], STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(dayfly_connect_fd(link[1], &s.client, NULL), 0);
	s.terminal.is_raw = true;
	s.terminal.fd = -1;
	out[0] = '\0';
	for (; *pieces && !is_detached; pieces++) {
		assert_int_equal(
			write(keys[1], *pieces, strlen(*pieces)), (ssize_t)strlen(*pieces));
		s.input = 0;
		is_detached = stream_input_read(&s) < 0;
		ssize_t n = recv(link[0], text, sizeof(text) - 1, MSG_DONTWAIT);
		text[n > 0 ? n : 0] = '\0';
		const char *bytes = strchr(text, '\n');
		if (bytes)
			strncat(out, bytes + 1, size - strlen(out) - 1);
	}
	dayfly_client_free(s.client);
	close(link[0]);
	close(keys[0]);
	close(keys[1]);
	dup2(saved, STDIN_FILENO);
	close(saved);
	return is_detached;
}

TEST(the_two_keys_detach_even_in_two_pieces)
{
	char out[64];
	assert_true(type_keys((const char *const[]){ "a\020\021", NULL }, out, sizeof(out)));
	assert_true(type_keys((const char *const[]){ "a\020", "\021", NULL }, out, sizeof(out)));
	assert_string_equal(out, "a");
	assert_true(type_keys((const char *const[]){ "\020\020", "\021", NULL }, out, sizeof(out)));
	assert_string_equal(out, "\020");
}

TEST(other_keys_reach_the_task)
{
	char out[64];
	assert_false(
		type_keys((const char *const[]){ "\020x\021", "\021", NULL }, out, sizeof(out)));
	assert_string_equal(out, "\020x\021\021");
	assert_false(type_keys((const char *const[]){ "\003\004", NULL }, out, sizeof(out)));
	assert_string_equal(out, "\003\004");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_is_sent_with_its_end),
		cmocka_unit_test(without_the_option_no_input_is_sent),
		cmocka_unit_test(a_refused_input_is_the_last_one),
		cmocka_unit_test(one_piece_is_on_its_way),
		cmocka_unit_test(the_two_keys_detach_even_in_two_pieces),
		cmocka_unit_test(other_keys_reach_the_task),
	};
	return RUN_TESTS(tests);
}
