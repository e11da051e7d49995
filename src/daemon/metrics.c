/* What the daemon counts: see metrics.h. */
#include "daemon/metrics.h"

#include "base/cleanup.h"
#include "daemon/json_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *label, *value, *help;
} counters[] = {
#define COUNTER(enumerator, name, label, value, help) [enumerator] = { name, label, value, help },
#define TIMES(enumerator, name, first_us, help)
#include "daemon/metrics.def"
#undef COUNTER
#undef TIMES
};

static const struct {
	const char *name, *help;
	uint64_t first_us;
} times[] = {
#define COUNTER(enumerator, name, label, value, help)
#define TIMES(enumerator, name, first_us, help) [enumerator] = { name, help, first_us },
#include "daemon/metrics.def"
#undef COUNTER
#undef TIMES
};

void metrics_add(struct metrics *m, enum metric_counter c, uint64_t n)
{
	m->counters[c] += n;
}

void metrics_time(struct metrics *m, enum metric_times t, uint64_t us)
{
	struct metric_histogram *h = &m->times[t];
	size_t i = 0;
	for (uint64_t bound = times[t].first_us; i < METRIC_BUCKETS - 1 && us > bound; bound *= 4)
		i++;
	h->buckets[i]++;
	h->count++;
	h->sum_us += us;
}

static void note_pool(struct metrics *m, const struct task_result *r)
{
	static const enum metric_counter reasons[WIRE_POOL_WHY_COUNT] = {
		[WIRE_POOL_WHY_NEW] = METRIC_MISS_NEW,
		[WIRE_POOL_WHY_TAKEN] = METRIC_MISS_TAKEN,
		[WIRE_POOL_WHY_NO_ROOM] = METRIC_MISS_NO_ROOM,
		[WIRE_POOL_WHY_CHANGED] = METRIC_MISS_CHANGED,
		[WIRE_POOL_WHY_COW] = METRIC_MISS_COW,
		[WIRE_POOL_WHY_UNREACHABLE] = METRIC_MISS_UNREACHABLE,
	};
	if (r->pool == POOL_OFF)
		return;
	metrics_add(m, r->pool == POOL_HIT ? METRIC_POOL_HIT : METRIC_POOL_MISS, 1);
	if (r->pool == POOL_MISS && r->pool_why)
		metrics_add(m, reasons[r->pool_why], 1);
}

void metrics_note_result(struct metrics *m, const struct task_result *r)
{
	static const enum metric_counter outcomes[OUTCOME_COUNT] = {
		[OUTCOME_OK] = METRIC_OK,
		[OUTCOME_FAILED] = METRIC_FAILED,
		[OUTCOME_KILLED] = METRIC_KILLED,
		[OUTCOME_CANCELLED] = METRIC_CANCELLED,
		[OUTCOME_REJECTED] = METRIC_REJECTED,
		[OUTCOME_ERROR] = METRIC_ERROR,
		[OUTCOME_LOST] = METRIC_LOST,
	};
	const struct {
		enum metric_times which;
		struct known_u64 us;
	} phases[] = {
		{ METRIC_TIME_QUEUED, r->queued_us },
		{ METRIC_TIME_SETUP, r->setup_us },
		{ METRIC_TIME_RUN, r->run_us },
		{ METRIC_TIME_DESTROY, r->destroy_us },
	};
	metrics_add(m, outcomes[r->verdict.outcome], 1);
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (phases[i].us.is_known)
			metrics_time(m, phases[i].which, phases[i].us.value);
	note_pool(m, r);
	for (unsigned s = 0; s < OUTPUT_STREAM_COUNT; s++) {
		metrics_add(m, METRIC_OUTPUT_BYTES, r->output[s].bytes.value);
		metrics_add(m, METRIC_DROPPED_BYTES, r->output[s].dropped.value);
	}
	metrics_add(m, METRIC_CPU_US, r->cpu_user_us.value + r->cpu_sys_us.value);
}

/* ---- as JSON ---- */

/* Seconds without a rounding: JSON of this daemon has no floats. */
static json_t *seconds(uint64_t us)
{
	return json_sprintf("%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static json_t *counter_to_json(const struct metrics *m, size_t i)
{
	json_t *labels = json_object();
	if (counters[i].label)
		json_build_put(&labels, counters[i].label, json_string(counters[i].value));
	json_t *value = i == METRIC_CPU_US ? seconds(m->counters[i])
					   : json_integer((json_int_t)m->counters[i]);
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", counters[i].name, "kind", "counter",
		"help", counters[i].help, "labels", labels, "value", value);
}

static json_t *times_to_json(const struct metrics *m, size_t i)
{
	const struct metric_histogram *h = &m->times[i];
	json_t *buckets = json_array();
	uint64_t sum = 0, bound = times[i].first_us;
	for (size_t b = 0; b < METRIC_BUCKETS; b++, bound *= 4) {
		sum += h->buckets[b];
		json_t *le = b < METRIC_BUCKETS - 1 ? seconds(bound) : json_string("+Inf");
		json_build_add(
			&buckets, json_pack("{s:o, s:I}", "le", le, "count", (json_int_t)sum));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I}", "name", times[i].name, "kind",
		"histogram", "help", times[i].help, "buckets", buckets, "sum", seconds(h->sum_us),
		"count", (json_int_t)h->count);
}

json_t *metrics_to_json(const struct metrics *m)
{
	json_t *list = json_array();
	for (size_t i = 0; i < METRIC_COUNTERS; i++)
		json_build_add(&list, counter_to_json(m, i));
	for (size_t i = 0; i < METRIC_TIMES; i++)
		json_build_add(&list, times_to_json(m, i));
	return list;
}
