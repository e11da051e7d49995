/* Command line options: see options.h. */
#include "cli/options.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/message.h"
#include "cli/output.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64

int options_check_text(const char *text, struct err *e)
{
	return str_is_utf8(text, strlen(text)) ? 0 : err_set(e, ERR_BAD_VALUE, 0, "not UTF-8");
}

int options_check_size(const char *text, struct err *e)
{
	uint64_t v;
	if (units_parse_size(text, &v) < 0)
		return err_set(
			e, ERR_BAD_VALUE, 0, "\"%s\" is not a size (such as 512MiB or 2g)", text);
	return 0;
}

int options_check_duration(const char *text, struct err *e)
{
	uint64_t v;
	if (units_parse_duration(text, &v) < 0)
		return err_set(e, ERR_BAD_VALUE, 0,
			"\"%s\" is not a time (such as 90, 10m or 1h30m)", text);
	return 0;
}

int options_check_cpus(const char *text, struct err *e)
{
	uint64_t v;
	if (units_parse_cpus(text, &v) < 0)
		return err_set(e, ERR_BAD_VALUE, 0,
			"\"%s\" is not a number of CPUs (such as 2 or 0.5)", text);
	return 0;
}

int options_check_count(const char *text, struct err *e)
{
	uint64_t v;
	if (units_parse_uint(text, INT64_MAX, &v) < 0)
		return err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not a whole number", text);
	return 0;
}

static const struct option_def *find_letter(const struct command *cmd, char letter)
{
	for (size_t i = 0; i < cmd->n_options; i++)
		if (letter && cmd->options[i].letter == letter)
			return &cmd->options[i];
	return NULL;
}

static const struct option_def *find_name(const struct command *cmd, const char *name, size_t len)
{
	for (size_t i = 0; i < cmd->n_options; i++) {
		const char *known = cmd->options[i].name;
		if (known && strlen(known) == len && !strncmp(known, name, len))
			return &cmd->options[i];
	}
	return NULL;
}

/* "task.env" also stands for "task.env.PATH", "task.mounts" for "task.mounts[2].target", and what
 * is a text for the same as a descriptor. */
static bool is_of(const char *field, const char *known, size_t len)
{
	return !strncmp(field, known, len) &&
	       (!field[len] || strchr(".[", field[len]) || !strcmp(field + len, "_fd"));
}

const struct option_def *options_find_field(const struct command *cmd, const char *field)
{
	const struct option_def *found = NULL;
	size_t longest = 0;
	for (size_t i = 0; i < cmd->n_options; i++) {
		const char *known = cmd->options[i].field;
		size_t len = known ? strlen(known) : 0;
		if (len > longest && is_of(field, known, len)) {
			found = &cmd->options[i];
			longest = len;
		}
	}
	return found;
}

static int unknown_option(const struct command *cmd, const char *name, size_t len, struct err *e)
{
	const char *names[OPTIONS_MAX];
	size_t n = 0;
	auto_free char *word = strndup(name, len);
	for (size_t i = 0; i < cmd->n_options && n < OPTIONS_MAX; i++)
		if (cmd->options[i].name)
			names[n++] = cmd->options[i].name;
	const char *near = word ? str_nearest(word, names, n) : NULL;
	err_set(e, ERR_BAD_VALUE, 0, "unknown option --%.*s", (int)len, name);
	if (near)
		err_hint(e, "did you mean --%s?", near);
	else
		err_hint(e, "dayfly %s --help lists the options", cmd->name);
	return -EINVAL;
}

static int store(const struct option_def *o, const char *value, void *values, struct err *e)
{
	void *where = (char *)values + o->offset;
	if (o->check && o->check(value, e) < 0)
		return err_wrap(e, "--%s", o->name);
	if (o->kind == OPTION_LIST)
		return strv_add((char ***)where, value) < 0
			       ? err_set(e, ERR_INTERNAL, ENOMEM, "read options")
			       : 0;
	*(const char **)where = value;
	return 0;
}

static int needs_value(const struct option_def *o, struct err *e)
{
	return err_set(e, ERR_BAD_VALUE, 0, "--%s needs a value: --%s%c%s", o->name, o->name,
		o->kind == OPTION_WHEN ? '=' : ' ', o->arg);
}

/* --name, --name=value, --name value. Moves *i past what it took. */
static int parse_long(
	const struct command *cmd, int argc, char **argv, int *i, void *values, struct err *e)
{
	const char *word = argv[*i] + 2;
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	if (!value && !strcmp(word, "help"))
		return OPTIONS_HELP;
	const struct option_def *o = find_name(cmd, word, len);
	if (!o)
		return unknown_option(cmd, word, len, e);
	if (o->kind == OPTION_FLAG) {
		if (value)
			return err_set(e, ERR_BAD_VALUE, 0, "--%s takes no value", o->name);
		*(bool *)((char *)values + o->offset) = true;
		return OPTIONS_OK;
	}
	if (o->kind == OPTION_WHEN)
		return value && !*value ? needs_value(o, e)
					: store(o, value ? value : "", values, e);
	if (!value && *i + 1 >= argc)
		return needs_value(o, e);
	return store(o, value ? value : argv[++*i], values, e);
}

/* -abc, -xVALUE, -x VALUE. */
static int parse_letters(
	const struct command *cmd, int argc, char **argv, int *i, void *values, struct err *e)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct option_def *o = find_letter(cmd, *p);
		if (!o && *p == 'h')
			return OPTIONS_HELP;
		if (!o) {
			err_set(e, ERR_BAD_VALUE, 0, "unknown option -%c", *p);
			err_hint(e, "dayfly %s --help lists the options", cmd->name);
			return -EINVAL;
		}
		if (o->kind == OPTION_FLAG) {
			*(bool *)((char *)values + o->offset) = true;
			continue;
		}
		if (!p[1] && *i + 1 >= argc)
			return needs_value(o, e);
		return store(o, p[1] ? p + 1 : argv[++*i], values, e);
	}
	return OPTIONS_OK;
}

/* The first one that must be there: COMMAND of "[--] COMMAND [ARGUMENT]...". */
static const char *first_operand(const struct command *cmd, int *ret_len)
{
	const char *word = cmd->operands;
	while (*word == '[') {
		word += strcspn(word, " ");
		word += *word == ' ';
	}
	*ret_len = (int)strcspn(word, " .");
	return word;
}

static int check_operands(const struct command *cmd, int n, char **operands, struct err *e)
{
	if (n < cmd->min_operands) {
		int len;
		const char *first = first_operand(cmd, &len);
		err_set(e, ERR_BAD_VALUE, 0, "%.*s is missing", len, first);
	} else if (cmd->max_operands >= 0 && n > cmd->max_operands) {
		err_set(e, ERR_BAD_VALUE, 0, "one word too many: %s", operands[cmd->max_operands]);
	} else {
		return OPTIONS_OK;
	}
	err_hint(e, "usage: dayfly %s [OPTION]...%s%s", cmd->name, *cmd->operands ? " " : "",
		cmd->operands);
	return -EINVAL;
}

static bool is_given(const struct option_def *o, const void *values)
{
	const void *where = (const char *)values + o->offset;
	return o->kind == OPTION_FLAG ? *(const bool *)where : *(const void *const *)where != NULL;
}

/* The next of the names in *at, which goes behind it; NULL at the end. */
static const struct option_def *next_needed(const struct command *cmd, const char **at)
{
	size_t len = strcspn(*at, " ");
	const char *name = *at;
	if (!len)
		return NULL;
	const struct option_def *o = find_name(cmd, name, len);
	assert(o);
	*at = name + len + (name[len] == ' ');
	return o;
}

static bool has_needed(const struct command *cmd, const struct option_def *o, const void *values)
{
	const char *at = o->needs;
	const struct option_def *other;
	bool has = false;
	while (!has && (other = next_needed(cmd, &at)))
		has = is_given(other, values);
	return has;
}

static int refuse_alone(const struct command *cmd, const struct option_def *o, struct err *e)
{
	char names[100] = "", forms[120] = "";
	const char *at = o->needs;
	const struct option_def *other;
	while ((other = next_needed(cmd, &at))) {
		size_t n = strlen(names), m = strlen(forms);
		const char *arg = other->arg ? other->arg : "";
		snprintf(names + n, sizeof(names) - n, "%s--%s", n ? " or " : "", other->name);
		snprintf(forms + m, sizeof(forms) - m, "%s--%s%s%s", m ? " or " : "", other->name,
			*arg ? " " : "", arg);
	}
	err_set(e, ERR_BAD_VALUE, 0, "--%s means nothing without %s", o->name, names);
	err_hint(e, "add %s, or leave --%s out", forms, o->name);
	return -EINVAL;
}

/* What would be taken, and then count for nothing. */
static int check_needs(const struct command *cmd, const void *values, struct err *e)
{
	for (size_t i = 0; i < cmd->n_options; i++) {
		const struct option_def *o = &cmd->options[i];
		if (o->needs && is_given(o, values) && !has_needed(cmd, o, values))
			return refuse_alone(cmd, o, e);
	}
	return OPTIONS_OK;
}

int options_parse(const struct command *cmd, int argc, char **argv, void *values,
	char ***ret_operands, struct err *e)
{
	auto_free char **operands = calloc((size_t)argc + 1, sizeof(*operands));
	int n = 0, i;
	if (!operands)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	for (i = 1; i < argc; i++) {
		const char *word = argv[i];
		int r = OPTIONS_OK;
		if (!strcmp(word, "--")) {
			i++;
			break;
		}
		if (str_starts(word, "--"))
			r = parse_long(cmd, argc, argv, &i, values, e);
		else if (word[0] == '-' && word[1])
			r = parse_letters(cmd, argc, argv, &i, values, e);
		else if (cmd->stops_at_operand)
			break;
		else
			operands[n++] = argv[i];
		if (r != OPTIONS_OK)
			return r;
	}
	while (i < argc)
		operands[n++] = argv[i++];
	int r = check_operands(cmd, n, operands, e);
	if (r == OPTIONS_OK)
		r = check_needs(cmd, values, e);
	if (r == OPTIONS_OK)
		*ret_operands = take_ptr(operands);
	return r;
}

void options_finish(const struct command *cmd, void *values)
{
	for (size_t i = 0; i < cmd->n_options; i++) {
		if (cmd->options[i].kind != OPTION_LIST)
			continue;
		char ***list = (char ***)((char *)values + cmd->options[i].offset);
		strv_free(*list);
		*list = NULL;
	}
}

void options_print_help(const struct command *cmd, FILE *out)
{
	fprintf(out, "Usage: dayfly %s [OPTION]...%s%s\n\n%s\n", cmd->name,
		*cmd->operands ? " " : "", cmd->operands, cmd->summary);
	bool has_heading = cmd->n_options && cmd->options[0].kind == OPTION_HEADING;
	if (!has_heading)
		fprintf(out, "\nOptions:\n");
	for (size_t i = 0; i < cmd->n_options; i++) {
		const struct option_def *o = &cmd->options[i];
		char head[64], letter[8] = "    ";
		if (o->kind == OPTION_HEADING) {
			fprintf(out, "\n%s:\n", o->help);
			continue;
		}
		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		const char *arg = o->arg ? o->arg : "";
		if (o->kind == OPTION_WHEN)
			snprintf(head, sizeof(head), "%s--%s[=%s]", letter, o->name, arg);
		else
			snprintf(head, sizeof(head), "%s--%s%s%s", letter, o->name, *arg ? " " : "",
				arg);
		fprintf(out, "  %-32s %s\n", head, o->help);
	}
	fprintf(out, "  %-32s %s\n", "-h, --help", "print this text");
	if (cmd->more)
		fprintf(out, "\n%s", cmd->more);
}

int options_begin(
	const struct command *cmd, int argc, char **argv, void *values, char ***ret_operands)
{
	struct err e;
	int r = options_parse(cmd, argc, argv, values, ret_operands, &e);
	if (r == OPTIONS_OK)
		return -1;
	options_finish(cmd, values);
	if (r == OPTIONS_HELP) {
		options_print_help(cmd, stdout);
		return output_end(cmd->failure_status);
	}
	message_error("%s", e.msg);
	message_detail("fix", e.hint);
	return cmd->usage_status;
}
