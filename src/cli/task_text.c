/* A task of a list for people: see task_text.h. */
#include "cli/task_text.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *task_text_of(const json_t *task, const char *key)
{
	const char *text = json_string_value(json_object_get(task, key));
	return text ? text : "";
}

void task_text_age(const char *stamp, char out[UNITS_TEXT_SIZE])
{
	struct tm tm = { 0 };
	out[0] = '\0';
	const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t then = rest ? timegm(&tm) : -1;
	time_t now = (time_t)(clock_real_ns() / NS_PER_S);
	if (then < 0)
		return;
	if (now > then)
		units_format_duration((uint64_t)(now - then) * NS_PER_S, out);
	else
		snprintf(out, UNITS_TEXT_SIZE, "0 s");
}

void task_text_command(const json_t *task, char *out, size_t size)
{
	size_t i, len = 0;
	json_t *word;
	out[0] = '\0';
	json_array_foreach (json_object_get(task, "argv"), i, word) {
		const char *text = json_string_value(word);
		int n = snprintf(out + len, size - len, "%s%s", i ? " " : "", text ? text : "?");
		if (n < 0 || (size_t)n >= size - len)
			break;
		len += (size_t)n;
	}
	if (json_is_true(json_object_get(task, "argv_is_cut")) && len + 5 < size)
		memcpy(out + len, " ...", 5);
}

void task_text_state(const json_t *task, char *out, size_t size)
{
	const json_t *code = json_object_get(task, "code");
	const char *cause = task_text_of(task, "cause");
	/* It waits for its repository, and not for its turn. */
	bool is_fetching = !strcmp(task_text_of(task, "reason"), "source");
	if (!*cause)
		snprintf(out, size, "%s", is_fetching ? "fetching" : task_text_of(task, "state"));
	else if (!strcmp(cause, "exit") && json_is_integer(code))
		snprintf(out, size, "exit %" JSON_INTEGER_FORMAT, json_integer_value(code));
	else
		snprintf(out, size, "%s", cause);
}

int task_text_print_ids(const json_t *tasks, int failure_status)
{
	size_t i;
	json_t *task;
	json_array_foreach ((json_t *)tasks, i, task) {
		char id[64];
		const char *text = task_text_of(task, "task");
		str_escape(text, strlen(text), id, sizeof(id));
		puts(id);
	}
	return output_end(failure_status);
}
