/*
 * What the daemon counts, in one table (metrics.def): how many, how long. Pure; the owner says what
 * happened. docs/operations.md tells of the names.
 */
#ifndef DAYFLY_DAEMON_METRICS_H
#define DAYFLY_DAEMON_METRICS_H

#include "task/result.h"

#include <jansson.h>
#include <stdint.h>

enum metric_counter {
#define COUNTER(enumerator, name, label, value, help) enumerator,
#define TIMES(enumerator, name, first_us, help)
#include "daemon/metrics.def"
#undef COUNTER
#undef TIMES
	METRIC_COUNTERS
};

enum metric_times {
#define COUNTER(enumerator, name, label, value, help)
#define TIMES(enumerator, name, first_us, help) enumerator,
#include "daemon/metrics.def"
#undef COUNTER
#undef TIMES
	METRIC_TIMES
};

/* The upper bound of the first bucket stands in the table; that of each further one is four times
 * as high; the last has none. */
#define METRIC_BUCKETS 13

struct metric_histogram {
	uint64_t buckets[METRIC_BUCKETS]; /* not cumulative */
	uint64_t count, sum_us;
};

struct metrics {
	uint64_t counters[METRIC_COUNTERS];
	struct metric_histogram times[METRIC_TIMES];
};

void metrics_add(struct metrics *m, enum metric_counter c, uint64_t n);
void metrics_time(struct metrics *m, enum metric_times t, uint64_t us);

/* All that a finished task adds. */
void metrics_note_result(struct metrics *m, const struct task_result *r);

/*
 * A list of {"name", "kind": "counter" or "histogram", "help", "labels", "value"}; a histogram has
 * "buckets", cumulative, of {"le": seconds as text, "count"}, "sum" (seconds as text) and "count".
 * NULL when memory is short.
 */
json_t *metrics_to_json(const struct metrics *m);

#endif
