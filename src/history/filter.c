/* From a filter to SQL: see filter.h. */
#include "history/filter.h"

#include "base/units.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* part: constant. */
static void add(struct history_sql *s, const char *part)
{
	size_t len = strlen(s->text);
	assert(len + strlen(part) < sizeof(s->text));
	memcpy(s->text + len, part, strlen(part) + 1);
}

static void condition(struct history_sql *s, const char *part)
{
	add(s, s->text[0] ? " AND " : " WHERE ");
	add(s, part);
}

static struct history_param *param(struct history_sql *s)
{
	assert(s->n_params < HISTORY_PARAMS_MAX);
	struct history_param *p = &s->params[s->n_params++];
	*p = (struct history_param){ 0 };
	return p;
}

static void bind_text(struct history_sql *s, const char *text, size_t len)
{
	struct history_param *p = param(s);
	p->text = text;
	p->len = len;
}

static void bind_number(struct history_sql *s, int64_t number)
{
	param(s)->number = number;
}

static void add_text_condition(struct history_sql *s, const char *part, const char *value)
{
	if (!value[0])
		return;
	condition(s, part);
	bind_text(s, value, strlen(value));
}

static void add_label(struct history_sql *s, const char *label)
{
	const char *eq = strchr(label, '=');
	if (!label[0])
		return;
	condition(s, "EXISTS (SELECT 1 FROM label WHERE label.n = task.n AND key = ?");
	bind_text(s, label, eq ? (size_t)(eq - label) : strlen(label));
	if (eq) {
		add(s, " AND value = ?");
		bind_text(s, eq + 1, strlen(eq + 1));
	}
	add(s, ")");
}

void history_filter_sql(const struct history_filter *f, struct history_sql *ret)
{
	struct history_sql *s = ret;
	s->text[0] = '\0';
	s->n_params = 0;
	if (f->has_uid) {
		condition(s, "uid = ?");
		bind_number(s, (int64_t)f->uid);
	}
	if (f->state != HISTORY_ANY)
		condition(s, f->state == HISTORY_DONE ? "result IS NOT NULL" : "result IS NULL");
	add_text_condition(s, "outcome = ?", f->outcome);
	add_text_condition(s, "cause = ?", f->cause);
	add_text_condition(s, "name = ?", f->name);
	add_label(s, f->label);
	if (f->since_ns) {
		condition(s, "created >= ?");
		bind_number(s, (int64_t)f->since_ns);
	}
	if (f->until_ns) {
		condition(s, "created < ?");
		bind_number(s, (int64_t)f->until_ns);
	}
	if (f->has_before) {
		condition(s, "(created, n) < (?, ?)");
		bind_number(s, f->before.created_ns);
		bind_number(s, f->before.n);
	}
	add(s, " ORDER BY created DESC, n DESC LIMIT ?");
	bind_number(s, (int64_t)f->limit + 1);
}

void history_cursor_format(const struct history_cursor *c, char out[HISTORY_CURSOR_SIZE])
{
	snprintf(out, HISTORY_CURSOR_SIZE, "%" PRId64 ".%" PRId64, c->created_ns, c->n);
}

int history_cursor_parse(const char *text, struct history_cursor *ret)
{
	char first[HISTORY_CURSOR_SIZE];
	const char *dot = strchr(text, '.');
	uint64_t created, n;
	if (!dot || (size_t)(dot - text) >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, (size_t)(dot - text));
	first[dot - text] = '\0';
	if (units_parse_uint(first, INT64_MAX, &created) < 0 ||
		units_parse_uint(dot + 1, INT64_MAX, &n) < 0)
		return -EINVAL;
	*ret = (struct history_cursor){ (int64_t)created, (int64_t)n };
	return 0;
}
