/* dayfly info. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct info_options {
	const char *socket;
	bool json;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct info_options, json), NULL, NULL,
		"print JSON" },
	OPTION_SOCKET(struct info_options),
};

static const struct command command = {
	.name = "info",
	.operands = "",
	.summary = "Prints facts about the daemon: its version and mode, limits and counts.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.usage_status = 2,
	.failure_status = 1,
};

/* A duration or a size for people; false where it is neither. */
static bool format_amount(const char *key, const json_t *value, char out[UNITS_TEXT_SIZE])
{
	static const char *const sizes[] = { "memory", "memory_high", "swap", "io_read", "io_write",
		"disk", "output", "file_size", "core", "artifacts" };
	const char *text = json_string_value(value);
	char *end;
	if (text) {
		unsigned long long ms = strtoull(text, &end, 10);
		if (end == text || strcmp(end, "ms") != 0 || ms > UINT64_MAX / NS_PER_MS)
			return false;
		units_format_duration(ms * NS_PER_MS, out);
		return true;
	}
	for (size_t i = 0; json_is_integer(value) && i < ARRAY_SIZE(sizes); i++)
		if (!strcmp(key, sizes[i]) && json_integer_value(value) >= 0) {
			units_format_size((uint64_t)json_integer_value(value), out);
			return true;
		}
	return false;
}

static void print_fact(int depth, const char *key, const char *value)
{
	char safe_key[128], safe[4096];
	str_escape(key, strlen(key), safe_key, sizeof(safe_key));
	str_escape(value, strlen(value), safe, sizeof(safe));
	printf("%*s%s:%s%s\n", 2 * depth, "", safe_key, *safe ? " " : "", safe);
}

/* One fact a line; members of an object below its name. What the daemon sends is not ours to trust:
 * neither its depth nor its words. */
static void print_facts(const json_t *object, int depth)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value) {
		if (json_is_object(value) && depth < 4) {
			if (json_object_size(value))
				print_fact(depth, key, "");
			print_facts(value, depth + 1);
			continue;
		}
		char amount[UNITS_TEXT_SIZE];
		if (format_amount(key, value, amount)) {
			print_fact(depth, key, amount);
			continue;
		}
		auto_free char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		if (json_is_string(value))
			print_fact(depth, key, json_string_value(value));
		else if (!json_is_null(value))
			print_fact(depth, key, text ? text : "");
	}
}

static bool has_status(const json_t *probe, const char *status)
{
	const char *s = json_string_value(json_object_get(probe, "status"));
	return s && !strcmp(s, status);
}

/* "degraded: 2: one, other"; nothing where there is none. */
static void print_status(const json_t *probes, const char *status, bool are_named)
{
	size_t i, n = 0;
	json_t *p;
	json_array_foreach (probes, i, p)
		n += has_status(p, status);
	if (!n)
		return;
	printf("  %s: %zu", status, n);
	const char *before = ": ";
	json_array_foreach (probes, i, p) {
		char name[64];
		const char *check = json_string_value(json_object_get(p, "check"));
		if (!are_named || !check || !has_status(p, status))
			continue;
		str_escape(check, strlen(check), name, sizeof(name));
		printf("%s%s", before, name);
		before = ", ";
	}
	putchar('\n');
}

/* `dayfly doctor` tells the whole. */
static void print_probes(const json_t *probes)
{
	if (!json_is_array(probes))
		return;
	if (!json_array_size(probes)) {
		puts("probes: not made yet");
		return;
	}
	puts("probes:");
	print_status(probes, "ok", false);
	print_status(probes, "degraded", true);
	print_status(probes, "missing", true);
}

static const char *word_of(const json_t *object, const char *key, char *out, size_t size)
{
	const char *word = json_string_value(json_object_get(object, key));
	str_escape(word ? word : "?", strlen(word ? word : "?"), out, size);
	return out;
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "  kind: host agent none, processes 4096: 1 of 1 parked, 7 hits, misses: 1 new, 2 taken" */
static void print_kind(const json_t *kind)
{
	char image[4096], user[64], network[64], reason[64];
	printf("  kind: %s %s %s, processes %" JSON_INTEGER_FORMAT ": %" JSON_INTEGER_FORMAT
	       " of %" JSON_INTEGER_FORMAT " parked, %" JSON_INTEGER_FORMAT " hits",
		word_of(kind, "image", image, sizeof(image)),
		word_of(kind, "user", user, sizeof(user)),
		word_of(kind, "network", network, sizeof(network)), number_of(kind, "processes"),
		number_of(kind, "parked"), number_of(kind, "wanted"), number_of(kind, "hits"));
	const char *before = ", misses: ", *key;
	json_t *n;
	json_object_foreach (json_object_get(kind, "misses"), key, n) {
		if (json_integer_value(n) <= 0)
			continue;
		str_escape(key, strlen(key), reason, sizeof(reason));
		printf("%s%" JSON_INTEGER_FORMAT " %s", before, json_integer_value(n), reason);
		before = ", ";
	}
	putchar('\n');
}

static void print_pool(json_t *pool)
{
	size_t i;
	json_t *kind, *kinds = json_incref(json_object_get(pool, "kinds"));
	if (!json_is_object(pool)) {
		json_decref(kinds);
		return;
	}
	json_object_del(pool, "kinds");
	puts("pool:");
	print_facts(pool, 1);
	json_array_foreach (kinds, i, kind)
		print_kind(kind);
	json_decref(kinds);
}

static int print_info(const struct info_options *o, struct dayfly_event *ev)
{
	json_t *info = json_loads(dayfly_event_result_json(ev), JSON_DECODE_ANY, NULL);
	if (o->json) {
		auto_free char *text = json_dumps(info, JSON_INDENT(2) | JSON_ENCODE_ANY);
		json_decref(info);
		return daemon_print(&command, text);
	}
	/* `dayfly config show` has a table for these. */
	json_object_del(info, "config");
	json_t *probes = json_incref(json_object_get(info, "probes"));
	json_object_del(info, "probes");
	json_t *pool = json_incref(json_object_get(info, "pool"));
	json_object_del(info, "pool");
	print_facts(info, 0);
	print_pool(pool);
	print_probes(probes);
	json_decref(pool);
	json_decref(probes);
	json_decref(info);
	return output_end(command.failure_status);
}

int verb_info(int argc, char **argv)
{
	struct info_options o = { 0 };
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
		int made = dayfly_info(c, &request, &e);
		ev = daemon_answer(&command, c, made, request, &e);
	}
	if (ev)
		status = print_info(&o, ev);
	dayfly_event_free(ev);
	dayfly_client_free(c);
	return status;
}
