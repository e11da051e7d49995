/* dayfly config: what the daemon was told, and where each value is from. */
#include "base/cleanup.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config_options {
	const char *socket;
	bool json;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct config_options, json), NULL, NULL,
		"print JSON" },
	OPTION_SOCKET(struct config_options),
};

static const struct command command = {
	.name = "config",
	.operands = "show",
	.summary = "Prints the settings of the daemon that are in force, and where each is from: a "
		   "default, a file\nand its line, or an option.",
	.more = "To check a configuration before it is used: dayflyd --check\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.min_operands = 1,
	.max_operands = 1,
	.usage_status = 2,
	.failure_status = 1,
};

static const char *text_of(const json_t *setting, const char *key)
{
	const char *text = json_string_value(json_object_get(setting, key));
	return text ? text : "";
}

/* A list has a row for each of its values; an empty one has one row. */
static void add_setting(struct table *t, const json_t *setting)
{
	const json_t *value = json_object_get(setting, "value");
	size_t n = json_is_array(value) ? json_array_size(value) : 1;
	for (size_t i = 0; i < n || i == 0; i++) {
		const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
		const char *text = json_string_value(one);
		table_add(t, text_of(setting, "key"), 0);
		table_add(t, text && *text ? text : "-", 0);
		table_add(t, text_of(setting, "origin"), 0);
	}
}

static int print_settings(const json_t *settings)
{
	static const char *const heads[] = { "SETTING", "VALUE", "ORIGIN" };
	struct table t;
	size_t i;
	json_t *setting;
	table_begin(&t, heads, ARRAY_SIZE(heads));
	json_array_foreach ((json_t *)settings, i, setting)
		add_setting(&t, setting);
	return table_show(&t, command.failure_status);
}

static int show(const struct config_options *o, struct dayfly_event *ev)
{
	json_t *info = json_loads(dayfly_event_result_json(ev), 0, NULL);
	const json_t *settings = json_object_get(info, "config");
	int status = command.failure_status;
	if (!json_is_array(settings)) {
		message_error("this daemon does not tell its configuration");
		message_detail("fix", "start it again: it is older than this dayfly");
	} else if (o->json) {
		auto_free char *text = json_dumps(settings, JSON_INDENT(2));
		status = daemon_print(&command, text);
	} else {
		status = print_settings(settings);
	}
	json_decref(info);
	return status;
}

int verb_config(int argc, char **argv)
{
	struct config_options o = { 0 };
	struct dayfly_error e;
	uint64_t request = 0;
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	if (strcmp(operands[0], "show") != 0) {
		message_error("config does not know \"%s\"", operands[0]);
		message_detail("fix", "dayfly config show");
		return command.usage_status;
	}
	status = command.failure_status;
	struct dayfly_client *c = daemon_connect(&command, o.socket, 0);
	struct dayfly_event *ev = NULL;
	if (c) {
		int made = dayfly_info(c, &request, &e);
		ev = daemon_answer(&command, c, made, request, &e);
	}
	if (ev)
		status = show(&o, ev);
	dayfly_event_free(ev);
	dayfly_client_free(c);
	return status;
}
