/* dayfly uploads, and watching them for dayfly run: see uploads.h. */
#include "cli/uploads.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/json_line.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH   24
#define PATIENCE_NS NS_PER_S
#define REDRAW_NS   (100 * NS_PER_MS)

struct uploads_options {
	const char *socket;
	bool wait, json;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 0, "wait", NULL, offsetof(struct uploads_options, wait), NULL, NULL,
		"wait until those of TASK are over; fails if one has failed" },
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct uploads_options, json), NULL, NULL,
		"print JSON, a line for each" },
	OPTION_SOCKET(struct uploads_options),
};

static const struct command command = {
	.name = "uploads",
	.operands = "[TASK]",
	.summary = "Lists the artifacts that are on their way to where they are kept, and what "
		   "became of the last\nones; of one task, or of all of yours.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.max_operands = 1,
	.usage_status = 2,
	.failure_status = 1,
};

/* ---- a bar ---- */

/* What is known of each upload of the task, by its path. */
struct progress {
	json_t *known; /* {PATH: {"sent","bytes"}} */
	uint64_t begun_ns, drawn_ns;
	bool is_drawn;
};

static void note(struct progress *p, const json_t *event)
{
	const char *path = json_string_value(json_object_get(event, "path"));
	if (path)
		json_object_set(p->known, path, (json_t *)event);
}

static void draw(struct progress *p, bool is_last)
{
	uint64_t now = clock_mono_ns(), sent = 0, bytes = 0;
	char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE], bar[BAR_WIDTH + 1];
	size_t n_over = 0;
	const char *path;
	json_t *one;
	if (!p->is_drawn && (is_last || now - p->begun_ns < PATIENCE_NS))
		return;
	if (!is_last && p->is_drawn && now - p->drawn_ns < REDRAW_NS)
		return;
	json_object_foreach (p->known, path, one) {
		const char *state = json_string_value(json_object_get(one, "state"));
		sent += (uint64_t)json_integer_value(json_object_get(one, "sent"));
		bytes += (uint64_t)json_integer_value(json_object_get(one, "bytes"));
		n_over += state && (!strcmp(state, "done") || !strcmp(state, "failed"));
	}
	size_t full = bytes ? (size_t)(sent * BAR_WIDTH / bytes) : 0;
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', full < BAR_WIDTH ? full : BAR_WIDTH);
	bar[BAR_WIDTH] = '\0';
	units_format_size(sent, a);
	units_format_size(bytes, b);
	fprintf(stderr, "\r\033[Kuploading [%s] %u%%  %s of %s, %zu of %zu files%s", bar,
		bytes ? (unsigned)(sent * 100 / bytes) : 100, a, b, n_over,
		json_object_size(p->known), is_last ? "\n" : "");
	p->is_drawn = true;
	p->drawn_ns = now;
}

/* ---- waiting ---- */

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));
	return text ? text : "";
}

/* Returns how many have failed. */
static size_t tell_failed(const json_t *list)
{
	size_t i, n = 0;
	json_t *one;
	json_array_foreach (list, i, one) {
		char path[400], cause[400];
		if (strcmp(text_of(one, "state"), "failed") != 0)
			continue;
		str_escape(text_of(one, "path"), strlen(text_of(one, "path")), path, sizeof(path));
		str_escape(
			text_of(one, "cause"), strlen(text_of(one, "cause")), cause, sizeof(cause));
		message_error("%s was not uploaded: %s", path, cause);
		n++;
	}
	return n;
}

static int finish(const struct command *cmd, struct progress *p, struct dayfly_event *last)
{
	struct dayfly_error e;
	if (dayfly_event_type(last) == DAYFLY_EVENT_ERROR) {
		if (dayfly_event_error(last, &e))
			message_report(cmd, &e);
		return cmd->failure_status;
	}
	json_t *result = json_loads(dayfly_event_result_json(last), 0, NULL);
	const json_t *list = json_object_get(result, "uploads");
	size_t i;
	json_t *one;
	json_array_foreach (list, i, one)
		note(p, one);
	draw(p, true);
	size_t n_failed = tell_failed(list);
	json_decref(result);
	return n_failed ? cmd->failure_status : 0;
}

int uploads_wait(
	const struct command *cmd, struct dayfly_client *c, const char *task, bool is_quiet)
{
	struct progress p = { .known = json_object(), .begun_ns = clock_mono_ns() };
	bool draws = !is_quiet && isatty(STDERR_FILENO);
	struct dayfly_event *ev = NULL;
	struct dayfly_error e;
	uint64_t request = 0;
	int status = -1;
	int r = dayfly_uploads(c, task, 1, &request, &e);
	while (r >= 0 && status < 0 && (r = dayfly_next(c, -1, &ev, &e)) > 0) {
		enum dayfly_event_type type = dayfly_event_type(ev);
		bool is_ours = dayfly_event_request(ev) == request;
		if (is_ours && type == DAYFLY_EVENT_UPLOAD) {
			json_t *event = json_loads(dayfly_event_json(ev), 0, NULL);
			note(&p, event);
			json_decref(event);
			if (draws)
				draw(&p, false);
		} else if (is_ours && (type == DAYFLY_EVENT_RESULT || type == DAYFLY_EVENT_ERROR)) {
			status = finish(cmd, &p, ev);
		}
		dayfly_event_free(ev);
		ev = NULL;
	}
	if (status < 0) {
		daemon_report(cmd, c, r, &e);
		status = cmd->failure_status;
	}
	json_decref(p.known);
	return status;
}

/* ---- the verb ---- */

static int print_lines(const json_t *list)
{
	size_t i;
	json_t *one;
	json_array_foreach (list, i, one)
		if (json_line_print(one, stdout) < 0)
			return command.failure_status;
	return 0;
}

static int print_table(const json_t *list)
{
	static const char *const columns[] = { "TASK", "STATE", "SENT", "OF", "PATH", "TO" };
	struct table t;
	size_t i;
	json_t *one;
	table_init(&t, ARRAY_SIZE(columns));
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		table_add(&t, columns[i], 0);
	json_array_foreach (list, i, one) {
		char sent[UNITS_TEXT_SIZE], bytes[UNITS_TEXT_SIZE];
		auto_free char *to = NULL;
		units_format_size((uint64_t)json_integer_value(json_object_get(one, "sent")), sent);
		units_format_size(
			(uint64_t)json_integer_value(json_object_get(one, "bytes")), bytes);
		if (asprintf(&to, "%s%s%s%s", text_of(one, "url"), text_of(one, "target"),
			    *text_of(one, "key") ? ":" : "", text_of(one, "key")) < 0)
			to = NULL;
		table_add(&t, text_of(one, "task"), 14);
		table_add(&t, text_of(one, "state"), 0);
		table_add(&t, sent, 0);
		table_add(&t, bytes, 0);
		table_add(&t, text_of(one, "path"), 40);
		table_add(&t, *text_of(one, "cause") ? text_of(one, "cause") : to ? to : "", 80);
	}
	return table_show(&t, command.failure_status);
}

static int print_uploads(const struct uploads_options *o, struct dayfly_client *c, const char *task)
{
	struct dayfly_error e;
	uint64_t request = 0;
	int made = dayfly_uploads(c, task, 0, &request, &e);
	struct dayfly_event *ev = daemon_answer(&command, c, made, request, &e);
	if (!ev)
		return command.failure_status;
	json_t *result = json_loads(dayfly_event_result_json(ev), 0, NULL);
	const json_t *list = json_object_get(result, "uploads");
	int status = o->json ? print_lines(list) : print_table(list);
	json_decref(result);
	dayfly_event_free(ev);
	return status;
}

int verb_uploads(int argc, char **argv)
{
	struct uploads_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	if (o.wait && !operands[0]) {
		message_error("--wait: it is not said for which task");
		message_detail("fix", "write dayfly uploads --wait TASK; dayfly uploads lists "
				      "those that have some");
		return command.usage_status;
	}
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	int waited = c && o.wait ? uploads_wait(&command, c, operands[0], o.json) : 0;
	status = c ? print_uploads(&o, c, operands[0]) : command.failure_status;
	dayfly_client_free(c);
	return status ? status : waited;
}
