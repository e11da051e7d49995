/*
 * stdin to the task, one piece at a time: the daemon answers when it has room for more, so a task
 * that does not read holds up our stdin and nothing else. A piece fits into one buffer of the
 * socket: the daemon gets all of it or nothing, and a signal that is sent after it never waits
 * behind a half.
 */
#include "cli/message.h"
#include "cli/stream_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIECE	   (31u << 10)
#define KEY_CTRL_P 0x10
#define KEY_CTRL_Q 0x11

bool stream_input_is_wanted(const struct stream *s)
{
	return s->wants_input && !s->is_input_over && s->is_running && !s->input;
}

/*
 * Looks for Ctrl-P Ctrl-Q. A Ctrl-P is held back until the next key shows what was meant. Returns
 * whether the pair was there; else the bytes to send are in `out`, which has room for one more than
 * len.
 */
static bool filter_keys(struct stream *s, const char *in, size_t len, char *out, size_t *ret_len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (s->saw_detach_key && in[i] == KEY_CTRL_Q)
			return true;
		if (s->saw_detach_key)
			out[n++] = KEY_CTRL_P;
		s->saw_detach_key = in[i] == KEY_CTRL_P;
		if (!s->saw_detach_key)
			out[n++] = in[i];
	}
	*ret_len = n;
	return false;
}

static int send_input(struct stream *s, const char *data, size_t len, bool is_end)
{
	struct dayfly_error e;
	int r = dayfly_input(s->client, s->task, data, len, is_end, &s->input, &e);
	/* A connection that is gone is told of by the loop. */
	if (r < 0 || is_end)
		s->is_input_over = true;
	return 0;
}

int stream_input_read(struct stream *s)
{
	char buf[PIECE], keys[PIECE + 1];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/*
	 * A terminal that hung up, or a read error: no more input is all that the task can be told.
	 */
	if (n <= 0)
		return send_input(s, NULL, 0, true);
	if (!s->can_detach || !s->terminal.is_raw)
		return send_input(s, buf, (size_t)n, false);
	size_t len = 0;
	if (filter_keys(s, buf, (size_t)n, keys, &len)) {
		terminal_restore(&s->terminal);
		message_error("detached; to come back: dayfly attach -i %s", s->task);
		return stream_leave(s, 0);
	}
	return len ? send_input(s, keys, len, false) : 0;
}

void stream_input_answered(struct stream *s, uint64_t request, bool is_error)
{
	if (!s->input || s->input != request)
		return;
	s->input = 0;
	/* The task closed its stdin, or is gone. */
	if (is_error)
		s->is_input_over = true;
}
