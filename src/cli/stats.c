/* dayfly stats. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stats_options {
	const char *socket, *format;
};

static int check_format(const char *text, struct err *e)
{
	if (!strcmp(text, "text") || !strcmp(text, "json") || !strcmp(text, "prometheus"))
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is no format", text);
	err_hint(e, "write text, json or prometheus");
	return -EINVAL;
}

static const struct option_def options[] = {
	{ OPTION_TEXT, 0, "format", "FORMAT", offsetof(struct stats_options, format), check_format,
		NULL, "text (default), json or prometheus" },
	OPTION_SOCKET(struct stats_options),
};

static const struct command command = {
	.name = "stats",
	.operands = "",
	.summary =
		"Prints what the daemon has counted since its start. For root and the daemon's own "
		"user.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.usage_status = 2,
	.failure_status = 1,
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

/* A number, or one that came as text because it is no whole one. What comes is not ours to trust.
 */
static void print_value(const json_t *v)
{
	char safe[64];
	const char *s = json_string_value(v);
	if (s) {
		str_escape(s, strlen(s), safe, sizeof(safe));
		fputs(safe, stdout);
	} else {
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	}
}

static void print_escaped(const char *s)
{
	char safe[256];
	str_escape(s, strlen(s), safe, sizeof(safe));
	fputs(safe, stdout);
}

static bool is_kind(const json_t *m, const char *kind)
{
	return !strcmp(text_of(m, "kind"), kind);
}

/* ---- for people ---- */

static void print_text(const json_t *m)
{
	const char *key;
	json_t *value;
	print_escaped(text_of(m, "name"));
	json_object_foreach (json_object_get(m, "labels"), key, value) {
		putchar(' ');
		print_escaped(json_string_value(value) ? json_string_value(value) : "");
	}
	fputs(": ", stdout);
	if (!is_kind(m, "histogram")) {
		print_value(json_object_get(m, "value"));
		putchar('\n');
		return;
	}
	json_int_t n = json_integer_value(json_object_get(m, "count"));
	double sum = strtod(text_of(m, "sum"), NULL);
	printf("%" JSON_INTEGER_FORMAT " times", n);
	if (n > 0)
		printf(", %.2f ms on average", sum * 1000 / (double)n);
	putchar('\n');
}

/* ---- the text format of Prometheus, version 0.0.4 ---- */

static void print_name(const json_t *m, const char *suffix)
{
	fputs("dayfly_", stdout);
	print_escaped(text_of(m, "name"));
	fputs(suffix, stdout);
}

static void print_head(const json_t *m, const char *suffix)
{
	const char *help = text_of(m, "help");
	/* Further rows of the same name have none. */
	if (!*help)
		return;
	fputs("# HELP ", stdout);
	print_name(m, suffix);
	putchar(' ');
	print_escaped(help);
	fputs("\n# TYPE ", stdout);
	print_name(m, suffix);
	putchar(' ');
	print_escaped(text_of(m, "kind"));
	putchar('\n');
}

static void print_histogram(const json_t *m)
{
	size_t i;
	json_t *bucket;
	json_array_foreach (json_object_get(m, "buckets"), i, bucket) {
		print_name(m, "_bucket{le=\"");
		print_escaped(text_of(bucket, "le"));
		printf("\"} %" JSON_INTEGER_FORMAT "\n",
			json_integer_value(json_object_get(bucket, "count")));
	}
	print_name(m, "_sum ");
	print_value(json_object_get(m, "sum"));
	putchar('\n');
	print_name(m, "_count ");
	print_value(json_object_get(m, "count"));
	putchar('\n');
}

static void print_prometheus(const json_t *m)
{
	const char *suffix = is_kind(m, "counter") ? "_total" : "", *key;
	json_t *value;
	print_head(m, suffix);
	if (is_kind(m, "histogram")) {
		print_histogram(m);
		return;
	}
	print_name(m, suffix);
	const char *before = "{";
	json_object_foreach (json_object_get(m, "labels"), key, value) {
		fputs(before, stdout);
		print_escaped(key);
		fputs("=\"", stdout);
		print_escaped(json_string_value(value) ? json_string_value(value) : "");
		putchar('"');
		before = ",";
	}
	fputs(*before == ',' ? "} " : " ", stdout);
	print_value(json_object_get(m, "value"));
	putchar('\n');
}

static int print_stats(const struct stats_options *o, struct dayfly_event *ev)
{
	const char *text = dayfly_event_result_json(ev);
	if (o->format && !strcmp(o->format, "json"))
		return daemon_print(&command, text);
	bool is_prometheus = o->format && !strcmp(o->format, "prometheus");
	json_t *result = text ? json_loads(text, 0, NULL) : NULL, *m;
	size_t i;
	json_array_foreach (json_object_get(result, "metrics"), i, m) {
		if (is_prometheus)
			print_prometheus(m);
		else
			print_text(m);
	}
	json_decref(result);
	return output_end(command.failure_status);
}

int verb_stats(int argc, char **argv)
{
	struct stats_options o = { 0 };
	struct dayfly_error e;
	uint64_t request = 0;
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	status = command.failure_status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	struct dayfly_event *ev = NULL;
	if (c) {
		int made = dayfly_stats(c, &request, &e);
		ev = daemon_answer(&command, c, made, request, &e);
	}
	if (ev)
		status = print_stats(&o, ev);
	dayfly_event_free(ev);
	dayfly_client_free(c);
	return status;
}
