/* A task's standard streams: this process plays the task at the other ends. */
#include "loop.h"

#include "base/fd.h"
#include "task/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

struct world {
	uv_loop_t loop;
	struct streams s;
	char scratch[OUTPUT_RECORD_MAX];
	struct buf got[OUTPUT_STREAM_COUNT];
	size_t n_records;
	int n_drained, n_room;
	int ends[3];
};

static void on_output(void *owner, enum output_stream stream, const char *data, size_t len)
{
	struct world *w = owner;
	assert_in_range(len, 1, OUTPUT_RECORD_MAX);
	assert_int_equal(buf_add(&w->got[stream], data, len), 0);
	w->n_records++;
}

static void on_drained(void *owner)
{
	((struct world *)owner)->n_drained++;
}

static void on_input_room(void *owner)
{
	((struct world *)owner)->n_room++;
}

static const struct streams_hooks hooks = { on_output, on_drained, on_input_room };

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&w->loop);
	streams_init(&w->s, &w->loop, w->scratch, &hooks, w);
	for (size_t i = 0; i < 3; i++)
		w->ends[i] = -1;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	streams_finish(&w->s);
	fd_close_many(w->ends, 3);
	loop_assert_empty(&w->loop);
	for (size_t i = 0; i < OUTPUT_STREAM_COUNT; i++)
		buf_finish(&w->got[i]);
	free(w);
	return 0;
}

/* The task runs: only now is its output read. */
static void begin(struct world *w)
{
	streams_start(&w->s);
	streams_pause_output(&w->s, false);
}

static void open_with_input(struct world *w)
{
	w->s.takes_input = true;
	assert_int_equal(streams_open_pipes(&w->s, w->ends), 3);
	begin(w);
}

static void assert_got(struct world *w, enum output_stream stream, const char *text)
{
	loop_run_until(&w->loop, buf_len(&w->got[stream]) >= strlen(text));
	assert_int_equal(buf_len(&w->got[stream]), strlen(text));
	assert_memory_equal(buf_data(&w->got[stream]), text, strlen(text));
}

static void output_of_both_streams_is_read_until_both_end(void **state)
{
	struct world *w = *state;
	int ends[3];
	assert_int_equal(streams_open_pipes(&w->s, ends), 2);
	streams_start(&w->s);
	assert_int_equal(write(ends[0], "out", 3), 3);
	assert_int_equal(write(ends[1], "err", 3), 3);
	loop_run_ms(&w->loop, 5);
	assert_int_equal(w->n_records, 0); /* not before it is known to run */
	streams_pause_output(&w->s, false);
	assert_got(w, OUTPUT_STDOUT, "out");
	assert_got(w, OUTPUT_STDERR, "err");
	fd_close(&ends[0]);
	loop_run_ms(&w->loop, 5);
	assert_int_equal(w->n_drained, 0);
	fd_close(&ends[1]);
	loop_run_until(&w->loop, w->n_drained == 1);
}

static void a_paused_task_has_to_wait_and_loses_nothing(void **state)
{
	struct world *w = *state;
	static char block[8192];
	open_with_input(w);
	streams_pause_output(&w->s, true);
	assert_int_equal(fd_set_nonblock(w->ends[1]), 0);
	size_t sent = 0;
	ssize_t n;
	while ((n = write(w->ends[1], block, sizeof(block))) > 0)
		sent += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	loop_run_ms(&w->loop, 5);
	assert_int_equal(buf_len(&w->got[OUTPUT_STDOUT]), 0);
	streams_pause_output(&w->s, false);
	loop_run_until(&w->loop, buf_len(&w->got[OUTPUT_STDOUT]) == sent);
}

static void after_the_end_of_the_task_there_is_no_pause(void **state)
{
	struct world *w = *state;
	open_with_input(w);
	streams_pause_output(&w->s, true);
	assert_int_equal(write(w->ends[1], "last", 4), 4);
	streams_set_final(&w->s);
	streams_pause_output(&w->s, true);
	assert_got(w, OUTPUT_STDOUT, "last");
}

static void a_character_is_not_cut_when_its_rest_comes_soon(void **state)
{
	struct world *w = *state;
	open_with_input(w);
	assert_int_equal(write(w->ends[1], "a\xe2\x82", 3), 3);
	assert_got(w, OUTPUT_STDOUT, "a");
	assert_int_equal(write(w->ends[1], "\xac", 1), 1);
	assert_got(w, OUTPUT_STDOUT, "a\xe2\x82\xac");
	assert_int_equal(w->n_records, 2);
	/* And not held back for long when it does not, nor lost at the end. */
	assert_int_equal(write(w->ends[1], "\xe2", 1), 1);
	assert_got(w, OUTPUT_STDOUT, "a\xe2\x82\xac\xe2");
	assert_int_equal(write(w->ends[1], "\xc3", 1), 1);
	fd_close(&w->ends[1]);
	assert_got(w, OUTPUT_STDOUT, "a\xe2\x82\xac\xe2\xc3");
}

static void streams_that_somebody_keeps_open_can_be_given_up(void **state)
{
	struct world *w = *state;
	open_with_input(w);
	streams_set_final(&w->s);
	assert_int_equal(w->n_drained, 0);
	streams_close_output(&w->s);
	assert_int_equal(w->n_drained, 1);
	streams_close_output(&w->s);
	assert_int_equal(w->n_drained, 1);
}

static void without_any_stream_the_end_is_drained_at_once(void **state)
{
	struct world *w = *state;
	w->s.takes_input = true; /* a terminal that never came */
	streams_set_final(&w->s);
	assert_int_equal(w->n_drained, 1);
}

static void read_input(struct world *w, char *out, size_t len)
{
	size_t have = 0;
	assert_int_equal(fd_set_nonblock(w->ends[0]), 0);
	while (have < len) {
		ssize_t n = read(w->ends[0], out + have, len - have);
		if (n > 0)
			have += (size_t)n;
		else
			assert_true(n < 0 && errno == EAGAIN);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
}

static void input_before_the_start_waits_for_it_and_then_ends(void **state)
{
	struct world *w = *state;
	char got[8];
	w->s.takes_input = true;
	assert_int_equal(streams_add_input(&w->s, "early", 5), 0);
	assert_int_equal(streams_end_input(&w->s), 0);
	assert_int_equal(streams_add_input(&w->s, "late", 4), -EPIPE);
	assert_int_equal(streams_open_pipes(&w->s, w->ends), 3);
	streams_start(&w->s);
	read_input(w, got, 5);
	assert_memory_equal(got, "early", 5);
	/* It does not wait: see read_input(). */
	loop_run_until(&w->loop, read(w->ends[0], got, 1) == 0);
}

static void a_task_that_does_not_read_fills_a_bounded_buffer(void **state)
{
	struct world *w = *state;
	static char block[64 << 10], got[64 << 10];
	size_t taken = 0;
	int r;
	open_with_input(w);
	while ((r = streams_add_input(&w->s, block, sizeof(block))) == 0)
		taken += sizeof(block);
	assert_int_equal(r, -EAGAIN);
	assert_true(streams_input_is_full(&w->s));
	assert_true(taken < STREAMS_INPUT_HIGH + 4 * sizeof(block));
	assert_int_equal(w->n_room, 0);
	for (size_t have = 0; have < taken; have += sizeof(got))
		read_input(w, got, sizeof(got));
	loop_run_until(&w->loop, w->n_room == 1);
	assert_int_equal(streams_add_input(&w->s, block, sizeof(block)), 0);
}

static void input_for_a_task_that_has_closed_it_is_refused(void **state)
{
	struct world *w = *state;
	open_with_input(w);
	fd_close(&w->ends[0]);
	loop_run_until(&w->loop, !w->s.takes_input);
	assert_true(streams_add_input(&w->s, "x", 1) < 0);
	assert_true(streams_end_input(&w->s) < 0);
}

static void a_task_without_stdin_takes_no_input(void **state)
{
	struct world *w = *state;
	int ends[3];
	assert_int_equal(streams_open_pipes(&w->s, ends), 2);
	assert_int_equal(streams_add_input(&w->s, "x", 1), -ENXIO);
	assert_int_equal(streams_end_input(&w->s), -ENXIO);
	assert_int_equal(streams_resize(&w->s, 1, 1), -ENOTTY);
	fd_close_many(ends, 2);
}

static void a_terminal_survives_a_moment_without_readers_and_ends_with_the_task(void **state)
{
	struct world *w = *state;
	int master, slave;
	char name[64], got[8];
	struct winsize size;
	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	w->s.takes_input = true;
	assert_int_equal(streams_open_tty(&w->s, master), 0);
	begin(w);
	assert_int_equal(write(slave, "one", 3), 3);
	assert_got(w, OUTPUT_STDOUT, "one");
	close(slave);
	loop_run_ms(&w->loop, 20);
	assert_int_equal(w->n_drained, 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(streams_resize(&w->s, 40, 120), 0);
	assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, 40);
	assert_int_equal(size.ws_col, 120);
	assert_int_equal(write(slave, "two", 3), 3);
	assert_got(w, OUTPUT_STDOUT, "onetwo");

	struct termios t;
	assert_int_equal(tcgetattr(slave, &t), 0);
	t.c_lflag &= ~(tcflag_t)ECHO;
	assert_int_equal(tcsetattr(slave, TCSANOW, &t), 0);
	assert_int_equal(streams_add_input(&w->s, "hi", 2), 0);
	assert_int_equal(streams_end_input(&w->s), 0);
	struct pollfd typed = { .fd = slave, .events = POLLIN };
	loop_run_until(&w->loop, poll(&typed, 1, 0) == 1);
	/* The end of input on a terminal: what was typed, without a newline, and then nothing. */
	assert_int_equal(read(slave, got, sizeof(got)), 2);
	streams_set_final(&w->s);
	close(slave);
	loop_run_until(&w->loop, w->n_drained == 1);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(output_of_both_streams_is_read_until_both_end),
		IN_WORLD(a_paused_task_has_to_wait_and_loses_nothing),
		IN_WORLD(after_the_end_of_the_task_there_is_no_pause),
		IN_WORLD(a_character_is_not_cut_when_its_rest_comes_soon),
		IN_WORLD(streams_that_somebody_keeps_open_can_be_given_up),
		IN_WORLD(without_any_stream_the_end_is_drained_at_once),
		IN_WORLD(input_before_the_start_waits_for_it_and_then_ends),
		IN_WORLD(a_task_that_does_not_read_fills_a_bounded_buffer),
		IN_WORLD(input_for_a_task_that_has_closed_it_is_refused),
		IN_WORLD(a_task_without_stdin_takes_no_input),
		IN_WORLD(a_terminal_survives_a_moment_without_readers_and_ends_with_the_task),
	};
	return RUN_TESTS(tests);
}
