/* A task's standard streams: see streams.h. */
#include "task/streams.h"

#include "base/fd.h"
#include "proto/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Reads of one stream in one turn of the loop: a flood of one task leaves time for the others. */
#define READS_PER_TURN 4
#define TTY_RETRY_MS   50
#define FLUSH_MS       20
#define VEOF_DEFAULT   4 /* ^D */

void streams_init(struct streams *s, uv_loop_t *loop, char *scratch,
	const struct streams_hooks *hooks, void *owner)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->scratch = scratch;
	s->hooks = hooks;
	s->owner = owner;
	s->in_fd = -1;
	s->is_paused = true;
	for (size_t i = 0; i < OUTPUT_STREAM_COUNT; i++)
		s->out[i].fd = -1;
	buf_init(&s->in, 0);
}

static void close_out(struct streams_out *o)
{
	watch_destroy(&o->watch);
	fd_close(&o->fd);
}

static void close_input(struct streams *s)
{
	watch_destroy(&s->in_watch);
	fd_close(&s->in_fd);
	buf_finish(&s->in);
	s->takes_input = false;
	if (s->in_is_full) {
		s->in_is_full = false;
		s->hooks->on_input_room(s->owner);
	}
}

void streams_finish(struct streams *s)
{
	s->in_is_full = false;
	close_input(s);
	alarm_destroy(&s->retry);
	alarm_destroy(&s->flush);
	for (size_t i = 0; i < OUTPUT_STREAM_COUNT; i++)
		close_out(&s->out[i]);
}

static void check_drained(struct streams *s)
{
	for (size_t i = 0; i < OUTPUT_STREAM_COUNT; i++)
		if (s->out[i].fd >= 0)
			return;
	if (s->is_drained)
		return;
	s->is_drained = true;
	s->hooks->on_drained(s->owner);
}

/* ---- output ---- */

static void watch_output(struct streams *s)
{
	for (size_t i = 0; i < OUTPUT_STREAM_COUNT; i++)
		if (s->out[i].watch)
			watch_set(s->out[i].watch, s->is_paused ? 0 : WATCH_READ);
}

static void on_retry(void *owner)
{
	watch_output(owner);
}

static void flush_held(struct streams *s, enum output_stream stream)
{
	struct streams_out *o = &s->out[stream];
	size_t n = o->n_held;
	char bytes[sizeof(o->held)];
	if (!n)
		return;
	memcpy(bytes, o->held, n);
	o->n_held = 0;
	s->hooks->on_output(s->owner, stream, bytes, n);
}

static void on_flush(void *owner)
{
	struct streams *s = owner;
	flush_held(s, OUTPUT_STDOUT);
	flush_held(s, OUTPUT_STDERR);
}

/* len bytes are in scratch. A character that is cut off at the end waits a moment for its rest. */
static void pass_output(struct streams *s, enum output_stream stream, size_t len)
{
	struct streams_out *o = &s->out[stream];
	size_t whole = answer_whole_chars(s->scratch, len);
	o->n_held = len - whole;
	memcpy(o->held, s->scratch + whole, o->n_held);
	if (o->n_held) {
		if (!s->flush)
			alarm_create(s->loop, on_flush, s, &s->flush);
		if (s->flush)
			alarm_set(s->flush, FLUSH_MS);
	}
	if (whole)
		s->hooks->on_output(s->owner, stream, s->scratch, whole);
}

static void end_output(struct streams *s, enum output_stream stream)
{
	flush_held(s, stream);
	close_out(&s->out[stream]);
	check_drained(s);
}

/* A pty hangs up whenever nobody has its other side open: before the task has opened it, and
 * between two programs. */
static void pause_tty(struct streams *s)
{
	watch_set(s->out[OUTPUT_STDOUT].watch, 0);
	alarm_set(s->retry, TTY_RETRY_MS);
}

static void read_output(struct streams *s, enum output_stream stream)
{
	struct streams_out *o = &s->out[stream];
	for (int i = 0; i < READS_PER_TURN && o->fd >= 0 && !s->is_paused; i++) {
		memcpy(s->scratch, o->held, o->n_held);
		ssize_t n = read(o->fd, s->scratch + o->n_held, OUTPUT_RECORD_MAX - o->n_held);
		if (n > 0) {
			pass_output(s, stream, o->n_held + (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EIO && s->is_tty && !s->is_final)
			return pause_tty(s);
		return end_output(s, stream);
	}
}

static void on_stdout(void *owner, int events)
{
	read_output(owner, OUTPUT_STDOUT);
}

static void on_stderr(void *owner, int events)
{
	read_output(owner, OUTPUT_STDERR);
}

void streams_pause_output(struct streams *s, bool pause)
{
	pause = pause && !s->is_final;
	if (s->is_paused == pause)
		return;
	s->is_paused = pause;
	watch_output(s);
}

void streams_close_output(struct streams *s)
{
	for (size_t i = 0; i < OUTPUT_STREAM_COUNT; i++) {
		flush_held(s, (enum output_stream)i);
		close_out(&s->out[i]);
	}
	check_drained(s);
}

/* ---- input ---- */

static void write_input(struct streams *s)
{
	while (buf_len(&s->in)) {
		ssize_t n = write(s->in_fd, buf_data(&s->in), buf_len(&s->in));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return close_input(s); /* nobody reads it any more */
		buf_consume(&s->in, (size_t)n);
	}
	if (!buf_len(&s->in)) {
		buf_finish(&s->in);
		if (s->in_eof)
			return close_input(s);
	}
	watch_set(s->in_watch, buf_len(&s->in) ? WATCH_WRITE : WATCH_HANGUP);
	if (s->in_is_full && buf_len(&s->in) < STREAMS_INPUT_LOW) {
		s->in_is_full = false;
		s->hooks->on_input_room(s->owner);
	}
}

static void on_stdin(void *owner, int events)
{
	struct streams *s = owner;
	if (events == WATCH_HANGUP && !s->is_tty)
		close_input(s);
	else if (events == WATCH_HANGUP)
		watch_set(s->in_watch,
			0); /* a pty that nobody has open for a moment; a write will tell */
	else
		write_input(s);
}

bool streams_input_is_full(const struct streams *s)
{
	return s->takes_input && buf_len(&s->in) >= STREAMS_INPUT_HIGH;
}

int streams_add_input(struct streams *s, const char *data, size_t len)
{
	if (!s->takes_input || s->in_eof)
		return s->in_eof || s->is_final ? -EPIPE : -ENXIO;
	if (streams_input_is_full(s)) {
		s->in_is_full = true;
		return -EAGAIN;
	}
	int r = buf_add(&s->in, data, len);
	if (r < 0)
		return -ENOMEM;
	if (s->in_watch)
		write_input(s);
	if (streams_input_is_full(s))
		s->in_is_full = true;
	return 0;
}

int streams_end_input(struct streams *s)
{
	if (!s->takes_input)
		return s->is_final ? -EPIPE : -ENXIO;
	if (s->is_tty) {
		/* A terminal has no end: the character that means it, as a user would type it. */
		struct termios t;
		char c = VEOF_DEFAULT;
		if (s->in_fd >= 0 && tcgetattr(s->in_fd, &t) == 0 && t.c_cc[VEOF])
			c = (char)t.c_cc[VEOF];
		return streams_add_input(s, &c, 1);
	}
	s->in_eof = true;
	if (s->in_watch)
		write_input(s);
	return 0;
}

int streams_resize(struct streams *s, uint16_t rows, uint16_t cols)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };
	if (!s->is_tty || s->out[OUTPUT_STDOUT].fd < 0)
		return -ENOTTY;
	return ioctl(s->out[OUTPUT_STDOUT].fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

/* ---- life ---- */

/* watch_create() makes our end non-blocking; the task's end stays as programs expect it. */
static int open_pipe(int *ret_ours, int *ret_theirs, int our_end)
{
	int p[2];
	int r = fd_pipe(p);
	if (r < 0)
		return r;
	*ret_ours = p[our_end];
	*ret_theirs = p[!our_end];
	return 0;
}

int streams_open_pipes(struct streams *s, int ret_ends[3])
{
	int n = 0, ends[3] = { -1, -1, -1 }, r = 0;
	if (s->takes_input) {
		r = open_pipe(&s->in_fd, &ends[n++], 1);
		if (r == 0)
			r = watch_create(s->loop, s->in_fd, on_stdin, s, &s->in_watch);
	}
	if (r == 0)
		r = open_pipe(&s->out[OUTPUT_STDOUT].fd, &ends[n++], 0);
	if (r == 0)
		r = open_pipe(&s->out[OUTPUT_STDERR].fd, &ends[n++], 0);
	if (r == 0)
		r = watch_create(s->loop, s->out[OUTPUT_STDOUT].fd, on_stdout, s,
			&s->out[OUTPUT_STDOUT].watch);
	if (r == 0)
		r = watch_create(s->loop, s->out[OUTPUT_STDERR].fd, on_stderr, s,
			&s->out[OUTPUT_STDERR].watch);
	if (r < 0) {
		fd_close_many(ends, 3);
		return r;
	}
	memcpy(ret_ends, ends, sizeof(ends));
	return n;
}

int streams_open_tty(struct streams *s, int take_master)
{
	s->is_tty = true;
	s->out[OUTPUT_STDOUT].fd = take_master;
	/* Here, where it can still fail without taking output along. */
	int r = alarm_create(s->loop, on_retry, s, &s->retry);
	if (r == 0)
		r = watch_create(s->loop, take_master, on_stdout, s, &s->out[OUTPUT_STDOUT].watch);
	if (r < 0 || !s->takes_input)
		return r;
	/* libuv has one watch per descriptor: a second one for the other direction. */
	s->in_fd = fcntl(take_master, F_DUPFD_CLOEXEC, 3);
	if (s->in_fd < 0)
		return -errno;
	return watch_create(s->loop, s->in_fd, on_stdin, s, &s->in_watch);
}

void streams_start(struct streams *s)
{
	watch_output(s);
	if (s->in_watch)
		write_input(s);
}

void streams_set_final(struct streams *s)
{
	if (s->is_final)
		return;
	s->is_final = true;
	s->is_paused = false;
	close_input(s);
	watch_output(s);
	/* No task, no streams: a tty that never came. */
	check_drained(s);
}
