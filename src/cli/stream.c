/* The loop of run, attach, logs and wait: see stream.h. This file: the loop itself, and events to
 * output. */
#include "cli/stream.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/stream_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A daemon that is there but does not take the request within this time is not going to. */
#define ANSWER_MS 30000
#define NOTE_MS	  1000
/* How long a reader of our output may stand still after we were told to end. */
#define STALL_MS 1000

int stream_leave(struct stream *s, int status)
{
	s->status = status;
	return -ECANCELED;
}

static void written(struct stream *s)
{
	dayfly_event_free(s->event);
	s->event = NULL;
	free(s->line);
	s->line = NULL;
	s->blocked = NULL;
}

static int after_write(struct stream *s, struct sink *sink, int r)
{
	/* Where we are told to end, the terminal may be gone already: only the task's end is waited
	 * for. */
	if (r < 0 && s->end_signal)
		r = 1;
	if (r < 0)
		return stream_leave(s, output_failed(r, s->command->failure_status));
	if (r == 0)
		s->blocked = sink;
	else
		written(s);
	return 0;
}

static int put(struct stream *s, struct sink *sink, const void *data, size_t len)
{
	return after_write(s, sink, s->drops_output ? 1 : sink_write(sink, data, len));
}

static int print_output(struct stream *s, struct dayfly_event *take_ev)
{
	size_t len;
	bool is_stderr = dayfly_event_stream(take_ev) == DAYFLY_STREAM_STDERR;
	struct sink *sink = is_stderr ? &s->errors : &s->out;
	uint64_t dropped = dayfly_event_truncated(take_ev);
	if (dropped) {
		char size[UNITS_TEXT_SIZE];
		units_format_size(dropped, size);
		message_error("%s of %s are missing here", size, is_stderr ? "stderr" : "stdout");
	}
	s->event = take_ev;
	const void *data = dayfly_event_data(take_ev, &len);
	return put(s, sink, data, len);
}

/* --json: the daemon's own line. */
static int print_json(struct stream *s, const struct dayfly_event *ev)
{
	auto_free char *safe = str_escape_json(dayfly_event_json(ev));
	int len = safe ? asprintf(&s->line, "%s\n", safe) : -1;
	if (len < 0) {
		s->line = NULL;
		return after_write(s, &s->out, -ENOMEM);
	}
	return put(s, &s->out, s->line, (size_t)len);
}

static void note_running(struct stream *s)
{
	void (*fn)(void *) = s->on_running;
	s->is_running = true;
	s->on_running = NULL;
	if (fn)
		fn(s->owner);
}

/* Learns the task's id and state from an event. */
static void note_task(struct stream *s, const struct dayfly_event *ev)
{
	bool is_running = dayfly_event_type(ev) == DAYFLY_EVENT_OUTPUT;
	bool was_known = s->task[0];
	s->answer_deadline_ns = UINT64_MAX;
	if (!was_known)
		snprintf(s->task, sizeof(s->task), "%s", dayfly_event_task(ev));
	if (dayfly_event_type(ev) == DAYFLY_EVENT_STATE)
		s->is_running = is_running = !strcmp(dayfly_event_state(ev), "running");
	if (is_running)
		note_running(s);
	/* An attached terminal has a size of its own. */
	if (!was_known && s->task[0] && s->signals == STREAM_SIGNALS_TASK)
		stream_resize(s);
}

/* Most repositories are there before anybody wonders. */
static void note_fetching(struct stream *s, const char *source)
{
	s->note_ns = UINT64_MAX;
	if (!source[0] || s->has_noted)
		return;
	snprintf(s->note, sizeof(s->note), "fetching %s", source);
	s->note_ns = clock_mono_ns() + NOTE_MS * NS_PER_MS;
}

static void tell_note(struct stream *s)
{
	if (clock_mono_ns() < s->note_ns)
		return;
	s->note_ns = UINT64_MAX;
	s->has_noted = true;
	message_plain(s->note);
}

/* Somebody who sits before it wants to know why nothing happens. */
static void tell_waiting(struct stream *s, const struct dayfly_event *ev)
{
	uint64_t position, wait_ms;
	char text[96], time[UNITS_TEXT_SIZE];
	if (!isatty(STDERR_FILENO))
		return;
	note_fetching(s, dayfly_event_fetching(ev));
	if (dayfly_event_fetching(ev)[0] || dayfly_event_waiting(ev, &position, &wait_ms) < 0)
		return;
	int n = snprintf(text, sizeof(text), "waiting: %" PRIu64 " before it", position);
	if (wait_ms && wait_ms < UINT64_MAX / NS_PER_MS) {
		units_format_duration(wait_ms * NS_PER_MS, time);
		snprintf(text + n, sizeof(text) - (size_t)n, ", about %s", time);
	}
	message_plain(text);
}

static void tell_gone(const struct stream *s, const struct dayfly_event *ev)
{
	struct dayfly_error e;
	dayfly_event_error(ev, &e);
	message_report(s->command, &e);
}

static int handle_event(struct stream *s, struct dayfly_event *take_ev)
{
	enum dayfly_event_type type = dayfly_event_type(take_ev);
	bool is_last = type == DAYFLY_EVENT_RESULT || type == DAYFLY_EVENT_ERROR;
	/* An error that answers no request is the daemon's word before it closes the connection. */
	bool is_refusal = type == DAYFLY_EVENT_ERROR && !dayfly_event_request(take_ev);
	int r = 0;
	if (dayfly_event_request(take_ev) != s->request && !is_refusal) {
		if (is_last)
			stream_input_answered(
				s, dayfly_event_request(take_ev), type == DAYFLY_EVENT_ERROR);
		dayfly_event_free(take_ev);
		return 0;
	}
	note_task(s, take_ev);
	s->is_gone |= type == DAYFLY_EVENT_GONE;
	if (is_last)
		s->last = take_ev;
	if (s->prints_json)
		r = print_json(s, take_ev);
	else if (type == DAYFLY_EVENT_OUTPUT)
		return print_output(s, take_ev);
	else if (type == DAYFLY_EVENT_STATE)
		tell_waiting(s, take_ev);
	else if (type == DAYFLY_EVENT_GONE)
		tell_gone(s, take_ev);
	if (!is_last)
		dayfly_event_free(take_ev);
	return r;
}

/* Everything that the daemon has sent, until it is all handled or a sink is full. */
static int handle_events(struct stream *s)
{
	while (!s->blocked && !s->last) {
		struct dayfly_event *ev;
		struct dayfly_error e;
		int r = dayfly_next(s->client, 0, &ev, &e);
		if (r < 0) {
			terminal_restore(&s->terminal);
			message_report(s->command, &e);
			return stream_leave(s, s->command->failure_status);
		}
		if (r == 0)
			return 0;
		r = handle_event(s, ev);
		if (r < 0)
			return r;
	}
	return 0;
}

/* We were told to end: whoever reads our output has not much time left. */
static bool is_ending(const struct stream *s)
{
	return s->end_signal || s->interrupts >= 2;
}

static int poll_timeout(const struct stream *s)
{
	if (s->blocked && is_ending(s))
		return STALL_MS;
	uint64_t now = clock_mono_ns(), at = s->answer_deadline_ns;
	if (s->note_ns < at)
		at = s->note_ns;
	if (at == UINT64_MAX)
		return -1;
	return now < at ? (int)((at - now) / NS_PER_MS) + 1 : 0;
}

static int timed_out(struct stream *s)
{
	if (s->blocked && is_ending(s)) {
		message_error("nobody reads the output: the rest of it is dropped");
		s->drops_output = true;
		written(s);
		return 0;
	}
	tell_note(s);
	if (clock_mono_ns() < s->answer_deadline_ns)
		return 0;
	message_error("the daemon at %s does not answer", dayfly_client_path(s->client));
	return stream_leave(s, s->command->failure_status);
}

/* One turn of the loop: waits for anything, and handles it. */
static int turn(struct stream *s)
{
	/*
	 * With a full sink nothing more is read: the daemon then holds the output back, or drops it
	 * and says so.
	 */
	struct pollfd p[] = {
		{ .fd = s->blocked ? -1 : dayfly_client_fd(s->client),
			.events = dayfly_client_poll_events(s->client) },
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = stream_input_is_wanted(s) ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = s->blocked ? sink_poll_fd(s->blocked) : -1, .events = POLLOUT },
	};
	int n = poll(p, ARRAY_SIZE(p), poll_timeout(s));
	if (n < 0 && errno != EINTR) {
		message_error("poll: %s", strerror(errno));
		return stream_leave(s, s->command->failure_status);
	}
	int r = n == 0 ? timed_out(s) : 0;
	if (r == 0 && n > 0 && p[1].revents)
		r = stream_signals_read(s);
	if (r == 0 && n > 0 && p[3].revents)
		r = after_write(s, s->blocked, sink_flush(s->blocked));
	if (r == 0)
		r = handle_events(s);
	if (r == 0 && n > 0 && p[2].revents && stream_input_is_wanted(s))
		r = stream_input_read(s);
	return r;
}

int stream_begin(struct stream *s)
{
	s->answer_deadline_ns = clock_mono_ns() + ANSWER_MS * NS_PER_MS;
	s->note_ns = UINT64_MAX;
	s->signal_fd = -1;
	sink_init(&s->out, STDOUT_FILENO);
	sink_init(&s->errors, STDERR_FILENO);
	terminal_init(&s->terminal, STDIN_FILENO);
	int r = stream_signals_open(s);
	if (r < 0) {
		message_error("take over signals: %s", strerror(-r));
		return s->command->failure_status;
	}
	if (s->wants_raw && s->wants_input)
		terminal_enter_raw(&s->terminal);
	return 0;
}

int stream_run(struct stream *s, struct dayfly_event **ret_last)
{
	int r = 0;
	while (r == 0 && (!s->last || s->blocked))
		r = turn(s);
	stream_finish(s);
	if (r < 0) {
		dayfly_event_free(take_ptr(s->last));
		return s->status;
	}
	*ret_last = take_ptr(s->last);
	return 0;
}

void stream_finish(struct stream *s)
{
	terminal_restore(&s->terminal);
	written(s);
	sink_finish(&s->out);
	sink_finish(&s->errors);
	fd_close(&s->signal_fd);
}
