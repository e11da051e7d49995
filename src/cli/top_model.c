/* What dayfly top shows: see top_model.h. */
#include "cli/top_model.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const sort_names[TOP_SORT_COUNT] = {
	[TOP_SORT_CPU] = "cpu",
	[TOP_SORT_MEMORY] = "memory",
	[TOP_SORT_OUTPUT] = "output",
	[TOP_SORT_AGE] = "age",
};

enum top_sort top_sort_from_name(const char *name)
{
	for (unsigned i = 0; i < TOP_SORT_COUNT; i++)
		if (!strcmp(sort_names[i], name))
			return (enum top_sort)i;
	return TOP_SORT_COUNT;
}

void top_model_init(struct top_model *m, enum top_sort sort)
{
	*m = (struct top_model){ .sort = sort };
}

void top_model_finish(struct top_model *m)
{
	json_decref(m->answer);
	free(m->rows);
	*m = (struct top_model){ 0 };
}

/* ---- rates ---- */

static int64_t number_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* Of a counter over a time, per microsecond; what has not grown, or went back, is 0. */
static double rate(int64_t now, int64_t before, int64_t time_us)
{
	return now > before ? (double)(now - before) / (double)time_us : 0;
}

static double cpu_percent(const struct top_row *row, const struct top_row *before)
{
	if (row->cpu_us < 0)
		return -1;
	bool has_two = before && before->cpu_us >= 0 && before->boot_us >= 0;
	/* The daemon had nothing newer. */
	if (has_two && row->boot_us <= before->boot_us)
		return before->cpu_percent;
	if (has_two)
		return 100 * rate(row->cpu_us, before->cpu_us, row->boot_us - before->boot_us);
	return row->run_us > 0 ? 100 * rate(row->cpu_us, 0, row->run_us) : -1;
}

static double output_rate(const struct top_row *row, const struct top_row *before)
{
	int64_t run = row->run_us;
	if (row->output_bytes < 0 || run <= 0)
		return -1;
	bool has_two = before && before->output_bytes >= 0 && before->run_us >= 0;
	if (has_two && run <= before->run_us)
		return before->output_rate;
	if (has_two)
		return 1e6 * rate(row->output_bytes, before->output_bytes, run - before->run_us);
	return 1e6 * rate(row->output_bytes, 0, run);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct top_row *)a)->id, ((const struct top_row *)b)->id);
}

/* before: sorted by id. */
static void fill_row(
	struct top_row *row, const json_t *task, const struct top_row *before, size_t n_before)
{
	const json_t *usage = json_object_get(task, "usage");
	const json_t *output = json_object_get(usage, "output");
	int64_t out = number_of(output, "stdout"), err = number_of(output, "stderr");
	*row = (struct top_row){
		.task = task,
		.id = text_of(task, "task"),
		.memory_bytes = number_of(usage, "memory"),
		.pids = number_of(usage, "pids"),
		.position = number_of(task, "position"),
		.cpu_us = number_of(usage, "cpu"),
		.boot_us = number_of(usage, "boot_us"),
		.run_us = number_of(usage, "run"),
		.output_bytes = out < 0 || err < 0 || out > INT64_MAX - err ? -1 : out + err,
	};
	const struct top_row *old =
		n_before ? bsearch(row, before, n_before, sizeof(*before), by_id) : NULL;
	row->cpu_percent = cpu_percent(row, old);
	row->output_rate = output_rate(row, old);
}

/* ---- order ---- */

/* Those that run, those that wait, those that are done. */
static int rank_of(const struct top_row *row)
{
	const char *state = text_of(row->task, "state");
	return !strcmp(state, "done") ? 2 : !strcmp(state, "queued") ? 1 : 0;
}

static int compare(double a, double b)
{
	return a < b ? -1 : a > b;
}

static int by_order(const void *a, const void *b, void *arg)
{
	const struct top_row *x = a, *y = b;
	const enum top_sort *sort = arg;
	int r = rank_of(x) - rank_of(y);
	if (r == 0)
		r = compare((double)x->position, (double)y->position);
	if (r == 0 && *sort == TOP_SORT_CPU)
		r = compare(y->cpu_percent, x->cpu_percent);
	if (r == 0 && *sort == TOP_SORT_MEMORY)
		r = compare((double)y->memory_bytes, (double)x->memory_bytes);
	if (r == 0 && *sort == TOP_SORT_OUTPUT)
		r = compare(y->output_rate, x->output_rate);
	/* The oldest first: stamps of one form are in the order of their texts. */
	if (r == 0)
		r = strcmp(text_of(x->task, "created"), text_of(y->task, "created"));
	return r ? r : strcmp(x->id, y->id);
}

static void add_up(struct top_model *m, const struct top_row *row)
{
	m->n_running += rank_of(row) == 0;
	m->n_waiting += rank_of(row) == 1;
	if (row->cpu_percent > 0)
		m->cpu_percent += row->cpu_percent;
	if (row->memory_bytes > 0)
		m->memory_bytes += row->memory_bytes;
}

int top_model_update(struct top_model *m, json_t *take_answer)
{
	const json_t *tasks = json_object_get(take_answer, "tasks");
	size_t n = json_array_size(tasks);
	struct top_row *rows = calloc(n + 1, sizeof(*rows));
	if (!rows) {
		json_decref(take_answer);
		return -ENOMEM;
	}
	if (m->n_rows)
		qsort(m->rows, m->n_rows, sizeof(*rows), by_id);
	m->n_running = m->n_waiting = 0;
	m->cpu_percent = 0;
	m->memory_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		fill_row(&rows[i], json_array_get(tasks, i), m->rows, m->n_rows);
		add_up(m, &rows[i]);
	}
	qsort_r(rows, n, sizeof(*rows), by_order, &m->sort);
	free(m->rows);
	json_decref(m->answer);
	m->answer = take_answer;
	m->rows = rows;
	m->n_rows = n;
	return 0;
}

/* ---- JSON ---- */

/* A tenth is enough. */
static json_t *real_or_null(double v)
{
	return v < 0 || v > 1e15 ? json_null() : json_real((double)(int64_t)(v * 10 + 0.5) / 10);
}

json_t *top_model_to_json(const struct top_model *m, const char *at)
{
	json_t *list = json_array(), *all = json_pack("{s:s, s:O}", "at", at, "tasks", list);
	for (size_t i = 0; i < m->n_rows; i++) {
		const struct top_row *row = &m->rows[i];
		json_t *task = json_copy((json_t *)row->task);
		json_object_set_new(task, "cpu_percent", real_or_null(row->cpu_percent));
		json_object_set_new(task, "output_rate", real_or_null(row->output_rate));
		json_array_append_new(list, task);
	}
	bool is_whole = json_array_size(list) == m->n_rows;
	json_decref(list);
	if (is_whole)
		return all;
	json_decref(all);
	return NULL;
}
