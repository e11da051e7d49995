/*
 * What dayfly top shows, of the answers to `list` with `usage`: rates from two answers (from the
 * start of the task where there is but one), in order. Pure.
 */
#ifndef DAYFLY_CLI_TOP_MODEL_H
#define DAYFLY_CLI_TOP_MODEL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum top_sort { TOP_SORT_CPU, TOP_SORT_MEMORY, TOP_SORT_OUTPUT, TOP_SORT_AGE, TOP_SORT_COUNT };

/* The order of that name; TOP_SORT_COUNT if there is none. */
enum top_sort top_sort_from_name(const char *name);

/* Numbers below 0 are not known. */
struct top_row {
	const json_t *task; /* of top_model.answer */
	const char *id;	    /* likewise */
	double cpu_percent; /* 100: one CPU */
	double output_rate; /* bytes per second */
	int64_t memory_bytes, pids, position;
	/* For the next rates. */
	int64_t cpu_us, boot_us, run_us, output_bytes;
};

struct top_model {
	enum top_sort sort;
	json_t *answer; /* the newest */
	struct top_row *rows;
	size_t n_rows;
	size_t n_running, n_waiting;
	double cpu_percent; /* sums of what is known */
	int64_t memory_bytes;
};

void top_model_init(struct top_model *m, enum top_sort sort);
void top_model_finish(struct top_model *m);

/* Takes the result of a list. Returns 0 or -ENOMEM: then all is as it was. */
int top_model_update(struct top_model *m, json_t *take_answer);

/* The rows as JSON: tasks as they came, in order, with "cpu_percent" and "output_rate" (null: not
 * known); "at" is the time. NULL: no memory. */
json_t *top_model_to_json(const struct top_model *m, const char *at);

#endif
