/* The filters of `dayfly history`: see history_filter.h. */
#include "cli/history_filter.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/task_text.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int read_day(const char *text, uint64_t *ret)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *rest = strlen(text) == 10 ? strptime(text, "%Y-%m-%d", &tm) : NULL;
	time_t s = rest && !*rest ? mktime(&tm) : -1;
	if (s < 0)
		return -EINVAL;
	*ret = (uint64_t)s * NS_PER_S;
	return 0;
}

int history_time(const char *text, uint64_t now_ns, uint64_t *ret_real_ns)
{
	uint64_t ms;
	if (clock_parse_rfc3339(text, ret_real_ns) == 0 || read_day(text, ret_real_ns) == 0)
		return 0;
	if (units_parse_duration(text, &ms) < 0)
		return -EINVAL;
	/* Longer ago than there are years: any time. */
	*ret_real_ns = ms < now_ns / NS_PER_MS ? now_ns - ms * NS_PER_MS : 0;
	return 0;
}

int history_check_time(const char *text, struct err *e)
{
	uint64_t ns;
	if (history_time(text, clock_real_ns(), &ns) == 0)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is no time", text);
	err_hint(e, "write it as 2026-01-31T09:05:00Z, 2026-01-31, or how long ago: 90s, 2h, 7d");
	return -EINVAL;
}

static int find_uid(const char *text, uint64_t *ret)
{
	if (units_parse_uint(text, UINT32_MAX - 1, ret) == 0)
		return 0;
	const struct passwd *pw = getpwnam(text);
	if (!pw)
		return -ENOENT;
	*ret = pw->pw_uid;
	return 0;
}

int history_check_user(const char *text, struct err *e)
{
	uint64_t uid;
	if (find_uid(text, &uid) == 0)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "there is no user \"%.100s\"", text);
	err_hint(e, "give a name or a number (getent passwd)");
	return -EINVAL;
}

/* Nothing for NULL. Returns 0 or -ENOMEM. */
static int add(char ***v, const char *name, const char *value)
{
	auto_free char *pair = NULL;
	if (!value)
		return 0;
	if (asprintf(&pair, "%s=%s", name, value) < 0) {
		pair = NULL;
		return -ENOMEM;
	}
	return strv_add(v, pair);
}

static int add_number(char ***v, const char *name, uint64_t n)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, n);
	return add(v, name, text);
}

static int add_time(char ***v, const char *name, const char *value)
{
	char stamp[CLOCK_RFC3339_SIZE];
	uint64_t ns;
	if (!value || history_time(value, clock_real_ns(), &ns) < 0 || !ns)
		return 0;
	clock_format_rfc3339(ns, stamp);
	return add(v, name, stamp);
}

static int add_user(char ***v, const char *user)
{
	uint64_t uid;
	return user && find_uid(user, &uid) == 0 ? add_number(v, "uid", uid) : 0;
}

char **history_filters(
	const struct history_wish *w, uint64_t limit, const char *before, const char *task)
{
	char **v = NULL;
	if (add_number(&v, "limit", limit) < 0 || add(&v, "outcome", w->outcome) < 0 ||
		add(&v, "cause", w->cause) < 0 || add(&v, "state", w->state) < 0 ||
		add(&v, "label", w->label) < 0 || add(&v, "name", w->name) < 0 ||
		add_time(&v, "since", w->since) < 0 || add_time(&v, "until", w->until) < 0 ||
		add_user(&v, w->user) < 0 || add(&v, "all", w->all ? "true" : NULL) < 0 ||
		add(&v, "before", before) < 0 || add(&v, "task", task) < 0) {
		strv_free(v);
		return NULL;
	}
	return v;
}

void history_user_name(const json_t *task, char *out, size_t size)
{
	json_int_t uid = json_integer_value(json_object_get(task, "uid"));
	const struct passwd *pw = getpwuid((uid_t)uid);
	if (pw)
		snprintf(out, size, "%s", pw->pw_name);
	else
		snprintf(out, size, "%" JSON_INTEGER_FORMAT, uid);
}

void history_took(const json_t *task, char out[UNITS_TEXT_SIZE])
{
	uint64_t from, to;
	out[0] = '\0';
	if (clock_parse_rfc3339(task_text_of(task, "started"), &from) == 0 &&
		clock_parse_rfc3339(task_text_of(task, "finished"), &to) == 0 && to >= from)
		units_format_duration(to - from, out);
}
